//! `polder cert` on the command line.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum CertCommand {
    /// Print the certificate of the internal authority (PEM), for clients to trust; it is made when there is none
    Trust {
        /// Write it into a file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show the certificates that the listeners show: for whom, until when, and their fingerprints
    Show,
    /// Make a new certificate and key for the listeners, signed by the internal authority
    Rotate {
        /// Make a new authority too: clients must trust it before they can connect again
        #[arg(long)]
        authority: bool,
    },
}
