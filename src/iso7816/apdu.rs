//! Command and response APDUs.
// ISO 7816-3 §12.1, ISO 7816-4 §5

use std::fmt;

/// Longest command APDU: header, extended Lc, 65535 bytes, extended Le.
pub const MAX_COMMAND_LEN: usize = 4 + 3 + 65_535 + 2;

/// Longest response APDU: 65536 bytes and the status word.
pub const MAX_RESPONSE_LEN: usize = 65_536 + 2;

/// Longest command APDU of the short form.
pub const MAX_SHORT_COMMAND_LEN: usize = 4 + 1 + 255 + 1;

/// Why bytes are no command APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApduError {
    /// Shorter than CLA INS P1 P2.
    TooShort,
    /// Lc and the length of what follows disagree.
    Length,
}

impl fmt::Display for ApduError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "a command APDU has at least 4 bytes",
            Self::Length => "Lc does not agree with the length of the APDU",
        })
    }
}

impl std::error::Error for ApduError {}

/// The command case: what has data in which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Neither command nor response data.
    One,
    /// Response data only.
    Two,
    /// Command data only.
    Three,
    /// Both.
    Four,
}

/// A command APDU taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apdu<'a> {
    /// CLA.
    pub class: u8,
    /// INS.
    pub instruction: u8,
    /// P1.
    pub p1: u8,
    /// P2.
    pub p2: u8,
    /// The data field, Nc bytes.
    pub data: &'a [u8],
    /// Ne, most response bytes wanted; `None` without Le field.
    pub expected: Option<u32>,
    /// Whether length fields are of the extended form.
    pub extended: bool,
}

/// Le of the short form: 0 means 256.
fn short_expected(le: u8) -> u32 {
    if le == 0 { 256 } else { u32::from(le) }
}

/// Le of the extended form: 0 means 65536.
fn extended_expected(high: u8, low: u8) -> u32 {
    match u16::from_be_bytes([high, low]) {
        0 => 65_536,
        le => u32::from(le),
    }
}

impl<'a> Apdu<'a> {
    /// Takes a command APDU apart.
    ///
    /// # Errors
    /// [`ApduError`] unless the length fields account for every byte.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ApduError> {
        let &[class, instruction, p1, p2, ref body @ ..] = bytes else {
            return Err(ApduError::TooShort);
        };
        let apdu = |data, expected, extended| Self {
            class,
            instruction,
            p1,
            p2,
            data,
            expected,
            extended,
        };
        match *body {
            [] => Ok(apdu(&[], None, false)),
            [le] => Ok(apdu(&[], Some(short_expected(le)), false)),
            [0, high, low] => Ok(apdu(&[], Some(extended_expected(high, low)), true)),
            [0, high, low, ref rest @ ..] => {
                let count = usize::from(u16::from_be_bytes([high, low]));
                match rest.split_at_checked(count) {
                    Some((data, [])) if count > 0 => Ok(apdu(data, None, true)),
                    Some((data, &[high, low])) if count > 0 => Ok(apdu(data, Some(extended_expected(high, low)), true)),
                    _ => Err(ApduError::Length),
                }
            }
            [count, ref rest @ ..] => match rest.split_at_checked(usize::from(count)) {
                Some((data, [])) if count > 0 => Ok(apdu(data, None, false)),
                Some((data, &[le])) if count > 0 => Ok(apdu(data, Some(short_expected(le)), false)),
                _ => Err(ApduError::Length),
            },
        }
    }

    /// The command case.
    #[must_use]
    pub fn case(&self) -> Case {
        match (self.data.is_empty(), self.expected.is_some()) {
            (true, false) => Case::One,
            (true, true) => Case::Two,
            (false, false) => Case::Three,
            (false, true) => Case::Four,
        }
    }
}

/// The two bytes at the end of a response.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// 9000: done.
    pub const SUCCESS: Self = Self(0x9000);
    /// 6400: PIN not entered in time (PC/SC part 10).
    pub const PIN_TIMEOUT: Self = Self(0x6400);
    /// 6401: PIN entry cancelled (PC/SC part 10).
    pub const PIN_CANCELLED: Self = Self(0x6401);

    /// Splits a response into its data and status word; `None` if it is shorter than that.
    #[must_use]
    pub fn split(response: &[u8]) -> Option<(&[u8], Self)> {
        let (data, word) = response.split_last_chunk()?;
        Some((data, Self(u16::from_be_bytes(*word))))
    }

    /// SW1 and SW2.
    #[must_use]
    pub fn bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// Whether it is 9000 or 61xx.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::SUCCESS || self.more_data().is_some()
    }

    /// 61xx: how many bytes GET RESPONSE can fetch, 1 to 256.
    #[must_use]
    pub fn more_data(self) -> Option<u16> {
        self.counted(0x61)
    }

    /// 6Cxx: the Le to repeat the command with, 1 to 256.
    #[must_use]
    pub fn exact_length(self) -> Option<u16> {
        self.counted(0x6C)
    }

    fn counted(self, first: u8) -> Option<u16> {
        match self.bytes() {
            [sw1, 0] if sw1 == first => Some(256),
            [sw1, count] if sw1 == first => Some(u16::from(count)),
            _ => None,
        }
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn shape(bytes: &[u8]) -> Result<(Case, usize, Option<u32>, bool), ApduError> {
        Apdu::parse(bytes).map(|apdu| (apdu.case(), apdu.data.len(), apdu.expected, apdu.extended))
    }

    fn command(body: &[u8]) -> Vec<u8> {
        [&[0x00, 0xA4, 0x04, 0x0C], body].concat()
    }

    #[test]
    fn short_cases() {
        assert_eq!(shape(&command(&[])), Ok((Case::One, 0, None, false)));
        assert_eq!(shape(&command(&[0])), Ok((Case::Two, 0, Some(256), false)));
        assert_eq!(shape(&command(&[16])), Ok((Case::Two, 0, Some(16), false)));
        assert_eq!(shape(&command(&[2, 1, 2])), Ok((Case::Three, 2, None, false)));
        assert_eq!(shape(&command(&[2, 1, 2, 0])), Ok((Case::Four, 2, Some(256), false)));
    }

    #[test]
    fn extended_cases() {
        assert_eq!(shape(&command(&[0, 0, 0])), Ok((Case::Two, 0, Some(65_536), true)));
        assert_eq!(shape(&command(&[0, 1, 0])), Ok((Case::Two, 0, Some(256), true)));
        assert_eq!(shape(&command(&[0, 0, 2, 1, 2])), Ok((Case::Three, 2, None, true)));
        assert_eq!(
            shape(&command(&[0, 0, 2, 1, 2, 0, 0])),
            Ok((Case::Four, 2, Some(65_536), true))
        );
        let longest = command(&[&[0, 0xFF, 0xFF][..], &[7; 65_535], &[0, 0]].concat());
        assert_eq!(longest.len(), MAX_COMMAND_LEN);
        assert_eq!(shape(&longest), Ok((Case::Four, 65_535, Some(65_536), true)));
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        assert_eq!(shape(&[0x00, 0xA4, 0x04]), Err(ApduError::TooShort));
        for body in [
            &[2, 1][..],
            &[2, 1, 2, 0, 0],
            &[0, 0],
            &[0, 0, 0, 1],
            &[0, 0, 2, 1],
            &[0, 0, 2, 1, 2, 0],
            &[0, 0, 2, 1, 2, 0, 0, 0],
        ] {
            assert_eq!(shape(&command(body)), Err(ApduError::Length), "{body:?}");
        }
    }

    #[test]
    fn status_words() {
        let (data, word) = StatusWord::split(&[1, 2, 0x61, 0x00]).unwrap();
        assert_eq!(
            (data, word.more_data(), word.is_success()),
            (&[1, 2][..], Some(256), true)
        );
        assert_eq!(StatusWord(0x6C10).exact_length(), Some(16));
        assert_eq!(StatusWord(0x6A82).exact_length(), None);
        assert!(!StatusWord(0x6A82).is_success());
        assert_eq!(StatusWord::split(&[0x90]), None);
        assert_eq!(StatusWord(0x6A82).to_string(), "6A82");
    }
}
