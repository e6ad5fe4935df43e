//! What each command does; [`run`] chooses.

use polder_policy::Action;

use crate::cli::{AuditCommand, Cli, Command, ContractCommand, Global, KeysCommand, Output, PolicyCommand, RunsCommand, SourceCommand};
use crate::failure::Outcome;
use crate::installation::Installation;
use crate::project::Project;

pub mod accounts;
pub mod audit;
pub mod break_glass;
pub mod cert;
pub mod certificate;
pub mod ci;
pub mod contract;
pub mod demo;
pub mod diff;
pub mod edit;
pub mod factors;
pub mod grant;
pub mod group;
pub mod init;
pub mod keys;
pub mod login;
pub mod model;
pub mod pipeline;
pub mod policy;
pub mod profile;
pub mod propose;
pub mod quarantine;
pub mod run;
pub mod runs;
pub mod scheduler;
pub mod schema;
pub mod serve;
pub mod service;
pub mod source;
pub mod sql;
pub mod state;
pub mod status;
pub mod survey;
pub mod table;
pub mod token;
pub mod user;
pub mod watch;

/// Runs a command line.
///
/// # Errors
/// Whatever the command meets; the failure says what to do and whether to try again.
pub async fn run(cli: Cli) -> Outcome {
    if let Some(point) = &cli.global.kill_at {
        crate::failpoint::choose(point);
    }
    let global = &cli.global;
    let output = global.output.unwrap_or(Output::Table);
    match &cli.command {
        Command::Init(args) => init::report(&init::init(args).await?),
        Command::Demo(args) => demo::run(args),
        Command::Doctor => {
            let project = project(global)?;
            match Installation::open_read_only(project.clone()).await {
                Ok(installation) => {
                    let ending = certificate::ending_soon(&installation).await;
                    status::doctor(&project, Some(&installation), None, ending, output)
                }
                Err(failure) => status::doctor(&project, None, Some(&failure), None, output),
            }
        }
        Command::Status => status::status(&reader(global).await?, output).await,
        Command::Run(args) => {
            let loss = global.drop_batch.as_deref().map(crate::wiring::Loss::parse).transpose()?;
            let installation = writer(global).await?;
            let ran = match args.watch {
                Some(seconds) => watch::watch(&installation, args, seconds, global.memory_mib, loss, output).await,
                None => run::run(&installation, args, global.memory_mib, loss, output).await,
            };
            installation.close_after(ran).await
        }
        Command::Pipeline(command) => pipeline::run(global, command, output).await,
        Command::Scheduler(args) => scheduler::run(global, args, output).await,
        Command::Runs(command) => run_runs(global, command, output).await,
        Command::Sql(args) => {
            let installation = writer(global).await?;
            let answered = sql::run(&installation, args, global.memory_mib, global.output).await;
            installation.close_after(answered).await
        }
        Command::Serve(args) => serve::run(global, args, output).await,
        Command::Cert(command) => cert::run(global, command, output).await,
        Command::Table(command) => {
            let installation = writer(global).await?;
            let done = table::run(&installation, command, global.memory_mib, output).await;
            installation.close_after(done).await
        }
        Command::State(command) => {
            let installation = writer(global).await?;
            let done = state::run(&installation, command, output).await;
            installation.close_after(done).await
        }
        Command::Model(command) => {
            let installation = writer(global).await?;
            let done = model::run(&installation, command, global.memory_mib, output).await;
            installation.close_after(done).await
        }
        Command::Quarantine(command) => {
            let installation = writer(global).await?;
            let done = quarantine::run(&installation, command, output).await;
            installation.close_after(done).await
        }
        Command::Source(SourceCommand::List) => source::list(&project(global)?, output),
        Command::Source(SourceCommand::Check { name }) => {
            let installation = writer(global).await?;
            let done = source::check(&installation, name, output).await;
            installation.close_after(done).await
        }
        Command::Source(SourceCommand::Propose { dir, name, write, bucket }) => {
            let installation = writer(global).await?;
            let done = survey::propose(&installation, dir, bucket, name.as_deref(), *write).await;
            installation.close_after(done).await
        }
        Command::Contract(
            command @ (ContractCommand::List | ContractCommand::Check { .. } | ContractCommand::Set { .. } | ContractCommand::Admit { .. }),
        ) => contract::offline(&project(global)?, command, output),
        Command::Contract(ContractCommand::Diff { name, base }) => {
            diff::run(&Project::directory(global.project.as_deref())?, name.as_deref(), base, output)
        }
        Command::Ci(args) => ci::run(&Project::directory(global.project.as_deref())?, &global.env, args.base.as_deref(), output).await,
        Command::Schema(args) => schema::run(args, output),
        Command::Contract(ContractCommand::Propose { name, select, write }) => {
            let installation = writer(global).await?;
            let done = propose::propose(&installation, name.as_deref(), select.as_deref(), *write).await;
            installation.close_after(done).await
        }
        Command::Contract(ContractCommand::Profile { name, html }) => {
            let installation = writer(global).await?;
            let done = profile::show(&installation, name, html.as_deref(), output).await;
            installation.close_after(done).await
        }
        Command::Contract(ContractCommand::Approve { names, all, yes, key }) => {
            // Whoever serves records it, and this process, which has the key and may write the file, does the rest.
            let installation = if served(global)? { reader(global).await? } else { writer(global).await? };
            let names = (!all).then_some(names.as_slice());
            let done = contract::approve(&installation, names, *yes, key.as_deref()).await;
            installation.close_after(done).await
        }
        Command::Contract(ContractCommand::Approved { name, hash }) => {
            let installation = writer(global).await?;
            let done = contract::approved(&installation, name, hash).await;
            installation.close_after(done).await
        }
        Command::Policy(PolicyCommand::Check) => policy::check(&project(global)?, output),
        Command::Policy(PolicyCommand::Test { files }) => policy::test(&project(global)?, files, output),
        Command::Policy(PolicyCommand::Diff { base, at }) => policy::diff(&project(global)?, base, at.as_deref(), output),
        Command::Policy(PolicyCommand::Explain(args)) => {
            let installation = if policy::of_another(args)? { auditor(global).await? } else { reader(global).await? };
            policy::explain(&installation, args, output)
        }
        Command::User(command) => user::run(global, command, output).await,
        Command::Service(command) => service::run(global, command, output).await,
        Command::Group(command) => group::run(global, command, output).await,
        Command::Token(command) => token::run(global, command, output).await,
        Command::Grant(command) => grant::run(global, command, output).await,
        Command::BreakGlass(command) => break_glass::run(global, command, output).await,
        Command::Login(args) => login::run(args, output).await,
        Command::Keys(KeysCommand::Recover { shares, test: false, key_file: Some(key_file) }) => {
            keys::recover(&project(global)?, shares, key_file, global.wait).await
        }
        Command::Keys(KeysCommand::Approver { name, to }) => keys::approver(name, to),
        Command::Keys(KeysCommand::Approve { request, key }) => keys::approve(request, key),
        Command::Keys(KeysCommand::Enrol { key }) => keys::enrol(&project(global)?, key.as_deref()),
        Command::Keys(command) => {
            let installation = writer(global).await?;
            let done = keys::run(&installation, command, output).await;
            installation.close_after(done).await
        }
        Command::Audit(AuditCommand::Verify { record }) => {
            let installation = auditor(global).await?;
            let verified = audit::verify(&installation).await?;
            drop(installation);
            let recorded = if *record { record_verified(global, &verified).await } else { Ok(()) };
            // What was found is said, whatever became of its record.
            match audit::report(&verified, output) {
                Ok(()) => recorded,
                Err(found) => {
                    if let Err(unrecorded) = recorded {
                        crate::print::warn("the findings could not be recorded", &unrecorded);
                    }
                    Err(found)
                }
            }
        }
        Command::Audit(AuditCommand::Export { to }) => audit::export(&auditor(global).await?, to, output).await,
        Command::Audit(AuditCommand::Proof { index: Some(index), .. }) => audit::inclusion(&auditor(global).await?, *index).await,
        Command::Audit(AuditCommand::Proof { index: None, since }) => audit::consistency(&auditor(global).await?, since.unwrap_or(0)).await,
        Command::Audit(AuditCommand::Anchor { .. }) => audit::begin_anchor(project(global)?, global.wait).await,
        Command::Audit(AuditCommand::Show { limit, kind }) => {
            let installation = writer(global).await?;
            let done = audit::show(&installation, *limit, kind.as_deref(), output).await;
            installation.close_after(done).await
        }
    }
}

async fn run_runs(global: &Global, command: &RunsCommand, output: Output) -> Outcome {
    match command {
        RunsCommand::List { pipeline, limit } => runs::list(&reader(global).await?, pipeline.as_deref(), *limit, output),
        RunsCommand::Show { run } => runs::show(&reader(global).await?, run, output).await,
        RunsCommand::Cancel { run } => {
            let installation = crate::writing::reader(&project(global)?).await?;
            let cancelled =
                crate::hosted::current().and_then(|host| runs::cancel_inside(&host, &installation.journal.state(), run, output));
            match cancelled {
                Some(cancelled) => cancelled,
                None => runs::cancel(&installation.project, &installation.journal.state(), run, output),
            }
        }
        RunsCommand::Retry { run } => pipeline::retry(&project(global)?, global, run, output).await,
        RunsCommand::Logs { run } => {
            let installation = writer(global).await?;
            let done = runs::logs(&installation, run, output).await;
            installation.close_after(done).await
        }
    }
}

async fn record_verified(global: &Global, verified: &crate::verification::Verified) -> Outcome {
    let installation = writer(global).await?;
    let recorded = audit::record(&installation, verified).await;
    installation.close_after(recorded).await
}

fn project(global: &Global) -> Outcome<Project> {
    Project::find(global.project.as_deref(), &global.env)
}

/// Whether a process of this machine serves this installation, and would not wait for its end.
fn served(global: &Global) -> Outcome<bool> {
    if global.wait.is_some() {
        return Ok(false);
    }
    Ok(crate::storage::backend(&project(global)?)?.call()?.is_some())
}

async fn writer(global: &Global) -> Outcome<Installation> {
    if let Some(host) = crate::hosted::current() {
        return host.installation();
    }
    Installation::open(project(global)?, global.wait).await
}

/// A reader for who may read the log.
async fn auditor(global: &Global) -> Outcome<Installation> {
    reader_who_may(global, Action::Audit).await
}

/// A reader for who may do something with the installation as a whole. A reader records nothing, so a refusal is recorded by a writer;
/// where another one holds the lease, it is a refusal all the same.
async fn reader_who_may(global: &Global, action: Action) -> Outcome<Installation> {
    let installation = reader(global).await?;
    let Err(denied) = installation.require(action).await else { return Ok(installation) };
    drop(installation);
    let recorded = async {
        let installation = writer(global).await?;
        // The refusal is what is wanted of it.
        let _ = installation.require(action).await;
        installation.close().await
    };
    if let Err(failure) = recorded.await {
        crate::print::warn("the refusal could not be recorded", &failure);
    }
    Err(denied)
}

async fn reader(global: &Global) -> Outcome<Installation> {
    // Verifying inside the process that serves reads the log anew, and not what that process believes of it.
    Installation::open_read_only(project(global)?).await
}
