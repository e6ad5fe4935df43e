//! The crate's tests, a file per promise.

mod crash;
mod fixture;
mod full_disk;
mod lease;
mod objects;
mod tamper;
mod temp;
mod texts;
mod uploads;
