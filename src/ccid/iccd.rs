//! ICCD: tokens that are reader and card in one and have no bulk endpoints. Commands are class requests on the control
//! pipe; there is no sequence number, because a request and its answer cannot be mixed up with others.
//!
//! Two versions. With A (`bInterfaceProtocol` 1) the host asks for the token's status between the steps of a TPDU; with
//! B (2) every answer begins with a byte that says what it is, "ask again later" among others.
// USB device class "Smart Card", ICCD 1.0 §5 (version A), §6 (version B).

use super::error::{Error, Result, SlotError};
use super::exchange::{Answer, Engine};
use super::message::{Command, CommandStatus, HEADER_LEN, Header, IccStatus, chain};
use super::transfer::time_left;
use crate::clock::Moment;
use crate::usb::{self, ControlRequest};
use std::thread;
use std::time::Duration;

/// Most data in one control request: usbfs takes one page, and 4096 is the smallest.
pub(super) const MAX_DATA_LEN: usize = 4096;

/// "Busy" or "ask again" in one command; the deadline comes first unless the token floods the host.
const MAX_POLLS: u32 = 200_000;

/// Data phases of one TPDU: the command's data, the response's, the status word, and some more.
const MAX_PHASES: u32 = 16;

/// Time between two looks at a busy token, and unit of the delay it may ask for.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Where the status of version A is kept in the input buffer.
const STATUS_AT: usize = 0;

/// Which of the two protocols a token speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// `bInterfaceProtocol` 1.
    A,
    /// `bInterfaceProtocol` 2.
    B,
}

/// `bmRequestType`: class request to an interface, data to the token or none.
const TO_TOKEN: u8 = 0x21;
/// `bmRequestType`: class request to an interface, data from the token.
const FROM_TOKEN: u8 = 0xA1;

/// `bRequest`.
mod request {
    pub(super) const POWER_ON: u8 = 0x62;
    pub(super) const POWER_OFF: u8 = 0x63;
    pub(super) const XFR_BLOCK: u8 = 0x65;
    pub(super) const DATA_BLOCK: u8 = 0x6F;
    pub(super) const SLOT_STATUS: u8 = 0x81;
    pub(super) const ICC_STATUS: u8 = 0xA0;
}

/// First byte of an answer of version B, beside the values of `bChainParameter`.
mod response_type {
    pub(super) const STATUS: u8 = 0x40;
    pub(super) const POLLING: u8 = 0x80;
}

/// What a token can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Status,
    PowerOff,
    /// With `bPowerSelect`.
    PowerOn(u8),
    /// With `wLevelParameter`, of which a token takes one byte.
    Block(u8),
}

impl Order {
    fn of(command: Command) -> Option<Self> {
        if command == Command::GetSlotStatus {
            Some(Self::Status)
        } else if command == Command::IccPowerOff {
            Some(Self::PowerOff)
        } else if let Command::IccPowerOn(voltage) = command {
            // Never 0: no token is known to choose by itself.
            Some(Self::PowerOn(voltage.power_select().max(1)))
        } else if let Command::XfrBlock { level_parameter, .. } = command {
            Some(Self::Block(level_parameter.to_le_bytes()[0]))
        } else {
            None
        }
    }
}

/// What a token of version A is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A command.
    Ready,
    /// More data, in the direction the command has.
    Data,
    /// Giving the status word.
    Word,
    /// Nothing: the card does not answer.
    Mute,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    icc: IccStatus,
    error: Option<SlotError>,
    chain: u8,
    /// Length of the data in the engine's buffer.
    len: usize,
}

impl Outcome {
    fn done(icc: IccStatus, len: usize) -> Self {
        Self {
            icc,
            error: None,
            chain: chain::WHOLE,
            len,
        }
    }

    fn failed(icc: IccStatus, error: SlotError) -> Self {
        Self {
            error: Some(error),
            ..Self::done(icc, 0)
        }
    }
}

/// One command under way.
#[derive(Clone, Copy)]
struct Call<'a> {
    transport: &'a dyn usb::Transport,
    deadline: Moment,
    /// The deadline moves with each sign of life, but never beyond.
    end: Moment,
    wait: Duration,
}

impl Engine {
    /// One command and its answer by control requests.
    pub(super) fn request(
        &mut self,
        transport: &dyn usb::Transport,
        version: Version,
        sequence: u8,
        command: Command,
        data: &[u8],
        wait: Duration,
    ) -> Result<Answer> {
        let total = self.total_time(command);
        let wait = wait.min(total);
        let now = Moment::now();
        let mut call = Call {
            transport,
            deadline: now + wait,
            end: now + total,
            wait,
        };
        let outcome = match (Order::of(command), version) {
            // A token has no such request.
            (None, _) => Outcome::failed(IccStatus::Active, SlotError::CommandNotSupported),
            (Some(order), Version::A) => self.request_a(&mut call, order, data)?,
            (Some(order), Version::B) => self.request_b(&mut call, order, data)?,
        };
        if let Some(memory) = self.slots.first_mut() {
            memory.icc = Some(outcome.icc);
        }
        let header = Header {
            kind: command.response_kind(),
            data_len: u32::try_from(outcome.len).unwrap_or(u32::MAX),
            slot: 0,
            sequence,
            icc: outcome.icc,
            command: if outcome.error.is_some() {
                CommandStatus::Failed
            } else {
                CommandStatus::Processed
            },
            error: outcome.error.map_or(0, SlotError::code),
            specific: outcome.chain,
        };
        Ok(Answer {
            header,
            len: outcome.len,
        })
    }

    fn request_a(&mut self, call: &mut Call<'_>, order: Order, data: &[u8]) -> Result<Outcome> {
        match order {
            Order::Status => Ok(icc_outcome(self.phase(call)?)),
            Order::PowerOff => {
                self.tell(call, request::POWER_OFF, 0, &[])?;
                let phase = self.phase(call)?;
                log::trace!("power off: {phase:?}");
                Ok(Outcome::done(IccStatus::Inactive, 0))
            }
            Order::PowerOn(_) => {
                // Off first: that also ends whatever the token was in the middle of.
                self.tell(call, request::POWER_OFF, 0, &[])?;
                self.phase(call)?;
                let len = self.ask(call, request::POWER_ON, HEADER_LEN, MAX_DATA_LEN)?;
                Ok(Outcome::done(IccStatus::Active, len))
            }
            // A token without T=0 takes blocks of T=1 as they are.
            Order::Block(_) if self.descriptor.protocols() == 0x02 => {
                self.tell(call, request::XFR_BLOCK, 0, data)?;
                if self.phase(call)? == Phase::Mute {
                    return Ok(icc_outcome(Phase::Mute));
                }
                let len = self.ask(call, request::DATA_BLOCK, HEADER_LEN, MAX_DATA_LEN)?;
                Ok(Outcome::done(IccStatus::Active, len))
            }
            Order::Block(_) => self.tpdu_a(call, data),
        }
    }

    /// A TPDU of T=0 in steps: always five bytes, then what the token says it is ready for.
    fn tpdu_a(&mut self, call: &mut Call<'_>, tpdu: &[u8]) -> Result<Outcome> {
        let (header, mut rest) = tpdu.split_at_checked(5).unwrap_or((tpdu, &[]));
        if header.len() < 4 {
            return Ok(Outcome::failed(IccStatus::Active, SlotError::BadField(1)));
        }
        let mut five = [0; 5];
        for (to, from) in five.iter_mut().zip(header) {
            *to = *from;
        }
        self.tell(call, request::XFR_BLOCK, 0, &five)?;
        let mut len = 0;
        for _ in 0..MAX_PHASES {
            match self.phase(call)? {
                Phase::Mute => return Ok(icc_outcome(Phase::Mute)),
                Phase::Data if !rest.is_empty() => {
                    self.tell(call, request::XFR_BLOCK, 0, rest)?;
                    rest = &[];
                }
                Phase::Data => {
                    len += self.ask(call, request::DATA_BLOCK, HEADER_LEN + len, MAX_DATA_LEN)?;
                }
                Phase::Word => {
                    len += self.ask(call, request::DATA_BLOCK, HEADER_LEN + len, MAX_DATA_LEN)?;
                    return Ok(Outcome::done(IccStatus::Active, len));
                }
                Phase::Ready => return Err(Error::Protocol("a response without status word")),
            }
        }
        Err(Error::Protocol("data phases without end"))
    }

    /// What a token of version A is ready for; waits while it is busy.
    fn phase(&mut self, call: &Call<'_>) -> Result<Phase> {
        for _ in 0..MAX_POLLS {
            // Not where data are kept that the next phase adds to.
            if self.ask(call, request::ICC_STATUS, STATUS_AT, 1)? == 0 {
                return Err(Error::Protocol("an empty status"));
            }
            match self.input.get(STATUS_AT).copied().unwrap_or_default() {
                status if status & 0x40 != 0 => thread::sleep(POLL_INTERVAL.min(time_left(call.deadline)?)),
                status if status & 0x80 != 0 => return Ok(Phase::Mute),
                status if status & 0x20 != 0 => return Ok(Phase::Word),
                status if status & 0x10 != 0 => return Ok(Phase::Data),
                _ => return Ok(Phase::Ready),
            }
        }
        Err(Error::Protocol("busy without end"))
    }

    fn request_b(&mut self, call: &mut Call<'_>, order: Order, data: &[u8]) -> Result<Outcome> {
        match order {
            Order::Status => self.slot_status_b(call),
            Order::PowerOff => {
                self.tell(call, request::POWER_OFF, 0, &[])?;
                let outcome = self.slot_status_b(call)?;
                log::trace!("power off: {outcome:?}");
                Ok(Outcome::done(IccStatus::Inactive, 0))
            }
            Order::PowerOn(select) => {
                self.tell(call, request::POWER_OFF, 0, &[])?;
                self.slot_status_b(call)?;
                self.tell(call, request::POWER_ON, u16::from(select), &[])?;
                self.data_block_b(call)
            }
            Order::Block(level) => {
                self.tell(call, request::XFR_BLOCK, u16::from_be_bytes([level, 0]), data)?;
                self.data_block_b(call)
            }
        }
    }

    fn slot_status_b(&mut self, call: &Call<'_>) -> Result<Outcome> {
        let len = self.ask(call, request::SLOT_STATUS, HEADER_LEN, 3)?;
        match self.input.get(HEADER_LEN..HEADER_LEN + len) {
            Some([_, icc, ..]) => Ok(Outcome::done(IccStatus::from_bits(*icc), 0)),
            _ => Err(Error::Protocol("a slot status cut short")),
        }
    }

    /// Fetches the answer to the request before, however often the token says "later".
    fn data_block_b(&mut self, call: &mut Call<'_>) -> Result<Outcome> {
        // One byte earlier than data, so that these begin where they always do.
        const TYPE_AT: usize = HEADER_LEN - 1;
        for _ in 0..MAX_POLLS {
            let len = self.ask(call, request::DATA_BLOCK, TYPE_AT, MAX_DATA_LEN)?;
            let Some([kind, rest @ ..]) = self.input.get(TYPE_AT..TYPE_AT + len) else {
                return Err(Error::Protocol("an empty answer"));
            };
            match (*kind, rest) {
                (chain::WHOLE | chain::BEGINS | chain::ENDS | chain::CONTINUES | chain::NEXT, data) => {
                    return Ok(Outcome {
                        chain: *kind,
                        ..Outcome::done(IccStatus::Active, data.len())
                    });
                }
                (response_type::STATUS, [icc, error, ..]) => {
                    return Ok(Outcome::failed(IccStatus::from_bits(*icc), SlotError::from(*error)));
                }
                (response_type::POLLING, delay) => {
                    let byte = |at: usize| delay.get(at).copied().unwrap_or(0);
                    let units = u32::from(u16::from_le_bytes([byte(0), byte(1)])).max(1);
                    let delay = POLL_INTERVAL * units;
                    // A sign of life, like a time extension: the card has its time anew after the delay.
                    call.deadline = call.end.min(Moment::now() + delay + call.wait);
                    thread::sleep(delay.min(time_left(call.deadline)?));
                }
                _ => return Err(Error::Protocol("an answer of unknown type")),
            }
        }
        Err(Error::Protocol("\"ask again\" without end"))
    }

    /// A request to the token, with data or without.
    fn tell(&self, call: &Call<'_>, request: u8, value: u16, data: &[u8]) -> Result<()> {
        if data.len() > MAX_DATA_LEN {
            return Err(Error::CommandTooLong);
        }
        let request = ControlRequest {
            request_type: TO_TOKEN,
            request,
            value,
            index: u16::from(self.interface),
        };
        let taken = call.transport.control_out(request, data, time_left(call.deadline)?)?;
        if taken < data.len() {
            return Err(Error::Protocol("the token did not take the whole request"));
        }
        Ok(())
    }

    /// A request for at most `len` bytes from the token, to `offset` of the input buffer.
    fn ask(&mut self, call: &Call<'_>, request: u8, offset: usize, len: usize) -> Result<usize> {
        self.reserve_input(offset + len, offset);
        let request = ControlRequest {
            request_type: FROM_TOKEN,
            request,
            value: 0,
            index: u16::from(self.interface),
        };
        let room = self.input.get_mut(offset..offset + len).unwrap_or_default();
        let count = call.transport.control_in(request, room, time_left(call.deadline)?)?;
        Ok(count.min(len))
    }
}

/// What the phase of a token of version A says about its card. It does not say whether the card has power: that it has
/// is assumed, and the record knows better.
fn icc_outcome(phase: Phase) -> Outcome {
    match phase {
        Phase::Mute => Outcome::failed(IccStatus::Inactive, SlotError::Mute),
        Phase::Ready | Phase::Data | Phase::Word => Outcome::done(IccStatus::Active, 0),
    }
}
