//! An object that is being written: it gets its name when it is whole and durable, or never.

use super::bucket::Upload;
use super::{Backend, Kind, NewFile, Stat};
use crate::error::Error;

/// Sealed bytes on their way.
#[derive(Debug)]
pub(crate) enum Draft {
    /// To a file under `tmp/`.
    File(NewFile),
    /// To a bucket: kept until there is enough for a part.
    Upload(Upload),
}

impl Backend {
    /// Begins an object that is to be called `path`.
    pub(crate) fn draft(&self, path: &str) -> Result<Draft, Error> {
        match &self.0 {
            Kind::Directory(directory) => directory.new_file().map(Draft::File),
            Kind::Bucket(bucket) => bucket.upload(path).map(Draft::Upload),
        }
    }
}

impl Draft {
    /// Appends sealed bytes.
    pub(crate) fn write_all(&mut self, sealed: &[u8]) -> Result<(), Error> {
        match self {
            Self::File(file) => file.write_all(sealed),
            Self::Upload(upload) => upload.write_all(sealed),
        }
    }

    /// Gives it a name that is free; returns its tag.
    pub(crate) fn create(self, path: &str) -> Result<String, Error> {
        match self {
            Self::File(file) => {
                let e_tag = tag(&file, path)?;
                file.create(path).map(|()| e_tag)
            }
            Self::Upload(upload) => upload.create(),
        }
    }

    /// Gives it the name of another, which is gone then; returns its tag. In a bucket only in place of `before`: what came there
    /// since, from whoever took the lease over, stays.
    pub(crate) fn replace(self, path: &str, before: &Stat) -> Result<String, Error> {
        match self {
            Self::File(file) => {
                let e_tag = tag(&file, path)?;
                file.replace(path).map(|()| e_tag)
            }
            Self::Upload(upload) => upload.replace(before),
        }
    }
}

fn tag(file: &NewFile, path: &str) -> Result<String, Error> {
    let metadata = file.file()?.metadata().map_err(|source| Error::io("make durable", path, source))?;
    Ok(Stat::of(&metadata).e_tag())
}
