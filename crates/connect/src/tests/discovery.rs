//! Profiles and inspection of whole sources: the demo's data holds nothing personal and no risk, and hardly a value of it may be flagged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::Array;
use polder_contract::discover::{Profile, Profiler};
use polder_contract::{Cells, Contract, Gate, GateOptions};
use polder_types::{Secret, TableName};

use super::approval::{NoSpill, approved};
use crate::{Connection, Proposals, ReadOptions, SourceType, Stand, Target, WantedColumn, open, sample};

/// Profiles of all columns over at most so many rows.
fn profiles(yaml: &str, dataset: &str, rows_max: u64) -> Vec<Profile> {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo");
    let connection = Connection::parse(yaml, "sources/s.yaml").unwrap();
    let names: Vec<String> =
        sample(&connection, dataset, ReadOptions::new(&root)).unwrap().columns.into_iter().map(|column| column.name).collect();
    let wanted: Vec<WantedColumn> = names.iter().map(|name| WantedColumn::new(name.as_str())).collect();
    let mut profilers: Vec<Profiler> = names.iter().map(|name| Profiler::new(name)).collect();
    let mut reader = open(&connection, dataset, &wanted, ReadOptions::new(&root)).unwrap();
    let mut rows = 0u64;
    while rows < rows_max
        && let Some(batch) = reader.next().unwrap()
    {
        for (profiler, cells) in profilers.iter_mut().zip(&batch.columns) {
            for row in 0..batch.rows {
                match cells {
                    Cells::Text(texts) => match texts.get(row).map(|cell| std::str::from_utf8(cell.bytes).unwrap()) {
                        Some("" | "NA" | "null") | None => profiler.take(None),
                        value => profiler.take(value),
                    },
                    Cells::Typed(array) if array.is_null(row) => profiler.take(None),
                    Cells::Typed(array) => profiler.take(Some(&arrow::util::display::array_value_to_string(array, row).unwrap())),
                }
            }
        }
        rows += batch.rows as u64;
    }
    profilers.into_iter().map(Profiler::finish).collect()
}

/// The demo's datasets: source, name, records and columns.
const SETS: [(&str, &str, u64, usize); 5] = [
    ("type: csv\npath: data\ndatasets:\n  flights: {file: flights.csv.zst, \"null\": [NA]}\n", "flights", 336_776, 19),
    ("type: ndjson\npath: data\ndatasets:\n  weather: {file: weather.ndjson.gz}\n", "weather", 26_115, 15),
    ("type: parquet\npath: data\ndatasets:\n  airlines: {file: airlines.parquet}\n", "airlines", 16, 2),
    ("type: parquet\npath: data\ndatasets:\n  airports: {file: airports.parquet}\n", "airports", 1458, 8),
    ("type: parquet\npath: data\ndatasets:\n  planes: {file: planes.parquet}\n", "planes", 3322, 9),
];

/// The whole sets and the samples that a proposal would see: at most 0.1% of the values of each lie in columns that are taken for personal.
#[test]
fn no_column_of_the_flights_is_taken_for_personal() {
    for (yaml, dataset, rows, columns) in SETS {
        for rows_max in [u64::MAX, 8_000] {
            let profiles = profiles(yaml, dataset, rows_max);
            assert_eq!(profiles.len(), columns, "{dataset}");
            assert!(rows_max < u64::MAX || profiles.iter().all(|profile| profile.rows == rows), "{dataset}");
            let values: u64 = profiles.iter().map(|profile| profile.rows).sum();
            let found: Vec<&Profile> = profiles.iter().filter(|profile| profile.personal.is_some()).collect();
            let flagged: u64 = found.iter().map(|profile| profile.rows).sum();
            println!("{dataset}: {flagged} of {values} values lie in columns that are taken for personal");
            assert!(flagged * 1000 <= values, "{dataset}: {flagged} of {values} values: {found:?}");
        }
    }
}

/// A contract that lets every column in: of a CSV file as texts, all of which are inspected; of other sources as it would be proposed.
fn of_every_column(connection: &Connection, dataset: &str, root: &Path) -> Contract {
    let sample = sample(connection, dataset, ReadOptions::new(root)).unwrap();
    let text = if connection.source_type == SourceType::Csv {
        let head = "apiVersion: v3.1.0\nkind: DataContract\nid: i\nversion: 1.0.0\nstatus: active\n";
        let properties = sample.columns.iter().map(|column| format!("      - {{name: {}, logicalType: string}}\n", column.name));
        format!(
            "{head}customProperties:\n  - {{property: polder.source, value: s}}\nschema:\n  - name: t\n    physicalName: {dataset}\n    \
             properties:\n{}",
            properties.collect::<String>()
        )
    } else {
        let table = TableName::new("t").unwrap();
        let target = Target { id: "i", source: "s", dataset, label: dataset, table: &table };
        let proposed = Proposals::new(vec![(dataset.to_owned(), sample)]).of(&target).unwrap();
        assert!(proposed.columns.iter().all(|column| column.stand == Stand::Authorised), "{dataset}");
        proposed.text()
    };
    Contract::parse(&text, "t.odcs.yaml").unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// How many values a dataset holds, and how many of them the gate flags: all of a row that is refused for its content, since one of its
/// values is a risk, and all of a column in which personal data is found.
fn flagged(yaml: &str, dataset: &str, root: &Path) -> (u64, u64) {
    let connection = Connection::parse(yaml, "sources/s.yaml").unwrap();
    let contract = of_every_column(&connection, dataset, root);
    let columns: Vec<WantedColumn> =
        contract.columns.iter().map(|column| WantedColumn::new(&column.physical_name).of_type(column.ty)).collect();
    let mut options = GateOptions::new(Secret::new(vec![7; 32]), Arc::new(NoSpill));
    options.null_tokens = connection.dataset(dataset).unwrap().null_tokens.clone();
    let gate = Gate::new(approved(contract), options).unwrap();
    let mut reader = open(&connection, dataset, &columns, ReadOptions::new(root)).unwrap();
    let (mut rows, mut refused) = (0u64, 0u64);
    while let Some(batch) = reader.next().unwrap() {
        rows += batch.rows as u64;
        // A risk is told before any other rule that its row breaks.
        let checked = gate.check(batch).unwrap();
        refused += checked.rejections.iter().filter(|row| row.rule.name().starts_with("content:")).count() as u64;
    }
    let personal = gate.finish().unwrap().personal().len() as u64;
    (rows * columns.len() as u64, refused * columns.len() as u64 + personal * rows)
}

/// All values of all columns, those too that the demo's contracts leave out.
#[test]
fn at_most_one_value_in_a_thousand_of_the_flights_is_flagged() {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo");
    for (yaml, dataset, rows, columns) in SETS {
        let (values, flagged) = flagged(yaml, dataset, &root);
        println!("{dataset}: {flagged} of {values} values are flagged");
        assert_eq!(values, rows * columns as u64, "{dataset}");
        assert!(flagged * 1000 <= values, "{dataset}: {flagged} of {values} values are flagged");
    }
    // The control: rows with a risk and a column of e-mail addresses are counted.
    let dir = tempfile::tempdir().unwrap();
    let row = |n: u32| format!("{n},{},somebody{n}@example.org\n", if n % 50 == 7 { "=1+1" } else { "plain" });
    std::fs::write(dir.path().join("f.csv"), "id,note,contact\n".to_owned() + &(0..1000).map(row).collect::<String>()).unwrap();
    let planted = flagged("type: csv\npath: .\ndatasets: {d: {file: f.csv}}\n", "d", dir.path());
    assert_eq!(planted, (3_000, 20 * 3 + 1_000));
}
