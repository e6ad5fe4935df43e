//! Strictly increasing keys of one batch, as differences, compressed: a sorted file of 50 million keys takes tens of megabytes.

use std::ops::Range;

use crate::error::Error;

/// The fastest of zstd's levels that finds repetitions well: differences of keys repeat in few patterns.
const LEVEL: i32 = 1;

/// One batch's keys, in compressed seven-bit groups of their differences.
pub(crate) struct SortedRun {
    pub first: u128,
    pub last: u128,
    pub first_ordinal: u64,
    differences: Vec<u8>,
    /// Of the differences before they were compressed.
    plain_bytes: usize,
    ordinals: Vec<Range<u64>>,
}

fn failed(step: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Spill { step, source }
}

impl SortedRun {
    /// Encodes keys; none without a key.
    ///
    /// # Errors
    /// When memory for it is short.
    pub fn new(keys: &[u128], ordinals: Vec<Range<u64>>, first_ordinal: u64) -> Result<Option<Self>, Error> {
        let (Some(first), Some(last)) = (keys.first().copied(), keys.last().copied()) else { return Ok(None) };
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
        let plain_bytes = differences.len();
        let mut differences = zstd::bulk::compress(&differences, LEVEL).map_err(failed("compress keys for"))?;
        differences.shrink_to_fit();
        Ok(Some(Self { first, last, first_ordinal, differences, plain_bytes, ordinals }))
    }

    /// Bytes that the run takes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.differences.capacity() + self.ordinals.capacity() * size_of::<Range<u64>>()
    }

    /// How many keys there are.
    pub fn len(&self) -> u64 {
        self.ordinals.iter().map(|places| places.end - places.start).sum()
    }

    /// Calls `visit` with each key and its place in the run.
    ///
    /// # Errors
    /// When a visit fails, or memory is short.
    pub fn visit(&self, mut visit: impl FnMut(u128, u64) -> Result<(), Error>) -> Result<(), Error> {
        let differences = zstd::bulk::decompress(&self.differences, self.plain_bytes).map_err(failed("decompress keys for"))?;
        let mut key = self.first;
        let differences = std::iter::once(0).chain(Differences(differences.iter()));
        for (difference, place) in differences.zip(self.ordinals.iter().cloned().flatten()) {
            key = key.wrapping_add(difference);
            visit(key, place)?;
        }
        Ok(())
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
