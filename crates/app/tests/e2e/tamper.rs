//! Someone changes the store's files: flips, cuts, swaps, renames, removes, rolls back. It is detected, and the object is named.

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

/// `audit verify` ends with exit code 6 and names one of the objects.
#[track_caller]
fn detected(project: &Project, objects: &[&str], what: &str) {
    let ran = project.run(&["audit", "verify"]);
    assert_eq!(ran.code, Some(6), "{what}: {ran:?}");
    assert!(objects.iter().any(|object| ran.err.contains(object)), "{what}: none of {objects:?} is named: {ran:?}");
}

#[test]
fn every_change_of_a_file_is_detected_and_named() {
    let project = loaded(Project::new());
    grown(&project);
    let files = targets(&project);
    let mut changes = 0;
    for seed in 0..seeds(60, 1_000) {
        let rng = SeededRng::new(seed);
        let victim = &files[rng.below(files.len() as u64) as usize];
        let object = name(&project, victim);
        let bytes = std::fs::read(victim).unwrap();
        let at = rng.below(bytes.len() as u64) as usize;
        let renamed = victim.with_file_name("renamed");
        let mut objects = vec![object.clone()];
        let act = match rng.below(4) {
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
            2 => {
                let other = std::fs::read(&files[rng.below(files.len() as u64) as usize]).unwrap();
                if other == bytes {
                    continue;
                }
                std::fs::write(victim, other).unwrap();
                "swap"
            }
            _ => {
                std::fs::rename(victim, &renamed).unwrap();
                // It is missing under one name, and does not belong under the other.
                objects.push(name(&project, &renamed));
                "rename"
            }
        };
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        detected(&project, &objects, &format!("seed {seed}: {act} of {object} at {at}"));
        changes += 1;
        std::fs::write(victim, bytes).unwrap();
        let _ = std::fs::remove_file(renamed);
    }
    assert!(changes > 50, "{changes}");
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
        std::fs::remove_dir_all(project.store().join(part)).unwrap();
        copy(&older.join(part), &project.store().join(part));
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
        // A log or keyring that is shorter than it was is named by what is missing from it.
        let named = if matches!(area, "journal" | "keyring") { area } else { &object };
        detected(&project, &[named, "log"], &format!("{object} removed"));
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

/// An object that was sealed again, and its older copy put back: the same rows under a key that may be withdrawn.
#[test]
fn an_older_copy_of_a_reencrypted_object_reads_the_same_or_is_refused() {
    let project = loaded(Project::new());
    let rows = project.rows("select * from people order by id");
    let older = project.beside("older");
    project.copy_store(&older);
    project.run(&["keys", "rotate", "--table", "people"]).ok();
    project.run(&["keys", "reencrypt", "--table", "people"]).ok();
    copy(&older.join("tables"), &project.store().join("tables"));
    let asked = project.run(&["sql", "select * from people order by id", "--output", "csv"]);
    match asked.code {
        Some(0) => assert_eq!(asked.out.lines().skip(1).collect::<Vec<_>>(), rows),
        _ => assert!(asked.fails(6).contains("tables/")),
    }
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
