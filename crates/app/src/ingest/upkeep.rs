//! What a load leaves of its table in the store, and what is advised or done about it: merges leave rows that are deleted and lie there
//! all the same, and every load leaves a few files.

use polder_lake::{DELETED_PERCENT_MAX, Lake, Optimized, Storage};
use polder_policy::Action;

use super::BatchReport;
use crate::failure::Outcome;
use crate::installation::Installation;

/// What is advised for a table; nothing where it is not worth it.
pub fn advice(table: &str, storage: &Storage) -> Option<String> {
    if !storage.is_due() {
        return None;
    }
    let Storage { files, small_files, thin_files, .. } = *storage;
    Some(match thin_files {
        0 => format!("{small_files} of its {files} files are small: `polder table optimize {table}` puts them together"),
        _ => format!(
            "{} % of its stored rows are deleted, and more than {DELETED_PERCENT_MAX} % of those in {thin_files} of its {files} files: `polder table optimize {table}` writes these anew",
            storage.deleted_percent()
        ),
    })
}

/// Optimises a table for which that is advised after its load. The load stands whatever comes of it: what failed is told with the advice.
pub async fn optimize(installation: &Installation, lake: &Lake, report: &mut BatchReport) {
    let Some(advice) = report.advice.take() else { return };
    match optimized(installation, lake, &report.table).await {
        Ok((done, storage)) => {
            report.optimized = done.version.map(|version| OptimizedTold::of(version, done));
            report.storage = Some(storage);
        }
        Err(failure) => report.advice = Some(format!("{advice}; that was tried, and failed: {}", failure.to_string().replace('\n', "; "))),
    }
}

async fn optimized(installation: &Installation, lake: &Lake, table: &str) -> Outcome<(Optimized, Storage)> {
    let permit = installation.permit(Action::Maintain, table).await?;
    let done = lake.optimize(permit.table_id(), &installation.actor).await?;
    Ok((done, lake.storage(permit.table_id()).await?))
}

/// What an optimisation after a load did.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct OptimizedTold {
    /// The version that it made, after that of the load.
    pub version: u64,
    /// Files that were written anew.
    pub files_before: usize,
    /// Files that they became.
    pub files_after: usize,
}

impl OptimizedTold {
    fn of(version: u64, done: Optimized) -> Self {
        Self { version, files_before: done.files_before, files_after: done.files_after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_says_what_is_the_matter_and_what_helps() {
        let thin = Storage { stored_rows: 300, deleted_rows: 102, files: 3, small_files: 3, thin_files: 1, ..Storage::default() };
        assert_eq!(
            advice("stays", &thin).unwrap(),
            "34 % of its stored rows are deleted, and more than 30 % of those in 1 of its 3 files: `polder table optimize stays` writes these anew"
        );
        let small = Storage { stored_rows: 300, files: 41, small_files: 40, ..Storage::default() };
        assert_eq!(advice("stays", &small).unwrap(), "40 of its 41 files are small: `polder table optimize stays` puts them together");
        assert_eq!(advice("stays", &Storage { thin_files: 0, small_files: 3, ..thin }), None);
    }
}
