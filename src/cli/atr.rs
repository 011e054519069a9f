//! What an ATR says, in words.
// ISO 7816-3 §8; historical bytes: ISO 7816-4 §12.1.1

use super::hex;
use crate::iso7816::atr::{Atr, Tck};
use crate::iso7816::params::{DEFAULT_FI_DI, baud_rate_adjustment, clock_rate_conversion};

/// What is told of an ATR: a heading and the text under it, in the order of the bytes.
pub(super) fn explain(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let atr = match Atr::parse(bytes) {
        Ok(atr) => atr,
        Err(error) => return vec![("problem", format!("no valid ATR: {error}"))],
    };
    let mut lines = vec![
        (
            "convention",
            if atr.is_inverse() { "inverse" } else { "direct" }.to_owned(),
        ),
        ("protocols", protocols(&atr)),
        ("speed", speed(&atr)),
    ];
    if let Some(guard) = atr.tc1().filter(|guard| *guard != 0) {
        let text = match guard {
            255 => "the shortest the protocol allows".to_owned(),
            etu => format!("{etu} etu more than the least"),
        };
        lines.push(("guard time", text));
    }
    if atr.protocols().any(|protocol| protocol == 1) {
        lines.push(("T=1", t1(&atr)));
    }
    if let Some(global) = atr.global_indicator() {
        lines.push(("voltage", voltage(global.classes)));
        if global.clock_stop != 0 {
            let state = ["", "low", "high", "low or high"]
                .get(usize::from(global.clock_stop))
                .copied();
            lines.push(("clock", format!("may be stopped {}", state.unwrap_or_default())));
        }
    }
    historical(&mut lines, atr.historical_bytes());
    problems(&mut lines, &atr);
    lines
}

fn protocols(atr: &Atr) -> String {
    let mut numbers: Vec<u8> = atr.protocols().collect();
    numbers.dedup();
    let names: Vec<String> = numbers.iter().map(|number| format!("T={number}")).collect();
    let mode = match atr.specific_mode() {
        None if names.len() > 1 => format!("T={} unless another is chosen", atr.default_protocol()),
        None => return names.join(", "),
        Some(mode) if mode.can_change => format!("specific mode T={}, a reset leads to negotiation", mode.protocol),
        Some(mode) => format!("specific mode T={}, nothing to choose", mode.protocol),
    };
    format!("{} ({mode})", names.join(", "))
}

fn speed(atr: &Atr) -> String {
    let fi_di = atr.ta1().unwrap_or(DEFAULT_FI_DI);
    match (clock_rate_conversion(fi_di), baud_rate_adjustment(fi_di)) {
        (Some(f), Some(d)) if f > 0 => {
            let rate = u64::from(d) * 4_000_000 / u64::from(f);
            format!("F={f}, D={d}: up to {rate} bit/s at 4 MHz")
        }
        _ => format!("TA1={fi_di:02X}, which is reserved"),
    }
}

fn t1(atr: &Atr) -> String {
    let integers = atr.waiting_integers().unwrap_or(0x4D);
    format!(
        "blocks of up to {} bytes, BWI {}, CWI {}, {}",
        atr.ifsc().unwrap_or(32),
        integers >> 4,
        integers & 0x0F,
        if atr.uses_crc() { "CRC" } else { "LRC" },
    )
}

fn voltage(classes: u8) -> String {
    let names: Vec<&str> = [(1, "5 V"), (2, "3 V"), (4, "1.8 V")]
        .into_iter()
        .filter(|(bit, _)| classes & bit != 0)
        .map(|(_, name)| name)
        .collect();
    if names.is_empty() {
        "not told".into()
    } else {
        names.join(", ")
    }
}

fn historical(lines: &mut Vec<(&'static str, String)>, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let printable = bytes.iter().filter(|byte| (0x20..0x7F).contains(*byte)).count();
    let text = if printable * 4 >= bytes.len() * 3 {
        format!(" \"{}\"", hex::ascii(bytes))
    } else {
        String::new()
    };
    lines.push(("historical", format!("{}{text}", hex::spaced(bytes, None))));
    match bytes.split_first() {
        Some((0x80, objects)) => compact_tlv(lines, objects),
        Some((0x00, rest)) => {
            let (objects, status) = rest
                .split_at_checked(rest.len().saturating_sub(3))
                .unwrap_or((rest, &[]));
            compact_tlv(lines, objects);
            if let &[life, sw1, sw2] = status {
                lines.push(("life cycle", format!("{life:02X}, status {sw1:02X}{sw2:02X}")));
            }
        }
        Some((0x10, [reference, ..])) => lines.push(("directory", format!("DIR data reference {reference:02X}"))),
        _ => {}
    }
}

/// COMPACT-TLV data objects. ISO 7816-4 §12.1.1.3 and following
fn compact_tlv(lines: &mut Vec<(&'static str, String)>, mut objects: &[u8]) {
    while let Some((&head, rest)) = objects.split_first() {
        // PC/SC part 3 §3.1.3.2.3: a storage card behind a contactless reader, told in BER-TLV.
        if head == 0x4F {
            if let Some(text) = storage_card(rest) {
                lines.push(("storage card", text));
            }
            return;
        }
        let Some((value, after)) = rest.split_at_checked(usize::from(head & 0x0F)) else {
            lines.push(("problem", "historical bytes end within a data object".into()));
            return;
        };
        let shown = hex::spaced(value, None);
        match head >> 4 {
            1 => lines.push(("country", shown)),
            2 => lines.push(("issuer", shown)),
            3 => lines.push(("services", services(value))),
            4 => lines.push(("initial access", shown)),
            5 => lines.push(("issuer's data", format!("{shown} \"{}\"", hex::ascii(value)))),
            6 => lines.push(("pre-issuing", shown)),
            7 => lines.push(("capabilities", capabilities(value))),
            8 => lines.push(("status", shown)),
            15 => lines.push(("application", shown)),
            _ => lines.push(("data object", format!("{:X}: {shown}", head >> 4))),
        }
        objects = after;
    }
}

fn services(value: &[u8]) -> String {
    let first = value.first().copied().unwrap_or(0);
    named(
        first,
        &[
            (0x80, "selection by full name"),
            (0x40, "selection by part of the name"),
            (0x20, "data objects in EF.DIR"),
            (0x10, "data objects in EF.ATR"),
        ],
    )
}

fn capabilities(value: &[u8]) -> String {
    let mut words = Vec::new();
    if let Some(&third) = value.get(2) {
        let text = named(third, &[(0x80, "command chaining"), (0x40, "extended length")]);
        words.extend((text != "none told").then_some(text));
        if third & 0x07 != 0 || third & 0x18 != 0 {
            words.push(format!("{} logical channels", (third & 0x07) + 1));
        }
    }
    if let Some(&first) = value.first() {
        let by_name = named(
            first,
            &[
                (0x80, "selection by full name"),
                (0x40, "by part of the name"),
                (0x04, "by file identifier"),
            ],
        );
        words.extend((by_name != "none told").then_some(by_name));
    }
    if words.is_empty() {
        hex::spaced(value, None)
    } else {
        words.join(", ")
    }
}

fn named(value: u8, bits: &[(u8, &str)]) -> String {
    let words: Vec<&str> = bits
        .iter()
        .filter(|(bit, _)| value & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    if words.is_empty() {
        "none told".into()
    } else {
        words.join(", ")
    }
}

/// Registered application identifier, standard, and name of the card.
fn storage_card(value: &[u8]) -> Option<String> {
    let identifier = value.get(1..)?.strip_prefix(&[0xA0, 0x00, 0x00, 0x03, 0x06])?;
    let &[standard, high, low, ..] = identifier else {
        return None;
    };
    let standard = match standard {
        0x03 => "ISO 14443 A",
        0x05..=0x08 => "ISO 14443 B",
        0x09..=0x0C => "ISO 15693",
        0x11 => "FeliCa",
        _ => "another standard",
    };
    let name = match u16::from_be_bytes([high, low]) {
        0x0001 => "MIFARE Classic 1K",
        0x0002 => "MIFARE Classic 4K",
        0x0003 => "MIFARE Ultralight",
        0x0026 => "MIFARE Mini",
        0x003A => "MIFARE Ultralight C",
        0x0036 => "MIFARE Plus 2K, security level 1",
        0x0037 => "MIFARE Plus 4K, security level 1",
        0x003B => "FeliCa",
        0x0014 => "ICODE SLI",
        0x0012 => "Texas Instruments Tag-it",
        _ => return Some(format!("{standard}, kind {high:02X}{low:02X}")),
    };
    Some(format!("{name} ({standard})"))
}

fn problems(lines: &mut Vec<(&'static str, String)>, atr: &Atr) {
    if !atr.is_complete() {
        lines.push(("problem", "historical bytes are cut short".into()));
    }
    match atr.tck() {
        Tck::Missing => lines.push(("problem", "the check byte is missing".into())),
        Tck::Wrong => lines.push(("problem", "the check byte is wrong".into())),
        Tck::Absent | Tck::Valid => {}
    }
    if !atr.trailing_bytes().is_empty() {
        lines.push(("problem", format!("{} bytes too many", atr.trailing_bytes().len())));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn told(atr: &str, heading: &str) -> String {
        let lines = explain(&hex::parse(atr).unwrap());
        lines
            .into_iter()
            .find(|(name, _)| *name == heading)
            .map(|(_, text)| text)
            .unwrap_or_default()
    }

    #[test]
    fn an_atr_is_told_byte_by_byte() {
        const OPENPGP: &str = "3B DA 18 FF 81 B1 FE 75 1F 03 00 31 F5 73 C0 01 60 00 90 00 1C";
        assert_eq!(told(OPENPGP, "convention"), "direct");
        assert_eq!(told(OPENPGP, "protocols"), "T=1");
        assert_eq!(told(OPENPGP, "speed"), "F=372, D=12: up to 129032 bit/s at 4 MHz");
        assert_eq!(told(OPENPGP, "T=1"), "blocks of up to 254 bytes, BWI 7, CWI 5, LRC");
        assert_eq!(
            told(OPENPGP, "services"),
            "selection by full name, selection by part of the name, data objects in EF.DIR, data objects in EF.ATR"
        );
        assert_eq!(
            told(OPENPGP, "capabilities"),
            "extended length, selection by full name, by part of the name"
        );
        assert_eq!(
            told("3B 68 00 00 77 69 6E 73 63 61 72 64", "historical"),
            "77 69 6E 73 63 61 72 64 \"winscard\""
        );
    }

    #[test]
    fn storage_cards_and_damage_are_told() {
        const CLASSIC: &str = "3B 8F 80 01 80 4F 0C A0 00 00 03 06 03 00 01 00 00 00 00 6A";
        assert_eq!(told(CLASSIC, "storage card"), "MIFARE Classic 1K (ISO 14443 A)");
        assert_eq!(told("3B", "problem"), "no valid ATR: an ATR has 2 to 33 bytes");
        assert_eq!(told("3B 80 01 00", "problem"), "the check byte is wrong");
    }
}
