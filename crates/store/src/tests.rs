//! The crate's tests, a file per promise.

mod bucket;
mod costs;
mod crash;
mod fixture;
mod full_disk;
mod lease;
mod objects;
mod socket;
mod tamper;
mod temp;
mod texts;
mod uploads;

/// How many cases a property has: as many as `PROPTEST_CASES` says, else as many as suffice for every day.
pub(crate) fn cases(usual: u32) -> proptest::test_runner::Config {
    let config = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => proptest::test_runner::Config::default(),
        None => proptest::test_runner::Config::with_cases(usual),
    };
    // What a property assumes, it may find wanting in proportion.
    proptest::test_runner::Config { max_global_rejects: config.cases.saturating_mul(4), ..config }
}
