//! The database of readers: names and groups.
#![allow(unsafe_code, reason = "exported C functions")]

use super::forms::forms;
use super::types::{In, SCARDCONTEXT};
use crate::context::{self, names};
use crate::database;
use crate::error::Result;
use crate::ffi::text::{self, Unit};

forms! {
    /// Says that there is to be a group. It comes into being with its first reader: nothing is stored.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext), or 0.
    /// - `szGroupName`: the name.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_HANDLE` | neither 0 nor a context of this process |
    /// | `SCARD_E_INVALID_PARAMETER` | the name is null |
    /// | `SCARD_E_INVALID_VALUE` | it is empty, longer than 127 bytes of UTF-8, no text, has a control character; `SCard$AllReaders`, `SCard$LocalReaders`, `SCard$SystemReaders` |
    /// # Blocking
    /// Never.
    /// # Differences
    /// None to Windows; pcsc-lite has no such function.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardIntroduceReaderGroupA`.
    fn SCardIntroduceReaderGroupA, SCardIntroduceReaderGroupW(
        hContext: SCARDCONTEXT,
        szGroupName: In<U>,
    ) = introduce_group;

    /// Takes every reader out of a group of the context's scope, and so ends it.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `szGroupName`: the name.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_S_SUCCESS` | also if there is no such group |
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_INVALID_PARAMETER` | the name is null |
    /// | `SCARD_E_INVALID_VALUE` | as for [`SCardIntroduceReaderGroupA`]; `SCard$DefaultReaders` |
    /// | `SCARD_E_NO_ACCESS` | this scope's database cannot be written, or is not to be trusted; the log says why |
    /// | `SCARD_E_SERVER_TOO_BUSY` | another process did not let go of the database for 5 s |
    /// | `SCARD_E_NO_MEMORY` | no room |
    /// # Blocking
    /// Waits for another process's change of the database.
    /// # Differences
    /// None to Windows; pcsc-lite has no such function.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardForgetReaderGroupA`.
    fn SCardForgetReaderGroupA, SCardForgetReaderGroupW(
        hContext: SCARDCONTEXT,
        szGroupName: In<U>,
    ) = forget_group;

    /// Gives a reader one more name, in the default group.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `szReaderName`: the new name.
    /// - `szDeviceName`: the reader's system name, its attribute `SCARD_ATTR_DEVICE_SYSTEM_NAME`. It need not be plugged in.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_INVALID_PARAMETER` | a name is null |
    /// | `SCARD_E_INVALID_VALUE` | a name is empty, longer than 127 bytes of UTF-8, no text, has a control character |
    /// | `SCARD_E_DUPLICATE_READER` | the name is in use |
    /// | `SCARD_E_NO_ACCESS` | this scope's database cannot be written, or is not to be trusted; the log says why |
    /// | `SCARD_E_SERVER_TOO_BUSY` | another process did not let go of the database for 5 s |
    /// | `SCARD_E_NO_MEMORY` | no room; the scope has 1024 names |
    /// # Blocking
    /// Waits for another process's change of the database.
    /// # Differences
    /// Only `…A` and `…W` functions know the name; those that pcsc-lite has too know what readers are called by themselves.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardIntroduceReaderA`.
    fn SCardIntroduceReaderA, SCardIntroduceReaderW(
        hContext: SCARDCONTEXT,
        szReaderName: In<U>,
        szDeviceName: In<U>,
    ) = introduce_reader;

    /// Takes a name from a reader, also the one it has by itself, and takes it out of all groups. The name comes back by
    /// [`SCardIntroduceReaderA`].
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `szReaderName`: the name.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_INVALID_PARAMETER` | the name is null |
    /// | `SCARD_E_INVALID_VALUE` | it is no text, or longer than 4096 characters |
    /// | `SCARD_E_UNKNOWN_READER` | no reader goes by it |
    /// | `SCARD_E_NO_ACCESS` | this scope's database cannot be written, or is not to be trusted; the log says why |
    /// | `SCARD_E_SERVER_TOO_BUSY` | another process did not let go of the database for 5 s |
    /// | `SCARD_E_NO_MEMORY` | no room |
    /// # Blocking
    /// Waits for another process's change of the database.
    /// # Differences
    /// On Windows the name that a reader has by itself comes back when it is plugged in again; here it does not.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardForgetReaderA`.
    fn SCardForgetReaderA, SCardForgetReaderW(hContext: SCARDCONTEXT, szReaderName: In<U>) = forget_reader;

    /// Puts a reader into a group, which comes into being if there was none of that name.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `szReaderName`: a name of the reader.
    /// - `szGroupName`: the group.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_S_SUCCESS` | also if it was in the group |
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_INVALID_PARAMETER` | a name is null |
    /// | `SCARD_E_INVALID_VALUE` | the group's name is as for [`SCardIntroduceReaderGroupA`] |
    /// | `SCARD_E_UNKNOWN_READER` | no reader goes by the name |
    /// | `SCARD_E_NO_ACCESS` | this scope's database cannot be written, or is not to be trusted; the log says why |
    /// | `SCARD_E_SERVER_TOO_BUSY` | another process did not let go of the database for 5 s |
    /// | `SCARD_E_NO_MEMORY` | no room; the reader is in 64 groups |
    /// # Blocking
    /// Waits for another process's change of the database.
    /// # Differences
    /// None to Windows; pcsc-lite has no such function.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardAddReaderToGroupA`.
    fn SCardAddReaderToGroupA, SCardAddReaderToGroupW(
        hContext: SCARDCONTEXT,
        szReaderName: In<U>,
        szGroupName: In<U>,
    ) = add_to_group;

    /// Takes a reader out of a group, which ends with its last reader.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `szReaderName`: a name of the reader.
    /// - `szGroupName`: the group.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_S_SUCCESS` | also if it was not in the group |
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_INVALID_PARAMETER` | a name is null |
    /// | `SCARD_E_INVALID_VALUE` | the group's name is as for [`SCardIntroduceReaderGroupA`] |
    /// | `SCARD_E_UNKNOWN_READER` | no reader goes by the name |
    /// | `SCARD_E_NO_ACCESS` | this scope's database cannot be written, or is not to be trusted; the log says why |
    /// | `SCARD_E_SERVER_TOO_BUSY` | another process did not let go of the database for 5 s |
    /// | `SCARD_E_NO_MEMORY` | no room |
    /// # Blocking
    /// Waits for another process's change of the database.
    /// # Differences
    /// None to Windows; pcsc-lite has no such function.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardRemoveReaderFromGroupA`.
    fn SCardRemoveReaderFromGroupA, SCardRemoveReaderFromGroupW(
        hContext: SCARDCONTEXT,
        szReaderName: In<U>,
        szGroupName: In<U>,
    ) = remove_from_group;
}

/// # Safety
/// As the C function.
unsafe fn introduce_group<U: Unit>(context: SCARDCONTEXT, group: In<U>) -> Result<()> {
    context::domain(context)?;
    // SAFETY: by contract.
    database::introduce_group(&unsafe { text::string(group) }?)
}

/// # Safety
/// As the C function.
unsafe fn forget_group<U: Unit>(context: SCARDCONTEXT, group: In<U>) -> Result<()> {
    let domain = context::get(context)?.domain();
    // SAFETY: by contract.
    database::forget_group(domain, &unsafe { text::string(group) }?)
}

/// # Safety
/// As the C function.
unsafe fn introduce_reader<U: Unit>(context: SCARDCONTEXT, name: In<U>, device: In<U>) -> Result<()> {
    drop(context::get(context)?);
    // SAFETY: by contract.
    let name = unsafe { text::string(name) }?;
    // SAFETY: by contract.
    let device = unsafe { text::string(device) }?;
    names::introduce_reader(context, &name, &device)
}

/// # Safety
/// As the C function.
unsafe fn forget_reader<U: Unit>(context: SCARDCONTEXT, name: In<U>) -> Result<()> {
    drop(context::get(context)?);
    // SAFETY: by contract.
    names::forget_reader(context, &unsafe { text::string(name) }?)
}

/// # Safety
/// As the C function.
unsafe fn add_to_group<U: Unit>(context: SCARDCONTEXT, name: In<U>, group: In<U>) -> Result<()> {
    drop(context::get(context)?);
    // SAFETY: by contract.
    let name = unsafe { text::string(name) }?;
    // SAFETY: by contract.
    let group = unsafe { text::string(group) }?;
    names::add_to_group(context, &name, &group)
}

/// # Safety
/// As the C function.
unsafe fn remove_from_group<U: Unit>(context: SCARDCONTEXT, name: In<U>, group: In<U>) -> Result<()> {
    drop(context::get(context)?);
    // SAFETY: by contract.
    let name = unsafe { text::string(name) }?;
    // SAFETY: by contract.
    let group = unsafe { text::string(group) }?;
    names::remove_from_group(context, &name, &group)
}
