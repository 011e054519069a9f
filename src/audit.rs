//! `SCardAudit`: a program that has had a PIN verified says how that went, for the system's log.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix::record;
#[cfg(windows)]
use windows::record;

use crate::error::{Error, Result};

/// Writes the event to the system's log, and to this library's.
///
/// # Errors
/// `InvalidValue` for an event that there is not. A system without a log is no error.
pub(crate) fn write(event: u32) -> Result<()> {
    let succeeded = match event {
        0 => false,
        1 => true,
        _ => return Err(Error::InvalidValue),
    };
    log::info!("audit: card holder verification succeeded: {succeeded}");
    record(succeeded);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_two_events() {
        assert_eq!(write(0), Ok(()));
        assert_eq!(write(1), Ok(()));
        assert_eq!(write(2), Err(Error::InvalidValue));
    }
}
