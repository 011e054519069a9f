//! Which bytes may hold a PIN.

/// The first byte of a command APDU that may hold a PIN, a key, or biometric data of the user; `None` if there is none.
///
/// Goes by the instruction alone, so that every link of a chained command and every secured one is covered, whether or not the
/// card knows the command.
#[must_use]
pub fn hidden_from(command: &[u8]) -> Option<usize> {
    let &[class, instruction, p1, p2, ..] = command else {
        return None;
    };
    if !is_secret(class, instruction, p1, p2) {
        return None;
    }
    let from = data_start(command);
    (from < command.len()).then_some(from)
}

/// Behind CLA INS P1 P2 and the length field. ISO 7816-4 §5.2
fn data_start(command: &[u8]) -> usize {
    if command.get(4) == Some(&0) && command.len() > 7 {
        7
    } else {
        5
    }
}

fn is_secret(class: u8, instruction: u8, p1: u8, p2: u8) -> bool {
    match instruction {
        // VERIFY, CHANGE REFERENCE DATA, DISABLE and ENABLE VERIFICATION REQUIREMENT, PERFORM SECURITY OPERATION and
        // BIOMETRIC OPERATION, RESET RETRY COUNTER, each with its form for BER-TLV data. ISO 7816-4 §11.6, 7816-8, 7816-11
        0x20 | 0x21 | 0x24..=0x2F => true,
        // ENVELOPE: another command, or a part of one.
        0xC2 | 0xC3 => true,
        // LOAD KEYS of storage cards. PC/SC part 3 §3.2.2.1.4
        0x82 => class == 0xFF,
        // OpenPGP card: the resetting code and imported keys (PUT DATA).
        0xDA => matches!((p1, p2), (0x00, 0xD3)),
        0xDB => (p1, p2) == (0x3F, 0xFF),
        // PIV of some vendors: keys imported, management key set.
        0xFE | 0xFF => true,
        _ => false,
    }
}

/// First part of `SCARD_CTL_CODE` numbers of features; the low byte is the feature's tag (PC/SC part 10 §2.2).
const FEATURES: u32 = 0x4233_0000;

/// The first byte of the input of a control code that may hold a PIN or what makes one up.
#[must_use]
pub fn control_hidden_from(code: u32, input: &[u8]) -> Option<usize> {
    let from = match code.checked_sub(FEATURES)? {
        // PIN_VERIFY_STRUCTURE and PIN_MODIFY_STRUCTURE, of operations in one or two calls: before abData. PC/SC part 10 §2.5
        0x01 | 0x06 | 0x0D => 19,
        0x03 | 0x07 | 0x0E => 24,
        // MCT_READER_DIRECT, MCT_UNIVERSAL: commands to the reader, whose data may be anything.
        0x08 | 0x09 => 0,
        // EXECUTE_PACE: the input of EstablishPACEChannel has the PIN. PC/SC part 10 §2.6.16
        0x20 => 0,
        _ => return None,
    };
    (from < input.len()).then_some(from)
}

/// What a call that has a PIN in its input lets be seen of the messages on the USB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secret {
    /// Nothing is hidden.
    Nothing,
    /// The data of the command with this CLA INS P1 P2.
    Command([u8; 4]),
    /// All data.
    Everything,
}

impl Secret {
    /// The first byte to hide in data to the reader that begin with `header_len` bytes of a message header.
    pub(super) fn hidden_from(self, data: &[u8], header_len: usize) -> Option<usize> {
        let body = data.get(header_len..).unwrap_or_default();
        let shown = match self {
            Self::Nothing => return None,
            Self::Everything => 0,
            // At the beginning, or behind the prologue of a T=1 block.
            Self::Command(command) => [0, 3]
                .into_iter()
                .find(|at| body.get(*at..).is_some_and(|body| body.starts_with(&command)))
                .map_or(0, |at| at + data_start(body.get(at..).unwrap_or_default())),
        };
        let from = header_len + shown;
        (from < data.len()).then_some(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_with_a_pin_show_their_header_only() {
        for instruction in [0x20, 0x21, 0x24, 0x25, 0x26, 0x28, 0x2A, 0x2C, 0x2D, 0x2E] {
            for class in [0x00, 0x0C, 0x10, 0x80, 0x90] {
                let command = [class, instruction, 0, 1, 4, 0x31, 0x32, 0x33, 0x34];
                assert_eq!(hidden_from(&command), Some(5), "{command:02X?}");
            }
        }
        let extended = [0, 0x24, 0, 1, 0, 0, 2, 0x31, 0x32];
        assert_eq!(hidden_from(&extended), Some(7));
        assert_eq!(hidden_from(&[0xFF, 0x82, 0, 0, 1, 9]), Some(5));
        assert_eq!(hidden_from(&[0, 0xDA, 0, 0xD3, 1, 9]), Some(5));
        assert_eq!(hidden_from(&[0, 0xC2, 0, 0, 1, 9]), Some(5));
    }

    #[test]
    fn other_commands_are_shown_whole() {
        for command in [
            &[0x00, 0xA4, 0x04, 0x00, 0x01, 0x3F][..],
            &[0x00, 0x20, 0x00, 0x01],
            &[0x00, 0x20, 0x00, 0x01, 0x00],
            &[0x00, 0x82, 0x00, 0x01, 0x01, 0x09],
            &[0x00, 0x20],
            &[],
        ] {
            assert_eq!(hidden_from(command), None, "{command:02X?}");
        }
    }

    #[test]
    fn pin_structures_show_what_precedes_the_command() {
        assert_eq!(control_hidden_from(0x4233_0006, &[0; 24]), Some(19));
        assert_eq!(control_hidden_from(0x4233_0007, &[0; 30]), Some(24));
        assert_eq!(control_hidden_from(0x4233_0020, &[0; 3]), Some(0));
        assert_eq!(control_hidden_from(0x4200_0D48, &[0; 30]), None);
        assert_eq!(control_hidden_from(0x4233_0012, &[0; 30]), None);
    }

    #[test]
    fn messages_show_their_headers_and_that_of_the_command() {
        let header = [0x6F, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let command = [0, 0x20, 0, 1, 4, 0x31, 0x32, 0x33, 0x34];
        let secret = Secret::Command([0, 0x20, 0, 1]);
        let whole = [&header[..], &command].concat();
        assert_eq!(secret.hidden_from(&whole, 10), Some(15));
        let block = [&header[..], &[0, 0, 9], &command, &[0x55]].concat();
        assert_eq!(secret.hidden_from(&block, 10), Some(18));
        let rest = [&header[..], &[0x31, 0x32]].concat();
        assert_eq!(secret.hidden_from(&rest, 10), Some(10));
        assert_eq!(secret.hidden_from(&header, 10), None);
        assert_eq!(Secret::Everything.hidden_from(&whole, 10), Some(10));
        assert_eq!(Secret::Nothing.hidden_from(&whole, 10), None);
    }
}
