//! A bench for tests of the exported functions: a software reader of its own for each test, and contexts and connections
//! whose methods are the C calls.
#![allow(unsafe_code, reason = "calls the C functions with pointers to its own variables")]
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "card_bench/calls.rs"]
mod calls;

use std::ffi::CString;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

#[allow(unused_imports, reason = "each test program uses a part")]
pub use calls::*;
pub use winscard::api::constants::*;
use winscard::api::types::{DWORD, LONG, SCARD_IO_REQUEST, SCARDCONTEXT, SCARDHANDLE};
use winscard::api::{card, context, io, readers};
#[allow(unused_imports, reason = "each test program uses a part")]
pub use winscard::error::Error::{self, *};
pub use winscard::sim::fault::{Fault, Injection, Times};
pub use winscard::sim::wire::kind;
#[allow(unused_imports, reason = "each test program uses a part")]
pub use winscard::sim::{BuiltinCard, Config, Level, Protocols, Reader};

pub type Outcome<T = ()> = Result<T, Error>;
/// A call on a handle.
pub type Body = fn(Handle) -> Outcome;

pub const EXCLUSIVE: DWORD = SCARD_SHARE_EXCLUSIVE;
pub const SHARED: DWORD = SCARD_SHARE_SHARED;
pub const DIRECT: DWORD = SCARD_SHARE_DIRECT;
pub const T0: DWORD = SCARD_PROTOCOL_T0;
pub const T1: DWORD = SCARD_PROTOCOL_T1;
pub const RAW: DWORD = SCARD_PROTOCOL_RAW;
pub const ANY: DWORD = T0 | T1;
pub const LEAVE: DWORD = SCARD_LEAVE_CARD;
pub const RESET: DWORD = SCARD_RESET_CARD;
pub const UNPOWER: DWORD = SCARD_UNPOWER_CARD;
pub const EJECT: DWORD = SCARD_EJECT_CARD;

/// State words of `SCardStatus`, lower half.
pub const STATE_POWERED: DWORD = SCARD_PRESENT | SCARD_POWERED | SCARD_NEGOTIABLE;
pub const STATE_MUTE: DWORD = SCARD_PRESENT | SCARD_SWALLOWED;

/// SELECT MF without answer, answered with 9000.
pub const SELECT: &[u8] = &[0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00];
pub const VERIFY: &[u8] = b"\x00\x20\x00\x01\x041234";
/// Asks whether the PIN is verified: 9000 if so, 63C3 if not.
pub const IS_VERIFIED: &[u8] = &[0x00, 0x20, 0x00, 0x01];
pub const OK_SW: &[u8] = &[0x90, 0x00];

/// A result code that callers may see; panics on any other.
pub fn outcome(code: LONG) -> Outcome {
    if code == SCARD_S_SUCCESS {
        return Ok(());
    }
    let known = Error::ALL.iter().find(|error| error.to_long() == code);
    Err(*known.unwrap_or_else(|| panic!("{code:#x} is no documented code")))
}

/// A reader that only this test knows.
#[derive(Debug)]
pub struct Bench {
    pub reader: Reader,
    pub name: String,
}

impl Bench {
    /// The default reader (extended APDU) with the default card (T=0 and T=1).
    pub fn new() -> Self {
        Self::with(Config::default(), BuiltinCard::default())
    }

    pub fn with(config: Config, card: BuiltinCard) -> Self {
        let bench = Self::empty(config);
        assert!(bench.reader.insert(0, card).is_none());
        bench
    }

    pub fn empty(config: Config) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let serial = format!("{:08}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self::named(config, &serial)
    }

    /// A reader with this serial number, which makes its name.
    pub fn named(config: Config, serial: &str) -> Self {
        let reader = winscard::sim::plug(Config {
            serial: Some(serial.into()),
            ..config
        })
        .unwrap();
        let mark = format!("({serial})");
        let names = Context::new().readers();
        let name = names
            .into_iter()
            .find(|name| name.contains(&mark))
            .expect("reader is listed");
        Self { reader, name }
    }

    /// Name of another slot of the same reader.
    pub fn slot_name(&self, slot: u8) -> String {
        let base = self.name.strip_suffix("00").unwrap();
        format!("{base}{slot:02X}")
    }

    /// The default reader and card at this exchange level.
    pub fn new_at(level: Level) -> Self {
        Self::with(Config::at_level(level), BuiltinCard::default())
    }

    /// Puts a default card in.
    pub fn insert(&self) {
        assert!(self.reader.insert(0, BuiltinCard::default()).is_none());
    }

    pub fn remove(&self) {
        assert!(self.reader.remove(0).is_some());
    }

    /// Cold power-ons, warm resets and power-offs so far.
    pub fn power(&self) -> (u64, u64, u64) {
        let counters = self.reader.counters();
        (counters.cold_power_ons, counters.warm_resets, counters.power_offs)
    }

    /// Has this go wrong on the next command to the card.
    pub fn inject(&self, fault: Fault) {
        self.reader.inject(Injection {
            fault,
            on: Some(kind::XFR_BLOCK),
            times: Times::Count(1),
        });
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.reader.unplug();
    }
}

/// A context, released when dropped.
#[derive(Debug)]
pub struct Context {
    pub value: SCARDCONTEXT,
}

impl Context {
    pub fn new() -> Self {
        Self {
            value: establish(SCARD_SCOPE_SYSTEM).expect("context"),
        }
    }

    pub fn readers(&self) -> Vec<String> {
        let mut len = 0;
        // SAFETY: null groups and buffer, a length of our own.
        let code = unsafe { readers::SCardListReaders(self.value, ptr::null(), ptr::null_mut(), &raw mut len) };
        if code != SCARD_S_SUCCESS {
            return Vec::new();
        }
        // Readers of other tests may come meanwhile.
        let mut names = vec![0_u8; usize::try_from(len).unwrap() + 4096];
        let mut len = DWORD::try_from(names.len()).unwrap();
        // SAFETY: `names` is writable for `len` bytes.
        outcome(unsafe { readers::SCardListReaders(self.value, ptr::null(), names.as_mut_ptr().cast(), &raw mut len) })
            .unwrap();
        names.truncate(usize::try_from(len).unwrap());
        let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        names.map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
    }

    pub fn connect(&self, name: &str, share: DWORD, protocols: DWORD) -> Outcome<Card> {
        connect(self.value, name, share, protocols)
    }

    /// A shared connection, which must come about.
    pub fn shared(&self, bench: &Bench) -> Card {
        self.connect(&bench.name, SHARED, ANY).expect("shared connection")
    }

    pub fn exclusive(&self, bench: &Bench) -> Card {
        self.connect(&bench.name, EXCLUSIVE, ANY).expect("exclusive connection")
    }

    pub fn direct(&self, bench: &Bench) -> Card {
        self.connect(&bench.name, DIRECT, 0).expect("direct connection")
    }

    pub fn release(self) -> Outcome {
        release(ManuallyDrop::new(self).value)
    }

    pub fn is_valid(&self) -> bool {
        context::SCardIsValidContext(self.value) == SCARD_S_SUCCESS
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        context::SCardReleaseContext(self.value);
    }
}

pub fn establish(scope: DWORD) -> Outcome<SCARDCONTEXT> {
    let mut value = -1;
    // SAFETY: a variable of our own.
    let code = unsafe { context::SCardEstablishContext(scope, ptr::null(), ptr::null(), &raw mut value) };
    outcome(code).inspect_err(|_| assert_eq!(value, 0)).map(|()| value)
}

pub fn release(context: SCARDCONTEXT) -> Outcome {
    outcome(context::SCardReleaseContext(context))
}

pub fn is_valid(context: SCARDCONTEXT) -> Outcome {
    outcome(context::SCardIsValidContext(context))
}

pub fn cancel(context: SCARDCONTEXT) -> Outcome {
    outcome(context::SCardCancel(context))
}

/// A connection; on failure both outputs must have been set to 0.
pub fn connect(context: SCARDCONTEXT, name: &str, share: DWORD, protocols: DWORD) -> Outcome<Card> {
    let name = CString::new(name).unwrap();
    let (mut handle, mut active) = (-1, 0);
    // SAFETY: a NUL-terminated name and variables of our own.
    let code = unsafe {
        card::SCardConnect(
            context,
            name.as_ptr(),
            share,
            protocols,
            &raw mut handle,
            &raw mut active,
        )
    };
    outcome(code).inspect_err(|_| assert_eq!((handle, active), (0, 0)))?;
    Ok(Card {
        handle: Handle(handle),
        active,
    })
}

/// A connection, left when dropped.
#[derive(Debug)]
pub struct Card {
    pub handle: Handle,
    pub active: DWORD,
}

impl Card {
    /// The handle, for the test to disconnect.
    pub fn keep(self) -> Handle {
        ManuallyDrop::new(self).handle
    }
}

impl Deref for Card {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        let _gone_already = self.handle.disconnect(LEAVE);
    }
}

/// What `SCardStatus` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub name: String,
    pub state: DWORD,
    pub protocol: DWORD,
    pub atr: Vec<u8>,
}

/// A handle, for any thread to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle(pub SCARDHANDLE);

impl Handle {
    pub fn disconnect(self, disposition: DWORD) -> Outcome {
        outcome(card::SCardDisconnect(self.0, disposition))
    }

    pub fn begin(self) -> Outcome {
        outcome(card::SCardBeginTransaction(self.0))
    }

    pub fn end(self, disposition: DWORD) -> Outcome {
        outcome(card::SCardEndTransaction(self.0, disposition))
    }

    pub fn reconnect(self, share: DWORD, protocols: DWORD, initialization: DWORD) -> Outcome<DWORD> {
        let mut active = 0;
        // SAFETY: a variable of our own.
        let code = unsafe { card::SCardReconnect(self.0, share, protocols, initialization, &raw mut active) };
        outcome(code).map(|()| active)
    }

    /// Acknowledges what happened.
    pub fn acknowledge(self) {
        self.reconnect(SHARED, ANY, LEAVE).expect("reconnect");
    }

    pub fn status(self) -> Outcome<Status> {
        let (mut name, mut atr) = ([0_u8; 200], [0_u8; 33]);
        let (mut name_len, mut atr_len): (DWORD, DWORD) = (200, 33);
        let (mut state, mut protocol) = (99, 99);
        // SAFETY: buffers of our own with their lengths.
        let code = unsafe {
            card::SCardStatus(
                self.0,
                name.as_mut_ptr().cast(),
                &raw mut name_len,
                &raw mut state,
                &raw mut protocol,
                atr.as_mut_ptr(),
                &raw mut atr_len,
            )
        };
        outcome(code).inspect_err(|_| assert_eq!((name_len, state, protocol, atr_len), (0, 0, 0, 0)))?;
        let name_len = usize::try_from(name_len).unwrap();
        let name = String::from_utf8(name[..name_len - 1].to_vec()).unwrap();
        Ok(Status {
            name,
            state,
            protocol,
            atr: atr[..usize::try_from(atr_len).unwrap()].to_vec(),
        })
    }

    /// Transmits in the protocol the card is in; the length must be 0 on failure.
    pub fn transmit(self, command: &[u8]) -> Outcome<Vec<u8>> {
        self.transmit_as(SCARD_PROTOCOL_ANY_OLD, command)
    }

    pub fn transmit_as(self, protocol: DWORD, command: &[u8]) -> Outcome<Vec<u8>> {
        let mut response = vec![0; 65_548];
        let (result, len) = self.transmit_into(protocol, command, &mut response);
        result.inspect_err(|_| assert_eq!(len, 0))?;
        response.truncate(len);
        Ok(response)
    }

    /// As [`Self::transmit`] with this room; the length that came out, whatever the result.
    pub fn transmit_into(self, protocol: DWORD, command: &[u8], response: &mut [u8]) -> (Outcome, usize) {
        let pci = SCARD_IO_REQUEST {
            dwProtocol: protocol,
            cbPciLength: 0,
        };
        let mut len = DWORD::try_from(response.len()).unwrap();
        let send_len = DWORD::try_from(command.len()).unwrap();
        // SAFETY: buffers of our own with their lengths; the receive header may be null.
        let code = unsafe {
            io::SCardTransmit(
                self.0,
                &raw const pci,
                command.as_ptr(),
                send_len,
                ptr::null_mut(),
                response.as_mut_ptr(),
                &raw mut len,
            )
        };
        (outcome(code), usize::try_from(len).unwrap())
    }

    /// The output, and the length that came out whatever the result.
    pub fn control_into(self, code: DWORD, input: &[u8], room: usize) -> (Outcome<Vec<u8>>, usize) {
        let mut output = vec![0_u8; room];
        let mut len = 77;
        // SAFETY: buffers of our own with their lengths.
        let result = unsafe {
            io::SCardControl(
                self.0,
                code,
                input.as_ptr().cast(),
                DWORD::try_from(input.len()).unwrap(),
                output.as_mut_ptr().cast(),
                DWORD::try_from(room).unwrap(),
                &raw mut len,
            )
        };
        let len = usize::try_from(len).unwrap();
        output.truncate(len);
        (outcome(result).map(|()| output), len)
    }

    /// Any control code that always works: the list of features.
    pub fn features(self) -> Outcome<Vec<u8>> {
        self.control_into(CM_IOCTL_GET_FEATURE_REQUEST, &[], 264).0
    }

    pub fn attribute(self, id: DWORD) -> Outcome<Vec<u8>> {
        let mut value = [0_u8; 264];
        let mut len = 264;
        // SAFETY: a buffer of our own with its length.
        outcome(unsafe { io::SCardGetAttrib(self.0, id, value.as_mut_ptr(), &raw mut len) })
            .inspect_err(|_| assert_eq!(len, 264))?;
        Ok(value[..usize::try_from(len).unwrap()].to_vec())
    }

    pub fn set_attribute(self, id: DWORD, value: &[u8]) -> Outcome {
        // SAFETY: a buffer of our own with its length.
        outcome(unsafe { io::SCardSetAttrib(self.0, id, value.as_ptr(), DWORD::try_from(value.len()).unwrap()) })
    }
}
