use polder_types::DatasetId;
use polder_types::random::RandomError;

use super::*;

#[test]
fn error_texts() {
    let path = || PathBuf::from("/etc/polder/root.key");
    let io = || std::io::Error::from(std::io::ErrorKind::NotFound);
    let custody = || "/etc/polder/root.key".to_owned();
    let dataset = DatasetId([2; 16]);
    let what = "root file";
    let errors = [
        Error::FileRead { what, path: path(), source: io() },
        Error::FileRead { what, path: path(), source: std::io::ErrorKind::PermissionDenied.into() },
        Error::FileMode { what, path: path(), mode: 0o644 },
        Error::FileOwner { what, path: path() },
        Error::FileDamaged { what, path: path() },
        Error::FileExists { what, path: path() },
        Error::FileWrite { what, path: path(), source: io() },
        Error::RootKind { path: path(), passphrase: true },
        Error::RootKind { path: path(), passphrase: false },
        Error::PassphraseShort { least: 12 },
        Error::PassphraseWrong { path: path() },
        Error::Derivation { memory_kib: 65_536 },
        Error::OtherRoot { custody: custody(), wanted: "00".repeat(16) },
        Error::CustodyDenied { custody: custody(), source: None },
        Error::CustodyUnreachable { custody: custody(), source: None },
        Error::Unwrap { custody: custody() },
        Error::Wrap { custody: custody() },
        Error::Vault { step: "list", version: None, kind: ErrorKind::Unavailable, source: None },
        Error::Vault { step: "read", version: Some(7), kind: ErrorKind::Unavailable, source: None },
        Error::VersionExists { version: 7 },
        Error::NoKeyring,
        Error::KeyringExists { version: 7 },
        Error::Keyring { version: 7, problem: "it was changed", source: None },
        Error::Rollback { newest: 6, floor: 7 },
        Error::LeaseEnded,
        Error::LeaseDenied,
        Error::UnknownDataset(dataset),
        Error::UnknownKeyVersion { dataset, key_version: 3 },
        Error::Destroyed { dataset, key_version: 3 },
        Error::StillCurrent { dataset, key_version: 3 },
        Error::Name { what: "dataset", most: 255 },
        Error::NameTaken { name: "table:flights".to_owned() },
        Error::Limit { what: "recovery kits", most: 8 },
        Error::Approval { problem: "fewer than two persons signed" },
        Error::VerifierKey,
        Error::Signature { name: "ann".to_owned() },
        Error::Signing,
        Error::ShareDamaged { position: 2, line: "the first line of digits" },
        Error::Shares { problem: "one is given twice" },
        Error::TooFewShares { given: 1, needed: 2 },
        Error::KitShape { needed: 4, total: 3 },
        Error::OtherKit { kit: "00".repeat(16), version: 7 },
        Error::MemoryLock { bytes: 4096, source: Box::new(io()) },
        Error::Random(RandomError),
        Error::Seal(polder_crypto::Error::TooLong),
    ];
    let texts: Vec<String> = errors.iter().map(|error| format!("{}: {error}", error.kind().name())).collect();
    insta::assert_snapshot!(texts.join("\n"));
}
