//! `polder service certificate` on the command line.

use std::path::PathBuf;

use clap::Subcommand;
use polder_policy::identity::{TOKEN_DAYS, TOKEN_DAYS_MAX, WIRES};

#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// Make a key and a certificate for it, which the internal authority signs; the key is written here and kept by nobody else
    Issue {
        /// The service that it lets in
        name: String,
        /// How many days it lasts
        #[arg(long, value_name = "N", default_value_t = TOKEN_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(TOKEN_DAYS_MAX)))]
        days: u32,
        /// A way in that it is for (may be given several times; default: all)
        #[arg(long = "wire", value_name = "WIRE", value_parser = WIRES)]
        wires: Vec<String>,
        /// Write NAME.pem and NAME.key (mode 0600) into this directory
        #[arg(long, value_name = "DIR", required_unless_present = "csr")]
        out: Option<PathBuf>,
        /// Sign this request (PKCS #10 in PEM, `-` is standard input) instead, so that the key never leaves the service; without --out the
        /// certificate is printed
        #[arg(long, value_name = "FILE")]
        csr: Option<PathBuf>,
    },
    /// Let a service in by a certificate that another authority signed, one of `client_ca` of tls in polder.yaml
    Add {
        /// The service that it lets in
        name: String,
        /// The certificate (PEM, `-` is standard input)
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
        /// A way in that it is for (may be given several times; default: all)
        #[arg(long = "wire", value_name = "WIRE", value_parser = WIRES)]
        wires: Vec<String>,
    },
    /// List certificates: their fingerprints, ways in and ends
    List {
        /// Of this service alone
        name: Option<String>,
    },
    /// Revoke a certificate, and end the sessions that it began at once
    Revoke {
        /// Its fingerprint, or the first eight characters of it or more
        fingerprint: String,
    },
}
