//! The card's side of T=0: whole APDUs behind TPDUs (ISO 7816-3 §12.2).

use super::card::Card;

/// What a T=0 card keeps between two TPDUs.
#[derive(Debug, Default)]
pub(super) struct T0 {
    /// Answer data not fetched yet, and the status that follows it.
    pending: Option<(Vec<u8>, [u8; 2])>,
}

impl T0 {
    /// Whether a header announces data to the card: only the card knows, by its command set (ISO 7816-3 §12.2.1).
    /// The cards of this model take command data exactly when the host sends some.
    pub(super) fn tpdu(&mut self, card: &mut dyn Card, tpdu: &[u8]) -> Vec<u8> {
        let Some((&[cla, ins, p1, p2], rest)) = tpdu.split_first_chunk::<4>() else {
            return vec![0x67, 0x00];
        };
        let p3 = rest.first().copied().unwrap_or(0);
        let data = rest.get(1..).unwrap_or_default();
        if ins == 0xC0 && self.pending.is_some() {
            return self.get_response(p3);
        }
        self.pending = None;
        if data.is_empty() {
            return self.without_data(card, [cla, ins, p1, p2, p3]);
        }
        // The Le of a case 4 APDU does not travel in T=0: let the card say all it has and hold it for GET RESPONSE.
        let mut apdu = vec![cla, ins, p1, p2, p3];
        apdu.extend(data);
        apdu.push(0);
        let Some((answer, status)) = split_status(card.apdu(&apdu)) else {
            return vec![0x6F, 0x00];
        };
        if answer.is_empty() {
            return status.to_vec();
        }
        let left = available(answer.len());
        self.pending = Some((answer, status));
        vec![0x61, left]
    }

    /// Case 1 and case 2: the same five bytes on the line.
    fn without_data(&mut self, card: &mut dyn Card, header: [u8; 5]) -> Vec<u8> {
        let [_, ins, _, _, p3] = header;
        let Some((mut answer, status)) = split_status(card.apdu(&header)) else {
            return vec![0x6F, 0x00];
        };
        if answer.is_empty() || answer.len() == length(p3) {
            answer.extend(status);
            return answer;
        }
        // Less than asked for: "send it again with this Le" (ISO 7816-3 §12.2.3). What GET RESPONSE took from the card
        // would be lost by that, so it is kept here.
        let left = available(answer.len());
        if ins == 0xC0 {
            self.pending = Some((answer, status));
        }
        vec![0x6C, left]
    }

    fn get_response(&mut self, p3: u8) -> Vec<u8> {
        let Some((mut answer, status)) = self.pending.take() else {
            return vec![0x69, 0x86];
        };
        if length(p3) > answer.len() {
            let left = available(answer.len());
            self.pending = Some((answer, status));
            return vec![0x6C, left];
        }
        let rest = answer.split_off(length(p3));
        if rest.is_empty() {
            answer.extend(status);
        } else {
            answer.extend([0x61, available(rest.len())]);
            self.pending = Some((rest, status));
        }
        answer
    }
}

/// The number of bytes P3 asks for.
fn length(p3: u8) -> usize {
    if p3 == 0 { 256 } else { usize::from(p3) }
}

/// How a number of bytes left is told in SW2.
fn available(len: usize) -> u8 {
    u8::try_from(len).unwrap_or(0)
}

fn split_status(mut answer: Vec<u8>) -> Option<(Vec<u8>, [u8; 2])> {
    let at = answer.len().checked_sub(2)?;
    let status = answer.split_off(at);
    Some((answer, <[u8; 2]>::try_from(status).ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::sim::builtin::{AID, BuiltinCard};
    use crate::sim::card::Reset;

    fn card() -> BuiltinCard {
        let mut card = BuiltinCard::default();
        card.reset(Reset::Cold);
        card
    }

    #[test]
    fn case_4_is_case_3_followed_by_get_response() {
        let (mut card, mut t0) = (card(), T0::default());
        let mut select = vec![0x00, 0xA4, 0x04, 0x00, 8];
        select.extend(AID);
        assert_eq!(t0.tpdu(&mut card, &select), [0x61, 15]);
        assert_eq!(t0.tpdu(&mut card, &[0, 0xC0, 0, 0, 0]), [0x6C, 15]);
        let first = t0.tpdu(&mut card, &[0, 0xC0, 0, 0, 10]);
        assert_eq!((first.len(), &first[10..]), (12, &[0x61, 5][..]));
        let last = t0.tpdu(&mut card, &[0, 0xC0, 0, 0, 5]);
        assert_eq!(last, *b"\x00\x01WIN\x90\x00");
    }

    #[test]
    fn case_2_with_wrong_length_is_told_the_right_one() {
        let (mut card, mut t0) = (card(), T0::default());
        assert_eq!(t0.tpdu(&mut card, &[0x80, 0x12, 0, 5, 0]), [0x6C, 5]);
        assert_eq!(t0.tpdu(&mut card, &[0x80, 0x12, 0, 5, 5]), [0, 1, 2, 3, 4, 0x90, 0x00]);
        let all = t0.tpdu(&mut card, &[0x80, 0x12, 1, 0, 0]);
        assert_eq!((all.len(), &all[256..]), (258, &[0x90, 0x00][..]));
    }

    #[test]
    fn case_1_has_no_p3_and_get_response_needs_something_to_get() {
        let (mut card, mut t0) = (card(), T0::default());
        assert_eq!(t0.tpdu(&mut card, &[0x00, 0x20, 0x00, 0x01]), [0x63, 0xC3]);
        assert_eq!(t0.tpdu(&mut card, &[0x00, 0x20, 0x00, 0x01, 0]), [0x63, 0xC3]);
        assert_eq!(t0.tpdu(&mut card, &[0, 0xC0, 0, 0, 4]), [0x69, 0x86]);
    }
}
