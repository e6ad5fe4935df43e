//! Masks at the gate: a column is checked as it came, then masked. What broke a rule of its column is neither masked nor kept.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, StringBuilder};
use arrow::buffer::BooleanBuffer;
use arrow::compute::kernels::zip::zip;
use arrow::compute::nullif;
use arrow::error::ArrowError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use polder_crypto::{FIELD_NONCE_LEN, FieldKey};
use polder_types::Rng;

use crate::admitted::Rule;
use crate::column::{Column, ColumnType};
use crate::error::Error;
use crate::gate::faults::Faults;
use crate::gate::plan::Plan;
use crate::gate::{check_cells, text};
use crate::mask::normalise::{Step, normalised};
use crate::mask::plain::each_text;
use crate::mask::{Mask, round};
use crate::quarantine::row;
use crate::raw::{CellKind, Cells, TextColumn, TextColumnBuilder};

/// The keys of domains, as the gate asks for them. The program wires the keyring to it.
pub trait FieldKeys: Send + Sync {
    /// The key of a domain; none when there is none, and then nothing comes in.
    fn field_key(&self, domain: &str) -> Option<Arc<FieldKey>>;
}

/// What a contract with masked columns needs.
#[derive(Clone)]
pub struct Masking {
    /// The keys of its domains.
    pub keys: Arc<dyn FieldKeys>,
    /// Nonces come from here.
    pub rng: Arc<dyn Rng>,
}

/// Why a column could not be masked. It is never the rows' fault.
pub(crate) enum Failed {
    Build(ArrowError),
    Mask(polder_crypto::Error),
}

impl From<ArrowError> for Failed {
    fn from(error: ArrowError) -> Self {
        Self::Build(error)
    }
}

impl From<polder_crypto::Error> for Failed {
    fn from(error: polder_crypto::Error) -> Self {
        Self::Mask(error)
    }
}

/// Masks one column.
pub(crate) struct Masker {
    mask: Mask,
    ty: ColumnType,
    key: Option<Arc<FieldKey>>,
    rng: Option<Arc<dyn Rng>>,
    /// Reads what was masked before, in a replay; none where nothing is stored.
    again: Option<Plan>,
}

/// A column after its mask.
pub(crate) struct MaskedColumn {
    /// What is stored: null where the value was null or broke a rule. None where nothing is.
    pub array: Option<ArrayRef>,
    /// The values as they came, where nothing is stored: for what is read of a row and not kept.
    pub dropped: Option<ArrayRef>,
    /// Rows that broke a rule of this very column.
    refused: Faults,
}

impl Masker {
    /// The masker of a column that has a mask.
    ///
    /// # Errors
    /// When the domain has no key.
    pub fn new(place: usize, column: &Column, masking: Option<&Masking>) -> Result<Option<Self>, Error> {
        let Some(mask) = column.mask.clone() else { return Ok(None) };
        let key = match mask.domain() {
            None => None,
            Some(domain) => {
                let missing = || Error::FieldKey { column: column.name.clone(), domain: domain.to_owned() };
                Some(masking.and_then(|masking| masking.keys.field_key(domain)).ok_or_else(missing)?)
            }
        };
        let again = column.stored().map(|stored| {
            let mut bare = Column::new(&column.name, stored);
            bare.allow_nan = true;
            Plan::new(place, &bare, &[])
        });
        let rng = masking.map(|masking| Arc::clone(&masking.rng));
        Ok(Some(Self { ty: column.ty, key, rng, again: again.transpose()?, mask }))
    }

    /// Checks a column and masks what holds its rules.
    pub fn apply(&self, plan: &Plan, cells: &Cells, faults: &mut Faults) -> Result<MaskedColumn, Failed> {
        let mut refused = Faults::new(cells.len());
        let plain = check_cells(plan, cells, &mut refused)?;
        let fresh = self.masked(plan, &hide(&plain, &refused)?, &mut refused)?;
        let before = Before::of(cells);
        let array = match (&before, &self.again, fresh) {
            (Some(before), Some(again), Some(fresh)) => {
                // What a replay brings was masked already; it is read as the type that is stored.
                let mut unread = Faults::new(cells.len());
                let values = text::check(again, &before.cells, &mut unread)?;
                refused.forgive(|row| before.has(row) && !unread.has(row));
                Some(zip(&before.rows, &values, &fresh)?)
            }
            (Some(before), None, fresh) => {
                refused.forgive(|row| before.has(row));
                fresh
            }
            (_, _, fresh) => fresh,
        };
        for fault in refused.iter() {
            faults.add(usize::try_from(fault.row).unwrap_or(usize::MAX), Some(plan.place), fault.rule);
        }
        let dropped = (self.mask == Mask::Drop).then_some(plain);
        Ok(MaskedColumn { array, dropped, refused })
    }

    /// Every value of an array of checked ones, masked.
    fn masked(&self, plan: &Plan, plain: &ArrayRef, refused: &mut Faults) -> Result<Option<ArrayRef>, Failed> {
        Ok(Some(match &self.mask {
            Mask::Pseudonymise { normalise, .. } => self.pseudonyms(plan, plain, normalise, refused)?,
            Mask::Encrypt { deterministic, .. } => self.encrypted(plain, *deterministic)?,
            Mask::Prefix(characters) => round::prefixes(plain, *characters),
            Mask::Beginning(period) => round::beginnings(plain, self.ty, *period),
            Mask::Named(period) => round::names(plain, self.ty, *period),
            Mask::Whole(step) => round::whole_steps(plain, self.ty, *step),
            Mask::Float(step) => round::float_steps(plain, self.ty, *step),
            Mask::Drop => return Ok(None),
        }))
    }

    fn key(&self) -> Result<&FieldKey, Failed> {
        // `new` makes no masker of a domain without its key.
        self.key.as_deref().ok_or(Failed::Mask(polder_crypto::Error::Cipher))
    }

    fn pseudonyms(&self, plan: &Plan, plain: &ArrayRef, steps: &[Step], refused: &mut Faults) -> Result<ArrayRef, Failed> {
        let key = self.key()?;
        let mut out = Texts::new(plain.len(), 2 * polder_crypto::PSEUDONYM_LEN);
        each_text(plain, self.ty, |row, text| {
            if steps.is_empty() {
                out.set(row, &hex::encode(key.pseudonym(text.as_bytes())));
                return Ok(());
            }
            match normalised(steps, text) {
                // All values of which nothing is left would have one pseudonym, and be joined.
                nothing if nothing.is_empty() => refused.add(row, Some(plan.place), Rule::Normalise),
                text => out.set(row, &hex::encode(key.pseudonym(text.as_bytes()))),
            }
            Ok::<(), Failed>(())
        })?;
        Ok(out.finish())
    }

    fn encrypted(&self, plain: &ArrayRef, deterministic: bool) -> Result<ArrayRef, Failed> {
        let mut cipher = self.key()?.cipher()?;
        let mut nonces = Vec::new();
        if !deterministic {
            nonces.resize(plain.len(), [0u8; FIELD_NONCE_LEN]);
            let rng = self.rng.as_ref().ok_or(Failed::Mask(polder_crypto::Error::Cipher))?;
            rng.fill(nonces.as_flattened_mut()).map_err(polder_crypto::Error::from)?;
        }
        let mut out = Texts::new(plain.len(), 64);
        each_text(plain, self.ty, |row, text| {
            let sealed = match nonces.get(row) {
                Some(nonce) => cipher.encrypt(text.as_bytes(), nonce),
                None => cipher.encrypt_deterministic(text.as_bytes()),
            };
            out.set(row, &URL_SAFE_NO_PAD.encode(sealed?));
            Ok::<(), Failed>(())
        })?;
        Ok(out.finish())
    }
}

/// The text that an encrypted value of a column stands for.
///
/// # Errors
/// When it is no such value, or one of another domain.
pub fn reveal(key: &FieldKey, value: &str) -> Result<String, polder_crypto::Error> {
    let sealed = URL_SAFE_NO_PAD.decode(value.trim()).map_err(|_| polder_crypto::Error::Field)?;
    let text = key.cipher()?.open(&sealed)?;
    String::from_utf8(text.to_vec()).map_err(|_| polder_crypto::Error::Field)
}

impl MaskedColumn {
    /// The cell that quarantine keeps of a row: the masked value, or that there was one.
    pub fn kept(&self, plan: &Plan, cells: &Cells, row: usize) -> (CellKind, Vec<u8>) {
        let is_null = match cells {
            Cells::Text(column) => column.get(row).is_none_or(|cell| match cell.kind {
                CellKind::Null => true,
                CellKind::Text => plan.is_null_token(cell.bytes),
                _ => false,
            }),
            Cells::Typed(array) => row >= array.len() || array.is_null(row),
        };
        if is_null {
            return (CellKind::Null, Vec::new());
        }
        if self.refused.has(row) {
            return (CellKind::Withheld, Vec::new());
        }
        self.array.as_ref().map_or((CellKind::Masked, Vec::new()), |array| row::masked(array, row))
    }
}

/// Values that break a rule become nulls, so that no mask looks at them.
fn hide(plain: &ArrayRef, refused: &Faults) -> Result<ArrayRef, ArrowError> {
    if refused.is_empty() {
        return Ok(Arc::clone(plain));
    }
    nullif(plain, &BooleanArray::new(BooleanBuffer::collect_bool(plain.len(), |row| refused.has(row)), None))
}

/// What of a column was masked before it came.
struct Before {
    rows: BooleanArray,
    cells: TextColumn,
}

impl Before {
    /// None for every column but those of a replay.
    fn of(cells: &Cells) -> Option<Self> {
        let Cells::Text(column) = cells else { return None };
        if !column.iter().any(|cell| cell.kind == CellKind::Masked) {
            return None;
        }
        let mut builder = TextColumnBuilder::new(Bytes::new(), column.len());
        for cell in column.iter() {
            match cell.kind {
                CellKind::Masked => builder.push_bytes(cell.bytes, CellKind::Quoted),
                _ => builder.push_null(),
            }
        }
        let masked = |row: usize| column.get(row).is_some_and(|cell| cell.kind == CellKind::Masked);
        Some(Self { rows: BooleanArray::new(BooleanBuffer::collect_bool(column.len(), masked), None), cells: builder.finish() })
    }

    fn has(&self, row: usize) -> bool {
        row < self.rows.len() && self.rows.value(row)
    }
}

/// A column of texts that are set in ascending order; the others are null.
struct Texts {
    rows: usize,
    next: usize,
    builder: StringBuilder,
}

impl Texts {
    fn new(rows: usize, bytes_each: usize) -> Self {
        Self { rows, next: 0, builder: StringBuilder::with_capacity(rows, rows.saturating_mul(bytes_each)) }
    }

    fn set(&mut self, row: usize, text: &str) {
        self.nulls_to(row);
        self.builder.append_value(text);
        self.next += 1;
    }

    fn nulls_to(&mut self, row: usize) {
        while self.next < row {
            self.builder.append_null();
            self.next += 1;
        }
    }

    fn finish(mut self) -> ArrayRef {
        self.nulls_to(self.rows);
        Arc::new(self.builder.finish())
    }
}
