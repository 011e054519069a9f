//! What a `SCARDCONTEXT` is: the connections made in it, its view of readers, and the calls that wait in it.

pub mod locate;
pub mod names;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::api::constants as c;
use crate::api::types::{DWORD, SCARDCONTEXT};
use crate::arbiter::store::Key;
use crate::arbiter::wait::{Ear, Signal};
use crate::card::{self, Card};
use crate::database::Domain;
use crate::error::{Error, Result};
use crate::handle::{Kind, Table};
use crate::reader::link::{Link, Permit};
use crate::reader::registry::{self, Reader};
use crate::{fork, logging, reader, sim, started, trace};

static CONTEXTS: Table<Context> = Table::new(Kind::Context);

/// The context a value stands for.
///
/// # Errors
/// `InvalidHandle` for any value that is not a context of this process.
pub fn get(context: SCARDCONTEXT) -> Result<Arc<Context>> {
    CONTEXTS.get(context)
}

/// What a context that may be 0 sees of the database.
///
/// # Errors
/// `InvalidHandle` for any other value that is not a context of this process.
pub fn domain(context: SCARDCONTEXT) -> Result<Domain> {
    if context == 0 {
        return Ok(Domain::Anybody);
    }
    get(context).map(|context| context.domain)
}

/// What has to be done once in a process before anything else.
pub(crate) fn prepare() {
    logging::init();
    trace::init();
    fork::register(|| {
        CONTEXTS.reset_after_fork();
        card::cards().reset_after_fork();
        reader::port::forget_after_fork();
        registry::forget_after_fork();
        sim::forget_after_fork();
        started::forget_after_fork();
    });
}

/// How long `SCardGetStatusChange` may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// For ever.
    Infinite,
    /// This long.
    After(Duration),
}

/// One entry of `SCardGetStatusChange`, copied from and to the caller's `SCARD_READERSTATE`.
#[derive(Clone, Debug)]
pub struct ReaderState {
    /// The reader's name, or that of the pseudo reader that stands for the list of readers.
    pub name: Vec<u8>,
    /// What the caller knows.
    pub current: u32,
    /// What there is.
    pub event: u32,
    /// ATR of the card, `atr_len` bytes of it.
    pub atr: [u8; 33],
    /// Length of the ATR.
    pub atr_len: usize,
    /// Whether anything but `event` was set.
    pub touched: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Context {
    value: AtomicU32,
    /// What it sees and changes of the database.
    domain: Domain,
    released: AtomicBool,
    /// This context's part in using each interface it asked about.
    links: Mutex<HashMap<Key, Arc<Link>>>,
    /// One for each call that waits, for `SCardCancel`.
    waits: Mutex<Vec<Arc<Signal>>>,
    /// What the last call that waited left for the next one.
    spare: Mutex<Option<(Ear, Permit)>>,
}

impl Context {
    /// Makes a context and gives its value.
    ///
    /// # Errors
    /// `InvalidValue` for a scope that there is not, `NoMemory` when no more can be had.
    pub fn establish(scope: DWORD) -> Result<u32> {
        let domain = match scope {
            c::SCARD_SCOPE_USER | c::SCARD_SCOPE_TERMINAL => Domain::User,
            c::SCARD_SCOPE_SYSTEM | c::SCARD_SCOPE_GLOBAL => Domain::System,
            _ => return Err(Error::InvalidValue),
        };
        prepare();
        let context = Arc::new(Self {
            domain,
            ..Self::default()
        });
        let value = CONTEXTS.insert(Arc::clone(&context))?;
        context.value.store(value, Ordering::Release);
        Ok(value)
    }

    /// Ends a context: calls that wait in it end, its connections are let go of.
    ///
    /// # Errors
    /// `InvalidHandle`.
    pub fn release(context: u32) -> Result<()> {
        let context = CONTEXTS.remove(context)?;
        context.released.store(true, Ordering::Release);
        context.wake();
        let value = context.value();
        for (handle, card) in card::cards().values() {
            if card.context() == value && card::cards().remove(handle).is_ok() {
                card.abandon();
            }
        }
        Ok(())
    }

    /// What it sees and changes of the database.
    #[must_use]
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The value callers know this context by.
    pub(crate) fn value(&self) -> SCARDCONTEXT {
        crate::ffi::handle(self.value.load(Ordering::Acquire))
    }

    /// Names of the readers.
    ///
    /// # Errors
    /// `NoReadersAvailable`.
    pub fn list_readers(&self) -> Result<Vec<String>> {
        let snapshot = registry::readers();
        if snapshot.readers.is_empty() {
            return Err(Error::NoReadersAvailable);
        }
        Ok(snapshot.readers.iter().map(|reader| reader.name.clone()).collect())
    }

    /// The reader of this name; exactly this name.
    pub(crate) fn find_reader(&self, name: &[u8]) -> Result<Arc<Reader>> {
        registry::readers().find(name).cloned().ok_or(Error::UnknownReader)
    }

    /// Connects to the card in a reader.
    ///
    /// # Errors
    /// As documented at [`SCardConnect`](crate::api::card::SCardConnect).
    pub fn connect(&self, name: &[u8], share: DWORD, protocols: DWORD) -> Result<(u32, DWORD)> {
        let (handle, active) = Card::connect(self, name, share, protocols)?;
        // The context may have been released while this call waited: then nobody would ever let go of the connection.
        if self.released.load(Ordering::Acquire) {
            if let Ok(card) = card::cards().remove(handle) {
                card.abandon();
            }
            return Err(Error::InvalidHandle);
        }
        Ok((handle, active))
    }

    /// Ends every `SCardGetStatusChange` that waits in this context now. One that is called later does not know of it.
    ///
    /// # Errors
    /// None; the result is the API's.
    pub fn cancel(&self) -> Result<()> {
        self.wake();
        Ok(())
    }

    fn wake(&self) {
        for signal in self.waits.lock().iter() {
            signal.set();
        }
    }

    /// This context's link to a reader's interface.
    fn link(&self, reader: &Reader) -> Result<Arc<Link>> {
        let key = Key::of(&reader.interface);
        let mut links = self.links.lock();
        if let Some(link) = links.get(&key) {
            return Ok(Arc::clone(link));
        }
        let link = Arc::new(Link::open(reader)?);
        links.insert(key, Arc::clone(&link));
        Ok(link)
    }

    /// Lets go of interfaces that are no longer there.
    fn forget_gone(&self, reader: &Reader) {
        self.links.lock().remove(&Key::of(&reader.interface));
    }
}
