use super::*;

fn ready(pcb: u8) -> Vec<u8> {
    lrc(&[0, pcb, 0])
}

#[test]
fn one_block_each_way_and_sequence_numbers_go_on() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1, 2, 3], &mut response);
    let end = play(
        &mut exchange,
        &[(information(0x00, &[1, 2, 3]), Says(information(0x00, &[0x90, 0])))],
    );
    assert_eq!((end, exchange.response_len()), (Action::Done, 2));
    let state = State::decode(exchange.state().encode());
    drop(exchange);
    assert_eq!(response[..2], [0x90, 0]);
    let mut exchange = Exchange::command(state, &[4], &mut response);
    let end = play(
        &mut exchange,
        &[(information(0x40, &[4]), Says(information(0x40, &[0x61, 0])))],
    );
    assert_eq!(end, Action::Done);
    assert_eq!(exchange.state(), small());
}

#[test]
fn chaining_both_ways() {
    let mut response = [0; 16];
    let mut exchange = Exchange::command(small(), &[1, 2, 3, 4, 5, 6, 7, 8, 9], &mut response);
    let end = play(
        &mut exchange,
        &[
            (information(0x20, &[1, 2, 3, 4]), Says(ready(0x90))),
            (information(0x60, &[5, 6, 7, 8]), Says(ready(0x80))),
            (information(0x00, &[9]), Says(information(0x20, &[11, 12]))),
            (ready(0x90), Says(information(0x60, &[13]))),
            (ready(0x80), Says(information(0x00, &[0x90, 0]))),
        ],
    );
    assert_eq!((end, exchange.response_len()), (Action::Done, 5));
    drop(exchange);
    assert_eq!(response[..5], [11, 12, 13, 0x90, 0]);
}

#[test]
fn waiting_time_extension_counts_for_the_next_block_only() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1], &mut response);
    assert_eq!(exchange.start(), Action::Send { waiting: 0 });
    let wtx = lrc(&[0, 0xC3, 1, 7]);
    assert_eq!(exchange.step(Event::Block(&wtx)), Action::Send { waiting: 7 });
    assert_eq!(exchange.block(), lrc(&[0, 0xE3, 1, 7]));
    assert_eq!(exchange.step(Event::Parity), Action::Send { waiting: 0 });
    assert_eq!(exchange.block(), ready(0x81));
    assert_eq!(exchange.step(Event::Block(&information(0, &[0x90, 0]))), Action::Done);
}

#[test]
fn the_cards_ifs_request_changes_the_size_of_what_follows() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1, 2, 3, 4, 5, 6], &mut response);
    let end = play(
        &mut exchange,
        &[
            (information(0x20, &[1, 2, 3, 4]), Says(lrc(&[0, 0xC1, 1, 2]))),
            (lrc(&[0, 0xE1, 1, 2]), Says(ready(0x90))),
            (information(0x40, &[5, 6]), Says(information(0x00, &[0x90, 0]))),
        ],
    );
    assert_eq!(end, Action::Done);
    assert_eq!(exchange.state().ifsc(), 2);
    // What the card did not get goes out again in the new size.
    let mut exchange = Exchange::command(small(), &[1, 2, 3, 4], &mut response);
    let end = play(
        &mut exchange,
        &[
            (information(0x00, &[1, 2, 3, 4]), Says(lrc(&[0, 0xC1, 1, 3]))),
            (lrc(&[0, 0xE1, 1, 3]), Says(ready(0x82))),
            (information(0x20, &[1, 2, 3]), Says(ready(0x90))),
            (information(0x40, &[4]), Says(information(0x00, &[0x90, 0]))),
        ],
    );
    assert_eq!(end, Action::Done);
}

#[test]
fn ifsd_is_told_and_a_refusal_is_not_fatal() {
    let mut exchange = Exchange::ifsd(small(), 254);
    let end = play(
        &mut exchange,
        &[
            (lrc(&[0, 0xC1, 1, 254]), Does(Event::Mute)),
            (lrc(&[0, 0xC1, 1, 254]), Says(lrc(&[0, 0xE1, 1, 254]))),
        ],
    );
    assert_eq!(end, Action::Done);
    assert_eq!((exchange.state().ifsd(), exchange.state().owes_ifsd()), (254, false));

    let mut exchange = Exchange::ifsd(small(), 254);
    let end = play(
        &mut exchange,
        &[
            (lrc(&[0, 0xC1, 1, 254]), Says(ready(0x82))),
            (lrc(&[0, 0xC1, 1, 254]), Says(lrc(&[0, 0xE1, 1, 32]))),
            (lrc(&[0, 0xC1, 1, 254]), Does(Event::Mute)),
        ],
    );
    assert_eq!(end, Action::Done);
    assert_eq!((exchange.state().ifsd(), exchange.state().owes_ifsd()), (32, false));
}

#[test]
fn rule_7_1_asks_for_the_block_that_was_missed() {
    for (event, error) in [(Event::Parity, 1), (Event::Mute, 2), (Event::Unusable, 2)] {
        let mut response = [0; 8];
        let mut exchange = Exchange::command(small(), &[1], &mut response);
        let end = play(
            &mut exchange,
            &[
                (information(0, &[1]), Does(event)),
                (ready(0x80 | error), Says(information(0, &[0x90, 0]))),
            ],
        );
        assert_eq!(end, Action::Done, "{event:?}");
    }
}

#[test]
fn rule_7_1_card_that_got_nothing_wants_the_block_again() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1], &mut response);
    let end = play(
        &mut exchange,
        &[
            (information(0, &[1]), Does(Event::Mute)),
            (ready(0x82), Says(ready(0x80))),
            (information(0, &[1]), Says(information(0, &[0x90, 0]))),
        ],
    );
    assert_eq!(end, Action::Done);
}

#[test]
fn rule_7_4_2_three_repetitions_then_resynch_with_the_whole_command() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1, 2, 3, 4, 5], &mut response);
    let end = play(
        &mut exchange,
        &[
            (information(0x20, &[1, 2, 3, 4]), Says(ready(0x90))),
            (information(0x40, &[5]), Does(Event::Mute)),
            (ready(0x82), Does(Event::Mute)),
            (ready(0x82), Does(Event::Mute)),
            (ready(0x82), Does(Event::Mute)),
            (ready(0xC0), Does(Event::Mute)),
            (ready(0xC0), Says(ready(0xE0))),
            (information(0x20, &[1, 2, 3, 4]), Says(ready(0x90))),
            (information(0x40, &[5]), Says(information(0x00, &[0x90, 0]))),
        ],
    );
    assert_eq!(end, Action::Done);
}

#[test]
fn rule_6_4_three_resynchs_without_answer_end_in_a_reset() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1], &mut response);
    let mut action = exchange.start();
    let mut sent = 0;
    while let Action::Send { .. } = action {
        sent += 1;
        action = exchange.step(Event::Mute);
    }
    assert_eq!((action, sent), (Action::Failed(Failure::Unresponsive), 1 + 3 + 3));
    let state = State::decode(exchange.state().encode());
    assert!(state.is_lost());
    let action = Exchange::command(state, &[1], &mut response).start();
    assert_eq!(action, Action::Failed(Failure::Unresponsive), "not before a reset");
}

#[test]
fn resynch_brings_back_the_initial_sizes() {
    let mut exchange = Exchange::ifsd(small(), 100);
    play(
        &mut exchange,
        &[(lrc(&[0, 0xC1, 1, 100]), Says(lrc(&[0, 0xE1, 1, 100])))],
    );
    let state = exchange.state();
    let mut response = [0; 8];
    let mut exchange = Exchange::command(state, &[1, 2, 3, 4, 5], &mut response);
    let end = play(
        &mut exchange,
        &[
            (information(0x20, &[1, 2, 3, 4]), Says(lrc(&[0, 0xC1, 1, 200]))),
            (lrc(&[0, 0xE1, 1, 200]), Does(Event::Mute)),
            (ready(0x82), Does(Event::Mute)),
            (ready(0x82), Does(Event::Mute)),
            (ready(0x82), Does(Event::Mute)),
            (ready(0xC0), Says(ready(0xE0))),
            (information(0x20, &[1, 2, 3, 4]), Says(ready(0x90))),
            (information(0x40, &[5]), Says(information(0x00, &[0x90, 0]))),
        ],
    );
    assert_eq!(end, Action::Done);
    let state = exchange.state();
    assert_eq!((state.ifsc(), state.ifsd(), state.owes_ifsd()), (4, 32, true));
}

#[test]
fn abort_of_our_chain_gives_the_right_to_send_back_and_the_next_command_works() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1, 2, 3, 4, 5], &mut response);
    let end = play(
        &mut exchange,
        &[
            (information(0x20, &[1, 2, 3, 4]), Says(ready(0xC2))),
            (ready(0xE2), Says(ready(0x90))),
        ],
    );
    assert_eq!(end, Action::Failed(Failure::Aborted));
    let state = exchange.state();
    assert!(!state.is_lost());
    let mut exchange = Exchange::command(state, &[6], &mut response);
    let end = play(
        &mut exchange,
        &[(information(0x40, &[6]), Says(information(0x00, &[0x90, 0])))],
    );
    assert_eq!(end, Action::Done);
}

#[test]
fn abort_without_right_to_send_ends_in_resynch_and_the_command_is_not_sent_again() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(small(), &[1], &mut response);
    let end = play(
        &mut exchange,
        &[
            (information(0x00, &[1]), Says(information(0x20, &[7]))),
            (ready(0x90), Says(ready(0xC2))),
            (ready(0xE2), Says(information(0x40, &[7]))),
            (ready(0xC0), Says(ready(0xE0))),
        ],
    );
    assert_eq!(end, Action::Failed(Failure::Aborted));
    assert!(!exchange.state().is_lost());
}

#[test]
fn blocks_keep_to_what_the_way_to_the_card_carries() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(State::new(254, Edc::Lrc), &[9; 5], &mut response).with_room(3);
    let end = play(
        &mut exchange,
        &[
            (information(0x20, &[9; 3]), Says(ready(0x90))),
            (information(0x40, &[9; 2]), Says(information(0x00, &[0x90, 0]))),
        ],
    );
    assert_eq!(end, Action::Done);
}

#[test]
fn crc_card_of_the_other_form_is_understood_and_answered_in_kind() {
    let mut response = [0; 8];
    let mut exchange = Exchange::command(State::new(32, Edc::Crc), &[0x00, 0xA4, 0x00, 0x00, 0x00], &mut response);
    assert_eq!(exchange.start(), Action::Send { waiting: 0 });
    assert_eq!(exchange.block()[8..], [0xB8, 0xDA]);
    // R(0, EDC error) with the complemented CRC.
    let mut buffer = [0; MAX_BLOCK_LEN];
    let complaint = crate::iso7816::t1::block::Kind::Ready {
        sequence: false,
        error: 1,
    };
    let len = crate::iso7816::t1::block::encode(complaint, &[], Edc::CrcComplement, &mut buffer);
    exchange.step(Event::Block(&buffer[..len]));
    assert_eq!(exchange.state().edc(), Edc::CrcComplement);
    assert_eq!(exchange.block()[..3], [0, 0, 5]);
    assert_ne!(exchange.block()[8..], [0xB8, 0xDA]);
}

#[test]
fn block_made_by_the_reader_is_followed_and_repeated_by_the_reader_alone() {
    let mut response = [0; 8];
    let mut exchange = Exchange::by_reader(small(), &mut response);
    assert_eq!(exchange.prologue(13), [0, 0, 13]);
    let wtx = lrc(&[0, 0xC3, 1, 1]);
    assert_eq!(exchange.step(Event::Block(&wtx)), Action::Send { waiting: 1 });
    assert_eq!(exchange.step(Event::Block(&information(0, &[0x90, 0]))), Action::Done);
    assert_eq!(exchange.prologue(13), [0, 0x40, 13]);
    let state = exchange.state();
    let mut exchange = Exchange::by_reader(state, &mut response);
    assert_eq!(exchange.step(Event::Block(&ready(0x91))), Action::Repeat);
    assert_eq!(exchange.state(), state, "the card has not got it");
    for _ in 0..2 {
        assert_eq!(exchange.step(Event::Block(&ready(0x91))), Action::Repeat);
    }
    assert_eq!(exchange.step(Event::Block(&ready(0x91))), Action::Send { waiting: 0 });
    assert_eq!(exchange.block(), ready(0xC0));
    assert_eq!(
        exchange.step(Event::Block(&ready(0xE0))),
        Action::Failed(Failure::Unrepeatable)
    );
    assert!(!exchange.state().is_lost(), "in step, only the PIN is gone");
}
