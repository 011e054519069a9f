//! Which protocol and speed: PPS by the host, by the reader, by nobody.

use winscard::api::constants::*;
use winscard::error::Error;
use winscard::sim::config::feature;
use winscard::sim::wire::kind;
use winscard::sim::{Config, Fault, Injection, Level};

use crate::bench::*;

/// The PPS requests among the blocks.
fn requests(bench: &Bench) -> Vec<Vec<u8>> {
    let blocks = bench
        .sent(kind::XFR_BLOCK)
        .into_iter()
        .map(|message| message[3..].to_vec());
    blocks.filter(|block| block.first() == Some(&0xFF)).collect()
}

fn request(pps0: u8, pps1: Option<u8>) -> Vec<u8> {
    let mut bytes = vec![0xFF, pps0];
    bytes.extend(pps1);
    bytes.push(bytes.iter().fold(0, |sum, byte| sum ^ byte));
    bytes
}

fn with(features: u32) -> Config {
    Config {
        features: PLAIN | features,
        ..reader(Level::Tpdu)
    }
}

#[test]
fn host_does_pps_where_the_reader_does_not() {
    let fast = Says {
        ta1: Some(0x96),
        ..BOTH
    };
    for (says, protocols, expected, fi_di) in [
        (fast, SCARD_PROTOCOL_ANY, Some(request(0x11, Some(0x96))), 0x96),
        (fast, SCARD_PROTOCOL_T0, Some(request(0x10, Some(0x96))), 0x96),
        (BOTH, SCARD_PROTOCOL_T1, Some(request(0x01, None)), 0x11),
        (BOTH, SCARD_PROTOCOL_T0, None, 0x11),
        (T1, SCARD_PROTOCOL_ANY, None, 0x11),
        (T0, SCARD_PROTOCOL_ANY, None, 0x11),
    ] {
        let bench = Bench::new(with(feature::AUTO_PARAMETERS), says);
        let link = bench.connect(protocols);
        assert_eq!(requests(&bench), Vec::from_iter(expected), "{says:?}");
        assert_eq!(bench.parameters().expect("SetParameters")[0], fi_di, "{says:?}");
        assert_eq!(
            link.transmit(&[0x00, 0x84, 0, 0, 8]).map(|response| response.len()),
            Ok(10)
        );
    }
}

#[test]
fn reader_that_does_pps_gets_parameters_only() {
    let says = Says {
        ta1: Some(0x96),
        ..BOTH
    };
    let bench = Bench::new(with(feature::AUTO_PPS), says);
    let link = bench.connect(SCARD_PROTOCOL_ANY);
    assert_eq!(link.protocol, SCARD_PROTOCOL_T1);
    assert!(requests(&bench).is_empty());
    assert_eq!(
        bench.sent(kind::SET_PARAMETERS),
        [[1, 0, 0, 0x96, 0x10, 0, 0x05, 0, 32, 0]]
    );
    link.echo(&noise(80));
}

#[test]
fn reader_that_negotiates_gets_neither_and_says_what_it_chose() {
    // Both bits, as some readers declare: 0x40 wins.
    for features in [feature::AUTO_NEGOTIATION, feature::AUTO_NEGOTIATION | feature::AUTO_PPS] {
        for (says, protocol) in [(BOTH, SCARD_PROTOCOL_T0), (T1, SCARD_PROTOCOL_T1)] {
            let bench = Bench::new(with(features), says);
            let link = bench.connect(SCARD_PROTOCOL_ANY);
            assert_eq!(link.protocol, protocol, "the reader's choice, not ours");
            assert!(requests(&bench).is_empty());
            let counters = bench.reader.counters();
            // Where the card offers one protocol there is nothing to ask.
            let asked = u64::from(protocol == SCARD_PROTOCOL_T0);
            assert_eq!((counters.set_parameters, counters.get_parameters), (0, asked));
            assert_eq!(
                link.transmit(&[0x00, 0x84, 0, 0, 8]).map(|response| response.len()),
                Ok(10)
            );
        }
        let bench = Bench::new(with(features), BOTH);
        let error = bench.try_connect(SCARD_PROTOCOL_T1).err();
        assert_eq!(
            error,
            Some(Error::ProtoMismatch.to_long()),
            "blocks would not be understood"
        );
    }
}

#[test]
fn apdu_readers_get_no_blocks_and_no_pps() {
    for level in [Level::ShortApdu, Level::ExtendedApdu] {
        for features in [0, feature::AUTO_PPS, feature::AUTO_NEGOTIATION] {
            let config = Config {
                level,
                ..with(features)
            };
            let says = Says { ta1: Some(0x96), ..T1 };
            let bench = Bench::new(config, says);
            let link = bench.connect(SCARD_PROTOCOL_ANY);
            link.echo(&noise(100));
            assert_eq!(bench.reader.counters().xfr_blocks, 1);
        }
    }
}

#[test]
fn speed_is_stepped_down_to_what_the_reader_has() {
    for (max, table, ta1, fi_di) in [
        (344_086, vec![], 0x97, 0x96),
        (130_000, vec![], 0x97, 0x95),
        (115_200, vec![], 0x18, 0x14),
        (344_086, vec![10_752, 125_001], 0x96, 0x95),
        (344_086, vec![10_752, 9_600], 0x96, 0x11),
        (9_600, vec![], 0x96, 0x11),
    ] {
        let config = Config {
            max_data_rate_bps: max,
            data_rates_bps: table,
            ..with(0)
        };
        let says = Says { ta1: Some(ta1), ..T1 };
        let bench = Bench::new(config, says);
        let link = bench.connect(SCARD_PROTOCOL_T1);
        assert_eq!(
            bench.parameters().expect("SetParameters")[0],
            fi_di,
            "{ta1:02X} at {max}"
        );
        link.echo(&noise(50));
    }
}

#[test]
fn a_failed_pps_is_followed_by_a_reset_and_the_cards_own_speed() {
    for fault in [
        Fault::Fail(0xFE),
        Fault::Garble(0),
        Fault::Garble(1),
        Fault::FailAfter(0xFD),
    ] {
        let says = Says { ta1: Some(0x96), ..T1 };
        let bench = Bench::new(with(0), says);
        bench.reader.inject(Injection::on(kind::XFR_BLOCK, fault.clone()));
        let link = bench.connect(SCARD_PROTOCOL_T1);
        assert_eq!(requests(&bench).len(), 1);
        assert_eq!(bench.parameters().expect("SetParameters")[0], 0x11);
        assert_eq!(bench.reader.counters().cold_power_ons, 2, "{fault:?}");
        link.echo(&noise(50));
    }
}

#[test]
fn a_failed_change_of_protocol_leaves_the_cards_own() {
    let bench = Bench::new(with(0), BOTH);
    bench.reader.inject(Injection::on(kind::XFR_BLOCK, Fault::Fail(0xFE)));
    let link = bench.connect(SCARD_PROTOCOL_ANY);
    assert_eq!(link.protocol, SCARD_PROTOCOL_T0);
    assert_eq!(
        link.transmit(&[0x00, 0x84, 0, 0, 8]).map(|response| response.len()),
        Ok(10)
    );
    let bench = Bench::new(with(0), BOTH);
    bench.reader.inject(Injection::on(kind::XFR_BLOCK, Fault::Fail(0xFE)));
    let error = bench.try_connect(SCARD_PROTOCOL_T1).err();
    assert_eq!(error, Some(Error::UnresponsiveCard.to_long()));
    // The card was reset, and the next attempt is not held back by the last.
    bench.connect(SCARD_PROTOCOL_T1).echo(&noise(5));
}

#[test]
fn parameters_refused_at_speed_are_tried_again_without() {
    let says = Says { ta1: Some(0x96), ..T1 };
    let bench = Bench::new(with(feature::AUTO_PPS), says);
    bench
        .reader
        .inject(Injection::on(kind::SET_PARAMETERS, Fault::Fail(0xFE)));
    let link = bench.connect(SCARD_PROTOCOL_T1);
    let speeds: Vec<u8> = bench
        .sent(kind::SET_PARAMETERS)
        .iter()
        .map(|message| message[3])
        .collect();
    assert_eq!(speeds, [0x96, 0x11]);
    link.echo(&noise(50));
}

#[test]
fn specific_mode_is_taken_as_it_is() {
    let says = Says {
        ta1: Some(0x95),
        ta2: Some(0x81),
        ..T1
    };
    let bench = Bench::new(with(0), says);
    let link = bench.connect(SCARD_PROTOCOL_ANY);
    assert!(requests(&bench).is_empty());
    assert_eq!(bench.parameters().expect("SetParameters")[0], 0x95);
    link.echo(&noise(50));
}

#[test]
fn specific_mode_at_a_speed_out_of_reach_is_left_by_a_warm_reset() {
    let specific = Says {
        ta1: Some(0x96),
        ta2: Some(0x01),
        ..T1
    };
    let negotiable = Says { ta2: None, ..specific };
    let config = Config {
        data_rates_bps: vec![10_752, 125_000],
        ..with(0)
    };
    let bench = Bench::with_atrs(config.clone(), specific.atr(), negotiable.atr());
    let link = bench.connect(SCARD_PROTOCOL_ANY);
    assert_eq!(requests(&bench), [request(0x11, Some(0x95))]);
    link.echo(&noise(50));
    // A card that cannot leave it has no speed in common with this reader.
    let fixed = Says {
        ta2: Some(0x81),
        ..specific
    };
    let bench = Bench::new(config, fixed);
    let error = bench.try_connect(SCARD_PROTOCOL_ANY).err();
    assert_eq!(error, Some(Error::UnresponsiveCard.to_long()));
}

#[test]
fn reader_without_set_parameters_leaves_the_cards_own_protocol() {
    let bench = Bench::new(with(feature::AUTO_PPS), BOTH);
    bench
        .reader
        .inject(Injection::on(kind::SET_PARAMETERS, Fault::Fail(0x00)).always());
    let link = bench.connect(SCARD_PROTOCOL_ANY);
    assert_eq!(link.protocol, SCARD_PROTOCOL_T0);
    assert_eq!(
        link.transmit(&[0x00, 0x84, 0, 0, 8]).map(|response| response.len()),
        Ok(10)
    );
}

#[test]
fn au9540_works_without_parameters_and_at_the_rates_that_work() {
    let config = Config {
        vendor_id: 0x058F,
        product_id: 0x9540,
        ..with(feature::AUTO_PPS)
    };
    let says = Says { ta1: Some(0x96), ..T1 };
    let bench = Bench::new(config, says);
    bench
        .reader
        .inject(Injection::on(kind::SET_PARAMETERS, Fault::Fail(0x81)));
    let link = bench.connect(SCARD_PROTOCOL_ANY);
    assert_eq!(
        bench.parameters().expect("SetParameters")[0],
        0x95,
        "200000 bps at most"
    );
    assert_eq!(bench.reader.counters().warm_resets, 2);
    link.echo(&noise(50));
}

#[test]
fn oz776_gets_neither_pps_nor_another_protocol() {
    let config = Config {
        vendor_id: 0x0B97,
        product_id: 0x7762,
        ..with(0)
    };
    let says = Says {
        ta1: Some(0x96),
        ..BOTH
    };
    let bench = Bench::new(config, says);
    let link = bench.connect(SCARD_PROTOCOL_ANY);
    assert_eq!(link.protocol, SCARD_PROTOCOL_T0);
    assert!(requests(&bench).is_empty());
    assert_eq!(
        link.transmit(&[0x00, 0x84, 0, 0, 8]).map(|response| response.len()),
        Ok(10)
    );
}

#[test]
fn data_rates_are_asked_for_once_and_only_if_there_are_any() {
    // A reader that claims a table and stalls the request is one without.
    let mut descriptor = winscard::sim::descriptor::class_descriptor(&with(0));
    descriptor[27] = 5;
    let config = Config {
        class_descriptor: Some(descriptor),
        ..with(0)
    };
    let says = Says { ta1: Some(0x96), ..T1 };
    let bench = Bench::new(config, says);
    let link = bench.connect(SCARD_PROTOCOL_T1);
    assert_eq!(bench.parameters().expect("SetParameters")[0], 0x96);
    link.echo(&noise(50));
}
