//! The database of cards: kinds of cards with their ATRs, interfaces and providers.
#![allow(unsafe_code, reason = "exported C functions")]

use super::forms::forms;
use super::types::{DWORD, GUID, In, LPCBYTE, LPCGUID, LPDWORD, LPGUID, Out, SCARDCONTEXT};
use crate::context;
use crate::context::locate::{self, Wanted};
use crate::database;
use crate::error::{Error, Result};
use crate::ffi::text::{self, Unit};
use crate::ffi::{self, low_word};
use crate::iso7816::atr::MAX_ATR_LEN;

/// Most identifiers that a call takes.
const MAX_GUIDS: usize = 1024;

forms! {
    /// Lists the kinds of cards that fit, as a multi-string.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext), or 0 for everything that any context sees.
    /// - `pbAtr`: an ATR, whose length it tells itself; null for any.
    /// - `rgquidInterfaces`, `cguidInterfaceCount`: interfaces that a card must support, all of them; null for none.
    /// - `mszCards`: gets the names, an empty multi-string if there are none; null asks for the length only.
    /// - `pcchCards`: in: room in characters, or `SCARD_AUTOALLOCATE`; out: length with every NUL.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_PARAMETER` | `pcchCards` is null; or `SCARD_AUTOALLOCATE` with null `mszCards` |
    /// | `SCARD_E_INVALID_HANDLE` | neither 0 nor a context of this process |
    /// | `SCARD_E_INVALID_ATR` | `pbAtr` points at no ATR |
    /// | `SCARD_E_INVALID_VALUE` | more than 1024 interfaces |
    /// | `SCARD_E_INSUFFICIENT_BUFFER` | too little room; the length needed is stored, nothing else is written |
    /// | `SCARD_E_NO_MEMORY` | out of memory |
    /// # Blocking
    /// Never.
    /// # Differences
    /// It does not disturb a transaction, as it does on Windows.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardListCardsA`.
    fn SCardListCardsA, SCardListCardsW(
        hContext: SCARDCONTEXT,
        pbAtr: LPCBYTE,
        rgquidInterfaces: LPCGUID,
        cguidInterfaceCount: DWORD,
        mszCards: Out<U>,
        pcchCards: LPDWORD,
    ) = list_cards;

    /// Tells the interfaces that a kind of card supports.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext), or 0 for everything that any context sees.
    /// - `szCard`: the kind of card.
    /// - `pguidInterfaces`: gets the identifiers; null asks for their number only.
    /// - `pcguidInterfaces`: in: room in identifiers, or `SCARD_AUTOALLOCATE`; out: their number.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_PARAMETER` | `szCard` or `pcguidInterfaces` is null; or `SCARD_AUTOALLOCATE` with null `pguidInterfaces` |
    /// | `SCARD_E_INVALID_HANDLE` | neither 0 nor a context of this process |
    /// | `SCARD_E_UNKNOWN_CARD` | there is no such kind |
    /// | `SCARD_E_INSUFFICIENT_BUFFER` | too little room; the number is stored, nothing else is written |
    /// | `SCARD_E_NO_MEMORY` | out of memory |
    /// # Blocking
    /// Never.
    /// # Differences
    /// None to Windows; pcsc-lite has no such function.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardListInterfacesA`.
    fn SCardListInterfacesA, SCardListInterfacesW(
        hContext: SCARDCONTEXT,
        szCard: In<U>,
        pguidInterfaces: LPGUID,
        pcguidInterfaces: LPDWORD,
    ) = list_interfaces;

    /// Tells the identifier of a kind of card's primary provider.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext), or 0 for everything that any context sees.
    /// - `szCard`: the kind of card.
    /// - `pguidProviderId`: gets the identifier.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_PARAMETER` | a pointer is null |
    /// | `SCARD_E_INVALID_HANDLE` | neither 0 nor a context of this process |
    /// | `SCARD_E_UNKNOWN_CARD` | there is no such kind |
    /// | `SCARD_E_ICC_INSTALLATION` | it has no primary provider |
    /// # Blocking
    /// Never.
    /// # Differences
    /// None to Windows; pcsc-lite has no such function.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardGetProviderIdA`.
    fn SCardGetProviderIdA, SCardGetProviderIdW(
        hContext: SCARDCONTEXT,
        szCard: In<U>,
        pguidProviderId: LPGUID,
    ) = provider_id;

    /// Tells the name of a kind of card's provider.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext), or 0 for everything that any context sees.
    /// - `szCardName`: the kind of card.
    /// - `dwProviderId`: which provider: `SCARD_PROVIDER_PRIMARY` (its identifier as text), `_CSP`, `_KSP`, `_CARD_MODULE`, or another number.
    /// - `szProvider`: gets the name; null asks for the length only.
    /// - `pcchProvider`: in: room in characters, or `SCARD_AUTOALLOCATE`; out: length with the NUL.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_PARAMETER` | `szCardName` or `pcchProvider` is null; or `SCARD_AUTOALLOCATE` with null `szProvider` |
    /// | `SCARD_E_INVALID_HANDLE` | neither 0 nor a context of this process |
    /// | `SCARD_E_UNKNOWN_CARD` | there is no such kind |
    /// | `SCARD_E_ICC_INSTALLATION` | it has no such provider |
    /// | `SCARD_E_INSUFFICIENT_BUFFER` | too little room; the length needed is stored, nothing else is written |
    /// | `SCARD_E_NO_MEMORY` | out of memory |
    /// # Blocking
    /// Never.
    /// # Differences
    /// None to Windows; pcsc-lite has no such function.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardGetCardTypeProviderNameA`.
    fn SCardGetCardTypeProviderNameA, SCardGetCardTypeProviderNameW(
        hContext: SCARDCONTEXT,
        szCardName: In<U>,
        dwProviderId: DWORD,
        szProvider: Out<U>,
        pcchProvider: LPDWORD,
    ) = provider_name;

    /// Stores the name of a kind of card's provider.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext), or 0 for the system's scope.
    /// - `szCardName`: the kind of card, of this scope.
    /// - `dwProviderId`: which provider, as for [`SCardGetCardTypeProviderNameA`]; not 0.
    /// - `szProvider`: the name; of the primary provider its identifier as text.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_PARAMETER` | a pointer is null |
    /// | `SCARD_E_INVALID_HANDLE` | neither 0 nor a context of this process |
    /// | `SCARD_E_INVALID_VALUE` | the number is 0; the name is empty, longer than 127 bytes of UTF-8, no text, has a control character, or is no identifier where one is wanted |
    /// | `SCARD_E_UNKNOWN_CARD` | there is no such kind in this scope |
    /// | `SCARD_E_NO_ACCESS` | this scope's database cannot be written, or is not to be trusted; the log says why |
    /// | `SCARD_E_SERVER_TOO_BUSY` | another process did not let go of the database for 5 s |
    /// | `SCARD_E_NO_MEMORY` | no room; the card has 64 providers |
    /// # Blocking
    /// Waits for another process's change of the database.
    /// # Differences
    /// None to Windows; pcsc-lite has no such function.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardSetCardTypeProviderNameA`.
    fn SCardSetCardTypeProviderNameA, SCardSetCardTypeProviderNameW(
        hContext: SCARDCONTEXT,
        szCardName: In<U>,
        dwProviderId: DWORD,
        szProvider: In<U>,
    ) = set_provider_name;

    /// Stores a kind of card in the context's scope.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `szCardName`: its name.
    /// - `pguidPrimaryProvider`: identifier of its primary provider, or null.
    /// - `rgguidInterfaces`, `dwInterfaceCount`: the interfaces that it supports; may be null.
    /// - `pbAtr`: its ATR, as it is after the mask.
    /// - `pbAtrMask`: the bits of a card's ATR that count, as many bytes as the ATR; null for all.
    /// - `cbAtrLen`: length of both; 0: as the ATR tells.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_INVALID_PARAMETER` | the name or the ATR is null, or there are interfaces at null |
    /// | `SCARD_E_INVALID_VALUE` | the name is empty, longer than 127 bytes of UTF-8, no text, has a control character; there is a kind of this name in this scope; more than 1024 interfaces |
    /// | `SCARD_E_INVALID_ATR` | it has not 2 to 33 bytes; without a mask: it is no ATR of this length; with one: it has bits that the mask has not |
    /// | `SCARD_E_NO_ACCESS` | this scope's database cannot be written, or is not to be trusted; the log says why |
    /// | `SCARD_E_SERVER_TOO_BUSY` | another process did not let go of the database for 5 s |
    /// | `SCARD_E_NO_MEMORY` | no room; the scope has 1024 kinds of cards, or the card more than 64 interfaces |
    /// # Blocking
    /// Waits for another process's change of the database.
    /// # Differences
    /// None to Windows; pcsc-lite has no such function.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardIntroduceCardTypeA`.
    fn SCardIntroduceCardTypeA, SCardIntroduceCardTypeW(
        hContext: SCARDCONTEXT,
        szCardName: In<U>,
        pguidPrimaryProvider: LPCGUID,
        rgguidInterfaces: LPCGUID,
        dwInterfaceCount: DWORD,
        pbAtr: LPCBYTE,
        pbAtrMask: LPCBYTE,
        cbAtrLen: DWORD,
    ) = introduce_card;

    /// Removes a kind of card from the context's scope.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `szCardName`: its name.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_INVALID_PARAMETER` | the name is null |
    /// | `SCARD_E_INVALID_VALUE` | it is no text, or longer than 4096 characters |
    /// | `SCARD_E_UNKNOWN_CARD` | there is no such kind in this scope |
    /// | `SCARD_E_NO_ACCESS` | this scope's database cannot be written, or is not to be trusted; the log says why |
    /// | `SCARD_E_SERVER_TOO_BUSY` | another process did not let go of the database for 5 s |
    /// # Blocking
    /// Waits for another process's change of the database.
    /// # Differences
    /// None to Windows; pcsc-lite has no such function.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardForgetCardTypeA`.
    fn SCardForgetCardTypeA, SCardForgetCardTypeW(hContext: SCARDCONTEXT, szCardName: In<U>) = forget_card;
}

/// # Safety
/// `guids` is null or valid for reading `count` identifiers.
unsafe fn guids_in(guids: LPCGUID, count: DWORD) -> Result<Vec<[u8; 16]>> {
    let count = ffi::size(count);
    if count == 0 {
        return Ok(Vec::new());
    }
    if guids.is_null() {
        return Err(Error::InvalidParameter);
    }
    if count > MAX_GUIDS {
        return Err(Error::InvalidValue);
    }
    // SAFETY: not null, and valid for so many by contract.
    let guid = |index| unsafe { guids.wrapping_add(index).read_unaligned() };
    Ok((0..count).map(|index| guid(index).to_bytes()).collect())
}

/// # Safety
/// As the C function.
unsafe fn list_cards<U: Unit>(
    context: SCARDCONTEXT,
    atr: LPCBYTE,
    interfaces: LPCGUID,
    count: DWORD,
    cards: Out<U>,
    length: LPDWORD,
) -> Result<()> {
    if length.is_null() {
        return Err(Error::InvalidParameter);
    }
    let domain = context::domain(context)?;
    let atr = if atr.is_null() {
        None
    } else {
        // SAFETY: not null, and an ATR by contract.
        Some(unsafe { ffi::atr_in(atr) }?)
    };
    // Without interfaces their number means nothing.
    let count = if interfaces.is_null() { 0 } else { count };
    // SAFETY: by contract.
    let interfaces = unsafe { guids_in(interfaces, count) }?;
    let names = locate::list_cards(domain, atr.as_deref(), &interfaces);
    // SAFETY: by contract.
    unsafe { text::hand_out(cards, length, &text::multi_encoded::<U>(&names)) }
}

/// # Safety
/// As the C function.
unsafe fn list_interfaces<U: Unit>(
    context: SCARDCONTEXT,
    card: In<U>,
    interfaces: LPGUID,
    count: LPDWORD,
) -> Result<()> {
    if count.is_null() {
        return Err(Error::InvalidParameter);
    }
    let domain = context::domain(context)?;
    // SAFETY: by contract.
    let guids = locate::list_interfaces(domain, &unsafe { text::string(card) }?)?;
    let bytes: Vec<u8> = guids
        .into_iter()
        .flat_map(|guid| GUID::from_bytes(guid).to_memory())
        .collect();
    // SAFETY: by contract.
    unsafe { text::hand_out(interfaces, count, &bytes) }
}

/// # Safety
/// As the C function.
unsafe fn provider_id<U: Unit>(context: SCARDCONTEXT, card: In<U>, provider: LPGUID) -> Result<()> {
    if provider.is_null() {
        return Err(Error::InvalidParameter);
    }
    let domain = context::domain(context)?;
    // SAFETY: by contract.
    let guid = locate::primary_provider(domain, &unsafe { text::string(card) }?)?;
    // SAFETY: by contract.
    unsafe { ffi::store(provider, GUID::from_bytes(guid)) };
    Ok(())
}

/// The low 32 bits of a provider's number.
fn number(provider: DWORD) -> u32 {
    u32::try_from(low_word(provider)).unwrap_or(0)
}

/// # Safety
/// As the C function.
unsafe fn provider_name<U: Unit>(
    context: SCARDCONTEXT,
    card: In<U>,
    provider: DWORD,
    name: Out<U>,
    length: LPDWORD,
) -> Result<()> {
    if length.is_null() {
        return Err(Error::InvalidParameter);
    }
    let domain = context::domain(context)?;
    // SAFETY: by contract.
    let found = locate::provider(domain, &unsafe { text::string(card) }?, number(provider))?;
    // SAFETY: by contract.
    unsafe { text::hand_out(name, length, &text::encoded::<U>(&found)) }
}

/// # Safety
/// As the C function.
unsafe fn set_provider_name<U: Unit>(context: SCARDCONTEXT, card: In<U>, provider: DWORD, name: In<U>) -> Result<()> {
    let domain = context::domain(context)?;
    // SAFETY: by contract.
    let card = unsafe { text::string(card) }?;
    // SAFETY: by contract.
    let name = unsafe { text::string(name) }?;
    database::set_provider(domain, &card, number(provider), &name)
}

/// # Safety
/// As the C function.
#[allow(clippy::too_many_arguments, reason = "the C function's")]
unsafe fn introduce_card<U: Unit>(
    context: SCARDCONTEXT,
    name: In<U>,
    primary: LPCGUID,
    interfaces: LPCGUID,
    count: DWORD,
    atr: LPCBYTE,
    mask: LPCBYTE,
    length: DWORD,
) -> Result<()> {
    let domain = context::get(context)?.domain();
    // SAFETY: by contract.
    let name = unsafe { text::string(name) }?;
    // SAFETY: by contract.
    let primary = unsafe { ffi::load(primary) }.map(GUID::to_bytes);
    // SAFETY: by contract.
    let interfaces = unsafe { guids_in(interfaces, count) }?;
    if atr.is_null() {
        return Err(Error::InvalidParameter);
    }
    let too_long = |_| Error::InvalidAtr;
    let atr = if length == 0 {
        // SAFETY: not null, and an ATR by contract.
        unsafe { ffi::atr_in(atr) }?
    } else {
        // SAFETY: by contract.
        unsafe { ffi::bytes_in(atr, length, MAX_ATR_LEN) }.map_err(too_long)?
    };
    let mask = if mask.is_null() {
        None
    } else {
        // SAFETY: by contract as long as the ATR.
        Some(unsafe { ffi::bytes_in(mask, ffi::length(atr.len()), MAX_ATR_LEN) }.map_err(too_long)?)
    };
    locate::introduce_card(domain, &name, Wanted { atr, mask }, primary, &interfaces)
}

/// # Safety
/// As the C function.
unsafe fn forget_card<U: Unit>(context: SCARDCONTEXT, name: In<U>) -> Result<()> {
    let domain = context::get(context)?.domain();
    // SAFETY: by contract.
    database::forget_card(domain, &unsafe { text::string(name) }?)
}
