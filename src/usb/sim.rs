//! [`Transport`] over a simulated reader, with the claim and transfer rules of usbfs.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::{ControlRequest, ErrorKind, Interface, Interrupt, InterruptWait, Result, Transport};
use crate::sim::device::{In, Out};
use crate::sim::socket::POLLIN;
use crate::sim::{self, Port, Timer, failure};

/// Opens a simulated reader; claims nothing.
///
/// # Errors
/// [`ErrorKind::Disconnected`] if it is not on the bus of this process any more, [`ErrorKind::NoMemory`] without a
/// descriptor to wait on.
pub fn open(interface: &Interface) -> Result<Arc<dyn Transport>> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let gone = failure(ErrorKind::Disconnected, "open");
    let port = sim::find(interface.node_id, interface.number).ok_or(gone)?;
    let timer = Arc::new(Timer::new().map_err(|_| failure(ErrorKind::NoMemory, "open"))?);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut state = port.lock().ok_or(gone)?;
    state.open(id, Arc::clone(&timer));
    port.finish(state);
    Ok(Arc::new(SimTransport { port, timer, id }))
}

struct SimTransport {
    port: Arc<Port>,
    /// Readable when there is an interrupt transfer to reap or the reader has left.
    timer: Arc<Timer>,
    id: u64,
}

impl fmt::Debug for SimTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimTransport")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Drop for SimTransport {
    fn drop(&mut self) {
        if let Some(mut state) = self.port.lock() {
            state.close(self.id);
            self.port.finish(state);
        }
    }
}

/// The end of a transfer that begins now.
fn deadline(timeout: Duration) -> Instant {
    const FOREVER: Duration = Duration::from_secs(31_536_000);
    Instant::now() + timeout.min(FOREVER)
}

impl SimTransport {
    fn control(&self, request: ControlRequest, data: &[u8], what: &'static str) -> Result<Vec<u8>> {
        let mut state = self.port.lock_for(self.id, what)?;
        let answer = state.device.control_with(request, data, Instant::now());
        self.port.finish(state);
        answer.ok_or(failure(ErrorKind::Stall, what))
    }

    /// Reads packets until the transfer ends, as a host controller does.
    fn read<'a>(
        &'a self,
        mut state: MutexGuard<'a, sim::State>,
        buffer: &mut [u8],
        end: Instant,
    ) -> (Option<MutexGuard<'a, sim::State>>, Result<usize>) {
        const WHAT: &str = "bulk in";
        let packet_len = usize::from(state.device.config().max_packet_len.clamp(8, 512));
        let mut filled = 0;
        while filled < buffer.len() {
            let now = Instant::now();
            match state.device.bulk_in(now) {
                In::Stall => return (Some(state), Err(failure(ErrorKind::Stall, WHAT))),
                In::Packet(packet) => {
                    let room = buffer.get_mut(filled..).and_then(|rest| rest.get_mut(..packet.len()));
                    match room.filter(|_| packet.len() <= packet_len) {
                        Some(room) => room.copy_from_slice(&packet),
                        None => return (Some(state), Err(failure(ErrorKind::Overflow, WHAT))),
                    }
                    filled += packet.len();
                    if packet.len() < packet_len {
                        break;
                    }
                }
                // What has arrived of the transfer is lost, as with USBDEVFS_BULK.
                In::Nak(_) if now >= end => {
                    return (Some(state), Err(failure(ErrorKind::Timeout, WHAT)));
                }
                In::Nak(ready) => {
                    let until = ready.map_or(end, |ready| ready.min(end));
                    match self.port.wait(state, until, self.id, WHAT) {
                        Ok(next) => state = next,
                        Err(error) => return (None, Err(error)),
                    }
                }
            }
        }
        (Some(state), Ok(filled))
    }
}

impl Transport for SimTransport {
    fn claim(&self) -> Result<()> {
        // Whoever may use the interface has it.
        self.port.lock_for(self.id, "claim").map(drop)
    }

    fn take_over(&self) -> Result<()> {
        let gone = failure(ErrorKind::Disconnected, "take over");
        let mut state = self.port.lock().ok_or(gone)?;
        if !state.is_connected() {
            return Err(gone);
        }
        let taken = state.take_over(self.id);
        self.port.finish(state);
        if taken {
            Ok(())
        } else {
            Err(failure(ErrorKind::Busy, "take over"))
        }
    }

    fn release(&self) {
        if let Some(mut state) = self.port.lock() {
            state.release(self.id);
            self.port.finish(state);
        }
    }

    fn is_given_back(&self) -> bool {
        self.port.lock().is_some_and(|state| state.device.config().one_user)
    }

    fn bulk_out(&self, data: &[u8], timeout: Duration) -> Result<usize> {
        crate::inject::point("usb");
        const WHAT: &str = "bulk out";
        let end = deadline(timeout);
        let mut state = self.port.lock_for(self.id, WHAT)?;
        let packet_len = usize::from(state.device.config().max_packet_len.clamp(8, 512));
        let mut sent = 0;
        loop {
            let rest = data.get(sent..).unwrap_or_default();
            let packet = rest.get(..packet_len).unwrap_or(rest);
            let now = Instant::now();
            match state.device.bulk_out(packet, now) {
                Out::Ack => sent += packet.len(),
                Out::Stall => return Err(failure(ErrorKind::Stall, WHAT)),
                Out::Nak if now >= end => return Err(failure(ErrorKind::Timeout, WHAT)),
                Out::Nak => {
                    state = self.port.wait(state, end, self.id, WHAT)?;
                    continue;
                }
            }
            if sent >= data.len() {
                break;
            }
        }
        let gone = state.device.is_gone();
        self.port.finish(state);
        if gone {
            Err(failure(ErrorKind::Disconnected, WHAT))
        } else {
            Ok(sent)
        }
    }

    fn bulk_in(&self, buffer: &mut [u8], timeout: Duration) -> Result<usize> {
        crate::inject::point("usb");
        let end = deadline(timeout);
        let state = self.port.lock_for(self.id, "bulk in")?;
        let (state, result) = self.read(state, buffer, end);
        if let Some(state) = state {
            self.port.finish(state);
        }
        result
    }

    fn control_out(&self, request: ControlRequest, data: &[u8], _: Duration) -> Result<usize> {
        self.control(request, data, "control out").map(|_| data.len())
    }

    fn control_in(&self, request: ControlRequest, buffer: &mut [u8], _: Duration) -> Result<usize> {
        let answer = self.control(request, &[], "control in")?;
        Ok(buffer.iter_mut().zip(&answer).map(|(to, from)| *to = *from).count())
    }

    fn clear_halt(&self, endpoint: u8) -> Result<()> {
        let request = ControlRequest {
            request_type: 0x02,
            request: 0x01,
            value: 0,
            index: u16::from(endpoint),
        };
        self.control(request, &[], "clear halt").map(drop)
    }

    fn set_interface(&self) -> Result<()> {
        let number = u16::from(self.port.interface_number());
        let request = ControlRequest {
            request_type: 0x01,
            request: 0x0B,
            value: 0,
            index: number,
        };
        self.control(request, &[], "set interface").map(drop)
    }

    fn reset_device(&self) -> Result<()> {
        let mut state = self.port.lock_for(self.id, "reset")?;
        state.device.bus_reset();
        self.port.finish(state);
        Ok(())
    }

    fn start_interrupt(&self) -> Result<()> {
        let mut state = self.port.lock_for(self.id, "start interrupt")?;
        state.start_interrupt(self.id);
        self.port.finish(state);
        Ok(())
    }

    fn reap_interrupt(&self, buffer: &mut [u8]) -> Result<Interrupt> {
        let gone = failure(ErrorKind::Disconnected, "reap interrupt");
        let mut state = self.port.lock().ok_or(gone)?;
        if !state.is_connected() {
            return Err(gone);
        }
        let interrupt = state.reap_interrupt(self.id, buffer);
        self.port.finish(state);
        Ok(interrupt)
    }

    fn report_delay(&self) -> Duration {
        let state = self.port.lock();
        state.map_or(Duration::ZERO, |state| state.device.config().report_interval)
    }

    fn interrupt_wait(&self) -> InterruptWait {
        InterruptWait {
            fd: self.timer.fd(),
            events: POLLIN,
        }
    }

    fn is_connected(&self) -> bool {
        self.port.lock().is_some_and(|state| state.is_connected())
    }
}
