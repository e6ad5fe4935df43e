//! A set of places in a load, in little memory: two bytes each while they are few, one bit for each row where they are many.

use std::collections::BTreeMap;

/// Places under one key of the map.
const CHUNK: u64 = 1 << 16;
/// Places of a chunk that take as much room one by one as all bits do.
const FEW_MAX: usize = 4096;
const WORDS: usize = 1 << 10;

/// Places in the load.
#[derive(Debug, Default)]
pub(crate) struct Places {
    chunks: BTreeMap<u64, Chunk>,
    len: usize,
}

#[derive(Debug)]
enum Chunk {
    /// Ascending.
    Few(Vec<u16>),
    Many(Box<[u64]>),
}

fn split(place: u64) -> (u64, u16) {
    (place / CHUNK, u16::try_from(place % CHUNK).unwrap_or(u16::MAX))
}

fn bit(low: u16) -> (usize, u64) {
    (usize::from(low / 64), 1 << (low % 64))
}

impl Places {
    /// Adds a place; false when it was there.
    pub fn insert(&mut self, place: u64) -> bool {
        let (high, low) = split(place);
        let new = self.chunks.entry(high).or_insert_with(|| Chunk::Few(Vec::new())).insert(low);
        self.len += usize::from(new);
        new
    }

    pub fn contains(&self, place: u64) -> bool {
        let (high, low) = split(place);
        self.chunks.get(&high).is_some_and(|chunk| chunk.contains(low))
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// All of them, ascending.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            inner: Box::new(self.chunks.iter().flat_map(|(high, chunk)| chunk.lows().map(move |low| high * CHUNK + low))),
            left: self.len,
        }
    }

    /// Bytes that the set takes, about.
    #[cfg(test)]
    pub fn memory_bytes(&self) -> usize {
        let chunk = |chunk: &Chunk| match chunk {
            Chunk::Few(lows) => lows.capacity() * size_of::<u16>(),
            Chunk::Many(words) => size_of_val::<[u64]>(words),
        };
        self.chunks.values().map(|one| chunk(one) + size_of::<(u64, Chunk)>()).sum()
    }
}

impl Chunk {
    fn insert(&mut self, low: u16) -> bool {
        match self {
            Self::Few(lows) => {
                let Err(at) = lows.binary_search(&low) else { return false };
                if lows.len() < FEW_MAX {
                    lows.insert(at, low);
                } else {
                    let mut words = vec![0u64; WORDS].into_boxed_slice();
                    for low in lows.iter().chain([&low]) {
                        set(&mut words, *low);
                    }
                    *self = Self::Many(words);
                }
                true
            }
            Self::Many(words) => set(words, low),
        }
    }

    fn contains(&self, low: u16) -> bool {
        match self {
            Self::Few(lows) => lows.binary_search(&low).is_ok(),
            Self::Many(words) => {
                let (word, bit) = bit(low);
                words.get(word).is_some_and(|word| word & bit != 0)
            }
        }
    }

    fn lows(&self) -> Box<dyn Iterator<Item = u64> + Send + '_> {
        match self {
            Self::Few(lows) => Box::new(lows.iter().map(|low| u64::from(*low))),
            Self::Many(words) => Box::new(
                (0..u64::from(u16::MAX) + 1)
                    .zip(words.iter().flat_map(|word| (0..64).map(move |at| word >> at & 1)))
                    .filter_map(|(low, bit)| (bit == 1).then_some(low)),
            ),
        }
    }
}

fn set(words: &mut [u64], low: u16) -> bool {
    let (word, bit) = bit(low);
    let Some(word) = words.get_mut(word) else { return false };
    let new = *word & bit == 0;
    *word |= bit;
    new
}

/// Places, ascending.
pub(crate) struct Iter<'a> {
    inner: Box<dyn Iterator<Item = u64> + Send + 'a>,
    left: usize,
}

impl Iterator for Iter<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let place = self.inner.next()?;
        self.left = self.left.saturating_sub(1);
        Some(place)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}
