//! What every command carries through the card: who sends it, and what he holds.

/// Begins a stamp.
const MAGIC: [u8; 4] = *b"\xF5STR";
/// Bytes of a stamp.
const LEN: usize = 24;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    /// The process.
    pub(crate) agent: u32,
    /// Its handle.
    pub(crate) handle: u32,
    /// How often the handle has been reconnected.
    pub(crate) epoch: u32,
    /// The process's hold on the card, 0 outside of one.
    pub(crate) hold: u32,
    /// Counts its commands.
    pub(crate) sequence: u32,
}

impl Stamp {
    /// As a command that the card answers with the same data, made `filler` bytes longer than the stamp.
    pub(crate) fn command(&self, filler: u8) -> Vec<u8> {
        let mut data = MAGIC.to_vec();
        for word in [self.agent, self.handle, self.epoch, self.hold, self.sequence] {
            data.extend(word.to_be_bytes());
        }
        data.extend((0..filler).map(|n| n ^ 0xA5));
        let mut command = vec![0x80, 0x12, 0, 0, u8::try_from(data.len()).expect("short")];
        command.extend(data);
        command.push(0);
        command
    }

    /// The stamp somewhere in a message, if there is one.
    pub(crate) fn find(message: &[u8]) -> Option<Self> {
        let at = message.windows(MAGIC.len()).position(|bytes| bytes == MAGIC)?;
        let mut words = message
            .get(at + MAGIC.len()..at + LEN)?
            .chunks_exact(4)
            .map(|word| u32::from_be_bytes(word.try_into().expect("4 bytes")));
        Some(Self {
            agent: words.next()?,
            handle: words.next()?,
            epoch: words.next()?,
            hold: words.next()?,
            sequence: words.next()?,
        })
    }
}
