//! Pipelines by hand, as cron and other schedulers run them: attempts, what is left to do, what ends a run, and what the log tells of it.

use std::io::{BufRead as _, Write as _};

use polder_types::{Clock as _, SystemClock};
use rustix::process::{Signal, kill_process};
use serde_json::Value;

use crate::harness::{Project, ran};
use crate::writers::Stopped;

const NIGHTLY: &str = "pipelines/nightly.yaml";

/// Two tables and a model over one of them, in a pipeline.
fn ward(pipeline: &str) -> Project {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,20,t\n");
    project.pets("cat\ndog\n");
    project.write("models/counted.sql", "-- polder: materialized = table\nselect count(*) as n from pets\n");
    project.write(NIGHTLY, pipeline);
    project
}

/// The newest runs, newest first.
fn runs(project: &Project) -> Vec<Value> {
    project.json(&["runs", "list", "--limit", "50"]).as_array().unwrap().clone()
}

fn word<'a>(run: &'a Value, key: &str) -> &'a str {
    run[key].as_str().unwrap_or_default()
}

/// Steps of a run and what became of each.
fn steps(project: &Project, run: &str) -> Vec<(String, String)> {
    let shown = project.json(&["runs", "show", run]);
    let steps = shown["steps"].as_array().unwrap().iter();
    steps.map(|step| (word(step, "step").to_owned(), word(step, "status").to_owned())).collect()
}

fn named(steps: &[(&str, &str)]) -> Vec<(String, String)> {
    steps.iter().map(|(step, status)| ((*step).to_owned(), (*status).to_owned())).collect()
}

#[test]
fn a_pipeline_runs_what_it_selects_and_the_log_tells_of_it() {
    let project = ward("select: [pets, counted]\nschedule: {cron: '30 2 * * *', timezone: Europe/Paris}\n");
    let listed = project.json(&["pipeline", "list"]);
    assert_eq!((word(&listed[0], "pipeline"), word(&listed[0], "schedule")), ("nightly", "30 2 * * *"));
    assert!(listed[0]["last_result"].is_null() && word(&listed[0], "next_due").ends_with(":30:00Z"), "{listed}");
    let out = project.run(&["pipeline", "run", "nightly"]).ok();
    assert!(out.contains("pets") && out.contains("counted") && out.contains("succeeded") && !out.contains("people"), "{out}");
    assert_eq!(project.rows("select n from counted"), ["2"]);
    let runs = runs(&project);
    let run = &runs[0];
    assert_eq!((word(run, "pipeline"), word(run, "trigger"), word(run, "result")), ("nightly", "hand", "succeeded"));
    assert_eq!((run["attempt"].as_u64(), run["committed"].as_u64(), run["failed"].as_u64()), (Some(1), Some(2), Some(0)));
    let id = word(run, "run");
    assert_eq!(steps(&project, id), named(&[("pets", "committed"), ("counted", "committed")]));
    // The letters that it begins with will do, and what begins nothing does not.
    assert_eq!(steps(&project, &id[..8]).len(), 2);
    project.run(&["runs", "show", "ffffffffffff"]).fails(2);
    let logs = project.run(&["runs", "logs", id]).ok();
    assert!(logs.contains("2 read = 2 loaded"), "{logs}");
    let status = project.run(&["status"]).ok();
    assert!(status.contains("pipeline     nightly: succeeded on "), "{status}");
    assert_eq!(word(&project.json(&["pipeline", "list"])[0], "last_result"), "succeeded");
    project.run(&["audit", "verify"]).ok();
}

/// Whoever gets the log to verify it learns no name of a pipeline or a table from it.
#[test]
fn the_exported_log_names_no_pipeline_and_no_step() {
    let project = ward("");
    std::fs::rename(project.dir().join(NIGHTLY), project.dir().join("pipelines/zebra-crossing.yaml")).unwrap();
    project.run(&["pipeline", "run", "zebra-crossing"]).ok();
    let to = project.beside("evidence");
    project.run(&["audit", "export", "--to", to.to_str().unwrap()]).ok();
    let mut told = Vec::new();
    let mut dirs = vec![to];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                told.extend(std::fs::read(path).unwrap());
            }
        }
    }
    let holds = |word: &str| told.windows(word.len()).any(|window| window == word.as_bytes());
    assert!(holds("step_finished") && holds("run_concluded"), "the control");
    for name in ["zebra", "crossing", "people", "pets", "counted"] {
        assert!(!holds(name), "{name}");
    }
    let shown = project.json(&["audit", "show", "--type", "run_triggered"]);
    assert_eq!(shown[0]["private"]["pipeline"], "zebra-crossing");
}

#[test]
fn a_retry_does_what_was_left_undone_and_nothing_twice() {
    let project = ward("");
    // Nothing of people comes in; pets and what is made of them do.
    project.write("data/people.csv", "id,name,age,secret\n1,Ann,900,s\n2,Bob,901,t\n");
    project.run(&["pipeline", "run", "nightly"]).fails(3);
    let run = word(&runs(&project)[0], "run").to_owned();
    assert_eq!(steps(&project, &run), named(&[("people", "failed"), ("pets", "committed"), ("counted", "committed")]));
    project.write("data/people.csv", "id,name,age,secret\n1,Ann,41,s\n2,Bob,20,t\n");
    let out = project.run(&["runs", "retry", &run]).ok();
    assert!(out.contains("people") && !out.contains("pets") && !out.contains("counted"), "{out}");
    let again = &runs(&project)[0];
    assert_eq!((word(again, "trigger"), again["attempt"].as_u64(), word(again, "result")), ("retry", Some(2), "succeeded"));
    assert_eq!(project.json(&["runs", "show", word(again, "run")])["retry_of"], run.as_str());
    assert_eq!(project.rows("select count(*) from people"), ["2"]);
    // There is nothing left of it, nor of one that succeeded.
    project.run(&["runs", "retry", word(again, "run")]).fails(2);
    // A run that no pipeline asked for is repeated the same way.
    project.write("data/people2.csv", "id,name,age,secret\n3,Cid,900,s\n");
    project.run(&["run", "--select", "people", "--select", "pets"]).fails(3);
    std::fs::remove_file(project.dir().join("data/people2.csv")).unwrap();
    let plain = word(&runs(&project)[0], "run").to_owned();
    assert!(project.run(&["runs", "retry", &plain]).ok().contains("unchanged"));
}

/// A file that stays cut: it may be one that is still being written.
#[test]
fn what_may_pass_is_tried_again_and_the_exit_code_says_try_later() {
    let project = ward("retries: {max: 2, backoff: 1s, factor: 1, max_backoff: 1s}\n");
    cut(&project);
    let ran = project.run(&["pipeline", "run", "nightly"]);
    let err = ran.fails(4);
    assert_eq!(err.matches("and the next begins in").count(), 2, "{err}");
    let runs = runs(&project);
    let told: Vec<(u64, &str)> = runs.iter().map(|run| (run["attempt"].as_u64().unwrap(), word(run, "result"))).collect();
    assert_eq!(told, [(3, "failed"), (2, "failed"), (1, "failed")]);
    // The first attempt did all that could be done, and the others only what was left.
    assert_eq!(steps(&project, word(&runs[2], "run")).len(), 3);
    for later in &runs[..2] {
        assert_eq!(steps(&project, word(later, "run")), named(&[("people", "failed")]));
    }
    // What trying again does not cure is not tried again.
    std::fs::remove_file(project.dir().join("data/people-cut.csv")).unwrap();
    project.write("data/people3.csv", "id,name\n1,x\n");
    let err = project.run(&["pipeline", "run", "nightly"]).fails(3);
    assert!(!err.contains("next begins"), "{err}");
}

/// Ends a run by a signal while its first step goes on, before its second.
fn ended(project: &Project, end: impl FnOnce(&Stopped, &str)) -> (Option<i32>, String) {
    let stopped = Stopped::start(project, &["pipeline", "run", "nightly"], "batch-started");
    let going = runs(project);
    let run = word(&going[0], "run").to_owned();
    assert_eq!(word(&going[0], "result"), "unfinished");
    end(&stopped, &run);
    let ran = stopped.wake();
    assert!(ran.err.contains("what was committed stands"), "{ran:?}");
    (ran.code, run)
}

#[test]
fn a_run_that_is_cancelled_ends_its_step_and_begins_no_other() {
    let project = ward("");
    let (code, run) = ended(&project, |stopped, run| {
        let asked = project.json(&["runs", "cancel", run]);
        assert_eq!((word(&asked, "run"), asked["process"].as_i64()), (run, Some(i64::from(stopped.pid().as_raw_nonzero().get()))));
    });
    assert_eq!(code, Some(130));
    let shown = project.json(&["runs", "show", &run]);
    assert_eq!(word(&shown, "result"), "cancelled");
    assert_eq!(steps(&project, &run), named(&[("people", "committed")]));
    assert_eq!(project.rows("select count(*) from people"), ["2"]);
    project.run(&["runs", "cancel", &run]).fails(4);
    let out = project.run(&["runs", "retry", &run]).ok();
    assert!(!out.contains("people") && out.contains("pets") && out.contains("counted"), "{out}");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_run_that_is_told_to_end_says_so() {
    let project = ward("");
    let (code, run) = ended(&project, |stopped, _| kill_process(stopped.pid(), Signal::TERM).unwrap());
    assert_eq!(code, Some(143));
    assert_eq!(word(&project.json(&["runs", "show", &run]), "result"), "interrupted");
}

#[test]
fn a_run_whose_process_was_killed_is_told_by_the_next() {
    let project = ward("");
    project.run(&["pipeline", "run", "nightly", "--kill-at", "lake.after_intent#2"]).killed();
    let run = word(&runs(&project)[0], "run").to_owned();
    assert_eq!(word(&runs(&project)[0], "result"), "unfinished");
    // Nobody works on it.
    assert!(project.run(&["runs", "cancel", &run]).fails(4).contains("no process works on it"));
    project.run(&["pipeline", "check"]).ok();
    assert_eq!(word(&project.json(&["runs", "show", &run]), "result"), "killed");
    assert!(project.run(&["status"]).ok().contains("failing since"));
    project.run(&["runs", "retry", &run]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["2"]);
    assert!(!project.run(&["status"]).ok().contains("failing since"));
    project.run(&["audit", "verify"]).ok();
}

/// The clock goes on while the process stands still.
#[test]
fn a_run_that_takes_too_long_is_ended_and_leaves_nothing_half_done() {
    let project = ward("timeout: 1s\n");
    let begun_ms = SystemClock.now_ms();
    let stopped = Stopped::start(&project, &["pipeline", "run", "nightly"], "batch-started");
    while SystemClock.now_ms() - begun_ms < 1_500 {
        project.run(&["status"]).ok();
    }
    let ran = stopped.wake();
    assert!(ran.err.contains("took longer than its timeout while it loaded people"), "{ran:?}");
    ran.fails(4);
    let run = &runs(&project)[0];
    assert_eq!(word(run, "result"), "timed_out");
    assert_eq!(steps(&project, word(run, "run")), named(&[("people", "stopped")]));
    assert!(project.run(&["sql", "select * from people"]).code != Some(0), "nothing of it is visible");
    project.write(NIGHTLY, "");
    project.run(&["runs", "retry", word(run, "run")]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["2"]);
    assert_eq!(project.rows("select n from counted"), ["2"]);
    project.run(&["audit", "verify"]).ok();
}

/// A program of the pipeline's own gets each notice; what the log says of it is what it got.
#[test]
fn who_is_to_be_told_is_told_and_that_is_recorded() {
    let project = ward("");
    let heard = project.beside("heard");
    let tell = format!("cat >> {}; echo >> {}", heard.display(), heard.display());
    project.write(NIGHTLY, format!("select: [people]\nnotify:\n  on: [failure, recovery, success]\n  command: [/bin/sh, -c, {tell:?}]\n"));
    let notices = || std::fs::read_to_string(&heard).unwrap_or_default();
    project.run(&["pipeline", "run", "nightly"]).ok();
    assert_eq!(notices().matches("pipeline nightly succeeded").count(), 1, "{}", notices());
    project.write("data/people2.csv", "id,name,age,secret\n3,Planted Name,900,s\n");
    project.run(&["pipeline", "run", "nightly"]).fails(3);
    assert!(notices().contains("pipeline nightly failed, attempt 1 of 1") && !notices().contains("Planted"), "{}", notices());
    assert!(!notices().contains("well again"));
    std::fs::remove_file(project.dir().join("data/people2.csv")).unwrap();
    project.run(&["pipeline", "run", "nightly"]).ok();
    assert_eq!(notices().matches("pipeline nightly is well again").count(), 1, "{}", notices());
    let sent = project.json(&["audit", "show", "--type", "notice_sent", "--limit", "50"]);
    let outcomes = sent.as_array().unwrap().iter().filter(|event| event["details"]["phase"] == "outcome");
    let kinds: Vec<&str> = outcomes.map(|event| event["details"]["notice"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["success", "failure", "recovery", "success"]);
    // One that nobody hears is recorded as that, and what the pipeline did stands.
    project.write(NIGHTLY, "select: [people]\nnotify: {on: [success], command: [/nowhere/at/all]}\n");
    let ran = project.run(&["pipeline", "run", "nightly"]);
    assert!(ran.err.contains("a notice of pipeline nightly could not be sent"), "{ran:?}");
    ran.ok();
    let sent = project.json(&["audit", "show", "--type", "notice_sent", "--limit", "1"]);
    assert_eq!((&sent[0]["details"]["phase"], sent[0]["details"]["failed"].as_u64()), (&Value::from("aborted"), Some(1)));
    assert!(project.run(&["status"]).ok().contains("1 could not be"));
}

/// Its process ends between recording a failure and telling it.
#[test]
fn a_failure_that_nobody_came_to_tell_is_told_by_the_next_once() {
    let project = ward("");
    let heard = project.beside("heard");
    let tell = format!("cat >> {}", heard.display());
    project.write(NIGHTLY, format!("select: [people]\nnotify: {{command: [/bin/sh, -c, {tell:?}]}}\n"));
    project.run(&["pipeline", "run", "nightly"]).ok();
    project.write("data/people2.csv", "id,name,age,secret\n3,Cid,900,s\n");
    project.run(&["pipeline", "run", "nightly", "--kill-at", "notice-intent"]).killed();
    let run = word(&runs(&project)[0], "run").to_owned();
    assert_eq!(word(&project.json(&["runs", "show", &run]), "result"), "failed");
    let notices = || std::fs::read_to_string(&heard).unwrap_or_default();
    assert_eq!(notices(), "", "the control");
    project.run(&["pipeline", "check"]).ok();
    assert_eq!(notices().matches("nobody was told of it then").count(), 1, "{}", notices());
    assert!(notices().contains(&run));
    project.run(&["pipeline", "check"]).ok();
    assert_eq!(notices().lines().count(), 1, "{}", notices());
    // The next run tells its own, and that alone.
    project.run(&["pipeline", "run", "nightly"]).fails(3);
    assert_eq!(notices().lines().count(), 2, "{}", notices());
    project.run(&["audit", "verify"]).ok();
}

/// A file that stays cut.
fn cut(project: &Project) {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all((0..500).map(|id| format!("{id},Name{id},{},s\n", id % 90)).collect::<String>().as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    project.write("data/people-cut.csv", &whole[..whole.len() / 2]);
}

/// A person repeats a run once: that another attempt follows would be a promise that nobody keeps, in place of an alarm.
#[test]
fn a_run_that_is_repeated_by_hand_announces_no_further_attempt() {
    let project = ward("");
    let heard = project.beside("heard");
    let tell = format!("cat >> {}", heard.display());
    let notify = format!("notify: {{on: [failure, retry], command: [/bin/sh, -c, {tell:?}]}}\n");
    project.write(NIGHTLY, &notify);
    cut(&project);
    project.run(&["pipeline", "run", "nightly"]).fails(4);
    let run = word(&runs(&project)[0], "run").to_owned();
    project.write(NIGHTLY, format!("retries: {{max: 9}}\n{notify}"));
    project.run(&["runs", "retry", &run]).fails(4);
    let told = std::fs::read_to_string(&heard).unwrap();
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!((told.lines().count(), word(&last["data"], "kind")), (2, "failure"), "{told}");
    assert!(!word(&last["data"], "text").contains("is tried again"), "{told}");
    let again = project.json(&["runs", "show", word(&runs(&project)[0], "run")]);
    assert_eq!((again["again"].as_bool(), word(&again, "result")), (Some(false), "failed"));
}

#[test]
fn a_run_that_is_told_to_end_while_an_attempt_waits_says_so() {
    let project = ward("retries: {max: 1, backoff: 1h, max_backoff: 1h}\n");
    cut(&project);
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut command = project.command(&["pipeline", "run", "nightly"]);
        let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = std::io::BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("and the next begins in")));
        kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        assert!(lines.any(|line| line.contains("it was told to end before attempt 2")));
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

/// Where there is nothing to record it in, a failure is told all the same.
#[test]
fn an_installation_that_cannot_be_opened_is_told() {
    let project = ward("");
    let heard = project.beside("heard");
    let tell = format!("cat > {}", heard.display());
    project.write(NIGHTLY, format!("notify: {{command: [/bin/sh, -c, {tell:?}]}}\n"));
    let first = Stopped::start(&project, &["run"], "batch-started");
    project.run(&["pipeline", "run", "nightly"]).fails(5);
    assert!(std::fs::read_to_string(&heard).unwrap().contains("pipeline nightly failed"));
    first.wake().ok();
}

#[test]
fn files_of_pipelines_that_are_wrong_are_told_by_whoever_reads_them() {
    let project = ward("select: [pets]\noverlapp: skip\n");
    for args in [&["pipeline", "run", "nightly"][..], &["pipeline", "list"], &["scheduler"]] {
        let err = project.run(args).fails(2);
        assert!(err.contains("pipelines/nightly.yaml, line 2: unknown key `overlapp`; did you mean overlap?"), "{args:?}: {err}");
    }
    assert!(project.run(&["status"]).ok().contains("unknown key `overlapp`"), "and the rest is shown");
    assert!(project.run(&["pipeline", "run", "nightli"]).fails(2).contains("did you mean nightly?"));
    project.run(&["pipeline", "run", "../polder"]).fails(2);
    project.write(NIGHTLY, "select: [pet]\n");
    assert!(project.run(&["pipeline", "run", "nightly"]).fails(2).contains("did you mean pets?"));
    let told = project.json(&["runs", "list"]);
    assert_eq!((word(&told[0], "result"), word(&told[0], "error")), ("failed", "invalid"), "that it was asked for is told");
}

#[test]
fn a_person_who_may_not_read_the_log_sees_no_reports() {
    let project = ward("");
    project.run(&["pipeline", "run", "nightly"]).ok();
    let run = word(&runs(&project)[0], "run").to_owned();
    let reads = project.json(&["audit", "show", "--type", "read_finished", "--limit", "100"]).as_array().unwrap().len();
    project.run(&["runs", "logs", &run]).ok();
    let after = project.json(&["audit", "show", "--type", "read_finished", "--limit", "100"]).as_array().unwrap().len();
    assert_eq!(after, reads + 2, "it was recorded, and so was the look before it");
    std::fs::remove_file(project.dir().join("policies/owners.cedar")).unwrap();
    project.run(&["runs", "logs", &run]).fails(7);
    project.run(&["runs", "list"]).ok();
}

#[test]
fn a_change_of_whom_a_pipeline_tells_is_pointed_out() {
    use std::process::Command;
    let project = ward("select: [pets]\nnotify: {command: [/bin/true]}\n");
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "init.defaultBranch=main", "-c", "user.name=a", "-c", "user.email=a@example.org"]).args(args);
        let done = ran(command.current_dir(project.dir()).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap());
        done.ok()
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "x"]);
    let findings = |text: &str| {
        project.write(NIGHTLY, text);
        let ran = project.run(&["ci", "--base", "HEAD", "--output", "json"]);
        let review: Value = serde_json::from_str(&ran.out).unwrap();
        let found: Vec<(String, String)> = review["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| (word(finding, "rule").to_owned(), word(finding, "message").to_owned()))
            .collect();
        (ran.code, found)
    };
    assert_eq!(findings("select: [pets]\ntimeout: 1h\nnotify: {command: [/bin/true]}\n"), (Some(0), vec![]));
    let (code, found) = findings("select: [pets]\nnotify: {command: [/bin/sh, -c, id]}\n");
    assert_eq!((code, found.len(), found[0].0.as_str()), (Some(0), 1, "pipeline-changed"));
    assert!(found[0].1.contains("runs another program") || found[0].1.contains("run another program"), "{found:?}");
    let (code, found) = findings("select: [pet]\n");
    assert_eq!((code, found[0].0.as_str()), (Some(2), "unreadable"));
    assert!(found[0].1.contains("no table or model pet") && found[0].1.contains("did you mean pets?"), "{found:?}");
    let (code, found) = findings("slect: [pets]\n");
    assert_eq!((code, found[0].0.as_str()), (Some(2), "unreadable"));
}

#[test]
fn what_looks_like_a_secret_in_any_file_is_pointed_out_and_not_repeated() {
    use std::process::Command;
    let project = ward("select: [pets]\n");
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "init.defaultBranch=main", "-c", "user.name=a", "-c", "user.email=a@example.org"]).args(args);
        ran(command.current_dir(project.dir()).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap()).ok()
    };
    let password = "hunter2";
    let token = format!("ghp_{}", "Q".repeat(36));
    let settings = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
    project.write(
        "models/counted.sql",
        format!("-- polder: materialized = table\n-- postgres://ann:{password}@db/x\nselect count(*) as n from pets\n"),
    );
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "x"]);
    // It counts though it stood there before, and where the file cannot be used otherwise.
    project.write(NIGHTLY, format!("select: [pets]\n\n# {token}\n"));
    project.write("polder.yaml", format!("{settings}# -----BEGIN OPENSSH {}-----\n", "PRIVATE KEY"));
    for output in ["table", "json", "csv", "markdown", "junit", "sarif"] {
        let ran = project.run(&["ci", "--base", "HEAD", "--output", output]);
        assert_eq!(ran.code, Some(1), "{output}: {}", ran.out);
        for text in [&ran.out, &ran.err] {
            assert!(!text.contains(password) && !text.contains(&token), "{output}: {text}");
        }
        for what in ["models/counted.sql", "a URL with a password", NIGHTLY, "a token of GitHub", "polder.yaml", "a private key"] {
            assert!(ran.out.contains(what), "{output}: {what}: {}", ran.out);
        }
    }
    let review: Value = serde_json::from_str(&project.run(&["ci", "--base", "HEAD", "--output", "json"]).out).unwrap();
    let found = review["findings"].as_array().unwrap().iter().filter(|finding| word(finding, "rule") == "secret-written-out");
    let places: Vec<(&str, Option<u64>)> = found.map(|finding| (word(finding, "file"), finding["line"].as_u64())).collect();
    let last = u64::try_from(settings.lines().count()).unwrap() + 1;
    assert_eq!(places, [("models/counted.sql", Some(2)), (NIGHTLY, Some(3)), ("polder.yaml", Some(last))]);
}
