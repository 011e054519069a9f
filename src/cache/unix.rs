//! Where the cache is on Unix.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::MAX_LEN;
use crate::env;
use crate::shared_file::{Owner, SharedFile, user};

/// In the user's runtime directory, `$XDG_RUNTIME_DIR` or `/run/user/UID`, else in a directory of his in `/dev/shm`.
pub(super) fn file() -> Option<SharedFile> {
    let named = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usual = PathBuf::from(format!("/run/user/{}", user()));
    let runtime = named
        .into_iter()
        .chain([usual])
        .find(|path| path.is_absolute() && is_private(path));
    let directory = match runtime {
        Some(path) => path.join("winscard"),
        None => Path::new("/dev/shm").join(format!("winscard-{}.cache", user())),
    };
    Some(SharedFile::new(directory, "cache", Owner::User, MAX_LEN))
}

/// Whether a directory is the user's, as the XDG base directory specification demands it.
fn is_private(directory: &Path) -> bool {
    fs::metadata(directory).is_ok_and(|meta| meta.is_dir() && meta.uid() == user() && meta.mode() & 0o022 == 0)
}
