//! The parts of a load that come before a store and in it, alike for both kinds: decode, check, encode, write, read the footers
//! back. Not in it: the table's log, the audit log, quarantine, and the program's start.

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use parquet::basic::ZstdLevel;
use polder_connect::{Connection, ReadOptions, WantedColumn};
use polder_contract::approval::{approval_file, approval_text};
use polder_contract::{Approved, ApproverPublic, Checked, Contract, Gate, GateOptions, SpillFiles, SpillSink};
use polder_keys::approver::ApproverKey;
use polder_keys::{Keys, LocalCustody};
use polder_lake::LakeOptions;
use polder_store::{Area, Backend, SealedStore};
use polder_types::{LineageId, Secret, SystemClock, SystemRng};

use crate::Store;
use crate::plain::PlainStore;
use crate::stage::{Stage, Target};

/// So much that no key is spilled at the scale factors that are measured: spilled keys would be sealed for both kinds.
const UNIQUE_MEMORY_BYTES: usize = 4 << 30;
/// Batches that wait between the gate and the encoders.
const BATCHES_WAITING_MAX: usize = 1;

/// Loads a CSV file and prints how many rows the stored files hold.
pub async fn run(kind: Store, uninspected: bool, csv: &Path, contract: &Path, into: &Path) {
    std::fs::create_dir_all(into).unwrap();
    let rng = Arc::new(SystemRng);
    let approver = ApproverKey::create(&into.join("approver"), "bench", rng.clone()).unwrap();
    let text = std::fs::read_to_string(contract).unwrap();
    let contract = Contract::parse(&text, &contract.display().to_string()).unwrap();
    let signature = approver.sign(approval_text(&contract).as_bytes()).unwrap();
    let approval = approval_file(&contract, &approver.vkey(), &signature).unwrap();
    let enrolled = [ApproverPublic::parse(&approver.vkey()).unwrap()];
    let approved = Arc::new(Approved::verify(contract, Some(&approval), &enrolled).unwrap());

    // Both kinds make keys and a sealed store; only one writes to it.
    let backend = Backend::create(&into.join("store")).unwrap();
    let custody = Arc::new(LocalCustody::create_key_file(&into.join("key"), rng.clone()).unwrap());
    let lineage = LineageId::random(rng.as_ref()).unwrap();
    let keys = Keys::create(lineage, custody, Arc::new(backend.clone()), Arc::new(SystemClock), rng.clone()).await.unwrap();
    let dataset = keys.add_dataset("table:bench").await.unwrap();
    let sealed = SealedStore::new(backend, keys, rng);
    let store: Arc<dyn ObjectStore> = match kind {
        Store::Sealed => Arc::new(sealed),
        Store::Plain => Arc::new(PlainStore::create(&into.join("plain"))),
    };

    let source = format!(
        "type: csv\npath: {}\ndatasets:\n  data: {{file: {}}}\n",
        csv.parent().unwrap().display(),
        csv.file_name().unwrap().display()
    );
    let connection = Connection::parse(&source, "sources/bench.yaml").unwrap();
    let columns: Vec<WantedColumn> = approved.columns.iter().map(|column| WantedColumn::new(&column.physical_name)).collect();
    let mut reader = polder_connect::open(&connection, "data", &columns, ReadOptions::new(into)).unwrap();
    let mut options = GateOptions::new(Secret::new(vec![7; 32]), Arc::new(NoSpill));
    options.unique_memory_bytes = UNIQUE_MEMORY_BYTES;
    let options = if uninspected { options.uninspected_for_measurement() } else { options };
    let gate = Gate::new(Arc::clone(&approved), options).unwrap();
    let LakeOptions { encode_threads, zstd_level, .. } = LakeOptions::default();
    let mut stage = Stage::new(Target {
        store,
        path: Arc::new(move |name| SealedStore::path(Area::Tables, dataset, &format!("part-{name}.parquet"))),
        schema: approved.arrow_schema(),
        threads: encode_threads,
        level: ZstdLevel::try_new(zstd_level).unwrap(),
    });

    let (sender, mut admitted) = tokio::sync::mpsc::channel(BATCHES_WAITING_MAX);
    let checking = tokio::task::spawn_blocking(move || {
        while let Some(raw) = reader.next().unwrap() {
            let Checked { admitted, rejections, .. } = gate.check(raw).unwrap();
            assert!(rejections.is_empty());
            sender.blocking_send(admitted).unwrap();
        }
        assert_eq!(gate.finish().unwrap().len(), 0);
        reader.counted()
    });
    let mut handed = 0;
    while let Some(batch) = admitted.recv().await {
        handed += batch.rows();
        stage.write(batch.into_batch()).await;
    }
    let counted = checking.await.unwrap();
    let rows = stage.finish().await;
    assert_eq!((rows, Some(rows)), (u64::try_from(handed).unwrap(), counted));
    println!("{rows} rows");
}

/// All keys fit the gate's memory here.
struct NoSpill;

impl SpillFiles for NoSpill {
    fn create(&self) -> std::io::Result<Box<dyn SpillSink>> {
        Err(std::io::Error::other("the benchmark's keys fit memory"))
    }
}
