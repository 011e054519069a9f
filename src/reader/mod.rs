//! One slot of one interface: power, protocol, status, attributes, and the turn at the pipes that all of these need.
//!
//! `registry` finds readers and names them; a `port::Port` is this process's access to one interface; a
//! `link::Link` is one party to the arbitration (a card handle, or a context that asks for status); a `turn::Turn` is
//! the time during which a link alone may talk to the reader and change the record.

pub(crate) mod attrib;
mod claim;
pub(crate) mod control;
mod hints;
pub(crate) mod icon;
pub(crate) mod identity;
mod line;
pub(crate) mod link;
mod lookout;
pub mod name;
pub(crate) mod port;
pub(crate) mod power;
pub(crate) mod protocol;
pub(crate) mod registry;
pub(crate) mod sense;
pub(crate) mod status;
mod swap;
pub(crate) mod turn;
pub(crate) mod watch;
