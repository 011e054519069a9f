//! What a connection is told of resets and removals, by which calls, and until when.

use crate::card_bench::*;

/// What each call says on a handle that has something to acknowledge.
fn assert_told(card: Handle, event: Error) {
    assert_eq!(card.status(), Err(event));
    assert_eq!(card.transmit(SELECT), Err(event));
    assert_eq!(card.begin(), Err(event));
    assert_eq!(card.end(LEAVE), Err(event));
    assert_eq!(card.end(RESET), Err(event));
    assert_eq!(card.attribute(SCARD_ATTR_ATR_STRING), Err(event));
    assert_eq!(card.set_attribute(SCARD_ATTR_ATR_STRING, &[1]), Err(event));
    assert!(card.features().is_ok(), "SCardControl does not mind");
}

#[test]
fn every_call_but_control_reports_a_reset_until_it_is_acknowledged() {
    let (bench, context) = (Bench::new(), Context::new());
    let (cause, told) = (context.shared(&bench), context.shared(&bench));
    cause.disconnect(RESET).unwrap();
    assert_told(told.handle, ResetCard);
    assert_told(told.handle, ResetCard);
    assert_eq!(bench.power(), (1, 1, 0), "SCardEndTransaction(RESET) reset nothing");
    assert_eq!(told.reconnect(SHARED, ANY, LEAVE), Ok(T1));
    assert_eq!(told.transmit(SELECT), Ok(OK_SW.into()));
    assert_eq!(bench.power(), (1, 1, 0));
}

#[test]
fn every_call_but_control_reports_a_removal_also_when_another_card_is_in() {
    let (bench, context) = (Bench::new(), Context::new());
    let told = context.shared(&bench);
    bench.remove();
    assert_told(told.handle, RemovedCard);
    bench.insert();
    assert_told(told.handle, RemovedCard);
    assert_eq!(told.reconnect(SHARED, ANY, LEAVE), Ok(T1));
    assert_eq!(told.transmit(SELECT), Ok(OK_SW.into()));
}

/// A removal and insertion between two calls, of which no call saw the empty slot.
#[test]
fn a_swap_that_nobody_saw_is_a_removal() {
    for interrupt in [true, false] {
        let config = Config {
            interrupt,
            ..Config::default()
        };
        let (bench, context) = (Bench::with(config, BuiltinCard::default()), Context::new());
        let told = context.shared(&bench);
        assert_eq!(told.transmit(VERIFY), Ok(OK_SW.into()));
        bench.remove();
        bench.insert();
        // A reader that cannot tell is asked every 400 ms.
        let pause = if interrupt { 0 } else { 450 };
        std::thread::sleep(std::time::Duration::from_millis(pause));
        assert_eq!(
            told.transmit(SELECT),
            Err(RemovedCard),
            "interrupt endpoint: {interrupt}"
        );
        let status = context.shared(&bench).status().unwrap();
        assert_eq!(status.state, STATE_POWERED | 2 << 16, "counted as two moves");
    }
}

/// Without interrupt endpoint, and before the reader is asked again: the exchange itself finds an unpowered card.
#[test]
fn a_swap_found_by_the_exchange_is_reported_by_the_next_call() {
    let config = Config {
        interrupt: false,
        ..Config::default()
    };
    let (bench, context) = (Bench::with(config, BuiltinCard::default()), Context::new());
    let card = context.shared(&bench);
    bench.remove();
    bench.insert();
    let first = card.transmit(SELECT).unwrap_err();
    assert!(matches!(first, NotTransacted | NoSmartcard | RemovedCard), "{first:?}");
    assert_eq!(card.transmit(SELECT), Err(RemovedCard));
}

#[test]
fn the_newest_event_is_the_one_told() {
    let (bench, context) = (Bench::new(), Context::new());
    let (told, cause) = (context.shared(&bench), context.shared(&bench));
    cause.disconnect(RESET).unwrap();
    assert_eq!(told.status(), Err(ResetCard));
    bench.remove();
    assert_eq!(told.status(), Err(RemovedCard), "reset, then removed");
    bench.insert();
    let cause = context.shared(&bench);
    assert_eq!(told.status(), Err(RemovedCard));
    cause.disconnect(RESET).unwrap();
    assert_eq!(told.status(), Err(ResetCard), "removed, then reset");
    told.acknowledge();
    assert!(told.status().is_ok());
}

#[test]
fn only_what_came_after_the_connection_is_told() {
    let (bench, context) = (Bench::new(), Context::new());
    context.shared(&bench).disconnect(RESET).unwrap();
    bench.remove();
    bench.insert();
    assert_eq!(context.shared(&bench).transmit(SELECT), Ok(OK_SW.into()));
}

#[test]
fn one_acknowledgement_is_not_anothers() {
    let (bench, context) = (Bench::new(), Context::new());
    let (a, b, cause) = (context.shared(&bench), context.direct(&bench), context.shared(&bench));
    cause.disconnect(RESET).unwrap();
    a.acknowledge();
    assert_eq!(a.transmit(SELECT), Ok(OK_SW.into()));
    assert_eq!(b.status(), Err(ResetCard));
    b.acknowledge();
    assert!(b.status().is_ok());
}

/// Insertions and removals stand in the upper half of the state; resets do not, and the card at the start does not.
#[test]
fn the_state_word_counts_moves() {
    let (bench, context) = (Bench::new(), Context::new());
    let card = context.shared(&bench);
    assert_eq!(card.status().unwrap().state, STATE_POWERED);
    context.shared(&bench).disconnect(RESET).unwrap();
    card.acknowledge();
    assert_eq!(card.status().unwrap().state, STATE_POWERED);
    for round in 1..=3 {
        bench.remove();
        assert_eq!(card.status(), Err(RemovedCard));
        let empty = context.direct(&bench).status().unwrap();
        assert_eq!(empty.state, SCARD_ABSENT | (2 * round - 1) << 16);
        bench.insert();
        card.acknowledge();
        assert_eq!(card.status().unwrap().state, STATE_POWERED | (2 * round) << 16);
    }
}

#[test]
fn a_direct_connection_to_an_empty_reader_is_not_told_of_an_insertion() {
    let (bench, context) = (Bench::empty(Config::default()), Context::new());
    let direct = context.direct(&bench);
    bench.insert();
    let status = direct.status().unwrap();
    assert_eq!(status.state >> 16, 1);
    assert_ne!(status.state & SCARD_PRESENT, 0);
    bench.remove();
    assert_eq!(direct.status(), Err(RemovedCard));
}
