//! Where the sealed store lies, as the settings say: in a directory, or under a prefix of a bucket, by keys that references name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_store::{Backend, Credentials, Options, S3Credentials, S3Place};
use polder_types::{ErrorKind, Secret};

use crate::failure::{Failure, Outcome};
use crate::project::Project;
use crate::secret_ref;
use crate::settings::{S3Store, Store};

/// The project's store, open.
///
/// # Errors
/// When there is none, others may read or change it, or its storage cannot be reached.
pub fn backend(project: &Project) -> Outcome<Backend> {
    match &project.environment().store {
        Store::Directory(directory) => Ok(Backend::with_faults(&project.path(directory), crate::failpoint::of_the_store())?),
        Store::S3(store) => {
            let options = Options { faults: crate::failpoint::of_the_store(), ..Options::default() };
            Ok(Backend::open_s3(place(store, project.dir())?, options)?)
        }
    }
}

/// What it takes to reach a bucket. Paths of the settings are relative to `base`.
///
/// # Errors
/// When the file of authorities cannot be read, or there is no place for temporary files.
pub fn place(store: &S3Store, base: &Path) -> Outcome<S3Place> {
    let ca_pem = authorities(store.ca.as_deref(), base, "the store")?;
    let temporary = match &store.temporary {
        Some(directory) => base.join(directory),
        None => default_temporary()?,
    };
    let references = References {
        access_key_id: store.access_key_id.clone(),
        secret_access_key: store.secret_access_key.clone(),
        session_token: store.session_token.clone(),
        base: base.to_owned(),
    };
    Ok(S3Place { address: store.address.clone(), ca_pem, credentials: Arc::new(references), temporary })
}

/// The certificates of the only authorities that are trusted, of a file relative to `base`.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn authorities(ca: Option<&str>, base: &Path, whose: &str) -> Outcome<Option<Vec<u8>>> {
    let Some(file) = ca.map(|file| base.join(file)) else { return Ok(None) };
    std::fs::read(&file).map(Some).map_err(|error| {
        let text = format!("read {}, `ca` of {whose}; check its path and mode", file.display());
        Failure::because(ErrorKind::Unavailable, text, &error)
    })
}

/// The cache of the user's account: what lies there is of no use to anyone once the process has ended.
fn default_temporary() -> Outcome<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // systemd gives a service its own by CacheDirectory=.
    absolute("CACHE_DIRECTORY")
        .or_else(|| absolute("XDG_CACHE_HOME"))
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("polder"))
        .ok_or_else(|| {
            Failure::new(
                ErrorKind::Invalid,
                "choose a place for sealed temporary files: the account has no home directory; set `temporary` of the store in polder.yaml",
            )
        })
}

/// Keys by reference, read whenever they are asked for: what was rotated is taken at the next request.
#[derive(Debug)]
pub(crate) struct References {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
    /// What paths of files are relative to.
    pub(crate) base: PathBuf,
}

impl References {
    fn read(&self, reference: &str) -> Result<Secret<String>, String> {
        secret_ref::resolve(reference, &self.base).map_err(|failure| failure.to_string())
    }
}

impl S3Credentials for References {
    fn read(&self) -> Result<Credentials, String> {
        let session_token = self.session_token.as_ref().map(|reference| Self::read(self, reference)).transpose()?;
        Ok(Credentials {
            access_key_id: Self::read(self, &self.access_key_id)?,
            secret_access_key: Self::read(self, &self.secret_access_key)?,
            session_token,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn store(rest: &str) -> S3Store {
        let text = format!(
            "environments:\n  default:\n    store: {{s3: data/polder, region: eu-west-3, access_key_id: file:id, secret_access_key: file:key{rest}}}\n    keys: {{custody: key-file, path: k}}\n"
        );
        match Settings::parse(&text, "polder.yaml").unwrap().environments.remove("default").unwrap().store {
            Store::S3(store) => *store,
            Store::Directory(directory) => panic!("{directory}"),
        }
    }

    #[test]
    fn keys_that_were_rotated_are_taken_at_the_next_request() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(&store(", temporary: t"), dir.path()).unwrap();
        let missing = place.credentials.read().unwrap_err();
        assert!(missing.contains("read the secret file"), "{missing}");
        for round in ["first-keys", "second-keys"] {
            std::fs::write(dir.path().join("id"), format!("id-{round}\n")).unwrap();
            std::fs::write(dir.path().join("key"), format!("key-{round}\n")).unwrap();
            let read = place.credentials.read().unwrap();
            assert_eq!(*read.access_key_id.expose_secret(), format!("id-{round}"));
            assert_eq!(*read.secret_access_key.expose_secret(), format!("key-{round}"));
            assert!(read.session_token.is_none());
            assert!(!format!("{read:?} {place:?}").contains(round));
        }
        assert_eq!(place.temporary, dir.path().join("t"));
    }

    #[test]
    fn a_file_of_authorities_that_is_not_there_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let failure = place(&store(", ca: none.pem, temporary: t"), dir.path()).unwrap_err();
        assert!(failure.to_string().contains("none.pem") && failure.kind() == ErrorKind::Unavailable, "{failure}");
    }
}
