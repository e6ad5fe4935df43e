use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Whose key is meant.
#[derive(Debug, Clone, Args)]
pub struct OneDataset {
    /// A table's key
    #[arg(long, value_name = "TABLE", conflicts_with = "dataset")]
    pub table: Option<String>,
    /// The key of a dataset that `keys show` names, such as quarantine:people or system:journal
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Show the keyring's version, datasets and key versions
    Show,
    /// Rotate the root key, or one dataset's key
    Rotate {
        #[command(flatten)]
        of: OneDataset,
        /// A new root key file (made with mode 0600)
        #[arg(long, value_name = "FILE")]
        new_key_file: Option<PathBuf>,
    },
    /// Seal every object again under its newest key; goes on where it stopped
    Reencrypt {
        #[command(flatten)]
        of: OneDataset,
    },
    /// Write a new recovery kit of SHARES shares, any THRESHOLD of which rebuild the root key
    Kit {
        /// Directory of the shares; give each to another person
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        #[arg(long, default_value_t = 3)]
        shares: u8,
        #[arg(long, default_value_t = 2)]
        threshold: u8,
    },
    /// Rebuild the root key from a recovery kit
    Recover {
        /// The share files
        #[arg(required = true, value_name = "SHARE")]
        shares: Vec<PathBuf>,
        /// Only prove that the kit opens this installation's keyring
        #[arg(long)]
        test: bool,
        /// The new key file
        #[arg(long, value_name = "FILE", required_unless_present = "test")]
        key_file: Option<PathBuf>,
    },
    /// End a recovery kit: keyrings written from now on do not open with it
    RetireKit {
        /// The kit, as `keys show` names it
        id: String,
    },
    /// Make an approver's key file and print the line to enrol in polder.yaml
    Approver {
        /// The person's name
        name: String,
        /// The new key file (made with mode 0600)
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Approve who may approve in this environment, as polder.yaml lists them now: an approver of before signs it, for `polder ci`
    Enrol {
        /// The approver's key file (default: the one that init made)
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Destroy an old version of a table's key: what it sealed can be read by nobody any more. Without approvals, print the request
    Destroy {
        #[command(flatten)]
        of: OneDataset,
        /// The version, as `keys show` names it
        #[arg(long, value_name = "NUMBER")]
        key_version: u32,
        /// What `keys approve` printed; of two persons who are not the requester
        #[arg(long = "approval", value_name = "NAME:SIGNATURE")]
        approvals: Vec<String>,
    },
    /// Approve a request to destroy a key, and print the approval
    Approve {
        /// The request, as `keys destroy` printed it
        request: String,
        /// The approver's key file
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Print the key of one sealed object, so that another program can open it (privileged, recorded)
    RevealObjectKey {
        /// The object's path inside the store
        object: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Open encrypted values of masked columns, which standard input holds one a line, and print them (privileged, recorded)
    RevealValues {
        /// The domain that they were encrypted under
        domain: String,
        /// Show them in the clear
        #[arg(long)]
        yes: bool,
    },
}
