//! What is written down of a device.

use std::fs;
use std::io;
use std::path::Path;

use super::text_error;
use crate::usb::text;
use crate::usb::winusb::{Device, Location};

/// All descriptors of a configuration fit (`wTotalLength`).
const MAX_DESCRIPTORS_LEN: usize = 1 << 16;
/// A string descriptor has at most 255 bytes.
const MAX_STRING_LEN: usize = 255;
/// English (United States), which every device with strings has.
const LANGUAGE: u16 = 0x0409;

const DEVICE: u8 = 1;
const CONFIGURATION: u8 = 2;
const STRING: u8 = 3;

/// See the module.
#[derive(Debug)]
pub(super) struct Card {
    /// Number of the interface that the driver is bound to.
    pub(super) interface: u8,
    /// Manufacturer, product and serial number.
    pub(super) strings: [Option<String>; 3],
    /// Device descriptor and configuration.
    pub(super) descriptors: Vec<u8>,
}

impl Card {
    /// The card in a node; made by asking the device if there is none.
    ///
    /// # Errors
    /// Another program has the device, or the node cannot be made.
    pub(super) fn of(node: &Path, location: &Location) -> io::Result<Self> {
        match fs::read(node) {
            Ok(bytes) => Self::decode(&bytes).ok_or_else(text_error),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let card = Self::ask(location)?;
                card.write(node)?;
                Ok(card)
            }
            Err(error) => Err(error),
        }
    }

    fn ask(location: &Location) -> io::Result<Self> {
        let device = Device::open(location).map_err(io::Error::other)?;
        let descriptor = |kind, index, language, room| -> io::Result<Vec<u8>> {
            let mut buffer = vec![0; room];
            let len = device
                .descriptor(kind, index, language, &mut buffer)
                .map_err(io::Error::other)?;
            buffer.truncate(len);
            Ok(buffer)
        };
        let mut descriptors = descriptor(DEVICE, 0, 0, 18)?;
        let indices = [14, 15, 16].map(|at| descriptors.get(at).copied().filter(|index| *index != 0));
        let strings =
            indices.map(|index| text::from_descriptor(&descriptor(STRING, index?, LANGUAGE, MAX_STRING_LEN).ok()?));
        descriptors.extend(descriptor(CONFIGURATION, 0, 0, MAX_DESCRIPTORS_LEN)?);
        Ok(Self {
            interface: device.interface_number().map_err(io::Error::other)?,
            strings,
            descriptors,
        })
    }

    /// One byte of interface number; the strings, each with its length before it; the rest is descriptors.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.interface];
        for string in &self.strings {
            let string = string.as_deref().unwrap_or("");
            bytes.extend(u16::try_from(string.len()).unwrap_or(0).to_le_bytes());
            bytes.extend(string.as_bytes());
        }
        bytes.extend(&self.descriptors);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (interface, mut rest) = bytes.split_first()?;
        let mut strings = [None, None, None];
        for string in &mut strings {
            let (len, tail) = rest.split_first_chunk()?;
            let (text, tail) = tail.split_at_checked(u16::from_le_bytes(*len).into())?;
            // Made printable again: others may write the file.
            *string = text::printable(text);
            rest = tail;
        }
        Some(Self {
            interface: *interface,
            strings,
            descriptors: rest.to_vec(),
        })
    }

    fn write(&self, node: &Path) -> io::Result<()> {
        if let Some(folder) = node.parent() {
            fs::create_dir_all(folder)?;
        }
        let temporary = node.with_extension(format!("{:x}", crate::random::nonzero_u32()));
        fs::write(&temporary, self.encode())?;
        let named = fs::hard_link(&temporary, node);
        let _gone = fs::remove_file(&temporary);
        match named {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            named => named,
        }
    }
}
