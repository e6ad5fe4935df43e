use polder_contract::question::Answers;
use polder_contract::{Admitted, Approved, ApprovalError, Contract, DeletedKeys, Duplicates, Error, Reconciled, SnapshotKeys, StandingKeys};

pub fn approve(contract: Contract) -> Result<Approved, ApprovalError> {
    Approved::verify(contract, None, &[])
}

pub fn standing(keys: &DeletedKeys, duplicates: &Duplicates) -> Result<StandingKeys, Error> {
    keys.standing(duplicates)
}

pub fn rows(rows: &Admitted, keys: &StandingKeys) -> usize {
    rows.rows() + keys.rows()
}

pub fn made(_: (Answers, Reconciled, SnapshotKeys)) {}
