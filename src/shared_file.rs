//! A small file that any number of processes read and change: whole, or not at all.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{Owner, SharedFile, user};
#[cfg(windows)]
pub(crate) use windows::{Owner, SharedFile};
