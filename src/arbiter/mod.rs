//! Who may use a card, who waits, who is told: decided between processes by kernel primitives alone.
//!
//! - [`locks`]: open-file-description locks on the device node. Whoever may open the reader may take part; a killed
//!   process leaves its locks to the kernel.
//! - [`record`]: what everybody must know of an interface and its slots, as bytes; [`store`] keeps them in a tmpfs file.
//! - [`wait`]: one `poll` over inotify, a cancel event and the interrupt endpoint.
//!
//! Truth is split so that death needs no cleaning up: the record says *who* holds a transaction or the claim, a lock
//! says whether that one still *lives*. A transaction is not itself a lock because it has to end when the card is
//! pulled, whether or not its owner ever calls again, and because those who wait for it must be woken by a reset, a
//! removal and an unplugged reader as well; a thread inside `fcntl(F_OFD_SETLKW)` can be told none of these.
//!
//! No caller is trusted, and no other process more than the kernel: every field of the record is range-checked.

pub(crate) mod locks;
pub(crate) mod record;
pub(crate) mod store;
pub(crate) mod wait;
