//! What leaves the gate: rows that hold the contract, and the rows that do not, each with its reason.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;

use crate::error::Error;
use crate::inspect::{Kind, Waived};
use crate::raw::Malformed;
use crate::unique::duplicates::Duplicates;

/// Rows that hold every rule that can be judged row by row. Only the gate makes one; a sink takes nothing else.
#[derive(Debug, Clone)]
pub struct Admitted {
    batch: RecordBatch,
    first_ordinal: u64,
    ordinals: Vec<Range<u64>>,
}

impl Admitted {
    pub(crate) fn new(batch: RecordBatch, first_ordinal: u64, ordinals: Vec<Range<u64>>) -> Self {
        Self { batch, first_ordinal, ordinals }
    }

    /// The rows, with the contract's Arrow schema.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The rows, with the contract's Arrow schema.
    pub fn into_batch(self) -> RecordBatch {
        self.batch
    }

    /// Rows admitted.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Place in the run of the raw batch's first record, which may itself be rejected.
    pub fn first_ordinal(&self) -> u64 {
        self.first_ordinal
    }

    /// Places in the run of the rows, as runs without gaps, ascending. Their lengths add up to [`Admitted::rows`].
    /// A sink keeps them to find the rows that turn out to be duplicates.
    pub fn ordinals(&self) -> &[Range<u64>] {
        &self.ordinals
    }
}

/// Keys of rows of which the source says that they are gone, as the table stores them. Only the gate makes one.
/// Which of them stand is known at the end of the load: [`DeletedKeys::standing`].
#[derive(Debug, Clone)]
pub struct DeletedKeys {
    batch: RecordBatch,
    ordinals: Vec<Range<u64>>,
}

impl DeletedKeys {
    pub(crate) fn new(batch: RecordBatch, ordinals: Vec<Range<u64>>) -> Self {
        Self { batch, ordinals }
    }

    /// Keys, those included that do not stand.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Bytes of memory that they take.
    pub fn memory_bytes(&self) -> usize {
        self.batch.get_array_memory_size() + self.ordinals.capacity() * size_of::<Range<u64>>()
    }

    /// Places in the run of the rows that said so, as runs without gaps, ascending. Their lengths add up to [`DeletedKeys::rows`].
    pub fn ordinals(&self) -> &[Range<u64>] {
        &self.ordinals
    }

    /// The keys after which the load brought no other row of theirs, each once over all batches of the load: the columns of
    /// [`Contract::key_schema`](crate::Contract::key_schema).
    ///
    /// # Errors
    /// When Arrow refuses to build the batch, which the gate's own checks rule out.
    pub fn standing(&self, duplicates: &Duplicates) -> Result<StandingKeys, Error> {
        let stands: BooleanArray = self.ordinals.iter().cloned().flatten().map(|place| Some(!duplicates.undoes(place))).collect();
        let standing = filter_record_batch(&self.batch, &stands);
        let keys = standing.map_err(|source| Error::Build { file: String::new(), column: String::new(), source })?;
        Ok(StandingKeys { keys })
    }
}

/// Keys of rows that are gone, at the end of a load. Only [`DeletedKeys::standing`] makes one, and a sink deletes rows by no other keys.
#[derive(Debug, Clone)]
pub struct StandingKeys {
    keys: RecordBatch,
}

impl StandingKeys {
    /// The columns of [`Contract::key_schema`](crate::Contract::key_schema).
    pub fn keys(&self) -> &RecordBatch {
        &self.keys
    }

    /// How many.
    pub fn rows(&self) -> usize {
        self.keys.num_rows()
    }
}

/// Which rule a row broke. It never carries a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The decoder could not split the record.
    Malformed(Malformed),
    /// `required`: no value.
    Required,
    /// `primaryKey`: no value in a key column, by which a merge would find no row.
    PrimaryKeyNull,
    /// The value is not of the column's type.
    Type,
    /// A number outside what the column's type holds.
    TypeRange,
    /// More decimal places, or finer time, than the column's type keeps.
    Precision,
    /// NaN or infinity.
    NotFinite,
    /// A zone where none is allowed, none where one is needed, or a local time that does not exist or exists twice.
    Zone,
    /// Not UTF-8.
    NotUtf8,
    /// Longer than any cell may be.
    TooLong,
    /// `minimum` or `exclusiveMinimum`.
    Minimum,
    /// `maximum` or `exclusiveMaximum`.
    Maximum,
    /// `multipleOf`.
    MultipleOf,
    /// `minLength`.
    MinLength,
    /// `maxLength`.
    MaxLength,
    /// `pattern`.
    Pattern,
    /// `format`.
    Format,
    /// `quality.invalidValues`: not among the valid values.
    ValidValues,
    /// `unique`: a second row of this run with the same value.
    Unique,
    /// `primaryKey`: a second row of this run with the same key.
    PrimaryKey,
    /// `unique`: the table has the value already.
    UniqueInTable,
    /// `primaryKey`: the table has the key already.
    PrimaryKeyInTable,
    /// Content inspection found a risk.
    Content(Kind),
    /// `polder.mask`: nothing is left of the value after its normalisation.
    Normalise,
    /// `polder.mask`: in a replay, a value that broke a rule of its masked column and was not kept.
    Withheld,
}

impl Rule {
    /// Every rule, in a fixed order: the place is the rule's number in a quarantine record, so only append.
    pub const ALL: [Self; 40] = [
        Self::Malformed(Malformed::Ragged),
        Self::Malformed(Malformed::TooLong),
        Self::Malformed(Malformed::BadQuote),
        Self::Malformed(Malformed::InvalidJson),
        Self::Malformed(Malformed::NotAnObject),
        Self::Malformed(Malformed::DuplicateKey),
        Self::Malformed(Malformed::TooDeep),
        Self::Malformed(Malformed::NotUtf8),
        Self::Required,
        Self::PrimaryKeyNull,
        Self::Type,
        Self::TypeRange,
        Self::Precision,
        Self::NotFinite,
        Self::Zone,
        Self::NotUtf8,
        Self::TooLong,
        Self::Minimum,
        Self::Maximum,
        Self::MultipleOf,
        Self::MinLength,
        Self::MaxLength,
        Self::Pattern,
        Self::Format,
        Self::ValidValues,
        Self::Unique,
        Self::PrimaryKey,
        Self::UniqueInTable,
        Self::PrimaryKeyInTable,
        Self::Content(Kind::Pattern),
        Self::Content(Kind::Markup),
        Self::Content(Kind::Formula),
        Self::Content(Kind::Control),
        Self::Content(Kind::Bidi),
        Self::Content(Kind::Homoglyph),
        Self::Content(Kind::Oversized),
        Self::Normalise,
        Self::Withheld,
        Self::Malformed(Malformed::NotAList),
        Self::Malformed(Malformed::CellError),
    ];

    /// The rule's name in reports, which is the contract's key where there is one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed(malformed) => malformed.name(),
            Self::Required => "required",
            Self::PrimaryKeyNull => "primaryKey:null",
            Self::Type => "type",
            Self::TypeRange => "type:range",
            Self::Precision => "type:precision",
            Self::NotFinite => "type:not_finite",
            Self::Zone => "timezone",
            Self::NotUtf8 => "not_utf8",
            Self::TooLong => "too_long",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::MultipleOf => "multipleOf",
            Self::MinLength => "minLength",
            Self::MaxLength => "maxLength",
            Self::Pattern => "pattern",
            Self::Format => "format",
            Self::ValidValues => "validValues",
            Self::Unique => "unique",
            Self::PrimaryKey => "primaryKey",
            Self::UniqueInTable => "unique:in_table",
            Self::PrimaryKeyInTable => "primaryKey:in_table",
            Self::Content(Kind::Pattern) => "content:pattern",
            Self::Content(Kind::Markup) => "content:markup",
            Self::Content(Kind::Formula) => "content:formula",
            Self::Content(Kind::Control) => "content:control",
            Self::Content(Kind::Bidi) => "content:bidi",
            Self::Content(Kind::Homoglyph) => "content:homoglyph",
            Self::Content(Kind::Oversized) => "content:oversized",
            Self::Content(Kind::Personal) => "content:personal",
            Self::Normalise => "mask:normalise",
            Self::Withheld => "mask:not_kept",
        }
    }

    /// The rule's number in a quarantine record.
    pub fn code(self) -> u8 {
        Self::ALL.iter().position(|rule| *rule == self).and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
    }

    /// The rule with a number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One row that did not get in, and why: the first rule it broke, in the order of the columns.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The file as the user knows it.
    pub file: Arc<str>,
    /// The record's number in the file, counted from 1.
    pub record: u64,
    /// The row's place in the run.
    pub ordinal: u64,
    /// The column whose rule was broken; none when the record could not be split.
    pub column: Option<String>,
    /// The rule.
    pub rule: Rule,
    /// What content inspection shows of the value.
    pub finding: Option<Finding>,
    row: Vec<u8>,
}

/// What a finding of content inspection shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule of YARA that was found, for a finding of that kind.
    pub pattern: Option<&'static str>,
    /// The value's shape, for the first row of its kind and column in a batch: never the value.
    pub masked: Option<String>,
}

impl Rejection {
    pub(crate) fn new(file: Arc<str>, record: u64, ordinal: u64, column: Option<String>, rule: Rule, row: Vec<u8>) -> Self {
        Self { file, record, ordinal, column, rule, finding: None, row }
    }

    pub(crate) fn with_finding(mut self, finding: Option<Finding>) -> Self {
        self.finding = finding;
        self
    }

    /// The row's cells in the authorised columns, in the encoding of `docs/format/quarantine.md`, for the sealed quarantine and
    /// nothing else. Empty when the record could not be split.
    pub fn row_bytes(&self) -> &[u8] {
        &self.row
    }
}

impl std::fmt::Debug for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the row: a log may print this.
        f.debug_struct("Rejection")
            .field("file", &self.file)
            .field("record", &self.record)
            .field("column", &self.column)
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}

/// A batch after the gate. Its rows are all here: admitted, rejected, or keys of what is gone.
#[derive(Debug)]
pub struct Checked {
    /// What may be written.
    pub admitted: Admitted,
    /// Keys whose rows are to be deleted; none unless the contract has a flag, and rows of the batch bear it.
    pub deleted: Option<DeletedKeys>,
    /// What may not, by place in the batch.
    pub rejections: Vec<Rejection>,
    /// What content inspection found and the contract waives.
    pub waived: Vec<Waived>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_comes_back_from_its_number() {
        for rule in Rule::ALL {
            assert_eq!(Rule::from_code(rule.code()), Some(rule));
        }
        assert_eq!(Rule::from_code(200), None);
    }

    #[test]
    fn no_value_shows_in_a_rejection() {
        let rejection = Rejection::new(Arc::from("a.csv"), 3, 2, Some("age".into()), Rule::Type, b"secret-value".to_vec());
        let shown = format!("{rejection:?}");
        assert!(shown.contains("a.csv") && !shown.contains("secret") && !shown.contains("115, 101"));
    }
}
