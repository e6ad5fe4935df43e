//! Who shows a certificate, with something else or alone.

use axum::body::Body;
use http::Request;

use super::bed::{Bed, CERTIFICATE, Got, basic, got};
use crate::Presented;
use crate::ports::{Asked, ClientCertificate, Wire};

const PEER: &str = "192.0.2.1:1";

impl Bed {
    async fn whoami(&self, certificate: Option<&str>, authorization: Option<&str>) -> Got {
        let mut request = Request::get("/v1/whoami");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let mut request = request.body(Body::empty()).unwrap();
        if let Some(fingerprint) = certificate {
            let shown = ClientCertificate { fingerprint: fingerprint.to_owned(), asked: Asked::Required };
            request.extensions_mut().insert(Presented(shown));
        }
        got(self.send_from(request, PEER).await).await
    }
}

fn session(got: &Got) -> String {
    got.json()["session"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_certificate_alone_signs_in_and_its_session_is_found_again() {
    let bed = Bed::new();
    let first = session(&bed.whoami(Some(CERTIFICATE), None).await);
    assert_eq!(session(&bed.whoami(Some(CERTIFICATE), None).await), first);
    let origin = bed.house.origins.lock()[0].clone();
    assert_eq!((origin.wire, origin.certificate.unwrap().fingerprint.as_str()), (Wire::Rest, CERTIFICATE));
    // Another one lets nobody in, and nothing does without one.
    bed.whoami(Some("decaf"), None).await.problem(401);
    bed.whoami(None, None).await.problem(401);
}

#[tokio::test]
async fn what_is_said_beside_a_certificate_decides_and_is_judged_anew_with_each() {
    let bed = Bed::new();
    let password = basic("ann", "right: ü");
    let first = session(&bed.whoami(Some("decaf"), Some(&password)).await);
    assert_eq!(session(&bed.whoami(Some("decaf"), Some(&password)).await), first);
    // A session that began beside one certificate is none of a connection with another, or without.
    assert_ne!(session(&bed.whoami(Some(CERTIFICATE), Some(&password)).await), first);
    assert_ne!(session(&bed.whoami(None, Some(&password)).await), first);
    assert_eq!(bed.house.origins.lock().len(), 3);
    // A wrong password is wrong, whatever certificate comes with it.
    bed.whoami(Some(CERTIFICATE), Some(&basic("ann", "wrong"))).await.problem(401);
    bed.whoami(Some(CERTIFICATE), Some("Bearer")).await.problem(401);
}
