//! The panic boundary: a panic in any layer, at any point of a call, becomes `SCARD_F_INTERNAL_ERROR`; locks are free
//! afterwards, the other handle goes on, and the same can be done again.
//!
//! Built with the feature `panic-injection` only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "support/card_bench.rs"]
mod card_bench;

use card_bench::*;
use winscard::inject;

/// Every layer that has points, from the wire up.
const POINTS: [&str; 10] = [
    "usb", "ccid", "iso7816", "record", "locks", "wait", "reader", "registry", "card", "handle",
];

/// What a caller does in a while; the codes it saw.
fn session(bench: &Bench) -> Vec<Error> {
    let mut seen = Vec::new();
    let context = match establish(SCARD_SCOPE_SYSTEM) {
        Ok(context) => context,
        Err(error) => return vec![error],
    };
    match connect(context, &bench.name, SHARED, ANY) {
        Ok(card) => {
            seen.extend(card.begin().err());
            seen.extend(transmit_code(card.handle));
            seen.extend(card.end(LEAVE).err());
            seen.extend(card.status().err());
            seen.extend(card.reconnect(SHARED, ANY, RESET).err());
            seen.extend(transmit_code(card.handle));
            // What disconnects when dropped would be wanted to succeed.
            seen.extend(card.disconnect(LEAVE).err());
        }
        Err(error) => seen.push(error),
    }
    seen.extend(release(context).err());
    seen
}

/// Other processes can talk to their readers: a lock that was not given back would not stop this one, whose own it is.
fn nothing_stays_locked() {
    let own = std::process::id().to_string();
    let holds = || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        // "1: FLOCK  ADVISORY  WRITE 4711 00:01:2 0 EOF"
        locks.lines().any(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            words.get(1) == Some(&"FLOCK") && words.get(4) == Some(&own.as_str())
        })
    };
    // Another test may be in an exchange.
    let free = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        !holds()
    });
    assert!(free, "the exchange lock is still held");
}

/// The reader, whatever happened: a connection that needs all locks, and an answer.
fn works(bench: &Bench, what: &str) {
    let context = Context::new();
    let card = context.connect(&bench.name, EXCLUSIVE, ANY);
    let card = card.unwrap_or_else(|error| panic!("{what}: exclusive connection: {error:?}"));
    assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()), "{what}");
    assert_eq!(card.disconnect(LEAVE), Ok(()), "{what}");
    assert_eq!(context.release(), Ok(()), "{what}");
}

#[test]
fn a_panic_anywhere_is_an_internal_error_and_nothing_more() {
    let (bench, other) = (Bench::new_at(Level::Tpdu), Bench::new());
    let context = Context::new();
    let bystander = context.shared(&other);
    works(&bench, "before");
    let mut total = 0;
    for point in POINTS {
        let mut reached = 0;
        for after in 0..400 {
            let what = format!("{point}, time {after}");
            inject::arm(point, after);
            let seen = session(&bench);
            if !inject::disarm() {
                break;
            }
            reached += 1;
            assert!(seen.contains(&InternalError), "{what}: the caller was told {seen:?}");
            works(&bench, &what);
            assert_eq!(bystander.transmit(SELECT), Ok(OK_SW.into()), "{what}: another handle");
        }
        // Waiting is for others, whom there are none of here; and the readers are listed once.
        assert!(
            reached > 0 || matches!(point, "wait" | "registry"),
            "{point} was never passed"
        );
        total += reached;
    }
    assert!(total > 50, "{total} panics");
}

#[test]
fn a_panic_before_the_record_is_read_gives_the_lock_back() {
    let bench = Bench::new();
    let context = Context::new();
    let card = context.shared(&bench);
    inject::arm("record", 0);
    assert_eq!(card.status().err(), Some(InternalError));
    assert!(inject::disarm());
    nothing_stays_locked();
    assert!(card.status().is_ok());
}

#[test]
fn a_panic_while_waiting_or_listing_is_one_too() {
    let bench = Bench::new();
    let context = Context::new();
    let (owner, other) = (context.shared(&bench), context.shared(&bench));
    owner.begin().unwrap();
    let handle = other.handle;
    let waiting = call(move || {
        inject::arm("wait", 0);
        let result = handle.begin();
        assert!(inject::disarm());
        result
    });
    // Something is heard while it waits.
    std::thread::sleep(std::time::Duration::from_millis(100));
    owner.end(LEAVE).unwrap();
    assert_eq!(waiting.end(), Err(InternalError));
    assert_eq!(other.begin(), Ok(()));
    assert_eq!(other.end(LEAVE), Ok(()));

    inject::arm("registry", 0);
    let another = winscard::sim::plug(Config::default()).unwrap();
    assert_eq!(outcome(list_code(&context)), Err(InternalError));
    assert!(inject::disarm());
    assert!(!context.readers().is_empty(), "the list's lock is free");
    another.unplug();
}

/// `SCardTransmit`'s code alone: a panic leaves the length as it was.
#[allow(unsafe_code, reason = "calls the C function")]
fn transmit_code(card: Handle) -> Option<Error> {
    use winscard::api::types::{DWORD, SCARD_IO_REQUEST};
    let pci = SCARD_IO_REQUEST {
        dwProtocol: T1,
        cbPciLength: 16,
    };
    let mut response = [0_u8; 258];
    let mut length: DWORD = 258;
    // SAFETY: buffers of the lengths given.
    let code = unsafe {
        winscard::api::io::SCardTransmit(
            card.0,
            &raw const pci,
            SELECT.as_ptr(),
            DWORD::try_from(SELECT.len()).unwrap(),
            std::ptr::null_mut(),
            response.as_mut_ptr(),
            &raw mut length,
        )
    };
    outcome(code).err()
}

/// `SCardListReaders`' code alone.
#[allow(unsafe_code, reason = "calls the C function")]
fn list_code(context: &Context) -> winscard::api::types::LONG {
    let mut length = 0;
    // SAFETY: the length only is asked for, and there is a place for it.
    unsafe {
        winscard::api::readers::SCardListReaders(context.value, std::ptr::null(), std::ptr::null_mut(), &raw mut length)
    }
}
