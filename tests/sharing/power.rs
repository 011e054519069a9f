//! When a card is powered up, and that one left alone for five seconds does not remember anything.

use std::thread::{self, sleep};
use std::time::Duration;

use crate::card_bench::*;

/// Longer than a card nobody uses stays powered.
const ALONE: Duration = Duration::from_millis(5300);

#[test]
fn the_first_connection_powers_up_and_later_ones_do_not() {
    let (bench, context) = (Bench::new(), Context::new());
    drop(context.direct(&bench));
    assert_eq!(bench.power(), (0, 0, 0), "not for DIRECT");
    for _ in 0..5 {
        drop(context.shared(&bench));
        drop(context.direct(&bench));
        drop(context.exclusive(&bench));
    }
    assert_eq!(bench.power(), (1, 0, 0));
    assert_eq!(bench.reader.counters().set_parameters, 1, "one negotiation");
}

/// A card that is active although this library has not powered it up is not trusted.
#[test]
fn a_card_activated_by_the_reader_is_reset_before_its_first_use() {
    let features = Config::default().features | winscard::sim::config::feature::AUTO_ACTIVATION;
    let bench = Bench::with(
        Config {
            features,
            ..Config::default()
        },
        BuiltinCard::default(),
    );
    let card = Context::new().connect(&bench.name, SHARED, ANY).map(|card| card.active);
    assert_eq!(card, Ok(T1));
    assert_eq!(bench.power(), (1, 0, 1));
}

/// One sleep for all the cases.
#[test]
fn a_card_left_alone_gets_a_cold_reset_at_the_next_connect_and_no_other_does() {
    let cases: [fn(); 7] = [
        left_alone,
        left_alone_and_connected_directly,
        left_alone_and_then_mute,
        in_use,
        in_use_by_a_released_context,
        soon_again,
        unpowered,
    ];
    let threads: Vec<_> = cases.into_iter().map(thread::spawn).collect();
    let failures = threads.into_iter().filter_map(|thread| thread.join().err()).count();
    assert_eq!(failures, 0, "see above");
}

/// A bench whose card has verified the PIN on a connection.
fn verified() -> (Bench, Context, Card) {
    let (bench, context) = (Bench::new(), Context::new());
    let card = context.shared(&bench);
    assert_eq!(card.transmit(VERIFY), Ok(OK_SW.into()));
    (bench, context, card)
}

fn left_alone() {
    let (bench, context, card) = verified();
    card.disconnect(LEAVE).unwrap();
    sleep(ALONE);
    let next = context.shared(&bench);
    assert_eq!(bench.power(), (2, 0, 1), "off and on");
    assert_eq!(next.active, T1);
    assert_eq!(next.status().unwrap().state, STATE_POWERED, "not counted as a removal");
    assert_eq!(next.transmit(IS_VERIFIED), Ok(vec![0x63, 0xC3]));
}

/// State and ATR stay what they were for whoever looks; the protocol is open.
fn left_alone_and_connected_directly() {
    let (bench, context, card) = verified();
    let before = card.status().unwrap();
    card.disconnect(LEAVE).unwrap();
    sleep(ALONE);
    let direct = context.direct(&bench);
    let status = direct.status().unwrap();
    assert_eq!((status.state, status.atr), (STATE_POWERED, before.atr));
    assert_eq!((direct.active, status.protocol), (0, 0));
    assert_eq!(bench.power(), (1, 0, 1), "DIRECT powers nothing up");
    assert_eq!(direct.reconnect(SHARED, ANY, LEAVE), Ok(T1), "and reconnecting does");
    assert_eq!(direct.transmit(IS_VERIFIED), Ok(vec![0x63, 0xC3]));
}

/// The reference answers SCARD_E_PROTO_MISMATCH from then on.
fn left_alone_and_then_mute() {
    let (bench, context, card) = verified();
    card.disconnect(LEAVE).unwrap();
    sleep(ALONE);
    bench.reader.inject(Injection {
        fault: Fault::Fail(0xFE),
        on: Some(kind::ICC_POWER_ON),
        times: Times::Always,
    });
    assert_eq!(context.connect(&bench.name, SHARED, ANY).map(drop), Err(UnpoweredCard));
    bench.reader.clear_faults();
    assert_eq!(context.shared(&bench).active, T1);
}

fn in_use() {
    let (bench, context, card) = verified();
    sleep(ALONE);
    let other = context.shared(&bench);
    assert_eq!(other.transmit(IS_VERIFIED), Ok(OK_SW.into()));
    assert_eq!(card.transmit(IS_VERIFIED), Ok(OK_SW.into()));
    assert_eq!(bench.power(), (1, 0, 0));
    // Five seconds count from the last disconnection, not from the last exchange.
    drop((other, card));
    assert_eq!(context.shared(&bench).transmit(IS_VERIFIED), Ok(OK_SW.into()));
}

fn in_use_by_a_released_context() {
    let (bench, context, card) = verified();
    let other = Context::new();
    let _stays = other.shared(&bench);
    context.release().unwrap();
    assert_eq!(card.status(), Err(InvalidHandle));
    sleep(ALONE);
    assert_eq!(other.shared(&bench).transmit(IS_VERIFIED), Ok(OK_SW.into()));
}

fn soon_again() {
    let (bench, context, card) = verified();
    let mut card = card;
    for _ in 0..3 {
        sleep(Duration::from_millis(1500));
        card.disconnect(LEAVE).unwrap();
        card = context.shared(&bench);
    }
    sleep(Duration::from_millis(1500));
    assert_eq!(card.transmit(IS_VERIFIED), Ok(OK_SW.into()));
    assert_eq!(bench.power(), (1, 0, 0));
}

fn unpowered() {
    let (bench, context, card) = verified();
    card.disconnect(UNPOWER).unwrap();
    sleep(ALONE);
    let direct = context.direct(&bench);
    assert_eq!(direct.status().unwrap().state, SCARD_PRESENT);
    assert_eq!(bench.power(), (1, 0, 1), "off is off");
}
