//! Duty: the `polder` program: wires the crates together and gives them a command line.
//! Never: opens a store, a session or a source by a way of its own: each has one door in its crate.
//! Enter at: [`cli`] (what can be typed), `command/` (what each does), [`search`] (the proof that nothing lies in the clear).
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation,
        reason = "tests fail by panicking, and their numbers are small"
    )
)]

pub mod account;
pub mod bucket_source;
pub mod cli;
pub mod command;
pub mod course;
pub mod described;
mod diagnostics;
pub mod duration;
pub mod erasure;
pub mod failpoint;
pub mod failure;
pub mod field_keys;
pub mod freshness;
pub mod git;
pub mod harden;
pub mod history;
pub mod hosted;
pub mod identities;
pub mod ingest;
pub mod installation;
pub mod key_changes;
pub mod metrics;
pub mod name_id;
pub mod notice;
pub mod pipeline;
pub mod policy_test;
pub mod print;
pub mod profiles;
pub mod progress;
pub mod project;
pub mod project_file;
pub mod providers;
pub mod quarantine;
pub mod read_masks;
pub mod reading;
pub mod removal;
pub mod replay;
pub mod review;
pub mod sampling;
pub mod schedule;
pub mod scheduler;
pub mod schema;
pub mod search;
pub mod secret_ref;
pub mod secret_text;
pub mod sessions;
pub mod settings;
pub mod signals;
pub mod storage;
pub mod tables;
pub mod telemetry;
pub mod verification;
pub mod wiring;
pub mod writing;

use std::process::ExitCode;

use clap::Parser;

/// How long threads that read or write files still have once the command is done.
const THREADS_END: std::time::Duration = std::time::Duration::from_secs(10);

/// The program: hardens the process, reads the command line, runs it, and says how it ended.
pub fn main() -> ExitCode {
    harden::quiet_panics();
    if let Err(failure) = harden::harden() {
        print::note(&format!("error: {failure}"));
        return ExitCode::from(failure.kind().exit_code());
    }
    // The process of a driver: it opens no project and no key, whatever else stands on its command line.
    if std::env::args_os().nth(1).is_some_and(|first| first == polder_connect::ADBC_WORKER) {
        return polder_connect::adbc_worker();
    }
    // Two providers of cryptography may be linked; the one of choice is named first thing. Nobody was there before to name another.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = cli::Cli::parse();
    diagnostics::start(cli.global.verbose);
    let json = cli.global.output == Some(cli::Output::Json);
    match hosted::client::hand_over(&cli) {
        Ok(None) => {}
        Ok(Some(code)) => return ExitCode::from(code),
        Err(failure) => return ExitCode::from(code_of(Err(failure), json)),
    }
    // What a process that serves may do is taken from it before it has threads: what they may not do they have from the one that made them.
    let confined = if matches!(cli.command, cli::Command::Serve(_)) { command::serve::confine(&cli.global) } else { Ok(()) };
    let outcome = confined
        .and_then(|()| {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(8 << 20).build();
            runtime.map_err(|error| failure::Failure::because(polder_types::ErrorKind::Internal, "start the program's threads", &error))
        })
        .and_then(|runtime| {
            let outcome = runtime.block_on(command::run(cli));
            // A thread that reads for a run which was broken off may hang: nothing waits for what it brings.
            runtime.shutdown_timeout(THREADS_END);
            outcome
        });
    ExitCode::from(code_of(outcome, json))
}

/// Says how a command ended, and gives its exit code.
fn code_of(outcome: failure::Outcome, json: bool) -> u8 {
    match outcome {
        Ok(()) if print::stdout_closed() => print::EXIT_CLOSED,
        Ok(()) => 0,
        Err(failure) => {
            if json {
                print::note_json(&failure.to_json());
            } else {
                print::note(&format!("error: {failure}"));
            }
            failure.exit_code()
        }
    }
}
