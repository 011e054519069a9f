//! Making the interface ours: from nobody, from a living peer, from a dead one; and who else may have it.

use std::time::{Duration, Instant};

use super::hints::Hints;
use super::turn::Turn;
use crate::arbiter::locks::{Byte, Mode};
use crate::arbiter::record::CardState;
use crate::error::{Error, Result};
use crate::usb::{self, ErrorKind};

/// How long a killed peer's claim may take to fall to us after its locks have, on a machine that has other things to do:
/// it goes with one of the descriptors that the kernel closes one after the other.
const DEAD_PATIENCE: Duration = Duration::from_millis(800);
/// The same where no peer is known: one may have been killed before it could say that it is one.
const UNKNOWN_PATIENCE: Duration = Duration::from_millis(20);

impl Turn<'_> {
    /// Makes the claim ours if it is not, taking it from a living peer if need be.
    ///
    /// # Errors
    /// `SharingViolation` if somebody outside of this arbitration has the interface, `ReaderUnavailable` if the device
    /// has left.
    pub(crate) fn attach(&mut self) -> Result<()> {
        crate::inject::point("reader");
        let port = self.port();
        if port.is_claimed() {
            return Ok(());
        }
        if port.store().is_orphaned() {
            log::error!(
                "{}: its record was removed; connect anew",
                port.interface().node.display()
            );
            return Err(Error::ReaderUnavailable);
        }
        let from_living = self.claim()?;
        // Noted by whoever found it taken, or unknown for another reason.
        let from_stranger = !from_living && self.header.claim_peer == 0;
        self.took_over = from_living;
        port.set_claimed(true);
        self.header.claim_peer = port.peer();
        // Far from what the last holder counted, so that a late answer to his is not taken for one to ours.
        self.header.sequence = self.header.sequence.wrapping_add(61);
        // Before any command: if this process dies with one under way, the last holder must not think that he still is.
        self.write_header();
        let first = !self.is_recorded();
        let named = std::mem::take(&mut self.header.busy).checked_sub(1);
        let out_of_step;
        {
            let mut engine = port.engine();
            engine.set_sequence(self.header.sequence);
            // What this process met when it had the claim before, says nothing now.
            engine.take_met_foreign_command();
            if let Err(error) = port.transport().start_interrupt() {
                log::debug!("{}: {error}", port.interface().node.display());
            }
            let contact = match named {
                // Its command may still be on its way, in either direction.
                Some(slot) => engine.resynchronise(port.transport(), slot).map(|_| ()),
                None if first || !from_living => engine.warm_up(port.transport()),
                None => Ok(()),
            };
            if let Err(error) = contact {
                log::info!("{}: first contact: {error}", port.interface().node.display());
            }
            let unfinished = engine.take_met_foreign_command() && !first;
            out_of_step = engine.take_resynced() || unfinished;
        }
        self.card.last_poll_ms = 0;
        self.doubt_others(Hints {
            changed: u32::MAX,
            ..Hints::default()
        });
        if named.is_some() || out_of_step {
            self.distrust_slots(named, "a user died in mid-exchange");
        } else if from_stranger {
            self.distrust_slots(None, "another program had the reader");
        }
        self.catch_up(from_living);
        Ok(())
    }

    /// A card may be anywhere in a command, or have been used without any of us knowing. The record names the slot if what
    /// somebody who died did took several messages; otherwise the reader itself told, by the answer that nobody had fetched.
    fn distrust_slots(&mut self, named: Option<u8>, trouble: &str) {
        for slot in (0..self.port().slots()).filter(|slot| named.is_none_or(|named| named == *slot)) {
            if slot == self.slot {
                self.distrust(trouble);
            } else if let (_, Some(mut entry)) = self.port().store().read(slot) {
                if entry.state == CardState::Powered {
                    entry.note_reset();
                    entry.state = CardState::Inserted;
                    entry.last_poll_ms = 0;
                }
                self.port().store().write_slot(slot, &entry);
                self.bell = true;
            }
        }
    }

    /// Whether the peer that had the interface last is there; it may be this process.
    fn is_last_alive(&self) -> Result<bool> {
        let peer = self.header.claim_peer;
        let lives = |found: Option<Mode>| peer != 0 && found.is_some();
        self.link
            .locks()
            .probe(Byte::Peer(peer))
            .map(lives)
            .map_err(|error| self.lock_failed(&error))
    }

    /// `true` if a living peer had the interface.
    fn claim(&mut self) -> Result<bool> {
        let port = self.port();
        let begin = Instant::now();
        loop {
            let error = match port.transport().claim() {
                // Whoever had it last has given it back as he was to, if he lives.
                Ok(()) => return Ok(port.transport().is_given_back() && self.is_last_alive()?),
                Err(error) if error.kind == ErrorKind::Busy => error,
                Err(error) => return Err(error.into()),
            };
            let peer = self.header.claim_peer;
            let alive = peer != 0
                && peer != port.peer()
                && self
                    .link
                    .locks()
                    .probe(Byte::Peer(peer))
                    .map_err(|e| self.lock_failed(&e))?
                    .is_some();
            if alive {
                return port.transport().take_over().map(|()| true).map_err(Error::from);
            }
            let patience = if peer == 0 { UNKNOWN_PATIENCE } else { DEAD_PATIENCE };
            if begin.elapsed() >= patience {
                log::debug!("{}: {error}", port.interface().node.display());
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // Whoever has it, it is not the last peer: nobody waits for that one's end again.
        self.header.claim_peer = 0;
        // If he takes part, and sleeps, he restores the header that was lost when he is woken.
        self.bell |= self.header_lost && port.is_ring_due();
        if port.is_complaint_due() {
            self.name_the_holder();
        }
        Err(Error::SharingViolation)
    }

    fn name_the_holder(&self) {
        let node = &self.port().interface().node;
        let holders = usb::bus::holder_of(node);
        if holders.is_empty() {
            log::error!(
                "{}: another program has claimed the reader (not to be seen from here which)",
                node.display()
            );
        }
        for (pid, name) in holders {
            log::error!(
                "{}: {name} (process {pid}) has claimed the reader and does not share it",
                node.display()
            );
        }
    }
}
