# A reader unplugged and plugged: every call's code, the same name back, old handles dead.
# modes: path preload
# incumbent: with pcscd
with_lib "$BIN/reader_unplug"
