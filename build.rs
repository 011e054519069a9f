//! Link-time properties that the loader sees. An ELF library needs no version script here: the library replaced has no symbol
//! versions, and a Rust cdylib exports exactly its `no_mangle` items.

use std::env;

/// The name programs linked against pcsc-lite ask the loader for.
const SONAME: &str = "libpcsclite.so.1";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CARGO_CFG_TARGET_OS");
    // The target's system, not the one this script runs on: cfg!() would name the latter.
    let target_os = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if matches!(
        target_os.as_str(),
        "linux" | "android" | "freebsd" | "netbsd" | "openbsd" | "dragonfly"
    ) {
        link(&format!("-Wl,-soname,{SONAME}"));
        // Threads of the host may be inside when it calls dlclose, and thread-local destructors may still be due.
        link("-Wl,-z,nodelete");
        // pcsc-lite's trampoline (LIBPCSCLITE_DELEGATE) has the same names in the global scope: calls inside must stay inside.
        link("-Wl,-Bsymbolic");
    }
}

fn link(argument: &str) {
    println!("cargo:rustc-cdylib-link-arg={argument}");
}
