//! Passkeys over REST: what is asked and how it is answered. Whether one is what it says, the program tests.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use super::bed::{Bed, Got, got, signed};

async fn post(bed: &Bed, path: &str, body: &Value, with_token: bool) -> Got {
    let request = if with_token { signed(Method::POST, path) } else { Request::post(path) };
    got(bed.send(request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()).await).await
}

/// `b"asked"` and so on, as WebAuthn writes bytes in JSON.
fn answer() -> Value {
    json!({ "credential": "aWQ", "client_data": "Y2xpZW50", "authenticator_data": "ZGF0YQ", "signature": "c2lnbmVk", "user_handle": "YW5u" })
}

#[tokio::test]
async fn a_passkey_signs_in_and_gives_a_session_token() {
    let bed = Bed::new();
    let asked = got(bed.send(Request::post("/v1/sessions/passkey/options").body(Body::empty()).unwrap()).await).await;
    assert_eq!(asked.status, 200);
    assert_eq!(
        asked.json(),
        json!({ "challenge": "YXNrZWQ", "rpId": "polder.example", "timeout": 120_000, "userVerification": "required" })
    );
    for _ in 0..2 {
        let given = post(&bed, "/v1/sessions/passkey", &answer(), false).await;
        assert_eq!(
            (given.status.as_u16(), given.json()["token"].as_str()),
            (201, Some("polders_goodgoodgoodgoodgoodgoodgoodgoodgoodgoodgoodgoodx"))
        );
    }
    assert_eq!(*bed.house.judged.borrow(), 2, "no answer lets in twice by being remembered");
    let mut refused = answer();
    refused["signature"] = json!("bm8");
    let mut problem = post(&bed, "/v1/sessions/passkey", &refused, false).await.problem(401);
    let mut other = got(bed.send(Request::get("/v1/whoami").body(Body::empty()).unwrap()).await).await.problem(401);
    for problem in [&mut problem, &mut other] {
        problem.as_object_mut().unwrap().remove("instance");
    }
    assert_eq!(problem, other, "it reads as every refusal");
}

#[tokio::test]
async fn what_is_no_answer_of_an_authenticator_is_refused_before_anyone_is_judged() {
    let bed = Bed::new();
    for (name, value) in [
        ("credential", json!("a")),
        ("client_data", json!("++++")),
        ("signature", json!("c2lnbmVk==")),
        ("user_handle", json!(1)),
        ("more", json!("")),
    ] {
        let mut body = answer();
        body[name] = value;
        post(&bed, "/v1/sessions/passkey", &body, false).await.problem(422);
    }
    post(&bed, "/v1/sessions/passkey", &json!([]), false).await.problem(422);
    let request =
        |kind: &str, body: String| Request::post("/v1/sessions/passkey").header("content-type", kind).body(Body::from(body)).unwrap();
    got(bed.send(request("text/plain", answer().to_string())).await).await.problem(415);
    got(bed.send(request("application/json", "{".to_owned())).await).await.problem(400);
    got(bed.send(request("application/json", " ".repeat((64 << 10) + 1))).await).await.problem(413);
    assert_eq!(*bed.house.judged.borrow(), 0);
}

#[tokio::test]
async fn who_is_signed_in_adds_lists_and_removes_passkeys() {
    let bed = Bed::new();
    let wish = post(&bed, "/v1/passkeys/options", &json!({}), true).await.json();
    assert_eq!(wish["challenge"], "YXNrZWQ");
    assert_eq!(
        (&wish["rp"]["id"], &wish["user"]["name"], &wish["user"]["id"]),
        (&json!("polder.example"), &json!("ann"), &json!("aGFuZGxl"))
    );
    assert_eq!(wish["pubKeyCredParams"], json!([{ "type": "public-key", "alg": -8 }, { "type": "public-key", "alg": -7 }]));
    assert_eq!(wish["excludeCredentials"], json!([{ "type": "public-key", "id": "a25vd24" }]));
    let selection = json!({ "residentKey": "required", "requireResidentKey": true, "userVerification": "required" });
    assert_eq!((&wish["authenticatorSelection"], &wish["attestation"]), (&selection, &json!("none")));
    let listed = json!({ "id": "00ff00ff00ff00ff", "label": "a phone", "added": "2027-01-15T08:00:00Z" });
    let made = json!({ "client_data": "Y2xpZW50", "attestation": "bWFkZQ", "label": "a phone" });
    let added = post(&bed, "/v1/passkeys", &made, true).await;
    assert_eq!((added.status.as_u16(), added.json()), (201, listed.clone()));
    let wrong = json!({ "client_data": "Y2xpZW50", "attestation": "b3RoZXI" });
    let problem = post(&bed, "/v1/passkeys", &wrong, true).await.problem(422);
    assert!(problem["detail"].as_str().unwrap().starts_with("add passkey"), "{problem}");
    post(&bed, "/v1/passkeys", &json!({ "client_data": "Y2xpZW50" }), true).await.problem(422);
    assert_eq!(bed.get("/v1/passkeys").await.json(), json!({ "passkeys": [listed] }));
    let remove =
        async |id: &str| got(bed.send(signed(Method::DELETE, &format!("/v1/passkeys/{id}")).body(Body::empty()).unwrap()).await).await;
    assert_eq!(remove("00ff00ff00ff00ff").await.status, 204);
    remove("00ff00ff00ff00fe").await.problem(404);
    remove("%ff").await.problem(404);
}
