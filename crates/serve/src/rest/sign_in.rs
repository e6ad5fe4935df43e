//! Who asks: a name and a password (Basic), or a token (Bearer), with every request; or the certificate of the connection, where nothing else is
//! said.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderName;
use http::{Extensions, HeaderMap, Method, header};
use polder_types::{ErrorKind, Secret, printable};
use zeroize::Zeroizing;

use super::problem::Problem;
use super::sessions::Signed;
use super::sign_in_page::PAGES;
use super::{PUBLIC, Rest};
use crate::fault::Fault;
use crate::http::{Peer, Presented};
use crate::ports::{Credential, Origin, Wire};

/// The code of a second factor.
const CODE: HeaderName = HeaderName::from_static("polder-code");
/// Longest code, in bytes.
const CODE_MAX_BYTES: usize = 32;
/// The one path where a code is taken.
const TAKES_CODE: &str = "/v1/sessions";
/// Longest name that a client may call itself, in bytes.
const CLIENT_MAX_BYTES: usize = 128;

/// Lets nobody through to a route but who is signed in, and ends what they asked for when their session ends.
pub(super) async fn demand(State(rest): State<Arc<Rest>>, mut request: Request, next: Next) -> Response {
    if is_public(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    let origin = origin(rest.wire, request.extensions(), request.headers());
    // The credential goes no further than this.
    let mut headers = without_credential(&mut request);
    let takes_code = request.method() == Method::POST && request.uri().path() == TAKES_CODE;
    if !takes_code && request.uri().path() == TAKES_CODE {
        // Another method of that path is none, which the router says; no code is used up for it.
        headers.remove(CODE);
    }
    let signed = match signed(&rest, origin, &headers, takes_code).await {
        Ok(signed) => Arc::new(signed),
        Err(problem) => return problem.into_response(),
    };
    request.extensions_mut().insert(Arc::clone(&signed));
    tokio::select! {
        biased;
        _ = signed.session().ended() => Problem::unauthenticated().into_response(),
        response = next.run(request) => response,
    }
}

/// Takes the headers that say who asks out of the request, with a copy of the rest.
fn without_credential(request: &mut Request) -> HeaderMap {
    let headers = request.headers().clone();
    request.headers_mut().remove(header::AUTHORIZATION);
    request.headers_mut().remove(CODE);
    headers
}

/// HEAD is GET without the body.
fn is_public(method: &Method, path: &str) -> bool {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    PUBLIC.iter().chain(&PAGES).any(|(open, at)| open == method && fits(at, path))
}

/// Whether a path is one of a pattern, whose parts in braces are any one that is not empty.
fn fits(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    let each = pattern
        .split('/')
        .all(|wanted| parts.next().is_some_and(|part| if wanted.starts_with('{') { !part.is_empty() } else { part == wanted }));
    each && parts.next().is_none()
}

/// Where someone comes from.
///
/// # Errors
/// When the connection's address is not known, which is a defect.
pub(super) fn origin(wire: Wire, extensions: &Extensions, headers: &HeaderMap) -> Result<Origin, Problem> {
    let certificate = extensions.get::<Presented>().map(|Presented(certificate)| certificate.clone());
    let Some(Peer(peer)) = extensions.get::<Peer>().copied() else {
        return Err(Fault::new(ErrorKind::Internal, "take request: its connection has no address; this is a defect of the program").into());
    };
    Ok(Origin { wire, address: peer.ip().to_canonical(), client: client(headers), certificate })
}

async fn signed(rest: &Arc<Rest>, origin: Result<Origin, Problem>, headers: &HeaderMap, takes_code: bool) -> Result<Signed, Problem> {
    let origin = origin?;
    if headers.contains_key(CODE) && !takes_code {
        let detail = "sign in: a code goes to POST /v1/sessions alone; ask there for a session token, and send that";
        return Err(Problem::malformed(detail));
    }
    match credential(headers) {
        Given::Credential(credential) => Ok(rest.sessions.enter(credential, origin, takes_code).await?),
        Given::Nothing if origin.certificate.is_some() => {
            Ok(rest.sessions.enter(Credential::Certificate { name: None }, origin, takes_code).await?)
        }
        Given::Nothing => Err(Problem::unauthenticated()),
        Given::Malformed => {
            rest.context.accounts.turned_away(&origin, "malformed credentials").await;
            Err(Problem::unauthenticated())
        }
    }
}

enum Given {
    Credential(Credential),
    Nothing,
    Malformed,
}

fn credential(headers: &HeaderMap) -> Given {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Given::Nothing,
        (Some(value), None) => {
            let given = value.to_str().ok().and_then(parsed);
            given.and_then(|given| with_code(given, headers)).map_or(Given::Malformed, Given::Credential)
        }
        // Of two, one here and the other there could be taken for the true one.
        (Some(_), Some(_)) => Given::Malformed,
    }
}

/// The credential with the code that came beside it: only a password has one.
fn with_code(credential: Credential, headers: &HeaderMap) -> Option<Credential> {
    let mut codes = headers.get_all(CODE).iter();
    match (credential, codes.next(), codes.next()) {
        (credential, None, _) => Some(credential),
        (Credential::Password { name, password }, Some(code), None) => {
            let code = code.to_str().ok().filter(|code| (1..=CODE_MAX_BYTES).contains(&code.len()))?;
            Some(Credential::Code { name, password, code: Secret::new(code.to_owned()) })
        }
        _ => None,
    }
}

fn parsed(value: &str) -> Option<Credential> {
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        let fits = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic());
        return fits.then(|| Credential::Token(Secret::new(rest.to_owned())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(rest).ok()?);
    let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let fits = !name.is_empty() && !password.is_empty() && !decoded.iter().any(u8::is_ascii_control);
    fits.then(|| Credential::Password { name: name.to_owned(), password: Secret::new(password.to_owned()) })
}

fn client(headers: &HeaderMap) -> Option<String> {
    let said = headers.get(header::USER_AGENT)?.to_str().ok()?;
    let shown = printable(said);
    let mut end = shown.len().min(CLIENT_MAX_BYTES);
    while !shown.is_char_boundary(end) {
        end -= 1;
    }
    shown.get(..end).filter(|client| !client.is_empty()).map(str::to_owned)
}
