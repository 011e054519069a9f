//! One exchange: a command out, a response in, and everything that may go wrong between.
// ISO 7816-3 §11.6; "rule n" is the standard's numbering (§11.6.2, §11.6.3)

use super::block::{self, Fault, Kind, MAX_BLOCK_LEN, MAX_INF_LEN, PROLOGUE_LEN, Supervisory};
use super::state::{DEFAULT_IFS, Ifs, State};
use std::fmt;

/// Failures in a row that are met with a request for repetition; the next is met with S(RESYNCH) (rule 7.4.2).
const MAX_ERRORS: u8 = 3;

/// Attempts at one S(IFS).
const MAX_IFS_ATTEMPTS: u8 = 3;

/// Attempts at one S(RESYNCH) (rule 6.4), and S(RESYNCH) in one exchange.
const MAX_RESYNCHS: u8 = 3;

/// Blocks in one exchange that bring it no further: waiting time extensions, complaints, empty blocks.
const MAX_FRUITLESS: u32 = 4096;

/// Bytes in one response before it is no response any more.
const MAX_RESPONSE_LEN: usize = 0x0004_0000;

/// What came after a block was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// These bytes, right or wrong.
    Block(&'a [u8]),
    /// Something with a parity error.
    Parity,
    /// Nothing within the block waiting time.
    Mute,
    /// Something that was lost on the way.
    Unusable,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send [`Exchange::block`] and report what comes. `waiting` is the multiplier of the block waiting time for this one
    /// block that the card has asked for, 0 if it has not.
    Send {
        /// Multiplier, as in `bBWI`.
        waiting: u8,
    },
    /// The reader is to send the I-block it has made once more; then report what comes.
    Repeat,
    /// All done.
    Done,
    /// It went wrong.
    Failed(Failure),
}

/// How an exchange can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The card gave up the exchange by S(ABORT); it is ready for the next.
    Aborted,
    /// Not even S(RESYNCH) helped: the card needs a reset.
    Unresponsive,
    /// The card goes on and on: it needs a reset.
    Endless,
    /// After S(RESYNCH) the command is due in a new block, and only the reader knows what was in the old one (PIN entry).
    Unrepeatable,
}

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The answer to the outstanding I-block.
    Command,
    /// The next I-block of the card's chain.
    Response,
    /// S(IFS response) to a request of this value.
    Ifs(u8),
    /// S(RESYNCH response); this many requests were sent.
    Resynch(u8),
    /// The right to send, after S(ABORT response).
    Abort,
}

/// Where the command comes from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// From us.
    Known(&'a [u8]),
    /// The reader has made and sent the I-block.
    Reader,
    /// There is none: only S(IFS).
    Nothing,
}

/// A block to send; wiped when it is done with, for it may have held a PIN.
struct Outgoing {
    bytes: [u8; MAX_BLOCK_LEN],
    len: usize,
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.bytes.fill(0);
    }
}

/// See the module.
pub struct Exchange<'a> {
    state: State,
    source: Source<'a>,
    response: &'a mut [u8],
    /// Most bytes in one of our information fields, whatever the card takes.
    room: u8,
    phase: Phase,
    /// Where the outstanding I-block begins in the command, and how much of it it carries.
    offset: usize,
    chunk: usize,
    /// Length of the response so far, whether it fits or not.
    received: usize,
    errors: u8,
    resynchs: u8,
    fruitless: u32,
    /// What to report when S(RESYNCH) has been answered; if nothing, the command is sent again.
    ending: Option<Failure>,
    /// Whether the block sent last was an R-block.
    asked_again: bool,
    block: Outgoing,
}

impl<'a> Exchange<'a> {
    fn new(state: State, source: Source<'a>, response: &'a mut [u8], phase: Phase) -> Self {
        Self {
            state,
            source,
            response,
            room: MAX_INF_LEN,
            phase,
            offset: 0,
            chunk: 0,
            received: 0,
            errors: 0,
            resynchs: 0,
            fruitless: 0,
            ending: None,
            asked_again: false,
            block: Outgoing {
                bytes: [0; MAX_BLOCK_LEN],
                len: 0,
            },
        }
    }

    /// An exchange of `command` for a response, of which as much as fits goes into `response`.
    #[must_use]
    pub fn command(state: State, command: &'a [u8], response: &'a mut [u8]) -> Self {
        Self::new(state, Source::Known(command), response, Phase::Command)
    }

    /// An exchange that tells the card how long its information fields may be. It always ends in [`Action::Done`]: a card
    /// that does not agree stays at 32.
    #[must_use]
    pub fn ifsd(state: State, ifsd: u8) -> Self {
        let ifsd = if ifsd == 0 { DEFAULT_IFS } else { ifsd.min(MAX_INF_LEN) };
        Self::new(state, Source::Nothing, &mut [], Phase::Ifs(ifsd))
    }

    /// An exchange whose one I-block the reader makes, with a PIN typed in, and sends behind [`Self::prologue`]. There is
    /// nothing to [`start`](Self::start): the first event is what came back.
    #[must_use]
    pub fn by_reader(state: State, response: &'a mut [u8]) -> Self {
        Self::new(state, Source::Reader, response, Phase::Command)
    }

    /// Limits our information fields to what the way to the card can carry; at least 1.
    #[must_use]
    pub fn with_room(mut self, room: usize) -> Self {
        self.room = u8::try_from(room).unwrap_or(MAX_INF_LEN).clamp(1, MAX_INF_LEN);
        self
    }

    /// The first block to send.
    pub fn start(&mut self) -> Action {
        if self.state.lost {
            return Action::Failed(Failure::Unresponsive);
        }
        match self.phase {
            Phase::Ifs(ifsd) => self.send(Kind::Request(Supervisory::Ifs(ifsd)), 0),
            Phase::Command | Phase::Response | Phase::Resynch(_) | Phase::Abort => self.send_information(),
        }
    }

    /// What to do after `event`.
    pub fn step(&mut self, event: Event<'_>) -> Action {
        crate::inject::point("iso7816");
        self.fruitless += 1;
        if self.fruitless > MAX_FRUITLESS {
            return self.fail(Failure::Endless);
        }
        let block = match event {
            Event::Block(bytes) => block::decode(bytes, self.state.edc),
            Event::Parity => Err(Fault::Edc),
            Event::Mute | Event::Unusable => Err(Fault::Other),
        };
        match block {
            Ok(block) => {
                self.state.edc = block.edc;
                self.valid(block.kind, block.inf)
            }
            Err(fault) => self.invalid(fault),
        }
    }

    /// Notes that no further event will come, although one is due.
    pub fn break_off(&mut self) {
        self.state.give_up();
    }

    /// The block to send.
    #[must_use]
    pub fn block(&self) -> &[u8] {
        self.block.bytes.get(..self.block.len).unwrap_or_default()
    }

    /// NAD, PCB and LEN of an I-block with `len` bytes to come.
    #[must_use]
    pub fn prologue(&self, len: usize) -> [u8; PROLOGUE_LEN] {
        let kind = Kind::Information {
            sequence: self.state.send,
            more: false,
        };
        block::prologue(kind, len)
    }

    /// Length of the response, which may be more than its buffer took.
    #[must_use]
    pub fn response_len(&self) -> usize {
        self.received
    }

    /// The state to go on with next time.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    fn valid(&mut self, kind: Kind, inf: &[u8]) -> Action {
        match (self.phase, kind) {
            // Rule 6: whatever else it is, it was sent before the request was understood.
            (Phase::Resynch(_), Kind::Response(Supervisory::Resynch)) => self.resynchronised(),
            (Phase::Resynch(_), _) => self.invalid(Fault::Other),
            // Rule 3
            (_, Kind::Request(Supervisory::Wtx(multiplier))) => {
                self.errors = 0;
                self.send(Kind::Response(Supervisory::Wtx(multiplier)), multiplier)
            }
            // Rule 4
            (_, Kind::Request(Supervisory::Ifs(ifsc))) => {
                self.state.ifsc = ifsc;
                self.send(Kind::Response(Supervisory::Ifs(ifsc)), 0)
            }
            // Rule 9
            (Phase::Command | Phase::Response | Phase::Abort, Kind::Request(Supervisory::Abort)) => {
                self.phase = Phase::Abort;
                self.send(Kind::Response(Supervisory::Abort), 0)
            }
            (Phase::Abort, Kind::Ready { sequence, .. }) => {
                self.state.send = sequence;
                Action::Failed(Failure::Aborted)
            }
            (Phase::Abort, _) => self.resynch(),
            (Phase::Ifs(asked), Kind::Response(Supervisory::Ifs(ifsd))) if ifsd == asked => {
                self.state.ifsd = ifsd;
                self.state.ifs = Ifs::Agreed;
                Action::Done
            }
            // Rules 2.1 and 5: an I-block acknowledges the last of ours.
            (Phase::Command, Kind::Information { sequence, more })
                if !self.more_to_send() && sequence == self.state.receive =>
            {
                self.state.send = !self.state.send;
                self.take(inf, more)
            }
            (Phase::Response, Kind::Information { sequence, more }) if sequence == self.state.receive => {
                self.take(inf, more)
            }
            (Phase::Command, Kind::Ready { sequence, error }) => self.acknowledged(sequence, error),
            _ => self.invalid(Fault::Other),
        }
    }

    /// An R-block after an I-block of ours (rules 2.2, 5 and 7.1). Its N(R) counts: it names the block wanted next, and a
    /// complaint that names the one after ours is about something else.
    fn acknowledged(&mut self, sequence: bool, error: u8) -> Action {
        if sequence == self.state.send {
            return self.again();
        }
        if !self.more_to_send() {
            // Acknowledged, but the answer is an I-block that we have not seen.
            return self.invalid(Fault::Other);
        }
        self.state.send = !self.state.send;
        self.offset += self.chunk;
        self.fruitless = self.fruitless.saturating_sub(1);
        if error == 0 {
            self.errors = 0;
        }
        self.send_information()
    }

    /// The card wants the outstanding I-block once more.
    fn again(&mut self) -> Action {
        self.errors += 1;
        if self.errors > MAX_ERRORS {
            self.resynch()
        } else {
            self.send_information()
        }
    }

    /// A part of the response (rule 5).
    fn take(&mut self, inf: &[u8], more: bool) -> Action {
        let room = self.response.get_mut(self.received..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(inf) {
            *to = *from;
        }
        self.received += inf.len();
        self.state.receive = !self.state.receive;
        self.errors = 0;
        if !inf.is_empty() {
            self.fruitless = self.fruitless.saturating_sub(1);
        }
        if !more {
            return Action::Done;
        }
        if self.received > MAX_RESPONSE_LEN {
            return self.fail(Failure::Endless);
        }
        self.phase = Phase::Response;
        self.send_ready(0)
    }

    /// Nothing valid came (rule 7).
    fn invalid(&mut self, fault: Fault) -> Action {
        self.errors += 1;
        match self.phase {
            // Rule 7.3
            Phase::Ifs(ifsd) if self.errors < MAX_IFS_ATTEMPTS => self.send(Kind::Request(Supervisory::Ifs(ifsd)), 0),
            Phase::Ifs(_) => {
                self.state.ifsd = DEFAULT_IFS;
                self.state.ifs = Ifs::Refused;
                Action::Done
            }
            // Rule 6.4
            Phase::Resynch(attempts) if attempts < MAX_RESYNCHS => self.request_resynch(attempts + 1),
            Phase::Resynch(_) => self.fail(Failure::Unresponsive),
            // Rule 7.4.2
            Phase::Command | Phase::Response | Phase::Abort if self.errors > MAX_ERRORS => self.resynch(),
            // Rule 7.2: the same R-block once more
            Phase::Command | Phase::Response | Phase::Abort if self.asked_again => Action::Send { waiting: 0 },
            // Rules 7.1 and 7.3
            Phase::Command | Phase::Response | Phase::Abort => self.send_ready(fault.code()),
        }
    }

    fn resynch(&mut self) -> Action {
        if self.phase == Phase::Abort {
            self.ending = Some(Failure::Aborted);
        }
        if self.resynchs >= MAX_RESYNCHS {
            return self.fail(Failure::Unresponsive);
        }
        self.resynchs += 1;
        self.request_resynch(1)
    }

    fn request_resynch(&mut self, attempt: u8) -> Action {
        self.phase = Phase::Resynch(attempt);
        self.send(Kind::Request(Supervisory::Resynch), 0)
    }

    /// Both sides are where they were after the reset (rules 6.2 and 6.3): the whole command is due again.
    fn resynchronised(&mut self) -> Action {
        self.state.restart();
        self.errors = 0;
        self.received = 0;
        self.offset = 0;
        self.phase = Phase::Command;
        match self.ending {
            Some(failure) => Action::Failed(failure),
            None => self.send_information(),
        }
    }

    fn fail(&mut self, failure: Failure) -> Action {
        self.state.lost = true;
        Action::Failed(failure)
    }

    /// Whether the outstanding I-block is followed by others.
    fn more_to_send(&self) -> bool {
        match self.source {
            Source::Known(command) => self.offset + self.chunk < command.len(),
            Source::Reader | Source::Nothing => false,
        }
    }

    /// The I-block that is due, cut to what the card takes now.
    fn send_information(&mut self) -> Action {
        let Source::Known(command) = self.source else {
            return if self.resynchs == 0 {
                Action::Repeat
            } else {
                Action::Failed(Failure::Unrepeatable)
            };
        };
        let rest = command.get(self.offset..).unwrap_or_default();
        let len = rest.len().min(self.state.ifsc.min(self.room).into());
        self.chunk = len;
        let kind = Kind::Information {
            sequence: self.state.send,
            more: self.more_to_send(),
        };
        let inf = rest.get(..len).unwrap_or_default();
        self.asked_again = false;
        self.block.len = block::encode(kind, inf, self.state.edc, &mut self.block.bytes);
        Action::Send { waiting: 0 }
    }

    fn send_ready(&mut self, error: u8) -> Action {
        let sequence = self.state.receive;
        let action = self.send(Kind::Ready { sequence, error }, 0);
        self.asked_again = true;
        action
    }

    fn send(&mut self, kind: Kind, waiting: u8) -> Action {
        self.asked_again = false;
        self.block.len = block::encode(kind, &[], self.state.edc, &mut self.block.bytes);
        Action::Send { waiting }
    }
}

impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without what is said.
        f.debug_struct("Exchange")
            .field("state", &self.state)
            .field("phase", &self.phase)
            .field("offset", &self.offset)
            .field("received", &self.received)
            .field("errors", &self.errors)
            .finish_non_exhaustive()
    }
}
