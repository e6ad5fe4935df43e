//! One batch of one source into one table: read, checked, staged, counted, committed. Law 5 lives here: whatever does not close
//! leaves nothing visible.

mod inspected;
mod offsets;
mod questions;
mod refusals;
mod settled;
mod sink;

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_connect::{Committed, FileList, FileSeen, ReadOptions, SourceReader, TableSink, WantedColumn};
use polder_contract::question::Question;
use polder_contract::{
    Anomaly, Approved, Checked, Disposition, Duplicates, Gate, GateOptions, OnViolation, RawBatch, Reconciled, Reconciliation, Rejection,
    Rule, Statistics,
};
use polder_lake::{Lake, Planned, WriteMode, WriteRequest};
use polder_policy::{Action, Permit};
use polder_types::event::Counts;
use polder_types::{DatasetId, ErrorKind, EventKind, RunId};
use serde::Serialize;
use serde_json::json;

use crate::described;
use crate::failpoint;
use crate::failure::{Failure, Outcome};
use crate::ingest::inspected::Findings;
pub use crate::ingest::inspected::{PersonalIn, WaivedBy};
pub use crate::ingest::offsets::{AlreadyLoaded, Offsets};
use crate::ingest::offsets::{LoadedFile, Sorted};
pub use crate::ingest::questions::{can_be_asked, in_order, unaskable};
use crate::ingest::refusals::Refusals;
pub use crate::ingest::settled::{Look, Settled};
use crate::ingest::sink::{Counter, LakeSink};
use crate::installation::Installation;
use crate::progress::Progress;
use crate::quarantine::{Quarantine, leftovers};
use crate::replay;
use crate::wiring::Loss;

/// Threads that check batches.
const GATE_THREADS: usize = 2;
/// Memory for unique keys, in bytes; what does not fit is spilled, sealed.
const UNIQUE_MEMORY_BYTES: usize = 128 << 20;

/// What became of a batch.
#[derive(Debug, Clone, Serialize)]
pub struct BatchReport {
    /// The table.
    pub table: String,
    /// `committed`, `migrated` (the columns changed and nothing was to be loaded), `unchanged`, `checked` (a dry run) or `failed`.
    pub status: &'static str,
    /// The table's new version.
    pub version: Option<u64>,
    /// What was done to rows that are there because the contract's columns changed, or in a dry run would be.
    pub migrated: Vec<String>,
    /// The counts, as far as they are known.
    pub counts: Option<Counts>,
    /// Of the quarantined rows, those of which nothing but the reason is kept: records that could not be split into cells.
    pub not_kept: u64,
    /// Rows refused, by column and rule.
    pub refused: Vec<RefusedBy>,
    /// What content inspection found and the contract waives.
    pub waived: Vec<WaivedBy>,
    /// Columns with personal data that their classification does not allow.
    pub personal: Vec<PersonalIn>,
    /// Columns of the source that no contract authorises: not decoded, not stored.
    pub left_out: Vec<String>,
    /// Of them, those that were not there when the table was last loaded.
    pub new_outside: Vec<String>,
    /// Authorised columns that no record held.
    pub never_seen: Vec<String>,
    /// What is unusual about the load, beside those before it.
    pub anomalies: Vec<Anomaly>,
    /// Files read.
    pub files: usize,
    /// Files that hold what was loaded before under another name or date, and were not loaded again.
    pub already_loaded: Vec<AlreadyLoaded>,
    /// Rules over the whole table that a dry run does not ask, since it stores nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<String>,
    /// Why it failed: `kind`, `exit_code`, `message` and `causes`, as a command that fails says it.
    pub error: Option<serde_json::Value>,
    #[serde(skip)]
    pub(crate) failure: Option<Failure>,
}

/// Rows refused by one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedBy {
    /// The column, or none when the record as a whole is wrong.
    pub column: Option<String>,
    /// The rule.
    pub rule: String,
    /// How many rows.
    pub rows: u64,
    /// Where the first one is: file and record.
    pub first: String,
    /// The shape of the first value in which content inspection found a risk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked: Option<String>,
    /// The rules of YARA that were found, and in how many rows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub patterns: BTreeMap<String, u64>,
}

impl RefusedBy {
    fn new(column: Option<String>, rule: Rule, rows: u64, first: String) -> Self {
        Self { column, rule: rule.name().to_owned(), rows, first, masked: None, patterns: BTreeMap::new() }
    }
}

/// How a load is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadOptions<'a> {
    /// Load files again that were loaded before.
    pub again: bool,
    /// Commit nothing.
    pub dry_run: bool,
    /// What a test makes the gate lose.
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
    let mut batch = Batch { installation, lake, approved: Arc::new(approved), permit, dataset, run, options, report, statistics };
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
    let run_permit = installation.may(Action::Run, &table).await?;
    let permit = installation.permit(Action::Quarantine, &table).await?;
    let datasets: Vec<_> = installation.keys.find(&format!("quarantine:{table}")).into_iter().collect();
    let (request, policies) = (permit.request(), permit.policies().to_vec());
    installation.record(EventKind::ReadDecided { request, datasets, allowed: true, policies }).await?;
    let (dataset, options) = (permit.table_id(), LoadOptions::default());
    let (report, statistics) = (BatchReport::new(table.clone()), Statistics::of(&approved));
    let approved = Arc::new(approved);
    let mut batch = Batch { installation, lake, approved, permit: run_permit, dataset, run, options, report, statistics };
    let replayed = batch.replay().await;
    let mut report = batch.ended(replayed, &format!("replay the quarantine of table {table}")).await;
    let rows = report.counts.map_or(0, |counts| counts.read);
    let read = EventKind::ReadFinished { request, rows, complete: report.failure.is_none() };
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
}

/// What a batch reads, and what its table holds afterwards.
struct Input {
    reader: Box<dyn SourceReader>,
    cells: CellWords,
    append: bool,
    replay: bool,
    offsets: Offsets,
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
        if self.head() > 0 {
            self.lake.rows(self.dataset, None).await?;
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
        let project = &installation.project;
        let connection = project.source(&approved.source)?;
        let columns: Vec<WantedColumn> =
            approved.columns.iter().map(|column| WantedColumn::new(&column.physical_name).of_type(column.ty)).collect();
        let contract_hash = hex::encode(approved.semantic_hash());
        let (append, head) = (approved.disposition == Disposition::Append, self.head());
        if append && self.options.again && head > 0 {
            return Err(Failure::new(
                ErrorKind::Invalid,
                "load all files again: the table keeps its rows, and they would be doubled; set polder.disposition to replace, or remove the table with `polder table drop` first",
            ));
        }
        if !self.options.dry_run {
            installation.classify(dataset, &approved, described::of_contract(&approved)).await?;
        }
        if head > 0 {
            // What cannot be read cannot be loaded into: said before anything else is tried.
            lake.rows(dataset, None).await?;
        }
        if append && head > 0 {
            self.migrate().await?;
        }
        let before = Offsets::of_head(installation, dataset, head).await?;
        let options = ReadOptions::new(project.dir());
        let options = if append { options.hashing() } else { options };
        let mut list = match self.options.settled {
            None => FileList::find(&connection, &approved.dataset, options)?,
            Some(settled) => match settled.find(&connection, &approved.dataset, append, options)? {
                Some(list) => list,
                None => return self.unchanged().await,
            },
        };
        let mut sorted = Sorted::default();
        if append {
            sorted = before.sort(&mut list)?;
            self.report.already_loaded.clone_from(&sorted.already);
            if sorted.new.is_empty() && !sorted.unnoted {
                if head > 0 && before.contract_hash != contract_hash && !approved.questions.is_empty() {
                    // Rules that are new hold for the rows that are there, or that they do not is told.
                    questions::ask_visible(installation, lake, &approved).await?;
                }
                return self.unchanged().await;
            }
            list.keep(&sorted.new);
        }
        let reader = list.open(&connection, &approved.dataset, &columns, options)?;
        let same = before.source_identity == reader.source_identity() && before.contract_hash == contract_hash;
        if !append && !self.options.again && head > 0 && same {
            return self.unchanged().await;
        }
        self.report.files = reader.files().len();
        let mut offsets = Offsets {
            run: self.run.to_string(),
            contract_hash,
            source_identity: reader.source_identity().to_owned(),
            files: reader.files().iter().map(LoadedFile::from).collect(),
            outside: before.outside.clone(),
            history: before.history.clone(),
            ..Offsets::default()
        };
        if append {
            offsets.extend(before, sorted);
        }
        let cells = CellWords::of(connection.dataset(&approved.dataset)?);
        self.write(Input { reader, cells, append, replay: false, offsets }).await
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
        let mut offsets = Offsets { run: self.run.to_string(), anomalies: Vec::new(), ..before };
        offsets.replayed.extend(waiting.objects.iter().map(ToString::to_string));
        let reader: Box<dyn SourceReader> = Box::new(waiting.into_reader(installation, &approved));
        self.write(Input { reader, cells, append: true, replay: true, offsets }).await
    }

    /// Reads, checks, counts and commits.
    async fn write(&mut self, input: Input) -> Outcome {
        let Input { reader, cells, append, replay, offsets } = input;
        let (installation, lake, dataset, run) = (self.installation, self.lake, self.dataset, self.run);
        if append {
            self.migrate().await?;
        }
        if self.options.dry_run {
            let gate = Arc::new(self.gate(append, replay, cells).await?);
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
        let gate = Arc::new(self.gate(append, replay, cells).await?);
        let request = WriteRequest {
            dataset,
            source: self.approved.source.clone(),
            schema: self.approved.arrow_schema(),
            mode: if append { WriteMode::Append } else { WriteMode::Replace },
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
            Ok(loaded) => self.settle(loaded, &sink, &mut quarantine).await,
            Err(failure) => Err(failure),
        };
        let (reconciled, files) = match settled {
            Ok(settled) => settled,
            Err(failure) => {
                // The first refused rows show why; where they cannot be kept, the report still does.
                let _ = quarantine.keep_sample().await;
                // What was staged is named by no version; if it cannot be deleted now, vacuum will.
                let _ = sink.abort().await;
                return Err(failure);
            }
        };
        if !replay {
            self.compare(sink.record());
            sink.record().learn(self.report.counts.map_or(0, |counts| counts.read), &self.statistics, &self.report);
        }
        match sink.commit(polder_connect::Offsets { sequence, source_identity, files }, reconciled).await? {
            Committed::Now { version } => {
                self.report.version = Some(version);
                self.report.status = "committed";
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
        let schema = self.approved.arrow_schema();
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

    async fn gate(&self, append: bool, replay: bool, cells: CellWords) -> Outcome<Gate> {
        let (installation, approved) = (self.installation, &self.approved);
        let mut options = GateOptions::new(installation.keys.derive("unique keys")?, installation.spill());
        options.null_tokens = cells.null_tokens;
        options.decimal_comma = cells.decimal_comma;
        options.whole_load = !replay;
        options.unique_memory_bytes = UNIQUE_MEMORY_BYTES;
        options.masking = installation.masking(approved, self.options.dry_run).await?;
        options.faults = self.options.loss.and_then(Loss::in_gate);
        options.patterns = Some(installation.project.patterns()?);
        let keys: Vec<String> =
            approved.key_columns().into_iter().filter_map(|at| approved.columns.get(at)).map(|column| column.name.clone()).collect();
        if append && !keys.is_empty() && self.lake.exists(self.dataset) && self.lake.rows(self.dataset, None).await? > 0 {
            options.existing = Some(Box::new(self.lake.keys(&self.permit, &keys).await?));
        }
        Ok(Gate::new(Arc::clone(approved), options)?)
    }

    /// Asks what the contract asks of the table as this load would leave it, keeps the refused rows, and closes the counts.
    async fn settle(&self, loaded: Loaded, sink: &LakeSink<'_>, quarantine: &mut Quarantine<'_>) -> Outcome<(Reconciled, Vec<FileSeen>)> {
        let answers = questions::ask(self.installation, self.lake, &self.approved, sink).await?;
        failpoint::hit("quarantine-before");
        quarantine.finish().await?;
        failpoint::hit("quarantine-after");
        let reconciled = loaded.reconciliation.close(&self.approved, &loaded.duplicates, answers)?;
        Ok((reconciled, loaded.told()))
    }

    /// Reads to the end and stages.
    async fn stage(
        &mut self,
        gate: &Arc<Gate>,
        reader: Box<dyn SourceReader>,
        sink: &mut dyn TableSink,
        quarantine: &mut Quarantine<'_>,
    ) -> Outcome<Loaded> {
        let approved = Arc::clone(&self.approved);
        let approved = &approved;
        let progress = Progress::start(format!("load {}", approved.table));
        let quarantines = approved.on_violation == OnViolation::Quarantine;
        let keep = quarantines && !self.options.dry_run;
        let (mut checked, ended) = check_in_threads(gate, reader);
        let (mut refusals, mut findings, mut decoded) = (Refusals::default(), Findings::default(), 0u64);
        let passed = async {
            while let Some(batch) = checked.recv().await {
                let (rows, Checked { admitted, rejections, waived }) = batch?;
                decoded += rows;
                findings.waive(&waived);
                for rejection in &rejections {
                    refusals.add(1, rejection.column.as_deref(), rejection.rule, &rejection.file, rejection.record);
                    refusals.show(rejection);
                    if approved.on_violation == OnViolation::Fail {
                        return Err(violation(rejection));
                    }
                    if keep {
                        quarantine.push(rejection).await?;
                    }
                }
                if admitted.rows() > 0 {
                    self.statistics.take(admitted.batch());
                    sink.write(admitted).await?;
                }
                progress.at(decoded, format!("rows read, {} refused", refusals.total));
            }
            Ok(())
        };
        let passed: Outcome = passed.await;
        // Where it failed, the reading thread stops at its next batch, and what it knows by then is told.
        drop(checked);
        let (reader, read) =
            ended.await.map_err(|error| Failure::because(ErrorKind::Internal, "read the source: its thread ended", &error))?;
        self.report.left_out = reader.left_out().to_vec();
        self.report.never_seen = reader.never_seen().to_vec();
        self.report.refused = refusals.report();
        self.report.waived = findings.waived();
        let so_far = |quarantined: u64| if quarantines { (0, quarantined) } else { (quarantined, 0) };
        let (rejected, quarantined) = so_far(refusals.total);
        let loaded = decoded.saturating_sub(refusals.total);
        self.report.counts = Some(Counts { read: decoded, independent: false, loaded, rejected, quarantined });
        passed.and(read)?;
        let (counted, files) = (reader.counted(), reader.files());
        drop(reader);
        let finishing = Arc::clone(gate);
        let duplicates = tokio::task::spawn_blocking(move || finishing.finish())
            .await
            .map_err(|error| Failure::because(ErrorKind::Internal, "compare keys: the thread ended", &error))??;
        for count in duplicates.by_rule() {
            let first = &count.first;
            refusals.add(count.rows, Some(&first.columns), first.rule, &first.file, first.record);
        }
        self.report.refused = refusals.report();
        self.report.personal = duplicates.personal().iter().map(PersonalIn::from).collect();
        self.report.not_kept = if quarantines { refusals.malformed } else { 0 };
        let (rejected, quarantined) = so_far(refusals.total);
        let (read, independent) = (counted.unwrap_or(decoded), counted.is_some());
        let repeated = u64::try_from(duplicates.len()).unwrap_or(u64::MAX);
        let loaded = duplicates.rows_admitted().saturating_sub(repeated);
        self.report.counts = Some(Counts { read, independent, loaded, rejected, quarantined });
        if let Some(first) = duplicates.iter().next().filter(|_| approved.on_violation == OnViolation::Fail) {
            return Err(violation(&first.into_dropped()));
        }
        // By the gate's own counts: what they rule out is certain to fail, and repeated rows need not be gathered for it.
        if let Err(error) = (Reconciliation { read, independent, loaded, rejected, quarantined }).check(approved, &duplicates) {
            let wanted = if keep { quarantine.room_in_sample() } else { 0 };
            for row in duplicates.iter().take(wanted) {
                quarantine.push(&row.into_dropped()).await?;
            }
            return Err(error.into());
        }
        let (mut gathered, mut failed) = (0u64, None);
        let staged = {
            let mut keep_row = |ordinal: u64, batch: &arrow::array::RecordBatch, row: usize| {
                let wanted = keep && failed.is_none();
                if let Some(duplicate) = wanted.then(|| duplicates.find(ordinal)).flatten() {
                    gathered += 1;
                    failed = quarantine.push_here(&duplicate.into_rejection(batch, row)).err();
                }
            };
            sink.finish(&duplicates, &mut keep_row).await
        };
        if let Some(failure) = failed {
            return Err(failure);
        }
        let staged = staged?;
        if keep && gathered != repeated {
            let text = format!("keep repeated rows: {gathered} of {repeated} were found where they were staged; report this as a defect");
            return Err(Failure::new(ErrorKind::Internal, text));
        }
        self.report.counts = Some(Counts { read, independent, loaded: staged.rows, rejected, quarantined });
        let reconciliation = Reconciliation { read, independent, loaded: staged.rows, rejected, quarantined };
        let refused = if keep { quarantined_text(refusals.total, refusals.malformed) } else { format!("{} refused", refusals.total) };
        Ok(Loaded { reconciliation, duplicates, files, refused, progress })
    }
}

/// A load that was read to its end and staged.
struct Loaded {
    reconciliation: Reconciliation,
    duplicates: Duplicates,
    /// The files as they were read.
    files: Vec<FileSeen>,
    refused: String,
    progress: Progress,
}

impl Loaded {
    /// Tells that it went well; the files as they were read.
    fn told(self) -> Vec<FileSeen> {
        let Reconciliation { read, independent, loaded, .. } = self.reconciliation;
        let counted = if independent { " (counted apart from the decoder)" } else { "" };
        self.progress.finish(&format!("{read} rows read{counted}, {loaded} loaded, {}", self.refused));
        self.files
    }
}

/// How many rows were quarantined, and of how many of them there is nothing but the reason.
fn quarantined_text(rows: u64, not_kept: u64) -> String {
    match not_kept {
        0 => format!("{rows} quarantined"),
        not_kept if not_kept == rows => format!("{rows} quarantined, all of them malformed and not kept"),
        not_kept => format!("{rows} quarantined, {not_kept} of them malformed and not kept"),
    }
}

fn violation(rejection: &Rejection) -> Failure {
    let column = rejection.column.as_ref().map(|column| format!(" of column {column}")).unwrap_or_default();
    Failure::new(
        ErrorKind::Rejected,
        format!(
            "check the rows: record {} of {} breaks rule {}{column}, and the contract says to fail; nothing was committed. Correct the source, or let polder.onViolation quarantine such rows",
            rejection.record, rejection.file, rejection.rule
        ),
    )
}

/// The reader as it was left, and whether it came to its end.
type Ended = tokio::task::JoinHandle<(Box<dyn SourceReader>, Outcome)>;
/// A batch as it was checked, with the number of its records before.
type CheckedBatch = Outcome<(u64, Checked)>;
type CheckedBatches = tokio::sync::mpsc::Receiver<CheckedBatch>;

/// Reads on one thread, checks on others, and hands the batches on in their order.
fn check_in_threads(gate: &Arc<Gate>, mut reader: Box<dyn SourceReader>) -> (CheckedBatches, Ended) {
    let (raw_sender, raw_receiver) = crossbeam_channel::bounded::<(RawBatch, tokio::sync::oneshot::Sender<CheckedBatch>)>(GATE_THREADS);
    // What is being checked, in order: a later batch waits until the earlier ones are through.
    let (order_sender, mut order_receiver) = tokio::sync::mpsc::channel::<tokio::sync::oneshot::Receiver<CheckedBatch>>(GATE_THREADS * 2);
    for _ in 0..GATE_THREADS {
        let (gate, receiver) = (Arc::clone(gate), raw_receiver.clone());
        tokio::task::spawn_blocking(move || {
            for (raw, answer) in receiver {
                // Nobody may be left to hear it: the load failed meanwhile.
                let rows = raw.rows as u64;
                let _ = answer.send(gate.check(raw).map(|checked| (rows, checked)).map_err(Failure::from));
            }
        });
    }
    let ended = tokio::task::spawn_blocking(move || {
        loop {
            let raw = match reader.next() {
                Ok(Some(raw)) => raw,
                Ok(None) => return (reader, Ok(())),
                Err(error) => return (reader, Err(error.into())),
            };
            let (answer, waiting) = tokio::sync::oneshot::channel();
            if order_sender.blocking_send(waiting).is_err() || raw_sender.send((raw, answer)).is_err() {
                return (reader, Ok(()));
            }
        }
    });
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(waiting) = order_receiver.recv().await {
            let lost = || Failure::new(ErrorKind::Internal, "check the rows: the thread ended; report this as a defect");
            let checked = waiting.await.unwrap_or_else(|_| Err(lost()));
            if sender.send(checked).await.is_err() {
                break;
            }
        }
    });
    (receiver, ended)
}

/// A report as lines for people.
pub fn lines(report: &BatchReport) -> Vec<String> {
    let mut lines = Vec::new();
    let counts = report.counts.map(|counts| {
        let refused = if counts.quarantined > 0 {
            quarantined_text(counts.quarantined, report.not_kept)
        } else {
            format!("{} rejected", counts.rejected)
        };
        match report.status {
            // What the gate let through of it is in no table.
            "failed" => format!("{} read, {} admitted, {refused}; none of them loaded", counts.read, counts.loaded),
            _ => format!("{} read = {} loaded + {refused}", counts.read, counts.loaded),
        }
    });
    // One that a migration made before the load failed is told with it.
    let version = report.version.filter(|_| report.status != "failed").map(|version| format!(", version {version}")).unwrap_or_default();
    lines.push(format!(
        "{:<12} {}{version}{}",
        report.table,
        report.status,
        counts.map(|counts| format!(": {counts}")).unwrap_or_default()
    ));
    if !report.unasked.is_empty() {
        lines.push(format!("{:<12}   not asked, since nothing is stored: {}", "", report.unasked.join("; ")));
    }
    if !report.migrated.is_empty() {
        let word = if report.status == "checked" { "would be migrated" } else { "migrated" };
        lines.push(format!("{:<12}   {word}: {}", "", report.migrated.join("; ")));
    }
    if let Some(failure) = &report.failure {
        lines.extend(failure.to_string().lines().map(|line| format!("{:<12}   {}", "", line.trim_start())));
    }
    for refused in &report.refused {
        let column = refused.column.as_deref().unwrap_or("the record");
        let rows = if refused.rows == 1 { "1 row breaks".to_owned() } else { format!("{} rows break", refused.rows) };
        let shown = refused.masked.as_ref().map(|masked| format!(", shaped {masked}")).unwrap_or_default();
        let patterns: Vec<&str> = refused.patterns.keys().map(String::as_str).collect();
        let found = if patterns.is_empty() { String::new() } else { format!(" ({})", patterns.join(", ")) };
        lines.push(format!("{:<12}   {rows} {}{found} of {column}, first {}{shown}", "", refused.rule, refused.first));
    }
    lines.extend(inspected::lines(report));
    if !report.left_out.is_empty() {
        lines.push(format!("{:<12}   left outside, since no contract authorises them: {}", "", report.left_out.join(", ")));
    }
    if !report.new_outside.is_empty() {
        lines.push(format!("{:<12}   new in the source since the last load, and outside: {}", "", report.new_outside.join(", ")));
    }
    lines.extend(report.anomalies.iter().map(|anomaly| format!("{:<12}   unusual {anomaly}", "")));
    if !report.already_loaded.is_empty() {
        let known = report.already_loaded.iter().map(|known| match known.file == known.loaded_as {
            true => format!("{} (touched since)", known.file),
            false => format!("{} (as {})", known.file, known.loaded_as),
        });
        let known: Vec<String> = known.collect();
        lines.push(format!("{:<12}   not loaded again, since their bytes were loaded before: {}", "", known.join(", ")));
    }
    if !report.never_seen.is_empty() {
        lines.push(format!("{:<12}   authorised and in no record: {}", "", report.never_seen.join(", ")));
    }
    lines
}

/// A report for machines.
pub fn to_json(report: &BatchReport) -> serde_json::Value {
    serde_json::to_value(report).unwrap_or_else(|_| json!({ "table": report.table, "status": report.status }))
}

impl BatchReport {
    /// The report of a batch that begins.
    pub fn new(table: String) -> Self {
        Self {
            table,
            status: "failed",
            version: None,
            migrated: Vec::new(),
            unasked: Vec::new(),
            counts: None,
            not_kept: 0,
            refused: Vec::new(),
            waived: Vec::new(),
            personal: Vec::new(),
            left_out: Vec::new(),
            new_outside: Vec::new(),
            never_seen: Vec::new(),
            anomalies: Vec::new(),
            files: 0,
            already_loaded: Vec::new(),
            error: None,
            failure: None,
        }
    }

    /// The report of a batch that could not begin.
    pub fn refused(table: String, failure: Failure) -> Self {
        let mut report = Self::new(table);
        report.fail(failure);
        report
    }

    /// The batch failed.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.status = "failed";
        self.failed_after(failure);
    }

    /// Something failed after the batch had come to its end.
    fn failed_after(&mut self, failure: Failure) {
        self.error = failure.to_json().get_mut("error").map(serde_json::Value::take);
        self.failure = Some(failure);
    }
}
