//! Programs with more rights than their caller, and systems with less than usual.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::agents::World;
use crate::players::{confine, is_root};
use crate::support::{Language, cc, library, output, root};

/// A directory that every user gets at, with the library and an agent that finds it by itself; removed when dropped.
struct Place(std::path::PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("winscard-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        fs::copy(library(), path.join("libpcsclite.so.1")).unwrap();
        let place = Self(path);
        let here = place.0.display();
        let include = format!("-I{}", root().join("include/PCSC").display());
        let (library, rpath) = (format!("{here}/libpcsclite.so.1"), format!("-Wl,-rpath,{here}"));
        cc(
            Language::C,
            "agent.c",
            &place.0.join("agent"),
            &[&include, &library, &rpath],
        );
        place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

const CALLS: &str = "establish\nlist\n";

/// What an agent answers to [`CALLS`].
fn answers(mut command: Command) -> Vec<String> {
    use std::io::Write;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(CALLS.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Neither readers nor log files by the word of whoever starts a setuid program.
#[test]
fn a_setuid_program_heeds_no_variable() {
    if !is_root("setuid") {
        return;
    }
    let (place, world) = (Place::new("setuid"), World::new(&[]));
    let program = place.0.join("agent");
    let open = |mode| {
        let log = place.0.join(format!("log-{mode:o}"));
        fs::set_permissions(&program, Permissions::from_mode(mode)).unwrap();
        let mut command = confine(&["user=60001:60021"]);
        command
            .arg(&program)
            .env("WINSCARD_SIM", world.socket())
            .env("WINSCARD_LOG", "trace")
            .env("WINSCARD_LOG_FILE", &log)
            .env("WINSCARD_LOG_APDU", "1");
        (command, log)
    };
    for path in [world.socket().to_owned(), place.0.clone()] {
        fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    // The same without the bit: the variables count, so the test can fail.
    let (command, log) = open(0o755);
    assert_eq!(answers(command)[0], "0");
    assert!(log.exists(), "the log of an ordinary program");
    let (command, log) = open(0o4755);
    let said = answers(command);
    assert_eq!(said[0], "0");
    assert!(!said[1].contains("Software Reader"), "{said:?}");
    assert!(!log.exists(), "a file made with the rights of root");
}

/// In a name space where /proc and /sys are empty.
#[test]
fn without_proc_and_sys_there_are_readers_or_a_clear_answer() {
    if !is_root("another name space") {
        return;
    }
    let (place, world) = (Place::new("bare"), World::new(&[]));
    let script = "mount -t tmpfs none /proc && mount -t tmpfs none /sys && exec \"$0\"";
    let bare = |program: &std::path::Path| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script]).arg(program);
        command
    };
    if !output(&mut bare("/bin/true".as_ref()), "util-linux").status.success() {
        return;
    }
    let program = place.0.join("agent");
    let said = answers(bare(&program));
    assert_eq!(said, ["0", "8010002E"], "no reader on an ordinary bus");
    let mut command = bare(&program);
    command.env("WINSCARD_SIM", world.socket());
    let said = answers(command);
    assert!(said[1].contains("Software Reader"), "{said:?}");
}
