//! The listener for metrics: nothing without sign-in but that it is there.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request};
use tower::ServiceExt as _;

use super::bed::{Bed, Got, got, signed};
use crate::Peer;
use crate::ports::Wire;
use crate::rest::{measured, metrics};

async fn sent(bed: &Bed, mut request: Request<Body>) -> Got {
    request.extensions_mut().insert(Peer("192.0.2.1:1".parse().unwrap()));
    got(metrics(Arc::clone(&bed.context)).oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn numbers_are_given_to_those_who_are_signed_in_alone() {
    let bed = Bed::new();
    for (path, _) in measured() {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answered = sent(&bed, request).await;
        match path {
            "/livez" | "/readyz" => assert_eq!(answered.status, 200, "{path}"),
            _ => drop(answered.problem(401)),
        }
    }
    let wrong = Request::get("/metrics").header("authorization", "Bearer polder_bad").body(Body::empty()).unwrap();
    sent(&bed, wrong).await.problem(401);
    assert_eq!(bed.house.origins.lock().last().unwrap().wire, Wire::Metrics);
    let answered = sent(&bed, signed(Method::GET, "/metrics").body(Body::empty()).unwrap()).await;
    assert_eq!(answered.status, 200);
    assert_eq!(answered.text(), "# EOF\n");
    assert!(answered.header("content-type").starts_with("application/openmetrics-text"));
    assert_eq!(answered.header("cache-control"), "no-store");
}

/// What REST has is not there: neither questions nor the document.
#[tokio::test]
async fn nothing_else_is_served_beside_the_numbers() {
    let bed = Bed::new();
    for path in ["/v1/query", "/v1/tables", "/v1/whoami", "/v1/openapi.json", "/mcp"] {
        sent(&bed, signed(Method::GET, path).body(Body::empty()).unwrap()).await.problem(404);
    }
}
