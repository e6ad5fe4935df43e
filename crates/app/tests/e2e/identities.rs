//! Accounts, groups and tokens: who manages them, what is kept of them, and what becomes of it when something goes wrong.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use polder_app::search::Search;
use serde_json::{Value, json};

use crate::harness::{Project, Ran, ran};

const PASSWORD: &str = "Zwanenburgwal four words";

/// A file that nobody else may read.
fn file(project: &Project, password: &str) -> String {
    let path = project.beside("password");
    std::fs::write(&path, format!("{password}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn add(project: &Project, name: &str) -> Ran {
    let file = file(project, PASSWORD);
    project.run(&["user", "add", name, "--password-file", &file])
}

fn token(project: &Project, name: &str) -> String {
    project.run(&["token", "create", name]).ok().trim_end().to_owned()
}

#[track_caller]
fn names(project: &Project, noun: &str) -> Vec<String> {
    let listed = project.json(&[noun, "list"]);
    listed.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

/// What the log says of the accounts: change and phase, oldest first.
fn changes(project: &Project) -> Vec<(String, String)> {
    let shown = project.json(&["audit", "show", "--type", "identity_changed", "--limit", "1000"]);
    let word = |entry: &Value, key: &str| entry["details"][key].as_str().unwrap().to_owned();
    shown.as_array().unwrap().iter().map(|entry| (word(entry, "change"), word(entry, "phase"))).collect()
}

/// The sealed versions of the register, oldest first.
fn versions(project: &Project) -> Vec<PathBuf> {
    project.store_files().into_iter().filter(|path| path.strip_prefix(project.store()).unwrap().starts_with("identities")).collect()
}

#[test]
fn accounts_are_added_shown_disabled_and_removed() {
    let project = Project::new();
    assert_eq!(project.json(&["user", "list"]), json!([]));
    assert_eq!(versions(&project), [] as [PathBuf; 0], "what is only looked at makes nothing");
    project.run(&["group", "add", "analysts"]).ok();
    project.run(&["group", "add", "auditors"]).ok();
    let password = file(&project, PASSWORD);
    project.run(&["user", "add", "ann", "--group", "analysts", "--group", "auditors", "--password-file", &password]).ok();
    // The other way a password comes without a terminal.
    let mut command = project.command(&["user", "add", "bob", "--password-stdin"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    ran(child.wait_with_output().unwrap()).ok();
    project.run(&["service", "add", "etl"]).ok();
    project.run(&["group", "join", "analysts", "etl"]).ok();
    project.run(&["group", "leave", "auditors", "ann"]).ok();
    assert_eq!((names(&project, "user"), names(&project, "service")), (vec!["ann".to_owned(), "bob".to_owned()], vec!["etl".to_owned()]));
    let groups = project.json(&["group", "list"]);
    assert_eq!((&groups[0]["members"], &groups[1]["members"]), (&json!(["ann", "etl"]), &json!([])));

    let ann = |what: &str| project.json(&["user", "show", "ann"])[what].clone();
    assert_eq!((ann("state"), ann("groups"), ann("sessions_ended")), (json!("enabled"), json!(["analysts"]), Value::Null));
    project.run(&["user", "disable", "ann"]).ok();
    assert_eq!(ann("state"), json!("disabled"));
    assert!(ann("sessions_ended").is_string());
    project.run(&["user", "enable", "ann"]).ok();
    assert_eq!(ann("state"), json!("enabled"));
    project.run(&["user", "password", "ann", "--password-file", &file(&project, "another four words")]).ok();
    project.run(&["user", "revoke", "ann"]).ok();
    project.run(&["user", "remove", "ann"]).ok();
    project.run(&["group", "remove", "analysts"]).ok();
    assert_eq!(names(&project, "user"), ["bob"]);
    assert!(project.run(&["service", "show", "etl"]).ok().contains("enabled"));

    let expected = [
        "group_added",
        "group_added",
        "account_added",
        "account_added",
        "account_added",
        "member_added",
        "member_removed",
        "account_disabled",
        "account_enabled",
        "password_set",
        "sessions_revoked",
        "account_removed",
        "group_removed",
    ];
    let recorded = changes(&project);
    let each: Vec<(String, String)> =
        expected.iter().flat_map(|change| ["intent", "outcome"].map(|phase| ((*change).to_owned(), phase.to_owned()))).collect();
    assert_eq!(recorded, each);
    // Whom it was about, who may read the log can see.
    let shown = project.json(&["audit", "show", "--type", "identity_changed"]);
    assert!(shown.as_array().unwrap().iter().any(|entry| entry["private"]["account"] == "ann"), "{shown}");
    // The newest version, and the one before it.
    assert_eq!(versions(&project).len(), 2);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_token_is_printed_once_and_never_again() {
    let project = Project::new();
    project.run(&["service", "add", "etl"]).ok();
    let made = project.run(&["token", "create", "etl", "--days", "7", "--wire", "rest", "--wire", "flight", "--note", "nightly load"]);
    assert!(made.err.contains("shown this once"), "{made:?}");
    let out = made.ok();
    let text = out.trim_end().to_owned();
    assert!(out.lines().count() == 1 && text.starts_with("polder_") && text.len() == 54, "{out}");
    let (id, secret) = (text[7..15].to_owned(), text[16..].to_owned());
    let listed = project.json(&["token", "list", "etl"]);
    let row = &listed[0];
    assert_eq!((&row["id"], &row["owner"], &row["state"]), (&json!(id), &json!("etl"), &json!("valid")));
    assert_eq!((&row["wires"], &row["note"]), (&json!(["flight", "rest"]), &json!("nightly load")));
    let as_json = project.json(&["token", "create", "etl"]);
    let second = as_json["token"].as_str().unwrap().to_owned();
    assert_ne!(second, text);

    project.run(&["token", "revoke", &id]).ok();
    let listed = project.json(&["token", "list"]);
    let state = |id: &str| listed.as_array().unwrap().iter().find(|row| row["id"] == id).unwrap()["state"].clone();
    assert_eq!((state(&id), state(&second[7..15])), (json!("revoked"), json!("valid")));
    let whole = project.run(&["token", "revoke", &second]).fails(2);
    assert!(whole.contains("that is a whole token") && !whole.contains(&second[16..]), "{whole}");

    for args in [
        &["token", "list"][..],
        &["token", "list", "--output", "json"],
        &["service", "show", "etl", "--output", "json"],
        &["audit", "show", "--limit", "1000"],
        &["audit", "show", "--limit", "1000", "--output", "json"],
        &["-vv", "token", "list"],
    ] {
        let ran = project.run(args);
        for secret in [&secret[..32], &second[16..48]] {
            assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{args:?}");
        }
        ran.ok();
    }
}

/// Runs a command on a terminal: at each mark that shows, a line is typed. Returns what was on the screen, and whether it succeeded.
fn on_a_terminal(project: &Project, command: &str, typed: &[(&str, &str)]) -> (String, bool) {
    // `script` gives it one.
    let mut shell = Command::new("script")
        .args(["-qec", command, "/dev/null"])
        .current_dir(project.dir())
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("start `script`, which gives a terminal (package bsdutils): {error}"));
    let (mut keys, mut screen) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
    let (mut seen, mut from) = (String::new(), 0);
    for (mark, line) in typed {
        let mut bytes = [0u8; 4096];
        while !seen[from..].contains(mark) {
            let read = screen.read(&mut bytes).unwrap();
            assert_ne!(read, 0, "it ended before it said {mark}:\n{seen}");
            seen += &String::from_utf8_lossy(&bytes[..read]);
        }
        from += seen[from..].find(mark).unwrap() + mark.len();
        writeln!(keys, "{line}").unwrap();
    }
    screen.read_to_string(&mut seen).unwrap();
    (seen, shell.wait().unwrap().success())
}

#[test]
fn a_terminal_asks_twice_and_does_not_show_the_password() {
    let project = Project::new();
    let add = format!("{} user add ann", env!("CARGO_BIN_EXE_polder"));
    let (asks, again) = ("password of ann: ", "the same again: ");
    let (seen, done) = on_a_terminal(&project, &add, &[(asks, PASSWORD), (again, "Zwanenburgwal five words")]);
    assert!(!done && seen.contains("the two differ") && !seen.contains("Zwanenburgwal"), "{seen}");
    assert_eq!(names(&project, "user"), [] as [String; 0]);
    let (seen, done) = on_a_terminal(&project, &add, &[(asks, PASSWORD), (again, PASSWORD)]);
    assert!(done && seen.contains("added user ann") && !seen.contains("Zwanenburgwal"), "{seen}");
    assert_eq!(names(&project, "user"), ["ann"]);
    // The control: what is typed elsewhere is seen, also after a password was asked for.
    let after = format!("{} user add bob; echo name:; head -n 1 > typed", env!("CARGO_BIN_EXE_polder"));
    let (seen, _) = on_a_terminal(&project, &after, &[("password of bob: ", PASSWORD), (again, PASSWORD), ("name:", "Keizersgracht")]);
    assert!(seen.contains("Keizersgracht") && !seen.contains("Zwanenburgwal"), "{seen}");
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let project = Project::new();
    project.run(&["group", "add", "analysts"]).ok();
    add(&project, "ann").ok();
    project.run(&["service", "add", "etl"]).ok();
    let recorded = changes(&project);
    for (password, says) in [
        ("eleven char", "fewer than 12 characters"),
        ("password1234", "one of the first that an attacker tries"),
        ("marianne-1234", "little more than the account's name"),
        ("", "fewer than 12 characters"),
    ] {
        let refused = project.run(&["user", "add", "marianne", "--password-file", &file(&project, password)]).fails(2);
        assert!(refused.contains(says) && (password.is_empty() || !refused.contains(password)), "{refused}");
    }
    let password = file(&project, PASSWORD);
    let tries: [(&[&str], i32, &str); 12] = [
        (
            &["user", "add", "bob", "--group", "analist", "--password-file", &password],
            2,
            "there is no group analist; see `polder group list`, or add it with `polder group add analist`; did you mean analysts?",
        ),
        (&["user", "add", "Bob", "--password-file", &password], 2, "a name is lower-case letters"),
        (&["user", "add", "etl", "--password-file", &password], 2, "there is service etl already"),
        (&["user", "disable", "an"], 2, "there is no user an; see `polder user list`; did you mean ann?"),
        (&["user", "disable", "etl"], 2, "etl is a service, and no user; say `polder service` instead"),
        (&["user", "enable", "ann"], 2, "ann is enabled already"),
        (&["user", "show", "anna"], 2, "there is no user anna; did you mean ann?"),
        (&["group", "join", "analysts", "anne"], 2, "there is no user or service anne"),
        (&["group", "add", "analysts"], 2, "it is there already"),
        (&["token", "create", "etls"], 2, "did you mean etl?"),
        (&["token", "revoke", "abcdefgh"], 2, "there is no token abcdefgh"),
        (&["user", "add", "bob"], 2, "standard input is no terminal"),
    ];
    for (args, code, says) in tries {
        let refused = project.run(args).fails(code);
        assert!(refused.contains(says), "{args:?}: {refused}");
    }
    // What the command line does not take at all.
    for args in [&["token", "create", "etl", "--days", "366"][..], &["token", "create", "etl", "--wire", "postgresql"]] {
        project.run(args).fails(2);
    }
    std::fs::set_permissions(project.beside("password"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let refused = project.run(&["user", "add", "bob", "--password-file", &password]).fails(2);
    assert!(refused.contains("its mode is 640, so others may read it"), "{refused}");
    assert_eq!(changes(&project), recorded, "nothing was begun");
    // The control.
    add(&project, "bob").ok();
}

#[test]
fn who_may_not_manage_accounts_does_not_and_it_is_recorded() {
    let project = Project::new();
    project.run(&["service", "add", "etl"]).ok();
    let owners = std::fs::read_to_string(project.dir().join("policies/owners.cedar")).unwrap();
    let password = file(&project, PASSWORD);
    let commands: [&[&str]; 8] = [
        &["user", "list"],
        &["user", "show", "etl"],
        &["user", "add", "ann", "--password-file", &password],
        &["service", "remove", "etl"],
        &["group", "add", "analysts"],
        &["group", "list"],
        &["token", "create", "etl"],
        &["token", "list"],
    ];
    // An auditor, who reads the log and manages nobody.
    project.write(
        "policies/owners.cedar",
        "@id(\"auditors\") permit (principal in Group::\"owners\", action == Action::\"Audit\", resource);\n",
    );
    for command in commands {
        let ran = project.run(command);
        assert!(!ran.out.contains("etl") && !ran.out.contains("polder_"), "{command:?}: {ran:?}");
        let refused = ran.fails(7);
        assert!(refused.contains("ManageIdentities: no policy permits it"), "{refused}");
    }
    let shown = project.json(&["audit", "show", "--type", "refused", "--limit", "100"]);
    let refused: Vec<&str> = shown.as_array().unwrap().iter().map(|entry| entry["details"]["action"].as_str().unwrap()).collect();
    assert_eq!(refused, ["ManageIdentities"; 8]);
    assert_eq!(changes(&project).len(), 2, "nothing else was begun");
    // The control.
    project.write("policies/owners.cedar", owners);
    for command in [commands[0], commands[2], commands[3]] {
        project.run(command).ok();
    }
}

#[test]
fn a_change_that_was_killed_counts_from_its_outcome_on() {
    let project = Project::new();
    project.run(&["service", "add", "etl"]).ok();
    for (point, counts) in [("identities-intent", false), ("identities-written", false), ("identities-outcome", true)] {
        let name = point.replace("identities-", "s-");
        project.run(&["service", "add", &name, "--kill-at", point]).killed();
        assert_eq!(names(&project, "service").contains(&name), counts, "{point}");
        project.run(&["audit", "verify"]).ok();
        // The next change goes on from what counts, also where the killed one had written its version.
        project.run(&["token", "create", "etl"]).ok();
        assert_eq!(names(&project, "service").contains(&name), counts, "{point}");
        if !counts {
            project.run(&["service", "add", &name]).ok();
        }
        assert!(versions(&project).len() <= 2, "{point}");
    }
    assert_eq!(names(&project, "service"), ["etl", "s-intent", "s-outcome", "s-written"]);
    let aborted = changes(&project).into_iter().filter(|(_, phase)| phase == "aborted").count();
    assert_eq!(aborted, 2);
    let intents = changes(&project).into_iter().filter(|(_, phase)| phase == "intent").count();
    let ended = changes(&project).into_iter().filter(|(_, phase)| phase != "intent").count();
    assert_eq!(intents, ended, "each intent has its end");
}

/// Every command that needs the register refuses it, and the verification names its object.
#[track_caller]
fn detected(project: &Project, object: &Path, says: &str) {
    let object = object.strip_prefix(project.store()).unwrap().display().to_string();
    for args in [&["user", "list"][..], &["token", "create", "etl"]] {
        let refused = project.run(args).fails(6);
        assert!(refused.contains(says), "{args:?}: {refused}");
    }
    let verified = project.run(&["audit", "verify", "--output", "json"]);
    let out = verified.out.clone();
    verified.fails(6);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert!(report["failures"].as_array().unwrap().iter().any(|failure| failure["object"] == object.as_str()), "{object}: {report}");
}

#[test]
fn a_register_that_was_changed_removed_or_rolled_back_is_refused_and_named() {
    let project = Project::new();
    project.run(&["service", "add", "etl"]).ok();
    let first = versions(&project).pop().unwrap();
    let first_bytes = std::fs::read(&first).unwrap();
    // A version that was written and never counted: sealed as it should be, under the path of the one that comes next.
    project.run(&["service", "add", "intruder", "--kill-at", "identities-written"]).killed();
    let newest = versions(&project).pop().unwrap();
    let aborted = std::fs::read(&newest).unwrap();
    project.run(&["user", "list"]).ok();
    project.run(&["service", "disable", "etl"]).ok();
    assert_eq!(versions(&project).pop().unwrap(), newest);
    let right = std::fs::read(&newest).unwrap();

    std::fs::write(&newest, &aborted).unwrap();
    detected(&project, &newest, "is not the one that entry");
    std::fs::write(&newest, &first_bytes).unwrap();
    detected(&project, &newest, "identities/");
    let mut flipped = right.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    std::fs::write(&newest, &flipped).unwrap();
    detected(&project, &newest, "identities/");
    std::fs::remove_file(&newest).unwrap();
    detected(&project, &newest, "is gone, which entry");
    // The control.
    std::fs::write(&newest, &right).unwrap();
    std::fs::set_permissions(&newest, std::fs::Permissions::from_mode(0o600)).unwrap();
    project.run(&["audit", "verify"]).ok();
    assert_eq!(project.json(&["service", "show", "etl"])["state"], "disabled");
}

#[test]
fn nothing_of_an_account_lies_in_the_clear() {
    let project = Project::new();
    let names = ["keizersgracht-user", "prinsengracht-service", "herengracht-group"];
    project.run(&["group", "add", names[2]]).ok();
    project.run(&["user", "add", names[0], "--group", names[2], "--password-file", &file(&project, PASSWORD)]).ok();
    std::fs::remove_file(project.beside("password")).unwrap();
    project.run(&["service", "add", names[1]]).ok();
    let token = token(&project, names[1]);
    project.run(&["user", "list"]).ok();
    let export = project.beside("export");
    project.run(&["audit", "export", "--to", export.to_str().unwrap()]).ok();

    let search = Search::new(&[names[0], names[1], names[2], PASSWORD, &token[16..48], &token]).unwrap();
    let stored = search.directory(&project.store()).unwrap();
    assert!(stored.files > 5);
    assert_eq!(stored.findings, []);
    assert_eq!(search.directory(&export).unwrap().findings, []);
    assert_eq!(search.directory(&project.dir()).unwrap().findings, []);
    // The control: the same search finds them in a plain file.
    let plain = project.beside("plain");
    std::fs::create_dir(&plain).unwrap();
    std::fs::write(plain.join("accounts"), format!("{} {PASSWORD} {token}", names.join(" "))).unwrap();
    assert!(search.directory(&plain).unwrap().findings.len() >= 6);
}

/// An account may be named as the log names no other thing: equal names have equal ids, and the id does not tell the name.
#[test]
fn the_log_names_an_account_by_an_id() {
    let project = Project::new();
    project.run(&["service", "add", "etl"]).ok();
    project.run(&["service", "disable", "etl"]).ok();
    project.run(&["group", "add", "etl"]).ok();
    project.run(&["service", "add", "other"]).ok();
    let shown = project.json(&["audit", "show", "--type", "identity_changed"]);
    let subjects: Vec<String> =
        shown.as_array().unwrap().iter().map(|entry| entry["details"]["subject"].as_str().unwrap().to_owned()).collect();
    assert_eq!(subjects.len(), 8);
    assert!(subjects[..4].iter().all(|subject| *subject == subjects[0]));
    assert!(subjects[4] != subjects[0] && subjects[6] != subjects[0] && subjects[4] != subjects[6]);
}
