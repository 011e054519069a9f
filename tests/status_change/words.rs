//! The event word and the ATR of one reader, by what the caller knew.

use winscard::api::types::DWORD;
use winscard::error::Error;
use winscard::sim::wire::kind::GET_SLOT_STATUS;
use winscard::sim::{BuiltinCard, Config, Fault, Injection, Times};

use crate::watch_bench::*;

/// The reader does not answer to its status being asked.
fn broken() -> Injection {
    Injection {
        fault: Fault::Fail(0xFB),
        on: Some(GET_SLOT_STATUS),
        times: Times::Always,
    }
}

#[test]
fn unaware_gets_word_and_atr_at_once_however_long_it_would_wait() {
    let (context, bench, empty) = (Context::new(), Bench::with_card(Chip::new(7)), Bench::plug());
    let mut states = [bench.state(0), empty.state(0)];
    assert_eq!(status_change(context.0, INFINITE, &mut states), Ok(()));
    assert_eq!((states[0].event, states[0].atr()), (0x22, &Chip::atr(7)[..]));
    assert_eq!((states[1].event, states[1].atr()), (0x12, &[][..]));
}

#[test]
fn what_is_known_is_no_change_but_is_filled_in() {
    let (context, bench, empty) = (Context::new(), Bench::with_card(Chip::new(7)), Bench::plug());
    // CHANGED alone is not UNAWARE; ATRMATCH and UNPOWERED are not compared.
    for current in [0x20, 0x22, 0x2, 0x20 | 0x40, 0x20 | 0x400] {
        let mut states = [bench.state(current), empty.state(0x10)];
        assert_eq!(
            status_change(context.0, 0, &mut states),
            Err(Error::Timeout),
            "{current:#x}"
        );
        assert_eq!(
            (states[0].event, states[0].atr()),
            (0x20, &Chip::atr(7)[..]),
            "{current:#x}"
        );
        assert_eq!((states[1].event, states[1].atr()), (0x10, &[][..]), "{current:#x}");
    }
}

#[test]
fn one_changed_reader_ends_the_call_and_all_are_filled_in() {
    let (context, bench, empty) = (Context::new(), Bench::with_card(Chip::new(7)), Bench::plug());
    let mut states = [bench.state(0x20), empty.state(0x20)];
    assert_eq!(status_change(context.0, INFINITE, &mut states), Ok(()));
    assert_eq!((states[0].event, states[0].atr()), (0x20, &Chip::atr(7)[..]));
    assert_eq!((states[1].event, states[1].atr()), (0x12, &[][..]));
}

#[test]
fn what_the_caller_believed_wrongly_is_a_change() {
    let (context, bench, empty) = (Context::new(), Bench::with_card(Chip::new(7)), Bench::plug());
    let rows: [(&Bench, DWORD, DWORD); 9] = [
        (&bench, 0x10, 0x22),
        (&bench, 0x30, 0x22),
        (&bench, 0x20 | 0x4, 0x22),
        (&bench, 0x20 | 0x8, 0x22),
        (&bench, 0x20 | 0x200, 0x22),
        (&bench, 0x20 | 0x5_0000, 0x22),
        (&empty, 0x20, 0x12),
        (&empty, 0x10 | 0x4, 0x12),
        (&empty, 0x10 | 0x8, 0x12),
    ];
    for (reader, current, word) in rows {
        assert_eq!(event(&context, reader.name(), current), word, "from {current:#x}");
    }
}

#[test]
fn a_card_that_is_there_from_the_start_does_not_count_but_each_move_does() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    assert_eq!(event(&context, bench.name(), 0), 0x22);
    bench.remove();
    assert_eq!(event(&context, bench.name(), 0x20), 0x1_0012);
    bench.insert(Chip::new(1));
    assert_eq!(event(&context, bench.name(), 0x1_0010), 0x2_0022);
    // The right counter, none, and a wrong one.
    assert_eq!(event(&context, bench.name(), 0x2_0020), 0x2_0020);
    assert_eq!(event(&context, bench.name(), 0x20), 0x2_0020);
    assert_eq!(event(&context, bench.name(), 0x1_0020), 0x2_0022);
    assert_eq!(event(&context, bench.name(), 0x3_0020), 0x2_0022);
}

#[test]
fn resets_and_connections_do_not_count() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    assert_eq!(event(&context, bench.name(), 0), 0x22);
    bench.remove();
    bench.insert(Chip::new(1));
    assert_eq!(event(&context, bench.name(), 0), 0x2_0022);
    let card = context.connect(bench.name(), SHARED).unwrap();
    assert_eq!(card.reconnect(SHARED, RESET), Ok(()));
    assert_eq!(card.reconnect(SHARED, UNPOWER), Ok(()));
    assert_eq!(card.disconnect(RESET), Ok(()));
    assert_eq!(event(&context, bench.name(), 0x2_0020), 0x2_0020);
}

#[test]
fn the_counter_wraps_to_0_and_begins_anew_with_the_reader() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    assert_eq!(event(&context, bench.name(), 0), 0x22);
    // Two moves at each look.
    for swap in 1..=0x7FFF {
        bench.remove();
        bench.insert(Chip::new(1));
        assert_eq!(event(&context, bench.name(), 0) >> 16, 2 * swap);
    }
    bench.remove();
    assert_eq!(event(&context, bench.name(), 0), 0xFFFF_0012);
    bench.insert(Chip::new(1));
    assert_eq!(event(&context, bench.name(), 0), 0x22);
}

#[test]
fn a_fast_swap_between_two_calls_is_two_moves_with_the_new_atr() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    assert_eq!(event(&context, bench.name(), 0), 0x22);
    for swap in 1..4 {
        bench.remove();
        bench.insert(Chip::new(swap));
        let known = (DWORD::from(swap) - 1) << 17 | 0x20;
        let mut states = [bench.state(known)];
        let result = status_change(context.0, 0, &mut states);
        // Without a counter in it the first swap is not to be told from no swap.
        let changed = if swap == 1 { 0 } else { 2 };
        assert_eq!(result, if swap == 1 { Err(Error::Timeout) } else { Ok(()) });
        assert_eq!(states[0].event, DWORD::from(swap) << 17 | 0x20 | changed);
        assert_eq!(states[0].atr(), Chip::atr(swap));
    }
}

#[test]
fn a_fast_swap_is_noticed_without_interrupt_endpoint_too() {
    let (context, bench) = (Context::new(), Bench::polled());
    bench.insert(Chip::new(1));
    let mut states = [bench.state(0)];
    assert_eq!(status_change(context.0, 0, &mut states), Ok(()));
    assert_eq!(states[0].event, 0x22);
    bench.remove();
    bench.insert(Chip::new(2));
    until("the swap is seen", || {
        assert!(matches!(
            status_change(context.0, 0, &mut states),
            Ok(()) | Err(Error::Timeout)
        ));
        (states[0].event & !2 == 0x2_0020).then_some(())
    });
    assert_eq!(states[0].atr(), Chip::atr(2));
}

#[test]
fn a_mute_card_is_present_and_mute_and_has_no_atr() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::mute()));
    let mut states = [bench.state(0)];
    assert_eq!(status_change(context.0, 0, &mut states), Ok(()));
    assert_eq!((states[0].event, states[0].atr()), (0x222, &[][..]));
    assert_eq!(event(&context, bench.name(), 0x20), 0x222, "mute where not known to be");
    assert_eq!(event(&context, bench.name(), 0x220), 0x220);
    // Put in the right way round.
    let waiter = Waiter::start(context.0, INFINITE, &[bench.state(0x220)]);
    bench.remove();
    let (_, state) = waiter.end_of_one();
    assert_eq!(state.event, 0x1_0012);
    let waiter = Waiter::start(context.0, INFINITE, &[state.next()]);
    bench.insert(Chip::new(3));
    let (_, state) = waiter.end_of_one();
    assert_eq!((state.event, state.atr()), (0x2_0022, &Chip::atr(3)[..]));
    assert_eq!(
        event(&context, bench.name(), 0x2_0220),
        0x2_0022,
        "not mute where known to be"
    );
}

#[test]
fn the_built_in_mute_card_is_mute_at_every_voltage() {
    let (context, bench) = (Context::new(), Bench::plug());
    drop(bench.reader.insert(0, BuiltinCard::mute()));
    assert_eq!(event(&context, bench.name(), 0), 0x222);
}

#[test]
fn a_mute_card_that_comes_in_ends_a_wait() {
    let (context, bench) = (Context::new(), Bench::plug());
    let waiter = Waiter::start(context.0, INFINITE, &[bench.state(0x10)]);
    bench.insert(Chip::mute());
    let (result, state) = waiter.end_of_one();
    assert_eq!((result, state.event, state.atr()), (Ok(()), 0x1_0222, &[][..]));
}

#[test]
fn a_reader_that_does_not_answer_is_unavailable_and_nothing_else() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    bench.reader.inject(broken());
    let mut states = [bench.state(0)];
    assert_eq!(status_change(context.0, 0, &mut states), Ok(()));
    assert_eq!((states[0].event, states[0].atr()), (0xA, &[][..]));
    assert_eq!(event(&context, bench.name(), 0x20), 0xA);
    assert_eq!(event(&context, bench.name(), 0x8), 0x8);
    bench.reader.clear_faults();
    let word = event(&context, bench.name(), 0x8);
    assert_eq!(word & 0xFFFF, 0x22, "available again");
}

#[test]
fn a_reader_that_breaks_down_ends_a_wait_and_so_does_its_recovery() {
    for config in [
        Config::default(),
        Config {
            interrupt: false,
            ..Config::default()
        },
    ] {
        let (context, bench) = (Context::new(), Bench::plug_as(config));
        bench.insert(Chip::new(1));
        assert_eq!(event(&context, bench.name(), 0), 0x22);
        let waiter = Waiter::start(context.0, INFINITE, &[bench.state(0x20)]);
        bench.reader.inject(broken());
        // A reader with an interrupt endpoint is asked when that has something to say.
        bench.reader.inject(Fault::Interrupt(vec![0x50, 0x03]));
        let (result, state) = waiter.end_of_one();
        assert_eq!((result, state.event, state.atr()), (Ok(()), 0xA, &[][..]));
        let waiter = Waiter::start(context.0, INFINITE, &[bench.state(0x8)]);
        bench.reader.clear_faults();
        let (result, state) = waiter.end_of_one();
        assert_eq!(
            (result, state.event & 0xFFFF, state.atr()),
            (Ok(()), 0x22, &Chip::atr(1)[..])
        );
    }
}
