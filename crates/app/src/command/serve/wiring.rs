//! Which wire is spoken behind which listener: the one place that names them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use polder_serve::{
    Accounts, Asked, Clients, Connections, Context, Drain, Handler, Limits, Listener, Postgres, Tls, Wire, flight, http, rest,
};
use polder_types::ErrorKind;
use rustls::pki_types::CertificateDer;
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
    /// Shows another certificate on all of them, and takes client certificates of these authorities from now on.
    pub(super) fn show(&self, shown: &Shown, authorities: &[CertificateDer<'static>]) -> Outcome {
        self.tls.iter().try_for_each(|tls| {
            let clients = clients(tls.asked(), authorities);
            tls.replace_asking(shown.chain.clone(), shown.key.clone_key(), clients.as_ref()).map_err(|error| unfit(&error))
        })
    }

    /// The open connections of each listener.
    pub(super) fn connections(&self) -> Vec<(Wire, Connections)> {
        self.listeners.iter().map(|listener| (listener.wire(), listener.connections())).collect()
    }
}

/// Listens on all addresses of the settings.
///
/// # Errors
/// When the certificate cannot be served, or an address not be listened on.
pub(super) async fn listen(
    installation: &Installation,
    serving: &Serving,
    shown: &Shown,
    authorities: &[CertificateDer<'static>],
    accounts: &Arc<dyn Accounts>,
) -> Outcome<Up> {
    let mut up = Up { listeners: Vec::new(), drain: Drain::default(), limits: Arc::new(limits(&serving.limits)), tls: Vec::new() };
    for (wire, settings) in &serving.listeners {
        let clients = clients(settings.client_certificates, authorities);
        let (chain, key) = (shown.chain.clone(), shown.key.clone_key());
        let tls = Tls::asking(chain, key, http::protocols(*wire), settings.tls12, clients.as_ref());
        let tls = Arc::new(tls.map_err(|error| unfit(&error))?);
        let context = Arc::new(Context {
            accounts: Arc::clone(accounts),
            limits: Arc::clone(&up.limits),
            tls: Arc::clone(&tls),
            drain: up.drain.clone(),
            clock: Arc::clone(&installation.clock),
            rng: Arc::clone(&installation.rng),
            public_url: serving.public_url.as_deref().map(Arc::from),
        });
        let handler = handler(*wire, &context);
        let listener = Listener::bind(settings.address, *wire, context, handler).await;
        up.listeners.push(listener.map_err(|error| Failure::of(ErrorKind::Unavailable, &error))?);
        up.tls.push(tls);
    }
    Ok(up)
}

/// How a listener asks for client certificates, where it does.
fn clients(asked: Option<Asked>, authorities: &[CertificateDer<'static>]) -> Option<Clients> {
    asked.map(|asked| Clients { asked, authorities: authorities.to_vec() })
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
        Wire::Metrics => Arc::new(Http { wire, router: rest::metrics(Arc::clone(context)) }),
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
