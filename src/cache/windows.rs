//! Where the cache is on Windows.

use std::path::PathBuf;

use super::MAX_LEN;
use crate::env;
use crate::shared_file::{Owner, SharedFile};

/// In the user's folder for what stays on this machine, which nobody else reads.
pub(super) fn file() -> Option<SharedFile> {
    let folder = env::var_os("LOCALAPPDATA").map(PathBuf::from)?;
    let folder = folder.is_absolute().then(|| folder.join("winscard"))?;
    Some(SharedFile::new(folder, "cache", Owner::User, MAX_LEN))
}
