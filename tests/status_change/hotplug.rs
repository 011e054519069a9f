//! Readers that come and go.
//!
//! What concerns the list of readers as a whole runs in a process of its own: other tests plug and unplug, too.

use std::time::Duration;

use winscard::api::types::DWORD;
use winscard::error::Error;
use winscard::sim::wire::kind::GET_SLOT_STATUS;
use winscard::sim::{self, Config, Fault, Injection, Times};

use crate::watch_bench::*;

/// The counter in the word of the pseudo reader, which must have nothing else but CHANGED.
fn counter(state: &State, changed: bool) -> DWORD {
    assert_eq!(state.event & 0xFFFF, if changed { 2 } else { 0 });
    assert_ne!(state.event >> 16, 0, "0 means \"not known\"");
    state.event >> 16
}

/// The counter now.
fn count(context: &Context) -> DWORD {
    let mut states = [State::new(PNP, 0)];
    assert_eq!(
        status_change(context.0, 0, &mut states),
        Err(Error::Timeout),
        "never at once with UNAWARE"
    );
    counter(&states[0], false)
}

#[test]
fn a_reader_unplugged_during_a_wait_ends_it_and_is_unknown_to_the_next_call() {
    for config in [
        Config::default(),
        Config {
            interrupt: false,
            ..Config::default()
        },
    ] {
        let (context, bench, other) = (Context::new(), Bench::plug_as(config), Bench::with_card(Chip::new(2)));
        bench.insert(Chip::new(1));
        let waiter = Waiter::start(context.0, INFINITE, &[other.state(0x20), bench.state(0x20)]);
        bench.reader.unplug();
        let (result, states) = waiter.end();
        assert_eq!(
            (result, states[0].event, states[0].atr()),
            (Ok(()), 0x20, &Chip::atr(2)[..])
        );
        assert_eq!(
            (states[1].event, states[1].atr()),
            (0xE, &[][..]),
            "UNKNOWN, UNAVAILABLE, CHANGED, no counter"
        );
        for current in [0, 0x20, 0xC, 0x1] {
            let mut states = [other.state(0), bench.state(current)];
            assert_eq!(status_change(context.0, 0, &mut states), Err(Error::UnknownReader));
            assert!(states.iter().all(State::is_untouched));
        }
    }
}

#[test]
fn every_waiter_hears_of_an_unplugged_reader() {
    let (context, other, bench) = (Context::new(), Context::new(), Bench::plug());
    let waiters = [&context, &context, &other].map(|context| Waiter::start(context.0, INFINITE, &[bench.state(0x10)]));
    bench.reader.unplug();
    for waiter in waiters {
        let (result, state) = waiter.end_of_one();
        assert_eq!((result, state.event), (Ok(()), 0xE));
    }
}

#[test]
fn a_reader_that_leaves_at_a_planned_time_or_in_mid_command_ends_a_wait() {
    let context = Context::new();
    for interrupt in [true, false] {
        let bench = Bench::plug_as(Config {
            interrupt,
            ..Config::default()
        });
        bench.reader.unplug_after(Duration::from_millis(100));
        let mut states = [bench.state(0x10)];
        assert_eq!(status_change(context.0, PATIENT, &mut states), Ok(()));
        assert_eq!(states[0].event, 0xE);
    }
    let bench = Bench::polled();
    let waiter = Waiter::start(context.0, INFINITE, &[bench.state(0x10)]);
    bench.reader.inject(Injection {
        fault: Fault::Unplugged,
        on: Some(GET_SLOT_STATUS),
        times: Times::Always,
    });
    let (result, state) = waiter.end_of_one();
    assert_eq!((result, state.event), (Ok(()), 0xE));
}

#[test]
fn handles_of_an_unplugged_reader_are_dead_and_stay_so() {
    alone("hotplug::handles_of_an_unplugged_reader_are_dead_and_stay_so", || {
        let context = Context::new();
        let config = Config {
            serial: Some("42".into()),
            ..Config::default()
        };
        let reader = sim::plug(config.clone()).unwrap();
        drop(reader.insert(0, Chip::new(1)));
        let [name] = &context.readers()[..] else {
            panic!("one reader")
        };
        let cards = [SHARED, SHARED, DIRECT].map(|share| context.connect(name, share).unwrap());
        reader.unplug();
        let dead = |card: Handle, status: Error| {
            assert_eq!(card.status(), Err(status));
            assert_eq!(card.transmit(&[0, 0xA4, 0, 0]), Err(Error::InvalidValue));
            assert_eq!(card.reconnect(SHARED, LEAVE), Err(Error::InvalidValue));
            assert_eq!(card.reconnect(SHARED, RESET), Err(Error::InvalidValue));
            assert_eq!(card.begin(), Err(Error::InvalidValue));
            assert_eq!(card.end(RESET), Err(Error::InvalidValue));
            assert_eq!(card.control(), Err(Error::InvalidValue));
            assert_eq!(card.get_atr_attribute(), Err(Error::InvalidValue));
            assert_eq!(card.set_atr_attribute(), Err(Error::InvalidValue));
        };
        cards.into_iter().for_each(|card| dead(card, Error::ReaderUnavailable));
        assert_eq!(context.connect(name, SHARED).err(), Some(Error::UnknownReader));
        // The same reader once more, under the same name.
        let reader = sim::plug(config).unwrap();
        drop(reader.insert(0, Chip::new(1)));
        assert_eq!(context.readers(), [name.as_str()]);
        assert_eq!(
            event(&context, name, 0),
            0x22,
            "nobody is connected to it, and its count begins anew"
        );
        // The name is listed, so pcsc-lite's server is asked, which does not know the handle.
        cards.into_iter().for_each(|card| dead(card, Error::InvalidValue));
        let fresh = context.connect(name, EXCLUSIVE).unwrap();
        assert_eq!(fresh.transmit(&[0, 0xA4, 0, 0]), Ok(vec![0x90, 0]));
        for card in cards {
            assert_eq!(card.disconnect(RESET), Ok(()));
            assert_eq!(card.disconnect(LEAVE), Err(Error::InvalidHandle));
        }
        assert_eq!(reader.counters().warm_resets, 0, "the dead handle's reset went nowhere");
        // Whatever is left is released without complaint.
        reader.unplug();
        assert_eq!(release(context.0), Ok(()));
        assert_eq!(fresh.disconnect(LEAVE), Err(Error::InvalidHandle));
    });
}

#[test]
fn a_new_reader_does_not_end_a_wait_without_the_pseudo_reader() {
    let (context, bench) = (Context::new(), Bench::plug());
    let waiter = Waiter::start(context.0, INFINITE, &[bench.state(0x10)]);
    let others = [Bench::plug(), Bench::plug()];
    waiter.assert_goes_on();
    drop(others);
    waiter.assert_goes_on();
    bench.insert(Chip::new(1));
    assert_eq!(waiter.end_of_one().1.event, 0x1_0022);
}

#[test]
fn plugging_and_unplugging_end_a_wait_for_the_list_and_count() {
    alone(
        "hotplug::plugging_and_unplugging_end_a_wait_for_the_list_and_count",
        || {
            // So that there is a bus to wait for.
            drop(Bench::plug());
            let (context, other) = (Context::new(), Context::new());
            let mut before = count(&context);
            for round in 0..3 {
                // Both with and without a known counter; EMPTY is what some programs pass.
                let known = [0, before << 16, 0x10][round];
                let start =
                    || [&context, &other].map(|context| Waiter::start(context.0, INFINITE, &[State::new(PNP, known)]));
                let waiters = start();
                let bench = Bench::plug();
                for waiter in waiters {
                    let (result, state) = waiter.end_of_one();
                    assert_eq!((result, counter(&state, true)), (Ok(()), before + 1));
                }
                let waiter = Waiter::start(context.0, INFINITE, &[State::new(PNP, (before + 1) << 16)]);
                drop(bench);
                let (result, state) = waiter.end_of_one();
                assert_eq!((result, counter(&state, true)), (Ok(()), before + 2));
                before += 2;
                assert_eq!(count(&context), before);
            }
        },
    );
}

/// pcsc-lite's counter has 16 bits with a sign.
#[test]
fn the_count_of_the_list_begins_at_1_and_wraps_to_1() {
    alone("hotplug::the_count_of_the_list_begins_at_1_and_wraps_to_1", || {
        // So that there is a bus, which nobody has looked at yet.
        let _path = sim::bus_path();
        let context = Context::new();
        assert_eq!(count(&context), 1);
        for changes in (1..0x7FFF).step_by(2) {
            let reader = sim::plug(Config::default()).unwrap();
            assert_eq!(count(&context), changes + 1);
            reader.unplug();
            assert_eq!(count(&context), if changes + 2 > 0x7FFF { 1 } else { changes + 2 });
        }
        assert_eq!(count(&context), 0x7FFF);
        drop(Bench::plug());
        assert_eq!(count(&context), 2);
    });
}

#[test]
fn a_list_that_changed_since_the_last_call_is_told_at_once() {
    alone(
        "hotplug::a_list_that_changed_since_the_last_call_is_told_at_once",
        || {
            let (context, bench) = (Context::new(), Bench::plug());
            let before = count(&context);
            // Plugged and unplugged: as many readers as before, yet two changes.
            drop(Bench::plug());
            let mut states = [State::new(PNP, before << 16), bench.state(0x10)];
            assert_eq!(status_change(context.0, INFINITE, &mut states), Ok(()));
            assert_eq!(counter(&states[0], true), before + 2);
            assert_eq!(states[1].event, 0x10, "filled in like any other");
            // Not told to one who has no counter to compare.
            assert_eq!(count(&context), before + 2);
            // Any other counter is as good.
            let mut states = [State::new(PNP, (before + 1) << 16)];
            assert_eq!(status_change(context.0, 0, &mut states), Ok(()));
        },
    );
}

#[test]
fn an_event_of_a_reader_leaves_the_list_unchanged_and_the_other_way_round() {
    alone(
        "hotplug::an_event_of_a_reader_leaves_the_list_unchanged_and_the_other_way_round",
        || {
            let (context, bench) = (Context::new(), Bench::plug());
            let known = count(&context);
            let list = State::new(PNP, known << 16);
            let waiter = Waiter::start(context.0, INFINITE, &[list.clone(), bench.state(0x10)]);
            bench.insert(Chip::new(1));
            let (_, states) = waiter.end();
            assert_eq!((counter(&states[0], false), states[1].event), (known, 0x1_0022));
            let waiter = Waiter::start(context.0, INFINITE, &[list, states[1].next()]);
            let another = Bench::plug();
            let (_, states) = waiter.end();
            assert_eq!((counter(&states[0], true), states[1].event), (known + 1, 0x1_0020));
            // Unplugging a reader that is waited for changes both.
            let waiter = Waiter::start(
                context.0,
                INFINITE,
                &[states[0].next(), states[1].next(), another.state(0x10)],
            );
            another.reader.unplug();
            let (_, states) = waiter.end();
            assert_eq!(
                (counter(&states[0], true), states[1].event, states[2].event),
                (known + 2, 0x1_0020, 0xE)
            );
        },
    );
}

/// A program that asks now and then must not lose a descriptor each time a reader is re-plugged.
#[test]
fn nothing_is_kept_of_a_reader_that_was_unplugged() {
    alone("hotplug::nothing_is_kept_of_a_reader_that_was_unplugged", || {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let (context, steady) = (Context::new(), Bench::plug());
        let mut counts = Vec::new();
        for _ in 0..10 {
            let bench = Bench::with_card(Chip::new(1));
            let mut states = [steady.state(0), bench.state(0)];
            assert_eq!(status_change(context.0, 0, &mut states), Ok(()));
            assert_eq!(states[1].event, 0x22);
            drop(bench);
            assert_eq!(status_change(context.0, 0, &mut states), Err(Error::UnknownReader));
            assert_eq!(event(&context, steady.name(), 0), 0x12);
            counts.push(open());
        }
        assert_eq!(counts[1], counts[9], "{counts:?}");
    });
}
