//! SCardConnect: the order of its checks, names, and cards that are not there or do not answer.
#![allow(unsafe_code, reason = "passes null pointers")]

use std::ffi::CString;
use std::ptr;

use winscard::api::card::SCardConnect;

use crate::card_bench::*;

#[test]
fn the_protocol_mask_is_checked_before_the_share_mode_and_both_before_the_name() {
    let (bench, context) = (Bench::new(), Context::new());
    for (share, protocols, name, expected) in [
        (99, 0, "nobody", ProtoMismatch),
        (99, 8, &bench.name, ProtoMismatch),
        (0, ANY, &bench.name, InvalidValue),
        (99, ANY, "nobody", InvalidValue),
        (SHARED, 0, "nobody", ProtoMismatch),
        (EXCLUSIVE, 8, &bench.name, ProtoMismatch),
        (SHARED, ANY, "nobody", UnknownReader),
        (DIRECT, 0, "nobody", UnknownReader),
    ] {
        let result = context.connect(name, share, protocols).map(drop);
        assert_eq!(result, Err(expected), "mode {share}, protocols {protocols}, {name}");
    }
    assert_eq!(
        bench.reader.counters().commands,
        0,
        "no refused call reaches the reader"
    );
}

#[test]
fn pointers_then_name_then_context_are_checked_first() {
    let bench = Bench::new();
    let context = Context::new();
    let name = CString::new(bench.name.as_str()).unwrap();
    let long = CString::new("x".repeat(129)).unwrap();
    let longest = CString::new("x".repeat(128)).unwrap();
    let connect = |context, name: *const _, with_card: bool, with_active: bool| {
        let (mut card, mut active) = (-5, 55);
        let card_out = if with_card { &raw mut card } else { ptr::null_mut() };
        let active_out = if with_active { &raw mut active } else { ptr::null_mut() };
        // SAFETY: null, or a name with NUL, or variables of our own.
        let code = unsafe { SCardConnect(context, name, SHARED, ANY, card_out, active_out) };
        (outcome(code), card, active)
    };
    assert_eq!(connect(0, ptr::null(), false, true), (Err(InvalidParameter), -5, 55));
    assert_eq!(connect(0, ptr::null(), true, false), (Err(InvalidParameter), -5, 55));
    assert_eq!(connect(0, ptr::null(), true, true).0, Err(UnknownReader));
    assert_eq!(connect(0, long.as_ptr(), true, true).0, Err(InvalidValue));
    assert_eq!(connect(0, longest.as_ptr(), true, true).0, Err(InvalidHandle));
    assert_eq!(
        connect(context.value, longest.as_ptr(), true, true),
        (Err(UnknownReader), 0, 0)
    );
    assert_eq!(
        connect(context.value + 1, name.as_ptr(), true, true).0,
        Err(InvalidHandle)
    );
    assert_eq!(
        super::card_bench::connect(0, "nobody", 99, 0).map(drop),
        Err(InvalidHandle),
        "before the mask"
    );
}

#[test]
fn names_match_exactly() {
    let (bench, context) = (Bench::new(), Context::new());
    let wrong = [
        String::new(),
        r"\\?PnP?\Notification".into(),
        bench.name.to_uppercase(),
        format!("{} ", bench.name),
        format!(" {}", bench.name),
        bench.name.strip_suffix('0').unwrap().into(),
    ];
    for name in wrong {
        assert_eq!(
            context.connect(&name, SHARED, ANY).map(drop),
            Err(UnknownReader),
            "{name:?}"
        );
        assert_eq!(
            context.connect(&name, DIRECT, 0).map(drop),
            Err(UnknownReader),
            "{name:?}"
        );
    }
    assert_eq!(context.shared(&bench).status().unwrap().name, bench.name);
}

#[test]
fn the_high_half_of_a_number_does_not_count() {
    let (bench, context) = (Bench::new(), Context::new());
    let card = context.connect(&bench.name, SHARED | 7 << 32, T1 | 1 << 32).unwrap();
    assert_eq!(card.active, T1);
}

#[test]
fn an_empty_reader_can_only_be_connected_directly() {
    let (bench, context) = (Bench::empty(Config::default()), Context::new());
    assert_eq!(context.connect(&bench.name, SHARED, ANY).map(drop), Err(NoSmartcard));
    assert_eq!(context.connect(&bench.name, EXCLUSIVE, ANY).map(drop), Err(NoSmartcard));
    assert_eq!(
        context.connect(&bench.name, SHARED, RAW).map(drop),
        Err(NoSmartcard),
        "RAW needs a card too"
    );
    let direct = context.direct(&bench);
    assert_eq!(direct.active, 0);
    let status = direct.status().unwrap();
    assert_eq!(
        (status.state, status.protocol, status.atr),
        (SCARD_ABSENT, 0, Vec::new())
    );
    assert_eq!(bench.power(), (0, 0, 0));
}

#[test]
fn a_mute_card_is_unpowered_to_connect_and_no_obstacle_to_direct() {
    let (bench, context) = (Bench::with(Config::default(), BuiltinCard::mute()), Context::new());
    assert_eq!(context.connect(&bench.name, SHARED, ANY).map(drop), Err(UnpoweredCard));
    assert_eq!(
        context.connect(&bench.name, EXCLUSIVE, T0).map(drop),
        Err(UnpoweredCard)
    );
    let direct = context.direct(&bench);
    let status = direct.status().unwrap();
    assert_eq!((direct.active, status.state, status.atr), (0, STATE_MUTE, Vec::new()));
}

#[test]
fn a_card_that_failed_to_power_up_is_tried_again() {
    let (bench, context) = (Bench::new(), Context::new());
    bench.reader.inject(Injection {
        fault: Fault::Fail(0xFE),
        on: Some(kind::ICC_POWER_ON),
        times: Times::Always,
    });
    assert_eq!(context.connect(&bench.name, SHARED, ANY).map(drop), Err(UnpoweredCard));
    assert_eq!(context.connect(&bench.name, SHARED, ANY).map(drop), Err(UnpoweredCard));
    bench.reader.clear_faults();
    let card = context.shared(&bench);
    assert_eq!(
        (card.active, card.status().unwrap().state & 0xFFFF),
        (T1, STATE_POWERED)
    );
}

/// The reference stays at SCARD_E_PROTO_MISMATCH for good when a card that was switched off does not come up again.
#[test]
fn a_failed_power_up_after_unpower_leaves_nothing_stuck() {
    let (bench, context) = (Bench::new(), Context::new());
    context.shared(&bench).handle.disconnect(UNPOWER).unwrap();
    bench.reader.inject(Injection {
        fault: Fault::Fail(0xFE),
        on: Some(kind::ICC_POWER_ON),
        times: Times::Always,
    });
    assert_eq!(context.connect(&bench.name, SHARED, ANY).map(drop), Err(UnpoweredCard));
    assert_eq!(
        context.connect(&bench.name, SHARED, RAW).map(drop),
        Err(UnpoweredCard),
        "RAW is no way around"
    );
    bench.reader.clear_faults();
    assert_eq!(context.shared(&bench).transmit(SELECT), Ok(OK_SW.into()));
}

#[test]
fn a_failed_connect_leaves_no_connection_behind() {
    let (bench, context) = (
        Bench::with(Config::default(), BuiltinCard::new(Protocols::T0)),
        Context::new(),
    );
    for _ in 0..3 {
        assert_eq!(context.connect(&bench.name, SHARED, T1).map(drop), Err(ProtoMismatch));
        assert_eq!(
            context.connect(&bench.name, EXCLUSIVE, T1).map(drop),
            Err(ProtoMismatch)
        );
    }
    let exclusive = context.exclusive(&bench);
    assert_eq!(exclusive.active, T0);
}

#[test]
fn the_context_of_a_connection_may_differ_from_that_of_another() {
    let bench = Bench::new();
    let (one, other) = (Context::new(), Context::new());
    let (a, b) = (one.shared(&bench), other.shared(&bench));
    assert_ne!(a.handle, b.handle);
    assert_eq!(a.status(), b.status());
    one.release().unwrap();
    assert_eq!(a.status(), Err(InvalidHandle));
    assert_eq!(b.transmit(SELECT), Ok(OK_SW.into()));
}

#[test]
fn slots_of_a_reader_are_readers_of_their_own() {
    let bench = Bench::with(
        Config {
            slots: 2,
            ..Config::default()
        },
        BuiltinCard::default(),
    );
    let context = Context::new();
    let second = bench.slot_name(1);
    assert_eq!(context.connect(&second, SHARED, ANY).map(drop), Err(NoSmartcard));
    assert!(bench.reader.insert(1, BuiltinCard::new(Protocols::T0)).is_none());
    let a = context.exclusive(&bench);
    let b = context
        .connect(&second, EXCLUSIVE, ANY)
        .expect("exclusiveness is of the slot");
    assert_eq!((a.active, b.active), (T1, T0));
    assert_eq!(
        (a.status().unwrap().name, b.status().unwrap().name),
        (bench.name.clone(), second)
    );
    a.begin().unwrap();
    assert_eq!(
        b.transmit(SELECT),
        Ok(OK_SW.into()),
        "nor does a transaction reach the other slot"
    );
    bench.remove();
    assert_eq!(a.status(), Err(RemovedCard));
    assert_eq!(b.transmit(SELECT), Ok(OK_SW.into()));
}
