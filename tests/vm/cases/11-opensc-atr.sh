# opensc-tool reads the ATR.
# modes: path preload
# incumbent: with pcscd
with_lib opensc-tool -a >out 2>&1
output_has "^$ATR\$" out
