//! Session tokens over REST. What they are worth is the program's, and tested there.

use axum::body::Body;
use http::Method;

use super::bed::{Bed, got, signed};

#[tokio::test]
async fn who_is_signed_in_is_given_a_session_token_and_ends_it() {
    let bed = Bed::new();
    let end = || signed(Method::DELETE, "/v1/sessions/current").body(Body::empty()).unwrap();
    // None was made: the request's own credential is another thing.
    let problem = got(bed.send(end()).await).await.problem(400);
    assert!(problem["detail"].as_str().unwrap().starts_with("end session token"), "{problem}");
    let made = got(bed.send(signed(Method::POST, "/v1/sessions").body(Body::empty()).unwrap()).await).await;
    assert_eq!(made.status, 201);
    assert_eq!(
        made.json(),
        serde_json::json!({ "token": "polders_goodgoodgoodgoodgoodgoodgoodgoodgoodgoodgoodgoodx", "name": "ann", "expires": "2027-01-15T08:00:00Z" })
    );
    assert_eq!(made.header("cache-control"), "no-store");
    assert_eq!(got(bed.send(end()).await).await.status, 204);
}
