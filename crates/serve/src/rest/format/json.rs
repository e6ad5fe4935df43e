//! JSON: one object, or an object a line. Numbers are written exactly; NaN and the infinities, which JSON has no number for, are texts.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Fields, Float16Type, Float32Type, Float64Type, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder, make_encoder};
use polder_types::{RequestId, printable_json};
use serde::Serialize;

use super::{Unwritable, Writer};
use crate::rest::query::AnswerColumn;

/// `{"request":…,"columns":[…],"rows":[[…],…],"row_count":…}`: without its end it is no JSON.
pub(super) struct Whole {
    head: Option<Vec<u8>>,
    any: bool,
}

impl Whole {
    pub(super) fn new(request: RequestId, schema: &SchemaRef) -> Result<Self, Unwritable> {
        #[derive(Serialize)]
        struct Head {
            request: String,
            columns: Vec<AnswerColumn>,
        }
        schema.fields().iter().try_for_each(|field| within(field.data_type()))?;
        let _ = encoders(&RecordBatch::new_empty(Arc::clone(schema)))?;
        let columns = schema.fields().iter().map(|field| AnswerColumn::of(field)).collect();
        let mut head = serde_json::to_vec(&Head { request: request.to_string(), columns }).map_err(|_| Unwritable)?;
        // The object goes on.
        head.pop();
        head.extend_from_slice(b",\"rows\":[");
        Ok(Self { head: Some(head), any: false })
    }
}

impl Writer for Whole {
    fn write(&mut self, rows: &RecordBatch) -> Result<Vec<u8>, Unwritable> {
        let mut out = self.head.take().unwrap_or_default();
        let mut encoders = encoders(rows)?;
        for row in 0..rows.num_rows() {
            out.extend_from_slice(if self.any { b",\n[" } else { b"\n[" });
            self.any = true;
            for (index, encoder) in encoders.iter_mut().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                value(encoder, row, &mut out);
            }
            out.push(b']');
        }
        escaped(out)
    }

    fn finish(&mut self, rows: u64) -> Result<Vec<u8>, Unwritable> {
        let mut out = self.head.take().unwrap_or_default();
        out.extend_from_slice(format!("],\"row_count\":{rows}}}\n").as_bytes());
        escaped(out)
    }
}

/// The end of a line comes with the next one, so that an answer that broke off does not end with one.
pub(super) struct Lines {
    /// `"name":`, a column each.
    names: Vec<Vec<u8>>,
    any: bool,
}

impl Lines {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, Unwritable> {
        once(schema.fields())?;
        let _ = encoders(&RecordBatch::new_empty(Arc::clone(schema)))?;
        let names = schema.fields().iter().map(|field| {
            let mut name = serde_json::to_vec(field.name()).map_err(|_| Unwritable)?;
            name.push(b':');
            Ok(name)
        });
        Ok(Self { names: names.collect::<Result<_, Unwritable>>()?, any: false })
    }
}

impl Writer for Lines {
    fn write(&mut self, rows: &RecordBatch) -> Result<Vec<u8>, Unwritable> {
        let mut out = Vec::new();
        let mut encoders = encoders(rows)?;
        for row in 0..rows.num_rows() {
            out.extend_from_slice(if self.any { b"\n{" } else { b"{" });
            self.any = true;
            for (index, (encoder, name)) in encoders.iter_mut().zip(&self.names).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(name);
                value(encoder, row, &mut out);
            }
            out.push(b'}');
        }
        escaped(out)
    }

    fn finish(&mut self, _: u64) -> Result<Vec<u8>, Unwritable> {
        Ok(if self.any { b"\n".to_vec() } else { Vec::new() })
    }
}

/// An object that holds a name twice is read in one way here and in another there.
fn once(fields: &Fields) -> Result<(), Unwritable> {
    let mut names = BTreeSet::new();
    for field in fields {
        if !names.insert(field.name()) {
            return Err(Unwritable);
        }
        within(field.data_type())?;
    }
    Ok(())
}

fn within(data_type: &DataType) -> Result<(), Unwritable> {
    match data_type {
        DataType::Struct(fields) => once(fields),
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

/// Characters that steer a terminal or reorder a line are written as JSON's escapes: people look at answers there.
fn escaped(out: Vec<u8>) -> Result<Vec<u8>, Unwritable> {
    // Most answers hold nothing else, and a look at each byte is quick.
    if out.is_ascii() && !out.contains(&0x7f) {
        return Ok(out);
    }
    let text = String::from_utf8(out).map_err(|_| Unwritable)?;
    Ok(printable_json(&text).into_owned().into_bytes())
}

fn value(encoder: &mut NullableEncoder<'_>, row: usize, out: &mut Vec<u8>) {
    if encoder.is_null(row) {
        out.extend_from_slice(b"null");
    } else {
        encoder.encode(row, out);
    }
}

static PLAIN: LazyLock<EncoderOptions> = LazyLock::new(|| EncoderOptions::default().with_explicit_nulls(true));
static OPTIONS: LazyLock<EncoderOptions> = LazyLock::new(|| PLAIN.clone().with_encoder_factory(Arc::new(AllFloats)));

fn encoders(rows: &RecordBatch) -> Result<Vec<NullableEncoder<'_>>, Unwritable> {
    let fields = rows.schema_ref().fields().iter().zip(rows.columns());
    fields.map(|(field, column)| Ok(make_encoder(field, column.as_ref(), &OPTIONS)?)).collect()
}

/// Writes the floats that JSON has no number for as texts; the writer's own way makes NULL of them.
#[derive(Debug)]
struct AllFloats;

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
        // Without this factory, which would ask itself.
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
