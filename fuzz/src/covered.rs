// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which edges were reached, for fuzz/coverage: with WINSCARD_FUZZ_COVERED=FILE a byte for each, in the order of libFuzzer's table of
//! program counters, is written to that file at the end.

use std::sync::{Mutex, OnceLock, PoisonError};

// SAFETY: the linker's marks of the section of libFuzzer's counters.
unsafe extern "C" {
    #[link_name = "__start___sancov_cntrs"]
    static FIRST: u8;
    #[link_name = "__stop___sancov_cntrs"]
    static END: u8;
}

static REACHED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn file() -> Option<&'static String> {
    static FILE: OnceLock<Option<String>> = OnceLock::new();
    FILE.get_or_init(|| std::env::var("WINSCARD_FUZZ_COVERED").ok())
        .as_ref()
}

extern "C" fn write() {
    if let Some(file) = file() {
        let reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
        std::fs::write(file, &*reached).expect("the file can be written");
    }
}

/// Takes in what the run that ends reached. libFuzzer clears its counters before each.
pub fn note() {
    if file().is_none() {
        return;
    }
    let mut reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
    if reached.is_empty() {
        // SAFETY: a function that takes nothing.
        unsafe { libc::atexit(write) };
    }
    let (first, end) = (&raw const FIRST, &raw const END);
    let len = end.addr() - first.addr();
    reached.resize(len, 0);
    for (index, byte) in reached.iter_mut().enumerate() {
        // SAFETY: within the section; volatile, as what is compiled in changes it unseen.
        *byte |= u8::from(unsafe { first.add(index).read_volatile() } != 0);
    }
}
