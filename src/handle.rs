//! Tables that turn the numbers a C caller holds into shared objects.
//!
//! A value is 31 bits, positive and never 0: bit 30 tells card handles from contexts, 16 bits are the slot's generation, 14 bits
//! the slot. A slot's generation moves on with every use, so a stale value is refused instead of reaching somebody else's object.
//! The lock is held for the look-up only: callers get an `Arc` and may block for as long as they like.

#![allow(
    unsafe_code,
    reason = "the table is reached through one atomic pointer, so that a forked child can replace it"
)]

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::error::{Error, Result};

const INDEX_BITS: u32 = 14;
const GENERATION_BITS: u32 = 16;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
const CARD_BIT: u32 = 1 << (INDEX_BITS + GENERATION_BITS);

/// Slots are reused only while more than this many are free, oldest first: a value returns after two million uses at the earliest.
const FREE_RESERVE: usize = 32;

/// What a table's values stand for; a value of one kind is never valid as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `SCARDCONTEXT`.
    Context,
    /// `SCARDHANDLE`.
    Card,
}

impl Kind {
    const fn bit(self) -> u32 {
        match self {
            Self::Context => 0,
            Self::Card => CARD_BIT,
        }
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    object: Option<Arc<T>>,
}

#[derive(Debug)]
struct Slots<T> {
    /// Index that the first slot has in values.
    first: u32,
    slots: Vec<Slot<T>>,
    free: VecDeque<u32>,
}

impl<T> Slots<T> {
    /// The slot a value names, if the value's generation is the slot's.
    fn find(&mut self, value: u32) -> Option<&mut Slot<T>> {
        let position = (value & INDEX_MASK).wrapping_sub(self.first) & INDEX_MASK;
        let slot = self.slots.get_mut(usize::try_from(position).ok()?)?;
        (slot.generation == (value >> INDEX_BITS) & GENERATION_MASK).then_some(slot)
    }

    /// Puts `object` into a free slot or a new one; the slot's position and generation.
    fn take_slot(&mut self, object: Arc<T>) -> Option<(u32, u32)> {
        let full = self.slots.len() > usize::try_from(INDEX_MASK).ok()?;
        if self.free.len() > FREE_RESERVE || full {
            let position = self.free.pop_front()?;
            let slot = self.slots.get_mut(usize::try_from(position).ok()?)?;
            slot.generation = next_generation(slot.generation);
            slot.object = Some(object);
            return Some((position, slot.generation));
        }
        let position = u32::try_from(self.slots.len()).ok()?;
        let generation = next_generation(random());
        self.slots.push(Slot {
            generation,
            object: Some(object),
        });
        Some((position, generation))
    }
}

/// Generation 0 is left out, so that no value is 0.
const fn next_generation(generation: u32) -> u32 {
    match generation.wrapping_add(1) & GENERATION_MASK {
        0 => 1,
        next => next,
    }
}

/// Not a secret, only not guessable by accident: handles of one run must not happen to work in the next.
fn random() -> u32 {
    let bytes = RandomState::new().hash_one(0_u8).to_ne_bytes();
    let [a, b, c, d, ..] = bytes;
    u32::from_ne_bytes([a, b, c, d])
}

/// A table of shared objects by value.
#[derive(Debug)]
pub struct Table<T> {
    kind: Kind,
    /// Null until first used; owned by the table; replaced by null, and the old one forgotten, in a forked child.
    slots: AtomicPtr<Mutex<Slots<T>>>,
    /// Index for the next slot never used before; 0 means "not started".
    next_index: AtomicU32,
    owns: PhantomData<Arc<T>>,
}

impl<T> Table<T> {
    /// An empty table; made to be a `static`.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            slots: AtomicPtr::new(ptr::null_mut()),
            next_index: AtomicU32::new(0),
            owns: PhantomData,
        }
    }

    /// Stores `object` and gives the value that stands for it.
    ///
    /// # Errors
    /// [`Error::NoMemory`] when all 16 384 slots are in use.
    pub fn insert(&self, object: Arc<T>) -> Result<u32> {
        crate::inject::point("handle");
        let mut slots = self.slots().lock();
        let (position, generation) = slots.take_slot(object).ok_or(Error::NoMemory)?;
        let index = slots.first.wrapping_add(position);
        let used = u32::try_from(slots.slots.len()).unwrap_or(INDEX_MASK);
        self.next_index
            .store(slots.first.wrapping_add(used) | !INDEX_MASK, Ordering::Relaxed);
        drop(slots);
        Ok(self.kind.bit() | generation << INDEX_BITS | index & INDEX_MASK)
    }

    /// The object that `value` stands for; the table's lock is released before this returns.
    ///
    /// # Errors
    /// [`Error::InvalidHandle`] for anything but a live value of this table.
    pub fn get(&self, value: impl TryInto<u32>) -> Result<Arc<T>> {
        let value = self.check(value)?;
        let mut slots = self.slots().lock();
        let object = slots.find(value).and_then(|slot| slot.object.clone());
        drop(slots);
        object.ok_or(Error::InvalidHandle)
    }

    /// Takes the object out: from here on `value` is invalid.
    ///
    /// # Errors
    /// [`Error::InvalidHandle`] for anything but a live value of this table.
    pub fn remove(&self, value: impl TryInto<u32>) -> Result<Arc<T>> {
        let value = self.check(value)?;
        let mut slots = self.slots().lock();
        let object = slots.find(value).and_then(|slot| slot.object.take());
        if object.is_some() {
            let position = (value & INDEX_MASK).wrapping_sub(slots.first) & INDEX_MASK;
            slots.free.push_back(position);
        }
        drop(slots);
        object.ok_or(Error::InvalidHandle)
    }

    /// Every live value with its object, as of one moment.
    #[must_use]
    pub fn values(&self) -> Vec<(u32, Arc<T>)> {
        let slots = self.slots().lock();
        let mut live = Vec::new();
        for (slot, index) in slots.slots.iter().zip(slots.first..) {
            if let Some(object) = &slot.object {
                let value = self.kind.bit() | slot.generation << INDEX_BITS | index & INDEX_MASK;
                live.push((value, Arc::clone(object)));
            }
        }
        drop(slots);
        live
    }

    /// Makes every value invalid without running any destructor: for the child after `fork`, where the objects are the parent's.
    ///
    /// Takes no lock and allocates nothing, because another thread of the parent may have held either at the moment of the fork.
    /// What the table held is leaked on purpose. Values given out later use other slots than those before did.
    pub fn reset_after_fork(&self) {
        self.slots.store(ptr::null_mut(), Ordering::Release);
    }

    /// The 31-bit value in a number of any width, if it is of this table's kind.
    fn check(&self, value: impl TryInto<u32>) -> Result<u32> {
        let value = value.try_into().map_err(|_| Error::InvalidHandle)?;
        let kind = value & !(GENERATION_MASK << INDEX_BITS | INDEX_MASK);
        if kind == self.kind.bit() {
            Ok(value)
        } else {
            Err(Error::InvalidHandle)
        }
    }

    /// The slots, made on first use.
    fn slots(&self) -> &Mutex<Slots<T>> {
        let mut current = self.slots.load(Ordering::Acquire);
        if current.is_null() {
            let first = match self.next_index.load(Ordering::Relaxed) {
                0 => random(),
                next => next,
            };
            let fresh = Slots {
                first: first & INDEX_MASK,
                slots: Vec::new(),
                free: VecDeque::new(),
            };
            let fresh = Box::into_raw(Box::new(Mutex::new(fresh)));
            current = match self
                .slots
                .compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => fresh,
                Err(winner) => {
                    // SAFETY: `fresh` came from Box::into_raw above and was not published.
                    drop(unsafe { Box::from_raw(fresh) });
                    winner
                }
            };
        }
        // SAFETY: not null, from Box::into_raw, and freed only in `drop`, which needs `&mut self`.
        unsafe { &*current }
    }
}

impl<T> Drop for Table<T> {
    fn drop(&mut self) {
        let slots = *self.slots.get_mut();
        if !slots.is_null() {
            // SAFETY: from Box::into_raw in `slots()`, published once, and nobody else has the table any more.
            drop(unsafe { Box::from_raw(slots) });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn a_value_is_positive_31_bits_and_finds_its_object() {
        let table = Table::new(Kind::Card);
        let object = Arc::new(7);
        let value = table.insert(Arc::clone(&object)).unwrap();
        assert!(value > 0 && value <= 0x7FFF_FFFF);
        assert!(Arc::ptr_eq(&table.get(value).unwrap(), &object));
        assert!(Arc::ptr_eq(&table.get(i64::from(value)).unwrap(), &object));
        assert_eq!(table.values().len(), 1);
        assert_eq!(table.values()[0].0, value);
    }

    #[test]
    fn what_was_not_given_out_is_refused() {
        let table = Table::new(Kind::Context);
        let value = table.insert(Arc::new(())).unwrap();
        let wrong = [
            0,
            -1,
            i64::from(value) + 1,
            i64::from(value) | 1 << 32,
            i64::from(value) | i64::from(CARD_BIT),
            -i64::from(value),
        ];
        for raw in wrong {
            assert_eq!(table.get(raw).unwrap_err(), Error::InvalidHandle, "{raw:#x}");
            assert_eq!(table.remove(raw).unwrap_err(), Error::InvalidHandle, "{raw:#x}");
        }
        assert!(table.get(value).is_ok());
    }

    #[test]
    fn a_value_of_one_kind_is_never_one_of_the_other() {
        let contexts = Table::new(Kind::Context);
        let cards = Table::new(Kind::Card);
        for _ in 0..1000 {
            let context = contexts.insert(Arc::new(())).unwrap();
            let card = cards.insert(Arc::new(())).unwrap();
            assert!(cards.get(context).is_err());
            assert!(contexts.get(card).is_err());
        }
    }

    #[test]
    fn a_removed_value_stays_invalid_while_its_slot_is_reused() {
        let table = Table::new(Kind::Context);
        let stale = table.insert(Arc::new(0)).unwrap();
        let object = table.remove(stale).unwrap();
        assert_eq!(Arc::strong_count(&object), 1);
        for n in 1..2000 {
            let value = table.insert(Arc::new(n)).unwrap();
            assert_ne!(value, stale);
            assert_eq!(table.get(stale).unwrap_err(), Error::InvalidHandle);
            assert_eq!(*table.remove(value).unwrap(), n);
        }
        // Slots were reused: the table did not grow with the number of insertions.
        assert!(table.slots().lock().slots.len() <= FREE_RESERVE + 2);
    }

    #[test]
    fn a_full_table_says_so_and_works_again_after_a_removal() {
        let table = Table::new(Kind::Card);
        let object = Arc::new(());
        let values: Vec<u32> = (0..=INDEX_MASK)
            .map(|_| table.insert(Arc::clone(&object)).unwrap())
            .collect();
        assert_eq!(table.insert(Arc::clone(&object)).unwrap_err(), Error::NoMemory);
        assert!(values.iter().all(|value| table.get(*value).is_ok()));
        table.remove(values[5]).unwrap();
        let again = table.insert(object).unwrap();
        assert_ne!(again, values[5]);
        assert_eq!(table.values().len(), values.len());
        assert!(table.values().iter().any(|(value, _)| *value == again));
    }

    #[test]
    fn a_reset_forgets_without_dropping_and_never_gives_an_old_value_again() {
        let table = Table::new(Kind::Context);
        let object = Arc::new(());
        let old: Vec<u32> = (0..50).map(|_| table.insert(Arc::clone(&object)).unwrap()).collect();
        let held = table.slots().lock();
        table.reset_after_fork(); // does not wait for the lock
        drop(held);
        assert_eq!(Arc::strong_count(&object), 51);
        assert!(old.iter().all(|value| table.get(*value).is_err()));
        for _ in 0..5000 {
            let value = table.insert(Arc::new(())).unwrap();
            assert!(old.iter().all(|stale| *stale != value && table.get(*stale).is_err()));
        }
    }

    #[test]
    fn threads_may_insert_look_up_and_remove_at_once() {
        static TABLE: Table<usize> = Table::new(Kind::Card);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || {
                    for n in 0..300 {
                        let value = TABLE.insert(Arc::new(thread * 1000 + n)).unwrap();
                        assert_eq!(*TABLE.get(value).unwrap(), thread * 1000 + n);
                        assert_eq!(*TABLE.remove(value).unwrap(), thread * 1000 + n);
                        assert!(TABLE.get(value).is_err());
                    }
                });
            }
        });
        assert!(TABLE.values().is_empty());
    }
}
