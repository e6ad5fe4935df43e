use std::path::PathBuf;

use polder_types::random::RandomError;
use polder_types::{DatasetId, ErrorKind};

/// A cause from outside this crate.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong with keys. No text holds a key, a passphrase or a share.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key, share or approver file cannot be opened.
    #[error("read {what} {}: check that it is there and that this user may read it", path.display())]
    FileRead {
        /// What kind of file.
        what: &'static str,
        /// Its name.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// Others may read the file.
    #[error("read {what} {}: others may read or change it (mode {mode:04o}); run `chmod 600` on it", path.display())]
    FileMode {
        /// What kind of file.
        what: &'static str,
        /// Its name.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file belongs to another user, who may read it.
    #[error("read {what} {}: it belongs to another user; run `chown` on it, or run as its owner", path.display())]
    FileOwner {
        /// What kind of file.
        what: &'static str,
        /// Its name.
        path: PathBuf,
    },
    /// The file is not what it must be.
    #[error("read {what} {}: it is not one that this program wrote, or was changed; restore it, or use the recovery kit", path.display())]
    FileDamaged {
        /// What kind of file.
        what: &'static str,
        /// Its name.
        path: PathBuf,
    },
    /// The file exists.
    #[error("create {what} {}: it exists already and is left as it is; name another file", path.display())]
    FileExists {
        /// What kind of file.
        what: &'static str,
        /// Its name.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("create {what} {}: check the directory and its permissions", path.display())]
    FileWrite {
        /// What kind of file.
        what: &'static str,
        /// Its name.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A root file of the other kind.
    #[error("open root file {}: it {}; open it that way", path.display(), if *passphrase { "needs a passphrase" } else { "has no passphrase" })]
    RootKind {
        /// Its name.
        path: PathBuf,
        /// Whether the file is of the kind with a passphrase.
        passphrase: bool,
    },
    /// A passphrase too short to protect anything.
    #[error("set passphrase: it has fewer than {least} characters; take a longer one")]
    PassphraseShort {
        /// The least that is taken.
        least: usize,
    },
    /// The passphrase does not open the file.
    #[error("open root file {}: the passphrase is not the one it was made with; try again, or use the recovery kit", path.display())]
    PassphraseWrong {
        /// Its name.
        path: PathBuf,
    },
    /// Argon2 could not run.
    #[error("derive key from passphrase: argon2id needs {memory_kib} KiB of memory; free some")]
    Derivation {
        /// Its memory.
        memory_kib: u32,
    },
    /// The root is another one than what was wrapped by.
    #[error(
        "unwrap key: it was wrapped by root {wanted}, which custody {custody} does not hold; name the right root, or use the recovery kit"
    )]
    OtherRoot {
        /// The custody that was asked.
        custody: String,
        /// The root's id, in hexadecimal.
        wanted: String,
    },
    /// The custody refuses: its answer, not its silence.
    #[error("use custody {custody}: it refused; ask whoever manages it to allow this installation's key")]
    CustodyDenied {
        /// The custody that was asked.
        custody: String,
        /// Its reason.
        source: Option<Cause>,
    },
    /// The custody does not answer.
    #[error("use custody {custody}: it cannot be reached; keys that are in use work until their lease ends")]
    CustodyUnreachable {
        /// The custody that was asked.
        custody: String,
        /// The reason.
        source: Option<Cause>,
    },
    /// Wrapped bytes do not authenticate.
    #[error("unwrap key: what was wrapped by custody {custody} was changed or moved; restore it from a backup")]
    Unwrap {
        /// The custody that was asked.
        custody: String,
    },
    /// Wrapping failed.
    #[error("wrap key: custody {custody} did not return what it was given; nothing was written")]
    Wrap {
        /// The custody that was asked.
        custody: String,
    },
    /// The vault failed.
    #[error("{step} keyring{}: check the store", version.map(|v| format!("/{v:020}")).unwrap_or_default())]
    Vault {
        /// `list`, `read`, `write` or `delete`.
        step: &'static str,
        /// Which version.
        version: Option<u64>,
        /// What the failure means to the caller.
        kind: ErrorKind,
        /// The store's reason.
        source: Option<Cause>,
    },
    /// Another process wrote this version first.
    #[error("write keyring/{version:020}: it exists already, so keys were changed elsewhere; try again")]
    VersionExists {
        /// Which version.
        version: u64,
    },
    /// There is no keyring.
    #[error("open keyring: the store holds none; run `polder init`, or name the right store")]
    NoKeyring,
    /// There is one already.
    #[error("create keyring: the store holds version {version} already; open it instead")]
    KeyringExists {
        /// The newest version.
        version: u64,
    },
    /// A keyring is not as it was written.
    #[error("open keyring/{version:020}: {problem}; restore it from a backup")]
    Keyring {
        /// Which version was asked for.
        version: u64,
        /// What is wrong.
        problem: &'static str,
        /// The cause, where there is one.
        source: Option<Cause>,
    },
    /// The newest keyring is older than one that was in use.
    #[error(
        "open keyring: the newest is version {newest}, but version {floor} was in use; keys were rolled back, restore version {floor} or later"
    )]
    Rollback {
        /// The newest that exists.
        newest: u64,
        /// The least that is right.
        floor: u64,
    },
    /// The lease ended while the custody could not be reached.
    #[error("use keys: their lease ended and was not renewed; make the custody and the store reachable")]
    LeaseEnded,
    /// The custody refused at a renewal, so the keys were dropped.
    #[error("use keys: the custody refused to renew their lease, so they were dropped; ask whoever manages it")]
    LeaseDenied,
    /// No such dataset.
    #[error("find key of dataset {0}: the keyring has none; check the dataset, or restore the keyring")]
    UnknownDataset(DatasetId),
    /// No such version.
    #[error("find key version {key_version} of dataset {dataset}: the keyring has none; restore the keyring")]
    UnknownKeyVersion {
        /// Whose key.
        dataset: DatasetId,
        /// Which version.
        key_version: u32,
    },
    /// The version was destroyed.
    #[error("find key version {key_version} of dataset {dataset}: it was destroyed, and what it sealed is gone for good")]
    Destroyed {
        /// Whose key.
        dataset: DatasetId,
        /// Which version.
        key_version: u32,
    },
    /// The version is the current one.
    #[error("destroy key version {key_version} of dataset {dataset}: it is the current one; rotate the dataset's key first")]
    StillCurrent {
        /// Whose key.
        dataset: DatasetId,
        /// Which version.
        key_version: u32,
    },
    /// A name that cannot be kept.
    #[error("name {what}: a name is 1 to {most} printable ASCII characters without spaces; take another")]
    Name {
        /// What is named.
        what: &'static str,
        /// Longest name.
        most: usize,
    },
    /// Another dataset has the name.
    #[error("name dataset {name}: another dataset has that name; take another")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// More than the format holds.
    #[error("change keyring: it holds at most {most} {what}; remove some")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// Two persons did not agree.
    #[error("approve request: {problem}; two enrolled approvers other than the requester must sign its hash")]
    Approval {
        /// What is missing.
        problem: &'static str,
    },
    /// A verifier key that is none.
    #[error("read approver's public key: it is not of the form name+hash+key with an Ed25519 key; copy it again")]
    VerifierKey,
    /// A signature does not verify.
    #[error("verify signature of {name}: it is not of this text under this key; have it signed again")]
    Signature {
        /// Whose signature.
        name: String,
    },
    /// A key cannot sign.
    #[error("sign: the key is not usable; report this as a defect")]
    Signing,
    /// A recovery share that was changed.
    #[error("read recovery share {position}: its check value is wrong in {line}; compare it with the original")]
    ShareDamaged {
        /// Which of those given, from 1.
        position: usize,
        /// Where.
        line: &'static str,
    },
    /// Shares that do not belong together.
    #[error("join recovery shares: {problem}; take shares of one kit, each once")]
    Shares {
        /// What is wrong.
        problem: &'static str,
    },
    /// Fewer shares than needed.
    #[error("join recovery shares: {given} of {needed} needed are given; bring more")]
    TooFewShares {
        /// How many distinct ones there are.
        given: usize,
        /// How many it takes.
        needed: usize,
    },
    /// A kit with impossible numbers.
    #[error(
        "write recovery kit: of {total} shares {needed} are needed, which is not possible; make 2 to 16 shares, of which at least 2 and at most all recover"
    )]
    KitShape {
        /// How many shares recover.
        needed: u8,
        /// How many there are.
        total: u8,
    },
    /// The kit opens nothing here.
    #[error("use recovery kit {kit}: keyring version {version} does not know it; take the newest kit of this installation")]
    OtherKit {
        /// The kit's id.
        kit: String,
        /// The keyring's version.
        version: u64,
    },
    /// No memory that stays.
    #[error("lock {bytes} bytes of memory for keys: raise the limit on locked memory (`ulimit -l`, LimitMEMLOCK)")]
    MemoryLock {
        /// How many.
        bytes: usize,
        /// The operating system's reason.
        source: Cause,
    },
    /// No randomness.
    #[error("make key: no randomness; check the operating system's random generator")]
    Random(#[from] RandomError),
    /// The sealed format failed while writing.
    #[error("seal keyring: nothing was written; try again")]
    Seal(#[source] polder_crypto::Error),
}

impl Error {
    /// What the error means to whoever must act on it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::FileRead { source, .. } | Self::FileWrite { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
                _ => ErrorKind::Unavailable,
            },
            Self::FileMode { .. }
            | Self::FileOwner { .. }
            | Self::PassphraseWrong { .. }
            | Self::OtherRoot { .. }
            | Self::CustodyDenied { .. }
            | Self::LeaseDenied
            | Self::Approval { .. }
            | Self::Signature { .. } => ErrorKind::Denied,
            Self::FileExists { .. }
            | Self::RootKind { .. }
            | Self::PassphraseShort { .. }
            | Self::KeyringExists { .. }
            | Self::StillCurrent { .. }
            | Self::Name { .. }
            | Self::NameTaken { .. }
            | Self::Limit { .. }
            | Self::VerifierKey
            | Self::ShareDamaged { .. }
            | Self::Shares { .. }
            | Self::TooFewShares { .. }
            | Self::KitShape { .. }
            | Self::OtherKit { .. } => ErrorKind::Invalid,
            Self::FileDamaged { .. } | Self::Unwrap { .. } | Self::Keyring { .. } | Self::Rollback { .. } => ErrorKind::Corrupt,
            Self::Derivation { .. }
            | Self::CustodyUnreachable { .. }
            | Self::LeaseEnded
            | Self::MemoryLock { .. }
            | Self::Random(_)
            | Self::Wrap { .. } => ErrorKind::Unavailable,
            Self::Vault { kind, .. } => *kind,
            Self::VersionExists { .. } => ErrorKind::Conflict,
            Self::NoKeyring | Self::UnknownDataset(_) | Self::UnknownKeyVersion { .. } | Self::Destroyed { .. } => ErrorKind::NotFound,
            Self::Signing => ErrorKind::Internal,
            Self::Seal(source) => source.kind(),
        }
    }
}
