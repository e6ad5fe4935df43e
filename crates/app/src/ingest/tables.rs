//! A load of a database's table or query: whole, or the increment that its cursor tells.

use aws_lc_rs::digest;
use polder_connect::{Connection, Increment, IncrementOptions, WantedColumn, open_table};
use polder_types::ErrorKind;
use serde::Serialize;

use super::offsets::Offsets;
use super::way::Way;
use super::{Batch, CellWords, Input};
use crate::failure::{Failure, Outcome};

/// How far an increment went, for the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IncrementTold {
    /// The cursor's column.
    pub cursor: String,
    /// Nothing below this value can come any more, as far as the database tells; none before the first row.
    pub reached: Option<String>,
    /// Rows that were read again and had been loaded before: they were left out.
    pub repeated: u64,
    /// Rows without a value in the cursor's column, left at the source.
    pub left: u64,
    /// What the database could not tell, or what holds the cursor back.
    pub note: Option<String>,
}

impl From<&Increment> for IncrementTold {
    fn from(increment: &Increment) -> Self {
        Self {
            cursor: increment.state.column.clone(),
            reached: increment.state.reached.clone(),
            repeated: increment.repeated,
            left: increment.left,
            note: increment.note.map(str::to_owned),
        }
    }
}

impl IncrementTold {
    pub(super) fn lines(&self) -> Vec<String> {
        let reached = self.reached.as_deref().map_or_else(|| "at its beginning".to_owned(), |reached| format!("at {reached}"));
        let mut lines = vec![format!("{:<12}   the cursor {} is {reached}", "", self.cursor)];
        if self.repeated > 0 {
            lines.push(format!("{:<12}   {} rows were read again and had been loaded before", "", self.repeated));
        }
        if self.left > 0 {
            lines.push(format!("{:<12}   {} rows without a value of the cursor were left at the source", "", self.left));
        }
        lines.extend(self.note.iter().map(|note| format!("{:<12}   {note}", "")));
        lines
    }
}

impl Batch<'_> {
    /// Whether a part of the source can be read again, and its rows find those that they were.
    pub(super) fn reads_windows(&self, connection: &Connection) -> Outcome<bool> {
        let declared = connection.dataset(&self.approved.dataset)?;
        Ok(connection.database.is_some() && declared.cursor.is_some() && self.way().merges())
    }

    /// What is to be read of the database.
    pub(super) async fn of_table(&mut self, connection: &Connection, before: Offsets) -> Outcome<Option<Input>> {
        // Files are waited for; a database is read when it is asked to be.
        if self.options.settled.is_some() {
            return Ok(None);
        }
        let (approved, way) = (&self.approved, self.way());
        let declared = connection.dataset(&approved.dataset)?;
        let increment = match (&declared.cursor, way) {
            (Some(cursor), _) if approved.disposition.keeps_rows() => {
                if let Some(masked) = approved.columns.iter().find(|column| column.physical_name == cursor.column && column.mask.is_some())
                {
                    let text = format!(
                        "read dataset {} by its cursor {}: the contract masks the column, so how far it was read cannot be kept; choose another cursor",
                        approved.dataset, masked.physical_name
                    );
                    return Err(Failure::new(ErrorKind::Invalid, text));
                }
                let state = before.cursor.clone().filter(|_| !self.options.full_refresh);
                let key = self.installation.keys.derive("increments")?;
                let digest = digest::digest(&digest::SHA256, key.expose_secret());
                let key = *digest.as_ref().first_chunk::<16>().ok_or_else(|| Failure::new(ErrorKind::Internal, "derive a key"))?;
                let (from, until) = self.options.window.map(|(from, to)| (from.to_owned(), to.to_owned())).unzip();
                Some(IncrementOptions { state, known_again: !way.merges(), key, from, until })
            }
            (_, Way::Append) => {
                let text = format!(
                    "append dataset {}: it has no cursor, so each load would add all of its rows again; give it one in {} (`cursor: COLUMN`), or set polder.disposition to replace or merge",
                    approved.dataset, connection.file
                );
                return Err(Failure::new(ErrorKind::Invalid, text));
            }
            // What takes the place of all that is there is read whole, and so is what has no cursor.
            (_, Way::Replace | Way::Merge | Way::Scd2) => None,
        };
        let identity = self.run.to_string();
        let options = self.installation.project.read_options();
        let cursor = increment.is_some().then(|| declared.cursor.as_ref().map(|cursor| cursor.column.clone())).flatten();
        let keys = |columns: &[WantedColumn]| Ok(open_table(connection, &approved.dataset, columns, &identity, None, options)?);
        let gone = self.gone(connection, keys).await?;
        let reader = open_table(connection, &approved.dataset, &self.wanted(), &identity, increment, options)?;
        let mut offsets = Offsets {
            run: identity.clone(),
            contract_hash: hex::encode(approved.semantic_hash()),
            source_identity: identity.clone(),
            outside: before.outside.clone(),
            history: before.history.clone(),
            ..Offsets::default()
        };
        if way.keeps_rows() {
            offsets.replayed = before.replayed;
            offsets.cursor = before.cursor;
        }
        let cells = CellWords::of(declared);
        Ok(Some(Input { reader, cells, way, gone, cursor, replay: false, offsets }))
    }
}
