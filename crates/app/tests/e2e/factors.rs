//! Second factors and session tokens: codes, recovery codes and passkeys against the running server, and what a session token is worth on
//! each wire.

mod authenticator;
mod browser;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use polder_types::{Clock as _, SystemClock};
use serde_json::{Value, json};
use totp_rs::Totp;

use crate::harness::{Project, Ran, ran};
use crate::served::{ANN, CLEO, Clinic, ENDLESS, Person, Served};
use authenticator::Authenticator;

const TOKEN_USER: &str = "token";

/// What an app knows after it read the secret.
struct App(Totp);

impl App {
    fn code(&self) -> String {
        self.0.generate(u64::try_from(SystemClock.now_ms() / 1_000).unwrap()).to_string()
    }
}

/// Enrols someone as a script does: reads the secret, and answers with its code. Returns the app and the recovery codes.
fn enrol(project: &Project, who: Person) -> (App, Vec<String>) {
    let (app, ran) = enrolling(project, who, App::code);
    let codes: Vec<String> = ran.ok().lines().map(str::to_owned).collect();
    assert_eq!(codes.len(), 10, "{codes:?}");
    (app, codes)
}

fn enrolling(project: &Project, who: Person, answer: impl Fn(&App) -> String) -> (App, Ran) {
    let mut command = project.command(&["user", "totp", "enrol", who.name, "--code-stdin"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut address = String::new();
    out.read_line(&mut address).unwrap();
    let app = App(Totp::from_url(address.trim()).unwrap_or_else(|error| panic!("{address}: {error}")));
    let mut input = child.stdin.take().unwrap();
    input.write_all(answer(&app).as_bytes()).unwrap();
    drop(input);
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let mut ran = ran(child.wait_with_output().unwrap());
    ran.out = rest;
    (app, ran)
}

/// A request to the REST listener: the status, and the answer where there is one.
fn rest(served: &Served, method: &str, path: &str, headers: &[&str], body: Option<&Value>) -> (u16, Value) {
    let body = body.map(Value::to_string);
    let mut args = vec!["--request", method, "--write-out", "\n%{http_code}"];
    for header in headers {
        args.extend(["--header", header]);
    }
    if let Some(body) = &body {
        args.extend(["--header", "Content-Type: application/json", "--data-binary", body]);
    }
    let out = served.curl(path, &args).ok();
    let (text, code) = out.rsplit_once('\n').unwrap();
    (code.parse().unwrap(), serde_json::from_str(text).unwrap_or_default())
}

fn basic(who: Person) -> String {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", who.name, who.password));
    format!("Authorization: Basic {pair}")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// A session token for someone, with a code where they have one.
fn sign_in(served: &Served, who: Person, code: Option<&str>) -> (u16, Value) {
    let (credential, code) = (basic(who), code.map(|code| format!("Polder-Code: {code}")));
    let headers: Vec<&str> = std::iter::once(credential.as_str()).chain(code.as_deref()).collect();
    rest(served, "POST", "/v1/sessions", &headers, None)
}

/// Waits until the server tells codes from those that one before it can have taken: curl asks again as long as it is told to.
fn when_codes_are_taken(served: &Served) {
    let nobody = ["--retry", "200", "--retry-delay", "1", "--user", "nobody:at all", "--header", "Polder-Code: 000000"];
    // A file, which can be begun anew for each answer.
    let answer = tempfile::NamedTempFile::new().unwrap();
    let file = answer.path().to_str().unwrap();
    let args: Vec<&str> = nobody.into_iter().chain(["--request", "POST", "--output", file, "--write-out", "%{http_code}"]).collect();
    assert!(served.curl("/v1/sessions", &args).ok().ends_with("401"));
}

fn token_of((status, given): (u16, Value)) -> String {
    assert_eq!(status, 201, "{given}");
    let token = given["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("polders_") && token.len() == 57, "its form");
    token
}

fn over_flight(served: &Served, identity: &[(&str, &str)]) -> Ran {
    let mut python = Command::new(crate::servers::judge("POLDER_JUDGE_CLIENTS_PYTHON"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/clients/ask_flight.py");
    python.args(["-I", script, &format!("grpc+tls://localhost:{}", served.port("flight"))]).arg(served.ca()).arg("select 1");
    ran(python.env_clear().env("PATH", "/usr/bin:/bin").envs(identity.iter().copied()).output().unwrap())
}

/// The reasons of refusals in the log.
fn reasons(clinic: &Clinic) -> Vec<String> {
    clinic.log("sign_in_refused").iter().map(|entry| entry["details"]["reason"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn with_a_second_factor_a_session_token_is_the_way_in_on_each_wire_and_it_ends_at_once() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    // A code that a server before this one can have taken is judged of nobody.
    assert_eq!(sign_in(&served, CLEO, Some("123456")).0, 503);
    // Enrolled while it serves: it counts at once.
    let (_, wrong) = enrolling(&clinic.project, CLEO, |_| "no code".to_owned());
    assert!(wrong.fails(2).contains("nothing was changed"));
    assert_eq!(served.rows(CLEO, "select 1"), ["1"]);
    let (app, _) = enrol(&clinic.project, CLEO);
    let shown = clinic.project.json(&["user", "show", CLEO.name]);
    assert!(shown["totp"].is_string() && shown["recovery_codes"] == 10, "{shown}");
    // The password alone is worth nothing any more.
    let err = ran(served.psql(CLEO).args(["--command", "select 1"]).output().unwrap()).fails(2);
    assert!(err.contains("sign in: "), "{err}");
    assert_eq!(rest(&served, "GET", "/v1/whoami", &[&basic(CLEO)], None).0, 401);
    over_flight(&served, &[("PGUSER", CLEO.name), ("PGPASSWORD", CLEO.password)]).fails(1);
    assert_eq!(sign_in(&served, CLEO, None).0, 401);
    when_codes_are_taken(&served);
    let code = app.code();
    let token = token_of(sign_in(&served, CLEO, Some(&code)));
    assert_eq!(sign_in(&served, CLEO, Some(&code)).0, 401, "it was used");
    // In place of the password on each wire.
    let asked = |token: &str| {
        ran(served.psql_with(&served.conninfo(TOKEN_USER), token).args(["--command", "select current_user"]).output().unwrap())
    };
    assert_eq!(asked(&token).ok().trim(), CLEO.name);
    assert_eq!(over_flight(&served, &[("POLDER_TOKEN", &token)]).ok().trim(), "[[1]]");
    assert_eq!(over_flight(&served, &[("PGUSER", CLEO.name), ("PGPASSWORD", &token)]).ok().trim(), "[[1]]");
    over_flight(&served, &[("PGUSER", ANN.name), ("PGPASSWORD", &token)]).fails(1);
    let (status, who) = rest(&served, "GET", "/v1/whoami", &[&bearer(&token)], None);
    assert_eq!((status, &who["principal"]), (200, &json!("user:cleo")));
    // It makes no other, and one that was changed is none.
    assert_eq!(rest(&served, "POST", "/v1/sessions", &[&bearer(&token)], None).0, 400);
    let changed = format!("{}{}", &token[..token.len() - 1], if token.ends_with('0') { "1" } else { "0" });
    asked(&changed).fails(2);
    // Whoever is answered meanwhile is cut off when the account's sessions are ended.
    let mut psql = served.psql_with(&served.conninfo(TOKEN_USER), &token);
    psql.args(["--command", &format!("copy ({ENDLESS}) to stdout")]);
    let mut child = psql.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut rows = BufReader::new(child.stdout.take().unwrap());
    assert!(rows.read_line(&mut String::new()).unwrap() > 0, "no row came");
    clinic.project.run(&["user", "revoke", CLEO.name]).ok();
    let revoked_ms = SystemClock.now_ms();
    std::io::copy(&mut rows, &mut std::io::sink()).unwrap();
    assert!(SystemClock.now_ms() - revoked_ms < 1_000, "it went on for {} ms", SystemClock.now_ms() - revoked_ms);
    assert!(!child.wait_with_output().unwrap().status.success());
    asked(&token).fails(2);
    assert_eq!(rest(&served, "GET", "/v1/whoami", &[&bearer(&token)], None).0, 401);
    served.stop();

    let log = reasons(&clinic);
    for reason in ["second_factor", "code_used", "session_token"] {
        assert!(log.iter().any(|one| one == reason), "{reason} in {log:?}");
    }
    let made = clinic.log_of("session_token_made", "user:cleo");
    assert_eq!(made.len(), 1, "{made:?}");
    assert!(made[0]["details"]["ticket"].as_str().is_some_and(|id| id.len() == 32), "{made:?}");
    let methods: Vec<Value> = clinic.log_of("signed_in", "user:cleo").iter().map(|entry| entry["details"]["method"].clone()).collect();
    assert!(methods.contains(&json!("totp")) && methods.contains(&json!("session_token")), "{methods:?}");
    let whole = clinic.project.run(&["audit", "show", "--limit", "1000", "--output", "json"]).ok();
    assert!(!whole.contains(&token) && !whole.contains(&code), "no secret stands in the log");
}

#[test]
fn a_session_token_ends_when_its_owner_says_so_and_with_the_process() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    let token = token_of(sign_in(&served, ANN, None));
    let other = token_of(sign_in(&served, ANN, None));
    let whoami = |served: &Served, token: &str| rest(served, "GET", "/v1/whoami", &[&bearer(token)], None).0;
    assert_eq!((whoami(&served, &token), whoami(&served, &other)), (200, 200));
    assert_eq!(rest(&served, "DELETE", "/v1/sessions/current", &[&bearer(&token)], None).0, 204);
    assert_eq!((whoami(&served, &token), whoami(&served, &other)), (401, 200));
    assert_eq!(rest(&served, "DELETE", "/v1/sessions/current", &[&basic(ANN)], None).0, 400);
    // What an API token began is for its ways in, and no longer than it.
    let made = clinic.project.run(&["token", "create", ANN.name, "--wire", "rest", "--days", "1"]).ok();
    let narrow = token_of(rest(&served, "POST", "/v1/sessions", &[&bearer(made.trim())], None));
    assert_eq!(whoami(&served, &narrow), 200);
    ran(served.psql_with(&served.conninfo(TOKEN_USER), &narrow).args(["--command", "select 1"]).output().unwrap()).fails(2);
    clinic.project.run(&["token", "revoke", made.trim().split('_').nth(1).unwrap()]).ok();
    assert_eq!(whoami(&served, &narrow), 401);
    // No account has more than 64 that hold.
    let mut status = 0;
    for _ in 0..70 {
        (status, _) = sign_in(&served, ANN, None);
        if status != 201 {
            break;
        }
    }
    assert_eq!(status, 503);
    assert_eq!(whoami(&served, &other), 200);
    served.stop();
    let ended = clinic.log_of("session_token_ended", "user:ann");
    assert_eq!(ended.len(), 1, "{ended:?}");
    // They were in that process's memory alone.
    let again = clinic.serve();
    assert_eq!(whoami(&again, &other), 401);
    again.stop();
}

#[test]
fn a_recovery_code_lets_in_once_and_the_second_factor_can_be_taken_away() {
    let clinic = Clinic::new();
    let (_, codes) = enrol(&clinic.project, ANN);
    let again = clinic.project.run(&["user", "totp", "enrol", ANN.name, "--code-stdin"]).fails(2);
    assert!(again.contains("already"), "{again}");
    clinic.project.run(&["user", "totp", "enrol", "nobody", "--code-stdin"]).fails(2);
    let served = clinic.serve();
    assert_eq!(sign_in(&served, ANN, Some(&codes[0].to_uppercase())).0, 201);
    assert_eq!(sign_in(&served, ANN, Some(&codes[0])).0, 401);
    assert_eq!(sign_in(&served, Person { password: "not the password of ann", ..ANN }, Some(&codes[1])).0, 401);
    assert_eq!(clinic.project.json(&["user", "show", ANN.name])["recovery_codes"], 9);
    let used: Vec<Value> = clinic
        .log_of("identity_changed", "user:ann")
        .into_iter()
        .filter(|entry| entry["details"]["change"] == "recovery_code_used")
        .collect();
    assert_eq!(used.len(), 2, "intent and outcome, by whoever used it: {used:?}");
    clinic.project.run(&["user", "totp", "remove", ANN.name]).ok();
    assert_eq!(served.rows(ANN, "select 1"), ["1"]);
    assert_eq!(sign_in(&served, ANN, Some(&codes[1])).0, 401);
    clinic.project.run(&["user", "totp", "remove", ANN.name]).fails(2);
    served.stop();
}

/// A clinic whose REST listener browsers reach, with its origin.
pub(super) fn public_clinic() -> (Clinic, String) {
    let clinic = Clinic::new();
    // The origin holds the port, so it is chosen before anything listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let origin = format!("https://localhost:{port}");
    let settings = std::fs::read_to_string(clinic.project.dir().join("polder.yaml")).unwrap();
    let rest = format!("rest: {{address: \"127.0.0.1:{port}\", public_url: \"{origin}\"}}");
    let changed = settings.replace("rest: \"127.0.0.1:0\"", &rest);
    assert_ne!(changed, settings);
    clinic.project.write("polder.yaml", changed);
    (clinic, origin)
}

#[test]
fn a_passkey_signs_its_owner_in_and_nobody_else() {
    let (clinic, origin) = public_clinic();
    let served = clinic.serve();
    let post = |path: &str, headers: &[&str], body: &Value| rest(&served, "POST", path, headers, Some(body));
    let wish = |who: Person| {
        let (status, wish) = post("/v1/passkeys/options", &[&basic(who)], &json!({}));
        assert_eq!(status, 200, "{wish}");
        wish
    };
    assert_eq!(rest(&served, "POST", "/v1/passkeys/options", &[], None).0, 401);
    let mut key = Authenticator::new(&origin);
    let made = key.create(&wish(ANN));
    assert_eq!(post("/v1/passkeys", &[&basic(CLEO)], &made).0, 422, "it was asked for by another");
    let made = key.create(&wish(ANN));
    let (status, added) = post("/v1/passkeys", &[&basic(ANN)], &made);
    assert_eq!((status, &added["label"]), (201, &json!("a key of the test")), "{added}");
    assert_eq!(post("/v1/passkeys", &[&basic(ANN)], &made).0, 422, "it was answered");
    let id = added["id"].as_str().unwrap();
    assert_eq!(rest(&served, "GET", "/v1/passkeys", &[&basic(ANN)], None).1["passkeys"][0]["id"], id);
    assert_eq!(rest(&served, "GET", "/v1/passkeys", &[&basic(CLEO)], None).1, json!({ "passkeys": [] }));
    assert!(clinic.project.run(&["user", "passkeys", "list", ANN.name]).ok().contains(id));

    let asked = || post("/v1/sessions/passkey/options", &[], &json!({})).1;
    let answer = |key: &mut Authenticator| key.get(&asked());
    let good = answer(&mut key);
    let token = token_of(post("/v1/sessions/passkey", &[], &good));
    assert_eq!(post("/v1/sessions/passkey", &[], &good).0, 401, "its challenge was answered");
    let whoami = |token: &str| rest(&served, "GET", "/v1/whoami", &[&bearer(token)], None);
    assert_eq!(whoami(&token).1["name"], "ann");
    assert_eq!(
        ran(served.psql_with(&served.conninfo(TOKEN_USER), &token).args(["--command", "select current_user"]).output().unwrap())
            .ok()
            .trim(),
        "ann"
    );
    // A page of another site, another site's key, another key, a user who was not verified, another user, a copy.
    for wrong in ["origin", "party", "signature", "unverified", "user", "counter"] {
        let mut other = key.clone();
        other.go_wrong(wrong);
        assert_eq!(post("/v1/sessions/passkey", &[], &answer(&mut other)).0, 401, "{wrong}");
    }
    token_of(post("/v1/sessions/passkey", &[], &answer(&mut key)));
    // A program's token changes nothing of how people sign in.
    let made = clinic.project.run(&["token", "create", ANN.name]).ok();
    assert_eq!(post("/v1/passkeys/options", &[&bearer(made.trim())], &json!({})).0, 403);
    // It is removed, and what it began is over.
    clinic.project.run(&["user", "passkeys", "remove", ANN.name, id]).ok();
    assert_eq!(whoami(&token).0, 401);
    assert_eq!(post("/v1/sessions/passkey", &[], &answer(&mut key)).0, 401);
    clinic.project.run(&["user", "passkeys", "remove", ANN.name, id]).fails(2);
    served.stop();
    let log = reasons(&clinic);
    assert!(log.iter().any(|reason| reason == "passkey_counter"), "{log:?}");
    assert!(log.iter().filter(|reason| *reason == "passkey").count() >= 6, "{log:?}");
}

#[test]
fn without_an_address_for_browsers_there_are_no_passkeys_and_no_page() {
    let clinic = Clinic::new();
    let served = clinic.serve();
    for (method, path, headers) in [
        ("POST", "/v1/sessions/passkey/options", Vec::new()),
        ("POST", "/v1/passkeys/options", vec![basic(ANN)]),
        ("GET", "/sign-in", Vec::new()),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let (status, problem) = rest(&served, method, path, &headers, None);
        assert!([400, 404].contains(&status), "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains("public_url"), "{path}: {problem}");
    }
    served.stop();
}
