//! Duty: the sealed object (header, key derivation, commitment, segments), masked values, and the hashes the other crates need.
//! Never: reads a disk, a clock or randomness of its own, keeps a dataset key, or trusts a length that is not authenticated.
//! Enter at: [`seal`] and [`open`] (whole objects), [`Sealer`] and [`Opener`] (pieces), [`FieldKey`] (masked values),
//! `docs/format/sealed-object.md`, `docs/format/masking.md`.
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

mod derive;
mod error;
mod field;
mod geometry;
mod hash;
mod header;
mod opener;
mod sealer;

pub use derive::{commitment, context, object_key};
pub use error::Error;
pub use field::{FIELD_NONCE_LEN, FieldCipher, FieldKey, PSEUDONYM_LEN};
pub use geometry::{HEADER_LEN, PREFIX_LEN, SEGMENT_LEN, TAG_LEN, TINK_HEADER_LEN, plain_len, sealed_len};
pub use hash::{Sha256, constant_time_eq, hkdf_sha512, hmac_sha256, sha256};
pub use header::{Header, Label, ObjectParams};
pub use opener::{LengthProof, Opener, open};
pub use sealer::{Sealer, seal};

#[cfg(test)]
mod tests;
