//! The identity of a device node.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

/// What tells one device node from another, also across re-plugging: device and inode number of the node; on Windows
/// volume and index of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// `st_dev` of the file system the node is in.
    pub dev: u64,
    /// `st_ino` of the node.
    pub ino: u64,
}
