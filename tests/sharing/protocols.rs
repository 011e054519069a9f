//! Which protocol a connection gets: one per reader, T=1 before T=0, RAW for everybody.

use crate::card_bench::*;

fn refused(context: &Context, bench: &Bench, share: u64, protocols: u64) -> Error {
    context.connect(&bench.name, share, protocols).map(drop).unwrap_err()
}

/// Offer of the card, what the reader can do (1 T=0, 2 T=1), what the caller asks for, what comes out.
#[test]
fn the_first_connection_chooses_the_protocol() {
    let old_any = SCARD_PROTOCOL_ANY_OLD;
    for (card, reader, asked, expected) in [
        (Protocols::Both, 3, ANY, Ok(T1)),
        (Protocols::Both, 3, T0, Ok(T0)),
        (Protocols::Both, 3, T1, Ok(T1)),
        (Protocols::Both, 3, old_any, Ok(T1)),
        (Protocols::Both, 3, T1 | 8, Ok(T1)),
        (Protocols::Both, 3, ANY | RAW, Ok(RAW)),
        (Protocols::Both, 3, RAW, Ok(RAW)),
        (Protocols::Both, 1, ANY, Ok(T0)),
        (Protocols::Both, 1, T1, Err(ProtoMismatch)),
        (Protocols::Both, 2, T0, Err(ProtoMismatch)),
        (Protocols::T0, 3, ANY, Ok(T0)),
        (Protocols::T0, 3, old_any, Ok(T0)),
        (Protocols::T0, 3, T1, Err(ProtoMismatch)),
        (Protocols::T1, 3, ANY, Ok(T1)),
        (Protocols::T1, 3, T0, Err(ProtoMismatch)),
        (Protocols::T1, 3, 8, Err(ProtoMismatch)),
    ] {
        let bench = Bench::with(
            Config {
                protocols: reader,
                ..Config::default()
            },
            BuiltinCard::new(card),
        );
        let context = Context::new();
        let result = context.connect(&bench.name, SHARED, asked).map(|card| card.active);
        assert_eq!(result, expected, "card {card:?}, reader {reader}, asked {asked:#x}");
    }
}

#[test]
fn later_connections_must_accept_the_protocol_in_use() {
    for (first, mine, other) in [(T0, T0, T1), (T1, T1, T0)] {
        let (bench, context) = (Bench::new(), Context::new());
        let one = context.connect(&bench.name, SHARED, first).unwrap();
        let negotiations = bench.reader.counters().set_parameters;
        assert_eq!(refused(&context, &bench, SHARED, other), ProtoMismatch);
        assert_eq!(context.connect(&bench.name, SHARED, mine).unwrap().active, mine);
        assert_eq!(context.connect(&bench.name, SHARED, ANY).unwrap().active, mine);
        assert_eq!(one.transmit_as(mine, SELECT), Ok(OK_SW.into()));
        assert_eq!(
            bench.reader.counters().set_parameters,
            negotiations,
            "no second negotiation"
        );
    }
}

#[test]
fn the_choice_outlives_the_connection_until_a_reset() {
    let (bench, context) = (Bench::new(), Context::new());
    drop(context.connect(&bench.name, SHARED, T0).unwrap());
    assert_eq!(refused(&context, &bench, SHARED, T1), ProtoMismatch);
    let card = context.connect(&bench.name, SHARED, T0).unwrap();
    card.disconnect(RESET).unwrap();
    assert_eq!(context.connect(&bench.name, SHARED, T1).unwrap().active, T1);
}

#[test]
fn direct_connections_choose_nothing_and_report_what_is_in_use() {
    let (bench, context) = (Bench::new(), Context::new());
    let early = context.connect(&bench.name, DIRECT, ANY).unwrap();
    assert_eq!(early.active, 0, "protocols in the mask count for nothing");
    assert_eq!(bench.power().0, 0, "connecting is no power-up");
    // SCardStatus shows the card as it is once it has answered to reset, as pcsc-lite does.
    assert_eq!(early.status().unwrap().protocol, 0);
    assert_eq!(bench.reader.counters().set_parameters, 0, "no negotiation");
    let shared = context.connect(&bench.name, SHARED, T0).unwrap();
    assert_eq!(early.status().unwrap().protocol, T0);
    assert_eq!(context.direct(&bench).active, T0);
    assert_eq!(
        context.connect(&bench.name, DIRECT, T1).unwrap().active,
        T0,
        "nor is there a mismatch"
    );
    assert_eq!(shared.transmit_as(T0, SELECT), Ok(OK_SW.into()));
}

#[test]
fn raw_of_one_is_raw_for_all_until_a_reset() {
    let (bench, context) = (Bench::new(), Context::new());
    let victim = context.connect(&bench.name, SHARED, T1).unwrap();
    let negotiations = bench.reader.counters().set_parameters;
    let raw = context.connect(&bench.name, SHARED, RAW | T1).unwrap();
    assert_eq!((raw.active, victim.status().unwrap().protocol), (RAW, RAW));
    assert_eq!(
        bench.reader.counters().set_parameters,
        negotiations,
        "RAW negotiates nothing"
    );
    assert_eq!(victim.transmit_as(T1, SELECT), Err(ProtoMismatch));
    assert_eq!(refused(&context, &bench, SHARED, ANY), ProtoMismatch);
    assert_eq!(victim.reconnect(SHARED, ANY, LEAVE), Err(ProtoMismatch));
    raw.disconnect(RESET).unwrap();
    assert_eq!(victim.reconnect(SHARED, ANY, LEAVE), Ok(T1));
    assert_eq!(victim.transmit_as(T1, SELECT), Ok(OK_SW.into()));
}

#[test]
fn raw_counts_in_a_direct_connection_too() {
    let (bench, context) = (Bench::new(), Context::new());
    let direct = context.connect(&bench.name, DIRECT, RAW).unwrap();
    assert_eq!((direct.active, bench.power().0), (RAW, 0));
}

#[test]
fn a_reader_that_refuses_the_parameters_makes_the_card_unresponsive() {
    let (bench, context) = (Bench::new(), Context::new());
    let refusal = Injection {
        fault: Fault::Fail(0xFE),
        on: Some(kind::SET_PARAMETERS),
        times: Times::Always,
    };
    bench.reader.inject(refusal);
    assert_eq!(refused(&context, &bench, SHARED, ANY), UnresponsiveCard);
    bench.reader.clear_faults();
    assert_eq!(context.shared(&bench).active, T1);
}

/// A reader that leaves the protocol to the host works like any other.
#[test]
fn every_exchange_level_has_both_protocols() {
    let context = Context::new();
    for level in [Level::Character, Level::Tpdu, Level::ShortApdu, Level::ExtendedApdu] {
        for (card, asked, expected) in [
            (Protocols::Both, ANY, Ok(T1)),
            (Protocols::Both, T0, Ok(T0)),
            (Protocols::T1, ANY, Ok(T1)),
            (Protocols::T0, ANY, Ok(T0)),
            (Protocols::T0, T1, Err(ProtoMismatch)),
        ] {
            let bench = Bench::with(Config::at_level(level), BuiltinCard::new(card));
            let result = context.connect(&bench.name, SHARED, asked);
            let active = result.as_ref().map(|card| card.active).map_err(|error| *error);
            assert_eq!(active, expected, "{level:?} {card:?}");
            if let (Ok(card), Ok(protocol)) = (result, expected) {
                assert_eq!(card.transmit_as(protocol, SELECT), Ok(OK_SW.into()), "{level:?}");
            }
        }
    }
}
