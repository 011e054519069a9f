//! Waiting: being told of changes, an event to be woken by, and `poll`.
//!
//! Three things are heard: the *bell* (something that others wait for has happened; plain writes to the record make no
//! sound), the node (somebody who took part has left or was killed), and the directories of the bus (readers come and
//! go, udev changes permissions).
//!
//! | | Unix: inotify | Windows: change notifications of directories |
//! |---|---|---|
//! | bell | `futimens` on the record file, IN_ATTRIB | a file made and removed beside the records |
//! | somebody left | IN_CLOSE_WRITE of the node | the file vanishes that each party has open beside the node |
//! | bus | what happens in its directories | the same |

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{Ear, Entry, POLLIN, Signal, entry, poll};
#[cfg(windows)]
pub(crate) use windows::{Ear, Entry, POLLIN, Signal, entry, join, poll, ring};

/// What an [`Ear`] has heard since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Somebody closed a node; his locks are freed just after this is heard, not before.
    pub(crate) closed: bool,
    /// Something came, went or changed its permissions in a directory of the bus, or more happened than was kept.
    pub(crate) bus: bool,
    /// The bell, or anything else.
    pub(crate) other: bool,
}

impl Heard {
    /// Whether anything was heard.
    pub(crate) fn any(self) -> bool {
        self.closed || self.bus || self.other
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_signal_wakes_and_a_deadline_ends() {
        let signal = Signal::new().unwrap();
        let mut fds = [signal.entry()];
        poll(&mut fds, Some(Instant::now() + Duration::from_millis(5))).unwrap();
        assert_eq!(fds[0].revents, 0);
        signal.set();
        poll(&mut fds, None).unwrap();
        assert_ne!(fds[0].revents, 0);
    }
}
