//! What other T=1 engines were seen to get wrong, one test each.

use super::*;

fn ready(pcb: u8) -> Vec<u8> {
    lrc(&[0, pcb, 0])
}

/// Plays one card answer for ever; returns how many blocks were sent and the end.
fn endless(answer: &[u8]) -> (u32, Action) {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1], &mut response);
    let mut action = exchange.start();
    let mut sent = 0;
    while let Action::Send { .. } = action {
        sent += 1;
        assert!(sent < 100_000, "no end");
        // A card that answers S(RESYNCH) and goes on as before is the worst.
        let resynch = exchange.block()[1] == 0xC0;
        action = exchange.step(Event::Block(if resynch { &[0, 0xE0, 0, 0xE0] } else { answer }));
    }
    (sent, action)
}

#[test]
fn defect_1_resynch_in_a_chained_response_sends_the_command_again() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1, 2], &mut response);
    let bad = [0, 0x40, 1, 0x99, 0];
    let end = play(
        &mut exchange,
        &[
            (information(0, &[1, 2]), Says(information(0x20, &[0xAA, 0xBB]))),
            (ready(0x90), Says(bad.to_vec())),
            (ready(0x90), Says(bad.to_vec())),
            (ready(0x90), Says(bad.to_vec())),
            (ready(0x90), Says(bad.to_vec())),
            (ready(0xC0), Says(ready(0xE0))),
            (information(0, &[1, 2]), Says(information(0x20, &[5, 6]))),
            (ready(0x90), Says(information(0x40, &[0x90, 0]))),
        ],
    );
    assert_eq!((end, exchange.response_len()), (Action::Done, 4));
    drop(exchange);
    assert_eq!(response[..4], [5, 6, 0x90, 0]);
}

#[test]
fn defect_2_resynch_in_a_chained_command_sends_it_from_its_beginning() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1, 2, 3, 4, 5, 6, 7, 8, 9], &mut response);
    let end = play(
        &mut exchange,
        &[
            (information(0x20, &[1, 2, 3, 4]), Says(ready(0x90))),
            (information(0x60, &[5, 6, 7, 8]), Says(ready(0x92))),
            (information(0x60, &[5, 6, 7, 8]), Says(ready(0x92))),
            (information(0x60, &[5, 6, 7, 8]), Says(ready(0x92))),
            (information(0x60, &[5, 6, 7, 8]), Says(ready(0x92))),
            (ready(0xC0), Says(ready(0xE0))),
            (information(0x20, &[1, 2, 3, 4]), Says(ready(0x90))),
            (information(0x60, &[5, 6, 7, 8]), Says(ready(0x80))),
            (information(0x00, &[9]), Says(information(0x00, &[0x90, 0]))),
        ],
    );
    assert_eq!(end, Action::Done);
}

#[test]
fn defect_3_repeated_r_block_has_its_whole_crc() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(State::new(32, Edc::Crc), &[1], &mut response);
    exchange.start();
    exchange.step(Event::Mute);
    let first = exchange.block().to_vec();
    assert_eq!((first.len(), first[1]), (5, 0x82));
    exchange.step(Event::Mute);
    assert_eq!(exchange.block(), first);
}

#[test]
fn defect_4_one_byte_is_no_block_and_echoes_nothing() {
    for byte in [0x00, 0x40, 0x90] {
        let mut response = [0; 8];
        let mut exchange = Exchange::command(small(), &[1, 2, 3], &mut response);
        exchange.start();
        assert_eq!(exchange.step(Event::Block(&[byte])), Action::Send { waiting: 0 });
        assert_eq!((exchange.block(), exchange.response_len()), (&ready(0x82)[..], 0));
    }
    let (_, end) = endless(&[0x00]);
    assert!(matches!(end, Action::Failed(_)));
}

#[test]
fn defect_5_len_beyond_what_came_is_refused_though_the_lrc_fits() {
    let mut response = [0; 255];
    let mut exchange = Exchange::command(small(), &[1], &mut response);
    exchange.start();
    let block = lrc(&[0x00, 0x00, 240, 0x90, 0x00]);
    assert_eq!(exchange.step(Event::Block(&block)), Action::Send { waiting: 0 });
    assert_eq!(exchange.block(), ready(0x82));
    assert_eq!(exchange.response_len(), 0);
}

#[test]
fn defect_6_ifs_of_255_and_len_of_255_are_refused() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1], &mut response);
    exchange.start();
    exchange.step(Event::Block(&lrc(&[0, 0xC1, 1, 0xFF])));
    assert_eq!((exchange.block(), exchange.state().ifsc()), (&ready(0x82)[..], 4));
    exchange.step(Event::Block(&lrc(&[0, 0xC1, 1, 0])));
    assert_eq!(exchange.state().ifsc(), 4);
    let long = lrc(&[&[0, 0, 0xFF][..], &[9; 255]].concat());
    exchange.step(Event::Block(&long));
    assert_eq!((exchange.block(), exchange.response_len()), (&ready(0x82)[..], 0));
}

#[test]
fn defect_7_complaints_extensions_and_sizes_without_end_come_to_an_end() {
    for (answer, end) in [
        (ready(0x80), Failure::Unresponsive),
        (ready(0x81), Failure::Unresponsive),
        (ready(0x90), Failure::Unresponsive),
        (lrc(&[0, 0xC1, 0]), Failure::Unresponsive),
        (lrc(&[0, 0xE3, 1, 1]), Failure::Unresponsive),
        (lrc(&[0, 0xC3, 1, 1]), Failure::Endless),
        (lrc(&[0, 0xC1, 1, 9]), Failure::Endless),
        (ready(0xC2), Failure::Endless),
    ] {
        let (sent, action) = endless(&answer);
        assert_eq!(action, Action::Failed(end), "{answer:02X?}");
        assert!(sent <= 4097, "{sent}");
    }
    // A chain of empty blocks.
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1], &mut response);
    let mut action = exchange.start();
    let mut toggle = false;
    while let Action::Send { .. } = action {
        action = exchange.step(Event::Block(&information(if toggle { 0x60 } else { 0x20 }, &[])));
        toggle = !toggle;
    }
    assert_eq!(action, Action::Failed(Failure::Endless));
    // A response without end.
    let mut exchange = Exchange::command(small(), &[1], &mut response);
    let mut action = exchange.start();
    while let Action::Send { .. } = action {
        action = exchange.step(Event::Block(&information(if toggle { 0x60 } else { 0x20 }, &[1; 254])));
        toggle = !toggle;
    }
    assert_eq!(action, Action::Failed(Failure::Endless));
}

#[test]
fn defect_8_extended_time_is_given_up_after_an_error_too() {
    let wtx = lrc(&[0, 0xC3, 1, 50]);
    for event in [Event::Parity, Event::Mute, Event::Unusable, Event::Block(&[])] {
        let mut response = [0; 8];
        let mut exchange = Exchange::command(small(), &[1], &mut response);
        exchange.start();
        assert_eq!(exchange.step(Event::Block(&wtx)), Action::Send { waiting: 50 });
        assert_eq!(exchange.step(event), Action::Send { waiting: 0 });
        assert_eq!(exchange.step(Event::Block(&wtx)), Action::Send { waiting: 50 });
    }
}

#[test]
fn defect_9_crc_takes_two_bytes_of_the_epilogue() {
    assert_eq!((Edc::Lrc.len(), Edc::Crc.len(), Edc::CrcComplement.len()), (1, 2, 2));
}

#[test]
fn defect_10_abort_is_reported_and_leaves_nothing_behind() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1], &mut response);
    let end = play(
        &mut exchange,
        &[
            (information(0x00, &[1]), Says(information(0x20, &[7, 7]))),
            (ready(0x90), Says(ready(0xC2))),
            (ready(0xE2), Says(ready(0x90))),
        ],
    );
    assert_eq!(end, Action::Failed(Failure::Aborted));
    let state = exchange.state();
    let mut exchange = Exchange::command(state, &[2], &mut response);
    let end = play(
        &mut exchange,
        &[(information(0x40, &[2]), Says(information(0x40, &[0x90, 0])))],
    );
    assert_eq!((end, exchange.response_len()), (Action::Done, 2));
}

#[test]
fn defect_11_ifsd_is_always_one_that_can_be() {
    for (asked, sent) in [(0, 32), (1, 1), (254, 254), (255, 254)] {
        let mut exchange = Exchange::ifsd(small(), asked);
        exchange.start();
        assert_eq!(exchange.block(), lrc(&[0, 0xC1, 1, sent]));
    }
}

#[test]
fn defect_12_only_the_resynch_response_answers_resynch() {
    for answer in [
        lrc(&[0, 0xE1, 1, 32]),
        ready(0xE2),
        lrc(&[0, 0xE3, 1, 1]),
        ready(0xC0),
        ready(0x80),
        information(0, &[0x90, 0]),
    ] {
        let mut response = [0; 8];
        let mut exchange = Exchange::command(small(), &[1], &mut response);
        let mut action = exchange.start();
        for _ in 0..4 {
            action = exchange.step(Event::Mute);
        }
        assert_eq!(
            (action, exchange.block()),
            (Action::Send { waiting: 0 }, &ready(0xC0)[..])
        );
        exchange.step(Event::Block(&answer));
        assert_eq!(exchange.block(), ready(0xC0), "{answer:02X?}");
        exchange.step(Event::Block(&answer));
        let end = exchange.step(Event::Block(&answer));
        assert_eq!(end, Action::Failed(Failure::Unresponsive));
    }
}

#[test]
fn defect_13_response_longer_than_its_buffer_is_counted_and_the_protocol_lives() {
    let mut response = [0xEE; 3];
    let mut exchange = Exchange::command(small(), &[1], &mut response[..2]);
    let end = play(
        &mut exchange,
        &[
            (information(0x00, &[1]), Says(information(0x20, &[1, 2, 3]))),
            (ready(0x90), Says(information(0x40, &[4, 0x90, 0]))),
        ],
    );
    assert_eq!((end, exchange.response_len()), (Action::Done, 6));
    assert!(!exchange.state().is_lost());
    drop(exchange);
    assert_eq!(response, [1, 2, 0xEE]);
}

#[test]
fn defect_14_complaint_that_names_the_next_block_does_not_end_the_count_of_errors() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1, 2, 3, 4, 5], &mut response);
    let end = play(
        &mut exchange,
        &[
            (information(0x20, &[1, 2, 3, 4]), Does(Event::Parity)),
            (ready(0x81), Says(ready(0x91))),
            (information(0x40, &[5]), Does(Event::Parity)),
            (ready(0x81), Does(Event::Parity)),
            (ready(0x81), Does(Event::Parity)),
            (ready(0xC0), Says(ready(0xE0))),
            (information(0x20, &[1, 2, 3, 4]), Says(ready(0x90))),
            (information(0x40, &[5]), Says(information(0x00, &[0x90, 0]))),
        ],
    );
    assert_eq!(end, Action::Done);
}
