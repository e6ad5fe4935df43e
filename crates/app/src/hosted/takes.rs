//! Which commands the serving process takes, and what is said of the others.

use polder_types::ErrorKind;

use crate::cli::{
    AuditCommand, CertCommand, Cli, Command, ContractCommand, KeysCommand, ModelCommand, PipelineCommand, QuarantineCommand, RunsCommand,
    SchedulerCommand, SourceCommand, TableCommand,
};
use crate::failure::Failure;

/// Whether the serving process takes a command: those that need the lease and no file of the caller's. What it reads of the project it reads
/// itself, and it writes into none of its folders.
pub(super) fn takes(cli: &Cli) -> bool {
    if cli.global.kill_at.is_some() || cli.global.drop_batch.is_some() {
        return false;
    }
    match &cli.command {
        Command::Run(args) => args.watch.is_none(),
        // The shell needs a terminal of its own.
        Command::Sql(args) => args.query.is_some(),
        Command::Table(command) => !matches!(command, TableCommand::Erase { keys: Some(_), .. }),
        Command::State(_) | Command::Model(_) | Command::Quarantine(_) => true,
        Command::Audit(command) => matches!(command, AuditCommand::Show { .. } | AuditCommand::Verify { record: true }),
        Command::User(_) | Command::Service(_) | Command::Group(_) | Command::Token(_) => true,
        Command::Grant(_) | Command::BreakGlass(_) => true,
        // Those that only look need no lease.
        Command::Runs(command) => matches!(command, RunsCommand::Logs { .. } | RunsCommand::Retry { .. } | RunsCommand::Cancel { .. }),
        Command::Pipeline(command) => match command {
            // A run of another scheduler is that scheduler's.
            PipelineCommand::Run(args) => args.parent.is_none(),
            PipelineCommand::Check { parent, .. } => parent.is_none(),
            PipelineCommand::List => false,
        },
        Command::Scheduler(args) => matches!(args.command, Some(SchedulerCommand::Status)),
        Command::Source(SourceCommand::Check { .. }) => true,
        Command::Contract(command) => match command {
            ContractCommand::Propose { write, .. } => !write,
            ContractCommand::Profile { html, .. } => html.is_none(),
            ContractCommand::Approved { .. } => true,
            _ => false,
        },
        Command::Cert(command) => matches!(command, CertCommand::Rotate { .. }),
        Command::Keys(command) => matches!(
            command,
            KeysCommand::Show
                | KeysCommand::Rotate { new_key_file: None, .. }
                | KeysCommand::Reencrypt { .. }
                | KeysCommand::RetireKit { .. }
                | KeysCommand::Destroy { .. }
                | KeysCommand::RevealObjectKey { .. }
                | KeysCommand::RevealValues { .. }
        ),
        _ => false,
    }
}

/// Whether a command changes tables or keys: those go one after another, as they do in processes of their own.
pub(super) fn changes(cli: &Cli) -> bool {
    match &cli.command {
        Command::Table(command) => matches!(
            command,
            TableCommand::Optimize { .. }
                | TableCommand::Restore { .. }
                | TableCommand::Drop { .. }
                | TableCommand::Erase { .. }
                | TableCommand::Vacuum { .. }
        ),
        Command::Model(command) => matches!(command, ModelCommand::Run { .. }),
        Command::Quarantine(command) => matches!(command, QuarantineCommand::Replay { .. }),
        Command::Keys(command) => {
            !matches!(command, KeysCommand::Show | KeysCommand::RevealObjectKey { .. } | KeysCommand::RevealValues { .. })
        }
        // The register has a turn of its own.
        Command::User(_) | Command::Service(_) | Command::Group(_) | Command::Token(_) => false,
        Command::Grant(_) | Command::BreakGlass(_) => false,
        // Each attempt takes its turn, and gives it back while it waits for the next one.
        Command::Pipeline(_) | Command::Runs(_) => false,
        Command::Sql(_) | Command::Audit(_) | Command::Scheduler(_) | Command::Source(_) => false,
        Command::Contract(_) => false,
        _ => true,
    }
}

/// Whether a command ends when its caller is told to, or is gone: it goes on for long, and says then how far it came.
pub(super) fn told_to_end(cli: &Cli) -> bool {
    match &cli.command {
        Command::Run(_) => true,
        Command::Pipeline(command) => matches!(command, PipelineCommand::Run(_)),
        Command::Runs(command) => matches!(command, RunsCommand::Retry { .. }),
        _ => false,
    }
}

/// What is said of a command that cannot be run beside a serving process, nor by it: why, and what to do. None of those that can, and of
/// those that wait until it has ended.
pub(super) fn refusal(cli: &Cli) -> Option<Failure> {
    // Whoever waits gets the lease once it has ended.
    if cli.global.wait.is_some() || takes(cli) {
        return None;
    }
    let (what, why, then) = match &cli.command {
        Command::Scheduler(_) => (
            "run the scheduler",
            "`polder serve` has this store open, and runs the pipelines itself unless it was told not to",
            "`polder scheduler status` tells; end `polder serve` to run the scheduler alone",
        ),
        Command::Serve(_) => ("serve", "`polder serve` runs for this store already", "end it first"),
        Command::Run(_) if cli.global.kill_at.is_none() && cli.global.drop_batch.is_none() => (
            "watch the files",
            "`polder serve` has this store open, and takes no command that never ends",
            "write a pipeline with a schedule such as {every: 10s}, which it runs",
        ),
        Command::Sql(_) => {
            ("open a shell", "`polder serve` has this store open", "ask one question, `polder sql QUERY`, or connect with psql")
        }
        Command::Table(TableCommand::Erase { keys: Some(_), .. }) => (
            "erase rows by a file of keys",
            "`polder serve` has this store open, and reads no file of yours",
            "name the rows with --where, or end it first",
        ),
        Command::Keys(KeysCommand::Kit { .. } | KeysCommand::Recover { .. } | KeysCommand::Rotate { new_key_file: Some(_), .. }) => {
            ("work with files of keys", "`polder serve` has this store open, and reaches no file of yours", "end it first")
        }
        Command::Audit(AuditCommand::Anchor { .. }) => {
            ("begin the anchor", "`polder serve` has this store open, and goes by the anchor that it began with", "end it first")
        }
        Command::Source(SourceCommand::Propose { .. })
        | Command::Contract(ContractCommand::Propose { write: true, .. } | ContractCommand::Profile { html: Some(_), .. }) => (
            "write what was found",
            "`polder serve` has this store open, and writes no file of a project",
            "work on a copy of the project with a store of its own, or end it first",
        ),
        _ => return None,
    };
    Some(Failure::new(ErrorKind::Busy, format!("{what}: {why}; {then}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn parsed(line: &str) -> Cli {
        Cli::try_parse_from(std::iter::once("polder").chain(line.split_whitespace())).unwrap()
    }

    #[test]
    fn what_needs_a_file_or_a_process_of_its_own_is_not_handed_over() {
        for line in [
            "run",
            "sql x",
            "table list",
            "table drop flights --yes",
            "state show",
            "model list",
            "quarantine list",
            "keys rotate --table x",
            "keys destroy --table x --key-version 1",
            "audit show",
            "grant list",
            "grant approve x",
            "break-glass open x",
            "audit verify --record",
            "pipeline run x",
            "pipeline check",
            "runs logs abcd",
            "runs retry abcd",
            "runs cancel abcd",
            "scheduler status",
            "source check x",
            "contract propose",
            "contract profile x",
            "cert rotate",
        ] {
            assert!(takes(&parsed(line)), "{line}");
            assert!(refusal(&parsed(line)).is_none(), "{line}");
        }
        for line in [
            "init x",
            "sql",
            "run --watch 5",
            "run --kill-at x",
            "scheduler",
            "doctor",
            "status",
            "serve",
            "audit verify",
            "runs list",
            "runs show abcd",
            "pipeline list",
            "pipeline run x --attempt 1 --parent 7",
            "contract approve x",
            "contract propose --write",
            "contract profile x --html f",
            "keys kit --to d",
            "keys rotate --new-key-file f",
            "table erase x --keys f",
        ] {
            assert!(!takes(&parsed(line)), "{line}");
        }
    }

    #[test]
    fn what_only_looks_waits_for_nobody() {
        for line in [
            "sql x",
            "table list",
            "model list",
            "quarantine list",
            "keys show",
            "audit show",
            "grant list",
            "scheduler status",
            // These take their turn themselves.
            "pipeline run x",
            "runs retry abcd",
        ] {
            assert!(!changes(&parsed(line)), "{line}");
        }
        for line in [
            "run",
            "table drop flights --yes",
            "table optimize flights",
            "model run",
            "quarantine replay flights",
            "keys rotate --table x",
            "state reset x --yes",
            "cert rotate",
        ] {
            assert!(changes(&parsed(line)), "{line}");
        }
    }

    /// Whoever cannot do it beside the server is told what to do, and not only that another holds the lease.
    #[test]
    fn what_is_not_taken_and_needs_the_lease_says_what_to_do() {
        let mut texts = Vec::new();
        for line in [
            "scheduler",
            "serve",
            "run --watch 5",
            "sql",
            "table erase x --keys f",
            "keys kit --to d",
            "keys rotate --new-key-file f",
            "audit anchor --init",
            "source propose d",
            "contract propose --write",
            "contract profile x --html f",
        ] {
            let refused = refusal(&parsed(line)).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(refused.kind(), ErrorKind::Busy, "{line}");
            assert!(refused.text().contains("`polder serve`"), "{line}: {}", refused.text());
            texts.push(refused.text().to_owned());
            assert!(refusal(&parsed(&format!("{line} --wait 5"))).is_none(), "{line}");
        }
        assert!(texts.iter().all(|text| text.contains("; ")), "{texts:?}");
        for line in ["status", "doctor", "runs list", "contract list", "keys approver x --to f"] {
            assert!(refusal(&parsed(line)).is_none(), "{line}");
        }
    }

    #[test]
    fn what_goes_on_for_long_ends_with_its_caller() {
        for line in ["run", "pipeline run x", "runs retry abcd"] {
            assert!(told_to_end(&parsed(line)), "{line}");
        }
        for line in ["sql x", "pipeline check", "keys rotate --table x", "table optimize x"] {
            assert!(!told_to_end(&parsed(line)), "{line}");
        }
    }
}
