//! `polder ci`: a change of the project, reviewed before it is taken over.

use std::path::Path;

use polder_types::ErrorKind;
use serde_json::{Value, json};

use crate::cli::Output;
use crate::command::diff::change_json;
use crate::failure::{Failure, Outcome};
use crate::git::Repository;
use crate::print::{self, Listing};
use crate::review::{Review, Verdict, junit, markdown, sarif, text};

/// What is compared with when nothing is named, the first that there is.
const BASES: [&str; 5] = ["origin/HEAD", "origin/main", "origin/master", "main", "master"];

/// Reviews the change and prints what it comes to, whatever that is.
///
/// # Errors
/// With exit code 1 when the change is refused; when files cannot be used, or git cannot be asked.
pub async fn run(dir: &Path, environment: &str, base: Option<&str>, output: Output) -> Outcome {
    let base = match base {
        Some(base) => base.to_owned(),
        None => found(dir)?,
    };
    let review = Review::of(dir, environment, &base).await?;
    known(&review, dir, environment)?;
    match output {
        Output::Table => text::lines(&review).iter().try_for_each(|line| print::line(line))?,
        Output::Json => print::json(&document(&review))?,
        Output::Markdown => print::document(&markdown::document(&review))?,
        Output::Junit => print::document(&junit::document(&review))?,
        Output::Sarif => print::json(&sarif::document(&review))?,
        Output::Csv | Output::Arrow => listing(&review).print(output)?,
    }
    review.refusal().map_or(Ok(()), Err)
}

fn found(dir: &Path) -> Outcome<String> {
    let repository = Repository::open(dir)?;
    let base = BASES.iter().find(|base| repository.revision(base).is_ok());
    base.map(|base| (*base).to_owned()).ok_or_else(|| {
        let text = format!("compare with git: there is none of {}; name what the change goes into with --base", BASES.join(", "));
        Failure::new(ErrorKind::Invalid, text)
    })
}

/// An environment that is misspelt has no approvers, and would refuse everything for the wrong reason.
fn known(review: &Review, dir: &Path, environment: &str) -> Outcome {
    let readable = !review.findings.iter().any(|finding| finding.file == crate::project::FILE && finding.rule == "unreadable");
    if readable { crate::project::Project::find(Some(dir), environment).map(drop) } else { Ok(()) }
}

fn listing(review: &Review) -> Listing {
    let mut listing = Listing::new(&["level", "rule", "subject", "file", "line", "message"]);
    for finding in &review.findings {
        listing.row([
            json!(finding.level.name()),
            json!(finding.rule),
            json!(finding.subject),
            json!(finding.file),
            json!(finding.line),
            json!(finding.message),
        ]);
    }
    listing
}

fn document(review: &Review) -> Value {
    let tables: Vec<Value> = review
        .tables
        .iter()
        .map(|table| {
            let (verdict, by, why) = match &table.verdict {
                Verdict::NothingNew => ("nothing-new", Vec::new(), None),
                Verdict::Approved(by) => ("approved", by.clone(), None),
                Verdict::Unapproved(why) => ("unapproved", Vec::new(), Some(why)),
            };
            let changes: Vec<Value> = table.changes.iter().map(change_json).collect();
            json!({
                "table": table.table, "file": table.file, "verdict": verdict, "approved_by": by, "why": why,
                "approved_as_it_stands": table.approved, "changes": changes,
            })
        })
        .collect();
    let findings: Vec<Value> = review
        .findings
        .iter()
        .map(|finding| {
            json!({
                "rule": finding.rule, "level": finding.level.name(), "subject": finding.subject, "file": finding.file,
                "line": finding.line, "message": finding.message,
            })
        })
        .collect();
    json!({
        "base": review.base, "commit": review.commit.as_str(), "environment": review.environment,
        "refused": review.refusal().is_some(), "tables": tables, "findings": findings,
    })
}
