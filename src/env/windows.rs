//! A Windows program has no rights from its file: who elevates it gives it the environment too.

/// Never.
pub(super) fn has_extra_rights() -> bool {
    false
}
