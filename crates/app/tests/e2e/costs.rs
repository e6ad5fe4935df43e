//! What a run asks of the store, what tables take there, and what is advised and done about that.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::databases::{Column, column, contract, key};
use crate::harness::Project;

const COLUMNS: [Column; 2] = [key("bed", "logicalType: integer"), column("ward", "logicalType: string")];
const MERGE: &str = "{property: polder.disposition, value: merge}";

/// A table whose rows merge, from files that come one after the other.
fn ward(rows: &[(u64, String)]) -> Project {
    let project = Project::new();
    project.write("sources/files.yaml", "type: csv\npath: data\ndatasets:\n  beds: {file: \"beds-*.csv\"}\n");
    deliver(&project, 1, rows);
    project.contract("beds", &contract("beds", "files", "beds", &COLUMNS, &[MERGE]));
    project
}

fn deliver(project: &Project, number: u64, rows: &[(u64, String)]) {
    let rows: String = rows.iter().map(|(bed, ward)| format!("{bed},{ward}\n")).collect();
    project.write(&format!("data/beds-{number}.csv"), format!("bed,ward\n{rows}"));
}

fn named(beds: std::ops::Range<u64>, ward: &str) -> Vec<(u64, String)> {
    beds.map(|bed| (bed, ward.to_owned())).collect()
}

/// Words that do not become shorter.
fn words(rows: u64) -> Vec<(u64, String)> {
    let word = |row: u64| {
        let bits = row.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bits = (bits ^ (bits >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (0..16).map(|at| char::from(b'a' + ((bits >> (4 * at)) & 15) as u8)).collect()
    };
    (0..rows).map(|row| (row, word(row))).collect()
}

/// The files of the store by their paths in it, with their lengths.
fn stored(project: &Project) -> BTreeMap<String, u64> {
    let files = project.store_files().into_iter();
    files.map(|file| (file.strip_prefix(project.store()).unwrap().display().to_string(), file.metadata().unwrap().len())).collect()
}

fn of_tables(files: &BTreeMap<String, u64>) -> (u64, u64) {
    let sizes = || files.iter().filter(|(path, _)| path.starts_with("tables/")).map(|(_, bytes)| *bytes);
    (sizes().count() as u64, sizes().sum())
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key}: {value}"))
}

/// How the table lies in the store.
fn storage(project: &Project) -> Value {
    project.json(&["table", "storage", "beds"])[0].clone()
}

fn history(project: &Project) -> Vec<Value> {
    project.json(&["table", "history", "beds"]).as_array().unwrap().clone()
}

#[test]
fn a_run_tells_what_it_asked_of_the_store_and_wrote_there() {
    let project = ward(&words(200_000));
    let before = stored(&project);
    let report = project.json(&["run"]);
    let after = stored(&project);
    let (all, batch) = (&report["store"], &report["batches"][0]["store"]);
    // Whatever the load left in the store was written, and little else: the log's own objects.
    let new: BTreeMap<String, u64> = after.into_iter().filter(|(path, _)| !before.contains_key(path)).collect();
    let loaded: Vec<u64> =
        new.iter().filter(|(path, _)| path.starts_with("tables/") || path.starts_with("offsets/")).map(|(_, bytes)| *bytes).collect();
    let bytes: u64 = loaded.iter().sum();
    assert!(bytes > 1_000_000, "{new:?}");
    let written = number(batch, "bytes_written");
    assert!((bytes..bytes * 3 / 2).contains(&written), "{written} of {bytes}: {report}");
    assert!((written..bytes * 3 / 2).contains(&number(all, "bytes_written")), "{report}");
    assert!(number(batch, "puts") >= loaded.len() as u64, "{report}");
    for key in ["gets", "puts", "lists", "deletes", "heads", "bytes_read", "bytes_written"] {
        assert!(number(all, key) >= number(batch, key), "{key}: {report}");
    }
    assert!(number(all, "gets") > 0 && number(all, "bytes_read") > 0, "{report}");

    // A run with nothing to do costs little, and a dry run writes none of the table.
    let again = project.json(&["run"]);
    assert_eq!(again["batches"][0]["status"], "unchanged");
    assert!(number(&again["store"], "bytes_written") < bytes / 2 && again["batches"][0]["storage"].is_null(), "{again}");
    deliver(&project, 2, &words(200_000).split_off(100_000));
    let dry = project.json(&["run", "--dry-run"]);
    assert!(number(&dry["batches"][0]["store"], "bytes_written") < bytes / 10, "{dry}");

    let out = project.run(&["run"]).ok();
    let line = out.lines().last().unwrap();
    assert!(line.starts_with("store: ") && line.contains(" put, ") && line.contains(" written, "), "{out}");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_history_shows_what_became_of_the_rows_of_a_merge() {
    const NAMES: [&str; 6] = ["inserted", "updated", "unchanged", "superseded", "flagged", "deleted"];
    let project = ward(&named(1..5, "north"));
    project.run(&["run"]).ok();
    deliver(&project, 2, &[(1, "north".into()), (2, "east".into()), (5, "west".into()), (5, "south".into())]);
    let report = project.json(&["run"]);
    let counts = &report["batches"][0]["counts"];
    let history = history(&project);
    let [made, first, second] = history.as_slice() else { panic!("{history:?}") };
    let shown = |version: &Value| NAMES.map(|name| version[name].clone());
    assert_eq!((&made["operation"], shown(made)), (&json!("create"), NAMES.map(|_| Value::Null)));
    assert_eq!((&first["operation"], shown(first)), (&json!("merge"), [4, 0, 0, 0, 0, 0].map(|rows| json!(rows))));
    assert_eq!(shown(second), [1, 1, 1, 1, 0, 0].map(|rows| json!(rows)), "{second}");
    assert_eq!(NAMES.map(|name| json!(counts[name].as_u64().unwrap_or(0))), shown(second), "{report}");
    assert_eq!((&second["read"], &second["loaded"]), (&json!(4), &json!(4)));
    let text = project.run(&["table", "history", "beds"]).ok();
    assert!(NAMES.iter().all(|name| text.lines().next().unwrap().contains(name)), "{text}");

    // Where nothing merges, people see no counts of merges, and machines no numbers.
    project.pets("cat\n");
    project.run(&["run", "--select", "pets"]).ok();
    let text = project.run(&["table", "history", "pets"]).ok();
    assert!(text.contains("quarantined") && !text.contains("superseded"), "{text}");
    let loaded = project.json(&["table", "history", "pets"]).as_array().unwrap().last().unwrap().clone();
    assert_eq!((&loaded["loaded"], shown(&loaded)), (&json!(1), NAMES.map(|_| Value::Null)));
}

#[test]
fn what_tables_take_is_shown_and_an_optimisation_is_advised_until_it_was_done() {
    let project = ward(&named(0..100, "north"));
    let first = project.json(&["run"])["batches"][0].clone();
    assert_eq!((&first["storage"]["stored_rows"], &first["storage"]["deleted_rows"]), (&json!(100), &json!(0)), "{first}");
    assert!(first["advice"].is_null(), "{first}");
    deliver(&project, 2, &named(0..50, "east"));
    let out = project.fork().run(&["run"]).ok();
    assert!(out.contains("33 % of its stored rows are deleted") && out.contains("`polder table optimize beds`"), "{out}");
    let second = project.json(&["run"])["batches"][0].clone();
    let of = &second["storage"];
    assert_eq!((number(of, "stored_rows"), number(of, "deleted_rows")), (150, 50), "{second}");
    assert!(number(of, "vectors") >= 1 && number(of, "live_bytes") < number(of, "table_bytes"), "{second}");
    assert!(second["advice"].as_str().unwrap().contains("`polder table optimize beds` writes these anew"), "{second}");

    // The command lists what lies there, and says the same of the files.
    let thin = storage(&project);
    let (objects, bytes) = of_tables(&stored(&project));
    assert_eq!((number(&thin, "objects"), number(&thin, "stored_bytes")), (objects, bytes), "{thin}");
    assert_eq!((number(&thin, "rows"), number(&thin, "deleted_rows")), (100, 50), "{thin}");
    for key in ["files", "vectors", "live_bytes", "table_bytes"] {
        assert_eq!(thin[key], of[key], "{key}: {thin} {second}");
    }
    assert_eq!(thin["advice"], second["advice"]);
    let overhead = thin["overhead"].as_f64().unwrap();
    assert!((overhead - bytes as f64 / number(&thin, "live_bytes") as f64).abs() < 0.01, "{thin}");
    let text = project.run(&["table", "storage"]).ok();
    assert!(text.contains("overhead") && text.contains(" kB"), "{text}");

    let done = project.json(&["table", "optimize", "beds"]);
    assert_eq!((number(&done, "files_before"), number(&done, "files_after")), (number(of, "files"), 1), "{done}");
    assert!(number(&done["store"], "puts") > 0 && number(&done["store"], "gets") > 0, "{done}");
    let whole = storage(&project);
    assert_eq!((number(&whole, "rows"), number(&whole, "deleted_rows"), number(&whole, "vectors")), (100, 0, 0), "{whole}");
    assert_eq!((&whole["live_bytes"], &whole["advice"]), (&whole["table_bytes"], &Value::Null), "{whole}");
    // Older versions are kept, until a vacuum.
    assert!(number(&whole, "stored_bytes") > bytes, "{whole}");
    project.run(&["table", "vacuum", "beds", "--keep-hours", "0"]).ok();
    let left = storage(&project);
    assert!(number(&left, "stored_bytes") < number(&whole, "stored_bytes") && number(&left, "objects") < number(&whole, "objects"));
    assert_eq!((number(&left, "objects"), number(&left, "stored_bytes")), of_tables(&stored(&project)), "{left}");

    deliver(&project, 3, &named(100..101, "west"));
    let third = project.json(&["run"])["batches"][0].clone();
    assert_eq!((&third["status"], &third["advice"]), (&json!("committed"), &Value::Null), "{third}");
    assert_eq!(project.rows("select count(*), count(*) filter (where ward = 'east') from beds"), ["101,50"]);
    let told = project.run(&["table", "optimize", "beds"]).ok();
    assert!(told.contains("optimised beds: 2 files became 1") && told.lines().last().unwrap().starts_with("store: "), "{told}");
}

#[test]
fn a_pipeline_that_maintains_its_tables_does_what_is_advised() {
    let project = ward(&named(0..100, "north"));
    project.write("pipelines/nightly.yaml", "select: [beds]\nmaintain: true\n");
    let attempt = |project: &Project| project.json(&["pipeline", "run", "nightly"])["attempts"][0].clone();
    let first = attempt(&project);
    assert!(first["batches"][0]["optimized"].is_null(), "nothing was due: {first}");
    assert!(number(&first["store"], "puts") > 0 && number(&first["store"], "bytes_written") > 0, "{first}");
    deliver(&project, 2, &named(0..50, "east"));

    // One that does not say so only advises.
    let other = project.fork();
    other.write("pipelines/nightly.yaml", "select: [beds]\n");
    let advised = attempt(&other);
    assert!(advised["batches"][0]["optimized"].is_null() && advised["batches"][0]["advice"].is_string(), "{advised}");

    // Who may load and not maintain hears of it, and what was loaded stands.
    let denied = project.fork();
    denied.write("policies/forbid.cedar", "@id(\"never\") forbid (principal, action == Action::\"Maintain\", resource);\n");
    let refused = attempt(&denied);
    assert_eq!((&refused["success"], &refused["batches"][0]["status"]), (&json!(true), &json!("committed")), "{refused}");
    assert!(refused["batches"][0]["advice"].as_str().unwrap().contains("that was tried, and failed: "), "{refused}");
    assert_eq!(denied.rows("select count(*) from beds where ward = 'east'"), ["50"]);

    let text = project.fork().run(&["pipeline", "run", "nightly"]).ok();
    assert!(text.contains("optimised: ") && text.lines().any(|line| line.starts_with("store: ")), "{text}");
    let second = attempt(&project);
    let batch = &second["batches"][0];
    assert_eq!((&batch["status"], &batch["advice"], number(&batch["optimized"], "files_after")), (&json!("committed"), &Value::Null, 1));
    assert_eq!((number(&batch["storage"], "deleted_rows"), number(&batch["storage"], "files")), (0, 1), "{second}");
    assert_eq!(history(&project).last().unwrap()["operation"], "optimize");
    assert_eq!(batch["optimized"]["version"], history(&project).last().unwrap()["version"]);
    assert_eq!(project.rows("select count(*), count(*) filter (where ward = 'east') from beds"), ["100,50"]);
    project.run(&["audit", "verify"]).ok();
}

/// A load that was committed is not done again for what its process dies of afterwards.
#[test]
fn a_load_stands_whose_optimisation_is_broken_off() {
    let project = ward(&named(0..100, "north"));
    project.write("pipelines/nightly.yaml", "select: [beds]\nmaintain: true\n");
    project.run(&["pipeline", "run", "nightly"]).ok();
    deliver(&project, 2, &named(0..50, "east"));
    project.run(&["pipeline", "run", "nightly", "--kill-at", "lake.optimize_staged"]).killed();
    let run = project.json(&["runs", "list"])[0]["run"].as_str().unwrap().to_owned();
    let shown = project.json(&["runs", "show", &run]);
    let steps: Vec<(&Value, &Value)> = shown["steps"].as_array().unwrap().iter().map(|step| (&step["step"], &step["status"])).collect();
    assert_eq!(steps, [(&json!("beds"), &json!("committed"))], "{shown}");
    assert_eq!(project.rows("select count(*), count(*) filter (where ward = 'east') from beds"), ["100,50"]);
    // Another load that leaves the table worth it does what this one came not to do.
    deliver(&project, 3, &[(0, "west".into())]);
    let next = project.json(&["pipeline", "run", "nightly"])["attempts"][0]["batches"][0].clone();
    assert_eq!((&next["status"], number(&next["optimized"], "files_after")), (&json!("committed"), 1), "{next}");
    assert_eq!(project.rows("select count(*), count(*) filter (where ward = 'east') from beds"), ["100,49"]);
    project.run(&["audit", "verify"]).ok();
}
