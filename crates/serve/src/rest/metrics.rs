//! What Prometheus collects: the numbers of the serving process.

use std::sync::Arc;

use axum::Extension;
use axum::response::{IntoResponse as _, Response};
use http::header;

use super::problem::Problem;
use super::sessions::Signed;

/// OpenMetrics, which every Prometheus since 2018 takes.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The numbers, for who may have them.
pub(super) async fn metrics(Extension(signed): Extension<Arc<Signed>>) -> Result<Response, Problem> {
    let text = signed.session().metrics().await?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}
