//! Decodes one file through the public door and prints rows, CPU seconds and peak memory.
//! `cargo run --release -p polder-connect --example scan_bench -- FILE [COLUMN,COLUMN..]`
#![allow(clippy::print_stdout, reason = "a program that prints its result")]

use std::error::Error;
use std::path::Path;

use polder_connect::{Connection, ReadOptions, WantedColumn, open, sample};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: scan_bench FILE [COLUMN,COLUMN..]")?;
    let wanted = arguments.next();
    let kind = match Path::new(&file).extension().and_then(|extension| extension.to_str()) {
        Some("parquet") => "parquet",
        Some("ndjson" | "jsonl" | "json") => "ndjson",
        _ => "csv",
    };
    let yaml = format!("type: {kind}\npath: {file:?}\ndatasets: {{all: {{}}}}\n");
    let connection = Connection::parse(&yaml, "sources/bench.yaml")?;
    let options = ReadOptions::new(Path::new("/"));
    let names: Vec<String> = match wanted {
        Some(list) => list.split(',').map(str::to_owned).collect(),
        None => sample(&connection, "all", options)?.columns.into_iter().map(|column| column.name).collect(),
    };
    let columns: Vec<WantedColumn> = names.into_iter().map(WantedColumn::new).collect();
    let before = cpu_seconds()?;
    let mut reader = open(&connection, "all", &columns, options)?;
    let (mut rows, mut batches, mut malformed) = (0usize, 0usize, 0usize);
    while let Some(batch) = reader.next()? {
        rows += batch.rows;
        batches += 1;
        malformed += batch.malformed.len();
    }
    let (user, system) = cpu_seconds()?;
    println!(
        "{rows} rows in {batches} batches, {malformed} malformed, counted {:?}, left out {:?}; CPU {:.2} s user + {:.2} s system = {:.2} s; peak {}",
        reader.counted(),
        reader.left_out(),
        user - before.0,
        system - before.1,
        user - before.0 + system - before.1,
        peak()?
    );
    Ok(())
}

/// User and system seconds of this process, all threads (Linux: `/proc/self/stat`, in hundredths).
fn cpu_seconds() -> Result<(f64, f64), Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit(')').next().ok_or("no stat")?;
    let mut fields = after.split_whitespace().skip(11);
    let mut next = || -> Result<f64, Box<dyn Error>> { Ok(fields.next().ok_or("no field")?.parse::<f64>()? / 100.0) };
    Ok((next()?, next()?))
}

fn peak() -> Result<String, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().skip(1).collect::<Vec<_>>().join(" "))
}
