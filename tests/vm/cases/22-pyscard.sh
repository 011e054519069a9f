# Python's pyscard lists, connects and transmits.
# modes: path preload
# incumbent: with pcscd
with_lib python3 /mnt/repo/tests/vm/programs/pyscard_session.py
