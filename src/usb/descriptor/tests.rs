#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]
use super::*;

pub(in crate::usb) fn device(vendor: u16, product: u16, configurations: u8) -> Vec<u8> {
    let [v0, v1] = vendor.to_le_bytes();
    let [p0, p1] = product.to_le_bytes();
    vec![
        18,
        1,
        0,
        2,
        0,
        0,
        0,
        64,
        v0,
        v1,
        p0,
        p1,
        0x05,
        0x02,
        1,
        2,
        3,
        configurations,
    ]
}

pub(in crate::usb) fn configuration(value: u8, interfaces: u8, body: &[u8]) -> Vec<u8> {
    let [l0, l1] = u16::try_from(9 + body.len()).unwrap().to_le_bytes();
    let mut bytes = vec![9, 2, l0, l1, interfaces, value, 0, 0x80, 50];
    bytes.extend_from_slice(body);
    bytes
}

pub(in crate::usb) fn interface(number: u8, setting: u8, class: u8, protocol: u8) -> Vec<u8> {
    vec![9, 4, number, setting, 3, class, 0, protocol, 4]
}

pub(in crate::usb) fn class(kind: u8, len: u8) -> Vec<u8> {
    let mut bytes = vec![0x5A; usize::from(len)];
    bytes[0] = len;
    bytes[1] = kind;
    bytes
}

pub(in crate::usb) fn endpoint(address: u8, attributes: u8, packet: u16) -> Vec<u8> {
    let [p0, p1] = packet.to_le_bytes();
    vec![7, 5, address, attributes, p0, p1, 16]
}

pub(crate) fn reader() -> Vec<u8> {
    let body = [
        interface(0, 0, 0x0B, 0),
        class(0x21, 54),
        endpoint(0x83, 3, 8),
        endpoint(0x82, 2, 64),
        endpoint(0x01, 2, 64),
    ]
    .concat();
    [device(0x08E6, 0x4433, 1), configuration(1, 1, &body)].concat()
}

#[test]
fn plain_reader() {
    let device = parse(&reader(), Some(1)).unwrap();
    assert_eq!(
        (device.vendor_id, device.product_id, device.release),
        (0x08E6, 0x4433, 0x0205)
    );
    let [ref interface] = device.interfaces[..] else {
        panic!("one interface")
    };
    assert!(interface.is_reader(0x08E6, 0x4433));
    assert_eq!(interface.class_descriptor.as_ref().unwrap().len(), 54);
    assert_eq!(
        interface.bulk_out,
        Some(Endpoint {
            address: 1,
            max_packet_len: 64,
            interval: 16,
        })
    );
    assert_eq!(
        interface.bulk_in,
        Some(Endpoint {
            address: 0x82,
            max_packet_len: 64,
            interval: 16,
        })
    );
    assert_eq!(
        interface.interrupt_in,
        Some(Endpoint {
            address: 0x83,
            max_packet_len: 8,
            interval: 16,
        })
    );
}

#[test]
fn class_descriptor_after_endpoints_and_behind_another() {
    let body = [
        interface(2, 0, 0x0B, 0),
        class(0x21, 9),
        class(0xFF, 54),
        endpoint(0x82, 2, 64),
        class(0x21, 54),
        class(0x21, 60),
    ]
    .concat();
    let bytes = [device(0x0B97, 0x7762, 1), configuration(1, 1, &body)].concat();
    let device = parse(&bytes, None).unwrap();
    let blob = device.interfaces[0].class_descriptor.as_ref().unwrap();
    assert_eq!((blob[0], blob[1]), (54, 0x21));
}

#[test]
fn class_ff_needs_list_and_blob() {
    let body = [interface(1, 0, 0xFF, 0), class(0xFF, 54)].concat();
    let bytes = [device(0x413C, 0x2100, 1), configuration(1, 1, &body)].concat();
    let found = parse(&bytes, None).unwrap();
    assert!(found.interfaces[0].is_reader(0x413C, 0x2100));
    assert!(!found.interfaces[0].is_reader(0x413C, 0x2101));
    let bare = [
        device(0x413C, 0x2100, 1),
        configuration(1, 1, &interface(1, 0, 0xFF, 0)),
    ]
    .concat();
    assert!(!parse(&bare, None).unwrap().interfaces[0].is_reader(0x413C, 0x2100));
}

#[test]
fn alternate_settings_and_other_configurations_stay_out() {
    let body = [
        interface(0, 0, 3, 1),
        endpoint(0x81, 3, 8),
        interface(1, 1, 0x0B, 0),
        endpoint(0x05, 2, 512),
        interface(1, 0, 0x0B, 0),
        class(0x21, 54),
        endpoint(0x02, 2, 64),
        interface(1, 2, 0x0B, 0),
        endpoint(0x86, 2, 512),
    ]
    .concat();
    let bytes = [
        device(1, 2, 2),
        configuration(1, 1, &interface(0, 0, 8, 0)),
        configuration(7, 2, &body),
    ]
    .concat();
    let found = parse(&bytes, Some(7)).unwrap();
    assert_eq!(found.configuration, 7);
    assert_eq!(found.interfaces.len(), 2);
    assert_eq!(found.interfaces[1].bulk_out.unwrap().address, 2);
    assert_eq!(found.interfaces[1].bulk_in, None);
    assert_eq!(parse(&bytes, None).unwrap().configuration, 1);
    assert_eq!(parse(&bytes, Some(3)), None);
}

#[test]
fn unusable_endpoints_are_left_out() {
    let body = [
        interface(0, 0, 0x0B, 0),
        endpoint(0x00, 2, 64),
        endpoint(0x91, 2, 64),
        endpoint(0x81, 2, 0),
        endpoint(0x81, 1, 64),
        endpoint(0x81, 0xFE, 0x1840),
    ]
    .concat();
    let bytes = [device(1, 2, 1), configuration(1, 1, &body)].concat();
    let found = parse(&bytes, None).unwrap();
    // bmAttributes and wMaxPacketSize are masked (USB 2.0 table 9-13).
    assert_eq!(
        found.interfaces[0].bulk_in,
        Some(Endpoint {
            address: 0x81,
            max_packet_len: 64,
            interval: 16,
        })
    );
    assert_eq!(found.interfaces[0].bulk_out, None);
}

/// Every truncation and a deterministic stream of mutations: no panic, and what comes out keeps its promises.
#[test]
fn any_bytes() {
    let body = [
        interface(0, 0, 3, 1),
        interface(1, 0, 0x0B, 0),
        class(0x21, 54),
        endpoint(0x83, 3, 8),
        endpoint(0x82, 2, 64),
        endpoint(0x01, 2, 64),
    ]
    .concat();
    let seed = [device(1, 2, 2), configuration(1, 2, &body), configuration(2, 2, &body)].concat();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let (mut kept, mut lost) = (0, 0);
    for round in 0..20_000_usize {
        let mut bytes = seed.clone();
        if round < seed.len() {
            bytes.truncate(round);
        }
        for _ in 0..random() % 4 {
            let at = random() as usize % seed.len();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random() as u8;
            }
        }
        for wanted in [None, Some(2)] {
            let Some(device) = parse(&bytes, wanted) else {
                lost += 1;
                continue;
            };
            kept += 1;
            assert!(device.interfaces.len() <= MAX_INTERFACES);
            for interface in &device.interfaces {
                assert!(
                    interface
                        .class_descriptor
                        .as_ref()
                        .is_none_or(|d| d.len() >= CLASS_DESCRIPTOR_LEN)
                );
                assert!(
                    interface
                        .bulk_in
                        .is_none_or(|e| e.address & 0x80 != 0 && e.max_packet_len != 0)
                );
            }
        }
    }
    assert!(kept > 1000 && lost > 1000, "{kept} {lost}");
}
