//! The clock of a saved machine counts instructions; this makes each of them longer from that moment on.

use crate::config::Instruction;

/// QEMU's name of the part of a machine's state that holds the clock (`vmstate_icount`, accel/tcg/icount-common.c): after it
/// come its version and, as 64-bit big-endian numbers, nanoseconds and the instructions to be added to them.
const PART: &[u8] = b"\x05\x0ctimer/icount\x00\x00\x00\x01";

/// `state`, saved with [`Instruction::Short`], as it would have to be for `instruction`: at the same guest time, with as many
/// instructions as would have taken it there. `None` if it is not understood.
pub(crate) fn with(state: &[u8], instruction: Instruction) -> Option<Vec<u8>> {
    let parts = state.windows(PART.len()).enumerate().filter(|(_, bytes)| *bytes == PART);
    let mut places = parts.map(|(at, _)| at + PART.len());
    let (at, None) = (places.next()?, places.next()) else { return None };
    let number = |at: usize| Some(i64::from_be_bytes(state.get(at..at + 8)?.try_into().ok()?));
    let (extra, count) = (number(at)?, number(at + 8)?);
    let at_nanos = count.checked_mul(1 << Instruction::Short.shift())?.checked_add(extra)?;
    let count = at_nanos >> instruction.shift();
    let extra = at_nanos - (count << instruction.shift());
    let mut state = state.to_vec();
    state[at..at + 8].copy_from_slice(&extra.to_be_bytes());
    state[at + 8..at + 16].copy_from_slice(&count.to_be_bytes());
    Some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(extra: i64, count: i64) -> Vec<u8> {
        [b"before", PART, &extra.to_be_bytes(), &count.to_be_bytes(), b"behind"].concat()
    }

    #[test]
    fn the_clock_shows_the_same() {
        for (extra, count, longer) in
            [(0, 681_054_659, (128, 340_527_329)), (0, 8, (0, 4)), (127, 3, (255, 1)), (-64, 5, (64, 2))]
        {
            assert_eq!(with(&state(extra, count), Instruction::Long), Some(state(longer.0, longer.1)));
            assert_eq!(with(&state(extra, count), Instruction::Short).unwrap().len(), state(0, 0).len());
        }
    }

    #[test]
    fn what_is_not_understood_is_left_alone() {
        let twice = [state(0, 8), state(0, 8)].concat();
        let cut = &state(0, 8)[..PART.len() + 10];
        for state in [&b""[..], cut, &twice, &state(i64::MAX, i64::MAX)] {
            assert_eq!(with(state, Instruction::Long), None);
        }
    }
}
