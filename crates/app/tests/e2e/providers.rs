//! Signing in through an identity provider: a certified one (npm `oidc-provider`), behind TLS, in a process of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use polder_types::{Clock as _, SystemClock};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Project, ran};
use crate::served::{ANN, CLEO, Clinic, ENDLESS, Served, secret};
use crate::servers::certificates::{Certificates, Tls};
use crate::servers::home::Home;
use crate::servers::judge;
use crate::servers::port::Port;
use crate::servers::running::{Running, program};

/// What the provider knows Polder by.
const SECRET: &str = "what-the-provider-knows-polder-by";
/// Under this name one signs in with a token over PostgreSQL's protocol.
const TOKEN_USER: &str = "token";

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/providers").join(name)
}

/// A provider, and a clinic whose users sign in through it as `sso`.
struct Bed {
    provider: Running,
    issuer: String,
    certificates: Certificates,
    clinic: Clinic,
    port: Port,
    _home: Home,
}

impl Bed {
    /// Ann is `ann-there` at the provider, and Cleo `cleo-there`; nobody else of it is anybody here.
    fn new() -> Self {
        let (home, port) = (Home::new(), Port::reserve());
        let certificates = Certificates::new(&home, Tls::Trusted);
        let pair = certificates.pair().unwrap();
        let mut node = home.command(&program("node"), "KILL");
        node.arg(script("provider.mjs")).arg(&pair.certificate).arg(&pair.key).arg(SECRET);
        node.arg(format!("https://localhost:{}/v1/sign-in/sso/callback", port.number()));
        node.env("POLDER_JUDGE_NODE_OIDC", judge("POLDER_JUDGE_NODE_OIDC"));
        let ready = |line: &str| line.strip_prefix("ready at ").map(str::to_owned);
        let (provider, issuer) = Running::start(node, Signal::KILL, ready);

        let ca = certificates.ca_file().display();
        let clinic = Clinic::with(&format!(
            "    identity_providers:\n      sso: {{issuer: \"{issuer}\", client_id: polder, client_secret: file:../client.secret, ca: \"{ca}\"}}\n"
        ));
        secret(&clinic.project, "client", SECRET);
        let polder = std::fs::read_to_string(clinic.project.dir().join("polder.yaml")).unwrap();
        let number = port.number();
        let listener = format!("rest: {{address: \"127.0.0.1:{number}\", public_url: \"https://localhost:{number}\"}}");
        let changed = polder.replace("rest: \"127.0.0.1:0\"", &listener);
        assert_ne!(changed, polder);
        clinic.project.write("polder.yaml", changed);
        for (person, subject) in [(ANN, "ann-there"), (CLEO, "cleo-there")] {
            clinic.project.run(&["user", "link", person.name, "--provider", "sso", "--subject", subject]).ok();
        }
        Self { provider, issuer, certificates, clinic, port, _home: home }
    }

    fn project(&self) -> &Project {
        &self.clinic.project
    }

    /// What the browser tells.
    fn browser(&self, served: &Served, verb: &str, at: &str, name: &str, more: &[&str]) -> Value {
        let mut python = Command::new(judge("POLDER_JUDGE_CLIENTS_PYTHON"));
        let authorities = format!("{},{}", self.certificates.ca_file().display(), served.ca().display());
        python.arg("-I").arg(script("browser.py")).args([verb, at, &authorities, name]).args(more);
        serde_json::from_str(&ran(python.env_clear().env("PATH", "/usr/bin:/bin").output().unwrap()).ok()).unwrap()
    }

    /// Someone signs in at the provider; where it sends the browser back to, as a path, and the cookie that the browser has.
    fn sent_back(&self, served: &Served, name: &str) -> (String, String) {
        let origin = format!("https://localhost:{}", self.port.number());
        let told = self.browser(served, "arrive", &format!("{origin}/v1/sign-in/sso"), name, &[]);
        let back = told["back"].as_str().unwrap().strip_prefix(&origin).unwrap_or_else(|| panic!("{told}")).to_owned();
        let cookie = told["cookies"]["__Host-polder-sign-in"].as_str().unwrap_or_else(|| panic!("{told}"));
        (back, format!("Cookie: __Host-polder-sign-in={cookie}"))
    }

    /// An ID token of a client of the provider.
    fn id_token(&self, served: &Served, name: &str, client: &str) -> String {
        let given = self.browser(served, "token", &self.issuer, name, &[client, SECRET]);
        given["id_token"].as_str().unwrap_or_else(|| panic!("{given}")).to_owned()
    }
}

/// The status, the body and the headers of a request.
fn asked(served: &Served, path: &str, more: &[&str]) -> (u16, String, String) {
    let args: Vec<&str> = ["--include", "--max-time", "60"].iter().chain(more).copied().collect();
    let out = served.curl(path, &args).ok();
    let (head, body) = out.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{out}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned(), head.to_owned())
}

#[track_caller]
fn json_of(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// Whom a credential is of, over REST.
fn whoami(served: &Served, token: &str) -> Value {
    let (status, body, _) = asked(served, "/v1/whoami", &["--header", &format!("Authorization: Bearer {token}")]);
    if status == 200 { json_of(&body)["principal"].clone() } else { json!(status) }
}

/// Whom a credential is of, over PostgreSQL's protocol.
fn current_user(served: &Served, token: &str) -> String {
    let mut psql = served.psql_with(&served.conninfo(TOKEN_USER), token);
    ran(psql.args(["--command", "select current_user"]).output().unwrap()).ok().trim().to_owned()
}

const JSON: [&str; 2] = ["--header", "Accept: application/json"];

#[test]
fn a_browser_is_sent_to_the_provider_and_comes_back_once() {
    let bed = Bed::new();
    let served = bed.clinic.serve();
    let (status, body, _) = asked(&served, "/v1/sign-in/providers", &[]);
    assert_eq!((status, json_of(&body)), (200, json!({"providers": ["sso"]})));
    // Where it comes back to is what the file says, whatever the request says of the host.
    let (status, _, head) = asked(&served, "/v1/sign-in/sso", &["--header", "Host: evil.example"]);
    let redirect = format!("redirect_uri=https%3A%2F%2Flocalhost%3A{}%2Fv1%2Fsign-in%2Fsso%2Fcallback", bed.port.number());
    assert!(status == 302 && head.contains(&redirect) && !head.contains("evil"), "{head}");
    for part in ["code_challenge_method=S256", "HttpOnly", "Secure", "SameSite=Lax", "__Host-polder-sign-in="] {
        assert!(head.contains(part), "{part}: {head}");
    }

    let (back, cookie) = bed.sent_back(&served, "ann-there");
    let with = |more: &[&'static str]| [&["--header", cookie.as_str()], more].concat();
    // Another browser, which someone led there with what belongs to the first, is not signed in; and what it brought is spent.
    let (other_back, _) = bed.sent_back(&served, "ann-there");
    let (status, refusal, _) = asked(&served, &other_back, &with(&JSON));
    assert_eq!(status, 403, "{refusal}");
    // A browser that says what browsers say of a way back from another site.
    let browser =
        ["--header", "Sec-Fetch-Site: cross-site", "--header", "Sec-Fetch-Mode: navigate", "--header", "Sec-Fetch-Dest: document"];
    let (status, body, head) = asked(&served, &back, &with(&[&JSON[..], &browser].concat()));
    assert_eq!(status, 201, "{body}");
    assert!(head.contains("__Host-polder-sign-in=;"), "{head}");
    let given = json_of(&body);
    let token = given["token"].as_str().unwrap();
    assert_eq!((given["name"].as_str(), &token[..8]), (Some(ANN.name), "polders_"));
    assert_eq!((whoami(&served, token), current_user(&served, token)), (json!("user:ann"), "ann".to_owned()));
    // She sees what she sees with her password.
    let bearer = format!("Authorization: Bearer {token}");
    let rows = served.posted(&["--header", &bearer], "select id, patient from visits order by id").ok();
    assert_eq!(rows.lines().nth(1), Some("1,***lace"));

    // A second time, with another name of a provider, without the cookie, and made up.
    let elsewhere = back.replace("/sso/", "/other/");
    for path in [back.as_str(), &elsewhere, "/v1/sign-in/sso/callback?state=x&code=y", "/v1/sign-in/sso/callback"] {
        let (status, body, _) = asked(&served, path, &with(&JSON));
        let without_id = |text: &str| json_of(text)["detail"].clone();
        assert_eq!((status, without_id(&body)), (403, without_id(&refusal)), "{path}");
    }
    // A page of another site that only asks is none that is on its way.
    let page = ["--header", "Sec-Fetch-Site: cross-site", "--header", "Sec-Fetch-Mode: cors", "--header", "Sec-Fetch-Dest: empty"];
    let (status, body, _) = asked(&served, "/v1/sign-in/sso", &page);
    assert_eq!((status, &json_of(&body)["type"]), (403, &json!("urn:polder:problem:browser")));

    // Someone whom the provider knows and nobody linked.
    let (back, cookie) = bed.sent_back(&served, "mallory");
    let (status, _, _) = asked(&served, &back, &[&["--header", cookie.as_str()], &JSON[..]].concat());
    assert_eq!(status, 403);
    // A browser that takes pages is sent to the sign-in page with the token behind `#`, which goes to no server.
    let (back, cookie) = bed.sent_back(&served, "ann-there");
    let (status, _, head) = asked(&served, &back, &["--header", &cookie, "--header", "Accept: text/html,*/*;q=0.8"]);
    assert!(status == 303 && head.contains("/sign-in#token=polders_"), "{head}");
    served.stop();

    let entries = bed.clinic.log_of("signed_in", "user:ann");
    let by_provider: Vec<&Value> = entries.iter().filter(|entry| entry["details"]["method"] == "provider").collect();
    assert_eq!(by_provider.len(), 2, "{entries:#?}");
    assert_eq!(by_provider[0]["private"]["provider"], "sso", "{by_provider:#?}");
    let refused = bed.clinic.log("sign_in_refused");
    let of = |reason: &str| refused.iter().filter(|entry| entry["details"]["reason"] == reason).collect::<Vec<_>>();
    assert_eq!((of("state").len(), of("no_provider").len(), of("not_linked").len()), (4, 1, 1), "{refused:#?}");
    // Whoever keeps the accounts can link them by it.
    assert_eq!(of("not_linked")[0]["private"]["provider_subject"], "mallory");
    let log = bed.project().run(&["audit", "show", "--limit", "1000", "--output", "json"]).ok();
    assert!(!log.contains(SECRET) && !log.contains(token), "no secret stands in the log");
}

#[test]
fn the_command_line_signs_in_on_another_device() {
    let bed = Bed::new();
    let served = bed.clinic.serve();
    let server = format!("https://localhost:{}", bed.port.number());
    let file = bed.project().beside("session.token");
    let login = |name: &str| {
        let ca = served.ca().display().to_string();
        let args = ["login", "--server", &server, "--provider", "sso", "--ca", &ca, "--token-file", &file.display().to_string()];
        let mut polder = bed.project().command(&args);
        // It needs no project.
        polder.current_dir("/");
        let mut child = polder.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let told = said.next().unwrap().unwrap();
        assert!(told.starts_with(&format!("go to {}", bed.issuer)), "{told}");
        let page = said.next().unwrap().unwrap();
        bed.browser(&served, "device", page.strip_prefix("or go to ").unwrap(), name, &[]);
        let rest: Vec<String> = said.map(Result::unwrap).collect();
        (ran(child.wait_with_output().unwrap()), rest.join("\n"))
    };
    let (finished, said) = login("ann-there");
    assert_eq!(finished.ok(), "", "the token is in the file alone");
    assert!(said.starts_with("signed in as ann until "), "{said}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert_eq!((whoami(&served, &token), current_user(&served, &token)), (json!("user:ann"), "ann".to_owned()));

    let (finished, said) = login("mallory");
    assert_eq!(finished.code, Some(7), "{said}");
    assert!(said.contains("you are not let in through this provider"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), token, "the file stays as it was");

    // What nobody began is refused as anything else.
    let body = json!({"device": "x".repeat(43)}).to_string();
    let question = ["--header", "Content-Type: application/json", "--data-binary", &body];
    assert_eq!(asked(&served, "/v1/sign-in/sso/device/token", &question).0, 403);
    let wrong = ["--header", "Content-Type: application/json", "--data-binary", "{\"device\": \"x\", \"code\": 1}"];
    assert_eq!(asked(&served, "/v1/sign-in/sso/device/token", &wrong).0, 422);
    served.stop();
    for (server, code) in [("http://localhost:1", 2), ("https://localhost:1/path", 2)] {
        bed.project().run(&["login", "--server", server, "--provider", "sso"]).fails(code);
    }
}

#[test]
fn a_token_of_the_provider_signs_in_on_every_wire_until_the_account_is_disabled() {
    let bed = Bed::new();
    let served = bed.clinic.serve();
    let token = bed.id_token(&served, "ann-there", "polder");
    assert_eq!((whoami(&served, &token), current_user(&served, &token)), (json!("user:ann"), "ann".to_owned()));
    let mut flight = Command::new(judge("POLDER_JUDGE_CLIENTS_PYTHON"));
    let ask = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/clients/ask_flight.py");
    flight
        .args(["-I", ask, &format!("grpc+tls://localhost:{}", served.port("flight"))])
        .arg(served.ca())
        .arg("select count(*) from visits");
    let flight = flight.env_clear().env("PATH", "/usr/bin:/bin").env("POLDER_TOKEN", &token).output().unwrap();
    assert_eq!(ran(flight).ok().trim(), "[[3]]", "the rows that Ann sees");
    // In place of a password the name must be that of whom it is of.
    for (name, status) in [(ANN.name, 200), ("ben", 401)] {
        assert_eq!(asked(&served, "/v1/whoami", &["--user", &format!("{name}:{token}")]).0, status, "{name}");
    }

    // One that another client of the provider was given, one of someone whom nobody linked, and one that was changed.
    let (head, rest) = token.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let changed = format!("{head}.{}.{signature}", claims.chars().rev().collect::<String>());
    let wrong = [bed.id_token(&served, "ann-there", "another"), bed.id_token(&served, "mallory", "polder"), changed];
    for token in &wrong {
        assert_eq!(whoami(&served, token), 401);
    }

    let token_of_cleo = bed.id_token(&served, "cleo-there", "polder");
    let mut psql = served.psql_with(&served.conninfo(TOKEN_USER), &token_of_cleo);
    psql.args(["--command", &format!("copy ({ENDLESS}) to stdout")]);
    let mut child = psql.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut rows = BufReader::new(child.stdout.take().unwrap());
    assert!(rows.read_line(&mut String::new()).unwrap() > 0, "no row came");
    bed.project().run(&["user", "disable", CLEO.name]).ok();
    let disabled_ms = SystemClock.now_ms();
    let mut rest = Vec::new();
    rows.read_to_end(&mut rest).unwrap();
    let ended = ran(child.wait_with_output().unwrap());
    assert!(ended.code != Some(0), "{ended:?}");
    let took_ms = SystemClock.now_ms() - disabled_ms;
    assert!(took_ms < 1_000, "{took_ms} ms");
    assert_eq!((whoami(&served, &token_of_cleo), whoami(&served, &token)), (json!(401), json!("user:ann")));
    served.stop();

    let refused = bed.clinic.log("sign_in_refused");
    let reasons: Vec<&str> = refused.iter().map(|entry| entry["details"]["reason"].as_str().unwrap()).collect();
    for reason in ["owner", "jwt_audience", "not_linked", "disabled"] {
        assert!(reasons.contains(&reason), "{reason}: {reasons:?}");
    }
    let log = bed.project().run(&["audit", "show", "--limit", "1000", "--output", "json"]).ok();
    assert!(wrong.iter().chain([&token]).all(|token| !log.contains(token.as_str())), "no token stands in the log");
}

#[test]
fn a_provider_that_does_not_answer_lets_nobody_in_within_a_second() {
    let bed = Bed::new();
    let served = bed.clinic.serve();
    let device = || {
        let began_ms = SystemClock.now_ms();
        let (status, body, _) = asked(&served, "/v1/sign-in/sso/device", &["--request", "POST"]);
        (status, body, SystemClock.now_ms() - began_ms)
    };
    assert_eq!(device().0, 201);
    // It takes connections, and says nothing any more.
    bed.provider.signal(Signal::STOP);
    let (status, body, took_ms) = device();
    assert_eq!(status, 403, "{body}");
    assert!(took_ms < 1_000, "{took_ms} ms");
    assert!(took_ms > 500, "it was waited for: {took_ms} ms");
    bed.provider.signal(Signal::CONT);
    assert_eq!(device().0, 201, "it is asked again when it is there again");
    // It is gone.
    let Bed { provider, clinic, .. } = bed;
    provider.end(Signal::KILL);
    let (status, _, took_ms) = {
        let began_ms = SystemClock.now_ms();
        let (status, body, _) = asked(&served, "/v1/sign-in/sso/device", &["--request", "POST"]);
        (status, body, SystemClock.now_ms() - began_ms)
    };
    assert!(status == 403 && took_ms < 1_000, "{status} {took_ms} ms");
    served.stop();
    let refused = clinic.log("sign_in_refused");
    let reasons: Vec<&Value> = refused.iter().map(|entry| &entry["details"]["reason"]).collect();
    assert_eq!(reasons, ["provider_unreachable"; 2], "{refused:#?}");
}

#[test]
fn users_are_linked_with_providers_of_the_file_alone() {
    let project = Project::new();
    let polder = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
    let providers = "    identity_providers:\n      sso: {issuer: \"https://sso.example\", client_id: polder}\n";
    project.write("polder.yaml", format!("{polder}{providers}"));
    project.run(&["user", "add", "ann", "--provider", "sso", "--subject", "ann-there"]).ok();
    assert_eq!(project.json(&["user", "show", "ann"])["providers"], json!(["sso: ann-there"]));
    let err = project.run(&["user", "link", "ann", "--provider", "ssoo", "--subject", "x"]).fails(2);
    assert!(err.contains("did you mean sso"), "{err}");
    let err = project.run(&["user", "add", "bob", "--provider", "sso", "--subject", "ann-there"]).fails(2);
    assert!(err.contains("user ann is linked with that subject"), "{err}");
    project.run(&["user", "add", "bob", "--provider", "sso"]).fails(2);
    project.run(&["user", "unlink", "ann"]).ok();
    assert_eq!(project.json(&["user", "show", "ann"])["providers"], json!([]));
    project.run(&["user", "unlink", "ann"]).fails(2);
    let shown = project.json(&["audit", "show", "--type", "identity_changed", "--limit", "100"]);
    let changes: Vec<&str> = shown.as_array().unwrap().iter().map(|entry| entry["details"]["change"].as_str().unwrap()).collect();
    for change in ["account_added", "provider_unlinked"] {
        assert!(changes.contains(&change), "{changes:?}");
    }
    // What is wrong in the file is told with its line.
    for (wrong, told) in [
        ("sso: {issuer: \"http://sso.example\", client_id: polder}", "no https address"),
        ("sso: {issuer: \"https://sso.example\", client_id: polder, client_secret: hunter2}", "no reference to a secret"),
        ("sso: {issuer: \"https://sso.example\", client_id: polder, algorithms: [HS256]}", "no signature that is taken"),
        ("sso: {issuer: \"https://sso.example\", client_id: polder, audience: x}", "did you mean audiences"),
        ("SSO: {issuer: \"https://sso.example\", client_id: polder}", "no name of an identity provider"),
        ("sso: {client_id: polder}", "has no `issuer`"),
    ] {
        project.write("polder.yaml", format!("{polder}    identity_providers:\n      {wrong}\n"));
        let err = project.run(&["user", "list"]).fails(2);
        assert!(err.contains(told) && !err.contains("hunter2"), "{err}");
    }
}
