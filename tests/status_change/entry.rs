//! The checks before anything is looked at, and their order.

use winscard::api::types::DWORD;
use winscard::error::Error;

use crate::watch_bench::*;

const IGNORE: DWORD = 1;

#[test]
fn a_null_array_is_refused_before_the_context_is_looked_at() {
    let context = Context::new();
    assert_eq!(status_change_of_nothing(context.0, 1), Err(Error::InvalidParameter));
    assert_eq!(status_change_of_nothing(0, 1), Err(Error::InvalidParameter));
}

#[test]
fn a_null_name_is_refused_even_where_ignored_and_whatever_the_context() {
    let context = Context::new();
    for value in [context.0, 0, Context::stale()] {
        for current in [0, IGNORE] {
            let mut states = [State::new("no such reader", 0), State::unnamed(current)];
            assert_eq!(
                status_change(value, 0, &mut states),
                Err(Error::InvalidValue),
                "{current}"
            );
            assert!(states.iter().all(State::is_untouched));
            assert_eq!(
                status_change(value, 0, &mut states[1..]),
                Err(Error::InvalidValue),
                "{current}, alone"
            );
        }
    }
}

#[test]
fn no_readers_at_all_is_a_success_without_a_context() {
    for value in [0, -1, Context::stale()] {
        assert_eq!(status_change_of_nothing(value, 0), Ok(()));
        assert_eq!(status_change(value, INFINITE, &mut []), Ok(()));
    }
}

#[test]
fn nothing_but_ignored_readers_is_a_success_without_a_context_and_touches_nothing() {
    let bench = Bench::with_card(Chip::new(1));
    for value in [0, Context::stale(), Context::new().0] {
        let mut states = [
            bench.state(IGNORE),
            State::new("no such reader", IGNORE | 0x20),
            State::new(PNP, IGNORE),
        ];
        assert_eq!(status_change(value, INFINITE, &mut states), Ok(()));
        assert!(states.iter().all(State::is_untouched), "{states:?}");
    }
}

#[test]
fn a_bad_context_comes_before_an_unknown_name() {
    let bench = Bench::plug();
    for value in [0, 1, -1, Context::stale()] {
        let mut states = [State::new("no such reader", 0), bench.state(IGNORE)];
        assert_eq!(status_change(value, 0, &mut states), Err(Error::InvalidHandle));
        assert!(states.iter().all(State::is_untouched));
    }
}

#[test]
fn an_unknown_name_is_refused_before_anything_is_modified() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    let name = bench.name();
    let unknown = [
        "no such reader".to_owned(),
        String::new(),
        format!("{name} "),
        name.to_lowercase(),
        name.trim_end_matches(|last: char| last != ')').to_owned(),
        "x".repeat(128),
        "x".repeat(5000),
        format!("{PNP} "),
    ];
    for other in unknown {
        for current in [0, IGNORE] {
            let mut states = [bench.state(0), State::new(&other, current), State::new(PNP, 0)];
            assert_eq!(
                status_change(context.0, 0, &mut states),
                Err(Error::UnknownReader),
                "{other:?} {current}"
            );
            assert!(states.iter().all(State::is_untouched), "{other:?}");
        }
    }
}

#[test]
fn ignored_entries_get_no_event_and_keep_their_atr_while_others_are_looked_at() {
    let (context, bench, other) = (
        Context::new(),
        Bench::with_card(Chip::new(1)),
        Bench::with_card(Chip::new(2)),
    );
    let mut states = [bench.state(IGNORE), other.state(0), State::new(PNP, IGNORE)];
    assert_eq!(status_change(context.0, 0, &mut states), Ok(()));
    for ignored in [&states[0], &states[2]] {
        assert_eq!(ignored.event, 0, "reset for the call as a whole");
        assert!(ignored.has_no_atr_written());
    }
    assert_eq!((states[1].event, states[1].atr()), (0x22, &Chip::atr(2)[..]));
}

#[test]
fn changes_of_an_ignored_reader_do_not_end_the_call() {
    let (context, ignored, bench) = (Context::new(), Bench::plug(), Bench::plug());
    let waiter = Waiter::start(context.0, INFINITE, &[ignored.state(IGNORE | 0x10), bench.state(0x10)]);
    ignored.insert(Chip::new(1));
    waiter.assert_goes_on();
    ignored.reader.unplug();
    waiter.assert_goes_on();
    bench.insert(Chip::new(2));
    let (result, states) = waiter.end();
    assert_eq!((result, states[0].event, states[1].event), (Ok(()), 0, 0x1_0022));
}

#[test]
fn the_pseudo_reader_is_known_in_any_case_of_letters() {
    alone("entry::the_pseudo_reader_is_known_in_any_case_of_letters", || {
        let context = Context::new();
        for name in [
            PNP.to_owned(),
            PNP.to_lowercase(),
            PNP.to_uppercase(),
            r"\\?pNp?\nOTIFICATION".to_owned(),
        ] {
            let mut states = [State::new(&name, 0)];
            assert_eq!(status_change(context.0, 0, &mut states), Err(Error::Timeout), "{name}");
            assert_eq!(states[0].event & 0xFFFF, 0);
        }
    });
}

#[test]
fn the_event_is_written_whatever_stood_there() {
    let (context, bench) = (Context::new(), Bench::plug());
    let mut states = [bench.state(0x10)];
    states[0].event = DWORD::MAX;
    assert_eq!(status_change(context.0, 0, &mut states), Err(Error::Timeout));
    assert_eq!(states[0].event, 0x10, "all bytes of it");
}
