//! `polder serve`: answers questions over the network until it is told to end. It is the installation's writer as long as it runs: each
//! decision is recorded before it is acted on.

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
use crate::cli::{Global, Output};
use crate::command::scheduler::readiness::Readiness;
use crate::failure::{Failure, Outcome};
use crate::hosted::server::Commands;
use crate::identities::Identities;
use crate::installation::Installation;
use crate::print;
use crate::project::Project;
use crate::sessions::Sessions;
use crate::settings::Serving;
use crate::signals::{Ends, Told};

/// How often it is asked whether the lease still holds: who lost it must not answer for long.
const LOOK: Duration = Duration::from_secs(10);
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

/// Serves until a signal ends it.
///
/// # Errors
/// When nothing is to be served, the installation, the certificate or an address cannot be had, or the lease is lost.
pub async fn run(global: &Global, output: Output) -> Outcome {
    let mut signals = Signals::new()?;
    let project = Project::find(global.project.as_deref(), &global.env)?;
    let serving = listeners(&project)?.clone();
    print::note(&sandbox::says());
    let installation = Arc::new(Installation::open(project, global.wait).await?);
    let served = served(&installation, &serving, output, &mut signals).await;
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

async fn served(installation: &Arc<Installation>, serving: &Serving, output: Output, signals: &mut Signals) -> Outcome {
    let shown = certificate::shown(installation, serving).await?;
    let identities = Arc::new(Identities::open(installation).await?);
    let sessions = Sessions::open(Arc::clone(installation), Arc::clone(&identities), &serving.limits)?;
    let accounts = sessions.accounts();
    let changed = |phase, reason: &str| EventKind::ServiceChanged {
        phase,
        listeners: u32::try_from(serving.listeners.len()).unwrap_or(u32::MAX),
        reason: reason.to_owned(),
    };
    // Before anyone can come in it is known that they may.
    installation.record(changed(Phase::Intent, "started")).await?;
    let listening = async {
        let up = wiring::listen(installation, serving, &shown, &accounts).await?;
        Ok((up, Commands::listen(Arc::clone(installation), Arc::clone(&identities))?))
    };
    let (up, commands) = match listening.await {
        Ok(up) => up,
        Err(mut failure) => {
            installation.record_failure(&mut failure, changed(Phase::Aborted, "not_listening")).await;
            return Err(failure);
        }
    };
    let readiness = Readiness::from_environment();
    let mut server = Server { installation, serving, up, running: JoinSet::new(), renew_at_ms: shown.renew_at_ms, readiness };
    drop(shown);
    let ended = server.live(signals, output).await;
    drop((server, accounts));
    // Whoever lost the lease records no end, and lets no command go on.
    if ended.is_ok() {
        commands.end().await;
        sessions.close_all().await;
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
    up: Up,
    running: JoinSet<(Wire, Drained)>,
    renew_at_ms: Option<i64>,
    readiness: Readiness,
}

impl Server<'_> {
    /// Lets people in until it is told to end, and then lets them finish.
    async fn live(&mut self, signals: &mut Signals, output: Output) -> Outcome<Ended> {
        tell(&self.up, output)?;
        self.readiness.ready();
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
                        Ok(()) => unreachable = false,
                        Err(lost) if lost.kind() == ErrorKind::Busy => {
                            // What is answered from here on could not be recorded: everyone is sent away at once.
                            self.running.shutdown().await;
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
                Some(_) = self.running.join_next() => {
                    self.running.shutdown().await;
                    return Err(Failure::new(ErrorKind::Internal, "serve: a listener ended by itself; start again, and report this"));
                }
            }
        };
        Ok(self.drain(told, &mut signals.ends).await)
    }

    /// Nobody new comes in, and answers that run are given to their end, within their time.
    async fn drain(&mut self, told: Told, ends: &mut Ends) -> Ended {
        self.readiness.stopping();
        self.up.drain.begin();
        let patience = self.up.limits.drain.as_secs();
        print::note(&format!("ending: answers have {patience} s; once more ends them at once"));
        let mut aborted = 0;
        let mut at_once = false;
        while !self.running.is_empty() {
            tokio::select! {
                ended = self.running.join_next() => match ended {
                    Some(Ok((_, drained))) => aborted += drained.aborted,
                    Some(Err(_)) => {}
                    None => break,
                },
                _ = ends.told() => {
                    at_once = true;
                    self.running.shutdown().await;
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

    /// Shows the certificate that is there now, or a new one. Where that cannot be, what was shown is shown on.
    async fn anew(&mut self, why: &str) {
        let anew = async {
            let shown = certificate::anew(self.installation, self.serving).await?;
            self.up.show(&shown)?;
            Ok::<Shown, Failure>(shown)
        };
        match anew.await {
            Ok(shown) => {
                self.renew_at_ms = shown.renew_at_ms;
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
