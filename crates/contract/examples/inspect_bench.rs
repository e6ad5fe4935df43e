//! What content inspection costs: megabytes of text a second and a core, over columns of several sorts, and the gate's CPU seconds with and
//! without it. Generates cells in memory, so that only the gate is measured.
//!
//! `cargo run --release -p polder-contract --example inspect_bench [MEGABYTES] [COLUMN]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
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

/// A sort of column: its name, the words that its values are made of, and how many of them a value has.
type Sort = (&'static str, &'static [&'static str], u64);

const SORTS: [Sort; 7] = [
    ("codes", &["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"], 1),
    ("comments", &["carefully", "even", "deposits", "sleep", "quickly", "furiously", "regular", "above", "the", "ironic"], 5),
    ("long texts", &["carefully", "even", "deposits", "sleep", "quickly", "furiously", "regular", "above", "the", "ironic"], 60),
    ("french", &["l'été", "déjà", "à", "Nîmes", "où", "il", "fait", "très", "chaud", "après", "midi"], 8),
    ("arabic", &["مرحبا", "بالعالم", "السلام", "عليكم", "كتاب", "طبعة"], 8),
    ("signs", &["-5,0", "+33 6 12", "@ann", "10:30", "{a}", "<b>", "- item"], 3),
    ("emoji", &["👩\u{200d}👧", "❤\u{fe0f}", "ok", "très", "👍🏽"], 6),
];

fn gate(inspected: bool) -> Gate {
    let text = "apiVersion: v3.1.0\nkind: DataContract\nid: bench\nversion: 1.0.0\nstatus: active\n\
        customProperties: [{property: polder.source, value: s}]\n\
        schema: [{name: t, properties: [{name: c, logicalType: string, classification: personal}]}]\n";
    let contract = Contract::parse(text, "bench").map_err(|problems| problems.to_string()).expect("contract");
    let options = GateOptions::new(Secret::new(vec![1; 32]), Arc::new(NoSpill));
    let options = if inspected { options } else { options.uninspected_for_measurement() };
    Gate::new(bench::approved(contract), options).expect("gate")
}

fn batch(rng: &SeededRng, (_, words, count): Sort, first: u64) -> (RawBatch, usize) {
    let (mut text, mut spans) = (Vec::new(), Vec::with_capacity(BATCH_ROWS));
    for _ in 0..BATCH_ROWS {
        let start = text.len();
        for at in 0..count {
            if at > 0 {
                text.push(b' ');
            }
            text.extend_from_slice(words[rng.below(words.len() as u64) as usize].as_bytes());
        }
        spans.push((start, text.len()));
    }
    let bytes = text.len();
    let mut builder = TextColumnBuilder::new(Bytes::from(text), spans.len());
    spans.into_iter().for_each(|(start, end)| builder.push_span(start, end, CellKind::Text));
    let columns = vec![Cells::Text(builder.finish())];
    (
        RawBatch { columns, rows: BATCH_ROWS, first_record: first + 1, first_ordinal: first, file: Arc::from("bench"), malformed: vec![] },
        bytes,
    )
}

fn main() {
    let wanted: usize = std::env::args().nth(1).map_or(512, |megabytes| megabytes.parse().expect("MEGABYTES is a number"));
    println!("{:<12} {:>8} {:>14} {:>12} {:>12}", "column", "MB", "inspection", "gate with", "without");
    let named = std::env::args().nth(2);
    for sort in SORTS.into_iter().filter(|(name, _, _)| named.as_deref().is_none_or(|named| named == *name)) {
        let (with, without) = (gate(true), gate(false));
        let rng = SeededRng::new(7);
        let (mut bytes, mut batches, mut spent, mut spent_without) = (0usize, 0u64, 0.0, 0.0);
        while bytes < wanted << 20 {
            let (raw, length) = batch(&rng, sort, batches * BATCH_ROWS as u64);
            // In turn, so that neither always finds its bytes in the cache.
            for inspected in [batches.is_multiple_of(2), !batches.is_multiple_of(2)] {
                let (gate, spent) = if inspected { (&with, &mut spent) } else { (&without, &mut spent_without) };
                let raw = raw.clone();
                let before = bench::cpu_seconds();
                let checked = gate.check(raw).expect("check");
                *spent += bench::cpu_seconds() - before;
                assert!(checked.rejections.is_empty(), "{}: {:?}", sort.0, checked.rejections.first());
            }
            bytes += length;
            batches += 1;
        }
        let megabytes = bytes as f64 / 1e6;
        println!(
            "{:<12} {megabytes:>8.0} {:>9.0} MB/s {:>7.0} MB/s {:>7.0} MB/s",
            sort.0,
            megabytes / (spent - spent_without),
            megabytes / spent,
            megabytes / spent_without
        );
    }
    println!("peak memory {} MiB", bench::peak_mib());
}
