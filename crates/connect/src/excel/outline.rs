//! The sheets of a workbook that can be seen, and where their tables begin: for a proposal, so only first rows are looked at.

use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{Data, Ods, Range, Reader as _, Sheet, SheetType, SheetVisible, Xls, Xlsb, Xlsx};

use super::cell::Value;
use super::package::{Kind, Package};
use super::{compound, undecodable};
use crate::error::Error;
use crate::input::KnownFile;
use crate::opened::OpenedFile;

/// Rows that are looked at.
const ROWS: usize = 50;

/// A sheet.
pub(crate) struct SheetOutline {
    pub name: String,
    /// Whether it is the only one that can be seen.
    pub only: bool,
    /// Rows over its header.
    pub skip_rows: u32,
}

/// The sheets that can be seen and hold something.
pub(crate) fn outline(file: &KnownFile) -> Result<Vec<SheetOutline>, Error> {
    // As in `decode`.
    match catch_unwind(AssertUnwindSafe(|| heads(file))) {
        Ok(heads) => {
            let heads = heads?;
            let only = heads.len() == 1;
            let sheets = heads.into_iter().filter_map(|(name, head)| Some(SheetOutline { name, only, skip_rows: head.skip_rows()? }));
            Ok(sheets.collect())
        }
        Err(_) => Err(undecodable(&file.path, "damaged bytes of it")),
    }
}

/// How many cells of each row hold something.
#[derive(Default)]
struct Head(BTreeMap<u32, usize>);

impl Head {
    /// Takes a cell; false when enough was seen.
    fn take(&mut self, row: u32) -> bool {
        *self.0.entry(row).or_default() += 1;
        self.0.len() <= ROWS
    }

    fn of_range(range: &Range<Data>) -> Self {
        let (mut head, first) = (Self::default(), range.start().unwrap_or((0, 0)).0);
        for (row, _, value) in range.used_cells() {
            if Value::fills(value) && !head.take(first.saturating_add(u32::try_from(row).unwrap_or(u32::MAX))) {
                break;
            }
        }
        head
    }

    /// Titles over a table are much narrower than it is; a header may be short of names. None where there is nothing.
    fn skip_rows(&self) -> Option<u32> {
        let widest = self.0.values().copied().max()?;
        let (first, _) = self.0.first_key_value()?;
        let header = self.0.iter().find(|(_, cells)| **cells * 3 > widest).map_or(*first, |(row, _)| *row);
        Some(if header == *first { 0 } else { header })
    }
}

fn visible(sheets: &[Sheet]) -> Vec<String> {
    let seen = |sheet: &&Sheet| sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet;
    sheets.iter().filter(seen).map(|sheet| sheet.name.clone()).collect()
}

fn heads(file: &KnownFile) -> Result<Vec<(String, Head)>, Error> {
    let path = &file.path;
    let mut opened = file.open()?;
    let mut magic = [0; 2];
    let read_error = |source| Error::Read { path: path.clone(), source };
    opened.read_exact(&mut magic).map_err(read_error)?;
    opened.seek(SeekFrom::Start(0)).map_err(read_error)?;
    if magic == *b"PK" { in_package(file, opened) } else { in_compound(file, opened) }
}

/// The sheets of a workbook whose cells come one by one.
macro_rules! streamed {
    ($book:expr, $path:expr) => {{
        let mut book = $book.map_err(|_| undecodable($path, "its workbook"))?;
        let mut heads = Vec::new();
        for name in visible(book.sheets_metadata()) {
            let mut head = Head::default();
            let mut cells = book.worksheet_cells_reader(&name).map_err(|_| undecodable($path, "its sheet"))?;
            while let Some(cell) = cells.next_cell().map_err(|_| undecodable($path, "a cell of it"))? {
                if Value::fills_ref(cell.get_value()) && !head.take(cell.get_position().0) {
                    break;
                }
            }
            heads.push((name, head));
        }
        Ok(heads)
    }};
}

/// The sheets of a workbook that is held.
macro_rules! held {
    ($book:expr, $path:expr) => {{
        let mut book = $book.map_err(|_| undecodable($path, "its workbook"))?;
        let mut heads = Vec::new();
        for name in visible(book.sheets_metadata()) {
            let range = book.worksheet_range(&name).map_err(|_| undecodable($path, "its sheet"))?;
            heads.push((name, Head::of_range(&range)));
        }
        Ok(heads)
    }};
}

fn in_package(file: &KnownFile, opened: OpenedFile) -> Result<Vec<(String, Head)>, Error> {
    let path = &file.path;
    let kind = Package::check(path, &opened)?.kind;
    let mut opened = opened;
    opened.seek(SeekFrom::Start(0)).map_err(|source| Error::Read { path: path.clone(), source })?;
    let reader = BufReader::new(opened);
    match kind {
        Kind::Xlsx => streamed!(Xlsx::new(reader), path),
        Kind::Xlsb => streamed!(Xlsb::new(reader), path),
        Kind::Ods => held!(Ods::new(reader), path),
    }
}

fn in_compound(file: &KnownFile, mut opened: OpenedFile) -> Result<Vec<(String, Head)>, Error> {
    let path = &file.path;
    let bytes = compound::read(file, &mut opened)?;
    held!(Xls::new(Cursor::new(bytes)), path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(widths: &[(u32, usize)]) -> Option<u32> {
        Head(widths.iter().copied().collect()).skip_rows()
    }

    #[test]
    fn titles_over_a_table_are_stepped_over() {
        assert_eq!(skipped(&[]), None);
        assert_eq!(skipped(&[(0, 3), (1, 3)]), Some(0));
        assert_eq!(skipped(&[(0, 1), (2, 5), (3, 4)]), Some(2));
        // A table that does not begin in the first row has nothing over it.
        assert_eq!(skipped(&[(4, 5), (5, 5)]), Some(0));
        // A header of which not every cell is filled.
        assert_eq!(skipped(&[(0, 4), (1, 5)]), Some(0));
        assert_eq!(skipped(&[(0, 3), (1, 5), (2, 5)]), Some(0));
        assert_eq!(skipped(&[(0, 1), (1, 2), (2, 4), (3, 7)]), Some(2));
        assert_eq!(skipped(&[(0, 1)]), Some(0));
    }
}
