//! A judge that others wrote: the protocol's official client, over TLS.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::mcp::tools;
use crate::rest::tests::bed::{Bed, LOGGED, TOKEN, certificate};
use crate::{Limits, Tls, Wire, http};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_client_lists_tools_and_asks() {
    let (chain, key, pem) = certificate();
    let bed = Bed::with(Limits::default(), Tls::new(vec![chain], key, http::protocols(Wire::Rest), false).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (router, context) = (bed.router.clone(), Arc::clone(&bed.context));
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            tokio::spawn(http::serve(stream, peer, Wire::Rest, Arc::clone(&context), router.clone()));
        }
    });
    let python = std::env::var_os("POLDER_JUDGE_CLIENTS_PYTHON").map(PathBuf::from);
    let mut client = std::process::Command::new(python.expect("the judge's Python; `cargo xtask test` prepares it"));
    client.arg("-I").arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/mcp/tests/ask.py"));
    client.arg(format!("https://localhost:{port}/mcp")).arg(ca).env_clear().env("POLDER_TOKEN", TOKEN);
    let run = tokio::task::spawn_blocking(move || client.output()).await.unwrap().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut told: Value = serde_json::from_slice(&run.stdout).unwrap();
    let wrong = told.as_object_mut().unwrap().remove("wrong").unwrap();
    assert_ne!(wrong, "let in");
    assert_eq!(told.as_object().unwrap().len(), 2);
    for (mode, version) in [("legacy", "2025-11-25"), ("auto", "2026-07-28")] {
        let told = &told[mode];
        assert_eq!((&told["version"], &told["server"]), (&json!(version), &json!("polder")), "{mode}");
        assert_eq!((&told["instructions"], &told["capabilities"]), (&json!(tools::INSTRUCTIONS), &json!({"tools": {}})), "{mode}");
        assert_eq!(told["tools"], json!({"describe_table": true, "list_tables": true, "query": true}));
        for part in ["query", "tables", "table"] {
            let [failed, text, structured] = told[part].as_array().unwrap().as_slice() else { panic!("{told:#}") };
            assert_eq!((failed, text), (&json!(false), structured), "{part}");
        }
        let answer = &told["query"][1];
        assert_eq!((&answer["request"], &answer["truncated"]), (&json!(LOGGED.to_string()), &json!(true)));
        assert_eq!((answer["rows"].as_array().unwrap().len(), &answer["rows"][1][3]), (2, &json!("")));
        assert_eq!(
            (&told["table"][1]["name"], &told["denied"][0], &told["denied"][1]["kind"]),
            (&json!("flights"), &json!(true), &json!("denied"))
        );
        assert_eq!(told["denied"][2], Value::Null);
    }
}
