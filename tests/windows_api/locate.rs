//! Cards in readers. MSDN `SCardLocateCards`, `SCardLocateCardsByATR`, `SCARD_READERSTATE`.

use std::ptr::{null, null_mut};

use winscard::api::constants::*;
use winscard::api::types::*;
use winscard::error::Error;

use crate::bench::Bench;
use crate::form::{Form, Text, both, code, multi, state, text};

both! {
    a_card_of_a_kind_is_found_and_marked
    microsofts_example_waits_for_a_card
    an_atr_and_a_mask_find_a_card
    unknown_kinds_and_readers_are_refused_and_nothing_is_written
    an_ignored_reader_is_not_looked_at
    bad_arguments_about_looking_are_refused
}

/// The ATR of the card in a reader.
fn atr_of<U: Text>(form: &Form<U>, context: SCARDCONTEXT, name: &str) -> Vec<u8> {
    let seen = form.look(&[name], |states, count| unsafe {
        (form.status_change)(context, 0, states, count)
    });
    let atr = seen.unwrap().remove(0).1;
    assert!(atr.len() > 2);
    atr
}

fn mask(atr: &[u8], mask: &[u8]) -> SCARD_ATRMASK {
    let mut wanted = SCARD_ATRMASK {
        cbAtr: atr.len().try_into().unwrap(),
        rgbAtr: [0; 36],
        rgbMask: [0; 36],
    };
    wanted.rgbAtr[..atr.len()].copy_from_slice(atr);
    wanted.rgbMask[..mask.len()].copy_from_slice(mask);
    wanted
}

/// MSDN `SCARD_READERSTATE`: if SCARD_STATE_ATRMATCH is set, SCARD_STATE_PRESENT will also be set.
fn a_card_of_a_kind_is_found_and_marked<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let (empty, full) = (bench.reader(), bench.with_card());
    let user = bench.user;
    let atr = atr_of(form, user, &full);
    form.new_card(user, "Right", &atr, None).unwrap();
    form.new_card(user, "Wrong", &[0x3B, 0x00], None).unwrap();
    let locate = |cards: &[&str]| {
        let cards = multi::<U>(cards);
        let seen = form.look(&[&empty, &full], |states, count| unsafe {
            (form.locate_cards)(user, cards.as_ptr(), states, count)
        });
        seen.unwrap()
    };
    let seen = locate(&["Wrong", "Right"]);
    assert_eq!(seen[0].0 & 0xFFFF, SCARD_STATE_CHANGED | SCARD_STATE_EMPTY);
    assert_eq!(
        seen[1].0 & 0xFFFF,
        SCARD_STATE_CHANGED | SCARD_STATE_PRESENT | SCARD_STATE_ATRMATCH
    );
    assert_eq!(seen[1].1, atr);
    for cards in [&["Wrong"][..], &[]] {
        assert_eq!(locate(cards)[1].0 & SCARD_STATE_ATRMATCH, 0, "{cards:?}");
    }
    // By an introduced name, and not by SCardGetStatusChange.
    form.introduce(user, "Desk", &full).unwrap();
    let cards = multi::<U>(&["Right"]);
    let seen = form.look(&["Desk"], |states, count| unsafe {
        (form.locate_cards)(user, cards.as_ptr(), states, count)
    });
    assert_ne!(seen.unwrap()[0].0 & SCARD_STATE_ATRMATCH, 0);
    let seen = form.look(&["Desk"], |states, count| unsafe {
        (form.status_change)(user, 0, states, count)
    });
    assert_eq!(seen.unwrap()[0].0 & 0xFFFF, SCARD_STATE_CHANGED | SCARD_STATE_PRESENT);
}

/// The loop of MSDN `SCardLocateCards`: what was found becomes what is known, and then nothing has changed; that is no failure.
fn microsofts_example_waits_for_a_card<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let name = bench.reader();
    let user = bench.user;
    form.new_card(user, "GemSAFE", &[0x3B, 0x00], None).unwrap();
    let (cards, reader) = (multi::<U>(&["GemSAFE"]), text::<U>(&name));
    let mut states = [state(&reader)];
    for round in 0..3 {
        let result = unsafe { (form.locate_cards)(user, cards.as_ptr(), states.as_mut_ptr(), 1) };
        assert_eq!(code(result), Ok(()), "round {round}");
        assert_eq!(states[0].dwEventState & SCARD_STATE_ATRMATCH, 0);
        let changed = states[0].dwEventState & SCARD_STATE_CHANGED != 0;
        assert_eq!(changed, round == 0);
        states[0].dwCurrentState = states[0].dwEventState;
    }
    let result = unsafe { (form.status_change)(user, 0, states.as_mut_ptr(), 1) };
    assert_eq!(code(result), Err(Error::Timeout));
}

fn an_atr_and_a_mask_find_a_card<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let name = bench.with_card();
    let user = bench.user;
    let atr = atr_of(form, user, &name);
    let all = vec![0xFF; atr.len()];
    let found = |wanted: &[SCARD_ATRMASK]| {
        let count = wanted.len().try_into().unwrap();
        let seen = form.look(&[&name], |states, readers| unsafe {
            (form.locate_atrs)(user, wanted.as_ptr(), count, states, readers)
        });
        seen.unwrap()[0].0 & SCARD_STATE_ATRMATCH != 0
    };
    assert!(found(&[mask(&atr, &all)]));
    assert!(!found(&[]));
    let mut other = atr.clone();
    *other.last_mut().unwrap() ^= 1;
    assert!(!found(&[mask(&other, &all)]));
    assert!(found(&[mask(&other, &all), mask(&atr, &all)]), "any of them");
    let mut loose = all.clone();
    *loose.last_mut().unwrap() = 0;
    assert!(
        !found(&[mask(&atr, &loose)]) || atr.last() == Some(&0),
        "A & M is compared with the ATR as given"
    );
    *other.last_mut().unwrap() = 0;
    assert!(found(&[mask(&other, &loose)]));
    assert!(!found(&[mask(&atr[1..], &all[1..])]));
    assert!(!found(&[mask(&[], &[])]));
}

fn unknown_kinds_and_readers_are_refused_and_nothing_is_written<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let name = bench.with_card();
    let user = bench.user;
    form.new_card(user, "Card", &[0x3B, 0x00], None).unwrap();
    let (reader, nobody) = (text::<U>(&name), text::<U>("nobody"));
    let mut states = [state(&reader), state(&nobody)];
    let unknown = multi::<U>(&["Card", "no such card"]);
    let result = unsafe { (form.locate_cards)(user, unknown.as_ptr(), states.as_mut_ptr(), 1) };
    assert_eq!(code(result), Err(Error::UnknownCard));
    let known = multi::<U>(&["Card"]);
    let result = unsafe { (form.locate_cards)(user, known.as_ptr(), states.as_mut_ptr(), 2) };
    assert_eq!(code(result), Err(Error::UnknownReader));
    let result = unsafe { (form.locate_atrs)(user, null(), 0, states.as_mut_ptr(), 2) };
    assert_eq!(code(result), Err(Error::UnknownReader));
    assert!(states.iter().all(|state| state.dwEventState == 0 && state.cbAtr == 0));
}

fn an_ignored_reader_is_not_looked_at<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let name = bench.with_card();
    let atr = atr_of(form, bench.user, &name);
    let wanted = mask(&atr, &vec![0xFF; atr.len()]);
    let reader = text::<U>(&name);
    let mut states = [state(&reader)];
    states[0].dwCurrentState = SCARD_STATE_IGNORE;
    let result = unsafe { (form.locate_atrs)(bench.user, &raw const wanted, 1, states.as_mut_ptr(), 1) };
    assert_eq!(code(result), Ok(()));
    assert_eq!(states[0].dwEventState & SCARD_STATE_ATRMATCH, 0);
    assert_eq!(states[0].cbAtr, 0);
}

fn bad_arguments_about_looking_are_refused<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let name = bench.reader();
    let user = bench.user;
    let (reader, cards) = (text::<U>(&name), multi::<U>(&[]));
    let mut states = [state(&reader)];
    let first = states.as_mut_ptr();
    let sound = mask(&[0x3B, 0x00], &[0xFF, 0xFF]);
    let long = SCARD_ATRMASK { cbAtr: 37, ..sound };
    let mut nameless = [state(&reader)];
    nameless[0].szReader = null();
    let nameless = nameless.as_mut_ptr();
    let cases = unsafe {
        [
            ((form.locate_cards)(user, null(), first, 1), Error::InvalidParameter),
            (
                (form.locate_cards)(user, cards.as_ptr(), null_mut(), 1),
                Error::InvalidParameter,
            ),
            (
                (form.locate_cards)(user, cards.as_ptr(), nameless, 1),
                Error::InvalidValue,
            ),
            ((form.locate_cards)(0, cards.as_ptr(), first, 1), Error::InvalidHandle),
            ((form.locate_atrs)(user, null(), 1, first, 1), Error::InvalidParameter),
            (
                (form.locate_atrs)(user, &raw const sound, 1, null_mut(), 1),
                Error::InvalidParameter,
            ),
            (
                (form.locate_atrs)(user, &raw const sound, 1, nameless, 1),
                Error::InvalidValue,
            ),
            (
                (form.locate_atrs)(user, &raw const long, 1, first, 1),
                Error::InvalidValue,
            ),
            (
                (form.locate_atrs)(user, &raw const sound, 4097, first, 1),
                Error::InvalidValue,
            ),
            (
                (form.locate_atrs)(-1, &raw const sound, 1, first, 1),
                Error::InvalidHandle,
            ),
        ]
    };
    for (index, (result, expected)) in cases.into_iter().enumerate() {
        assert_eq!(code(result), Err(expected), "{index}");
    }
    let unused = unsafe { (form.locate_cards)(user, cards.as_ptr(), null_mut(), 0) };
    assert_eq!(code(unused), Ok(()), "no readers to search");
}
