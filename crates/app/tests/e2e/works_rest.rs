//! Runs, contracts and proofs over REST: begun, followed, judged, approved and verified by who may, and by nobody else.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::proofs::{begins_with, root};
use crate::served::{ANN, BEN, CLEO, Clinic, Person, Served};

/// Cleo works with pets, Ben may load them, and Cleo reads the log.
const WORKERS: &str = r#"@id("cleo-works-with-pets")
permit (principal == User::"cleo", action in [Action::"Run", Action::"Approve", Action::"Describe"], resource == Table::"pets");

@id("ben-loads-pets")
permit (principal == User::"ben", action in [Action::"Run", Action::"Describe"], resource == Table::"pets");

@id("cleo-reads-the-log")
permit (principal == User::"cleo", action == Action::"Audit", resource);
"#;
const CONTRACT: &str = "contracts/pets.odcs.yaml";
const APPROVAL: &str = "contracts/pets.odcs.approval";

/// A clinic with pets, of which nothing is loaded yet.
fn clinic() -> Clinic {
    let clinic = Clinic::new();
    clinic.project.pets("cat\ndog\n");
    clinic.project.write("policies/workers.cedar", WORKERS);
    clinic
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value.as_str())
    }

    #[track_caller]
    fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// A problem, but for what names this one occurrence.
    #[track_caller]
    fn problem(&self, status: u16) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.body);
        let mut problem = self.json(status);
        problem.as_object_mut().unwrap().remove("instance");
        problem
    }
}

fn ask(served: &Served, who: Person, path: &str, more: &[&str]) -> Answer {
    let user = format!("{}:{}", who.name, who.password);
    let args: Vec<&str> =
        ["--include", "--no-buffer", "--max-time", "300", "--user", &user].into_iter().chain(more.iter().copied()).collect();
    let out = served.curl(path, &args).ok();
    let (head, body) = out.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{out}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())));
    Answer { status, headers: headers.collect(), body: body.to_owned() }
}

fn post(served: &Served, who: Person, path: &str, body: &Value, more: &[&str]) -> Answer {
    let body = body.to_string();
    let args: Vec<&str> =
        ["--header", "Content-Type: application/json", "--data-binary", &body].into_iter().chain(more.iter().copied()).collect();
    ask(served, who, path, &args)
}

fn order(served: &Served, who: Person, key: &str, body: &Value) -> Answer {
    post(served, who, "/v1/runs", body, &["--header", &format!("Idempotency-Key: {key}")])
}

/// The events of a run from after one on, until it has ended: number, kind and data.
fn followed(served: &Served, who: Person, run: &str, after: u64) -> Vec<(u64, String, Value)> {
    let answer = ask(served, who, &format!("/v1/runs/{run}/events"), &["--header", &format!("Last-Event-ID: {after}")]);
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream"), "{}", answer.body);
    let field = |event: &str, name: &str| event.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()));
    let events = answer.body.split("\n\n").filter_map(|event| {
        Some((field(event, "id")?.parse().unwrap(), field(event, "event")?, serde_json::from_str(&field(event, "data")?).unwrap()))
    });
    events.collect()
}

/// Begins a run and follows it to its end, which it gives.
fn ran(served: &Served, who: Person, key: &str, body: &Value) -> Value {
    let run = order(served, who, key, body).json(202)["run"].as_str().unwrap().to_owned();
    let events = followed(served, who, &run, 0);
    let (_, kind, last) = events.last().unwrap();
    assert_eq!(kind, "ended", "{events:#?}");
    last.clone()
}

#[test]
fn a_run_is_begun_once_followed_to_its_end_and_nobody_elses_to_see() {
    let clinic = clinic();
    clinic.project.write("pipelines/nightly.yaml", "select: [pets]\n");
    clinic.project.write("pipelines/all.yaml", "select: [pets, visits]\n");
    let served = clinic.serve();
    let pets = json!({"tables": ["pets"]});
    let begun = order(&served, CLEO, "first", &pets);
    let run = begun.json(202)["run"].as_str().unwrap().to_owned();
    assert_eq!(begun.header("location"), format!("/v1/runs/{run}"));

    let events = followed(&served, CLEO, &run, 0);
    let kinds: Vec<(u64, &str)> = events.iter().map(|(number, kind, _)| (*number, kind.as_str())).collect();
    assert_eq!(kinds, [(1, "started"), (2, "step"), (3, "ended")]);
    let (step, end) = (&events[1].2, &events[2].2);
    assert_eq!((&step["step"], &step["status"], &step["counts"]["loaded"]), (&json!("pets"), &json!("committed"), &json!(2)));
    assert_eq!((&end["run"], &end["result"], &end["committed"]), (&json!(run), &json!("succeeded"), &json!(1)));
    assert_eq!(served.rows(CLEO, "select count(*) from pets"), ["2"], "what it loaded counts at once, on every wire");
    // On from where one was, and no further than to the end.
    assert_eq!(followed(&served, CLEO, &run, 1), events[1..]);
    let path = format!("/v1/runs/{run}");
    assert_eq!(ask(&served, CLEO, &format!("{path}/events"), &["--header", "Last-Event-ID: 3"]).status, 204);
    let shown = ask(&served, CLEO, &path, &[]).json(200);
    assert_eq!((&shown["result"], &shown["steps"][0]), (&json!("succeeded"), step));
    ask(&served, CLEO, &format!("{path}/cancel"), &["--request", "POST"]).problem(409);

    // The same order again, and another one under its key.
    assert_eq!(order(&served, CLEO, "first", &pets).json(202)["run"], json!(run));
    order(&served, CLEO, "first", &json!({"pipeline": "nightly"})).problem(422);
    post(&served, CLEO, "/v1/runs", &pets, &[]).problem(400);
    // The key of one person is none of another's.
    let bens = ran(&served, BEN, "first", &pets);
    assert_eq!((&bens["result"], bens["run"] == json!(run)), (&json!("succeeded"), false));

    // What may not be run reads as what is not there; so do other people's runs.
    let tables = ["visits", "zisits"].map(|name| {
        let problem = order(&served, BEN, "other", &json!({"tables": ["pets", name]})).problem(404);
        problem.to_string().replace(name, "TABLE")
    });
    assert_eq!(tables[0], tables[1]);
    let pipelines = ["all", "zilch"]
        .map(|name| order(&served, BEN, "other", &json!({"pipeline": name})).problem(404).to_string().replace(name, "NAME"));
    assert_eq!(pipelines[0], pipelines[1]);
    order(&served, ANN, "other", &pets).problem(404);
    let unknown = "ab".repeat(16);
    for (rest, more) in [("", &[][..]), ("/events", &[]), ("/cancel", &["--request", "POST"])] {
        let others = ask(&served, BEN, &format!("/v1/runs/{run}{rest}"), more).problem(404);
        assert_eq!(others, ask(&served, BEN, &format!("/v1/runs/{unknown}{rest}"), more).problem(404));
    }
    let seen = |who| ask(&served, who, "/v1/runs", &[]).json(200)["runs"].as_array().unwrap().clone();
    assert_eq!(seen(BEN), [bens]);
    assert!(seen(ANN).is_empty());
    // Whoever reads the log knows of all, a page at a time.
    let all = seen(CLEO);
    let (mut paged, mut path) = (Vec::new(), "/v1/runs?limit=1".to_owned());
    loop {
        let page = ask(&served, CLEO, &path, &[]).json(200);
        paged.extend(page["runs"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/runs?limit=1&after={next}");
    }
    assert!(all.len() >= 3 && all.iter().any(|one| one["run"] == json!(run)), "{all:#?}");
    assert_eq!(paged, all);

    let nightly = ran(&served, BEN, "nightly", &json!({"pipeline": "nightly"}));
    assert_eq!((&nightly["pipeline"], &nightly["result"]), (&json!("nightly"), &json!("succeeded")));
    served.stop();

    // An order is known when serving begins anew, for it stands in the log, under whoever gave it.
    let served = clinic.serve();
    assert_eq!(order(&served, CLEO, "first", &pets).json(202)["run"], json!(run));
    assert_eq!(ask(&served, BEN, "/v1/runs", &[]).json(200)["runs"].as_array().unwrap().len(), 2);
    served.stop();
    assert_eq!(clinic.log_of("run_triggered", "user:cleo").len(), 1);
    assert_eq!(clinic.log_of("run_triggered", "user:ben").len(), 2);
    for kind in ["run_started", "step_finished", "run_concluded"] {
        assert!(!clinic.log_of(kind, "user:cleo").is_empty(), "{kind}");
    }
    assert!(clinic.log_of("refused", "user:ann").iter().any(|entry| entry["details"]["action"] == "Run"));
}

#[test]
fn an_approval_comes_signed_over_what_was_read_and_lets_the_next_run_in() {
    let clinic = clinic();
    let project = &clinic.project;
    // Signed by a key that stays where it is; here is nothing but what it signed.
    let [key, _] = project.approvers();
    project.run(&["contract", "approve", "pets", "--yes", "--key", &key]).ok();
    let approval = project.dir().join(APPROVAL);
    let note = std::fs::read_to_string(&approval).unwrap();
    std::fs::remove_file(&approval).unwrap();
    let served = clinic.serve();
    let pets = json!({"tables": ["pets"]});
    let before = ran(&served, CLEO, "before", &pets);
    assert_eq!((&before["result"], &before["error"]), (&json!("failed"), &json!("rejected")));

    let contract = || ask(&served, CLEO, "/v1/contracts/pets", &[]);
    let first = contract();
    let shown = first.json(200);
    assert_eq!((&shown["source"], &shown["approved_by"]), (&json!("zoo"), &Value::Null));
    let text = std::fs::read_to_string(project.dir().join(CONTRACT)).unwrap();
    assert_eq!(shown["text"], json!(text));
    assert!(note.starts_with(shown["approval_text"].as_str().unwrap()), "{note}");
    let tag = first.header("etag").to_owned();
    assert_eq!(ask(&served, CLEO, "/v1/contracts/pets", &["--header", &format!("If-None-Match: {tag}")]).status, 304);
    // Only the contracts that one works with.
    let names = |who| -> Vec<Value> {
        let listed = ask(&served, who, "/v1/contracts", &[]).json(200);
        listed["contracts"].as_array().unwrap().iter().map(|contract| contract["name"].clone()).collect()
    };
    assert_eq!((names(CLEO), names(ANN)), (vec![json!("pets")], Vec::new()));
    // Ann may read visits, and its contract is not hers to see.
    assert_eq!(ask(&served, ANN, "/v1/contracts/visits", &[]).problem(404), ask(&served, ANN, "/v1/contracts/zisits", &[]).problem(404));

    // A proposed text is judged, and nothing is kept of it.
    let wider = text.replace("required: true}", "required: true}\n      - {name: owner, physicalName: owner, logicalType: string}");
    assert_ne!(wider, text);
    let diff = |text: &str| post(&served, CLEO, "/v1/contracts/pets/diff", &json!({"text": text}), &[]);
    let difference = diff(&wider).json(200);
    assert_eq!(difference["widens"], true, "{difference:#}");
    let added = difference["changes"].as_array().unwrap().iter().find(|change| change["column"] == "owner").unwrap();
    assert!(added["change"] == "column-added" && added["lets_in"].is_string(), "{added:#}");
    assert_eq!(diff(&text).json(200)["changes"], json!([]));
    diff("kind: DataContract\n").problem(422);
    diff(&wider.replace("name: pets", "name: cats")).problem(422);
    assert_eq!(contract().header("etag"), tag);

    let approve = |who, tag: &str, note: &str| {
        let seen = format!("If-Match: {tag}");
        post(&served, who, "/v1/contracts/pets/approvals", &json!({"note": note}), &["--header", &seen])
    };
    post(&served, CLEO, "/v1/contracts/pets/approvals", &json!({"note": note}), &[]).problem(428);
    // Who may load may not approve, and who may know nothing of it finds nothing.
    approve(BEN, &tag, &note).problem(403);
    approve(ANN, &tag, &note).problem(404);
    // Not what was read.
    project.write(CONTRACT, format!("# seen by nobody\n{text}"));
    approve(CLEO, &tag, &note).problem(412);
    let tag = contract().header("etag").to_owned();
    // Not what was signed, or by nobody.
    approve(CLEO, &tag, note.split("\n\n").next().unwrap()).problem(422);
    let mut broken = note.clone().into_bytes();
    let end = broken.len() - 5;
    broken[end] = if broken[end] == b'A' { b'B' } else { b'A' };
    approve(CLEO, &tag, &String::from_utf8(broken).unwrap()).problem(422);
    assert!(!approval.exists());
    let taken = approve(CLEO, &tag, &note);
    assert_eq!(taken.json(200)["approved_by"], "ann");
    assert_eq!(taken.header("etag"), contract().header("etag"));
    assert_eq!(std::fs::read_to_string(&approval).unwrap(), note);
    approve(CLEO, &tag, &note).problem(412);

    let after = ran(&served, CLEO, "after", &pets);
    assert_eq!(after["result"], "succeeded", "{after:#}");
    assert_eq!(served.rows(CLEO, "select count(*) from pets"), ["2"]);
    served.stop();
    assert_eq!(clinic.log_of("contract_approved", "user:cleo").len(), 1);
    project.run(&["audit", "verify"]).ok();
}

fn hex(text: &Value) -> Vec<u8> {
    hex::decode(text.as_str().unwrap()).unwrap()
}

fn path(proof: &Value) -> Vec<Vec<u8>> {
    proof["path"].as_array().unwrap().iter().map(hex).collect()
}

/// Size and root of a checkpoint, whose signature is by the key that was known before.
fn signed(note: &str, vkey: &str) -> (u64, Vec<u8>) {
    let (text, signatures) = note.split_once("\n\n").unwrap();
    let (name, key) = (vkey.split('+').next().unwrap(), STANDARD.decode(vkey.splitn(3, '+').nth(2).unwrap()).unwrap());
    let line = signatures.lines().find_map(|line| line.strip_prefix(&format!("\u{2014} {name} "))).unwrap();
    let signature = STANDARD.decode(line).unwrap();
    UnparsedPublicKey::new(&ED25519, &key[1..]).verify(format!("{text}\n").as_bytes(), &signature[4..]).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(name));
    (lines.next().unwrap().parse().unwrap(), STANDARD.decode(lines.next().unwrap()).unwrap())
}

#[test]
fn what_is_in_the_log_is_proved_to_who_may_read_it_without_what_is_private() {
    let clinic = clinic();
    let export = clinic.project.beside("export");
    let report = clinic.project.json(&["audit", "export", "--to", export.to_str().unwrap()]);
    let (vkey, kept) = (report["vkey"].as_str().unwrap(), report["entries"].as_u64().unwrap());
    let kept_root = hex(&report["root"]);
    let served = clinic.serve();
    served.rows(CLEO, "select count(*) from visits where patient = 'Ada Lovelace'");

    let note = ask(&served, CLEO, "/v1/audit/checkpoint", &[]);
    assert_eq!(note.status, 200, "{}", note.body);
    let (size, _) = signed(&note.body, vkey);
    assert!(size > kept);
    // All entries up to that, a page at a time; the log grows meanwhile.
    let (mut entries, mut target) = (Vec::new(), "/v1/audit/entries?limit=20".to_owned());
    while (entries.len() as u64) < size {
        let page = ask(&served, CLEO, &target, &[]).json(200);
        entries.extend(page["entries"].as_array().unwrap().clone());
        let last = entries.last().unwrap()["index"].clone();
        assert!(page["next"].is_null() || page["next"] == last);
        target = format!("/v1/audit/entries?limit=20&after={last}");
    }
    for index in [0, 1, kept / 2, size - 1] {
        let entry = &entries[usize::try_from(index).unwrap()];
        assert_eq!(entry["index"], index);
        let leaf = digest(&SHA256, &[&[0], entry["leaf"].as_str().unwrap().as_bytes()].concat()).as_ref().to_vec();
        assert_eq!(hex(&entry["leaf_hash"]), leaf);
        let proof = ask(&served, CLEO, &format!("/v1/audit/entries/{index}/proof"), &[]).json(200);
        let (size, signed) = signed(proof["checkpoint"].as_str().unwrap(), vkey);
        assert_eq!(root(leaf.clone(), index, size, &path(&proof)), Some(signed.clone()), "entry {index}");
        // The control: another leaf does not lead there.
        assert_ne!(root(digest(&SHA256, b"other").as_ref().to_vec(), index, size, &path(&proof)), Some(signed));
    }
    let grown = ask(&served, CLEO, &format!("/v1/audit/consistency?from={kept}"), &[]).json(200);
    let (size, new_root) = signed(grown["checkpoint"].as_str().unwrap(), vkey);
    assert_eq!(hex(&grown["old_root"]), kept_root, "the root that was signed then");
    assert!(begins_with(kept, &kept_root, size, &new_root, &path(&grown)));
    assert!(!begins_with(kept, &new_root, size, &new_root, &path(&grown)));
    // Neither names nor questions.
    let all = json!(entries).to_string();
    for private in ["cleo", "Lovelace", "select count"] {
        assert!(!all.contains(private), "{private}");
    }

    // Nobody else is given any of it.
    ask(&served, CLEO, &format!("/v1/audit/entries/{}/proof", size + 1_000), &[]).problem(404);
    ask(&served, CLEO, &format!("/v1/audit/consistency?from={}", size + 1_000), &[]).problem(404);
    for route in ["/v1/audit/checkpoint", "/v1/audit/entries", "/v1/audit/entries/0/proof", "/v1/audit/consistency?from=1"] {
        ask(&served, BEN, route, &["--header", "Accept: */*"]).problem(403);
    }
    served.stop();
    assert_eq!(clinic.log_of("refused", "user:ben").iter().filter(|entry| entry["details"]["action"] == "Audit").count(), 4);
}
