//! A software reader of one's own per test, and the C functions with Rust results.
//!
//! Every call that blocks when it must not is bounded by [`PATIENCE`] and then fails the test.

#![allow(unsafe_code, reason = "calls the exported C functions")]
#![allow(dead_code, reason = "each test binary uses its part")]

use std::ffi::{CStr, CString};
use std::fmt;
use std::ptr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use winscard::api::card::SCardConnect;
use winscard::api::constants as c;
use winscard::api::context::{SCardEstablishContext, SCardReleaseContext};
use winscard::api::readers::{SCardGetStatusChange, SCardListReaders};
use winscard::api::types::{DWORD, LONG, SCARD_READERSTATE, SCARDCONTEXT};
use winscard::error::Error;
use winscard::sim::{self, BuiltinCard, Config, Counters, Level, Protocols};

pub use super::bench_card::Handle;

/// What any call may take that is not supposed to block; far more than it needs on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long a call that is supposed to block is watched doing so. pcsc-lite would have retried twice by then.
pub const WATCH: Duration = Duration::from_millis(250);
/// What an active protocol that was not written still holds.
pub const UNTOUCHED: DWORD = 0x0BAD_CAFE;

pub const EXCLUSIVE: DWORD = c::SCARD_SHARE_EXCLUSIVE;
pub const SHARED: DWORD = c::SCARD_SHARE_SHARED;
pub const DIRECT: DWORD = c::SCARD_SHARE_DIRECT;
pub const LEAVE: DWORD = c::SCARD_LEAVE_CARD;
pub const RESET: DWORD = c::SCARD_RESET_CARD;
pub const UNPOWER: DWORD = c::SCARD_UNPOWER_CARD;
pub const EJECT: DWORD = c::SCARD_EJECT_CARD;
pub const NONE: DWORD = 0;
pub const T0: DWORD = c::SCARD_PROTOCOL_T0;
pub const T1: DWORD = c::SCARD_PROTOCOL_T1;
pub const ANY: DWORD = c::SCARD_PROTOCOL_ANY;
pub const RAW: DWORD = c::SCARD_PROTOCOL_RAW;
pub const T15: DWORD = c::SCARD_PROTOCOL_T15;
pub const ANY_OLD: DWORD = c::SCARD_PROTOCOL_ANY_OLD;

/// A result code that shows its name when it is not the expected one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code(pub LONG);

pub const OK: Code = Code(c::SCARD_S_SUCCESS);

impl From<Error> for Code {
    fn from(error: Error) -> Self {
        Self(LONG::from(error.code()))
    }
}

impl PartialEq<Error> for Code {
    fn eq(&self, other: &Error) -> bool {
        *self == Self::from(*other)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Error::ALL.iter().find(|error| *self == **error) {
            Some(error) => f.write_str(error.name()),
            None if *self == OK => f.write_str("SCARD_S_SUCCESS"),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

/// What `SCardReconnect` gave: its result and what is now in the caller's active protocol.
pub type Reconnected = (Code, DWORD);

/// How often the card's power changed on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Power {
    pub cold: u64,
    pub warm: u64,
    pub off: u64,
}

/// Nothing happened.
pub const NO_POWER_CHANGE: Power = Power {
    cold: 0,
    warm: 0,
    off: 0,
};
/// The card was reset without losing power, once.
pub const ONE_WARM_RESET: Power = Power {
    cold: 0,
    warm: 1,
    off: 0,
};
/// The card was switched off and on, once.
pub const OFF_AND_ON: Power = Power {
    cold: 1,
    warm: 0,
    off: 1,
};
/// A card without power got it, once.
pub const ONE_POWER_ON: Power = Power {
    cold: 1,
    warm: 0,
    off: 0,
};

/// A software reader and a context; the reader leaves the bus at the end.
#[derive(Debug)]
pub struct Bench {
    pub reader: sim::Reader,
    name: CString,
    context: SCARDCONTEXT,
}

impl Bench {
    /// A reader at extended APDU level with a card that has T=0 and T=1. `tag` is no other test's.
    pub fn new(tag: &str) -> Self {
        Self::with(tag, Config::default(), Some(BuiltinCard::default()))
    }

    /// A reader at TPDU level with a card that has T=0 only.
    pub fn tpdu(tag: &str) -> Self {
        Self::with(
            tag,
            Config::at_level(Level::Tpdu),
            Some(BuiltinCard::new(Protocols::T0)),
        )
    }

    pub fn with(tag: &str, config: Config, card: Option<BuiltinCard>) -> Self {
        let product = format!("Bench <{tag}>");
        let reader = sim::plug(Config {
            product: Some(product.clone()),
            ..config
        })
        .unwrap();
        if let Some(card) = card {
            assert!(reader.insert(0, card).is_none());
        }
        let context = establish();
        let needle = format!(" {product} ");
        let name = list(context)
            .into_iter()
            .find(|name| name.to_string_lossy().contains(&needle));
        Self {
            reader,
            name: name.unwrap(),
            context,
        }
    }

    /// Connects, and everything must be well.
    #[track_caller]
    pub fn connect(&self, share: DWORD, protocols: DWORD) -> Handle {
        let (code, handle, _) = self.try_connect(share, protocols);
        assert_eq!(code, OK, "SCardConnect");
        handle
    }

    /// Connects in a context of its own.
    #[track_caller]
    pub fn connect_elsewhere(&self, share: DWORD, protocols: DWORD) -> Elsewhere {
        let context = establish();
        let (code, handle, _) = self.party(context).connect(share, protocols);
        assert_eq!(code, OK, "SCardConnect");
        Elsewhere { context, handle }
    }

    /// Result, connection and active protocol; must not block.
    #[track_caller]
    pub fn try_connect(&self, share: DWORD, protocols: DWORD) -> (Code, Handle, DWORD) {
        let party = self.party(self.context);
        start(move || party.connect(share, protocols)).finish()
    }

    /// For connecting from another thread.
    pub fn party(&self, context: SCARDCONTEXT) -> Party {
        Party {
            context,
            name: self.name.clone(),
        }
    }

    /// Power changes on the wire since the reader was plugged in, or since `before`.
    pub fn power_since(&self, before: Power) -> Power {
        let now = self.power();
        Power {
            cold: now.cold - before.cold,
            warm: now.warm - before.warm,
            off: now.off - before.off,
        }
    }

    pub fn power(&self) -> Power {
        let counters = self.reader.counters();
        Power {
            cold: counters.cold_power_ons,
            warm: counters.warm_resets,
            off: counters.power_offs,
        }
    }

    /// SetParameters on the wire: how often a protocol was negotiated.
    pub fn negotiations(&self) -> u64 {
        self.reader.counters().set_parameters
    }

    /// Everything on the wire that the card could notice, or the reader change by; not GetSlotStatus, with which the
    /// library answers reports of the interrupt endpoint.
    pub fn traffic(&self) -> Counters {
        let all = self.reader.counters();
        Counters {
            commands: all.commands - all.get_slot_status,
            get_slot_status: 0,
            interrupts: 0,
            ..all
        }
    }

    /// Takes the card out and puts another in.
    pub fn swap(&self, card: BuiltinCard) {
        assert!(self.reader.remove(0).is_some());
        assert!(self.reader.insert(0, card).is_none());
    }

    /// The event word of the reader for a caller that knows `current`; waits at most `timeout`.
    pub fn status_change(&self, current: DWORD, timeout: Duration) -> (Code, DWORD) {
        self.party(self.context).status_change(current, timeout)
    }

    pub fn own_party(&self) -> Party {
        self.party(self.context)
    }

    /// In a context of its own.
    pub fn other_party(&self) -> Party {
        self.party(establish())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.reader.unplug();
        SCardReleaseContext(self.context);
    }
}

/// A connection in a context of its own.
#[derive(Clone, Copy, Debug)]
pub struct Elsewhere {
    context: SCARDCONTEXT,
    pub handle: Handle,
}

impl Elsewhere {
    /// Ends it by releasing the context.
    pub fn release(self) -> Code {
        Code(SCardReleaseContext(self.context))
    }
}

/// A context and a reader's name, for any thread.
#[derive(Clone, Debug)]
pub struct Party {
    context: SCARDCONTEXT,
    name: CString,
}

impl Party {
    pub fn connect(&self, share: DWORD, protocols: DWORD) -> (Code, Handle, DWORD) {
        let (mut handle, mut active) = (0, UNTOUCHED);
        // SAFETY: a string with its NUL, and two locals.
        let code = unsafe {
            SCardConnect(
                self.context,
                self.name.as_ptr(),
                share,
                protocols,
                &raw mut handle,
                &raw mut active,
            )
        };
        (Code(code), Handle::from(handle), active)
    }

    pub fn status_change(&self, current: DWORD, timeout: Duration) -> (Code, DWORD) {
        let mut state = SCARD_READERSTATE {
            szReader: self.name.as_ptr(),
            pvUserData: ptr::null_mut(),
            dwCurrentState: current,
            dwEventState: 0,
            cbAtr: 0,
            rgbAtr: [0; 33],
        };
        let timeout = DWORD::try_from(timeout.as_millis()).unwrap();
        // SAFETY: one state with a string that lives as long.
        let code = unsafe { SCardGetStatusChange(self.context, timeout, &raw mut state, 1) };
        (Code(code), state.dwEventState)
    }
}

/// A call in a thread of its own.
#[derive(Debug)]
pub struct Running<T> {
    result: Receiver<T>,
}

/// Calls `body` in a thread of its own.
pub fn start<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Running<T> {
    let (sender, result) = mpsc::sync_channel(1);
    std::thread::spawn(move || drop(sender.send(body())));
    Running { result }
}

impl<T: fmt::Debug> Running<T> {
    /// Its result, which must come.
    #[track_caller]
    pub fn finish(self) -> T {
        self.result.recv_timeout(PATIENCE).expect("the call must not block")
    }

    /// It must block for a while.
    #[track_caller]
    pub fn assert_blocked(&self) {
        match self.result.recv_timeout(WATCH) {
            Err(RecvTimeoutError::Timeout) => {}
            other => panic!("the call must block, but: {other:?}"),
        }
    }
}

/// Waits until `condition` holds, which it must sooner or later.
#[track_caller]
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs `body` in a process of its own with `variable` set there: runs the test `name` of this binary again, alone.
#[track_caller]
pub fn in_child_with(variable: &str, name: &str, body: impl FnOnce()) {
    const MARK: &str = "WINSCARD_BENCH_CHILD";
    if std::env::var_os(MARK).is_some_and(|value| value == name) {
        return body();
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(MARK, name)
        .env(variable, "1")
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&child.stdout);
    let err = String::from_utf8_lossy(&child.stderr);
    assert!(
        child.status.success() && out.contains("1 passed"),
        "in the child process:\n{out}{err}"
    );
}

fn establish() -> SCARDCONTEXT {
    let mut context = 0;
    // SAFETY: a local and nulls.
    let code = unsafe { SCardEstablishContext(c::SCARD_SCOPE_SYSTEM, ptr::null(), ptr::null(), &raw mut context) };
    assert_eq!(Code(code), OK, "SCardEstablishContext");
    context
}

/// Other tests plug and unplug meanwhile, so the length may be out of date before the names are asked for.
fn list(context: SCARDCONTEXT) -> Vec<CString> {
    let mut names = vec![0_u8; 65_536];
    let mut len = 65_536;
    // SAFETY: a buffer with its length.
    let code = unsafe { SCardListReaders(context, ptr::null(), names.as_mut_ptr().cast(), &raw mut len) };
    assert_eq!(Code(code), OK, "SCardListReaders");
    let mut rest = &names[..];
    let mut list = Vec::new();
    while let Ok(name) = CStr::from_bytes_until_nul(rest) {
        if name.is_empty() {
            break;
        }
        rest = &rest[name.to_bytes_with_nul().len()..];
        list.push(name.to_owned());
    }
    list
}
