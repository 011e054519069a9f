//! `SCardGetStatusChange`: look at every reader, and if nothing is new, sleep until something may be. The one that waits
//! watches; see [`crate::reader::watch`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Context, ReaderState, Timeout};
use crate::api::constants as c;
use crate::arbiter::locks::{Byte, Mode};
use crate::arbiter::record::{CardState, Slot};
use crate::arbiter::wait::{Ear, POLLIN, Signal, entry, poll};
use crate::error::{Error, Result};
use crate::oserror;
use crate::reader::link::{Gone, Link, Permit};
use crate::reader::registry::{self, Reader, Snapshot};
use crate::reader::status::{self, View};
use crate::reader::watch::Watch;
use crate::trace;

/// How soon to look again at a bus on which a device is being configured.
const SETTLING_INTERVAL: Duration = Duration::from_millis(50);

const IGNORE: u32 = 0x1;
const CHANGED: u32 = 0x2;
const UNKNOWN: u32 = 0x4;
const UNAVAILABLE: u32 = 0x8;

/// What an entry is about.
#[derive(Debug)]
enum Subject {
    Ignored,
    /// The list of readers; how many there were when the call began.
    List(usize),
    Reader(Arc<Reader>),
}

/// What a look at one reader gave.
enum Sight {
    Seen(Slot, Option<Mode>),
    Unavailable,
    Gone,
}

/// One interface that a waiting call is about.
struct Watched {
    link: Arc<Link>,
    watch: Watch,
}

/// Everything a waiting call holds.
struct Wait {
    ear: Ear,
    /// To keep the ear afterwards.
    permit: Option<Permit>,
    signal: Arc<Signal>,
    watched: Vec<Watched>,
    /// Looks still due after somebody closed a node, whose locks are freed a little later.
    retries: u32,
}

impl Context {
    /// Fills in the events; returns when one of them is a change, at once or later.
    ///
    /// # Errors
    /// `UnknownReader` (a name that is no reader's; nothing is changed then), `Timeout` and `Cancelled` (the events are
    /// filled in), `NoMemory`.
    pub fn status_change(&self, timeout: Timeout, states: &mut [ReaderState]) -> Result<()> {
        let deadline = match timeout {
            Timeout::Infinite => None,
            Timeout::After(time) => Instant::now().checked_add(time),
        };
        let snapshot = registry::readers();
        // Nothing is held of readers that left when nobody looked.
        self.links.lock().retain(|key, _| snapshot.has(key));
        let subjects = subjects(states, &snapshot)?;
        for state in states.iter_mut() {
            state.event = 0;
            state.touched = true;
        }
        if !self.look(&snapshot, &subjects, states, None) {
            if timeout == Timeout::After(Duration::ZERO) {
                return Err(Error::Timeout);
            }
            self.await_change(&subjects, states, deadline)?;
        }
        see_off(&subjects, states);
        Ok(())
    }

    /// Sleeps until one of the entries has changed.
    fn await_change(&self, subjects: &[Subject], states: &mut [ReaderState], deadline: Option<Instant>) -> Result<()> {
        // What happens until the wait is prepared makes no sound; so it is looked at once more before the first sleep.
        let mut wait = self.prepare(subjects)?;
        let result = loop {
            if self.look(&registry::readers(), subjects, states, Some(&mut wait)) {
                break Ok(());
            }
            if let Err(error) = self.sleep(&mut wait, deadline) {
                break Err(error);
            }
        };
        self.waits.lock().retain(|signal| !Arc::ptr_eq(signal, &wait.signal));
        self.keep(wait);
        result
    }

    /// Looks at every entry; whether any has changed.
    fn look(
        &self,
        snapshot: &Snapshot,
        subjects: &[Subject],
        states: &mut [ReaderState],
        mut wait: Option<&mut Wait>,
    ) -> bool {
        for watched in wait.as_deref_mut().into_iter().flat_map(|wait| &mut wait.watched) {
            watched.watch.forget_look();
        }
        let mut changed = false;
        for (subject, state) in subjects.iter().zip(states) {
            match subject {
                Subject::Ignored => continue,
                Subject::List(before) => list_event(snapshot, *before, state),
                Subject::Reader(reader) => {
                    let sight = if snapshot.lists(reader) {
                        self.sight(reader, wait.as_deref_mut())
                    } else {
                        Sight::Gone
                    };
                    if matches!(sight, Sight::Gone) {
                        self.forget_gone(reader);
                    }
                    fill_in(state, &sight);
                }
            }
            changed |= state.event & CHANGED != 0;
        }
        for watched in wait.into_iter().flat_map(|wait| &mut wait.watched) {
            watched.watch.tend(&watched.link);
        }
        changed
    }

    fn sight(&self, reader: &Reader, wait: Option<&mut Wait>) -> Sight {
        let link = match self.link(reader) {
            Ok(link) => link,
            Err(Error::ReaderUnavailable) => return Sight::Gone,
            Err(_) => return Sight::Unavailable,
        };
        let watched = wait.and_then(|wait| wait.watched.iter_mut().find(|w| Arc::ptr_eq(&w.link, &link)));
        let is_watcher = watched.as_ref().is_some_and(|watched| watched.watch.is_watcher());
        let (sight, busy) = look_at(&link, reader.slot, is_watcher);
        if let Some(watched) = watched {
            watched.watch.note(busy, matches!(sight, Sight::Unavailable));
        }
        sight
    }

    /// Takes what is needed to sleep.
    fn prepare(&self, subjects: &[Subject]) -> Result<Wait> {
        let failed = |error: std::io::Error| {
            log::error!("cannot wait for readers: {error}");
            Error::NoMemory
        };
        let spare = self.spare.lock().take();
        let (ear, permit) = match spare {
            Some((ear, permit)) => (ear, Some(permit)),
            None => (Ear::new().map_err(failed)?, Permit::take()),
        };
        for path in registry::bus_paths() {
            if let Err(error) = ear.add_bus(&path) {
                log::info!("not watching {}: {error}", path.display());
            }
        }
        let mut wait = Wait {
            ear,
            permit,
            signal: Arc::new(Signal::new().map_err(failed)?),
            watched: Vec::new(),
            retries: 0,
        };
        // What was heard since the last call.
        wait.listen();
        for subject in subjects {
            let Subject::Reader(reader) = subject else { continue };
            let Ok(link) = self.link(reader) else { continue };
            if wait.watched.iter().all(|watched| !Arc::ptr_eq(&watched.link, &link)) {
                match Watched::new(link, &wait.ear) {
                    Ok(watched) => wait.watched.push(watched),
                    Err(error) if oserror::is_no_device(&error) => {}
                    Err(error) => return Err(failed(error)),
                }
            }
        }
        self.waits.lock().push(Arc::clone(&wait.signal));
        Ok(wait)
    }

    /// Keeps the ear for the next call: giving an inotify instance back takes the kernel 5 to 20 ms, by which the caller would hear later
    /// of what it waited for.
    fn keep(&self, wait: Wait) {
        if let (Some(permit), true) = (wait.permit, cfg!(unix)) {
            *self.spare.lock() = Some((wait.ear, permit));
        }
    }

    fn sleep(&self, wait: &mut Wait, deadline: Option<Instant>) -> Result<()> {
        if self.released.load(Ordering::Acquire) {
            return Err(Error::Cancelled);
        }
        let now = Instant::now();
        if deadline.is_some_and(|end| end <= now) {
            return Err(Error::Timeout);
        }
        let mut fds = vec![wait.signal.entry()];
        fds.extend(wait.ear.entries());
        let mut wake = deadline;
        let mut no_later_than = |time: Duration| wake = Some(wake.map_or(now + time, |end| end.min(now + time)));
        if wait.retries > 0 {
            no_later_than(Duration::from_millis(1 << (6 - wait.retries)));
            wait.retries -= 1;
        }
        if registry::is_settling() {
            no_later_than(SETTLING_INTERVAL);
        }
        if let Some(time) = registry::next_look() {
            no_later_than(time);
        }
        if let Some(fd) = registry::bus_fd() {
            fds.push(entry(fd, POLLIN));
        }
        for watched in &wait.watched {
            if let Some(time) = watched.watch.next_look() {
                no_later_than(time);
            }
            fds.extend(watched.watch.interrupt());
        }
        let waiting = trace::wait("an event");
        poll(&mut fds, wake).map_err(|error| {
            log::error!("poll: {error}");
            Error::NoMemory
        })?;
        drop(waiting);
        if fds.first().is_some_and(|fd| fd.revents != 0) {
            return Err(Error::Cancelled);
        }
        wait.listen();
        for watched in &mut wait.watched {
            watched.watch.wake();
        }
        Ok(())
    }
}

impl Wait {
    /// Takes what was heard.
    fn listen(&mut self) {
        let heard = self.ear.listen();
        if heard.bus || registry::is_settling() {
            registry::rescan();
        }
        if heard.closed {
            self.retries = 6;
        }
    }
}

impl Watched {
    fn new(link: Arc<Link>, ear: &Ear) -> std::io::Result<Self> {
        let watch = Watch::begin(link.port(), ear, Byte::Waiting)?;
        Ok(Self { link, watch })
    }
}

/// Who has just been told that a reader is gone does not find it in the list that he asks for next.
fn see_off(subjects: &[Subject], states: &[ReaderState]) {
    for (subject, state) in subjects.iter().zip(states) {
        if let (Subject::Reader(reader), true) = (subject, state.event & (UNKNOWN | CHANGED) == UNKNOWN | CHANGED) {
            registry::await_departure(reader);
        }
    }
}

/// What each entry is about.
fn subjects(states: &[ReaderState], snapshot: &Snapshot) -> Result<Vec<Subject>> {
    states
        .iter()
        .map(|state| {
            let is_list = state.name.eq_ignore_ascii_case(c::PNP_NOTIFICATION);
            let reader = snapshot.find(&state.name);
            match reader {
                None if !is_list => Err(Error::UnknownReader),
                _ if state.current & IGNORE != 0 => Ok(Subject::Ignored),
                Some(reader) => Ok(Subject::Reader(Arc::clone(reader))),
                None => Ok(Subject::List(snapshot.readers.len())),
            }
        })
        .collect()
}

/// A look at one slot, and whether an exchange of somebody else's was in the way of a better one.
fn look_at(link: &Link, slot: u8, is_watcher: bool) -> (Sight, bool) {
    // Whoever watches asks for everybody.
    let settled = (!is_watcher).then(|| link.port().settled(slot)).flatten();
    if let Some(card) = settled {
        return (with_users(link, slot, card), false);
    }
    let turn = match link.try_turn(slot) {
        // Whoever is in an exchange will find what there is to find, and tells; until then the record holds. But a slot that is
        // to be asked for its status is asked by nobody else.
        Ok(None) => match link.port().store().read(slot).1 {
            Some(card) => return (with_users(link, slot, card), is_watcher || card.last_poll_ms == 0),
            None => link.turn(slot),
        },
        Ok(Some(turn)) => Ok(turn),
        Err(Gone) => Err(Gone),
    };
    let Ok(mut turn) = turn else {
        return (Sight::Gone, false);
    };
    if !turn.is_busy_elsewhere() {
        let fresh = if is_watcher {
            turn.refresh()
        } else {
            turn.refresh_if_unwatched()
        };
        if fresh.and_then(|()| turn.ensure_answered()).is_err() {
            let is_there = link.port().transport().is_connected();
            return (if is_there { Sight::Unavailable } else { Sight::Gone }, false);
        }
    }
    let card = turn.card;
    drop(turn);
    (with_users(link, slot, card), false)
}

fn with_users(link: &Link, slot: u8, card: Slot) -> Sight {
    link.locks()
        .probe(Byte::Share(slot))
        .map_or(Sight::Unavailable, |users| Sight::Seen(card, users))
}

fn list_event(snapshot: &Snapshot, before: usize, state: &mut ReaderState) {
    let counter = u32::from(snapshot.changes);
    let known = state.current >> 16;
    let changed = (known != 0 && known != counter) || snapshot.readers.len() != before;
    state.event = counter << 16 | if changed { CHANGED } else { 0 };
}

fn fill_in(state: &mut ReaderState, sight: &Sight) {
    match sight {
        Sight::Seen(card, users) => {
            let view = View {
                state: card.state,
                moves: card.moves,
                users: *users,
            };
            state.event = status::event_word(view, state.current);
            let atr = if card.state.is_present() {
                card.atr
            } else {
                Default::default()
            };
            let atr = atr.as_slice();
            for (to, from) in state.atr.iter_mut().zip(atr) {
                *to = *from;
            }
            state.atr_len = atr.len();
        }
        Sight::Unavailable => {
            let view = View {
                state: CardState::Failed,
                moves: 0,
                users: None,
            };
            state.event = status::event_word(view, state.current);
            state.atr_len = 0;
        }
        Sight::Gone => {
            state.event = UNKNOWN | UNAVAILABLE | if state.current & UNKNOWN == 0 { CHANGED } else { 0 };
            state.atr_len = 0;
        }
    }
}
