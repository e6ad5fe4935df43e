//! Counts the records of an NDJSON stream: lines that hold more than white space.

use memchr::memchr_iter;

use crate::block::RecordCounter;

/// Counts lines by their line feeds.
#[derive(Debug, Default)]
pub(crate) struct LineCounter {
    /// Whether the current line holds more than white space.
    filled: bool,
    records: u64,
}

fn is_filled(piece: &[u8]) -> bool {
    piece.iter().any(|byte| !matches!(byte, b' ' | b'\t' | b'\r'))
}

impl RecordCounter for LineCounter {
    fn feed(&mut self, bytes: &[u8]) {
        let mut from = 0;
        for at in memchr_iter(b'\n', bytes) {
            let filled = self.filled || is_filled(bytes.get(from..at).unwrap_or_default());
            self.records += u64::from(filled);
            self.filled = false;
            from = at + 1;
        }
        self.filled = self.filled || is_filled(bytes.get(from..).unwrap_or_default());
    }

    fn finish(&mut self) -> u64 {
        self.records += u64::from(std::mem::take(&mut self.filled));
        self.records
    }
}
