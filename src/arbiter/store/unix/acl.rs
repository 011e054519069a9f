//! Access control lists: whoever may use a node may use its record, whoever made that.
//!
//! The form is the kernel's `posix_acl_xattr`: a version word, then entries of tag, permissions and id, in the order of
//! tags and ids.

#![allow(unsafe_code, reason = "extended attributes")]

use std::ffi::{CStr, CString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const ATTRIBUTE: &CStr = c"system.posix_acl_access";
const VERSION: u32 = 2;
const READ_WRITE: u16 = 6;

const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// The id of entries that name nobody.
const NOBODY: u32 = u32::MAX;

/// The mode without the permissions of those who may not both read and write: they cannot use the node.
pub(super) fn users_only(mode: u32) -> u32 {
    [6, 3, 0].iter().fold(0, |kept, shift| {
        let both = u32::from(READ_WRITE) << shift;
        if mode & both == both { kept | both } else { kept }
    })
}

/// One line of an ACL. Ordered as the kernel wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    tag: u16,
    id: u32,
    permissions: u16,
}

/// A file's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acl {
    entries: Vec<Entry>,
}

impl Acl {
    /// The list a file has beside its mode, if any.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let path = CString::new(path.as_os_str().as_bytes()).ok()?;
        let mut bytes = vec![0_u8; 1024];
        // SAFETY: path and name are NUL-terminated, `bytes` is writable for its length, all for the call's duration.
        let len = unsafe {
            libc::getxattr(
                path.as_ptr(),
                ATTRIBUTE.as_ptr(),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
            )
        };
        Self::decode(bytes.get(..usize::try_from(len).ok()?)?)
    }

    /// What a mode says.
    fn of_mode(mode: u32) -> Self {
        let entry = |tag, shift: u32| Entry {
            tag,
            id: NOBODY,
            permissions: u16::try_from(mode >> shift & 7).unwrap_or(0),
        };
        Self {
            entries: vec![entry(OWNER, 6), entry(OWNING_GROUP, 3), entry(OTHER, 0)],
        }
    }

    /// What `record` needs for those who may use `node` to be able to use it: the node's own list, with owner and group
    /// by name where the record could not be given to them. `None` if its mode says it all.
    pub(super) fn for_record(node: &Metadata, list: Option<Self>, record: &Metadata) -> Option<Self> {
        if list.is_none() && (record.uid(), record.gid()) == (node.uid(), node.gid()) {
            return None;
        }
        let mut acl = list.unwrap_or_else(|| Self::of_mode(node.mode()));
        // Whoever may only read the node cannot use it, and has no business with the record.
        for entry in &mut acl.entries {
            if entry.permissions & READ_WRITE != READ_WRITE {
                entry.permissions = 0;
            }
        }
        if record.uid() != node.uid() {
            acl.name(OWNER, USER, node.uid());
            acl.set(OWNER, READ_WRITE);
        }
        if record.gid() != node.gid() {
            acl.name(OWNING_GROUP, GROUP, node.gid());
            acl.set(OWNING_GROUP, 0);
        }
        if acl.entries.iter().all(|entry| entry.tag != MASK) {
            acl.entries.push(Entry {
                tag: MASK,
                id: NOBODY,
                permissions: READ_WRITE,
            });
        }
        acl.entries.sort_unstable();
        Some(acl)
    }

    /// Gives whoever has `tag` the same by name.
    fn name(&mut self, tag: u16, named: u16, id: u32) {
        let permissions = self.entries.iter().find(|e| e.tag == tag).map_or(0, |e| e.permissions);
        if self.entries.iter().all(|entry| (entry.tag, entry.id) != (named, id)) {
            self.entries.push(Entry {
                tag: named,
                id,
                permissions: permissions & READ_WRITE,
            });
        }
    }

    fn set(&mut self, tag: u16, permissions: u16) {
        for entry in self.entries.iter_mut().filter(|entry| entry.tag == tag) {
            entry.permissions = permissions;
        }
    }

    /// Gives a file this list. Where that is impossible its mode stands.
    pub(super) fn apply(&self, file: &File) {
        let bytes = self.encode();
        // SAFETY: the descriptor is open, the name NUL-terminated, `bytes` readable for its length.
        let result = unsafe {
            libc::fsetxattr(
                file.as_raw_fd(),
                ATTRIBUTE.as_ptr(),
                bytes.as_ptr().cast(),
                bytes.len(),
                0,
            )
        };
        if result != 0 {
            log::debug!("copying the node's ACL to its record: {}", io::Error::last_os_error());
        }
    }

    /// Whether this user is named with read and write permission.
    pub(super) fn admits(&self, uid: u32) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|e| (e.tag, e.id) == (USER, uid) && e.permissions & READ_WRITE == READ_WRITE)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, entries) = bytes.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*version) != VERSION {
            return None;
        }
        let entries = entries.chunks_exact(8).map(|entry| {
            let half = |at: usize| Some(u16::from_le_bytes(entry.get(at..at + 2)?.try_into().ok()?));
            Some(Entry {
                tag: half(0)?,
                permissions: half(2)?,
                id: u32::from_le_bytes(entry.get(4..8)?.try_into().ok()?),
            })
        });
        Some(Self {
            entries: entries.collect::<Option<_>>()?,
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        for entry in &self.entries {
            bytes.extend(entry.tag.to_le_bytes());
            bytes.extend(entry.permissions.to_le_bytes());
            bytes.extend(entry.id.to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_names_are_found() {
        let mut acl = Acl::of_mode(0o640);
        acl.name(OWNER, USER, 1000);
        acl.name(OWNING_GROUP, GROUP, 46);
        acl.entries.sort_unstable();
        assert_eq!(Acl::decode(&acl.encode()), Some(acl.clone()));
        assert!(acl.admits(1000));
        assert!(!acl.admits(46) && !acl.admits(0) && !acl.admits(NOBODY));
        let tags: Vec<u16> = acl.entries.iter().map(|entry| entry.tag).collect();
        assert_eq!(tags, [OWNER, USER, OWNING_GROUP, GROUP, OTHER]);
        assert_eq!(Acl::decode(&[1, 0, 0, 0]), None, "another version");
        assert_eq!(Acl::decode(&[2]), None);
    }

    #[test]
    fn those_who_may_only_read_get_nothing() {
        assert_eq!(users_only(0o100_664), 0o660);
        assert_eq!(users_only(0o666), 0o666);
        assert_eq!(users_only(0o620), 0o600);
    }

    /// A group that is not the node's gets nothing, although the node's group has something.
    #[test]
    fn a_record_that_stays_with_its_maker_names_the_nodes_group() {
        let node = std::fs::metadata("/").unwrap();
        let path = std::env::temp_dir().join(format!("winscard-acl-{}", std::process::id()));
        let record = File::create(&path).unwrap();
        if std::os::unix::fs::fchown(&record, None, Some(node.gid() + 1)).is_err() {
            eprintln!("skipped: only root can make a file of another group");
            return;
        }
        let acl = Acl::for_record(&node, Some(Acl::of_mode(0o660)), &record.metadata().unwrap()).unwrap();
        let of = |tag| acl.entries.iter().find(|e| e.tag == tag).copied();
        assert_eq!(of(OWNING_GROUP).unwrap().permissions, 0);
        assert_eq!(
            (of(GROUP).unwrap().id, of(GROUP).unwrap().permissions),
            (node.gid(), READ_WRITE)
        );
        assert_eq!(of(MASK).unwrap().permissions, READ_WRITE);
        std::fs::remove_file(path).unwrap();
    }
}
