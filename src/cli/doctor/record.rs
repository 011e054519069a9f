//! The directory of the records that processes share readers by.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Finding;
use crate::arbiter::store::Place;

/// About what a record takes.
const RECORD_LEN: usize = 4096;

/// Whether records can be made and used.
pub(super) fn directory() -> Vec<Finding> {
    look(&Place::usb().records)
}

fn look(directory: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    match try_out(directory) {
        Ok(()) => findings.push(Finding::good(
            "record-directory",
            format!("records are kept in {}", directory.display()),
        )),
        Err(error) => findings.push(unusable(directory, &error)),
    }
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name.to_string_lossy().starts_with("winscard-") {
            continue;
        }
        let open = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(entry.path());
        if let Err(error) = open {
            findings.push(
                Finding::warning("record", format!("{}: {error}", entry.path().display()))
                    .remedy("it belongs to users of a reader that you may not use, or was left behind")
                    .remedy(format!(
                        "if no program uses the reader: sudo rm {}",
                        entry.path().display()
                    )),
            );
        }
    }
    findings
}

/// Makes a file there, as a record would be made.
fn try_out(directory: &Path) -> io::Result<()> {
    let path = directory.join(format!(
        ".winscard-doctor-{}-{:x}",
        std::process::id(),
        crate::random::nonzero_u32()
    ));
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
    let written = file.write_all(&[0; RECORD_LEN]);
    let removed = fs::remove_file(&path);
    written.and(removed)
}

fn unusable(directory: &Path, error: &io::Error) -> Finding {
    let place = directory.display();
    let finding = Finding::problem(
        "record-directory",
        format!("{place}: {error}; processes cannot share readers without records there"),
    );
    match error.kind() {
        ErrorKind::NotFound => finding
            .remedy(format!(
                "mount it: sudo mkdir -p {place} && sudo mount -t tmpfs -o mode=1777 tmpfs {place}"
            ))
            .remedy("or make /run/winscard: sudo install -d -m 1777 /run/winscard"),
        ErrorKind::PermissionDenied => finding.remedy(format!(
            "everybody has to be able to write there: sudo chmod 1777 {place}"
        )),
        ErrorKind::StorageFull => finding.remedy(format!("it is full: df -h {place}; df -i {place}")),
        ErrorKind::ReadOnlyFilesystem => {
            finding.remedy(format!("it is mounted read-only: sudo mount -o remount,rw {place}"))
        }
        _ => finding.remedy(format!("look at it: ls -ld {place}; df {place}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::cli::launch::Folder;

    #[test]
    fn a_directory_is_tried_out_and_left_as_it_was() {
        let folder = Folder::new().unwrap();
        assert_eq!(look(&folder.path).first().unwrap().id, "record-directory");
        assert_eq!(look(&folder.path).first().unwrap().weight, super::super::Weight::Good);
        assert_eq!(fs::read_dir(&folder.path).unwrap().count(), 0);
    }

    #[test]
    fn what_is_wrong_with_it_is_told() {
        let folder = Folder::new().unwrap();
        let found = look(&folder.path.join("missing"));
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert!(finding.remedy.iter().any(|step| step.contains("mount")), "{finding:?}");
        let full = unusable(&folder.path, &io::Error::from(ErrorKind::StorageFull));
        assert!(full.remedy.iter().any(|step| step.contains("df")), "{full:?}");
        std::os::unix::fs::symlink("/nowhere", folder.path.join("winscard-1-2-3-4-0-00")).unwrap();
        assert!(look(&folder.path).iter().any(|finding| finding.id == "record"));
    }
}
