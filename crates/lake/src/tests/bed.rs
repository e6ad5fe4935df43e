//! A lake over a real sealed store in a directory of its own, with a journal in a file beside it that survives a kill.

use std::io::Write as _;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::prelude::SessionContext;
use parking_lot::Mutex;
use polder_keys::{Keys, LocalCustody};
use polder_policy::{Action, OWNERS_GROUP, Permit, Policies, TableRef, default_policies};
use polder_store::{Backend, Lease, Options, SealedStore};
use polder_types::event::{CommitResult, Counts, TableOperation};
use polder_types::{
    Clock, DatasetId, ErrorKind, Event, EventKind, LineageId, PrincipalId, RecordError, RecordRef, Recorder, RequestId, Rng, SystemClock,
    SystemRng, TableName,
};

use crate::ports::{FenceError, Head, Heads, KnownVersion, OpenIntent};
use crate::{Committed, Error, Lake, LakeOptions, LakePorts, TableWriter, WriteMode, WriteRequest};

/// Records into a file, a JSON line an event, synchronised before it answers.
#[derive(Debug)]
pub(super) struct FileJournal {
    file: PathBuf,
    events: Mutex<Vec<EventKind>>,
    /// Refuses from this event on.
    pub(super) refuse_from: Mutex<Option<usize>>,
}

impl FileJournal {
    pub(super) fn open(file: &FsPath) -> Arc<Self> {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let events = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Arc::new(Self { file: file.to_owned(), events: Mutex::new(events), refuse_from: Mutex::new(None) })
    }

    pub(super) fn events(&self) -> Vec<EventKind> {
        self.events.lock().clone()
    }

    /// Forgets the newest events: what a rolled-back journal would look like to the table log.
    pub(super) fn truncate(&self, events: usize) {
        let mut all = self.events.lock();
        all.truncate(events);
        let text: String = all.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
        std::fs::write(&self.file, text).unwrap();
    }
}

#[async_trait]
impl Recorder for FileJournal {
    async fn record(&self, event: Event) -> Result<RecordRef, RecordError> {
        let mut events = self.events.lock();
        let index = events.len();
        if self.refuse_from.lock().is_some_and(|from| index >= from) {
            return Err(RecordError { kind: ErrorKind::Unavailable, message: "the disk is full".into(), source: None });
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.file).unwrap();
        file.write_all((serde_json::to_string(&event.kind).unwrap() + "\n").as_bytes()).unwrap();
        file.sync_all().unwrap();
        events.push(event.kind);
        Ok(RecordRef { index: index as u64 })
    }
}

impl Heads for FileJournal {
    fn head(&self, dataset: DatasetId) -> Option<Head> {
        let mut head: Option<Head> = None;
        for event in self.events.lock().iter() {
            if let EventKind::CommitOutcome { dataset: of, sequence, version, log_hash, result, .. } = event
                && *of == dataset
                && *result != CommitResult::Aborted
            {
                head = Some(Head { version: *version, log_hash: log_hash.clone(), sequence: *sequence });
            }
        }
        head
    }

    fn versions(&self, dataset: DatasetId) -> Vec<KnownVersion> {
        let mut known = Vec::new();
        for (index, event) in self.events.lock().iter().enumerate() {
            if let EventKind::CommitOutcome { dataset: of, operation, version, log_hash, result, .. } = event
                && *of == dataset
                && *result != CommitResult::Aborted
            {
                let index = index as u64;
                known.push(KnownVersion {
                    version: *version,
                    log_hash: log_hash.clone(),
                    operation: *operation,
                    time_ms: index as i64,
                    index,
                });
            }
        }
        known
    }

    fn open_intents(&self, dataset: DatasetId) -> Vec<OpenIntent> {
        let mut open: Vec<OpenIntent> = Vec::new();
        for event in self.events.lock().iter() {
            match event {
                EventKind::CommitIntent { dataset: of, operation, sequence, version, log_hash, epoch } if *of == dataset => {
                    open.push(OpenIntent {
                        operation: *operation,
                        sequence: *sequence,
                        version: *version,
                        log_hash: log_hash.clone(),
                        epoch: *epoch,
                    });
                }
                EventKind::CommitOutcome { dataset: of, version, log_hash, .. } if *of == dataset => {
                    open.retain(|intent| !(intent.version == *version && intent.log_hash == *log_hash));
                }
                _ => {}
            }
        }
        open
    }
}

#[derive(Debug)]
pub(super) struct LeaseFence(pub(super) Mutex<Option<Arc<Lease>>>, pub(super) u64);

#[async_trait]
impl crate::ports::Fence for LeaseFence {
    fn epoch(&self) -> u64 {
        self.1
    }

    async fn check(&self) -> Result<(), FenceError> {
        let lease = self.0.lock().clone();
        match lease {
            Some(lease) => lease.check().await.map_err(|error| FenceError { kind: error.kind(), message: error.to_string() }),
            // A writer that was paused after its check: it believes that the lease holds.
            None => Ok(()),
        }
    }
}

pub(super) struct Bed {
    pub(super) dir: PathBuf,
    pub(super) store: SealedStore,
    pub(super) journal: Arc<FileJournal>,
    pub(super) fence: Arc<LeaseFence>,
    pub(super) lake: Lake,
    pub(super) table: DatasetId,
    _temp: Option<tempfile::TempDir>,
}

pub(super) fn actor() -> PrincipalId {
    PrincipalId::new("user", "ann").unwrap()
}

fn rng() -> Arc<dyn Rng> {
    Arc::new(SystemRng)
}

impl Bed {
    pub(super) async fn new() -> Self {
        Self::with(LakeOptions { encode_threads: 2, ..LakeOptions::default() }).await
    }

    pub(super) async fn with(options: LakeOptions) -> Self {
        let temp = tempfile::TempDir::new().unwrap();
        let dir = temp.path().to_owned();
        let backend = Backend::create_with(&dir.join("store"), Options { reserve_bytes: 1 << 20, ..Options::default() }).unwrap();
        let custody = Arc::new(LocalCustody::create_key_file(&dir.join("key"), rng()).unwrap());
        let lineage = LineageId::random(&SystemRng).unwrap();
        let keys = Keys::create(lineage, custody, Arc::new(backend), Arc::new(SystemClock), rng()).await.unwrap();
        keys.add_dataset("table:flights").await.unwrap();
        let mut bed = Self::open(&dir, options).await;
        bed._temp = Some(temp);
        bed
    }

    /// The same store, as another process would open it; takes the lease over.
    pub(super) async fn open(dir: &FsPath, options: LakeOptions) -> Self {
        let backend = Backend::open_with(&dir.join("store"), Options { reserve_bytes: 1 << 20, ..Options::default() }).unwrap();
        let lease = Lease::acquire(&backend, Arc::new(SystemClock), None).await.unwrap();
        let epoch = lease.epoch();
        Self::open_as(dir, options, Arc::new(LeaseFence(Mutex::new(Some(Arc::new(lease))), epoch))).await
    }

    pub(super) async fn open_as(dir: &FsPath, options: LakeOptions, fence: Arc<LeaseFence>) -> Self {
        let backend = Backend::open_with(&dir.join("store"), Options { reserve_bytes: 1 << 20, ..Options::default() }).unwrap();
        let custody = Arc::new(LocalCustody::open_key_file(&dir.join("key")).unwrap());
        let keys = Keys::open(custody, Arc::new(backend.clone()), Arc::new(SystemClock), rng()).await.unwrap();
        let table = keys.find("table:flights").unwrap();
        let store = SealedStore::new(backend, keys, rng());
        let journal = FileJournal::open(&dir.join("journal.jsonl"));
        let lake = lake(&store, &journal, Arc::clone(&fence) as Arc<dyn crate::ports::Fence>, options);
        Self { dir: dir.to_owned(), store, journal, fence, lake, table, _temp: None }
    }

    /// Lets the lease go and opens the store anew.
    pub(super) async fn reopen(&self) -> Self {
        drop(self.fence.0.lock().take());
        Self::open(&self.dir, LakeOptions { encode_threads: 2, ..LakeOptions::default() }).await
    }

    /// A second lake over the same store and journal.
    pub(super) fn over(&self, fence: Arc<dyn crate::ports::Fence>, options: LakeOptions) -> Lake {
        lake(&self.store, &self.journal, fence, options)
    }

    pub(super) fn request(&self, mode: WriteMode) -> WriteRequest {
        WriteRequest { dataset: self.table, source: "s1".into(), schema: schema(), mode, keys: Vec::new(), history: None, actor: actor() }
    }

    pub(super) async fn create(&self) {
        self.lake.create(self.table, &schema(), &actor()).await.unwrap();
    }

    pub(super) async fn writer(&self, mode: WriteMode) -> TableWriter {
        self.lake.writer(self.request(mode)).await.unwrap()
    }

    /// Loads rows `from..to` as one run.
    pub(super) async fn load(&self, mode: WriteMode, sequence: u64, from: i64, to: i64) -> Result<Committed, Error> {
        let mut writer = self.writer(mode).await;
        load_into(&mut writer, sequence, from, to).await
    }

    /// The rows of a version, sorted.
    pub(super) async fn rows(&self, version: Option<u64>) -> Vec<String> {
        let context = SessionContext::new();
        self.lake.prepare(&context.runtime_env());
        let provider = self.lake.scan(&self.permit(Action::Read), version).await.unwrap();
        context.register_table("t", provider).unwrap();
        let batches = context.sql("select * from t order by id").await.unwrap().collect().await.unwrap();
        let shown = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
        shown.lines().filter(|line| line.starts_with("| ")).skip(1).map(str::to_owned).collect()
    }

    pub(super) fn permit(&self, action: Action) -> Permit {
        let policies = Policies::load(&default_policies(), &[]).unwrap();
        let table = TableRef::new(TableName::new("flights").unwrap(), self.table);
        policies.permit(&actor(), &[OWNERS_GROUP.to_owned()], action, &table, RequestId([1; 16])).unwrap()
    }

    pub(super) async fn commit_bytes(&self, version: u64) -> bytes::Bytes {
        self.store.read(&crate::log::commit_path(self.table, version)).await.unwrap()
    }
}

fn lake(store: &SealedStore, journal: &Arc<FileJournal>, fence: Arc<dyn crate::ports::Fence>, options: LakeOptions) -> Lake {
    let ports = LakePorts {
        recorder: Arc::clone(journal) as Arc<dyn Recorder>,
        heads: Arc::clone(journal) as Arc<dyn Heads>,
        fence,
        // The clock in these tests counts events.
        clock: Arc::new(JournalClock(Arc::clone(journal))),
        rng: rng(),
        service: PrincipalId::new("service", "lake").unwrap(),
    };
    Lake::new(store.clone(), ports, options)
}

#[derive(Debug)]
struct JournalClock(Arc<FileJournal>);

impl Clock for JournalClock {
    fn now_ms(&self) -> i64 {
        self.0.events.lock().len() as i64
    }
}

pub(super) async fn load_into(writer: &mut TableWriter, sequence: u64, from: i64, to: i64) -> Result<Committed, Error> {
    for start in (from..to).step_by(1000) {
        let end = (start + 1000).min(to);
        let run = start as u64..end as u64;
        writer.write_batch(batch(start, end), &[run][..]).await?;
    }
    let staged = writer.finish_without(vec![], &mut |_, _, _| {}).await?;
    writer.commit_counts(sequence, counts(staged.rows)).await
}

pub(super) fn counts(rows: u64) -> Counts {
    Counts { read: rows, independent: true, loaded: rows, ..Counts::default() }
}

pub(super) fn schema() -> SchemaRef {
    use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("carrier", DataType::Utf8, true),
        Field::new("delay", DataType::Float64, true),
        Field::new("fare", DataType::Decimal128(12, 2), true),
        Field::new("day", DataType::Date32, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("local", DataType::Timestamp(TimeUnit::Microsecond, None), true),
    ]))
}

pub(super) fn batch(from: i64, to: i64) -> RecordBatch {
    let ids: Vec<i64> = (from..to).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids.clone())),
        Arc::new(ids.iter().map(|id| (id % 7 != 0).then(|| format!("carrier {}", id % 13))).collect::<StringArray>()),
        Arc::new(ids.iter().map(|id| (id % 5 != 0).then_some(*id as f64 / 3.0)).collect::<Float64Array>()),
        Arc::new(ids.iter().map(|id| Some(i128::from(*id) * -7)).collect::<Decimal128Array>().with_precision_and_scale(12, 2).unwrap()),
        Arc::new(ids.iter().map(|id| Some((*id % 30_000) as i32)).collect::<Date32Array>()),
        Arc::new(ids.iter().map(|id| Some(id * 1_000_003)).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        Arc::new(ids.iter().map(|id| Some(id * -1_000_003)).collect::<TimestampMicrosecondArray>()),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

pub(super) fn operations(journal: &FileJournal) -> Vec<(TableOperation, CommitResult)> {
    let outcome = |event: EventKind| match event {
        EventKind::CommitOutcome { operation, result, .. } => Some((operation, result)),
        _ => None,
    };
    journal.events().into_iter().filter_map(outcome).collect()
}
