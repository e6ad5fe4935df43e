//! How a load treats the rows that are there, and which of them it deletes.

use std::sync::Arc;

use parking_lot::Mutex;
use polder_connect::{Connection, SourceReader, WantedColumn};
use polder_contract::{Deletes, Disposition, Gate, Merged, SnapshotKeys, SourceKeys};
use polder_lake::{History, WriteMode};
use polder_policy::Action;
use polder_types::ErrorKind;
use polder_types::event::TableOperation;

use super::sink::LakeSink;
use super::stage::is_lost;
use super::{Batch, Loaded};
use crate::failure::{Failure, Outcome};
use crate::wiring::Loss;

/// What a load does with the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Append,
    Replace,
    Merge,
    Scd2,
}

impl Way {
    /// Whether rows that are there stay, or some of them.
    pub fn keeps_rows(self) -> bool {
        self != Self::Replace
    }

    /// Whether a row takes the place of the one that has its key.
    pub fn merges(self) -> bool {
        matches!(self, Self::Merge | Self::Scd2)
    }

    pub fn mode(self) -> WriteMode {
        match self {
            Self::Append => WriteMode::Append,
            Self::Replace => WriteMode::Replace,
            Self::Merge => WriteMode::Merge,
            Self::Scd2 => WriteMode::Scd2,
        }
    }
}

/// Which rows of the table a merge deletes, besides those of which the source says so.
pub(super) enum Gone {
    None,
    /// All whose keys the batch does not have: it is all that the source holds.
    NotInBatch,
    /// All whose keys are not among those that are read apart, and not the batch's either.
    NotAmong {
        reader: Box<dyn SourceReader>,
        keys: SourceKeys,
    },
}

impl Batch<'_> {
    pub(super) fn way(&self) -> Way {
        match self.approved.disposition {
            Disposition::Append if self.options.full_refresh => Way::Replace,
            Disposition::Append => Way::Append,
            Disposition::Replace => Way::Replace,
            Disposition::Merge => Way::Merge,
            Disposition::Scd2 => Way::Scd2,
        }
    }

    /// A table that holds versions of rows goes on holding them, under the same columns: without these its history would be rows like others.
    pub(super) async fn keeps_versions(&self) -> Outcome {
        let state = self.installation.journal.state();
        let versions = state.tables.get(&self.dataset).map(|head| head.versions.as_slice()).unwrap_or_default();
        let newest = versions.iter().rev().find(|version| version.operation.loads());
        if newest.is_none_or(|version| version.operation != TableOperation::Scd2) {
            return Ok(());
        }
        let table = self.lake.schema(self.dataset, None).await?;
        let history = self.history();
        if history.is_some_and(|history| [&history.from, &history.to].iter().all(|name| table.index_of(name).is_ok())) {
            return Ok(());
        }
        let table = &self.approved.table;
        let text = format!(
            "load table {table}: it keeps versions of its rows, and its contract does not any more, or under other columns; set polder.disposition to scd2 with the columns that it has, to replace, or remove the table with `polder table drop {table}`"
        );
        Err(Failure::new(ErrorKind::Invalid, text))
    }

    /// The columns of the key, as the table calls them.
    pub(super) fn keys(&self) -> Vec<String> {
        let places = self.approved.primary_key().into_iter();
        places.filter_map(|place| self.approved.columns.get(place)).map(|column| column.name.clone()).collect()
    }

    pub(super) fn history(&self) -> Option<History> {
        let validity = self.approved.validity.as_ref().filter(|_| self.way() == Way::Scd2);
        validity.map(|validity| History { from: validity.from.clone(), to: validity.to.clone() })
    }

    /// What a merge deletes. `open` reads the columns of the key alone, of all that the source holds.
    pub(super) async fn gone(
        &self,
        connection: &Connection,
        open: impl FnOnce(&[WantedColumn]) -> Outcome<Box<dyn SourceReader>>,
    ) -> Outcome<Gone> {
        if !self.way().merges() || self.options.dry_run {
            return Ok(Gone::None);
        }
        if self.approved.deletes != Some(Deletes::KeySnapshot) {
            return Ok(if self.options.full_refresh { Gone::NotInBatch } else { Gone::None });
        }
        let places = self.approved.primary_key();
        let columns = places.into_iter().filter_map(|place| self.approved.columns.get(place));
        let columns: Vec<WantedColumn> = columns.map(|column| WantedColumn::new(&column.physical_name).of_type(column.ty)).collect();
        let cells = super::CellWords::of(connection.dataset(&self.approved.dataset)?);
        let options = self.gate_options(false, cells).await?;
        let keys = SourceKeys::new(&self.approved, &options)?;
        Ok(Gone::NotAmong { reader: open(&columns)?, keys })
    }

    /// Finds what the batch meets in the table; what became of its rows.
    pub(super) async fn meet(&self, loaded: &Loaded, gone: Gone, sink: &mut LakeSink<'_>) -> Outcome<Merged> {
        // Before its first load the table had no id, and what was permitted then is for none.
        let permit = self.installation.may(Action::Run, self.approved.table.as_str()).await?;
        let standing = loaded.standing.clone();
        let matched = match gone {
            Gone::None => sink.match_rows(&permit, polder_lake::Deletes::Listed(standing)).await?,
            Gone::NotInBatch => sink.match_rows(&permit, polder_lake::Deletes::AllBut(Box::new(std::iter::empty()))).await?,
            Gone::NotAmong { reader, keys } => {
                let ended: Arc<Mutex<Option<Outcome>>> = Arc::default();
                let table_rows = if self.head() > 0 { self.lake.rows(self.dataset, None).await? } else { 0 };
                let lost = self.options.loss.and_then(Loss::in_keys);
                let reading = Reading { reader, keys, rows: 0, table_rows, lost, ended: Arc::clone(&ended) };
                let matched = sink.match_rows(&permit, polder_lake::Deletes::AllBut(Box::new(reading))).await;
                // What the source said weighs more than that its keys could not be compared.
                match (ended.lock().take(), matched) {
                    (Some(Ok(())), matched) => matched?,
                    (Some(Err(failure)), _) => return Err(failure.during("read the keys of the source")),
                    (None, Err(error)) => return Err(error.into()),
                    (None, Ok(_)) => {
                        return Err(Failure::new(
                            ErrorKind::Internal,
                            "read the keys of the source: they were not read to the end; report this as a defect",
                        ));
                    }
                }
            }
        };
        Ok(Merged { inserted: matched.inserted, updated: matched.updated, unchanged: matched.unchanged, deleted: matched.deleted })
    }

    /// Which of several rows of a key came last is told by the cursor, where there is one with an order.
    pub(super) fn order_by(&self, cursor: Option<&str>) -> Option<usize> {
        let cursor = cursor.filter(|_| self.way().merges())?;
        let place = self.approved.columns.iter().position(|column| column.physical_name == cursor)?;
        let column = self.approved.columns.get(place)?;
        Gate::can_order(column).then_some(place)
    }
}

/// Ends the comparison; why is told by [`Reading::ended`].
fn no_keys(kind: ErrorKind) -> polder_contract::Error {
    polder_contract::Error::Lookup { message: "the source did not give its keys".to_owned(), kind, source: None }
}

/// Keys as they are read from the source.
struct Reading {
    reader: Box<dyn SourceReader>,
    keys: SourceKeys,
    rows: u64,
    /// Rows of the table that they are compared with.
    table_rows: u64,
    /// A batch that a test loses.
    lost: Option<u64>,
    /// How it ended.
    ended: Arc<Mutex<Option<Outcome>>>,
}

impl Iterator for Reading {
    type Item = Result<SnapshotKeys, polder_contract::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let raw = match self.reader.next() {
            Ok(Some(raw)) => raw,
            Ok(None) => {
                // A source that lost all of its rows at once is more likely broken than empty.
                if self.rows == 0 && self.table_rows > 0 {
                    let text = format!(
                        "read the keys of the source: it holds no row, and the table {}; nothing was committed: look at the source, and if it is empty indeed, load it with `polder run --full-refresh` after setting polder.deletes aside",
                        self.table_rows
                    );
                    *self.ended.lock() = Some(Err(Failure::new(ErrorKind::Rejected, text)));
                    return Some(Err(no_keys(ErrorKind::Rejected)));
                }
                // A key that was not read would be taken for one that is gone.
                let whole = self.reader.counted().is_none_or(|counted| counted == self.rows);
                let short = || {
                    let text = format!(
                        "read the keys of the source: it holds {} rows, and the keys of {} came; nothing was committed: run the load again",
                        self.reader.counted().unwrap_or_default(),
                        self.rows
                    );
                    Failure::new(ErrorKind::Rejected, text)
                };
                *self.ended.lock() = Some(if whole { Ok(()) } else { Err(short()) });
                return None;
            }
            Err(error) => {
                let kind = error.kind();
                *self.ended.lock() = Some(Err(error.into()));
                return Some(Err(no_keys(kind)));
            }
        };
        if is_lost(&mut self.lost) {
            return self.next();
        }
        self.rows += u64::try_from(raw.rows).unwrap_or(u64::MAX);
        let read = match self.keys.read(&raw) {
            Ok(read) => read,
            Err(error) => return Some(Err(error)),
        };
        if read.unreadable() > 0 {
            // Whose key it is nobody knows, and the row of that key would be taken for one that is gone.
            let text = format!(
                "read the keys of the source: {} rows have none that the table could hold; nothing was committed: correct them at the source",
                read.unreadable()
            );
            *self.ended.lock() = Some(Err(Failure::new(ErrorKind::Rejected, text)));
            return Some(Err(no_keys(ErrorKind::Rejected)));
        }
        Some(Ok(read))
    }
}
