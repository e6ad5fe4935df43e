//! A query that runs in a task of its own: whoever waits for its rows can go at any time, however long it computes at a stretch, and waits for
//! other things meanwhile.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::door::{Stop, polled_with_room, workers};
use crate::error::Error;

/// What the task says: a batch, why there is none, or, with nothing, that there are no more. One that ends without a word has failed.
type Said = Option<Result<RecordBatch>>;

/// A running query. Dropping it stops it.
pub(super) struct Running {
    schema: SchemaRef,
    said: mpsc::Receiver<Said>,
    stop: Arc<Stop>,
    task: JoinHandle<()>,
}

impl Running {
    /// # Errors
    /// When there are no threads for it.
    pub(super) fn begin(stream: SendableRecordBatchStream, stop: Arc<Stop>) -> std::result::Result<Self, Error> {
        let schema = stream.schema();
        // One batch waits while the next is computed.
        let (say, said) = mpsc::channel(1);
        let task = workers()?.spawn(polled_with_room(forward(stream, say)));
        Ok(Self { schema, said, stop, task })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    pub(super) async fn next(&mut self) -> Said {
        match self.said.recv().await {
            Some(said) => said,
            None => Some(Err(DataFusionError::Internal("the task of a query ended without an end of its rows".to_owned()))),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        self.task.abort();
    }
}

async fn forward(mut stream: SendableRecordBatchStream, say: mpsc::Sender<Said>) {
    let last = loop {
        match stream.next().await {
            Some(Ok(batch)) => {
                if say.send(Some(Ok(batch))).await.is_err() {
                    return;
                }
            }
            Some(Err(error)) => break Some(Err(error)),
            None => break None,
        }
    };
    // Whoever hears of the end finds its memory free, and its files gone.
    drop(stream);
    // Nobody may wait for it any more.
    let _ = say.send(last).await;
}
