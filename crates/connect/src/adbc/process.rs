//! The process of a driver, seen from the one that started it: another copy of this program, with nothing of this one's environment,
//! which ends when nobody waits for it any more.

use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, TrySendError};
use polder_types::limit::COLUMNS_MAX;
use polder_types::{ErrorKind, Secret};
use rustix::process::{Pid, WaitId, WaitIdOptions};

use crate::adbc::frames::{self, Kind};
use crate::adbc::job::{Class, Job, Outcome, Problem, Step};
use crate::adbc::{WORKER, failed};
use crate::database::Access;
use crate::error::Error;
use crate::output::{Message, Output, Stop};

/// This program, even where another version was put in its place on the disk: the two must speak alike.
const SELF: &str = "/proc/self/exe";
/// How often is looked at whether anything came, and anybody waits.
const TICK: Duration = Duration::from_secs(1);
/// How long a driver may take to connect, in ticks.
const CONNECT_TICKS_MAX: u32 = 60;
/// How long a process may go on that closed its output.
const END_TICKS_MAX: u32 = 5;
/// The signal that a process gets that writes to a file, which none may here.
const SIGXFSZ: i32 = 25;

/// What came.
pub(super) enum Arrived {
    Tables(Vec<String>),
    Columns(Vec<String>),
    /// A piece of an Arrow stream.
    Arrow(Vec<u8>),
    Rows {
        rows: u64,
        counted: Option<u64>,
    },
}

/// A process at work.
pub(super) struct Process<'a> {
    access: &'a Access,
    watched: Arc<Watched>,
    pid: Pid,
    output: ChildStdout,
    /// Each beat says how long the next one may take. None any more once it is closed.
    beats: Option<Sender<u32>>,
    /// Whether anything came yet.
    heard: bool,
    watch: Option<JoinHandle<()>>,
}

/// What the watch shares with the reader.
struct Watched {
    child: Mutex<Child>,
    silent: AtomicBool,
    closed: AtomicBool,
}

impl Watched {
    fn kill(&self) {
        // It may have ended by itself.
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }

    fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().ok().flatten()
    }
}

impl<'a> Process<'a> {
    /// Starts a process and gives it its job. Where there is an output, it is killed when nobody reads that any more.
    ///
    /// # Errors
    /// When the system lets none be started.
    pub(super) fn start(access: &'a Access, job: &Job, out: Option<&Output>) -> Result<Self, Error> {
        let told = serde_json::to_vec(job).map(Secret::new);
        let told = told.map_err(|_| failed(access, "read the path of the driver", "it is not UTF-8", "rename it", ErrorKind::Invalid))?;
        let defect = |_| Error::Internal { step: "start the process of a driver" };
        let mut command = Command::new(SELF);
        command.arg(WORKER).env_clear().current_dir("/").process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(defect)?;
        let (input, output, pid) = (child.stdin.take(), child.stdout.take(), Pid::from_child(&child));
        let watched = Arc::new(Watched { child: Mutex::new(child), silent: AtomicBool::new(false), closed: AtomicBool::new(false) });
        let (Some(mut input), Some(output)) = (input, output) else {
            watched.kill();
            return Err(Error::Internal { step: "reach the process of a driver" });
        };
        let (beats, watch) = watch(Arc::clone(&watched), ticks(access).min(CONNECT_TICKS_MAX), out).inspect_err(|_| watched.kill())?;
        let process = Self { access, watched, pid, output, beats: Some(beats), heard: false, watch: Some(watch) };
        // A process that does not want to hear it says why, or its end does.
        let _ = input.write_all(told.expose_secret());
        Ok(process)
    }

    /// What comes next.
    ///
    /// # Errors
    /// When the driver failed, or the process ended without its last word.
    pub(super) fn next(&mut self) -> Result<Arrived, Stop> {
        loop {
            // For the first word it is waited from the start on.
            if self.heard {
                self.beat(ticks(self.access));
            }
            let Ok((kind, bytes)) = frames::read(&mut self.output) else { return Err(self.ended()) };
            self.heard = true;
            // Until the next one is asked for it cannot say more than the pipe holds: how long that takes is not its silence.
            self.beat(u32::MAX);
            return match kind {
                Kind::Connected => continue,
                Kind::Arrow => Ok(Arrived::Arrow(bytes)),
                Kind::Columns => match serde_json::from_slice::<Vec<String>>(&bytes) {
                    Ok(columns) if columns.len() <= COLUMNS_MAX => Ok(Arrived::Columns(columns)),
                    _ => Err(self.damaged().into()),
                },
                Kind::Outcome => match serde_json::from_slice(&bytes) {
                    Ok(Outcome::Tables(tables)) => Ok(Arrived::Tables(tables)),
                    Ok(Outcome::Rows { rows, counted }) => Ok(Arrived::Rows { rows, counted }),
                    Ok(Outcome::Failed { step, problem }) => Err(reported(self.access, step, &problem).into()),
                    Err(_) => Err(self.damaged().into()),
                },
            };
        }
    }

    fn beat(&self, most: u32) {
        if let Some(beats) = &self.beats {
            let _ = beats.send(most);
        }
    }

    /// What came is not what was asked for.
    pub(super) fn damaged(&self) -> Error {
        self.failed("its process answers with something that is no answer", "take another version of the driver")
    }

    pub(super) fn failed(&self, problem: &str, advice: &str) -> Error {
        failed(self.access, "read with the driver", problem, advice, ErrorKind::Rejected)
    }

    /// Why nothing more comes.
    fn ended(&self) -> Stop {
        if self.watched.closed.load(Ordering::Relaxed) {
            return Stop::Closed;
        }
        let silent = self.watched.silent.load(Ordering::Relaxed);
        if let Some(beats) = self.beats.as_ref().filter(|_| !silent) {
            let _ = beats.send(END_TICKS_MAX);
            // It is left there, so that its number stands for no other process meanwhile.
            let _ = rustix::process::waitid(WaitId::Pid(self.pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        }
        let problem = match self.watched.ended() {
            _ if silent => "it kept silent for too long".to_owned(),
            _ if self.watched.silent.load(Ordering::Relaxed) => "its process closed its output and went on".to_owned(),
            Some(status) => match status.signal() {
                Some(SIGXFSZ) => "it was ended because it wrote to a file, which a driver may not".to_owned(),
                Some(signal) => format!("its process was ended by signal {signal}"),
                None => "its process ended before it had said all".to_owned(),
            },
            None => "its process ended before it had said all".to_owned(),
        };
        let advice = match silent {
            true => "run again; where a statement takes longer before its first row, raise `timeout` in the source",
            false => "see whether the database is there and the driver fits it, and run again",
        };
        failed(self.access, "read with the driver", problem, advice, ErrorKind::Unavailable).into()
    }
}

impl Drop for Process<'_> {
    fn drop(&mut self) {
        self.beats = None;
        self.watched.kill();
        let _ = self.watched.child.lock().unwrap_or_else(PoisonError::into_inner).wait();
        if let Some(watch) = self.watch.take() {
            let _ = watch.join();
        }
    }
}

/// How long a driver may keep silent, in ticks.
fn ticks(access: &Access) -> u32 {
    u32::try_from(access.timeout.as_secs() / TICK.as_secs()).unwrap_or(u32::MAX)
}

/// Kills the process when it keeps silent for too long, or nobody reads what it sends.
fn watch(watched: Arc<Watched>, first: u32, out: Option<&Output>) -> Result<(Sender<u32>, JoinHandle<()>), Error> {
    let (beats, heard) = crossbeam_channel::unbounded::<u32>();
    let reader = out.map(|out| out.sender.clone());
    let watch = move || {
        let (mut silent, mut most) = (0u32, first);
        loop {
            match heard.recv_timeout(TICK) {
                Ok(next) => (silent, most) = (0, next),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    silent += 1;
                    // An empty message says nothing, but for whether it can be sent.
                    let closed = reader
                        .as_ref()
                        .is_some_and(|reader| matches!(reader.try_send(Message::LeftOut(Vec::new())), Err(TrySendError::Disconnected(_))));
                    if closed || silent >= most {
                        let why = if closed { &watched.closed } else { &watched.silent };
                        why.store(true, Ordering::Relaxed);
                        return watched.kill();
                    }
                }
            }
        }
    };
    let thread = std::thread::Builder::new().name("polder-watch".to_owned()).spawn(watch);
    thread.map(|thread| (beats, thread)).map_err(|_| Error::Internal { step: "start a thread" })
}

/// What a process reports, in our words.
fn reported(access: &Access, step: Step, problem: &Problem) -> Error {
    let say = |problem: &str, advice: &str, kind| failed(access, step.as_str(), problem, advice, kind);
    let (class, sqlstate, vendor_code) = match problem {
        Problem::NoDriver => {
            return say("there is no such library, or it cannot be read", "correct `driver` in the source", ErrorKind::Unavailable);
        }
        Problem::OtherDriver => {
            return say(
                "the library is another one than the source names by `driver_sha256`",
                "put the right one in its place; if the new one is meant, write what `sha256sum` prints for it",
                ErrorKind::Corrupt,
            );
        }
        Problem::NotADriver => {
            return say(
                "the library is no ADBC driver, or one that this system cannot load",
                "take the driver that was built for it",
                ErrorKind::Invalid,
            );
        }
        Problem::Confinement => {
            return say(
                "the system refuses what keeps the process apart from all others",
                "run on a Linux with memfd_create and prctl; without them no driver is loaded",
                ErrorKind::Unavailable,
            );
        }
        Problem::Arrow => return say("what the driver gives is no Arrow", "take another version of the driver", ErrorKind::Rejected),
        Problem::Driver { class, sqlstate, vendor_code } => (*class, sqlstate, *vendor_code),
    };
    let (what, advice, kind) = class_words(class);
    // Both come from the driver: they are numbers and letters, or they are not repeated.
    let mut codes = Vec::new();
    if sqlstate.len() == 5 && sqlstate.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        codes.push(format!("SQLSTATE {sqlstate}"));
    }
    if vendor_code != 0 {
        codes.push(format!("its code {vendor_code}"));
    }
    let codes = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
    say(&format!("the driver says {what}{codes}"), advice, kind)
}

/// A class of ADBC's errors, what can be done about it, and of which kind it is.
const fn class_words(class: Class) -> (&'static str, &'static str, ErrorKind) {
    const STATEMENT: &str = "see whether the query, table and columns are there, and whether the driver's dialect takes it";
    match class {
        Class::Unauthenticated => {
            ("that the account is not accepted", "correct the account and password in the URL or options", ErrorKind::Unavailable)
        }
        Class::Unauthorized => ("that the account may not do this", "grant it at the database", ErrorKind::Unavailable),
        Class::Io => {
            ("that the database cannot be reached", "see whether it runs and the URL is right, and run again", ErrorKind::Unavailable)
        }
        Class::Timeout => ("that it took too long", "run again when the database is less busy", ErrorKind::Unavailable),
        Class::Cancelled => ("that it was broken off", "run again", ErrorKind::Unavailable),
        Class::NotFound => ("that there is no such thing", STATEMENT, ErrorKind::Invalid),
        Class::InvalidArguments => ("that what it is told is wrong", STATEMENT, ErrorKind::Invalid),
        Class::NotImplemented => ("that it cannot do this", "take another driver, or another version", ErrorKind::Invalid),
        Class::InvalidState => ("that it is not ready for this", "see whether its options are complete", ErrorKind::Invalid),
        Class::InvalidData => ("that a row holds what it cannot read", "cast the column in a query of the source", ErrorKind::Rejected),
        Class::Integrity => ("that the database is damaged", "look at the database", ErrorKind::Rejected),
        Class::Internal => {
            ("that it failed within itself", "see what the database logged, or take another version", ErrorKind::Unavailable)
        }
        Class::Unknown => ("nothing but that it failed", "see what the database logged", ErrorKind::Unavailable),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn access() -> Access {
        Access {
            source: "s".to_owned(),
            source_type: crate::SourceType::Adbc,
            url: None,
            password: None,
            path: PathBuf::new(),
            ca: None,
            plain_loopback: false,
            timeout: crate::connection::database::TIMEOUT,
            driver: None,
        }
    }

    /// Who is slow to take what came, as a store that cannot keep up makes its reader, does not make the driver a silent one.
    #[test]
    fn a_driver_is_silent_only_while_it_is_waited_for() {
        let access = Access { timeout: Duration::from_secs(7), ..access() };
        let mut said = Vec::new();
        frames::write(&mut said, Kind::Connected, b"").unwrap();
        frames::write(&mut said, Kind::Arrow, b"a").unwrap();
        frames::write(&mut said, Kind::Arrow, b"b").unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&said).unwrap();
        let (output, pid) = (child.stdout.take().unwrap(), Pid::from_child(&child));
        let watched = Arc::new(Watched { child: Mutex::new(child), silent: AtomicBool::new(false), closed: AtomicBool::new(false) });
        let (beats, heard) = crossbeam_channel::unbounded();
        let mut process = Process { access: &access, watched, pid, output, beats: Some(beats), heard: false, watch: None };
        for (piece, waited) in [(b"a", vec![u32::MAX, 7, u32::MAX]), (b"b", vec![7, u32::MAX])] {
            assert!(matches!(process.next(), Ok(Arrived::Arrow(bytes)) if bytes == piece));
            assert_eq!(heard.try_iter().collect::<Vec<_>>(), waited);
        }
    }

    #[test]
    fn what_a_process_reports_is_said_in_our_words() {
        let access = access();
        let driver = |class, sqlstate: &str, vendor_code| Problem::Driver { class, sqlstate: sqlstate.to_owned(), vendor_code };
        let told: Vec<String> = [
            (Step::Load, Problem::NoDriver),
            (Step::Load, Problem::OtherDriver),
            (Step::Load, Problem::NotADriver),
            (Step::Confine, Problem::Confinement),
            (Step::Read, Problem::Arrow),
            (Step::Connect, driver(Class::Unauthenticated, "28P01", 0)),
            (Step::Prepare, driver(Class::NotFound, "42P01", 7)),
            (Step::Count, driver(Class::Io, "", -1)),
            (Step::List, driver(Class::Internal, "a row", 0)),
            (Step::Read, driver(Class::InvalidData, "", 0)),
        ]
        .iter()
        .map(|(step, problem)| {
            let error = reported(&access, *step, problem);
            format!("{:?}: {error}", error.kind())
        })
        .collect();
        assert!(!told.join("\n").contains("a row)"));
        insta::assert_snapshot!(told.join("\n"));
    }
}
