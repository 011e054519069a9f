//! Choosing a protocol and parameters for a card just powered up, and having card and reader agree to them.

use super::link_data::DEFAULT_TIMEOUT;
use super::{LinkData, T0, T1, Wanted};
use crate::ccid::{self, Parameters, SlotError};
use crate::error::{Error, Result};
use crate::iso7816::params::{self, DEFAULT_FI_DI};
use crate::iso7816::pps::{self, Plan};
use crate::iso7816::protocol::available_protocols;
use crate::iso7816::{Atr, Protocol, t1};
use crate::reader::power::PowerError;
use crate::reader::turn::Turn;

/// What the reader leaves to the host.
#[derive(Clone, Copy, Debug)]
struct Duties {
    /// The reader settles everything with the card by itself (dwFeatures 0x40); wins over the next.
    none: bool,
    /// The reader does the PPS that SetParameters implies (dwFeatures 0x80).
    no_pps: bool,
    /// The host's own PPS reaches the card.
    pps: bool,
    /// A refusal of the parameters is survived by two resets.
    optional_parameters: bool,
}

/// Why a protocol was not settled; the card is to be reset before anything else is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// Refused, or failed on the way.
    Refused {
        /// Whether that was at another speed than the card starts with.
        fast: bool,
    },
    /// The card insists on a speed that the reader does not have; at the next reset it may not.
    Speed {
        /// Whether a warm reset may change its mind.
        can_change: bool,
    },
}

/// What was settled.
#[derive(Clone, Copy, Debug)]
struct Settled {
    protocol: Protocol,
    fi_di: u8,
    parameters: Option<Parameters>,
}

fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::T0 => T0,
        Protocol::T1 => T1,
    }
}

impl Turn<'_> {
    /// T=1 before T=0 where both are possible, as pcsc-lite has it, whatever the ATR offers first. What card or reader
    /// refuses is tried again without another speed, and then the other protocol is.
    pub(super) fn negotiate(&mut self, wanted: Wanted) -> Result<()> {
        let candidates = self.candidates(wanted);
        if candidates.is_empty() {
            return Err(Error::ProtoMismatch);
        }
        for (index, protocol) in candidates.into_iter().enumerate() {
            if index > 0 {
                self.renew(false)?;
            }
            if let Some(settled) = self.settle_somehow(protocol)? {
                return self.adopt(&settled, wanted);
            }
        }
        // For whoever tries next.
        self.renew(false)?;
        Err(Error::UnresponsiveCard)
    }

    /// Settles `protocol` with a card fresh from a reset, if need be after another one; `None` if there is no way.
    fn settle_somehow(&mut self, protocol: Protocol) -> Result<Option<Settled>> {
        let mut with_speed = true;
        // The card's insistence, a refusal at speed, a refusal without.
        for _ in 0..3 {
            let refusal = match self.settle(protocol, with_speed) {
                Ok(settled) => return Ok(Some(settled)),
                Err(refusal) => refusal,
            };
            if !self.card.state.is_present() {
                return Err(Error::NoSmartcard);
            }
            match refusal {
                Refusal::Speed { can_change: true } => self.renew(true)?,
                Refusal::Refused { fast: true } => {
                    self.renew(false)?;
                    with_speed = false;
                }
                Refusal::Refused { fast: false } | Refusal::Speed { can_change: false } => break,
            }
        }
        Ok(None)
    }

    /// The protocols that caller, card and reader have in common, best first.
    fn candidates(&mut self, wanted: Wanted) -> Vec<Protocol> {
        let atr = self.card.atr;
        let offered = available_protocols(atr.as_slice());
        let (supported, no_pps) = {
            let engine = self.port().engine();
            (engine.descriptor().protocols(), engine.quirks().speed.no_pps)
        };
        [(Protocol::T1, wanted.t1, 2), (Protocol::T0, wanted.t0, 1)]
            .into_iter()
            .filter(|(protocol, asked, bit)| {
                (*asked || wanted.any_old)
                    && offered.contains(*protocol)
                    && supported & bit != 0
                    && (!no_pps || offered.default == Some(*protocol))
            })
            .map(|(protocol, ..)| protocol)
            .collect()
    }

    fn duties(&self) -> Duties {
        let engine = self.port().engine();
        let descriptor = engine.descriptor();
        Duties {
            none: descriptor.auto_negotiation(),
            no_pps: descriptor.auto_pps(),
            pps: engine.takes_pps(),
            optional_parameters: engine.quirks().speed.optional_parameters,
        }
    }

    /// Resets the card to begin again.
    fn renew(&mut self, warm: bool) -> Result<()> {
        if !warm {
            self.power_down();
        }
        match self.power_up() {
            Ok(()) => Ok(()),
            Err(PowerError::Absent) => Err(Error::NoSmartcard),
            Err(PowerError::Mute) => Err(Error::UnresponsiveCard),
            Err(PowerError::Reader(error)) => Err(error),
        }
    }

    /// Agrees on `protocol` with card and reader, at the best speed they have in common or `without` another speed than
    /// the card starts with.
    fn settle(&mut self, protocol: Protocol, with_speed: bool) -> std::result::Result<Settled, Refusal> {
        let duties = self.duties();
        let Ok(atr) = Atr::parse(self.card.atr.as_slice()) else {
            // Nothing is known of the card that could be told to the reader.
            return Ok(Settled {
                protocol,
                fi_di: DEFAULT_FI_DI,
                parameters: None,
            });
        };
        if duties.none {
            return Ok(self.ask_what_was_settled(protocol));
        }
        let plan = if with_speed {
            self.plan(&atr, protocol)?
        } else {
            Plan::without_request(&atr)
        };
        let own_fi_di = Plan::without_request(&atr).fi_di;
        let fast = plan.fi_di != own_fi_di;
        let (mut fi_di, mut done) = (plan.fi_di, false);
        if !duties.no_pps {
            fi_di = own_fi_di;
            let other = protocol.number() != atr.default_protocol();
            // Another protocol has to be asked for even where another speed is not.
            let request = plan.request.or(other.then_some(pps::Request { protocol, fi_di: None }));
            if let Some(request) = request.filter(|_| duties.pps && atr.specific_mode().is_none()) {
                fi_di = self
                    .exchange(|engine, transport, slot| engine.pps(transport, slot, request))
                    .map_err(|error| self.refused("PPS", error, fast))?;
                done = true;
            }
        }
        self.give_parameters(&atr, protocol, fi_di, done, duties)
            .map_err(|error| self.refused("parameters", error, fi_di != own_fi_di))
    }

    fn plan(&mut self, atr: &Atr, protocol: Protocol) -> std::result::Result<Plan, Refusal> {
        let chosen =
            self.exchange(|engine, transport, slot| Ok(pps::choose(atr, protocol, &engine.rates(transport, slot))));
        match chosen {
            Ok(Ok(plan)) => Ok(plan),
            Ok(Err(pps::NoCommonSpeed)) => {
                log::info!("slot {}: card and reader have no speed in common", self.slot());
                Err(Refusal::Speed {
                    can_change: atr.specific_mode().is_some_and(|mode| mode.can_change),
                })
            }
            Err(error) => Err(self.refused("data rates", error, false)),
        }
    }

    /// Tells the reader what holds from now on.
    fn give_parameters(
        &mut self,
        atr: &Atr,
        protocol: Protocol,
        fi_di: u8,
        pps_done: bool,
        duties: Duties,
    ) -> ccid::Result<Settled> {
        let (t0, t1);
        let block: &[u8] = match protocol {
            Protocol::T0 => {
                t0 = params::t0_parameters(atr, fi_di);
                &t0
            }
            Protocol::T1 => {
                t1 = params::t1_parameters(atr, fi_di);
                &t1
            }
        };
        let settled = Settled {
            protocol,
            fi_di,
            parameters: Some(Parameters::new(protocol.number(), block)),
        };
        let result =
            self.exchange(|engine, transport, slot| engine.set_parameters(transport, slot, protocol.number(), block));
        match result {
            Ok(()) => Ok(settled),
            // The reader manages with what the ATR says, and so it is the card's own protocol that is in use.
            Err(ccid::Error::Slot(SlotError::CommandNotSupported)) => {
                let own = Protocol::from_number(atr.default_protocol()).filter(|_| !pps_done);
                Ok(Settled {
                    protocol: own.unwrap_or(protocol),
                    ..settled
                })
            }
            Err(error) if duties.optional_parameters && protocol == Protocol::T1 => {
                log::info!("slot {}: parameters: {error}; going on without", self.slot());
                if self.renew(true).and_then(|()| self.renew(true)).is_err() {
                    return Err(error);
                }
                Ok(Settled {
                    parameters: None,
                    ..settled
                })
            }
            Err(error) => Err(error),
        }
    }

    /// The reader has settled everything with the card: it knows which protocol it chose.
    fn ask_what_was_settled(&mut self, protocol: Protocol) -> Settled {
        let atr = self.card.atr;
        let offered = available_protocols(atr.as_slice());
        if !(offered.contains(Protocol::T0) && offered.contains(Protocol::T1)) {
            // There was nothing to choose, and not every reader answers the question well.
            return Settled {
                protocol,
                fi_di: DEFAULT_FI_DI,
                parameters: None,
            };
        }
        let asked = self.exchange(|engine, transport, slot| engine.get_parameters(transport, slot));
        let sensible = asked.ok().and_then(|parameters| {
            let chosen = Protocol::from_number(parameters.protocol)?;
            let len = match chosen {
                Protocol::T0 => 5,
                Protocol::T1 => 7,
            };
            (offered.contains(chosen) && parameters.data().len() == len).then_some((chosen, parameters))
        });
        let Some((chosen, parameters)) = sensible else {
            return Settled {
                protocol,
                fi_di: DEFAULT_FI_DI,
                parameters: None,
            };
        };
        Settled {
            protocol: chosen,
            fi_di: parameters.data().first().copied().unwrap_or(DEFAULT_FI_DI),
            parameters: Some(parameters),
        }
    }

    /// Writes down what was settled. A protocol that somebody else chose and the caller does not want is no success.
    fn adopt(&mut self, settled: &Settled, wanted: Wanted) -> Result<()> {
        let protocol = if self.candidates(wanted).contains(&settled.protocol) {
            settled.protocol
        } else if !self.leaves_protocol_to_host() {
            // An APDU goes through, whatever the reader says it chose.
            *self.candidates(wanted).first().ok_or(Error::ProtoMismatch)?
        } else {
            return Err(Error::ProtoMismatch);
        };
        let atr = Atr::parse(self.card.atr.as_slice()).ok();
        let clock = self.port().engine().descriptor().default_clock_khz();
        let timeout = atr.as_ref().map_or(DEFAULT_TIMEOUT, |atr| {
            params::exchange_time(atr, protocol, settled.fi_di, clock)
        });
        let mut link = LinkData {
            timeout,
            parameters: settled.parameters,
            t1: atr
                .as_ref()
                .map_or_else(|| t1::State::new(0, t1::Edc::Lrc), t1::State::of),
        };
        self.card.protocol = number(protocol);
        if self.does_t1() {
            let told =
                self.exchange(|engine, transport, slot| engine.tell_ifsd(transport, slot, &mut link.t1, link.timeout));
            if let Err(error) = told {
                self.refused("S(IFS)", error, false);
                if !self.card.state.is_present() {
                    return Err(Error::NoSmartcard);
                }
                self.renew(false)?;
                return Err(Error::UnresponsiveCard);
            }
        }
        self.card.link = link.encode();
        Ok(())
    }

    fn refused(&mut self, what: &str, error: ccid::Error, fast: bool) -> Refusal {
        log::warn!(
            "{} slot {}: {what}: {error}",
            self.port().interface().node.display(),
            self.slot()
        );
        if error == ccid::Error::NoCard && self.card.state.is_present() {
            self.card.note_removal();
            self.ring();
        }
        Refusal::Refused { fast }
    }
}
