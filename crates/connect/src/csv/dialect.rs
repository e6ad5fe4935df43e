//! Dialects of CSV: what the plain one does not have (an escape character, comments, lines before the header, a delimiter behind the last
//! field) is rewritten before the decoder and the counter see it.

use crate::connection::Dataset;
use crate::error::Error;
use crate::stream::Stage;
use polder_types::limit::RECORD_MAX_BYTES;

/// Stands for the quote where the dataset has none and an escape needs one: no text begins with it.
const UNUSED_QUOTE: u8 = 1;

/// The quote that the decoder is to know: with an escape character there is always one.
pub(crate) fn quote(dataset: &Dataset) -> Option<u8> {
    dataset.quote.or(dataset.escape.map(|_| UNUSED_QUOTE))
}

/// Where the bytes stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a line that is stepped over.
    Skipped,
    LineStart,
    FieldStart,
    Plain,
    Quoted,
    /// After a quote in a quoted field.
    QuoteInQuotes,
    /// After text behind a closing quote, where nothing but the field's end has a meaning.
    Bad,
}

/// Rewrites a dialect into the plain one.
pub(crate) struct Dialect {
    delimiter: u8,
    /// None where the dataset has no quote.
    quote: Option<u8>,
    out_quote: u8,
    escape: Option<u8>,
    comment: Option<u8>,
    trailing: bool,
    /// Lines still to be stepped over.
    skip: u32,
    place: Place,
    escaped: bool,
    /// A plain field that is being read, where it may turn out to need quotes.
    field: Vec<u8>,
    quotes_needed: bool,
    /// Whether the field is longer than a record may be, and goes out in quotes as it comes.
    long: bool,
    /// Whether the field's last byte is a carriage return without an escape, which belongs to a line end behind it.
    with_return: bool,
    /// A delimiter that may be the last one of its line, and a carriage return behind it.
    held: Option<bool>,
}

impl Dialect {
    /// None where the dataset's dialect is the plain one.
    pub(crate) fn new(dataset: &Dataset) -> Option<Self> {
        let plain = dataset.escape.is_none() && dataset.comment.is_none() && !dataset.trailing_delimiter && dataset.skip_rows == 0;
        (!plain).then(|| Self {
            delimiter: dataset.delimiter,
            quote: dataset.quote,
            out_quote: dataset.quote.unwrap_or(UNUSED_QUOTE),
            escape: dataset.escape,
            comment: dataset.comment,
            trailing: dataset.trailing_delimiter,
            skip: dataset.skip_rows,
            place: if dataset.skip_rows > 0 { Place::Skipped } else { Place::LineStart },
            escaped: false,
            field: Vec::new(),
            quotes_needed: false,
            long: false,
            with_return: false,
            held: None,
        })
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.escaped) {
            return self.after_escape(byte, out);
        }
        match self.place {
            Place::Skipped => {
                if byte == b'\n' {
                    self.skip = self.skip.saturating_sub(1);
                    self.place = if self.skip > 0 { Place::Skipped } else { Place::LineStart };
                }
            }
            Place::Quoted => {
                if self.escape == Some(byte) {
                    self.escaped = true;
                    return;
                }
                if self.quote == Some(byte) {
                    self.place = Place::QuoteInQuotes;
                }
                out.push(byte);
            }
            Place::LineStart if self.comment == Some(byte) => {
                self.skip = 1;
                self.place = Place::Skipped;
            }
            _ => self.outside(byte, out),
        }
    }

    /// A byte outside quotes.
    fn outside(&mut self, byte: u8, out: &mut Vec<u8>) {
        if byte == self.delimiter || byte == b'\n' {
            self.end_field(byte == b'\n', out);
            self.place = if byte == b'\n' { Place::LineStart } else { Place::FieldStart };
            if byte == b'\n' {
                self.line_end(out);
            } else {
                self.release(out);
                self.held = self.trailing.then_some(false);
                if !self.trailing {
                    out.push(byte);
                }
            }
            return;
        }
        if byte == b'\r' && self.held == Some(false) && self.field.is_empty() {
            self.held = Some(true);
            return;
        }
        self.release(out);
        let quote = self.quote == Some(byte);
        let behind = matches!(self.place, Place::QuoteInQuotes | Place::Bad);
        // Behind a closing quote an escape would hide a field's or a line's end: the field is wrong there, and ends where it ends.
        if self.escape == Some(byte) && !behind {
            self.escaped = true;
            return;
        }
        match self.place {
            Place::LineStart | Place::FieldStart if quote => {
                self.place = Place::Quoted;
                out.push(byte);
            }
            Place::QuoteInQuotes => {
                self.place = if quote { Place::Quoted } else { Place::Bad };
                out.push(byte);
            }
            Place::Bad => out.push(byte),
            _ => {
                self.place = Place::Plain;
                self.keep(byte, out);
                self.with_return = byte == b'\r';
            }
        }
    }

    /// The byte behind an escape character: what has a meaning loses it, and before anything else the escape is a byte like others.
    fn after_escape(&mut self, byte: u8, out: &mut Vec<u8>) {
        let special = byte == self.delimiter || matches!(byte, b'\n' | b'\r') || Some(byte) == self.quote || Some(byte) == self.escape;
        if self.place == Place::Quoted {
            if !special {
                out.extend(self.escape);
            }
            if Some(byte) == self.quote {
                out.push(byte);
            }
            out.push(byte);
            return;
        }
        self.place = Place::Plain;
        if special {
            self.quotes_needed = true;
        } else if let Some(escape) = self.escape {
            self.keep(escape, out);
        }
        self.keep(byte, out);
    }

    /// A byte of a plain field.
    fn keep(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.with_return = false;
        if self.escape.is_none() {
            out.push(byte);
            return;
        }
        self.field.push(byte);
        if self.long {
            self.quoted(out);
        } else if self.field.len() > RECORD_MAX_BYTES {
            // Its record is refused, whatever it says; but the escapes in it must not end it.
            self.long = true;
            out.push(self.out_quote);
            self.quoted(out);
        }
    }

    /// What the field holds so far, as it stands in quotes.
    fn quoted(&mut self, out: &mut Vec<u8>) {
        for byte in self.field.drain(..) {
            if byte == self.out_quote {
                out.push(byte);
            }
            out.push(byte);
        }
    }

    fn end_field(&mut self, line: bool, out: &mut Vec<u8>) {
        let with_return = std::mem::take(&mut self.with_return) && line;
        let long = std::mem::take(&mut self.long);
        let needed = std::mem::take(&mut self.quotes_needed) || (self.quote.is_none() && self.field.first() == Some(&self.out_quote));
        if long {
            out.push(self.out_quote);
        } else if needed {
            if with_return {
                self.field.pop();
            }
            out.push(self.out_quote);
            self.quoted(out);
            out.push(self.out_quote);
            if with_return {
                out.push(b'\r');
            }
        } else {
            out.append(&mut self.field);
        }
    }

    /// What was held back is no end of a line.
    fn release(&mut self, out: &mut Vec<u8>) {
        if let Some(with_return) = self.held.take() {
            out.push(self.delimiter);
            if with_return {
                out.push(b'\r');
            }
        }
    }

    fn line_end(&mut self, out: &mut Vec<u8>) {
        if self.held.take() == Some(true) {
            out.push(b'\r');
        }
        out.push(b'\n');
    }
}

impl Stage for Dialect {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        bytes.iter().for_each(|byte| self.step(*byte, out));
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if std::mem::take(&mut self.escaped)
            && let Some(escape) = self.escape
        {
            if self.place == Place::Quoted { out.push(escape) } else { self.keep(escape, out) }
        }
        self.end_field(true, out);
        // A delimiter at the end of the file ends its last line too.
        self.held = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Connection;

    fn rewritten(keys: &str, text: &str, step: usize) -> String {
        let yaml = format!("type: csv\npath: d\ndatasets:\n  f: {{{keys}}}\n");
        let connection = Connection::parse(&yaml, "s.yaml").unwrap();
        let mut dialect = Dialect::new(connection.dataset("f").unwrap()).unwrap();
        let mut out = Vec::new();
        text.as_bytes().chunks(step).for_each(|chunk| dialect.push(chunk, &mut out).unwrap());
        dialect.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dialects_become_the_plain_one_however_they_are_cut() {
        let escape = r#"escape: "\\""#;
        for (keys, text, plain) in [
            ("skip_rows: 2", "Report \"of\n2013\na,b\n1,2\n", "a,b\n1,2\n"),
            ("comment: \"#\"", "# \"x\na,b\n#y\n1,#2\n\"\n#3\",4\n#z", "a,b\n1,#2\n\"\n#3\",4\n"),
            ("trailing_delimiter: true", "a,b,\r\n1,,\n\"x,\",2,\n,,", "a,b\r\n1,\n\"x,\",2\n,"),
            ("trailing_delimiter: true", "a,b\n1,\r2,\n", "a,b\n1,\r2\n"),
            (escape, "a,\"b\\\"c\\\\d\\e\"\n", "a,\"b\"\"c\\d\\e\"\n"),
            (escape, "a\\,b,c\\\nd,\\N,e\\\\\n", "\"a,b\",\"c\nd\",\\N,\"e\\\"\n"),
            (escape, "\"a\"\"b\",x\\\"y\n\\", "\"a\"\"b\",\"x\"\"y\"\n\\"),
            (escape, "\"a\"\\,b,c\n\"a\"\\\nb,2,3\n", "\"a\"\\,b,c\n\"a\"\\\nb,2,3\n"),
            (escape, "\"a\"x\\,\\\"b\"\n\"a\"\\\"\\,b\n", "\"a\"x\\,\"\"\"b\"\"\"\n\"a\"\\\"\\,b\n"),
            (escape, "a,b\\,c\r\nd,e\\,f\\\r\ng\\,\r,h\\,\r", "a,\"b,c\"\r\nd,\"e,f\r\"\n\"g,\r\",\"h,\"\r"),
            (r#"escape: "\\", quote: "", delimiter: "\t""#, "a\\\tb\t\"c\n\u{1}d\n", "\u{1}a\tb\u{1}\t\"c\n\u{1}\u{1}\u{1}d\u{1}\n"),
        ] {
            for step in [1, 2, 3, 1000] {
                assert_eq!(rewritten(keys, text, step), plain, "{keys}: {text:?} by {step}");
            }
        }
    }
}
