//! Who goes first: nobody waits for ever for a card that others take again and again.
//!
//! Whoever ends a transaction and begins the next at once is faster than those who have to wake up first; mostly that is
//! for the better, for the reader stays with one process. But the handle that has waited longest stands in the record,
//! and when it has waited long enough, those who would begin a transaction give way to it. One that does not come (its
//! process is stopped, say) is passed over.

use super::turn::Turn;
use crate::arbiter::locks::Byte;
use crate::arbiter::record::Line;
use crate::clock::Moment;
use crate::error::Result;
use std::time::Duration;

/// How long one waits before the others give way.
const PATIENCE_MS: u64 = 50;
/// How long the card is kept for him then.
const KEPT_MS: u64 = 250;

impl Turn<'_> {
    /// Has this handle, which has waited since then, stand in line for the end of another's transaction, unless somebody
    /// there has waited longer.
    pub(crate) fn stand_in_line(&mut self, since_ms: u64) -> Result<()> {
        let token = self.link.token();
        if self.card.owner == 0 || self.card.owner == token {
            // It waits for something else.
            self.leave_line();
            return Ok(());
        }
        let line = self.card.line;
        if token == 0 || line.token == token {
            return Ok(());
        }
        if line.token == 0 || line.since_ms > since_ms || !self.lives(line.token)? {
            self.card.line = Line {
                token,
                since_ms,
                until_ms: 0,
            };
        }
        Ok(())
    }

    /// This handle waits no longer.
    pub(crate) fn leave_line(&mut self) {
        if self.card.line.token != 0 && self.card.line.token == self.link.token() {
            if self.card.line.until_ms != 0 && self.card.owner == 0 {
                // Whoever gave way can have it now.
                self.ring();
            }
            self.card.line = Line::default();
        }
    }

    /// Whether another handle has waited for so long for the card, which is free, that it is to have it first.
    ///
    /// # Errors
    /// `NoAccess` if locks cannot be looked at.
    pub(crate) fn gives_way(&mut self) -> Result<bool> {
        let (line, now) = (self.card.line, Moment::now().millis());
        if line.token == 0 || line.token == self.link.token() || now.saturating_sub(line.since_ms) < PATIENCE_MS {
            return Ok(false);
        }
        // Not further ahead than anybody sets it: the record is not trusted.
        let is_kept = line.until_ms == 0 || matches!(line.until_ms.checked_sub(now), Some(1..=KEPT_MS));
        if !is_kept || !self.lives(line.token)? {
            self.card.line = Line::default();
            return Ok(false);
        }
        if line.until_ms == 0 {
            self.card.line.until_ms = now + KEPT_MS;
        }
        Ok(true)
    }

    /// How long the card is still kept for somebody else.
    pub(crate) fn is_kept_for(&self) -> Option<Duration> {
        let line = self.card.line;
        let is_other = line.token != 0 && line.token != self.link.token();
        let left = line.until_ms.checked_sub(Moment::now().millis())?;
        is_other.then(|| Duration::from_millis(left.clamp(1, KEPT_MS)))
    }

    fn lives(&self, token: u32) -> Result<bool> {
        let probe = self.link.locks().probe(Byte::Handle(token));
        Ok(probe.map_err(|error| self.lock_failed(&error))?.is_some())
    }
}
