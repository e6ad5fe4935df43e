//! Secrets come by reference only: `env:NAME`, `file:PATH` or `credential:NAME`. A secret written out where a reference belongs is
//! refused. Nothing is kept: each use reads anew, so that a process of long life sees what was changed.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use polder_types::{ErrorKind, Secret};
use rustix::fs::{Mode, OFlags};

use crate::failure::{Failure, Outcome};
use crate::project::Project;

/// What a reference begins with.
pub const PREFIXES: [&str; 3] = ["env:", "file:", "credential:"];
/// What to do about something else.
pub const ADVICE: &str =
    "write env:NAME, file:PATH or credential:NAME, and the secret there; one that was in a file of the project is known to all who read it";
/// The variable in which systemd names the directory of a unit's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// The longest secret, in bytes: a file that is named by mistake is not read into the memory.
const MAX_BYTES: u64 = 64 << 10;

/// Whether a text names a secret. One that does not may be the secret, so nobody repeats it.
pub fn is_reference(text: &str) -> bool {
    PREFIXES.iter().any(|begin| text.strip_prefix(begin).is_some_and(|name| !name.is_empty()))
}

/// Reads the secret that a reference names, as it is now. Line ends at its end are not part of it. A file's path is relative to `base`.
///
/// # Errors
/// When the text is no reference, or what it names is missing, empty, not UTF-8 or longer than 64 KiB. The text itself is not repeated:
/// it may be the secret.
pub fn resolve(reference: &str, base: &Path) -> Outcome<Secret<String>> {
    if !is_reference(reference) {
        return Err(Failure::new(ErrorKind::Invalid, format!("read a secret: {ADVICE}")));
    }
    let value = if let Some(name) = reference.strip_prefix("env:") {
        std::env::var(name).map(Secret::new).map_err(|_| {
            Failure::new(ErrorKind::Unavailable, format!("read the secret from the environment variable {name}; set it to a text of UTF-8"))
        })?
    } else if let Some(path) = reference.strip_prefix("file:") {
        read(&base.join(path))?
    } else {
        let name = reference.strip_prefix("credential:").unwrap_or_default();
        read(&credential(name, std::env::var_os(CREDENTIALS).map(PathBuf::from))?)?
    };
    let secret = Secret::new(value.expose_secret().trim_end_matches(['\r', '\n']).to_owned());
    if secret.expose_secret().is_empty() {
        return Err(Failure::new(ErrorKind::Unavailable, "read a secret: what the reference names is empty; fill it"));
    }
    Ok(secret)
}

impl polder_connect::Secrets for Project {
    fn secret(&self, reference: &str) -> Result<Secret<String>, polder_connect::Error> {
        resolve(reference, self.dir())
            .map_err(|failure| polder_connect::Error::Elsewhere { kind: failure.kind(), text: failure.to_string() })
    }
}

/// The file of a credential.
fn credential(name: &str, directory: Option<PathBuf>) -> Outcome<PathBuf> {
    let mut parts = Path::new(name).components();
    let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) && !name.contains('/') && !name.contains("..");
    if !plain {
        let text = "read a credential: its name holds `/` or `..`; write the name that LoadCredential= gives it";
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    let missing = || {
        let text = format!(
            "read the credential {name}: {CREDENTIALS} is not set; this is for a unit of systemd, which needs LoadCredential={name}:/path/of/the/secret"
        );
        Failure::new(ErrorKind::Unavailable, text)
    };
    directory.filter(|directory| directory.is_absolute()).map(|directory| directory.join(name)).ok_or_else(missing)
}

fn read(path: &Path) -> Outcome<Secret<String>> {
    let shown = path.display();
    let failed = |error: &std::io::Error| {
        Failure::because(ErrorKind::Unavailable, format!("read the secret file {shown}; check its path and mode"), error)
    };
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|error| failed(&error.into()))?;
    let mut text = Vec::new();
    let length = std::fs::File::from(file).take(MAX_BYTES + 1).read_to_end(&mut text);
    let text = Secret::new(text);
    if length.map_err(|error| failed(&error))? as u64 > MAX_BYTES {
        return Err(Failure::new(ErrorKind::Invalid, format!("read the secret file {shown}: a secret has at most {MAX_BYTES} bytes")));
    }
    match std::str::from_utf8(text.expose_secret()) {
        Ok(text) => Ok(Secret::new(text.to_owned())),
        Err(_) => Err(Failure::new(ErrorKind::Invalid, format!("read the secret file {shown}: it is not UTF-8; write text there"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_place_of_a_reference_is_refused_and_not_repeated() {
        for text in ["hunter2-in-clear", "env:", "file:", "credential:", "ENV:hunter2", ""] {
            let failure = resolve(text, Path::new(".")).unwrap_err();
            assert_eq!(failure.kind(), ErrorKind::Invalid, "{text}");
            assert!(!failure.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn a_file_reference_is_read_without_its_line_end() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "correct horse\n").unwrap();
        assert_eq!(resolve("file:secret", dir.path()).unwrap().expose_secret(), "correct horse");
        assert_eq!(resolve("file:missing", dir.path()).unwrap_err().kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn each_use_reads_what_is_there_then() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for secret in ["before", "after"] {
            std::fs::write(&path, secret).unwrap();
            assert_eq!(resolve("file:secret", dir.path()).unwrap().expose_secret(), secret);
        }
        std::fs::remove_file(&path).unwrap();
        assert!(resolve("file:secret", dir.path()).is_err());
    }

    #[test]
    fn what_cannot_be_a_secret_is_not_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        for (text, kind) in [
            (b"\n".to_vec(), ErrorKind::Unavailable),
            (vec![b'x'; usize::try_from(MAX_BYTES).unwrap() + 1], ErrorKind::Invalid),
            (vec![0xff, 0xfe], ErrorKind::Invalid),
        ] {
            std::fs::write(dir.path().join("secret"), text).unwrap();
            assert_eq!(resolve("file:secret", dir.path()).unwrap_err().kind(), kind);
        }
        std::fs::write(dir.path().join("secret"), vec![b'x'; usize::try_from(MAX_BYTES).unwrap()]).unwrap();
        assert!(resolve("file:secret", dir.path()).is_ok());
    }

    #[test]
    fn a_credential_is_a_file_of_the_directory_that_systemd_names() {
        let directory = || Some(PathBuf::from("/run/credentials/polder.service"));
        assert_eq!(credential("smtp", directory()).unwrap(), Path::new("/run/credentials/polder.service/smtp"));
        for name in ["../root.key", "a/b", "..", ".", "/etc/shadow", "a..b", "smtp/"] {
            let failure = credential(name, directory()).unwrap_err();
            assert_eq!(failure.kind(), ErrorKind::Invalid, "{name}");
            assert!(!failure.to_string().contains("shadow"));
        }
        for nowhere in [None, Some(PathBuf::new()), Some(PathBuf::from("relative"))] {
            let failure = credential("smtp", nowhere).unwrap_err();
            assert!(failure.text().contains("LoadCredential=smtp:"), "{failure}");
        }
    }
}
