//! What a person or a script is told when a command fails: one text, its causes, and an exit code that says whether to try again.

use std::fmt;

use polder_types::{ErrorKind, printable, printable_lines};

/// Why a command failed.
#[derive(Clone)]
pub struct Failure {
    kind: ErrorKind,
    text: Said,
    causes: Vec<Said>,
    /// Where it is not that of the kind.
    exit: Option<u8>,
}

/// A text, which may hold names that someone else chose.
#[derive(Clone)]
struct Said {
    text: String,
    /// Its line ends are ours.
    lines: bool,
}

impl Said {
    fn line(text: impl Into<String>) -> Self {
        Self { text: text.into(), lines: false }
    }

    fn lines(text: impl Into<String>) -> Self {
        Self { text: text.into(), lines: true }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&if self.lines { printable_lines(&self.text) } else { printable(&self.text) })
    }
}

/// The result of a command.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with a text of one line: failed step and object, then what to do.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: Said::line(text), causes: Vec::new(), exit: None }
    }

    /// A failure with a text and a list, an item a line.
    pub fn list(kind: ErrorKind, text: impl Into<String>, items: &[String]) -> Self {
        let lines: Vec<String> = items.iter().map(|item| format!("\n  {}", printable(item))).collect();
        Self { kind, text: Said::lines(printable(&text.into()).into_owned() + &lines.concat()), causes: Vec::new(), exit: None }
    }

    /// A failure from an error of the standard library or a dependency.
    pub fn because(kind: ErrorKind, text: impl Into<String>, source: &(dyn std::error::Error + 'static)) -> Self {
        let text = text.into();
        let mut causes = Vec::new();
        push_chain(&mut causes, &text, Some(source));
        Self { kind, text: Said::line(text), causes, exit: None }
    }

    /// A failure that is an error of one of our crates.
    pub fn of(kind: ErrorKind, error: &(dyn std::error::Error + 'static)) -> Self {
        let text = error.to_string();
        let mut causes = Vec::new();
        push_chain(&mut causes, &text, error.source());
        Self { kind, text: Said::line(text), causes, exit: None }
    }

    /// Puts the failed step in front; the former text becomes a cause.
    pub fn during(mut self, step: impl Into<String>) -> Self {
        let former = std::mem::replace(&mut self.text, Said::line(step));
        self.causes.insert(0, former);
        self
    }

    /// This failure explains another one, which becomes a cause.
    pub fn explains(mut self, seen: Self) -> Self {
        self.causes.push(seen.text);
        self.causes.extend(seen.causes);
        self
    }

    /// What the failure means to its caller.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The same with another exit code than that of its kind.
    pub fn exiting(mut self, code: u8) -> Self {
        self.exit = Some(code);
        self
    }

    /// The code that the program ends with.
    pub fn exit_code(&self) -> u8 {
        self.exit.unwrap_or_else(|| self.kind.exit_code())
    }

    /// The text without causes.
    pub fn text(&self) -> &str {
        &self.text.text
    }

    /// The machine-readable form.
    pub fn to_json(&self) -> serde_json::Value {
        let causes: Vec<&str> = self.causes.iter().map(|cause| cause.text.as_str()).collect();
        serde_json::json!({
            "error": { "kind": self.kind.name(), "exit_code": self.exit_code(), "message": self.text.text, "causes": causes }
        })
    }
}

/// Appends each cause that says something its parent did not already say.
fn push_chain(causes: &mut Vec<Said>, text: &str, mut source: Option<&(dyn std::error::Error + 'static)>) {
    let mut said = text.to_owned();
    while let Some(error) = source {
        let cause = error.to_string();
        if !said.contains(&cause) {
            causes.push(Said::line(cause.clone()));
            said = cause;
        }
        source = error.source();
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text)?;
        self.causes.iter().try_for_each(|cause| write!(f, "\n  because: {cause}"))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<polder_types::RecordError> for Failure {
    fn from(error: polder_types::RecordError) -> Self {
        Self::of(error.kind, &error)
    }
}

impl From<polder_types::random::RandomError> for Failure {
    fn from(error: polder_types::random::RandomError) -> Self {
        Self::of(ErrorKind::Unavailable, &error)
    }
}

impl From<polder_contract::Problems> for Failure {
    /// Each problem is a line.
    fn from(problems: polder_contract::Problems) -> Self {
        let kind = problems.kind();
        let lines: Vec<String> = problems.0.iter().map(|problem| printable(&problem.to_string()).into_owned()).collect();
        Self { kind, text: Said::lines(lines.join("\n")), causes: Vec::new(), exit: None }
    }
}

impl From<polder_contract::edit::EditError> for Failure {
    fn from(error: polder_contract::edit::EditError) -> Self {
        match error {
            polder_contract::edit::EditError::Problems(problems) => problems.into(),
            error => Self::of(ErrorKind::Invalid, &error),
        }
    }
}

/// Errors of our own crates carry their kind.
macro_rules! from_ours {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::of(error.kind(), &error)
            }
        }
    )+};
}

from_ours!(
    polder_audit::Error,
    polder_connect::Error,
    polder_contract::ApprovalError,
    polder_contract::Error,
    polder_engine::Error,
    polder_engine::ModelError,
    polder_keys::Error,
    polder_lake::Error,
    polder_policy::Error,
    polder_policy::identity::ChangeError,
    polder_policy::identity::CredentialsError,
    polder_policy::identity::PasswordError,
    polder_store::Error,
);
