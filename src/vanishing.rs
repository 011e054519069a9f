//! Files that exist as long as somebody has them open, on Windows: the system removes them when their process ends,
//! however it ends, and whoever listens to their folder hears it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::GENERIC_WRITE;
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ATTRIBUTE_TEMPORARY, FILE_FLAG_DELETE_ON_CLOSE, FILE_GENERIC_READ,
};

/// Makes a new file in a folder, which is made if need be; its name begins with `prefix`.
///
/// # Errors
/// The system's.
pub(crate) fn make(folder: &Path, prefix: &str) -> io::Result<(File, PathBuf)> {
    let open = || -> io::Result<(File, PathBuf)> {
        let name = format!("{prefix}-{:x}-{:x}", std::process::id(), crate::random::nonzero_u32());
        let path = folder.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .access_mode(FILE_GENERIC_READ | GENERIC_WRITE | DELETE)
            .attributes(FILE_ATTRIBUTE_TEMPORARY)
            .custom_flags(FILE_FLAG_DELETE_ON_CLOSE)
            .open(&path)?;
        Ok((file, path))
    };
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            open()
        }
        result => result,
    }
}

/// The folder for what nobody but this user's processes need.
pub(crate) fn own_folder() -> PathBuf {
    std::env::temp_dir().join("winscard")
}
