//! Calls that may block, each in a thread of its own, and test bodies that need a process of their own.

use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Longer than any call that is going to return takes, on any machine.
pub const LONG_ENOUGH: Duration = Duration::from_secs(20);

/// A call in a thread of its own.
#[derive(Debug)]
pub struct Call<T> {
    result: Receiver<T>,
}

/// Makes a call in a thread of its own.
pub fn call<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Call<T> {
    let (sender, result) = channel();
    thread::spawn(move || {
        let _nobody_listens = sender.send(body());
    });
    Call { result }
}

impl<T> Call<T> {
    /// Lets it begin, and asserts that it has not returned after a while.
    pub fn must_wait(self, what: &str) -> Self {
        let early = self.result.recv_timeout(Duration::from_millis(80));
        assert!(matches!(early, Err(RecvTimeoutError::Timeout)), "{what} waits");
        self
    }

    /// What it returns; it must return.
    pub fn end(self) -> T {
        self.result.recv_timeout(LONG_ENOUGH).expect("the call returns")
    }
}

/// What a call returns that must return without waiting for anybody.
pub fn at_once<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    call(body).end()
}

/// Runs a test body alone in a process of its own, with these variables set. `test` is the test's full name.
pub fn in_child(test: &str, variables: &[(&str, &str)], body: impl FnOnce()) {
    const MARK: &str = "CARD_BENCH_CHILD";
    if std::env::var_os(MARK).is_some_and(|value| value == test) {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, test)
        .env_remove("WINSCARD_SIM");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{test} in a process of its own: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
