//! Threads: nobody's call holds up anybody else's but where the card itself does.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crate::card_bench::*;
use crate::quiet::Quiet;

/// In the reference a second call on a context in which one waits stops every context of the process.
#[test]
fn a_waiting_call_holds_up_no_context_not_even_its_own() {
    let bench = Bench::new();
    let elsewhere = Bench::new();
    let (owner, waiting, third) = (Context::new(), Context::new(), Context::new());
    let (holder, bystander) = (owner.shared(&bench), waiting.shared(&elsewhere));
    holder.begin().unwrap();
    let (value, name) = (waiting.value, bench.name.clone());
    let connecting = call(move || connect(value, &name, SHARED, ANY)).must_wait("SCardConnect");

    let handle = bystander.handle;
    assert!(
        at_once(move || handle.status()).is_ok(),
        "another handle of the same context"
    );
    assert_eq!(at_once(move || handle.transmit(SELECT)), Ok(OK_SW.into()));
    let name = elsewhere.name.clone();
    assert!(at_once(move || connect(value, &name, DIRECT, 0)).is_ok());
    assert_eq!(at_once(move || is_valid(value)), Ok(()));
    assert_eq!(at_once(move || cancel(value)), Ok(()));
    let third = third.value;
    assert_eq!(at_once(move || is_valid(third)), Ok(()), "another context");
    assert_eq!(at_once(move || cancel(third)), Ok(()));
    let name = elsewhere.name.clone();
    assert!(at_once(move || connect(third, &name, SHARED, ANY)).is_ok());
    let fresh = at_once(|| establish(SCARD_SCOPE_SYSTEM)).unwrap();
    assert_eq!(at_once(move || release(fresh)), Ok(()));

    let connecting = connecting.must_wait("SCardConnect, which SCardCancel does not end,");
    holder.end(LEAVE).unwrap();
    assert!(connecting.end().is_ok());
}

/// The reference's deadlock: one has the card, one waits for it, one calls into the waiting one's context, and then the
/// first cannot let go.
#[test]
fn the_owner_of_a_transaction_can_always_end_it() {
    let bench = Bench::new();
    let (first, second) = (Context::new(), Context::new());
    let holder = first.shared(&bench);
    let own = second.shared(&bench);
    holder.begin().unwrap();
    let (value, name) = (second.value, bench.name.clone());
    let connecting = call(move || connect(value, &name, SHARED, ANY)).must_wait("SCardConnect");
    let handle = own.handle;
    let status = call(move || handle.status()).must_wait("SCardStatus");
    let same = call(move || handle.transmit(SELECT)).must_wait("SCardTransmit on the same handle");
    let owner = holder.handle;
    assert_eq!(at_once(move || owner.transmit(SELECT)), Ok(OK_SW.into()));
    assert_eq!(at_once(move || owner.end(LEAVE)), Ok(()));
    assert!(connecting.end().is_ok());
    assert!(status.end().is_ok());
    assert_eq!(same.end(), Ok(OK_SW.into()));
}

/// Reconnecting in one thread against a transaction in another, both in one context.
#[test]
fn two_threads_of_one_context_do_not_lock_each_other_out() {
    let (bench, context) = (Bench::new(), Context::new());
    let (a, b) = (context.shared(&bench), context.shared(&bench));
    for _ in 0..20 {
        a.begin().unwrap();
        let other = b.handle;
        let reconnecting = call(move || other.reconnect(SHARED, ANY, LEAVE));
        thread::sleep(Duration::from_millis(3));
        a.end(LEAVE).unwrap();
        assert_eq!(reconnecting.end(), Ok(T1));
    }
}

#[test]
fn a_long_exchange_of_one_does_not_hold_up_another_reader() {
    let (slow, quick) = (Bench::new(), Bench::new());
    let context = Context::new();
    let (a, b) = (context.shared(&slow), context.shared(&quick));
    let handle = a.handle;
    // 80 10: takes that many milliseconds.
    let long = call(move || handle.transmit(&[0x80, 0x10, 0x07, 0xD0]));
    while slow.reader.counters().xfr_blocks == 0 {
        thread::yield_now();
    }
    let started = Quiet::now();
    for _ in 0..20 {
        assert_eq!(b.transmit(SELECT), Ok(OK_SW.into()));
        assert!(b.status().is_ok());
    }
    assert!(
        started.elapsed() < Duration::from_millis(1500),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(long.end(), Ok(OK_SW.into()));
}

#[test]
fn exchanges_of_many_threads_on_one_handle_each_get_their_own_answer() {
    let (bench, context) = (Bench::new(), Context::new());
    let card = context.shared(&bench);
    let calls: Vec<_> = (1..=8_u8)
        .map(|mark| {
            let handle = card.handle;
            call(move || {
                for _ in 0..40 {
                    let expected: Vec<u8> = (0..mark * 20).chain([0x90, 0x00]).collect();
                    assert_eq!(handle.transmit(&[0x80, 0x12, 0, mark * 20, 0]), Ok(expected));
                }
            })
        })
        .collect();
    for call in calls {
        call.end();
    }
}

#[test]
fn thirty_two_threads_come_and_go_on_one_reader() {
    const THREADS: usize = 32;
    let bench = Arc::new(Bench::new());
    let start = Arc::new(Barrier::new(THREADS));
    let calls: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (bench, start) = (Arc::clone(&bench), Arc::clone(&start));
            call(move || {
                start.wait();
                for round in 0..10 {
                    let context = Context::new();
                    let card = context.shared(&bench);
                    let in_transaction = (thread + round) % 3 == 0;
                    if in_transaction {
                        assert_eq!(card.begin(), Ok(()));
                    }
                    assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()));
                    if in_transaction {
                        assert_eq!(card.end(LEAVE), Ok(()));
                    }
                    assert_eq!(card.status().unwrap().protocol, T1);
                    assert_eq!(card.disconnect(LEAVE), Ok(()));
                    assert_eq!(context.release(), Ok(()));
                }
            })
        })
        .collect();
    for call in calls {
        call.end();
    }
    assert_eq!(bench.power(), (1, 0, 0));
}

/// One disconnects while another is in the middle of something on the same handle.
#[test]
fn a_handle_may_be_disconnected_under_a_running_call() {
    let (bench, context) = (Bench::new(), Context::new());
    for _ in 0..5 {
        let card = context.shared(&bench);
        let handle = card.handle;
        let before = bench.reader.counters().xfr_blocks;
        let running = call(move || handle.transmit(&[0x80, 0x10, 0x00, 0x64]));
        while bench.reader.counters().xfr_blocks == before {
            thread::yield_now();
        }
        assert_eq!(at_once(move || handle.disconnect(LEAVE)), Ok(()));
        assert_eq!(running.end(), Ok(OK_SW.into()), "what was under way is finished");
        assert_eq!(handle.status(), Err(InvalidHandle));
    }
    assert!(
        context.connect(&bench.name, EXCLUSIVE, ANY).is_ok(),
        "no place stays taken"
    );
}

/// Only one of several that disconnect the same handle succeeds.
#[test]
fn a_handle_is_disconnected_once() {
    let (bench, context) = (Bench::new(), Context::new());
    for disposition in [LEAVE, RESET, UNPOWER] {
        for _ in 0..10 {
            let handle = context.shared(&bench).keep();
            let calls: Vec<_> = (0..4).map(|_| call(move || handle.disconnect(disposition))).collect();
            let results: Vec<_> = calls.into_iter().map(Call::end).collect();
            assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        }
    }
}
