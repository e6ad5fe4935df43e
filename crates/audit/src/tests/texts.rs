//! Every error text, so that a change of one is seen.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;

#[test]
fn error_texts() {
    let path = || PathBuf::from("/anchor/checkpoint");
    let object = || "journal/01/batch/00000000000000000003".to_owned();
    let io = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let json = || serde_json::from_str::<u8>("x").unwrap_err();
    let all = [
        Error::NotCreated,
        Error::NoDataset { name: "system:journal" },
        Error::Exists,
        Error::AnchorInUse { path: path() },
        Error::SignerName,
        Error::EventTooLarge { what: "its leaf has more than 65,535 bytes" },
        Error::NumberTooLarge,
        Error::Encode(json()),
        Error::Random(polder_types::random::RandomError),
        Error::Sign { size: 3, source: "denied".into() },
        Error::Store { step: "read", object: object(), source: "gone".into() },
        Error::Full { object: object(), source: None },
        Error::Fenced { index: 3, ours: 1, theirs: 2 },
        Error::ReadOnly,
        Error::Stopped,
        Error::Unknown { object: object(), source: None },
        Error::Incomplete { what: "the anchor", source: Box::new(Error::Stopped) },
        Error::Corrupt { step: "read", object: object(), what: "it is missing", source: None },
        Error::RolledBack { size: 3, known: 5, evidence: "the anchor".to_owned() },
        Error::Forked { size: 5 },
        Error::KeyringRolledBack { found: 1, known: 2 },
        Error::AnchorMissing { path: path() },
        Error::AnchorCorrupt { path: path(), what: "its checkpoint is of another log" },
        Error::AnchorIo { step: "write", path: path(), source: io() },
        Error::OutOfRange { index: 7, size: 3 },
        Error::ExportNotEmpty { path: path() },
        Error::ExportIo { path: path(), source: io() },
        Error::Shared(Arc::new(Error::Stopped)),
        Error::Moved,
    ];
    let texts: Vec<String> = all.iter().map(|error| format!("{}: {error}", error.kind().name())).collect();
    insta::assert_snapshot!("error_texts", texts.join("\n"));
}
