//! The caller's array of reader states.
#![allow(unsafe_code, reason = "raw pointers of the C caller")]

use std::mem::offset_of;

use super::constants::{MAX_NAME_LEN, SCARD_STATE_IGNORE};
use super::types::{DWORD, ReaderStateOf, States};
use crate::context::ReaderState;
use crate::error::{Error, Result};
use crate::ffi::text::{self, Unit};
use crate::ffi::{self, low_word};

/// The array.
#[derive(Clone, Copy)]
pub(super) struct Entries<U> {
    first: States<U>,
    count: usize,
}

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Entry<U>(States<U>);

impl<U: Unit> Entries<U> {
    /// # Safety
    /// `first` is valid for reading and writing `count` entries, and their names for reading, as long as the result is used.
    pub(super) const unsafe fn new(first: States<U>, count: usize) -> Self {
        Self { first, count }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Entry<U>> {
        (0..self.count).map(move |index| Entry(self.first.wrapping_add(index)))
    }

    /// The questions; no name may be null.
    pub(super) fn states(self) -> Result<Vec<ReaderState>> {
        let mut states = Vec::new();
        states.try_reserve_exact(self.count).map_err(|_| Error::NoMemory)?;
        states.extend(self.iter().map(Entry::state));
        Ok(states)
    }

    /// Stores the answers.
    pub(super) fn write(self, states: &[ReaderState]) {
        for (entry, state) in self.iter().zip(states).filter(|(_, state)| state.touched) {
            entry.write(state);
        }
    }
}

impl<U: Unit> Entry<U> {
    /// Address of the field at `offset`, which is of type `T`.
    const fn field<T>(self, offset: usize) -> *mut T {
        self.0.wrapping_byte_add(offset).cast()
    }

    pub(super) fn name(self) -> *const U {
        let name = self.field::<*const U>(offset_of!(ReaderStateOf<U>, szReader));
        // SAFETY: valid by the contract of `Entries::new`.
        unsafe { name.read_unaligned() }
    }

    /// The low 32 bits of `dwCurrentState`.
    fn current(self) -> u32 {
        let state = self.field::<DWORD>(offset_of!(ReaderStateOf<U>, dwCurrentState));
        // SAFETY: valid by the contract of `Entries::new`.
        let state = unsafe { state.read_unaligned() };
        u32::try_from(low_word(state)).unwrap_or(u32::MAX)
    }

    pub(super) fn is_ignored(self) -> bool {
        DWORD::from(self.current()) & SCARD_STATE_IGNORE != 0
    }

    /// The question. A name that is too long is cut one unit after the maximum, and so is no reader's name.
    fn state(self) -> ReaderState {
        // SAFETY: not null as checked before, valid by the contract of `Entries::new`.
        let name = unsafe { text::bytes_of(self.name(), MAX_NAME_LEN) };
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
        let event = self.field::<DWORD>(offset_of!(ReaderStateOf<U>, dwEventState));
        // SAFETY: valid by the contract of `Entries::new`.
        unsafe { event.write_unaligned(state.event.into()) };
        if ignored {
            return;
        }
        let atr = state.atr.get(..state.atr_len).unwrap_or(&state.atr);
        let length = self.field::<DWORD>(offset_of!(ReaderStateOf<U>, cbAtr));
        // SAFETY: valid by the contract of `Entries::new`.
        unsafe { length.write_unaligned(ffi::length(atr.len())) };
        let target = self.field::<u8>(offset_of!(ReaderStateOf<U>, rgbAtr));
        // SAFETY: as above; the array has at least 33 bytes, `atr` at most, and that is the library's own memory.
        unsafe { target.copy_from_nonoverlapping(atr.as_ptr(), atr.len()) };
    }
}
