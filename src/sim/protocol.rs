//! What the software reader's server and its clients say to each other, as bytes.
//!
//! A connection to the server's socket begins with a line of text. `list`, `open` and `interrupt` (each with
//! [`VERSION`]) make it a binary one, made of frames: four bytes of length, little-endian, then that many bytes. Every
//! other line is a command of the [control channel](super::remote), answered with lines of text.
//!
//! | line | then |
//! |---|---|
//! | `list V` | one reply frame: the interfaces |
//! | `open V ADDRESS` | a reply frame with a token, and `one-user` behind it where that is so; then request and reply frames by turns |
//! | `interrupt V TOKEN` | a reply frame; then [`Notice`] frames, unasked |
//!
//! Integers are little-endian. Nothing here makes a system call, and every decoder is total.

use crate::usb::{Backend, ControlRequest, Endpoint, ErrorKind, Interface, NodeId};

/// Changes with every incompatible change.
pub(crate) const VERSION: u32 = 1;
/// Behind the token of a reader that nobody can take from who has it claimed.
pub(crate) const ONE_USER: &str = "one-user";
/// Longest frame: a transfer of 64 KiB with room to spare.
pub(crate) const MAX_FRAME_LEN: usize = 1 << 20;

/// What a client asks of a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Claim,
    TakeOver,
    Release,
    BulkOut {
        timeout_ms: u32,
        data: Vec<u8>,
    },
    BulkIn {
        timeout_ms: u32,
        wanted: u32,
    },
    Control {
        request: ControlRequest,
        length: u16,
        data: Vec<u8>,
    },
    SetInterface,
    Reset,
    /// Puts the interrupt transfer of this number in flight.
    StartInterrupt(u32),
}

/// What came of it.
pub(crate) type Reply = Result<Vec<u8>, ErrorKind>;

/// The end of an interrupt transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// Which transfer.
    pub(crate) number: u32,
    /// What arrived; `None` if it ended without.
    pub(crate) message: Option<Vec<u8>>,
}

/// A body with its length before it.
pub(crate) fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    frame.extend(body);
    frame
}

/// Length of the body that a frame beginning with these four bytes has; `None` if no frame may be so long.
pub(crate) fn body_len(header: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(header))
        .ok()
        .filter(|len| *len <= MAX_FRAME_LEN)
}

impl Request {
    /// As the body of a frame.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Claim => out.push(1),
            Self::TakeOver => out.push(2),
            Self::Release => out.push(3),
            Self::BulkOut { timeout_ms, data } => {
                out.push(4);
                out.extend(timeout_ms.to_le_bytes());
                out.extend(data);
            }
            Self::BulkIn { timeout_ms, wanted } => {
                out.push(5);
                out.extend(timeout_ms.to_le_bytes());
                out.extend(wanted.to_le_bytes());
            }
            Self::Control { request, length, data } => {
                out.extend([6, request.request_type, request.request]);
                out.extend(request.value.to_le_bytes());
                out.extend(request.index.to_le_bytes());
                out.extend(length.to_le_bytes());
                out.extend(data);
            }
            Self::SetInterface => out.push(7),
            Self::Reset => out.push(8),
            Self::StartInterrupt(number) => {
                out.push(9);
                out.extend(number.to_le_bytes());
            }
        }
        out
    }

    /// From the body of a frame.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        let request = match r.u8()? {
            1 => Self::Claim,
            2 => Self::TakeOver,
            3 => Self::Release,
            4 => Self::BulkOut {
                timeout_ms: r.u32()?,
                data: r.rest(),
            },
            5 => Self::BulkIn {
                timeout_ms: r.u32()?,
                wanted: r.u32()?,
            },
            6 => Self::Control {
                request: ControlRequest {
                    request_type: r.u8()?,
                    request: r.u8()?,
                    value: r.u16()?,
                    index: r.u16()?,
                },
                length: r.u16()?,
                data: r.rest(),
            },
            7 => Self::SetInterface,
            8 => Self::Reset,
            9 => Self::StartInterrupt(r.u32()?),
            _ => return None,
        };
        r.0.is_empty().then_some(request)
    }
}

/// Every kind of failure, its place being its number in a reply.
const KINDS: [ErrorKind; 8] = [
    ErrorKind::Disconnected,
    ErrorKind::Busy,
    ErrorKind::Timeout,
    ErrorKind::Stall,
    ErrorKind::Overflow,
    ErrorKind::NoAccess,
    ErrorKind::NoMemory,
    ErrorKind::Other,
];

/// A reply as the body of a frame.
pub(crate) fn encode_reply(reply: &Reply) -> Vec<u8> {
    match reply {
        Ok(data) => {
            let mut out = vec![0];
            out.extend(data);
            out
        }
        Err(kind) => {
            let place = KINDS.iter().position(|k| k == kind).unwrap_or(KINDS.len() - 1);
            vec![u8::try_from(place + 1).unwrap_or(u8::MAX)]
        }
    }
}

/// A reply from the body of a frame.
pub(crate) fn decode_reply(bytes: &[u8]) -> Reply {
    match bytes.split_first() {
        Some((0, data)) => Ok(data.to_vec()),
        Some((&number, _)) => Err(KINDS.get(usize::from(number) - 1).copied().unwrap_or(ErrorKind::Other)),
        None => Err(ErrorKind::Other),
    }
}

impl Notice {
    /// As the body of a frame.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![u8::from(self.message.is_some())];
        out.extend(self.number.to_le_bytes());
        out.extend(self.message.iter().flatten());
        out
    }

    /// From the body of a frame.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        let has_message = r.u8()? != 0;
        let number = r.u32()?;
        let message = has_message.then(|| r.rest());
        Some(Self { number, message })
    }
}

/// Interfaces as the body of a frame. Where their nodes are is not said: each side knows its path to them.
pub(crate) fn encode_interfaces(interfaces: &[Interface]) -> Vec<u8> {
    let mut out = Vec::new();
    for i in interfaces {
        out.extend(i.node_id.dev.to_le_bytes());
        out.extend(i.node_id.ino.to_le_bytes());
        for half in [i.bus, i.address, i.vendor_id, i.product_id, i.device_release] {
            out.extend(half.to_le_bytes());
        }
        out.extend([i.number, i.class, i.protocol, u8::from(i.composite)]);
        for endpoint in [i.bulk_out, i.bulk_in, i.interrupt_in] {
            let (address, len) = endpoint.map_or((0, 0), |e| (e.address, e.max_packet_len));
            out.push(address);
            out.extend(len.to_le_bytes());
        }
        put(&mut out, Some(&i.class_descriptor));
        for text in [&i.manufacturer, &i.product, &i.serial, &i.interface_name] {
            put(&mut out, text.as_ref().map(String::as_bytes));
        }
        put(&mut out, Some(i.usb_path.as_bytes()));
    }
    out
}

fn put(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let len = bytes.map_or(u16::MAX, |bytes| u16::try_from(bytes.len()).unwrap_or(0));
    out.extend(len.to_le_bytes());
    out.extend(bytes.unwrap_or_default().iter().take(len.into()));
}

/// Interfaces from the body of a frame; `node` gives the path of a node by bus and address.
pub(crate) fn decode_interfaces(
    bytes: &[u8],
    backend: &Backend,
    node: impl Fn(u16, u16) -> std::path::PathBuf,
) -> Option<Vec<Interface>> {
    let mut r = Reader(bytes);
    let mut interfaces = Vec::new();
    while !r.0.is_empty() {
        let node_id = NodeId {
            dev: r.u64()?,
            ino: r.u64()?,
        };
        let (bus, address) = (r.u16()?, r.u16()?);
        let (vendor_id, product_id, device_release) = (r.u16()?, r.u16()?, r.u16()?);
        let (number, class, protocol, composite) = (r.u8()?, r.u8()?, r.u8()?, r.u8()? != 0);
        interfaces.push(Interface {
            node: node(bus, address),
            node_id,
            bus,
            address,
            vendor_id,
            product_id,
            device_release,
            number,
            class,
            protocol,
            composite,
            bulk_out: r.endpoint()?,
            bulk_in: r.endpoint()?,
            interrupt_in: r.endpoint()?,
            class_descriptor: r.bytes()??,
            manufacturer: r.text()?,
            product: r.text()?,
            serial: r.text()?,
            interface_name: r.text()?,
            usb_path: r.text()??,
            backend: backend.clone(),
        });
    }
    Some(interfaces)
}

/// Takes values off the front; `None` when there is not enough left.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0).to_vec()
    }

    fn endpoint(&mut self) -> Option<Option<Endpoint>> {
        let (address, max_packet_len) = (self.u8()?, self.u16()?);
        Some((address != 0 && max_packet_len != 0).then_some(Endpoint {
            address,
            max_packet_len,
            interval: 0,
        }))
    }

    fn bytes(&mut self) -> Option<Option<Vec<u8>>> {
        let len = self.u16()?;
        if len == u16::MAX {
            return Some(None);
        }
        let (bytes, rest) = self.0.split_at_checked(len.into())?;
        self.0 = rest;
        Some(Some(bytes.to_vec()))
    }

    fn text(&mut self) -> Option<Option<String>> {
        let bytes = self.bytes()?;
        Some(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn requests() -> Vec<Request> {
        let request = ControlRequest {
            request_type: 0xA1,
            request: 3,
            value: 0x1234,
            index: 0x00FF,
        };
        vec![
            Request::Claim,
            Request::TakeOver,
            Request::Release,
            Request::BulkOut {
                timeout_ms: 7,
                data: vec![1, 2, 3],
            },
            Request::BulkIn {
                timeout_ms: u32::MAX,
                wanted: 65_556,
            },
            Request::Control {
                request,
                length: 4,
                data: vec![9],
            },
            Request::SetInterface,
            Request::Reset,
            Request::StartInterrupt(77),
        ]
    }

    #[test]
    fn what_is_said_is_understood() {
        for request in requests() {
            assert_eq!(Request::decode(&request.encode()), Some(request));
        }
        for reply in KINDS.map(Err).into_iter().chain([Ok(vec![]), Ok(vec![0; 300])]) {
            assert_eq!(decode_reply(&encode_reply(&reply)), reply);
        }
        for message in [None, Some(vec![]), Some(vec![0x50, 3])] {
            let notice = Notice { number: 5, message };
            assert_eq!(Notice::decode(&notice.encode()), Some(notice));
        }
    }

    #[test]
    fn nonsense_is_refused_and_cut_requests_too() {
        assert_eq!(Request::decode(&[]), None);
        assert_eq!(Request::decode(&[0]), None);
        assert_eq!(Request::decode(&[1, 0]), None, "trailing bytes");
        assert_eq!(Request::decode(&[5, 0, 0, 0, 0, 1]), None);
        assert_eq!(decode_reply(&[]), Err(ErrorKind::Other));
        assert_eq!(decode_reply(&[200]), Err(ErrorKind::Other));
        assert_eq!(body_len([0xFF; 4]), None);
        assert_eq!(body_len([4, 1, 0, 0]), Some(260));
    }

    #[test]
    fn interfaces_arrive_as_they_were() {
        let backend = Backend::Server(Path::new("/tmp/s").into());
        let node = |bus, address| PathBuf::from(format!("/x/{bus}/{address}"));
        let interface = Interface {
            node: node(0, 9),
            node_id: NodeId { dev: 1, ino: u64::MAX },
            bus: 0,
            address: 9,
            vendor_id: 0x08E6,
            product_id: 0x3437,
            device_release: 0x0100,
            number: 2,
            class: 0x0B,
            protocol: 1,
            class_descriptor: vec![0x36, 0x21],
            bulk_out: None,
            bulk_in: Some(Endpoint {
                address: 0x82,
                max_packet_len: 64,
                interval: 0,
            }),
            interrupt_in: None,
            composite: true,
            manufacturer: None,
            product: Some("Ré".into()),
            serial: Some(String::new()),
            interface_name: None,
            usb_path: "0-9:1.2".into(),
            backend: backend.clone(),
        };
        let list = [interface.clone(), interface];
        let bytes = encode_interfaces(&list);
        assert_eq!(decode_interfaces(&bytes, &backend, node).unwrap(), list);
        for len in (1..bytes.len()).filter(|len| *len != bytes.len() / 2) {
            assert_eq!(decode_interfaces(&bytes[..len], &backend, node), None, "{len}");
        }
    }
}
