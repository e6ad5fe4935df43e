//! The files of a project as they are in the work tree, or were at a revision; read as the program reads them.

use std::path::Path;

use polder_connect::Connection;
use polder_contract::yaml::suggest;
use polder_contract::{Contract, Problem, Problems};
use polder_engine::Models;
use polder_policy::Policies;

use crate::bucket_source;
use crate::described::files;
use crate::failure::{Failure, Outcome};
use crate::git::{Repository, Revision};
use crate::pipeline::{self, Pipeline};
use crate::policy_test::{self, Case};
use crate::project::{self, CONTRACT_SUFFIX, FILE, Project};
use crate::secret_text::{self, Written};
use crate::settings::Settings;

/// Where files are taken from.
pub enum Tree<'a> {
    /// A project's directory.
    Work(&'a Path),
    /// The same directory at a revision.
    Revision(&'a Repository, &'a Revision),
}

impl Tree<'_> {
    /// Paths from the project's directory of the files of a folder whose names have an ending, sorted.
    fn list(&self, folder: &str, ending: &str) -> Outcome<Vec<String>> {
        let named = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or_default();
            name.ends_with(ending) && !name.starts_with('.')
        };
        match self {
            Self::Work(dir) => {
                let files = project::files(&dir.join(folder), ending)?;
                Ok(files.iter().map(|path| path.strip_prefix(dir).unwrap_or(path).display().to_string()).collect())
            }
            Self::Revision(repository, revision) => Ok(repository.list(revision, folder)?.into_iter().filter(|path| named(path)).collect()),
        }
    }

    fn read(&self, path: &str) -> Outcome<Option<String>> {
        match self {
            Self::Work(dir) if !dir.join(path).exists() => Ok(None),
            Self::Work(dir) => project::read(&dir.join(path)).map(Some),
            Self::Revision(repository, revision) => repository.read(revision, path),
        }
    }
}

/// A contract with what lies beside it.
pub struct ContractFile {
    /// Its path from the project's directory.
    pub file: String,
    /// The contract.
    pub contract: Contract,
    /// How many lines the file has.
    pub lines: u64,
    /// The text of its approval.
    pub approval: Option<String>,
}

/// A project's files, as far as they can be used.
#[derive(Default)]
pub struct Snapshot {
    /// `polder.yaml`; none when it is not there or wrong.
    pub settings: Option<Settings>,
    /// Its text.
    pub settings_text: String,
    /// The contracts that can be used.
    pub contracts: Vec<ContractFile>,
    /// The sources that can be used.
    pub sources: Vec<Connection>,
    /// The pipelines that can be used.
    pub pipelines: Vec<Pipeline>,
    /// The models; none when one of them is wrong.
    pub models: Option<Models>,
    /// The policies: paths and texts.
    pub policies: Vec<(String, String)>,
    /// Test cases of the policies.
    pub policy_tests: Vec<Case>,
    /// Approvals of approvers: environments and texts.
    pub enrolments: Vec<(String, String)>,
    /// All that cannot be used, and why.
    pub problems: Vec<Problem>,
    /// What looks like a secret in any of the files, each with its path.
    pub secrets: Vec<(String, Written)>,
}

impl Snapshot {
    /// Reads the files.
    ///
    /// # Errors
    /// When git cannot be asked. What is wrong with a file is among the problems.
    pub fn read(tree: &Tree<'_>) -> Outcome<Self> {
        let mut snapshot = Self::default();
        snapshot.settings(tree);
        snapshot.contracts(tree)?;
        snapshot.sources(tree)?;
        snapshot.models(tree)?;
        snapshot.policies(tree)?;
        snapshot.policy_tests(tree)?;
        snapshot.pipelines(tree)?;
        snapshot.layouts(tree)?;
        snapshot.consistency();
        Ok(snapshot)
    }

    /// The contracts alone.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn contracts_of(tree: &Tree<'_>) -> Outcome<Self> {
        let mut snapshot = Self::default();
        snapshot.contracts(tree)?;
        Ok(snapshot)
    }

    /// What decides who reads what: `polder.yaml`, contracts, models and policies.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn policies_of(tree: &Tree<'_>) -> Outcome<Self> {
        let mut snapshot = Self::default();
        snapshot.settings(tree);
        snapshot.contracts(tree)?;
        snapshot.models(tree)?;
        snapshot.policies(tree)?;
        Ok(snapshot)
    }

    /// `polder.yaml` alone; none when it is not there or wrong.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn settings_of(tree: &Tree<'_>) -> Outcome<Option<Settings>> {
        Ok(tree.read(FILE)?.and_then(|text| Settings::parse(&text, FILE).ok()))
    }

    /// Everything that is there to be checked.
    pub fn checked(&self) -> Vec<String> {
        let mut checked: Vec<String> = self.contracts.iter().map(|file| format!("table {}", file.contract.table)).collect();
        checked.extend(self.sources.iter().map(|source| format!("source {}", source.name)));
        checked.extend(self.models.iter().flat_map(Models::in_order).map(|model| format!("model {}", model.name)));
        checked.extend(self.pipelines.iter().map(|pipeline| format!("pipeline {}", pipeline.name)));
        checked.extend(self.settings.iter().flat_map(|settings| settings.environments.keys()).map(|name| format!("environment {name}")));
        checked
    }

    /// The contract of a table.
    pub fn contract(&self, table: &str) -> Option<&ContractFile> {
        self.contracts.iter().find(|file| file.contract.table.as_str() == table)
    }

    fn wrong(&mut self, file: &str, line: u64, problem: impl Into<String>, advice: impl Into<String>) {
        self.problems.push(Problem { file: file.to_owned(), line: line.max(1), problem: problem.into(), advice: advice.into() });
    }

    fn failed(&mut self, file: &str, failure: &Failure) {
        self.wrong(file, 1, failure.text(), "put a file there that can be read");
    }

    /// A file's text; what stands in the way is a problem.
    fn text(&mut self, tree: &Tree<'_>, file: &str) -> Option<String> {
        match tree.read(file) {
            Ok(text) => {
                let written = text.iter().flat_map(|text| secret_text::find(text));
                self.secrets.extend(written.map(|written| (file.to_owned(), written)));
                text
            }
            Err(failure) => {
                self.failed(file, &failure);
                None
            }
        }
    }

    fn settings(&mut self, tree: &Tree<'_>) {
        let Some(text) = self.text(tree, FILE) else {
            if matches!(tree, Tree::Work(_)) && self.problems.is_empty() {
                self.wrong(FILE, 1, "it is not there", "make a project with `polder init`");
            }
            return;
        };
        match Settings::parse(&text, FILE) {
            Ok(settings) => {
                for name in settings.environments.keys().filter(|name| plain(name)) {
                    let approval = self.text(tree, &enrolment_file(name));
                    self.enrolments.extend(approval.map(|approval| (name.clone(), approval)));
                }
                self.settings = Some(settings);
            }
            Err(Problems(problems)) => self.problems.extend(problems),
        }
        self.settings_text = text;
    }

    fn contracts(&mut self, tree: &Tree<'_>) -> Outcome {
        for file in tree.list("contracts", CONTRACT_SUFFIX)? {
            let Some(text) = self.text(tree, &file) else { continue };
            match Contract::parse(&text, &file) {
                Ok(contract) => {
                    if let Some(other) = self.contract(contract.table.as_str()).map(|other| other.file.clone()) {
                        let problem = format!("{other} is already a contract for table {}", contract.table);
                        self.wrong(&file, 1, problem, "a table has one contract: merge them");
                        continue;
                    }
                    let approval = self.text(tree, &Project::approval_path(Path::new(&file)).display().to_string());
                    let lines = u64::try_from(text.lines().count()).unwrap_or(u64::MAX);
                    self.contracts.push(ContractFile { file, contract, lines, approval });
                }
                Err(Problems(problems)) => self.problems.extend(problems),
            }
        }
        Ok(())
    }

    fn sources(&mut self, tree: &Tree<'_>) -> Outcome {
        for file in tree.list("sources", ".yaml")? {
            let Some(text) = self.text(tree, &file) else { continue };
            match bucket_source::parse(&text, &file) {
                Ok(connection) => self.sources.push(connection),
                Err(polder_connect::Error::Connection { file, line, problem, advice }) => self.wrong(&file, line, problem, advice),
                Err(error) => self.wrong(&file, 1, error.to_string(), "correct it"),
            }
        }
        Ok(())
    }

    fn pipelines(&mut self, tree: &Tree<'_>) -> Outcome {
        for file in tree.list(pipeline::FOLDER, pipeline::SUFFIX)? {
            let Some(text) = self.text(tree, &file) else { continue };
            match Pipeline::parse(&text, &file) {
                Ok(pipeline) => self.pipelines.push(pipeline),
                Err(Problems(problems)) => self.problems.extend(problems),
            }
        }
        Ok(())
    }

    /// Read for what must stand in no file; sources say what they are.
    fn layouts(&mut self, tree: &Tree<'_>) -> Outcome {
        for file in tree.list("layouts", ".yaml")? {
            self.text(tree, &file);
        }
        Ok(())
    }

    fn models(&mut self, tree: &Tree<'_>) -> Outcome {
        let mut files = Vec::new();
        for file in tree.list("models", ".sql")? {
            if let Some(text) = self.text(tree, &file) {
                files.push((file, text));
            }
        }
        match Models::load(&files) {
            Ok(models) => self.models = Some(models),
            Err(error) => {
                for problem in error.0 {
                    let line = problem.line.and_then(|line| u64::try_from(line).ok()).unwrap_or(1);
                    self.wrong(&problem.file, line, problem.message, "correct the model");
                }
            }
        }
        Ok(())
    }

    fn policies(&mut self, tree: &Tree<'_>) -> Outcome {
        for file in tree.list("policies", ".cedar")? {
            if let Some(text) = self.text(tree, &file) {
                self.policies.push((file, text));
            }
        }
        let tables = files::of_contracts(self.contracts.iter().map(|file| &file.contract));
        match Policies::load(&self.policies, &tables) {
            Ok(_) => {}
            Err(polder_policy::Error::Files(problems)) => self.problems.extend(problems.into_iter().map(policy_problem)),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn policy_tests(&mut self, tree: &Tree<'_>) -> Outcome {
        // Of what a wrong file is about nobody knows whether a case names it rightly.
        let known = !self.problems.iter().any(|problem| problem.file.starts_with("contracts/") || problem.file.starts_with("models/"));
        let tables = files::tables(self.contracts.iter().map(|file| &file.contract), self.models.as_ref());
        for file in tree.list(policy_test::FOLDER, policy_test::SUFFIX)? {
            let Some(text) = self.text(tree, &file).filter(|_| known) else { continue };
            match policy_test::parse(&text, &file, &tables) {
                Ok(cases) => self.policy_tests.extend(cases),
                Err(Problems(problems)) => self.problems.extend(problems),
            }
        }
        Ok(())
    }

    /// What single files cannot tell: that sources are there, that no model has a table's name, and that pipelines name what there is.
    fn consistency(&mut self) {
        let mut found = Vec::new();
        for ContractFile { file, contract, .. } in &self.contracts {
            match self.sources.iter().find(|source| source.name == contract.source) {
                None => {
                    let broken = format!("sources/{}.yaml", contract.source);
                    // That it is wrong was told.
                    if !self.problems.iter().any(|problem| problem.file == broken) {
                        found.push((file.clone(), format!("source {} is not there", contract.source), format!("write {broken}")));
                    }
                }
                Some(source) => {
                    if let Err(error) = source.dataset(&contract.dataset) {
                        found.push((file.clone(), error.to_string(), "declare the dataset in the source, or name another one".to_owned()));
                    }
                }
            }
        }
        for model in self.models.iter().flat_map(Models::in_order) {
            if self.contract(model.name.as_str()).is_some() {
                let problem = "it has the name of a table that a contract fills".to_owned();
                found.push((model.file.clone(), problem, "give the model another name".to_owned()));
            }
        }
        found.extend(self.selected_and_not_there());
        for (file, problem, advice) in found {
            self.wrong(&file, 1, problem, advice);
        }
    }
}

impl Snapshot {
    /// What pipelines name and nobody knows, each with its file and what to do. Where models or contracts are wrong nobody knows all.
    fn selected_and_not_there(&self) -> Vec<(String, String, String)> {
        let broken = self.problems.iter().any(|problem| problem.file.starts_with("contracts/"));
        let Some(models) = self.models.as_ref().filter(|_| !broken) else { return Vec::new() };
        let tables = self.contracts.iter().map(|file| file.contract.table.as_str());
        let known: Vec<&str> = tables.chain(models.in_order().map(|model| model.name.as_str())).collect();
        let selected = self.pipelines.iter().flat_map(|pipeline| pipeline.select.iter().map(|name| (&pipeline.file, name)));
        let unknown = selected.filter(|(_, name)| !known.contains(&name.as_str()));
        unknown.map(|(file, name)| (file.clone(), format!("there is no table or model {name}"), suggest(name, &known))).collect()
    }
}

fn policy_problem(problem: polder_policy::Problem) -> Problem {
    let line = u64::try_from(problem.line).unwrap_or(1).max(1);
    let advice = "docs/format/policy.md says what policies can name".to_owned();
    Problem { file: problem.file, line, problem: problem.message, advice }
}

/// Why policies do not load, each problem a line as those of other files.
pub fn policy_failure(error: polder_policy::Error) -> Failure {
    match error {
        polder_policy::Error::Files(problems) => Problems(problems.into_iter().map(policy_problem).collect()).into(),
        error => error.into(),
    }
}

/// Whether an environment's name can stand in a file's name.
pub fn plain(environment: &str) -> bool {
    !environment.is_empty() && environment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The file that approves who may approve in an environment.
pub fn enrolment_file(environment: &str) -> String {
    format!("polder.{environment}.approval")
}
