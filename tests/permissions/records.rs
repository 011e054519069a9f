//! Records that are not what they should be.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use winscard::error::Error::{self, NoAccess};

use crate::agents::*;
use crate::players::*;
use crate::support::quiet::Quiet;

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[3]).collect()
    }
}

/// A world whose record was made by somebody and is replaced by `with`.
fn replaced(with: impl FnOnce(&Path)) -> World {
    let world = World::new(&[]);
    drop(world.connected(SHARED));
    let records = record_files(&world);
    assert_eq!(records.len(), 1, "{records:?}");
    fs::remove_file(&records[0]).unwrap();
    with(&records[0]);
    world
}

/// What is no record costs nothing but the memory of the card.
#[track_caller]
fn is_made_good(what: &str, with: impl FnOnce(&Path)) {
    let world = replaced(with);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    a.answers(VERIFY, "9000");
    b.answers(IS_VERIFIED, "9000");
    a.gives("begin", Fine);
    b.start("begin");
    b.waits();
    a.gives("end 0", Fine);
    assert_eq!(b.result(SOON), "0", "{what}");
}

#[test]
fn a_record_with_anything_in_it_is_written_anew() {
    is_made_good("empty", |path| drop(File::create(path).unwrap()));
    is_made_good("short", |path| fs::write(path, "WSCR").unwrap());
    is_made_good("garbage", |path| fs::write(path, Numbers(99).bytes(5000)).unwrap());
    is_made_good("zeros", |path| fs::write(path, [0; 3136]).unwrap());
    is_made_good("huge", |path| {
        let file = File::create(path).unwrap();
        file.set_len(1 << 40).unwrap();
        file.write_all_at(&Numbers(7).bytes(4096), (1 << 40) - 4096).unwrap();
    });
}

/// What is no record at all is refused, and nothing is done to it.
#[track_caller]
fn is_refused(what: &str, with: impl FnOnce(&Path)) {
    let world = replaced(with);
    let mut player = lively(&world, &[]);
    player.agent.establish(0);
    let watch = Quiet::now();
    player.agent.gives("connect 2 3", NoAccess);
    watch.assert_within(SOON, what);
    let path = record_files(&world).remove(0);
    assert!(
        player.logged(&path.display().to_string()) >= 1,
        "{what}: {}",
        player.log()
    );
    if path.is_dir() {
        fs::remove_dir(&path).unwrap();
    } else {
        fs::remove_file(&path).unwrap();
    }
    // Without it, the same process can.
    let again = player.agent.call("connect 2 3");
    assert!(again.starts_with("0 "), "{what}: {again}");
    player.agent.answers(SELECT, "9000");
}

#[test]
fn what_is_no_file_is_refused_and_left_alone() {
    let victim = std::env::temp_dir().join(format!("winscard-victim-{}", std::process::id()));
    fs::write(&victim, "precious").unwrap();
    is_refused("link", |path| std::os::unix::fs::symlink(&victim, path).unwrap());
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    fs::remove_file(victim).unwrap();
    is_refused("dangling link", |path| {
        std::os::unix::fs::symlink("/nonexistent/file", path).unwrap();
    });
    is_refused("FIFO", |path| {
        let made = Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    });
    is_refused("directory", |path| fs::create_dir(path).unwrap());
    is_refused("socket", |path| drop(UnixListener::bind(path).unwrap()));
    if is_root("device") {
        is_refused("device", |path| {
            let made = Command::new("mknod").arg(path).args(["c", "1", "3"]).status().unwrap();
            assert!(made.success());
        });
    }
}

#[test]
fn a_record_of_somebody_who_may_not_use_the_reader_is_refused() {
    if is_root("wrong owner") {
        is_refused("wrong owner", |path| {
            File::create(path).unwrap();
            std::os::unix::fs::chown(path, Some(60004), Some(60024)).unwrap();
        });
    }
}

#[test]
fn names_of_records_of_no_reader_take_no_numbers() {
    let world = World::new(&[]);
    for name in [
        "winscard-0-200-1-1-0-00",
        "winscard-9-9-9-9-9-00",
        "winscard-x",
        "winscard-0-1-1-1-0-000",
    ] {
        File::create(records(&world).join(name)).unwrap();
    }
    let mut agent = world.agent();
    let list = agent.call("list");
    assert!(list.ends_with(" 00 00"), "{list}");
    assert!(agent.call("connect 2 3").starts_with("0 "));
    agent.answers(SELECT, "9000");
}

#[test]
fn a_record_removed_in_use_costs_at_most_a_connection() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    a.answers(SELECT, "9000");
    for path in record_files(&world) {
        fs::remove_file(path).unwrap();
    }
    // Whoever connects makes a new one; those who have the old one are told.
    a.gives("disconnect 0", Fine);
    assert!(a.call("connect 2 3").starts_with("0 "));
    a.answers(SELECT, "9000");
    assert_eq!(record_files(&world).len(), 1);
    let old = b.call(&format!("transmit {SELECT}"));
    assert!(
        old.starts_with("8010"),
        "{old}: b does not know of a's reset or transaction"
    );
    let _any = b.call("disconnect 0");
    assert!(b.call("connect 2 3").starts_with("0 "));
    b.answers(SELECT, "9000");
    a.gives("begin", Fine);
    b.start("begin");
    b.waits();
    a.gives("end 0", Fine);
    assert_eq!(b.result(SOON), "0");
}

/// What a vandal may cause.
const CLEAR: [Error; 7] = [
    Error::ResetCard,
    Error::RemovedCard,
    Error::SharingViolation,
    Error::NotTransacted,
    Error::ReaderUnavailable,
    Error::UnpoweredCard,
    // What protocol was in use is forgotten as well.
    Error::ProtoMismatch,
];

/// Does what it can with the reader until told to stop; every answer is right or an error. How many were right.
fn work(agent: &mut Agent, seed: u64, stop: &AtomicBool) -> usize {
    let mut numbers = Numbers(seed);
    let mut right = 0;
    let clear: Vec<String> = CLEAR.iter().map(Expected::code).collect();
    while !stop.load(Ordering::Relaxed) {
        let data = format!("{:016X}", numbers.next());
        let call = match numbers.next() % 8 {
            0 => "begin".to_owned(),
            1 => "end 0".to_owned(),
            2 => "status".to_owned(),
            _ => format!("transmit 8012000008{data}00"),
        };
        // A transaction that its owner does not know of any more ends with its handle.
        agent.start(&call);
        let answer = agent.result(Duration::from_secs(15)).trim_end().to_owned();
        let code = answer.split(' ').next().unwrap();
        if code == "0" {
            if call.starts_with("transmit") {
                assert_eq!(answer, format!("0 {data}9000"), "{call}");
            }
            right += 1;
        } else {
            assert!(clear.iter().any(|known| known == code), "{call}: {answer}");
            if code != Expected::code(&Error::SharingViolation) && code != Expected::code(&Error::NotTransacted) {
                // Whoever sleeps meanwhile looks again after five seconds at the latest, and restores what is his.
                let begin = Quiet::now();
                loop {
                    let again = agent.call("reconnect 2 3 0");
                    let code = again.split(' ').next().unwrap();
                    if code == "0" {
                        break;
                    }
                    assert!(clear.iter().any(|known| known == code), "{again}");
                    assert!(begin.elapsed() < 3 * SOON, "{again} for {:?}", begin.elapsed());
                }
            }
        }
        if numbers.next() % 16 == 0 {
            let _ended = agent.call("end 0");
        }
    }
    // Not the end of its transaction, which a reset that it has not been told of would keep open: the other waits for it.
    let _gone = agent.call("disconnect 0");
    right
}

#[test]
fn a_record_changed_in_use_never_gives_a_wrong_answer() {
    let world = World::new(&[]);
    let mut agents = [world.connected(SHARED), world.connected(SHARED)];
    let path = record_files(&world).remove(0);
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let stop = AtomicBool::new(false);
    let right: Vec<usize> = thread::scope(|scope| {
        let stop = &stop;
        let workers = agents.iter_mut().zip([3, 5]);
        let workers: Vec<_> = workers
            .map(|(agent, seed)| scope.spawn(move || work(agent, seed, stop)))
            .collect();
        let mut numbers = Numbers(0x1234_5678_9ABC);
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end && workers.iter().all(|worker| !worker.is_finished()) {
            let at = numbers.next() % 300;
            match numbers.next() % 10 {
                0 => file.set_len(0).unwrap(),
                1 => file.set_len(at).unwrap(),
                2 => file.set_len(3136).unwrap(),
                3 => (&file).write_all(&[0; 300]).unwrap(),
                _ => file.write_all_at(&numbers.bytes(8), at).unwrap(),
            }
            thread::sleep(Duration::from_millis(numbers.next() % 20));
        }
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    assert!(right.iter().all(|count| *count > 0), "{right:?}");
    // And when it is over, all is well, once everybody has had a turn to write down again what was lost.
    let [mut a, mut b] = agents;
    let mut connected = [String::new(), String::new()];
    for _ in 0..10 {
        for (agent, connected) in [&mut a, &mut b].into_iter().zip(&mut connected) {
            if !connected.starts_with("0 ") {
                let _any = agent.call("disconnect 0");
                *connected = agent.call("connect 2 3");
            }
        }
    }
    assert!(connected.iter().all(|answer| answer.starts_with("0 ")), "{connected:?}");
    a.answers(VERIFY, "9000");
    b.answers(IS_VERIFIED, "9000");
}
