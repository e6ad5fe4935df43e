use std::io::Write;

use arrow::array::{Array as _, RecordBatch};
use arrow::datatypes::Schema;

use super::{BatchWriter, Format, formatters, unwritable};
use crate::error::Error;

/// RFC 4180. The empty string is quoted, so that it differs from NULL.
pub(super) struct CsvWriter<'a> {
    to: &'a mut (dyn Write + Send),
    line: String,
}

impl<'a> CsvWriter<'a> {
    pub(super) fn new(schema: &Schema, to: &'a mut (dyn Write + Send)) -> Result<Self, Error> {
        let mut line = String::new();
        for (index, field) in schema.fields().iter().enumerate() {
            if index > 0 {
                line.push(',');
            }
            quote(field.name(), &mut line);
        }
        line.push('\n');
        to.write_all(line.as_bytes()).map_err(Error::Write)?;
        Ok(Self { to, line })
    }
}

impl BatchWriter for CsvWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let formatters = formatters(batch, Format::Csv, "")?;
        let mut value = String::new();
        for row in 0..batch.num_rows() {
            self.line.clear();
            for (index, (formatter, column)) in formatters.iter().zip(batch.columns()).enumerate() {
                if index > 0 {
                    self.line.push(',');
                }
                if column.is_null(row) {
                    continue;
                }
                value.clear();
                formatter.value(row).write(&mut value).map_err(unwritable(Format::Csv))?;
                quote(&value, &mut self.line);
            }
            self.line.push('\n');
            self.to.write_all(self.line.as_bytes()).map_err(Error::Write)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.to.flush().map_err(Error::Write)
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
