//! One client's open reader.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sim::port::{Port, State};
use crate::sim::protocol::{Notice, Reply, Request};
use crate::sim::sys::Timer;
use crate::sim::transfer::{InTransfer, OutTransfer, Step};
use crate::usb::{ControlRequest, ErrorKind, Interrupt};

/// A transfer that the device has not finished.
#[derive(Debug)]
enum Pending {
    In(InTransfer),
    Out(OutTransfer),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) token: u64,
    port: Arc<Port>,
    pending: Option<Pending>,
    /// When the pending transfer fails.
    deadline: Instant,
    /// When the device may have something for the pending transfer.
    ready: Option<Instant>,
    /// Number of the interrupt transfer in flight.
    urb: Option<u32>,
}

impl Session {
    /// Opens a reader for a client; `None` if it is gone.
    pub(super) fn open(port: Arc<Port>, token: u64) -> Option<Self> {
        let timer = Arc::new(Timer::new().ok()?);
        let mut state = port.lock().filter(|state| state.is_connected())?;
        state.open(token, timer);
        port.finish(state);
        Some(Self {
            token,
            port,
            pending: None,
            deadline: Instant::now(),
            ready: None,
            urb: None,
        })
    }

    /// Whether the reader has left.
    pub(super) fn is_gone(&self) -> bool {
        !self.port.lock().is_some_and(|state| state.is_connected())
    }

    /// Whether a transfer is under way; the client waits for its reply and asks nothing else.
    pub(super) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether nobody can take the reader from who has it claimed.
    pub(super) fn is_of_one_user(&self) -> bool {
        self.port.lock().is_some_and(|state| state.device.config().one_user)
    }

    /// When to look after the pending transfer.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.pending.as_ref()?;
        Some(self.ready.map_or(self.deadline, |ready| ready.min(self.deadline)))
    }

    /// Carries a request out; `None` if it takes time.
    pub(super) fn request(&mut self, request: Request, now: Instant) -> Option<Reply> {
        match request {
            Request::BulkOut { timeout_ms, data } => {
                self.start(Pending::Out(OutTransfer::new(data, false)), timeout_ms, now)
            }
            Request::BulkIn { timeout_ms, wanted } => {
                let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
                self.start(Pending::In(InTransfer::new(wanted)), timeout_ms, now)
            }
            Request::TakeOver => {
                let mut taken = false;
                let reply = self.with_any(|state, token| taken = state.take_over(token));
                Some(reply.and_then(|done| if taken { Ok(done) } else { Err(ErrorKind::Busy) }))
            }
            Request::Release => Some(self.with_any(State::release)),
            Request::Claim => Some(self.with_claim(|_| Ok(Vec::new()))),
            Request::Control { request, length, data } => Some(self.control(request, length, &data, now)),
            Request::SetInterface => {
                let request = ControlRequest {
                    request_type: 0x01,
                    request: 0x0B,
                    value: 0,
                    index: u16::from(self.port.interface_number()),
                };
                Some(self.control(request, 0, &[], now))
            }
            Request::Reset => Some(self.with_claim(|state| {
                state.device.bus_reset();
                Ok(Vec::new())
            })),
            Request::StartInterrupt(number) => {
                let token = self.token;
                let reply = self.with_claim(|state| {
                    state.start_interrupt(token);
                    Ok(Vec::new())
                });
                if reply.is_ok() {
                    self.urb = Some(number);
                }
                Some(reply)
            }
        }
    }

    /// Goes on with the pending transfer; `None` if there is none or it takes more time.
    pub(super) fn step(&mut self, now: Instant) -> Option<Reply> {
        let pending = self.pending.as_mut()?;
        let step = match self.port.lock_for(self.token, "transfer") {
            Err(error) => Step::Done(Err(error.kind)),
            Ok(mut state) => {
                let step = match pending {
                    Pending::In(transfer) => transfer.step(&mut state.device, now),
                    Pending::Out(transfer) => match transfer.step(&mut state.device, now) {
                        Step::Done(result) => Step::Done(result.map(|_| Vec::new())),
                        Step::Wait(ready) => Step::Wait(ready),
                    },
                };
                self.port.finish(state);
                step
            }
        };
        self.ready = None;
        let reply = match step {
            Step::Done(reply) => reply,
            // What has arrived of the transfer is lost, as with USBDEVFS_BULK.
            Step::Wait(_) if now >= self.deadline => Err(ErrorKind::Timeout),
            Step::Wait(ready) => {
                self.ready = ready;
                return None;
            }
        };
        self.pending = None;
        Some(reply)
    }

    /// The end of the interrupt transfer in flight, if it has come.
    pub(super) fn notice(&mut self) -> Option<Notice> {
        let number = self.urb?;
        let mut buffer = [0; 64];
        let mut state = self.port.lock()?;
        let interrupt = state.reap_interrupt(self.token, &mut buffer);
        self.port.finish(state);
        let message = match interrupt {
            Interrupt::Pending => return None,
            Interrupt::Message(len) => Some(buffer.get(..len).unwrap_or_default().to_vec()),
            Interrupt::Idle => None,
        };
        self.urb = None;
        Some(Notice { number, message })
    }

    fn start(&mut self, pending: Pending, timeout_ms: u32, now: Instant) -> Option<Reply> {
        self.pending = Some(pending);
        self.deadline = now + Duration::from_millis(timeout_ms.into());
        self.step(now)
    }

    fn control(&self, request: ControlRequest, length: u16, data: &[u8], now: Instant) -> Reply {
        self.with_claim(|state| {
            let answer = state.device.control_with(request, data, now);
            let mut answer = answer.ok_or(ErrorKind::Stall)?;
            answer.truncate(length.into());
            Ok(answer)
        })
    }

    /// For what needs the claim, which nobody may have then but this client.
    fn with_claim(&self, action: impl FnOnce(&mut State) -> Reply) -> Reply {
        let mut state = self.port.lock_for(self.token, "request").map_err(|error| error.kind)?;
        let reply = action(&mut state);
        self.port.finish(state);
        reply
    }

    fn with_any(&self, action: impl FnOnce(&mut State, u64)) -> Reply {
        let mut state = self.port.lock().ok_or(ErrorKind::Disconnected)?;
        if !state.is_connected() {
            return Err(ErrorKind::Disconnected);
        }
        action(&mut state, self.token);
        self.port.finish(state);
        Ok(Vec::new())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(mut state) = self.port.lock() {
            state.close(self.token);
            self.port.finish(state);
        }
    }
}
