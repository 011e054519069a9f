//! What becomes of the caller's active protocol.

use crate::bench_reader::*;
use winscard::error::Error;
use winscard::sim::BuiltinCard;

#[test]
fn null_is_refused_before_anything_else() {
    let bench = Bench::new("null");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    let before = bench.traffic();
    for handle in [card, Handle::bad()] {
        for initialization in [LEAVE, RESET, UNPOWER, EJECT] {
            assert_eq!(
                handle.reconnect_without_active(SHARED, ANY, initialization),
                Error::InvalidParameter
            );
            assert_eq!(
                handle.reconnect_without_active(9, NONE, initialization),
                Error::InvalidParameter
            );
        }
    }
    assert_eq!(bench.traffic(), before, "nothing on the wire");
    assert_eq!((card.status().0, other.status().0), (OK, OK));
    assert_eq!(other.begin(), OK);
    assert_eq!(
        card.reconnect_without_active(SHARED, ANY, LEAVE),
        Error::InvalidParameter,
        "does not wait either"
    );
}

#[test]
fn a_bad_handle_leaves_it_untouched() {
    let bench = Bench::new("bad handle");
    let card = bench.connect(SHARED, ANY);
    assert_eq!(card.disconnect(LEAVE), OK);
    for handle in [card, Handle::bad()] {
        assert_eq!(
            handle.reconnect(SHARED, ANY, LEAVE),
            (Error::InvalidHandle.into(), UNTOUCHED)
        );
        assert_eq!(
            handle.reconnect(9, NONE, EJECT),
            (Error::InvalidHandle.into(), UNTOUCHED),
            "the handle comes first"
        );
    }
}

#[test]
fn it_is_0_on_every_error_before_the_protocol() {
    let bench = Bench::new("zero");
    let card = bench.connect(SHARED, ANY);
    assert_eq!(card.reconnect(SHARED, ANY, EJECT), (Error::InvalidValue.into(), 0));
    assert_eq!(card.reconnect(9, ANY, LEAVE), (Error::InvalidValue.into(), 0));
    assert_eq!(card.reconnect(SHARED, NONE, LEAVE), (Error::ProtoMismatch.into(), 0));
    assert_eq!(card.reconnect(SHARED, T0, LEAVE), (Error::ProtoMismatch.into(), 0));
    bench.swap(BuiltinCard::mute());
    assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (Error::UnresponsiveCard.into(), 0));
    bench.reader.remove(0);
    assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (Error::NoSmartcard.into(), 0));
    bench.reader.unplug();
    assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (Error::InvalidValue.into(), 0));
}

#[test]
fn it_is_what_status_says_afterwards() {
    for (bench, protocol) in [(Bench::new("active"), T1), (Bench::tpdu("active tpdu"), T0)] {
        let card = bench.connect(DIRECT, NONE);
        assert_eq!(
            card.reconnect(DIRECT, NONE, LEAVE),
            (OK, 0),
            "none before the first choice"
        );
        for (share, mask, expected) in [
            (SHARED, ANY, protocol),
            (DIRECT, NONE, protocol),
            (SHARED, RAW, RAW),
            (DIRECT, NONE, RAW),
        ] {
            assert_eq!(card.reconnect(share, mask, LEAVE), (OK, expected));
            assert_eq!(card.status(), (OK, 0x34, expected));
        }
    }
}
