//! The system's log of Windows: the application log.

#![allow(unsafe_code, reason = "functions of advapi32")]

use std::io;

use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE, RegisterEventSourceW, ReportEventW,
};

/// Writes how a verification went.
pub(super) fn record(succeeded: bool) {
    let (kind, text) = if succeeded {
        (EVENTLOG_INFORMATION_TYPE, "succeeded")
    } else {
        (EVENTLOG_WARNING_TYPE, "failed")
    };
    let wide = |text: &str| text.encode_utf16().chain([0]).collect::<Vec<u16>>();
    let (source, line) = (
        wide("winscard"),
        wide(&format!("smart card holder verification {text}")),
    );
    // SAFETY: no server's name; the source's ends in a NUL.
    let log = unsafe { RegisterEventSourceW(std::ptr::null(), source.as_ptr()) };
    if log.is_null() {
        log::info!("audit: {}", io::Error::last_os_error());
        return;
    }
    let lines = [line.as_ptr()];
    // SAFETY: the log is open, `lines` has one string that ends in a NUL, no user and no data are given.
    let done = unsafe {
        ReportEventW(
            log,
            kind,
            0,
            0,
            std::ptr::null_mut(),
            1,
            0,
            lines.as_ptr(),
            std::ptr::null(),
        )
    };
    if done == 0 {
        log::info!("audit: {}", io::Error::last_os_error());
    }
    // SAFETY: the log is open and not used any more.
    unsafe { DeregisterEventSource(log) };
}
