//! The arguments of the exported functions in words.

#![allow(unsafe_code, reason = "the C caller's memory is read")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "most kinds of arguments concern one place only"
)]

use std::ffi::{c_char, c_void};
use std::mem::offset_of;

use super::json::Object;
use super::mask::{self, Secret};
use super::words::control_words;
pub use super::words::{
    attribute_words, card_state_words, disposition_words, protocol_words, scope_words, share_words, state_words,
};
use crate::api::constants::{self as c, MAX_APDU_LEN, MAX_NAME_LEN};
use crate::api::types::{BYTE, DWORD, IoRequestWord, LPCSTR, SCARD_IO_REQUEST, SCARD_READERSTATE, SCARDHANDLE};
use crate::error::Error;
use crate::ffi::{self, low_word, size};

/// Reader states told of one call.
const MAX_STATES: usize = 64;
/// Bytes told of a list of names.
const MAX_NAMES_LEN: usize = 16 * 1024;

/// How a number is put in words.
pub type Words = fn(DWORD) -> String;

/// One argument, or a buffer and its length.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// A context or connection.
    Handle(&'static str, SCARDHANDLE),
    /// Where a new one is stored.
    HandleOut(&'static str, *const SCARDHANDLE),
    /// A number.
    Number(&'static str, DWORD),
    /// A number that stands for something.
    Word(&'static str, DWORD, Words),
    /// Where such a number is stored.
    WordOut(&'static str, *const DWORD, Words),
    /// A string.
    Text(&'static str, *const c_char),
    /// A buffer for a string or a multi-string, and where its length is.
    NamesOut(*const c_char, *const DWORD),
    /// A buffer for bytes, and where its length is.
    BytesOut(&'static str, *const BYTE, *const DWORD),
    /// A command APDU, which may hold a PIN.
    Command(*const BYTE, DWORD),
    /// Bytes.
    Bytes(&'static str, *const BYTE, DWORD),
    /// A control code and its input, which may hold a PIN.
    Control(DWORD, *const c_void, DWORD),
    /// The output of a control code with its room, and where its length is stored.
    ControlOut(*const c_void, DWORD, *const DWORD),
    /// The header of an exchange.
    Pci(*const SCARD_IO_REQUEST),
    /// Reader states.
    States(*const SCARD_READERSTATE, DWORD),
    /// Milliseconds.
    Timeout(DWORD),
}

/// The arguments of one call, vouched for.
#[derive(Clone, Copy, Debug)]
pub struct Told<const N: usize> {
    args: [Arg; N],
    /// The room that each buffer had before the call.
    rooms: [DWORD; N],
}

impl Told<0> {
    /// Of a function whose arguments are not told.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { args: [], rooms: [] }
    }
}

impl<const N: usize> Told<N> {
    /// Takes the arguments as the caller gave them.
    ///
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`] until the last use of the result.
    #[must_use]
    pub unsafe fn new(args: [Arg; N]) -> Self {
        let rooms = args.map(|arg| match arg {
            Arg::NamesOut(_, length) | Arg::BytesOut(_, _, length) => load(length).unwrap_or(0),
            Arg::ControlOut(buffer, room, _) if !buffer.is_null() => room,
            _ => 0,
        });
        Self { args, rooms }
    }

    /// What is to be hidden of the messages that follow from this call.
    pub(super) fn secret(&self) -> Secret {
        self.args
            .iter()
            .map(|arg| secret_of(*arg))
            .find(|secret| *secret != Secret::Nothing)
            .unwrap_or(Secret::Nothing)
    }

    /// What is known before the call.
    pub(super) fn before(&self, object: &mut Object, pins: bool) {
        for (arg, room) in self.args.iter().zip(self.rooms) {
            before(*arg, room, object, pins);
        }
    }

    /// What the call has stored.
    pub(super) fn after(&self, object: &mut Object, error: Option<Error>) {
        for (arg, room) in self.args.iter().zip(self.rooms) {
            after(*arg, room, object, error);
        }
    }
}

/// What a pointer of the caller points at.
fn load<T: Copy>(source: *const T) -> Option<T> {
    // SAFETY: null or valid by the contract of `Told::new`.
    unsafe { ffi::load(source) }
}

/// A copy of the caller's bytes, none if they cannot be had.
fn bytes(data: *const BYTE, len: DWORD) -> Vec<u8> {
    // SAFETY: null or valid for `len` bytes by the contract of `Told::new`.
    unsafe { ffi::bytes_in(data, len, MAX_APDU_LEN) }.unwrap_or_default()
}

fn text(text: *const c_char) -> Option<Vec<u8>> {
    // SAFETY: not null; a string by the contract of `Told::new`.
    (!text.is_null()).then(|| unsafe { ffi::string_in(text, MAX_NAME_LEN) })
}

fn secret_of(arg: Arg) -> Secret {
    match arg {
        Arg::Command(data, len) => {
            let command = bytes(data, len);
            match (mask::hidden_from(&command), command.first_chunk::<4>()) {
                (Some(_), Some(header)) => Secret::Command(*header),
                _ => Secret::Nothing,
            }
        }
        Arg::Control(code, data, len) => mask::control_hidden_from(code_of(code), &bytes(data.cast(), len))
            .map_or(Secret::Nothing, |_| Secret::Everything),
        _ => Secret::Nothing,
    }
}

fn code_of(code: DWORD) -> u32 {
    u32::try_from(low_word(code)).unwrap_or(0)
}

#[allow(clippy::useless_conversion, reason = "DWORD has 32 bits on some targets")]
fn wide(number: DWORD) -> u64 {
    number.into()
}

fn handle(handle: SCARDHANDLE) -> String {
    format!("{handle:#x}")
}

fn before(arg: Arg, room: DWORD, object: &mut Object, pins: bool) {
    match arg {
        Arg::Handle(name, value) => object.text(name, &handle(value)),
        Arg::Number(name, value) => object.number(name, wide(value)),
        Arg::Word(name, value, words) => object.text(name, &words(low_word(value))),
        Arg::Text(name, pointer) => match text(pointer) {
            Some(text) => object.bytes_as_text(name, &text),
            None => object.text(name, "NULL"),
        },
        Arg::NamesOut(buffer, length) => tell_room(object, buffer.is_null(), length.is_null(), room),
        Arg::BytesOut(_, buffer, length) => tell_room(object, buffer.is_null(), length.is_null(), room),
        Arg::Command(data, len) => {
            let command = bytes(data, len);
            object.hex("command", &command, mask::hidden_from(&command).filter(|_| !pins));
        }
        Arg::Bytes(name, data, len) => object.hex(name, &bytes(data, len), None),
        Arg::Control(code, data, len) => {
            object.text("code", &control_words(low_word(code)));
            let input = bytes(data.cast(), len);
            object.hex(
                "input",
                &input,
                mask::control_hidden_from(code_of(code), &input).filter(|_| !pins),
            );
        }
        Arg::Pci(pointer) => match load(pointer.cast::<IoRequestWord>()) {
            Some(protocol) => object.text("protocol", &protocol_words(low_word(protocol))),
            None => object.text("protocol", "NULL"),
        },
        Arg::States(first, count) => object.list("readers", |list| {
            for state in states(first, count) {
                list.object("", |object| {
                    object.bytes_as_text("name", &state.name);
                    object.text("current", &state_words(low_word(state.current)));
                });
            }
        }),
        Arg::Timeout(value) if value == c::INFINITE || value == DWORD::MAX => object.text("timeout", "INFINITE"),
        Arg::Timeout(value) => object.number("timeout_ms", wide(value)),
        Arg::HandleOut(..) | Arg::WordOut(..) | Arg::ControlOut(..) => {}
    }
}

fn tell_room(object: &mut Object, no_buffer: bool, no_length: bool, room: DWORD) {
    if no_length {
        object.text("room", "NULL");
    } else if room == c::SCARD_AUTOALLOCATE {
        object.text("room", "AUTOALLOCATE");
    } else if !no_buffer {
        object.number("room", wide(room));
    }
}

/// What a buffer holds after a successful call, `None` if there is nothing to be seen in it.
fn filled(buffer: *const BYTE, length: *const DWORD, room: DWORD) -> Option<Vec<u8>> {
    let length = load(length)?;
    let buffer = if room == c::SCARD_AUTOALLOCATE {
        load(buffer.cast::<*const BYTE>())?
    } else {
        buffer
    };
    (!buffer.is_null() && length <= room).then(|| bytes(buffer, length))
}

fn after(arg: Arg, room: DWORD, object: &mut Object, error: Option<Error>) {
    match arg {
        Arg::States(first, count) if matches!(error, None | Some(Error::Timeout | Error::Cancelled)) => {
            object.list("readers", |list| {
                for state in states(first, count) {
                    list.object("", |object| {
                        object.bytes_as_text("name", &state.name);
                        object.text("event", &state_words(low_word(state.event)));
                        if !state.atr.is_empty() {
                            object.hex("atr", &state.atr, None);
                        }
                    });
                }
            });
        }
        Arg::NamesOut(_, length) | Arg::BytesOut(_, _, length) | Arg::ControlOut(_, _, length)
            if error == Some(Error::InsufficientBuffer) =>
        {
            if let Some(length) = load(length) {
                object.number("needed", wide(length));
            }
        }
        _ if error.is_some() => {}
        Arg::HandleOut(name, pointer) => {
            if let Some(value) = load(pointer) {
                object.text(name, &handle(value));
            }
        }
        Arg::WordOut(name, pointer, words) => {
            if let Some(value) = load(pointer) {
                object.text(name, &words(low_word(value)));
            }
        }
        Arg::NamesOut(buffer, length) => names_after(buffer, length, room, object),
        Arg::BytesOut(name, buffer, length) => match filled(buffer, length, room) {
            Some(data) => object.hex(name, &data, None),
            None => tell_length(length, object),
        },
        Arg::ControlOut(buffer, _, length) => {
            // Where the caller does not ask for the length, it cannot be known.
            if let Some(data) = filled(buffer.cast(), length, room) {
                object.hex("output", &data, None);
            }
        }
        _ => {}
    }
}

fn tell_length(length: *const DWORD, object: &mut Object) {
    if let Some(length) = load(length) {
        object.number("length", wide(length));
    }
}

fn names_after(buffer: *const c_char, length: *const DWORD, room: DWORD, object: &mut Object) {
    match filled(buffer.cast(), length, room) {
        Some(data) => object.list("names", |list| {
            let data = data.get(..MAX_NAMES_LEN).unwrap_or(&data);
            for name in data.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
                list.bytes_as_text("", name);
            }
        }),
        None => tell_length(length, object),
    }
}

struct State {
    name: Vec<u8>,
    current: DWORD,
    event: DWORD,
    atr: Vec<u8>,
}

fn states(first: *const SCARD_READERSTATE, count: DWORD) -> Vec<State> {
    if first.is_null() {
        return Vec::new();
    }
    let state = |index: usize| {
        let entry = first.wrapping_add(index);
        let word = |offset: usize| load(entry.wrapping_byte_add(offset).cast::<DWORD>()).unwrap_or(0);
        let name = load(
            entry
                .wrapping_byte_add(offset_of!(SCARD_READERSTATE, szReader))
                .cast::<LPCSTR>(),
        )?;
        let atr: *const BYTE = entry.wrapping_byte_add(offset_of!(SCARD_READERSTATE, rgbAtr)).cast();
        let len = word(offset_of!(SCARD_READERSTATE, cbAtr)).min(33);
        Some(State {
            name: text(name).unwrap_or_default(),
            current: word(offset_of!(SCARD_READERSTATE, dwCurrentState)),
            event: word(offset_of!(SCARD_READERSTATE, dwEventState)),
            atr: bytes(atr, len),
        })
    };
    (0..size(count).min(MAX_STATES)).filter_map(state).collect()
}
