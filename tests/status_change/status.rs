//! `SCardStatus`: the state word, and what goes where.

use winscard::api::types::DWORD;
use winscard::error::Error;

use crate::watch_bench::*;

#[test]
fn a_powered_card_has_three_bits_and_the_counter_above() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    let card = context.connect(bench.name(), SHARED).unwrap();
    let expected = Status {
        name: bench.name().to_owned(),
        state: 0x34,
        protocol: 1,
        atr: Chip::atr(1),
    };
    assert_eq!(card.status(), Ok(expected.clone()));
    // Resets count nothing, moves do.
    assert_eq!(card.reconnect(SHARED, RESET), Ok(()));
    assert_eq!(card.status(), Ok(expected.clone()));
    bench.remove();
    bench.insert(Chip::new(2));
    assert_eq!(card.status(), Err(Error::RemovedCard));
    assert_eq!(card.reconnect(SHARED, LEAVE), Ok(()));
    assert_eq!(
        card.status(),
        Ok(Status {
            state: 0x2_0034,
            atr: Chip::atr(2),
            ..expected
        })
    );
}

/// pcsc-lite powers a card up when it comes in, so it is not to be seen otherwise.
#[test]
fn a_direct_connection_finds_the_card_powered_but_without_protocol() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    let card = context.connect(bench.name(), DIRECT).unwrap();
    let expected = Status {
        name: bench.name().to_owned(),
        state: 0x34,
        protocol: 0,
        atr: Chip::atr(1),
    };
    assert_eq!(card.status(), Ok(expected.clone()));
    bench.remove();
    assert_eq!(card.status(), Err(Error::RemovedCard));
    let empty = context.connect(bench.name(), DIRECT).unwrap();
    let nothing = Status {
        state: 0x1_0002,
        atr: vec![],
        ..expected.clone()
    };
    assert_eq!(empty.status(), Ok(nothing));
    bench.insert(Chip::new(2));
    assert_eq!(
        empty.status(),
        Ok(Status {
            state: 0x2_0034,
            atr: Chip::atr(2),
            ..expected
        })
    );
}

#[test]
fn a_mute_card_is_swallowed() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::mute()));
    let card = context.connect(bench.name(), DIRECT).unwrap();
    let status = card.status().unwrap();
    assert_eq!((status.state, status.protocol, status.atr), (0xC, 0, vec![]));
}

#[test]
fn a_card_that_was_switched_off_is_present_only_and_keeps_its_atr() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    let witness = context.connect(bench.name(), DIRECT).unwrap();
    let card = context.connect(bench.name(), SHARED).unwrap();
    assert_eq!(card.disconnect(UNPOWER), Ok(()));
    assert_eq!(witness.status(), Err(Error::ResetCard));
    let card = context.connect(bench.name(), DIRECT).unwrap();
    let status = card.status().unwrap();
    assert_eq!((status.state, status.protocol, status.atr), (0x4, 0, Chip::atr(1)));
    assert_eq!(event(&context, bench.name(), 0), 0x122);
}

#[test]
fn everything_is_optional() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    let card = context.connect(bench.name(), SHARED).unwrap();
    assert_eq!(card.status_into(None, None, None, None, None, None), Ok(()));
    let mut state = 0;
    assert_eq!(card.status_into(None, None, Some(&mut state), None, None, None), Ok(()));
    assert_eq!(state, 0x34);
    let (mut name_len, mut atr_len) = (0, 0);
    assert_eq!(
        card.status_into(None, Some(&mut name_len), None, None, None, Some(&mut atr_len)),
        Ok(())
    );
    assert_eq!(
        (usize::try_from(name_len), atr_len),
        (Ok(bench.name().len() + 1), 4),
        "lengths only"
    );
}

#[test]
fn a_name_that_does_not_fit_is_cut_without_nul_and_all_else_is_told() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    let card = context.connect(bench.name(), SHARED).unwrap();
    let whole = bench.name().len() + 1;
    for room in [0, 1, whole - 1] {
        let (mut name, mut atr) = ([0x55; 200], [0x55; 40]);
        let (mut name_len, mut atr_len, mut state, mut protocol) = (DWORD::try_from(room).unwrap(), 40, 0, 0);
        let lengths = (Some(&mut name_len), Some(&mut atr_len));
        let result = card.status_into(
            Some(&mut name),
            lengths.0,
            Some(&mut state),
            Some(&mut protocol),
            Some(&mut atr),
            lengths.1,
        );
        assert_eq!(result, Err(Error::InsufficientBuffer));
        assert_eq!(usize::try_from(name_len), Ok(whole), "what is needed");
        assert_eq!(name[..room], bench.name().as_bytes()[..room]);
        assert_eq!(name[room..], [0x55; 200][room..]);
        assert_eq!((state, protocol, atr_len, &atr[..4]), (0x34, 1, 4, &Chip::atr(1)[..]));
    }
}

#[test]
fn an_atr_that_does_not_fit_is_cut_and_all_else_is_told() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    let card = context.connect(bench.name(), SHARED).unwrap();
    for room in [0, 3] {
        let (mut name, mut atr) = ([0x55; 200], [0x55; 40]);
        let (mut name_len, mut atr_len, mut state) = (200, DWORD::try_from(room).unwrap(), 0);
        let lengths = (Some(&mut name_len), Some(&mut atr_len));
        let result = card.status_into(
            Some(&mut name),
            lengths.0,
            Some(&mut state),
            None,
            Some(&mut atr),
            lengths.1,
        );
        assert_eq!(result, Err(Error::InsufficientBuffer));
        assert_eq!(
            (atr_len, &atr[..room], &atr[room..]),
            (4, &Chip::atr(1)[..room], &[0x55; 40][room..])
        );
        assert_eq!((state, &name[..bench.name().len()]), (0x34, bench.name().as_bytes()));
    }
}

#[test]
fn a_buffer_without_a_length_has_no_room() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    let card = context.connect(bench.name(), SHARED).unwrap();
    let (mut name, mut state) = ([0x55; 200], 0);
    let result = card.status_into(Some(&mut name), None, Some(&mut state), None, None, None);
    assert_eq!(
        (result, name, state),
        (Err(Error::InsufficientBuffer), [0x55; 200], 0x34)
    );
    let mut atr = [0x55; 40];
    assert_eq!(
        card.status_into(None, None, None, None, Some(&mut atr), None),
        Err(Error::InsufficientBuffer)
    );
    assert_eq!(atr, [0x55; 40]);
}

#[test]
fn name_and_atr_are_allocated_on_demand() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    let card = context.connect(bench.name(), SHARED).unwrap();
    let (result, (name, name_len), (atr, atr_len)) = status_allocated(card);
    assert_eq!(result, Ok(()));
    assert_eq!(name.bytes(name_len), format!("{}\0", bench.name()).as_bytes());
    assert_eq!(atr.bytes(atr_len), Chip::atr(1));
    assert_eq!((name.free(context.0), atr.free(context.0)), (Ok(()), Ok(())));
    let (mut len, mut state) = (DWORD::MAX, 0);
    let result = card.status_into(None, Some(&mut len), Some(&mut state), None, None, None);
    assert_eq!(result, Err(Error::InvalidParameter));
    assert_eq!(
        (usize::try_from(len), state),
        (Ok(bench.name().len() + 1), 0x34),
        "set already"
    );
}

#[test]
fn numbers_are_0_after_every_failure() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    let cards = [
        context.connect(bench.name(), SHARED).unwrap(),
        context.connect(bench.name(), SHARED).unwrap(),
    ];
    let fails = |card: Handle, error: Error| {
        let (mut name, mut atr) = ([0x55; 200], [0x55; 40]);
        let (mut name_len, mut atr_len, mut state, mut protocol) = (200, 40, 9, 9);
        let lengths = (Some(&mut name_len), Some(&mut atr_len));
        let result = card.status_into(
            Some(&mut name),
            lengths.0,
            Some(&mut state),
            Some(&mut protocol),
            Some(&mut atr),
            lengths.1,
        );
        assert_eq!((result, name_len, atr_len, state, protocol), (Err(error), 0, 0, 0, 0));
        assert_eq!((name, atr), ([0x55; 200], [0x55; 40]), "not even the name");
    };
    for value in [0, 1, -1, context.0] {
        fails(Handle(value), Error::InvalidHandle);
    }
    assert_eq!(cards[0].reconnect(SHARED, RESET), Ok(()));
    fails(cards[1], Error::ResetCard);
    bench.remove();
    fails(cards[0], Error::RemovedCard);
    fails(cards[1], Error::RemovedCard);
    bench.reader.unplug();
    fails(cards[0], Error::ReaderUnavailable);
    assert_eq!(cards[0].disconnect(LEAVE), Ok(()));
    fails(cards[0], Error::InvalidHandle);
}
