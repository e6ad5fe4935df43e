//! A run on its way: which it is, what its steps came to so far, and whether it may go on.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use polder_types::{EventKind, Private, Rng, RunId};

use crate::failure::Outcome;
use crate::ingest::{self, BatchReport};
use crate::installation::Installation;
use crate::name_id::Named;
use crate::telemetry::BatchTold;

/// Longest text of a step's report that is kept, in bytes.
const REPORT_MAX_BYTES: usize = 64 << 10;
/// What a step is recorded as that was broken off.
pub const STOPPED: &str = "stopped";
/// The word under which the log keeps, sealed, what a run is to do: a JSON list of names.
pub const STEPS: &str = "steps";
/// The word under which it keeps a step's name.
pub const STEP: &str = "step";
/// The word under which it keeps what was reported.
pub const REPORT: &str = "report";

/// One run.
pub struct Course {
    run: RunId,
    /// Nothing is begun any more.
    closed: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    started: bool,
    /// Something was not begun, since nothing is any more.
    cut: bool,
    /// The step that goes on, and since when, in milliseconds since the epoch.
    going: Option<(String, i64)>,
    reports: Vec<BatchReport>,
    /// When each of these began and ended, in milliseconds since the epoch.
    times: Vec<(i64, i64)>,
}

impl Course {
    /// A new run.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(rng: &dyn Rng) -> Outcome<Self> {
        Ok(Self::of(RunId::random(rng)?))
    }

    /// A run whose id was made before.
    pub fn of(run: RunId) -> Self {
        Self { run, closed: AtomicBool::new(false), seen: Mutex::default() }
    }

    /// Which it is.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Records that it begins, and with what; where it can be repeated, the names are kept for that.
    ///
    /// # Errors
    /// When that cannot be recorded: then it may not begin.
    pub async fn start(&self, installation: &Installation, names: &[&str], repeatable: bool) -> Outcome {
        let batches = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let private = Private::default();
        let private = if repeatable { private.with(STEPS, serde_json::json!(names).to_string()) } else { private };
        installation.record_with(EventKind::RunStarted { run: self.run, batches }, private).await?;
        self.seen.lock().started = true;
        Ok(())
    }

    /// Whether it began.
    pub fn started(&self) -> bool {
        self.seen.lock().started
    }

    /// Nothing more is to begin.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether nothing more is to begin.
    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// A step is next. False: it may not begin, and no later one.
    pub fn begins(&self, installation: &Installation, step: &str) -> bool {
        let mut seen = self.seen.lock();
        if self.closed() {
            seen.cut = true;
            return false;
        }
        seen.going = Some((step.to_owned(), installation.clock.now_ms()));
        true
    }

    /// Whether something was not begun that was to be.
    pub fn cut(&self) -> bool {
        self.seen.lock().cut
    }

    /// A step ended, which is recorded. Where it cannot be, its report says so: what was committed stands.
    pub async fn ended(&self, installation: &Installation, report: &mut BatchReport) {
        let going = self.seen.lock().going.take();
        let started_ms = going.map_or_else(|| installation.clock.now_ms(), |(_, started_ms)| started_ms);
        let kind = report.failure.as_ref().map(|failure| failure.kind().name().to_owned());
        let text = shortened(ingest::lines(report).join("\n"));
        let recorded = self.record(installation, &report.table, started_ms, report.status, report.counts, kind, text).await;
        if let Err(failure) = recorded {
            match report.failure {
                Some(_) => crate::print::warn("a failure could not be recorded", &failure),
                None => report.failed_after(failure.during("record that the step has ended; its report says what stands")),
            }
        }
        let mut seen = self.seen.lock();
        seen.reports.push(report.clone());
        seen.times.push((started_ms, installation.clock.now_ms()));
    }

    /// The step that ended last did something more, which its report tells and its record does not.
    pub fn amend(&self, report: &BatchReport) {
        if let Some(last) = self.seen.lock().reports.last_mut() {
            last.clone_from(report);
        }
    }

    /// What its steps came to, for whoever gathers such figures.
    pub fn told(&self) -> Vec<BatchTold> {
        let seen = self.seen.lock();
        let told = seen.reports.iter().zip(&seen.times).map(|(report, (begun_ms, ended_ms))| {
            let counts = report.counts.unwrap_or_default();
            BatchTold {
                table: report.table.clone(),
                status: report.status.to_owned(),
                failed: report.failure.is_some(),
                read: counts.read,
                // Of a batch that failed nothing came in.
                loaded: if report.failure.is_some() { 0 } else { counts.loaded },
                rejected: counts.rejected.saturating_add(counts.quarantined),
                quarantined: counts.quarantined,
                begun_ms: *begun_ms,
                ended_ms: *ended_ms,
            }
        });
        told.collect()
    }

    /// What the steps that ended came to.
    pub fn reports(&self) -> Vec<BatchReport> {
        self.seen.lock().reports.clone()
    }

    /// Records the step that was broken off, and returns its name.
    ///
    /// # Errors
    /// When that cannot be recorded.
    pub async fn broken_off(&self, installation: &Installation) -> Outcome<Option<String>> {
        let Some((step, started_ms)) = self.seen.lock().going.take() else { return Ok(None) };
        let text =
            format!("{step:<12} {STOPPED}: it was broken off, and nothing of it is visible unless the table's newest version says so");
        self.record(installation, &step, started_ms, STOPPED, None, None, text).await?;
        Ok(Some(step))
    }

    #[allow(clippy::too_many_arguments, reason = "they are the event's fields")]
    async fn record(
        &self,
        installation: &Installation,
        step: &str,
        started_ms: i64,
        status: &str,
        counts: Option<polder_types::event::Counts>,
        error: Option<String>,
        text: String,
    ) -> Outcome {
        let kind = EventKind::StepFinished {
            run: self.run,
            step: installation.name_id(Named::Step, step)?,
            dataset: installation.keys.find(&format!("table:{step}")),
            status: status.to_owned(),
            counts,
            error,
            started_ms: started_ms.max(0),
        };
        installation.record_with(kind, Private::default().with(STEP, step).with(REPORT, text)).await
    }
}

/// A text that is not too long to keep.
fn shortened(mut text: String) -> String {
    if text.len() > REPORT_MAX_BYTES {
        let end = (0..=REPORT_MAX_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_report_is_cut_between_characters() {
        let text = shortened("é".repeat(REPORT_MAX_BYTES));
        assert_eq!((text.len(), text.chars().last()), (REPORT_MAX_BYTES + "…".len(), Some('…')));
        assert_eq!(shortened("short".to_owned()), "short");
    }
}
