//! `polder serve`: who may come in, what each one sees, what stands in the log of it, and what becomes of it when something ends.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Project, Ran, ran};
use crate::served::{ANN, BEN, BIG, CLEO, Clinic, ENDLESS, LOADER, MEMORY_BYTES, POLICIES, POLICY_FILE, Person, Served};
use crate::servers::judge;

/// Under this name one signs in with a token over PostgreSQL's protocol.
const TOKEN_USER: &str = "token";
const ALL: &str = "select * from visits order by id";
const WHO: &str = "select id, patient, region from visits order by id";

/// A question over Flight, with what says who asks.
fn flight(served: &Served, identity: &[(&str, &str)], sql: &str) -> Ran {
    let mut python = Command::new(judge("POLDER_JUDGE_CLIENTS_PYTHON"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/clients/ask_flight.py");
    python.args(["-I", script, &format!("grpc+tls://localhost:{}", served.port("flight"))]).arg(served.ca()).arg(sql);
    ran(python.env_clear().env("PATH", "/usr/bin:/bin").envs(identity.iter().copied()).output().unwrap())
}

/// Whom a connection of psql is for.
fn current_user(mut psql: Command) -> String {
    ran(psql.args(["--command", "select current_user"]).output().unwrap()).ok().trim().to_owned()
}

/// What curl signs in with.
fn basic(who: Person) -> [String; 2] {
    basic_of(who.name, who.password)
}

fn basic_of(name: &str, secret: &str) -> [String; 2] {
    ["--user".to_owned(), format!("{name}:{secret}")]
}

fn bearer(token: &str) -> [String; 2] {
    ["--header".to_owned(), format!("Authorization: Bearer {token}")]
}

/// The same three columns on each wire, as `id,patient,region`.
fn seen_over_each_wire(served: &Served, mut psql: Command, curl: &[String; 2], identity: &[(&str, &str)]) -> [Vec<String>; 3] {
    let over_postgres = ran(psql.args(["--field-separator=,", "--command", WHO]).output().unwrap()).ok();
    let over_rest = served.posted(&curl.each_ref().map(String::as_str), WHO).ok();
    let over_flight: Vec<(u64, String, String)> = serde_json::from_str(&flight(served, identity, WHO).ok()).unwrap();
    let mut over_rest = over_rest.lines().map(str::to_owned);
    assert_eq!(over_rest.next().as_deref(), Some("id,patient,region"));
    [
        over_postgres.lines().map(str::to_owned).collect(),
        over_rest.collect(),
        over_flight.into_iter().map(|(id, patient, region)| format!("{id},{patient},{region}")).collect(),
    ]
}

#[test]
fn three_see_three_truths_on_every_wire_and_the_log_tells_who_saw_which() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    let of = |who: Person| {
        let identity = [("PGUSER", who.name), ("PGPASSWORD", who.password)];
        seen_over_each_wire(&served, served.psql(who), &basic(who), &identity)
    };
    for seen in of(ANN) {
        assert_eq!(seen, ["1,***lace,north", "3,***ring,north", "5,***skov,north"]);
    }
    for seen in of(BEN) {
        assert_eq!(seen, ["2,Grace Hopper,south", "4,Edsger Dijkstra,south", "6,Émilie du Châtelet,south"]);
    }
    // A service has no password, but tokens, which say whose they are.
    let psql = served.psql_with(&served.conninfo(TOKEN_USER), &clinic.token);
    assert_eq!(current_user(served.psql_with(&served.conninfo(TOKEN_USER), &clinic.token)), "loader");
    for seen in seen_over_each_wire(&served, psql, &bearer(&clinic.token), &[("POLDER_TOKEN", &clinic.token)]) {
        assert_eq!(seen.len(), 6, "{seen:?}");
        assert_eq!((seen[0].as_str(), seen[1].as_str()), ("1,Ada Lovelace,north", "2,Grace Hopper,south"));
    }
    // Every column that each may see, in the types of PostgreSQL.
    assert_eq!(
        served.rows(ANN, ALL),
        [
            "1|***lace|north|1985-01-01|120.50|2026-01-02 08:30:00+00|t|61.5",
            "3|***ring|north|1970-01-01|-5.25|1999-12-31 23:59:59.999999+00|f|1e+300",
            "5|***skov|north|1962-01-01|0.01|2026-01-05 00:00:00+00|t|-0.1"
        ]
    );
    assert_eq!(
        served.rows(BEN, ALL),
        [
            "2|Grace Hopper|south|2026-01-03 09:00:00.123456+00|***",
            "4|Edsger Dijkstra|south|<null>|***",
            "6|Émilie du Châtelet|south|2026-01-06 12:00:00+00|***"
        ]
    );
    // What is masked is masked before it is compared, and no error tells of a row that is not shown.
    assert_eq!(served.rows(ANN, "select count(*) from visits where patient = 'Ada Lovelace'"), ["0"]);
    assert_eq!(served.rows(ANN, "select sum(1 / (id - 2)) from visits"), ["0"]);
    assert_eq!(served.rows(CLEO, "select count(*) from visits where patient = 'Ada Lovelace'"), ["1"]);
    served.stop();

    let project = &clinic.project;
    let sessions = clinic.log("signed_in");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    // Each question that was decided belongs to a session of whoever asked, and was answered to its end.
    let finished = clinic.log("read_finished");
    for (actor, policy, rows) in
        [("user:ann", "north-sees-the-north", 3), ("user:ben", "south-sees-the-south", 3), ("service:loader", "loader-reads-visits", 6)]
    {
        let decided: Vec<Value> = clinic.log_of("read_decided", actor).into_iter().filter(|entry| entry["private"]["sql"] == WHO).collect();
        assert!(decided.len() >= 3, "{actor}: {decided:#?}");
        let mut wires: Vec<String> = Vec::new();
        for entry in &decided {
            let details = &entry["details"];
            assert_eq!(details["allowed"], true, "{entry:#}");
            assert!(details["policies"].as_array().unwrap().contains(&json!(policy)), "{entry:#}");
            let session = sessions.iter().find(|one| one["details"]["session"] == details["session"]).unwrap();
            assert_eq!(session["actor"], actor, "{session:#}");
            wires.push(text(&session["details"]["wire"]));
            // A question that was planned alone gave no row; what was answered says how much.
            let outcome = finished.iter().find(|one| one["details"]["request"] == details["request"]).unwrap();
            let (given, complete) = (&outcome["details"]["rows"], &outcome["details"]["complete"]);
            assert!([json!(0), json!(rows)].contains(given) && *complete == true, "{outcome:#}");
        }
        wires.sort();
        wires.dedup();
        assert_eq!(wires, ["flight", "postgres", "rest"], "{actor}");
        let answered = |entry: &&Value| {
            finished.iter().any(|one| one["details"]["request"] == entry["details"]["request"] && one["details"]["rows"] == rows)
        };
        assert!(decided.iter().filter(answered).count() >= 3, "{actor}");
    }
    // Nobody's session serves another, and each has an end.
    let ended: Vec<Value> = clinic.log("session_ended").into_iter().map(|entry| entry["details"]["session"].clone()).collect();
    for session in &sessions {
        assert!(ended.contains(&session["details"]["session"]), "{session:#}");
    }
    assert_eq!(clinic.log("service_changed").len(), 2, "it began to listen, and stopped");
    project.run(&["audit", "verify"]).ok();
}

/// What psql says of a sign-in that is refused.
fn refused_by_postgres(served: &Served, name: &str, password: &str) -> String {
    let err = ran(served.psql_with(&served.conninfo(name), password).args(["--command", "select 1"]).output().unwrap()).fails(2);
    let (_, said) = err.split_once("FATAL:").unwrap_or_else(|| panic!("{err}"));
    said.trim().to_owned()
}

/// The status and the problem of a sign-in that is refused, but for what names this one occurrence.
fn refused_by_rest(served: &Served, identity: [String; 2]) -> Value {
    let body = json!({"sql": "select 1"}).to_string();
    let [option, value] = identity;
    let args = ["--header", "Content-Type: application/json", "--data-binary", &body, "--write-out", "\n%{http_code}", &option, &value];
    let out = served.curl("/v1/query", &args).ok();
    let (body, code) = out.rsplit_once('\n').unwrap();
    assert_eq!(code, "401", "{out}");
    let mut problem: Value = serde_json::from_str(body).unwrap();
    problem.as_object_mut().unwrap().remove("instance");
    problem
}

#[test]
fn who_may_not_come_in_is_told_the_same_whatever_the_reason() {
    let clinic = Clinic::new();
    let project = &clinic.project;
    let token = |more: &[&str]| {
        let args: Vec<&str> = ["token", "create", LOADER].into_iter().chain(more.iter().copied()).collect();
        project.run(&args).ok().trim().to_owned()
    };
    let (elsewhere, revoked) = (token(&["--wire", "flight"]), token(&[]));
    project.run(&["token", "revoke", revoked.split('_').nth(1).unwrap()]).ok();
    let changed = format!("{}{}", &clinic.token[..clinic.token.len() - 1], if clinic.token.ends_with('0') { "1" } else { "0" });
    project.run(&["user", "disable", BEN.name]).ok();
    let served = clinic.serve();

    let wrong = [
        (ANN.name, "not-the-password-of-ann"),
        // An account that is not there, one that may not be used, and a service with what is no token of its own.
        ("nobody", "not-the-password-of-ann"),
        (BEN.name, BEN.password),
        (LOADER, "not-the-password-of-ann"),
        (TOKEN_USER, changed.as_str()),
        (TOKEN_USER, revoked.as_str()),
        (TOKEN_USER, elsewhere.as_str()),
        // A token where a password belongs, and a password where a token does.
        (ANN.name, clinic.token.as_str()),
        (TOKEN_USER, ANN.password),
    ];
    let said: Vec<String> = wrong.iter().map(|(name, secret)| refused_by_postgres(&served, name, secret)).collect();
    assert!(said[0].starts_with("sign in: "), "{said:?}");
    assert!(said.iter().all(|one| *one == said[0]), "{said:#?}");

    let mut problems: Vec<Value> = wrong[..3].iter().map(|(name, secret)| refused_by_rest(&served, basic_of(name, secret))).collect();
    problems.extend([&changed, &elsewhere].map(|token| refused_by_rest(&served, bearer(token))));
    assert!(problems.iter().all(|one| *one == problems[0]), "{problems:#?}");

    for &(name, secret) in &wrong[..3] {
        let err = flight(&served, &[("PGUSER", name), ("PGPASSWORD", secret)], "select 1").fails(1);
        assert!(err.contains("UNAUTHENTICATED") || err.contains("Unauthenticated"), "{err}");
    }
    // The control: they are let in with what is theirs, and where it is for.
    assert_eq!(served.rows(ANN, "select 1"), ["1"]);
    assert_eq!(current_user(served.psql_with(&served.conninfo(TOKEN_USER), &clinic.token)), "loader");
    assert_eq!(flight(&served, &[("POLDER_TOKEN", &elsewhere)], "select 1").ok().trim(), "[[1]]");
    served.stop();

    // The log tells them apart.
    let refused = clinic.log("sign_in_refused");
    let on = |wire: &str| refused.iter().filter(|entry| entry["details"]["wire"] == wire).count();
    assert_eq!((on("postgres"), on("rest")), (wrong.len(), problems.len()), "{refused:#?}");
    assert!(on("flight") >= 3, "{refused:#?}");
    let mut reasons: Vec<&str> = refused.iter().map(|entry| entry["details"]["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    assert!(reasons.len() >= 3, "{reasons:?}");
    let log = project.run(&["audit", "show", "--limit", "1000", "--output", "json"]).ok();
    for (_, secret) in wrong {
        assert!(!log.contains(secret), "no secret stands in the log");
    }
}

#[test]
fn nothing_is_said_in_the_clear_and_nobody_else_is_believed() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    let plain = served.conninfo(ANN.name).replace("sslmode=verify-full", "sslmode=disable");
    let err = ran(served.psql_with(&plain, ANN.password).args(["--command", "select 1"]).output().unwrap()).fails(2);
    assert!(err.contains("FATAL:") && !err.contains("select"), "{err}");
    // One that the client has no reason to trust, and one that is not the server that it is looking for.
    let other = Project::new();
    let strange = other.beside("strange.pem").display().to_string();
    other.run(&["cert", "trust", "--out", &strange]).ok();
    let distrusts = served.conninfo(ANN.name).replace(&served.ca().display().to_string(), &strange);
    let err = ran(served.psql_with(&distrusts, ANN.password).args(["--command", "select 1"]).output().unwrap()).fails(2);
    assert!(err.contains("certificate verify failed"), "{err}");
    let elsewhere = format!("{} hostaddr=127.0.0.1", served.conninfo(ANN.name).replace("host=localhost", "host=elsewhere.example"));
    let err = ran(served.psql_with(&elsewhere, ANN.password).args(["--command", "select 1"]).output().unwrap()).fails(2);
    assert!(err.contains("does not match host name"), "{err}");
    // Nothing older than TLS 1.3, and no plain HTTP.
    let old = format!("{} ssl_max_protocol_version=TLSv1.2", served.conninfo(ANN.name));
    let err = ran(served.psql_with(&old, ANN.password).args(["--command", "select 1"]).output().unwrap()).fails(2);
    assert!(err.contains("SSL error"), "{err}");
    for wire in ["rest", "flight"] {
        let url = format!("http://localhost:{}/", served.port(wire));
        let curl = Command::new("curl").args(["--disable", "--silent", "--show-error", "--max-time", "60", &url]).output().unwrap();
        let answered = ran(curl);
        assert!(answered.code != Some(0) && answered.out.is_empty(), "{answered:?}");
    }
    // The control: the same with the right ones, and the channel bound to the certificate.
    let bound = format!("{} channel_binding=require", served.conninfo(ANN.name));
    assert_eq!(ran(served.psql_with(&bound, ANN.password).args(["--command", "select 1"]).output().unwrap()).ok(), "1\n");
    assert!(served.posted(&basic(ANN).each_ref().map(String::as_str), WHO).ok().contains("***lace"));
    served.stop();
}

#[test]
fn a_hidden_table_answers_as_one_that_is_not_there() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    for question in [
        "select * from TABLE",
        "select count(*) from TABLE",
        "select label from TABLE limit 0",
        "select * from visits v join TABLE t on t.id = v.id",
        "copy TABLE to stdout",
        "explain select * from TABLE",
    ] {
        let answers = ["samples", "zamples"].map(|name| {
            let ran = served.asked(ANN, &question.replace("TABLE", name));
            assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{question}: {ran:?}");
            let error = ran.err.lines().next().unwrap().replace(name, "TABLE");
            assert!(error.starts_with("ERROR:"), "{error}");
            error
        });
        assert_eq!(answers[0], answers[1], "{question}");
        let problems = ["samples", "zamples"].map(|name| {
            let ran = served.posted(&basic(ANN).each_ref().map(String::as_str), &question.replace("TABLE", name));
            let mut problem: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
            problem.as_object_mut().unwrap().remove("instance");
            problem.to_string().replace(name, "TABLE")
        });
        assert_eq!(problems[0], problems[1], "{question}");
    }
    // A column that is hidden, too.
    let columns = ["note", "nope"].map(|name| {
        let ran = served.asked(ANN, &format!("select {name} from visits"));
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
        ran.err.lines().next().unwrap().replace(name, "COLUMN")
    });
    assert_eq!(columns[0], columns[1]);
    // Neither stands in the catalog of whoever may not know of it.
    let catalogs = [
        "select relname from pg_catalog.pg_class where relname in ('samples', 'visits') order by 1",
        "select table_name from information_schema.tables where table_schema = 'public' order by 1",
        "select tablename from pg_catalog.pg_tables where schemaname = 'public' order by 1",
    ];
    for catalog in catalogs {
        assert_eq!(served.rows(ANN, catalog), ["visits"], "{catalog}");
        assert_eq!(served.rows(CLEO, catalog), ["samples", "visits"], "{catalog}");
    }
    let columns_of_visits = "select column_name from information_schema.columns where table_name = 'visits' order by ordinal_position";
    assert_eq!(served.rows(ANN, columns_of_visits), ["id", "patient", "region", "born", "amount", "seen", "urgent", "weight"]);
    assert_eq!(served.rows(BEN, columns_of_visits), ["id", "patient", "region", "seen", "note"]);
    // What reads no table is a question like any other: who asked it, in which session, and which tables it could tell of.
    assert_eq!(served.rows(BEN, "select version() is not null"), ["t"]);
    assert_eq!(served.asked(BEN, "select nothing from pg_catalog.pg_class").code, Some(1));
    served.stop();
    let finished = clinic.log("read_finished");
    for (actor, question, tables, rows) in [
        ("user:ann", catalogs[0], "visits", 1),
        ("user:cleo", catalogs[0], "samples, visits", 2),
        ("user:ben", columns_of_visits, "visits", 5),
        ("user:ben", "select version() is not null", "visits", 1),
    ] {
        let decided: Vec<Value> =
            clinic.log_of("read_decided", actor).into_iter().filter(|entry| entry["private"]["sql"] == question).collect();
        let [decided] = decided.as_slice() else { panic!("{actor}: {question}: {decided:?}") };
        assert_eq!(decided["private"]["catalog"], tables, "{actor}: {question}");
        assert!(decided["details"]["session"].is_string(), "{decided}");
        let outcome = finished.iter().find(|entry| entry["details"]["request"] == decided["details"]["request"]);
        assert_eq!(outcome.unwrap_or_else(|| panic!("{question} has no outcome"))["details"]["rows"], rows, "{question}");
    }
    let refused = clinic.log_of("refused", "user:ben");
    assert!(refused.iter().any(|entry| entry["private"]["sql"] == "select nothing from pg_catalog.pg_class"), "{refused:?}");
}

/// A question on its way, of which one line has come.
struct Coming {
    child: Child,
    rows: BufReader<ChildStdout>,
}

impl Coming {
    fn begin(served: &Served, who: Person, question: &str) -> Self {
        let mut psql = served.psql(who);
        psql.args(["--command", &format!("copy ({question}) to stdout")]);
        let mut child = psql.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut rows = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        assert!(rows.read_line(&mut first).unwrap() > 0, "no row came");
        Self { child, rows }
    }

    /// Reads what comes: bytes and lines, the first one left out, then what psql says and its exit code.
    fn rest(mut self) -> (u64, u64, Ran) {
        let (bytes, lines) = counted(&mut self.rows);
        (bytes, lines, ran(self.child.wait_with_output().unwrap()))
    }
}

fn counted(from: &mut impl Read) -> (u64, u64) {
    let (mut bytes, mut lines) = (0, 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer).unwrap();
        if read == 0 {
            return (bytes, lines);
        }
        bytes += read as u64;
        lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
}

#[test]
fn a_question_whose_server_was_killed_stays_a_decision_without_an_outcome() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    assert_eq!(served.rows(CLEO, "select count(*) from visits"), ["6"]);
    let coming = Coming::begin(&served, CLEO, ENDLESS);
    served.kill();
    let (_, _, ran) = coming.rest();
    assert!(ran.code != Some(0), "{ran:?}");
    // Who comes next serves on.
    let served = clinic.serve();
    assert_eq!(served.rows(CLEO, "select count(*) from visits"), ["6"]);
    served.stop();
    let finished = clinic.log("read_finished");
    let outcomes = |question: &str| {
        let decided = clinic.log_of("read_decided", "user:cleo");
        let requests: Vec<Value> = decided
            .iter()
            .filter(|entry| entry["private"]["sql"].as_str().is_some_and(|sql| sql.contains(question)))
            .map(|entry| entry["details"]["request"].clone())
            .collect();
        let outcomes = requests.iter().filter(|request| finished.iter().any(|entry| entry["details"]["request"] == **request)).count();
        (requests.len(), outcomes)
    };
    let (decided, outcome) = outcomes(ENDLESS);
    assert!(decided >= 1, "it was recorded before its first row");
    assert_eq!(outcome, 0, "and nobody says that it ended");
    let (decided, outcome) = outcomes("select count(*) from visits");
    assert!(decided >= 2 && outcome >= 2, "{decided} decided, {outcome} finished");
    clinic.project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_drain_lets_an_answer_that_is_on_its_way_finish() {
    let clinic = Clinic::new();
    let mut served = clinic.serve();
    // Nobody reads on, so most of its 80 MiB has not left the server yet.
    let coming = Coming::begin(&served, CLEO, BIG);
    served.signal(Signal::TERM);
    let (_, lines, ran) = coming.rest();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(lines + 1, 163_840);
    let (code, said) = served.ended();
    assert_eq!(code, Some(0), "{said}");
    let finished = clinic.log("read_finished");
    let whole = finished.iter().filter(|entry| entry["details"]["rows"] == 163_840 && entry["details"]["complete"] == true);
    assert_eq!(whole.count(), 1, "{finished:#?}");
}

#[test]
fn broken_policies_deny_at_once_on_open_connections_and_mended_ones_serve_again() {
    let clinic = Clinic::new();
    let project = &clinic.project;
    let file = project.dir().join(POLICY_FILE).display().to_string();
    let (broken, narrow, good) = (project.beside("broken"), project.beside("narrow"), project.beside("good"));
    std::fs::write(&broken, "permit (principal, action resource);\n").unwrap();
    std::fs::write(&narrow, POLICIES.replace("resource.region == \"north\"", "resource.region == \"north\" && resource.id > 3")).unwrap();
    std::fs::write(&good, POLICIES).unwrap();
    let served = clinic.serve();
    // One connection; psql puts another file in the policies' place between its questions.
    let put = |from: &std::path::Path| format!("\\! /bin/cp '{}' '{file}'\n", from.display());
    let ask = "select count(*) from visits;\n";
    let script = [ask.to_owned(), put(&broken), ask.to_owned(), put(&narrow), ask.to_owned(), put(&good), ask.to_owned()].concat();
    project.write("script.sql", script);
    let script = project.dir().join("script.sql").display().to_string();
    let answered = ran(served.psql(ANN).args(["--set=ON_ERROR_STOP=0", "--file", &script]).output().unwrap());
    assert_eq!(answered.out, "3\n1\n3\n", "{answered:?}");
    assert_eq!(answered.err.matches("ERROR:").count(), 1, "{answered:?}");
    served.stop();
}

#[test]
fn answers_that_are_larger_than_the_memory_are_streamed() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    // What a process takes for the first answer of each wire is no part of what is measured.
    assert_eq!(served.rows(CLEO, "select count(*) from samples"), ["640"]);
    served.posted(&basic(CLEO).each_ref().map(String::as_str), "select count(*) from samples").ok();
    let before = served.peak_memory();
    // All of the cross product: 409,600 rows, 200 MiB of text.
    let whole = BIG.split_once(" where ").unwrap().0;
    let (bytes, lines, ran) = Coming::begin(&served, CLEO, whole).rest();
    ran.ok();
    assert_eq!(lines + 1, 409_600);
    assert!(bytes > 3 * MEMORY_BYTES, "{bytes}");
    let csv = served.posted(&basic(CLEO).each_ref().map(String::as_str), BIG).ok();
    assert_eq!(csv.lines().count(), 1 + 163_840);
    assert!(csv.len() as u64 > MEMORY_BYTES, "{}", csv.len());
    let grown = served.peak_memory() - before;
    assert!(grown < 2 * MEMORY_BYTES, "it grew by {grown} bytes, over answers of {bytes} and {} bytes", csv.len());
    served.stop();
}

#[test]
fn nothing_is_served_where_nothing_says_where() {
    let project = Project::new();
    let err = project.run(&["serve"]).fails(2);
    assert!(err.contains("listeners"), "{err}");
    // An address for something else than a wire is told, with what was meant.
    let polder = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
    project.write("polder.yaml", format!("{polder}    listeners: {{postgre: \"127.0.0.1:0\"}}\n"));
    let err = project.run(&["serve"]).fails(2);
    assert!(err.contains("postgre") && err.contains("did you mean postgres?"), "{err}");
}
