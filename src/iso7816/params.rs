//! Transmission parameters: tables, timeouts, and the blocks a reader is given. Integers only.

use super::atr::Atr;
use super::protocol::Protocol;
use std::time::Duration;

/// TA1 of a card that names none: Fi = 372, Di = 1.
pub const DEFAULT_FI_DI: u8 = 0x11;

/// Waiting time integer of T=0 without TC2.
const DEFAULT_WI: u8 = 10;

/// BWI and CWI of T=1 without TBi.
const DEFAULT_WAITING_INTEGERS: u8 = 0x4D;

/// Information field size of T=1 before anybody says otherwise.
const DEFAULT_IFS: u8 = 32;

/// No exchange is given less.
const MIN_EXCHANGE_TIME: Duration = Duration::from_secs(3);

/// No exchange is given more, whatever a card claims to need.
pub const MAX_EXCHANGE_TIME: Duration = Duration::from_secs(900);

/// What an exchange is given when the figures make no sense.
const FALLBACK_EXCHANGE_TIME: Duration = Duration::from_secs(60);

/// F of the high half of TA1; `None` for reserved values.
// ISO 7816-3 §8.3 table 7
#[must_use]
pub fn clock_rate_conversion(fi_di: u8) -> Option<u32> {
    match fi_di >> 4 {
        0 | 1 => Some(372),
        2 => Some(558),
        3 => Some(744),
        4 => Some(1116),
        5 => Some(1488),
        6 => Some(1860),
        9 => Some(512),
        10 => Some(768),
        11 => Some(1024),
        12 => Some(1536),
        13 => Some(2048),
        _ => None,
    }
}

/// D of the low half of TA1; `None` for reserved values.
// ISO 7816-3 §8.3 table 8
#[must_use]
pub fn baud_rate_adjustment(fi_di: u8) -> Option<u32> {
    match fi_di & 0x0F {
        1 => Some(1),
        2 => Some(2),
        3 => Some(4),
        4 => Some(8),
        5 => Some(16),
        6 => Some(32),
        7 => Some(64),
        8 => Some(12),
        9 => Some(20),
        _ => None,
    }
}

/// Durations of one card on one clock, in nanoseconds.
#[derive(Clone, Copy)]
struct Timing {
    clock_khz: u64,
    f: u64,
    etu: u64,
    /// Extra guard time on top of 12 etu.
    guard: u64,
}

impl Timing {
    fn of(atr: &Atr, fi_di: u8, clock_khz: u32) -> Option<Self> {
        let f = u64::from(clock_rate_conversion(fi_di)?);
        let d = u64::from(baud_rate_adjustment(fi_di)?);
        let clock_khz = u64::from(clock_khz);
        let etu = (f * 1_000_000).checked_div(d * clock_khz)?;
        // N = 255 stands for the smallest guard time there is.
        let n = atr.tc1().filter(|n| *n != 255).map_or(0, u64::from);
        Some(Self {
            clock_khz,
            f,
            etu,
            guard: etu * n,
        })
    }

    fn character(self) -> u64 {
        12 * self.etu + self.guard
    }

    /// A number of clock cycles.
    fn cycles(self, count: u64) -> u64 {
        (count * 1_000_000).checked_div(self.clock_khz).unwrap_or(u64::MAX)
    }
}

fn bounded(nanoseconds: u64) -> Duration {
    Duration::from_nanos(nanoseconds).clamp(MIN_EXCHANGE_TIME, MAX_EXCHANGE_TIME)
}

/// How long one exchange over T=0 may take on a clock of `clock_khz`: the longest of 261 characters with six waiting
/// times, and five characters with 260 of them.
// ISO 7816-3 §10.2: WT = WI x 960 x Fi/f
#[must_use]
pub fn t0_exchange_time(atr: &Atr, fi_di: u8, clock_khz: u32) -> Duration {
    let Some(timing) = Timing::of(atr, fi_di, clock_khz) else {
        return FALLBACK_EXCHANGE_TIME;
    };
    let wi = u64::from(atr.tc2().unwrap_or(DEFAULT_WI));
    // The card counts with the Fi it has offered, whatever was agreed on.
    let offered = atr.ta1().and_then(clock_rate_conversion).map_or(0, u64::from);
    let waiting = timing.cycles(960 * wi * timing.f.max(offered));
    let character = timing.character();
    let long = character.saturating_mul(261).saturating_add(waiting.saturating_mul(6));
    let slow = character.saturating_mul(5).saturating_add(waiting.saturating_mul(260));
    bounded(long.max(slow))
}

/// How long one exchange over T=1 may take on a clock of `clock_khz`: a block out, the block waiting time, a block in.
// ISO 7816-3 §11.4.3: BWT = 11 etu + 2^BWI x 960 x 372/f, CWT = (11 + 2^CWI) etu
#[must_use]
pub fn t1_exchange_time(atr: &Atr, fi_di: u8, clock_khz: u32) -> Duration {
    let Some(timing) = Timing::of(atr, fi_di, clock_khz) else {
        return FALLBACK_EXCHANGE_TIME;
    };
    let integers = waiting_integers(atr);
    // Above 9 is reserved, and would only make a silent card take longer.
    let bwi = (integers >> 4).min(9);
    let cwi = integers & 0x0F;
    let block = (11 * timing.etu).saturating_add(timing.cycles((960 * 372) << bwi));
    let character_waiting = (11 + (1 << cwi)) * timing.etu;
    bounded(
        timing
            .character()
            .saturating_mul(260)
            .saturating_add(block)
            .saturating_add(character_waiting.saturating_mul(260))
            .saturating_add(1_000_000_000),
    )
}

/// How long one exchange may take over `protocol`, with the Fi and Di in force.
#[must_use]
pub fn exchange_time(atr: &Atr, protocol: Protocol, fi_di: u8, clock_khz: u32) -> Duration {
    match protocol {
        Protocol::T0 => t0_exchange_time(atr, fi_di, clock_khz),
        Protocol::T1 => t1_exchange_time(atr, fi_di, clock_khz),
    }
}

/// The OpenPGP card of version 1: it says BWI 4 and makes RSA keys for longer than that.
const OPENPGP_1: &[u8] = &[
    0x3B, 0xFA, 0x13, 0x00, 0xFF, 0x81, 0x31, 0x80, 0x45, 0x00, 0x31, 0xC1, 0x73, 0xC0, 0x01, 0x00, 0x00, 0x90, 0x00,
    0xB1,
];

/// BWI and CWI to work with.
#[must_use]
pub fn waiting_integers(atr: &Atr) -> u8 {
    if atr.bytes() == OPENPGP_1 {
        return 0x75;
    }
    atr.waiting_integers().unwrap_or(DEFAULT_WAITING_INTEGERS)
}

/// IFSC to start T=1 with, 1 to 254.
#[must_use]
pub fn initial_ifsc(atr: &Atr) -> u8 {
    match atr.ifsc() {
        None | Some(0) => DEFAULT_IFS,
        Some(ifsc) => ifsc.min(254),
    }
}

/// `abProtocolDataStructure` of SetParameters for T=0.
// CCID 1.1 §6.1.7
#[must_use]
#[doc(alias = "abProtocolDataStructure")]
pub fn t0_parameters(atr: &Atr, fi_di: u8) -> [u8; 5] {
    let convention = u8::from(atr.is_inverse()) << 1;
    // TC1 goes as it is, 255 included: the reader knows what it means.
    [
        fi_di,
        convention,
        atr.tc1().unwrap_or(0),
        atr.tc2().unwrap_or(DEFAULT_WI),
        0,
    ]
}

/// `abProtocolDataStructure` of SetParameters for T=1.
// CCID 1.1 §6.1.7
#[must_use]
#[doc(alias = "abProtocolDataStructure")]
pub fn t1_parameters(atr: &Atr, fi_di: u8) -> [u8; 7] {
    let checksum = 0x10 | u8::from(atr.uses_crc()) | u8::from(atr.is_inverse()) << 1;
    let integers = waiting_integers(atr);
    [
        fi_di,
        checksum,
        atr.tc1().unwrap_or(0),
        integers,
        0,
        initial_ifsc(atr),
        0,
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn atr(bytes: &[u8]) -> Atr {
        Atr::parse(bytes).unwrap()
    }

    #[test]
    fn tables_have_holes_where_the_standard_has_them() {
        let f: Vec<_> = (0..16).map(|i| clock_rate_conversion(i << 4).unwrap_or(0)).collect();
        assert_eq!(
            f,
            [
                372, 372, 558, 744, 1116, 1488, 1860, 0, 0, 512, 768, 1024, 1536, 2048, 0, 0
            ]
        );
        let d: Vec<_> = (0..16).map(|i| baud_rate_adjustment(i).unwrap_or(0)).collect();
        assert_eq!(d, [0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn t0_defaults_at_4_mhz_take_232_seconds() {
        let time = t0_exchange_time(&atr(&[0x3B, 0x00]), 0x11, 4000);
        assert_eq!(time.as_secs(), 232);
    }

    #[test]
    fn t1_times_at_4_mhz() {
        // TB3 missing: BWI 4, CWI 13
        let time = t1_exchange_time(&atr(&[0x3B, 0x80, 0x01, 0x81]), 0x11, 4000);
        assert!((195..210).contains(&time.as_secs()), "{time:?}");
        // BWI 4, CWI 5
        let time = t1_exchange_time(&atr(&[0x3B, 0x80, 0x81, 0x21, 0x45, 0x65]), 0x11, 4000);
        assert!((3000..4500).contains(&time.as_millis()), "{time:?}");
    }

    #[test]
    fn times_stay_within_bounds_whatever_the_card_says() {
        let slow = atr(&[0x3B, 0x90, 0x11, 0x40, 0xFF, 0x00]);
        assert_eq!(t0_exchange_time(&slow, 0x11, 1), MAX_EXCHANGE_TIME);
        let fast = atr(&[0x3B, 0x90, 0x97, 0x40, 0x01, 0x00]);
        assert_eq!(t0_exchange_time(&fast, 0x97, u32::MAX), MIN_EXCHANGE_TIME);
        let reserved = atr(&[0x3B, 0x10, 0x7F]);
        assert_eq!(t0_exchange_time(&reserved, 0x7F, 4000), FALLBACK_EXCHANGE_TIME);
        assert_eq!(t1_exchange_time(&atr(&[0x3B, 0x00]), 0x11, 0), FALLBACK_EXCHANGE_TIME);
        for clock_khz in [1, 3580, 1_024_000, u32::MAX] {
            for integers in 0..=u8::MAX {
                let card = atr(&[0x3B, 0xD0, 0xD1, 0xFE, 0x81, 0x21, integers]);
                let time = t1_exchange_time(&card, 0x11, clock_khz);
                assert!((MIN_EXCHANGE_TIME..=MAX_EXCHANGE_TIME).contains(&time));
            }
        }
    }

    #[test]
    fn t0_block_takes_tc1_as_it_is_and_defaults_the_rest() {
        assert_eq!(t0_parameters(&atr(&[0x3B, 0x00]), DEFAULT_FI_DI), [0x11, 0, 0, 10, 0]);
        let card = atr(&[0x3F, 0xD0, 0x95, 0xFF, 0x40, 0x20]);
        assert_eq!(t0_parameters(&card, 0x95), [0x95, 0x02, 0xFF, 0x20, 0]);
    }

    #[test]
    fn t1_block_carries_checksum_kind_integers_and_ifsc() {
        assert_eq!(
            t1_parameters(&atr(&[0x3B, 0x80, 0x01, 0x81]), 0x11),
            [0x11, 0x10, 0, 0x4D, 0, 32, 0]
        );
        let card = atr(&[0x3F, 0xD0, 0x18, 0x02, 0x81, 0x71, 0xFF, 0x45, 0x01]);
        assert_eq!(t1_parameters(&card, 0x18), [0x18, 0x13, 0x02, 0x45, 0, 254, 0]);
    }

    #[test]
    fn the_first_openpgp_card_is_given_more_time_than_it_asks_for() {
        let card = atr(OPENPGP_1);
        assert_eq!(card.waiting_integers(), Some(0x45));
        assert_eq!(t1_parameters(&card, 0x11).get(3), Some(&0x75));
        assert!(t1_exchange_time(&card, 0x11, 4000).as_secs() > 12);
    }

    #[test]
    fn the_speed_in_force_counts_not_the_one_offered() {
        let card = atr(&[0x3B, 0x90, 0x96, 0x40, 0x0A]);
        assert!(t0_exchange_time(&card, 0x11, 4000) >= t0_exchange_time(&card, 0x96, 4000));
    }
}
