//! Avro object container files. Blocks are framed, decompressed and walked over here, within limits; what was found to be as it says is
//! given to the decoder, which reads the wanted columns only.

pub(crate) mod schema;
pub(crate) mod walk;

use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow::datatypes::DataType;
use arrow_avro::reader::ReaderBuilder;
use polder_types::limit::DECOMPRESSION_RATIO_MAX;
use serde_json::Value;

use self::schema::{Schema, Wrong};
use self::walk::varint;
use crate::cells::Place;
use crate::connection::Compression;
use crate::csv::header::{Header, Origin};
use crate::error::Error;
use crate::input::{BOMB_FREE_BYTES, KnownFile};
use crate::output::{Message, Output, Stop};
use crate::stream::Stream;
use crate::typed::{self, TypedField};

/// Longest header: magic, metadata, sync marker.
const HEADER_MAX_BYTES: usize = 4 << 20;
/// Largest block, compressed or not.
const BLOCK_MAX_BYTES: usize = 64 << 20;
/// Blocks are decoded together up to here.
const GROUP_BYTES: usize = 4 << 20;
const SYNC_BYTES: usize = 16;

/// Reads one file to its end.
pub(crate) fn decode(file: &KnownFile, wanted: Option<&[String]>, place: &mut Place, out: &Output) -> Result<(), Stop> {
    // Everything the decoder is given was walked over, but it has been known to panic on what nobody thought of.
    match catch_unwind(AssertUnwindSafe(|| decode_inner(file, wanted, place, out))) {
        Ok(result) => result,
        Err(_) => Err(wrong(&file.path, "the decoder gave up on damaged bytes").into()),
    }
}

fn wrong(path: &Path, problem: impl Into<String>) -> Error {
    Error::Format { path: path.to_path_buf(), format: "Avro", problem: problem.into(), advice: "deliver the file again" }
}

fn decode_inner(file: &KnownFile, wanted: Option<&[String]>, place: &mut Place, out: &Output) -> Result<(), Stop> {
    let path = &file.path;
    let mut container = Container::open(file)?;
    let names = container.schema.columns.iter().map(|column| column.name.clone()).collect();
    let header = Header::new(path, names, Origin::Schema, wanted)?;
    out.send(Message::LeftOut(header.left_out.clone()))?;
    for column in header.fields.iter().filter_map(|field| container.schema.columns.get(*field)) {
        if let Some(kind) = column.unreadable {
            return Err(Error::Nested { path: path.clone(), format: "Avro", column: column.name.clone(), kind }.into());
        }
    }
    let (mut counted, mut steps) = (0u64, walk::STEPS_FREE);
    loop {
        let mut group = Vec::new();
        let mut records = 0u64;
        while group.len() < GROUP_BYTES
            && let Some((count, block)) = container.block()?
        {
            records += walk::records(&container.schema.root, &block, count, &mut steps).map_err(|problem| container.wrong(problem))?;
            if count > 0 {
                write_block(count, &block, container.sync, &mut group);
            }
        }
        if records == 0 && group.is_empty() {
            if container.ended {
                break;
            }
            continue;
        }
        counted = counted.saturating_add(records);
        let decoded = decode_group(&container, &header, &group, place, out)?;
        if decoded != records {
            return Err(container.wrong("its decoder read another number of records than its blocks hold").into());
        }
    }
    out.send(Message::FileEnd { counted: Some(counted), sha256: container.stream.sha256() })
}

/// Decodes blocks that hold what they say; how many records came out.
fn decode_group(container: &Container, header: &Header, group: &[u8], place: &mut Place, out: &Output) -> Result<u64, Stop> {
    let bytes = Cursor::new(container.head.as_slice()).chain(Cursor::new(group));
    let builder = ReaderBuilder::new().with_batch_size(crate::csv::BATCH_ROWS).with_projection(header.fields.clone());
    let reader = builder.build(bytes).map_err(|_| container.wrong("its schema cannot be decoded"))?;
    let mut rows = 0u64;
    for batch in reader {
        // In its own words it might tell what a record holds.
        let batch = batch.map_err(|_| container.wrong("a record of it cannot be decoded"))?;
        rows = rows.saturating_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX));
        for (field, column) in batch.schema().fields().iter().zip(&header.fields) {
            if let Some(kind) = typed::unreadable(field.data_type()) {
                let column = header.names.get(*column).cloned().unwrap_or_default();
                return Err(Error::Nested { path: container.path().to_path_buf(), format: "Avro", column, kind }.into());
            }
        }
        typed::send(&batch, place, out)?;
    }
    Ok(rows)
}

/// The columns of a file and their types, for a sample; none for what is no plain value.
pub(crate) fn fields(file: &KnownFile) -> Result<Vec<TypedField>, Error> {
    let look = || {
        let container = Container::open(file)?;
        let readable: Vec<usize> =
            container.schema.columns.iter().enumerate().filter(|(_, column)| column.unreadable.is_none()).map(|(place, _)| place).collect();
        let reader = ReaderBuilder::new().with_projection(readable.clone()).build(Cursor::new(container.head.as_slice()));
        let types = reader.map_err(|_| container.wrong("its schema cannot be decoded"))?.schema();
        let columns = container.schema.columns.iter().enumerate().map(|(place, column)| {
            let known = readable.iter().position(|readable| *readable == place).and_then(|at| types.fields().get(at));
            // Stands for all that is nested.
            let nested = DataType::Struct(arrow::datatypes::Fields::empty());
            TypedField::new(&column.name, known.map_or(nested, |field| field.data_type().clone()))
        });
        Ok(columns.collect())
    };
    match catch_unwind(AssertUnwindSafe(look)) {
        Ok(fields) => fields,
        Err(_) => Err(wrong(&file.path, "the decoder gave up on damaged bytes")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Null,
    Deflate,
    Snappy,
    Zstandard,
}

/// A file whose header was read.
struct Container {
    file: KnownFile,
    stream: Stream,
    schema: Schema,
    codec: Codec,
    sync: [u8; SYNC_BYTES],
    /// The header as the decoder is given it: without compression.
    head: Vec<u8>,
    blocks: u64,
    ended: bool,
    grown: u64,
    packed: u64,
}

impl Container {
    fn open(file: &KnownFile) -> Result<Self, Error> {
        let mut stream = Stream::open(file, Compression::None)?;
        let mut head = Head { stream: &mut stream, path: &file.path, read: 0 };
        let mut magic = [0; 4];
        head.fill(&mut magic)?;
        if magic != *b"Obj\x01" {
            return Err(Error::Format {
                path: file.path.clone(),
                format: "Avro",
                problem: "it is no object container file".to_owned(),
                advice: "deliver one, or correct `type` in the source",
            });
        }
        let (mut schema, mut codec) = (None, Codec::Null);
        loop {
            let count = head.long()?;
            if count == 0 {
                break;
            }
            if count < 0 {
                head.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                let key = head.bytes()?;
                let value = head.bytes()?;
                match key.as_slice() {
                    b"avro.schema" if schema.is_some() => return Err(wrong(&file.path, "its header has two schemas")),
                    b"avro.schema" => schema = Some(value),
                    b"avro.codec" => codec = Self::codec(&file.path, &value)?,
                    _ => {}
                }
            }
        }
        let mut sync = [0; SYNC_BYTES];
        head.fill(&mut sync)?;
        let text = schema.ok_or_else(|| wrong(&file.path, "its header has no schema"))?;
        let schema = Schema::parse(&text).map_err(|problem| wrong(&file.path, problem))?;
        let head = decoder_head(&text, sync).ok_or_else(|| wrong(&file.path, "its schema is not JSON"))?;
        Ok(Self { file: file.clone(), stream, schema, codec, sync, head, blocks: 0, ended: false, grown: 0, packed: 0 })
    }

    fn codec(path: &Path, name: &[u8]) -> Result<Codec, Error> {
        Ok(match name {
            b"null" | b"" => Codec::Null,
            b"deflate" => Codec::Deflate,
            b"snappy" => Codec::Snappy,
            b"zstandard" => Codec::Zstandard,
            _ => {
                return Err(Error::Format {
                    path: path.to_path_buf(),
                    format: "Avro",
                    problem: "its codec is not read".to_owned(),
                    advice: "write it with null, deflate, snappy or zstandard",
                });
            }
        })
    }

    fn path(&self) -> &Path {
        &self.file.path
    }

    fn wrong(&self, problem: &str) -> Error {
        wrong(self.path(), format!("{problem}, in block {}", self.blocks.max(1)))
    }

    /// The next block: how many records it says it holds, and its bytes, decompressed.
    fn block(&mut self) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let mut first = [0];
        if self.ended || self.stream.fill(&mut first)? == 0 {
            self.ended = true;
            return Ok(None);
        }
        self.blocks += 1;
        let count = self.long(Some(first))?;
        let size = self.long(None)?;
        let count = u64::try_from(count).map_err(|_| self.wrong("it says that it holds a negative number of records"))?;
        let size = usize::try_from(size).ok().filter(|size| *size <= BLOCK_MAX_BYTES);
        let size = size.ok_or_else(|| self.wrong("it says that it is longer than 64 MiB"))?;
        let mut packed = Vec::new();
        // As it comes: what it says may be more than there is.
        while packed.len() < size {
            let have = packed.len();
            let next = (size - have).min(GROUP_BYTES);
            packed.resize(have + next, 0);
            if self.stream.fill(packed.get_mut(have..).unwrap_or_default())? < next {
                return Err(self.wrong("the file ends in the middle"));
            }
        }
        let mut sync = [0; SYNC_BYTES];
        if self.stream.fill(&mut sync)? < SYNC_BYTES {
            return Err(self.wrong("the file ends in the middle"));
        }
        if sync != self.sync {
            return Err(self.wrong("its sync marker is damaged"));
        }
        let block = self.unpack(packed).map_err(|problem| self.wrong(problem))?;
        if self.grown > BOMB_FREE_BYTES && self.grown > self.packed.saturating_mul(DECOMPRESSION_RATIO_MAX) {
            return Err(Error::Bomb { path: self.path().to_path_buf(), ratio_max: DECOMPRESSION_RATIO_MAX });
        }
        Ok(Some((count, block)))
    }

    fn long(&mut self, first: Option<[u8; 1]>) -> Result<i64, Error> {
        let mut bytes = Vec::with_capacity(10);
        bytes.extend(first.into_iter().flatten());
        loop {
            if let Some((value, _)) = varint(&bytes) {
                return Ok(value);
            }
            let mut byte = [0];
            if bytes.len() >= 10 || self.stream.fill(&mut byte)? == 0 {
                return Err(self.wrong("the file ends in the middle, or a number in it is too long"));
            }
            bytes.extend(byte);
        }
    }

    fn unpack(&mut self, packed: Vec<u8>) -> Result<Vec<u8>, Wrong> {
        const DAMAGED: Wrong = "its compressed bytes are damaged";
        self.packed = self.packed.saturating_add(u64::try_from(packed.len()).unwrap_or(u64::MAX));
        let limit = u64::try_from(BLOCK_MAX_BYTES).unwrap_or(u64::MAX);
        let read = |from: &mut dyn Read| {
            let mut block = Vec::new();
            from.take(limit + 1).read_to_end(&mut block).map_err(|_| DAMAGED)?;
            Ok::<_, Wrong>(block)
        };
        let block = match self.codec {
            Codec::Null => packed,
            Codec::Deflate => read(&mut flate2::read::DeflateDecoder::new(packed.as_slice()))?,
            Codec::Zstandard => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed.as_slice()).map_err(|_| DAMAGED)?;
                decoder.window_log_max(26).map_err(|_| DAMAGED)?;
                read(&mut decoder)?
            }
            Codec::Snappy => unsnap(&packed)?,
        };
        if block.len() > BLOCK_MAX_BYTES {
            return Err("it grows to more than 64 MiB");
        }
        self.grown = self.grown.saturating_add(u64::try_from(block.len()).unwrap_or(u64::MAX));
        Ok(block)
    }
}

/// Snappy's raw format, with the checksum of what comes out behind it.
fn unsnap(packed: &[u8]) -> Result<Vec<u8>, Wrong> {
    const DAMAGED: Wrong = "its compressed bytes are damaged";
    let (packed, sum) = packed.split_last_chunk::<4>().ok_or(DAMAGED)?;
    let grown = snap::raw::decompress_len(packed).map_err(|_| DAMAGED)?;
    if grown > BLOCK_MAX_BYTES {
        return Err("it grows to more than 64 MiB");
    }
    let block = snap::raw::Decoder::new().decompress_vec(packed).map_err(|_| DAMAGED)?;
    let mut crc = flate2::Crc::new();
    crc.update(&block);
    if crc.sum() == u32::from_be_bytes(*sum) { Ok(block) } else { Err("its checksum does not fit") }
}

/// A header being read.
struct Head<'a> {
    stream: &'a mut Stream,
    path: &'a Path,
    read: usize,
}

impl Head<'_> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        self.read = self.read.saturating_add(buffer.len());
        if self.read > HEADER_MAX_BYTES {
            return Err(wrong(self.path, "its header is longer than 4 MiB"));
        }
        if self.stream.fill(buffer)? < buffer.len() { Err(wrong(self.path, "it ends in its header")) } else { Ok(()) }
    }

    fn long(&mut self) -> Result<i64, Error> {
        let mut bytes = Vec::with_capacity(10);
        while bytes.len() < 10 {
            let mut byte = [0];
            self.fill(&mut byte)?;
            bytes.extend(byte);
            if let Some((value, _)) = varint(&bytes) {
                return Ok(value);
            }
        }
        Err(wrong(self.path, "a number in its header is too long"))
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        let length = usize::try_from(self.long()?).ok().filter(|length| *length <= HEADER_MAX_BYTES);
        let length = length.ok_or_else(|| wrong(self.path, "its header is longer than 4 MiB"))?;
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

fn write_long(value: usize, out: &mut Vec<u8>) {
    let mut rest = u64::try_from(value).unwrap_or(u64::MAX) << 1;
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or(0);
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// A block for the decoder.
fn write_block(count: u64, block: &[u8], sync: [u8; SYNC_BYTES], out: &mut Vec<u8>) {
    write_long(usize::try_from(count).unwrap_or(usize::MAX), out);
    write_bytes(block, out);
    out.extend_from_slice(&sync);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_long(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// The header for the decoder: the same schema, but that identifiers stay texts, and no compression.
fn decoder_head(schema: &[u8], sync: [u8; SYNC_BYTES]) -> Option<Vec<u8>> {
    let mut schema: Value = serde_json::from_slice(schema).ok()?;
    keep_texts(&mut schema);
    let mut head = b"Obj\x01".to_vec();
    write_long(1, &mut head);
    write_bytes(b"avro.schema", &mut head);
    write_bytes(&serde_json::to_vec(&schema).ok()?, &mut head);
    write_long(0, &mut head);
    head.extend_from_slice(&sync);
    Some(head)
}

/// `uuid` makes sixteen bytes of a text, where the contract's `format: uuid` wants the text.
fn keep_texts(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("logicalType").and_then(Value::as_str) == Some("uuid")
                && object.get("type").and_then(Value::as_str) == Some("string")
            {
                object.remove("logicalType");
            }
            object.values_mut().for_each(keep_texts);
        }
        Value::Array(values) => values.iter_mut().for_each(keep_texts),
        _ => {}
    }
}
