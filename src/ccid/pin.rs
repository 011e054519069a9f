//! PIN operations: the structures of PC/SC part 10 taken apart, and the data of PC_to_RDR_Secure put together.
//!
//! A PIN never passes through here, only the template the reader puts it into; which bytes of that are secret the caller
//! knows, so all of it is wiped.

use super::gemalto::FirmwareRecord;
use super::quirks::{ModifyMessages, PinQuirks};
use std::fmt;
use std::hint;
use std::time::Duration;

/// Bytes of PIN_VERIFY_STRUCTURE before `abData`.
const VERIFY_LEN: usize = 19;
/// Bytes of PIN_MODIFY_STRUCTURE before `abData`.
const MODIFY_LEN: usize = 24;
/// CLA INS P1 P2.
const MIN_TEMPLATE_LEN: usize = 4;

/// `bEntryValidationCondition`: the confirmation key ends the entry.
const CONFIRMATION_KEY: u8 = 0x02;
/// All conditions there are: full length, confirmation key, timeout.
const ALL_CONDITIONS: u8 = 0x07;
/// `bNumberMessage`: the reader's own messages.
const DEFAULT_MESSAGES: u8 = 0xFF;

/// No PIN operation is given less: that is how long users think.
const MIN_TIME: Duration = Duration::from_secs(90);
/// What an operation is given beyond its own timeout.
const GRACE: Duration = Duration::from_secs(10);

/// Why bytes are no PIN structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinError {
    /// Shorter than the structure and four bytes of command.
    TooShort,
    /// `ulDataLength` and the length of what follows disagree.
    DataLength,
    /// `bNumberMessage` of a modification is neither 0 to 3 nor FF.
    NumberMessage,
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "PIN structure cut short",
            Self::DataLength => "ulDataLength does not agree with the length of the PIN structure",
            Self::NumberMessage => "bNumberMessage is none of 0 to 3 and FF",
        })
    }
}

impl std::error::Error for PinError {}

/// What is to be done with the PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Bit 0 of `bPINSupport`, `bPINOperation` 0.
    Verify,
    /// Bit 1 of `bPINSupport`, `bPINOperation` 1.
    Modify {
        /// `bInsertionOffsetOld`.
        old_offset: u8,
        /// `bInsertionOffsetNew`.
        new_offset: u8,
        /// `bConfirmPIN`.
        confirm: u8,
    },
}

impl Purpose {
    /// Its bit in `bPINSupport`.
    #[must_use]
    #[doc(alias = "bPINSupport")]
    pub fn support_bit(self) -> u8 {
        match self {
            Self::Verify => 0x01,
            Self::Modify { .. } => 0x02,
        }
    }
}

/// A PIN operation, field by field as PC/SC part 10 §2.5.2 and §2.5.3 have it.
#[derive(Clone, PartialEq, Eq)]
pub struct PinOperation<'a> {
    purpose: Purpose,
    timeout: u8,
    format: u8,
    block: u8,
    length_format: u8,
    /// Longest and shortest PIN, in the order of `wPINMaxExtraDigit` on the wire.
    limits: [u8; 2],
    condition: u8,
    messages: u8,
    language: [u8; 2],
    indexes: [u8; 3],
    /// Whether all three indexes go out, whatever the number of messages says.
    all_indexes: bool,
    prologue: [u8; 3],
    template: &'a [u8],
}

impl fmt::Debug for PinOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the template: applications put default PINs into it.
        f.debug_struct("PinOperation")
            .field("purpose", &self.purpose)
            .field("limits", &self.limits)
            .field("condition", &self.condition)
            .field("messages", &self.messages)
            .field("template_len", &self.template.len())
            .finish_non_exhaustive()
    }
}

/// Splits a structure into its fixed part of `N` bytes and the template, and checks `ulDataLength`, the last four bytes of
/// the fixed part. `true` if that is in big-endian order, in which case all fields of two bytes are.
fn split<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8], bool), PinError> {
    let (fixed, template) = bytes.split_first_chunk::<N>().ok_or(PinError::TooShort)?;
    if template.len() < MIN_TEMPLATE_LEN {
        return Err(PinError::TooShort);
    }
    let declared = fixed.last_chunk::<4>().copied().unwrap_or_default();
    let is = |len: u32| usize::try_from(len).is_ok_and(|len| len == template.len());
    if is(u32::from_le_bytes(declared)) {
        Ok((*fixed, template, false))
    } else if is(u32::from_be_bytes(declared)) {
        // Some callers take the structure for one in network order.
        Ok((*fixed, template, true))
    } else {
        Err(PinError::DataLength)
    }
}

/// Conditions that are none crash readers.
fn sane_condition(condition: u8) -> u8 {
    if condition == 0 || condition > ALL_CONDITIONS {
        CONFIRMATION_KEY
    } else {
        condition
    }
}

fn ordered(field: [u8; 2], big_endian: bool) -> [u8; 2] {
    let [first, second] = field;
    if big_endian { [second, first] } else { field }
}

impl<'a> PinOperation<'a> {
    /// Takes PIN_VERIFY_STRUCTURE apart.
    ///
    /// # Errors
    /// [`PinError::TooShort`], [`PinError::DataLength`].
    // PC/SC part 10 §2.5.2; bTimerOut2 counts from the first key, which no CCID reader does.
    pub fn verify(bytes: &'a [u8]) -> Result<Self, PinError> {
        let (fixed, template, big_endian) = split::<VERIFY_LEN>(bytes)?;
        #[rustfmt::skip]
        let [timeout, _, format, block, length_format, max, min, condition, messages, l0, l1, index, p0, p1, p2, ..] = fixed;
        Ok(Self {
            purpose: Purpose::Verify,
            timeout,
            format,
            block,
            length_format,
            limits: ordered([max, min], big_endian),
            condition: sane_condition(condition),
            messages,
            language: ordered([l0, l1], big_endian),
            indexes: [index, 0, 0],
            all_indexes: false,
            prologue: [p0, p1, p2],
            template,
        })
    }

    /// Takes PIN_MODIFY_STRUCTURE apart.
    ///
    /// # Errors
    /// [`PinError`], all of them.
    // PC/SC part 10 §2.5.3
    pub fn modify(bytes: &'a [u8]) -> Result<Self, PinError> {
        let (fixed, template, big_endian) = split::<MODIFY_LEN>(bytes)?;
        #[rustfmt::skip]
        let [
            timeout, _, format, block, length_format, old_offset, new_offset, max, min, confirm, condition, messages,
            l0, l1, i1, i2, i3, p0, p1, p2, ..
        ] = fixed;
        if messages > 3 && messages != DEFAULT_MESSAGES {
            return Err(PinError::NumberMessage);
        }
        Ok(Self {
            purpose: Purpose::Modify {
                old_offset,
                new_offset,
                confirm,
            },
            timeout,
            format,
            block,
            length_format,
            limits: ordered([max, min], big_endian),
            condition: sane_condition(condition),
            messages,
            language: ordered([l0, l1], big_endian),
            indexes: [i1, i2, i3],
            all_indexes: false,
            prologue: [p0, p1, p2],
            template,
        })
    }

    /// What it is for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The command the PIN goes into.
    #[must_use]
    pub fn template(&self) -> &'a [u8] {
        self.template
    }

    /// How long reader and user may take.
    #[must_use]
    #[doc(alias = "bTimerOut")]
    pub fn time(&self) -> Duration {
        MIN_TIME.max(Duration::from_secs(self.timeout.into()) + GRACE)
    }

    /// Whether the PIN goes behind a command of four bytes, without its length.
    pub(super) fn is_bare(&self) -> bool {
        self.purpose == Purpose::Verify && self.block == 0 && self.template.len() == MIN_TEMPLATE_LEN
    }

    /// Changes the fields that this reader's firmware wants otherwise.
    pub(super) fn correct(&mut self, quirks: &PinQuirks, record: Option<&FirmwareRecord>) {
        if let Some(condition) = quirks.condition {
            self.condition = condition;
        }
        if let Some(record) = record {
            self.condition = sane_condition(self.condition & record.condition);
        }
        match self.purpose {
            Purpose::Verify => {
                if let Some(number) = quirks.verify_messages {
                    self.messages = number;
                }
                self.limits = ordered(self.limits, quirks.swapped_limits);
            }
            Purpose::Modify { .. } => self.correct_messages(match record {
                Some(record) if record.counts_messages => ModifyMessages::Counted,
                _ => quirks.modify_messages,
            }),
        }
    }

    fn correct_messages(&mut self, how: ModifyMessages) {
        match how {
            ModifyMessages::Counted => {}
            ModifyMessages::AllIndexes => self.all_indexes = true,
            ModifyMessages::ZeroIndexes => {
                self.messages = 0;
                self.indexes = [0; 3];
                self.all_indexes = true;
            }
            ModifyMessages::Three => self.messages = 3,
            ModifyMessages::NeverNone => {
                if self.messages == 0 {
                    self.messages = DEFAULT_MESSAGES;
                }
            }
        }
    }

    /// Puts NAD, PCB and LEN of the T=1 block in which the command goes to the card.
    #[doc(alias = "bTeoPrologue")]
    pub(super) fn set_prologue(&mut self, prologue: [u8; 3]) {
        self.prologue = prologue;
    }

    /// The indexes that go out. The class leaves open whether one message in all comes with the second index; here it
    /// does, as with libccid.
    fn wire_indexes(&self) -> &[u8] {
        let count = match (self.purpose, self.messages) {
            (Purpose::Verify, _) => 1,
            (Purpose::Modify { .. }, _) if self.all_indexes => 3,
            (Purpose::Modify { .. }, 0) => 1,
            (Purpose::Modify { .. }, 1 | 2) => 2,
            (Purpose::Modify { .. }, _) => 3,
        };
        self.indexes.get(..count).unwrap_or_default()
    }

    /// `abPINDataStructure` with `bPINOperation` before it.
    // CCID 1.1 §6.1.11.1, §6.1.11.2
    #[must_use]
    pub fn encode(&self) -> Secret {
        let mut data = Vec::with_capacity(MODIFY_LEN + self.template.len());
        let head = [self.timeout, self.format, self.block, self.length_format];
        let [max, min] = self.limits;
        match self.purpose {
            Purpose::Verify => {
                data.push(0x00);
                data.extend(head);
                data.extend([max, min]);
            }
            Purpose::Modify {
                old_offset,
                new_offset,
                confirm,
            } => {
                data.push(0x01);
                data.extend(head);
                data.extend([old_offset, new_offset, max, min, confirm]);
            }
        }
        data.extend([self.condition, self.messages]);
        data.extend(self.language);
        data.extend(self.wire_indexes());
        data.extend(self.prologue);
        data.extend(self.template);
        Secret(data)
    }
}

/// Bytes that are overwritten before their memory is given back.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secret bytes", self.0.len())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Room on the stack for what comes from a card; overwritten when it is given up.
pub(super) struct Wiped<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> Drop for Wiped<N> {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites with zeros, in a way the compiler cannot leave out.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    hint::black_box(bytes);
}

#[cfg(test)]
#[path = "tests/pin.rs"]
mod tests;
