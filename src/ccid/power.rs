//! Powering cards on and off.

use super::error::{Error, Result, SlotError};
use super::exchange::Engine;
use super::message::{Command, IccStatus, Voltage};
use crate::iso7816::AtrBytes;
use crate::usb;

/// Escape that puts the readers with that quirk into ISO mode.
const ISO_MODE: &[u8] = &[0x1F, 0x01];

/// bError of those readers when a card does not keep to EMV.
const NOT_EMV: SlotError = SlotError::Vendor(0xBB);

/// The voltages to try in turn, with their bit in bVoltageSupport. 5 V first, as nearly every card takes it at once;
/// cards of class C or B only stay mute at it and answer at a later one.
const WALK: [(Voltage, u8); 3] = [(Voltage::V5, 0x01), (Voltage::V1_8, 0x04), (Voltage::V3, 0x02)];

impl Engine {
    /// Powers the card on and returns its ATR; a card that is powered already is reset without losing power (warm
    /// reset).
    ///
    /// # Errors
    /// [`Error::NoCard`], or why the card gave no ATR at any voltage.
    pub fn power_on(&mut self, transport: &dyn usb::Transport, slot: u8) -> Result<AtrBytes> {
        let known_active = self.is_known_active(slot);
        if self.quirks.off_before_on {
            self.power_off(transport, slot)?;
        }
        let first = self.power_on_walk(transport, slot, true);
        let Err(Error::Slot(error)) = first else {
            return first;
        };
        if self.quirks.off_before_on || !(known_active || self.is_known_active(slot)) {
            return first;
        }
        // A card left at another data rate does not answer a warm reset.
        log::debug!("slot {slot}: warm reset failed ({error}), trying a cold one");
        self.power_off(transport, slot)?;
        self.power_on_walk(transport, slot, false)
    }

    /// Powers the card off.
    ///
    /// # Errors
    /// Of the transfer, or as the reader refuses; not if there is no card.
    pub fn power_off(&mut self, transport: &dyn usb::Transport, slot: u8) -> Result<()> {
        let wait = self.command_time();
        let answer = self.exchange(transport, slot, Command::IccPowerOff, &[], wait)?;
        match answer.header.slot_error() {
            None | Some(SlotError::Mute) => Ok(()),
            Some(error) => Err(error.into()),
        }
    }

    /// Tries the voltages that reader and host may choose from, the one that worked last first; with `warm`, no other
    /// on a card that stays powered.
    fn power_on_walk(&mut self, transport: &dyn usb::Transport, slot: u8, warm: bool) -> Result<AtrBytes> {
        if self.descriptor.chooses_voltage() {
            return self.power_on_at(transport, slot, Voltage::Automatic);
        }
        let supported = self.descriptor.voltages();
        let remembered = self.slots.get(usize::from(slot)).and_then(|memory| memory.voltage);
        let others = WALK
            .iter()
            .filter(|(voltage, bit)| supported & bit != 0 && Some(*voltage) != remembered);
        let mut result = Err(Error::Slot(SlotError::Mute));
        for voltage in remembered.into_iter().chain(others.map(|(voltage, _)| *voltage)) {
            result = self.power_on_at(transport, slot, voltage);
            match result {
                Err(Error::Slot(error)) => {
                    log::debug!("slot {slot}: no ATR at {voltage:?}: {error}");
                }
                Ok(_) | Err(_) => break,
            }
            if warm && self.is_known_active(slot) {
                break;
            }
        }
        if result.is_err() {
            self.remember_voltage(slot, None);
        }
        result
    }

    fn power_on_at(&mut self, transport: &dyn usb::Transport, slot: u8, voltage: Voltage) -> Result<AtrBytes> {
        let result = self.power_on_once(transport, slot, voltage);
        if result == Err(Error::Slot(NOT_EMV)) && self.quirks.iso_mode_escape {
            log::debug!("slot {slot}: switching the reader to ISO mode");
            self.escape(transport, slot, ISO_MODE, &mut [])?;
            return self.power_on_once(transport, slot, voltage);
        }
        result
    }

    fn power_on_once(&mut self, transport: &dyn usb::Transport, slot: u8, voltage: Voltage) -> Result<AtrBytes> {
        let wait = self.timeouts.power_on;
        let answer = self.exchange(transport, slot, Command::IccPowerOn(voltage), &[], wait)?;
        if let Some(error) = answer.header.slot_error() {
            return Err(self.slot_failure(&answer, error));
        }
        if answer.len == 0 {
            // Power without an ATR: as mute as a card can be.
            return Err(match answer.header.icc {
                IccStatus::Absent => Error::NoCard,
                IccStatus::Active | IccStatus::Inactive => Error::Slot(SlotError::Mute),
            });
        }
        let atr = AtrBytes::new(self.data(&answer));
        self.remember_voltage(slot, Some(voltage));
        Ok(atr)
    }

    fn is_known_active(&self, slot: u8) -> bool {
        let memory = self.slots.get(usize::from(slot));
        memory.and_then(|memory| memory.icc) == Some(IccStatus::Active)
    }

    fn remember_voltage(&mut self, slot: u8, voltage: Option<Voltage>) {
        if let Some(memory) = self.slots.get_mut(usize::from(slot)) {
            memory.voltage = voltage;
        }
    }
}
