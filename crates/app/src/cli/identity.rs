use std::path::PathBuf;

use clap::{Args, Subcommand};
use polder_policy::identity::{TOKEN_DAYS, TOKEN_DAYS_MAX, WIRES};

use super::CertificateCommand;

/// Where a password comes from. It is never an argument, which others on the host can see.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// Take the password from a file that nobody else may read (mode 0600)
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    pub password_file: Option<PathBuf>,
    /// Take the password from standard input
    #[arg(long)]
    pub password_stdin: bool,
}

/// Who a user without a password is at an identity provider.
#[derive(Debug, Args)]
pub struct AddedProviderArgs {
    /// Give the user no password, but this identity provider of polder.yaml
    #[arg(long, value_name = "PROVIDER", requires = "subject", conflicts_with_all = ["password_file", "password_stdin"])]
    pub provider: Option<String>,
    /// Who they are there: the claim `sub`, letter for letter
    #[arg(long, value_name = "SUB", requires = "provider")]
    pub subject: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user; the password is asked for on the terminal, twice, unless an option says where it comes from
    Add {
        name: String,
        /// A group that the user is in (may be given several times)
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        provider: AddedProviderArgs,
    },
    /// Let a user sign in through an identity provider of polder.yaml, as who the provider says that they are
    Link {
        name: String,
        /// The provider's name in polder.yaml
        #[arg(long, value_name = "PROVIDER")]
        provider: String,
        /// Who they are there: the claim `sub`, letter for letter
        #[arg(long, value_name = "SUB")]
        subject: String,
    },
    /// Let a user sign in through no identity provider any more, and end the sessions at once
    Unlink {
        name: String,
        /// Of this provider alone
        #[arg(long, value_name = "PROVIDER")]
        provider: Option<String>,
    },
    /// List the users
    List,
    /// Show a user with groups and tokens
    Show { name: String },
    /// Let a user sign in no more, and end the sessions at once
    Disable { name: String },
    /// Let a user sign in again
    Enable { name: String },
    /// Remove a user with all tokens, and end the sessions at once
    Remove { name: String },
    /// Set another password; sessions that began with the one before end at once
    Password {
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// End a user's sessions at once and revoke all tokens; the password stays
    Revoke { name: String },
    /// Codes that a user signs in with beside the password (TOTP)
    #[command(subcommand)]
    Totp(TotpCommand),
    /// Passkeys of a user, who adds them on the sign-in page
    #[command(subcommand)]
    Passkeys(PasskeysCommand),
}

#[derive(Debug, Subcommand)]
pub enum TotpCommand {
    /// Show the secret for an app that makes codes, ask for one, and from then on demand them; prints the recovery codes once
    Enrol {
        name: String,
        /// Take the code from standard input, after the secret was printed
        #[arg(long)]
        code_stdin: bool,
    },
    /// Demand no codes any more; the recovery codes are gone too
    Remove { name: String },
}

#[derive(Debug, Subcommand)]
pub enum PasskeysCommand {
    /// List the passkeys of a user
    List { name: String },
    /// Remove a passkey, and end the sessions that it began at once
    Remove {
        name: String,
        /// The passkey's id, as `user passkeys list` shows it
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Add a service; make it a token with `polder token create`, or a certificate with `polder service certificate issue`
    Add {
        name: String,
        /// A group that the service is in (may be given several times)
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// List the services
    List,
    /// Show a service with groups, tokens and certificates
    Show { name: String },
    /// Let a service sign in no more, and end the sessions at once
    Disable { name: String },
    /// Let a service sign in again
    Enable { name: String },
    /// Remove a service with all tokens and certificates, and end the sessions at once
    Remove { name: String },
    /// End a service's sessions at once and revoke all tokens and certificates
    Revoke { name: String },
    /// Client certificates by which a service signs in
    #[command(subcommand)]
    Certificate(CertificateCommand),
}

#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Add a group
    Add { name: String },
    /// List the groups with their members
    List,
    /// Remove a group; its members stay
    Remove { name: String },
    /// Put a user or service into a group
    Join {
        group: String,
        /// The user or service
        name: String,
    },
    /// Take a user or service out of a group
    Leave {
        group: String,
        /// The user or service
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it: this once, for it is kept by nobody here
    Create {
        /// The user or service that it lets in
        name: String,
        /// How many days it lasts
        #[arg(long, value_name = "N", default_value_t = TOKEN_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(TOKEN_DAYS_MAX)))]
        days: u32,
        /// A way in that it is for (may be given several times; default: all)
        #[arg(long = "wire", value_name = "WIRE", value_parser = WIRES)]
        wires: Vec<String>,
        /// What it is for, for lists
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List tokens: their ids, never their secrets
    List {
        /// Of this user or service alone
        name: Option<String>,
    },
    /// Revoke a token, and end the sessions that it began at once
    Revoke {
        /// The eight characters behind `polder_`, as `token list` shows them
        id: String,
    },
}
