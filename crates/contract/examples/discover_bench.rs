//! How long the look at a sample takes: 100 columns of 10,000 rows, made of the corpus' values.
//!
//!     cargo run --release -p polder-contract --example discover_bench

#![allow(clippy::expect_used, reason = "a measuring tool, which fails by panicking")]

#[path = "support/bench.rs"]
#[allow(dead_code, reason = "the other examples use the rest of it")]
mod bench;

use std::path::Path;

use polder_contract::discover::Profiler;

const ROWS: usize = 10_000;
const COLUMNS: usize = 100;

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/discover/shown");
    let mut columns: Vec<(String, Vec<String>)> = Vec::new();
    for table in ["clients", "patients", "paiements", "requests", "products", "commits", "residents", "sans_nom", "etablissements"] {
        let mut reader = csv::Reader::from_path(corpus.join(format!("{table}.csv"))).expect("a table of the corpus");
        let names: Vec<String> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
        let first = columns.len();
        columns.extend(names.into_iter().map(|name| (name, Vec::new())));
        for record in reader.records() {
            let record = record.expect("a record");
            columns.iter_mut().skip(first).zip(record.iter()).for_each(|((_, values), value)| values.push(value.to_owned()));
        }
    }
    columns.truncate(COLUMNS);
    assert_eq!(columns.len(), COLUMNS, "the corpus has too few columns");
    // Every value once: the worst case, since each different value is kept and judged.
    let rows: Vec<Vec<String>> = columns
        .iter()
        .map(|(_, values)| {
            (0..ROWS)
                .map(|row| {
                    values.iter().cycle().nth(row % values.len()).map(|value| format!("{value}{}", row / values.len())).unwrap_or_default()
                })
                .collect()
        })
        .collect();
    let before = bench::cpu_seconds();
    let mut personal = 0;
    for ((name, values), rows) in columns.iter().zip(&rows) {
        let mut profiler = Profiler::new(name);
        // A hundredth of the rows as they are, so that the checks have something to recognise.
        values.iter().for_each(|value| profiler.take(Some(value)));
        rows.iter().skip(values.len()).for_each(|value| profiler.take(Some(value)));
        personal += usize::from(profiler.finish().personal.is_some());
    }
    println!(
        "{COLUMNS} columns of {ROWS} rows: {:.3} CPU seconds, {personal} taken for personal, peak {} MiB",
        bench::cpu_seconds() - before,
        bench::peak_mib()
    );
}
