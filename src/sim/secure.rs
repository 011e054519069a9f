//! PIN verification at the reader's own PIN pad: the PIN put into the command template (CCID 1.1 §6.1.11).

use super::wire::error;

/// Fields of the PIN verification data structure that decide where the PIN goes.
#[derive(Debug)]
struct Verification<'a> {
    format: u8,
    block: u8,
    length_format: u8,
    max_len: u8,
    min_len: u8,
    prologue: [u8; 3],
    template: &'a [u8],
}

/// A command ready for the card, with the T=1 prologue the host wants (NAD, PCB, LEN).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Prepared {
    pub(super) apdu: Vec<u8>,
    pub(super) prologue: [u8; 3],
    /// The typed PIN is outside of the limits: nothing goes to the card.
    pub(super) wrong_len: bool,
}

/// Builds the command from the data of PC_to_RDR_Secure. The error is a `bError`.
pub(super) fn prepare(data: &[u8], digits: &str) -> Result<Prepared, u8> {
    let fields = parse(data)?;
    let typed: Vec<u8> = digits
        .bytes()
        .filter(u8::is_ascii_digit)
        .map(|digit| digit - b'0')
        .collect();
    let count = u8::try_from(typed.len()).unwrap_or(u8::MAX);
    let wrong_len = count < fields.min_len || (fields.max_len != 0 && count > fields.max_len);
    let apdu = insert(&fields, &typed, count)?;
    Ok(Prepared {
        apdu,
        prologue: fields.prologue,
        wrong_len,
    })
}

fn parse(data: &[u8]) -> Result<Verification<'_>, u8> {
    let (&operation, rest) = data.split_first().ok_or(error::BAD_LENGTH)?;
    if operation != 0 {
        return Err(error::BAD_FIRST_DATA_BYTE);
    }
    let (fixed, template) = rest.split_first_chunk::<14>().ok_or(error::BAD_LENGTH)?;
    let &[
        _timeout,
        format,
        block,
        length_format,
        max_len,
        min_len,
        _condition,
        _messages,
        _,
        _,
        _index,
        a,
        b,
        c,
    ] = fixed;
    if template.len() < 4 {
        return Err(error::BAD_LENGTH);
    }
    Ok(Verification {
        format,
        block,
        length_format,
        max_len,
        min_len,
        prologue: [a, b, c],
        template,
    })
}

/// Offsets of the fields in the message, for errors.
const FORMAT_OFFSET: u8 = 0x0C;
const BLOCK_OFFSET: u8 = 0x0D;

fn insert(fields: &Verification<'_>, digits: &[u8], count: u8) -> Result<Vec<u8>, u8> {
    let width = match fields.format & 0x03 {
        0 | 2 => 8,
        1 => 4,
        _ => return Err(FORMAT_OFFSET),
    };
    let ascii = if fields.format & 0x03 == 2 { b'0' } else { 0 };
    let unit = |bytes: bool| if bytes { 8 } else { 1 };
    let position = usize::from((fields.format >> 3) & 0x0F) * unit(fields.format & 0x80 != 0);
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
    let (header, body) = fields.template.split_at_checked(4).ok_or(error::BAD_LENGTH)?;
    let mut field: Vec<u8> = body.get(1..).unwrap_or_default().to_vec();
    if field.len() * 8 < field_bits {
        field.resize(field_bits.div_ceil(8), 0xFF);
    }
    let right = fields.format & 0x04 != 0;
    let start = if right { field_bits - pin_bits } else { position };
    for (at, digit) in digits.iter().enumerate() {
        write_bits(&mut field, start + at * width, width, digit + ascii);
    }
    let length_bits = usize::from(fields.block >> 4);
    if length_bits > 8 {
        return Err(BLOCK_OFFSET);
    }
    let length_at = usize::from(fields.length_format & 0x0F) * unit(fields.length_format & 0x10 != 0);
    write_bits(&mut field, length_at, length_bits, count);
    let mut apdu = header.to_vec();
    apdu.push(u8::try_from(field.len()).map_err(|_| error::BAD_LENGTH)?);
    apdu.extend(field);
    Ok(apdu)
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
        let prepared = prepare(&structure(0x82, 0x08, 0, &template), "1234").unwrap();
        assert_eq!(prepared.apdu, b"\0\x20\0\x01\x08\x31\x32\x33\x34\xFF\xFF\xFF\xFF");
    }

    #[test]
    fn pin_without_block_gets_its_own_length() {
        let prepared = prepare(&structure(0x82, 0x00, 0, &[0, 0x20, 0, 1]), "12345").unwrap();
        assert_eq!(prepared.apdu, b"\0\x20\0\x01\x0512345");
    }

    #[test]
    fn iso_9564_format_2_has_length_nibble_and_bcd_digits() {
        let template = [&[0, 0x20, 0, 1, 8, 0x20][..], &[0xFF; 7]].concat();
        let prepared = prepare(&structure(0x89, 0x47, 0x04, &template), "1234").unwrap();
        assert_eq!(prepared.apdu, b"\0\x20\0\x01\x08\x24\x12\x34\xFF\xFF\xFF\xFF\xFF");
    }

    #[test]
    fn limits_and_broken_structures() {
        assert!(
            prepare(&structure(0x82, 0, 0, &[0, 0x20, 0, 1]), "123")
                .unwrap()
                .wrong_len
        );
        assert_eq!(prepare(&[0, 1, 2], "1234"), Err(error::BAD_LENGTH));
        assert_eq!(prepare(&[], "1234"), Err(error::BAD_LENGTH));
        assert_eq!(prepare(&[1; 40], "1234"), Err(error::BAD_FIRST_DATA_BYTE));
        assert_eq!(
            prepare(&structure(0x82, 0x02, 0, &[0, 0x20, 0, 1]), "1234"),
            Err(BLOCK_OFFSET)
        );
    }
}
