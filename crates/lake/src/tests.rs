//! The crate's tests, a file per promise, over a real sealed store.
#![allow(clippy::single_range_in_vec_init, reason = "a batch whose rows follow each other has one range of places")]

mod bed;
mod crash;
mod gate;
mod integrity;
mod maintain;
mod migrations;
mod scans;
mod texts;
mod writes;
