//! Keys of the Windows registry.

#![allow(unsafe_code, reason = "functions of advapi32")]

use std::io;

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, WIN32_ERROR};
use windows_sys::Win32::System::Registry::{
    HKEY, KEY_READ, KEY_WOW64_64KEY, KEY_WRITE, REG_BINARY, REG_DWORD, REG_MULTI_SZ, REG_OPTION_NON_VOLATILE, REG_SZ,
    REG_VALUE_TYPE, RegCloseKey, RegCreateKeyExW, RegDeleteTreeW, RegEnumKeyExW, RegEnumValueW, RegOpenKeyExW,
    RegQueryValueExW, RegSetValueExW,
};

/// Longest name of a key (255 units) or of a value that is read, with its NUL.
const MAX_NAME_UNITS: usize = 512;
/// Most bytes of a value that is read.
const MAX_VALUE_LEN: u32 = 1 << 16;
/// Most keys or values that are looked at.
const MAX_ENTRIES: u32 = 1 << 14;

/// An open key; closed with it.
#[derive(Debug)]
pub(crate) struct Key(HKEY);

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: ours, and not used any more.
        unsafe { RegCloseKey(self.0) };
    }
}

impl Key {
    /// Takes an open key.
    ///
    /// # Safety
    /// It is open, and closed by nobody else.
    pub(crate) const unsafe fn from_raw(key: HKEY) -> Self {
        Self(key)
    }

    /// Opens a key below `root` for reading.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied`, or the system's.
    pub(crate) fn open(root: HKEY, path: &str) -> io::Result<Self> {
        let (path, mut key) = (wide(path), std::ptr::null_mut());
        // SAFETY: `root` is a predefined key or open, the path ends in a NUL, `key` is a valid place for the result.
        check(unsafe { RegOpenKeyExW(root, path.as_ptr(), 0, KEY_READ | KEY_WOW64_64KEY, &raw mut key) })?;
        Ok(Self(key))
    }

    /// As [`Self::open`], below this key.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn child(&self, name: &str) -> io::Result<Self> {
        Self::open(self.0, name)
    }

    /// Opens a key below `root` for reading and writing, and makes it if there is none.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn create(root: HKEY, path: &str) -> io::Result<Self> {
        let (path, mut key) = (wide(path), std::ptr::null_mut());
        // SAFETY: `root` is a predefined key or open, the path ends in a NUL, `key` is a valid place for the result; class,
        // attributes and what was done may be null.
        check(unsafe {
            RegCreateKeyExW(
                root,
                path.as_ptr(),
                0,
                std::ptr::null(),
                REG_OPTION_NON_VOLATILE,
                KEY_READ | KEY_WRITE | KEY_WOW64_64KEY,
                std::ptr::null(),
                &raw mut key,
                std::ptr::null_mut(),
            )
        })?;
        Ok(Self(key))
    }

    /// As [`Self::create`], below this key.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn create_child(&self, name: &str) -> io::Result<Self> {
        Self::create(self.0, name)
    }

    /// Removes a key below this one with all that is in it; there may be none.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let path = wide(name);
        // SAFETY: the key is open, the name ends in a NUL.
        match check(unsafe { RegDeleteTreeW(self.0, path.as_ptr()) }) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Names of the keys below this one.
    pub(crate) fn children(&self) -> Vec<String> {
        self.names(|index, name, len| {
            // SAFETY: the key is open, `name` is writable for `len` units, `len` is a valid place; the rest may be null.
            unsafe {
                RegEnumKeyExW(
                    self.0,
                    index,
                    name,
                    len,
                    std::ptr::null(),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                )
            }
        })
    }

    /// Names of this key's values.
    pub(crate) fn values(&self) -> Vec<String> {
        self.names(|index, name, len| {
            // SAFETY: the key is open, `name` is writable for `len` units, `len` is a valid place; the rest may be null.
            unsafe {
                RegEnumValueW(
                    self.0,
                    index,
                    name,
                    len,
                    std::ptr::null(),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                )
            }
        })
    }

    #[allow(clippy::unused_self, reason = "the names are this key's")]
    fn names(&self, mut next: impl FnMut(u32, *mut u16, *mut u32) -> WIN32_ERROR) -> Vec<String> {
        let mut names = Vec::new();
        for index in 0..MAX_ENTRIES {
            let mut name = [0_u16; MAX_NAME_UNITS];
            let mut len = u32::try_from(name.len()).unwrap_or(0);
            if next(index, name.as_mut_ptr(), &raw mut len) != ERROR_SUCCESS {
                break;
            }
            let units = usize::try_from(len).ok().and_then(|len| name.get(..len));
            names.push(String::from_utf16_lossy(units.unwrap_or_default()));
        }
        names
    }

    fn value(&self, name: &str) -> Option<(REG_VALUE_TYPE, Vec<u8>)> {
        let name = wide(name);
        let (mut kind, mut len) = (0, MAX_VALUE_LEN);
        let mut bytes = vec![0_u8; usize::try_from(MAX_VALUE_LEN).ok()?];
        // SAFETY: the key is open, the name ends in a NUL, `bytes` is writable for `len` bytes, the places are valid.
        let result = unsafe {
            RegQueryValueExW(
                self.0,
                name.as_ptr(),
                std::ptr::null(),
                &raw mut kind,
                bytes.as_mut_ptr(),
                &raw mut len,
            )
        };
        bytes.truncate(usize::try_from(len).ok()?);
        (result == ERROR_SUCCESS).then_some((kind, bytes))
    }

    /// A value of bytes.
    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.value(name)
            .filter(|(kind, _)| *kind == REG_BINARY)
            .map(|(_, bytes)| bytes)
    }

    /// A value that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        let (_, bytes) = self.value(name).filter(|(kind, _)| *kind == REG_DWORD)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    /// A value of text, or of several texts.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let (kind, bytes) = self.value(name)?;
        if kind != REG_SZ && kind != REG_MULTI_SZ {
            return None;
        }
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)))
            .collect();
        let texts = units.split(|unit| *unit == 0).filter(|text| !text.is_empty());
        Some(texts.map(String::from_utf16_lossy).collect())
    }

    fn set(&self, name: &str, kind: REG_VALUE_TYPE, bytes: &[u8]) -> io::Result<()> {
        let name = wide(name);
        let len = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: the key is open, the name ends in a NUL, `bytes` is readable for `len` bytes.
        check(unsafe { RegSetValueExW(self.0, name.as_ptr(), 0, kind, bytes.as_ptr(), len) })
    }

    /// Stores bytes.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn set_bytes(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.set(name, REG_BINARY, bytes)
    }

    /// Stores a number.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn set_number(&self, name: &str, number: u32) -> io::Result<()> {
        self.set(name, REG_DWORD, &number.to_le_bytes())
    }

    /// Stores a text.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn set_text(&self, name: &str, text: &str) -> io::Result<()> {
        self.set(name, REG_SZ, &units(&[text]))
    }

    /// Stores several texts.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn set_texts(&self, name: &str, texts: &[String]) -> io::Result<()> {
        let mut bytes = units(texts);
        bytes.extend([0, 0]);
        self.set(name, REG_MULTI_SZ, &bytes)
    }
}

fn check(result: WIN32_ERROR) -> io::Result<()> {
    if result == ERROR_SUCCESS {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(i32::try_from(result).unwrap_or(i32::MAX)))
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Texts with a NUL each, as bytes.
fn units(texts: &[impl AsRef<str>]) -> Vec<u8> {
    texts
        .iter()
        .flat_map(|text| wide(text.as_ref()))
        .flat_map(u16::to_le_bytes)
        .collect()
}
