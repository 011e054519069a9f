//! The built-in card with an ATR of the test's choosing.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use std::sync::{Arc, Weak};
use std::time::Duration;

use winscard::sim::{BuiltinCard, Card, Reset};

/// Interface bytes of an ATR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Says {
    /// T=0 is offered, and first.
    pub t0: bool,
    pub t1: bool,
    pub ta1: Option<u8>,
    pub ifsc: u8,
    pub bwi_cwi: u8,
    pub crc: bool,
}

/// T=1 only, LRC, the shortest waiting times.
pub const T1_ONLY: Says = Says {
    t0: false,
    t1: true,
    ta1: None,
    ifsc: 32,
    bwi_cwi: 0x00,
    crc: false,
};

impl Says {
    /// The ATR; T=0 with the shortest work waiting time.
    pub fn atr(self) -> Vec<u8> {
        let mut atr = vec![0x3B, 0x80 | if self.ta1.is_some() { 0x10 } else { 0 }];
        atr.extend(self.ta1);
        let td2 = if self.t1 { 0x80 } else { 0 };
        if self.t0 {
            // TC2
            atr.extend([0x40 | td2, 1]);
        } else {
            atr.push(0x01 | td2);
        }
        if self.t1 {
            atr.extend([0x71, self.ifsc, self.bwi_cwi, u8::from(self.crc)]);
            atr.push(atr.iter().skip(1).fold(0, |sum, byte| sum ^ byte));
        }
        atr
    }

    pub fn card(self) -> AnyCard {
        AnyCard::with_atr(self.atr())
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct AnyCard {
    inner: BuiltinCard,
    atr: Vec<u8>,
    life: Arc<()>,
}

impl AnyCard {
    pub fn with_atr(atr: Vec<u8>) -> Self {
        Self {
            inner: BuiltinCard::default(),
            atr,
            life: Arc::new(()),
        }
    }

    /// What lives as long as the card is in its reader.
    pub fn life(&self) -> Weak<()> {
        Arc::downgrade(&self.life)
    }
}

impl Card for AnyCard {
    fn reset(&mut self, reset: Reset) -> Vec<u8> {
        self.inner.reset(reset);
        self.atr.clone()
    }

    fn apdu(&mut self, command: &[u8]) -> Vec<u8> {
        self.inner.apdu(command)
    }

    fn delay(&self) -> Duration {
        self.inner.delay()
    }

    fn takes_data(&self, header: [u8; 5]) -> bool {
        self.inner.takes_data(header)
    }
}
