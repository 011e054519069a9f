//! Devices, cards and misbehaviours made of the input.

use std::time::Duration;

use crate::input::Input;
use winscard::sim::{Card, Config, Fault, Injection, Level, PinEntry, Reset, Times};

/// A card that says what the input says.
#[derive(Debug)]
pub(super) struct Says {
    atrs: Vec<Vec<u8>>,
    answers: Vec<Vec<u8>>,
    next: usize,
}

impl Says {
    /// A plain card of T=0 that is content with all.
    pub(super) fn yes() -> Self {
        Self {
            atrs: vec![ATRS[1].to_vec()],
            answers: Vec::new(),
            next: 0,
        }
    }
}

impl Card for Says {
    fn reset(&mut self, _: Reset) -> Vec<u8> {
        self.next += 1;
        self.atrs
            .get(self.next % self.atrs.len().max(1))
            .cloned()
            .unwrap_or_default()
    }

    fn apdu(&mut self, _: &[u8]) -> Vec<u8> {
        self.next += 1;
        self.answers
            .get(self.next % self.answers.len().max(1))
            .cloned()
            .unwrap_or(vec![0x90, 0x00])
    }
}

const ATRS: [&[u8]; 6] = [
    &[0x3B, 0x00],
    &[0x3B, 0x80, 0x80, 0x01, 0x01],
    &[0x3B, 0x80, 0x81, 0x71, 0xFE, 0x45, 0x4B],
    &[0x3B, 0x90, 0x95, 0x81, 0x31, 0xFE, 0x15, 0xC5],
    &[0x3F, 0x60, 0x00, 0x00],
    &[0x3B, 0xF0, 0x11, 0x00, 0xFF, 0x81, 0xB1, 0xFE, 0x45, 0x1F, 0x03, 0xAD],
];

pub(super) fn card(input: &mut Input<'_>) -> Says {
    let atrs = (0..1 + input.below(3)).map(|_| match input.u8() {
        which @ 0..=127 => ATRS[usize::from(which) % ATRS.len()].to_vec(),
        _ => input.counted().to_vec(),
    });
    let atrs = atrs.collect();
    let answers = (0..input.below(4)).map(|_| match input.u8() {
        // Long ones cost no input.
        long @ 200..=255 => vec![0x90; usize::from(long) * 300],
        len => input.bytes(usize::from(len)).to_vec(),
    });
    Says {
        atrs,
        answers: answers.collect(),
        next: usize::MAX / 2,
    }
}

pub(super) fn config(input: &mut Input<'_>) -> Config {
    let (flags, kind) = (input.u8(), input.u8());
    let descriptor = input.counted();
    let level = [Level::Character, Level::Tpdu, Level::ShortApdu, Level::ExtendedApdu][usize::from(kind & 3)];
    // What readers of the collection show, or any bytes made to look like a class descriptor.
    let class_descriptor = (descriptor.len() >= 6).then(|| {
        let mut bytes = descriptor.to_vec();
        bytes.resize(bytes.len().clamp(54, 255), 0);
        bytes[0] = u8::try_from(bytes.len()).unwrap_or(54);
        bytes[1] = 0x21;
        bytes
    });
    let control_only = flags & 1 != 0 && kind & 0x40 != 0;
    Config {
        level,
        class_descriptor,
        control_only,
        protocol: if control_only { 1 + (kind >> 2 & 1) } else { 0 },
        interrupt: flags & 2 == 0,
        composite: flags & 4 != 0,
        abort: flags & 8 == 0,
        slots: 1 + (flags >> 4 & 3),
        pin_support: 3,
        pin_entry: PinEntry::Digits("1234".to_owned()),
        max_packet_len: [64, 8, 512, 16][usize::from(kind >> 4 & 3)],
        features: if flags & 0x80 == 0 {
            Config::default().features
        } else {
            u32::from(input.u16() & 0x0FFF)
        },
        max_message_len: [271, 65_556, 64, 300][usize::from(kind >> 2 & 3)],
        vendor_id: if kind & 0x80 == 0 { 0x1209 } else { input.u16() },
        product_id: if kind & 0x80 == 0 { 1 } else { input.u16() },
        time_extension_every: None,
        ..Config::default()
    }
}

fn fault(input: &mut Input<'_>) -> Fault {
    let value = input.u8();
    match value % 25 {
        0 => Fault::WrongSequence,
        1 => Fault::WrongSlot,
        2 => Fault::OtherSlot(input.u8()),
        3 => Fault::WrongType(input.u8()),
        4 => Fault::StaleAnswer,
        5 => Fault::TimeExtension {
            count: input.u8(),
            multiplier: input.u8(),
            every: Duration::from_millis(input.u8().into()),
        },
        6 => Fault::SplitAnswer(input.u8().into()),
        7 => Fault::MissingZlp,
        8 => Fault::ZlpBefore,
        9 => Fault::ZlpAfter,
        10 => Fault::Babble,
        11 => Fault::StallIn,
        12 => Fault::StallOut,
        13 => Fault::WrongLength(input.u32().cast_signed()),
        14 => Fault::CutAnswer(input.u8().into()),
        15 => Fault::Silence,
        16 => Fault::Lost,
        17 => Fault::Delay(Duration::from_millis(u64::from(input.u8()) * 50)),
        18 => Fault::Fail(input.u8()),
        19 => Fault::FailAfter(input.u8()),
        20 => Fault::Garble(input.u8().into()),
        21 => Fault::CardPulled,
        22 => Fault::Interrupt(input.counted().to_vec()),
        23 if value > 200 => Fault::Unplugged,
        _ => Fault::Answer(input.counted().to_vec()),
    }
}

pub(super) fn injection(input: &mut Input<'_>) -> Injection {
    let how = input.u8();
    let on = [
        None,
        Some(0x6F),
        Some(0x62),
        Some(0x65),
        Some(0x61),
        Some(0x6B),
        Some(0x69),
        None,
    ][usize::from(how & 7)];
    Injection {
        on,
        times: if how & 0xF0 == 0xF0 {
            Times::Always
        } else {
            Times::Count(u32::from(how >> 4))
        },
        fault: if how & 8 == 0 {
            fault(input)
        } else {
            Fault::Several(vec![fault(input), fault(input)])
        },
    }
}
