//! Walks the descriptors of a device: one device descriptor and then every configuration with all it contains, as
//! sysfs' `descriptors` and a read of a usbfs node give them (USB 2.0 §9.6).
//!
//! The bytes come from the device. The walk is total: whatever they are, it ends, and what cannot be read is left out.

use super::Endpoint;

/// `bDescriptorType` of USB 2.0 table 9-5.
mod kind {
    pub(super) const DEVICE: u8 = 1;
    pub(super) const CONFIGURATION: u8 = 2;
    pub(super) const INTERFACE: u8 = 4;
    pub(super) const ENDPOINT: u8 = 5;
    /// CCID 1.1 §5.1: the class descriptor has the type HID uses, told apart by the interface it belongs to.
    pub(super) const CLASS: u8 = 0x21;
    /// The class descriptor on devices that predate the class.
    pub(super) const VENDOR_CLASS: u8 = 0xFF;
}

/// Length of the CCID class descriptor (CCID 1.1 table 5.1-1); a shorter one is another descriptor.
pub const CLASS_DESCRIPTOR_LEN: usize = 54;

/// `bInterfaceClass` of the smart card class.
pub const CLASS_SMART_CARD: u8 = 0x0B;

/// `bInterfaceClass` of vendor-specific interfaces.
pub const CLASS_VENDOR: u8 = 0xFF;

const DEVICE_LEN: usize = 18;
/// The kernel refuses more (USB_MAXCONFIG, USB_MAXINTERFACES).
const MAX_CONFIGURATIONS: usize = 8;
const MAX_INTERFACES: usize = 32;
/// Descriptors looked at in one configuration: 64 KiB of the shortest sensible ones is more, and no device has them.
const MAX_DESCRIPTORS: usize = 4096;

/// A device and the interfaces of one of its configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// `idVendor`.
    pub vendor_id: u16,
    /// `idProduct`.
    pub product_id: u16,
    /// `bcdDevice`.
    pub release: u16,
    /// `iManufacturer`, 0 for none.
    pub manufacturer_index: u8,
    /// `iProduct`, 0 for none.
    pub product_index: u8,
    /// `iSerialNumber`, 0 for none.
    pub serial_index: u8,
    /// `bConfigurationValue` of the configuration the interfaces belong to.
    pub configuration: u8,
    /// Its interfaces in alternate setting 0, in the device's order, each number once.
    pub interfaces: Vec<InterfaceDescriptor>,
}

/// One interface in alternate setting 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceDescriptor {
    /// `bInterfaceNumber`.
    pub number: u8,
    /// `bInterfaceClass`.
    pub class: u8,
    /// `bInterfaceSubClass`.
    pub subclass: u8,
    /// `bInterfaceProtocol`.
    pub protocol: u8,
    /// `iInterface`, 0 for none.
    pub string_index: u8,
    /// First class-specific descriptor long enough to be CCID's, whole.
    pub class_descriptor: Option<Vec<u8>>,
    /// First bulk OUT endpoint.
    pub bulk_out: Option<Endpoint>,
    /// First bulk IN endpoint.
    pub bulk_in: Option<Endpoint>,
    /// First interrupt IN endpoint.
    pub interrupt_in: Option<Endpoint>,
}

/// One descriptor: its whole bytes, at least two of them.
struct Descriptors<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Descriptors<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            left: MAX_DESCRIPTORS,
        }
    }
}

impl<'a> Iterator for Descriptors<'a> {
    type Item = (u8, &'a [u8]);

    /// Ends at a length that is below 2 or beyond the bytes: what follows cannot be found.
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (&[len, kind], _) = self.rest.split_first_chunk()?;
        if len < 2 {
            return None;
        }
        let (descriptor, rest) = self.rest.split_at_checked(usize::from(len))?;
        self.rest = rest;
        Some((kind, descriptor))
    }
}

fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes([byte(bytes, at)?, byte(bytes, at + 1)?]))
}

/// Reads the device descriptor and the configuration with this value, or the first one if `None`.
///
/// `None` if the bytes do not begin with a device descriptor or the configuration is not there.
#[must_use]
pub fn parse(bytes: &[u8], configuration: Option<u8>) -> Option<Device> {
    let device = bytes.get(..DEVICE_LEN)?;
    if byte(device, 1)? != kind::DEVICE || usize::from(byte(device, 0)?) < DEVICE_LEN {
        return None;
    }
    let (value, body) = find_configuration(bytes.get(usize::from(byte(device, 0)?)..)?, configuration)?;
    Some(Device {
        vendor_id: word(device, 8)?,
        product_id: word(device, 10)?,
        release: word(device, 12)?,
        manufacturer_index: byte(device, 14)?,
        product_index: byte(device, 15)?,
        serial_index: byte(device, 16)?,
        configuration: value,
        interfaces: interfaces(body),
    })
}

/// Value and contents of the wanted configuration; contents are what follows its own descriptor.
fn find_configuration(mut bytes: &[u8], wanted: Option<u8>) -> Option<(u8, &[u8])> {
    for _ in 0..MAX_CONFIGURATIONS {
        let own_len = usize::from(byte(bytes, 0)?);
        let value = byte(bytes, 5)?;
        if byte(bytes, 1)? != kind::CONFIGURATION || own_len < 9 {
            return None;
        }
        // wTotalLength may claim more than the kernel could read; sysfs pads nothing, so the end of the bytes counts.
        let total_len = usize::from(word(bytes, 2)?).min(bytes.len());
        if wanted.is_none_or(|wanted| wanted == value) {
            return Some((value, bytes.get(own_len..total_len)?));
        }
        bytes = bytes.get(total_len.max(own_len)..)?;
    }
    None
}

fn interfaces(body: &[u8]) -> Vec<InterfaceDescriptor> {
    let mut found: Vec<InterfaceDescriptor> = Vec::new();
    // Whether descriptors now belong to the last one found, or to an alternate setting that is skipped.
    let mut current = false;
    for (kind, descriptor) in Descriptors::new(body) {
        match kind {
            kind::INTERFACE => {
                current = false;
                if let Some(interface) = interface(descriptor) {
                    if found.len() < MAX_INTERFACES && found.iter().all(|i| i.number != interface.number) {
                        found.push(interface);
                        current = true;
                    }
                }
            }
            kind::CONFIGURATION => break,
            _ if !current => {}
            kind => {
                if let Some(interface) = found.last_mut() {
                    interface.take(kind, descriptor);
                }
            }
        }
    }
    found
}

/// An interface descriptor of alternate setting 0.
fn interface(descriptor: &[u8]) -> Option<InterfaceDescriptor> {
    if byte(descriptor, 3)? != 0 {
        return None;
    }
    Some(InterfaceDescriptor {
        number: byte(descriptor, 2)?,
        class: byte(descriptor, 5)?,
        subclass: byte(descriptor, 6)?,
        protocol: byte(descriptor, 7)?,
        string_index: byte(descriptor, 8)?,
        class_descriptor: None,
        bulk_out: None,
        bulk_in: None,
        interrupt_in: None,
    })
}

impl InterfaceDescriptor {
    /// Takes in a descriptor that stands after this interface's, wherever it stands: some readers have the class
    /// descriptor after the last endpoint (O2 Micro Oz776, BLUDRIVE II).
    fn take(&mut self, kind: u8, descriptor: &[u8]) {
        match kind {
            kind::ENDPOINT => self.take_endpoint(descriptor),
            kind::CLASS | kind::VENDOR_CLASS if self.class_descriptor.is_none() => {
                let fits = kind == kind::CLASS || self.class == CLASS_VENDOR;
                if fits && descriptor.len() >= CLASS_DESCRIPTOR_LEN {
                    self.class_descriptor = Some(descriptor.to_vec());
                }
            }
            _ => {}
        }
    }

    fn take_endpoint(&mut self, descriptor: &[u8]) {
        let (Some(address), Some(attributes), Some(packet)) =
            (byte(descriptor, 2), byte(descriptor, 3), word(descriptor, 4))
        else {
            return;
        };
        let max_packet_len = packet & 0x07FF;
        // Endpoint 0 is the control pipe and bits 4 to 6 are reserved: neither can be claimed with an interface.
        if max_packet_len == 0 || address & 0x0F == 0 || address & 0x70 != 0 {
            return;
        }
        let place = match (attributes & 3, address & 0x80 != 0) {
            (2, false) => &mut self.bulk_out,
            (2, true) => &mut self.bulk_in,
            (3, true) => &mut self.interrupt_in,
            _ => return,
        };
        place.get_or_insert(Endpoint {
            address,
            max_packet_len,
            interval: byte(descriptor, 6).unwrap_or(0),
        });
    }

    /// Whether this may be a reader: the smart card class, or a listed device of class 0xFF, with a class descriptor.
    #[must_use]
    pub fn is_reader(&self, vendor_id: u16, product_id: u16) -> bool {
        self.class_descriptor.is_some() && is_reader_class(self.class, vendor_id, product_id)
    }
}

/// Whether an interface of this class is a reader's, on this device.
#[must_use]
pub fn is_reader_class(class: u8, vendor_id: u16, product_id: u16) -> bool {
    match class {
        CLASS_SMART_CARD => true,
        CLASS_VENDOR => crate::ccid::class_ff::is_reader(vendor_id, product_id),
        _ => false,
    }
}

#[cfg(test)]
pub(crate) mod tests;
