//! Kinds of cards: `SCardLocateCards` and its like look at readers once and say in which a card of a kind is.

use std::time::Duration;

use super::{Context, ReaderState, Timeout};
use crate::database::{self, CardType, Domain, View};
use crate::error::{Error, Result};

/// Set in the event state of a reader in which a card was found.
const ATRMATCH: u32 = 0x40;

/// An ATR to look for, and the bits of it that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The ATR, as it is after the mask.
    pub atr: Vec<u8>,
    /// The mask; all bits count without one.
    pub mask: Option<Vec<u8>>,
}

impl Wanted {
    fn of(card: &CardType) -> Self {
        Self {
            atr: card.atr.clone(),
            mask: card.mask.clone(),
        }
    }
}

impl Context {
    /// Looks at the readers, and marks those in which there is a card of one of these kinds.
    ///
    /// # Errors
    /// `UnknownCard` (nothing is changed then), and as [`Self::locate`].
    pub fn locate_cards(&self, cards: &[Vec<u8>], states: &mut [ReaderState]) -> Result<()> {
        let view = View::read(self.domain);
        let name = |card: &Vec<u8>| String::from_utf8(card.clone()).map_err(|_| Error::UnknownCard);
        let wanted: Result<Vec<Wanted>> = cards
            .iter()
            .map(|card| Ok(Wanted::of(view.card(&name(card)?)?)))
            .collect();
        self.locate(&wanted?, states)
    }

    /// Looks at the readers, and marks those in which there is a card with one of these ATRs.
    ///
    /// # Errors
    /// `UnknownReader` (nothing is changed then), `NoMemory`.
    pub fn locate(&self, wanted: &[Wanted], states: &mut [ReaderState]) -> Result<()> {
        match self.status_change(Timeout::After(Duration::ZERO), states) {
            // That nothing has changed is no failure here.
            Ok(()) | Err(Error::Timeout) => {}
            Err(error) => return Err(error),
        }
        for state in states {
            let atr = state.atr.get(..state.atr_len).unwrap_or_default();
            if wanted
                .iter()
                .any(|one| database::matches(atr, &one.atr, one.mask.as_deref()))
            {
                state.event |= ATRMATCH;
            }
        }
        Ok(())
    }
}

/// Names of the kinds of cards with this ATR, or any, that support all of these interfaces.
#[must_use]
pub fn list_cards(domain: Domain, atr: Option<&[u8]>, interfaces: &[[u8; 16]]) -> Vec<String> {
    let interfaces: Vec<_> = interfaces.iter().copied().map(database::Guid).collect();
    View::read(domain).cards(atr, &interfaces)
}

/// Interfaces that a kind of card supports.
///
/// # Errors
/// `UnknownCard`.
pub fn list_interfaces(domain: Domain, card: &str) -> Result<Vec<[u8; 16]>> {
    let view = View::read(domain);
    Ok(view.card(card)?.interfaces.iter().map(|guid| guid.0).collect())
}

/// The primary provider of a kind of card.
///
/// # Errors
/// `UnknownCard`, `IccInstallation` (there is none).
pub fn primary_provider(domain: Domain, card: &str) -> Result<[u8; 16]> {
    let view = View::read(domain);
    view.card(card)?
        .primary
        .map(|guid| guid.0)
        .ok_or(Error::IccInstallation)
}

/// The name of a kind of card's provider.
///
/// # Errors
/// `UnknownCard`, `IccInstallation` (there is none).
pub fn provider(domain: Domain, card: &str, number: u32) -> Result<String> {
    View::read(domain).provider(card, number)
}

/// Stores a kind of card.
///
/// # Errors
/// As documented at `SCardIntroduceCardTypeA`.
pub fn introduce_card(
    domain: Domain,
    name: &str,
    wanted: Wanted,
    primary: Option<[u8; 16]>,
    interfaces: &[[u8; 16]],
) -> Result<()> {
    let card = CardType {
        name: name.to_owned(),
        atr: wanted.atr,
        mask: wanted.mask,
        primary: primary.map(database::Guid),
        interfaces: interfaces.iter().copied().map(database::Guid).collect(),
        providers: Vec::new(),
    };
    database::introduce_card(domain, &card)
}
