//! SCardControl.
#![allow(unsafe_code, reason = "passes null pointers")]

use std::ptr;

use winscard::api::io::SCardControl;

use crate::card_bench::*;

const TLV_PROPERTIES: u64 = 0x4233_0012;
const ESCAPE: u64 = 0x4200_0001;
const USB_PATH: u64 = 0x4200_0E11;

fn connected() -> (Bench, Context, Card) {
    let (bench, context) = (Bench::new(), Context::new());
    let card = context.shared(&bench);
    (bench, context, card)
}

#[test]
fn features_under_either_code() {
    let (bench, _context, card) = connected();
    let expected = [0x12, 4, 0x42, 0x33, 0x00, 0x12];
    for code in [CM_IOCTL_GET_FEATURE_REQUEST, 0x0031_3520] {
        assert_eq!(card.control_into(code, &[], 264), (Ok(expected.into()), 6));
        assert_eq!(card.control_into(code, &[], 6), (Ok(expected.into()), 6));
        for room in [0, 1, 3, 5] {
            assert_eq!(
                card.control_into(code, &[], room),
                (Err(InsufficientBuffer), 6),
                "room {room}"
            );
        }
    }
    assert_eq!(
        card.control_into(USB_PATH, &[], 64).0,
        Ok(bench.reader.interface().usb_path.clone().into_bytes())
    );
}

#[test]
fn properties_of_the_reader() {
    let (_bench, _context, card) = connected();
    let mut bytes = &card.control_into(TLV_PROPERTIES, &[], 264).0.unwrap()[..];
    let mut found = Vec::new();
    while let [tag, len, rest @ ..] = bytes {
        let (value, rest) = rest.split_at(usize::from(*len));
        found.push((u64::from(*tag), value.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty());
    let value = |tag| found.iter().find(|(t, _)| *t == tag).map(|(_, value)| value.clone());
    assert_eq!(value(PCSCv2_PART10_PROPERTY_wIdVendor), Some(vec![0x09, 0x12]));
    assert_eq!(value(PCSCv2_PART10_PROPERTY_wIdProduct), Some(vec![0x01, 0x00]));
    assert_eq!(value(PCSCv2_PART10_PROPERTY_wLcdLayout), Some(vec![0, 0]));
    assert_eq!(value(PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize), Some(vec![0, 0, 1, 0]));
}

#[test]
fn arguments() {
    let (bench, context, card) = connected();
    let code = CM_IOCTL_GET_FEATURE_REQUEST;
    assert_eq!(Handle(0).control_into(code, &[], 8), (Err(InvalidHandle), 0));
    assert_eq!(
        Handle(context.value).control_into(code, &[0; 65_549], 8),
        (Err(InvalidHandle), 0)
    );
    assert_eq!(card.control_into(code, &[0; 65_549], 8), (Err(InsufficientBuffer), 0));
    assert_eq!(card.control_into(code, &[0; 65_548], 8).1, 6);
    assert_eq!(card.control_into(code, &[], 100_000).1, 6, "any room will do");
    let mut answer = [0_u8; 8];
    // SAFETY: null where the prototype allows it, and a buffer of our own.
    let result = unsafe {
        SCardControl(
            card.handle.0,
            code,
            ptr::null(),
            0,
            answer.as_mut_ptr().cast(),
            8,
            ptr::null_mut(),
        )
    };
    assert_eq!((outcome(result), answer[0]), (Ok(()), 0x12), "the length is optional");
    for unknown in [0, 0x4200_0002, 0x4233_0006, 0x4200_0E12, 0xFFFF_FFFF] {
        assert_eq!(
            card.control_into(unknown, &[1, 2], 64),
            (Err(UnsupportedFeature), 0),
            "{unknown:#x}"
        );
    }
    let commands = bench.reader.counters().commands;
    assert_eq!(
        card.control_into(ESCAPE, &[2], 64),
        (Err(NotTransacted), 0),
        "not allowed by default"
    );
    assert_eq!(bench.reader.counters().commands, commands, "and not sent");
}

#[test]
fn neither_a_card_nor_a_clean_slate_is_needed() {
    let context = Context::new();
    for bench in [
        Bench::empty(Config::default()),
        Bench::with(Config::default(), BuiltinCard::mute()),
    ] {
        assert!(context.direct(&bench).features().is_ok());
        assert_eq!(bench.power().1, 0);
    }
    let (bench, context, card) = connected();
    context.shared(&bench).disconnect(RESET).unwrap();
    assert_eq!(card.status(), Err(ResetCard));
    assert!(card.features().is_ok());
    bench.remove();
    assert!(card.features().is_ok());
    assert_eq!(card.status(), Err(RemovedCard), "nothing was acknowledged by it");
    bench.reader.unplug();
    assert_eq!(
        card.control_into(CM_IOCTL_GET_FEATURE_REQUEST, &[], 64),
        (Err(InvalidValue), 0)
    );
}

#[test]
fn every_share_mode_may() {
    let (bench, context) = (Bench::new(), Context::new());
    for share in [EXCLUSIVE, SHARED, DIRECT] {
        let card = context.connect(&bench.name, share, ANY).unwrap();
        assert!(card.features().is_ok(), "mode {share}");
    }
}

#[test]
fn escapes_reach_the_reader_where_they_are_allowed() {
    in_child(
        "control::escapes_reach_the_reader_where_they_are_allowed",
        &[("WINSCARD_ESCAPE", "1")],
        || {
            let (bench, context) = (Bench::empty(Config::default()), Context::new());
            let card = context.direct(&bench);
            // The software reader echoes.
            assert_eq!(card.control_into(ESCAPE, &[1, 2, 3], 64), (Ok(vec![1, 2, 3]), 3));
            assert_eq!(card.control_into(ESCAPE, &[1, 2, 3], 2), (Err(InsufficientBuffer), 3));
            assert_eq!(card.control_into(ESCAPE, &[], 0).1, 0);
            let features = card.features().unwrap();
            assert_eq!(features[6..], [0x13, 4, 0x42, 0x00, 0x00, 0x01]);
            bench.reader.inject(Injection {
                fault: Fault::Fail(0),
                on: Some(kind::ESCAPE),
                times: Times::Count(1),
            });
            assert_eq!(card.control_into(ESCAPE, &[1], 64), (Err(NotTransacted), 0));
            assert_eq!(bench.reader.counters().escapes, 4);
        },
    );
}
