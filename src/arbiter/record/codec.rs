//! Fields of fixed size one after the other, under a checksum. Sizes are known where they are used, so that all of it
//! becomes plain moves: each transaction encodes a slot twice.

/// Writes fields one after the other; what there is no room for is left out.
pub(super) struct Writer<'a>(&'a mut [u8]);

impl<'a> Writer<'a> {
    /// Behind the first `skip` bytes.
    pub(super) fn new(out: &'a mut [u8], skip: usize) -> Self {
        Self(out.get_mut(skip..).unwrap_or_default())
    }

    pub(super) fn put<const N: usize>(&mut self, field: [u8; N]) {
        if let Some((place, rest)) = std::mem::take(&mut self.0).split_first_chunk_mut::<N>() {
            *place = field;
            self.0 = rest;
        }
    }
}

/// Reads fields one after the other.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Behind the first `skip` bytes.
    pub(super) fn new(bytes: &'a [u8], skip: usize) -> Self {
        Self(bytes.get(skip..).unwrap_or_default())
    }

    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

/// Of whole words, without the one at `skip`. Not against an enemy (who could write what he likes) but against torn and
/// foreign bytes.
fn checksum(bytes: &[u8], skip: usize) -> u64 {
    let (before, from) = bytes.split_at_checked(skip).unwrap_or((bytes, &[]));
    let mix = |sum: u64, word: &[u8]| {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        (sum ^ word).wrapping_mul(0xFF51_AFD7_ED55_8CCD).rotate_left(29)
    };
    let sum = before.chunks_exact(8).fold(0x9E37_79B9_7F4A_7C15, mix);
    from.get(8..).unwrap_or_default().chunks_exact(8).fold(sum, mix)
}

/// Puts the checksum of all else at `at`.
pub(crate) fn seal(bytes: &mut [u8], at: usize) {
    let sum = checksum(bytes, at).to_le_bytes();
    if let Some(place) = bytes.get_mut(at..at + 8) {
        place.copy_from_slice(&sum);
    }
}

pub(super) fn is_sealed(bytes: &[u8], at: usize) -> bool {
    bytes
        .get(at..at + 8)
        .is_some_and(|sum| sum == checksum(bytes, at).to_le_bytes())
}
