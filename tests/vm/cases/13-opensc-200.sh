# 200 APDUs by opensc-tool: ten calls of twenty, each answer the one its command asks for.
# modes: path preload
# incumbent: with pcscd
for call in 0 1 2 3 4 5 6 7 8 9; do
  apdus=()
  : >expected
  for apdu in {0..19}; do
    printf -v p1 %02X "$call"
    printf -v p2 %02X "$apdu"
    apdus+=(-s "80:EE:$p1:$p2:08")
    echo "$p1 $p2 $p1 $p2 $p1 $p2 $p1 $p2" >>expected
  done
  with_lib opensc-tool "${apdus[@]}" >out 2>&1 || { cat out; false; }
  [ "$(grep -c '^Received (SW1=0x90, SW2=0x00)' out)" = 20 ]
  grep -oE '^([0-9A-F]{2} ){8}' out | sed 's/ $//' | diff expected -
done
