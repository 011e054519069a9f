# opensc-tool exchanges an APDU.
# modes: path preload
# incumbent: with pcscd
with_lib opensc-tool -s 00:C0:00:00:10 >out 2>&1
output_has '^Received \(SW1=0x90, SW2=0x00\)' out
output_has '^00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F ' out
