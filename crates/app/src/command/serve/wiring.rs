//! Which wire is spoken behind which listener: the one place that names them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use polder_serve::{Accounts, Context, Drain, Handler, Limits, Listener, Postgres, Tls, Wire, flight, http, rest};
use polder_types::ErrorKind;
use tokio::net::TcpStream;

use crate::command::serve::certificate::Shown;
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::settings::{Serving, ServingLimits};

/// Listeners that listen, and let nobody in yet.
pub(super) struct Up {
    pub(super) listeners: Vec<Listener>,
    pub(super) drain: Drain,
    pub(super) limits: Arc<Limits>,
    tls: Vec<Arc<Tls>>,
}

impl Up {
    /// Shows another certificate on all of them.
    pub(super) fn show(&self, shown: &Shown) -> Outcome {
        self.tls.iter().try_for_each(|tls| tls.replace(shown.chain.clone(), shown.key.clone_key()).map_err(|error| unfit(&error)))
    }
}

/// Listens on all addresses of the settings.
///
/// # Errors
/// When the certificate cannot be served, or an address not be listened on.
pub(super) async fn listen(installation: &Installation, serving: &Serving, shown: &Shown, accounts: &Arc<dyn Accounts>) -> Outcome<Up> {
    let mut up = Up { listeners: Vec::new(), drain: Drain::default(), limits: Arc::new(limits(&serving.limits)), tls: Vec::new() };
    for (wire, settings) in &serving.listeners {
        let tls = Tls::new(shown.chain.clone(), shown.key.clone_key(), http::protocols(*wire), settings.tls12);
        let tls = Arc::new(tls.map_err(|error| unfit(&error))?);
        let context = Arc::new(Context {
            accounts: Arc::clone(accounts),
            limits: Arc::clone(&up.limits),
            tls: Arc::clone(&tls),
            drain: up.drain.clone(),
            clock: Arc::clone(&installation.clock),
            rng: Arc::clone(&installation.rng),
        });
        let handler = handler(*wire, &context);
        let listener = Listener::bind(settings.address, *wire, context, handler).await;
        up.listeners.push(listener.map_err(|error| Failure::of(ErrorKind::Unavailable, &error))?);
        up.tls.push(tls);
    }
    Ok(up)
}

fn unfit(error: &polder_serve::TlsError) -> Failure {
    Failure::of(ErrorKind::Invalid, error)
}

fn limits(settings: &ServingLimits) -> Limits {
    Limits {
        connections: settings.connections,
        connections_per_address: settings.connections_per_address,
        sign_in: Duration::from_secs(settings.sign_in_seconds),
        idle: Duration::from_secs(settings.idle_minutes.saturating_mul(60)),
        ..Limits::default()
    }
}

fn handler(wire: Wire, context: &Arc<Context>) -> Arc<dyn Handler> {
    match wire {
        Wire::Postgres => Arc::new(Pg(Postgres::new(Arc::clone(context)))),
        Wire::Flight => Arc::new(Http { wire, router: flight::service(Arc::clone(context)) }),
        Wire::Rest => Arc::new(Http { wire, router: rest::router(Arc::clone(context)) }),
    }
}

struct Pg(Postgres);

#[async_trait]
impl Handler for Pg {
    /// It has the listener's context already.
    async fn handle(&self, stream: TcpStream, peer: SocketAddr, _context: Arc<Context>) {
        self.0.serve(stream, peer).await;
    }
}

struct Http {
    wire: Wire,
    router: http::Router,
}

#[async_trait]
impl Handler for Http {
    async fn handle(&self, stream: TcpStream, peer: SocketAddr, context: Arc<Context>) {
        http::serve(stream, peer, self.wire, context, self.router.clone()).await;
    }
}
