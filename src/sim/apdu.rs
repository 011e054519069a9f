//! Command APDUs as the built-in card reads them.

/// A command APDU taken apart (ISO 7816-4 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    pub(super) cla: u8,
    pub(super) ins: u8,
    pub(super) p1: u8,
    pub(super) p2: u8,
    pub(super) data: &'a [u8],
    /// Ne; 0 if there is no Le field.
    pub(super) expected: usize,
}

impl<'a> Command<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[cla, ins, p1, p2], body) = bytes.split_first_chunk::<4>()?;
        let (data, expected) = match *body {
            [] => (body, 0),
            [le] => (&[][..], if le == 0 { 256 } else { usize::from(le) }),
            [0, high, low] => (&[][..], Self::extended_le(high, low)),
            [0, high, low, ref rest @ ..] => {
                let (data, le) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
                match *le {
                    [] if !data.is_empty() => (data, 0),
                    [high, low] if !data.is_empty() => (data, Self::extended_le(high, low)),
                    _ => return None,
                }
            }
            [0, _] => return None,
            [lc, ref rest @ ..] => {
                let (data, le) = rest.split_at_checked(usize::from(lc))?;
                match *le {
                    [] => (data, 0),
                    [le] => (data, if le == 0 { 256 } else { usize::from(le) }),
                    _ => return None,
                }
            }
        };
        Some(Self {
            cla,
            ins,
            p1,
            p2,
            data,
            expected,
        })
    }

    fn extended_le(high: u8, low: u8) -> usize {
        match u16::from_be_bytes([high, low]) {
            0 => 65_536,
            le => usize::from(le),
        }
    }

    pub(super) fn p1p2(&self) -> u16 {
        u16::from_be_bytes([self.p1, self.p2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(body: &[u8]) -> Option<(usize, usize)> {
        let apdu = [&[0, 0xA4, 0, 0], body].concat();
        Command::parse(&apdu).map(|c| (c.data.len(), c.expected))
    }

    #[test]
    fn all_seven_forms_of_iso_7816_4_table_5() {
        assert_eq!(lengths(&[]), Some((0, 0)), "case 1");
        assert_eq!(lengths(&[5]), Some((0, 5)), "case 2 short");
        assert_eq!(lengths(&[0]), Some((0, 256)), "case 2 short, all");
        assert_eq!(lengths(&[0, 1, 2]), Some((0, 258)), "case 2 extended");
        assert_eq!(lengths(&[0, 0, 0]), Some((0, 65_536)), "case 2 extended, all");
        assert_eq!(lengths(&[2, 9, 9]), Some((2, 0)), "case 3 short");
        assert_eq!(lengths(&[0, 0, 2, 9, 9]), Some((2, 0)), "case 3 extended");
        assert_eq!(lengths(&[2, 9, 9, 0]), Some((2, 256)), "case 4 short");
        assert_eq!(lengths(&[0, 0, 2, 9, 9, 1, 0]), Some((2, 256)), "case 4 extended");
    }

    #[test]
    fn wrong_lengths_are_no_commands() {
        for body in [
            &[0, 1][..],
            &[2, 9],
            &[2, 9, 9, 0, 0],
            &[0, 0, 2, 9],
            &[0, 0, 2, 9, 9, 1],
            &[0, 0, 0, 1],
        ] {
            assert_eq!(lengths(body), None, "{body:02X?}");
        }
        assert_eq!(Command::parse(&[0, 0xA4, 0]), None);
    }
}
