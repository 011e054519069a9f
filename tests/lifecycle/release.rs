//! SCardReleaseContext with connections open: what becomes of the card, of them, and of others.

use crate::card_bench::*;

/// A context with a connection whose card has verified the PIN, and an onlooker in another context.
struct Scene {
    bench: Bench,
    leaver: Context,
    card: Card,
    watching: Context,
    onlooker: Card,
}

fn scene() -> Scene {
    let bench = Bench::new();
    let (leaver, watching) = (Context::new(), Context::new());
    let (card, onlooker) = (leaver.shared(&bench), watching.shared(&bench));
    assert_eq!(card.transmit(VERIFY), Ok(OK_SW.into()));
    Scene {
        bench,
        leaver,
        card,
        watching,
        onlooker,
    }
}

#[test]
fn idle_connections_leave_the_card_as_it_is() {
    let scene = scene();
    let direct = scene.leaver.direct(&scene.bench);
    assert_eq!(scene.leaver.release(), Ok(()));
    assert_eq!(scene.onlooker.transmit(IS_VERIFIED), Ok(OK_SW.into()));
    assert_eq!(scene.bench.power(), (1, 0, 0));
    for gone in [scene.card.handle, direct.handle] {
        assert_eq!(gone.status(), Err(InvalidHandle));
        assert_eq!(gone.disconnect(LEAVE), Err(InvalidHandle));
    }
    drop(scene.onlooker);
    assert!(
        scene.watching.connect(&scene.bench.name, EXCLUSIVE, ANY).is_ok(),
        "their places are free"
    );
}

#[test]
fn a_transaction_makes_it_a_reset_that_others_are_told_of() {
    for depth in [1, 3] {
        let scene = scene();
        for _ in 0..depth {
            scene.card.begin().unwrap();
        }
        let handle = scene.onlooker.handle;
        let waiting = call(move || handle.begin()).must_wait("SCardBeginTransaction");
        assert_eq!(scene.leaver.release(), Ok(()));
        assert_eq!(waiting.end(), Err(ResetCard));
        assert_eq!(scene.bench.power(), (1, 1, 0), "one warm reset");
        assert_eq!(scene.onlooker.status(), Err(ResetCard));
        scene.onlooker.acknowledge();
        assert_eq!(scene.onlooker.transmit(IS_VERIFIED), Ok(vec![0x63, 0xC3]));
        assert_eq!(scene.onlooker.begin(), Ok(()));
        assert!(scene.watching.is_valid());
    }
}

#[test]
fn an_ended_transaction_counts_for_nothing() {
    let scene = scene();
    scene.card.begin().unwrap();
    scene.card.end(LEAVE).unwrap();
    scene.leaver.release().unwrap();
    assert_eq!(scene.bench.power(), (1, 0, 0));
    assert!(scene.onlooker.status().is_ok());
}

#[test]
fn an_exclusive_connection_makes_it_a_reset_with_or_without_transaction() {
    for transaction in [false, true] {
        let bench = Bench::new();
        let (leaver, other) = (Context::new(), Context::new());
        let exclusive = leaver.exclusive(&bench);
        assert_eq!(exclusive.transmit(VERIFY), Ok(OK_SW.into()));
        if transaction {
            exclusive.begin().unwrap();
        }
        assert_eq!(leaver.release(), Ok(()));
        assert_eq!(bench.power(), (1, 1, 0));
        let next = other.shared(&bench);
        assert_eq!(next.transmit(IS_VERIFIED), Ok(vec![0x63, 0xC3]));
    }
}

/// The card that the exclusive owner had is gone; the new one is nobody's.
#[test]
fn an_exclusive_connection_whose_card_was_swapped_leaves_the_new_one_alone() {
    let bench = Bench::new();
    let (leaver, other) = (Context::new(), Context::new());
    let exclusive = leaver.exclusive(&bench);
    bench.remove();
    assert_eq!(exclusive.status(), Err(RemovedCard));
    bench.insert();
    assert_eq!(exclusive.status(), Err(RemovedCard));
    leaver.release().unwrap();
    assert_eq!(bench.power(), (1, 0, 0));
    assert_eq!(other.shared(&bench).transmit(SELECT), Ok(OK_SW.into()));
    assert_eq!(bench.power(), (2, 0, 0));
}

#[test]
fn a_card_already_reset_is_not_reset_again() {
    let scene = scene();
    scene.card.begin().unwrap();
    scene.card.begin().unwrap();
    scene.card.end(RESET).unwrap();
    assert_eq!(scene.bench.power(), (1, 1, 0));
    scene.leaver.release().unwrap();
    assert_eq!(scene.bench.power(), (1, 1, 0));
    scene.onlooker.acknowledge();
    assert_eq!(scene.onlooker.begin(), Ok(()), "the transaction has ended");
}

#[test]
fn somebody_elses_transaction_neither_delays_nor_ends() {
    let scene = scene();
    scene.onlooker.begin().unwrap();
    let context = scene.leaver.value;
    assert_eq!(at_once(move || release(context)), Ok(()));
    assert_eq!(scene.bench.power(), (1, 0, 0));
    assert_eq!(scene.onlooker.transmit(IS_VERIFIED), Ok(OK_SW.into()));
    assert_eq!(scene.onlooker.end(LEAVE), Ok(()));
}

#[test]
fn several_connections_are_each_let_go_of_in_their_way() {
    let leaver = Context::new();
    let benches = [Bench::new(), Bench::new(), Bench::new()];
    let idle = leaver.shared(&benches[0]);
    let busy = leaver.shared(&benches[1]);
    busy.begin().unwrap();
    let exclusive = leaver.exclusive(&benches[2]);
    leaver.release().unwrap();
    assert_eq!(benches.each_ref().map(Bench::power), [(1, 0, 0), (1, 1, 0), (1, 1, 0)]);
    for card in [&idle, &busy, &exclusive] {
        assert_eq!(card.status(), Err(InvalidHandle));
    }
}

#[test]
fn a_reader_that_is_gone_is_no_obstacle() {
    let scene = scene();
    scene.card.begin().unwrap();
    scene.bench.reader.unplug();
    assert_eq!(scene.leaver.release(), Ok(()));
    assert_eq!(scene.watching.release(), Ok(()));
}

/// A call that waits in a context that is released ends, and leaves nothing behind that nobody could end.
#[test]
fn calls_that_wait_for_a_transaction_end_with_the_release() {
    let calls: [Body; 3] = [
        |card| card.begin(),
        |card| card.transmit(SELECT).map(drop),
        |card| card.status().map(drop),
    ];
    for body in calls {
        let scene = scene();
        scene.onlooker.begin().unwrap();
        let handle = scene.card.handle;
        let waiting = call(move || body(handle)).must_wait("the call");
        let context = scene.leaver.value;
        assert_eq!(at_once(move || release(context)), Ok(()));
        assert_eq!(waiting.end(), Err(InvalidHandle));
        assert_eq!(scene.onlooker.end(LEAVE), Ok(()));
        let other = scene.onlooker.handle;
        assert_eq!(
            call(move || other.begin()).end(),
            Ok(()),
            "no transaction is left behind"
        );
        assert_eq!(scene.bench.power(), (1, 0, 0));
    }
}

#[test]
fn calls_that_wait_for_a_transaction_end_with_the_handle() {
    let scene = scene();
    scene.onlooker.begin().unwrap();
    let handle = scene.card.handle;
    let waiting = call(move || handle.begin()).must_wait("SCardBeginTransaction");
    assert_eq!(at_once(move || handle.disconnect(LEAVE)), Ok(()));
    assert_eq!(waiting.end(), Err(InvalidHandle));
    assert_eq!(scene.onlooker.end(LEAVE), Ok(()));
    assert_eq!(scene.onlooker.status().map(drop), Ok(()));
}

#[test]
fn a_connection_that_comes_about_after_the_release_is_let_go_of() {
    let scene = scene();
    scene.onlooker.begin().unwrap();
    let (value, name) = (scene.leaver.value, scene.bench.name.clone());
    let waiting = call(move || connect(value, &name, SHARED, ANY).map(drop)).must_wait("SCardConnect");
    assert_eq!(at_once(move || release(value)), Ok(()));
    scene.onlooker.end(LEAVE).unwrap();
    assert_eq!(waiting.end(), Err(InvalidHandle));
    drop(scene.onlooker);
    assert!(
        scene.watching.connect(&scene.bench.name, EXCLUSIVE, ANY).is_ok(),
        "its place is free"
    );
}
