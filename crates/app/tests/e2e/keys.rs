//! Keys, through the program: rotation, reencryption, recovery, destruction by two persons, and the judge from outside.

use std::process::Command;

use crate::harness::Project;

fn loaded() -> Project {
    let project = Project::new();
    project.people(&(0..500).map(|i| format!("{i},Name{i},{},s\n", i % 90)).collect::<String>());
    project.run(&["run"]).ok();
    project
}

fn sealed_data(project: &Project) -> String {
    let store = project.store();
    let files = project.store_files();
    let data = files.iter().find(|path| path.extension().is_some_and(|extension| extension == "parquet")).unwrap();
    data.strip_prefix(store).unwrap().display().to_string()
}

#[test]
fn every_key_is_rotated_and_every_object_sealed_again() {
    let project = loaded();
    let before = project.rows("select * from people order by id");
    project.run(&["keys", "rotate", "--table", "people"]).ok();
    project.run(&["keys", "reencrypt", "--table", "people"]).ok();
    let new_key = project.beside("new.key");
    project.run(&["keys", "rotate", "--new-key-file", new_key.to_str().unwrap()]).ok();
    project.run(&["table", "list"]).fails(7);
    let settings = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
    let old = project.key_file().display().to_string();
    project.write("polder.yaml", settings.replace(&format!("path: \"{old}\""), &format!("path: \"{}\"", new_key.display())));
    assert_eq!(project.rows("select * from people order by id"), before);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn the_root_key_is_recovered_from_shares_alone() {
    let project = loaded();
    let before = project.rows("select * from people order by id");
    let kit = project.beside("kit");
    let kit_dir = kit.to_str().unwrap();
    project.run(&["keys", "kit", "--to", kit_dir, "--shares", "3", "--threshold", "2"]).ok();
    let mut shares: Vec<String> = std::fs::read_dir(&kit).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect();
    shares.sort();
    project.run(&["keys", "recover", &shares[0], &shares[2], "--test"]).ok();
    std::fs::remove_file(project.key_file()).unwrap();
    project.run(&["table", "list"]).fails(4);
    let key = project.key_file().display().to_string();
    project.run(&["keys", "recover", &shares[1], "--key-file", &key]).fails(2);
    assert!(!project.key_file().exists());
    project.run(&["keys", "recover", &shares[1], &shares[2], "--key-file", &key]).ok();
    let shown = project.run(&["audit", "show", "--type", "keys_changed", "--output", "json"]).ok();
    assert!(shown.contains("root_recovered"), "{shown}");
    assert_eq!(project.rows("select * from people order by id"), before);
}

#[test]
fn a_key_is_destroyed_by_two_persons_and_not_by_fewer() {
    let project = loaded();
    project.run(&["keys", "rotate", "--table", "people"]).ok();
    let file = |name: &str| project.beside(&format!("{name}.approver.key")).display().to_string();
    let mut settings = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
    for name in ["ann", "bea"] {
        let out = project.run(&["keys", "approver", name, "--to", &file(name)]).ok();
        let vkey = out.lines().find_map(|line| line.trim().strip_prefix("- ")).unwrap();
        settings = settings.replacen("    approvers:\n", &format!("    approvers:\n      - {vkey}\n"), 1);
    }
    project.write("polder.yaml", settings);
    let destroy = ["keys", "destroy", "--table", "people", "--key-version", "1"];
    let request = project.run(&destroy).ok();
    let request = request.lines().find_map(|line| line.strip_prefix("request")).unwrap().trim();
    assert_eq!(project.rows("select count(*) from people"), ["500"]);
    let approve = |name: &str| project.run(&["keys", "approve", request, "--key", &file(name)]).ok().trim().to_owned();
    let (ann, bea) = (approve("ann"), approve("bea"));
    for approvals in [vec![&ann], vec![&ann, &ann]] {
        let args: Vec<&str> = destroy.into_iter().chain(approvals.iter().flat_map(|one| ["--approval", one.as_str()])).collect();
        project.run(&args).fails(7);
    }
    assert_eq!(project.rows("select count(*) from people"), ["500"]);
    let args: Vec<&str> = destroy.into_iter().chain(["--approval", &ann, "--approval", &bea]).collect();
    let out = project.run(&args).ok();
    assert!(out.contains("pending"), "a recovery kit and the root open older keyrings: {out}");
    let err = project.run(&["sql", "select count(*) from people"]);
    assert_ne!(err.code, Some(0), "what was shredded is still read: {err:?}");
}

#[test]
fn tink_opens_a_sealed_table_file_and_refuses_it_after_any_change() {
    let project = loaded();
    let object = sealed_data(&project);
    let revealed = project.run(&["keys", "reveal-object-key", &object, "--yes"]).ok();
    let revealed: serde_json::Value = serde_json::from_str(&revealed).unwrap();
    let python = std::env::var("POLDER_JUDGE_TINK_PYTHON").expect("the judge's Python; `cargo xtask test` prepares it");
    let good = std::fs::read(project.store().join(&object)).unwrap();
    let judge = |bytes: &[u8]| {
        std::fs::write(project.beside("object"), bytes).unwrap();
        let mut command = Command::new(&python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../crypto/tests/judge_tink.py")).arg(project.beside("object"));
        command.args(["object_key", "context"].map(|part| revealed[part].as_str().unwrap())).output().unwrap()
    };
    let opened = judge(&good);
    assert_eq!(opened.status.code(), Some(0), "{}", String::from_utf8_lossy(&opened.stderr));
    let places = [128usize, 140, 165, good.len() / 2, good.len() - 1];
    for place in places {
        let mut changed = good.clone();
        changed[place] ^= 4;
        assert_eq!(judge(&changed).status.code(), Some(1), "changed at {place}");
    }
    assert_eq!(judge(&good[..good.len() - 1]).status.code(), Some(1));
    let shown = project.run(&["audit", "show", "--type", "keys_changed", "--output", "json"]).ok();
    assert!(shown.contains("object_key_revealed"), "{shown}");
}
