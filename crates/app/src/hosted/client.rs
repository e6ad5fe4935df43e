//! The side of who types the command.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use polder_types::{ErrorKind, Secret};

use super::frame::{self, FRAME_MAX_BYTES, Kind};
use super::{Request, takes};
use crate::cli::{Cli, Command, UserCommand};
use crate::failure::{Failure, Outcome};
use crate::identities::password;
use crate::print::EXIT_CLOSED;
use crate::project::Project;
use crate::storage::backend;

/// Hands the command over to the process that serves this installation, and shows what comes of it: its exit code. None where no process
/// serves it, or the command is not for it; then it runs here.
///
/// # Errors
/// When the serving process is another version's, or is gone before the command's end.
pub fn hand_over(cli: &Cli) -> Outcome<Option<u8>> {
    if !takes(cli) {
        return Ok(None);
    }
    // What is wrong with project or store is told by the command itself.
    let Ok(project) = Project::find(cli.global.project.as_deref(), &cli.global.env) else { return Ok(None) };
    let Ok(backend) = backend(&project) else { return Ok(None) };
    let Some(stream) = backend.call()? else { return Ok(None) };
    let Some(arguments) = std::env::args_os().skip(1).map(|argument| argument.into_string().ok()).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    // The serving process opens no file of the caller's: what stands in it is sent.
    let password = password_file(cli).map(password::file).transpose()?;
    let arguments = if password.is_some() { from_standard_input(arguments) } else { arguments };
    let lost = |error: &io::Error| {
        let text = "hand the command to `polder serve`: it was gone before the command's end; whether the command was done, `polder audit show` tells";
        Failure::because(ErrorKind::Unavailable, text, error)
    };
    let dir = project.dir().canonicalize().map_err(|error| Failure::because(ErrorKind::Unavailable, "find the project", &error))?;
    let request = Request {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        project: dir.to_string_lossy().into_owned(),
        environment: project.name().to_owned(),
        arguments,
        terminal: io::stdin().is_terminal(),
    };
    follow(stream, &request, password.as_ref()).map(Some).map_err(|error| lost(&error))
}

fn follow(mut stream: UnixStream, request: &Request, password: Option<&Secret<String>>) -> io::Result<u8> {
    let command = serde_json::to_vec(request)?;
    frame::write(&mut stream, Kind::Command, &command)?;
    loop {
        let Some((kind, bytes)) = frame::read(&mut stream)? else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"));
        };
        match kind {
            Kind::Output => {
                let mut out = io::stdout().lock();
                match out.write_all(&bytes).and_then(|()| out.flush()) {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(EXIT_CLOSED),
                    written => written?,
                }
            }
            Kind::Note => {
                // As everywhere: where nobody hears it, the work goes on.
                let _ = io::stderr().lock().write_all(&bytes);
            }
            Kind::ReadInput => match password {
                Some(password) => send(&mut stream, password.expose_secret().as_bytes())?,
                None => {
                    let limit = bytes.try_into().map(u64::from_be_bytes).unwrap_or(0);
                    let mut input = Secret::new(Vec::new());
                    read(limit, &mut input)?;
                    send(&mut stream, input.expose_secret())?;
                }
            },
            Kind::Confirm => {
                io::stderr().lock().write_all(&bytes)?;
                let mut line = String::new();
                io::stdin().lock().read_line(&mut line)?;
                send(&mut stream, line.as_bytes())?;
            }
            Kind::Hidden => {
                let question = String::from_utf8_lossy(&bytes);
                let line = password::asked(&question).map_err(|failure| io::Error::other(failure.to_string()))?;
                send(&mut stream, line.expose_secret().as_bytes())?;
            }
            Kind::Exit => return Ok(bytes.first().copied().unwrap_or(1)),
            Kind::Command | Kind::Input | Kind::InputEnd => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it answered with what only a caller sends"));
            }
        }
    }
}

fn read(limit: u64, input: &mut Secret<Vec<u8>>) -> io::Result<()> {
    let mut bytes = Vec::new();
    io::stdin().take(limit).read_to_end(&mut bytes)?;
    *input = Secret::new(bytes);
    Ok(())
}

/// The file that a password comes from.
fn password_file(cli: &Cli) -> Option<&Path> {
    match &cli.command {
        Command::User(UserCommand::Add { password, .. } | UserCommand::Password { password, .. }) => password.password_file.as_deref(),
        _ => None,
    }
}

/// The same command line with standard input in the place of the file.
fn from_standard_input(arguments: Vec<String>) -> Vec<String> {
    const FILE: &str = "--password-file";
    let mut rest = arguments.into_iter();
    let mut changed = Vec::new();
    while let Some(argument) = rest.next() {
        if argument == FILE {
            rest.next();
        }
        let names_file = argument == FILE || argument.strip_prefix(FILE).is_some_and(|rest| rest.starts_with('='));
        changed.push(if names_file { "--password-stdin".to_owned() } else { argument });
    }
    changed
}

fn send(stream: &mut UnixStream, input: &[u8]) -> io::Result<()> {
    for part in input.chunks(FRAME_MAX_BYTES) {
        frame::write(stream, Kind::Input, part)?;
    }
    frame::write(stream, Kind::InputEnd, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_becomes_standard_input() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for line in ["user add ann --password-file p --group g", "user add ann --password-file=p --group g"] {
            assert_eq!(from_standard_input(words(line)), words("user add ann --password-stdin --group g"));
        }
        let other = words("user add ann --group g");
        assert_eq!(from_standard_input(other.clone()), other);
    }
}
