//! Profiles of what sources hold, sealed in the store: `profiles/<dataset>/<number>`, the newest of each. `docs/format/profile.md`
//! says what stands in one. No value that names anybody is among it: none of a personal column, and of the others those that
//! occur often.

pub mod page;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use polder_connect::{KeyRole, ProposedColumn, Sample, SampledColumn};
use polder_contract::discover::REPEATED_MIN;
use polder_store::{Area, SealedStore};
use polder_types::{ErrorKind, EventKind, TableName};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Outcome};
use crate::ingest::store_failure;
use crate::installation::Installation;

/// The version of the format.
const FORMAT: u32 = 1;

/// The profile of a source's dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredProfile {
    format: u32,
    pub source: String,
    pub dataset: String,
    pub table: TableName,
    /// When it was looked at, in milliseconds since 1970.
    pub time_ms: i64,
    /// Records looked at.
    pub records: u64,
    /// Files that the dataset consisted of.
    pub files: u64,
    /// Whether these were all records.
    pub whole: bool,
    pub columns: Vec<StoredColumn>,
}

/// One column of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredColumn {
    pub name: String,
    /// `integer`, `text` and so on.
    pub kind: String,
    pub rows: u64,
    pub nulls: u64,
    pub distinct: u64,
    /// Whether there are no more different values than that.
    pub distinct_exact: bool,
    /// How its texts are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// What personal data it holds, and why it is thought so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<String>,
    /// `primary key`, `primary key 2`, `unique`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joins: Option<String>,
    /// The shortest and the longest value, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<(u64, u64)>,
    /// The distribution, a label and a count each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bars: Vec<(String, u64)>,
    /// Frequent values with their counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(String, u64)>,
}

impl StoredProfile {
    /// Of a sample and what was proposed of it.
    pub fn new(source: &str, dataset: &str, table: &TableName, time_ms: i64, sample: &Sample, proposed: &[ProposedColumn]) -> Self {
        let columns = sample.columns.iter().zip(proposed).map(|(column, proposed)| StoredColumn::new(column, proposed)).collect();
        Self {
            format: FORMAT,
            source: source.to_owned(),
            dataset: dataset.to_owned(),
            table: table.clone(),
            time_ms,
            records: sample.records,
            files: u64::try_from(sample.files).unwrap_or(u64::MAX),
            whole: sample.whole,
            columns,
        }
    }

    /// The dataset in whose key's name it is sealed.
    fn key_name(table: &str) -> String {
        format!("profile:{table}")
    }

    /// Seals the profile in the store, in place of the one before.
    ///
    /// # Errors
    /// When it cannot be written or recorded.
    pub async fn write(&self, installation: &Installation) -> Outcome {
        let dataset = installation.dataset(&Self::key_name(self.table.as_str())).await?;
        let bytes = serde_json::to_vec(self).map_err(|error| Failure::because(ErrorKind::Internal, "write a profile as JSON", &error))?;
        let older = objects(installation, SealedStore::path(Area::Profiles, dataset, "")).await?;
        let number = |path: &Path| path.filename().and_then(|name| name.parse::<u64>().ok()).unwrap_or(0);
        let next = older.iter().map(number).max().unwrap_or(0).saturating_add(1);
        let path = SealedStore::path(Area::Profiles, dataset, &format!("{next:020}"));
        installation.store.create(&path, bytes.into()).await.map_err(|error| store_failure("keep a profile", &error))?;
        // From here on this one is missed when it is gone, and no other.
        installation.record(EventKind::ProfileWritten { dataset, object: path.to_string(), records: self.records }).await?;
        for object in older {
            installation.still_writer().await?;
            match installation.store.delete(&object).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(store_failure("delete an older profile", &error)),
            }
        }
        Ok(())
    }

    /// The newest profile that was kept for a table; none when there is none.
    ///
    /// # Errors
    /// When it is not as it was written.
    pub async fn read(installation: &Installation, table: &str) -> Outcome<Option<Self>> {
        let Some(dataset) = installation.keys.find(&Self::key_name(table)) else { return Ok(None) };
        let Some(kept) = installation.journal.state().profiles.get(&dataset).cloned() else { return Ok(None) };
        let bytes = match installation.store.read(&Path::from(kept.object.as_str())).await {
            Ok(bytes) => bytes,
            Err(object_store::Error::NotFound { .. }) => {
                let text =
                    format!("read the profile of table {table}: {} is gone, which the log names; restore it from a backup", kept.object);
                return Err(Failure::new(ErrorKind::Corrupt, text));
            }
            Err(error) => return Err(installation.store_failure("read a profile", &error)),
        };
        let profile: Self = serde_json::from_slice(&bytes).map_err(|error| {
            Failure::because(ErrorKind::Corrupt, format!("read {}: it is not what was written; restore it", kept.object), &error)
        })?;
        if profile.format != FORMAT {
            let text = format!("read {}: its format is {}, and this program reads {FORMAT}; propose again", kept.object, profile.format);
            return Err(Failure::new(ErrorKind::Invalid, text));
        }
        Ok(Some(profile))
    }

    /// The dataset that was decided on, for the record.
    pub fn sealed_under(installation: &Installation, table: &str) -> Vec<polder_types::DatasetId> {
        installation.keys.find(&Self::key_name(table)).into_iter().collect()
    }
}

async fn objects(installation: &Installation, prefix: Path) -> Outcome<Vec<Path>> {
    let mut listed = installation.store.list(Some(&prefix));
    let mut objects = Vec::new();
    while let Some(object) = listed.try_next().await.map_err(|error| store_failure("list profiles", &error))? {
        objects.push(object.location);
    }
    Ok(objects)
}

impl StoredColumn {
    fn new(column: &SampledColumn, proposed: &ProposedColumn) -> Self {
        let profile = &column.profile;
        let shown = proposed.personal.is_none() && profile.personal.is_none();
        let often = |counted: &&(String, u64)| shown && counted.1 >= REPEATED_MIN;
        let bars: Vec<(String, u64)> = profile.histogram.iter().map(|bar| (bar.label.clone(), bar.count)).collect();
        Self {
            name: proposed.name.clone(),
            kind: format!("{:?}", column.kind).to_lowercase(),
            rows: profile.rows,
            nulls: profile.nulls,
            distinct: profile.distinct,
            distinct_exact: profile.distinct_exact,
            format: profile.format.as_ref().filter(|_| shown).map(polder_contract::discover::Format::label),
            personal: proposed.personal.as_ref().map(|found| format!("{}, {}", found.kind, found.why)),
            key: proposed.key.map(|key| match key {
                KeyRole::Primary(1) => "primary key".to_owned(),
                KeyRole::Primary(position) => format!("primary key {position}"),
                KeyRole::Unique => "unique".to_owned(),
            }),
            joins: proposed.joins.clone(),
            length: profile.length.filter(|_| shown),
            bars: bars.iter().filter(often).cloned().collect(),
            values: profile.repeated.iter().filter(often).cloned().collect(),
        }
    }

    /// Its kind, and how it is written.
    pub fn shown_kind(&self) -> String {
        match &self.format {
            Some(format) if format.starts_with(&self.kind) => format.clone(),
            Some(format) => format!("{} ({format})", self.kind),
            None => self.kind.clone(),
        }
    }

    /// Share of the rows that have no value, from 0 to 1, to four places.
    pub fn null_share(&self) -> f64 {
        let share = share(self.nulls, self.rows);
        (share * 10_000.0).round() / 10_000.0
    }

    /// The distribution in a few characters.
    pub fn sparkline(&self) -> String {
        const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let most = self.bars.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let block = |count: u64| {
            let steps = [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];
            let height = share(count, most);
            BLOCKS.get(steps.iter().filter(|step| height > **step).count()).copied().unwrap_or('█')
        };
        // The bars of texts are those of their lengths, which say less than frequent values.
        let by_value = self.kind == "text" && !self.values.is_empty();
        match (self.bars.first(), self.bars.last()) {
            (Some((first, _)), Some((last, _))) if self.bars.len() > 1 && !by_value => {
                let bars: String = self.bars.iter().map(|(_, count)| block(*count)).collect();
                format!("{bars} {first} … {last}")
            }
            _ => {
                let values = self.values.iter().take(3).map(|(value, count)| format!("{value} {}", percent(*count, self.rows)));
                values.collect::<Vec<_>>().join(", ")
            }
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share is shown to a few digits")]
fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

/// A share in percent, for people.
fn percent(part: u64, of: u64) -> String {
    format!("{:.0}%", share(part, of) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column() -> StoredColumn {
        StoredColumn {
            name: "n".to_owned(),
            kind: "integer".to_owned(),
            rows: 400,
            nulls: 1,
            distinct: 3,
            distinct_exact: true,
            format: None,
            personal: None,
            key: None,
            joins: None,
            length: None,
            bars: vec![("0 to 10".to_owned(), 20), ("10 to 20".to_owned(), 160), ("20 to 30".to_owned(), 80)],
            values: vec![("a".to_owned(), 200), ("b".to_owned(), 199)],
        }
    }

    #[test]
    fn a_distribution_is_a_few_characters() {
        let mut column = column();
        assert_eq!((column.sparkline().as_str(), column.null_share()), ("▁█▄ 0 to 10 … 20 to 30", 0.0025));
        column.bars.clear();
        assert_eq!(column.sparkline(), "a 50%, b 50%");
        column.values.clear();
        assert_eq!(column.sparkline(), "");
    }
}
