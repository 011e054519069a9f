use crate::iso7816::t1::block::*;
use crate::iso7816::t1::{Edc, MAX_BLOCK_LEN, State};

fn encoded(kind: Kind, inf: &[u8], edc: Edc) -> Vec<u8> {
    let mut buffer = [0; MAX_BLOCK_LEN];
    let len = encode(kind, inf, edc, &mut buffer);
    buffer[..len].to_vec()
}

/// As an existing driver and a card exchanged them.
const CRC_BLOCKS: [(&[u8], [u8; 2]); 5] = [
    (&[0x00, 0xC1, 0x01, 0xFE], [0x54, 0x4E]),
    (&[0x00, 0xE1, 0x01, 0xFE], [0x57, 0x75]),
    (&[0x00, 0x00, 0x05, 0x00, 0xA4, 0x00, 0x00, 0x00], [0xB8, 0xDA]),
    (&[0x00, 0x90, 0x00], [0x20, 0x6E]),
    (
        &[0x00, 0x60, 0x07, 0x00, 0x02, 0x8A, 0x01, 0xAA, 0x90, 0x00],
        [0xA6, 0x33],
    ),
];

#[test]
fn crc_as_in_the_field_is_made_and_recognised() {
    assert_eq!(
        encoded(Kind::Request(Supervisory::Ifs(0xFE)), &[], Edc::Crc),
        [0x00, 0xC1, 0x01, 0xFE, 0x54, 0x4E]
    );
    assert_eq!(
        encoded(
            Kind::Information {
                sequence: false,
                more: false
            },
            &[0x00, 0xA4, 0x00, 0x00, 0x00],
            Edc::Crc
        ),
        [0x00, 0x00, 0x05, 0x00, 0xA4, 0x00, 0x00, 0x00, 0xB8, 0xDA]
    );
    for (block, code) in CRC_BLOCKS {
        let bytes = [block, &code].concat();
        assert_eq!(decode(&bytes, Edc::Crc).unwrap().edc, Edc::Crc, "{bytes:02X?}");
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&wrong, Edc::Crc).is_err(), "bit {bit} of {bytes:02X?}");
        }
    }
}

#[test]
fn crc_to_the_letter_of_iso_13239_is_made_and_recognised() {
    // The check value of CRC-16/X-25 ("123456789" gives 906E, low byte first), here as an I-block's tail would have it:
    // the code of a block followed by its code is the same for all blocks (F0B8 before the complement).
    let block = encoded(
        Kind::Ready {
            sequence: true,
            error: 0,
        },
        &[],
        Edc::CrcComplement,
    );
    assert_eq!(block.len(), 5);
    assert_eq!(decode(&block, Edc::CrcComplement).unwrap().edc, Edc::CrcComplement);
    // Independent of the code under test: bit by bit, most significant bit first on reflected input.
    let mut register = 0xFFFF_u16;
    for bit in block.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1)) {
        let carry = register >> 15 ^ u16::from(bit);
        register = register << 1 ^ if carry != 0 { 0x1021 } else { 0 };
    }
    assert_eq!(register, 0x1D0F, "the residue of HDLC frames");
    // ISO 14443-3 annex B, CRC_B of 00 00 00, which makes a valid I-block without data.
    assert_eq!(
        encoded(
            Kind::Information {
                sequence: false,
                more: false
            },
            &[],
            Edc::CrcComplement
        ),
        [0x00, 0x00, 0x00, 0xCC, 0xC6]
    );
}

#[test]
fn either_form_of_the_crc_is_recognised_and_lrc_is_never_taken_for_one() {
    let complement = [0x00, 0x00, 0x00, 0xCC, 0xC6];
    assert_eq!(decode(&complement, Edc::Crc).unwrap().edc, Edc::CrcComplement);
    let plain = [0x00, 0x90, 0x00, 0x20, 0x6E];
    assert_eq!(decode(&plain, Edc::CrcComplement).unwrap().edc, Edc::Crc);
    assert_eq!(decode(&plain, Edc::Lrc), Err(Fault::Other));
    assert_eq!(decode(&[0x00, 0x90, 0x00, 0x90], Edc::Crc), Err(Fault::Other));
}

#[test]
fn lrc_blocks_survive_the_round_trip_and_no_damaged_byte() {
    let information = Kind::Information {
        sequence: true,
        more: true,
    };
    for (kind, inf) in [
        (information, &[1, 2, 3][..]),
        (information, &[7; 254]),
        (information, &[]),
        (
            Kind::Ready {
                sequence: true,
                error: 1,
            },
            &[],
        ),
        (Kind::Request(Supervisory::Resynch), &[]),
        (Kind::Response(Supervisory::Resynch), &[]),
        (Kind::Request(Supervisory::Abort), &[]),
        (Kind::Request(Supervisory::Wtx(9)), &[9]),
        (Kind::Response(Supervisory::Ifs(254)), &[254]),
    ] {
        let bytes = encoded(kind, inf, Edc::Lrc);
        let block = decode(&bytes, Edc::Lrc).unwrap();
        assert_eq!((block.kind, block.inf), (kind, inf));
        for place in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[place] ^= 0x55;
            assert!(decode(&wrong, Edc::Lrc).is_err());
        }
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len], Edc::Lrc).is_err());
        }
        assert!(decode(&[&bytes[..], &[0]].concat(), Edc::Lrc).is_err());
    }
}

#[test]
fn blocks_that_cannot_be_are_told_apart_from_damaged_ones() {
    let other = |bytes: &[u8]| assert_eq!(decode(&super::lrc(bytes), Edc::Lrc), Err(Fault::Other), "{bytes:02X?}");
    other(&[0x21, 0x00, 0x00]);
    other(&[0x00, 0xA0, 0x00]);
    other(&[0x00, 0x80, 0x01, 0x00]);
    other(&[0x00, 0xC0, 0x01, 0x00]);
    other(&[0x00, 0xC1, 0x00]);
    other(&[0x00, 0xC1, 0x01, 0x00]);
    other(&[0x00, 0xC1, 0x01, 0xFF]);
    other(&[0x00, 0xC3, 0x00]);
    other(&[0x00, 0xC3, 0x02, 1, 1]);
    other(&[0x00, 0xC4, 0x00]);
    other(&[&[0x00, 0x00, 0xFF][..], &[1; 255]].concat());
    assert_eq!(decode(&[0, 0, 0, 1], Edc::Lrc), Err(Fault::Edc));
    assert_eq!(decode(&[], Edc::Lrc), Err(Fault::Other));
}

#[test]
fn any_bytes_make_a_state_and_a_state_survives_the_round_trip() {
    let mut seed = 0x2545_F491_u32;
    for _ in 0..20_000 {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        let state = State::decode(seed.to_le_bytes());
        assert!((1..=254).contains(&state.ifsc()) && (1..=254).contains(&state.ifsd()));
        assert_eq!(State::decode(state.encode()), state);
    }
    assert_eq!(State::decode([0, 0, 255, 0]), State::new(32, Edc::Lrc));
}
