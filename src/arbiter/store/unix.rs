//! Records in tmpfs, with the permissions of the node they belong to.

#![allow(unsafe_code, reason = "flock(2), futimens(2), memfd_create(2), faccessat(2)")]

mod acl;

use std::ffi::CString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::fork::Tracked;
use crate::usb::sysfs;
use acl::Acl;

/// Installed by tmpfiles.d; used where it exists.
const PREFERRED: &str = "/run/winscard";
/// There on every Linux system.
const FALLBACK: &str = "/dev/shm";
/// How long to wait for another process that is making up its mind about index numbers.
const DIRECTORY_PATIENCE: Duration = Duration::from_millis(200);

/// Where the records of the kernel's bus are.
pub(super) fn records() -> PathBuf {
    let preferred = Path::new(PREFERRED);
    PathBuf::from(if preferred.is_dir() { PREFERRED } else { FALLBACK })
}

/// Where the nodes of the kernel's bus are.
pub(super) fn nodes() -> PathBuf {
    PathBuf::from(sysfs::DEV_NODES)
}

/// An advisory lock on the directory itself; without it two processes could give one index to two readers. Somebody who
/// holds it for ever costs the others a short delay and nothing else.
pub(super) struct DirectoryLock {
    _file: Tracked,
}

impl DirectoryLock {
    pub(super) fn take(directory: &Path) -> Option<Self> {
        let file = Tracked::open(|| File::open(directory)).ok()?;
        let deadline = Instant::now() + DIRECTORY_PATIENCE;
        loop {
            // SAFETY: the descriptor is open; no pointer is passed.
            if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
                return Some(Self { _file: file });
            }
            if Instant::now() >= deadline {
                log::warn!(
                    "{} stays locked by another process; going on without",
                    directory.display()
                );
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Makes the file `temporary` with this content and the node's owner, group, mode and ACL, and then gives it its name.
///
/// # Errors
/// The system's; `AlreadyExists` if there is one of that name.
pub(super) fn publish(temporary: &Path, path: &Path, content: &[u8], node: &Path) -> io::Result<()> {
    let node_path = node;
    let node = fs::metadata(node_path)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    file.write_all_at(content, 0)?;
    // Only root may give a file away; a user may give it to a group he is in.
    if std::os::unix::fs::fchown(&file, Some(node.uid()), Some(node.gid())).is_err() {
        let _not_a_member = std::os::unix::fs::fchown(&file, None, Some(node.gid()));
    }
    let same_group = file.metadata()?.gid() == node.gid();
    let mode = acl::users_only(node.mode()) & if same_group { 0o666 } else { 0o606 };
    file.set_permissions(Permissions::from_mode(mode))?;
    if let Some(acl) = Acl::for_record(&node, Acl::of(node_path), &file.metadata()?) {
        acl.apply(&file);
    }
    fs::hard_link(temporary, path)
}

/// A record that no other process sees, and where its bell is heard.
///
/// # Errors
/// The system's.
pub(super) fn private() -> io::Result<(Tracked, PathBuf)> {
    let file = Tracked::open(|| {
        // SAFETY: the name is a NUL-terminated literal.
        let fd = unsafe { libc::memfd_create(c"winscard-record".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a descriptor the kernel has just made for us.
        Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
    })?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    Ok((file, path))
}

/// Opens a record, or whatever somebody has put in its place, without waiting and without following a link.
pub(super) fn open_record(path: &Path) -> io::Result<Tracked> {
    Tracked::open(|| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
    })
}

/// Refuses a record that somebody made who may not use the node.
///
/// # Errors
/// `PermissionDenied`, or the system's.
pub(super) fn check(record: &File, path: &Path, node: &Path) -> io::Result<()> {
    let (meta, owner) = (record.metadata()?, fs::metadata(node)?);
    if meta.is_file() && is_trusted(&meta, &owner, node) {
        return Ok(());
    }
    log::error!(
        "{} was made by user {}, who may not use {}",
        path.display(),
        meta.uid(),
        node.display()
    );
    Err(io::ErrorKind::PermissionDenied.into())
}

/// Reads what there is at an offset.
///
/// # Errors
/// The system's.
pub(super) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(buffer, at)
}

/// Writes at an offset.
///
/// # Errors
/// The system's.
pub(super) fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.write_all_at(bytes, at)
}

/// Whether somebody removed the file.
pub(super) fn has_no_name(file: &File) -> bool {
    file.metadata().is_ok_and(|meta| meta.nlink() == 0)
}

/// Rings the bell of a record.
pub(super) fn ring(record: &File, _path: &Path) {
    touch(record);
}

/// A record may come from root, from ourselves, from the node's owner, from a user in its ACL, or from a member of its
/// group (only a member can give a file to a group).
fn is_trusted(meta: &fs::Metadata, node: &fs::Metadata, path: &Path) -> bool {
    let uid = meta.uid();
    // SAFETY: takes nothing and cannot fail.
    let ours = unsafe { libc::geteuid() };
    uid == 0
        || uid == ours
        || uid == node.uid()
        || (meta.gid() == node.gid() && node.mode() & 0o060 == 0o060)
        || Acl::of(path).is_some_and(|acl| acl.admits(uid))
}

/// Sets both times of a file to now: IN_ATTRIB for whoever hears it, nothing for those who only read.
pub(crate) fn touch(file: &File) {
    // SAFETY: the descriptor is open; a null pointer means "now".
    if unsafe { libc::futimens(file.as_raw_fd(), std::ptr::null()) } != 0 {
        log::error!("waking those who wait: {}", io::Error::last_os_error());
    }
}

/// Whether this process may open a node for reading and writing. Does not open it: that would wake a sleeping device.
pub(crate) fn may_use(node: &Path) -> bool {
    let Ok(path) = CString::new(node.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: the path is NUL-terminated and outlives the call.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::R_OK | libc::W_OK, libc::AT_EACCESS) == 0 }
}
