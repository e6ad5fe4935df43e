//! Models: `models/<name>.sql`, a query whose header says whether its rows are stored. Format: docs/format/model.md.

mod graph;
mod header;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use polder_types::{ErrorKind, TableName};

use crate::door::model_query;

/// Whether a model's rows are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Materialized {
    /// Its rows are computed into a sealed table.
    Table,
    /// Its query stands in for it whenever it is read.
    View,
}

/// One model file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The file's name without `.sql`: the name that queries use.
    pub name: TableName,
    /// The file, as it was named to [`Models::load`].
    pub file: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether its rows are stored.
    pub materialized: Materialized,
    /// Its query, header included, so that errors point at the file's lines.
    pub sql: String,
    /// The tables and models that it reads.
    pub inputs: BTreeSet<TableName>,
}

/// The models of a project.
#[derive(Debug, Clone, Default)]
pub struct Models {
    models: BTreeMap<TableName, Model>,
    order: Vec<TableName>,
}

/// One thing that is wrong in a model file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelProblem {
    /// The file.
    pub file: String,
    /// Its line, from 1, where one can be told.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for ModelProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// Model files that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("load models: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ModelError(pub Vec<ModelProblem>);

impl ModelError {
    /// What the error means to whoever must act on it.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl Models {
    /// Reads model files, given as (name, text), and orders them by what they read.
    ///
    /// # Errors
    /// All that is wrong with a name, a header, a query or a cycle, with file and line.
    pub fn load(files: &[(String, String)]) -> Result<Self, ModelError> {
        let mut problems = Vec::new();
        let mut models: BTreeMap<TableName, Model> = BTreeMap::new();
        for (file, text) in files {
            match read(file, text) {
                Ok(model) => {
                    if let Some(other) = models.get(&model.name) {
                        let message = format!("the model {} is already in {}; rename one of them", model.name, other.file);
                        problems.push(ModelProblem { file: file.clone(), line: None, message });
                    } else {
                        models.insert(model.name.clone(), model);
                    }
                }
                Err(found) => problems.extend(found),
            }
        }
        match graph::order(&models) {
            Ok(order) if problems.is_empty() => Ok(Self { models, order }),
            Ok(_) => Err(ModelError(problems)),
            Err(cycle) => {
                problems.push(cycle);
                Err(ModelError(problems))
            }
        }
    }

    /// The model of this name.
    pub fn get(&self, name: &TableName) -> Option<&Model> {
        self.models.get(name)
    }

    /// Every model after those that it reads.
    pub fn in_order(&self) -> impl Iterator<Item = &Model> {
        self.order.iter().filter_map(|name| self.models.get(name))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }
}

fn read(file: &str, text: &str) -> Result<Model, Vec<ModelProblem>> {
    let problem = |line: Option<usize>, message: String| ModelProblem { file: file.to_owned(), line, message };
    let base = file.rsplit('/').next().unwrap_or(file);
    let stem = base.strip_suffix(".sql").unwrap_or(base);
    let name =
        TableName::new(stem).map_err(|error| vec![problem(None, format!("the file's name is the model's: {error}; rename the file"))])?;
    let header =
        header::read(text).map_err(|found| found.into_iter().map(|(line, message)| problem(Some(line), message)).collect::<Vec<_>>())?;
    let inputs = model_query(text).map_err(|error| vec![problem(error.line, error.message)])?;
    Ok(Model {
        name,
        file: file.to_owned(),
        description: header.description,
        materialized: header.materialized,
        sql: text.to_owned(),
        inputs,
    })
}

#[cfg(test)]
mod tests;
