//! A program run to its end, which must come in time and within a bound of memory.

use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use wait4::Wait4;

/// No command of any case takes longer; the longest takes a tenth of it on a machine with two cores.
pub const WALL: Duration = Duration::from_secs(120);
/// No command of any case takes more memory, in bytes; the greediest takes half of it.
const PEAK_BYTES: u64 = 256 << 20;

/// What a program left.
#[derive(Debug)]
pub struct Ended {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    peak_bytes: u64,
    timed_out: bool,
}

/// Runs a command; what it prints goes through files beside `printed`, so that no pipe fills up.
pub fn run_bounded(mut command: Command, printed: &Path, wall: Duration) -> Ended {
    let paths = [printed.with_extension("out"), printed.with_extension("err")];
    let [out, err] = paths.each_ref().map(|path| File::create(path).unwrap());
    let child = command.stdout(out).stderr(err).spawn().unwrap();
    // A descriptor, unlike a number, cannot come to mean another process.
    let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
    let (ended, watched) = channel::<()>();
    let watcher = std::thread::spawn(move || {
        let late = watched.recv_timeout(wall) == Err(RecvTimeoutError::Timeout);
        if late {
            pidfd_send_signal(&handle, Signal::KILL).unwrap();
        }
        late
    });
    let used = child.wait4().unwrap();
    drop(ended);
    let timed_out = watcher.join().unwrap();
    let [out, err] = paths.map(|path| {
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(path).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    Ended { code: used.status.code(), out, err, peak_bytes: used.rusage.maxrss, timed_out }
}

impl Ended {
    /// An error when the program panicked, did not end by itself, or took too much memory.
    pub fn check(self) -> Result<Self, String> {
        let wrong = if self.timed_out {
            "it did not end in time"
        } else if self.code.is_none() {
            "a signal ended it"
        } else if self.err.contains("panicked") || self.code == Some(101) {
            "it panicked"
        } else if self.peak_bytes > PEAK_BYTES {
            "it took too much memory"
        } else {
            return Ok(self);
        };
        Err(format!("{wrong}; {self}"))
    }

    /// An error when the exit code is another.
    pub fn must_end_with(&self, code: i32) -> Result<(), String> {
        if self.code == Some(code) { Ok(()) } else { Err(format!("exit code {code} is expected; {self}")) }
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Result<serde_json::Value, String> {
        serde_json::from_str(&self.out).map_err(|error| format!("standard output is not JSON: {error}; {self}"))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peak = self.peak_bytes >> 20;
        write!(f, "ended with {:?}, at most {peak} MiB, stdout:\n{}\nstderr:\n{}", self.code, self.out.trim_end(), self.err.trim_end())
    }
}

#[test]
fn what_breaks_a_bound_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let told = |script: &str, wall| {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run_bounded(command, &dir.path().join("printed"), wall).check().map(|ended| ended.out)
    };
    assert_eq!(told("echo fine", WALL).unwrap(), "fine\n");
    assert!(told("exec tail -f /dev/null", Duration::from_millis(100)).unwrap_err().starts_with("it did not end in time"));
    assert!(told("kill -SEGV $$", WALL).unwrap_err().starts_with("a signal ended it"));
    assert!(told("echo thread main panicked >&2", WALL).unwrap_err().starts_with("it panicked"));
    assert!(told("head -c 300000000 /dev/zero | tail -c 300000000 >/dev/null", WALL).unwrap_err().starts_with("it took too much memory"));
}
