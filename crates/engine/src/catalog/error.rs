//! Why a statement of a PostgreSQL client is not answered.

use polder_types::ErrorKind;

/// Why a statement is not answered. The text quotes the statement, never a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CatalogError {
    sqlstate: &'static str,
    message: String,
}

impl CatalogError {
    pub(crate) fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into() }
    }

    /// The five-character SQLSTATE of PostgreSQL.
    pub const fn sqlstate(&self) -> &'static str {
        self.sqlstate
    }

    /// What it means to whoever must act on it.
    pub fn kind(&self) -> ErrorKind {
        match self.sqlstate {
            "42P01" | "42704" => ErrorKind::NotFound,
            "XX000" => ErrorKind::Internal,
            _ => ErrorKind::Invalid,
        }
    }

    /// It is no SQL.
    pub(crate) fn syntax(message: impl Into<String>) -> Self {
        Self::new("42601", message)
    }

    /// It is nothing that is answered.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new("0A000", message)
    }

    /// There is no such setting or type.
    pub(crate) fn unknown_object(message: impl Into<String>) -> Self {
        Self::new("42704", message)
    }

    /// There is no such relation.
    pub(crate) fn unknown_relation(message: impl Into<String>) -> Self {
        Self::new("42P01", message)
    }

    /// There is no such column.
    pub(crate) fn unknown_column(message: impl Into<String>) -> Self {
        Self::new("42703", message)
    }

    /// There is no such function.
    pub(crate) fn unknown_function(message: impl Into<String>) -> Self {
        Self::new("42883", message)
    }

    /// A setting that is only read.
    pub(crate) fn read_only(setting: &str) -> Self {
        Self::new("55P02", format!("parameter \"{setting}\" cannot be changed"))
    }

    /// A value that a setting or type does not take.
    pub(crate) fn wrong_value(message: impl Into<String>) -> Self {
        Self::new("22023", message)
    }

    /// It passes a limit.
    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new("54000", message)
    }

    /// It took too long.
    pub(crate) fn timed_out(message: impl Into<String>) -> Self {
        Self::new("57014", message)
    }

    /// A defect.
    pub(crate) fn defect(message: impl Into<String>) -> Self {
        Self::new("XX000", message)
    }
}
