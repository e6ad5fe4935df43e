//! CSV by RFC 4180, with a header. The empty text is quoted, so that it differs from NULL.

use std::sync::Arc;

use arrow::array::{Array as _, RecordBatch};
use arrow::datatypes::SchemaRef;

use super::{Unwritable, Writer, formatters};

/// The end of a line comes with the next one, so that an answer that broke off does not end with one.
pub(super) struct Csv {
    head: Option<String>,
}

impl Csv {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, Unwritable> {
        let _ = formatters(&RecordBatch::new_empty(Arc::clone(schema)))?;
        let mut head = String::new();
        for (index, field) in schema.fields().iter().enumerate() {
            if index > 0 {
                head.push(',');
            }
            quote(field.name(), &mut head);
        }
        Ok(Self { head: Some(head) })
    }
}

impl Writer for Csv {
    fn write(&mut self, rows: &RecordBatch) -> Result<Vec<u8>, Unwritable> {
        let mut out = self.head.take().unwrap_or_default();
        let mut value = String::new();
        let formatters = formatters(rows)?;
        for row in 0..rows.num_rows() {
            out.push_str("\r\n");
            for (index, (formatter, column)) in formatters.iter().zip(rows.columns()).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                if column.is_null(row) {
                    continue;
                }
                value.clear();
                formatter.value(row).write(&mut value)?;
                quote(&value, &mut out);
            }
        }
        Ok(out.into_bytes())
    }

    fn finish(&mut self, _: u64) -> Result<Vec<u8>, Unwritable> {
        let mut out = self.head.take().unwrap_or_default();
        out.push_str("\r\n");
        Ok(out.into_bytes())
    }
}

fn quote(value: &str, line: &mut String) {
    if value.is_empty() || value.contains([',', '"', '\n', '\r']) || value.starts_with(' ') || value.ends_with(' ') {
        line.push('"');
        line.push_str(&value.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(value);
    }
}
