//! The cache of cards' contents. MSDN `SCardReadCache`, `SCardWriteCache`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::ptr::{null, null_mut};

use winscard::api::types::*;
use winscard::error::Error;

use crate::bench::Bench;
use crate::form::{Form, Text, both, code, handed_out, text};

both! {
    a_value_follows_card_name_and_revision
    a_value_that_is_too_big_is_refused
    the_cache_is_the_users_alone
    bad_arguments_about_the_cache_are_refused
}

pub(crate) fn read<U: Text>(
    form: &Form<U>,
    context: SCARDCONTEXT,
    card: u32,
    revision: DWORD,
    name: &str,
) -> Result<Vec<u8>, Error> {
    let card = GUID {
        Data1: card,
        ..GUID::default()
    };
    let name = text::<U>(name);
    handed_out(context, |buffer, length| unsafe {
        (form.read_cache)(context, &raw const card, revision, name.as_ptr(), buffer, length)
    })
}

pub(crate) fn write<U: Text>(
    form: &Form<U>,
    context: SCARDCONTEXT,
    card: u32,
    revision: DWORD,
    name: &str,
    value: &[u8],
) -> Result<(), Error> {
    let card = GUID {
        Data1: card,
        ..GUID::default()
    };
    let (name, length) = (text::<U>(name), value.len().try_into().unwrap());
    code(unsafe {
        (form.write_cache)(
            context,
            &raw const card,
            revision,
            name.as_ptr(),
            value.as_ptr(),
            length,
        )
    })
}

fn a_value_follows_card_name_and_revision<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    let user = bench.user;
    assert_eq!(read(form, user, 1, 0, "cardcf"), Err(Error::CacheItemNotFound));
    assert_eq!(write(form, user, 1, 7, "cardcf", b"seven"), Ok(()));
    assert_eq!(write(form, user, 2, 7, "cardcf", b"other"), Ok(()));
    assert_eq!(write(form, user, 1, 7, "Schlüssel", &[]), Ok(()));
    assert_eq!(read(form, user, 1, 7, "cardcf").as_deref(), Ok(&b"seven"[..]));
    assert_eq!(
        read(form, bench.system, 2, 7, "cardcf").as_deref(),
        Ok(&b"other"[..]),
        "one cache for every scope"
    );
    assert_eq!(read(form, user, 1, 7, "Schlüssel").as_deref(), Ok(&b""[..]));
    assert_eq!(read(form, user, 1, 7, "CARDCF"), Err(Error::CacheItemNotFound));
    assert_eq!(
        read(form, user, 1, 6, "cardcf"),
        Err(Error::CacheItemNotFound),
        "of a later revision"
    );
    assert_eq!(read(form, user, 1, 8, "cardcf"), Err(Error::CacheItemStale));
    assert_eq!(
        read(form, user, 1, 7, "cardcf"),
        Err(Error::CacheItemNotFound),
        "deleted"
    );
    assert_eq!(read(form, user, 2, 7, "cardcf").as_deref(), Ok(&b"other"[..]));
    assert_eq!(write(form, user, 2, 8, "cardcf", b"new"), Ok(()));
    assert_eq!(read(form, user, 2, 8, "cardcf").as_deref(), Ok(&b"new"[..]));
    // A short buffer keeps the item.
    let (card, name) = (
        GUID {
            Data1: 2,
            ..GUID::default()
        },
        text::<U>("cardcf"),
    );
    let (mut small, mut length) = ([7_u8; 2], 2);
    let result = unsafe {
        (form.read_cache)(
            user,
            &raw const card,
            8,
            name.as_ptr(),
            small.as_mut_ptr(),
            &raw mut length,
        )
    };
    assert_eq!(
        (code(result), length, small),
        (Err(Error::InsufficientBuffer), 3, [7; 2])
    );
}

fn a_value_that_is_too_big_is_refused<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    let user = bench.user;
    let most = vec![1; 65_536];
    assert_eq!(write(form, user, 1, 1, "most", &most), Ok(()));
    assert_eq!(read(form, user, 1, 1, "most").as_ref(), Ok(&most));
    let (more, much) = (vec![1; 65_537], vec![1; 2 << 20]);
    assert_eq!(write(form, user, 1, 1, "more", &more), Err(Error::CacheItemTooBig));
    assert_eq!(write(form, user, 1, 1, "much", &much), Err(Error::CacheItemTooBig));
    assert_eq!(
        write(form, user, 1, 1, &"n".repeat(513), b"x"),
        Err(Error::CacheItemTooBig)
    );
    assert_eq!(
        write(form, user, 1, 1, &"n".repeat(5000), b"x"),
        Err(Error::InvalidValue)
    );
    assert_eq!(read(form, user, 1, 1, "more"), Err(Error::CacheItemNotFound));
}

fn the_cache_is_the_users_alone<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    write(form, bench.user, 1, 1, "name", b"value").unwrap();
    let file = bench.cache_file();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    // What others could have written is not believed, and not written over.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o620)).unwrap();
    assert_eq!(read(form, bench.user, 1, 1, "name"), Err(Error::CacheItemNotFound));
    assert_eq!(write(form, bench.user, 1, 1, "name", b"value"), Err(Error::NoAccess));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(read(form, bench.user, 1, 1, "name").as_deref(), Ok(&b"value"[..]));
    // Nonsense is as nothing, and replaced.
    fs::write(&file, b"nonsense").unwrap();
    assert_eq!(read(form, bench.user, 1, 1, "name"), Err(Error::CacheItemNotFound));
    assert_eq!(write(form, bench.user, 1, 1, "name", b"again"), Ok(()));
    assert_eq!(read(form, bench.user, 1, 1, "name").as_deref(), Ok(&b"again"[..]));
}

fn bad_arguments_about_the_cache_are_refused<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    let user = bench.user;
    let (card, name) = (GUID::default(), text::<U>("name"));
    let (card, name) = (&raw const card, name.as_ptr());
    let mut length = 0;
    let length = &raw mut length;
    let cases = unsafe {
        [
            (
                (form.read_cache)(0, card, 0, name, null_mut(), length),
                Error::InvalidHandle,
            ),
            (
                (form.read_cache)(user, null(), 0, name, null_mut(), length),
                Error::InvalidParameter,
            ),
            (
                (form.read_cache)(user, card, 0, null(), null_mut(), length),
                Error::InvalidParameter,
            ),
            (
                (form.read_cache)(user, card, 0, name, null_mut(), null_mut()),
                Error::InvalidParameter,
            ),
            ((form.write_cache)(-1, card, 0, name, null(), 0), Error::InvalidHandle),
            (
                (form.write_cache)(user, null(), 0, name, null(), 0),
                Error::InvalidParameter,
            ),
            (
                (form.write_cache)(user, card, 0, null(), null(), 0),
                Error::InvalidParameter,
            ),
            (
                (form.write_cache)(user, card, 0, name, null(), 1),
                Error::InvalidParameter,
            ),
        ]
    };
    for (index, (result, expected)) in cases.into_iter().enumerate() {
        assert_eq!(code(result), Err(expected), "{index}");
    }
    assert_eq!(
        code(unsafe { (form.write_cache)(user, card, 0, name, null(), 0) }),
        Ok(()),
        "an empty value"
    );
}
