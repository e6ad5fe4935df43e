//! From a dataset key to an object's key. Nothing is wrapped per object: the header says which dataset key, the rest follows.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::hash::hkdf;
use crate::header::{ALGORITHM, Header, Label, VERSION};

/// Opens every context: 16 bytes, so that no other use of HKDF in Polder can collide with it.
const DOMAIN: &[u8; 16] = b"polder.context.1";
const ROLE_KEY: &[u8] = b"object key";
const ROLE_COMMITMENT: &[u8] = b"commitment";

/// What an object is, as Tink's associated data. Every field but the path has a fixed length and the path carries its own,
/// so that two different contexts never have the same bytes.
pub fn context(label: Label, header: &Header, path: &str) -> Vec<u8> {
    let path_len = (path.len() as u64).to_be_bytes();
    let fields: [&[u8]; 9] = [
        DOMAIN,
        &[label.code(), VERSION, ALGORITHM],
        &header.lineage.0,
        &header.dataset.0,
        &header.key_version.to_be_bytes(),
        &header.generation.to_be_bytes(),
        &header.message_id,
        &path_len,
        path.as_bytes(),
    ];
    fields.concat()
}

/// The key that opens one object and no other: Tink opens the bytes after the header with it and [`context`].
pub fn object_key(dataset_key: &[u8; 32], header: &Header, label: Label, path: &str) -> Zeroizing<[u8; 32]> {
    key_in(dataset_key, header, &context(label, header, path))
}

/// What the header's commitment must be.
pub fn commitment(dataset_key: &[u8; 32], header: &Header, label: Label, path: &str) -> [u8; 32] {
    commitment_in(dataset_key, header, &context(label, header, path))
}

pub(crate) fn key_in(dataset_key: &[u8; 32], header: &Header, context: &[u8]) -> Zeroizing<[u8; 32]> {
    hkdf(hmac::HMAC_SHA512, dataset_key, &header.message_id, &[context, ROLE_KEY])
}

pub(crate) fn commitment_in(dataset_key: &[u8; 32], header: &Header, context: &[u8]) -> [u8; 32] {
    *hkdf(hmac::HMAC_SHA512, dataset_key, &header.message_id, &[context, ROLE_COMMITMENT])
}

/// Tink's key of one stream: HKDF-SHA-256(object key, salt, context).
pub(crate) fn stream_key(object_key: &[u8; 32], salt: &[u8; 32], context: &[u8]) -> Result<LessSafeKey, Error> {
    let key = hkdf(hmac::HMAC_SHA256, object_key, salt, &[context]);
    UnboundKey::new(&AES_256_GCM, key.as_ref()).map(LessSafeKey::new).map_err(|_| Error::Cipher)
}

/// Tink's nonce of one segment: prefix ‖ index ‖ last.
pub(crate) fn nonce(prefix: [u8; 7], index: u32, last: bool) -> aws_lc_rs::aead::Nonce {
    let [p0, p1, p2, p3, p4, p5, p6] = prefix;
    let [i0, i1, i2, i3] = index.to_be_bytes();
    aws_lc_rs::aead::Nonce::assume_unique_for_key([p0, p1, p2, p3, p4, p5, p6, i0, i1, i2, i3, u8::from(last)])
}
