//! `polder serve`: answers questions over the network, and runs the pipelines when they are due, until it is told to end. It is the installation's
//! writer as long as it runs: each decision is recorded before it is acted on.

pub mod certificate;
mod sandbox;
mod wiring;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use polder_serve::{Drained, Wire};
use polder_types::event::Phase;
use polder_types::{ErrorKind, EventKind};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use self::certificate::Shown;
use self::wiring::Up;
use crate::cli::{Global, Output, ServeArgs};
use crate::command::scheduler;
use crate::command::scheduler::inside::Within;
use crate::command::scheduler::readiness::Readiness;
use crate::failure::{Failure, Outcome};
use crate::hosted::inside::Inside;
use crate::hosted::server::Commands;
use crate::identities::Identities;
use crate::installation::Installation;
use crate::metrics::Metrics;
use crate::print;
use crate::project::Project;
use crate::sessions::Sessions;
use crate::settings::Serving;
use crate::signals::{Ends, Told};

/// How often it is asked whether the lease still holds: who lost it must not answer for long.
const LOOK: Duration = Duration::from_secs(10);
/// How long commands of others have to end once they are told to: longer than a step of a run is let go on.
const COMMANDS_END: Duration = Duration::from_secs(30);
/// The same when all is to end at once.
const COMMANDS_AT_ONCE: Duration = Duration::from_secs(10);
/// How often the certificate's age is looked at.
const RENEW: Duration = Duration::from_secs(3_600);

/// Takes from this process what serving does not need. To be called before it has threads.
///
/// # Errors
/// When there is no project, or nothing to serve.
pub fn confine(global: &Global) -> Outcome {
    let project = Project::find(global.project.as_deref(), &global.env)?;
    listeners(&project)?;
    sandbox::confine(&project)
}

/// Whether this process serves, and can begin no program any more.
pub fn begins_no_program() -> bool {
    sandbox::refuses_programs()
}

/// Serves until a signal ends it.
///
/// # Errors
/// When nothing is to be served, the installation, the certificate or an address cannot be had, or the lease is lost.
pub async fn run(global: &Global, args: &ServeArgs, output: Output) -> Outcome {
    let mut signals = Signals::new()?;
    let project = Project::find(global.project.as_deref(), &global.env)?;
    let serving = listeners(&project)?.clone();
    print::note(&sandbox::says());
    let schedules = !args.no_scheduler && !serving.scheduler_off;
    // As long as this one runs, no other begins what is due.
    let _alone = if schedules { Some(alone(&project)?) } else { None };
    // A process that serves has no use for what a run may take beyond that.
    let memory_mib = global.memory_mib.min(serving.limits.memory_mib);
    let runs = schedules.then(|| Global { memory_mib, ..global.clone() });
    let installation = Arc::new(Installation::open(project, global.wait).await?);
    let served = served(&installation, &serving, runs.as_ref(), output, &mut signals).await;
    match Arc::try_unwrap(installation) {
        Ok(installation) => installation.close_after(served).await,
        // An answer that was broken off is not yet gone from memory: it goes with the process.
        Err(installation) => {
            if served.is_ok() {
                installation.journal.snapshot().await?;
            }
            served
        }
    }
}

/// Nobody else begins what is due.
fn alone(project: &Project) -> Outcome<rustix::fd::OwnedFd> {
    scheduler::alone(project).map_err(|failure| match failure.kind() {
        ErrorKind::Busy => {
            let text =
                "serve: `polder scheduler` runs for this store on this host, and `polder serve` runs the pipelines itself; end it first";
            Failure::new(ErrorKind::Busy, text)
        }
        _ => failure,
    })
}

/// What is to be served.
fn listeners(project: &Project) -> Outcome<&Serving> {
    let serving = &project.environment().serving;
    if serving.listeners.is_empty() {
        let text = format!(
            "serve: environment {} has no listeners; write into polder.yaml which ways in there are, such as listeners: {{postgres: 127.0.0.1:5432, rest: 127.0.0.1:8443}}",
            project.name()
        );
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    Ok(serving)
}

/// What this process is told from outside.
struct Signals {
    ends: Ends,
    anew: Signal,
}

impl Signals {
    fn new() -> Outcome<Self> {
        let anew = signal(SignalKind::hangup()).map_err(|error| Failure::because(ErrorKind::Internal, "listen for signals", &error))?;
        Ok(Self { ends: Ends::new()?, anew })
    }
}

/// `runs`: what runs of the scheduler go by; none where it does not run here.
async fn served(
    installation: &Arc<Installation>,
    serving: &Serving,
    runs: Option<&Global>,
    output: Output,
    signals: &mut Signals,
) -> Outcome {
    let shown = certificate::shown(installation, serving).await?;
    let authorities = certificate::client_authorities(installation, serving).await?;
    let identities = Arc::new(Identities::open(installation).await?);
    let sessions = Sessions::open(Arc::clone(installation), Arc::clone(&identities), &serving.limits, serving.public_url.as_deref())?;
    sessions.settle().await?;
    let (accounts, metrics) = (sessions.accounts(), sessions.metrics());
    metrics.shows(shown.ends_ms);
    let changed = |phase, reason: &str| EventKind::ServiceChanged {
        phase,
        listeners: u32::try_from(serving.listeners.len()).unwrap_or(u32::MAX),
        reason: reason.to_owned(),
    };
    // Before anyone can come in it is known that they may.
    installation.record(changed(Phase::Intent, "started")).await?;
    let inside = Inside::new(Arc::clone(installation), Arc::clone(&identities), sessions.changes());
    let listening = async {
        let up = wiring::listen(installation, serving, &shown, &authorities, &accounts).await?;
        let commands = Commands::listen(Arc::clone(&inside))?;
        Ok((up, commands))
    };
    let (up, commands) = match listening.await {
        Ok(up) => up,
        Err(mut failure) => {
            installation.record_failure(&mut failure, changed(Phase::Aborted, "not_listening")).await;
            return Err(failure);
        }
    };
    metrics.listens(up.connections());
    metrics.leads(installation.clock.now_ms());
    let readiness = Readiness::from_environment();
    let renew_at_ms = shown.renew_at_ms;
    let (inside, metrics) = (&inside, metrics.as_ref());
    let running = JoinSet::new();
    let mut server =
        Server { installation, serving, metrics, up, running, renew_at_ms, readiness, inside, sessions: &sessions, within: None };
    drop(shown);
    let ended = server.live(runs, signals, output).await;
    let at_once = matches!(&ended, Ok(Ended { phase: Phase::Aborted, .. }));
    drop((server, accounts));
    // Whoever lost the lease records no end, and lets no command go on.
    if ended.is_ok() {
        // What goes on for long is told, as a process of its own would be.
        if at_once {
            inside.at_once_all();
        } else {
            inside.ask_all();
        }
        commands.end(if at_once { COMMANDS_AT_ONCE } else { COMMANDS_END }).await;
        sessions.close_all(if at_once { COMMANDS_AT_ONCE } else { COMMANDS_END }).await;
    }
    drop((sessions, identities));
    match ended {
        Ok(Ended { reason, phase, failure }) => {
            installation.record(changed(phase, reason)).await?;
            failure.map_or(Ok(()), Err)
        }
        // Another writes the log now, if it is that.
        Err(mut failure) => {
            if failure.kind() != ErrorKind::Busy {
                installation.record_failure(&mut failure, changed(Phase::Aborted, "failed")).await;
            }
            Err(failure)
        }
    }
}

/// Says where it listens: the real ports, and to machines all of it in one line.
fn tell(up: &Up, output: Output) -> Outcome {
    let mut listening = BTreeMap::new();
    for listener in &up.listeners {
        let (wire, address) = (listener.wire().name(), listener.local_address());
        print::note(&format!("listening: {wire} on {address}"));
        listening.insert(wire, address.to_string());
    }
    print::note("ready");
    if output == Output::Json {
        print::document(&json!({ "listening": listening, "sandbox": sandbox::state() }).to_string())?;
    }
    Ok(())
}

/// How it ended.
struct Ended {
    reason: &'static str,
    phase: Phase,
    failure: Option<Failure>,
}

struct Server<'a> {
    installation: &'a Arc<Installation>,
    serving: &'a Serving,
    metrics: &'a Metrics,
    up: Up,
    running: JoinSet<(Wire, Drained)>,
    renew_at_ms: Option<i64>,
    readiness: Readiness,
    inside: &'a Arc<Inside>,
    sessions: &'a Sessions,
    /// The scheduler, where it runs here.
    within: Option<Within>,
}

/// Waits until a scheduler has ended; for ever, where none runs.
async fn ended(within: &mut Option<Within>) {
    match within {
        Some(within) => within.ended().await,
        None => std::future::pending().await,
    }
}

impl Server<'_> {
    /// Lets people in until it is told to end, and then lets them finish.
    async fn live(&mut self, runs: Option<&Global>, signals: &mut Signals, output: Output) -> Outcome<Ended> {
        tell(&self.up, output)?;
        self.readiness.ready();
        if let Some(global) = runs {
            self.within = Some(scheduler::inside::begin(self.inside, global, self.up.limits.drain).await?);
        }
        for listener in std::mem::take(&mut self.up.listeners) {
            let wire = listener.wire();
            self.running.spawn(async move { (wire, listener.run().await) });
        }
        let mut looks = every(self.readiness.every().map_or(LOOK, |every| every.min(LOOK)));
        let mut ages = every(RENEW);
        let mut unreachable = false;
        let told = loop {
            tokio::select! {
                told = signals.ends.told() => break told,
                _ = signals.anew.recv() => self.anew("SIGHUP").await,
                _ = ages.tick() => {
                    if self.renew_at_ms.is_some_and(|at_ms| at_ms <= self.installation.clock.now_ms()) {
                        self.anew("its age").await;
                    }
                }
                _ = looks.tick() => {
                    match self.installation.still_writer().await {
                        Ok(()) => {
                            unreachable = false;
                            self.metrics.leads(self.installation.clock.now_ms());
                        }
                        Err(lost) if lost.kind() == ErrorKind::Busy => {
                            // What is answered from here on could not be recorded: everyone is sent away at once.
                            self.abandon().await;
                            return Err(lost);
                        }
                        Err(failure) => {
                            if !unreachable {
                                print::warn("whether the lease still holds cannot be asked", &failure);
                            }
                            unreachable = true;
                        }
                    }
                    self.readiness.alive("serving");
                }
                () = self.inside.certificate() => self.again().await,
                Some(_) = self.running.join_next() => {
                    self.abandon().await;
                    return Err(Failure::new(ErrorKind::Internal, "serve: a listener ended by itself; start again, and report this"));
                }
                () = ended(&mut self.within) => {
                    self.within = None;
                    self.abandon().await;
                    return Err(Failure::new(ErrorKind::Internal, "serve: the scheduler ended by itself; start again, and report this"));
                }
            }
        };
        Ok(self.drain(told, &mut signals.ends).await)
    }

    /// Lets nothing go on.
    async fn abandon(&mut self) {
        self.running.shutdown().await;
        if let Some(within) = &self.within {
            within.abandon();
        }
    }

    /// Nobody new comes in, and answers that run are given to their end, within their time.
    async fn drain(&mut self, told: Told, ends: &mut Ends) -> Ended {
        self.readiness.stopping();
        self.up.drain.begin();
        if let Some(within) = &self.within {
            within.end();
        }
        self.sessions.close_runs().await;
        let patience = self.up.limits.drain.as_secs();
        print::note(&format!("ending: answers have {patience} s; once more ends them at once"));
        let mut aborted = 0;
        let mut at_once = false;
        while !self.running.is_empty() || self.within.is_some() {
            tokio::select! {
                Some(ended) = self.running.join_next() => {
                    if let Ok((_, drained)) = ended {
                        aborted += drained.aborted;
                    }
                }
                () = ended(&mut self.within) => self.within = None,
                _ = ends.told() => {
                    at_once = true;
                    self.running.shutdown().await;
                    if let Some(within) = &self.within {
                        within.at_once();
                    }
                }
            }
        }
        let reason = match told {
            Told::Terminate => "terminated",
            Told::Interrupt => "interrupted",
        };
        if at_once {
            let exit = if told == Told::Terminate { 143 } else { 130 };
            let failure = Failure::new(ErrorKind::Unavailable, "serve: told to end twice, so that answers were broken off").exiting(exit);
            return Ended { reason: "broken_off", phase: Phase::Aborted, failure: Some(failure) };
        }
        if aborted > 0 {
            let connections = if aborted == 1 { "1 connection was".to_owned() } else { format!("{aborted} connections were") };
            print::note(&format!("{connections} broken off after {patience} s"));
        }
        Ended { reason, phase: Phase::Outcome, failure: None }
    }

    /// Shows the certificate that lies in the store now: a command has made it.
    async fn again(&mut self) {
        let again = async {
            let shown = certificate::shown(self.installation, self.serving).await?;
            let authorities = certificate::client_authorities(self.installation, self.serving).await?;
            self.up.show(&shown, &authorities)?;
            Ok::<Shown, Failure>(shown)
        };
        self.shown(again.await, "a command");
    }

    /// Shows the certificate that is there now, or a new one. Where that cannot be, what was shown is shown on.
    async fn anew(&mut self, why: &str) {
        let anew = async {
            // First: where they cannot be read, no certificate is made that nobody shows.
            let authorities = certificate::client_authorities(self.installation, self.serving).await?;
            let shown = certificate::anew(self.installation, self.serving).await?;
            self.up.show(&shown, &authorities)?;
            Ok::<Shown, Failure>(shown)
        };
        let made = anew.await;
        self.shown(made, why);
    }

    fn shown(&mut self, made: Outcome<Shown>, why: &str) {
        match made {
            Ok(shown) => {
                self.renew_at_ms = shown.renew_at_ms;
                self.metrics.shows(shown.ends_ms);
                print::note(&format!("another certificate is shown from now on, for {why}: {}", shown.fingerprint));
            }
            Err(failure) => print::warn("the certificate stays as it is", &failure),
        }
    }
}

fn every(time: Duration) -> tokio::time::Interval {
    let mut every = tokio::time::interval(time);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    every
}
