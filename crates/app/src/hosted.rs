//! Commands that the serving process runs for others of this machine: it holds the lease, so that they could not open the installation
//! themselves. `client` hands a command over and shows what comes back; `server` runs it, as the account that the kernel names, on a thread of
//! its own, whose output goes to the caller.

pub mod client;
mod frame;
pub mod server;

use std::cell::RefCell;
use std::io::{self, Read as _, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use polder_types::{PrincipalId, Secret};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use crate::cli::{AuditCommand, Cli, Command, KeysCommand, ModelCommand, QuarantineCommand, RunsCommand, TableCommand};
use crate::failure::Outcome;
use crate::identities::Identities;
use crate::installation::Installation;
use frame::{FRAME_MAX_BYTES, Kind};

/// Longest line that is not shown.
const HIDDEN_MAX_BYTES: u64 = 4096;

thread_local! {
    static HOST: RefCell<Option<Arc<Host>>> = const { RefCell::new(None) };
}

/// A command on its way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// The program's version: both sides speak only to their like.
    version: String,
    /// The project's directory, without links.
    project: String,
    /// The environment.
    environment: String,
    /// The command line, without the program's name.
    arguments: Vec<String>,
    /// Whether a person is at the caller's terminal.
    terminal: bool,
}

/// For whom this thread runs a command.
pub struct Host {
    /// The installation of the serving process.
    installation: Arc<Installation>,
    /// Its register of accounts, which open sessions follow.
    identities: Arc<Identities>,
    /// Who called, as the kernel says.
    actor: PrincipalId,
    terminal: bool,
    stream: Mutex<UnixStream>,
    closed: AtomicBool,
}

impl Host {
    /// The installation, acting for the caller.
    ///
    /// # Errors
    /// When the project's files do not load, or speak of another store than is served.
    pub fn installation(&self) -> Outcome<Installation> {
        self.installation.acting_as(&self.actor)
    }

    /// The register of accounts that open sessions follow.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn send(&self, kind: Kind, bytes: &[u8]) -> io::Result<()> {
        let mut stream = self.stream.lock();
        let sent = bytes.chunks(FRAME_MAX_BYTES).try_for_each(|part| frame::write(&mut *stream, kind, part));
        if sent.is_err() {
            self.closed.store(true, Ordering::Relaxed);
        }
        sent.map_err(|error| io::Error::new(io::ErrorKind::BrokenPipe, error))
    }

    /// Tells how the command ended.
    fn exit(&self, code: u8) -> io::Result<()> {
        frame::write(&mut *self.stream.lock(), Kind::Exit, &[code])
    }

    /// What the caller reads from its standard input, at most so many bytes.
    fn input(&self, asked: Kind, question: &[u8], limit: u64) -> io::Result<Vec<u8>> {
        let mut stream = self.stream.lock();
        frame::write(&mut *stream, asked, question)?;
        let wrong = |text| io::Error::new(io::ErrorKind::InvalidData, text);
        let mut input = Vec::new();
        loop {
            let (kind, bytes) = frame::read(&mut *stream)?.ok_or_else(|| wrong("the caller is gone"))?;
            input.extend_from_slice(&bytes);
            if input.len() as u64 > limit {
                return Err(wrong("standard input is longer than it may be"));
            }
            match kind {
                Kind::Input => {}
                Kind::InputEnd => return Ok(input),
                _ => return Err(wrong("the caller sent something else than its input")),
            }
        }
    }
}

/// For whom this thread works; none in a process of its own.
pub fn current() -> Option<Arc<Host>> {
    HOST.with_borrow(Clone::clone)
}

/// Runs `work` on this thread for a caller.
fn with<T>(host: &Arc<Host>, work: impl FnOnce() -> T) -> T {
    HOST.set(Some(Arc::clone(host)));
    let done = work();
    HOST.set(None);
    done
}

/// Standard output: the caller's, where there is one.
pub fn output() -> Box<dyn Write + Send> {
    match current() {
        Some(host) => Box::new(Sink { host, kind: Kind::Output }),
        None => Box::new(io::stdout()),
    }
}

/// Standard error, in the same way.
pub fn notes() -> Box<dyn Write + Send> {
    match current() {
        Some(host) => Box::new(Sink { host, kind: Kind::Note }),
        None => Box::new(io::stderr()),
    }
}

struct Sink {
    host: Arc<Host>,
    kind: Kind,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.host.send(self.kind, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// All of standard input, at most so many bytes and one more, so that who takes too much sees it.
///
/// # Errors
/// When it cannot be read.
pub fn input(limit: u64) -> io::Result<Vec<u8>> {
    let limit = limit.saturating_add(1);
    match current() {
        Some(host) => host.input(Kind::ReadInput, &limit.to_be_bytes(), limit),
        None => {
            let mut input = Vec::new();
            io::stdin().take(limit).read_to_end(&mut input)?;
            Ok(input)
        }
    }
}

/// Whether a person can be asked.
pub fn is_terminal() -> bool {
    use std::io::IsTerminal as _;
    current().map_or_else(|| io::stdin().is_terminal(), |host| host.terminal)
}

/// Asks the caller's person for a line that the terminal does not show; none in a process of its own, which asks itself.
///
/// # Errors
/// When it cannot be asked.
pub fn ask_hidden(question: &str) -> Option<io::Result<Secret<String>>> {
    let host = current()?;
    let line = host.input(Kind::Hidden, question.as_bytes(), HIDDEN_MAX_BYTES);
    Some(line.and_then(|line| match String::from_utf8(line) {
        Ok(text) => Ok(Secret::new(text)),
        Err(error) => {
            let mut bytes = error.into_bytes();
            bytes.zeroize();
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
        }
    }))
}

/// Asks a person for a line.
///
/// # Errors
/// When the terminal cannot be read.
pub fn ask(question: &str) -> io::Result<String> {
    use std::io::BufRead as _;
    match current() {
        Some(host) => {
            let line = host.input(Kind::Confirm, question.as_bytes(), 1024)?;
            String::from_utf8(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        }
        None => {
            write!(io::stderr(), "{question}")?;
            let mut answer = String::new();
            io::stdin().lock().read_line(&mut answer)?;
            Ok(answer)
        }
    }
}

/// Whether the serving process takes a command: those that need the lease and no file of the caller's. What it reads of the project it reads
/// itself.
fn takes(cli: &Cli) -> bool {
    if cli.global.kill_at.is_some() || cli.global.drop_batch.is_some() {
        return false;
    }
    match &cli.command {
        Command::Run(args) => args.watch.is_none(),
        // The shell needs a terminal of its own.
        Command::Sql(args) => args.query.is_some(),
        Command::Table(command) => !matches!(command, TableCommand::Erase { keys: Some(_), .. }),
        Command::State(_) | Command::Model(_) | Command::Quarantine(_) | Command::Audit(AuditCommand::Show { .. }) => true,
        Command::User(_) | Command::Service(_) | Command::Group(_) | Command::Token(_) => true,
        Command::Runs(command) => matches!(command, RunsCommand::Logs { .. }),
        Command::Keys(command) => {
            matches!(command, KeysCommand::Show | KeysCommand::Rotate { new_key_file: None, .. } | KeysCommand::Reencrypt { .. })
        }
        _ => false,
    }
}

/// Whether a command changes tables or keys: those go one after another, as they do in processes of their own.
fn changes(cli: &Cli) -> bool {
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
        Command::Keys(command) => !matches!(command, KeysCommand::Show),
        // The register has a turn of its own.
        Command::User(_) | Command::Service(_) | Command::Group(_) | Command::Token(_) => false,
        Command::Sql(_) | Command::Audit(_) | Command::Runs(_) => false,
        _ => true,
    }
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
            "audit show",
        ] {
            assert!(takes(&parsed(line)), "{line}");
        }
        for line in [
            "init x",
            "sql",
            "run --watch 5",
            "run --kill-at x",
            "scheduler",
            "doctor",
            "status",
            "audit verify",
            "table erase x --keys f --column a",
        ] {
            if let Ok(cli) = Cli::try_parse_from(std::iter::once("polder").chain(line.split_whitespace())) {
                assert!(!takes(&cli), "{line}");
            }
        }
    }

    #[test]
    fn what_only_looks_waits_for_nobody() {
        for line in ["sql x", "table list", "model list", "quarantine list", "keys show", "audit show"] {
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
        ] {
            assert!(changes(&parsed(line)), "{line}");
        }
    }
}
