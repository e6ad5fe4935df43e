//! What `cargo xtask bench` measures and the program does not offer: a load into a store without sealing, which only this file
//! wires, and many queries in one process.
//!
//! ```text
//! bench load --store sealed|plain --csv FILE --contract FILE --into DIR
//! bench tpch --project DIR --queries DIR --answers DIR
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on ends")]
#![allow(clippy::disallowed_methods, reason = "the plain store that the sealed one is compared with exists here alone")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Parser, ValueEnum};
use object_store::buffered::BufWriter;
use object_store::{ObjectStore, local::LocalFileSystem};
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use polder_app::installation::Installation;
use polder_app::project::Project;
use polder_connect::{Connection, ReadOptions, WantedColumn};
use polder_contract::approval::{approval_file, approval_text};
use polder_contract::{Approved, ApproverPublic, Checked, Contract, Gate, GateOptions, SpillFiles, SpillSink};
use polder_engine::{Format, QueryOptions, write_batches};
use polder_keys::approver::ApproverKey;
use polder_keys::{Keys, LocalCustody};
use polder_store::{Area, Backend, SealedStore};
use polder_types::{LineageId, Secret, SystemClock, SystemRng};

#[derive(Parser)]
enum Bench {
    Load {
        #[arg(long)]
        store: Store,
        #[arg(long)]
        csv: PathBuf,
        #[arg(long)]
        contract: PathBuf,
        #[arg(long)]
        into: PathBuf,
    },
    Tpch {
        #[arg(long)]
        project: PathBuf,
        #[arg(long)]
        queries: PathBuf,
        #[arg(long)]
        answers: PathBuf,
    },
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Store {
    Sealed,
    Plain,
}

#[tokio::main]
async fn main() {
    match Bench::parse() {
        Bench::Load { store, csv, contract, into } => load(store, &csv, &contract, &into).await,
        Bench::Tpch { project, queries, answers } => tpch(&project, &queries, &answers).await,
    }
}

/// The parts of a load that a store sees: decode, check, encode, write. Without the table's log, which is the same in both.
async fn load(kind: Store, csv: &Path, contract: &Path, into: &Path) {
    std::fs::create_dir_all(into).unwrap();
    let rng = Arc::new(SystemRng);
    let approver = ApproverKey::create(&into.join("approver"), "bench", rng.clone()).unwrap();
    let text = std::fs::read_to_string(contract).unwrap();
    let contract = Contract::parse(&text, &contract.display().to_string()).unwrap();
    let signature = approver.sign(approval_text(&contract).as_bytes()).unwrap();
    let approval = approval_file(&contract, &approver.vkey(), &signature).unwrap();
    let enrolled = [ApproverPublic::parse(&approver.vkey()).unwrap()];
    let approved = Arc::new(Approved::verify(contract, Some(&approval), &enrolled).unwrap());

    let backend = Backend::create(&into.join("store")).unwrap();
    let custody = Arc::new(LocalCustody::create_key_file(&into.join("key"), rng.clone()).unwrap());
    let lineage = LineageId::random(rng.as_ref()).unwrap();
    let keys = Keys::create(lineage, custody, Arc::new(backend.clone()), Arc::new(SystemClock), rng.clone()).await.unwrap();
    let dataset = keys.add_dataset("table:bench").await.unwrap();
    let path = SealedStore::path(Area::Tables, dataset, "bench.parquet");
    let store: Arc<dyn ObjectStore> = match kind {
        Store::Sealed => Arc::new(SealedStore::new(backend, keys, rng)),
        Store::Plain => Arc::new(LocalFileSystem::new_with_prefix(into).unwrap()),
    };

    let source = format!(
        "type: csv\npath: {}\ndatasets:\n  data: {{file: {}}}\n",
        csv.parent().unwrap().display(),
        csv.file_name().unwrap().display()
    );
    let connection = Connection::parse(&source, "sources/bench.yaml").unwrap();
    let columns: Vec<WantedColumn> = approved.columns.iter().map(|column| WantedColumn::new(&column.physical_name)).collect();
    let mut reader = polder_connect::open(&connection, "data", &columns, ReadOptions::new(into)).unwrap();
    let gate = Gate::new(Arc::clone(&approved), GateOptions::new(Secret::new(vec![7; 32]), Arc::new(NoSpill))).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()))
        .set_max_row_group_bytes(Some(96 << 20))
        .build();
    let sink = BufWriter::with_capacity(store, path, 4 << 20);
    let mut writer = AsyncArrowWriter::try_new(sink, approved.arrow_schema(), Some(properties)).unwrap();
    let mut rows = 0;
    while let Some(raw) = reader.next().unwrap() {
        let Checked { admitted, rejections } = gate.check(raw).unwrap();
        assert!(rejections.is_empty());
        rows += admitted.rows();
        writer.write(admitted.batch()).await.unwrap();
    }
    writer.close().await.unwrap();
    println!("{rows} rows");
}

/// All keys fit the gate's memory here.
struct NoSpill;

impl SpillFiles for NoSpill {
    fn create(&self) -> std::io::Result<Box<dyn SpillSink>> {
        Err(std::io::Error::other("the benchmark's keys fit memory"))
    }
}

/// Every query of a directory through the SQL door, one after the other; answers as CSV.
async fn tpch(project: &Path, queries: &Path, answers: &Path) {
    let project = Project::find(Some(project), "default").unwrap();
    let installation = Installation::open(project, Some(60)).await.unwrap();
    let lake = installation.lake(None).unwrap();
    let door = installation.door(&lake, 8192).unwrap();
    std::fs::create_dir_all(answers).unwrap();
    let mut files: Vec<PathBuf> = std::fs::read_dir(queries).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "sql")) {
        let sql = std::fs::read_to_string(file).unwrap();
        let answer = door.query(&installation.asker(), &sql, &QueryOptions::default()).await.expect(&sql);
        let mut out = std::fs::File::create(answers.join(file.with_extension("csv").file_name().unwrap())).unwrap();
        let schema = answer.schema();
        write_batches(schema, answer, Format::Csv, &mut out).await.unwrap();
    }
    installation.close().await.unwrap();
}
