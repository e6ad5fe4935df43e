//! Pages for keys: locked into memory, whole pages of their own, wiped before they are given back.

use std::sync::Arc;

use polder_types::Rng;
use zeroize::Zeroize;

use crate::error::Error;

const SLOTS_PER_PAGE: usize = 128;
const PAGE_LEN: usize = SLOTS_PER_PAGE * 32;

/// Aligned to the smallest page of any supported processor, so that nothing else lies on a page that is locked here.
#[repr(C, align(4096))]
struct Page([[u8; 32]; SLOTS_PER_PAGE]);

/// Room for 32-byte keys. Has no `Debug`, no `Clone`, and no way to be written to disk.
pub(crate) struct Locked {
    // Dropped (unlocked) after `Drop::drop` wiped the pages and before they are freed.
    guard: Option<region::LockGuard>,
    pages: Vec<Page>,
}

impl Locked {
    /// Zeroed room for `keys` keys.
    ///
    /// # Errors
    /// When the operating system does not lock that much memory: keys that may be swapped out are not held at all.
    pub(crate) fn new(keys: usize) -> Result<Self, Error> {
        let pages: Vec<Page> = (0..keys.div_ceil(SLOTS_PER_PAGE).max(1)).map(|_| Page([[0; 32]; SLOTS_PER_PAGE])).collect();
        let bytes = pages.len().saturating_mul(PAGE_LEN);
        let guard = region::lock(pages.as_ptr(), bytes).map_err(|source| Error::MemoryLock { bytes, source: Box::new(source) })?;
        Ok(Self { guard: Some(guard), pages })
    }

    fn get(&self, slot: usize) -> Option<&[u8; 32]> {
        self.pages.get(slot / SLOTS_PER_PAGE)?.0.get(slot % SLOTS_PER_PAGE)
    }

    /// The place of one key, to be filled.
    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut [u8; 32]> {
        self.pages.get_mut(slot / SLOTS_PER_PAGE)?.0.get_mut(slot % SLOTS_PER_PAGE)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        for page in &mut self.pages {
            page.0.zeroize();
        }
        // Where pages are larger than ours, unlocking could unlock a neighbour's keys: these stay locked instead.
        if rustix::param::page_size() > PAGE_LEN
            && let Some(guard) = self.guard.take()
        {
            std::mem::forget(guard);
        }
    }
}

/// A 32-byte key in locked memory. Cheap to clone: clones name the same bytes, which are wiped when the last is gone. A holder
/// drops it when its operation ends, since a lease that is lost cannot take it back.
#[derive(Clone)]
pub struct DatasetKey {
    pages: Arc<Locked>,
    slot: usize,
}

impl DatasetKey {
    /// The key's bytes. Each use stands out in a review.
    pub fn expose(&self) -> &[u8; 32] {
        match self.pages.get(self.slot) {
            Some(key) => key,
            // `at` is the only constructor and checked the slot; a made-up key must never be used in its stead.
            None => std::process::abort(),
        }
    }

    /// The key in a slot.
    pub(crate) fn at(pages: &Arc<Locked>, slot: usize) -> Option<Self> {
        pages.get(slot)?;
        Some(Self { pages: Arc::clone(pages), slot })
    }

    /// A copy of 32 bytes, whose own copy the caller wipes.
    pub(crate) fn copied(bytes: &[u8; 32]) -> Result<Self, Error> {
        Self::filled(|slot| {
            *slot = *bytes;
            Ok(())
        })
    }

    /// A new random key, made in its place.
    ///
    /// # Errors
    /// When there is no randomness, or the operating system locks no memory.
    pub fn random(rng: &dyn Rng) -> Result<Self, Error> {
        Self::filled(|slot| Ok(rng.fill(slot)?))
    }

    /// A key that `fill` writes in its place.
    pub(crate) fn filled(fill: impl FnOnce(&mut [u8; 32]) -> Result<(), Error>) -> Result<Self, Error> {
        let mut pages = Locked::new(1)?;
        if let Some(slot) = pages.get_mut(0) {
            fill(slot)?;
        }
        Ok(Self { pages: Arc::new(pages), slot: 0 })
    }
}

#[cfg(test)]
mod tests {
    use polder_types::SeededRng;

    use super::*;

    /// Whether the kernel holds the mapping of an address in memory.
    fn is_locked<T>(at: *const T) -> bool {
        let at = at as usize;
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut here = false;
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let first = words.next().unwrap();
            if let Some(flags) = line.strip_prefix("VmFlags:") {
                if here {
                    return flags.split_whitespace().any(|flag| flag == "lo");
                }
            } else if let Some((from, to)) = first.split_once('-') {
                let parse = |text| usize::from_str_radix(text, 16).unwrap();
                here = (parse(from)..parse(to)).contains(&at);
            }
        }
        panic!("the address is not mapped");
    }

    #[test]
    fn keys_lie_on_locked_pages_of_their_own() {
        let mut many = Locked::new(SLOTS_PER_PAGE + 1).unwrap();
        assert_eq!((many.pages.as_ptr() as usize % PAGE_LEN, size_of::<Page>()), (0, PAGE_LEN));
        many.get_mut(SLOTS_PER_PAGE).unwrap()[0] = 1;
        assert!(is_locked(&raw const many.pages[0]) && is_locked(&raw const many.pages[1].0[0]));
        assert!(many.get_mut(2 * SLOTS_PER_PAGE).is_none());
        let control = Box::new(Page([[1; 32]; SLOTS_PER_PAGE]));
        assert!(!is_locked(&raw const *control));
    }

    #[test]
    fn clones_name_the_same_bytes() {
        let key = DatasetKey::random(&SeededRng::new(1)).unwrap();
        let clone = key.clone();
        assert!(std::ptr::eq(key.expose(), clone.expose()));
        assert_ne!(key.expose(), &[0; 32]);
        assert!(DatasetKey::at(&key.pages, SLOTS_PER_PAGE).is_none());
    }
}
