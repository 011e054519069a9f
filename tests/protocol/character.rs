//! Readers that pass on single characters.

use winscard::api::constants::*;
use winscard::error::Error;
use winscard::sim::wire::kind;
use winscard::sim::{Fault, Injection, Level};

use crate::bench::*;

#[test]
fn t0_commands_of_cases_1_to_3() {
    let bench = Bench::new(reader(Level::Character), T0);
    let link = bench.connect(SCARD_PROTOCOL_ANY);
    assert_eq!(link.protocol, SCARD_PROTOCOL_T0);
    // Case 1: VERIFY without data tells the tries left.
    assert_eq!(link.transmit(&[0x00, 0x20, 0x00, 0x01]), Ok(vec![0x63, 0xC3]));
    // Case 2, with the wrong length, the right one, and 256 of them.
    assert_eq!(link.transmit(&[0x80, 0x12, 0, 5, 0]), Ok(vec![0x6C, 5]));
    assert_eq!(
        link.transmit(&[0x80, 0x12, 0, 5, 5]),
        Ok(vec![0, 1, 2, 3, 4, 0x90, 0x00])
    );
    let all: Vec<u8> = (0..=255).chain([0x90, 0x00]).collect();
    assert_eq!(link.transmit(&[0x80, 0x12, 1, 0, 0]), Ok(all));
    // Case 3, and GET RESPONSE by the caller.
    let select = [0x00, 0xA4, 0x04, 0x00, 8, 0xA0, 0, 0, 0, 1, b'W', b'I', b'N'];
    assert_eq!(link.transmit(&select), Ok(vec![0x61, 15]));
    assert_eq!(
        link.transmit(&[0x00, 0xC0, 0, 0, 15]).map(|response| response.len()),
        Ok(17)
    );
    assert_eq!(
        link.transmit(&[0x00, 0xA4, 0x00, 0x00, 2, 0x00, 0x01]),
        Ok(vec![0x61, 13])
    );
    let update = [&[0x00, 0xD6, 0x00, 0x10, 255][..], &noise(255)].concat();
    assert_eq!(link.transmit(&update), Ok(vec![0x90, 0x00]));
    let read = link.transmit(&[0x00, 0xB0, 0x00, 0x10, 255]);
    assert_eq!(read, Ok(answer(&noise(255))));
}

#[test]
fn t0_case_4_is_refused_before_anything_is_sent() {
    let bench = Bench::new(reader(Level::Character), T0);
    let link = bench.connect(SCARD_PROTOCOL_T0);
    let before = bench.reader.counters().xfr_blocks;
    for command in [
        &[0x00, 0xA4, 0x04, 0x00, 1, 0xA0, 0][..],
        &[0x00, 0x60, 0, 0],
        &echo(&[0; 300]),
    ] {
        assert_eq!(link.transmit(command), Err(Error::NotTransacted.to_long()));
    }
    assert_eq!(bench.reader.counters().xfr_blocks, before);
}

#[test]
fn t0_asks_for_one_character_and_then_for_as_many_as_are_due() {
    let bench = Bench::new(reader(Level::Character), T0);
    let link = bench.connect(SCARD_PROTOCOL_T0);
    link.transmit(&[0x80, 0x12, 0, 54, 54]).expect("response");
    let expected: Vec<u8> = bench.sent(kind::XFR_BLOCK).iter().map(|message| message[1]).collect();
    // 54 characters would fill a packet with their header: one is read alone.
    assert_eq!(expected, [1, 1, 53, 1, 1]);
}

#[test]
fn t1_blocks_are_read_in_two_pieces_with_the_right_epilogue() {
    for (crc, epilogue) in [(false, 1), (true, 2)] {
        let bench = Bench::new(reader(Level::Character), Says { crc, ifsc: 254, ..T1 });
        let link = bench.connect(SCARD_PROTOCOL_T1);
        link.echo(&noise(20));
        let expected: Vec<u8> = bench.sent(kind::XFR_BLOCK).iter().map(|message| message[1]).collect();
        assert_eq!(expected, [3, 1 + epilogue, 3, 22 + epilogue]);
        for len in [1, 52, 53, 200, 255, 256, 3000, 65_535] {
            link.echo(&noise(len));
        }
    }
}

#[test]
fn pps_changes_protocol_and_speed() {
    let says = Says {
        ta1: Some(0x95),
        ..BOTH
    };
    let bench = Bench::new(reader(Level::Character), says);
    let link = bench.connect(SCARD_PROTOCOL_ANY);
    assert_eq!(link.protocol, SCARD_PROTOCOL_T1);
    assert_eq!(
        bench.sent(kind::XFR_BLOCK)[0],
        [0, 2, 0, 0xFF, 0x11, 0x95, 0xFF ^ 0x11 ^ 0x95]
    );
    assert_eq!(bench.parameters().expect("SetParameters")[0], 0x95);
    link.echo(&noise(90));
}

#[test]
fn t0_card_in_trouble_is_an_error() {
    let bench = Bench::new(reader(Level::Character), T0);
    let mut link = bench.connect(SCARD_PROTOCOL_T0);
    for error in [0xFD, 0xFE, 0xFC, 0xFB] {
        bench.reader.inject(Injection::on(kind::XFR_BLOCK, Fault::Fail(error)));
        let result = link.transmit(&[0x00, 0x84, 0, 0, 8]);
        assert_eq!(result, Err(Error::NotTransacted.to_long()), "{error:02X}");
        // It may be in the midst of that command, and would take the next for the rest of it.
        let result = link.transmit(&[0x00, 0x84, 0, 0, 8]);
        assert_eq!(result, Err(Error::ResetCard.to_long()), "{error:02X}");
        assert_eq!(link.reconnect(SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    }
    assert_eq!(
        link.transmit(&[0x00, 0x84, 0, 0, 8]).map(|response| response.len()),
        Ok(10)
    );
}
