//! The transport: claims, transfers, interrupt transfers, as usbfs has them.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::host::{Answer, command};
use crate::sim::sys::probe::readable;
use crate::sim::wire::kind;
use crate::sim::{self, BuiltinCard, Config, Fault, Reader};
use crate::usb::{ControlRequest, ErrorKind, Interrupt, Transport};

const SECOND: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::from_millis(30);

fn reader() -> Reader {
    let reader = sim::plug(Config::default()).unwrap();
    reader.insert(0, BuiltinCard::default());
    reader
}

fn open(reader: &Reader) -> Arc<dyn Transport> {
    reader.interface().open().unwrap()
}

fn ask(transport: &dyn Transport, kind: u8, data: &[u8]) -> Answer {
    let message = command(kind, 0, 7, [0; 3], data);
    assert_eq!(transport.bulk_out(&message, SECOND), Ok(message.len()));
    let mut buffer = [0; 320];
    let len = transport.bulk_in(&mut buffer, SECOND).unwrap();
    Answer::parse(&buffer[..len])
}

#[track_caller]
fn fails<T: std::fmt::Debug>(result: crate::usb::Result<T>, kind: ErrorKind) {
    assert_eq!(result.unwrap_err().kind, kind);
}

#[test]
fn one_holder_at_a_time() {
    let reader = reader();
    let (one, two) = (open(&reader), open(&reader));
    one.claim().unwrap();
    one.claim().unwrap();
    fails(two.claim(), ErrorKind::Busy);
    fails(two.bulk_out(&[0; 10], SHORT), ErrorKind::Busy);
    fails(two.bulk_in(&mut [0; 64], SHORT), ErrorKind::Busy);
    fails(two.clear_halt(0x82), ErrorKind::Busy);
    fails(two.start_interrupt(), ErrorKind::Busy);
    two.release();
    fails(two.claim(), ErrorKind::Busy);
    one.release();
    two.claim().unwrap();
    drop(two);
    one.claim().unwrap();
}

#[test]
fn a_transfer_without_claim_claims() {
    let reader = reader();
    let (one, two) = (open(&reader), open(&reader));
    ask(one.as_ref(), kind::GET_SLOT_STATUS, &[]);
    fails(two.claim(), ErrorKind::Busy);
}

#[test]
fn take_over_ends_the_old_holders_transfers_and_keeps_the_card() {
    let reader = reader();
    let (one, two) = (open(&reader), open(&reader));
    ask(one.as_ref(), kind::ICC_POWER_ON, &[]).good();
    let mut message = [0; 8];
    one.start_interrupt().unwrap();
    assert_eq!(
        one.reap_interrupt(&mut message),
        Ok(Interrupt::Message(2)),
        "the insertion"
    );
    one.start_interrupt().unwrap();
    assert_eq!(one.reap_interrupt(&mut message), Ok(Interrupt::Pending));
    two.take_over().unwrap();
    assert!(readable(one.interrupt_wait().fd, Duration::ZERO), "woken by the loss");
    assert_eq!(one.reap_interrupt(&mut message), Ok(Interrupt::Idle));
    assert!(!readable(one.interrupt_wait().fd, Duration::ZERO));
    fails(one.bulk_out(&[0; 10], SHORT), ErrorKind::Busy);
    assert_eq!(ask(two.as_ref(), kind::GET_SLOT_STATUS, &[]).icc, 0, "still powered");
    two.start_interrupt().unwrap();
    reader.remove(0);
    assert_eq!(two.reap_interrupt(&mut message), Ok(Interrupt::Message(2)));
    assert_eq!(message[..2], [0x50, 0b10]);
}

#[test]
fn interrupts_go_to_the_transfer_in_flight_and_wake_it() {
    let reader = reader();
    let transport = open(&reader);
    let fd = transport.interrupt_wait().fd;
    let mut message = [0; 8];
    assert_eq!(
        transport.reap_interrupt(&mut message),
        Ok(Interrupt::Idle),
        "none started"
    );
    transport.start_interrupt().unwrap();
    assert_eq!(transport.reap_interrupt(&mut message), Ok(Interrupt::Message(2)));
    assert_eq!(
        transport.reap_interrupt(&mut message),
        Ok(Interrupt::Idle),
        "one message, one transfer"
    );
    transport.start_interrupt().unwrap();
    transport.start_interrupt().unwrap();
    assert!(!readable(fd, Duration::ZERO));
    reader.inject(Fault::Interrupt(vec![1, 2, 3]));
    assert!(readable(fd, Duration::ZERO));
    assert_eq!(
        transport.reap_interrupt(&mut message[..2]),
        Ok(Interrupt::Message(2)),
        "cut to the buffer"
    );
    assert!(!readable(fd, Duration::ZERO));
    transport.start_interrupt().unwrap();
    transport.release();
    assert_eq!(transport.reap_interrupt(&mut message), Ok(Interrupt::Idle), "released");
}

#[test]
fn without_interrupt_endpoint_nothing_is_ever_in_flight() {
    let reader = sim::plug(Config {
        interrupt: false,
        ..Config::default()
    })
    .unwrap();
    assert_eq!(reader.interface().interrupt_in, None);
    let transport = open(&reader);
    transport.start_interrupt().unwrap();
    reader.insert(0, BuiltinCard::default());
    assert_eq!(transport.reap_interrupt(&mut [0; 8]), Ok(Interrupt::Idle));
    assert!(!readable(transport.interrupt_wait().fd, Duration::ZERO));
}

#[test]
fn a_read_ends_at_a_short_packet_or_with_the_buffer() {
    let reader = reader();
    let transport = open(&reader);
    ask(transport.as_ref(), kind::ICC_POWER_ON, &[]).good();
    let xfr = command(kind::XFR_BLOCK, 0, 1, [0; 3], &[0x80, 0x12, 0, 52, 52]);
    transport.bulk_out(&xfr, SECOND).unwrap();
    let mut buffer = [0; 128];
    assert_eq!(transport.bulk_in(&mut buffer[..64], SECOND), Ok(64));
    assert_eq!(
        transport.bulk_in(&mut buffer, SECOND),
        Ok(0),
        "the zero-length packet is a transfer of its own now"
    );
    transport.bulk_out(&xfr, SECOND).unwrap();
    assert_eq!(transport.bulk_in(&mut buffer, SECOND), Ok(64));
}

#[test]
fn a_packet_longer_than_the_room_overflows() {
    let reader = reader();
    let transport = open(&reader);
    let escape = command(kind::ESCAPE, 0, 1, [0; 3], &[7; 20]);
    transport.bulk_out(&escape, SECOND).unwrap();
    fails(transport.bulk_in(&mut [0; 10], SECOND), ErrorKind::Overflow);
    reader.inject(Fault::Babble);
    transport.bulk_out(&escape, SECOND).unwrap();
    fails(transport.bulk_in(&mut [0; 512], SECOND), ErrorKind::Overflow);
}

#[test]
fn nothing_to_read_times_out_and_a_missing_zlp_loses_the_data() {
    let reader = reader();
    let transport = open(&reader);
    let start = Instant::now();
    fails(transport.bulk_in(&mut [0; 64], SHORT), ErrorKind::Timeout);
    assert!(start.elapsed() >= SHORT);
    reader.inject(Fault::MissingZlp);
    transport
        .bulk_out(&command(kind::ESCAPE, 0, 1, [0; 3], &[7; 54]), SECOND)
        .unwrap();
    fails(transport.bulk_in(&mut [0; 128], SHORT), ErrorKind::Timeout);
    fails(transport.bulk_in(&mut [0; 128], SHORT), ErrorKind::Timeout);
    assert_eq!(ask(transport.as_ref(), kind::ESCAPE, &[1]).good(), [1]);
}

#[test]
fn a_slow_card_takes_real_time() {
    let reader = reader();
    let transport = open(&reader);
    ask(transport.as_ref(), kind::ICC_POWER_ON, &[]).good();
    let start = Instant::now();
    assert_eq!(
        ask(transport.as_ref(), kind::XFR_BLOCK, &[0x80, 0x10, 0, 60]).good(),
        [0x90, 0]
    );
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[test]
fn stalls_last_until_clear_halt() {
    let reader = reader();
    let transport = open(&reader);
    let status = command(kind::GET_SLOT_STATUS, 0, 1, [0; 3], &[]);
    reader.inject(Fault::StallIn);
    transport.bulk_out(&status, SECOND).unwrap();
    fails(transport.bulk_in(&mut [0; 64], SECOND), ErrorKind::Stall);
    transport.clear_halt(0x82).unwrap();
    assert_eq!(transport.bulk_in(&mut [0; 64], SECOND), Ok(10));
    reader.inject(Fault::StallOut);
    fails(transport.bulk_out(&status, SECOND), ErrorKind::Stall);
    transport.clear_halt(0x01).unwrap();
    transport.bulk_out(&status, SECOND).unwrap();
    assert_eq!(reader.counters().clear_halts, 2);
}

#[test]
fn control_requests_set_interface_and_reset() {
    let reader = reader();
    let transport = open(&reader);
    ask(transport.as_ref(), kind::ICC_POWER_ON, &[]).good();
    let descriptor = ControlRequest {
        request_type: 0x80,
        request: 6,
        value: 0x0100,
        index: 0,
    };
    let mut buffer = [0; 8];
    assert_eq!(transport.control_in(descriptor, &mut buffer, SECOND), Ok(8));
    assert_eq!(buffer[..2], [18, 1]);
    let unknown = ControlRequest {
        request_type: 0x21,
        request: 9,
        value: 0,
        index: 0,
    };
    fails(transport.control_out(unknown, &[], SECOND), ErrorKind::Stall);
    transport.set_interface().unwrap();
    assert_eq!(ask(transport.as_ref(), kind::GET_SLOT_STATUS, &[]).icc, 0);
    transport.reset_device().unwrap();
    assert_eq!(ask(transport.as_ref(), kind::GET_SLOT_STATUS, &[]).icc, 1);
}

#[test]
fn a_blocked_read_ends_when_the_claim_or_the_reader_goes() {
    let reader = reader();
    for expected in [ErrorKind::Busy, ErrorKind::Disconnected] {
        let (one, two) = (open(&reader), open(&reader));
        one.claim().unwrap();
        let blocked = thread::spawn(move || one.bulk_in(&mut [0; 64], 10 * SECOND).unwrap_err().kind);
        thread::sleep(SHORT);
        if expected == ErrorKind::Busy {
            two.take_over().unwrap();
        } else {
            reader.unplug();
        }
        assert_eq!(blocked.join().unwrap(), expected);
    }
}

#[test]
fn a_blocked_read_gets_what_another_thread_asks_for() {
    let reader = reader();
    let transport = open(&reader);
    transport.claim().unwrap();
    let reading = Arc::clone(&transport);
    let blocked = thread::spawn(move || reading.bulk_in(&mut [0; 64], 10 * SECOND));
    thread::sleep(SHORT);
    transport
        .bulk_out(&command(kind::GET_SLOT_STATUS, 0, 1, [0; 3], &[]), SECOND)
        .unwrap();
    assert_eq!(blocked.join().unwrap(), Ok(10));
}

#[test]
fn a_blocked_read_ends_at_a_planned_unplugging() {
    let reader = reader();
    let transport = open(&reader);
    reader.unplug_after(SHORT);
    let start = Instant::now();
    fails(transport.bulk_in(&mut [0; 64], 10 * SECOND), ErrorKind::Disconnected);
    assert!(start.elapsed() < 5 * SECOND);
}

#[test]
fn unplugging_in_mid_exchange_disconnects() {
    let reader = reader();
    let transport = open(&reader);
    reader.inject(Fault::Unplugged);
    fails(
        transport.bulk_out(&command(kind::GET_SLOT_STATUS, 0, 1, [0; 3], &[]), SECOND),
        ErrorKind::Disconnected,
    );
    for result in [
        transport.claim(),
        transport.take_over(),
        transport.set_interface(),
        transport.start_interrupt(),
    ] {
        fails(result, ErrorKind::Disconnected);
    }
    fails(transport.bulk_in(&mut [0; 64], SECOND), ErrorKind::Disconnected);
    assert!(!transport.is_connected() && !reader.is_plugged());
    assert!(readable(transport.interrupt_wait().fd, Duration::ZERO));
}

#[test]
fn what_went_over_the_wire_is_on_record() {
    let reader = reader();
    let transport = open(&reader);
    ask(transport.as_ref(), kind::ICC_POWER_ON, &[]).good();
    ask(transport.as_ref(), kind::GET_SLOT_STATUS, &[]);
    let counters = reader.counters();
    assert_eq!(
        (counters.commands, counters.cold_power_ons, counters.get_slot_status),
        (2, 1, 1)
    );
    let kinds: Vec<u8> = reader.messages().iter().map(|message| message.bytes[0]).collect();
    assert_eq!(kinds, [0x62, 0x80, 0x65, 0x81]);
}
