//! Open-file-description locks on a device node: byte ranges, and one for the whole.
//!
//! Each [`LockFile`] is one open file description, so two of them in one process conflict exactly as two processes do.
//! The kernel drops every lock of a description when its last descriptor is closed, also by SIGKILL. On Windows a handle
//! has locks of its own in the same way.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::LockFile;
#[cfg(windows)]
pub(crate) use windows::{LockFile, try_lock_whole};

/// What a lock byte stands for. Each interface of a device has its own set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Byte {
    /// Share mode of a slot: shared lock for SHARED and DIRECT, exclusive lock for EXCLUSIVE.
    Share(u8),
    /// Somebody waits for a change of the card's or the reader's state and wants to be woken (shared lock).
    Waiting,
    /// Somebody waits for the end of a transaction, or any change, and wants to be woken (shared lock).
    Queue,
    /// Either of these two; only for [`LockFile::probe`].
    Anybody,
    /// The one that watches the interrupt endpoint for everybody.
    Watcher,
    /// "This handle lives": its token.
    Handle(u32),
    /// "This process may have the interface claimed": its number.
    Peer(u32),
}

impl Byte {
    /// Position in the lock space: interface, kind and number in separate bit fields, so none can meet another.
    fn offset(self, interface: u8) -> i64 {
        let (kind, number) = match self {
            Self::Share(slot) => (1, u32::from(slot)),
            Self::Waiting | Self::Anybody => (2, 0),
            Self::Queue => (2, 1),
            Self::Watcher => (3, 0),
            Self::Handle(token) => (4, token),
            Self::Peer(number) => (5, number),
        };
        (i64::from(interface) << 40) | (kind << 33) | i64::from(number)
    }

    /// How many positions it takes.
    fn len(self) -> i64 {
        if self == Self::Anybody { 2 } else { 1 }
    }
}

/// Shared or exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Compatible with other shared locks.
    Shared,
    /// Compatible with nothing.
    Exclusive,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::oserror;
    use crate::usb::NodeId;

    fn node() -> (std::path::PathBuf, NodeId) {
        let path = std::env::temp_dir().join(format!(
            "winscard-locks-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let id = NodeId::of(&File::create(&path).unwrap()).unwrap();
        (path, id)
    }

    #[test]
    fn two_descriptions_in_one_process_conflict() {
        let (path, id) = node();
        let (a, b) = (
            LockFile::open(&path, id, 0).unwrap(),
            LockFile::open(&path, id, 0).unwrap(),
        );
        assert!(a.try_lock(Byte::Share(0), Mode::Shared).unwrap());
        assert!(b.try_lock(Byte::Share(0), Mode::Shared).unwrap());
        assert!(
            !a.try_lock(Byte::Share(0), Mode::Exclusive).unwrap(),
            "two shared users"
        );
        assert_eq!(
            b.probe(Byte::Share(0)).unwrap(),
            Some(Mode::Shared),
            "a failed conversion keeps what was held"
        );
        drop(b);
        assert!(a.try_lock(Byte::Share(0), Mode::Exclusive).unwrap());
        let c = LockFile::open(&path, id, 1).unwrap();
        assert!(
            c.try_lock(Byte::Share(0), Mode::Exclusive).unwrap(),
            "another interface has its own bytes"
        );
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn whoever_waits_for_anything_is_seen_by_who_asks_for_anybody() {
        let (path, id) = node();
        let (a, b) = (
            LockFile::open(&path, id, 0).unwrap(),
            LockFile::open(&path, id, 0).unwrap(),
        );
        for (held, queues) in [(Byte::Waiting, None), (Byte::Queue, Some(Mode::Shared))] {
            assert_eq!(b.probe(Byte::Anybody).unwrap(), None);
            assert!(a.try_lock(held, Mode::Shared).unwrap());
            assert_eq!(b.probe(Byte::Anybody).unwrap(), Some(Mode::Shared));
            assert_eq!(b.probe(Byte::Queue).unwrap(), queues);
            a.unlock(held);
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn bytes_of_different_meaning_never_meet() {
        let all = [
            Byte::Share(0),
            Byte::Share(255),
            Byte::Waiting,
            Byte::Queue,
            Byte::Watcher,
            Byte::Handle(0),
            Byte::Handle(u32::MAX),
            Byte::Peer(0),
            Byte::Peer(u32::MAX),
        ];
        let mut offsets: Vec<i64> = [0, 1, 255].iter().flat_map(|i| all.map(|b| b.offset(*i))).collect();
        offsets.sort_unstable();
        let count = offsets.len();
        offsets.dedup();
        assert_eq!(offsets.len(), count);
        assert!(offsets.iter().all(|o| *o >= 0));
    }

    #[test]
    fn a_node_that_was_replaced_is_refused() {
        let (path, id) = node();
        let wrong = NodeId {
            ino: id.ino.wrapping_add(1),
            ..id
        };
        assert!(oserror::is_no_device(&LockFile::open(&path, wrong, 0).unwrap_err()));
        std::fs::remove_file(path).unwrap();
    }
}
