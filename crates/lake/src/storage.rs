//! What a version of a table takes in the store, and how much of that is not in the table any more. All of it stands in the table's log:
//! nothing is listed or read for it.

use polder_types::DatasetId;
use serde::Serialize;

use crate::error::Error;
use crate::lake::Lake;
use crate::log::table_path;
use crate::maintain::SMALL_FILE_BYTES;
use crate::snapshot::{DataFile, TableSnapshot};

/// A file of which more than so many in a hundred rows are deleted is written anew by an optimisation.
pub const DELETED_PERCENT_MAX: u64 = 30;
/// From so many small files on a table is worth an optimisation.
pub const SMALL_FILES_MANY: u64 = 32;

/// See the module. Bytes are those of the plain files, as the table log has them; sealing adds a few in ten thousand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Storage {
    /// Bytes of the version's data files.
    pub table_bytes: u64,
    /// The share of these that is of rows in the table: of each file as much as of its rows.
    pub live_bytes: u64,
    /// Rows that lie in the files, deleted ones included.
    pub stored_rows: u64,
    /// Of these, rows that deletion vectors take out.
    pub deleted_rows: u64,
    /// Data files.
    pub files: u64,
    /// Of these, files with a deletion vector.
    pub vectors: u64,
    /// Of these, files that are smaller than [`SMALL_FILE_BYTES`].
    pub small_files: u64,
    /// Of these, files of which more than [`DELETED_PERCENT_MAX`] in a hundred rows are deleted.
    pub thin_files: u64,
}

impl Storage {
    pub(crate) fn add(&mut self, size: u64, rows: u64, deleted: u64) {
        let deleted = deleted.min(rows);
        let live = u128::from(size).saturating_mul(u128::from(rows - deleted)).checked_div(u128::from(rows));
        let live = live.map_or(size, |live| u64::try_from(live).unwrap_or(size));
        self.table_bytes = self.table_bytes.saturating_add(size);
        self.live_bytes = self.live_bytes.saturating_add(live);
        self.stored_rows = self.stored_rows.saturating_add(rows);
        self.deleted_rows = self.deleted_rows.saturating_add(deleted);
        self.files += 1;
        self.vectors += u64::from(deleted > 0);
        self.small_files += u64::from(size < SMALL_FILE_BYTES);
        self.thin_files += u64::from(thin(rows, deleted));
    }

    /// Whether the table is worth a [`Lake::optimize`], after which it is not any more.
    pub fn is_due(&self) -> bool {
        self.thin_files > 0 || self.small_files >= SMALL_FILES_MANY
    }

    /// How many in a hundred of the rows that lie in the files are deleted.
    pub fn deleted_percent(&self) -> u64 {
        self.deleted_rows.saturating_mul(100).checked_div(self.stored_rows).unwrap_or_default()
    }
}

/// Whether so many rows of a file are deleted that it is written anew.
pub(crate) fn thin(rows: u64, deleted: u64) -> bool {
    deleted.saturating_mul(100) > rows.saturating_mul(DELETED_PERCENT_MAX)
}

impl TableSnapshot {
    fn storage(&self) -> Storage {
        let mut storage = Storage::default();
        self.files.iter().for_each(|file| storage.add(file.size, file.rows, file.deleted_rows()));
        storage
    }
}

impl DataFile {
    /// Rows that its vector takes out.
    pub(crate) fn deleted_rows(&self) -> u64 {
        self.rows.saturating_sub(self.live())
    }
}

impl Lake {
    /// What the visible version of a table takes. Needs no permit: it holds no rows.
    ///
    /// # Errors
    /// When the table does not exist or does not verify.
    pub async fn storage(&self, dataset: DatasetId) -> Result<Storage, Error> {
        Ok(self.snapshot(dataset, None).await?.storage())
    }

    /// Below which path all objects of a table lie: data files of every version, deletion vectors, log.
    pub fn folder(dataset: DatasetId) -> String {
        table_path(dataset).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_summed_by_their_live_rows() {
        let mut storage = Storage::default();
        storage.add(1_000, 100, 0);
        storage.add(1_000, 100, 30);
        assert!(!storage.is_due());
        storage.add(SMALL_FILE_BYTES, 3, 1);
        let live = 1_000 + 700 + SMALL_FILE_BYTES * 2 / 3;
        let wanted = Storage {
            table_bytes: 2_000 + SMALL_FILE_BYTES,
            live_bytes: live,
            stored_rows: 203,
            deleted_rows: 31,
            files: 3,
            vectors: 2,
            small_files: 2,
            thin_files: 1,
        };
        assert_eq!((storage, storage.deleted_percent(), storage.is_due()), (wanted, 15, true));
        // What no file can be, and what none is.
        storage.add(10, 0, 0);
        storage.add(10, 5, 9);
        assert_eq!((storage.live_bytes, storage.deleted_rows), (live + 10, 36));
        assert_eq!((Storage::default().deleted_percent(), Storage::default().is_due()), (0, false));
    }

    #[test]
    fn many_small_files_are_due_and_large_ones_never() {
        let of = |files: u64, size: u64| {
            let mut storage = Storage::default();
            (0..files).for_each(|_| storage.add(size, 10, 0));
            storage.is_due()
        };
        assert!(!of(SMALL_FILES_MANY - 1, 100) && of(SMALL_FILES_MANY, 100) && !of(1_000, SMALL_FILE_BYTES));
    }
}
