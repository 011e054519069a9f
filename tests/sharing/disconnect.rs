//! SCardDisconnect: each disposition on the wire and as others see it.

use crate::card_bench::*;

/// Two connections in a verified PIN; the first is disconnected in this way. What the wire saw of it.
fn disconnected(disposition: u64) -> (Bench, Context, Card, (u64, u64, u64)) {
    let (bench, context) = (Bench::new(), Context::new());
    let (first, second) = (context.shared(&bench), context.shared(&bench));
    assert_eq!(first.transmit(VERIFY), Ok(OK_SW.into()));
    let before = bench.power();
    assert_eq!(first.disconnect(disposition), Ok(()));
    assert_eq!(first.disconnect(disposition), Err(InvalidHandle));
    let after = bench.power();
    let wire = (after.0 - before.0, after.1 - before.1, after.2 - before.2);
    (bench, context, second, wire)
}

#[test]
fn leave_leaves_the_card() {
    let (_bench, _context, other, wire) = disconnected(LEAVE);
    assert_eq!(wire, (0, 0, 0));
    assert_eq!(other.transmit(IS_VERIFIED), Ok(OK_SW.into()));
}

#[test]
fn eject_does_nothing_and_succeeds() {
    let (_bench, _context, other, wire) = disconnected(EJECT);
    assert_eq!(wire, (0, 0, 0));
    assert_eq!(other.transmit(IS_VERIFIED), Ok(OK_SW.into()));
}

#[test]
fn reset_is_one_warm_reset_that_all_others_are_told_of() {
    let (bench, _context, other, wire) = disconnected(RESET);
    assert_eq!(wire, (0, 1, 0), "one warm reset");
    assert_eq!(other.status(), Err(ResetCard));
    other.acknowledge();
    assert_eq!(
        other.transmit(IS_VERIFIED),
        Ok(vec![0x63, 0xC3]),
        "the PIN is no longer verified"
    );
    assert_eq!(bench.power(), (1, 1, 0), "acknowledging resets nothing");
}

#[test]
fn unpower_switches_off_and_keeps_the_atr() {
    let (bench, context, other, wire) = disconnected(UNPOWER);
    assert_eq!(wire, (0, 0, 1), "off, and not on again");
    assert_eq!(other.transmit(SELECT), Err(ResetCard));
    let direct = context.direct(&bench);
    let status = direct.status().unwrap();
    assert_eq!((status.state, status.protocol, direct.active), (SCARD_PRESENT, 0, 0));
    assert!(!status.atr.is_empty());
    let next = context.shared(&bench);
    assert_eq!(
        (next.active, bench.power()),
        (T1, (2, 0, 1)),
        "powered up for the next one"
    );
    assert_eq!(next.status().unwrap().state, STATE_POWERED);
    assert_eq!(next.transmit(IS_VERIFIED), Ok(vec![0x63, 0xC3]));
}

#[test]
fn a_wrong_disposition_keeps_the_connection() {
    let (bench, context) = (Bench::new(), Context::new());
    let card = context.shared(&bench);
    for wrong in [4, 99, 0xFFFF_FFFF] {
        assert_eq!(card.disconnect(wrong), Err(InvalidValue));
        assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()));
    }
    for nobody in [Handle(0), Handle(-1), Handle(card.handle.0 + 1), Handle(context.value)] {
        assert_eq!(
            nobody.disconnect(99),
            Err(InvalidHandle),
            "the handle is looked at first"
        );
        assert_eq!(nobody.disconnect(LEAVE), Err(InvalidHandle));
    }
}

#[test]
fn a_reader_that_is_gone_is_no_obstacle() {
    for disposition in [LEAVE, RESET, UNPOWER, EJECT] {
        let (bench, context) = (Bench::new(), Context::new());
        let (card, busy) = (context.shared(&bench), context.shared(&bench));
        busy.begin().unwrap();
        bench.reader.unplug();
        assert_eq!(card.disconnect(99), Err(InvalidValue));
        assert_eq!(card.disconnect(disposition), Ok(()), "disposition {disposition}");
        assert_eq!(card.disconnect(disposition), Err(InvalidHandle));
        assert_eq!(busy.disconnect(disposition), Ok(()), "in a transaction");
    }
}

#[test]
fn a_card_that_does_not_come_back_from_the_reset_is_no_obstacle() {
    let (bench, context) = (Bench::new(), Context::new());
    let (card, other) = (context.shared(&bench), context.shared(&bench));
    bench.reader.inject(Injection {
        fault: Fault::Fail(0xFE),
        on: Some(kind::ICC_POWER_ON),
        times: Times::Always,
    });
    assert_eq!(card.disconnect(RESET), Ok(()));
    assert_eq!(other.status(), Err(ResetCard));
    assert_eq!(context.direct(&bench).status().unwrap().state, STATE_MUTE);
    bench.reader.clear_faults();
    assert!(context.connect(&bench.name, SHARED, ANY).is_ok());
}

#[test]
fn resetting_an_empty_reader_succeeds() {
    for disposition in [RESET, UNPOWER] {
        let (bench, context) = (Bench::new(), Context::new());
        let card = context.shared(&bench);
        bench.remove();
        assert_eq!(card.disconnect(disposition), Ok(()));
        let status = context.direct(&bench).status().unwrap();
        assert_eq!(status.state & 0xFFFF, SCARD_ABSENT, "disposition {disposition}");
    }
}

#[test]
fn what_touches_the_card_waits_for_others_transactions_and_leave_does_not() {
    for (disposition, blocks) in [(LEAVE, false), (RESET, true), (UNPOWER, true), (EJECT, true)] {
        let (bench, context) = (Bench::new(), Context::new());
        let (owner, leaver) = (context.shared(&bench), context.shared(&bench));
        owner.begin().unwrap();
        let handle = leaver.handle;
        let leaving = call(move || handle.disconnect(disposition));
        let leaving = if blocks {
            leaving.must_wait("SCardDisconnect")
        } else {
            leaving
        };
        if !blocks {
            assert_eq!(leaving.end(), Ok(()), "while the transaction lasts");
            continue;
        }
        assert_eq!(
            owner.transmit(SELECT),
            Ok(OK_SW.into()),
            "no reset within the transaction"
        );
        assert_eq!(bench.power(), (1, 0, 0));
        owner.end(LEAVE).unwrap();
        assert_eq!(leaving.end(), Ok(()), "disposition {disposition}");
        assert_eq!(leaver.status(), Err(InvalidHandle));
    }
}

#[test]
fn the_connections_own_transaction_ends_with_it_however_deep() {
    for disposition in [LEAVE, RESET, UNPOWER, EJECT] {
        let (bench, context) = (Bench::new(), Context::new());
        let (leaver, other) = (context.shared(&bench), context.shared(&bench));
        for _ in 0..3 {
            leaver.begin().unwrap();
        }
        assert_eq!(at_once(move || leaver.disconnect(disposition)), Ok(()));
        let resets = matches!(disposition, RESET | UNPOWER);
        let handle = other.handle;
        assert_eq!(
            at_once(move || handle.begin()),
            if resets { Err(ResetCard) } else { Ok(()) }
        );
    }
}

#[test]
fn leaving_exclusive_makes_room_without_a_reset() {
    let (bench, context) = (Bench::new(), Context::new());
    let exclusive = context.exclusive(&bench);
    assert_eq!(exclusive.transmit(VERIFY), Ok(OK_SW.into()));
    exclusive.disconnect(LEAVE).unwrap();
    let next = context.shared(&bench);
    assert_eq!(next.transmit(IS_VERIFIED), Ok(OK_SW.into()));
    assert_eq!(bench.power(), (1, 0, 0));
}
