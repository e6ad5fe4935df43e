//! Duty: sources (their files, their formats, their limits) as raw batches of the authorised columns, and the port for sinks.
//! Never: decodes a column that nobody authorised, admits a row, stores a byte, or reports an end that it did not reach.
//! Enter at: [`Connection::parse`], [`open`], [`SourceReader`], [`TableSink`], `docs/format/source.md`.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation,
        reason = "tests fail by panicking, and their numbers are small"
    )
)]

mod block;
mod cells;
mod connection;
mod csv;
mod draft;
mod error;
mod files;
mod input;
mod ndjson;
mod output;
mod parquet_file;
mod reader;
mod sample;
mod sink;

pub use connection::{Compression, Connection, Dataset, Encoding, SourceType};
pub use draft::Draft;
pub use error::Error;
pub use input::FileSeen;
pub use reader::{FileList, ReadOptions, SourceReader, WantedColumn, open};
pub use sample::{InferredKind, Sample, SampledColumn, sample};
pub use sink::{Committed, Offsets, Removed, SinkError, Staged, TableSink};

#[cfg(test)]
mod tests;
