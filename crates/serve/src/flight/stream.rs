//! Rows on their way to a client: read no faster than they are taken, stopped when the client, the session or somebody's cancellation says so,
//! and ended well only when the question ended well.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use polder_types::ErrorKind;
use tokio::sync::mpsc;
use tonic::Status;

use super::guest::{Guest, Running};
use super::status;
use crate::fault::Fault;
use crate::plain::{self, Parts};
use crate::ports::{Holds, Rows};

/// What a message holds of rows, at most, unless one row alone is larger. Clients take 4 MiB by default.
pub(super) const MESSAGE_ROWS_MAX_BYTES: usize = 1 << 20;
/// Parts of an answer that wait to be sent.
const WAITING: usize = 1;

/// What `DoGet` answers with.
pub(super) type Messages = BoxStream<'static, Result<FlightData, Status>>;

enum Step {
    Part(RecordBatch),
    Failed(Status),
    /// The rows ended and their outcome is recorded. A stream that ends without it has failed.
    End,
}

/// A column of a type that is not sent, or rows that do not fit their schema: which row is never told.
pub(super) fn unsendable(error: &ArrowError) -> Status {
    match error {
        ArrowError::NotYetImplemented(_) => status::of(&Fault::new(
            ErrorKind::Invalid,
            "send the answer: a column is of a type that is not sent, such as a union; take its parts in columns of their own",
        )),
        _ => status::of(&Fault::new(ErrorKind::Internal, "send the answer: its rows do not fit its columns; tell whoever runs the server")),
    }
}

/// Encodes a batch of our own making, such as the list of tables.
pub(super) fn of_batch(batch: RecordBatch) -> Messages {
    encode(batch.schema(), futures::stream::iter([Ok(batch)]).boxed(), MESSAGE_ROWS_MAX_BYTES)
}

/// Sends the rows of an answer, whose plain schema is given.
pub(super) fn of_rows(schema: SchemaRef, rows: (Rows, Holds), guest: &Arc<Guest>, running: Running, stalled: Duration) -> Messages {
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let pump = pump(Arc::clone(&schema), rows, Arc::clone(guest), running, sender, stalled);
    guest.tasks().spawn(pump);
    let mut over = false;
    let parts = futures::stream::poll_fn(move |context| {
        if over {
            return std::task::Poll::Ready(None);
        }
        receiver.poll_recv(context).map(|step| match step {
            Some(Step::Part(part)) => Some(Ok(part)),
            Some(Step::Failed(status)) => {
                over = true;
                Some(Err(status))
            }
            Some(Step::End) => {
                over = true;
                None
            }
            None => {
                over = true;
                Some(Err(Status::internal("answer: it stopped before its end; what came is not all; ask again")))
            }
        })
    });
    // Parts are cut already, by what their rows truly take.
    encode(schema, parts.boxed(), usize::MAX)
}

fn encode(schema: SchemaRef, parts: BoxStream<'static, Result<RecordBatch, Status>>, bytes_max: usize) -> Messages {
    FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .with_max_flight_data_size(bytes_max)
        .build(parts.map_err(|status| FlightError::Tonic(Box::new(status))))
        .map_err(|error| match error {
            FlightError::Tonic(status) => *status,
            FlightError::Arrow(error) => unsendable(&error),
            _ => Status::internal("send the answer: it cannot be encoded; tell whoever runs the server"),
        })
        .boxed()
}

async fn pump(
    schema: SchemaRef,
    (rows, holds): (Rows, Holds),
    guest: Arc<Guest>,
    running: Running,
    sender: mpsc::Sender<Step>,
    stalled: Duration,
) {
    let last = tokio::select! {
        biased;
        () = guest.over() => Some(Step::Failed(guest.why_over())),
        () = running.stopped() => Some(Step::Failed(status::cancelled())),
        // The client is gone: whoever drops the rows stops the question.
        () = sender.closed() => None,
        last = forward(schema, rows, &holds, &sender, stalled) => last,
    };
    // By now the rows are dropped; whoever waits for the cancellation may hear of it.
    drop(running);
    if let Some(last) = last {
        // Nobody is left to hear that nobody takes it.
        let _ = tokio::time::timeout(stalled, sender.send(last)).await;
    }
}

/// Hands parts on, and says how it ended; `None` when nobody takes them.
async fn forward(schema: SchemaRef, mut rows: Rows, holds: &Holds, sender: &mpsc::Sender<Step>, stalled: Duration) -> Option<Step> {
    while let Some(batch) = rows.next().await {
        let batch = match batch {
            Ok(batch) => batch,
            Err(fault) => return Some(Step::Failed(status::of(&fault))),
        };
        for part in Parts::new(Arc::clone(&schema), batch, MESSAGE_ROWS_MAX_BYTES) {
            let part = match part {
                Ok(part) => part,
                Err(error) => return Some(Step::Failed(unsendable(&error))),
            };
            if let Err(fault) = holds.ask() {
                return Some(Step::Failed(status::of(&fault)));
            }
            match tokio::time::timeout(stalled, sender.send(Step::Part(part))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => {
                    return Some(Step::Failed(Status::aborted("answer: its rows were not taken for too long; read them as they come")));
                }
            }
        }
    }
    Some(Step::End)
}

/// The plain schema of an answer's columns.
pub(super) fn sent_schema(seen: &SchemaRef) -> Result<SchemaRef, Status> {
    plain::schema(seen).map_err(|error| unsendable(&error))
}
