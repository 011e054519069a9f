//! What the interrupt endpoint reports, collected without waiting before each turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Port;
use crate::arbiter::record::{CardState, MAX_SLOTS, Slot};
use crate::arbiter::wait::{entry, poll};
use crate::ccid::interrupt::{Notification, notifications};
use crate::clock::Moment;
use crate::reader::hints::{Hints, bit};
use crate::usb::{self, Interrupt};

/// How late a report may come: four times the longest interval of an interrupt endpoint (USB 2.0 §9.6.6).
const LATEST_REPORT: Duration = Duration::from_secs(1);
/// How long to listen where the interval is not known: nearly all are below 40 ms.
const UNKNOWN_PATIENCE: Duration = Duration::from_millis(100);
/// How long to listen at most: the longest interval at full speed is 255 ms. What comes later would be taken for a swap, if
/// nobody looks before [`Port::has_just_met`] has forgotten.
const LONGEST_PATIENCE: Duration = Duration::from_millis(300);
/// By how much the host may be late in asking.
const LATE: Duration = Duration::from_millis(16);

/// Longest message of an interrupt endpoint: two bits for each of 256 slots, and its type (CCID 1.1 §6.3.1).
const MAX_INTERRUPT_LEN: usize = 80;

impl Port {
    /// Whether the card answered under our claim so short a time ago that nothing can have been reported since.
    pub(in crate::reader) fn is_in_use(&self, now_ms: u64) -> bool {
        self.is_recent(&self.used, now_ms)
    }

    /// Whether the interrupt endpoint has, under our claim, been asked so short a time ago that the reader was not asked by
    /// the host since.
    pub(in crate::reader) fn has_just_looked(&self, now_ms: u64) -> bool {
        self.is_recent(&self.looked, now_ms)
    }

    fn is_recent(&self, last: &AtomicU64, now_ms: u64) -> bool {
        let last = last.load(Ordering::Acquire);
        self.is_claimed()
            && last != 0
            && now_ms.saturating_sub(last) < self.report_delay_ms
            && !self.ready.load(Ordering::Acquire)
    }

    /// The card as the record has it, if a turn would show no more: the claim is ours, the reader has just been asked whether
    /// it has something to say, and nothing is in doubt.
    pub(crate) fn settled(&self, slot: u8) -> Option<Slot> {
        let now = Moment::now();
        if !self.is_in_use(now.millis()) && !self.has_just_looked(now.millis()) {
            return None;
        }
        let (header, card) = self.store.read(slot);
        header.filter(|header| header.claim_peer == self.peer && header.busy == 0)?;
        card.filter(|card| {
            card.state != CardState::Inserted && !self.doubts(card) && self.asleep_since(card, now).is_none()
        })
    }

    /// Has the interrupt endpoint looked at in the next turn, however short a time ago that was done.
    pub(in crate::reader) fn note_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Notes when the card in a slot was known, 0 for not yet.
    pub(in crate::reader) fn meet(&self, slot: u8, met_ms: u64) {
        if let Some(met) = self.met.get(usize::from(slot)) {
            met.store(met_ms, Ordering::Release);
        }
    }

    /// Whether the card was met a moment ago: a report that it changed then tells of the time before.
    fn has_just_met(&self, slot: u8) -> bool {
        let met = self.met.get(usize::from(slot));
        let met_ms = met.map_or(0, |met| met.load(Ordering::Acquire));
        let interval = self.interface.report_interval();
        let late = interval.map_or(LATEST_REPORT, |interval| LATEST_REPORT.min(2 * interval + LATE));
        // Others may have written it down: it is not trusted to be in the past.
        let since = Moment::now().millis().checked_sub(met_ms).map(Duration::from_millis);
        met_ms != 0 && since.is_some_and(|since| since < late)
    }

    /// How long a report that waits in the reader takes to come at most, once somebody listens.
    pub(in crate::reader) fn report_patience(&self) -> Duration {
        let interval = self.interface.report_interval();
        interval.map_or(UNKNOWN_PATIENCE, |interval| LONGEST_PATIENCE.min(interval + LATE))
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
        self.ready.store(false, Ordering::Release);
        if !self.has_interrupt() || !self.is_claimed() {
            return self.connected(hints);
        }
        let mut buffer = [0; MAX_INTERRUPT_LEN];
        // A device may report as often as it likes; eight messages are more than any has slots to report on.
        for _ in 0..8 {
            let reaped = self.reap_one(&mut buffer)?;
            match reaped {
                Interrupt::Pending => {
                    self.looked.store(Moment::now().millis(), Ordering::Release);
                    return Ok(hints);
                }
                Interrupt::Message(len) => self.hear(buffer.get(..len).unwrap_or_default(), &mut hints),
                Interrupt::Idle => {}
            }
            let holder = self.recorded_holder();
            // What the reader has to say after a transfer that was taken away with the claim, it says to who has that now.
            if reaped == Interrupt::Idle && holder.is_none_or(|holder| holder == 0 || holder == self.peer) {
                hints.changed = u32::MAX;
            }
            if holder != Some(self.peer) {
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

    /// Who has the claim, as the record says, if it says. Where it has gone to somebody who has died since, a transfer of
    /// ours would make the kernel claim the interface for us, and nobody would know.
    fn recorded_holder(&self) -> Option<u32> {
        self.store.read(0).0.map(|header| header.claim_peer)
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
