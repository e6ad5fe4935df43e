//! The side of the process that serves.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use polder_types::{ErrorKind, PrincipalId};
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::frame::{self, Kind};
use super::inside::{Inside, STACK_BYTES};
use super::{Caller, Host, Request, changes, takes, told_to_end, with};
use crate::account;
use crate::cli::{Cli, Output};
use crate::failure::{Failure, Outcome};
use crate::print;
use crate::signals::{StopHandle, Told};

/// Commands at a time; others wait.
const COMMANDS_MAX: usize = 64;
/// A caller that says nothing is let go.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before it is tried again where no connection can be taken.
const PAUSE: Duration = Duration::from_millis(100);
/// Takes commands of other processes of this machine.
pub struct Commands {
    service: Arc<Service>,
    taking: JoinHandle<()>,
}

struct Service {
    inside: Arc<Inside>,
    room: Arc<Semaphore>,
}

impl Commands {
    /// Takes commands from now on, for an installation that this process has open as its writer. `turn` is that of all who change something.
    ///
    /// # Errors
    /// When it cannot be listened.
    pub fn listen(inside: Arc<Inside>) -> Outcome<Self> {
        let failed = |error: &std::io::Error| Failure::because(ErrorKind::Unavailable, "take commands on the store's socket", error);
        let listener = inside.installation.store.backend().listen()?;
        listener.set_nonblocking(true).map_err(|error| failed(&error))?;
        let listener = UnixListener::from_std(listener).map_err(|error| failed(&error))?;
        let service = Arc::new(Service { inside, room: Arc::new(Semaphore::new(COMMANDS_MAX)) });
        let taking = tokio::spawn(Arc::clone(&service).take(listener));
        Ok(Self { service, taking })
    }

    /// Takes no command any more, and waits for those that go on, for a while: what is left then goes with this process.
    pub async fn end(self, patience: Duration) {
        self.taking.abort();
        if let Err(error) = self.service.inside.installation.store.backend().unlisten() {
            print::warn("the socket for commands is still there; the next `polder serve` replaces it", &error.into());
        }
        let all = u32::try_from(COMMANDS_MAX).unwrap_or(u32::MAX);
        // It is closed by nobody.
        if tokio::time::timeout(patience, self.service.room.acquire_many(all)).await.is_err() {
            print::note("commands of others do not end; they are broken off, and whoever writes next settles what they left");
        }
    }
}

impl Service {
    async fn take(self: Arc<Self>, listener: UnixListener) {
        while let Ok(room) = Arc::clone(&self.room).acquire_owned().await {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "no command is taken for a moment");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Ok(credentials) = stream.peer_cred() else { continue };
            let (Ok(actor), Ok(stream)) = (account::of(credentials.uid()), stream.into_std()) else { continue };
            Arc::clone(&self).begin(stream, actor, room);
        }
    }

    /// A thread of its own: what a command prints it prints there, and a slow reader holds up nobody else.
    fn begin(self: Arc<Self>, stream: UnixStream, actor: PrincipalId, room: OwnedSemaphorePermit) {
        let runtime = Handle::current();
        let work = move || {
            let _room = room;
            if let Err(error) = self.command(stream, actor, &runtime) {
                tracing::debug!(%error, "a caller of a command is gone");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("command".to_owned()).stack_size(STACK_BYTES).spawn(work) {
            tracing::warn!(%error, "no thread for a command");
        }
    }

    fn command(&self, mut stream: UnixStream, actor: PrincipalId, runtime: &Handle) -> std::io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let request = match frame::read(&mut stream)? {
            Some((Kind::Command, bytes)) => serde_json::from_slice::<Request>(&bytes)?,
            _ => return Ok(()),
        };
        // From here on a person may be asked.
        stream.set_read_timeout(None)?;
        let stop = StopHandle::default();
        let _going = self.inside.goes_on(stop.clone());
        let heard = stream.try_clone()?;
        let caller = Arc::new(Caller { terminal: request.terminal, stream: parking_lot::Mutex::new(stream), closed: false.into() });
        let host = Arc::new(Host { inside: Arc::clone(&self.inside), actor, caller: Some(Arc::clone(&caller)), stop: stop.clone() });
        let code = with(&host, || {
            let parsed = parse(&request, &host);
            let json = parsed.as_ref().is_ok_and(|cli| cli.global.output == Some(Output::Json));
            let outcome = parsed.and_then(|cli| {
                if told_to_end(&cli) {
                    hear(heard, stop);
                }
                runtime.block_on(async {
                    let _turn = if changes(&cli) { Some(self.inside.turn(cli.global.wait).await?) } else { None };
                    crate::command::run(cli).await
                })
            });
            crate::code_of(outcome, json)
        });
        let exited = caller.exit(code);
        // Nothing more is heard of it; what was written it still reads.
        let _ = caller.stream.lock().shutdown(Shutdown::Both);
        exited
    }
}

/// Listens whether the caller is told to end, or is gone. Such a command asks its caller for nothing.
fn hear(mut from: UnixStream, stop: StopHandle) {
    let work = move || {
        loop {
            match frame::read(&mut from) {
                Ok(Some((Kind::Told, bytes))) => {
                    if let Some(told) = bytes.first().copied().and_then(Told::of_byte) {
                        stop.ask(told);
                    }
                }
                // It is gone, or speaks otherwise than it may.
                _ => break stop.ask(Told::Terminate),
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("caller".to_owned()).spawn(work) {
        tracing::warn!(%error, "no thread to listen to a caller");
    }
}

fn parse(request: &Request, host: &Host) -> Outcome<Cli> {
    let invalid = |text: String| Failure::new(ErrorKind::Invalid, text);
    let here = env!("CARGO_PKG_VERSION");
    if request.version != here {
        return Err(invalid(format!(
            "run the command: `polder serve` is of version {here}, and this program of another; take the same for both"
        )));
    }
    let project = &host.inside.installation.project;
    let dir = project.dir().canonicalize().map_err(|error| Failure::because(ErrorKind::Unavailable, "find the project", &error))?;
    if Path::new(&request.project) != dir || request.environment != project.name() {
        let text = format!(
            "run the command: `polder serve` has this store open for environment {} of the project in {}; work there, or end it first",
            project.name(),
            dir.display()
        );
        return Err(Failure::new(ErrorKind::Busy, text));
    }
    let arguments = std::iter::once("polder".to_owned()).chain(request.arguments.iter().cloned());
    let mut cli = Cli::try_parse_from(arguments).map_err(|error| invalid(error.to_string()))?;
    if !takes(&cli) {
        return Err(invalid("run the command: it is none that `polder serve` takes from others".to_owned()));
    }
    cli.global.project = Some(dir);
    cli.global.memory_mib = bounded(cli.global.memory_mib, project.environment().serving.limits.memory_mib);
    Ok(cli)
}

/// The memory that a command may take: of this process, whose limit is its own.
fn bounded(asked_mib: u64, most_mib: u64) -> u64 {
    if asked_mib > most_mib && asked_mib != crate::cli::MEMORY_MIB {
        print::note(&format!(
            "note: {most_mib} MiB of memory are taken, and not {asked_mib}: `limits` of polder.yaml let this command have no more"
        ));
    }
    asked_mib.min(most_mib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_takes_no_more_memory_than_the_server_has_for_it() {
        for (asked, most, taken) in [(4096, 64, 64), (32, 64, 32), (crate::cli::MEMORY_MIB, 64, 64), (crate::cli::MEMORY_MIB, 2048, 1024)] {
            assert_eq!(bounded(asked, most), taken, "{asked} of {most}");
        }
    }
}
