//! Records in a folder of all users; what the folder allows to whom, its files inherit.

#![allow(
    unsafe_code,
    reason = "security descriptors, MoveFileExW, GetFileInformationByHandleEx"
)]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::FileExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES};
use windows_sys::Win32::Storage::FileSystem::{
    CreateDirectoryW, FILE_STANDARD_INFO, FileStandardInfo, GetFileInformationByHandleEx, MoveFileExW,
};

use crate::arbiter::locks;
use crate::arbiter::wait;
use crate::fork::Tracked;
use crate::vanishing;

/// The system, administrators, services and those who sit at the machine or its terminals may do everything; nobody else
/// anything. Readers bound to WinUSB are open to at least these.
const PERMISSIONS: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;SU)(A;OICI;FA;;;IU)";
/// How long to wait for another process that is making up its mind about index numbers.
const DIRECTORY_PATIENCE: Duration = Duration::from_millis(200);

/// Where the records of the system's bus are.
pub(super) fn records() -> PathBuf {
    let base = crate::env::var_os("ProgramData").unwrap_or_else(|| "C:\\ProgramData".into());
    let folder = PathBuf::from(base).join("winscard");
    if folder.is_dir() {
        return folder;
    }
    if let Err(error) = make_shared(&folder) {
        log::warn!("{}: {error}", folder.display());
    }
    folder
}

/// Where the nodes of the system's bus are: files that stand for devices.
pub(super) fn nodes() -> PathBuf {
    records().join("bus")
}

fn wide(text: impl AsRef<std::ffi::OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

fn make_shared(folder: &Path) -> io::Result<()> {
    let (path, permissions) = (wide(folder), wide(PERMISSIONS));
    let mut descriptor: PSECURITY_DESCRIPTOR = std::ptr::null_mut();
    // SAFETY: the text ends in a NUL, `descriptor` is a valid place for the result, whose size is not asked for.
    let made = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            permissions.as_ptr(),
            SDDL_REVISION_1,
            &raw mut descriptor,
            std::ptr::null_mut(),
        )
    };
    if made == 0 {
        return Err(io::Error::last_os_error());
    }
    let attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
        lpSecurityDescriptor: descriptor,
        bInheritHandle: 0,
    };
    // SAFETY: the path ends in a NUL, the attributes and what they point at live through the call.
    let done = unsafe { CreateDirectoryW(path.as_ptr(), &raw const attributes) };
    let error = io::Error::last_os_error();
    // SAFETY: the descriptor came from the call above and is not used any more.
    unsafe { LocalFree(descriptor) };
    if done == 0 && error.kind() != io::ErrorKind::AlreadyExists {
        return Err(error);
    }
    Ok(())
}

/// A lock on the directory; without it two processes could give one index to two readers. Somebody who holds it for
/// ever costs the others a short delay and nothing else.
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    pub(super) fn take(directory: &Path) -> Option<Self> {
        let path = directory.join("lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .ok()?;
        let deadline = Instant::now() + DIRECTORY_PATIENCE;
        while !locks::try_lock_whole(&file).ok()? {
            if Instant::now() >= deadline {
                log::warn!(
                    "{} stays locked by another process; going on without",
                    directory.display()
                );
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Some(Self { _file: file })
    }
}

/// Makes the file `temporary` with this content, and then gives it its name.
///
/// # Errors
/// The system's; `AlreadyExists` if there is one of that name.
pub(super) fn publish(temporary: &Path, path: &Path, content: &[u8], _node: &Path) -> io::Result<()> {
    fs::write(temporary, content)?;
    let (from, to) = (wide(temporary), wide(path));
    // SAFETY: both paths end in a NUL and live through the call.
    if unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), 0) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A record that no other process sees, and where its bell is heard.
///
/// # Errors
/// The system's.
pub(super) fn private() -> io::Result<(Tracked, PathBuf)> {
    let (file, path) = vanishing::make(&vanishing::own_folder(), "record")?;
    Ok((Tracked::open(|| Ok(file))?, path))
}

/// Opens a record.
pub(super) fn open_record(path: &Path) -> io::Result<Tracked> {
    Tracked::open(|| OpenOptions::new().read(true).write(true).open(path))
}

/// Whoever may make a file in the folder may take part.
///
/// # Errors
/// `PermissionDenied` for what is no file.
pub(super) fn check(record: &File, _path: &Path, _node: &Path) -> io::Result<()> {
    if record.metadata()?.is_file() {
        Ok(())
    } else {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

/// Reads what there is at an offset.
///
/// # Errors
/// The system's.
pub(super) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek_read(buffer, at)
}

/// Writes at an offset.
///
/// # Errors
/// The system's.
pub(super) fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = file.seek_write(bytes, at)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
        at += written as u64;
    }
    Ok(())
}

/// Whether somebody removed the file.
pub(super) fn has_no_name(file: &File) -> bool {
    let mut information = FILE_STANDARD_INFO::default();
    let size = u32::try_from(size_of::<FILE_STANDARD_INFO>()).unwrap_or(0);
    // SAFETY: the handle is open while `file` is borrowed, `information` is a valid place of that size.
    let done = unsafe {
        GetFileInformationByHandleEx(
            file.as_raw_handle(),
            FileStandardInfo,
            (&raw mut information).cast(),
            size,
        )
    };
    done != 0 && (information.DeletePending || information.NumberOfLinks == 0)
}

/// Rings the bell of a record.
pub(super) fn ring(_record: &File, path: &Path) {
    if let Err(error) = wait::ring(path) {
        log::error!("waking those who wait: {error}");
    }
}

/// Whether this process may open a node for reading and writing.
pub(crate) fn may_use(node: &Path) -> bool {
    OpenOptions::new().read(true).write(true).open(node).is_ok()
}
