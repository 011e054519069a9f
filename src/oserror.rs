//! What the numbers of the system's errors mean here.

use std::io;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as numbers;
#[cfg(windows)]
use windows as numbers;

/// The device or file is no longer there, or never was.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|number| numbers::GONE.contains(&number))
}

/// Out of descriptors, handles or memory: says nothing about what was asked for.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|number| numbers::EXHAUSTED.contains(&number))
}

/// The error of an operation on a device that has left.
pub(crate) fn gone() -> io::Error {
    io::Error::from_raw_os_error(numbers::NO_DEVICE)
}

/// Whether it is [`gone`]: a device whose place another has taken, or none.
pub(crate) fn is_no_device(error: &io::Error) -> bool {
    error.raw_os_error() == Some(numbers::NO_DEVICE)
}
