//! The database of readers and cards: names and groups of readers, kinds of cards with their ATRs and providers.
//!
//! There are two scopes, the user's and the system's. A context sees the scope it was established with, a user's the system's as
//! well, and changes its own. What is in the user's scope hides what has the same name in the system's. Every reader that is
//! attached is there by itself, under its system name and in the default group, until something else is stored of that name.
//!
//! Here are the rules; `store` says where the entries are kept.

mod model;
mod store;
#[cfg(unix)]
mod text;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use model::{ALL_READERS, DEFAULT_READERS, MAX_ENTRIES, MAX_PARTS, PROVIDER_PRIMARY, same};
pub(crate) use model::{CardType, Database, Guid, ReaderEntry, check_atr, matches};
use store::{Scope, Store};

use crate::error::{Error, Result};
use crate::iso7816::atr;

/// What a context sees and changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Domain {
    /// `SCARD_SCOPE_USER` and `_TERMINAL`: changes the user's entries, sees the system's too.
    #[default]
    User,
    /// `SCARD_SCOPE_SYSTEM` and `_GLOBAL`: the system's entries.
    System,
    /// No context: sees everything, changes the system's entries. MSDN `SCardIntroduceReaderGroup`.
    Anybody,
}

impl Domain {
    /// The scopes seen, the one that hides the others first.
    fn seen(self) -> &'static [Scope] {
        match self {
            Self::User | Self::Anybody => &[Scope::User, Scope::System],
            Self::System => &[Scope::System],
        }
    }

    fn changed(self) -> Scope {
        match self {
            Self::User => Scope::User,
            Self::System | Self::Anybody => Scope::System,
        }
    }
}

/// What a domain sees at one time.
#[derive(Debug, Default)]
pub(crate) struct View {
    layers: Vec<Database>,
}

/// For the fuzz target: reads a file's text, writes it and reads that again, which must be the same; and asks what it holds.
#[cfg(fuzzing)]
pub(crate) fn read_and_write(text: &str, atr: &[u8]) {
    let first = text::parse(text);
    let second = text::parse(&text::write(&first));
    assert_eq!((&first.readers, &first.cards), (&second.readers, &second.cards));
    assert_eq!(text::parse(&text::write(&second)), second);
    let view = View { layers: vec![first] };
    let attached = ["Reader 00 00".to_owned()];
    for name in view.names(&attached, None) {
        let _device = view.device(name.as_bytes(), &attached);
    }
    let _groups = view.groups(&attached);
    for card in view.cards(Some(atr), &[]).into_iter().chain(view.cards(None, &[])) {
        let _kind = view.card(&card).map(|kind| kind.matches(atr));
        let _provider = view.provider(&card, 1);
    }
}

impl View {
    /// Reads what a domain sees.
    pub(crate) fn read(domain: Domain) -> Self {
        let store = store::store();
        let layers = domain.seen().iter().map(|scope| store.read(*scope)).collect();
        Self { layers }
    }

    /// The entry that is stored of a reader's name.
    fn stored(&self, name: &str) -> Option<&ReaderEntry> {
        self.layers.iter().find_map(|layer| layer.reader(name))
    }

    /// Every name in use: those of the attached readers first, in their order, then those that were introduced.
    fn readers(&self, attached: &[String]) -> Vec<ReaderEntry> {
        let mut readers: Vec<ReaderEntry> = Vec::new();
        for device in attached {
            // An entry of this name for another reader does not hide this one.
            let stored = self.stored(device).filter(|entry| entry.device == *device);
            readers.push(stored.cloned().unwrap_or_else(|| ReaderEntry::new(device, device)));
        }
        for layer in &self.layers {
            for entry in &layer.readers {
                if !readers.iter().any(|known| same(&known.name, &entry.name)) {
                    readers.push(entry.clone());
                }
            }
        }
        readers.retain(|entry| !entry.forgotten);
        readers
    }

    /// The entry of a name in use.
    fn reader(&self, name: &str, attached: &[String]) -> Option<ReaderEntry> {
        self.readers(attached).into_iter().find(|entry| same(&entry.name, name))
    }

    /// Names of the attached readers that are in one of the groups, each once; without groups all.
    pub(crate) fn names(&self, attached: &[String], groups: Option<&[Vec<u8>]>) -> Vec<String> {
        let groups = groups.filter(|groups| !groups.is_empty());
        let groups = groups.map(|groups| {
            groups
                .iter()
                .map(|group| String::from_utf8_lossy(group))
                .collect::<Vec<_>>()
        });
        let is_wanted = |entry: &ReaderEntry| {
            groups.as_ref().is_none_or(|groups| {
                groups
                    .iter()
                    .any(|group| same(group, ALL_READERS) || entry.is_in(group))
            })
        };
        let readers = self.readers(attached).into_iter();
        readers
            .filter(|entry| attached.contains(&entry.device) && is_wanted(entry))
            .map(|entry| entry.name)
            .collect()
    }

    /// Groups with at least one reader, attached or not.
    pub(crate) fn groups(&self, attached: &[String]) -> Vec<String> {
        let mut groups: Vec<String> = Vec::new();
        for group in self.readers(attached).into_iter().flat_map(|entry| entry.groups) {
            if !groups.iter().any(|known| same(known, &group)) {
                groups.push(group);
            }
        }
        groups
    }

    /// The system name of the reader that goes by this name; `None` if no attached reader does.
    pub(crate) fn device(&self, name: &[u8], attached: &[String]) -> Option<String> {
        let name = std::str::from_utf8(name).ok()?;
        let entry = self.reader(name, attached)?;
        // Letters of a system name count with their case, as pcsc-lite has it.
        let exact = entry.name == name || entry.name != entry.device;
        (exact && attached.contains(&entry.device)).then_some(entry.device)
    }

    /// Every name that an attached reader goes by; its system name if it goes by none.
    pub(crate) fn names_of(&self, device: &str) -> Vec<String> {
        let attached = [device.to_owned()];
        let mut names = self.names(&attached, None);
        if names.is_empty() {
            names.push(device.to_owned());
        }
        names
    }

    /// Kinds of cards with this ATR, or with any, that support all of these interfaces.
    pub(crate) fn cards(&self, atr: Option<&[u8]>, interfaces: &[Guid]) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for card in self.layers.iter().flat_map(|layer| &layer.cards) {
            let hidden = self.card(&card.name).ok() != Some(card);
            let fits = atr.is_none_or(|atr| card.matches(atr));
            if !hidden && fits && interfaces.iter().all(|wanted| card.interfaces.contains(wanted)) {
                names.push(card.name.clone());
            }
        }
        names
    }

    /// The kind of card of this name.
    ///
    /// # Errors
    /// `UnknownCard`.
    pub(crate) fn card(&self, name: &str) -> Result<&CardType> {
        let mut layers = self.layers.iter();
        layers.find_map(|layer| layer.card(name)).ok_or(Error::UnknownCard)
    }

    /// The name of a kind of card's provider; of the primary one its identifier as text.
    ///
    /// # Errors
    /// `UnknownCard`, `IccInstallation` (there is none).
    pub(crate) fn provider(&self, card: &str, number: u32) -> Result<String> {
        let card = self.card(card)?;
        if number == PROVIDER_PRIMARY {
            return card.primary.map(Guid::text).ok_or(Error::IccInstallation);
        }
        let provider = card.providers.iter().find(|(known, _)| *known == number);
        provider.map(|(_, name)| name.clone()).ok_or(Error::IccInstallation)
    }
}

fn update(domain: Domain, mut change: impl FnMut(&mut Database) -> Result<()>) -> Result<()> {
    store::store().update(domain.changed(), &mut change)
}

/// Gives a reader one more name. The name a reader has by itself is taken, unless it was forgotten.
///
/// # Errors
/// `InvalidValue` (name), `DuplicateReader`, `NoMemory`, and those of the [`Store`].
pub(crate) fn introduce_reader(domain: Domain, name: &str, device: &str, attached: &[String]) -> Result<()> {
    model::check_name(name)?;
    model::check_name(device)?;
    let view = View::read(domain);
    update(domain, |database| {
        let taken = match database.reader(name) {
            Some(entry) => !entry.forgotten,
            None => view.reader(name, attached).is_some(),
        };
        if taken {
            return Err(Error::DuplicateReader);
        }
        database.put_reader(ReaderEntry::new(name, device))
    })
}

/// Takes a name from a reader, and with it its place in groups.
///
/// # Errors
/// `UnknownReader`, `NoMemory`, and those of the [`Store`].
pub(crate) fn forget_reader(domain: Domain, name: &str, attached: &[String]) -> Result<()> {
    let view = View::read(domain);
    update(domain, |database| {
        let known = match database.reader(name) {
            Some(entry) => Some(entry.clone()).filter(|entry| !entry.forgotten),
            None => view.reader(name, attached),
        };
        let mut entry = known.ok_or(Error::UnknownReader)?;
        let elsewhere = view.layers.iter().skip(1).any(|layer| layer.reader(name).is_some());
        if entry.device != entry.name && !elsewhere {
            database.readers.retain(|reader| !same(&reader.name, name));
            return Ok(());
        }
        // The reader has the name by itself, or the system gives it: that has to be undone by an entry.
        entry.forgotten = true;
        entry.groups.clear();
        database.put_reader(entry)
    })
}

/// Changes the groups of a name in use.
fn change_groups(
    domain: Domain,
    name: &str,
    attached: &[String],
    change: impl Fn(&mut Vec<String>) -> Result<()>,
) -> Result<()> {
    let view = View::read(domain);
    update(domain, |database| {
        let known = match database.reader(name) {
            Some(entry) => Some(entry.clone()).filter(|entry| !entry.forgotten),
            None => view.reader(name, attached),
        };
        let mut entry = known.ok_or(Error::UnknownReader)?;
        change(&mut entry.groups)?;
        database.put_reader(entry)
    })
}

/// Puts a reader into a group, which need not have existed.
///
/// # Errors
/// `InvalidValue` (group), `UnknownReader`, `NoMemory`, and those of the [`Store`].
pub(crate) fn add_to_group(domain: Domain, name: &str, group: &str, attached: &[String]) -> Result<()> {
    model::check_group(group)?;
    change_groups(domain, name, attached, |groups| {
        if groups.iter().any(|known| same(known, group)) {
            return Ok(());
        }
        if groups.len() >= MAX_PARTS {
            return Err(Error::NoMemory);
        }
        groups.push(group.to_owned());
        Ok(())
    })
}

/// Takes a reader out of a group, which is gone with its last reader.
///
/// # Errors
/// `InvalidValue` (group), `UnknownReader`, and those of the [`Store`].
pub(crate) fn remove_from_group(domain: Domain, name: &str, group: &str, attached: &[String]) -> Result<()> {
    model::check_group(group)?;
    change_groups(domain, name, attached, |groups| {
        groups.retain(|known| !same(known, group));
        Ok(())
    })
}

/// A group is there as soon as a reader is in it: nothing is stored. MSDN `SCardIntroduceReaderGroup`.
///
/// # Errors
/// `InvalidValue`.
pub(crate) fn introduce_group(group: &str) -> Result<()> {
    model::check_group(group)
}

/// Takes every reader out of a group.
///
/// # Errors
/// `InvalidValue` (also for the groups of the system), and those of the [`Store`].
pub(crate) fn forget_group(domain: Domain, group: &str) -> Result<()> {
    model::check_group(group)?;
    if same(group, DEFAULT_READERS) {
        return Err(Error::InvalidValue);
    }
    update(domain, |database| {
        for entry in &mut database.readers {
            entry.groups.retain(|known| !same(known, group));
        }
        Ok(())
    })
}

/// Stores a kind of card.
///
/// # Errors
/// `InvalidValue` (name, or there is one of that name), `InvalidAtr`, `NoMemory`, and those of the [`Store`].
pub(crate) fn introduce_card(domain: Domain, card: &CardType) -> Result<()> {
    model::check_name(&card.name)?;
    check_atr(&card.atr, card.mask.as_deref())?;
    // Without a mask a card can only match if its ATR is one.
    if card.mask.is_none() && atr::read(|at| card.atr.get(at).copied().unwrap_or(0)).as_ref() != Some(&card.atr) {
        return Err(Error::InvalidAtr);
    }
    if card.interfaces.len() > MAX_PARTS {
        return Err(Error::NoMemory);
    }
    update(domain, |database| {
        if database.card(&card.name).is_some() {
            return Err(Error::InvalidValue);
        }
        if database.cards.len() >= MAX_ENTRIES {
            return Err(Error::NoMemory);
        }
        database.cards.push(card.clone());
        Ok(())
    })
}

/// Removes a kind of card.
///
/// # Errors
/// `UnknownCard` (not in this scope), and those of the [`Store`].
pub(crate) fn forget_card(domain: Domain, name: &str) -> Result<()> {
    update(domain, |database| {
        let before = database.cards.len();
        database.cards.retain(|card| !same(&card.name, name));
        if database.cards.len() == before {
            return Err(Error::UnknownCard);
        }
        Ok(())
    })
}

/// Stores the name of a kind of card's provider; of the primary one its identifier.
///
/// # Errors
/// `InvalidValue` (number or name), `UnknownCard` (not in this scope), `NoMemory`, and those of the [`Store`].
pub(crate) fn set_provider(domain: Domain, card: &str, number: u32, provider: &str) -> Result<()> {
    model::check_name(provider)?;
    let guid = Guid::parse(provider);
    if number == 0 || (number == PROVIDER_PRIMARY && guid.is_none()) {
        return Err(Error::InvalidValue);
    }
    update(domain, |database| {
        let card = database.card_mut(card).ok_or(Error::UnknownCard)?;
        if number == PROVIDER_PRIMARY {
            card.primary = guid;
            return Ok(());
        }
        card.providers.retain(|(known, _)| *known != number);
        if card.providers.len() >= MAX_PARTS {
            return Err(Error::NoMemory);
        }
        card.providers.push((number, provider.to_owned()));
        Ok(())
    })
}
