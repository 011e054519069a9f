//! The software reader: a CCID *device* model with a card in it, on a bus that exists inside this process only.
//!
//! [`plug`] puts a reader on the bus; [`Reader`] is its handle. What is on the bus is enumerated with [`interfaces`] and
//! opened like hardware, through [`crate::usb`]. Tests let it [misbehave](fault::Fault) and look at what
//! [arrived](counters::Counters). `WINSCARD_SIM=builtin` puts one there for the first run on a machine without a reader.
//!
//! The same readers in a process of their own, for any number of clients: [`server`], `WINSCARD_SIM=/path/of/socket`, and
//! [`remote`] to control it; or for a kernel, over USB/IP.
//!
//! Nothing runs in the background. What is planned for a time ([`Reader::unplug_after`] and its like) happens when that
//! time is over and the next call looks; a waiting process is woken by timers, see [`wait_fd`] and
//! [`Transport::interrupt_wait`](crate::usb::Transport::interrupt_wait).

pub mod builtin;
pub mod card;
pub mod config;
pub mod counters;
pub mod descriptor;
pub mod device;
pub mod fault;
mod fault_text;
pub mod remote;
pub mod server;
pub mod wire;

mod answer;
mod apdu;
mod bus;
mod character;
mod errno;
mod exchange;
mod iccd;
mod options;
mod pipe;
mod port;
mod secure;
mod slot;
mod sys;
mod t0;
mod t1;
mod transfer;
mod usbip;
mod vicc;

pub(crate) mod client;
pub(crate) mod protocol;
pub(crate) mod socket;

#[cfg(test)]
mod tests;

pub use builtin::BuiltinCard;
pub use bus::{
    Reader, builtin_from_env, bus_path, enabled, forget_after_fork, interfaces, plug, plug_as, plug_device, suspend,
    wait_fd,
};
pub use card::{Card, Protocols, Reset};
pub use config::{Config, Level, PinEntry};
pub use counters::Counters;
pub use fault::{Fault, Injection, Times};

pub(crate) use bus::{find, generation};
pub(crate) use port::{Port, State, failure};
pub(crate) use sys::Timer;
