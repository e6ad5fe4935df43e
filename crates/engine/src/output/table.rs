use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};

use polder_types::printable;

use super::{BatchWriter, Format, formatters, unwritable};
use crate::error::Error;

/// Rows that are held to find the width of columns. Longer answers go on in these widths.
pub const TABLE_BUFFER_ROWS: usize = 1_000;
/// Widest column before its values stand out of line, in characters.
const WIDTH_MAX: usize = 80;

/// Aligned columns. Characters that steer a terminal or reorder a line are written as escapes.
pub(super) struct TableWriter<'a> {
    schema: SchemaRef,
    to: &'a mut (dyn Write + Send),
    held: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
    rows: u64,
}

impl<'a> TableWriter<'a> {
    pub(super) fn new(schema: SchemaRef, to: &'a mut (dyn Write + Send)) -> Self {
        Self { schema, to, held: Vec::new(), widths: None, rows: 0 }
    }

    /// Finds the widths from what is held and writes the head and the held rows.
    fn begin(&mut self) -> Result<Vec<usize>, Error> {
        let names: Vec<String> = self.schema.fields().iter().map(|field| shown(field.name())).collect();
        let mut widths: Vec<usize> = names.iter().map(|name| name.chars().count()).collect();
        for row in &self.held {
            for (width, value) in widths.iter_mut().zip(row) {
                *width = (*width).max(value.chars().count()).min(WIDTH_MAX);
            }
        }
        self.line(&names, &widths)?;
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        self.line(&rule, &widths)?;
        for row in std::mem::take(&mut self.held) {
            self.line(&row, &widths)?;
        }
        self.widths = Some(widths.clone());
        Ok(widths)
    }

    fn line(&mut self, values: &[String], widths: &[usize]) -> Result<(), Error> {
        let mut line = String::new();
        for (index, ((value, width), field)) in values.iter().zip(widths).zip(self.schema.fields()).enumerate() {
            if index > 0 {
                line.push_str("  ");
            }
            let room = " ".repeat(width.saturating_sub(value.chars().count()));
            if is_number(field.data_type()) {
                line.push_str(&room);
                line.push_str(value);
            } else {
                line.push_str(value);
                line.push_str(&room);
            }
        }
        writeln!(self.to, "{}", line.trim_end()).map_err(Error::Write)
    }
}

impl BatchWriter for TableWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let formatters = formatters(batch, Format::Table, "NULL")?;
        for row in 0..batch.num_rows() {
            let values: Result<Vec<String>, Error> = formatters
                .iter()
                .map(|formatter| Ok(shown(&formatter.value(row).try_to_string().map_err(unwritable(Format::Table))?)))
                .collect();
            let values = values?;
            self.rows += 1;
            match self.widths.take() {
                Some(widths) => {
                    self.line(&values, &widths)?;
                    self.widths = Some(widths);
                }
                None => {
                    self.held.push(values);
                    if self.held.len() >= TABLE_BUFFER_ROWS {
                        self.begin()?;
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        if self.widths.is_none() {
            self.begin()?;
        }
        let noun = if self.rows == 1 { "row" } else { "rows" };
        writeln!(self.to, "({} {noun})", self.rows).map_err(Error::Write)?;
        self.to.flush().map_err(Error::Write)
    }

    fn wrote(&self) -> bool {
        self.widths.is_some()
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

fn shown(value: &str) -> String {
    printable(value).into_owned()
}
