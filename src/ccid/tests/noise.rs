//! Whatever comes out of the reader: no panic, no hang, no answer that is not one.

use super::super::error::{Error, Result};
use super::super::exchange::Timeouts;
use super::super::testing::*;
use super::{COMMAND, WAIT};
use std::time::{Duration, Instant};

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u8 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes()[0]
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.next()) % limit
    }

    fn bytes(&mut self, limit: usize) -> Vec<u8> {
        let len = self.below(limit);
        (0..len).map(|_| self.next()).collect()
    }

    /// Something between an orderly answer and garbage.
    fn answer(&mut self, sent: &Sent) -> Vec<Item> {
        let kind = [0x80, 0x81, 0x82, 0x83, 0x84, self.next()][self.below(6)];
        let status = [0x00, 0x00, 0x01, 0x02, 0x40, 0x42, 0x80, self.next()][self.below(8)];
        let chain = [0, 0, 1, 2, 3, 0x10, self.next()][self.below(7)];
        let error = self.next();
        let data = self.bytes(200);
        let mut frame = sent.frame(kind, status, error, chain, &data);
        match self.below(8) {
            0 => frame[1] = self.next(),
            1 => frame[usize::from(self.next()) % 10] = self.next(),
            2 => frame.truncate(usize::from(self.next())),
            3 => frame = self.bytes(100),
            _ => {}
        }
        let items = if self.below(2) == 0 {
            message(&frame)
        } else {
            unended(&frame)
        };
        if self.below(4) == 0 {
            [items, self.answer(sent)].concat()
        } else {
            items
        }
    }
}

#[test]
fn noise_is_survived_on_every_command() {
    let mut seen = [0_u32; 2];
    for seed in 1..400 {
        let mut random = Random(seed);
        let level = [TPDU, SHORT, EXTENDED, EXTENDED | AUTO_VOLTAGE][random.below(4)];
        let mut engine = engine(level, [64, 271, 522][random.below(3)]);
        let instant = Duration::from_millis(5);
        engine.set_timeouts(Timeouts {
            command: instant,
            power_on: instant,
            total: 4 * instant,
            ..quick()
        });
        let reader = Reader::new(move |sent| random.answer(sent));
        let started = Instant::now();
        let mut response = [0; 64];
        let results: [Result<()>; 6] = [
            engine.warm_up(&reader),
            engine.power_on(&reader, 0).map(|atr| assert!(!atr.is_empty())),
            engine.set_parameters(&reader, 0, 0, &[0x11, 0, 0, 10, 0]),
            engine.escape(&reader, 1, &[1, 2, 3], &mut response).map(|_| ()),
            engine
                .transmit(&reader, 1, COMMAND, &mut response, WAIT)
                .map(|len| assert!(len > 0)),
            engine.slot_status(&reader, 0).map(|_| ()),
        ];
        for result in results {
            let refused = matches!(result, Err(Error::NoSuchSlot | Error::CommandTooLong));
            assert!(!refused, "{result:?}");
            seen[usize::from(result.is_ok())] += 1;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "seed {seed}");
    }
    assert!(
        seen.iter().all(|count| *count > 100),
        "noise is neither all good nor all bad: {seen:?}"
    );
}
