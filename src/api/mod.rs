//! The C functions of `<winscard.h>`: one file per family of calls, arguments checked in pcsc-lite's order, no logic.
//!
//! Every function does the same: pointers become values, a handle becomes an `Arc` whose table is unlocked again, one safe call
//! does the work and may block, results are written last. A panic inside gives `SCARD_F_INTERNAL_ERROR`.
//!
//! # Pointers
//! Where a function's `# Safety` section refers here, each pointer argument must be
//! - null, or
//! - valid for reading (`LPC…`) or for reading and writing (`LP…`) one object of its type; for a buffer with a length, of that many
//!   bytes; for a string, up to its NUL; for a length that is `SCARD_AUTOALLOCATE`, the buffer argument points to a pointer.
//!
//! and the memory must not be changed by another thread during the call. Arguments may overlap each other, and need not be aligned.
//!
//! # Numbers
//! Of a `DWORD` argument only the low 32 bits count, as with pcsc-lite, whose messages carry no more. Lengths, timeouts and handles
//! count whole.
#![allow(
    non_snake_case,
    non_camel_case_types,
    non_upper_case_globals,
    clippy::upper_case_acronyms,
    reason = "C names, spelled as the headers spell them"
)]

pub mod cache;
pub mod card;
pub mod cards;
pub mod constants;
pub mod context;
pub mod devices;
mod forms;
pub mod groups;
pub mod io;
pub mod locate;
pub mod pci;
pub mod readers;
mod scratch;
mod states;
pub mod system;
pub mod text;
pub mod types;
