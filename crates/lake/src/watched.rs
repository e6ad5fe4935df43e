//! The store as a scan reads it: what it meets that is not as it was sealed is recorded, and closes the table, before the query fails.

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use polder_types::DatasetId;

use crate::lake::Lake;

/// Reads one table's objects. Nothing is written, listed or deleted through it.
#[derive(Clone)]
pub(crate) struct Watched {
    lake: Lake,
    dataset: DatasetId,
    /// Whether the visible version is scanned: of an older one vacuum may have deleted a file.
    newest: bool,
}

impl Watched {
    pub(crate) fn new(lake: &Lake, dataset: DatasetId, newest: bool) -> Self {
        Self { lake: lake.clone(), dataset, newest }
    }

    async fn see<T>(&self, path: &Path, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && (self.newest || !matches!(error, Error::NotFound { .. }))
        {
            self.lake.close_on_damage(self.dataset, path, error).await;
        }
        result
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("dataset", &self.dataset).finish_non_exhaustive()
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("watched")
    }
}

fn only_read<T>(path: &Path) -> Result<T> {
    Err(Error::PermissionDenied { path: path.to_string(), source: "a scan only reads".into() })
}

#[async_trait]
impl ObjectStore for Watched {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut found = self.see(location, self.lake.objects().get_opts(location, options).await).await?;
        let payload = match found.payload {
            GetResultPayload::Stream(bytes) => {
                let (this, path) = (self.clone(), location.clone());
                let watched = bytes.then(move |part| {
                    let (this, path) = (this.clone(), path.clone());
                    async move { this.see(&path, part).await }
                });
                GetResultPayload::Stream(watched.boxed())
            }
            #[allow(unreachable_patterns, reason = "a store may give a file, where the target has them")]
            other => other,
        };
        found.payload = payload;
        Ok(found)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.see(location, self.lake.objects().get_ranges(location, ranges).await).await
    }

    async fn put_opts(&self, location: &Path, _payload: PutPayload, _options: PutOptions) -> Result<PutResult> {
        only_read(location)
    }

    async fn put_multipart_opts(&self, location: &Path, _options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        only_read(location)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        locations.map(|location| only_read(&location?)).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let refused = only_read(prefix.unwrap_or(&Path::ROOT));
        futures::stream::once(futures::future::ready(refused)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        only_read(prefix.unwrap_or(&Path::ROOT))
    }

    async fn copy_opts(&self, from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        only_read(from)
    }
}
