//! Client certificates of services: who comes in by one, who does not, and what becomes of it when it is revoked.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Project, Ran, ran};
use crate::served::{ANN, Clinic, ENDLESS, LOADER, Served};
use crate::servers::judge;

const WHO: &str = "select current_user";

/// A clinic whose listeners ask for certificates, and whose authority is there.
fn clinic(asked: &str, more: &str) -> Clinic {
    let clinic = Clinic::new();
    let polder = std::fs::read_to_string(clinic.project.dir().join("polder.yaml")).unwrap();
    let before = "    listeners: {postgres: \"127.0.0.1:0\", flight: \"127.0.0.1:0\", rest: \"127.0.0.1:0\"}\n";
    assert!(polder.contains(before), "{polder}");
    let one = format!("{{address: \"127.0.0.1:0\", client_certificates: {asked}}}");
    let after = format!("    listeners: {{postgres: {one}, flight: {one}, rest: {one}}}\n{more}");
    clinic.project.write("polder.yaml", polder.replace(before, &after));
    clinic
}

/// A certificate and its key.
#[derive(Debug, Clone)]
struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    fn in_dir(dir: &Path, name: &str) -> Self {
        let file = |ending: &str| dir.join(format!("{name}.{ending}")).display().to_string();
        Self { certificate: file("pem"), key: file("key") }
    }
}

fn issue(project: &Project, name: &str, to: &str) -> Pair {
    let dir = project.beside(to);
    project.run(&["service", "certificate", "issue", name, "--out", &dir.display().to_string()]).ok();
    Pair::in_dir(&dir, name)
}

/// What `list` tells of the certificates of a service.
fn listed(project: &Project, name: &str) -> Vec<Value> {
    project.json(&["service", "certificate", "list", name]).as_array().unwrap().clone()
}

fn psql(served: &Served, user: &str, pair: &Pair) -> Command {
    let conninfo = format!("{} sslcert={} sslkey={}", served.conninfo(user), pair.certificate, pair.key);
    // A password that is none: it is asked of nobody who has a certificate.
    served.psql_with(&conninfo, "no-password-of-anyone")
}

fn asked(served: &Served, user: &str, pair: &Pair, sql: &str) -> Ran {
    ran(psql(served, user, pair).args(["--command", sql]).output().unwrap())
}

fn curl(served: &Served, pair: &Pair, more: &[&str]) -> Ran {
    let args: Vec<&str> = ["--cert", &pair.certificate, "--key", &pair.key].into_iter().chain(more.iter().copied()).collect();
    served.curl("/v1/whoami", &args)
}

fn flight(served: &Served, pair: &Pair, sql: &str) -> Ran {
    let mut python = Command::new(judge("POLDER_JUDGE_CLIENTS_PYTHON"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/clients/ask_flight.py");
    python.args(["-I", script, &format!("grpc+tls://localhost:{}", served.port("flight"))]).arg(served.ca()).arg(sql);
    python.env_clear().env("PATH", "/usr/bin:/bin").env("POLDER_CERT", &pair.certificate).env("POLDER_KEY", &pair.key);
    ran(python.output().unwrap())
}

#[test]
fn a_service_comes_in_by_its_certificate_on_every_wire() {
    let clinic = clinic("required", "");
    let project = &clinic.project;
    // One made before anyone serves, and one by the process that serves: its key is made on this side all the same.
    let before = issue(project, LOADER, "before");
    let served = clinic.serve();
    let during = issue(project, LOADER, "during");
    for pair in [&before, &during] {
        let mode = std::fs::metadata(&pair.key).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{pair:?}");
        assert_eq!(asked(&served, LOADER, pair, WHO).ok(), "loader\n");
        let who: Value = serde_json::from_str(&curl(&served, pair, &["--fail-with-body"]).ok()).unwrap();
        assert_eq!(who["principal"], "service:loader");
        assert_eq!(flight(&served, pair, "select count(*) from visits").ok().trim(), "[[6]]");
    }
    // It sees what its policies say, and no more.
    asked(&served, LOADER, &before, "select * from samples").fails(1);
    // A certificate alone is asked for: without one nobody comes in, whatever they know.
    ran(served.psql(ANN).args(["--command", WHO]).output().unwrap()).fails(2);
    assert_ne!(served.curl("/v1/whoami", &["--user", &format!("{}:{}", ANN.name, ANN.password)]).code, Some(0));
    // A token beside it must be of the same account; a person has no certificate to show.
    let bearer = format!("Authorization: Bearer {}", clinic.token);
    curl(&served, &before, &["--fail-with-body", "--header", &bearer]).ok();
    curl(&served, &before, &["--fail-with-body", "--user", &format!("{}:{}", ANN.name, ANN.password)]).fails(22);
    served.stop();
    let let_in = clinic.log_of("signed_in", "service:loader");
    for wire in ["postgres", "rest", "flight"] {
        let by = |method: &str| let_in.iter().any(|entry| entry["details"]["wire"] == wire && entry["details"]["method"] == method);
        assert!(by("certificate"), "{wire}: {let_in:#?}");
    }
    let fingerprint = listed(project, LOADER)[0]["fingerprint"].as_str().unwrap().to_owned();
    assert!(let_in.iter().any(|entry| entry["private"]["certificate"] == fingerprint), "{let_in:#?}");
    let refused = clinic.log("sign_in_refused");
    let reasons: Vec<&str> = refused.iter().map(|entry| entry["details"]["reason"].as_str().unwrap()).collect();
    assert!(reasons.contains(&"certificate_missing") && reasons.contains(&"owner"), "{reasons:?}");
    // No key lies in the store, or anywhere but where it was written.
    let key = std::fs::read_to_string(&during.key).unwrap();
    let body: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
    for file in project.store_files() {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(40).any(|window| window == &body.as_bytes()[..40]), "{}", file.display());
    }
}

#[test]
fn a_certificate_of_another_account_is_refused_and_a_password_is_taken_where_it_is_only_accepted() {
    let clinic = clinic("accepted", "");
    let project = &clinic.project;
    let own = issue(project, LOADER, "own");
    let served = clinic.serve();
    assert_eq!(asked(&served, LOADER, &own, WHO).ok(), "loader\n");
    // Another's name, whoever it is of, and a person's.
    for other in [ANN.name, "nobody"] {
        let refused = asked(&served, other, &own, WHO).fails(2);
        assert!(refused.contains("sign in: the name, the password or the token is wrong"), "{refused}");
    }
    // Without a certificate everything is as it was.
    assert_eq!(served.rows(ANN, WHO), ["ann"]);
    // What a request says of itself decides.
    let who: Value = serde_json::from_str(&curl(&served, &own, &["--user", &format!("{}:{}", ANN.name, ANN.password)]).ok()).unwrap();
    assert_eq!(who["principal"], "user:ann");
    served.stop();
}

#[test]
fn a_certificate_that_nobody_bound_lets_nobody_in_whoever_signed_it() {
    let clinic = clinic("accepted", "    tls: {client_ca: clients-ca.pem}\n");
    let project = &clinic.project;
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    project.write("clients-ca.pem", &ours.pem);
    let (bound, unbound, foreign) =
        (ours.issue(project, "bound", true), ours.issue(project, "unbound", true), theirs.issue(project, "foreign", true));
    let for_servers = ours.issue(project, "server", false);
    let served = clinic.serve();
    let add = |pair: &Pair| project.run(&["service", "certificate", "add", LOADER, "--certificate", &pair.certificate]);
    add(&bound).ok();
    add(&foreign).ok();
    assert!(add(&for_servers).fails(2).contains("it is not for clients"));
    assert_eq!(asked(&served, LOADER, &bound, WHO).ok(), "loader\n");
    // Signed by an authority that is taken, and in nobody's account.
    asked(&served, LOADER, &unbound, WHO).fails(2);
    curl(&served, &unbound, &["--fail-with-body"]).fails(22);
    // In an account, and signed by one that is not taken.
    asked(&served, LOADER, &foreign, WHO).fails(2);
    asked(&served, LOADER, &for_servers, WHO).fails(2);
    // Other authorities are taken from the signal on.
    project.write("clients-ca.pem", &theirs.pem);
    served.signal(Signal::HUP);
    while !served.said().contains("another certificate is shown from now on") {
        std::thread::yield_now();
    }
    assert_eq!(asked(&served, LOADER, &foreign, WHO).ok(), "loader\n");
    asked(&served, LOADER, &bound, WHO).fails(2);
    served.stop();
    let refused = clinic.log("sign_in_refused");
    let reasons: Vec<&str> = refused.iter().map(|entry| entry["details"]["reason"].as_str().unwrap()).collect();
    for reason in ["certificate", "certificate_issuer", "certificate_purpose"] {
        assert!(reasons.contains(&reason), "{reason}: {reasons:?}");
    }
}

#[test]
fn revoking_a_certificate_ends_what_it_began_in_the_midst_of_an_answer() {
    let clinic = clinic("accepted", "");
    let project = &clinic.project;
    project.run(&["group", "join", "analysts", LOADER]).ok();
    let (revoked, other) = (issue(project, LOADER, "one"), issue(project, LOADER, "two"));
    let served = clinic.serve();
    let mut child = psql(&served, LOADER, &revoked)
        .args(["--command", &format!("copy ({ENDLESS}) to stdout")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut rows = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    assert!(rows.read_line(&mut first).unwrap() > 0, "no row came");
    let fingerprint = fingerprint_of(project, &revoked);
    project.run(&["service", "certificate", "revoke", &fingerprint[..16]]).ok();
    // It has no end of its own.
    std::io::copy(&mut rows, &mut std::io::sink()).unwrap();
    let ended = ran(child.wait_with_output().unwrap());
    assert!(ended.code != Some(0), "{ended:?}");
    asked(&served, LOADER, &revoked, WHO).fails(2);
    curl(&served, &revoked, &["--fail-with-body"]).fails(22);
    assert_eq!(asked(&served, LOADER, &other, WHO).ok(), "loader\n");
    let again = project.run(&["service", "certificate", "revoke", &fingerprint]).fails(2);
    assert!(again.contains("is revoked already"), "{again}");
    project.run(&["service", "revoke", LOADER]).ok();
    asked(&served, LOADER, &other, WHO).fails(2);
    served.stop();
    let states: Vec<Value> = listed(project, LOADER).into_iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["revoked", "revoked"]);
    assert_eq!(clinic.project.json(&["service", "show", LOADER])["certificates"].as_array().unwrap().len(), 2);
}

/// The key stays where the request came from.
#[test]
fn a_request_is_signed_and_its_key_is_asked_of_nobody() {
    let clinic = clinic("required", "");
    let project = &clinic.project;
    let (key, request) = (project.beside("service.key"), project.beside("service.csr"));
    let key_pair = KeyPair::generate().unwrap();
    std::fs::write(&key, key_pair.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&request, CertificateParams::default().serialize_request(&key_pair).unwrap().pem().unwrap()).unwrap();
    let request = request.display().to_string();
    let served = clinic.serve();
    let printed = project.run(&["service", "certificate", "issue", LOADER, "--csr", &request, "--wire", "rest", "--days", "7"]).ok();
    let certificate = project.beside("service.pem");
    std::fs::write(&certificate, printed).unwrap();
    let pair = Pair { certificate: certificate.display().to_string(), key: key.display().to_string() };
    curl(&served, &pair, &["--fail-with-body"]).ok();
    // For this way in and no other.
    asked(&served, LOADER, &pair, WHO).fails(2);
    let made = project.json(&["service", "certificate", "issue", LOADER, "--csr", &request]);
    assert!(made["certificate"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"), "{made}");
    // What is no request is refused, and so is whoever may not manage accounts.
    project.write("none.csr", "no request");
    let none = project.run(&["service", "certificate", "issue", LOADER, "--csr", &project.dir().join("none.csr").display().to_string()]);
    assert!(none.fails(2).contains("PKCS #10"));
    let nobody = project.run(&["service", "certificate", "issue", "nobody", "--csr", &request]).fails(2);
    assert!(nobody.contains("there is no service nobody"), "{nobody}");
    let person = project.run(&["service", "certificate", "issue", ANN.name, "--csr", &request]).fails(2);
    assert!(person.contains("ann is a user"), "{person}");
    served.stop();
    project.write("policies/forbid.cedar", "@id(\"never\") forbid (principal, action == Action::\"ManageIdentities\", resource);\n");
    for verb in [
        &["service", "certificate", "issue", LOADER, "--csr", &request][..],
        &["service", "certificate", "list"],
        &["service", "certificate", "revoke", "0123456789"],
        &["service", "certificate", "add", LOADER, "--certificate", &pair.certificate],
    ] {
        assert_eq!(project.run(verb).code, Some(7), "{verb:?}");
    }
}

#[test]
fn another_authority_says_how_many_certificates_it_leaves_behind_and_they_let_nobody_in() {
    let clinic = clinic("accepted", "");
    let project = &clinic.project;
    let pair = issue(project, LOADER, "before");
    let rotated = project.run(&["cert", "rotate", "--authority"]);
    assert!(rotated.err.contains("1 client certificate of the former authority"), "{rotated:?}");
    rotated.ok();
    // Clients must trust it.
    project.run(&["cert", "trust", "--out", &project.beside("ca.pem").display().to_string()]).ok();
    let served = clinic.serve();
    asked(&served, LOADER, &pair, WHO).fails(2);
    assert_eq!(asked(&served, LOADER, &issue(project, LOADER, "after"), WHO).ok(), "loader\n");
    served.stop();
}

#[test]
fn settings_that_cannot_be_are_told() {
    let project = Project::new();
    let polder = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
    for (settings, says) in [
        ("listeners: {rest: {address: '127.0.0.1:0', client_certificates: maybe}}", "is neither accepted nor required"),
        ("listeners: {rest: {address: '127.0.0.1:0', client_certificates: required, tls12: true}}", "cannot be with `tls12`"),
        ("listeners: {rest: {address: '127.0.0.1:0', client_certificate: required}}", "did you mean client_certificates?"),
        ("listeners: {rest: {address: '127.0.0.1:0', client_certificates: required}}\n    tls: {client_ca: gone.pem}", "gone.pem"),
        (
            "listeners: {rest: {address: '127.0.0.1:0', client_certificates: required}}\n    tls: {client_ca: polder.yaml}",
            "`client_ca` of tls",
        ),
    ] {
        project.write("polder.yaml", format!("{polder}    {settings}\n"));
        let ran = project.run(&["serve"]);
        assert!(ran.code != Some(0) && ran.err.contains(says), "{settings}: {ran:?}");
    }
}

/// The fingerprint as the register has it, which is the first of the certificate's bytes hashed.
fn fingerprint_of(project: &Project, pair: &Pair) -> String {
    use rustls::pki_types::pem::PemObject as _;
    let certificate = rustls::pki_types::CertificateDer::from_pem_file(&pair.certificate).unwrap();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate);
    let fingerprint = hex::encode(hash);
    assert!(listed(project, LOADER).iter().any(|one| one["fingerprint"] == fingerprint.as_str()));
    fingerprint
}

/// An authority that is none of Polder's.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        Self { pem: issuer.pem(), issuer }
    }

    fn issue(&self, project: &Project, name: &str, for_clients: bool) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        parameters.extended_key_usages =
            vec![if for_clients { ExtendedKeyUsagePurpose::ClientAuth } else { ExtendedKeyUsagePurpose::ServerAuth }];
        let made = parameters.signed_by(&key, &self.issuer).unwrap();
        let dir: PathBuf = project.beside("theirs");
        std::fs::create_dir_all(&dir).unwrap();
        let pair = Pair::in_dir(&dir, name);
        std::fs::write(&pair.certificate, made.pem()).unwrap();
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
        std::fs::set_permissions(&pair.key, std::fs::Permissions::from_mode(0o600)).unwrap();
        pair
    }
}
