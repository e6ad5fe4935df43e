//! What is printed for people steers no terminal and forges no line, however hostile the names and values are; and who stops
//! reading ends the program quietly.

use std::process::{Command, Stdio};

use polder_types::printable::steers;

use crate::harness::{PEOPLE_CONTRACT, Project, ran};

/// Sets the window's title, turns the line round, begins a line of its own, clears the screen with one character.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{202e}x\nforged  row\u{9b}2J";

#[track_caller]
fn harmless(what: &str, text: &str) {
    assert!(!text.chars().any(|c| c != '\n' && steers(c)), "{what}: {text:?}");
    assert!(!text.lines().any(|line| line.trim_start().starts_with("forged")), "{what}: {text}");
}

/// Column names, values and a file's name that hold it.
fn hostile(violation: &str) -> Project {
    let project = Project::new();
    project.people("");
    std::fs::remove_file(project.dir().join("data/people.csv")).unwrap();
    project
        .write(&format!("data/people-{HOSTILE}.csv"), format!("id,name,age,\"{HOSTILE}\"\n1,\"{HOSTILE}\",41,s\n2,\"{HOSTILE}\",999,s\n"));
    let contract = PEOPLE_CONTRACT.replace("value: quarantine", &format!("value: {violation}")).replace(
        "value: [person_name]}]",
        "value: [person_name]}, {property: polder.waive, value: [{kind: control, reason: printed by this test, approver: Ann}, {kind: bidi, reason: printed by this test, approver: Ann}]}]",
    );
    project.write("contracts/people.odcs.yaml", contract);
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    project
}

#[test]
fn no_name_value_or_path_steers_a_terminal_or_forges_a_line() {
    let project = hostile("quarantine");
    for (args, shows) in [
        (&["source", "check", "files"][..], "\\u{1b}]0;owned\\u{7}\\u{202e}x\\nforged"),
        (&["run", "--dry-run"], "\\u{9b}2J"),
        (&["run"], "left outside, since no contract authorises them: \\u{1b}]0;owned\\u{7}\\u{202e}x\\nforged  row\\u{9b}2J"),
        (&["quarantine", "list"], "maximum"),
        (&["quarantine", "show", "people"], "name=(masked: <U+001B>]9;a<U+0007><U+202E>a<U+000A>a a<U+009B>9a (27 characters))"),
        (&["quarantine", "show", "people", "--unmasked"], "name=\"\\u{1b}]0;owned\\u{7}\\u{202e}x\\nforged  row\\u{9b}2J\""),
        (&["sql", "select name from people"], "\\u{1b}]0;owned\\u{7}\\u{202e}x\\nforged  row\\u{9b}2J"),
        (&["audit", "show", "--limit", "100"], "batch_started"),
        (&["status"], "people"),
    ] {
        let ran = project.run(args);
        harmless(&args.join(" "), &ran.out);
        harmless(&args.join(" "), &ran.err);
        let out = ran.ok();
        assert!(out.contains(shows), "polder {}: {out}", args.join(" "));
        if args[0] == "quarantine" {
            assert_eq!(out.lines().count(), 2, "a row is a line: {out}");
        }
    }
    // For machines the values come whole, and JSON escapes them.
    project.write("data/people2.csv", format!("id,name,age,\"{HOSTILE}\"\n3,\"{HOSTILE}\",999,s\n"));
    for args in [
        &["quarantine", "show", "people", "--unmasked", "--output", "json"][..],
        &["sql", "select name from people", "--output", "json"],
        &["source", "check", "files", "--output", "json"],
        &["run", "--output", "json"],
    ] {
        let ran = project.run(args);
        harmless(&args.join(" "), &ran.out);
        let value: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        fn holds(value: &serde_json::Value) -> bool {
            match value {
                serde_json::Value::String(text) => text.contains(HOSTILE),
                serde_json::Value::Array(items) => items.iter().any(holds),
                serde_json::Value::Object(map) => map.values().any(holds),
                _ => false,
            }
        }
        assert!(holds(&value), "polder {}: {}", args.join(" "), ran.out);
    }
    // CSV is data, as it is.
    assert_eq!(project.run(&["sql", "select name from people", "--output", "csv"]).ok(), format!("name\n\"{HOSTILE}\"\n"));
}

#[test]
fn no_error_steers_a_terminal_or_forges_a_line() {
    // A rule that is broken in a file, a file that changed, a directory that is not there, a file that is none.
    let project = hostile("fail");
    let said = |project: &Project, args: &[&str], code: i32, says: &str| {
        let error = project.run(args).fails(code);
        harmless(&args.join(" "), &error);
        assert!(error.contains("\\u{1b}") && error.contains(says), "polder {}: {error}", args.join(" "));
    };
    said(&project, &["run"], 3, "breaks rule maximum");
    let project = hostile("quarantine");
    project.run(&["run"]).ok();
    project.write(&format!("data/people-{HOSTILE}.csv"), "id,name,age\n1,Ann,41\n3,Bob,42\n");
    said(&project, &["run"], 3, "it changed since it was loaded");
    let escaped = "\\e]0;owned\\a\\u202ex\\nforged  row\\x9b2J";
    project.write("sources/files.yaml", format!("type: csv\npath: \"{escaped}\"\ndatasets:\n  people: {{file: people*.csv}}\n"));
    said(&project, &["run"], 4, "there is no directory");
    let ran = project.run(&["run", "--output", "json"]);
    harmless("json", &ran.err);
    assert!(ran.err.contains("\\u001b") && serde_json::from_str::<serde_json::Value>(&ran.err).is_ok(), "{}", ran.err);
    project.write(&format!("models/{HOSTILE}.sql"), "nonsense");
    said(&project, &["model", "list"], 2, "forged");
    said(&project, &["contract", "check", HOSTILE], 2, "forged");
}

#[test]
fn a_cell_of_any_length_is_shown() {
    let project = Project::new();
    let long = "x".repeat(70_000);
    project.people(&format!("1,Ann,41,s\n2,{long},41,s\n"));
    project.run(&["run"]).ok();
    let shown = project.run(&["quarantine", "show", "people"]).ok();
    assert!(shown.contains(&long) && shown.lines().count() == 2, "{} characters", shown.len());
    // Its length does not widen the other rows.
    assert!(shown.lines().next().unwrap().len() < 200);
    assert!(project.run(&["quarantine", "show", "people", "--output", "json"]).ok().contains(&long));
}

/// The program with arguments, when nobody reads what it prints.
fn unread(project: &Project, args: &[&str], stderr_too: bool) -> Option<i32> {
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let mut command = project.command(args);
    command.stdout(closed());
    if stderr_too {
        command.stderr(closed());
    }
    let ended = ran(command.output().unwrap());
    assert!(!ended.err.contains("error") && !ended.err.contains("panicked"), "polder {}: {}", args.join(" "), ended.err);
    ended.code
}

#[test]
fn who_stops_reading_ends_the_program_quietly() {
    let project = Project::new();
    let rows: String = (0..5_000).map(|id| format!("{id},Name {id},{},s\n", id % 100)).collect();
    project.people(&rows);
    project.run(&["run"]).ok();
    for args in [
        &["status"][..],
        &["table", "list"],
        &["audit", "show"],
        &["quarantine", "list"],
        &["contract", "list", "--output", "csv"],
        &["run", "--output", "json"],
        &["sql", "select id from people"],
        &["sql", "select id from people", "--output", "csv"],
        &["sql", "select id from people", "--output", "json"],
        &["sql", "select id from people", "--output", "arrow"],
    ] {
        assert_eq!(unread(&project, args, false), Some(141), "polder {}", args.join(" "));
        assert_eq!(unread(&project, args, true), Some(141), "polder {}", args.join(" "));
    }
    // As a shell has it: what was read is right, and nothing is said.
    let mut head = Command::new("sh");
    head.args(["-c", &format!("'{}' sql 'select id from people order by id' --output csv | head -n 2", env!("CARGO_BIN_EXE_polder"))]);
    let ended = ran(head.current_dir(project.dir()).output().unwrap());
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(0), "id\n0\n", ""));
    // A failure is one, whether its report is read or not.
    project.write("data/people-2.csv", "id,name,age,secret\n1,Ann,41,s\n");
    let mut command = project.command(&["run"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(command.stdout(writer).output().unwrap().status.code(), Some(3));
}

#[test]
fn a_red_check_is_no_wrong_usage() {
    let project = Project::new();
    let error = project.run(&["doctor"]).fails(3);
    assert!(error.contains("checks are red"), "{error}");
    project.run(&["doctor", "--nonsense"]).fails(2);
    assert!(project.run(&["--help"]).ok().contains("red check of doctor"));
}

/// What goes wrong beside the work is said, and with `--verbose` what the work was; a library's words never are.
#[test]
fn warnings_are_shown_and_with_verbose_what_is_recorded() {
    let project = Project::new();
    project.people("1,Ann,41,s\n");
    project.run(&["run"]).ok();
    assert_eq!(project.run(&["sql", "select name from people where name = 'Ann'"]).err, "");
    let spoken = project.run(&["sql", "select name from people where name = 'Ann'", "-vvvv"]);
    assert!(spoken.err.contains("INFO record event={\"type\":\"read_decided\""), "{spoken:?}");
    assert!(!spoken.err.contains("Ann") && !spoken.err.contains("datafusion"), "{}", spoken.err);
    // A snapshot is a shortcut: what is wrong with it stops nobody, and is told.
    let mut snapshots: Vec<_> = project.store_files().into_iter().filter(|path| path.starts_with(project.store().join("state"))).collect();
    let newest = snapshots.pop().unwrap();
    let mut bytes = std::fs::read(&newest).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    let warned = project.run(&["status"]);
    assert_eq!(warned.code, Some(0), "{warned:?}");
    assert!(warned.err.contains("WARN a snapshot does not verify"), "{warned:?}");
}
