//! A reader that leaves the bus under its connections.

use crate::card_bench::*;

#[test]
fn each_call_says_so_in_its_own_way() {
    for exclusive in [false, true] {
        let (bench, context) = (Bench::new(), Context::new());
        let card = if exclusive {
            context.exclusive(&bench)
        } else {
            context.shared(&bench)
        };
        bench.reader.unplug();
        for _ in 0..2 {
            assert_eq!(card.status(), Err(ReaderUnavailable));
            assert_eq!(card.transmit(SELECT), Err(InvalidValue));
            assert_eq!(card.begin(), Err(InvalidValue));
            assert_eq!(card.end(LEAVE), Err(InvalidValue));
            assert_eq!(card.end(RESET), Err(InvalidValue));
            assert_eq!(card.features(), Err(InvalidValue));
            assert_eq!(card.attribute(SCARD_ATTR_ATR_STRING), Err(InvalidValue));
            assert_eq!(card.set_attribute(1, &[1]), Err(InvalidValue));
            assert_eq!(card.reconnect(SHARED, ANY, LEAVE), Err(InvalidValue));
            assert_eq!(card.reconnect(SHARED, ANY, RESET), Err(InvalidValue));
        }
        for share in [SHARED, EXCLUSIVE, DIRECT] {
            assert_eq!(context.connect(&bench.name, share, ANY).map(drop), Err(UnknownReader));
        }
        assert!(!context.readers().contains(&bench.name));
        assert_eq!(card.disconnect(LEAVE), Ok(()));
        assert_eq!(card.disconnect(LEAVE), Err(InvalidHandle));
        assert_eq!(context.release(), Ok(()));
    }
}

/// The same reader under the same name is another one to the handle.
#[test]
fn a_handle_does_not_come_back_with_the_reader() {
    let context = Context::new();
    let first = Bench::named(Config::default(), "REPLUGGED");
    first.insert();
    let name = first.name.clone();
    let card = context.shared(&first);
    card.begin().unwrap();
    first.reader.unplug();
    let second = Bench::named(Config::default(), "REPLUGGED");
    second.insert();
    // Another test may have taken the index in the name; the handle must be dead in either case.
    assert_eq!(
        second.name.trim_end_matches(|c: char| c != ')'),
        name.trim_end_matches(|c: char| c != ')')
    );
    assert_eq!(card.transmit(SELECT), Err(InvalidValue));
    // Of a name that is listed pcsc-lite's server is asked, which no longer knows the handle.
    let status = if second.name == name {
        InvalidValue
    } else {
        ReaderUnavailable
    };
    assert_eq!(card.status(), Err(status));
    assert_eq!(card.reconnect(SHARED, ANY, LEAVE), Err(InvalidValue));
    let (value, name) = (context.value, second.name.clone());
    let next = at_once(move || connect(value, &name, EXCLUSIVE, ANY)).expect("the old transaction is gone with it");
    assert_eq!(next.transmit(SELECT), Ok(OK_SW.into()));
    assert_eq!(card.disconnect(RESET), Ok(()));
    assert_eq!(
        next.transmit(SELECT),
        Ok(OK_SW.into()),
        "the old handle's reset does not reach the new reader"
    );
    assert_eq!(second.power(), (1, 0, 0));
}

#[test]
fn other_readers_go_on() {
    let context = Context::new();
    let (leaving, staying) = (Bench::new(), Bench::new());
    let (gone, here) = (context.shared(&leaving), context.shared(&staying));
    leaving.reader.unplug();
    assert_eq!(gone.transmit(SELECT), Err(InvalidValue));
    assert_eq!(here.transmit(SELECT), Ok(OK_SW.into()));
    assert_eq!(here.status().unwrap().name, staying.name, "its name is what it was");
    assert!(context.readers().contains(&staying.name));
}
