//! What the guides promise and nothing else shows: environments, passphrases, older versions, Arrow, whole directories, columns
//! that stay outside, damaged approvals.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use parquet::arrow::ArrowWriter;
use parquet::file::reader::{FileReader, SerializedFileReader};
use polder_app::search::Search;

use crate::harness::{PEOPLE_CONTRACT, Project, Ran, ran};

#[test]
fn each_environment_has_a_store_keys_and_approvers_of_its_own() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    let made = project.beside("made");
    let (dir, key) = (made.display().to_string(), project.beside("prod.key").display().to_string());
    project.run(&["init", &dir, "--key-file", &key]).ok();
    let settings = |dir: &Path| std::fs::read_to_string(dir.join("polder.yaml")).unwrap();
    let (ours, theirs) = (settings(&project.dir()), settings(&made));
    let prod = theirs.split_once("  default:\n").unwrap().1.replace("store: store", &format!("store: {dir}/store"));
    project.write("polder.yaml", format!("{ours}  prod:\n{prod}"));

    project.run(&["run"]).ok();
    let error = project.run(&["table", "list", "--env", "prd"]).fails(2);
    assert!(error.contains("did you mean prod?"), "{error}");
    // Who approves for one environment does not approve for the other.
    let error = project.run(&["run", "--env", "prod"]).fails(3);
    assert!(error.contains("approv"), "{error}");
    let ours_approves = ours.lines().find(|line| line.starts_with("      - ")).unwrap();
    let both = prod.replace("    approvers:\n", &format!("    approvers:\n{ours_approves}\n"));
    assert_ne!(both, prod);
    project.write("polder.yaml", format!("{ours}  prod:\n{both}"));
    project.write("data/people-2.csv", "id,name,age,secret\n2,Bob,42,s\n");
    project.run(&["run", "--env", "prod"]).ok();
    let count = |environment: &str| {
        let out = project.run(&["sql", "select count(*) as n from people", "--env", environment, "--output", "csv"]).ok();
        out.lines().nth(1).unwrap().to_owned()
    };
    assert_eq!((count("default").as_str(), count("prod").as_str()), ("1", "2"));
    for environment in ["default", "prod"] {
        project.run(&["audit", "verify", "--env", environment]).ok();
    }
    // Each opens its own store only.
    project.write("polder.yaml", format!("{ours}  prod:\n{}", both.replace(&key, &project.key_file().display().to_string())));
    let error = project.run(&["sql", "select 1 as one", "--env", "prod"]);
    assert!(error.code != Some(0) && error.out.is_empty(), "{error:?}");
}

#[test]
fn a_passphrase_comes_from_the_environment_and_stands_nowhere() {
    const WORDS: &str = "Lauriergracht-Passphrase-1916";
    let root = tempfile::tempdir().unwrap();
    let polder = |dir: &str, args: &[&str], words: Option<&str>| -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_polder"));
        command.args(args).current_dir(root.path().join(dir)).env_remove("POLDER_TEST_WORDS");
        if let Some(words) = words {
            command.env("POLDER_TEST_WORDS", words);
        }
        ran(command.output().unwrap())
    };
    let init = ["init", "project", "--key-file", "root.key", "--passphrase", "env:POLDER_TEST_WORDS"];
    let error = polder(".", &init, Some("too short")).fails(2);
    assert!(error.contains("12 characters"), "{error}");
    polder(".", &init, Some(WORDS)).ok();
    polder("project", &["audit", "verify"], Some(WORDS)).ok();
    let error = polder("project", &["audit", "verify"], None).fails(4);
    assert!(error.contains("POLDER_TEST_WORDS"), "{error}");
    let error = polder("project", &["audit", "verify"], Some("Lauriergracht-Passphrase-1917")).fails(7);
    assert!(error.contains("passphrase") && !error.contains("Lauriergracht"), "{error}");
    polder("project", &["keys", "rotate"], Some(WORDS)).ok();
    polder("project", &["audit", "verify"], Some(WORDS)).ok();
    let search = Search::new(&[WORDS]).unwrap();
    assert_eq!(search.directory(root.path()).unwrap().findings, []);
    // The control.
    std::fs::write(root.path().join("notes"), WORDS).unwrap();
    assert_eq!(search.directory(root.path()).unwrap().findings.len(), 1);
}

#[test]
fn a_table_is_read_as_it_was() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    project.run(&["run"]).ok();
    project.write("data/people-2.csv", "id,name,age,secret\n2,Bob,42,s\n3,Cid,43,s\n");
    project.run(&["run"]).ok();
    let history: serde_json::Value = serde_json::from_str(&project.run(&["table", "history", "people", "--output", "json"]).ok()).unwrap();
    let loads: Vec<u64> = history
        .as_array()
        .unwrap()
        .iter()
        .filter(|version| version["operation"] == "append")
        .map(|version| version["version"].as_u64().unwrap())
        .collect();
    let [old, new] = loads[..] else { panic!("{history}") };
    let at = |version: u64| {
        let out = project.run(&["sql", "select count(*) as n from people", "--at", &format!("people={version}"), "--output", "csv"]).ok();
        out.lines().nth(1).unwrap().to_owned()
    };
    assert_eq!((at(old).as_str(), at(new).as_str()), ("1", "3"));
    assert_eq!(project.rows(&format!("select count(*) as n from people at version {old}")), ["1"]);
    let gone = format!("select p.name from people p where p.id not in (select id from people at version {old}) order by p.name");
    assert_eq!(project.rows(&gone), ["Bob", "Cid"]);
    for wrong in ["people", "people=new", "no such=1"] {
        let error = project.run(&["sql", "select 1 as one", "--at", wrong]).fails(2);
        assert!(error.contains("TABLE=VERSION"), "{error}");
    }
    // What is set for no question is a mistake.
    let error = project.run(&["sql", "set polder.purpose = 'billing'"]).fails(2);
    assert!(error.contains("--purpose"), "{error}");
    let error = project.run(&["sql", "set polder.purpose = billing"]).fails(2);
    assert!(error.contains("SET polder.purpose = 'billing'"), "{error}");
    // No purpose is left out: an empty one would be there where policies ask whether there is one.
    let error = project.run(&["sql", "select 1 as one", "--purpose", ""]).fails(2);
    assert!(error.contains("--purpose"), "{error}");
    let error = project.run(&["sql", "select count(*) from people", "--at", "people=99"]);
    assert!(error.code == Some(2) && error.err.contains("99"), "{error:?}");
}

#[test]
fn arrow_is_read_back_value_by_value() {
    let project = Project::new();
    let rows: String =
        (0..3_000).map(|id| format!("{id},Name {id},{},s\n", if id % 7 == 0 { "NA".to_owned() } else { (id % 100).to_string() })).collect();
    project.people(&rows);
    project.run(&["run"]).ok();
    let output = project.command(&["sql", "select id, name, age from people order by id", "--output", "arrow"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let reader = arrow::ipc::reader::StreamReader::try_new(output.stdout.as_slice(), None).unwrap();
    let names: Vec<String> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["id", "name", "age"]);
    let mut next = 0i64;
    for batch in reader {
        let batch = batch.unwrap();
        let ids = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Int64).unwrap();
        let names = arrow::compute::cast(batch.column(1), &arrow::datatypes::DataType::Utf8).unwrap();
        let ages = arrow::compute::cast(batch.column(2), &arrow::datatypes::DataType::Int64).unwrap();
        let (ids, names, ages) = (ids.as_primitive::<Int64Type>(), names.as_string::<i32>(), ages.as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            assert_eq!((ids.value(row), names.value(row)), (next, format!("Name {next}").as_str()));
            let age = arrow::array::Array::is_valid(ages, row).then(|| ages.value(row));
            assert_eq!(age, (next % 7 != 0).then_some(next % 100), "row {next}");
            next += 1;
        }
    }
    assert_eq!(next, 3_000);
    // Only queries have it.
    project.run(&["table", "list", "--output", "arrow"]).fails(2);
}

#[test]
fn a_directory_is_a_dataset_with_all_below_it() {
    let project = Project::new();
    project.people("");
    std::fs::remove_file(project.dir().join("data/people.csv")).unwrap();
    project.write("sources/files.yaml", "type: csv\npath: data\ndatasets:\n  people: {file: days, null: [NA]}\n");
    let file = |path: &str, id: u32| project.write(&format!("data/days/{path}"), format!("id,name,age,secret\n{id},Name,1,s\n"));
    file("monday.csv", 1);
    file("week-2/tuesday.csv", 2);
    file("week-2/deeper/wednesday.txt", 3);
    // Neither data nor of the type.
    file(".hidden.csv", 4);
    file("_temporary/part.csv", 5);
    file("notes.md", 6);
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select id from people order by id"), ["1", "2", "3"]);
    // A file that comes later is loaded alone.
    file("week-3/thursday.csv", 7);
    let out = project.run(&["run"]).ok();
    assert!(out.contains("1 read = 1 loaded"), "{out}");
    assert_eq!(project.rows("select id from people order by id"), ["1", "2", "3", "7"]);
}

/// A Parquet file of people whose column `secret` holds no page that could be decoded.
fn garbled() -> Vec<u8> {
    let column = |values: ArrayRef| values;
    let batch = RecordBatch::try_from_iter([
        ("id", column(Arc::new(Int64Array::from(vec![1, 2])))),
        ("name", column(Arc::new(StringArray::from(vec!["Ann", "Bob"])))),
        ("age", column(Arc::new(Int64Array::from(vec![41, 42])))),
        ("secret", column(Arc::new(StringArray::from(vec!["one", "two"])))),
    ])
    .unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let mut file = writer.into_inner().unwrap();
    let reader = SerializedFileReader::new(bytes::Bytes::from(file.clone())).unwrap();
    let chunk = reader.metadata().row_group(0).column(3);
    assert_eq!(chunk.column_path().string(), "secret");
    let (start, length) = chunk.byte_range();
    file[start as usize..(start + length) as usize].fill(0xa5);
    file
}

#[test]
fn the_bytes_of_a_column_that_nobody_authorised_are_not_looked_at() {
    let project = Project::new();
    project.people("");
    std::fs::remove_file(project.dir().join("data/people.csv")).unwrap();
    project.write("sources/files.yaml", "type: parquet\npath: data\ndatasets:\n  people: {file: people.parquet}\n");
    project.write("data/people.parquet", garbled());
    let out = project.run(&["run"]).ok();
    assert!(out.contains("2 read = 2 loaded") && out.contains("left outside, since no contract authorises them: secret"), "{out}");
    assert_eq!(project.rows("select name from people order by id"), ["Ann", "Bob"]);
    // The control: whoever authorises it meets the garbage, and nothing comes in.
    let project = Project::new();
    project.people("");
    std::fs::remove_file(project.dir().join("data/people.csv")).unwrap();
    project.write("sources/files.yaml", "type: parquet\npath: data\ndatasets:\n  people: {file: people.parquet}\n");
    project.write("data/people.parquet", garbled());
    project.write(
        "contracts/people.odcs.yaml",
        format!("{PEOPLE_CONTRACT}      - {{name: secret, physicalName: secret, logicalType: string}}\n"),
    );
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    let ran = project.run(&["run"]);
    assert!(ran.code.is_some_and(|code| code != 0) && !ran.err.contains("panicked"), "{ran:?}");
    assert_eq!(project.run(&["table", "list", "--output", "json"]).ok(), "[]\n");
}

#[test]
fn a_damaged_approval_lets_nothing_in() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    let path = project.dir().join("contracts/people.odcs.approval");
    let whole = std::fs::read(&path).unwrap();
    let flipped: Vec<Vec<u8>> = (0..whole.len())
        .step_by(7)
        .map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        })
        .collect();
    let cut = [&whole[..whole.len() / 3], &whole[..whole.len() - 20], b""].map(<[u8]>::to_vec);
    for damaged in flipped.into_iter().chain(cut) {
        std::fs::write(&path, &damaged).unwrap();
        let ran = project.run(&["run"]);
        assert!(matches!(ran.code, Some(2 | 3)), "{}: {ran:?}", String::from_utf8_lossy(&damaged));
        assert!(ran.err.contains("approv"), "{}: {ran:?}", String::from_utf8_lossy(&damaged));
    }
    std::fs::write(&path, &whole).unwrap();
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["1"]);
}
