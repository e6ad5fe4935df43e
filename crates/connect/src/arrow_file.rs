//! Arrow IPC, as a file or a stream: messages are framed and checked here, then the wanted columns are decoded, with all of the
//! decoder's validation.

mod framing;
pub(crate) mod message;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::Buffer;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow::ipc::{DictionaryBatch, Endianness, MessageHeader, MetadataVersion};

use self::framing::Messages;
use self::message::{batch, check, described, wrong};
use crate::cells::Place;
use crate::csv::header::{Header, Origin};
use crate::error::Error;
use crate::input::KnownFile;
use crate::output::{Message, Output, Stop};
use crate::typed::{self, TypedField};

/// Most dictionaries, and values in all of them together that are held at once, in bytes.
const DICTIONARY_MAX_BYTES: usize = 512 << 20;
/// Most bytes of dictionaries that are copied because something is added to them.
const COPIED_MAX_BYTES: u64 = 8 << 30;

/// Reads one file to its end.
pub(crate) fn decode(file: &KnownFile, wanted: Option<&[String]>, place: &mut Place, out: &Output) -> Result<(), Stop> {
    // The decoder asserts some of what it expects.
    match catch_unwind(AssertUnwindSafe(|| decode_inner(file, wanted, place, out))) {
        Ok(result) => result,
        Err(_) => Err(wrong(&file.path, "the decoder gave up on damaged bytes").into()),
    }
}

fn decode_inner(file: &KnownFile, wanted: Option<&[String]>, place: &mut Place, out: &Output) -> Result<(), Stop> {
    let path = &file.path;
    let mut messages = Messages::open(file)?;
    let schema = schema(file, &mut messages)?;
    let names = schema.fields().iter().map(|field| field.name().clone()).collect();
    let header = Header::new(path, names, Origin::Schema, wanted)?;
    out.send(Message::LeftOut(header.left_out.clone()))?;
    for field in header.fields.iter().filter_map(|field| schema.fields().get(*field)) {
        if let Some(kind) = typed::unreadable(field.data_type()) {
            return Err(Error::Nested { path: path.clone(), format: "Arrow", column: field.name().clone(), kind }.into());
        }
    }
    let mut dictionaries = Dictionaries::new(messages.is_file, COPIED_MAX_BYTES);
    let wanted_dictionaries = dictionary_ids(&schema, &header);
    let (mut promised, mut decoded) = (0u64, 0u64);
    while let Some(framed) = messages.next(path)? {
        let message = described(path, &framed.metadata)?;
        let Some(described) = batch(path, &message)? else {
            return Err(wrong(path, "it holds a message that is neither rows nor a dictionary").into());
        };
        let version = message.version();
        if let Some(dictionary) = message.header_as_dictionary_batch().filter(|_| message.header_type() == MessageHeader::DictionaryBatch) {
            if wanted_dictionaries.contains(&dictionary.id()) {
                check(path, &described, &framed.body)?;
                dictionaries.read(path, &framed.body, dictionary, &schema, &version)?;
            }
            continue;
        }
        promised = promised.saturating_add(check(path, &described, &framed.body)?);
        let rows = RecordBatchDecoder::try_new(&framed.body, described, Arc::clone(&schema), &dictionaries.by_id, &version)
            .map(|decoder| decoder.with_projection(Some(&header.fields)))
            .and_then(RecordBatchDecoder::read_record_batch)
            // In its own words it might tell what a row holds.
            .map_err(|_| wrong(path, format!("rows of it cannot be decoded, after row {decoded}")))?;
        decoded = decoded.saturating_add(u64::try_from(rows.num_rows()).unwrap_or(u64::MAX));
        typed::send(&rows, place, out)?;
    }
    if decoded != promised {
        return Err(wrong(path, format!("its messages promise {promised} rows, {decoded} were decoded")).into());
    }
    let sha256 = file.hash.then(|| file.sha256(messages.file())).transpose()?;
    file.check(messages.file())?;
    out.send(Message::FileEnd { counted: Some(promised), sha256 })
}

/// The dictionaries of wanted columns, as far as they were read.
struct Dictionaries {
    by_id: HashMap<i64, ArrayRef>,
    is_file: bool,
    /// Bytes that were copied because something was added to them.
    copied: u64,
    copied_max: u64,
}

impl Dictionaries {
    fn new(is_file: bool, copied_max: u64) -> Self {
        Self { by_id: HashMap::new(), is_file, copied: 0, copied_max }
    }

    /// Takes in a dictionary, or what is added to one, whose message was checked.
    fn read(
        &mut self,
        path: &Path,
        body: &Buffer,
        dictionary: DictionaryBatch<'_>,
        schema: &Schema,
        version: &MetadataVersion,
    ) -> Result<(), Error> {
        match self.by_id.get(&dictionary.id()) {
            // All that was there before is copied each time, however little is added.
            Some(before) if dictionary.isDelta() => {
                self.copied = self.copied.saturating_add(u64::try_from(before.get_array_memory_size()).unwrap_or(u64::MAX));
                if self.copied > self.copied_max {
                    let most = self.copied_max;
                    return Err(wrong(path, format!("its dictionaries are added to so often that more than {most} bytes would be copied")));
                }
            }
            // A file's dictionaries stand for all of its rows: the later one would change values that were written with the other.
            Some(_) if self.is_file => return Err(wrong(path, "it has two dictionaries for one column, which only a stream may have")),
            _ => {}
        }
        read_dictionary(body, dictionary, schema, &mut self.by_id, version)
            .map_err(|_| wrong(path, "a dictionary of it cannot be decoded"))?;
        let held: usize = self.by_id.values().map(|values| values.get_array_memory_size()).sum();
        if held > DICTIONARY_MAX_BYTES { Err(wrong(path, "its dictionaries take more than 512 MiB")) } else { Ok(()) }
    }
}

/// The schema, which is the first message.
fn schema(file: &KnownFile, messages: &mut Messages) -> Result<SchemaRef, Error> {
    let path = &file.path;
    let first = messages.next(path)?.ok_or_else(|| wrong(path, "it has no schema"))?;
    let message = described(path, &first.metadata)?;
    let schema = message.header_as_schema().filter(|_| message.header_type() == MessageHeader::Schema);
    let schema = schema.ok_or_else(|| wrong(path, "it does not begin with a schema"))?;
    if schema.endianness() != Endianness::Little {
        return Err(wrong(path, "its numbers have their high bytes first, which is not read"));
    }
    Ok(Arc::new(fb_to_schema(schema)))
}

/// The dictionaries of wanted columns.
#[allow(deprecated, reason = "the format's dictionaries go by these numbers, and there is no other way to them")]
fn dictionary_ids(schema: &Schema, header: &Header) -> Vec<i64> {
    let fields = header.fields.iter().filter_map(|field| schema.fields().get(*field));
    fields.filter_map(|field| field.dict_id()).collect()
}

/// The columns of a file and their types, for a sample.
pub(crate) fn fields(file: &KnownFile) -> Result<Vec<TypedField>, Error> {
    let look = || {
        let schema = schema(file, &mut Messages::open(file)?)?;
        Ok(schema.fields().iter().map(|field| TypedField::new(field.name(), field.data_type().clone())).collect())
    };
    match catch_unwind(AssertUnwindSafe(look)) {
        Ok(fields) => fields,
        Err(_) => Err(wrong(&file.path, "the decoder gave up on damaged bytes")),
    }
}
