//! `polder schema`: the schemas of the project's files.

use std::path::Path;

use polder_types::ErrorKind;
use serde_json::json;

use crate::cli::{Output, SchemaArgs};
use crate::failure::{Failure, Outcome};
use crate::print::{self, Listing};
use crate::schema::Kind;

/// Prints one schema, writes all, or lists them.
///
/// # Errors
/// When a file cannot be written.
pub fn run(args: &SchemaArgs, output: Output) -> Outcome {
    match (args.kind, &args.write) {
        (Some(kind), _) => print::document(&kind.text()),
        (None, Some(dir)) => {
            write(dir)?;
            Kind::ALL.iter().try_for_each(|kind| print::text(&format!("wrote {}", dir.join(kind.file()).display())))
        }
        (None, None) => {
            let mut listing = Listing::new(&["kind", "files", "schema"]);
            for kind in Kind::ALL {
                listing.row([json!(kind.name()), json!(kind.files()), json!(kind.file())]);
            }
            listing.print(output)
        }
    }
}

/// Writes all schemas into a directory, over older ones.
///
/// # Errors
/// When a file cannot be written.
pub fn write(dir: &Path) -> Outcome {
    let failed = |path: &Path, error: &std::io::Error| Failure::because(ErrorKind::Unavailable, format!("write {}", path.display()), error);
    std::fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
    for kind in Kind::ALL {
        let path = dir.join(kind.file());
        std::fs::write(&path, kind.text()).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}
