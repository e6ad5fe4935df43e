//! A prefix of a bucket on S3-compatible storage. What is written there is there for everyone when the write returns, and in one piece;
//! what must not be there yet, or must still be as it was, is written under that condition (`If-None-Match`, `If-Match`).

mod client;
mod door;
mod io;
mod patience;
mod place;
mod read;
mod request;
mod source;
mod survey;
mod trouble;
mod upload;
mod wire;
mod xml;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use futures::StreamExt;
use futures::stream;
use object_store::path::Path;
use parking_lot::Mutex;

use super::{Directory, Options, step_text};
use crate::counters::Live;
use crate::error::Error;
use crate::fault::Operation;
use client::Client;
use io::Io;
use wire::Proxies;

pub(crate) use door::Put;
pub use patience::Patience;
pub use place::{Credentials, S3Address, S3Credentials, S3Place, WrongAddress};
pub(crate) use read::RemoteFile;
pub use source::{SourceBucket, SourceObject};
pub use trouble::Trouble;
pub(crate) use upload::Upload;

/// Objects that are deleted at once.
const DELETES_AT_ONCE: usize = 16;

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Bucket(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Arc<Client>,
    io: Io,
    options: Options,
    counters: Arc<Live>,
    scratch: OnceLock<Directory>,
    making_scratch: Mutex<()>,
}

impl Bucket {
    /// Nothing is asked yet.
    pub(super) fn new(place: S3Place, options: Options) -> Result<Self, Error> {
        let name = place.address.name();
        let counters = Arc::<Live>::default();
        let io = Io::new().map_err(|source| Error::io("start the threads of", &name, source))?;
        let rng = Arc::clone(&options.rng);
        let client = Client::new(place, options.patience.clone(), rng, Arc::clone(&counters), Proxies::OfTheEnvironment);
        let client = Arc::new(client.map_err(|trouble| Error::bucket("open store", &name, trouble))?);
        Ok(Self(Arc::new(Inner { client, io, options, counters, scratch: OnceLock::new(), making_scratch: Mutex::new(()) })))
    }

    /// `s3://bucket/prefix`
    pub(crate) fn name(&self) -> String {
        self.0.client.place.address.name()
    }

    pub(super) fn keeps_versions(&self) -> bool {
        self.0.client.wire.keeps_versions()
    }

    pub(super) fn live(&self) -> &Live {
        &self.0.counters
    }

    /// The key of a path.
    fn key(&self, path: &str) -> Result<Path, Error> {
        let wrong = |_| Error::Name { path: path.to_owned(), problem: "it is not a path of an object store" };
        Path::parse(self.0.client.place.address.key(path)).map_err(wrong)
    }

    /// The fault that a test planted before a step.
    fn step(&self, operation: Operation, path: &str) -> Result<(), Error> {
        self.0.options.faults.before(operation, path).map_err(|source| Error::io(step_text(operation), path, source))
    }

    /// Where sealed temporary files go: a directory of this machine, of this store alone. Made when it is first needed.
    pub(crate) fn scratch(&self) -> Result<Directory, Error> {
        let _only_one = self.0.making_scratch.lock();
        if let Some(scratch) = self.0.scratch.get() {
            return Ok(scratch.clone());
        }
        let scratch = Directory::scratch(&self.scratch_dir(), self.0.options.clone(), Arc::clone(&self.0.counters))?;
        Ok(self.0.scratch.get_or_init(|| scratch).clone())
    }

    /// The same, where it was made already.
    pub(crate) fn scratch_that_is_there(&self) -> Result<Option<Directory>, Error> {
        if self.scratch_dir().exists() { self.scratch().map(Some) } else { Ok(None) }
    }

    /// By endpoint and name, so that two stores do not share one.
    fn scratch_dir(&self) -> PathBuf {
        let place = &self.0.client.place;
        let hash = polder_crypto::sha256(format!("polder.scratch.1:{}|{}", place.address.endpoint(), place.address.name()).as_bytes());
        place.temporary.join(hex::encode(hash.first_chunk::<8>().copied().unwrap_or_default()))
    }

    /// Removes temporary files of dead processes, and every upload that was begun and not completed.
    pub(super) fn sweep(&self) -> Result<u64, Error> {
        let mut swept = self.scratch_that_is_there()?.map_or(Ok(0), |scratch| scratch.sweep_temporaries())?;
        let client = Arc::clone(&self.0.client);
        let prefix = client.place.address.key("");
        let aborted = self.0.io.wait(async move {
            let mut aborted = 0;
            for (key, upload) in client.uploads(&prefix).await? {
                let Ok(key) = Path::parse(&key) else { continue };
                client.abort(&key, &upload).await?;
                aborted += 1;
            }
            Ok(aborted)
        });
        swept += aborted.map_err(|trouble| Error::bucket("sweep the uploads of", &self.name(), trouble))?;
        Ok(swept)
    }

    /// 32 hexadecimal digits that nobody else draws.
    pub(crate) fn random_name(&self) -> Result<String, Error> {
        let mut random = [0u8; 16];
        self.0.options.rng.fill(&mut random)?;
        Ok(hex::encode(random))
    }

    /// Removes an object. Whether it was there is not told.
    pub(crate) fn delete(&self, path: &str) -> Result<(), Error> {
        self.delete_all(&[path.to_owned()]).into_iter().collect()
    }

    /// Removes objects. Whether they were there is not told.
    pub(super) fn delete_all(&self, paths: &[String]) -> Vec<Result<(), Error>> {
        Live::add(&self.0.counters.deletes, paths.len() as u64);
        let keys: Vec<Result<Path, Error>> =
            paths.iter().map(|path| self.step(Operation::Delete, path).and_then(|()| self.key(path))).collect();
        let wanted: Vec<Option<String>> = keys.iter().map(|key| key.as_ref().ok().map(Path::to_string)).collect();
        let client = Arc::clone(&self.0.client);
        let deleted = self.0.io.wait(async move {
            let deletes = wanted.into_iter().map(|key| {
                let client = Arc::clone(&client);
                async move {
                    match key {
                        Some(key) => client.delete(&key).await,
                        None => Ok(()),
                    }
                }
            });
            Ok(stream::iter(deletes).buffered(DELETES_AT_ONCE).collect::<Vec<_>>().await)
        });
        let deleted = deleted.unwrap_or_else(|trouble: Trouble| vec![Err(trouble); paths.len()]);
        let results = keys.into_iter().zip(deleted).zip(paths);
        results.map(|((key, deleted), path)| key.and(deleted.map_err(|trouble| Error::bucket("delete", path, trouble)))).collect()
    }
}
