//! INUSE and EXCLUSIVE in the event word.

use winscard::error::Error;

use crate::watch_bench::*;

#[test]
fn shared_and_direct_connections_are_in_use_also_the_callers_own() {
    let (context, other, bench) = (Context::new(), Context::new(), Bench::with_card(Chip::new(1)));
    for share in [SHARED, DIRECT] {
        let card = context.connect(bench.name(), share).unwrap();
        for asker in [&context, &other] {
            assert_eq!(event(asker, bench.name(), 0), 0x122, "{share}");
            assert_eq!(event(asker, bench.name(), 0x20), 0x120, "becoming so is no change");
        }
        let second = other.connect(bench.name(), SHARED).unwrap();
        assert_eq!(card.disconnect(LEAVE), Ok(()));
        assert_eq!(event(&context, bench.name(), 0x120), 0x120, "one is left");
        assert_eq!(second.disconnect(LEAVE), Ok(()));
        assert_eq!(event(&context, bench.name(), 0x120), 0x22, "no longer in use");
    }
}

#[test]
fn an_exclusive_connection_is_exclusive_and_not_in_use() {
    let (context, other, bench) = (Context::new(), Context::new(), Bench::with_card(Chip::new(1)));
    let card = context.connect(bench.name(), EXCLUSIVE).unwrap();
    for asker in [&context, &other] {
        assert_eq!(event(asker, bench.name(), 0), 0xA2);
        assert_eq!(event(asker, bench.name(), 0x20), 0xA0, "becoming so is no change");
        assert_eq!(event(asker, bench.name(), 0xA0), 0xA0);
        assert_eq!(
            event(asker, bench.name(), 0x120),
            0xA2,
            "but to one who thought it shared"
        );
    }
    assert_eq!(card.reconnect(SHARED, LEAVE), Ok(()));
    assert_eq!(event(&context, bench.name(), 0xA0), 0x122);
    assert_eq!(card.reconnect(EXCLUSIVE, LEAVE), Ok(()));
    assert_eq!(card.disconnect(LEAVE), Ok(()));
    assert_eq!(event(&context, bench.name(), 0xA0), 0x22);
}

#[test]
fn without_a_card_a_shared_connection_does_not_show_and_an_exclusive_one_does() {
    let (context, bench) = (Context::new(), Bench::plug());
    let direct = context.connect(bench.name(), DIRECT).unwrap();
    assert_eq!(event(&context, bench.name(), 0), 0x12);
    assert_eq!(direct.disconnect(LEAVE), Ok(()));

    bench.insert(Chip::new(1));
    let card = context.connect(bench.name(), EXCLUSIVE).unwrap();
    let waiter = Waiter::start(context.0, INFINITE, &[bench.state(0xA0)]);
    bench.remove();
    let (result, state) = waiter.end_of_one();
    assert_eq!((result, state.event, state.atr()), (Ok(()), 0x2_0092, &[][..]));
    assert_eq!(event(&context, bench.name(), 0x2_0090), 0x2_0090);
    assert_eq!(card.disconnect(LEAVE), Ok(()));
    assert_eq!(event(&context, bench.name(), 0x2_0090), 0x2_0012);
}

#[test]
fn a_shared_card_that_is_pulled_is_gone_from_use_too() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    let _card = context.connect(bench.name(), SHARED).unwrap();
    bench.remove();
    assert_eq!(event(&context, bench.name(), 0x120), 0x1_0012);
    assert_eq!(event(&context, bench.name(), 0x1_0010), 0x1_0010);
    bench.insert(Chip::new(1));
    assert_eq!(
        event(&context, bench.name(), 0x1_0010),
        0x2_0122,
        "the connection is still there"
    );
}

#[test]
fn coming_into_use_does_not_end_a_wait_and_going_out_of_use_does() {
    let (context, other, bench) = (Context::new(), Context::new(), Bench::with_card(Chip::new(1)));
    for share in [SHARED, DIRECT, EXCLUSIVE] {
        let waiter = Waiter::start(context.0, INFINITE, &[bench.state(0x20)]);
        let card = other.connect(bench.name(), share).unwrap();
        waiter.assert_goes_on();
        let word = event(&context, bench.name(), 0x20);
        let second = Waiter::start(context.0, INFINITE, &[bench.state(word)]);
        second.assert_goes_on();
        assert_eq!(card.disconnect(LEAVE), Ok(()));
        let (result, state) = second.end_of_one();
        assert_eq!((result, state.event), (Ok(()), 0x22), "{share}");
        waiter.assert_goes_on();
        assert_eq!(cancel(context.0), Ok(()));
        assert_eq!(waiter.end().0, Err(Error::Cancelled));
    }
}

#[test]
fn a_connection_that_goes_with_its_context_ends_a_wait() {
    let (context, bench) = (Context::new(), Bench::with_card(Chip::new(1)));
    for share in [SHARED, EXCLUSIVE] {
        let other = Context::new();
        let _card = other.connect(bench.name(), share).unwrap();
        let word = event(&context, bench.name(), 0x20);
        let waiter = Waiter::start(context.0, INFINITE, &[bench.state(word)]);
        assert_eq!(release(other.0), Ok(()));
        let (result, state) = waiter.end_of_one();
        assert_eq!((result, state.event), (Ok(()), 0x22), "{share}");
    }
}

#[test]
fn a_change_of_the_share_mode_ends_a_wait() {
    let (context, other, bench) = (Context::new(), Context::new(), Bench::with_card(Chip::new(1)));
    let card = other.connect(bench.name(), SHARED).unwrap();
    for (share, known, word) in [
        (EXCLUSIVE, 0x120, 0xA2),
        (SHARED, 0xA0, 0x122),
        (EXCLUSIVE, 0x120, 0xA2),
        (DIRECT, 0xA0, 0x122),
    ] {
        let waiter = Waiter::start(context.0, INFINITE, &[bench.state(known)]);
        assert_eq!(card.reconnect(share, LEAVE), Ok(()));
        let (result, state) = waiter.end_of_one();
        assert_eq!((result, state.event), (Ok(()), word), "to {share}");
    }
}

#[test]
fn a_reset_does_not_end_a_wait() {
    let (context, other, bench) = (Context::new(), Context::new(), Bench::with_card(Chip::new(1)));
    let card = other.connect(bench.name(), SHARED).unwrap();
    let waiter = Waiter::start(context.0, INFINITE, &[bench.state(0x120)]);
    assert_eq!(card.reconnect(SHARED, RESET), Ok(()));
    assert_eq!(card.reconnect(SHARED, UNPOWER), Ok(()));
    waiter.assert_goes_on();
    assert_eq!(card.disconnect(RESET), Ok(()));
    let (result, state) = waiter.end_of_one();
    assert_eq!((result, state.event), (Ok(()), 0x22), "the disconnection does");
}

#[test]
fn a_removal_that_an_exchange_finds_ends_a_wait() {
    use winscard::sim::wire::kind::XFR_BLOCK;
    use winscard::sim::{Config, Fault, Injection, Times};
    for interrupt in [true, false] {
        let (context, other) = (Context::new(), Context::new());
        let bench = Bench::plug_as(Config {
            interrupt,
            ..Config::default()
        });
        bench.insert(Chip::new(1));
        let card = other.connect(bench.name(), SHARED).unwrap();
        let waiter = Waiter::start(context.0, INFINITE, &[bench.state(0x120)]);
        bench.reader.inject(Injection {
            fault: Fault::CardPulled,
            on: Some(XFR_BLOCK),
            times: Times::Count(1),
        });
        assert_eq!(card.transmit(&[0, 0xA4, 0, 0]), Err(Error::NoSmartcard));
        let (result, state) = waiter.end_of_one();
        assert_eq!((result, state.event), (Ok(()), 0x1_0012));
        assert_eq!(card.status(), Err(Error::RemovedCard));
    }
}
