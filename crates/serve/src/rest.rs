//! REST over HTTPS: questions, tables and who one is, as JSON, NDJSON, CSV, Arrow or Parquet. `docs/format/rest.md` says how it is used,
//! `docs/api/openapi.json` is made from what stands here.
//!
//! Whoever is not signed in learns nothing but what [`PUBLIC`] names: signing in comes before routing, so that a route which someone adds
//! demands it without saying so.

mod accept;
mod assistant;
mod body;
mod cloud_events;
mod condition;
mod contracts;
mod document;
mod events;
mod format;
mod guard;
mod health;
mod ingest;
mod log;
mod metrics;
mod page;
mod parameters;
mod passkeys;
mod problem;
mod providers;
mod query;
mod request;
mod runs;
mod sessions;
mod sign_in;
mod sign_in_page;
mod stream;
mod tables;
mod tickets;
mod whoami;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, delete, get, post};
use http::Method;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use assistant::{Caller, Sheet, described, word};

use crate::context::Context;
use crate::fault::Fault;
use crate::mcp;
use crate::ports::Wire;
use problem::Problem;
use sessions::Sessions;

/// What may be asked without signing in; everything else demands it. A test holds the router and the document to exactly these.
/// A part in braces stands for any one.
pub const PUBLIC: [(Method, &str); 10] = [
    (Method::GET, "/v1/sign-in/providers"),
    (Method::GET, "/v1/sign-in/{provider}"),
    (Method::GET, "/v1/sign-in/{provider}/callback"),
    (Method::POST, "/v1/sign-in/{provider}/device"),
    (Method::POST, "/v1/sign-in/{provider}/device/token"),
    (Method::GET, "/v1/openapi.json"),
    (Method::GET, "/livez"),
    (Method::GET, "/readyz"),
    (Method::POST, "/v1/sessions/passkey/options"),
    (Method::POST, "/v1/sessions/passkey"),
];

/// What the routes share.
struct Rest {
    context: Arc<Context>,
    /// The way in.
    wire: Wire,
    sessions: Arc<Sessions>,
    /// A place for each question that is being answered.
    answering: Arc<Semaphore>,
    /// A place for each request that sends rows, and the memory for what all of them send, in KiB.
    pushing: Arc<Semaphore>,
    pushed_kib: Arc<Semaphore>,
    /// What assistants speak to.
    assistants: mcp::Service,
}

impl Rest {
    /// A place among those who are being answered.
    fn place(&self) -> Result<OwnedSemaphorePermit, Fault> {
        if self.context.drain.has_begun() {
            return Err(Fault::limit("ask question: serving ends; ask again when it has begun anew"));
        }
        let free = Arc::clone(&self.answering).try_acquire_owned();
        free.map_err(|_| Fault::limit("ask question: as many as may be are being answered; try again"))
    }
}

/// The service. Each request needs a [`crate::Peer`] among its extensions, or it is refused.
pub fn router(context: Arc<Context>) -> Router {
    guarded(context, Wire::Rest, routes().into_iter().chain(undescribed()))
}

/// The service of the listener for metrics, which demands sign-in as the other does. Its requests need a [`crate::Peer`] too.
pub fn metrics(context: Arc<Context>) -> Router {
    guarded(context, Wire::Metrics, measured().into_iter())
}

/// Routes behind all that holds for every request.
fn guarded(context: Arc<Context>, wire: Wire, routes: impl Iterator<Item = (&'static str, MethodRouter<Arc<Rest>>)>) -> Router {
    let rest = Arc::new(Rest {
        sessions: Arc::new(Sessions::new(Arc::clone(&context))),
        answering: Arc::new(Semaphore::new(context.limits.connections.min(Semaphore::MAX_PERMITS))),
        pushing: Arc::new(Semaphore::new(context.limits.pushes.min(Semaphore::MAX_PERMITS))),
        pushed_kib: Arc::new(Semaphore::new((context.limits.pushed_bytes >> 10).min(Semaphore::MAX_PERMITS))),
        assistants: mcp::service(&context.limits),
        wire,
        context,
    });
    routes
        // Of the methods that a route has: of the others the router says that there are none.
        .fold(Router::new(), |router, (path, methods)| router.route(path, methods.route_layer(from_fn(page::without_query))))
        .fallback(async || Problem::no_such_route())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(from_fn_with_state(Arc::clone(&rest), sign_in::demand))
        .layer(from_fn_with_state(Arc::clone(&rest), guard::refuse))
        .layer(from_fn_with_state(Arc::clone(&rest), guard::finish))
        .with_state(rest)
}

/// Each path of the document, once.
fn routes() -> Vec<(&'static str, MethodRouter<Arc<Rest>>)> {
    vec![
        ("/v1/query", post(query::query)),
        ("/v1/ingest/{source}/{dataset}", post(ingest::push)),
        ("/v1/tables", get(tables::list)),
        ("/v1/tables/{name}", get(tables::show)),
        ("/v1/runs", get(runs::list).post(runs::start)),
        ("/v1/runs/{id}", get(runs::show)),
        ("/v1/runs/{id}/cancel", post(runs::cancel)),
        ("/v1/runs/{id}/events", get(events::follow)),
        ("/v1/contracts", get(contracts::list)),
        ("/v1/contracts/{name}", get(contracts::show)),
        ("/v1/contracts/{name}/diff", post(contracts::diff)),
        ("/v1/contracts/{name}/approvals", post(contracts::approve)),
        ("/v1/audit/checkpoint", get(log::checkpoint)),
        ("/v1/audit/entries", get(log::entries)),
        ("/v1/audit/entries/{index}/proof", get(log::inclusion)),
        ("/v1/audit/consistency", get(log::consistency)),
        ("/v1/whoami", get(whoami::whoami)),
        ("/v1/sessions", post(tickets::create)),
        ("/v1/sessions/current", delete(tickets::end)),
        ("/v1/sign-in/providers", get(providers::list)),
        ("/v1/sign-in/{provider}", get(providers::depart)),
        ("/v1/sign-in/{provider}/callback", get(providers::arrive)),
        ("/v1/sign-in/{provider}/device", post(providers::begin_device)),
        ("/v1/sign-in/{provider}/device/token", post(providers::ask_device)),
        ("/v1/sessions/passkey/options", post(passkeys::ask)),
        ("/v1/sessions/passkey", post(passkeys::sign_in)),
        ("/v1/passkeys", get(passkeys::list).post(passkeys::add)),
        ("/v1/passkeys/options", post(passkeys::wish)),
        ("/v1/passkeys/{id}", delete(passkeys::remove)),
        ("/v1/openapi.json", get(document::openapi)),
        ("/livez", get(health::livez)),
        ("/readyz", get(health::readyz)),
    ]
}

/// Paths that the document does not describe: another protocol does, which demands sign-in as all others; or they are the page for signing in.
fn undescribed() -> Vec<(&'static str, MethodRouter<Arc<Rest>>)> {
    let [(_, page), (_, script), (_, style)] = sign_in_page::PAGES;
    vec![
        ("/mcp", post(assistant::ask)),
        (page, get(sign_in_page::show)),
        (script, get(sign_in_page::script)),
        (style, get(sign_in_page::style)),
    ]
}

/// The paths of the listener for metrics.
fn measured() -> Vec<(&'static str, MethodRouter<Arc<Rest>>)> {
    vec![("/metrics", get(metrics::metrics)), ("/livez", get(health::livez)), ("/readyz", get(health::readyz))]
}

#[cfg(test)]
pub(crate) mod tests;
