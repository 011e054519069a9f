//! PIN structures of PC/SC part 10 §2.5, the vendor's TLV record, and the commands that carry them.

use crate::input::Input;
use winscard::ccid::gemalto::FirmwareRecord;
use winscard::ccid::message::{self, Response};
use winscard::ccid::pin::{PinOperation, Purpose};
use winscard::iso7816::apdu::{Apdu, StatusWord};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let how = input.below(5);
    let bytes = input.rest();
    match how {
        0 => operation(PinOperation::verify(bytes).ok(), bytes, 19),
        1 => operation(PinOperation::modify(bytes).ok(), bytes, 24),
        2 => {
            let _record = FirmwareRecord::parse(bytes);
        }
        3 => {
            if let Ok(apdu) = Apdu::parse(bytes) {
                assert!(apdu.data.len() < bytes.len());
                let _case = (apdu.case(), apdu.expected);
            }
            if let Some((body, word)) = StatusWord::split(bytes) {
                assert_eq!(body.len() + 2, bytes.len());
                assert_eq!(word.bytes()[..], bytes[body.len()..]);
                let _said = (word.is_success(), word.more_data(), word.exact_length());
            }
        }
        _ => {
            if let Some(header) = message::Header::decode(bytes) {
                let _said = header.slot_error();
            }
            if let Some(response) = Response::decode(bytes) {
                assert_eq!(response.data.len() + message::HEADER_LEN, bytes.len());
                let _said = response.slot_error();
            }
        }
    }
}

fn operation(operation: Option<PinOperation<'_>>, bytes: &[u8], fixed: usize) {
    let Some(operation) = operation else { return };
    assert_eq!(operation.template(), &bytes[fixed..]);
    assert!(operation.template().len() >= 4);
    assert!(operation.time().as_secs() >= 90 && operation.time().as_secs() <= 265);
    let secret = operation.encode();
    assert!(secret.as_slice().ends_with(operation.template()));
    assert!(secret.as_slice().len() <= fixed + 1 + operation.template().len());
    assert_eq!(secret.as_slice()[0] == 0, operation.purpose() == Purpose::Verify);
    // What may be a PIN is in no text.
    let shown = format!("{operation:?} {secret:?}");
    assert!(shown.len() < 400, "{shown}");
}
