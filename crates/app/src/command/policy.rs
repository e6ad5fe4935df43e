//! `polder policy`: what policies say of reads, and whether that is what is meant. Of these, [`explain()`] alone opens an installation.

mod check;
mod diff;
mod explain;
mod test;

use polder_contract::Contract;
use polder_engine::Models;
use polder_policy::{Policies, TableRef};
use polder_types::ErrorKind;

use crate::described::files;
use crate::failure::{Failure, Outcome};
use crate::policy_test::instant;
use crate::project::Project;

pub use check::check;
pub use diff::diff;
pub use explain::{explain, of_another};
pub use test::test;

/// The policies of a project with what they can speak of, from its files alone.
struct Governed {
    files: Vec<(String, String)>,
    policies: Policies,
    /// The tables of contracts, then the models.
    tables: Vec<TableRef>,
}

impl Governed {
    fn of(project: &Project) -> Outcome<Self> {
        let contracts: Vec<Contract> = project.contracts()?.into_iter().map(|(_, contract)| contract).collect();
        let models: Vec<_> = project.models()?.into_iter().map(|(name, text)| (format!("models/{name}.sql"), text)).collect();
        let models = Models::load(&models)?;
        let files = project.policy_files()?;
        let policies = Policies::load(&files, &files::of_contracts(&contracts)).map_err(crate::review::snapshot::policy_failure)?;
        Ok(Self { files, policies, tables: files::tables(&contracts, Some(&models)) })
    }
}

/// The time that is asked about, in microseconds since 1970: `at`, or now.
fn time(at: Option<&str>, now_ms: i64) -> Outcome<i64> {
    match at {
        None => Ok(now_ms.saturating_mul(1_000)),
        Some(at) => instant(at).ok_or_else(|| {
            Failure::new(ErrorKind::Invalid, format!("take --at {at}: it is no point in time; write one such as 2026-01-31T08:00:00Z"))
        }),
    }
}

/// The policies that decided, for people.
fn by(policies: &[String]) -> String {
    if policies.is_empty() { "no policy permits it".to_owned() } else { format!("by {}", policies.join(", ")) }
}
