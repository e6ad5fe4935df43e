//! Refused rows that are kept: judged by their values as they came, by type alone. A row of which a value cannot be read that the condition looks at
//! is undecided; a record of which nothing was kept holds nothing.

use bytes::Bytes;
use object_store::ObjectStoreExt as _;
use polder_contract::Contract;
use polder_contract::quarantine::{Reader, Writing, values, without};
use polder_engine::Predicate;
use polder_types::{DatasetId, EventKind, TableName};

use super::Undecided;
use crate::failpoint;
use crate::failure::Outcome;
use crate::ingest::store_failure;
use crate::installation::Installation;
use crate::quarantine::{Object, objects};

/// How many rows are kept, and what was found out of them.
#[derive(Default)]
pub(super) struct Judged {
    /// All of them.
    pub rows: u64,
    /// Those that are meant.
    pub meant: u64,
    /// Those of which nobody can tell.
    pub undecided: u64,
}

/// Judges the refused rows of one table.
pub(super) struct Judge<'a> {
    table: TableName,
    predicate: &'a Predicate,
    /// None when no contract says what the rows are.
    contract: Option<Contract>,
    writing: Writing,
}

impl<'a> Judge<'a> {
    pub(super) fn new(installation: &Installation, table: &TableName, predicate: &'a Predicate) -> Outcome<Self> {
        let contract = installation.project.contract(table.as_str()).ok().map(|(_, contract)| contract);
        let mut writing = Writing::default();
        if let Some(contract) = &contract
            && let Ok(source) = installation.project.source(&contract.source)
            && let Ok(dataset) = source.dataset(&contract.dataset)
        {
            writing = Writing { null_tokens: dataset.null_tokens.clone(), decimal_comma: dataset.decimal_comma };
        }
        Ok(Self { table: table.clone(), predicate, contract, writing })
    }

    /// Every object of the table, those of batches that failed too. What went with its key holds nothing any more.
    async fn objects(&self, installation: &Installation) -> Outcome<Vec<Object>> {
        Ok(objects(installation, self.table.as_str()).await?.into_iter().filter(|object| !object.gone).collect())
    }

    /// An object, and of each of its rows whether it is meant: none when nobody can tell. One is in memory at a time.
    async fn read(&self, installation: &Installation, object: &Object) -> Outcome<(Bytes, Vec<Option<bool>>)> {
        let read = installation.store.read(&object.path).await;
        let bytes = read.map_err(|error| installation.store_failure("read refused rows", &error))?;
        let rows = self.judge(&bytes)?;
        Ok((bytes, rows))
    }

    /// Judges all that are kept.
    pub(super) async fn judge_all(&self, installation: &Installation) -> Outcome<Judged> {
        let mut judged = Judged::default();
        for object in self.objects(installation).await? {
            for row in self.read(installation, &object).await?.1 {
                judged.rows = judged.rows.saturating_add(1);
                match row {
                    Some(true) => judged.meant = judged.meant.saturating_add(1),
                    Some(false) => {}
                    None => judged.undecided = judged.undecided.saturating_add(1),
                }
            }
        }
        Ok(judged)
    }

    fn judge(&self, bytes: &[u8]) -> Outcome<Vec<Option<bool>>> {
        let columns = self.predicate.columns();
        let Some(contract) = &self.contract else {
            let rows = Reader::open(bytes)?.map(|row| Ok(if row?.cells.is_empty() { Some(false) } else { None }));
            return rows.collect::<Result<_, polder_contract::Error>>().map_err(Into::into);
        };
        let held = values(bytes, contract, &columns, &self.writing)?;
        let meant = self.predicate.matches(&held.rows)?;
        let judge = |row: usize| {
            let (kept, known) = (held.kept.get(row).copied()?, held.known.get(row).copied()?);
            Some(match (kept, known) {
                (false, _) => Some(false),
                (true, false) => None,
                (true, true) => Some(row < meant.len() && meant.value(row)),
            })
        };
        Ok((0..held.rows.num_rows()).map(|row| judge(row).flatten()).collect())
    }

    /// Takes out the rows that are meant. It may be done again: what is recorded first is what is left in the object.
    pub(super) async fn remove(&self, installation: &Installation, table: DatasetId, undecided: Undecided) -> Outcome {
        let recorded = installation.journal.state().quarantine.get(&table).cloned().unwrap_or_default();
        for object in self.objects(installation).await? {
            let (bytes, rows) = self.read(installation, &object).await?;
            let gone: Vec<bool> = rows.iter().map(|row| row.unwrap_or(undecided == Undecided::Remove)).collect();
            let (rest, left) = without(&bytes, &gone)?;
            let taken = u64::try_from(gone.iter().filter(|gone| **gone).count()).unwrap_or(u64::MAX);
            let path = object.path.to_string();
            let known = recorded.get(&path).map(|kept| kept.rows);
            if taken == 0 && known.is_none_or(|known| known == left) {
                continue;
            }
            installation.still_writer().await?;
            if known.is_some_and(|known| known != left) {
                let event = EventKind::QuarantineErased { dataset: table, object: path, rows: taken, left };
                installation.record(event).await?;
            }
            failpoint::hit("erase-object");
            if taken == 0 {
                continue;
            }
            let done = match left {
                0 => installation.store.delete(&object.path).await,
                _ => installation.store.put(&object.path, rest.into()).await.map(drop),
            };
            match done {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(store_failure("take rows out of the refused ones", &error)),
            }
        }
        Ok(())
    }
}
