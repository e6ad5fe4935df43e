//! Duty: decides with Cedar who may do what with which table, and makes the [`Permit`] without which no table is scanned.
//! Never: reads a row, a file or the network, or lets a policy that errs be skipped.
//! Enter at: [`Policies::load`], then [`Policies::access`] (reads), [`Policies::permit`] (writes, and reads of a whole table) or
//! [`Policies::decide`] (everything else).
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation,
        reason = "tests fail by panicking, and their numbers are small"
    )
)]

mod access;
mod action;
mod asker;
mod blind;
mod circumstances;
mod columns;
mod default;
mod error;
mod explain;
pub mod identity;
mod load;
mod mask;
mod permit;
mod policies;
mod residual;
mod rows;
mod schema;
mod spoken;
mod stack;
mod table;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use action::Action;
pub use circumstances::Circumstances;
pub use default::{OWNERS_GROUP, default_policies};
pub use error::{Error, Problem};
pub use explain::{Effect, Explained, ExplainedColumn, ExplainedRows};
pub use mask::{Mask, Sight};
pub use permit::{Denied, Permit};
pub use policies::{Decision, Policies};
pub use schema::{row_type, schema_of};
pub use spoken::{Spoken, spoken};
pub use table::{ColumnKind, ColumnRef, TableRef};

/// The Cedar schema that every policy is validated against, in Cedar's own syntax, without the rows of a project's tables:
/// [`schema_of`] has them.
pub const SCHEMA: &str = include_str!("polder.cedarschema");
