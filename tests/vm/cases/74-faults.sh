# Every system call of the library fails once, in each way of its manual page, over the kernel's usbfs and a real CCID reader; after each one everything
# works and nothing is left (tests/c/faults.c). Here every 29th of them; all with WINSCARD_VM_FAULTS=1, some of them with another number.
# incumbent: not
# seconds: 3000
# The program ends itself when its time is over: a hang costs the few minutes that every 29th may take, not the hour of all.
stride=${WINSCARD_VM_FAULTS:-29}
env "${library[@]}" FAULTS_GET_RESPONSE=1 FAULTS_BUS=/dev/bus/usb/001 "$BIN/faults" "$stride" $((stride < 10 ? 2900 : 400))
