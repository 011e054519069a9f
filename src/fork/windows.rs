//! Nothing to track: a new process inherits no handle that was not made to be inherited.

use std::fs::File;
use std::io;
use std::ops::Deref;

/// A file of this process alone.
#[derive(Debug)]
pub struct Tracked {
    file: File,
}

impl Tracked {
    /// The file that `open` makes.
    ///
    /// # Errors
    /// What `open` returns.
    pub fn open(open: impl FnOnce() -> io::Result<File>) -> io::Result<Self> {
        Ok(Self { file: open()? })
    }
}

impl Deref for Tracked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

/// Runs `body`: nobody forks.
pub fn apart<T>(body: impl FnOnce() -> T) -> T {
    body()
}

/// Nobody forks.
pub fn register(_in_child: fn()) {}
