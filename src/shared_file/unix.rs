//! Readers take no lock: a new content is written beside the file and renamed over it. Writers exclude each other by `flock` of a
//! file that is never replaced, which the kernel gives back when its holder dies. A file that is a link, that belongs to
//! somebody else, or that others may write, is not trusted.

#![allow(unsafe_code, reason = "flock(2), geteuid(2)")]

use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::fork::{self, Tracked};

/// How long to wait for another process's change.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The effective user's, who alone reads it.
    User,
    /// Root's; everybody reads it.
    System,
    /// The same in a directory that the user has named: root's or his own.
    Named,
}

impl Owner {
    /// Who else but root may have made the file.
    fn is_trusted(self, uid: u32) -> bool {
        uid == 0 || (self != Self::System && uid == user())
    }

    const fn file_mode(self) -> u32 {
        match self {
            Self::User => 0o600,
            Self::System | Self::Named => 0o644,
        }
    }

    const fn directory_mode(self) -> u32 {
        match self {
            Self::User => 0o700,
            Self::System | Self::Named => 0o755,
        }
    }
}

/// The effective user.
pub(crate) fn user() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct SharedFile {
    directory: PathBuf,
    path: PathBuf,
    owner: Owner,
    max_len: usize,
}

impl SharedFile {
    /// The file of this name in a directory, which is made for the first change.
    pub(crate) fn new(directory: PathBuf, name: &str, owner: Owner, max_len: usize) -> Self {
        let path = directory.join(name);
        Self {
            directory,
            path,
            owner,
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
    /// The system's error; `PermissionDenied` for a file that is not trusted, `FileTooLarge` for one that is too long.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let file = match open(OpenOptions::new().read(true), &self.path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            other => other?,
        };
        self.check(&file.metadata()?)?;
        let mut bytes = Vec::new();
        let limit = u64::try_from(self.max_len).unwrap_or(u64::MAX).saturating_add(1);
        (&*file).take(limit).read_to_end(&mut bytes)?;
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
        self.make_directory().map_err(failed)?;
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
        use io::ErrorKind as Kind;
        let no_access = [
            Kind::PermissionDenied,
            Kind::ReadOnlyFilesystem,
            Kind::NotFound,
            Kind::NotADirectory,
            Kind::FileTooLarge,
        ];
        let no_room = [Kind::StorageFull, Kind::QuotaExceeded, Kind::OutOfMemory];
        let code = error.raw_os_error();
        // ELOOP: a link where a file should be.
        if no_access.contains(&error.kind()) || code == Some(libc::ELOOP) {
            Error::NoAccess
        } else if no_room.contains(&error.kind()) || matches!(code, Some(libc::EMFILE | libc::ENFILE)) {
            Error::NoMemory
        } else {
            Error::UnknownError
        }
    }

    /// Only the last directory is ours; those above are made like any other.
    fn make_directory(&self) -> io::Result<()> {
        let mode = self.owner.directory_mode();
        if !self.directory.is_dir() {
            if let Some(parent) = self.directory.parent() {
                DirBuilder::new().recursive(true).mode(mode).create(parent)?;
            }
            match DirBuilder::new().mode(mode).create(&self.directory) {
                // The umask must not keep the system's directory from everybody.
                Ok(()) => fs::set_permissions(&self.directory, fs::Permissions::from_mode(mode))?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        // Whoever may write the directory may put any file in the place of ours.
        let meta = fs::metadata(&self.directory)?;
        self.check_owner(&meta)
    }

    fn check(&self, meta: &Metadata) -> io::Result<()> {
        if !meta.is_file() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.check_owner(meta)
    }

    fn check_owner(&self, meta: &Metadata) -> io::Result<()> {
        if self.owner.is_trusted(meta.uid()) && meta.mode() & 0o022 == 0 {
            return Ok(());
        }
        let text = format!(
            "belongs to user {} with mode {:o}: not trusted",
            meta.uid(),
            meta.mode() & 0o7777
        );
        Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
    }

    fn lock(&self) -> Result<Tracked> {
        let path = self.path.with_extension("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let file = open(&mut options, &path).map_err(|error| self.failed(&error))?;
        let meta = file.metadata().map_err(|error| self.failed(&error))?;
        self.check(&meta).map_err(|error| self.failed(&error))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            // SAFETY: the descriptor is open; no pointer is passed.
            if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
                return Ok(file);
            }
            if Instant::now() >= deadline {
                log::error!("{} stays locked by another process", path.display());
                return Err(Error::ServerTooBusy);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Removes what writers left who died; nobody else writes now.
    fn sweep(&self) {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for left in fork::names_in(&self.directory, usize::MAX).unwrap_or_default() {
            let rest = left.to_string_lossy().strip_prefix(&name).map(str::to_owned);
            if rest.is_some_and(|rest| rest.starts_with(".new-")) {
                let _not_ours = fs::remove_file(self.directory.join(left));
            }
        }
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        self.sweep();
        let suffix = format!("new-{}-{:x}", std::process::id(), crate::random::nonzero_u32());
        let temporary = self.path.with_extension(suffix);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let result = (|| {
            let file = open(&mut options, &temporary)?;
            (&*file).write_all(bytes)?;
            // The umask must not keep the system's file from everybody.
            file.set_permissions(fs::Permissions::from_mode(self.owner.file_mode()))?;
            file.sync_data()?;
            fs::rename(&temporary, &self.path)
        })();
        if result.is_err() {
            let _gone = fs::remove_file(&temporary);
        }
        result
    }
}

/// Without following a link, without waiting for what may be no file, and not inherited by anybody.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<Tracked> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    Tracked::open(|| options.custom_flags(flags).open(path))
}

#[cfg(test)]
mod tests;
