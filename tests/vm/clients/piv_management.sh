# SPDX-License-Identifier: MIT OR Apache-2.0
# Sourced by sessions: the management key of a PIV card fresh from the factory, where piv-tool looks for it.
export PIV_EXT_AUTH_KEY=$PWD/management.key
printf '\1\2\3\4\5\6\7\10%.0s' 1 2 3 >"$PIV_EXT_AUTH_KEY"
