//! `object_store`'s face of the sealed store.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::multipart::Upload;
use super::ranges::{PIECE_BYTES, stream_of};
use super::{SealedStore, blocking};
use crate::backend::Stat;
use crate::error::Error;
use crate::layout::{Area, FileKind, ObjectPath};

/// Objects that are deleted before their directories are made durable, or that a bucket is asked for together.
const DELETE_BATCH: usize = 256;

fn meta(path: &str, stat: &Stat, size: u64) -> std::result::Result<ObjectMeta, Error> {
    let name = |_| Error::Name { path: path.to_owned(), problem: "it is not a path of an object store" };
    Ok(ObjectMeta {
        location: Path::parse(path).map_err(name)?,
        last_modified: DateTime::<Utc>::from_timestamp_millis(stat.modified_ms).unwrap_or_default(),
        size,
        e_tag: Some(stat.e_tag()),
        version: None,
    })
}

/// The size is arithmetic on the sealed length: a claim, until the object is opened.
fn listed(path: &str, stat: &Stat) -> std::result::Result<ObjectMeta, Error> {
    let size = polder_crypto::plain_len(stat.len).ok_or_else(|| Error::open(path, polder_crypto::Error::Length))?;
    meta(path, stat, size)
}

fn unsupported<T>(what: &'static str, path: &Path) -> Result<T> {
    Err(Error::Unsupported { what, path: path.to_string() }.into())
}

impl SealedStore {
    fn delete_batch(&self, batch: Vec<Result<Path>>) -> Vec<Result<Path>> {
        let checked: Vec<Result<Path>> = batch
            .into_iter()
            .map(|path| path.and_then(|path| ObjectPath::parse(path.as_ref()).map(drop).map(|()| path).map_err(Into::into)))
            .collect();
        let wanted: Vec<String> = checked.iter().flatten().map(Path::to_string).collect();
        let mut deleted = self.0.backend.delete_all(&wanted).into_iter();
        let mut told = |path: Path| match deleted.next() {
            Some(Ok(())) => {
                self.0.forget(path.as_ref());
                Ok(path)
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(Error::Cancelled { step: "delete", path: path.to_string() }.into()),
        };
        checked.into_iter().map(|path| path.and_then(&mut told)).collect()
    }

    fn collect(&self, prefix: Option<&Path>) -> std::result::Result<Vec<ObjectMeta>, Error> {
        let mut found = Vec::new();
        let mut add = |entry: crate::backend::Entry| {
            match FileKind::of(&entry.path) {
                FileKind::Object(..) if entry.plain => found.push(listed(&entry.path, &entry.stat)?),
                _ => return Err(Error::NotPlain { path: entry.path }),
            }
            Ok(())
        };
        match prefix.map(Path::as_ref).filter(|prefix| !prefix.is_empty()) {
            Some(prefix) if in_area(prefix) => self.0.backend.list_below(prefix, &mut add)?,
            Some(_) => {}
            None => Area::ALL.iter().try_for_each(|area| self.0.backend.list_below(area.as_str(), &mut add))?,
        }
        Ok(found)
    }

    fn collect_one(&self, prefix: &str) -> std::result::Result<ListResult, Error> {
        let mut result = ListResult { common_prefixes: Vec::new(), objects: Vec::new() };
        let name = |path: &str| Error::Name { path: path.to_owned(), problem: "it is not a path of an object store" };
        for entry in self.0.backend.list_one(prefix)? {
            match entry.path.strip_suffix('/') {
                Some(directory) if in_area(directory) => {
                    result.common_prefixes.push(Path::parse(directory).map_err(|_| name(directory))?);
                }
                Some(_) => {}
                None if prefix.is_empty() => {}
                None if entry.plain && matches!(FileKind::of(&entry.path), FileKind::Object(..)) => {
                    result.objects.push(listed(&entry.path, &entry.stat)?);
                }
                None => return Err(Error::NotPlain { path: entry.path }),
            }
        }
        // Entries come in the order of a walk, where `a.b/` precedes `a/`.
        result.common_prefixes.sort_unstable();
        result.objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok(result)
    }
}

fn in_area(path: &str) -> bool {
    let area = path.split('/').next().unwrap_or_default();
    Area::ALL.iter().any(|known| known.as_str() == area)
}

#[async_trait]
impl ObjectStore for SealedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if !options.attributes.is_empty() {
            return unsupported("set attributes of", location);
        }
        let create = match options.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return unsupported("update by tag", location),
        };
        let (this, path) = (self.clone(), location.to_string());
        let e_tag = blocking::<_, object_store::Error>("write", location.as_ref(), move || {
            let mut sealing = if create { this.0.begin_create(&path)? } else { this.0.begin_overwrite(&path)? };
            payload.iter().try_for_each(|bytes| sealing.write(bytes))?;
            this.0.publish(sealing)
        });
        Ok(PutResult { e_tag: Some(e_tag.await?), version: None })
    }

    async fn put_multipart_opts(&self, location: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        if !options.attributes.is_empty() {
            return unsupported("set attributes of", location);
        }
        let (this, path) = (self.clone(), location.to_string());
        let begun = blocking::<_, object_store::Error>("upload", location.as_ref(), move || this.0.begin_overwrite(&path));
        Ok(Box::new(Upload::new(self.clone(), location.as_ref(), begun.await?)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.version.is_some() {
            return unsupported("read an older version of", location);
        }
        let (this, path) = (self.clone(), location.to_string());
        if options.head {
            let found = blocking::<_, object_store::Error>("open", location.as_ref(), move || {
                ObjectPath::parse(&path)?;
                listed(&path, &this.0.backend.stat(&path)?)
            });
            let meta = found.await?;
            options.check_preconditions(&meta)?;
            let range = 0..meta.size;
            return Ok(GetResult {
                payload: GetResultPayload::Stream(stream::empty().boxed()),
                meta,
                range,
                attributes: Default::default(),
            });
        }
        let wanted = options.range.clone();
        let conditions = GetOptions { range: None, ..options };
        let opened = blocking::<_, object_store::Error>("read", location.as_ref(), move || {
            let object = this.0.open(&path)?;
            let meta = meta(&path, object.stat(), object.plain_len())?;
            if let Err(refused) = conditions.check_preconditions(&meta) {
                return Ok(Err(refused));
            }
            let range = match wanted {
                Some(wanted) => wanted.as_range(meta.size).map_err(|_| Error::Range { path: path.clone() })?,
                None => 0..meta.size,
            };
            let short = if range.end - range.start <= PIECE_BYTES { Some(object.read(range.clone())?) } else { None };
            Ok(Ok((path, Arc::new(object), meta, range, short)))
        });
        let (path, object, meta, range, short) = opened.await??;
        let payload = match short {
            Some(bytes) => stream::once(futures::future::ready(Ok(bytes))).boxed(),
            None => stream_of(path, object, range.clone()),
        };
        Ok(GetResult { payload: GetResultPayload::Stream(payload), meta, range, attributes: Default::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.ranges(location.as_ref(), ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let batches = locations.ready_chunks(DELETE_BATCH).then(move |batch| {
            let this = this.clone();
            async move {
                match blocking::<_, object_store::Error>("delete", "objects", move || Ok(this.delete_batch(batch))).await {
                    Ok(deleted) => deleted,
                    Err(error) => vec![Err(error)],
                }
            }
        });
        batches.flat_map(stream::iter).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, prefix) = (self.clone(), prefix.cloned());
        let found = async move {
            let listed = blocking::<_, object_store::Error>("list", "objects", move || this.collect(prefix.as_ref())).await?;
            Ok::<_, object_store::Error>(stream::iter(listed.into_iter().map(Ok)))
        };
        stream::once(found).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.map(Path::to_string).unwrap_or_default();
        if !prefix.is_empty() && !in_area(&prefix) {
            return Ok(ListResult { common_prefixes: Vec::new(), objects: Vec::new() });
        }
        let this = self.clone();
        blocking("list", "objects", move || this.collect_one(&prefix)).await
    }

    /// The path is part of what an object is sealed with, so a copy is sealed anew.
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let create = match options.mode {
            CopyMode::Create => true,
            CopyMode::Overwrite => false,
        };
        let (this, source, target) = (self.clone(), from.to_string(), to.to_string());
        let copied = blocking::<_, object_store::Error>("copy", from.as_ref(), move || {
            let object = this.0.open(&source)?;
            let mut sealing = if create { this.0.begin_create(&target)? } else { this.0.begin_overwrite(&target)? };
            object.read_all(|plaintext| sealing.write(plaintext))?;
            this.0.publish(sealing)
        });
        copied.await.map(drop)
    }
}
