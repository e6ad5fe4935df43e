//! `polder contract propose`: contracts from samples of a source. What stands in a file already stays as it is.

use std::collections::BTreeSet;
use std::path::PathBuf;

use polder_connect::{Connection, Proposals, Proposed, ProposedColumn, Sample, SourceType, Stand, Target};
use polder_contract::edit::{self, Outline};
use polder_types::{ErrorKind, RequestId, TableName, printable};

use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::print::{note, text};
use crate::profiles::StoredProfile;
use crate::project::{CONTRACT_SUFFIX, Project};
use crate::project_file;
use crate::sampling::{table_for, table_with_ending};
use crate::schema::{Kind, header};

/// Stands over a column that the source did not have when its contract was written.
const NEW: &str = "new in the source";
/// Most datasets whose names begin so much alike that they are told apart by a number where they are cut.
const CUT_ALIKE_MAX: usize = 9;

/// A contract's file as it stands.
struct Known {
    path: PathBuf,
    shown: String,
    text: String,
    outline: Outline,
}

fn known(project: &Project) -> Outcome<Vec<Known>> {
    let texts = project.contract_texts()?;
    let known = texts.into_iter().map(|(path, text)| {
        let shown = project.shown(&path);
        let outline = edit::outline(&text, &shown)?;
        Ok(Known { path, shown, text, outline })
    });
    known.collect()
}

impl Known {
    fn is_for(&self, source: &str, dataset: &str) -> bool {
        (self.outline.source.as_deref(), self.outline.dataset.as_deref()) == (Some(source), Some(dataset))
    }
}

/// Tables under which the profile of a dataset may lie: those that its contracts fill, else those that one might be for.
///
/// # Errors
/// When a contract's file cannot be read, or no table can have such a name.
pub fn tables_of(project: &Project, source: &str, dataset: &str) -> Outcome<Vec<TableName>> {
    let known = known(project)?;
    let mut tables = filled(&known, source, dataset)?;
    for table in tables_for(source, dataset) {
        if !tables.contains(&table) && !known.iter().any(|known| known.outline.table.as_deref() == Some(table.as_str())) {
            tables.push(table);
        }
    }
    Ok(tables)
}

/// Tables that a new contract for a dataset may be for, the likeliest first.
fn tables_for(source: &str, dataset: &str) -> Vec<TableName> {
    let both = format!("{source}_{dataset}");
    let mut tables = vec![table_with_ending(dataset, ""), table_for(&both)];
    if tables.iter().any(Result::is_err) {
        // Too long together: there is as much of the source's name, or else of the dataset's, as has room.
        tables.push(table_with_ending(source, &format!("_{dataset}")));
        tables.push(table_with_ending(&both, ""));
        tables.extend((2..=CUT_ALIKE_MAX).map(|number| table_with_ending(&both, &format!("_{number}"))));
    }
    tables.into_iter().flatten().collect()
}

/// The tables that contracts for a dataset fill.
fn filled(known: &[Known], source: &str, dataset: &str) -> Outcome<Vec<TableName>> {
    let of = known.iter().filter(|known| known.is_for(source, dataset)).filter_map(|known| known.outline.table.as_deref());
    of.map(|table| TableName::new(table).map_err(|error| Failure::of(ErrorKind::Invalid, &error))).collect()
}

/// A dataset of which something is to be proposed.
struct Wanted<'a> {
    source: &'a Connection,
    dataset: String,
    /// What it is called among all that are looked at.
    label: String,
    /// That its contracts fill, or that a new one is for.
    tables: Vec<TableName>,
    /// Whether it has a contract.
    has_contract: bool,
}

/// Looks at datasets of a source, or of all sources, and proposes contracts for them.
///
/// # Errors
/// When the look is not permitted, a dataset cannot be read, or a file cannot be written. Then none is changed.
pub async fn propose(installation: &Installation, name: Option<&str>, select: Option<&str>, write: bool) -> Outcome {
    let project = &installation.project;
    let (sources, only) = match name {
        Some(name) => {
            let (source, only) = name.split_once('.').map_or((name, None), |(source, dataset)| (source, Some(dataset)));
            (vec![project.source(source)?], only)
        }
        None => (project.sources()?, None),
    };
    if sources.is_empty() {
        let text = "propose contracts: sources/ holds no source; `polder source propose DIR --write` writes them for a directory of files";
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    sources.iter().try_for_each(crate::ingest::begins_no_process)?;
    let known = known(project)?;
    let wanted = wanted(project, &known, &sources, only, select)?;
    let key = installation.sample_key()?;
    let mut samples: Vec<(String, Sample)> = Vec::new();
    for Wanted { source, dataset, label, tables, .. } in &wanted {
        let during = |failure: Failure| failure.during(format!("look at dataset {dataset} of source {}", source.name));
        let sample = installation.sample(source, dataset, tables, Some(key)).await.map_err(during)?;
        if sample.is_named_by_values() {
            let text = format!(
                "propose a contract for {}.{dataset}: its first record looks like a row of values, not like names; set `header: false` in the source, or write the contract by hand",
                source.name
            );
            return Err(Failure::new(ErrorKind::Rejected, text));
        }
        samples.push((label.clone(), sample));
    }
    let proposals = Proposals::new(samples);
    let mut files: Vec<Change> = Vec::new();
    for wanted in &wanted {
        let (source, dataset) = (&wanted.source.name, &wanted.dataset);
        for table in &wanted.tables {
            let id = RequestId::random(installation.rng.as_ref())?.to_string();
            let target = Target { id: &id, source, dataset, label: &wanted.label, table };
            let (Some(proposed), Some((_, sample))) =
                (proposals.of(&target), proposals.samples().iter().find(|(label, _)| *label == wanted.label))
            else {
                continue;
            };
            StoredProfile::new(source, dataset, table, installation.clock.now_ms(), sample, &proposed.columns).write(installation).await?;
            summary(source, dataset, sample, &proposed.columns);
            let own = known.iter().find(|known| wanted.has_contract && known.outline.table.as_deref() == Some(table.as_str()));
            files.push(match own {
                Some(own) => merged(own, &proposed, sample)?,
                None => new(project, table, &proposed),
            });
        }
    }
    for (place, file) in files.iter().enumerate() {
        if write {
            file.write()?;
        } else {
            file.print(place > 0)?;
        }
    }
    if !write {
        note("nothing was written; --write writes it");
    }
    Ok(())
}

fn wanted<'a>(
    project: &Project,
    known: &[Known],
    sources: &'a [Connection],
    only: Option<&str>,
    select: Option<&str>,
) -> Outcome<Vec<Wanted<'a>>> {
    let mut datasets: Vec<(&Connection, String)> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    // What is pushed to shows nothing before it comes; asked for alone, it says so.
    for source in sources.iter().filter(|source| sources.len() == 1 || source.source_type != SourceType::Push) {
        if let Some(only) = only {
            source.dataset(only)?;
        }
        let found = polder_connect::datasets(source, only, project.read_options())?;
        let shown = |dataset: &String| if sources.len() == 1 { dataset.clone() } else { format!("{}.{dataset}", source.name) };
        names.extend(found.iter().map(shown));
        datasets.extend(source.select(found, select.unwrap_or("*"))?.into_iter().map(|dataset| (source, dataset)));
    }
    if datasets.is_empty() {
        let text = match sources {
            [source] => {
                format!("propose contracts for source {}: --select matches no dataset; there are: {}", source.name, names.join(", "))
            }
            _ => format!("propose contracts: --select matches no dataset; there are: {}", names.join(", ")),
        };
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    // Names that a new contract must not take.
    let mut taken: BTreeSet<String> = known.iter().filter_map(|known| known.outline.table.clone()).collect();
    taken.extend(project.models()?.into_iter().map(|(name, _)| name));
    let mut wanted = Vec::new();
    for (source, dataset) in &datasets {
        let alone = datasets.iter().filter(|(_, other)| other == dataset).count() == 1;
        let label = if alone { dataset.clone() } else { format!("{}.{dataset}", source.name) };
        let own = |tables, has_contract| Wanted { source, dataset: dataset.clone(), label: label.clone(), tables, has_contract };
        let tables = filled(known, &source.name, dataset)?;
        if !tables.is_empty() {
            wanted.push(own(tables, true));
            continue;
        }
        let free = |table: &TableName| !taken.contains(table.as_str()) && !contract_path(project, table).exists();
        let candidates = tables_for(&source.name, dataset);
        let Some(table) = candidates.iter().find(|table| free(table)).cloned() else {
            let names: Vec<&str> = candidates.iter().map(TableName::as_str).collect();
            let why = match names.as_slice() {
                [] => "no table can have its name".to_owned(),
                names => format!("{} are names of other tables", names.join(", ")),
            };
            let text = format!("propose a contract for {}.{dataset}: {why}; write the contract by hand under another name", source.name);
            return Err(Failure::new(ErrorKind::Invalid, text));
        };
        taken.insert(table.to_string());
        wanted.push(own(vec![table], false));
    }
    Ok(wanted)
}

fn contract_path(project: &Project, table: &TableName) -> PathBuf {
    project.path("contracts").join(format!("{table}{CONTRACT_SUFFIX}"))
}

/// What becomes of a file.
struct Change {
    path: PathBuf,
    shown: String,
    /// The whole text; none where it stays as it is.
    text: Option<String>,
    /// What was done, and what comes next.
    done: String,
}

impl Change {
    fn write(&self) -> Outcome {
        if let Some(text) = &self.text {
            project_file::replace(&self.path, text)?;
        }
        text(&self.done)
    }

    fn print(&self, again: bool) -> Outcome {
        match &self.text {
            Some(held) => {
                note(&format!("{} would hold:", self.shown));
                if again {
                    text("---")?;
                }
                text(held.trim_end_matches('\n'))
            }
            None => {
                note(&self.done);
                Ok(())
            }
        }
    }
}

fn new(project: &Project, table: &TableName, proposed: &Proposed) -> Change {
    let path = contract_path(project, table);
    let shown = project.shown(&path);
    let count = |stand| proposed.columns.iter().filter(|column| column.stand == stand).count();
    let (authorised, all) = (count(Stand::Authorised), proposed.columns.len());
    let next = if authorised == 0 {
        format!("next: read it, and authorise what is needed with polder contract admit {table}.COLUMN")
    } else {
        format!("next: read and edit it, then polder contract approve {table}")
    };
    let done = format!("wrote {shown}: {all} columns, {authorised} of them authorised once it is approved\n{next}");
    let text = header(project.dir(), Kind::Contract, "../") + &proposed.text();
    Change { path, shown, text: Some(text), done }
}

/// What a new look adds to a file: columns that it does not name, as comments. The rest is told.
fn merged(known: &Known, proposed: &Proposed, sample: &Sample) -> Outcome<Change> {
    let Known { path, shown, text, outline } = known;
    let names =
        |column: &ProposedColumn| outline.columns.iter().any(|known| known.physical_name == column.name || known.name == column.name);
    let added: Vec<&ProposedColumn> =
        proposed.columns.iter().filter(|column| column.stand != Stand::Impossible && !names(column)).collect();
    for column in outline.columns.iter().filter(|column| column.authorised) {
        if !sample.columns.iter().any(|seen| seen.name == column.physical_name) {
            tell(&format!("  gone: {} is authorised in {shown}, and the sample has no such column", column.physical_name));
        }
    }
    for column in &proposed.columns {
        let authorised = |known: &&edit::OutlineColumn| known.authorised && !known.classified && known.physical_name == column.name;
        if let (Some(found), true) = (&column.personal, outline.columns.iter().any(|known| authorised(&known))) {
            tell(&format!("  personal: {} is authorised in {shown} without a classification: {}, {}", column.name, found.kind, found.why));
        }
    }
    let done = match added.as_slice() {
        [] => format!("{shown} stays as it is: no column is new"),
        added => {
            // A line end in a name is none of ours.
            let names: Vec<String> = added.iter().map(|column| printable(&column.name).into_owned()).collect();
            let table = outline.table.as_deref().unwrap_or_default();
            format!(
                "changed {shown}: new columns stand in it as comments: {}\nnext: polder contract admit {table}.COLUMN for each that is needed",
                names.join(", ")
            )
        }
    };
    let blocks: Vec<Vec<String>> = added.iter().map(|column| column.as_comment(NEW)).collect();
    let changed = if blocks.is_empty() { None } else { Some(edit::add_proposals(text, shown, &blocks)?) };
    Ok(Change { path: path.clone(), shown: shown.clone(), text: changed, done })
}

/// What was found, for whoever reads the proposal.
fn summary(source: &str, dataset: &str, sample: &Sample, columns: &[ProposedColumn]) {
    tell(&format!("{source}.{dataset}: {} columns, {} records looked at", columns.len(), sample.records));
    for column in columns {
        if let Some(found) = &column.personal {
            tell(&format!("  personal: {}: {}, {}", column.name, found.kind, found.why));
        }
        if column.stand == Stand::Impossible {
            tell(&format!("  no contract can hold: {}", column.name));
        }
        if let Some(joins) = &column.joins {
            tell(&format!("  joins: {} and {joins}", column.name));
        }
    }
    let key: Vec<&str> = columns.iter().filter(|column| column.key.is_some()).map(|column| column.name.as_str()).collect();
    if !key.is_empty() {
        tell(&format!("  keys: {}", key.join(", ")));
    }
}

/// One line on standard error, whatever a name holds.
fn tell(line: &str) {
    note(&printable(line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_with_a_long_name_has_tables_that_it_may_be_for() {
        let names = |source: &str, dataset: &str| tables_for(source, dataset).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names("shop", "People"), ["people", "shop_people"]);
        let long = |letters: usize| "d".repeat(letters);
        assert_eq!(names("shop", &long(60))[..3], [long(60), format!("sh_{}", long(60)), format!("shop_{}", long(58))]);
        assert_eq!(names("shop", &long(80))[..3], [long(63), format!("shop_{}", long(58)), format!("shop_{}_2", long(56))]);
        assert!(names("shop", &long(63)).contains(&format!("shop_{}", long(58))));
    }
}
