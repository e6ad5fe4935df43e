//! Writing a file of the project: the old one or the new one is there, whatever happens in between.

use std::io::Write;
use std::path::Path;

use polder_types::ErrorKind;

use crate::failure::{Failure, Outcome};

/// Puts a text in a file's place, durable. What it was is its own until then; its mode stays.
///
/// # Errors
/// When the directory cannot be written.
pub fn replace(path: &Path, text: &str) -> Outcome {
    let failed = |error: std::io::Error| Failure::because(ErrorKind::Unavailable, format!("write {}", path.display()), &error);
    // A link stays one.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = target.file_name().and_then(|name| name.to_str()).ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
    // Names that begin with a dot are not read as project files.
    let aside = target.with_file_name(format!(".{name}.new"));
    let written = write_new(&aside, text).and_then(|()| match std::fs::metadata(&target) {
        Ok(known) => std::fs::set_permissions(&aside, known.permissions()),
        Err(_) => Ok(()),
    });
    if let Err(error) = written.and_then(|()| std::fs::rename(&aside, &target)) {
        let _ = std::fs::remove_file(&aside);
        return Err(failed(error));
    }
    Ok(())
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    // One that a killed program left.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
