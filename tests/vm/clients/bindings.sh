# SPDX-License-Identifier: MIT OR Apache-2.0
# Bindings of other languages with QEMU's reader, node's and Rust's, and gscriptor, which needs a display. Prints what two libraries have to print alike.
echo "== node: pcsc-mini, @pokusew/pcsclite"
NODE_CLIENTS=$BIN/node "${run[@]}" timeout 120 node "$CLIENTS/simple/session.mjs" 2>&1
echo "== Rust: pcsc"
"${run[@]}" timeout 60 "$BIN/rust_session" 2>&1
echo "== Rust: the crate's examples"
for example in list-readers list-readers-owned connect connect-owned readme; do
  echo "$example"
  "${run[@]}" timeout 60 "$BIN/examples/$example" 2>&1
done
# It wants Enter once it waits.
(sleep 2; echo) | "${run[@]}" timeout 60 "$BIN/examples/cancel" 2>&1
# It never ends.
"${run[@]}" stdbuf -oL "$BIN/examples/monitor" >monitor.out 2>&1 &
monitor=$!
within 30 grep -q PRESENT monitor.out
host card remove
within 30 grep -q EMPTY monitor.out
host card insert
within 30 eval 'grep -oE "EMPTY|PRESENT" monitor.out | tail -n 1 | grep -q PRESENT'
host reader unplug
within 30 grep -q Removing monitor.out
host reader plug
within 30 eval '[ "$(grep -c Adding monitor.out)" = 2 ]'
within 30 eval 'tail -n 1 monitor.out | grep -q PRESENT'
kill "$monitor"
# How often it is told between two of these is a matter of time. Of a reader that leaves, pcscd first tells that its card is gone (docs/differences.md).
grep -oE 'Adding|Removing|EMPTY|PRESENT' monitor.out | uniq | tr '\n' ' ' | sed 's/EMPTY Removing/Removing/; s/$/\n/'
echo "== Perl: gscriptor"
export HOME=$PWD
echo "script = '$CLIENTS/simple/session.scriptor'" >.gscriptor
"${run[@]}" timeout 120 xvfb-run -a perl "-I$CLIENTS/simple" -MHands /usr/bin/gscriptor 2>&1 | sed '/^$/d'
