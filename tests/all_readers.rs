//! Every interface of the collection of readers, one after the other: plugged in, connected to, an APDU exchanged at
//! its own level, unplugged. What is no reader is not listed, as documented.
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "tests call the C functions"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "support/calls.rs"]
mod calls;
#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/session.rs"]
mod session;

use std::collections::BTreeMap;

use calls::Context;
use corpus::Row;
use session::{Session, connect, names};
use winscard::api::constants::*;
use winscard::sim::{self, BuiltinCard, Level, Protocols};

/// Class 0xFF interfaces that are not taken for readers: that class says nothing about the protocol, and libccid has
/// these in its list but disabled.
const NOT_READERS: [(u16, u16); 8] = [
    (0x1DB2, 0x0600),
    (0x1DB2, 0x0604),
    (0x076B, 0x5340),
    (0x076B, 0x532A),
    (0x1A74, 0x6356),
    (0x0C4B, 0x0300),
    (0x0C4B, 0x0500),
    (0x04E6, 0x5292),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    NotListed,
    Exchanged,
}

#[test]
fn every_interface_of_the_collection_works_or_is_not_listed_as_documented() {
    let context = Context::new();
    let rows = corpus::rows();
    assert_eq!(rows.len(), 773);
    let mut outcomes: BTreeMap<Outcome, usize> = BTreeMap::new();
    for row in &rows {
        for protocols in [Protocols::T0, Protocols::T1] {
            if row.real_protocols() & bit(protocols) != 0 {
                *outcomes.entry(try_row(&context, row, protocols)).or_default() += 1;
            }
        }
    }
    let total: usize = outcomes.values().sum();
    let expected: usize = rows.iter().map(|row| row.real_protocols().count_ones() as usize).sum();
    assert_eq!(total, expected, "{outcomes:?}");
    assert_eq!(outcomes[&Outcome::NotListed], 19, "{outcomes:?}");
}

fn bit(protocols: Protocols) -> u32 {
    if protocols == Protocols::T0 { 1 } else { 2 }
}

/// Plugs the row's reader in with this card in its first and last slot, and uses it.
fn try_row(context: &Context, row: &Row, protocols: Protocols) -> Outcome {
    let about = format!("{} with {protocols:?}", row.name());
    let before = names(context);
    let reader = sim::plug(row.config()).unwrap();
    let listed: Vec<String> = names(context)
        .into_iter()
        .filter(|name| !before.contains(name))
        .collect();
    if row.class == 0xFF && NOT_READERS.contains(&(row.vendor, row.product)) {
        assert_eq!(listed, Vec::<String>::new(), "{about}");
        reader.unplug();
        return Outcome::NotListed;
    }
    assert_eq!(listed.len(), usize::from(row.slots), "{about}: {listed:?}");
    let last = row.slots - 1;
    let mut outcome = Outcome::Exchanged;
    for slot in [0, last].into_iter().take(if last == 0 { 1 } else { 2 }) {
        drop(reader.insert(slot, BuiltinCard::new(protocols)));
        outcome = use_slot(context, row, &listed[usize::from(slot)], protocols, &about);
    }
    assert_eq!(reader.counters().bus_resets, 0, "{about}");
    reader.unplug();
    assert_eq!(names(context), before, "{about}");
    outcome
}

fn use_slot(context: &Context, row: &Row, name: &str, protocols: Protocols, about: &str) -> Outcome {
    let session = connect(context, name).unwrap_or_else(|code| panic!("{about}: {code:#x}"));
    let expected = if protocols == Protocols::T0 {
        SCARD_PROTOCOL_T0
    } else {
        SCARD_PROTOCOL_T1
    };
    assert_eq!(session.protocol, expected, "{about}");
    let card = Connected {
        session,
        about: about.to_owned(),
    };
    card.exchange(row, protocols);
    card.session.disconnect(SCARD_UNPOWER_CARD);
    Outcome::Exchanged
}

struct Connected {
    session: Session,
    about: String,
}

impl Connected {
    /// Commands of every shape that fits the reader's level, with data that must come back.
    fn exchange(&self, row: &Row, protocols: Protocols) {
        let payload = usize::try_from(row.config().max_message_len).unwrap() - 10;
        let t0_tpdu = protocols == Protocols::T0 && matches!(row.level(), Level::Tpdu | Level::Character);
        let short_len = if t0_tpdu {
            255.min(payload - 5)
        } else if row.level() == Level::ShortApdu && !row.is_token() {
            255.min(payload - 6)
        } else {
            255
        };
        // Case 2.
        let count = u8::try_from(short_len.min(250)).unwrap();
        self.check(&[0x00, 0xB0, 0x81, 0x00, count], &counting(count.into()));
        // Case 3, and no data either way.
        self.check(&[&[0x00, 0x20, 0x00, 0x01, 4][..], b"1234"].concat(), &[]);
        self.check(&[0x80, 0x10, 0x00, 0x00], &[]);
        // Case 4: with T=0 the host fetches the response.
        let data: Vec<u8> = counting(short_len).into_iter().rev().collect();
        let lc = u8::try_from(short_len).unwrap();
        let mut command = [&[0x80, 0x12, 0x00, 0x00, lc][..], &data].concat();
        if t0_tpdu {
            assert_eq!(self.transmit(&command), [0x61, lc], "{}", self.about);
            self.check(&[0x00, 0xC0, 0x00, 0x00, lc], &data);
        } else {
            command.push(0);
            self.check(&command, &data);
        }
        // T=1 has no limit of its own.
        let any_length = protocols == Protocols::T1 && matches!(row.level(), Level::Tpdu | Level::Character);
        if any_length || row.level() == Level::ExtendedApdu {
            let data = counting(700);
            let command = [&[0x80, 0x12, 0x00, 0x00, 0, 0x02, 0xBC][..], &data, &[0, 0]].concat();
            self.check(&command, &data);
        }
    }

    fn check(&self, command: &[u8], data: &[u8]) {
        let response = self.transmit(command);
        let expected = [data, &[0x90, 0x00]].concat();
        assert!(
            response == expected,
            "{}: {command:02X?}\n  gave {response:02X?}\n  not  {expected:02X?}",
            self.about
        );
    }

    fn transmit(&self, command: &[u8]) -> Vec<u8> {
        let response = self.session.transmit(command);
        response.unwrap_or_else(|code| panic!("{}: {command:02X?}: {code:#x}", self.about))
    }
}

fn counting(len: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(len).collect()
}
