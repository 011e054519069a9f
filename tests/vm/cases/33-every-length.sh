# Commands and answers of every length. Not with pcscd: libccid 1.5.2 loses step after an answer of 64 bytes from this reader (a zero-length packet follows).
# incumbent: not
with_lib "$BIN/lengths"
