//! PIN operations at the reader's own PIN pad: PINs put into the command template (CCID 1.1 §6.1.11).

use super::wire::error;

/// Fields of the data structures that decide where PINs go.
#[derive(Debug)]
struct Fields<'a> {
    format: u8,
    block: u8,
    length_format: u8,
    max_len: u8,
    min_len: u8,
    change: Option<Change>,
    prologue: [u8; 3],
    template: &'a [u8],
}

/// What modification has beside that.
#[derive(Debug)]
struct Change {
    old_offset: u8,
    new_offset: u8,
    confirm: u8,
}

/// A command ready for the card, with the T=1 prologue the host wants (NAD, PCB, LEN).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Prepared {
    pub(super) apdu: Vec<u8>,
    pub(super) prologue: [u8; 3],
    /// What was typed does not do (PC/SC part 10 §2.5): nothing goes to the card.
    pub(super) refusal: Option<[u8; 2]>,
}

/// Status words of the reader itself.
const PINS_DIFFER: [u8; 2] = [0x64, 0x02];
const WRONG_LEN: [u8; 2] = [0x64, 0x03];

/// Whether a reader with this `bPINSupport` has the operation; one that is none is found out later.
pub(super) fn is_supported(data: &[u8], pin_support: u8) -> bool {
    match data.first() {
        Some(1) => pin_support & 2 != 0,
        _ => pin_support & 1 != 0,
    }
}

/// Builds the command from the data of PC_to_RDR_Secure and what is typed: old PIN, new one, new one again. The error is
/// a `bError`.
pub(super) fn prepare(data: &[u8], typed: [&str; 3]) -> Result<Prepared, u8> {
    let fields = parse(data)?;
    let [old, new, again] = typed.map(digits);
    let pins: Vec<(u8, &[u8])> = match &fields.change {
        None => vec![(0, &old)],
        Some(change) if change.confirm & 2 != 0 => vec![(change.old_offset, &old), (change.new_offset, &new)],
        Some(change) => vec![(change.new_offset, &new)],
    };
    let fits = |pin: &[u8]| {
        pin.len() >= usize::from(fields.min_len) && (fields.max_len == 0 || pin.len() <= usize::from(fields.max_len))
    };
    let refusal = if !pins.iter().all(|(_, pin)| fits(pin)) {
        Some(WRONG_LEN)
    } else if fields.change.as_ref().is_some_and(|change| change.confirm & 1 != 0) && new != again {
        Some(PINS_DIFFER)
    } else {
        None
    };
    Ok(Prepared {
        apdu: insert(&fields, &pins)?,
        prologue: fields.prologue,
        refusal,
    })
}

fn digits(typed: &str) -> Vec<u8> {
    typed
        .bytes()
        .filter(u8::is_ascii_digit)
        .map(|digit| digit - b'0')
        .collect()
}

fn parse(data: &[u8]) -> Result<Fields<'_>, u8> {
    let (&operation, rest) = data.split_first().ok_or(error::BAD_LENGTH)?;
    match operation {
        0 => parse_verification(rest),
        1 => parse_modification(rest),
        _ => Err(error::BAD_FIRST_DATA_BYTE),
    }
}

fn parse_verification(rest: &[u8]) -> Result<Fields<'_>, u8> {
    let (fixed, template) = rest.split_first_chunk::<14>().ok_or(error::BAD_LENGTH)?;
    #[rustfmt::skip]
    let &[_timeout, format, block, length_format, max_len, min_len, _condition, _messages, _, _, _index, a, b, c] = fixed;
    checked(Fields {
        format,
        block,
        length_format,
        max_len,
        min_len,
        change: None,
        prologue: [a, b, c],
        template,
    })
}

/// bMsgIndex2 is there from one message on, bMsgIndex3 from three: the class leaves the first open.
fn parse_modification(rest: &[u8]) -> Result<Fields<'_>, u8> {
    let (fixed, rest) = rest.split_first_chunk::<14>().ok_or(error::BAD_LENGTH)?;
    #[rustfmt::skip]
    let &[
        _timeout, format, block, length_format, old_offset, new_offset, max_len, min_len, confirm, _condition, messages,
        _, _, _index,
    ] = fixed;
    let more_indexes = match messages {
        0 => 0,
        1 | 2 => 1,
        _ => 2,
    };
    let rest = rest.get(more_indexes..).ok_or(error::BAD_LENGTH)?;
    let (&prologue, template) = rest.split_first_chunk().ok_or(error::BAD_LENGTH)?;
    checked(Fields {
        format,
        block,
        length_format,
        max_len,
        min_len,
        change: Some(Change {
            old_offset,
            new_offset,
            confirm,
        }),
        prologue,
        template,
    })
}

fn checked(fields: Fields<'_>) -> Result<Fields<'_>, u8> {
    if fields.template.len() < 4 {
        return Err(error::BAD_LENGTH);
    }
    Ok(fields)
}

/// Offsets of the fields in the message, for errors.
const FORMAT_OFFSET: u8 = 0x0C;
const BLOCK_OFFSET: u8 = 0x0D;

/// Puts each PIN, given with its offset in bytes, into the template.
fn insert(fields: &Fields<'_>, pins: &[(u8, &[u8])]) -> Result<Vec<u8>, u8> {
    let (header, body) = fields.template.split_at_checked(4).ok_or(error::BAD_LENGTH)?;
    let mut field: Vec<u8> = body.get(1..).unwrap_or_default().to_vec();
    for (offset, digits) in pins {
        insert_one(fields, &mut field, usize::from(*offset) * 8, digits)?;
    }
    let mut apdu = header.to_vec();
    apdu.push(u8::try_from(field.len()).map_err(|_| error::BAD_LENGTH)?);
    apdu.extend(field);
    Ok(apdu)
}

fn insert_one(fields: &Fields<'_>, field: &mut Vec<u8>, offset: usize, digits: &[u8]) -> Result<(), u8> {
    let width = match fields.format & 0x03 {
        0 | 2 => 8,
        1 => 4,
        _ => return Err(FORMAT_OFFSET),
    };
    let ascii = if fields.format & 0x03 == 2 { b'0' } else { 0 };
    let unit = |bytes: bool| if bytes { 8 } else { 1 };
    let position = offset + usize::from((fields.format >> 3) & 0x0F) * unit(fields.format & 0x80 != 0);
    let block_len = usize::from(fields.block & 0x0F);
    let pin_bits = digits.len() * width;
    // Without a block length the field is as long as the PIN.
    let field_bits = if block_len == 0 {
        position + pin_bits.next_multiple_of(8)
    } else {
        position + block_len * 8
    };
    if position + pin_bits > field_bits {
        return Err(BLOCK_OFFSET);
    }
    if field.len() * 8 < field_bits {
        field.resize(field_bits.div_ceil(8), 0xFF);
    }
    let right = fields.format & 0x04 != 0;
    let start = if right { field_bits - pin_bits } else { position };
    for (at, digit) in digits.iter().enumerate() {
        write_bits(field, start + at * width, width, digit + ascii);
    }
    let length_bits = usize::from(fields.block >> 4);
    if length_bits > 8 {
        return Err(BLOCK_OFFSET);
    }
    let length_at = offset + usize::from(fields.length_format & 0x0F) * unit(fields.length_format & 0x10 != 0);
    let count = u8::try_from(digits.len()).unwrap_or(u8::MAX);
    write_bits(field, length_at, length_bits, count);
    Ok(())
}

/// Writes the low `width` bits of a value at a bit position, most significant first; outside of the field is nothing.
fn write_bits(field: &mut [u8], position: usize, width: usize, value: u8) {
    for bit in 0..width {
        let at = position + bit;
        let Some(byte) = field.get_mut(at / 8) else {
            return;
        };
        let mask = 0x80_u8 >> (at % 8);
        if value >> (width - 1 - bit) & 1 == 1 {
            *byte |= mask;
        } else {
            *byte &= !mask;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn structure(format: u8, block: u8, length_format: u8, template: &[u8]) -> Vec<u8> {
        let mut data = vec![0, 30, format, block, length_format, 8, 4, 2, 1, 9, 4, 0, 0, 0, 0];
        data.extend(template);
        data
    }

    #[test]
    fn ascii_pin_padded_to_a_block_of_eight() {
        let template = [&[0, 0x20, 0, 1, 8][..], &[0xFF; 8]].concat();
        let prepared = prepare(&structure(0x82, 0x08, 0, &template), ["1234", "", ""]).unwrap();
        assert_eq!(prepared.apdu, b"\0\x20\0\x01\x08\x31\x32\x33\x34\xFF\xFF\xFF\xFF");
    }

    #[test]
    fn pin_without_block_gets_its_own_length() {
        let prepared = prepare(&structure(0x82, 0x00, 0, &[0, 0x20, 0, 1]), ["12345", "", ""]).unwrap();
        assert_eq!(prepared.apdu, b"\0\x20\0\x01\x0512345");
    }

    #[test]
    fn iso_9564_format_2_has_length_nibble_and_bcd_digits() {
        let template = [&[0, 0x20, 0, 1, 8, 0x20][..], &[0xFF; 7]].concat();
        let prepared = prepare(&structure(0x89, 0x47, 0x04, &template), ["1234", "", ""]).unwrap();
        assert_eq!(prepared.apdu, b"\0\x20\0\x01\x08\x24\x12\x34\xFF\xFF\xFF\xFF\xFF");
    }

    #[test]
    fn limits_and_broken_structures() {
        assert!(
            prepare(&structure(0x82, 0, 0, &[0, 0x20, 0, 1]), ["123", "", ""])
                .unwrap()
                .refusal
                .is_some()
        );
        assert_eq!(prepare(&[0, 1, 2], ["1234", "", ""]), Err(error::BAD_LENGTH));
        assert_eq!(prepare(&[], ["1234", "", ""]), Err(error::BAD_LENGTH));
        assert_eq!(prepare(&[2; 40], ["1234", "", ""]), Err(error::BAD_FIRST_DATA_BYTE));
        assert_eq!(
            prepare(&structure(0x82, 0x02, 0, &[0, 0x20, 0, 1]), ["1234", "", ""]),
            Err(BLOCK_OFFSET)
        );
    }

    /// Two blocks of 8, old PIN and new one, both typed; the new one twice.
    fn modification(messages: u8, indexes: &[u8]) -> Vec<u8> {
        let mut data = vec![1, 30, 0x82, 0x08, 0, 0, 8, 8, 4, 3, 2, messages, 9, 4];
        data.extend(indexes);
        data.extend([0, 0, 0, 0, 0x24, 0, 1, 16]);
        data.extend([0xFF; 16]);
        data
    }

    #[test]
    fn old_and_new_pin_go_to_their_offsets() {
        for (messages, indexes) in [
            (0, &[0][..]),
            (1, &[0, 1]),
            (2, &[0, 1]),
            (3, &[0, 1, 2]),
            (0xFF, &[0, 1, 2]),
        ] {
            let prepared = prepare(&modification(messages, indexes), ["1234", "56789", "56789"]).unwrap();
            assert_eq!(prepared.apdu, b"\0\x24\0\x01\x101234\xFF\xFF\xFF\xFF56789\xFF\xFF\xFF");
            assert_eq!(prepared.refusal, None);
        }
        let differing = prepare(&modification(0, &[0]), ["1234", "5678", "5679"]).unwrap();
        assert_eq!(differing.refusal, Some(PINS_DIFFER));
        let short = prepare(&modification(0, &[0]), ["1234", "567", "567"]).unwrap();
        assert_eq!(short.refusal, Some(WRONG_LEN));
    }
}
