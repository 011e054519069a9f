//! Names of readers as the database has them: what the `A` and `W` forms list and take. The plain functions know the names that
//! readers have by themselves, and nothing else.

use super::{Context, ReaderState, get};
use crate::api::constants as c;
use crate::api::types::{DWORD, SCARDCONTEXT};
use crate::database::{self, Domain, View};
use crate::error::{Error, Result};
use crate::reader::registry::{self, Snapshot};
use crate::reader::{icon, identity};

/// Which names of readers a call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Those that readers have by themselves.
    System,
    /// Those of the database.
    Known,
}

/// The system names of the attached readers.
fn attached(snapshot: &Snapshot) -> Vec<String> {
    snapshot.readers.iter().map(|reader| reader.name.clone()).collect()
}

/// Names of the readers that are in one of the groups, each once; of all readers without groups.
///
/// # Errors
/// `NoReadersAvailable`.
pub fn list_readers(domain: Domain, groups: Option<&[Vec<u8>]>) -> Result<Vec<String>> {
    super::prepare();
    let names = View::read(domain).names(&attached(&registry::readers()), groups);
    if names.is_empty() {
        return Err(Error::NoReadersAvailable);
    }
    Ok(names)
}

/// Names of the groups that have readers.
#[must_use]
pub fn list_groups(domain: Domain) -> Vec<String> {
    super::prepare();
    View::read(domain).groups(&attached(&registry::readers()))
}

/// Gives a reader one more name.
///
/// # Errors
/// As documented at `SCardIntroduceReaderA`.
pub fn introduce_reader(context: SCARDCONTEXT, name: &str, device: &str) -> Result<()> {
    database::introduce_reader(get(context)?.domain, name, device, &attached(&registry::readers()))
}

/// Takes a name from a reader.
///
/// # Errors
/// As documented at `SCardForgetReaderA`.
pub fn forget_reader(context: SCARDCONTEXT, name: &str) -> Result<()> {
    database::forget_reader(get(context)?.domain, name, &attached(&registry::readers()))
}

/// Puts a reader into a group.
///
/// # Errors
/// As documented at `SCardAddReaderToGroupA`.
pub fn add_to_group(context: SCARDCONTEXT, name: &str, group: &str) -> Result<()> {
    database::add_to_group(get(context)?.domain, name, group, &attached(&registry::readers()))
}

/// Takes a reader out of a group.
///
/// # Errors
/// As documented at `SCardRemoveReaderFromGroupA`.
pub fn remove_from_group(context: SCARDCONTEXT, name: &str, group: &str) -> Result<()> {
    database::remove_from_group(get(context)?.domain, name, group, &attached(&registry::readers()))
}

impl Context {
    /// The system name that is meant by a name; one that no reader has if none is.
    fn resolve(&self, name: &[u8]) -> Vec<u8> {
        let attached = attached(&registry::readers());
        let device = View::read(self.domain).device(name, &attached);
        device.map(String::into_bytes).unwrap_or_default()
    }

    /// Connects by a name of the database.
    ///
    /// # Errors
    /// As documented at [`SCardConnect`](crate::api::card::SCardConnect).
    pub fn connect_known(&self, name: &[u8], share: DWORD, protocols: DWORD) -> Result<(u32, DWORD)> {
        self.connect(&self.resolve(name), share, protocols)
    }

    /// Puts the system names in the place of names of the database.
    pub fn resolve_states(&self, states: &mut [ReaderState]) {
        let (view, attached) = (View::read(self.domain), attached(&registry::readers()));
        for state in states {
            if !state.name.eq_ignore_ascii_case(c::PNP_NOTIFICATION) {
                let device = view.device(&state.name, &attached);
                state.name = device.map(String::into_bytes).unwrap_or_default();
            }
        }
    }

    /// The picture of the reader of this name.
    ///
    /// # Errors
    /// `UnknownReader`.
    pub fn reader_icon(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.find_reader(&self.resolve(name))?;
        Ok(icon::icon())
    }

    /// How the reader of this name is attached, as a number of Windows' `SCARD_READER_CAPABILITIES`.
    ///
    /// # Errors
    /// `UnknownReader`.
    pub fn device_type(&self, name: &[u8]) -> Result<u32> {
        self.find_reader(&self.resolve(name))?;
        Ok(identity::TYPE_USB)
    }

    /// What tells the device of the reader of this name from all others that are attached.
    ///
    /// # Errors
    /// `UnknownReader`.
    pub fn device_instance(&self, name: &[u8]) -> Result<String> {
        let reader = self.find_reader(&self.resolve(name))?;
        Ok(identity::instance(&reader.interface))
    }

    /// Names of the readers of a device.
    ///
    /// # Errors
    /// `NoReadersAvailable`.
    pub fn readers_of(&self, instance: &str) -> Result<Vec<String>> {
        let snapshot = registry::readers();
        let readers = snapshot.readers.iter();
        let of_device = readers.filter(|reader| identity::instance(&reader.interface).eq_ignore_ascii_case(instance));
        let devices: Vec<String> = of_device.map(|reader| reader.name.clone()).collect();
        let names = View::read(self.domain).names(&devices, None);
        if names.is_empty() {
            return Err(Error::NoReadersAvailable);
        }
        Ok(names)
    }

    /// Every name that the reader of this system name goes by.
    pub(crate) fn names_of(&self, device: &str) -> Vec<String> {
        View::read(self.domain).names_of(device)
    }
}
