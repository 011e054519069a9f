//! Readers take no lock: a new content is written beside the file and renamed over it. Writers exclude each other by a lock of
//! a file that is never replaced, which the system gives back when its holder dies. The folder is the user's, and what it
//! allows to whom, its files inherit.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::arbiter::locks;
use crate::error::{Error, Result};
use crate::oserror;

/// How long to wait for another process's change, or for one that reads the file just now.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The user's, who alone reads it.
    User,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct SharedFile {
    directory: PathBuf,
    path: PathBuf,
    max_len: usize,
}

impl SharedFile {
    /// The file of this name in a directory, which is made for the first change.
    pub(crate) fn new(directory: PathBuf, name: &str, _owner: Owner, max_len: usize) -> Self {
        let path = directory.join(name);
        Self {
            directory,
            path,
            max_len,
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The content; empty if there is no file.
    ///
    /// # Errors
    /// The system's error; `FileTooLarge` for one that is too long.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut bytes = Vec::new();
        let limit = u64::try_from(self.max_len).unwrap_or(u64::MAX).saturating_add(1);
        file.take(limit).read_to_end(&mut bytes)?;
        if bytes.len() > self.max_len {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    /// Replaces the content by what `change` makes of it, while no other process does; leaves it alone if that fails.
    ///
    /// # Errors
    /// That of `change`; `NoAccess`, `ServerTooBusy`, `NoMemory`, or `UnknownError`, with a line in the log.
    pub(crate) fn update(&self, change: impl FnOnce(Vec<u8>) -> Result<Vec<u8>>) -> Result<()> {
        let failed = |error: io::Error| self.failed(&error);
        fs::create_dir_all(&self.directory).map_err(failed)?;
        let _lock = self.lock()?;
        let before = self.read().map_err(failed)?;
        let after = change(before.clone())?;
        if after.len() > self.max_len {
            return Err(Error::NoMemory);
        }
        if after == before {
            return Ok(());
        }
        self.replace(&after).map_err(failed)
    }

    fn failed(&self, error: &io::Error) -> Error {
        log::error!("{}: {error}; not changed", self.path.display());
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound | io::ErrorKind::FileTooLarge => Error::NoAccess,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::NoMemory,
            _ if oserror::is_exhausted(error) => Error::NoMemory,
            _ => Error::UnknownError,
        }
    }

    fn lock(&self) -> Result<File> {
        let path = self.path.with_extension("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(|error| self.failed(&error))?;
        let deadline = Instant::now() + PATIENCE;
        while !locks::try_lock_whole(&file).map_err(|error| self.failed(&error))? {
            if Instant::now() >= deadline {
                log::error!("{} stays locked by another process", path.display());
                return Err(Error::ServerTooBusy);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(file)
    }

    /// Under the lock, so that the name of the new file is nobody else's.
    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        fs::write(&temporary, bytes)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Refused while somebody has it open for reading, on old versions.
            match fs::rename(&temporary, &self.path) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                result => return result,
            }
        }
    }
}
