//! `polder policy diff`.

use polder_contract::Problems;
use polder_types::{Clock, ErrorKind, SystemClock};
use serde_json::{Value, json};

use super::{by, time};
use crate::cli::Output;
use crate::failure::{Failure, Outcome};
use crate::git::Repository;
use crate::print::{self, Listing};
use crate::project::Project;
use crate::review::reads::{Difference, Side, differences, for_purposes};
use crate::review::snapshot::{Snapshot, Tree};

/// What was compared.
struct Compared<'a> {
    base: &'a str,
    commit: &'a str,
    environment: &'a str,
}

/// Prints what may newly be read, and what no longer, by everyone whom policies or `polder.yaml` name.
///
/// # Errors
/// When a file that decides reads is wrong, now or at the base, or git cannot be asked.
pub fn diff(project: &Project, base: &str, at: Option<&str>, output: Output) -> Outcome {
    let now_micros = time(at, SystemClock.now_ms())?;
    let repository = Repository::open(project.dir())?;
    let revision = repository.revision(base)?;
    let new = Snapshot::policies_of(&Tree::Work(project.dir()))?;
    if !new.problems.is_empty() {
        return Err(Problems(new.problems).into());
    }
    let old = Snapshot::policies_of(&Tree::Revision(&repository, &revision))?;
    if !old.problems.is_empty() {
        let items: Vec<String> = old.problems.iter().map(ToString::to_string).collect();
        let text = format!(
            "compare with {base} ({}): files of it cannot be used, so nobody knows what they permitted; name another commit",
            revision.short()
        );
        return Err(Failure::list(ErrorKind::Invalid, text, &items));
    }
    let (before, after) = (Side::of(&old, project.name())?, Side::of(&new, project.name())?);
    let found = differences(&before, &after, now_micros);
    let compared = Compared { base, commit: revision.short(), environment: project.name() };
    match output {
        Output::Table => lines(&compared, &found)?,
        Output::Json => print::json(&document(&compared, revision.as_str(), &found))?,
        other => listing(&found).print(other)?,
    }
    if at.is_none() && (before.looks_at_time() || after.looks_at_time()) {
        print::note("policies look at the time: this is how they decide now; --at TIME asks for another time");
    }
    Ok(())
}

fn lines(compared: &Compared<'_>, found: &[Difference]) -> Outcome {
    let Compared { base, commit, environment } = compared;
    if found.is_empty() {
        return print::line(&format!("everyone may read what they might at {base} ({commit}), in environment {environment}"));
    }
    print::line(&format!("compared with {base} ({commit}), in environment {environment}:"))?;
    for (permits, heading) in [(true, "newly permitted"), (false, "no longer permitted")] {
        let mut of = found.iter().filter(|difference| difference.permits == permits).peekable();
        if of.peek().is_some() {
            print::line(heading)?;
        }
        for difference in of {
            let Difference { who, table, .. } = difference;
            print::line(&format!("  table {table}, {who}: {} ({})", difference.sentence(), by(&difference.policies)))?;
        }
    }
    Ok(())
}

fn listing(found: &[Difference]) -> Listing {
    let mut listing = Listing::new(&["change", "table", "who", "what", "before", "after", "purposes", "policies"]);
    for difference in found {
        listing.row([
            json!(if difference.permits { "permitted" } else { "denied" }),
            json!(difference.table),
            json!(difference.who),
            json!(difference.what),
            json!(difference.before),
            json!(difference.after),
            json!(difference.purposes.as_deref().map(for_purposes)),
            json!(difference.policies),
        ]);
    }
    listing
}

fn document(compared: &Compared<'_>, commit: &str, found: &[Difference]) -> Value {
    let of = |permits: bool| -> Vec<Value> {
        let entry = |difference: &Difference| {
            json!({
                "table": difference.table, "who": difference.who, "what": difference.what, "before": difference.before,
                "after": difference.after, "purposes": difference.purposes, "policies": difference.policies,
            })
        };
        found.iter().filter(|difference| difference.permits == permits).map(entry).collect()
    };
    json!({
        "base": compared.base, "commit": commit, "environment": compared.environment, "permitted": of(true), "denied": of(false),
    })
}
