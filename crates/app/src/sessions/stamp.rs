//! Whether the files that decide about answers are still those that were read.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use polder_types::ErrorKind;

use crate::failure::{Failure, Outcome};
use crate::project::FILE;

/// The folders of a project whose files decide about answers. Approvals lie beside the contracts.
const FOLDERS: [&str; 3] = ["contracts", "models", "policies"];

/// What a file is known by: one that was written anew, or in place, is another one, whatever its time says.
type Known = (u64, u64, (i64, i64), (i64, i64));

/// The files as they were, by their paths in the project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stamp(BTreeMap<PathBuf, Known>);

impl Stamp {
    /// Of the files of a project now.
    ///
    /// # Errors
    /// When a folder or file cannot be looked at.
    pub(super) fn of(dir: &Path) -> Outcome<Self> {
        let mut files = BTreeMap::new();
        note(&mut files, dir, PathBuf::from(FILE))?;
        for folder in FOLDERS {
            let entries = match std::fs::read_dir(dir.join(folder)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(unseen(Path::new(folder), &error)),
            };
            for entry in entries {
                let name = entry.map_err(|error| unseen(Path::new(folder), &error))?.file_name();
                note(&mut files, dir, Path::new(folder).join(name))?;
            }
        }
        Ok(Self(files))
    }

    /// The file of the project that a text names first.
    pub(super) fn named_in(&self, text: &str) -> Option<String> {
        let places = self.0.keys().filter_map(|path| {
            let path = path.to_str()?;
            Some((text.find(path)?, path))
        });
        // `contracts/a.odcs.yaml` is named where `contracts/a.odcs.yaml.bak` is, so of two at one place the longer counts.
        places.min_by_key(|(place, path)| (*place, std::cmp::Reverse(path.len()))).map(|(_, path)| path.to_owned())
    }
}

fn note(files: &mut BTreeMap<PathBuf, Known>, dir: &Path, path: PathBuf) -> Outcome {
    match std::fs::metadata(dir.join(&path)) {
        Ok(found) => {
            files.insert(path, known(&found));
            Ok(())
        }
        // It is gone, or is a link to what is gone.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unseen(&path, &error)),
    }
}

fn known(found: &Metadata) -> Known {
    (found.ino(), found.size(), (found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()))
}

fn unseen(path: &Path, error: &std::io::Error) -> Failure {
    Failure::because(ErrorKind::Unavailable, format!("look at {}; check that it may be read", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_in_any_way_is_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let stamp = || Stamp::of(dir.path()).unwrap();
        let policies = dir.path().join("policies");
        let mut stamps = vec![stamp()];
        std::fs::write(dir.path().join(FILE), "a").unwrap();
        stamps.push(stamp());
        std::fs::create_dir(&policies).unwrap();
        std::fs::write(policies.join("p.cedar"), "one").unwrap();
        stamps.push(stamp());
        // In place, as long as before, with the time of before.
        let modified = std::fs::metadata(policies.join("p.cedar")).unwrap().modified().unwrap();
        std::fs::write(policies.join("p.cedar"), "two").unwrap();
        std::fs::File::options().write(true).open(policies.join("p.cedar")).unwrap().set_modified(modified).unwrap();
        stamps.push(stamp());
        // By another file in its place.
        std::fs::write(policies.join("p.new"), "two").unwrap();
        std::fs::rename(policies.join("p.new"), policies.join("p.cedar")).unwrap();
        stamps.push(stamp());
        std::fs::remove_file(policies.join("p.cedar")).unwrap();
        stamps.push(stamp());
        for pair in stamps.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
        assert_eq!(stamp(), stamp());
        // What decides about nothing makes no difference.
        std::fs::create_dir(dir.path().join("sources")).unwrap();
        std::fs::write(dir.path().join("sources/s.yaml"), "a").unwrap();
        assert_eq!(stamps.last(), Some(&stamp()));
    }

    #[test]
    fn a_text_names_a_file() {
        let file = |path: &str| (PathBuf::from(path), (0, 0, (0, 0), (0, 0)));
        let stamp = Stamp([file("polder.yaml"), file("policies/a.cedar"), file("policies/a.cedar.bak")].into());
        let named = |text: &str| stamp.named_in(text);
        assert_eq!(named("policies/a.cedar:3: no; see polder.yaml").as_deref(), Some("policies/a.cedar"));
        assert_eq!(named("read policies/a.cedar.bak").as_deref(), Some("policies/a.cedar.bak"));
        assert_eq!(named("read nothing"), None);
    }
}
