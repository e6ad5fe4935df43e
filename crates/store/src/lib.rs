//! Duty: bytes at rest: the sealed object store over a directory or a bucket, sealed temporary files, the writer's lease, the reserve.
//! Never: writes a byte of plaintext to a disk or a network, follows a symbolic link, or believes a length that is not authenticated.
//! Enter at: [`SealedStore`] (objects), [`Backend`] (the directory or bucket), [`SourceBucket`] (a bucket that others fill, which is only read), [`TempSpace`], [`Lease`], `docs/format/store-layout.md`.
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

mod backend;
mod counters;
mod error;
mod fault;
mod layout;
mod lease;
mod sealed;
mod temp;

pub use backend::{
    Backend, Credentials, Options, Patience, PhysicalFile, S3Address, S3Credentials, S3Place, SourceBucket, SourceObject, Trouble,
    WrongAddress,
};
pub use counters::{Asked, Counters};
pub use error::{Error, destroyed_in, is_no_space, kind_of, kind_of_any};
pub use fault::{Effect, FaultAt, Faults, NoFaults, Operation};
pub use layout::{Area, FileKind, ObjectPath};
pub use lease::{HEARTBEAT_MS, Holder, Lease, STALE_AFTER_MS};
pub use sealed::{Reencrypted, SealedStore, Verified};
pub use temp::{TempFile, TempReader, TempSpace, TempWriter};

#[cfg(test)]
mod tests;
