//! Which rows of a version have the keys of a batch. The batch is what is kept in memory, never the table: as many of the batch's keys as
//! its memory holds are put into an index, the table's key columns are streamed past it, and then the next keys take their place. Where a
//! batch is so large that this takes several passes, most of the table is replaced, and reading its keys again costs less than sorting
//! both sides in sealed space.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt as _;
use polder_contract::{SnapshotKeys, StandingKeys};
use polder_types::ErrorKind;

use crate::error::Error;
use crate::file_reader::FileReader;
use crate::lake::Lake;
use crate::migrate::fitted;
use crate::snapshot::TableSnapshot;
use crate::stage::StagedFile;
use crate::vector::Positions;

mod bounds;
mod index;
mod key;
mod rows;

use bounds::Bounds;
use index::{BYTES_PER_KEY, KeyIndex, MATCHED, UNCHANGED};
use key::{Contents, KeyPlan, Keys};
use rows::{Places, Rows, Visit, Wanted};

/// Where one row in so many of a file is matched, its matched rows are compared with those of the batch, if they are one in so many of
/// these too: to compare takes reading both.
const COMPARED_SHARE: u64 = 10;

const TWICE: &str = "the batch has a key twice, which the gate refuses";

/// Keys of a source in batches, in any order.
pub type SourceKeyBatches<'a> = Box<dyn Iterator<Item = Result<SnapshotKeys, polder_contract::Error>> + Send + 'a>;

/// Which rows of the table go, besides those that the batch's rows take the place of. Only keys that the gate made say so.
pub enum Deletes<'a> {
    /// None.
    None,
    /// The rows of these keys. A key that the batch has too is the batch's.
    Listed(Vec<StandingKeys>),
    /// The rows of every key but these and the batch's: these are all that the source has. Where one of them could not be read, no row goes.
    AllBut(SourceKeyBatches<'a>),
}

impl std::fmt::Debug for Deletes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Listed(_) => "Listed",
            Self::AllBut(_) => "AllBut",
        })
    }
}

/// Keys in batches, in any order; a batch has the key's columns, in any order.
pub(crate) type KeyBatches<'a> = Box<dyn Iterator<Item = Result<RecordBatch, polder_contract::Error>> + Send + 'a>;

/// What [`Deletes`] says, as it is looked for.
pub(crate) enum Going<'a> {
    None,
    Listed(KeyBatches<'a>),
    AllBut(KeyBatches<'a>),
}

impl<'a> From<Deletes<'a>> for Going<'a> {
    fn from(deletes: Deletes<'a>) -> Self {
        match deletes {
            Deletes::None => Self::None,
            Deletes::Listed(keys) => Self::Listed(Box::new(keys.into_iter().map(|keys| Ok(keys.keys().clone())))),
            Deletes::AllBut(keys) => Self::AllBut(Box::new(keys.map(|keys| known(&keys?)))),
        }
    }
}

/// The keys, where they are those of all rows that were read.
fn known(keys: &SnapshotKeys) -> Result<RecordBatch, polder_contract::Error> {
    if keys.unreadable() == 0 {
        return Ok(keys.keys().clone());
    }
    let message = format!("{} rows of the source have keys that could not be read, so nobody knows which rows are gone", keys.unreadable());
    Err(polder_contract::Error::Lookup { message, kind: ErrorKind::Rejected, source: None })
}

/// A batch and the version that it meets.
pub(crate) struct Matching<'a> {
    pub lake: &'a Lake,
    pub version: &'a TableSnapshot,
    pub staged: &'a [StagedFile],
    pub keys: &'a [String],
    /// Only rows that hold NULL in this column count as rows of the table.
    pub current: Option<&'a str>,
    /// Columns that make no difference.
    pub ignored: &'a [&'a str],
    /// Whether every matched row is compared.
    pub compare_all: bool,
    pub memory_bytes: usize,
}

/// What was found.
pub(crate) struct Found {
    /// For each file of the version, the rows that go.
    pub gone: Vec<Positions>,
    /// For each staged file, the rows that the table has already.
    pub unchanged: Vec<Positions>,
    /// Rows of the batch whose key the table has.
    pub matched: u64,
    /// Keys to be deleted that were given.
    pub listed: u64,
    /// Rows of the table that are deleted.
    pub deleted: u64,
}

/// The keys of a part of the batch, and where they met.
struct Pass {
    /// The first of its rows, counted over the staged files.
    first: u64,
    rows: usize,
    met: Vec<Arc<Positions>>,
}

/// What all passes over a version share.
struct Over {
    plan: KeyPlan,
    /// For each file, rows that are not in the version.
    deleted: Vec<Option<Arc<Positions>>>,
    /// Whether a batch has a further column, which holds NULL in rows that count.
    current: Option<String>,
}

impl Over {
    /// Which rows of a batch of a file count as rows of the table.
    fn counting<'a>(&'a self, file: usize, batch: &'a RecordBatch) -> Counting<'a> {
        Counting {
            ended: self.current.as_ref().and_then(|column| batch.column_by_name(column)),
            deleted: self.deleted.get(file).and_then(Option::as_deref),
        }
    }
}

/// See [`Over::counting`].
struct Counting<'a> {
    ended: Option<&'a ArrayRef>,
    deleted: Option<&'a Positions>,
}

impl Counting<'_> {
    fn counts(&self, row: usize, position: u64) -> bool {
        self.ended.is_none_or(|ended| ended.is_null(row)) && self.deleted.is_none_or(|deleted| !deleted.contains(position))
    }
}

impl Matching<'_> {
    fn misuse(&self, reason: &'static str) -> Error {
        Error::Misuse { dataset: self.version.dataset, reason }
    }

    /// Finds what goes and what stays.
    pub(crate) async fn run(&self, going: Going<'_>) -> Result<Found, Error> {
        let dataset = self.version.dataset;
        let plan = KeyPlan::new(&self.version.stored, self.keys, dataset, self.lake.inner.rng.as_ref())?;
        let deleted = self.lake.scan_files(self.version, true).await?.into_iter().map(|file| file.deleted).collect();
        let over = Arc::new(Over { plan, deleted, current: self.current.map(ToOwned::to_owned) });
        let mut found = Found {
            gone: vec![Positions::new(); self.version.files.len()],
            unchanged: vec![Positions::new(); self.staged.len()],
            matched: 0,
            listed: 0,
            deleted: 0,
        };
        let (listed, all_but) = match going {
            Going::None => (None, None),
            Going::Listed(keys) => (Some(keys), None),
            Going::AllBut(keys) => (None, Some(keys)),
        };
        let passes = self.meet(&over, listed, &mut found).await?;
        let met = found.gone.clone();
        self.compare(&over, &passes, &mut found).await?;
        if let Some(keys) = all_but {
            self.rest(&over, keys, &met, &mut found).await?;
        }
        Ok(found)
    }

    /// Keys that the index holds at once. A comparison takes another number for each.
    fn capacity(&self) -> usize {
        (self.memory_bytes / (BYTES_PER_KEY + size_of::<u128>())).max(1)
    }

    /// The columns that passes read: the key, and what tells rows that count.
    fn key_columns(&self, over: &Over) -> Result<SchemaRef, Error> {
        let mut fields: Vec<_> = over.plan.schema.fields().iter().cloned().collect();
        if let Some(column) = self.current {
            let missing = |_| self.misuse("the table does not have the column that tells which rows are current");
            fields.push(Arc::new(self.version.stored.field_with_name(column).map_err(missing)?.clone()));
        }
        Ok(Arc::new(arrow::datatypes::Schema::new(fields)))
    }

    /// Finds the rows of the version that have a key of the batch, or one that is to be deleted.
    async fn meet(&self, over: &Arc<Over>, mut listed: Option<KeyBatches<'_>>, found: &mut Found) -> Result<Vec<Pass>, Error> {
        let columns = self.key_columns(over)?;
        let total: u64 = self.staged.iter().map(|file| file.rows).sum();
        let mut passes: Vec<Pass> = Vec::new();
        let mut left: Option<RecordBatch> = None;
        let mut first = 0u64;
        loop {
            let capacity = self.capacity();
            let rows = usize::try_from(total.saturating_sub(first)).unwrap_or(usize::MAX).min(capacity);
            let mut keys = Vec::with_capacity(rows);
            let mut bounds = Bounds::new(&over.plan.schema);
            self.staged_rows(first, rows, &over.plan.schema, &mut |batch| {
                let made = over.plan.keys(batch);
                if made.valid.is_some() {
                    return Err(self.misuse("a row of the batch has NULL in its key, which the gate refuses"));
                }
                bounds.take(batch);
                keys.extend(made.keys);
                Ok(())
            })
            .await?;
            first = first.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
            while first >= total && keys.len() < capacity {
                let Some(batch) = self.next_keys(&mut left, &mut listed, over)? else { break };
                let taken = batch.num_rows().min(capacity - keys.len());
                if taken < batch.num_rows() {
                    left = Some(batch.slice(taken, batch.num_rows() - taken));
                }
                let batch = batch.slice(0, taken);
                found.listed = found.listed.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
                bounds.take(&batch);
                keys.extend(valid_keys(&over.plan, &batch));
            }
            if keys.is_empty() {
                return Ok(passes);
            }
            let (index, repeated) = KeyIndex::new(keys, over.plan.seeds);
            if repeated.first().is_some_and(|place| *place < rows) {
                return Err(self.misuse(TWICE));
            }
            let index = Arc::new(index);
            let (of, places, earlier) = (Arc::clone(over), Arc::clone(&index), found.gone.clone());
            let deleted = Arc::new(AtomicU64::new(0));
            let of_deletes = Arc::clone(&deleted);
            let dataset = self.version.dataset;
            let visit: Arc<Visit> = Arc::new(move |file, at, batch, met| {
                let (counting, earlier) = (of.counting(file, batch), earlier.get(file));
                let Keys { keys, valid } = of.plan.keys(batch);
                for (row, key) in keys.into_iter().enumerate() {
                    // Nearly no row gets past this.
                    let Some(place) = places.find(key) else { continue };
                    let Some(position) = at.at(row) else { continue };
                    if valid.as_ref().is_some_and(|valid| valid.is_null(row)) || !counting.counts(row, position) {
                        continue;
                    }
                    if earlier.is_none_or(|earlier| !earlier.contains(position)) {
                        places.mark(place, MATCHED);
                        met.insert(position);
                        if place >= rows {
                            of_deletes.fetch_add(1, Ordering::Relaxed);
                        }
                    } else if place < rows {
                        return Err(Error::Misuse { dataset, reason: TWICE });
                    }
                    // Else a key that is loaded is to be deleted too: it is loaded.
                }
                Ok(())
            });
            let wanted = (0..self.version.files.len()).map(|file| Wanted { file, rows: None }).collect();
            let reading = Rows { lake: self.lake, version: self.version, columns: Arc::clone(&columns), bounds: bounds.finish() };
            let met = reading.visit(wanted, visit).await?;
            let loaded = index.marked(MATCHED).filter(|place| *place < rows).count();
            found.matched = found.matched.saturating_add(u64::try_from(loaded).unwrap_or(u64::MAX));
            found.deleted = found.deleted.saturating_add(deleted.load(Ordering::Relaxed));
            found.gone.iter_mut().zip(&met).for_each(|(gone, met)| *gone |= met);
            let before = first.saturating_sub(u64::try_from(rows).unwrap_or(u64::MAX));
            passes.push(Pass { first: before, rows, met: met.into_iter().map(Arc::new).collect() });
        }
    }

    fn next_keys(
        &self,
        left: &mut Option<RecordBatch>,
        keys: &mut Option<KeyBatches<'_>>,
        over: &Over,
    ) -> Result<Option<RecordBatch>, Error> {
        if left.is_some() {
            return Ok(left.take());
        }
        let dataset = self.version.dataset;
        let Some(next) = keys.as_mut().and_then(Iterator::next) else { return Ok(None) };
        let batch = next.map_err(|source| Error::Keys { dataset, source: Box::new(source) })?;
        let stored = crate::schema::stored_schema(&batch.schema())?;
        let batch = crate::schema::to_stored(batch, &stored, dataset)?;
        fitted(batch, &nullable(&over.plan.schema), dataset).map(Some)
    }

    /// Where many rows of a file are matched, leaves those that the batch does not change.
    async fn compare(&self, over: &Arc<Over>, passes: &[Pass], found: &mut Found) -> Result<(), Error> {
        let dataset = self.version.dataset;
        let dense: Vec<bool> = (self.version.files.iter().zip(&found.gone))
            .map(|(file, met)| self.compare_all || met.len().saturating_mul(COMPARED_SHARE) >= file.live())
            .collect();
        let compared: Vec<usize> = (self.version.stored.fields().iter().enumerate())
            .filter(|(_, field)| !self.ignored.contains(&field.name().as_str()))
            .map(|(place, _)| place)
            .collect();
        let schema: SchemaRef =
            Arc::new(self.version.stored.project(&compared).map_err(|_| Error::Internal { step: "compare rows", dataset })?);
        for pass in passes.iter().filter(|pass| pass.rows > 0) {
            let wanted: Vec<Wanted> = (pass.met.iter().zip(&dense).enumerate())
                .filter(|(_, (met, dense))| **dense && !met.is_empty())
                .map(|(file, (met, _))| Wanted { file, rows: Some(Arc::clone(met)) })
                .collect();
            let rows: u64 = wanted.iter().filter_map(|wanted| wanted.rows.as_ref()).map(|rows| rows.len()).sum();
            let few = rows.saturating_mul(COMPARED_SHARE) < u64::try_from(pass.rows).unwrap_or(u64::MAX);
            if wanted.is_empty() || (few && !self.compare_all) {
                continue;
            }
            let (mut keys, mut contents) = (Vec::with_capacity(pass.rows), Vec::with_capacity(pass.rows));
            let numbers = Arc::new(over.plan.contents(&schema, dataset)?);
            self.staged_rows(pass.first, pass.rows, &schema, &mut |batch| {
                keys.extend(over.plan.keys(batch).keys);
                contents.extend(numbers.of(batch.columns(), dataset)?);
                Ok(())
            })
            .await?;
            let index = Arc::new(KeyIndex::new(keys, over.plan.seeds).0);
            let (of, places) = (Arc::clone(over), Arc::clone(&index));
            let visit: Arc<Visit> =
                Arc::new(move |_, at, batch, same| same_rows(&of, &places, &numbers, &contents, dataset, at, batch, same));
            let reading = Rows { lake: self.lake, version: self.version, columns: Arc::clone(&schema), bounds: Bounds::default() };
            let same = reading.visit(wanted, visit).await?;
            found.gone.iter_mut().zip(&same).for_each(|(gone, same)| *gone -= same);
            for place in index.marked(UNCHANGED) {
                self.mark_staged(pass.first.saturating_add(u64::try_from(place).unwrap_or(u64::MAX)), &mut found.unchanged);
            }
        }
        Ok(())
    }

    /// Notes a row, counted over the staged files, in its file.
    fn mark_staged(&self, row: u64, unchanged: &mut [Positions]) {
        let mut begin = 0u64;
        for (file, rows) in self.staged.iter().zip(unchanged) {
            if let Some(position) = row.checked_sub(begin).filter(|position| *position < file.rows) {
                rows.insert(position);
                return;
            }
            begin = begin.saturating_add(file.rows);
        }
    }

    /// Deletes the rows of all keys but these. `met` are the rows whose keys the batch has.
    async fn rest(&self, over: &Arc<Over>, keys: KeyBatches<'_>, met: &[Positions], found: &mut Found) -> Result<(), Error> {
        let columns = self.key_columns(over)?;
        let capacity = (self.memory_bytes / BYTES_PER_KEY).max(1);
        let (mut keys, mut left) = (Some(keys), None);
        // What no key has been found for, once the first were looked for.
        let mut rest: Option<Vec<Positions>> = None;
        loop {
            let mut some = Vec::new();
            let mut bounds = Bounds::new(&over.plan.schema);
            while some.len() < capacity {
                let Some(batch) = self.next_keys(&mut left, &mut keys, over)? else { break };
                let taken = batch.num_rows().min(capacity - some.len());
                if taken < batch.num_rows() {
                    left = Some(batch.slice(taken, batch.num_rows() - taken));
                }
                let batch = batch.slice(0, taken);
                found.listed = found.listed.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
                bounds.take(&batch);
                some.extend(valid_keys(&over.plan, &batch));
            }
            if some.is_empty() && rest.is_some() {
                break;
            }
            let (index, _) = KeyIndex::new(some, over.plan.seeds);
            let of = Arc::clone(over);
            let begun = rest.is_some();
            // The first time, what has no key is noted; then, what has one after all.
            let visit: Arc<Visit> = Arc::new(move |file, at, batch, noted| {
                let counting = of.counting(file, batch);
                let Keys { keys, valid } = of.plan.keys(batch);
                for (row, key) in keys.into_iter().enumerate() {
                    let Some(position) = at.at(row) else { continue };
                    if counting.counts(row, position) {
                        let has_key = valid.as_ref().is_none_or(|valid| valid.is_valid(row)) && index.find(key).is_some();
                        if has_key == begun {
                            noted.insert(position);
                        }
                    }
                }
                Ok(())
            });
            let rows = |file: usize| rest.as_ref().map(|rest| Arc::new(rest.get(file).cloned().unwrap_or_default()));
            let wanted = (0..self.version.files.len()).map(|file| Wanted { file, rows: rows(file) }).collect();
            let bounds = if begun { bounds.finish() } else { Bounds::default() };
            let reading = Rows { lake: self.lake, version: self.version, columns: Arc::clone(&columns), bounds };
            let noted = reading.visit(wanted, visit).await?;
            match &mut rest {
                None => rest = Some(noted),
                Some(rest) => rest.iter_mut().zip(&noted).for_each(|(rest, noted)| *rest -= noted),
            }
        }
        for ((gone, met), mut rest) in found.gone.iter_mut().zip(met).zip(rest.unwrap_or_default()) {
            rest -= met;
            found.deleted = found.deleted.saturating_add(rest.len());
            *gone |= rest;
        }
        Ok(())
    }

    /// Shows `rows` rows of the staged files from `first` on, in the columns of `schema`.
    async fn staged_rows(
        &self,
        first: u64,
        rows: usize,
        schema: &SchemaRef,
        each: &mut (dyn FnMut(&RecordBatch) -> Result<(), Error> + Send),
    ) -> Result<(), Error> {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let (mut begin, mut left) = (0u64, rows);
        for file in self.staged {
            let skipped = first.saturating_sub(begin).min(file.rows);
            begin = begin.saturating_add(file.rows);
            let here = usize::try_from(file.rows.saturating_sub(skipped)).unwrap_or(usize::MAX).min(left);
            if here == 0 {
                continue;
            }
            left -= here;
            let reader = FileReader::new(&self.lake.inner.store, &file.path, file.size).projecting(&names);
            let mut batches = reader.stretch(usize::try_from(skipped).unwrap_or(usize::MAX), Some(here)).await?;
            while let Some(batch) = batches.try_next().await.map_err(|error| Error::parquet("read", &file.path, error))? {
                each(&fitted(batch, schema, self.version.dataset)?)?;
            }
        }
        Ok(())
    }
}

/// The same columns, which may hold NULL.
fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()))
}

/// The keys of a batch's rows but those with NULL, which no row has.
fn valid_keys(plan: &KeyPlan, batch: &RecordBatch) -> Vec<u128> {
    let made = plan.keys(batch);
    match made.valid {
        None => made.keys,
        Some(valid) => made.keys.into_iter().zip(valid.iter()).filter_map(|(key, valid)| valid.then_some(key)).collect(),
    }
}

/// Notes the rows whose contents are those of the batch's row of their key. Of several rows of one key, one.
#[allow(clippy::too_many_arguments, reason = "these are the two sides that are compared")]
fn same_rows(
    over: &Over,
    index: &KeyIndex,
    numbers: &Contents,
    contents: &[u128],
    dataset: polder_types::DatasetId,
    at: &Places<'_>,
    batch: &RecordBatch,
    same: &mut Positions,
) -> Result<(), Error> {
    let keys = over.plan.keys(batch).keys;
    let held = numbers.of(batch.columns(), dataset)?;
    for (row, (key, held)) in keys.into_iter().zip(held).enumerate() {
        let Some(place) = index.find(key) else { continue };
        if contents.get(place) == Some(&held)
            && let Some(position) = at.at(row)
            && !index.mark(place, UNCHANGED)
        {
            same.insert(position);
        }
    }
    Ok(())
}
