//! A software reader with a card of our choosing, and a connection to it through the C functions.

use std::ffi::CString;
use std::ptr::{null, null_mut};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use winscard::api::card::*;
use winscard::api::constants::*;
use winscard::api::context::*;
use winscard::api::io::*;
use winscard::api::pci::*;
use winscard::api::readers::*;
use winscard::api::types::*;
use winscard::sim::config::feature;
use winscard::sim::counters::Direction;
use winscard::sim::{self, BuiltinCard, Card, Config, Level, Reader, Reset};

/// Everything but what is to be tested is the reader's affair.
pub(crate) const PLAIN: u32 = feature::AUTO_VOLTAGE | feature::AUTO_CLOCK | feature::AUTO_BAUD;

/// What a card's ATR is to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says {
    pub(crate) ta1: Option<u8>,
    pub(crate) ta2: Option<u8>,
    /// T=0 is offered, and first.
    pub(crate) t0: bool,
    pub(crate) t1: bool,
    pub(crate) ifsc: u8,
    pub(crate) bwi_cwi: u8,
    pub(crate) crc: bool,
}

/// T=1 only, LRC, short waiting time.
pub(crate) const T1: Says = Says {
    ta1: None,
    ta2: None,
    t0: false,
    t1: true,
    ifsc: 32,
    bwi_cwi: 0x05,
    crc: false,
};

/// T=0 only.
pub(crate) const T0: Says = Says {
    t0: true,
    t1: false,
    ..T1
};

/// T=0 first, T=1 as well.
pub(crate) const BOTH: Says = Says { t0: true, ..T1 };

impl Says {
    pub(crate) fn atr(self) -> Vec<u8> {
        let first = if self.t0 { 0 } else { 1 };
        let second = self.ta2.is_some() || self.t1;
        let mut atr = vec![0x3B, bit(self.ta1, 0x10) | if second { 0x80 } else { 0 }];
        atr.extend(self.ta1);
        if second {
            atr.push(first | bit(self.ta2, 0x10) | if self.t1 { 0x80 } else { 0 });
            atr.extend(self.ta2);
        }
        if self.t1 {
            atr.extend([0x71, self.ifsc, self.bwi_cwi, u8::from(self.crc)]);
            atr.push(atr.iter().skip(1).fold(0, |sum, byte| sum ^ byte));
        }
        atr
    }
}

fn bit(byte: Option<u8>, bit: u8) -> u8 {
    if byte.is_some() { bit } else { 0 }
}

/// The built-in card with another ATR.
#[derive(Debug)]
struct Speaker {
    inner: BuiltinCard,
    cold: Vec<u8>,
    warm: Vec<u8>,
}

impl Card for Speaker {
    fn reset(&mut self, reset: Reset) -> Vec<u8> {
        self.inner.reset(reset);
        match reset {
            Reset::Cold => self.cold.clone(),
            Reset::Warm => self.warm.clone(),
        }
    }

    fn apdu(&mut self, command: &[u8]) -> Vec<u8> {
        self.inner.apdu(command)
    }

    fn delay(&self) -> Duration {
        self.inner.delay()
    }

    fn takes_data(&self, header: [u8; 5]) -> bool {
        self.inner.takes_data(header)
    }
}

/// A reader of this level without features that would take protocol matters from the host.
pub(crate) fn reader(level: Level) -> Config {
    Config {
        features: PLAIN,
        // The reader's own patience is not what is tested here.
        time_extension_every: None,
        ..Config::at_level(level)
    }
}

/// A reader on the bus, with a card in slot 0.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) reader: Reader,
    context: SCARDCONTEXT,
    name: CString,
}

impl Bench {
    pub(crate) fn new(config: Config, says: Says) -> Self {
        Self::with_atrs(config, says.atr(), says.atr())
    }

    /// With a card whose ATR depends on the kind of reset.
    pub(crate) fn with_atrs(config: Config, cold: Vec<u8>, warm: Vec<u8>) -> Self {
        static TURN: Mutex<u32> = Mutex::new(0);
        let mut context = 0;
        let result = unsafe { SCardEstablishContext(SCARD_SCOPE_SYSTEM, null(), null(), &raw mut context) };
        assert_eq!(result, SCARD_S_SUCCESS);
        // One at a time: ours is the name that was not there before.
        let mut turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        *turn += 1;
        let before = names(context);
        let reader = sim::plug(Config {
            product: Some(format!("Bench {turn:04}")),
            ..config
        })
        .expect("reader");
        let name = names(context)
            .into_iter()
            .find(|name| !before.contains(name))
            .expect("our reader");
        drop(turn);
        let inner = BuiltinCard::default();
        reader.insert(0, Speaker { inner, cold, warm });
        Self { reader, context, name }
    }

    /// Connects; the protocol, or the error.
    pub(crate) fn try_connect(&self, protocols: DWORD) -> Result<Link<'_>, LONG> {
        connect(self, self.context, protocols)
    }

    pub(crate) fn connect(&self, protocols: DWORD) -> Link<'_> {
        let link = self.try_connect(protocols);
        link.unwrap_or_else(|error| panic!("SCardConnect: {error:#x}"))
    }

    /// Commands of this type that the reader got, without header but for its last three bytes.
    pub(crate) fn sent(&self, kind: u8) -> Vec<Vec<u8>> {
        let messages = self.reader.messages().into_iter();
        messages
            .filter(|message| message.direction == Direction::Out && message.bytes[0] == kind)
            .map(|message| message.bytes[7..].to_vec())
            .collect()
    }

    /// Data of the last SetParameters.
    pub(crate) fn parameters(&self) -> Option<Vec<u8>> {
        self.sent(0x61).last().map(|message| message[3..].to_vec())
    }

    /// The PCB of every T=1 block that went out.
    pub(crate) fn pcbs(&self) -> Vec<u8> {
        self.sent(0x6F)
            .iter()
            .filter_map(|message| message.get(4).copied())
            .collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        assert_eq!(SCardReleaseContext(self.context), SCARD_S_SUCCESS);
        self.reader.unplug();
    }
}

fn names(context: SCARDCONTEXT) -> Vec<CString> {
    let mut buffer = vec![0_u8; 0x1_0000];
    let mut length = DWORD::try_from(buffer.len()).expect("length");
    let result = unsafe { SCardListReaders(context, null(), buffer.as_mut_ptr().cast(), &raw mut length) };
    if result == winscard::error::Error::NoReadersAvailable.to_long() {
        return Vec::new();
    }
    assert_eq!(result, SCARD_S_SUCCESS);
    buffer.truncate(usize::try_from(length).expect("length"));
    let names = buffer.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| CString::new(name).expect("no NUL")).collect()
}

fn connect(bench: &Bench, context: SCARDCONTEXT, protocols: DWORD) -> Result<Link<'_>, LONG> {
    let (mut handle, mut protocol) = (0, 0);
    let result = unsafe {
        SCardConnect(
            context,
            bench.name.as_ptr(),
            SCARD_SHARE_SHARED,
            protocols,
            &raw mut handle,
            &raw mut protocol,
        )
    };
    if result == SCARD_S_SUCCESS {
        Ok(Link {
            bench,
            handle,
            protocol,
            own: None,
        })
    } else {
        Err(result)
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link<'a> {
    bench: &'a Bench,
    handle: SCARDHANDLE,
    pub(crate) protocol: DWORD,
    own: Option<SCARDCONTEXT>,
}

impl Link<'_> {
    /// Another connection to the same card, in a context of its own.
    pub(crate) fn another(&self) -> Self {
        let mut context = 0;
        let result = unsafe { SCardEstablishContext(SCARD_SCOPE_SYSTEM, null(), null(), &raw mut context) };
        assert_eq!(result, SCARD_S_SUCCESS);
        let mut link = connect(self.bench, context, SCARD_PROTOCOL_ANY).expect("another connection");
        link.own = Some(context);
        link
    }

    pub(crate) fn handle(&self) -> SCARDHANDLE {
        self.handle
    }

    pub(crate) fn transmit(&self, command: &[u8]) -> Result<Vec<u8>, LONG> {
        let mut response = vec![0_u8; 65_538];
        let mut length = DWORD::try_from(response.len()).expect("length");
        let pci = if self.protocol == SCARD_PROTOCOL_T0 {
            &raw const g_rgSCardT0Pci
        } else {
            &raw const g_rgSCardT1Pci
        };
        let result = unsafe {
            SCardTransmit(
                self.handle,
                pci,
                command.as_ptr(),
                DWORD::try_from(command.len()).expect("length"),
                null_mut(),
                response.as_mut_ptr(),
                &raw mut length,
            )
        };
        if result != SCARD_S_SUCCESS {
            return Err(result);
        }
        response.truncate(usize::try_from(length).expect("length"));
        Ok(response)
    }

    /// Has the card repeat `data` and checks that it does.
    pub(crate) fn echo(&self, data: &[u8]) {
        let response = self.transmit(&echo(data));
        let response = response.unwrap_or_else(|error| panic!("{} bytes: {error:#x}", data.len()));
        assert_eq!(response, answer(data), "{} bytes", data.len());
    }

    /// Reconnects after a reset; the error, if any.
    pub(crate) fn reconnect(&mut self, initialization: DWORD) -> LONG {
        unsafe {
            SCardReconnect(
                self.handle,
                SCARD_SHARE_SHARED,
                SCARD_PROTOCOL_ANY,
                initialization,
                &raw mut self.protocol,
            )
        }
    }
}

impl Drop for Link<'_> {
    fn drop(&mut self) {
        let result = SCardDisconnect(self.handle, SCARD_LEAVE_CARD);
        if !std::thread::panicking() {
            assert_eq!(result, SCARD_S_SUCCESS);
        }
        if let Some(context) = self.own {
            SCardReleaseContext(context);
        }
    }
}

/// A command whose response is its data, in the short form where that will do.
pub(crate) fn echo(data: &[u8]) -> Vec<u8> {
    let mut command = vec![0x80, 0x12, 0, 0];
    match u8::try_from(data.len()) {
        Ok(len) if len > 0 => {
            command.push(len);
            command.extend(data);
            command.push(0);
        }
        _ => {
            let [high, low] = u16::try_from(data.len()).expect("APDU data").to_be_bytes();
            command.extend([0, high, low]);
            command.extend(data);
            command.extend([0, 0]);
        }
    }
    command
}

/// `data` and 9000.
pub(crate) fn answer(data: &[u8]) -> Vec<u8> {
    [data, &[0x90, 0x00]].concat()
}

/// Bytes that follow no pattern a block boundary could hide in.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut seed = 0x2545_F491_u32;
    let next = || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed.to_be_bytes()[1]
    };
    std::iter::repeat_with(next).take(len).collect()
}
