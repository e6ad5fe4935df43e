//! What goes wrong at a source. No text holds a value of a row, nor what a file's first record holds: it may be a row, not a header.

use std::path::PathBuf;

use polder_types::ErrorKind;

use crate::objects::Fault;

/// A source that cannot be read as its connection says.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read the source file {file}, line {line}: {problem}; {advice}")]
    Connection { file: String, line: u64, problem: String, advice: String },
    #[error("find dataset {dataset} in source {connection}: it is not declared there; {advice}")]
    UnknownDataset { connection: String, dataset: String, advice: String },
    #[error("select datasets of source {connection}: {pattern} is not a glob; use *, ?, [..] and {{a,b}} as in file names")]
    Selection { connection: String, pattern: String },
    #[error("list the files of dataset {dataset}: nothing matches {pattern} in {path}; deliver the files, or correct `file` in the source")]
    NoFiles { dataset: String, pattern: String, path: PathBuf },
    #[error("list the files of dataset {dataset}: there is no directory {path}; correct `path` in the source, or mount it")]
    NoDirectory { dataset: String, path: PathBuf },
    #[error("list the files of dataset {dataset}: more than {max} match; split the dataset")]
    TooManyFiles { dataset: String, max: usize },
    #[error("list the files in {path}: the link {link} leads back to a directory above it; remove the link")]
    LinkLoop { path: PathBuf, link: PathBuf },
    #[error("list the files in {path}; check that the directory exists and may be read")]
    List { path: PathBuf, source: std::io::Error },
    #[error(
        "read dataset {dataset} of source {connection}: it is pushed to, and holds nothing to read; send rows with POST /v1/ingest/{connection}/{dataset}"
    )]
    Pushed { connection: String, dataset: String },
    #[error("read {path}: it holds more than {rows_max} rows; send fewer at once, or raise `max_rows` in the source")]
    PushedRows { path: PathBuf, rows_max: u64 },
    #[error("open {path}; check that the file exists and may be read")]
    Open { path: PathBuf, source: std::io::Error },
    #[error("open {path}: it is not a regular file; a source reads files only")]
    NotAFile { path: PathBuf },
    #[error("read {path}; try again when the file can be read")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("read {path}: it changed while it was read, so nothing of it counts; run again when the file is complete")]
    Changed { path: PathBuf },
    #[error("decompress {path}: the {format} stream ends before its end mark; deliver the whole file and run again")]
    Truncated { path: PathBuf, format: &'static str },
    #[error("decompress {path}: the {format} stream is damaged; deliver the file again, or correct `compression`")]
    Damaged { path: PathBuf, format: &'static str, source: std::io::Error },
    #[error(
        "decompress {path}: it grows by more than {ratio_max} times, as a decompression bomb does; deliver it uncompressed if it is meant"
    )]
    Bomb { path: PathBuf, ratio_max: u64 },
    #[error(
        "decode {path}: it is UTF-16; declare `encoding: utf-16le` or `utf-16be` where the type takes it, or convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)"
    )]
    Utf16 { path: PathBuf },
    #[error("decode {path}: its first bytes say that it is {found}, and the source says {declared}; correct `encoding`")]
    OtherEncoding { path: PathBuf, declared: String, found: &'static str },
    #[error("read the header of {path}: the file holds no record; deliver a file with a header, or set `header: false`")]
    NoHeader { path: PathBuf },
    #[error("read the header of {path}: it is longer than {max_bytes} bytes; check `delimiter` and `quote`")]
    HeaderTooLong { path: PathBuf, max_bytes: usize },
    #[error("read the header of {path}: a quoted name is not closed as it should be; check `quote`")]
    HeaderQuote { path: PathBuf },
    #[error("read the header of {path}: {what}; {advice}")]
    DuplicateColumn { path: PathBuf, what: String, advice: &'static str },
    #[error("split {path}: a carriage return alone ends no line; convert the line ends (tr '\\r' '\\n'), or quote what holds one")]
    CarriageReturns { path: PathBuf },
    #[error("read the header of {path}: it has more than {max} columns; check `delimiter`")]
    TooManyColumns { path: PathBuf, max: usize },
    #[error("find column {name} in {path}: the source has no such column; {advice}")]
    MissingColumn { path: PathBuf, name: String, advice: String },
    #[error(
        "split {path}: record {record} opens a quoted field that never closes, so what follows it cannot be told apart; check the file's end, or correct `quote`"
    )]
    UnclosedQuote { path: PathBuf, record: u64 },
    #[error("decode {path}: it is one JSON array, not a JSON object a line; set `type: json`, or convert it (jq -c '.[]')")]
    JsonArray { path: PathBuf },
    #[error("read the {format} file {path}: {problem}; {advice}")]
    Format { path: PathBuf, format: &'static str, problem: String, advice: &'static str },
    #[error(
        "read column {column} of the {format} file {path}: it is {kind}, which is not read; flatten it at the source, or leave it out of the contract"
    )]
    Nested { path: PathBuf, format: &'static str, column: String, kind: &'static str },
    #[error("choose a sheet of {path}: there is no {sheet}; {advice}")]
    NoSheet { path: PathBuf, sheet: String, advice: String },
    #[error("read the layout {file}, line {line}: {problem}; {advice}")]
    Layout { file: String, line: u64, problem: String, advice: String },
    #[error("{step} of the Parquet file {path}; deliver the file again")]
    Parquet { path: PathBuf, step: &'static str, source: parquet::errors::ParquetError },
    #[error("{step} of the Parquet file {path}; deliver the file again")]
    ParquetDecode { path: PathBuf, step: &'static str, source: arrow::error::ArrowError },
    #[error("decode the Parquet file {path}: the decoder gave up on damaged bytes; deliver the file again")]
    ParquetPanic { path: PathBuf },
    #[error(
        "read column {column} of the Parquet file {path}: it is {kind}, and nested columns are not read; flatten it at the source, or leave it out of the contract"
    )]
    ParquetNested { path: PathBuf, column: String, kind: &'static str },
    #[error(
        "read column {column} of the Parquet file {path}: it holds INT96 timestamps, which wrap round outside the years 1678 to 2261; write it as TIMESTAMP_MICROS (in Spark, spark.sql.parquet.outputTimestampType), or leave it out of the contract"
    )]
    ParquetInt96 { path: PathBuf, column: String },
    #[error("check the footer of the Parquet file {path}: it promises {promised} rows, {found} were found {place}; deliver the file again")]
    ParquetFooter { path: PathBuf, promised: u64, found: u64, place: &'static str },
    #[error(
        "read the Parquet file {path}: {what} is {found_bytes} bytes, more than the {max_bytes} that are read; write it with smaller row groups and pages"
    )]
    ParquetTooLarge { path: PathBuf, what: &'static str, found_bytes: u64, max_bytes: u64 },
    #[error("{step} of source {connection}: {problem}; {advice}")]
    Database { connection: String, step: String, problem: String, advice: String, kind: ErrorKind },
    #[error("read column {column} of {dataset}: {problem}; {advice}")]
    DatabaseColumn { dataset: String, column: String, problem: String, advice: String },
    #[error("{step} {object}: {problem}; {advice}")]
    Bucket { step: &'static str, object: String, problem: String, advice: String, kind: ErrorKind },
    #[error("{step}: this is a defect of the program; report it")]
    Internal { step: &'static str },
    /// From a reader outside this crate, in its words.
    #[error("{text}")]
    Elsewhere { text: String, kind: ErrorKind },
}

impl Error {
    /// What a storage says of a bucket or an object.
    pub(crate) fn bucket(step: &'static str, object: impl Into<String>, fault: Fault) -> Self {
        let Fault { problem, advice, kind } = fault;
        Self::Bucket { step, object: object.into(), problem, advice, kind }
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Connection { .. } | Self::Selection { .. } | Self::Layout { .. } | Self::Pushed { .. } => ErrorKind::Invalid,
            Self::UnknownDataset { .. } => ErrorKind::NotFound,
            Self::NoFiles { .. }
            | Self::NoDirectory { .. }
            | Self::LinkLoop { .. }
            | Self::List { .. }
            | Self::Open { .. }
            | Self::NotAFile { .. }
            | Self::Read { .. }
            | Self::Changed { .. }
            | Self::Truncated { .. } => ErrorKind::Unavailable,
            Self::TooManyFiles { .. }
            | Self::Damaged { .. }
            | Self::Bomb { .. }
            | Self::Utf16 { .. }
            | Self::OtherEncoding { .. }
            | Self::Format { .. }
            | Self::Nested { .. }
            | Self::NoSheet { .. }
            | Self::NoHeader { .. }
            | Self::HeaderTooLong { .. }
            | Self::HeaderQuote { .. }
            | Self::DuplicateColumn { .. }
            | Self::CarriageReturns { .. }
            | Self::TooManyColumns { .. }
            | Self::MissingColumn { .. }
            | Self::UnclosedQuote { .. }
            | Self::JsonArray { .. }
            | Self::Parquet { .. }
            | Self::ParquetDecode { .. }
            | Self::ParquetPanic { .. }
            | Self::ParquetNested { .. }
            | Self::ParquetInt96 { .. }
            | Self::ParquetFooter { .. }
            | Self::ParquetTooLarge { .. }
            | Self::PushedRows { .. } => ErrorKind::Rejected,
            Self::Internal { .. } => ErrorKind::Internal,
            Self::DatabaseColumn { .. } => ErrorKind::Rejected,
            Self::Database { kind, .. } | Self::Bucket { kind, .. } | Self::Elsewhere { kind, .. } => *kind,
        }
    }
}

/// `did you mean x?` for the nearest of the candidates, or the list of them.
pub(crate) fn suggest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    let mut all: Vec<&str> = candidates.collect();
    let lower = name.to_lowercase();
    let near = all
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), *candidate))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    all.sort_unstable();
    let listed = all.iter().take(20).copied().collect::<Vec<_>>().join(", ");
    let more = if all.len() > 20 { ", ..." } else { "" };
    match near {
        Some((_, best)) => format!("did you mean {best}? there are: {listed}{more}"),
        None if all.is_empty() => "there are none".to_owned(),
        None => format!("there are: {listed}{more}"),
    }
}
