//! How a table is described to policies. What the log recorded under an approved contract counts; a project file that nobody approved
//! can make a table or a column more sensitive, never less.

pub mod files;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use polder_audit::State;
use polder_contract::{Approved, ColumnType, Contract};
use polder_engine::{Model, Models, strictest};
use polder_policy::{ColumnKind, ColumnRef, TableRef};
use polder_types::{DatasetId, EventKind, TableName};

use crate::failure::Outcome;
use crate::installation::Installation;
use crate::project::Project;

/// What stands for a table or column of which nobody can say how sensitive it is.
const UNKNOWN: &str = "restricted";
/// Most models within models.
const MODELS_DEEP_MAX: usize = 64;

/// The strictest classification of a contract's columns.
pub fn of_contract(contract: &Contract) -> Option<String> {
    strictest(contract.columns.iter().filter_map(|column| column.classification.as_deref()))
}

/// The columns of a contract's table, as policies see them.
fn columns_of(contract: &Contract) -> Vec<ColumnRef> {
    let stored = contract.columns.iter().filter_map(|column| {
        let described =
            ColumnRef::new(&column.name, kind_of(column.stored()?)).with_classification(strictest(column.classification.as_deref()));
        Some(if column.nullable() { described } else { described.required() })
    });
    let validity = contract.validity.iter().flat_map(|validity| [&validity.from, &validity.to]);
    stored.chain(validity.map(|name| ColumnRef::new(name, ColumnKind::Timestamp))).collect()
}

/// A contract's table as the schema of policies needs it: without its id, which the keyring gives.
fn table_of(contract: &Contract) -> TableRef {
    TableRef::new(contract.table.clone(), DatasetId([0; 16])).with_columns(columns_of(contract))
}

/// What policies can compare values of a type with.
fn kind_of(ty: ColumnType) -> ColumnKind {
    match ty {
        ColumnType::Boolean => ColumnKind::Boolean,
        ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => ColumnKind::Integer,
        ColumnType::String | ColumnType::Time => ColumnKind::Text,
        ColumnType::Date => ColumnKind::Date,
        ColumnType::Timestamp { .. } => ColumnKind::Timestamp,
        ColumnType::Float32 | ColumnType::Float64 | ColumnType::Decimal { .. } => ColumnKind::Other,
    }
}

/// What a contract says of its table.
struct Declared {
    path: PathBuf,
    contract: Contract,
    classification: Option<String>,
}

impl Declared {
    fn of((path, contract): (PathBuf, Contract)) -> (TableName, Self) {
        (contract.table.clone(), Self { classification: of_contract(&contract), path, contract })
    }

    /// A column of a contract that nobody approved as it stands may be anything: it would take an edit of one word to be shown in clear.
    ///
    /// The approval is verified here, and not of all contracts when one table is described.
    fn columns(&self, project: &Project) -> Vec<ColumnRef> {
        let mut columns = columns_of(&self.contract);
        if project.approved(&self.path, self.contract.clone()).is_err() {
            for column in &mut columns {
                column.classification = strictest(column.classification.as_deref().into_iter().chain([UNKNOWN]));
            }
        }
        columns
    }
}

/// What is known of all tables, read once.
pub struct Described<'a> {
    installation: &'a Installation,
    state: Arc<State>,
    /// None when a contract is broken: then nobody knows which table it is for.
    contracts: Option<BTreeMap<TableName, Declared>>,
    models: Option<Models>,
}

impl<'a> Described<'a> {
    /// Reads contracts and models; one that is broken makes tables more sensitive, and is told by the commands that need it.
    pub fn new(installation: &'a Installation) -> Self {
        let contracts = installation.project.contracts().ok().map(|all| all.into_iter().map(Declared::of).collect());
        let files = installation.project.models().ok();
        let files = files.map(|files| files.into_iter().map(|(name, text)| (format!("models/{name}.sql"), text)).collect::<Vec<_>>());
        let models = files.and_then(|files| Models::load(&files).ok());
        Self { installation, state: installation.journal.state(), contracts, models }
    }

    /// A table or model as policies see it.
    pub fn table(&self, name: &TableName, id: DatasetId) -> TableRef {
        let table = TableRef::new(name.clone(), id).with_classification(self.classification(name, id));
        let model = self.models.as_ref().is_some_and(|models| models.get(name).is_some());
        if model {
            return table.of_model();
        }
        let declared = self.contracts.as_ref().and_then(|contracts| contracts.get(name));
        table.with_columns(declared.map(|declared| declared.columns(&self.installation.project)).unwrap_or_default())
    }

    /// The strictest classification of what a model reads, through other models too.
    pub fn of_inputs(&self, model: &Model) -> Option<String> {
        let mut found = Vec::new();
        self.collect_inputs(model, 0, &mut found);
        strictest(found.iter().map(String::as_str))
    }

    fn classification(&self, name: &TableName, id: DatasetId) -> Option<String> {
        let mut found = Vec::new();
        self.collect(name, Some(id), 0, &mut found);
        strictest(found.iter().map(String::as_str))
    }

    fn collect(&self, name: &TableName, id: Option<DatasetId>, depth: usize, found: &mut Vec<String>) {
        if depth > MODELS_DEEP_MAX {
            found.push(UNKNOWN.to_owned());
            return;
        }
        let recorded = id.and_then(|id| self.state.classifications.get(&id));
        let declared = self.contracts.as_ref().and_then(|contracts| contracts.get(name)).map(|declared| &declared.classification);
        let model = self.models.as_ref().and_then(|models| models.get(name));
        found.extend(recorded.into_iter().chain(declared).flatten().cloned());
        if let Some(model) = model {
            self.collect_inputs(model, depth, found);
        }
        if recorded.is_none() && declared.is_none() && model.is_none() {
            found.push(UNKNOWN.to_owned());
        }
    }

    fn collect_inputs(&self, model: &Model, depth: usize, found: &mut Vec<String>) {
        for input in &model.inputs {
            self.collect(input, self.installation.keys.find(&format!("table:{input}")), depth + 1, found);
        }
    }
}

impl Installation {
    /// Records how sensitive a table is under an approved contract, when the log says otherwise or nothing.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub async fn classify(&self, dataset: DatasetId, approved: &Approved, classification: Option<String>) -> Outcome {
        if self.journal.state().classifications.get(&dataset) == Some(&classification) {
            return Ok(());
        }
        let contract_hash = hex::encode(approved.semantic_hash());
        self.record(EventKind::TableClassified { dataset, classification, contract_hash }).await
    }
}
