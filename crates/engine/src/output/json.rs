use std::io::Write;

use arrow::array::RecordBatch;
use arrow::json::writer::{JsonArray, Writer, WriterBuilder};

use super::{BatchWriter, Format, unwritable};
use crate::error::Error;

/// One array of objects, NULLs included.
pub(super) struct JsonWriter<'a> {
    writer: Writer<&'a mut (dyn Write + Send), JsonArray>,
}

impl<'a> JsonWriter<'a> {
    pub(super) fn new(to: &'a mut (dyn Write + Send)) -> Self {
        Self { writer: WriterBuilder::new().with_explicit_nulls(true).build(to) }
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
