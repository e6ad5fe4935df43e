//! Rows of `COPY ... TO STDOUT (FORMAT binary)`, decoded as they arrive. Each row counts its fields, each field has a length and bytes.
//!
//! What is no such stream is refused; a value that the contract cannot take is none of that: it comes as a cell of text, and the gate
//! refuses its row.

mod column;
mod numeric;
mod text;

use arrow::error::ArrowError;
use polder_contract::Cells;
use polder_types::ErrorKind;

use self::column::Column;
use crate::csv::BATCH_ROWS;
use crate::error::Error;
use crate::output::Stop;
use crate::postgres::types::Fetch;

/// About so many bytes go into one batch, unless one row holds more.
const BATCH_BYTES: usize = 32 << 20;
/// What a field costs beside its bytes, null or not.
const FIELD_BYTES: usize = 8;
/// The stream's first bytes, among them those that a transfer as text would change.
const SIGNATURE: [u8; 11] = *b"PGCOPY\n\xff\r\n\0";
/// The signature, flags, and the length of what else the header holds.
const HEADER_LEN: usize = SIGNATURE.len() + 4 + 4;
/// Flags that a reader must know.
const CRITICAL_FLAGS: u32 = 0xffff_0000;

/// Takes the columns of a batch, and how many rows they have.
pub(crate) type Emit<'a> = dyn FnMut(Vec<Cells>, usize) -> Result<(), Stop> + 'a;

/// Bytes that are no value of their type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Damaged;

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    /// So many bytes of the header that say nothing.
    Extension(usize),
    /// The number of a row's fields.
    Row,
    /// The field of the column `next`.
    Field,
    /// So many bytes of a field that is too long to be kept.
    TooLong(usize),
    /// Nothing: the end mark came.
    End,
    /// Nothing: the stream was given up.
    Broken,
}

/// Decodes one stream.
pub(crate) struct CopyDecoder {
    columns: Vec<Column>,
    source: String,
    dataset: String,
    state: State,
    next: usize,
    /// The beginning of what is decoded as a whole: at most a field.
    pending: Vec<u8>,
    /// Of the batch.
    rows: usize,
    bytes: usize,
    rows_total: u64,
}

impl CopyDecoder {
    /// For the columns of a COPY, in their order; `source` and `dataset` are named in errors.
    pub(crate) fn new(columns: &[Fetch], source: &str, dataset: &str) -> Self {
        Self {
            columns: columns.iter().map(Column::new).collect(),
            source: source.to_owned(),
            dataset: dataset.to_owned(),
            state: State::Header,
            next: 0,
            pending: Vec::new(),
            rows: 0,
            bytes: 0,
            rows_total: 0,
        }
    }

    /// Takes a piece of the stream, which may begin and end anywhere. Full batches are emitted.
    ///
    /// # Errors
    /// When the bytes are no rows of these columns. Then nothing more is taken.
    pub(crate) fn push(&mut self, bytes: &[u8], emit: &mut Emit<'_>) -> Result<(), Stop> {
        let taken = self.take(bytes, emit);
        if taken.is_err() {
            self.state = State::Broken;
        }
        taken
    }

    /// Emits the last batch, and says how many rows there were.
    ///
    /// # Errors
    /// When the stream was cut before its end mark.
    pub(crate) fn finish(mut self, emit: &mut Emit<'_>) -> Result<u64, Stop> {
        if self.state != State::End {
            return Err(self.broken("it ends before its end mark, so rows are missing", ErrorKind::Unavailable).into());
        }
        self.flush(emit)?;
        Ok(self.rows_total)
    }

    fn take(&mut self, bytes: &[u8], emit: &mut Emit<'_>) -> Result<(), Stop> {
        let mut input = bytes;
        // What began in a piece before is filled up to what is decoded at once, and no further.
        while !self.pending.is_empty() {
            let missing = self.whole(&self.pending).saturating_sub(self.pending.len());
            let Some((taken, rest)) = input.split_at_checked(missing) else {
                self.pending.extend_from_slice(input);
                return Ok(());
            };
            self.pending.extend_from_slice(taken);
            input = rest;
            let mut pending = std::mem::take(&mut self.pending);
            let left = self.decode(&pending, emit)?.len();
            if left == 0 {
                pending.clear();
                self.pending = pending;
                break;
            }
            // Now that the length of a field is there, its bytes are wanted; or the end of a batch emptied nothing.
            if left < pending.len() || self.whole(&pending) <= pending.len() {
                return Err(Error::Internal { step: "put the pieces of a row together" }.into());
            }
            self.pending = pending;
        }
        let rest = self.decode(input, emit)?;
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    /// How many bytes it takes to go on, given the first of them.
    fn whole(&self, begun: &[u8]) -> usize {
        match self.state {
            State::Header => HEADER_LEN,
            State::Row => 2,
            State::Field => {
                let len = begun.first_chunk::<4>().and_then(|len| usize::try_from(i32::from_be_bytes(*len)).ok());
                len.unwrap_or(0).saturating_add(4)
            }
            State::Extension(_) | State::TooLong(_) | State::End | State::Broken => 1,
        }
    }

    /// Decodes as much as is whole, and gives back the rest.
    fn decode<'a>(&mut self, bytes: &'a [u8], emit: &mut Emit<'_>) -> Result<&'a [u8], Stop> {
        let mut input = bytes;
        loop {
            input = match self.state {
                State::Row => {
                    let Some((count, rest)) = input.split_first_chunk::<2>() else { return Ok(input) };
                    match i16::from_be_bytes(*count) {
                        -1 => self.state = State::End,
                        count if usize::try_from(count).is_ok_and(|count| count == self.columns.len()) => {
                            (self.state, self.next) = (State::Field, 0);
                        }
                        count => return Err(self.damaged(&format!("a row of {} columns has {count}", self.columns.len())).into()),
                    }
                    rest
                }
                State::Field => match self.fields(input)? {
                    Taken::All(rest) => {
                        self.end_row(emit)?;
                        rest
                    }
                    Taken::Part(rest) if self.state == State::Field => return Ok(rest),
                    Taken::Part(rest) => rest,
                },
                State::TooLong(left) => {
                    let Some((_, rest)) = input.split_at_checked(left) else {
                        self.state = State::TooLong(left.saturating_sub(input.len()));
                        return Ok(&[]);
                    };
                    (self.state, self.next) = (State::Field, self.next + 1);
                    rest
                }
                State::Header => {
                    let Some((header, rest)) = input.split_at_checked(HEADER_LEN) else { return Ok(input) };
                    self.state = State::Extension(self.header(header)?);
                    rest
                }
                State::Extension(left) => {
                    let Some((_, rest)) = input.split_at_checked(left) else {
                        self.state = State::Extension(left.saturating_sub(input.len()));
                        return Ok(&[]);
                    };
                    self.state = State::Row;
                    rest
                }
                State::End if input.is_empty() => return Ok(input),
                State::End => return Err(self.damaged("bytes follow its end mark").into()),
                State::Broken => return Err(self.damaged("it was given up before").into()),
            };
        }
    }

    /// The length of what else the header holds.
    fn header(&self, header: &[u8]) -> Result<usize, Error> {
        let begins = header.strip_prefix(&SIGNATURE).and_then(|rest| rest.split_first_chunk::<4>());
        let Some((flags, rest)) = begins else { return Err(self.damaged("it does not begin as one")) };
        if u32::from_be_bytes(*flags) & CRITICAL_FLAGS != 0 {
            return Err(self.damaged("its rows have a form that is not known"));
        }
        let len = rest.first_chunk::<4>().and_then(|len| usize::try_from(i32::from_be_bytes(*len)).ok());
        len.ok_or_else(|| self.damaged("its header has a negative length"))
    }

    /// Takes the fields of a row as far as they are whole.
    #[inline]
    fn fields<'a>(&mut self, bytes: &'a [u8]) -> Result<Taken<'a>, Error> {
        let mut input = bytes;
        for column in self.columns.iter_mut().skip(self.next) {
            let Some((len, rest)) = input.split_first_chunk::<4>() else { return Ok(Taken::Part(input)) };
            let len = i32::from_be_bytes(*len);
            self.bytes = self.bytes.saturating_add(FIELD_BYTES);
            let Ok(len) = usize::try_from(len) else {
                if len != -1 {
                    return Err(self.damaged("a field has a negative length"));
                }
                column.null();
                (input, self.next) = (rest, self.next + 1);
                continue;
            };
            if len > column.most() {
                if !column.may_be_longer() {
                    return Err(self.no_value());
                }
                column.too_long(self.rows);
                self.state = State::TooLong(len);
                return Ok(Taken::Part(rest));
            }
            let Some((value, rest)) = rest.split_at_checked(len) else { return Ok(Taken::Part(input)) };
            match column.take(self.rows, value) {
                Ok(odd_bytes) => self.bytes = self.bytes.saturating_add(len).saturating_add(odd_bytes),
                Err(Damaged) => return Err(self.no_value()),
            }
            (input, self.next) = (rest, self.next + 1);
        }
        Ok(Taken::All(input))
    }

    fn end_row(&mut self, emit: &mut Emit<'_>) -> Result<(), Stop> {
        self.state = State::Row;
        self.rows += 1;
        self.rows_total = self.rows_total.saturating_add(1);
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush(emit) } else { Ok(()) }
    }

    fn flush(&mut self, emit: &mut Emit<'_>) -> Result<(), Stop> {
        if self.rows == 0 {
            return Ok(());
        }
        let (rows, _) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.bytes));
        let built = self.columns.iter_mut().map(|column| column.finish(rows)).collect::<Result<Vec<_>, ArrowError>>();
        emit(built.map_err(|_| Error::Internal { step: "build columns of rows of PostgreSQL" })?, rows)
    }

    #[cold]
    fn damaged(&self, what: &str) -> Error {
        self.broken(what, ErrorKind::Rejected)
    }

    #[cold]
    fn broken(&self, what: &str, kind: ErrorKind) -> Error {
        Error::Database {
            connection: self.source.clone(),
            step: format!("read the rows of {}", self.dataset),
            problem: format!("the server's stream of rows is damaged: {what}"),
            advice: "nothing of it counts; run again, and if it stays, look at what lies between here and the server".to_owned(),
            kind,
        }
    }

    /// The field of the column `next` is no value of it.
    #[cold]
    fn no_value(&self) -> Error {
        Error::DatabaseColumn {
            dataset: self.dataset.clone(),
            column: self.columns.get(self.next).map(|column| column.name.clone()).unwrap_or_default(),
            problem: "the server sent bytes that are no value of the column's type".to_owned(),
            advice: "nothing of the rows counts; run again, and if it stays, look at what lies between here and the server".to_owned(),
        }
    }
}

/// How far the fields of a row were taken, and what follows.
enum Taken<'a> {
    All(&'a [u8]),
    Part(&'a [u8]),
}

#[cfg(test)]
mod tests;
