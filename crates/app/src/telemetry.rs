//! What runs came to, pushed to a collector of OpenTelemetry (OTLP, protobuf over HTTP). Told after the fact, from plain data: ids, names
//! of tables and pipelines, counts and times; no value of a row and no SQL.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::metrics::{Counter, Gauge, Histogram, MeterProvider as _};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use parking_lot::Mutex;
use polder_crypto::sha256;
use polder_types::{ErrorKind, RunId};
use reqwest::Client;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use crate::failure::{Failure, Outcome};
use crate::freshness;
use crate::installation::Installation;
use crate::notice::webhook::client;
use crate::print;
use crate::secret_ref;
use crate::settings;

/// What a push may take: a run waits for it at its end.
const WITHIN: Duration = Duration::from_secs(10);
/// The most spans that wait for a push; more are not kept.
const SPANS_MAX: usize = 10_000;
/// Metrics are pushed when that is asked for, so the reader's own interval is never.
const NEVER: Duration = Duration::from_secs(10 * 365 * 86_400);
/// The bounds of the histogram of durations, in seconds.
const BOUNDS: [f64; 12] = [0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];

/// One batch of a run, at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchTold {
    /// The table or model.
    pub table: String,
    /// What became of it, in one word.
    pub status: String,
    /// Whether that is a failure.
    pub failed: bool,
    /// Rows that were read.
    pub read: u64,
    /// Rows that came in.
    pub loaded: u64,
    /// Rows that were refused.
    pub rejected: u64,
    /// Of these, rows that were put aside.
    pub quarantined: u64,
    /// Its begin, in milliseconds since the epoch.
    pub begun_ms: i64,
    /// Its end, in milliseconds since the epoch.
    pub ended_ms: i64,
}

/// A run, at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTold {
    /// Its id, which is that of the trace too.
    pub run: RunId,
    /// The pipeline, if it is one's.
    pub pipeline: Option<String>,
    /// How it ended, in one word.
    pub result: String,
    /// Whether that is a failure.
    pub failed: bool,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// Its begin, in milliseconds since the epoch.
    pub begun_ms: i64,
    /// Its end, in milliseconds since the epoch.
    pub ended_ms: i64,
    /// Its batches.
    pub batches: Vec<BatchTold>,
}

/// Gathers what is told until it is pushed.
pub struct Telemetry {
    to: Arc<Collector>,
    spans: Mutex<Vec<SpanData>>,
    meters: SdkMeterProvider,
    open: Arc<AtomicBool>,
    read: Counter<u64>,
    loaded: Counter<u64>,
    refused: Counter<u64>,
    duration: Histogram<f64>,
    age: Gauge<f64>,
}

impl Telemetry {
    /// Begins to gather, in a runtime of tokio; none where no collector is named. `file:` references are relative to `base`.
    ///
    /// # Errors
    /// When the endpoint is no URL, or would be reached in clear on another machine, or a header or reference is wrong.
    pub fn start(settings: Option<&settings::Telemetry>, environment: &str, base: &Path) -> Outcome<Option<Self>> {
        let Some(settings) = settings else { return Ok(None) };
        let to = Arc::new(Collector::new(settings, environment, base)?);
        // What is wrong with it is told now, not at the end of a long run.
        to.spans()?;
        let open = Arc::new(AtomicBool::new(false));
        let pushed = Pushed { to: Arc::clone(&to), open: Arc::clone(&open), runtime: tokio::runtime::Handle::current() };
        let reader = PeriodicReader::builder(pushed).with_interval(NEVER).build();
        let meters = SdkMeterProvider::builder().with_resource(to.resource.clone()).with_reader(reader).build();
        let meter = meters.meter("polder");
        let rows = |name: &'static str, text: &'static str| meter.u64_counter(name).with_unit("{row}").with_description(text).build();
        Ok(Some(Self {
            read: rows("polder.rows.read", "Rows that were read from sources."),
            loaded: rows("polder.rows.loaded", "Rows that came in."),
            refused: rows("polder.rows.refused", "Rows that were refused."),
            duration: meter
                .f64_histogram("polder.batch.duration")
                .with_unit("s")
                .with_description("How long a batch took.")
                .with_boundaries(BOUNDS.to_vec())
                .build(),
            age: meter.f64_gauge("polder.table.age").with_unit("s").with_description("The age of a table's newest load.").build(),
            to,
            spans: Mutex::new(Vec::new()),
            meters,
            open,
        }))
    }

    /// Tells of a run: a trace with a span for it and one for each batch, and what counts of it.
    pub fn run(&self, told: &RunTold) {
        let mut attributes =
            vec![KeyValue::new("polder.result", told.result.clone()), KeyValue::new("polder.attempt", i64::from(told.attempt))];
        attributes.push(KeyValue::new("polder.run", told.run.to_string()));
        let pipeline = told.pipeline.as_ref().map(|name| KeyValue::new("polder.pipeline", name.clone()));
        attributes.extend(pipeline.clone());
        let mut spans = vec![span(told.run, None, "run", (told.begun_ms, told.ended_ms), attributes, told.failed)];
        for (at, batch) in told.batches.iter().enumerate() {
            let mut names = vec![KeyValue::new("polder.table", batch.table.clone())];
            names.extend(pipeline.clone());
            self.read.add(batch.read, &names);
            self.loaded.add(batch.loaded, &names);
            self.refused.add(batch.rejected, &names);
            self.duration.record(seconds(batch.ended_ms.saturating_sub(batch.begun_ms)), &names);
            names.push(KeyValue::new("polder.status", batch.status.clone()));
            names.push(KeyValue::new("polder.attempt", i64::from(told.attempt)));
            let counts = [("read", batch.read), ("loaded", batch.loaded), ("rejected", batch.rejected), ("quarantined", batch.quarantined)];
            names
                .extend(counts.map(|(name, count)| KeyValue::new(format!("polder.rows.{name}"), i64::try_from(count).unwrap_or(i64::MAX))));
            spans.push(span(told.run, Some(at), "batch", (batch.begun_ms, batch.ended_ms), names, batch.failed));
        }
        let mut waiting = self.spans.lock();
        let room = SPANS_MAX.saturating_sub(waiting.len());
        waiting.extend(spans.into_iter().take(room));
    }

    /// Tells how old a table's newest load is.
    pub fn age(&self, table: &str, age_ms: i64) {
        self.age.record(seconds(age_ms), &[KeyValue::new("polder.table", table.to_owned())]);
    }

    /// Pushes what was told, within 10 seconds. What could not be pushed is not kept.
    ///
    /// # Errors
    /// When the collector cannot be reached or does not take it: nothing that a run should fail for.
    pub async fn flush(&self) -> Outcome {
        let spans = std::mem::take(&mut *self.spans.lock());
        let push = async {
            if !spans.is_empty() {
                let mut exporter = self.to.spans()?;
                exporter.set_resource(&self.to.resource);
                exporter.export(spans).await.map_err(|_| self.to.missed("traces"))?;
            }
            self.open.store(true, Ordering::SeqCst);
            let meters = self.meters.clone();
            let flushed = tokio::task::spawn_blocking(move || meters.force_flush()).await;
            self.open.store(false, Ordering::SeqCst);
            if matches!(flushed, Ok(Ok(()))) { Ok(()) } else { Err(self.to.missed("metrics")) }
        };
        let pushed = tokio::time::timeout(WITHIN, push).await;
        self.open.store(false, Ordering::SeqCst);
        pushed.unwrap_or_else(|_| Err(self.to.missed("telemetry in time")))
    }
}

/// Pushes what a run came to, where the environment names a collector. That it could not be pushed is told, and the run stays what it was.
pub async fn push(installation: &Installation, told: &RunTold) {
    let project = &installation.project;
    let pushed = async {
        let started = Telemetry::start(project.environment().telemetry.as_ref(), project.name(), project.dir())?;
        let Some(telemetry) = started else { return Ok(()) };
        telemetry.run(told);
        let (state, now_ms) = (installation.journal.state(), installation.clock.now_ms());
        for batch in &told.batches {
            let dataset = installation.keys.find(&format!("table:{}", batch.table));
            if let Some(newest_ms) = dataset.and_then(|dataset| freshness::newest_load_ms(&state, dataset)) {
                telemetry.age(&batch.table, now_ms.saturating_sub(newest_ms));
            }
        }
        telemetry.flush().await
    };
    let pushed: Outcome = pushed.await;
    if let Err(failure) = pushed {
        print::warn("what the run came to could not be pushed to the collector", &failure);
    }
}

/// Where telemetry goes. Its secrets are read anew for each push.
struct Collector {
    settings: settings::Telemetry,
    endpoint: Url,
    whom: String,
    base: PathBuf,
    resource: Resource,
}

impl Collector {
    fn new(settings: &settings::Telemetry, environment: &str, base: &Path) -> Outcome<Self> {
        let url = Url::parse(&settings.endpoint).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
        let plain = |url: &Url| url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        let endpoint = url.filter(plain).ok_or_else(|| {
            let text = "push telemetry: `endpoint` is no plain URL; write https://HOST:4318, and what proves who pushes in `headers`";
            Failure::new(ErrorKind::Invalid, text)
        })?;
        let whom = format!("push telemetry to {}", endpoint.host_str().unwrap_or_default());
        let resource = Resource::builder_empty()
            .with_service_name("polder")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("deployment.environment.name", environment.to_owned()))
            .build();
        Ok(Self { settings: settings.clone(), endpoint, whom, base: base.to_path_buf(), resource })
    }

    /// The path of a signal, as OTLP over HTTP has it.
    fn path(&self, signal: &str) -> String {
        format!("{}/v1/{signal}", self.endpoint.as_str().trim_end_matches('/'))
    }

    fn client(&self) -> Outcome<Client> {
        client(&self.whom, &self.endpoint, self.settings.ca.as_deref(), self.settings.plain_loopback, &self.base)
    }

    fn headers(&self) -> Outcome<HashMap<String, String>> {
        let mut headers = HashMap::new();
        for (name, reference) in &self.settings.headers {
            let value = secret_ref::resolve(reference, &self.base).map_err(|failure| failure.during(self.whom.clone()))?;
            let fits = HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value.expose_secret()).is_ok();
            if !fits {
                let text = format!(
                    "{}: the header {name} cannot be sent; write a name of letters, digits and -, and a value of one line",
                    self.whom
                );
                return Err(Failure::new(ErrorKind::Invalid, text));
            }
            headers.insert(name.clone(), value.expose_secret().clone());
        }
        Ok(headers)
    }

    fn spans(&self) -> Outcome<SpanExporter> {
        let builder = SpanExporter::builder().with_http().with_http_client(self.client()?).with_headers(self.headers()?);
        let built = builder.with_endpoint(self.path("traces")).with_protocol(Protocol::HttpBinary).with_timeout(WITHIN).build();
        built.map_err(|_| self.missed("traces"))
    }

    fn metrics(&self) -> Outcome<MetricExporter> {
        let builder = MetricExporter::builder().with_temporality(Temporality::Delta).with_http();
        // The reader's thread cannot be told to give up, so it has one try, which the client ends: the program's end waits for it.
        let builder = builder.with_retry_policy(RetryPolicy::disabled()).with_http_client(self.client()?).with_headers(self.headers()?);
        let built = builder.with_endpoint(self.path("metrics")).with_protocol(Protocol::HttpBinary).with_timeout(WITHIN).build();
        built.map_err(|_| self.missed("metrics"))
    }

    /// Without what the collector said, and without what was sent.
    fn missed(&self, what: &str) -> Failure {
        Failure::new(
            ErrorKind::Unavailable,
            format!("{}: it did not take {what}; check that it runs, `endpoint`, `ca` and `headers`", self.whom),
        )
    }
}

/// Pushes metrics from the reader's own thread, which knows of no runtime.
struct Pushed {
    to: Arc<Collector>,
    /// Only what was asked for is pushed: not at the end of the program, when there is no runtime any more.
    open: Arc<AtomicBool>,
    runtime: tokio::runtime::Handle,
}

impl PushMetricExporter for Pushed {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        if !self.open.load(Ordering::SeqCst) {
            return Ok(());
        }
        let exporter = self.to.metrics().map_err(|failure| OTelSdkError::InternalFailure(failure.text().to_owned()))?;
        let mut push = pin!(exporter.export(metrics));
        std::future::poll_fn(|context| {
            let _entered = self.runtime.enter();
            push.as_mut().poll(context)
        })
        .await
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        // A run of one process counts what it did: what others did before it, it does not know.
        Temporality::Delta
    }
}

/// A span of a run: its own, or that of the batch at a place.
fn span(run: RunId, batch: Option<usize>, name: &'static str, ms: (i64, i64), attributes: Vec<KeyValue>, failed: bool) -> SpanData {
    let parent_span_id = if batch.is_some() { span_id(run, None) } else { SpanId::INVALID };
    SpanData {
        span_context: SpanContext::new(TraceId::from_bytes(run.0), span_id(run, batch), TraceFlags::SAMPLED, false, TraceState::default()),
        parent_span_id,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: Cow::Borrowed(name),
        start_time: moment(ms.0),
        end_time: moment(ms.1),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: if failed { Status::error("") } else { Status::Ok },
        instrumentation_scope: InstrumentationScope::builder("polder").with_version(env!("CARGO_PKG_VERSION")).build(),
    }
}

/// The same for the same place of the same run.
fn span_id(run: RunId, batch: Option<usize>) -> SpanId {
    let hash = sha256(format!("polder.span.1 {run} {batch:?}").as_bytes());
    SpanId::from_bytes(hash.first_chunk().copied().unwrap_or_default())
}

fn moment(ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}

fn seconds(ms: i64) -> f64 {
    Duration::from_millis(u64::try_from(ms).unwrap_or_default()).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Heads and bodies of posts.
    type Pushes = Vec<(String, Vec<u8>)>;

    /// Takes this many posts and answers each with a status; heads and bodies.
    fn collector(answers: &'static [&'static str]) -> (u16, std::thread::JoinHandle<Pushes>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let one = move |answer: &&str| {
            let (stream, _) = listener.accept().unwrap();
            let mut from = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                from.read_line(&mut line).unwrap();
                if line.trim_end().is_empty() {
                    break;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = value.trim_end().parse().unwrap();
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            from.read_exact(&mut body).unwrap();
            let mut stream = stream;
            stream.write_all(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
            (head, body)
        };
        (port, std::thread::spawn(move || answers.iter().map(one).collect()))
    }

    fn settings(endpoint: String) -> settings::Telemetry {
        let headers = BTreeMap::from([("Authorization".to_owned(), "file:token".to_owned())]);
        settings::Telemetry { endpoint, headers, ca: None, plain_loopback: true }
    }

    fn told() -> RunTold {
        let batch = BatchTold {
            table: "pets".to_owned(),
            status: "committed".to_owned(),
            failed: false,
            read: 5,
            loaded: 3,
            rejected: 2,
            quarantined: 2,
            begun_ms: 1000,
            ended_ms: 2500,
        };
        RunTold {
            run: RunId([0xab; 16]),
            pipeline: Some("nightly".to_owned()),
            result: "succeeded".to_owned(),
            failed: false,
            attempt: 1,
            begun_ms: 900,
            ended_ms: 2600,
            batches: vec![batch],
        }
    }

    fn holds(body: &[u8], part: &[u8]) -> bool {
        body.windows(part.len()).any(|window| window == part)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_is_pushed_as_a_trace_and_as_metrics() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "Bearer first").unwrap();
        let (port, taken) = collector(&["200 OK", "200 OK"]);
        let settings = settings(format!("http://127.0.0.1:{port}/"));
        let telemetry = Telemetry::start(Some(&settings), "prod", dir.path()).unwrap().unwrap();
        telemetry.run(&told());
        telemetry.age("pets", 90_000);
        // Secrets are those of the moment of the push.
        std::fs::write(dir.path().join("token"), "Bearer second").unwrap();
        telemetry.flush().await.unwrap();
        let taken = taken.join().unwrap();
        for ((head, body), path) in taken.iter().zip(["/v1/traces", "/v1/metrics"]) {
            assert!(head.starts_with(&format!("POST {path} ")) && head.contains("Bearer second"), "{head}");
            assert!(head.contains("application/x-protobuf"), "{head}");
            for part in ["polder", "prod", "nightly", "pets"] {
                assert!(holds(body, part.as_bytes()), "{path}: {part}");
            }
        }
        for part in [&[0xab; 16][..], b"run", b"batch", b"committed", b"polder.rows.quarantined", &2_500_000_000_u64.to_le_bytes()] {
            assert!(holds(&taken[0].1, part), "{part:?}");
        }
        for part in ["polder.rows.read", "polder.rows.loaded", "polder.rows.refused", "polder.batch.duration", "polder.table.age"] {
            assert!(holds(&taken[1].1, part.as_bytes()), "{part}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_that_refuses_is_told_without_a_secret() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "hunter2").unwrap();
        let (port, taken) = collector(&["401 Unauthorized"]);
        let settings = settings(format!("http://127.0.0.1:{port}"));
        let telemetry = Telemetry::start(Some(&settings), "prod", dir.path()).unwrap().unwrap();
        telemetry.run(&told());
        let failure = telemetry.flush().await.unwrap_err();
        assert!(failure.text().contains("did not take traces") && !failure.to_string().contains("hunter2"), "{failure}");
        assert_eq!(taken.join().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_cannot_be_pushed_safely_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "x").unwrap();
        let refused = |settings: &settings::Telemetry| Telemetry::start(Some(settings), "prod", dir.path()).err().unwrap();
        for endpoint in
            ["http://collector.example.org:4318", "https://ann:hunter2@collector.example.org", "collector", "https://h/?k=hunter2"]
        {
            let failure = refused(&settings(endpoint.to_owned()));
            assert!(failure.kind() == ErrorKind::Invalid && !failure.to_string().contains("hunter2"), "{failure}");
        }
        let good = settings("https://collector.example.org:4318".to_owned());
        let in_clear = settings::Telemetry { plain_loopback: false, ..settings("http://127.0.0.1:4318".to_owned()) };
        assert_eq!(refused(&in_clear).kind(), ErrorKind::Invalid);
        std::fs::write(dir.path().join("token"), "two\nlines").unwrap();
        assert!(!refused(&good).to_string().contains("lines"));
        std::fs::remove_file(dir.path().join("token")).unwrap();
        assert_eq!(refused(&good).kind(), ErrorKind::Unavailable);
        assert!(Telemetry::start(None, "prod", dir.path()).unwrap().is_none());
    }
}
