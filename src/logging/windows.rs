//! Writing a line to a handle.

#![allow(unsafe_code, reason = "GetCurrentThreadId")]

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Where lines go.
#[derive(Debug)]
pub(crate) enum Target {
    Stderr,
    File(File),
}

impl Target {
    /// A file to append to; `None` if it cannot be opened.
    pub(crate) fn open(path: &Path) -> Option<Self> {
        let file = File::options().append(true).create(true).open(path).ok()?;
        Some(Self::File(file))
    }

    /// Writes a line in one call. A failure is nobody's business.
    pub(crate) fn write(&self, line: &[u8]) {
        let _result = match self {
            Self::Stderr => std::io::stderr().write_all(line),
            Self::File(file) => (&*file).write_all(line),
        };
    }
}

/// The thread's number.
pub(crate) fn thread_id() -> u64 {
    // SAFETY: no precondition.
    unsafe { windows_sys::Win32::System::Threading::GetCurrentThreadId() }.into()
}
