#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
use super::*;

#[test]
fn commands_carry_type_and_specific_bytes_of_the_class() {
    let cases: &[(Command, [u8; 4], ResponseKind)] = &[
        (
            Command::IccPowerOn(Voltage::V1_8),
            [0x62, 3, 0, 0],
            ResponseKind::DataBlock,
        ),
        (Command::IccPowerOff, [0x63, 0, 0, 0], ResponseKind::SlotStatus),
        (Command::GetSlotStatus, [0x65, 0, 0, 0], ResponseKind::SlotStatus),
        (
            Command::XfrBlock {
                block_waiting: 2,
                level_parameter: 0x0110,
            },
            [0x6F, 2, 0x10, 1],
            ResponseKind::DataBlock,
        ),
        (Command::GetParameters, [0x6C, 0, 0, 0], ResponseKind::Parameters),
        (Command::ResetParameters, [0x6D, 0, 0, 0], ResponseKind::Parameters),
        (Command::SetParameters(1), [0x61, 1, 0, 0], ResponseKind::Parameters),
        (Command::Escape, [0x6B, 0, 0, 0], ResponseKind::Escape),
        (Command::IccClock(true), [0x6E, 1, 0, 0], ResponseKind::SlotStatus),
        (
            Command::T0Apdu {
                changes: 3,
                get_response: 0xC0,
                envelope: 0xC2,
            },
            [0x6A, 3, 0xC0, 0xC2],
            ResponseKind::SlotStatus,
        ),
        (
            Command::Secure {
                block_waiting: 0,
                level_parameter: 0x0102,
            },
            [0x69, 0, 2, 1],
            ResponseKind::DataBlock,
        ),
        (Command::Mechanical(4), [0x71, 4, 0, 0], ResponseKind::SlotStatus),
        (Command::Abort, [0x72, 0, 0, 0], ResponseKind::SlotStatus),
        (
            Command::SetDataRateAndClockFrequency,
            [0x73, 0, 0, 0],
            ResponseKind::DataRateAndClockFrequency,
        ),
    ];
    for (command, [kind, a, b, c], answer) in cases {
        let header = command.header(7, 9, 0x0102_0304);
        assert_eq!(header, [*kind, 4, 3, 2, 1, 7, 9, *a, *b, *c], "{command:?}");
        assert_eq!(command.response_kind(), *answer);
    }
}

#[test]
fn encoding_refuses_a_buffer_too_small() {
    let mut buffer = [0xEE; 13];
    assert_eq!(Command::Escape.encode(1, 2, &[1, 2, 3, 4], &mut buffer), None);
    assert_eq!(Command::Escape.encode(1, 2, &[1, 2, 3], &mut buffer), Some(13));
    assert_eq!(buffer, [0x6B, 3, 0, 0, 0, 1, 2, 0, 0, 0, 1, 2, 3]);
}

#[test]
fn decoding_wants_the_announced_length_exactly() {
    let message = [0x80, 2, 0, 0, 0, 1, 5, 0x41, 0xFE, 0x10, 0x90, 0x00];
    let response = Response::decode(&message).unwrap();
    assert_eq!(
        (response.kind, response.slot, response.sequence),
        (ResponseKind::DataBlock, 1, 5)
    );
    assert_eq!(
        (response.icc, response.command),
        (IccStatus::Inactive, CommandStatus::Failed)
    );
    assert_eq!(
        (response.slot_error(), response.specific),
        (Some(SlotError::Mute), 0x10)
    );
    assert_eq!(response.data, [0x90, 0x00]);
    for len in 0..message.len() {
        assert_eq!(Response::decode(&message[..len]), None);
    }
    let mut longer = message.to_vec();
    longer.push(0);
    assert_eq!(Response::decode(&longer), None);
}

#[test]
fn error_byte_means_nothing_unless_the_command_failed() {
    let message = [0x81, 0, 0, 0, 0, 0, 0, 0x00, 0x81, 0];
    assert_eq!(Response::decode(&message).unwrap().slot_error(), None);
}

#[test]
fn reserved_icc_status_reads_as_absent() {
    let message = [0x81, 0, 0, 0, 0, 0, 0, 0x03, 0, 0];
    assert_eq!(Header::decode(&message).unwrap().icc, IccStatus::Absent);
}
