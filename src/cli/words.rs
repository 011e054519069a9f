//! Commands and status words in words.
// ISO 7816-4 §5.3.4, §5.6; ETSI TS 102 221 §10.2; Global Platform 2.3 §11.1.3

/// What a status word says.
pub(super) fn status(sw1: u8, sw2: u8) -> String {
    let word = u16::from_be_bytes([sw1, sw2]);
    if let Some((_, text)) = WORDS.iter().find(|(known, _)| *known == word) {
        return (*text).to_owned();
    }
    match (sw1, sw2) {
        (0x61, 0) => "256 or more bytes of the response are still to be fetched".into(),
        (0x61, more) => format!("{more} bytes of the response are still to be fetched"),
        (0x62, 0x02..=0x80) => format!("warning: the card wants to be asked for {sw2} bytes"),
        (0x62, _) => "warning, nothing was changed".into(),
        (0x63, 0xC0..=0xCF) => match sw2 & 0x0F {
            0 => "not verified, and no try is left".into(),
            1 => "not verified, 1 try is left".into(),
            tries => format!("not verified, {tries} tries are left"),
        },
        (0x63, _) => "warning, something was changed".into(),
        (0x64, _) => "execution error, nothing was changed".into(),
        (0x65, _) => "execution error, something was changed".into(),
        (0x66, _) => "security problem".into(),
        (0x67, _) => "wrong length".into(),
        (0x68, _) => "function of the class byte not supported".into(),
        (0x69, _) => "command not allowed".into(),
        (0x6A, _) => "wrong parameters P1 P2".into(),
        (0x6C, 0) => "wrong length Le: 256 would be right".into(),
        (0x6C, exact) => format!("wrong length Le: {exact} would be right"),
        (0x91, _) => format!("success; the card has {sw2} bytes of a command for the host (SIM toolkit)"),
        (0x92, 0x00..=0x0F) => format!("success after {sw2} tries at the memory"),
        (0x9F, _) => format!("success; {sw2} bytes can be fetched (SIM)"),
        _ => "unknown to ISO 7816-4: the card's own".into(),
    }
}

/// Whether a command with this status word has done what it should.
pub(super) fn is_success(sw1: u8, sw2: u8) -> bool {
    matches!((sw1, sw2), (0x90, 0) | (0x61 | 0x91 | 0x9F, _) | (0x92, 0x00..=0x0F))
}

const WORDS: [(u16, &str); 56] = [
    (0x9000, "success"),
    (0x6200, "warning, nothing was changed"),
    (0x6281, "part of the data may be damaged"),
    (0x6282, "end of the file or record reached before Le bytes"),
    (0x6283, "selected file is deactivated"),
    (0x6284, "file control information not formatted as it should be"),
    (0x6285, "selected file is in termination state"),
    (0x6286, "no input from a sensor of the card"),
    (0x6287, "at least one of the referenced records is deactivated"),
    (0x6300, "warning, something was changed; often: verification failed"),
    (0x6381, "file filled up by the last write"),
    (0x6400, "execution error, nothing was changed"),
    (0x6401, "the card needs an immediate response"),
    (0x6500, "execution error, something was changed"),
    (0x6581, "memory failure"),
    (0x6700, "wrong length"),
    (0x6800, "function of the class byte not supported"),
    (0x6881, "logical channel not supported"),
    (0x6882, "secure messaging not supported"),
    (0x6883, "last command of the chain expected"),
    (0x6884, "command chaining not supported"),
    (0x6900, "command not allowed"),
    (0x6981, "command does not fit the structure of the file"),
    (0x6982, "security status not satisfied: verify the PIN first"),
    (0x6983, "authentication method blocked: no tries are left"),
    (0x6984, "referenced data not usable"),
    (0x6985, "conditions of use not satisfied"),
    (0x6986, "command not allowed: no file is selected"),
    (0x6987, "secure messaging data missing"),
    (0x6988, "secure messaging data wrong"),
    (0x6A00, "wrong parameters P1 P2"),
    (0x6A80, "wrong data in the command"),
    (0x6A81, "function not supported"),
    (0x6A82, "file or application not found"),
    (0x6A83, "record not found"),
    (0x6A84, "not enough memory in the file"),
    (0x6A85, "Lc does not fit the structure of the data"),
    (0x6A86, "wrong parameters P1 P2"),
    (0x6A87, "Lc does not fit P1 P2"),
    (0x6A88, "referenced data not found"),
    (0x6A89, "file exists already"),
    (0x6A8A, "name of the application exists already"),
    (0x6B00, "wrong parameters P1 P2: outside the file"),
    (0x6D00, "instruction not known, or not in this state"),
    (0x6E00, "class not known"),
    (0x6F00, "no precise diagnosis"),
    (0x9300, "SIM toolkit busy"),
    (0x9400, "no file selected (SIM)"),
    (0x9402, "address outside the file (SIM)"),
    (0x9404, "file not found (SIM)"),
    (0x9408, "file and command do not fit (SIM)"),
    (0x9802, "no PIN is set (SIM)"),
    (0x9804, "PIN wrong, or access refused (SIM)"),
    (0x9808, "PIN state contradicts the command (SIM)"),
    (0x9840, "PIN blocked (SIM)"),
    (0x9850, "value at its limit (SIM)"),
];

/// Name of a command by its instruction byte; `None` where only the card knows.
pub(super) fn command(class: u8, instruction: u8) -> Option<&'static str> {
    if class == 0xFF {
        // PC/SC part 3 §3.2.2: commands to a contactless reader.
        return Some(match instruction {
            0xCA => "GET DATA (reader)",
            0x82 => "LOAD KEYS",
            0x86 | 0x88 => "GENERAL AUTHENTICATE (storage card)",
            0xB0 => "READ BINARY (storage card)",
            0xD6 => "UPDATE BINARY (storage card)",
            _ => "command to the reader",
        });
    }
    // Bit 8 of the class marks proprietary commands; GlobalPlatform's keep the numbers of those that everybody knows.
    let known = COMMANDS.iter().find(|(known, _)| *known == instruction);
    known
        .filter(|_| class < 0x80 || matches!(instruction, 0xA4 | 0xC0 | 0xCA | 0xE2 | 0xF2))
        .map(|(_, name)| *name)
}

const COMMANDS: [(u8, &str); 43] = [
    (0x04, "DEACTIVATE FILE"),
    (0x0E, "ERASE BINARY"),
    (0x20, "VERIFY"),
    (0x21, "VERIFY"),
    (0x22, "MANAGE SECURITY ENVIRONMENT"),
    (0x24, "CHANGE REFERENCE DATA"),
    (0x26, "DISABLE VERIFICATION REQUIREMENT"),
    (0x28, "ENABLE VERIFICATION REQUIREMENT"),
    (0x2A, "PERFORM SECURITY OPERATION"),
    (0x2C, "RESET RETRY COUNTER"),
    (0x44, "ACTIVATE FILE"),
    (0x46, "GENERATE ASYMMETRIC KEY PAIR"),
    (0x47, "GENERATE ASYMMETRIC KEY PAIR"),
    (0x70, "MANAGE CHANNEL"),
    (0x82, "EXTERNAL AUTHENTICATE"),
    (0x84, "GET CHALLENGE"),
    (0x86, "GENERAL AUTHENTICATE"),
    (0x87, "GENERAL AUTHENTICATE"),
    (0x88, "INTERNAL AUTHENTICATE"),
    (0xA2, "SEARCH RECORD"),
    (0xA4, "SELECT"),
    (0xA5, "SELECT DATA"),
    (0xB0, "READ BINARY"),
    (0xB1, "READ BINARY"),
    (0xB2, "READ RECORD"),
    (0xB3, "READ RECORD"),
    (0xC0, "GET RESPONSE"),
    (0xC2, "ENVELOPE"),
    (0xC3, "ENVELOPE"),
    (0xCA, "GET DATA"),
    (0xCB, "GET DATA"),
    (0xD0, "WRITE BINARY"),
    (0xD2, "WRITE RECORD"),
    (0xD6, "UPDATE BINARY"),
    (0xD7, "UPDATE BINARY"),
    (0xDA, "PUT DATA"),
    (0xDB, "PUT DATA"),
    (0xDC, "UPDATE RECORD"),
    (0xE0, "CREATE FILE"),
    (0xE2, "APPEND RECORD"),
    (0xE4, "DELETE FILE"),
    (0xE6, "TERMINATE DF"),
    (0xF2, "GET STATUS"),
];

/// Name of a CCID message. CCID 1.1 §6
pub(super) fn message(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0x61 => "SetParameters",
        0x62 => "IccPowerOn",
        0x63 => "IccPowerOff",
        0x65 => "GetSlotStatus",
        0x69 => "Secure",
        0x6A => "T0APDU",
        0x6B => "Escape",
        0x6C => "GetParameters",
        0x6D => "ResetParameters",
        0x6E => "IccClock",
        0x6F => "XfrBlock",
        0x71 => "Mechanical",
        0x72 => "Abort",
        0x73 => "SetDataRateAndClockFrequency",
        0x80 => "DataBlock",
        0x81 => "SlotStatus",
        0x82 => "Parameters",
        0x83 => "Escape",
        0x84 => "DataRateAndClockFrequency",
        0x50 => "NotifySlotChange",
        0x51 => "HardwareError",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_words_are_told() {
        assert_eq!(status(0x90, 0), "success");
        assert_eq!(status(0x61, 0x10), "16 bytes of the response are still to be fetched");
        assert_eq!(status(0x63, 0xC2), "not verified, 2 tries are left");
        assert_eq!(status(0x6C, 4), "wrong length Le: 4 would be right");
        assert_eq!(status(0x6A, 0x82), "file or application not found");
        for sw1 in 0..=u8::MAX {
            for sw2 in 0..=u8::MAX {
                assert!(!status(sw1, sw2).is_empty());
            }
        }
        assert!(is_success(0x61, 3) && !is_success(0x63, 0xC2) && !is_success(0x92, 0x40));
    }

    #[test]
    fn commands_have_names() {
        assert_eq!(command(0, 0xA4), Some("SELECT"));
        assert_eq!(command(0x80, 0xF2), Some("GET STATUS"));
        assert_eq!(command(0x80, 0x20), None);
        assert_eq!(command(0xFF, 0xCA), Some("GET DATA (reader)"));
    }
}
