//! XfrBlock at every exchange level.

use super::host::Host;
use crate::sim::config::feature;
use crate::sim::wire::{error, kind};
use crate::sim::{BuiltinCard, Config, Level, Protocols};

const SELECT_AID: [u8; 14] = *b"\x00\xA4\x04\x00\x08\xA0\x00\x00\x00\x01WIN\x00";

/// No feature that would make the reader negotiate for the host.
const HOST_PPS: u32 = feature::AUTO_VOLTAGE;

fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |a, b| a ^ b)
}

fn block(pcb: u8, inf: &[u8]) -> Vec<u8> {
    let mut block = vec![0, pcb, u8::try_from(inf.len()).unwrap()];
    block.extend(inf);
    block.push(xor(&block));
    block
}

#[test]
fn exchange_needs_power() {
    for level in [Level::Character, Level::Tpdu, Level::ShortApdu, Level::ExtendedApdu] {
        let mut host = Host::new(Config::at_level(level));
        assert_eq!(host.xfr(0, &[0, 0x84, 0, 0, 8]).failure(), error::ICC_MUTE);
        host.device.insert(0, Box::new(BuiltinCard::default()));
        let answer = host.xfr(0, &[0, 0x84, 0, 0, 8]);
        assert_eq!((answer.failure(), answer.icc), (error::ICC_MUTE, 1));
    }
}

#[test]
fn short_apdu_level_takes_whole_short_apdus_only() {
    let mut host = Host::at(Level::ShortApdu);
    assert_eq!(host.xfr(0, &SELECT_AID).good().len(), 17);
    let full = host.xfr(0, &[0x80, 0x12, 0x01, 0x00, 0x00]);
    assert_eq!((full.specific, full.good().len()), (0, 258));
    for level in [1, 2, 3, 0x10, 0x100] {
        assert_eq!(
            host.xfr(level, &[0, 0x84, 0, 0, 8]).failure(),
            error::BAD_LEVEL_PARAMETER
        );
    }
    assert_eq!(host.xfr(0, &[0, 0x84, 0]).failure(), error::BAD_LENGTH);
    let mut big = Host::powered(
        Config {
            max_message_len: 1000,
            ..Config::at_level(Level::ShortApdu)
        },
        BuiltinCard::default(),
    );
    assert_eq!(big.xfr(0, &[0; 262]).failure(), error::BAD_LENGTH);
}

#[test]
fn extended_level_chains_command_and_answer() {
    let mut host = Host::at(Level::ExtendedApdu);
    let payload: Vec<u8> = (0..1000_u16).map(|n| n.to_le_bytes()[0]).collect();
    let apdu = [&[0x80, 0x12, 0, 0, 0, 0x03, 0xE8][..], &payload, &[0, 0]].concat();
    let parts: Vec<&[u8]> = apdu.chunks(261).collect();
    let mut answer = None;
    for (at, part) in parts.iter().enumerate() {
        let level = if at == 0 {
            1
        } else if at + 1 == parts.len() {
            2
        } else {
            3
        };
        let reply = host.xfr(level, part);
        if level == 2 {
            answer = Some(reply);
        } else {
            assert_eq!((reply.specific, reply.good()), (0x10, vec![]));
        }
    }
    let mut reply = answer.unwrap();
    let mut chain = vec![reply.specific];
    let mut data = reply.data.clone();
    while matches!(reply.specific, 1 | 3) {
        reply = host.xfr(0x10, &[]);
        chain.push(reply.specific);
        data.extend(&reply.data);
    }
    assert_eq!(chain, [1, 3, 3, 2]);
    assert_eq!(data, [&payload[..], &[0x90, 0x00]].concat());
    assert_eq!(
        host.xfr(0x10, &[]).failure(),
        error::BAD_LEVEL_PARAMETER,
        "nothing is left"
    );
}

#[test]
fn a_chain_must_begin_and_may_be_given_up() {
    let mut host = Host::at(Level::ExtendedApdu);
    for level in [2, 3, 0x10, 4, 0x0101] {
        assert_eq!(
            host.xfr(level, &[0, 0x84, 0, 0, 8]).failure(),
            error::BAD_LEVEL_PARAMETER,
            "{level:#x}"
        );
    }
    assert_eq!(host.xfr(1, &[0x80, 0x12]).specific, 0x10);
    assert_eq!(host.xfr(0, &[0, 0x84, 0, 0, 8]).good().len(), 10);
    assert_eq!(
        host.xfr(2, &[0, 1]).failure(),
        error::BAD_LEVEL_PARAMETER,
        "the chain was given up"
    );
}

#[test]
fn tpdu_level_t0_leaves_get_response_to_the_host() {
    let mut host = Host::at(Level::Tpdu);
    assert_eq!(host.xfr(0, &SELECT_AID[..13]).good(), [0x61, 15]);
    assert_eq!(host.xfr(0, &[0, 0xC0, 0, 0, 15]).good().len(), 17);
    assert_eq!(
        host.xfr(0, &SELECT_AID).failure(),
        error::BAD_LENGTH,
        "case 4 is no TPDU"
    );
    assert_eq!(host.xfr(0, &[0, 0x20, 0, 1]).good(), [0x63, 0xC3], "case 1");
    assert_eq!(host.xfr(1, &[0, 0x84, 0, 0, 8]).failure(), error::BAD_LEVEL_PARAMETER);
}

#[test]
fn tpdu_level_t1_passes_blocks() {
    let mut host = Host::at(Level::Tpdu);
    host.ask(kind::SET_PARAMETERS, [1, 0, 0], &[0x11, 0x10, 0, 0x45, 0, 254, 0])
        .good();
    assert_eq!(host.xfr(0, &block(0xC1, &[254])).good(), block(0xE1, &[254]));
    let answer = host.xfr(0, &block(0x00, &SELECT_AID)).good();
    assert_eq!((answer[1], answer.len()), (0x00, 4 + 17));
    assert_eq!(xor(&answer), 0);
}

#[test]
fn without_automatic_pps_the_host_makes_it() {
    let config = Config {
        features: HOST_PPS,
        ..Config::at_level(Level::Tpdu)
    };
    let mut host = Host::powered(config.clone(), BuiltinCard::default());
    assert_eq!(host.xfr(0, &[0xFF, 0x01, 0xFE]).good(), [0xFF, 0x01, 0xFE]);
    host.ask(kind::SET_PARAMETERS, [1, 0, 0], &[0x11, 0x10, 0, 0x45, 0, 254, 0])
        .good();
    host.xfr(0, &block(0x00, &SELECT_AID)).good();

    let mut host = Host::powered(config.clone(), BuiltinCard::default());
    host.ask(kind::SET_PARAMETERS, [1, 0, 0], &[0x11, 0x10, 0, 0x45, 0, 254, 0])
        .good();
    assert_eq!(
        host.xfr(0, &block(0x00, &SELECT_AID)).failure(),
        error::ICC_MUTE,
        "the card still speaks T=0"
    );

    let mut host = Host::powered(config, BuiltinCard::new(Protocols::T0));
    host.xfr(0, &[0, 0x84, 0, 0, 8]).good();
    assert_ne!(
        host.xfr(0, &[0xFF, 0x00, 0xFF, 0x00]).good(),
        [0xFF, 0x00, 0xFF, 0x00],
        "too late for PPS"
    );
}

#[test]
fn pps_answers_without_pps1_to_a_speed_never_offered() {
    let config = Config {
        features: HOST_PPS,
        ..Config::at_level(Level::Tpdu)
    };
    let mut host = Host::powered(config, BuiltinCard::default());
    assert_eq!(host.xfr(0, &[0xFF, 0x11, 0x96, 0x78]).good(), [0xFF, 0x01, 0xFE]);
}

#[test]
fn character_level_t0_gives_procedure_bytes() {
    let mut host = Host::at(Level::Character);
    assert_eq!(host.xfr(1, &SELECT_AID[..5]).good(), [0xA4]);
    assert_eq!(host.xfr(2, &SELECT_AID[5..13]).good(), [0x61, 15]);
    assert_eq!(host.xfr(1, &[0, 0xC0, 0, 0, 15]).good(), [0xC0]);
    assert_eq!(host.xfr(17, &[]).good().len(), 17);
    assert_eq!(host.xfr(1, &[0, 0x20, 0, 1, 0]).good(), [0x63]);
    assert_eq!(host.xfr(1, &[]).good(), [0xC3]);
    assert_eq!(
        host.xfr(1, &[]).failure(),
        error::ICC_MUTE,
        "the card has nothing more to say"
    );
}

#[test]
fn character_level_t1_gives_blocks_in_pieces() {
    let mut host = Host::powered(Config::at_level(Level::Character), BuiltinCard::new(Protocols::T1));
    assert_eq!(host.xfr(3, &block(0x00, &[0, 0x84, 0, 0, 4])).good(), [0, 0, 6]);
    let rest = host.xfr(7, &[]).good();
    assert_eq!((rest.len(), &rest[4..6]), (7, &[0x90, 0x00][..]));
}

#[test]
fn answers_of_whole_packets_end_with_a_zero_length_packet() {
    for data_len in [52_u8, 53, 116, 180, 244] {
        let mut host = Host::at(Level::ExtendedApdu);
        // 10 bytes header, data, two bytes status: with 52 exactly one packet of 64.
        let answer = host.xfr(0, &[0x80, 0x12, 0, data_len, data_len]).good();
        assert_eq!(answer.len(), usize::from(data_len) + 2);
        host.transfer().expect_err("nothing is left on the pipe");
    }
}

#[test]
fn packets_may_be_8_or_512_bytes_long() {
    for max_packet_len in [8, 16, 32, 512] {
        let mut host = Host::powered(
            Config {
                max_packet_len,
                ..Config::default()
            },
            BuiltinCard::default(),
        );
        for len in 1..=200 {
            assert_eq!(host.xfr(0, &[0, 0x84, 0, 0, len]).good().len(), usize::from(len) + 2);
        }
    }
}
