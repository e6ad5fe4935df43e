//! Someone changes the store's files: flips, cuts, swaps, renames, rolls back. It is detected, and the object is named.

use std::path::PathBuf;

use polder_types::SeededRng;

use crate::harness::{Project, seeds};

fn loaded() -> Project {
    let project = Project::new();
    project.people(&(0..3_000).map(|i| format!("{i},Name{i},{},s\n", i % 160)).collect::<String>().replace(",150,", ",15,"));
    project.run(&["run"]).ok();
    project.run(&["sql", "select count(*) from people"]).ok();
    project
}

/// Files whose bytes matter: the preallocated reserve holds nothing.
fn targets(project: &Project) -> Vec<PathBuf> {
    project.store_files().into_iter().filter(|p| !p.ends_with("reserve") && !p.components().any(|c| c.as_os_str() == "lease")).collect()
}

#[test]
fn every_change_of_a_file_is_detected_and_named() {
    let project = loaded();
    let kept = project.beside("kept");
    project.copy_store(&kept);
    for seed in 0..seeds(60, 1_000) {
        let rng = SeededRng::new(seed);
        let files = targets(&project);
        let victim = &files[rng.below(files.len() as u64) as usize];
        let bytes = std::fs::read(victim).unwrap();
        let at = rng.below(bytes.len() as u64) as usize;
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
                let other = &files[rng.below(files.len() as u64) as usize];
                if other == victim || std::fs::read(other).unwrap() == bytes {
                    continue;
                }
                std::fs::write(victim, std::fs::read(other).unwrap()).unwrap();
                "swap"
            }
            _ => {
                std::fs::rename(victim, victim.with_file_name("renamed")).unwrap();
                "rename"
            }
        };
        // A renamed object is missing under one name and does not belong under the other.
        let renamed = victim.with_file_name("renamed");
        let renamed = renamed.strip_prefix(project.store()).unwrap().display().to_string();
        let name = victim.strip_prefix(project.store()).unwrap().display().to_string();
        let ran = project.run(&["audit", "verify"]);
        assert_eq!(ran.code, Some(6), "seed {seed}: {act} of {name} at {at}: {ran:?}");
        let named = |text: &str| text.contains(&name) || act == "rename" && text.contains(&renamed);
        assert!(named(&ran.err) || named(&ran.out), "seed {seed}: {act} of {name}: {ran:?}");
        project.restore_store(&kept);
    }
    project.run(&["audit", "verify"]).ok();
}
