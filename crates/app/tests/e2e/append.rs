//! Tables that keep their rows: what is loaded once is not loaded again, under whatever name or date it comes.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::Project;

/// What became of the one batch of a run.
#[track_caller]
fn batch(project: &Project) -> Value {
    project.json(&["run"])["batches"][0].take()
}

fn touch(path: &Path) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    std::fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

fn pets(project: &Project) -> Vec<String> {
    project.rows("select pet from pets order by pet")
}

#[test]
fn loading_all_files_again_is_refused_where_rows_stay() {
    let project = Project::new();
    project.pets("cat\ndog\n");
    // Before anything is loaded nothing can double.
    project.run(&["run", "--again"]).ok();
    for args in [&["run", "--again"][..], &["run", "--again", "--dry-run"]] {
        let err = project.run(args).fails(2);
        assert!(err.contains("doubled") && err.contains("polder.disposition") && err.contains("--full-refresh"), "{err}");
    }
    assert_eq!(pets(&project), ["cat", "dog"]);
    // Of other tables of the run nothing is refused.
    project.people_by("1,Ann,41,s\n", "replace");
    project.run(&["run", "--select", "people"]).ok();
    let ran = project.run(&["run", "--again"]);
    assert!(ran.out.contains("people       committed, version 2"), "{ran:?}");
    ran.fails(2);
    assert_eq!(pets(&project), ["cat", "dog"]);
    assert_eq!(project.rows("select name from people"), ["Ann"]);
    project.run(&["table", "drop", "pets", "--yes"]).ok();
    project.run(&["run", "--again"]).ok();
    assert_eq!(pets(&project), ["cat", "dog"]);
}

#[test]
fn a_copy_of_a_loaded_file_is_not_loaded_again() {
    let project = Project::new();
    project.pets("cat\ndog\n");
    project.run(&["run"]).ok();
    let data = project.dir().join("data");
    std::fs::copy(data.join("pets.csv"), data.join("pets2.csv")).unwrap();
    let ran = project.run(&["run"]).ok();
    assert!(ran.contains("not loaded again, since their bytes were loaded before: pets2.csv (as pets.csv)"), "{ran}");
    assert_eq!(pets(&project), ["cat", "dog"]);
    // From then on it is known by its name, and what is added to it does not bring its first rows in again.
    let report = batch(&project);
    assert_eq!((&report["status"], &report["already_loaded"]), (&json!("unchanged"), &json!([])));
    project.write("data/pets2.csv", "pet\ncat\ndog\nfox\n");
    assert!(project.run(&["run"]).fails(3).contains("append pets2.csv: it changed since it was loaded"));
    std::fs::remove_file(data.join("pets2.csv")).unwrap();
    std::fs::copy(data.join("pets.csv"), data.join("pets4.csv")).unwrap();
    // Beside a file that is new, and no larger or smaller.
    project.write("data/pets3.csv", "pet\ncow\nhen\n");
    let report = batch(&project);
    assert_eq!((&report["status"], &report["files"], &report["counts"]["loaded"]), (&json!("committed"), &json!(1), &json!(2)));
    assert_eq!(report["already_loaded"], json!([{"file": "pets4.csv", "loaded_as": "pets.csv"}]));
    assert_eq!(pets(&project), ["cat", "cow", "dog", "hen"]);
    let report = batch(&project);
    assert_eq!((&report["status"], &report["already_loaded"]), (&json!("unchanged"), &json!([])));
}

#[test]
fn two_files_of_one_run_that_hold_the_same_are_loaded_once() {
    let project = Project::new();
    let long: String = (0..40_000).map(|i| format!("pet{i}\n")).collect();
    project.pets(&long);
    let data = project.dir().join("data");
    std::fs::copy(data.join("pets.csv"), data.join("pets-copy.csv")).unwrap();
    // As long, and the same at both ends: only the middle differs.
    project.write("data/pets-other.csv", format!("pet\n{}", long.replace("pet20000\n", "PET20000\n")));
    let report = batch(&project);
    assert_eq!((&report["files"], &report["counts"]["loaded"]), (&json!(2), &json!(80_000)));
    assert_eq!(report["already_loaded"], json!([{"file": "pets.csv", "loaded_as": "pets-copy.csv"}]));
    assert_eq!(project.rows("select count(*) from pets where pet = 'PET20000'"), ["1"]);
}

#[test]
fn a_file_that_was_touched_is_the_same_file() {
    let project = Project::new();
    project.pets("cat\ndog\n");
    project.run(&["run"]).ok();
    touch(&project.dir().join("data/pets.csv"));
    let report = batch(&project);
    assert_eq!(report["status"], "unchanged");
    assert_eq!(report["already_loaded"], json!([{"file": "pets.csv", "loaded_as": "pets.csv"}]));
    project.write("data/pets2.csv", "pet\nfox\n");
    assert_eq!(batch(&project)["counts"]["loaded"], 1);
    assert_eq!(pets(&project), ["cat", "dog", "fox"]);
}

#[test]
fn a_file_that_changed_is_refused_whether_or_not_it_is_as_long() {
    let project = Project::new();
    project.pets("cat\ndog\n");
    project.run(&["run"]).ok();
    for rows in ["cow\ndog\n", "cat\ndog\nfox\n"] {
        project.write("data/pets.csv", format!("pet\n{rows}"));
        let err = project.run(&["run"]).fails(3);
        assert!(err.contains("append pets.csv: it changed since it was loaded"), "{err}");
    }
    assert_eq!(pets(&project), ["cat", "dog"]);
}

#[test]
fn a_load_that_was_killed_leaves_its_files_to_be_loaded_once() {
    let project = Project::new();
    project.pets("cat\ndog\n");
    project.run(&["run"]).ok();
    project.write("data/pets2.csv", "pet\nfox\n");
    project.run(&["run", "--kill-at", "offsets-written"]).killed();
    let data = project.dir().join("data");
    std::fs::copy(data.join("pets2.csv"), data.join("pets3.csv")).unwrap();
    std::fs::copy(data.join("pets.csv"), data.join("pets4.csv")).unwrap();
    let report = batch(&project);
    assert_eq!((&report["files"], &report["counts"]["loaded"]), (&json!(1), &json!(1)));
    assert_eq!(report["already_loaded"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(pets(&project), ["cat", "dog", "fox"]);
    assert_eq!(batch(&project)["status"], "unchanged");
}
