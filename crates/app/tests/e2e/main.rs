//! User stories through the real program: each test has a directory of its own and runs `polder` as a person would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking, and their numbers are small"
)]

mod append;
mod bucket;
mod bucket_source;
mod bypass_wires;
mod certificates;
mod classified;
mod clients;
mod columns;
mod costs;
mod databases;
mod demo;
mod destroyed;
mod disk;
mod door;
mod drift;
mod erase;
mod factors;
mod features;
mod formats;
mod freshness;
mod governed;
mod grants;
mod harness;
mod hosted;
mod hostile;
mod identities;
mod inspect;
mod keys;
mod kill;
mod law_one;
mod load;
mod masking;
mod metrics;
mod migrations;
mod models;
mod notices;
mod pipelines;
mod plain;
mod policies;
mod proofs;
mod propose;
mod providers;
mod push;
mod quality;
mod quarantine;
mod questions;
mod read_masks;
mod readme;
mod removal;
mod review;
mod scheduler;
mod serve;
mod serve_runs;
mod served;
mod servers;
mod serving;
mod story;
mod tamper;
mod terminal;
mod watch;
mod works;
mod works_rest;
mod writers;
mod wrong_input;
