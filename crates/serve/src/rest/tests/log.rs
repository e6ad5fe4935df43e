use axum::body::Body;
use http::Method;

use super::bed::{Bed, got, signed};

const ROUTES: [&str; 4] = ["/v1/audit/checkpoint", "/v1/audit/entries", "/v1/audit/entries/1/proof", "/v1/audit/consistency?from=2"];

#[tokio::test]
async fn who_may_not_read_the_log_is_given_nothing_of_it() {
    let bed = Bed::new();
    for route in ROUTES {
        assert_eq!(bed.get(route).await.status, 200, "{route}");
    }
    *bed.house.works.auditor.lock() = false;
    for route in ROUTES {
        bed.get(route).await.problem(403);
    }
}

#[tokio::test]
async fn pages_hold_every_entry_once() {
    let bed = Bed::new();
    let (mut seen, mut target) = (Vec::new(), "/v1/audit/entries?limit=2".to_owned());
    loop {
        let answer = bed.get(&target).await.json();
        seen.extend(answer["entries"].as_array().unwrap().iter().map(|entry| entry["index"].as_u64().unwrap()));
        let Some(next) = answer.get("next") else { break };
        target = format!("/v1/audit/entries?limit=2&after={next}");
    }
    assert_eq!(seen, [0, 1, 2]);
    assert_eq!(bed.get("/v1/audit/entries?after=9223372036854775807").await.json()["entries"], serde_json::json!([]));
    for query in ["limit=1025", "after=-1", "after=x", "after=01", "after=9223372036854775808", "from=1"] {
        bed.get(&format!("/v1/audit/entries?{query}")).await.problem(400);
    }
}

#[tokio::test]
async fn what_the_log_has_not_is_not_found_and_what_is_no_number_is_refused() {
    let bed = Bed::new();
    for index in ["3", "x", "-1", "01", "%ff", "99999999999999999999"] {
        bed.get(&format!("/v1/audit/entries/{index}/proof")).await.problem(404);
    }
    bed.get("/v1/audit/consistency?from=4").await.problem(404);
    for query in ["", "?from=x", "?from=1&from=2", "?from=1&to=2"] {
        bed.get(&format!("/v1/audit/consistency{query}")).await.problem(400);
    }
}

#[tokio::test]
async fn a_checkpoint_is_a_text() {
    let bed = Bed::new();
    let note = bed.get("/v1/audit/checkpoint").await;
    assert_eq!((note.header("content-type"), note.text().lines().next()), ("text/plain; charset=utf-8", Some("polder/log")));
    let json = signed(Method::GET, "/v1/audit/checkpoint").header("accept", "application/json").body(Body::empty()).unwrap();
    got(bed.send(json).await).await.problem(406);
}
