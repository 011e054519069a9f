//! A bench for watching readers: software readers with names, contexts, waiting threads, child processes; and the C
//! functions under test as safe calls.

#![allow(unsafe_code, reason = "calls of the C functions")]

use std::ffi::{CStr, CString, c_char};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use winscard::api::card::{SCardConnect, SCardDisconnect, SCardReconnect, SCardStatus};
use winscard::api::constants::SCARD_S_SUCCESS;
use winscard::api::context::{
    SCardCancel, SCardEstablishContext, SCardFreeMemory, SCardIsValidContext, SCardReleaseContext,
};
use winscard::api::io::SCardTransmit;
use winscard::api::pci::g_rgSCardT0Pci;
use winscard::api::readers::{SCardGetStatusChange, SCardListReaderGroups, SCardListReaders};
use winscard::api::types::{DWORD, LONG, SCARD_READERSTATE, SCARDCONTEXT, SCARDHANDLE};
use winscard::error::Error;
use winscard::sim::{self, Config};

/// More than anything here takes on a machine that others use as well; a test that fails takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long something is watched that must not happen.
pub(crate) const A_WHILE: Duration = Duration::from_millis(150);
/// Milliseconds of [`PATIENCE`].
pub(crate) const PATIENT: DWORD = 30_000;
/// `INFINITE`.
pub(crate) const INFINITE: DWORD = 0xFFFF_FFFF;
/// The pseudo reader.
pub(crate) const PNP: &str = r"\\?PnP?\Notification";

/// Success, or the code of the failure.
pub(crate) type Code = Result<(), Error>;

/// What a C function returned.
pub(crate) fn code(result: LONG) -> Code {
    if result == SCARD_S_SUCCESS {
        return Ok(());
    }
    let known = Error::ALL.iter().find(|error| error.to_long() == result);
    Err(*known.unwrap_or_else(|| panic!("{result:#x} is no documented code")))
}

/// Repeats `attempt` until it gives something.
pub(crate) fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A context, released when dropped.
#[derive(Debug)]
pub(crate) struct Context(pub(crate) SCARDCONTEXT);

impl Context {
    pub(crate) fn new() -> Self {
        let mut value = 0;
        // SAFETY: the pointer is to a variable of ours.
        let result = unsafe { SCardEstablishContext(2, std::ptr::null(), std::ptr::null(), &raw mut value) };
        assert_eq!(code(result), Ok(()));
        Self(value)
    }

    /// The value of a context that was released.
    pub(crate) fn stale() -> SCARDCONTEXT {
        let context = Self::new();
        context.0
    }

    pub(crate) fn is_valid(&self) -> bool {
        SCardIsValidContext(self.0) == SCARD_S_SUCCESS
    }

    /// The names of all readers.
    pub(crate) fn readers(&self) -> Vec<String> {
        let mut len = 0;
        match list_readers(self.0, None, Some(&mut len)) {
            Err(Error::NoReadersAvailable) => return Vec::new(),
            other => assert_eq!(other, Ok(())),
        }
        // Others may plug in readers meanwhile.
        let mut text = vec![0; usize::try_from(len).unwrap() + 4096];
        let mut len = DWORD::try_from(text.len()).unwrap();
        assert_eq!(list_readers(self.0, Some(&mut text), Some(&mut len)), Ok(()));
        let text = &text[..usize::try_from(len).unwrap() - 1];
        String::from_utf8(text.to_vec())
            .unwrap()
            .split_terminator('\0')
            .map(ToOwned::to_owned)
            .collect()
    }

    /// `SCardConnect` with T=0 or T=1.
    pub(crate) fn connect(&self, name: &str, share: DWORD) -> Result<Handle, Error> {
        let name = CString::new(name).unwrap();
        let (mut card, mut protocol) = (0, 0);
        // SAFETY: the name is NUL-terminated, the other pointers are to variables of ours.
        let result = unsafe { SCardConnect(self.0, name.as_ptr(), share, 3, &raw mut card, &raw mut protocol) };
        code(result).map(|()| Handle(card))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let _released_by_the_test: LONG = SCardReleaseContext(self.0);
    }
}

/// `SCardReleaseContext`.
pub(crate) fn release(context: SCARDCONTEXT) -> Code {
    code(SCardReleaseContext(context))
}

/// `SCardCancel`.
pub(crate) fn cancel(context: SCARDCONTEXT) -> Code {
    code(SCardCancel(context))
}

/// Share modes.
pub(crate) const EXCLUSIVE: DWORD = 1;
pub(crate) const SHARED: DWORD = 2;
pub(crate) const DIRECT: DWORD = 3;
/// Dispositions and initializations.
pub(crate) const LEAVE: DWORD = 0;
pub(crate) const RESET: DWORD = 1;
pub(crate) const UNPOWER: DWORD = 2;

/// A connection; nothing happens to it when dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handle(pub(crate) SCARDHANDLE);

/// What `SCardStatus` gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) name: String,
    pub(crate) state: DWORD,
    pub(crate) protocol: DWORD,
    pub(crate) atr: Vec<u8>,
}

impl Handle {
    pub(crate) fn disconnect(self, disposition: DWORD) -> Code {
        code(SCardDisconnect(self.0, disposition))
    }

    pub(crate) fn reconnect(self, share: DWORD, initialization: DWORD) -> Code {
        let mut protocol = 0;
        // SAFETY: the pointer is to a variable of ours.
        code(unsafe { SCardReconnect(self.0, share, 3, initialization, &raw mut protocol) })
    }

    pub(crate) fn status(self) -> Result<Status, Error> {
        let (mut name, mut atr) = ([0x55; 200], [0x55; 40]);
        let (mut name_len, mut atr_len, mut state, mut protocol) = (200, 40, 0x55, 0x55);
        let lengths = (Some(&mut name_len), Some(&mut atr_len));
        self.status_into(
            Some(&mut name),
            lengths.0,
            Some(&mut state),
            Some(&mut protocol),
            Some(&mut atr),
            lengths.1,
        )?;
        let name = CStr::from_bytes_until_nul(&name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(
            usize::try_from(name_len),
            Ok(name.len() + 1),
            "the length counts the NUL"
        );
        Ok(Status {
            name,
            state,
            protocol,
            atr: atr[..usize::try_from(atr_len).unwrap()].to_vec(),
        })
    }

    /// `SCardStatus` as it is; `None` is a null pointer.
    pub(crate) fn status_into(
        self,
        name: Option<&mut [u8]>,
        name_len: Option<&mut DWORD>,
        state: Option<&mut DWORD>,
        protocol: Option<&mut DWORD>,
        atr: Option<&mut [u8]>,
        atr_len: Option<&mut DWORD>,
    ) -> Code {
        // SAFETY: null, or pointers to what the references borrow; tests give lengths that their buffers have.
        code(unsafe {
            SCardStatus(
                self.0,
                buffer(name).cast(),
                out(name_len),
                out(state),
                out(protocol),
                buffer(atr),
                out(atr_len),
            )
        })
    }

    /// `SCardTransmit` with T=0; the answer.
    pub(crate) fn transmit(self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let mut answer = [0; 300];
        let mut len = 300;
        let none = std::ptr::null_mut();
        let command_len = DWORD::try_from(command.len()).unwrap();
        // SAFETY: pointers to buffers of ours with their lengths.
        let result = unsafe {
            SCardTransmit(
                self.0,
                &g_rgSCardT0Pci,
                command.as_ptr(),
                command_len,
                none,
                answer.as_mut_ptr(),
                &raw mut len,
            )
        };
        code(result).map(|()| answer[..usize::try_from(len).unwrap()].to_vec())
    }
}

fn out<T>(target: Option<&mut T>) -> *mut T {
    target.map_or(std::ptr::null_mut(), std::ptr::from_mut)
}

fn buffer<T>(target: Option<&mut [T]>) -> *mut T {
    target.map_or(std::ptr::null_mut(), <[T]>::as_mut_ptr)
}

/// `SCardListReaders`; `None` is a null pointer.
pub(crate) fn list_readers(context: SCARDCONTEXT, text: Option<&mut [u8]>, len: Option<&mut DWORD>) -> Code {
    // SAFETY: null, or pointers to what the references borrow; tests give lengths that their buffers have. No group.
    code(unsafe { SCardListReaders(context, std::ptr::null(), buffer(text).cast(), out(len)) })
}

/// `SCardListReaders` with a list of groups, a multi-string.
pub(crate) fn list_readers_of(context: SCARDCONTEXT, groups: &[u8], len: &mut DWORD) -> Code {
    assert!(groups.ends_with(b"\0\0"));
    // SAFETY: the groups end as they must, the length is a reference, null asks for the length only.
    code(unsafe { SCardListReaders(context, groups.as_ptr().cast(), std::ptr::null_mut(), len) })
}

/// `SCardListReaderGroups`; `None` is a null pointer.
pub(crate) fn list_groups(context: SCARDCONTEXT, text: Option<&mut [u8]>, len: Option<&mut DWORD>) -> Code {
    // SAFETY: as in `list_readers`.
    code(unsafe { SCardListReaderGroups(context, buffer(text).cast(), out(len)) })
}

/// Memory from a function that was told to allocate.
#[derive(Debug)]
pub(crate) struct Allocated(*mut c_char);

impl Allocated {
    /// Nothing yet.
    pub(crate) fn nothing() -> Self {
        Self(std::ptr::without_provenance_mut(0x5A5A))
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.0.addr() == 0x5A5A
    }

    /// What `call` needs to be given as a buffer: the address of the pointer.
    pub(crate) fn fill(&mut self, call: impl FnOnce(*mut c_char) -> LONG) -> Code {
        code(call((&raw mut self.0).cast()))
    }

    pub(crate) fn bytes(&self, len: DWORD) -> &[u8] {
        // SAFETY: the function said that it allocated so many bytes, and they are released by a `self`.
        unsafe { std::slice::from_raw_parts(self.0.cast(), usize::try_from(len).unwrap()) }
    }

    /// `SCardFreeMemory` with a context that does not exist: nothing is freed.
    pub(crate) fn fail_to_free(&self, context: SCARDCONTEXT) -> Code {
        // SAFETY: the memory comes from malloc.
        code(unsafe { SCardFreeMemory(context, self.0.cast()) })
    }

    pub(crate) fn free(self, context: SCARDCONTEXT) -> Code {
        self.fail_to_free(context)
    }
}

/// `SCardListReaders` with SCARD_AUTOALLOCATE.
pub(crate) fn list_readers_allocated(context: SCARDCONTEXT, len: &mut DWORD) -> (Code, Allocated) {
    let mut text = Allocated::nothing();
    *len = DWORD::MAX;
    // SAFETY: the buffer is the address of a pointer, as the length demands.
    let result = text.fill(|buffer| unsafe { SCardListReaders(context, std::ptr::null(), buffer, len) });
    (result, text)
}

/// `SCardListReaderGroups` with SCARD_AUTOALLOCATE.
pub(crate) fn list_groups_allocated(context: SCARDCONTEXT, len: &mut DWORD) -> (Code, Allocated) {
    let mut text = Allocated::nothing();
    *len = DWORD::MAX;
    // SAFETY: the buffer is the address of a pointer, as the length demands.
    let result = text.fill(|buffer| unsafe { SCardListReaderGroups(context, buffer, len) });
    (result, text)
}

/// `SCardStatus` with SCARD_AUTOALLOCATE for name and ATR.
pub(crate) fn status_allocated(card: Handle) -> (Code, (Allocated, DWORD), (Allocated, DWORD)) {
    let (mut name, mut atr) = (Allocated::nothing(), Allocated::nothing());
    let (mut name_len, mut atr_len) = (DWORD::MAX, DWORD::MAX);
    let none = std::ptr::null_mut();
    let result = name.fill(|name| {
        // SAFETY: the buffers are addresses of pointers, as the lengths demand; null is allowed for the others.
        unsafe {
            SCardStatus(
                card.0,
                name,
                &raw mut name_len,
                none,
                none,
                (&raw mut atr.0).cast(),
                &raw mut atr_len,
            )
        }
    });
    (result, (name, name_len), (atr, atr_len))
}

/// `SCardFreeMemory` of what `malloc` gave, or of null for no bytes.
pub(crate) fn free_malloced(context: SCARDCONTEXT, len: usize) -> Code {
    // SAFETY: no requirement.
    let memory = if len == 0 {
        std::ptr::null_mut()
    } else {
        unsafe { libc::malloc(len) }
    };
    // SAFETY: the memory comes from malloc and is not used again.
    code(unsafe { SCardFreeMemory(context, memory) })
}

const STALE: DWORD = 0x5A5A_5A5A;
const STALE_BYTE: u8 = 0x5A;

/// One entry for `SCardGetStatusChange`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    name: Option<CString>,
    pub(crate) current: DWORD,
    pub(crate) event: DWORD,
    atr_len: DWORD,
    atr_room: [u8; 33],
}

impl State {
    pub(crate) fn new(name: &str, current: DWORD) -> Self {
        Self {
            name: Some(CString::new(name).unwrap()),
            ..Self::unnamed(current)
        }
    }

    /// With a null pointer for its name.
    pub(crate) fn unnamed(current: DWORD) -> Self {
        Self {
            name: None,
            current,
            event: STALE,
            atr_len: STALE,
            atr_room: [STALE_BYTE; 33],
        }
    }

    pub(crate) fn atr(&self) -> &[u8] {
        &self.atr_room[..usize::try_from(self.atr_len).unwrap()]
    }

    /// Nothing was written to it.
    pub(crate) fn is_untouched(&self) -> bool {
        self.event == STALE && self.has_no_atr_written()
    }

    /// Nothing but perhaps the event was written.
    pub(crate) fn has_no_atr_written(&self) -> bool {
        self.atr_len == STALE && self.atr_room == [STALE_BYTE; 33]
    }

    /// The same entry with what was learned from it, as programs do it.
    pub(crate) fn next(&self) -> Self {
        Self {
            name: self.name.clone(),
            ..Self::unnamed(self.event & !2)
        }
    }
}

/// `SCardGetStatusChange`.
pub(crate) fn status_change(context: SCARDCONTEXT, timeout: DWORD, states: &mut [State]) -> Code {
    let raw = |(number, state): (usize, &State)| SCARD_READERSTATE {
        szReader: state.name.as_ref().map_or(std::ptr::null(), |name| name.as_ptr()),
        pvUserData: std::ptr::without_provenance_mut(0x1000 + number),
        dwCurrentState: state.current,
        dwEventState: state.event,
        cbAtr: state.atr_len,
        rgbAtr: state.atr_room,
    };
    let mut array: Vec<_> = states.iter().enumerate().map(raw).collect();
    let given = array.clone();
    let count = DWORD::try_from(array.len()).unwrap();
    // SAFETY: an array of that many entries, whose names are NUL-terminated or null.
    let result = unsafe { SCardGetStatusChange(context, timeout, array.as_mut_ptr(), count) };
    for ((state, after), before) in states.iter_mut().zip(&array).zip(&given) {
        assert_eq!(after.szReader, before.szReader, "the name is the caller's");
        assert_eq!(after.pvUserData, before.pvUserData, "the user data are the caller's");
        assert_eq!(
            after.dwCurrentState, before.dwCurrentState,
            "the current state is the caller's"
        );
        (state.event, state.atr_len, state.atr_room) = (after.dwEventState, after.cbAtr, after.rgbAtr);
    }
    code(result)
}

/// `SCardGetStatusChange` with a null array.
pub(crate) fn status_change_of_nothing(context: SCARDCONTEXT, count: DWORD) -> Code {
    // SAFETY: null is what is tried.
    code(unsafe { SCardGetStatusChange(context, 0, std::ptr::null_mut(), count) })
}

/// The event word of a reader, asked without waiting.
pub(crate) fn event(context: &Context, name: &str, current: DWORD) -> DWORD {
    let mut states = [State::new(name, current)];
    let result = status_change(context.0, 0, &mut states);
    let changed = states[0].event & 2 != 0;
    assert_eq!(
        result,
        if changed { Ok(()) } else { Err(Error::Timeout) },
        "{:#x}",
        states[0].event
    );
    states[0].event
}

/// A call of `SCardGetStatusChange` in a thread of its own.
#[derive(Debug)]
pub(crate) struct Waiter {
    thread: libc::pid_t,
    result: Receiver<(Code, Vec<State>)>,
}

impl Waiter {
    /// Returns once the call sleeps.
    pub(crate) fn start(context: SCARDCONTEXT, timeout: DWORD, states: &[State]) -> Self {
        let (identify, identity) = mpsc::channel();
        let (finish, result) = mpsc::channel();
        let mut states = states.to_vec();
        thread::spawn(move || {
            // SAFETY: no requirement.
            identify.send(unsafe { libc::gettid() }).unwrap();
            let code = status_change(context, timeout, &mut states);
            // Nobody listens any more if the test has failed.
            let _failed = finish.send((code, states));
        });
        let waiter = Self {
            thread: identity.recv().unwrap(),
            result,
        };
        waiter.until_asleep();
        waiter
    }

    /// Returns once the call sleeps (again).
    pub(crate) fn until_asleep(&self) {
        until("the call sleeps", || {
            self.assert_waiting();
            self.is_asleep().then_some(())
        });
    }

    fn is_asleep(&self) -> bool {
        let call = std::fs::read_to_string(format!("/proc/self/task/{}/syscall", self.thread)).unwrap_or_default();
        call.split(' ').next() == Some(&libc::SYS_ppoll.to_string())
    }

    /// The call has not returned.
    pub(crate) fn assert_waiting(&self) {
        match self.result.try_recv() {
            Err(TryRecvError::Empty) => {}
            other => panic!("the call has ended: {other:?}"),
        }
    }

    /// The call does not return for [`A_WHILE`].
    pub(crate) fn assert_goes_on(&self) {
        thread::sleep(A_WHILE);
        self.assert_waiting();
    }

    /// How often the thread went to sleep so far.
    pub(crate) fn sleeps(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/self/task/{}/status", self.thread)).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    }

    /// Sends the thread a signal.
    pub(crate) fn signal(&self, signal: libc::c_int) {
        // SAFETY: no pointer is passed.
        let result = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), self.thread, signal) };
        assert_eq!(result, 0);
    }

    /// What the call returns.
    pub(crate) fn end(self) -> (Code, Vec<State>) {
        self.result.recv_timeout(PATIENCE).expect("the call has to end")
    }

    /// What the call returns for the one reader it was about.
    pub(crate) fn end_of_one(self) -> (Code, State) {
        let (code, states) = self.end();
        (code, states.into_iter().next().unwrap())
    }
}

/// Has a signal handler that does nothing, without SA_RESTART: system calls end with EINTR.
pub(crate) fn install_idle_handler(signal: libc::c_int) {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: all-zero is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
    // SAFETY: a valid action; null for the old one.
    assert_eq!(
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) },
        0
    );
}

/// A card that has an ATR and answers 90 00 to everything.
#[derive(Debug)]
pub(crate) struct Chip(Vec<u8>);

impl Chip {
    /// A T=0 card; historical bytes tell it from others.
    pub(crate) fn new(number: u8) -> Self {
        Self(Self::atr(number))
    }

    pub(crate) fn atr(number: u8) -> Vec<u8> {
        vec![0x3B, 0x02, 0xC0, number]
    }

    /// A card that does not answer to reset.
    pub(crate) fn mute() -> Self {
        Self(Vec::new())
    }
}

impl sim::Card for Chip {
    fn reset(&mut self, _: sim::Reset) -> Vec<u8> {
        self.0.clone()
    }

    fn apdu(&mut self, _: &[u8]) -> Vec<u8> {
        vec![0x90, 0x00]
    }
}

/// A software reader with a name of its own, unplugged when dropped.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) reader: sim::Reader,
    /// Names of its slots.
    pub(crate) names: Vec<String>,
}

impl Bench {
    /// An empty reader with one slot and an interrupt endpoint.
    pub(crate) fn plug() -> Self {
        Self::plug_as(Config::default())
    }

    /// The same with a card in it.
    pub(crate) fn with_card(card: Chip) -> Self {
        let bench = Self::plug();
        bench.insert(card);
        bench
    }

    /// An empty reader without interrupt endpoint.
    pub(crate) fn polled() -> Self {
        Self::plug_as(Config {
            interrupt: false,
            ..Config::default()
        })
    }

    pub(crate) fn plug_as(config: Config) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let serial = format!("N{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let reader = sim::plug(Config {
            serial: Some(serial.clone()),
            ..config
        })
        .unwrap();
        let mark = format!("({serial})");
        let names = Context::new()
            .readers()
            .into_iter()
            .filter(|name| name.contains(&mark))
            .collect();
        Self { reader, names }
    }

    /// The name of the first slot.
    pub(crate) fn name(&self) -> &str {
        &self.names[0]
    }

    /// Puts a card into the first slot.
    pub(crate) fn insert(&self, card: Chip) {
        drop(self.reader.insert(0, card));
    }

    /// Takes the card out of the first slot.
    pub(crate) fn remove(&self) {
        assert!(self.reader.remove(0).is_some());
    }

    /// An entry about the first slot.
    pub(crate) fn state(&self, current: DWORD) -> State {
        State::new(self.name(), current)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.reader.unplug();
    }
}

/// Runs a test's body in a process of its own, where no other test's readers come and go. `test` is its full name.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    const CHILD: &str = "WINSCARD_TEST_ALONE";
    if std::env::var_os(CHILD).is_some_and(|name| name == test) {
        return body();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, test)
        .env_remove("WINSCARD_SIM");
    let output = child.output().unwrap();
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{}\n{said}\n{complained}", output.status);
    assert!(said.contains("1 passed"), "no test is called {test}:\n{said}");
}
