//! `polder audit`: verify, show, export, proof.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::path::Path as ObjectPath;
use polder_audit::{AnchorStatus, Filter, Resolved, TableHead};
use polder_keys::format::{Envelope, WrapKind};
use polder_keys::{Custody, KeyringVault, Keys};
use polder_policy::Action;
use polder_store::FileKind;
use polder_types::event::TableOperation;
use polder_types::{DatasetId, ErrorKind, EventKind, RequestId};
use serde_json::{Value, json};

use crate::cli::Output;
use crate::failure::{Failure, Outcome};
use crate::ingest::Offsets;
use crate::installation::Installation;
use crate::print::{self, Listing, text, time};
use crate::progress::Progress;

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
    /// Whether the anchor agrees; none without an anchor.
    pub anchored: Option<bool>,
}

/// Verifies the log, every file of the store, and the tables against the log.
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
    let custody = crate::installation::custody(&installation.project)?;
    let mut newest_epoch = 0;
    for file in installation.store.backend().every_file()? {
        verified.files += 1;
        verified.bytes += file.bytes;
        progress.at(verified.files, file.path.clone());
        match file.kind {
            FileKind::Object(..) => {
                let path = ObjectPath::from(file.path.as_str());
                if let Err(error) = installation.store.verify(&path).await {
                    match error.kind() {
                        ErrorKind::Corrupt | ErrorKind::NotFound => verified.failures.push((file.path, error.to_string())),
                        _ => return Err(error.into()),
                    }
                }
            }
            FileKind::Unknown => {
                verified.failures.push((file.path, "it is none of the store's files; find out who put it there".to_owned()))
            }
            FileKind::Keyring(version) => {
                if let Err(error) = verify_keyring(installation, Arc::clone(&custody), version).await {
                    match error.kind() {
                        ErrorKind::Corrupt => verified.failures.push((file.path, error.to_string())),
                        // Removed by a writer meanwhile.
                        ErrorKind::NotFound => {}
                        _ => return Err(error.into()),
                    }
                }
            }
            FileKind::Lease(epoch) => newest_epoch = newest_epoch.max(epoch),
            FileKind::Temporary | FileKind::Reserve => {}
        }
    }
    drop(progress);
    let state = installation.journal.state();
    if newest_epoch < state.epoch {
        let what = format!("it was rolled back: its newest epoch is {newest_epoch}, and the log knows of epoch {}", state.epoch);
        verified.failures.push(("lease".to_owned(), what));
    }
    for dataset in state.tables.keys() {
        verified.failures.extend(verify_table(installation, *dataset).await?);
    }
    let seen: BTreeSet<(String, String)> = verified.failures.drain(..).collect();
    verified.failures.extend(seen);
    Ok(verified)
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

/// Opens a keyring version. One that is wrapped by a root key that was withdrawn since cannot be opened: its form is checked.
async fn verify_keyring(installation: &Installation, custody: Arc<dyn Custody>, version: u64) -> Result<(), polder_keys::Error> {
    let bytes = installation.store.backend().read(version).await?;
    let envelope = Envelope::parse(version, &bytes)?;
    let root = custody.describe().root;
    if envelope.wraps.iter().any(|wrap| wrap.kind == WrapKind::Custody && wrap.root != root) {
        return Ok(());
    }
    let (clock, rng) = (Arc::clone(&installation.clock), Arc::clone(&installation.rng));
    Keys::open(custody, Arc::new(OneVersion(version, bytes)), clock, rng).await.map(drop)
}

/// What is wrong with a table and what belongs to it: everything that the log names is there, and is what it names.
async fn verify_table(installation: &Installation, dataset: DatasetId) -> Outcome<Option<(String, String)>> {
    loop {
        let state = installation.journal.state();
        let Some(head) = state.tables.get(&dataset) else { return Ok(None) };
        let found = match installation.lake(None)?.verify(dataset).await {
            Ok(()) => missing_offsets(installation, dataset, head).await?,
            Err(error) if error.kind() == ErrorKind::Corrupt => Some((format!("tables/{dataset}"), error.to_string())),
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

/// The files that a loaded table holds are known from its offsets alone: without them an append would load all of them again.
async fn missing_offsets(installation: &Installation, dataset: DatasetId, head: &TableHead) -> Outcome<Option<(String, String)>> {
    let loaded = |operation| matches!(operation, TableOperation::Append | TableOperation::Replace);
    if !head.versions.iter().any(|version| version.sequence == head.sequence && loaded(version.operation)) {
        return Ok(None);
    }
    match Offsets::read(&installation.store, dataset, head.sequence).await {
        Ok(Some(_)) => Ok(None),
        Ok(None) => Ok(Some((Offsets::path(dataset, head.sequence).to_string(), "the log names its sequence, and it is gone".to_owned()))),
        // That it does not open was found already.
        Err(failure) if failure.kind() == ErrorKind::Corrupt => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// `audit verify`.
///
/// # Errors
/// Integrity broken, with the objects named; or when something cannot be read now.
pub async fn verify(installation: &Installation, output: Output) -> Outcome {
    let verified = verify_all(installation).await?;
    if output == Output::Json {
        let failures: Vec<Value> = verified.failures.iter().map(|(object, what)| json!({"object": object, "what": what})).collect();
        print::json(&json!({
            "intact": verified.failures.is_empty(), "entries": verified.entries, "files": verified.files, "bytes": verified.bytes,
            "anchor": verified.anchored.map(|consistent| if consistent { "consistent" } else { "failed" }), "failures": failures,
        }))?;
    } else if verified.failures.is_empty() {
        text(&format!(
            "verified {} log entries and {} files ({} bytes): all is as it was recorded",
            verified.entries, verified.files, verified.bytes
        ))?;
        if verified.anchored.is_none() {
            text("no anchor is configured: a rollback of the whole installation to an older state cannot be detected")?;
        }
    }
    if verified.failures.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = verified.failures.iter().map(|(object, what)| format!("  {object}: {what}")).collect();
    Err(Failure::new(
        ErrorKind::Corrupt,
        format!(
            "verify the installation: {} objects are not as they must be; keep a copy for the investigation, then restore them\n{}",
            list.len(),
            list.join("\n")
        ),
    ))
}

/// `audit show`: a recorded read.
///
/// # Errors
/// When it is not permitted, or the log cannot be read.
pub async fn show(installation: &Installation, limit: usize, kind: Option<&str>, output: Output) -> Outcome {
    if let Some(kind) = kind {
        known_event(kind)?;
    }
    installation.require(Action::Audit).await?;
    let request = RequestId::random(installation.rng.as_ref())?;
    installation
        .record(EventKind::ReadDecided { request, datasets: Vec::new(), allowed: true, policies: vec!["Audit".to_owned()] })
        .await?;
    let filter = Filter { kinds: kind.map(str::to_owned).into_iter().collect(), ..Filter::default() };
    let shown = installation.journal.show(&filter, limit).await?;
    let mut listing = Listing::new(&["index", "time", "event", "actor", "details", "private"]);
    let resolved = |value: &Resolved| match value {
        Resolved::Value(value) => json!(value),
        Resolved::Erased => json!("(erased)"),
    };
    for entry in &shown {
        let mut event = serde_json::to_value(&entry.entry.event).unwrap_or_default();
        let name = event.as_object_mut().and_then(|map| map.remove("type")).unwrap_or_default();
        let details = if output == Output::Table { json!(brief(&event)) } else { event };
        let private: serde_json::Map<String, Value> = entry.private.iter().map(|(key, value)| (key.clone(), resolved(value))).collect();
        let private = if output == Output::Table { json!(brief(&Value::Object(private))) } else { Value::Object(private) };
        listing.row([json!(entry.entry.index), json!(time(entry.entry.time_ms)), name, resolved(&entry.actor), details, private]);
    }
    let rows = shown.len() as u64;
    listing.print(output)?;
    installation.record(EventKind::ReadFinished { request, rows, complete: true }).await
}

/// A kind of which there is no event would show an empty log, which looks like an answer.
fn known_event(kind: &str) -> Outcome {
    let Err(error) = serde_json::from_value::<EventKind>(json!({ "type": kind })) else { return Ok(()) };
    let error = error.to_string();
    let Some((_, known)) = error.strip_prefix("unknown variant").and_then(|rest| rest.split_once("expected one of")) else {
        return Ok(());
    };
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    Err(Failure::new(
        ErrorKind::Invalid,
        format!("show events of type {kind}: there is no such type; {}", polder_contract::yaml::suggest(kind, &known)),
    ))
}

/// `key=value` of an event's fields, hashes cut short.
fn brief(event: &Value) -> String {
    let short = |value: &Value| match value {
        Value::String(text) if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("{}…", text.get(..8).unwrap_or_default())
        }
        Value::String(text) => text.replace('\n', " "),
        other => other.to_string(),
    };
    match event {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| format!("{key}={}", short(value)))
            .collect::<Vec<_>>()
            .join(" "),
        other => short(other),
    }
}

/// `audit export`.
///
/// # Errors
/// When the directory is not new, or the log is not as it must be.
pub async fn export(installation: &Installation, to: &Path, output: Output) -> Outcome {
    let report = installation.journal.export(to).await?;
    if output == Output::Json {
        return print::json(&json!({
            "entries": report.size, "root": report.root, "origin": report.origin, "vkey": report.vkey, "files": report.files, "bytes": report.bytes,
        }));
    }
    text(&format!("exported {} entries as tlog-tiles to {}: {} files, {} bytes", report.size, to.display(), report.files, report.bytes))?;
    text(&format!("origin  {}", report.origin))?;
    text(&format!("vkey    {}   (give it to the verifier by another way than the export)", report.vkey))
}

/// `audit proof`.
///
/// # Errors
/// When there is no such entry.
pub async fn proof(installation: &Installation, index: u64) -> Outcome {
    let proof = installation.journal.inclusion_proof(index).await?;
    let hashes: Vec<String> = proof.path.iter().map(|hash| hex::encode(hash.0)).collect();
    print::json(&json!({
        "index": proof.index, "leaf_hash": hex::encode(proof.leaf_hash.0), "size": proof.size, "root": hex::encode(proof.root.0),
        "path": hashes, "checkpoint": proof.checkpoint,
    }))
}
