//! Models planned over the columns of tables alone: no table is opened, no policy is asked, and nothing can be computed. For who reviews
//! a change, without keys and without a store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::ViewTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use polder_types::TableName;

use super::functions::Allowed;
use super::open::Opened;
use super::parse::parse;
use super::run_model::output;
use super::stack::polled_with_room;
use super::{DoorOptions, Prepared, plan, session, table_of};
use crate::error::Error;
use crate::lineage::{self, ColumnRef, OutputColumn};
use crate::model::{Materialized, Model, Models};

/// What a model comes to over given columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// What it gives.
    pub columns: Vec<OutputColumn>,
    /// Every column of a table that it needs, be it for values, conditions or order; through views too.
    pub reads: BTreeSet<ColumnRef>,
}

/// Why a model has no outline.
#[derive(Debug)]
pub enum Unfit {
    /// Its query does not fit the columns.
    Query(Error),
    /// It reads what is neither a table nor a model, or a model that does not fit.
    Input(TableName),
}

/// A model and its outline.
pub type Outlined = (TableName, Result<Outline, Unfit>);

/// The outline of each model, in the order in which they depend on each other. `tables` are those that have a contract.
///
/// # Errors
/// Only when the query engine does not take our options.
pub async fn outline(models: &Models, tables: &BTreeMap<TableName, SchemaRef>) -> Result<Vec<Outlined>, Error> {
    let mut outliner = Outliner::new(tables)?;
    let mut outlines = Vec::new();
    for model in models.in_order() {
        let outlined = polled_with_room(outliner.outline(model)).await;
        outlines.push((model.name.clone(), outlined));
    }
    Ok(outlines)
}

struct Outliner {
    session: SessionState,
    allowed: Allowed,
    /// Tables, and the models so far.
    known: BTreeMap<TableName, Arc<dyn TableProvider>>,
}

impl Outliner {
    fn new(tables: &BTreeMap<TableName, SchemaRef>) -> Result<Self, Error> {
        let allowed = Allowed::new();
        let session = session::session(&DoorOptions::default(), None, &allowed).map_err(|error| Error::SetUp(error.strip_backtrace()))?;
        let known = tables.iter().map(|(name, schema)| (name.clone(), empty(schema))).collect();
        Ok(Self { session, allowed, known })
    }

    async fn outline(&mut self, model: &Model) -> Result<Outline, Unfit> {
        let mut opened = Opened::default();
        for input in &model.inputs {
            let Some(table) = self.known.get(input) else { return Err(Unfit::Input(input.clone())) };
            opened.permitted.push(Arc::clone(table));
            opened.by_name.insert(input.as_str().to_owned(), Arc::clone(table));
        }
        // A view stands for its query, whose tables are no inputs of this model.
        opened.permitted.extend(self.known.values().cloned());
        let parsed = parse(&model.sql).map_err(Unfit::Query)?;
        let Prepared { state, plan: planned, .. } =
            plan(&self.session, &self.allowed, &parsed.statement, &opened).await.map_err(Unfit::Query)?;
        let (columns, planned) = match model.materialized {
            Materialized::View => (view_columns(&planned).map_err(Unfit::Query)?, planned),
            Materialized::Table => output(model, planned, &|_, _| None).map_err(Unfit::Query)?,
        };
        let reads = reads(&state.optimize(&planned).map_err(|error| Unfit::Query(Error::plan(&error)))?).map_err(Unfit::Query)?;
        let provider: Arc<dyn TableProvider> = match model.materialized {
            Materialized::View => Arc::new(ViewTable::new(planned, None)),
            Materialized::Table => {
                let fields: Vec<Field> =
                    columns.iter().map(|column| Field::new(&column.name, column.data_type.clone(), column.nullable)).collect();
                empty(&Arc::new(Schema::new(fields)))
            }
        };
        self.known.insert(model.name.clone(), provider);
        Ok(Outline { columns, reads })
    }
}

/// The columns of a view, which may have names and types that no table has.
fn view_columns(plan: &LogicalPlan) -> Result<Vec<OutputColumn>, Error> {
    let origins = lineage::of_plan(plan)?;
    let fields = plan.schema().fields().iter();
    Ok(fields
        .zip(origins)
        .map(|(field, inputs)| OutputColumn {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            nullable: field.is_nullable(),
            classification: None,
            inputs,
        })
        .collect())
}

/// A table of these columns without rows; text as scans give it.
fn empty(schema: &SchemaRef) -> Arc<dyn TableProvider> {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 => Field::new(field.name(), DataType::Utf8View, field.is_nullable()),
            other => Field::new(field.name(), other.clone(), field.is_nullable()),
        })
        .collect();
    Arc::new(EmptyTable::new(Arc::new(Schema::new(fields))))
}

/// The columns that the scans of an optimised plan give.
fn reads(plan: &LogicalPlan) -> Result<BTreeSet<ColumnRef>, Error> {
    let mut found = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let table = table_of(scan.table_name.table()).to_owned();
            let given = scan.projected_schema.fields().iter().map(|field| field.name().clone());
            let filtered = scan.filters.iter().flat_map(|filter| filter.column_refs()).map(|column| column.name.clone());
            found.extend(given.chain(filtered).map(|column| ColumnRef { table: table.clone(), column }));
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(|error| Error::plan(&error))?;
    Ok(found)
}

#[cfg(test)]
mod tests;
