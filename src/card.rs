//! What a `SCARDHANDLE` is: one connection to the card in one slot.

mod disconnect;
mod modes;
mod reconnect;
mod transaction;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::api::constants as c;
use crate::api::types::{DWORD, SCARDHANDLE};
use crate::arbiter::locks::{Byte, Mode};
use crate::arbiter::record::{CardState, Event, Slot};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::handle::{Kind, Table};
use crate::platform;
use crate::reader::link::{Attempt, Gone, Link};
use crate::reader::power::PowerError;
use crate::reader::registry::{self, Reader};
use crate::reader::turn::{Owner, Turn};
use crate::reader::{attrib, control, protocol};

pub(crate) use modes::{Disposition, Share};

static CARDS: Table<Card> = Table::new(Kind::Card);

/// The table of card handles.
pub(crate) fn cards() -> &'static Table<Card> {
    &CARDS
}

/// The connection a handle stands for.
///
/// # Errors
/// `InvalidHandle` for any value that is not a handle of this process.
pub fn get(handle: SCARDHANDLE) -> Result<Arc<Card>> {
    CARDS.get(handle)
}

/// What `SCardStatus` reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardStatus {
    /// State bits, and the event counter in the upper half.
    pub state: u32,
    /// Protocol in use, 0 for none.
    pub protocol: u32,
    /// The reader's name.
    pub name: String,
    /// The card's ATR.
    pub atr: Vec<u8>,
}

/// What a handle knows that the record does not.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Everything up to this event of the slot has been acknowledged.
    acknowledged: u32,
    /// Transactions begun and not ended; means nothing while the record names another owner.
    begun: u32,
    exclusive: bool,
    /// Connected, or reconnected once, for using the card and not only the reader.
    uses_card: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Card {
    reader: Arc<Reader>,
    context: SCARDHANDLE,
    link: Link,
    /// This handle's number in the record, alive while its byte is locked.
    token: u32,
    standing: Mutex<Standing>,
    /// Disconnected: calls of other threads that are still inside must not act for it any more.
    left: AtomicBool,
}

impl Card {
    /// Connects, for `SCardConnect`. The check order is pcsc-lite's: protocols, share mode, name, reader, others.
    ///
    /// # Errors
    /// As documented at [`SCardConnect`](crate::api::card::SCardConnect).
    pub(crate) fn connect(context: &Context, name: &[u8], share: DWORD, protocols: DWORD) -> Result<(u32, DWORD)> {
        let wanted = protocol::Wanted::parse(protocols);
        if share != c::SCARD_SHARE_DIRECT && wanted.is_none() {
            return Err(Error::ProtoMismatch);
        }
        let share = Share::parse(share)?;
        let reader = context.find_reader(name)?;
        let link = Link::open(&reader)?;
        let token = Self::new_token(&link)?;
        link.set_token(token);
        let connecting = |turn: &mut Turn<'_>| Self::try_connect(turn, &link, token, share, wanted);
        // One that is held exclusively is not waited for.
        let (active, acknowledged) = link.until_free(reader.slot, Error::UnknownReader, |_| false, connecting)?;
        let standing = Mutex::new(Standing {
            acknowledged,
            begun: 0,
            exclusive: share.is_sole(),
            uses_card: share != Share::Direct,
        });
        let card = Self {
            reader,
            context: context.value(),
            link,
            token,
            standing,
            left: AtomicBool::new(false),
        };
        let handle = CARDS.insert(Arc::new(card))?;
        Ok((handle, active))
    }

    fn new_token(link: &Link) -> Result<u32> {
        loop {
            let token = crate::random::nonzero_u32();
            match link.locks().try_lock(Byte::Handle(token), Mode::Exclusive) {
                Ok(true) => return Ok(token),
                Ok(false) => {}
                Err(error) => {
                    log::error!("locking {}: {error}", link.port().interface().node.display());
                    return Err(Error::NoAccess);
                }
            }
        }
    }

    fn try_connect(
        turn: &mut Turn<'_>,
        link: &Link,
        token: u32,
        share: Share,
        wanted: protocol::Wanted,
    ) -> Result<Attempt<(DWORD, u32)>> {
        crate::inject::point("card");
        if turn.others()? == Some(Mode::Exclusive) {
            return Err(Error::SharingViolation);
        }
        if turn.is_away() && turn.owner(token)? == Owner::Other {
            return Ok(Attempt::Busy);
        }
        turn.refresh()?;
        if turn.owner(token)? == Owner::Other {
            return Ok(Attempt::Busy);
        }
        turn.settle_left_alone()?;
        if share != Share::Direct {
            Self::bring_up(turn)?;
        }
        turn.choose_protocol(wanted, share == Share::Direct)?;
        let mode = if share.is_sole() { Mode::Exclusive } else { Mode::Shared };
        let byte = Byte::Share(turn.slot());
        if !link
            .locks()
            .try_lock(byte, mode)
            .map_err(|error| turn.lock_failed(&error))?
        {
            return Err(Error::SharingViolation);
        }
        if share.is_sole() {
            turn.card.owner = token;
        }
        turn.card.last_use_ms = crate::clock::boot_millis();
        Ok(Attempt::Done((share.reported(turn.card.protocol), turn.card.event)))
    }

    /// Has the card powered for a connection that will use it.
    fn bring_up(turn: &mut Turn<'_>) -> Result<()> {
        match turn.card.state {
            CardState::Powered => return Ok(()),
            CardState::Absent | CardState::Unknown => return Err(Error::NoSmartcard),
            CardState::Failed => return Err(Error::ReaderUnavailable),
            CardState::Inserted => turn.ensure_answered()?,
            CardState::Mute | CardState::Unpowered | CardState::Dormant => match turn.power_up() {
                Ok(()) | Err(PowerError::Mute | PowerError::Absent) => {}
                Err(PowerError::Reader(error)) => return Err(error),
            },
        }
        match turn.card.state {
            CardState::Powered => Ok(()),
            CardState::Absent => Err(Error::NoSmartcard),
            CardState::Mute => Err(platform::MUTE_CARD),
            CardState::Unknown
            | CardState::Inserted
            | CardState::Unpowered
            | CardState::Dormant
            | CardState::Failed => Err(Error::UnpoweredCard),
        }
    }

    /// The context this connection was made in.
    pub(crate) fn context(&self) -> SCARDHANDLE {
        self.context
    }

    /// Begins a turn of this handle, with its standing; the reader's absence becomes `gone`.
    fn turn(&self, gone: Error) -> Result<Turn<'_>> {
        let turn = self.link.turn(self.reader.slot).map_err(|Gone| gone)?;
        self.check_connected()?;
        Ok(turn)
    }

    /// Within a turn: whether another thread has disconnected this handle since it was looked up.
    fn check_connected(&self) -> Result<()> {
        if self.left.load(Ordering::Acquire) {
            Err(Error::InvalidHandle)
        } else {
            Ok(())
        }
    }

    /// Whether somebody else's transaction is in the way.
    fn is_locked_out(&self, turn: &mut Turn<'_>) -> Result<bool> {
        Ok(turn.owner(self.token)? == Owner::Other)
    }

    /// As [`Self::is_locked_out`], if finding out more would mean to take the reader from whom it is locked for.
    fn is_shut_out(&self, turn: &mut Turn<'_>) -> Result<bool> {
        Ok(turn.is_away() && self.is_locked_out(turn)?)
    }

    fn check_events(&self, turn: &Turn<'_>) -> Result<()> {
        let acknowledged = self.standing.lock().acknowledged;
        match turn.card.pending(acknowledged) {
            None => Ok(()),
            Some(Event::Reset) => Err(Error::ResetCard),
            Some(Event::Removed) => Err(Error::RemovedCard),
        }
    }

    /// As [`Link::until_free`], or at once with `SharingViolation` where PCSCLITE_NO_BLOCKING asks for it.
    fn until_free<T>(
        &self,
        gone: Error,
        blocking: bool,
        mut attempt: impl FnMut(&mut Turn<'_>) -> Result<Attempt<T>>,
    ) -> Result<T> {
        let acknowledged = self.standing.lock().acknowledged;
        let undisturbed =
            |card: &Slot| blocking && card.pending(acknowledged).is_none() && self.check_connected().is_ok();
        self.link.until_free(self.reader.slot, gone, undisturbed, |turn| {
            self.check_connected()?;
            match attempt(turn)? {
                Attempt::Busy if !blocking => Err(Error::SharingViolation),
                Attempt::Busy => Ok(Attempt::Busy),
                Attempt::Done(value) => Ok(Attempt::Done(value)),
            }
        })
    }

    /// `SCardStatus`: waits for others' transactions.
    ///
    /// # Errors
    /// `ReaderUnavailable` if the reader has left or does not answer, `InvalidValue` if it is back (or another under its
    /// name); `ResetCard`, `RemovedCard`.
    pub fn status(&self) -> Result<CardStatus> {
        let result = self.current_status();
        // pcsc-lite's library looks for the name first, then its server for the handle.
        if matches!(result, Err(Error::ReaderUnavailable)) && self.is_succeeded() {
            return Err(platform::READER_GONE);
        }
        result
    }

    /// Whether the reader has left and one is there under its name.
    fn is_succeeded(&self) -> bool {
        let now = registry::readers();
        now.find(self.reader.name.as_bytes()).is_some() && !now.lists(&self.reader)
    }

    fn current_status(&self) -> Result<CardStatus> {
        self.until_free(Error::ReaderUnavailable, blocks(), |turn| {
            if self.is_shut_out(turn)? {
                return Ok(Attempt::Busy);
            }
            let refreshed = turn.refresh_if_unwatched();
            if self.is_locked_out(turn)? {
                return Ok(Attempt::Busy);
            }
            self.check_events(turn)?;
            refreshed?;
            // pcsc-lite powers a card up as soon as it comes in: a direct connection sees it so, too.
            turn.ensure_answered()?;
            self.check_events(turn)?;
            Ok(Attempt::Done(CardStatus {
                state: platform::state_word(&turn.card),
                protocol: turn.card.protocol.into(),
                name: self.reader.name.clone(),
                atr: turn.card.atr.as_slice().to_vec(),
            }))
        })
    }

    /// `SCardTransmit`: waits for others' transactions. Returns the length of the response, of which as much as fits is
    /// in `response`.
    ///
    /// # Errors
    /// `InvalidValue` (reader gone), `ReaderUnavailable`, `ResetCard`, `RemovedCard`, `NoSmartcard` (none, or pulled
    /// during the exchange), `ProtoMismatch`, `NotTransacted` (anything that went wrong on the way).
    pub fn transmit(&self, protocol: DWORD, command: &[u8], response: &mut [u8]) -> Result<usize> {
        crate::inject::point("card");
        self.until_free(platform::READER_GONE, blocks(), |turn| {
            if self.is_shut_out(turn)? {
                return Ok(Attempt::Busy);
            }
            let refreshed = turn.refresh();
            if self.is_locked_out(turn)? {
                return Ok(Attempt::Busy);
            }
            refreshed?;
            self.check_events(turn)?;
            turn.transmit(protocol, command, response).map(Attempt::Done)
        })
    }

    /// Every name that the reader goes by, for `SCardStatusA` and its like.
    ///
    /// # Errors
    /// `InvalidHandle` once the context was released.
    pub fn names(&self, device: &str) -> Result<Vec<String>> {
        Ok(crate::context::get(self.context)?.names_of(device))
    }

    /// `SCardGetTransmitCount`: commands sent to cards in the slot since the reader was plugged in.
    ///
    /// # Errors
    /// `InvalidValue` (reader gone).
    pub fn transmit_count(&self) -> Result<u32> {
        let turn = self.turn(platform::READER_GONE)?;
        Ok(turn.transmit_count())
    }

    /// `SCardControl`: neither waits nor minds what happened to the card.
    ///
    /// # Errors
    /// `InvalidValue` (reader gone), `SharingViolation` (another's transaction), `ReaderUnavailable`,
    /// `UnsupportedFeature`, `NotTransacted`, `InsufficientBuffer`.
    pub fn control(&self, code: DWORD, input: &[u8], capacity: usize) -> Result<Vec<u8>> {
        let mut turn = self.turn(platform::READER_GONE)?;
        if self.is_shut_out(&mut turn)? {
            return Err(Error::SharingViolation);
        }
        let refreshed = turn.refresh();
        if self.is_locked_out(&mut turn)? {
            return Err(Error::SharingViolation);
        }
        refreshed?;
        control::control(&mut turn, code, input, capacity)
    }

    /// `SCardGetAttrib`: does not wait.
    ///
    /// # Errors
    /// `InvalidValue` (reader gone), `SharingViolation`, `ReaderUnavailable`, `ResetCard`, `RemovedCard`,
    /// `UnsupportedFeature`.
    pub fn get_attrib(&self, id: DWORD) -> Result<Vec<u8>> {
        let turn = self.attrib_turn()?;
        attrib::get(&turn, &self.reader, id)
    }

    /// `SCardSetAttrib`: no attribute can be set.
    ///
    /// # Errors
    /// As [`Self::get_attrib`].
    pub fn set_attrib(&self, id: DWORD, value: &[u8]) -> Result<()> {
        let _turn = self.attrib_turn()?;
        log::debug!("attribute {id:#x} of {} bytes: none can be set", value.len());
        Err(Error::UnsupportedFeature)
    }

    fn attrib_turn(&self) -> Result<Turn<'_>> {
        let mut turn = self.turn(platform::READER_GONE)?;
        if self.is_shut_out(&mut turn)? {
            return Err(Error::SharingViolation);
        }
        let refreshed = turn.refresh_if_unwatched().and_then(|()| turn.ensure_answered());
        if self.is_locked_out(&mut turn)? {
            return Err(Error::SharingViolation);
        }
        refreshed?;
        self.check_events(&turn)?;
        Ok(turn)
    }
}

/// Whether calls wait for others' transactions; `PCSCLITE_NO_BLOCKING` (its presence) says no.
pub(crate) fn blocks() -> bool {
    static NO_BLOCKING: once_cell::sync::Lazy<bool> =
        once_cell::sync::Lazy::new(|| crate::env::var("PCSCLITE_NO_BLOCKING").is_some());
    !*NO_BLOCKING
}
