//! Where a password comes from: a private file, standard input, or the terminal, which does not show it. Never the command line.

use std::io::{BufRead, Read, Write};
use std::path::Path;

use polder_policy::identity::Password;
use polder_types::{ErrorKind, Secret};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{LocalModes, OptionalActions, Termios};

use crate::cli::PasswordArgs;
use crate::failure::{Failure, Outcome};
use crate::hosted;

/// Most bytes that are read: no password is so long.
const BYTES_MAX: u64 = 4096;

/// Reads a new password of an account, and checks it.
///
/// # Errors
/// When it cannot be read, others may read its file, the two on the terminal differ, or it breaks a rule.
pub fn read(name: &str, from: &PasswordArgs) -> Outcome<Password> {
    let text = match &from.password_file {
        Some(path) => file(path)?,
        None if from.password_stdin => {
            let input = hosted::input(BYTES_MAX)
                .map_err(|error| Failure::because(ErrorKind::Unavailable, "read the password from standard input", &error))?;
            let input = Secret::new(input);
            whole(input.expose_secret().as_slice(), "the password from standard input")?
        }
        None => twice(name)?,
    };
    Ok(Password::new(name, text.expose_secret())?)
}

/// A file that nobody but its owner may read, as a key file.
///
/// # Errors
/// When it cannot be read, or others may read or change it.
pub(crate) fn file(path: &Path) -> Outcome<Secret<String>> {
    let shown = path.display();
    let failed = |error: std::io::Error| {
        Failure::because(ErrorKind::Unavailable, format!("read the password file {shown}; check its path and mode"), &error)
    };
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|error| failed(error.into()))?;
    let found = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
    let mode = found.st_mode & 0o7777;
    if mode & 0o077 != 0 {
        let text = format!(
            "read the password file {shown}: its mode is {mode:o}, so others may read it; make it 600 (chmod 600 {shown}), and take another password"
        );
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    if found.st_uid != rustix::process::geteuid().as_raw() && found.st_uid != 0 {
        let text = format!("read the password file {shown}: it belongs to another account, who can change it; make a file of your own");
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    whole(std::fs::File::from(file), &format!("the password file {shown}"))
}

/// All there is, without the line end.
fn whole(from: impl Read, what: &str) -> Outcome<Secret<String>> {
    let mut bytes = Vec::with_capacity(usize::try_from(BYTES_MAX).unwrap_or(4096) + 64);
    let read = from.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    let bytes = Secret::new(bytes);
    let length = read.map_err(|error| Failure::because(ErrorKind::Unavailable, format!("read {what}"), &error))?;
    if length as u64 > BYTES_MAX {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!("read {what}: it has more than {BYTES_MAX} bytes; write nothing but the password there"),
        ));
    }
    let text = std::str::from_utf8(bytes.expose_secret())
        .map_err(|_| Failure::new(ErrorKind::Invalid, format!("read {what}: it is not UTF-8; write text there")))?;
    Ok(Secret::new(text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line)).to_owned()))
}

fn twice(name: &str) -> Outcome<Secret<String>> {
    if !hosted::is_terminal() {
        let text = "read the password: standard input is no terminal to ask on; name a file with --password-file, or send it with --password-stdin";
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    let first = asked(&format!("password of {name}: "))?;
    let second = asked("the same again: ")?;
    if first.expose_secret() == second.expose_secret() {
        return Ok(first);
    }
    Err(Failure::new(ErrorKind::Invalid, "read the password: the two differ, and nothing was changed; try again"))
}

/// A line from the terminal, which does not show it.
///
/// # Errors
/// When there is none.
pub(crate) fn asked(question: &str) -> Outcome<Secret<String>> {
    if let Some(line) = hosted::ask_hidden(question) {
        return line.map_err(|error| Failure::because(ErrorKind::Unavailable, "ask for the password on the terminal", &error));
    }
    let failed = |error: std::io::Error| Failure::because(ErrorKind::Unavailable, "ask for the password on the terminal", &error);
    let quiet = Quiet::new().map_err(failed)?;
    write!(std::io::stderr(), "{}", polder_types::printable(question)).map_err(failed)?;
    let mut line = String::with_capacity(usize::try_from(BYTES_MAX).unwrap_or(4096));
    let read = std::io::stdin().lock().take(BYTES_MAX).read_line(&mut line);
    let line = Secret::new(line);
    drop(quiet);
    // The line end that was not shown.
    writeln!(std::io::stderr()).map_err(failed)?;
    read.map_err(failed)?;
    Ok(Secret::new(line.expose_secret().trim_end_matches(['\r', '\n']).to_owned()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn new() -> std::io::Result<Self> {
        let before = rustix::termios::tcgetattr(std::io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        // What was typed before the question is no answer to it.
        rustix::termios::tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Where the terminal is gone there is nobody to show anything.
        let _ = rustix::termios::tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn of(path: &Path) -> PasswordArgs {
        PasswordArgs { password_file: Some(path.to_path_buf()), password_stdin: false }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, "four words and a half\n").unwrap();
        for mode in [0o644, 0o640, 0o604, 0o620] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let failure = read("ann", &of(&path)).unwrap_err();
            assert_eq!(failure.kind(), ErrorKind::Invalid);
            assert!(failure.text().contains(&format!("{mode:o}")) && !failure.to_string().contains("words"), "{failure}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read("ann", &of(&path)).is_ok());
        assert_eq!(file(&path).unwrap().expose_secret(), "four words and a half");
    }

    #[test]
    fn what_is_no_password_is_not_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        for (text, kind) in [(vec![b'x'; 5000], ErrorKind::Invalid), (vec![0xff; 20], ErrorKind::Invalid), (Vec::new(), ErrorKind::Invalid)]
        {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert_eq!(read("ann", &of(&path)).unwrap_err().kind(), kind);
        }
        assert_eq!(read("ann", &of(&dir.path().join("none"))).unwrap_err().kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn one_line_end_is_not_part_of_it() {
        for (text, password) in [("a b\n", "a b"), ("a b\r\n", "a b"), ("a b", "a b"), ("a b\n\n", "a b\n"), ("\n", "")] {
            assert_eq!(whole(text.as_bytes(), "it").unwrap().expose_secret(), password);
        }
    }
}
