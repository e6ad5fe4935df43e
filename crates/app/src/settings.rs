//! `polder.yaml`: environments, each with its store, keys, anchor, approvers and people (`docs/format/project.md`).

use std::collections::BTreeMap;

/// The file as it is written.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Environments by name; `--env` chooses, `default` is taken without it.
    pub environments: BTreeMap<String, Environment>,
}

/// One environment. Paths are relative to the project.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Directory of the sealed store.
    pub store: String,
    /// Custody of the root key.
    pub keys: Custody,
    /// Where the newest checkpoint also goes: a file outside the store.
    pub anchor: Option<String>,
    /// The approver key file that `contract approve` takes when none is given.
    pub approver_key: Option<String>,
    /// Public keys of those who may approve, as signed-note verifier keys.
    pub approvers: Vec<String>,
    /// Groups of people: a member is `user:NAME`, where NAME is the operating system's name of the account.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Sealed temporary files may take this much of the disk, in MiB.
    pub temporary_mib: u64,
}

/// Where the root key lies.
#[derive(Debug, Clone)]
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

impl Environment {
    /// The groups that an account is a member of.
    pub fn groups_of(&self, principal: &str) -> Vec<String> {
        let member = |members: &Vec<String>| members.iter().any(|member| member == principal);
        self.groups.iter().filter(|(_, members)| member(members)).map(|(group, _)| group.clone()).collect()
    }
}
