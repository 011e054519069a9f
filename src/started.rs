//! The event of `SCardAccessStartedEvent`: on Windows it says that the smart card service runs. Here nothing has to be started,
//! so it is set from the beginning.

use parking_lot::Mutex;

use crate::api::types::HANDLE;
use crate::arbiter::wait::Signal;
use crate::error::{Error, Result};
use crate::fork::PerProcess;

/// The event, and how many hold it.
#[derive(Debug, Default)]
struct Started {
    event: Option<Signal>,
    holders: usize,
}

static STARTED: PerProcess<Mutex<Started>> = PerProcess::new(Mutex::default);

/// In a forked child: its copy of the event is closed.
pub(crate) fn forget_after_fork() {
    STARTED.forget();
}

/// What to wait for, the same for every holder; one holder more.
///
/// # Errors
/// `NoMemory`.
pub(crate) fn access() -> Result<HANDLE> {
    crate::context::prepare();
    let mut started = STARTED.get().lock();
    if started.event.is_none() {
        started.event = Some(new_event()?);
    }
    started.holders += 1;
    started.event.as_ref().map(Signal::handle).ok_or(Error::InternalError)
}

/// An event that is set. Descriptor 0 would be a null handle.
fn new_event() -> Result<Signal> {
    let new = || {
        Signal::new().map_err(|error| {
            log::error!("no event can be had: {error}");
            Error::NoMemory
        })
    };
    let first = new()?;
    let event = if first.handle().is_null() { new()? } else { first };
    event.set();
    Ok(event)
}

/// One holder less; the event goes with the last.
pub(crate) fn release() {
    let mut started = STARTED.get().lock();
    started.holders = started.holders.saturating_sub(1);
    if started.holders == 0 {
        started.event = None;
    }
}
