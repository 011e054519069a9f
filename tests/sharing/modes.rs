//! EXCLUSIVE, SHARED and DIRECT against each other, and connecting while somebody has a transaction.

use crate::card_bench::*;

#[test]
fn exclusive_excludes_everybody_at_once_its_owner_too() {
    let bench = Bench::new();
    let (owner, other) = (Context::new(), Context::new());
    let exclusive = owner.exclusive(&bench);
    for context in [&owner, &other] {
        for share in [EXCLUSIVE, SHARED, DIRECT] {
            let (value, name) = (context.value, bench.name.clone());
            let result = at_once(move || connect(value, &name, share, ANY).map(drop));
            assert_eq!(result, Err(SharingViolation), "mode {share}");
        }
    }
    assert_eq!(exclusive.transmit(SELECT), Ok(OK_SW.into()));
    drop(exclusive);
    assert_eq!(other.exclusive(&bench).active, T1);
}

#[test]
fn exclusive_needs_the_reader_to_be_free() {
    let (bench, context) = (Bench::new(), Context::new());
    for share in [SHARED, DIRECT] {
        let first = context.connect(&bench.name, share, ANY).unwrap();
        let before = bench.power();
        let result = context.connect(&bench.name, EXCLUSIVE, ANY).map(drop);
        assert_eq!(result, Err(SharingViolation), "beside mode {share}");
        assert_eq!(first.status().map(|_| ()), Ok(()), "the first connection goes on");
        assert_eq!(bench.power().1, before.1, "no reset");
    }
    assert!(context.connect(&bench.name, EXCLUSIVE, ANY).is_ok());
}

#[test]
fn shared_and_direct_go_together() {
    let (bench, context) = (Bench::new(), Context::new());
    let all = [
        context.shared(&bench),
        context.direct(&bench),
        context.shared(&bench),
        context.direct(&bench),
    ];
    for card in &all {
        assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()));
        assert_eq!(card.status().unwrap().protocol, T1);
    }
}

#[test]
fn connecting_waits_for_the_end_of_a_transaction() {
    for share in [SHARED, DIRECT] {
        let (bench, context) = (Bench::new(), Context::new());
        let owner = context.shared(&bench);
        owner.begin().unwrap();
        let (value, name) = (context.value, bench.name.clone());
        let waiting = call(move || connect(value, &name, share, ANY)).must_wait("SCardConnect");
        owner.end(LEAVE).unwrap();
        assert_eq!(waiting.end().unwrap().active, T1, "mode {share}");
    }
}

/// The transaction is waited for, and then there is still another connection.
#[test]
fn connecting_exclusively_waits_for_the_transaction_and_then_fails() {
    let (bench, context) = (Bench::new(), Context::new());
    let owner = context.shared(&bench);
    owner.begin().unwrap();
    let (value, name) = (context.value, bench.name.clone());
    let waiting = call(move || connect(value, &name, EXCLUSIVE, ANY).map(drop)).must_wait("SCardConnect");
    owner.end(LEAVE).unwrap();
    assert_eq!(waiting.end(), Err(SharingViolation));
}

#[test]
fn connecting_gets_the_card_when_the_owner_of_a_transaction_leaves() {
    let (bench, context) = (Bench::new(), Context::new());
    let owner = context.shared(&bench);
    owner.begin().unwrap();
    owner.begin().unwrap();
    let (value, name) = (context.value, bench.name.clone());
    let waiting = call(move || connect(value, &name, EXCLUSIVE, ANY)).must_wait("SCardConnect");
    owner.disconnect(LEAVE).unwrap();
    assert_eq!(waiting.end().unwrap().transmit(SELECT), Ok(OK_SW.into()));
    assert_eq!(bench.power(), (1, 0, 0));
}

#[test]
fn a_new_connection_finds_out_that_the_card_is_gone_when_it_waits_for_a_transaction() {
    let (bench, context) = (Bench::new(), Context::new());
    let owner = context.shared(&bench);
    owner.begin().unwrap();
    let (value, name) = (context.value, bench.name.clone());
    let waiting = call(move || connect(value, &name, SHARED, ANY).map(drop)).must_wait("SCardConnect");
    bench.remove();
    assert_eq!(waiting.end(), Err(NoSmartcard), "the removal ended the transaction");
    assert_eq!(owner.status(), Err(RemovedCard));
}

/// Exclusiveness is the connection's and survives the card; its transaction does not.
#[test]
fn an_exclusive_owner_keeps_the_reader_when_the_card_is_swapped() {
    let (bench, context) = (Bench::new(), Context::new());
    let exclusive = context.exclusive(&bench);
    bench.remove();
    bench.insert();
    assert_eq!(exclusive.transmit(SELECT), Err(RemovedCard));
    for share in [EXCLUSIVE, SHARED, DIRECT] {
        assert_eq!(
            context.connect(&bench.name, share, ANY).map(drop),
            Err(SharingViolation),
            "mode {share}"
        );
    }
    assert_eq!(exclusive.reconnect(EXCLUSIVE, ANY, LEAVE), Ok(T1));
    assert_eq!(exclusive.transmit(SELECT), Ok(OK_SW.into()));
    drop(exclusive);
    assert!(context.connect(&bench.name, EXCLUSIVE, ANY).is_ok());
}

#[test]
fn a_failed_exclusive_connect_resets_nothing_and_disturbs_nobody() {
    let (bench, context) = (Bench::new(), Context::new());
    let first = context.shared(&bench);
    assert_eq!(first.transmit(VERIFY), Ok(OK_SW.into()));
    for _ in 0..5 {
        assert_eq!(
            context.connect(&bench.name, EXCLUSIVE, ANY).map(drop),
            Err(SharingViolation)
        );
    }
    assert_eq!(
        first.transmit(IS_VERIFIED),
        Ok(OK_SW.into()),
        "the PIN is still verified"
    );
    assert_eq!(bench.power(), (1, 0, 0));
}
