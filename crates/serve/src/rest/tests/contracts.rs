use axum::body::Body;
use http::{Method, Request};

use super::bed::{Bed, Got, got, signed};
use super::office::NOTE;

fn post(target: &str, body: String) -> http::Request<Body> {
    signed(Method::POST, target).header("content-type", "application/json").body(Body::from(body)).unwrap()
}

async fn approved(bed: &Bed, seen: Option<&str>, note: &str) -> Got {
    let mut request: Request<Body> = post("/v1/contracts/flights/approvals", serde_json::json!({"note": note}).to_string());
    if let Some(seen) = seen {
        request.headers_mut().insert("if-match", seen.parse().unwrap());
    }
    got(bed.send(request).await).await
}

#[tokio::test]
async fn a_contract_is_shown_and_not_sent_again() {
    let bed = Bed::new();
    let listed = bed.get("/v1/contracts").await;
    assert_eq!(listed.json()["contracts"][0]["name"], "flights");
    let first = bed.get("/v1/contracts/flights").await;
    assert_eq!((&first.json()["text"], &first.json()["approved_by"]), (&"kind: DataContract\n".into(), &serde_json::Value::Null));
    for answer in [listed, first] {
        let target = if answer.json().get("contracts").is_some() { "/v1/contracts" } else { "/v1/contracts/flights" };
        let again = async |tag: &str| {
            let request = signed(Method::GET, target).header("if-none-match", tag).body(Body::empty()).unwrap();
            got(bed.send(request).await).await
        };
        assert_eq!(again(answer.header("etag")).await.status, 304);
        assert_eq!(again("\"x\"").await.status, 200);
    }
    for query in ["limit=0", "limit=1001", "after=%00", "after=QUFB", "x=1"] {
        bed.get(&format!("/v1/contracts?{query}")).await.problem(400);
    }
    assert!(bed.get("/v1/contracts?after=ZmxpZ2h0cw").await.json()["contracts"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_no_contract_that_one_may_know_of_is_not_found_whatever_it_is_called() {
    let bed = Bed::new();
    for name in ["missing", "FLIGHTS", "..%2f..%2fetc%2fpasswd", "%00", "%ff"] {
        bed.get(&format!("/v1/contracts/{name}")).await.problem(404);
        got(bed.send(post(&format!("/v1/contracts/{name}/diff"), r#"{"text":"kind: x"}"#.to_owned())).await).await.problem(404);
        let mut approval = post(&format!("/v1/contracts/{name}/approvals"), r#"{"note":"x"}"#.to_owned());
        approval.headers_mut().insert("if-match", "\"x\"".parse().unwrap());
        got(bed.send(approval).await).await.problem(404);
    }
}

#[tokio::test]
async fn a_proposed_text_is_judged_and_says_what_it_newly_lets_in() {
    let bed = Bed::new();
    let diff = async |body: &str| got(bed.send(post("/v1/contracts/flights/diff", body.to_owned())).await).await;
    let difference = diff(r#"{"text":"kind: DataContract"}"#).await.json();
    assert_eq!((&difference["widens"], &difference["changes"][0]["lets_in"]), (&true.into(), &"values of note".into()));
    for (body, status) in [
        (r#"{"text":"x"}"#, 422),
        ("{}", 422),
        (r#"{"text":"a","text":"b"}"#, 400),
        (r#"{"text":"kind:","x":1}"#, 422),
        (r#"["kind:"]"#, 422),
    ] {
        diff(body).await.problem(status);
    }
}

#[tokio::test]
async fn an_approval_is_of_what_was_read_and_of_nothing_else() {
    let bed = Bed::new();
    let tag = bed.get("/v1/contracts/flights").await.header("etag").to_owned();
    approved(&bed, None, NOTE).await.problem(428);
    let weak = format!("W/{tag}");
    for stale in ["\"x\"", "*", "", weak.as_str()] {
        approved(&bed, Some(stale), NOTE).await.problem(412);
    }
    approved(&bed, Some(&tag), "another note").await.problem(422);
    assert_eq!(bed.house.works.contract.lock().head.approved_by, None);
    let taken = approved(&bed, Some(&format!("\"x\", {tag}")), NOTE).await;
    assert_eq!((taken.status.as_u16(), &taken.json()["approved_by"]), (200, &"ann".into()));
    assert_eq!(taken.header("etag"), bed.get("/v1/contracts/flights").await.header("etag"));
    // Who saw it before that sees that it is another one now.
    approved(&bed, Some(&tag), NOTE).await.problem(412);
}
