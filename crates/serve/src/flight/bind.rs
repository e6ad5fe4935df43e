//! The parameters that a client binds to a prepared statement: one row of Arrow, of bounded size, never compressed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::root_as_message;
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use futures::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _};
use polder_types::ErrorKind;
use tonic::Status;

use super::command::unreadable;
use super::status;
use crate::fault::Fault;

/// A bind comes in a handful of messages: a schema, perhaps dictionaries, a batch, an end.
const MESSAGES_MAX: usize = 64;
/// Parameters of one statement.
const PARAMETERS_MAX: usize = 4_096;

/// Reads the one row that is bound, as columns `$1`, `$2` and so on of the types that the statement wants.
///
/// # Errors
/// When there is no row or more than one, the number of parameters or a type does not fit, or the messages are too large or not readable.
/// No text repeats a value.
pub(super) async fn one_row(
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
    wanted: &[DataType],
    bytes_max: usize,
) -> Result<RecordBatch, Status> {
    let mut bytes = 0_usize;
    let mut count = 0_usize;
    let checked = messages.map(move |message| {
        let message = message?;
        count += 1;
        bytes = bytes.saturating_add(message.data_header.len()).saturating_add(message.data_body.len());
        if count > MESSAGES_MAX || bytes > bytes_max {
            return Err(Status::resource_exhausted("bind parameters: they are more than may come; bind fewer or shorter values"));
        }
        uncompressed(&message)?;
        Ok(message)
    });
    let stream = FlightRecordBatchStream::new_from_flight_data(checked.map_err(|status| FlightError::Tonic(Box::new(status))));
    // A message is checked as it is decoded; should one slip through and trip the decoder, only this call fails.
    let batches = AssertUnwindSafe(collect(stream)).catch_unwind().await.map_err(|_| unreadable())??;
    let mut rows = batches.into_iter();
    let row = match (rows.next(), rows.next()) {
        (Some(row), None) if row.num_rows() == 1 => row,
        (None, _) => return Err(Status::invalid_argument("bind parameters: no row came; bind one row of values")),
        _ => {
            return Err(Status::invalid_argument(
                "bind parameters: several rows came, and a statement is asked with one; bind and ask for each row by itself",
            ));
        }
    };
    fit(&row, wanted)
}

async fn collect(mut stream: FlightRecordBatchStream) -> Result<Vec<RecordBatch>, Status> {
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|error| match error {
            FlightError::Tonic(status) => *status,
            _ => unreadable(),
        })?;
        if batch.num_rows() > 0 {
            batches.push(batch);
        }
    }
    Ok(batches)
}

/// Refuses bodies that unpack to more than they are.
fn uncompressed(message: &FlightData) -> Result<(), Status> {
    if message.data_header.is_empty() {
        return Ok(());
    }
    let header = root_as_message(&message.data_header).map_err(|_| unreadable())?;
    let batch = header.header_as_record_batch().or_else(|| header.header_as_dictionary_batch().and_then(|batch| batch.data()));
    if batch.is_some_and(|batch| batch.compression().is_some()) {
        return Err(Status::unimplemented("bind parameters: their bytes are compressed, which is not taken; send them as they are"));
    }
    Ok(())
}

/// The row with the statement's names and types.
fn fit(row: &RecordBatch, wanted: &[DataType]) -> Result<RecordBatch, Status> {
    if row.num_columns() != wanted.len() || wanted.len() > PARAMETERS_MAX {
        return Err(Status::invalid_argument(format!(
            "bind parameters: {} came, and the statement has {}; bind one value for each",
            row.num_columns(),
            wanted.len()
        )));
    }
    let mut fields = Vec::with_capacity(wanted.len());
    let mut columns = Vec::with_capacity(wanted.len());
    for ((index, column), wanted) in row.columns().iter().enumerate().zip(wanted) {
        let name = format!("${}", index + 1);
        let column = cast(column, wanted).ok_or_else(|| {
            // Cut as all texts are: a type may have a name of any length.
            status::of(&Fault::new(
                ErrorKind::Invalid,
                format!("bind parameters: {name} does not fit {wanted}, being {}; bind a value of that type", column.data_type()),
            ))
        })?;
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    // Copied, so that what is kept is the row and not the messages that it came in.
    let first = UInt32Array::from(vec![0]);
    let columns = columns.iter().map(|column| take(column, &first, None)).collect::<Result<Vec<_>, _>>().map_err(|_| unreadable())?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).map_err(|_| unreadable())
}

fn cast(column: &ArrayRef, wanted: &DataType) -> Option<ArrayRef> {
    if column.data_type() == wanted || *wanted == DataType::Null {
        return Some(Arc::clone(column));
    }
    cast_with_options(column, wanted, &CastOptions { safe: false, ..CastOptions::default() }).ok()
}
