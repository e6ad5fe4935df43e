//! Commands that the serving process runs for others of this machine: it holds the lease, so that they could not open the installation
//! themselves. `client` hands a command over and shows what comes back; `server` runs it, as the account that the kernel names, on a thread of
//! its own, whose output goes to the caller.

pub mod client;
mod frame;
pub mod inside;
pub mod server;
mod takes;

use std::cell::RefCell;
use std::io::{self, Read as _, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use polder_types::{PrincipalId, RunId, Secret};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use crate::failure::Outcome;
use crate::identities::Identities;
use crate::installation::Installation;
use crate::signals::{Ends, StopHandle};
use frame::{FRAME_MAX_BYTES, Kind};
use inside::{Inside, Turn};
use takes::{changes, refusal, takes, told_to_end};

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

/// For whom this thread runs a command, or that it is at a run of the scheduler.
pub struct Host {
    /// All that goes on inside.
    inside: Arc<Inside>,
    /// Who called, as the kernel says; the account that serves, where nobody did.
    actor: PrincipalId,
    /// None: a run of the scheduler.
    caller: Option<Arc<Caller>>,
    /// Ends it.
    stop: StopHandle,
}

/// Who waits for what a command prints.
struct Caller {
    terminal: bool,
    stream: Mutex<UnixStream>,
    closed: AtomicBool,
}

/// A run that goes on here, as long as this lives.
pub struct AtRun {
    inside: Arc<Inside>,
    run: RunId,
}

impl Drop for AtRun {
    fn drop(&mut self) {
        self.inside.ended(self.run);
    }
}

impl Host {
    /// The installation, acting for the caller.
    ///
    /// # Errors
    /// When the project's files do not load, or speak of another store than is served.
    pub fn installation(&self) -> Outcome<Installation> {
        self.inside.installation.acting_as(&self.actor)
    }

    /// The register of accounts that open sessions follow.
    pub fn identities(&self) -> &Identities {
        &self.inside.identities
    }

    /// All that goes on in this process.
    pub fn inside(&self) -> &Inside {
        &self.inside
    }

    /// Waits for the turn to change tables, so many seconds where that is said.
    ///
    /// # Errors
    /// As [`Inside::turn`].
    pub async fn turn(&self, wait_s: Option<u64>) -> Outcome<Turn> {
        self.inside.turn(wait_s).await
    }

    /// What ends it.
    pub fn ends(&self) -> Ends {
        self.stop.ends()
    }

    /// It is at a run now, by which it can be cancelled.
    pub fn at(&self, run: RunId) -> AtRun {
        self.inside.at(run, self.stop.clone());
        AtRun { inside: Arc::clone(&self.inside), run }
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.closed.load(Ordering::Relaxed))
    }
}

impl Caller {
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

/// This thread's caller; none in a process of its own, and at a run of the scheduler.
fn called() -> Option<Arc<Caller>> {
    current()?.caller.clone()
}

/// Who is asked in the place of this process's own terminal; none in a process of its own.
fn asked() -> Option<io::Result<Arc<Caller>>> {
    let nobody = || io::Error::new(io::ErrorKind::Unsupported, "nobody called, so that nobody can be asked");
    current().map(|host| host.caller.clone().ok_or_else(nobody))
}

/// Runs `work` on this thread for a caller.
fn with<T>(host: &Arc<Host>, work: impl FnOnce() -> T) -> T {
    HOST.set(Some(Arc::clone(host)));
    let done = work();
    HOST.set(None);
    done
}

/// Standard output: the caller's, where there is one. What a run of the scheduler prints goes where the server's own words go: its standard
/// output is for who started it.
pub fn output() -> Box<dyn Write + Send> {
    match called() {
        Some(caller) => Box::new(Sink { caller, kind: Kind::Output }),
        None if current().is_some() => Box::new(io::stderr()),
        None => Box::new(io::stdout()),
    }
}

/// Standard error, in the same way.
pub fn notes() -> Box<dyn Write + Send> {
    match called() {
        Some(caller) => Box::new(Sink { caller, kind: Kind::Note }),
        None => Box::new(io::stderr()),
    }
}

struct Sink {
    caller: Arc<Caller>,
    kind: Kind,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.caller.send(self.kind, bytes)?;
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
    match asked() {
        Some(asked) => asked?.input(Kind::ReadInput, &limit.to_be_bytes(), limit),
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
    current().map_or_else(|| io::stdin().is_terminal(), |host| host.caller.as_ref().is_some_and(|caller| caller.terminal))
}

/// Asks the caller's person for a line that the terminal does not show; none in a process of its own, which asks itself.
///
/// # Errors
/// When it cannot be asked.
pub fn ask_hidden(question: &str) -> Option<io::Result<Secret<String>>> {
    let line = asked()?.and_then(|asked| asked.input(Kind::Hidden, question.as_bytes(), HIDDEN_MAX_BYTES));
    Some(line.and_then(|line| match String::from_utf8(line) {
        Ok(text) => Ok(Secret::new(text)),
        Err(error) => {
            let mut bytes = error.into_bytes();
            bytes.zeroize();
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
        }
    }))
}

/// Has the caller sign a request with its approver's key; none in a process of its own, which signs itself.
///
/// # Errors
/// When no signature comes.
pub fn sign(request: &[u8]) -> Option<io::Result<String>> {
    let line = asked()?.and_then(|asked| asked.input(Kind::Sign, request, HIDDEN_MAX_BYTES));
    Some(line.and_then(|line| String::from_utf8(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))))
}

/// Asks a person for a line.
///
/// # Errors
/// When the terminal cannot be read.
pub fn ask(question: &str) -> io::Result<String> {
    use std::io::BufRead as _;
    match asked() {
        Some(asked) => {
            let line = asked?.input(Kind::Confirm, question.as_bytes(), 1024)?;
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
