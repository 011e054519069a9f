//! End to end: a random device (descriptors, card, scripted answers and misbehaviours) under a random sequence of PC/SC
//! calls through the C functions. Every call returns a documented code in bounded time, writes nothing beyond its
//! buffers, and leaves no descriptor behind.

mod made;

use std::ffi::CString;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::input::Input;
use crate::time;
use winscard::api::card::{
    SCardBeginTransaction, SCardConnect, SCardDisconnect, SCardEndTransaction, SCardReconnect, SCardStatus,
};
use winscard::api::context::{SCardCancel, SCardEstablishContext, SCardReleaseContext};
use winscard::api::io::{SCardControl, SCardGetAttrib, SCardSetAttrib, SCardTransmit};
use winscard::api::readers::{SCardGetStatusChange, SCardListReaders};
use winscard::api::types::{DWORD, LONG, SCARD_IO_REQUEST, SCARD_READERSTATE, SCARDCONTEXT, SCARDHANDLE};
use winscard::error::Error;
use winscard::sim::{self, Config, Reader};

use made::Says;

/// The call's code, which is one of those that its documentation has.
#[track_caller]
fn documented(result: LONG) -> bool {
    assert_ne!(result, Error::InternalError.to_long(), "a panic");
    assert!(
        result == 0 || Error::ALL.iter().any(|error| error.to_long() == result),
        "{result:#x}"
    );
    result == 0
}

/// Bytes that a call may write, with some behind them that it may not.
struct Room {
    bytes: Vec<u8>,
    len: usize,
}

impl Room {
    fn new(len: usize) -> Self {
        Self {
            bytes: vec![0xC3; len + 16],
            len,
        }
    }

    #[track_caller]
    fn is_kept(&self) {
        assert!(
            self.bytes[self.len..].iter().all(|byte| *byte == 0xC3),
            "written beyond the end"
        );
    }
}

struct Play<'a> {
    context: SCARDCONTEXT,
    names: Vec<CString>,
    cards: Vec<SCARDHANDLE>,
    reader: &'a Reader,
}

impl Play<'_> {
    fn list(&mut self) {
        let mut room = Room::new(4096);
        let mut len: DWORD = 4096;
        // SAFETY: a buffer of that length.
        let result = unsafe { SCardListReaders(self.context, null(), room.bytes.as_mut_ptr().cast(), &raw mut len) };
        room.is_kept();
        if documented(result) {
            let names = room.bytes[..usize::try_from(len).expect("fits")].split(|byte| *byte == 0);
            self.names = names
                .filter(|name| !name.is_empty())
                .map(|name| CString::new(name).expect("no NUL"))
                .collect();
        }
    }

    /// Ends all transactions but this handle's: what waits for one waits for ever, as nobody else is there to end it.
    fn end_others(&mut self, own: SCARDHANDLE) {
        self.cards.retain(|card| {
            if *card == own {
                return true;
            }
            loop {
                let result = SCardEndTransaction(*card, 0);
                if documented(result) {
                    continue;
                }
                // A reset that it has not been told of is in the way, or the reader's failure.
                return result == Error::NotTransacted.to_long() || {
                    documented(SCardDisconnect(*card, 0));
                    false
                };
            }
        });
    }

    fn card(&self, which: u8) -> SCARDHANDLE {
        self.cards
            .get(usize::from(which) % self.cards.len().max(1))
            .copied()
            .unwrap_or(SCARDHANDLE::from(which))
    }

    fn connect(&mut self, a: u8, b: u8) {
        self.end_others(0);
        let Some(name) = self.names.get(usize::from(a >> 4) % self.names.len().max(1)) else {
            return;
        };
        let (mut handle, mut protocol) = (0, 0);
        let (mode, protocols) = (DWORD::from(a & 3), DWORD::from(b & 7));
        // SAFETY: a string and two places.
        let result = unsafe {
            SCardConnect(
                self.context,
                name.as_ptr(),
                mode,
                protocols,
                &raw mut handle,
                &raw mut protocol,
            )
        };
        if documented(result) {
            assert!(matches!(protocol, 0 | 1 | 2 | 4), "{protocol}");
            self.cards.push(handle);
        }
    }

    fn transmit(&self, a: u8, b: u8, input: &mut Input<'_>) {
        let command = match a & 0x30 {
            0 => vec![0, 0xB0, 0, 0, b],
            0x10 => vec![0, 0xB0, 0, 0, 0, b, b],
            0x20 => [&[0, 0xD6, 0, 0, b][..], &vec![b; b.into()]].concat(),
            _ => input.counted().to_vec(),
        };
        let size = [2, 258, 65_538, usize::from(b)][usize::from(a >> 6)];
        let mut room = Room::new(size);
        let mut len = size as DWORD;
        let pci = SCARD_IO_REQUEST {
            dwProtocol: DWORD::from(1 + (a & 1)),
            cbPciLength: 16,
        };
        let pci = if a & 2 == 0 { null() } else { &raw const pci };
        let mut back = SCARD_IO_REQUEST {
            dwProtocol: 0,
            cbPciLength: 16,
        };
        // SAFETY: buffers of the lengths given.
        let result = unsafe {
            SCardTransmit(
                self.card(a & 0x0F),
                pci,
                command.as_ptr(),
                command.len() as DWORD,
                &raw mut back,
                room.bytes.as_mut_ptr(),
                &raw mut len,
            )
        };
        room.is_kept();
        if documented(result) {
            assert!(len >= 2 && len <= size as DWORD, "{len} of {size}");
        }
    }

    fn status_change(&self, a: u8, b: u8) {
        let mut states: Vec<SCARD_READERSTATE> = self
            .names
            .iter()
            .take(4)
            .map(|name| SCARD_READERSTATE {
                szReader: name.as_ptr(),
                pvUserData: null_mut(),
                dwCurrentState: DWORD::from(a) | DWORD::from(b & 3) << 8,
                dwEventState: 0,
                cbAtr: 0,
                rgbAtr: [0; 33],
            })
            .collect();
        let before = time::skipped();
        let timeout = DWORD::from(b) * 20;
        // SAFETY: that many entries.
        let result = unsafe { SCardGetStatusChange(self.context, timeout, states.as_mut_ptr(), states.len() as DWORD) };
        documented(result);
        assert!(states.iter().all(|state| state.cbAtr <= 33));
        // A look at a reader that keeps silent takes its time, but not for ever.
        assert!(
            time::skipped() - before < 3600 * 1_000_000_000,
            "a wait of {timeout} ms"
        );
    }

    fn control(&self, a: u8, b: u8, input: &mut Input<'_>) {
        // The list of features, the escape, where the device is, and features by their numbers: PIN verification and change,
        // PIN properties, TLV properties, and one that is not there.
        let codes =
            [3400, 1, 3601, 0x33_0006, 0x33_0007, 0x33_000A, 0x33_0012, 0x33_0008].map(|code| 0x4200_0000 + code);
        let data = match a >> 4 & 3 {
            0 => Vec::new(),
            1 => {
                let mut bytes = vec![b; if a & 1 == 0 { 19 } else { 24 }];
                bytes.extend([0, 0x20, 0, 1, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
                let at = bytes.len() - 17;
                bytes[at..at + 4].copy_from_slice(&13_u32.to_le_bytes());
                bytes
            }
            _ => input.counted().to_vec(),
        };
        let size = [0, 2, 258, usize::from(b)][usize::from(a >> 6)];
        let mut room = Room::new(size);
        let mut len: DWORD = 0;
        // SAFETY: buffers of the lengths given.
        let result = unsafe {
            SCardControl(
                self.card(b),
                codes[usize::from(a & 7)],
                data.as_ptr().cast(),
                data.len() as DWORD,
                room.bytes.as_mut_ptr().cast(),
                size as DWORD,
                &raw mut len,
            )
        };
        room.is_kept();
        if documented(result) {
            assert!(len <= size as DWORD);
        }
    }

    fn status_and_attributes(&self, a: u8, b: u8, input: &mut Input<'_>) {
        let card = self.card(a);
        let (mut name, mut atr) = (Room::new(128), Room::new(33));
        let (mut name_len, mut state, mut protocol, mut atr_len) = (128, 0, 0, 33);
        // SAFETY: places of the lengths given.
        documented(unsafe {
            SCardStatus(
                card,
                name.bytes.as_mut_ptr().cast(),
                &raw mut name_len,
                &raw mut state,
                &raw mut protocol,
                atr.bytes.as_mut_ptr(),
                &raw mut atr_len,
            )
        });
        name.is_kept();
        atr.is_kept();
        let id = DWORD::from(input.u32());
        let id = if a & 0x40 == 0 {
            [0x0001_0100, 0x0009_0303, 0x0008_0201, 0x7FFF_0003, 0x0002_0110][usize::from(b) % 5]
        } else {
            id
        };
        let size = usize::from(b);
        let (mut room, mut len) = (Room::new(size), size as DWORD);
        // SAFETY: a buffer of that length.
        documented(unsafe { SCardGetAttrib(card, id, room.bytes.as_mut_ptr(), &raw mut len) });
        room.is_kept();
        // SAFETY: as many bytes.
        documented(unsafe { SCardSetAttrib(card, id, room.bytes.as_ptr(), size as DWORD) });
    }

    fn call(&mut self, [what, a, b]: [u8; 3], input: &mut Input<'_>) {
        if matches!(what % 16, 8 | 9 | 11 | 12) {
            self.end_others(self.card(a));
        }
        match what % 16 {
            0 => self.list(),
            1 | 2 => self.connect(a, b),
            3..=5 => self.transmit(a, b, input),
            6 => self.status_change(a, b),
            7 => self.control(a, b, input),
            8 => self.status_and_attributes(a, b, input),
            9 => drop(documented(SCardBeginTransaction(self.card(a)))),
            10 => drop(documented(SCardEndTransaction(self.card(a), DWORD::from(b & 7)))),
            11 => {
                let mut protocol = 0;
                // SAFETY: a place.
                documented(unsafe {
                    SCardReconnect(
                        self.card(a),
                        DWORD::from(b & 3),
                        DWORD::from(b >> 2 & 7),
                        DWORD::from(a >> 6),
                        &raw mut protocol,
                    )
                });
            }
            12 => {
                let card = self.card(a);
                // One that is refused keeps its handle, and its transaction.
                let gone = documented(SCardDisconnect(card, DWORD::from(b & 7)));
                if gone && b & 0x80 == 0 {
                    self.cards.retain(|kept| *kept != card);
                }
            }
            13 => self.reader.inject(made::injection(input)),
            14 => match b % 4 {
                0 => drop(self.reader.remove(a & 3)),
                1 => drop(self.reader.insert(a & 3, made::card(input))),
                2 => drop(documented(SCardCancel(self.context))),
                _ => sim::suspend(Duration::from_secs(b.into())),
            },
            _ => {
                // Time passes.
                time::skip(i64::from(a) * 100_000_000);
            }
        }
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// A reader without faults works, whatever happened before; and nothing was left open.
fn all_is_well(context: SCARDCONTEXT) {
    let reader = sim::plug(Config::default()).expect("plugged");
    drop(reader.insert(0, Says::yes()));
    let mut play = Play {
        context,
        names: Vec::new(),
        cards: Vec::new(),
        reader: &reader,
    };
    play.list();
    assert_eq!(play.names.len(), 1, "{:?}", play.names);
    play.connect(2, 3);
    assert_eq!(play.cards.len(), 1);
    play.transmit(0, 0, &mut Input::new(&[]));
    documented(SCardDisconnect(play.cards[0], 0));
    reader.unplug();
}

pub fn run(data: &[u8]) {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    static OPEN: AtomicU32 = AtomicU32::new(0);
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    if number == 0 {
        // Calls that may be refused instead of waiting are.
        // SAFETY: the only thread there is.
        unsafe { std::env::set_var("PCSCLITE_NO_BLOCKING", "1") };
    }
    let mut context = 0;
    // SAFETY: a place for the context.
    assert!(documented(unsafe {
        SCardEstablishContext(2, null(), null(), &raw mut context)
    }));
    if number % 512 == 100 {
        all_is_well(context);
    }
    play(context, &mut Input::new(data));
    assert!(documented(SCardReleaseContext(context)));
    if number % 512 == 100 {
        let open = u32::try_from(descriptors()).expect("few");
        let first = OPEN.swap(open, Ordering::Relaxed);
        assert!(
            first == 0 || open <= first + 2,
            "{first} descriptors were open, now {open}"
        );
    }
}

fn play(context: SCARDCONTEXT, input: &mut Input<'_>) {
    // A descriptor the bus cannot be made of, as one with 0 interfaces, is refused here.
    let Ok(reader) = sim::plug(made::config(input)) else {
        return;
    };
    for slot in 0..1 + input.below(3) {
        drop(reader.insert(slot, made::card(input)));
    }
    for _ in 0..input.below(5) {
        reader.inject(made::injection(input));
    }
    let mut play = Play {
        context,
        names: Vec::new(),
        cards: Vec::new(),
        reader: &reader,
    };
    play.list();
    play.connect(input.u8() | 2, 3);
    for _ in 0..40 {
        if input.is_empty() {
            break;
        }
        let before = time::skipped();
        play.call([input.u8(), input.u8(), input.u8()], input);
        let hours = (time::skipped() - before) / 3_600_000_000_000;
        assert!(hours < 4, "a call took {hours} hours");
    }
    reader.unplug();
}
