//! Arrow IPC streams and Parquet files. Without its end a Parquet file cannot be read; a reader of an Arrow stream may take one that broke off
//! for whole, so that there the connection itself must tell.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::{Unwritable, Writer};
use crate::plain::{self, Parts};

/// Rows of a Parquet row group, at most.
const GROUP_ROWS_MAX: usize = 128 << 10;
/// Bytes of a Parquet row group, at most: it is held until it is whole.
const GROUP_BYTES_MAX: usize = 8 << 20;

pub(super) struct Arrow {
    schema: SchemaRef,
    writer: StreamWriter<Vec<u8>>,
}

impl Arrow {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, Unwritable> {
        let schema = plain::schema(schema)?;
        Ok(Self { writer: StreamWriter::try_new(Vec::new(), &schema)?, schema })
    }
}

impl Writer for Arrow {
    fn rows_max(&self) -> usize {
        usize::MAX
    }

    fn write(&mut self, rows: &RecordBatch) -> Result<Vec<u8>, Unwritable> {
        // Buffers go whole: what a filter took out, or what lies below a NULL, must not be in them.
        for part in Parts::new(std::sync::Arc::clone(&self.schema), rows.clone(), usize::MAX) {
            self.writer.write(&part?)?;
        }
        Ok(std::mem::take(self.writer.get_mut()))
    }

    fn finish(&mut self, _: u64) -> Result<Vec<u8>, Unwritable> {
        self.writer.finish()?;
        Ok(std::mem::take(self.writer.get_mut()))
    }
}

pub(super) struct Parquet {
    writer: ArrowWriter<Vec<u8>>,
}

impl Parquet {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, Unwritable> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by("polder".to_owned())
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .build();
        Ok(Self { writer: ArrowWriter::try_new(Vec::new(), std::sync::Arc::clone(schema), Some(properties))? })
    }
}

impl Writer for Parquet {
    fn write(&mut self, rows: &RecordBatch) -> Result<Vec<u8>, Unwritable> {
        self.writer.write(rows)?;
        if self.writer.in_progress_size() >= GROUP_BYTES_MAX {
            self.writer.flush()?;
        }
        // Where things lie in the file is counted apart from what lies here.
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    fn finish(&mut self, _: u64) -> Result<Vec<u8>, Unwritable> {
        self.writer.finish()?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, BooleanArray, StringArray, StringViewArray};
    use arrow::compute::{filter, nullif};

    use super::*;

    #[test]
    fn nothing_goes_of_what_is_not_shown() {
        let texts = ["seen by all who may", "hidden-from-this-asker"];
        let second = BooleanArray::from(vec![false, true]);
        let first = BooleanArray::from(vec![true, false]);
        // A value below a NULL, and one of a row that a filter took out: a view keeps the buffer of both.
        let below = nullif(&StringArray::from(texts.to_vec()), &second).unwrap();
        let filtered = filter(&StringViewArray::from(texts.to_vec()), &first).unwrap();
        for column in [below as ArrayRef, filtered] {
            let rows = RecordBatch::try_from_iter([("text", column)]).unwrap();
            // The control: it is there.
            let mut bare = StreamWriter::try_new(Vec::new(), &rows.schema()).unwrap();
            bare.write(&rows).unwrap();
            assert!(has(bare.get_ref(), texts[1]));
            let mut writer = Arrow::new(&rows.schema()).unwrap();
            let mut sent = writer.write(&rows).unwrap();
            sent.extend(writer.finish(1).unwrap());
            assert!(has(&sent, texts[0]) && !has(&sent, texts[1]));
            let read = arrow::ipc::reader::StreamReader::try_new(sent.as_slice(), None).unwrap();
            let read: Vec<RecordBatch> = read.map(Result::unwrap).collect();
            assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), rows.num_rows());
        }
    }

    fn has(bytes: &[u8], text: &str) -> bool {
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }
}
