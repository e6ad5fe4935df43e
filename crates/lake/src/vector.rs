//! Deletion vectors: which rows of a data file are not in the table any more, though they lie in the file. The bytes are those of
//! the Delta protocol; a vector that is small stands in the table log, the others of a commit share one object.

use std::sync::Arc;

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::BooleanBuffer;
use bytes::Bytes;
use deltalake_core::kernel::{DeletionVectorDescriptor, StorageType};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use polder_types::{DatasetId, Rng};
use roaring::RoaringTreemap;
use tokio::sync::OnceCell;

use crate::error::Error;
use crate::lake::Lake;
use crate::log::data_path;
use crate::snapshot::DataFile;

/// Positions of rows in a file, from 0.
pub(crate) type Positions = RoaringTreemap;

/// The protocol's number of the portable format.
const MAGIC: [u8; 4] = 1_681_511_377u32.to_le_bytes();
/// The first byte of an object of vectors.
const OBJECT_VERSION: u8 = 1;
/// Bytes of a vector that stands in the log: about a hundred rows that lie apart. Every reader of the table reads the whole log.
const INLINE_BYTES_MAX: usize = 256;
/// Bytes of Z85 that name an object.
const NAME_LENGTH: usize = 20;
const GONE: &str = "the table log names this deletion vector, and it is gone";
/// Why an older version cannot be read.
pub(crate) const VACUUMED: &str = "vacuum has deleted its files";
const OBJECT_PREFIX: &str = "deletion_vector_";
const OBJECT_SUFFIX: &str = ".bin";

/// Whether a file of a table's folder holds deletion vectors, by its name.
pub(crate) fn holds_vectors(name: &str) -> bool {
    name.strip_prefix(OBJECT_PREFIX).and_then(|rest| rest.strip_suffix(OBJECT_SUFFIX)).is_some()
}

/// The deletion vector of a data file, read when it is needed and then kept.
#[derive(Clone)]
pub(crate) struct Vector {
    /// What the table log says of it.
    pub descriptor: DeletionVectorDescriptor,
    /// The object that holds it; none when the log does.
    pub object: Option<Path>,
    /// Rows that it takes out.
    pub rows: u64,
    positions: Arc<OnceCell<Arc<Positions>>>,
}

impl Vector {
    /// The vector that a version names for `file`.
    pub(crate) fn new(dataset: DatasetId, file: &Path, descriptor: DeletionVectorDescriptor) -> Result<Self, Error> {
        let foreign = |finding| Error::Integrity { object: file.to_string(), finding };
        let object = match descriptor.storage_type {
            StorageType::Inline => None,
            StorageType::UuidRelativePath => {
                let name = name(&descriptor.path_or_inline_dv);
                Some(data_path(dataset, &name.ok_or_else(|| foreign("the table log gives its deletion vector no proper name"))?))
            }
            StorageType::AbsolutePath => return Err(foreign("the table log names a deletion vector outside of the table")),
        };
        let rows = u64::try_from(descriptor.cardinality);
        let rows = rows.map_err(|_| foreign("the table log's deletion vector of this file takes out a negative number of rows"))?;
        Ok(Self { descriptor, object, rows, positions: Arc::default() })
    }

    /// The positions, of a file of `rows` rows.
    async fn positions(&self, store: &dyn ObjectStore, file: &Path, rows: u64) -> Result<Arc<Positions>, Error> {
        self.positions.get_or_try_init(|| self.read(store, file, rows)).await.cloned()
    }

    async fn read(&self, store: &dyn ObjectStore, file: &Path, rows: u64) -> Result<Arc<Positions>, Error> {
        let holder = self.object.as_ref().unwrap_or(file);
        let broken = |finding| Error::Integrity { object: holder.to_string(), finding };
        let size = usize::try_from(self.descriptor.size_in_bytes).map_err(|_| broken("the table log gives a vector a negative size"))?;
        let positions = match &self.object {
            None => {
                // What follows is padding.
                let bytes = z85::decode(&self.descriptor.path_or_inline_dv).ok();
                bytes.as_deref().and_then(|bytes| bytes.get(..size)).and_then(decoded)
            }
            Some(object) => {
                let start = self.descriptor.offset.map_or(Ok(1), u64::try_from).map_err(|_| broken("a vector has a negative offset"))?;
                let length = u64::try_from(size).unwrap_or(u64::MAX).saturating_add(8);
                let bytes = match store.get_range(object, start..start.saturating_add(length)).await {
                    Ok(bytes) => bytes,
                    Err(object_store::Error::NotFound { .. }) => {
                        return Err(broken(GONE));
                    }
                    Err(error) => return Err(Error::store("read", object, error)),
                };
                framed(&bytes, size).and_then(decoded)
            }
        };
        let positions = positions.ok_or_else(|| broken("it is not the deletion vector that the table log describes"))?;
        if positions.len() != self.rows || positions.max().is_some_and(|last| last >= rows) {
            return Err(broken("the deletion vector does not take out the rows that the table log says"));
        }
        Ok(Arc::new(positions))
    }
}

impl Lake {
    /// The rows of a data file of the visible version that are not in the table; none when all are.
    pub(crate) async fn deleted(&self, dataset: DatasetId, file: &DataFile) -> Result<Option<Arc<Positions>>, Error> {
        let Some(vector) = &file.vector else { return Ok(None) };
        let read = vector.positions(self.objects(), &file.path, file.rows).await;
        self.close_on_integrity(dataset, read).await.map(Some)
    }

    /// The same of an older version, of which vacuum may have deleted an object meanwhile.
    pub(crate) async fn deleted_then(&self, dataset: DatasetId, version: u64, file: &DataFile) -> Result<Option<Arc<Positions>>, Error> {
        let Some(vector) = &file.vector else { return Ok(None) };
        match vector.positions(self.objects(), &file.path, file.rows).await {
            Err(Error::Integrity { finding: GONE, .. }) => Err(Error::NoVersion { dataset, version, reason: VACUUMED }),
            read => self.close_on_integrity(dataset, read).await.map(Some),
        }
    }
}

/// The name of the object whose shortened form the log holds: what comes before the 20 characters would be a folder, which this
/// program never makes.
fn name(short: &str) -> Option<String> {
    let bytes = (short.len() == NAME_LENGTH).then(|| z85::decode(short).ok()).flatten()?;
    let id = uuid::Uuid::from_slice(&bytes).ok()?;
    Some(format!("{OBJECT_PREFIX}{id}{OBJECT_SUFFIX}"))
}

/// The bytes of a vector within its frame: size, bytes, checksum.
fn framed(frame: &[u8], size: usize) -> Option<&[u8]> {
    let (length, rest) = frame.split_first_chunk::<4>()?;
    let (bytes, checksum) = rest.split_at_checked(size)?;
    let whole = usize::try_from(u32::from_be_bytes(*length)).ok()? == size && *checksum == crc32fast::hash(bytes).to_be_bytes();
    whole.then_some(bytes)
}

fn decoded(bytes: &[u8]) -> Option<Positions> {
    Positions::deserialize_from(bytes.strip_prefix(&MAGIC)?).ok()
}

fn encoded(positions: &Positions, dataset: DatasetId) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(positions.serialized_size().saturating_add(MAGIC.len()));
    bytes.extend_from_slice(&MAGIC);
    positions.serialize_into(&mut bytes).map_err(|_| Error::Internal { step: "encode a deletion vector", dataset })?;
    Ok(bytes)
}

/// The vectors of one commit: what does not stand in the log is put into one object, which `claim` hears of before it is made.
pub(crate) async fn store_vectors(
    store: &dyn ObjectStore,
    rng: &dyn Rng,
    dataset: DatasetId,
    claim: &(dyn Fn(&Path) + Send + Sync),
    wanted: &[&Positions],
) -> Result<Vec<DeletionVectorDescriptor>, Error> {
    let internal = || Error::Internal { step: "describe a deletion vector", dataset };
    let mut id = [0u8; 16];
    rng.fill(&mut id).map_err(|_| Error::Internal { step: "name a deletion vector", dataset })?;
    let id = uuid::Builder::from_random_bytes(id).into_uuid();
    let mut object = vec![OBJECT_VERSION];
    let mut descriptors = Vec::with_capacity(wanted.len());
    for positions in wanted {
        let mut bytes = encoded(positions, dataset)?;
        let size_in_bytes = i32::try_from(bytes.len()).map_err(|_| internal())?;
        let cardinality = i64::try_from(positions.len()).map_err(|_| internal())?;
        descriptors.push(if bytes.len() <= INLINE_BYTES_MAX {
            // Z85 is of groups of four.
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            let text = z85::encode(&bytes);
            DeletionVectorDescriptor {
                storage_type: StorageType::Inline,
                path_or_inline_dv: text,
                offset: None,
                size_in_bytes,
                cardinality,
            }
        } else {
            let offset = Some(i32::try_from(object.len()).map_err(|_| internal())?);
            object.extend_from_slice(&size_in_bytes.to_be_bytes());
            object.extend_from_slice(&bytes);
            object.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
            let short = z85::encode(id.as_bytes());
            let storage_type = StorageType::UuidRelativePath;
            DeletionVectorDescriptor { storage_type, path_or_inline_dv: short, offset, size_in_bytes, cardinality }
        });
    }
    if object.len() > 1 {
        let path = data_path(dataset, &format!("{OBJECT_PREFIX}{id}{OBJECT_SUFFIX}"));
        claim(&path);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = store.put_opts(&path, Bytes::from(object).into(), options).await;
        put.map_err(|error| Error::store("write", &path, error))?;
    }
    Ok(descriptors)
}

/// Which of the `rows` rows from position `first` on are not among `gone`; none when all are not.
pub(crate) fn kept(gone: &Positions, first: u64, rows: usize) -> Option<BooleanBuffer> {
    let mut places = within(gone, first, rows).peekable();
    places.peek()?;
    let mut bits = BooleanBufferBuilder::new(rows);
    bits.append_n(rows, true);
    places.for_each(|place| bits.set_bit(place, false));
    Some(bits.finish())
}

/// Which of the `rows` rows from position `first` on are among `wanted`; none when none are.
pub(crate) fn chosen(wanted: &Positions, first: u64, rows: usize) -> Option<BooleanBuffer> {
    let mut places = within(wanted, first, rows).peekable();
    places.peek()?;
    let mut bits = BooleanBufferBuilder::new(rows);
    bits.append_n(rows, false);
    places.for_each(|place| bits.set_bit(place, true));
    Some(bits.finish())
}

/// The positions from `first` on, for `rows` rows, counted from `first`.
fn within(positions: &Positions, first: u64, rows: usize) -> impl Iterator<Item = usize> + '_ {
    let mut from = positions.iter();
    from.advance_to(first);
    from.map_while(move |position| usize::try_from(position.checked_sub(first)?).ok().filter(|place| *place < rows))
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use polder_types::SeededRng;

    use super::*;

    const DATASET: DatasetId = DatasetId([5; 16]);

    fn file() -> Path {
        data_path(DATASET, "part-0.parquet")
    }

    async fn stored(store: &InMemory, wanted: &[&Positions]) -> Vec<Vector> {
        let descriptors = store_vectors(store, &SeededRng::new(3), DATASET, &|_| {}, wanted).await.unwrap();
        descriptors.into_iter().map(|descriptor| Vector::new(DATASET, &file(), descriptor).unwrap()).collect()
    }

    #[tokio::test]
    async fn vectors_come_back_from_the_log_and_from_an_object() {
        let store = InMemory::new();
        let few: Positions = [0, 7, 65_536, (1 << 32) + 5].into_iter().collect();
        let many: Positions = (0..200_000u64).filter(|position| position % 3 == 0).collect();
        let run: Positions = (1_000..900_000u64).collect();
        let vectors = stored(&store, &[&few, &many, &run]).await;
        assert_eq!(vectors.iter().map(|vector| vector.object.is_some()).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(vectors[1].object, vectors[2].object, "the vectors of a commit share an object");
        assert!(holds_vectors(vectors[1].object.as_ref().unwrap().filename().unwrap()));
        for (vector, positions) in vectors.iter().zip([&few, &many, &run]) {
            assert_eq!(vector.positions(&store, &file(), 1 << 33).await.unwrap().as_ref(), positions);
        }
    }

    #[tokio::test]
    async fn what_the_log_does_not_describe_is_refused() {
        let store = InMemory::new();
        let many: Positions = (0..10_000u64).map(|position| position * 2).collect();
        let vector = stored(&store, &[&many]).await.remove(0);
        let object = vector.object.clone().unwrap();
        let whole = store.get(&object).await.unwrap().bytes().await.unwrap();
        let refused = async |vector: &Vector, rows| {
            let again = Vector { positions: Arc::default(), ..vector.clone() };
            again.positions(&store, &file(), rows).await.unwrap_err()
        };
        // A row that the file does not have, a row more, another place.
        assert_eq!(refused(&vector, 19_998).await.kind(), polder_types::ErrorKind::Corrupt);
        assert_eq!(refused(&Vector { rows: 10_001, ..vector.clone() }, 20_000).await.kind(), polder_types::ErrorKind::Corrupt);
        let mut moved = vector.clone();
        moved.descriptor.offset = Some(2);
        assert_eq!(refused(&moved, 20_000).await.kind(), polder_types::ErrorKind::Corrupt);
        for flipped in [0, 1, 5, 9, whole.len() / 2, whole.len() - 1] {
            let mut bytes = whole.to_vec();
            bytes[flipped] ^= 1;
            store.put(&object, bytes.into()).await.unwrap();
            // The first byte is the object's, and stands before the vector.
            let read = Vector { positions: Arc::default(), ..vector.clone() }.positions(&store, &file(), 20_000).await;
            assert_eq!(read.is_err(), flipped > 0, "{flipped}");
        }
        store.delete(&object).await.unwrap();
        let gone = refused(&vector, 20_000).await;
        assert!(gone.to_string().contains("it is gone") && gone.to_string().contains(object.as_ref()), "{gone}");
    }

    #[test]
    fn a_name_is_the_protocols_example() {
        let short = "vBn[lx{q8@P<9BNH/isA";
        assert_eq!(name(short).unwrap(), "deletion_vector_61d16c75-6994-46b7-a15b-8b538852e50e.bin");
        // A folder before it is not ours.
        assert_eq!(name("ab^-aqEH.-t@S}K{vb[*k^"), None);
        assert!(!holds_vectors("part-0.parquet") && holds_vectors("deletion_vector_x.bin"));
    }

    #[test]
    fn bits_are_counted_from_the_first_row() {
        let positions: Positions = [3, 9, 10, 64].into_iter().collect();
        let bits = |buffer: Option<BooleanBuffer>| buffer.map(|bits| bits.iter().map(u8::from).collect::<Vec<_>>());
        assert_eq!(bits(kept(&positions, 8, 4)), Some(vec![1, 0, 0, 1]));
        assert_eq!(bits(chosen(&positions, 8, 4)), Some(vec![0, 1, 1, 0]));
        assert_eq!(bits(kept(&positions, 11, 53)), None);
        assert_eq!(bits(chosen(&positions, 65, 100)), None);
        assert_eq!(bits(kept(&positions, 64, 1)), Some(vec![0]));
    }
}
