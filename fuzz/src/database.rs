//! The file of readers and cards, as somebody else may have written it.

use winscard::fuzzing;

/// One execution.
pub fn run(data: &[u8]) {
    fuzzing::database(data);
}
