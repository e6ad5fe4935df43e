//! Reading one object: one open, the commitment, the length, then only the segments that are asked for.

use std::ops::Range;

use bytes::Bytes;
use polder_crypto::{Header, Label, Opener, PREFIX_LEN, SEGMENT_LEN};

use super::Inner;
use crate::backend::{ReadObject, Stat};
use crate::error::Error;
use crate::layout::ObjectPath;

/// Segments that are held at once when a whole object passes through: 2 MiB.
const WINDOW_SEGMENTS: u32 = 32;
/// An object of one segment is read with its prefix, in one go.
const WHOLE_MAX_BYTES: u64 = PREFIX_LEN as u64 + SEGMENT_LEN as u64;

/// An object whose header and length are authenticated.
pub(super) struct Object {
    path: String,
    file: ReadObject,
    opener: Opener,
    /// The object's first bytes, as far as they were read.
    head: Vec<u8>,
}

impl Inner {
    /// Opens an object: one request.
    pub(super) fn open(&self, path: &str) -> Result<Object, Error> {
        let parsed = ObjectPath::parse(path)?;
        let file = self.backend.open_file(path)?;
        let &Stat { identity, len, .. } = file.stat();
        let head = file.read_at(0, if len <= WHOLE_MAX_BYTES { len } else { PREFIX_LEN as u64 })?;
        let opener = self.opener(path, &parsed, &head, len)?;
        let Header { generation, key_version, .. } = *opener.header();
        let oldest = self.oldest(parsed.dataset);
        if key_version < oldest {
            return Err(Error::OlderKey { path: path.to_owned(), key_version, oldest });
        }
        let seen = self.seen(path);
        if generation < seen {
            return Err(Error::RolledBack { path: path.to_owned(), found: generation, seen });
        }
        let object = Object { path: path.to_owned(), file, opener, head };
        // A proof for the wrong object is refused, so the worst that a stale one costs is the last segment's reading.
        let known = self.proof(path, identity).is_some_and(|proof| object.opener.accept_length(&proof).is_ok());
        if !known {
            let last = object.opener.last_segment();
            let sealed = object.sealed(last..object.opener.segment_count())?;
            object.opener.verify_length(&sealed).map_err(|source| Error::open(path, source))?;
            if let Some(proof) = object.opener.length_proof() {
                self.keep_proof(path, identity, proof);
            }
        }
        self.saw(path, generation);
        Ok(object)
    }

    /// The key comes from the keyring each time, so that keys which were withdrawn open nothing more.
    fn opener(&self, path: &str, parsed: &ObjectPath<'_>, head: &[u8], len: u64) -> Result<Opener, Error> {
        use polder_keys::Error as KeysError;
        let header = Header::parse(head).map_err(|source| Error::open(path, source))?;
        if header.lineage != self.keys.lineage() || header.dataset != parsed.dataset {
            return Err(Error::Foreign { path: path.to_owned() });
        }
        let key = self.keys.open_key(parsed.dataset, header.key_version).map_err(|source| match source {
            KeysError::UnknownDataset(_) | KeysError::UnknownKeyVersion { .. } => Error::NoKey { path: path.to_owned(), source },
            KeysError::Destroyed { key_version, .. } => Error::Destroyed { path: path.to_owned(), key_version, source },
            source => Error::Key { path: path.to_owned(), source },
        })?;
        Opener::new(key.expose(), Label::Object, path, head, len).map_err(|source| Error::open(path, source))
    }
}

impl Object {
    pub(super) fn header(&self) -> &Header {
        self.opener.header()
    }

    pub(super) fn plain_len(&self) -> u64 {
        self.opener.plain_len()
    }

    pub(super) fn stat(&self) -> &Stat {
        self.file.stat()
    }

    /// The plaintext of a range, cut at the object's end.
    pub(super) fn read(&self, plain: Range<u64>) -> Result<Bytes, Error> {
        let segments = self.opener.segments_for(plain.clone());
        if segments.is_empty() {
            return Ok(Bytes::new());
        }
        let covered = self.opener.plain_range(segments.clone());
        let opened = Bytes::from(self.open_segments(segments)?);
        let at = |offset: u64| usize::try_from(offset.saturating_sub(covered.start)).unwrap_or(usize::MAX).min(opened.len());
        Ok(opened.slice(at(plain.start)..at(plain.end)))
    }

    /// The whole plaintext, a window at a time.
    pub(super) fn read_all(&self, mut each: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let count = self.opener.segment_count();
        let mut next = 0;
        while next < count {
            let end = next.saturating_add(WINDOW_SEGMENTS).min(count);
            each(&self.open_segments(next..end)?)?;
            next = end;
        }
        Ok(())
    }

    fn open_segments(&self, segments: Range<u32>) -> Result<Vec<u8>, Error> {
        let sealed = self.sealed(segments.clone())?;
        let mut plaintext = Vec::new();
        let opened = self.opener.open_segments(segments, &sealed, &mut plaintext);
        opened.map_err(|source| Error::open(&self.path, source))?;
        Ok(plaintext)
    }

    /// The sealed bytes of adjacent segments. Fewer when the file was cut after it was opened, which then does not open.
    fn sealed(&self, segments: Range<u32>) -> Result<Vec<u8>, Error> {
        let range = self.opener.sealed_range(segments);
        let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
        match self.head.get(at(range.start)..at(range.end)) {
            Some(sealed) => Ok(sealed.to_vec()),
            None => self.file.read_at(range.start, range.end - range.start),
        }
    }
}
