//! Verifies the log, every file of the store, and the tables and refused rows against the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use object_store::ObjectStoreExt as _;
use object_store::path::Path as ObjectPath;
use polder_audit::{AnchorStatus, Recorded, State, TableHead};
use polder_keys::format::{Envelope, WrapKind};
use polder_keys::{Custody, KeyringVault, Keys};
use polder_store::{Area, FileKind, PhysicalFile};
use polder_types::event::{KeyChange, TableOperation};
use polder_types::{DatasetId, ErrorKind};

use crate::command::serve::certificate;
use crate::failure::Outcome;
use crate::ingest::{Offsets, store_failure};
use crate::installation::Installation;
use crate::progress::Progress;
use crate::removal::DROPPED;

/// What verifying the whole installation found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Entries of the log.
    pub entries: u64,
    /// Files of the store, each of which was opened.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Object and what is wrong with it.
    pub failures: Vec<(String, String)>,
    /// What went with a destroyed key, as the log says it did.
    pub destroyed: Vec<Destroyed>,
    /// Whether the anchor agrees; none without an anchor.
    pub anchored: Option<bool>,
}

/// Objects that nobody can read since a version of their key was destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroyed {
    /// The dataset's name.
    pub dataset: String,
    /// The version of its key.
    pub key_version: u32,
    /// How many objects of the store that is.
    pub objects: u64,
    /// Where the log says so.
    pub recorded: Recorded,
}

/// Verifies the log, every file of the store, and tables and refused rows against the log.
///
/// # Errors
/// When something cannot be read now. What is wrong is no error but a finding.
pub async fn verify_all(installation: &Installation) -> Outcome<Verified> {
    let mut verified = Verified::default();
    let found = installation.journal.verify().await?;
    verified.entries = found.entries;
    verified.anchored = match found.anchor {
        AnchorStatus::None => None,
        AnchorStatus::Consistent { .. } => Some(true),
        AnchorStatus::Failed => Some(false),
    };
    verified.failures.extend(found.failures.into_iter().map(|failure| (failure.object, failure.what)));
    let progress = Progress::start("verify files");
    // The keyring was read before the log was, so what it destroyed the log knows of.
    let mut walk = Walk::new(installation)?;
    for file in installation.store.backend().every_file()? {
        verified.files += 1;
        verified.bytes += file.bytes;
        progress.at(verified.files, file.path.clone());
        if let Some(what) = walk.file(&file).await? {
            verified.failures.push((file.path, what));
        }
    }
    drop(progress);
    let Walk { state, newest_epoch, named, destroyed, names, .. } = walk;
    verified.destroyed = destroyed
        .into_iter()
        .map(|((dataset, key_version), (objects, recorded))| {
            let dataset = names.get(&dataset).cloned().unwrap_or_else(|| dataset.to_string());
            Destroyed { dataset, key_version, objects, recorded }
        })
        .collect();
    if newest_epoch < state.epoch {
        let what = format!("it was rolled back: its newest epoch is {newest_epoch}, and the log knows of epoch {}", state.epoch);
        verified.failures.push(("lease".to_owned(), what));
    }
    verified.failures.extend(missing_quarantine(installation, &state, &named).await?);
    verified.failures.extend(missing_profiles(installation, &state, &named).await?);
    let register = crate::identities::verify(installation).await?;
    verified.failures.extend(register.filter(|(object, _)| verified.failures.iter().all(|(known, _)| known != object)));
    verified.failures.extend(missing_certificates(installation, &state, &named).await?);
    for dataset in state.tables.keys() {
        let found = verify_table(installation, *dataset).await?;
        // A file that does not open was named when it was opened.
        verified.failures.extend(found.filter(|(object, _)| verified.failures.iter().all(|(known, _)| known != object)));
    }
    let seen: BTreeSet<(String, String)> = verified.failures.drain(..).collect();
    verified.failures.extend(seen);
    Ok(verified)
}

/// What is seen on the way through the files.
struct Walk<'a> {
    installation: &'a Installation,
    custody: Arc<dyn Custody>,
    state: Arc<State>,
    names: BTreeMap<DatasetId, String>,
    newest_epoch: u64,
    /// Objects that the log may name one by one.
    named: BTreeSet<String>,
    /// By dataset and key version: how many objects, and where the log says that they went.
    destroyed: BTreeMap<(DatasetId, u32), (u64, Recorded)>,
}

impl<'a> Walk<'a> {
    fn new(installation: &'a Installation) -> Outcome<Self> {
        Ok(Self {
            installation,
            custody: crate::installation::custody(&installation.project)?,
            state: installation.journal.state(),
            names: installation.keys.datasets().into_iter().map(|info| (info.id, info.name)).collect(),
            newest_epoch: 0,
            named: BTreeSet::new(),
            destroyed: BTreeMap::new(),
        })
    }

    /// What is wrong with a file, if anything.
    async fn file(&mut self, file: &PhysicalFile) -> Outcome<Option<String>> {
        match file.kind {
            FileKind::Object(area, dataset) => {
                if matches!(area, Area::Quarantine | Area::Profiles | Area::Authority) {
                    self.named.insert(file.path.clone());
                }
                self.object(&file.path, dataset).await
            }
            FileKind::Unknown => Ok(Some("it is none of the store's files; find out who put it there".to_owned())),
            FileKind::Keyring(version) => self.keyring(version).await,
            FileKind::Lease(epoch) => {
                self.newest_epoch = self.newest_epoch.max(epoch);
                Ok(None)
            }
            FileKind::Temporary | FileKind::Reserve | FileKind::Socket => Ok(None),
        }
    }

    async fn object(&mut self, path: &str, dataset: DatasetId) -> Outcome<Option<String>> {
        let mut checked = self.installation.store.verify(&ObjectPath::from(path)).await;
        if matches!(checked, Err(polder_store::Error::NoKey { .. })) {
            // A writer beside us may have made the key since we read the keyring.
            self.installation.keys.renew().await?;
            checked = self.installation.store.verify(&ObjectPath::from(path)).await;
        }
        let Err(error) = checked else {
            let dropped = self.names.get(&dataset).is_some_and(|name| name.starts_with(DROPPED));
            let dropping = self.state.open_maintenance.iter().any(|open| open.operation == TableOperation::Drop);
            let what = "it belongs to a table that was dropped; find out who put it there";
            return Ok((dropped && !dropping).then(|| what.to_owned()));
        };
        if let polder_store::Error::Destroyed { key_version, .. } = &error
            && let Some(recorded) = self.state.destroyed(dataset, *key_version, path)
        {
            self.destroyed.entry((dataset, *key_version)).or_insert((0, recorded)).0 += 1;
            return Ok(None);
        }
        match error.kind() {
            ErrorKind::Corrupt => Ok(Some(error.to_string())),
            // Removed by a writer since it was listed; what must be there is looked for by name.
            ErrorKind::NotFound => Ok(None),
            _ => Err(error.into()),
        }
    }

    /// Opens a keyring version. One that another root wrapped cannot be opened and should not be there: a rotation deletes it.
    async fn keyring(&self, version: u64) -> Outcome<Option<String>> {
        let checked = async {
            let bytes = self.installation.store.backend().read(version).await?;
            let envelope = Envelope::parse(version, &bytes)?;
            let root = self.custody.describe().root;
            if envelope.wraps.iter().any(|wrap| wrap.kind == WrapKind::Custody && wrap.root != root) {
                return Ok(false);
            }
            let (clock, rng) = (Arc::clone(&self.installation.clock), Arc::clone(&self.installation.rng));
            Keys::open(Arc::clone(&self.custody), Arc::new(OneVersion(version, bytes)), clock, rng).await.map(|_| true)
        };
        match checked.await {
            Ok(true) => Ok(None),
            Ok(false) => {
                let rotating = |change| matches!(change, KeyChange::RootRotated | KeyChange::RootRecovered);
                // A newer one is of a writer beside us.
                let expected = version > self.installation.keys.keyring_version()
                    || self.state.open_key_changes.iter().any(|open| rotating(open.change));
                let what = "another root key than the one in use wrapped it; the next command that writes deletes it, and if it \
                            comes back, find out who puts it there";
                Ok((!expected).then(|| what.to_owned()))
            }
            Err(error) => match error.kind() {
                ErrorKind::Corrupt => Ok(Some(error.to_string())),
                // Removed by a writer meanwhile.
                ErrorKind::NotFound => Ok(None),
                _ => Err(error.into()),
            },
        }
    }
}

/// Refused rows that the log names and the store does not hold.
async fn missing_quarantine(installation: &Installation, state: &State, seen: &BTreeSet<String>) -> Outcome<Vec<(String, String)>> {
    let mut missing = Vec::new();
    for (table, objects) in &state.quarantine {
        for (object, kept) in objects.iter().filter(|(object, _)| !seen.contains(*object)) {
            // A writer beside us may have dropped the table.
            installation.journal.refresh().await?;
            let newer = installation.journal.state();
            let still = !newer.dropping(*table) && newer.quarantine.get(table).is_some_and(|objects| objects.contains_key(object));
            if still {
                let what = format!("entry {} of the log names it, with {} refused rows, and it is gone", kept.index, kept.rows);
                missing.push((object.clone(), what));
            }
        }
    }
    Ok(missing)
}

/// Profiles that the log names and the store does not hold.
async fn missing_profiles(installation: &Installation, state: &State, seen: &BTreeSet<String>) -> Outcome<Vec<(String, String)>> {
    let mut missing = Vec::new();
    for (dataset, profile) in state.profiles.iter().filter(|(_, profile)| !seen.contains(&profile.object)) {
        // A writer beside us may have put a newer one in its place.
        installation.journal.refresh().await?;
        if installation.journal.state().profiles.get(dataset) == Some(profile) {
            let what = format!("entry {} of the log names it, a profile of a source, and it is gone", profile.index);
            missing.push((profile.object.clone(), what));
        }
    }
    Ok(missing)
}

/// Certificates that the log names and the store does not hold.
async fn missing_certificates(installation: &Installation, state: &State, seen: &BTreeSet<String>) -> Outcome<Option<(String, String)>> {
    let Some((head, object)) = state.certificates.as_ref().zip(certificate::newest(installation, state)) else { return Ok(None) };
    if seen.contains(object.as_ref()) {
        return Ok(None);
    }
    // A writer beside us may have made others, and removed these.
    installation.journal.refresh().await?;
    let still = installation.journal.state().certificates.as_ref() == Some(head);
    let what = format!("entry {} of the log names it, the certificate authority, and it is gone", head.index);
    Ok(still.then(|| (object.to_string(), what)))
}

/// One keyring version of the store, as if there were no other.
struct OneVersion(u64, Vec<u8>);

#[async_trait]
impl KeyringVault for OneVersion {
    async fn versions(&self) -> Result<Vec<u64>, polder_keys::Error> {
        Ok(vec![self.0])
    }

    async fn read(&self, _version: u64) -> Result<Vec<u8>, polder_keys::Error> {
        Ok(self.1.clone())
    }

    async fn create(&self, version: u64, _bytes: Vec<u8>) -> Result<(), polder_keys::Error> {
        Err(polder_keys::Error::VersionExists { version })
    }

    async fn delete(&self, _version: u64) -> Result<(), polder_keys::Error> {
        Ok(())
    }
}

/// What is wrong with a table and what belongs to it: everything that the log names is there, and is what it names.
async fn verify_table(installation: &Installation, dataset: DatasetId) -> Outcome<Option<(String, String)>> {
    loop {
        let state = installation.journal.state();
        let Some(head) = state.tables.get(&dataset).filter(|_| !state.dropping(dataset)) else { return Ok(None) };
        let found = match installation.lake(None)?.verify(dataset).await {
            // What went with its key was counted among the files.
            Ok(()) => match old_log(installation, &state, dataset).await? {
                None => missing_offsets(installation, dataset, head).await?,
                found => found,
            },
            Err(polder_lake::Error::Destroyed { .. }) => missing_offsets(installation, dataset, head).await?,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                Some((error.object().map_or_else(|| format!("tables/{dataset}"), str::to_owned), error.to_string()))
            }
            Err(error) => return Err(error.into()),
        };
        if found.is_none() {
            return Ok(None);
        }
        // A writer beside us may have gone on, and removed what the versions that we know of name.
        installation.journal.refresh().await?;
        let newer = installation.journal.state();
        if newer.tables.get(&dataset).map(|newer| newer.version) == Some(head.version) && newer.size == state.size {
            return Ok(found);
        }
    }
}

/// A commit file of before an erasure that was put back. While an erasure is open it may be one that it did not come to yet.
async fn old_log(installation: &Installation, state: &State, dataset: DatasetId) -> Outcome<Option<(String, String)>> {
    let erased = state.tables.get(&dataset).is_some_and(|head| head.oldest_readable() > 0);
    if !erased || state.open_erasures.iter().any(|(table, open)| *table == dataset || open.models.contains_key(&dataset)) {
        return Ok(None);
    }
    let what = "rows were erased from the table since, and with them what this object told; find out who put it there";
    Ok(installation.lake(None)?.unerased_log(dataset).await?.map(|object| (object, what.to_owned())))
}

/// The files that a loaded table holds are known from its offsets alone: without them an append would load all of them again.
async fn missing_offsets(installation: &Installation, dataset: DatasetId, head: &TableHead) -> Outcome<Option<(String, String)>> {
    if !head.versions.iter().any(|version| version.sequence == head.sequence && version.operation.remembers()) {
        return Ok(None);
    }
    // Whether it opens was found out already.
    let path = Offsets::path(dataset, head.sequence);
    match installation.store.head(&path).await {
        Err(object_store::Error::NotFound { .. }) => Ok(Some((path.to_string(), "the log names its sequence, and it is gone".to_owned()))),
        Err(error) if polder_store::kind_of(&error) != ErrorKind::Corrupt => Err(store_failure("look for the offsets", &error)),
        _ => Ok(None),
    }
}
