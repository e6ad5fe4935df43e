//! What a root of 32 bytes does, wherever it comes from: its id, and wrapping as a sealed object.

use polder_crypto::{Header, Label, ObjectParams, hkdf_sha512};
use polder_types::{DatasetId, LineageId, Rng, Secret};

use crate::error::Error;
use crate::locked::DatasetKey;

/// The id follows from the root, so that a damaged or wrongly joined one is known before it is used.
pub(crate) fn root_id(root: &DatasetKey) -> [u8; 16] {
    let hash = hkdf_sha512(root.expose(), b"", b"polder.root.id.1");
    hash.first_chunk::<16>().copied().unwrap_or_default()
}

/// The root that wrapped these bytes, as they claim.
pub(crate) fn wrapped_by(wrapped: &[u8]) -> Option<[u8; 16]> {
    Header::parse(wrapped).ok().map(|header| header.dataset.0)
}

/// A sealed object of label `Wrap`: committing, and a key of its own for each wrap.
pub(crate) fn wrap(root: &DatasetKey, plain: &[u8], context: &[u8], rng: &dyn Rng) -> Result<Vec<u8>, Error> {
    let path = hex::encode(context);
    let params = ObjectParams {
        label: Label::Wrap,
        lineage: LineageId([0; 16]),
        dataset: DatasetId(root_id(root)),
        key_version: 0,
        generation: 0,
        path: &path,
    };
    polder_crypto::seal(root.expose(), &params, rng, plain).map_err(Error::Seal)
}

/// # Errors
/// When the bytes, the context or the root are not those of the wrap.
pub(crate) fn unwrap(root: &DatasetKey, wrapped: &[u8], context: &[u8]) -> Result<Secret<Vec<u8>>, polder_crypto::Error> {
    polder_crypto::open(root.expose(), Label::Wrap, &hex::encode(context), wrapped).map(Secret::new)
}
