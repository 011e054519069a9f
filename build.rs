//! Link-time properties that the loader sees. An ELF library needs no version script here: the library replaced has no symbol
//! versions, and a Rust cdylib exports exactly its `no_mangle` items. A DLL gets what `winscard.def` lists for Windows.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The name programs linked against pcsc-lite ask the loader for.
const SONAME: &str = "libpcsclite.so.1";

fn main() -> Result<(), Box<dyn Error>> {
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
    if target_os == "linux" && env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu") {
        link_unwinder();
    }
    if target_os == "windows" {
        println!("cargo:rerun-if-changed=winscard.def");
        let list = windows_exports()?;
        if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "msvc") {
            link(&format!("/DEF:{list}"));
        } else {
            link(&list);
        }
    }
    Ok(())
}

/// Takes the unwinder into the library, where the compiler has it as an archive: then every process that loads the library maps one
/// file less, and an image that has only a C library suffices. Without the archive it stays the shared `libgcc_s.so.1`.
fn link_unwinder() {
    const ARCHIVE: &str = "libgcc_eh.a";
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let Ok(answer) = Command::new(linker).arg(format!("-print-file-name={ARCHIVE}")).output() else {
        return;
    };
    // A compiler that does not have it answers with the bare name.
    let answer = String::from_utf8_lossy(&answer.stdout);
    let path = Path::new(answer.trim());
    if let Some(folder) = path.parent().filter(|_| path.is_absolute() && path.is_file()) {
        println!("cargo:rustc-link-search=native={}", folder.display());
        // Not into the rlib: who links that decides for himself; and before std, which would ask for the shared one.
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// The path of `winscard.def` without the names that only Unix has.
fn windows_exports() -> Result<String, Box<dyn Error>> {
    let list = fs::read_to_string("winscard.def")?;
    let lines = list.lines().filter(|line| {
        !line
            .split_once(';')
            .is_some_and(|(name, mark)| !name.trim().is_empty() && mark.trim() == "unix")
    });
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let path = Path::new(&env::var_os("OUT_DIR").ok_or("no OUT_DIR")?).join("winscard.def");
    fs::write(&path, text)?;
    Ok(path.display().to_string())
}

fn link(argument: &str) {
    println!("cargo:rustc-cdylib-link-arg={argument}");
}
