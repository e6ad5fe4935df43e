//! The gate: raw batches in, admitted rows and rejections out. Nothing else makes an [`Admitted`].

pub mod comma;
pub(crate) mod faults;
mod flag;
mod picked;
pub(crate) mod plan;
pub mod source_keys;
pub(crate) mod text;
mod typed;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, BooleanArray, NullArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::compute::nullif;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use parking_lot::Mutex;
use polder_types::Secret;

use crate::admitted::{Admitted, Checked, DeletedKeys, Finding, Rejection, Rule};
use crate::approval::Approved;
use crate::contract::Contract;
use crate::error::Error;
use crate::gate::faults::{Fault, Faults};
use crate::gate::flag::Flag;
use crate::gate::picked::Picked;
use crate::gate::plan::Plan;
use crate::inspect::{Inspection, Kind, Patterns, Waived, masked as shape_of};
use crate::mask::Mask;
use crate::mask::apply::{Failed, MaskedColumn, Masker, Masking};
use crate::quality::{Measured, Tally};
use crate::quarantine;
use crate::raw::{CellKind, Cells, RawBatch};
use crate::spill::{KeyLookup, SpillFiles};
use crate::unique::duplicates::{Duplicates, Origin};
use crate::unique::places::Places;
use crate::unique::rank::can_order;
use crate::unique::{Rows, Unique, UniqueOptions};

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
    /// The keys that the table holds already; none for a load that replaces them. A load that merges does not ask for them.
    pub existing: Option<Box<dyn KeyLookup>>,
    /// For a load that merges, the place in the contract of the column that says which of several rows of a key came last: the one with
    /// the greater value, null before all values; of equal ones the one that was read last. An integer, a decimal, a date or a timestamp, stored
    /// as it comes or dropped. Without it the row that was read last came last. It costs 16 bytes of `unique_memory_bytes` a row, and rows in
    /// the order of their keys take as many bytes as others: leave it out where the source is read in that order anyway.
    pub order_by: Option<usize>,
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
            order_by: None,
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
    /// The column that puts rows of one key in order.
    order: Option<usize>,
    flag: Option<Flag>,
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
    /// Places of rows that say that the row of their key is gone.
    flagged: Places,
    closed: bool,
}

/// A column of a batch, checked.
struct CheckedColumn {
    /// What is stored; none where nothing is.
    stored: Option<ArrayRef>,
    /// The values as they came, of a column without a mask and of one that is dropped.
    plain: Option<ArrayRef>,
    masked: Option<MaskedColumn>,
}

impl Gate {
    /// A gate for one load.
    ///
    /// # Errors
    /// When the key is too short, no order can be had from `order_by`, or a rule does not compile, which the contract's reader rules out.
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
        let order = order(&contract, options.order_by)?;
        let unique =
            UniqueOptions { key: &options.key, spill: options.spill, memory_bytes: options.unique_memory_bytes, ordered: order.is_some() };
        let unique = Unique::new(&contract, unique)?;
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
            flag: Flag::of(&contract, order),
            order,
            seen: Mutex::new(Seen { existing: options.existing, ..Seen::default() }),
            contract,
            faults: options.faults,
            checked: AtomicU64::new(0),
        })
    }

    /// Whether a column can be [`GateOptions::order_by`].
    pub fn can_order(column: &crate::Column) -> bool {
        column.mask.is_none() && can_order(column.ty)
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
        // Of a row that says that the row of its key is gone, these alone count.
        let mut standing = if self.flag.is_some() { faults.clone() } else { Faults::new(raw.rows) };
        let mut arrays = Vec::with_capacity(self.plans.len());
        // Beside the plans: what would be stored.
        let mut inspected = Vec::with_capacity(self.plans.len());
        let mut masked: Vec<Option<MaskedColumn>> = Vec::with_capacity(self.plans.len());
        let (mut flags, mut order) = (None, None);
        for ((plan, masker), cells) in self.plans.iter().zip(&self.maskers).zip(&raw.columns) {
            let column = if self.flag.as_ref().is_some_and(|flag| flag.stands(plan.place)) {
                let mut own = Faults::new(raw.rows);
                let column = self.check_column(&raw, plan, masker.as_ref(), cells, &mut own)?;
                own.copy_to(&mut faults);
                own.copy_to(&mut standing);
                column
            } else {
                self.check_column(&raw, plan, masker.as_ref(), cells, &mut faults)?
            };
            if self.flag.as_ref().is_some_and(|flag| flag.column == plan.place) {
                flags.clone_from(&column.plain);
            }
            if self.order == Some(plan.place) {
                order.clone_from(&column.plain);
            }
            inspected.push(column.stored.clone().unwrap_or_else(|| Arc::new(NullArray::new(raw.rows))));
            arrays.extend(column.stored);
            masked.push(column.masked);
        }
        let flagged = self.flag.as_ref().zip(flags).and_then(|(flag, array)| Some((flag, flag.rows(&array)?)));
        if let Some((_, flagged)) = &flagged {
            faults.forgive(|row| flagged.value(row));
            standing.copy_to(&mut faults);
            self.hide(&raw, flagged, &mut inspected)?;
        }
        let waived = match &self.inspection {
            Some(inspection) => inspection.check(&inspected, raw.first_ordinal, &mut faults)?,
            None => Vec::new(),
        };
        let number = self.checked.fetch_add(1, Ordering::Relaxed);
        let lost = self.faults.as_ref().is_some_and(|faults| faults.lose_batch(number));
        let flagged = flagged.filter(|_| !lost);
        let pick =
            |picks: &dyn Fn(usize) -> bool| if lost { Picked::none(&raw) } else { Picked::of(&raw, |row| !faults.has(row) && picks(row)) };
        let (batch, ordinals, deleted) = match flagged {
            None => {
                let picked = if faults.is_empty() && !lost { Picked::all(&raw) } else { pick(&|_| true) };
                let batch = self.admit(&raw, &arrays, &picked)?;
                self.add_keys(&raw, batch.columns(), &picked, order.as_ref())?;
                (batch, picked.ordinals, None)
            }
            Some((flag, flagged)) => {
                let (both, gone) = (pick(&|_| true), pick(&|row| flagged.value(row)));
                let keys = self.picked(&raw, &arrays, &both, |place| flag.keys.contains(&place))?;
                self.add_keys(&raw, &keys, &both, order.as_ref())?;
                let deleted = self.deleted(&raw, &arrays, flag, gone)?;
                let picked = pick(&|row| !flagged.value(row));
                (self.admit(&raw, &arrays, &picked)?, picked.ordinals, deleted)
            }
        };
        self.tally.add(&self.contract, &batch);
        let admitted = Admitted::new(batch, raw.first_ordinal, ordinals);
        self.note(&raw, &admitted, deleted.as_ref())?;
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
        Ok(Checked { admitted, deleted, rejections: rejections.collect(), waived: waived.collect() })
    }

    /// Ends the load: which admitted rows are duplicates, of each other or of the table's, or where loads merge, which of them another row of
    /// their key came after. Afterwards the gate takes nothing.
    ///
    /// # Errors
    /// When sealed temporary space or the table's keys cannot be read, or the gate is closed already.
    pub fn finish(&self) -> Result<Duplicates, Error> {
        let (mut origins, existing, flagged, rows, admitted) = {
            let mut seen = self.seen.lock();
            if seen.closed {
                return Err(Error::Closed);
            }
            seen.closed = true;
            let (origins, flagged) = (std::mem::take(&mut seen.origins), std::mem::take(&mut seen.flagged));
            (origins, seen.existing.take(), flagged, seen.rows, seen.admitted)
        };
        origins.sort_unstable_by_key(|origin| origin.first_ordinal);
        let found = self.unique.finish(existing)?;
        let personal = self.inspection.as_ref().map(Inspection::finish).unwrap_or_default();
        let measured = Measured { counts: self.tally.counts(), whole_load: self.whole_load };
        let layout = quarantine::row::staged_as(&self.contract);
        Ok(Duplicates::new(found, &flagged, origins, rows, admitted, measured, layout).with_personal(personal))
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

    /// Checks a column, and masks it where the contract says so.
    fn check_column(
        &self,
        raw: &RawBatch,
        plan: &Plan,
        masker: Option<&Masker>,
        cells: &Cells,
        faults: &mut Faults,
    ) -> Result<CheckedColumn, Error> {
        // Before any mask, which takes the number and not its text. What is quarantined stays as it was written.
        let pointed = self.decimal_comma.then(|| comma::pointed(plan, cells)).flatten();
        let cells = pointed.as_ref().unwrap_or(cells);
        let Some(masker) = masker else {
            let array = check_cells(plan, cells, faults).map_err(|source| self.build_error(raw, plan, source))?;
            return Ok(CheckedColumn { stored: Some(Arc::clone(&array)), plain: Some(array), masked: None });
        };
        let column = masker.apply(plan, cells, faults).map_err(|failed| self.mask_error(raw, plan, failed))?;
        let read = self.order == Some(plan.place) || self.flag.as_ref().is_some_and(|flag| flag.column == plan.place);
        if read && let Cells::Text(cells) = cells {
            // Of a replay: that the value held its rules is known, and not what it was.
            let unknown = cells.iter().enumerate().filter(|(_, cell)| cell.kind == CellKind::Masked);
            unknown.for_each(|(row, _)| faults.add(row, Some(plan.place), Rule::Withheld));
        }
        Ok(CheckedColumn { stored: column.array.clone(), plain: column.dropped.clone(), masked: Some(column) })
    }

    /// Of rows that say that the row of their key is gone, nothing but the key is inspected: nothing else is looked at any more.
    fn hide(&self, raw: &RawBatch, flagged: &BooleanBuffer, inspected: &mut [ArrayRef]) -> Result<(), Error> {
        let flagged = BooleanArray::new(flagged.clone(), None);
        for ((plan, array), column) in self.plans.iter().zip(inspected).zip(&self.contract.columns) {
            if column.primary_key.is_none() && column.stored().is_some() {
                *array = nullif(array, &flagged).map_err(|source| self.build_error(raw, plan, source))?;
            }
        }
        Ok(())
    }

    /// Picks rows from those columns of which `wanted` says so by their place in the table.
    fn picked(&self, raw: &RawBatch, arrays: &[ArrayRef], picked: &Picked, wanted: impl Fn(usize) -> bool) -> Result<Vec<ArrayRef>, Error> {
        let columns =
            arrays.iter().enumerate().map(|(place, array)| if wanted(place) { picked.from(array) } else { Ok(Arc::clone(array)) });
        columns.collect::<Result<Vec<_>, _>>().map_err(|source| build_failed(raw, source))
    }

    /// Puts the columns of picked rows together.
    fn admit(&self, raw: &RawBatch, arrays: &[ArrayRef], picked: &Picked) -> Result<RecordBatch, Error> {
        let columns = self.picked(raw, arrays, picked, |_| true)?;
        let options = RecordBatchOptions::new().with_row_count(Some(picked.rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|source| build_failed(raw, source))
    }

    /// The keys of rows that say that the row of their key is gone.
    fn deleted(&self, raw: &RawBatch, arrays: &[ArrayRef], flag: &Flag, gone: Picked) -> Result<Option<DeletedKeys>, Error> {
        if gone.rows == 0 {
            return Ok(None);
        }
        let keys = flag.keys.iter().filter_map(|place| arrays.get(*place)).map(|array| gone.from(array));
        let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|source| build_failed(raw, source))?;
        let batch = RecordBatch::try_new(Arc::clone(&flag.key_schema), keys).map_err(|source| build_failed(raw, source))?;
        Ok(Some(DeletedKeys::new(batch, gone.ordinals)))
    }

    /// Tells uniqueness of picked rows. `columns` are theirs already, `order` is the whole batch's.
    fn add_keys(&self, raw: &RawBatch, columns: &[ArrayRef], picked: &Picked, order: Option<&ArrayRef>) -> Result<(), Error> {
        let order = order.map(|order| picked.from(order)).transpose().map_err(|source| build_failed(raw, source))?;
        self.unique.add(Rows { columns, count: picked.rows, ordinals: &picked.ordinals }, raw.first_ordinal, order.as_ref())
    }

    fn note(&self, raw: &RawBatch, admitted: &Admitted, deleted: Option<&DeletedKeys>) -> Result<(), Error> {
        let rows = u64::try_from(raw.rows).unwrap_or(u64::MAX);
        let mut seen = self.seen.lock();
        if seen.closed {
            return Err(Error::Closed);
        }
        seen.rows = seen.rows.saturating_add(rows);
        seen.admitted = seen.admitted.saturating_add(u64::try_from(admitted.rows()).unwrap_or(u64::MAX));
        for place in deleted.iter().flat_map(|deleted| deleted.ordinals().iter().cloned().flatten()) {
            seen.flagged.insert(place);
        }
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

/// The column that puts rows of one key in order, where loads merge.
fn order(contract: &Contract, order_by: Option<usize>) -> Result<Option<usize>, Error> {
    let Some(place) = order_by.filter(|_| contract.disposition.merges()) else { return Ok(None) };
    let Some(column) = contract.columns.get(place) else {
        return Err(Error::Order { column: String::new(), why: "it is no column of the contract".to_owned() });
    };
    let why = match &column.mask {
        Some(mask) if *mask != Mask::Drop => format!("a mask of it is stored ({mask})"),
        _ if !can_order(column.ty) => format!("a {} has no exact order", column.ty),
        _ => return Ok(Some(place)),
    };
    Err(Error::Order { column: column.name.clone(), why })
}

#[cold]
fn build_failed(raw: &RawBatch, source: ArrowError) -> Error {
    Error::Build { file: raw.file.to_string(), column: String::new(), source }
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
