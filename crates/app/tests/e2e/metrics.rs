//! The listener for metrics: who reads them, and that they move with what happens.

use std::process::{Command, Stdio};

use crate::harness::{Ran, ran};
use crate::served::{ANN, BEN, Clinic, Served};

const POLICY: &str =
    "@id(\"prometheus-reads-metrics\")\npermit (principal == Service::\"prometheus\", action == Action::\"ReadMetrics\", resource);\n";

/// A clinic with a listener for metrics, and a token of a service that may read them.
fn clinic() -> (Clinic, String) {
    let clinic = Clinic::new();
    let polder = std::fs::read_to_string(clinic.project.dir().join("polder.yaml")).unwrap();
    let with = polder.replace("rest: \"127.0.0.1:0\"}", "rest: \"127.0.0.1:0\", metrics: \"127.0.0.1:0\"}");
    assert_ne!(with, polder);
    clinic.project.write("polder.yaml", with);
    clinic.project.write("policies/metrics.cedar", POLICY);
    clinic.project.run(&["service", "add", "prometheus"]).ok();
    let token = clinic.project.run(&["token", "create", "prometheus", "--wire", "metrics"]).ok().trim().to_owned();
    (clinic, token)
}

fn get(served: &Served, path: &str, more: &[&str]) -> Ran {
    let mut curl = Command::new("curl");
    curl.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    curl.args(["--disable", "--silent", "--show-error", "--fail-with-body", "--tlsv1.3", "--cacert"]).arg(served.ca()).args(more);
    ran(curl.arg(format!("https://localhost:{}{path}", served.port("metrics"))).output().unwrap())
}

fn scrape(served: &Served, token: &str) -> Ran {
    get(served, "/metrics", &["--header", &format!("Authorization: Bearer {token}")])
}

/// The number of a series; 0 where it is not there yet.
fn number(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |number| number.parse().unwrap_or_else(|_| panic!("{series}: {number}")))
}

#[test]
fn metrics_move_with_what_happens_and_name_nobody() {
    let (clinic, token) = clinic();
    let served = clinic.serve();
    let before = scrape(&served, &token).ok();
    assert!(before.ends_with("# EOF\n"), "{before}");
    assert_eq!(served.rows(ANN, "select id from visits").len(), 3);
    served.asked(ANN, "select nothing from visits").fails(1);
    let wrong = served.psql_with(&served.conninfo(BEN.name), "not-the-password-of-ben").args(["--command", "select 1"]).output();
    ran(wrong.unwrap()).fails(2);
    let after = scrape(&served, &token).ok();
    for (series, more) in [
        ("polder_sign_ins_total{wire=\"postgres\",method=\"scram\"}", 2.0),
        ("polder_sign_in_refusals_total{wire=\"postgres\",reason=\"password\"}", 1.0),
        ("polder_questions_total{outcome=\"answered\"}", 1.0),
        ("polder_rows_sent_total", 3.0),
    ] {
        assert_eq!(number(&after, series) - number(&before, series), more, "{series}:\n{after}");
    }
    assert!(number(&after, "polder_log_entries") > number(&before, "polder_log_entries"), "{after}");
    assert!(number(&after, "polder_recording_duration_seconds_count") > 0.0, "{after}");
    assert_eq!(number(&after, "polder_connections{wire=\"metrics\"}"), 1.0, "{after}");
    assert!(number(&after, "polder_certificate_remaining_seconds") > 80.0 * 86_400.0, "{after}");
    assert!(number(&after, "process_resident_memory_bytes") > 1_000_000.0, "{after}");
    assert!(number(&after, "process_open_fds") > 0.0, "{after}");
    for private in ["ann", "ben", "cleo", "loader", "prometheus", "visits", "samples", "patient", "Lovelace", "north", "127.0.0.1"] {
        assert!(!after.contains(private), "{private}:\n{after}");
    }
    served.stop();
    // Who reads them is in the log.
    let decided = clinic.log_of("read_decided", "service:prometheus");
    assert!(!decided.is_empty() && decided[0]["details"]["policies"][0] == "prometheus-reads-metrics", "{decided:#?}");
}

#[test]
fn nobody_reads_metrics_without_sign_in_and_permission() {
    let (clinic, token) = clinic();
    let project = &clinic.project;
    let served = clinic.serve();
    // Without a credential, with a wrong one, and with a token that is for other ways in.
    let elsewhere = project.run(&["token", "create", "prometheus", "--wire", "rest"]).ok().trim().to_owned();
    get(&served, "/metrics", &[]).fails(22);
    for wrong in ["polder_wrong", &elsewhere] {
        let refused = scrape(&served, wrong);
        assert!(refused.out.contains("\"status\":401"), "{refused:?}");
        refused.fails(22);
    }
    // Signed in, and nobody permits it.
    let denied = scrape(&served, &clinic.token);
    assert!(denied.out.contains("\"status\":403") && denied.out.contains("ReadMetrics"), "{denied:?}");
    assert!(!denied.out.contains("polder_log_entries"), "{denied:?}");
    denied.fails(22);
    // A token for metrics opens nothing else.
    assert_ne!(served.curl("/v1/tables", &["--fail-with-body", "--header", &format!("Authorization: Bearer {token}")]).code, Some(0));
    for path in ["/v1/tables", "/v1/query", "/mcp"] {
        get(&served, path, &["--header", &format!("Authorization: Bearer {token}")]).fails(22);
    }
    // That it is there, and takes questions, is said to anyone.
    for path in ["/livez", "/readyz"] {
        assert_eq!(get(&served, path, &[]).ok(), "{\"status\":\"ok\"}");
    }
    // The control; and what is forbidden from now on is refused from the next time on.
    scrape(&served, &token).ok();
    project.write("policies/forbid.cedar", "@id(\"never\") forbid (principal, action == Action::\"ReadMetrics\", resource);\n");
    scrape(&served, &token).fails(22);
    served.stop();
    let refused: Vec<_> = clinic.log("refused").into_iter().filter(|entry| entry["details"]["action"] == "ReadMetrics").collect();
    let by = |actor: &str| refused.iter().any(|entry| entry["actor"] == actor);
    assert!(by("service:loader") && by("service:prometheus"), "{refused:#?}");
}
