use std::fmt;

use polder_types::ErrorKind;

/// One thing that is wrong in a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named to [`crate::Policies::load`].
    pub file: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// Why policies do not load.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file does not parse, or does not fit the schema.
    #[error("load policies: {}; correct the files, or see docs/format/policy.md for what policies can name", list(.0))]
    Files(Vec<Problem>),
    /// Tables or columns that policies could not tell apart.
    #[error("load policies: {}; give each a name of its own in its contract or model", .0.join("; "))]
    Tables(Vec<String>),
    /// The schema that is compiled in does not parse, or not with the tables' columns.
    #[error("load policies: the schema of tables and columns does not parse; report this as a defect")]
    Schema(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Error {
    /// What the error means to whoever must act on it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Files(_) | Self::Tables(_) => ErrorKind::Invalid,
            Self::Schema(_) => ErrorKind::Internal,
        }
    }
}
