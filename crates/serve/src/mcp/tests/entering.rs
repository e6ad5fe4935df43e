//! Who comes in, and with what: sign-in, headers, bodies and messages.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, json_of, message};
use crate::Limits;
use crate::rest::PUBLIC;
use crate::rest::tests::bed::basic;

fn list() -> String {
    message("tools/list", &json!({}))
}

#[tokio::test]
async fn without_credentials_nobody_is_told_anything_by_any_method() {
    let client = Client::new().await;
    assert!(PUBLIC.iter().all(|(_, path)| *path != "/mcp"));
    let mut told = std::collections::BTreeSet::new();
    for method in [Method::GET, Method::POST, Method::DELETE, Method::PUT, Method::PATCH, Method::OPTIONS] {
        for authorization in [None, Some("Bearer polder_wrong"), Some("Bearer"), Some("Digest a")] {
            let mut request = client.bare(method.clone(), "/mcp").body(list());
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 401, "{method} {authorization:?}");
            let mut problem = json_of(answer).await;
            problem.as_object_mut().unwrap().remove("instance");
            told.insert(problem.to_string());
        }
    }
    assert_eq!(told.len(), 1, "{told:?}");
    // The control: the same request with a token, or a name and a password.
    assert_eq!(client.post(list()).send().await.unwrap().status(), 200);
    let person = client.bare(Method::POST, "/mcp").header("authorization", basic("ann", "right: ü")).body(list());
    assert_eq!(person.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn only_messages_are_posted() {
    let client = Client::new().await;
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let answer = client.bare(method.clone(), "/mcp").bearer_auth(crate::rest::tests::bed::TOKEN).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["allow"].as_bytes()), (405, &b"POST"[..]), "{method}");
    }
    for path in ["/mcp/", "/mcp/x", "//mcp", "/MCP"] {
        let answer = client.bare(Method::POST, path).bearer_auth(crate::rest::tests::bed::TOKEN).body(list()).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn a_page_in_a_browser_is_turned_away() {
    let client = Client::new().await;
    for origin in ["https://evil.example", "http://localhost", "null", ""] {
        let answer = client.post(list()).header("origin", origin).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{origin}");
        assert_eq!(json_of(answer).await["type"], "urn:polder:problem:browser");
    }
    assert_eq!(client.post(list()).header("sec-fetch-site", "same-origin").send().await.unwrap().status(), 403);
    // Whatever name someone came by, the headers that only browsers send decide.
    assert_eq!(client.post(list()).header("host", "any.example").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn every_answer_has_the_headers_of_all_answers() {
    let client = Client::new().await;
    let answer = client.post(list()).send().await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((header("x-content-type-options"), header("cache-control")), ("nosniff".to_owned(), "no-store".to_owned()));
    assert_eq!(header("polder-request").len(), 32);
    assert!(answer.headers().get("mcp-session-id").is_none());
}

#[tokio::test]
async fn a_body_that_is_too_long_is_not_read() {
    let client = Client::limited(Limits { message_bytes: 2_000, ..Limits::default() }).await;
    let padded = |bytes: usize| {
        let empty = message("tools/list", &json!({"_meta": {"pad": ""}})).len();
        message("tools/list", &json!({"_meta": {"pad": "a".repeat(bytes - empty)}}))
    };
    assert_eq!(client.post(padded(2_000)).send().await.unwrap().status(), 200);
    assert_eq!(client.post(padded(2_001)).send().await.unwrap().status(), 413);
    assert_eq!(client.post(padded(1 << 20)).send().await.unwrap().status(), 413);
}

#[tokio::test]
async fn what_is_no_message_is_refused_in_our_own_words() {
    let client = Client::new().await;
    let call = message("tools/call", &json!({"name": "query", "arguments": {"sql": "sample"}}));
    let bodies = [
        String::new(),
        "{".to_owned(),
        "nope".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        "7".to_owned(),
        "[]".to_owned(),
        // A batch, which the protocol does not know any more.
        format!("[{call},{call}]"),
        format!("[{call}]"),
        format!("{call}{call}"),
        call.replace("\"2.0\"", "\"1.0\""),
        call.replace("\"id\":7", "\"id\":{}"),
        call.replace("\"id\":7", "\"id\":1.5"),
        call.replace("\"method\":\"tools/call\"", "\"method\":5"),
        call.replace("\"sql\":\"sample\"", "\"sql\":\"sample\",\"sql\":\"denied\""),
        call.replace("\"method\"", "\"method\":\"ping\",\"m\\u0065thod\""),
        call.replace("\"sample\"", "{\"$serde_json::private::RawValue\":\"\\\"sample\\\"\"}"),
        // Half a character.
        call.replace("\"sample\"", "\"\\ud800\""),
        // An answer, of which none was asked for.
        r#"{"jsonrpc":"2.0","id":7,"result":{}}"#.to_owned(),
    ];
    for body in bodies {
        let answer = client.post(body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{body}");
        let said = answer.text().await.unwrap();
        assert!(serde_json::from_str::<Value>(&said).is_ok() && !said.contains("sample"), "{said}");
    }
    assert_eq!(client.post(b"{\"a\":\"\xff\"}".to_vec()).send().await.unwrap().status(), 400);
    let deep = format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(client.post(deep).send().await.unwrap().status(), 400);
    assert!(client.bed.house.asked.lock().is_empty());
    // The control: it is one without these changes.
    assert_eq!(client.post(call).send().await.unwrap().status(), 200);
    assert_eq!(client.bed.house.asked.lock().len(), 1);
}

#[tokio::test]
async fn headers_that_do_not_fit_are_refused() {
    let client = Client::new().await;
    let with = async |name: &str, value: &str| {
        let mut request = client.post(list()).build().unwrap();
        request.headers_mut().insert(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        let answer = client.http.execute(request).await.unwrap();
        let status = answer.status().as_u16();
        let said = json_of(answer).await;
        assert!(!said.to_string().contains("2030-01-01"), "{said}");
        (status, said["type"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(with("content-type", "text/plain").await.0, 415);
    assert_eq!(with("content-encoding", "gzip").await.0, 415);
    assert_eq!(with("accept", "application/json").await, (406, "urn:polder:problem:not_acceptable".to_owned()));
    assert_eq!(with("accept", "text/html").await.0, 406);
    assert_eq!(with("mcp-protocol-version", "2030-01-01").await, (400, "urn:polder:problem:invalid".to_owned()));
    assert_eq!(with("mcp-protocol-version", "2025-11-25").await.0, 200);
}
