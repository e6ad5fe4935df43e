//! What a change of a contract newly lets in, what it keeps out, what it breaks, and what becomes of rows that are stored. Two readings of
//! the contract of one table are compared; whatever differs and is not known here counts as a widening.

mod column;
mod disposition;
mod masks;
mod migration;
mod range;
mod types;

use std::collections::BTreeSet;

use crate::change::migration::Steps;
use crate::column::Column;
use crate::contract::{Contract, OnViolation};

pub use migration::{Migration, Step};
pub use types::widens;

/// The strictest of several classifications, none when none of them says anything.
pub type Strictest<'a> = &'a dyn Fn(&[&str]) -> Option<String>;

/// What sort of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    ContractAdded,
    ContractRemoved,
    ColumnAdded,
    ColumnRemoved,
    ColumnRenamed,
    ColumnMoved,
    SourceChanged,
    SourceColumnChanged,
    TypeChanged,
    RuleChanged,
    KeyChanged,
    ReadingChanged,
    NullTokensChanged,
    RejectLimitChanged,
    ViolationChanged,
    DispositionChanged,
    ClassificationChanged,
    MaskChanged,
    IdentityChanged,
    Unexplained,
}

impl ChangeKind {
    /// Every one.
    pub const ALL: [Self; 20] = [
        Self::ContractAdded,
        Self::ContractRemoved,
        Self::ColumnAdded,
        Self::ColumnRemoved,
        Self::ColumnRenamed,
        Self::ColumnMoved,
        Self::SourceChanged,
        Self::SourceColumnChanged,
        Self::TypeChanged,
        Self::RuleChanged,
        Self::KeyChanged,
        Self::ReadingChanged,
        Self::NullTokensChanged,
        Self::RejectLimitChanged,
        Self::ViolationChanged,
        Self::DispositionChanged,
        Self::ClassificationChanged,
        Self::MaskChanged,
        Self::IdentityChanged,
        Self::Unexplained,
    ];

    /// Its name in machine-readable output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ContractAdded => "contract-added",
            Self::ContractRemoved => "contract-removed",
            Self::ColumnAdded => "column-added",
            Self::ColumnRemoved => "column-removed",
            Self::ColumnRenamed => "column-renamed",
            Self::ColumnMoved => "column-moved",
            Self::SourceChanged => "source-changed",
            Self::SourceColumnChanged => "source-column-changed",
            Self::TypeChanged => "type-changed",
            Self::RuleChanged => "rule-changed",
            Self::KeyChanged => "key-changed",
            Self::ReadingChanged => "reading-changed",
            Self::NullTokensChanged => "null-tokens-changed",
            Self::RejectLimitChanged => "reject-limit-changed",
            Self::ViolationChanged => "violation-changed",
            Self::DispositionChanged => "disposition-changed",
            Self::ClassificationChanged => "classification-changed",
            Self::MaskChanged => "mask-changed",
            Self::IdentityChanged => "identity-changed",
            Self::Unexplained => "unexplained",
        }
    }

    /// What it is, in a sentence.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ContractAdded => "A table has a contract that it had not.",
            Self::ContractRemoved => "A table has no contract any more.",
            Self::ColumnAdded => "A column is authorised that was left outside.",
            Self::ColumnRemoved => "A column is authorised no longer.",
            Self::ColumnRenamed => "A column of the source has another name in the table.",
            Self::ColumnMoved => "Columns stand in another order.",
            Self::SourceChanged => "The table is filled from another source or dataset.",
            Self::SourceColumnChanged => "A column is filled from another column of the source.",
            Self::TypeChanged => "A column has another type.",
            Self::RuleChanged => "A rule about a column's values changed.",
            Self::KeyChanged => "A rule about uniqueness changed.",
            Self::ReadingChanged => "Values are read in another way.",
            Self::NullTokensChanged => "Other texts stand for no value.",
            Self::RejectLimitChanged => "Another share of the rows may be refused.",
            Self::ViolationChanged => "Something else happens to rows that break a rule.",
            Self::DispositionChanged => "A load does something else with the rows that are there.",
            Self::ClassificationChanged => "A column is classified otherwise.",
            Self::MaskChanged => "Something else is stored instead of a column's values.",
            Self::IdentityChanged => "The contract has another id or version.",
            Self::Unexplained => "The contract means something else, in a way that is not known.",
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What sort it is.
    pub kind: ChangeKind,
    /// The column, by its name in the table; the new one where there is one.
    pub column: Option<String>,
    /// The column's name before, where it was renamed.
    pub before: Option<String>,
    /// Line of the new file, or of the old one for what is gone; from 1.
    pub line: u64,
    /// What changed.
    pub what: String,
    /// What comes in now and did not before: the change is a widening.
    pub lets_in: Option<String>,
    /// What stays outside now and came in before.
    pub keeps_out: Option<String>,
    /// What of the table is no longer as its readers know it.
    pub breaks: Option<String>,
    /// What becomes of the rows that are stored.
    pub migration: Migration,
}

impl Change {
    pub(crate) fn new(kind: ChangeKind, line: u64, what: impl Into<String>) -> Self {
        Self {
            kind,
            column: None,
            before: None,
            line: line.max(1),
            what: what.into(),
            lets_in: None,
            keeps_out: None,
            breaks: None,
            migration: Migration::nothing(),
        }
    }

    pub(crate) fn of(mut self, column: &str) -> Self {
        self.column = Some(column.to_owned());
        self
    }

    pub(crate) fn lets_in(mut self, what: impl Into<String>) -> Self {
        self.lets_in = Some(what.into());
        self
    }

    pub(crate) fn keeps_out(mut self, what: impl Into<String>) -> Self {
        self.keeps_out = Some(what.into());
        self
    }

    pub(crate) fn breaks(mut self, what: impl Into<String>) -> Self {
        self.breaks = Some(what.into());
        self
    }

    pub(crate) fn migrates(mut self, migration: Migration) -> Self {
        self.migration = migration;
        self
    }

    /// Whether something comes in that did not before.
    pub fn widens(&self) -> bool {
        self.lets_in.is_some()
    }

    /// Whether something stays outside that came in before.
    pub fn narrows(&self) -> bool {
        self.keeps_out.is_some()
    }
}

/// Every change from one reading of a table's contract to another, in the order of the file. None when both mean the same.
pub fn compare(old: Option<&Contract>, new: Option<&Contract>, strictest: Strictest<'_>) -> Vec<Change> {
    match (old, new) {
        (None, None) => Vec::new(),
        (None, Some(new)) => vec![added(new)],
        (Some(old), None) => vec![removed(old)],
        (Some(old), Some(new)) if old.semantic_hash() == new.semantic_hash() => Vec::new(),
        (Some(old), Some(new)) => changed(old, new, strictest),
    }
}

fn added(new: &Contract) -> Change {
    let columns: Vec<&str> = new.columns.iter().map(|column| column.name.as_str()).collect();
    Change::new(ChangeKind::ContractAdded, 1, format!("table {} has a contract", new.table))
        .lets_in(format!("dataset {} of source {}: columns {}", new.dataset, new.source, columns.join(", ")))
        .migrates(Migration::new(Step::Nothing, "the first load makes the table"))
}

fn removed(old: &Contract) -> Change {
    Change::new(ChangeKind::ContractRemoved, 1, format!("table {} has no contract any more", old.table))
        .keeps_out("all rows: no load goes into the table")
        .breaks(format!("what is computed from table {} is not computed again", old.table))
        .migrates(Migration::new(
            Step::Nothing,
            format!("the table stays with its rows until `polder table drop {}` removes them", old.table),
        ))
}

fn changed(old: &Contract, new: &Contract, strictest: Strictest<'_>) -> Vec<Change> {
    let pairs = pair(old, new);
    let gone: Vec<&Column> = old.columns.iter().filter(|column| !pairs.iter().any(|(before, _)| before.name == column.name)).collect();
    let fresh: Vec<&Column> = new.columns.iter().filter(|column| !pairs.iter().any(|(_, after)| after.name == column.name)).collect();
    let renamed = pairs.iter().any(|(before, after)| before.name != after.name);
    let steps = Steps {
        table: new.table.as_str(),
        keeps_rows: new.disposition.keeps_rows(),
        exchanged: renamed || (!gone.is_empty() && !fresh.is_empty()),
    };
    let mut changes = settings(old, new);
    changes.extend(disposition::compare(old, new, &steps));
    for column in &new.columns {
        match pairs.iter().find(|(_, after)| after.name == column.name) {
            Some((before, after)) => changes.extend(column::compare(before, after, &steps, strictest)),
            None => changes.push(column::added(column, &steps)),
        }
    }
    changes.extend(gone.into_iter().map(|column| column::removed(column, &steps)));
    changes.extend(moved(old, new, &steps));
    if changes.is_empty() || !covers(old, new) {
        changes.push(unexplained("the contract", 1));
    }
    changes
}

/// A difference that nobody can explain may let anything in.
fn unexplained(what: &str, line: u64) -> Change {
    Change::new(ChangeKind::Unexplained, line, format!("{what} means something else to its approval than before"))
        .lets_in("nobody can say: nothing differs that is compared; read the file's change line by line")
}

/// Columns of the same name; of the others, those that read the same column of the source, which were renamed.
fn pair<'a>(old: &'a Contract, new: &'a Contract) -> Vec<(&'a Column, &'a Column)> {
    let named = |columns: &'a [Column], name: &str| columns.iter().find(|column| column.name == name);
    let mut pairs = Vec::new();
    for after in &new.columns {
        if let Some(before) = named(&old.columns, &after.name) {
            pairs.push((before, after));
            continue;
        }
        let same_source = |before: &&Column| before.physical_name == after.physical_name && named(&new.columns, &before.name).is_none();
        if old.source == new.source
            && old.dataset == new.dataset
            && let Some(before) = old.columns.iter().find(same_source)
        {
            pairs.push((before, after));
        }
    }
    pairs
}

fn moved(old: &Contract, new: &Contract, steps: &Steps<'_>) -> Option<Change> {
    let stay: BTreeSet<&str> = old.columns.iter().map(|column| column.name.as_str()).collect();
    let stay: BTreeSet<&str> = new.columns.iter().map(|column| column.name.as_str()).filter(|name| stay.contains(name)).collect();
    let order = |contract: &Contract| -> Vec<String> {
        contract.columns.iter().filter(|column| stay.contains(column.name.as_str())).map(|column| column.name.clone()).collect()
    };
    let (before, after) = (order(old), order(new));
    let (was, is) = before.iter().zip(&after).find(|(was, is)| was != is)?;
    let line = new.columns.iter().find(|column| column.name == *is).map_or(1, |column| column.line);
    Some(
        Change::new(ChangeKind::ColumnMoved, line, format!("{is} stands where {was} stood"))
            .of(is)
            .breaks("`select *` gives the columns in another order")
            .migrates(steps.reordered()),
    )
}

/// Changes of what is said of the contract as a whole.
fn settings(old: &Contract, new: &Contract) -> Vec<Change> {
    let mut changes = Vec::new();
    if (&old.id, &old.version) != (&new.id, &new.version) {
        let what = format!("id {}, version {} is now id {}, version {}", old.id, old.version, new.id, new.version);
        changes.push(Change::new(ChangeKind::IdentityChanged, 1, what));
    }
    if (&old.source, &old.dataset) != (&new.source, &new.dataset) {
        let what = format!("source {}.{} is now {}.{}", old.source, old.dataset, new.source, new.dataset);
        let change = Change::new(ChangeKind::SourceChanged, 1, what)
            .lets_in(format!("whatever dataset {} of source {} holds in the authorised columns", new.dataset, new.source))
            .keeps_out(format!("dataset {} of source {}", old.dataset, old.source));
        changes.push(change.migrates(match new.disposition.keeps_rows() {
            true => Migration::new(Step::Nothing, "rows that are there stay beside those of the new source"),
            false => Migration::reload(),
        }));
    }
    if old.on_violation != new.on_violation {
        let what = format!("polder.onViolation {} is now {}", violation(old.on_violation), violation(new.on_violation));
        let change = Change::new(ChangeKind::ViolationChanged, 1, what);
        changes.push(match (old.on_violation, new.on_violation) {
            (_, OnViolation::Fail) => change.keeps_out("the rest of a load of which one row breaks a rule"),
            (OnViolation::Fail, OnViolation::Quarantine) => {
                change.lets_in("the rest of a load of which rows break a rule, which are kept, sealed")
            }
            (OnViolation::Fail, _) => change.lets_in("the rest of a load of which rows break a rule, which are counted and lost"),
            (_, OnViolation::Drop) => change.lets_in("nothing more, but rows that break a rule are lost instead of kept"),
            (_, OnViolation::Quarantine) => change,
        });
    }
    if old.reject_limit.total_cmp(&new.reject_limit).is_ne() {
        let what = format!("polder.rejectLimit {} is now {}", old.reject_limit, new.reject_limit);
        let change = Change::new(ChangeKind::RejectLimitChanged, 1, what);
        changes.push(if new.reject_limit > old.reject_limit {
            change.lets_in(format!("the rest of loads of which up to a share of {} of the rows break a rule", new.reject_limit))
        } else {
            change.keeps_out(format!("loads of which more than a share of {} of the rows break a rule", new.reject_limit))
        });
    }
    if old.max_row_bytes != new.max_row_bytes {
        let what = format!("polder.maxRowBytes {} is now {}", old.max_row_bytes, new.max_row_bytes);
        let change = Change::new(ChangeKind::RuleChanged, 1, what);
        changes.push(if new.max_row_bytes > old.max_row_bytes {
            change.lets_in("rows whose texts are larger together")
        } else {
            change.keeps_out("rows whose texts are larger together")
        });
    }
    changes.extend(column::null_tokens(&old.null_tokens, &new.null_tokens, 1));
    changes.extend(masks::quality(&old.quality, &new.quality, 1, None));
    changes.extend(masks::questions(&old.questions, &new.questions));
    changes
}

const fn violation(on_violation: OnViolation) -> &'static str {
    match on_violation {
        OnViolation::Fail => "fail",
        OnViolation::Quarantine => "quarantine",
        OnViolation::Drop => "drop",
    }
}

/// Whether all that differs of the contract as a whole is compared above: the old one with what is compared taken from the new one is
/// the new one. A setting that was added to the contract since, and not here, is one that differs.
fn covers(old: &Contract, new: &Contract) -> bool {
    let mut rest = old.clone();
    rest.id.clone_from(&new.id);
    rest.name.clone_from(&new.name);
    rest.version.clone_from(&new.version);
    rest.status.clone_from(&new.status);
    rest.file.clone_from(&new.file);
    rest.table.clone_from(&new.table);
    rest.dataset.clone_from(&new.dataset);
    rest.source.clone_from(&new.source);
    rest.columns.clone_from(&new.columns);
    rest.on_violation = new.on_violation;
    rest.disposition = new.disposition;
    rest.deletes.clone_from(&new.deletes);
    rest.validity.clone_from(&new.validity);
    rest.freshness.clone_from(&new.freshness);
    rest.reject_limit = new.reject_limit;
    rest.null_tokens.clone_from(&new.null_tokens);
    rest.max_row_bytes = new.max_row_bytes;
    rest.quality.clone_from(&new.quality);
    rest.questions.clone_from(&new.questions);
    rest.notes.clone_from(&new.notes);
    rest.semantic = new.semantic;
    rest == *new
}

#[cfg(test)]
mod tests;
