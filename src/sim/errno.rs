//! Error numbers of the Linux kernel: what USB/IP has on the wire, and what the software reader's failures are logged with on
//! every system.

pub(super) const EIO: i32 = 5;
pub(super) const ENOMEM: i32 = 12;
pub(super) const EACCES: i32 = 13;
pub(super) const EBUSY: i32 = 16;
pub(super) const ENODEV: i32 = 19;
pub(super) const EPIPE: i32 = 32;
pub(super) const EPROTO: i32 = 71;
pub(super) const EOVERFLOW: i32 = 75;
pub(super) const ECONNRESET: i32 = 104;
pub(super) const ESHUTDOWN: i32 = 108;
pub(super) const ETIMEDOUT: i32 = 110;
