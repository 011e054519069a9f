//! Waiting: how long, what for, and at what cost.

use std::thread;
use std::time::{Duration, Instant};

use winscard::api::types::DWORD;
use winscard::error::Error;

use crate::watch_bench::*;

#[test]
fn timeout_0_only_looks() {
    alone("waits::timeout_0_only_looks", || {
        let (context, bench) = (Context::new(), Bench::plug());
        let mut states = [bench.state(0x10), State::new(PNP, 0)];
        let start = Instant::now();
        for _ in 0..20 {
            assert_eq!(status_change(context.0, 0, &mut states), Err(Error::Timeout));
        }
        assert!(start.elapsed() < PATIENCE);
        assert_eq!(states[0].event, 0x10);
    });
}

#[test]
fn a_timeout_is_never_shorter_than_asked_for() {
    alone("waits::a_timeout_is_never_shorter_than_asked_for", || {
        let (context, bench, polled) = (Context::new(), Bench::plug(), Bench::polled());
        for (states, milliseconds) in [
            (vec![bench.state(0x10)], 200_u16),
            (vec![polled.state(0x10)], 200),
            (vec![State::new(PNP, 0)], 200),
            (vec![bench.state(0x10), polled.state(0x10), State::new(PNP, 0)], 500),
        ] {
            let mut states = states;
            let start = Instant::now();
            assert_eq!(
                status_change(context.0, milliseconds.into(), &mut states),
                Err(Error::Timeout)
            );
            let (took, time) = (start.elapsed(), Duration::from_millis(milliseconds.into()));
            assert!(took >= time, "{took:?} of {time:?}");
            assert!(took < PATIENCE, "{took:?} of {time:?}");
        }
    });
}

#[test]
fn insertion_and_removal_end_a_wait() {
    for polled in [false, true] {
        let (context, bench) = (Context::new(), if polled { Bench::polled() } else { Bench::plug() });
        let mut state = bench.state(0x10);
        for round in 0..3 {
            let waiter = Waiter::start(context.0, INFINITE, &[state]);
            bench.insert(Chip::new(round));
            let (result, inserted) = waiter.end_of_one();
            assert_eq!(
                (result, inserted.event),
                (Ok(()), (2 * DWORD::from(round) + 1) << 16 | 0x22)
            );
            assert_eq!(inserted.atr(), Chip::atr(round));
            let waiter = Waiter::start(context.0, INFINITE, &[inserted.next()]);
            bench.remove();
            let (result, removed) = waiter.end_of_one();
            assert_eq!(
                (result, removed.event),
                (Ok(()), (2 * DWORD::from(round) + 2) << 16 | 0x12)
            );
            assert_eq!(removed.atr(), []);
            state = removed.next();
        }
    }
}

#[test]
fn what_is_planned_for_later_ends_a_wait_of_one_thread() {
    let (context, bench) = (Context::new(), Bench::plug());
    bench.reader.insert_after(Duration::from_millis(50), 0, Chip::new(9));
    let mut states = [bench.state(0x10)];
    assert_eq!(status_change(context.0, PATIENT, &mut states), Ok(()));
    assert_eq!(states[0].event, 0x1_0022);
}

#[test]
fn a_fast_swap_during_a_wait_ends_it() {
    let (context, bench) = (Context::new(), Bench::plug());
    assert_eq!(event(&context, bench.name(), 0), 0x12);
    bench.insert(Chip::new(0));
    // From here on the caller knows a counter that is not 0, so that any move is a change.
    let mut known = event(&context, bench.name(), 0);
    assert_eq!(known, 0x1_0022);
    for number in 1..50 {
        let waiter = Waiter::start(context.0, INFINITE, &[bench.state(known & !2)]);
        bench.remove();
        bench.insert(Chip::new(number));
        // Whether the empty reader is seen in between is chance; that both moves are counted in the end is not.
        let (_, mut state) = waiter.end_of_one();
        if state.event & 0x10 != 0 {
            assert_eq!(state.event, (2 * DWORD::from(number)) << 16 | 0x12);
            let mut states = [state.next()];
            assert_eq!(status_change(context.0, PATIENT, &mut states), Ok(()));
            [state] = states;
        }
        assert_eq!(
            (state.event, state.atr()),
            ((2 * DWORD::from(number) + 1) << 16 | 0x22, &Chip::atr(number)[..])
        );
        known = state.event;
    }
}

#[test]
fn one_of_many_readers_ends_the_wait_for_all() {
    let context = Context::new();
    let benches: Vec<_> = (0..20)
        .map(|number| {
            if number % 4 == 3 {
                Bench::polled()
            } else {
                Bench::plug()
            }
        })
        .collect();
    let mut states: Vec<_> = benches.iter().map(|bench| bench.state(0)).collect();
    assert_eq!(status_change(context.0, PATIENT, &mut states), Ok(()));
    assert!(states.iter().all(|state| state.event == 0x12), "{states:?}");
    for at in [19, 16, 0] {
        let known: Vec<_> = states.iter().map(State::next).collect();
        let waiter = Waiter::start(context.0, INFINITE, &known);
        benches[at].insert(Chip::new(4));
        let result;
        (result, states) = waiter.end();
        assert_eq!((result, states[at].event), (Ok(()), 0x1_0022));
        assert_eq!(states.iter().filter(|state| state.event & 2 != 0).count(), 1);
    }
}

#[test]
fn one_reader_may_be_asked_about_twice_in_a_call() {
    let (context, bench) = (Context::new(), Bench::plug());
    let waiter = Waiter::start(context.0, INFINITE, &[bench.state(0x10), bench.state(0x2)]);
    bench.insert(Chip::new(4));
    let (result, states) = waiter.end();
    assert_eq!((result, states[0].event, states[1].event), (Ok(()), 0x1_0022, 0x1_0020));
}

#[test]
fn a_signal_does_not_end_a_wait() {
    alone("waits::a_signal_does_not_end_a_wait", || {
        install_idle_handler(libc::SIGUSR1);
        let (context, bench) = (Context::new(), Bench::plug());
        let start = Instant::now();
        let waiter = Waiter::start(context.0, 700, &[bench.state(0x10)]);
        for _ in 0..10 {
            waiter.signal(libc::SIGUSR1);
            thread::sleep(Duration::from_millis(10));
            waiter.assert_waiting();
        }
        assert_eq!(waiter.end_of_one().0, Err(Error::Timeout));
        assert!(start.elapsed() >= Duration::from_millis(700));
    });
}

/// Nobody else's readers come and go in this process, so nothing may wake these threads.
#[test]
fn threads_that_wait_on_interrupt_endpoints_do_not_run() {
    alone("waits::threads_that_wait_on_interrupt_endpoints_do_not_run", || {
        let (first, second) = (Context::new(), Context::new());
        let (bench, other) = (Bench::plug(), Bench::with_card(Chip::new(1)));
        let waiters = [
            Waiter::start(first.0, INFINITE, &[bench.state(0x10), other.state(0x20)]),
            Waiter::start(second.0, INFINITE, &[bench.state(0x10)]),
            Waiter::start(second.0, INFINITE, &[other.state(0x20), State::new(PNP, 0)]),
            Waiter::start(second.0, INFINITE, &[State::new(PNP, 0)]),
        ];
        // The last looks after others have come.
        thread::sleep(Duration::from_millis(500));
        let before: Vec<_> = waiters.iter().map(Waiter::sleeps).collect();
        let commands = bench.reader.counters().commands + other.reader.counters().commands;
        thread::sleep(Duration::from_millis(1500));
        let after: Vec<_> = waiters.iter().map(Waiter::sleeps).collect();
        assert_eq!(before, after, "wake-ups without reason");
        assert_eq!(
            bench.reader.counters().commands + other.reader.counters().commands,
            commands
        );
        // And yet they listen.
        bench.insert(Chip::new(2));
        let [first, second, third, fourth] = waiters;
        assert_eq!(first.end().1[0].event, 0x1_0022);
        assert_eq!(second.end().1[0].event, 0x1_0022);
        other.remove();
        assert_eq!(third.end().1[0].event, 0x1_0012);
        fourth.assert_waiting();
    });
}

#[test]
fn a_reader_without_interrupt_endpoint_is_asked_every_400_ms_and_only_while_somebody_waits() {
    alone(
        "waits::a_reader_without_interrupt_endpoint_is_asked_every_400_ms_and_only_while_somebody_waits",
        || {
            let (context, other, bench) = (Context::new(), Context::new(), Bench::polled());
            let asked = || bench.reader.counters().get_slot_status;
            assert_eq!(event(&context, bench.name(), 0), 0x12);
            let idle = asked();
            thread::sleep(Duration::from_millis(1000));
            assert_eq!(asked(), idle, "nobody waits");
            let start = Instant::now();
            // Two wait; one asks.
            let waiters = [&context, &other].map(|context| Waiter::start(context.0, INFINITE, &[bench.state(0x10)]));
            let sleeps = [0, 1].map(|at: usize| waiters[at].sleeps());
            until("the reader was asked three times more", || {
                (asked() >= idle + 3).then_some(())
            });
            thread::sleep(Duration::from_millis(100));
            let (count, most) = (asked() - idle, start.elapsed().as_millis() / 400 + 1);
            assert!(u128::from(count) <= most, "{count} times in {:?}", start.elapsed());
            let [asking, listening] = [0, 1].map(|at: usize| waiters[at].sleeps() - sleeps[at]);
            assert!(asking <= 2 * count + 4, "{asking} wake-ups to ask {count} times");
            assert!(listening <= 8, "{listening} wake-ups of one that need not ask");
            bench.insert(Chip::new(1));
            for waiter in waiters {
                assert_eq!(waiter.end_of_one().1.event, 0x1_0022);
            }
            let idle = asked();
            thread::sleep(Duration::from_millis(1000));
            assert_eq!(asked(), idle, "nobody waits any more");
        },
    );
}
