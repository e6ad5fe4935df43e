//! Runs and looks as processes of their own: one that hangs, crashes or runs out of memory takes nothing with it, and the lease is held
//! only while it lives.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::{ChildStdout, Command, ExitStatus, Stdio};

use polder_types::ErrorKind;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::sync::mpsc::UnboundedSender;

use super::daemon::Job;
use crate::failure::{Failure, Outcome};

/// Most of what a process prints that is kept, in bytes.
const OUTPUT_MAX_BYTES: u64 = 16 << 20;
/// Variables that concern the scheduler alone.
const NOT_THEIRS: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// A process that ended and what it printed; it is a zombie still, so that its number is nobody else's.
pub struct Exited {
    /// What it was for.
    pub job: Job,
    /// Its standard output, as far as it is kept.
    pub output: Vec<u8>,
}

/// A process that lives, or was not waited for yet.
pub struct Child {
    child: std::process::Child,
    pid: Pid,
}

impl Child {
    /// Begins a process; when it ends, that is told.
    ///
    /// # Errors
    /// When it cannot be begun.
    pub fn begin(program: &Path, args: &[OsString], job: Job, told: &UnboundedSender<Exited>) -> Outcome<Self> {
        let failed = |error: &io::Error| {
            let text = format!("begin a process for pipeline {}, {}", job.pipeline(), program.display());
            Failure::because(ErrorKind::Unavailable, text, error)
        };
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        for variable in NOT_THEIRS {
            command.env_remove(variable);
        }
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let pid = Pid::from_child(&child);
        let (output, told) = (child.stdout.take(), told.clone());
        let of = job.clone();
        let waiter = std::thread::Builder::new().name("child".to_owned()).spawn(move || {
            let output = output.map(read).unwrap_or_default();
            await_end(pid);
            // Nobody may be left to hear it.
            let _ = told.send(Exited { job: of, output });
        });
        if let Err(error) = waiter {
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(&error));
        }
        Ok(Self { child, pid })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end. That it has ended already is no failure: nobody else has its number.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid, signal);
    }

    /// Ends it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Takes what is left of it, once it was told that it exited.
    ///
    /// # Errors
    /// When the operating system does not know it.
    pub fn reap(mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

/// What it prints: the beginning is kept, and the rest read, so that it need not wait for anyone to read it.
fn read(mut from: ChildStdout) -> Vec<u8> {
    let mut kept = Vec::new();
    // What cannot be read is as if it had not been printed.
    let _ = (&mut from).take(OUTPUT_MAX_BYTES).read_to_end(&mut kept);
    let _ = io::copy(&mut from, &mut io::sink());
    kept
}

/// Waits until it has ended, and leaves it to be reaped.
fn await_end(pid: Pid) {
    loop {
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(rustix::io::Errno::INTR) => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    fn shell(script: &str) -> Vec<OsString> {
        ["-c", script].into_iter().map(OsString::from).collect()
    }

    #[tokio::test]
    async fn what_a_process_prints_and_how_it_ends_is_told() {
        let (told, mut exited) = unbounded_channel();
        let job = Job::Run("p".to_owned());
        let child = Child::begin(Path::new("/bin/sh"), &shell("echo said; exit 3"), job.clone(), &told).unwrap();
        let end = exited.recv().await.unwrap();
        assert_eq!((end.job, end.output.as_slice()), (job.clone(), b"said\n".as_slice()));
        assert_eq!(child.reap().unwrap().code(), Some(3));
        // It waits to be ended, and is.
        let child = Child::begin(Path::new("/bin/sh"), &shell("exec cat /dev/zero > /dev/null"), job.clone(), &told).unwrap();
        assert!(child.id() > 0);
        child.signal(Signal::INT);
        exited.recv().await.unwrap();
        child.signal(Signal::INT);
        assert_eq!(child.reap().unwrap().signal(), Some(2));
        let mut child =
            Child::begin(Path::new("/bin/sh"), &shell("trap '' INT; exec cat /dev/zero > /dev/null"), job.clone(), &told).unwrap();
        child.kill();
        exited.recv().await.unwrap();
        assert_eq!(child.reap().unwrap().signal(), Some(9));
        assert!(Child::begin(Path::new("/nowhere/at/all"), &[], job, &told).is_err());
    }

    /// One that prints more than is kept comes to its end all the same.
    #[tokio::test]
    async fn only_so_much_is_kept() {
        let (told, mut exited) = unbounded_channel();
        let script = "head -c 20000000 /dev/zero";
        let child = Child::begin(Path::new("/bin/sh"), &shell(script), Job::Check("p".to_owned()), &told).unwrap();
        let end = exited.recv().await.unwrap();
        assert_eq!((end.output.len() as u64, child.reap().unwrap().code()), (OUTPUT_MAX_BYTES, Some(0)));
    }
}
