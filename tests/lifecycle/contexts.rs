//! SCardEstablishContext, SCardReleaseContext, SCardIsValidContext, and which numbers stand for something.
#![allow(unsafe_code, reason = "passes null pointers")]

use std::collections::HashSet;
use std::ptr;

use winscard::api::context::SCardEstablishContext;

use crate::card_bench::*;

#[test]
fn every_scope_is_the_same_and_others_are_refused() {
    for scope in [
        SCARD_SCOPE_USER,
        SCARD_SCOPE_TERMINAL,
        SCARD_SCOPE_SYSTEM,
        SCARD_SCOPE_GLOBAL,
        1 << 32,
    ] {
        let context = establish(scope).expect("a context");
        assert!(context > 0 && context <= 0x7FFF_FFFF, "31 bits, positive");
        assert_eq!(is_valid(context), Ok(()));
        assert_eq!(release(context), Ok(()));
    }
    for scope in [4, 99, 0xFFFF_FFFF] {
        assert_eq!(establish(scope), Err(InvalidValue), "scope {scope}");
    }
    for scope in [0, 99] {
        // SAFETY: null is for the function to refuse.
        let code = unsafe { SCardEstablishContext(scope, ptr::null(), ptr::null(), ptr::null_mut()) };
        assert_eq!(outcome(code), Err(InvalidParameter), "before the scope");
    }
    let reserved = 1_u32;
    let (mut context, reserved) = (0, (&raw const reserved).cast());
    // SAFETY: the reserved pointers are not looked at; they are valid all the same.
    let code = unsafe { SCardEstablishContext(0, reserved, reserved, &raw mut context) };
    assert_eq!(outcome(code), Ok(()));
    assert_eq!(release(context), Ok(()));
}

#[test]
fn a_released_context_is_nothing_any_more() {
    let context = establish(SCARD_SCOPE_SYSTEM).unwrap();
    assert_eq!(release(context), Ok(()));
    for _ in 0..2 {
        assert_eq!(release(context), Err(InvalidHandle));
        assert_eq!(is_valid(context), Err(InvalidHandle));
        assert_eq!(cancel(context), Err(InvalidHandle));
        assert_eq!(connect(context, "nobody", SHARED, ANY).map(drop), Err(InvalidHandle));
    }
}

#[test]
fn other_numbers_are_no_contexts_and_no_cards() {
    let (bench, context) = (Bench::new(), Context::new());
    let card = context.shared(&bench);
    let value = context.value;
    for number in [
        0,
        -1,
        value + 1,
        value ^ 0x4000,
        value | 1 << 32,
        -value,
        card.handle.0,
        i64::MAX,
        i64::MIN,
    ] {
        assert_eq!(is_valid(number), Err(InvalidHandle), "{number:#x}");
        assert_eq!(release(number), Err(InvalidHandle), "{number:#x}");
        assert_eq!(cancel(number), Err(InvalidHandle), "{number:#x}");
    }
    for number in [
        0,
        -1,
        card.handle.0 + 1,
        card.handle.0 | 1 << 32,
        value,
        i64::MAX,
        i64::MIN,
    ] {
        let nobody = Handle(number);
        assert_eq!(nobody.status(), Err(InvalidHandle), "{number:#x}");
        assert_eq!(nobody.transmit(SELECT), Err(InvalidHandle));
        assert_eq!(nobody.begin(), Err(InvalidHandle));
        assert_eq!(nobody.end(LEAVE), Err(InvalidHandle));
        assert_eq!(nobody.features(), Err(InvalidHandle));
        assert_eq!(nobody.attribute(SCARD_ATTR_ATR_STRING), Err(InvalidHandle));
        assert_eq!(nobody.set_attribute(1, &[1]), Err(InvalidHandle));
        assert_eq!(nobody.reconnect(SHARED, ANY, LEAVE), Err(InvalidHandle));
        assert_eq!(nobody.disconnect(LEAVE), Err(InvalidHandle));
    }
    assert_eq!(
        card.transmit(SELECT),
        Ok(OK_SW.into()),
        "nothing happened to the real one"
    );
}

/// A number that stood for something does not come to stand for something else.
#[test]
fn stale_handles_stay_stale_while_new_ones_are_made() {
    let (bench, context) = (Bench::new(), Context::new());
    let stale_card = context.shared(&bench).handle;
    let stale_context = establish(SCARD_SCOPE_SYSTEM).unwrap();
    release(stale_context).unwrap();
    let mut seen = HashSet::from([stale_card]);
    for _ in 0..300 {
        let card = context.shared(&bench);
        assert!(seen.insert(card.handle), "a handle comes again");
        assert_eq!(stale_card.status(), Err(InvalidHandle));
        assert_eq!(stale_card.disconnect(RESET), Err(InvalidHandle));
        let other = Context::new();
        assert_ne!(other.value, stale_context);
        assert_eq!(release(stale_context), Err(InvalidHandle));
    }
    assert_eq!(bench.power(), (1, 0, 0));
}

#[test]
fn contexts_without_number() {
    let contexts: Vec<Context> = (0..1000).map(|_| Context::new()).collect();
    let values: HashSet<_> = contexts.iter().map(|context| context.value).collect();
    assert_eq!(values.len(), 1000);
    assert!(contexts.iter().all(Context::is_valid));
}
