//! Works that are disturbed: killed at every step, or left without room. Each ends, done again, with the rows of the undisturbed one.

use crate::harness::Project;

/// What a process does when it is disturbed. `before` is made once; `act` is the command that is disturbed.
pub struct Work {
    pub name: &'static str,
    pub before: fn(u64) -> Project,
    /// What comes before the disturbed command, in the fork that it is disturbed in and in the undisturbed one.
    pub change: fn(&Project, u64),
    pub act: &'static [&'static str],
    pub query: &'static str,
}

const ALL: &str = "select id, name, age from people order by id";
const MODEL: &str = "select age, n from ages order by age";

const WORKS: &[Work] = &[
    Work { name: "first load", before: |seed| started(seed, "replace"), change: |_, _| {}, act: &["run"], query: ALL },
    Work { name: "replace", before: |seed| loaded(seed, "replace"), change: changed, act: &["run"], query: ALL },
    Work { name: "append", before: |seed| loaded(seed, "append"), change: added, act: &["run"], query: ALL },
    Work {
        name: "model",
        before: |seed| loaded(seed, "append"),
        change: |project, seed| {
            added(project, seed);
            project.write("models/ages.sql", "-- polder: materialized = table\nselect age, count(*) as n from people group by age\n");
        },
        act: &["run"],
        query: MODEL,
    },
    Work {
        name: "replay",
        before: |seed| loaded(seed, "append"),
        change: |project, _| project.admit_ages(1_000),
        act: &["quarantine", "replay", "people"],
        query: ALL,
    },
    Work { name: "migration", before: |seed| loaded(seed, "append"), change: migrated, act: &["run"], query: ALL },
    Work { name: "optimise", before: two_files, change: |_, _| {}, act: &["table", "optimize", "people"], query: ALL },
    Work { name: "vacuum", before: optimised, change: |_, _| {}, act: &["table", "vacuum", "people", "--keep-hours", "0"], query: ALL },
    Work {
        name: "rotate",
        before: |seed| loaded(seed, "append"),
        change: |_, _| {},
        act: &["keys", "rotate", "--table", "people"],
        query: ALL,
    },
    Work { name: "rotate the root", before: |seed| loaded(seed, "append"), change: |_, _| {}, act: &["keys", "rotate"], query: ALL },
    Work { name: "kit", before: |seed| loaded(seed, "append"), change: |_, _| {}, act: &["keys", "kit", "--to", "../kit"], query: ALL },
    Work {
        name: "reencrypt",
        before: |seed| {
            let project = loaded(seed, "append");
            project.run(&["keys", "rotate", "--table", "people"]).ok();
            project
        },
        change: |_, _| {},
        act: &["keys", "reencrypt"],
        query: ALL,
    },
];

impl Work {
    /// The work of a name.
    pub fn named(name: &str) -> &'static Self {
        WORKS.iter().find(|work| work.name == name).unwrap()
    }
}

pub fn rows(from: u64, to: u64) -> String {
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

/// A column more, a wider type, and one file more: the table is migrated before rows come beside those that are there.
fn migrated(project: &Project, seed: u64) {
    added(project, seed);
    let file = "contracts/people.odcs.yaml";
    let contract = std::fs::read_to_string(project.dir().join(file)).unwrap();
    let wider = contract.replace("logicalTypeOptions: {minimum: 0", "logicalTypeOptions: {format: i64, minimum: 0")
        + "      - {name: secret, physicalName: secret, logicalType: string}\n";
    assert!(wider.contains("format: i64"));
    project.write(file, wider);
    project.run(&["contract", "approve", "people", "--yes"]).ok();
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
pub struct Undisturbed {
    pub prepared: Project,
    pub before: Option<Vec<String>>,
    pub after: Vec<String>,
}

impl Undisturbed {
    pub fn new(work: &Work, seed: u64) -> Self {
        let prepared = (work.before)(seed);
        let undisturbed = prepared.fork();
        let before = visible(&undisturbed, work.query);
        (work.change)(&undisturbed, seed);
        undisturbed.run(work.act).ok();
        Self { prepared, before, after: undisturbed.rows(work.query) }
    }

    /// A project of its own in which the work is to be done.
    pub fn fork(&self, work: &Work, seed: u64) -> Project {
        let project = self.prepared.fork();
        (work.change)(&project, seed);
        project
    }
}

/// The rows that stand, or none when there is no such table yet.
pub fn visible(project: &Project, query: &str) -> Option<Vec<String>> {
    let asked = project.run(&["sql", query, "--output", "csv"]);
    if asked.code == Some(2) { None } else { Some(asked.ok().lines().skip(1).map(str::to_owned).collect()) }
}
