use std::fmt;

/// What a principal wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// See the whole table.
    Read,
    /// See a row of it, on its row.
    ReadRow,
    /// See a column in clear, on its column.
    ReadColumn,
    /// See a column through a mask, on its column.
    ReadMasked,
    /// Know that the table exists, its columns and versions.
    Describe,
    /// Load into the table, or compute the model.
    Run,
    /// Approve the table's contract.
    Approve,
    /// Optimise, vacuum.
    Maintain,
    /// Remove the table and all that belongs to it.
    Drop,
    /// Remove rows of the table for good, with all that was computed of them.
    Erase,
    /// Rotate, reencrypt, destroy or reveal keys.
    ManageKeys,
    /// Add, change, disable and remove accounts, groups and tokens.
    ManageIdentities,
    /// Approve that someone is in a group for some time, on the group.
    ApproveGrant,
    /// Read the numbers of the serving process.
    ReadMetrics,
    /// Read the audit log with its private values.
    Audit,
    /// See and replay rows that the contract refused.
    Quarantine,
    /// See a size-limited sample of a source before a contract authorises its columns.
    Sample,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 17] = [
        Self::Read,
        Self::ReadRow,
        Self::ReadColumn,
        Self::ReadMasked,
        Self::Describe,
        Self::Run,
        Self::Approve,
        Self::Maintain,
        Self::Drop,
        Self::Erase,
        Self::ManageKeys,
        Self::ManageIdentities,
        Self::ApproveGrant,
        Self::ReadMetrics,
        Self::Audit,
        Self::Quarantine,
        Self::Sample,
    ];

    /// The name that policies use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::ReadRow => "ReadRow",
            Self::ReadColumn => "ReadColumn",
            Self::ReadMasked => "ReadMasked",
            Self::Describe => "Describe",
            Self::Run => "Run",
            Self::Approve => "Approve",
            Self::Maintain => "Maintain",
            Self::Drop => "Drop",
            Self::Erase => "Erase",
            Self::ManageKeys => "ManageKeys",
            Self::ManageIdentities => "ManageIdentities",
            Self::ApproveGrant => "ApproveGrant",
            Self::ReadMetrics => "ReadMetrics",
            Self::Audit => "Audit",
            Self::Quarantine => "Quarantine",
            Self::Sample => "Sample",
        }
    }

    /// The act in an error text, before the table's name.
    pub(crate) const fn phrase(self) -> &'static str {
        match self {
            Self::Read => "read table",
            Self::ReadRow => "read rows of table",
            Self::ReadColumn => "read columns of table",
            Self::ReadMasked => "read masked columns of table",
            Self::Describe => "describe table",
            Self::Run => "load into table",
            Self::Approve => "approve the contract of table",
            Self::Maintain => "maintain table",
            Self::Drop => "drop table",
            Self::Erase => "erase rows of table",
            Self::ManageKeys => "manage the keys of table",
            Self::ManageIdentities => "manage accounts, of which there are none of table",
            Self::ApproveGrant => "approve grants, of which there are none of table",
            Self::ReadMetrics => "read the numbers of serving, of which there are none of table",
            Self::Audit => "read the audit log of table",
            Self::Quarantine => "see refused rows of table",
            Self::Sample => "sample the source of table",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
