//! This process's access to one interface: the transport with its claim, the engine, the record.
//!
//! There is one port per interface and process, shared by all handles and contexts, because the kernel's claim belongs
//! to one open file. It decides nothing about who may use the card.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::hints::{Hints, bit};
use super::registry::Reader;
use super::sense::POLL_INTERVAL_MS;
use super::turn::Known;
use crate::arbiter::locks::{Byte, LockFile, Mode};
use crate::arbiter::record::{CardState, MAX_SLOTS, Slot};
use crate::arbiter::store::{Key, Store};
use crate::arbiter::wait::{entry, poll};
use crate::ccid::Engine;
use crate::ccid::interrupt::{Notification, notifications};
use crate::clock::{self, Moment};
use crate::error::{Error, Result};
use crate::fork::PerProcess;
use crate::oserror;
use crate::sim;
use crate::usb::{self, Interface, Interrupt, Transport};

/// How late a report may come: four times the longest interval of an interrupt endpoint (USB 2.0 §9.6.6).
const LATE_REPORT_MS: u64 = 1000;
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
    gate: Mutex<Option<Known>>,
    claimed: AtomicBool,
    /// When the card answered last under this claim of ours, coarse monotonic milliseconds; 0 for not yet.
    used: AtomicU64,
    /// The transport's, in milliseconds.
    report_delay_ms: u64,
    /// For each slot, when its card was powered up last since the claim is ours; 0 for not yet.
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

/// Longest message of an interrupt endpoint: two bits for each of 256 slots, and its type (CCID 1.1 §6.3.1).
const MAX_INTERRUPT_LEN: usize = 80;

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
            gate: Mutex::new(None),
            claimed: AtomicBool::new(false),
            used: AtomicU64::new(0),
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
    pub(super) fn gate(&self) -> &Mutex<Option<Known>> {
        &self.gate
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
        }
    }

    /// Notes that the card has answered.
    pub(super) fn note_use(&self, now_ms: u64) {
        self.used.store(now_ms, Ordering::Release);
    }

    /// Whether the card answered under our claim so short a time ago that nothing can have been reported since.
    pub(super) fn is_in_use(&self, now_ms: u64) -> bool {
        let used = self.used.load(Ordering::Acquire);
        self.is_claimed() && used != 0 && now_ms.saturating_sub(used) < self.report_delay_ms
    }

    /// Notes that the card in a slot is known from now on.
    pub(crate) fn meet(&self, slot: u8) {
        if let Some(met) = self.met.get(usize::from(slot)) {
            met.store(Moment::now().millis().max(1), Ordering::Release);
        }
    }

    /// Whether the card was met a moment ago: a report that it changed then tells of the time before.
    fn has_just_met(&self, slot: u8) -> bool {
        let met = self
            .met
            .get(usize::from(slot))
            .map_or(0, |met| met.load(Ordering::Acquire));
        met != 0 && Moment::now().millis().saturating_sub(met) < LATE_REPORT_MS
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

    /// Whether there is an interrupt endpoint.
    pub(crate) fn has_interrupt(&self) -> bool {
        self.interface.interrupt_in.is_some()
    }

    /// Collects what the interrupt endpoint reported and keeps one transfer in flight. One cheap system call when
    /// nothing happened.
    ///
    /// # Errors
    /// [`usb::ErrorKind::Disconnected`] when the device has left.
    pub(crate) fn reap(&self) -> usb::Result<Hints> {
        let mut hints = Hints::default();
        if !self.has_interrupt() || !self.is_claimed() {
            return self.connected(hints);
        }
        let mut buffer = [0; MAX_INTERRUPT_LEN];
        // A device may report as often as it likes; eight messages are more than any has slots to report on.
        for _ in 0..8 {
            match self.reap_one(&mut buffer)? {
                Interrupt::Pending => return Ok(hints),
                Interrupt::Message(len) => self.hear(buffer.get(..len).unwrap_or_default(), &mut hints),
                Interrupt::Idle => hints.changed = u32::MAX,
            }
            if !self.is_recorded() {
                self.set_claimed(false);
                return self.connected(hints);
            }
            // Claimed first: the kernel would claim for a transfer by itself, but complain about it.
            match self.transport.claim().and_then(|()| self.transport.start_interrupt()) {
                Ok(()) => {}
                Err(error) if error.kind == usb::ErrorKind::Disconnected => return Err(error),
                Err(error) => {
                    log::debug!("{}: {error}", self.interface.node.display());
                    self.set_claimed(error.kind != usb::ErrorKind::Busy && self.is_claimed());
                    return self.connected(hints);
                }
            }
        }
        Ok(hints)
    }

    /// Whether the record says that the claim is ours. Where it has gone to somebody who has died since, a transfer of
    /// ours would make the kernel claim the interface for us, and nobody would know.
    fn is_recorded(&self) -> bool {
        let (header, _) = self.store.read(0);
        header.is_some_and(|header| header.claim_peer == self.peer)
    }

    /// The interrupt transfer, if it has ended. A failure of the endpoint ends it too: whatever was to be reported is
    /// lost, and a halt is cleared.
    fn reap_one(&self, buffer: &mut [u8]) -> usb::Result<Interrupt> {
        match self.transport.reap_interrupt(buffer) {
            Err(error) if error.kind != usb::ErrorKind::Disconnected => {
                log::info!("{}: {error}", self.interface.node.display());
                if let (usb::ErrorKind::Stall, Some(endpoint)) = (error.kind, self.interface.interrupt_in) {
                    if let Err(error) = self.transport.clear_halt(endpoint.address) {
                        log::info!("{}: {error}", self.interface.node.display());
                    }
                }
                Ok(Interrupt::Idle)
            }
            result => result,
        }
    }

    /// Waits for the interrupt endpoint, that long at most, and collects what it reports.
    ///
    /// # Errors
    /// As [`Self::reap`].
    pub(crate) fn listen(&self, time: Duration) -> usb::Result<Hints> {
        let source = self.transport.interrupt_wait();
        let mut fds = [entry(source.fd, source.events)];
        if let Err(error) = poll(&mut fds, Some(Instant::now() + time)) {
            log::info!("{}: {error}", self.interface.node.display());
        }
        self.reap()
    }

    fn connected(&self, hints: Hints) -> usb::Result<Hints> {
        if self.transport.is_connected() {
            return Ok(hints);
        }
        Err(usb::Error {
            kind: usb::ErrorKind::Disconnected,
            errno: libc::ENODEV,
            what: "reader",
        })
    }

    fn hear(&self, message: &[u8], hints: &mut Hints) {
        for notification in notifications(message, self.nature.declared_slots) {
            let change = match notification {
                Notification::SlotChange(change) => change,
                Notification::HardwareError { slot, code, .. } => {
                    log::warn!("{} slot {slot}: hardware error {code}", self.interface.node.display());
                    hints.changed = u32::MAX;
                    continue;
                }
            };
            for slot in 0..self.slots.min(MAX_SLOTS) {
                let (present, changed) = (change.present(slot.into()), change.changed(slot.into()));
                if changed || present == Some(false) {
                    hints.changed |= bit(slot);
                }
                if present == Some(false) && self.nature.reports {
                    hints.emptied |= bit(slot);
                }
                if present == Some(true) && changed && self.hides_swaps() && !self.has_just_met(slot) {
                    hints.replaced |= bit(slot);
                }
            }
        }
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
