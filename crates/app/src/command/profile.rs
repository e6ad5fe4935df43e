//! `polder contract profile`: what columns were like when contracts were last proposed.

use std::path::Path;

use polder_policy::Action;
use polder_types::{ErrorKind, Event, EventKind, Recorder as _, RequestId, TableName};
use serde_json::json;

use crate::cli::Output;
use crate::command::propose::tables_of;
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::print::{Listing, note};
use crate::profiles::{StoredProfile, page};
use crate::project_file;

/// Shows the newest profiles of a source, a dataset or a table.
///
/// # Errors
/// When it is not permitted, none was kept, or one is not as it was written.
pub async fn show(installation: &Installation, name: &str, html: Option<&Path>, output: Output) -> Outcome {
    let mut profiles = Vec::new();
    for (tables, of) in wanted(installation, name)? {
        for table in tables {
            let matches = |profile: &StoredProfile| {
                of.as_ref().is_none_or(|(source, dataset)| (&profile.source, &profile.dataset) == (source, dataset))
            };
            profiles.extend(read(installation, name, table.as_str()).await?.filter(matches));
        }
    }
    if profiles.is_empty() {
        let text = format!("show the profile of {name}: none was kept yet; run `polder contract propose SOURCE` first");
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    if let Some(file) = html {
        project_file::replace(file, &page::page(&profiles))?;
        note(&format!("wrote {}", file.display()));
    }
    let mut listing = Listing::new(&["dataset", "column", "kind", "null_share", "distinct", "personal", "key", "joins", "distribution"]);
    for profile in &profiles {
        for column in &profile.columns {
            listing.row([
                json!(profile.dataset),
                json!(column.name),
                json!(column.shown_kind()),
                json!(column.null_share()),
                json!(column.distinct),
                json!(column.personal),
                json!(column.key),
                json!(column.joins),
                json!(column.sparkline()),
            ]);
        }
    }
    listing.print(output)
}

/// Under which tables profiles may lie, each with the source and dataset that they must be of.
type Wanted = Vec<(Vec<TableName>, Option<(String, String)>)>;

fn wanted(installation: &Installation, name: &str) -> Outcome<Wanted> {
    let project = &installation.project;
    let (source, only) = name.split_once('.').map_or((name, None), |(source, dataset)| (source, Some(dataset)));
    let known = project.sources()?.into_iter().find(|known| known.name == source);
    let Some(source) = known else {
        if only.is_some() {
            // It says which sources there are.
            project.source(source)?;
        }
        let table = TableName::new(name).map_err(|error| Failure::of(ErrorKind::Invalid, &error))?;
        return Ok(vec![(vec![table], None)]);
    };
    if let Some(only) = only {
        source.dataset(only)?;
    }
    let datasets = polder_connect::datasets(&source, only, project.read_options())?;
    datasets.iter().map(|dataset| Ok((tables_of(project, &source.name, dataset)?, Some((source.name.clone(), dataset.clone()))))).collect()
}

/// A profile is read under the same right as a sample is taken, and recorded as a read of no row.
async fn read(installation: &Installation, name: &str, table: &str) -> Outcome<Option<StoredProfile>> {
    let permit = installation.may(Action::Sample, table).await?;
    let request = RequestId::random(installation.rng.as_ref())?;
    let (datasets, policies) = (StoredProfile::sealed_under(installation, table), permit.policies().to_vec());
    if datasets.is_empty() {
        return Ok(None);
    }
    let decided = EventKind::ReadDecided { request, datasets, allowed: true, policies, session: None, grants: Vec::new() };
    installation.journal.record(Event::new(&installation.actor, decided).with("profile", name)).await?;
    let profile = StoredProfile::read(installation, table).await;
    installation.record(EventKind::ReadFinished { request, rows: 0, complete: profile.is_ok(), bytes: None }).await?;
    profile
}
