//! Protocol and parameters selection: what to agree on with a card, and the exchange that does it. Integers only.
// ISO 7816-3 §9

use super::atr::Atr;
use super::params::{DEFAULT_FI_DI, baud_rate_adjustment, clock_rate_conversion};
use super::protocol::Protocol;

/// Initial character of request and response.
const PPSS: u8 = 0xFF;

/// Bit of PPS0 that announces PPS1.
const HAS_PPS1: u8 = 0x10;

/// How far a rate may be above the reader's highest, or away from one in its table: descriptors round.
const TOLERANCE_BPS: u64 = 1;

/// What a reader can do about speed.
#[derive(Clone, Copy, Debug)]
pub struct Rates<'a> {
    /// Clock of the card.
    pub clock_khz: u32,
    /// Highest data rate.
    pub max_bps: u32,
    /// The data rates there are; empty for any up to the highest.
    pub table: &'a [u32],
}

impl Rates<'_> {
    /// Bits per second with these Fi and Di; `None` for reserved values.
    #[must_use]
    pub fn bps(&self, fi_di: u8) -> Option<u64> {
        let f = u64::from(clock_rate_conversion(fi_di)?);
        let d = u64::from(baud_rate_adjustment(fi_di)?);
        (u64::from(self.clock_khz) * 1000 * d).checked_div(f)
    }

    fn is_listed(&self, bps: u64) -> bool {
        let listed = |rate: &u32| u64::from(*rate).abs_diff(bps) <= TOLERANCE_BPS;
        self.table.is_empty() || self.table.iter().any(listed)
    }

    fn reach(&self, bps: u64) -> bool {
        bps <= u64::from(self.max_bps).saturating_add(TOLERANCE_BPS)
    }
}

/// What to settle with a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Fi and Di to work with afterwards.
    pub fi_di: u8,
    /// What to ask the card for, if anything has to be asked.
    pub request: Option<Request>,
}

impl Plan {
    /// Leaves the card as it is after the reset; only for the protocol it has chosen.
    #[must_use]
    pub fn without_request(atr: &Atr) -> Self {
        let specific = atr.specific_mode().filter(|mode| !mode.implicit);
        Self {
            fi_di: specific.and_then(|_| atr.ta1()).unwrap_or(DEFAULT_FI_DI),
            request: None,
        }
    }
}

/// The card insists on a speed that the reader does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCommonSpeed;

/// Chooses what to settle with the card for `protocol`. A reader that does the exchange itself, from the parameters it is
/// given, needs [`Plan::fi_di`] only.
///
/// # Errors
/// [`NoCommonSpeed`] if the card is in specific mode at a speed that is not in the reader's table.
pub fn choose(atr: &Atr, protocol: Protocol, rates: &Rates<'_>) -> Result<Plan, NoCommonSpeed> {
    if atr.specific_mode().is_some() {
        // Nothing can be asked for. A speed above the reader's declared highest is tried all the same: what some readers
        // declare is too low, and a reader that cannot will refuse the parameters.
        let plan = Plan::without_request(atr);
        let listed = rates.bps(plan.fi_di).is_none_or(|bps| rates.is_listed(bps));
        return if plan.fi_di == DEFAULT_FI_DI || listed {
            Ok(plan)
        } else {
            Err(NoCommonSpeed)
        };
    }
    let faster = faster_speed(atr.ta1().unwrap_or(DEFAULT_FI_DI), rates);
    let other_protocol = protocol.number() != atr.default_protocol();
    let request = (faster.is_some() || other_protocol).then_some(Request {
        protocol,
        fi_di: faster,
    });
    Ok(Plan {
        fi_di: faster.unwrap_or(DEFAULT_FI_DI),
        request,
    })
}

/// The fastest speed that both can do and that is faster than the default: TA1, or the same Fi with a smaller Di. A card
/// whose Di is a power of two is not asked for 12 or 20, which its hardware may not have.
// ISO 7816-3 §9.2: a card takes any Di from the default to its own
fn faster_speed(ta1: u8, rates: &Rates<'_>) -> Option<u8> {
    // Di in falling order: 64, 32, 20, 16, 12, 8, 4, 2.
    const FALLING: [u8; 8] = [7, 6, 9, 5, 8, 4, 3, 2];
    let most = baud_rate_adjustment(ta1)?;
    let lowest = rates.bps(DEFAULT_FI_DI)?;
    let candidate = |di: u8| ta1 & 0xF0 | di;
    std::iter::once(ta1)
        .chain(FALLING.into_iter().map(candidate))
        .filter(|fi_di| *fi_di == ta1 || baud_rate_adjustment(*fi_di).is_some_and(|d| d < most))
        .filter(|fi_di| fi_di & 0x08 == 0 || ta1 & 0x08 != 0)
        .find(|fi_di| {
            rates
                .bps(*fi_di)
                .is_some_and(|bps| bps > lowest && rates.reach(bps) && rates.is_listed(bps))
        })
}

/// A PPS request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The protocol.
    pub protocol: Protocol,
    /// Fi and Di, if other than the default.
    pub fi_di: Option<u8>,
}

/// Why a PPS response is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PpsError {
    /// Not as long as its PPS0 says.
    Length,
    /// It does not begin with FF.
    Initial,
    /// PCK is wrong.
    Check,
    /// It names something that was not asked for.
    Unasked,
}

/// Longest request.
pub const MAX_REQUEST_LEN: usize = 4;

impl Request {
    /// The bytes to send, of which the first [`Self::len`] count.
    #[must_use]
    pub fn bytes(&self) -> [u8; MAX_REQUEST_LEN] {
        let pps0 = self.protocol.number();
        match self.fi_di {
            None => [PPSS, pps0, PPSS ^ pps0, 0],
            Some(fi_di) => {
                let pps0 = pps0 | HAS_PPS1;
                [PPSS, pps0, fi_di, PPSS ^ pps0 ^ fi_di]
            }
        }
    }

    /// Number of bytes to send.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a request is never empty")]
    pub fn len(&self) -> usize {
        if self.fi_di.is_some() { 4 } else { 3 }
    }

    /// Checks the card's response; returns the Fi and Di in force from now on. A card that leaves PPS1 out stays at the
    /// default.
    ///
    /// # Errors
    /// [`PpsError`]; the card is to be reset then.
    // ISO 7816-3 §9.3
    pub fn accepted(&self, response: &[u8]) -> Result<u8, PpsError> {
        let (&[initial, pps0], rest) = response.split_first_chunk::<2>().ok_or(PpsError::Length)?;
        if initial != PPSS {
            return Err(PpsError::Initial);
        }
        let optional = usize::try_from((pps0 & 0x70).count_ones()).unwrap_or(0);
        if rest.len() != optional + 1 {
            return Err(PpsError::Length);
        }
        if response.iter().fold(0, |sum, byte| sum ^ byte) != 0 {
            return Err(PpsError::Check);
        }
        let pps1 = (pps0 & HAS_PPS1 != 0).then(|| rest.first().copied()).flatten();
        if pps0 & !HAS_PPS1 != self.protocol.number() {
            return Err(PpsError::Unasked);
        }
        match pps1 {
            None => Ok(DEFAULT_FI_DI),
            Some(fi_di) if self.fi_di == Some(fi_di) => Ok(fi_di),
            Some(_) => Err(PpsError::Unasked),
        }
    }
}

#[cfg(test)]
#[path = "pps_tests.rs"]
mod tests;
