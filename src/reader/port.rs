//! This process's access to one interface: the transport with its claim, the engine, the record.
//!
//! There is one port per interface and process, shared by all handles and contexts, because the kernel's claim belongs
//! to one open file. It decides nothing about who may use the card.

mod reports;

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};

use super::registry::Reader;
use super::sense::POLL_INTERVAL_MS;
use super::turn::View;
use crate::arbiter::locks::{Byte, LockFile, Mode};
use crate::arbiter::record::{CardState, MAX_SLOTS, Slot};
use crate::arbiter::store::{Key, Store};
use crate::ccid::Engine;
use crate::clock::{self, Moment};
use crate::error::{Error, Result};
use crate::fork::PerProcess;
use crate::oserror;
use crate::sim;
use crate::usb::{self, Interface, Transport};

/// How often to wake others because the record does not say who has the reader.
const RING_INTERVAL_MS: u64 = 1000;
/// How often to say that somebody else has the reader.
const COMPLAINT_INTERVAL_MS: u64 = 5000;

/// An interface as this process uses it.
#[derive(Debug)]
pub(crate) struct Port {
    interface: Arc<Interface>,
    transport: Arc<dyn Transport>,
    engine: Mutex<Engine>,
    store: Arc<Store>,
    slots: u8,
    /// Our number in the record, while [`Byte::Peer`] of it is locked in `locks`.
    peer: u32,
    /// Also for the exchange lock: the kernel frees byte ranges before the `flock` of the same description, so whoever has
    /// got that one from a process that was killed finds its number free.
    locks: LockFile,
    /// Threads of this process take turns here; the kernel sees only one party in them.
    view: Mutex<View>,
    claimed: AtomicBool,
    /// When the card answered last under this claim of ours, coarse monotonic milliseconds; 0 for not yet.
    used: AtomicU64,
    /// When the interrupt endpoint was last found to have nothing to say, likewise.
    looked: AtomicU64,
    /// Somebody who slept on the interrupt endpoint was woken: whoever looks next is not to rely on the former.
    ready: AtomicBool,
    /// The transport's, in milliseconds.
    report_delay_ms: u64,
    /// For each slot, when its card was met, by whoever had the claim then; 0 for not yet.
    met: [AtomicU64; MAX_SLOTS as usize],
    /// For each slot, commands sent and not yet written down.
    uncounted: [AtomicU32; MAX_SLOTS as usize],
    /// When a use of a card was last written down.
    touched: AtomicU64,
    /// What of the reader's own reports is to be believed, and what it leaves behind.
    nature: Nature,
    /// Offset of the wall clock when `slept` was read.
    wall_offset: AtomicU64,
    /// Milliseconds the machine has been suspended.
    slept: AtomicU64,
    /// Insertions and removals in each slot as this process saw them last.
    seen_moves: [AtomicU32; MAX_SLOTS as usize],
    /// When it was last said that somebody else has the reader.
    complained: AtomicU64,
    /// When others were last woken because the record does not say who has the reader.
    rung: AtomicU64,
}

/// What concerns presence and traces about a kind of reader.
#[derive(Clone, Copy, Debug)]
struct Nature {
    /// Slots the descriptor declares; the record has entries for `MAX_SLOTS` of them at most.
    declared_slots: usize,
    /// A card is powered as soon as it is in, so that "active" says nothing about its being the same.
    activates: bool,
    /// Interrupt messages are to be believed.
    reports: bool,
    /// The slot status is to be believed.
    knows_status: bool,
    /// A command whose answer nobody has fetched shows itself to the next user.
    leaves_traces: bool,
}

/// Whether something that was done last at that time, 0 for never, is due again; notes that it is done now.
fn is_due(last: &AtomicU64, interval_ms: u64) -> bool {
    let now = Moment::now().millis().max(1);
    let before = last.load(Ordering::Relaxed);
    let due = before == 0 || now.saturating_sub(before) >= interval_ms;
    if due {
        last.store(now, Ordering::Relaxed);
    }
    due
}

#[derive(Debug, Default)]
struct Ports {
    open: Mutex<HashMap<Key, Weak<Port>>>,
    /// Records of the software reader, which no file keeps.
    simulated: Mutex<HashMap<Key, Arc<Store>>>,
}

static PORTS: PerProcess<Ports> = PerProcess::new(Ports::default);

/// In a forked child: none of the parent's ports.
pub(crate) fn forget_after_fork() {
    PORTS.forget();
}

impl Port {
    /// The port of a reader's interface, opened if this process has not got it open.
    ///
    /// # Errors
    /// `NoAccess` without permission for the node or its record, `ReaderUnavailable` if the device has left,
    /// `ReaderUnsupported` for a descriptor no exchange is possible with, `NoMemory` out of descriptors.
    pub(crate) fn open(reader: &Reader) -> Result<Arc<Self>> {
        let key = Key::of(&reader.interface);
        let mut open = PORTS.get().open.lock();
        open.retain(|_, port| port.strong_count() > 0);
        // A record that somebody removed is no longer shared with newcomers: they and we must meet in a new one.
        if let Some(port) = open
            .get(&key)
            .and_then(Weak::upgrade)
            .filter(|port| !port.store.is_orphaned())
        {
            return Ok(port);
        }
        let port = Arc::new(Self::new(reader, key)?);
        open.insert(key, Arc::downgrade(&port));
        Ok(port)
    }

    fn new(reader: &Reader, key: Key) -> Result<Self> {
        let interface = Arc::clone(&reader.interface);
        let transport = interface.open().map_err(|error| {
            log::error!("{}: opening {}: {error}", reader.name, interface.node.display());
            Error::from(error)
        })?;
        let engine = Engine::new(&interface).map_err(|error| {
            log::error!("{}: {error}", reader.name);
            Error::ReaderUnsupported
        })?;
        let nature = Nature {
            declared_slots: engine.descriptor().slots().into(),
            activates: engine.descriptor().auto_activation(),
            reports: interface.interrupt_in.is_some() && !engine.quirks().unreliable_events,
            knows_status: !engine.quirks().unreliable_status,
            leaves_traces: engine.leaves_traces(),
        };
        let report_delay_ms = u64::try_from(transport.report_delay().as_millis()).unwrap_or(0);
        let slots = reader.slots;
        let store = Self::record(reader, key, slots)?;
        let locks =
            LockFile::open(&interface.node, interface.node_id, interface.number).map_err(|e| access(reader, &e))?;
        // A sandbox may forbid it; better now, by name, than in the first turn.
        if locks.try_lock_exchange().map_err(|error| access(reader, &error))? {
            locks.unlock_exchange();
        }
        let peer = Self::number(&locks).map_err(|error| access(reader, &error))?;
        Ok(Self {
            interface,
            transport,
            engine: Mutex::new(engine),
            store,
            slots,
            peer,
            locks,
            view: Mutex::new(View::default()),
            claimed: AtomicBool::new(false),
            used: AtomicU64::new(0),
            looked: AtomicU64::new(0),
            ready: AtomicBool::new(false),
            report_delay_ms,
            met: [const { AtomicU64::new(0) }; MAX_SLOTS as usize],
            uncounted: [const { AtomicU32::new(0) }; MAX_SLOTS as usize],
            touched: AtomicU64::new(0),
            nature,
            wall_offset: AtomicU64::new(0),
            slept: AtomicU64::new(0),
            seen_moves: Default::default(),
            complained: AtomicU64::new(0),
            rung: AtomicU64::new(0),
        })
    }

    fn record(reader: &Reader, key: Key, slots: u8) -> Result<Arc<Store>> {
        let open = || {
            Store::open(&reader.interface, reader.index, slots)
                .map(Arc::new)
                .map_err(|error| access(reader, &error))
        };
        if reader.interface.backend != usb::Backend::Sim {
            return open();
        }
        let mut simulated = PORTS.get().simulated.lock();
        if let Some(store) = simulated.get(&key) {
            return Ok(Arc::clone(store));
        }
        let store = open()?;
        let plugged: Vec<Key> = sim::interfaces().iter().map(Key::of).collect();
        simulated.retain(|key, _| plugged.contains(key));
        simulated.insert(key, Arc::clone(&store));
        Ok(store)
    }

    /// A number that no other living peer has.
    fn number(locks: &LockFile) -> io::Result<u32> {
        loop {
            let peer = crate::random::nonzero_u32();
            if locks.try_lock(Byte::Peer(peer), Mode::Exclusive)? {
                return Ok(peer);
            }
        }
    }

    /// The interface.
    pub(crate) fn interface(&self) -> &Arc<Interface> {
        &self.interface
    }

    /// Transfers.
    pub(crate) fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// The engine; only under the exchange lock, so never contended for long.
    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock()
    }

    /// The record.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Number of slots with an entry in the record.
    pub(crate) fn slots(&self) -> u8 {
        self.slots
    }

    /// The lock file with this process's number and its exchange lock.
    pub(super) fn locks(&self) -> &LockFile {
        &self.locks
    }

    /// Where threads of this process take turns.
    pub(super) fn view(&self) -> &Mutex<View> {
        &self.view
    }

    /// This process's number among the peers.
    pub(crate) fn peer(&self) -> u32 {
        self.peer
    }

    /// Whether the claim was ours when last looked at.
    pub(crate) fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Acquire)
    }

    /// Notes that the claim is ours, or no longer.
    pub(crate) fn set_claimed(&self, claimed: bool) {
        if !self.claimed.swap(claimed, Ordering::AcqRel) {
            for met in &self.met {
                met.store(0, Ordering::Release);
            }
            self.used.store(0, Ordering::Release);
            self.looked.store(0, Ordering::Release);
        }
    }

    /// Notes that the card has answered.
    pub(super) fn note_use(&self, now_ms: u64) {
        self.used.store(now_ms, Ordering::Release);
    }

    /// Notes that a command was sent.
    pub(super) fn count_transmit(&self, slot: u8) {
        if let Some(count) = self.uncounted.get(usize::from(slot)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many commands were sent that are not written down.
    pub(super) fn uncounted(&self, slot: u8) -> u32 {
        let count = self.uncounted.get(usize::from(slot));
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// As [`Self::uncounted`], for somebody who writes them down.
    pub(super) fn take_uncounted(&self, slot: u8) -> u32 {
        let count = self.uncounted.get(usize::from(slot));
        count.map_or(0, |count| count.swap(0, Ordering::Relaxed))
    }

    /// Whether it is time to write down that a card is in use; `true` at most once a second.
    pub(crate) fn is_touch_due(&self, now_ms: u64) -> bool {
        let due = now_ms.saturating_sub(self.touched.load(Ordering::Relaxed)) >= 1000;
        if due {
            self.touched.store(now_ms, Ordering::Relaxed);
        }
        due
    }

    /// Whether to wake others because the record does not say who has the reader. Bounded, because they may find the same
    /// and wake us.
    pub(crate) fn is_ring_due(&self) -> bool {
        is_due(&self.rung, RING_INTERVAL_MS)
    }

    /// Whether to say again that somebody else has the reader: a call that waits finds it out four times a second.
    pub(crate) fn is_complaint_due(&self) -> bool {
        is_due(&self.complained, COMPLAINT_INTERVAL_MS)
    }

    /// Whether the device reports changes of a slot by itself, and can be believed.
    pub(crate) fn reports_changes(&self) -> bool {
        self.nature.reports
    }

    /// Whether a card in it may have been replaced although it is active, and the device would have said so.
    pub(crate) fn hides_swaps(&self) -> bool {
        self.nature.activates && self.nature.reports
    }

    /// Whether the status of a slot tells a powered card from another that has taken its place.
    pub(crate) fn tells_swaps(&self) -> bool {
        self.nature.knows_status && !self.nature.activates
    }

    /// Whether the slot status is worth asking for.
    pub(crate) fn knows_status(&self) -> bool {
        self.nature.knows_status
    }

    /// Whether a command whose answer nobody has fetched shows itself to the next user.
    pub(crate) fn leaves_traces(&self) -> bool {
        self.nature.leaves_traces
    }

    /// Milliseconds the machine has been suspended since boot.
    pub(crate) fn slept_ms(&self, now: Moment) -> u64 {
        /// Beyond what two readings of coarse clocks differ by, and below any suspension.
        const JUMP_MS: u64 = 50;
        let offset = clock::wall_offset_millis(now);
        if offset.abs_diff(self.wall_offset.load(Ordering::Relaxed)) > JUMP_MS {
            self.slept.store(clock::slept_millis(), Ordering::Relaxed);
            self.wall_offset.store(offset, Ordering::Relaxed);
        }
        self.slept.load(Ordering::Relaxed)
    }

    /// Notes a slot's insertions and removals as this process now knows them.
    pub(crate) fn see_moves(&self, slot: u8, moves: u16) {
        if let Some(seen) = self.seen_moves.get(usize::from(slot)) {
            seen.store(moves.into(), Ordering::Relaxed);
        }
    }

    /// Whether this process knows of as many insertions and removals.
    pub(crate) fn has_seen_moves(&self, slot: u8, moves: u16) -> bool {
        let seen = self.seen_moves.get(usize::from(slot));
        seen.is_some_and(|seen| seen.load(Ordering::Relaxed) == u32::from(moves))
    }

    /// Whether what is known of a slot may no longer be so: it was never asked, or somebody heard that it changed, or it
    /// tells of changes only if asked and was not for a while.
    pub(crate) fn doubts(&self, card: &Slot) -> bool {
        matches!(card.state, CardState::Unknown | CardState::Failed)
            || card.last_poll_ms == 0
            || (!self.reports_changes() && Moment::now().millis().saturating_sub(card.last_poll_ms) >= POLL_INTERVAL_MS)
    }

    /// Whether somebody heard of a change in a slot and nobody has asked for its status since.
    pub(crate) fn is_to_be_asked(&self, slot: u8) -> bool {
        self.store.read(slot).1.is_some_and(|card| card.last_poll_ms == 0)
    }
}

/// What a failure to take part means to the caller.
pub(crate) fn access(reader: &Reader, error: &io::Error) -> Error {
    log::error!(
        "{}: cannot take part in using {}: {error}",
        reader.name,
        reader.interface.node.display()
    );
    if oserror::is_gone(error) {
        Error::ReaderUnavailable
    } else if oserror::is_exhausted(error) {
        Error::NoMemory
    } else {
        Error::NoAccess
    }
}
