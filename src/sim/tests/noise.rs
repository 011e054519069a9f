//! Whatever a host sends, the device answers or keeps quiet, and then works again.

use std::time::Duration;

use super::host::{Host, command};
use crate::sim::config::feature;
use crate::sim::device::In;
use crate::sim::wire::kind;
use crate::sim::{BuiltinCard, Config, Level, PinEntry};
use crate::usb::ControlRequest;

/// xorshift32, so that a failure can be had again.
struct Noise(u32);

impl Noise {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % limit
    }

    fn byte(&mut self) -> u8 {
        self.below(256).to_le_bytes()[0]
    }

    fn bytes(&mut self, most: u32) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.byte()).collect()
    }
}

/// Reads whatever there is; every message must be whole.
fn drain(host: &mut Host) {
    for _ in 0..1000 {
        match host.device.bulk_in(host.now) {
            In::Packet(packet) => assert!(packet.len() <= 64),
            In::Nak(Some(at)) => host.now = at,
            In::Nak(None) => return,
            In::Stall => panic!("nobody asked for a halt"),
        }
    }
    panic!("the device never stops talking");
}

fn round(noise: &mut Noise, host: &mut Host) {
    const KINDS: [u8; 14] = [
        0x61, 0x62, 0x63, 0x65, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x6F, 0x71, 0x73,
    ];
    let at = usize::try_from(noise.below(14)).unwrap();
    let specific = [noise.byte() & 3, noise.byte() & 0x13, 0];
    let message = match noise.below(8) {
        0 => noise.bytes(200),
        1 => {
            let mut message = command(KINDS[at], 0, noise.byte(), specific, &noise.bytes(100));
            let place = usize::try_from(noise.below(10)).unwrap();
            message[place] = noise.byte();
            message
        }
        2 => command(
            kind::XFR_BLOCK,
            0,
            0,
            specific,
            &[0x80, 0x12, 0, noise.byte(), noise.byte()],
        ),
        _ => command(KINDS[at], noise.byte() & 1, noise.byte(), specific, &noise.bytes(70)),
    };
    for packet in message.chunks(64) {
        let _answered = host.device.bulk_out(packet, host.now);
    }
    drain(host);
    if noise.below(20) == 0 {
        let request = ControlRequest {
            request_type: 0x02,
            request: 1,
            value: 0,
            index: 1,
        };
        assert!(host.device.control(request, host.now).is_some());
    }
    host.now += Duration::from_millis(1);
}

#[test]
fn no_bytes_upset_the_device() {
    for (seed, level) in [Level::Character, Level::Tpdu, Level::ShortApdu, Level::ExtendedApdu]
        .into_iter()
        .enumerate()
    {
        for features in [Config::default().features, feature::AUTO_VOLTAGE | feature::CLOCK_STOP] {
            let config = Config {
                features,
                mechanical: 0x0F,
                pin_support: 1,
                pin_entry: PinEntry::Digits("1234".into()),
                ..Config::at_level(level)
            };
            let mut noise = Noise(0x9E37_79B9 + u32::try_from(seed).unwrap());
            let mut host = Host::powered(config, BuiltinCard::default());
            for _ in 0..3000 {
                round(&mut noise, &mut host);
                if !host.device.has_card(0) {
                    host.device.insert(0, Box::new(BuiltinCard::default()));
                }
            }
            host.device.bus_reset();
            host.slot = 0;
            host.ask(kind::ICC_POWER_ON, [0; 3], &[]).good();
        }
    }
}
