//! Agents that are other users, or live under restrictions (`tests/c/confine.c`), with what they log.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(unsafe_code, reason = "geteuid(2), setxattr(2), atexit(3)")]

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::agents::{Agent, World};
use crate::support::{Language, cc, lib_dir, library, root};

/// The programs and the library in a place where every user gets at them.
struct Stage {
    directory: PathBuf,
}

static STAGE: OnceLock<Stage> = OnceLock::new();

/// The stage is taken down when the tests end.
extern "C" fn take_down() {
    if let Some(stage) = STAGE.get() {
        let _gone = fs::remove_dir_all(&stage.directory);
    }
}

fn stage() -> &'static Stage {
    STAGE.get_or_init(|| {
        let directory = std::env::temp_dir().join(format!("winscard-players-{}", std::process::id()));
        // SAFETY: a function of this program, which is there until the program ends.
        assert_eq!(unsafe { libc::atexit(take_down) }, 0);
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        let library = fs::copy(library(), directory.join("libpcsclite.so.1"));
        library.expect("room for a copy of the library");
        let include = format!("-I{}", root().join("include/PCSC").display());
        let path = format!("-L{}", lib_dir("players").display());
        for program in ["lively", "confine"] {
            let arguments: &[&str] = if program == "lively" {
                &[&include, &path, "-lpcsclite"]
            } else {
                &[]
            };
            cc(
                Language::C,
                &format!("{program}.c"),
                &directory.join(program),
                arguments,
            );
        }
        Stage { directory }
    })
}

/// An agent and its log.
#[derive(Debug)]
pub(crate) struct Player {
    pub(crate) agent: Agent,
    log: PathBuf,
}

impl Player {
    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The lines of its log that say this.
    pub(crate) fn logged(&self, what: &str) -> usize {
        self.log().lines().filter(|line| line.contains(what)).count()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.log);
    }
}

/// A lively agent with this set in its environment.
pub(crate) fn lively(world: &World, variables: &[(&str, &str)]) -> Player {
    start(world, Command::new(stage().directory.join("lively")), variables)
}

/// A lively agent under these restrictions.
pub(crate) fn confined(world: &World, restrictions: &[&str]) -> Player {
    let mut command = confine(restrictions);
    command.arg(stage().directory.join("lively"));
    start(world, command, &[])
}

/// The beginning of a command under restrictions.
pub(crate) fn confine(restrictions: &[&str]) -> Command {
    let mut command = Command::new(stage().directory.join("confine"));
    command.args(restrictions).arg("--");
    command
}

fn start(world: &World, mut command: Command, variables: &[(&str, &str)]) -> Player {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let log = stage().directory.join(format!("log-{number}"));
    command
        .env("LD_LIBRARY_PATH", &stage().directory)
        .env("WINSCARD_LOG", "warn")
        .env_remove("WINSCARD_LOG_FILE")
        .envs(variables.iter().copied())
        .stderr(File::create(&log).unwrap());
    Player {
        agent: world.spawn(&mut command),
        log,
    }
}

/// Says so past what the test harness keeps to itself.
fn skipped(what: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED: {what}").unwrap();
}

/// Whether this is root, who alone can play others; says so if not.
pub(crate) fn is_root(test: &str) -> bool {
    // SAFETY: takes nothing and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        skipped(&format!("{test}: only root can be several users"));
    }
    root
}

/// Whether the system allows these restrictions; says so if not.
pub(crate) fn is_possible(restrictions: &[&str]) -> bool {
    let possible = confine(restrictions).arg("/bin/true").status().unwrap().success();
    if !possible {
        skipped(&format!("{restrictions:?} is not allowed here"));
    }
    possible
}

/// The directory of the records of a world.
pub(crate) fn records(world: &World) -> PathBuf {
    let mut name = world.socket().as_os_str().to_owned();
    name.push(".d");
    PathBuf::from(name)
}

/// The records there are.
pub(crate) fn record_files(world: &World) -> Vec<PathBuf> {
    let entries = fs::read_dir(records(world)).unwrap().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.file_name().unwrap().as_bytes().starts_with(b"winscard-"))
        .collect();
    files.sort();
    files
}

/// The node of the only reader.
pub(crate) fn node(world: &World) -> PathBuf {
    let mut nodes = fs::read_dir(records(world).join("bus/000")).unwrap().flatten();
    nodes.next().expect("a node").path()
}

/// Opens the server to all users, and its records' directory as /dev/shm is; the node is this group's and has this mode.
pub(crate) fn open_to_users(world: &World, group: u32, mode: u32) {
    fs::set_permissions(world.socket(), Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(records(world), Permissions::from_mode(0o1777)).unwrap();
    std::os::unix::fs::chown(node(world), Some(0), Some(group)).unwrap();
    fs::set_permissions(node(world), Permissions::from_mode(mode)).unwrap();
}

/// Gives a user read and write permission by an ACL, as udev's "uaccess" does; `group` is the owning group's part.
pub(crate) fn admit(path: &Path, uid: u32, group: u16) {
    let entries = [
        (1_u16, 6_u16, u32::MAX),
        (2, 6, uid),
        (4, group, u32::MAX),
        (0x10, 6, u32::MAX),
        (0x20, 0, u32::MAX),
    ];
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let name = c"system.posix_acl_access";
    // SAFETY: path and name are NUL-terminated, `acl` is readable for its length.
    let result = unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), acl.as_ptr().cast(), acl.len(), 0) };
    assert_eq!(result, 0, "setfacl: {}", std::io::Error::last_os_error());
}
