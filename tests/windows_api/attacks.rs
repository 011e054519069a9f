//! The files of the database and the cache in the hands of somebody who means harm: SECURITY.md, "Other users". Whatever stands in
//! the place of one, calls end at once, with a documented code, and what is not ours is neither believed nor touched.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use winscard::api::types::SCARDCONTEXT;
use winscard::error::Error;

use crate::bench::Bench;
use crate::form::W;

const ATR: [u8; 2] = [0x3B, 0x00];
const STRANGER: u32 = 4711;

/// A database with one card, "Mine".
fn bench() -> Bench {
    let bench = Bench::new();
    W.new_card(bench.user, "Mine", &ATR, None).unwrap();
    bench
}

fn fifo(path: &Path) {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a string with its end.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

fn is_root() -> bool {
    // SAFETY: takes nothing.
    unsafe { libc::geteuid() == 0 }
}

/// Nothing is read of it, nothing is written to it, and nobody waits for it.
fn is_refused(what: &str, bench: &Bench) {
    let begun = Instant::now();
    assert_eq!(W.cards(bench.user, None, &[]), Ok(Vec::new()), "{what}");
    assert_eq!(
        W.new_card(bench.user, "More", &ATR, None),
        Err(Error::NoAccess),
        "{what}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{what}: {:?}",
        begun.elapsed()
    );
}

#[test]
fn what_is_no_file_is_refused_at_once_and_left_alone() {
    let bench = bench();
    let file = bench.user_file();
    fs::remove_file(&file).unwrap();
    fifo(&file);
    is_refused("a FIFO", &bench);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    is_refused("a directory", &bench);
    fs::remove_dir(&file).unwrap();
    for target in ["/dev/zero", "/nowhere", "database"] {
        symlink(target, &file).unwrap();
        is_refused(target, &bench);
        assert_eq!(fs::read_link(&file).unwrap(), Path::new(target));
        fs::remove_file(&file).unwrap();
    }
    assert!(!Path::new("/nowhere").exists());
    assert_eq!(W.new_card(bench.user, "More", &ATR, None), Ok(()));
}

/// The lock file is one of the names, too: whoever has it point elsewhere gains nothing.
#[test]
fn what_stands_in_the_place_of_the_lock_is_refused_and_reading_goes_on() {
    let bench = bench();
    let lock = bench.user_file().with_extension("lock");
    let victim = bench.root.join("victim");
    fs::write(&victim, "untouched").unwrap();
    let attacks: [(&str, &dyn Fn()); 3] = [
        ("a link", &|| symlink(&victim, &lock).unwrap()),
        ("a FIFO", &|| fifo(&lock)),
        ("a directory", &|| fs::create_dir(&lock).unwrap()),
    ];
    for (what, attack) in attacks {
        fs::remove_file(&lock).unwrap();
        attack();
        assert_eq!(W.cards(bench.user, None, &[]), Ok(vec!["Mine".to_owned()]), "{what}");
        let result = W.new_card(bench.user, "More", &ATR, None);
        assert!(
            matches!(result, Err(Error::NoAccess | Error::UnknownError)),
            "{what}: {result:?}"
        );
        let _either = fs::remove_file(&lock).or_else(|_| fs::remove_dir(&lock));
        File::create(&lock)
            .unwrap()
            .set_permissions(fs::Permissions::from_mode(0o600))
            .unwrap();
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    assert_eq!(W.new_card(bench.user, "More", &ATR, None), Ok(()));
}

/// With one card in it, "Mine".
fn is_believed_only_as_ours(context: SCARDCONTEXT, file: &Path) {
    let directory = file.parent().unwrap();
    chown(file, Some(STRANGER), None).unwrap();
    assert_eq!(W.cards(context, None, &[]), Ok(Vec::new()), "{}", file.display());
    assert_eq!(W.end_card(context, "Mine"), Err(Error::NoAccess));
    chown(file, Some(0), None).unwrap();
    chown(directory, Some(STRANGER), None).unwrap();
    assert_eq!(W.end_card(context, "Mine"), Err(Error::NoAccess), "a directory");
    chown(directory, Some(0), None).unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(
        W.end_card(context, "Mine"),
        Err(Error::NoAccess),
        "a directory that everybody may write"
    );
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(W.end_card(context, "Mine"), Ok(()));
}

/// As root only: somebody else's file or directory, however innocent its content.
#[test]
fn a_strangers_file_or_directory_is_not_believed() {
    if !is_root() {
        return;
    }
    let bench = bench();
    is_believed_only_as_ours(bench.user, &bench.user_file());
    // Everybody sees the system's cards: it has none before.
    W.new_card(bench.system, "Mine", &ATR, None).unwrap();
    is_believed_only_as_ours(bench.system, &bench.system_file());
}

/// A file of a terabyte (sparse) costs neither time nor memory.
#[test]
fn a_file_of_any_length_is_read_up_to_the_limit() {
    let bench = bench();
    for length in [(1 << 20) + 1, 1 << 40] {
        OpenOptions::new()
            .write(true)
            .open(bench.user_file())
            .unwrap()
            .set_len(length)
            .unwrap();
        is_refused("a long file", &bench);
    }
}

/// What writers left who died goes with the next change; what has another name stays.
#[test]
fn leftovers_go_and_links_among_them_are_not_followed() {
    let bench = bench();
    let directory = bench.user_file().parent().unwrap().to_owned();
    let victim = bench.root.join("victim");
    fs::write(&victim, "untouched").unwrap();
    fs::write(directory.join("database.new-1-1"), "half of it").unwrap();
    symlink(&victim, directory.join("database.new-2-2")).unwrap();
    fs::write(directory.join("database.mine"), "not the library's").unwrap();
    W.new_card(bench.user, "More", &ATR, None).unwrap();
    let mut names: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["database", "database.lock", "database.mine"]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
}

/// Somebody who exchanges the file for a link to a file he wants written, for a longer one and for none, as fast as he can.
/// Each call has one answer or the other; the other file keeps its content, its owner and its mode.
#[test]
fn whoever_is_faster_gains_nothing() {
    let bench = bench();
    let file = bench.user_file();
    let victim = bench.root.join("victim");
    fs::write(&victim, "[card \"Smuggled\"]\natr = 3B 00\n").unwrap();
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o666)).unwrap();
    let before = fs::metadata(&victim).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let attacker = thread::spawn({
        let (stop, file, victim) = (Arc::clone(&stop), file.clone(), victim.clone());
        move || {
            let link = file.with_extension("attack");
            while !stop.load(Ordering::Relaxed) {
                let _there = symlink(&victim, &link);
                let _swept = fs::rename(&link, &file);
                thread::yield_now();
                let _gone = fs::remove_file(&file);
                thread::yield_now();
            }
        }
    });
    for round in 0..500 {
        let name = format!("Card {round}");
        let made = W.new_card(bench.user, &name, &ATR, None);
        assert!(
            matches!(made, Ok(()) | Err(Error::NoAccess | Error::UnknownError)),
            "{made:?}"
        );
        // Known only to whoever followed the link.
        let removed = W.end_card(bench.user, "Smuggled");
        assert!(removed.is_err(), "the link was believed");
    }
    stop.store(true, Ordering::Relaxed);
    attacker.join().unwrap();
    let after = fs::metadata(&victim).unwrap();
    assert_eq!(
        (after.ino(), after.len(), after.mode(), after.uid()),
        (before.ino(), before.len(), before.mode(), before.uid())
    );
    assert!(fs::read_to_string(&victim).unwrap().starts_with("[card \"Smuggled\"]"));
}
