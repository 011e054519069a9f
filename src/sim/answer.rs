//! How a simulated reader answers: time extensions first, then the answer, both spoiled as the faults say.

use std::time::{Duration, Instant};

use super::device::Device;
use super::fault::Fault;
use super::pipe::{self, Transfer};
use super::slot::{Reply, Slot};
use super::wire::{Answer, Command, HEADER_LEN, IccStatus, Outcome};

impl Device {
    /// Puts the answer, with what precedes and spoils it, on the bulk IN pipe.
    pub(super) fn answer(&mut self, now: Instant, command: &Command, reply: Reply, faults: &[Fault]) {
        let icc = self
            .slots
            .get(usize::from(command.slot))
            .map_or(IccStatus::Absent, Slot::icc_status);
        let mut answer = Answer {
            kind: command.answer_kind(),
            slot: command.slot,
            seq: command.seq,
            icc,
            outcome: Outcome::Done,
            specific: 0,
            data: Vec::new(),
        };
        if faults.contains(&Fault::StaleAnswer) {
            let stale = self.last_answer.clone().unwrap_or_else(|| {
                Answer {
                    seq: command.seq.wrapping_sub(1),
                    ..answer.clone()
                }
                .encode()
            });
            self.send(now, command, &stale, &[]);
        }
        let mut at = now + self.config.latency;
        for (wait, multiplier) in self.extensions(reply.delay, faults) {
            at += wait;
            answer.outcome = Outcome::TimeExtension(multiplier);
            let bytes = answer.encode();
            self.send(at, command, &bytes, &[]);
        }
        for fault in faults {
            if let Fault::TimeExtension { every: delay, .. } | Fault::Delay(delay) = fault {
                at += *delay;
            }
        }
        at = at.max(now + self.config.latency + reply.delay);
        answer.outcome = reply.error.map_or(Outcome::Done, Outcome::Failed);
        answer.specific = reply.specific;
        answer.data = reply.data;
        let mut bytes = answer.encode();
        self.last_answer = Some(bytes.clone());
        replace(&mut bytes, faults);
        spoil(&mut bytes, faults);
        if let Some(len) = faults.iter().find_map(Fault::cut) {
            bytes.truncate(len);
        }
        if !faults.contains(&Fault::Silence) {
            self.send(at, command, &bytes, faults);
        }
    }

    /// The time extensions to ask for, each with the time since the one before.
    fn extensions(&self, delay: Duration, faults: &[Fault]) -> Vec<(Duration, u8)> {
        let mut extensions = Vec::new();
        if let Some(every) = self.config.time_extension_every.filter(|every| !every.is_zero()) {
            let count = delay.as_millis().saturating_sub(1) / every.as_millis().max(1);
            extensions.extend(std::iter::repeat_n(
                (every, 1),
                usize::try_from(count).unwrap_or(0).min(1000),
            ));
        }
        for fault in faults {
            if let Fault::TimeExtension {
                count,
                multiplier,
                every,
            } = fault
            {
                extensions.extend(std::iter::repeat_n((*every, *multiplier), usize::from(*count)));
            }
        }
        extensions
    }

    fn send(&mut self, ready_at: Instant, command: &Command, bytes: &[u8], faults: &[Fault]) {
        self.log.answer(bytes);
        let len = self.config.packet_len();
        let zlp = !faults.contains(&Fault::MissingZlp);
        let split = faults.iter().find_map(|f| {
            if let Fault::SplitAnswer(at) = f {
                Some(*at)
            } else {
                None
            }
        });
        let (first, second) = bytes.split_at_checked(split.unwrap_or(0)).unwrap_or((&[], bytes));
        let mut packets = pipe::packets(first, len, zlp);
        packets.extend(pipe::packets(second, len, zlp));
        if faults.contains(&Fault::Babble) {
            if let Some(last) = packets.back_mut() {
                last.resize(len + HEADER_LEN, 0xEE);
            }
        }
        if faults.contains(&Fault::ZlpBefore) {
            packets.push_front(Vec::new());
        }
        if faults.contains(&Fault::ZlpAfter) {
            packets.push_back(Vec::new());
        }
        let halt = faults.contains(&Fault::StallIn);
        self.queue.push(Transfer {
            ready_at,
            packets,
            halt,
            command: command.clone(),
        });
    }
}

/// Puts other bytes in the place of the answer, still as the answer to this command.
fn replace(bytes: &mut Vec<u8>, faults: &[Fault]) {
    let Some(other) = faults.iter().find_map(Fault::answer) else {
        return;
    };
    let own = std::mem::replace(bytes, other.to_vec());
    for (to, from) in bytes.iter_mut().zip(own).skip(5).take(2) {
        *to = from;
    }
}

/// Changes header bytes of an answer as the faults say.
fn spoil(bytes: &mut [u8], faults: &[Fault]) {
    let Some(
        &mut [
            ref mut kind,
            ref mut a,
            ref mut b,
            ref mut c,
            ref mut d,
            ref mut slot,
            ref mut seq,
            ..,
        ],
    ) = bytes.first_chunk_mut::<HEADER_LEN>()
    else {
        return;
    };
    for fault in faults {
        if let Fault::WrongType(wrong) = fault {
            *kind = *wrong;
        } else if let Fault::WrongLength(by) = fault {
            let length = u32::from_le_bytes([*a, *b, *c, *d]).wrapping_add_signed(*by);
            [*a, *b, *c, *d] = length.to_le_bytes();
        } else if *fault == Fault::WrongSequence {
            *seq = seq.wrapping_add(1);
        } else if let Fault::OtherSlot(other) = fault {
            *slot = *other;
        } else if *fault == Fault::WrongSlot {
            *slot = slot.wrapping_add(1);
        }
    }
}
