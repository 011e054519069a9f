//! USB/IP messages (Linux, Documentation/usb/usbip_protocol.rst), version 1.1.1. Everything is big-endian, except the
//! setup packet, which stands as on the bus.

/// Length of the header of every message once a device is imported.
pub(super) const HEADER_LEN: usize = 48;
/// Longest transfer taken: the longest CCID message and more.
pub(super) const MAX_TRANSFER_LEN: usize = 1 << 20;

const VERSION: u16 = 0x0111;
const CMD_SUBMIT: u32 = 1;
const CMD_UNLINK: u32 = 2;
const RET_SUBMIT: u32 = 3;
const RET_UNLINK: u32 = 4;
/// Linux's flag of an OUT transfer whose whole packets are to be followed by an empty one.
const URB_ZERO_PACKET: u32 = 0x40;

/// What a client asks for before a device is imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    DeviceList,
    Import(String),
    Unknown,
}

impl Operation {
    /// The operation that the input begins with and its length; `None` if not all of it has arrived.
    pub(super) fn parse(input: &[u8]) -> Option<(Self, usize)> {
        let code = u16_at(input, 2)?;
        u32_at(input, 4)?;
        match (u16_at(input, 0)?, code) {
            (VERSION, 0x8005) => Some((Self::DeviceList, 8)),
            (VERSION, 0x8003) => {
                let id = input.get(8..40)?.split(|&byte| byte == 0).next().unwrap_or_default();
                Some((Self::Import(String::from_utf8_lossy(id).into_owned()), 40))
            }
            _ => Some((Self::Unknown, 8)),
        }
    }
}

/// A device as it is announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Announcement {
    /// `BUS-PORT`.
    pub(super) id: String,
    pub(super) bus: u32,
    pub(super) device: u32,
    /// Linux's `enum usb_device_speed`: 2 full, 3 high.
    pub(super) speed: u32,
    /// The device descriptor.
    pub(super) descriptor: Vec<u8>,
    /// Class, subclass and protocol of each interface.
    pub(super) interfaces: Vec<[u8; 3]>,
}

impl Announcement {
    fn encode(&self, out: &mut Vec<u8>) {
        padded(out, &format!("/sys/devices/winscard/{}", self.id), 256);
        padded(out, &self.id, 32);
        for word in [self.bus, self.device, self.speed] {
            out.extend(word.to_be_bytes());
        }
        let field = |at: usize| self.descriptor.get(at).copied().unwrap_or(0);
        for low in [8, 10, 12] {
            out.extend([field(low + 1), field(low)]);
        }
        out.extend([field(4), field(5), field(6), 1, field(17)]);
        out.push(u8::try_from(self.interfaces.len()).unwrap_or(u8::MAX));
    }
}

/// Answer to [`Operation::DeviceList`].
pub(super) fn device_list(devices: &[Announcement]) -> Vec<u8> {
    let mut out = header(0x0005, 0);
    out.extend(u32::try_from(devices.len()).unwrap_or(0).to_be_bytes());
    for device in devices {
        device.encode(&mut out);
        for [class, subclass, protocol] in &device.interfaces {
            out.extend([*class, *subclass, *protocol, 0]);
        }
    }
    out
}

/// Answer to [`Operation::Import`].
pub(super) fn imported(device: Option<&Announcement>) -> Vec<u8> {
    let mut out = header(0x0003, u32::from(device.is_none()));
    if let Some(device) = device {
        device.encode(&mut out);
    }
    out
}

fn header(code: u16, status: u32) -> Vec<u8> {
    let mut out = VERSION.to_be_bytes().to_vec();
    out.extend(code.to_be_bytes());
    out.extend(status.to_be_bytes());
    out
}

fn padded(out: &mut Vec<u8>, text: &str, len: usize) {
    let start = out.len();
    out.extend(text.bytes().take(len - 1));
    out.resize(start + len, 0);
}

/// A transfer a kernel has submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Submit {
    pub(super) seq: u32,
    pub(super) endpoint: u8,
    pub(super) is_in: bool,
    /// Bytes to transfer.
    pub(super) len: usize,
    /// Whole packets are to be followed by an empty one.
    pub(super) zlp: bool,
    pub(super) setup: [u8; 8],
    /// What to send.
    pub(super) data: Vec<u8>,
}

/// What a kernel asks of an imported device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Submit(Submit),
    Unlink {
        seq: u32,
        /// The transfer to take back.
        which: u32,
    },
}

/// What the input begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// Not all of it has arrived.
    Incomplete,
    /// No USB/IP.
    Nonsense,
    /// A command and its length.
    Command(Command, usize),
}

impl Command {
    pub(super) fn parse(input: &[u8]) -> Parsed {
        Self::try_parse(input).unwrap_or(Parsed::Incomplete)
    }

    fn try_parse(input: &[u8]) -> Option<Parsed> {
        let header = input.get(..HEADER_LEN)?;
        let seq = u32_at(header, 4)?;
        match u32_at(header, 0)? {
            CMD_SUBMIT => {}
            CMD_UNLINK => {
                let which = u32_at(header, 20)?;
                return Some(Parsed::Command(Self::Unlink { seq, which }, HEADER_LEN));
            }
            _ => return Some(Parsed::Nonsense),
        }
        let is_in = u32_at(header, 12)? != 0;
        let endpoint = u8::try_from(u32_at(header, 16)?).ok().filter(|number| *number < 16);
        let len = usize::try_from(u32_at(header, 24)?)
            .ok()
            .filter(|len| *len <= MAX_TRANSFER_LEN);
        let (Some(endpoint), Some(len)) = (endpoint, len) else {
            return Some(Parsed::Nonsense);
        };
        let end = HEADER_LEN + if is_in { 0 } else { len };
        let submit = Submit {
            seq,
            endpoint,
            is_in,
            len,
            zlp: u32_at(header, 20)? & URB_ZERO_PACKET != 0,
            setup: header.get(40..48)?.try_into().ok()?,
            data: input.get(HEADER_LEN..end)?.to_vec(),
        };
        Some(Parsed::Command(Self::Submit(submit), end))
    }
}

/// The end of a transfer: `status` is 0 or a negative error number, `data` what was read, `len` what was transferred.
pub(super) fn submitted(seq: u32, status: i32, len: usize, data: &[u8]) -> Vec<u8> {
    let mut out = answer(RET_SUBMIT, seq, status);
    out.extend(u32::try_from(len).unwrap_or(0).to_be_bytes());
    out.resize(HEADER_LEN, 0);
    out.extend(data);
    out
}

/// The end of an attempt to take a transfer back.
pub(super) fn unlinked(seq: u32, status: i32) -> Vec<u8> {
    let mut out = answer(RET_UNLINK, seq, status);
    out.resize(HEADER_LEN, 0);
    out
}

fn answer(command: u32, seq: u32, status: i32) -> Vec<u8> {
    let mut out = command.to_be_bytes().to_vec();
    out.extend(seq.to_be_bytes());
    out.resize(20, 0); // devid, direction and endpoint mean nothing in answers
    out.extend(status.to_be_bytes());
    out
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    fn submit(direction: u32, len: u32, data: &[u8]) -> Vec<u8> {
        let words = [1, 0x11, 0x0001_0002, direction, 2, 0x40, len, 0, 0, 0];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_be_bytes()).collect();
        bytes.extend([0x80, 6, 0, 1, 0, 0, 18, 0]);
        bytes.extend(data);
        bytes
    }

    #[test]
    fn operations_are_understood_when_they_are_whole() {
        assert_eq!(
            Operation::parse(&[1, 0x11, 0x80, 5, 0, 0, 0, 0]),
            Some((Operation::DeviceList, 8))
        );
        let mut import = vec![1, 0x11, 0x80, 3, 0, 0, 0, 0];
        import.extend(b"1-2");
        import.resize(40, 0);
        assert_eq!(Operation::parse(&import[..39]), None);
        assert_eq!(Operation::parse(&import), Some((Operation::Import("1-2".into()), 40)));
        assert_eq!(Operation::parse(&[0; 8]), Some((Operation::Unknown, 8)));
    }

    #[test]
    fn commands_are_understood_when_they_are_whole() {
        let out = submit(0, 3, &[7, 8, 9]);
        for len in 0..out.len() {
            assert_eq!(Command::parse(&out[..len]), Parsed::Incomplete, "{len}");
        }
        let Parsed::Command(Command::Submit(command), len) = Command::parse(&out) else {
            unreachable!("a whole command");
        };
        assert_eq!(
            (len, command.data, command.zlp, command.is_in),
            (51, vec![7, 8, 9], true, false)
        );
        assert_eq!((command.seq, command.endpoint), (0x11, 2));
        assert!(matches!(Command::parse(&submit(1, 64, &[])), Parsed::Command(Command::Submit(s), 48) if s.len == 64));
        assert_eq!(Command::parse(&submit(1, u32::MAX, &[])), Parsed::Nonsense);
        assert_eq!(Command::parse(&[0; 48]), Parsed::Nonsense);
    }

    #[test]
    fn answers_have_their_fields_where_the_protocol_has_them() {
        let answer = submitted(0x11, -32, 2, &[5, 6]);
        assert_eq!(answer.len(), 50);
        assert_eq!(answer[..8], [0, 0, 0, 3, 0, 0, 0, 0x11]);
        assert_eq!(answer[20..28], [0xFF, 0xFF, 0xFF, 0xE0, 0, 0, 0, 2]);
        assert_eq!(unlinked(1, -104)[20..24], (-104_i32).to_be_bytes());
        let device = Announcement {
            id: "1-1".into(),
            bus: 1,
            device: 2,
            speed: 2,
            descriptor: vec![18, 1, 0, 2, 0, 0, 0, 64, 0xE6, 0x08, 0x37, 0x34, 0, 1, 1, 2, 0, 1],
            interfaces: vec![[0x0B, 0, 0]],
        };
        let list = device_list(std::slice::from_ref(&device));
        assert_eq!(list.len(), 12 + 312 + 4);
        assert_eq!(
            list[12 + 0x120..12 + 0x130],
            [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0x08, 0xE6, 0x34, 0x37]
        );
        assert_eq!(imported(Some(&device)).len(), 320);
        assert_eq!(imported(None), [1, 0x11, 0, 3, 0, 0, 0, 1]);
    }
}
