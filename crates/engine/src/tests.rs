//! What the tests of this crate share: a door over tables in memory, a recorder that is looked into.

pub(crate) mod bed;
mod bypass;
mod catalog;
mod governed;
mod growth;
mod limits;
mod missing;
mod prepared;
mod projections;
mod seen;
mod slt;
mod spill;
mod sums;
mod tpch;
mod views;
mod windows;
