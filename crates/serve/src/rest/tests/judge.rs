//! Judges that others wrote: one says whether the document is OpenAPI, the other whether the service does what it says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpListener;

use super::bed::{Bed, TOKEN, certificate, serve};
use crate::{Limits, Tls};

fn python() -> PathBuf {
    std::env::var_os("POLDER_JUDGE_REST_PYTHON").map(PathBuf::from).expect("the judge's Python; `cargo xtask test` prepares it")
}

#[test]
fn the_document_is_openapi() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api/openapi.json");
    let judged = |file: &Path| {
        let run =
            std::process::Command::new(python()).args(["-m", "openapi_spec_validator", "--schema", "3.1"]).arg(file).output().unwrap();
        (run.status.success(), format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr)))
    };
    let (valid, said) = judged(&file);
    assert!(valid, "{said}");
    // The control: without the answers of one operation it is none.
    let mut document: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    document["paths"]["/v1/query"]["post"]["responses"] = serde_json::json!({"200": {}});
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("openapi.json");
    std::fs::write(&broken, document.to_string()).unwrap();
    assert!(!judged(&broken).0);
}

/// What schemathesis sends follows the document, and departs from it: no answer is a failure of the server, none is of a status that is not
/// documented or of another shape, and none comes without credentials.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_nothing_over_tls() {
    let (chain, key, pem) = certificate();
    let bed = Bed::with(Limits::default(), Tls::new(vec![chain], key, &[b"h2", b"http/1.1"], false).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("server.pem");
    std::fs::write(&trusted, pem).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (router, context) = (bed.router.clone(), Arc::clone(&bed.context));
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let (acceptor, _) = context.tls.acceptor();
            let router = router.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, peer, router).await;
                }
            });
        }
    });
    let mut judge = std::process::Command::new(python());
    judge.args([
        "-m",
        "schemathesis.cli",
        "run",
        &format!("https://{address}/v1/openapi.json"),
        "--header",
        &format!("Authorization: Bearer {TOKEN}"),
    ]);
    judge
        .args(["--max-examples", "20", "--seed", "5", "--generation-deterministic", "--workers", "2", "--no-color", "--tls-verify"])
        .arg(&trusted);
    // A schema cannot say which text is SQL, or how many values a question has.
    judge.args(["--exclude-checks", "positive_data_acceptance"]);
    judge.env_remove("REQUESTS_CA_BUNDLE").current_dir(folder.path());
    let run = tokio::task::spawn_blocking(move || judge.output()).await.unwrap().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}");
    // The control: it did ask, and was answered with rows.
    assert!(bed.house.asked.lock().len() > 5, "{said}");
    assert!(bed.house.computed.load(Ordering::SeqCst) > 0, "{said}");
}
