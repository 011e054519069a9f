//! The USB traffic of a trace as pcapng, in the form of Linux' usbmon, as Wireshark's dissectors for USB and CCID read it.
//!
//! A capture of its own begins with a device's descriptors, by which the dissectors know what the endpoints are; the trace has what
//! they need to know, and it is put in front as the requests a host makes.
// pcapng: draft-ietf-opsawg-pcapng §4; usbmon: Documentation/usb/usbmon.rst

use std::collections::BTreeMap;

use super::event::{Event, bytes};
use crate::cli::json::Value;

/// `LINKTYPE_USB_LINUX_MMAPPED`
const LINK_TYPE: u16 = 220;
/// What a hidden byte is in the file: an asterisk.
const HIDDEN: u8 = b'*';

/// Kinds of transfer, as usbmon numbers them.
const INTERRUPT: u8 = 1;
const CONTROL: u8 = 2;
const BULK: u8 = 3;

/// The file.
pub(super) fn of(events: &[Event]) -> Vec<u8> {
    let mut file = File::new();
    let wall = events
        .iter()
        .find(|event| event.kind == "process")
        .map_or(0, |event| event.number("wall"));
    let devices = devices(events);
    for ((bus, address), interfaces) in &devices {
        let at = interfaces
            .first()
            .map_or(0, |interface| interface.at)
            .saturating_add(wall);
        file.describe(*bus, *address, at, interfaces);
    }
    for event in events.iter().filter(|event| event.kind == "usb") {
        file.transfer(event, wall);
    }
    file.bytes
}

type Devices<'a> = BTreeMap<(u64, u64), Vec<&'a Event>>;

/// The interfaces of each device, each once.
fn devices(events: &[Event]) -> Devices<'_> {
    let mut devices = Devices::new();
    for event in events.iter().filter(|event| event.kind == "device") {
        let known = devices
            .entry((event.number("bus"), event.number("address")))
            .or_default();
        if known
            .iter()
            .all(|other| other.number("interface") != event.number("interface"))
        {
            known.push(event);
        }
    }
    devices
}

struct File {
    bytes: Vec<u8>,
    /// Number of the next transfer.
    id: u64,
}

/// One of the two packets of a transfer.
struct Packet<'a> {
    bus: u64,
    address: u64,
    kind: u8,
    endpoint: u8,
    /// Setup of a control request.
    setup: Option<[u8; 8]>,
    data: &'a [u8],
    /// Length that was asked for or transferred.
    length: usize,
    /// 0 or a negative error number.
    status: i32,
    at: u64,
}

impl File {
    fn new() -> Self {
        let mut file = Self {
            bytes: Vec::new(),
            id: 1,
        };
        // Section header: byte order, version 1.0, length unknown, written by.
        let mut body = 0x1A2B_3C4D_u32.to_le_bytes().to_vec();
        body.extend(1_u16.to_le_bytes());
        body.extend(0_u16.to_le_bytes());
        body.extend((-1_i64).to_le_bytes());
        option(&mut body, 4, concat!("winscard ", env!("CARGO_PKG_VERSION")).as_bytes());
        option(&mut body, 0, b"");
        file.block(0x0A0D_0D0A, &body);
        // Interface: link type, no limit of length, microseconds.
        let mut body = LINK_TYPE.to_le_bytes().to_vec();
        body.extend(0_u16.to_le_bytes());
        body.extend(0_u32.to_le_bytes());
        option(&mut body, 2, b"winscard");
        option(&mut body, 9, &[6]);
        option(&mut body, 0, b"");
        file.block(1, &body);
        file
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX);
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(body);
        self.bytes.extend(length.to_le_bytes());
    }

    /// An enhanced packet block.
    fn packet(&mut self, packet: &Packet<'_>, begins: bool) {
        let is_in = packet.endpoint & 0x80 != 0;
        let has_data = is_in != begins;
        let data: &[u8] = if has_data { packet.data } else { &[] };
        let mut body = 0_u32.to_le_bytes().to_vec();
        let [high, low] = [packet.at >> 32, packet.at & 0xFFFF_FFFF].map(|part| u32::try_from(part).unwrap_or(0));
        body.extend(high.to_le_bytes());
        body.extend(low.to_le_bytes());
        let size = u32::try_from(64 + data.len()).unwrap_or(u32::MAX);
        body.extend(size.to_le_bytes());
        body.extend(size.to_le_bytes());
        self.header(&mut body, packet, begins, data.len());
        body.extend(data);
        body.resize(body.len().next_multiple_of(4), 0);
        self.block(6, &body);
    }

    /// `struct mon_bin_hdr`, 64 bytes.
    fn header(&self, body: &mut Vec<u8>, packet: &Packet<'_>, begins: bool, captured: usize) {
        let is_in = packet.endpoint & 0x80 != 0;
        let number = |value: u64| u8::try_from(value & 0xFF).unwrap_or(0);
        body.extend(self.id.to_le_bytes());
        body.push(if begins { b'S' } else { b'C' });
        body.push(packet.kind);
        body.push(packet.endpoint);
        body.push(number(packet.address));
        body.extend(u16::try_from(packet.bus).unwrap_or(0).to_le_bytes());
        body.push(if begins && packet.setup.is_some() { 0 } else { b'-' });
        body.push(match (is_in, begins) {
            (true, true) => b'<',
            (false, false) => b'>',
            _ => 0,
        });
        body.extend((packet.at / 1_000_000).to_le_bytes());
        body.extend(u32::try_from(packet.at % 1_000_000).unwrap_or(0).to_le_bytes());
        // A transfer under way is EINPROGRESS.
        let status = if begins { -115 } else { packet.status };
        body.extend(status.to_le_bytes());
        body.extend(u32::try_from(packet.length).unwrap_or(0).to_le_bytes());
        body.extend(u32::try_from(captured).unwrap_or(0).to_le_bytes());
        body.extend(packet.setup.filter(|_| begins).unwrap_or_default());
        body.extend([0; 16]);
    }

    /// Both packets of a transfer.
    fn both(&mut self, mut packet: Packet<'_>, asked: usize, end: u64) {
        let transferred = packet.length;
        packet.length = asked;
        self.packet(&packet, true);
        packet.length = transferred;
        packet.at = end;
        self.packet(&packet, false);
        self.id += 1;
    }

    fn transfer(&mut self, event: &Event, wall: u64) {
        let data: Vec<u8> = event
            .bytes("data")
            .into_iter()
            .map(|byte| byte.unwrap_or(HIDDEN))
            .collect();
        let kind = match event.text("kind") {
            "out" | "in" => BULK,
            "interrupt" => INTERRUPT,
            "control-out" | "control-in" => CONTROL,
            // Not on the wire, or not told in detail.
            _ => return,
        };
        let byte = |name: &str| u8::try_from(event.number(name)).unwrap_or(0);
        let word = |name: &str| u16::try_from(event.number(name)).unwrap_or(0).to_le_bytes();
        let asked = usize::try_from(event.number("room")).unwrap_or(0).max(data.len());
        let setup = (kind == CONTROL).then(|| {
            let [value, index] = [word("value"), word("index")];
            let length = u16::try_from(asked).unwrap_or(u16::MAX).to_le_bytes();
            let mut setup = [byte("request_type"), byte("request"), 0, 0, 0, 0, 0, 0];
            for (to, from) in setup.iter_mut().skip(2).zip([value, index, length].as_flattened()) {
                *to = *from;
            }
            setup
        });
        let endpoint = if kind == CONTROL {
            byte("request_type") & 0x80
        } else {
            byte("endpoint")
        };
        let errno = i32::try_from(event.number("errno")).unwrap_or(0);
        let packet = Packet {
            bus: event.number("bus"),
            address: event.number("address"),
            kind,
            endpoint,
            setup,
            length: if errno == 0 { data.len() } else { 0 },
            data: &data,
            status: -errno,
            at: event.at.saturating_add(wall),
        };
        self.both(packet, asked, event.end().saturating_add(wall));
    }

    /// The requests by which a host learns of the device, as if they had just been made.
    fn describe(&mut self, bus: u64, address: u64, at: u64, interfaces: &[&Event]) {
        for (value, data) in [
            (0x0100, device_descriptor(interfaces)),
            (0x0200, configuration(interfaces)),
        ] {
            let [low, high] = u16::to_le_bytes(value);
            let [len_low, len_high] = u16::try_from(data.len()).unwrap_or(u16::MAX).to_le_bytes();
            let packet = Packet {
                bus,
                address,
                kind: CONTROL,
                endpoint: 0x80,
                setup: Some([0x80, 6, low, high, 0, 0, len_low, len_high]),
                length: data.len(),
                data: &data,
                status: 0,
                at,
            };
            self.both(packet, data.len(), at);
        }
    }
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// USB 2.0 §9.6.1
fn device_descriptor(interfaces: &[&Event]) -> Vec<u8> {
    let word = |name: &str| {
        let number = interfaces.first().map_or(0, |interface| interface.number(name));
        u16::try_from(number).unwrap_or(0).to_le_bytes()
    };
    let mut descriptor = vec![18, 1, 0x00, 0x02, 0, 0, 0, 64];
    descriptor.extend([word("vendor"), word("product"), word("release")].as_flattened());
    descriptor.extend([0, 0, 0, 1]);
    descriptor
}

/// The configuration with the reader's interfaces, their class descriptors and endpoints. USB 2.0 §9.6.3
fn configuration(interfaces: &[&Event]) -> Vec<u8> {
    let mut body = Vec::new();
    for interface in interfaces {
        let byte = |name: &str| u8::try_from(interface.number(name)).unwrap_or(0);
        let endpoints = interface.list("endpoints");
        let count = u8::try_from(endpoints.len()).unwrap_or(0);
        body.extend([9, 4, byte("interface"), 0, count, byte("class"), 0, byte("protocol"), 0]);
        body.extend(
            bytes(interface.text("descriptor"))
                .into_iter()
                .map(|byte| byte.unwrap_or(0)),
        );
        for endpoint in endpoints {
            let number = |name: &str| endpoint.get(name).and_then(Value::as_number).unwrap_or(0);
            let is_interrupt = endpoint.get("kind").and_then(Value::as_text) == Some("interrupt");
            let address = u8::try_from(number("address")).unwrap_or(0);
            let [low, high] = u16::try_from(number("packet")).unwrap_or(0).to_le_bytes();
            body.extend([
                7,
                5,
                address,
                if is_interrupt { 3 } else { 2 },
                low,
                high,
                u8::from(is_interrupt) * 16,
            ]);
        }
    }
    let [low, high] = u16::try_from(body.len() + 9).unwrap_or(u16::MAX).to_le_bytes();
    let count = u8::try_from(interfaces.len()).unwrap_or(0);
    [&[9, 2, low, high, count, 1, 0, 0x80, 50][..], &body].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn blocks_have_the_lengths_they_state() {
        let events: Vec<Event> = [
            r#"{"t":1,"pid":1,"tid":1,"event":"process","wall":1000000}"#,
            r#"{"t":2,"pid":1,"tid":1,"event":"device","bus":1,"address":2,"interface":0,"class":11,"descriptor":"36210001","endpoints":[{"kind":"bulk","address":2,"packet":64}]}"#,
            r#"{"t":3,"pid":1,"tid":1,"event":"usb","bus":1,"address":2,"kind":"out","endpoint":2,"us":5,"data":"6F01**"}"#,
            r#"{"t":9,"pid":1,"tid":1,"event":"usb","bus":1,"address":2,"kind":"in","endpoint":130,"us":5,"errno":110,"data":""}"#,
        ]
        .iter()
        .map(|line| Event::parse(line).unwrap())
        .collect();
        let file = of(&events);
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        let (mut at, mut kinds) = (0, Vec::new());
        while at < file.len() {
            let length = usize::try_from(number(at + 4)).unwrap();
            assert_eq!((length % 4, number(at + length - 4)), (0, number(at + 4)));
            kinds.push(number(at));
            at += length;
        }
        assert_eq!(kinds, [&[0x0A0D_0D0A, 1][..], &[6; 8]].concat());
        assert!(file.windows(3).any(|bytes| bytes == [0x6F, 1, b'*']));
    }
}
