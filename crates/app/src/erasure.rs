//! `polder table erase`: rows leave a table for good, with its older versions, its refused rows, and what models computed of it. The intent says
//! which rows are meant, in a private value of the log; whoever writes next finishes what a killed process began, as far as no model has to be
//! computed for it. Success is recorded when the predicate was asked again and the store was looked through.

mod models;
mod once;
mod refused;

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{BooleanArray, RecordBatch};
use polder_audit::{Filter, OpenErasure, Resolved};
use polder_engine::{Models, Predicate};
use polder_lake::{Chooser, Lake, Left};
use polder_policy::Action;
use polder_store::FileKind;
use polder_types::event::{Phase, TableOperation};
use polder_types::{DatasetId, ErrorKind, EventKind, Private, TableName};

use crate::failpoint;
use crate::failure::{Failure, Outcome};
use crate::ingest::BatchReport;
use crate::installation::Installation;
use crate::print;

pub use models::{Affected, reads};
use refused::Judge;

/// The word under which the log keeps, sealed, which rows are meant.
const PREDICATE: &str = "predicate";
/// The word under which it keeps what becomes of refused rows that cannot be judged.
const UNDECIDED: &str = "undecided";

/// What becomes of refused rows of which nobody can tell whether they are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Undecided {
    /// They go too
    Remove,
    /// They stay, and the record says how many
    Keep,
}

impl Undecided {
    const fn word(self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Keep => "keep",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Remove, Self::Keep].into_iter().find(|known| known.word() == word)
    }
}

/// A condition, as the lake asks it.
struct Condition(Predicate);

impl Chooser for Condition {
    fn columns(&self) -> Vec<String> {
        self.0.columns()
    }

    fn chosen(&self, batch: &RecordBatch) -> Result<BooleanArray, (ErrorKind, Box<dyn std::error::Error + Send + Sync>)> {
        self.0.matches(batch).map_err(|error| (error.kind(), Box::new(error).into()))
    }
}

/// What an erasure would do, decided and counted.
pub struct Planned {
    table: TableName,
    dataset: DatasetId,
    condition: String,
    /// Rows of the table, and those that are meant.
    pub total: u64,
    /// Of them, those that go.
    pub rows: u64,
    /// Refused rows that are kept.
    pub kept: u64,
    /// Of them, those that are meant.
    pub refused: u64,
    /// Of them, those that cannot be judged.
    pub undecided: u64,
    /// Models that are computed anew, with their rows now.
    pub models: Vec<(TableName, u64)>,
    /// The newest version.
    pub version: u64,
    /// Objects in the store of all these.
    pub objects: u64,
    datasets: BTreeMap<DatasetId, u64>,
}

/// What an erasure came to.
#[derive(Debug)]
pub struct Done {
    /// Rows that went from the table.
    pub rows: u64,
    /// Refused rows that went.
    pub refused: u64,
    /// Refused rows that could not be judged and stay.
    pub undecided: u64,
    /// Models with their rows before and as computed anew, and whether the predicate could be asked of them.
    pub models: Vec<(TableName, u64, u64, bool)>,
    /// The one version that can be read.
    pub version: u64,
    /// Objects before.
    pub objects_before: u64,
    /// Objects now.
    pub objects: u64,
}

/// Decides, reads the condition, and counts what it is true for.
///
/// # Errors
/// When it is not permitted, the condition is none, or something cannot be counted.
pub async fn plan(installation: &Installation, lake: &Lake, name: &str, text: &str, memory_mib: u64) -> Outcome<Planned> {
    let permit = installation.permit(Action::Erase, name).await?;
    let (table, dataset) = (permit.table().clone(), permit.table_id());
    let state = installation.journal.state();
    let wrong = |text: String| Failure::new(ErrorKind::Invalid, format!("erase rows of table {name}: {text}"));
    let Some(head) = state.tables.get(&dataset).filter(|_| lake.exists(dataset)) else {
        return Err(wrong("it has none; `polder table drop` removes the rows that its contract refused".to_owned()));
    };
    if head.versions.iter().any(|version| version.operation == TableOperation::Model) {
        return Err(wrong("a model computes it; erase them from the tables that it reads".to_owned()));
    }
    let loaded = installation.loaded_models()?;
    models::none_unknown(installation, &loaded)?;
    let once = once::readers(installation, &table, dataset).await?;
    let affected = Affected::of(installation, &loaded, &table, &once);
    for model in &affected.stored {
        installation.permit(Action::Erase, model.as_str()).await?;
        installation.may(Action::Run, model.as_str()).await?;
    }
    let looks_at_refused = match crate::quarantine::objects(installation, name).await?.is_empty() {
        true => None,
        false => Some(installation.permit(Action::Quarantine, name).await?),
    };
    // What columns it has is told to none who may not read them: a wrong condition is answered with a suggestion.
    installation.permit(Action::Read, name).await?;
    let condition = Condition(Predicate::parse(text, &table, lake.schema(dataset, None).await?.as_ref()).await?);
    // How many rows there are is told to none who may not read them, and is a recorded read.
    let rows = models::counted(installation, lake, &Predicate::question(text, &table), memory_mib).await?;
    // What goes cannot be taken back: it is what the question found, or nothing. A condition that fails for a row fails here.
    let chosen = lake.count_chosen(dataset, &condition).await?;
    if chosen != rows {
        let text = format!(
            "erase rows of table {name}: a query with this condition finds {rows} rows and the files hold {chosen}, so nothing is erased; report this as a defect"
        );
        return Err(Failure::new(ErrorKind::Internal, text));
    }
    let judge = Judge::new(installation, &table, &condition.0)?;
    let judged = match looks_at_refused {
        None => refused::Judged::default(),
        Some(permit) => {
            let datasets = installation.keys.find(&format!("quarantine:{table}")).into_iter().collect();
            let (request, policies) = (permit.request(), permit.policies().to_vec());
            installation
                .record(EventKind::ReadDecided { request, datasets, allowed: true, policies, session: None, grants: Vec::new() })
                .await?;
            let judged = judge.judge_all(installation).await?;
            installation.record(EventKind::ReadFinished { request, rows: judged.rows, complete: true, bytes: None }).await?;
            judged
        }
    };
    let mut of_models = Vec::new();
    for model in &affected.stored {
        if let Some(id) = affected.dataset(model) {
            of_models.push((model.clone(), lake.rows(id, None).await?));
        }
    }
    let mut datasets: BTreeMap<DatasetId, u64> =
        affected.datasets.iter().zip(&of_models).map(|((_, id), (_, rows))| (*id, *rows)).collect();
    // What read it once is not found by models/, when the erasure goes on.
    datasets.extend(affected.unbuilt.iter().filter(|id| once.contains(*id)).map(|id| (*id, 0)));
    Ok(Planned {
        total: lake.rows(dataset, None).await?,
        rows,
        kept: judged.rows,
        refused: judged.meant,
        undecided: judged.undecided,
        models: of_models,
        version: head.version,
        objects: objects(installation, &table, dataset, &affected)?,
        condition: text.to_owned(),
        table,
        dataset,
        datasets,
    })
}

/// Does what was planned.
///
/// # Errors
/// When rows cannot be judged and nobody said what becomes of them, or something fails: then the next command that writes goes on with what needs
/// no model, and the next erasure, `polder run` or `polder model run` with the rest.
pub async fn erase(
    installation: &Installation,
    lake: &Lake,
    planned: &Planned,
    undecided: Option<Undecided>,
    memory_mib: u64,
) -> Outcome<Done> {
    let table = &planned.table;
    let undecided = match (undecided, planned.undecided) {
        (Some(undecided), _) => undecided,
        (None, 0) => Undecided::Keep,
        (None, rows) => {
            let text = format!(
                "erase rows of table {table}: of {rows} refused rows that were kept nobody can tell whether they are meant, since values that the condition looks at cannot be read; `--undecided remove` takes them with the others, `--undecided keep` leaves them and records their number"
            );
            return Err(Failure::new(ErrorKind::Invalid, text));
        }
    };
    installation.still_writer().await?;
    let intent = EventKind::RowsErased {
        dataset: planned.dataset,
        phase: Phase::Intent,
        rows: planned.rows,
        refused: planned.refused,
        undecided: planned.undecided,
        models: planned.datasets.clone(),
        version: planned.version,
        objects: planned.objects,
    };
    let private =
        Private::default().with(PREDICATE, planned.condition.as_str()).with(UNDECIDED, undecided.word()).with("table", table.as_str());
    installation.record_with(intent, private).await?;
    failpoint::hit("erase-intent");
    finish(installation, lake, planned.dataset, memory_mib).await
}

/// What an open erasure is about.
struct Order {
    dataset: DatasetId,
    table: TableName,
    condition: String,
    undecided: Undecided,
    open: OpenErasure,
}

impl Order {
    async fn of(installation: &Installation, dataset: DatasetId) -> Outcome<Self> {
        let lost =
            |what: &str| Failure::new(ErrorKind::NotFound, format!("go on with an erasure: {what}; erase the rows again with --where"));
        let open = installation.journal.state().open_erasures.get(&dataset).cloned().ok_or_else(|| lost("none of this table is open"))?;
        let filter = Filter { range: Some(open.index..open.index.saturating_add(1)), ..Filter::default() };
        let shown = installation.journal.show(&filter, 1).await?.pop().ok_or_else(|| lost("its entry of the log is not there"))?;
        let value = |word: &str| match shown.private.get(word) {
            Some(Resolved::Value(value)) => Some(value.clone()),
            _ => None,
        };
        let name = installation.keys.datasets().into_iter().find(|info| info.id == dataset).map(|info| info.name);
        let table = name.as_deref().and_then(|name| TableName::new(name.strip_prefix("table:")?).ok());
        let (Some(condition), Some(table)) = (value(PREDICATE), table) else {
            return Err(lost("which rows were meant is not known any more"));
        };
        let undecided = value(UNDECIDED).and_then(|word| Undecided::of(&word)).unwrap_or(Undecided::Keep);
        Ok(Self { dataset, table, condition, undecided, open })
    }

    async fn predicate(&self, lake: &Lake) -> Outcome<Predicate> {
        Ok(Predicate::parse(&self.condition, &self.table, lake.schema(self.dataset, None).await?.as_ref()).await?)
    }

    /// The models that it concerns: also those that did when it began, whatever models/ says by now.
    fn affected(&self, installation: &Installation, models: &Models) -> Affected {
        Affected::of(installation, models, &self.table, &self.open.models.keys().copied().collect())
    }

    /// Whether the table was committed without the rows since.
    fn is_committed(&self, installation: &Installation) -> bool {
        let state = installation.journal.state();
        let versions = state.tables.get(&self.dataset).map(|head| head.versions.as_slice()).unwrap_or_default();
        versions.iter().any(|version| version.operation == TableOperation::Erase && version.index > self.open.index)
    }

    /// Whether nothing was committed after that.
    fn is_newest(&self, installation: &Installation) -> bool {
        let state = installation.journal.state();
        let newest = state.tables.get(&self.dataset).and_then(|head| head.versions.last());
        newest.is_some_and(|version| version.operation == TableOperation::Erase && version.index > self.open.index)
    }

    /// The refused rows and the table itself. `anew`: also what was loaded since.
    async fn table(&self, installation: &Installation, lake: &Lake, anew: bool) -> Outcome {
        let committed = self.is_committed(installation);
        if anew || !committed {
            let condition = Condition(self.predicate(lake).await?);
            let judge = Judge::new(installation, &self.table, &condition.0)?;
            judge.remove(installation, self.dataset, self.undecided).await?;
            failpoint::hit("erase-refused");
            // A version that came since may hold such rows again, or in its deleted ones, or may have told of them in the log.
            if !self.is_newest(installation) {
                lake.erase(self.dataset, Some(&condition), &installation.actor).await?;
            }
            failpoint::hit("erase-table");
        }
        purge(installation, lake, self.dataset).await
    }
}

/// Deletes what a table's newest version does not need, where there is any.
async fn purge(installation: &Installation, lake: &Lake, dataset: DatasetId) -> Outcome {
    if lake.left(dataset, None).await? != Left::default() {
        installation.still_writer().await?;
        lake.purge(dataset, &installation.actor).await?;
    }
    Ok(())
}

/// Whether what an open erasure was asked for can be asked still.
///
/// # Errors
/// When its condition is not known any more, or does not fit the table as it is now.
pub async fn is_known(installation: &Installation, lake: &Lake, dataset: DatasetId) -> Outcome {
    Order::of(installation, dataset).await?.predicate(lake).await.map(drop)
}

/// Finishes an open erasure.
///
/// # Errors
/// When a model cannot be computed, something is still there, or anything else fails: it stays open then.
pub async fn finish(installation: &Installation, lake: &Lake, dataset: DatasetId, memory_mib: u64) -> Outcome<Done> {
    let order = Order::of(installation, dataset).await?;
    let step = || format!("erase rows of table {}", order.table);
    let done = async {
        order.table(installation, lake, true).await?;
        failpoint::hit("erase-models");
        let loaded = installation.loaded_models()?;
        models::none_unknown(installation, &loaded)?;
        let affected = order.affected(installation, &loaded);
        affected.compute(installation, lake, &loaded, &order.table, memory_mib).await?;
        failpoint::hit("erase-check");
        check(installation, lake, &order, &affected, memory_mib).await
    };
    done.await.map_err(|failure| {
        failure.during(format!("{}: it is not finished, and goes on with `polder table erase {} --resume`", step(), order.table))
    })
}

/// Asks again, and looks through the store; records the outcome when nothing is left.
async fn check(installation: &Installation, lake: &Lake, order: &Order, affected: &Affected, memory_mib: u64) -> Outcome<Done> {
    let still = |what: String| Failure::new(ErrorKind::Rejected, format!("look for what is left: {what}"));
    let condition = Condition(order.predicate(lake).await?);
    let found = lake.left(order.dataset, Some(&condition)).await?;
    if found.rows > 0 {
        return Err(still(format!("table {} has {} such rows", order.table, found.rows)));
    }
    if let Some(object) = found.objects.first() {
        return Err(still(format!("{object} is still in the store")));
    }
    let judged = Judge::new(installation, &order.table, &condition.0)?.judge_all(installation).await?;
    let undecided = judged.undecided;
    if judged.meant > 0 || (undecided > 0 && order.undecided == Undecided::Remove) {
        return Err(still(format!("{} refused rows of table {} are kept", judged.meant.saturating_add(undecided), order.table)));
    }
    let mut of_models = Vec::new();
    for (model, dataset) in &affected.datasets {
        let asked = affected.condition(installation, lake, model, order, memory_mib).await?.map(Condition);
        let found = lake.left(*dataset, asked.as_ref().map(|asked| asked as &dyn Chooser)).await?;
        if found.rows > 0 {
            return Err(still(format!(
                "model {model} has {} such rows, though it was computed anew; see what it reads besides",
                found.rows
            )));
        }
        if let Some(object) = found.objects.first() {
            return Err(still(format!("{object} is still in the store")));
        }
        let before = order.open.models.get(dataset).copied().unwrap_or_default();
        of_models.push((model.clone(), *dataset, before, lake.rows(*dataset, None).await?, asked.is_some()));
    }
    for dataset in &affected.unbuilt {
        if let Some(object) = lake.left(*dataset, None).await?.objects.first() {
            return Err(still(format!("{object} is still in the store")));
        }
    }
    let removed = if order.undecided == Undecided::Remove { order.open.undecided } else { 0 };
    let done = Done {
        rows: order.open.rows,
        refused: order.open.refused.saturating_add(removed),
        undecided,
        version: installation.journal.state().tables.get(&order.dataset).map_or(0, |head| head.version),
        objects_before: order.open.objects,
        objects: objects(installation, &order.table, order.dataset, affected)?,
        models: of_models.iter().map(|(model, _, before, after, asked)| (model.clone(), *before, *after, *asked)).collect(),
    };
    let outcome = EventKind::RowsErased {
        dataset: order.dataset,
        phase: Phase::Outcome,
        rows: done.rows,
        refused: done.refused,
        undecided,
        models: of_models.iter().map(|(_, dataset, _, after, _)| (*dataset, *after)).collect(),
        version: done.version,
        objects: done.objects,
    };
    let private = Private::default().with(PREDICATE, order.condition.as_str()).with("table", order.table.as_str());
    installation.record_with(outcome, private).await?;
    Ok(done)
}

/// Objects in the store of a table, its refused rows and its models.
fn objects(installation: &Installation, table: &TableName, dataset: DatasetId, affected: &Affected) -> Outcome<u64> {
    let mut ours: BTreeSet<DatasetId> = affected.datasets.iter().map(|(_, id)| *id).collect();
    ours.insert(dataset);
    ours.extend(&affected.unbuilt);
    ours.extend(installation.keys.find(&format!("quarantine:{table}")));
    let files = installation.store.backend().every_file()?;
    let count = files.into_iter().filter(|file| matches!(file.kind, FileKind::Object(_, of) if ours.contains(&of))).count();
    Ok(u64::try_from(count).unwrap_or(u64::MAX))
}

/// What else may hold such rows, and is not reached from here.
pub struct Beyond {
    /// Whether a contract loads the table.
    pub loads: bool,
    /// Tables whose contracts refer to it.
    pub referring: Vec<String>,
}

impl Beyond {
    /// As the project's files say.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn of(installation: &Installation, table: &str) -> Outcome<Self> {
        let contracts = installation.project.contracts()?;
        let refers = |contract: &polder_contract::Contract| {
            contract.table.as_str() != table
                && contract.questions.iter().any(|question| question.refers_to().is_some_and(|other| other.as_str() == table))
        };
        Ok(Self {
            loads: contracts.iter().any(|(_, contract)| contract.table.as_str() == table),
            referring: contracts.iter().filter(|(_, contract)| refers(contract)).map(|(_, contract)| contract.table.to_string()).collect(),
        })
    }
}

/// What a run did for open erasures: those that its builds let end are ended, and a report for each that could not be.
pub async fn after_builds(installation: &Installation, lake: &Lake, memory_mib: u64) -> Vec<BatchReport> {
    let mut reports = Vec::new();
    let open: Vec<DatasetId> = installation.journal.state().open_erasures.keys().copied().collect();
    for dataset in open {
        let ended = async {
            let order = Order::of(installation, dataset).await?;
            let loaded: Models = installation.loaded_models()?;
            let affected = order.affected(installation, &loaded);
            let stale = affected.stale(installation, &loaded, &order.table);
            match stale.is_empty() {
                true => finish(installation, lake, dataset, memory_mib).await.map(drop),
                false => Err(Failure::new(ErrorKind::Rejected, unfinished(order.table.as_str(), &stale))),
            }
        };
        if let Err(failure) = ended.await {
            reports.push(BatchReport::refused("erase".to_owned(), failure));
        }
    }
    reports
}

/// What is said of an erasure that waits for models.
pub fn unfinished(table: &str, stale: &[TableName]) -> String {
    let models: Vec<&str> = stale.iter().map(TableName::as_str).collect();
    format!(
        "erase rows of table {table}: it is not finished, since models hold what was computed of them: {}; correct what keeps them from being computed, then `polder table erase {table} --resume`",
        models.join(", ")
    )
}

impl Installation {
    /// Goes on with the erasures that a killed process began, as far as no model has to be computed.
    pub(crate) async fn settle_erasures(&self) -> Outcome {
        let open: Vec<DatasetId> = self.journal.state().open_erasures.keys().copied().collect();
        if open.is_empty() {
            return Ok(());
        }
        let lake = self.lake(None)?;
        for dataset in open {
            let gone_on = async { Order::of(self, dataset).await?.table(self, &lake, false).await };
            match gone_on.await {
                Ok(()) => {}
                Err(lost) if lost.kind() == ErrorKind::Busy => return Err(lost),
                // It stays open, and says so; whoever makes room, drops the table or mends it must not be kept out.
                Err(failure) => print::warn("an erasure is not finished", &failure),
            }
        }
        Ok(())
    }
}
