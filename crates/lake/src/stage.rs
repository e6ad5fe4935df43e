//! Staging: batches are encoded on several threads, each into a file of its own that streams into the sealed store while
//! it grows. Nothing of it is visible until a commit names the files; files that no commit names are orphans for vacuum.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use object_store::ObjectStore;
use object_store::path::Path;
use parking_lot::Mutex;
use parquet::arrow::ArrowWriter;
use parquet::basic::ZstdLevel;
use parquet::file::properties::WriterProperties;
use polder_types::{DatasetId, Rng};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::encode;
use crate::error::Error;
use crate::file_reader::FileReader;
use crate::log::data_path;
use crate::ports::Faults;
use crate::stats::{FileStats, rows};

mod duplicates;
mod upload;

pub(crate) use duplicates::{Removed, remove_positions, remove_rows};
use upload::{Parts, upload};

/// A file is closed when it has this many bytes.
const FILE_BYTES_MAX: usize = 512 << 20;

/// A file that lies in the store and is not visible.
#[derive(Debug, Clone)]
pub(crate) struct StagedFile {
    pub path: Path,
    /// Size of the plain file, in bytes.
    pub size: u64,
    /// Rows, counted in the footer of the stored file.
    pub rows: u64,
    pub stats: FileStats,
    /// Places in the run of the rows, in the order of the file.
    ordinals: Vec<Range<u64>>,
}

/// What a pool of encoders needs.
#[derive(Clone)]
pub(crate) struct StageContext {
    pub store: Arc<dyn ObjectStore>,
    pub dataset: DatasetId,
    pub schema: SchemaRef,
    pub rng: Arc<dyn Rng>,
    pub faults: Arc<dyn Faults>,
    pub threads: usize,
    pub level: ZstdLevel,
    /// Rows of a row group at most.
    pub row_group_rows: usize,
    /// Called with the path of every file before it is begun, so that vacuum leaves it alone.
    pub claim: Arc<dyn Fn(&Path) + Send + Sync>,
}

/// A batch with the places of its rows in the run.
struct Numbered {
    number: u64,
    batch: RecordBatch,
    ordinals: Vec<Range<u64>>,
}

/// Encoders at work. Dropping it leaves orphans and no visible row.
pub(crate) struct Stage {
    context: StageContext,
    queue: mpsc::Sender<Numbered>,
    receiver: Arc<tokio::sync::Mutex<mpsc::Receiver<Numbered>>>,
    properties: Option<Arc<WriterProperties>>,
    workers: Vec<JoinHandle<Result<Vec<Unread>, Error>>>,
    batches: u64,
    rows: u64,
    busy: Arc<AtomicU64>,
}

/// A file whose upload is complete and whose footer was not read back yet.
struct Unread {
    path: Path,
    size: u64,
    ordinals: Vec<Range<u64>>,
}

impl Stage {
    pub(crate) fn new(context: StageContext) -> Self {
        let (queue, receiver) = mpsc::channel(1);
        Self {
            context,
            queue,
            receiver: Arc::new(tokio::sync::Mutex::new(receiver)),
            properties: None,
            workers: Vec::new(),
            batches: 0,
            rows: 0,
            busy: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Rows handed over so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Hands a batch to the next free encoder; waits while all are busy, which bounds the memory.
    pub(crate) async fn write(&mut self, batch: RecordBatch, ordinals: &[Range<u64>]) -> Result<(), Error> {
        let dataset = self.context.dataset;
        let rows = u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        if rows == 0 {
            return Ok(());
        }
        if ordinals.iter().map(|run| run.end.saturating_sub(run.start)).sum::<u64>() != rows {
            return Err(Error::Misuse { dataset, reason: "a batch must have one ordinal for each row" });
        }
        let (level, group_rows) = (self.context.level, self.context.row_group_rows);
        let properties = Arc::clone(self.properties.get_or_insert_with(|| Arc::new(encode::properties(&batch, level, group_rows))));
        // A thread more only when those that run have work: a small load stays one file.
        let running = u64::try_from(self.workers.len()).unwrap_or(u64::MAX);
        if self.workers.len() < self.context.threads && self.busy.load(Ordering::Acquire) >= running {
            self.spawn(properties);
        }
        let number = self.batches;
        self.batches += 1;
        self.rows = self.rows.saturating_add(rows);
        self.busy.fetch_add(1, Ordering::AcqRel);
        if self.queue.send(Numbered { number, batch, ordinals: ordinals.to_vec() }).await.is_err() {
            return Err(self.failure().await);
        }
        Ok(())
    }

    /// As [`Self::write`], for rows whose places in the run are not asked for.
    pub(crate) async fn append(&mut self, batch: RecordBatch) -> Result<(), Error> {
        let rows = u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        let first = self.rows;
        self.write(batch, std::slice::from_ref(&(first..first.saturating_add(rows)))).await
    }

    fn spawn(&mut self, properties: Arc<WriterProperties>) {
        let context = self.context.clone();
        let receiver = Arc::clone(&self.receiver);
        let busy = Arc::clone(&self.busy);
        let runtime = tokio::runtime::Handle::current();
        self.workers.push(tokio::task::spawn_blocking(move || {
            let finished = encode_all(&context, &receiver, &busy, &properties, &runtime);
            if finished.is_err() {
                // Whoever waits for room in the queue must not wait for ever.
                receiver.blocking_lock().close();
            }
            finished
        }));
    }

    /// The error of the encoder that stopped.
    async fn failure(&mut self) -> Error {
        let dataset = self.context.dataset;
        for worker in self.workers.drain(..) {
            match worker.await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error,
                Err(_) => return Error::Internal { step: "encode a batch", dataset },
            }
        }
        Error::Internal { step: "hand over a batch", dataset }
    }

    /// Closes the files, reads each footer back from the store, and compares the rows with those handed over.
    ///
    /// # Errors
    /// `RowsLost` when they differ.
    pub(crate) async fn finish(self) -> Result<Vec<StagedFile>, Error> {
        let Self { context, queue, receiver, workers, rows: expected, .. } = self;
        let dataset = context.dataset;
        drop(queue);
        let mut unread = Vec::new();
        let mut failed = None;
        for worker in workers {
            match worker.await {
                Ok(Ok(files)) => unread.extend(files),
                Ok(Err(error)) => failed = failed.or(Some(error)),
                Err(_) => failed = failed.or(Some(Error::Internal { step: "encode a batch", dataset })),
            }
        }
        drop(receiver);
        if let Some(error) = failed {
            return Err(error);
        }
        let mut files = Vec::with_capacity(unread.len());
        for file in unread {
            files.push(read_back(&context, file).await?);
        }
        let staged = files.iter().map(|file| file.rows).sum();
        if staged != expected {
            return Err(Error::RowsLost { dataset, staged, expected });
        }
        Ok(files)
    }
}

/// One encoder: takes batches until the queue closes.
fn encode_all(
    context: &StageContext,
    receiver: &tokio::sync::Mutex<mpsc::Receiver<Numbered>>,
    busy: &AtomicU64,
    properties: &WriterProperties,
    runtime: &tokio::runtime::Handle,
) -> Result<Vec<Unread>, Error> {
    let mut done = Vec::new();
    let mut open: Option<OpenFile> = None;
    loop {
        let next = receiver.blocking_lock().blocking_recv();
        let Some(Numbered { number, batch, ordinals }) = next else { break };
        if !context.faults.lose_batch(number) {
            let mut file = match open.take() {
                Some(file) => file,
                None => OpenFile::begin(context, properties, runtime)?,
            };
            file.write(&batch, ordinals)?;
            if file.bytes() >= FILE_BYTES_MAX {
                done.push(file.finish(runtime)?);
            } else {
                open = Some(file);
            }
        }
        busy.fetch_sub(1, Ordering::AcqRel);
    }
    if let Some(file) = open {
        done.push(file.finish(runtime)?);
    }
    Ok(done)
}

/// A file that is being written.
struct OpenFile {
    path: Path,
    writer: ArrowWriter<Parts>,
    upload: JoinHandle<Result<(), object_store::Error>>,
    ordinals: Vec<Range<u64>>,
}

impl OpenFile {
    fn begin(context: &StageContext, properties: &WriterProperties, runtime: &tokio::runtime::Handle) -> Result<Self, Error> {
        let mut name = [0u8; 16];
        context.rng.fill(&mut name).map_err(|_| Error::Internal { step: "name a file", dataset: context.dataset })?;
        let path = data_path(context.dataset, &format!("part-{}.parquet", hex::encode(name)));
        (context.claim)(&path);
        let (parts, waiting) = Parts::new();
        let upload = runtime.spawn(upload(Arc::clone(&context.store), path.clone(), waiting));
        let writer = encode::writer(parts, &context.schema, properties).map_err(|error| Error::parquet("begin", &path, error))?;
        Ok(Self { path, writer, upload, ordinals: Vec::new() })
    }

    fn write(&mut self, batch: &RecordBatch, ordinals: Vec<Range<u64>>) -> Result<(), Error> {
        for run in ordinals {
            match self.ordinals.last_mut() {
                Some(last) if last.end == run.start => last.end = run.end,
                _ => self.ordinals.push(run),
            }
        }
        self.writer.write(batch).map_err(|error| Error::parquet("encode a batch into", &self.path, error))
    }

    fn bytes(&self) -> usize {
        self.writer.bytes_written()
    }

    fn finish(self, runtime: &tokio::runtime::Handle) -> Result<Unread, Error> {
        let Self { path, writer, upload, ordinals } = self;
        let closed = writer.into_inner().and_then(|mut parts| {
            parts.send_rest()?;
            Ok(parts.sent)
        });
        // The upload knows best why its channel closed.
        match runtime.block_on(upload) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Error::store("write", &path, error)),
            Err(error) => return Err(Error::store("write", &path, error.into())),
        }
        let size = closed.map_err(|error| Error::parquet("close", &path, error))?;
        Ok(Unread { path, size, ordinals })
    }
}

async fn read_back(context: &StageContext, file: Unread) -> Result<StagedFile, Error> {
    let Unread { path, size, ordinals } = file;
    let footer = FileReader::new(&context.store, &path, size).footer().await?;
    let stats = FileStats::from_footer(&context.schema, &footer).map_err(|error| Error::parquet("read the statistics of", &path, error))?;
    Ok(StagedFile { size, rows: rows(&footer), stats, path, ordinals })
}

/// The files of a writer that no commit names yet, so that vacuum in this process leaves them alone.
#[derive(Debug, Default, Clone)]
pub(crate) struct Claims(Arc<Mutex<std::collections::HashSet<Path>>>);

impl Claims {
    pub(crate) fn claim(&self, path: &Path) {
        self.0.lock().insert(path.clone());
    }

    pub(crate) fn release<'a>(&self, paths: impl IntoIterator<Item = &'a Path>) {
        let mut claimed = self.0.lock();
        for path in paths {
            claimed.remove(path);
        }
    }

    pub(crate) fn holds(&self, path: &Path) -> bool {
        self.0.lock().contains(path)
    }
}
