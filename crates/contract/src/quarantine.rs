//! Rejected rows as the sealed quarantine keeps them, to list, show and replay. The bytes are in `docs/format/quarantine.md`.

pub(crate) mod row;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::admitted::{Rejection, Rule};
use crate::column::Column;
use crate::contract::Contract;
use crate::error::Error;
use crate::raw::{CellKind, Cells, RawBatch, TextColumnBuilder};

pub use values::{Values, Writing, values, without};

const MAGIC: &[u8; 8] = b"POLDERQ1";

/// What all rows of a quarantine object share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The table that the rows were meant for.
    pub table: String,
    /// SHA-256 of the meaning of the contract that they broke, in hexadecimal.
    pub contract: String,
    /// The source's names of the columns, in the order of the cells.
    pub columns: Vec<String>,
    /// The masks of those that have one, and a hash of the rules that the value held before, by the source's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub masks: BTreeMap<String, String>,
}

impl Head {
    /// Where each column of a contract stands in the rows. A contract that wants a column that was not kept, or masks one otherwise, gets
    /// none of them: what a source once held there is not known.
    fn places(&self, contract: &Contract) -> Result<Vec<usize>, Error> {
        let now = masks(contract);
        let place = |column: &Column| {
            // What was kept as it came is masked by the gate; what was masked cannot be masked otherwise, nor held to other rules.
            let then = self.masks.get(&column.physical_name);
            if then.is_some() && then != now.get(&column.physical_name) {
                return Err(Error::MaskedOtherwise { column: column.name.clone() });
            }
            let place = self.columns.iter().position(|name| *name == column.physical_name);
            place.ok_or_else(|| Error::NotKept { column: column.name.clone() })
        };
        contract.columns.iter().map(place).collect()
    }
}

/// Writes a quarantine object: plain bytes, which only a sealed store may take.
pub struct Writer {
    bytes: Vec<u8>,
    rows: u64,
}

impl Writer {
    /// An object without rows.
    pub fn new(contract: &Contract) -> Self {
        let head = Head {
            table: contract.table.as_str().to_owned(),
            contract: hex::encode(contract.semantic_hash()),
            columns: contract.columns.iter().map(|column| column.physical_name.clone()).collect(),
            masks: masks(contract),
        };
        // A struct of texts is always written as JSON.
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        row::put_bytes(&head, &mut bytes);
        Self { bytes, rows: 0 }
    }

    /// Adds a row.
    pub fn push(&mut self, rejection: &Rejection) {
        let mut record = Vec::with_capacity(64 + rejection.row_bytes().len());
        row::put_bytes(rejection.file.as_bytes(), &mut record);
        row::put_number(rejection.record, &mut record);
        row::put_number(rejection.ordinal, &mut record);
        record.push(rejection.rule.code());
        row::put_bytes(rejection.column.as_deref().unwrap_or_default().as_bytes(), &mut record);
        record.extend_from_slice(rejection.row_bytes());
        row::put_bytes(&record, &mut self.bytes);
        self.rows += 1;
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The object's bytes.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// A quarantined row.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    /// The file as the user knew it.
    pub file: String,
    /// The record's number in the file, counted from 1.
    pub record: u64,
    /// The row's place in its run.
    pub ordinal: u64,
    /// The column whose rule was broken.
    pub column: Option<String>,
    /// The rule.
    pub rule: Rule,
    /// The cells, in the order of [`Head::columns`]; none when the record could not be split.
    pub cells: Vec<(CellKind, Vec<u8>)>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept")
            .field("file", &self.file)
            .field("record", &self.record)
            .field("column", &self.column)
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}

/// Reads a quarantine object.
#[derive(Debug)]
pub struct Reader<'a> {
    head: Head,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads the head of an object.
    ///
    /// # Errors
    /// When the bytes are not such an object.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(Error::Quarantine { what: "it is of an unknown kind or version" })?;
        let (head, rest) = row::take_bytes(rest).ok_or(Error::Quarantine { what: "its head is cut" })?;
        let head = serde_json::from_slice(head).map_err(|_| Error::Quarantine { what: "its head does not parse" })?;
        Ok(Self { head, rest })
    }

    /// What all rows share.
    pub fn head(&self) -> &Head {
        &self.head
    }

    fn read(&mut self) -> Result<Kept, Error> {
        let cut = || Error::Quarantine { what: "a row is cut" };
        let (record, rest) = row::take_bytes(self.rest).ok_or_else(cut)?;
        self.rest = rest;
        let (file, record) = row::take_bytes(record).ok_or_else(cut)?;
        let (number, record) = row::take_number(record).ok_or_else(cut)?;
        let (ordinal, record) = row::take_number(record).ok_or_else(cut)?;
        let (code, record) = record.split_first().ok_or_else(cut)?;
        let (column, record) = row::take_bytes(record).ok_or_else(cut)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| Error::Quarantine { what: "a name is not UTF-8" });
        let cells =
            if record.is_empty() { Vec::new() } else { row::decode(record).ok_or(Error::Quarantine { what: "a row's cells are cut" })? };
        if !cells.is_empty() && cells.len() != self.head.columns.len() {
            return Err(Error::Quarantine { what: "a row has another number of cells than there are columns" });
        }
        Ok(Kept {
            file: text(file)?,
            record: number,
            ordinal,
            column: if column.is_empty() { None } else { Some(text(column)?) },
            rule: Rule::from_code(*code).ok_or(Error::Quarantine { what: "a rule is unknown" })?,
            cells,
        })
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Kept, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let kept = self.read();
        if kept.is_err() {
            self.rest = &[];
        }
        Some(kept)
    }
}

/// The masks of a contract's columns, in words, with a hash of the rules that the plain value held, by the source's names.
fn masks(contract: &Contract) -> BTreeMap<String, String> {
    let masked = contract.columns.iter().filter_map(|column| {
        let rules = hex::encode(column.rules_hash());
        Some((column.physical_name.clone(), format!("{}; rules {rules}", column.mask.as_ref()?)))
    });
    masked.collect()
}

/// Rows put together for another pass through a gate.
#[derive(Debug)]
pub struct Replay {
    /// The rows, for the contract as it stands now; record numbers count the rows of the replay. Records that could not be split
    /// are malformed again: nothing of them was kept.
    pub batch: RawBatch,
}

/// Whether quarantined rows can come before the gate of a contract, which may have changed meanwhile.
///
/// # Errors
/// As [`replay`].
pub fn can_replay(bytes: &[u8], contract: &Contract) -> Result<(), Error> {
    Reader::open(bytes)?.head.places(contract).map(drop)
}

/// Prepares quarantined rows for the gate of a contract, which may have changed meanwhile.
///
/// # Errors
/// When the object does not read, or the contract wants a column that was not kept: what a source once held there is not known.
pub fn replay(bytes: &[u8], contract: &Contract, file: Arc<str>, first_ordinal: u64) -> Result<Replay, Error> {
    let reader = Reader::open(bytes)?;
    let wanted = reader.head.places(contract)?;
    let mut builders: Vec<_> = wanted.iter().map(|_| TextColumnBuilder::new(Bytes::new(), 0)).collect();
    let (mut rows, mut malformed) = (0usize, Vec::new());
    for kept in reader {
        let kept = kept?;
        if let Rule::Malformed(why) = kept.rule {
            malformed.push((u32::try_from(rows).unwrap_or(u32::MAX), why));
        }
        rows += 1;
        for (builder, place) in builders.iter_mut().zip(&wanted) {
            match kept.cells.get(*place) {
                Some((kind, cell)) => builder.push_bytes(cell, *kind),
                None => builder.push_null(),
            }
        }
    }
    let columns = builders.into_iter().map(|builder| Cells::Text(builder.finish())).collect();
    Ok(Replay { batch: RawBatch { columns, rows, first_record: 1, first_ordinal, file, malformed } })
}

#[cfg(test)]
mod tests;
