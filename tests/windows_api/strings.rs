//! The functions that pcsc-lite has too, in the two forms: as the plain ones, but for the names of the database.

use std::ptr::{null, null_mut};

use winscard::api::card::{SCardDisconnect, SCardStatus};
use winscard::api::constants::*;
use winscard::error::Error;

use crate::bench::Bench;
use crate::form::{Form, Text, both, code, split, state, text};

both! {
    connecting_has_the_plain_functions_checks
    status_lists_every_name_the_reader_goes_by
    status_is_the_plain_functions_but_for_names
    changes_are_seen_by_any_name
    the_pseudo_reader_is_known
}

/// The order of pcsc-lite: pointers, name, context, protocols, share mode, reader.
fn connecting_has_the_plain_functions_checks<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let (device, user) = (bench.with_card(), bench.user);
    let (name, nobody, long) = (text::<U>(&device), text::<U>("nobody"), text::<U>(&"x".repeat(200)));
    let (name, nobody, long) = (name.as_ptr(), nobody.as_ptr(), long.as_ptr());
    let (mut card, mut protocol) = (7, 77);
    let (to_card, to_protocol) = (&raw mut card, &raw mut protocol);
    let call = |context, name, share, protocols, card, protocol| {
        code(unsafe { (form.connect)(context, name, share, protocols, card, protocol) })
    };
    assert_eq!(
        call(user, name, 2, 3, null_mut(), to_protocol),
        Err(Error::InvalidParameter)
    );
    assert_eq!(
        call(user, name, 2, 3, to_card, null_mut()),
        Err(Error::InvalidParameter)
    );
    assert_eq!(
        call(user, null(), 2, 3, to_card, to_protocol),
        Err(Error::UnknownReader)
    );
    assert_eq!(call(user, long, 2, 3, to_card, to_protocol), Err(Error::InvalidValue));
    assert_eq!(call(0, name, 2, 3, to_card, to_protocol), Err(Error::InvalidHandle));
    assert_eq!(unsafe { (*to_card, *to_protocol) }, (0, 77));
    assert_eq!(
        call(user, nobody, 2, 0, to_card, to_protocol),
        Err(Error::ProtoMismatch)
    );
    assert_eq!(call(user, nobody, 9, 3, to_card, to_protocol), Err(Error::InvalidValue));
    assert_eq!(
        call(user, nobody, 2, 3, to_card, to_protocol),
        Err(Error::UnknownReader)
    );
    assert_eq!(call(user, name, 2, 3, to_card, to_protocol), Ok(()));
    let other_case = text::<U>(&device.to_uppercase());
    assert_ne!(device, device.to_uppercase());
    let mut none = 7;
    let result = call(user, other_case.as_ptr(), 2, 3, &raw mut none, to_protocol);
    assert_eq!(
        result,
        Err(Error::UnknownReader),
        "letters of a system name count with their case"
    );
    assert_eq!(unsafe { *to_protocol }, 0);
    assert_eq!(SCardDisconnect(unsafe { *to_card }, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

/// MSDN `SCardStatus`: list of display names by which the currently connected reader is known.
fn status_lists_every_name_the_reader_goes_by<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let (device, user) = (bench.with_card(), bench.user);
    let card = form.connected(user, &device, SCARD_SHARE_SHARED).unwrap();
    let nothing = null_mut();
    let names = || {
        let mut length = 0;
        code(unsafe { (form.status)(card, null_mut(), &raw mut length, nothing, nothing, null_mut(), nothing) })
            .unwrap();
        let mut units = vec![U::default(); usize::try_from(length).unwrap()];
        let status = |units: *mut U, length| unsafe {
            code((form.status)(
                card,
                units,
                length,
                nothing,
                nothing,
                null_mut(),
                nothing,
            ))
        };
        assert_eq!(status(units.as_mut_ptr(), &raw mut length), Ok(()));
        let mut short = length - 1;
        assert_eq!(
            status(units.as_mut_ptr(), &raw mut short),
            Err(Error::InsufficientBuffer)
        );
        assert_eq!(short, length);
        let (mut memory, mut all) = (null_mut::<U>(), SCARD_AUTOALLOCATE);
        assert_eq!(status((&raw mut memory).cast(), &raw mut all), Ok(()));
        let copy: Vec<U> = (0..units.len())
            .map(|index| unsafe { memory.add(index).read() })
            .collect();
        assert_eq!((all, &copy), (length, &units));
        unsafe { libc::free(memory.cast()) };
        split(&units)
    };
    assert_eq!(names(), std::slice::from_ref(&device));
    form.introduce(user, "Desk", &device).unwrap();
    assert_eq!(names(), [device.clone(), "Desk".to_owned()]);
    form.forget(user, &device).unwrap();
    assert_eq!(names(), ["Desk"]);
    form.forget(user, "Desk").unwrap();
    assert_eq!(names(), [device], "by none: its own");
    SCardDisconnect(card, SCARD_LEAVE_CARD);
    let (mut length, mut state) = (5, 5);
    let result = unsafe {
        (form.status)(
            card,
            null_mut(),
            &raw mut length,
            &raw mut state,
            nothing,
            null_mut(),
            nothing,
        )
    };
    assert_eq!((code(result), length, state), (Err(Error::InvalidHandle), 0, 0));
}

/// On Unix the state is pcsc-lite's bits in every form.
fn status_is_the_plain_functions_but_for_names<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let device = bench.with_card();
    let card = form.connected(bench.user, &device, SCARD_SHARE_SHARED).unwrap();
    let (mut state, mut protocol, mut atr, mut length) = (0, 0, [0_u8; 33], 33);
    let none = null_mut();
    code(unsafe {
        (form.status)(
            card,
            null_mut(),
            none,
            &raw mut state,
            &raw mut protocol,
            atr.as_mut_ptr(),
            &raw mut length,
        )
    })
    .unwrap();
    let (mut state2, mut protocol2, mut atr2, mut length2) = (0, 0, [0_u8; 33], 33);
    code(unsafe {
        SCardStatus(
            card,
            null_mut(),
            none,
            &raw mut state2,
            &raw mut protocol2,
            atr2.as_mut_ptr(),
            &raw mut length2,
        )
    })
    .unwrap();
    assert_eq!((state, protocol, atr, length), (state2, protocol2, atr2, length2));
    assert_eq!(state & 0xFFFF, SCARD_PRESENT | SCARD_POWERED | SCARD_NEGOTIABLE);
    SCardDisconnect(card, SCARD_LEAVE_CARD);
}

fn changes_are_seen_by_any_name<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let (device, user) = (bench.with_card(), bench.user);
    form.introduce(user, "Desk", &device).unwrap();
    let look = |names: &[&str]| {
        form.look(names, |states, count| unsafe {
            (form.status_change)(user, 0, states, count)
        })
    };
    let seen = look(&[&device, "desk"]).unwrap();
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].0 & SCARD_STATE_PRESENT != 0 && !seen[0].1.is_empty());
    assert_eq!(look(&["nobody"]), Err(Error::UnknownReader));
    form.forget(user, &device).unwrap();
    assert_eq!(look(&[&device]), Err(Error::UnknownReader));
    // The checks of the plain function, in its order.
    let (name, mut nameless) = (text::<U>("Desk"), [state(&text::<U>(""))]);
    nameless[0].szReader = null();
    let mut states = [state(&name)];
    let call = |context, states, count| code(unsafe { (form.status_change)(context, 0, states, count) });
    assert_eq!(call(user, null_mut(), 1), Err(Error::InvalidParameter));
    assert_eq!(call(user, nameless.as_mut_ptr(), 1), Err(Error::InvalidValue));
    assert_eq!(call(0, states.as_mut_ptr(), 1), Err(Error::InvalidHandle));
    assert_eq!(call(0, null_mut(), 0), Ok(()));
}

fn the_pseudo_reader_is_known<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    let seen = form.look(&[r"\\?PnP?\Notification"], |states, count| unsafe {
        (form.status_change)(bench.user, 0, states, count)
    });
    assert_eq!(seen, Err(Error::Timeout));
}
