//! Strictly increasing keys of one batch, as differences: a sorted file of 50 million keys takes tens of megabytes.

use std::ops::Range;

/// One batch's keys, in seven-bit groups of their differences.
pub(crate) struct SortedRun {
    pub first: u128,
    pub last: u128,
    pub first_ordinal: u64,
    differences: Vec<u8>,
    ordinals: Vec<Range<u64>>,
}

impl SortedRun {
    /// Encodes keys; none without a key.
    pub fn new(keys: &[u128], ordinals: Vec<Range<u64>>, first_ordinal: u64) -> Option<Self> {
        let (first, last) = (*keys.first()?, *keys.last()?);
        let mut differences = Vec::with_capacity(keys.len());
        for (before, key) in keys.iter().zip(keys.iter().skip(1)) {
            let mut difference = key.wrapping_sub(*before);
            loop {
                let group = u8::try_from(difference & 0x7f).unwrap_or(0);
                difference >>= 7;
                if difference == 0 {
                    differences.push(group);
                    break;
                }
                differences.push(group | 0x80);
            }
        }
        differences.shrink_to_fit();
        Some(Self { first, last, first_ordinal, differences, ordinals })
    }

    /// Bytes that the run takes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.differences.capacity() + self.ordinals.capacity() * size_of::<Range<u64>>()
    }

    /// The keys and their places in the run.
    pub fn entries(&self) -> impl Iterator<Item = (u128, u64)> + '_ {
        let keys = std::iter::once(0).chain(Differences(self.differences.iter())).scan(self.first, |key, difference| {
            *key = key.wrapping_add(difference);
            Some(*key)
        });
        keys.zip(self.ordinals.iter().cloned().flatten())
    }
}

struct Differences<'a>(std::slice::Iter<'a, u8>);

impl Iterator for Differences<'_> {
    type Item = u128;

    fn next(&mut self) -> Option<u128> {
        let mut value = 0u128;
        let mut shift = 0u32;
        loop {
            let byte = self.0.next()?;
            value |= u128::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
            shift += 7;
        }
    }
}
