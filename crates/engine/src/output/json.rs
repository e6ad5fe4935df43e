use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Fields, Float16Type, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, JsonArray, NullableEncoder, Writer, WriterBuilder, make_encoder};

use polder_types::printable_json;

use super::{BatchWriter, Format, unwritable};
use crate::error::Error;

/// One array of objects, NULLs included.
pub(super) struct JsonWriter<'a> {
    writer: Writer<Escaping<'a>, JsonArray>,
}

/// Writes characters that steer a terminal, or reorder a line, as JSON's escapes.
struct Escaping<'a>(&'a mut (dyn Write + Send));

impl Write for Escaping<'_> {
    /// Takes whole texts: the writer above hands on whole rows.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            // Most answers hold nothing else, and a look at each byte is quick.
            Ok(text) if !text.is_ascii() || bytes.contains(&0x7f) => self.0.write_all(printable_json(text).as_bytes())?,
            _ => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<'a> JsonWriter<'a> {
    pub(super) fn new(to: &'a mut (dyn Write + Send)) -> Self {
        let builder = WriterBuilder::new().with_explicit_nulls(true).with_encoder_factory(Arc::new(AllFloats));
        Self { writer: builder.build(Escaping(to)) }
    }
}

/// An object that holds a name twice is read in one way here and in another there.
pub(super) fn names_once(fields: &Fields) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for field in fields {
        if !names.insert(field.name()) {
            return Err(Error::SameName { name: field.name().clone() });
        }
        within(field.data_type())?;
    }
    Ok(())
}

fn within(data_type: &DataType) -> Result<(), Error> {
    match data_type {
        DataType::Struct(fields) => names_once(fields),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => within(item.data_type()),
        DataType::Dictionary(_, values) => within(values),
        _ => Ok(()),
    }
}

/// Writes the floats that JSON has no number for as texts; the writer's own way makes NULL of them.
#[derive(Debug)]
struct AllFloats;

/// Those of the writer, without this factory, which would ask itself.
static PLAIN: LazyLock<EncoderOptions> = LazyLock::new(|| EncoderOptions::default().with_explicit_nulls(true));

impl EncoderFactory for AllFloats {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let value: Box<dyn Fn(usize) -> f64 + 'a> = match array.data_type() {
            DataType::Float16 => {
                let values = array.as_primitive::<Float16Type>();
                Box::new(move |row| values.value(row).to_f64())
            }
            DataType::Float32 => {
                let values = array.as_primitive::<Float32Type>();
                Box::new(move |row| f64::from(values.value(row)))
            }
            DataType::Float64 => {
                let values = array.as_primitive::<Float64Type>();
                Box::new(move |row| values.value(row))
            }
            _ => return Ok(None),
        };
        let finite = make_encoder(field, array, &PLAIN)?;
        Ok(Some(NullableEncoder::new(Box::new(Floats { value, finite }), array.nulls().cloned())))
    }
}

struct Floats<'a> {
    value: Box<dyn Fn(usize) -> f64 + 'a>,
    finite: NullableEncoder<'a>,
}

impl Encoder for Floats<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let value = (self.value)(row);
        let text: &[u8] = if value.is_nan() {
            br#""NaN""#
        } else if value == f64::INFINITY {
            br#""Infinity""#
        } else if value == f64::NEG_INFINITY {
            br#""-Infinity""#
        } else {
            return self.finite.encode(row, out);
        };
        out.extend_from_slice(text);
    }
}

impl BatchWriter for JsonWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.writer.write(batch).map_err(unwritable(Format::Json))
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.writer.finish().map_err(unwritable(Format::Json))?;
        self.writer.get_mut().write_all(b"\n").map_err(Error::Write)
    }
}
