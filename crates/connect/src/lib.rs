//! Duty: sources (files and databases, their formats, their limits) as raw batches of the authorised columns, and the ports for sinks and
//! for buckets.
//! Never: decodes a column that nobody authorised, admits a row, stores a byte, or reports an end that it did not reach.
//! Enter at: [`Connection::parse`], [`open`], [`SourceReader`], [`TableSink`], [`Buckets`], `docs/format/source.md`.
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

mod adbc;
mod advice;
mod arrow_file;
mod avro;
mod batch;
mod block;
mod cells;
mod connection;
mod csv;
mod database;
mod error;
mod excel;
mod files;
mod fixed;
mod folder;
mod input;
mod json;
pub mod keys;
mod layout;
mod mysql;
mod ndjson;
mod objects;
mod opened;
mod output;
mod parquet_file;
mod postgres;
mod proposal;
mod pushed;
mod reader;
mod relations;
mod sample;
mod secrets;
mod sink;
mod sqlite;
mod stream;
mod transcode;
mod typed;
mod xml;

pub use adbc::{WORKER as ADBC_WORKER, worker as adbc_worker};
pub use advice::advice;
pub use connection::{
    Bucket, Compression, Connection, Cursor, Database, Dataset, Driver, Encoding, NullCursors, PushFormat, PushLimits, SheetChoice,
    SourceType,
};
pub use database::{CursorState, Increment, IncrementOptions, datasets, open_table};
pub use error::Error;
pub use folder::{FolderFile, Recognised, RecognisedDataset, files_of, folder, folder_in_bucket, recognise};
pub use input::FileSeen;
pub use layout::check_layout;
pub use objects::{Buckets, Fault, ObjectSeen, Objects};
pub use proposal::{Found, Proposals, Proposed, ProposedColumn, Stand, Target};
pub use pushed::open_pushed;
pub use reader::{FileList, ReadOptions, SourceReader, WantedColumn, open};
pub use relations::{Join, KeyRole, SampleKey};
pub use sample::{InferredKind, Sample, SampledColumn, sample, sample_compared};
pub use secrets::Secrets;
pub use sink::{Committed, Offsets, Removed, SinkError, Staged, TableSink};

#[cfg(test)]
mod tests;
