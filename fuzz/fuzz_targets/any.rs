// SPDX-License-Identifier: MIT OR Apache-2.0
//! All targets in one program, for the short run: WINSCARD_FUZZ_TARGET says which.
#![no_main]
use std::sync::OnceLock;
use winscard_fuzz::*;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 12] = [
    ("usb_descriptors", usb_descriptors::run),
    ("ccid_descriptor", ccid_descriptor::run),
    ("exchange", exchange::run),
    ("atr", atr::run),
    ("t1", t1::run),
    ("t0", t0::run),
    ("interrupt", interrupt::run),
    ("pin", pin::run),
    ("record", record::run),
    ("names", names::run),
    ("database", database::run),
    ("device", device::run),
];

fn chosen() -> Target {
    static CHOSEN: OnceLock<Target> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("WINSCARD_FUZZ_TARGET").expect("WINSCARD_FUZZ_TARGET names a target");
        TARGETS
            .iter()
            .find(|(known, _)| *known == name)
            .expect("a target of that name")
            .1
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    chosen()(data);
    covered::note();
});
