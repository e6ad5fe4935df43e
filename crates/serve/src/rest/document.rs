//! The OpenAPI 3.1 document, made from the handlers and what they read and write. What holds for all of them is added here.

use axum::response::Response;
use http::{HeaderMap, Method};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi as _};

use super::format::Format;
use super::problem::{self, Problem};
use super::{PUBLIC, accept, condition, contracts, events, health, ingest, log, passkeys, providers, query, runs, tables, tickets, whoami};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Polder",
        version = "1",
        description = "Questions to governed tables, runs, contracts and the audit log. Each request carries its credentials; each answer is decided by policies and recorded.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        query::query,
        ingest::push,
        tables::list,
        tables::show,
        runs::start,
        runs::list,
        runs::show,
        runs::cancel,
        events::follow,
        contracts::list,
        contracts::show,
        contracts::diff,
        contracts::approve,
        log::checkpoint,
        log::entries,
        log::inclusion,
        log::consistency,
        whoami::whoami,
        tickets::create,
        tickets::end,
        passkeys::ask,
        passkeys::sign_in,
        passkeys::list,
        passkeys::wish,
        passkeys::add,
        passkeys::remove,
        providers::list,
        providers::depart,
        providers::arrive,
        providers::begin_device,
        providers::ask_device,
        openapi,
        health::livez,
        health::readyz,
    ),
    components(schemas(problem::Document, events::Started)),
    tags(
        (name = "questions", description = "SQL and its answers."),
        (name = "ingest", description = "Rows that programs send."),
        (name = "catalog", description = "What one may know of."),
        (name = "runs", description = "Loads of tables and builds of models."),
        (name = "contracts", description = "What may come in."),
        (name = "audit", description = "What happened, for whoever verifies it."),
        (name = "accounts", description = "Who one is."),
        (name = "health", description = "For whoever watches the process."),
        (name = "document", description = "This document."),
    ),
    modifiers(&Common),
)]
struct Document;

/// What no handler says for itself.
struct Common;

/// Statuses that every operation may answer with.
const OF_ALL: [(&str, &str); 8] = [
    ("400", "What was sent cannot be read."),
    ("403", "A policy said no, or a page in a browser asked."),
    ("405", "The route has no such method; `Allow` names those that it has."),
    ("406", "None of the wanted formats is there, or it cannot hold the answer."),
    ("414", "The target is too long."),
    ("431", "The headers are too long."),
    ("500", "A defect of the program, or damaged data."),
    ("503", "Not available now; trying again may work."),
];
/// Those of operations that demand sign-in.
const OF_SIGNED_IN: [(&str, &str); 1] = [("401", "Not signed in, or not any more; the same whatever the reason.")];
/// Those of operations with a body.
const OF_BODIES: [(&str, &str); 6] = [
    ("408", "The body did not come in time."),
    ("409", "Another change came first."),
    ("413", "The body is too long."),
    ("415", "The body is not announced as plain JSON."),
    ("422", "What was sent is not as described, or does not fit the question."),
    ("423", "Another writer is at work."),
];

impl Modify for Common {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        let basic =
            Http::builder().scheme(HttpAuthScheme::Basic).description(Some("An account's name and its password or one of its tokens."));
        let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some("A token."));
        components.add_security_scheme("basic", SecurityScheme::Http(basic.build()));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in [(Method::GET, &mut item.get), (Method::POST, &mut item.post), (Method::DELETE, &mut item.delete)] {
                let Some(operation) = operation else { continue };
                let open = PUBLIC.iter().any(|(other, at)| *other == method && at == path);
                let either = ["basic", "bearer"].map(|scheme| SecurityRequirement::new(scheme, Vec::<String>::new()));
                operation.security = Some(if open { Vec::new() } else { either.into() });
                let mut owed = OF_ALL.to_vec();
                if !open {
                    owed.extend(OF_SIGNED_IN);
                }
                if operation.request_body.is_some() {
                    owed.extend(OF_BODIES);
                }
                for (status, description) in owed {
                    let response = || ResponseBuilder::new().description(description).build().into();
                    operation.responses.responses.entry(status.to_owned()).or_insert_with(response);
                }
                for (_, response) in operation.responses.responses.iter_mut().filter(|(status, _)| status.as_str() >= "400") {
                    if let RefOr::T(response) = response {
                        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
                        response.content.insert("application/problem+json".to_owned(), content.into());
                    }
                }
            }
        }
        let ingest = document.paths.paths.get_mut("/v1/ingest/{source}/{dataset}").and_then(|item| item.post.as_mut());
        if let Some(RefOr::T(body)) = ingest.and_then(|operation| operation.request_body.as_mut()) {
            for media_type in ingest::MEDIA_TYPES {
                body.content.entry(media_type.to_owned()).or_insert_with(|| ContentBuilder::new().build().into());
            }
        }
        // JSON is described by the handler; the others are formats of their own.
        let answer = document.paths.paths.get_mut("/v1/query").and_then(|item| item.post.as_mut());
        if let Some(RefOr::T(answer)) = answer.and_then(|operation| operation.responses.responses.get_mut("200")) {
            for format in Format::ALL.into_iter().filter(|format| *format != Format::Json) {
                answer.content.insert(format.media_type().to_owned(), ContentBuilder::new().build().into());
            }
        }
    }
}

/// The document.
///
/// # Errors
/// Never, unless the document cannot be said in JSON, which its test would find.
pub(super) fn text() -> Result<String, serde_json::Error> {
    Document::openapi().to_pretty_json().map(|text| text + "\n")
}

/// Gives this document
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "openapi",
    tag = "document",
    params(("If-None-Match" = Option<String>, Header, description = "`ETag` of an earlier answer: 304 if it would be the same.")),
    responses(
        (status = 200, description = "OpenAPI 3.1.", body = serde_json::Value, content_type = "application/json", headers(("ETag" = String, description = "Names this content."))),
        (status = 304, description = "The same as under the given ETag."),
    ),
)]
pub(super) async fn openapi(headers: HeaderMap) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let text = text().map_err(|_| {
        crate::fault::Fault::new(polder_types::ErrorKind::Internal, "write document: it is no JSON; this is a defect of the program")
    })?;
    condition::answer(text.into_bytes(), &headers)
}
