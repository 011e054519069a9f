//! Which readers there are and what they are called.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::lookout::Lookout;
use super::name;
use crate::arbiter::record::MAX_SLOTS;
use crate::arbiter::store::{self, Key, Place};
use crate::ccid::Descriptor;
use crate::fork::PerProcess;
use crate::sim::client;
use crate::usb::{Interface, RawWait, bus};
use crate::{env, oserror, sim};

/// One slot of one interface, under the name that callers know it by.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    /// Its name, as pcsc-lite would make it.
    pub(crate) name: String,
    /// The interface.
    pub(crate) interface: Arc<Interface>,
    /// Index in the name, shared by the slots of an interface.
    pub(crate) index: u8,
    /// Slot number.
    pub(crate) slot: u8,
    /// Number of slots of the interface.
    pub(crate) slots: u8,
}

/// The readers at one time.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// In the order in which `SCardListReaders` gives them.
    pub(crate) readers: Vec<Arc<Reader>>,
    /// Counts arrivals and departures as seen by this process, from 1 and never 0, as pcsc-lite's `PnP` counter.
    pub(crate) changes: u16,
    keys: Vec<(Key, u8)>,
}

impl Snapshot {
    /// Whether this interface is on the bus.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.keys.iter().any(|(listed, _)| listed == key)
    }

    /// The reader of this name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<&Arc<Reader>> {
        self.readers.iter().find(|reader| reader.name.as_bytes() == name)
    }

    /// Whether this reader is still there, and not another that has taken its name.
    pub(crate) fn lists(&self, reader: &Reader) -> bool {
        self.find(reader.name.as_bytes())
            .is_some_and(|found| found.interface == reader.interface)
    }
}

#[derive(Debug, Default)]
struct Registry {
    current: Arc<Snapshot>,
    /// What the bus looked like then; `None` if it has to be looked at again in any case.
    seen: Option<Lookout>,
    /// A device was being configured then, and the kernel makes no sound when it is done.
    settling: bool,
    simulated: HashMap<Key, u8>,
}

static REGISTRY: PerProcess<Mutex<Registry>> = PerProcess::new(Mutex::default);

/// In a forked child: nothing is known.
pub(crate) fn forget_after_fork() {
    REGISTRY.forget();
}

/// The readers now. Cheap while nothing was plugged.
pub(crate) fn readers() -> Arc<Snapshot> {
    let mut registry = REGISTRY.get().lock();
    if server().is_none() && is_simulated() {
        registry.scan_builtin();
        return Arc::clone(&registry.current);
    }
    let nodes = || server().map_or_else(|| Place::usb().nodes, client::nodes);
    let quiet = registry
        .seen
        .as_mut()
        .is_some_and(|seen| seen.is_quiet(nodes, bus_paths));
    if !quiet {
        let place = server().map_or_else(Place::usb, Place::server);
        registry.scan_bus(&place);
    }
    Arc::clone(&registry.current)
}

/// The readers now, looked for anew: something on the bus has changed, perhaps only a permission.
pub(crate) fn rescan() -> Arc<Snapshot> {
    REGISTRY.get().lock().seen = None;
    readers()
}

/// Waits a moment until a reader that is found unplugged has left the list, too: the kernel hangs a node up some milliseconds
/// before it removes it.
pub(crate) fn await_departure(reader: &Reader) {
    const STEPS: u32 = 50;
    for _ in 0..STEPS {
        if !rescan().lists(reader) {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// What to watch for readers that come and go.
pub(crate) fn bus_paths() -> Vec<PathBuf> {
    if let Some(socket) = server() {
        client::watch_paths(socket)
    } else if is_simulated() {
        sim::bus_path().into_iter().collect()
    } else {
        bus::watch_paths()
    }
}

/// When to look again on a system that does not tell.
pub(crate) fn next_look() -> Option<Duration> {
    if server().is_some() || is_simulated() {
        None
    } else {
        bus::LOOK_AGAIN
    }
}

/// Whether to look again soon without being told.
pub(crate) fn is_settling() -> bool {
    REGISTRY.get().lock().settling
}

/// What else to wait for: events that the software reader has planned.
pub(crate) fn bus_fd() -> Option<RawWait> {
    if server().is_none() && is_simulated() {
        sim::wait_fd()
    } else {
        None
    }
}

/// Whether the software reader in this process stands in for the bus.
fn is_simulated() -> bool {
    server();
    sim::enabled()
}

/// The socket of the software reader that stands in for the bus, if that is a process of its own. Reads `WINSCARD_SIM`
/// on first use.
fn server() -> Option<&'static Path> {
    static CHOSEN: PerProcess<Option<PathBuf>> = PerProcess::new(|| {
        let value = env::var_os("WINSCARD_SIM")?;
        let path = Path::new(&value);
        if path.is_absolute() {
            return Some(path.to_owned());
        }
        sim::builtin_from_env(value.to_str()?);
        None
    });
    CHOSEN.get().as_deref()
}

/// What is on the bus of a software reader's server.
fn scan_server(socket: &Path) -> bus::Scan {
    client::interfaces(socket).map_or_else(
        |error| {
            log::warn!("software reader at {}: {error}", socket.display());
            bus::Scan {
                interfaces: Vec::new(),
                // For want of descriptors nothing was seen; that says nothing about the bus.
                settling: oserror::is_exhausted(&error),
            }
        },
        |interfaces| bus::Scan {
            interfaces,
            settling: false,
        },
    )
}

impl Registry {
    fn scan_bus(&mut self, place: &Place) {
        let look = |lookout: Lookout| {
            let found = server().map_or_else(bus::scan, scan_server);
            let (usable, refused): (Vec<_>, Vec<_>) =
                found.interfaces.into_iter().partition(|i| store::may_use(&i.node));
            (lookout, found.settling, usable, refused)
        };
        let mut seen = look(Lookout::compare(&place.nodes));
        if !seen.3.is_empty() {
            // Permission may be given any time, which comparing does not show.
            seen = look(Lookout::listen(&bus_paths(), &place.nodes));
        }
        let (lookout, settling, usable, refused) = seen;
        for interface in &refused {
            log::warn!(
                "{}: no permission for {} (a udev rule or group membership gives it); not listed",
                name::base_name(interface),
                interface.node.display()
            );
        }
        let indices = store::assign_indices(place, &usable);
        self.scan(usable, &indices);
        self.settling = settling;
        let lasting = !settling && (refused.is_empty() || lookout.sees_permissions());
        self.seen = lasting.then_some(lookout);
    }

    fn scan_builtin(&mut self) {
        let interfaces = sim::interfaces();
        let indices = self.simulated_indices(&interfaces);
        self.scan(interfaces, &indices);
    }

    fn scan(&mut self, interfaces: Vec<Interface>, indices: &[u8]) {
        crate::inject::point("registry");
        let mut readers = Vec::new();
        let mut keys = Vec::new();
        for (interface, &index) in interfaces.into_iter().zip(indices) {
            keys.push((Key::of(&interface), index));
            let interface = Arc::new(interface);
            match Descriptor::parse(&interface.class_descriptor) {
                Ok(descriptor) => list_slots(&mut readers, &interface, index, descriptor.slots()),
                Err(error) => log::warn!("{}: {error}; not listed", interface.node.display()),
            }
        }
        if keys == self.current.keys && self.current.changes != 0 {
            return;
        }
        let before = &self.current.keys;
        let moved =
            keys.iter().filter(|k| !before.contains(k)).count() + before.iter().filter(|k| !keys.contains(k)).count();
        let changes = match self.current.changes {
            0 => 1,
            count => (0..moved).fold(count, |c, _| if c >= i16::MAX.unsigned_abs() { 1 } else { c + 1 }),
        };
        readers.sort_by_key(|reader| (reader.index, reader.slot));
        self.current = Arc::new(Snapshot { readers, changes, keys });
    }

    /// Indices of readers that no other process sees.
    fn simulated_indices(&mut self, interfaces: &[Interface]) -> Vec<u8> {
        let keys: Vec<Key> = interfaces.iter().map(Key::of).collect();
        self.simulated.retain(|key, _| keys.contains(key));
        for key in &keys {
            if !self.simulated.contains_key(key) {
                let free = (0..=u8::MAX).find(|i| !self.simulated.values().any(|taken| taken == i));
                self.simulated.insert(*key, free.unwrap_or(u8::MAX));
            }
        }
        keys.iter()
            .map(|key| self.simulated.get(key).copied().unwrap_or(u8::MAX))
            .collect()
    }
}

fn list_slots(readers: &mut Vec<Arc<Reader>>, interface: &Arc<Interface>, index: u8, slots: u16) {
    let base = name::base_name(interface);
    if name::is_ignored(&base, env::var("PCSCLITE_FILTER_IGNORE_READER_NAMES").as_deref()) {
        return;
    }
    let base = name::extended(&base, env::var("PCSCLITE_FILTER_EXTEND_READER_NAMES").as_deref());
    let slots = u8::try_from(slots).unwrap_or(u8::MAX).clamp(1, MAX_SLOTS);
    for slot in 0..slots {
        let name = name::full_name(&base, index, slot);
        readers.push(Arc::new(Reader {
            name,
            interface: Arc::clone(interface),
            index,
            slot,
            slots,
        }));
    }
}
