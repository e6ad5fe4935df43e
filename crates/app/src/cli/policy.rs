use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Check the policies with the contracts' tables and columns: what is wrong, what they speak of, which can never apply. Needs no key
    /// and no store
    Check,
    /// Show what of a table may be read, and by which policy: each column, which rows
    Explain(ExplainArgs),
    /// Run the test cases of the policies. Needs no key and no store
    Test {
        /// Files of cases (default: policies/tests/*.yaml)
        files: Vec<PathBuf>,
    },
    /// Show what the policies newly permit to read, and what no longer, compared with a commit. Needs no key and no store
    Diff {
        /// The commit
        #[arg(value_name = "REF", default_value = "HEAD")]
        base: String,
        /// The time of day and the date for policies that look at them, such as 2026-01-31T08:00:00Z (default: now)
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The table
    pub table: String,
    /// Who reads: user:NAME, model:NAME or service:NAME (default: you). Of anyone but yourself it takes Audit on the installation
    #[arg(long = "as", value_name = "PRINCIPAL")]
    pub principal: Option<String>,
    /// As if they were in this group too (may be given several times). It takes Audit on the installation
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
    /// What they read it for
    #[arg(long, value_name = "PURPOSE", value_parser = NonEmptyStringValueParser::new())]
    pub purpose: Option<String>,
    /// When they read it, such as 2026-01-31T08:00:00Z (default: now)
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}
