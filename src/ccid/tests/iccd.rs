//! Tokens of both versions, played by the software reader.

use crate::ccid::error::{Error, SlotError};
use crate::ccid::message::IccStatus;
use crate::ccid::testing::quick;
use crate::ccid::{Engine, ExchangeLevel, Timeouts};
use crate::sim::wire::kind;
use crate::sim::{BuiltinCard, Config, Fault, Injection, Level, Protocols, Reader, plug};
use crate::usb::Transport;
use std::sync::Arc;
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_millis(200);

/// The first 200 bytes of the card's free file; ISO 7816-4 READ BINARY with a short file identifier.
const READ_200: &[u8] = &[0x00, 0xB0, 0x81, 0x00, 200];

struct Token {
    reader: Reader,
    transport: Arc<dyn Transport>,
    engine: Engine,
}

impl Drop for Token {
    fn drop(&mut self) {
        self.reader.unplug();
    }
}

fn config(version: u8) -> Config {
    Config {
        protocol: version,
        control_only: true,
        interrupt: false,
        voltage_support: 1,
        features: 0x0840,
        level: if version == 1 {
            Level::Character
        } else {
            Level::ShortApdu
        },
        protocols: version.into(),
        max_message_len: 261,
        ..Config::default()
    }
}

impl Token {
    fn new(config: Config) -> Self {
        let card = BuiltinCard::new(if config.protocol == 1 {
            Protocols::T0
        } else {
            Protocols::T1
        });
        let reader = plug(config).unwrap();
        drop(reader.insert(0, card));
        let transport = reader.interface().open().unwrap();
        let mut engine = Engine::new(reader.interface()).unwrap();
        engine.set_timeouts(Timeouts {
            power_on: WAIT,
            command: WAIT,
            ..quick()
        });
        Self {
            reader,
            transport,
            engine,
        }
    }

    fn on(version: u8) -> Self {
        let mut token = Self::new(config(version));
        token.engine.warm_up(&*token.transport).unwrap();
        let atr = token.engine.power_on(&*token.transport, 0).unwrap();
        assert_eq!(atr.as_slice()[0], 0x3B);
        token
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let mut response = vec![0; 70_000];
        let len = self
            .engine
            .transmit(&*self.transport, 0, command, &mut response, WAIT)?;
        response.truncate(len);
        Ok(response)
    }

    fn fault(&self, fault: Fault) {
        self.reader.inject(Injection::on(kind::XFR_BLOCK, fault));
    }
}

fn counting(len: usize, word: [u8; 2]) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(len).chain(word).collect()
}

#[test]
fn both_versions_do_everything_an_engine_does() {
    for version in [1, 2] {
        let mut token = Token::on(version);
        assert_eq!(token.engine.slot_status(&*token.transport, 0), Ok(IccStatus::Active));
        assert_eq!(
            token.transmit(READ_200),
            Ok(counting(200, [0x90, 0x00])),
            "version {version}"
        );
        let verify = [&[0x00, 0x20, 0x00, 0x01, 4][..], b"1234"].concat();
        assert_eq!(token.transmit(&verify), Ok(vec![0x90, 0x00]), "data to the card");
        assert_eq!(
            token.transmit(&[0x80, 0x10, 0x00, 0x00]),
            Ok(vec![0x90, 0x00]),
            "neither"
        );
        assert_eq!(
            token.transmit(&[0x00, 0xFF, 0x00, 0x00, 0x05]),
            Ok(vec![0x6D, 0x00]),
            "word at once"
        );
        assert_eq!(
            token
                .engine
                .set_parameters(&*token.transport, 0, 0, &[0x11, 0, 0, 10, 0]),
            Err(Error::Slot(SlotError::CommandNotSupported))
        );
        assert_eq!(token.engine.power_off(&*token.transport, 0), Ok(()));
        assert_eq!(token.engine.power_on(&*token.transport, 0).unwrap().as_slice()[0], 0x3B);
        assert_eq!(token.engine.slot_status(&*token.transport, 1), Err(Error::NoSuchSlot));
        let counters = token.reader.counters();
        assert_eq!(
            (counters.set_parameters, counters.aborts, counters.clear_halts),
            (0, 0, 0)
        );
    }
}

#[test]
fn version_b_sends_and_fetches_in_parts_whatever_level_it_declares() {
    let mut token = Token::on(2);
    assert_eq!(token.engine.level(), ExchangeLevel::ExtendedApdu);
    assert_eq!(token.engine.max_payload_len(), 251);
    // 255 bytes of data make a command of 261, which is more than one request takes.
    let data: Vec<u8> = counting(255, [0, 0])[..255].to_vec();
    let echo = [&[0x80, 0x12, 0x00, 0x00, 255][..], &data, &[0]].concat();
    assert_eq!(token.transmit(&echo), Ok([&data[..], &[0x90, 0x00]].concat()));
    let read = token.transmit(&[0x00, 0xB0, 0x81, 0x00, 0x00, 0x10, 0x00]).unwrap();
    assert_eq!(read, counting(4096, [0x90, 0x00]));
}

#[test]
fn requests_are_never_longer_than_usbfs_takes() {
    let mut token = Token::new(Config {
        level: Level::ExtendedApdu,
        max_message_len: 65_554,
        ..config(2)
    });
    token.engine.power_on(&*token.transport, 0).unwrap();
    assert_eq!(token.engine.max_payload_len(), 4096);
    let data = counting(6000, [0, 0])[..6000].to_vec();
    let echo = [&[0x80, 0x12, 0x00, 0x00, 0, 0x17, 0x70][..], &data, &[0, 0]].concat();
    assert_eq!(token.transmit(&echo), Ok([&data[..], &[0x90, 0x00]].concat()));
    let longest = token.reader.messages().iter().map(|m| m.bytes.len()).max();
    assert_eq!(longest, Some(4096 + 10));
}

#[test]
fn a_busy_token_is_asked_again_until_it_is_done() {
    for version in [1, 2] {
        let mut token = Token::on(version);
        token.fault(Fault::Delay(Duration::from_millis(70)));
        let started = Instant::now();
        assert_eq!(token.transmit(READ_200), Ok(counting(200, [0x90, 0x00])));
        assert!(started.elapsed() >= Duration::from_millis(70));
    }
}

#[test]
fn a_token_that_stays_busy_is_given_up_at_the_deadline_and_usable_again_afterwards() {
    for version in [1, 2] {
        let mut token = Token::on(version);
        token.fault(Fault::Lost);
        let started = Instant::now();
        assert_eq!(token.transmit(READ_200), Err(Error::Timeout), "version {version}");
        // Version B asks for more time each time, so only the total ends it.
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        assert!(token.engine.take_resynced());
        token.engine.power_on(&*token.transport, 0).unwrap();
        assert_eq!(token.transmit(READ_200), Ok(counting(200, [0x90, 0x00])));
    }
}

/// libccid's open defect: an ICCD-B answer of length 0 is moved by length -1.
#[test]
fn libccid_defect_3_empty_and_cut_answers_of_tokens_are_errors() {
    for version in [1, 2] {
        let mut token = Token::on(version);
        token.fault(Fault::CutAnswer(0));
        assert!(
            matches!(token.transmit(READ_200), Err(Error::Protocol(_))),
            "version {version}"
        );
        // Each time: once would be mended by the cold reset that follows a failed warm one.
        token
            .reader
            .inject(Injection::on(kind::ICC_POWER_ON, Fault::CutAnswer(0)).always());
        assert!(
            token.engine.power_on(&*token.transport, 0).is_err(),
            "version {version}"
        );
    }
    for len in 1..4 {
        let mut token = Token::on(2);
        token.fault(Fault::Several(vec![Fault::Fail(0xFE), Fault::CutAnswer(len)]));
        let expected = if len < 3 {
            Error::Protocol("an answer of unknown type")
        } else {
            Error::Slot(SlotError::Mute)
        };
        assert_eq!(token.transmit(READ_200), Err(expected), "{len} bytes");
        let mut token = Token::on(2);
        token.fault(Fault::Several(vec![
            Fault::Delay(Duration::from_millis(30)),
            Fault::CutAnswer(len),
        ]));
        let expected = match len {
            1 => Err(Error::Protocol("an empty response")),
            2 => Err(Error::Protocol("a response without status word")),
            _ => Ok(counting(len - 1, [0, 0])[..len - 1].to_vec()),
        };
        assert_eq!(
            token.transmit(READ_200),
            expected,
            "\"ask again\" and answer of {len} bytes"
        );
    }
}

#[test]
fn failures_and_stalls_reach_the_caller() {
    for version in [1, 2] {
        let mut token = Token::on(version);
        token.fault(Fault::Fail(0xFE));
        assert_eq!(
            token.transmit(READ_200),
            Err(Error::Slot(SlotError::Mute)),
            "version {version}"
        );
        token.engine.power_on(&*token.transport, 0).unwrap();
        token.fault(Fault::StallOut);
        assert!(
            matches!(token.transmit(READ_200), Err(Error::Usb(_))),
            "version {version}"
        );
        token.engine.power_on(&*token.transport, 0).unwrap();
        assert_eq!(token.transmit(READ_200), Ok(counting(200, [0x90, 0x00])));
    }
}

#[test]
fn a_mute_token_is_mute_and_not_gone() {
    for version in [1, 2] {
        let mut token = Token::new(config(version));
        drop(token.reader.insert(0, BuiltinCard::mute()));
        let result = token.engine.power_on(&*token.transport, 0);
        assert_eq!(result, Err(Error::Slot(SlotError::Mute)), "version {version}");
    }
}
