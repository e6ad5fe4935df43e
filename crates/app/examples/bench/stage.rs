//! The lake's staging, as `crates/lake/src/stage.rs` does it: encoders on threads of their own, each with a file that streams into
//! the store in parts while it grows; then every footer is read back. Encoder and upload are the lake's own code.

#[path = "../../../lake/src/stage/upload.rs"]
mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ArrowWriter;
use parquet::basic::ZstdLevel;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::WriterProperties;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use crate::encode;
use upload::{Parts, upload};

/// A file is closed when it has this many bytes, as in the lake.
const FILE_BYTES_MAX: usize = 512 << 20;
/// What one request from the end takes: the footer of any file here.
const FOOTER_BYTES: u64 = 8 << 20;

type Receiver = Arc<Mutex<mpsc::Receiver<RecordBatch>>>;

/// What every encoder needs.
#[derive(Clone)]
pub struct Target {
    pub store: Arc<dyn ObjectStore>,
    /// Where a file of this name goes.
    pub path: Arc<dyn Fn(usize) -> Path + Send + Sync>,
    pub schema: SchemaRef,
    pub threads: usize,
    pub level: ZstdLevel,
}

/// Encoders at work.
pub struct Stage {
    target: Target,
    queue: mpsc::Sender<RecordBatch>,
    receiver: Receiver,
    properties: Option<Arc<WriterProperties>>,
    workers: Vec<JoinHandle<Vec<(Path, u64)>>>,
    busy: Arc<AtomicUsize>,
    names: Arc<AtomicUsize>,
}

impl Stage {
    pub fn new(target: Target) -> Self {
        let (queue, receiver) = mpsc::channel(1);
        Self {
            target,
            queue,
            receiver: Arc::new(Mutex::new(receiver)),
            properties: None,
            workers: Vec::new(),
            busy: Arc::default(),
            names: Arc::default(),
        }
    }

    /// Hands a batch to the next free encoder; one more encoder only when those that run have work.
    pub async fn write(&mut self, batch: RecordBatch) {
        let properties = Arc::clone(
            self.properties.get_or_insert_with(|| Arc::new(encode::properties(&batch, self.target.level, encode::ROW_GROUP_ROWS_MAX))),
        );
        if self.workers.len() < self.target.threads && self.busy.load(Ordering::Acquire) >= self.workers.len() {
            let (target, receiver) = (self.target.clone(), Arc::clone(&self.receiver));
            let (busy, names) = (Arc::clone(&self.busy), Arc::clone(&self.names));
            let runtime = tokio::runtime::Handle::current();
            self.workers.push(tokio::task::spawn_blocking(move || encode_all(&target, &receiver, &busy, &names, &properties, &runtime)));
        }
        self.busy.fetch_add(1, Ordering::AcqRel);
        self.queue.send(batch).await.unwrap();
    }

    /// Closes the files and gives the rows that their footers, read back from the store, hold.
    pub async fn finish(self) -> u64 {
        let Self { target, queue, workers, .. } = self;
        drop(queue);
        let mut rows = 0;
        for worker in workers {
            for (path, size) in worker.await.unwrap() {
                let end = target.store.get_range(&path, size.saturating_sub(FOOTER_BYTES)..size).await.unwrap();
                let mut footer = ParquetMetaDataReader::new();
                footer.try_parse_sized(&end, size).unwrap();
                rows += u64::try_from(footer.finish().unwrap().file_metadata().num_rows()).unwrap();
            }
        }
        rows
    }
}

/// One encoder: takes batches until the queue closes. Gives the files and their plain sizes.
fn encode_all(
    target: &Target,
    receiver: &Receiver,
    busy: &AtomicUsize,
    names: &AtomicUsize,
    properties: &WriterProperties,
    runtime: &tokio::runtime::Handle,
) -> Vec<(Path, u64)> {
    let mut done = Vec::new();
    let mut open: Option<OpenFile> = None;
    loop {
        let next = receiver.blocking_lock().blocking_recv();
        let Some(batch) = next else { break };
        let mut file = open.take().unwrap_or_else(|| OpenFile::begin(target, names, properties, runtime));
        file.writer.write(&batch).unwrap();
        if file.writer.bytes_written() >= FILE_BYTES_MAX {
            done.push(file.finish(runtime));
        } else {
            open = Some(file);
        }
        busy.fetch_sub(1, Ordering::AcqRel);
    }
    done.extend(open.map(|file| file.finish(runtime)));
    done
}

struct OpenFile {
    path: Path,
    writer: ArrowWriter<Parts>,
    upload: JoinHandle<Result<(), object_store::Error>>,
}

impl OpenFile {
    fn begin(target: &Target, names: &AtomicUsize, properties: &WriterProperties, runtime: &tokio::runtime::Handle) -> Self {
        let path = (target.path)(names.fetch_add(1, Ordering::AcqRel));
        let (parts, waiting) = Parts::new();
        let upload = runtime.spawn(upload(Arc::clone(&target.store), path.clone(), waiting));
        Self { path, writer: encode::writer(parts, &target.schema, properties).unwrap(), upload }
    }

    fn finish(self, runtime: &tokio::runtime::Handle) -> (Path, u64) {
        let mut parts = self.writer.into_inner().unwrap();
        parts.send_rest().unwrap();
        runtime.block_on(self.upload).unwrap().unwrap();
        (self.path, parts.sent)
    }
}
