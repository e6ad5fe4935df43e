//! `polder policy test`.

use std::path::PathBuf;

use polder_types::{Clock, ErrorKind, SystemClock};
use serde_json::{Value, json};

use super::{Governed, by, time};
use crate::cli::Output;
use crate::failure::{Failure, Outcome};
use crate::policy_test::{self, Case, Miss};
use crate::print::{self, Listing};
use crate::project::Project;

/// The exit code when a case is not as expected, as programs that test end.
const FAILED: u8 = 1;

/// Runs the cases of these files, or of all.
///
/// # Errors
/// With exit code 1 when a case is not as expected; when a file is wrong, or there is no case.
pub fn test(project: &Project, files: &[PathBuf], output: Output) -> Outcome {
    let governed = Governed::of(project)?;
    let cases = policy_test::read(project.dir(), files, &governed.tables)?;
    if cases.is_empty() {
        let text = "test the policies: policies/tests/ holds no cases; docs/format/policy.md shows how such a file looks";
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    let now_micros = time(None, SystemClock.now_ms())?;
    let run = |case: Case| {
        let groups = project.environment().groups_of(case.principal.as_str());
        let misses = case.run(&governed.policies, &governed.tables, &groups, now_micros);
        (case, misses)
    };
    let ran: Vec<(Case, Vec<Miss>)> = cases.into_iter().map(run).collect();
    let failed = ran.iter().filter(|(_, misses)| !misses.is_empty()).count();
    match output {
        Output::Table => lines(&ran, failed)?,
        Output::Json => print::json(&document(&ran, failed))?,
        other => listing(&ran).print(other)?,
    }
    if failed == 0 {
        return Ok(());
    }
    let text = format!("test the policies: {failed} of {} cases not as expected; correct policies/, or what the case expects", ran.len());
    Err(Failure::new(ErrorKind::Rejected, text).exiting(FAILED))
}

fn lines(ran: &[(Case, Vec<Miss>)], failed: usize) -> Outcome {
    for (case, misses) in ran.iter().filter(|(_, misses)| !misses.is_empty()) {
        print::line(&format!("FAIL  {}, line {}: {}", case.file, case.line, case.name))?;
        for Miss { line, what, expected, got, policies } in misses {
            print::line(&format!("  line {line}, {what}: expected {expected}, got {got} ({})", by(policies)))?;
        }
    }
    let cases = if ran.len() == 1 { "1 case".to_owned() } else { format!("{} cases", ran.len()) };
    print::line(&format!("{cases}: {} as expected, {failed} not", ran.len().saturating_sub(failed)))
}

fn listing(ran: &[(Case, Vec<Miss>)]) -> Listing {
    let mut listing = Listing::new(&["file", "line", "case", "what", "expected", "got", "policies"]);
    for (case, miss) in ran.iter().flat_map(|(case, misses)| misses.iter().map(move |miss| (case, miss))) {
        listing.row([
            json!(case.file),
            json!(miss.line),
            json!(case.name),
            json!(miss.what),
            json!(miss.expected),
            json!(miss.got),
            json!(miss.policies),
        ]);
    }
    listing
}

fn document(ran: &[(Case, Vec<Miss>)], failed: usize) -> Value {
    let miss = |miss: &Miss| json!({ "line": miss.line, "what": miss.what, "expected": miss.expected, "got": miss.got, "policies": miss.policies });
    let cases: Vec<Value> = ran
        .iter()
        .map(|(case, misses)| {
            json!({
                "file": case.file, "line": case.line, "name": case.name, "as": case.principal.as_str(), "table": case.table.as_str(),
                "passed": misses.is_empty(), "misses": misses.iter().map(miss).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "cases": cases, "passed": ran.len().saturating_sub(failed), "failed": failed })
}
