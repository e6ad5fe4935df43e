//! A review as lines for people.

use polder_contract::Change;

use crate::review::{Finding, Level, Review, TableReview, Verdict};

/// The lines.
pub fn lines(review: &Review) -> Vec<String> {
    let mut lines = vec![format!("compared with {} ({}), for environment {}", review.base, review.commit.short(), review.environment)];
    for table in &review.tables {
        lines.push(String::new());
        lines.extend(table_lines(table));
    }
    let others: Vec<&Finding> = others(review).collect();
    if !others.is_empty() {
        lines.push(String::new());
        lines.extend(
            others.iter().map(|finding| format!("{:<8} {}:{}  {}", finding.level.name(), finding.file, finding.line, finding.message)),
        );
    }
    lines.push(String::new());
    lines.push(conclusion(review));
    lines
}

/// Findings that are no changes of contracts, which are told with their table.
pub(super) fn others(review: &Review) -> impl Iterator<Item = &Finding> {
    let told = |finding: &&Finding| {
        polder_contract::ChangeKind::ALL.iter().any(|kind| kind.name() == finding.rule && finding.subject.starts_with("table "))
    };
    review.findings.iter().filter(move |finding| !told(finding))
}

/// The changes of a table's contract.
pub fn table_lines(table: &TableReview) -> Vec<String> {
    let mut lines = vec![format!("table {} in {}: {}", table.table, table.file, verdict(table))];
    lines.extend(table.changes.iter().flat_map(change_lines));
    lines
}

/// One change.
pub fn change_lines(change: &Change) -> Vec<String> {
    let mut lines = vec![format!("  line {:<4} {}", change.line, change.what)];
    for (word, said) in facts(change) {
        lines.push(format!("            {word:<15}{said}"));
    }
    lines
}

/// What a change newly lets in, keeps out and breaks, and the migration.
pub(super) fn facts(change: &Change) -> Vec<(&'static str, &str)> {
    let said = [("newly lets in", &change.lets_in), ("keeps out", &change.keeps_out), ("breaks", &change.breaks)];
    let mut facts: Vec<(&'static str, &str)> = said.into_iter().filter_map(|(word, said)| Some((word, said.as_deref()?))).collect();
    facts.push(("migration", &change.migration.text));
    facts
}

/// Whether what a table's contract newly lets in is approved, in words.
pub(super) fn verdict(table: &TableReview) -> String {
    match &table.verdict {
        Verdict::NothingNew if table.approved => "lets nothing new in; approved".to_owned(),
        Verdict::NothingNew => "lets nothing new in".to_owned(),
        Verdict::Approved(by) => format!("lets something new in, approved by {}", by.join(", ")),
        Verdict::Unapproved(why) => format!("lets something new in, NOT APPROVED: {why}"),
    }
}

/// What it comes to.
pub(super) fn conclusion(review: &Review) -> String {
    let of = |level: Level| review.findings.iter().filter(|finding| finding.level == level).count();
    match (of(Level::Error), of(Level::Warning)) {
        (0, 0) => "nothing stands against it".to_owned(),
        (0, warnings) => format!("nothing stands against it; {} to look at", count(warnings, "finding")),
        (errors, _) => format!("refused: {}", count(errors, "finding")),
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
