//! [`Transport`] over the kernel's usbfs.
//!
//! Bulk and control transfers are synchronous ioctls; only the interrupt endpoint has an URB in flight, because nobody
//! waits on it while commands run.

mod abi;
mod interrupt;
mod node;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{ControlRequest, Endpoint, Error, ErrorKind, Interface, Interrupt, InterruptWait, Result, Transport};
use crate::clock::Moment;
use abi::error;
use interrupt::{InFlight, Reaped};
pub(super) use node::Node;

/// Longest piece given to usbfs at once. Kernels before 3.3 take no more; later ones look for that much contiguous
/// memory for each call, which a long-running machine may not have.
const MAX_PIECE_LEN: usize = 16 * 1024;

/// Interrupt endpoints of readers are asked every 8 to 255 ms (bInterval, USB 2.0 §9.6.6).
const REPORT_DELAY: Duration = Duration::from_millis(10);

/// One interface of one device, opened through its usbfs node.
#[derive(Debug)]
struct Usbfs {
    node: Node,
    interface: u8,
    bulk_out: Option<Endpoint>,
    bulk_in: Option<Endpoint>,
    interrupt_in: Option<Endpoint>,
    in_flight: Mutex<Option<InFlight>>,
    /// Process that opened it: a forked child must leave the device alone.
    owner: u32,
}

/// Opens the node of an interface for transfers; claims nothing.
///
/// # Errors
/// [`ErrorKind::NoAccess`] without read and write permission, [`ErrorKind::Disconnected`] if the node is gone or has
/// become another device's.
pub fn open(interface: &Interface) -> Result<Arc<dyn Transport>> {
    let node = Node::open(&interface.node, true)?;
    if node.id()? != interface.node_id {
        return Err(error(libc::ENODEV, "open"));
    }
    Ok(Arc::new(Usbfs {
        node,
        interface: interface.number,
        bulk_out: interface.bulk_out,
        bulk_in: interface.bulk_in,
        interrupt_in: interface.interrupt_in,
        in_flight: Mutex::new(None),
        owner: std::process::id(),
    }))
}

/// Name of the kernel driver an interface is bound to: `usbfs` while a program has it claimed.
///
/// Asked of sysfs, because opening and closing the node would wake everybody who watches it; of the node if that fails.
#[must_use]
pub fn driver_of(interface: &Interface) -> Option<String> {
    let entry = Path::new(super::sysfs::SYS_DEVICES).join(&interface.usb_path);
    if !interface.usb_path.is_empty() && entry.is_dir() {
        let driver = std::fs::read_link(entry.join("driver")).ok()?;
        return Some(driver.file_name()?.to_string_lossy().into_owned());
    }
    Node::open(&interface.node, true).ok()?.driver(interface.number)
}

/// Longest piece of a long transfer: whole packets, so that only the last one can be short.
fn piece_len(endpoint: Endpoint) -> usize {
    let packet = usize::from(endpoint.max_packet_len.max(1));
    MAX_PIECE_LEN / packet * packet
}

impl Usbfs {
    /// Corrects a kind that the number alone does not tell.
    ///
    /// The kernel ends transfers with ESHUTDOWN both when the device leaves and when the claim is taken or given back
    /// under them; while a device is being pulled it fails in any way (EPROTO, EILSEQ, EHOSTUNREACH, …).
    fn judge(&self, e: Error) -> Error {
        match (e.kind, self.is_connected()) {
            (ErrorKind::Disconnected, true) if e.errno == libc::ESHUTDOWN => Error {
                kind: ErrorKind::Busy,
                ..e
            },
            (ErrorKind::Other, false) => Error {
                kind: ErrorKind::Disconnected,
                ..e
            },
            _ => e,
        }
    }
}

impl Transport for Usbfs {
    fn claim(&self) -> Result<()> {
        self.node.claim(self.interface)
    }

    fn take_over(&self) -> Result<()> {
        self.node.disconnect_claim(self.interface)
    }

    fn release(&self) {
        if let Err(e) = self.node.release(self.interface) {
            log::trace!("interface {}: {e}", self.interface);
        }
    }

    fn bulk_out(&self, data: &[u8], timeout: Duration) -> Result<usize> {
        let endpoint = self.bulk_out.ok_or(error(0, "no bulk OUT endpoint"))?;
        let piece_len = piece_len(endpoint);
        if data.len() <= piece_len {
            return self
                .node
                .bulk_out(endpoint.address, data, timeout)
                .map_err(|e| self.judge(e));
        }
        let start = Moment::now();
        let mut sent = 0;
        for piece in data.chunks(piece_len) {
            let left = timeout.saturating_sub(start.elapsed());
            let taken = self
                .node
                .bulk_out(endpoint.address, piece, left)
                .map_err(|e| self.judge(e))?;
            sent += taken;
            if taken < piece.len() {
                break;
            }
        }
        Ok(sent)
    }

    fn bulk_in(&self, buffer: &mut [u8], timeout: Duration) -> Result<usize> {
        let endpoint = self.bulk_in.ok_or(error(0, "no bulk IN endpoint"))?;
        let piece_len = piece_len(endpoint);
        if buffer.len() <= piece_len {
            return self
                .node
                .bulk_in(endpoint.address, buffer, timeout)
                .map_err(|e| self.judge(e));
        }
        let start = Moment::now();
        let mut received = 0;
        for piece in buffer.chunks_mut(piece_len) {
            let left = timeout.saturating_sub(start.elapsed());
            match self.node.bulk_in(endpoint.address, piece, left) {
                Ok(count) => {
                    received += count;
                    if count < piece.len() {
                        break;
                    }
                }
                // No zero-length packet after whole pieces: the message's own length tells the caller if it is all.
                Err(Error {
                    kind: ErrorKind::Timeout,
                    ..
                }) if received > 0 => break,
                Err(e) => return Err(self.judge(e)),
            }
        }
        Ok(received)
    }

    fn control_out(&self, request: ControlRequest, data: &[u8], timeout: Duration) -> Result<usize> {
        self.node.control_out(request, data, timeout).map_err(|e| self.judge(e))
    }

    fn control_in(&self, request: ControlRequest, buffer: &mut [u8], timeout: Duration) -> Result<usize> {
        self.node
            .control_in(request, buffer, timeout)
            .map_err(|e| self.judge(e))
    }

    fn clear_halt(&self, endpoint: u8) -> Result<()> {
        self.node.clear_halt(endpoint).map_err(|e| self.judge(e))
    }

    fn set_interface(&self) -> Result<()> {
        self.node.set_interface(self.interface, 0).map_err(|e| self.judge(e))
    }

    fn reset_device(&self) -> Result<()> {
        // The kernel resets a device for anybody and unbinds usbfs from the interface around it: without a claim this
        // would take the interface from another process.
        self.node.claim(self.interface)?;
        self.node.reset().map_err(|e| self.judge(e))?;
        self.node.claim(self.interface)
    }

    fn start_interrupt(&self) -> Result<()> {
        let Some(endpoint) = self.interrupt_in else {
            return Ok(());
        };
        let mut in_flight = self.in_flight.lock();
        if in_flight.is_none() {
            *in_flight = Some(interrupt::submit(&self.node, endpoint).map_err(|e| self.judge(e))?);
        }
        Ok(())
    }

    fn reap_interrupt(&self, buffer: &mut [u8]) -> Result<Interrupt> {
        let mut in_flight = self.in_flight.lock();
        let Some(transfer) = in_flight.take() else {
            return Ok(Interrupt::Idle);
        };
        match transfer.reap(&self.node) {
            Reaped::Pending(transfer) => {
                *in_flight = Some(transfer);
                Ok(Interrupt::Pending)
            }
            Reaped::Failed(transfer, errno) => {
                *in_flight = Some(transfer);
                Err(error(errno, "interrupt"))
            }
            Reaped::Ended(ended) => match ended.errno() {
                0 => {
                    let message = ended.message();
                    for (to, from) in buffer.iter_mut().zip(message) {
                        *to = *from;
                    }
                    Ok(Interrupt::Message(message.len().min(buffer.len())))
                }
                // Unlinked by losing or giving back the claim, by a reset, or because the device left.
                libc::ESHUTDOWN | libc::ECONNRESET | libc::ENOENT | libc::ENODEV => Ok(Interrupt::Idle),
                errno => Err(error(errno, "interrupt")),
            },
        }
    }

    fn report_delay(&self) -> Duration {
        REPORT_DELAY
    }

    fn interrupt_wait(&self) -> InterruptWait {
        InterruptWait {
            fd: self.node.raw_fd(),
            events: libc::POLLOUT,
        }
    }

    fn is_connected(&self) -> bool {
        self.node.is_connected()
    }
}

impl Drop for Usbfs {
    fn drop(&mut self) {
        if self.owner != std::process::id() {
            return;
        }
        if let Some(transfer) = self.in_flight.get_mut().take() {
            transfer.cancel(&self.node);
        }
        // Not left to the close: a child made without atfork handlers (`clone`, `vfork`) may still have the descriptor.
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_packets() {
        for packet in [1, 8, 64, 512, 1000, 1024, 2047] {
            let len = piece_len(Endpoint {
                address: 1,
                max_packet_len: packet,
                interval: 0,
            });
            assert!(
                len > 0 && len <= MAX_PIECE_LEN && len % usize::from(packet) == 0,
                "{packet}: {len}"
            );
        }
    }
}
