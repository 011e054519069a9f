//! PINs and APDU bodies are in no log, no record, and not in the process's memory once the call is over.

use std::fs;
use std::process::Command;

use crate::agents::World;
use crate::players::{record_files, records};
use crate::support::{Language, cc, lib_dir, output, root, scratch};

fn has(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_secret_leaves_no_trace_in_memory_log_or_record() {
    let libraries = lib_dir("secrets");
    let program = scratch("secrets").join("secrets");
    let include = format!("-I{}", root().join("include/PCSC").display());
    let path = format!("-L{}", libraries.display());
    cc(Language::C, "secrets.c", &program, &[&include, &path, "-lpcsclite"]);
    for device in [
        "pin=1234",
        "pin=1234,level=tpdu,card=t1",
        "pin=1234,level=short,card=t1",
        "pin=1234,level=short",
    ] {
        let world = World::new(&[device]);
        let log = scratch("secrets").join("log");
        let _old = fs::remove_file(&log);
        let mut command = Command::new(&program);
        command
            .env("LD_LIBRARY_PATH", &libraries)
            .env("WINSCARD_SIM", world.socket())
            .env("WINSCARD_LOG", "trace")
            .env("WINSCARD_LOG_FILE", &log)
            .env_remove("WINSCARD_LOG_APDU");
        let output = output(&mut command, "libc6-dev");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{device}: {text}");
        assert!(!text.contains("no PIN pad"), "{text}");
        let spaced = text.trim_end().rsplit(": ").next().unwrap().trim();
        let bytes: Vec<u8> = spaced
            .split(' ')
            .map(|hex| u8::from_str_radix(hex, 16).unwrap())
            .collect();
        assert_eq!(bytes.len(), 16, "{text}");
        let log = fs::read(log).unwrap();
        assert!(!log.is_empty(), "nothing was logged at all");
        let joined = spaced.replace(' ', "");
        let files = record_files(&world);
        assert!(!files.is_empty());
        let mut places: Vec<(String, Vec<u8>)> = vec![("log".into(), log)];
        places.extend(
            files
                .iter()
                .map(|file| (file.display().to_string(), fs::read(file).unwrap())),
        );
        for (name, content) in &places {
            for form in [spaced, &joined, &spaced.to_lowercase(), &joined.to_lowercase()] {
                assert!(!has(content, form.as_bytes()), "{device}: {name} has the secret");
            }
            // Half of it is too much, too.
            assert!(
                !has(content, &bytes[..8]) && !has(content, &bytes[8..]),
                "{device}: {name}"
            );
        }
        assert!(records(&world).is_dir());
    }
}
