//! The gate: raw batches in, admitted rows and rejections out. Nothing else makes an [`Admitted`].

pub(crate) mod faults;
pub(crate) mod plan;
mod text;
mod typed;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::filter;
use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;
use polder_types::Secret;

use crate::admitted::{Admitted, Checked, Rejection};
use crate::approval::Approved;
use crate::error::Error;
use crate::gate::faults::{Fault, Faults};
use crate::gate::plan::Plan;
use crate::quarantine;
use crate::raw::{Cells, RawBatch};
use crate::spill::{KeyLookup, SpillFiles};
use crate::unique::duplicates::{Duplicates, Origin};
use crate::unique::{Unique, UniqueOptions};

/// Memory for unique keys unless the caller says otherwise, in bytes.
pub const UNIQUE_MEMORY_DEFAULT_BYTES: usize = 256 << 20;

/// What a gate needs besides its contract.
pub struct GateOptions {
    /// The dataset's null tokens; the contract's are added.
    pub null_tokens: Vec<String>,
    /// At least 16 bytes that an attacker does not know: keys of rows are hashed with them.
    pub key: Secret<Vec<u8>>,
    /// Where keys go that do not fit memory.
    pub spill: Arc<dyn SpillFiles>,
    /// The keys that the table holds already; none for a load that replaces them.
    pub existing: Option<Box<dyn KeyLookup>>,
    /// Memory for unique keys, in bytes.
    pub unique_memory_bytes: usize,
    /// What a test makes the gate do wrong.
    pub faults: Option<Arc<dyn GateFaults>>,
}

/// Faults that a seeded test injects into the gate, to see that the counts find them.
pub trait GateFaults: Send + Sync {
    /// Whether the gate loses the rows that it admits of its batch number `batch` (from 0, in the order of checking).
    fn lose_batch(&self, batch: u64) -> bool;
}

impl GateOptions {
    /// Without null tokens and existing keys, with the default memory.
    pub fn new(key: Secret<Vec<u8>>, spill: Arc<dyn SpillFiles>) -> Self {
        Self { null_tokens: Vec::new(), key, spill, existing: None, unique_memory_bytes: UNIQUE_MEMORY_DEFAULT_BYTES, faults: None }
    }
}

/// Holds one batch of a load to its contract. Batches may be checked in any order and from several threads at once.
pub struct Gate {
    contract: Arc<Approved>,
    schema: SchemaRef,
    plans: Vec<Plan>,
    unique: Unique,
    seen: Mutex<Seen>,
    faults: Option<Arc<dyn GateFaults>>,
    checked: AtomicU64,
}

/// What the gate remembers of the batches it saw, to name rows that turn out to be duplicates.
#[derive(Default)]
struct Seen {
    origins: Vec<Origin>,
    existing: Option<Box<dyn KeyLookup>>,
    rows: u64,
    admitted: u64,
    closed: bool,
}

impl Gate {
    /// A gate for one load.
    ///
    /// # Errors
    /// When the key is too short, or a rule does not compile, which the contract's reader rules out.
    pub fn new(contract: Arc<Approved>, options: GateOptions) -> Result<Self, Error> {
        let tokens: Vec<String> = options.null_tokens.iter().chain(&contract.null_tokens).cloned().collect();
        let plans =
            contract.columns.iter().enumerate().map(|(place, column)| Plan::new(place, column, &tokens)).collect::<Result<Vec<_>, _>>()?;
        let unique =
            Unique::new(&contract, UniqueOptions { key: &options.key, spill: options.spill, memory_bytes: options.unique_memory_bytes })?;
        Ok(Self {
            schema: contract.arrow_schema(),
            plans,
            unique,
            seen: Mutex::new(Seen { existing: options.existing, ..Seen::default() }),
            contract,
            faults: options.faults,
            checked: AtomicU64::new(0),
        })
    }

    /// The contract.
    pub fn contract(&self) -> &Arc<Approved> {
        &self.contract
    }

    /// The schema of every admitted batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Holds every row of a batch to every rule but uniqueness, which [`Gate::finish`] judges.
    ///
    /// # Errors
    /// When the batch has not the contract's shape, sealed temporary space fails, or the gate is closed. Bad rows are no error.
    pub fn check(&self, raw: RawBatch) -> Result<Checked, Error> {
        self.check_shape(&raw)?;
        let mut faults = Faults::new(raw.rows);
        for (row, malformed) in &raw.malformed {
            faults.add(usize::try_from(*row).unwrap_or(usize::MAX), None, crate::admitted::Rule::Malformed(*malformed));
        }
        let mut arrays = Vec::with_capacity(self.plans.len());
        for (plan, cells) in self.plans.iter().zip(&raw.columns) {
            let array = match cells {
                Cells::Text(cells) => text::check(plan, cells, &mut faults),
                Cells::Typed(array) => typed::check(plan, array, &mut faults),
            };
            arrays.push(array.map_err(|source| self.build_error(&raw, plan, source))?);
        }
        let (mut batch, mut ordinals) = self.admit(&raw, arrays, &faults)?;
        let number = self.checked.fetch_add(1, Ordering::Relaxed);
        if self.faults.as_ref().is_some_and(|faults| faults.lose_batch(number)) {
            (batch, ordinals) = (batch.slice(0, 0), Vec::new());
        }
        self.unique.add(&batch, &ordinals, raw.first_ordinal)?;
        let admitted = Admitted::new(batch, raw.first_ordinal, ordinals);
        self.note(&raw, &admitted)?;
        let rejections = faults.sorted().into_iter().map(|fault| self.rejection(&raw, fault)).collect();
        Ok(Checked { admitted, rejections })
    }

    /// Ends the load: which admitted rows are duplicates, of each other or of the table's. Afterwards the gate takes nothing.
    ///
    /// # Errors
    /// When sealed temporary space or the table's keys cannot be read, or the gate is closed already.
    pub fn finish(&self) -> Result<Duplicates, Error> {
        let (mut origins, existing, rows, admitted) = {
            let mut seen = self.seen.lock();
            if seen.closed {
                return Err(Error::Closed);
            }
            seen.closed = true;
            (std::mem::take(&mut seen.origins), seen.existing.take(), seen.rows, seen.admitted)
        };
        origins.sort_unstable_by_key(|origin| origin.first_ordinal);
        let found = self.unique.finish(existing)?;
        Ok(Duplicates::new(found, origins, rows, admitted))
    }

    fn check_shape(&self, raw: &RawBatch) -> Result<(), Error> {
        let wrong = |what, found, wanted| Err(Error::Shape { file: raw.file.to_string(), what, found, wanted });
        if raw.columns.len() != self.plans.len() {
            return wrong("columns", raw.columns.len(), self.plans.len());
        }
        if u32::try_from(raw.rows).is_err() {
            return wrong("rows", raw.rows, usize::try_from(u32::MAX).unwrap_or(usize::MAX));
        }
        match raw.columns.iter().find(|cells| cells.len() != raw.rows) {
            Some(cells) => wrong("cells in a column", cells.len(), raw.rows),
            None => Ok(()),
        }
    }

    #[cold]
    fn build_error(&self, raw: &RawBatch, plan: &Plan, source: arrow::error::ArrowError) -> Error {
        Error::Build { file: raw.file.to_string(), column: plan.column.name.clone(), source }
    }

    /// Drops the faulty rows and puts the columns together.
    fn admit(&self, raw: &RawBatch, arrays: Vec<ArrayRef>, faults: &Faults) -> Result<(RecordBatch, Vec<Range<u64>>), Error> {
        let error = |source| Error::Build { file: raw.file.to_string(), column: String::new(), source };
        let first = raw.first_ordinal;
        let (arrays, rows, ordinals) = if faults.is_empty() {
            let end = first.saturating_add(u64::try_from(raw.rows).unwrap_or(u64::MAX));
            (arrays, raw.rows, std::iter::once(first..end).filter(|places| !places.is_empty()).collect())
        } else {
            let keep = faults.keep();
            let arrays = arrays.iter().map(|array| filter(array, &keep)).collect::<Result<Vec<_>, _>>().map_err(error)?;
            let mut ordinals: Vec<Range<u64>> = Vec::new();
            for row in (0..raw.rows).filter(|row| !faults.has(*row)) {
                let ordinal = first.saturating_add(u64::try_from(row).unwrap_or(u64::MAX));
                match ordinals.last_mut() {
                    Some(last) if last.end == ordinal => last.end = ordinal.saturating_add(1),
                    _ => ordinals.push(ordinal..ordinal.saturating_add(1)),
                }
            }
            (arrays, raw.rows - faults.len(), ordinals)
        };
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options).map_err(error)?;
        Ok((batch, ordinals))
    }

    fn note(&self, raw: &RawBatch, admitted: &Admitted) -> Result<(), Error> {
        let rows = u64::try_from(raw.rows).unwrap_or(u64::MAX);
        let mut seen = self.seen.lock();
        if seen.closed {
            return Err(Error::Closed);
        }
        seen.rows = seen.rows.saturating_add(rows);
        seen.admitted = seen.admitted.saturating_add(u64::try_from(admitted.rows()).unwrap_or(u64::MAX));
        seen.origins.push(Origin { first_ordinal: raw.first_ordinal, rows, file: Arc::clone(&raw.file), first_record: raw.first_record });
        Ok(())
    }

    fn rejection(&self, raw: &RawBatch, fault: Fault) -> Rejection {
        let row = u64::from(fault.row);
        let column = fault.column.and_then(|place| self.plans.get(usize::try_from(place).ok()?)).map(|plan| plan.column.name.clone());
        let cells = if fault.column.is_none() {
            Vec::new()
        } else {
            quarantine::row::encode(&raw.columns, usize::try_from(fault.row).unwrap_or(usize::MAX))
        };
        let (record, ordinal) = (raw.first_record.saturating_add(row), raw.first_ordinal.saturating_add(row));
        Rejection::new(Arc::clone(&raw.file), record, ordinal, column, fault.rule, cells)
    }
}

#[cfg(test)]
mod tests;
