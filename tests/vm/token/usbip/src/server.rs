// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connection: USB/IP 1.1.1, as the kernel's Documentation/usb/usbip_protocol.rst has it.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::{Bus, Submit};

const LONGEST_TRANSFER: usize = 1 << 20;

/// Serves one host after another, in a thread of its own.
pub(crate) fn start(bus: Arc<Mutex<Bus>>) {
    let port = std::env::var("TOKEN_PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3240);
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A host that hangs up ends its session, and nothing else.
            let _ = serve(stream, &bus);
            bus.lock().unwrap().detach();
        }
    });
}

fn serve(mut stream: TcpStream, bus: &Mutex<Bus>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        match u16::from_be_bytes([head[2], head[3]]) {
            // OP_REQ_DEVLIST: one device with one interface, a reader.
            0x8005 => {
                let mut reply = reply(0x0005);
                reply.extend_from_slice(&1u32.to_be_bytes());
                reply.extend_from_slice(&device());
                reply.extend_from_slice(&[0x0B, 0, 0, 0]);
                stream.write_all(&reply)?;
            }
            // OP_REQ_IMPORT
            0x8003 => {
                stream.read_exact(&mut [0; 32])?;
                let mut reply = reply(0x0003);
                reply.extend_from_slice(&device());
                bus.lock().unwrap().attach(stream.try_clone()?);
                stream.write_all(&reply)?;
                return requests(stream, bus);
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn reply(code: u16) -> Vec<u8> {
    let mut reply = vec![0x01, 0x11];
    reply.extend_from_slice(&code.to_be_bytes());
    reply.extend_from_slice(&[0; 4]);
    reply
}

/// What is said of a device before it is attached: path, bus, number, full speed; the kernel reads the rest from the device itself.
fn device() -> Vec<u8> {
    let mut device = b"/sys/devices/token/usb1/1-1".to_vec();
    device.resize(256, 0);
    device.extend_from_slice(b"1-1");
    device.resize(288, 0);
    for word in [1u32, 2, 2] {
        device.extend_from_slice(&word.to_be_bytes());
    }
    device.extend_from_slice(&[0; 6 + 3]);
    device.extend_from_slice(&[1, 1, 1]);
    device
}

fn requests(mut stream: TcpStream, bus: &Mutex<Bus>) -> io::Result<()> {
    loop {
        let mut head = [0; 48];
        stream.read_exact(&mut head)?;
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let seqnum = word(4);
        match word(0) {
            1 => {
                let (device_to_host, length) = (word(12) == 1, word(24) as usize);
                if length > LONGEST_TRANSFER {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                let mut data = vec![0; if device_to_host { 0 } else { length }];
                stream.read_exact(&mut data)?;
                let mut setup = [0; 8];
                setup.copy_from_slice(&head[40..]);
                let urb = Submit { seqnum, endpoint: word(16) as usize, device_to_host, length, setup, data };
                bus.lock().unwrap().submit(urb);
            }
            2 => bus.lock().unwrap().unlink(seqnum, word(20)),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
