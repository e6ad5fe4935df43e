//! Law 5: the counts of a load close before its commit, or there is none.

use polder_types::event::Counts;

use crate::approval::Approved;
use crate::contract::OnViolation;
use crate::error::Error;
use crate::quality::judge;
use crate::question::Answers;
use crate::unique::duplicates::Duplicates;

/// The counts of one load of one source into one table, before they are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconciliation {
    /// Rows that the source holds, by a means that is not the decoder where there is one; otherwise the decoder's count.
    pub read: u64,
    /// Whether `read` comes from such independent means.
    pub independent: bool,
    /// Rows in the footers of the staged files, duplicates taken out.
    pub loaded: u64,
    /// Rows refused and dropped, duplicates included.
    pub rejected: u64,
    /// Rows refused and kept, sealed, duplicates included.
    pub quarantined: u64,
}

/// Counts that closed within the contract's limits. A commit takes nothing else, and [`Reconciliation::close`] alone makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconciled {
    counts: Counts,
}

impl Reconciled {
    /// The counts.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

impl Reconciliation {
    /// Closes the counts, once the contract's questions are answered as they must be.
    ///
    /// # Errors
    /// As [`Reconciliation::check`], or when the answers are to another contract's questions.
    pub fn close(self, contract: &Approved, duplicates: &Duplicates, answers: Answers) -> Result<Reconciled, Error> {
        let counts = self.check(contract, duplicates)?;
        if !answers.are_for(contract) {
            return Err(Error::Unanswered { asked: contract.questions.len(), answered: 0 });
        }
        Ok(Reconciled { counts })
    }

    /// Checks the counts: nothing lost, nothing doubled, no more refused than the contract lets, no personal data where none may be. The gate's own counts, which
    /// `duplicates` carries, must say the same.
    ///
    /// # Errors
    /// Which count or limit does not hold. Then nothing may become visible.
    pub fn check(self, contract: &Approved, duplicates: &Duplicates) -> Result<Counts, Error> {
        let Self { read, independent, loaded, rejected, quarantined } = self;
        let counts = Counts { read, independent, loaded, rejected, quarantined };
        if !counts.close() {
            return Err(Error::Counts { read, loaded, rejected, quarantined });
        }
        if duplicates.rows_checked() != read {
            return Err(Error::GateCount { what: "checked", gate: duplicates.rows_checked(), counted: read, by: "read" });
        }
        if let Some(found) = duplicates.personal().iter().find(|found| !found.waived) {
            let (kind, because, percent) = (found.kind.label(), found.because.label(), found.percent());
            return Err(Error::Personal { column: found.column.clone(), kind, because, percent });
        }
        let repeated = u64::try_from(duplicates.len()).unwrap_or(u64::MAX);
        let admitted = duplicates.rows_admitted().saturating_sub(repeated);
        if admitted != loaded {
            return Err(Error::GateCount { what: "admitted", gate: admitted, counted: loaded, by: "loaded" });
        }
        // `close` made sure that this sum is at most `read`.
        let refused = rejected + quarantined;
        match contract.on_violation {
            OnViolation::Fail if refused > 0 => return Err(Error::Violation { refused, read }),
            OnViolation::Quarantine if rejected > 0 => return Err(Error::Disposal { says: "quarantine", rows: rejected, went: "dropped" }),
            OnViolation::Drop if quarantined > 0 => return Err(Error::Disposal { says: "drop", rows: quarantined, went: "quarantined" }),
            _ => {}
        }
        if loaded == 0 && read > 0 {
            return Err(Error::NothingLoaded { read });
        }
        if exceeds(refused, read, contract.reject_limit) {
            return Err(Error::RejectLimit { refused, read, limit: contract.reject_limit });
        }
        judge(contract, duplicates.measured(), duplicates.rows_admitted(), loaded)?;
        Ok(counts)
    }
}

/// Whether `part` is more than the share `limit` of `whole`.
#[allow(clippy::cast_precision_loss, reason = "a share of more than 2^53 rows needs no more exactness")]
fn exceeds(part: u64, whole: u64, limit: f64) -> bool {
    part as f64 > whole as f64 * limit
}

#[cfg(test)]
mod tests;
