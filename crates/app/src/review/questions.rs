//! Relationships and rules in SQL that cannot be asked: what a load would refuse, told before the change is taken over.

use polder_contract::{Contract, Problem};

use crate::ingest::unaskable;
use crate::review::snapshot::Snapshot;
use crate::review::{Level, Review};

pub(super) fn review(review: &mut Review, old: &Snapshot, new: &Snapshot) {
    // By table: its file may have another name since.
    let of_table = |snapshot: &Snapshot, problem: &Problem| {
        let file = snapshot.contracts.iter().find(|file| file.file == problem.file);
        (file.map(|file| file.contract.table.clone()), problem.problem.clone())
    };
    let before: Vec<_> = problems(old).iter().map(|problem| of_table(old, problem)).collect();
    for problem in problems(new) {
        let file = new.contracts.iter().find(|file| file.file == problem.file);
        let subject = file.map_or_else(|| format!("file {}", problem.file), |file| format!("table {}", file.contract.table));
        // What could not be asked before is not this change's doing; it is no better for that.
        let level = if before.contains(&of_table(new, &problem)) { Level::Warning } else { Level::Error };
        let message = format!("{}; {}", problem.problem, problem.advice);
        review.found("cannot-be-asked", level, subject, &problem.file, problem.line, message);
    }
}

/// All of them. Where a contract or a model cannot be used, which is told, nobody knows what tables there are, and nothing is said of them.
fn problems(snapshot: &Snapshot) -> Vec<Problem> {
    let unused = |file: &str| file.starts_with("contracts/") && !snapshot.contracts.iter().any(|known| known.file == file);
    let whole = !snapshot.problems.iter().any(|problem| unused(&problem.file));
    let Some(models) = snapshot.models.as_ref().filter(|_| whole) else { return Vec::new() };
    let contracts: Vec<&Contract> = snapshot.contracts.iter().map(|file| &file.contract).collect();
    unaskable(&contracts, models, |_, _| true)
}
