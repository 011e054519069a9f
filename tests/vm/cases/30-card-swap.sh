# A card removed and inserted while connected: SCARD_W_REMOVED_CARD, then SCardReconnect works.
# modes: path preload
# incumbent: with pcscd
with_lib "$BIN/card_swap"
