//! Numbers of `GetLastError` and `WSAGetLastError`, as std passes them on.

use windows_sys::Win32::Foundation as f;
use windows_sys::Win32::Networking::WinSock as w;

pub(super) const NO_DEVICE: i32 = number(f::ERROR_DEV_NOT_EXIST);
pub(super) const GONE: [i32; 6] = [
    NO_DEVICE,
    number(f::ERROR_FILE_NOT_FOUND),
    number(f::ERROR_PATH_NOT_FOUND),
    number(f::ERROR_DELETE_PENDING),
    number(f::ERROR_NO_SUCH_DEVICE),
    number(f::ERROR_DEVICE_NOT_CONNECTED),
];
pub(super) const EXHAUSTED: [i32; 6] = [
    number(f::ERROR_TOO_MANY_OPEN_FILES),
    number(f::ERROR_NOT_ENOUGH_MEMORY),
    number(f::ERROR_OUTOFMEMORY),
    number(f::ERROR_NO_SYSTEM_RESOURCES),
    w::WSAEMFILE,
    w::WSAENOBUFS,
];

#[allow(clippy::cast_possible_wrap, reason = "numbers far below 2^31")]
const fn number(error: u32) -> i32 {
    error as i32
}
