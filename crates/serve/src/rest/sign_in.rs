//! Who asks: a name and a password (Basic), or a token (Bearer), with every request.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, header};
use polder_types::{ErrorKind, Secret, printable};
use zeroize::Zeroizing;

use super::problem::Problem;
use super::sessions::Signed;
use super::{PUBLIC, Rest};
use crate::fault::Fault;
use crate::http::Peer;
use crate::ports::{Credential, Origin, Wire};

/// Longest name that a client may call itself, in bytes.
const CLIENT_MAX_BYTES: usize = 128;

/// Lets nobody through to a route but who is signed in, and ends what they asked for when their session ends.
pub(super) async fn demand(State(rest): State<Arc<Rest>>, mut request: Request, next: Next) -> Response {
    if is_public(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>().copied();
    // The credential goes no further than this.
    let headers = without_credential(&mut request);
    let signed = match signed(&rest, peer, &headers).await {
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
    headers
}

/// HEAD is GET without the body.
fn is_public(method: &Method, path: &str) -> bool {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    PUBLIC.iter().any(|(open, at)| open == method && *at == path)
}

async fn signed(rest: &Arc<Rest>, peer: Option<Peer>, headers: &HeaderMap) -> Result<Signed, Problem> {
    let Some(Peer(peer)) = peer else {
        return Err(Fault::new(ErrorKind::Internal, "take request: its connection has no address; this is a defect of the program").into());
    };
    let origin = Origin { wire: Wire::Rest, address: peer.ip().to_canonical(), client: client(headers) };
    match credential(headers) {
        Given::Credential(credential) => Ok(rest.sessions.enter(credential, origin).await?),
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
        (Some(value), None) => value.to_str().ok().and_then(parsed).map_or(Given::Malformed, Given::Credential),
        // Of two, one here and the other there could be taken for the true one.
        (Some(_), Some(_)) => Given::Malformed,
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
