//! What users read.

use std::io;
use std::path::PathBuf;

use polder_types::DatasetId;

use crate::{Error, Trouble, destroyed_in, is_no_space, kind_of, kind_of_any};

#[test]
fn error_texts() {
    let path = || "tables/00000000000000000000000000000001/a".to_owned();
    let dir = || PathBuf::from("/srv/store");
    let io_error = || io::Error::from(rustix::io::Errno::IO);
    let no_space = || io::Error::from(rustix::io::Errno::NOSPC);
    let dataset = DatasetId([1; 16]);
    let errors = [
        Error::Io { step: "write", path: path(), source: io_error() },
        Error::Io { step: "open", path: path(), source: io::Error::from(rustix::io::Errno::ACCESS) },
        Error::NoSpace { step: "write", path: path(), source: no_space() },
        Error::NotFound { path: path() },
        Error::Exists { path: path() },
        Error::NotPlain { path: path() },
        Error::Mode { dir: dir(), mode: 0o755 },
        Error::NoStore { dir: dir() },
        Error::NotEmpty { dir: dir() },
        Error::PrefixNotEmpty { place: "s3://data/polder".to_owned() },
        Error::Scratch { dir: dir(), mode: 0o755 },
        Error::Unconditional { place: "s3://data/polder".to_owned(), condition: "If-None-Match" },
        Error::Moved { path: path() },
        Error::Directory { step: "create", dir: dir(), source: io_error() },
        Error::Name { path: path(), problem: "its area is unknown" },
        Error::Sealed { path: path(), source: polder_crypto::Error::Segment { index: 3 } },
        Error::Seal { path: path(), source: polder_crypto::Error::TooLong },
        Error::Foreign { path: path() },
        Error::RolledBack { path: path(), found: 1, seen: 2 },
        Error::OlderKey { path: path(), key_version: 1, oldest: 2 },
        Error::NoKey { path: path(), source: polder_keys::Error::UnknownDataset(dataset) },
        Error::Key { path: path(), source: polder_keys::Error::LeaseEnded },
        Error::Destroyed { path: path(), key_version: 1, source: polder_keys::Error::Destroyed { dataset, key_version: 1 } },
        Error::Changed { path: path() },
        Error::Upload { path: path() },
        Error::Unsupported { what: "update by tag", path: path() },
        Error::Range { path: path() },
        Error::Quota { quota_bytes: 1024 },
        Error::Writer { path: "tmp/00000000000000000000000000000001".to_owned() },
        Error::Busy { holder: "process 7 on this host holds it since 2026-01-01T00:00:00Z".to_owned() },
        Error::LeaseLost { epoch: 1, newest: 2 },
        Error::Random(polder_types::random::RandomError),
        Error::Cancelled { step: "read", path: path() },
    ];
    let status = |status, code: &str, region: Option<&str>| Trouble::Status {
        status,
        code: Some(code.to_owned()).filter(|code| !code.is_empty()),
        region: region.map(str::to_owned),
        needs: "s3:PutObject",
    };
    let troubles = [
        Trouble::Timeout(std::time::Duration::from_secs(45)),
        Trouble::Connect("Connection refused (os error 111)".to_owned()),
        Trouble::Tls("invalid peer certificate: UnknownIssuer".to_owned()),
        Trouble::Broken,
        Trouble::Odd("it is not well-formed XML"),
        Trouble::Keys("read the secret from the environment variable KEY; set it".to_owned()),
        status(301, "PermanentRedirect", Some("eu-west-3")),
        status(301, "PermanentRedirect", None),
        status(400, "InvalidRequest", None),
        status(403, "AccessDenied", None),
        status(403, "SignatureDoesNotMatch", None),
        status(403, "RequestTimeTooSkewed", None),
        status(404, "NoSuchBucket", None),
        status(500, "InternalError", None),
        status(501, "NotImplemented", None),
        status(503, "SlowDown", None),
        status(507, "", None),
    ];
    let told = |trouble: Trouble| {
        let error = Error::bucket("write", &path(), trouble);
        format!("{}: {error}\n  because: {}", error.kind().name(), std::error::Error::source(&error).unwrap())
    };
    insta::assert_snapshot!("bucket_texts", troubles.map(told).join("\n"));
    let texts: Vec<String> = errors.iter().map(|error| format!("{}: {error}", error.kind().name())).collect();
    insta::assert_snapshot!(texts.join("\n"));
    for error in errors {
        let (kind, full, destroyed) = (error.kind(), error.is_no_space(), matches!(error, Error::Destroyed { .. }));
        // However others wrap it, what it means is found again.
        let outer = object_store::Error::from(error);
        assert_eq!(kind_of(&outer), kind);
        let outer = io::Error::other(outer);
        assert_eq!(kind_of_any(&outer), Some(kind));
        assert_eq!(is_no_space(&outer), full);
        assert_eq!(destroyed_in(&outer), destroyed.then_some((path().as_str(), 1)));
    }
    assert_eq!(kind_of_any(&io_error()), None);
}
