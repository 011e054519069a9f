//! Several calls that wait for the same readers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use winscard::api::types::{DWORD, SCARDCONTEXT};
use winscard::error::Error;
use winscard::sim::Config;

use crate::watch_bench::*;

/// Waits again and again with what it learned last; sends every event word. Ends with the reader.
fn follow(context: SCARDCONTEXT, state: State, tell: mpsc::Sender<DWORD>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut states = [state];
        loop {
            match status_change(context, PATIENT, &mut states) {
                Ok(()) => {}
                Err(Error::UnknownReader) => return,
                Err(error) => panic!("{error}"),
            }
            tell.send(states[0].event).unwrap();
            states = [states[0].next()];
        }
    })
}

#[test]
fn each_waiter_sees_each_insertion_and_removal_once_with_the_same_counter() {
    for config in [
        Config::default(),
        Config {
            interrupt: false,
            ..Config::default()
        },
    ] {
        // Two threads in one context, and two contexts with one each.
        let contexts = [Context::new(), Context::new(), Context::new()];
        let bench = Bench::plug_as(config);
        let mut heard = Vec::new();
        let mut threads = Vec::new();
        for context in [0, 0, 1, 2] {
            let (tell, told) = mpsc::channel();
            threads.push(follow(contexts[context].0, bench.state(0), tell));
            heard.push(told);
        }
        let expect = |word: DWORD| {
            for (number, told) in heard.iter().enumerate() {
                assert_eq!(told.recv_timeout(PATIENCE), Ok(word), "waiter {number}");
            }
        };
        expect(0x12);
        for round in 0..4 {
            bench.insert(Chip::new(1));
            expect((2 * round + 1) << 16 | 0x22);
            bench.remove();
            expect((2 * round + 2) << 16 | 0x12);
        }
        bench.reader.unplug();
        for thread in threads {
            thread.join().unwrap();
        }
        // One that was between two calls then hears of an unknown reader only.
        for told in heard {
            let rest: Vec<_> = told.iter().collect();
            assert!(rest.is_empty() || rest == [0xE], "{rest:x?}");
        }
    }
}

#[test]
fn the_watch_passes_to_another_waiter_when_the_call_that_had_it_ends() {
    for config in [
        Config::default(),
        Config {
            interrupt: false,
            ..Config::default()
        },
    ] {
        let (context, bench) = (Context::new(), Bench::plug_as(config));
        let contexts: Vec<_> = (0..4).map(|_| Context::new()).collect();
        // The first to wait watches; each cancel hands the watch on.
        let mut waiters: Vec<_> = contexts
            .iter()
            .map(|context| Waiter::start(context.0, INFINITE, &[bench.state(0x10)]))
            .collect();
        let last = Waiter::start(context.0, INFINITE, &[bench.state(0x10)]);
        for context in &contexts {
            assert_eq!(cancel(context.0), Ok(()));
            assert_eq!(waiters.remove(0).end().0, Err(Error::Cancelled));
        }
        bench.insert(Chip::new(1));
        let (result, state) = last.end_of_one();
        assert_eq!((result, state.event), (Ok(()), 0x1_0022));
    }
}

#[test]
fn a_call_that_looks_does_not_take_the_news_from_one_that_waits() {
    let (context, other, bench) = (Context::new(), Context::new(), Bench::plug());
    let mut known = 0x10;
    for _ in 0..200 {
        let waiter = Waiter::start(context.0, INFINITE, &[bench.state(known)]);
        bench.insert(Chip::new(1));
        // While another thread is asking the reader, one that only looks is told what was known before.
        let word = until("the card is seen", || {
            Some(event(&other, bench.name(), known)).filter(|word| word & 0x20 != 0)
        });
        assert_eq!(waiter.end_of_one().1.event, word);
        bench.remove();
        known = event(&other, bench.name(), word & !2) & !2;
        assert_eq!(known & 0x30, 0x10);
    }
}

/// The message about one slot may be taken by whoever works with the other.
#[test]
fn work_on_one_slot_does_not_take_the_news_of_another() {
    let (context, other) = (Context::new(), Context::new());
    let bench = Bench::plug_as(Config {
        slots: 2,
        ..Config::default()
    });
    bench.insert(Chip::new(1));
    let card = other.connect(&bench.names[0], SHARED).unwrap();
    let mut known = event(&context, &bench.names[1], 0) & !2;
    for round in 0..200 {
        let waiter = Waiter::start(context.0, INFINITE, &[State::new(&bench.names[1], known)]);
        drop(bench.reader.insert(1, Chip::new(2)));
        assert_eq!(card.transmit(&[0, 0xA4, 0, 0]), Ok(vec![0x90, 0]), "{round}");
        assert_eq!(waiter.end_of_one().1.event & 0x32, 0x22);
        assert!(bench.reader.remove(1).is_some());
        known = event(&context, &bench.names[1], 0) & !2;
    }
}

/// A reader that the host asks only now and then: calls in between do not ask either, but what wakes a waiter is looked at.
#[test]
fn a_waiter_hears_what_the_calls_beside_it_do_not_ask_for() {
    let (context, other) = (Context::new(), Context::new());
    let bench = Bench::plug_as(Config {
        report_interval: Duration::from_secs(600),
        ..Config::default()
    });
    bench.insert(Chip::new(1));
    let card = other.connect(bench.name(), SHARED).unwrap();
    for round in 1..=3 {
        assert_eq!(card.transmit(&[0, 0xA4, 0, 0]), Ok(vec![0x90, 0]), "{round}");
        let mut known = event(&context, bench.name(), 0) & !2;
        let moves: [(&dyn Fn(), DWORD); 2] = [(&|| bench.remove(), 0x12), (&|| bench.insert(Chip::new(1)), 0x22)];
        for (move_it, seen) in moves {
            assert_eq!(event(&context, bench.name(), known), known, "{round}");
            let waiter = Waiter::start(context.0, INFINITE, &[State::new(bench.name(), known)]);
            waiter.until_asleep();
            move_it();
            known = waiter.end_of_one().1.event;
            assert_eq!(known & 0x32, seen, "{round}");
            known &= !2;
        }
        assert_eq!(card.status().unwrap_err(), Error::RemovedCard, "{round}");
        assert_eq!(card.reconnect(SHARED, 0), Ok(()), "{round}");
    }
}

/// Without a waiter it is heard when the host has asked again.
#[test]
fn a_removal_is_seen_when_the_host_has_asked() {
    let context = Context::new();
    let interval = Duration::from_millis(100);
    let bench = Bench::plug_as(Config {
        report_interval: interval,
        ..Config::default()
    });
    bench.insert(Chip::new(1));
    let card = context.connect(bench.name(), SHARED).unwrap();
    for round in 1..=3 {
        assert_eq!(card.transmit(&[0, 0xA4, 0, 0]), Ok(vec![0x90, 0]), "{round}");
        bench.remove();
        thread::sleep(interval);
        assert_eq!(event(&context, bench.name(), 0x20) & 0x32, 0x12, "{round}");
        assert_eq!(card.status().unwrap_err(), Error::RemovedCard, "{round}");
        bench.insert(Chip::new(1));
        thread::sleep(interval);
        assert_eq!(event(&context, bench.name(), 0x10) & 0x32, 0x22, "{round}");
        assert_eq!(card.reconnect(SHARED, 0), Ok(()), "{round}");
    }
}

/// Follows both slots of a reader like `follow`, but only remembers the last words.
fn remember(context: SCARDCONTEXT, names: &[String], last: Arc<Mutex<Vec<DWORD>>>) -> thread::JoinHandle<()> {
    let mut states: Vec<_> = names.iter().map(|name| State::new(name, 0)).collect();
    thread::spawn(move || {
        while status_change(context, INFINITE, &mut states).is_ok() {
            states = states.iter().map(State::next).collect();
            *last.lock().unwrap() = states.iter().map(|state| state.current).collect();
        }
    })
}

#[test]
fn after_any_burst_of_moves_every_waiter_has_the_last_word() {
    for interrupt in [true, false] {
        let (context, contexts) = (Context::new(), [Context::new(), Context::new()]);
        let bench = Bench::plug_as(Config {
            slots: 2,
            interrupt,
            ..Config::default()
        });
        let mut has_card = [false, false];
        let mut toggle = |slot: u8| {
            let present = &mut has_card[usize::from(slot)];
            *present = !*present;
            if *present {
                drop(bench.reader.insert(slot, Chip::new(1)));
            } else {
                drop(bench.reader.remove(slot));
            }
            *present
        };
        let words = || {
            bench
                .names
                .iter()
                .map(|name| event(&context, name, 0) & !2)
                .collect::<Vec<_>>()
        };
        // A counter of 0 would not be compared, and cards there from the start do not count.
        assert_eq!(words(), [0x10, 0x10]);
        let mut present = [0, 1].map(&mut toggle);
        until("both cards are counted", || {
            words().iter().all(|word| *word >> 16 == 1).then_some(())
        });
        let lasts: Vec<_> = (0..3).map(|_| Arc::default()).collect();
        let threads: Vec<_> = lasts
            .iter()
            .zip([0, 0, 1])
            .map(|(last, context)| remember(contexts[context].0, &bench.names, Arc::clone(last)))
            .collect();
        let mut random: u32 = 0x2545_F491;
        for round in 0..if interrupt { 100 } else { 4 } {
            for _ in 0..random % 8 {
                random ^= random << 13;
                random ^= random >> 17;
                random ^= random << 5;
                let slot = u8::from(random & 0x100 != 0);
                present[usize::from(slot)] = toggle(slot);
                // Somebody else uses the reader meanwhile, and takes its messages.
                if random & 0x200 != 0 {
                    let card = context.connect(&bench.names[0], DIRECT).unwrap();
                    assert_eq!(card.disconnect(LEAVE), Ok(()));
                }
            }
            random = random.wrapping_mul(0x9E37_79B1) | 1;
            until(&format!("all agree, round {round}, {interrupt}"), || {
                let now = words();
                let right = now
                    .iter()
                    .zip(present)
                    .all(|(word, present)| (word & 0x20 != 0) == present);
                (right && lasts.iter().all(|last| *last.lock().unwrap() == now)).then_some(())
            });
        }
        bench.reader.unplug();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_waiter_in_another_thread_costs_an_exchange_nothing_on_the_wire() {
    alone(
        "waiters::a_waiter_in_another_thread_costs_an_exchange_nothing_on_the_wire",
        || {
            const EXCHANGES: u64 = 200;
            let (context, other, bench) = (Context::new(), Context::new(), Bench::with_card(Chip::new(1)));
            let card = context.connect(bench.name(), SHARED).unwrap();
            let time = || {
                let (start, commands) = (Instant::now(), bench.reader.counters().commands);
                for _ in 0..EXCHANGES {
                    assert_eq!(card.transmit(&[0, 0xA4, 0, 0]), Ok(vec![0x90, 0]));
                }
                (start.elapsed(), bench.reader.counters().commands - commands)
            };
            // The first exchange still finds the message about the insertion.
            assert_eq!(card.transmit(&[0, 0xA4, 0, 0]), Ok(vec![0x90, 0]));
            let (alone, commands) = time();
            assert_eq!(commands, EXCHANGES);
            let waiter = Waiter::start(other.0, INFINITE, &[bench.state(0x20)]);
            let asleep = waiter.sleeps();
            let (watched, commands) = time();
            assert_eq!(commands, EXCHANGES, "no more is said to the reader");
            assert!(
                waiter.sleeps() <= asleep + 20,
                "the waiter is not woken by each exchange"
            );
            // One millisecond each is far below any delay that is in the library, far above what the machine does.
            let limit = alone * 3 + Duration::from_millis(EXCHANGES);
            assert!(watched < limit, "{watched:?} with a waiter, {alone:?} without");
            waiter.assert_waiting();
        },
    );
}

/// A call that has no use for what the reader reports may be the one that collects it; who waits hears of it all the same.
#[test]
fn news_that_another_call_of_the_process_collected_end_a_wait() {
    let (context, other, bench) = (Context::new(), Context::new(), Bench::plug());
    let card = other.connect(bench.name(), DIRECT).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let busy = thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            assert!(card.end(LEAVE).is_err(), "no transaction");
        }
    });
    let mut state = bench.state(0x10);
    for number in 0..60 {
        let waiter = Waiter::start(context.0, INFINITE, &[state]);
        bench.insert(Chip::new(number));
        let (result, inserted) = waiter.end_of_one();
        assert_eq!((result, inserted.event & 0x22), (Ok(()), 0x22), "{number}");
        let waiter = Waiter::start(context.0, INFINITE, &[inserted.next()]);
        bench.remove();
        let (result, removed) = waiter.end_of_one();
        assert_eq!((result, removed.event & 0x12), (Ok(()), 0x12), "{number}");
        state = removed.next();
    }
    stop.store(true, Ordering::Relaxed);
    busy.join().unwrap();
}
