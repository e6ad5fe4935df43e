//! A program of one's own that a notice is handed to, on its standard input.

use std::io::{Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use polder_types::ErrorKind;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::Notice;
use crate::failure::{Failure, Outcome};

/// All of the environment that it has.
const KEPT: [&str; 2] = ["PATH", "LANG"];

/// Runs a program without a shell, the notice as JSON (that of a webhook) on its standard input. What it prints goes nowhere. It and all
/// it began are killed when it takes longer than `limit`, and what it left behind when it ends. It is not tried again: nobody knows what it
/// did.
///
/// # Errors
/// When it cannot be begun, takes too long or ends with another code than 0.
pub async fn run(notice: &Notice, command: &[String], limit: Duration) -> Outcome {
    let Some((program, args)) = command.split_first() else {
        return Err(Failure::new(ErrorKind::Invalid, "tell a program: `command` is empty; write [/path/of/program, argument, ...]"));
    };
    if crate::command::serve::begins_no_program() {
        let text = format!(
            "tell the program {program}: `polder serve` begins no program; tell by webhook or smtp, or let `polder scheduler` run the pipelines"
        );
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    let failed =
        |what: &str, error: &std::io::Error| Failure::because(ErrorKind::Unavailable, format!("tell the program {program}: {what}"), error);
    let input = input(notice).map_err(|error| failed("make its input", &error))?;
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.current_dir("/").process_group(0).stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| failed("begin it; check its path and mode", &error))?;
    let pid = Pid::from_child(&child);
    let mut end = tokio::task::spawn_blocking(move || ended(pid));
    let in_time = tokio::time::timeout(limit, &mut end).await.is_ok();
    // It is not waited for yet, so its number, and that of its group, is nobody else's.
    let _ = kill_process_group(pid, Signal::KILL);
    if !in_time {
        let _ = end.await;
    }
    let status = child.wait().map_err(|error| failed("wait for its end", &error))?;
    if !in_time {
        let text = format!("tell the program {program}: it did not end within {} seconds, and was killed", limit.as_secs());
        return Err(Failure::new(ErrorKind::Unavailable, text));
    }
    if status.success() {
        return Ok(());
    }
    let how = status.code().map_or_else(|| "was ended by a signal".to_owned(), |code| format!("ended with code {code}"));
    Err(Failure::new(ErrorKind::Unavailable, format!("tell the program {program}: it {how}; run it by hand to see why")))
}

/// Waits until a process ended, and leaves it to be waited for.
fn ended(pid: Pid) {
    while matches!(waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT), Err(rustix::io::Errno::INTR)) {}
}

/// A file in the memory alone: a program that does not read it holds nobody up.
fn input(notice: &Notice) -> std::io::Result<Stdio> {
    let mut file = std::fs::File::from(memfd_create("notice", MemfdFlags::CLOEXEC)?);
    file.write_all(notice.event().to_string().as_bytes())?;
    file.write_all(b"\n")?;
    file.rewind()?;
    Ok(Stdio::from(file))
}
