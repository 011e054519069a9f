#![allow(unsafe_code, reason = "the ioctls of a usbfs node")]
//! An open usbfs node, with one safe method for each ioctl.

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr;
use std::time::Duration;

use super::abi::{
    BulkTransfer, ControlTransfer, DRIVER_NAME_LEN, DisconnectClaim, GetDriver, IF_DRIVER, SetInterface, USBFS_DRIVER,
    Urb, error, request,
};
use crate::clock::Moment;
use crate::fork::Tracked;
use crate::usb::{ControlRequest, Error, ErrorKind, NodeId, Result};

fn last_errno() -> c_int {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Longest control data stage usbfs takes: one page, and 4096 is the smallest page.
const MAX_CONTROL_LEN: usize = 4096;

/// An open usbfs node. A forked child does not keep it: the claim of a parent that is killed has to fall with him.
#[derive(Debug)]
pub(in crate::usb) struct Node {
    file: Tracked,
}

/// Time left of a call that signals cut short. usbfs lets only fatal signals do that, so the clock is not read before
/// the first one.
struct Limit {
    timeout: Duration,
    start: Option<Moment>,
}

impl Limit {
    const fn new(timeout: Duration) -> Self {
        Self { timeout, start: None }
    }

    /// Milliseconds for the next try; `None` when the time is over.
    fn left_ms(&mut self) -> Option<u32> {
        let start = *self.start.get_or_insert_with(Moment::now);
        let left = self
            .timeout
            .checked_sub(start.elapsed())
            .filter(|left| !left.is_zero())?;
        Some(milliseconds(left))
    }
}

/// What usbfs takes as a timeout: 0 would be no limit, and it is an `int` in the kernel.
fn milliseconds(time: Duration) -> u32 {
    const MAX: u32 = 0x7FFF_FFFF;
    // For each transfer: the 128 bits of `as_micros` take long to divide.
    let begun = time.subsec_nanos().div_ceil(1_000_000);
    let all = time.as_secs().saturating_mul(1000).saturating_add(begun.into());
    u32::try_from(all).unwrap_or(MAX).clamp(1, MAX)
}

impl Node {
    /// Opens the node, for transfers if `write`.
    pub(in crate::usb) fn open(path: &Path, write: bool) -> Result<Self> {
        // std opens with O_CLOEXEC and repeats on EINTR.
        match Tracked::open(|| OpenOptions::new().read(true).write(write).open(path)) {
            Ok(file) => Ok(Self { file }),
            Err(e) => {
                let errno = e.raw_os_error().unwrap_or(0);
                match errno {
                    // No node, or one whose device has just left.
                    libc::ENOENT | libc::ENXIO => Err(Error {
                        kind: ErrorKind::Disconnected,
                        errno,
                        what: "open",
                    }),
                    _ => Err(error(errno, "open")),
                }
            }
        }
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Device and inode number of the node that was opened.
    pub(super) fn id(&self) -> Result<NodeId> {
        let metadata = self
            .file
            .metadata()
            .map_err(|e| error(e.raw_os_error().unwrap_or(0), "fstat"))?;
        Ok(NodeId {
            dev: metadata.dev(),
            ino: metadata.ino(),
        })
    }

    /// One ioctl, repeated when a signal cut it short before it did anything.
    ///
    /// # Safety
    /// `argument` is what `request` wants: a valid pointer to its structure, whose own pointers are valid for the
    /// lengths beside them, or null for a request without argument.
    unsafe fn call(&self, request: u32, argument: *mut c_void) -> std::result::Result<c_int, c_int> {
        loop {
            // SAFETY: the descriptor is open while `self` lives; the argument is this function's contract.
            let result = unsafe { libc::ioctl(self.raw_fd(), libc::Ioctl::from(request), argument) };
            if result >= 0 {
                return Ok(result);
            }
            match last_errno() {
                libc::EINTR => {}
                errno => return Err(errno),
            }
        }
    }

    /// A request whose argument is an unsigned number.
    fn call_with_number(&self, request: u32, number: u8, what: &'static str) -> Result<()> {
        let mut number = c_uint::from(number);
        // SAFETY: these requests read one unsigned int.
        unsafe { self.call(request, (&raw mut number).cast()) }
            .map(drop)
            .map_err(|e| error(e, what))
    }

    /// Claims an interface that nobody has; one that this descriptor has already is claimed again for nothing.
    pub(super) fn claim(&self, interface: u8) -> Result<()> {
        self.call_with_number(request::CLAIM_INTERFACE, interface, "claim")
    }

    /// Claims an interface even if another usbfs user has it. [`ErrorKind::Busy`] if a kernel driver has it.
    pub(super) fn disconnect_claim(&self, interface: u8) -> Result<()> {
        let mut argument = DisconnectClaim {
            interface: interface.into(),
            flags: IF_DRIVER,
            driver: [0; DRIVER_NAME_LEN],
        };
        for (to, from) in argument.driver.iter_mut().zip(USBFS_DRIVER) {
            *to = *from;
        }
        // SAFETY: the request reads a `usbdevfs_disconnect_claim`.
        unsafe { self.call(request::DISCONNECT_CLAIM, (&raw mut argument).cast()) }
            .map(drop)
            .map_err(|e| error(e, "take over"))
    }

    /// Gives an interface back; its transfers in flight end.
    pub(super) fn release(&self, interface: u8) -> Result<()> {
        self.call_with_number(request::RELEASE_INTERFACE, interface, "release")
    }

    /// CLEAR_FEATURE(ENDPOINT_HALT) and reset of the data toggle.
    pub(super) fn clear_halt(&self, endpoint: u8) -> Result<()> {
        self.call_with_number(request::CLEAR_HALT, endpoint, "clear halt")
    }

    /// SET_INTERFACE to a setting.
    pub(super) fn set_interface(&self, interface: u8, setting: u8) -> Result<()> {
        let mut argument = SetInterface {
            interface: interface.into(),
            setting: setting.into(),
        };
        // SAFETY: the request reads a `usbdevfs_setinterface`.
        unsafe { self.call(request::SET_INTERFACE, (&raw mut argument).cast()) }
            .map(drop)
            .map_err(|e| error(e, "set interface"))
    }

    /// Resets the device. Claims are lost with it, as usbfs cannot be told of a reset.
    pub(super) fn reset(&self) -> Result<()> {
        // SAFETY: the request has no argument.
        unsafe { self.call(request::RESET, ptr::null_mut()) }
            .map(drop)
            .map_err(|e| error(e, "reset"))
    }

    /// Name of the driver that has the interface, `None` if it is free.
    pub(super) fn driver(&self, interface: u8) -> Option<String> {
        let mut argument = GetDriver {
            interface: interface.into(),
            driver: [0; DRIVER_NAME_LEN],
        };
        // SAFETY: the request reads and writes a `usbdevfs_getdriver`.
        unsafe { self.call(request::GET_DRIVER, (&raw mut argument).cast()) }.ok()?;
        let name = CStr::from_bytes_until_nul(&argument.driver).ok()?;
        Some(name.to_string_lossy().into_owned())
    }

    /// Whether the device is on the bus: usbfs hangs the descriptor up when it leaves.
    pub(super) fn is_connected(&self) -> bool {
        let mut wait = libc::pollfd {
            fd: self.raw_fd(),
            events: 0,
            revents: 0,
        };
        // SAFETY: one pollfd is passed and its number given.
        let ready = unsafe { libc::poll(&raw mut wait, 1, 0) };
        // A poll that fails (EINTR cannot happen without waiting, ENOMEM can) says nothing of the device.
        ready <= 0 || wait.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) == 0
    }

    /// One bulk transfer to or from `data`.
    ///
    /// # Safety
    /// `data` is valid for `len` bytes, to write if `endpoint` is an IN endpoint and to read otherwise.
    unsafe fn bulk(&self, endpoint: u8, data: *mut u8, len: usize, timeout: Duration) -> Result<usize> {
        let what = if endpoint & 0x80 == 0 { "bulk out" } else { "bulk in" };
        let mut limit = Limit::new(timeout);
        let mut argument = BulkTransfer {
            endpoint: endpoint.into(),
            len: c_uint::try_from(len).map_err(|_| error(libc::EINVAL, what))?,
            timeout_ms: milliseconds(timeout),
            data: data.cast(),
        };
        loop {
            // SAFETY: the request reads a `usbdevfs_bulktransfer`; its data is valid by this function's contract.
            match unsafe { libc::ioctl(self.raw_fd(), libc::Ioctl::from(request::BULK), &raw mut argument) } {
                -1 => match last_errno() {
                    libc::EINTR => {
                        argument.timeout_ms = limit.left_ms().ok_or(error(libc::ETIMEDOUT, what))?;
                    }
                    errno => return Err(error(errno, what)),
                },
                // The kernel transfers no more than it was asked to.
                count => return Ok(usize::try_from(count).unwrap_or(0).min(len)),
            }
        }
    }

    /// One transfer on a bulk OUT endpoint; the kernel buffers it as one piece.
    pub(super) fn bulk_out(&self, endpoint: u8, data: &[u8], timeout: Duration) -> Result<usize> {
        // SAFETY: the slice is valid for reading and the kernel only reads for an OUT endpoint.
        unsafe { self.bulk(endpoint & 0x7F, data.as_ptr().cast_mut(), data.len(), timeout) }
    }

    /// One transfer on a bulk IN endpoint.
    pub(super) fn bulk_in(&self, endpoint: u8, buffer: &mut [u8], timeout: Duration) -> Result<usize> {
        // SAFETY: the slice is valid for writing.
        unsafe { self.bulk(endpoint | 0x80, buffer.as_mut_ptr(), buffer.len(), timeout) }
    }

    /// One control request.
    ///
    /// # Safety
    /// `data` is valid for `len` bytes, to write if the request's direction is IN and to read otherwise.
    unsafe fn control(&self, setup: ControlRequest, data: *mut u8, len: u16, timeout: Duration) -> Result<usize> {
        let mut limit = Limit::new(timeout);
        let mut argument = ControlTransfer {
            request_type: setup.request_type,
            request: setup.request,
            value: setup.value,
            index: setup.index,
            len,
            timeout_ms: milliseconds(timeout),
            data: data.cast(),
        };
        loop {
            // SAFETY: the request reads a `usbdevfs_ctrltransfer`; its data is valid by this function's contract.
            match unsafe { libc::ioctl(self.raw_fd(), libc::Ioctl::from(request::CONTROL), &raw mut argument) } {
                -1 => match last_errno() {
                    libc::EINTR => {
                        argument.timeout_ms = limit.left_ms().ok_or(error(libc::ETIMEDOUT, "control"))?;
                    }
                    errno => return Err(error(errno, "control")),
                },
                count => return Ok(usize::try_from(count).unwrap_or(0).min(len.into())),
            }
        }
    }

    /// Control request with data to the device.
    pub(super) fn control_out(&self, setup: ControlRequest, data: &[u8], timeout: Duration) -> Result<usize> {
        let len = u16::try_from(data.len()).map_err(|_| error(libc::EINVAL, "control"))?;
        let setup = ControlRequest {
            request_type: setup.request_type & 0x7F,
            ..setup
        };
        // SAFETY: the slice is valid for reading and the kernel only reads for an OUT request.
        unsafe { self.control(setup, data.as_ptr().cast_mut(), len, timeout) }
    }

    /// Control request with data from the device; asks for no more than usbfs takes.
    pub(in crate::usb) fn control_in(
        &self,
        setup: ControlRequest,
        buffer: &mut [u8],
        timeout: Duration,
    ) -> Result<usize> {
        let len = u16::try_from(buffer.len().min(MAX_CONTROL_LEN)).unwrap_or(0);
        let setup = ControlRequest {
            request_type: setup.request_type | 0x80,
            ..setup
        };
        // SAFETY: the slice is valid for writing and no shorter than `len`.
        unsafe { self.control(setup, buffer.as_mut_ptr(), len, timeout) }
    }

    /// Puts a transfer in flight.
    ///
    /// # Safety
    /// `urb` and the buffer it names stay valid and untouched until it was reaped or the descriptor is closed.
    pub(super) unsafe fn submit(&self, urb: *mut Urb) -> std::result::Result<(), c_int> {
        // SAFETY: the request reads a `usbdevfs_urb`; the rest is this function's contract.
        unsafe { self.call(request::SUBMIT_URB, urb.cast()) }.map(drop)
    }

    /// Ends a transfer in flight; it can be reaped when this returns.
    pub(super) fn discard(&self, urb: *mut Urb) -> std::result::Result<(), c_int> {
        // SAFETY: the kernel compares the address with those in flight and does not look behind it.
        unsafe { self.call(request::DISCARD_URB, urb.cast()) }.map(drop)
    }

    /// Takes a transfer that has ended, whose memory the kernel then writes: its address, EAGAIN if there is none.
    pub(super) fn reap(&self) -> std::result::Result<*mut Urb, c_int> {
        let mut urb: *mut Urb = ptr::null_mut();
        // SAFETY: the request writes one pointer, and to an URB and its buffer that `submit` promised to keep valid.
        unsafe { self.call(request::REAP_URB_NO_DELAY, (&raw mut urb).cast()) }.map(|_| urb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts() {
        assert_eq!(milliseconds(Duration::ZERO), 1, "0 would be no limit");
        assert_eq!(milliseconds(Duration::from_micros(1001)), 2);
        assert_eq!(milliseconds(Duration::MAX), 0x7FFF_FFFF);
        assert_eq!(Limit::new(Duration::ZERO).left_ms(), None);
        let mut limit = Limit::new(Duration::from_secs(5));
        assert!(limit.left_ms().is_some_and(|ms| (1..=5000).contains(&ms)));
    }
}
