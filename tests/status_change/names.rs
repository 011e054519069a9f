//! Names of readers: index, slot, and what belongs to each. In processes of their own, because the index is first come,
//! first served among all readers.

use winscard::sim::{self, Config, Reader};

use crate::watch_bench::*;

const MODEL: &str = "winscard Software Reader";

fn plug() -> Reader {
    sim::plug(Config::default()).unwrap()
}

fn plug_as(config: Config) -> Reader {
    sim::plug(config).unwrap()
}

#[test]
fn readers_of_one_model_differ_in_the_index() {
    alone("names::readers_of_one_model_differ_in_the_index", || {
        let context = Context::new();
        let _readers = [plug(), plug()];
        assert_eq!(context.readers(), [format!("{MODEL} 00 00"), format!("{MODEL} 01 00")]);
    });
}

#[test]
fn the_index_counts_readers_of_every_model_in_hexadecimal() {
    alone("names::the_index_counts_readers_of_every_model_in_hexadecimal", || {
        let context = Context::new();
        let _first = plug();
        let other = Config {
            manufacturer: None,
            product: Some("Other".into()),
            ..Config::default()
        };
        let _second = plug_as(other);
        let _rest: Vec<_> = (2..0x11).map(|_| plug()).collect();
        let names = context.readers();
        assert_eq!(names.len(), 0x11);
        assert_eq!(names[1], "Other 01 00");
        assert_eq!(names[0xA], format!("{MODEL} 0A 00"));
        assert_eq!(names[0x10], format!("{MODEL} 10 00"));
    });
}

#[test]
fn an_index_is_free_again_after_unplugging_and_the_lowest_is_taken() {
    alone(
        "names::an_index_is_free_again_after_unplugging_and_the_lowest_is_taken",
        || {
            let context = Context::new();
            let name = |index: u8| format!("{MODEL} {index:02X} 00");
            let readers = [plug(), plug(), plug()];
            assert_eq!(context.readers(), [name(0), name(1), name(2)]);
            readers[1].unplug();
            assert_eq!(context.readers(), [name(0), name(2)], "the others keep their names");
            readers[0].unplug();
            assert_eq!(context.readers(), [name(2)]);
            let _again = plug();
            assert_eq!(context.readers(), [name(0), name(2)]);
            let _once_more = plug();
            assert_eq!(context.readers(), [name(0), name(1), name(2)]);
        },
    );
}

#[test]
fn a_name_goes_with_the_reader_that_has_it_now() {
    alone("names::a_name_goes_with_the_reader_that_has_it_now", || {
        let context = Context::new();
        let name = format!("{MODEL} 00 00");
        let first = plug();
        drop(first.insert(0, Chip::new(1)));
        assert_eq!(event(&context, &name, 0), 0x22);
        first.unplug();
        let second = plug();
        assert_eq!(event(&context, &name, 0), 0x12);
        drop(second.insert(0, Chip::new(2)));
        let mut states = [State::new(&name, 0x10)];
        assert_eq!(status_change(context.0, 0, &mut states), Ok(()));
        assert_eq!((states[0].event, states[0].atr()), (0x1_0022, &Chip::atr(2)[..]));
    });
}

#[test]
fn serial_number_and_interface_stand_in_the_name_but_not_twice() {
    alone(
        "names::serial_number_and_interface_stand_in_the_name_but_not_twice",
        || {
            let context = Context::new();
            let config = |serial: &str, interface: Option<&str>| Config {
                serial: Some(serial.into()),
                interface_name: interface.map(ToOwned::to_owned),
                ..Config::default()
            };
            let readers = [
                config("70D7", None),
                config("70D7", Some("PICC")),
                config("70D7", Some("PICC 70D7 A")),
            ]
            .map(plug_as);
            let expected = ["(70D7) 00 00", "[PICC] (70D7) 01 00", "[PICC 70D7 A] 02 00"];
            assert_eq!(context.readers(), expected.map(|rest| format!("{MODEL} {rest}")));
            drop(readers);
        },
    );
}

#[test]
fn a_long_name_is_cut_before_the_index() {
    alone("names::a_long_name_is_cut_before_the_index", || {
        let context = Context::new();
        let config = Config {
            manufacturer: None,
            product: Some("x".repeat(300)),
            ..Config::default()
        };
        let readers = [config.clone(), config].map(plug_as);
        let name = |index: u8| format!("{} {index:02X} 00", "x".repeat(121));
        assert_eq!(context.readers(), [name(0), name(1)]);
        drop(readers[1].insert(0, Chip::new(1)));
        assert_eq!(event(&context, &name(0), 0), 0x12);
        assert_eq!(event(&context, &name(1), 0), 0x22);
        assert_eq!(
            context.connect(&name(1), SHARED).unwrap().status().unwrap().name,
            name(1)
        );
    });
}

#[test]
fn a_real_model_has_the_name_that_libccid_gives_it() {
    alone("names::a_real_model_has_the_name_that_libccid_gives_it", || {
        let context = Context::new();
        let config = Config {
            vendor_id: 0x08E6,
            product_id: 0x3437,
            serial: Some("70D7E2EE".into()),
            ..Config::default()
        };
        let _reader = plug_as(config);
        assert_eq!(context.readers(), ["Gemalto PC Twin Reader (70D7E2EE) 00 00"]);
    });
}

#[test]
fn slots_share_the_index_and_come_in_order() {
    alone("names::slots_share_the_index_and_come_in_order", || {
        let context = Context::new();
        let readers = [
            Config {
                slots: 2,
                ..Config::default()
            },
            Config {
                slots: 11,
                ..Config::default()
            },
            Config::default(),
        ];
        let _readers = readers.map(plug_as);
        let names = context.readers();
        let expected = |index: u8, slots: u8| (0..slots).map(move |slot| format!("{MODEL} {index:02X} {slot:02X}"));
        assert_eq!(
            names,
            expected(0, 2)
                .chain(expected(1, 11))
                .chain(expected(2, 1))
                .collect::<Vec<_>>()
        );
        assert_eq!(names[12], format!("{MODEL} 01 0A"));
    });
}

#[test]
fn each_slot_has_a_state_of_its_own() {
    for interrupt in [true, false] {
        let (context, bench) = (
            Context::new(),
            Bench::plug_as(Config {
                slots: 2,
                interrupt,
                ..Config::default()
            }),
        );
        let [first, second] = &bench.names[..] else {
            panic!("two slots: {:?}", bench.names)
        };
        let mut states = [State::new(first, 0), State::new(second, 0)];
        assert_eq!(status_change(context.0, 0, &mut states), Ok(()));
        assert_eq!(states.clone().map(|state| state.event), [0x12, 0x12]);
        // Only the second.
        let waiter = Waiter::start(context.0, INFINITE, &[State::new(first, 0x10)]);
        let both = Waiter::start(context.0, INFINITE, &states.map(|state| state.next()));
        drop(bench.reader.insert(1, Chip::new(2)));
        let (result, states) = both.end();
        assert_eq!((result, states[0].event, states[1].event), (Ok(()), 0x10, 0x1_0022));
        assert_eq!((states[0].atr(), states[1].atr()), (&[][..], &Chip::atr(2)[..]));
        waiter.assert_goes_on();
        // Only the first.
        drop(bench.reader.insert(0, Chip::new(1)));
        let (result, state) = waiter.end_of_one();
        assert_eq!(
            (result, state.event, state.atr()),
            (Ok(()), 0x1_0022, &Chip::atr(1)[..])
        );
        assert_eq!(event(&context, second, 0x1_0020), 0x1_0020);
        // Connections belong to one slot.
        let card = context.connect(first, EXCLUSIVE).unwrap();
        assert_eq!(
            (event(&context, first, 0), event(&context, second, 0)),
            (0x1_00A2, 0x1_0022)
        );
        assert_eq!(card.status().unwrap().atr, Chip::atr(1));
        let other = context.connect(second, EXCLUSIVE).unwrap();
        assert_eq!(other.status().unwrap().atr, Chip::atr(2));
        // Both slots go with the reader.
        let waiter = Waiter::start(
            context.0,
            INFINITE,
            &[State::new(first, 0xA0), State::new(second, 0xA0)],
        );
        bench.reader.unplug();
        assert_eq!(
            waiter.end().1.iter().map(|state| state.event).collect::<Vec<_>>(),
            [0xE, 0xE]
        );
    }
}

/// Whoever watches the interface does so for all who wait for any of its slots.
#[test]
fn a_slot_that_the_watcher_does_not_ask_about_is_heard_by_who_does() {
    for interrupt in [true, false] {
        let bench = Bench::plug_as(Config {
            slots: 2,
            interrupt,
            ..Config::default()
        });
        let (context, other) = (Context::new(), Context::new());
        let watcher = Waiter::start(context.0, INFINITE, &[State::new(&bench.names[0], 0x10)]);
        let waiter = Waiter::start(other.0, INFINITE, &[State::new(&bench.names[1], 0x10)]);
        drop(bench.reader.insert(1, Chip::new(2)));
        let (result, state) = waiter.end_of_one();
        assert_eq!(
            (result, state.event),
            (Ok(()), 0x1_0022),
            "interrupt endpoint: {interrupt}"
        );
        watcher.assert_goes_on();
        drop(bench.reader.insert(0, Chip::new(1)));
        assert_eq!(watcher.end_of_one().1.event, 0x1_0022);
    }
}
