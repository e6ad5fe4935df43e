//! What no approval covers and someone who reviews must look at: sources, policies, and whom pipelines tell.

use polder_connect::Connection;

use crate::review::snapshot::Snapshot;
use crate::review::{Level, Review};

pub(super) fn review(review: &mut Review, old: &Snapshot, new: &Snapshot) {
    for source in &new.sources {
        if let Some(before) = old.sources.iter().find(|before| before.name == source.name) {
            changed(review, before, source, new);
        }
    }
    policies(review, old, new);
    pipelines(review, old, new);
}

fn changed(review: &mut Review, before: &Connection, after: &Connection, new: &Snapshot) {
    let mut differences = Vec::new();
    if before.source_type != after.source_type {
        differences.push((None, "it is of another type".to_owned()));
    }
    if before.path != after.path {
        differences.push((None, format!("it is read from {}, and was from {}", after.path.display(), before.path.display())));
    }
    if before.bucket != after.bucket && before.path == after.path {
        differences.push((None, "its bucket is at another endpoint, or reached by other keys".to_owned()));
    }
    if before.database != after.database {
        differences.push((None, "it reads another database, with other queries, or in another way".to_owned()));
    }
    for (name, dataset) in &after.datasets {
        if before.datasets.get(name).is_some_and(|before| before != dataset) {
            differences.push((Some(name), format!("dataset {name} is read from other files or in another way")));
        }
    }
    for (dataset, what) in differences {
        let reads = |contract: &&crate::review::snapshot::ContractFile| {
            contract.contract.source == after.name && dataset.is_none_or(|dataset| contract.contract.dataset == *dataset)
        };
        let tables: Vec<&str> = new.contracts.iter().filter(reads).map(|file| file.contract.table.as_str()).collect();
        let filled = if tables.is_empty() { "no table".to_owned() } else { tables.join(", ") };
        let message = format!("source {}: {what}; it fills {filled}, and no approval covers where rows come from", after.name);
        review.found("source-file-changed", Level::Warning, format!("source {}", after.name), &after.file, 1, message);
    }
}

fn policies(review: &mut Review, old: &Snapshot, new: &Snapshot) {
    let text = |snapshot: &Snapshot, file: &str| snapshot.policies.iter().find(|(other, _)| other == file).map(|(_, text)| text.clone());
    let mut files: Vec<&String> = old.policies.iter().chain(&new.policies).map(|(file, _)| file).collect();
    files.sort();
    files.dedup();
    for file in files {
        let (before, after) = (text(old, file), text(new, file));
        if before == after {
            continue;
        }
        let what = match (before, after) {
            (None, _) => "is new",
            (_, None) => "is gone",
            _ => "changed",
        };
        let message = format!("{file} {what}: other people may do other things, which no approval covers");
        review.found("policies-changed", Level::Warning, "policies", file, 1, message);
    }
}

/// What a pipeline tells leaves the installation, and a command of it runs with the rights of whoever runs the pipelines.
fn pipelines(review: &mut Review, old: &Snapshot, new: &Snapshot) {
    for pipeline in &new.pipelines {
        let channels =
            |pipeline: &crate::pipeline::Pipeline| pipeline.notify.as_ref().map(|notify| notify.channels.clone()).unwrap_or_default();
        let before = old.pipelines.iter().find(|before| before.name == pipeline.name).map(channels).unwrap_or_default();
        let after = channels(pipeline);
        let mut differences = Vec::new();
        if after.webhook.is_some() && after.webhook != before.webhook {
            differences.push("its notices are posted elsewhere or in another way");
        }
        if after.smtp.is_some() && after.smtp != before.smtp {
            differences.push("its notices are mailed to others or in another way");
        }
        if after.command.is_some() && after.command != before.command {
            differences.push("its notices run another program, with the rights of whoever runs the pipelines");
        }
        for what in differences {
            let message = format!("pipeline {}: {what}, which no approval covers", pipeline.name);
            review.found("pipeline-changed", Level::Warning, format!("pipeline {}", pipeline.name), &pipeline.file, 1, message);
        }
    }
}
