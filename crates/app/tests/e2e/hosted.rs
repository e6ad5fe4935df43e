//! Commands of the same machine while `polder serve` holds the lease: the serving process runs them, as whoever typed them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{copy, ran};
use crate::served::{ANN, BEN, CLEO, Clinic, ENDLESS, secret};

#[test]
fn commands_work_while_it_serves_and_what_they_change_is_seen_at_once() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    let project = &clinic.project;
    // A question, as the account of the operating system that typed it.
    assert_eq!(project.rows("select count(*) from visits"), ["6"]);
    let mut piped = project.command(&["sql", "-", "--output", "csv"]);
    let mut child = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"select id from visits where region = 'north' order by id").unwrap();
    assert_eq!(ran(child.wait_with_output().unwrap()).ok(), "id\n1\n3\n5\n");
    // A load: whoever is connected sees its rows with the next question.
    assert_eq!(served.rows(CLEO, "select count(*) from visits"), ["6"]);
    let path = "sources/clinic.yaml";
    let source = std::fs::read_to_string(project.dir().join(path)).unwrap();
    project.write(path, source.replace("{file: visits.csv}", "{file: visits*.csv}"));
    let header = "id,patient,region,born,amount,seen,urgent,weight,note\n";
    project.write("data/visits2.csv", format!("{header}7,\"Hedy Lamarr\",\"north\",1914-11-09,10.00,,,,\n"));
    assert!(project.run(&["run"]).ok().contains("committed"));
    assert_eq!(served.rows(CLEO, "select count(*) from visits"), ["7"]);
    assert_eq!(served.rows(ANN, "select count(*) from visits"), ["4"]);
    assert!(project.run(&["table", "history", "visits"]).ok().lines().count() >= 3);
    // An account, with a password from a file and from standard input.
    let file = secret(project, "dan", "dan-came-while-it-served");
    project.run(&["user", "add", "dan", "--group", "north", "--password-file", &file]).ok();
    let dan = served.psql_with(&served.conninfo("dan"), "dan-came-while-it-served");
    assert_eq!(current(dan), "dan");
    let mut changed = project.command(&["user", "password", "dan", "--password-stdin"]);
    let mut child = changed.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"dan-has-another-one-now").unwrap();
    ran(child.wait_with_output().unwrap()).ok();
    let mut before = served.psql_with(&served.conninfo("dan"), "dan-came-while-it-served");
    ran(before.args(["--command", "select 1"]).output().unwrap()).fails(2);
    assert_eq!(current(served.psql_with(&served.conninfo("dan"), "dan-has-another-one-now")), "dan");
    // What is wrong is told as it is without a server, with the same code.
    let unknown = project.run(&["sql", "select * from nowhere"]).fails(2);
    assert!(unknown.contains("no such table"), "{unknown}");
    let twice = project.run(&["user", "add", "dan", "--group", "nobody", "--password-file", &file]).fails(2);
    assert!(twice.contains("nobody") || twice.contains("dan"), "{twice}");
    let failed: Value = serde_json::from_str(&project.run(&["sql", "select 1/0", "--output", "json"]).fails(2)).unwrap();
    assert_eq!(failed["error"]["exit_code"], json!(2));
    // What is not for it says what to do.
    let refused = project.run(&["keys", "kit", "--to", &project.beside("kit").display().to_string()]).fails(5);
    assert!(refused.contains("`polder serve` has this store open") && refused.contains("end it first"), "{refused}");
    drop(served);
}

fn current(mut psql: Command) -> String {
    ran(psql.args(["--command", "select current_user"]).output().unwrap()).ok().trim().to_owned()
}

#[test]
fn who_types_a_command_is_whom_the_kernel_names() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    clinic.project.run(&["sql", "select count(*) from visits"]).ok();
    let asked = clinic.log("read_decided");
    let question = asked.iter().rfind(|entry| entry["private"]["sql"] == "select count(*) from visits").unwrap();
    let me = ran(Command::new("id").arg("-un").output().unwrap()).ok();
    assert_eq!(question["actor"], json!(format!("user:{}", me.trim())));
    // It came over no listener.
    assert_eq!(question["details"]["session"], Value::Null);
    drop(served);
}

#[test]
fn a_session_that_is_open_ends_when_its_account_is_disabled() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    // One that waits for its next question, and one that is being answered.
    let mut waiting = served.psql(ANN);
    let mut waiting = waiting.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut asks = waiting.stdin.take().unwrap();
    let mut answers = BufReader::new(waiting.stdout.take().unwrap());
    writeln!(asks, "select current_user;").unwrap();
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "ann");
    let mut answered = served.psql(CLEO);
    let answered = answered.args(["--set", "FETCH_COUNT=1000", "--command", ENDLESS]);
    let mut answered = answered.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut rows = BufReader::new(answered.stdout.take().unwrap());
    rows.read_line(&mut line).unwrap();
    for name in ["ann", "cleo"] {
        clinic.project.run(&["user", "disable", name]).ok();
    }
    // Both end although nobody reads or asks; were the sessions still open, this would wait for ever.
    std::io::copy(&mut rows, &mut std::io::sink()).unwrap();
    assert!(!answered.wait().unwrap().success());
    let _ = writeln!(asks, "select id from visits;");
    drop(asks);
    let ended = ran(waiting.wait_with_output().unwrap()).fails(2);
    assert!(ended.contains("the session was ended"), "{ended}");
    // The control: nobody else's session ended, and the log tells whose did.
    assert_eq!(served.rows(BEN, "select count(*) from visits"), ["3"]);
    let over = clinic.log("session_ended");
    assert_eq!(over.iter().filter(|entry| entry["details"]["reason"] == "revoked").count(), 2, "{over:?}");
}

#[test]
fn a_command_is_taken_for_the_project_that_is_served_alone() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    // Another project that names the same store.
    let other = clinic.project.beside("other");
    std::fs::create_dir(&other).unwrap();
    for folder in ["contracts", "models", "policies", "sources"] {
        let from = clinic.project.dir().join(folder);
        if from.exists() {
            copy(&from, &other.join(folder));
        }
    }
    let settings = std::fs::read_to_string(clinic.project.dir().join("polder.yaml")).unwrap();
    let store = clinic.project.store().display().to_string();
    assert!(settings.contains("store: store"), "{settings}");
    std::fs::write(other.join("polder.yaml"), settings.replace("store: store", &format!("store: {store}"))).unwrap();
    let refused = clinic.project.run(&["sql", "select 1", "--project", &other.display().to_string()]).fails(5);
    assert!(refused.contains("has this store open"), "{refused}");
    drop(served);
}

#[test]
fn a_server_that_is_killed_leaves_no_command_hanging() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    let mut asking = clinic.project.command(&["sql", ENDLESS, "--output", "csv"]);
    let mut asking = asking.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut rows = BufReader::new(asking.stdout.take().unwrap());
    let mut line = String::new();
    rows.read_line(&mut line).unwrap();
    served.kill();
    std::io::copy(&mut rows, &mut std::io::sink()).unwrap();
    let lost = ran(asking.wait_with_output().unwrap()).fails(4);
    assert!(lost.contains("gone before the command's end"), "{lost}");
    // What is left of its socket reaches nobody, and commands open the installation themselves.
    assert_eq!(clinic.project.rows("select count(*) from visits"), ["6"]);
    assert!(clinic.project.run(&["audit", "verify"]).ok().contains("all is as it was recorded"));
    clinic.serve().stop();
}
