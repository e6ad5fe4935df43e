//! Answers that break off, over real connections: the client must notice.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::bed::{Bed, TOKEN, question};
use crate::Limits;
use crate::ports::Ended;

const FORMATS: [&str; 5] =
    ["application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"];

fn client(http2: bool) -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    if http2 { builder.http2_prior_knowledge() } else { builder.http1_only() }.build().unwrap()
}

fn asked(client: &reqwest::Client, address: std::net::SocketAddr, sql: &str, accept: &str) -> reqwest::RequestBuilder {
    let request = client.post(format!("http://{address}/v1/query")).bearer_auth(TOKEN);
    request.header("content-type", "application/json").header("accept", accept).body(format!("{{\"sql\":\"{sql}\"}}"))
}

#[tokio::test]
async fn an_answer_that_fails_on_its_way_is_an_error_to_the_client() {
    let bed = Bed::new();
    let address = bed.listen().await;
    for http2 in [false, true] {
        let client = client(http2);
        for accept in FORMATS {
            let answer = asked(&client, address, "late", accept).send().await.unwrap();
            assert_eq!(answer.status(), 200, "it had begun");
            assert!(answer.bytes().await.is_err(), "{accept}, HTTP/2 {http2}");
            // The control: the same without the failure is no error.
            assert!(!asked(&client, address, "sample", accept).send().await.unwrap().bytes().await.unwrap().is_empty());
        }
    }
}

/// The body of an answer, and whether its last chunk came.
async fn raw(address: std::net::SocketAddr, sql: &str, accept: &str) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = format!("{{\"sql\":\"{sql}\"}}");
    let head = format!(
        "POST /v1/query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\nAccept: {accept}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // Whether the connection is closed or reset, what came before stands.
    let _ = stream.read_to_end(&mut bytes).await;
    let line = |bytes: &[u8]| bytes.windows(2).position(|pair| pair == b"\r\n");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 200 ") && head.contains("transfer-encoding: chunked"), "{head}");
    let (mut rest, mut body) = (&bytes[end + 4..], Vec::new());
    while let Some(at) = line(rest) {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        if length == 0 {
            assert_eq!(rest, b"0\r\n\r\n");
            return (body, true);
        }
        body.extend_from_slice(&rest[at + 2..at + 2 + length]);
        rest = &rest[at + 2 + length + 2..];
    }
    (body, false)
}

#[tokio::test]
async fn over_http_1_1_the_last_chunk_does_not_come_and_texts_have_no_end() {
    let bed = Bed::new();
    let address = bed.listen().await;
    for accept in FORMATS {
        let (broken, ended) = raw(address, "late", accept).await;
        assert!(!ended, "{accept}");
        let (whole, ended) = raw(address, "sample", accept).await;
        assert!(ended, "{accept}");
        let ends_line = (whole.ends_with(b"\n"), broken.ends_with(b"\n"));
        match accept {
            "application/json" => {
                assert!(serde_json::from_slice::<serde_json::Value>(&whole).is_ok());
                assert!(serde_json::from_slice::<serde_json::Value>(&broken).is_err());
            }
            "application/x-ndjson" | "text/csv" => assert_eq!(ends_line, (true, false), "{accept}"),
            "application/vnd.apache.parquet" => {
                assert_eq!((whole.ends_with(b"PAR1"), broken.ends_with(b"PAR1")), (true, false));
            }
            // Its end is a mark that readers may do without.
            _ => {
                assert!(whole.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]) && !broken.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]))
            }
        }
    }
}

#[tokio::test]
async fn an_answer_ends_with_its_session() {
    let bed = Bed::new();
    let address = bed.listen().await;
    for http2 in [false, true] {
        let mut answer = asked(&client(http2), address, "hangs", "text/csv").send().await.unwrap();
        assert!(answer.chunk().await.unwrap().is_some());
        bed.house.ended.send_replace(Some(Ended::Revoked));
        assert!(answer.chunk().await.is_err());
        bed.house.streams.subscribe().wait_for(|streams| *streams == 0).await.unwrap();
        bed.house.ended.send_replace(None);
    }
}

#[tokio::test]
async fn an_answer_that_runs_when_serving_ends_comes_to_its_end() {
    let bed = Bed::new();
    let address = bed.listen().await;
    let answer = asked(&client(false), address, "many", "text/csv").send().await.unwrap();
    bed.context.drain.begin();
    assert_eq!(answer.text().await.unwrap().lines().count(), 5_000 * 64 + 1);
}

#[tokio::test]
async fn whoever_leaves_stops_the_query() {
    let bed = Bed::new();
    let address = bed.listen().await;
    for http2 in [false, true] {
        let answer = asked(&client(http2), address, "endless", "text/csv").send().await.unwrap();
        assert_eq!(*bed.house.streams.borrow(), 1);
        drop(answer);
        bed.house.streams.subscribe().wait_for(|streams| *streams == 0).await.unwrap();
    }
}

#[tokio::test]
async fn rows_are_computed_as_they_are_taken() {
    let bed = Bed::new();
    let answer = bed.send(question("text/csv").body(r#"{"sql":"endless"}"#.into()).unwrap()).await;
    let mut body = answer.into_body();
    for _ in 0..10 {
        assert!(body.frame().await.unwrap().is_ok());
    }
    // Ten pieces were taken; one lies ready, and one waits for its place.
    let computed = bed.house.computed.load(Ordering::SeqCst);
    assert!((10..=12).contains(&computed), "{computed}");
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_stopped_and_does_not_look_whole() {
    let bed = Bed::limited(Limits { stalled: Duration::from_millis(20), ..Limits::default() });
    let answer = bed.send(question("text/csv").body(r#"{"sql":"endless"}"#.into()).unwrap()).await;
    bed.house.streams.subscribe().wait_for(|streams| *streams == 0).await.unwrap();
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test]
async fn no_more_questions_are_answered_than_may_be() {
    let bed = Bed::limited(Limits { connections: 2, ..Limits::default() });
    let ask = async || bed.send(question("text/csv").body(r#"{"sql":"hangs"}"#.into()).unwrap()).await;
    let (one, two) = (ask().await, ask().await);
    assert_eq!((one.status().as_u16(), two.status().as_u16()), (200, 200));
    assert_eq!(ask().await.status(), 503);
    drop(one);
    bed.house.streams.subscribe().wait_for(|streams| *streams == 1).await.unwrap();
    drop(two);
    bed.house.streams.subscribe().wait_for(|streams| *streams == 0).await.unwrap();
}
