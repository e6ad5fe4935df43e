//! The rows of one request, as they are computed; their end is recorded.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use futures::stream::{BoxStream, Stream};
use futures::{StreamExt as _, TryStreamExt as _};
use polder_types::{Event, EventKind, PrincipalId, Recorder, RequestId};

use crate::door::{Prepared, Thrift, start, until_idle, with_room};
use crate::error::{Error, is_exhausted};

/// The answer to one request: a stream of batches. Dropping it before its end stops the computation and records how many
/// rows had been given.
pub struct Answer {
    schema: SchemaRef,
    request: RequestId,
    batches: BoxStream<'static, Result<RecordBatch, Error>>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("schema", &self.schema).field("request", &self.request).finish_non_exhaustive()
    }
}

impl Answer {
    /// Names and types of the columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The request that this answers: its id in the audit log.
    pub fn request(&self) -> RequestId {
        self.request
    }

    /// Starts the computation.
    pub(crate) async fn run(prepared: Prepared, outcome: Outcome) -> Result<Self, Error> {
        let Prepared { state, plan } = prepared;
        let schema = Arc::clone(plan.schema().inner());
        let request = outcome.request;
        let thrift = Thrift::Hashing;
        let running = start(&state, &plan, thrift).await?;
        let schema = if running.schema().fields().len() == schema.fields().len() { running.schema() } else { schema };
        let work = Work { running: Some(running), state, plan, thrift, outcome: Some(outcome) };
        Ok(Self { schema, request, batches: futures::stream::try_unfold(work, Work::next).boxed() })
    }

    /// The plan in words, instead of rows. It is the logical plan: physical ones name files.
    pub(crate) fn explain(prepared: &Prepared, outcome: Outcome) -> Result<Self, Error> {
        let plan = prepared.state.optimize(&prepared.plan).map_err(|error| Error::plan(&error))?;
        let schema = Arc::new(Schema::new(vec![Field::new("plan", DataType::Utf8, false)]));
        let text = plan.display_indent().to_string();
        let lines = StringArray::from(text.lines().collect::<Vec<_>>());
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(lines)]).map_err(|error| Error::SetUp(error.to_string()))?;
        let request = outcome.request;
        let batches = futures::stream::try_unfold((Some(batch), outcome), |(batch, mut outcome)| async move {
            match batch {
                Some(batch) => Ok(Some((batch, (None, outcome)))),
                None => {
                    outcome.finish(true).await?;
                    Ok(None)
                }
            }
        });
        Ok(Self { schema, request, batches: batches.boxed() })
    }

    /// All batches at once, for small answers.
    ///
    /// # Errors
    /// The first error of the stream.
    pub async fn collect(self) -> Result<Vec<RecordBatch>, Error> {
        self.try_collect().await
    }
}

impl Stream for Answer {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        with_room(|| self.batches.poll_next_unpin(context))
    }
}

struct Work {
    running: Option<SendableRecordBatchStream>,
    state: SessionState,
    plan: LogicalPlan,
    thrift: Thrift,
    outcome: Option<Outcome>,
}

impl Work {
    /// What to begin again with: a plan that needs less memory, while no row was given yet.
    fn thriftier(&self, error: &DataFusionError) -> Option<(Thrift, SessionState)> {
        let began = self.outcome.as_ref().is_none_or(|outcome| outcome.rows > 0);
        if began || !is_exhausted(error) { None } else { self.thrift.more(&self.state) }
    }

    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>, Error> {
        loop {
            let Some(running) = self.running.as_mut() else { return Ok(None) };
            match running.next().await {
                Some(Ok(batch)) => {
                    if let Some(outcome) = self.outcome.as_mut() {
                        outcome.rows += batch.num_rows() as u64;
                    }
                    return Ok(Some((batch, self)));
                }
                None => {
                    if let Some(outcome) = self.outcome.as_mut() {
                        outcome.finish(true).await?;
                    }
                    return Ok(None);
                }
                Some(Err(error)) => {
                    // What it held goes first: the next plan needs the memory.
                    self.running = None;
                    if let Some((thrift, state)) = self.thriftier(&error) {
                        tracing::debug!(?thrift, "the query needs more memory than it may use and begins again");
                        (self.thrift, self.state) = (thrift, state);
                        until_idle(&self.state).await;
                        self.running = Some(start(&self.state, &self.plan, self.thrift).await?);
                        continue;
                    }
                    let error = Error::execute(&error);
                    if let Some(outcome) = self.outcome.as_mut() {
                        outcome.finish(false).await?;
                    }
                    return Err(error);
                }
            }
        }
    }
}

/// Records how a request ended, once.
pub(crate) struct Outcome {
    recorder: Arc<dyn Recorder>,
    actor: PrincipalId,
    pub request: RequestId,
    pub rows: u64,
    finished: bool,
}

impl Outcome {
    pub(crate) fn new(recorder: Arc<dyn Recorder>, actor: PrincipalId, request: RequestId) -> Self {
        Self { recorder, actor, request, rows: 0, finished: false }
    }

    fn event(&self, complete: bool) -> Event {
        Event::new(&self.actor, EventKind::ReadFinished { request: self.request, rows: self.rows, complete })
    }

    async fn finish(&mut self, complete: bool) -> Result<(), Error> {
        self.finished = true;
        self.recorder.record(self.event(complete)).await?;
        Ok(())
    }
}

impl Drop for Outcome {
    /// Whoever stops reading leaves a record too. Without a runtime the decision stands alone in the log, which says as much:
    /// a read that was begun and not finished.
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let (recorder, event, request) = (Arc::clone(&self.recorder), self.event(false), self.request);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = recorder.record(event).await {
                    tracing::error!(%request, %error, "the end of a read was not recorded");
                }
            });
        }
    }
}
