//! Who has a device node open: for the one log line that says why a reader cannot be had.

use std::fs;
use std::path::Path;

use super::{read, text};
use crate::fork;

/// Bounds of the search, for machines with very many processes.
const MAX_PROCESSES: usize = 8192;
const MAX_DESCRIPTORS: usize = 65_536;

/// Programs known to keep readers to themselves, looked for by name where descriptors may not be seen.
const USUAL: [&str; 2] = ["pcscd", "scdaemon"];

/// Process id and name of other processes that have the node open.
///
/// Another user's descriptors are seen only by root. If nobody is found and some could not be looked into, those of them
/// that are known to use readers are returned: likely, not certain.
#[must_use]
pub fn holder_of(node: &Path) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let mut likely = Vec::new();
    let mut budget = MAX_DESCRIPTORS;
    let proc = Path::new("/proc");
    for name in fork::names_in(proc, MAX_PROCESSES).unwrap_or_default() {
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if pid == std::process::id() {
            continue;
        }
        let process = proc.join(&name);
        match has_open(&process, node, &mut budget) {
            Some(false) => {}
            Some(true) => found.push((pid, name_of(&process))),
            None => {
                let name = name_of(&process);
                if USUAL.contains(&name.as_str()) {
                    likely.push((pid, name));
                }
            }
        }
    }
    if found.is_empty() { likely } else { found }
}

/// `None` if the process does not let us look.
fn has_open(process: &Path, node: &Path, budget: &mut usize) -> Option<bool> {
    let directory = process.join("fd");
    for descriptor in fork::names_in(&directory, MAX_DESCRIPTORS).ok()? {
        *budget = budget.checked_sub(1)?;
        if fs::read_link(directory.join(descriptor)).is_ok_and(|target| target == node) {
            return Some(true);
        }
    }
    Some(false)
}

fn name_of(process: &Path) -> String {
    let name = read(&process.join("comm"), 64).unwrap_or_default();
    text::printable(name.trim_ascii_end()).unwrap_or_else(|| "?".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::fs::File;
    use std::process::{Command, Stdio};

    #[test]
    fn finds_another_process_and_not_this_one() {
        let path = std::env::temp_dir().join(format!("winscard-holder-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        let path = fs::canonicalize(path).unwrap();
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::from(file))
            .spawn()
            .unwrap();
        let found = holder_of(&path);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&(child.id(), "sleep".to_owned())), "{found:?}");
        assert_eq!(found.len(), 1);
        assert!(
            !holder_of(&path)
                .iter()
                .any(|(pid, _)| *pid == std::process::id() || *pid == child.id())
        );
        fs::remove_file(path).unwrap();
    }
}
