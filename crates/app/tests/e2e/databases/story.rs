//! A ward's story: a database of 60 tables, written to all the time, becomes governed tables with four commands and two edits by hand; then
//! its night goes wrong in each way that nights do, who is to know is told, and the morning finds every row.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use polder_types::{Clock as _, SystemClock};
use serde_json::Value;

use super::session::Session;
use crate::harness::Project;
use crate::servers::postgres::Postgres;
use crate::servers::smtp::Smtp;
use crate::servers::webhook::{Request, Webhook};
use crate::servers::{PASSWORD, USER};

const TABLES: usize = 60;
/// Rows of each table before anyone writes.
const SEEDED: u64 = 60;
/// Rows of each table that come and go.
const PASSING: u64 = 50;
/// How many tables one query compares.
const COMPARED: usize = 10;
/// Of what stands in the column that nobody authorises.
const PERSONAL: &str = "patients.example";
/// What webhooks are signed with.
const HOOK_KEY: &str = "a key of more than twenty-four bytes";

/// The tables, as the source names them in its schema `adt`.
fn wards() -> Vec<String> {
    (1..=TABLES).map(|number| format!("ward_{number:02}")).collect()
}

/// A row under an id. A tenth of the rows has no word.
fn row(ward: &str, id: &str) -> String {
    format!(
        "{id}, case when {id} % 10 <> 0 then 'w' || {id} end, {id} % 9, ({id} % 700) / 4.0, {id} % 2 = 0, \
         date_trunc('second', clock_timestamp()), 'p' || {id} || '.{ward}@{PERSONAL}'"
    )
}

/// A transaction that adds a row, changes one and takes one away: the `step`th of its table.
fn transaction(ward: &str, step: u64) -> String {
    let id = SEEDED + step;
    let (changed, gone) = (step * 7 % SEEDED + 1, id.saturating_sub(PASSING));
    format!(
        "begin;
         insert into adt.{ward} select {};
         update adt.{ward} set beds = (beds + 1) % 9, changed = date_trunc('second', clock_timestamp()) where id = {changed};
         delete from adt.{ward} where id = {gone} and id > {SEEDED};
         commit;",
        row(ward, &id.to_string())
    )
}

fn hospital(server: &Postgres) {
    let mut sql = "create schema adt;".to_owned();
    for ward in wards() {
        sql += &format!(
            "create table adt.{ward} (id int primary key, word text, beds int, cost numeric(8,2), occupied boolean, changed timestamptz, email text);
             insert into adt.{ward} select {} from generate_series(1, {SEEDED}) i;",
            row(&ward, "i")
        );
    }
    server.psql(&sql);
}

/// Who writes into all tables, one transaction after the other, until told to stop.
struct Writers {
    ends: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    /// Two of them, each with its half of the tables.
    fn start(server: &Postgres) -> Self {
        let (ends, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..2).map(|half| {
            let own: Vec<String> = wards().into_iter().skip(half).step_by(2).collect();
            let mut session = Session::of_postgres(server);
            let (until, count) = (Arc::clone(&ends), Arc::clone(&written));
            std::thread::spawn(move || {
                let mut step = 0;
                while !until.load(Ordering::SeqCst) {
                    step += 1;
                    for ward in &own {
                        session.run(&transaction(ward, step));
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        });
        let threads = threads.collect();
        Self { ends, written, threads }
    }

    /// Does something, which they do not stand still for.
    #[track_caller]
    fn during<T>(&self, does: impl FnOnce() -> T) -> T {
        let before = self.written.load(Ordering::SeqCst);
        let done = does();
        assert!(self.written.load(Ordering::SeqCst) > before, "nobody wrote meanwhile");
        done
    }

    /// Stops them; what they began they ended. How far each table came.
    fn stop(mut self) -> u64 {
        self.ends.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        self.written.load(Ordering::SeqCst)
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The tables are what the source is, row for row and column for column.
#[track_caller]
fn equal(project: &Project, server: &Postgres) {
    for some in wards().chunks(COMPARED) {
        let theirs: String = some
            .iter()
            .map(|ward| {
                format!(
                    "select '{ward},' || id || ',' || coalesce(word, '') || ',' || beds || ',' || cost || ',' || occupied || ',' \
                     || to_char(changed, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from adt.{ward} order by id;"
                )
            })
            .collect();
        let theirs = server.psql(&format!("set timezone = 'UTC'; {theirs}"));
        let theirs: Vec<&str> = theirs.lines().collect();
        assert!(theirs.len() >= COMPARED * usize::try_from(SEEDED).unwrap(), "the source holds something to compare");
        let ours: Vec<String> =
            some.iter().map(|ward| format!("select '{ward}' as ward, id, word, beds, cost, occupied, changed from adt_{ward}")).collect();
        let ours = project.rows(&format!("{} order by ward, id", ours.join(" union all ")));
        assert_eq!(ours, theirs);
    }
}

/// Each table changes once, so that there is something to load into it.
fn change(server: &Postgres, step: u64) {
    let sql: String = wards().iter().map(|ward| transaction(ward, step)).collect();
    server.psql(&sql);
}

#[test]
fn a_database_under_constant_writes_becomes_governed_tables_and_its_night_is_looked_after() {
    let mut server = Postgres::start();
    hospital(&server);
    let writers = Writers::start(&server);

    // 1. A project: `polder init`.
    let (project, mut commands) = (Project::new(), 1);
    let mut polder = |args: &[&str]| {
        commands += 1;
        writers.during(|| project.run(args))
    };

    // The first edit by hand: where the database is. Its URL is a secret.
    project.write("url", server.url());
    let source = format!("type: postgres\nurl: file:url\nca: {}\ntables: [adt.*]\n", server.ca_file().display());
    project.write("sources/his.yaml", source);

    // 2. Contracts for all of its tables, without what people are.
    let proposed = polder(&["contract", "propose", "his", "--write"]);
    assert!(!format!("{proposed:?}").contains(PERSONAL));
    proposed.ok();
    let file = |ward: &str| format!("contracts/adt_{ward}.odcs.yaml");
    let contract = |ward: &str| std::fs::read_to_string(project.dir().join(file(ward))).unwrap();
    for ward in wards() {
        let text = contract(&ward);
        assert!(text.contains("{property: polder.disposition, value: merge}"), "{text}");
        let authorised = |name: &str| text.lines().any(|line| line.trim_start().starts_with(&format!("- {{name: {name},")));
        for name in ["id", "word", "beds", "cost", "occupied", "changed"] {
            assert!(authorised(name), "{name}: {text}");
        }
        assert!(!authorised("email") && text.contains("email") && !text.contains(PERSONAL), "{text}");
    }

    // The second one: how old a table may become. It is the last one that is loaded.
    let last = wards().pop().unwrap();
    let aged = contract(&last).replacen("\nschema:\n", "\nslaProperties:\n  - {property: freshness, value: 1, unit: s}\nschema:\n", 1);
    assert!(aged.contains("slaProperties"), "{aged}");
    project.write(&file(&last), aged);

    // 3. Who answers for them approves.
    polder(&["contract", "approve", "--all", "--yes"]).ok();

    // 4. The load.
    let report: Value = serde_json::from_str(&polder(&["run", "--output", "json"]).ok()).unwrap();
    let batches = report["batches"].as_array().unwrap();
    assert_eq!(batches.len(), TABLES, "{report}");
    for batch in batches {
        let count = |name: &str| batch["counts"][name].as_u64().unwrap_or_default();
        assert_eq!((batch["status"].as_str(), batch["counts"]["independent"].as_bool()), (Some("committed"), Some(true)), "{batch}");
        assert!(count("read") >= SEEDED && count("loaded") == count("read"), "{batch}");
        assert_eq!(batch["left_out"], serde_json::json!(["email"]), "{batch}");
    }
    assert!(commands <= 6, "{commands}");

    // Writes stand still, and one load later the tables are what the source is: rows that came, changed and went.
    let written = writers.stop();
    assert!(written > 0);
    project.run(&["run"]).ok();
    equal(&project, &server);
    project.run(&["audit", "verify"]).ok();

    // Steps that no writer came to.
    night(&project, &mut server, written + 1);
}

/// The pipeline, with whom it tells.
fn nightly(hook: &Webhook, mail: &Smtp) -> String {
    let (hook_ca, mail_ca, port) = (hook.ca_file().display(), mail.ca_file().display(), mail.port());
    format!(
        "schedule: {{cron: \"30 2 * * *\", timezone: Europe/Paris}}
retries: {{max: 2, backoff: 1s, factor: 1, max_backoff: 1s}}
timeout: 2h
freshness: contracts
notify:
  on: [failure, retry, recovery, freshness_missed]
  webhook: {{url: 'file:hook.url', secret: 'file:hook.secret', ca: {hook_ca}}}
  smtp: {{server: localhost, port: {port}, ca: {mail_ca}, user: {USER}, password: 'file:mail.secret', from: polder@example.org, to: [ops@example.org]}}
"
    )
}

/// The event of a post, once its signature is that of its id, its time and its body.
fn signed(request: &Request) -> Value {
    let header = |name: &str| request.header(name).unwrap_or_else(|| panic!("{name}: {request:?}"));
    let (id, seconds) = (header("webhook-id"), header("webhook-timestamp"));
    let age_s = SystemClock.now_ms() / 1000 - seconds.parse::<i64>().unwrap();
    assert!((0..3600).contains(&age_s), "{age_s}");
    let tag = STANDARD.decode(header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    let text = [format!("{id}.{seconds}.").as_bytes(), request.body.as_slice()].concat();
    let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
    hmac::verify(&key(HOOK_KEY.as_bytes()), &text, &tag).expect("the signature is the key's");
    assert!(hmac::verify(&key(b"another key of twenty-four bytes"), &text, &tag).is_err(), "and no other's");
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/night"));
    serde_json::from_slice(&request.body).unwrap()
}

/// What the pipeline did, newest first: how it was asked, which attempt, and how it ended.
fn attempts(project: &Project) -> Vec<(String, u64, String)> {
    let runs = project.json(&["runs", "list", "--pipeline", "nightly"]);
    let word = |run: &Value, key: &str| run[key].as_str().unwrap_or_default().to_owned();
    let runs = runs.as_array().unwrap().iter();
    runs.map(|run| (word(run, "trigger"), run["attempt"].as_u64().unwrap(), word(run, "result"))).collect()
}

/// The pipeline is killed; then the server is away, so that it fails, is tried again, and a table grows too old; then the server is back.
fn night(project: &Project, server: &mut Postgres, step: u64) {
    let (hook, mail) = (Webhook::start(), Smtp::start());
    project.write("hook.url", format!("{}/night", hook.url()));
    project.write("hook.secret", HOOK_KEY);
    project.write("mail.secret", PASSWORD);
    project.write("pipelines/nightly.yaml", nightly(&hook, &mail));

    // Killed between what the third table's load announced and what it did.
    change(server, step);
    project.run(&["pipeline", "run", "nightly", "--kill-at", "lake.after_intent#3"]).killed();
    assert_eq!(hook.requests(), [], "it had no time to say a word");

    // The server is away: all attempts fail, and the code says to try later.
    server.stop();
    let err = project.run(&["pipeline", "run", "nightly"]).fails(4);
    assert_eq!(err.matches("and the next begins in").count(), 2, "{err}");
    let check = project.run(&["pipeline", "check"]);
    assert!(check.out.contains("adt_ward_60"), "{check:?}");
    check.fails(3);
    assert!(project.run(&["status"]).ok().contains("failing since"));

    // What was told so far, each once, by post and by mail alike.
    let events: Vec<Value> = hook.requests().iter().map(signed).collect();
    let kinds = |events: &[Value]| events.iter().map(|event| event["data"]["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(kinds(&events), ["failure", "retry", "freshness_missed", "retry", "failure"], "{events:#?}");
    let texts = [
        "a run of pipeline nightly was broken off, and is not tried again",
        "pipeline nightly failed, attempt 1 of 3, and is tried again",
        "pipeline nightly misses its freshness: table adt_ward_60 was last loaded ",
        "pipeline nightly failed, attempt 2 of 3, and is tried again",
        "pipeline nightly failed, attempt 3 of 3",
    ];
    for (event, text) in events.iter().zip(texts) {
        assert!(event["data"]["text"].as_str().unwrap().starts_with(text), "{text}: {event:#}");
        assert_eq!((event["source"].as_str(), event["subject"].as_str()), (Some("/pipelines/nightly"), Some("nightly")));
        assert_eq!(event["type"].as_str().unwrap(), format!("io.polder.pipeline.{}", event["data"]["kind"].as_str().unwrap()));
    }
    assert_eq!(events[0]["data"]["details"]["result"], "killed");
    assert_eq!(events[2]["data"]["details"]["tables"][0]["max_age_seconds"], 1);
    let failed = &events[4]["data"]["details"];
    assert_eq!((&failed["attempt"], &failed["exit_code"]), (&Value::from(3), &Value::from(4)), "{failed:#}");
    let undone = failed["steps"].as_array().unwrap();
    assert!(undone.iter().any(|step| step["step"] == "adt_ward_60" && step["status"] == "failed"), "{failed:#}");
    mailed(&mail, &events);

    // It is back, and life there went on.
    server.restart();
    change(server, step + 1);
    project.run(&["pipeline", "run", "nightly"]).ok();
    let later: Vec<Value> = hook.requests().iter().skip(events.len()).map(signed).collect();
    assert_eq!(later[0]["data"]["kind"], "recovery", "{later:#?}");
    assert_eq!(later[0]["data"]["text"], "pipeline nightly is well again");
    // Of the table that may be a second old the end of the run says one thing or the other: how old it is by then is the machine's affair.
    assert!(kinds(&later[1..]).iter().all(|kind| kind == "recovery" || kind == "freshness_missed") && later.len() <= 2, "{later:#?}");
    mailed(&mail, &[events, later].concat());
    assert!(!project.run(&["status"]).ok().contains("failing since"));
    let told = |trigger: &str, attempt, result: &str| (trigger.to_owned(), attempt, result.to_owned());
    assert_eq!(
        attempts(project),
        [
            told("hand", 1, "succeeded"),
            told("retry", 3, "failed"),
            told("retry", 2, "failed"),
            told("hand", 1, "failed"),
            told("hand", 1, "killed")
        ]
    );
    equal(project, server);
    project.run(&["audit", "verify"]).ok();
}

/// Each event came by mail, too, in the same order; neither holds anything of a row, nor a secret.
fn mailed(mail: &Smtp, events: &[Value]) {
    let messages = mail.messages();
    assert_eq!(messages.len(), events.len());
    for (message, event) in messages.iter().zip(events) {
        let data = &event["data"];
        let kind = data["kind"].as_str().unwrap().replace('_', " ");
        // Long lines may be broken on their way; the first words of each stand in one.
        let text: String = data["text"].as_str().unwrap().chars().take(36).collect();
        let subject = format!("Subject: Polder: pipeline nightly: {kind}");
        for wanted in [subject.as_str(), "X-RcptTo: ops@example.org", "X-MailFrom: polder@example.org", text.as_str()] {
            assert!(message.contains(wanted), "{wanted}: {message}");
        }
        for told in [message, &event.to_string()] {
            assert!(!told.contains(PERSONAL) && !told.contains(&format!(":{PASSWORD}@")) && !told.contains(HOOK_KEY), "{told}");
        }
    }
}
