//! The Arrow stream of a driver's process: nothing is allocated for what it only promises, and each value is validated.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::MutableBuffer;
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::RecordBatchDecoder;
use arrow::ipc::{Endianness, MessageHeader};

use crate::arrow_file::message::{METADATA_MAX_BYTES, batch, body_length, check, described};

/// Key under which a field says that it holds something else than its type says, and what.
pub(super) const EXTENSION: &str = "ARROW:extension:name";
/// Key under which more is told of it.
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";

/// What came is no stream of rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// A stream as far as it came.
#[derive(Default)]
pub(super) struct Incoming {
    /// What is not decoded yet: less than a message.
    bytes: Vec<u8>,
    schema: Option<SchemaRef>,
    ended: bool,
}

impl Incoming {
    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: Vec<u8>) -> Result<(), Damaged> {
        if self.ended {
            return if bytes.is_empty() { Ok(()) } else { Err(Damaged) };
        }
        if self.bytes.is_empty() {
            self.bytes = bytes
        } else {
            self.bytes.extend_from_slice(&bytes)
        }
        if self.schema.is_none() {
            self.guarded(Self::first)?;
        }
        Ok(())
    }

    /// The schema, once it came.
    pub(super) fn schema(&self) -> Option<&SchemaRef> {
        self.schema.as_ref()
    }

    /// Whether the end mark came.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// The next rows, if they are there.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, Damaged> {
        self.guarded(Self::rows)
    }

    /// The decoder asserts some of what it expects.
    fn guarded<T>(&mut self, decode: fn(&mut Self) -> Result<T, Damaged>) -> Result<T, Damaged> {
        catch_unwind(AssertUnwindSafe(|| decode(self))).unwrap_or(Err(Damaged))
    }

    fn first(&mut self) -> Result<(), Damaged> {
        let Some(message) = self.message()? else { return Ok(()) };
        let described = described(here(), &message.metadata).map_err(|_| Damaged)?;
        let schema = described.header_as_schema().filter(|_| described.header_type() == MessageHeader::Schema).ok_or(Damaged)?;
        if schema.endianness() != Endianness::Little || !message.body.is_empty() {
            return Err(Damaged);
        }
        self.schema = Some(Arc::new(fb_to_schema(schema)));
        Ok(())
    }

    fn rows(&mut self) -> Result<Option<RecordBatch>, Damaged> {
        let Some(schema) = self.schema.clone() else { return Ok(None) };
        let Some(message) = self.message()? else { return Ok(None) };
        let described = described(here(), &message.metadata).map_err(|_| Damaged)?;
        // The process unpacks dictionaries, and sends none.
        if described.header_type() != MessageHeader::RecordBatch {
            return Err(Damaged);
        }
        let rows = batch(here(), &described).map_err(|_| Damaged)?.ok_or(Damaged)?;
        let promised = check(here(), &rows, &message.body).map_err(|_| Damaged)?;
        let body = message.body.into();
        let read = RecordBatchDecoder::try_new(&body, rows, schema, &HashMap::new(), &described.version())
            .and_then(RecordBatchDecoder::read_record_batch)
            .map_err(|_| Damaged)?;
        if u64::try_from(read.num_rows()) == Ok(promised) { Ok(Some(read)) } else { Err(Damaged) }
    }

    /// The next message, if all of it is there.
    fn message(&mut self) -> Result<Option<Framed>, Damaged> {
        let Some((mark, rest)) = self.bytes.split_first_chunk::<4>() else { return Ok(None) };
        if mark != &[0xff; 4] {
            return Err(Damaged);
        }
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| Damaged)?;
        if length == 0 {
            self.ended = true;
            return if rest.is_empty() && self.schema.is_some() {
                self.bytes.clear();
                Ok(None)
            } else {
                Err(Damaged)
            };
        }
        if length > METADATA_MAX_BYTES {
            return Err(Damaged);
        }
        let Some((metadata, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        let body_length = body_length(here(), &described(here(), metadata).map_err(|_| Damaged)?).map_err(|_| Damaged)?;
        let Some((body, rest)) = rest.split_at_checked(body_length) else { return Ok(None) };
        // Aligned as arrays want it.
        let mut aligned = MutableBuffer::new(body.len());
        aligned.extend_from_slice(body);
        let framed = Framed { metadata: metadata.to_vec(), body: aligned };
        self.bytes = rest.to_vec();
        Ok(Some(framed))
    }
}

/// A message.
struct Framed {
    metadata: Vec<u8>,
    body: MutableBuffer,
}

/// What the checks name in their errors, which nobody sees here.
fn here() -> &'static Path {
    Path::new("")
}

/// The type of a field's values. Those that a driver passes on as it got them, without their meaning, have none.
pub(super) fn data_type(field: &Field) -> DataType {
    if without_meaning(field) { DataType::Null } else { field.data_type().clone() }
}

/// Whether only the database knows what the values mean.
pub(super) fn without_meaning(field: &Field) -> bool {
    match field.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            field.metadata().contains_key(EXTENSION)
        }
        // A whole number of the smallest coins there are where the server stands.
        DataType::Int64 => field.metadata().get("POSTGRESQL:type").is_some_and(|name| name == "money"),
        _ => false,
    }
}

/// Whether texts are numbers in digits, of which there may be more than a type of Arrow has.
pub(super) fn is_digits(field: &Field) -> bool {
    let texts = matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    texts && named(field).is_some_and(|name| matches!(name.to_ascii_lowercase().as_str(), "numeric" | "decimal" | "number"))
}

/// What a field says that it holds, as far as that is a name.
pub(super) fn named(field: &Field) -> Option<String> {
    let told = field.metadata().get(EXTENSION_METADATA).and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let told = told.as_ref().and_then(|told| told.get("type_name")).and_then(serde_json::Value::as_str);
    let name = told.or_else(|| field.metadata().get("POSTGRESQL:type").or_else(|| field.metadata().get(EXTENSION)).map(String::as_str))?;
    let plain = name.len() <= 63 && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | ' '));
    plain.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
    use arrow::ipc::writer::StreamWriter;
    use proptest::prelude::*;

    use super::*;

    fn rows() -> RecordBatch {
        let columns: [(&str, ArrayRef); 2] =
            [("a", Arc::new(Int64Array::from(vec![Some(1), None]))), ("b", Arc::new(StringArray::from(vec!["é", ""])))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn stream() -> Vec<u8> {
        let mut writer = StreamWriter::try_new(Vec::new(), &rows().schema()).unwrap();
        writer.write(&rows()).unwrap();
        writer.write(&rows()).unwrap();
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    }

    /// Rows of a stream that comes in pieces, and whether it ended.
    fn read(pieces: &[&[u8]]) -> Result<(usize, bool), Damaged> {
        let mut incoming = Incoming::default();
        let mut rows = 0;
        for piece in pieces {
            incoming.take(piece.to_vec())?;
            while let Some(batch) = incoming.next()? {
                rows += batch.num_rows();
            }
        }
        Ok((rows, incoming.ended()))
    }

    #[test]
    fn a_stream_in_any_pieces_gives_the_same_rows() {
        let stream = stream();
        for cut in 0..=stream.len() {
            let (one, other) = stream.split_at(cut);
            assert_eq!(read(&[one, other]), Ok((4, true)), "{cut}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes), Ok((4, true)));
        let mut incoming = Incoming::default();
        incoming.take(stream).unwrap();
        assert_eq!(incoming.schema().unwrap().field(0).name(), "a");
        let batch = incoming.next().unwrap().unwrap();
        assert_eq!(batch.column(1).as_string::<i32>().value(0), "é");
    }

    #[test]
    fn what_is_cut_has_no_end_and_nothing_follows_the_end() {
        let stream = stream();
        for cut in 0..stream.len() {
            let (rows, ended) = read(&[&stream[..cut]]).unwrap();
            assert!(rows <= 4 && !ended, "{cut}");
        }
        assert_eq!(read(&[&stream, b"x"]), Err(Damaged));
        assert_eq!(read(&[&[stream.as_slice(), b"x"].concat()]), Err(Damaged));
        assert_eq!(read(&[b"{\"error\": \"printed by a library\"}"]), Err(Damaged));
    }

    #[test]
    fn bytes_without_a_meaning_are_not_read() {
        let told = |metadata: &str| {
            let told = [(EXTENSION.to_owned(), "arrow.opaque".to_owned()), (EXTENSION_METADATA.to_owned(), metadata.to_owned())];
            Field::new("c", DataType::Binary, true).with_metadata(HashMap::from(told))
        };
        let opaque = told("{\"type_name\": \"uuid\", \"vendor_name\": \"PostgreSQL\"}");
        assert_eq!((data_type(&opaque), named(&opaque).as_deref()), (DataType::Null, Some("uuid")));
        assert_eq!(named(&told("{\"type_name\": \"\\u001b[31m\"}")), None);
        assert_eq!(named(&told("")).as_deref(), Some("arrow.opaque"));
        let plain = Field::new("c", DataType::Binary, true);
        assert_eq!((data_type(&plain), named(&plain)), (DataType::Binary, None));
        let text = Field::new("c", DataType::Utf8, true).with_metadata(opaque.metadata().clone());
        assert_eq!((data_type(&text), is_digits(&text)), (DataType::Utf8, false));
        let digits = told("{\"type_name\": \"numeric\"}").with_data_type(DataType::Utf8);
        assert!(is_digits(&digits) && !without_meaning(&digits));
        let money = HashMap::from([("POSTGRESQL:type".to_owned(), "money".to_owned())]);
        let money = Field::new("c", DataType::Int64, true).with_metadata(money);
        assert_eq!((data_type(&money), named(&money).as_deref()), (DataType::Null, Some("money")));
    }

    proptest! {
        #[test]
        fn damaged_streams_make_no_rows_that_were_not_sent(at in 0usize..1_000, value: u8) {
            let mut stream = stream();
            let at = at % stream.len();
            stream[at] = value;
            if let Ok((rows, _)) = read(&[&stream]) {
                prop_assert!(rows <= 4);
            }
        }
    }
}
