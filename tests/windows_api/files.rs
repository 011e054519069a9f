//! The files of the database on Unix: docs/database.md.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use winscard::error::Error;

use crate::bench::Bench;
use crate::form::W;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn each_scope_has_its_file_and_mode() {
    let bench = Bench::new();
    W.new_card(bench.user, "Mine", &[0x3B, 0x00], None).unwrap();
    W.new_card(bench.system, "Everybody's", &[0x3B, 0x00], None).unwrap();
    assert_eq!((mode(&bench.user_file()), mode(&bench.system_file())), (0o600, 0o644));
    let directory = |file: &Path| mode(file.parent().unwrap());
    assert_eq!(
        (directory(&bench.user_file()), directory(&bench.system_file())),
        (0o700, 0o755)
    );
    let text = fs::read_to_string(bench.user_file()).unwrap();
    assert!(text.starts_with("# Smart card database, version 1."), "{text}");
    assert!(text.contains("[card \"Mine\"]\natr = 3B 00\n"), "{text}");
}

/// An administrator's own file, with his comment, survives what programs do.
#[test]
fn a_file_made_by_hand_is_read_and_kept() {
    let bench = Bench::new();
    fs::create_dir_all(bench.user_file().parent().unwrap()).unwrap();
    fs::set_permissions(bench.user_file().parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    let text = "# ours\n[card \"By hand\"]\natr=3b00\nprovider 2 = \"Some provider\"\ncolour = red\n";
    fs::write(bench.user_file(), text).unwrap();
    fs::set_permissions(bench.user_file(), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        W.cards(bench.user, Some(&[0x3B, 0x00]), &[]),
        Ok(vec!["By hand".to_owned()])
    );
    assert_eq!(W.provider(bench.user, "By hand", 2).as_deref(), Ok("Some provider"));
    W.new_card(bench.user, "By program", &[0x3B, 0x00], None).unwrap();
    let text = fs::read_to_string(bench.user_file()).unwrap();
    for line in ["# ours", "colour = red", "[card \"By hand\"]", "[card \"By program\"]"] {
        assert!(text.lines().any(|known| known == line), "{line}: {text}");
    }
    assert_eq!(W.cards(bench.user, None, &[]).unwrap().len(), 2);
}

/// Links and files that others may write are as if empty, and left alone.
#[test]
fn what_is_not_to_be_trusted_is_neither_read_nor_written() {
    let mut bench = Bench::new();
    let reader = bench.reader();
    W.new_card(bench.user, "Mine", &[0x3B, 0x00], None).unwrap();
    let file = bench.user_file();
    let elsewhere = bench.root.join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    assert_eq!(W.cards(bench.user, None, &[]), Ok(Vec::new()));
    assert_eq!(
        W.new_card(bench.user, "More", &[0x3B, 0x00], None),
        Err(Error::NoAccess)
    );
    assert_eq!(W.introduce(bench.user, "Desk", &reader), Err(Error::NoAccess));
    assert_eq!(
        W.readers(bench.user, None),
        Ok(vec![reader]),
        "readers are there all the same"
    );
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
    fs::remove_file(&file).unwrap();
    fs::rename(&elsewhere, &file).unwrap();
    assert_eq!(W.cards(bench.user, None, &[]), Ok(vec!["Mine".to_owned()]));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o660)).unwrap();
    assert_eq!(W.cards(bench.user, None, &[]), Ok(Vec::new()));
    assert_eq!(W.end_card(bench.user, "Mine"), Err(Error::NoAccess));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(W.end_card(bench.user, "Mine"), Ok(()));
}

#[test]
fn a_file_that_is_too_long_or_no_text_is_left_alone() {
    let bench = Bench::new();
    W.new_card(bench.user, "Mine", &[0x3B, 0x00], None).unwrap();
    let file = bench.user_file();
    fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_eq!(W.cards(bench.user, None, &[]), Ok(Vec::new()));
    assert_eq!(
        W.new_card(bench.user, "More", &[0x3B, 0x00], None),
        Err(Error::NoAccess)
    );
    fs::write(&file, b"[card \"Mine\"]\natr = 3B 00\n# \xFF\n").unwrap();
    assert_eq!(W.cards(bench.user, None, &[]), Ok(vec!["Mine".to_owned()]));
    assert_eq!(
        W.new_card(bench.user, "More", &[0x3B, 0x00], None),
        Err(Error::NoAccess)
    );
}

/// Somebody who holds the lock for ever: the call gives up. Who only reads does not wait.
#[test]
fn a_lock_that_is_never_given_back_does_not_hang_a_program() {
    let bench = Bench::new();
    W.new_card(bench.user, "Mine", &[0x3B, 0x00], None).unwrap();
    let lock = fs::File::open(bench.user_file().with_extension("lock")).unwrap();
    use std::os::fd::AsRawFd;
    assert_eq!(unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) }, 0);
    assert_eq!(W.cards(bench.user, None, &[]), Ok(vec!["Mine".to_owned()]));
    assert_eq!(W.end_card(bench.user, "Mine"), Err(Error::ServerTooBusy));
    drop(lock);
    assert_eq!(W.end_card(bench.user, "Mine"), Ok(()));
}
