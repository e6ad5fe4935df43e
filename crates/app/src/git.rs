//! A git repository as it was: files of a revision and who wrote them, through the program `git`, without a shell. Reads only, and
//! nothing from a network.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use polder_types::ErrorKind;
use polder_types::limit::PROJECT_FILE_MAX_BYTES;

use crate::failure::{Failure, Outcome};

/// A revision's full name: hexadecimal digits, so that it can be no option and no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision(String);

impl Revision {
    /// Its first digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }

    /// All its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Someone who had a part in a change, as git names them. Git proves no name: who commits chooses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The address, in lower case.
    pub address: String,
}

/// A directory within a repository.
#[derive(Debug, Clone)]
pub struct Repository {
    dir: PathBuf,
}

impl Repository {
    /// The repository that a directory lies in.
    ///
    /// # Errors
    /// When there is no program `git`, or the directory lies in no repository that it opens.
    pub fn open(dir: &Path) -> Outcome<Self> {
        let repository = Self { dir: dir.to_path_buf() };
        let output = repository.run(&["rev-parse", "--is-inside-work-tree"])?;
        if output.status.success() && output.stdout.starts_with(b"true") {
            return Ok(repository);
        }
        let text = format!(
            "compare with git: {} lies in no work tree of git; run `git init` and commit the project, or run this in a clone of it",
            dir.display()
        );
        Err(Failure::new(ErrorKind::Invalid, with_reason(text, &output)))
    }

    /// The directory within the repository; empty, or with `/` at its end.
    ///
    /// # Errors
    /// When git cannot tell.
    pub fn prefix(&self) -> Outcome<String> {
        let output = self.done(&["rev-parse", "--show-prefix"], "ask for the directory within the repository")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
    }

    /// The commit that a name stands for.
    ///
    /// # Errors
    /// When there is none.
    pub fn revision(&self, name: &str) -> Outcome<Revision> {
        let commit = format!("{name}^{{commit}}");
        let output = self.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])?;
        hex(&output).ok_or_else(|| {
            let text = format!("compare with {name}: git knows no such commit; fetch it (git fetch origin), or name another one");
            Failure::new(ErrorKind::Invalid, with_reason(text, &output))
        })
    }

    /// The last commit that two have in common.
    ///
    /// # Errors
    /// When they have none, or git does not know their history.
    pub fn common(&self, one: &Revision, other: &Revision) -> Outcome<Revision> {
        let output = self.run(&["merge-base", one.as_str(), other.as_str()])?;
        hex(&output).ok_or_else(|| {
            let text = format!(
                "compare with {}: it has no commit in common with HEAD, or the clone is shallow; fetch the whole history (git fetch --unshallow)",
                one.short()
            );
            Failure::new(ErrorKind::Invalid, with_reason(text, &output))
        })
    }

    /// The files of a folder at a revision, not those of folders within it; paths from the directory, sorted.
    ///
    /// # Errors
    /// When git cannot list them.
    pub fn list(&self, revision: &Revision, folder: &str) -> Outcome<Vec<String>> {
        let path = format!("./{folder}/");
        let output = self.done(&["ls-tree", "-z", revision.as_str(), "--", &path], "list the files of a revision")?;
        let mut files = Vec::new();
        for entry in output.stdout.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            // MODE TYPE OBJECT<tab>PATH
            let entry = std::str::from_utf8(entry).map_err(|error| failed("list the files of a revision; a name is not UTF-8", &error))?;
            if let Some((kind, path)) = entry.split_once('\t')
                && kind.starts_with("100")
            {
                files.push(path.strip_prefix("./").unwrap_or(path).to_owned());
            }
        }
        files.sort();
        Ok(files)
    }

    /// A file at a revision; none when it was not there, or was no regular file.
    ///
    /// # Errors
    /// When git cannot read it, or it is larger than a project file may be or not UTF-8.
    pub fn read(&self, revision: &Revision, path: &str) -> Outcome<Option<String>> {
        let relative = format!("./{path}");
        let listed = self.done(&["ls-tree", "-z", "-l", revision.as_str(), "--", &relative], "look for a file of a revision")?;
        // MODE TYPE OBJECT SIZE<tab>PATH
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let Some((entry, _)) = listed.split_once('\t').filter(|(entry, _)| entry.starts_with("100")) else { return Ok(None) };
        let mut parts = entry.split_whitespace().skip(2);
        let (Some(object), size) = (parts.next(), parts.next().and_then(|size| size.parse::<u64>().ok())) else { return Ok(None) };
        if size.is_none_or(|size| size > PROJECT_FILE_MAX_BYTES) {
            let text = format!("read {path} at {}: a project file has at most {PROJECT_FILE_MAX_BYTES} bytes", revision.short());
            return Err(Failure::new(ErrorKind::Invalid, text));
        }
        let output = self.done(&["cat-file", "blob", object], "read a file of a revision")?;
        let text = String::from_utf8(output.stdout);
        text.map(Some).map_err(|_| Failure::new(ErrorKind::Invalid, format!("read {path} at {}: it is not UTF-8", revision.short())))
    }

    /// Whoever wrote commits after one revision and up to another that touch any of these files, and whom they name as co-authors. Not who
    /// committed: that is also who took a change over.
    ///
    /// # Errors
    /// When git cannot tell.
    pub fn authors(&self, after: &Revision, until: &Revision, paths: &[&str]) -> Outcome<Vec<Author>> {
        let range = format!("{}..{}", after.as_str(), until.as_str());
        let format = "--format=%x1e%an%x1f%ae%x1f%(trailers:key=Co-authored-by,valueonly,separator=%x1f)";
        let mut args = vec!["log", "--full-history", "--no-show-signature", "--no-color", format, &range, "--"];
        args.extend(paths);
        let output = self.done(&args, "ask who wrote a change")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut authors: Vec<Author> = text.split('\u{1e}').skip(1).flat_map(written_by).collect();
        authors.sort();
        authors.dedup();
        Ok(authors)
    }

    /// The newest commit up to a revision in which a file began or ceased to hold a text.
    ///
    /// # Errors
    /// When git cannot tell.
    pub fn held(&self, until: &Revision, path: &str, text: &str) -> Outcome<Option<Revision>> {
        let pickaxe = format!("-S{text}");
        let args = ["log", "-1", "--format=%H", "--full-history", "--no-show-signature", &pickaxe, until.as_str(), "--", path];
        Ok(hex(&self.done(&args, "look for an earlier approval")?))
    }

    fn done(&self, args: &[&str], step: &str) -> Outcome<Output> {
        let output = self.run(args)?;
        if output.status.success() {
            return Ok(output);
        }
        Err(Failure::new(ErrorKind::Unavailable, with_reason(format!("{step}: git failed"), &output)))
    }

    fn run(&self, args: &[&str]) -> Outcome<Output> {
        let mut git = Command::new("git");
        // What a repository may hold beside its commits (replaced objects, watchers of files) takes no part, nor does a network.
        git.arg("-C").arg(&self.dir).args(["--no-replace-objects", "--no-pager", "--literal-pathspecs", "-c", "core.fsmonitor=false"]);
        git.args(args.iter().map(OsStr::new));
        git.envs([("GIT_NO_LAZY_FETCH", "1"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_OPTIONAL_LOCKS", "0"), ("LC_ALL", "C")]);
        git.stdin(std::process::Stdio::null());
        git.output().map_err(|error| {
            let step = match error.kind() {
                std::io::ErrorKind::NotFound => {
                    "run git: there is no such program; install it (apt-get install git), and see that it is on PATH"
                }
                _ => "run git",
            };
            Failure::because(ErrorKind::Invalid, step, &error)
        })
    }
}

/// The author and the co-authors of one commit.
fn written_by(commit: &str) -> Vec<Author> {
    let mut parts = commit.trim_end_matches('\n').split('\u{1f}');
    let mut authors = Vec::new();
    if let (Some(name), Some(address)) = (parts.next(), parts.next()) {
        authors.push(Author { name: name.trim().to_owned(), address: address.trim().to_lowercase() });
    }
    authors.extend(parts.filter_map(|trailer| {
        let (name, address) = trailer.rsplit_once('<')?;
        Some(Author { name: name.trim().to_owned(), address: address.trim().trim_end_matches('>').trim().to_lowercase() })
    }));
    authors
}

/// The one object that git named.
fn hex(output: &Output) -> Option<Revision> {
    let name = std::str::from_utf8(&output.stdout).ok()?.trim();
    let whole = matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    (output.status.success() && whole).then(|| Revision(name.to_owned()))
}

/// What git itself said, in one line.
fn with_reason(text: String, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match said.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("{text} (git: {})", line.trim()),
        None => text,
    }
}

fn failed(step: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::because(ErrorKind::Invalid, step.to_owned(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn co_authors_are_authors() {
        let commit = "Ann\u{1f}Ann@Example.org\u{1f}Bea B <bea@example.org>\u{1f}nonsense\n";
        let author = |name: &str, address: &str| Author { name: name.to_owned(), address: address.to_owned() };
        assert_eq!(written_by(commit), [author("Ann", "ann@example.org"), author("Bea B", "bea@example.org")]);
        assert_eq!(written_by("Ann\u{1f}a@b\u{1f}\n"), [author("Ann", "a@b")]);
    }
}
