# SELECT and READ BINARY through opensc-tool: commands with data, an answer of 256 bytes, a status word that is an error.
# incumbent: with pcscd
with_lib opensc-tool -s 00:A4:00:00:02:00:02 -s 00:B0:00:00:00 -s 00:A4:00:00:02:77:77 -s 00:20:00:01:04:31:32:33:34 >out 2>&1
output_has '^E0 E1 E2 E3 E4 E5 E6 E7 E8 E9 EA EB EC ED EE EF ' out
[ "$(grep -c '^Received (SW1=0x90, SW2=0x00)' out)" = 3 ]
output_has '^Received \(SW1=0x6A, SW2=0x82\)' out
