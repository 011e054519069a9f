//! Which library programs load, and where this one is.

#![allow(unsafe_code, reason = "memmem(3), for files of many megabytes")]

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::failure::Failure;

/// The name that programs ask the loader for.
pub(in crate::cli) const SONAME: &str = "libpcsclite.so.1";

/// What a file called libpcsclite.so.1 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Kind {
    /// This library.
    Ours,
    /// pcsc-lite from 2.1 on: passes calls on to the library that `LIBPCSCLITE_DELEGATE` names.
    Redirector,
    /// Another implementation.
    Other,
}

/// By the names of environment variables that are in the file.
pub(in crate::cli) fn kind(file: &Path) -> Option<Kind> {
    let bytes = fs::read(file).ok()?;
    Some(if contains(&bytes, b"WINSCARD_TRACE_PINS") {
        Kind::Ours
    } else if contains(&bytes, b"LIBPCSCLITE_DELEGATE") {
        Kind::Redirector
    } else {
        Kind::Other
    })
}

/// Whether a file is this library, or has it linked in.
pub(in crate::cli) fn is_ours(file: &Path) -> bool {
    kind(file) == Some(Kind::Ours)
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    // SAFETY: both slices are valid for their lengths.
    let found = unsafe { libc::memmem(bytes.as_ptr().cast(), bytes.len(), wanted.as_ptr().cast(), wanted.len()) };
    !found.is_null()
}

/// The system's library for programs of this machine's kind.
pub(in crate::cli) fn system() -> Option<PathBuf> {
    let output = ["/sbin/ldconfig", "/usr/sbin/ldconfig", "ldconfig"]
        .iter()
        .find_map(|program| Command::new(program).arg("-p").stderr(Stdio::null()).output().ok());
    let cached = output.and_then(|output| in_cache(&String::from_utf8_lossy(&output.stdout)));
    cached.or_else(|| {
        let triple = format!("{}-linux-gnu", env::consts::ARCH);
        ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"]
            .into_iter()
            .flat_map(|folder| [Path::new(folder).join(&triple), PathBuf::from(folder)])
            .map(|folder| folder.join(SONAME))
            .find(|path| path.is_file())
    })
}

/// Finds the line of `ldconfig -p` for this machine's kind of program.
fn in_cache(text: &str) -> Option<PathBuf> {
    let mark = match env::consts::ARCH {
        "x86_64" => "x86-64",
        "aarch64" => "AArch64",
        _ => "",
    };
    let lines = text
        .lines()
        .filter(|line| line.trim_start().starts_with(&format!("{SONAME} ")));
    let line = lines.into_iter().find(|line| line.contains(mark))?;
    Some(PathBuf::from(line.split("=> ").nth(1)?.trim()))
}

/// What `dlopen` finds in this process's environment, without `LD_PRELOAD`.
pub(in crate::cli) fn found_by_loader() -> Option<PathBuf> {
    let folders = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    env::split_paths(&folders)
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(|folder| folder.join(SONAME))
        .find(|path| path.is_file())
        .or_else(system)
}

/// The library that belongs to this program: beside it, as cargo builds them, or where it is installed.
pub(in crate::cli) fn own(wish: Option<&OsStr>) -> Result<PathBuf, Failure> {
    if let Some(wish) = wish {
        let path =
            fs::canonicalize(wish).map_err(|error| Failure::new(format!("{}: {error}", wish.to_string_lossy())))?;
        return match kind(&path) {
            Some(Kind::Ours) => Ok(path),
            _ => Err(Failure::new(format!("{} is not this library", path.display()))),
        };
    }
    let candidates = candidates();
    let found = candidates.iter().find(|path| is_ours(path));
    found.and_then(|path| fs::canonicalize(path).ok()).ok_or_else(|| {
        candidates
            .iter()
            .fold(
                Failure::new("libwinscard.so is not where it should be").with_status(126),
                |failure, path| failure.advise(format!("not at {}", path.display())),
            )
            .advise("build it (cargo build --release) or name it with --library FILE")
    })
}

fn candidates() -> Vec<PathBuf> {
    let program = env::current_exe().and_then(fs::canonicalize).unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new("/"));
    let prefix = folder.parent().unwrap_or(Path::new("/"));
    let triple = format!("{}-linux-gnu", env::consts::ARCH);
    let mut found = vec![folder.join("libwinscard.so"), folder.join("deps/libwinscard.so")];
    for lib in [
        prefix.join("lib").join(triple),
        prefix.join("lib64"),
        prefix.join("lib"),
    ] {
        found.extend([
            lib.join("winscard").join(SONAME),
            lib.join("winscard/libwinscard.so"),
            lib.join("libwinscard.so"),
            lib.join("libwinscard.so.1"),
            lib.join(SONAME),
        ]);
    }
    found.extend(system());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_line_of_this_kind_of_machine_is_taken() {
        let text = "\
\tlibpcsclite.so.1 (libc6) => /usr/lib/i386-linux-gnu/libpcsclite.so.1
\tlibpcsclite.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libpcsclite.so.1
\tlibpcsclite.so.1 (libc6,AArch64) => /lib/aarch64-linux-gnu/libpcsclite.so.1
";
        let found = in_cache(text).unwrap_or_default();
        assert!(
            found.to_string_lossy().contains(env::consts::ARCH),
            "{}",
            found.display()
        );
        assert_eq!(in_cache("\tlibpcsclite.so.2 (libc6,x86-64) => /x"), None);
    }
}
