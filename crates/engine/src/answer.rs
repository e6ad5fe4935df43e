//! The rows of one request, as they are computed; their end is recorded.

mod running;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use futures::stream::{BoxStream, Stream};
use futures::{StreamExt as _, TryStreamExt as _};
use polder_types::{Event, EventKind, PrincipalId, Recorder, RequestId};

use crate::door::{Deadline, Prepared, Stop, Thrift, done, start, until_idle, value_bytes, with_room};
use crate::error::{Error, is_exhausted};

use running::Running;

/// How an answer is given.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Until when it must have been read to its end.
    pub deadline: Option<Deadline>,
    /// Whether its schema is the one that its description told.
    pub as_described: bool,
}

/// The columns of a plan's answer as they are described before it is computed, and before values of parameters are known: what an optimizer, or
/// a value, makes of it does not change them. So each may be NULL.
pub(crate) fn described(plan: &LogicalPlan) -> SchemaRef {
    let fields = plan.schema().fields().iter().map(|field| Field::new(field.name(), field.data_type().clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The columns of an EXPLAIN.
pub(crate) fn of_explain() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("plan", DataType::Utf8, false)]))
}

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
    pub(crate) async fn run(prepared: Prepared, mut outcome: Outcome, manner: Manner) -> Result<Self, Error> {
        let Prepared { state, plan, bound } = prepared;
        let planning: fn(&DataFusionError) -> Error = if bound { Error::bound } else { Error::plan };
        let request = outcome.request;
        let begun = Begun { state, plan, thrift: Thrift::Hashing, planning, deadline: manner.deadline };
        let running = match begun.run().await {
            Ok(running) => running,
            Err(error) => {
                outcome.finish(false).await?;
                return Err(error);
            }
        };
        let (physical, logical) = (running.schema(), begun.plan.schema().inner());
        let schema = match manner.as_described {
            true => described(&begun.plan),
            false if physical.fields().len() == logical.fields().len() => physical,
            false => Arc::clone(logical),
        };
        let given = manner.as_described.then(|| Arc::clone(&schema));
        let work = Work { running: Some(running), begun, given, outcome: Some(outcome) };
        Ok(Self { schema, request, batches: futures::stream::try_unfold(work, Work::next).boxed() })
    }

    /// The plan in words, instead of rows. It is the logical plan: physical ones name files.
    pub(crate) async fn explain(prepared: &Prepared, mut outcome: Outcome) -> Result<Self, Error> {
        let planning: fn(&DataFusionError) -> Error = if prepared.bound { Error::bound } else { Error::plan };
        let plan = match prepared.state.optimize(&prepared.plan) {
            Ok(plan) => plan,
            Err(error) => {
                outcome.finish(false).await?;
                return Err(planning(&error));
            }
        };
        let schema = of_explain();
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

/// A plan, and how it is run.
struct Begun {
    state: SessionState,
    plan: LogicalPlan,
    thrift: Thrift,
    /// What an error of planning is.
    planning: fn(&DataFusionError) -> Error,
    deadline: Option<Deadline>,
}

impl Begun {
    async fn run(&self) -> Result<Running, Error> {
        let stop = Stop::new(self.deadline);
        // Where it will be computed: nodes of a plan begin tasks of their own when they are started.
        let (state, plan, thrift, planning, told) = (self.state.clone(), self.plan.clone(), self.thrift, self.planning, Arc::clone(&stop));
        let started = done(async move { start(&state, &plan, thrift, &told, planning).await });
        let stream = Deadline::within(self.deadline, started).await?;
        Running::begin(stream, stop)
    }

    /// What an error of computing is: where time is over, that is what it comes of.
    fn failed(&self, error: &DataFusionError) -> Error {
        match self.deadline {
            Some(deadline) if deadline.has_passed() => deadline.passed(),
            _ => Error::execute(error),
        }
    }
}

struct Work {
    running: Option<Running>,
    begun: Begun,
    /// The schema that batches are given under, where it is not their own.
    given: Option<SchemaRef>,
    outcome: Option<Outcome>,
}

impl Work {
    /// What to begin again with: a plan that needs less memory, while no row was given yet.
    fn thriftier(&self, error: &DataFusionError) -> Option<(Thrift, SessionState)> {
        let began = self.outcome.as_ref().is_none_or(|outcome| outcome.rows > 0);
        if began || !is_exhausted(error) { None } else { self.begun.thrift.more(&self.begun.state) }
    }

    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>, Error> {
        loop {
            let Some(running) = self.running.as_mut() else { return Ok(None) };
            let next = async { Ok(running.next().await) };
            let next = Deadline::within(self.begun.deadline, next).await;
            let error = match next {
                Ok(Some(Ok(batch))) => match given(batch, self.given.as_ref()) {
                    Ok(batch) => {
                        if let Some(outcome) = self.outcome.as_mut() {
                            outcome.count(&batch);
                        }
                        return Ok(Some((batch, self)));
                    }
                    Err(error) => error,
                },
                Ok(None) => {
                    if let Some(outcome) = self.outcome.as_mut() {
                        outcome.finish(true).await?;
                    }
                    return Ok(None);
                }
                Ok(Some(Err(error))) => {
                    // What it held goes first: the next plan needs the memory.
                    self.running = None;
                    match self.thriftier(&error) {
                        Some((thrift, state)) => {
                            tracing::debug!(?thrift, "the query needs more memory than it may use and begins again");
                            (self.begun.thrift, self.begun.state) = (thrift, state);
                            until_idle(&self.begun.state).await;
                            match self.begun.run().await {
                                Ok(running) => {
                                    self.running = Some(running);
                                    continue;
                                }
                                Err(error) => error,
                            }
                        }
                        None => self.begun.failed(&error),
                    }
                }
                Err(too_slow) => too_slow,
            };
            self.running = None;
            if let Some(outcome) = self.outcome.as_mut() {
                outcome.finish(false).await?;
            }
            return Err(error);
        }
    }
}

/// A batch under the schema that was described.
fn given(batch: RecordBatch, schema: Option<&SchemaRef>) -> Result<RecordBatch, Error> {
    let Some(schema) = schema else { return Ok(batch) };
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| match column.data_type() == field.data_type() {
        true => Ok(Arc::clone(column)),
        // Types within a type may differ in what may be NULL.
        false => cast(column, field.data_type()),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    columns
        .collect::<Result<Vec<_>, _>>()
        .and_then(|columns| RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options))
        .map_err(|_| Error::SetUp("an answer has other columns than its plan".to_owned()))
}

/// Records how a request ended, once.
pub(crate) struct Outcome {
    recorder: Arc<dyn Recorder>,
    actor: PrincipalId,
    pub request: RequestId,
    pub rows: u64,
    /// Of the rows, as they lie in memory.
    bytes: u64,
    finished: bool,
}

impl Outcome {
    pub(crate) fn new(recorder: Arc<dyn Recorder>, actor: PrincipalId, request: RequestId) -> Self {
        Self { recorder, actor, request, rows: 0, bytes: 0, finished: false }
    }

    fn count(&mut self, batch: &RecordBatch) {
        let bytes = batch.columns().iter().map(value_bytes).fold(0_usize, usize::saturating_add);
        self.rows = self.rows.saturating_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX));
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Something else is recorded of its end.
    pub(crate) fn leave(mut self) {
        self.finished = true;
    }

    fn event(&self, complete: bool) -> Event {
        let bytes = Some(self.bytes);
        Event::new(&self.actor, EventKind::ReadFinished { request: self.request, rows: self.rows, complete, bytes })
    }

    pub(crate) async fn finish(&mut self, complete: bool) -> Result<(), Error> {
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
