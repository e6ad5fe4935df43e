//! Signing in through an identity provider over REST. Whom a provider vouches for is the program's, and tested there.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use base64::Engine as _;
use http::{Method, Request, request};
use parking_lot::Mutex;
use polder_types::Secret;
use serde_json::json;

use super::bed::{Bed, Doors, Got, TOKEN, got};
use crate::ports::{Accounts, Challenge, Credential, Origin, Proved, ScramProof, Session};
use crate::providers::{Departure, Device, Providers, Return, Waited};
use crate::{Context, Fault, rest};

/// One provider, `sso`, which vouches for whoever brings `good`.
struct Sso {
    doors: Doors,
    returned: Arc<Mutex<Vec<Return>>>,
}

#[async_trait]
impl Accounts for Sso {
    async fn challenge(&self, name: &str, origin: &Origin) -> Result<Challenge, Fault> {
        self.doors.challenge(name, origin).await
    }

    async fn prove(&self, proof: ScramProof, origin: &Origin) -> Result<Proved, Fault> {
        self.doors.prove(proof, origin).await
    }

    async fn sign_in(&self, credential: Credential, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        self.doors.sign_in(credential, origin).await
    }

    fn providers(&self) -> Option<&dyn Providers> {
        Some(self)
    }

    async fn turned_away(&self, origin: &Origin, reason: &'static str) {
        self.doors.turned_away(origin, reason).await;
    }
}

impl Sso {
    async fn ann(&self, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        self.doors.sign_in(Credential::Token(Secret::new(TOKEN.to_owned())), origin).await
    }
}

#[async_trait]
impl Providers for Sso {
    fn names(&self) -> Vec<String> {
        vec!["sso".to_owned()]
    }

    async fn depart(&self, provider: &str, _: &Origin) -> Result<Departure, Fault> {
        if provider != "sso" {
            return Err(Fault::not_signed_in());
        }
        let location = "https://sso.example/auth?state=s".to_owned();
        Ok(Departure { location, binding: Secret::new("bound".to_owned()), seconds: 300 })
    }

    async fn arrive(&self, _: &str, returned: Return, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        let good = returned.code.as_ref().is_some_and(|code| code.expose_secret() == "good");
        self.returned.lock().push(returned);
        if good { self.ann(origin).await } else { Err(Fault::not_signed_in()) }
    }

    async fn begin_device(&self, _: &str, _: &Origin) -> Result<Device, Fault> {
        Ok(Device {
            device: Secret::new("good".to_owned()),
            user_code: "WDJB-MJHT".to_owned(),
            verification_uri: "https://sso.example/device".to_owned(),
            verification_uri_complete: None,
            expires_ms: 1_800_000_000_000,
            interval_s: 5,
        })
    }

    async fn wait_for_device(&self, _: &str, device: Secret<String>, origin: &Origin) -> Result<Waited, Fault> {
        match device.expose_secret().as_str() {
            "good" => self.ann(origin).await.map(Waited::In),
            "early" => Ok(Waited::Pending { interval_s: 10 }),
            _ => Err(Fault::not_signed_in()),
        }
    }
}

/// The bed with the provider in it, and what came back from there.
fn bed() -> (Bed, Arc<Mutex<Vec<Return>>>) {
    let bed = Bed::new();
    let returned = Arc::new(Mutex::new(Vec::new()));
    let accounts = Arc::new(Sso { doors: Doors(Arc::clone(&bed.house)), returned: Arc::clone(&returned) });
    let context = Arc::new(Context { accounts, ..Context::clone(&bed.context) });
    (Bed { router: rest::router(Arc::clone(&context)), context, house: bed.house }, returned)
}

fn to(method: Method, target: &str) -> request::Builder {
    Request::builder().method(method).uri(target)
}

async fn sent(bed: &Bed, request: request::Builder) -> Got {
    got(bed.send(request.body(Body::empty()).unwrap()).await).await
}

async fn asked(bed: &Bed, body: &str) -> Got {
    let request = to(Method::POST, "/v1/sign-in/sso/device/token").header("content-type", "application/json");
    got(bed.send(request.body(Body::from(body.to_owned())).unwrap()).await).await
}

/// What the bed gives.
const GIVEN: &str = "polders_goodgoodgoodgoodgoodgoodgoodgoodgoodgoodgoodgoodx";
const BACK: &str = "/v1/sign-in/sso/callback?state=s&code=good&iss=https%3A%2F%2Fsso.example";

#[tokio::test]
async fn a_browser_leaves_with_a_cookie_that_it_has_to_bring_back() {
    let (bed, returned) = bed();
    assert_eq!(sent(&bed, to(Method::GET, "/v1/sign-in/providers")).await.json(), json!({"providers": ["sso"]}));
    let left = sent(&bed, to(Method::GET, "/v1/sign-in/sso")).await;
    assert_eq!((left.status.as_u16(), left.header("location")), (302, "https://sso.example/auth?state=s"));
    assert_eq!(left.header("set-cookie"), "__Host-polder-sign-in=bound; Path=/; Max-Age=300; Secure; HttpOnly; SameSite=Lax");
    assert_eq!(left.header("cache-control"), "no-store");

    let back = to(Method::GET, BACK).header("cookie", "a=b; __Host-polder-sign-in=bound").header("accept", "application/json");
    let back = sent(&bed, back).await;
    assert_eq!(back.status, 201, "{}", back.text());
    assert_eq!(back.json()["token"], GIVEN);
    assert!(back.header("set-cookie").starts_with("__Host-polder-sign-in=; Path=/; Max-Age=0;"));
    // The session that the sign-in itself made is over; the token begins its own.
    assert_eq!(*bed.house.closed.borrow(), 1);
    {
        let returned = returned.lock();
        let returned = returned.last().unwrap();
        assert_eq!((returned.state.as_str(), returned.issuer.as_deref()), ("s", Some("https://sso.example")));
        assert_eq!(returned.binding.as_ref().unwrap().expose_secret(), "bound");
    }
    let page = to(Method::GET, BACK).header("cookie", "__Host-polder-sign-in=bound").header("accept", "text/html,*/*;q=0.8");
    let page = sent(&bed, page).await;
    assert_eq!((page.status.as_u16(), page.header("location")), (303, format!("/sign-in#token={GIVEN}").as_str()));
    // The page takes the token of this browser alone.
    let brought = page
        .headers
        .get_all("set-cookie")
        .iter()
        .find_map(|cookie| cookie.to_str().ok().filter(|cookie| cookie.starts_with("__Host-polder-brought=")))
        .unwrap();
    let hash =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, GIVEN.as_bytes()));
    assert_eq!(brought, format!("__Host-polder-brought={hash}.YW5u; Path=/; Max-Age=60; Secure; SameSite=Lax"));
    // Of two cookies, one could be another's.
    sent(&bed, to(Method::GET, BACK).header("cookie", "__Host-polder-sign-in=bound; __Host-polder-sign-in=other")).await;
    assert!(returned.lock().last().unwrap().binding.is_none());
}

#[tokio::test]
async fn who_is_not_let_in_is_told_the_same_and_no_credential_is_asked_for() {
    let (bed, _) = bed();
    let mut told = std::collections::BTreeSet::new();
    for target in
        ["/v1/sign-in/other", "/v1/sign-in/%ff", "/v1/sign-in/sso/callback", "/v1/sign-in/sso/callback?error=access_denied&state=s"]
    {
        let mut problem = sent(&bed, to(Method::GET, target)).await.problem(403);
        problem.as_object_mut().unwrap().remove("instance");
        told.insert(problem.to_string());
    }
    let mut problem = asked(&bed, "{\"device\": \"bad\"}").await.problem(403);
    problem.as_object_mut().unwrap().remove("instance");
    told.insert(problem.to_string());
    assert_eq!(told.len(), 1, "{told:?}");
    sent(&bed, to(Method::GET, "/v1/sign-in/sso/callback?state=a&state=b&code=good")).await.problem(400);
    sent(&bed, to(Method::GET, "/v1/sign-in/sso/callback/more")).await.problem(401);
}

#[tokio::test]
async fn of_what_pages_send_only_the_way_to_a_provider_and_back_is_taken() {
    let (bed, _) = bed();
    let navigated = |target: &str, more: &[(&str, &str)]| {
        let mut headers = vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        headers.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        headers.extend(more.iter().copied().filter(|(_, value)| !value.is_empty()));
        headers.into_iter().fold(to(Method::GET, target), |request, (name, value)| request.header(name, value))
    };
    for target in ["/v1/sign-in/sso", BACK] {
        assert!(sent(&bed, navigated(target, &[])).await.status.as_u16() < 400, "{target}");
        for more in [
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-mode", ""),
            ("sec-fetch-dest", "iframe"),
            ("sec-fetch-dest", ""),
            ("origin", "https://evil.example"),
        ] {
            let problem = sent(&bed, navigated(target, &[more])).await.problem(403);
            assert_eq!(problem["type"], "urn:polder:problem:browser", "{target} {more:?}");
        }
    }
    for target in ["/v1/whoami", "/v1/sign-in/providers", "/v1/sign-in/sso/device", "/v1/tables"] {
        let problem = sent(&bed, navigated(target, &[])).await.problem(403);
        assert_eq!(problem["type"], "urn:polder:problem:browser", "{target}");
    }
}

#[tokio::test]
async fn who_signs_in_on_another_device_waits_and_is_given_a_session_token() {
    let (bed, _) = bed();
    let begun = sent(&bed, to(Method::POST, "/v1/sign-in/sso/device")).await;
    assert_eq!(begun.status, 201);
    let expected = json!({
        "device": "good", "user_code": "WDJB-MJHT", "verification_uri": "https://sso.example/device",
        "expires": "2027-01-15T08:00:00Z", "interval": 5,
    });
    assert_eq!(begun.json(), expected);
    let early = asked(&bed, "{\"device\": \"early\"}").await;
    assert_eq!((early.status.as_u16(), early.json()), (202, json!({"status": "pending", "interval": 10})));
    let done = asked(&bed, "{\"device\": \"good\"}").await;
    assert_eq!((done.status.as_u16(), &done.json()["token"]), (201, &json!(GIVEN)));
    for body in ["{}", "{\"device\": 1}", "{\"device\": \"good\", \"more\": 1}", "{\"device\": \"good\", \"device\": \"bad\"}", "x"] {
        asked(&bed, body).await.problem(422);
    }
    asked(&bed, &format!("{{\"device\": \"{}\"}}", "x".repeat(5_000))).await.problem(413);
}
