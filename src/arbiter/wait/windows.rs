//! Change notifications of folders, an event, and `WaitForMultipleObjects`.

#![allow(unsafe_code, reason = "waiting has no safe wrapper in std")]

use std::fs::{self, File};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::ptr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, WAIT_FAILED, WAIT_OBJECT_0};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_NOTIFY_CHANGE_DIR_NAME, FILE_NOTIFY_CHANGE_FILE_NAME, FindCloseChangeNotification,
    FindFirstChangeNotificationW, FindNextChangeNotification,
};
use windows_sys::Win32::System::Threading::{CreateEventW, SetEvent, WaitForMultipleObjects, WaitForSingleObject};

use super::Heard;
use crate::usb::RawWait;
use crate::vanishing;

/// How many handles one call waits for.
const MAX_HANDLES: usize = 64;
/// How soon to look at the others where there are more.
const ROUND: Duration = Duration::from_millis(250);

/// A sign of life beside a node: a file that vanishes with this process.
///
/// # Errors
/// The system's.
pub(crate) fn join(node: &Path) -> io::Result<File> {
    vanishing::make(&parties(node), "party").map(|(file, _)| file)
}

/// Rings the bell of a record.
///
/// # Errors
/// The system's.
pub(crate) fn ring(record: &Path) -> io::Result<()> {
    vanishing::make(&bells(record), "bell").map(drop)
}

fn parties(node: &Path) -> PathBuf {
    node.with_file_name("parties")
}

fn bells(record: &Path) -> PathBuf {
    record.with_file_name("bells")
}

/// Any number of folders whose changes are heard.
#[derive(Debug)]
pub(crate) struct Ear {
    places: Mutex<Vec<Place>>,
}

#[derive(Debug)]
struct Place {
    folder: PathBuf,
    change: Change,
    sound: Sound,
}

/// What a change of a folder means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sound {
    /// Somebody has left, or come.
    Parties,
    /// Readers have come or gone.
    Bus,
    /// A bell.
    Bell,
}

impl Ear {
    /// One that hears nothing yet.
    ///
    /// # Errors
    /// None here.
    #[allow(clippy::unnecessary_wraps, reason = "fails elsewhere")]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            places: Mutex::new(Vec::new()),
        })
    }

    /// Hears the bell of a record file.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn add_record(&self, path: &Path) -> io::Result<()> {
        self.add_made(bells(path), Sound::Bell)
    }

    /// Hears who leaves a node, and its removal.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn add_node(&self, path: &Path) -> io::Result<()> {
        self.add_made(parties(path), Sound::Parties)?;
        path.parent()
            .map_or(Ok(()), |folder| self.add(folder.to_owned(), Sound::Bus))
    }

    /// Hears what comes and goes in a folder of the bus.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn add_bus(&self, path: &Path) -> io::Result<()> {
        self.add(path.to_owned(), Sound::Bus)
    }

    fn add_made(&self, folder: PathBuf, sound: Sound) -> io::Result<()> {
        fs::create_dir_all(&folder)?;
        self.add(folder, sound)
    }

    fn add(&self, folder: PathBuf, sound: Sound) -> io::Result<()> {
        let mut places = self.places.lock();
        if places.iter().all(|place| place.folder != folder) {
            let change = Change::of(&folder)?;
            places.push(Place { folder, change, sound });
        }
        Ok(())
    }

    /// Takes what was heard; never blocks.
    pub(crate) fn listen(&self) -> Heard {
        let mut heard = Heard::default();
        for place in &*self.places.lock() {
            if place.change.take() {
                heard.closed |= place.sound == Sound::Parties;
                heard.bus |= place.sound == Sound::Bus;
                heard.other |= place.sound == Sound::Bell;
            }
        }
        heard
    }

    /// For [`poll`].
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.places
            .lock()
            .iter()
            .map(|place| entry(place.change.0, POLLIN))
            .collect()
    }
}

/// A change notification of one folder.
#[derive(Debug)]
struct Change(HANDLE);

// SAFETY: a handle may be used from any thread.
unsafe impl Send for Change {}

impl Change {
    fn of(folder: &Path) -> io::Result<Self> {
        let mut path: Vec<u16> = folder.as_os_str().encode_wide().collect();
        path.push(0);
        let what = FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME;
        // SAFETY: the path ends in a NUL and lives through the call.
        let handle = unsafe { FindFirstChangeNotificationW(path.as_ptr(), 0, what) };
        if handle == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(handle))
    }

    /// Whether something has changed since the last call.
    fn take(&self) -> bool {
        // SAFETY: the handle is ours and open.
        let changed = unsafe { WaitForSingleObject(self.0, 0) } == WAIT_OBJECT_0;
        if changed {
            // SAFETY: the handle is ours and open. It fails when the folder is gone; then all that is in it is, too.
            unsafe { FindNextChangeNotification(self.0) };
        }
        changed
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and open, and nobody uses it any more.
        unsafe { FindCloseChangeNotification(self.0) };
    }
}

/// Something one thread waits on and another sets.
#[derive(Debug)]
pub(crate) struct Signal {
    event: OwnedHandle,
}

impl Signal {
    /// Not set.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no attributes and no name; both may be null.
        let event = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above has just made this handle and nobody else knows it.
        let event = unsafe { OwnedHandle::from_raw_handle(event) };
        Ok(Self { event })
    }

    /// Sets it.
    pub(crate) fn set(&self) {
        // SAFETY: the event is ours and open.
        unsafe { SetEvent(self.event.as_raw_handle()) };
    }

    /// For [`poll`].
    pub(crate) fn entry(&self) -> Entry {
        entry(self.event.as_raw_handle(), POLLIN)
    }

    /// For a program that waits for it: the event's handle.
    pub(crate) fn handle(&self) -> *mut std::ffi::c_void {
        self.event.as_raw_handle()
    }
}

/// Something to wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The handle.
    pub(crate) fd: RawWait,
    /// Not 0 if there is something to be had.
    pub(crate) revents: i16,
}

/// There is something to be had.
pub(crate) const POLLIN: i16 = 1;

/// An entry for [`poll`].
pub(crate) fn entry(fd: RawWait, _events: i16) -> Entry {
    Entry { fd, revents: 0 }
}

/// Waits for any of the handles until `deadline` (`None`: for ever). Afterwards the first one that is signalled says so;
/// or none, if there are more than one call can wait for and a part of the time has passed.
///
/// # Errors
/// The system's.
pub(crate) fn poll(fds: &mut [Entry], deadline: Option<Instant>) -> io::Result<()> {
    fds.iter_mut().for_each(|entry| entry.revents = 0);
    let handles: Vec<HANDLE> = fds.iter().map(|entry| entry.fd).filter(|fd| !fd.is_null()).collect();
    let listed = handles.get(..MAX_HANDLES).unwrap_or(&handles);
    let round = (handles.len() > MAX_HANDLES).then(|| Instant::now() + ROUND);
    let deadline = deadline.into_iter().chain(round).min();
    loop {
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        // Rounded up, so that the time has come when it has passed; 2^32 - 1 stands for ever.
        let millis = left.map_or(u32::MAX, |left| {
            u32::try_from(left.as_nanos().div_ceil(1_000_000))
                .unwrap_or(u32::MAX)
                .min(u32::MAX - 1)
        });
        let Some(signalled) = wait(listed, millis)? else {
            if deadline.is_some_and(|end| end <= Instant::now()) {
                return Ok(());
            }
            continue;
        };
        let mut usable = fds.iter_mut().filter(|entry| !entry.fd.is_null());
        if let Some(entry) = usable.nth(signalled) {
            entry.revents = POLLIN;
        }
        return Ok(());
    }
}

/// Which handle is signalled; `None` if none is in that time.
fn wait(handles: &[HANDLE], millis: u32) -> io::Result<Option<usize>> {
    if handles.is_empty() {
        std::thread::sleep(Duration::from_millis(millis.into()));
        return Ok(None);
    }
    let count = u32::try_from(handles.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `handles` is a valid slice of `count` handles that their owners keep open.
    let result = unsafe { WaitForMultipleObjects(count, handles.as_ptr(), 0, millis) };
    if result == WAIT_FAILED {
        return Err(io::Error::last_os_error());
    }
    let place = result.checked_sub(WAIT_OBJECT_0).filter(|place| *place < count);
    Ok(place.and_then(|place| usize::try_from(place).ok()))
}
