//! `polder audit`: verify, show, export, proof, anchor.

use std::collections::BTreeSet;
use std::path::Path;

use polder_audit::{Anchor, Filter, Hash, Resolved};
use polder_policy::Action;
use polder_store::FileKind;
use polder_types::event::Phase;
use polder_types::{ErrorKind, EventKind, RequestId};
use serde_json::{Value, json};

use crate::cli::Output;
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::print::{self, Listing, text, time};
use crate::project::Project;
use crate::verification::{Verified, verify_all};

/// Findings of one verification that are recorded, at most: the state keeps no more of them.
const RECORDED_MAX: usize = 1_000;

/// `audit verify`.
///
/// # Errors
/// When something cannot be read now. What is wrong is no error yet: [`report`] makes it one.
pub async fn verify(installation: &Installation) -> Outcome<Verified> {
    verify_all(installation).await
}

/// `audit verify --record`: each object that is wrong and not recorded yet, or that all is as it must be.
///
/// # Errors
/// When it is not permitted, or cannot be recorded.
pub async fn record(installation: &Installation, verified: &Verified) -> Outcome {
    installation.require(Action::Audit).await?;
    let known: BTreeSet<String> = installation.journal.state().integrity_failures.iter().map(|failure| failure.object.clone()).collect();
    let found: BTreeSet<&str> = verified.failures.iter().map(|(object, _)| recordable(object)).collect();
    for object in found.iter().filter(|object| !known.contains(**object)).take(RECORDED_MAX) {
        installation.record(EventKind::IntegrityFailed { object: (*object).to_owned() }).await?;
    }
    if found.is_empty() {
        installation.record(EventKind::IntegrityVerified { entries: verified.entries, files: verified.files }).await?;
    }
    Ok(())
}

/// The log holds ids only, and names of strange files or of the anchor are somebody's words.
fn recordable(object: &str) -> &str {
    match FileKind::of(object) {
        FileKind::Unknown if matches!(object, "the log" | "lease") => object,
        FileKind::Unknown => "another file than the store's",
        _ => object,
    }
}

/// What `audit verify` found.
///
/// # Errors
/// Integrity broken, with the objects named.
pub fn report(verified: &Verified, output: Output) -> Outcome {
    if output == Output::Json {
        let failures: Vec<Value> = verified.failures.iter().map(|(object, what)| json!({"object": object, "what": what})).collect();
        print::json(&json!({
            "intact": verified.failures.is_empty(), "entries": verified.entries, "files": verified.files, "bytes": verified.bytes,
            "destroyed": verified.destroyed.iter().map(|gone| json!({"dataset": gone.dataset, "key_version": gone.key_version,
                "objects": gone.objects, "log_entry": gone.recorded.index, "time": time(gone.recorded.time_ms)})).collect::<Vec<_>>(),
            "anchor": verified.anchored.map(|consistent| if consistent { "consistent" } else { "failed" }), "failures": failures,
        }))?;
    } else if verified.failures.is_empty() {
        text(&format!(
            "verified {} log entries and {} files ({} bytes): all is as it was recorded",
            verified.entries, verified.files, verified.bytes
        ))?;
        for gone in &verified.destroyed {
            text(&format!(
                "{} objects of {} were destroyed by key destruction: version {} of its key, recorded at entry {} on {}",
                gone.objects,
                gone.dataset,
                gone.key_version,
                gone.recorded.index,
                time(gone.recorded.time_ms)
            ))?;
        }
        if verified.anchored.is_none() {
            text("no anchor is configured: a rollback of the whole installation to an older state cannot be detected")?;
        }
    }
    if verified.failures.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = verified.failures.iter().map(|(object, what)| format!("{object}: {what}")).collect();
    let text = format!(
        "verify the installation: {} objects are not as they must be; keep a copy for the investigation, then restore them",
        list.len()
    );
    Err(Failure::list(ErrorKind::Corrupt, text, &list))
}

/// `audit anchor --init`: from now on the newest checkpoint is also written to the file that `polder.yaml` names.
///
/// # Errors
/// When it is not permitted, `polder.yaml` names no anchor, its file exists, or it cannot be written.
pub async fn begin_anchor(project: Project, wait: Option<u64>) -> Outcome {
    let path = project.environment().anchor.as_ref().map(|path| project.path(path)).ok_or_else(|| {
        Failure::new(ErrorKind::Invalid, "begin an anchor: polder.yaml names none; write `anchor: FILE` into the environment first")
    })?;
    if path.symlink_metadata().is_ok() {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!("begin the anchor {}: it exists already and is left as it is; name another file in polder.yaml", path.display()),
        ));
    }
    // Opened without it first: nobody but who may reads the log, and nothing happens without a record.
    let installation = Installation::open_anchored(project.clone(), wait, None).await?;
    installation.require(Action::Audit).await?;
    if let Some(before) = installation.journal.state().anchor_begun {
        eprintln!(
            "warning: the log had an anchor before, begun at entry {} on {}: whoever rolls a store back removes its anchor too",
            before.index,
            time(before.time_ms)
        );
    }
    installation.record(EventKind::AnchorBegun { phase: Phase::Intent }).await?;
    crate::failpoint::hit("anchor-intent");
    installation.close().await?;
    let installation = Installation::open_anchored(project, wait, Some(Anchor::new_file(&path))).await?;
    crate::failpoint::hit("anchor-written");
    installation.record(EventKind::AnchorBegun { phase: Phase::Outcome }).await?;
    let entries = installation.journal.size();
    installation.close().await?;
    text(&format!("the anchor {} holds the checkpoint of {entries} entries; each command that writes moves it on", path.display()))
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
        .record(EventKind::ReadDecided {
            request,
            datasets: Vec::new(),
            allowed: true,
            policies: vec!["Audit".to_owned()],
            session: None,
            grants: Vec::new(),
        })
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
    installation.record(EventKind::ReadFinished { request, rows, complete: true, bytes: None }).await
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

fn hashes(path: &[Hash]) -> Vec<String> {
    path.iter().map(|hash| hex::encode(hash.0)).collect()
}

/// `audit proof --since`: that the log of so many entries is the beginning of this one.
///
/// # Errors
/// When the log was never that long.
pub async fn consistency(installation: &Installation, since: u64) -> Outcome {
    let proof = installation.journal.consistency_proof(since).await?;
    print::json(&json!({
        "old_size": proof.old_size, "old_root": hex::encode(proof.old_root.0), "size": proof.size, "root": hex::encode(proof.root.0),
        "path": hashes(&proof.path), "checkpoint": proof.checkpoint,
    }))
}

/// `audit proof`: that an entry is in the log.
///
/// # Errors
/// When there is no such entry.
pub async fn inclusion(installation: &Installation, index: u64) -> Outcome {
    let proof = installation.journal.inclusion_proof(index).await?;
    print::json(&json!({
        "index": proof.index, "leaf_hash": hex::encode(proof.leaf_hash.0), "size": proof.size, "root": hex::encode(proof.root.0),
        "path": hashes(&proof.path), "checkpoint": proof.checkpoint,
    }))
}
