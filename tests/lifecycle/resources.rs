//! What the library takes of the process and gives back: descriptors, threads. Each in a process of its own, where
//! nothing else opens or starts any.
#![allow(unsafe_code, reason = "setrlimit(2)")]

use std::collections::HashSet;
use std::fs;

use crate::card_bench::*;

fn descriptors() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    entries
        .filter_map(|entry| fs::read_link(entry.path()).ok()?.into_os_string().into_string().ok())
        .collect()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

fn cycle(bench: &Bench) {
    let context = Context::new();
    assert!(context.readers().contains(&bench.name));
    let card = context.shared(bench);
    assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()));
    card.begin().unwrap();
    card.end(LEAVE).unwrap();
    let direct = context.direct(bench);
    assert!(direct.status().is_ok());
    assert_eq!(card.disconnect(LEAVE), Ok(()));
    // The other one goes with the context.
    assert_eq!(context.release(), Ok(()));
}

#[test]
fn descriptors_and_threads_stay_flat_over_200_cycles() {
    in_child(
        "resources::descriptors_and_threads_stay_flat_over_200_cycles",
        &[],
        || {
            let before_all = threads();
            let bench = Bench::new();
            cycle(&bench);
            let before = descriptors().len();
            for _ in 0..200 {
                cycle(&bench);
            }
            assert_eq!(descriptors().len(), before, "{:?}", descriptors());
            assert_eq!(threads(), before_all);
        },
    );
}

#[test]
fn failed_calls_leave_no_descriptors() {
    in_child("resources::failed_calls_leave_no_descriptors", &[], || {
        let (bench, empty) = (Bench::new(), Bench::empty(Config::default()));
        let context = Context::new();
        let exclusive = context.exclusive(&bench);
        let _keeps_the_reader_open = context.direct(&empty);
        let before = descriptors().len();
        for _ in 0..50 {
            assert_eq!(
                context.connect(&bench.name, SHARED, ANY).map(drop),
                Err(SharingViolation)
            );
            assert_eq!(context.connect(&empty.name, SHARED, ANY).map(drop), Err(NoSmartcard));
            assert_eq!(context.connect("nobody", SHARED, ANY).map(drop), Err(UnknownReader));
        }
        assert_eq!(descriptors().len(), before);
        drop(exclusive);
        assert!(descriptors().len() < before);
    });
}

#[test]
fn no_call_starts_a_thread() {
    in_child("resources::no_call_starts_a_thread", &[], || {
        let before = threads();
        let (bench, context) = (Bench::new(), Context::new());
        let (owner, other) = (context.shared(&bench), context.shared(&bench));
        owner.begin().unwrap();
        assert_eq!(threads(), before);
        let handle = other.handle;
        let waiting = call(move || handle.begin()).must_wait("SCardBeginTransaction");
        assert_eq!(threads(), before + 1, "the test's own");
        owner.end(RESET).unwrap();
        assert_eq!(waiting.end(), Err(ResetCard));
        bench.inject(Fault::CardPulled);
        owner.acknowledge();
        assert_eq!(owner.transmit(SELECT), Err(NoSmartcard));
        bench.reader.unplug();
        assert_eq!(owner.status(), Err(ReaderUnavailable));
        drop((owner, other));
        context.release().unwrap();
        assert!(threads() <= before + 1);
    });
}

#[test]
fn a_reader_that_is_gone_and_let_go_of_holds_nothing() {
    in_child(
        "resources::a_reader_that_is_gone_and_let_go_of_holds_nothing",
        &[],
        || {
            cycle(&Bench::new());
            let before = descriptors().len();
            for _ in 0..20 {
                let (bench, context) = (Bench::new(), Context::new());
                let card = context.shared(&bench);
                bench.reader.unplug();
                assert_eq!(card.status(), Err(ReaderUnavailable));
            }
            let after = descriptors();
            assert!(after.len() <= before + 2, "{before} before, now {after:?}");
        },
    );
}

#[test]
fn a_thousand_handles_at_once() {
    in_child("resources::a_thousand_handles_at_once", &[], || {
        allow_descriptors(4096);
        let (bench, context) = (Bench::new(), Context::new());
        let cards: Vec<Card> = (0..1000).map(|_| context.shared(&bench)).collect();
        let values: HashSet<Handle> = cards.iter().map(|card| card.handle).collect();
        assert_eq!(values.len(), 1000);
        assert!(cards.iter().all(|card| card.transmit(SELECT) == Ok(OK_SW.into())));
        cards[500].begin().unwrap();
        assert_eq!(cards[999].features(), Err(SharingViolation));
        cards[500].end(RESET).unwrap();
        assert!(cards.iter().all(|card| card.status() == Err(ResetCard)));
        drop(cards);
        assert_eq!(context.exclusive(&bench).transmit(SELECT), Ok(OK_SW.into()));
    });
}

/// Out of descriptors, a call says so; with some again, everything goes on.
#[test]
fn running_out_of_descriptors_is_an_error_and_nothing_more() {
    in_child(
        "resources::running_out_of_descriptors_is_an_error_and_nothing_more",
        &[],
        || {
            let (bench, context) = (Bench::new(), Context::new());
            let first = context.shared(&bench);
            allow_descriptors(u64::try_from(descriptors().len()).unwrap() + 20);
            let mut cards = Vec::new();
            let error = loop {
                match context.connect(&bench.name, SHARED, ANY) {
                    Ok(card) => cards.push(card),
                    Err(error) => break error,
                }
                assert!(cards.len() < 100);
            };
            assert_eq!(error, NoMemory);
            assert_eq!(first.transmit(SELECT), Ok(OK_SW.into()));
            first.begin().unwrap();
            // No way to sleep: better a refusal than a call that spins or never returns.
            let handle = cards[0].handle;
            let waited = call(move || handle.begin()).end();
            assert!(matches!(waited, Err(SharingViolation | NoMemory)), "{waited:?}");
            first.end(LEAVE).unwrap();
            assert!(
                establish(SCARD_SCOPE_SYSTEM).and_then(release).is_ok(),
                "a context needs no descriptor"
            );
            drop(cards);
            assert!(context.connect(&bench.name, SHARED, ANY).is_ok());
        },
    );
}

fn allow_descriptors(count: u64) {
    let limit = libc::rlimit {
        rlim_cur: count,
        rlim_max: count.max(4096),
    };
    // SAFETY: a valid structure for the call's duration.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
}
