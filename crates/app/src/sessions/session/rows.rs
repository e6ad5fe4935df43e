//! The rows of an answer on their way to a client.

use std::pin::Pin;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::Stream;
use polder_serve::{Answer, Fault, Holds};
use polder_types::RequestId;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::{Doing, LOOK_EVERY};
use crate::metrics::Measured;
use crate::sessions::fault;

/// Rows that the door computes. They end with the session, and what they held is given back with their end, however long whoever read them
/// keeps this.
pub(super) struct Given {
    /// None after the end.
    going: Option<(polder_engine::Answer, Doing, Measured)>,
    /// When to look whether it may go on, though no rows come.
    look: Interval,
}

impl Given {
    pub(super) fn new(answer: polder_engine::Answer, doing: Doing, measured: Measured) -> Self {
        let mut look = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { going: Some((answer, doing, measured)), look }
    }
}

impl Stream for Given {
    type Item = Result<RecordBatch, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some((answer, doing, measured)) = this.going.as_mut() else { return Poll::Ready(None) };
        let next = match Pin::new(answer).poll_next(context) {
            Poll::Pending => loop {
                // Until the next look is waited for: what is computed for long ends as soon as what comes often.
                match this.look.poll_tick(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(_) => {
                        if let Err(over) = doing.may_go_on() {
                            measured.outcome("session_over");
                            break Some(Err(over));
                        }
                    }
                }
            },
            // What was computed before the session ended is not given after it.
            Poll::Ready(Some(Ok(batch))) => match doing.may_go_on() {
                Ok(()) => {
                    measured.sent(batch.num_rows(), batch.get_array_memory_size());
                    return Poll::Ready(Some(Ok(batch)));
                }
                Err(over) => {
                    measured.outcome("session_over");
                    Some(Err(over))
                }
            },
            Poll::Ready(Some(Err(error))) => {
                measured.outcome("failed");
                Some(Err(fault::of_engine(&error, None)))
            }
            Poll::Ready(None) => {
                measured.outcome("answered");
                None
            }
        };
        this.going = None;
        Poll::Ready(next)
    }
}

/// Rows that are all there, with the id under which they stand in the log.
pub(super) fn made(request: Option<RequestId>, schema: SchemaRef, batches: Vec<RecordBatch>) -> Answer {
    let rows = futures::stream::iter(batches.into_iter().map(Ok));
    Answer::Rows { request, schema, rows: Box::pin(rows), holds: Holds::default() }
}
