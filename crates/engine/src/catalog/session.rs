//! Answers questions of the catalog: in a session that holds nothing but the relations that the question names, made for its asker alone.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{ScalarValue, SchemaError};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Query, Statement as SqlStatement};
use futures::StreamExt as _;

use super::cell::{Cell, cells, column};
use super::function::{self, Function};
use super::rewrite::naming;
use super::world::World;
use super::{CatalogError, KnownTable, Who, relation, rows};
use crate::door::{Allowed, DoorOptions, bare_session, with_tables};
use crate::error::Error;

/// Memory of all questions of the catalog together.
const MEMORY_BYTES: usize = 64 << 20;
/// Most rows of an answer.
const ROWS_MAX: usize = 1_000_000;
/// Longest time that a question may take.
const SECONDS_MAX: u64 = 30;

/// What all sessions begin with: functions and limits, no table.
static BASE: LazyLock<Result<SessionState, String>> = LazyLock::new(|| {
    let options = DoorOptions { memory_bytes: MEMORY_BYTES, target_partitions: 1 };
    let mut state = bare_session(&options, None, &Allowed::new()).map_err(|error| error.strip_backtrace())?;
    state.config_mut().options_mut().execution.time_zone = Some("UTC".to_owned());
    Ok(state)
});

/// A question that can be computed.
pub(super) struct Planned {
    state: SessionState,
    plan: Arc<dyn ExecutionPlan>,
}

/// Plans a question that was rewritten. `names` are the relations that it reads.
///
/// # Errors
/// When it does not fit the catalog's relations.
pub(super) async fn plan(query: Query, names: &BTreeSet<String>, known: &[KnownTable], who: &Who) -> Result<Planned, CatalogError> {
    let base = BASE.as_ref().map_err(|error| CatalogError::defect(error.clone()))?;
    let world = Arc::new(World::new(known, who));
    let mut tables: BTreeMap<String, Arc<dyn TableProvider>> = BTreeMap::new();
    for name in names {
        let Some(found) = relation::all().find(|relation| relation.session_name() == *name) else { continue };
        let batch = found.batch(&rows::rows(found, &world, known)).map_err(|error| CatalogError::defect(error.to_string()))?;
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(|error| failed(&error))?;
        tables.insert(name.clone(), Arc::new(table));
    }
    let mut state = with_tables(base, &tables).map_err(|error| failed(&error))?;
    for function in function::all() {
        state.register_udf(Arc::new(ScalarUDF::from(Answers::new(function, &world)))).map_err(|error| failed(&error))?;
    }
    let statement = Statement::Statement(Box::new(SqlStatement::Query(Box::new(query))));
    let plan = state.statement_to_plan(statement).await.map_err(|error| failed(&error))?;
    let plan = state.create_physical_plan(&plan).await.map_err(|error| failed(&error))?;
    Ok(Planned { state, plan })
}

impl Planned {
    /// The columns of the answer.
    pub(super) fn schema(&self) -> SchemaRef {
        shown(&self.plan.schema())
    }

    /// The rows of the answer.
    ///
    /// # Errors
    /// When a function does not take a value, or a limit is passed.
    pub(super) async fn rows(self) -> Result<(SchemaRef, Vec<RecordBatch>), CatalogError> {
        let schema = self.schema();
        let work = async {
            let mut stream = execute_stream(self.plan, self.state.task_ctx()).map_err(|error| failed(&error))?;
            let (mut batches, mut count) = (Vec::new(), 0_usize);
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(|error| failed(&error))?;
                count = count.saturating_add(batch.num_rows());
                if count > ROWS_MAX {
                    return Err(CatalogError::limit(format!("the answer has more than {ROWS_MAX} rows")));
                }
                let batch = RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec());
                batches.push(batch.map_err(|error| CatalogError::defect(error.to_string()))?);
            }
            Ok(batches)
        };
        let late = |_| CatalogError::timed_out(format!("the question of the catalog took more than {SECONDS_MAX} seconds"));
        let batches = tokio::time::timeout(Duration::from_secs(SECONDS_MAX), work).await.map_err(late)??;
        Ok((schema, batches))
    }
}

/// The columns as they are shown: with names that may be the same, and each of which may be NULL, which hangs on the parameters' values.
fn shown(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<arrow::datatypes::Field>| {
        let name = field.name().split_once(naming::SAME).map_or(field.name().as_str(), |(name, _)| name);
        Arc::new(field.as_ref().clone().with_name(name).with_nullable(true))
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// What the engine's error means.
fn failed(error: &DataFusionError) -> CatalogError {
    let root = error.find_root();
    if let DataFusionError::External(own) = root
        && let Some(own) = own.downcast_ref::<CatalogError>()
    {
        return own.clone();
    }
    if let DataFusionError::SchemaError(schema, _) = root
        && let SchemaError::FieldNotFound { field, .. } = schema.as_ref()
    {
        return CatalogError::unknown_column(format!("column \"{}\" does not exist", field.flat_name()));
    }
    if let DataFusionError::ResourcesExhausted(_) = root {
        return CatalogError::limit("the question of the catalog needs more memory than it may use");
    }
    let text = error.strip_backtrace();
    if let Some((name, _)) = text.split_once("Invalid function '").and_then(|(_, rest)| rest.split_once('\'')) {
        return CatalogError::unknown_function(format!("function {name} does not exist"));
    }
    CatalogError::unsupported(format!("answer question of the catalog: {}", Error::plan(error)))
}

/// A function of the catalog for one asker.
struct Answers {
    function: &'static Function,
    world: Arc<World>,
    signature: Signature,
}

impl Answers {
    fn new(function: &'static Function, world: &Arc<World>) -> Self {
        let signature = Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::VariadicAny], Volatility::Stable);
        Self { function, world: Arc::clone(world), signature }
    }
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").field("function", &self.function.name).finish_non_exhaustive()
    }
}

// Within a session there is one function of a name.
impl PartialEq for Answers {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name && Arc::ptr_eq(&self.world, &other.world)
    }
}

impl Eq for Answers {}

impl Hash for Answers {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Answers {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> datafusion::error::Result<DataType> {
        Ok(self.function.answer.data_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> datafusion::error::Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let mut columns: Vec<Vec<Cell>> = Vec::with_capacity(args.args.len());
        for argument in &args.args {
            let array: ArrayRef = argument.to_array(rows)?;
            columns.push(cells(array.as_ref())?);
        }
        let mut answers = Vec::with_capacity(rows);
        let mut row: Vec<Cell> = Vec::with_capacity(columns.len());
        for number in 0..rows {
            row.clear();
            row.extend(columns.iter().map(|column| column.get(number).cloned().unwrap_or(Cell::Null)));
            let answer = (self.function.body)(&self.world, &row).map_err(|error| DataFusionError::External(Box::new(error)))?;
            answers.push(answer);
        }
        let answers = column(self.function.answer, &answers);
        if is_constant { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answers, 0)?)) } else { Ok(ColumnarValue::Array(answers)) }
    }
}
