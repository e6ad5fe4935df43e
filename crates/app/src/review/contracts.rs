//! Contracts that changed: what each newly lets in, who approved it, and what becomes of rows that are stored.

use std::collections::BTreeSet;

use polder_contract::change::{Step, compare};
use polder_contract::{Change, Contract};
use polder_engine::strictest;

use crate::failure::Outcome;
use crate::review::approval::Judge;
use crate::review::snapshot::{ContractFile, Snapshot};
use crate::review::{Level, Review, TableReview, Verdict};

/// Compares two readings of a table's contract, as policies weigh classifications.
pub fn changes(old: Option<&Contract>, new: Option<&Contract>) -> Vec<Change> {
    compare(old, new, &|words| strictest(words.iter().copied()))
}

pub(super) fn review(review: &mut Review, old: &Snapshot, new: &Snapshot, judge: &Judge<'_>) -> Outcome {
    let files = old.contracts.iter().chain(&new.contracts);
    let tables: BTreeSet<&str> = files.map(|file| file.contract.table.as_str()).collect();
    for table in tables {
        let (before, after) = (old.contract(table), new.contract(table));
        // One that cannot be used is no contract that is gone.
        let broken = |file: &ContractFile| new.problems.iter().any(|problem| problem.file == file.file);
        if after.is_none() && before.is_some_and(broken) {
            continue;
        }
        table_changed(review, table, before, after, judge)?;
    }
    Ok(())
}

fn table_changed(
    review: &mut Review,
    table: &str,
    before: Option<&ContractFile>,
    after: Option<&ContractFile>,
    judge: &Judge<'_>,
) -> Outcome {
    let mut changes = changes(before.map(|file| &file.contract), after.map(|file| &file.contract));
    if let Some(after) = after {
        // What is gone has a line of the old file, which may be longer.
        changes.iter_mut().for_each(|change| change.line = change.line.min(after.lines).max(1));
    }
    let Some(file) = after.or(before).map(|file| file.file.clone()) else { return Ok(()) };
    let signed = after.map(|after| judge.signed(after));
    let approved = matches!(signed, Some(Ok(_)));
    let subject = format!("table {table}");
    if changes.is_empty() {
        if let Some(Err(why)) = signed {
            let message = format!("contract {table} did not change, and lets nothing in: {why}");
            review.found("not-approved", Level::Warning, subject, &file, 1, message);
        }
        return Ok(());
    }
    let widens = changes.iter().any(Change::widens);
    let verdict = match after {
        Some(after) if widens => judge.judge(before, after)?,
        _ => Verdict::NothingNew,
    };
    if let (true, Verdict::Approved(_), Some(after)) = (widens, &verdict, after)
        && let Some(commit) = judge.approved_before(after)?
    {
        let message = format!(
            "contract {table} is as it was approved once and changed since (commit {}): that approval is taken for this change; see that it is meant",
            commit.short()
        );
        review.found("approved-before", Level::Warning, subject.clone(), &file, 1, message);
    }
    for change in &changes {
        found(review, change, &subject, &file, &verdict);
    }
    if let (true, Verdict::Unapproved(why)) = (widens, &verdict) {
        let message = format!(
            "contract {table} newly lets something in, and no approval of it counts: {why}; an approver of environment {} reads what changed and runs `polder contract approve {table}`",
            review.environment
        );
        review.found("unapproved-widening", Level::Error, subject.clone(), &file, 1, message);
    } else if after.is_some() && !approved {
        let message = format!(
            "contract {table} lets nothing new in and is not approved as it stands, so no row comes in until it is: `polder contract approve {table}`"
        );
        review.found("not-approved", Level::Warning, subject.clone(), &file, 1, message);
    }
    review.tables.push(TableReview { table: table.to_owned(), file, changes, verdict, approved });
    Ok(())
}

/// A change as findings.
fn found(review: &mut Review, change: &Change, subject: &str, file: &str, verdict: &Verdict) {
    let unapproved = matches!(verdict, Verdict::Unapproved(_));
    let level = if change.widens() && unapproved { Level::Error } else { Level::Note };
    review.found(change.kind.name(), level, subject, file, change.line, sentence(change));
    if change.migration.step == Step::Refuse {
        review.found(
            "refused-migration",
            Level::Warning,
            subject,
            file,
            change.line,
            format!("{}: {}", change.what, change.migration.text),
        );
    }
}

/// A change in one sentence.
pub(super) fn sentence(change: &Change) -> String {
    let mut text = change.what.clone();
    for (word, said) in [("newly lets in", &change.lets_in), ("keeps out", &change.keeps_out), ("breaks", &change.breaks)] {
        if let Some(said) = said {
            text.push_str(&format!("; {word}: {said}"));
        }
    }
    text + &format!("; migration: {}", change.migration.text)
}
