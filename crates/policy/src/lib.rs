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
mod circumstances;
mod default;
mod error;
mod explain;
mod mask;
mod permit;
mod policies;
mod spoken;
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
pub use spoken::{Spoken, spoken};
pub use table::{ColumnKind, ColumnRef, TableRef};

/// The Cedar schema that every policy is validated against, in Cedar's own syntax.
pub const SCHEMA: &str = include_str!("polder.cedarschema");
