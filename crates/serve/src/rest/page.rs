//! Queries and cursors: each name at most once, and none that a route does not know.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;

use super::problem::Problem;
use super::providers;

/// Paths whose routes for GET read their query themselves, besides the ways back from providers. A test asks each other one with a query.
pub(super) const WITH_QUERY: [&str; 5] = ["/v1/tables", "/v1/runs", "/v1/contracts", "/v1/audit/entries", "/v1/audit/consistency"];

/// Refuses a query where no route reads one: who sends it believes that it means something.
pub(super) async fn without_query(request: Request, next: Next) -> Response {
    let gets = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path();
    let reads = gets && (WITH_QUERY.contains(&path) || providers::is_callback(path));
    if !reads && request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Problem::malformed("take request: this route has no query; leave out the question mark and what follows").into_response();
    }
    next.run(request).await
}

/// A query, in part read.
pub(super) struct Query {
    step: &'static str,
    given: Vec<(String, String)>,
}

impl Query {
    /// # Errors
    /// When it holds another name than these, or one twice.
    pub(super) fn read(query: Option<&str>, step: &'static str, known: &[&str]) -> Result<Self, Problem> {
        let mut given: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) || given.iter().any(|(other, _)| *other == name) {
                let names = if known.is_empty() { "nothing".to_owned() } else { format!("`{}`, each once", known.join("`, `")) };
                return Err(Problem::malformed(format!("{step}: the query holds something else than {names}; leave it out")));
            }
            given.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self { step, given })
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A number of things on a page.
    ///
    /// # Errors
    /// When it is none from 1 to `most`.
    pub(super) fn limit(&self, without: usize, most: usize) -> Result<usize, Problem> {
        let step = self.step;
        let Some(text) = self.value("limit") else { return Ok(without) };
        let limit = digits(text).and_then(|number| usize::try_from(number).ok()).filter(|number| (1..=most).contains(number));
        limit.ok_or_else(|| Problem::malformed(format!("{step}: `limit` is no number from 1 to {most}; give one")))
    }

    /// A whole number.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let step = self.step;
        self.value(name)
            .map(|text| digits(text).ok_or_else(|| Problem::malformed(format!("{step}: `{name}` is no whole number; give one"))))
            .transpose()
    }

    /// Where a page before ended.
    ///
    /// # Errors
    /// When no page gave it.
    pub(super) fn after<T>(&self, open: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        let step = self.step;
        let detail = || Problem::malformed(format!("{step}: `after` is not what a page gave as `next`; begin again without it"));
        let Some(text) = self.value("after") else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| detail())?;
        String::from_utf8(bytes).ok().and_then(|text| open(&text)).map(Some).ok_or_else(detail)
    }
}

/// What `after` takes for the next page.
pub(super) fn next(place: &str) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

/// A number as it is written without a sign, a leading zero or anything else, and as the document has numbers: of 63 bits.
pub(super) fn digits(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|number| plain && i64::try_from(*number).is_ok())
}
