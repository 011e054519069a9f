# SPDX-License-Identifier: MIT OR Apache-2.0
# card_moves COMMAND…: runs it, shows what it prints, and does to the card what its lines "card: remove" and "card: insert" ask for.
card_moves() {
  local line
  "$@" 2>&1 | while IFS= read -r line; do
    line=${line%$'\r'}
    echo "$line"
    [[ $line != card:* ]] || host later 1 card "${line#card: }"
  done
  echo "ended: ${PIPESTATUS[0]}"
}
