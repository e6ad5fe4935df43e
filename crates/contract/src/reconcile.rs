//! Law 5: the counts of a load close before its commit, or there is none.

use polder_types::event::Counts;

use crate::approval::Approved;
use crate::contract::{Deletes, OnViolation};
use crate::error::Error;
use crate::quality::judge;
use crate::question::Answers;
use crate::unique::duplicates::Duplicates;

/// The counts of one load of one source into one table, before they are judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// Rows that the source holds, by a means that is not the decoder where there is one; otherwise the decoder's count.
    pub read: u64,
    /// Whether `read` comes from such independent means.
    pub independent: bool,
    /// Rows in the footers of the staged files, duplicates taken out; where loads merge, with `superseded` and `flagged` on top.
    pub loaded: u64,
    /// Rows refused and dropped, duplicates included.
    pub rejected: u64,
    /// Rows refused and kept, sealed, duplicates included.
    pub quarantined: u64,
    /// Rows that an increment read again at its boundary, and that were left out before the gate.
    pub repeated: u64,
    /// Rows that another row of their key came after, by the count of who took them out of the staged files, or out of the keys that are
    /// to be deleted.
    pub superseded: u64,
    /// Keys of flagged rows that stand, by the count of who deletes by them.
    pub flagged: u64,
    /// What became of the other rows, of a load that merges. Not known before the table's keys are looked at.
    pub merged: Option<Merged>,
    /// Whether the batch is all that the source holds, so that rows whose key it does not have are gone.
    pub refreshed: bool,
}

/// What became of the rows that a merge staged, beside what the table held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Rows whose key the table did not hold.
    pub inserted: u64,
    /// Rows that took the place of the row of their key, or became its newest version.
    pub updated: u64,
    /// Rows that the table holds as they are.
    pub unchanged: u64,
    /// Rows of the table that were deleted, or closed without a newer version.
    pub deleted: u64,
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
    /// As [`Reconciliation::check`], when a merge does not say what became of its rows, or when the answers are to another contract's
    /// questions.
    pub fn close(self, contract: &Approved, duplicates: &Duplicates, answers: Answers) -> Result<Reconciled, Error> {
        let counts = self.check(contract, duplicates)?;
        if contract.disposition.merges() && self.merged.is_none() {
            return Err(Error::NotMerged { says: contract.disposition.name(), was: "not counted as one" });
        }
        if !answers.are_for(contract) {
            return Err(Error::Unanswered { asked: contract.questions.len(), answered: 0 });
        }
        Ok(Reconciled { counts })
    }

    /// Checks the counts: nothing lost, nothing doubled, no more refused than the contract lets, no personal data where none may be. The gate's own counts, which
    /// `duplicates` carries, must say the same. What became of a merge's rows is checked once it is known.
    ///
    /// # Errors
    /// Which count or limit does not hold. Then nothing may become visible.
    pub fn check(self, contract: &Approved, duplicates: &Duplicates) -> Result<Counts, Error> {
        let Self { read, independent, loaded, rejected, quarantined, repeated, superseded, flagged, merged, refreshed: _ } = self;
        let counts = Counts { read, independent, loaded, rejected, quarantined, repeated, ..Counts::default() };
        if !counts.close() {
            return Err(Error::Counts { read, loaded, rejected, quarantined, repeated });
        }
        // `close` made sure that this is no less than nothing.
        let judged = read - repeated;
        if duplicates.rows_checked() != judged {
            return Err(Error::GateCount { what: "checked", gate: duplicates.rows_checked(), counted: judged, by: "read" });
        }
        if let Some(found) = duplicates.personal().iter().find(|found| !found.waived) {
            let (kind, because, percent) = (found.kind.label(), found.because.label(), found.percent());
            return Err(Error::Personal { column: found.column.clone(), kind, because, percent });
        }
        for (what, gate, counted, by) in [
            ("superseded", duplicates.superseded(), superseded, "taken out"),
            ("flagged", duplicates.flagged(), flagged, "taken for deletion"),
        ] {
            if gate != counted {
                return Err(Error::GateCount { what, gate, counted, by });
            }
        }
        let stored = Counts { superseded, flagged, ..counts }.staged();
        if duplicates.rows_left() != stored || loaded < superseded.saturating_add(flagged) {
            return Err(Error::GateCount { what: "admitted", gate: duplicates.rows_left(), counted: stored, by: "loaded" });
        }
        let counts = merged.map_or(Ok(counts), |merged| self.merge(counts, merged, contract))?;
        // `close` made sure that this sum is at most `read`.
        let refused = rejected + quarantined;
        match contract.on_violation {
            OnViolation::Fail if refused > 0 => return Err(Error::Violation { refused, read }),
            OnViolation::Quarantine if rejected > 0 => return Err(Error::Disposal { says: "quarantine", rows: rejected, went: "dropped" }),
            OnViolation::Drop if quarantined > 0 => return Err(Error::Disposal { says: "drop", rows: quarantined, went: "quarantined" }),
            _ => {}
        }
        if loaded == 0 && judged > 0 {
            return Err(Error::NothingLoaded { read: judged });
        }
        if exceeds(refused, judged, contract.reject_limit) {
            return Err(Error::RejectLimit { refused, read: judged, limit: contract.reject_limit });
        }
        judge(contract, duplicates.measured(), duplicates.rows_admitted(), stored)?;
        Ok(counts)
    }

    /// The counts of a merge, each of whose rows became something.
    fn merge(self, counts: Counts, merged: Merged, contract: &Approved) -> Result<Counts, Error> {
        let Merged { inserted, updated, unchanged, deleted } = merged;
        let Self { superseded, flagged, .. } = self;
        let counts = Counts { inserted, updated, unchanged, superseded, flagged, deleted, ..counts };
        if !contract.disposition.merges() {
            return Err(Error::NotMerged { says: contract.disposition.name(), was: "counted as a merge" });
        }
        let stored = inserted.checked_add(updated).and_then(|sum| sum.checked_add(unchanged));
        if !counts.close() || stored != Some(counts.staged()) {
            return Err(Error::Merge { loaded: counts.loaded, inserted, updated, unchanged, superseded, flagged });
        }
        let may_delete = match contract.deletes {
            None => false,
            Some(Deletes::Flag { .. }) => flagged > 0,
            Some(Deletes::KeySnapshot) => true,
        };
        if deleted > 0 && !may_delete && !self.refreshed {
            return Err(Error::Deleted { deleted });
        }
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
