//! Grants and the account for emergencies through the real program: who gets what until when, what ends with it, and who is told.

use std::process::{Child, Stdio};

use polder_types::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::harness::{Project, Ran, ran};
use crate::served::{ANN, Clinic, ENDLESS, Served};
use crate::servers::webhook::Webhook;

const POLICY: &str = r#"@id("bea-approves-oncall")
permit (principal == User::"bea", action == Action::"ApproveGrant", resource == Group::"oncall");

@id("oncall-reads-samples")
permit (principal in Group::"oncall", action in [Action::"Read", Action::"Describe"], resource == Table::"samples");
"#;
const SAMPLES: &str = "select count(*) from samples";
/// Its one row comes when 262 million texts were made and compared.
const SILENT: &str = "select max(a.label || a.label) from samples a cross join samples b cross join samples c";

/// A clinic in which bea approves who is on call, with the keys of ann and bea.
fn clinic() -> (Clinic, [String; 2]) {
    let clinic = Clinic::new();
    let keys = clinic.project.approvers();
    clinic.project.write("policies/grants.cedar", POLICY);
    clinic.project.run(&["group", "add", "oncall"]).ok();
    (clinic, keys)
}

/// Asks for a grant to ann; its id.
#[track_caller]
fn asked(project: &Project, length: [&str; 2]) -> String {
    let asked = project.json(&["grant", "request", "--group", "oncall", "--for", "ann", length[0], length[1], "--reason", "ticket 4711"]);
    assert_eq!(asked["change"], "requested");
    asked["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn state(project: &Project, id: &str) -> Value {
    project.json(&["grant", "show", id])["state"].clone()
}

/// What the log says of grants and of the account for emergencies: change, phase and id, oldest first.
fn changes(clinic: &Clinic) -> Vec<(String, String, Value)> {
    let entries = clinic.log("identity_changed").into_iter().filter(|entry| entry["details"]["grant"].is_object());
    let word = |entry: &Value, key: &str| entry["details"][key].as_str().unwrap().to_owned();
    entries.map(|entry| (word(&entry, "change"), word(&entry, "phase"), entry["details"]["grant"]["id"].clone())).collect()
}

#[test]
fn a_grant_opens_a_table_on_an_open_connection_and_closes_it_again() {
    let (clinic, [_, bea]) = clinic();
    let served = clinic.serve();
    let project = &clinic.project;
    let id = asked(project, ["--hours", "4"]);
    assert_eq!(state(project, &id), "requested");
    // One connection; between its questions others approve and revoke, which the serving process does for them.
    let polder = |rest: &str| {
        let (program, dir) = (env!("CARGO_BIN_EXE_polder"), project.dir());
        format!("\\! '{program}' --project '{}' grant {rest} >/dev/null 2>&1\n", dir.display())
    };
    let question = format!("{SAMPLES};\n");
    let script =
        [question.clone(), polder(&format!("approve {id} --key '{bea}'")), question.clone(), polder(&format!("revoke {id}")), question];
    project.write("script.sql", script.concat());
    let script = project.dir().join("script.sql").display().to_string();
    let answered = ran(served.psql(ANN).args(["--set=ON_ERROR_STOP=0", "--file", &script]).output().unwrap());
    assert_eq!(answered.out, "640\n", "{answered:?}");
    assert_eq!(answered.err.matches("ERROR:").count(), 2, "{answered:?}");
    assert_eq!(state(project, &id), "revoked");
    served.stop();
    // The log proves by which grant she saw it, and who let her.
    let allowed = clinic.log_of("read_decided", "user:ann").into_iter().filter(|entry| entry["details"]["allowed"] == true);
    let by_grant: Vec<Value> = allowed.filter(|entry| entry["details"]["grants"] == json!([id])).collect();
    assert!(by_grant.iter().any(|entry| entry["details"]["policies"] == json!(["oncall-reads-samples"])), "{by_grant:#?}");
    let expected: Vec<(String, String, Value)> = ["grant_requested", "grant_approved", "grant_revoked"]
        .into_iter()
        .flat_map(|change| ["intent", "outcome"].map(|phase| (change.to_owned(), phase.to_owned(), json!(id))))
        .collect();
    assert_eq!(changes(&clinic), expected);
    let approved = clinic.log("identity_changed").into_iter().find(|entry| entry["details"]["change"] == "grant_approved").unwrap();
    let private = &approved["private"];
    assert_eq!((&private["approver"], &private["group"], &private["reason"]), (&json!("bea"), &json!("oncall"), &json!("ticket 4711")));
    project.run(&["audit", "verify"]).ok();
}

/// A question of ann's whose rows nobody keeps.
fn begin(served: &Served, question: &str) -> Child {
    let mut psql = served.psql(ANN);
    psql.args(["--command", &format!("copy ({question}) to stdout")]);
    psql.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn what_is_being_read_ends_with_the_grant_whether_rows_come_or_not() {
    let (clinic, [_, bea]) = clinic();
    let served = clinic.serve();
    for question in [ENDLESS, SILENT] {
        let until_ms = SystemClock.now_ms() + 8_000;
        let until = chrono::DateTime::from_timestamp_millis(until_ms).unwrap().to_rfc3339();
        let id = asked(&clinic.project, ["--until", &until]);
        clinic.project.run(&["grant", "approve", &id, "--key", &bea]).ok();
        assert_eq!(served.rows(ANN, SAMPLES), ["640"]);
        let ended: Ran = ran(begin(&served, question).wait_with_output().unwrap());
        let late_ms = SystemClock.now_ms() - until_ms;
        assert!(ended.err.contains("what you may read has changed; ask again"), "{question}: {ended:?}");
        // A second, and what a busy machine needs to tell of it.
        assert!((0..4_000).contains(&late_ms), "{question}: it ended {late_ms} ms after the grant");
        assert_eq!(state(&clinic.project, &id), "ended");
        assert!(served.asked(ANN, SAMPLES).err.contains("ERROR:"));
    }
    // What she reads by her own group is not of this.
    assert_eq!(served.rows(ANN, "select count(*) from visits"), ["3"]);
    served.stop();
    let broken_off: Vec<bool> = clinic
        .log("read_finished")
        .into_iter()
        .filter(|entry| entry["details"]["complete"] == false)
        .map(|entry| entry["details"]["rows"].as_u64().unwrap() > 0)
        .collect();
    assert_eq!(broken_off, [true, false], "rows of the first had come, and none of the second");
}

#[test]
fn nobody_grants_to_themselves_nor_without_permission_nor_for_too_long() {
    let (clinic, [ann, bea]) = clinic();
    let project = &clinic.project;
    let id = asked(project, ["--minutes", "90"]);
    // An owner, whose policies permit it, and who asked.
    let err = project.run(&["grant", "approve", &id]).fails(7);
    assert!(err.contains("nobody approves what is their own"), "{err}");
    let err = project.run(&["grant", "approve", &id, "--key", &ann]).fails(7);
    assert!(err.contains("ApproveGrant of group oncall: no policy permits it to user:ann"), "{err}");
    // As one whose key nobody enrolled.
    let stranger = project.beside("stranger.key").display().to_string();
    project.run(&["keys", "approver", "bea", "--to", &stranger]).ok();
    let err = project.run(&["grant", "approve", &id, "--key", &stranger]).fails(7);
    assert!(err.contains("not one of this request"), "{err}");
    assert_eq!(state(project, &id), "requested");
    let request = |group: &str, whom: &str, hours: &str, reason: &str| {
        project.run(&["grant", "request", "--group", group, "--for", whom, "--hours", hours, "--reason", reason])
    };
    for (group, whom, hours, reason, text) in [
        ("oncall", "ann", "25", "x", "at most 24 hours"),
        ("oncall", "ann", "1", " ", "give a reason"),
        ("oncal", "ann", "1", "x", "there is no group oncal"),
        ("oncall", "anna", "1", "x", "there is no user or service anna"),
        ("oncall", "break-glass", "1", "x", "only `polder break-glass` changes"),
    ] {
        let err = request(group, whom, hours, reason).fails(2);
        assert!(err.contains(text), "{text}: {err}");
    }
    let err = project.run(&["grant", "approve", "0000000000", "--key", &bea]).fails(2);
    assert!(err.contains("there is no grant 0000000000"), "{err}");
    project.run(&["grant", "approve", &id, "--key", &bea]).ok();
    assert_eq!(state(project, &id), "active");
    // A longer one where the file says so.
    let settings = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
    project.write("polder.yaml", settings.replace("limits: {", "limits: {grant_hours: 48, "));
    let long = asked(project, ["--hours", "48"]);
    project.run(&["grant", "deny", &long, "--reason", "tomorrow"]).ok();
    assert_eq!(state(project, &long), "denied");
    let listed = |args: &[&str]| project.json(args).as_array().unwrap().iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    assert_eq!(listed(&["grant", "list"]), [json!(id)]);
    assert_eq!(listed(&["grant", "list", "--all"]).len(), 2);
    // An approver who is struck off approved nothing.
    let settings = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
    let without: Vec<&str> = settings.lines().filter(|line| !line.contains("- bea+")).collect();
    project.write("polder.yaml", without.join("\n") + "\n");
    assert_eq!(state(project, &id), "unapproved");
}

#[test]
fn break_glass_is_opened_by_two_told_to_all_and_sealed_again() {
    let (clinic, [ann, bea]) = clinic();
    let project = &clinic.project;
    let receiver = Webhook::start();
    project.write("hook.url", format!("{}/hook", receiver.url()));
    project.write("hook.secret", "a key of more than twenty-four bytes");
    let hook = format!("webhook: {{url: 'file:hook.url', secret: 'file:hook.secret', ca: {}}}", receiver.ca_file().display());
    // Whatever a pipeline tells of otherwise.
    project.write("pipelines/nightly.yaml", format!("select: [samples]\nnotify:\n  on: [failure]\n  {hook}\n"));
    assert!(project.run(&["break-glass", "show"]).err.contains("there is no such account yet"));
    project.run(&["break-glass", "seal"]).ok();
    assert!(!project.run(&["status"]).ok().contains("break-glass"));
    let secret = crate::served::secret(project, "break-glass", "a password of four words");
    for refused in [
        &["user", "password", "break-glass", "--password-file", &secret][..],
        &["token", "create", "break-glass"],
        &["group", "join", "oncall", "break-glass"],
        &["user", "remove", "break-glass"],
    ] {
        let err = project.run(refused).fails(2);
        assert!(err.contains("only `polder break-glass` changes"), "{refused:?}: {err}");
    }
    let id = project.json(&["break-glass", "request", "--reason", "the ward is on fire"])["id"].as_str().unwrap().to_owned();
    // Who asked does not count, one is not two, and twice the same is one.
    let own = project.run(&["break-glass", "approve", &id]).fails(7);
    assert!(own.contains("nobody approves what is their own"), "{own}");
    project.run(&["break-glass", "approve", &id, "--key", &ann]).ok();
    project.run(&["break-glass", "approve", &id, "--key", &ann]).fails(7);
    let alone = project.run(&["break-glass", "open", &id]).fails(7);
    assert!(alone.contains("two enrolled approvers"), "{alone}");
    assert!(receiver.requests().is_empty());
    project.run(&["break-glass", "approve", &id, "--key", &bea]).ok();
    let opened = project.run(&["break-glass", "open", &id]);
    assert!(opened.err.contains("shown this once"), "{opened:?}");
    let token = opened.ok().trim_end().to_owned();
    assert!(token.starts_with("polder_") && token.len() == 54, "{token}");
    let told = receiver.requests();
    assert_eq!(told.len(), 1);
    let event: Value = serde_json::from_slice(&told[0].body).unwrap();
    assert_eq!((&event["type"], &event["data"]["details"]["opening"]), (&json!("io.polder.break_glass.opened"), &json!(id)));
    assert!(!String::from_utf8_lossy(&told[0].body).contains(&token[16..48]), "nobody is told the token");
    project.run(&["break-glass", "open", &id]).fails(2);

    let doctor = project.run(&["doctor"]);
    assert_eq!(doctor.code, Some(3));
    assert!(doctor.out.lines().any(|line| line.starts_with("RED") && line.contains("break-glass")), "{doctor:?}");
    assert!(project.run(&["status"]).ok().contains("break-glass  opened on"));
    let served = clinic.serve();
    // Over PostgreSQL's protocol a token comes in under this name.
    let ask = |sql: &str| ran(served.psql_with(&served.conninfo("token"), &token).args(["--command", sql]).output().unwrap());
    assert_eq!(ask("select patient from visits where id = 1").ok(), "Ada Lovelace\n");
    project.run(&["break-glass", "seal"]).ok();
    assert!(ask("select 1").err.contains("FATAL"));
    served.stop();
    let doctor = project.run(&["doctor"]);
    assert!(!doctor.out.contains("break-glass"), "{doctor:?}");
    assert!(!project.run(&["status"]).ok().contains("break-glass"));

    let read = clinic.log_of("read_decided", "user:break-glass");
    assert!(read.iter().any(|entry| entry["details"]["grants"] == json!([id])), "{read:#?}");
    let outcomes: Vec<String> =
        changes(&clinic).into_iter().filter(|(_, phase, _)| phase == "outcome").map(|(change, ..)| change).collect();
    let expected = [
        "break_glass_sealed",
        "break_glass_requested",
        "break_glass_approved",
        "break_glass_approved",
        "break_glass_opened",
        "break_glass_sealed",
    ];
    assert_eq!(outcomes, expected);
    let notices: Vec<Value> = clinic.log("notice_sent").iter().map(|entry| entry["details"]["phase"].clone()).collect();
    assert_eq!(notices, [json!("intent"), json!("outcome")]);
    project.run(&["audit", "verify"]).ok();
}
