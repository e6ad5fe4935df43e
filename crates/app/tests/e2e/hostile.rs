//! Broken input, case by case: what `tests/corpus/hostile/manifest.yaml` says must come of it, comes of it, in bounded memory and time.

pub mod bounded;
mod generated;
mod manifest;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::harness::Project;
use bounded::{Ended, WALL, run_bounded};
use manifest::{Case, Content, cases};

/// The corpus.
fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/hostile")
}

#[test]
fn hostile_csv_is_refused_or_counted() {
    check_all(|case| case.name.starts_with("csv-") && !is_endless(case));
}

#[test]
fn hostile_streams_without_end_stay_in_bounded_memory() {
    check_all(is_endless);
}

#[test]
fn hostile_ndjson_is_refused_or_counted() {
    check_all(|case| case.name.starts_with("ndjson-"));
}

#[test]
fn hostile_parquet_is_refused_or_counted() {
    check_all(|case| case.name.starts_with("parquet-"));
}

#[test]
fn hostile_json_documents_are_refused_or_counted() {
    check_all(|case| case.name.starts_with("json-"));
}

#[test]
fn hostile_xml_is_refused_or_counted() {
    check_all(|case| case.name.starts_with("xml-"));
}

#[test]
fn hostile_spreadsheets_are_refused_or_counted() {
    check_all(|case| case.name.starts_with("excel-"));
}

#[test]
fn hostile_avro_is_refused_or_counted() {
    check_all(|case| case.name.starts_with("avro-"));
}

#[test]
fn hostile_arrow_is_refused_or_counted() {
    check_all(|case| case.name.starts_with("arrow-"));
}

#[test]
fn hostile_fixed_width_is_refused_or_counted() {
    check_all(|case| case.name.starts_with("fixed-"));
}

#[test]
fn hostile_project_files_are_refused() {
    check_all(|case| case.name.starts_with("project-"));
}

#[test]
fn the_hostile_corpus_is_whole() {
    let cases = cases();
    assert!(cases.len() >= 200, "{} cases", cases.len());
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    for case in &cases {
        let families = ["csv-", "ndjson-", "json-", "xml-", "excel-", "avro-", "arrow-", "fixed-", "parquet-", "project-"];
        assert!(families.iter().any(|family| case.name.starts_with(family)), "no test runs {}", case.name);
    }
    let mut named: BTreeSet<String> = ["README.md", "generate.py", "manifest.yaml"].map(str::to_owned).into();
    for case in &cases {
        named.insert(case.source_file());
        named.insert(case.contract_file());
        named.extend(case.contents().filter_map(|content| match content {
            Content::File(file) => Some(file.clone()),
            Content::Generated { .. } => None,
        }));
    }
    let mut lying = BTreeSet::new();
    list(&corpus(), &corpus(), &mut lying);
    assert_eq!(lying, named, "the files of the corpus (left) are those that the manifest names (right)");
}

fn list(root: &Path, dir: &Path, files: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(root, &path, files);
        } else {
            files.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// Whether a case reads a stream of gigabytes.
fn is_endless(case: &Case) -> bool {
    matches!(case.input, Content::Generated { .. })
}

/// Runs the chosen cases and tells all that failed at once.
fn check_all(chosen: impl Fn(&Case) -> bool) {
    let cases: Vec<Case> = cases().into_iter().filter(chosen).collect();
    assert!(!cases.is_empty(), "no case was chosen");
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let told = Run::new(case).check().err()?;
            Some(format!("{}\n  because: {}\n  {}", case.name, case.why, told.trim_end().replace('\n', "\n  ")))
        })
        .collect();
    assert!(failures.is_empty(), "{} of {} cases failed:\n\n{}\n", failures.len(), cases.len(), failures.join("\n\n"));
}

/// What came of a case: nothing, or how it differs from what the manifest says.
type Checked = Result<(), String>;

/// A case and the project in which it runs.
struct Run<'a> {
    case: &'a Case,
    project: Project,
}

impl<'a> Run<'a> {
    fn new(case: &'a Case) -> Self {
        Self { case, project: Project::new() }
    }

    fn check(&self) -> Checked {
        let case = self.case;
        self.lay_out();
        for table in &case.approve {
            self.polder(&["contract", "approve", table, "--yes"])?.must_end_with(0)?;
        }
        self.lay(case.files.iter().filter_map(|(path, content)| Some((path.strip_prefix("after_approval:")?, content))));
        let before = self.outside();
        let arguments: Vec<&str> = case.command.iter().map(String::as_str).collect();
        let ended = self.polder(&arguments)?;
        if self.outside() != before {
            return Err(format!("something was written outside the project; {ended}"));
        }
        match (&case.expect.error, case.expect.loaded) {
            (Some(text), None) => self.check_failure(&ended, text),
            (None, Some(loaded)) => self.check_load(&ended, loaded),
            _ => Err("the manifest expects neither an error nor a load, or both".to_owned()),
        }
    }

    /// Puts the case's files into the project.
    fn lay_out(&self) {
        let copy = |from: String, to: &str| self.project.write(to, fs::read(corpus().join(from)).unwrap());
        copy(self.case.source_file(), "sources/files.yaml");
        copy(self.case.contract_file(), "contracts/typed.odcs.yaml");
        fs::create_dir(self.project.dir().join("data")).unwrap();
        let input = match &self.case.input {
            Content::File(file) => format!("data/{}", Path::new(file).file_name().unwrap().to_str().unwrap()),
            Content::Generated { generator } => format!("data/{}", generated::input_name(generator)),
        };
        self.lay([(input.as_str(), &self.case.input)].into_iter());
        self.lay(
            self.case.files.iter().filter(|(path, _)| !path.starts_with("after_approval:")).map(|(path, content)| (path.as_str(), content)),
        );
    }

    fn lay<'b>(&self, files: impl Iterator<Item = (&'b str, &'b Content)>) {
        for (path, content) in files {
            let (path, append) = path.strip_prefix("append:").map_or((path, false), |path| (path, true));
            let mut file =
                fs::File::options().create(true).write(true).append(append).truncate(!append).open(self.project.dir().join(path)).unwrap();
            match content {
                Content::File(from) => file.write_all(&fs::read(corpus().join(from)).unwrap()).unwrap(),
                Content::Generated { generator } => generated::write(generator, &mut file),
            }
        }
    }

    /// Files that lie beside the project, and the one that a case would like to write.
    fn outside(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = fs::read_dir(self.project.beside("")).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.extend([PathBuf::from("/tmp/leak.csv")].into_iter().filter(|path| path.exists()));
        paths.sort();
        paths
    }

    /// Runs the program; an error when it panics, does not end, or takes more memory than it may.
    fn polder(&self, arguments: &[&str]) -> Result<Ended, String> {
        run_bounded(self.project.command(arguments), &self.project.beside("printed"), WALL).check()
    }

    /// The command failed as the manifest says, and nothing of the batch can be seen.
    fn check_failure(&self, ended: &Ended, text: &str) -> Checked {
        ended.must_end_with(self.case.expect.exit.ok_or("the manifest has no exit code for the error")?)?;
        if ended.err.trim().is_empty() {
            return Err(format!("no error was told; {ended}"));
        }
        // The input's own name may hold the very words that are looked for.
        let told = match &self.case.input {
            Content::File(file) => ended.err.replace(Path::new(file).file_name().unwrap().to_str().unwrap(), "INPUT"),
            Content::Generated { .. } => ended.err.clone(),
        };
        if !told.to_lowercase().contains(&text.to_lowercase()) {
            return Err(format!("the error does not hold {text:?}; {ended}"));
        }
        self.check_refused(ended)?;
        let seen = self.polder(&["sql", "select count(*) from typed", "--output", "csv"])?;
        match (seen.code, seen.out.lines().nth(1)) {
            // No table, or a project that cannot be opened.
            (Some(2 | 7), None) | (Some(0), Some("0")) => Ok(()),
            _ => Err(format!("rows of a failed batch are visible, or the table cannot be asked; {seen}")),
        }
    }

    /// The command loaded and refused as many rows as the manifest says, and the values are what they were.
    fn check_load(&self, ended: &Ended, loaded: u64) -> Checked {
        ended.must_end_with(0)?;
        let report = ended.json()?;
        let batches = report["batches"].as_array().map(Vec::as_slice).unwrap_or_default();
        let [batch] = batches else { return Err(format!("the report has {} batches, not one; {ended}", batches.len())) };
        let count = |name: &str| batch["counts"][name].as_u64().ok_or_else(|| format!("the report has no count {name}; {ended}"));
        let rejected = self.case.expect.rejected.ok_or("the manifest does not say how many rows are rejected")?;
        let counted = (count("read")?, count("loaded")?, count("rejected")? + count("quarantined")?);
        if batch["status"] != "committed" || counted != (loaded + rejected, loaded, rejected) {
            return Err(format!("{loaded} loaded and {rejected} rejected are expected; {ended}"));
        }
        self.check_refused(ended)?;
        let Some(query) = &self.case.expect.query else { return Ok(()) };
        let asked = self.polder(&["sql", query, "--output", "csv"])?;
        asked.must_end_with(0)?;
        let rows = self.case.expect.rows.as_deref().ok_or("the manifest has a query without rows")?;
        if asked.out.replace("\r\n", "\n") == rows { Ok(()) } else { Err(format!("these rows are expected:\n{rows}{asked}")) }
    }

    /// The report names the rules that the manifest names, each with as many rows.
    fn check_refused(&self, ended: &Ended) -> Checked {
        let Some(expected) = &self.case.expect.refused else { return Ok(()) };
        let report = ended.json()?;
        let mut refused = std::collections::BTreeMap::new();
        for entry in report["batches"][0]["refused"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let rule = entry["rule"].as_str().unwrap_or_default();
            let name = entry["column"].as_str().map_or_else(|| rule.to_owned(), |column| format!("{rule} of {column}"));
            refused.insert(name, entry["rows"].as_u64().unwrap_or_default());
        }
        if refused == *expected { Ok(()) } else { Err(format!("refused: {expected:?} is expected, {refused:?} was reported; {ended}")) }
    }
}
