//! What `cargo xtask bench` measures and the program does not offer: a load into a store without sealing, or without content inspection,
//! which only these files wire, and many queries in one process.
//!
//! ```text
//! bench load --store sealed|plain [--uninspected] --csv FILE --contract FILE --into DIR
//! bench tpch --project DIR --queries DIR --answers DIR [--reader]
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on ends")]
#![allow(clippy::disallowed_methods, reason = "the plain store that the sealed one is compared with exists here alone")]

// The lake's own, compiled a second time: what the program encodes with cannot drift from what is measured here, and the lake opens
// nothing for it.
#[path = "../../../lake/src/encode.rs"]
mod encode;
mod load;
mod plain;
mod stage;

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use polder_app::installation::Installation;
use polder_app::project::Project;
use polder_engine::{Asker, Format, QueryOptions, write_batches};
use polder_types::PrincipalId;

/// What the command line gives a query without `--memory-mib`.
const MEMORY_MIB: u64 = 1024;

#[derive(Parser)]
enum Bench {
    Load {
        #[arg(long)]
        store: Store,
        #[arg(long)]
        uninspected: bool,
        #[arg(long)]
        csv: PathBuf,
        #[arg(long)]
        contract: PathBuf,
        #[arg(long)]
        into: PathBuf,
    },
    Tpch {
        #[arg(long)]
        project: PathBuf,
        #[arg(long)]
        queries: PathBuf,
        #[arg(long)]
        answers: PathBuf,
        /// Ask as someone of the group `readers`, instead of as an owner.
        #[arg(long)]
        reader: bool,
    },
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Store {
    Sealed,
    Plain,
}

#[tokio::main]
async fn main() {
    match Bench::parse() {
        Bench::Load { store, uninspected, csv, contract, into } => load::run(store, uninspected, &csv, &contract, &into).await,
        Bench::Tpch { project, queries, answers, reader } => tpch(&project, &queries, &answers, reader).await,
    }
}

/// Every query of a directory through the SQL door, one after the other; answers as CSV.
async fn tpch(project: &Path, queries: &Path, answers: &Path, reader: bool) {
    let project = Project::find(Some(project), "default").unwrap();
    let installation = Installation::open(project, Some(60)).await.unwrap();
    let lake = installation.lake(None).unwrap();
    let door = installation.door(&lake, MEMORY_MIB).unwrap();
    let asker = match reader {
        true => Asker { principal: PrincipalId::new("user", "reader").unwrap(), groups: vec!["readers".to_owned()] },
        false => installation.asker(),
    };
    std::fs::create_dir_all(answers).unwrap();
    let mut files: Vec<PathBuf> = std::fs::read_dir(queries).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "sql")) {
        let sql = std::fs::read_to_string(file).unwrap();
        let answer = door.query(&asker, &sql, &QueryOptions::default()).await.expect(&sql);
        let mut out = std::fs::File::create(answers.join(file.with_extension("csv").file_name().unwrap())).unwrap();
        let schema = answer.schema();
        write_batches(schema, answer, Format::Csv, &mut out).await.unwrap();
    }
    installation.close().await.unwrap();
}
