//! HTTP over TLS, for Flight SQL and REST: one connection, from its handshake to its end. What is asked and answered is the router's.

mod body;
mod watch;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

pub use axum::Router;
use axum::body::Body;
use futures::FutureExt as _;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

use crate::context::Context;
use crate::http::body::{Arriving, Leaving};
use crate::http::watch::{Standing, Watch, Watched};
use crate::ports::{ClientCertificate, Origin, Wire};
use crate::tls;

/// ALPN's word of HTTP/2.
pub const H2: &[u8] = b"h2";
/// ALPN's word of HTTP/1.1.
pub const HTTP11: &[u8] = b"http/1.1";
/// The headers of a request may take about this many bytes in all: of HTTP/1.1 it is what waits for their end.
const HEADERS_MAX_BYTES: u32 = 64 << 10;
/// A request may have this many headers.
const HEADERS_MAX: usize = 100;
/// Requests of one connection that run at once (HTTP/2).
const STREAMS_MAX: u32 = 100;
/// Bytes of an answer that wait for a slow client (HTTP/2), of each request.
const SEND_MAX_BYTES: usize = 1 << 20;
/// How often a client that is silent is asked for a sign of life (HTTP/2), and how long it has for it.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// The other side of the connection that a request came by, among the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The client certificate of the connection that a request came by, among the request's extensions where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented(pub ClientCertificate);

/// What ALPN offers on a wire: Flight SQL is gRPC, which is HTTP/2 alone.
pub fn protocols(wire: Wire) -> &'static [&'static [u8]] {
    match wire {
        Wire::Postgres => &[b"postgresql"],
        Wire::Flight => &[H2],
        Wire::Rest | Wire::Metrics => &[H2, HTTP11],
    }
}

/// Serves one connection until it ends, is idle or stalled for too long, or serving ends and its last answer is given.
pub async fn serve(stream: TcpStream, peer: SocketAddr, wire: Wire, context: Arc<Context>, router: Router) {
    let (acceptor, _) = context.tls.acceptor();
    let accepted = tokio::select! {
        accepted = tokio::time::timeout(context.limits.sign_in, acceptor.accept(stream)) => accepted,
        () = context.drain.begins() => return,
    };
    let reason = match accepted {
        Ok(Ok(stream)) => return speak(stream, peer, wire, &context, router).await,
        // Whoever only looks whether someone listens here has done nothing that is worth a record.
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => return,
        Ok(Err(error)) => tls::word(&error, "handshake"),
        Err(_) => "handshake_timeout",
    };
    context.accounts.turned_away(&Origin { wire, address: peer.ip(), client: None, certificate: None }, reason).await;
}

async fn speak(stream: TlsStream<TcpStream>, peer: SocketAddr, wire: Wire, context: &Context, router: Router) {
    let limits = &context.limits;
    let chosen = stream.get_ref().1.alpn_protocol();
    let h2 = chosen == Some(H2) || (chosen.is_none() && wire == Wire::Flight);
    let presented = context.tls.presented(stream.get_ref().1).map(Presented);
    let watch = Arc::new(Watch::new(Instant::now()));
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&watch)));
    let builder = builder(h2, limits.sign_in);
    let (watching, stalled) = (Arc::clone(&watch), limits.stalled);
    let service = service_fn(move |request: Request<Incoming>| {
        let running = watching.begin();
        let mut request = request.map(|body| Body::new(Arriving::new(body, stalled)));
        request.extensions_mut().insert(Peer(peer));
        if let Some(presented) = &presented {
            request.extensions_mut().insert(presented.clone());
        }
        let answer = router.clone().oneshot(request);
        async move {
            // A defect in one answer is no end of the others; the hook for panics says where it was.
            let answered = AssertUnwindSafe(answer).catch_unwind().await;
            let response = answered.unwrap_or_else(|_| Ok(defect()));
            response.map(|response| response.map(|body| Leaving::new(body, running)))
        }
    });
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut looks = tokio::time::interval(look_every(&[limits.sign_in, limits.idle, limits.stalled]));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ending: Option<Instant> = None;
    loop {
        tokio::select! {
            // What it ended by is the client's to know; it may hold what the client sent.
            _ = connection.as_mut() => return,
            () = context.drain.begins(), if ending.is_none() => {
                ending = Some(Instant::now());
                connection.as_mut().graceful_shutdown();
            }
            _ = looks.tick() => {
                let now = Instant::now();
                match watch.look(now, limits) {
                    Standing::Busy => {}
                    Standing::Idle if ending.is_none() => {
                        ending = Some(now);
                        connection.as_mut().graceful_shutdown();
                    }
                    // It was asked to end, and does not.
                    Standing::Idle if ending.is_some_and(|since| now.duration_since(since) < limits.stalled) => {}
                    Standing::Idle | Standing::Silent | Standing::Stalled => return,
                }
            }
        }
    }
}

fn builder(h2: bool, headers: Duration) -> auto::Builder<TokioExecutor> {
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = if h2 { builder.http2_only() } else { builder.http1_only() };
    builder
        .http1()
        .timer(TokioTimer::new())
        // From the first byte of them as well as while nothing comes: a client that wants the connection kept sends sooner.
        .header_read_timeout(headers)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADERS_MAX_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADERS_MAX_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .max_send_buf_size(SEND_MAX_BYTES)
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1);
    builder
}

/// An answer of which nothing is known but that it could not be made.
fn defect() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// A few times in the shortest of the limits, and not all the time.
fn look_every(limits: &[Duration]) -> Duration {
    let shortest = limits.iter().min().copied().unwrap_or_default();
    (shortest / 4).clamp(Duration::from_millis(20), Duration::from_secs(5))
}

#[cfg(test)]
mod tests;
