//! Identity by `GetFileInformationByHandle`.

#![allow(unsafe_code, reason = "GetFileInformationByHandle")]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::windows::io::AsRawHandle;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{BY_HANDLE_FILE_INFORMATION, GetFileInformationByHandle};

use super::NodeId;

impl NodeId {
    /// Of an open node.
    ///
    /// # Errors
    /// The system's.
    pub fn of(file: &File) -> io::Result<Self> {
        let mut information = MaybeUninit::<BY_HANDLE_FILE_INFORMATION>::uninit();
        // SAFETY: the handle is open while `file` is borrowed, `information` is a valid place for the result.
        if unsafe { GetFileInformationByHandle(file.as_raw_handle(), information.as_mut_ptr()) } == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has filled it.
        let information = unsafe { information.assume_init() };
        Ok(Self {
            dev: information.dwVolumeSerialNumber.into(),
            ino: u64::from(information.nFileIndexHigh) << 32 | u64::from(information.nFileIndexLow),
        })
    }

    /// Of the node that has this name now.
    ///
    /// # Errors
    /// The system's.
    pub fn at(path: &Path) -> io::Result<Self> {
        Self::of(&File::open(path)?)
    }
}
