//! What reaches a scan below the barrier and what does not, read off physical plans, each beside the same question over the table itself.

use arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::common::tree_node::TreeNode as _;
use datafusion::datasource::MemTable;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{collect, displayable};
use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parking_lot::Mutex;
use polder_policy::{Circumstances, Policies, TableRef, default_policies};
use polder_types::predicate::{Comparison, Value};
use polder_types::{DatasetId, RequestId, TableName};

use super::*;
use crate::tables::KeyedMask as _;
use crate::tests::bed::{MemoryTables, Scrambled, owner, texts};

/// Eight rows, of which those of ward b are hidden. Hidden rows hold what must not come to light: the least and the greatest salary, a salary of
/// 100, a code that is no number.
fn rows() -> RecordBatch {
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(1..=8)) as ArrayRef),
        ("ward", Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("a"), None, Some("b"), Some("a"), Some("b"), Some("a")]))),
        ("salary", Arc::new(Int64Array::from(vec![50, 100, 60, 9, 1, 70, 999, 80]))),
        ("code", Arc::new(StringArray::from(vec!["1", "x", "2", "y", "z", "3", "q", "4"]))),
        ("name", Arc::new(StringArray::from(vec!["Ann", "Bea", "Cid", "Dan", "Eve", "Fay", "Gus", "Hal"]))),
    ])
    .unwrap()
}

fn in_ward_a() -> Predicate {
    Predicate::Compare { column: "ward".to_owned(), comparison: Comparison::Equal, value: Value::Text("a".to_owned()) }
}

/// What a scan was asked for.
#[derive(Debug, Default)]
struct Wanted {
    projection: Option<Vec<usize>>,
    filters: Vec<String>,
    limit: Option<usize>,
}

/// Rows as files of Parquet, several row groups each, scanned as the lake scans: the plan prunes, the provider does not.
#[derive(Debug)]
struct Files {
    schema: SchemaRef,
    store: Arc<dyn ObjectStore>,
    files: Vec<PartitionedFile>,
    wanted: Mutex<Wanted>,
}

const URL: &str = "memory://files";

impl Files {
    async fn new() -> Arc<Self> {
        let (rows, store) = (rows(), InMemory::new());
        let mut files = Vec::new();
        for (name, batch) in [("one.parquet", rows.slice(0, 4)), ("two.parquet", rows.slice(4, 4))] {
            let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2)).build();
            let mut bytes = Vec::new();
            let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties)).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            files.push(PartitionedFile::new(name, bytes.len() as u64));
            store.put(&Path::from(name), bytes.into()).await.unwrap();
        }
        Arc::new(Self { schema: rows.schema(), store: Arc::new(store), files, wanted: Mutex::default() })
    }
}

#[async_trait]
impl TableProvider for Files {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
        *self.wanted.lock() = Wanted { projection: projection.cloned(), filters, limit };
        let groups = self.files.iter().map(|file| FileGroup::new(vec![file.clone()])).collect();
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(URL)?, Arc::new(ParquetSource::new(Arc::clone(&self.schema))))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// A table with its rows of ward a, of which the ward is hidden and the name masked.
fn hiding(inner: Arc<dyn TableProvider>, rows: Option<Predicate>) -> Arc<dyn TableProvider> {
    let stored = inner.schema();
    let columns: Vec<Column> = stored
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| field.name() != "ward")
        .map(|(place, field)| {
            let shown = if field.name() == "name" { Shown::Keyed(Arc::new(Scrambled("name".to_owned()))) } else { Shown::Clear };
            Column { from: Some(place), field: Arc::new(shown.field(field)), shown }
        })
        .collect();
    let schema = Arc::new(Schema::new(columns.iter().map(|column| Arc::clone(&column.field)).collect::<Vec<_>>()));
    Arc::new(Governed { inner, schema, columns, rows })
}

/// A session with the table itself as `plain`, and as it is shown as `t`.
async fn session(rows: Option<Predicate>) -> (SessionContext, Arc<Files>) {
    session_with(SessionConfig::new().with_target_partitions(2), rows).await
}

async fn session_with(config: SessionConfig, rows: Option<Predicate>) -> (SessionContext, Arc<Files>) {
    let context = SessionContext::new_with_config(config);
    let files = Files::new().await;
    context.register_object_store(ObjectStoreUrl::parse(URL).unwrap().as_ref(), Arc::clone(&files.store));
    context.register_table("plain", Arc::clone(&files) as Arc<dyn TableProvider>).unwrap();
    context.register_table("t", hiding(Arc::clone(&files) as Arc<dyn TableProvider>, rows)).unwrap();
    (context, files)
}

async fn planned(context: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    context.sql(sql).await.unwrap().create_physical_plan().await.unwrap()
}

fn shown(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(false).to_string()
}

/// What is below the only barrier of a plan.
fn below(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    fn all(plan: &Arc<dyn ExecutionPlan>, found: &mut Vec<Arc<dyn ExecutionPlan>>) {
        if let Some(barrier) = plan.downcast_ref::<Barrier>() {
            found.push(Arc::clone(barrier.input()));
        }
        plan.children().into_iter().for_each(|child| all(child, found));
    }
    let mut found = Vec::new();
    all(plan, &mut found);
    assert_eq!(found.len(), 1, "{}", shown(plan));
    found.remove(0)
}

async fn answer(context: &SessionContext, sql: &str) -> Vec<String> {
    let plan = planned(context, sql).await;
    let batches = collect(plan, context.task_ctx()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    texts(&batches).into_iter().map(|row| row.join(" ")).collect()
}

#[tokio::test]
async fn leakproof_conditions_reach_the_scan_and_no_others() {
    let (context, files) = session(Some(in_ward_a())).await;
    for (condition, filters, looks_at) in [
        ("salary = 60", vec!["salary = Int64(60)"], "salary@2 = 60"),
        ("60 < salary", vec!["salary > Int64(60)"], "salary@2 > 60"),
        ("salary = 50 or id <= 3", vec!["salary = Int64(50) OR id <= Int64(3)"], "salary@2 = 50 OR id@0 <= 3"),
        ("code = '2'", vec!["code = Utf8(\"2\")"], "code@3 = 2"),
    ] {
        let plan = planned(&context, &format!("select id, salary, code from t where {condition}")).await;
        let below = shown(&below(&plan));
        // In the filter, and in what the file reader prunes by.
        let (filter, scan) = below.split_once('\n').unwrap();
        assert!(filter.starts_with("FilterExec") && filter.contains("ward@"), "{condition}: {below}");
        assert!(scan.contains("predicate=") && scan.contains("pruning_predicate="), "{condition}: {below}");
        assert_eq!(files.wanted.lock().filters, filters, "{condition}");
        assert!(filter.contains(looks_at) && scan.contains(looks_at), "{condition}: {below}");
    }
    for condition in [
        "1 / (salary - 100) > 0",
        "cast(code as int) > 1",
        "code like '1%'",
        "regexp_like(code, '^[0-9]')",
        "salary <> 60",
        "salary = id",
        "abs(salary) = 60",
        "case when salary = 100 then 1 / (id - 1) else 1 end = 1",
        "name = 'Ann'",
        "name is not null",
        "name in ('Ann', 'Bea')",
        "salary > (select max(salary) from plain)",
        "salary * id = 60",
        "salary = 60 or code like '1%'",
        "random() < 2",
    ] {
        let plan = planned(&context, &format!("select id from t where {condition}")).await;
        let below = shown(&below(&plan));
        let filter = below.lines().next().unwrap();
        for column in ["salary", "code", "name", "random", "id@"] {
            assert!(!filter.split(", projection").next().unwrap().contains(column), "{condition}: {below}");
        }
        assert!(files.wanted.lock().filters.is_empty(), "{condition}");
    }
}

#[tokio::test]
async fn a_condition_that_is_leakproof_in_part_is_taken_in_part() {
    let (context, files) = session(Some(in_ward_a())).await;
    let sql = "select id from t where salary > 40 and 1 / (salary - 100) < 0 and code like '%'";
    let plan = planned(&context, sql).await;
    assert_eq!(files.wanted.lock().filters, ["salary > Int64(40)"]);
    assert!(!shown(&below(&plan)).contains("100"));
    assert_eq!(answer(&context, &format!("{sql} order by id")).await, [] as [&str; 0]);
}

#[tokio::test]
async fn nothing_of_a_hidden_row_is_computed() {
    let (context, _) = session(Some(in_ward_a())).await;
    for (question, wanted) in [
        ("select 1 / (salary - 100) from t order by id", vec!["0"; 4]),
        ("select id from t where 1 / (salary - 100) = 0 order by id", vec!["1", "3", "6", "8"]),
        ("select sum(cast(code as int)) from t", vec!["10"]),
        ("select count(*) from t where cast(code as int) > 1", vec!["3"]),
        ("select count(*), min(salary), max(salary), count(code) from t", vec!["4 50 80 4"]),
        ("select id from t order by 100 / (salary - 100) desc, id limit 1", vec!["1"]),
        ("select a.id from t a join t b on a.id = b.id and cast(a.code as int) = cast(b.code as int) order by 1", vec!["1", "3", "6", "8"]),
        ("select id from t where salary > (select max(1 / (salary - 100)) from t) order by id", vec!["1", "3", "6", "8"]),
    ] {
        assert_eq!(answer(&context, question).await, wanted, "{question}");
    }
    // The controls: over the table itself each would fail, and a filter of the question does not hold it back.
    for question in ["select 1 / (salary - 100) from plain", "select cast(code as int) from plain"] {
        assert!(collect(planned(&context, question).await, context.task_ctx()).await.is_err(), "{question}");
    }
}

/// The rows, so many times, in memory, and exactly counted as the lake counts a table.
#[derive(Debug)]
struct Counted(MemTable, usize);

fn counted(copies: usize) -> Arc<dyn TableProvider> {
    let table = MemTable::try_new(rows().schema(), vec![vec![rows(); copies]]).unwrap();
    Arc::new(Counted(table, copies * rows().num_rows()))
}

#[async_trait]
impl TableProvider for Counted {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(Statistics { num_rows: Precision::Exact(self.1), ..Statistics::new_unknown(&self.0.schema()) })
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.scan(state, projection, filters, limit).await
    }
}

#[tokio::test]
async fn counts_and_extremes_are_not_those_of_statistics() {
    let context = SessionContext::new();
    let table = counted(1);
    context.register_table("plain", Arc::clone(&table)).unwrap();
    // Without a row filter every row counts, and still nothing but the scan says how many there are.
    context.register_table("t", hiding(Arc::clone(&table), None)).unwrap();
    context.register_table("f", hiding(table, Some(in_ward_a()))).unwrap();
    let plain = planned(&context, "select count(*) from plain").await;
    assert!(!shown(&plain).contains("DataSource"), "the control: {}", shown(&plain));
    for (name, wanted) in [("t", "8"), ("f", "4")] {
        let sql = format!("select count(*) from {name}");
        let plan = planned(&context, &sql).await;
        let barrier = plan_of_barrier(&plan);
        // How large the table is about, and nothing of what is in it.
        let statistics = StatisticsContext::new().compute(barrier.as_ref(), &StatisticsArgs::new()).unwrap();
        assert_eq!(*statistics, of_size(64, &barrier.schema()));
        assert_eq!(answer(&context, &sql).await, [wanted]);
        assert!(context.table_provider(name).await.unwrap().statistics().is_none());
    }
}

/// All that a plan is told of a table of this size class.
fn of_size(rows: usize, schema: &Schema) -> Statistics {
    let mut statistics = Statistics::new_unknown(schema);
    statistics.num_rows = Precision::Inexact(rows);
    for column in &mut statistics.column_statistics {
        column.distinct_count = Precision::Inexact(rows / 4);
    }
    statistics
}

/// A plan is the same whatever is hidden, until the table is four times as large.
#[test]
fn a_size_is_told_in_powers_of_four() {
    let class = |rows: Precision<usize>| {
        let statistics = Statistics { num_rows: rows, ..Statistics::new_unknown(&Schema::empty()) };
        size_class(Some(&statistics))
    };
    for (rows, wanted) in [(0, 64), (1, 64), (64, 64), (65, 256), (256, 256), (257, 1024), (1_500_000, 1 << 22), (6_001_215, 1 << 24)] {
        assert_eq!(class(Precision::Exact(rows)), Some(wanted), "{rows}");
        assert_eq!(class(Precision::Inexact(rows)), Some(wanted), "{rows}");
    }
    assert_eq!(class(Precision::Exact(usize::MAX)), None);
    assert_eq!(class(Precision::Absent), None);
    assert_eq!(size_class(None), None);
}

/// Which side of a join is held in memory is decided by the size of the tables, not by how many rows are shown.
#[tokio::test]
async fn the_smaller_table_is_held_in_memory() {
    let context = SessionContext::new();
    context.register_table("large", hiding(counted(200), Some(in_ward_a()))).unwrap();
    context.register_table("small", hiding(counted(1), None)).unwrap();
    for sql in ["select count(*) from large l join small s on l.id = s.id", "select count(*) from small s join large l on l.id = s.id"] {
        let plan = planned(&context, sql).await;
        let mut sides = Vec::new();
        plan.apply(|node| {
            if let Some(join) = node.downcast_ref::<HashJoinExec>() {
                for side in [join.left(), join.right()] {
                    let statistics = StatisticsContext::new().compute(plan_of_barrier(side).as_ref(), &StatisticsArgs::new()).unwrap();
                    sides.push(*statistics.num_rows.get_value().unwrap());
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .unwrap();
        assert_eq!(sides, [64, 4096], "{sql}");
        assert_eq!(answer(&context, sql).await, ["800"]);
    }
}

/// The barrier itself.
fn plan_of_barrier(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match plan.downcast_ref::<Barrier>() {
        Some(_) => Arc::clone(plan),
        None => plan_of_barrier(plan.children()[0]),
    }
}

#[tokio::test]
async fn limits_sorts_and_dynamic_filters_stay_above() {
    let (context, files) = session(Some(in_ward_a())).await;
    for sql in [
        "select id from t limit 2",
        "select id from t order by salary limit 1",
        "select max(salary) from t",
        "select t.id from t join plain p on t.salary = p.salary where p.id = 1",
        "select id from t where salary in (select salary from plain where id < 3)",
    ] {
        let plan = planned(&context, sql).await;
        let below = below(&plan);
        let text = shown(&below);
        assert!(!text.contains("Dynamic") && !text.contains("fetch") && !text.contains("limit") && !text.contains("Sort"), "{sql}: {text}");
        assert_eq!(text.lines().count(), 2, "{sql}: {text}");
        collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
        assert_eq!(shown(&below), text, "{sql}: it changed while the plan ran");
    }
    // The controls: over the table itself they go down.
    let plain = planned(&context, "select id from plain order by salary limit 1").await;
    assert!(shown(&plain).lines().last().unwrap().contains("DynamicFilter"), "{}", shown(&plain));
    planned(&context, "select id from plain limit 2").await;
    assert_eq!(files.wanted.lock().limit, Some(2));
    // A limit goes on where each row is shown, unless something is filtered below.
    let (context, files) = session(None).await;
    planned(&context, "select id from t limit 2").await;
    assert_eq!(files.wanted.lock().limit, Some(2));
    planned(&context, "select id from t where salary > 60 limit 2").await;
    assert_eq!(files.wanted.lock().limit, None);
    assert_eq!(answer(&context, "select id from t where salary > 60 order by id limit 2").await, ["2", "6"]);
}

#[tokio::test]
async fn a_scan_reads_what_is_shown_and_what_the_filter_looks_at() {
    let (context, files) = session(Some(in_ward_a())).await;
    for (sql, wanted, projection) in [
        ("select count(*) from t", vec!["4"], vec![1]),
        ("select id from t order by id", vec!["1", "3", "6", "8"], vec![0, 1]),
        ("select salary, id from t order by id limit 1", vec!["50 1"], vec![0, 1, 2]),
        ("select count(*) from t where salary > 60", vec!["2"], vec![1, 2]),
    ] {
        assert_eq!(answer(&context, sql).await, wanted, "{sql}");
        assert_eq!(files.wanted.lock().projection, Some(projection), "{sql}");
    }
    // Without a row filter there may be nothing to read but the number of rows.
    let (context, files) = session(None).await;
    assert_eq!(answer(&context, "select count(*) from t").await, ["8"]);
    assert_eq!(files.wanted.lock().projection, Some(Vec::new()));
    // All partitions of the scan are there above.
    let plan = planned(&context, "select id from t").await;
    assert_eq!(plan_of_barrier(&plan).output_partitioning().partition_count(), 2);
}

#[tokio::test]
async fn files_are_read_in_parts_by_all_threads() {
    let config = || SessionConfig::new().with_target_partitions(4).with_repartition_file_min_size(1);
    for (config, partitions) in [(config(), 4), (config().with_repartition_file_scans(false), 2)] {
        let (context, _) = session_with(config, Some(in_ward_a())).await;
        let plan = plan_of_barrier(&planned(&context, "select id from t").await);
        assert_eq!(plan.output_partitioning().partition_count(), partitions);
        // Each row group is in one part.
        assert_eq!(answer(&context, "select id from t order by id").await, ["1", "3", "6", "8"]);
    }
}

#[tokio::test]
async fn what_is_hidden_has_no_name_and_what_is_masked_no_value() {
    let (context, _) = session(Some(in_ward_a())).await;
    let schema = context.sql("select * from t").await.unwrap().schema().as_arrow().clone();
    assert_eq!(schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["id", "salary", "code", "name"]);
    for sql in ["select ward from t", "select t.ward from t", "select id from t order by ward", "select id from t where ward = 'a'"] {
        let error = context.sql(sql).await.unwrap_err().strip_backtrace();
        // It says what was asked for, and no more.
        let rest = error.replace("No field named t.ward", "").replace("No field named ward", "");
        assert!(rest.len() < error.len() && !rest.contains("ward"), "{error}");
    }
    let masked = Scrambled("name".to_owned()).masked("Cid").unwrap();
    assert_eq!(answer(&context, "select name from t where id = 3").await, std::slice::from_ref(&masked));
    assert_eq!(answer(&context, &format!("select id from t where name = '{masked}'")).await, ["3"]);
    assert_eq!(answer(&context, "select count(*) from t where name = 'Cid'").await, ["0"]);
    // Neither a plan's words nor its debugging form tell what is below.
    let plan = planned(&context, "select id from t where salary > 60").await;
    for text in [shown(&plan), format!("{plan:?}"), format!("{:?}", context.table_provider("t").await.unwrap())] {
        assert!(!text.contains("ward") && !text.contains("parquet"), "{text}");
    }
    assert!(plan_of_barrier(&plan).metrics().is_none() && plan_of_barrier(&plan).children().is_empty());
}

#[tokio::test]
async fn a_recursion_reads_below_the_barrier_again() {
    let (context, _) = session(Some(in_ward_a())).await;
    let sql = "with recursive r as (select min(id) as id from t union all select t.id from t join r on t.id > r.id where t.id <= r.id + 3)
        select count(*), max(id) from r";
    // 1, then 3 from it, 6 from that and 8 from that: each round reads the table again.
    assert_eq!(answer(&context, sql).await, ["4 8"]);
}

#[test]
fn a_whole_read_is_the_table_itself() {
    let table = TableRef::new(TableName::new("t").unwrap(), DatasetId([1; 16]));
    let policies = Policies::load(&default_policies(), &[]).unwrap();
    let (asker, request) = (owner(), RequestId([1; 16]));
    let access = policies.access(&asker.principal, &asker.groups, &table, &Circumstances::at(0), request).unwrap();
    let provider: Arc<dyn TableProvider> = Arc::new(MemTable::try_new(rows().schema(), vec![vec![rows()]]).unwrap());
    let given = governed(&access, &[], Arc::clone(&provider), &MemoryTables::none()).unwrap();
    assert!(Arc::ptr_eq(&given, &provider));
}
