# SPDX-License-Identifier: MIT OR Apache-2.0
# Bindings of other languages with QEMU's reader, node's and Rust's, and gscriptor, which needs a display. Prints what two libraries have to print alike.
echo "== node: pcsc-mini, @pokusew/pcsclite"
NODE_CLIENTS=$BIN/node "${run[@]}" timeout 120 node "$CLIENTS/simple/session.mjs" 2>&1
echo "== Rust: pcsc"
"${run[@]}" timeout 60 "$BIN/rust_session" 2>&1
echo "== Perl: gscriptor"
export HOME=$PWD
echo "script = '$CLIENTS/simple/session.scriptor'" >.gscriptor
"${run[@]}" timeout 120 xvfb-run -a perl "-I$CLIENTS/simple" -MHands /usr/bin/gscriptor 2>&1 | sed '/^$/d'
