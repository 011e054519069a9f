//! The machine that is looked at: this one, or in tests a picture of one.

use std::fs;
use std::path::PathBuf;

use super::Finding;

/// Where the machine shows itself.
#[derive(Clone, Debug)]
pub(super) struct System {
    root: PathBuf,
}

impl System {
    /// This machine.
    pub(super) fn this() -> Self {
        Self { root: "/".into() }
    }

    /// A tree that looks like one.
    #[cfg(test)]
    pub(super) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// A path on the machine.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A line that the kernel tells.
    pub(super) fn line(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.path(path)).ok()?;
        Some(text.trim().to_owned())
    }
}

/// The first kernel that has all that the library asks of it: locks of open files (3.15) and memory files (3.17).
const OLDEST: (u32, u32) = (3, 17);

/// Whether the kernel is new enough.
pub(super) fn kernel(system: &System) -> Option<Finding> {
    let release = system.line("/proc/sys/kernel/osrelease")?;
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|word| word.parse().unwrap_or(0));
    let version = (numbers.next()?, numbers.next()?);
    let (major, minor) = OLDEST;
    Some(if version < OLDEST {
        Finding::problem(
            "kernel-too-old",
            format!("Linux {release} is too old: readers are shared with locks that exist since Linux {major}.{minor}"),
        )
        .remedy(format!("upgrade to Linux {major}.{minor} or later"))
    } else {
        Finding::good("kernel", format!("Linux {release}"))
    })
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::cli::launch::Folder;

    /// A machine with these files.
    pub(in crate::cli::doctor) fn machine(files: &[(&str, &[u8])]) -> (Folder, System) {
        let folder = Folder::new().unwrap();
        for (path, contents) in files {
            let path = folder.path.join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        let system = System::at(folder.path.clone());
        (folder, system)
    }

    #[test]
    fn old_kernels_are_found() {
        for (release, id) in [
            ("6.1.0-13-amd64", "kernel"),
            ("3.17.0", "kernel"),
            ("3.16.85", "kernel-too-old"),
            ("2.6.32-754.el6", "kernel-too-old"),
        ] {
            let (_folder, system) = machine(&[("/proc/sys/kernel/osrelease", release.as_bytes())]);
            assert_eq!(kernel(&system).unwrap().id, id, "{release}");
        }
    }
}
