//! A look at a source before or beside a contract: decided per table, and recorded as a read, since it passes the gate by.

use polder_connect::{Connection, FolderFile, Recognised, Sample, SampleKey};
use polder_contract::discover::fold;
use polder_policy::Action;
use polder_types::limit::TABLE_NAME_MAX_BYTES;
use polder_types::{DatasetId, ErrorKind, Event, EventKind, Recorder as _, RequestId, TableName};

use crate::failure::{Failure, Outcome};
use crate::installation::Installation;

/// The table that a contract for a dataset would be for: its name in lower case and without accents, with `_` for what no table's name holds.
///
/// # Errors
/// When nothing of the name can stand in a table's.
pub fn table_for(dataset: &str) -> Outcome<TableName> {
    named(&spelt(dataset))
}

/// As [`table_for`], with an ending that tells it from others: of the name before it there is as much as a table's name has room for.
///
/// # Errors
/// When nothing of the name can stand in a table's, or the ending leaves no room for any of it.
pub fn table_with_ending(dataset: &str, ending: &str) -> Outcome<TableName> {
    let ending = spelt(ending);
    let room = TABLE_NAME_MAX_BYTES.saturating_sub(ending.len());
    let name: String = spelt(dataset).chars().take(room).collect();
    // An ending alone would be the name of something else.
    named(&if name.is_empty() { name } else { name + &ending })
}

/// A text in the letters of tables' names, which are ASCII, so that each is a byte.
fn spelt(text: &str) -> String {
    let name: String = fold(text).chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("t_{name}") } else { name }
}

fn named(name: &str) -> Outcome<TableName> {
    TableName::new(name).map_err(|error| Failure::of(ErrorKind::Invalid, &error))
}

impl Installation {
    /// A key for samples that are compared with each other, and with no others.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn sample_key(&self) -> Outcome<SampleKey> {
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes)?;
        Ok(SampleKey::new(bytes))
    }

    /// Looks at a dataset of a source, and compares it with others under one key, for the tables that it is or would be loaded into: whoever may not sample one of them
    /// may not look.
    ///
    /// # Errors
    /// When it is not permitted, cannot be recorded, or the source cannot be read.
    pub async fn sample(&self, source: &Connection, dataset: &str, tables: &[TableName], key: Option<SampleKey>) -> Outcome<Sample> {
        let request = self.may_sample(tables, format!("{}.{dataset}", source.name)).await?;
        let sample = match key {
            Some(key) => polder_connect::sample_compared(source, dataset, self.project.read_options(), key),
            None => polder_connect::sample(source, dataset, self.project.read_options()),
        };
        let rows = sample.as_ref().map_or(0, |sample| sample.records);
        self.record(EventKind::ReadFinished { request, rows, complete: sample.is_ok(), bytes: None }).await?;
        Ok(sample?)
    }

    /// Looks at the beginning of a file that no source reads, for the table that a contract for it would fill. The inner error is the
    /// file's.
    ///
    /// # Errors
    /// When it is not permitted or cannot be recorded.
    pub async fn recognise(&self, file: &FolderFile, table: &TableName, place: &str) -> Outcome<Outcome<Recognised>> {
        let request = self.may_sample(std::slice::from_ref(table), format!("{place}/{}", file.name())).await?;
        let recognised = polder_connect::recognise(file);
        self.record(EventKind::ReadFinished { request, rows: 0, complete: recognised.is_ok(), bytes: None }).await?;
        Ok(recognised.map_err(Failure::from))
    }

    /// Asks for a look at what goes or would go into these tables, and records the answer. `what` is looked at.
    async fn may_sample(&self, tables: &[TableName], what: String) -> Outcome<RequestId> {
        let mut datasets: Vec<DatasetId> = Vec::new();
        let mut policies: Vec<String> = Vec::new();
        for table in tables {
            let permit = self.may(Action::Sample, table.as_str()).await?;
            policies.extend(permit.policies().iter().cloned());
            // A table that was never loaded has no id.
            datasets.extend(self.table(table.as_str()).map(|table| table.id));
        }
        policies.sort();
        policies.dedup();
        let request = RequestId::random(self.rng.as_ref())?;
        let decided = EventKind::ReadDecided { request, datasets, allowed: true, policies, session: None, grants: Vec::new() };
        self.journal.record(Event::new(&self.actor, decided).with("sample", what)).await?;
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_name_of_a_dataset_gives_a_table() {
        for (dataset, table) in [
            ("people", "people"),
            ("Orders 2026-01", "orders_2026_01"),
            ("2026.orders", "t_2026_orders"),
            ("été", "ete"),
            ("Prénoms & Œuvres", "prenoms___oeuvres"),
            ("数", "_"),
        ] {
            assert_eq!(table_for(dataset).map(|name| name.to_string()).ok().as_deref(), Some(table), "{dataset}");
        }
    }

    #[test]
    fn a_name_is_cut_where_its_ending_would_make_it_too_long() {
        let named = |dataset: &str, ending: &str| table_with_ending(dataset, ending).map(|name| name.to_string()).ok();
        let (long, ending) = ("é".repeat(70), |letters: usize| format!("_{}", "x".repeat(letters)));
        assert_eq!(named("people", "_csv").as_deref(), Some("people_csv"));
        assert_eq!(named("2026", "_Órders").as_deref(), Some("t_2026_orders"));
        assert_eq!(named(&long, ""), Some("e".repeat(63)));
        assert_eq!(named(&long, "_csv_17"), Some("e".repeat(56) + "_csv_17"));
        assert_eq!(named("dir", &ending(61)), Some(format!("d{}", ending(61))));
        // Nothing but the ending would be left.
        for (dataset, ending) in [("dir", ending(62)), ("dir", ending(63)), ("", ending(1)), ("\u{301}", ending(1))] {
            assert_eq!(named(dataset, &ending), None, "{dataset}{ending}");
        }
    }
}
