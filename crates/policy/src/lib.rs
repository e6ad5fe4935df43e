//! Duty: decides with Cedar who may do what with which table, and makes the [`Permit`] without which no table is scanned.
//! Never: reads a row, a file or the network, or lets a policy that errs be skipped.
//! Enter at: [`Policies::load`], then [`Policies::permit`] (reads) or [`Policies::decide`] (everything else).
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

mod action;
mod default;
mod error;
mod permit;
mod policies;
mod spoken;
mod table;
#[cfg(test)]
mod tests;

pub use action::Action;
pub use default::{OWNERS_GROUP, default_policies};
pub use error::{Error, Problem};
pub use permit::{Denied, Permit};
pub use policies::{Decision, Policies};
pub use spoken::{Spoken, spoken};
pub use table::TableRef;

/// The Cedar schema that every policy is validated against, in Cedar's own syntax.
pub const SCHEMA: &str = include_str!("polder.cedarschema");
