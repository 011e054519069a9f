//! What the system knows of a reader as a device.
#![allow(unsafe_code, reason = "exported C functions")]

use super::constants::MAX_NAME_LEN;
use super::forms::forms;
use super::types::{In, LPBYTE, LPDWORD, Out, SCARDCONTEXT};
use crate::context;
use crate::error::{Error, Result};
use crate::ffi;
use crate::ffi::text::{self, Unit};

forms! {
    /// Gets a picture of a reader: the contents of an icon file, 256 × 256 pixels.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `szReaderName`: a name of the reader.
    /// - `pbIcon`: gets the file; null asks for the length only.
    /// - `pcbIcon`: in: room in bytes, or `SCARD_AUTOALLOCATE`; out: length of the file.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_PARAMETER` | `szReaderName` or `pcbIcon` is null; or `SCARD_AUTOALLOCATE` with null `pbIcon` |
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_UNKNOWN_READER` | no reader that is plugged in goes by the name |
    /// | `SCARD_E_INSUFFICIENT_BUFFER` | too little room; the length needed is stored, nothing else is written |
    /// | `SCARD_E_NO_MEMORY` | out of memory |
    /// # Blocking
    /// Never.
    /// # Differences
    /// On Windows a driver may bring a picture of its own; here all readers have the same.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardGetReaderIconA`.
    fn SCardGetReaderIconA, SCardGetReaderIconW(
        hContext: SCARDCONTEXT,
        szReaderName: In<U>,
        pbIcon: LPBYTE,
        pcbIcon: LPDWORD,
    ) = icon;

    /// Tells how a reader is attached: `SCARD_READER_TYPE_USB`.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `szReaderName`: a name of the reader.
    /// - `pdwDeviceTypeId`: gets the number.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_PARAMETER` | a pointer is null |
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_UNKNOWN_READER` | no reader that is plugged in goes by the name |
    /// # Blocking
    /// Never.
    /// # Differences
    /// None to Windows; pcsc-lite has no such function.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardGetDeviceTypeIdA`; `SCARD_READER_CAPABILITIES`.
    fn SCardGetDeviceTypeIdA, SCardGetDeviceTypeIdW(
        hContext: SCARDCONTEXT,
        szReaderName: In<U>,
        pdwDeviceTypeId: LPDWORD,
    ) = device_type;

    /// Tells the identifier of the device that a reader is part of, such as `USB\VID_08E6&PID_3437\1-1.3`.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `szReaderName`: a name of the reader.
    /// - `szDeviceInstanceId`: gets the identifier; null asks for the length only.
    /// - `pcchDeviceInstanceId`: in: room in characters, or `SCARD_AUTOALLOCATE`; out: length with the NUL.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_PARAMETER` | `szReaderName` or `pcchDeviceInstanceId` is null; or `SCARD_AUTOALLOCATE` with null `szDeviceInstanceId` |
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_UNKNOWN_READER` | no reader that is plugged in goes by the name |
    /// | `SCARD_E_INSUFFICIENT_BUFFER` | too little room; the length needed is stored, nothing else is written |
    /// | `SCARD_E_NO_MEMORY` | out of memory |
    /// # Blocking
    /// Never.
    /// # Differences
    /// The last part is the place on the bus; on Windows it may be the serial number.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardGetReaderDeviceInstanceIdA`.
    fn SCardGetReaderDeviceInstanceIdA, SCardGetReaderDeviceInstanceIdW(
        hContext: SCARDCONTEXT,
        szReaderName: In<U>,
        szDeviceInstanceId: Out<U>,
        pcchDeviceInstanceId: LPDWORD,
    ) = instance_id;

    /// Lists the names of the readers of a device, as a multi-string.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `szDeviceInstanceId`: the identifier, as [`SCardGetReaderDeviceInstanceIdA`] tells it.
    /// - `mszReaders`: gets the names; null asks for the length only.
    /// - `pcchReaders`: in: room in characters, or `SCARD_AUTOALLOCATE`; out: length with every NUL.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_PARAMETER` | `szDeviceInstanceId` or `pcchReaders` is null; or `SCARD_AUTOALLOCATE` with null `mszReaders` |
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_INVALID_VALUE` | the identifier is no text, or longer than 4096 characters |
    /// | `SCARD_E_NO_READERS_AVAILABLE` | there is no such device, or its readers go by no name |
    /// | `SCARD_E_INSUFFICIENT_BUFFER` | too little room; the length needed is stored, nothing else is written |
    /// | `SCARD_E_NO_MEMORY` | out of memory |
    /// # Blocking
    /// Never.
    /// # Differences
    /// None to Windows; pcsc-lite has no such function.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardListReadersWithDeviceInstanceIdA`.
    fn SCardListReadersWithDeviceInstanceIdA, SCardListReadersWithDeviceInstanceIdW(
        hContext: SCARDCONTEXT,
        szDeviceInstanceId: In<U>,
        mszReaders: Out<U>,
        pcchReaders: LPDWORD,
    ) = readers_of;
}

/// # Safety
/// `name` is null or a string.
unsafe fn name_in<U: Unit>(name: In<U>) -> Result<Vec<u8>> {
    if name.is_null() {
        return Err(Error::InvalidParameter);
    }
    // SAFETY: not null, and a string by contract. What is too long is no reader's name.
    Ok(unsafe { text::bytes_of(name, MAX_NAME_LEN) })
}

/// # Safety
/// As the C function.
unsafe fn icon<U: Unit>(context: SCARDCONTEXT, name: In<U>, buffer: LPBYTE, length: LPDWORD) -> Result<()> {
    if length.is_null() {
        return Err(Error::InvalidParameter);
    }
    // SAFETY: by contract.
    let name = unsafe { name_in(name) }?;
    let icon = context::get(context)?.reader_icon(&name)?;
    // SAFETY: by contract.
    unsafe { text::hand_out(buffer, length, &icon) }
}

/// # Safety
/// As the C function.
unsafe fn device_type<U: Unit>(context: SCARDCONTEXT, name: In<U>, number: LPDWORD) -> Result<()> {
    if number.is_null() {
        return Err(Error::InvalidParameter);
    }
    // SAFETY: by contract.
    let name = unsafe { name_in(name) }?;
    let found = context::get(context)?.device_type(&name)?;
    // SAFETY: by contract.
    unsafe { ffi::store(number, found.into()) };
    Ok(())
}

/// # Safety
/// As the C function.
unsafe fn instance_id<U: Unit>(context: SCARDCONTEXT, name: In<U>, id: Out<U>, length: LPDWORD) -> Result<()> {
    if length.is_null() {
        return Err(Error::InvalidParameter);
    }
    // SAFETY: by contract.
    let name = unsafe { name_in(name) }?;
    let found = context::get(context)?.device_instance(&name)?;
    // SAFETY: by contract.
    unsafe { text::hand_out(id, length, &text::encoded::<U>(&found)) }
}

/// # Safety
/// As the C function.
unsafe fn readers_of<U: Unit>(context: SCARDCONTEXT, id: In<U>, readers: Out<U>, length: LPDWORD) -> Result<()> {
    if length.is_null() {
        return Err(Error::InvalidParameter);
    }
    let context = context::get(context)?;
    // SAFETY: by contract.
    let names = context.readers_of(&unsafe { text::string(id) }?)?;
    // SAFETY: by contract.
    unsafe { text::hand_out(readers, length, &text::multi_encoded::<U>(&names)) }
}
