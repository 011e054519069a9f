//! Numbers of errno(3).

pub(super) const NO_DEVICE: i32 = libc::ENODEV;
pub(super) const GONE: [i32; 3] = [libc::ENODEV, libc::ENXIO, libc::ENOENT];
pub(super) const EXHAUSTED: [i32; 3] = [libc::EMFILE, libc::ENFILE, libc::ENOMEM];
