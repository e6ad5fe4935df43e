//! What the tests of this crate share: a door over tables in memory, a recorder that is looked into.

pub(crate) mod bed;
mod bypass;
mod governed;
mod growth;
mod missing;
mod projections;
mod slt;
mod spill;
mod sums;
mod tpch;
mod views;
mod windows;
