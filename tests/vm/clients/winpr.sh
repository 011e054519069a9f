# SPDX-License-Identifier: MIT OR Apache-2.0
echo "== FreeRDP's WinPR"
. "$CLIENTS/moves.sh"
card_moves "${run[@]}" timeout 120 "$BIN/winpr"
