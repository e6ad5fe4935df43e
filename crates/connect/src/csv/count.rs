//! Counts the records of a CSV stream by a state machine that shares nothing with the decoder.

use memchr::{memchr, memchr_iter};

use crate::block::RecordCounter;

/// How much is looked at together: small enough to stay in the fast cache.
const PIECE_BYTES: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Inside,
    Quotes,
    QuoteInQuotes,
}

/// Counts records: lines outside quotes that hold more than a line end.
#[derive(Debug)]
pub(crate) struct CsvCounter {
    delimiter: u8,
    quote: Option<u8>,
    place: Place,
    /// Bytes of the current record so far, and whether the only one is a carriage return.
    length: usize,
    only_return: bool,
    /// Whether the first record holds a delimiter. In a file of one column an empty line is a record: an empty value.
    wide: bool,
    records: u64,
}

impl CsvCounter {
    pub(crate) fn new(delimiter: u8, quote: Option<u8>) -> Self {
        Self { delimiter, quote, place: Place::Start, length: 0, only_return: false, wide: false, records: 0 }
    }

    fn line_end(&mut self) {
        let empty = self.length == 0 || (self.length == 1 && self.only_return);
        if !empty || (!self.wide && self.records > 0) {
            self.records += 1;
        }
        self.length = 0;
        self.only_return = false;
        self.place = Place::Start;
    }

    fn step(&mut self, byte: u8) {
        let quote = self.quote == Some(byte);
        if self.place != Place::Quotes && byte == b'\n' {
            self.line_end();
            return;
        }
        self.only_return = self.length == 0 && byte == b'\r';
        self.length = self.length.saturating_add(1);
        self.place = match self.place {
            Place::Quotes if quote => Place::QuoteInQuotes,
            Place::Quotes => Place::Quotes,
            Place::Start | Place::QuoteInQuotes if quote => Place::Quotes,
            _ if byte == self.delimiter => {
                self.wide |= self.records == 0;
                Place::Start
            }
            _ => Place::Inside,
        };
    }

    /// A piece without any quote, begun outside quotes: only its line feeds matter.
    fn lines(&mut self, piece: &[u8]) {
        let mut from = 0;
        for at in memchr_iter(b'\n', piece) {
            if self.length == 0 && at <= from + 1 {
                self.only_return = at == from + 1 && piece.get(from) == Some(&b'\r');
            } else if at > from {
                self.only_return = false;
            }
            self.length = self.length.saturating_add(at - from);
            self.line_end();
            from = at + 1;
        }
        let tail = piece.get(from..).unwrap_or_default();
        if let Some(last) = tail.last() {
            self.only_return = self.length == 0 && tail == b"\r";
            self.length = self.length.saturating_add(tail.len());
            self.place = if *last == self.delimiter { Place::Start } else { Place::Inside };
        }
    }
}

impl RecordCounter for CsvCounter {
    fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE_BYTES) {
            let plain = self.records > 0 && self.place != Place::Quotes && self.quote.is_none_or(|quote| memchr(quote, piece).is_none());
            if plain {
                self.lines(piece);
            } else {
                piece.iter().for_each(|byte| self.step(*byte));
            }
        }
    }

    fn finish(&mut self) -> u64 {
        if self.length > 0 {
            self.line_end();
        }
        self.records
    }
}
