//! What users read.

use std::error::Error as _;

use polder_types::{DatasetId, ErrorKind};

use crate::Error;
use crate::ports::FenceError;

#[test]
fn error_texts() {
    let dataset = DatasetId([0xab; 16]);
    let object = || "tables/abab/_delta_log/00000000000000000003.json".to_owned();
    let missing = || object_store::Error::NotFound { path: object(), source: "no such file".into() };
    let errors = [
        Error::NoTable { dataset },
        Error::TableExists { dataset },
        Error::NoVersion { dataset, version: 3, reason: "the journal does not know it" },
        Error::WrongPermit { step: "scan", dataset, wanted: "reading" },
        Error::WrongPermit { step: "compare keys with", dataset, wanted: "loading" },
        Error::UnsupportedType { column: "at".into(), ty: "Time64(µs)".into() },
        Error::SchemaMismatch { dataset },
        Error::Misuse { dataset, reason: "finish before committing" },
        Error::RowsLost { dataset, staged: 9, expected: 10 },
        Error::Conflict { dataset, version: 3 },
        Error::Moved { dataset },
        Error::Choose { dataset, kind: ErrorKind::Invalid, source: "division by zero".into() },
        Error::Keys { dataset, source: Box::new(polder_contract::Error::Key) },
        Error::Fenced { dataset, source: FenceError { kind: ErrorKind::Busy, message: "epoch 2 is newer than 1".into() } },
        Error::Record {
            dataset,
            source: polder_types::RecordError { kind: ErrorKind::Unavailable, message: "no space".into(), source: None },
        },
        Error::destroyed(dataset, crate::ports::DestroyedKey { key_version: 2, time_ms: 1_767_225_600_000 }),
        Error::Integrity { object: object(), finding: "the object is not the one that the journal recorded" },
        Error::Store { step: "read", object: object(), source: missing() },
        Error::Parquet { step: "decode", object: object(), source: parquet::errors::ParquetError::EOF("short".into()) },
        Error::Internal { step: "count the versions", dataset },
    ];
    let texts: Vec<String> = errors
        .iter()
        .map(|error| {
            let cause = error.source().map(|cause| format!("\n    because: {cause}")).unwrap_or_default();
            format!("{} [{}]{cause}", error, error.kind().name())
        })
        .collect();
    insta::assert_snapshot!(texts.join("\n"));
}
