//! The C functions under test as safe calls, with contexts, connections and reader states.

#![allow(unsafe_code, reason = "calls of the C functions")]

use std::ffi::{CStr, CString, c_char};

use winscard::api::card::{
    SCardBeginTransaction, SCardConnect, SCardDisconnect, SCardEndTransaction, SCardReconnect, SCardStatus,
};
use winscard::api::constants::SCARD_S_SUCCESS;
use winscard::api::context::{
    SCardCancel, SCardEstablishContext, SCardFreeMemory, SCardIsValidContext, SCardReleaseContext,
};
use winscard::api::io::{SCardControl, SCardGetAttrib, SCardSetAttrib, SCardTransmit};
use winscard::api::pci::g_rgSCardT0Pci;
use winscard::api::readers::{SCardGetStatusChange, SCardListReaderGroups, SCardListReaders};
use winscard::api::types::{DWORD, LONG, SCARD_READERSTATE, SCARDCONTEXT, SCARDHANDLE};
use winscard::error::Error;

/// `INFINITE`.
pub(crate) const INFINITE: DWORD = 0xFFFF_FFFF;
/// The pseudo reader.
pub(crate) const PNP: &str = r"\\?PnP?\Notification";

/// Success, or the code of the failure.
pub(crate) type Code = Result<(), Error>;

/// What a C function returned.
pub(crate) fn code(result: LONG) -> Code {
    if result == SCARD_S_SUCCESS {
        return Ok(());
    }
    let known = Error::ALL.iter().find(|error| error.to_long() == result);
    Err(*known.unwrap_or_else(|| panic!("{result:#x} is no documented code")))
}

/// A context, released when dropped.
#[derive(Debug)]
pub(crate) struct Context(pub(crate) SCARDCONTEXT);

impl Context {
    pub(crate) fn new() -> Self {
        let mut value = 0;
        // SAFETY: the pointer is to a variable of ours.
        let result = unsafe { SCardEstablishContext(2, std::ptr::null(), std::ptr::null(), &raw mut value) };
        assert_eq!(code(result), Ok(()));
        Self(value)
    }

    /// The value of a context that was released.
    pub(crate) fn stale() -> SCARDCONTEXT {
        let context = Self::new();
        context.0
    }

    pub(crate) fn is_valid(&self) -> bool {
        SCardIsValidContext(self.0) == SCARD_S_SUCCESS
    }

    /// The names of all readers.
    pub(crate) fn readers(&self) -> Vec<String> {
        let mut len = 0;
        match list_readers(self.0, None, Some(&mut len)) {
            Err(Error::NoReadersAvailable) => return Vec::new(),
            other => assert_eq!(other, Ok(())),
        }
        // Others may plug in readers meanwhile.
        let mut text = vec![0; usize::try_from(len).unwrap() + 4096];
        let mut len = DWORD::try_from(text.len()).unwrap();
        assert_eq!(list_readers(self.0, Some(&mut text), Some(&mut len)), Ok(()));
        let text = &text[..usize::try_from(len).unwrap() - 1];
        String::from_utf8(text.to_vec())
            .unwrap()
            .split_terminator('\0')
            .map(ToOwned::to_owned)
            .collect()
    }

    /// `SCardConnect` with T=0 or T=1.
    pub(crate) fn connect(&self, name: &str, share: DWORD) -> Result<Handle, Error> {
        let name = CString::new(name).unwrap();
        let (mut card, mut protocol) = (0, 0);
        // SAFETY: the name is NUL-terminated, the other pointers are to variables of ours.
        let result = unsafe { SCardConnect(self.0, name.as_ptr(), share, 3, &raw mut card, &raw mut protocol) };
        code(result).map(|()| Handle(card))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let _released_by_the_test: LONG = SCardReleaseContext(self.0);
    }
}

/// `SCardReleaseContext`.
pub(crate) fn release(context: SCARDCONTEXT) -> Code {
    code(SCardReleaseContext(context))
}

/// `SCardCancel`.
pub(crate) fn cancel(context: SCARDCONTEXT) -> Code {
    code(SCardCancel(context))
}

/// Share modes.
pub(crate) const EXCLUSIVE: DWORD = 1;
pub(crate) const SHARED: DWORD = 2;
pub(crate) const DIRECT: DWORD = 3;
/// Dispositions and initializations.
pub(crate) const LEAVE: DWORD = 0;
pub(crate) const RESET: DWORD = 1;
pub(crate) const UNPOWER: DWORD = 2;

/// A connection; nothing happens to it when dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handle(pub(crate) SCARDHANDLE);

/// What `SCardStatus` gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) name: String,
    pub(crate) state: DWORD,
    pub(crate) protocol: DWORD,
    pub(crate) atr: Vec<u8>,
}

impl Handle {
    pub(crate) fn disconnect(self, disposition: DWORD) -> Code {
        code(SCardDisconnect(self.0, disposition))
    }

    pub(crate) fn reconnect(self, share: DWORD, initialization: DWORD) -> Code {
        let mut protocol = 0;
        // SAFETY: the pointer is to a variable of ours.
        code(unsafe { SCardReconnect(self.0, share, 3, initialization, &raw mut protocol) })
    }

    pub(crate) fn begin(self) -> Code {
        code(SCardBeginTransaction(self.0))
    }

    pub(crate) fn end(self, disposition: DWORD) -> Code {
        code(SCardEndTransaction(self.0, disposition))
    }

    /// `SCardControl` for the list of features.
    pub(crate) fn control(self) -> Code {
        let (mut answer, mut len) = ([0_u8; 100], 0);
        let none = std::ptr::null();
        let room = answer.as_mut_ptr().cast();
        // SAFETY: a buffer of that size, a pointer to a variable of ours, nothing to send.
        code(unsafe { SCardControl(self.0, 0x4200_0D48, none, 0, room, 100, &raw mut len) })
    }

    /// `SCardGetAttrib` for SCARD_ATTR_ATR_STRING.
    pub(crate) fn get_atr_attribute(self) -> Code {
        let (mut answer, mut len) = ([0; 33], 33);
        // SAFETY: a buffer of that size and a pointer to its length.
        code(unsafe { SCardGetAttrib(self.0, 0x9_0303, answer.as_mut_ptr(), &raw mut len) })
    }

    /// `SCardSetAttrib` for the same.
    pub(crate) fn set_atr_attribute(self) -> Code {
        // SAFETY: one byte to read.
        code(unsafe { SCardSetAttrib(self.0, 0x9_0303, [0].as_ptr(), 1) })
    }

    pub(crate) fn status(self) -> Result<Status, Error> {
        let (mut name, mut atr) = ([0x55; 200], [0x55; 40]);
        let (mut name_len, mut atr_len, mut state, mut protocol) = (200, 40, 0x55, 0x55);
        let lengths = (Some(&mut name_len), Some(&mut atr_len));
        self.status_into(
            Some(&mut name),
            lengths.0,
            Some(&mut state),
            Some(&mut protocol),
            Some(&mut atr),
            lengths.1,
        )?;
        let name = CStr::from_bytes_until_nul(&name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(
            usize::try_from(name_len),
            Ok(name.len() + 1),
            "the length counts the NUL"
        );
        Ok(Status {
            name,
            state,
            protocol,
            atr: atr[..usize::try_from(atr_len).unwrap()].to_vec(),
        })
    }

    /// `SCardStatus` as it is; `None` is a null pointer.
    pub(crate) fn status_into(
        self,
        name: Option<&mut [u8]>,
        name_len: Option<&mut DWORD>,
        state: Option<&mut DWORD>,
        protocol: Option<&mut DWORD>,
        atr: Option<&mut [u8]>,
        atr_len: Option<&mut DWORD>,
    ) -> Code {
        // SAFETY: null, or pointers to what the references borrow; tests give lengths that their buffers have.
        code(unsafe {
            SCardStatus(
                self.0,
                buffer(name).cast(),
                out(name_len),
                out(state),
                out(protocol),
                buffer(atr),
                out(atr_len),
            )
        })
    }

    /// `SCardTransmit` with T=0; the answer.
    pub(crate) fn transmit(self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let mut answer = [0; 300];
        let mut len = 300;
        let none = std::ptr::null_mut();
        let command_len = DWORD::try_from(command.len()).unwrap();
        // SAFETY: pointers to buffers of ours with their lengths.
        let result = unsafe {
            SCardTransmit(
                self.0,
                &raw const g_rgSCardT0Pci,
                command.as_ptr(),
                command_len,
                none,
                answer.as_mut_ptr(),
                &raw mut len,
            )
        };
        code(result).map(|()| answer[..usize::try_from(len).unwrap()].to_vec())
    }
}

fn out<T>(target: Option<&mut T>) -> *mut T {
    target.map_or(std::ptr::null_mut(), std::ptr::from_mut)
}

fn buffer<T>(target: Option<&mut [T]>) -> *mut T {
    target.map_or(std::ptr::null_mut(), <[T]>::as_mut_ptr)
}

/// `SCardListReaders`; `None` is a null pointer.
pub(crate) fn list_readers(context: SCARDCONTEXT, text: Option<&mut [u8]>, len: Option<&mut DWORD>) -> Code {
    // SAFETY: null, or pointers to what the references borrow; tests give lengths that their buffers have. No group.
    code(unsafe { SCardListReaders(context, std::ptr::null(), buffer(text).cast(), out(len)) })
}

/// `SCardListReaders` with a list of groups, a multi-string.
pub(crate) fn list_readers_of(context: SCARDCONTEXT, groups: &[u8], len: &mut DWORD) -> Code {
    assert!(groups.ends_with(b"\0\0"));
    // SAFETY: the groups end as they must, the length is a reference, null asks for the length only.
    code(unsafe { SCardListReaders(context, groups.as_ptr().cast(), std::ptr::null_mut(), len) })
}

/// `SCardListReaderGroups`; `None` is a null pointer.
pub(crate) fn list_groups(context: SCARDCONTEXT, text: Option<&mut [u8]>, len: Option<&mut DWORD>) -> Code {
    // SAFETY: as in `list_readers`.
    code(unsafe { SCardListReaderGroups(context, buffer(text).cast(), out(len)) })
}

/// Memory from a function that was told to allocate.
#[derive(Debug)]
pub(crate) struct Allocated(*mut c_char);

impl Allocated {
    /// Nothing yet.
    pub(crate) fn nothing() -> Self {
        Self(std::ptr::without_provenance_mut(0x5A5A))
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.0.addr() == 0x5A5A
    }

    /// What `call` needs to be given as a buffer: the address of the pointer.
    pub(crate) fn fill(&mut self, call: impl FnOnce(*mut c_char) -> LONG) -> Code {
        code(call((&raw mut self.0).cast()))
    }

    pub(crate) fn bytes(&self, len: DWORD) -> &[u8] {
        // SAFETY: the function said that it allocated so many bytes, and they are released by a `self`.
        unsafe { std::slice::from_raw_parts(self.0.cast(), usize::try_from(len).unwrap()) }
    }

    /// `SCardFreeMemory` with a context that does not exist: nothing is freed.
    pub(crate) fn fail_to_free(&self, context: SCARDCONTEXT) -> Code {
        // SAFETY: the memory comes from malloc.
        code(unsafe { SCardFreeMemory(context, self.0.cast()) })
    }

    pub(crate) fn free(self, context: SCARDCONTEXT) -> Code {
        self.fail_to_free(context)
    }
}

/// `SCardListReaders` with SCARD_AUTOALLOCATE.
pub(crate) fn list_readers_allocated(context: SCARDCONTEXT, len: &mut DWORD) -> (Code, Allocated) {
    let mut text = Allocated::nothing();
    *len = DWORD::MAX;
    // SAFETY: the buffer is the address of a pointer, as the length demands.
    let result = text.fill(|buffer| unsafe { SCardListReaders(context, std::ptr::null(), buffer, len) });
    (result, text)
}

/// `SCardListReaderGroups` with SCARD_AUTOALLOCATE.
pub(crate) fn list_groups_allocated(context: SCARDCONTEXT, len: &mut DWORD) -> (Code, Allocated) {
    let mut text = Allocated::nothing();
    *len = DWORD::MAX;
    // SAFETY: the buffer is the address of a pointer, as the length demands.
    let result = text.fill(|buffer| unsafe { SCardListReaderGroups(context, buffer, len) });
    (result, text)
}

/// `SCardStatus` with SCARD_AUTOALLOCATE for name and ATR.
pub(crate) fn status_allocated(card: Handle) -> (Code, (Allocated, DWORD), (Allocated, DWORD)) {
    let (mut name, mut atr) = (Allocated::nothing(), Allocated::nothing());
    let (mut name_len, mut atr_len) = (DWORD::MAX, DWORD::MAX);
    let none = std::ptr::null_mut();
    let result = name.fill(|name| {
        // SAFETY: the buffers are addresses of pointers, as the lengths demand; null is allowed for the others.
        unsafe {
            SCardStatus(
                card.0,
                name,
                &raw mut name_len,
                none,
                none,
                (&raw mut atr.0).cast(),
                &raw mut atr_len,
            )
        }
    });
    (result, (name, name_len), (atr, atr_len))
}

/// `SCardFreeMemory` of what `malloc` gave, or of null for no bytes.
pub(crate) fn free_malloced(context: SCARDCONTEXT, len: usize) -> Code {
    let mut memory = std::ptr::null_mut();
    if len > 0 {
        // SAFETY: no requirement.
        memory = unsafe { libc::malloc(len) };
    }
    // SAFETY: the memory comes from malloc and is not used again.
    code(unsafe { SCardFreeMemory(context, memory) })
}

const STALE: DWORD = 0x5A5A_5A5A;
const STALE_BYTE: u8 = 0x5A;

/// One entry for `SCardGetStatusChange`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    name: Option<CString>,
    pub(crate) current: DWORD,
    pub(crate) event: DWORD,
    atr_len: DWORD,
    atr_room: [u8; 33],
}

impl State {
    pub(crate) fn new(name: &str, current: DWORD) -> Self {
        Self {
            name: Some(CString::new(name).unwrap()),
            ..Self::unnamed(current)
        }
    }

    /// With a null pointer for its name.
    pub(crate) fn unnamed(current: DWORD) -> Self {
        Self {
            name: None,
            current,
            event: STALE,
            atr_len: STALE,
            atr_room: [STALE_BYTE; 33],
        }
    }

    pub(crate) fn atr(&self) -> &[u8] {
        &self.atr_room[..usize::try_from(self.atr_len).unwrap()]
    }

    /// Nothing was written to it.
    pub(crate) fn is_untouched(&self) -> bool {
        self.event == STALE && self.has_no_atr_written()
    }

    /// Nothing but perhaps the event was written.
    pub(crate) fn has_no_atr_written(&self) -> bool {
        self.atr_len == STALE && self.atr_room == [STALE_BYTE; 33]
    }

    /// The same entry with what was learned from it, as programs do it.
    pub(crate) fn next(&self) -> Self {
        Self {
            name: self.name.clone(),
            ..Self::unnamed(self.event & !2)
        }
    }
}

/// `SCardGetStatusChange`.
pub(crate) fn status_change(context: SCARDCONTEXT, timeout: DWORD, states: &mut [State]) -> Code {
    let raw = |(number, state): (usize, &State)| SCARD_READERSTATE {
        szReader: state.name.as_ref().map_or(std::ptr::null(), |name| name.as_ptr()),
        pvUserData: std::ptr::without_provenance_mut(0x1000 + number),
        dwCurrentState: state.current,
        dwEventState: state.event,
        cbAtr: state.atr_len,
        rgbAtr: state.atr_room,
    };
    let mut array: Vec<_> = states.iter().enumerate().map(raw).collect();
    let given = array.clone();
    let count = DWORD::try_from(array.len()).unwrap();
    // SAFETY: an array of that many entries, whose names are NUL-terminated or null.
    let result = unsafe { SCardGetStatusChange(context, timeout, array.as_mut_ptr(), count) };
    for ((state, after), before) in states.iter_mut().zip(&array).zip(&given) {
        assert_eq!(after.szReader, before.szReader, "the name is the caller's");
        assert_eq!(after.pvUserData, before.pvUserData, "the user data are the caller's");
        assert_eq!(
            after.dwCurrentState, before.dwCurrentState,
            "the current state is the caller's"
        );
        (state.event, state.atr_len, state.atr_room) = (after.dwEventState, after.cbAtr, after.rgbAtr);
    }
    code(result)
}

/// `SCardGetStatusChange` with a null array.
pub(crate) fn status_change_of_nothing(context: SCARDCONTEXT, count: DWORD) -> Code {
    // SAFETY: null is what is tried.
    code(unsafe { SCardGetStatusChange(context, 0, std::ptr::null_mut(), count) })
}

/// The event word of a reader, asked without waiting.
pub(crate) fn event(context: &Context, name: &str, current: DWORD) -> DWORD {
    let mut states = [State::new(name, current)];
    let result = status_change(context.0, 0, &mut states);
    let changed = states[0].event & 2 != 0;
    assert_eq!(
        result,
        if changed { Ok(()) } else { Err(Error::Timeout) },
        "{:#x}",
        states[0].event
    );
    states[0].event
}
