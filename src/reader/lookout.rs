//! Knowing at little cost that nothing was plugged since the bus was last looked at.
//!
//! A program that asks twice has the time stamps of the directories compared. One that goes on asking gets an inotify
//! instance, which answers by one system call; making and closing one costs more than a short program otherwise takes.

use std::path::{Path, PathBuf};

use crate::arbiter::wait::Ear;
use crate::usb::bus::{self, SnapshotKey};

/// Questions answered by comparing.
const COMPARISONS: u32 = 2;

/// Posted before the bus is looked at; tells later whether that look is still right.
#[derive(Debug)]
pub(super) enum Lookout {
    /// Hears nodes come, go and change their permissions.
    Listening(Ear),
    /// The state of the directories, which does not show permissions.
    Comparing {
        /// Then.
        key: SnapshotKey,
        /// How often it will be asked for until listening is better; 0 where there is no inotify to be had.
        left: u32,
    },
}

impl Lookout {
    /// Listens at the places where something is heard when a node comes or goes.
    pub(super) fn listen(places: &[PathBuf], nodes: &Path) -> Self {
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
                Self::Comparing {
                    key: bus::snapshot_key(nodes),
                    left: 0,
                }
            }
        }
    }

    /// Remembers what the directories of `nodes` look like.
    pub(super) fn compare(nodes: &Path) -> Self {
        Self::Comparing {
            key: bus::snapshot_key(nodes),
            left: COMPARISONS,
        }
    }

    /// Whether nothing has changed since. Asked often enough, it listens from then on, at the places that `places` gives.
    pub(super) fn is_quiet(&mut self, nodes: impl FnOnce() -> PathBuf, places: impl FnOnce() -> Vec<PathBuf>) -> bool {
        match self {
            Self::Listening(ear) => !ear.listen().any(),
            Self::Comparing { key, left: 0 } => key.is_current(),
            Self::Comparing { key, left } => {
                *left -= 1;
                if *left > 0 {
                    return key.is_current();
                }
                // Listens first, then compares: what comes in between is noticed by either.
                let listening = Self::listen(&places(), &nodes());
                let quiet = key.is_current();
                *self = listening;
                quiet
            }
        }
    }

    /// Whether a change of permissions would be noticed.
    pub(super) fn sees_permissions(&self) -> bool {
        matches!(self, Self::Listening(_))
    }
}
