//! The numbers of the serving process, for Prometheus. Labels are wires, fixed words and the ids of pipelines: no name of a person or a table, and
//! no text that somebody else chose, so that there are as many series as the program has words.

mod process;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use polder_audit::State;
use polder_serve::{Connections, Wire};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

/// Pipelines that are told apart.
const PIPELINES_MAX: usize = 1_000;

type One = [(&'static str, &'static str); 1];
type Two = [(&'static str, &'static str); 2];
type Pipeline = [(&'static str, String); 1];

/// What is counted while it happens.
pub struct Metrics {
    sign_ins: Family<Two, Counter>,
    refusals: Family<Two, Counter>,
    sessions: Family<One, Gauge>,
    questions: Family<One, Counter>,
    seconds: Histogram,
    rows: Counter,
    bytes: Counter,
    recording: Histogram,
    unrecorded: Counter,
    /// The open connections of each listener.
    connections: Mutex<Vec<(Wire, Connections)>>,
    /// When the server's certificate ends, in milliseconds since the epoch.
    certificate_ends_ms: AtomicI64,
    /// When the lease was last found to hold, in milliseconds since the epoch.
    lease_ms: AtomicI64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            sign_ins: Family::default(),
            refusals: Family::default(),
            sessions: Family::default(),
            questions: Family::default(),
            // From a millisecond to some eight minutes.
            seconds: Histogram::new(exponential_buckets(0.001, 2.0, 20)),
            rows: Counter::default(),
            bytes: Counter::default(),
            recording: Histogram::new(exponential_buckets(0.000_5, 2.0, 16)),
            unrecorded: Counter::default(),
            connections: Mutex::default(),
            certificate_ends_ms: AtomicI64::new(0),
            lease_ms: AtomicI64::new(0),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// What is looked up when someone asks.
pub struct Now<'a> {
    /// What the log says.
    pub state: &'a State,
    /// Entries of the log.
    pub entries: u64,
    /// Memory that answers hold.
    pub memory_bytes: usize,
    /// Plaintext bytes that answers spilled, sealed.
    pub spilled_bytes: u64,
    /// The time, in milliseconds since the epoch.
    pub now_ms: i64,
}

impl Metrics {
    /// Someone came in.
    pub fn let_in(&self, wire: Wire, method: &'static str) {
        self.sign_ins.get_or_create(&[("wire", wire.name()), ("method", method)]).inc();
        self.sessions.get_or_create(&[("wire", wire.name())]).inc();
    }

    /// A session is over.
    pub fn session_ended(&self, wire: Wire) {
        self.sessions.get_or_create(&[("wire", wire.name())]).dec();
    }

    /// Someone was refused; the reason is a fixed word.
    pub fn refused(&self, wire: Wire, reason: &'static str) {
        self.refusals.get_or_create(&[("wire", wire.name()), ("reason", reason)]).inc();
    }

    /// Something was recorded, or could not be, in so much time.
    pub fn recorded(&self, took: Duration, durable: bool) {
        self.recording.observe(took.as_secs_f64());
        if !durable {
            self.unrecorded.inc();
        }
    }

    /// The listeners that there are.
    pub fn listens(&self, connections: Vec<(Wire, Connections)>) {
        *self.connections.lock() = connections;
    }

    /// The server shows a certificate that ends then.
    pub fn shows(&self, ends_ms: i64) {
        self.certificate_ends_ms.store(ends_ms, Ordering::Relaxed);
    }

    /// The lease holds.
    pub fn leads(&self, now_ms: i64) {
        self.lease_ms.store(now_ms, Ordering::Relaxed);
    }

    /// All of it, as OpenMetrics text.
    ///
    /// # Errors
    /// When it cannot be written, which is a defect.
    pub fn text(&self, now: &Now<'_>) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("polder");
        registry.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("sign_ins", "Who came in, by wire and method", self.sign_ins.clone());
        registry.register("sign_in_refusals", "Who was refused, by wire and reason", self.refusals.clone());
        registry.register("sessions", "Open sessions, by wire", self.sessions.clone());
        registry.register("questions", "Questions, by outcome", self.questions.clone());
        let about = "From a question to the end of its answer";
        registry.register_with_unit("question_duration", about, Unit::Seconds, self.seconds.clone());
        registry.register("rows_sent", "Rows of answers", self.rows.clone());
        registry.register_with_unit("answers", "Rows of answers, as they are in memory", Unit::Bytes, self.bytes.clone());
        let about = "Until what sessions did was durably in the log";
        registry.register_with_unit("recording_duration", about, Unit::Seconds, self.recording.clone());
        registry.register("unrecorded", "What could not be recorded, and was refused", self.unrecorded.clone());
        let connections = Family::<One, Gauge>::default();
        for (wire, open) in self.connections.lock().iter() {
            connections.get_or_create(&[("wire", wire.name())]).set(whole(open.open()));
        }
        registry.register("connections", "Open connections, by wire", connections);
        gauge(&mut registry, "log_entries", "Entries of the audit log", i64::try_from(now.entries).unwrap_or(i64::MAX));
        let since = |ms: i64| now.now_ms.saturating_sub(ms).max(0) / 1_000;
        if let Some(ms) = set(&self.lease_ms) {
            gauge(&mut registry, "lease_age_seconds", "Since the lease was last found to hold", since(ms));
        }
        if let Some(ms) = set(&self.certificate_ends_ms) {
            let left = ms.saturating_sub(now.now_ms) / 1_000;
            gauge(&mut registry, "certificate_remaining_seconds", "Until the certificate of the listeners ends", left);
        }
        gauge(&mut registry, "answer_memory_bytes", "Memory that answers hold of what they may", whole(now.memory_bytes));
        let spilled: Counter = Counter::default();
        spilled.inc_by(now.spilled_bytes);
        registry.register_with_unit("spilled", "Bytes that answers spilled, sealed", Unit::Bytes, spilled);
        pipelines(&mut registry, now.state);
        let mut text = String::new();
        // Under the names that all programs have for them.
        let mut own = Registry::default();
        process::register(&mut own);
        encode(&mut text, &registry)?;
        let mut of_process = String::new();
        encode(&mut of_process, &own)?;
        // Of two texts only the last has an end.
        text.truncate(text.trim_end().trim_end_matches("# EOF").len());
        Ok(text + &of_process)
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn set(ms: &AtomicI64) -> Option<i64> {
    Some(ms.load(Ordering::Relaxed)).filter(|ms| *ms != 0)
}

fn gauge(registry: &mut Registry, name: &'static str, help: &'static str, value: i64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

/// What the log remembers of pipelines, by their ids in it.
fn pipelines(registry: &mut Registry, state: &State) {
    let runs = Family::<One, Gauge>::default();
    for concluded in state.runs.values().filter_map(|run| run.concluded.as_ref()) {
        runs.get_or_create(&[("result", concluded.result.name())]).inc();
    }
    registry.register("pipeline_runs", "Ended runs of pipelines that are remembered, at most 1000, by result", runs);
    let (succeeded, failing) = (Family::<Pipeline, Gauge>::default(), Family::<Pipeline, Gauge>::default());
    for (id, pipeline) in state.pipelines.iter().take(PIPELINES_MAX) {
        let label = [("pipeline", id.to_string())];
        failing.get_or_create(&label).set(i64::from(pipeline.failing.is_some()));
        if let Some((_, at_ms)) = pipeline.succeeded {
            succeeded.get_or_create(&label).set(at_ms / 1_000);
        }
    }
    let about = "When a run of the pipeline last succeeded, since the epoch";
    registry.register("pipeline_last_success_timestamp_seconds", about, succeeded);
    registry.register("pipeline_failing", "Whether no run of the pipeline succeeded since one failed", failing);
}

/// A question on its way: its outcome is counted when this is dropped.
pub struct Measured {
    metrics: Arc<Metrics>,
    since: Instant,
    outcome: &'static str,
    counts: bool,
}

impl Measured {
    /// A question that begins now. Until something else is said of it, it was broken off.
    pub fn begin(metrics: &Arc<Metrics>) -> Self {
        Self { metrics: Arc::clone(metrics), since: Instant::now(), outcome: "broken_off", counts: true }
    }

    /// How it ended, as a fixed word.
    pub fn outcome(&mut self, outcome: &'static str) {
        self.outcome = outcome;
    }

    /// It is no question: something was set.
    pub fn leave(&mut self) {
        self.counts = false;
    }

    /// Rows went out.
    pub fn sent(&self, rows: usize, bytes: usize) {
        self.metrics.rows.inc_by(rows as u64);
        self.metrics.bytes.inc_by(bytes as u64);
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if !self.counts {
            return;
        }
        self.metrics.questions.get_or_create(&[("outcome", self.outcome)]).inc();
        self.metrics.seconds.observe(self.since.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(metrics: &Metrics) -> String {
        let state = State::default();
        let now = Now { state: &state, entries: 7, memory_bytes: 4_096, spilled_bytes: 5, now_ms: 1_000_000 };
        metrics.text(&now).unwrap()
    }

    #[tokio::test]
    async fn what_happens_is_counted_under_its_words() {
        let metrics = Arc::new(Metrics::default());
        metrics.let_in(Wire::Rest, "token");
        metrics.let_in(Wire::Rest, "token");
        metrics.session_ended(Wire::Rest);
        metrics.refused(Wire::Postgres, "password");
        metrics.recorded(Duration::from_millis(3), false);
        metrics.leads(990_000);
        metrics.shows(1_060_000);
        let mut question = Measured::begin(&metrics);
        question.sent(3, 24);
        question.outcome("answered");
        drop(question);
        drop(Measured::begin(&metrics));
        let text = text(&metrics);
        for line in [
            "polder_sign_ins_total{wire=\"rest\",method=\"token\"} 2",
            "polder_sessions{wire=\"rest\"} 1",
            "polder_sign_in_refusals_total{wire=\"postgres\",reason=\"password\"} 1",
            "polder_questions_total{outcome=\"answered\"} 1",
            "polder_questions_total{outcome=\"broken_off\"} 1",
            "polder_question_duration_seconds_count 2",
            "polder_rows_sent_total 3",
            "polder_answers_bytes_total 24",
            "polder_unrecorded_total 1",
            "polder_recording_duration_seconds_count 1",
            "polder_log_entries 7",
            "polder_lease_age_seconds 10",
            "polder_certificate_remaining_seconds 60",
            "polder_answer_memory_bytes 4096",
            "polder_spilled_bytes_total 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
        }
    }

    #[test]
    fn it_is_one_text_with_one_end_and_each_family_once() {
        let text = text(&Metrics::default());
        assert_eq!(text.matches("# EOF").count(), 1, "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
        let mut families: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let all = families.len();
        families.sort_unstable();
        families.dedup();
        assert_eq!(families.len(), all);
        assert!(text.lines().all(|line| !line.is_empty()), "{text}");
        for known in ["process_resident_memory_bytes ", "process_open_fds "] {
            let line = text.lines().find(|line| line.starts_with(known)).unwrap_or_else(|| panic!("{known}: {text}"));
            assert!(line.split(' ').nth(1).unwrap().parse::<f64>().unwrap() > 0.0, "{line}");
        }
    }
}
