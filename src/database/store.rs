//! Where entries are kept: files on Unix, the registry on Windows.

use super::model::Database;
use crate::error::Result;

/// Whose entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The user's.
    User,
    /// Everybody's; only an administrator changes them.
    System,
}

/// Keeps the entries of both scopes for all processes.
pub(crate) trait Store {
    /// The entries of a scope. What cannot be read is as if it were not there; the log says why.
    fn read(&self, scope: Scope) -> Database;

    /// Reads the entries, has them changed, and stores them, while no other process does the same. Nothing is stored if the change
    /// fails.
    ///
    /// # Errors
    /// That of `change`; `NoAccess` where the caller may not write; `ServerTooBusy` if another process stays in the way;
    /// `NoMemory` if there is no room.
    fn update(&self, scope: Scope, change: &mut dyn FnMut(&mut Database) -> Result<()>) -> Result<()>;
}

/// The store of this platform.
#[cfg(unix)]
pub(crate) fn store() -> impl Store {
    super::unix::Files
}

/// The store of this platform.
#[cfg(windows)]
pub(crate) fn store() -> impl Store {
    super::windows::Registry
}
