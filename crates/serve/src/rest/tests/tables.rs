use axum::body::Body;
use http::Method;
use serde_json::json;

use super::bed::{Bed, got, signed, table};

#[tokio::test]
async fn a_table_is_shown_as_it_is_seen() {
    let bed = Bed::new();
    let column =
        json!({"name": "salary", "type": "Decimal128(10, 2)", "nullable": true, "classification": "confidential", "sight": "null"});
    let expected =
        json!({"name": "flights", "model": false, "classification": "internal", "columns": [column], "filtered": true, "version": 7});
    assert_eq!(bed.get("/v1/tables/flights").await.json(), expected);
}

#[tokio::test]
async fn what_is_no_table_that_one_may_know_of_is_not_found_whatever_it_is_called() {
    let bed = Bed::new();
    let mut expected = None;
    for name in [
        "missing",
        "FLIGHTS",
        "flights%20",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "flights%00",
        "%ff",
        "a%0d%0aX-Injected:%201",
        "%F0%9F%A6%80",
        &"a".repeat(4_000),
    ] {
        let mut problem = bed.get(&format!("/v1/tables/{name}")).await.problem(404);
        problem.as_object_mut().unwrap().remove("instance");
        assert_eq!(*expected.get_or_insert(problem.clone()), problem, "{name}");
    }
}

#[tokio::test]
async fn pages_hold_every_table_once_and_in_order() {
    let bed = Bed::new();
    let names: Vec<String> = (0..23).map(|number| format!("t{number:02}")).collect();
    *bed.house.tables.lock() = names.iter().rev().map(|name| table(name)).collect();
    let mut seen: Vec<String> = Vec::new();
    let mut target = "/v1/tables?limit=5".to_owned();
    for page in 0.. {
        let answer = bed.get(&target).await.json();
        let tables = answer["tables"].as_array().unwrap();
        assert_eq!(tables.len(), if page < 4 { 5 } else { 3 });
        seen.extend(tables.iter().map(|table| table["name"].as_str().unwrap().to_owned()));
        let Some(next) = answer.get("next") else { break };
        target = format!("/v1/tables?after={}&limit=5", next.as_str().unwrap());
    }
    assert_eq!(seen, names);
    // A table that went meanwhile is where one goes on all the same.
    bed.house.tables.lock().retain(|table| table.name != "t04");
    let second = bed.get("/v1/tables?limit=5&after=dDA0").await.json();
    assert_eq!(second["tables"][0]["name"], "t05");
}

#[tokio::test]
async fn wrong_pages_are_refused() {
    let bed = Bed::new();
    for query in [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=%2B1",
        "limit=",
        "limit=1e2",
        "limit=99999999999999999999",
        "limit=1&limit=2",
        "after=",
        "after=%00",
        "after=a.b",
        "after=_w",
        "offset=1",
        "limit=1&x",
    ] {
        bed.get(&format!("/v1/tables?{query}")).await.problem(400);
    }
    assert_eq!(bed.get("/v1/tables?limit=1000").await.status, 200);
    assert_eq!(bed.get("/v1/tables?").await.status, 200);
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let bed = Bed::new();
    for target in ["/v1/tables", "/v1/tables/flights"] {
        let first = bed.get(target).await;
        let tag = first.header("etag").to_owned();
        assert_eq!((first.header("cache-control"), first.header("vary")), ("private, no-cache", "authorization, accept"));
        let again = async |given: &str| {
            let request = signed(Method::GET, target).header("if-none-match", given).body(Body::empty()).unwrap();
            got(bed.send(request).await).await
        };
        for same in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let answer = again(&same).await;
            assert_eq!((answer.status.as_u16(), answer.body.len(), answer.header("etag")), (304, 0, tag.as_str()), "{same}");
        }
        assert_eq!(again("\"x\"").await.status, 200);
        bed.house.tables.lock()[0].version += 1;
        let changed = again(&tag).await;
        assert_eq!(changed.status, 200);
        assert_ne!(changed.header("etag"), tag);
    }
}

#[tokio::test]
async fn nothing_but_json_is_given_where_there_is_nothing_else() {
    let bed = Bed::new();
    for target in ["/v1/tables", "/v1/tables/flights", "/v1/whoami", "/v1/openapi.json", "/livez", "/readyz"] {
        let request = |accept: &str| signed(Method::GET, target).header("accept", accept).body(Body::empty()).unwrap();
        got(bed.send(request("text/csv")).await).await.problem(406);
        assert_eq!(bed.send(request("text/csv, */*;q=0.1")).await.status(), 200);
        let head = got(bed.send(signed(Method::HEAD, target).body(Body::empty()).unwrap()).await).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    }
}
