//! `load`: five hundred connections from a second process, of which 64 ask at a time, for as long as is wished. Each answer is held against what
//! is right for its account; at the end the server has not grown, has recorded what was asked and nothing else, and drains.

mod asker;
mod clinic;
mod growth;
mod log;
mod tally;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::serving::client::Way;
use crate::{bench, workspace};

use asker::{Asker, Ground};
use clinic::ACCOUNTS;
use growth::{Process, Sample};
use tally::Tally;

/// Where nothing else is asked for.
const SECONDS: u64 = 60;
/// What a night takes.
const SECONDS_NIGHTLY: u64 = 600;

/// Connections that are open all the time.
const CONNECTIONS: usize = 500;
/// Those who ask at a time: sixteen of each account, as many as may.
const ASKERS: usize = 64;
/// Connections of each, of which it uses one at a time.
const CONNECTIONS_EACH: usize = 7;
/// Those who come, ask once and go, and the least time between two comings of each.
const COMERS: usize = 2;
const COMES_EVERY: Duration = Duration::from_millis(500);

/// How long.
#[derive(Args)]
pub struct LoadArguments {
    /// Seconds of load, after all connections are open. A quarter of it is a warm-up.
    #[arg(long, default_value_t = SECONDS, value_parser = clap::value_parser!(u64).range(20..=86_400))]
    seconds: u64,
    /// This program, built before, in place of the release build.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

impl LoadArguments {
    /// As the night runs it.
    pub fn nightly() -> Self {
        Self { seconds: SECONDS_NIGHTLY, program: None }
    }
}

/// Builds the program and loads it.
pub fn run(arguments: &LoadArguments) -> Result<()> {
    if let Some(program) = &arguments.program {
        let program = program.canonicalize().with_context(|| format!("find {}", program.display()))?;
        return of(&program, arguments.seconds);
    }
    bench::build()?;
    built("release", arguments.seconds)
}

/// A minute, on the program that the tests' build has made.
pub fn minute() -> Result<()> {
    built("debug", SECONDS)
}

fn built(profile: &str, seconds: u64) -> Result<()> {
    let target = workspace::metadata()?.target_directory.into_std_path_buf();
    of(&target.join(profile).join("polder"), seconds)
}

fn of(program: &Path, seconds: u64) -> Result<()> {
    let root = std::env::temp_dir().join(format!("polder-load-{}", std::process::id()));
    loaded(program, &root, seconds).with_context(|| format!("load `polder serve`; what it left is in {}", root.display()))?;
    std::fs::remove_dir_all(&root).with_context(|| format!("remove {}", root.display()))
}

fn loaded(program: &Path, root: &Path, seconds: u64) -> Result<()> {
    let installation = clinic::install(program, root)?;
    let authority = installation.trusted()?;
    let served = installation.serve()?;
    let ground = Arc::new(Ground::new(Way::new(&authority, served.port())?));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the clients")?;
    let began = Instant::now();
    let (tally, samples) = runtime.block_on(asked(&ground, &Process::new(served.process()), Duration::from_secs(seconds)))?;
    println!("{}", tally.text(began.elapsed())?);
    // All that is wrong is told, not only the first of it.
    let findings = [
        tally.judge(),
        growth::judge(&samples).map(|told| println!("{told}")),
        served.stop().context("drain"),
        log::judge(&installation, tally.must()),
    ];
    let findings: Vec<String> = findings.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    if !findings.is_empty() {
        bail!("{}", findings.join("\n"));
    }
    println!("the log verifies and holds what was asked: {:?}", tally.must());
    Ok(())
}

/// Opens all connections, asks, and closes them; what came of it, and what the server held in the meantime.
async fn asked(ground: &Arc<Ground>, process: &Process, time: Duration) -> Result<(Tally, Vec<Sample>)> {
    let asker = |number: usize| {
        let account = ACCOUNTS.get(number % ACCOUNTS.len()).context("find an account")?;
        anyhow::Ok(Asker::new(Arc::clone(ground), account, u64::try_from(number)?))
    };
    let mut opening = JoinSet::new();
    for number in 0..ASKERS {
        let mut asker = asker(number)?;
        opening.spawn(async move { asker.sign_in(CONNECTIONS_EACH).await.map(|()| asker) });
    }
    let mut askers = all(opening).await?;
    // The others are silent until the end, each account's by one.
    let silent = CONNECTIONS - ASKERS * CONNECTIONS_EACH;
    let mut opening = JoinSet::new();
    for number in 0..ACCOUNTS.len() {
        let mut asker = asker(number)?;
        opening.spawn(async move { asker.sign_in(silent / ACCOUNTS.len()).await.map(|()| asker) });
    }
    let mut sitters = all(opening).await?;
    let mut tally = Tally::default();
    let open: usize = askers.iter().chain(&sitters).map(Asker::connections).sum();
    for asker in askers.iter_mut().chain(&mut sitters) {
        tally.add(std::mem::take(&mut asker.tally));
    }
    if open != CONNECTIONS {
        tally.judge()?;
        bail!("{open} of {CONNECTIONS} connections could be opened");
    }
    eprintln!("{open} connections are open; {ASKERS} ask for {} s", time.as_secs());

    let began = Instant::now();
    let end = began + time;
    let mut asking = JoinSet::new();
    for mut asker in askers {
        asking.spawn(async move {
            asker.ask_until(end).await;
            anyhow::Ok(asker)
        });
    }
    for number in 0..COMERS {
        let mut comer = asker(number)?;
        asking.spawn(async move {
            comer.come_and_go_until(end, COMES_EVERY).await?;
            Ok(comer)
        });
    }
    let samples = sampled(process, began, end).await?;
    let mut leaving = JoinSet::new();
    for mut asker in all(asking).await?.into_iter().chain(sitters) {
        leaving.spawn(async move { asker.sign_out().await.map(|()| asker) });
    }
    for asker in all(leaving).await? {
        tally.add(asker.tally);
    }
    Ok((tally, samples))
}

/// What the server holds, each second.
async fn sampled(process: &Process, began: Instant, end: Instant) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    while Instant::now() < end {
        seconds.tick().await;
        samples.push(process.sample(began.elapsed()).context("look at `polder serve`, which may have ended")?);
    }
    Ok(samples)
}

/// What all tasks come to, or the first failure.
async fn all(mut tasks: JoinSet<Result<Asker>>) -> Result<Vec<Asker>> {
    let mut done = Vec::new();
    while let Some(task) = tasks.join_next().await {
        done.push(task.context("wait for an asker")??);
    }
    Ok(done)
}
