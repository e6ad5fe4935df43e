//! The sign-in page in a browser that others made: Chromium, with an authenticator of its own, driven over its DevTools protocol.

use std::process::Command;

use super::{Project, bearer, public_clinic, ran, rest};
use crate::served::{ANN, Clinic, Served};
use crate::servers::judge;
use crate::servers::running::program;

/// Runs the script that plays someone at the page; what it saw, as JSON.
fn played(project: &Project, served: &Served, origin: &str) -> serde_json::Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/factors/sign_in.py");
    let mut python = Command::new(judge("POLDER_JUDGE_BROWSER_PYTHON"));
    python.args(["-I", script]).arg(program("chromium")).arg(project.beside("browser")).arg(origin).args([ANN.name, ANN.password]);
    let played = ran(python.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", project.beside("home")).output().unwrap());
    if played.code != Some(0) {
        eprintln!("{}", served.said());
    }
    serde_json::from_str(&played.ok()).unwrap()
}

#[test]
fn a_browser_signs_in_on_the_page_adds_a_passkey_and_signs_in_with_it() {
    let (clinic, origin): (Clinic, String) = public_clinic();
    let served = clinic.serve();
    std::fs::create_dir(clinic.project.beside("home")).unwrap();
    let saw = played(&clinic.project, &served, &origin);
    // What a wrong password is answered, and that it is said to whoever cannot see it.
    assert!(saw["refused"].as_str().unwrap().contains("not right"), "{saw}");
    assert_eq!(saw["by_password"]["name"], "ann");
    let by_passkey = saw["by_passkey"]["token"].as_str().unwrap();
    assert!(by_passkey.starts_with("polders_") && saw["by_passkey"]["token"] != saw["by_password"]["token"], "{saw}");
    assert_eq!(rest(&served, "GET", "/v1/whoami", &[&bearer(by_passkey)], None).1["name"], "ann");
    // The first was signed out on the page.
    let ended = saw["by_password"]["token"].as_str().unwrap();
    assert_eq!(rest(&served, "GET", "/v1/whoami", &[&bearer(ended)], None).0, 401);
    assert_eq!(saw["language"], "fr");
    assert_eq!(saw["violations"], serde_json::json!([]), "nothing that the page's policy forbids was tried");
    let added = rest(&served, "GET", "/v1/passkeys", &[&super::basic(ANN)], None).1;
    assert_eq!(added["passkeys"][0]["label"], "by the browser");
    served.stop();
}
