use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::json::writer::{JsonArray, Writer, WriterBuilder};

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
        Self { writer: WriterBuilder::new().with_explicit_nulls(true).build(Escaping(to)) }
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
