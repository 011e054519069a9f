//! What usbfs and a process say to each other: structures, request numbers, error numbers.
//!
//! Layouts and numbers are those of `linux/usbdevice_fs.h`; they follow the pointer width of the process (the kernel
//! translates for 32-bit processes).

use std::ffi::{c_int, c_uint, c_void};
use std::mem::size_of;

use crate::usb::{Error, ErrorKind};

/// `struct usbdevfs_ctrltransfer`.
#[repr(C)]
pub(super) struct ControlTransfer {
    pub(super) request_type: u8,
    pub(super) request: u8,
    pub(super) value: u16,
    pub(super) index: u16,
    pub(super) len: u16,
    pub(super) timeout_ms: u32,
    pub(super) data: *mut c_void,
}

/// `struct usbdevfs_bulktransfer`.
#[repr(C)]
pub(super) struct BulkTransfer {
    pub(super) endpoint: c_uint,
    pub(super) len: c_uint,
    pub(super) timeout_ms: c_uint,
    pub(super) data: *mut c_void,
}

/// `struct usbdevfs_setinterface`.
#[repr(C)]
pub(super) struct SetInterface {
    pub(super) interface: c_uint,
    pub(super) setting: c_uint,
}

/// `USBDEVFS_MAXDRIVERNAME` and its NUL.
pub(super) const DRIVER_NAME_LEN: usize = 256;

/// `struct usbdevfs_getdriver`.
#[repr(C)]
pub(super) struct GetDriver {
    pub(super) interface: c_uint,
    pub(super) driver: [u8; DRIVER_NAME_LEN],
}

/// `struct usbdevfs_disconnect_claim`.
#[repr(C)]
pub(super) struct DisconnectClaim {
    pub(super) interface: c_uint,
    pub(super) flags: c_uint,
    pub(super) driver: [u8; DRIVER_NAME_LEN],
}

/// `USBDEVFS_DISCONNECT_CLAIM_IF_DRIVER`: only if the interface belongs to the driver named.
pub(super) const IF_DRIVER: c_uint = 1;
/// What interfaces claimed through usbfs are bound to.
pub(super) const USBFS_DRIVER: &[u8] = b"usbfs";

/// `struct usbdevfs_urb`, without isochronous packets.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Urb {
    pub(super) kind: u8,
    pub(super) endpoint: u8,
    pub(super) status: c_int,
    pub(super) flags: c_uint,
    pub(super) buffer: *mut c_void,
    pub(super) buffer_len: c_int,
    pub(super) actual_len: c_int,
    pub(super) start_frame: c_int,
    pub(super) number_of_packets: c_int,
    pub(super) error_count: c_int,
    pub(super) signal: c_uint,
    pub(super) user_context: *mut c_void,
}

/// `USBDEVFS_URB_TYPE_INTERRUPT`.
pub(super) const URB_INTERRUPT: u8 = 1;

/// Request numbers as `_IOC` of the architecture makes them.
pub(super) mod request {
    use super::{
        BulkTransfer, ControlTransfer, DisconnectClaim, GetDriver, SetInterface, Urb, c_uint, c_void, size_of,
    };

    /// These encode the direction in three bits and the size in thirteen.
    const WIDE_DIRECTION: bool = cfg!(any(
        target_arch = "mips",
        target_arch = "mips64",
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "sparc",
        target_arch = "sparc64"
    ));
    const SHIFT: u32 = if WIDE_DIRECTION { 29 } else { 30 };
    const NONE: u32 = if WIDE_DIRECTION { 1 } else { 0 };
    const WRITE: u32 = if WIDE_DIRECTION { 4 } else { 1 };
    const READ: u32 = 2;

    #[allow(clippy::cast_possible_truncation, reason = "structure sizes are far below 2^13")]
    const fn number(direction: u32, number: u32, size: usize) -> u32 {
        (direction << SHIFT) | ((size as u32) << 16) | ((b'U' as u32) << 8) | number
    }

    pub(in super::super) const CONTROL: u32 = number(READ | WRITE, 0, size_of::<ControlTransfer>());
    pub(in super::super) const BULK: u32 = number(READ | WRITE, 2, size_of::<BulkTransfer>());
    pub(in super::super) const SET_INTERFACE: u32 = number(READ, 4, size_of::<SetInterface>());
    pub(in super::super) const GET_DRIVER: u32 = number(WRITE, 8, size_of::<GetDriver>());
    pub(in super::super) const SUBMIT_URB: u32 = number(READ, 10, size_of::<Urb>());
    pub(in super::super) const DISCARD_URB: u32 = number(NONE, 11, 0);
    pub(in super::super) const REAP_URB_NO_DELAY: u32 = number(WRITE, 13, size_of::<*mut c_void>());
    pub(in super::super) const CLAIM_INTERFACE: u32 = number(READ, 15, size_of::<c_uint>());
    pub(in super::super) const RELEASE_INTERFACE: u32 = number(READ, 16, size_of::<c_uint>());
    pub(in super::super) const RESET: u32 = number(NONE, 20, 0);
    pub(in super::super) const CLEAR_HALT: u32 = number(READ, 21, size_of::<c_uint>());
    pub(in super::super) const DISCONNECT_CLAIM: u32 = number(READ, 27, size_of::<DisconnectClaim>());
}

const _: () = {
    assert!(size_of::<GetDriver>() == 260 && size_of::<DisconnectClaim>() == 264 && size_of::<SetInterface>() == 8);
    if size_of::<usize>() == 8 {
        assert!(size_of::<ControlTransfer>() == 24 && size_of::<BulkTransfer>() == 24 && size_of::<Urb>() == 56);
    } else {
        assert!(size_of::<ControlTransfer>() == 16 && size_of::<BulkTransfer>() == 16 && size_of::<Urb>() == 44);
    }
};

/// What kind of failure an error number of usbfs is.
pub(super) const fn kind_of(errno: c_int) -> ErrorKind {
    match errno {
        libc::ENODEV | libc::ESHUTDOWN => ErrorKind::Disconnected,
        libc::EBUSY => ErrorKind::Busy,
        libc::ETIMEDOUT => ErrorKind::Timeout,
        libc::EPIPE => ErrorKind::Stall,
        libc::EOVERFLOW => ErrorKind::Overflow,
        libc::EACCES | libc::EPERM => ErrorKind::NoAccess,
        libc::ENOMEM | libc::EMFILE | libc::ENFILE => ErrorKind::NoMemory,
        _ => ErrorKind::Other,
    }
}

/// The error of this number.
pub(super) const fn error(errno: c_int, what: &'static str) -> Error {
    Error {
        kind: kind_of(errno),
        errno,
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures a C compiler prints for `linux/usbdevice_fs.h` on x86-64.
    #[test]
    #[cfg(target_arch = "x86_64")]
    #[cfg(target_pointer_width = "64")]
    fn request_numbers() {
        let ours = [
            request::CONTROL,
            request::BULK,
            request::SET_INTERFACE,
            request::GET_DRIVER,
            request::SUBMIT_URB,
            request::DISCARD_URB,
            request::REAP_URB_NO_DELAY,
            request::CLAIM_INTERFACE,
            request::RELEASE_INTERFACE,
            request::RESET,
            request::CLEAR_HALT,
            request::DISCONNECT_CLAIM,
        ];
        let header = [
            0xC018_5500,
            0xC018_5502,
            0x8008_5504,
            0x4104_5508,
            0x8038_550A,
            0x0000_550B,
            0x4008_550D,
            0x8004_550F,
            0x8004_5510,
            0x0000_5514,
            0x8004_5515,
            0x8108_551B,
        ];
        assert_eq!(ours, header);
    }

    #[test]
    fn error_numbers() {
        let table = [
            (libc::ENODEV, ErrorKind::Disconnected),
            (libc::ESHUTDOWN, ErrorKind::Disconnected),
            (libc::EBUSY, ErrorKind::Busy),
            (libc::ETIMEDOUT, ErrorKind::Timeout),
            (libc::EPIPE, ErrorKind::Stall),
            (libc::EOVERFLOW, ErrorKind::Overflow),
            (libc::EACCES, ErrorKind::NoAccess),
            (libc::EPERM, ErrorKind::NoAccess),
            (libc::ENOMEM, ErrorKind::NoMemory),
            (libc::EMFILE, ErrorKind::NoMemory),
            (libc::ENFILE, ErrorKind::NoMemory),
            (libc::EIO, ErrorKind::Other),
            (libc::EPROTO, ErrorKind::Other),
            (libc::EILSEQ, ErrorKind::Other),
            (libc::EINVAL, ErrorKind::Other),
            (0, ErrorKind::Other),
        ];
        for (errno, kind) in table {
            assert_eq!(error(errno, "x"), Error { kind, errno, what: "x" });
        }
    }
}
