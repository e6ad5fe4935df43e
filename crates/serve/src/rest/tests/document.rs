//! The published document: what the code says, and all that it owes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use super::bed::{Bed, got, object, signed};
use crate::rest::page::WITH_QUERY;
use crate::rest::providers::is_callback;
use crate::rest::{PUBLIC, document, routes, undescribed};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

fn document() -> Value {
    serde_json::from_str(&document::text().unwrap()).unwrap()
}

/// A path with something in its places.
fn filled(path: &str) -> String {
    path.replace("{name}", "flights").replace("{id}", &"ab".repeat(16)).replace("{index}", "0")
}

/// Method, path and operation.
fn operations() -> Vec<(Method, String, Value)> {
    let mut all = Vec::new();
    for (path, item) in object(&document()["paths"]) {
        for (method, operation) in object(&item) {
            assert!(METHODS.contains(&method.as_str()), "{method} of {path}");
            all.push((method.to_uppercase().parse().unwrap(), path.clone(), operation));
        }
    }
    all
}

#[test]
fn the_published_document_is_current() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/api/openapi.json");
    let current = document::text().unwrap();
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &current).unwrap();
    }
    let published = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(published == current, "docs/api/openapi.json is another; run this test with INSTA_UPDATE=always, and look at the difference");
}

#[test]
fn every_operation_says_who_may_and_what_can_go_wrong() {
    assert_eq!(document()["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations() {
        let name = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}");
        assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{name}");
        let open = PUBLIC.iter().any(|(other, at)| *other == method && *at == path);
        let security = if open { json!([]) } else { json!([{"basic": []}, {"bearer": []}]) };
        assert_eq!(operation["security"], security, "{name}");
        let responses = object(&operation["responses"]);
        // Who signs in by a passkey has nothing before, and may be refused.
        assert_eq!(responses.contains_key("401"), !open || path == "/v1/sessions/passkey", "{name}");
        assert!(responses.keys().any(|status| status.starts_with('2') || status == "302"), "{name}");
        for status in ["400", "403", "405", "406", "414", "431", "500", "503"] {
            assert!(responses.contains_key(status), "{status} of {name}");
        }
        let statuses_of_bodies = ["408", "413", "415", "422"].iter().all(|status| responses.contains_key(*status));
        assert_eq!(statuses_of_bodies, operation.get("requestBody").is_some(), "{name}");
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{status} of {name}");
        }
    }
    assert_eq!(PUBLIC.len(), operations().iter().filter(|(_, _, operation)| operation["security"] == json!([])).count());
}

/// Paths and methods of the router are those of the document, no more and no fewer.
#[tokio::test]
async fn the_document_and_the_router_know_the_same_routes() {
    let bed = Bed::new();
    let routed: BTreeSet<String> = routes().into_iter().map(|(path, _)| path.to_owned()).collect();
    assert_eq!(routed.len(), routes().len());
    assert_eq!(routed, object(&document()["paths"]).into_keys().collect());
    // What another protocol describes is named, and is no other path than that.
    let undescribed: Vec<&str> = undescribed().into_iter().map(|(path, _)| path).collect();
    assert_eq!(undescribed, ["/mcp", "/sign-in", "/sign-in/page.js", "/sign-in/page.css"]);
    for path in routed {
        for method in METHODS.map(|method| method.to_uppercase().parse::<Method>().unwrap()) {
            let documented = operations().iter().any(|(other, at, _)| *other == method && *at == path);
            // HEAD comes with GET.
            let expected =
                documented || method == Method::HEAD && operations().iter().any(|(other, at, _)| *other == Method::GET && *at == path);
            let request = signed(method.clone(), &filled(&path)).body(Body::empty()).unwrap();
            assert_eq!(bed.send(request).await.status() != 405, expected, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn each_operation_without_credentials_answers_as_every_other() {
    let bed = Bed::new();
    let mut answers = BTreeSet::new();
    let mut owed = 0;
    for (method, path, operation) in operations().into_iter().filter(|(_, _, operation)| operation["security"] != json!([])) {
        let request = Request::builder().method(method).uri(filled(&path)).body(Body::empty()).unwrap();
        let mut problem = got(bed.send(request).await).await.problem(401);
        problem.as_object_mut().unwrap().remove("instance");
        answers.insert(problem.to_string());
        assert!(operation["responses"]["401"].is_object());
        owed += 1;
    }
    assert_eq!((answers.len(), owed), (1, operations().len() - PUBLIC.len()));
}

#[tokio::test]
async fn the_document_is_given_to_everyone() {
    let bed = Bed::new();
    let answer = got(bed.send(Request::get("/v1/openapi.json").body(Body::empty()).unwrap()).await).await;
    assert_eq!(answer.json(), document());
}

#[tokio::test]
async fn the_document_is_not_sent_to_who_has_it() {
    let bed = Bed::new();
    let first = got(bed.send(Request::get("/v1/openapi.json").body(Body::empty()).unwrap()).await).await;
    let again = Request::get("/v1/openapi.json").header("if-none-match", first.header("etag")).body(Body::empty()).unwrap();
    let again = got(bed.send(again).await).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
}

/// A query that a route does not read is refused, so that nobody believes that it means something; those that read one refuse other names.
#[tokio::test]
async fn no_route_takes_a_query_that_it_does_not_know() {
    let bed = Bed::new();
    // A provider may send back more than is known, which is to be ignored (RFC 6749, 4.1.2).
    let (back, others): (Vec<_>, Vec<_>) = operations().into_iter().partition(|(_, path, _)| is_callback(path));
    assert_eq!(back.len(), 1);
    for (method, path, operation) in others {
        let request = signed(method.clone(), &format!("{}?unknown=1", filled(&path))).body(Body::empty()).unwrap();
        let problem = got(bed.send(request).await).await.problem(400);
        let reads = operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["in"] == "query"));
        assert_eq!(method == Method::GET && WITH_QUERY.contains(&path.as_str()), reads, "{method} {path}");
        assert_eq!(problem["type"], "urn:polder:problem:invalid", "{method} {path}");
    }
}
