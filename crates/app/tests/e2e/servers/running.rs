//! A running program, from its first word to its last.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Servers take less than a second. This is for a machine that does much else.
const READY_MS_MAX: u64 = 120_000;

/// A server that has said that it is ready. Dropped, it gets its signal, and all of it has ended before that returns.
pub struct Running {
    process: OwnedFd,
    at_drop: Signal,
    /// Ends when nobody holds the server's standard error any more: neither the server nor a process that it started.
    keeper: Option<JoinHandle<()>>,
}

enum Said<T> {
    Started(OwnedFd),
    Ready(T),
}

impl Running {
    /// Starts a server and waits for the line on its standard error that says that it is ready; what that line tells is returned.
    pub fn start<T: Send + 'static>(command: Command, at_drop: Signal, ready: impl Fn(&str) -> Option<T> + Send + 'static) -> (Self, T) {
        let shown = format!("{command:?}");
        let (says, heard) = channel();
        // The kernel takes the end of this thread, not of the process, for the parent's: it has to last as long as the server.
        let keeper = std::thread::spawn(move || keep(command, &says, &ready));
        let Ok(Said::Started(process)) = heard.recv() else { panic!("{shown} does not start; run the tests through `cargo xtask test`") };
        let running = Self { process, at_drop, keeper: Some(keeper) };
        match heard.recv_timeout(Duration::from_millis(READY_MS_MAX)) {
            Ok(Said::Ready(told)) => (running, told),
            _ => panic!("{shown} did not get ready; what it said stands above"),
        }
    }

    pub fn signal(&self, signal: Signal) {
        // It may have ended by itself.
        let _ = pidfd_send_signal(&self.process, signal);
    }

    /// Sends a signal, and returns when all of the server has ended.
    pub fn end(mut self, signal: Signal) {
        self.at_drop = signal;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(self.at_drop);
        let _ = self.keeper.take().map(JoinHandle::join);
    }
}

fn keep<T>(mut command: Command, says: &Sender<Said<T>>, ready: &impl Fn(&str) -> Option<T>) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = says.send(Said::Started(pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap()));
    for line in BufReader::new(child.stderr.take().unwrap()).split(b'\n') {
        let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
        // Seen where a test fails.
        eprintln!("{line}");
        if let Some(told) = ready(&line) {
            let _ = says.send(Said::Ready(told));
        }
    }
    child.wait().unwrap();
}

/// Standard output of a program that ended well.
#[track_caller]
pub fn finished(command: &mut Command) -> String {
    fed(command, "")
}

/// The same of a program that reads this.
#[track_caller]
pub fn fed(command: &mut Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // What refuses its input says so on standard error.
        scope.spawn(move || stdin.write_all(input.as_bytes()));
        child.wait_with_output().unwrap()
    });
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}: {out}{err}", output.status);
    out
}

/// A program of a server, where Debian puts it: off PATH.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> =
        versions.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))).collect();
    versions.sort();
    let path: Vec<PathBuf> = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    // The newest PostgreSQL first: Debian's `psql` on PATH is a script that chooses among servers which are none of ours.
    let folders = versions.into_iter().rev().map(|(_, folder)| folder).chain(path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing; run the tests through `cargo xtask test`, which installs it"))
}
