//! Why something was not done, as a client may hear it.

use polder_types::ErrorKind;

/// An error for a client. Its text never holds a row's value or a secret; each wire gives it in its own form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    kind: ErrorKind,
    message: String,
    /// Where it is another than the kind's.
    sqlstate: Option<&'static str>,
    /// The first character of the question that it is about, from 1.
    position: Option<u32>,
}

impl Fault {
    /// A fault of a kind: failed step and object, then what to do; lower case, no full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), sqlstate: None, position: None }
    }

    /// Nobody is signed in, or not any more: the same words whatever the reason was.
    pub fn not_signed_in() -> Self {
        Self::new(
            ErrorKind::Denied,
            "sign in: the name, the password or the token is wrong, or it may not be used here; ask whoever keeps the accounts",
        )
        .with_sqlstate("28P01")
    }

    /// A stated limit was reached.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message).with_sqlstate("53400")
    }

    /// A statement took longer than it may.
    pub fn too_long(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message).with_sqlstate("57014")
    }

    /// The same with another SQLSTATE than its kind's.
    #[must_use]
    pub fn with_sqlstate(mut self, code: &'static str) -> Self {
        self.sqlstate = Some(code);
        self
    }

    /// The same, about a place in the question, from 1.
    #[must_use]
    pub fn at(mut self, position: Option<u32>) -> Self {
        self.position = position;
        self
    }

    /// What it means to whoever must act on it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The five-character SQLSTATE.
    pub fn sqlstate(&self) -> &'static str {
        self.sqlstate.unwrap_or_else(|| self.kind.sqlstate())
    }

    /// The first character of the question that it is about, from 1.
    pub fn position(&self) -> Option<u32> {
        self.position
    }

    /// Whether it says that nobody is signed in.
    pub fn is_unauthenticated(&self) -> bool {
        self.sqlstate().starts_with("28")
    }
}
