//! A simulated reader on the bus: the device, who has claimed it, whose interrupt transfer is in flight, and what is
//! going to happen to it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::card::Card;
use super::device::Device;
use super::errno;
use super::sys::{Node, Timer};
use crate::usb::{Error, ErrorKind, Interface, Interrupt, Result};

/// Something that happens to a reader at a time laid down beforehand.
#[derive(Debug)]
pub(super) enum Event {
    Insert(u8, Box<dyn Card>),
    Remove(u8),
    Unplug,
}

/// State of a client's interrupt transfer.
#[derive(Debug, PartialEq, Eq)]
enum Urb {
    Idle,
    InFlight,
    /// Ended with a message.
    Completed(Vec<u8>),
    /// Ended without: the claim was taken away.
    Lost,
}

/// An open transport as the port sees it.
#[derive(Debug)]
struct Client {
    id: u64,
    timer: Arc<Timer>,
    urb: Urb,
    /// What the timer is set to, so that it is set only when that changes.
    armed: Option<Wake>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    Now,
    At(Instant),
}

/// What changes about a reader on the bus.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) device: Device,
    connected: bool,
    /// The client that has the interface claimed.
    holder: Option<u64>,
    clients: Vec<Client>,
    /// Ordered by time.
    plan: Vec<(Instant, Event)>,
}

/// A reader on the bus.
#[derive(Debug)]
pub(crate) struct Port {
    /// What enumeration shows.
    pub(super) interface: Interface,
    /// The node; kept open so that its path stays what it is.
    node: Arc<Node>,
    /// Touched when the reader leaves.
    bus_node: Arc<Node>,
    /// Whether the device with this and perhaps other interfaces is on the bus.
    is_there: Arc<AtomicBool>,
    generation: u64,
    state: Mutex<State>,
    changed: Condvar,
}

/// An error of the simulated bus with the number the kernel would give.
pub(crate) fn failure(kind: ErrorKind, what: &'static str) -> Error {
    let errno = match kind {
        ErrorKind::Disconnected => errno::ENODEV,
        ErrorKind::Busy => errno::EBUSY,
        ErrorKind::Timeout => errno::ETIMEDOUT,
        ErrorKind::Stall => errno::EPIPE,
        ErrorKind::Overflow => errno::EOVERFLOW,
        ErrorKind::NoAccess => errno::EACCES,
        ErrorKind::NoMemory => errno::ENOMEM,
        ErrorKind::Other => errno::EIO,
    };
    Error { kind, errno, what }
}

impl Port {
    pub(super) fn new(
        device: Device,
        interface: Interface,
        node: Arc<Node>,
        bus_node: Arc<Node>,
        is_there: Arc<AtomicBool>,
        generation: u64,
    ) -> Self {
        let state = State {
            device,
            connected: true,
            holder: None,
            clients: Vec::new(),
            plan: Vec::new(),
        };
        Self {
            interface,
            node,
            bus_node,
            is_there,
            generation,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// The state, with everything in it that is due. `None` in a child of the process that plugged the reader in: the
    /// lock may have been held by a thread that does not exist there.
    pub(crate) fn lock(&self) -> Option<MutexGuard<'_, State>> {
        if self.generation != super::generation() {
            return None;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.settle(&mut state);
        Some(state)
    }

    /// The state for an operation of a client, which needs the reader on the bus and nobody else's claim.
    ///
    /// # Errors
    /// Disconnected or Busy. An unclaimed interface is claimed, as usbfs does.
    pub(crate) fn lock_for(&self, client: u64, what: &'static str) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock().ok_or(failure(ErrorKind::Disconnected, what))?;
        state.check(client, what)?;
        Ok(state)
    }

    /// Lets everybody see what an operation has changed.
    pub(crate) fn finish(&self, mut state: MutexGuard<'_, State>) {
        self.settle(&mut state);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for a change, but not beyond that time. Afterwards the client's right to go on is checked again.
    pub(crate) fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        until: Instant,
        client: u64,
        what: &'static str,
    ) -> Result<MutexGuard<'a, State>> {
        let until = state.next_event().map_or(until, |event| until.min(event));
        let time = until.saturating_duration_since(Instant::now());
        let (mut state, _) = self
            .changed
            .wait_timeout(state, time)
            .unwrap_or_else(PoisonError::into_inner);
        self.settle(&mut state);
        state.check(client, what)?;
        Ok(state)
    }

    pub(crate) fn interface_number(&self) -> u8 {
        self.interface.number
    }

    /// Adds an event to the plan.
    pub(super) fn schedule(&self, at: Instant, event: Event) {
        let Some(mut state) = self.lock() else { return };
        let place = state.plan.partition_point(|(time, _)| *time <= at);
        state.plan.insert(place, (at, event));
        self.finish(state);
    }

    /// Takes the reader off the bus.
    pub(super) fn unplug(&self) {
        let Some(mut state) = self.lock() else { return };
        self.disconnect(&mut state);
        self.finish(state);
    }

    fn disconnect(&self, state: &mut State) {
        if std::mem::replace(&mut state.connected, false) {
            self.is_there.store(false, Ordering::Release);
            state.plan.clear();
            self.node.touch();
            self.bus_node.touch();
        }
    }

    /// Does what is due, completes interrupt transfers, and sets the timers.
    fn settle(&self, state: &mut State) {
        let now = Instant::now();
        while state.plan.first().is_some_and(|(at, _)| *at <= now) {
            match state.plan.remove(0).1 {
                Event::Insert(slot, card) => drop(state.device.insert(slot, card)),
                Event::Remove(slot) => drop(state.device.remove(slot, now)),
                Event::Unplug => self.disconnect(state),
            }
            self.changed.notify_all();
        }
        if state.device.is_gone() || !self.is_there.load(Ordering::Acquire) {
            self.disconnect(state);
        }
        state.complete_interrupt();
        state.set_timers(now);
    }
}

impl State {
    pub(crate) fn is_connected(&self) -> bool {
        self.connected
    }

    /// When the plan goes on.
    pub(super) fn next_event(&self) -> Option<Instant> {
        self.plan.first().map(|(at, _)| *at)
    }

    pub(crate) fn open(&mut self, id: u64, timer: Arc<Timer>) {
        self.clients.push(Client {
            id,
            timer,
            urb: Urb::Idle,
            armed: None,
        });
    }

    pub(crate) fn close(&mut self, id: u64) {
        self.release(id);
        self.clients.retain(|client| client.id != id);
    }

    fn check(&mut self, client: u64, what: &'static str) -> Result<()> {
        if !self.connected {
            return Err(failure(ErrorKind::Disconnected, what));
        }
        if *self.holder.get_or_insert(client) == client {
            Ok(())
        } else {
            Err(failure(ErrorKind::Busy, what))
        }
    }

    /// Makes this client the holder whoever holds the claim; the old one's interrupt transfer ends.
    /// `false` if the reader is one that nobody can take.
    pub(crate) fn take_over(&mut self, id: u64) -> bool {
        if self.device.config().one_user && self.holder.is_some_and(|holder| holder != id) {
            return false;
        }
        let old = self.holder.replace(id).filter(|&old| old != id);
        if let Some(client) = self
            .clients
            .iter_mut()
            .find(|client| Some(client.id) == old && client.urb == Urb::InFlight)
        {
            client.urb = Urb::Lost;
        }
        true
    }

    pub(crate) fn release(&mut self, id: u64) {
        self.holder.take_if(|holder| *holder == id);
        if let Some(client) = self.client(id).filter(|client| client.urb == Urb::InFlight) {
            client.urb = Urb::Idle;
        }
    }

    /// Puts the client's interrupt transfer in flight if none is.
    pub(crate) fn start_interrupt(&mut self, id: u64) {
        if !self.device.config().interrupt {
            return;
        }
        if let Some(client) = self
            .client(id)
            .filter(|client| matches!(client.urb, Urb::Idle | Urb::Lost))
        {
            client.urb = Urb::InFlight;
        }
    }

    /// Collects the client's interrupt transfer.
    pub(crate) fn reap_interrupt(&mut self, id: u64, buffer: &mut [u8]) -> Interrupt {
        let Some(client) = self.client(id) else {
            return Interrupt::Idle;
        };
        if client.urb == Urb::InFlight {
            return Interrupt::Pending;
        }
        let Urb::Completed(message) = std::mem::replace(&mut client.urb, Urb::Idle) else {
            return Interrupt::Idle;
        };
        let len = buffer.iter_mut().zip(&message).map(|(to, from)| *to = *from).count();
        Interrupt::Message(len)
    }

    fn client(&mut self, id: u64) -> Option<&mut Client> {
        self.clients.iter_mut().find(|client| client.id == id)
    }

    /// A message goes to the transfer in flight as soon as there are both, like on the wire.
    fn complete_interrupt(&mut self) {
        if !self.connected || !self.device.has_interrupt() {
            return;
        }
        let Some(client) = self.clients.iter_mut().find(|client| client.urb == Urb::InFlight) else {
            return;
        };
        if let Some(message) = self.device.interrupt_in() {
            client.urb = Urb::Completed(message);
        }
    }

    fn set_timers(&mut self, now: Instant) {
        let watched = self.device.config().interrupt;
        let next = self
            .plan
            .iter()
            .find(|(_, event)| watched || matches!(event, Event::Unplug))
            .map(|(at, _)| *at);
        for client in &mut self.clients {
            let wake = match client.urb {
                Urb::Completed(_) | Urb::Lost => Some(Wake::Now),
                _ if !self.connected => Some(Wake::Now),
                Urb::Idle | Urb::InFlight => next.map(Wake::At),
            };
            if wake == client.armed {
                continue;
            }
            client.armed = wake;
            client.timer.set(wake.map(|wake| match wake {
                Wake::Now => Duration::ZERO,
                Wake::At(at) => at.saturating_duration_since(now),
            }));
        }
    }
}
