//! `polder.yaml`: environments, each with its store, keys, anchor, approvers and people (`docs/format/project.md`).

mod providers;
mod serving;

use std::collections::BTreeMap;

use polder_contract::enrolment::Enrolment;
use polder_store::S3Address;

pub use providers::{PROVIDER_KEYS, ProviderSettings, SCOPE};
pub use serving::{
    CLIENT_CERTIFICATES, LIMITS, LISTENER_KEYS, LISTENERS_KEYS, ListenerSettings, Serving, ServingLimits, TLS_KEYS, TlsFiles, WIRES,
};

/// The file as it is written.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Environments by name; `--env` chooses, `default` is taken without it.
    pub environments: BTreeMap<String, Environment>,
}

/// One environment. Paths are relative to the project.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Where the sealed store lies.
    pub store: Store,
    /// Custody of the root key.
    pub keys: Custody,
    /// Where the newest checkpoint also goes: a file outside the store.
    pub anchor: Option<String>,
    /// The approver key file that `contract approve` takes when none is given.
    pub approver_key: Option<String>,
    /// Public keys of those who may approve, as signed-note verifier keys.
    pub approvers: Vec<String>,
    /// What is asked of approvals.
    pub approvals: Approvals,
    /// Groups of people: a member is `user:NAME`, where NAME is the operating system's name of the account.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Sealed temporary files may take this much of the disk, in MiB.
    pub temporary_mib: u64,
    /// Where what runs came to is pushed.
    pub telemetry: Option<Telemetry>,
    /// What is served.
    pub serving: Serving,
}

/// A collector of OpenTelemetry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// Its URL, without the path of a signal.
    pub endpoint: String,
    /// Headers of each push; their values by reference.
    pub headers: BTreeMap<String, String>,
    /// A file of certificates to trust, in place of the system's.
    pub ca: Option<String>,
    /// Without TLS, to this machine alone.
    pub plain_loopback: bool,
}

/// Where a sealed store lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// In a directory.
    Directory(String),
    /// Under a prefix of a bucket.
    S3(Box<S3Store>),
}

/// A bucket on S3-compatible storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Store {
    /// Bucket, prefix, endpoint and region.
    pub address: S3Address,
    /// A reference to the key's id.
    pub access_key_id: String,
    /// A reference to the key.
    pub secret_access_key: String,
    /// A reference to what temporary keys come with.
    pub session_token: Option<String>,
    /// A file with the certificates of the only authorities that are trusted.
    pub ca: Option<String>,
    /// The directory of this machine for sealed temporary files.
    pub temporary: Option<String>,
}

/// What `polder ci` asks of who approves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approvals {
    /// An author of a change cannot approve it. On in the environments `prod` and `production` unless the file says otherwise.
    pub other_than_author: bool,
    /// The addresses that approvers commit under, by the approver's name.
    pub git: BTreeMap<String, Vec<String>>,
}

/// Where the root key lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Custody {
    /// A file of mode 0600.
    KeyFile {
        /// Its path.
        path: String,
    },
    /// A file protected by a passphrase.
    Passphrase {
        /// Its path.
        path: String,
        /// `env:NAME` or `file:PATH`.
        passphrase: String,
    },
}

/// The keys of `polder.yaml`.
pub const KEYS: [&str; 1] = ["environments"];
/// The keys of an environment.
pub const ENVIRONMENT_KEYS: [&str; 14] = [
    "store",
    "keys",
    "anchor",
    "approver_key",
    "approvers",
    "approvals",
    "groups",
    "temporary_mib",
    "telemetry",
    "listeners",
    "tls",
    "limits",
    "scheduler",
    "identity_providers",
];
/// The keys of `telemetry`.
pub const TELEMETRY_KEYS: [&str; 4] = ["endpoint", "headers", "ca", "plain_loopback"];
/// The keys of `store`, where it is a bucket.
pub const STORE_KEYS: [&str; 9] =
    ["s3", "endpoint", "region", "access_key_id", "secret_access_key", "session_token", "ca", "plain_loopback", "temporary"];
/// The keys of `keys`.
pub const CUSTODY_KEYS: [&str; 3] = ["custody", "path", "passphrase"];
/// The words of `custody`.
pub const CUSTODIES: [&str; 2] = ["key-file", "passphrase"];
/// The keys of `approvals`.
pub const APPROVALS_KEYS: [&str; 2] = ["other_than_author", "git"];
/// The environments in which an author cannot approve unless the file says so.
const REVIEWED: [&str; 2] = ["prod", "production"];

impl Approvals {
    /// What is asked in an environment of this name when the file does not say.
    pub fn of(environment: &str) -> Self {
        Self { other_than_author: REVIEWED.contains(&environment), git: BTreeMap::new() }
    }
}

impl Environment {
    /// Who may approve, as one who approves that signs it.
    pub fn enrolment(&self, name: &str) -> Enrolment {
        let git = &self.approvals.git;
        Enrolment {
            environment: name.to_owned(),
            approvers: self.approvers.clone(),
            other_than_author: self.approvals.other_than_author,
            git: git.iter().flat_map(|(name, addresses)| addresses.iter().map(|address| (name.clone(), address.clone()))).collect(),
        }
    }

    /// The groups that an account is a member of.
    pub fn groups_of(&self, principal: &str) -> Vec<String> {
        let member = |members: &Vec<String>| members.iter().any(|member| member == principal);
        self.groups.iter().filter(|(_, members)| member(members)).map(|(group, _)| group.clone()).collect()
    }
}
