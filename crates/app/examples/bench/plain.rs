//! A store without sealing, which exists in this benchmark alone: what the sealed one is compared with. Uploads keep the sealed
//! store's discipline with files (`crates/store/src/backend/new_file.rs`): a locked file under `tmp/`, writes of at most 1 MiB, each
//! part on a blocking thread, then fsync, a hard link under the name, fsync of the directory, removal of the temporary name. The
//! rest is object_store's own.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, UploadPart,
};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use tokio::sync::Mutex;

/// Bytes of one write, as in the sealed store.
const WRITE_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub struct PlainStore {
    dir: PathBuf,
    rest: LocalFileSystem,
    names: AtomicUsize,
}

impl PlainStore {
    /// A store in a directory that does not exist.
    pub fn create(dir: &FsPath) -> Self {
        std::fs::create_dir_all(dir.join("tmp")).unwrap();
        let rest = LocalFileSystem::new_with_prefix(dir).unwrap();
        Self { dir: dir.to_owned(), rest, names: AtomicUsize::new(0) }
    }
}

impl fmt::Display for PlainStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain")
    }
}

#[async_trait]
impl ObjectStore for PlainStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.rest.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(&self, location: &Path, _options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let temporary = self.dir.join("tmp").join(self.names.fetch_add(1, Ordering::AcqRel).to_string());
        let target = self.dir.join(location.as_ref());
        let file = blocking(move || {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = File::from(rustix::fs::open(&temporary, flags, Mode::RUSR | Mode::WUSR)?);
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            Ok(Writing { file, temporary, target })
        });
        Ok(Box::new(Upload { writing: Arc::new(Mutex::new(Some(file.await?))) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.rest.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.rest.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.rest.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.rest.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.rest.copy_opts(from, to, options).await
    }
}

/// A file that has its temporary name only.
#[derive(Debug)]
struct Writing {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
}

/// Parts are awaited one after the other by the lake's upload, so their order needs no keeping.
#[derive(Debug)]
struct Upload {
    writing: Arc<Mutex<Option<Writing>>>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let writing = Arc::clone(&self.writing);
        Box::pin(async move {
            let mut writing = writing.lock_owned().await;
            blocking(move || {
                let Some(Writing { file, .. }) = writing.as_mut() else { return Err(ended()) };
                data.iter().flat_map(|bytes| bytes.chunks(WRITE_BYTES)).try_for_each(|bytes| file.write_all(bytes))
            })
            .await
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let writing = self.writing.lock().await.take();
        blocking(move || {
            let Writing { file, temporary, target } = writing.ok_or_else(ended)?;
            file.sync_all()?;
            let parent = target.parent().ok_or_else(ended)?;
            if !parent.is_dir() {
                std::fs::create_dir_all(parent)?;
            }
            rustix::fs::linkat(rustix::fs::CWD, &temporary, rustix::fs::CWD, &target, AtFlags::empty())?;
            File::open(parent)?.sync_all()?;
            std::fs::remove_file(&temporary)
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        let writing = self.writing.lock().await.take();
        blocking(move || writing.map_or(Ok(()), |writing| std::fs::remove_file(writing.temporary))).await
    }
}

fn ended() -> std::io::Error {
    std::io::Error::other("the upload ended")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.unwrap();
    done.map_err(|source| object_store::Error::Generic { store: "plain", source: Box::new(source) })
}
