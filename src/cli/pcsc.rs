//! The exported functions for this program's own use, as a C program calls them.

#![allow(unsafe_code, reason = "the exported C functions")]

use std::ffi::CString;
use std::ptr::{null, null_mut};

use crate::api::card::{
    SCardBeginTransaction, SCardConnect, SCardDisconnect, SCardEndTransaction, SCardReconnect, SCardStatus,
};
use crate::api::constants as c;
use crate::api::context::{SCardCancel, SCardEstablishContext, SCardReleaseContext};
use crate::api::io::SCardTransmit;
use crate::api::readers::{SCardGetStatusChange, SCardListReaders};
use crate::api::types::{
    DWORD, IoRequestWord, LONG, READERSTATE_ATR_SIZE, SCARD_IO_REQUEST, SCARD_READERSTATE, SCARDCONTEXT, SCARDHANDLE,
};
use crate::error::{Error, Result};
use crate::ffi;

#[allow(clippy::useless_conversion, reason = "DWORD has 32 bits on some targets")]
fn io_word(protocol: DWORD) -> IoRequestWord {
    protocol.into()
}

/// What a function returned.
fn check(code: LONG) -> Result<()> {
    if code == c::SCARD_S_SUCCESS {
        return Ok(());
    }
    let known = Error::ALL.iter().copied().find(|error| error.to_long() == code);
    Err(known.unwrap_or(Error::UnknownError))
}

/// A context.
#[derive(Debug)]
pub(super) struct Context(SCARDCONTEXT);

/// Ends a context's wait from another thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canceller(SCARDCONTEXT);

/// A reader's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) name: String,
    /// The state the caller knows, as it was told last.
    pub(super) known: DWORD,
    /// The state as told last.
    pub(super) event: DWORD,
    pub(super) atr: Vec<u8>,
}

impl State {
    pub(super) fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn has(&self, bit: DWORD) -> bool {
        self.event & bit != 0
    }
}

impl Context {
    pub(super) fn establish() -> Result<Self> {
        let mut context = 0;
        // SAFETY: the pointer is valid; the reserved ones are null.
        check(unsafe { SCardEstablishContext(c::SCARD_SCOPE_SYSTEM, null(), null(), &raw mut context) })?;
        Ok(Self(context))
    }

    /// The readers' names; none is no error here.
    pub(super) fn readers(&self) -> Result<Vec<String>> {
        let mut room: DWORD = 0;
        loop {
            // SAFETY: the length is valid, no buffer is given.
            let code = unsafe { SCardListReaders(self.0, null(), null_mut(), &raw mut room) };
            match check(code) {
                Err(Error::NoReadersAvailable) => return Ok(Vec::new()),
                result => result?,
            }
            let mut names = vec![0_u8; ffi::size(room)];
            // SAFETY: the buffer has as many bytes as stated.
            let code = unsafe { SCardListReaders(self.0, null(), names.as_mut_ptr().cast(), &raw mut room) };
            match check(code) {
                // One was plugged in between.
                Err(Error::InsufficientBuffer) => continue,
                Err(Error::NoReadersAvailable) => return Ok(Vec::new()),
                result => result?,
            }
            let words = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
            return Ok(words.map(|name| String::from_utf8_lossy(name).into_owned()).collect());
        }
    }

    /// Waits up to `milliseconds` for a state to differ from the one known, and fills all in. `false`: nothing changed in time.
    pub(super) fn status_change(&self, milliseconds: DWORD, states: &mut [State]) -> Result<bool> {
        let names: Vec<CString> = states
            .iter()
            .map(|state| CString::new(state.name.as_str()).map_err(|_| Error::UnknownReader))
            .collect::<Result<_>>()?;
        let mut raw: Vec<SCARD_READERSTATE> = states
            .iter()
            .zip(&names)
            .map(|(state, name)| SCARD_READERSTATE {
                szReader: name.as_ptr(),
                pvUserData: null_mut(),
                dwCurrentState: state.known,
                dwEventState: 0,
                cbAtr: 0,
                rgbAtr: [0; READERSTATE_ATR_SIZE],
            })
            .collect();
        let count = ffi::length(raw.len());
        // SAFETY: as many entries as stated; their names live until the end of this function.
        let result = check(unsafe { SCardGetStatusChange(self.0, milliseconds, raw.as_mut_ptr(), count) });
        if !matches!(result, Ok(()) | Err(Error::Timeout | Error::Cancelled)) {
            result?;
        }
        for (state, raw) in states.iter_mut().zip(&raw) {
            state.event = raw.dwEventState;
            state.atr = raw.rgbAtr.get(..ffi::size(raw.cbAtr)).unwrap_or_default().to_vec();
        }
        match result {
            Err(Error::Timeout) => Ok(false),
            result => result.map(|()| true),
        }
    }

    pub(super) fn canceller(&self) -> Canceller {
        Canceller(self.0)
    }

    pub(super) fn connect(&self, name: &str, share: DWORD, protocols: DWORD) -> Result<Card> {
        let name = CString::new(name).map_err(|_| Error::UnknownReader)?;
        let (mut handle, mut protocol) = (0, 0);
        // SAFETY: a string with NUL and two valid pointers.
        let code = unsafe {
            SCardConnect(
                self.0,
                name.as_ptr(),
                share,
                protocols,
                &raw mut handle,
                &raw mut protocol,
            )
        };
        check(code)?;
        Ok(Card {
            handle,
            share,
            protocol,
        })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        SCardReleaseContext(self.0);
    }
}

impl Canceller {
    pub(super) fn cancel(self) {
        SCardCancel(self.0);
    }
}

/// A connection, ended without touching the card.
#[derive(Debug)]
pub(super) struct Card {
    handle: SCARDHANDLE,
    share: DWORD,
    protocol: DWORD,
}

impl Card {
    /// The protocol in use.
    pub(super) fn protocol(&self) -> DWORD {
        self.protocol
    }

    /// The card's ATR.
    pub(super) fn atr(&self) -> Result<Vec<u8>> {
        let mut atr = [0; 33];
        let mut length = ffi::length(atr.len());
        // SAFETY: the ATR's buffer has as many bytes as stated; all other pointers are null.
        let code = unsafe {
            SCardStatus(
                self.handle,
                null_mut(),
                null_mut(),
                null_mut(),
                null_mut(),
                atr.as_mut_ptr(),
                &raw mut length,
            )
        };
        check(code)?;
        Ok(atr.get(..ffi::size(length)).unwrap_or_default().to_vec())
    }

    pub(super) fn transmit(&self, command: &[u8]) -> Result<Vec<u8>> {
        let pci = SCARD_IO_REQUEST {
            dwProtocol: io_word(self.protocol),
            cbPciLength: 16,
        };
        let mut response = vec![0; c::MAX_APDU_LEN];
        let mut length = ffi::length(response.len());
        // SAFETY: both buffers have as many bytes as stated.
        let code = unsafe {
            SCardTransmit(
                self.handle,
                &raw const pci,
                command.as_ptr(),
                ffi::length(command.len()),
                null_mut(),
                response.as_mut_ptr(),
                &raw mut length,
            )
        };
        check(code)?;
        response.truncate(ffi::size(length));
        Ok(response)
    }

    /// Resets the card as `initialization` says.
    pub(super) fn reconnect(&mut self, protocols: DWORD, initialization: DWORD) -> Result<()> {
        // SAFETY: the pointer is valid.
        let code = unsafe {
            SCardReconnect(
                self.handle,
                self.share,
                protocols,
                initialization,
                &raw mut self.protocol,
            )
        };
        check(code)
    }

    pub(super) fn begin(&self) -> Result<()> {
        check(SCardBeginTransaction(self.handle))
    }

    pub(super) fn end(&self) -> Result<()> {
        check(SCardEndTransaction(self.handle, c::SCARD_LEAVE_CARD))
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        SCardDisconnect(self.handle, c::SCARD_LEAVE_CARD);
    }
}

/// The reader that is meant: by number as `winscard list` counts, by name, or by a part of its name that no other has.
pub(super) fn choose(readers: &[String], wish: Option<&str>) -> std::result::Result<String, super::Failure> {
    use super::Failure;
    let list = |failure: Failure| {
        readers.iter().enumerate().fold(failure, |failure, (number, name)| {
            failure.advise(format!("-r {number}  {name}"))
        })
    };
    if readers.is_empty() {
        return Err(Failure::pcsc("no reader", Error::NoReadersAvailable));
    }
    let Some(wish) = wish else {
        return match readers {
            [only] => Ok(only.clone()),
            _ => Err(list(Failure::usage(
                "there are several readers; say which with -r, by number or part of its name",
            ))),
        };
    };
    if let Some(exact) = readers.iter().find(|name| *name == wish) {
        return Ok(exact.clone());
    }
    if let Some(name) = wish.parse().ok().and_then(|number: usize| readers.get(number)) {
        return Ok(name.clone());
    }
    let lower = wish.to_lowercase();
    let found: Vec<&String> = readers
        .iter()
        .filter(|name| name.to_lowercase().contains(&lower))
        .collect();
    match found[..] {
        [one] => Ok(one.clone()),
        [] => Err(list(Failure::new(format!("no reader is called \"{wish}\"")))),
        _ => Err(list(Failure::usage(format!("\"{wish}\" fits several readers")))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_reader_is_chosen_by_number_name_or_part_of_it() {
        let readers = ["Alpha Reader 00 00", "Alpha Reader 01 00", "Beta 02 00"].map(str::to_owned);
        let choose = |wish| choose(&readers, wish);
        assert_eq!(choose(Some("1")).unwrap(), readers[1]);
        assert_eq!(choose(Some("beta")).unwrap(), readers[2]);
        assert_eq!(choose(Some("Alpha Reader 00 00")).unwrap(), readers[0]);
        assert!(
            choose(Some("alpha"))
                .unwrap_err()
                .to_string()
                .contains("-r 1  Alpha Reader 01 00")
        );
        assert!(choose(Some("gamma")).is_err());
        assert_eq!(choose(None).unwrap_err().status(), 2);
        assert!(super::choose(&[], None).unwrap_err().to_string().contains("doctor"));
    }
}
