//! Counts the records of a CSV stream by a state machine that shares nothing with the decoder.

use memchr::{memchr, memchr2};

use crate::block::RecordCounter;

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

    #[inline]
    fn line_end(&mut self) {
        let empty = self.length == 0 || (self.length == 1 && self.only_return);
        if !empty || (!self.wide && self.records > 0) {
            self.records += 1;
        }
        self.length = 0;
        self.only_return = false;
        self.place = Place::Start;
    }

    #[inline]
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

    /// Takes bytes outside quotes that hold neither a quote with a meaning nor a line feed.
    fn plain(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.only_return = self.length == 0 && bytes == b"\r";
        self.length = self.length.saturating_add(bytes.len());
        self.place = if *last == self.delimiter { Place::Start } else { Place::Inside };
    }

    /// Jumps from quote to quote and line feed to line feed.
    fn jump(&mut self, quote: u8, mut bytes: &[u8]) {
        while let Some(first) = bytes.first() {
            let at = if self.place == Place::Quotes {
                memchr(quote, bytes)
            } else if *first == quote || *first == b'\n' {
                Some(0)
            } else {
                memchr2(quote, b'\n', bytes)
            };
            let Some(at) = at else {
                if self.place == Place::Quotes {
                    self.length = self.length.saturating_add(bytes.len());
                } else {
                    self.plain(bytes);
                }
                return;
            };
            if self.place == Place::Quotes {
                self.length = self.length.saturating_add(at);
            } else {
                self.plain(bytes.get(..at).unwrap_or_default());
            }
            bytes = bytes.get(at..).unwrap_or_default();
            if let Some((byte, rest)) = bytes.split_first() {
                self.step(*byte);
                bytes = rest;
            }
        }
    }
}

impl RecordCounter for CsvCounter {
    fn feed(&mut self, mut bytes: &[u8]) {
        // Byte by byte until the first record says how wide the file is.
        while self.records == 0
            && let Some((byte, rest)) = bytes.split_first()
        {
            self.step(*byte);
            bytes = rest;
        }
        match self.quote {
            Some(quote) => self.jump(quote, bytes),
            None => {
                while let Some(at) = memchr(b'\n', bytes) {
                    self.plain(bytes.get(..at).unwrap_or_default());
                    self.line_end();
                    bytes = bytes.get(at + 1..).unwrap_or_default();
                }
                self.plain(bytes);
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
