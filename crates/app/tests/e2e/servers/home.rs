//! The directory of one server.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// By number, since a name for it differs from system to system.
const NOBODY: u32 = 65_534;

/// A directory that goes with its server.
pub struct Home {
    root: tempfile::TempDir,
    /// Who runs the server, where that is not who runs the tests.
    user: Option<u32>,
}

impl Home {
    /// For a server that does not care who runs it.
    pub fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), user: None }
    }

    /// For a server that refuses to run as root: root runs it as nobody.
    pub fn unprivileged() -> Self {
        let user = rustix::process::geteuid().is_root().then_some(NOBODY);
        let home = Self { user, ..Self::new() };
        home.give(home.root.path());
        home
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A file that the server alone may read, as servers demand of private keys.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.give(&path);
        path
    }

    fn give(&self, path: &Path) {
        if let Some(user) = self.user {
            chown(path, Some(user), Some(user)).unwrap();
        }
    }

    /// A program as the server's user, with no settings from outside. It gets the signal when this process ends, even by `kill -9`.
    pub fn command(&self, program: &Path, signal_at_end: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", signal_at_end]);
        if let Some(user) = self.user.map(|user| user.to_string()) {
            command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
        }
        command.arg("--").arg(program).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("TZ", "UTC").env("TMPDIR", self.root.path()).current_dir(self.root.path()).stdin(Stdio::null());
        command
    }

    /// Ends every process that works in this directory. One may come to be while the others are looked for, from one that is ending.
    pub fn kill(&self) {
        loop {
            let processes = self.processes();
            if processes.is_empty() {
                return;
            }
            for process in processes {
                // It may have ended by itself.
                let _ = kill_process(Pid::from_raw(process).unwrap(), Signal::KILL);
            }
        }
    }

    /// Processes that work in this directory, or did until it was removed.
    pub fn processes(&self) -> Vec<i32> {
        processes_in(self.root.path())
    }
}

/// Processes whose working directory lies in this one. Database servers enter their data's directory, and so do all that they start.
pub fn processes_in(root: &Path) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let works_there = |process: &i32| std::fs::read_link(format!("/proc/{process}/cwd")).is_ok_and(|directory| directory.starts_with(root));
    all.filter(works_there).collect()
}
