//! What the log knows of which models read a table. A model's file says what it reads now; what lies in the store was computed by what the file
//! said then, and the versions before by what it said before that.

use std::collections::{BTreeMap, BTreeSet};

use polder_audit::Filter;
use polder_types::event::TableOperation;
use polder_types::{DatasetId, EventKind, TableName};

use crate::failure::Outcome;
use crate::installation::Installation;
use crate::removal::DROPPED;

/// Entries of the log that are read at a time.
const ENTRIES_AT_ONCE: u64 = 4_096;
/// So many entries before the beginning of a model's batch the one is found by which it was let read.
const DECIDED_BEFORE: u64 = 32;

/// Datasets that may hold what a model's build read of a table, through other models too, whatever the models say now: those of stored models, and
/// those of which no build was committed. A table that had the name before it was dropped counts as the same.
///
/// # Errors
/// When the log cannot be read.
pub(super) async fn readers(installation: &Installation, name: &TableName, table: DatasetId) -> Outcome<BTreeSet<DatasetId>> {
    let read = read_by_builds(installation).await?;
    // A table that was dropped, and of which models hold rows, had the name before.
    let before = format!("{DROPPED}table:{name}:");
    let former = installation.keys.datasets().into_iter().filter(|info| info.name.starts_with(&before)).map(|info| info.id);
    let tables: BTreeSet<DatasetId> = former.chain([table]).collect();
    let mut tainted = tables.clone();
    loop {
        let more: Vec<DatasetId> = read
            .iter()
            .filter(|(model, read)| !tainted.contains(*model) && read.as_ref().is_none_or(|read| !read.is_disjoint(&tainted)))
            .map(|(model, _)| *model)
            .collect();
        if more.is_empty() {
            break;
        }
        tainted.extend(more);
    }
    Ok(tainted.difference(&tables).copied().collect())
}

/// What the builds of each model read; none when the log does not tell for one of them.
async fn read_by_builds(installation: &Installation) -> Outcome<BTreeMap<DatasetId, Option<BTreeSet<DatasetId>>>> {
    let state = installation.journal.state();
    let mut models: BTreeMap<DatasetId, (String, bool)> = BTreeMap::new();
    for info in installation.keys.datasets() {
        let Some(name) = info.name.strip_prefix("table:") else { continue };
        let head = state.tables.get(&info.id);
        let built = head.is_some_and(|head| head.versions.iter().any(|version| version.operation == TableOperation::Model));
        // Of one of which nothing was committed nobody knows whether it is a model's.
        if built || head.is_none_or(|head| head.sequence == 0) {
            models.insert(info.id, (format!("model:{name}"), built));
        }
    }
    let mut read: BTreeMap<DatasetId, Option<BTreeSet<DatasetId>>> = BTreeMap::new();
    if models.is_empty() {
        return Ok(read);
    }
    let size = installation.journal.size();
    let mut from = 0;
    while from < size {
        let to = from.saturating_add(ENTRIES_AT_ONCE).min(size);
        for entry in installation.journal.entries(from..to).await? {
            let EventKind::BatchStarted { dataset, .. } = entry.event else { continue };
            let Some((actor, built)) = models.get(&dataset) else { continue };
            match decided(installation, actor, entry.index).await? {
                Some(datasets) => {
                    if let Some(read) = read.entry(dataset).or_insert_with(|| Some(BTreeSet::new())) {
                        read.extend(datasets);
                    }
                }
                // In doubt it read the table. What was never built and let read nothing is no model.
                None if *built => drop(read.insert(dataset, None)),
                None => {}
            }
        }
        from = to;
    }
    for (model, _) in models.iter().filter(|(_, (_, built))| *built) {
        read.entry(*model).or_insert(None);
    }
    Ok(read)
}

/// What a model was let read shortly before an entry.
async fn decided(installation: &Installation, actor: &str, index: u64) -> Outcome<Option<Vec<DatasetId>>> {
    let range = Some(index.saturating_sub(DECIDED_BEFORE)..index);
    let filter = Filter { range, kinds: vec!["read_decided".to_owned()], actor: Some(actor.to_owned()), ..Filter::default() };
    let shown = installation.journal.show(&filter, 1).await?.pop();
    Ok(shown.and_then(|shown| match shown.entry.event {
        EventKind::ReadDecided { datasets, allowed: true, .. } => Some(datasets),
        _ => None,
    }))
}
