#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::os::unix::fs::symlink;

use super::*;

/// A directory for one test, and the file in it.
fn file(name: &str) -> SharedFile {
    let directory = std::env::temp_dir().join(format!("winscard-file-{name}-{}", std::process::id()));
    let _none = fs::remove_dir_all(&directory);
    SharedFile::new(directory.join("deep/winscard"), "database", Owner::User, 1000)
}

fn write(file: &SharedFile, text: &str) -> Result<()> {
    file.update(|_| Ok(text.as_bytes().to_vec()))
}

fn clean(file: &SharedFile) {
    fs::remove_dir_all(file.directory.parent().unwrap().parent().unwrap()).unwrap();
}

#[test]
fn a_file_is_made_with_its_directories_for_its_user_only() {
    let file = file("made");
    assert_eq!(file.read().unwrap(), b"");
    write(&file, "one").unwrap();
    assert_eq!(file.read().unwrap(), b"one");
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(file.path()), 0o600);
    assert_eq!(mode(&file.directory), 0o700);
    file.update(|before| {
        assert_eq!(before, b"one");
        Ok(b"two".to_vec())
    })
    .unwrap();
    assert_eq!(file.read().unwrap(), b"two");
    clean(&file);
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let file = file("fails");
    write(&file, "one").unwrap();
    assert_eq!(file.update(|_| Err(Error::UnknownCard)), Err(Error::UnknownCard));
    assert_eq!(file.update(|_| Ok(vec![0; 1001])), Err(Error::NoMemory));
    assert_eq!(file.read().unwrap(), b"one");
    assert_eq!(
        fs::read_dir(&file.directory).unwrap().count(),
        2,
        "the file and its lock"
    );
    clean(&file);
}

#[test]
fn what_a_dead_writer_left_is_swept_away() {
    let file = file("swept");
    write(&file, "one").unwrap();
    fs::write(file.directory.join("database.new-1-a"), "half").unwrap();
    fs::write(file.directory.join("other.new-1-a"), "not ours").unwrap();
    write(&file, "two").unwrap();
    let mut names: Vec<String> = fs::read_dir(&file.directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["database", "database.lock", "other.new-1-a"]);
    clean(&file);
}

#[test]
fn links_pipes_and_what_others_may_write_are_refused() {
    let file = file("refused");
    write(&file, "one").unwrap();
    let elsewhere = file.directory.join("elsewhere");
    fs::write(&elsewhere, "not ours").unwrap();

    fs::remove_file(file.path()).unwrap();
    symlink(&elsewhere, file.path()).unwrap();
    assert!(file.read().is_err());
    assert_eq!(write(&file, "two"), Err(Error::NoAccess));
    assert_eq!(fs::read(&elsewhere).unwrap(), b"not ours");

    fs::remove_file(file.path()).unwrap();
    fs::write(file.path(), "wide open").unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(file.read().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(write(&file, "two"), Err(Error::NoAccess));

    fs::remove_file(file.path()).unwrap();
    fs::create_dir(file.path()).unwrap();
    assert!(file.read().is_err());
    assert_eq!(write(&file, "two"), Err(Error::NoAccess));
    fs::remove_dir(file.path()).unwrap();

    fs::write(file.path(), vec![b'x'; 1001]).unwrap();
    assert_eq!(file.read().unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(write(&file, "two"), Err(Error::NoAccess));
    fs::remove_file(file.path()).unwrap();

    fs::set_permissions(&file.directory, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(write(&file, "two"), Err(Error::NoAccess));
    fs::set_permissions(&file.directory, fs::Permissions::from_mode(0o700)).unwrap();

    let lock = file.directory.join("database.lock");
    fs::remove_file(&lock).unwrap();
    symlink(&elsewhere, &lock).unwrap();
    assert_eq!(write(&file, "two"), Err(Error::NoAccess));
    assert_eq!(fs::read(&elsewhere).unwrap(), b"not ours");
    clean(&file);
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    let file = file("foreign");
    write(&file, "one").unwrap();
    if std::os::unix::fs::chown(file.path(), Some(user() + 4242), None).is_err() {
        // Only root can give a file away.
        clean(&file);
        return;
    }
    assert_eq!(file.read().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(write(&file, "two"), Err(Error::NoAccess));
    clean(&file);
}

#[test]
fn many_writers_lose_nothing() {
    let file = file("writers");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    file.update(|mut before| {
                        before.push(b'x');
                        Ok(before)
                    })
                    .unwrap();
                }
            });
        }
    });
    assert_eq!(file.read().unwrap().len(), 80);
    clean(&file);
}
