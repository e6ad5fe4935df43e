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

/// How many cases a property has: as many as suffice for every day, or its share of `PROPTEST_CASES`. That is meant for a property of 256 cases;
/// one that has fewer, since each of them writes and reads tables for a second, would take hours of a night.
pub(crate) fn cases(usual: u32) -> proptest::test_runner::Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|asked| asked.parse::<u32>().ok());
    let cases = asked.map_or(usual, |asked| u32::try_from(u64::from(usual) * u64::from(asked) / 256).unwrap_or(u32::MAX).max(1));
    proptest::test_runner::Config { cases, ..proptest::test_runner::Config::default() }
}
