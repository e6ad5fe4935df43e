//! `polder table drop`: a table and all that belongs to it. From the recorded intent on it is there for nobody, and whoever
//! writes next finishes what a killed process began. Its dataset is never used again: a table that is made under the same name
//! is another one, so nothing that was left behind or is put back can pass for a part of it.

use object_store::ObjectStoreExt as _;
use object_store::path::Path as ObjectPath;
use polder_policy::Action;
use polder_store::FileKind;
use polder_types::event::{KeyChange, Phase, TableOperation};
use polder_types::{DatasetId, ErrorKind, EventKind};

use crate::failpoint;
use crate::failure::{Failure, Outcome};
use crate::ingest::store_failure;
use crate::installation::Installation;

/// In front of the names of datasets that nobody uses any more.
pub const DROPPED: &str = "dropped:";

/// The datasets of a table: its own, and that of its refused rows.
struct Belongings {
    /// What follows `table:` in the dataset's name.
    name: String,
    table: DatasetId,
    quarantine: Option<DatasetId>,
}

impl Belongings {
    fn of(installation: &Installation, table: DatasetId) -> Outcome<Self> {
        let internal = || Failure::new(ErrorKind::Internal, format!("drop table {table}: the keyring has no table of this id"));
        let info = installation.keys.datasets().into_iter().find(|info| info.id == table).ok_or_else(internal)?;
        let (dropped, name) = match info.name.strip_prefix(DROPPED) {
            Some(former) => (true, former.strip_suffix(&format!(":{table}")).ok_or_else(internal)?.to_owned()),
            None => (false, info.name),
        };
        let name = name.strip_prefix("table:").ok_or_else(internal)?.to_owned();
        let quarantine = format!("quarantine:{name}");
        let quarantine = if dropped { former_name(&quarantine, table) } else { quarantine };
        Ok(Self { quarantine: installation.keys.find(&quarantine), name, table })
    }

    /// Every object of theirs that is in the store.
    fn objects(&self, installation: &Installation) -> Outcome<Vec<ObjectPath>> {
        let ours = |kind| matches!(kind, FileKind::Object(_, dataset) if dataset == self.table || Some(dataset) == self.quarantine);
        let files = installation.store.backend().every_file()?;
        Ok(files.into_iter().filter(|file| ours(file.kind)).map(|file| ObjectPath::from(file.path)).collect())
    }
}

/// `dropped:table:people:0123...`: the id is the table's, so that the names of one removal are found together.
fn former_name(name: &str, table: DatasetId) -> String {
    format!("{DROPPED}{name}:{table}")
}

/// Removes a table: its rows, versions and offsets, and the rows that its contract refused. Returns how many objects that were.
///
/// # Errors
/// When it is not permitted, there is no such table, or something fails: then the next command that writes goes on.
pub async fn drop_table(installation: &Installation, name: &str) -> Outcome<u64> {
    let permit = installation.permit(Action::Drop, name).await?;
    let table = permit.table_id();
    let state = installation.journal.state();
    if !state.tables.contains_key(&table) && !state.quarantine.contains_key(&table) {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!("drop table {name}: nothing of it is stored; what computes it is a file of models/, what lets it in one of contracts/"),
        ));
    }
    // With the table it would be forgotten that models hold what was to be erased.
    let mut models = state.open_erasures.get(&table).into_iter().flat_map(|open| open.models.keys());
    if models.any(|model| state.tables.contains_key(model)) {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!(
                "drop table {name}: an erasure from it is not finished, and models may hold what was computed of the rows; `polder table erase {name} --resume` finishes it, or drop these models first"
            ),
        ));
    }
    let belongings = Belongings::of(installation, table)?;
    let files = belongings.objects(installation)?.len() as u64;
    installation.still_writer().await?;
    installation
        .record(EventKind::TableMaintained { dataset: table, operation: TableOperation::Drop, phase: Phase::Intent, files })
        .await?;
    failpoint::hit("drop-intent");
    finish(installation, table).await
}

async fn finish(installation: &Installation, table: DatasetId) -> Outcome<u64> {
    let belongings = Belongings::of(installation, table)?;
    installation.lake(None)?.abandon(table).await?;
    let objects = belongings.objects(installation)?;
    for object in &objects {
        installation.still_writer().await?;
        match installation.store.delete(object).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(store_failure("delete an object of the table", &error)),
        }
        failpoint::hit("drop-deleting");
    }
    failpoint::hit("drop-deleted");
    let mut names = vec![(table, former_name(&format!("table:{}", belongings.name), table))];
    names.extend(belongings.quarantine.map(|id| (id, former_name(&format!("quarantine:{}", belongings.name), table))));
    if names.iter().any(|(id, name)| installation.keys.find(name) != Some(*id)) {
        let renamed = async |keys: &polder_keys::Keys| keys.rename_datasets(&names).await;
        installation.change_keys(KeyChange::DatasetDropped, Some(table), renamed).await?;
    }
    let files = objects.len() as u64;
    installation
        .record(EventKind::TableMaintained { dataset: table, operation: TableOperation::Drop, phase: Phase::Outcome, files })
        .await?;
    Ok(files)
}

impl Installation {
    /// Finishes the removals that a killed process began.
    pub(crate) async fn settle_removals(&self) -> Outcome {
        let state = self.journal.state();
        for open in state.open_maintenance.iter().filter(|open| open.operation == TableOperation::Drop) {
            finish(self, open.dataset).await?;
        }
        Ok(())
    }
}
