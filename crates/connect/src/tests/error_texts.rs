//! Every text that a user can see.

use std::path::PathBuf;

use polder_types::ErrorKind;

use crate::{Error, Fault};

#[test]
fn error_texts() {
    let path = || PathBuf::from("data/f.csv");
    let io = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let word = str::to_owned;
    let all = [
        Error::Connection {
            file: word("sources/s.yaml"),
            line: 3,
            problem: word("unknown key `fiel`"),
            advice: word("did you mean file?"),
        },
        Error::UnknownDataset { connection: word("airport"), dataset: word("fligths"), advice: word("did you mean flights?") },
        Error::NoDirectory { dataset: word("flights"), path: PathBuf::from("data") },
        Error::NoFiles { dataset: word("flights"), pattern: word("f*.csv"), path: PathBuf::from("data") },
        Error::TooManyFiles { dataset: word("flights"), max: 100_000 },
        Error::LinkLoop { path: PathBuf::from("data"), link: PathBuf::from("data/up") },
        Error::List { path: PathBuf::from("data"), source: io() },
        Error::Open { path: path(), source: io() },
        Error::NotAFile { path: path() },
        Error::Read { path: path(), source: io() },
        Error::Changed { path: path() },
        Error::Truncated { path: path(), format: "gzip" },
        Error::Damaged { path: path(), format: "zstd", source: io() },
        Error::Bomb { path: path(), ratio_max: 1000 },
        Error::Utf16 { path: path() },
        Error::OtherEncoding { path: path(), declared: word("utf-16le"), found: "utf-16be" },
        Error::Format {
            path: path(),
            format: "Avro",
            problem: word("its sync marker is damaged, in block 2"),
            advice: "deliver the file again",
        },
        Error::Nested { path: path(), format: "Arrow", column: word("a"), kind: "a list" },
        Error::NoSheet { path: path(), sheet: word("sheet Jan"), advice: word("did you mean Janv? there are: Janv") },
        Error::Layout {
            file: word("layouts/l.yaml"),
            line: 3,
            problem: word("columns a and b overlap"),
            advice: word("correct their places"),
        },
        Error::NoHeader { path: path() },
        Error::HeaderTooLong { path: path(), max_bytes: 1 << 20 },
        Error::HeaderQuote { path: path() },
        Error::DuplicateColumn {
            path: path(),
            what: word("columns 1 and 3 have the same name"),
            advice: "rename one of them at the source",
        },
        Error::CarriageReturns { path: path() },
        Error::TooManyColumns { path: path(), max: 4096 },
        Error::MissingColumn { path: path(), name: word("a"), advice: word("its first record has 1 column") },
        Error::UnclosedQuote { path: path(), record: 7 },
        Error::JsonArray { path: path() },
        Error::Parquet { path: path(), step: "read the footer", source: parquet::errors::ParquetError::General(word("x")) },
        Error::ParquetDecode { path: path(), step: "decode a page", source: arrow::error::ArrowError::ParquetError(word("x")) },
        Error::ParquetPanic { path: path() },
        Error::ParquetNested { path: path(), column: word("a"), kind: "a list" },
        Error::ParquetFooter { path: path(), promised: 2, found: 1, place: "in its pages" },
        Error::ParquetTooLarge { path: path(), what: "a page", found_bytes: 2, max_bytes: 1 },
        Error::bucket(
            "read",
            "s3://lake/in/f.csv",
            Fault { problem: word("the storage answered 503 (SlowDown)"), advice: word("try again later"), kind: ErrorKind::Unavailable },
        ),
        Error::Internal { step: "start the decoding thread" },
    ];
    let texts: Vec<String> = all.iter().map(|error| format!("{}: {error}", error.kind().name())).collect();
    insta::assert_snapshot!(texts.join("\n"));
}
