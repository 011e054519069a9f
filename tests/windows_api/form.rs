//! The A and the W functions under one set of names, with Rust's strings.

use std::ffi::c_char;
use std::ptr::{null, null_mut};

use winscard::api::cache::*;
use winscard::api::card::*;
use winscard::api::cards::*;
use winscard::api::constants::*;
use winscard::api::context::SCardFreeMemory;
use winscard::api::devices::*;
use winscard::api::groups::*;
use winscard::api::locate::*;
use winscard::api::readers::*;
use winscard::api::types::*;
use winscard::error::{Error, Result};

/// A unit of strings.
pub(crate) trait Text: Copy + Default + PartialEq + std::fmt::Debug + 'static {
    fn encode(text: &str) -> Vec<Self>;
    fn decode(units: &[Self]) -> String;
}

impl Text for c_char {
    fn encode(text: &str) -> Vec<Self> {
        text.bytes().map(|byte| Self::from_ne_bytes([byte])).collect()
    }

    fn decode(units: &[Self]) -> String {
        String::from_utf8(units.iter().map(|unit| unit.to_ne_bytes()[0]).collect()).expect("UTF-8")
    }
}

impl Text for u16 {
    fn encode(text: &str) -> Vec<Self> {
        text.encode_utf16().collect()
    }

    fn decode(units: &[Self]) -> String {
        String::from_utf16(units).expect("UTF-16")
    }
}

/// A string with its NUL.
pub(crate) fn text<U: Text>(text: &str) -> Vec<U> {
    let mut units = U::encode(text);
    units.push(U::default());
    units
}

/// A multi-string.
pub(crate) fn multi<U: Text>(texts: &[&str]) -> Vec<U> {
    let mut units: Vec<U> = texts.iter().flat_map(|one| text(one)).collect();
    units.push(U::default());
    units
}

/// The strings of a multi-string, which is as long as the slice.
pub(crate) fn split<U: Text>(units: &[U]) -> Vec<String> {
    assert_eq!(units.last(), Some(&U::default()), "{units:?}");
    let body = &units[..units.len() - 1];
    let mut strings: Vec<String> = body.split(|unit| *unit == U::default()).map(U::decode).collect();
    assert_eq!(strings.pop().as_deref(), Some(""), "{units:?}");
    strings
}

pub(crate) fn code(value: LONG) -> Result<()> {
    if value == SCARD_S_SUCCESS {
        return Ok(());
    }
    let code = u32::try_from(value & 0xFFFF_FFFF).expect("32 bits");
    Err(Error::from_code(code).unwrap_or_else(|| panic!("{value:#x}")))
}

type Name<U> = unsafe extern "system" fn(SCARDCONTEXT, *const U) -> LONG;
type TwoNames<U> = unsafe extern "system" fn(SCARDCONTEXT, *const U, *const U) -> LONG;
type NameAndList<U> = unsafe extern "system" fn(SCARDCONTEXT, *const U, *mut U, LPDWORD) -> LONG;

/// One form of every function.
pub(crate) struct Form<U: 'static> {
    pub(crate) list_readers: NameAndList<U>,
    pub(crate) list_groups: unsafe extern "system" fn(SCARDCONTEXT, *mut U, LPDWORD) -> LONG,
    pub(crate) introduce_group: Name<U>,
    pub(crate) forget_group: Name<U>,
    pub(crate) introduce_reader: TwoNames<U>,
    pub(crate) forget_reader: Name<U>,
    pub(crate) add_to_group: TwoNames<U>,
    pub(crate) remove_from_group: TwoNames<U>,
    pub(crate) status_change: unsafe extern "system" fn(SCARDCONTEXT, DWORD, *mut ReaderStateOf<U>, DWORD) -> LONG,
    pub(crate) list_cards: unsafe extern "system" fn(SCARDCONTEXT, LPCBYTE, LPCGUID, DWORD, *mut U, LPDWORD) -> LONG,
    pub(crate) list_interfaces: unsafe extern "system" fn(SCARDCONTEXT, *const U, LPGUID, LPDWORD) -> LONG,
    pub(crate) provider_id: unsafe extern "system" fn(SCARDCONTEXT, *const U, LPGUID) -> LONG,
    pub(crate) provider_name: unsafe extern "system" fn(SCARDCONTEXT, *const U, DWORD, *mut U, LPDWORD) -> LONG,
    pub(crate) set_provider: unsafe extern "system" fn(SCARDCONTEXT, *const U, DWORD, *const U) -> LONG,
    #[allow(clippy::type_complexity, reason = "the C function's")]
    pub(crate) introduce_card:
        unsafe extern "system" fn(SCARDCONTEXT, *const U, LPCGUID, LPCGUID, DWORD, LPCBYTE, LPCBYTE, DWORD) -> LONG,
    pub(crate) forget_card: Name<U>,
    pub(crate) locate_cards: unsafe extern "system" fn(SCARDCONTEXT, *const U, *mut ReaderStateOf<U>, DWORD) -> LONG,
    pub(crate) locate_atrs:
        unsafe extern "system" fn(SCARDCONTEXT, LPCSCARD_ATRMASK, DWORD, *mut ReaderStateOf<U>, DWORD) -> LONG,
    pub(crate) connect: unsafe extern "system" fn(SCARDCONTEXT, *const U, DWORD, DWORD, LPSCARDHANDLE, LPDWORD) -> LONG,
    pub(crate) status:
        unsafe extern "system" fn(SCARDHANDLE, *mut U, LPDWORD, LPDWORD, LPDWORD, LPBYTE, LPDWORD) -> LONG,
    pub(crate) read_cache: unsafe extern "system" fn(SCARDCONTEXT, LPCGUID, DWORD, *const U, LPBYTE, LPDWORD) -> LONG,
    pub(crate) write_cache: unsafe extern "system" fn(SCARDCONTEXT, LPCGUID, DWORD, *const U, LPCBYTE, DWORD) -> LONG,
    pub(crate) icon: unsafe extern "system" fn(SCARDCONTEXT, *const U, LPBYTE, LPDWORD) -> LONG,
    pub(crate) device_type: unsafe extern "system" fn(SCARDCONTEXT, *const U, LPDWORD) -> LONG,
    pub(crate) instance_id: NameAndList<U>,
    pub(crate) readers_of: NameAndList<U>,
    pub(crate) system_name: DWORD,
}

pub(crate) static A: Form<c_char> = Form {
    list_readers: SCardListReadersA,
    list_groups: SCardListReaderGroupsA,
    introduce_group: SCardIntroduceReaderGroupA,
    forget_group: SCardForgetReaderGroupA,
    introduce_reader: SCardIntroduceReaderA,
    forget_reader: SCardForgetReaderA,
    add_to_group: SCardAddReaderToGroupA,
    remove_from_group: SCardRemoveReaderFromGroupA,
    status_change: SCardGetStatusChangeA,
    list_cards: SCardListCardsA,
    list_interfaces: SCardListInterfacesA,
    provider_id: SCardGetProviderIdA,
    provider_name: SCardGetCardTypeProviderNameA,
    set_provider: SCardSetCardTypeProviderNameA,
    introduce_card: SCardIntroduceCardTypeA,
    forget_card: SCardForgetCardTypeA,
    locate_cards: SCardLocateCardsA,
    locate_atrs: SCardLocateCardsByATRA,
    connect: SCardConnectA,
    status: SCardStatusA,
    read_cache: SCardReadCacheA,
    write_cache: SCardWriteCacheA,
    icon: SCardGetReaderIconA,
    device_type: SCardGetDeviceTypeIdA,
    instance_id: SCardGetReaderDeviceInstanceIdA,
    readers_of: SCardListReadersWithDeviceInstanceIdA,
    system_name: SCARD_ATTR_DEVICE_SYSTEM_NAME_A,
};

pub(crate) static W: Form<u16> = Form {
    list_readers: SCardListReadersW,
    list_groups: SCardListReaderGroupsW,
    introduce_group: SCardIntroduceReaderGroupW,
    forget_group: SCardForgetReaderGroupW,
    introduce_reader: SCardIntroduceReaderW,
    forget_reader: SCardForgetReaderW,
    add_to_group: SCardAddReaderToGroupW,
    remove_from_group: SCardRemoveReaderFromGroupW,
    status_change: SCardGetStatusChangeW,
    list_cards: SCardListCardsW,
    list_interfaces: SCardListInterfacesW,
    provider_id: SCardGetProviderIdW,
    provider_name: SCardGetCardTypeProviderNameW,
    set_provider: SCardSetCardTypeProviderNameW,
    introduce_card: SCardIntroduceCardTypeW,
    forget_card: SCardForgetCardTypeW,
    locate_cards: SCardLocateCardsW,
    locate_atrs: SCardLocateCardsByATRW,
    connect: SCardConnectW,
    status: SCardStatusW,
    read_cache: SCardReadCacheW,
    write_cache: SCardWriteCacheW,
    icon: SCardGetReaderIconW,
    device_type: SCardGetDeviceTypeIdW,
    instance_id: SCardGetReaderDeviceInstanceIdW,
    readers_of: SCardListReadersWithDeviceInstanceIdW,
    system_name: SCARD_ATTR_DEVICE_SYSTEM_NAME_W,
};

/// A list that a function hands out: asked for its length, then fetched, then allocated; all three must agree.
pub(crate) fn handed_out<T: Copy + Default + PartialEq + std::fmt::Debug>(
    context: SCARDCONTEXT,
    call: impl Fn(*mut T, LPDWORD) -> LONG,
) -> Result<Vec<T>> {
    let mut length: DWORD = 0;
    code(call(null_mut(), &raw mut length))?;
    let count = usize::try_from(length).unwrap();
    let mut items = vec![T::default(); count + 1];
    if count > 0 {
        let mut short = length - 1;
        assert_eq!(
            code(call(items.as_mut_ptr(), &raw mut short)),
            Err(Error::InsufficientBuffer)
        );
        assert_eq!(short, length, "the length needed");
        assert_eq!(items, vec![T::default(); count + 1], "nothing written");
    }
    let mut room = length + 1;
    code(call(items.as_mut_ptr(), &raw mut room))?;
    assert_eq!(room, length);
    items.truncate(count);
    let mut memory: *mut T = null_mut();
    let mut all = SCARD_AUTOALLOCATE;
    code(call((&raw mut memory).cast(), &raw mut all))?;
    assert_eq!(all, length);
    let copy: Vec<T> = (0..count).map(|index| unsafe { memory.add(index).read() }).collect();
    assert_eq!(copy, items);
    if context == 0 {
        unsafe { libc::free(memory.cast()) };
    } else {
        code(unsafe { SCardFreeMemory(context, memory.cast()) })?;
    }
    let mut all = SCARD_AUTOALLOCATE;
    assert_eq!(
        code(call(null_mut(), &raw mut all)),
        Err(Error::InvalidParameter),
        "nowhere to put it"
    );
    assert_eq!(
        code(call(null_mut(), null_mut())),
        Err(Error::InvalidParameter),
        "no length"
    );
    Ok(items)
}

impl<U: Text> Form<U> {
    pub(crate) fn readers(&self, context: SCARDCONTEXT, groups: Option<&[&str]>) -> Result<Vec<String>> {
        let groups = groups.map(multi::<U>);
        let groups = groups.as_ref().map_or(null(), |groups| groups.as_ptr());
        let call = |buffer, length| unsafe { (self.list_readers)(context, groups, buffer, length) };
        handed_out(context, call).map(|units| split(&units))
    }

    pub(crate) fn groups(&self, context: SCARDCONTEXT) -> Result<Vec<String>> {
        let call = |buffer, length| unsafe { (self.list_groups)(context, buffer, length) };
        handed_out(context, call).map(|units| split(&units))
    }

    pub(crate) fn introduce(&self, context: SCARDCONTEXT, name: &str, device: &str) -> Result<()> {
        code(unsafe { (self.introduce_reader)(context, text(name).as_ptr(), text(device).as_ptr()) })
    }

    pub(crate) fn forget(&self, context: SCARDCONTEXT, name: &str) -> Result<()> {
        code(unsafe { (self.forget_reader)(context, text(name).as_ptr()) })
    }

    pub(crate) fn add(&self, context: SCARDCONTEXT, name: &str, group: &str) -> Result<()> {
        code(unsafe { (self.add_to_group)(context, text(name).as_ptr(), text(group).as_ptr()) })
    }

    pub(crate) fn remove(&self, context: SCARDCONTEXT, name: &str, group: &str) -> Result<()> {
        code(unsafe { (self.remove_from_group)(context, text(name).as_ptr(), text(group).as_ptr()) })
    }

    pub(crate) fn new_group(&self, context: SCARDCONTEXT, group: &str) -> Result<()> {
        code(unsafe { (self.introduce_group)(context, text(group).as_ptr()) })
    }

    pub(crate) fn end_group(&self, context: SCARDCONTEXT, group: &str) -> Result<()> {
        code(unsafe { (self.forget_group)(context, text(group).as_ptr()) })
    }

    /// A kind of card without providers and interfaces.
    pub(crate) fn new_card(&self, context: SCARDCONTEXT, name: &str, atr: &[u8], mask: Option<&[u8]>) -> Result<()> {
        let length = atr.len().try_into().unwrap();
        let mask = mask.map_or(null(), <[u8]>::as_ptr);
        let name = text(name);
        code(unsafe { (self.introduce_card)(context, name.as_ptr(), null(), null(), 0, atr.as_ptr(), mask, length) })
    }

    pub(crate) fn end_card(&self, context: SCARDCONTEXT, name: &str) -> Result<()> {
        code(unsafe { (self.forget_card)(context, text(name).as_ptr()) })
    }

    pub(crate) fn cards(&self, context: SCARDCONTEXT, atr: Option<&[u8]>, interfaces: &[GUID]) -> Result<Vec<String>> {
        let atr = atr.map_or(null(), <[u8]>::as_ptr);
        let count = interfaces.len().try_into().unwrap();
        let first = if interfaces.is_empty() {
            null()
        } else {
            interfaces.as_ptr()
        };
        let call = |buffer, length| unsafe { (self.list_cards)(context, atr, first, count, buffer, length) };
        handed_out(context, call).map(|units| split(&units))
    }

    pub(crate) fn provider(&self, context: SCARDCONTEXT, card: &str, number: DWORD) -> Result<String> {
        let card = text(card);
        let call = |buffer, length| unsafe { (self.provider_name)(context, card.as_ptr(), number, buffer, length) };
        let mut units = handed_out(context, call)?;
        assert_eq!(units.pop(), Some(U::default()));
        Ok(U::decode(&units))
    }

    pub(crate) fn provide(&self, context: SCARDCONTEXT, card: &str, number: DWORD, name: &str) -> Result<()> {
        code(unsafe { (self.set_provider)(context, text(card).as_ptr(), number, text(name).as_ptr()) })
    }

    pub(crate) fn connected(&self, context: SCARDCONTEXT, name: &str, share: DWORD) -> Result<SCARDHANDLE> {
        let (mut card, mut protocol) = (0, 0);
        let protocols = if share == SCARD_SHARE_DIRECT {
            0
        } else {
            SCARD_PROTOCOL_ANY
        };
        let name = text(name);
        code(unsafe {
            (self.connect)(
                context,
                name.as_ptr(),
                share,
                protocols,
                &raw mut card,
                &raw mut protocol,
            )
        })?;
        Ok(card)
    }

    /// Event states and ATRs of readers of which nothing is known.
    pub(crate) fn look(
        &self,
        names: &[&str],
        call: impl Fn(*mut ReaderStateOf<U>, DWORD) -> LONG,
    ) -> Result<Vec<(DWORD, Vec<u8>)>> {
        let names: Vec<Vec<U>> = names.iter().map(|name| text(name)).collect();
        let mut states: Vec<ReaderStateOf<U>> = names.iter().map(|name| state(name)).collect();
        code(call(states.as_mut_ptr(), states.len().try_into().unwrap()))?;
        let seen = states.iter().map(|state| {
            let length = usize::try_from(state.cbAtr).unwrap();
            (state.dwEventState, state.rgbAtr[..length].to_vec())
        });
        Ok(seen.collect())
    }
}

pub(crate) fn state<U: Text>(name: &[U]) -> ReaderStateOf<U> {
    ReaderStateOf {
        szReader: name.as_ptr(),
        pvUserData: null_mut(),
        dwCurrentState: SCARD_STATE_UNAWARE,
        dwEventState: 0,
        cbAtr: 0,
        rgbAtr: [0; READERSTATE_ATR_SIZE],
    }
}

/// Runs a test once with each form.
macro_rules! both {
    ($($name:ident)+) => {$(
        mod $name {
            #[test]
            fn a() {
                super::$name(&crate::form::A);
            }

            #[test]
            fn w() {
                super::$name(&crate::form::W);
            }
        }
    )+};
}
pub(crate) use both;
