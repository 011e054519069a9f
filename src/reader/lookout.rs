//! Knowing at the cost of one system call that nothing was plugged since the bus was last looked at.

use std::path::{Path, PathBuf};

use crate::arbiter::wait::Ear;
use crate::usb::bus::{self, SnapshotKey};

/// Posted before the bus is looked at; tells later whether that look is still right.
#[derive(Debug)]
pub(super) enum Lookout {
    /// Hears nodes come, go and change their permissions.
    Listening(Ear),
    /// No inotify to be had: the state of the directories, which does not show permissions.
    Comparing(PathBuf, SnapshotKey),
}

impl Lookout {
    /// Listens at the places where something is heard when a node in `nodes` comes or goes.
    pub(super) fn post(places: &[PathBuf], nodes: &Path) -> Self {
        let listening = Ear::new().and_then(|ear| {
            if places.is_empty() {
                return Err(std::io::ErrorKind::Unsupported.into());
            }
            places.iter().try_for_each(|path| ear.add_bus(path))?;
            Ok(ear)
        });
        match listening {
            Ok(ear) => Self::Listening(ear),
            Err(error) => {
                log::debug!("not listening to the bus: {error}");
                Self::Comparing(nodes.to_owned(), bus::snapshot_key(nodes))
            }
        }
    }

    /// Whether nothing has changed since.
    pub(super) fn is_quiet(&self) -> bool {
        match self {
            Self::Listening(ear) => !ear.listen().any(),
            Self::Comparing(nodes, key) => key.is_current(nodes),
        }
    }

    /// Whether a change of permissions would be noticed.
    pub(super) fn sees_permissions(&self) -> bool {
        matches!(self, Self::Listening(_))
    }
}
