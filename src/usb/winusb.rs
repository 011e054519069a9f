//! [`Transport`] over Windows' WinUSB driver. Compiled, never run on hardware.
//!
//! The driver lets one program at a time open a device, and nobody can take it from him: so it is given back whenever
//! nobody's transaction needs it, and nobody waits on the interrupt endpoint, which would keep others out. Readers are
//! asked for their state instead, as those without such an endpoint are.

#![allow(unsafe_code, reason = "functions of winusb.dll")]

use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use windows_sys::Win32::Devices::Usb::{
    PIPE_TRANSFER_TIMEOUT, USB_INTERFACE_DESCRIPTOR, WINUSB_INTERFACE_HANDLE, WINUSB_SETUP_PACKET,
    WinUsb_ControlTransfer, WinUsb_Free, WinUsb_GetDescriptor, WinUsb_Initialize, WinUsb_QueryInterfaceSettings,
    WinUsb_ReadPipe, WinUsb_ResetPipe, WinUsb_SetCurrentAlternateSetting, WinUsb_SetPipePolicy, WinUsb_WritePipe,
};
use windows_sys::Win32::Foundation as code;
use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_OVERLAPPED;

use super::{
    ControlRequest, Endpoint, Error, ErrorKind, Interface, Interrupt, InterruptWait, NO_WAIT, NodeId, Result,
    Transport, bus,
};

/// Where Windows has a device.
#[derive(Debug, PartialEq, Eq)]
pub struct Location {
    /// Path of the device interface, for opening it.
    pub(super) path: PathBuf,
    /// Instance of the device, NUL-terminated.
    pub(super) instance: Vec<u16>,
    /// When it was plugged in: another device may be in its place later.
    pub(super) arrival: u64,
}

/// Opens an interface; claims nothing.
///
/// # Errors
/// [`ErrorKind::Disconnected`] if it has left.
pub(super) fn open(interface: &Interface, location: &Arc<Location>) -> Result<Arc<dyn Transport>> {
    let transport = WinUsb {
        location: Arc::clone(location),
        bulk_out: interface.bulk_out,
        bulk_in: interface.bulk_in,
        device: Mutex::new(None),
    };
    let same = NodeId::at(&interface.node).is_ok_and(|id| id == interface.node_id);
    if same && transport.is_connected() {
        Ok(Arc::new(transport))
    } else {
        Err(failure(ErrorKind::Disconnected, 0, "open"))
    }
}

fn failure(kind: ErrorKind, errno: i32, what: &'static str) -> Error {
    Error { kind, errno, what }
}

/// The failure that has just been reported.
fn last(what: &'static str) -> Error {
    translate(&io::Error::last_os_error(), what)
}

fn translate(error: &io::Error, what: &'static str) -> Error {
    let errno = error.raw_os_error().unwrap_or(0);
    let kind = match u32::try_from(errno).unwrap_or(0) {
        code::ERROR_DEVICE_NOT_CONNECTED
        | code::ERROR_NO_SUCH_DEVICE
        | code::ERROR_DEV_NOT_EXIST
        | code::ERROR_BAD_COMMAND
        | code::ERROR_FILE_NOT_FOUND
        | code::ERROR_PATH_NOT_FOUND => ErrorKind::Disconnected,
        // The driver has one user at a time; a device that this user may not open is not told apart.
        code::ERROR_ACCESS_DENIED | code::ERROR_SHARING_VIOLATION | code::ERROR_BUSY => ErrorKind::Busy,
        code::ERROR_SEM_TIMEOUT => ErrorKind::Timeout,
        code::ERROR_GEN_FAILURE => ErrorKind::Stall,
        code::ERROR_NOT_ENOUGH_MEMORY | code::ERROR_OUTOFMEMORY | code::ERROR_NO_SYSTEM_RESOURCES => {
            ErrorKind::NoMemory
        }
        _ => ErrorKind::Other,
    };
    failure(kind, errno, what)
}

/// A device open for transfers.
#[derive(Debug)]
pub(super) struct Device {
    usb: WINUSB_INTERFACE_HANDLE,
    /// Declared behind, to be closed after it.
    _file: OwnedHandle,
}

// SAFETY: WinUSB's handles may be used from any thread.
unsafe impl Send for Device {}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: ours, and not used any more.
        unsafe { WinUsb_Free(self.usb) };
    }
}

impl Device {
    /// Opens the device, as the only one.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] if another program has it.
    pub(super) fn open(location: &Location) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(FILE_FLAG_OVERLAPPED)
            .open(&location.path)
            .map_err(|error| translate(&error, "open"))?;
        let file = OwnedHandle::from(file);
        let mut usb: WINUSB_INTERFACE_HANDLE = std::ptr::null_mut();
        // SAFETY: the handle is open and for overlapped use, `usb` is a valid place for the result.
        if unsafe { WinUsb_Initialize(file.as_raw_handle(), &raw mut usb) } == 0 {
            return Err(last("open"));
        }
        Ok(Self { usb, _file: file })
    }

    /// A descriptor, cut to the room there is.
    ///
    /// # Errors
    /// The device's.
    pub(super) fn descriptor(&self, kind: u8, index: u8, language: u16, buffer: &mut [u8]) -> Result<usize> {
        let (room, mut len) = (room(buffer.len()), 0);
        // SAFETY: the handle is open, `buffer` is writable for `room` bytes, `len` is a valid place for the length.
        let done =
            unsafe { WinUsb_GetDescriptor(self.usb, kind, index, language, buffer.as_mut_ptr(), room, &raw mut len) };
        size(done, len, "descriptor")
    }

    /// Number of the interface it was opened for.
    ///
    /// # Errors
    /// The driver's.
    pub(super) fn interface_number(&self) -> Result<u8> {
        let mut descriptor = USB_INTERFACE_DESCRIPTOR::default();
        // SAFETY: the handle is open, `descriptor` is a valid place for the result.
        if unsafe { WinUsb_QueryInterfaceSettings(self.usb, 0, &raw mut descriptor) } == 0 {
            return Err(last("interface"));
        }
        Ok(descriptor.bInterfaceNumber)
    }

    /// Bounds the transfers of an endpoint; 0 stands for the control endpoint.
    fn bound(&self, endpoint: u8, timeout: Duration) -> Result<()> {
        // 0 would be for ever.
        let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1);
        // SAFETY: the handle is open, the value is of the size the policy has.
        let done =
            unsafe { WinUsb_SetPipePolicy(self.usb, endpoint, PIPE_TRANSFER_TIMEOUT, 4, (&raw const millis).cast()) };
        if done == 0 { Err(last("timeout")) } else { Ok(()) }
    }

    fn write(&self, endpoint: u8, data: &[u8], timeout: Duration) -> Result<usize> {
        self.bound(endpoint, timeout)?;
        let (count, mut len) = (room(data.len()), 0);
        // SAFETY: the handle is open, `data` is readable for `count` bytes; without an OVERLAPPED the call ends with the transfer.
        let done =
            unsafe { WinUsb_WritePipe(self.usb, endpoint, data.as_ptr(), count, &raw mut len, std::ptr::null()) };
        size(done, len, "bulk out")
    }

    fn read(&self, endpoint: u8, buffer: &mut [u8], timeout: Duration) -> Result<usize> {
        self.bound(endpoint, timeout)?;
        let (count, mut len) = (room(buffer.len()), 0);
        // SAFETY: the handle is open, `buffer` is writable for `count` bytes; without an OVERLAPPED the call ends with the
        // transfer.
        let done = unsafe {
            WinUsb_ReadPipe(
                self.usb,
                endpoint,
                buffer.as_mut_ptr(),
                count,
                &raw mut len,
                std::ptr::null(),
            )
        };
        size(done, len, "bulk in")
    }

    fn control(&self, request: ControlRequest, data: *mut u8, length: usize, timeout: Duration) -> Result<usize> {
        self.bound(0, timeout)?;
        let setup = WINUSB_SETUP_PACKET {
            RequestType: request.request_type,
            Request: request.request,
            Value: request.value,
            Index: request.index,
            Length: u16::try_from(length).unwrap_or(u16::MAX),
        };
        let (count, mut len) = (setup.Length.into(), 0);
        // SAFETY: the handle is open; `data` is valid for `length` bytes in the direction the request has, by the callers below.
        let done = unsafe { WinUsb_ControlTransfer(self.usb, setup, data, count, &raw mut len, std::ptr::null()) };
        size(done, len, "control")
    }
}

fn room(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn size(done: i32, len: u32, what: &'static str) -> Result<usize> {
    if done == 0 {
        return Err(last(what));
    }
    Ok(usize::try_from(len).unwrap_or(0))
}

#[derive(Debug)]
struct WinUsb {
    location: Arc<Location>,
    bulk_out: Option<Endpoint>,
    bulk_in: Option<Endpoint>,
    device: Mutex<Option<Device>>,
}

impl WinUsb {
    fn with<T>(&self, what: &'static str, work: impl FnOnce(&Device) -> Result<T>) -> Result<T> {
        let device = self.device.lock();
        let result = device.as_ref().map_or(Err(failure(ErrorKind::Busy, 0, what)), work);
        match result {
            // While a device is being pulled it fails in any way.
            Err(error) if error.kind != ErrorKind::Busy && !self.is_connected() => Err(Error {
                kind: ErrorKind::Disconnected,
                ..error
            }),
            result => result,
        }
    }
}

impl Transport for WinUsb {
    fn claim(&self) -> Result<()> {
        let mut device = self.device.lock();
        if !self.is_connected() {
            return Err(failure(ErrorKind::Disconnected, 0, "claim"));
        }
        if device.is_none() {
            *device = Some(Device::open(&self.location)?);
        }
        Ok(())
    }

    fn take_over(&self) -> Result<()> {
        self.claim()
    }

    fn release(&self) {
        *self.device.lock() = None;
    }

    fn is_given_back(&self) -> bool {
        true
    }

    fn bulk_out(&self, data: &[u8], timeout: Duration) -> Result<usize> {
        let endpoint = self
            .bulk_out
            .ok_or(failure(ErrorKind::Other, 0, "no bulk OUT endpoint"))?;
        self.with("bulk out", |device| device.write(endpoint.address, data, timeout))
    }

    fn bulk_in(&self, buffer: &mut [u8], timeout: Duration) -> Result<usize> {
        let endpoint = self
            .bulk_in
            .ok_or(failure(ErrorKind::Other, 0, "no bulk IN endpoint"))?;
        self.with("bulk in", |device| device.read(endpoint.address, buffer, timeout))
    }

    fn control_out(&self, request: ControlRequest, data: &[u8], timeout: Duration) -> Result<usize> {
        // Only read from: the request's direction is to the device.
        let pointer = data.as_ptr().cast_mut();
        self.with("control", |device| {
            device.control(request, pointer, data.len(), timeout)
        })
    }

    fn control_in(&self, request: ControlRequest, buffer: &mut [u8], timeout: Duration) -> Result<usize> {
        let (pointer, len) = (buffer.as_mut_ptr(), buffer.len());
        self.with("control", |device| device.control(request, pointer, len, timeout))
    }

    fn clear_halt(&self, endpoint: u8) -> Result<()> {
        self.with("clear halt", |device| {
            // SAFETY: the handle is open.
            let done = unsafe { WinUsb_ResetPipe(device.usb, endpoint) };
            if done == 0 { Err(last("clear halt")) } else { Ok(()) }
        })
    }

    fn set_interface(&self) -> Result<()> {
        self.with("set interface", |device| {
            // SAFETY: the handle is open.
            let done = unsafe { WinUsb_SetCurrentAlternateSetting(device.usb, 0) };
            if done == 0 { Err(last("set interface")) } else { Ok(()) }
        })
    }

    fn reset_device(&self) -> Result<()> {
        // The driver has no such request.
        Err(failure(ErrorKind::Other, 0, "reset"))
    }

    fn start_interrupt(&self) -> Result<()> {
        Ok(())
    }

    fn reap_interrupt(&self, _: &mut [u8]) -> Result<Interrupt> {
        Ok(Interrupt::Idle)
    }

    fn interrupt_wait(&self) -> InterruptWait {
        InterruptWait { fd: NO_WAIT, events: 0 }
    }

    fn is_connected(&self) -> bool {
        bus::arrival(&self.location.instance) == Some(self.location.arrival)
    }
}
