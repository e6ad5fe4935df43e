//! `kill -9` at named points and before any operation on the store's disk, then the same again: the table equals the undisturbed
//! one, row for row.

use std::collections::BTreeMap;

use polder_types::SeededRng;

use crate::harness::{Project, copy, seeds};
use crate::works::{Undisturbed, Work, rows, visible};

/// Points of a load that is not the first; the first one passes those of the commit twice, since it makes its table. `NAME` or
/// `NAME#2` for the second time that it is passed; with `~`, the seed says which time up to this one.
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
/// More of a first load.
const CREATION: &[&str] = &[
    "keyring-intent",
    "keyring-written",
    "keyring-intent#2",
    "keyring-written#2",
    "lake.before_intent#2",
    "lake.after_intent#2",
    "lake.after_commit#2",
    "lake.before_outcome#2",
    "lake.after_outcome#2",
];
const MODEL: &[&str] = &[
    "model-started",
    "lake.staged#2",
    "lake.before_intent#3",
    "lake.after_intent#3",
    "lake.after_commit#3",
    "lake.before_outcome#3",
    "lake.after_outcome#3",
    "snapshot-before",
];
/// Of a migration, then those of the load that follows it.
const MIGRATION: &[&str] = &[
    "migration-before",
    "lake.migration_staged",
    "lake.before_intent",
    "lake.after_intent",
    "lake.after_commit",
    "lake.before_outcome",
    "lake.after_outcome",
    "migration-after",
    "lake.before_intent#2",
    "lake.after_commit#2",
    "lake.after_outcome#2",
    "snapshot-before",
];
const OPTIMISE: &[&str] = &[
    "lake.optimize_staged",
    "lake.before_intent",
    "lake.after_intent",
    "lake.after_commit",
    "lake.before_outcome",
    "lake.after_outcome",
    "snapshot-before",
];
const VACUUM: &[&str] = &["lake.vacuum_intent", "lake.vacuum_deleted", "snapshot-before"];
const KEYRING: &[&str] = &["keyring-intent", "keyring-written", "snapshot-before"];
const REENCRYPT: &[&str] = &["reencrypt~8"];

/// One disturbed work after the other.
struct Killing {
    work: &'static Work,
    undisturbed: BTreeMap<u64, Undisturbed>,
}

impl Killing {
    fn of(name: &str) -> Self {
        Self { work: Work::named(name), undisturbed: BTreeMap::new() }
    }

    /// One size of rows by default: making what is undisturbed takes longer than killing.
    fn undisturbed(&mut self, seed: u64) -> (u64, &Undisturbed) {
        let rows = seed % seeds(1, 3);
        let work = self.work;
        (rows, self.undisturbed.entry(rows).or_insert_with(|| Undisturbed::new(work, rows)))
    }

    /// At every named point; in the nightly run three times, with other rows and at other passes of the same point.
    fn at_points(&mut self, points: &[&str]) {
        let number = points.len() as u64;
        for seed in 0..seeds(number, number * 3) {
            let rng = SeededRng::new(seed * 100 + number);
            let mut point = points[(seed % number) as usize].to_owned();
            if let Some((name, most)) = point.split_once('~') {
                point = format!("{name}#{}", 1 + rng.below(most.parse().unwrap()));
            }
            let work = self.work;
            let (rows, undisturbed) = self.undisturbed(seed);
            let project = undisturbed.fork(work, rows);
            kill(work, &project, &point).unwrap_or_else(|| panic!("{}: it never passed {point}", work.name));
            recovers(work, undisturbed, &project, &rng, &format!("{}, killed at {point}, seed {seed}", work.name));
        }
    }

    /// Before an operation on the store's disk of whatever kind, which the seed draws from all that the work makes; every second
    /// time the next process is killed as well, while it finishes what the first one left. Kills twice by default and twenty
    /// times in the nightly run, which with ten works and more is over 20 and over 200.
    fn in_the_store(&mut self) {
        let most = seeds(2, 20);
        let work = self.work;
        let (mut killed, mut bounds) = (BTreeMap::new(), BTreeMap::new());
        for seed in 0..most {
            let rng = SeededRng::new(seed * 100 + 99);
            let (rows, undisturbed) = self.undisturbed(seed);
            // More than the work makes, and at most twice as many.
            let bound = *bounds.entry(rows).or_insert_with(|| {
                let survives = |bound: &u64| kill(work, &undisturbed.fork(work, rows), &format!("store#{bound}")).is_none();
                (6..).map(|power| 1_u64 << power).find(survives).unwrap()
            });
            // What was drawn beyond its end killed nobody, and is drawn again.
            let (point, project) = (0..64)
                .find_map(|_| {
                    let point = format!("store#{}", 1 + rng.below(bound));
                    let project = undisturbed.fork(work, rows);
                    kill(work, &project, &point).map(|()| (point, project))
                })
                .unwrap();
            let mut place = format!("{}, killed at {point}, seed {seed}", work.name);
            if seed % 2 == 1 {
                let again = format!("store#{}", 1 + rng.below(bound));
                if kill(work, &project, &again).is_some() {
                    place += &format!(", then at {again}");
                }
            }
            recovers(work, undisturbed, &project, &rng, &place);
            killed.insert(seed, point);
        }
        assert_eq!(killed.len() as u64, most, "{killed:?}");
    }
}

/// Kills the work at a point; none when it came to its end before.
fn kill(work: &Work, project: &Project, point: &str) -> Option<()> {
    let args: Vec<&str> = work.act.iter().copied().chain(["--kill-at", point]).collect();
    let ran = project.run(&args);
    match ran.code {
        Some(_) => {
            ran.ok();
            None
        }
        None => {
            ran.killed();
            Some(())
        }
    }
}

/// What a killed work left is all or nothing, and done again it ends as the undisturbed one did.
fn recovers(work: &Work, undisturbed: &Undisturbed, project: &Project, rng: &SeededRng, place: &str) {
    if rng.below(2) == 0 {
        // All or nothing, whoever asks first.
        let seen = visible(project, work.query);
        assert!(seen == undisturbed.before || seen.as_ref() == Some(&undisturbed.after), "{place}");
    }
    verified(project, place);
    if work.act != ["run"] {
        let again = project.run(work.act);
        assert_eq!(again.code, Some(0), "{place}: {again:?}");
    }
    let again = project.run(&["run"]);
    assert_eq!(again.code, Some(0), "{place}: {again:?}");
    assert_eq!(project.rows(work.query), undisturbed.after, "{place}");
    verified(project, place);
    let status = project.json(&["status"]);
    assert_eq!(status["open_intents"], 0, "{place}: {status}");
}

fn verified(project: &Project, place: &str) {
    let verified = project.run(&["audit", "verify"]);
    assert_eq!(verified.code, Some(0), "{place}: {verified:?}");
}

/// At its named points, and before operations on the store's disk.
fn resumes(name: &str, points: &[&[&str]]) {
    let mut killing = Killing::of(name);
    killing.at_points(&points.concat());
    killing.in_the_store();
}

#[test]
fn a_killed_first_load_is_resumed_to_the_same_table() {
    resumes("first load", &[CREATION, LOAD]);
}

#[test]
fn a_killed_reload_is_resumed_to_the_same_table() {
    resumes("replace", &[LOAD]);
}

#[test]
fn a_killed_append_doubles_and_loses_no_row() {
    resumes("append", &[LOAD]);
}

#[test]
fn a_killed_migration_is_whole_or_not_begun_and_done_again_the_same() {
    resumes("migration", &[MIGRATION]);
}

#[test]
fn a_killed_model_is_built_to_the_same_table() {
    resumes("model", &[MODEL]);
}

#[test]
fn a_killed_replay_doubles_and_loses_no_row() {
    resumes("replay", &[LOAD]);
}

#[test]
fn killed_maintenance_changes_no_row() {
    resumes("optimise", &[OPTIMISE]);
    resumes("vacuum", &[VACUUM]);
}

#[test]
fn killed_work_on_keys_changes_no_row() {
    resumes("rotate", &[KEYRING]);
    resumes("reencrypt", &[REENCRYPT]);
}

#[test]
fn a_killed_rotation_of_the_root_changes_no_row() {
    resumes("rotate the root", &[KEYRING]);
    resumes("kit", &[KEYRING]);
}

/// The next writer makes a version that creates nothing, so that the killed one could not create the table if it only slept.
#[test]
fn a_table_whose_creation_was_killed_is_not_there_and_verifies() {
    let project = Project::new();
    project.people(&rows(0, 200));
    project.run(&["run", "--kill-at", "lake.after_intent"]).killed();
    assert_eq!(project.run(&["table", "list", "--output", "csv"]).ok().lines().count(), 1);
    project.run(&["audit", "verify"]).ok();
    project.run(&["table", "show", "people"]).fails(2);
    // The control: its version is verified as any other is.
    let log = project.store_files().into_iter().find(|file| file.display().to_string().contains("_delta_log")).unwrap();
    let other = project.fork();
    std::fs::remove_file(other.dir().join(log.strip_prefix(project.dir()).unwrap())).unwrap();
    other.run(&["audit", "verify"]).fails(6);
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["196"]);
    project.run(&["audit", "verify"]).ok();
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
