use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The server's REST listener: https://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub server: String,
    /// The identity provider's name there
    #[arg(long, value_name = "PROVIDER")]
    pub provider: String,
    /// Certificates of the only authorities that are trusted, as PEM (default: the system's)
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Write the session token into this file, which only its owner may read, in place of standard output
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}
