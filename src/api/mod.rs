//! The C functions of `<winscard.h>`: one file per family of calls, arguments checked in pcsc-lite's order, no logic.
#![allow(
    non_snake_case,
    non_camel_case_types,
    non_upper_case_globals,
    clippy::upper_case_acronyms,
    reason = "C names, spelled as the headers spell them"
)]

pub mod constants;
pub mod types;
