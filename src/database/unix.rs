//! The store of Unix: one file for each scope, in the format of [`super::text`].
//!
//! The user's is `$XDG_CONFIG_HOME/winscard/database`, or `~/.config/winscard/database`; the system's is
//! `/etc/winscard/database`, or in the directory that `WINSCARD_SYSCONFDIR` names.

use std::path::PathBuf;

use super::model::Database;
use super::store::{Scope, Store};
use super::text;
use crate::env;
use crate::error::{Error, Result};
use crate::shared_file::{Owner, SharedFile};

/// Most bytes that a file may have.
const MAX_LEN: usize = 1 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Files;

impl Store for Files {
    fn read(&self, scope: Scope) -> Database {
        file(scope).map_or_else(Database::default, |file| {
            let bytes = file.read().unwrap_or_else(|error| {
                log::error!("{}: {error}; as if it were empty", file.path().display());
                Vec::new()
            });
            text::parse(&String::from_utf8_lossy(&bytes))
        })
    }

    fn update(&self, scope: Scope, change: &mut dyn FnMut(&mut Database) -> Result<()>) -> Result<()> {
        let file = file(scope).ok_or(Error::NoAccess)?;
        file.update(|bytes| {
            // What is no text would not be kept; whoever wrote it shall look at it first.
            let before = String::from_utf8(bytes).map_err(|_| {
                log::error!("{} is no text; not changed", file.path().display());
                Error::NoAccess
            })?;
            let mut database = text::parse(&before);
            change(&mut database)?;
            Ok(text::write(&database).into_bytes())
        })
    }
}

fn file(scope: Scope) -> Option<SharedFile> {
    let (directory, owner) = match scope {
        Scope::User => (user_directory()?, Owner::User),
        Scope::System => system_directory(),
    };
    Some(SharedFile::new(directory.join("winscard"), "database", owner, MAX_LEN))
}

/// As the XDG base directory specification has it: a path that is not absolute does not count.
fn user_directory() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))
}

fn system_directory() -> (PathBuf, Owner) {
    let named = env::var_os("WINSCARD_SYSCONFDIR").map(PathBuf::from);
    named
        .filter(|path| path.is_absolute())
        .map_or_else(|| (PathBuf::from("/etc"), Owner::System), |path| (path, Owner::Named))
}
