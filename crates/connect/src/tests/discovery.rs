//! Profiles of whole sources: the demo's data holds nothing personal, and none of its columns may be taken for such.

use std::path::{Path, PathBuf};

use arrow::array::Array;
use polder_contract::Cells;
use polder_contract::discover::{Profile, Profiler};

use crate::{Connection, ReadOptions, WantedColumn, open, sample};

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

/// The whole flights set and the sample that a proposal would see.
#[test]
fn no_column_of_the_flights_is_taken_for_personal() {
    let sources = [
        ("type: csv\npath: data\ndatasets:\n  flights: {file: flights.csv.zst, \"null\": [NA]}\n", "flights", 336_776, 19),
        ("type: ndjson\npath: data\ndatasets:\n  weather: {file: weather.ndjson.gz}\n", "weather", 26_115, 15),
        ("type: parquet\npath: data\ndatasets:\n  airlines: {file: airlines.parquet}\n", "airlines", 16, 2),
        ("type: parquet\npath: data\ndatasets:\n  airports: {file: airports.parquet}\n", "airports", 1458, 8),
        ("type: parquet\npath: data\ndatasets:\n  planes: {file: planes.parquet}\n", "planes", 3322, 9),
    ];
    let (mut values, mut flagged) = (0u64, 0u64);
    for (yaml, dataset, rows, columns) in sources {
        for rows_max in [u64::MAX, 8_000] {
            let profiles = profiles(yaml, dataset, rows_max);
            assert_eq!(profiles.len(), columns, "{dataset}");
            assert!(rows_max < u64::MAX || profiles.iter().all(|profile| profile.rows == rows), "{dataset}");
            for profile in profiles {
                values += profile.rows;
                if let Some(found) = profile.personal {
                    println!("{dataset}.{}: {found:?}", profile.name);
                    flagged += profile.rows;
                }
            }
        }
    }
    println!("{flagged} of {values} values lie in flagged columns");
    assert!(flagged * 1000 <= values, "{flagged} of {values} values lie in columns that are taken for personal");
}
