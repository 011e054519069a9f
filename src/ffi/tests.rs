#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::ptr;

use super::*;

#[test]
fn success_is_zero_and_an_error_its_code() {
    assert_eq!(entry("test", || Ok(())), 0);
    assert_eq!(entry("test", || Err(Error::Timeout)), Error::Timeout.to_long());
}

#[test]
fn a_panic_becomes_an_internal_error_and_later_calls_work() {
    install_panic_hook();
    assert_eq!(entry("test", || panic!("on purpose")), Error::InternalError.to_long());
    assert_eq!(
        entry("test", || panic!("{} on purpose", 2)),
        Error::InternalError.to_long()
    );
    assert_eq!(DEPTH.with(Cell::get), 0);
    assert_eq!(entry("test", || Ok(())), 0);
}

#[test]
fn bytes_are_copied_and_bounded() {
    let data = [1_u8, 2, 3];
    // SAFETY: three bytes of an array.
    let copy = unsafe { bytes_in(data.as_ptr(), 3, 3) };
    assert_eq!(copy.unwrap(), data);
    // SAFETY: refused before anything is read.
    let long = unsafe { bytes_in(data.as_ptr(), 4, 3) };
    assert_eq!(long.unwrap_err(), Error::InsufficientBuffer);
    // SAFETY: null pointers are allowed.
    let null = unsafe { bytes_in(ptr::null(), 1, 3) };
    assert_eq!(null.unwrap_err(), Error::InvalidParameter);
    // SAFETY: null pointers are allowed.
    assert_eq!(unsafe { bytes_in(ptr::null(), 0, 3) }.unwrap(), []);
}

#[test]
fn strings_end_at_the_nul_or_one_byte_after_the_maximum() {
    // SAFETY: a literal with its NUL.
    assert_eq!(unsafe { string_in(c"reader".as_ptr(), 128) }, b"reader");
    // SAFETY: a literal with its NUL.
    assert_eq!(unsafe { string_in(c"".as_ptr(), 128) }, b"");
    let endless = [b'x'; 9];
    // SAFETY: nine readable bytes, and max + 1 are read.
    assert_eq!(unsafe { string_in(endless.as_ptr().cast(), 8) }.len(), 9);
}

#[test]
fn a_multi_string_ends_in_two_nuls() {
    assert_eq!(multi_string(&["a".into(), "bc".into()]), b"a\0bc\0\0");
    assert_eq!(multi_string(&[]), b"\0");
}

fn output(buffer: &mut [u8], mut length: DWORD) -> Output {
    // SAFETY: the tests state no more room than `buffer` has.
    unsafe { Output::new(buffer.as_mut_ptr(), &raw mut length) }
}

#[test]
fn a_short_buffer_gets_nothing_or_a_part() {
    let mut buffer = [9_u8; 4];
    assert_eq!(
        output(&mut buffer, 2).write(b"abc", Short::Nothing),
        Err(Error::InsufficientBuffer)
    );
    assert_eq!(buffer, [9; 4]);
    assert_eq!(
        output(&mut buffer, 2).write(b"abc", Short::Part),
        Err(Error::InsufficientBuffer)
    );
    assert_eq!(&buffer, b"ab\x09\x09");
    assert_eq!(output(&mut buffer, 3).write(b"xyz", Short::Nothing), Ok(()));
    assert_eq!(&buffer, b"xyz\x09");
}

#[test]
fn a_null_buffer_is_a_query_and_a_null_length_is_no_room() {
    let mut length = 7;
    // SAFETY: a null buffer is allowed.
    let query = unsafe { Output::new(ptr::null_mut::<u8>(), &raw mut length) };
    assert!(query.is_query());
    assert_eq!(query.write(b"abc", Short::Nothing), Ok(()));
    let mut buffer = [9_u8; 4];
    // SAFETY: a null length is allowed.
    let unsized_ = unsafe { Output::new(buffer.as_mut_ptr(), ptr::null()) };
    assert_eq!(unsized_.room(), Some(0));
    assert_eq!(unsized_.write(b"a", Short::Part), Err(Error::InsufficientBuffer));
    assert_eq!(buffer, [9; 4]);
}

#[test]
fn allocated_memory_holds_the_data() {
    let mut memory: *mut u8 = ptr::null_mut();
    let mut length = SCARD_AUTOALLOCATE;
    // SAFETY: the buffer is the address of a pointer, as SCARD_AUTOALLOCATE wants it.
    let target = unsafe { Output::new(&raw mut memory, &raw mut length) };
    assert_eq!(target.room(), None);
    target.write(b"abc", Short::Nothing).unwrap();
    for (offset, expected) in b"abc".iter().enumerate() {
        // SAFETY: three bytes were written.
        let byte = unsafe { load(memory.wrapping_add(offset)) };
        assert_eq!(byte, Some(*expected));
    }
    // SAFETY: from malloc, used no more.
    unsafe { release(memory.cast()) };

    // SAFETY: a null buffer is allowed.
    let nowhere = unsafe { Output::new(ptr::null_mut::<u8>(), &raw mut length) };
    assert!(nowhere.is_allocation_without_target());
    assert_eq!(nowhere.write(b"abc", Short::Nothing), Err(Error::InvalidParameter));
}
