# SPDX-License-Identifier: MIT OR Apache-2.0
echo "== FreeRDP's WinPR"
"${run[@]}" timeout 60 "$BIN/winpr" 2>&1
