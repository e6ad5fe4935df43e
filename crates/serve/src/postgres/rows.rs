//! Rows on their way to a client: batch by batch, no faster than they are taken.

use arrow::array::ArrayRef;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::{BufMut, BytesMut};
use futures::{FutureExt, StreamExt};
use pgwire::messages::data::RowDescription;

use crate::fault::Fault;
use crate::ports::{Holds, Rows};
use crate::postgres::binary;
use crate::postgres::copy::CopyOut;
use crate::postgres::error::{Stop, put, unsupported};
use crate::postgres::line::{Watch, Writer};
use crate::postgres::text;
use crate::postgres::types::{self, PgType};
use crate::postgres::value::{Value, plain, value};

/// The most columns of an answer, as in PostgreSQL.
const COLUMNS: usize = 1_664;

/// An answer, and how far it was sent.
pub struct Cursor {
    pub schema: SchemaRef,
    rows: Rows,
    holds: Holds,
    columns: Vec<ArrayRef>,
    count: usize,
    at: usize,
    ended: bool,
}

impl Cursor {
    pub fn new(schema: SchemaRef, rows: Rows, holds: Holds) -> Self {
        Self { schema, rows, holds, columns: Vec::new(), count: 0, at: 0, ended: false }
    }

    /// Whether there is a row; waits for it. Whoever drops it before its end loses none.
    async fn ready(&mut self) -> Result<bool, Fault> {
        while self.at >= self.count {
            self.columns.clear();
            if self.ended {
                return Ok(false);
            }
            match self.rows.next().await {
                None => self.ended = true,
                Some(Err(fault)) => {
                    self.ended = true;
                    return Err(fault);
                }
                Some(Ok(batch)) => {
                    self.columns = batch.columns().iter().map(plain).collect::<Result<_, _>>()?;
                    self.count = batch.num_rows();
                    self.at = 0;
                }
            }
        }
        Ok(true)
    }
}

/// In what form rows are sent.
pub enum Form<'a> {
    /// As rows, each column as text (0) or binary (1).
    Rows(&'a [i16]),
    /// As a stream of bytes; what is to come before the first row goes with it, and is taken.
    Copy(&'a CopyOut, &'a mut Vec<u8>),
    /// Not at all.
    Discard,
}

/// What was sent.
pub struct Sent {
    /// Rows.
    pub rows: u64,
    /// Whether these were the last.
    pub ended: bool,
}

/// Sends rows up to a limit.
///
/// # Errors
/// Why they stop; what was sent are whole rows.
pub async fn send(
    cursor: &mut Cursor,
    limit: Option<u64>,
    mut form: Form<'_>,
    watch: &mut Watch,
    writer: &mut Writer,
) -> Result<Sent, Stop> {
    let mut rows = 0;
    let mut row = Vec::new();
    loop {
        if limit == Some(rows) {
            return Ok(Sent { rows, ended: false });
        }
        let more = match cursor.ready().now_or_never() {
            Some(more) => {
                watch.over(std::future::ready(())).await?;
                more?
            }
            // What there is must not wait for what is not there yet.
            None => {
                watch.flush(writer).await?;
                watch.over(cursor.ready()).await??
            }
        };
        if !more {
            return Ok(Sent { rows, ended: true });
        }
        // They may have been there for long: since the client asked for some of them and stopped.
        cursor.holds.ask()?;
        while cursor.at < cursor.count && limit != Some(rows) {
            row.clear();
            let tag = match &mut form {
                Form::Rows(formats) => {
                    data_row(&cursor.columns, cursor.at, formats, &mut row)?;
                    Some(b'D')
                }
                Form::Copy(copy, head) => {
                    row.append(head);
                    copy.row(&cursor.schema, &cursor.columns, cursor.at, &mut row)?;
                    Some(b'd')
                }
                Form::Discard => None,
            };
            if let Some(tag) = tag {
                message(&mut writer.buffer, tag, &row)?;
            }
            cursor.at += 1;
            rows += 1;
            if writer.is_full() {
                watch.flush(writer).await?;
                // Someone may have asked in the meantime that it be stopped.
                watch.over(std::future::ready(())).await?;
                cursor.holds.ask()?;
            }
        }
    }
}

/// Writes a message.
///
/// # Errors
/// When it is longer than the protocol can say.
pub fn message(out: &mut BytesMut, tag: u8, body: &[u8]) -> Result<(), Fault> {
    let length = body.len().checked_add(4).and_then(|length| i32::try_from(length).ok());
    let length = length.ok_or_else(|| Fault::limit("write the answer: a row is longer than 2 GiB; ask for fewer columns"))?;
    out.put_u8(tag);
    out.put_i32(length);
    out.put_slice(body);
    Ok(())
}

fn data_row(columns: &[ArrayRef], row: usize, formats: &[i16], out: &mut Vec<u8>) -> Result<(), Fault> {
    out.extend_from_slice(&u16::try_from(columns.len()).unwrap_or(u16::MAX).to_be_bytes());
    for (at, column) in columns.iter().enumerate() {
        match value(column.as_ref(), row)? {
            Value::Null => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            value => {
                let binary = format(formats, at) == 1;
                binary::measured(out, |out| if binary { binary::write(&value, out) } else { text::write(&value, out) })?;
            }
        }
    }
    Ok(())
}

/// The format of a column: none given is text, one is for all.
fn format(formats: &[i16], at: usize) -> i16 {
    match formats {
        [] => 0,
        [all] => *all,
        each => each.get(at).copied().unwrap_or(0),
    }
}

/// Writes what the columns are.
///
/// # Errors
/// When there are too many, or not as many as formats.
pub fn describe(out: &mut BytesMut, schema: &Schema, formats: &[i16]) -> Result<(), Fault> {
    fits(schema, formats)?;
    let fields = schema.fields().iter().enumerate().map(|(at, field)| types::describe(field, format(formats, at))).collect();
    put(out, &RowDescription::new(fields));
    Ok(())
}

/// That rows of these columns can be sent in these formats.
///
/// # Errors
/// When there are too many columns, or not as many as formats.
pub fn fits(schema: &Schema, formats: &[i16]) -> Result<(), Fault> {
    let count = schema.fields().len();
    if count > COLUMNS {
        let message = format!("answer: {count} columns are more than the {COLUMNS} that go over this wire; ask for fewer");
        return Err(unsupported(message).with_sqlstate("54011"));
    }
    if formats.len() > 1 && formats.len() != count {
        let message = format!("bind: there are {} result formats for {count} columns; give one, or one for each", formats.len());
        return Err(unsupported(message).with_sqlstate("08P01"));
    }
    Ok(())
}

/// Whether rows of one schema can be read by one who was told of the other.
pub fn same_types(one: &Schema, other: &Schema) -> bool {
    let type_of = |schema: &Schema| schema.fields().iter().map(|field| PgType::of(field.data_type())).collect::<Vec<_>>();
    type_of(one) == type_of(other)
}
