use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use polder_policy::{Permit, TableRef};
use polder_types::{ErrorKind, TableName};

/// The tables that exist, as the engine needs to know them. The program wires the lake to it.
#[async_trait]
pub trait Tables: Send + Sync {
    /// The table of this name, without touching its data; `None` when there is none.
    fn resolve(&self, name: &TableName) -> Option<TableRef>;

    /// The names of all tables, in order.
    fn names(&self) -> Vec<TableName>;

    /// What is visible of a table, but for its rows: it needs no permit, and who may know of it is the caller's affair.
    ///
    /// # Errors
    /// When there is no such table, or its log cannot be read.
    async fn visible(&self, name: &TableName) -> Result<Visible, TableError>;

    /// A table to scan. `version` is a version of the table, `None` the visible one.
    ///
    /// # Errors
    /// When the version does not exist, or the table cannot be opened.
    async fn provider(&self, permit: &Permit, version: Option<u64>) -> Result<Arc<dyn TableProvider>, TableError>;

    /// The classification that a contract gives a column, if any.
    fn classification(&self, table: &TableName, column: &str) -> Option<String>;

    /// Why no value of a column ever equals one of the other, both as `table` and `column`: their contracts mask them under different
    /// domains. `None` where they may be equal.
    fn never_equal(&self, left: (&TableName, &str), right: (&TableName, &str)) -> Option<String>;

    /// What masks a column of a table under a key, where policies show it masked so.
    ///
    /// # Errors
    /// When there is no key for it.
    fn keyed(&self, table: &TableName, column: &str, way: Keyed) -> Result<Arc<dyn KeyedMask>, TableError>;
}

/// The visible version of a table.
#[derive(Debug, Clone)]
pub struct Visible {
    /// Its columns, in the types that a scan gives.
    pub schema: SchemaRef,
    /// Its number.
    pub version: u64,
}

/// How a value is masked under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyed {
    /// A hash under a key of the installation: the same for the same text in every column.
    Hash,
    /// The token that the contract's mask gives for the value under the column's domain.
    Token,
}

/// Masks texts under a key.
pub trait KeyedMask: Send + Sync {
    /// What is shown in place of a text; NULL where there is nothing. It never fails, and is the same for the same text.
    fn masked(&self, text: &str) -> Option<String>;
}

/// Why a table cannot be opened: the error of whoever keeps it, with what it means.
#[derive(Debug)]
pub struct TableError {
    /// What it means to whoever must act on it.
    pub kind: ErrorKind,
    /// What went wrong.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl std::error::Error for TableError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }
}
