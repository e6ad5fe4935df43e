//! Who may not, and what every answer has.

use axum::body::Body;
use http::{Method, Request};

use super::bed::{Bed, basic, got, question, signed};
use crate::Peer;
use crate::ports::Wire;
use crate::rest::sign_in_page::PAGES;
use crate::rest::{PUBLIC, routes, undescribed};

fn without_instance(mut problem: serde_json::Value) -> serde_json::Value {
    problem.as_object_mut().unwrap().remove("instance");
    problem
}

/// Every path of the router with every method, and some that it does not have: nobody learns which they are.
#[tokio::test]
async fn nothing_but_the_named_exceptions_is_answered_without_signing_in() {
    let bed = Bed::public("https://polder.example");
    let elsewhere = ["/", "/v1", "/v1/secrets", "/v1/tables/", "/LIVEZ", "/livez/", "//livez", "/livez/../v1/tables", "/v1/openapi.json/x"];
    let paths: Vec<&str> = routes().into_iter().chain(undescribed()).map(|(path, _)| path).chain(elsewhere).collect();
    assert!(paths.len() > 10);
    let mut bodies = std::collections::BTreeSet::new();
    let mut open = std::collections::BTreeSet::new();
    for path in paths {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let target = path.replace("{name}", "flights").replace("{provider}", "sso");
            let request = Request::builder().method(&method).uri(&target).body(Body::empty()).unwrap();
            let answer = got(bed.send(request).await).await;
            if answer.status == 401 {
                let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
                assert_eq!(challenges, ["Basic realm=\"polder\", charset=\"UTF-8\"", "Bearer realm=\"polder\""]);
                if method != Method::HEAD {
                    bodies.insert(without_instance(answer.problem(401)).to_string());
                }
            } else {
                // What a passkey signed is asked for as JSON; a provider's routes refuse in their own way, since no credential would help.
                let expected: &[u16] = match path {
                    "/v1/sessions/passkey" => &[415],
                    path if path.contains("{provider}") => &[403, 415],
                    _ => &[200],
                };
                assert!(expected.contains(&answer.status.as_u16()), "{method} {path}");
                open.insert((method.to_string(), target));
            }
        }
    }
    let mut named = std::collections::BTreeSet::new();
    for (method, path) in PUBLIC.into_iter().chain(PAGES) {
        let path = path.replace("{provider}", "sso");
        if method == Method::GET {
            named.insert((Method::HEAD.to_string(), path.clone()));
        }
        named.insert((method.to_string(), path));
    }
    assert_eq!(open, named);
    assert_eq!(bodies.len(), 1, "one answer for all: {bodies:?}");
    assert_eq!(*bed.house.judged.borrow(), 0);
    assert_eq!(*bed.house.turned_away.lock(), Vec::<&str>::new());
}

#[tokio::test]
async fn wrong_and_malformed_credentials_read_as_missing_ones() {
    let bed = Bed::new();
    let missing = without_instance(got(bed.send(Request::get("/v1/whoami").body(Body::empty()).unwrap()).await).await.problem(401));
    let wrong = [basic("ann", "wrong"), basic("bob", "right: ü"), "Bearer polder_bad".to_owned(), "bearer polder_goo".to_owned()];
    let malformed = [
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic YW5u",
        "Basic Og==",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Digest x",
        "polder_good",
        "",
        // A name with a control character, and bytes that are no text.
        "Basic YW4KbjphYmM=",
        "Basic /zp4",
    ];
    for given in wrong.iter().map(String::as_str).chain(malformed) {
        let request = Request::get("/v1/whoami").header("authorization", given).body(Body::empty()).unwrap();
        assert_eq!(without_instance(got(bed.send(request).await).await.problem(401)), missing, "{given}");
    }
    let twice = signed(Method::GET, "/v1/whoami").header("authorization", basic("ann", "right: ü")).body(Body::empty()).unwrap();
    assert_eq!(without_instance(got(bed.send(twice).await).await.problem(401)), missing);
    assert_eq!(*bed.house.judged.borrow(), wrong.len());
    assert_eq!(*bed.house.turned_away.lock(), vec!["malformed credentials"; malformed.len() + 1]);
    // The control: the right ones are taken.
    for right in [basic("ann", "right: ü"), "Bearer polder_good".to_owned(), "bEARER  polder_good".to_owned()] {
        let request = Request::get("/v1/whoami")
            .header("authorization", &right)
            .header("user-agent", "a\tb".repeat(100))
            .body(Body::empty())
            .unwrap();
        let answer = got(bed.send(request).await).await;
        assert_eq!(answer.json()["principal"], "user:ann");
    }
    let origin = bed.house.origins.lock().last().cloned().unwrap();
    assert_eq!((origin.wire, origin.address.to_string()), (Wire::Rest, "192.0.2.7".to_owned()));
    assert!(origin.client.is_some_and(|client| client.len() == 128 && !client.contains('\t')));
}

#[tokio::test]
async fn a_request_without_the_address_of_its_connection_is_not_served() {
    use tower::ServiceExt as _;
    let bed = Bed::new();
    let request = || signed(Method::GET, "/v1/whoami").body(Body::empty()).unwrap();
    got(bed.router.clone().oneshot(request()).await.unwrap()).await.problem(500);
    let mut with = request();
    with.extensions_mut().insert(Peer("192.0.2.7:1".parse().unwrap()));
    assert_eq!(bed.router.clone().oneshot(with).await.unwrap().status(), 200);
}

#[tokio::test]
async fn every_answer_has_the_headers_and_an_id_of_its_own() {
    let bed = Bed::new();
    let requests = [
        signed(Method::GET, "/v1/whoami"),
        signed(Method::GET, "/v1/none"),
        Request::get("/livez"),
        Request::get("/v1/whoami"),
        signed(Method::DELETE, "/v1/query"),
        signed(Method::GET, "/v1/whoami").header("origin", "https://evil.example"),
    ];
    let mut ids = std::collections::BTreeSet::new();
    for request in requests {
        let chosen = "00000000000000000000000000000000";
        let answer =
            got(bed.send(request.header("polder-request", chosen).header("x-request-id", chosen).body(Body::empty()).unwrap()).await).await;
        for (name, value) in [
            ("strict-transport-security", "max-age=31536000"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("server", ""),
            ("access-control-allow-origin", ""),
        ] {
            assert_eq!(answer.header(name), value, "{name} of {}", answer.status);
        }
        let id = answer.header("polder-request");
        assert_eq!(id.len(), 32);
        assert_ne!(id, chosen);
        assert!(ids.insert(id.to_owned()));
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems_and_say_what_there_is() {
    let bed = Bed::new();
    for target in ["/", "/v1/none", "/v1/tables/", "/v1/query/x", "/v2/query", "/v1//tables"] {
        bed.get(target).await.problem(404);
    }
    for (method, target, allow) in [
        ("GET", "/v1/query", "POST"),
        ("POST", "/v1/tables", "GET,HEAD"),
        ("DELETE", "/v1/tables/flights", "GET,HEAD"),
        ("OPTIONS", "/v1/query", "POST"),
        ("POST", "/livez", "GET,HEAD"),
    ] {
        let answer = got(bed.send(signed(method.parse().unwrap(), target).body(Body::empty()).unwrap()).await).await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), allow, "{method} {target}");
    }
}

#[tokio::test]
async fn what_a_page_in_a_browser_sends_is_refused_before_anyone_is_asked_who_they_are() {
    let bed = Bed::new();
    let from_pages = [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "https://localhost:8443"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-origin"),
    ];
    for (name, value) in from_pages {
        for request in [
            question("*/*").body(Body::from(r#"{"sql":"sample"}"#)),
            signed(Method::GET, "/v1/tables").body(Body::empty()),
            Request::get("/livez").body(Body::empty()),
        ] {
            let mut request = request.unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
            got(bed.send(request).await).await.problem(403);
        }
    }
    // A preflight is not answered as one would want.
    let preflight = Request::options("/v1/query").header("origin", "https://evil.example").header("access-control-request-method", "POST");
    got(bed.send(preflight.body(Body::empty()).unwrap()).await).await.problem(403);
    assert_eq!(*bed.house.judged.borrow(), 0);
    assert!(bed.house.asked.lock().is_empty());
    // The control: an address that someone typed.
    let typed = signed(Method::GET, "/v1/whoami").header("sec-fetch-site", "none").body(Body::empty()).unwrap();
    assert_eq!(bed.send(typed).await.status(), 200);
}

#[tokio::test]
async fn faults_keep_their_kind_their_words_and_their_place() {
    let bed = Bed::new();
    let wrong = bed.ask(r#"{"sql":"wrong"}"#, "*/*").await.problem(400);
    assert_eq!((wrong["sqlstate"].as_str(), wrong["position"].as_u64()), (Some("42601"), Some(8)));
    assert_eq!(wrong["detail"], "read question: there is no column x; name another");
    assert_eq!(bed.ask(r#"{"sql":"denied"}"#, "*/*").await.problem(403)["type"], "urn:polder:problem:denied");
    bed.ask(r#"{"sql":"unknown"}"#, "*/*").await.problem(404);
    // Rows that fail before the first of them is sent are told by a status.
    let early = bed.ask(r#"{"sql":"early"}"#, "text/csv").await;
    early.problem(503);
    assert_eq!(early.header("retry-after"), "1");
}

#[tokio::test]
async fn nothing_is_begun_when_serving_ends() {
    let bed = Bed::new();
    assert_eq!(bed.send(Request::get("/readyz").body(Body::empty()).unwrap()).await.status(), 200);
    bed.context.drain.begin();
    got(bed.send(Request::get("/readyz").body(Body::empty()).unwrap()).await).await.problem(503);
    assert_eq!(bed.send(Request::get("/livez").body(Body::empty()).unwrap()).await.status(), 200);
    bed.ask(r#"{"sql":"sample"}"#, "*/*").await.problem(503);
    assert!(bed.house.asked.lock().is_empty());
}
