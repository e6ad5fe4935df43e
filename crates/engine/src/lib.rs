//! Duty: answers SQL through one door, plans models, tells where each column comes from, writes results.
//! Never: reads a table without a permit, a file or an address at all; computes anything of a row that policies hide, or of a value before its
//! mask; changes anything by SQL; spills in the clear.
//! Enter at: [`Door::query`] (an answer), [`Door::describe`] (what it will look like), [`Door::tables`] (what one may know of), [`Door::run_model`] (a model's rows), [`route`] (what a client of PostgreSQL asks), [`Models::load`], [`write_batches`].
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

mod answer;
mod catalog;
mod classification;
mod door;
mod error;
mod lineage;
mod model;
mod output;
mod tables;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use catalog::{CatalogError, CatalogQuestion, KnownColumn, KnownTable, PgType, Routed, Who, route, type_of};
pub use classification::strictest;
pub use door::{
    Asker, Described, Door, DoorOptions, DoorPorts, ModelRun, Outline, Predicate, QueryOptions, SeenColumn, SeenTable, Setting, Unfit,
    check_query, outline,
};
pub use error::Error;
pub use lineage::{ColumnRef, OutputColumn};
pub use model::{Materialized, Model, ModelError, ModelProblem, Models};
pub use output::{Format, TABLE_BUFFER_ROWS, write_batches};
pub use tables::{Keyed, KeyedMask, TableError, Tables, Visible};
