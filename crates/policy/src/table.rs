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
}

impl TableRef {
    /// A table without classification.
    pub fn new(name: TableName, id: DatasetId) -> Self {
        Self { name, id, classification: None, model: false }
    }

    /// With the strictest classification of its columns.
    #[must_use]
    pub fn with_classification(mut self, classification: Option<String>) -> Self {
        self.classification = classification;
        self
    }

    /// As the output of a model.
    #[must_use]
    pub fn of_model(mut self) -> Self {
        self.model = true;
        self
    }
}
