use polder_types::{DatasetId, TableName};

/// A table or model as policies see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRef {
    /// Its name: the id of the Cedar entity, `Table::"flights"`.
    pub name: TableName,
    /// Whose key seals it. A view has none of its own and carries an id that names no stored data.
    pub id: DatasetId,
    /// The strictest classification of its columns; `None` reads as `unclassified`.
    pub classification: Option<String>,
    /// Whether a model computes it.
    pub model: bool,
    /// Its columns in their order. Of none nothing is known, and only who may read the whole table reads it.
    pub columns: Vec<ColumnRef>,
}

impl TableRef {
    /// A table without classification, of whose columns nothing is known.
    pub fn new(name: TableName, id: DatasetId) -> Self {
        Self { name, id, classification: None, model: false, columns: Vec::new() }
    }

    /// With the strictest classification of its columns.
    #[must_use]
    pub fn with_classification(mut self, classification: Option<String>) -> Self {
        self.classification = classification;
        self
    }

    /// With its columns, in their order.
    #[must_use]
    pub fn with_columns(mut self, columns: Vec<ColumnRef>) -> Self {
        self.columns = columns;
        self
    }

    /// As the output of a model.
    #[must_use]
    pub fn of_model(mut self) -> Self {
        self.model = true;
        self
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnRef> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// A column as policies see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnRef {
    /// Its name in the table.
    pub name: String,
    /// What policies on rows can compare it with.
    pub kind: ColumnKind,
    /// Whether the contract lets it be NULL.
    pub nullable: bool,
    /// The contract's classification of it, in lower case; `None` reads as `unclassified`.
    pub classification: Option<String>,
}

impl ColumnRef {
    /// A column that may be NULL, without classification.
    pub fn new(name: &str, kind: ColumnKind) -> Self {
        Self { name: name.to_owned(), kind, nullable: true, classification: None }
    }

    /// As one that its contract does not let be NULL.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.nullable = false;
        self
    }

    /// With the contract's classification of it.
    #[must_use]
    pub fn with_classification(mut self, classification: Option<String>) -> Self {
        self.classification = classification;
        self
    }
}

/// What a column is to policies on rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// `Bool` in Cedar.
    Boolean,
    /// Signed whole numbers up to 64 bits and unsigned ones up to 32: `Long`.
    Integer,
    /// `String`.
    Text,
    /// A day: `datetime` at 00:00 UTC.
    Date,
    /// A moment, whatever its unit: `datetime`, floored to the millisecond.
    Timestamp,
    /// What Cedar cannot compare (decimals, floats, unsigned 64 bits, binary, lists, structs): no attribute of the row.
    Other,
}
