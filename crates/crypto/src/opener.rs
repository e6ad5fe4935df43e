//! Reading: the commitment first, the last segment next, and only then plaintext.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::aead::{Aad, LessSafeKey};
use zeroize::Zeroize;

use crate::derive::{commitment_in, context, key_in, nonce, stream_key};
use crate::error::Error;
use crate::geometry::{Geometry, HEADER_LEN, PREFIX_LEN, TAG_LEN, TINK_HEADER_LEN};
use crate::hash::{constant_time_eq, sha256};
use crate::header::{Header, Label};

/// Opens one object, in any order of segments, from many threads.
///
/// A middle segment does not prove the object's length, and only the last one carries the mark of being it. So no segment
/// gives plaintext before the last was opened once: through [`Opener::open_segment`] with the last index (whose range is
/// `sealed_range(last..last + 1)`; objects up to 65,480 bytes have only that one), through [`Opener::verify_length`], or
/// by showing the [`LengthProof`] of an earlier opener of the same object to [`Opener::accept_length`], which costs no request.
/// Until then [`Opener::plain_len`] and the ranges are the claim of whoever told `sealed_len`.
pub struct Opener {
    header: Header,
    key: LessSafeKey,
    nonce_prefix: [u8; 7],
    geometry: Geometry,
    context_hash: [u8; 32],
    length_authenticated: AtomicBool,
}

/// That an object, known by its name, header and key, has a certain length. Only an [`Opener`] that opened the last segment
/// makes one. A cache may keep it under the path; it holds no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthProof {
    context_hash: [u8; 32],
    commitment: [u8; 32],
    sealed_len: u64,
}

impl Opener {
    /// Checks the header and the commitment. `prefix` is the object's first 168 bytes (more may follow), `sealed_len` the
    /// length of the whole object.
    ///
    /// # Errors
    /// When the header is not as written, the key or the path are not those of the object, or no object has that length.
    pub fn new(dataset_key: &[u8; 32], label: Label, path: &str, prefix: &[u8], sealed_len: u64) -> Result<Self, Error> {
        let header = Header::parse(prefix)?;
        let context = context(label, &header, path);
        if !constant_time_eq(&commitment_in(dataset_key, &header, &context), &header.commitment) {
            return Err(Error::Commitment);
        }
        let geometry = Geometry::new(sealed_len).ok_or(Error::Length)?;
        let mut tink = prefix.get(HEADER_LEN..PREFIX_LEN).ok_or(Error::Length)?;
        let context_hash = sha256(&[tink, &context].concat());
        if take::<1>(&mut tink)? != [u8::try_from(TINK_HEADER_LEN).unwrap_or_default()] {
            return Err(Error::Reserved);
        }
        let salt = take::<32>(&mut tink)?;
        let nonce_prefix = take::<7>(&mut tink)?;
        let key = stream_key(&key_in(dataset_key, &header, &context), &salt, &context)?;
        Ok(Self { header, key, nonce_prefix, geometry, context_hash, length_authenticated: AtomicBool::new(false) })
    }

    /// The header that the commitment was checked for.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Plaintext bytes of the object. A claim until [`Opener::length_authenticated`].
    pub fn plain_len(&self) -> u64 {
        self.geometry.plain_len()
    }

    /// Bytes of the sealed object, as given to [`Opener::new`].
    pub fn sealed_len(&self) -> u64 {
        self.geometry.sealed_len()
    }

    /// How many segments the object has (at least 1).
    pub fn segment_count(&self) -> u32 {
        self.geometry.last().saturating_add(1)
    }

    /// The last segment's index, the one to open first.
    pub fn last_segment(&self) -> u32 {
        self.geometry.last()
    }

    /// The segments that cover a range of plaintext, cut at the object's end; empty for an empty range.
    pub fn segments_for(&self, plain: Range<u64>) -> Range<u32> {
        self.geometry.segments_for(&plain)
    }

    /// The bytes of adjacent segments in the sealed object. Neither header is among them.
    pub fn sealed_range(&self, segments: Range<u32>) -> Range<u64> {
        self.geometry.sealed_range(&segments)
    }

    /// The plaintext bytes that adjacent segments hold.
    pub fn plain_range(&self, segments: Range<u32>) -> Range<u64> {
        self.geometry.plain_range(&segments)
    }

    /// Whether the last segment was opened, here or by the opener whose proof was accepted.
    pub fn length_authenticated(&self) -> bool {
        self.length_authenticated.load(Ordering::Acquire)
    }

    /// Authenticates the length: `sealed` is the last segment. Its plaintext is not kept.
    ///
    /// # Errors
    /// When the object was cut, extended or changed.
    pub fn verify_length(&self, sealed: &[u8]) -> Result<(), Error> {
        let mut plaintext = Vec::new();
        let opened = self.open_segment(self.geometry.last(), sealed, &mut plaintext);
        plaintext.zeroize();
        opened
    }

    /// What a later opener of the same object accepts instead of its last segment. `None` before the length is authenticated.
    pub fn length_proof(&self) -> Option<LengthProof> {
        self.length_authenticated().then(|| self.proof())
    }

    /// Takes an earlier opener's word for the length.
    ///
    /// # Errors
    /// When the proof is of another object, or of this one with another length.
    pub fn accept_length(&self, proof: &LengthProof) -> Result<(), Error> {
        if *proof != self.proof() {
            return Err(Error::Length);
        }
        self.length_authenticated.store(true, Ordering::Release);
        Ok(())
    }

    fn proof(&self) -> LengthProof {
        LengthProof { context_hash: self.context_hash, commitment: self.header.commitment, sealed_len: self.geometry.sealed_len() }
    }

    /// Authenticates one segment and appends its plaintext to `out`. On an error `out` is as before.
    ///
    /// # Errors
    /// When the segment was changed, moved or cut, or another one is asked for before the last was opened.
    pub fn open_segment(&self, index: u32, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let last = index == self.geometry.last();
        if !last && !self.length_authenticated() {
            return Err(Error::LengthNotAuthenticated);
        }
        let expected = self.geometry.sealed_segment(index);
        let failed = Error::Segment { index };
        if expected.is_empty() || expected.end - expected.start != sealed.len() as u64 {
            return Err(failed);
        }
        let Some((ciphertext, tag)) = sealed.split_last_chunk::<TAG_LEN>() else { return Err(failed) };
        let start = out.len();
        out.resize(start + ciphertext.len(), 0);
        let target = out.get_mut(start..).ok_or(Error::Cipher)?;
        let nonce = nonce(self.nonce_prefix, index, last);
        if self.key.open_separate_gather(nonce, Aad::empty(), ciphertext, tag, target).is_err() {
            target.zeroize(); // the cipher may have written unauthenticated plaintext
            out.truncate(start);
            return Err(failed);
        }
        if last {
            self.length_authenticated.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Authenticates adjacent segments, whose sealed bytes are `sealed_range(segments)`, and appends their plaintext to `out`.
    /// When the last segment is among them it is opened first. On an error `out` is as before.
    ///
    /// # Errors
    /// As [`Opener::open_segment`].
    pub fn open_segments(&self, segments: Range<u32>, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let whole = self.geometry.sealed_range(&segments);
        if whole.end - whole.start != sealed.len() as u64 {
            return Err(Error::Length);
        }
        let piece = |index: u32| {
            let range = self.geometry.sealed_segment(index);
            let start = usize::try_from(range.start.saturating_sub(whole.start)).ok()?;
            let end = usize::try_from(range.end.saturating_sub(whole.start)).ok()?;
            sealed.get(start..end)
        };
        let last = self.geometry.last();
        if segments.contains(&last) && !self.length_authenticated() {
            self.verify_length(piece(last).ok_or(Error::Length)?)?;
        }
        let start = out.len();
        out.reserve(usize::try_from(self.geometry.plain_len().min(sealed.len() as u64)).unwrap_or_default());
        for index in segments {
            let opened = piece(index).ok_or(Error::Length).and_then(|bytes| self.open_segment(index, bytes, out));
            if let Err(error) = opened {
                if let Some(plaintext) = out.get_mut(start..) {
                    plaintext.zeroize();
                }
                out.truncate(start);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Opens a whole object.
///
/// # Errors
/// When any part of it is not as it was sealed for this key, label and path.
pub fn open(dataset_key: &[u8; 32], label: Label, path: &str, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let opener = Opener::new(dataset_key, label, path, sealed, sealed.len() as u64)?;
    let mut out = Vec::with_capacity(usize::try_from(opener.plain_len()).map_err(|_| Error::Length)?);
    let body = sealed.get(PREFIX_LEN..).ok_or(Error::Length)?;
    opener.open_segments(0..opener.segment_count(), body, &mut out)?;
    Ok(out)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Error> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(Error::Length)?;
    *rest = tail;
    Ok(*head)
}
