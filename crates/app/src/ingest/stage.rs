//! Reading to the end: every batch through the gate, what is admitted staged, what is refused kept, all of it counted.

use std::sync::Arc;

use polder_connect::{FileSeen, Increment, SourceReader, TableSink};
use polder_contract::{Checked, DeletedKeys, Duplicates, Gate, OnViolation, RawBatch, Reconciliation, Rejection, StandingKeys};
use polder_types::ErrorKind;
use polder_types::event::Counts;

use super::inspected::{Findings, PersonalIn};
use super::refusals::Refusals;
use super::report::quarantined_text;
use super::tables::IncrementTold;
use super::{Batch, GATE_THREADS};
use crate::failure::{Failure, Outcome};
use crate::progress::Progress;
use crate::quarantine::Quarantine;
use crate::wiring::Loss;

/// Memory for keys of which the source says that their rows are gone, in bytes.
const DELETED_BYTES_MAX: usize = 256 << 20;

fn too_many_deleted(table: &polder_types::TableName) -> Failure {
    let text = format!(
        "load table {table}: the source says of so many rows that they are gone that their keys take more than {} MiB; nothing was committed: load them in smaller increments, or with `polder run --full-refresh`",
        DELETED_BYTES_MAX >> 20
    );
    Failure::new(ErrorKind::Rejected, text)
}

impl Batch<'_> {
    /// Reads to the end and stages.
    pub(super) async fn stage(
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
        let (mut checked, ended) = check_in_threads(gate, reader, self.options.loss.and_then(Loss::in_reader));
        let (mut refusals, mut findings, mut decoded) = (Refusals::default(), Findings::default(), 0u64);
        let (mut deleted, mut deleted_bytes): (Vec<DeletedKeys>, usize) = (Vec::new(), 0);
        let passed = async {
            while let Some(batch) = checked.recv().await {
                let (rows, Checked { admitted, deleted: gone, rejections, waived }) = batch?;
                if let Some(gone) = gone {
                    deleted_bytes += gone.memory_bytes();
                    deleted.push(gone);
                    if deleted_bytes > DELETED_BYTES_MAX {
                        return Err(too_many_deleted(&approved.table));
                    }
                }
                decoded += rows;
                findings.waive(&waived);
                for rejection in &rejections {
                    if let Some(push) = &mut self.push {
                        push.refused(rejection);
                    }
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
        self.report.counts = Some(Counts { read: decoded, loaded, rejected, quarantined, ..Counts::default() });
        passed.and(read)?;
        let (counted, files, increment) = (reader.counted(), reader.files(), reader.increment());
        self.report.increment = increment.as_ref().map(IncrementTold::from);
        drop(reader);
        let finishing = Arc::clone(gate);
        let duplicates = tokio::task::spawn_blocking(move || finishing.finish())
            .await
            .map_err(|error| Failure::because(ErrorKind::Internal, "compare keys: the thread ended", &error))??;
        for count in duplicates.by_rule() {
            let first = &count.first;
            refusals.add(count.rows, Some(&first.columns), first.rule, &first.file, first.record);
        }
        if let Some(push) = &mut self.push {
            let room = push.room();
            duplicates.iter().take(room).for_each(|row| push.refused(&row.into_dropped()));
            push.found(refusals.total);
        }
        self.report.refused = refusals.report();
        self.report.personal = duplicates.personal().iter().map(PersonalIn::from).collect();
        self.report.not_kept = if quarantines { refusals.malformed } else { 0 };
        let (rejected, quarantined) = so_far(refusals.total);
        // Rows that an increment left out before the gate were read all the same.
        let repeated = increment.as_ref().map_or(0, |increment| increment.repeated);
        let (read, independent) = (counted.unwrap_or(decoded + repeated), counted.is_some());
        let refused = u64::try_from(duplicates.len()).unwrap_or(u64::MAX);
        let (superseded, flagged) = (duplicates.superseded(), duplicates.flagged());
        let loaded = duplicates.rows_left().saturating_add(superseded).saturating_add(flagged);
        let counts =
            Reconciliation { read, independent, loaded, rejected, quarantined, repeated, superseded, flagged, ..Reconciliation::default() };
        self.report.counts =
            Some(Counts { read, independent, loaded, rejected, quarantined, repeated, superseded, flagged, ..Counts::default() });
        if let Some(first) = duplicates.iter().next().filter(|_| approved.on_violation == OnViolation::Fail) {
            return Err(violation(&first.into_dropped()));
        }
        // By the gate's own counts: what they rule out is certain to fail, and repeated rows need not be gathered for it.
        if let Err(error) = counts.check(approved, &duplicates) {
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
        if keep && gathered != refused {
            let text = format!("keep repeated rows: {gathered} of {refused} were found where they were staged; report this as a defect");
            return Err(Failure::new(ErrorKind::Internal, text));
        }
        let said: u64 = deleted.iter().map(|keys| keys.rows() as u64).sum();
        let standing = deleted.iter().map(|keys| keys.standing(&duplicates)).collect::<Result<Vec<_>, _>>()?;
        // Each by the count of who did it: the sink took out rows, and of the keys of rows that are gone these are left.
        let flagged: u64 = standing.iter().map(|keys| keys.rows() as u64).sum();
        let superseded = staged.removed.saturating_sub(refused).saturating_add(said.saturating_sub(flagged));
        let loaded = staged.rows.saturating_add(superseded).saturating_add(flagged);
        self.report.counts =
            Some(Counts { read, independent, loaded, rejected, quarantined, repeated, superseded, flagged, ..Counts::default() });
        let reconciliation = Reconciliation { loaded, superseded, flagged, ..counts };
        let refused = if keep { quarantined_text(refusals.total, refusals.malformed) } else { format!("{} refused", refusals.total) };
        Ok(Loaded { reconciliation, duplicates, standing, files, increment, refused, progress })
    }
}

/// A load that was read to its end and staged.
pub(super) struct Loaded {
    pub reconciliation: Reconciliation,
    pub duplicates: Duplicates,
    /// Keys of which the source says that their rows are gone, and that no later row has.
    pub standing: Vec<StandingKeys>,
    /// The files as they were read.
    files: Vec<FileSeen>,
    increment: Option<Increment>,
    refused: String,
    progress: Progress,
}

impl Loaded {
    /// Tells that it went well; the files as they were read, and what an increment came to.
    pub fn told(self) -> (Vec<FileSeen>, Option<Increment>) {
        let Reconciliation { read, independent, loaded, .. } = self.reconciliation;
        let counted = if independent { " (counted apart from the decoder)" } else { "" };
        self.progress.finish(&format!("{read} rows read{counted}, {loaded} loaded, {}", self.refused));
        (self.files, self.increment)
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

/// Whether a test loses the batch that has come; `left` counts down to it.
pub(super) fn is_lost(left: &mut Option<u64>) -> bool {
    let lost = *left == Some(0);
    *left = left.and_then(|left| left.checked_sub(1));
    lost
}

/// Reads on one thread, checks on others, and hands the batches on in their order; `lost` is one that a test loses.
fn check_in_threads(gate: &Arc<Gate>, mut reader: Box<dyn SourceReader>, mut lost: Option<u64>) -> (CheckedBatches, Ended) {
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
            if is_lost(&mut lost) {
                continue;
            }
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
