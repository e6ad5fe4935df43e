//! The lake's tables as the SQL door sees them: only those with a committed batch exist.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use polder_audit::Journal;
use polder_contract::Contract;
use polder_contract::domains::never_equal;
use polder_engine::{Asker, Door, DoorOptions, DoorPorts, Keyed, KeyedMask, Models, TableError, Tables, Visible};
use polder_keys::Keys;
use polder_lake::Lake;
use polder_policy::{Permit, TableRef};
use polder_types::{DatasetId, ErrorKind, TableName};

use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::project::Project;
use crate::read_masks;

/// A table whose key was destroyed, by its name.
#[derive(Debug, thiserror::Error)]
#[error(
    "read table {table}: it is unreadable: its key version {key_version} was destroyed on {on}, and what that sealed is gone for good; `polder table drop {table}` removes what is left, then `polder run` loads it anew"
)]
pub struct Unreadable {
    table: TableName,
    key_version: u32,
    on: String,
}

impl Unreadable {
    /// The same with the table's name, when that is what the error says.
    pub fn of(table: &TableName, error: polder_lake::Error) -> Result<Self, polder_lake::Error> {
        match error {
            polder_lake::Error::Destroyed { key_version, on, .. } => Ok(Self { table: table.clone(), key_version, on }),
            error => Err(error),
        }
    }

    /// In a listing of tables.
    pub fn brief(&self) -> String {
        format!("its key version {} was destroyed on {}", self.key_version, self.on)
    }
}

struct LakeTables {
    lake: Lake,
    tables: BTreeMap<TableName, TableRef>,
    /// Of the columns of tables that a contract is for.
    classifications: BTreeMap<TableName, BTreeMap<String, String>>,
    contracts: BTreeMap<TableName, (PathBuf, Contract)>,
    /// Tells of a contract whether it is approved.
    project: Project,
    /// For what policies show masked under a key.
    keys: Keys,
    /// Which version of a table is visible.
    journal: Arc<Journal>,
    /// A table as a load would leave it, instead of what is visible of it.
    staged: Option<(DatasetId, Arc<dyn TableProvider>)>,
}

#[async_trait]
impl Tables for LakeTables {
    fn resolve(&self, name: &TableName) -> Option<TableRef> {
        self.tables.get(name).cloned()
    }

    fn names(&self) -> Vec<TableName> {
        self.tables.keys().cloned().collect()
    }

    async fn visible(&self, name: &TableName) -> Result<Visible, TableError> {
        let Some(table) = self.tables.get(name) else {
            return Err(read_masks::failed(Failure::new(ErrorKind::NotFound, format!("find table {name}: there is none"))));
        };
        let version = self.journal.state().tables.get(&table.id).map_or(0, |head| head.version);
        match self.lake.schema(table.id, None).await {
            Ok(schema) => Ok(Visible { schema, version }),
            Err(error) => Err(unopened(name, error)),
        }
    }

    async fn provider(&self, permit: &Permit, version: Option<u64>) -> Result<Arc<dyn TableProvider>, TableError> {
        if let Some((_, staged)) = self.staged.as_ref().filter(|(id, _)| *id == permit.table_id() && version.is_none()) {
            return Ok(Arc::clone(staged));
        }
        self.lake.scan(permit, version).await.map_err(|error| unopened(permit.table(), error))
    }

    fn classification(&self, table: &TableName, column: &str) -> Option<String> {
        match self.classifications.get(table) {
            Some(columns) => columns.get(column).cloned(),
            // Of what a model computed, or a contract that is gone let in, only the strictest is known.
            None => self.tables.get(table)?.classification.clone(),
        }
    }

    fn never_equal(&self, left: (&TableName, &str), right: (&TableName, &str)) -> Option<String> {
        let column = |(table, name): (&TableName, &str)| self.contracts.get(table)?.1.columns.iter().find(|column| column.name == name);
        let (left, right) = never_equal(column(left)?, column(right)?)?;
        Some(format!("one is masked by {left}, the other by {right}"))
    }

    fn keyed(&self, table: &TableName, column: &str, way: Keyed) -> Result<Arc<dyn KeyedMask>, TableError> {
        match way {
            Keyed::Hash => read_masks::hash(&self.keys),
            Keyed::Token => {
                // What a contract says that nobody approved could make a stored value pass for a token, which is shown as it is.
                let approved = self.contracts.get(table).map(|(path, contract)| self.project.approved(path, contract.clone())).transpose();
                let approved = approved.map_err(|failure| {
                    read_masks::failed(Failure::new(failure.kind(), format!("tokenise column {column} of table {table}: {failure}")))
                })?;
                let declared = approved.as_ref().and_then(|contract| contract.columns.iter().find(|declared| declared.name == column));
                read_masks::token(&self.keys, column, declared)
            }
        }
    }
}

/// Why a table cannot be opened, with its name where that is what the error says.
fn unopened(table: &TableName, error: polder_lake::Error) -> TableError {
    let kind = error.kind();
    match Unreadable::of(table, error) {
        Ok(unreadable) => TableError { kind, source: Box::new(unreadable) },
        Err(error) => TableError { kind, source: Box::new(error) },
    }
}

impl Installation {
    /// The SQL door over this installation's tables.
    ///
    /// # Errors
    /// When a contract or model is wrong.
    pub fn door(&self, lake: &Lake, memory_mib: u64) -> Outcome<Door> {
        self.door_of(lake, memory_mib, None)
    }

    /// The same, with one table as a load would leave it.
    ///
    /// # Errors
    /// As [`Installation::door`].
    pub fn door_over(&self, lake: &Lake, memory_mib: u64, table: TableRef, staged: Arc<dyn TableProvider>) -> Outcome<Door> {
        self.door_of(lake, memory_mib, Some((table, staged)))
    }

    fn door_of(&self, lake: &Lake, memory_mib: u64, staged: Option<(TableRef, Arc<dyn TableProvider>)>) -> Outcome<Door> {
        let ports = self.door_ports(lake, staged)?;
        let memory_bytes = usize::try_from(memory_mib.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
        Ok(Door::new(ports, &DoorOptions { memory_bytes, ..DoorOptions::default() })?)
    }

    /// What a door is wired to: the tables that are committed now, each in its visible version of whenever it is asked for. `staged` is a table
    /// as a load would leave it.
    ///
    /// # Errors
    /// When a contract or model is wrong.
    pub fn door_ports(&self, lake: &Lake, staged: Option<(TableRef, Arc<dyn TableProvider>)>) -> Outcome<DoorPorts> {
        let state = self.journal.state();
        let committed = |table: &TableRef| state.tables.get(&table.id).is_some_and(|head| head.sequence > 0);
        let mut tables: BTreeMap<TableName, TableRef> =
            self.tables().into_iter().filter(committed).map(|table| (table.name.clone(), table)).collect();
        let staged = staged.map(|(table, provider)| {
            let id = table.id;
            tables.insert(table.name.clone(), table);
            (id, provider)
        });
        let (mut classifications, mut contracts) = (BTreeMap::new(), BTreeMap::new());
        for (path, contract) in self.project.contracts()? {
            let columns = contract.columns.iter().filter_map(|column| Some((column.name.clone(), column.classification.clone()?)));
            classifications.insert(contract.table.clone(), columns.collect());
            contracts.insert(contract.table.clone(), (path, contract));
        }
        Ok(DoorPorts {
            tables: Arc::new(LakeTables {
                lake: lake.clone(),
                tables,
                classifications,
                contracts,
                project: self.project.clone(),
                keys: self.keys.clone(),
                journal: Arc::clone(&self.journal),
                staged,
            }),
            policies: Arc::clone(&self.policies),
            recorder: Arc::clone(&self.journal) as Arc<dyn polder_types::Recorder>,
            rng: Arc::clone(&self.rng),
            clock: Arc::clone(&self.clock),
            temp: self.temp.clone(),
            models: Arc::new(self.loaded_models()?),
        })
    }

    /// The project's models.
    ///
    /// # Errors
    /// When a model is wrong.
    pub fn loaded_models(&self) -> Outcome<Models> {
        let files: Vec<_> = self.project.models()?.into_iter().map(|(name, text)| (format!("models/{name}.sql"), text)).collect();
        let models = Models::load(&files)?;
        // A model that is computed into a contract's table would take the place of what the contract let in.
        for model in models.in_order() {
            if self.project.contract(model.name.as_str()).is_ok() {
                return Err(Failure::new(
                    ErrorKind::Invalid,
                    format!(
                        "load models: models/{0}.sql has the name of a table that a contract fills; give the model another name",
                        model.name
                    ),
                ));
            }
        }
        Ok(models)
    }

    /// Who asks.
    pub fn asker(&self) -> Asker {
        Asker { principal: self.actor.clone(), groups: self.groups.clone() }
    }
}
