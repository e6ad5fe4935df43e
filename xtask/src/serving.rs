//! An installation that the program serves as a process of its own, for what asks it from outside: load, and what is measured of serving.

pub mod client;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::process::{capture, command};

/// What is told of a server that did not do as it should.
const TOLD_BYTES_MAX: usize = 4_000;

/// An installation in a folder of its own: the project, its root key, and what belongs to neither.
pub struct Installation {
    program: PathBuf,
    root: PathBuf,
}

impl Installation {
    /// A new one; what was in the folder is gone.
    pub fn make(program: &Path, root: &Path) -> Result<Self> {
        if root.exists() {
            std::fs::remove_dir_all(root).with_context(|| format!("remove {}", root.display()))?;
        }
        std::fs::create_dir_all(root).with_context(|| format!("create {}", root.display()))?;
        let made = Self { program: program.to_owned(), root: root.to_owned() };
        let (project, key) = (made.project().display().to_string(), made.beside("root.key").display().to_string());
        capture(command(program).args(["init", &project, "--key-file", &key]), "make an installation")?;
        Ok(made)
    }

    /// The project's folder.
    pub fn project(&self) -> PathBuf {
        self.root.join("project")
    }

    /// A file that is not the project's.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A file of the project, which is written by `write`.
    pub fn file(&self, path: &str, write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> Result<()> {
        let path = self.project().join(path);
        let step = || format!("write {}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(step)?;
        }
        let mut file = std::io::BufWriter::new(File::create(&path).with_context(step)?);
        write(&mut file).and_then(|()| file.flush()).with_context(step)
    }

    /// The same of a text.
    pub fn text(&self, path: &str, text: &str) -> Result<()> {
        self.file(path, |file| file.write_all(text.as_bytes()))
    }

    /// More keys of the environment, a line each.
    pub fn settings(&self, lines: &str) -> Result<()> {
        let path = self.project().join("polder.yaml");
        let settings = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        self.text("polder.yaml", &(settings + lines))
    }

    /// Runs the program in the project; what it prints.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        capture(command(&self.program).current_dir(self.project()).args(arguments), &format!("run `polder {}`", arguments.join(" ")))
    }

    /// The same, with what it prints in a file beside the project: it may be long.
    pub fn run_into(&self, arguments: &[&str], name: &str) -> Result<PathBuf> {
        let path = self.beside(name);
        let output = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        let mut program = command(&self.program);
        program.current_dir(self.project()).args(arguments).stdin(Stdio::null()).stdout(output);
        let status = program.status().with_context(|| format!("start {}", self.program.display()))?;
        if !status.success() {
            bail!("`polder {}` ended with {status}", arguments.join(" "));
        }
        Ok(path)
    }

    /// An account in a group, with this password.
    pub fn account(&self, name: &str, group: &str, password: &str) -> Result<()> {
        let path = self.beside(&format!("{name}.password"));
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(password.as_bytes())).with_context(|| format!("write {}", path.display()))?;
        self.run(&["user", "add", name, "--group", group, "--password-file", &path.display().to_string()]).map(|_| ())
    }

    /// The certificate of the authority that clients are to trust, and no other.
    pub fn trusted(&self) -> Result<PathBuf> {
        let path = self.beside("ca.pem");
        if !path.exists() {
            self.run(&["cert", "trust", "--out", &path.display().to_string()])?;
        }
        Ok(path)
    }

    /// Serves it, and comes back when it is ready.
    pub fn serve(&self) -> Result<Served> {
        let said = self.beside("serve.log");
        let log = File::create(&said).with_context(|| format!("create {}", said.display()))?;
        let mut program = command(&self.program);
        program.current_dir(self.project()).args(["serve", "--output", "json"]);
        let mut child = program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().context("start `polder serve`")?;
        let output = BufReader::new(child.stdout.take().context("read what `polder serve` prints")?);
        let mut served = Served { child, output, said, port: 0 };
        let mut ready = String::new();
        served.output.read_line(&mut ready).context("read what `polder serve` prints")?;
        let ready: Ready = serde_json::from_str(&ready).with_context(|| format!("`polder serve` was not ready: {}", served.told()))?;
        let port = ready.listening.postgres.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        served.port = port.with_context(|| format!("find the port in {}", ready.listening.postgres))?;
        Ok(served)
    }
}

#[derive(Deserialize)]
struct Ready {
    listening: Listening,
}

#[derive(Deserialize)]
struct Listening {
    postgres: String,
}

/// `polder serve`, running. Dropped, it is killed.
pub struct Served {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Where what it says on standard error goes.
    said: PathBuf,
    port: u16,
}

impl Served {
    /// The port of the PostgreSQL wire, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to end, as systemd does: it must drain, end with 0 and have had no defect.
    pub fn stop(mut self) -> Result<()> {
        // A program of this name is in no minimal system, and a word of every shell.
        capture(command("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]), "tell `polder serve` to end")?;
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).context("read what `polder serve` prints")?;
        let status = self.child.wait().context("wait for `polder serve`")?;
        let told = self.told();
        if status.code() != Some(0) || !rest.is_empty() || told.contains("panicked") || told.contains("ended by a defect") {
            bail!("`polder serve` ended with {status} after it was told to: {rest}{told}");
        }
        Ok(())
    }

    /// The last of what it said.
    fn told(&self) -> String {
        let said = std::fs::read(&self.said).unwrap_or_default();
        let from = said.len().saturating_sub(TOLD_BYTES_MAX);
        String::from_utf8_lossy(said.get(from..).unwrap_or_default()).trim().to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // What is not needed any more may end as it likes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
