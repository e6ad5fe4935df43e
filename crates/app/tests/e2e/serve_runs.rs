//! `polder serve` runs the pipelines when they are due, and commands of others that take long, while people ask it. Nothing here waits for a
//! time: what it says, and what the log holds, tells when to go on.

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{Project, ran};
use crate::served::{ANN, CLEO, Clinic, ENDLESS, serve_with};
use crate::servers::webhook::Webhook;

const HEADER: &str = "id,patient,region,born,amount,seen,urgent,weight,note\n";

/// Visits come in files of their own from now on.
fn many_files(project: &Project) {
    let path = "sources/clinic.yaml";
    let source = std::fs::read_to_string(project.dir().join(path)).unwrap();
    project.write(path, source.replace("{file: visits.csv}", "{file: visits*.csv}"));
}

/// One more visit, in place at once: a file that is half written is another one.
fn visit(project: &Project, id: u32, amount: &str) {
    std::fs::write(project.beside("next"), format!("{HEADER}{id},\"Hedy Lamarr\",\"north\",1914-11-09,{amount},,,,\n")).unwrap();
    std::fs::rename(project.beside("next"), project.dir().join(format!("data/visits{id}.csv"))).unwrap();
}

/// A model whose building takes longer than anybody waits for, and pipelines that build it.
fn slow(project: &Project, pipeline: &str) {
    project.write("models/slow.sql", format!("-- polder: materialized = table\n{ENDLESS}\n"));
    project.write("pipelines/slow.yaml", format!("select: [slow]\n{pipeline}"));
}

fn runs(project: &Project, pipeline: &str) -> Vec<Value> {
    project.json(&["runs", "list", "--pipeline", pipeline, "--limit", "100"]).as_array().unwrap().clone()
}

/// The newest run of a pipeline, once one goes on.
fn going_on(project: &Project, pipeline: &str) -> String {
    loop {
        // Each look reads the log: that is the wait.
        let runs = runs(project, pipeline);
        if let Some(run) = runs.first().filter(|run| run["result"] == "unfinished") {
            return run["run"].as_str().unwrap().to_owned();
        }
    }
}

fn begun(project: &Project, args: &[&str]) -> Child {
    let mut command: Command = project.command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn results(project: &Project, pipeline: &str) -> Vec<String> {
    runs(project, pipeline).iter().map(|run| run["result"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn pipelines_run_while_people_ask_and_their_rows_are_seen() {
    let clinic = Clinic::new();
    let project = &clinic.project;
    many_files(project);
    project.write("pipelines/often.yaml", "select: [visits]\nschedule: {every: 1s}\n");
    let served = clinic.serve();
    served.says("often succeeded", 1);
    // It runs them itself: it begins no program.
    assert!(served.said().contains("no program can be begun"), "{}", served.said());
    assert_eq!(served.rows(CLEO, "select count(*) from visits"), ["6"]);
    visit(project, 7, "10.00");
    let before = served.said().matches("often succeeded").count();
    // The second one began after the file was there.
    served.says("often succeeded", before + 2);
    assert_eq!(served.rows(CLEO, "select count(*) from visits"), ["7"]);
    assert_eq!(served.rows(ANN, "select count(*) from visits"), ["4"]);
    // People of the same machine work in between, and see how it stands.
    assert_eq!(project.rows("select count(*) from visits"), ["7"]);
    let status = project.json(&["status"]);
    assert_eq!(status["scheduler"]["by"], "serve", "{status}");
    let scheduler = project.json(&["scheduler", "status"]);
    assert_eq!(scheduler["pipelines"][0]["pipeline"], "often", "{scheduler}");
    assert!(scheduler["pipelines"][0]["next_due"].is_string(), "{scheduler}");
    assert!(project.run(&["doctor"]).out.contains("`polder serve` runs the pipelines"));
    // There is one scheduler.
    let refused = project.run(&["scheduler"]).fails(5);
    assert!(refused.contains("runs the pipelines itself"), "{refused}");
    // Files that change are taken up, and one that is wrong changes nothing.
    project.write("pipelines/late.yaml", "select: [samples]\nschedule: {every: 1s}\n");
    served.says("pipelines/ changed: there are 2 now", 1);
    served.says("late succeeded", 1);
    project.write("pipelines/late.yaml", "schedule: {every: 1x}\n");
    served.says("cannot be used", 1);
    served.stop();
    let triggered = clinic.log("run_triggered");
    assert!(triggered.iter().all(|event| event["details"]["trigger"] == "schedule"), "{triggered:?}");
    assert!(triggered.iter().all(|event| event["details"]["due_ms"].as_i64().unwrap() % 1000 == 0), "{triggered:?}");
    let well = results(project, "often");
    assert!(well.iter().all(|result| result == "succeeded" || result == "interrupted"), "{well:?}");
    std::fs::remove_file(project.dir().join("pipelines/late.yaml")).unwrap();
    assert_eq!(project.json(&["scheduler", "status"])["by"], "nobody");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_run_that_someone_asks_for_is_cancelled_alone() {
    let clinic = Clinic::new();
    let project = &clinic.project;
    slow(project, "");
    project.write("pipelines/quick.yaml", "select: [samples]\n");
    let served = clinic.serve();
    let asked = begun(project, &["pipeline", "run", "slow", "--output", "json"]);
    let run = going_on(project, "slow");
    let said = project.run(&["runs", "cancel", &run]).ok();
    assert!(said.contains("it was asked to end"), "{said}");
    let ended = ran(asked.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let told: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(told["result"], "cancelled");
    assert_eq!(results(project, "slow"), ["cancelled"]);
    let again = project.run(&["runs", "cancel", &run]);
    assert!(again.code != Some(0) && again.err.contains("it has ended already"), "{again:?}");
    // Its turn was given back, and who asks is answered.
    assert_eq!(project.json(&["pipeline", "run", "quick"])["result"], "succeeded");
    assert_eq!(served.rows(CLEO, "select count(*) from samples"), ["640"]);
    // What it left undone is done by whoever asks for it, here too.
    project.write("models/slow.sql", "-- polder: materialized = table\nselect label from samples\n");
    project.run(&["runs", "retry", &run]).ok();
    assert_eq!(served.rows(CLEO, "select count(*) from slow"), ["640"]);
    served.stop();
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn who_is_told_to_end_ends_what_runs_for_it_and_nothing_else() {
    let clinic = Clinic::new();
    let project = &clinic.project;
    slow(project, "");
    let served = clinic.serve();
    let asked = begun(project, &["pipeline", "run", "slow"]);
    going_on(project, "slow");
    kill_process(Pid::from_child(&asked), Signal::TERM).unwrap();
    let ended = ran(asked.wait_with_output().unwrap()).fails(143);
    assert!(ended.contains("it was told to end"), "{ended}");
    assert_eq!(results(project, "slow"), ["interrupted"]);
    // One whose caller is gone ends too, and a run of tables by name.
    let mut asked = begun(project, &["run", "--select", "samples", "--select", "slow"]);
    loop {
        if project.json(&["runs", "list", "--limit", "1"])[0]["result"] == "unfinished" {
            break;
        }
    }
    asked.kill().unwrap();
    asked.wait().unwrap();
    assert_eq!(served.rows(CLEO, "select count(*) from visits"), ["6"]);
    served.stop();
    assert_eq!(project.json(&["runs", "list", "--limit", "1"])[0]["result"], "failed");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_run_that_takes_too_long_ends_and_is_told() {
    let clinic = Clinic::new();
    let (project, hook) = (&clinic.project, Webhook::start());
    project.write("hook.url", hook.url());
    project.write("hook.secret", "a-long-enough-secret-of-a-hook");
    let ca = hook.ca_file().display();
    let notify = format!("notify:\n  webhook: {{url: 'file:hook.url', secret: 'file:hook.secret', ca: {ca}}}\n");
    slow(project, &format!("schedule: {{every: 366d}}\ntimeout: 1s\n{notify}"));
    let served = clinic.serve();
    let ended = project.run(&["pipeline", "run", "slow"]).fails(4);
    assert!(ended.contains("took longer than its timeout"), "{ended}");
    assert_eq!(results(project, "slow"), ["timed_out"]);
    let told: Vec<Value> = hook.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0]["data"]["text"].as_str().unwrap().contains("pipeline slow took too long"), "{told:?}");
    assert_eq!(served.rows(CLEO, "select count(*) from visits"), ["6"]);
    served.stop();
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_run_that_fails_is_told_and_ends_nothing_else() {
    let clinic = Clinic::new();
    let (project, hook) = (&clinic.project, Webhook::start());
    many_files(project);
    visit(project, 7, "no-amount");
    project.write("hook.url", hook.url());
    project.write("hook.secret", "a-long-enough-secret-of-a-hook");
    let ca = hook.ca_file().display();
    let webhook = format!("webhook: {{url: 'file:hook.url', secret: 'file:hook.secret', ca: {ca}}}");
    project.write("pipelines/often.yaml", format!("select: [visits]\nschedule: {{every: 2s}}\nnotify:\n  {webhook}\n"));
    // A program is none that it can tell: that is said, and the run is what it is.
    project.write("pipelines/program.yaml", "select: [samples]\nschedule: {every: 2s}\nnotify: {on: [success], command: [/bin/true]}\n");
    let served = clinic.serve();
    served.says("often failed", 1);
    served.says("program succeeded", 1);
    served.says("`polder serve` begins no program", 1);
    let told: Vec<Value> = hook.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    assert!(told[0]["data"]["text"].as_str().unwrap().contains("pipeline often failed"), "{told:?}");
    assert_eq!(told[0]["data"]["kind"], "failure");
    assert_eq!(served.rows(CLEO, "select count(*) from visits"), ["6"]);
    // Mended, it goes on by itself, and that is told too.
    visit(project, 7, "10.00");
    served.says("often succeeded", 1);
    assert_eq!(served.rows(CLEO, "select count(*) from visits"), ["7"]);
    served.stop();
}

/// A defect in a run: its thread ends, the log says that it was broken off, and the next one does what it left.
#[test]
fn a_run_that_panics_ends_alone() {
    let clinic = Clinic::new();
    let project = &clinic.project;
    many_files(project);
    visit(project, 7, "10.00");
    project.write("pipelines/often.yaml", "select: [visits]\nschedule: {every: 1s}\n");
    let mut served = serve_with(project, &["--kill-at", "batch-started:panic"]);
    served.says("defect: panicked at", 1);
    served.says("often was broken off", 1);
    served.says("often succeeded", 1);
    assert_eq!(served.rows(CLEO, "select count(*) from visits"), ["7"]);
    served.signal(Signal::TERM);
    let (code, said) = served.ended();
    assert_eq!(code, Some(0), "{said}");
    let results = results(project, "often");
    assert_eq!(results.iter().filter(|result| *result == "killed").count(), 1, "{results:?}");
    assert_eq!(project.rows("select count(*) from visits"), ["7"]);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_server_that_is_killed_in_a_run_tries_it_again_and_loads_once() {
    let clinic = Clinic::new();
    let project = &clinic.project;
    many_files(project);
    visit(project, 7, "10.00");
    let retries = "retries: {max: 9, backoff: 1s, factor: 1, max_backoff: 1s}";
    project.write("pipelines/often.yaml", format!("select: [visits]\nschedule: {{every: 1s}}\n{retries}\n"));
    for point in ["batch-started", "offsets-written"] {
        let mut served = serve_with(project, &["--kill-at", point]);
        assert_eq!(served.ended().0, None, "{point}");
        let served = clinic.serve();
        served.says("often begins: due ", 1);
        served.says("often succeeded", 1);
        let said = served.said();
        let first = said.lines().find(|line| line.contains("often begins: due ")).unwrap();
        assert!(!first.contains("attempt 1"), "{point}: {said}");
        let rows = if point == "batch-started" { "7" } else { "8" };
        assert_eq!(served.rows(CLEO, "select count(*) from visits"), [rows], "{point}");
        served.stop();
        if point == "batch-started" {
            // For the next one there is something to load.
            visit(project, 8, "11.00");
        }
    }
    let ids = project.rows("select count(distinct id) from visits");
    assert_eq!(ids, ["8"]);
    let killed = results(project, "often").iter().filter(|result| *result == "killed").count();
    assert_eq!(killed, 2);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn what_goes_on_when_it_is_told_to_end_is_taken_up_by_the_next_one() {
    let clinic = Clinic::new();
    let project = &clinic.project;
    slow(project, "schedule: {every: 1s}\n");
    let served = clinic.serve();
    served.says("slow begins: due ", 1);
    let run = going_on(project, "slow");
    // Within the time that answers have too.
    let said = served.stop();
    assert!(said.contains("slow has to end: its run is asked to end"), "{said}");
    assert_eq!(runs(project, "slow").iter().find(|one| one["run"] == json!(run)).unwrap()["result"], "interrupted");
    project.write("models/slow.sql", "-- polder: materialized = table\nselect label from samples\n");
    let served = clinic.serve();
    served.says("slow begins: due ", 1);
    served.says("slow succeeded", 1);
    let said = served.said();
    let first = said.lines().find(|line| line.contains("slow begins: due ")).unwrap();
    assert!(first.contains("attempt 2"), "{said}");
    assert_eq!(served.rows(CLEO, "select count(*) from slow"), ["640"]);
    served.stop();
}

/// Told twice, nothing is waited for, and what was broken off is settled by the next one.
#[test]
fn told_twice_it_ends_at_once() {
    let clinic = Clinic::new();
    let project = &clinic.project;
    slow(project, "schedule: {every: 1s}\n");
    let mut served = clinic.serve();
    served.says("slow begins: due ", 1);
    let run = going_on(project, "slow");
    served.signal(Signal::TERM);
    served.says("once more ends them at once", 1);
    served.signal(Signal::TERM);
    let (code, said) = served.ended();
    assert_eq!(code, Some(143), "{said}");
    assert_eq!(runs(project, "slow").iter().find(|one| one["run"] == json!(run)).unwrap()["result"], "interrupted", "{said}");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn contracts_are_approved_while_it_serves() {
    let clinic = Clinic::new();
    let project = &clinic.project;
    let served = clinic.serve();
    let path = "contracts/samples.odcs.yaml";
    let contract = std::fs::read_to_string(project.dir().join(path)).unwrap();
    let label = "name: label, physicalName: label, logicalType: string, required: true";
    let wider = contract.replace(label, &format!("{label}, logicalTypeOptions: {{maxLength: 300}}"));
    assert_ne!(wider, contract);
    project.write(path, wider);
    project.run(&["run", "--select", "samples"]).fails(3);
    let approved = project.run(&["contract", "approve", "samples", "--yes"]).ok();
    assert!(approved.contains("approved contract samples"), "{approved}");
    project.run(&["run", "--select", "samples"]).ok();
    assert_eq!(clinic.log("contract_approved").len(), 3);
    // By hand nothing is recorded that nobody signed.
    served.stop();
    project.run(&["contract", "approved", "samples", "--hash", "00"]).fails(2);
    assert_eq!(clinic.log("contract_approved").len(), 3);
}

#[test]
fn commands_that_look_and_keys_are_taken_and_memory_has_a_bound() {
    let clinic = Clinic::new();
    let project = &clinic.project;
    let served = clinic.serve();
    project.run(&["source", "check", "clinic"]).ok();
    project.run(&["contract", "propose"]).ok();
    project.run(&["pipeline", "check"]).ok();
    project.run(&["audit", "verify", "--record"]).ok();
    assert_eq!(clinic.log("integrity_verified").len(), 1);
    let asked = project.run(&["sql", "select count(*) from visits", "--output", "csv", "--memory-mib", "4096"]);
    assert!(asked.err.contains("64 MiB of memory are taken, and not 4096"), "{}", asked.err);
    assert_eq!(asked.ok(), "count(*)\n6\n");
    // What it cannot take says what to do.
    for (args, says) in [
        (vec!["serve"], "runs for this store already"),
        (vec!["run", "--watch", "5"], "write a pipeline with a schedule"),
        (vec!["contract", "propose", "--write"], "writes no file of a project"),
    ] {
        let refused = project.run(&args).fails(5);
        assert!(refused.contains(says), "{args:?}: {refused}");
    }
    served.stop();
}

#[test]
fn it_runs_no_pipeline_where_it_is_told_not_to() {
    for (settings, args) in [("    scheduler: false\n", &[][..]), ("", &["--no-scheduler"][..])] {
        let clinic = Clinic::with(settings);
        let project = &clinic.project;
        project.write("pipelines/often.yaml", "select: [samples]\nschedule: {every: 1s}\n");
        let served = serve_with(project, args);
        assert_eq!(project.json(&["scheduler", "status"])["by"], "nobody");
        assert!(project.run(&["status"]).ok().contains("nobody on this host runs the pipelines"));
        // By hand they run.
        assert_eq!(project.json(&["pipeline", "run", "often"])["result"], "succeeded");
        let said = served.stop();
        assert!(!said.contains("scheduling") && !said.contains("begins: due"), "{said}");
        let triggers: Vec<Value> = clinic.log("run_triggered").iter().map(|event| event["details"]["trigger"].clone()).collect();
        assert_eq!(triggers, ["hand"]);
    }
}

#[test]
fn beside_a_scheduler_it_does_not_serve() {
    let clinic = Clinic::new();
    let project = &clinic.project;
    project.write("pipelines/late.yaml", "select: [samples]\nschedule: {every: 366d}\n");
    let mut scheduler = project.command(&["scheduler"]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut said = std::io::BufReader::new(scheduler.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert!(line.contains("scheduling 1 of 1 pipelines"), "{line}");
    let refused = project.run(&["serve"]).fails(5);
    assert!(refused.contains("`polder scheduler` runs for this store"), "{refused}");
    assert_eq!(project.json(&["scheduler", "status"])["by"], "scheduler");
    kill_process(Pid::from_child(&scheduler), Signal::TERM).unwrap();
    std::io::copy(&mut said, &mut std::io::sink()).unwrap();
    assert_eq!(scheduler.wait().unwrap().code(), Some(0));
    clinic.serve().stop();
}
