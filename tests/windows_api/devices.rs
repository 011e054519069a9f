//! Readers as devices. MSDN `SCardGetReaderIcon`, `SCardGetDeviceTypeId`, `SCardGetReaderDeviceInstanceId`,
//! `SCardListReadersWithDeviceInstanceId`.

use std::ptr::{null, null_mut};

use winscard::api::constants::SCARD_READER_TYPE_USB;
use winscard::api::types::*;
use winscard::error::Error;
use winscard::sim::Config;

use crate::bench::Bench;
use crate::form::{Form, Text, both, code, handed_out, split, text};

both! {
    the_icon_is_a_picture_of_256_pixels
    every_reader_is_on_usb
    a_device_is_told_from_others_and_its_readers_are_listed
    bad_arguments_about_devices_are_refused
}

fn icon<U: Text>(form: &Form<U>, context: SCARDCONTEXT, name: &str) -> Result<Vec<u8>, Error> {
    let name = text::<U>(name);
    handed_out(context, |buffer, length| unsafe {
        (form.icon)(context, name.as_ptr(), buffer, length)
    })
}

fn instance<U: Text>(form: &Form<U>, context: SCARDCONTEXT, name: &str) -> Result<String, Error> {
    let name = text::<U>(name);
    let call = |buffer, length| unsafe { (form.instance_id)(context, name.as_ptr(), buffer, length) };
    let mut units = handed_out(context, call)?;
    assert_eq!(units.pop(), Some(U::default()));
    Ok(U::decode(&units))
}

/// MSDN `SCardGetReaderIcon`: a BLOB as read from the icon file, 256 × 256 pixels with no alpha channel.
fn the_icon_is_a_picture_of_256_pixels<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let name = bench.reader();
    let file = icon(form, bench.user, &name).unwrap();
    let word = |at: usize| u16::from_le_bytes([file[at], file[at + 1]]);
    let long = |at: usize| usize::from(word(at)) | usize::from(word(at + 2)) << 16;
    assert_eq!([word(0), word(2), word(4)], [0, 1, 1], "an icon file with one image");
    assert_eq!(file[6..10], [0, 0, 16, 0], "256 by 256 pixels, 16 colours");
    let (length, offset) = (long(14), long(18));
    assert_eq!(offset + length, file.len());
    assert_eq!([long(offset), long(offset + 4), long(offset + 8)], [40, 256, 512]);
    assert_eq!(word(offset + 14), 4, "bits of a pixel");
    let pixels = &file[offset + 40 + 64..][..128 * 256];
    assert!(pixels.iter().any(|pair| *pair != 0) && pixels[0] == 0);
    assert!(
        pixels.iter().all(|pair| pair >> 4 < 6 && pair & 15 < 6),
        "colours that there are"
    );
    let mask = &file[offset + 40 + 64 + 128 * 256..];
    assert!(
        mask.len() == 32 * 256 && mask.iter().all(|byte| *byte == 0),
        "nothing transparent"
    );
    form.introduce(bench.user, "Desk", &name).unwrap();
    assert_eq!(icon(form, bench.user, "Desk").as_ref(), Ok(&file));
    assert_eq!(icon(form, bench.user, "nobody"), Err(Error::UnknownReader));
}

fn every_reader_is_on_usb<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let name = bench.reader();
    let kind = |name: &str| {
        let (name, mut kind) = (text::<U>(name), 77);
        let result = unsafe { (form.device_type)(bench.user, name.as_ptr(), &raw mut kind) };
        (code(result), kind)
    };
    assert_eq!(kind(&name), (Ok(()), SCARD_READER_TYPE_USB));
    assert_eq!(kind("nobody"), (Err(Error::UnknownReader), 77));
}

/// Two readers of one make, one of them with two slots.
fn a_device_is_told_from_others_and_its_readers_are_listed<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let one = bench.reader();
    let two = bench.plug(Config {
        slots: 2,
        ..Config::default()
    });
    assert_eq!(two.len(), 2);
    let user = bench.user;
    let (first, second) = (
        instance(form, user, &one).unwrap(),
        instance(form, user, &two[0]).unwrap(),
    );
    assert!(first.starts_with(r"USB\VID_") && first.contains("&PID_"), "{first}");
    assert_ne!(first, second);
    assert_eq!(instance(form, user, &two[1]).as_ref(), Ok(&second));
    assert_eq!(instance(form, user, "nobody"), Err(Error::UnknownReader));
    let readers = |id: &str| {
        let id = text::<U>(id);
        let call = |buffer, length| unsafe { (form.readers_of)(user, id.as_ptr(), buffer, length) };
        handed_out(user, call).map(|units| split(&units))
    };
    assert_eq!(readers(&first), Ok(vec![one.clone()]));
    assert_eq!(readers(&second.to_lowercase()), Ok(two));
    assert_eq!(readers(r"USB\VID_0000&PID_0000\0"), Err(Error::NoReadersAvailable));
    form.introduce(user, "Desk", &one).unwrap();
    form.forget(user, &one).unwrap();
    assert_eq!(readers(&first), Ok(vec!["Desk".to_owned()]));
    form.forget(user, "Desk").unwrap();
    assert_eq!(readers(&first), Err(Error::NoReadersAvailable));
}

fn bad_arguments_about_devices_are_refused<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let name = bench.reader();
    let (user, name) = (bench.user, text::<U>(&name));
    let name = name.as_ptr();
    let mut number = 77;
    let number = &raw mut number;
    let cases = unsafe {
        [
            ((form.icon)(0, name, null_mut(), number), Error::InvalidHandle),
            ((form.icon)(user, null(), null_mut(), number), Error::InvalidParameter),
            ((form.icon)(user, name, null_mut(), null_mut()), Error::InvalidParameter),
            ((form.device_type)(0, name, number), Error::InvalidHandle),
            ((form.device_type)(user, null(), number), Error::InvalidParameter),
            ((form.device_type)(user, name, null_mut()), Error::InvalidParameter),
            ((form.instance_id)(0, name, null_mut(), number), Error::InvalidHandle),
            (
                (form.instance_id)(user, null(), null_mut(), number),
                Error::InvalidParameter,
            ),
            (
                (form.instance_id)(user, name, null_mut(), null_mut()),
                Error::InvalidParameter,
            ),
            ((form.readers_of)(0, name, null_mut(), number), Error::InvalidHandle),
            (
                (form.readers_of)(user, null(), null_mut(), number),
                Error::InvalidParameter,
            ),
            (
                (form.readers_of)(user, name, null_mut(), null_mut()),
                Error::InvalidParameter,
            ),
        ]
    };
    for (index, (result, expected)) in cases.into_iter().enumerate() {
        assert_eq!(code(result), Err(expected), "{index}");
    }
    assert_eq!(unsafe { *number }, 77);
}
