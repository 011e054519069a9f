//! What the sources promise about themselves.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::root;

/// The files that may contain `unsafe`: the C interface, and one for each kind of system call. (`winscard sim`'s sockets
/// included.) A new one needs a reason that is written at its top.
const UNSAFE: &[&str] = &[
    "api/cache.rs",
    "api/card.rs",
    "api/card/status.rs",
    "api/cards.rs",
    "api/context.rs",
    "api/devices.rs",
    "api/forms.rs",
    "api/groups.rs",
    "api/io.rs",
    "api/locate.rs",
    "api/readers.rs",
    "api/states.rs",
    "api/text.rs",
    "arbiter/locks/unix.rs",
    "arbiter/locks/windows.rs",
    "arbiter/store/unix.rs",
    "arbiter/store/unix/acl.rs",
    "arbiter/store/windows.rs",
    "arbiter/wait/unix.rs",
    "arbiter/wait/windows.rs",
    "audit/windows.rs",
    "cli/launch/library.rs",
    "cli/launch/program.rs",
    "cli/pcsc.rs",
    "cli/signals.rs",
    "cli/wall.rs",
    "clock/unix.rs",
    "clock/windows.rs",
    "database/windows.rs",
    "env/unix.rs",
    "ffi.rs",
    "ffi/code_page.rs",
    "ffi/text.rs",
    "fork.rs",
    "fork/unix.rs",
    "handle.rs",
    "logging/unix.rs",
    "logging/windows.rs",
    "shared_file/unix.rs",
    "sim/socket/unix.rs",
    "sim/socket/windows.rs",
    "sim/sys.rs",
    "sim/sys/unix.rs",
    "sim/sys/windows.rs",
    "trace/args.rs",
    "usb/node_id/windows.rs",
    "usb/usbfs/interrupt.rs",
    "usb/usbfs/node.rs",
    "usb/winusb.rs",
    "usb/winusb_bus.rs",
    "winreg.rs",
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != "tests" {
            files(&path, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") && name != "probe.rs" {
            found.push(path);
        }
    }
}

/// Name below src and the code without comments, strings' contents and unit tests.
fn code() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let src = root().join("src");
    files(&src, &mut found);
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let text = text.split("#[cfg(test)]\n#[allow(").next().unwrap();
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let name = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        (name, lines.collect::<Vec<_>>().join("\n"))
    };
    found.iter().map(read).collect()
}

#[test]
fn unsafe_code_is_in_the_listed_files_only() {
    let uses = |text: &str| {
        text.split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|word| word == "unsafe")
    };
    let mut found: Vec<String> = code()
        .into_iter()
        .filter(|(_, text)| {
            let lines = text.lines().filter(|line| !line.contains("#[unsafe(no_mangle)]"));
            lines
                .into_iter()
                .any(|line| uses(line.split('"').next().unwrap_or_default()))
        })
        .map(|(name, _)| name)
        .collect();
    found.sort();
    let missing: Vec<&&str> = UNSAFE
        .iter()
        .filter(|known| !found.iter().any(|name| name == *known))
        .collect();
    let new: Vec<&String> = found.iter().filter(|name| !UNSAFE.contains(&name.as_str())).collect();
    assert!(new.is_empty(), "not in the list: {new:?}");
    assert!(
        missing.is_empty(),
        "without unsafe code now, take them off the list: {missing:?}"
    );
}

/// secure_getenv(3): one file reads the environment, and asks first whether it may.
#[test]
fn the_environment_is_read_in_one_place_that_asks_first() {
    let direct = ["std::env::var", "use std::env", "libc::getenv", "secure_getenv"];
    for (name, text) in code() {
        // The companion is a program of its own, not in others' processes.
        if name.starts_with("bin/") || name.starts_with("cli/") || name == "env.rs" || name == "env/unix.rs" {
            continue;
        }
        let found: Vec<&&str> = direct.iter().filter(|what| text.contains(**what)).collect();
        let grouped = text
            .lines()
            .any(|line| line.starts_with("use std::{") && line.contains("env"));
        assert!(
            found.is_empty() && !grouped,
            "{name} reads the environment by itself: {found:?}"
        );
    }
    assert!(
        fs::read_to_string(root().join("src/env/unix.rs"))
            .unwrap()
            .contains("AT_SECURE")
    );
}

/// Each package is one more that has to be trusted: docs/hardening.md says what for.
#[test]
fn every_dependency_is_accounted_for() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let document = fs::read_to_string(root().join("docs/hardening.md")).unwrap();
    let names = lock
        .lines()
        .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    for name in names.filter(|name| *name != "winscard") {
        assert!(
            document.contains(&format!("`{name}`")),
            "docs/hardening.md says nothing of {name}"
        );
    }
}
