mod answering;
mod entering;
mod judge;

use http::StatusCode;
use serde_json::{Value, json};

use crate::Limits;
use crate::rest::tests::bed::{Bed, TOKEN};

/// A client, and what it speaks to, over a connection of its own.
pub struct Client {
    pub bed: Bed,
    url: String,
    http: reqwest::Client,
}

impl Client {
    pub async fn new() -> Self {
        Self::limited(Limits::default()).await
    }

    pub async fn limited(limits: Limits) -> Self {
        let bed = Bed::limited(limits);
        let url = format!("http://{}", bed.listen().await);
        Self { bed, url, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// A request that is as it must be, but for what is changed of it.
    pub fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.bare(reqwest::Method::POST, "/mcp").bearer_auth(TOKEN).body(body)
    }

    /// The same without credentials and body.
    pub fn bare(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.header("content-type", "application/json").header("accept", "application/json, text/event-stream")
    }

    /// What a method answers: `result` or `error`.
    pub async fn ask(&self, method: &str, params: Value) -> Value {
        let answer = self.post(message(method, &params)).send().await.unwrap();
        assert_eq!((answer.status(), answer.headers()["content-type"].as_bytes()), (StatusCode::OK, &b"application/json"[..]));
        let mut answer = json_of(answer).await;
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)));
        let answer = answer.as_object_mut().unwrap();
        answer.remove("result").or_else(|| answer.remove("error")).unwrap()
    }

    /// What a call of a tool answers, and what its text says.
    pub async fn call(&self, tool: &str, arguments: Value) -> (Value, Value) {
        let result = self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await;
        let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result:#}"));
        assert_eq!((&result["content"][0]["type"], result["content"].as_array().unwrap().len()), (&json!("text"), 1));
        let said = serde_json::from_str(text).unwrap();
        (result, said)
    }

    /// The answer of a call that succeeds.
    pub async fn told(&self, tool: &str, arguments: Value) -> Value {
        let (result, said) = self.call(tool, arguments).await;
        assert_eq!((&result["isError"], &result["structuredContent"]), (&json!(false), &said), "{said}");
        said
    }

    /// Why a call fails.
    pub async fn refused(&self, tool: &str, arguments: Value) -> Value {
        let (result, said) = self.call(tool, arguments).await;
        assert_eq!((&result["isError"], result.get("structuredContent")), (&json!(true), None), "{said}");
        said
    }

    /// What REST says to the same question.
    pub async fn rest(&self, sql: &str) -> Value {
        let request = self.bare(reqwest::Method::POST, "/v1/query").bearer_auth(TOKEN).body(json!({"sql": sql}).to_string());
        json_of(request.send().await.unwrap()).await
    }
}

pub fn message(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string()
}

pub async fn json_of(answer: reqwest::Response) -> Value {
    let text = answer.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
