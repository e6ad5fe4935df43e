//! Rows that programs send: what is taken, what is refused before anything of it is read, and what is answered.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::sync::Notify;

use super::bed::{Bed, Got, PUSHED_MAX_BYTES, got, signed};
use crate::Limits;
use crate::ports::PushFormat;

const ORDERS: &str = "/v1/ingest/shop/orders";
const LINE: &str = "{\"id\": 1}\n";
const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order","data":{"id":1}}"#;
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
const KEY: (&str, &str) = ("idempotency-key", "one");

fn request(target: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = signed(Method::POST, target).body(body.into()).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request
}

async fn sent(bed: &Bed, target: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Got {
    got(bed.send(request(target, headers, body)).await).await
}

#[tokio::test]
async fn each_form_is_taken_and_events_become_a_list() {
    let bed = Bed::new();
    let attributes = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/shop"), ("ce-type", "order")];
    let list = format!("[{EVENT}]");
    for (kind, body, format) in [
        ("application/x-ndjson", LINE, PushFormat::Ndjson),
        ("application/x-ndjson; charset=UTF-8", LINE, PushFormat::Ndjson),
        ("text/csv; header=present", "id\n1\n", PushFormat::Csv),
        ("application/vnd.apache.arrow.stream", "", PushFormat::Arrow),
        ("application/cloudevents+json; charset=utf-8", EVENT, PushFormat::Events),
        ("application/cloudevents-batch+json", list.as_str(), PushFormat::Events),
        ("application/json", "{\"id\":1}", PushFormat::Events),
    ] {
        let mut headers = vec![("content-type", kind), KEY];
        headers.extend(attributes.iter().filter(|_| kind == "application/json"));
        let answer = sent(&bed, ORDERS, &headers, body.to_owned()).await;
        assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
        let (taken, key, bytes) = bed.house.pushed.lock().pop().unwrap();
        assert_eq!((taken, key.as_str()), (format, "one"), "{kind}");
        match format {
            PushFormat::Events => {
                let events: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
                assert_eq!((events.len(), events[0]["data"]["id"].to_string().as_str()), (1, "1"), "{kind}");
            }
            _ => assert_eq!(bytes, body.as_bytes(), "{kind}"),
        }
    }
}

#[tokio::test]
async fn the_answer_says_what_came_of_each_row() {
    let bed = Bed::new();
    let answer = sent(&bed, ORDERS, &[NDJSON, KEY], LINE).await;
    let expected = serde_json::json!({
        "run": "07".repeat(16), "batch": 3, "read": 2, "loaded": 1, "rejected": 0, "quarantined": 1,
        "verdicts": [{"row": 2, "verdict": "quarantined", "column": "amount", "rule": "maximum", "reason": "the value is too large"}],
        "verdicts_truncated": false,
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("polder-replayed"), "");
    let again = sent(&bed, ORDERS, &[NDJSON, ("idempotency-key", "again")], LINE).await;
    assert_eq!((again.json(), again.header("polder-replayed")), (expected.clone(), "true"));
    // Where nothing was loaded the same stands in the problem.
    let rejected = sent(&bed, ORDERS, &[NDJSON, ("idempotency-key", "rejected")], LINE).await.problem(422);
    assert_eq!((&rejected["load"], rejected["type"].as_str()), (&expected, Some("urn:polder:problem:rejected")));
    let other = sent(&bed, ORDERS, &[NDJSON, ("idempotency-key", "other")], LINE).await.problem(422);
    assert_eq!((other["type"].as_str(), other.get("load")), (Some("urn:polder:problem:other_body"), None));
    let crowded = sent(&bed, ORDERS, &[NDJSON, ("idempotency-key", "crowded")], LINE).await;
    crowded.problem(429);
    assert_eq!(crowded.header("retry-after"), "1");
    sent(&bed, ORDERS, &[NDJSON, ("idempotency-key", "full")], LINE).await.problem(503);
}

#[tokio::test]
async fn headers_that_do_not_fit_are_refused_before_anyone_is_asked() {
    let bed = Bed::new();
    let long = "k".repeat(129);
    for headers in [
        vec![NDJSON],
        vec![NDJSON, ("idempotency-key", "")],
        vec![NDJSON, ("idempotency-key", &long)],
        vec![NDJSON, ("idempotency-key", "caf\u{e9}")],
        vec![NDJSON, ("idempotency-key", "a\tb")],
        vec![NDJSON, KEY, KEY],
    ] {
        sent(&bed, ORDERS, &headers, LINE).await.problem(400);
    }
    for kind in [
        "application/json",
        "text/plain",
        "application/x-ndjson; charset=latin-1",
        "text/csv; header=absent",
        "text/csv; x=y",
        "application/vnd.apache.arrow.stream; charset=utf-8",
        "application/vnd.apache.arrow.file",
        "",
        "ndjson",
    ] {
        sent(&bed, ORDERS, &[("content-type", kind), KEY], LINE).await.problem(415);
    }
    sent(&bed, ORDERS, &[KEY], LINE).await.problem(415);
    sent(&bed, ORDERS, &[NDJSON, NDJSON, KEY], LINE).await.problem(415);
    for coding in ["gzip", "zstd", "identity"] {
        sent(&bed, ORDERS, &[NDJSON, KEY, ("content-encoding", coding)], LINE).await.problem(415);
    }
    sent(&bed, &format!("{ORDERS}?x=y"), &[NDJSON, KEY], LINE).await.problem(400);
    sent(&bed, ORDERS, &[NDJSON, KEY, ("accept", "text/csv")], LINE).await.problem(406);
    assert!(bed.house.begun.lock().is_empty());
    // The longest key, with every sign that may stand there.
    let longest = format!("!~ {}", "k".repeat(125));
    assert_eq!(sent(&bed, ORDERS, &[NDJSON, ("idempotency-key", &longest)], LINE).await.status, 200);
}

/// A body that fails the test when something of it is read.
fn untouched() -> Body {
    Body::from_stream(futures::stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, std::io::Error>>> {
        panic!("the body is read before it is decided")
    }))
}

#[tokio::test]
async fn nothing_of_a_body_is_read_for_who_may_not_send_it() {
    let bed = Bed::new();
    let mut told = std::collections::BTreeSet::new();
    for target in ["/v1/ingest/shop/none", "/v1/ingest/none/orders", "/v1/ingest/shop/..", "/v1/ingest/%2e%2e/orders", "/v1/ingest/a/%ff"] {
        let mut problem = sent(&bed, target, &[NDJSON, KEY], untouched()).await.problem(404);
        problem.as_object_mut().unwrap().remove("instance");
        told.insert(problem.to_string());
    }
    assert_eq!(told.len(), 1, "{told:?}");
    // Nor of one that the dataset does not take, or that says that it is too long.
    sent(&bed, "/v1/ingest/shop/lines", &[("content-type", "text/csv"), KEY], untouched()).await.problem(415);
    assert!(bed.house.pushed.lock().is_empty());
}

#[tokio::test]
async fn a_body_is_as_long_as_the_dataset_takes_and_no_longer() {
    let bed = Bed::new();
    let body = "x".repeat(PUSHED_MAX_BYTES);
    assert_eq!(sent(&bed, ORDERS, &[NDJSON, KEY], body.clone()).await.status, 200);
    sent(&bed, ORDERS, &[NDJSON, KEY], format!("{body}x")).await.problem(413);
    // Without its length before it.
    let parts =
        |count: usize| Body::from_stream(futures::stream::iter((0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 1024])))));
    assert_eq!(sent(&bed, ORDERS, &[NDJSON, KEY], parts(4)).await.status, 200);
    sent(&bed, ORDERS, &[NDJSON, KEY], parts(5)).await.problem(413);
    assert_eq!(bed.house.pushed.lock().len(), 2);
}

#[tokio::test]
async fn a_body_that_stops_or_breaks_off_is_no_body() {
    let limits = Limits { stalled: std::time::Duration::from_millis(50), ..Limits::default() };
    let bed = Bed::limited(limits);
    sent(&bed, ORDERS, &[NDJSON, KEY], Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>())).await.problem(408);
    let broken = futures::stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))]);
    sent(&bed, ORDERS, &[NDJSON, KEY], Body::from_stream(broken)).await.problem(400);
    assert!(bed.house.pushed.lock().is_empty());
}

#[tokio::test]
async fn who_sends_when_as_many_do_as_may_is_told_to_try_again() {
    for limits in [Limits { pushes: 1, ..Limits::default() }, Limits { pushed_bytes: 8 << 10, ..Limits::default() }] {
        let bed = Arc::new(Bed::limited(limits));
        let gate = Arc::new(Notify::new());
        // Signed in already, so that the gate holds nobody but who sends.
        bed.get("/v1/whoami").await;
        *bed.house.gate.lock() = Some(Arc::clone(&gate));
        let first = tokio::spawn({
            let bed = Arc::clone(&bed);
            async move { sent(&bed, ORDERS, &[NDJSON, KEY], "x".repeat(PUSHED_MAX_BYTES)).await.status }
        });
        while bed.house.pushed.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        let refused = sent(&bed, ORDERS, &[NDJSON, KEY], "x".repeat(PUSHED_MAX_BYTES)).await;
        refused.problem(429);
        assert_eq!(refused.header("retry-after"), "1");
        gate.notify_one();
        assert_eq!(first.await.unwrap(), 200);
        *bed.house.gate.lock() = None;
        assert_eq!(sent(&bed, ORDERS, &[NDJSON, KEY], LINE).await.status, 200, "the place is given back");
    }
}

#[tokio::test]
async fn nothing_is_taken_when_serving_ends() {
    let bed = Bed::new();
    bed.get("/v1/whoami").await;
    bed.context.drain.begin();
    sent(&bed, ORDERS, &[NDJSON, KEY], LINE).await.problem(503);
    assert!(bed.house.begun.lock().is_empty());
}

#[test]
fn no_body_of_events_is_a_defect() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bed = runtime.block_on(async { Bed::new() });
    let kinds = ["application/cloudevents+json", "application/cloudevents-batch+json", "application/json"];
    let mut runner = TestRunner::default();
    let body = proptest::string::bytes_regex("(?s-u:[\\[\\]{}\",:a-z0-9\\x00-\\xff]{0,64})").unwrap();
    runner
        .run(&(body, 0..kinds.len()), |(body, kind)| {
            let headers =
                [("content-type", kinds[kind]), KEY, ("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "s"), ("ce-type", "t")];
            let status = runtime.block_on(sent(&bed, ORDERS, &headers, body)).status.as_u16();
            prop_assert!(matches!(status, 200 | 400 | 422), "{status}");
            Ok(())
        })
        .unwrap();
}
