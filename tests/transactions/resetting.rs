//! SCardEndTransaction with a reset, and transactions that a reset or removal meets.

use crate::card_bench::*;

#[test]
fn after_end_with_reset_even_the_caller_has_to_reconnect() {
    for (disposition, wire) in [(RESET, (0, 1, 0)), (UNPOWER, (1, 0, 1))] {
        let (bench, context) = (Bench::new(), Context::new());
        let (owner, other) = (context.shared(&bench), context.shared(&bench));
        owner.begin().unwrap();
        let before = bench.power();
        assert_eq!(owner.end(disposition), Ok(()));
        let after = bench.power();
        assert_eq!(
            (after.0 - before.0, after.1 - before.1, after.2 - before.2),
            wire,
            "disposition {disposition}"
        );
        for card in [&owner, &other] {
            assert_eq!(card.status(), Err(ResetCard));
            assert_eq!(card.transmit(SELECT), Err(ResetCard));
            assert_eq!(card.begin(), Err(ResetCard));
        }
        assert_eq!(other.reconnect(SHARED, ANY, LEAVE), Ok(T1), "the transaction has ended");
        assert_eq!(other.transmit(SELECT), Ok(OK_SW.into()));
        assert_eq!(owner.status(), Err(ResetCard));
        owner.acknowledge();
        assert_eq!(owner.end(LEAVE), Err(NotTransacted));
        assert_eq!(bench.power(), after, "acknowledging resets nothing");
    }
}

#[test]
fn end_with_reset_without_a_transaction_resets_and_says_so() {
    for (disposition, resets) in [(RESET, (1, 1, 0)), (UNPOWER, (2, 0, 1))] {
        let (bench, context) = (Bench::new(), Context::new());
        let (card, other) = (context.shared(&bench), context.shared(&bench));
        assert_eq!(card.end(disposition), Err(NotTransacted));
        assert_eq!(bench.power(), resets);
        assert_eq!(card.status(), Err(ResetCard));
        assert_eq!(other.status(), Err(ResetCard));
    }
}

#[test]
fn end_with_eject_is_unsupported_but_ends_it() {
    let (bench, context) = (Bench::new(), Context::new());
    let (owner, other) = (context.shared(&bench), context.shared(&bench));
    owner.begin().unwrap();
    assert_eq!(owner.end(EJECT), Err(UnsupportedFeature));
    assert_eq!(other.begin(), Ok(()), "it has ended");
    other.end(LEAVE).unwrap();
    assert_eq!(bench.power(), (1, 0, 0));
    assert_eq!(owner.end(LEAVE), Err(NotTransacted));
}

/// What is not acknowledged keeps the transaction open: the owner has to reconnect and end it then.
#[test]
fn end_with_something_to_acknowledge_does_not_end_it() {
    let (bench, context) = (Bench::new(), Context::new());
    let (owner, other) = (context.shared(&bench), context.shared(&bench));
    owner.begin().unwrap();
    owner.begin().unwrap();
    assert_eq!(owner.end(RESET), Ok(()), "the inner one");
    assert_eq!(owner.end(LEAVE), Err(ResetCard));
    assert_eq!(owner.end(RESET), Err(ResetCard));
    assert_eq!(bench.power(), (1, 1, 0), "and does not reset again");
    assert_eq!(other.features(), Err(SharingViolation), "still taken");
    owner.acknowledge();
    assert_eq!(other.features(), Err(SharingViolation), "reconnecting does not end it");
    assert_eq!(owner.end(LEAVE), Ok(()));
    assert!(other.features().is_ok());
    assert_eq!(owner.end(LEAVE), Err(NotTransacted));
}

#[test]
fn leaving_with_something_to_acknowledge_ends_it() {
    let (bench, context) = (Bench::new(), Context::new());
    let (owner, other) = (context.shared(&bench), context.shared(&bench));
    owner.begin().unwrap();
    owner.begin().unwrap();
    owner.end(RESET).unwrap();
    assert_eq!(other.features(), Err(SharingViolation));
    owner.disconnect(LEAVE).unwrap();
    assert!(other.features().is_ok());
    assert_eq!(bench.power(), (1, 1, 0));
}

#[test]
fn a_failed_reset_still_ends_it() {
    let (bench, context) = (Bench::new(), Context::new());
    let (owner, other) = (context.shared(&bench), context.direct(&bench));
    owner.begin().unwrap();
    bench.reader.inject(Injection {
        fault: Fault::Fail(0xFE),
        on: Some(kind::ICC_POWER_ON),
        times: Times::Always,
    });
    assert_eq!(owner.end(RESET), Err(NotTransacted));
    assert!(other.features().is_ok(), "it has ended");
    assert_eq!(other.status(), Err(ResetCard));
    bench.reader.clear_faults();
    assert_eq!(owner.reconnect(SHARED, ANY, RESET), Ok(T1));
}

#[test]
fn a_removal_ends_it() {
    let (bench, context) = (Bench::new(), Context::new());
    let (owner, other) = (context.shared(&bench), context.shared(&bench));
    owner.begin().unwrap();
    owner.begin().unwrap();
    bench.remove();
    assert_eq!(owner.end(LEAVE), Err(RemovedCard));
    bench.insert();
    let (value, name) = (context.value, bench.name.clone());
    let new = at_once(move || connect(value, &name, SHARED, ANY)).expect("does not wait for the old owner");
    assert_eq!(new.begin(), Ok(()));
    assert_eq!(other.begin(), Err(RemovedCard));
    new.end(LEAVE).unwrap();
    owner.acknowledge();
    assert_eq!(
        owner.end(LEAVE),
        Err(NotTransacted),
        "what was begun with the old card is gone"
    );
    assert_eq!(owner.begin(), Ok(()));
    assert_eq!(owner.end(LEAVE), Ok(()));
    assert_eq!(owner.end(LEAVE), Err(NotTransacted));
}

#[test]
fn a_card_pulled_during_end_with_reset_is_removed() {
    let (bench, context) = (Bench::new(), Context::new());
    let (owner, other) = (context.shared(&bench), context.direct(&bench));
    owner.begin().unwrap();
    bench.reader.inject(Injection {
        fault: Fault::CardPulled,
        on: Some(kind::ICC_POWER_ON),
        times: Times::Count(1),
    });
    assert_eq!(owner.end(RESET), Err(RemovedCard));
    assert!(other.features().is_ok(), "it has ended");
    assert_eq!(other.status(), Err(RemovedCard), "removed after the reset");
}
