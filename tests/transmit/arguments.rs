//! SCardTransmit: pointers, lengths, protocols, and the order in which they are looked at.
#![allow(unsafe_code, reason = "passes null pointers and overlapping buffers")]

use std::ptr;

use winscard::api::io::SCardTransmit;
use winscard::api::pci::{g_rgSCardRawPci, g_rgSCardT0Pci, g_rgSCardT1Pci};
use winscard::api::types::{DWORD, SCARD_IO_REQUEST};

use crate::card_bench::*;

fn connected() -> (Bench, Context, Card) {
    let (bench, context) = (Bench::new(), Context::new());
    let card = context.shared(&bench);
    (bench, context, card)
}

#[test]
fn null_pointers_are_refused_first_and_the_length_stays() {
    let (bench, _context, card) = connected();
    let exchanges = bench.reader.counters().xfr_blocks;
    for handle in [card.handle.0, 0] {
        for null in 0..4 {
            let mut response = [0_u8; 8];
            let mut len: DWORD = 8;
            let given = |at: usize| at != null;
            let pci = if given(0) {
                &raw const g_rgSCardT1Pci
            } else {
                ptr::null()
            };
            let command = if given(1) { SELECT.as_ptr() } else { ptr::null() };
            let buffer = if given(2) {
                response.as_mut_ptr()
            } else {
                ptr::null_mut()
            };
            let length = if given(3) { &raw mut len } else { ptr::null_mut() };
            // SAFETY: null, or buffers of our own with their lengths.
            let code = unsafe { SCardTransmit(handle, pci, command, 7, ptr::null_mut(), buffer, length) };
            assert_eq!((outcome(code), len), (Err(InvalidParameter), 8), "argument {null}");
        }
    }
    assert_eq!(bench.reader.counters().xfr_blocks, exchanges);
}

#[test]
fn then_the_handle_then_the_length_of_the_command() {
    let (bench, context, card) = connected();
    let long = vec![0; 65_549];
    let mut room = [0; 8];
    assert_eq!(Handle(0).transmit_into(T1, SELECT, &mut room), (Err(InvalidHandle), 0));
    assert_eq!(
        Handle(context.value).transmit_into(T1, SELECT, &mut room),
        (Err(InvalidHandle), 0)
    );
    assert_eq!(Handle(0).transmit_into(T1, &long, &mut room), (Err(InvalidHandle), 0));
    assert_eq!(
        card.transmit_into(99, &long, &mut room),
        (Err(InsufficientBuffer), 8),
        "and the length stays"
    );
    bench.remove();
    assert_eq!(card.transmit_into(99, &long, &mut room), (Err(InsufficientBuffer), 8));
    assert_eq!(
        card.transmit_into(99, SELECT, &mut room),
        (Err(RemovedCard), 0),
        "events, then the protocol"
    );
    bench.reader.unplug();
    assert_eq!(card.transmit_into(99, SELECT, &mut room), (Err(InvalidValue), 0));
}

#[test]
fn the_protocol_must_be_the_one_in_use_or_raw() {
    let context = Context::new();
    for (active, wrong) in [(T0, T1), (T1, T0)] {
        let bench = Bench::new();
        let card = context.connect(&bench.name, SHARED, active).unwrap();
        let exchanges = bench.reader.counters().xfr_blocks;
        for protocol in [wrong, 0, 8, ANY, 99] {
            assert_eq!(
                card.transmit_as(protocol, SELECT),
                Err(ProtoMismatch),
                "protocol {protocol}"
            );
        }
        assert_eq!(bench.reader.counters().xfr_blocks, exchanges);
        for protocol in [active, RAW, SCARD_PROTOCOL_ANY_OLD, active | 1 << 32] {
            assert_eq!(
                card.transmit_as(protocol, SELECT),
                Ok(OK_SW.into()),
                "protocol {protocol}"
            );
        }
    }
}

/// The exported objects, and a request whose length says nothing sensible.
#[test]
fn of_a_pci_only_the_protocol_counts_and_the_receive_pci_stays() {
    let (_bench, context, card) = connected();
    let bench_t0 = Bench::with(Config::default(), BuiltinCard::new(Protocols::T0));
    let card_t0 = context.shared(&bench_t0);
    let nonsense = SCARD_IO_REQUEST {
        dwProtocol: 2,
        cbPciLength: 0xFFFF,
    };
    for (handle, pci) in [
        (card.handle, &raw const g_rgSCardT1Pci),
        (card.handle, &raw const g_rgSCardRawPci),
        (card.handle, &raw const nonsense),
        (card_t0.handle, &raw const g_rgSCardT0Pci),
    ] {
        let mut response = [0_u8; 2];
        let mut len: DWORD = 2;
        let mut receive = SCARD_IO_REQUEST {
            dwProtocol: 77,
            cbPciLength: 78,
        };
        // SAFETY: objects and buffers of our own with their lengths.
        let code = unsafe {
            SCardTransmit(
                handle.0,
                pci,
                SELECT.as_ptr(),
                7,
                &raw mut receive,
                response.as_mut_ptr(),
                &raw mut len,
            )
        };
        assert_eq!((outcome(code), len, &response[..]), (Ok(()), 2, OK_SW));
        assert_eq!((receive.dwProtocol, receive.cbPciLength), (77, 78));
    }
}

/// 80 12 P1 P2: that many bytes counting up, and 9000.
#[test]
fn a_response_that_does_not_fit_is_lost_and_its_length_told() {
    let (bench, _context, card) = connected();
    let cases: [(&[u8], usize); 4] = [
        (&[0x80, 0x12, 0, 20, 0], 22),
        (&[0x80, 0x12, 1, 0, 0], 258),
        (&[0x80, 0x12, 0x03, 0xE8, 0, 0, 0], 1002),
        (SELECT, 2),
    ];
    for (command, needed) in cases {
        for room in [0, 1, needed / 2, needed - 1] {
            let exchanges = bench.reader.counters().xfr_blocks;
            let mut response = vec![0xEE; room];
            let result = card.transmit_into(T1, command, &mut response);
            assert_eq!(result, (Err(InsufficientBuffer), needed), "{command:02X?} into {room}");
            assert!(response.iter().all(|byte| *byte == 0xEE), "nothing is written");
            assert!(
                bench.reader.counters().xfr_blocks > exchanges,
                "the card carried it out"
            );
        }
        let mut response = vec![0xEE; needed];
        assert_eq!(
            card.transmit_into(T1, command, &mut response),
            (Ok(()), needed),
            "exactly enough"
        );
        assert_eq!(response[needed - 2..], *OK_SW);
    }
}

#[test]
fn what_did_not_fit_was_carried_out_all_the_same() {
    let (_bench, _context, card) = connected();
    let mut nothing = [0; 1];
    // UPDATE BINARY of EF 0001.
    assert_eq!(
        card.transmit_into(T1, &[0, 0xD6, 0x81, 0, 1, 0x5A], &mut nothing),
        (Err(InsufficientBuffer), 2)
    );
    assert_eq!(card.transmit(&[0, 0xB0, 0x81, 0, 1]), Ok(vec![0x5A, 0x90, 0x00]));
}

#[test]
fn room_beyond_the_longest_response_is_welcome() {
    let (_bench, _context, card) = connected();
    let mut room = vec![0; 200_000];
    assert_eq!(card.transmit_into(T1, SELECT, &mut room), (Ok(()), 2));
}

/// Echo, with the buffers one over the other in every way.
#[test]
fn buffers_may_overlap() {
    let (_bench, _context, card) = connected();
    for (send_at, receive_at) in [(0, 0), (0, 3), (3, 0), (0, 150), (150, 0)] {
        let mut memory = [0_u8; 600];
        let mut command = vec![0x80, 0x12, 0, 0, 200];
        command.extend((0..200_u8).map(|n| n ^ 0x55));
        command.push(0);
        memory[send_at..send_at + command.len()].copy_from_slice(&command);
        let base = memory.as_mut_ptr();
        let mut len: DWORD = 258;
        let (send, receive) = (base.wrapping_add(send_at), base.wrapping_add(receive_at));
        // SAFETY: both ranges lie within `memory`, which nobody else uses.
        let code = unsafe {
            SCardTransmit(
                card.handle.0,
                &raw const g_rgSCardT1Pci,
                send,
                DWORD::try_from(command.len()).unwrap(),
                ptr::null_mut(),
                receive,
                &raw mut len,
            )
        };
        assert_eq!((outcome(code), len), (Ok(()), 202), "{send_at} and {receive_at}");
        assert_eq!(memory[receive_at..receive_at + 200], command[5..205]);
    }
}

/// A command too short to be one is the reader's business.
#[test]
fn commands_of_no_or_one_byte_go_to_the_reader() {
    for level in [Level::ExtendedApdu, Level::ShortApdu, Level::Tpdu] {
        let (bench, context) = (Bench::new_at(level), Context::new());
        // With T=1 at TPDU level it is the card's business.
        let card = context.connect(&bench.name, SHARED, T0).unwrap();
        for command in [&[][..], &[0x00]] {
            let exchanges = bench.reader.counters().xfr_blocks;
            assert_eq!(card.transmit(command), Err(NotTransacted), "{level:?} {command:?}");
            assert_eq!(bench.reader.counters().xfr_blocks, exchanges + 1);
        }
        assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()), "{level:?}");
        assert_eq!(bench.power(), (1, 0, 0));
    }
}
