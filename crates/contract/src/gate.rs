//! The gate: raw batches in, admitted rows and rejections out. Nothing else makes an [`Admitted`].

pub mod comma;
pub(crate) mod faults;
pub(crate) mod plan;
pub(crate) mod text;
mod typed;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, NullArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use parking_lot::Mutex;
use polder_types::Secret;

use crate::admitted::{Admitted, Checked, Finding, Rejection, Rule};
use crate::approval::Approved;
use crate::error::Error;
use crate::gate::faults::{Fault, Faults};
use crate::gate::plan::Plan;
use crate::inspect::{Inspection, Kind, Patterns, Waived, masked as shape_of};
use crate::mask::apply::{Failed, MaskedColumn, Masker, Masking};
use crate::quality::{Measured, Tally};
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
    /// Whether the dataset's numbers have a comma before their fraction.
    pub decimal_comma: bool,
    /// At least 16 bytes that an attacker does not know: keys of rows are hashed with them.
    pub key: Secret<Vec<u8>>,
    /// Where keys go that do not fit memory.
    pub spill: Arc<dyn SpillFiles>,
    /// The keys that the table holds already; none for a load that replaces them.
    pub existing: Option<Box<dyn KeyLookup>>,
    /// Memory for unique keys, in bytes.
    pub unique_memory_bytes: usize,
    /// The rules of YARA that texts are held to; those that every gate has, unless the project has more.
    pub patterns: Option<Patterns>,
    /// Whether this is a whole load of a source, whose number of rows a rule may bound; a replay of some rows is none.
    pub whole_load: bool,
    /// What masked columns need; none for a contract that masks nothing, or without a domain.
    pub masking: Option<Masking>,
    /// What a test makes the gate do wrong.
    pub faults: Option<Arc<dyn GateFaults>>,
    uninspected: bool,
}

/// Faults that a seeded test injects into the gate, to see that the counts find them.
pub trait GateFaults: Send + Sync {
    /// Whether the gate loses the rows that it admits of its batch number `batch` (from 0, in the order of checking).
    fn lose_batch(&self, batch: u64) -> bool;
}

impl GateOptions {
    /// Without null tokens and existing keys, with the default memory.
    pub fn new(key: Secret<Vec<u8>>, spill: Arc<dyn SpillFiles>) -> Self {
        Self {
            null_tokens: Vec::new(),
            decimal_comma: false,
            key,
            spill,
            existing: None,
            unique_memory_bytes: UNIQUE_MEMORY_DEFAULT_BYTES,
            whole_load: true,
            masking: None,
            patterns: None,
            faults: None,
            uninspected: false,
        }
    }

    /// Without content inspection, to measure what it costs: for examples of this crate only, which a test sees to.
    #[doc(hidden)]
    #[must_use]
    pub fn uninspected_for_measurement(mut self) -> Self {
        self.uninspected = true;
        self
    }
}

/// Holds one batch of a load to its contract. Batches may be checked in any order and from several threads at once.
pub struct Gate {
    contract: Arc<Approved>,
    schema: SchemaRef,
    plans: Vec<Plan>,
    decimal_comma: bool,
    inspection: Option<Inspection>,
    /// Beside the plans; none where a column is stored as it came.
    maskers: Vec<Option<Masker>>,
    unique: Unique,
    tally: Tally,
    whole_load: bool,
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
        let masking = options.masking.as_ref();
        let maskers = contract
            .columns
            .iter()
            .enumerate()
            .map(|(place, column)| Masker::new(place, column, masking))
            .collect::<Result<Vec<_>, _>>()?;
        let unique =
            Unique::new(&contract, UniqueOptions { key: &options.key, spill: options.spill, memory_bytes: options.unique_memory_bytes })?;
        // Rows of a model were inspected where they came in.
        let inspection = match (options.uninspected || contract.derived, options.patterns) {
            (true, _) => None,
            (false, Some(patterns)) => Some(Inspection::new(&contract, patterns)),
            (false, None) => Some(Inspection::new(&contract, Patterns::builtin()?)),
        };
        Ok(Self {
            schema: contract.arrow_schema(),
            plans,
            decimal_comma: options.decimal_comma,
            inspection,
            maskers,
            tally: Tally::of(&contract),
            whole_load: options.whole_load,
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
            faults.add(usize::try_from(*row).unwrap_or(usize::MAX), None, Rule::Malformed(*malformed));
        }
        let mut arrays = Vec::with_capacity(self.plans.len());
        // Beside the plans: what would be stored.
        let mut inspected = Vec::with_capacity(self.plans.len());
        let mut masked: Vec<Option<MaskedColumn>> = Vec::with_capacity(self.plans.len());
        for ((plan, masker), cells) in self.plans.iter().zip(&self.maskers).zip(&raw.columns) {
            // Before any mask, which takes the number and not its text. What is quarantined stays as it was written.
            let pointed = self.decimal_comma.then(|| comma::pointed(plan, cells)).flatten();
            let cells = pointed.as_ref().unwrap_or(cells);
            match masker {
                None => {
                    let array = check_cells(plan, cells, &mut faults).map_err(|source| self.build_error(&raw, plan, source))?;
                    inspected.push(Arc::clone(&array));
                    arrays.push(array);
                    masked.push(None);
                }
                Some(masker) => {
                    let column = masker.apply(plan, cells, &mut faults).map_err(|failed| self.mask_error(&raw, plan, failed))?;
                    inspected.push(column.array.clone().unwrap_or_else(|| Arc::new(NullArray::new(raw.rows))));
                    arrays.extend(column.array.clone());
                    masked.push(Some(column));
                }
            }
        }
        let waived = match &self.inspection {
            Some(inspection) => inspection.check(&inspected, raw.first_ordinal, &mut faults)?,
            None => Vec::new(),
        };
        let (mut batch, mut ordinals) = self.admit(&raw, arrays, &faults)?;
        let number = self.checked.fetch_add(1, Ordering::Relaxed);
        if self.faults.as_ref().is_some_and(|faults| faults.lose_batch(number)) {
            (batch, ordinals) = (batch.slice(0, 0), Vec::new());
        }
        self.unique.add(&batch, &ordinals, raw.first_ordinal)?;
        self.tally.add(&self.contract, &batch);
        let admitted = Admitted::new(batch, raw.first_ordinal, ordinals);
        self.note(&raw, &admitted)?;
        // Of each column and kind one value's shape is shown.
        let mut shown: Vec<(Option<u32>, Rule)> = Vec::new();
        let rejections = faults.sorted().into_iter().map(|fault| {
            let first = matches!(fault.rule, Rule::Content(_)) && !shown.contains(&(fault.column, fault.rule));
            if first {
                shown.push((fault.column, fault.rule));
            }
            self.rejection(&raw, &masked, fault, first)
        });
        let waived = waived.into_iter().filter_map(|(place, kind, rows)| {
            let column = self.plans.get(place)?.column.name.clone();
            Some(Waived { column, kind, rows })
        });
        Ok(Checked { admitted, rejections: rejections.collect(), waived: waived.collect() })
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
        let personal = self.inspection.as_ref().map(Inspection::finish).unwrap_or_default();
        let measured = Measured { counts: self.tally.counts(), whole_load: self.whole_load };
        let layout = quarantine::row::staged_as(&self.contract);
        Ok(Duplicates::new(found, origins, rows, admitted, measured, layout).with_personal(personal))
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

    #[cold]
    fn mask_error(&self, raw: &RawBatch, plan: &Plan, failed: Failed) -> Error {
        match failed {
            Failed::Build(source) => self.build_error(raw, plan, source),
            Failed::Mask(source) => Error::Mask { file: raw.file.to_string(), column: plan.column.name.clone(), source },
        }
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

    fn rejection(&self, raw: &RawBatch, masked: &[Option<MaskedColumn>], fault: Fault, shown: bool) -> Rejection {
        let row = u64::from(fault.row);
        let finding = matches!(fault.rule, Rule::Content(_)).then(|| Finding {
            pattern: fault.pattern,
            masked: (shown && fault.rule != Rule::Content(Kind::Oversized)).then(|| shape(raw, &fault)),
        });
        let column = fault.column.and_then(|place| self.plans.get(usize::try_from(place).ok()?)).map(|plan| plan.column.name.clone());
        let cells = if fault.column.is_none() {
            Vec::new()
        } else {
            let row = usize::try_from(fault.row).unwrap_or(usize::MAX);
            let cells = self.plans.iter().zip(&raw.columns).zip(masked);
            let cells = cells.map(|((plan, cells), masked)| match masked {
                // Nothing of the plain value of a masked column is kept anywhere.
                Some(masked) => masked.kept(plan, cells, row),
                None => quarantine::row::cell(cells, row),
            });
            quarantine::row::encode(raw.columns.len(), cells)
        };
        let (record, ordinal) = (raw.first_record.saturating_add(row), raw.first_ordinal.saturating_add(row));
        Rejection::new(Arc::clone(&raw.file), record, ordinal, column, fault.rule, cells).with_finding(finding)
    }
}

/// The shape of the value in which a risk was found.
fn shape(raw: &RawBatch, fault: &Fault) -> String {
    let cells = fault.column.and_then(|place| raw.columns.get(usize::try_from(place).ok()?));
    let value = cells.map(|cells| quarantine::row::cell(cells, usize::try_from(fault.row).unwrap_or(usize::MAX)));
    shape_of(&String::from_utf8_lossy(&value.map(|(_, bytes)| bytes).unwrap_or_default()))
}

/// Checks a column, whatever it comes as.
pub(crate) fn check_cells(plan: &Plan, cells: &Cells, faults: &mut Faults) -> Result<ArrayRef, ArrowError> {
    match cells {
        Cells::Text(cells) => text::check(plan, cells, faults),
        Cells::Typed(array) => typed::check(plan, array, faults),
    }
}

#[cfg(test)]
mod tests;
