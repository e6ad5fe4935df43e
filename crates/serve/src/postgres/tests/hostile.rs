//! Bytes as an attacker or a broken client sends them, and the ends of connections.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::rig::{Raw, Rig, TOKEN, field, message, startup};
use crate::limits::Limits;
use crate::ports::Ended;

const SSL: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

/// All rows that come of the question that never ends.
async fn rows_of_forever(raw: &mut Raw) {
    for expected in b"TDDDDD" {
        assert_eq!(raw.message().await.0, *expected);
    }
}

#[tokio::test]
async fn nothing_is_spoken_in_the_clear() {
    let mut rig = Rig::new().await;
    let mut raw = Raw { stream: Box::new(rig.clear().await) };
    raw.send(&startup(3 << 16, &[("user", "ann")])).await;
    let (tag, body) = raw.message().await;
    assert_eq!((tag, field(&body, b'C').unwrap()), (b'E', "28000".to_owned()));
    assert_eq!(field(&body, b'M').unwrap(), "this server speaks TLS alone; use sslmode=verify-full");
    assert_eq!(raw.rest().await, "");
    assert_eq!(rig.reason().await, "clear");
}

#[tokio::test]
async fn what_is_injected_before_tls_is_refused() {
    let mut rig = Rig::new().await;
    for request in [SSL, GSS] {
        let mut raw = Raw { stream: Box::new(rig.clear().await) };
        raw.send(&[&request[..], &startup(3 << 16, &[("user", "ann")])].concat()).await;
        assert_eq!(raw.rest().await, "E:08P01");
        assert_eq!(rig.reason().await, "injected");
    }
    // The control: without it, the handshake is taken; GSSAPI is refused before it, once.
    let mut stream = rig.clear().await;
    stream.write_all(&GSS).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'N');
    stream.write_all(&SSL).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'S');
    assert!(rig.handshake(stream, &[]).await.is_ok());
}

#[tokio::test]
async fn direct_tls_is_for_those_who_name_the_protocol() {
    let mut rig = Rig::new().await;
    let stream = rig.handshake(rig.clear().await, &[b"postgresql"]).await.unwrap();
    let mut raw = Raw { stream: Box::new(stream) };
    raw.send(&startup(3 << 16, &[("user", "token")])).await;
    assert_eq!(raw.message().await, (b'R', vec![0, 0, 0, 3]));
    let stream = rig.handshake(rig.clear().await, &[]).await.unwrap();
    assert_eq!(Raw { stream: Box::new(stream) }.rest().await, "E:08P01");
    assert_eq!(rig.reason().await, "alpn");
    // A client of another protocol does not get through the handshake.
    let other = rig.handshake(rig.clear().await, &[b"http/1.1"]).await;
    assert!(other.is_err());
    assert_eq!(rig.reason().await, "tls");
}

#[tokio::test]
async fn versions_and_options_that_are_not_known_are_negotiated() {
    let rig = Rig::new().await;
    let mut raw = rig.encrypted().await;
    raw.send(&startup((3 << 16) | 9_999, &[("user", "token"), ("_pq_.magic", "1")])).await;
    let (tag, body) = raw.message().await;
    assert_eq!((tag, &body[..8], &body[8..]), (b'v', &[0, 3, 0, 2, 0, 0, 0, 1][..], &b"_pq_.magic\0"[..]));
    assert_eq!(raw.message().await.0, b'R');
    raw.say(b'p', &[TOKEN.as_bytes(), &[0]].concat()).await;
    let before = raw.until(b'Z').await;
    // Version 3.2 has long keys, and 3.0 those of 4 bytes.
    let key = |all: &[(u8, Vec<u8>)]| all.iter().find(|(tag, _)| *tag == b'K').unwrap().1.len();
    assert_eq!(key(&before), 4 + 32);
    assert_eq!(key(&rig.signed_with(&[]).await.1), 4 + 4);
    let mut raw = rig.encrypted().await;
    raw.send(&startup(2 << 16, &[("user", "token")])).await;
    assert_eq!(raw.rest().await, "E:0A000");
}

#[tokio::test]
async fn what_a_client_is_told_and_wants_set_at_the_beginning() {
    let rig = Rig::new().await;
    let options = "-c polder.purpose=it\\'s\\ billing -c geqo=off";
    let (_, before) = rig.signed_with(&[("application_name", "psql"), ("options", options), ("client_encoding", "utf-8")]).await;
    let told: Vec<String> =
        before.iter().filter(|(tag, _)| *tag == b'S').map(|(_, body)| String::from_utf8(body.clone()).unwrap()).collect();
    assert!(told[0].starts_with("server_version\u{0}15.0 (Polder "));
    for expected in
        ["client_encoding\0UTF8\0", "DateStyle\0ISO, MDY\0", "TimeZone\0UTC\0", "session_authorization\0ann\0", "application_name\0psql\0"]
    {
        assert!(told.iter().any(|told| told == expected), "{expected}");
    }
    let asked = rig.seen.asked.lock().clone();
    assert_eq!(asked, ["SET application_name = 'psql'", "SET polder.purpose = 'it''s billing'"]);
    for (name, value, code) in [("client_encoding", "LATIN1", "22023"), ("replication", "database", "0A000"), ("options", "x", "22023")] {
        let mut raw = rig.encrypted().await;
        raw.send(&startup(3 << 16, &[("user", "token"), (name, value)])).await;
        assert_eq!(raw.rest().await, format!("E:{code}"), "{name}");
    }
    let mut raw = rig.encrypted().await;
    raw.send(&startup(3 << 16, &[("database", "x")])).await;
    assert_eq!(raw.rest().await, "E:28000");
}

#[tokio::test]
async fn a_downgrade_of_channel_binding_is_refused_and_recorded() {
    let mut rig = Rig::new().await;
    for (first, reason) in [("y,,n=,r=abc", "scram_downgrade"), ("n,a=root,n=,r=abc", "scram_message"), ("n,,n=,r=abc", "")] {
        let mut raw = rig.encrypted().await;
        raw.send(&startup(3 << 16, &[("user", "ann")])).await;
        let offered = raw.message().await;
        assert_eq!(offered.1, b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
        let length = u32::try_from(first.len()).unwrap();
        raw.say(b'p', &[b"SCRAM-SHA-256\0", &length.to_be_bytes()[..], first.as_bytes()].concat()).await;
        if reason.is_empty() {
            // The control: who cannot bind is asked on.
            assert_eq!(raw.message().await.0, b'R');
        } else {
            assert!(raw.rest().await.starts_with("E:"));
            assert_eq!(rig.reason().await, reason);
        }
    }
}

#[tokio::test]
async fn the_time_to_sign_in_is_limited() {
    let mut rig = Rig::with(Limits { sign_in: Duration::from_millis(50), ..Limits::default() }).await;
    let mut silent = Raw { stream: Box::new(rig.clear().await) };
    assert_eq!(silent.rest().await, "");
    assert_eq!(rig.reason().await, "sign_in_timeout");
    // Longer than a handshake takes on a busy machine.
    let mut rig = Rig::with(Limits { sign_in: Duration::from_secs(3), ..Limits::default() }).await;
    let mut half = rig.encrypted().await;
    half.send(&startup(3 << 16, &[("user", "ann")])[..6]).await;
    assert_eq!(half.rest().await, "");
    assert_eq!(rig.reason().await, "sign_in_timeout");
}

#[tokio::test]
async fn oversized_and_unknown_messages_end_the_connection_before_they_are_held() {
    let rig = Rig::with(Limits { message_bytes: 10_000, ..Limits::default() }).await;
    for head in [&b"Q\x7f\xff\xff\xff"[..], b"Q\0\0\x27\x11", b"Q\0\0\0\x03", b"Q\xff\xff\xff\xff", b"?", b"p\0\0\0\x05\0"] {
        let mut raw = rig.signed().await;
        raw.send(head).await;
        assert_eq!(raw.rest().await, "E:08P01", "{head:?}");
    }
    // The control: one of just that length is answered.
    let mut raw = rig.signed().await;
    assert_eq!(raw.ask(&format!("select series 1{}", " ".repeat(10_000 - 5 - 15))).await, "T D C:SELECT_1 Z:I");
}

#[tokio::test]
async fn the_extended_protocol_passes_over_all_up_to_sync_after_an_error() {
    let rig = Rig::new().await;
    let mut raw = rig.signed().await;
    let parse = |name: &str, sql: &str| message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes());
    let bind = message(b'B', b"\0s\0\0\0\0\0\0\0");
    let execute = message(b'E', b"\0\0\0\0\x02");
    let sync = message(b'S', b"");
    raw.send(&[parse("s", "select series 3"), bind.clone(), execute.clone(), execute.clone(), sync.clone()].concat()).await;
    assert_eq!(raw.told().await, "1 2 D D s D C:SELECT_1 Z:I");
    // The portal is gone with the implicit transaction, the statement is not.
    raw.send(&[execute.clone(), bind.clone(), parse("t", "select series 1"), sync.clone()].concat()).await;
    assert_eq!(raw.told().await, "E:34000 Z:I");
    raw.send(&[parse("s", "select series 1"), sync.clone()].concat()).await;
    assert_eq!(raw.told().await, "E:42P05 Z:I");
    raw.send(&[bind, message(b'D', b"P\0"), message(b'D', b"Ss\0"), message(b'C', b"Ss\0"), message(b'D', b"Ss\0"), sync.clone()].concat())
        .await;
    assert_eq!(raw.told().await, "2 T t T 3 E:26000 Z:I");
    // An empty statement, and one without rows.
    raw.send(&[parse("", ""), message(b'B', b"\0\0\0\0\0\0\0\0"), message(b'D', b"P\0"), execute.clone(), sync.clone()].concat()).await;
    assert_eq!(raw.told().await, "1 2 n I Z:I");
    raw.send(&[parse("", "begin"), message(b'B', b"\0\0\0\0\0\0\0\0"), execute, sync].concat()).await;
    assert_eq!(raw.told().await, "1 2 C:BEGIN Z:T");
    assert_eq!(raw.ask("begin").await, "N:25001 C:BEGIN Z:T");
    assert_eq!(raw.ask("select wrong; commit").await, "E:42703@8 Z:E");
    assert_eq!(raw.ask("commit; commit").await, "C:ROLLBACK N:25P01 C:COMMIT Z:I");
    assert_eq!(raw.ask("").await, "I Z:I");
    raw.say(b'F', b"\0\0\0\0").await;
    assert_eq!(raw.told().await, "E:0A000 Z:I");
    raw.say(b'X', b"").await;
    assert_eq!(raw.rest().await, "");
}

#[tokio::test]
async fn what_is_kept_for_a_connection_is_limited() {
    let rig = Rig::with(Limits { prepared: 3, message_bytes: 1_000, ..Limits::default() }).await;
    let mut raw = rig.signed().await;
    for name in ["a", "b", "c"] {
        raw.send(&[message(b'P', format!("{name}\0select series 1\0\0\0").as_bytes()), message(b'S', b"")].concat()).await;
        assert_eq!(raw.told().await, "1 Z:I");
    }
    raw.send(&[message(b'P', b"d\0select series 1\0\0\0"), message(b'S', b"")].concat()).await;
    assert_eq!(raw.told().await, "E:53400 Z:I");
    assert_eq!(
        raw.ask("deallocate a; begin; savepoint a; savepoint a; savepoint a; savepoint a").await.split(' ').next_back(),
        Some("Z:E")
    );
    // However few they are, they may not be long: four messages' worth is kept.
    let mut raw = rig.signed().await;
    let cursor = |name: u8| format!("declare {} cursor with hold for select series 1 {}1", char::from(name), " ".repeat(900));
    let rig = Rig::with(Limits { prepared: 300, message_bytes: 1_000, ..Limits::default() }).await;
    let mut many = rig.signed().await;
    for name in b'a'..=b'd' {
        assert_eq!(many.ask(&cursor(name)).await, "C:DECLARE_CURSOR Z:I");
    }
    assert_eq!(many.ask(&cursor(b'e')).await, "E:53400 Z:I");
    assert_eq!(raw.ask("select series 1").await, "T D C:SELECT_1 Z:I");
}

#[tokio::test]
async fn one_who_does_not_read_is_dropped_and_its_query_with_it() {
    let rig = Rig::with(Limits { stalled: Duration::from_millis(100), ..Limits::default() }).await;
    let mut raw = rig.signed().await;
    let mut dropped = rig.seen.dropped.subscribe();
    let mut closed = rig.seen.closed.subscribe();
    raw.say(b'Q', b"select series 100000000\0").await;
    dropped.wait_for(|count| *count == 1).await.unwrap();
    closed.wait_for(|count| *count == 1).await.unwrap();
    let produced = rig.seen.produced.load(std::sync::atomic::Ordering::SeqCst);
    assert!(produced < 20_000, "{produced} batches were computed for one who took none");
}

#[tokio::test]
async fn one_who_goes_away_stops_its_query() {
    let rig = Rig::new().await;
    let mut raw = rig.signed().await;
    let mut dropped = rig.seen.dropped.subscribe();
    let mut closed = rig.seen.closed.subscribe();
    raw.say(b'Q', b"select forever\0").await;
    rows_of_forever(&mut raw).await;
    assert_eq!(*dropped.borrow(), 0);
    drop(raw);
    dropped.wait_for(|count| *count >= 1).await.unwrap();
    closed.wait_for(|count| *count == 1).await.unwrap();
}

#[tokio::test]
async fn a_session_that_is_over_ends_its_connection_at_once() {
    for (ended, code) in [(Ended::Revoked, "E:57P01"), (Ended::Expired, "E:57P01"), (Ended::Idle, "E:57P05")] {
        let rig = Rig::new().await;
        let mut idle = rig.signed().await;
        let mut busy = rig.signed().await;
        busy.say(b'Q', b"select forever\0").await;
        rows_of_forever(&mut busy).await;
        rig.seen.ended.send_replace(Some(ended));
        assert_eq!(idle.rest().await, code);
        assert_eq!(busy.rest().await, code);
        rig.seen.closed.subscribe().wait_for(|count| *count == 2).await.unwrap();
    }
}

#[tokio::test]
async fn serving_ends_when_nothing_is_being_answered() {
    let rig = Rig::new().await;
    let mut idle = rig.signed().await;
    let mut asking = rig.signed().await;
    asking.send(&message(b'P', b"\0select series 1\0\0\0")).await;
    asking.send(&message(b'H', b"")).await;
    assert_eq!(asking.message().await.0, b'1');
    rig.drain.begin();
    assert_eq!(idle.rest().await, "E:57P01");
    // Who is in the middle of something finishes it.
    asking.send(&[message(b'B', b"\0\0\0\0\0\0\0\0"), message(b'E', b"\0\0\0\0\0"), message(b'S', b"")].concat()).await;
    assert_eq!(asking.rest().await, "2 D C:SELECT_1 Z:I E:57P01");
}

#[tokio::test]
async fn one_who_asks_nothing_is_sent_away() {
    let rig = Rig::with(Limits { idle: Duration::from_millis(50), ..Limits::default() }).await;
    assert_eq!(rig.signed().await.rest().await, "E:57P05");
}

#[tokio::test]
async fn a_wrong_key_stops_nothing_and_nobody_is_told() {
    let rig = Rig::new().await;
    let (mut raw, before) = rig.signed_with(&[]).await;
    let key = before.iter().find(|(tag, _)| *tag == b'K').unwrap().1.clone();
    raw.say(b'Q', b"select forever\0").await;
    rows_of_forever(&mut raw).await;
    let cancel = |change: u8| {
        let mut key = key.clone();
        key[7] ^= change;
        [&[0, 0, 0, 16, 4, 210, 22, 46][..], &key].concat()
    };
    let mut wrong = Raw { stream: Box::new(rig.clear().await) };
    wrong.send(&cancel(1)).await;
    // Each is closed without a word when it was looked at.
    assert_eq!(wrong.rest().await, "");
    assert_eq!(*rig.seen.dropped.borrow(), 0);
    let mut right = rig.encrypted().await;
    right.send(&cancel(0)).await;
    assert_eq!(right.rest().await, "");
    assert_eq!(raw.told().await, "E:57014 Z:I");
}

/// What is sent in a state, and what must hold: the listener lives, and the connection ends or answers.
#[test]
fn random_bytes_in_each_state_break_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let limits = Limits { message_bytes: 4_096, sign_in: Duration::from_secs(5), ..Limits::default() };
    let rig = runtime.block_on(Rig::with(limits));
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() });
    let tags = prop::sample::select(b"pQPBDECHSFdcf?".to_vec());
    let messages = prop::collection::vec((tags, prop::collection::vec(any::<u8>(), 0..40)), 0..6);
    runner
        .run(&(0..4_u8, messages, prop::collection::vec(any::<u8>(), 0..30), any::<bool>()), |(state, messages, tail, framed)| {
            let mut bytes: Vec<u8> = messages.iter().flat_map(|(tag, body)| message(*tag, body)).collect();
            if !framed {
                bytes.clear();
            }
            bytes.extend_from_slice(&tail);
            runtime.block_on(async {
                let mut raw = match state {
                    0 => Raw { stream: Box::new(rig.clear().await) },
                    1 => rig.encrypted().await,
                    2 => {
                        let mut raw = rig.encrypted().await;
                        raw.send(&startup(3 << 16, &[("user", "ann")])).await;
                        raw.message().await;
                        raw
                    }
                    _ => rig.signed().await,
                };
                let _ = raw.stream.write_all(&bytes).await;
                let _ = raw.stream.shutdown().await;
                let mut all = Vec::new();
                let _ = raw.stream.read_to_end(&mut all).await;
                assert!(all.len() < 1 << 20);
                assert_eq!(rig.signed().await.ask("select series 1").await, "T D C:SELECT_1 Z:I");
            });
            Ok(())
        })
        .unwrap();
}
