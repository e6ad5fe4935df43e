//! Eight digits at once: no loop whose length the processor would have to guess.

/// `'0'` in every byte.
pub const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The last eight bytes of a cell, the last one uppermost; bytes before the cell are whatever stood there.
pub type Tail = u64;

/// The tail of a cell that stands alone, with zeros before it.
pub fn tail_of(cell: &[u8]) -> Tail {
    let mut bytes = [b'0'; 8];
    for (to, from) in bytes.iter_mut().rev().zip(cell.iter().rev()) {
        *to = *from;
    }
    u64::from_le_bytes(bytes)
}

/// Keeps the uppermost `count` bytes, up to eight, and makes the others the digit zero.
#[inline]
pub fn keep(tail: Tail, count: usize) -> u64 {
    let drop = u32::try_from(count).map_or(0, |count| 64u32.saturating_sub(8 * count));
    let mask = u64::MAX.checked_shl(drop).unwrap_or(0);
    (tail & mask) | (ZEROS & !mask)
}

/// Whether all eight bytes are digits.
#[inline]
pub fn all_digits(word: u64) -> bool {
    ((word.wrapping_add(0x4646_4646_4646_4646)) | word.wrapping_sub(ZEROS)) & 0x8080_8080_8080_8080 == 0
}

/// The number that eight digits are, the lowest byte leading; none when one is not a digit.
#[inline]
pub fn eight_digits(word: u64) -> Option<u64> {
    if !all_digits(word) {
        return None;
    }
    let pairs = word.wrapping_sub(ZEROS);
    let pairs = pairs.wrapping_mul(10).wrapping_add(pairs >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    Some(low.wrapping_add(high) >> 32)
}
