//! What kind of file a program is, as far as it decides how a library gets into it.

#![allow(unsafe_code, reason = "getuid(2), getgid(2), getxattr(2)")]

use std::env;
use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::failure::Failure;

/// Exit statuses of a shell for a program that is there and cannot be run, and for one that is not there.
pub(in crate::cli) const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// A program, followed through `#!` lines to what the kernel runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Program {
    /// The file that was named.
    pub(in crate::cli) path: PathBuf,
    /// The file that is run in the end: the interpreter of a script, else the same.
    pub(in crate::cli) binary: PathBuf,
    pub(in crate::cli) elf: Elf,
}

/// What the head of an ELF file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Elf {
    pub(in crate::cli) is_64: bool,
    pub(in crate::cli) machine: u16,
    /// The loader; `None` for a static program.
    pub(in crate::cli) loader: Option<PathBuf>,
}

/// Finds a program as a shell would.
pub(in crate::cli) fn find(name: &OsStr) -> Result<PathBuf, Failure> {
    let not_found = || {
        Failure::new(format!("{}: no such program", name.to_string_lossy()))
            .advise("give its name as on a shell's command line, or its path")
            .with_status(NOT_FOUND)
    };
    if name.as_bytes().contains(&b'/') {
        let path = PathBuf::from(name);
        let Ok(metadata) = fs::metadata(&path) else {
            return Err(not_found());
        };
        if metadata.is_dir() || metadata.permissions().mode() & 0o111 == 0 {
            return Err(
                Failure::new(format!("{}: not a program, or not one that may be run", path.display()))
                    .with_status(CANNOT_RUN),
            );
        }
        return Ok(path);
    }
    let folders = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0))
        .ok_or_else(not_found)
}

impl Program {
    /// Looks at a program.
    pub(in crate::cli) fn of(name: &OsStr) -> Result<Self, Failure> {
        let path = find(name)?;
        let mut binary = path.clone();
        // The kernel follows four. Linux BINPRM_MAX_RECURSION
        for _ in 0..5 {
            let head = head(&binary)
                .map_err(|error| Failure::new(format!("{}: {error}", binary.display())).with_status(CANNOT_RUN))?;
            match interpreter(&head) {
                Some(next) => binary = next,
                None => {
                    let elf = Elf::parse(&head).ok_or_else(|| {
                        Failure::new(format!("{}: no program that this machine runs", binary.display()))
                            .with_status(CANNOT_RUN)
                    })?;
                    return Ok(Self { path, binary, elf });
                }
            }
        }
        Err(Failure::new(format!("{}: too many interpreters", path.display())).with_status(CANNOT_RUN))
    }

    /// Why the loader would ignore its environment in this program; `None` if it does not.
    pub(in crate::cli) fn privilege(&self) -> Option<&'static str> {
        let metadata = fs::metadata(&self.binary).ok()?;
        // SAFETY: no precondition.
        let (user, group) = (unsafe { libc::getuid() }, unsafe { libc::getgid() });
        let mode = metadata.mode();
        if mode & 0o4000 != 0 && metadata.uid() != user {
            return Some("setuid");
        }
        // Without the right to execute for the group the bit means something else.
        if mode & 0o2010 == 0o2010 && metadata.gid() != group {
            return Some("setgid");
        }
        (user != 0 && has_capabilities(&self.binary)).then_some("given capabilities by its file")
    }

    /// The libraries that the loader would load now, by name and file.
    pub(in crate::cli) fn libraries(&self, environment: &[(&str, &OsStr)]) -> Vec<(String, PathBuf)> {
        let Some(loader) = &self.elf.loader else {
            return Vec::new();
        };
        let output = Command::new(loader)
            .arg("--list")
            .arg(&self.binary)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let Ok(output) = output else { return Vec::new() };
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().filter_map(listed).collect()
    }
}

/// A line of `ld.so --list`: `name => file (address)`.
fn listed(line: &str) -> Option<(String, PathBuf)> {
    let line = line.trim().rsplit_once(" (").map_or(line.trim(), |(line, _)| line);
    let (name, file) = line.split_once(" => ").unwrap_or((line, line));
    let base = Path::new(name).file_name()?.to_string_lossy().into_owned();
    (file.starts_with('/')).then(|| (base, PathBuf::from(file)))
}

fn has_capabilities(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: two strings with NUL; no buffer is given.
    let size = unsafe { libc::getxattr(path.as_ptr(), c"security.capability".as_ptr(), std::ptr::null_mut(), 0) };
    size > 0
}

/// Enough for the program headers of any usual program.
const HEAD_LEN: u64 = 64 * 1024;

fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_LEN).read_to_end(&mut head)?;
    Ok(head)
}

/// The interpreter of a script.
fn interpreter(head: &[u8]) -> Option<PathBuf> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let interpreter = Path::new(words.next()?);
    if interpreter.file_name() == Some(OsStr::new("env")) {
        let name = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
        return find(OsStr::new(name)).ok();
    }
    Some(interpreter.to_owned())
}

impl Elf {
    /// Reads what is needed of an ELF header and its program headers.
    fn parse(bytes: &[u8]) -> Option<Self> {
        const PT_INTERP: u64 = 3;
        if !bytes.starts_with(b"\x7fELF") {
            return None;
        }
        let is_64 = *bytes.get(4)? == 2;
        let is_big = *bytes.get(5)? == 2;
        let number = |at: usize, len: usize| -> Option<u64> {
            let field = bytes.get(at..at.checked_add(len)?)?;
            let fold = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
            Some(if is_big {
                field.iter().fold(0, fold)
            } else {
                field.iter().rev().fold(0, fold)
            })
        };
        let (table, entry_len, count) = if is_64 {
            (number(32, 8)?, number(54, 2)?, number(56, 2)?)
        } else {
            (number(28, 4)?, number(42, 2)?, number(44, 2)?)
        };
        let mut loader = None;
        for index in 0..count {
            let at = usize::try_from(table.checked_add(index.checked_mul(entry_len)?)?).ok()?;
            if number(at, 4)? != PT_INTERP {
                continue;
            }
            let (offset, len) = if is_64 {
                (number(at.checked_add(8)?, 8)?, number(at.checked_add(32)?, 8)?)
            } else {
                (number(at.checked_add(4)?, 4)?, number(at.checked_add(16)?, 4)?)
            };
            let start = usize::try_from(offset).ok()?;
            let text = bytes.get(start..start.checked_add(usize::try_from(len).ok()?)?)?;
            let text = text.split(|byte| *byte == 0).next()?;
            loader = Some(PathBuf::from(OsStr::from_bytes(text)));
        }
        Some(Self {
            is_64,
            machine: u16::try_from(number(18, 2)?).ok()?,
            loader,
        })
    }

    /// The same of a file.
    pub(in crate::cli) fn of(path: &Path) -> Option<Self> {
        Self::parse(&head(path).ok()?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_program_is_looked_at() {
        let program = Program::of(OsStr::new("sh")).unwrap();
        assert!(program.elf.is_64 == cfg!(target_pointer_width = "64"));
        let loader = program.elf.loader.clone().unwrap();
        assert!(loader.is_file(), "{}", loader.display());
        assert!(
            program
                .libraries(&[])
                .iter()
                .any(|(name, _)| name.starts_with("libc.so"))
        );
        assert_eq!(program.privilege(), None);
    }

    #[test]
    fn damaged_files_are_no_programs() {
        let good = head(&env::current_exe().unwrap()).unwrap();
        for len in (0..200).chain([1000]) {
            let _total = Elf::parse(good.get(..len).unwrap());
        }
        assert_eq!(Elf::parse(b"MZ"), None);
        assert_eq!(interpreter(b"#!/bin/sh -e\n"), Some("/bin/sh".into()));
        assert_eq!(
            interpreter(b"#!/usr/bin/env -S sh\n").map(|path| path.ends_with("sh")),
            Some(true)
        );
        assert_eq!(interpreter(b"\x7fELF"), None);
        assert_eq!(Program::of(OsStr::new("no-such-program")).unwrap_err().status(), 127);
        assert_eq!(Program::of(OsStr::new("/etc/passwd")).unwrap_err().status(), 126);
    }

    #[test]
    fn lines_of_the_loader_are_read() {
        let line = "\tlibpcsclite.so.1 => /lib/x86_64-linux-gnu/libpcsclite.so.1 (0x00007f)";
        assert_eq!(
            listed(line),
            Some((
                "libpcsclite.so.1".into(),
                "/lib/x86_64-linux-gnu/libpcsclite.so.1".into()
            ))
        );
        assert_eq!(listed("\tlibgone.so => not found"), None);
        assert_eq!(listed("\tlinux-vdso.so.1 (0x7f)"), None);
    }
}
