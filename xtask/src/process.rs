//! Other programs: each is announced before it runs, so that a task says what it does.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A command that does not inherit cargo's own variables, which would steer a nested cargo or python.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "PYTHONHOME" || text == "PYTHONPATH" {
            command.env_remove(&name);
        }
    }
    command
}

/// One line that can be read and typed.
pub fn shown(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// Announces a command and runs it with this terminal.
pub fn announce(command: &mut Command) -> Result<()> {
    eprintln!("+ {}", shown(command));
    let status = command.status().with_context(|| format!("start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and gives what it wrote to standard output.
pub fn capture(command: &mut Command, step: &str) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{step}: start {}", shown(command)))?;
    if !output.status.success() {
        bail!("{step}: {} ended with {}: {}", shown(command), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{step}: the output is not UTF-8"))
}

/// Where a program lies on PATH.
pub fn which(program: &str) -> Option<PathBuf> {
    std::env::var_os("PATH").and_then(|path| std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file()))
}
