//! How busy the machine was when: a call that takes long on a machine with too much to do is not stuck.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::journal::now;
use crate::quiet::{busy, quiet};

const EVERY: Duration = Duration::from_millis(50);

/// Moments of the journal's clock, and how long the machine had been busy by then.
pub(crate) type Samples = Vec<(u64, Duration)>;

/// Looks now and then.
#[derive(Debug)]
pub(crate) struct Noise {
    samples: Arc<Mutex<Samples>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Noise {
    pub(crate) fn listen() -> Self {
        let samples = Arc::new(Mutex::new(vec![(now(), busy())]));
        let stop = Arc::new(AtomicBool::new(false));
        let (to, until) = (Arc::clone(&samples), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                thread::sleep(EVERY);
                to.lock().expect("samples").push((now(), busy()));
            }
        });
        Self {
            samples,
            stop,
            thread: Some(thread),
        }
    }

    pub(crate) fn samples(&self) -> Samples {
        let mut samples = self.samples.lock().expect("samples").clone();
        samples.push((now(), busy()));
        samples
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it ends");
        }
    }
}

/// Nanoseconds between two moments, less those in which the machine was busy.
pub(crate) fn quiet_ns(samples: &Samples, from: u64, to: u64) -> u64 {
    let before = samples.partition_point(|(at, _)| *at <= from).saturating_sub(1);
    let after = samples
        .partition_point(|(at, _)| *at < to)
        .min(samples.len().saturating_sub(1));
    let busy = match (samples.get(before), samples.get(after)) {
        (Some((_, before)), Some((_, after))) => after.saturating_sub(*before),
        _ => Duration::ZERO,
    };
    let left = quiet(Duration::from_nanos(to.saturating_sub(from)), busy);
    u64::try_from(left.as_nanos()).unwrap_or(u64::MAX)
}
