//! The side of who types the command.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use polder_keys::approver::ApproverKey;
use polder_types::{ErrorKind, Secret};

use super::frame::{self, FRAME_MAX_BYTES, Kind};
use super::{Request, refusal, takes, told_to_end};
use crate::cli::{BreakGlassCommand, CertificateCommand, Cli, Command, GrantCommand, Output, ServiceCommand, UserCommand};
use crate::command::certificate::{self, Asking};
use crate::failure::{Failure, Outcome};
use crate::identities::{password, signing};
use crate::print::EXIT_CLOSED;
use crate::project::Project;
use crate::signals::Ends;
use crate::storage::backend;

/// How long an answer to a short question is waited for.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest answer to one, in bytes.
const ANSWER_MAX_BYTES: usize = 4 << 20;

/// Hands the command over to the process that serves this installation, and shows what comes of it: its exit code. None where no process
/// serves it, or the command is not for it; then it runs here.
///
/// # Errors
/// When the serving process is another version's, is gone before the command's end, or the command is none for it and needs the lease.
pub fn hand_over(cli: &Cli) -> Outcome<Option<u8>> {
    let refused = refusal(cli);
    if !takes(cli) && refused.is_none() {
        return Ok(None);
    }
    // What is wrong with project or store is told by the command itself.
    let Ok(project) = Project::find(cli.global.project.as_deref(), &cli.global.env) else { return Ok(None) };
    let Ok(backend) = backend(&project) else { return Ok(None) };
    let Some(stream) = backend.call()? else { return Ok(None) };
    if let Some(refused) = refused {
        return Err(refused);
    }
    let Some(arguments) = std::env::args_os().skip(1).map(|argument| argument.into_string().ok()).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    // The serving process opens no file of the caller's: what stands in it is sent.
    let password = password_file(cli).map(password::file).transpose()?;
    // Nor a key of the caller's: what is to be signed comes here.
    let key = signing_key(cli).map(|key| project.approver_key(key)).transpose()?;
    if let Some(key) = &key {
        // One that cannot be used is told before anything is asked for.
        drop(ApproverKey::open(key)?);
    }
    let arguments = if password.is_some() { from_standard_input(arguments) } else { arguments };
    // A key is made on this side, and stays here.
    let asking = asking(cli)?;
    let (arguments, input) = match (&asking, certificate_file(cli)) {
        (Some(asking), _) => (asking_by_standard_input(arguments), Some(Secret::new(asking.request.clone()))),
        (None, Some(file)) => {
            (in_place_of(arguments, "--certificate", certificate::INPUT), Some(Secret::new(certificate::read(file, "the certificate")?)))
        }
        (None, None) => (arguments, password),
    };
    let lost = |error: &io::Error| {
        let text = "hand the command to `polder serve`: it was gone before the command's end; whether the command was done, `polder audit show` tells";
        Failure::because(ErrorKind::Unavailable, text, error)
    };
    let request = request(&project, arguments)?;
    let aside = Aside { input: input.as_ref(), key: key.as_deref(), collected: None, told: told_to_end(cli) };
    let Some(asking) = asking else {
        return follow(stream, &request, aside).map(Some).map_err(|error| lost(&error));
    };
    let mut made = Vec::new();
    let code = follow(stream, &request, Aside { collected: Some(&mut made), ..aside }).map_err(|error| lost(&error))?;
    if code == 0 {
        let made = serde_json::from_slice(&made).map_err(|error| {
            Failure::because(ErrorKind::Internal, "read the certificate that `polder serve` made; report this as a defect", &error)
        })?;
        asking.keep(&made, cli.global.output.unwrap_or(Output::Table))?;
    }
    Ok(Some(code))
}

fn request(project: &Project, arguments: Vec<String>) -> Outcome<Request> {
    let dir = project.dir().canonicalize().map_err(|error| Failure::because(ErrorKind::Unavailable, "find the project", &error))?;
    Ok(Request {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        project: dir.to_string_lossy().into_owned(),
        environment: project.name().to_owned(),
        arguments,
        terminal: io::stdin().is_terminal(),
    })
}

/// From now on a signal does not end this process: it is passed on, and what goes on over there ends for it.
fn pass_on(mut to: UnixStream) {
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let Ok(mut ends) = Ends::new() else { return };
            loop {
                let told = ends.told().await;
                if frame::write(&mut to, Kind::Told, &[told.byte()]).is_err() {
                    return;
                }
            }
        });
    };
    if let Err(error) = std::thread::Builder::new().name("signals".to_owned()).spawn(work) {
        tracing::warn!(%error, "no thread to pass signals on");
    }
}

/// What the serving process answers to a short question of this program's own.
pub struct Answer {
    /// What it printed.
    pub output: Vec<u8>,
    /// What it said besides.
    pub notes: String,
    /// The exit code.
    pub code: u8,
}

/// Asks the serving process something short; none where nobody serves this installation.
///
/// # Errors
/// When it cannot be asked, or does not answer.
pub fn ask(project: &Project, words: &[&str]) -> Outcome<Option<Answer>> {
    let Ok(backend) = backend(project) else { return Ok(None) };
    let Some(stream) = backend.call()? else { return Ok(None) };
    let arguments = words.iter().map(|word| (*word).to_owned()).chain(["--env".to_owned(), project.name().to_owned()]).collect();
    let request = request(project, arguments)?;
    let failed = |error: io::Error| Failure::because(ErrorKind::Unavailable, "ask `polder serve`", &error);
    answer(stream, &request).map(Some).map_err(failed)
}

fn answer(mut stream: UnixStream, request: &Request) -> io::Result<Answer> {
    stream.set_read_timeout(Some(ANSWER))?;
    frame::write(&mut stream, Kind::Command, &serde_json::to_vec(request)?)?;
    let mut answer = Answer { output: Vec::new(), notes: String::new(), code: 1 };
    loop {
        match frame::read(&mut stream)? {
            Some((Kind::Output, bytes)) => answer.output.extend_from_slice(&bytes),
            Some((Kind::Note, bytes)) => answer.notes.push_str(&String::from_utf8_lossy(&bytes)),
            Some((Kind::Exit, bytes)) => {
                answer.code = bytes.first().copied().unwrap_or(1);
                return Ok(answer);
            }
            Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "it asked for something")),
            None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")),
        }
        if answer.output.len().max(answer.notes.len()) > ANSWER_MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its answer is too long"));
        }
    }
}

/// What a certificate is asked for with, where one is.
fn asking(cli: &Cli) -> Outcome<Option<Asking>> {
    match &cli.command {
        Command::Service(ServiceCommand::Certificate(CertificateCommand::Issue { name, out, csr, .. })) => {
            Asking::prepare(name, out.as_deref(), csr.as_deref()).map(Some)
        }
        _ => Ok(None),
    }
}

/// The file of the caller's that holds a certificate; standard input is handed over as it is.
fn certificate_file(cli: &Cli) -> Option<&Path> {
    match &cli.command {
        Command::Service(ServiceCommand::Certificate(CertificateCommand::Add { certificate, .. })) => {
            Some(certificate.as_path()).filter(|file| *file != Path::new(certificate::INPUT))
        }
        _ => None,
    }
}

/// The same command line, whose request is read from standard input and whose answer is for a program.
fn asking_by_standard_input(arguments: Vec<String>) -> Vec<String> {
    let without = ["--out", "--csr", "--output"].into_iter().fold(arguments, without);
    let more = ["--csr", certificate::INPUT, "--output", "json"].map(str::to_owned);
    without.into_iter().chain(more).collect()
}

/// The command line with another value of an option.
fn in_place_of(arguments: Vec<String>, option: &str, value: &str) -> Vec<String> {
    without(arguments, option).into_iter().chain([option.to_owned(), value.to_owned()]).collect()
}

/// The command line without an option and its value.
fn without(arguments: Vec<String>, option: &str) -> Vec<String> {
    let mut rest = arguments.into_iter();
    let mut left = Vec::new();
    while let Some(argument) = rest.next() {
        if argument == option {
            rest.next();
        } else if argument.strip_prefix(option).is_none_or(|value| !value.starts_with('=')) {
            left.push(argument);
        }
    }
    left
}

/// What this side gives and takes besides what people see.
#[derive(Default)]
struct Aside<'a> {
    /// Given in place of standard input.
    input: Option<&'a Secret<String>>,
    /// Signs what is to be signed.
    key: Option<&'a Path>,
    /// Takes what is printed.
    collected: Option<&'a mut Vec<u8>>,
    /// It ends over there when this process is told to end, or is gone.
    told: bool,
}

fn follow(mut stream: UnixStream, request: &Request, aside: Aside<'_>) -> io::Result<u8> {
    let Aside { input, key, mut collected, told } = aside;
    let command = serde_json::to_vec(request)?;
    frame::write(&mut stream, Kind::Command, &command)?;
    if told {
        pass_on(stream.try_clone()?);
    }
    let mut closed = false;
    loop {
        let Some((kind, bytes)) = frame::read(&mut stream)? else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"));
        };
        match kind {
            Kind::Output if closed => {}
            Kind::Output if collected.is_some() => {
                if let Some(collected) = collected.as_deref_mut() {
                    collected.extend_from_slice(&bytes);
                }
            }
            Kind::Output => {
                let mut out = io::stdout().lock();
                match out.write_all(&bytes).and_then(|()| out.flush()) {
                    // What it prints last is no reason to end it.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe && told => closed = true,
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(EXIT_CLOSED),
                    written => written?,
                }
            }
            Kind::Note => {
                // As everywhere: where nobody hears it, the work goes on.
                let _ = io::stderr().lock().write_all(&bytes);
            }
            Kind::ReadInput => match input {
                Some(input) => send(&mut stream, input.expose_secret().as_bytes())?,
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
            Kind::Sign => {
                let key = key.ok_or_else(|| io::Error::other("it asked for a signature that this command does not give"))?;
                let line = signing::sign(&bytes, key).map_err(|failure| io::Error::other(failure.to_string()))?;
                send(&mut stream, line.as_bytes())?;
            }
            Kind::Hidden => {
                let question = String::from_utf8_lossy(&bytes);
                let line = password::asked(&question).map_err(|failure| io::Error::other(failure.to_string()))?;
                send(&mut stream, line.expose_secret().as_bytes())?;
            }
            Kind::Exit => {
                let code = bytes.first().copied().unwrap_or(1);
                return Ok(if closed && code == 0 { EXIT_CLOSED } else { code });
            }
            Kind::Command | Kind::Input | Kind::InputEnd | Kind::Told => {
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

/// The approver's key that a command signs with: the one that it names, if it names one.
fn signing_key(cli: &Cli) -> Option<Option<&Path>> {
    match &cli.command {
        Command::Grant(GrantCommand::Approve { key, .. }) | Command::BreakGlass(BreakGlassCommand::Approve { key, .. }) => {
            Some(key.as_deref())
        }
        _ => None,
    }
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
    fn files_of_the_callers_stay_on_this_side() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let inner = words("service certificate issue reports --days 30 --csr - --output json");
        for line in [
            "service certificate issue reports --out dir --days 30",
            "--output=csv service certificate issue reports --out=dir --csr=request.pem --days 30",
            "service certificate issue reports --days 30 --csr request.pem --output json",
        ] {
            assert_eq!(asking_by_standard_input(words(line)), inner, "{line}");
        }
        let added = in_place_of(words("service certificate add reports --certificate a.pem --wire rest"), "--certificate", "-");
        assert_eq!(added, words("service certificate add reports --wire rest --certificate -"));
    }

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
