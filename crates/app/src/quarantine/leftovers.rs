//! What batches that were not committed left in quarantine. A failed load that is tried again and again must not fill the disk, and
//! why it fails must still be seen: of the newest such batch of a table its first object stays, of the older ones nothing.

use std::collections::{BTreeMap, BTreeSet};

use object_store::ObjectStoreExt;
use polder_types::{EventKind, RunId};

use super::{Object, gone, objects};
use crate::failure::Outcome;
use crate::ingest::{Offsets, store_failure};
use crate::installation::Installation;

/// Deletes what is left over in a table's quarantine, but for the sample of the newest batch that was not committed; `failed` is
/// the run whose batch has just failed. Where a killed run left it, that its batch failed is recorded first.
///
/// # Errors
/// When the store or the log fails. What was not deleted is so the next time.
pub async fn delete(installation: &Installation, table: &str, failed: Option<RunId>) -> Outcome {
    let Some(dataset) = installation.keys.find(&format!("table:{table}")) else { return Ok(()) };
    let mut batches = uncommitted(installation, table).await?;
    let state = installation.journal.state();
    let known = |run: &str| run.parse::<RunId>().ok().and_then(|run| Some((run, state.runs.get(&run)?)));
    let newest = |((sequence, run), _): &(&(u64, String), &Vec<Object>)| {
        (failed.is_some_and(|failed| failed.to_string() == *run), known(run).map_or(0, |(_, info)| info.started_ms), *sequence)
    };
    if let Some(key) = batches.iter().max_by_key(newest).map(|(key, _)| key.clone())
        && let Some(objects) = batches.get_mut(&key)
    {
        // They are listed in their order: the first one holds the sample.
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        objects.drain(..1.min(objects.len()));
    }
    for ((_, run), objects) in batches {
        let killed = known(&run).filter(|(run, info)| Some(*run) != failed && info.finished.is_none());
        if let Some((run, _)) = killed.filter(|_| !objects.is_empty()) {
            installation.record(EventKind::BatchFailed { run, dataset, counts: None, error: "killed".to_owned() }).await?;
        }
        for object in objects {
            installation
                .store
                .delete(&object.path)
                .await
                .map_err(|error| store_failure("delete refused rows of a failed batch", &error))?;
        }
    }
    Ok(())
}

/// The objects of batches that were certainly not committed, by sequence and run. In doubt an object is not among them.
async fn uncommitted(installation: &Installation, table: &str) -> Outcome<BTreeMap<(u64, String), Vec<Object>>> {
    let mut batches: BTreeMap<(u64, String), Vec<Object>> = BTreeMap::new();
    let Some(dataset) = installation.keys.find(&format!("table:{table}")) else { return Ok(batches) };
    let state = installation.journal.state();
    if state.open_intents.iter().any(|intent| intent.dataset == dataset) {
        // Whether that batch is committed is not settled.
        return Ok(batches);
    }
    let mut of_sequence: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for object in objects(installation, table).await? {
        of_sequence.entry(object.sequence).or_default().insert(object.run.clone());
        batches.entry((object.sequence, object.run.clone())).or_default().push(object);
    }
    // Offsets that went with their key say nothing any more.
    let lost = gone(installation, dataset);
    let versions = state.tables.get(&dataset).map(|head| head.versions.clone()).unwrap_or_default();
    for (sequence, runs) in of_sequence {
        let Some(version) = versions.iter().find(|version| version.sequence == sequence && version.operation.loads()) else { continue };
        let alone = runs.len() == 1 && version.counts.is_some_and(|counts| counts.quarantined > 0);
        // One run's objects where the log counts refused rows are that batch's; of several, the offsets name the one.
        let offsets = match alone || lost.contains(Offsets::path(dataset, sequence).as_ref()) {
            true => None,
            false => Offsets::read(installation, dataset, sequence).await?,
        };
        batches.retain(|(at, run), _| *at != sequence || offsets.as_ref().is_some_and(|offsets| offsets.run != *run));
    }
    Ok(batches)
}
