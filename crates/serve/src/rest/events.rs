//! What becomes of a run, as it happens: server-sent events, as the HTML standard defines them. Each has a number, by which one goes on where
//! one was. What is told is read as it is taken, so that nobody makes anything grow by not taking it.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use utoipa::ToSchema;

use super::problem::Problem;
use super::runs::{Run, Step, named, of};
use super::sessions::Signed;
use super::stream::{Piece, Stop, body, hand};
use super::{Rest, accept, page};
use crate::drain::Drain;
use crate::works::{Happening, Happenings};

/// How often something is sent, so that whoever is between sees that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// After how many milliseconds a client that was cut off is to come again.
const RETRY_MS: u32 = 2_000;

/// The data of the event `started`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Started {
    steps: u32,
}

/// Tells what becomes of a run
///
/// Events `started`, `step` (as among the steps of the run) and, as the last one, `ended` (as the run itself), each with its number as `id`. Whoever
/// gives the last number that they saw as `Last-Event-ID` is told what comes after it; 204 says that nothing does. A stream that ends without
/// `ended` was cut off: ask again.
#[utoipa::path(
    get,
    path = "/v1/runs/{id}/events",
    operation_id = "follow_run",
    tag = "runs",
    params(
        ("id" = String, Path, description = "The run's id.", pattern = "^[0-9a-f]{32}$"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The number of the last event that was seen.", minimum = 0, maximum = 1000000000),
    ),
    responses(
        (status = 200, description = "Events, as they happen.", body = String, content_type = "text/event-stream"),
        (status = 204, description = "All was told."),
        (status = 404, description = "There is none of that id that you may know of."),
    ),
)]
pub(super) async fn follow(
    State(rest): State<Arc<Rest>>,
    Extension(signed): Extension<Arc<Signed>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accept::choose(&headers, &["text/event-stream"])?;
    let id = named(id)?;
    let after = last(&headers)?;
    let place = rest.place()?;
    let Some(happenings) = of(&signed)?.follow(id, after).await.map_err(Problem::of_work)? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let (to, pieces) = mpsc::channel(1);
    let telling = Telling { happenings, to, stalled: rest.context.limits.stalled, drain: rest.context.drain.clone() };
    tokio::spawn(telling.until_the_end(signed, place));
    let mut response = body(pieces).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

/// The number of the last event that was seen; 0 where none was.
fn last(headers: &HeaderMap) -> Result<u64, Problem> {
    let mut given = headers.get_all("last-event-id").iter();
    let number = match (given.next(), given.next()) {
        (None, _) => Some(0),
        (Some(value), None) => value.to_str().ok().and_then(page::digits).filter(|number| *number <= 1_000_000_000),
        (Some(_), Some(_)) => None,
    };
    number.ok_or_else(|| Problem::malformed("follow run: Last-Event-ID is not the number of one event; leave it out to hear all"))
}

struct Telling {
    happenings: Happenings,
    to: mpsc::Sender<Piece>,
    stalled: Duration,
    drain: Drain,
}

impl Telling {
    async fn until_the_end(self, signed: Arc<Signed>, place: OwnedSemaphorePermit) {
        let (to, drain) = (self.to.clone(), self.drain.clone());
        tokio::select! {
            biased;
            _ = signed.session().ended() => {}
            () = to.closed() => {}
            () = drain.begins() => {}
            _ = self.tell() => {}
        }
        drop(place);
    }

    async fn tell(self) -> Result<(), Stop> {
        let Self { mut happenings, to, stalled, drain: _ } = self;
        say(&to, format!("retry: {RETRY_MS}\n\n"), stalled).await?;
        loop {
            let next = match tokio::time::timeout(HEARTBEAT, happenings.next()).await {
                Err(_) => {
                    say(&to, ": still there\n\n".to_owned(), stalled).await?;
                    continue;
                }
                Ok(next) => next,
            };
            let Some(happened) = next else { return hand(&to, Piece::End, stalled).await };
            let (number, happening) = happened?;
            let Some(text) = event(number, happening) else { return Err(Stop::Fault) };
            say(&to, text, stalled).await?;
        }
    }
}

async fn say(to: &mpsc::Sender<Piece>, text: String, stalled: Duration) -> Result<(), Stop> {
    hand(to, Piece::Bytes(Bytes::from(text)), stalled).await
}

/// JSON has no line ends but those that are escaped, so that nothing in it can begin another field.
fn event(number: u64, happening: Happening) -> Option<String> {
    let (kind, data) = match happening {
        Happening::Started(steps) => ("started", serde_json::to_string(&Started { steps })),
        Happening::Step(step) => ("step", serde_json::to_string(&Step::from(step))),
        Happening::Ended(run) => ("ended", serde_json::to_string(&Run::from(run))),
    };
    data.ok().map(|data| format!("id: {number}\nevent: {kind}\ndata: {data}\n\n"))
}
