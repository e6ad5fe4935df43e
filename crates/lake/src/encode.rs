//! How batches become Parquet: encodings chosen from the first batch, bounded row groups, zstd.

use std::collections::HashSet;
use std::io::Write;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::{RowConverter, SortField};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

/// Rows of a row group at most, but in tests.
pub const ROW_GROUP_ROWS_MAX: usize = 1 << 20;
/// Encoded bytes of a row group at most: what a writer holds in memory.
pub const ROW_GROUP_BYTES_MAX: usize = 96 << 20;
/// Rows looked at to choose a column's encoding.
const SAMPLE_ROWS: usize = 4096;

/// The writer's properties for data that looks like `sample`.
pub(crate) fn properties(sample: &RecordBatch, level: ZstdLevel, row_group_rows: usize) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_created_by("polder".to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(row_group_rows))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES_MAX));
    for (field, column) in sample.schema_ref().fields().iter().zip(sample.columns()) {
        let path = ColumnPath::from(field.name().as_str());
        if repeats(column) {
            continue;
        }
        // A dictionary of values that hardly repeat costs hashing and is thrown away when it is full.
        builder = builder.set_column_dictionary_enabled(path.clone(), false);
        if matches!(field.data_type(), DataType::Int32 | DataType::Int64 | DataType::Date32) {
            builder = builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    builder.build()
}

/// Whether the values of a column repeat often enough for a dictionary.
fn repeats(column: &ArrayRef) -> bool {
    let sample = column.slice(0, column.len().min(SAMPLE_ROWS));
    if sample.len() < 64 {
        return true;
    }
    let Ok(converter) = RowConverter::new(vec![SortField::new(sample.data_type().clone())]) else { return true };
    let Ok(rows) = converter.convert_columns(&[ArrayRef::clone(&sample)]) else { return true };
    let distinct: HashSet<&[u8]> = rows.iter().map(|row| row.data()).collect();
    distinct.len().saturating_mul(2) <= sample.len()
}

/// A writer of one file.
pub(crate) fn writer<W: Write + Send>(sink: W, schema: &SchemaRef, properties: &WriterProperties) -> Result<ArrowWriter<W>> {
    ArrowWriter::try_new(sink, SchemaRef::clone(schema), Some(properties.clone()))
}
