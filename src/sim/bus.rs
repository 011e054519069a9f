//! The bus of simulated readers: one in a process, made on first use.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::card::Card;
use super::config::Config;
use super::counters::{Counters, Message};
use super::descriptor;
use super::device::Device;
use super::fault::Injection;
use super::options::Spec;
use super::port::{Event, Port};
use super::sys::{Leaked, Node, Timer};
use crate::usb::{self, Backend, Interface, NodeId, RawWait};

/// The bus; never freed, because a child after fork must be able to leave it as it is.
static BUS: Leaked<Bus> = Leaked::none();
/// What `WINSCARD_SIM` asked for.
static SPEC: Leaked<Spec> = Leaked::none();
/// Counts the forks this process descends from, as far as they were told.
static GENERATION: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
struct Bus {
    /// Touched whenever a reader comes or goes.
    node: Arc<Node>,
    /// Runs out when the next planned event of any reader is due.
    timer: Timer,
    list: Mutex<List>,
    /// The readers of `WINSCARD_SIM` are plugged in.
    builtin_done: AtomicBool,
}

#[derive(Debug, Default)]
struct List {
    ports: Vec<Arc<Port>>,
    last_address: u16,
}

impl Bus {
    fn new() -> io::Result<Self> {
        Ok(Self {
            node: Arc::new(Node::new(c"winscard-sim-bus")?),
            timer: Timer::new()?,
            list: Mutex::default(),
            builtin_done: AtomicBool::new(false),
        })
    }

    /// The bus of this process, with the readers of `WINSCARD_SIM` on it.
    fn get() -> io::Result<&'static Self> {
        if BUS.get().is_none() {
            // Another thread may be faster; then its bus is everybody's.
            BUS.set(Self::new()?);
        }
        let bus = BUS.get().ok_or(io::ErrorKind::NotFound)?;
        if let Some(spec) = SPEC.get().filter(|_| !bus.builtin_done.swap(true, Ordering::AcqRel)) {
            bus.plug_builtin(spec)?;
        }
        Ok(bus)
    }

    /// The bus, if there is one or somebody asked for readers on it.
    fn wanted() -> Option<&'static Self> {
        if !enabled() {
            return None;
        }
        Self::get()
            .inspect_err(|error| log::warn!("software reader: no bus: {error}"))
            .ok()
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plugs in a device with an interface for each of these.
    fn plug(&self, configs: Vec<Config>) -> io::Result<Vec<Reader>> {
        let node = Arc::new(Node::new(c"winscard-sim-reader")?);
        let mut list = self.list();
        list.last_address = list.last_address.checked_add(1).unwrap_or(1);
        let is_there = Arc::new(AtomicBool::new(true));
        let composite = configs.len() > 1;
        let mut readers = Vec::with_capacity(configs.len());
        for mut config in configs {
            config.composite |= composite;
            let interface = interface(&config, &node, list.last_address)?;
            let port = Arc::new(Port::new(
                Device::new(config),
                interface,
                Arc::clone(&node),
                Arc::clone(&self.node),
                Arc::clone(&is_there),
                generation(),
            ));
            readers.push(Reader { port });
        }
        list.ports.extend(readers.iter().map(|reader| Arc::clone(&reader.port)));
        drop(list);
        self.node.touch();
        Ok(readers)
    }

    fn plug_builtin(&self, spec: &Spec) -> io::Result<()> {
        for _ in 0..spec.readers {
            for reader in self.plug(spec.device())? {
                spec.equip(&reader);
            }
        }
        let _readers: Vec<Arc<Port>> = self.ports();
        Ok(())
    }

    /// The readers still on the bus. Lets happen what is due and sets the timer for what comes next.
    fn ports(&self) -> Vec<Arc<Port>> {
        self.settle().0
    }

    /// As [`Self::ports`], with the time of what comes next.
    fn settle(&self) -> (Vec<Arc<Port>>, Option<Instant>) {
        let all = self.list().ports.clone();
        let mut next: Option<Instant> = None;
        let mut here = Vec::with_capacity(all.len());
        let mut gone = Vec::new();
        for port in all {
            let Some(state) = port.lock() else { continue };
            let (connected, event) = (state.is_connected(), state.next_event());
            drop(state);
            if connected {
                next = next.into_iter().chain(event).min();
                here.push(port);
            } else {
                gone.push(port);
            }
        }
        self.list()
            .ports
            .retain(|port| !gone.iter().any(|g| Arc::ptr_eq(g, port)));
        self.timer
            .set(next.map(|at| at.saturating_duration_since(Instant::now())));
        (here, next)
    }
}

/// How often this process was told to [forget](forget_after_fork).
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Acquire)
}

/// The reader with this node and interface number, if it is on the bus.
pub(crate) fn find(node: NodeId, number: u8) -> Option<Arc<Port>> {
    Bus::wanted()?
        .ports()
        .into_iter()
        .find(|port| (port.interface.node_id, port.interface.number) == (node, number))
}

/// What enumeration finds in the descriptors of a device just plugged in.
fn interface(config: &Config, node: &Node, address: u16) -> io::Result<Interface> {
    let bytes = [descriptor::device(config), descriptor::configuration(config)].concat();
    let found = usb::descriptor::parse(&bytes, None).and_then(|device| {
        let mut interfaces = device.interfaces.into_iter();
        interfaces.find(|interface| interface.number == config.interface_number)
    });
    let found = found.ok_or(io::ErrorKind::InvalidInput)?;
    Ok(Interface {
        node: node.path(),
        node_id: node.id()?,
        // No real bus has the number 0.
        bus: 0,
        address,
        vendor_id: config.vendor_id,
        product_id: config.product_id,
        device_release: config.device_release,
        number: found.number,
        class: found.class,
        protocol: found.protocol,
        class_descriptor: found.class_descriptor.unwrap_or_default(),
        bulk_out: found.bulk_out,
        bulk_in: found.bulk_in,
        interrupt_in: found.interrupt_in,
        composite: config.composite,
        manufacturer: config.manufacturer.clone(),
        product: config.product.clone(),
        serial: config.serial.clone(),
        interface_name: config.interface_name.clone(),
        usb_path: format!("0-{address}:1.{}", config.interface_number),
        backend: Backend::Sim,
    })
}

/// Puts a reader on the bus, without cards.
///
/// # Errors
/// No file descriptor or memory left for its node.
pub fn plug(config: Config) -> io::Result<Reader> {
    let mut readers = Bus::get()?.plug(vec![config])?;
    readers.pop().ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Puts one device with several reader interfaces on the bus; it leaves as a whole. Their numbers are to differ.
///
/// # Errors
/// As [`plug`].
pub fn plug_device(configs: Vec<Config>) -> io::Result<Vec<Reader>> {
    Bus::get()?.plug(configs)
}

/// Puts on the bus what `WINSCARD_SIM=builtin:…` would with these words, cards, faults and all.
///
/// # Errors
/// Says which word is not understood, or why nothing could be plugged in.
pub fn plug_as(words: &str) -> Result<Vec<Reader>, String> {
    let spec = Spec::strict(words)?;
    let mut plugged = Vec::new();
    for _ in 0..spec.readers {
        for reader in plug_device(spec.device()).map_err(|error| error.to_string())? {
            spec.equip(&reader);
            plugged.push(reader);
        }
    }
    Ok(plugged)
}

/// The readers on the bus, as enumeration finds them, in the order they were plugged in. Costs next to nothing in a
/// process that has nothing to do with simulated readers.
#[must_use]
pub fn interfaces() -> Vec<Interface> {
    let ports = Bus::wanted().map(Bus::ports).unwrap_or_default();
    let interfaces = ports.iter().map(|port| &port.interface);
    interfaces.filter(|interface| is_reader(interface)).cloned().collect()
}

/// Whether enumeration takes it for a reader: class 0xFF is one on listed devices only.
pub(super) fn is_reader(interface: &Interface) -> bool {
    !interface.class_descriptor.is_empty()
        && usb::descriptor::is_reader_class(interface.class, interface.vendor_id, interface.product_id)
}

/// Whether simulated readers play a part in this process: one was asked for or plugged in, or the bus is watched.
#[must_use]
pub fn enabled() -> bool {
    SPEC.get().is_some() || BUS.get().is_some()
}

/// Plugs in what the value of `WINSCARD_SIM` asks for, once, on first use of the bus. Later calls change nothing, also
/// after fork, where the child finds the same readers anew. Returns whether there is something to plug in.
///
/// The value is `builtin` or `builtin:word=value,…`, see docs/software-reader.md; words that are not understood are named
/// in the log and skipped.
pub fn builtin_from_env(value: &str) -> bool {
    match Spec::parse(value) {
        Some(spec) => {
            SPEC.set(spec);
            true
        }
        None => false,
    }
}

/// A file whose inotify watchers see `IN_ATTRIB` when a reader comes or goes. Makes the bus if there is none; `None` if
/// that fails for want of descriptors or memory.
#[must_use]
pub fn bus_path() -> Option<PathBuf> {
    let bus = Bus::get().ok()?;
    Some(bus.node.watched())
}

/// A descriptor that is readable once an event planned for some reader is due, until [`interfaces`] is called.
/// For those that wait without having a reader open.
#[must_use]
pub fn wait_fd() -> Option<RawWait> {
    let bus = Bus::get().ok()?;
    let _readers: Vec<Arc<Port>> = bus.ports();
    Some(bus.timer.fd())
}

/// When the next event planned for some reader is due. For those that wait with a deadline.
pub(crate) fn next_event() -> Option<Instant> {
    Bus::get().ok()?.settle().1
}

/// In the child of a fork: leaves the parent's readers to the parent. Transports and handles of before are dead, the bus
/// is empty (or has the readers of `WINSCARD_SIM` anew). Takes no lock and closes nothing, so it may run in an atfork
/// handler.
pub fn forget_after_fork() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
    BUS.forget();
}

/// Has the machine with this bus sleep for that long, as far as this process can tell: cards lose their power, and the
/// clock that counts sleep runs on. Readers that power cards on insertion do so on waking, too.
pub fn suspend(time: Duration) {
    crate::clock::pretend_sleep(time);
    for port in Bus::wanted().map(Bus::ports).unwrap_or_default() {
        if let Some(mut state) = port.lock() {
            state.device.lose_power();
            port.finish(state);
        }
    }
}

/// Handle of a simulated reader. Dropping it leaves the reader on the bus.
#[derive(Clone, Debug)]
pub struct Reader {
    port: Arc<Port>,
}

impl Reader {
    /// What enumeration shows of it.
    #[must_use]
    pub fn interface(&self) -> &Interface {
        &self.port.interface
    }

    /// Takes the reader off the bus.
    pub fn unplug(&self) {
        self.port.unplug();
    }

    /// Whether it is on the bus.
    #[must_use]
    pub fn is_plugged(&self) -> bool {
        self.port.lock().is_some_and(|state| state.is_connected())
    }

    /// Puts a card into a slot; returns the one that was in it.
    pub fn insert(&self, slot: u8, card: impl Card + 'static) -> Option<Box<dyn Card>> {
        self.change(|device| device.insert(slot, Box::new(card)))?
    }

    /// Takes the card out of a slot.
    pub fn remove(&self, slot: u8) -> Option<Box<dyn Card>> {
        self.change(|device| device.remove(slot, Instant::now()))?
    }

    /// Asks for a misbehaviour: a [`Fault`](super::Fault) once on the next command, or an [`Injection`].
    pub fn inject(&self, injection: impl Into<Injection>) {
        let _done: Option<()> = self.change(|device| device.inject(injection.into()));
    }

    /// Takes back all misbehaviours that have not shown yet.
    pub fn clear_faults(&self) {
        let _done: Option<()> = self.change(Device::clear_faults);
    }

    /// What happened on the wire so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.port
            .lock()
            .map(|state| state.device.counters())
            .unwrap_or_default()
    }

    /// The last messages on the bulk pipes, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.port
            .lock()
            .map(|state| state.device.messages())
            .unwrap_or_default()
    }

    /// The messages from the one with this number on, and the number of the first that is still kept.
    #[must_use]
    pub fn messages_from(&self, first: u64) -> (u64, Vec<Message>) {
        self.port
            .lock()
            .map(|state| state.device.messages_from(first))
            .unwrap_or_default()
    }

    /// Puts a card into a slot after a while.
    pub fn insert_after(&self, after: Duration, slot: u8, card: impl Card + 'static) {
        self.plan(after, Event::Insert(slot, Box::new(card)));
    }

    /// Takes the card out of a slot after a while.
    pub fn remove_after(&self, after: Duration, slot: u8) {
        self.plan(after, Event::Remove(slot));
    }

    /// Takes the reader off the bus after a while.
    pub fn unplug_after(&self, after: Duration) {
        self.plan(after, Event::Unplug);
    }

    /// What it is plugged into.
    pub(super) fn port(&self) -> &Arc<Port> {
        &self.port
    }

    fn plan(&self, after: Duration, event: Event) {
        let Some(at) = Instant::now().checked_add(after) else {
            return;
        };
        self.port.schedule(at, event);
        if let Some(bus) = BUS.get() {
            let _readers: Vec<Arc<Port>> = bus.ports();
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Device) -> T) -> Option<T> {
        let mut state = self.port.lock()?;
        let result = change(&mut state.device);
        self.port.finish(state);
        Some(result)
    }
}
