//! The boundary to C: nothing unwinds through it, and pointers become checked values and back.
//!
//! Functions here take raw pointers under the contract of [`crate::api`]: null, or valid for what the C prototype says. Memory of
//! the caller is only ever read and written through raw pointers, because it may be uninitialised, unaligned or shared with
//! another argument.

#![allow(unsafe_code, reason = "raw pointers of the C caller")]

#[cfg(panic = "abort")]
compile_error!(
    "winscard must unwind: a panic is turned into SCARD_F_INTERNAL_ERROR instead of ending the host program"
);

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::ptr;
use std::sync::Once;
use std::time::Instant;

use crate::api::constants::{SCARD_AUTOALLOCATE, SCARD_S_SUCCESS};
use crate::api::types::{DWORD, LONG, SCARDHANDLE};
use crate::error::{Error, Result};
use crate::iso7816::atr;
use crate::trace::{self, args::Told};

thread_local! {
    /// How many entries of this library the thread is in; tells our panics from the host's.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs the body of an exported function: a panic becomes `SCARD_F_INTERNAL_ERROR`, the result is logged and made a `LONG`.
/// A trace tells of the call without its arguments.
pub fn entry(name: &'static str, body: impl FnOnce() -> Result<()>) -> LONG {
    traced(name, Told::nothing, body)
}

/// As [`entry`]; a trace tells the arguments as well, which `told` gives.
pub fn traced<const N: usize>(
    name: &'static str,
    told: impl FnOnce() -> Told<N>,
    body: impl FnOnce() -> Result<()>,
) -> LONG {
    let result = if trace::is_on() {
        trace::call(name, told(), || run(name, body))
    } else {
        run(name, body)
    };
    result.map_or_else(Error::to_long, |()| SCARD_S_SUCCESS)
}

fn run(name: &'static str, body: impl FnOnce() -> Result<()>) -> Result<()> {
    let started = log::log_enabled!(log::Level::Debug).then(Instant::now);
    let depth = Depth::enter();
    let result = panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        log::error!("{name}: a panic was caught; this is a bug in winscard");
        Err(Error::InternalError)
    });
    drop(depth);
    if let Some(started) = started {
        let time = started.elapsed();
        match result {
            Ok(()) => log::debug!("{name}: ok in {time:?}"),
            Err(error) => log::debug!("{name}: {error} in {time:?}"),
        }
    }
    result
}

/// Keeps [`DEPTH`] while a call is inside, also when it unwinds.
struct Depth;

impl Depth {
    fn enter() -> Self {
        DEPTH.with(|depth| depth.set(depth.get() + 1));
        Self
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}

/// Sends the message of a panic inside this library to the log. The default hook prints to stderr, which is the host's.
///
/// In a program that has this crate as a Rust library the hook is shared: panics outside go to the hook there was before.
pub fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if DEPTH.with(Cell::get) == 0 {
                previous(info);
            } else {
                log::error!("{info}");
            }
        }));
    });
}

/// The low 32 bits: all that pcsc-lite passes on of a number, so that callers' garbage above them never mattered.
#[must_use]
pub const fn low_word(number: DWORD) -> DWORD {
    number & 0xFFFF_FFFF
}

/// A length of the caller as a size.
#[must_use]
pub fn size(length: DWORD) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// A size as a length for the caller.
#[must_use]
pub fn length(size: usize) -> DWORD {
    DWORD::try_from(size).unwrap_or(DWORD::MAX)
}

/// The value behind a context or card handle of the caller.
///
/// # Errors
/// [`Error::InvalidHandle`] for a number that cannot be one.
pub fn value(handle: SCARDHANDLE) -> Result<u32> {
    u32::try_from(handle).map_err(|_| Error::InvalidHandle)
}

/// A value of a handle table as the caller gets it.
#[must_use]
#[allow(clippy::cast_possible_wrap, reason = "values of handle tables have 31 bits")]
pub const fn handle(value: u32) -> SCARDHANDLE {
    value as SCARDHANDLE
}

/// Stores `value` where `target` points, if it points anywhere.
///
/// # Safety
/// `target` is null or valid for writing a `T`.
pub unsafe fn store<T>(target: *mut T, value: T) {
    if !target.is_null() {
        // SAFETY: not null, and valid for a write by the contract of this function.
        unsafe { target.write_unaligned(value) };
    }
}

/// The value `source` points at; `None` if it is null.
///
/// # Safety
/// `source` is null or valid for reading an initialised `T`.
pub unsafe fn load<T: Copy>(source: *const T) -> Option<T> {
    if source.is_null() {
        return None;
    }
    // SAFETY: not null, and valid for a read by the contract of this function.
    Some(unsafe { source.read_unaligned() })
}

/// Appends a copy of the caller's bytes to `target`: later writes to any buffer of the caller cannot change it.
///
/// # Errors
/// [`Error::InvalidParameter`] for a null pointer with a length, [`Error::InsufficientBuffer`] above `max`,
/// [`Error::NoMemory`] if there is none.
///
/// # Safety
/// `data` is null or valid for reading `len` bytes.
pub unsafe fn append_bytes(target: &mut Vec<u8>, data: *const u8, len: DWORD, max: usize) -> Result<()> {
    let len = size(len);
    if len > max {
        return Err(Error::InsufficientBuffer);
    }
    if len == 0 {
        return Ok(());
    }
    if data.is_null() {
        return Err(Error::InvalidParameter);
    }
    target.try_reserve(len).map_err(|_| Error::NoMemory)?;
    let start = target.len();
    // SAFETY: `start` is within the allocation, which has room for `len` more bytes.
    let end = unsafe { target.as_mut_ptr().add(start) };
    // SAFETY: `data` is valid for `len` bytes by contract; `end` is ours, so the two do not overlap.
    unsafe { ptr::copy_nonoverlapping(data, end, len) };
    // SAFETY: the `len` bytes behind `start` have just been written.
    unsafe { target.set_len(start + len) };
    Ok(())
}

/// A copy of the caller's bytes; see [`append_bytes`].
///
/// # Errors
/// As [`append_bytes`].
///
/// # Safety
/// `data` is null or valid for reading `len` bytes.
pub unsafe fn bytes_in(data: *const u8, len: DWORD, max: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // SAFETY: passed on unchanged.
    unsafe { append_bytes(&mut bytes, data, len, max) }?;
    Ok(bytes)
}

/// A copy of the caller's ATR, whose length it tells itself: no byte behind it is read.
///
/// # Errors
/// [`Error::InvalidAtr`].
///
/// # Safety
/// `atr` is valid for reading as many bytes as it says that it has.
pub unsafe fn atr_in(atr: *const u8) -> Result<Vec<u8>> {
    // SAFETY: the byte is part of the ATR as told by those before it.
    let byte = |index| unsafe { atr.wrapping_add(index).read() };
    atr::read(byte).ok_or(Error::InvalidAtr)
}

/// A copy of the caller's string without its NUL. At most `max + 1` bytes are read: a result longer than `max` is a string that
/// is too long, cut off.
///
/// # Safety
/// `text` is valid for reading up to and including its NUL, or `max + 1` bytes.
pub unsafe fn string_in(text: *const c_char, max: usize) -> Vec<u8> {
    // SAFETY: strnlen stops at the NUL or after max + 1 bytes, and both are readable by contract.
    let len = unsafe { libc::strnlen(text, max + 1) };
    let mut bytes = vec![0; len];
    // SAFETY: strnlen has just read these `len` bytes; the target is a new allocation of that size.
    unsafe { ptr::copy_nonoverlapping(text.cast(), bytes.as_mut_ptr(), len) };
    bytes
}

/// The length of [`multi_string`].
#[must_use]
pub fn multi_string_len(names: &[String]) -> usize {
    names.iter().map(|name| name.len() + 1).sum::<usize>() + 1
}

/// The names one after the other, each with a NUL, and one more NUL.
#[must_use]
pub fn multi_string(names: &[String]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(multi_string_len(names));
    for name in names {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
    }
    bytes.push(0);
    bytes
}

/// How a function treats a buffer that is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// Nothing is written.
    Nothing,
    /// As much as fits is written.
    Part,
}

/// A buffer of the caller with its length, as the caller set it.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    buffer: *mut u8,
    room: Room,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// `SCARD_AUTOALLOCATE`.
    Allocate,
    Bytes(usize),
}

impl Output {
    /// The buffer at `buffer` with the room that `length` states; a null `length` stands for no room.
    ///
    /// # Safety
    /// `length` is null or valid for reading. `buffer` is null; or valid for writing as many bytes as stated; or, if the length is
    /// `SCARD_AUTOALLOCATE`, for writing a pointer. It stays so until the last use of the result.
    pub unsafe fn new<T>(buffer: *mut T, length: *const DWORD) -> Self {
        // SAFETY: by contract.
        let stated = unsafe { load(length) }.unwrap_or(0);
        let room = if stated == SCARD_AUTOALLOCATE {
            Room::Allocate
        } else {
            Room::Bytes(size(stated))
        };
        Self {
            buffer: buffer.cast(),
            room,
        }
    }

    /// As [`Self::new`], with the length counted in objects of type `T`: characters, identifiers.
    ///
    /// # Safety
    /// As [`Self::new`].
    pub unsafe fn of<T>(buffer: *mut T, length: *const DWORD) -> Self {
        // SAFETY: by contract.
        let mut output = unsafe { Self::new(buffer, length) };
        if let Room::Bytes(room) = output.room {
            output.room = Room::Bytes(room.saturating_mul(size_of::<T>()));
        }
        output
    }

    /// The buffer at `buffer` with `room` bytes, whatever number that is.
    ///
    /// # Safety
    /// `buffer` is null or valid for writing `room` bytes until the last use of the result.
    pub const unsafe fn with_room<T>(buffer: *mut T, room: usize) -> Self {
        Self {
            buffer: buffer.cast(),
            room: Room::Bytes(room),
        }
    }

    /// Whether the caller gave no buffer, and so only asks for the length.
    #[must_use]
    pub const fn is_query(&self) -> bool {
        self.buffer.is_null() && matches!(self.room, Room::Bytes(_))
    }

    /// Bytes of room, `None` with `SCARD_AUTOALLOCATE`.
    #[must_use]
    pub const fn room(&self) -> Option<usize> {
        match self.room {
            Room::Allocate => None,
            Room::Bytes(room) => Some(room),
        }
    }

    /// Whether memory is asked for without a place to store its address.
    #[must_use]
    pub const fn is_allocation_without_target(&self) -> bool {
        self.buffer.is_null() && matches!(self.room, Room::Allocate)
    }

    /// Writes `data` to the buffer, or to memory from `malloc`, whose address the buffer gets. The length is the caller's business.
    ///
    /// # Errors
    /// [`Error::InsufficientBuffer`], [`Error::InvalidParameter`] (nowhere to store the address), [`Error::NoMemory`].
    pub fn write(&self, data: &[u8], short: Short) -> Result<()> {
        match self.room {
            Room::Allocate if self.buffer.is_null() => Err(Error::InvalidParameter),
            Room::Allocate => {
                let memory = allocate(data)?;
                // SAFETY: not null, and valid for writing a pointer by the contract of `new`.
                unsafe { store(self.buffer.cast(), memory) };
                Ok(())
            }
            Room::Bytes(_) if self.buffer.is_null() => Ok(()),
            Room::Bytes(room) => {
                let fits = data.len() <= room;
                if fits || short == Short::Part {
                    let count = data.len().min(room);
                    // SAFETY: `buffer` is valid for `room` bytes by the contract of `new`; `data` is the library's own memory.
                    unsafe { ptr::copy_nonoverlapping(data.as_ptr(), self.buffer, count) };
                }
                if fits { Ok(()) } else { Err(Error::InsufficientBuffer) }
            }
        }
    }
}

/// A copy of `data` in memory that both `SCardFreeMemory` and `free` release.
fn allocate(data: &[u8]) -> Result<*mut c_void> {
    // SAFETY: malloc has no precondition; at least one byte, so that success is never null.
    let memory = unsafe { libc::malloc(data.len().max(1)) };
    if memory.is_null() {
        return Err(Error::NoMemory);
    }
    // SAFETY: malloc gave at least data.len() bytes, which nobody else knows of.
    unsafe { ptr::copy_nonoverlapping(data.as_ptr(), memory.cast(), data.len()) };
    Ok(memory)
}

/// Releases memory that [`Output::write`] allocated.
///
/// # Safety
/// `memory` is null or came from `malloc` and is not used any more.
pub unsafe fn release(memory: *const c_void) {
    // SAFETY: by contract.
    unsafe { libc::free(memory.cast_mut()) };
}

#[cfg(test)]
mod tests;

pub mod text;
