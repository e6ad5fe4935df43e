//! A condition on the rows of one table, held to the rules of every query and judged on batches: for what must find the rows that a question
//! with this condition would count, and nothing else.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{Query, Visit as _, Visitor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use polder_types::TableName;

use super::functions::Allowed;
use super::open::Opened;
use super::parse::{NESTING_MAX, parse};
use super::stack::{polled_with_room, with_room};
use super::{DoorOptions, plan, session};
use crate::error::Error;

/// A condition such as `patient_id = 4711`.
#[derive(Debug)]
pub struct Predicate {
    expression: Arc<dyn PhysicalExpr>,
    /// The columns that it looks at, as it takes them.
    schema: SchemaRef,
}

impl Predicate {
    /// Reads a condition on a table of these columns.
    ///
    /// # Errors
    /// When it is not one condition, looks at anything but a row of the table, may be answered otherwise another time, or does not fit the
    /// columns.
    pub async fn parse(text: &str, table: &TableName, schema: &Schema) -> Result<Self, Error> {
        polled_with_room(Self::parse_with_room(text, table, schema)).await
    }

    /// The question how many rows of the table it is true for. Only for a text that [`Predicate::parse`] took.
    pub fn question(text: &str, table: &TableName) -> String {
        format!("select count(*) from \"{table}\" where ({text}\n)")
    }

    async fn parse_with_room(text: &str, table: &TableName, schema: &Schema) -> Result<Self, Error> {
        // The parentheses around it are no protection: it is read by itself, to its end, before it is planned.
        let parsed = parse(&Self::question(text, table))?;
        alone(text)?;
        let schema = taken(schema);
        let provider: Arc<dyn TableProvider> = Arc::new(EmptyTable::new(Arc::clone(&schema)));
        let opened = Opened { by_name: [(table.to_string(), Arc::clone(&provider))].into_iter().collect(), permitted: vec![provider] };
        let allowed = Allowed::new();
        let set_up = |error: &DataFusionError| Error::SetUp(error.strip_backtrace());
        let session = session::session(&DoorOptions::default(), None, &allowed).map_err(|error| set_up(&error))?;
        let prepared = plan(&session, &allowed, &parsed.statement, &opened).await?;
        let condition = condition(&prepared.plan)?;
        same_at_any_time(&condition)?;
        let names: BTreeSet<String> = condition.column_refs().into_iter().map(|column| column.name.clone()).collect();
        let fields: Vec<Arc<Field>> = schema.fields().iter().filter(|field| names.contains(field.name())).cloned().collect();
        let schema = Arc::new(Schema::new(fields));
        let columns = DFSchema::try_from_qualified_schema(table.as_str(), &schema).map_err(|error| Error::plan(&error))?;
        let expression = prepared.state.create_physical_expr(condition, &columns).map_err(|error| Error::plan(&error))?;
        Ok(Self { expression, schema })
    }

    /// The columns that it looks at; none for a condition that is the same for each row.
    pub fn columns(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Which rows of a batch it is true for: not those for which it is false, and not those for which it is unknown. A column that the batch
    /// does not have is NULL.
    ///
    /// # Errors
    /// When it cannot be computed for a row; the text holds no value.
    pub fn matches(&self, batch: &RecordBatch) -> Result<BooleanArray, Error> {
        with_room(|| self.matches_with_room(batch))
    }

    fn matches_with_room(&self, batch: &RecordBatch) -> Result<BooleanArray, Error> {
        let rows = batch.num_rows();
        let failed = |error: DataFusionError| Error::execute(&error);
        let column = |field: &Arc<Field>| -> Result<ArrayRef, Error> {
            let Some(column) = batch.column_by_name(field.name()) else { return Ok(new_null_array(field.data_type(), rows)) };
            match column.data_type() == field.data_type() {
                true => Ok(Arc::clone(column)),
                false => cast(column, field.data_type()).map_err(|error| failed(error.into())),
            }
        };
        let columns = self.schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let looked_at =
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|error| failed(error.into()))?;
        let told = self.expression.evaluate(&looked_at).and_then(|told| told.into_array(rows)).map_err(failed)?;
        let told = cast(&told, &DataType::Boolean).map_err(|error| failed(error.into()))?;
        let told = told.as_boolean();
        let known = told.nulls().map_or_else(|| told.values().clone(), |nulls| told.values() & nulls.inner());
        Ok(BooleanArray::new(known, None))
    }
}

/// The columns in the one form in which they are looked at: text in one width, and each may be missing, since a row may be judged of which
/// not all is known.
fn taken(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => Field::new(field.name(), DataType::Utf8View, true),
        DataType::Binary | DataType::LargeBinary => Field::new(field.name(), DataType::BinaryView, true),
        other => Field::new(field.name(), other.clone(), true),
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// Whether a text is one expression without a query in it.
fn alone(text: &str) -> Result<(), Error> {
    let wrong = |what: &str| Error::Predicate(format!("{what}; write one condition on a row, such as id = 4711"));
    let dialect = GenericDialect {};
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(NESTING_MAX).try_with_sql(text).map_err(|error| Error::Predicate(error.to_string()))?;
    let expression = parser.parse_expr().map_err(|error| Error::Predicate(error.to_string()))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(wrong(&format!("unexpected {} after the end of the condition", rest.token)));
    }
    match expression.visit(&mut NoQuery) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(wrong("a subquery is not taken: what it finds may be gone, or come, at any time")),
    }
}

struct NoQuery;

impl Visitor for NoQuery {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }
}

/// The one condition of a planned question.
fn condition(plan: &LogicalPlan) -> Result<Expr, Error> {
    let mut found = None;
    plan.apply(|node| {
        if let LogicalPlan::Filter(filter) = node {
            found = Some(filter.predicate.clone());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(|error| Error::plan(&error))?;
    found.ok_or_else(|| Error::SetUp("a condition was planned away".to_owned()))
}

/// Refuses what belongs to several rows, and what may be true now and false when it is asked again.
fn same_at_any_time(condition: &Expr) -> Result<(), Error> {
    let mut finding = None;
    condition
        .apply(|part| {
            finding = match part {
                Expr::AggregateFunction(function) => Some(format!("{} is of several rows", function.func.name())),
                Expr::WindowFunction(_) => Some("a window is of several rows".to_owned()),
                Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_) | Expr::SetComparison(_) => {
                    Some("a subquery is not taken".to_owned())
                }
                Expr::ScalarFunction(function) if function.func.signature().volatility != Volatility::Immutable => {
                    Some(format!("{} gives another answer at another time; write its value out", function.func.name()))
                }
                _ => None,
            };
            Ok(if finding.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
        .map_err(|error| Error::plan(&error))?;
    finding.map_or(Ok(()), |finding| Err(Error::Predicate(format!("{finding}; write one condition on a row, such as id = 4711"))))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use polder_types::ErrorKind;

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)])
    }

    fn table() -> TableName {
        TableName::new("people").unwrap()
    }

    fn batch() -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, i64::MAX]));
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("Ann"), None, Some("Bob"), Some("O'Hara")]));
        RecordBatch::try_new(Arc::new(schema()), vec![ids, names]).unwrap()
    }

    async fn matches(text: &str) -> Vec<usize> {
        let predicate = Predicate::parse(text, &table(), &schema()).await.unwrap();
        let matches = predicate.matches(&batch()).unwrap();
        assert_eq!(matches.null_count(), 0);
        (0..4).filter(|row| matches.value(*row)).collect()
    }

    #[tokio::test]
    async fn only_rows_for_which_it_is_true_are_meant() {
        assert_eq!(matches("id = 2").await, [1]);
        assert_eq!(matches("ID = 2 -- why").await, [1]);
        assert_eq!(matches("people.id in (1, 3)").await, [0, 2]);
        // What is unknown is not true, and neither is its opposite.
        assert_eq!(matches("name = 'Ann'").await, [0]);
        assert_eq!(matches("name <> 'Ann'").await, [2, 3]);
        assert_eq!(matches("not (name = 'Ann')").await, [2, 3]);
        assert_eq!(matches("name is null").await, [1]);
        assert_eq!(matches("name = 'O''Hara'").await, [3]);
        assert_eq!(matches("lower(name) like 'b%' or id < 2").await, [0, 2]);
        assert_eq!(matches("null").await, [0usize; 0]);
        assert_eq!(matches("true").await, [0, 1, 2, 3]);
        assert_eq!(matches("1 = 1").await, [0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn what_is_no_condition_on_a_row_is_refused() {
        let refused = async |text: &str| Predicate::parse(text, &table(), &schema()).await.unwrap_err();
        for text in [
            "",
            "id",
            "id = ",
            "id = 1; drop table people",
            "id = 1) or (id = 2",
            "id = 1) union select (1",
            "id = 1 order by id",
            "id in (select id from people)",
            "exists (select 1)",
            "id = (select max(id) from people)",
            "count(*) > 1",
            "row_number() over () = 1",
            "to_date('2020-01-01') < now()",
            "current_date > to_date('2020-01-01')",
            "nme = 'Ann'",
            "pets.id = 1",
            "id = $1",
            "/* id = 1",
        ] {
            let error = refused(text).await;
            assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Denied), "{text}: {error}");
        }
        assert!(refused("random() < 0.5").await.to_string().contains("random"));
        let unknown = refused("nme = 'Ann'").await.to_string();
        assert!(unknown.contains("nme") && unknown.contains("name"), "{unknown}");
        assert!(refused("id in (select 1)").await.to_string().contains("subquery"));
        assert!(refused("current_date is null").await.to_string().contains("another time"));
    }

    #[tokio::test]
    async fn it_looks_at_its_columns_alone_and_says_no_value() {
        let predicate = Predicate::parse("name = 'Ann'", &table(), &schema()).await.unwrap();
        assert_eq!(predicate.columns(), ["name"]);
        let only = batch().project(&[1]).unwrap();
        assert_eq!(predicate.matches(&only).unwrap().true_count(), 1);
        // A file that was written before the column came.
        let without = batch().project(&[0]).unwrap();
        assert_eq!(predicate.matches(&without).unwrap().true_count(), 0);
        let fails = Predicate::parse("id + 1 > 0", &table(), &schema()).await.unwrap();
        let error = fails.matches(&batch()).unwrap_err();
        assert!(error.to_string().contains("too large") && !error.to_string().contains("9223372036854775807"), "{error}");
    }
}
