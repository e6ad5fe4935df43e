//! Where fields and records end: 64 bytes at a time, as bit masks.
//!
//! The grammar, which [`super::count`] follows by other means: a quote opens a quoted field only where a field begins;
//! inside, two quotes are one; after the closing quote anything but a delimiter or line end makes the rest of the
//! field plain (and the record malformed). A line feed outside quotes ends the record.

use wide::u8x16;

/// Between which bytes a scan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    FieldStart,
    Plain,
    Quoted,
    /// A quote was just read inside a quoted field: its end, or the first of two.
    AfterQuote,
}

/// The bytes with a meaning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    pub delimiter: u8,
    pub quote: Option<u8>,
}

/// The ends found in one block.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Offsets of each delimiter and line feed that ends a field. The first entry is a sentinel: one before the block.
    ends: Vec<u32>,
    /// For each record, how many entries of `ends` lie before or at its line feed. The first entry is 1, for the sentinel.
    records: Vec<u32>,
    filled: usize,
    /// Places in `ends` of the fields that begin with a quote: all others are plain slices.
    quoted: Vec<u32>,
}

/// Entries written at once; bits of one mask.
const LANES: usize = 64;

struct Masks {
    ends: u64,
    lines: u64,
    quotes: u64,
}

struct Splat {
    delimiter: u8x16,
    line: u8x16,
    quote: Option<u8x16>,
}

impl Splat {
    fn new(dialect: Dialect) -> Self {
        Self { delimiter: u8x16::splat(dialect.delimiter), line: u8x16::splat(b'\n'), quote: dialect.quote.map(u8x16::splat) }
    }

    #[inline(always)]
    fn masks(&self, bytes: &[u8; LANES]) -> Masks {
        let (mut delimiters, mut lines, mut quotes) = (0u64, 0u64, 0u64);
        let (parts, _) = bytes.as_chunks::<16>();
        for (lane, part) in parts.iter().enumerate() {
            let vector = u8x16::new(*part);
            let shift = lane * 16;
            delimiters |= u64::from(vector.simd_eq(self.delimiter).to_bitmask()) << shift;
            lines |= u64::from(vector.simd_eq(self.line).to_bitmask()) << shift;
            if let Some(quote) = self.quote {
                quotes |= u64::from(vector.simd_eq(quote).to_bitmask()) << shift;
            }
        }
        Masks { ends: delimiters | lines, lines, quotes }
    }
}

/// Bit i of the result is the parity of bits 0..=i.
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// What one mask's bytes mean once quotes are taken into account.
struct Outside {
    /// Ends outside quotes.
    ends: u64,
    /// Quotes that open a field.
    opened: u64,
    /// Where the scan stands after these bytes.
    next: State,
}

#[inline]
fn outside_quotes(masks: &Masks, state: State, len: usize) -> Outside {
    let inside_before = if state == State::Quoted { u64::MAX } else { 0 };
    // Bit i: whether byte i lies inside quotes, the opening quote included.
    let inside = prefix_xor(masks.quotes) ^ inside_before;
    let openings = masks.quotes & inside;
    let before_first = u64::from(matches!(state, State::FieldStart | State::AfterQuote));
    let may_open = ((masks.ends | masks.quotes) << 1) | before_first;
    let valid = if len == LANES { u64::MAX } else { (1 << len) - 1 };
    if openings & !may_open & valid != 0 {
        return one_by_one(masks, state, len);
    }
    let last = 1u64 << (len - 1);
    let next = if inside & last != 0 {
        State::Quoted
    } else if masks.quotes & last != 0 {
        State::AfterQuote
    } else if masks.ends & last != 0 {
        State::FieldStart
    } else {
        State::Plain
    };
    let ends = masks.ends & !inside;
    let opened = openings & ((ends << 1) | u64::from(state == State::FieldStart));
    Outside { ends, opened, next }
}

/// The same for bytes where a quote stands in the middle of a plain field.
fn one_by_one(masks: &Masks, mut state: State, len: usize) -> Outside {
    let (mut ends, mut opened) = (0, 0);
    for position in 0..len {
        let bit = 1u64 << position;
        let quote = masks.quotes & bit != 0;
        let end = masks.ends & bit != 0;
        state = match (state, quote, end) {
            (State::Quoted, true, _) => State::AfterQuote,
            (State::Quoted, false, _) => State::Quoted,
            (State::FieldStart, true, _) => {
                opened |= bit;
                State::Quoted
            }
            (State::AfterQuote, true, _) => State::Quoted,
            (_, _, true) => {
                ends |= bit;
                State::FieldStart
            }
            _ => State::Plain,
        };
    }
    Outside { ends, opened, next: state }
}

impl Index {
    /// Indexes a block that begins at a field's start. Says where the scan stands at its end.
    pub(crate) fn scan(&mut self, bytes: &[u8], dialect: Dialect) -> State {
        let splat = Splat::new(dialect);
        self.records.clear();
        self.records.push(1);
        if self.ends.is_empty() {
            self.ends.push(u32::MAX);
        }
        self.filled = 1;
        self.quoted.clear();
        let mut state = State::FieldStart;
        let mut at = 0u32;
        let (chunks, rest) = bytes.as_chunks::<LANES>();
        for chunk in chunks {
            state = self.take(&splat, chunk, LANES, at, state);
            at = at.wrapping_add(64);
        }
        if !rest.is_empty() {
            let mut padded = [0u8; LANES];
            for (to, from) in padded.iter_mut().zip(rest) {
                *to = *from;
            }
            // Padding must not look like a delimiter: a mask cuts it off.
            state = self.take(&splat, &padded, rest.len(), at, state);
        }
        state
    }

    #[inline(always)]
    fn take(&mut self, splat: &Splat, chunk: &[u8; LANES], len: usize, at: u32, state: State) -> State {
        let mut masks = splat.masks(chunk);
        if len < LANES {
            let valid = (1u64 << len) - 1;
            masks.ends &= valid;
            masks.lines &= valid;
            masks.quotes &= valid;
        }
        let mut next = State::Plain;
        let mut ends = masks.ends;
        if masks.quotes != 0 || matches!(state, State::Quoted) {
            let outside = outside_quotes(&masks, state, len);
            (ends, next) = (outside.ends, outside.next);
            let base = self.base();
            let mut opened = outside.opened;
            while opened != 0 {
                let low = opened & opened.wrapping_neg();
                self.quoted.push(base + (ends & (low - 1)).count_ones());
                opened ^= low;
            }
        } else if masks.ends & (1 << (len - 1)) != 0 {
            next = State::FieldStart;
        }
        let count = ends.count_ones();
        let mut lines = masks.lines & ends;
        let base = self.base();
        while lines != 0 {
            let low = lines & lines.wrapping_neg();
            let before = (ends & (low | (low - 1))).count_ones();
            self.records.push(base + before);
            lines ^= low;
        }
        if self.ends.len() < self.filled + LANES {
            self.ends.resize((self.filled + LANES) * 2, 0);
        }
        if let Some((room, _)) = self.ends.get_mut(self.filled..).and_then(<[u32]>::split_first_chunk_mut::<LANES>) {
            // Eight at a time whether there are as many or not: what lies beyond the count is written over later.
            let (eights, _) = room.as_chunks_mut::<8>();
            for eight in eights {
                for slot in eight {
                    *slot = at.wrapping_add(ends.trailing_zeros());
                    ends &= ends.wrapping_sub(1);
                }
                if ends == 0 {
                    break;
                }
            }
        }
        self.filled += count as usize;
        next
    }

    /// Entries so far. A block is far shorter than `u32` counts.
    fn base(&self) -> u32 {
        u32::try_from(self.filled).unwrap_or(u32::MAX)
    }

    /// How many complete records the block holds.
    pub(crate) fn len(&self) -> usize {
        self.records.len() - 1
    }

    /// The entries of `ends` before the first of record `from`, and after the last of record `to - 1`; the first entry is the end before them.
    pub(crate) fn ends(&self, from: usize, to: usize) -> &[u32] {
        let (Some(first), Some(last)) = (self.records.get(from), self.records.get(to)) else { return &[] };
        self.ends.get(*first as usize - 1..*last as usize).unwrap_or_default()
    }

    /// Whether records `from..to` all have that many fields.
    pub(crate) fn uniform(&self, from: usize, to: usize, fields: u32) -> bool {
        let Some(range) = self.records.get(from..=to) else { return false };
        range.iter().zip(range.iter().skip(1)).fold(true, |all, (before, after)| all & (after - before == fields))
    }

    /// Which of `width` fields begin with a quote in some of records `from..to`, all of which have that many fields.
    pub(crate) fn quoted_fields(&self, from: usize, to: usize, width: u32) -> Vec<bool> {
        let mut quoted = vec![false; width as usize];
        let (Some(first), Some(last)) = (self.records.get(from), self.records.get(to)) else { return quoted };
        let low = self.quoted.partition_point(|place| place < first);
        let high = self.quoted.partition_point(|place| place < last);
        for place in self.quoted.get(low..high).unwrap_or_default() {
            if let Some(flag) = (place - first).checked_rem(width).and_then(|field| quoted.get_mut(field as usize)) {
                *flag = true;
            }
        }
        quoted
    }

    /// The byte offset just after record `number - 1`, 0 for the block's start.
    pub(crate) fn record_end(&self, number: usize) -> usize {
        let last = self.records.get(number).and_then(|count| self.ends.get(*count as usize - 1)).copied().unwrap_or(u32::MAX);
        last.wrapping_add(1) as usize
    }
}

/// Finds the end of the record that a scan stands in, without keeping anything: the offset after its line feed, or the state at the end.
pub(crate) fn skip_record(bytes: &[u8], dialect: Dialect, mut state: State) -> Result<usize, State> {
    let splat = Splat::new(dialect);
    for (number, chunk) in bytes.chunks(LANES).enumerate() {
        let mut padded = [0u8; LANES];
        for (to, from) in padded.iter_mut().zip(chunk) {
            *to = *from;
        }
        let mut masks = splat.masks(&padded);
        let valid = if chunk.len() == LANES { u64::MAX } else { (1u64 << chunk.len()) - 1 };
        masks.ends &= valid;
        masks.lines &= valid;
        masks.quotes &= valid;
        let outside = outside_quotes(&masks, state, chunk.len());
        let lines = masks.lines & outside.ends;
        if lines != 0 {
            return Ok(number * LANES + lines.trailing_zeros() as usize + 1);
        }
        state = outside.next;
    }
    Err(state)
}
