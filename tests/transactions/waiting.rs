//! What ends a wait, and how soon.

use std::thread::sleep;
use std::time::Duration;

use crate::card_bench::*;
use crate::quiet::Quiet;

/// The reference would need 100 to 200 ms, by polling.
const SOON: Duration = Duration::from_millis(40);

/// An owner in a transaction and somebody who waits to begin one.
struct Wait {
    bench: Bench,
    context: Context,
    owner: Card,
    waiter: Card,
    begin: Call<Outcome>,
}

impl Wait {
    fn on(bench: Bench) -> Self {
        let context = Context::new();
        let (owner, waiter) = (context.shared(&bench), context.shared(&bench));
        owner.begin().unwrap();
        owner.begin().unwrap();
        let handle = waiter.handle;
        let begin = call(move || handle.begin()).must_wait("SCardBeginTransaction");
        Self {
            bench,
            context,
            owner,
            waiter,
            begin,
        }
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn a_wait_ends_when_the_transaction_does_not_at_the_next_poll() {
    let (bench, context) = (Bench::new(), Context::new());
    let (owner, waiter) = (context.shared(&bench), context.shared(&bench));
    let handle = waiter.handle;
    let waits = (0..15).map(|round| {
        owner.begin().unwrap();
        let begin = call(move || handle.begin());
        // Not in step with any interval that a poll may have.
        sleep(Duration::from_millis(20 + 3 * round));
        let ended = Quiet::now();
        owner.end(LEAVE).unwrap();
        assert_eq!(begin.end(), Ok(()));
        let took = ended.elapsed();
        waiter.end(LEAVE).unwrap();
        took
    });
    let waits: Vec<Duration> = waits.collect();
    assert!(median(waits.clone()) < SOON, "{waits:?}");
}

#[test]
fn a_wait_ends_as_soon_when_the_owner_leaves() {
    let (bench, context) = (Bench::new(), Context::new());
    let waiter = context.shared(&bench);
    let handle = waiter.handle;
    let waits = (0..11).map(|round| {
        let own = Context::new();
        let owner = own.shared(&bench);
        owner.begin().unwrap();
        let begin = call(move || handle.begin());
        sleep(Duration::from_millis(20 + 3 * round));
        let ended = Quiet::now();
        owner.disconnect(LEAVE).unwrap();
        assert_eq!(begin.end(), Ok(()));
        let took = ended.elapsed();
        waiter.end(LEAVE).unwrap();
        took
    });
    let waits: Vec<Duration> = waits.collect();
    assert!(median(waits.clone()) < SOON, "{waits:?}");
}

#[test]
fn a_reset_wakes_while_the_transaction_goes_on() {
    let wait = Wait::on(Bench::new());
    wait.owner.end(RESET).unwrap();
    assert_eq!(wait.begin.end(), Err(ResetCard));
    assert_eq!(wait.waiter.features(), Err(SharingViolation), "it goes on");
}

/// Nobody makes a call: the waiting one itself has to notice.
#[test]
fn a_removal_wakes() {
    for interrupt in [true, false] {
        let config = Config {
            interrupt,
            ..Config::default()
        };
        let wait = Wait::on(Bench::with(config, BuiltinCard::default()));
        let removed = Quiet::now();
        wait.bench.remove();
        assert_eq!(wait.begin.end(), Err(RemovedCard), "interrupt endpoint: {interrupt}");
        let took = removed.elapsed();
        assert!(
            took < Duration::from_millis(if interrupt { 300 } else { 1000 }),
            "interrupt endpoint: {interrupt}: {took:?}"
        );
        assert_eq!(wait.owner.end(LEAVE), Err(RemovedCard));
    }
}

/// The moment in which a call begins to watch falls anywhere between two ticks of the coarse clock.
#[test]
fn a_removal_wakes_whenever_the_wait_began() {
    let context = Context::new();
    let asked = Config {
        interrupt: false,
        ..Config::default()
    };
    let benches: Vec<Bench> = (0..32)
        .map(|_| Bench::with(asked.clone(), BuiltinCard::default()))
        .collect();
    let owners: Vec<Card> = benches.iter().map(|bench| context.shared(bench)).collect();
    let waiters: Vec<Card> = benches.iter().map(|bench| context.shared(bench)).collect();
    for owner in &owners {
        owner.begin().unwrap();
    }
    let begins = waiters.iter().map(|waiter| {
        let handle = waiter.handle;
        // One by one, or they wake late.
        sleep(Duration::from_micros(7_100));
        call(move || handle.begin())
    });
    let begins: Vec<_> = begins.collect();
    sleep(Duration::from_millis(400));
    let removed = Quiet::now();
    for bench in &benches {
        bench.remove();
    }
    for begin in begins {
        assert_eq!(begin.end(), Err(RemovedCard));
    }
    let took = removed.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_removal_wakes_every_waiting_call() {
    let wait = Wait::on(Bench::new());
    let mut more = Vec::new();
    for _ in 0..4 {
        let card = wait.context.shared_while_taken(&wait);
        more.push(card);
    }
    wait.bench.remove();
    assert_eq!(wait.begin.end(), Err(RemovedCard));
    for call in more {
        assert_eq!(call.end(), Err(NoSmartcard));
    }
}

impl Context {
    fn shared_while_taken(&self, wait: &Wait) -> Call<Outcome> {
        let (value, name) = (self.value, wait.bench.name.clone());
        call(move || connect(value, &name, SHARED, ANY).map(drop)).must_wait("SCardConnect")
    }
}

#[test]
fn an_unplugged_reader_wakes_with_each_calls_own_code() {
    let calls: [(Body, Error); 5] = [
        (|card| card.begin(), InvalidValue),
        (|card| card.transmit(SELECT).map(drop), InvalidValue),
        (|card| card.reconnect(SHARED, ANY, LEAVE).map(drop), InvalidValue),
        (|card| card.status().map(drop), ReaderUnavailable),
        // The handle is gone, whatever the reader does.
        (|card| card.disconnect(RESET).and(Err(InvalidHandle)), InvalidHandle),
    ];
    let (bench, context) = (Bench::new(), Context::new());
    let owner = context.shared(&bench);
    let cards: Vec<Card> = calls.iter().map(|_| context.shared(&bench)).collect();
    owner.begin().unwrap();
    let waiting: Vec<_> = calls
        .iter()
        .zip(&cards)
        .map(|((body, _), card)| {
            let (body, handle) = (*body, card.handle);
            call(move || body(handle)).must_wait("the call")
        })
        .collect();
    let (value, name) = (context.value, bench.name.clone());
    let connecting = call(move || connect(value, &name, SHARED, ANY).map(drop)).must_wait("SCardConnect");
    bench.reader.unplug();
    for (waiting, (_, expected)) in waiting.into_iter().zip(calls) {
        assert_eq!(waiting.end(), Err(expected));
    }
    assert_eq!(connecting.end(), Err(UnknownReader));
}

#[test]
fn a_wait_survives_what_does_not_concern_it() {
    let wait = Wait::on(Bench::new());
    for _ in 0..5 {
        assert_eq!(wait.owner.transmit(SELECT), Ok(OK_SW.into()));
        let passing = Context::new();
        assert!(passing.readers().contains(&wait.bench.name));
        passing.release().unwrap();
    }
    wait.owner.end(LEAVE).unwrap();
    let begin = wait.begin.must_wait("SCardBeginTransaction, at depth one,");
    wait.owner.end(LEAVE).unwrap();
    assert_eq!(begin.end(), Ok(()));
}

#[test]
fn many_wait_and_each_gets_its_turn() {
    let (bench, context) = (Bench::new(), Context::new());
    let owner = context.shared(&bench);
    let cards: Vec<Card> = (0..12).map(|_| context.shared(&bench)).collect();
    owner.begin().unwrap();
    let calls: Vec<_> = cards
        .iter()
        .map(|card| {
            let handle = card.handle;
            call(move || {
                handle.begin()?;
                handle.transmit(SELECT)?;
                handle.end(LEAVE)
            })
        })
        .collect();
    sleep(Duration::from_millis(50));
    owner.end(LEAVE).unwrap();
    for call in calls {
        assert_eq!(call.end(), Ok(()));
    }
}

/// A call that waits costs no processor time while nothing happens.
#[test]
fn waiting_does_not_spin() {
    in_child("waiting::waiting_does_not_spin", &[], || {
        let wait = Wait::on(Bench::new());
        let before = processor_time();
        sleep(Duration::from_millis(1500));
        let used = processor_time() - before;
        assert!(used < Duration::from_millis(60), "{used:?}");
        wait.owner.disconnect(LEAVE).unwrap();
        assert_eq!(wait.begin.end(), Ok(()));
        assert!(wait.context.is_valid());
    });
}

/// User and system time of this process.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Of two slots that are waited for at once, one call watches the interrupt endpoint for both.
#[test]
fn a_removal_wakes_whoever_waits_for_that_slot() {
    for removed in [0_u8, 1] {
        let bench = Bench::with(
            Config {
                slots: 2,
                ..Config::default()
            },
            BuiltinCard::default(),
        );
        assert!(bench.reader.insert(1, BuiltinCard::default()).is_none());
        let context = Context::new();
        let mut owners = Vec::new();
        let mut waiting = Vec::new();
        for name in [bench.name.clone(), bench.slot_name(1)] {
            let owner = context.connect(&name, SHARED, ANY).unwrap();
            let waiter = context.connect(&name, SHARED, ANY).unwrap();
            owner.begin().unwrap();
            owners.push(owner);
            waiting.push(call(move || waiter.begin()).must_wait("SCardBeginTransaction"));
        }
        assert!(bench.reader.remove(removed).is_some());
        let woken = waiting.remove(usize::from(removed));
        let other = waiting.remove(0);
        assert_eq!(woken.end(), Err(RemovedCard), "slot {removed}");
        let other = other.must_wait("SCardBeginTransaction on the other slot");
        drop(owners);
        assert_eq!(other.end(), Ok(()));
    }
}
