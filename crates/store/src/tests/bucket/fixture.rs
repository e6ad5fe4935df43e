//! A real store under a prefix of a bucket, with keys of its own.

use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use polder_keys::{Keys, LocalCustody};
use polder_types::{Clock, DatasetId, LineageId, Secret, SystemClock, SystemRng};
use tempfile::TempDir;

use super::moto;
use crate::tests::fixture::rng;
use crate::{Area, Backend, Credentials, Error, Options, Patience, S3Address, S3Credentials, S3Place, SealedStore};

/// What no error may ever repeat.
pub(super) const SECRET: &str = "wJalrXUtnFEMIsecret";
pub(super) const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";

#[derive(Debug)]
pub(super) struct Fixed;

impl S3Credentials for Fixed {
    fn read(&self) -> Result<Credentials, String> {
        let secret = |text: &str| Secret::new(text.to_owned());
        Ok(Credentials { access_key_id: secret(KEY_ID), secret_access_key: secret(SECRET), session_token: Some(secret("token-secret")) })
    }
}

/// A store in a bucket of its own.
pub(super) struct Fixture {
    pub(super) dir: TempDir,
    pub(super) bucket: String,
    pub(super) keys: Keys,
    pub(super) store: SealedStore,
    pub(super) table: DatasetId,
}

/// Where a store lies; `beside` is the machine's directory for temporary files.
pub(super) fn place(endpoint: &str, location: &str, beside: &std::path::Path) -> S3Place {
    let address = S3Address::parse(location, Some(endpoint), None, true).unwrap();
    S3Place { address, ca_pem: None, credentials: Arc::new(Fixed), temporary: beside.to_owned() }
}

pub(super) fn plain(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Short, so that a test which waits for the end of patience does not wait long.
pub(super) fn patience() -> Patience {
    Patience {
        connect: Duration::from_secs(5),
        request: Duration::from_secs(20),
        visible: Duration::from_secs(60),
        rest: Duration::from_secs(60),
        attempts: 8,
        pause: Duration::from_millis(2),
    }
}

pub(super) fn options() -> Options {
    Options { patience: patience(), ..Options::default() }
}

impl Fixture {
    pub(super) async fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock)).await
    }

    pub(super) async fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let port = moto::shared().port;
        let (dir, bucket) = (TempDir::new().unwrap(), moto::bucket(port));
        let backend =
            Backend::create_s3(place(&plain(port), &format!("{bucket}/some/where"), &dir.path().join("beside")), options()).unwrap();
        let custody = Arc::new(LocalCustody::create_key_file(&dir.path().join("key"), rng()).unwrap());
        let lineage = LineageId::random(&SystemRng).unwrap();
        let keys = Keys::create(lineage, custody, Arc::new(backend.clone()), clock, rng()).await.unwrap();
        let table = keys.add_dataset("table:flights").await.unwrap();
        let store = SealedStore::new(backend, keys.clone(), rng());
        Self { dir, bucket, keys, store, table }
    }

    pub(super) fn path(&self, rest: &str) -> Path {
        SealedStore::path(Area::Tables, self.table, rest)
    }

    pub(super) fn place(&self, port: u16) -> S3Place {
        place(&plain(port), &format!("{}/some/where", self.bucket), &self.dir.path().join("beside"))
    }

    /// The same store, as another process opens it, by way of a port.
    pub(super) fn open(&self, port: u16, options: Options) -> Result<Backend, Error> {
        Backend::open_s3(self.place(port), options)
    }

    pub(super) fn by_way_of(&self, port: u16, options: Options) -> SealedStore {
        SealedStore::new(self.open(port, options).unwrap(), self.keys.clone(), rng())
    }

    /// The bytes of an object as the bucket holds them, headers and all.
    pub(super) fn raw(&self, path: &str) -> String {
        moto::ask(moto::shared().port, "GET", &format!("/{}/some/where/{path}", self.bucket), b"")
    }

    /// Puts bytes into the bucket behind the store's back.
    pub(super) fn plant(&self, path: &str, bytes: &[u8]) {
        let answer = moto::ask(moto::shared().port, "PUT", &format!("/{}/some/where/{path}", self.bucket), bytes);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Uploads that were begun and not completed, as the storage tells.
    pub(super) fn open_uploads(&self) -> usize {
        let answer = moto::ask(moto::shared().port, "GET", &format!("/{}?uploads", self.bucket), b"");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.matches("<UploadId>").count()
    }
}
