//! Who may call.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tonic::Code;

use super::bed::{ALICE, BOB, Bed, ask, code, soon, status};
use crate::limits::Limits;
use crate::ports::{Ended, Wire};

#[tokio::test]
async fn nobody_is_answered_without_a_credential_that_holds() {
    let bed = Bed::new().await;
    let mut stranger = bed.stranger().await;
    let none = status(stranger.execute("few".to_owned(), None).await.unwrap_err());
    assert_eq!(none.code(), Code::Unauthenticated);
    let mut texts = vec![none.message().to_owned()];
    for token in ["polder_wrong", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let mut client = bed.client(token).await;
        let refused = status(client.execute("few".to_owned(), None).await.unwrap_err());
        assert_eq!(refused.code(), Code::Unauthenticated, "{token}");
        texts.push(refused.message().to_owned());
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "refusals differ: {texts:?}");
    for header in ["Basic ???", "Basic YWxpY2U=", "Negotiate abc", "Bearer"] {
        let mut client = bed.stranger().await;
        client.set_header("authorization", header);
        assert_eq!(code(client.execute("few".to_owned(), None).await), Code::Unauthenticated, "{header}");
    }
    assert_eq!(bed.register.count(), 0);
    assert_eq!(bed.register.refused.load(Ordering::SeqCst), 1, "the wrong token was judged where tokens are");
    let away = bed.register.turned_away.lock().clone();
    assert_eq!(
        away,
        ["no_credential", "unknown_bearer", "malformed_credential", "malformed_credential", "unknown_scheme", "malformed_credential"]
    );
}

#[tokio::test]
async fn a_token_signs_in_once_a_connection() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    for _ in 0..3 {
        ask(&mut client, "few").await.unwrap();
    }
    assert_eq!(bed.register.count(), 1);
    let origin = bed.register.origins.lock()[0].clone();
    assert_eq!(origin.wire, Wire::Flight);
    assert!(origin.address.is_loopback());
    assert!(origin.client.unwrap().contains("tonic"));

    // Another connection is another session, so that one ends without the other.
    let mut other = bed.client(ALICE).await;
    ask(&mut other, "few").await.unwrap();
    assert_eq!(bed.register.count(), 2);
    // And another token on the same connection is somebody else.
    other.set_token(BOB.to_owned());
    ask(&mut other, "few").await.unwrap();
    assert_eq!(bed.register.count(), 3);
}

#[tokio::test]
async fn calls_that_come_together_make_one_session() {
    let bed = Bed::new().await;
    let client = bed.client(ALICE).await;
    let calls = (0..8).map(|_| {
        let mut client = client.clone();
        async move { client.execute("few".to_owned(), None).await }
    });
    for call in futures::future::join_all(calls).await {
        call.unwrap();
    }
    assert_eq!(bed.register.count(), 1);
}

#[tokio::test]
async fn a_password_is_exchanged_for_a_bearer_of_the_session() {
    let bed = Bed::new().await;
    let mut client = bed.stranger().await;
    assert!(client.handshake("alice", "wrong").await.is_err());
    assert!(client.token().is_none());
    client.handshake("alice", "correct horse").await.unwrap();
    let bearer = client.token().cloned().unwrap();
    assert_eq!(bearer.len(), 43, "256 bits");
    for _ in 0..3 {
        ask(&mut client, "few").await.unwrap();
    }
    assert_eq!(bed.register.count(), 1);

    // It is of use on another connection from there, as clients with several need it, and stands for the same session.
    let mut other = bed.client(&bearer).await;
    ask(&mut other, "few").await.unwrap();
    assert_eq!(bed.register.count(), 1);
    assert_eq!(bed.register.last().asked.lock().len(), 4);

    // Each handshake is a session of its own.
    let mut again = bed.stranger().await;
    again.handshake("alice", "correct horse").await.unwrap();
    assert_ne!(again.token().unwrap(), &bearer);
    assert_eq!(bed.register.count(), 2);
}

#[tokio::test]
async fn a_password_with_every_call_is_judged_once() {
    let bed = Bed::new().await;
    // Some clients pad what they encode, and some do not.
    for (sessions, header) in [(1, "Basic YWxpY2U6Y29ycmVjdCBob3JzZQ=="), (2, "basic YWxpY2U6Y29ycmVjdCBob3JzZQ")] {
        let mut client = bed.stranger().await;
        client.set_header("authorization", header);
        ask(&mut client, "few").await.unwrap();
        ask(&mut client, "few").await.unwrap();
        assert_eq!(bed.register.count(), sessions, "{header}");
    }
}

#[tokio::test]
async fn a_bearer_ends_with_its_session() {
    let bed = Bed::new().await;
    let mut client = bed.stranger().await;
    client.handshake("alice", "correct horse").await.unwrap();
    ask(&mut client, "few").await.unwrap();
    let asker = bed.register.last();
    asker.end(Ended::Revoked);
    assert_eq!(code(ask(&mut client, "few").await), Code::Unauthenticated);
    soon(asker.closed.cancelled()).await;
    assert_eq!(code(ask(&mut client, "few").await), Code::Unauthenticated);
    assert_eq!(bed.register.count(), 1, "a bearer does not sign in anew");
    assert_eq!(asker.asked.lock().len(), 1);
}

#[tokio::test]
async fn a_session_is_closed_by_its_client() {
    let bed = Bed::new().await;
    let mut client = bed.stranger().await;
    client.handshake("alice", "correct horse").await.unwrap();
    let info = client.execute("endless".to_owned(), None).await.unwrap();
    let rows = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    let asker = bed.register.last();
    let answer = client.do_action(arrow_flight::Action::new("CloseSession", "")).await.unwrap().message().await.unwrap().unwrap();
    assert_eq!(answer.body.as_ref(), [8, 1], "closed");
    assert!(asker.closed.is_cancelled());
    soon(asker.dropped.cancelled()).await;
    drop(rows);
    assert_eq!(code(ask(&mut client, "few").await), Code::Unauthenticated);
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends() {
    let bed = Bed::new().await;
    let mut client = bed.stranger().await;
    client.handshake("alice", "correct horse").await.unwrap();
    let idle = i64::try_from(bed.limits.idle.as_millis()).unwrap();
    bed.clock.advance(idle - 1);
    ask(&mut client, "few").await.unwrap();
    let asker = bed.register.last();
    soon(asker.dropped.cancelled()).await;
    bed.clock.advance(idle - 1);
    // What was asked last counts.
    client.execute("few".to_owned(), None).await.unwrap();
    assert!(!asker.closed.is_cancelled());
    bed.clock.advance(idle);
    assert_eq!(code(client.execute("few".to_owned(), None).await), Code::Unauthenticated);
    soon(asker.closed.cancelled()).await;
}

#[tokio::test]
async fn a_session_ends_although_nobody_calls() {
    let bed = Bed::with(Limits { idle: Duration::from_millis(1), ..Limits::default() }).await;
    let mut client = bed.client(ALICE).await;
    // The clock stands still, so that the call itself is in time.
    client.execute("few".to_owned(), None).await.unwrap();
    let asker = bed.register.last();
    assert!(!asker.closed.is_cancelled());
    bed.clock.advance(1);
    soon(asker.closed.cancelled()).await;
}

#[tokio::test]
async fn an_account_has_so_many_sessions_and_the_oldest_makes_room() {
    let bed = Bed::new().await;
    let mut clients = Vec::new();
    for _ in 0..64 {
        let mut client = bed.client(ALICE).await;
        client.execute("few".to_owned(), None).await.unwrap();
        bed.clock.advance(1);
        clients.push(client);
    }
    let sessions = bed.register.sessions.lock().clone();
    assert!(sessions.iter().all(|session| !session.closed.is_cancelled()));
    // The first is used again, so that the second is the one that was used longest ago.
    clients[0].execute("few".to_owned(), None).await.unwrap();
    bed.clock.advance(1);
    let mut other = bed.client(BOB).await;
    other.execute("few".to_owned(), None).await.unwrap();
    let mut more = bed.client(ALICE).await;
    more.execute("few".to_owned(), None).await.unwrap();
    let closed: Vec<usize> = (0..64).filter(|index| sessions[*index].closed.is_cancelled()).collect();
    assert_eq!(closed, [1]);
}
