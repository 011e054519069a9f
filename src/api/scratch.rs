//! Buffers between the caller's memory and the library: the caller's may overlap, or be uninitialised.
//!
//! Each thread keeps one pair, so that an exchange allocates nothing once the pair is large enough. What they held (PINs, keys) is
//! wiped after every use.

use std::cell::Cell;

use crate::ccid::pin::wipe;
use crate::error::{Error, Result};

#[derive(Debug, Default)]
struct Buffers {
    command: Vec<u8>,
    /// As long as the longest use so far; all zero between uses.
    response: Vec<u8>,
}

thread_local! {
    static SPARE: Cell<Option<Buffers>> = const { Cell::new(None) };
}

/// The buffers of one exchange; given back, wiped, when dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    buffers: Buffers,
    /// How much of the response may have been written to.
    touched: usize,
}

impl Scratch {
    /// The thread's buffers; new ones if it is using them already, or is ending.
    pub(super) fn take() -> Self {
        let buffers = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
        Self { buffers, touched: 0 }
    }

    /// The command, empty at first.
    pub(super) const fn command(&mut self) -> &mut Vec<u8> {
        &mut self.buffers.command
    }

    /// The command, and `room` zero bytes for the response to it.
    pub(super) fn exchange(&mut self, room: usize) -> Result<(&[u8], &mut [u8])> {
        let response = &mut self.buffers.response;
        if let Some(more) = room.checked_sub(response.len()) {
            response.try_reserve_exact(more).map_err(|_| Error::NoMemory)?;
            response.resize(room, 0);
        }
        self.touched = room;
        let response = response.get_mut(..room).ok_or(Error::InternalError)?;
        Ok((&self.buffers.command, response))
    }

    /// The response, which has `len` bytes: those, or as many of them as there was room for. Whoever wrote it left the rest alone,
    /// so that only this much has to be wiped.
    pub(super) fn response(&mut self, len: usize) -> &[u8] {
        let room = self.buffers.response.get(..self.touched).unwrap_or_default();
        let (response, rest) = room.split_at_checked(len).unwrap_or((room, &[]));
        debug_assert!(rest.iter().all(|byte| *byte == 0), "bytes behind the response");
        self.touched = response.len();
        response
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        wipe(&mut self.buffers.command);
        self.buffers.command.clear();
        if let Some(response) = self.buffers.response.get_mut(..self.touched) {
            wipe(response);
        }
        let buffers = std::mem::take(&mut self.buffers);
        // Fails while the thread ends: then the buffers are simply freed.
        let _ = SPARE.try_with(|spare| spare.set(Some(buffers)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn spare() -> Buffers {
        SPARE.take().unwrap()
    }

    #[test]
    fn buffers_are_wiped_and_reused() {
        let mut scratch = Scratch::take();
        scratch.command().extend_from_slice(b"secret");
        let (command, response) = scratch.exchange(300).unwrap();
        assert_eq!(command, b"secret");
        response.fill(7);
        assert_eq!(scratch.response(1000), [7; 300]);
        let address = scratch.buffers.response.as_ptr();
        drop(scratch);

        let buffers = spare();
        assert!(buffers.command.is_empty() && buffers.command.capacity() >= 6);
        assert_eq!(buffers.response, [0; 300]);
        SPARE.set(Some(buffers));

        let mut scratch = Scratch::take();
        let (_, response) = scratch.exchange(10).unwrap();
        assert_eq!(response, [0; 10]);
        response[..2].fill(7);
        assert_eq!(scratch.response(2), [7, 7]);
        assert_eq!(scratch.buffers.response.as_ptr(), address);
    }

    #[test]
    fn a_panic_wipes_too() {
        let caught = std::panic::catch_unwind(|| {
            let mut scratch = Scratch::take();
            scratch.exchange(8).unwrap().1.fill(7);
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(caught.is_err());
        assert_eq!(spare().response, [0; 8]);
    }

    #[test]
    fn a_second_use_at_once_gets_buffers_of_its_own() {
        let mut first = Scratch::take();
        first.command().push(1);
        let mut second = Scratch::take();
        assert!(second.command().is_empty());
    }
}
