//! What the tests of several modules share: approved contracts, batches, temporary space in memory.

use std::io::{Cursor, Read, Result, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::record_batch::RecordBatch;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use bytes::Bytes;
use polder_types::Secret;
use proptest::prelude::ProptestConfig;

use crate::approval::{approval_file, approval_text};
use crate::{
    Approved, ApproverPublic, CellKind, Cells, Contract, Gate, GateOptions, KeyLookup, RawBatch, SpillFiles, SpillSink, SpillSource,
    TextColumnBuilder,
};

/// How many cases a property has: as many as `PROPTEST_CASES` says, else as many as suffice for every day.
pub fn cases(usual: u32) -> ProptestConfig {
    let config = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(usual),
    };
    // What a property assumes, it may find wanting in proportion.
    ProptestConfig { max_global_rejects: config.cases.saturating_mul(4), ..config }
}

const HEAD: &str = "apiVersion: v3.1.0\nkind: DataContract\nid: c1\nversion: 1.0.0\nstatus: active\n";

/// A contract whose properties are lines of flow YAML, with more settings.
pub fn contract_with(properties: &[&str], settings: &str) -> Contract {
    let lines: String = properties.iter().map(|property| format!("      - {property}\n")).collect();
    let text = format!(
        "{HEAD}customProperties:\n  - {{property: polder.source, value: s}}\n{settings}schema:\n  - name: t\n    properties:\n{lines}"
    );
    Contract::parse(&text, "t.odcs.yaml").unwrap_or_else(|problems| panic!("{problems}"))
}

/// A contract whose properties are lines of flow YAML.
pub fn contract(properties: &[&str]) -> Contract {
    contract_with(properties, "")
}

/// The contract, signed and verified as a project does it.
pub fn approved(contract: Contract) -> Arc<Approved> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let mut tagged = vec![1];
    tagged.extend_from_slice(pair.public_key().as_ref());
    let mut id = b"ann\n".to_vec();
    id.extend_from_slice(&tagged);
    let vkey =
        format!("ann+{}+{}", hex::encode(&polder_crypto::sha256(&id)[..4]), base64::engine::general_purpose::STANDARD.encode(&tagged));
    let signature = pair.sign(approval_text(&contract).as_bytes());
    let file = approval_file(&contract, &vkey, signature.as_ref().try_into().unwrap()).unwrap();
    Arc::new(Approved::verify(contract, Some(&file), &[ApproverPublic::parse(&vkey).unwrap()]).unwrap())
}

/// A gate over properties, with null tokens.
pub fn gate(properties: &[&str], null_tokens: &[&str]) -> Gate {
    let mut options = options(Arc::new(MemorySpill::default()));
    options.null_tokens = null_tokens.iter().map(|token| (*token).to_owned()).collect();
    Gate::new(approved(contract(properties)), options).unwrap()
}

/// Options with a fixed key.
pub fn options(spill: Arc<dyn SpillFiles>) -> GateOptions {
    GateOptions::new(Secret::new(vec![9; 32]), spill)
}

/// Cells of one column, as the decoder would push them.
pub fn text_column(cells: &[(CellKind, Vec<u8>)]) -> Cells {
    let mut shared = Vec::new();
    let mut spans = Vec::new();
    for (_, cell) in cells {
        spans.push((shared.len(), shared.len() + cell.len()));
        shared.extend_from_slice(cell);
    }
    let mut builder = TextColumnBuilder::new(Bytes::from(shared), cells.len());
    for ((kind, cell), (start, end)) in cells.iter().zip(spans) {
        match kind {
            CellKind::Null => builder.push_null(),
            CellKind::TooLong => builder.push_too_long(),
            // Both ways in: spans, and the side buffer for what had to be unescaped.
            _ if cell.len() % 2 == 0 => builder.push_span(start, end, *kind),
            _ => builder.push_bytes(cell, *kind),
        }
    }
    Cells::Text(builder.finish())
}

/// A batch of columns.
pub fn batch(columns: Vec<Cells>, first_ordinal: u64) -> RawBatch {
    let rows = columns.first().map_or(0, Cells::len);
    RawBatch { columns, rows, first_record: first_ordinal + 1, first_ordinal, file: Arc::from("a.csv"), malformed: Vec::new() }
}

/// Unquoted CSV cells of one column.
pub fn csv(cells: &[&str]) -> Cells {
    text_column(&cells.iter().map(|cell| (CellKind::Text, cell.as_bytes().to_vec())).collect::<Vec<_>>())
}

/// Temporary files in memory, which counts them.
#[derive(Default)]
pub struct MemorySpill {
    pub files: AtomicUsize,
}

struct MemoryFile(Arc<Mutex<Vec<u8>>>);

impl SpillFiles for MemorySpill {
    fn create(&self) -> Result<Box<dyn SpillSink>> {
        self.files.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(MemoryFile(Arc::default())))
    }
}

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl SpillSink for MemoryFile {
    fn finish(self: Box<Self>) -> Result<Box<dyn SpillSource>> {
        Ok(Box::new(MemoryFile(self.0)))
    }
}

impl SpillSource for MemoryFile {
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.0.lock().unwrap().clone())))
    }
}

/// Space that is full.
pub struct FullSpill;

impl SpillFiles for FullSpill {
    fn create(&self) -> Result<Box<dyn SpillSink>> {
        Err(std::io::Error::new(std::io::ErrorKind::StorageFull, "quota"))
    }
}

/// A table's keys.
pub struct TableKeys(pub Vec<RecordBatch>);

impl KeyLookup for TableKeys {
    fn next_keys(&mut self, _: &crate::KeyAccess) -> std::result::Result<Option<RecordBatch>, crate::Error> {
        Ok(self.0.pop())
    }
}

mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::cases;

    #[test]
    fn the_environment_says_how_many_cases_a_property_has() {
        // A child, since the environment belongs to every thread.
        let run = |cases: Option<&str>| {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "testing::tests::a_property_has_cases", "--nocapture"]).env_remove("PROPTEST_CASES");
            child.envs(cases.map(|cases| ("PROPTEST_CASES", cases)));
            String::from_utf8(child.output().unwrap().stdout).unwrap()
        };
        assert!(run(Some("7")).contains("it has 7 cases"), "{}", run(Some("7")));
        assert!(run(None).contains("it has 11 cases"), "{}", run(None));
    }

    #[test]
    fn a_property_has_cases() {
        let told = cases(11).cases;
        println!("it has {told} cases");
        assert!(told > 0);
    }

    #[test]
    fn no_property_overrides_the_environment() {
        fn walk(dir: &Path, wrong: &mut Vec<String>) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, wrong);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let blocks = text.lines().filter(|line| line.trim_start().starts_with("#![proptest_config("));
                wrong.extend(blocks.filter(|line| !line.contains("(cases(")).map(|line| format!("{}: {line}", path.display())));
            }
        }
        let mut wrong = Vec::new();
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut wrong);
        assert_eq!(wrong, [""; 0]);
    }
}
