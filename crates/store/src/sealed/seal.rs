//! Writing one object: plaintext in pieces, sealed bytes to a file under `tmp/` or on their way to a bucket, a name when it is whole.

use polder_crypto::{Label, ObjectParams, SEGMENT_LEN, Sealer};

use super::Inner;
use crate::backend::{Draft, Stat};
use crate::error::Error;
use crate::layout::ObjectPath;

/// Plaintext that is sealed before it is written; what a writer holds is this and two segments at most.
const BATCH_BYTES: usize = 1 << 20;

/// An object that is being sealed.
pub(super) struct Sealing {
    path: String,
    draft: Draft,
    sealer: Sealer,
    sealed: Vec<u8>,
    key_version: u32,
    generation: u64,
    /// What it takes the place of.
    replaces: Option<Stat>,
}

impl Inner {
    /// Begins an object under the current key.
    pub(super) fn begin(&self, path: &str, generation: u64) -> Result<Sealing, Error> {
        let dataset = ObjectPath::parse(path)?.dataset;
        let (key_version, key) = self.keys.seal_key(dataset).map_err(|source| Error::Key { path: path.to_owned(), source })?;
        let lineage = self.keys.lineage();
        let params = ObjectParams { label: Label::Object, lineage, dataset, key_version, generation, path };
        let (sealer, prefix) = Sealer::new(key.expose(), &params, self.rng.as_ref()).map_err(|source| Error::seal(path, source))?;
        let draft = self.backend.draft(path)?;
        Ok(Sealing { path: path.to_owned(), draft, sealer, sealed: prefix, key_version, generation, replaces: None })
    }

    /// Begins an object that must not exist.
    pub(super) fn begin_create(&self, path: &str) -> Result<Sealing, Error> {
        let generation = self.generation_after(path, 0)?;
        self.begin(path, generation)
    }

    /// Begins an object that takes the place of what is there, which must be authentic: its generation is built upon.
    pub(super) fn begin_overwrite(&self, path: &str) -> Result<Sealing, Error> {
        match self.open(path) {
            Ok(object) => {
                let generation = self.generation_after(path, object.header().generation)?;
                Ok(Sealing { replaces: Some(object.stat().clone()), ..self.begin(path, generation)? })
            }
            Err(Error::NotFound { .. }) => self.begin_create(path),
            Err(error) => Err(error),
        }
    }

    /// Gives a sealed object its name; returns its tag.
    pub(super) fn publish(&self, sealing: Sealing) -> Result<String, Error> {
        let (path, generation, replaces) = (sealing.path.clone(), sealing.generation, sealing.replaces.clone());
        let draft = sealing.finish()?;
        let e_tag = match &replaces {
            Some(before) => draft.replace(&path, before)?,
            None => draft.create(&path)?,
        };
        self.saw(&path, generation);
        Ok(e_tag)
    }
}

impl Sealing {
    pub(super) fn key_version(&self) -> u32 {
        self.key_version
    }

    /// Seals plaintext and writes what became complete.
    pub(super) fn write(&mut self, plaintext: &[u8]) -> Result<(), Error> {
        for batch in plaintext.chunks(BATCH_BYTES) {
            if self.sealed.len() + batch.len() > BATCH_BYTES {
                self.flush()?;
            }
            // A batch, the segment held back before it, and the tags; never more than is needed.
            self.sealed.reserve_exact(batch.len() + 2 * SEGMENT_LEN);
            self.sealer.update(batch, &mut self.sealed).map_err(|source| Error::seal(&self.path, source))?;
        }
        Ok(())
    }

    /// Bytes that are held: the buffer as it is, and the segment that the sealer holds back.
    pub(super) fn held_bytes(&self) -> u64 {
        (self.sealed.capacity() + SEGMENT_LEN) as u64
    }

    /// Seals the end; what comes out is whole, and has no name yet.
    pub(super) fn finish(self) -> Result<Draft, Error> {
        let Self { path, mut draft, sealer, mut sealed, .. } = self;
        sealer.finish(&mut sealed).map_err(|source| Error::seal(&path, source))?;
        draft.write_all(&sealed)?;
        Ok(draft)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.draft.write_all(&self.sealed)?;
        self.sealed.clear();
        Ok(())
    }
}
