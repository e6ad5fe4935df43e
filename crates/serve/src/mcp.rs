//! The Model Context Protocol, for assistants and agents: they ask under a token of their own, and get what any other program gets under it.
//! `docs/format/mcp.md` says how it is used. Each message is a request of its own over REST's listener, which has found out who sends it; nothing
//! is kept from one to the next. There are tools and nothing else: no prompts, no resources, and nothing is asked of the client.

mod arguments;
mod call;
mod message;
mod tools;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use polder_types::ErrorKind;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest, CustomResult, ErrorCode, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::json;

pub(crate) use message::check;

use crate::fault::Fault;
use crate::limits::Limits;
use crate::rest::{Caller, word};

/// What speaks the protocol.
pub(crate) type Service = StreamableHttpService<Assistant, NeverSessionManager>;

/// A service without sessions of its own. Whoever hands it a request has read its body, and put a [`Caller`] among its extensions.
pub(crate) fn service(limits: &Limits) -> Service {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(limits.message_bytes)
        // No page of a browser comes as far as this; were it otherwise, it would be turned away here.
        .enforce_origin_validation()
        // By which name someone came proves nothing: a page that another's name leads to is known by the headers that browsers send.
        .disable_allowed_hosts();
    StreamableHttpService::new(|| Ok(Assistant), Arc::new(NeverSessionManager::default()), config)
}

/// What is said to one assistant about one message.
pub(crate) struct Assistant;

impl ServerHandler for Assistant {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("polder", env!("CARGO_PKG_VERSION")))
            .with_instructions(tools::INSTRUCTIONS)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().into_iter().find(|tool| tool.name == name)
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all()))
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let parts = context.extensions.get::<http::request::Parts>();
        let Some(caller) = parts.and_then(|parts| parts.extensions.get::<Arc<Caller>>()) else {
            return Err(ErrorData::internal_error("call tool: nobody is signed in; this is a defect of the program", None));
        };
        let answering = AssertUnwindSafe(call::call(caller, &request.name, request.arguments.unwrap_or_default())).catch_unwind();
        let answered = tokio::select! {
            biased;
            _ = caller.session().ended() => Err(Fault::not_signed_in()),
            // Whoever asked is gone; what was computed for them stops here.
            () = context.ct.cancelled() => Err(Fault::new(ErrorKind::Unavailable, "call tool: the call was given up; call again")),
            answered = answering => match answered {
                Ok(Some(answered)) => answered,
                Ok(None) => return Err(ErrorData::invalid_params("call tool: there is none of this name; tools/list lists all", None)),
                Err(_) => Err(Fault::new(ErrorKind::Internal, "call tool: it broke off; this is a defect of the program")),
            },
        };
        Ok(match answered.and_then(told) {
            Ok(result) => result,
            Err(fault) => {
                if fault.is_unauthenticated() {
                    caller.end();
                }
                failed(&fault)
            }
        }
        .into())
    }

    /// Comes here also for a method that is known, with parameters that are not.
    async fn on_custom_request(&self, request: CustomRequest, _: RequestContext<RoleServer>) -> Result<CustomResult, ErrorData> {
        Err(if METHODS.contains(&request.method.as_str()) {
            ErrorData::invalid_params("call method: its parameters are not as the protocol has them; send them as it does", None)
        } else {
            ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "call method: it is not answered here; there are tools alone", None)
        })
    }
}

/// What is answered here.
const METHODS: [&str; 5] = ["initialize", "ping", "server/discover", "tools/call", "tools/list"];

/// An answer, as text and as what the text says.
fn told(text: String) -> Result<CallToolResult, Fault> {
    let value = serde_json::from_str(&text)
        .map_err(|_| Fault::new(ErrorKind::Internal, "write answer: it is no JSON; this is a defect of the program"))?;
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(value);
    Ok(result)
}

/// Why there is none. It is no structured content, which would have to look like an answer.
fn failed(fault: &Fault) -> CallToolResult {
    let mut why = json!({"kind": word(fault.kind()), "message": fault.message(), "sqlstate": fault.sqlstate()});
    if let (Some(position), Some(object)) = (fault.position(), why.as_object_mut()) {
        object.insert("position".to_owned(), position.into());
    }
    CallToolResult::error(vec![ContentBlock::text(why.to_string())])
}

#[cfg(test)]
mod tests;
