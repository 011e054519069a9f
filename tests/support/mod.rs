//! What the ABI tests share: the library as programs see it, a C compiler, and running tools with clear complaints.
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod quiet;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The crate's directory.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A directory for what the test makes, by test name.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&path).expect("scratch directory");
    path
}

/// The cdylib that cargo built together with this test, next to the test's own binary.
pub(crate) fn library() -> PathBuf {
    let test = env::current_exe().expect("path of this test");
    let library = test.with_file_name("libwinscard.so");
    assert!(library.is_file(), "cargo has built no {}", library.display());
    library
}

/// A directory in which the library has the names that the linker and the loader look for.
pub(crate) fn lib_dir(name: &str) -> PathBuf {
    let directory = scratch(name);
    for link in ["libpcsclite.so.1", "libpcsclite.so"] {
        let unfinished = directory.join(format!("{link}.new-{}", std::process::id()));
        std::os::unix::fs::symlink(library(), &unfinished).expect("symbolic link");
        fs::rename(&unfinished, directory.join(link)).expect("the link in its place");
    }
    directory
}

/// The system's own libpcsclite.so.1, if there is one.
pub(crate) fn system_library() -> Option<PathBuf> {
    let text = run(Command::new("/sbin/ldconfig").arg("-p"), "libc-bin");
    let line = text.lines().find(|line| {
        line.trim_start().starts_with("libpcsclite.so.1 ") && (line.contains("x86-64") == cfg!(target_arch = "x86_64"))
    })?;
    Some(PathBuf::from(line.split("=> ").nth(1)?.trim()))
}

/// Something of the system's that ours is compared with is missing: a failure unless it was asked for.
pub(crate) fn go_without(what: &str, package: &str) {
    assert!(
        env::var_os("WINSCARD_TEST_NO_SYSTEM_HEADERS").is_some_and(|value| value == "1"),
        "{what} is missing, which this project is compared with: apt-get install {package}, or set \
         WINSCARD_TEST_NO_SYSTEM_HEADERS=1 to go without"
    );
    #[allow(clippy::print_stderr, reason = "tests")]
    {
        eprintln!("SKIPPED: no {what}");
    }
}

/// Runs a tool and gives its output; a missing tool is named with its Debian package.
pub(crate) fn run(command: &mut Command, package: &str) -> String {
    let output = output(command, package);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// The same without asking for success.
pub(crate) fn output(command: &mut Command, package: &str) -> Output {
    command.output().unwrap_or_else(|error| {
        panic!(
            "{:?} cannot be run ({error}): apt-get install {package}",
            command.get_program()
        )
    })
}

/// A language to compile a C source as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C,
    Cxx,
}

/// Compiles `tests/c/<source>` to `output` without a warning allowed, with `arguments` after it.
pub(crate) fn cc(language: Language, source: &str, output: &Path, arguments: &[&str]) {
    let (variable, default, package, kind) = match language {
        Language::C => ("CC", "cc", "gcc", "c"),
        Language::Cxx => ("CXX", "c++", "g++", "c++"),
    };
    let compiler = env::var(variable).unwrap_or_else(|_| default.into());
    // Under another name first: another test may be running, or making, the program just now.
    let unfinished = output.with_extension(format!("new-{}", std::process::id()));
    let mut command = Command::new(compiler);
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread", "-x", kind]);
    command
        .arg(root().join("tests/c").join(source))
        .args(["-x", "none", "-o"])
        .arg(&unfinished)
        .args(arguments);
    run(&mut command, package);
    fs::rename(&unfinished, output).expect("the program in its place");
}
