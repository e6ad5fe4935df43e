//! Wrong input: refused with what it is, and never by failing.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderValue, Method, Version};

use super::bed::{Bed, got, question, signed};
use crate::Limits;

const FINE: &str = r#"{"sql":"sample"}"#;

#[tokio::test]
async fn a_body_that_is_no_question_is_refused() {
    let bed = Bed::new();
    let deep = format!("{{\"sql\":{}", "[".repeat(1 << 20));
    for (body, status) in [
        ("", 400),
        ("{", 400),
        (FINE.trim_end_matches('}'), 400),
        (deep.as_str(), 400),
        ("{\"sql\":\"sample\",\"sql\":\"sample\"}", 400),
        ("[]", 422),
        ("{\"sql\":\"sample\",\"dialect\":\"postgres\"}", 422),
        ("{\"sql\":\"echo $1\",\"parameters\":[{\"a\":1}]}", 422),
        ("{\"sql\":\"echo $1\",\"parameters\":[1e999]}", 422),
    ] {
        bed.ask(body.to_owned(), "*/*").await.problem(status);
    }
    bed.ask(Body::from(&b"{\"sql\":\"\xc3\"}"[..]), "*/*").await.problem(400);
    assert!(bed.house.asked.lock().is_empty());
    assert_eq!(bed.ask(FINE, "*/*").await.status, 200);
}

#[tokio::test]
async fn a_body_that_is_not_announced_as_plain_json_is_refused() {
    let bed = Bed::new();
    let with = async |headers: &[(&'static str, &str)]| {
        let mut request = signed(Method::POST, "/v1/query").body(Body::from(FINE)).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
        }
        got(bed.send(request).await).await
    };
    let kind = "content-type";
    for wrong in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/json; charset=utf-16",
        "application/json; x=y",
        "application/json, text/plain",
        "",
        "json",
    ] {
        with(&[(kind, wrong)]).await.problem(415);
    }
    with(&[]).await.problem(415);
    with(&[(kind, "application/json"), (kind, "text/plain")]).await.problem(415);
    for coding in ["gzip", "identity", "br"] {
        with(&[(kind, "application/json"), ("content-encoding", coding)]).await.problem(415);
    }
    assert!(bed.house.asked.lock().is_empty());
    for right in ["application/json", "Application/JSON", "application/json; charset=UTF-8", "application/json;charset=\"utf-8\""] {
        assert_eq!(with(&[(kind, right)]).await.status, 200, "{right}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused_however_it_comes() {
    let bed = Bed::limited(Limits { message_bytes: 1_000, ..Limits::default() });
    let long = format!("{{\"sql\":\"sample{}\"}}", " ".repeat(1_000));
    bed.ask(long.clone(), "*/*").await.problem(413);
    // Without a length, and without an end.
    let endless = Body::from_stream(futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b"          "))));
    bed.ask(endless, "*/*").await.problem(413);
    bed.get(&format!("/v1/tables?after={}", "a".repeat(9_000))).await.problem(414);
    let headers = signed(Method::GET, "/v1/whoami").header("x", "a".repeat(40_000)).body(Body::empty()).unwrap();
    got(bed.send(headers).await).await.problem(431);
    assert!(bed.house.asked.lock().is_empty());
    let fits = format!("{FINE}{}", " ".repeat(1_000 - FINE.len()));
    assert_eq!(bed.ask(fits, "*/*").await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_or_breaks_off_is_refused() {
    let bed = Bed::limited(Limits { stalled: Duration::from_millis(20), ..Limits::default() });
    let begun = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{\"sql\":"))]);
    bed.ask(Body::from_stream(begun.chain(futures::stream::pending())), "*/*").await.problem(408);
    let broken = futures::stream::iter([Ok(Bytes::from_static(b"{\"sql\":")), Err(std::io::Error::other("gone"))]);
    bed.ask(Body::from_stream(broken), "*/*").await.problem(400);
    assert!(bed.house.asked.lock().is_empty());
}

#[tokio::test]
async fn formats_that_there_are_not_are_refused_before_anything_is_asked() {
    let bed = Bed::new();
    for accept in ["text/html", "application/xml", "application/json;q=0", "image/*", "", "\u{1}"] {
        let mut request = question("*/*").body(Body::from(FINE)).unwrap();
        request.headers_mut().insert("accept", HeaderValue::from_bytes(accept.as_bytes()).unwrap_or(HeaderValue::from_static("x")));
        got(bed.send(request).await).await.problem(406);
    }
    assert!(bed.house.asked.lock().is_empty());
}

#[tokio::test]
async fn http_1_0_which_cannot_tell_a_whole_answer_is_not_spoken() {
    let bed = Bed::new();
    for version in [Version::HTTP_09, Version::HTTP_10] {
        got(bed.send(question("*/*").version(version).body(Body::from(FINE)).unwrap()).await).await.problem(400);
    }
    assert_eq!(bed.send(question("*/*").version(Version::HTTP_2).body(Body::from(FINE)).unwrap()).await.status(), 200);
}

#[tokio::test]
async fn a_purpose_comes_by_body_or_header_and_is_one() {
    let bed = Bed::new();
    let ask = async |body: &str, headers: &[&[u8]]| {
        let mut request = question("*/*").body(Body::from(body.to_owned())).unwrap();
        for value in headers {
            request.headers_mut().append("polder-purpose", HeaderValue::from_bytes(value).unwrap());
        }
        got(bed.send(request).await).await
    };
    let billing = r#"{"sql":"sample","purpose":"billing"}"#;
    for (body, headers, purpose) in [
        (FINE, &[][..], None),
        (billing, &[][..], Some("billing")),
        (FINE, &[&b"audit"[..]][..], Some("audit")),
        (billing, &[&b"billing"[..]][..], Some("billing")),
    ] {
        assert_eq!(ask(body, headers).await.status, 200);
        assert_eq!(bed.house.asked.lock().pop().unwrap().purpose.as_deref(), purpose);
    }
    ask(billing, &[b"audit"]).await.problem(400);
    ask(FINE, &[b"audit", b"audit"]).await.problem(400);
    ask(FINE, &[b"caf\xe9"]).await.problem(400);
    ask(&format!(r#"{{"sql":"sample","purpose":"{}"}}"#, "a".repeat(257)), &[]).await.problem(422);
    ask(r#"{"sql":"sample","purpose":"a\r\nX-Injected: 1"}"#, &[]).await.problem(422);
    assert!(bed.house.asked.lock().is_empty());
}
