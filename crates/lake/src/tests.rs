//! The crate's tests, a file per promise, over a real sealed store.
#![allow(clippy::single_range_in_vec_init, reason = "a batch whose rows follow each other has one range of places")]

mod bed;
mod crash;
mod erase;
mod gate;
mod history;
mod integrity;
mod judge;
mod maintain;
mod merges;
mod migrations;
mod scans;
mod texts;
mod writes;

/// How many cases a property has: as many as `PROPTEST_CASES` says, else as many as suffice for every day.
pub(crate) fn cases(usual: u32) -> proptest::test_runner::Config {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => proptest::test_runner::Config::default(),
        None => proptest::test_runner::Config::with_cases(usual),
    }
}
