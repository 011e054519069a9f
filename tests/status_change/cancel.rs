//! `SCardCancel`, and `SCardReleaseContext` while a call waits.

use winscard::api::types::DWORD;
use winscard::error::Error;

use crate::watch_bench::*;

/// Both ways to say "for ever".
const ENDLESS: [DWORD; 2] = [INFINITE, DWORD::MAX];

#[test]
fn a_cancel_ends_an_endless_wait_with_the_events_filled_in() {
    alone(
        "cancel::a_cancel_ends_an_endless_wait_with_the_events_filled_in",
        || {
            for time in ENDLESS {
                let (context, bench, empty) = (Context::new(), Bench::with_card(Chip::new(1)), Bench::plug());
                let waiter = Waiter::start(
                    context.0,
                    time,
                    &[bench.state(0x20), empty.state(0x10), State::new(PNP, 0)],
                );
                waiter.assert_goes_on();
                assert_eq!(cancel(context.0), Ok(()));
                let (result, states) = waiter.end();
                assert_eq!(result, Err(Error::Cancelled));
                assert_eq!((states[0].event, states[0].atr()), (0x20, &Chip::atr(1)[..]));
                assert_eq!((states[1].event, states[1].atr()), (0x10, &[][..]));
                assert!(context.is_valid());
            }
        },
    );
}

#[test]
fn a_release_ends_an_endless_wait() {
    for time in ENDLESS {
        let (context, bench) = (Context::new(), Bench::plug());
        let waiter = Waiter::start(context.0, time, &[bench.state(0x10)]);
        assert_eq!(release(context.0), Ok(()));
        assert_eq!(waiter.end().0, Err(Error::Cancelled));
        assert_eq!(release(context.0), Err(Error::InvalidHandle));
        assert_eq!(cancel(context.0), Err(Error::InvalidHandle));
    }
}

#[test]
fn a_cancel_ends_waits_for_the_list_of_readers_and_for_polled_readers() {
    alone(
        "cancel::a_cancel_ends_waits_for_the_list_of_readers_and_for_polled_readers",
        || {
            let (context, bench) = (Context::new(), Bench::polled());
            for state in [State::new(PNP, 0), bench.state(0x10)] {
                let waiter = Waiter::start(context.0, INFINITE, &[state]);
                assert_eq!(cancel(context.0), Ok(()));
                assert_eq!(waiter.end().0, Err(Error::Cancelled));
            }
        },
    );
}

#[test]
fn a_cancel_without_a_wait_succeeds_and_is_forgotten() {
    let (context, bench) = (Context::new(), Bench::plug());
    assert_eq!(cancel(context.0), Ok(()));
    let mut states = [bench.state(0x10)];
    assert_eq!(status_change(context.0, 100, &mut states), Err(Error::Timeout));
    for _ in 0..3 {
        assert_eq!(cancel(context.0), Ok(()));
    }
    let waiter = Waiter::start(context.0, INFINITE, &states);
    waiter.assert_goes_on();
    bench.insert(Chip::new(1));
    assert_eq!(waiter.end_of_one().1.event, 0x1_0022);
}

#[test]
fn the_call_after_a_cancelled_one_waits_as_if_nothing_had_been() {
    let (context, bench) = (Context::new(), Bench::plug());
    for _ in 0..5 {
        let waiter = Waiter::start(context.0, INFINITE, &[bench.state(0x10)]);
        assert_eq!(cancel(context.0), Ok(()));
        assert_eq!(cancel(context.0), Ok(()), "once too often");
        assert_eq!(waiter.end().0, Err(Error::Cancelled));
        let mut states = [bench.state(0x10)];
        assert_eq!(status_change(context.0, 20, &mut states), Err(Error::Timeout));
    }
}

#[test]
fn only_a_context_can_be_cancelled() {
    for value in [0, 1, -1, Context::stale()] {
        assert_eq!(cancel(value), Err(Error::InvalidHandle));
    }
}

#[test]
fn a_cancel_of_one_context_leaves_the_wait_of_another_alone() {
    let (context, other, bench) = (Context::new(), Context::new(), Bench::plug());
    let waiter = Waiter::start(context.0, INFINITE, &[bench.state(0x10)]);
    let another = Waiter::start(other.0, INFINITE, &[bench.state(0x10)]);
    assert_eq!(cancel(context.0), Ok(()));
    assert_eq!(waiter.end().0, Err(Error::Cancelled));
    another.assert_goes_on();
    assert_eq!(release(context.0), Ok(()));
    another.assert_goes_on();
    assert_eq!(cancel(other.0), Ok(()));
    assert_eq!(another.end().0, Err(Error::Cancelled));
}

#[test]
fn one_cancel_ends_every_wait_in_its_context() {
    alone("cancel::one_cancel_ends_every_wait_in_its_context", || {
        let (context, bench, other) = (Context::new(), Bench::plug(), Bench::plug());
        let waiters = [
            bench.state(0x10),
            bench.state(0x10),
            other.state(0x10),
            State::new(PNP, 0),
        ]
        .map(|state| Waiter::start(context.0, INFINITE, &[state]));
        assert_eq!(cancel(context.0), Ok(()));
        for waiter in waiters {
            assert_eq!(waiter.end().0, Err(Error::Cancelled));
        }
    });
}

#[test]
fn a_cancel_does_not_end_a_call_that_does_not_wait() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    let card = context.connect(bench.name(), SHARED).unwrap();
    assert_eq!(cancel(context.0), Ok(()));
    assert_eq!(card.transmit(&[0, 0xA4, 0, 0]), Ok(vec![0x90, 0]));
    assert_eq!(event(&context, bench.name(), 0), 0x122);
}

/// pcsc-lite makes these calls wait until the other thread is done; here they do not.
#[test]
fn a_context_whose_thread_waits_can_be_used_by_another_thread() {
    let (context, bench, watched) = (Context::new(), Bench::with_card(Chip::new(1)), Bench::plug());
    let waiter = Waiter::start(context.0, INFINITE, &[watched.state(0x10)]);
    assert!(context.is_valid());
    assert!(context.readers().contains(&bench.names[0]));
    assert_eq!(event(&context, bench.name(), 0), 0x22);
    assert_eq!(event(&context, watched.name(), 0), 0x12);
    let card = context.connect(bench.name(), SHARED).unwrap();
    assert_eq!(card.transmit(&[0, 0xA4, 0, 0]), Ok(vec![0x90, 0]));
    assert_eq!(card.disconnect(LEAVE), Ok(()));
    waiter.assert_waiting();
    assert_eq!(cancel(context.0), Ok(()));
    assert_eq!(waiter.end().0, Err(Error::Cancelled));
}
