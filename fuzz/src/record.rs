//! The record of an interface, as somebody else may have written it, and the names of record files.

use winscard::fuzzing;

pub fn run(data: &[u8]) {
    fuzzing::record(data);
}
