//! USB as the CCID layer needs it: one [`Transport`] per claimed interface, and the list of interfaces.
//!
//! Three implementations: the system's (`usbfs` with `sysfs` for enumeration, on Windows `winusb` with `winusb_bus`), [`sim`]
//! (the software reader in this process) and `sim_remote` (the same in a process of its own).
//! Nothing here knows CCID; descriptors are handed up as bytes.

pub mod descriptor;
mod node_id;
pub mod sim;
mod sim_remote;
#[cfg(unix)]
pub mod sysfs;
pub(crate) mod text;
#[cfg(unix)]
pub mod usbfs;
#[cfg(windows)]
pub mod winusb;
#[cfg(windows)]
pub mod winusb_bus;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use node_id::NodeId;
#[cfg(unix)]
pub use sysfs as bus;
#[cfg(windows)]
pub use winusb_bus as bus;

use crate::trace;

/// What kind of failure a transfer or request met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The device is no longer on the bus (ENODEV, ESHUTDOWN of the device itself).
    Disconnected,
    /// Somebody else has the interface claimed, or took it from us (EBUSY).
    Busy,
    /// Nothing arrived within the time allowed (ETIMEDOUT).
    Timeout,
    /// The endpoint answered STALL (EPIPE).
    Stall,
    /// The device sent more than was asked for (EOVERFLOW, "babble").
    Overflow,
    /// The process may not open or use the node (EACCES, EPERM).
    NoAccess,
    /// Out of memory or of file descriptors (ENOMEM, EMFILE, ENFILE).
    NoMemory,
    /// Anything else the kernel reports (EIO, EPROTO, EILSEQ, …).
    Other,
}

/// A failed USB operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Category, for decisions.
    pub kind: ErrorKind,
    /// The kernel's number, 0 if there was none; for the log.
    pub errno: i32,
    /// The operation that failed; for the log.
    pub what: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?} (errno {})", self.what, self.kind, self.errno)
    }
}

impl std::error::Error for Error {}

/// Result of a USB operation.
pub type Result<T> = std::result::Result<T, Error>;

/// The setup packet of a control request, without its length (that is the data's).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlRequest {
    /// `bmRequestType`, direction bit included.
    pub request_type: u8,
    /// `bRequest`.
    pub request: u8,
    /// `wValue`.
    pub value: u16,
    /// `wIndex`.
    pub index: u16,
}

/// One endpoint of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `bEndpointAddress`, direction bit included.
    pub address: u8,
    /// `wMaxPacketSize` in bytes (bits 0 to 10), never 0.
    pub max_packet_len: u16,
    /// `bInterval`, 0 where it is not known.
    pub interval: u8,
}

/// One interface of one device on the bus that may be a reader, as enumeration found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Device node (`/dev/bus/usb/BBB/DDD`); for the software reader any lockable, watchable file.
    pub node: PathBuf,
    /// Identity of the node when it was enumerated.
    pub node_id: NodeId,
    /// Bus number.
    pub bus: u16,
    /// Device address on the bus.
    pub address: u16,
    /// `idVendor`.
    pub vendor_id: u16,
    /// `idProduct`.
    pub product_id: u16,
    /// `bcdDevice`.
    pub device_release: u16,
    /// `bInterfaceNumber`.
    pub number: u8,
    /// `bInterfaceClass` (0x0B, or 0xFF on readers older than the class).
    pub class: u8,
    /// `bInterfaceProtocol` (0 CCID, 1 ICCD-A, 2 ICCD-B).
    pub protocol: u8,
    /// Class-specific descriptor of type 0x21 (or 0xFF), whole, as the device gave it.
    pub class_descriptor: Vec<u8>,
    /// Bulk OUT endpoint.
    pub bulk_out: Option<Endpoint>,
    /// Bulk IN endpoint.
    pub bulk_in: Option<Endpoint>,
    /// Interrupt IN endpoint.
    pub interrupt_in: Option<Endpoint>,
    /// Whether the device has interfaces beside this one: then it is never reset as a whole.
    pub composite: bool,
    /// Manufacturer string, if the kernel has it.
    pub manufacturer: Option<String>,
    /// Product string.
    pub product: Option<String>,
    /// Serial number string.
    pub serial: Option<String>,
    /// Interface string.
    pub interface_name: Option<String>,
    /// Kernel path `bus-port.port:config.interface`, e.g. `1-1.3:1.0`; empty if unknown.
    pub usb_path: String,
    /// Which implementation opens it.
    pub backend: Backend,
}

/// What is on the bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Interfaces that may be readers, sorted by bus, address and interface number.
    pub interfaces: Vec<Interface>,
    /// A device was plugged a moment ago and the kernel is not done with it. No node will change when it is: look
    /// again soon, and do not keep this list.
    pub settling: bool,
}

/// Which [`Transport`] implementation an [`Interface`] is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The kernel's usbfs.
    #[cfg(unix)]
    Usbfs,
    /// Windows' WinUSB.
    #[cfg(windows)]
    WinUsb(Arc<winusb::Location>),
    /// The software reader inside this process.
    Sim,
    /// The software reader behind the Unix socket of this path.
    Server(Arc<Path>),
}

impl Interface {
    /// How often the host asks the interrupt endpoint, where the descriptor tells: every so many milliseconds at low and full
    /// speed, a power of two of microframes at high speed (USB 2.0 §9.6.6).
    #[must_use]
    pub fn report_interval(&self) -> Option<Duration> {
        let interval = self.interrupt_in?.interval;
        // Longer bulk packets than this are high speed's (USB 2.0 §5.8.3).
        let is_fast = self.bulk_in.is_some_and(|endpoint| endpoint.max_packet_len > 64);
        match interval {
            0 => None,
            1..=16 if is_fast => Some(Duration::from_micros(125 << (interval - 1))),
            _ if is_fast => None,
            _ => Some(Duration::from_millis(interval.into())),
        }
    }

    /// Opens the interface for transfers; does not claim it yet.
    ///
    /// # Errors
    /// [`ErrorKind::NoAccess`] without read and write permission on the node, [`ErrorKind::Disconnected`] if it is
    /// gone or now belongs to another device.
    pub fn open(&self) -> Result<Arc<dyn Transport>> {
        let transport = match &self.backend {
            #[cfg(unix)]
            Backend::Usbfs => usbfs::open(self),
            #[cfg(windows)]
            Backend::WinUsb(location) => winusb::open(self, location),
            Backend::Sim => sim::open(self),
            Backend::Server(socket) => sim_remote::open(self, socket),
        }?;
        Ok(trace::watched(self, transport))
    }
}

/// What the system lets a thread wait on: a file descriptor.
#[cfg(unix)]
pub type RawWait = std::os::fd::RawFd;
/// What the system lets a thread wait on: a handle.
#[cfg(windows)]
pub type RawWait = std::os::windows::io::RawHandle;

/// Nothing to wait on.
#[cfg(unix)]
pub(crate) const NO_WAIT: RawWait = -1;
/// Nothing to wait on.
#[cfg(windows)]
pub(crate) const NO_WAIT: RawWait = std::ptr::null_mut();

/// A file descriptor to wait on and the `poll` events that mean "the interrupt endpoint has something to reap".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptWait {
    /// The descriptor or handle; owned by the transport.
    pub fd: RawWait,
    /// Events for `poll(2)`; a handle has only one.
    pub events: i16,
}

/// State of the one interrupt transfer a transport keeps in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// In flight, nothing arrived.
    Pending,
    /// A message of this many bytes arrived and was copied out; nothing is in flight now.
    Message(usize),
    /// Nothing is in flight: never started, or ended by losing the claim or by an error.
    Idle,
}

/// Transfers to one claimed interface. All calls are synchronous, bounded by their timeout, and may be made from any
/// thread; a signal never shortens one. Dropping the transport gives the interface back.
///
/// Every operation fails with [`ErrorKind::Disconnected`] once the device has left the bus and with
/// [`ErrorKind::Busy`] while somebody else holds the claim.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Claims the interface if nobody has it; succeeds if it is ours already.
    fn claim(&self) -> Result<()>;

    /// Takes the interface from another usbfs user, whose transfers then fail. Card and slot state survive. Only after
    /// [`Self::claim`] was refused: taking it from oneself would end one's own transfers.
    fn take_over(&self) -> Result<()>;

    /// Gives the interface back. Errors do not matter to anybody.
    fn release(&self);

    /// Whether the interface has to be given back after each use because nobody can take it from another.
    fn is_given_back(&self) -> bool {
        false
    }

    /// Sends `data` on the bulk OUT endpoint. Returns the bytes the device took.
    fn bulk_out(&self, data: &[u8], timeout: Duration) -> Result<usize>;

    /// Reads one transfer from the bulk IN endpoint: until `buffer` is full or a short packet ends it. `buffer` should
    /// be a multiple of the packet length, or the device may overflow it. 0 bytes is a zero-length packet.
    fn bulk_in(&self, buffer: &mut [u8], timeout: Duration) -> Result<usize>;

    /// Control request with data to the device.
    fn control_out(&self, request: ControlRequest, data: &[u8], timeout: Duration) -> Result<usize>;

    /// Control request with data from the device.
    fn control_in(&self, request: ControlRequest, buffer: &mut [u8], timeout: Duration) -> Result<usize>;

    /// Clears a halt on the endpoint with this address (CLEAR_FEATURE, data toggle reset).
    fn clear_halt(&self, endpoint: u8) -> Result<()>;

    /// SET_INTERFACE to alternate setting 0.
    fn set_interface(&self) -> Result<()>;

    /// Resets the whole device; the claim survives if the device comes back the same.
    fn reset_device(&self) -> Result<()>;

    /// Puts one transfer on the interrupt endpoint in flight, if there is such an endpoint and none is in flight.
    fn start_interrupt(&self) -> Result<()>;

    /// Collects the interrupt transfer if it has ended; never blocks. `buffer` takes the message, cut to its length.
    fn reap_interrupt(&self, buffer: &mut [u8]) -> Result<Interrupt>;

    /// How late a report on the interrupt endpoint may come: for so long after the card has answered, there is no telling
    /// by the lack of a report that nothing has happened.
    fn report_delay(&self) -> Duration {
        Duration::ZERO
    }

    /// What to `poll` for the interrupt endpoint; also wakes (POLLHUP, POLLERR) when the device leaves.
    fn interrupt_wait(&self) -> InterruptWait;

    /// Whether the device is still on the bus; costs one cheap system call at most.
    fn is_connected(&self) -> bool;
}
