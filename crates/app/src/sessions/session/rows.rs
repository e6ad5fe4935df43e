//! The rows of an answer on their way to a client.

use std::pin::Pin;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::Stream;
use polder_serve::{Answer, Fault};
use polder_types::RequestId;

use super::Doing;
use crate::sessions::fault;

/// Rows that the door computes. They end with the session, and what they held is given back with their end, however long whoever read them
/// keeps this.
pub(super) struct Given {
    /// None after the end.
    going: Option<(polder_engine::Answer, Doing)>,
}

impl Given {
    pub(super) fn new(answer: polder_engine::Answer, doing: Doing) -> Self {
        Self { going: Some((answer, doing)) }
    }
}

impl Stream for Given {
    type Item = Result<RecordBatch, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some((answer, doing)) = self.going.as_mut() else { return Poll::Ready(None) };
        let next = match Pin::new(answer).poll_next(context) {
            Poll::Pending => return Poll::Pending,
            // What was computed before the session ended is not given after it.
            Poll::Ready(Some(Ok(batch))) => match doing.may_go_on() {
                Ok(()) => return Poll::Ready(Some(Ok(batch))),
                Err(over) => Some(Err(over)),
            },
            Poll::Ready(Some(Err(error))) => Some(Err(fault::of_engine(&error, None))),
            Poll::Ready(None) => None,
        };
        self.going = None;
        Poll::Ready(next)
    }
}

/// Rows that are all there, with the id under which they stand in the log.
pub(super) fn made(request: Option<RequestId>, schema: SchemaRef, batches: Vec<RecordBatch>) -> Answer {
    let rows = futures::stream::iter(batches.into_iter().map(Ok));
    Answer::Rows { request, schema, rows: Box::pin(rows) }
}
