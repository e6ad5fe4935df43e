//! Sessions of those who sign in with every request.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request};
use tokio::sync::Notify;

use super::bed::{Bed, basic, got, question, signed};
use crate::Limits;
use crate::ports::Ended;

impl Bed {
    fn judged(&self) -> usize {
        *self.house.judged.borrow()
    }

    async fn session(&self, authorization: &str, peer: &str) -> String {
        let request = Request::get("/v1/whoami").header("authorization", authorization).body(Body::empty()).unwrap();
        got(self.send_from(request, peer).await).await.json()["session"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_credential_is_judged_once_for_each_address() {
    let bed = Bed::new();
    let password = basic("ann", "right: ü");
    let first = bed.session(&password, "192.0.2.1:1").await;
    assert_eq!(bed.session(&password, "192.0.2.1:2").await, first);
    assert_eq!(bed.judged(), 1);
    // From elsewhere, or by another credential, it is judged anew.
    assert_ne!(bed.session(&password, "192.0.2.2:1").await, first);
    assert_ne!(bed.session("Bearer polder_good", "192.0.2.1:1").await, first);
    assert_eq!(bed.judged(), 3);
    // A wrong one beside a held one is wrong, each time.
    for _ in 0..2 {
        let request = Request::get("/v1/whoami").header("authorization", basic("ann", "right: u")).body(Body::empty()).unwrap();
        got(bed.send_from(request, "192.0.2.1:1").await).await.problem(401);
    }
    assert_eq!(bed.judged(), 5);
}

#[tokio::test]
async fn those_who_come_together_are_judged_once() {
    let bed = Bed::new();
    let gate = Arc::new(Notify::new());
    *bed.house.gate.lock() = Some(Arc::clone(&gate));
    let together = futures::future::join_all((0..20).map(|_| bed.session("Bearer polder_good", "192.0.2.1:1")));
    // Given before it is waited for, and once: a second judgement would never end.
    gate.notify_one();
    let sessions = together.await;
    assert_eq!(sessions, vec![sessions[0].clone(); 20]);
    assert_eq!(bed.judged(), 1);
}

/// Whoever hangs up before the refusal comes has been judged all the same.
#[tokio::test]
async fn hanging_up_takes_no_judgement_back() {
    let bed = Bed::new();
    let gate = Arc::new(Notify::new());
    *bed.house.gate.lock() = Some(Arc::clone(&gate));
    {
        let request = Request::get("/v1/whoami").header("authorization", "Bearer polder_bad").body(Body::empty()).unwrap();
        let mut sent = std::pin::pin!(bed.send(request));
        assert!(futures::poll!(sent.as_mut()).is_pending());
    }
    assert_eq!(bed.judged(), 0);
    gate.notify_one();
    bed.house.judged.subscribe().wait_for(|judged| *judged == 1).await.unwrap();
}

#[tokio::test]
async fn a_session_that_ended_is_not_used_again() {
    let bed = Bed::new();
    let first = bed.session("Bearer polder_good", "192.0.2.1:1").await;
    bed.house.ended.send_replace(Some(Ended::Revoked));
    // Judged anew, and over at once.
    got(bed.send_from(signed(Method::GET, "/v1/whoami").body(Body::empty()).unwrap(), "192.0.2.1:1").await).await.problem(401);
    assert_eq!(bed.judged(), 2);
    bed.house.ended.send_replace(None);
    assert_ne!(bed.session("Bearer polder_good", "192.0.2.1:1").await, first);
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_ended() {
    let bed = Bed::limited(Limits { idle: Duration::from_millis(10), ..Limits::default() });
    let mut closed = bed.house.closed.subscribe();
    let first = bed.session("Bearer polder_good", "192.0.2.1:1").await;
    closed.wait_for(|closed| *closed == 1).await.unwrap();
    assert_ne!(bed.session("Bearer polder_good", "192.0.2.1:1").await, first);
}

#[tokio::test]
async fn a_session_that_is_answered_in_is_not_idle_and_ends_after_its_answer_when_serving_ends() {
    let bed = Bed::limited(Limits { idle: Duration::from_millis(1), ..Limits::default() });
    let mut closed = bed.house.closed.subscribe();
    let answer = bed.send(question("*/*").body(Body::from(r#"{"sql":"hangs"}"#)).unwrap()).await;
    // Another session comes and goes in the meantime.
    bed.session("Bearer polder_good", "192.0.2.1:1").await;
    closed.wait_for(|closed| *closed == 1).await.unwrap();
    bed.context.drain.begin();
    assert_eq!(*closed.borrow(), 1);
    drop(answer);
    closed.wait_for(|closed| *closed == 2).await.unwrap();
}

#[tokio::test]
async fn the_one_that_was_used_least_lately_makes_room_and_none_that_is_in_use() {
    let bed = Bed::limited(Limits { connections: 2, ..Limits::default() });
    let mut closed = bed.house.closed.subscribe();
    let (one, two, three) = ("192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1");
    let first = bed.session("Bearer polder_good", one).await;
    let second = bed.session("Bearer polder_good", two).await;
    assert_eq!(bed.session("Bearer polder_good", one).await, first);
    bed.session("Bearer polder_good", three).await;
    closed.wait_for(|closed| *closed == 1).await.unwrap();
    assert_eq!(bed.session("Bearer polder_good", one).await, first, "it was used after the second");
    let hangs = async |peer| bed.send_from(question("*/*").body(Body::from(r#"{"sql":"hangs"}"#)).unwrap(), peer).await;
    let busy = [hangs(one).await, hangs(three).await];
    let another = async || got(bed.send_from(signed(Method::GET, "/v1/whoami").body(Body::empty()).unwrap(), two).await).await;
    another().await.problem(503);
    drop(busy);
    bed.house.streams.subscribe().wait_for(|streams| *streams == 0).await.unwrap();
    assert_ne!(another().await.json()["session"], second);
}

#[tokio::test]
async fn what_a_statement_sets_does_not_stay_for_the_next_request() {
    let bed = Bed::new();
    let peer = "192.0.2.7:1";
    let first = bed.session("Bearer polder_good", peer).await;
    let mut closed = bed.house.closed.subscribe();
    bed.ask(r#"{"sql":"set polder.purpose = 'billing'"}"#, "*/*").await.problem(422);
    assert_ne!(bed.session("Bearer polder_good", peer).await, first);
    closed.wait_for(|closed| *closed == 1).await.unwrap();
}

#[tokio::test]
async fn a_judgement_that_takes_too_long_is_a_limit() {
    let bed = Bed::limited(Limits { sign_in: Duration::from_millis(10), ..Limits::default() });
    *bed.house.gate.lock() = Some(Arc::new(Notify::new()));
    bed.get("/v1/whoami").await.problem(503);
}
