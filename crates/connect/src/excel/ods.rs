//! The cells of an OpenDocument sheet, which may say of one that it stands there a million times: what would be held is counted first.

use polder_types::limit::RECORD_MAX_BYTES;

use super::package::{HELD_MAX, TEXT_MAX_BYTES, TOO_MUCH_TEXT};

/// Widest sheet.
const COLUMNS_MAX: u64 = 16_384;
const ROWS_MAX: u64 = 1 << 20;
/// Attributes whose values are held with each cell.
const HELD_ATTRIBUTES: [&[u8]; 4] = [b"office:string-value", b"office:date-value", b"office:time-value", b"table:formula"];
/// Longest start tag that is looked at for its repetitions; a longer one is refused.
const TAG_MAX_BYTES: usize = 1 << 20;

/// Counts cells as they would be held.
#[derive(Default)]
pub(super) struct Cells {
    state: State,
    tag: Vec<u8>,
    since: usize,
    /// Cells of the row so far, and up to the last one that holds something.
    row: u64,
    row_filled: u64,
    repeat_rows: u64,
    rows: u64,
    held: u64,
    widest: u64,
    last_row: u64,
    /// Inside a cell: how often it stands there, and the text of it so far.
    cell: Option<(u64, u64)>,
    /// Text of the row so far and of all before it, with all repetitions.
    row_text: u64,
    held_text: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Tag(Option<u8>),
    Comment,
    Cdata,
}

impl Cells {
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        for byte in bytes {
            self.since += 1;
            if self.since > RECORD_MAX_BYTES {
                return Err("a tag or text in it is longer than 16 MiB");
            }
            self.step(*byte)?;
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<(), &'static str> {
        match self.state {
            State::Text => {
                if byte == b'<' {
                    self.add_text(self.since.saturating_sub(1));
                    self.tag.clear();
                    (self.since, self.state) = (0, State::Tag(None));
                }
            }
            State::Tag(Some(quote)) => {
                self.keep(byte)?;
                if byte == quote {
                    self.state = State::Tag(None);
                }
            }
            State::Tag(None) => {
                if byte == b'>' {
                    (self.since, self.state) = (0, State::Text);
                    return self.tag();
                }
                self.keep(byte)?;
                self.state = match self.tag.as_slice() {
                    b"!--" => State::Comment,
                    b"![CDATA[" => State::Cdata,
                    tag if matches!(byte, b'"' | b'\'') && !tag.starts_with(b"!") && !tag.starts_with(b"?") => State::Tag(Some(byte)),
                    _ => State::Tag(None),
                };
            }
            State::Comment | State::Cdata => {
                let end: &[u8] = if self.state == State::Comment { b"--" } else { b"]]" };
                if byte == b'>' && self.tag.ends_with(end) {
                    if self.state == State::Cdata {
                        self.add_text(self.since);
                    }
                    (self.since, self.state) = (0, State::Text);
                } else {
                    // Of what is inside only its end matters.
                    if self.tag.len() > 16 {
                        self.tag.drain(..14);
                    }
                    self.tag.push(byte);
                }
            }
        }
        Ok(())
    }

    fn add_text(&mut self, bytes: usize) {
        if let Some((_, text)) = &mut self.cell {
            *text = text.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        }
    }

    fn end_cell(&mut self) -> Result<(), &'static str> {
        let Some((repeat, text)) = self.cell.take() else { return Ok(()) };
        self.row_text = self.row_text.saturating_add(text.saturating_mul(repeat.min(COLUMNS_MAX)));
        self.check_text()
    }

    fn check_text(&self) -> Result<(), &'static str> {
        if self.held_text.saturating_add(self.row_text) > TEXT_MAX_BYTES { Err(TOO_MUCH_TEXT) } else { Ok(()) }
    }

    fn keep(&mut self, byte: u8) -> Result<(), &'static str> {
        self.tag.push(byte);
        if self.tag.len() > TAG_MAX_BYTES { Err("a tag in it is longer than 1 MiB") } else { Ok(()) }
    }

    fn tag(&mut self) -> Result<(), &'static str> {
        let tag = std::mem::take(&mut self.tag);
        if tag.starts_with(b"!") {
            return Err("a part of it has a document type, which may hold entities that grow or read files");
        }
        let closed = tag.ends_with(b"/");
        let name = tag.split(|byte| byte.is_ascii_whitespace() || *byte == b'/').next().unwrap_or_default();
        match name {
            b"table:table-row" => {
                (self.row, self.row_filled, self.row_text) = (0, 0, 0);
                self.repeat_rows = repeated(&tag, b"number-rows-repeated");
                if closed { self.end_row() } else { Ok(()) }
            }
            b"table:table-cell" | b"table:covered-table-cell" => {
                let repeat = repeated(&tag, b"number-columns-repeated");
                self.row = self.row.saturating_add(repeat).min(COLUMNS_MAX);
                // With a value or a formula, or with text below it.
                let filled =
                    !closed || memchr::memmem::find(&tag, b"office:").is_some() || memchr::memmem::find(&tag, b"table:formula").is_some();
                if filled {
                    self.row_filled = self.row;
                }
                let text = HELD_ATTRIBUTES.iter().map(|name| values(&tag, name).map(<[u8]>::len).max().unwrap_or(0)).sum::<usize>();
                // The decoder takes a cell that begins inside another for the end of it, and keeps what stood before.
                let (outer, before) = self.cell.take().unwrap_or_default();
                self.cell = Some((repeat.max(outer), before.saturating_add(u64::try_from(text).unwrap_or(u64::MAX))));
                if closed { self.end_cell() } else { Ok(()) }
            }
            b"text:s" => {
                if let Some((_, text)) = &mut self.cell {
                    *text = text.saturating_add(repeated(&tag, b"text:c"));
                }
                Ok(())
            }
            b"" if tag.starts_with(b"/table:table-cell") || tag.starts_with(b"/table:covered-table-cell") => self.end_cell(),
            b"" if tag.starts_with(b"/table:table-row") => self.end_row(),
            b"" if tag == b"/table:table" => {
                (self.rows, self.widest, self.last_row) = (0, 0, 0);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end_row(&mut self) -> Result<(), &'static str> {
        let repeat = std::mem::replace(&mut self.repeat_rows, 1);
        self.rows = self.rows.saturating_add(repeat);
        if self.row_filled > 0 {
            self.last_row = self.rows;
            self.widest = self.widest.max(self.row_filled);
        }
        // As are its texts: once, and in each of the rows that it stands for.
        let texts = self.row_text.saturating_mul(repeat.min(ROWS_MAX).saturating_add(1));
        self.held_text = self.held_text.saturating_add(texts);
        self.row_text = 0;
        self.check_text()?;
        // Cells of the row are held once, and the rectangle of all that hold something is held too.
        self.held = self.held.saturating_add(self.row_filled);
        let rectangle = self.last_row.saturating_mul(self.widest);
        if self.held > HELD_MAX || rectangle > HELD_MAX {
            return Err("its sheets hold more than 2097152 cells, the empty ones between others counted");
        }
        Ok(())
    }
}

/// How often a tag says that it stands there; without end where it says so in another way than by digits.
fn repeated(tag: &[u8], attribute: &[u8]) -> u64 {
    let number = |value: &[u8]| {
        if !value.iter().all(u8::is_ascii_digit) {
            return u64::MAX;
        }
        value.iter().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    };
    values(tag, attribute).map(number).max().unwrap_or(1).max(1)
}

/// All that may be the value of an attribute. What looks like one may stand inside another's value, so one must go over all of them.
fn values<'a>(tag: &'a [u8], attribute: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    memchr::memmem::find_iter(tag, attribute).filter_map(move |at| {
        let rest = tag.get(at + attribute.len()..)?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
        let (quote, rest) = rest.split_first()?;
        matches!(*quote, b'"' | b'\'').then(|| rest.get(..memchr::memchr(*quote, rest).unwrap_or(rest.len())).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), &'static str> {
        [1, 7, 1000].into_iter().try_for_each(|step| {
            let mut cells = Cells::default();
            text.as_bytes().chunks(step).try_for_each(|chunk| cells.feed(chunk))
        })
    }

    #[test]
    fn cells_are_counted_as_they_would_be_held() {
        let row = |rows: &str, cells: &str| {
            format!("<table:table><table:table-row table:number-rows-repeated=\"{rows}\">{cells}</table:table-row></table:table>")
        };
        let filled = "<table:table-cell office:value=\"1\"/>";
        let empty = "<table:table-cell table:number-columns-repeated='16384'/>";
        assert!(check(&row("1048576", empty)).is_ok());
        assert!(check(&row("1000", &format!("{filled}{empty}"))).is_ok());
        assert!(check(&row("1048576", &format!("{empty}{filled}"))).is_err());
        assert!(check(&row("3000", &format!("<!-- > -->{empty}<table:table-cell><text:p>x</text:p></table:table-cell>"))).is_err());
        assert!(check("<!DOCTYPE a>").unwrap_err().contains("document type"));
        // Not by digits alone, and behind what only looks like it.
        for wide in ["table:number-columns-repeated='+16384'", "a='number-columns-repeated=\"1\"' table:number-columns-repeated='16384'"] {
            assert!(check(&row("3000", &format!("<table:table-cell {wide}/>{filled}"))).is_err(), "{wide}");
        }
    }

    #[test]
    fn text_is_counted_as_often_as_it_would_be_held() {
        let row = |rows: &str, cells: &str| {
            format!("<table:table><table:table-row table:number-rows-repeated=\"{rows}\">{cells}</table:table-row></table:table>")
        };
        let text = |repeat: u32, text: &str| {
            let start = format!("<table:table-cell table:number-columns-repeated=\"{repeat}\" office:value-type=\"string\">");
            format!("{start}<text:p>{text}</text:p></table:table-cell>")
        };
        let long = "x".repeat(1 << 16);
        assert!(check(&row("1", &text(1000, &long))).is_ok());
        assert_eq!(check(&row("1", &text(16_384, &long))), Err(TOO_MUCH_TEXT));
        assert_eq!(check(&row("1", &text(16_384, &format!("<![CDATA[{long}]]>")))), Err(TOO_MUCH_TEXT));
        assert_eq!(check(&row("10000", &text(1, &long))), Err(TOO_MUCH_TEXT));
        assert_eq!(check(&row("1", &text(1, "<text:s text:c=\"4000000000\"/>"))), Err(TOO_MUCH_TEXT));
        let attribute = format!("<table:table-cell office:string-value=\"{long}\" table:number-columns-repeated=\"16384\"/>");
        assert_eq!(check(&row("1", &attribute)), Err(TOO_MUCH_TEXT));
        assert_eq!(check(&row("1", &text(16_384, &format!("{long}<table:table-cell/>")))), Err(TOO_MUCH_TEXT));
        // Short texts stand there as often as cells may.
        assert!(check(&row("1000", &text(1000, "some text"))).is_ok());
    }
}
