//! One batch of one source into one table: read, checked, staged, counted, committed. Law 5 lives here: whatever does not close
//! leaves nothing visible.

mod files;
mod inspected;
mod newest;
mod offsets;
mod push;
mod questions;
mod refusals;
mod report;
mod settled;
mod sink;
mod stage;
mod tables;
mod upkeep;
mod way;

use std::sync::Arc;

use polder_connect::{Committed, Connection, FileSeen, Increment, SourceReader, SourceType, TableSink, WantedColumn};
use polder_contract::question::Question;
use polder_contract::{Approved, Gate, GateOptions, Reconciled, Statistics};
use polder_lake::{Lake, Planned, WriteRequest};
use polder_policy::{Action, Permit};
use polder_types::{DatasetId, ErrorKind, EventKind, RunId};

use crate::described;
use crate::failpoint;
use crate::failure::{Failure, Outcome};
pub use crate::ingest::inspected::{PersonalIn, WaivedBy};
pub use crate::ingest::newest::{Newest, judged_columns};
pub use crate::ingest::offsets::{AlreadyLoaded, Offsets};
pub use crate::ingest::push::{Noted, Pushed, VERDICTS_MAX, Verdict, Verdicts, push, reason};
pub use crate::ingest::questions::{can_be_asked, in_order, unaskable};
pub use crate::ingest::report::{BatchReport, RefusedBy, lines, store_line, to_json};
pub use crate::ingest::settled::{Look, Settled};
use crate::ingest::sink::{Counter, LakeSink};
use crate::ingest::stage::Loaded;
pub use crate::ingest::tables::IncrementTold;
pub use crate::ingest::upkeep::{OptimizedTold, advice, optimize};
use crate::ingest::way::{Gone, Way};
use crate::installation::Installation;
use crate::quarantine::{Quarantine, leftovers};
use crate::replay;
use crate::wiring::Loss;

/// Threads that check batches.
const GATE_THREADS: usize = 2;
/// Memory for unique keys, in bytes; what does not fit is spilled, sealed.
const UNIQUE_MEMORY_BYTES: usize = 128 << 20;

/// How a load is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadOptions<'a> {
    /// Load files again that were loaded before.
    pub again: bool,
    /// Read all anew, from the beginning, and replace what the table holds.
    pub full_refresh: bool,
    /// Read again from a value of the cursor (included) up to another one.
    pub window: Option<(&'a str, &'a str)>,
    /// Commit nothing.
    pub dry_run: bool,
    /// What a test makes the load lose.
    pub loss: Option<Loss>,
    /// The files that may be loaded, where some are still being written.
    pub settled: Option<&'a Settled>,
}

pub(crate) fn store_failure(step: &str, error: &object_store::Error) -> Failure {
    Failure::because(polder_store::kind_of(error), format!("{step} in the store"), error)
}

/// Loads what a contract authorises.
pub async fn load(
    installation: &Installation,
    lake: &Lake,
    approved: Approved,
    run: RunId,
    options: LoadOptions<'_>,
) -> Outcome<BatchReport> {
    let table = approved.table.to_string();
    let permit = installation.may(Action::Run, &table).await?;
    let name = format!("table:{table}");
    let dataset = match options.dry_run {
        // A dry run makes no keys: a table that has none goes by the id that its permit has.
        true => installation.keys.find(&name).unwrap_or(permit.table_id()),
        false => installation.dataset(&name).await?,
    };
    let (report, statistics) = (BatchReport::new(table.clone()), Statistics::of(&approved));
    let approved = Arc::new(approved);
    let mut batch = Batch { installation, lake, approved, permit, dataset, run, options, report, statistics, push: None };
    let loaded = batch.load().await;
    let step = format!("load table {table}");
    Ok(if options.dry_run { batch.looked(loaded, step) } else { batch.ended(loaded, &step).await })
}

/// Loads into a table what its contract once refused and now admits.
///
/// # Errors
/// When it is not permitted, or the log cannot be written. A failure on the way is in the report.
pub async fn replay(installation: &Installation, lake: &Lake, approved: Approved, run: RunId) -> Outcome<BatchReport> {
    let table = approved.table.to_string();
    if approved.disposition.merges() {
        let text = format!(
            "replay the quarantine of table {table}: a row that was refused may be older than the one that has its key now; load it from the source again"
        );
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    let run_permit = installation.may(Action::Run, &table).await?;
    let permit = installation.permit(Action::Quarantine, &table).await?;
    let datasets: Vec<_> = installation.keys.find(&format!("quarantine:{table}")).into_iter().collect();
    let (request, policies) = (permit.request(), permit.policies().to_vec());
    installation.record(EventKind::ReadDecided { request, datasets, allowed: true, policies, session: None, grants: Vec::new() }).await?;
    let (dataset, options) = (permit.table_id(), LoadOptions::default());
    let (report, statistics) = (BatchReport::new(table.clone()), Statistics::of(&approved));
    let approved = Arc::new(approved);
    let mut batch = Batch { installation, lake, approved, permit: run_permit, dataset, run, options, report, statistics, push: None };
    let replayed = batch.replay().await;
    let mut report = batch.ended(replayed, &format!("replay the quarantine of table {table}")).await;
    let rows = report.counts.map_or(0, |counts| counts.read);
    let read = EventKind::ReadFinished { request, rows, complete: report.failure.is_none(), bytes: None };
    if let Some(failure) = &mut report.failure {
        installation.record_failure(failure, read).await;
    } else if let Err(failure) = installation.record(read).await {
        // What was committed stands, and is reported beside the failure.
        report.failed_after(failure.during("record that the refused rows were read"));
    }
    Ok(report)
}

/// One batch on its way.
struct Batch<'a> {
    installation: &'a Installation,
    lake: &'a Lake,
    approved: Arc<Approved>,
    /// To load into the table.
    permit: Permit,
    dataset: DatasetId,
    run: RunId,
    options: LoadOptions<'a>,
    report: BatchReport,
    /// What the admitted rows are like.
    statistics: Statistics,
    /// Of rows that were sent: by what they are known again, and what became of them.
    push: Option<push::Taken>,
}

/// What a batch reads, and what its table holds afterwards.
struct Input {
    reader: Box<dyn SourceReader>,
    cells: CellWords,
    way: Way,
    /// What a merge deletes.
    gone: Gone,
    /// The column by which the source is read in increments.
    cursor: Option<String>,
    replay: bool,
    offsets: Offsets,
}

/// A driver of ADBC is read in a process of its own, which one that serves cannot begin.
///
/// # Errors
/// When the source needs such a process here.
pub fn begins_no_process(connection: &Connection) -> Outcome {
    if connection.source_type != SourceType::Adbc || !crate::command::serve::begins_no_program() {
        return Ok(());
    }
    let text = format!(
        "read source {}: its driver is read in a process of its own, and `polder serve` begins none; end it and use `polder run` or `polder scheduler`, or read the database by a source of its own type",
        connection.name
    );
    Err(Failure::new(ErrorKind::Invalid, text))
}

/// What the source says of how its cells are written.
struct CellWords {
    null_tokens: Vec<String>,
    decimal_comma: bool,
}

impl CellWords {
    fn of(dataset: &polder_connect::Dataset) -> Self {
        Self { null_tokens: dataset.null_tokens.clone(), decimal_comma: dataset.decimal_comma }
    }
}

impl Batch<'_> {
    /// The report, with the failure when there was one, which is recorded where it can be.
    async fn ended(mut self, outcome: Outcome, step: &str) -> BatchReport {
        let Err(failure) = outcome else { return self.report };
        let mut failure = failure.during(step);
        let (run, dataset, counts) = (self.run, self.dataset, self.report.counts);
        let failed = EventKind::BatchFailed { run, dataset, counts, error: failure.kind().name().to_owned() };
        if self.installation.record_failure(&mut failure, failed).await {
            // What cannot be deleted now, the next load deletes.
            let _ = leftovers::delete(self.installation, &self.report.table, Some(run)).await;
        }
        self.report.fail(failure);
        self.report
    }

    /// There is nothing to load, provided that the table is still what the log says it is.
    async fn unchanged(&mut self) -> Outcome {
        // Where files are waited for there may be no table yet.
        let head = self.head();
        if head > 0 {
            self.lake.rows(self.dataset, None).await?;
            if !self.options.dry_run {
                newest::catch_up(self.installation, self.lake, &self.approved, self.dataset, head).await?;
            }
        }
        self.report.status = match self.report.migrated.is_empty() {
            true => "unchanged",
            false if self.options.dry_run => "checked",
            false => "migrated",
        };
        Ok(())
    }

    fn head(&self) -> u64 {
        self.installation.journal.state().tables.get(&self.dataset).map_or(0, |head| head.sequence)
    }

    /// The report of a dry run, which began no batch that the log would have to see the end of.
    fn looked(mut self, outcome: Outcome, step: String) -> BatchReport {
        if let Err(failure) = outcome {
            self.report.fail(failure.during(step));
        }
        self.report
    }

    async fn load(&mut self) -> Outcome {
        let (installation, lake, dataset, approved) = (self.installation, self.lake, self.dataset, Arc::clone(&self.approved));
        let connection = installation.project.source(&approved.source)?;
        begins_no_process(&connection)?;
        let (way, head) = (self.way(), self.head());
        if connection.source_type == SourceType::Push {
            return self.pushed_to(&connection, head);
        }
        if way == Way::Append && self.options.again && head > 0 {
            return Err(Failure::new(
                ErrorKind::Invalid,
                "load all files again: the table keeps its rows, and they would be doubled; use `--full-refresh`, which replaces them, or set polder.disposition to replace",
            ));
        }
        if !self.options.dry_run {
            installation.classify(dataset, &approved, described::of_contract(&approved)).await?;
        }
        if head > 0 {
            // What cannot be read cannot be loaded into: said before anything else is tried.
            lake.rows(dataset, None).await?;
        }
        if way.keeps_rows() && head > 0 {
            self.migrate().await?;
        }
        let before = Offsets::of_head(installation, dataset, head).await?;
        if self.options.window.is_some() && !self.reads_windows(&connection)? {
            let text = "read a window of the source: only a table whose rows merge (polder.disposition merge or scd2), of a database's dataset that has a cursor, takes rows in again without doubling them; load all with `polder run --full-refresh`";
            return Err(Failure::new(ErrorKind::Invalid, text));
        }
        let input = match connection.database {
            None => self.of_files(&connection, before).await?,
            Some(_) => self.of_table(&connection, before).await?,
        };
        match input {
            Some(input) => self.write(input).await,
            None => self.unchanged().await,
        }
    }

    /// The columns that the contract authorises.
    fn wanted(&self) -> Vec<WantedColumn> {
        self.approved.columns.iter().map(|column| WantedColumn::new(&column.physical_name).of_type(column.ty)).collect()
    }

    async fn replay(&mut self) -> Outcome {
        let (installation, approved) = (self.installation, Arc::clone(&self.approved));
        installation.classify(self.dataset, &approved, described::of_contract(&approved)).await?;
        let head = self.head();
        let before = Offsets::of_head(installation, self.dataset, head).await?;
        let connection = installation.project.source(&approved.source)?;
        let cells = CellWords::of(connection.dataset(&approved.dataset)?);
        let waiting = replay::waiting(installation, &approved, self.dataset, &before.replayed).await?;
        if waiting.objects.is_empty() {
            self.report.status = "unchanged";
            return Ok(());
        }
        waiting.fit(installation, &approved).await?;
        self.report.files = waiting.objects.len();
        // What was refused once is like no other load: it is not compared, and nothing is compared with it.
        let mut offsets = Offsets { run: self.run.to_string(), anomalies: Vec::new(), push: None, ..before };
        offsets.replayed.extend(waiting.objects.iter().map(ToString::to_string));
        let reader: Box<dyn SourceReader> = Box::new(waiting.into_reader(installation, &approved));
        self.write(Input { reader, cells, way: Way::Append, gone: Gone::None, cursor: None, replay: true, offsets }).await
    }

    /// Reads, checks, counts and commits.
    async fn write(&mut self, input: Input) -> Outcome {
        let Input { reader, cells, way, gone, cursor, replay, offsets } = input;
        let (installation, lake, dataset, run) = (self.installation, self.lake, self.dataset, self.run);
        if way.keeps_rows() {
            self.migrate().await?;
        }
        let order_by = self.order_by(cursor.as_deref());
        if self.options.dry_run {
            let gate = Arc::new(self.gate(way, replay, cells, order_by).await?);
            let mut quarantine = Quarantine::new(installation, &self.approved, dataset, run, 0);
            let loaded = self.stage(&gate, reader, &mut Counter::default(), &mut quarantine).await?;
            loaded.reconciliation.check(&self.approved, &loaded.duplicates)?;
            loaded.told();
            self.report.unasked = self.approved.questions.iter().map(Question::label).collect();
            self.compare(&offsets);
            self.report.status = "checked";
            return Ok(());
        }
        leftovers::delete(installation, &self.report.table, None).await?;
        let sequence = Offsets::next_sequence(&installation.store, dataset, self.head()).await?;
        let contract_hash = hex::encode(self.approved.semantic_hash());
        installation.record(EventKind::BatchStarted { run, dataset, sequence, contract_hash }).await?;
        failpoint::hit("batch-started");
        let gate = Arc::new(self.gate(way, replay, cells, order_by).await?);
        let request = WriteRequest {
            dataset,
            source: self.approved.source.clone(),
            schema: self.approved.arrow_schema(),
            mode: way.mode(),
            keys: if way.merges() { self.keys() } else { Vec::new() },
            history: self.history(),
            actor: installation.actor.clone(),
        };
        let source_identity = offsets.source_identity.clone();
        let mut sink = LakeSink::new(lake.writer(request).await?, &installation.store, dataset, offsets);
        let mut quarantine = Quarantine::new(installation, &self.approved, dataset, run, sequence);
        let staged = self.stage(&gate, reader, &mut sink, &mut quarantine).await;
        let recorded = match inspected::event(run, dataset, &self.report) {
            Some(event) => installation.record(event).await.map(drop),
            None => Ok(()),
        };
        // Where the batch failed, that it did is what must be told.
        let settled = match staged.and_then(|staged| recorded.map(|()| staged)) {
            Ok(loaded) => self.settle(loaded, way, gone, &mut sink, &mut quarantine).await,
            Err(failure) => Err(failure),
        };
        let (reconciled, files, increment) = match settled {
            Ok(settled) => settled,
            Err(failure) => {
                // The first refused rows show why; where they cannot be kept, the report still does.
                let _ = quarantine.keep_sample().await;
                // What was staged is named by no version; if it cannot be deleted now, vacuum will.
                let _ = sink.abort().await;
                return Err(failure);
            }
        };
        if let Some(increment) = increment {
            sink.record().cursor = Some(increment.state);
        }
        if !replay {
            self.compare(sink.record());
            sink.record().learn(self.report.counts.map_or(0, |counts| counts.read), &self.statistics, &self.report);
        }
        if let Some(push) = &self.push {
            sink.record().push = Some(push.noted(self.installation.clock.now_ms(), self.report.counts.unwrap_or_default()));
        }
        self.report.sequence = Some(sequence);
        match sink.commit(polder_connect::Offsets { sequence, source_identity, files }, reconciled).await? {
            Committed::Now { version } => {
                self.report.version = Some(version);
                self.report.status = "committed";
                self.report.storage = sink.storage();
                self.report.advice = self.report.storage.as_ref().and_then(|storage| advice(&self.report.table, storage));
            }
            Committed::Already { .. } => self.report.status = "unchanged",
        }
        Ok(())
    }

    /// Reports what is unusual beside the loads before.
    fn compare(&mut self, before: &Offsets) {
        let report = &mut self.report;
        report.anomalies = before.history.judge(report.counts.map_or(0, |counts| counts.read), &self.statistics);
        if let Some(known) = &before.outside {
            report.new_outside = report.left_out.iter().filter(|column| !known.contains(column)).cloned().collect();
        }
    }

    /// Rows that stay get the contract's columns, where that neither loses nor invents a value.
    async fn migrate(&mut self) -> Outcome {
        let schema = self.approved.table_schema();
        self.keeps_versions().await?;
        let difference = match self.lake.planned_migration(self.dataset, schema.as_ref()).await? {
            Planned::Nothing => return Ok(()),
            Planned::Steps(steps) if self.options.dry_run => {
                self.report.migrated = steps.iter().map(ToString::to_string).collect();
                return Ok(());
            }
            Planned::Steps(_) => {
                failpoint::hit("migration-before");
                if let Some(done) = self.lake.migrate(&self.permit, schema.as_ref(), &self.installation.actor).await? {
                    self.report.version = Some(done.version);
                    self.report.migrated.extend(done.steps.iter().map(ToString::to_string));
                }
                failpoint::hit("migration-after");
                return Ok(());
            }
            Planned::Refused(difference) => difference,
        };
        let table = &self.report.table;
        Err(Failure::new(
            ErrorKind::Invalid,
            format!(
                "compare the columns of table {table} with its contract: {difference}, and rows that are there stay as they are; give the contract the table's columns, set polder.disposition to replace, or remove the table with `polder table drop {table}`"
            ),
        ))
    }

    async fn gate(&self, way: Way, replay: bool, cells: CellWords, order_by: Option<usize>) -> Outcome<Gate> {
        let mut options = self.gate_options(replay, cells).await?;
        options.order_by = order_by;
        let key = self.approved.key_columns().into_iter().filter_map(|at| self.approved.columns.get(at));
        let keys: Vec<String> = key.map(|column| column.name.clone()).collect();
        if way == Way::Append && !keys.is_empty() && self.lake.exists(self.dataset) && self.lake.rows(self.dataset, None).await? > 0 {
            options.existing = Some(Box::new(self.lake.keys(&self.permit, &keys).await?));
        }
        Ok(Gate::new(Arc::clone(&self.approved), options)?)
    }

    async fn gate_options(&self, replay: bool, cells: CellWords) -> Outcome<GateOptions> {
        let installation = self.installation;
        let mut options = GateOptions::new(installation.keys.derive("unique keys")?, installation.spill());
        options.null_tokens = cells.null_tokens;
        options.decimal_comma = cells.decimal_comma;
        options.whole_load = !replay;
        options.unique_memory_bytes = UNIQUE_MEMORY_BYTES;
        options.masking = installation.masking(&self.approved, self.options.dry_run).await?;
        options.faults = self.options.loss.and_then(Loss::in_gate);
        options.patterns = Some(installation.project.patterns()?);
        Ok(options)
    }

    /// Asks what the contract asks of the table as this load would leave it, keeps the refused rows, and closes the counts.
    async fn settle(
        &mut self,
        mut loaded: Loaded,
        way: Way,
        gone: Gone,
        sink: &mut LakeSink<'_>,
        quarantine: &mut Quarantine<'_>,
    ) -> Outcome<(Reconciled, Vec<FileSeen>, Option<Increment>)> {
        if way.merges() {
            loaded.reconciliation.refreshed = matches!(gone, Gone::NotInBatch);
            loaded.reconciliation.merged = Some(self.meet(&loaded, gone, sink).await?);
        }
        let answers = questions::ask(self.installation, self.lake, &self.approved, sink).await?;
        let newest = newest::ask(self.installation, self.lake, &self.approved, sink).await;
        sink.record().newest = newest;
        failpoint::hit("quarantine-before");
        quarantine.finish().await?;
        failpoint::hit("quarantine-after");
        let reconciled = loaded.reconciliation.close(&self.approved, &loaded.duplicates, answers)?;
        self.report.counts = Some(reconciled.counts());
        let (files, increment) = loaded.told();
        Ok((reconciled, files, increment))
    }
}
