# SPDX-License-Identifier: MIT OR Apache-2.0
# A Windows program under the Wine of tests/vm/prepare-wine, whose winscard.so is linked with libpcsclite.so.1.
. "$CLIENTS/moves.sh"
tree=$(readlink "$BIN/wine")
for folder in dev proc sys run mnt; do
  mountpoint -q "$tree/$folder" || mount --rbind "/$folder" "$tree/$folder"
done
# This machine's daemon does not answer a newer libpcsclite.
[ -n "$OURS" ] || { cp "$(ldconfig -p | awk '/libpcsclite.so.1 / { print $NF; exit }')" /run/libpcsclite.so.1 && run=(env LD_PRELOAD=/run/libpcsclite.so.1); }
wine=("${run[@]}" HOME=/root WINEDEBUG=-all WINESERVER=/usr/lib/wine/wineserver64 "WINEDLLOVERRIDES=mscoree=;mshtml=" chroot "$tree")
card_moves timeout 400 "${wine[@]}" /usr/lib/wine/wine64 /run/bin/windows.exe
# Which library Wine has loaded; the next turn starts a Wine of its own.
"${wine[@]}" /usr/lib/wine/wineserver64 -k || true
