//! CPU seconds of the gate for rows like those of TPC-H's lineitem: 16 typed columns, all required, ranged where that has a meaning,
//! two patterns, a composite primary key. Generates CSV bytes and their spans in memory, so that only the gate is measured.
//!
//! `cargo run --release -p polder-contract --example gate_bench [ROWS] [columns]`; `columns` measures each column alone as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measuring tool, which reads the clock and fails by panicking"
)]

#[path = "support/bench.rs"]
mod bench;

use std::sync::Arc;

use bytes::Bytes;
use polder_contract::{CellKind, Cells, Contract, Gate, GateOptions, RawBatch, SpillFiles, SpillSink, TextColumnBuilder};
use polder_types::{Secret, SeededRng};

/// Temporary space that must not be needed.
struct NoSpill;

impl SpillFiles for NoSpill {
    fn create(&self) -> std::io::Result<Box<dyn SpillSink>> {
        Err(std::io::Error::other("no temporary space was expected to be used"))
    }
}

const BATCH_ROWS: usize = 8_192;

const CONTRACT: &str = r#"
apiVersion: v3.1.0
kind: DataContract
id: bench
version: 1.0.0
status: active
customProperties: [{property: polder.source, value: s}]
schema:
  - name: lineitem
    properties:
      - {name: l_orderkey, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1, logicalTypeOptions: {format: i64, minimum: 1}}
      - {name: l_partkey, logicalType: integer, required: true, logicalTypeOptions: {format: i64, minimum: 1}}
      - {name: l_suppkey, logicalType: integer, required: true, logicalTypeOptions: {format: i64, minimum: 1}}
      - {name: l_linenumber, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 2, logicalTypeOptions: {format: i32, minimum: 1, maximum: 7}}
      - {name: l_quantity, logicalType: number, physicalType: "decimal(15,2)", required: true, logicalTypeOptions: {minimum: 1, maximum: 50}}
      - {name: l_extendedprice, logicalType: number, physicalType: "decimal(15,2)", required: true, logicalTypeOptions: {minimum: 0, maximum: 200000}}
      - {name: l_discount, logicalType: number, physicalType: "decimal(15,2)", required: true, logicalTypeOptions: {minimum: 0, maximum: 0.1}}
      - {name: l_tax, logicalType: number, physicalType: "decimal(15,2)", required: true, logicalTypeOptions: {minimum: 0, maximum: 0.08}}
      - {name: l_returnflag, logicalType: string, required: true, logicalTypeOptions: {pattern: "^[ANR]$"}}
      - {name: l_linestatus, logicalType: string, required: true, logicalTypeOptions: {pattern: "^[OF]$"}}
      - {name: l_shipdate, logicalType: date, required: true, logicalTypeOptions: {minimum: "1992-01-01", maximum: "1998-12-31"}}
      - {name: l_commitdate, logicalType: date, required: true, logicalTypeOptions: {minimum: "1992-01-01", maximum: "1998-12-31"}}
      - {name: l_receiptdate, logicalType: date, required: true, logicalTypeOptions: {minimum: "1992-01-01", maximum: "1998-12-31"}}
      - {name: l_shipinstruct, logicalType: string, required: true, logicalTypeOptions: {maxLength: 25}}
      - {name: l_shipmode, logicalType: string, required: true, logicalTypeOptions: {maxLength: 10}}
      - {name: l_comment, logicalType: string, required: true, logicalTypeOptions: {maxLength: 44}}
"#;

fn batch(rng: &SeededRng, first: u64, order: &mut u64, line: &mut u64) -> RawBatch {
    let (mut text, mut spans) = (Vec::new(), vec![Vec::new(); 16]);
    let date = |rng: &SeededRng| format!("{}-{:02}-{:02}", 1992 + rng.below(7), 1 + rng.below(12), 1 + rng.below(28));
    let pick = |rng: &SeededRng, from: &[&str]| from[usize::try_from(rng.below(from.len() as u64)).unwrap()].to_owned();
    let words = ["carefully", "even", "deposits", "sleep", "quickly", "furiously", "regular", "above", "the", "ironic"];
    for _ in 0..BATCH_ROWS {
        if *line > rng.below(7) {
            (*order, *line) = (*order + 1 + rng.below(3), 0);
        }
        *line += 1;
        let comment: String = (0..4).map(|_| pick(rng, &words)).collect::<Vec<_>>().join(" ").chars().take(43).collect();
        let cells = [
            order.to_string(),
            (1 + rng.below(200_000)).to_string(),
            (1 + rng.below(10_000)).to_string(),
            line.to_string(),
            format!("{}.00", 1 + rng.below(50)),
            format!("{}.{:02}", 900 + rng.below(100_000), rng.below(100)),
            format!("0.{:02}", rng.below(11)),
            format!("0.{:02}", rng.below(9)),
            pick(rng, &["A", "N", "R"]),
            pick(rng, &["O", "F"]),
            date(rng),
            date(rng),
            date(rng),
            pick(rng, &["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"]),
            pick(rng, &["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]),
            comment,
        ];
        for (spans, cell) in spans.iter_mut().zip(cells) {
            spans.push((text.len(), text.len() + cell.len()));
            text.extend_from_slice(cell.as_bytes());
            text.push(b',');
        }
    }
    let bytes = Bytes::from(text);
    let columns = spans
        .into_iter()
        .map(|spans| {
            let mut builder = TextColumnBuilder::new(bytes.clone(), spans.len());
            spans.into_iter().for_each(|(start, end)| builder.push_span(start, end, CellKind::Text));
            Cells::Text(builder.finish())
        })
        .collect();
    RawBatch { columns, rows: BATCH_ROWS, first_record: first + 1, first_ordinal: first, file: Arc::from("bench"), malformed: Vec::new() }
}

/// A gate over the columns whose places are wanted.
fn gate(places: &[usize]) -> Gate {
    let mut contract = Contract::parse(CONTRACT, "bench").map_err(|problems| problems.to_string()).expect("contract");
    contract.columns = places.iter().map(|place| contract.columns[*place].clone()).collect();
    if places.len() == 1 {
        contract.columns[0].primary_key = None;
    }
    let options = GateOptions::new(Secret::new(vec![1; 32]), Arc::new(NoSpill));
    Gate::new(bench::approved(contract), options).expect("gate")
}

fn main() {
    let rows: u64 = std::env::args().nth(1).map_or(6_000_000, |rows| rows.parse().expect("ROWS is a number"));
    let alone = std::env::args().nth(2).is_some_and(|word| word == "columns");
    let whole = gate(&(0..16).collect::<Vec<_>>());
    let columns: Vec<Gate> = (0..16).map(|place| gate(&[place])).collect();
    let rng = SeededRng::new(1);
    let (mut order, mut line, mut first, mut spent, mut loaded) = (1, 0, 0, 0.0, 0u64);
    let mut each = [0.0; 16];
    while first < rows {
        let raw = batch(&rng, first, &mut order, &mut line);
        first += BATCH_ROWS as u64;
        if alone {
            for ((gate, cells), spent) in columns.iter().zip(&raw.columns).zip(&mut each) {
                let raw = RawBatch { columns: vec![cells.clone()], ..raw.clone() };
                let before = bench::cpu_seconds();
                gate.check(raw).expect("check");
                *spent += bench::cpu_seconds() - before;
            }
        }
        let before = bench::cpu_seconds();
        let checked = whole.check(raw).expect("check");
        spent += bench::cpu_seconds() - before;
        assert!(checked.rejections.is_empty(), "{:?}", checked.rejections.first());
        loaded += checked.admitted.rows() as u64;
    }
    let before = bench::cpu_seconds();
    assert!(whole.finish().expect("finish").is_empty());
    let finish = bench::cpu_seconds() - before;
    #[allow(clippy::cast_precision_loss, reason = "a figure to read")]
    let per_row = |seconds: f64| seconds / loaded as f64;
    if alone {
        for (gate, spent) in columns.iter().zip(each) {
            println!("{:16} {:5.1} ns a cell", gate.contract().columns[0].name, per_row(spent) * 1e9);
        }
    }
    println!(
        "{loaded} rows: check {spent:.2} CPU-s, finish {finish:.2} CPU-s; {:.2} CPU-s per 6 M rows; VmHWM {} MiB",
        per_row(spent + finish) * 6e6,
        bench::peak_mib()
    );
}
