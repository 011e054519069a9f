#![allow(unsafe_code, reason = "memory lent to the kernel while a transfer is in flight")]
//! The interrupt transfer, whose memory the kernel may write until it is reaped.
//!
//! [`submit`] lends the memory and gives an [`InFlight`], which has no way to it; only reaping turns that into an
//! [`Ended`], which owns it again. An `InFlight` that is dropped without that leaks its memory, which is safe.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use super::abi::{URB_INTERRUPT, Urb, error};
use super::node::Node;
use crate::usb::{Endpoint, Result};

/// Longest interrupt packet there is (USB 2.0 §5.7.3).
const MAX_LEN: u16 = 1024;

/// The kernel's view of the transfer and its data; the URB's buffer pointer points into the same allocation.
#[repr(C)]
#[derive(Debug)]
struct Transfer {
    urb: Urb,
    data: [u8; MAX_LEN as usize],
}

/// A transfer the kernel has.
#[derive(Debug)]
pub(super) struct InFlight(NonNull<Transfer>);

// SAFETY: it is the only pointer to its allocation, which no thread looks at before the transfer was reaped.
unsafe impl Send for InFlight {}

/// A transfer that is over; its memory is ours.
#[derive(Debug)]
pub(super) struct Ended(Box<Transfer>);

/// What [`InFlight::reap`] found.
#[derive(Debug)]
pub(super) enum Reaped {
    /// Not over yet.
    Pending(InFlight),
    /// Over.
    Ended(Ended),
    /// The kernel could not tell, for the reason of this number.
    Failed(InFlight, c_int),
}

/// Puts one transfer of one packet on the interrupt endpoint in flight.
pub(super) fn submit(node: &Node, endpoint: Endpoint) -> Result<InFlight> {
    let transfer = Box::new(Transfer {
        urb: Urb {
            kind: URB_INTERRUPT,
            endpoint: endpoint.address | 0x80,
            status: 0,
            flags: 0,
            buffer: ptr::null_mut(),
            buffer_len: endpoint.max_packet_len.min(MAX_LEN).into(),
            actual_len: 0,
            start_frame: 0,
            number_of_packets: 0,
            error_count: 0,
            signal: 0,
            user_context: ptr::null_mut(),
        },
        data: [0; MAX_LEN as usize],
    });
    let transfer = Box::into_raw(transfer);
    // SAFETY: the pointer is that of a live box; only the address of the field is taken.
    let data = unsafe { &raw mut (*transfer).data };
    // SAFETY: as before, and nobody else has the pointer yet.
    unsafe { (*transfer).urb.buffer = data.cast() };
    // SAFETY: the allocation is reached by nobody until `reap` gets its address back, and lives until then.
    match unsafe { node.submit(transfer.cast()) } {
        Ok(()) => Ok(InFlight(
            NonNull::new(transfer).ok_or(error(libc::EFAULT, "interrupt"))?,
        )),
        Err(errno) => {
            // SAFETY: the kernel did not take it; the pointer is that of the box above.
            drop(unsafe { Box::from_raw(transfer) });
            Err(error(errno, "interrupt"))
        }
    }
}

impl InFlight {
    /// Takes the transfer back if it is over.
    pub(super) fn reap(self, node: &Node) -> Reaped {
        match node.reap() {
            Ok(urb) if urb == self.0.as_ptr().cast() => {
                // SAFETY: the kernel returned this very address, so it is done with it; it came from a box.
                Reaped::Ended(Ended(unsafe { Box::from_raw(self.0.as_ptr()) }))
            }
            // Another transfer: there is none on this descriptor.
            Ok(_) | Err(libc::EAGAIN) => Reaped::Pending(self),
            Err(errno) => Reaped::Failed(self, errno),
        }
    }

    /// Ends the transfer. Whatever arrived in it is lost.
    pub(super) fn cancel(self, node: &Node) {
        // EINVAL: it is over already. In every case it can be reaped now, or never.
        let _ignored = node.discard(self.0.as_ptr().cast());
        drop(self.reap(node));
    }
}

impl Ended {
    /// 0, or the error number it ended with.
    pub(super) const fn errno(&self) -> c_int {
        self.0.urb.status.saturating_neg()
    }

    /// What arrived.
    pub(super) fn message(&self) -> &[u8] {
        let len = usize::try_from(self.0.urb.actual_len).unwrap_or(0);
        self.0.data.get(..len).unwrap_or_default()
    }
}
