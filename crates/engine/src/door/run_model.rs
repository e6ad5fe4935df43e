//! Computes a model's rows, with what a contract for them can be derived from.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use polder_policy::{Action, Circumstances};
use polder_types::{RequestId, TableName};

use super::decide::{Decider, Scope, model_asker};
use super::parse::parse;
use super::stack::polled_with_room;
use super::{Asked, Asker, Door, Prepared, QueryOptions};
use crate::answer::{Answer, Manner};
use crate::error::Error;
use crate::lineage::{self, OutputColumn};
use crate::model::Model;

/// A model, planned and ready to give its rows.
pub struct ModelRun {
    /// Its columns: name, type, and the columns of tables that each is computed from.
    pub columns: Vec<OutputColumn>,
    /// Its rows. They are not admitted: they go through the gate of the contract derived from `columns`.
    pub rows: Answer,
}

impl Door {
    /// Computes a model as itself, on behalf of `asker`, who must be allowed to run it.
    ///
    /// # Errors
    /// When there is no such model, policies say no to the asker or to the model, or its query does not fit its inputs.
    pub async fn run_model(&self, asker: &Asker, name: &TableName) -> Result<ModelRun, Error> {
        polled_with_room(self.run_model_with_room(asker, name)).await
    }

    /// A model's columns, with the columns of tables that each is computed from, for `asker`, who must be allowed to run it. The
    /// query is planned and not begun: the record says that a whole read gave no row.
    ///
    /// # Errors
    /// When it is not permitted, or the model's query is wrong.
    pub async fn model_columns(&self, asker: &Asker, name: &TableName) -> Result<Vec<OutputColumn>, Error> {
        polled_with_room(self.model_columns_with_room(asker, name)).await
    }

    async fn run_model_with_room(&self, asker: &Asker, name: &TableName) -> Result<ModelRun, Error> {
        let request = RequestId::random(self.ports.rng.as_ref())?;
        let asked = Asked::of_model(self, asker, self.model_sql(name), request);
        let (model, as_model, scope) = match self.may_run(asker, name, request) {
            Ok(found) => found,
            Err(error) => return Err(asked.refused(error).await),
        };
        asked.decided(&scope, &as_model, true).await?;
        let outcome = asked.outcome(&as_model);
        match self.planned(model, &scope).await {
            Ok((columns, prepared)) => Ok(ModelRun { columns, rows: asked.answered(prepared, false, outcome, Manner::default()).await? }),
            Err(error) => Err(asked.unanswered(error, outcome).await),
        }
    }

    async fn model_columns_with_room(&self, asker: &Asker, name: &TableName) -> Result<Vec<OutputColumn>, Error> {
        let request = RequestId::random(self.ports.rng.as_ref())?;
        let asked = Asked::of_model(self, asker, self.model_sql(name), request);
        let (model, as_model, scope) = match self.may_run(asker, name, request) {
            Ok(found) => found,
            Err(error) => return Err(asked.refused(error).await),
        };
        // Tables are opened for their columns, and none is before its decision is recorded.
        asked.decided(&scope, &as_model, true).await?;
        let mut outcome = asked.outcome(&as_model);
        match self.planned(model, &scope).await {
            Ok((columns, _)) => {
                outcome.finish(true).await?;
                Ok(columns)
            }
            Err(error) => Err(asked.unanswered(error, outcome).await),
        }
    }

    fn model_sql(&self, name: &TableName) -> &str {
        self.ports.models.get(name).map_or("", |model| model.sql.as_str())
    }

    /// The model, itself as one who asks, and what it may read.
    fn may_run(&self, asker: &Asker, name: &TableName, request: RequestId) -> Result<(&Model, Asker, Scope), Error> {
        let circumstances = Circumstances::at(self.now_micros());
        let decider = Decider { ports: &self.ports, request, explain_to: None, circumstances, whole: false };
        let unknown = || polder_policy::Denied::no_such_table(name.as_str());
        let model = self.ports.models.get(name).ok_or_else(unknown)?;
        let reference = decider.reference(name).ok_or_else(unknown)?;
        self.ports.policies.permit(&asker.principal, &asker.groups, Action::Run, &reference, request)?;
        let names = model.inputs.iter().map(|input| input.as_str().to_owned()).collect();
        let as_model = model_asker(model)?;
        let scope = decider.scope(&as_model, &names, &BTreeMap::new())?;
        Ok((model, as_model, scope))
    }

    async fn planned(&self, model: &Model, scope: &Scope) -> Result<(Vec<OutputColumn>, Prepared), Error> {
        let parsed = parse(&model.sql)?;
        let prepared = self.prepare(scope, &parsed, &QueryOptions::default()).await?;
        self.nothing_compared_in_vain(model, &prepared.plan)?;
        let tables = &self.ports.tables;
        let (columns, plan) = output(model, prepared.plan, &|table, column| tables.classification(table, column))?;
        Ok((columns, Prepared { plan, ..prepared }))
    }

    /// A comparison that nothing can pass, since its sides are masked under different domains, gives an empty answer and says nothing.
    fn nothing_compared_in_vain(&self, model: &Model, plan: &LogicalPlan) -> Result<(), Error> {
        for (left, right) in lineage::compared(plan)? {
            let mut why = None;
            let mut pairs = left.iter().flat_map(|left| right.iter().map(move |right| (left, right)));
            let in_vain = pairs.all(|(left, right)| {
                let (Ok(left_table), Ok(right_table)) = (TableName::new(&left.table), TableName::new(&right.table)) else { return false };
                let reason = self.ports.tables.never_equal((&left_table, &left.column), (&right_table, &right.column));
                let never = reason.is_some();
                why = why.take().or(reason.map(|reason| (left, right, reason)));
                never
            });
            if let Some((left, right, reason)) = why.filter(|_| in_vain) {
                return Err(Error::Plan(format!(
                    "model {} compares {}.{} with {}.{}, which are never equal: {reason}; mask both under one domain, or take the comparison out",
                    model.name, left.table, left.column, right.table, right.column
                )));
            }
        }
        Ok(())
    }
}

/// Names and types that a table can hold, each column with its origin.
pub(super) fn output(
    model: &Model,
    plan: LogicalPlan,
    classification: &(dyn Fn(&TableName, &str) -> Option<String> + Sync),
) -> Result<(Vec<OutputColumn>, LogicalPlan), Error> {
    let origins = lineage::of_plan(&plan)?;
    let mut columns = Vec::new();
    let mut expressions = Vec::new();
    for ((qualifier, field), inputs) in plan.schema().iter().zip(origins) {
        let name = field.name();
        if TableName::new(&name.to_lowercase()).is_err() {
            return Err(Error::Plan(format!("the column {name:?} of model {} has no plain name; give it one with AS", model.name)));
        }
        if columns.iter().any(|column: &OutputColumn| column.name.eq_ignore_ascii_case(name)) {
            return Err(Error::Plan(format!("the column {name} of model {} appears twice; rename one with AS", model.name)));
        }
        let Some(data_type) = storable(field.data_type()) else {
            return Err(Error::Plan(format!(
                "the column {name} of model {} has the type {}, which no table holds; cast it to text, a number, a date or timestamp(6)",
                model.name,
                field.data_type()
            )));
        };
        let column = Expr::Column((qualifier, field).into());
        let column = if &data_type == field.data_type() { column } else { cast(column, data_type.clone()) };
        expressions.push(column.alias(name));
        let words: Vec<String> =
            inputs.iter().filter_map(|input| classification(&TableName::new(&input.table).ok()?, &input.column)).collect();
        columns.push(OutputColumn {
            name: name.clone(),
            data_type,
            nullable: field.is_nullable(),
            classification: crate::classification::strictest(words.iter().map(String::as_str)),
            inputs,
        });
    }
    let plan =
        LogicalPlanBuilder::from(plan).project(expressions).and_then(LogicalPlanBuilder::build).map_err(|error| Error::plan(&error))?;
    Ok((columns, plan))
}

/// The type that a table stores values of a type in without changing them; `None` when there is none. What may not fit is
/// checked value by value while the rows are computed.
fn storable(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32 => data_type.clone(),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Decimal128(_, scale) if *scale >= 0 => data_type.clone(),
        DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Millisecond | TimeUnit::Second, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))
        }
        DataType::Dictionary(_, values) => storable(values)?,
        _ => return None,
    })
}
