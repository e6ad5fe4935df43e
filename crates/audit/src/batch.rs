//! One group commit as one object: `journal/<dataset>/batch/<first index>`.

use bytes::{BufMut, Bytes, BytesMut};

use crate::note::{Checkpoint, Verifier};
use crate::tile::{decode_bundle, encode_bundle};

const MAGIC: &[u8; 16] = b"polder.batch.1\n\n";
/// The directory of all batches.
pub(crate) const BATCHES: &str = "batch";

/// Entries `first..checkpoint.head.size`, and the checkpoint that they lead to.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) first: u64,
    pub(crate) entries: Vec<Bytes>,
    pub(crate) checkpoint: Checkpoint,
}

impl Batch {
    /// Magic, the length of the note in four bytes (big-endian), the note, the entries as in an entry bundle.
    pub(crate) fn encode(&self) -> Option<Bytes> {
        let bundle = encode_bundle(&self.entries)?;
        let note = self.checkpoint.note.as_bytes();
        let mut bytes = BytesMut::with_capacity(MAGIC.len() + 4 + note.len() + bundle.len());
        bytes.put_slice(MAGIC);
        bytes.put_u32(u32::try_from(note.len()).ok()?);
        bytes.put_slice(note);
        bytes.put_slice(&bundle);
        Some(bytes.freeze())
    }

    /// Reads a batch and checks its signature and that its count of entries is the one it was signed for.
    pub(crate) fn decode(first: u64, bytes: &Bytes, verifier: &Verifier) -> Result<Self, &'static str> {
        let malformed = "it is not a group of entries";
        let rest = bytes.strip_prefix(MAGIC).ok_or(malformed)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(malformed)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| malformed)?;
        let (note, bundle) = rest.split_at_checked(length).ok_or(malformed)?;
        let note = std::str::from_utf8(note).map_err(|_| malformed)?;
        let checkpoint = Checkpoint::parse(note, verifier)?;
        let entries = decode_bundle(&bytes.slice_ref(bundle)).ok_or(malformed)?;
        if entries.is_empty() || first.checked_add(entries.len() as u64) != Some(checkpoint.head.size) {
            return Err("its entries are not those that its checkpoint counts");
        }
        Ok(Self { first, entries, checkpoint })
    }

    pub(crate) fn end(&self) -> u64 {
        self.checkpoint.head.size
    }
}

/// `batch/00000000000000000017`
pub(crate) fn path(first: u64) -> String {
    format!("{BATCHES}/{first:020}")
}

/// The index in a batch's name below [`BATCHES`].
pub(crate) fn parse_name(name: &str) -> Option<u64> {
    let digits = name.len() == 20 && name.bytes().all(|digit| digit.is_ascii_digit());
    if digits { name.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf_hash;
    use crate::note::Head;
    use crate::note::tests::TestSigner;

    #[test]
    fn a_batch_reads_back_and_no_part_of_it_can_be_cut() {
        let signer = TestSigner::new("polder/x", 1);
        let verifier = signer.verifier();
        let head = Head { size: 7, root: leaf_hash(b"r"), epoch: 1, keyring: 2 };
        let checkpoint = Checkpoint::sign(head, &verifier, &signer).unwrap();
        let batch = Batch { first: 5, entries: vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")], checkpoint };
        let bytes = batch.encode().unwrap();
        let read = Batch::decode(5, &bytes, &verifier).unwrap();
        assert_eq!((read.entries, read.checkpoint, read.first), (batch.entries, batch.checkpoint, 5));
        assert!(Batch::decode(4, &bytes, &verifier).is_err());
        for length in 0..bytes.len() {
            assert!(Batch::decode(5, &bytes.slice(..length), &verifier).is_err(), "{length}");
        }
        assert_eq!(parse_name("00000000000000000017"), Some(17));
        for bad in ["17", "+0000000000000000017", "", "000000000000000000170"] {
            assert_eq!(parse_name(bad), None, "{bad}");
        }
    }
}
