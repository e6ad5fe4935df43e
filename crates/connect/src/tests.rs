//! Whole sources through the public door.

mod approval;
mod bucket_cases;
mod connection;
mod csv_cases;
mod csv_judge;
mod discovery;
mod error_texts;
mod files_and_streams;
mod labelled;
mod ndjson_cases;
mod parquet_cases;
mod proposal_cases;
mod sink_cases;
mod text_cases;

use std::path::Path;

use polder_contract::{CellKind, Cells, Malformed};
use proptest::prelude::ProptestConfig;

use crate::{Connection, Error, ReadOptions, WantedColumn, open};

/// How many cases a property has: as many as `PROPTEST_CASES` says, else as many as suffice for every day.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let config = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(usual),
    };
    // What a property assumes, it may find wanting in proportion.
    ProptestConfig { max_global_rejects: config.cases.saturating_mul(4), ..config }
}

#[test]
fn the_environment_says_how_many_cases_a_property_has() {
    // A child, since the environment belongs to every thread.
    let run = |cases: Option<&str>| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "tests::a_property_has_cases", "--nocapture"]).env_remove("PROPTEST_CASES");
        child.envs(cases.map(|cases| ("PROPTEST_CASES", cases)));
        String::from_utf8(child.output().unwrap().stdout).unwrap()
    };
    assert!(run(Some("7")).contains("it has 7 cases"));
    assert!(run(None).contains("it has 11 cases"));
}

#[test]
fn a_property_has_cases() {
    let told = cases(11).cases;
    println!("it has {told} cases");
    assert!(told > 0);
}

#[test]
fn no_property_overrides_the_environment() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests");
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let text = if path.is_file() { std::fs::read_to_string(&path).unwrap() } else { String::new() };
        let mut blocks = text.lines().filter(|line| line.trim_start().starts_with("#![proptest_config("));
        assert!(blocks.all(|line| line.contains("(cases(")), "{}", path.display());
    }
}

/// A row's cells, or why it has none.
pub(crate) type Row = Result<Vec<(CellKind, Vec<u8>)>, Malformed>;

/// Everything that a dataset gave.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub rows: Vec<Row>,
    pub left_out: Vec<String>,
    pub never_seen: Vec<String>,
    pub counted: Option<u64>,
    pub files: Vec<String>,
    pub largest_batch: usize,
}

impl Read {
    /// Rows as text, malformed ones as their reason.
    pub fn texts(&self) -> Vec<Vec<String>> {
        let cell = |(_, bytes): &(CellKind, Vec<u8>)| String::from_utf8_lossy(bytes).into_owned();
        let row = |row: &Row| match row {
            Ok(cells) => cells.iter().map(cell).collect(),
            Err(reason) => vec![format!("!{}", reason.name())],
        };
        self.rows.iter().map(row).collect()
    }
}

/// Reads dataset `d` of a connection in `dir` for the named columns.
pub(crate) fn read(dir: &Path, yaml: &str, columns: &[&str]) -> Result<Read, Error> {
    let connection = Connection::parse(yaml, "sources/s.yaml")?;
    let columns: Vec<WantedColumn> = columns.iter().map(|name| WantedColumn::new(*name)).collect();
    let mut reader = open(&connection, "d", &columns, ReadOptions::new(dir))?;
    let mut all = Read::default();
    let (mut file, mut record) = (String::new(), 1u64);
    while let Some(batch) = reader.next()? {
        if *batch.file != *file {
            file = batch.file.to_string();
            all.files.push(file.clone());
            record = 1;
        }
        assert_eq!(batch.first_record, record, "records are numbered without a gap");
        assert_eq!(batch.first_ordinal, all.rows.len() as u64);
        record += batch.rows as u64;
        all.largest_batch = all.largest_batch.max(batch.rows);
        for column in &batch.columns {
            assert_eq!(column.len(), batch.rows);
        }
        for row in 0..batch.rows {
            let reason = batch.malformed.iter().find(|(number, _)| *number as usize == row).map(|(_, reason)| *reason);
            let cells: Vec<_> = batch
                .columns
                .iter()
                .map(|column| match column {
                    Cells::Text(text) => text.get(row).map(|cell| (cell.kind, cell.bytes.to_vec())).unwrap(),
                    Cells::Typed(array) => {
                        let text = arrow::util::display::array_value_to_string(array, row).unwrap();
                        (if array.is_null(row) { CellKind::Null } else { CellKind::Text }, text.into_bytes())
                    }
                })
                .collect();
            if reason.is_some() {
                assert!(cells.iter().all(|(kind, bytes)| *kind == CellKind::Null && bytes.is_empty()));
            }
            all.rows.push(reason.map_or(Ok(cells), Err));
        }
    }
    assert!(reader.next()?.is_none(), "the end stays the end");
    all.left_out = reader.left_out().to_vec();
    all.never_seen = reader.never_seen().to_vec();
    all.counted = reader.counted();
    assert_eq!(all.counted, Some(all.rows.len() as u64), "the independent count agrees with the decoder");
    Ok(all)
}

/// Reads one file's bytes.
pub(crate) fn read_bytes(name: &str, bytes: &[u8], yaml_keys: &str, columns: &[&str]) -> Result<Read, Error> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(name), bytes).unwrap();
    let kind = match name.split('.').nth(1).unwrap() {
        "csv" => "csv",
        "parquet" => "parquet",
        _ => "ndjson",
    };
    let comma = if yaml_keys.is_empty() { "" } else { ", " };
    let yaml = format!("type: {kind}\npath: .\ndatasets: {{d: {{file: {name}{comma}{yaml_keys}}}}}\n");
    read(dir.path(), &yaml, columns)
}
