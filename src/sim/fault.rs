//! Misbehaviours a simulated reader can be told to show.

use std::time::Duration;

/// One misbehaviour, applied to one command (or, where it says so, at once).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The answer carries the sequence number plus one.
    WrongSequence,
    /// The answer carries the slot number plus one.
    WrongSlot,
    /// The answer carries this slot number, which the reader may not have.
    OtherSlot(u8),
    /// The answer carries this message type.
    WrongType(u8),
    /// The answer to the previous command is sent once more before the right one, as after a timeout.
    StaleAnswer,
    /// The reader asks for more time this many times, that long apart, before it answers.
    TimeExtension {
        /// How many requests.
        count: u8,
        /// `bError` of each.
        multiplier: u8,
        /// Time before each and before the answer.
        every: Duration,
    },
    /// The answer is sent in two transfers, the first of this many bytes.
    SplitAnswer(usize),
    /// An answer of n whole packets is not followed by a zero-length packet.
    MissingZlp,
    /// A zero-length packet precedes the answer.
    ZlpBefore,
    /// A zero-length packet follows the answer although its last packet was short.
    ZlpAfter,
    /// The last packet of the answer is longer than `wMaxPacketSize`.
    Babble,
    /// The bulk IN endpoint halts before the answer; the answer follows after CLEAR_FEATURE(ENDPOINT_HALT).
    StallIn,
    /// The bulk OUT endpoint halts at the command's first packet; the command is not taken.
    StallOut,
    /// `dwLength` of the answer is off by this much.
    WrongLength(i32),
    /// The answer ends after this many bytes (of the message; with a token, of what each request reads).
    CutAnswer(usize),
    /// The command is carried out but not answered.
    Silence,
    /// The command is taken and forgotten.
    Lost,
    /// The answer comes this much later.
    Delay(Duration),
    /// The command is not carried out and fails with this `bError`.
    Fail(u8),
    /// The command is carried out, and all the same fails with this `bError`: what the card said is lost.
    FailAfter(u8),
    /// This byte of the answer's data, counted from its end, comes with a bit turned over.
    Garble(usize),
    /// IccPowerOn fails (bError 0xFE) with these `bPowerSelect` values; other commands are unharmed.
    PowerOnFails(Vec<u8>),
    /// These bytes are the answer, with slot and sequence number put right where they reach that far.
    Answer(Vec<u8>),
    /// The card is pulled out while the command is carried out.
    CardPulled,
    /// The device leaves the bus while the command is carried out.
    Unplugged,
    /// These bytes are sent on the interrupt endpoint, at once.
    Interrupt(Vec<u8>),
    /// All of these on the same command.
    Several(Vec<Self>),
}

/// How often a fault shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// On this many commands.
    Count(u32),
    /// On every command until [cleared](super::Reader::clear_faults).
    Always,
}

/// A fault waiting for its command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// What goes wrong.
    pub fault: Fault,
    /// `bMessageType` of the commands it applies to; any if `None`.
    pub on: Option<u8>,
    /// How often.
    pub times: Times,
}

impl Injection {
    /// Once, on the next command of this type (see [`kind`](super::wire::kind)).
    #[must_use]
    pub fn on(kind: u8, fault: Fault) -> Self {
        Self {
            fault,
            on: Some(kind),
            times: Times::Count(1),
        }
    }

    /// The same this many times; 0 is once.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self {
            times: Times::Count(count),
            ..self
        }
    }

    /// The same on every command it applies to.
    #[must_use]
    pub fn always(self) -> Self {
        Self {
            times: Times::Always,
            ..self
        }
    }
}

impl From<Fault> for Injection {
    /// Once, on whatever command comes next.
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            on: None,
            times: Times::Count(1),
        }
    }
}

/// The faults in waiting, in the order they were asked for. A command takes the first that applies to it.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Injection>);

impl Faults {
    pub(super) fn push(&mut self, injection: Injection) {
        self.0.push(injection);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether the next command of this type will be refused by a halt of the bulk OUT endpoint; used up if so.
    pub(super) fn take_stall_out(&mut self, kind: u8) -> bool {
        let next = self
            .position(kind)
            .filter(|&at| self.0.get(at).is_some_and(|i| i.fault.contains(&Fault::StallOut)));
        next.is_some_and(|at| {
            let _used: Option<Vec<Fault>> = self.use_up(at);
            true
        })
    }

    /// The faults for a command of this type.
    pub(super) fn take(&mut self, kind: u8) -> Vec<Fault> {
        self.position(kind).and_then(|at| self.use_up(at)).unwrap_or_default()
    }

    fn position(&self, kind: u8) -> Option<usize> {
        self.0.iter().position(|i| i.on.is_none_or(|on| on == kind))
    }

    fn use_up(&mut self, at: usize) -> Option<Vec<Fault>> {
        let injection = self.0.get_mut(at)?;
        let faults = injection.fault.flatten();
        match &mut injection.times {
            Times::Always => {}
            Times::Count(left @ 2..) => *left -= 1,
            Times::Count(_) => {
                self.0.remove(at);
            }
        }
        Some(faults)
    }
}

impl Fault {
    /// The `bError` a command is to fail with.
    pub(super) fn forced_error(&self) -> Option<u8> {
        if let Self::Fail(error) = self {
            Some(*error)
        } else {
            None
        }
    }

    /// Where the answer is to end.
    pub(super) fn cut(&self) -> Option<usize> {
        if let Self::CutAnswer(len) = self {
            Some(*len)
        } else {
            None
        }
    }

    /// What the answer is to be.
    pub(super) fn answer(&self) -> Option<&[u8]> {
        if let Self::Answer(bytes) = self {
            Some(bytes)
        } else {
            None
        }
    }

    /// The `bPowerSelect` values that are to fail.
    pub(super) fn refused_voltages(&self) -> Option<&[u8]> {
        if let Self::PowerOnFails(selects) = self {
            Some(selects)
        } else {
            None
        }
    }

    /// How much longer the answer takes.
    pub(super) fn extra_time(&self) -> Duration {
        if let Self::TimeExtension { count, every, .. } = self {
            *every * u32::from(*count)
        } else if let Self::Delay(delay) = self {
            *delay
        } else {
            Duration::ZERO
        }
    }

    fn flatten(&self) -> Vec<Self> {
        if let Self::Several(faults) = self {
            return faults.iter().flat_map(Self::flatten).collect();
        }
        vec![self.clone()]
    }

    fn contains(&self, wanted: &Self) -> bool {
        if let Self::Several(faults) = self {
            faults.iter().any(|f| f.contains(wanted))
        } else {
            self == wanted
        }
    }
}
