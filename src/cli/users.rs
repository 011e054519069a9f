//! Who uses a reader, and through which library.

use std::fs;
use std::path::Path;

use crate::usb::sysfs;

/// A process that has a reader's node open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) pid: u32,
    pub(super) name: String,
    pub(super) library: Library,
}

/// What a process reaches readers through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Library {
    /// This library: it shares.
    Ours,
    /// Something else.
    Other,
    /// Its memory map may not be looked at.
    Unknown,
}

/// The processes, beside this one, that have the node open.
pub(super) fn of(node: &Path) -> Vec<User> {
    sysfs::holder_of(node)
        .into_iter()
        .map(|(pid, name)| User {
            pid,
            name,
            library: library_of(pid),
        })
        .collect()
}

/// By what the process has mapped. Programs that have the library linked in show it in their own file.
pub(super) fn library_of(pid: u32) -> Library {
    let process = Path::new("/proc").join(pid.to_string());
    let Ok(maps) = fs::read_to_string(process.join("maps")) else {
        return Library::Unknown;
    };
    let mut files: Vec<&str> = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).collect();
    files.dedup();
    let mapped = |path: &&str| path.contains("libpcsclite") || path.contains("libwinscard");
    // By way of the process's root: it may be in another mount name space.
    let seen = |path: &str| process.join("root").join(path.trim_start_matches('/'));
    if files
        .iter()
        .copied()
        .filter(mapped)
        .any(|path| super::launch::library::is_ours(&seen(path)))
        || super::launch::library::is_ours(&process.join("exe"))
    {
        Library::Ours
    } else {
        Library::Other
    }
}

impl User {
    /// The words behind "used by".
    pub(super) fn describe(&self) -> String {
        format!("{} (process {})", self.name, self.pid)
    }
}
