//! SCardBeginTransaction and SCardEndTransaction of one connection, and that others see them.

use crate::card_bench::*;

/// Whether another connection finds the card taken: a call that says so at once.
fn is_taken(other: &Card) -> bool {
    match other.attribute(SCARD_ATTR_ATR_STRING) {
        Ok(_) => false,
        Err(SharingViolation) => true,
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn transactions_nest() {
    let (bench, context) = (Bench::new(), Context::new());
    let (owner, other) = (context.shared(&bench), context.shared(&bench));
    assert!(!is_taken(&other));
    for depth in 1..=5 {
        assert_eq!(owner.begin(), Ok(()), "depth {depth}");
        assert!(is_taken(&other));
        assert!(!is_taken(&owner));
    }
    for depth in (0..5).rev() {
        assert_eq!(owner.end(LEAVE), Ok(()));
        assert_eq!(is_taken(&other), depth > 0, "depth {depth}");
    }
    assert_eq!(owner.end(LEAVE), Err(NotTransacted));
}

#[test]
fn an_extra_end_is_told_and_changes_nothing() {
    let (bench, context) = (Bench::new(), Context::new());
    let (card, other) = (context.shared(&bench), context.shared(&bench));
    for _ in 0..3 {
        assert_eq!(card.end(LEAVE), Err(NotTransacted));
    }
    card.begin().unwrap();
    assert!(is_taken(&other), "earlier extra calls do not count");
    card.end(LEAVE).unwrap();
    assert_eq!(card.end(LEAVE), Err(NotTransacted));
}

#[test]
fn arguments_of_end_are_checked_in_order() {
    let (bench, context) = (Bench::new(), Context::new());
    let (card, other) = (context.shared(&bench), context.shared(&bench));
    assert_eq!(Handle(0).end(99), Err(InvalidHandle), "handle, then disposition");
    assert_eq!(Handle(card.handle.0 ^ 1).begin(), Err(InvalidHandle));
    card.begin().unwrap();
    assert_eq!(card.end(4), Err(InvalidValue));
    assert!(is_taken(&other), "a refused call ends nothing");
    assert_eq!(
        other.end(4),
        Err(InvalidValue),
        "disposition, then the other's transaction"
    );
    bench.remove();
    assert_eq!(card.end(4), Err(InvalidValue), "disposition, then events");
    assert_eq!(card.end(LEAVE), Err(RemovedCard));
    bench.reader.unplug();
    assert_eq!(card.end(4), Err(InvalidValue));
    assert_eq!(card.end(LEAVE), Err(InvalidValue), "the reader is gone");
    assert_eq!(card.begin(), Err(InvalidValue));
}

#[test]
fn direct_connections_have_transactions_also_without_a_card() {
    for bench in [
        Bench::empty(Config::default()),
        Bench::new(),
        Bench::with(Config::default(), BuiltinCard::mute()),
    ] {
        let context = Context::new();
        let (owner, other) = (context.direct(&bench), context.direct(&bench));
        assert_eq!(owner.begin(), Ok(()));
        assert_eq!(owner.begin(), Ok(()));
        assert_eq!(other.features(), Err(SharingViolation));
        assert_eq!(other.end(LEAVE), Err(SharingViolation));
        assert_eq!(owner.end(LEAVE), Ok(()));
        assert_eq!(owner.end(LEAVE), Ok(()));
        assert_eq!(owner.end(LEAVE), Err(NotTransacted));
        assert!(other.features().is_ok());
    }
}

/// An exclusive connection is one transaction that SCardEndTransaction does not end.
#[test]
fn exclusive_is_a_transaction_without_end() {
    let (bench, context) = (Bench::new(), Context::new());
    let owner = context.exclusive(&bench);
    assert_eq!(owner.end(LEAVE), Err(NotTransacted));
    assert_eq!(owner.begin(), Ok(()));
    assert_eq!(owner.begin(), Ok(()));
    assert_eq!(owner.end(LEAVE), Ok(()));
    assert_eq!(owner.end(LEAVE), Ok(()));
    assert_eq!(owner.end(LEAVE), Err(NotTransacted));
    assert_eq!(owner.transmit(SELECT), Ok(OK_SW.into()));
    assert_eq!(context.connect(&bench.name, DIRECT, 0).map(drop), Err(SharingViolation));
    assert_eq!(owner.end(RESET), Err(NotTransacted), "but the reset is done");
    assert_eq!(owner.status(), Err(ResetCard));
    assert_eq!(bench.power().1, 1);
}

#[test]
fn only_the_owner_can_end_it() {
    let (bench, context) = (Bench::new(), Context::new());
    let (owner, other) = (context.shared(&bench), context.shared(&bench));
    owner.begin().unwrap();
    for disposition in [LEAVE, RESET, UNPOWER, EJECT] {
        assert_eq!(
            other.end(disposition),
            Err(SharingViolation),
            "disposition {disposition}"
        );
    }
    assert_eq!(bench.power(), (1, 0, 0), "no reset");
    assert!(is_taken(&other));
    assert_eq!(owner.transmit(SELECT), Ok(OK_SW.into()));
    assert_eq!(owner.end(LEAVE), Ok(()));
}

/// What a context or another connection of the same program does, does not end it either.
#[test]
fn releasing_another_context_frees_nothing() {
    let bench = Bench::new();
    let (first, second) = (Context::new(), Context::new());
    let (bystander, owner) = (first.shared(&bench), second.shared(&bench));
    let third = Context::new();
    let waiter = third.shared(&bench);
    owner.begin().unwrap();
    bystander.disconnect(LEAVE).unwrap();
    first.release().unwrap();
    let handle = waiter.handle;
    let waiting = call(move || handle.begin()).must_wait("SCardBeginTransaction");
    owner.end(LEAVE).unwrap();
    assert_eq!(waiting.end(), Ok(()));
    assert_eq!(bench.power(), (1, 0, 0));
}

#[test]
fn a_transaction_keeps_the_card_for_its_whole_length() {
    let (bench, context) = (Bench::new(), Context::new());
    let handles: Vec<Card> = (0..4).map(|_| context.shared(&bench)).collect();
    let calls: Vec<_> = (1_u8..)
        .zip(&handles)
        .map(|(mark, card)| {
            let handle = card.handle;
            call(move || {
                for round in 0..25_u8 {
                    handle.begin().unwrap();
                    // UPDATE BINARY of EF 0001, READ BINARY: nobody may write in between.
                    let value = mark * 50 + round;
                    assert_eq!(handle.transmit(&[0, 0xD6, 0x81, 0, 1, value]), Ok(OK_SW.into()));
                    assert_eq!(handle.transmit(&[0, 0xB0, 0x81, 0, 1]), Ok(vec![value, 0x90, 0]));
                    handle.end(LEAVE).unwrap();
                }
            })
        })
        .collect();
    for call in calls {
        call.end();
    }
}
