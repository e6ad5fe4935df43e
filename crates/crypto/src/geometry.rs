//! Where the bytes are. One constant segment size, so that lengths and ranges are known without reading.

use std::ops::Range;

/// Bytes of Polder's own header.
pub const HEADER_LEN: usize = 128;
/// Bytes of Tink's streaming header: length byte, salt, nonce prefix.
pub const TINK_HEADER_LEN: usize = 40;
/// Both headers: what is written first, and what [`crate::Opener::new`] wants.
pub const PREFIX_LEN: usize = HEADER_LEN + TINK_HEADER_LEN;
/// Bytes of a ciphertext segment, its tag included. The first one also carries Tink's header.
pub const SEGMENT_LEN: usize = 65_536;
/// Bytes of a segment's authentication tag.
pub const TAG_LEN: usize = 16;

const HEADER: u64 = HEADER_LEN as u64;
const TINK: u64 = TINK_HEADER_LEN as u64;
const SEGMENT: u64 = SEGMENT_LEN as u64;
const TAG: u64 = TAG_LEN as u64;

/// Plaintext bytes that the first segment takes.
pub(crate) const FIRST_PLAIN: usize = SEGMENT_LEN - TINK_HEADER_LEN - TAG_LEN;
/// Plaintext bytes that every other segment takes.
pub(crate) const OTHER_PLAIN: usize = SEGMENT_LEN - TAG_LEN;
const FIRST: u64 = FIRST_PLAIN as u64;
const OTHER: u64 = OTHER_PLAIN as u64;
/// Tink counts segments in 32 bits; one fewer is used, so that the count fits too.
const SEGMENTS_MAX: u64 = u32::MAX as u64;

/// The layout of one object, from its sealed length alone. What it says is a claim until the last segment was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    sealed: u64,
    plain: u64,
    last: u32,
}

impl Geometry {
    /// `None` when no sealer writes an object of this length.
    pub(crate) fn new(sealed: u64) -> Option<Self> {
        let tink = sealed.checked_sub(HEADER)?;
        let segments = tink.div_ceil(SEGMENT);
        let last_len = tink.checked_sub(SEGMENT.checked_mul(segments.checked_sub(1)?)?)?;
        // A sealer never ends with an empty segment, but for the only one of an empty object.
        let least = if segments == 1 { TINK + TAG } else { TAG + 1 };
        if last_len < least || segments > SEGMENTS_MAX {
            return None;
        }
        let plain = tink.checked_sub(TINK)?.checked_sub(TAG.checked_mul(segments)?)?;
        Some(Self { sealed, plain, last: u32::try_from(segments - 1).ok()? })
    }

    pub(crate) fn plain_len(&self) -> u64 {
        self.plain
    }

    pub(crate) fn sealed_len(&self) -> u64 {
        self.sealed
    }

    /// The last segment's index.
    pub(crate) fn last(&self) -> u32 {
        self.last
    }

    /// The sealed bytes of one segment: neither of the headers is among them. Empty past the end.
    pub(crate) fn sealed_segment(&self, index: u32) -> Range<u64> {
        if index > self.last {
            return self.sealed..self.sealed;
        }
        let start = if index == 0 { HEADER + TINK } else { HEADER + u64::from(index) * SEGMENT };
        start..(HEADER + (u64::from(index) + 1) * SEGMENT).min(self.sealed)
    }

    /// The plaintext bytes of one segment. Empty past the end.
    pub(crate) fn plain_segment(&self, index: u32) -> Range<u64> {
        if index > self.last {
            return self.plain..self.plain;
        }
        let start = if index == 0 { 0 } else { FIRST + (u64::from(index) - 1) * OTHER };
        start..(FIRST + u64::from(index) * OTHER).min(self.plain)
    }

    /// Which segment holds the plaintext byte at `offset`, which lies before the end.
    fn segment_of(offset: u64) -> u32 {
        let index = if offset < FIRST { 0 } else { 1 + (offset - FIRST) / OTHER };
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// The segments that cover a range of plaintext, cut at the end. Empty for an empty range.
    pub(crate) fn segments_for(&self, plain: &Range<u64>) -> Range<u32> {
        let end = plain.end.min(self.plain);
        if plain.start >= end {
            return 0..0;
        }
        Self::segment_of(plain.start)..Self::segment_of(end - 1).saturating_add(1)
    }

    /// The sealed bytes of adjacent segments.
    pub(crate) fn sealed_range(&self, segments: &Range<u32>) -> Range<u64> {
        match segments.end.checked_sub(1) {
            Some(last) if segments.start < segments.end => self.sealed_segment(segments.start).start..self.sealed_segment(last).end,
            _ => 0..0,
        }
    }

    /// The plaintext bytes of adjacent segments.
    pub(crate) fn plain_range(&self, segments: &Range<u32>) -> Range<u64> {
        match segments.end.checked_sub(1) {
            Some(last) if segments.start < segments.end => self.plain_segment(segments.start).start..self.plain_segment(last).end,
            _ => 0..0,
        }
    }
}

/// Plaintext bytes of a sealed object of `sealed_len` bytes, both headers included. `None` when no sealer writes that length.
/// A claim of whoever told the length, until an [`crate::Opener`] authenticated it.
pub fn plain_len(sealed_len: u64) -> Option<u64> {
    Geometry::new(sealed_len).map(|geometry| geometry.plain_len())
}

/// Bytes of a sealed object, both headers included, that holds `plain_len` bytes. Saturates at what no object can have.
pub fn sealed_len(plain_len: u64) -> u64 {
    let others = plain_len.saturating_sub(FIRST).div_ceil(OTHER);
    (HEADER + TINK).saturating_add(plain_len).saturating_add(TAG.saturating_mul(others + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_at_the_boundaries() {
        assert_eq!(sealed_len(0), 184);
        assert_eq!(sealed_len(FIRST), HEADER + SEGMENT);
        assert_eq!(sealed_len(FIRST + 1), HEADER + SEGMENT + 17);
        assert_eq!(sealed_len(FIRST + OTHER), HEADER + 2 * SEGMENT);
        for bad in [0, 127, 128, 167, 168, 183, HEADER + SEGMENT + 1, HEADER + SEGMENT + 16, HEADER + 3 * SEGMENT + 16] {
            assert_eq!(plain_len(bad), None, "{bad}");
        }
        assert_eq!(plain_len(u64::MAX), None);
    }

    proptest! {
        #[test]
        fn lengths_invert(plain in 0u64..(1 << 46)) {
            prop_assert_eq!(plain_len(sealed_len(plain)), Some(plain));
        }

        #[test]
        fn a_sealed_length_has_one_plain_length(sealed in 0u64..2_000_000) {
            if let Some(plain) = plain_len(sealed) {
                prop_assert_eq!(sealed_len(plain), sealed);
            }
        }

        #[test]
        fn segments_cover_exactly(plain in 1u64..2_000_000, a in 0u64..2_000_000, b in 0u64..2_000_000) {
            let geometry = Geometry::new(sealed_len(plain)).unwrap();
            let wanted = a.min(b)..a.max(b).min(plain);
            let segments = geometry.segments_for(&wanted);
            if wanted.start < wanted.end {
                let covered = geometry.plain_range(&segments);
                prop_assert!(covered.start <= wanted.start && covered.end >= wanted.end);
                prop_assert!(geometry.plain_segment(segments.start).end > wanted.start);
                prop_assert!(geometry.plain_segment(segments.end - 1).start < wanted.end);
            } else {
                prop_assert!(segments.is_empty());
            }
            let mut sealed_at = PREFIX_LEN as u64;
            let mut plain_at = 0;
            for index in 0..=geometry.last() {
                let sealed = geometry.sealed_segment(index);
                let plain = geometry.plain_segment(index);
                prop_assert_eq!(sealed.start, sealed_at);
                prop_assert_eq!(plain.start, plain_at);
                prop_assert_eq!(sealed.end - sealed.start, plain.end - plain.start + TAG);
                (sealed_at, plain_at) = (sealed.end, plain.end);
            }
            prop_assert_eq!(sealed_at, geometry.sealed_len());
            prop_assert_eq!(plain_at, geometry.plain_len());
        }
    }
}
