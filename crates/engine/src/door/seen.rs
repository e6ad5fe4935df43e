//! The tables that one may know of, and what of them may be seen. It is worked out from names, policies and columns: no table is opened, so no
//! row can be read, and nothing of it is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use futures::future::BoxFuture;
use polder_policy::{Access, Circumstances, Denied, Sight, TableRef};
use polder_types::{RequestId, TableName};

use super::barrier::governed;
use super::decide::{Decider, Scope, Source};
use super::open::Opened;
use super::parse::parse;
use super::stack::polled_with_room;
use super::{Asker, Door};
use crate::error::Error;
use crate::model::Materialized;

/// A column that may be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenColumn {
    /// Its name.
    pub name: String,
    /// Its type, as it is seen: that of the mask where one is on it.
    pub data_type: DataType,
    /// Whether it may be NULL, as it is seen.
    pub nullable: bool,
    /// The contract's classification.
    pub classification: Option<String>,
    /// How it is seen.
    pub sight: Sight,
}

/// A table or model that one may know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenTable {
    /// Its name.
    pub name: TableName,
    /// Whether a model makes it.
    pub model: bool,
    /// The strictest classification of its columns.
    pub classification: Option<String>,
    /// The columns that may be seen, in their order: none where it may be known of and not read, or cannot be opened now.
    pub columns: Vec<SeenColumn>,
    /// Whether policies hide some rows.
    pub filtered: bool,
    /// Its visible version; 0 for a view, which has none.
    pub version: u64,
}

/// A table without its rows, and the access to it.
type Rowless = (Arc<dyn TableProvider>, Option<Access>);

impl Door {
    /// The tables and models that `asker` may know of when it asks for a purpose, by name.
    ///
    /// # Errors
    /// When there is no randomness for an id.
    pub async fn tables(&self, asker: &Asker, purpose: Option<&str>) -> Result<Vec<SeenTable>, Error> {
        polled_with_room(self.tables_with_room(asker, purpose)).await
    }

    async fn tables_with_room(&self, asker: &Asker, purpose: Option<&str>) -> Result<Vec<SeenTable>, Error> {
        let request = RequestId::random(self.ports.rng.as_ref())?;
        let circumstances = Circumstances::at(self.now_micros()).with_purpose(purpose.map(str::to_owned));
        let decider = Decider { ports: &self.ports, request, explain_to: None, circumstances, whole: false };
        let views = self.ports.models.in_order().filter(|model| model.materialized == Materialized::View);
        let names: BTreeSet<TableName> = self.ports.tables.names().into_iter().chain(views.map(|model| model.name.clone())).collect();
        let mut found = Vec::new();
        for name in names {
            let Some(reference) = decider.reference(&name) else { continue };
            match decider.scope(asker, &BTreeSet::from([name.as_str().to_owned()]), &BTreeMap::new()) {
                Ok(scope) => found.push(self.seen(&name, &reference, &scope).await),
                Err(Error::Denied(Denied::Known { .. })) => found.push(known(&reference)),
                // It is not there for whoever asks.
                Err(_) => {}
            }
        }
        Ok(found)
    }

    async fn seen(&self, name: &TableName, reference: &TableRef, scope: &Scope) -> SeenTable {
        let columns = match scope.sources.get(name.as_str()) {
            Some(source) => self.columns(name, source).await,
            None => Ok((Vec::new(), false)),
        };
        let version = match self.ports.tables.visible(name).await {
            Ok(visible) => visible.version,
            Err(_) => 0,
        };
        match columns {
            Ok((columns, filtered)) => SeenTable { columns, filtered, version, ..known(reference) },
            Err(error) => {
                tracing::debug!(table = %name, %error, "the columns of a table cannot be told");
                SeenTable { version, ..known(reference) }
            }
        }
    }

    /// The columns as they are seen, and whether rows are hidden.
    async fn columns(&self, name: &TableName, source: &Source) -> Result<(Vec<SeenColumn>, bool), Error> {
        let (table, access) = self.without_rows(source).await?;
        let schema = table.schema();
        let columns = schema.fields().iter().map(|field| SeenColumn {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            nullable: field.is_nullable(),
            classification: self.ports.tables.classification(name, field.name()),
            sight: access.as_ref().map_or(Sight::Clear, |access| access.column(field.name())),
        });
        let filtered = access.as_ref().is_some_and(|access| access.rows().is_some());
        Ok((columns.collect(), filtered))
    }

    /// What a source would be opened as, without its rows; and the access to it, where it is no view, which is seen whole.
    fn without_rows<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Rowless, Error>> {
        Box::pin(async move {
            let policies = &self.ports.policies;
            match source {
                Source::Table { decided, version: _ } => {
                    let name = decided.access.permit().table();
                    let visible =
                        self.ports.tables.visible(name).await.map_err(|source| Error::Table { table: name.to_string(), source })?;
                    let access = decided.of(&visible.schema, policies)?.into_owned();
                    let empty = Arc::new(EmptyTable::new(visible.schema));
                    let table = governed(&access, &decided.table.columns, empty, self.ports.tables.as_ref())?;
                    Ok((table, Some(access)))
                }
                Source::View { decided, model, scope } => {
                    let mut opened = Opened::default();
                    for (name, source) in &scope.sources {
                        let (table, _) = self.without_rows(source).await?;
                        opened.permitted.push(Arc::clone(&table));
                        opened.by_name.insert(name.clone(), table);
                    }
                    let prepared = self.plan(&parse(&model.sql)?.statement, &opened).await?;
                    let schema = Arc::clone(prepared.plan.schema().inner());
                    decided.of(&schema, policies)?;
                    Ok((Arc::new(EmptyTable::new(schema)) as Arc<dyn TableProvider>, None))
                }
            }
        })
    }
}

/// A table of which no column is told.
fn known(reference: &TableRef) -> SeenTable {
    SeenTable {
        name: reference.name.clone(),
        model: reference.model,
        classification: reference.classification.clone(),
        columns: Vec::new(),
        filtered: false,
        version: 0,
    }
}
