# SPDX-License-Identifier: MIT OR Apache-2.0
# Programs and language bindings with QEMU's reader and a card of no application. Prints what two libraries have to print alike.
echo "== scriptor"
"${run[@]}" scriptor "$CLIENTS/simple/session.scriptor" 2>&1
echo "== opensc-explorer"
printf '%s\n' 'apdu 80:EE:12:34:08' quit | "${run[@]}" opensc-explorer -r 0 -c default 2>&1
echo "== ATR_analysis of what pcsc_scan shows"
"${run[@]}" timeout 60 pcsc_scan -c 2>&1 | tr -d '\033' | grep -vE '^ *(Scanning|Waiting|Using reader plug|Plug.n)|^[A-Z][a-z]{2} [A-Z]'
HOME=$PWD XDG_CACHE_HOME=$PWD ATR_analysis 3B68000077696E7363617264 2>&1 | grep -v '^Updating' | head -n 12
echo "== pyscard"
"${run[@]}" /usr/bin/python3 "$CLIENTS/simple/monitors.py" 2>&1
echo "== Java"
"${run[@]}" timeout 100 java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$BIN" Session 2>&1
