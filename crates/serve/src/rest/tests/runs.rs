use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use polder_types::RunId;
use serde_json::json;

use super::bed::{Bed, Got, got, signed};
use crate::ports::Ended;

fn order(key: &str, body: &'static str) -> Request<Body> {
    let request = signed(Method::POST, "/v1/runs").header("content-type", "application/json").header("idempotency-key", key);
    request.body(Body::from(body)).unwrap()
}

async fn begun(bed: &Bed, key: &str) -> String {
    let answer = got(bed.send(order(key, r#"{"tables":["flights"]}"#)).await).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["run"].as_str().unwrap().to_owned()
}

/// The events of a stream that ended, comments and the time to wait left out.
fn events(answer: &Got) -> Vec<(String, String, serde_json::Value)> {
    let field = |event: &str, name: &str| {
        let mut lines = event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let (first, more) = (lines.next(), lines.next());
        assert_eq!(more, None, "{event}");
        first.map(str::to_owned)
    };
    let all = answer.text().split("\n\n").filter(|event| field(event, "event").is_some());
    all.map(|event| {
        let data = serde_json::from_str(&field(event, "data").unwrap()).unwrap();
        (field(event, "id").unwrap(), field(event, "event").unwrap(), data)
    })
    .collect()
}

async fn followed(bed: &Bed, run: &str, last: Option<&str>) -> Got {
    let mut request = signed(Method::GET, &format!("/v1/runs/{run}/events"));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    got(bed.send(request.body(Body::empty()).unwrap()).await).await
}

#[tokio::test]
async fn an_order_that_is_sent_again_begins_nothing() {
    let bed = Bed::new();
    let first = got(bed.send(order("one", r#"{"tables":["flights"]}"#)).await).await;
    assert_eq!((first.status.as_u16(), first.header("location")), (202, format!("/v1/runs/{}", "01".repeat(16)).as_str()));
    let again = got(bed.send(order("one", r#" {"tables": ["flights"]} "#)).await).await;
    assert_eq!((again.status.as_u16(), again.json()), (202, first.json()));
    assert_eq!(bed.house.works.orders.lock().len(), 1);
    // Another order under the key is refused; under another key it is another run.
    got(bed.send(order("one", r#"{"pipeline":"flights"}"#)).await).await.problem(422);
    assert_ne!(got(bed.send(order("two", r#"{"pipeline":"flights"}"#)).await).await.json(), first.json());
}

#[tokio::test]
async fn an_order_needs_one_key_and_says_one_thing() {
    let bed = Bed::new();
    let missing = signed(Method::POST, "/v1/runs").header("content-type", "application/json");
    got(bed.send(missing.body(Body::from(r#"{"tables":["flights"]}"#)).unwrap()).await).await.problem(400);
    let mut twice = order("one", r#"{"tables":["flights"]}"#);
    twice.headers_mut().append("idempotency-key", "two".parse().unwrap());
    got(bed.send(twice).await).await.problem(400);
    for key in ["", "a b", "ü", "\"a\"", &"a".repeat(129)] {
        got(bed.send(order_bytes(key)).await).await.problem(400);
    }
    for (body, status) in [
        ("{", 400),
        (r#"{"pipeline":"flights","pipeline":"flights"}"#, 400),
        ("{}", 422),
        ("[]", 422),
        (r#"[null,["flights"]]"#, 422),
        (r#"{"tables":[]}"#, 422),
        (r#"{"tables":null}"#, 422),
        (r#"{"tables":["flights"],"pipeline":null}"#, 422),
        (r#"{"tables":["flights"],"pipeline":"flights"}"#, 422),
        (r#"{"tables":["flights"],"again":true}"#, 422),
        (r#"{"tables":[""]}"#, 422),
        (r#"{"pipeline":7}"#, 422),
        (r#"{"tables":["planes"]}"#, 404),
    ] {
        got(bed.send(order("one", body)).await).await.problem(status);
    }
    let mut plain = order("one", r#"{"tables":["flights"]}"#);
    plain.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    got(bed.send(plain).await).await.problem(415);
    assert!(bed.house.works.orders.lock().is_empty());
    begun(&bed, "one").await;
}

fn order_bytes(key: &str) -> Request<Body> {
    let mut request = order("one", r#"{"tables":["flights"]}"#);
    request.headers_mut().insert("idempotency-key", http::HeaderValue::from_bytes(key.as_bytes()).unwrap());
    request
}

#[tokio::test]
async fn pages_hold_every_run_once_and_the_newest_first() {
    let bed = Bed::new();
    for number in 0..7 {
        begun(&bed, &format!("key-{number}")).await;
    }
    let (mut seen, mut target) = (Vec::new(), "/v1/runs?limit=3".to_owned());
    loop {
        let answer = bed.get(&target).await.json();
        seen.extend(answer["runs"].as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap().to_owned()));
        let Some(next) = answer.get("next") else { break };
        target = format!("/v1/runs?after={}&limit=3", next.as_str().unwrap());
    }
    let expected: Vec<String> = (1..=7).rev().map(|number: u8| RunId([number; 16]).to_string()).collect();
    assert_eq!(seen, expected);
    for query in ["limit=0", "limit=501", "limit=01", "after=7", "after=", "after=QQ", "limit=1&limit=1", "before=3"] {
        bed.get(&format!("/v1/runs?{query}")).await.problem(400);
    }
}

#[tokio::test]
async fn what_is_no_run_that_one_may_know_of_is_not_found_whatever_it_is_called() {
    let bed = Bed::new();
    let run = begun(&bed, "one").await;
    let names =
        ["00".repeat(16), "x".to_owned(), run[..31].to_owned(), run.to_uppercase().replace('0', "A"), "%ff".to_owned(), "..".to_owned()];
    for id in names.iter().map(String::as_str) {
        for (method, rest) in [(Method::GET, ""), (Method::GET, "/events"), (Method::POST, "/cancel")] {
            let request = signed(method, &format!("/v1/runs/{id}{rest}")).body(Body::empty()).unwrap();
            got(bed.send(request).await).await.problem(404);
        }
    }
    assert!(bed.house.works.cancelled.lock().is_empty());
    assert_eq!(bed.get(&format!("/v1/runs/{run}")).await.json()["steps"][0]["counts"]["loaded"], 2);
    let cancel = async || {
        let request = signed(Method::POST, &format!("/v1/runs/{run}/cancel")).body(Body::empty()).unwrap();
        got(bed.send(request).await).await
    };
    assert_eq!(cancel().await.status, 202);
    assert_eq!(*bed.house.works.cancelled.lock(), [RunId([1; 16])]);
    let problem = cancel().await.problem(409);
    assert_eq!(problem.get("sqlstate"), None, "it is no question");
}

#[tokio::test]
async fn a_run_is_followed_to_its_end_and_on_from_where_one_was() {
    let bed = Bed::new();
    let run = begun(&bed, "one").await;
    let all = followed(&bed, &run, None).await;
    assert_eq!((all.status.as_u16(), all.header("content-type"), all.header("cache-control")), (200, "text/event-stream", "no-store"));
    let told = events(&all);
    let kinds: Vec<(&str, &str)> = told.iter().map(|(id, kind, _)| (id.as_str(), kind.as_str())).collect();
    assert_eq!(kinds, [("1", "started"), ("2", "step"), ("3", "ended")]);
    // A name with a line end begins no field of its own.
    assert_eq!((&told[0].2, &told[1].2["step"], &told[2].2["result"]), (&json!({"steps": 1}), &json!("flights\n: x"), &json!("succeeded")));
    for (last, left) in [("0", 3), ("1", 2), ("2", 1)] {
        assert_eq!(events(&followed(&bed, &run, Some(last)).await), told[3 - left..], "{last}");
    }
    let none = followed(&bed, &run, Some("3")).await;
    assert_eq!((none.status.as_u16(), none.body.len()), (204, 0));
    for wrong in ["x", "-1", "", "1.0", "01", "99999999999999999999999"] {
        followed(&bed, &run, Some(wrong)).await.problem(400);
    }
    let json = signed(Method::GET, &format!("/v1/runs/{run}/events")).header("accept", "application/json").body(Body::empty()).unwrap();
    got(bed.send(json).await).await.problem(406);
}

#[tokio::test]
async fn whoever_follows_is_cut_off_with_their_session_or_when_serving_ends() {
    for ended in [true, false] {
        let bed = Bed::new();
        bed.house.works.over.send_replace(false);
        let run = begun(&bed, "one").await;
        let request = signed(Method::GET, &format!("/v1/runs/{run}/events")).body(Body::empty()).unwrap();
        let mut body = bed.send(request).await.into_body();
        let mut told = String::new();
        while !told.contains("event: step") {
            told += std::str::from_utf8(&body.frame().await.unwrap().unwrap().into_data().unwrap()).unwrap();
        }
        assert_eq!(*bed.house.works.following.borrow(), 1);
        if ended {
            bed.house.ended.send_replace(Some(Ended::Revoked));
        } else {
            bed.context.drain.begin();
        }
        // Cut off, and not ended as if all had been told.
        assert!(body.frame().await.is_some_and(|frame| frame.is_err()));
        let mut following = bed.house.works.following.subscribe();
        following.wait_for(|following| *following == 0).await.unwrap();
    }
}
