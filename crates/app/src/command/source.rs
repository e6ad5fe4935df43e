//! `polder source`: list and look.

use polder_types::{ErrorKind, TableName};
use serde_json::json;

use crate::cli::Output;
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::print::{self, Listing};
use crate::project::Project;
use crate::sampling::table_with_ending;

/// Lists sources and datasets.
///
/// # Errors
/// When a source file is wrong.
pub fn list(project: &Project, output: Output) -> Outcome {
    let contracts = project.contracts()?;
    let mut listing = Listing::new(&["source", "type", "path", "dataset", "contracts"]);
    for source in project.sources()? {
        for dataset in source.declared() {
            let tables: Vec<_> = contracts
                .iter()
                .filter(|(_, contract)| contract.source == source.name && holds(&source, dataset, &contract.dataset))
                .map(|(_, contract)| json!(contract.table.to_string()))
                .collect();
            listing.row([
                json!(source.name),
                json!(source.source_type.as_str()),
                json!(source.path.display().to_string()),
                json!(dataset),
                json!(tables),
            ]);
        }
    }
    listing.print(output)
}

/// Whether a dataset is the declared one, or one of those that a pattern of a database's tables stands for.
fn holds(source: &polder_connect::Connection, declared: &str, dataset: &str) -> bool {
    declared == dataset || source.database.is_some() && source.tables_match(declared, dataset)
}

/// Says which keys of the source would fit the dataset's first file better.
fn suggest(source: &polder_connect::Connection, dataset: &str, project: &Project) {
    // A file that cannot be looked at has said so already.
    let advice = polder_connect::advice(source, dataset, project.read_options()).unwrap_or_default();
    if !advice.is_empty() {
        print::note(&format!("note: the first file of dataset {dataset} looks as if its source should say: {}", advice.join(", ")));
    }
}

/// Shows the columns of a dataset and which of them a contract authorises.
///
/// # Errors
/// When the look is not permitted, or the source cannot be read.
pub async fn check(installation: &Installation, name: &str, output: Output) -> Outcome {
    let project = &installation.project;
    let (source_name, only) = name.split_once('.').map_or((name, None), |(source, dataset)| (source, Some(dataset)));
    let source = project.source(source_name)?;
    crate::ingest::begins_no_process(&source)?;
    if let Some(only) = only {
        source.dataset(only)?;
    }
    let contracts = project.contracts()?;
    let mut listing = Listing::new(&["dataset", "column", "looks_like", "null_tokens", "authorised_by"]);
    let datasets = polder_connect::datasets(&source, only, project.read_options())?;
    for dataset in &datasets {
        let mut tables: Vec<TableName> = contracts
            .iter()
            .filter(|(_, contract)| contract.source == source.name && contract.dataset == *dataset)
            .map(|(_, contract)| contract.table.clone())
            .collect();
        if tables.is_empty() {
            tables.push(table_with_ending(dataset, "")?);
        }
        let sample = installation.sample(&source, dataset, &tables, None).await;
        // What the file looks like matters most where it cannot be read as its source says. Who may not look is told nothing.
        if sample.as_ref().err().is_none_or(|failure| failure.kind() == ErrorKind::Rejected) {
            suggest(&source, dataset, project);
        }
        let sample = sample.map_err(|failure| failure.during(format!("look at dataset {dataset} of source {source_name}")))?;
        for column in &sample.columns {
            let by: Vec<_> = contracts
                .iter()
                .filter(|(_, contract)| contract.source == source.name && contract.dataset == *dataset)
                .filter(|(_, contract)| contract.columns.iter().any(|authorised| authorised.physical_name == column.name))
                .map(|(_, contract)| json!(contract.table.to_string()))
                .collect();
            let kind = format!("{:?}", column.kind).to_lowercase();
            let nulls: Vec<_> = column.null_tokens.iter().map(|token| json!(if token.is_empty() { "(empty)" } else { token })).collect();
            listing.row([json!(dataset), json!(column.name), json!(kind), json!(nulls), json!(by)]);
        }
    }
    if datasets.is_empty() {
        let text =
            format!("look at source {source_name}: it has no dataset; what `tables` names is not there, or the account may not read it");
        return Err(Failure::new(ErrorKind::NotFound, text));
    }
    listing.print(output)
}
