//! Numbers that nobody else is likely to have. Not secrets.

use std::hash::{BuildHasher, RandomState};

/// A random number other than 0.
pub(crate) fn nonzero_u32() -> u32 {
    loop {
        let number = RandomState::new().hash_one(std::process::id()) & u64::from(u32::MAX);
        if let Ok(number @ 1..) = u32::try_from(number) {
            return number;
        }
    }
}
