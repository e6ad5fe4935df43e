//! REST over HTTPS: questions, tables and who one is, as JSON, NDJSON, CSV, Arrow or Parquet. `docs/format/rest.md` says how it is used,
//! `docs/api/openapi.json` is made from what stands here.
//!
//! Whoever is not signed in learns nothing but what [`PUBLIC`] names: signing in comes before routing, so that a route which someone adds
//! demands it without saying so.

mod accept;
mod assistant;
mod body;
mod document;
mod format;
mod guard;
mod health;
mod parameters;
mod problem;
mod query;
mod request;
mod sessions;
mod sign_in;
mod stream;
mod tables;
mod whoami;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};
use http::Method;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use assistant::{Caller, Sheet, described, word};

use crate::context::Context;
use crate::fault::Fault;
use crate::mcp;
use problem::Problem;
use sessions::Sessions;

/// What may be asked without signing in; everything else demands it. A test holds the router and the document to exactly these.
pub const PUBLIC: [(Method, &str); 3] = [(Method::GET, "/v1/openapi.json"), (Method::GET, "/livez"), (Method::GET, "/readyz")];

/// What the routes share.
struct Rest {
    context: Arc<Context>,
    sessions: Arc<Sessions>,
    /// A place for each question that is being answered.
    answering: Arc<Semaphore>,
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
    let rest = Arc::new(Rest {
        sessions: Arc::new(Sessions::new(Arc::clone(&context))),
        answering: Arc::new(Semaphore::new(context.limits.connections.min(Semaphore::MAX_PERMITS))),
        assistants: mcp::service(&context.limits),
        context,
    });
    routes()
        .into_iter()
        .chain(undescribed())
        .fold(Router::new(), |router, (path, methods)| router.route(path, methods))
        .fallback(async || Problem::no_such_route())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(from_fn_with_state(Arc::clone(&rest), sign_in::demand))
        .layer(from_fn(guard::refuse))
        .layer(from_fn_with_state(Arc::clone(&rest), guard::finish))
        .with_state(rest)
}

/// Each path of the document, once.
fn routes() -> Vec<(&'static str, MethodRouter<Arc<Rest>>)> {
    vec![
        ("/v1/query", post(query::query)),
        ("/v1/tables", get(tables::list)),
        ("/v1/tables/{name}", get(tables::show)),
        ("/v1/whoami", get(whoami::whoami)),
        ("/v1/openapi.json", get(document::openapi)),
        ("/livez", get(health::livez)),
        ("/readyz", get(health::readyz)),
    ]
}

/// Paths that the document does not describe, since another protocol does. They demand sign-in as all others.
fn undescribed() -> Vec<(&'static str, MethodRouter<Arc<Rest>>)> {
    vec![("/mcp", post(assistant::ask))]
}

#[cfg(test)]
pub(crate) mod tests;
