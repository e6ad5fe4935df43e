//! Spreadsheets: .xlsx, .xlsm, .xlsb, .xls and .ods. The package is gone over first; cells then come as the text that a CSV file would
//! hold. Formulas have the values that were stored with them; nothing is computed and no macro is opened.

mod binary;
mod cell;
mod compound;
mod ods;
mod outline;
mod package;

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use calamine::{Ods, Reader as _, Sheet, SheetType, SheetVisible, Xls, Xlsb, Xlsx};
use polder_contract::{CellKind, ColumnType, Malformed};
use polder_types::limit::{COLUMNS_MAX, RECORD_MAX_BYTES};

use self::cell::Value;
use self::package::{Kind, Package};
use crate::batch::BatchWriter;
use crate::cells::Place;
use crate::connection::{Dataset, SheetChoice};
use crate::csv::header::{Header, Origin};
use crate::error::{Error, suggest};
use crate::input::KnownFile;
use crate::opened::OpenedFile;
use crate::output::{Message, Output, Stop};

pub(crate) use self::outline::outline;

/// Rows and columns of the largest sheet.
const ROWS_MAX: u32 = 1 << 20;
const SHEET_COLUMNS_MAX: u32 = 1 << 14;

/// What a column must be for its cells to be written as it reads them.
pub(crate) type Types<'a> = &'a [Option<ColumnType>];

pub(super) fn wrong(path: &Path, problem: impl Into<String>, advice: &'static str) -> Error {
    Error::Format { path: path.to_path_buf(), format: "spreadsheet", problem: problem.into(), advice }
}

fn undecodable(path: &Path, what: &str) -> Error {
    wrong(path, format!("{what} cannot be decoded"), "save it anew in a spreadsheet program")
}

/// Reads one file to its end.
pub(crate) fn decode(
    file: &KnownFile,
    dataset: &Dataset,
    wanted: Option<&[String]>,
    types: Types<'_>,
    place: &mut Place,
    out: &Output,
) -> Result<(), Stop> {
    // The decoder indexes into records whose inside nobody has gone over.
    match catch_unwind(AssertUnwindSafe(|| decode_inner(file, dataset, wanted, types, place, out))) {
        Ok(result) => result,
        Err(_) => Err(undecodable(&file.path, "damaged bytes of it").into()),
    }
}

fn decode_inner(
    file: &KnownFile,
    dataset: &Dataset,
    wanted: Option<&[String]>,
    types: Types<'_>,
    place: &mut Place,
    out: &Output,
) -> Result<(), Stop> {
    let path = &file.path;
    let mut opened = file.open()?;
    let mut magic = [0; 8];
    let have = opened.read(&mut magic).map_err(|source| Error::Read { path: path.clone(), source })?;
    let mut rows = Rows::new(path, dataset, wanted, types, BatchWriter::new(0, place, out));
    let counted = match magic.get(..have) {
        Some([b'P', b'K', 3 | 5, 4 | 6, ..]) => package(path, &opened, dataset, &mut rows)?,
        Some([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]) => compound(file, &mut opened, dataset, &mut rows)?,
        _ => return Err(wrong(path, "it is none", "deliver .xlsx, .xlsm, .xlsb, .xls or .ods, or correct `type` in the source").into()),
    };
    // The second count is of all rows of the sheet, the header and those outside the range among them.
    let outside = rows.finish()?;
    let counted = counted.map(|all| all.saturating_sub(outside));
    let sha256 = file.hash.then(|| file.sha256(&mut opened)).transpose()?;
    file.check(&opened)?;
    out.send(Message::FileEnd { counted, sha256 })
}

/// A workbook that is a package.
fn package(path: &Path, file: &OpenedFile, dataset: &Dataset, rows: &mut Rows<'_>) -> Result<Option<u64>, Stop> {
    let package = Package::check(path, file)?;
    let mut clone = file.try_clone().map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
    clone.seek(SeekFrom::Start(0)).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
    let reader = BufReader::new(clone);
    match package.kind {
        Kind::Xlsx => {
            let mut book = Xlsx::new(reader).map_err(|_| undecodable(path, "its workbook"))?;
            let sheet = choose(path, dataset, book.sheets_metadata())?;
            let mut cells = book.worksheet_cells_reader(&sheet).map_err(|_| undecodable(path, "its sheet"))?;
            while let Some(cell) = cells.next_cell().map_err(|_| rows.undecodable())? {
                rows.take(cell.get_position(), Value::fills_ref(cell.get_value()), || Value::of_ref(cell.get_value()))?;
            }
            Ok(package.rows(&sheet))
        }
        Kind::Xlsb => {
            let mut book = Xlsb::new(reader).map_err(|_| undecodable(path, "its workbook"))?;
            let sheet = choose(path, dataset, book.sheets_metadata())?;
            let mut cells = book.worksheet_cells_reader(&sheet).map_err(|_| undecodable(path, "its sheet"))?;
            while let Some(cell) = cells.next_cell().map_err(|_| rows.undecodable())? {
                rows.take(cell.get_position(), Value::fills_ref(cell.get_value()), || Value::of_ref(cell.get_value()))?;
            }
            Ok(None)
        }
        Kind::Ods => {
            let mut book = Ods::new(reader).map_err(|_| undecodable(path, "its workbook"))?;
            let sheet = choose(path, dataset, book.sheets_metadata())?;
            let range = book.worksheet_range(&sheet).map_err(|_| undecodable(path, "its sheet"))?;
            drop(book);
            rows.take_range(&range)?;
            Ok(None)
        }
    }
}

/// A workbook of the time before packages, which is held whole.
fn compound(file: &KnownFile, opened: &mut OpenedFile, dataset: &Dataset, rows: &mut Rows<'_>) -> Result<Option<u64>, Stop> {
    let path = &file.path;
    let bytes = compound::read(file, opened)?;
    let mut book = Xls::new(Cursor::new(bytes)).map_err(|_| undecodable(path, "its workbook"))?;
    let sheet = choose(path, dataset, book.sheets_metadata())?;
    let range = book.worksheet_range(&sheet).map_err(|_| undecodable(path, "its sheet"))?;
    drop(book);
    rows.take_range(&range)?;
    Ok(None)
}

/// The name of the sheet that the dataset means.
fn choose(path: &Path, dataset: &Dataset, sheets: &[Sheet]) -> Result<String, Error> {
    let names = || sheets.iter().map(|sheet| sheet.name.as_str());
    let found = match &dataset.sheet {
        SheetChoice::Name(name) => match sheets.iter().find(|sheet| sheet.name == *name) {
            Some(sheet) => sheet,
            None => {
                return Err(Error::NoSheet { path: path.to_path_buf(), sheet: format!("sheet {name}"), advice: suggest(name, names()) });
            }
        },
        SheetChoice::Number(number) => match number.checked_sub(1).and_then(|place| sheets.get(place)) {
            Some(sheet) => sheet,
            None => {
                let advice = format!("it has {}", sheets.len());
                return Err(Error::NoSheet { path: path.to_path_buf(), sheet: format!("sheet number {number}"), advice });
            }
        },
        SheetChoice::Only => {
            let mut visible = sheets.iter().filter(|sheet| sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet);
            match (visible.next(), visible.next()) {
                (Some(only), None) => only,
                (None, _) => return Err(wrong(path, "it has no sheet that can be seen", "set `sheet` in the source")),
                (Some(_), Some(_)) => {
                    let advice = format!("set `sheet` in the source; there are: {}", names().take(20).collect::<Vec<_>>().join(", "));
                    return Err(Error::NoSheet { path: path.to_path_buf(), sheet: "its only sheet".to_owned(), advice });
                }
            }
        }
    };
    if found.typ == SheetType::WorkSheet {
        Ok(found.name.clone())
    } else {
        Err(wrong(path, "the chosen sheet holds no cells, but a chart, a dialog or macros", "set another `sheet` in the source"))
    }
}

/// Rows as their cells come.
struct Rows<'a> {
    path: &'a Path,
    dataset: &'a Dataset,
    wanted: Option<&'a [String]>,
    types: Types<'a>,
    writer: BatchWriter<'a>,
    header: Option<Header>,
    /// The columns of the sheet in which the header's names stand.
    places: Vec<u32>,
    /// The columns of the sheet that are wanted, in order, once the header is known.
    kept: Vec<u32>,
    /// The row that is being gathered, whether a cell in the range fills it, and those cells of it that are wanted.
    row: Option<u32>,
    filled: bool,
    cells: Vec<(u32, Value)>,
    /// What the texts of those cells take; past the limit none is held any more, however often a shared text is named.
    held: usize,
    last: Option<(u32, u32)>,
    /// Rows that hold something and are none of data.
    outside: u64,
    outside_row: Option<u32>,
}

impl<'a> Rows<'a> {
    fn new(path: &'a Path, dataset: &'a Dataset, wanted: Option<&'a [String]>, types: Types<'a>, writer: BatchWriter<'a>) -> Self {
        let (header, places, kept, cells) = (None, Vec::new(), Vec::new(), Vec::new());
        let (row, last, outside_row) = (None, None, None);
        let (filled, held, outside) = (false, 0, 0);
        Self { path, dataset, wanted, types, writer, header, places, kept, row, filled, cells, held, last, outside, outside_row }
    }

    fn undecodable(&self) -> Error {
        undecodable(self.path, &format!("a cell of it, after row {},", self.last.map_or(0, |(row, _)| row.saturating_add(1))))
    }

    fn take_range(&mut self, range: &calamine::Range<calamine::Data>) -> Result<(), Stop> {
        let (first_row, first_column) = range.start().unwrap_or((0, 0));
        for (row, column, value) in range.used_cells() {
            let at = |first: u32, place: usize| first.saturating_add(u32::try_from(place).unwrap_or(u32::MAX));
            self.take((at(first_row, row), at(first_column, column)), Value::fills(value), || Value::of(value))?;
        }
        Ok(())
    }

    /// Takes the next cell: they come row by row, each from left to right. Its value is asked for only where it is wanted.
    fn take(&mut self, position: (u32, u32), filled: bool, value: impl FnOnce() -> Option<Value>) -> Result<(), Stop> {
        if self.last.is_some_and(|last| last >= position) {
            return Err(
                wrong(self.path, format!("its cells are not in order, at row {}", position.0.saturating_add(1)), "save it anew").into()
            );
        }
        self.last = Some(position);
        let (row, column) = position;
        if row >= ROWS_MAX || column >= SHEET_COLUMNS_MAX {
            return Err(wrong(self.path, "a cell of it lies where no sheet has any", "save it anew in a spreadsheet program").into());
        }
        if !filled {
            return Ok(());
        }
        let range = self.dataset.range;
        if row < range.first_row.saturating_add(self.dataset.skip_rows) || !range.holds(row, range.first_column) {
            if self.outside_row.replace(row) != Some(row) {
                self.outside += 1;
            }
            return Ok(());
        }
        if self.row != Some(row) {
            self.end_row()?;
            self.row = Some(row);
        }
        if range.holds(row, column) {
            self.filled = true;
            if self.header.is_none() || self.kept.binary_search(&column).is_ok() {
                self.hold(column, value);
            }
        }
        Ok(())
    }

    /// Holds a cell of the row. A row that is too long keeps the places of its cells only, which a header may need.
    fn hold(&mut self, column: u32, value: impl FnOnce() -> Option<Value>) {
        if self.held <= RECORD_MAX_BYTES {
            let Some(value) = value() else { return };
            self.held = self.held.saturating_add(value.held());
            if self.held <= RECORD_MAX_BYTES {
                self.cells.push((column, value));
                return;
            }
            for (_, before) in &mut self.cells {
                *before = Value::Text(String::new());
            }
        }
        self.cells.push((column, Value::Text(String::new())));
    }

    /// The last row ended; how many rows were none of data.
    fn finish(&mut self) -> Result<u64, Stop> {
        self.end_row()?;
        if self.header.is_none() && self.dataset.header {
            return Err(Error::NoHeader { path: self.path.to_path_buf() }.into());
        }
        self.writer.flush()?;
        Ok(self.outside)
    }

    fn end_row(&mut self) -> Result<(), Stop> {
        if self.row.take().is_none() {
            return Ok(());
        }
        let cells = std::mem::take(&mut self.cells);
        let too_long = std::mem::take(&mut self.held) > RECORD_MAX_BYTES;
        if !std::mem::take(&mut self.filled) {
            // What it holds lies outside the range.
            self.outside += 1;
            return Ok(());
        }
        if self.header.is_none() {
            if too_long && self.dataset.header {
                let problem = "the row of its header is longer than 16 MiB";
                return Err(wrong(self.path, problem, "set `skip_rows` or `range` in the source").into());
            }
            self.take_header(&cells)?;
            if self.dataset.header {
                self.outside += 1;
                return Ok(());
            }
        }
        if too_long { self.writer.end_malformed(Malformed::TooLong) } else { self.data(&cells) }
    }

    fn take_header(&mut self, cells: &[(u32, Value)]) -> Result<(), Stop> {
        let (names, origin): (Vec<String>, _) = if self.dataset.header {
            self.places = cells.iter().map(|(column, _)| *column).collect();
            let text = |value: &Value| value.text(None).unwrap_or_default();
            (cells.iter().map(|(_, value)| text(value)).collect(), Origin::FirstRecord)
        } else {
            let last = cells.last().map_or(0, |(column, _)| *column);
            let first = self.dataset.range.first_column;
            self.places = (first..=last.min(first.saturating_add(u32::try_from(COLUMNS_MAX).unwrap_or(u32::MAX)))).collect();
            ((1..=self.places.len()).map(|column| format!("column_{column}")).collect(), Origin::Schema)
        };
        let header = Header::new(self.path, names, origin, self.wanted)?;
        self.writer.out.send(Message::LeftOut(header.left_out.clone()))?;
        if self.wanted.is_none() {
            self.writer.out.send(Message::Names(header.names.clone()))?;
        }
        self.writer.widen(header.fields.len());
        self.kept = header.fields.iter().filter_map(|field| self.places.get(*field).copied()).collect();
        self.kept.sort_unstable();
        self.header = Some(header);
        Ok(())
    }

    fn data(&mut self, cells: &[(u32, Value)]) -> Result<(), Stop> {
        let Some(header) = &self.header else { return Ok(()) };
        let mut texts: Vec<Option<String>> = Vec::with_capacity(header.fields.len());
        let mut length = 0usize;
        for (slot, field) in header.fields.iter().enumerate() {
            let place = self.places.get(*field).copied();
            let value = place.and_then(|place| cells.binary_search_by_key(&place, |(column, _)| *column).ok()).and_then(|at| cells.get(at));
            let ty = self.types.get(slot).copied().flatten();
            let text = match value {
                None => None,
                Some((_, Value::Error(error))) if self.dataset.null_tokens.iter().any(|token| token == error) => None,
                Some((_, value)) => match value.text(ty) {
                    Some(text) => Some(text),
                    None => return self.writer.end_malformed(Malformed::CellError),
                },
            };
            length = length.saturating_add(text.as_ref().map_or(0, String::len));
            // Within the loop: one column may be wanted under several names.
            if length > RECORD_MAX_BYTES {
                return self.writer.end_malformed(Malformed::TooLong);
            }
            texts.push(text);
        }
        for (column, text) in self.writer.columns().zip(&texts) {
            match text {
                None => column.push_null(),
                Some(text) => column.push_bytes(text.as_bytes(), CellKind::Text),
            }
        }
        self.writer.end_row(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Connection;

    #[test]
    fn only_wanted_cells_are_copied_and_no_more_of_them_than_a_record_holds() {
        let connection = Connection::parse("type: excel\npath: p\ndatasets: {d: {}}\n", "sources/s.yaml").unwrap();
        let dataset = connection.dataset("d").unwrap();
        let (sender, receiver) = crossbeam_channel::unbounded();
        let out = Output { sender };
        let mut place = Place { file: "a.xlsx".into(), record: 1, ordinal: 0 };
        let wanted = ["d".to_owned(), "b".to_owned(), "c".to_owned()];
        let mut rows = Rows::new(Path::new("a.xlsx"), dataset, Some(&wanted), &[], BatchWriter::new(0, &mut place, &out));
        let long = "x".repeat(RECORD_MAX_BYTES / 2 + 1);
        let long = long.as_str();
        // How many cells of each row are copied: of the third, none behind the one with which it is too long.
        let table = [(["a", "b", "c", "d"], 4), ([long, "1", "2", "3"], 3), ([long, long, long, long], 2)];
        for (row, (texts, copies)) in (0u32..).zip(table) {
            let mut copied = 0;
            for (column, text) in (0u32..).zip(texts) {
                let value = || {
                    copied += 1;
                    Some(Value::Text(text.to_owned()))
                };
                assert!(rows.take((row, column), true, value).is_ok());
            }
            assert_eq!(copied, copies, "row {row}");
        }
        assert!(rows.cells.iter().all(|(_, value)| value.held() == 0));
        // A row that fills only a column that nobody wants is a row nonetheless.
        assert!(rows.take((3, 0), true, || panic!("it is not wanted")).is_ok());
        assert!(matches!(rows.finish(), Ok(1)));
        let batches = receiver.try_iter().filter_map(|message| match message {
            Message::Batch(batch) => Some((batch.rows, batch.malformed)),
            _ => None,
        });
        assert_eq!(batches.collect::<Vec<_>>(), [(3, vec![(1, Malformed::TooLong)])]);
    }
}
