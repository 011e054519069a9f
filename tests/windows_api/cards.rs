//! Kinds of cards. MSDN `SCardIntroduceCardType`, `SCardListCards`, `SCardListInterfaces`, `SCardGetProviderId`,
//! `SCardGetCardTypeProviderName`.

use std::ptr::{null, null_mut};

use winscard::api::constants::*;
use winscard::api::types::*;
use winscard::error::Error;

use crate::bench::Bench;
use crate::form::{Form, Text, both, code, handed_out, text};

/// TS, T0 with TA1 and two historical bytes.
const ATR: [u8; 5] = [0x3B, 0x12, 0x11, 0xAA, 0xBB];
static PROVIDER: GUID = GUID {
    Data1: 0xABCD_EF00,
    Data2: 0xABCD,
    Data3: 0x1234,
    Data4: [0xAA, 0xBB, 0xCC, 0xDD, 0xAA, 0xBB, 0xCC, 0xDD],
};
const PROVIDER_TEXT: &str = "{ABCDEF00-ABCD-1234-AABB-CCDDAABBCCDD}";

both! {
    a_kind_of_card_is_listed_by_atr_and_interfaces
    microsofts_example_introduces_a_card_with_a_mask
    an_atr_that_none_can_have_is_refused
    the_length_of_an_atr_is_told_by_itself
    a_kind_of_card_is_there_once_in_a_scope
    interfaces_and_primary_provider_are_told
    provider_names_are_stored_by_number
    the_users_kind_hides_the_systems
    a_null_context_sees_all_and_changes_the_systems
    bad_arguments_about_cards_are_refused
}

fn guid(number: u32) -> GUID {
    GUID {
        Data1: number,
        ..PROVIDER
    }
}

/// A kind of card with everything.
fn introduce<U: Text>(form: &Form<U>, context: SCARDCONTEXT, name: &str, interfaces: &[GUID]) -> Result<(), Error> {
    let (name, count) = (text::<U>(name), interfaces.len().try_into().unwrap());
    let length = ATR.len().try_into().unwrap();
    code(unsafe {
        (form.introduce_card)(
            context,
            name.as_ptr(),
            &raw const PROVIDER,
            interfaces.as_ptr(),
            count,
            ATR.as_ptr(),
            null(),
            length,
        )
    })
}

fn names(names: &[&str]) -> Result<Vec<String>, Error> {
    Ok(names.iter().map(|name| (*name).to_owned()).collect())
}

/// MSDN `SCardListCards`: only if all the specified identifiers are supported by the card.
fn a_kind_of_card_is_listed_by_atr_and_interfaces<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    let user = bench.user;
    assert_eq!(form.cards(user, None, &[]), names(&[]));
    introduce(form, user, "One", &[guid(1), guid(2)]).unwrap();
    introduce(form, user, "Zwei für alle", &[guid(2), guid(3)]).unwrap();
    form.new_card(user, "Three", &[0x3B, 0x00], None).unwrap();
    assert_eq!(form.cards(user, None, &[]), names(&["One", "Zwei für alle", "Three"]));
    assert_eq!(form.cards(user, Some(&ATR), &[]), names(&["One", "Zwei für alle"]));
    assert_eq!(form.cards(user, Some(&[0x3B, 0x00]), &[]), names(&["Three"]));
    assert_eq!(form.cards(user, None, &[guid(2)]), names(&["One", "Zwei für alle"]));
    assert_eq!(
        form.cards(user, Some(&ATR), &[guid(2), guid(3)]),
        names(&["Zwei für alle"])
    );
    assert_eq!(form.cards(user, Some(&ATR), &[guid(1), guid(3)]), names(&[]));
    // Without interfaces their number is ignored.
    let mut length = 0;
    let result = unsafe { (form.list_cards)(user, null(), null(), 99, null_mut(), &raw mut length) };
    assert_eq!(code(result), Ok(()));
    assert!(length > 1);
    assert_eq!(form.end_card(user, "one"), Ok(()));
    assert_eq!(form.cards(user, Some(&ATR), &[]), names(&["Zwei für alle"]));
}

/// The example of MSDN `SCardIntroduceCardType`; what it introduces is no ATR by ISO 7816-3, and need not be one.
fn microsofts_example_introduces_a_card_with_a_mask<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    let (atr, mask) = ([0xAA, 0xBB, 0xCC, 0x00, 0xDD], [0xFF, 0xFF, 0xFF, 0x00, 0xFF]);
    assert_eq!(form.new_card(bench.user, "MyCardName", &atr, Some(&mask)), Ok(()));
    assert_eq!(form.cards(bench.user, None, &[]), names(&["MyCardName"]));
    let masked = [0x3B, 0x12, 0x00, 0xAA, 0x0B];
    form.new_card(bench.user, "Masked", &masked, Some(&[0xFF, 0xFF, 0x00, 0xFF, 0x0F]))
        .unwrap();
    assert_eq!(
        form.cards(bench.user, Some(&ATR), &[]),
        names(&["Masked"]),
        "A & M = pbAtr"
    );
    assert_eq!(
        form.cards(bench.user, Some(&[0x3B, 0x12, 0x11, 0xAB, 0xBB]), &[]),
        names(&[])
    );
}

fn an_atr_that_none_can_have_is_refused<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    let user = bench.user;
    let long = [0x3B; 34];
    for (atr, mask) in [
        (&[0x3B][..], None),
        (&long, None),
        (&[0x3A, 0x00], None),
        (&[0x3B, 0x01], None),
        (&[0x3B, 0x00, 0x00], None),
        (&[0x3B, 0x01, 0x22], Some(&[0xFF, 0xFF, 0x20][..])),
        (&[0x3B], Some(&[0xFF])),
        (&long, Some(&[0xFF; 34])),
    ] {
        assert_eq!(
            form.new_card(user, "Card", atr, mask),
            Err(Error::InvalidAtr),
            "{atr:?} {mask:?}"
        );
    }
    assert_eq!(form.cards(user, None, &[]), names(&[]));
    let mut length = 0;
    let none = [0x12, 0x34];
    let result = unsafe { (form.list_cards)(user, none.as_ptr(), null(), 0, null_mut(), &raw mut length) };
    assert_eq!(code(result), Err(Error::InvalidAtr));
}

/// MSDN `SCardListCards`, `SCardIntroduceCardType` with a length of 0: by normal ATR parsing. Nothing behind the ATR is read: it
/// ends where its page does.
fn the_length_of_an_atr_is_told_by_itself<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    let page = 4096;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let memory = unsafe { libc::mmap(null_mut(), 2 * page, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    assert_ne!(memory, libc::MAP_FAILED);
    assert_eq!(unsafe { libc::mprotect(memory.add(page), page, libc::PROT_NONE) }, 0);
    // T=1 with TA1, TD1, TD2, TB3: a check byte follows the historical bytes.
    let atr = [0x3B, 0x91, 0x95, 0x81, 0x21, 0x45, 0x80, 0xE4];
    let start = unsafe { memory.cast::<u8>().add(page - atr.len()) };
    unsafe { start.copy_from_nonoverlapping(atr.as_ptr(), atr.len()) };
    let name = text::<U>("At the edge");
    code(unsafe { (form.introduce_card)(bench.user, name.as_ptr(), null(), null(), 0, start, null(), 0) }).unwrap();
    let mut length = 0;
    code(unsafe { (form.list_cards)(bench.user, start, null(), 0, null_mut(), &raw mut length) }).unwrap();
    assert_eq!(form.cards(bench.user, Some(&atr), &[]), names(&["At the edge"]));
    assert_eq!(unsafe { libc::munmap(memory, 2 * page) }, 0);
}

fn a_kind_of_card_is_there_once_in_a_scope<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    assert_eq!(form.new_card(bench.user, "Card", &ATR, None), Ok(()));
    assert_eq!(
        form.new_card(bench.user, "CARD", &[0x3B, 0x00], None),
        Err(Error::InvalidValue)
    );
    assert_eq!(form.new_card(bench.system, "Card", &ATR, None), Ok(()));
    assert_eq!(form.end_card(bench.user, "Card"), Ok(()));
    assert_eq!(
        form.end_card(bench.user, "Card"),
        Err(Error::UnknownCard),
        "the system's is not the user's to remove"
    );
    assert_eq!(form.end_card(bench.system, "Card"), Ok(()));
    for name in ["", "two\nlines", &"x".repeat(128)] {
        assert_eq!(
            form.new_card(bench.user, name, &ATR, None),
            Err(Error::InvalidValue),
            "{name:?}"
        );
    }
}

fn interfaces_and_primary_provider_are_told<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    let user = bench.user;
    introduce(form, user, "Card", &[guid(1), guid(2)]).unwrap();
    form.new_card(user, "Bare", &ATR, None).unwrap();
    let interfaces = |card: &str| {
        let card = text::<U>(card);
        handed_out(user, |buffer, count| unsafe {
            (form.list_interfaces)(user, card.as_ptr(), buffer, count)
        })
    };
    assert_eq!(interfaces("card"), Ok(vec![guid(1), guid(2)]));
    assert_eq!(interfaces("Bare"), Ok(Vec::new()));
    assert_eq!(interfaces("nobody's"), Err(Error::UnknownCard));
    let provider = |card: &str| {
        let mut provider = GUID::default();
        let card = text::<U>(card);
        code(unsafe { (form.provider_id)(user, card.as_ptr(), &raw mut provider) }).map(|()| provider)
    };
    assert_eq!(provider("Card"), Ok(PROVIDER));
    assert_eq!(provider("Bare"), Err(Error::IccInstallation));
    assert_eq!(provider("nobody's"), Err(Error::UnknownCard));
}

/// MSDN `SCardGetCardTypeProviderName`, `SCardSetCardTypeProviderName`.
fn provider_names_are_stored_by_number<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    let user = bench.user;
    introduce(form, user, "WindowsCard", &[]).unwrap();
    assert_eq!(
        form.provider(user, "WindowsCard", SCARD_PROVIDER_PRIMARY).as_deref(),
        Ok(PROVIDER_TEXT)
    );
    for (number, name) in [
        (SCARD_PROVIDER_CSP, "My Provider Name"),
        (SCARD_PROVIDER_KSP, "Schlüssel \"eins\""),
        (SCARD_PROVIDER_CARD_MODULE, "card.dll"),
        (SCARD_PROVIDER_CSP, "Another Name"),
    ] {
        assert_eq!(form.provide(user, "WindowsCard", number, name), Ok(()));
        assert_eq!(form.provider(user, "WindowsCard", number).as_deref(), Ok(name));
    }
    let other = "{00000001-ABCD-1234-AABB-CCDDAABBCCDD}";
    assert_eq!(form.provide(user, "WindowsCard", SCARD_PROVIDER_PRIMARY, other), Ok(()));
    assert_eq!(
        form.provider(user, "WindowsCard", SCARD_PROVIDER_PRIMARY).as_deref(),
        Ok(other)
    );
    assert_eq!(
        form.provide(user, "WindowsCard", SCARD_PROVIDER_PRIMARY, "no identifier"),
        Err(Error::InvalidValue)
    );
    assert_eq!(form.provide(user, "WindowsCard", 0, "name"), Err(Error::InvalidValue));
    assert_eq!(form.provide(user, "WindowsCard", 2, ""), Err(Error::InvalidValue));
    assert_eq!(form.provide(user, "nobody's", 2, "name"), Err(Error::UnknownCard));
    assert_eq!(form.provider(user, "nobody's", 2), Err(Error::UnknownCard));
    assert_eq!(form.provider(user, "WindowsCard", 4), Err(Error::IccInstallation));
    assert_eq!(form.provider(user, "WindowsCard", 0), Err(Error::IccInstallation));
}

fn the_users_kind_hides_the_systems<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    let (user, system) = (bench.user, bench.system);
    form.new_card(system, "Card", &ATR, None).unwrap();
    form.new_card(system, "Other", &ATR, None).unwrap();
    form.new_card(user, "Card", &[0x3B, 0x00], None).unwrap();
    assert_eq!(form.cards(user, Some(&ATR), &[]), names(&["Other"]));
    assert_eq!(form.cards(user, None, &[]), names(&["Card", "Other"]));
    assert_eq!(form.cards(system, Some(&ATR), &[]), names(&["Card", "Other"]));
    form.provide(user, "Card", 2, "the user's").unwrap();
    assert_eq!(form.provider(system, "Card", 2), Err(Error::IccInstallation));
    assert_eq!(
        form.provide(user, "Other", 2, "name"),
        Err(Error::UnknownCard),
        "not of this scope"
    );
}

/// MSDN `SCardListCards`, `SCardListInterfaces` (its example), `SCardGetCardTypeProviderName`, `SCardSetCardTypeProviderName`.
fn a_null_context_sees_all_and_changes_the_systems<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    form.new_card(bench.system, "System's", &ATR, None).unwrap();
    form.new_card(bench.user, "User's", &ATR, None).unwrap();
    assert_eq!(form.cards(0, None, &[]), names(&["User's", "System's"]));
    assert_eq!(form.provide(0, "System's", 2, "name"), Ok(()));
    assert_eq!(form.provider(0, "System's", 2).as_deref(), Ok("name"));
    assert_eq!(form.provide(0, "User's", 2, "name"), Err(Error::UnknownCard));
    let card = text::<U>("User's");
    let listed = handed_out(0, |buffer, count| unsafe {
        (form.list_interfaces)(0, card.as_ptr(), buffer, count)
    });
    assert_eq!(listed, Ok(Vec::new()));
    assert_eq!(form.new_card(0, "Card", &ATR, None), Err(Error::InvalidHandle));
    assert_eq!(form.end_card(0, "Card"), Err(Error::InvalidHandle));
}

fn bad_arguments_about_cards_are_refused<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    let (user, name) = (bench.user, text::<U>("Card"));
    let name = name.as_ptr();
    let (mut length, mut provider) = (0, GUID::default());
    let atr = ATR.as_ptr();
    let one: [GUID; 1] = [PROVIDER];
    let calls = unsafe {
        [
            (form.introduce_card)(user, null(), null(), null(), 0, atr, null(), 5),
            (form.introduce_card)(user, name, null(), null(), 0, null(), null(), 5),
            (form.introduce_card)(user, name, null(), null(), 1, atr, null(), 5),
            (form.forget_card)(user, null()),
            (form.list_interfaces)(user, null(), null_mut(), &raw mut length),
            (form.provider_id)(user, null(), &raw mut provider),
            (form.provider_id)(user, name, null_mut()),
            (form.provider_name)(user, null(), 2, null_mut(), &raw mut length),
            (form.set_provider)(user, null(), 2, name),
            (form.set_provider)(user, name, 2, null()),
        ]
    };
    for (index, result) in calls.into_iter().enumerate() {
        assert_eq!(code(result), Err(Error::InvalidParameter), "{index}");
    }
    for bad in [-1, 1, user | 1 << 30] {
        let bad: SCARDCONTEXT = bad;
        let calls = unsafe {
            [
                (form.introduce_card)(bad, name, null(), null(), 0, atr, null(), 5),
                (form.forget_card)(bad, name),
                (form.list_cards)(bad, null(), null(), 0, null_mut(), &raw mut length),
                (form.list_interfaces)(bad, name, null_mut(), &raw mut length),
                (form.provider_id)(bad, name, &raw mut provider),
                (form.provider_name)(bad, name, 2, null_mut(), &raw mut length),
                (form.set_provider)(bad, name, 2, name),
            ]
        };
        for (index, result) in calls.into_iter().enumerate() {
            assert_eq!(code(result), Err(Error::InvalidHandle), "{index}");
        }
    }
    let too_many = unsafe { (form.list_cards)(user, null(), one.as_ptr(), 1025, null_mut(), &raw mut length) };
    assert_eq!(code(too_many), Err(Error::InvalidValue));
    let many = [PROVIDER; 65];
    let result = unsafe { (form.introduce_card)(user, name, null(), many.as_ptr(), 65, atr, null(), 5) };
    assert_eq!(code(result), Err(Error::NoMemory));
}
