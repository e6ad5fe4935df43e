//! `kill -9` at named points, then `run` again: the table equals the undisturbed one, row for row.

use crate::harness::{Project, copy, seeds};

/// The named points at which the program can be killed.
const POINTS: [&str; 14] = [
    "batch-started",
    "lake.staged",
    "quarantine-before",
    "quarantine-after",
    "offsets-written",
    "lake.before_intent",
    "lake.before_intent#2",
    "lake.after_intent",
    "lake.after_intent#2",
    "lake.after_commit#2",
    "lake.before_outcome#2",
    "lake.after_outcome#2",
    "keyring-intent",
    "keyring-written",
];

fn rows(seed: u64) -> String {
    (0..2_000 + seed * 7)
        .map(|i| if i % 50 == 0 { format!("{i},Name{i},999,s\n") } else { format!("{i},Name{i},{},s\n", i % 100) })
        .collect()
}

const ALL: &str = "select id, name, age from people order by id";

#[test]
fn a_killed_load_is_resumed_to_the_same_table() {
    for seed in 0..seeds(20, 200) {
        let point = POINTS[(seed % POINTS.len() as u64) as usize];
        let project = Project::new();
        project.people(&rows(seed));
        project.run(&["run", "--kill-at", point]).killed();
        project.run(&["run"]).ok();
        let undisturbed = Project::new();
        undisturbed.people(&rows(seed));
        undisturbed.run(&["run"]).ok();
        assert_eq!(project.rows(ALL), undisturbed.rows(ALL), "killed at {point}, seed {seed}");
        project.run(&["audit", "verify"]).ok();
    }
}

#[test]
fn a_killed_optimise_changes_no_row() {
    for point in ["lake.optimize_staged", "lake.after_intent", "lake.after_commit", "lake.before_outcome"] {
        let project = Project::new();
        project.people(&rows(1));
        project.run(&["run"]).ok();
        let before = project.rows(ALL);
        project.write("data/people2.csv", "id,name,age,secret\n900001,Zoe,30,s\n");
        project.run(&["run"]).ok();
        let before = {
            let _ = before;
            project.rows(ALL)
        };
        project.run(&["table", "optimize", "people", "--kill-at", point]).killed();
        assert_eq!(project.rows(ALL), before, "{point}");
        project.run(&["table", "optimize", "people"]).ok();
        assert_eq!(project.rows(ALL), before, "{point}");
        project.run(&["audit", "verify"]).ok();
    }
}

#[test]
fn a_run_goes_on_elsewhere_with_the_store_and_the_key_alone() {
    let project = Project::new();
    project.people(&rows(3));
    project.run(&["run", "--kill-at", "lake.after_commit#2"]).killed();
    let moved = project.beside("moved");
    copy(&project.dir(), &moved);
    std::fs::remove_dir_all(project.dir()).unwrap();
    std::fs::rename(&moved, project.dir()).unwrap();
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["1980"]);
}
