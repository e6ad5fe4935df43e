//! Secrets come by reference only: `env:NAME` or `file:PATH`. A secret written out where a reference belongs is refused.

use std::path::Path;

use polder_types::{ErrorKind, Secret};

use crate::failure::{Failure, Outcome};

/// Reads the secret that a reference names. Line ends at its end are not part of it.
///
/// # Errors
/// When the text is no reference, or what it names is missing or empty. The text itself is not repeated: it may be the secret.
pub fn resolve(reference: &str, base: &Path) -> Outcome<Secret<String>> {
    let value = if let Some(name) = reference.strip_prefix("env:") {
        std::env::var(name)
            .map_err(|_| Failure::new(ErrorKind::Unavailable, format!("read the secret from the environment variable {name}; set it")))?
    } else if let Some(path) = reference.strip_prefix("file:") {
        let path = base.join(path);
        std::fs::read_to_string(&path).map_err(|error| {
            Failure::because(ErrorKind::Unavailable, format!("read the secret file {}; check its path and mode", path.display()), &error)
        })?
    } else {
        return Err(Failure::new(ErrorKind::Invalid, "read a secret: write a reference, env:NAME or file:PATH, never the secret itself"));
    };
    let secret = Secret::new(value.trim_end_matches(['\r', '\n']).to_owned());
    if secret.expose_secret().is_empty() {
        return Err(Failure::new(ErrorKind::Unavailable, "read a secret: what the reference names is empty; fill it"));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_place_of_a_reference_is_refused_and_not_repeated() {
        let failure = resolve("hunter2-in-clear", Path::new(".")).unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::Invalid);
        assert!(!failure.to_string().contains("hunter2"));
    }

    #[test]
    fn a_file_reference_is_read_without_its_line_end() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "correct horse\n").unwrap();
        assert_eq!(resolve("file:secret", dir.path()).unwrap().expose_secret(), "correct horse");
        assert_eq!(resolve("file:missing", dir.path()).unwrap_err().kind(), ErrorKind::Unavailable);
    }
}
