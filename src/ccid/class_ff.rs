//! Readers older than the smart card class: they speak CCID on an interface of class 0xFF.
//!
//! Class 0xFF says nothing about the protocol, so unlike class 0x0B these are taken by vendor and product only. The
//! list is libccid's (its supported and should-work sections); readers it has disabled stay out.

/// Vendor and product of readers whose CCID interface has class 0xFF, sorted.
pub const READERS: [(u16, u16); 16] = [
    (0x046A, 0x003E),
    (0x04E6, 0x5111),
    (0x04E6, 0x511A),
    (0x04E6, 0x5120),
    (0x04E6, 0x5121),
    (0x04E6, 0x512B),
    (0x04E6, 0x512C),
    (0x04E6, 0x5291),
    (0x04E6, 0xE003),
    (0x08E6, 0x1359),
    (0x08E6, 0x2202),
    (0x08E6, 0xACE0),
    (0x0973, 0x0003),
    (0x09BE, 0x0002),
    (0x1A74, 0x6354),
    (0x413C, 0x2100),
];

/// Whether an interface of class 0xFF on this device is a reader.
#[must_use]
pub fn is_reader(vendor_id: u16, product_id: u16) -> bool {
    READERS.binary_search(&(vendor_id, product_id)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_sorted_and_answers() {
        assert!(READERS.is_sorted_by(|a, b| a < b));
        assert!(is_reader(0x413C, 0x2100));
        assert!(!is_reader(0x1DB2, 0x0600), "disabled in libccid");
    }
}
