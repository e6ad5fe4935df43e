//! Rows that stay when the columns change. A column that is added, may be missing or stands elsewhere is a commit of the new columns
//! alone, since files are read by name; a wider type and a column that goes are a commit of files written anew. Nothing else is done to
//! rows that are there: what could lose or invent a value is refused.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use deltalake_core::kernel::Action as DeltaAction;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use object_store::path::Path;
use parking_lot::Mutex;
use polder_contract::change::widens;
use polder_policy::{Action, Permit};
use polder_types::event::TableOperation;
use polder_types::{DatasetId, PrincipalId};

use crate::commit::Commit;
use crate::error::Error;
use crate::lake::{CommitPermit, Lake};
use crate::schema::{difference, stored_schema, table_actions, to_stored};
use crate::snapshot::TableSnapshot;
use crate::stage::{Stage, StagedFile};
use crate::writer::{add, appends_to, remove};

/// One thing that is done to a table whose rows stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MigrationStep {
    /// A column came; rows that are there hold NULL.
    Added {
        /// Its name.
        column: String,
    },
    /// A column may hold NULL from now on.
    Optional {
        /// Its name.
        column: String,
    },
    /// A column has a type that holds every value of the former one.
    Widened {
        /// Its name.
        column: String,
        /// The former type.
        from: DataType,
        /// The type from now on.
        to: DataType,
    },
    /// A column went; versions before hold it until a vacuum deletes their files.
    Removed {
        /// Its name.
        column: String,
    },
    /// The columns stand in another order.
    Reordered,
}

impl MigrationStep {
    /// Whether it takes files written anew.
    fn rewrites(&self) -> bool {
        matches!(self, Self::Widened { .. } | Self::Removed { .. })
    }
}

impl fmt::Display for MigrationStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { column } => write!(f, "added column {column}; old rows NULL"),
            Self::Optional { column } => write!(f, "column {column} may be missing"),
            Self::Widened { column, from, to } => write!(f, "widened column {column} from {from} to {to}; files written anew"),
            Self::Removed { column } => write!(f, "removed column {column}; files written anew, older versions hold it until a vacuum"),
            Self::Reordered => f.write_str("columns in another order"),
        }
    }
}

/// What other columns mean for the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// The table has them, or has no rows.
    Nothing,
    /// This is done.
    Steps(Vec<MigrationStep>),
    /// Nothing is done, for this reason.
    Refused(String),
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The version that it made.
    pub version: u64,
    /// The steps.
    pub steps: Vec<MigrationStep>,
}

impl Lake {
    /// What the columns of `schema` mean for the rows of a table.
    ///
    /// # Errors
    /// When the table does not verify, or a type is not held by the format.
    pub async fn planned_migration(&self, dataset: DatasetId, schema: &Schema) -> Result<Planned, Error> {
        let wanted = stored_schema(schema)?;
        if !self.exists(dataset) {
            return Ok(Planned::Nothing);
        }
        let head = self.snapshot(dataset, None).await?;
        Ok(if appends_to(&head, &wanted) { Planned::Nothing } else { plan(&head.stored, &wanted) })
    }

    /// Gives the permit's table the columns of `schema`; its rows stay. None when there is nothing to do.
    ///
    /// # Errors
    /// When the permit is not for loading, when it is refused, or when reading, staging or committing fails: the table is then as it was,
    /// or recovery finds the commit and adopts it.
    pub async fn migrate(&self, permit: &Permit, schema: &Schema, actor: &PrincipalId) -> Result<Option<Migrated>, Error> {
        let dataset = permit.table_id();
        if permit.action() != Action::Run {
            return Err(Error::WrongPermit { step: "migrate", dataset, wanted: "loading" });
        }
        let wanted = stored_schema(schema)?;
        if !self.exists(dataset) {
            return Ok(None);
        }
        let lock = self.ready(dataset).await?;
        let head = self.snapshot(dataset, None).await?;
        if appends_to(&head, &wanted) {
            return Ok(None);
        }
        let steps = match plan(&head.stored, &wanted) {
            Planned::Nothing => return Ok(None),
            Planned::Steps(steps) => steps,
            Planned::Refused(_) => return Err(Error::SchemaMismatch { dataset }),
        };
        let claimed: Arc<Mutex<Vec<Path>>> = Arc::default();
        let done = self.migrate_to(&head, &wanted, &steps, actor, &claimed, &lock).await;
        self.inner.claims.release(claimed.lock().iter());
        Ok(Some(Migrated { version: done?, steps }))
    }

    async fn migrate_to(
        &self,
        head: &TableSnapshot,
        wanted: &SchemaRef,
        steps: &[MigrationStep],
        actor: &PrincipalId,
        claimed: &Arc<Mutex<Vec<Path>>>,
        lock: &CommitPermit,
    ) -> Result<u64, Error> {
        let dataset = head.dataset;
        let files = match steps.iter().any(MigrationStep::rewrites) {
            true => Some(self.written_anew(head, wanted, claimed).await?),
            false => None,
        };
        self.inner.failpoints.hit("lake.migration_staged");
        let now_ms = self.inner.clock.now_ms();
        let (protocol, metadata) = table_actions(wanted, dataset, now_ms, head.vectors)?;
        let mut actions = vec![DeltaAction::Protocol(protocol), DeltaAction::Metadata(metadata)];
        let mut mode = SaveMode::Append;
        if let Some(files) = &files {
            mode = SaveMode::Overwrite;
            actions.extend(head.files.iter().map(|file| DeltaAction::Remove(remove(dataset, file, now_ms, true))));
            for file in files {
                actions.push(DeltaAction::Add(add(dataset, file, now_ms, true)?));
            }
        }
        let commit = Commit {
            dataset,
            actor,
            operation: TableOperation::Migrate,
            sequence: self.inner.heads.head(dataset).map_or(0, |head| head.sequence),
            counts: None,
            base: Some(head),
            actions,
            delta: DeltaOperation::Write { mode, partition_by: None, predicate: None },
        };
        self.commit(commit, lock).await
    }

    /// The rows of a version in files of other columns, staged.
    async fn written_anew(
        &self,
        head: &TableSnapshot,
        wanted: &SchemaRef,
        claimed: &Arc<Mutex<Vec<Path>>>,
    ) -> Result<Vec<StagedFile>, Error> {
        let dataset = head.dataset;
        let (claims, list) = (self.inner.claims.clone(), Arc::clone(claimed));
        let claim = move |path: &Path| {
            claims.claim(path);
            list.lock().push(path.clone());
        };
        let mut context = self.stage_context(dataset, Arc::clone(wanted), Arc::new(claim));
        // One encoder keeps the rows in the order of the files.
        context.threads = 1;
        let mut stage = Stage::new(context);
        for file in &head.files {
            let mut rows = self.live_rows(dataset, file, None).await?;
            while let Some(batch) = rows.next().await? {
                let batch = fitted(batch, wanted, dataset)?;
                stage.append(batch).await?;
            }
        }
        let files = stage.finish().await?;
        let (staged, expected) = (files.iter().map(|file| file.rows).sum::<u64>(), head.rows());
        if staged == expected { Ok(files) } else { Err(Error::RowsLost { dataset, staged, expected }) }
    }
}

/// What is done to rows of the table's columns for the wanted ones.
fn plan(table: &Schema, wanted: &Schema) -> Planned {
    let mut steps = Vec::new();
    let unfit = || Planned::Refused(difference(table, wanted).unwrap_or_default());
    for want in wanted.fields() {
        let column = want.name().clone();
        let Ok(have) = table.field_with_name(want.name()) else {
            if !want.is_nullable() {
                return Planned::Refused(format!("column {column} of the contract is not in the table and is required without a default"));
            }
            steps.push(MigrationStep::Added { column });
            continue;
        };
        match (have.data_type(), want.data_type()) {
            (have, want) if have == want => {}
            (from, to) if widens(from, to) => {
                steps.push(MigrationStep::Widened { column: column.clone(), from: from.clone(), to: to.clone() });
            }
            _ => return unfit(),
        }
        match (have.is_nullable(), want.is_nullable()) {
            (false, true) => steps.push(MigrationStep::Optional { column }),
            (true, false) => return unfit(),
            _ => {}
        }
    }
    let gone = table.fields().iter().filter(|field| wanted.field_with_name(field.name()).is_err());
    let gone: Vec<MigrationStep> = gone.map(|field| MigrationStep::Removed { column: field.name().clone() }).collect();
    let added = steps.iter().find_map(|step| if let MigrationStep::Added { column } = step { Some(column.clone()) } else { None });
    if let (Some(added), Some(MigrationStep::Removed { column })) = (added, gone.first()) {
        return Planned::Refused(format!(
            "column {column} of the table is not in the contract and column {added} of the contract is not in the table, which may be one column under another name"
        ));
    }
    steps.extend(gone);
    let order = |of: &Schema, other: &Schema| -> Vec<String> {
        of.fields().iter().filter(|field| other.field_with_name(field.name()).is_ok()).map(|field| field.name().clone()).collect()
    };
    if order(table, wanted) != order(wanted, table) {
        steps.push(MigrationStep::Reordered);
    }
    Planned::Steps(steps)
}

/// A batch of a file in a table's columns: by their names, NULL where the file was written before the column came, and in a wider type
/// where the file has a narrower one.
pub(crate) fn fitted(batch: RecordBatch, stored: &SchemaRef, dataset: DatasetId) -> Result<RecordBatch, Error> {
    let mismatch = || Error::SchemaMismatch { dataset };
    if batch.schema().fields() == stored.fields() {
        return Ok(batch);
    }
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(stored.fields().len());
    for want in stored.fields() {
        let Some(have) = batch.column_by_name(want.name()) else {
            if !want.is_nullable() {
                return Err(mismatch());
            }
            columns.push(new_null_array(want.data_type(), batch.num_rows()));
            continue;
        };
        let options = CastOptions { safe: false, ..CastOptions::default() };
        columns.push(match widens(have.data_type(), want.data_type()) {
            true => cast_with_options(have, want.data_type(), &options).map_err(|_| mismatch())?,
            false => Arc::clone(have),
        });
    }
    let fields: Vec<_> = stored
        .fields()
        .iter()
        .zip(&columns)
        .map(|(want, column)| want.as_ref().clone().with_data_type(column.data_type().clone()))
        .collect();
    to_stored(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|_| mismatch())?, stored, dataset)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;

    use super::*;

    fn schema(fields: &[(&str, DataType, bool)]) -> Schema {
        Schema::new(fields.iter().map(|(name, ty, nullable)| Field::new(*name, ty.clone(), *nullable)).collect::<Vec<_>>())
    }

    #[test]
    fn what_could_lose_or_invent_a_value_is_refused() {
        use DataType::{Int32, Int64, Utf8};
        let table = schema(&[("id", Int64, false), ("age", Int32, true)]);
        let told = |wanted: &[(&str, DataType, bool)]| match plan(&table, &schema(wanted)) {
            Planned::Nothing => vec!["nothing".to_owned()],
            Planned::Steps(steps) => steps.iter().map(ToString::to_string).collect(),
            Planned::Refused(why) => vec![format!("refused: {why}")],
        };
        let (id, age) = (("id", Int64, false), ("age", Int32, true));
        assert_eq!(told(&[id.clone(), ("x", Utf8, true), age.clone()]), ["added column x; old rows NULL"]);
        assert_eq!(told(&[("id", Int64, true), age.clone()]), ["column id may be missing"]);
        assert_eq!(told(&[id.clone(), ("age", Int64, true)]), ["widened column age from Int32 to Int64; files written anew"]);
        assert_eq!(told(std::slice::from_ref(&id)), ["removed column age; files written anew, older versions hold it until a vacuum"]);
        assert_eq!(told(&[age.clone(), id.clone()]), ["columns in another order"]);
        for refused in [
            told(&[id.clone(), age.clone(), ("x", Utf8, false)]),
            told(&[id.clone(), ("age", Int32, false)]),
            told(&[id.clone(), ("age", Utf8, true)]),
            told(&[("id", Int32, false), age]),
            told(&[id, ("years", Int32, true)]),
        ] {
            assert!(refused[0].starts_with("refused: column "), "{refused:?}");
        }
    }
}
