//! The store of Windows: the registry, in the places and forms that Windows' own smart card service uses, so that what
//! others have introduced there is found: `Software\\Microsoft\\Cryptography\\Calais` of the user and of the machine.
//!
//! | key | value | |
//! |---|---|---|
//! | `Readers\\NAME` | `Device`, `Groups` | system name; groups |
//! | | `Forgotten` | ours: 1 for a name that is not to be used although a reader has it by itself |
//! | `SmartCards\\NAME` | `ATR`, `ATRMask` | bytes |
//! | | `Primary Provider`, `Supported Interfaces` | identifiers, 16 bytes each |
//! | | `Crypto Provider`, `Smart Card Key Storage Provider`, `80000001` | providers 2, 3 and 0x80000001 |

#![allow(unsafe_code, reason = "a named mutex")]

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{WAIT_ABANDONED, WAIT_OBJECT_0};
use windows_sys::Win32::System::Registry::{HKEY, HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE};
use windows_sys::Win32::System::Threading::{CreateMutexW, ReleaseMutex, WaitForSingleObject};

use super::model::{CardType, Database, Guid, ReaderEntry, same};
use super::store::{Scope, Store};
use crate::error::{Error, Result};
use crate::winreg::Key;

const ROOT: &str = "Software\\Microsoft\\Cryptography\\Calais";
const READERS: &str = "Readers";
const CARDS: &str = "SmartCards";
/// How long to wait for another process's change.
const PATIENCE_MS: u32 = 5000;

/// See the module.
#[derive(Debug)]
pub(super) struct Registry;

impl Store for Registry {
    fn read(&self, scope: Scope) -> Database {
        // Without it a change may be seen half done, which is better than not to answer.
        let _lock = Lock::take(scope);
        read(scope)
    }

    fn update(&self, scope: Scope, change: &mut dyn FnMut(&mut Database) -> Result<()>) -> Result<()> {
        let _lock = Lock::take(scope)?;
        let before = read(scope);
        let mut after = before.clone();
        change(&mut after)?;
        let names = after.readers.iter().map(|reader| &reader.name);
        let mut names = names.chain(after.cards.iter().map(|card| &card.name));
        // The registry would take it for a path.
        if names.any(|name| name.contains('\\')) {
            return Err(Error::InvalidValue);
        }
        write(scope, &before, &after).map_err(|error| {
            log::error!("registry, {scope:?}: {error}");
            if error.kind() == io::ErrorKind::PermissionDenied {
                Error::NoAccess
            } else {
                Error::UnknownError
            }
        })
    }
}

fn root(scope: Scope) -> HKEY {
    match scope {
        Scope::User => HKEY_CURRENT_USER,
        Scope::System => HKEY_LOCAL_MACHINE,
    }
}

fn read(scope: Scope) -> Database {
    let mut database = Database::default();
    let Ok(calais) = Key::open(root(scope), ROOT) else {
        return database;
    };
    if let Ok(readers) = calais.child(READERS) {
        for name in readers.children() {
            if let Ok(key) = readers.child(&name) {
                database.readers.push(read_reader(name, &key));
            }
        }
    }
    if let Ok(cards) = calais.child(CARDS) {
        for name in cards.children() {
            if let Ok(key) = cards.child(&name) {
                database.cards.extend(read_card(name, &key));
            }
        }
    }
    database
}

fn read_reader(name: String, key: &Key) -> ReaderEntry {
    let device = key.texts("Device").and_then(|texts| texts.into_iter().next());
    ReaderEntry {
        device: device.unwrap_or_else(|| name.clone()),
        name,
        groups: key.texts("Groups").unwrap_or_default(),
        forgotten: key.number("Forgotten") == Some(1),
    }
}

/// `None` for what has no ATR and so is never found.
fn read_card(name: String, key: &Key) -> Option<CardType> {
    let guids = |name| {
        let bytes: Vec<u8> = key.bytes(name).unwrap_or_default();
        let chunks = bytes.chunks_exact(16);
        chunks
            .filter_map(|bytes| Some(from_memory(bytes.try_into().ok()?)))
            .collect::<Vec<_>>()
    };
    let text = |name: &String| Some((provider_number(name)?, key.texts(name)?.into_iter().next()?));
    let mut providers: Vec<(u32, String)> = key.values().iter().filter_map(text).collect();
    providers.sort();
    Some(CardType {
        name,
        atr: key.bytes("ATR")?,
        mask: key.bytes("ATRMask"),
        primary: guids("Primary Provider").first().copied(),
        interfaces: guids("Supported Interfaces"),
        providers,
    })
}

/// The number of the provider that a value names.
fn provider_number(name: &str) -> Option<u32> {
    match name {
        "Crypto Provider" => Some(2),
        "Smart Card Key Storage Provider" => Some(3),
        digits if digits.len() == 8 => u32::from_str_radix(digits, 16).ok(),
        _ => None,
    }
}

fn provider_name(number: u32) -> String {
    match number {
        2 => "Crypto Provider".to_owned(),
        3 => "Smart Card Key Storage Provider".to_owned(),
        number => format!("{number:08X}"),
    }
}

/// In memory the first three parts of an identifier are numbers, and so have their bytes in another order than its text.
fn from_memory(bytes: [u8; 16]) -> Guid {
    let mut bytes = bytes;
    for part in [0..4, 4..6, 6..8] {
        bytes.get_mut(part).unwrap_or_default().reverse();
    }
    Guid(bytes)
}

fn to_memory(guid: Guid) -> [u8; 16] {
    from_memory(guid.0).0
}

/// Removes what is no longer there and stores what is new or has changed.
fn write(scope: Scope, before: &Database, after: &Database) -> io::Result<()> {
    if before == after {
        return Ok(());
    }
    let calais = Key::create(root(scope), ROOT)?;
    if before.readers != after.readers {
        let readers = calais.create_child(READERS)?;
        for old in before.readers.iter().filter(|old| !after.readers.contains(old)) {
            readers.remove(&old.name)?;
        }
        for new in after.readers.iter().filter(|new| !before.readers.contains(new)) {
            write_reader(&readers.create_child(&new.name)?, new)?;
        }
    }
    if before.cards != after.cards {
        let cards = calais.create_child(CARDS)?;
        let goes = |old: &&CardType| !after.cards.iter().any(|new| same(&new.name, &old.name));
        for old in before.cards.iter().filter(goes) {
            cards.remove(&old.name)?;
        }
        for new in after.cards.iter().filter(|new| !before.cards.contains(new)) {
            // What others keep in it stays.
            write_card(&cards.create_child(&new.name)?, new)?;
        }
    }
    Ok(())
}

fn write_reader(key: &Key, entry: &ReaderEntry) -> io::Result<()> {
    key.set_text("Device", &entry.device)?;
    key.set_texts("Groups", &entry.groups)?;
    if entry.forgotten {
        key.set_number("Forgotten", 1)?;
    }
    Ok(())
}

fn write_card(key: &Key, card: &CardType) -> io::Result<()> {
    key.set_bytes("ATR", &card.atr)?;
    if let Some(mask) = &card.mask {
        key.set_bytes("ATRMask", mask)?;
    }
    if let Some(primary) = card.primary {
        key.set_bytes("Primary Provider", &to_memory(primary))?;
    }
    let interfaces: Vec<u8> = card.interfaces.iter().flat_map(|guid| to_memory(*guid)).collect();
    if !interfaces.is_empty() {
        key.set_bytes("Supported Interfaces", &interfaces)?;
    }
    for (number, name) in &card.providers {
        key.set_text(&provider_name(*number), name)?;
    }
    Ok(())
}

/// The mutex of a scope, which the system gives back when its holder dies.
struct Lock(OwnedHandle);

impl Lock {
    fn take(scope: Scope) -> Result<Self> {
        let name = match scope {
            Scope::User => "Local\\winscard-database-user",
            Scope::System => "Global\\winscard-database-system",
        };
        let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
        // SAFETY: no attributes; the name ends in a NUL.
        let mutex = unsafe { CreateMutexW(std::ptr::null(), 0, name.as_ptr()) };
        if mutex.is_null() {
            log::error!("mutex of the database, {scope:?}: {}", io::Error::last_os_error());
            return Err(Error::NoAccess);
        }
        // SAFETY: the call above has just made this handle and nobody else knows it.
        let mutex = unsafe { OwnedHandle::from_raw_handle(mutex) };
        // SAFETY: the handle is ours and open.
        match unsafe { WaitForSingleObject(mutex.as_raw_handle(), PATIENCE_MS) } {
            WAIT_OBJECT_0 | WAIT_ABANDONED => Ok(Self(mutex)),
            _ => {
                log::error!("the database stays locked by another process");
                Err(Error::ServerTooBusy)
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and this thread has the mutex.
        unsafe { ReleaseMutex(self.0.as_raw_handle()) };
    }
}
