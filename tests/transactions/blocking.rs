//! Which calls wait for another's transaction and which say so at once; PCSCLITE_NO_BLOCKING.

use crate::card_bench::*;

fn owner_and_other() -> (Bench, Context, Card, Card) {
    let (bench, context) = (Bench::new(), Context::new());
    let (owner, other) = (context.shared(&bench), context.shared(&bench));
    owner.begin().unwrap();
    (bench, context, owner, other)
}

#[test]
fn control_attributes_and_end_say_so_at_once() {
    let (_bench, _context, _owner, other) = owner_and_other();
    let card = other.handle;
    assert_eq!(at_once(move || card.features()), Err(SharingViolation));
    assert_eq!(
        at_once(move || card.control_into(99, &[], 8).0),
        Err(SharingViolation),
        "also an unknown code"
    );
    assert_eq!(
        at_once(move || card.attribute(SCARD_ATTR_ATR_STRING)),
        Err(SharingViolation)
    );
    assert_eq!(
        at_once(move || card.attribute(99)),
        Err(SharingViolation),
        "also an unknown attribute"
    );
    assert_eq!(at_once(move || card.set_attribute(99, &[0])), Err(SharingViolation));
    assert_eq!(at_once(move || card.end(LEAVE)), Err(SharingViolation));
    assert_eq!(at_once(move || card.end(RESET)), Err(SharingViolation));
}

#[test]
fn begin_transmit_status_and_reconnect_wait() {
    let calls: [(&str, Body); 6] = [
        ("SCardBeginTransaction", |card| card.begin()),
        ("SCardTransmit", |card| card.transmit(SELECT).map(drop)),
        ("SCardTransmit, wrong protocol", |card| {
            match card.transmit_as(T0, SELECT) {
                Err(ProtoMismatch) => Ok(()),
                other => panic!("{other:?}"),
            }
        }),
        ("SCardStatus", |card| card.status().map(drop)),
        ("SCardReconnect LEAVE", |card| {
            card.reconnect(SHARED, ANY, LEAVE).map(drop)
        }),
        ("SCardReconnect RESET", |card| {
            card.reconnect(SHARED, ANY, RESET).map(drop)
        }),
    ];
    for (what, body) in calls {
        let (bench, _context, owner, other) = owner_and_other();
        let handle = other.handle;
        let waiting = call(move || body(handle)).must_wait(what);
        assert_eq!(owner.transmit(SELECT), Ok(OK_SW.into()), "the owner goes on meanwhile");
        assert_eq!(bench.power(), (1, 0, 0));
        owner.end(LEAVE).unwrap();
        assert_eq!(waiting.end(), Ok(()), "{what}");
    }
}

/// SCardStatus and SCardTransmit look at the transaction before they look at events, SCardBeginTransaction after.
#[test]
fn with_something_to_acknowledge_status_and_transmit_wait_and_begin_does_not() {
    let (bench, context) = (Bench::new(), Context::new());
    let (owner, other) = (context.shared(&bench), context.shared(&bench));
    owner.begin().unwrap();
    owner.begin().unwrap();
    owner.end(RESET).unwrap();
    let card = other.handle;
    assert_eq!(at_once(move || card.begin()), Err(ResetCard));
    assert_eq!(
        at_once(move || card.attribute(SCARD_ATTR_ATR_STRING)),
        Err(SharingViolation)
    );
    assert_eq!(at_once(move || card.end(LEAVE)), Err(ResetCard));
    let status = call(move || card.status()).must_wait("SCardStatus");
    let transmit = call(move || card.transmit(SELECT)).must_wait("SCardTransmit");
    owner.acknowledge();
    owner.end(LEAVE).unwrap();
    assert_eq!((status.end(), transmit.end()), (Err(ResetCard), Err(ResetCard)));
}

#[test]
fn arguments_are_refused_without_waiting() {
    let (_bench, _context, _owner, other) = owner_and_other();
    let card = other.handle;
    assert_eq!(at_once(move || card.reconnect(SHARED, ANY, EJECT)), Err(InvalidValue));
    assert_eq!(at_once(move || card.reconnect(9, ANY, LEAVE)), Err(InvalidValue));
    assert_eq!(at_once(move || card.reconnect(SHARED, 0, LEAVE)), Err(ProtoMismatch));
    assert_eq!(at_once(move || card.disconnect(9)), Err(InvalidValue));
    assert_eq!(
        at_once(move || card.transmit_into(T1, &[0; 65_549], &mut [0; 2])),
        (Err(InsufficientBuffer), 2)
    );
    assert_eq!(at_once(move || card.end(9)), Err(InvalidValue));
}

#[test]
fn no_blocking_by_environment() {
    in_child(
        "blocking::no_blocking_by_environment",
        &[("PCSCLITE_NO_BLOCKING", "")],
        || {
            let (bench, context, owner, other) = owner_and_other();
            let card = other.handle;
            assert_eq!(at_once(move || card.transmit(SELECT)), Err(SharingViolation));
            assert_eq!(at_once(move || card.status()), Err(SharingViolation));
            assert_eq!(
                at_once(move || card.reconnect(SHARED, ANY, LEAVE)),
                Err(SharingViolation)
            );
            assert_eq!(
                at_once(move || card.reconnect(SHARED, ANY, RESET)),
                Err(SharingViolation)
            );
            assert_eq!(bench.power(), (1, 0, 0), "no reset");
            let begin = call(move || card.begin()).must_wait("SCardBeginTransaction");
            let (value, name) = (context.value, bench.name.clone());
            let connecting = call(move || connect(value, &name, DIRECT, 0).map(drop)).must_wait("SCardConnect");
            let third = Context::new();
            owner.end(LEAVE).unwrap();
            assert_eq!(begin.end(), Ok(()));
            other.end(LEAVE).unwrap();
            assert_eq!(connecting.end(), Ok(()));
            // EXCLUSIVE beside others is a violation at once, too, and resets nothing.
            assert_eq!(other.reconnect(EXCLUSIVE, ANY, RESET), Err(SharingViolation));
            assert_eq!(bench.power(), (1, 0, 0));
            assert!(third.is_valid());
        },
    );
}
