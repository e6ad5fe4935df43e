//! Someone changes the store's files: flips, cuts, swaps, renames, removes, rolls back. It is detected, and the object is named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use polder_types::SeededRng;

use crate::harness::{Project, copy, seeds};

/// Two files of rows that fit the contract, and some that do not.
fn loaded(project: Project) -> Project {
    let rows: String = (0..2_000).map(|i| format!("{i},Name{i},{},s\n", i % 160)).collect();
    project.people(&rows);
    project.run(&["run"]).ok();
    project
}

/// Everything that a program writes, once more.
fn grown(project: &Project) {
    let rows: String = (5_000..6_000).map(|i| format!("{i},Name{i},{},s\n", i % 160)).collect();
    project.write("data/people2.csv", format!("id,name,age,secret\n{rows}"));
    project.run(&["run"]).ok();
    project.run(&["keys", "rotate", "--table", "people"]).ok();
    project.run(&["sql", "select count(*) from people"]).ok();
}

fn name(project: &Project, path: &Path) -> String {
    path.strip_prefix(project.store()).unwrap().display().to_string()
}

/// Files whose bytes matter: the preallocated reserve holds nothing, and a lease is what a process says of itself.
fn targets(project: &Project) -> Vec<PathBuf> {
    let matters = |path: &PathBuf| !name(project, path).starts_with("lease/") && name(project, path) != "reserve";
    project.store_files().into_iter().filter(matters).collect()
}

/// `audit verify` ends with exit code 6 and names one of the objects as what is wrong; one that ends with `/` stands for all below it.
/// What keeps the log or the keyring from being opened at all is named in the error's text.
#[track_caller]
fn detected(project: &Project, objects: &[&str], what: &str) {
    let ran = project.run(&["audit", "verify", "--output", "json"]);
    assert_eq!(ran.code, Some(6), "{what}: {ran:?}");
    let named: Vec<String> = match serde_json::from_str::<serde_json::Value>(&ran.out) {
        Ok(report) => {
            let failures = report["failures"].as_array().unwrap();
            failures.iter().map(|failure| failure["object"].as_str().unwrap().to_owned()).collect()
        }
        Err(_) => Vec::new(),
    };
    let fits = |object: &str| match named.as_slice() {
        [] => ran.err.contains(object),
        named => named.iter().any(|named| named == object || object.ends_with('/') && named.starts_with(object)),
    };
    assert!(objects.iter().any(|object| fits(object)), "{what}: none of {objects:?} is named: {ran:?}");
}

/// A store that has aged: loads, every key rotated, everything sealed again, and a load after that. With copies of it as it was on
/// the way.
fn aged() -> (Project, [PathBuf; 2]) {
    let project = loaded(Project::new());
    let older = [project.beside("first"), project.beside("second")];
    project.copy_store(&older[0]);
    grown(&project);
    project.copy_store(&older[1]);
    for dataset in ["quarantine:people", "system:journal", "system:private", "system:state"] {
        project.run(&["keys", "rotate", "--dataset", dataset]).ok();
    }
    project.run(&["keys", "reencrypt"]).ok();
    project.write("data/people3.csv", "id,name,age,secret\n9000,Name,1,s\n9001,Name,999,s\n");
    project.run(&["run"]).ok();
    (project, older)
}

/// Files that were replaced since a copy was made, with their bytes of then.
fn replaced(project: &Project, older: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let pairs = targets(project).into_iter().filter_map(|path| {
        let before = std::fs::read(older.join(name(project, &path))).ok()?;
        (before != std::fs::read(&path).unwrap()).then_some((path, before))
    });
    pairs.collect()
}

/// A directory of the store as a copy has it.
fn put_back(project: &Project, part: &str, from: &Path) {
    let _ = std::fs::remove_dir_all(project.store().join(part));
    copy(&from.join(part), &project.store().join(part));
}

/// What is done to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Attack {
    Flip,
    Cut,
    Swap,
    Rename,
    /// One file, as it was before it was replaced.
    OlderFile,
    /// A whole directory, as it was.
    OlderPart,
}

const ATTACKS: [Attack; 6] = [Attack::Flip, Attack::Cut, Attack::Swap, Attack::Rename, Attack::OlderFile, Attack::OlderPart];
const PARTS: [&str; 5] = ["tables", "journal", "keyring", "offsets", "quarantine"];

/// Which area of a store a path lies in; a table's log apart from its rows.
fn area(object: &str) -> String {
    let log = if object.contains("/_delta_log/") { " log" } else { "" };
    format!("{}{log}", object.split('/').next().unwrap())
}

#[test]
fn every_change_of_a_file_is_detected_and_named() {
    let (project, older) = aged();
    let now = project.beside("now");
    project.copy_store(&now);
    let files = targets(&project);
    let replaced: Vec<(PathBuf, Vec<u8>)> = older.iter().flat_map(|older| replaced(&project, older)).collect();
    for area in ["tables/", "quarantine/", "offsets/", "journal/", "private/"] {
        assert!(replaced.iter().any(|(path, _)| name(&project, path).starts_with(area)), "nothing of {area} was sealed again");
    }
    let mut by_area: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in &files {
        by_area.entry(area(&name(&project, file))).or_default().push(file.clone());
    }
    let by_area: Vec<Vec<PathBuf>> = by_area.into_values().collect();
    let mut done: BTreeMap<(Attack, String), u64> = BTreeMap::new();
    let all = seeds(90, 1_000);
    for seed in 0..all {
        let rng = SeededRng::new(seed);
        let attack = ATTACKS[(seed % 6) as usize];
        // Each area in its turn, and any file of it.
        let of_area = &by_area[(seed / 6) as usize % by_area.len()];
        let mut victim = of_area[rng.below(of_area.len() as u64) as usize].clone();
        let mut other = files[rng.below(files.len() as u64) as usize].clone();
        let (older_file, older_bytes) = &replaced[rng.below(replaced.len() as u64) as usize];
        if attack == Attack::OlderFile {
            victim.clone_from(older_file);
        }
        while attack == Attack::Swap && other == victim {
            other = files[rng.below(files.len() as u64) as usize].clone();
        }
        let object = name(&project, &victim);
        let bytes = std::fs::read(&victim).unwrap();
        let at = rng.below(bytes.len() as u64) as usize;
        let place = format!("seed {seed}: {attack:?} of {object} at {at}");
        let mut hit = area(&object);
        match attack {
            Attack::Flip => {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << rng.below(8);
                std::fs::write(&victim, changed).unwrap();
                detected(&project, &[&object], &place);
            }
            Attack::Cut => {
                std::fs::write(&victim, &bytes[..at]).unwrap();
                detected(&project, &[&object], &place);
            }
            Attack::Swap => {
                let theirs = std::fs::read(&other).unwrap();
                std::fs::write(&victim, &theirs).unwrap();
                std::fs::write(&other, &bytes).unwrap();
                detected(&project, &[&object, &name(&project, &other)], &place);
                std::fs::write(&other, theirs).unwrap();
            }
            Attack::Rename => {
                // It is missing under one name, and does not belong under the other.
                let renamed = victim.with_file_name("renamed");
                std::fs::rename(&victim, &renamed).unwrap();
                // Of the newest keyring the log knows the number, and names it by that.
                let newest = if hit == "keyring" { "the keyring was rolled back" } else { &object };
                detected(&project, &[&object, &name(&project, &renamed), newest], &place);
                std::fs::remove_file(renamed).unwrap();
            }
            Attack::OlderFile => {
                std::fs::write(&victim, older_bytes).unwrap();
                detected(&project, &[&object], &place);
            }
            Attack::OlderPart => {
                let part = PARTS[(seed / 6 % 5) as usize];
                put_back(&project, part, &older[rng.below(2) as usize]);
                // A log or keyring that knows less than a snapshot or an entry does is named as a whole.
                let below = format!("{part}/");
                let named: &[&str] = match part {
                    "journal" => &["open the audit log: it was rolled back"],
                    "keyring" => &["keyring"],
                    _ => &[&below],
                };
                detected(&project, named, &format!("{place}, {part}"));
                put_back(&project, part, &now);
                hit = part.to_owned();
            }
        }
        std::fs::write(&victim, bytes).unwrap();
        *done.entry((attack, hit)).or_default() += 1;
    }
    assert_eq!(done.values().sum::<u64>(), all);
    for area in ["tables", "tables log", "journal", "private", "keyring", "quarantine", "offsets"] {
        assert!(done.keys().any(|(_, hit)| hit == area), "nothing was done to {area}: {done:?}");
    }
    project.run(&["audit", "verify"]).ok();
}

/// An older state of a part of the store, put back: the rest of the store knows better.
#[test]
fn a_part_of_the_store_that_is_rolled_back_is_detected_and_named() {
    for part in ["tables", "journal", "keyring", "lease", "offsets"] {
        let project = loaded(Project::new());
        let older = project.beside("older");
        project.copy_store(&older);
        grown(&project);
        project.run(&["audit", "verify"]).ok();
        let rows = project.rows("select count(*) from people");
        put_back(&project, part, &older);
        let ran = project.run(&["audit", "verify"]);
        assert_eq!(ran.code, Some(6), "{part}: {ran:?}");
        // A log that knows less than its snapshot does is named as a whole, with the snapshot that says so.
        let named = if part == "journal" { "open the audit log: it was rolled back" } else { part };
        assert!(ran.err.contains(named), "{part}: {ran:?}");
        // Nobody goes on as if nothing had happened.
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, Some(6), "run after a rollback of {part}: {ran:?}");
        let asked = project.run(&["sql", "select count(*) from people", "--output", "csv"]);
        let right = asked.out.lines().skip(1).eq(rows.iter().map(String::as_str));
        assert!(asked.code == Some(6) || asked.code == Some(0) && right, "sql after a rollback of {part}: {asked:?}");
    }
}

/// A snapshot is a shortcut: without it, or with an older one, the log itself is read, and nothing is lost.
#[test]
fn an_older_snapshot_is_no_rollback() {
    let project = loaded(Project::new());
    let older = project.beside("older");
    project.copy_store(&older);
    grown(&project);
    let rows = project.rows("select * from people order by id");
    std::fs::remove_dir_all(project.store().join("state")).unwrap();
    copy(&older.join("state"), &project.store().join("state"));
    project.run(&["audit", "verify"]).ok();
    assert_eq!(project.rows("select * from people order by id"), rows);
    std::fs::remove_dir_all(project.store().join("state")).unwrap();
    project.run(&["audit", "verify"]).ok();
    assert_eq!(project.rows("select * from people order by id"), rows);
}

/// The newest object of each kind, taken away: what names it says so.
#[test]
fn the_newest_object_of_each_kind_cannot_be_removed_unseen() {
    let project = loaded(Project::new());
    grown(&project);
    let under = |area: &str, end: &str| -> Vec<PathBuf> {
        targets(&project)
            .into_iter()
            .filter(|path| name(&project, path).starts_with(area) && path.to_str().unwrap().ends_with(end))
            .collect()
    };
    let newest = |area: &str, end: &str| under(area, end).pop().unwrap();
    let mut removed = under("tables/", ".parquet");
    removed.extend(under("tables/", ".json"));
    removed.extend([newest("journal/", ""), newest("keyring/", ""), newest("offsets/", "")]);
    // Refused rows: of each load.
    assert_eq!(under("quarantine/", "").len(), 2);
    removed.extend(under("quarantine/", ""));
    for victim in removed {
        let bytes = std::fs::read(&victim).unwrap();
        std::fs::remove_file(&victim).unwrap();
        let object = name(&project, &victim);
        let area = object.split('/').next().unwrap();
        // A log or keyring that is shorter than it was is named as a whole.
        let named: &[&str] = match area {
            "journal" => &[&object, "the log", "open the audit log: it was rolled back"],
            "keyring" => &["keyring"],
            _ => &[&object],
        };
        detected(&project, named, &format!("{object} removed"));
        std::fs::write(victim, bytes).unwrap();
    }
    project.run(&["audit", "verify"]).ok();
}

/// Refused rows that are gone are missed by who would take them up again, too.
#[test]
fn a_replay_does_not_pass_over_refused_rows_that_are_gone() {
    let project = loaded(Project::new());
    let victim = targets(&project).into_iter().find(|path| name(&project, path).starts_with("quarantine/")).unwrap();
    std::fs::remove_file(&victim).unwrap();
    let object = name(&project, &victim);
    let err = project.run(&["quarantine", "replay", "people"]).fails(6);
    assert!(err.contains(&object), "{err}");
    detected(&project, &[&object], "replay");
    project.run(&["table", "drop", "people", "--yes"]).ok();
    project.run(&["audit", "verify"]).ok();
}

/// A file that is none of the store's is named, and the rest is verified all the same; nobody else stumbles over it.
#[test]
fn stray_files_are_named_and_hide_nothing() {
    let project = loaded(Project::new());
    let strays = ["keyring/notes.txt", "keyring/1", "lease/.nfs0001", "notes.txt", "tmp/plain.csv"];
    for stray in strays {
        std::fs::write(project.store().join(stray), "x").unwrap();
    }
    let victim = targets(&project).into_iter().find(|path| name(&project, path).ends_with(".parquet")).unwrap();
    let bytes = std::fs::read(&victim).unwrap();
    std::fs::write(&victim, &bytes[..bytes.len() - 1]).unwrap();
    let verified = project.run(&["audit", "verify", "--output", "json"]);
    assert_eq!(verified.code, Some(6), "{verified:?}");
    let verified: serde_json::Value = serde_json::from_str(&verified.out).unwrap();
    let named: Vec<&str> = verified["failures"].as_array().unwrap().iter().map(|failure| failure["object"].as_str().unwrap()).collect();
    let victim_name = name(&project, &victim);
    assert!(strays.iter().chain([&victim_name.as_str()]).all(|object| named.contains(object)), "{named:?}");
    std::fs::write(&victim, bytes).unwrap();
    project.run(&["keys", "rotate", "--table", "people"]).ok();
    project.run(&["sql", "select count(*) from people"]).ok();
    for stray in strays {
        // A writer sweeps what was left under tmp/.
        let _ = std::fs::remove_file(project.store().join(stray));
    }
    project.run(&["audit", "verify"]).ok();
}

/// However often a command is tried, a lease that was rolled back does not become right by itself.
#[test]
fn a_lease_that_was_rolled_back_stays_refused() {
    let project = loaded(Project::new());
    let older = project.beside("older");
    project.copy_store(&older);
    grown(&project);
    let newest = std::fs::read_dir(project.store().join("lease")).unwrap().map(|entry| entry.unwrap().file_name()).max().unwrap();
    std::fs::remove_dir_all(project.store().join("lease")).unwrap();
    copy(&older.join("lease"), &project.store().join("lease"));
    for _ in 0..8 {
        let err = project.run(&["sql", "select 1"]).fails(6);
        assert!(err.contains("lease/ was rolled back") && err.contains(newest.to_str().unwrap()), "{err}");
    }
    detected(&project, &["lease"], "lease");
    // What the text says to do, with a file that is old enough to be nobody's.
    let file = project.store().join("lease").join(newest);
    std::fs::write(&file, "").unwrap();
    let file = std::fs::File::options().append(true).open(file).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    project.run(&["sql", "select count(*) from people"]).ok();
    project.run(&["audit", "verify"]).ok();
}

/// An object that was sealed again, and its older copy put back: the same rows, under a key that may have leaked.
#[test]
fn an_older_copy_of_a_reencrypted_object_is_refused_and_named() {
    let project = loaded(Project::new());
    let older = project.beside("older");
    project.copy_store(&older);
    project.run(&["keys", "rotate", "--table", "people"]).ok();
    // Broken off: some objects are under the older key still, and that is no rollback.
    project.run(&["keys", "reencrypt", "--table", "people", "--kill-at", "reencrypt#2"]).killed();
    project.run(&["audit", "verify"]).ok();
    let rows = project.rows("select * from people order by id");
    project.run(&["keys", "reencrypt", "--table", "people"]).ok();
    assert_eq!(project.rows("select * from people order by id"), rows);
    project.run(&["audit", "verify"]).ok();
    for (victim, before) in replaced(&project, &older) {
        let bytes = std::fs::read(&victim).unwrap();
        std::fs::write(&victim, before).unwrap();
        let object = name(&project, &victim);
        if object.starts_with("tables/") {
            let err = project.run(&["sql", "select * from people order by id"]).fails(6);
            assert!(err.contains(&object), "{err}");
        }
        let err = project.run(&["audit", "verify"]).fails(6);
        assert!(err.contains(&format!("{object}: open {object}: it is sealed under version 1 of its key")), "{err}");
        std::fs::write(&victim, bytes).unwrap();
    }
    put_back(&project, "tables", &older);
    project.run(&["sql", "select count(*) from people"]).fails(6);
}

/// A query on changed files says so, and what it does not say is right.
#[test]
fn a_query_on_changed_files_never_answers_wrongly() {
    let project = loaded(Project::new());
    grown(&project);
    let query = "select count(*) as n, sum(id) as ids, sum(age) as ages, max(name) as last from people";
    let right = project.rows(query);
    let kept = project.beside("kept");
    project.copy_store(&kept);
    let files: Vec<PathBuf> = targets(&project).into_iter().filter(|path| name(&project, path).starts_with("tables/")).collect();
    let mut refused = 0;
    for seed in 0..seeds(12, 300) {
        let rng = SeededRng::new(7_000 + seed);
        let victim = &files[(seed % files.len() as u64) as usize];
        let object = name(&project, victim);
        let bytes = std::fs::read(victim).unwrap();
        let at = rng.below(bytes.len() as u64) as usize;
        let act = match rng.below(3) {
            0 => {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << rng.below(8);
                std::fs::write(victim, changed).unwrap();
                "flip"
            }
            1 => {
                std::fs::write(victim, &bytes[..at]).unwrap();
                "cut"
            }
            _ => {
                std::fs::remove_file(victim).unwrap();
                "removal"
            }
        };
        let asked = project.run(&["sql", query, "--output", "csv"]);
        if asked.code == Some(0) {
            // The change lies where this query reads nothing.
            assert_eq!(asked.out.lines().skip(1).collect::<Vec<_>>(), right, "seed {seed}: {object} at {at}");
        } else {
            let err = asked.fails(6);
            // The engine's reader keeps no cause for a footer that it cannot have; then the text leads to who names the object.
            if !err.contains(&object) {
                assert!(err.contains("see `polder audit verify`"), "seed {seed}: {act} of {object} at {at}: {err}");
                detected(&project, &[&object], &format!("seed {seed}: {act} of {object} at {at}"));
            }
            refused += 1;
        }
        project.restore_store(&kept);
    }
    assert!(refused >= seeds(6, 150), "{refused}");
}

/// All of the store at once, replaced by an older copy of itself.
#[test]
fn an_older_copy_of_the_whole_store_is_caught_by_the_anchor() {
    let project = loaded(Project::anchored());
    let older = project.beside("older");
    project.copy_store(&older);
    grown(&project);
    project.run(&["audit", "verify"]).ok();
    project.restore_store(&older);
    for args in [&["audit", "verify"][..], &["run"], &["sql", "select count(*) from people"], &["status"]] {
        let err = project.run(args).fails(6);
        assert!(err.contains("rolled back") && err.contains("anchor"), "{args:?}: {err}");
    }
    let doctor = project.run(&["doctor"]);
    assert_ne!(doctor.code, Some(0), "{doctor:?}");
    assert!(doctor.out.contains("rolled back"), "{doctor:?}");
    // Nor is it enough to take the anchor away.
    std::fs::remove_file(project.beside("anchor.checkpoint")).unwrap();
    let err = project.run(&["audit", "verify"]).fails(6);
    assert!(err.contains("anchor"), "{err}");
}

#[test]
fn without_an_anchor_it_says_what_cannot_be_detected() {
    let project = loaded(Project::new());
    let limit = "a rollback of the whole installation";
    for args in [&["audit", "verify"][..], &["status"], &["doctor"]] {
        let ran = project.run(args);
        assert!(ran.out.contains(limit), "{args:?}: {ran:?}");
    }
    let older = project.beside("older");
    project.copy_store(&older);
    grown(&project);
    project.restore_store(&older);
    let ran = project.run(&["audit", "verify"]);
    assert_eq!(ran.code, Some(0), "what cannot be detected is not claimed to be: {ran:?}");
    assert!(ran.out.contains(limit), "{ran:?}");
    let anchored = loaded(Project::anchored());
    assert!(!anchored.run(&["status"]).ok().contains(limit));
}

fn integrity(project: &Project) -> (u64, bool) {
    let failures = project.json(&["status"])["integrity_failures"].as_u64().unwrap();
    let doctor = project.run(&["doctor"]).out;
    let line = doctor.lines().find(|line| line.contains("integrity")).unwrap();
    (failures, line.starts_with("ok"))
}

/// Damage that a question or a verification met is told until everything was verified again.
#[test]
fn damage_is_recorded_until_all_is_verified_again() {
    let project = loaded(Project::new());
    assert_eq!(integrity(&project), (0, true));
    let victim = targets(&project).into_iter().find(|path| name(&project, path).ends_with(".parquet")).unwrap();
    let (object, bytes) = (name(&project, &victim), std::fs::read(&victim).unwrap());
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    std::fs::write(&victim, &flipped).unwrap();
    project.run(&["sql", "select max(name), sum(age) from people"]).fails(6);
    assert_eq!(integrity(&project), (1, false), "a question met it");
    assert!(project.run(&["audit", "show", "--type", "integrity_failed"]).ok().contains(&object));
    std::fs::write(&victim, &bytes).unwrap();
    // A verification that nobody asked to record changes nothing.
    let files = project.store_files();
    project.run(&["audit", "verify"]).ok();
    assert_eq!(project.store_files(), files);
    assert_eq!(integrity(&project), (1, false));
    project.run(&["audit", "verify", "--record"]).ok();
    assert_eq!(integrity(&project), (0, true), "all was verified");

    let offsets = targets(&project).into_iter().find(|path| name(&project, path).starts_with("offsets/")).unwrap();
    let bytes = std::fs::read(&offsets).unwrap();
    std::fs::write(&offsets, &bytes[1..]).unwrap();
    std::fs::write(project.store().join("Ann Smith.txt"), "x").unwrap();
    project.run(&["audit", "verify", "--record"]).fails(6);
    assert_eq!(integrity(&project), (2, false));
    let shown = project.run(&["audit", "show", "--type", "integrity_failed"]).ok();
    assert!(shown.contains(&name(&project, &offsets)) && !shown.contains("Ann Smith"), "{shown}");
    // Found again, it is no news.
    project.run(&["audit", "verify", "--record"]).fails(6);
    assert_eq!(integrity(&project), (2, false));
}

/// Whoever only looks at a store leaves it as it is, what a dead process left among it.
#[test]
fn looking_changes_nothing() {
    let project = loaded(Project::new());
    let left = project.store().join("tmp").join("f".repeat(32));
    std::fs::write(&left, "left over").unwrap();
    for args in [&["audit", "verify"][..], &["status"], &["doctor"], &["audit", "proof", "1"]] {
        project.run(args);
        assert!(left.exists(), "{args:?}");
    }
    project.run(&["sql", "select 1"]).ok();
    assert!(!left.exists(), "a writer clears it away");
}
