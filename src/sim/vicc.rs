//! A virtual card behind the software reader: vsmartcard's `vicc` or anything else that speaks its protocol.
//!
//! The card listens (`vicc --reversed --port N`) and the reader connects. Every message is a length of two bytes, most
//! significant first, and as many bytes: one byte is a command to the card (0 power off, 1 power on, 2 reset, 4 tell the
//! ATR), anything longer an APDU. The card answers the last two.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::card::{Card, Reset};

const POWER_OFF: u8 = 0;
const POWER_ON: u8 = 1;
const RESET: u8 = 2;
const GET_ATR: u8 = 4;

/// Longest a card may take for an answer: the server waits for it, and everybody with it.
const PATIENCE: Duration = Duration::from_secs(20);

/// SW1 SW2 for a card that has gone: no precise diagnosis (ISO 7816-4 §5.6).
const GONE: [u8; 2] = [0x6F, 0x00];

/// The connection to a virtual card.
#[derive(Debug)]
pub(super) struct Vicc {
    stream: TcpStream,
    powered: bool,
}

impl Vicc {
    /// Connects to the card that listens on this port of the loopback address.
    pub(super) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, powered: false })
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend(message);
        self.stream.write_all(&frame)
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 2];
        self.stream.read_exact(&mut length)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream.read_exact(&mut message)?;
        Ok(message)
    }

    fn start(&mut self, reset: Reset) -> io::Result<Vec<u8>> {
        match reset {
            Reset::Warm => self.send(&[RESET])?,
            Reset::Cold => {
                if self.powered {
                    self.send(&[POWER_OFF])?;
                }
                self.send(&[POWER_ON])?;
            }
        }
        self.powered = true;
        self.send(&[GET_ATR])?;
        self.receive()
    }
}

impl Card for Vicc {
    fn reset(&mut self, reset: Reset) -> Vec<u8> {
        self.start(reset).unwrap_or_else(|error| {
            log::warn!("the virtual card has gone: {error}");
            Vec::new()
        })
    }

    fn apdu(&mut self, command: &[u8]) -> Vec<u8> {
        // One byte would be a command to the card itself.
        if command.len() < 4 {
            return vec![0x67, 0x00];
        }
        match self.send(command).and_then(|()| self.receive()) {
            Ok(answer) if answer.len() >= 2 => answer,
            Ok(_) => GONE.to_vec(),
            Err(error) => {
                log::warn!("the virtual card has gone: {error}");
                GONE.to_vec()
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A card that answers what it is asked for and writes down what it was told; ends after `answers` APDUs.
    fn card(answers: usize) -> (u16, thread::JoinHandle<Vec<Vec<u8>>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = thread::spawn(move || {
            let mut card = Vicc {
                stream: listener.accept().unwrap().0,
                powered: false,
            };
            let (mut told, mut left) = (Vec::new(), answers);
            while left > 0 {
                let message = card.receive().unwrap();
                match message.as_slice() {
                    [GET_ATR] => card.send(&[0x3B, 0x00]).unwrap(),
                    [_] => {}
                    apdu => {
                        let mut answer = apdu.to_vec();
                        answer.extend([0x90, 0x00]);
                        card.send(&answer).unwrap();
                        left -= 1;
                    }
                }
                told.push(message);
            }
            told
        });
        (port, told)
    }

    #[test]
    fn resets_and_apdus_go_to_the_card_and_its_answers_come_back() {
        let (port, told) = card(1);
        let mut vicc = Vicc::connect(port).unwrap();
        assert_eq!(vicc.reset(Reset::Cold), [0x3B, 0x00]);
        assert_eq!(vicc.reset(Reset::Warm), [0x3B, 0x00]);
        assert_eq!(vicc.reset(Reset::Cold), [0x3B, 0x00]);
        assert_eq!(vicc.apdu(&[0x00]), [0x67, 0x00], "no command to the card by this way");
        assert_eq!(vicc.apdu(&[0, 0xA4, 0, 0]), [0, 0xA4, 0, 0, 0x90, 0x00]);
        let expected: [&[u8]; 8] = [
            &[POWER_ON],
            &[GET_ATR],
            &[RESET],
            &[GET_ATR],
            &[POWER_OFF],
            &[POWER_ON],
            &[GET_ATR],
            &[0, 0xA4, 0, 0],
        ];
        assert_eq!(told.join().unwrap(), expected);
    }

    #[test]
    fn a_card_that_has_gone_is_mute_and_its_absence_refused() {
        let (port, told) = card(1);
        let mut vicc = Vicc::connect(port).unwrap();
        assert_eq!(vicc.apdu(&[0, 0, 0, 0]).len(), 6);
        drop(told.join().unwrap());
        assert_eq!(vicc.apdu(&[0, 0, 0, 0]), GONE);
        assert_eq!(vicc.reset(Reset::Cold), []);
        assert!(Vicc::connect(port).is_err());
    }
}
