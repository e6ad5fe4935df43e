use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use parking_lot::Mutex;
use polder_policy::{Action, ColumnKind, ColumnRef, OWNERS_GROUP, Permit, Policies, TableRef, default_policies};
use polder_store::{Backend, Options, TempSpace};
use polder_types::{
    DatasetId, ErrorKind, Event, EventKind, ManualClock, PrincipalId, RecordError, RecordRef, Recorder, SystemRng, TableName,
};
use tempfile::TempDir;

use crate::{Asker, Door, DoorOptions, DoorPorts, Error, Keyed, KeyedMask, Models, QueryOptions, TableError, Tables, Visible};

/// Keeps what is recorded, and refuses when told to.
#[derive(Default)]
pub(crate) struct Ledger {
    events: Mutex<Vec<Event>>,
    pub broken: AtomicBool,
}

impl Ledger {
    pub(crate) fn kinds(&self) -> Vec<EventKind> {
        self.events.lock().iter().map(|event| event.kind.clone()).collect()
    }

    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock())
    }
}

#[async_trait]
impl Recorder for Ledger {
    async fn record(&self, event: Event) -> Result<RecordRef, RecordError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(RecordError { kind: ErrorKind::Unavailable, message: "the disk is full".to_owned(), source: None });
        }
        let mut events = self.events.lock();
        events.push(event);
        Ok(RecordRef { index: events.len() as u64 - 1 })
    }
}

struct Stored {
    reference: TableRef,
    versions: Vec<Arc<MemTable>>,
    classifications: BTreeMap<String, String>,
}

/// Tables in memory. Opening one demands that the decision is already in the ledger.
pub(crate) struct MemoryTables {
    tables: BTreeMap<TableName, Stored>,
    ledger: Arc<Ledger>,
}

impl MemoryTables {
    /// None at all.
    pub(crate) fn none() -> Self {
        Self { tables: BTreeMap::new(), ledger: Arc::default() }
    }
}

#[async_trait]
impl Tables for MemoryTables {
    fn resolve(&self, name: &TableName) -> Option<TableRef> {
        self.tables.get(name).map(|stored| stored.reference.clone())
    }

    fn names(&self) -> Vec<TableName> {
        self.tables.keys().cloned().collect()
    }

    async fn visible(&self, name: &TableName) -> Result<Visible, TableError> {
        let stored = self.tables.get(name).ok_or_else(|| TableError { kind: ErrorKind::NotFound, source: "no table".into() })?;
        let version = stored.versions.len() - 1;
        Ok(Visible { schema: stored.versions[version].schema(), version: version as u64 })
    }

    async fn provider(&self, permit: &Permit, version: Option<u64>) -> Result<Arc<dyn TableProvider>, TableError> {
        let stored = &self.tables[permit.table()];
        assert_eq!((permit.table_id(), permit.action()), (stored.reference.id, Action::Read));
        let recorded = self.ledger.kinds().iter().any(|kind| {
            matches!(kind, EventKind::ReadDecided { request, datasets, allowed: true, .. }
                if *request == permit.request() && datasets.contains(&stored.reference.id))
        });
        assert!(recorded, "a table is opened before its decision is recorded");
        let index = version.map_or(stored.versions.len() - 1, |version| version as usize);
        let found = stored.versions.get(index).cloned();
        found
            .map(|table| table as Arc<dyn TableProvider>)
            .ok_or_else(|| TableError { kind: ErrorKind::NotFound, source: format!("it has no version {index}").into() })
    }

    fn classification(&self, table: &TableName, column: &str) -> Option<String> {
        self.tables.get(table)?.classifications.get(column).cloned()
    }

    /// Columns that are classified as `under NAME` are masked under that domain.
    fn never_equal(&self, left: (&TableName, &str), right: (&TableName, &str)) -> Option<String> {
        let domain = |(table, column)| self.classification(table, column).filter(|word| word.starts_with("under "));
        let (left, right) = (domain(left)?, domain(right)?);
        (left != right).then(|| format!("one is masked {left}, the other {right}"))
    }

    /// Columns that are classified as `under NAME` have tokens; others have none.
    fn keyed(&self, table: &TableName, column: &str, way: Keyed) -> Result<Arc<dyn KeyedMask>, TableError> {
        match (way, self.classification(table, column)) {
            (Keyed::Hash, _) => Ok(Arc::new(Scrambled("hash".to_owned()))),
            (Keyed::Token, Some(domain)) if domain.starts_with("under ") => Ok(Arc::new(Scrambled(domain))),
            (Keyed::Token, _) => {
                Err(TableError { kind: ErrorKind::Invalid, source: format!("column {column} has no domain to be masked under").into() })
            }
        }
    }
}

/// Stands for a keyed hash: what matters here is what it is given. The program's own is tested there.
pub(crate) struct Scrambled(pub String);

impl KeyedMask for Scrambled {
    fn masked(&self, text: &str) -> Option<String> {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        (self.0.as_str(), text).hash(&mut hasher);
        Some(format!("{:016x}", hasher.finish()))
    }
}

/// The columns of a table as a contract for it would describe them.
fn described(schema: &Schema) -> Vec<ColumnRef> {
    let kind = |data_type: &DataType| match data_type {
        DataType::Boolean => ColumnKind::Boolean,
        DataType::UInt64 => ColumnKind::Other,
        data_type if data_type.is_integer() => ColumnKind::Integer,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnKind::Text,
        DataType::Date32 => ColumnKind::Date,
        DataType::Timestamp(..) => ColumnKind::Timestamp,
        _ => ColumnKind::Other,
    };
    let column = |field: &Arc<arrow::datatypes::Field>| {
        let column = ColumnRef::new(field.name(), kind(field.data_type()));
        if field.is_nullable() { column } else { column.required() }
    };
    schema.fields().iter().map(column).collect()
}

pub(crate) struct Bed {
    pub door: Door,
    pub ledger: Arc<Ledger>,
    pub clock: Arc<ManualClock>,
    pub dir: TempDir,
}

pub(crate) struct BedBuilder {
    tables: BTreeMap<TableName, Stored>,
    models: Vec<(String, String)>,
    policies: Vec<(String, String)>,
    options: DoorOptions,
    quota_bytes: u64,
}

impl BedBuilder {
    pub(crate) fn new() -> Self {
        let options = DoorOptions { memory_bytes: 256 << 20, target_partitions: 2 };
        Self { tables: BTreeMap::new(), models: Vec::new(), policies: default_policies(), options, quota_bytes: 1 << 30 }
    }

    /// Adds a version of a table.
    pub(crate) fn table(mut self, name: &str, batches: Vec<RecordBatch>) -> Self {
        let id = DatasetId([self.tables.len() as u8 + 1; 16]);
        let name = TableName::new(name).unwrap();
        let stored = self.tables.entry(name.clone()).or_insert_with(|| Stored {
            reference: TableRef::new(name, id),
            versions: Vec::new(),
            classifications: BTreeMap::new(),
        });
        // The newest version is as its contract says.
        stored.reference.columns = described(batches[0].schema_ref());
        stored.versions.push(Arc::new(MemTable::try_new(batches[0].schema(), vec![batches]).unwrap()));
        self
    }

    pub(crate) fn classified(mut self, table: &str, column: &str, word: &str) -> Self {
        let stored = self.tables.get_mut(&TableName::new(table).unwrap()).unwrap();
        stored.classifications.insert(column.to_owned(), word.to_owned());
        stored.reference.classification = Some(word.to_owned());
        for described in stored.reference.columns.iter_mut().filter(|described| described.name == column) {
            described.classification = Some(word.to_owned());
        }
        self
    }

    pub(crate) fn model(mut self, name: &str, sql: &str) -> Self {
        self.models.push((format!("models/{name}.sql"), sql.to_owned()));
        self
    }

    pub(crate) fn policy(mut self, text: &str) -> Self {
        self.policies.push((format!("policies/{}.cedar", self.policies.len()), text.to_owned()));
        self
    }

    /// One thread, so that it does not vary who takes the memory first.
    pub(crate) fn memory(mut self, memory_bytes: usize, quota_bytes: u64) -> Self {
        self.options = DoorOptions { memory_bytes, target_partitions: 1 };
        self.quota_bytes = quota_bytes;
        self
    }

    pub(crate) fn threads(mut self, threads: usize) -> Self {
        self.options.target_partitions = threads;
        self
    }

    pub(crate) fn build(self) -> Bed {
        let dir = TempDir::new().unwrap();
        let backend = Backend::create_with(&dir.path().join("store"), Options { reserve_bytes: 1 << 20, ..Options::default() }).unwrap();
        let (ledger, clock) = (Arc::new(Ledger::default()), Arc::new(ManualClock::default()));
        let known: Vec<TableRef> = self.tables.values().map(|stored| stored.reference.clone()).collect();
        let ports = DoorPorts {
            tables: Arc::new(MemoryTables { tables: self.tables, ledger: Arc::clone(&ledger) }),
            policies: Arc::new(Policies::load(&self.policies, &known).unwrap()),
            recorder: Arc::clone(&ledger) as Arc<dyn Recorder>,
            rng: Arc::new(SystemRng),
            clock: Arc::clone(&clock) as Arc<dyn polder_types::Clock>,
            temp: TempSpace::new(backend, Arc::new(SystemRng), self.quota_bytes).unwrap(),
            models: Arc::new(Models::load(&self.models).unwrap()),
        };
        Bed { door: Door::new(ports, &self.options).unwrap(), ledger, clock, dir }
    }
}

pub(crate) fn owner() -> Asker {
    Asker { principal: PrincipalId::new("user", "ann").unwrap(), groups: vec![OWNERS_GROUP.to_owned()] }
}

pub(crate) fn user(name: &str) -> Asker {
    Asker { principal: PrincipalId::new("user", name).unwrap(), groups: Vec::new() }
}

impl Bed {
    pub(crate) async fn batches(&self, asker: &Asker, sql: &str) -> Result<Vec<RecordBatch>, Error> {
        self.door.query(asker, sql, &QueryOptions::default()).await?.collect().await
    }

    /// The rows as text, values separated by a blank.
    pub(crate) async fn rows(&self, asker: &Asker, sql: &str) -> Result<Vec<String>, Error> {
        Ok(texts(&self.batches(asker, sql).await?).into_iter().map(|row| row.join(" ")).collect())
    }

    pub(crate) fn temporaries(&self) -> Vec<PathBuf> {
        files(&self.dir.path().join("store").join("tmp"))
    }
}

/// An error's text with those of its causes.
pub(crate) fn chained(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        text.push_str(&format!(": {error}"));
        next = error.source();
    }
    text
}

pub(crate) fn files(dir: &std::path::Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

pub(crate) fn texts(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()));
    }
    rows
}

/// A small set of flights, twice: version 1 has one more.
pub(crate) fn flights() -> BedBuilder {
    use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray};
    let batch = |rows: usize| {
        RecordBatch::try_from_iter([
            ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4])) as ArrayRef),
            ("carrier", Arc::new(StringArray::from(vec![Some("UA"), Some("AA"), Some("UA"), None]))),
            ("dep_delay", Arc::new(Float64Array::from(vec![Some(2.5), Some(-4.0), None, Some(11.0)]))),
            ("fare", Arc::new(Decimal128Array::from(vec![10_005, 20_010, 30_015, 7]).with_precision_and_scale(10, 2).unwrap())),
            ("day", Arc::new(Date32Array::from(vec![15_706, 15_706, 15_707, 15_708]))),
        ])
        .unwrap()
        .slice(0, rows)
    };
    let airlines = RecordBatch::try_from_iter([
        ("carrier", Arc::new(StringArray::from(vec!["UA", "AA", "DL"])) as ArrayRef),
        ("name", Arc::new(StringArray::from(vec!["United", "American", "Delta"]))),
    ])
    .unwrap();
    BedBuilder::new().table("flights", vec![batch(3)]).table("flights", vec![batch(4)]).table("airlines", vec![airlines])
}
