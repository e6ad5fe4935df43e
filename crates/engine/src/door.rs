//! The SQL door: the one way from text to rows. Every request is decided, recorded, planned in a session that knows the
//! permitted tables and nothing else, checked against allow-lists, and only then run.

mod barrier;
mod booleans;
mod checked;
mod decide;
mod describe;
mod functions;
mod growth;
mod held;
mod memory;
mod open;
mod outline;
mod parameters;
pub(crate) mod parse;
mod plan_check;
mod predicate;
mod projections;
mod recursion;
mod registry;
mod run_model;
mod seen;
mod session;
mod setting;
#[cfg(test)]
mod shuffled;
mod spill;
mod stack;
mod stop;
mod sums;
#[cfg(test)]
mod tests;
mod thrift;
mod trim;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use polder_policy::{Circumstances, Denied, Policies};
use polder_store::TempSpace;
use polder_types::limit::PURPOSE_MAX_BYTES;
use polder_types::{Clock, Event, EventKind, PrincipalId, Recorder, RequestId, Rng, SessionId, TableName};

use crate::answer::{Answer, Manner, Outcome};
use crate::error::Error;
use crate::model::Models;
use crate::tables::Tables;

use decide::Scope;
use open::Opened;
use parse::{Parsed, parse, split_version};
use plan_check::PlanRules;
use spill::SealedSpill;

pub(crate) use barrier::Shut;
pub use describe::Described;
pub(crate) use functions::Allowed;
pub(crate) use growth::value_bytes;
pub use outline::{Outline, Unfit, outline};
pub(crate) use parse::{DEPTH_MAX, NESTING_MAX, PARTS_MAX, TOKENS_MAX};
pub use predicate::Predicate;
pub use run_model::ModelRun;
pub use seen::{SeenColumn, SeenTable};
pub(crate) use session::{session as bare_session, with_tables};
pub use setting::Setting;
pub(crate) use stack::{polled_with_room, with_room};
pub(crate) use stop::{Deadline, Stop};
pub(crate) use thrift::{Thrift, start, until_idle};
pub(crate) use workers::{done, workers};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The principal that policies decide about.
    pub principal: PrincipalId,
    /// The groups that it is in.
    pub groups: Vec<String>,
}

/// What the door is wired to.
#[derive(Clone)]
pub struct DoorPorts {
    /// The tables.
    pub tables: Arc<dyn Tables>,
    /// Who may.
    pub policies: Arc<Policies>,
    /// The audit log.
    pub recorder: Arc<dyn Recorder>,
    /// For ids of requests.
    pub rng: Arc<dyn Rng>,
    /// For policies that look at the time.
    pub clock: Arc<dyn Clock>,
    /// For what joins and sorts put aside.
    pub temp: TempSpace,
    /// The project's models.
    pub models: Arc<Models>,
}

/// Limits of all that one door answers at a time.
#[derive(Debug, Clone)]
pub struct DoorOptions {
    /// Memory for sorting, joining and grouping, in bytes: at least 16 MiB. What needs more spills, or fails.
    pub memory_bytes: usize,
    /// Threads that a query uses.
    pub target_partitions: usize,
}

impl Default for DoorOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { memory_bytes: 1 << 30, target_partitions: cores }
    }
}

/// What belongs to one query besides its text.
#[derive(Debug, Clone, Default)]
pub struct QueryOptions {
    /// Versions of tables to read, as `--at flights=3` gives them. `flights AT VERSION 4` in the text comes first.
    pub versions: BTreeMap<TableName, u64>,
    /// What the asker says that the answer is for, as policies may ask; at most [`PURPOSE_MAX_BYTES`].
    pub purpose: Option<String>,
    /// Whether only all rows and columns of what is read, as they are, make an answer: for checks, which hold for the whole or not at all.
    pub whole: bool,
    /// The values of `$1`, `$2` and so on: one row, a column each, whatever their names. Without it a question has no parameters.
    pub parameters: Option<RecordBatch>,
    /// The types of `$1`, `$2` and so on, where they are not to be worked out.
    pub parameter_types: Vec<Option<DataType>>,
    /// How long planning and reading the answer may take.
    pub limit: Option<Duration>,
    /// Of whom a listener let in, for the record.
    pub session: Option<SessionId>,
    /// The grants that are in force for who asks, for the record.
    pub grants: Vec<String>,
    /// Whether the answer has exactly the schema that [`Door::describe`] tells, where each column may be NULL. With parameters it always has.
    pub as_described: bool,
}

/// The SQL door. Cheap to clone; its clones share the memory and the temporary space.
#[derive(Clone)]
pub struct Door {
    ports: DoorPorts,
    allowed: Arc<Allowed>,
    session: SessionState,
    spill: SealedSpill,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

impl Door {
    /// Makes the door.
    ///
    /// # Errors
    /// When the memory is too little, or the query engine does not take the options.
    pub fn new(ports: DoorPorts, options: &DoorOptions) -> Result<Self, Error> {
        if options.memory_bytes < session::MEMORY_BYTES_MIN {
            return Err(Error::TooLittleMemory { mib_min: session::MEMORY_BYTES_MIN >> 20 });
        }
        stack::give_tasks_room();
        let allowed = Allowed::new();
        let spill = SealedSpill::new(ports.temp.clone());
        let session = session::session(options, Some(spill.clone()), &allowed).map_err(|error| Error::SetUp(error.strip_backtrace()))?;
        Ok(Self { ports, allowed: Arc::new(allowed), session, spill })
    }

    /// A door to other tables, policies or models, with the same memory and temporary space: all that both answer shares them.
    #[must_use]
    pub fn with_ports(&self, ports: DoorPorts) -> Self {
        Self { ports, ..self.clone() }
    }

    /// Answers one query, or the EXPLAIN of one. The decision is durable in the audit log before any table is opened; the
    /// outcome is recorded when the answer was read to its end, or dropped.
    ///
    /// # Errors
    /// When the text asks for anything but rows of tables, when policies say no, when it does not fit the tables, or when it
    /// cannot be recorded. Errors of computing come with the rows.
    pub async fn query(&self, asker: &Asker, sql: &str, options: &QueryOptions) -> Result<Answer, Error> {
        polled_with_room(self.query_with_room(asker, sql, options)).await
    }

    async fn query_with_room(&self, asker: &Asker, sql: &str, options: &QueryOptions) -> Result<Answer, Error> {
        let deadline = options.limit.and_then(Deadline::after);
        let request = RequestId::random(self.ports.rng.as_ref())?;
        let asked = Asked::new(self, asker, sql, request, options);
        let parsed = match parse(sql).and_then(|parsed| Ok((self.scope(asker, &parsed, options, request)?, parsed))) {
            Ok((scope, parsed)) => {
                asked.decided(&scope, asker, true).await?;
                (scope, parsed)
            }
            Err(error) => return Err(asked.refused(error).await),
        };
        let (scope, parsed) = parsed;
        // From here on whoever goes away leaves an end of the read behind.
        let outcome = asked.outcome(asker);
        let manner = Manner { deadline, as_described: options.as_described || options.parameters.is_some() };
        match Deadline::within(deadline, self.prepare(&scope, &parsed, options)).await {
            Ok(prepared) => asked.answered(prepared, parsed.explain, outcome, manner).await,
            Err(error) => Err(asked.unanswered(error, outcome).await),
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    fn now_micros(&self) -> i64 {
        self.ports.clock.now_ms().saturating_mul(1_000)
    }

    /// Plaintext bytes that joins and sorts spilled, sealed, since the door was made.
    pub fn spilled_bytes(&self) -> u64 {
        self.spill.spilled_bytes()
    }

    /// Memory that queries hold of what they may use.
    pub fn reserved_bytes(&self) -> usize {
        self.session.runtime_env().memory_pool.reserved()
    }

    /// Decides about every table that the query names.
    fn scope(&self, asker: &Asker, parsed: &Parsed, options: &QueryOptions, request: RequestId) -> Result<Scope, Error> {
        if options.purpose.as_ref().is_some_and(|purpose| purpose.len() > PURPOSE_MAX_BYTES) {
            return Err(Error::Refused(format!("a purpose has at most {PURPOSE_MAX_BYTES} bytes; shorten it")));
        }
        let names = references(&parsed.statement)?;
        let circumstances = Circumstances::at(self.now_micros()).with_purpose(options.purpose.clone());
        let explain_to = parsed.explain.then_some(asker);
        let decider = decide::Decider { ports: &self.ports, request, explain_to, circumstances, whole: options.whole };
        decider.scope(asker, &names, &options.versions)
    }

    /// Opens the tables, plans and checks.
    async fn prepare(&self, scope: &Scope, parsed: &Parsed, options: &QueryOptions) -> Result<Prepared, Error> {
        let opened = open::open(self, scope).await?;
        match &options.parameters {
            None => self.plan(&parsed.statement, &opened).await,
            Some(values) => {
                let prepared = self.with_parameters(parsed, &opened, &options.parameter_types, Some(values)).await?;
                Ok(prepared.prepared)
            }
        }
    }

    /// Plans one query over opened tables; what comes back passed the door.
    async fn plan(&self, statement: &SqlStatement, opened: &Opened) -> Result<Prepared, Error> {
        plan(&self.session, &self.allowed, statement, opened).await
    }
}

/// Plans one query over opened tables; what comes back passed the door.
async fn plan(session: &SessionState, allowed: &Allowed, statement: &SqlStatement, opened: &Opened) -> Result<Prepared, Error> {
    let (state, plan) = draft(session, statement, opened).await?;
    let rules = PlanRules { functions: allowed, tables: &opened.permitted };
    let plan = checked_plan(&state, &rules, plan, Error::plan)?;
    Ok(Prepared { state, plan, bound: false })
}

/// The plan of a query as it stands in the text, not checked, with the session that knows the tables.
async fn draft(session: &SessionState, statement: &SqlStatement, opened: &Opened) -> Result<(SessionState, LogicalPlan), Error> {
    let state = session::with_tables(session, &opened.by_name).map_err(|error| Error::plan(&error))?;
    let plan = state
        .statement_to_plan(Statement::Statement(Box::new(statement.clone())))
        .await
        .map_err(|error| unknown_function(&error).unwrap_or_else(|| Error::plan(&error)))?;
    Ok((state, plan))
}

/// Analyses a plan and lets it pass, or not; `failed` tells what an error of the engine is.
fn checked_plan(
    state: &SessionState,
    rules: &PlanRules<'_>,
    plan: LogicalPlan,
    failed: fn(&DataFusionError) -> Error,
) -> Result<LogicalPlan, Error> {
    rules.check(&plan)?;
    let analysed = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {}).map_err(|error| failed(&error))?;
    rules.check(&analysed)?;
    Ok(analysed)
}

/// A plan that passed the door, with the session that it runs in.
pub(crate) struct Prepared {
    pub state: SessionState,
    pub plan: LogicalPlan,
    /// Whether values of parameters stand in it, which no error may quote.
    pub bound: bool,
}

/// The table that a name in a plan stands for, without its version.
pub(crate) fn table_of(name: &str) -> &str {
    split_version(name).0
}

/// The tables that a query names; common table expressions are not among them.
fn references(statement: &SqlStatement) -> Result<BTreeSet<String>, Error> {
    let statement = Statement::Statement(Box::new(statement.clone()));
    let (tables, _) = datafusion::sql::resolve::resolve_table_references(&statement, true).map_err(|error| Error::plan(&error))?;
    Ok(tables.into_iter().map(|table| table.table().to_owned()).collect())
}

/// A function that is not registered is one that the door does not allow, or none at all.
fn unknown_function(error: &datafusion::error::DataFusionError) -> Option<Error> {
    let text = error.strip_backtrace();
    let name = text.split_once("Invalid function '")?.1.split_once('\'')?.0;
    Some(Error::Refused(format!("the function {name} does not exist, or is not allowed")))
}

/// One request, for the record.
struct Asked<'a> {
    door: &'a Door,
    asker: &'a Asker,
    sql: &'a str,
    request: RequestId,
    purpose: Option<&'a str>,
    session: Option<SessionId>,
    grants: &'a [String],
    /// The values of its parameters, as texts.
    parameters: Option<String>,
}

impl<'a> Asked<'a> {
    fn new(door: &'a Door, asker: &'a Asker, sql: &'a str, request: RequestId, options: &'a QueryOptions) -> Self {
        Self {
            door,
            asker,
            sql,
            request,
            purpose: options.purpose.as_deref(),
            session: options.session,
            grants: &options.grants,
            parameters: options.parameters.as_ref().map(parameters::told),
        }
    }

    /// Of what is computed for a model.
    fn of_model(door: &'a Door, asker: &'a Asker, sql: &'a str, request: RequestId) -> Self {
        Self { door, asker, sql, request, purpose: None, session: None, grants: &[], parameters: None }
    }

    fn event(&self, actor: &PrincipalId, kind: EventKind) -> Event {
        let mut event = Event::new(actor, kind).with("sql", self.sql);
        if let Some(purpose) = self.purpose {
            event = event.with("purpose", purpose);
        }
        match &self.parameters {
            Some(parameters) => event.with("parameters", parameters.as_str()),
            None => event,
        }
    }

    /// What records the end of the read that was decided.
    fn outcome(&self, actor: &Asker) -> Outcome {
        Outcome::new(Arc::clone(&self.door.ports.recorder), actor.principal.clone(), self.request)
    }

    async fn decided(&self, scope: &Scope, actor: &Asker, allowed: bool) -> Result<(), Error> {
        let kind = EventKind::ReadDecided {
            request: self.request,
            datasets: scope.datasets(),
            allowed,
            policies: scope.policies(),
            session: self.session,
            grants: self.grants.to_vec(),
        };
        let event = self.event(&actor.principal, kind).with("tables", scope.names().join(", "));
        self.door.ports.recorder.record(event).await?;
        Ok(())
    }

    /// Records a refusal and returns the error; an error of recording comes first.
    async fn refused(&self, error: Error) -> Error {
        if let Error::Denied(denied) = &error {
            let datasets = denied_table(denied)
                .and_then(|name| TableName::new(name).ok())
                .and_then(|name| self.door.ports.tables.resolve(&name))
                .map(|table| table.id);
            let kind = EventKind::ReadDecided {
                request: self.request,
                datasets: datasets.into_iter().collect(),
                allowed: false,
                policies: denied.policies().to_vec(),
                session: self.session,
                grants: self.grants.to_vec(),
            };
            if let Err(error) = self.door.ports.recorder.record(self.event(&self.asker.principal, kind)).await {
                return error.into();
            }
        }
        let kind = EventKind::Refused { action: "read".to_owned(), error: error.kind().name().to_owned() };
        let event = self.event(&self.asker.principal, kind).with("message", error.to_string());
        match self.door.ports.recorder.record(event).await {
            Ok(_) => error,
            Err(unrecorded) => unrecorded.into(),
        }
    }

    /// Records that nothing was read after all.
    async fn failed(&self, error: Error, mut outcome: Outcome) -> Error {
        match outcome.finish(false).await {
            Ok(()) => error,
            Err(unrecorded) => unrecorded,
        }
    }

    /// Records why a read that was decided is not begun.
    async fn unanswered(&self, error: Error, outcome: Outcome) -> Error {
        match error {
            Error::Refused(_) | Error::Denied(_) | Error::NoRowFilter { .. } | Error::NoColumn { .. } => {
                outcome.leave();
                self.refused(error).await
            }
            error => self.failed(error, outcome).await,
        }
    }

    async fn answered(&self, prepared: Prepared, explain: bool, outcome: Outcome, manner: Manner) -> Result<Answer, Error> {
        if explain { Answer::explain(&prepared, outcome).await } else { Answer::run(prepared, outcome, manner).await }
    }
}

fn denied_table(denied: &Denied) -> Option<&str> {
    match denied {
        Denied::Known { table, .. } => Some(table.as_str()),
        Denied::Unknown { table, .. } => Some(table),
    }
}

/// What is wrong with a model's query.
pub(crate) struct ModelQueryError {
    pub line: Option<usize>,
    pub message: String,
}

/// Whether a text is a query that the door would take, whatever tables there are: the tables that it names.
///
/// # Errors
/// What is wrong with it.
pub fn check_query(sql: &str) -> Result<BTreeSet<TableName>, String> {
    model_query(sql).map_err(|error| error.message)
}

/// The inputs of a model's query, which obeys the rules of every query.
pub(crate) fn model_query(sql: &str) -> Result<BTreeSet<TableName>, ModelQueryError> {
    with_room(|| model_query_with_room(sql))
}

fn model_query_with_room(sql: &str) -> Result<BTreeSet<TableName>, ModelQueryError> {
    let wrong = |error: Error| {
        let message = match &error {
            Error::Refused(text) | Error::Parse(text) | Error::Unsupported(text) => text.clone(),
            other => other.to_string(),
        };
        let line = message.split_once("at Line: ").and_then(|(_, rest)| rest.split(',').next()?.trim().parse().ok());
        ModelQueryError { line, message }
    };
    let parsed = parse(sql).map_err(wrong)?;
    let here = |message: String| ModelQueryError { line: None, message };
    if parsed.explain {
        return Err(here("a model is a query, not the EXPLAIN of one".to_owned()));
    }
    let names = references(&parsed.statement).map_err(wrong)?;
    names
        .into_iter()
        .map(|name| {
            if let (table, Some(_)) = split_version(&name) {
                return Err(here(format!("a model reads the newest version; write {table} without AT VERSION")));
            }
            TableName::new(&name).map_err(|error| here(format!("{name:?} names no table: {error}")))
        })
        .collect()
}
