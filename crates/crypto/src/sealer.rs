//! Writing: plaintext in pieces of any size, sealed segments out.

use aws_lc_rs::aead::{Aad, LessSafeKey};
use polder_types::Rng;
use zeroize::Zeroize;

use crate::derive::{commitment_in, context, key_in, nonce, stream_key};
use crate::error::Error;
use crate::geometry::{FIRST_PLAIN, OTHER_PLAIN, PREFIX_LEN, TINK_HEADER_LEN, sealed_len};
use crate::header::{Header, ObjectParams};

/// Seals one object. Segments are sealed in place in the caller's buffer; what is held back is one segment at most, because
/// only what comes next tells whether a full segment is the last.
pub struct Sealer {
    key: LessSafeKey,
    nonce_prefix: [u8; 7],
    index: u32,
    pending: Vec<u8>,
}

impl Sealer {
    /// A sealer, and the 168 bytes that come first in the object.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(dataset_key: &[u8; 32], params: &ObjectParams<'_>, rng: &dyn Rng) -> Result<(Self, Vec<u8>), Error> {
        let mut header = Header {
            lineage: params.lineage,
            dataset: params.dataset,
            key_version: params.key_version,
            generation: params.generation,
            message_id: [0; 32],
            commitment: [0; 32],
        };
        let mut salt = [0; 32];
        let mut nonce_prefix = [0; 7];
        rng.fill(&mut header.message_id)?;
        rng.fill(&mut salt)?;
        rng.fill(&mut nonce_prefix)?;
        let context = context(params.label, &header, params.path);
        header.commitment = commitment_in(dataset_key, &header, &context);
        let key = stream_key(&key_in(dataset_key, &header, &context), &salt, &context)?;
        let mut prefix = Vec::with_capacity(PREFIX_LEN);
        prefix.extend_from_slice(&header.encode());
        prefix.push(u8::try_from(TINK_HEADER_LEN).unwrap_or_default());
        prefix.extend_from_slice(&salt);
        prefix.extend_from_slice(&nonce_prefix);
        Ok((Self { key, nonce_prefix, index: 0, pending: Vec::new() }, prefix))
    }

    /// Takes plaintext; appends to `out` the segments that became complete.
    ///
    /// # Errors
    /// When the object grows past 2^32 - 1 segments.
    pub fn update(&mut self, mut plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        while !plaintext.is_empty() {
            let room = self.capacity() - self.pending.len();
            if room == 0 {
                // More follows, so the full segment is not the last.
                let mut pending = std::mem::take(&mut self.pending);
                let sealed = self.segment(&pending, false, out);
                pending.clear();
                self.pending = pending;
                sealed?;
            } else if self.pending.is_empty() && plaintext.len() > room {
                let (segment, rest) = plaintext.split_at(room);
                self.segment(segment, false, out)?;
                plaintext = rest;
            } else {
                let (head, rest) = plaintext.split_at(room.min(plaintext.len()));
                if self.pending.capacity() < OTHER_PLAIN && self.pending.len() + head.len() > self.pending.capacity() {
                    self.grow_pending(head.len());
                }
                self.pending.extend_from_slice(head);
                plaintext = rest;
            }
        }
        Ok(())
    }

    /// Seals the last segment, which may be empty only in an empty object.
    ///
    /// # Errors
    /// When the object has more than 2^32 - 1 segments.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let pending = std::mem::take(&mut self.pending);
        let sealed = self.segment(&pending, true, out);
        self.pending = pending; // wiped by drop
        sealed
    }

    fn capacity(&self) -> usize {
        if self.index == 0 { FIRST_PLAIN } else { OTHER_PLAIN }
    }

    /// A vector that grows by itself leaves unwiped plaintext behind in freed memory.
    fn grow_pending(&mut self, more: usize) {
        let want = if self.pending.is_empty() { more } else { OTHER_PLAIN };
        let mut grown = Vec::with_capacity(want.max(self.pending.len() + more));
        grown.extend_from_slice(&self.pending);
        self.pending.zeroize();
        self.pending = grown;
    }

    fn segment(&mut self, plaintext: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), Error> {
        // One segment fewer than Tink can count, so that a count of segments fits 32 bits.
        let next = self.index.checked_add(1).ok_or(Error::TooLong)?;
        let start = out.len();
        out.extend_from_slice(plaintext);
        let target = out.get_mut(start..).ok_or(Error::Cipher)?;
        match self.key.seal_in_place_separate_tag(nonce(self.nonce_prefix, self.index, last), Aad::empty(), target) {
            Ok(tag) => out.extend_from_slice(tag.as_ref()),
            Err(_) => {
                target.zeroize();
                out.truncate(start);
                return Err(Error::Cipher);
            }
        }
        self.index = next;
        Ok(())
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.pending.zeroize();
    }
}

/// Seals a whole object.
///
/// # Errors
/// When there is no randomness.
pub fn seal(dataset_key: &[u8; 32], params: &ObjectParams<'_>, rng: &dyn Rng, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut sealer, mut out) = Sealer::new(dataset_key, params, rng)?;
    let total = usize::try_from(sealed_len(plaintext.len() as u64)).map_err(|_| Error::TooLong)?;
    out.reserve_exact(total.saturating_sub(out.len()));
    sealer.update(plaintext, &mut out)?;
    sealer.finish(&mut out)?;
    Ok(out)
}
