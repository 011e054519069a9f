//! T=1 at TPDU level.

use winscard::api::constants::*;
use winscard::sim::config::feature;
use winscard::sim::wire::kind;
use winscard::sim::{Config, Fault, Injection, Level};

use crate::bench::*;

/// Lengths around everything that could be a boundary.
const LENGTHS: [usize; 14] = [1, 2, 15, 16, 17, 31, 32, 33, 253, 254, 255, 256, 257, 4000];

#[test]
fn every_length_goes_both_ways_whatever_check_code_and_ifsc() {
    for crc in [false, true] {
        for ifsc in [16, 32, 100, 254] {
            let bench = Bench::new(reader(Level::Tpdu), Says { crc, ifsc, ..T1 });
            let link = bench.connect(SCARD_PROTOCOL_ANY);
            assert_eq!(link.protocol, SCARD_PROTOCOL_T1);
            for len in LENGTHS {
                link.echo(&noise(len));
            }
            assert_eq!(bench.reader.counters().warm_resets, 0);
        }
    }
}

#[test]
fn the_longest_apdus_go_through_the_smallest_blocks() {
    for (ifsc, crc) in [(16, true), (254, false)] {
        let bench = Bench::new(reader(Level::Tpdu), Says { ifsc, crc, ..T1 });
        bench.connect(SCARD_PROTOCOL_T1).echo(&noise(65_535));
    }
}

#[test]
fn blocks_fit_the_readers_messages_and_the_card_is_told_so() {
    let config = Config {
        max_message_len: 64,
        max_ifsd: 254,
        ..reader(Level::Tpdu)
    };
    let bench = Bench::new(config, Says { ifsc: 254, ..T1 });
    let link = bench.connect(SCARD_PROTOCOL_T1);
    // 54 bytes of block less prologue and LRC.
    assert_eq!(bench.sent(kind::XFR_BLOCK)[0][3..], [0x00, 0xC1, 1, 50, 0xC1 ^ 1 ^ 50]);
    link.echo(&noise(300));
    let longest = bench
        .sent(kind::XFR_BLOCK)
        .iter()
        .map(|message| message.len() - 3)
        .max();
    assert_eq!(longest, Some(54));
}

#[test]
fn ifsd_is_told_by_the_host_unless_the_reader_does() {
    let bench = Bench::new(reader(Level::Tpdu), T1);
    bench.connect(SCARD_PROTOCOL_T1).echo(&noise(10));
    assert_eq!(bench.pcbs(), [0xC1, 0x00]);
    let config = Config {
        features: PLAIN | feature::AUTO_IFSD,
        ..reader(Level::Tpdu)
    };
    let bench = Bench::new(config, T1);
    bench.connect(SCARD_PROTOCOL_T1).echo(&noise(10));
    assert_eq!(bench.pcbs(), [0x00]);
}

#[test]
fn a_card_that_will_not_hear_of_ifsd_works_at_32() {
    let bench = Bench::new(reader(Level::Tpdu), T1);
    bench
        .reader
        .inject(Injection::on(kind::XFR_BLOCK, Fault::Fail(0xFE)).times(3));
    let link = bench.connect(SCARD_PROTOCOL_T1);
    link.echo(&noise(100));
    link.echo(&noise(5));
    assert_eq!(bench.pcbs().iter().filter(|pcb| **pcb == 0xC1).count(), 3);
    assert_eq!(bench.reader.counters().cold_power_ons, 1);
}

#[test]
fn waiting_time_extension_is_passed_on_to_the_reader_for_one_block() {
    let bench = Bench::new(reader(Level::Tpdu), T1);
    let link = bench.connect(SCARD_PROTOCOL_T1);
    // 200 ms: more than the 89 ms of BWI 0 on 4 MHz.
    assert_eq!(link.transmit(&[0x80, 0x10, 0x00, 200]), Ok(vec![0x90, 0x00]));
    link.echo(&noise(40));
    let block_waiting: Vec<(u8, u8)> = bench.sent(kind::XFR_BLOCK).iter().map(|m| (m[0], m[4])).collect();
    assert_eq!(block_waiting, [(0, 0xC1), (0, 0x00), (4, 0xE3), (0, 0x60), (0, 0x00)]);
}

#[test]
fn sequence_numbers_survive_other_handles_and_contexts() {
    let bench = Bench::new(reader(Level::Tpdu), T1);
    let first = bench.connect(SCARD_PROTOCOL_T1);
    first.echo(&noise(1));
    let second = first.another();
    second.echo(&noise(2));
    second.echo(&noise(33));
    first.echo(&noise(3));
    drop(second);
    first.echo(&noise(4));
    drop(first);
    bench.connect(SCARD_PROTOCOL_T1).echo(&noise(5));
    // Alternating, with two blocks where one command needs two, and nothing that asks for anything again.
    let expected = [0xC1, 0x00, 0x40, 0x20, 0x40, 0x00, 0x40, 0x00];
    assert_eq!(bench.pcbs(), expected);
    let counters = bench.reader.counters();
    assert_eq!((counters.cold_power_ons, counters.warm_resets), (1, 0));
}

#[test]
fn a_reset_starts_the_protocol_anew() {
    for how in [SCARD_RESET_CARD, SCARD_UNPOWER_CARD] {
        let bench = Bench::new(reader(Level::Tpdu), T1);
        let mut link = bench.connect(SCARD_PROTOCOL_T1);
        link.echo(&noise(1));
        assert_eq!(link.reconnect(how), SCARD_S_SUCCESS);
        link.echo(&noise(2));
        assert_eq!(bench.pcbs(), [0xC1, 0x00, 0xC1, 0x00]);
    }
}

#[test]
fn a_response_too_long_for_its_buffer_does_not_harm_the_next() {
    use std::ptr::null_mut;
    use winscard::api::io::SCardTransmit;
    use winscard::api::pci::g_rgSCardT1Pci;
    let bench = Bench::new(reader(Level::Tpdu), T1);
    let link = bench.connect(SCARD_PROTOCOL_T1);
    let command = echo(&noise(600));
    let mut response = [0_u8; 20];
    let mut length = 20;
    let result = unsafe {
        SCardTransmit(
            link.handle(),
            &raw const g_rgSCardT1Pci,
            command.as_ptr(),
            command.len().try_into().expect("length"),
            null_mut(),
            response.as_mut_ptr(),
            &raw mut length,
        )
    };
    assert_eq!(result, winscard::error::Error::InsufficientBuffer.to_long());
    link.echo(&noise(7));
    assert_eq!(bench.reader.counters().cold_power_ons, 1);
}
