//! Memory, descriptors and threads over thousands of cycles. Each in a process of its own.

use std::fs;
use std::time::Duration;

use crate::card_bench::*;

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// Resident memory in KiB.
fn memory() -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Runs `cycle` until everything is warm, then `count` times: nothing may have grown.
fn flat(count: usize, mut cycle: impl FnMut(usize)) {
    for number in 0..count / 10 {
        cycle(number);
    }
    let before = (descriptors(), threads(), memory());
    for number in 0..count {
        cycle(number);
    }
    let after = (descriptors(), threads(), memory());
    assert_eq!((after.0, after.1), (before.0, before.1), "descriptors, threads");
    // 64 bytes lost each time would show.
    let allowed = 256 + count * 64 / 1024 / 2;
    assert!(after.2 <= before.2 + allowed, "{} KiB, then {} KiB", before.2, after.2);
}

#[test]
fn ten_thousand_connections_leave_nothing() {
    in_child("resources::ten_thousand_connections_leave_nothing", &[], || {
        let bench = Bench::new();
        flat(10_000, |_| {
            let context = establish(SCARD_SCOPE_SYSTEM).unwrap();
            let card = connect(context, &bench.name, SHARED, ANY).unwrap();
            assert_eq!(card.disconnect(LEAVE), Ok(()));
            assert_eq!(release(context), Ok(()));
        });
    });
}

#[test]
fn a_thousand_readers_that_come_and_go_leave_nothing() {
    in_child(
        "resources::a_thousand_readers_that_come_and_go_leave_nothing",
        &[],
        || {
            flat(1000, |number| {
                let bench = Bench::new();
                let context = Context::new();
                let card = context.shared(&bench);
                assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()));
                if number % 2 == 0 {
                    // Pulled out under the connection.
                    bench.reader.unplug();
                    assert_eq!(card.transmit(SELECT), Err(InvalidValue));
                }
            });
        },
    );
}

/// A day of watching: a wait that looks again every five seconds does so 17,280 times; and some cards come and go.
#[test]
fn a_days_watching_leaves_nothing() {
    in_child("resources::a_days_watching_leaves_nothing", &[], || {
        let bench = Bench::new();
        let context = Context::new();
        flat(17_280, |number| {
            if number % 240 == 0 {
                bench.remove();
                bench.insert();
            }
            let time = if number % 16 == 0 {
                Duration::from_millis(1)
            } else {
                Duration::ZERO
            };
            watch(&context, &bench.name, time);
        });
    });
}

/// `SCardGetStatusChange` with what it told last.
#[allow(unsafe_code, reason = "calls the C function")]
fn watch(context: &Context, name: &str, time: Duration) {
    use std::cell::Cell;
    use winscard::api::readers::SCardGetStatusChange;
    use winscard::api::types::{DWORD, SCARD_READERSTATE};
    thread_local! {
        static KNOWN: Cell<DWORD> = const { Cell::new(0) };
    }
    let name = std::ffi::CString::new(name).unwrap();
    let mut state = SCARD_READERSTATE {
        szReader: name.as_ptr(),
        pvUserData: std::ptr::null_mut(),
        dwCurrentState: KNOWN.get(),
        dwEventState: 0,
        cbAtr: 0,
        rgbAtr: [0; winscard::api::types::READERSTATE_ATR_SIZE],
    };
    let time = DWORD::try_from(time.as_millis()).unwrap();
    // SAFETY: one entry with a NUL-terminated name.
    let code = unsafe { SCardGetStatusChange(context.value, time, &raw mut state, 1) };
    assert!(matches!(outcome(code), Ok(()) | Err(Timeout)));
    KNOWN.set(state.dwEventState & !2);
}
