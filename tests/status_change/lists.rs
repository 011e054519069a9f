//! `SCardListReaders`, `SCardListReaderGroups` and `SCardFreeMemory`: buffers and lengths.

use std::ffi::CStr;

use winscard::api::types::{DWORD, SCARDCONTEXT};
use winscard::error::Error;

use crate::watch_bench::*;

const GROUPS: &[u8; 22] = b"SCard$DefaultReaders\0\0";
const NOT_A_CONTEXT: [SCARDCONTEXT; 3] = [0, 1, -1];

/// `SCardListReaders` or `SCardListReaderGroups`.
type ListCall = fn(SCARDCONTEXT, Option<&mut [u8]>, Option<&mut DWORD>) -> Code;

fn size(len: DWORD) -> usize {
    usize::try_from(len).unwrap()
}

#[test]
fn without_readers_the_length_is_1_and_no_buffer_is_touched() {
    alone(
        "lists::without_readers_the_length_is_1_and_no_buffer_is_touched",
        || {
            drop(Bench::plug());
            let context = Context::new();
            for room in [0, 1, 100, DWORD::from(u32::MAX)] {
                let (mut text, mut len) = ([0x55; 100], room);
                assert_eq!(
                    list_readers(context.0, Some(&mut text), Some(&mut len)),
                    Err(Error::NoReadersAvailable)
                );
                assert_eq!((len, text), (1, [0x55; 100]), "room {room}");
            }
            let mut len = 77;
            assert_eq!(
                list_readers(context.0, None, Some(&mut len)),
                Err(Error::NoReadersAvailable)
            );
            assert_eq!(len, 1);
            let mut len = DWORD::MAX;
            assert_eq!(
                list_readers(context.0, None, Some(&mut len)),
                Err(Error::NoReadersAvailable),
                "before the buffer's check"
            );
            assert_eq!(len, 1);
            let (result, text) = list_readers_allocated(context.0, &mut len);
            assert_eq!(
                (result, len, text.is_nothing()),
                (Err(Error::NoReadersAvailable), 1, true)
            );
        },
    );
}

#[test]
fn readers_are_a_multi_string_in_the_callers_buffer() {
    alone("lists::readers_are_a_multi_string_in_the_callers_buffer", || {
        let (context, benches) = (Context::new(), [Bench::plug(), Bench::polled()]);
        let whole = format!("{}\0{}\0\0", benches[0].name(), benches[1].name()).into_bytes();
        let needed = DWORD::try_from(whole.len()).unwrap();
        let mut len = 0;
        assert_eq!(list_readers(context.0, None, Some(&mut len)), Ok(()));
        assert_eq!(len, needed, "with every NUL");
        for room in [0, 1, needed - 1] {
            let (mut text, mut len) = (vec![0x55; whole.len() + 10], room);
            assert_eq!(
                list_readers(context.0, Some(&mut text), Some(&mut len)),
                Err(Error::InsufficientBuffer)
            );
            assert_eq!((len, text), (needed, vec![0x55; whole.len() + 10]), "room {room}");
        }
        // 0xFFFFFFFF is a length like any other where a DWORD has 64 bits.
        let lengths = [needed, needed + 1, DWORD::from(u32::MAX)];
        for room in lengths.into_iter().filter(|room| *room != DWORD::MAX) {
            let (mut text, mut len) = (vec![0x55; whole.len() + 10], room);
            assert_eq!(list_readers(context.0, Some(&mut text), Some(&mut len)), Ok(()));
            assert_eq!((len, &text[..whole.len()]), (needed, &whole[..]), "room {room}");
            assert_eq!(text[whole.len()..], [0x55; 10]);
        }
    });
}

#[test]
fn readers_are_allocated_on_demand() {
    alone("lists::readers_are_allocated_on_demand", || {
        let (context, bench) = (Context::new(), Bench::plug());
        let whole = format!("{}\0\0", bench.name()).into_bytes();
        let mut len = 0;
        let (result, text) = list_readers_allocated(context.0, &mut len);
        assert_eq!((result, size(len)), (Ok(()), whole.len()));
        assert_eq!(text.bytes(len), whole);
        assert_eq!(text.free(context.0), Ok(()));
        let mut len = DWORD::MAX;
        assert_eq!(
            list_readers(context.0, None, Some(&mut len)),
            Err(Error::InvalidParameter)
        );
        assert_eq!(size(len), whole.len(), "the length is told all the same");
    });
}

#[test]
fn groups_are_not_asked_for_and_not_looked_at() {
    let (context, bench) = (Context::new(), Bench::plug());
    for groups in [&b"\0\0"[..], GROUPS, b"no such group\0\0"] {
        let mut len = 0;
        assert_eq!(list_readers_of(context.0, groups, &mut len), Ok(()));
        assert!(size(len) > bench.name().len());
    }
}

#[test]
fn the_order_of_checks_is_length_context_buffer() {
    let _bench = Bench::plug();
    let calls: [ListCall; 2] = [list_readers, list_groups];
    for list in calls {
        for value in NOT_A_CONTEXT.into_iter().chain([Context::stale()]) {
            assert_eq!(list(value, None, None), Err(Error::InvalidParameter));
            let mut len = DWORD::MAX;
            assert_eq!(list(value, None, Some(&mut len)), Err(Error::InvalidHandle));
            let mut text = [0x55; 8];
            assert_eq!(list(value, Some(&mut text), Some(&mut 8)), Err(Error::InvalidHandle));
            assert_eq!(text, [0x55; 8]);
        }
    }
}

#[test]
fn there_is_one_group_of_22_bytes() {
    let context = Context::new();
    let mut len = 0;
    assert_eq!(list_groups(context.0, None, Some(&mut len)), Ok(()));
    assert_eq!(len, 22);
    for (room, result) in [
        (0, Err(Error::InsufficientBuffer)),
        (21, Err(Error::InsufficientBuffer)),
        (22, Ok(())),
        (30, Ok(())),
    ] {
        let (mut text, mut len) = ([0x55; 30], room);
        assert_eq!(
            list_groups(context.0, Some(&mut text), Some(&mut len)),
            result,
            "room {room}"
        );
        assert_eq!(len, 22);
        let written = if result.is_ok() { 22 } else { 0 };
        assert_eq!(text[..written], GROUPS[..written]);
        assert_eq!(text[written..], [0x55; 30][written..], "room {room}");
    }
    let mut len = DWORD::MAX;
    assert_eq!(
        list_groups(context.0, None, Some(&mut len)),
        Err(Error::InvalidParameter)
    );
    assert_eq!(len, 22);
    let (result, text) = list_groups_allocated(context.0, &mut len);
    assert_eq!((result, len, text.bytes(22)), (Ok(()), 22, &GROUPS[..]));
    assert_eq!(text.free(context.0), Ok(()));
}

#[test]
fn memory_is_freed_with_any_context_but_not_without() {
    let (context, other) = (Context::new(), Context::new());
    let mut len = 0;
    let (result, text) = list_groups_allocated(context.0, &mut len);
    assert_eq!(result, Ok(()));
    for value in NOT_A_CONTEXT.into_iter().chain([Context::stale()]) {
        assert_eq!(text.fail_to_free(value), Err(Error::InvalidHandle));
        // Nothing else gets the memory that was not freed.
        let (result, another) = list_groups_allocated(context.0, &mut len);
        assert_eq!((result, another.free(context.0)), (Ok(()), Ok(())));
        assert_eq!(text.bytes(22), GROUPS);
    }
    assert_eq!(text.free(other.0), Ok(()));
    assert_eq!(free_malloced(context.0, 0), Ok(()), "null");
    assert_eq!(free_malloced(context.0, 100), Ok(()), "any memory of malloc's");
}

#[test]
fn an_allocated_string_can_be_taken_for_a_c_string() {
    let (context, bench) = (Context::new(), Bench::plug());
    let mut len = 0;
    let (_, text) = list_readers_allocated(context.0, &mut len);
    let first = CStr::from_bytes_until_nul(text.bytes(len)).unwrap();
    assert!(
        context.readers().iter().any(|name| name.as_bytes() == first.to_bytes()),
        "{first:?}"
    );
    assert!(String::from_utf8_lossy(text.bytes(len)).contains(bench.name()));
    assert_eq!(text.free(context.0), Ok(()));
}
