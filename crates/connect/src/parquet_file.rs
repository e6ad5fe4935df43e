//! Parquet: the wanted columns of each row group, through limits that the file's own promises cannot move.

pub(crate) mod pages;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaData;
use polder_contract::{Cells, RawBatch};

use crate::cells::Place;
use crate::csv::header::{Header, Origin};
use crate::error::Error;
use crate::input::KnownFile;
use crate::output::{Message, Output, Stop};
use crate::typed::TypedField;

/// Rows decoded at once.
const BATCH_ROWS: usize = 8192;
/// Most bytes of text in one batch; a batch that holds more is cut into smaller ones.
const BATCH_TEXT_BYTES: usize = 32 << 20;

/// Reads one file to its end.
pub(crate) fn decode(file: &KnownFile, wanted: Option<&[String]>, place: &mut Place, out: &Output) -> Result<(), Stop> {
    // The decoder's own checks are many, but damaged bytes have been known to get past them.
    match catch_unwind(AssertUnwindSafe(|| decode_inner(file, wanted, place, out))) {
        Ok(result) => result,
        Err(_) => Err(Error::ParquetPanic { path: file.path.clone() }.into()),
    }
}

fn decode_inner(file: &KnownFile, wanted: Option<&[String]>, place: &mut Place, out: &Output) -> Result<(), Stop> {
    let path = &file.path;
    let mut opened = file.open()?;
    let footer_error = |source| Error::Parquet { path: path.clone(), step: "read the footer", source };
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(&opened, options.clone()).map_err(footer_error)?;
    let names: Vec<String> = metadata.schema().fields().iter().map(|field| field.name().clone()).collect();
    let header = Header::new(path, names, Origin::Schema, wanted)?;
    out.send(Message::LeftOut(header.left_out.clone()))?;
    refuse_nested(path, metadata.schema(), &header)?;
    let promised = check_footer(path, metadata.metadata())?;
    let roots = ProjectionMask::roots(metadata.parquet_schema(), header.fields.iter().copied());
    refuse_int96(path, metadata.metadata(), &roots)?;
    let chunks = pages::chunks(metadata.metadata(), &roots);
    let leaves = metadata.parquet_schema().num_columns();
    opened.within(chunks, (0..leaves).filter(|leaf| roots.leaf_included(*leaf)).count());
    pages::check(path, &opened, metadata.metadata(), &roots, &pages::Limits::DEFAULT)?;

    // Views share the dictionary: a long value that stands there once is not copied for each row.
    let schema = Arc::new(Schema::new(metadata.schema().fields().iter().map(|field| viewed(field)).collect::<Vec<_>>()));
    let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options.with_schema(schema)).map_err(footer_error)?;
    let clone = opened.try_clone().map_err(|source| Error::Read { path: path.clone(), source })?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(clone, metadata)
        .with_projection(roots)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|source| Error::Parquet { path: path.clone(), step: "open the columns", source })?;
    let mut rows = 0u64;
    for batch in reader {
        let decode_error = |source| Error::ParquetDecode { path: path.clone(), step: "decode a page", source };
        let batch = batch.map_err(decode_error)?;
        for piece in pieces(&batch) {
            let columns = ordered(&piece, &header).map_err(decode_error)?;
            let raw = RawBatch {
                columns,
                rows: piece.num_rows(),
                first_record: place.record,
                first_ordinal: place.ordinal,
                file: place.file.clone(),
                malformed: Vec::new(),
            };
            place.advance(piece.num_rows());
            rows = rows.saturating_add(u64::try_from(piece.num_rows()).unwrap_or(u64::MAX));
            out.send(Message::Batch(raw))?;
        }
    }
    if rows != promised {
        return Err(Error::ParquetFooter { path: path.clone(), promised, found: rows, place: "in its pages" }.into());
    }
    // Columns that nobody wants are part of what the file is.
    let sha256 = file.hash.then(|| file.sha256(&mut opened)).transpose()?;
    file.check(&opened)?;
    out.send(Message::FileEnd { counted: Some(promised), sha256 })
}

fn refuse_nested(path: &Path, schema: &Schema, header: &Header) -> Result<(), Error> {
    for field in header.fields.iter().filter_map(|index| schema.fields().get(*index)) {
        let kind = match field.data_type() {
            DataType::Struct(_) => "a struct",
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => "a list",
            DataType::Map(_, _) => "a map",
            _ => continue,
        };
        return Err(Error::ParquetNested { path: path.to_path_buf(), column: field.name().clone(), kind });
    }
    Ok(())
}

/// The decoder turns INT96 into 64-bit nanoseconds, and what does not fit wraps round in silence.
fn refuse_int96(path: &Path, metadata: &ParquetMetaData, wanted: &ProjectionMask) -> Result<(), Error> {
    let leaves = metadata.file_metadata().schema_descr().columns().iter().enumerate();
    let mut wanted = leaves.filter(|(leaf, _)| wanted.leaf_included(*leaf));
    match wanted.find(|(_, column)| column.physical_type() == parquet::basic::Type::INT96) {
        Some((_, column)) => Err(Error::ParquetInt96 { path: path.to_path_buf(), column: column.path().string() }),
        None => Ok(()),
    }
}

/// The rows that the footer promises, which its row groups must add up to.
fn check_footer(path: &Path, metadata: &ParquetMetaData) -> Result<u64, Error> {
    let promised = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(u64::MAX);
    let groups = metadata.row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(u64::MAX));
    let found = groups.fold(0u64, u64::saturating_add);
    if promised == found {
        Ok(promised)
    } else {
        Err(Error::ParquetFooter { path: path.to_path_buf(), promised, found, place: "in its row groups" })
    }
}

fn viewed(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Binary => DataType::BinaryView,
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

/// Cuts a batch so that no piece holds too much text, unless one row does.
fn pieces(batch: &RecordBatch) -> Vec<RecordBatch> {
    let rows = batch.num_rows();
    let mut weights = vec![0usize; rows];
    for column in batch.columns() {
        if let Some(texts) = column.as_string_view_opt() {
            texts.lengths().zip(&mut weights).for_each(|(length, weight)| *weight = weight.saturating_add(length as usize));
        } else if let Some(bytes) = column.as_binary_view_opt() {
            bytes.lengths().zip(&mut weights).for_each(|(length, weight)| *weight = weight.saturating_add(length as usize));
        }
    }
    let mut pieces = Vec::new();
    let (mut start, mut sum) = (0, 0usize);
    for (row, weight) in weights.iter().enumerate() {
        if row > start && sum.saturating_add(*weight) > BATCH_TEXT_BYTES {
            pieces.push(batch.slice(start, row - start));
            (start, sum) = (row, 0);
        }
        sum = sum.saturating_add(*weight);
    }
    if start < rows {
        pieces.push(batch.slice(start, rows - start));
    }
    pieces
}

/// The columns in the order in which they are wanted, texts as plain arrays again.
fn ordered(batch: &RecordBatch, header: &Header) -> Result<Vec<Cells>, arrow::error::ArrowError> {
    let mut columns = Vec::with_capacity(header.fields.len());
    for field in &header.fields {
        let name = header.names.get(*field).map(String::as_str).unwrap_or_default();
        let column = batch
            .column_by_name(name)
            .ok_or_else(|| arrow::error::ArrowError::SchemaError("a wanted column is not in the decoded batch".to_owned()))?;
        columns.push(Cells::Typed(plain(column)?));
    }
    Ok(columns)
}

fn plain(column: &ArrayRef) -> Result<ArrayRef, arrow::error::ArrowError> {
    match column.data_type() {
        DataType::Utf8View => cast(column, &DataType::Utf8),
        DataType::BinaryView => cast(column, &DataType::Binary),
        _ => Ok(column.clone()),
    }
}

/// The fields of a file.
pub(crate) fn fields(file: &KnownFile) -> Result<Vec<TypedField>, Error> {
    let opened = file.open()?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let load = || ArrowReaderMetadata::load(&opened, options);
    let metadata = match catch_unwind(AssertUnwindSafe(load)) {
        Ok(loaded) => loaded.map_err(|source| Error::Parquet { path: file.path.clone(), step: "read the footer", source })?,
        Err(_) => return Err(Error::ParquetPanic { path: file.path.clone() }),
    };
    let leaves = metadata.parquet_schema().columns();
    let int96 = |name: &str| {
        let own = |path: &[String]| path.first().is_some_and(|first| first == name);
        leaves.iter().any(|leaf| leaf.physical_type() == parquet::basic::Type::INT96 && own(leaf.path().parts()))
    };
    let fields = metadata.schema().fields().iter();
    Ok(fields
        .map(|field| TypedField { name: field.name().clone(), data_type: field.data_type().clone(), int96: int96(field.name()) })
        .collect())
}
