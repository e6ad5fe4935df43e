use std::convert::Infallible;

use async_trait::async_trait;
use axum::extract::Extension;
use axum::routing::{get, post};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;
use crate::limits::Limits;
use crate::listener::fixture::{Fixture, listen, long, short};
use crate::listener::{Drained, Handler};

struct Http {
    wire: Wire,
    router: Router,
}

#[async_trait]
impl Handler for Http {
    async fn handle(&self, stream: TcpStream, peer: SocketAddr, context: Arc<Context>) {
        serve(stream, peer, self.wire, context, self.router.clone()).await;
    }
}

/// Answers: who asks; what was sent; an answer that begins, and ends once it is let; one without end; a defect.
fn router(begun: Arc<Semaphore>, go: Arc<Semaphore>) -> Router {
    let slow = move || {
        let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
        async move {
            begun.add_permits(1);
            let _go = go.acquire().await.unwrap();
            "done"
        }
    };
    let endless = || async {
        let parts = futures::stream::repeat_with(|| Ok::<_, Infallible>(bytes::Bytes::from_static(&[b'x'; 16 << 10])));
        Body::from_stream(parts)
    };
    let defect = || async {
        let broken: Option<&str> = std::hint::black_box(None);
        broken.unwrap()
    };
    Router::new()
        .route("/peer", get(|Extension(Peer(peer)): Extension<Peer>| async move { peer.ip().to_string() }))
        .route("/body", post(|body: String| async move { body }))
        .route("/slow", get(slow))
        .route("/endless", get(endless))
        .route("/defect", get(defect))
}

struct Server {
    fixture: Fixture,
    address: SocketAddr,
    running: JoinHandle<Drained>,
    begun: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

async fn server(wire: Wire, tls12: bool, limits: Limits) -> Server {
    let fixture = Fixture::new(wire, tls12, limits);
    let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let router = router(Arc::clone(&begun), Arc::clone(&go));
    let listener = listen(&fixture, wire, Arc::new(Http { wire, router })).await;
    let address = listener.local_address();
    Server { fixture, address, running: tokio::spawn(listener.run()), begun, go }
}

/// What is answered to a request of HTTP/1.1, until the connection ends; what came before it broke.
async fn ask(stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn get_of(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_request_is_answered_and_knows_its_peer_and_a_defect_is_one_answer() {
    let server = server(Wire::Rest, false, long()).await;
    for protocols in [&[HTTP11][..], &[]] {
        let mut stream = server.fixture.connect(server.address, protocols, &[&TLS13]).await.unwrap();
        let answer = ask(&mut stream, &get_of("/peer")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("127.0.0.1"), "{answer}");
    }
    let mut stream = server.fixture.connect(server.address, &[HTTP11], &[&TLS13]).await.unwrap();
    let keep = get_of("/defect").replace("connection: close\r\n", "");
    let answer = ask(&mut stream, &(keep + &get_of("/peer"))).await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn only_the_versions_and_protocols_that_are_served_are_spoken() {
    for (tls12, spoken) in [(false, false), (true, true)] {
        let server = server(Wire::Rest, tls12, long()).await;
        let connected = server.fixture.connect(server.address, &[HTTP11], &[&TLS12]).await;
        assert_eq!(connected.is_ok(), spoken, "{connected:?}");
        assert!(server.fixture.connect(server.address, &[HTTP11], &[&TLS13]).await.is_ok());
    }
    // gRPC is HTTP/2 alone.
    let server = server(Wire::Flight, false, long()).await;
    assert!(server.fixture.connect(server.address, &[HTTP11], &[&TLS13]).await.is_err());
    let stream = server.fixture.connect(server.address, &[HTTP11, H2], &[&TLS13]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(H2));
}

#[tokio::test]
async fn nothing_is_answered_in_the_clear_and_it_is_remembered() {
    let server = server(Wire::Rest, false, long()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let answer = ask(&mut stream, &get_of("/peer")).await;
    assert!(!answer.contains("HTTP") && !answer.contains("127.0.0.1"), "{answer}");
    // Whoever only looks whether someone listens is no attack, and comes before the other here.
    drop(TcpStream::connect(server.address).await.unwrap());
    server.fixture.context.drain.begin();
    server.running.await.unwrap();
    assert_eq!(*server.fixture.accounts.0.lock(), ["handshake"]);
}

#[tokio::test]
async fn headers_that_are_too_long_or_too_many_are_refused() {
    let server = server(Wire::Rest, false, long()).await;
    let long = format!("x-long: {}\r\n", "x".repeat(4 * HEADERS_MAX_BYTES as usize));
    let many: String = (0..=HEADERS_MAX).map(|number| format!("x-{number}: x\r\n")).collect();
    let most: String = (0..HEADERS_MAX - 2).map(|number| format!("x-{number}: x\r\n")).collect();
    for (headers, status) in [(long, "431"), (many, "431"), (most, "200")] {
        let mut stream = server.fixture.connect(server.address, &[HTTP11], &[&TLS13]).await.unwrap();
        let answer = ask(&mut stream, &get_of("/peer").replace("connection:", &format!("{headers}connection:"))).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {}", answer.get(..80).unwrap_or(&answer));
    }
}

#[tokio::test]
async fn who_opens_a_connection_and_goes_no_further_is_closed_after_the_limit() {
    let server = server(Wire::Rest, false, short()).await;
    let request = get_of("/peer");
    let half = request.get(..30).unwrap();
    // No handshake at all, or half of one.
    for sent in [&b""[..], &[0x16, 3, 1, 0, 200][..]] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap_or(0), 0);
    }
    assert_eq!(*server.fixture.accounts.0.lock(), ["handshake_timeout", "handshake_timeout"]);
    // A handshake and no request, and half a request.
    for sent in ["", half] {
        let mut stream = server.fixture.connect(server.address, &[HTTP11], &[&TLS13]).await.unwrap();
        let answer = ask(&mut stream, sent).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    // HTTP/2 that begins and asks nothing.
    let mut stream = server.fixture.connect(server.address, &[H2], &[&TLS13]).await.unwrap();
    ask(&mut stream, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    // The control: one that asks at once is answered.
    let mut stream = server.fixture.connect(server.address, &[HTTP11], &[&TLS13]).await.unwrap();
    assert!(ask(&mut stream, &request).await.contains("200 OK"));
}

#[tokio::test]
async fn a_body_that_stops_on_its_way_is_given_up() {
    let server = server(Wire::Rest, false, short()).await;
    let post =
        |length: usize| format!("POST /body HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\nabc");
    let mut stream = server.fixture.connect(server.address, &[HTTP11], &[&TLS13]).await.unwrap();
    let answer = ask(&mut stream, &post(1_000)).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") || answer.is_empty(), "{answer}");
    let mut stream = server.fixture.connect(server.address, &[HTTP11], &[&TLS13]).await.unwrap();
    assert!(ask(&mut stream, &post(3)).await.ends_with("abc"));
}

#[tokio::test]
async fn an_answer_that_nobody_takes_ends_with_its_connection() {
    let server = server(Wire::Rest, false, Limits { drain: Duration::from_secs(600), ..short() }).await;
    let mut stream = server.fixture.connect(server.address, &[HTTP11], &[&TLS13]).await.unwrap();
    stream.write_all(get_of("/endless").as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    // From here on nothing is read. When serving ends the connection is waited for, and is closed by its own limit.
    server.fixture.context.drain.begin();
    let drained = server.running.await.unwrap();
    assert_eq!(drained.aborted, 0);
    assert!(stream.read_to_end(&mut Vec::new()).await.is_err(), "it was broken off, not ended");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let limits = Limits { idle: Duration::from_millis(200), ..long() };
    let server = server(Wire::Rest, false, limits).await;
    let mut stream = server.fixture.connect(server.address, &[HTTP11], &[&TLS13]).await.unwrap();
    let answer = ask(&mut stream, &get_of("/peer").replace("connection: close\r\n", "")).await;
    // It came to its end without being asked to.
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn the_end_of_serving_lets_an_answer_end_and_closes_what_asks_nothing() {
    let server = server(Wire::Rest, false, long()).await;
    let mut idle = server.fixture.connect(server.address, &[HTTP11], &[&TLS13]).await.unwrap();
    let mut handshaking = TcpStream::connect(server.address).await.unwrap();
    let mut busy = server.fixture.connect(server.address, &[HTTP11], &[&TLS13]).await.unwrap();
    busy.write_all(get_of("/slow").replace("connection: close\r\n", "").as_bytes()).await.unwrap();
    server.begun.acquire().await.unwrap().forget();
    server.fixture.context.drain.begin();
    // Both are closed while the other is still answered.
    assert_eq!(idle.read_to_end(&mut Vec::new()).await.unwrap_or(0), 0);
    assert_eq!(handshaking.read_to_end(&mut Vec::new()).await.unwrap_or(0), 0);
    server.go.add_permits(1);
    let answer = ask(&mut busy, "").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("done"), "{answer}");
    assert_eq!(server.running.await.unwrap().aborted, 0);
}

#[test]
fn a_connection_is_looked_at_a_few_times_in_its_shortest_limit() {
    let seconds = Duration::from_secs;
    assert_eq!(look_every(&[seconds(15), seconds(3_600), seconds(60)]), Duration::from_millis(3_750));
    assert_eq!(look_every(&[seconds(600)]), seconds(5));
    assert_eq!(look_every(&[Duration::ZERO]), Duration::from_millis(20));
}
