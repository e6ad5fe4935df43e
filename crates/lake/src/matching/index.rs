//! The keys of a part of a batch, for the table's keys to be looked up in: places in an open-addressing table behind a small filter,
//! which nearly all keys of a large table do not pass, so that memory is not touched for them.

use std::sync::atomic::{AtomicU8, Ordering};

/// Bits of the filter for each key: about one in a hundred other keys passes.
const FILTER_BITS: usize = 16;
/// Keys in a hundred slots.
const LOAD_PERCENT: usize = 66;

/// A row of the table has the key.
pub(crate) const MATCHED: u8 = 1;
/// A row of the table has the key and the contents.
pub(crate) const UNCHANGED: u8 = 2;

/// See the module.
pub(crate) struct KeyIndex {
    seeds: [u64; 2],
    keys: Vec<u128>,
    /// A key's place plus one; 0 is free.
    slots: Vec<u32>,
    filter: Vec<u64>,
    states: Vec<AtomicU8>,
}

/// Bytes that the index takes for a key.
pub(crate) const BYTES_PER_KEY: usize = size_of::<u128>() + size_of::<u32>() * 100 / LOAD_PERCENT + FILTER_BITS / 8 + size_of::<u8>();

impl KeyIndex {
    /// Of these keys. The places of those that were there before them are in the second part: they are not found.
    pub(crate) fn new(keys: Vec<u128>, seeds: [u64; 2]) -> (Self, Vec<usize>) {
        let count = keys.len();
        let mut index = Self {
            seeds,
            slots: vec![0; (count.saturating_mul(100) / LOAD_PERCENT).saturating_add(2)],
            filter: vec![0; (count.saturating_mul(FILTER_BITS) / 64).saturating_add(1)],
            states: std::iter::repeat_with(AtomicU8::default).take(count).collect(),
            keys,
        };
        let repeated = (0..count).filter(|place| !index.put(*place)).collect();
        (index, repeated)
    }

    fn put(&mut self, place: usize) -> bool {
        let Some(key) = self.keys.get(place).copied() else { return false };
        let hash = self.hash(key);
        let (word, bits) = self.bits(hash);
        if let Some(word) = self.filter.get_mut(word) {
            *word |= bits;
        }
        let mut slot = scaled(hash, self.slots.len());
        loop {
            let Some(held) = self.slots.get_mut(slot) else { return false };
            match usize::try_from(*held).unwrap_or_default().checked_sub(1) {
                None => {
                    // Places are those of an index in memory.
                    let Ok(place) = u32::try_from(place.saturating_add(1)) else { return false };
                    *held = place;
                    return true;
                }
                Some(other) if self.keys.get(other) == Some(&key) => return false,
                Some(_) => slot = self.after(slot),
            }
        }
    }

    /// The place of a key, when it is one of them.
    #[inline]
    pub(crate) fn find(&self, key: u128) -> Option<usize> {
        let hash = self.hash(key);
        let (word, bits) = self.bits(hash);
        if self.filter.get(word).copied().unwrap_or_default() & bits != bits {
            return None;
        }
        let mut slot = scaled(hash, self.slots.len());
        loop {
            let place = usize::try_from(*self.slots.get(slot)?).unwrap_or_default().checked_sub(1)?;
            if self.keys.get(place) == Some(&key) {
                return Some(place);
            }
            slot = self.after(slot);
        }
    }

    /// Marks a key; whether it was marked so before.
    pub(crate) fn mark(&self, place: usize, state: u8) -> bool {
        self.states.get(place).is_some_and(|states| states.fetch_or(state, Ordering::AcqRel) & state != 0)
    }

    /// Whether a key is marked so.
    pub(crate) fn is(&self, place: usize, state: u8) -> bool {
        self.states.get(place).is_some_and(|states| states.load(Ordering::Acquire) & state != 0)
    }

    /// The places that are marked so.
    pub(crate) fn marked(&self, state: u8) -> impl Iterator<Item = usize> + '_ {
        (0..self.states.len()).filter(move |place| self.is(*place, state))
    }

    fn after(&self, slot: usize) -> usize {
        if slot.saturating_add(1) < self.slots.len() { slot + 1 } else { 0 }
    }

    /// Halves that are multiplied after they are hidden under secrets, twice.
    #[inline]
    fn hash(&self, key: u128) -> u64 {
        let [first, second] = self.seeds;
        let (low, high) = halves(key);
        folded(folded(low ^ first, high ^ second), second | 1)
    }

    /// A word of the filter, and which of its bits a key sets.
    #[inline]
    fn bits(&self, hash: u64) -> (usize, u64) {
        let bit = |shift: u32| 1u64 << ((hash >> shift) & 63);
        (scaled(hash, self.filter.len()), bit(0) | bit(6) | bit(12) | bit(18))
    }
}

#[inline]
fn halves(number: u128) -> (u64, u64) {
    let low = u64::try_from(number & u128::from(u64::MAX)).unwrap_or_default();
    (low, u64::try_from(number >> 64).unwrap_or_default())
}

#[inline]
fn folded(one: u64, other: u64) -> u64 {
    let (low, high) = halves(u128::from(one) * u128::from(other));
    low ^ high
}

/// A hash's leading bits as a place among so many.
#[inline]
fn scaled(hash: u64, places: usize) -> usize {
    let (_, place) = halves(u128::from(hash) * u128::try_from(places).unwrap_or_default());
    usize::try_from(place).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::tests::cases;

    proptest! {
        #![proptest_config(cases(100))]

        #[test]
        fn it_finds_what_was_put_in_and_nothing_else(
            keys in proptest::collection::vec(prop_oneof![0u128..200, any::<u128>(), (0u128..50).prop_map(|key| key << 64)], 0..300),
            others in proptest::collection::vec(prop_oneof![0u128..400, any::<u128>()], 0..300),
            seeds in any::<[u64; 2]>(),
        ) {
            let mut firsts = HashMap::new();
            let mut again = Vec::new();
            for (place, key) in keys.iter().enumerate() {
                if *firsts.entry(*key).or_insert(place) != place {
                    again.push(place);
                }
            }
            let (index, repeated) = KeyIndex::new(keys.clone(), seeds);
            prop_assert_eq!(repeated, again);
            for key in keys.iter().chain(&others) {
                prop_assert_eq!(index.find(*key), firsts.get(key).copied());
            }
        }
    }

    #[test]
    fn most_other_keys_do_not_pass_the_filter() {
        let (index, _) = KeyIndex::new((0..100_000u128).map(|key| key * 7).collect(), [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03]);
        let passed = (1_000_000u128..1_100_000).filter(|key| {
            let (word, bits) = index.bits(index.hash(*key));
            index.filter[word] & bits == bits
        });
        let passed = passed.count();
        assert!(passed < 3_000, "{passed} of 100,000");
    }

    #[test]
    fn marks_are_told_apart() {
        let (index, _) = KeyIndex::new(vec![7, 8, 9], [1, 2]);
        assert!(!index.mark(1, MATCHED) && index.mark(1, MATCHED) && !index.mark(1, UNCHANGED));
        assert!(!index.mark(2, UNCHANGED));
        assert_eq!(index.marked(MATCHED).collect::<Vec<_>>(), [1]);
        assert_eq!(index.marked(UNCHANGED).collect::<Vec<_>>(), [1, 2]);
        assert!(index.is(2, UNCHANGED) && !index.is(2, MATCHED) && !index.is(9, MATCHED));
    }
}
