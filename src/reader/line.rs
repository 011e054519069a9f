//! Who goes first: nobody waits for ever for a card that others take again and again.
//!
//! Whoever ends a transaction and begins the next at once is faster than those who have to wake up first; mostly that is
//! for the better, for the reader stays with one process. But the handle that has waited longest stands in the record,
//! and when it has waited long enough, those who would begin a transaction give way to it. One that does not come (its
//! process is stopped, say) is passed over.

use super::link::Link;
use super::turn::Turn;
use crate::arbiter::locks::Byte;
use crate::arbiter::record::Line;
use crate::clock::Moment;
use crate::error::Result;
use std::io;
use std::time::Duration;

/// How long one waits before the others give way.
const PATIENCE_MS: u64 = 50;
/// How long the card is kept for him then.
const KEPT_MS: u64 = 250;

impl Link {
    /// The line with this handle at its head, unless it is there or somebody who lives has waited longer.
    pub(super) fn head_of_line(&self, line: Line, since_ms: u64) -> io::Result<Option<Line>> {
        let token = self.token();
        let is_next = token != 0
            && line.token != token
            && (line.token == 0 || line.since_ms > since_ms || !self.lives(line.token)?);
        Ok(is_next.then_some(Line {
            token,
            since_ms,
            until_ms: 0,
        }))
    }

    /// Whether the handle with this token lives.
    pub(super) fn lives(&self, token: u32) -> io::Result<bool> {
        Ok(self.locks().probe(Byte::Handle(token))?.is_some())
    }
}

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
        if let Some(line) = self
            .link
            .head_of_line(self.line, since_ms)
            .map_err(|error| self.lock_failed(&error))?
        {
            self.line = line;
        }
        Ok(())
    }

    /// This handle waits no longer.
    pub(crate) fn leave_line(&mut self) {
        if self.line.token != 0 && self.line.token == self.link.token() {
            if self.line.until_ms != 0 && self.card.owner == 0 {
                // Whoever gave way can have it now.
                self.ring();
            }
            self.line = Line::default();
        }
    }

    /// Whether another handle has waited for so long for the card, which is free, that it is to have it first.
    ///
    /// # Errors
    /// `NoAccess` if locks cannot be looked at.
    pub(crate) fn gives_way(&mut self) -> Result<bool> {
        let (line, now) = (self.line, Moment::now().millis());
        if line.token == 0 || line.token == self.link.token() || now.saturating_sub(line.since_ms) < PATIENCE_MS {
            return Ok(false);
        }
        // Not further ahead than anybody sets it: the record is not trusted.
        let is_kept = line.until_ms == 0 || matches!(line.until_ms.checked_sub(now), Some(1..=KEPT_MS));
        if !is_kept || !self.lives(line.token)? {
            self.line = Line::default();
            return Ok(false);
        }
        if line.until_ms == 0 {
            self.line.until_ms = now + KEPT_MS;
        }
        Ok(true)
    }

    /// How long the card is still kept for somebody else.
    pub(crate) fn is_kept_for(&self) -> Option<Duration> {
        let line = self.line;
        let is_other = line.token != 0 && line.token != self.link.token();
        let left = line.until_ms.checked_sub(Moment::now().millis())?;
        is_other.then(|| Duration::from_millis(left.clamp(1, KEPT_MS)))
    }

    /// As [`Link::lives`].
    pub(super) fn lives(&self, token: u32) -> Result<bool> {
        self.link.lives(token).map_err(|error| self.lock_failed(&error))
    }
}
