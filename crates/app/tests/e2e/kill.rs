//! `kill -9` at named points, then `run` again: the table equals the undisturbed one, row for row.

use std::collections::BTreeMap;

use polder_types::SeededRng;

use crate::harness::{Project, copy, seeds};

const ALL: &str = "select id, name, age from people order by id";
const MODEL: &str = "select age, n from ages order by age";

/// What a process does when it is killed. `before` is made once; `act` is the command that is killed.
struct Work {
    name: &'static str,
    before: fn(u64) -> Project,
    /// What comes before the killed command, in the fork that it is killed in and in the undisturbed one.
    change: fn(&Project, u64),
    act: &'static [&'static str],
    /// `NAME` or `NAME#2` for the second time that it is passed; with `~`, the seed says which time up to this one.
    points: &'static [&'static str],
    query: &'static str,
}

/// Points of a load that is not the first; the first one passes those of the commit twice, since it makes its table.
const LOAD: &[&str] = &[
    "record-before~5",
    "record-after~5",
    "batch-started",
    "lake.staged",
    "quarantine-before",
    "quarantine-after",
    "offsets-written",
    "lake.before_intent",
    "lake.after_intent",
    "lake.after_commit",
    "lake.before_outcome",
    "lake.after_outcome",
    "snapshot-before",
    "snapshot-after",
];
const COMMIT: &[&str] =
    &["lake.before_intent", "lake.after_intent", "lake.after_commit", "lake.before_outcome", "lake.after_outcome", "snapshot-before"];

const WORKS: &[Work] = &[
    Work {
        name: "first load",
        before: |seed| started(seed, "replace"),
        change: |_, _| {},
        act: &["run"],
        points: &[
            "keyring-intent",
            "keyring-written",
            "keyring-intent#2",
            "keyring-written#2",
            "lake.before_intent#2",
            "lake.after_intent#2",
            "lake.after_commit#2",
            "lake.before_outcome#2",
            "lake.after_outcome#2",
        ],
        query: ALL,
    },
    Work { name: "first load", before: |seed| started(seed, "replace"), change: |_, _| {}, act: &["run"], points: LOAD, query: ALL },
    Work { name: "replace", before: |seed| loaded(seed, "replace"), change: changed, act: &["run"], points: LOAD, query: ALL },
    Work { name: "append", before: |seed| loaded(seed, "append"), change: added, act: &["run"], points: LOAD, query: ALL },
    Work {
        name: "model",
        before: |seed| loaded(seed, "append"),
        change: |project, seed| {
            added(project, seed);
            project.write("models/ages.sql", "-- polder: materialized = table\nselect age, count(*) as n from people group by age\n");
        },
        act: &["run"],
        points: &[
            "model-started",
            "lake.staged#2",
            "lake.before_intent#3",
            "lake.after_intent#3",
            "lake.after_commit#3",
            "lake.before_outcome#3",
            "lake.after_outcome#3",
            "snapshot-before",
        ],
        query: MODEL,
    },
    Work {
        name: "replay",
        before: |seed| loaded(seed, "append"),
        change: |project, _| project.admit_ages(1_000),
        act: &["quarantine", "replay", "people"],
        points: LOAD,
        query: ALL,
    },
    Work { name: "optimise", before: two_files, change: |_, _| {}, act: &["table", "optimize", "people"], points: COMMIT, query: ALL },
    Work {
        name: "optimise",
        before: two_files,
        change: |_, _| {},
        act: &["table", "optimize", "people"],
        points: &["lake.optimize_staged"],
        query: ALL,
    },
    Work {
        name: "vacuum",
        before: optimised,
        change: |_, _| {},
        act: &["table", "vacuum", "people", "--keep-hours", "0"],
        points: &["lake.vacuum_intent", "lake.vacuum_deleted", "snapshot-before"],
        query: ALL,
    },
    Work {
        name: "rotate",
        before: |seed| loaded(seed, "append"),
        change: |_, _| {},
        act: &["keys", "rotate", "--table", "people"],
        points: &["keyring-intent", "keyring-written", "snapshot-before"],
        query: ALL,
    },
    Work {
        name: "reencrypt",
        before: |seed| {
            let project = loaded(seed, "append");
            project.run(&["keys", "rotate", "--table", "people"]).ok();
            project
        },
        change: |_, _| {},
        act: &["keys", "reencrypt"],
        points: &["reencrypt~8"],
        query: ALL,
    },
];

fn rows(from: u64, to: u64) -> String {
    let age = |i: u64| if i.is_multiple_of(50) { 999 } else { i % 100 };
    (from..to).map(|i| format!("{i},Name{i},{},s\n", age(i))).collect()
}

/// A source of some thousand rows with its contract, approved.
fn started(seed: u64, disposition: &str) -> Project {
    let project = Project::new();
    project.people_by(&rows(0, size(seed)), disposition);
    project
}

fn size(seed: u64) -> u64 {
    2_000 + seed % 3 * 777
}

fn loaded(seed: u64, disposition: &str) -> Project {
    let project = started(seed, disposition);
    project.run(&["run"]).ok();
    project
}

/// Other rows in the same file.
fn changed(project: &Project, seed: u64) {
    project.write("data/people.csv", format!("id,name,age,secret\n{}", rows(500, size(seed) + 300)));
}

/// One file more.
fn added(project: &Project, seed: u64) {
    project.write("data/people2.csv", format!("id,name,age,secret\n{}", rows(size(seed), size(seed) + 1_500)));
}

fn two_files(seed: u64) -> Project {
    let project = loaded(seed, "append");
    added(&project, seed);
    project.run(&["run"]).ok();
    project
}

fn optimised(seed: u64) -> Project {
    let project = two_files(seed);
    project.run(&["table", "optimize", "people"]).ok();
    project
}

/// A work's prepared project and the rows before and after it, undisturbed.
struct Undisturbed {
    prepared: Project,
    before: Option<Vec<String>>,
    after: Vec<String>,
}

impl Undisturbed {
    fn new(work: &Work, seed: u64) -> Self {
        let prepared = (work.before)(seed);
        let undisturbed = prepared.fork();
        let before = visible(&undisturbed, work.query);
        (work.change)(&undisturbed, seed);
        undisturbed.run(work.act).ok();
        Self { prepared, before, after: undisturbed.rows(work.query) }
    }
}

/// The rows that stand, or none when there is no such table yet.
fn visible(project: &Project, query: &str) -> Option<Vec<String>> {
    let asked = project.run(&["sql", query, "--output", "csv"]);
    if asked.code == Some(2) { None } else { Some(asked.ok().lines().skip(1).map(str::to_owned).collect()) }
}

/// At every point of a work; in the nightly run three times, with other rows and at other passes of the same point: more than 200
/// kills in all.
fn resumes(name: &str) {
    let works: Vec<(usize, &Work)> = WORKS.iter().enumerate().filter(|(_, work)| work.name == name).collect();
    assert!(!works.is_empty(), "{name}");
    for (number, work) in works {
        let mut undisturbed = BTreeMap::new();
        let points = work.points.len() as u64;
        for seed in 0..seeds(points, points * 3) {
            let rng = SeededRng::new(seed * 100 + number as u64);
            let mut point = work.points[(seed % points) as usize].to_owned();
            if let Some((name, most)) = point.split_once('~') {
                point = format!("{name}#{}", 1 + rng.below(most.parse().unwrap()));
            }
            // One size of rows by default: making what is undisturbed takes longer than killing.
            let rows = seed % seeds(1, 3);
            let undisturbed = undisturbed.entry(rows).or_insert_with(|| Undisturbed::new(work, rows));
            let place = format!("{}, killed at {point}, seed {seed}", work.name);
            let project = undisturbed.prepared.fork();
            (work.change)(&project, rows);
            let args: Vec<&str> = work.act.iter().copied().chain(["--kill-at", &point]).collect();
            let killed = project.run(&args);
            assert_eq!(killed.code, None, "{place}: {killed:?}");
            if rng.below(2) == 0 {
                // All or nothing, whoever asks first.
                let seen = visible(&project, work.query);
                assert!(seen == undisturbed.before || seen.as_ref() == Some(&undisturbed.after), "{place}");
            }
            if work.act != ["run"] {
                project.run(&["audit", "verify"]).ok();
                project.run(work.act).ok();
            }
            project.run(&["run"]).ok();
            assert_eq!(project.rows(work.query), undisturbed.after, "{place}");
            project.run(&["audit", "verify"]).ok();
            let status: serde_json::Value = serde_json::from_str(&project.run(&["status", "--output", "json"]).ok()).unwrap();
            assert_eq!(status["open_intents"], 0, "{place}: {status}");
        }
    }
}

#[test]
fn a_killed_first_load_is_resumed_to_the_same_table() {
    resumes("first load");
}

#[test]
fn a_killed_reload_is_resumed_to_the_same_table() {
    resumes("replace");
}

#[test]
fn a_killed_append_doubles_and_loses_no_row() {
    resumes("append");
}

#[test]
fn a_killed_model_is_built_to_the_same_table() {
    resumes("model");
}

#[test]
fn a_killed_replay_doubles_and_loses_no_row() {
    resumes("replay");
}

#[test]
fn killed_maintenance_changes_no_row() {
    resumes("optimise");
    resumes("vacuum");
}

#[test]
fn killed_work_on_keys_changes_no_row() {
    resumes("rotate");
    resumes("reencrypt");
}

#[test]
fn a_run_goes_on_elsewhere_with_the_store_and_the_key_alone() {
    let project = Project::new();
    project.people(&rows(0, 2_000));
    project.run(&["run", "--kill-at", "lake.after_commit#2"]).killed();
    let moved = project.beside("moved");
    copy(&project.dir(), &moved);
    std::fs::remove_dir_all(project.dir()).unwrap();
    std::fs::rename(&moved, project.dir()).unwrap();
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["1960"]);
    project.run(&["audit", "verify"]).ok();
}
