//! The cells of an OpenDocument sheet, which may say of one that it stands there a million times: what would be held is counted first.

use polder_types::limit::RECORD_MAX_BYTES;

use super::package::HELD_MAX;

/// Widest sheet.
const COLUMNS_MAX: u64 = 16_384;
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
                (self.row, self.row_filled) = (0, 0);
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
                Ok(())
            }
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
        // Cells of the row are held once, and the rectangle of all that hold something is held too.
        self.held = self.held.saturating_add(self.row_filled);
        let rectangle = self.last_row.saturating_mul(self.widest);
        if self.held > HELD_MAX || rectangle > HELD_MAX {
            return Err("its sheets hold more than 2097152 cells, the empty ones between others counted");
        }
        Ok(())
    }
}

/// How often a tag says that it stands there.
fn repeated(tag: &[u8], attribute: &[u8]) -> u64 {
    let Some(at) = memchr::memmem::find(tag, attribute) else { return 1 };
    let rest = tag.get(at + attribute.len()..).unwrap_or_default().trim_ascii_start();
    let rest = rest.strip_prefix(b"=").unwrap_or_default().trim_ascii_start();
    let digits = rest.iter().skip(1).take_while(|byte| byte.is_ascii_digit());
    digits.fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))).max(1)
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
    }
}
