//! Memory and CPU of a primary key over many rows in random order, which is the dearest case, and in key order, which is the cheapest.
//! Temporary files are sealed, in the directory that TMPDIR names.
//!
//! `cargo run --release -p polder-contract --example unique_bench [ROWS] [random|sorted]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measuring tool, which reads the clock and fails by panicking"
)]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/sealed.rs"]
mod sealed;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use polder_contract::{Cells, Contract, Gate, GateOptions, RawBatch};
use polder_types::Secret;

const BATCH_ROWS: u64 = 65_536;

const CONTRACT: &str = r#"
apiVersion: v3.1.0
kind: DataContract
id: bench
version: 1.0.0
status: active
customProperties: [{property: polder.source, value: s}]
schema: [{name: t, properties: [{name: k, logicalType: integer, primaryKey: true, logicalTypeOptions: {format: i64}}]}]
"#;

/// A permutation of the 64-bit numbers, so that keys are in random order and no two are equal.
fn scatter(value: u64) -> u64 {
    let mut value = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    value ^= value >> 32;
    value.wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

fn main() {
    let rows: u64 = std::env::args().nth(1).map_or(50_000_000, |rows| rows.parse().expect("ROWS is a number"));
    let sorted = std::env::args().nth(2).is_some_and(|order| order == "sorted");
    let contract = Contract::parse(CONTRACT, "bench").map_err(|problems| problems.to_string()).expect("contract");
    let spill = Arc::new(sealed::SealedFiles(tempfile::tempdir().expect("temporary directory")));
    let gate = Gate::new(bench::approved(contract), GateOptions::new(Secret::new(vec![1; 32]), spill)).expect("gate");
    // Two rows that repeat the first key, so that finding them is part of what is measured.
    let key = |place: u64| if place == rows / 2 || place + 1 == rows { 0 } else { place };
    let before = bench::cpu_seconds();
    for first in (0..rows).step_by(usize::try_from(BATCH_ROWS).expect("small")) {
        let places = first..(first + BATCH_ROWS).min(rows);
        let keys: Int64Array = places.map(|place| if sorted { place } else { scatter(key(place)) }.cast_signed()).collect();
        let count = keys.len();
        let columns = vec![Cells::Typed(Arc::new(keys) as ArrayRef)];
        let raw = RawBatch {
            columns,
            rows: count,
            first_record: first + 1,
            first_ordinal: first,
            file: Arc::from("bench"),
            malformed: Vec::new(),
        };
        assert!(gate.check(raw).expect("check").rejections.is_empty());
    }
    let taken = bench::cpu_seconds() - before;
    let at_check = bench::peak_mib();
    let duplicates = gate.finish().expect("finish");
    let found: Vec<u64> = duplicates.ordinals().collect();
    assert_eq!(found, if sorted { vec![] } else { vec![rows / 2, rows - 1] });
    let total = bench::cpu_seconds() - before;
    println!(
        "{rows} keys, {}: {} repeated; check {taken:.1} CPU-s (VmHWM {at_check} MiB), finish {:.1} CPU-s; VmHWM {} MiB",
        if sorted { "in key order" } else { "in random order" },
        found.len(),
        total - taken,
        bench::peak_mib()
    );
}
