//! Readers: their names, their groups, and waiting for something to happen to them.
#![allow(unsafe_code, reason = "exported C functions")]

use std::ffi::c_char;
use std::mem::offset_of;
use std::time::Duration;

use super::constants::{DEFAULT_GROUPS, INFINITE, MAX_NAME_LEN, SCARD_STATE_IGNORE};
use super::types::{DWORD, LONG, LPCSTR, LPDWORD, LPSCARD_READERSTATE, LPSTR, SCARD_READERSTATE, SCARDCONTEXT};
use crate::context::{self, ReaderState, Timeout};
use crate::error::{Error, Result};
use crate::ffi::{self, Output, Short, low_word};
use crate::trace::args::{Arg, Told};

/// Lists the readers that are plugged in, as a multi-string.
///
/// # Parameters
/// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
/// - `mszGroups`: ignored.
/// - `mszReaders`: gets the names; null asks for the length only.
/// - `pcchReaders`: in: room in bytes, or `SCARD_AUTOALLOCATE`; out: length with every NUL.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_PARAMETER` | `pcchReaders` is null; or `SCARD_AUTOALLOCATE` with null `mszReaders` |
/// | `SCARD_E_INVALID_HANDLE` | no context of this process |
/// | `SCARD_E_NO_READERS_AVAILABLE` | there is none; `*pcchReaders` is 1, nothing else is written |
/// | `SCARD_E_INSUFFICIENT_BUFFER` | too little room; the length needed is stored, nothing else is written |
/// # Blocking
/// Never.
/// # Differences
/// pcsc-lite waits until each reader has tried to power its card. Windows knows groups.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c `SCardListReaders`; MSDN `SCardListReaders`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SCardListReaders(
    hContext: SCARDCONTEXT,
    _mszGroups: LPCSTR,
    mszReaders: LPSTR,
    pcchReaders: LPDWORD,
) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe { Told::new([Arg::Handle("context", hContext), Arg::NamesOut(mszReaders, pcchReaders)]) }
    };
    ffi::traced("SCardListReaders", told, || {
        if pcchReaders.is_null() {
            return Err(Error::InvalidParameter);
        }
        // SAFETY: this function's contract.
        let output = unsafe { Output::new(mszReaders, pcchReaders) };
        let names = context::get(hContext)?.list_readers();
        let length = match &names {
            Ok(names) => ffi::multi_string_len(names),
            // An empty multi-string, as pcsc-lite counts it.
            Err(Error::NoReadersAvailable) => 1,
            Err(_) => 0,
        };
        // SAFETY: this function's contract.
        unsafe { ffi::store(pcchReaders, ffi::length(length)) };
        output.write(&ffi::multi_string(&names?), Short::Nothing)
    })
}

/// Lists the groups of readers: there is one, `SCard$DefaultReaders`.
///
/// # Parameters
/// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
/// - `mszGroups`: gets the multi-string; null asks for the length only.
/// - `pcchGroups`: in: room in bytes, or `SCARD_AUTOALLOCATE`; out: 22.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_PARAMETER` | `pcchGroups` is null; or `SCARD_AUTOALLOCATE` with null `mszGroups` |
/// | `SCARD_E_INVALID_HANDLE` | no context of this process |
/// | `SCARD_E_INSUFFICIENT_BUFFER` | too little room; 22 is stored, nothing else is written |
/// # Blocking
/// Never.
/// # Differences
/// pcsc-lite crashes on a null `pcchGroups`. Windows knows more groups.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c `SCardListReaderGroups`; MSDN `SCardListReaderGroups`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SCardListReaderGroups(
    hContext: SCARDCONTEXT,
    mszGroups: LPSTR,
    pcchGroups: LPDWORD,
) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe { Told::new([Arg::Handle("context", hContext), Arg::NamesOut(mszGroups, pcchGroups)]) }
    };
    ffi::traced("SCardListReaderGroups", told, || {
        if pcchGroups.is_null() {
            return Err(Error::InvalidParameter);
        }
        // SAFETY: this function's contract.
        let output = unsafe { Output::new(mszGroups, pcchGroups) };
        drop(context::get(hContext)?);
        // SAFETY: this function's contract.
        unsafe { ffi::store(pcchGroups, ffi::length(DEFAULT_GROUPS.len())) };
        output.write(DEFAULT_GROUPS, Short::Nothing)
    })
}

/// Waits until one of the readers is not in the state the caller believes it in.
///
/// # Parameters
/// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
/// - `dwTimeout`: milliseconds; 0 only looks; `INFINITE`, or all bits of a `DWORD`, waits without limit.
/// - `rgReaderStates`, `cReaders`: the readers. `\\?PnP?\Notification` as a name stands for the list of readers itself.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_S_SUCCESS` | a state differs (`SCARD_STATE_CHANGED` is set in it); no readers given; all have `SCARD_STATE_IGNORE` |
/// | `SCARD_E_INVALID_PARAMETER` | `rgReaderStates` is null with `cReaders` above 0 |
/// | `SCARD_E_INVALID_VALUE` | a name is null |
/// | `SCARD_E_INVALID_HANDLE` | no context of this process |
/// | `SCARD_E_UNKNOWN_READER` | a name is no reader's, not even one with `SCARD_STATE_IGNORE` |
/// | `SCARD_E_TIMEOUT` | nothing changed in time; `dwEventState` and ATR are filled in all the same |
/// | `SCARD_E_CANCELLED` | [`SCardCancel`](super::context::SCardCancel) |
/// # Blocking
/// For `dwTimeout`; the only call that `SCardCancel` ends.
/// # Differences
/// None in what is compared. Changes of sharing are seen at once; pcsc-lite may take minutes.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`], the names included.
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c `SCardGetStatusChange`; MSDN `SCardGetStatusChange`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SCardGetStatusChange(
    hContext: SCARDCONTEXT,
    dwTimeout: DWORD,
    rgReaderStates: LPSCARD_READERSTATE,
    cReaders: DWORD,
) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe {
            Told::new([
                Arg::Handle("context", hContext),
                Arg::Timeout(dwTimeout),
                Arg::States(rgReaderStates, cReaders),
            ])
        }
    };
    ffi::traced("SCardGetStatusChange", told, || {
        if rgReaderStates.is_null() && cReaders > 0 {
            return Err(Error::InvalidParameter);
        }
        // SAFETY: not null unless there are no entries; valid by this function's contract.
        let entries = unsafe { Entries::new(rgReaderStates, ffi::size(cReaders)) };
        if entries.iter().any(|entry| entry.name().is_null()) {
            return Err(Error::InvalidValue);
        }
        // True of no readers as well; the context is not even looked at.
        if entries.iter().all(|entry| entry.is_ignored()) {
            return Ok(());
        }
        let context = context::get(hContext)?;
        let mut states = entries.states()?;
        let result = context.status_change(timeout(dwTimeout), &mut states);
        for (entry, state) in entries.iter().zip(&states).filter(|(_, state)| state.touched) {
            entry.write(state);
        }
        result
    })
}

fn timeout(milliseconds: DWORD) -> Timeout {
    if milliseconds == INFINITE || milliseconds == DWORD::MAX {
        return Timeout::Infinite;
    }
    #[allow(clippy::useless_conversion, reason = "DWORD has 32 bits on some targets")]
    Timeout::After(Duration::from_millis(milliseconds.into()))
}

/// The caller's array of reader states.
#[derive(Clone, Copy)]
struct Entries {
    first: *mut SCARD_READERSTATE,
    count: usize,
}

/// One of them.
#[derive(Clone, Copy)]
struct Entry(*mut SCARD_READERSTATE);

impl Entries {
    /// # Safety
    /// `first` is valid for reading and writing `count` entries, and their names for reading, as long as the result is used.
    const unsafe fn new(first: *mut SCARD_READERSTATE, count: usize) -> Self {
        Self { first, count }
    }

    fn iter(self) -> impl Iterator<Item = Entry> {
        (0..self.count).map(move |index| Entry(self.first.wrapping_add(index)))
    }

    fn states(self) -> Result<Vec<ReaderState>> {
        let mut states = Vec::new();
        states.try_reserve_exact(self.count).map_err(|_| Error::NoMemory)?;
        states.extend(self.iter().map(Entry::state));
        Ok(states)
    }
}

impl Entry {
    /// Address of the field at `offset`, which is of type `T`.
    const fn field<T>(self, offset: usize) -> *mut T {
        self.0.wrapping_byte_add(offset).cast()
    }

    fn name(self) -> *const c_char {
        let name = self.field::<LPCSTR>(offset_of!(SCARD_READERSTATE, szReader));
        // SAFETY: valid by the contract of `Entries::new`.
        unsafe { name.read_unaligned() }
    }

    /// The low 32 bits of `dwCurrentState`.
    fn current(self) -> u32 {
        let state = self.field::<DWORD>(offset_of!(SCARD_READERSTATE, dwCurrentState));
        // SAFETY: valid by the contract of `Entries::new`.
        let state = unsafe { state.read_unaligned() };
        u32::try_from(low_word(state)).unwrap_or(u32::MAX)
    }

    fn is_ignored(self) -> bool {
        DWORD::from(self.current()) & SCARD_STATE_IGNORE != 0
    }

    /// The question. A name that is too long is cut one byte after the maximum, and so is no reader's name.
    fn state(self) -> ReaderState {
        // SAFETY: not null as checked before, valid by the contract of `Entries::new`.
        let name = unsafe { ffi::string_in(self.name(), MAX_NAME_LEN) };
        ReaderState {
            name,
            current: self.current(),
            event: 0,
            atr: [0; 33],
            atr_len: 0,
            touched: false,
        }
    }

    /// Stores the event state; and the ATR, unless the entry is to be ignored: then what stands there stays.
    fn write(self, state: &ReaderState) {
        let ignored = self.is_ignored();
        let event = self.field::<DWORD>(offset_of!(SCARD_READERSTATE, dwEventState));
        // SAFETY: valid by the contract of `Entries::new`.
        unsafe { event.write_unaligned(state.event.into()) };
        if ignored {
            return;
        }
        let atr = state.atr.get(..state.atr_len).unwrap_or(&state.atr);
        let length = self.field::<DWORD>(offset_of!(SCARD_READERSTATE, cbAtr));
        // SAFETY: valid by the contract of `Entries::new`.
        unsafe { length.write_unaligned(ffi::length(atr.len())) };
        let target = self.field::<u8>(offset_of!(SCARD_READERSTATE, rgbAtr));
        // SAFETY: as above; the array has at least 33 bytes, `atr` at most, and that is the library's own memory.
        unsafe { target.copy_from_nonoverlapping(atr.as_ptr(), atr.len()) };
    }
}
