//! The page for signing in.

use axum::body::Body;
use http::{Method, Request};

use super::bed::{Bed, Got, basic, got};
use crate::rest::sign_in_page::PAGES;

const OURS: &str = "https://polder.example:8443";

async fn shown(bed: &Bed, path: &str, language: &str) -> Got {
    let request = Request::get(path).header("host", "polder.example:8443").header("accept-language", language);
    got(bed.send(request.body(Body::empty()).unwrap()).await).await
}

#[tokio::test]
async fn the_page_loads_nothing_but_itself_and_runs_nothing_of_its_text() {
    let bed = Bed::public(OURS);
    for (_, path) in PAGES {
        let part = shown(&bed, path, "en").await;
        assert_eq!(part.status, 200, "{path}");
        let policy = part.header("content-security-policy");
        for said in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"] {
            assert!(policy.contains(said), "{said} of {path}");
        }
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!((part.header("x-frame-options"), part.header("x-content-type-options")), ("DENY", "nosniff"), "{path}");
        // The one cookie of the page says that a token was brought to this browser; it is read once and struck off.
        let marked = [
            "const cookie = document.cookie.split(\"; \").find((one) => one.startsWith(told));",
            "if (cookie) document.cookie = told + \"; Path=/; Max-Age=0; Secure; SameSite=Lax\";",
        ];
        let text = marked.iter().fold(part.text().to_owned(), |text, line| text.replacen(line, "", 1));
        for forbidden in ["http://", "https://", "innerHTML", "eval(", "document.write", "localStorage", "document.cookie"] {
            assert!(!text.contains(forbidden), "{forbidden} in {path}");
        }
    }
    assert_eq!(*bed.house.judged.borrow(), 0);
    for language in ["en", "fr"] {
        let page = shown(&bed, "/sign-in", language).await;
        assert!(page.text().contains(&format!("<html lang=\"{language}\">")));
        assert_eq!((page.header("content-type"), page.header("vary")), ("text/html; charset=utf-8", "accept-language"));
        // No script, style or handler stands in the text.
        let text = page.text().replace("<script src=\"/sign-in/page.js\" defer></script>", "");
        for inline in ["<script", "<style", " style=", " onclick=", " onload=", " onsubmit=", "javascript:"] {
            assert!(!text.contains(inline), "{inline} in {language}");
        }
        // Each field has a label, and what the script looks for is there.
        for id in ["name", "password", "code", "token", "label"] {
            assert!(text.contains(&format!("for=\"{id}\"")) && text.contains(&format!("id=\"{id}\"")), "{id} in {language}");
        }
    }
    let script = shown(&bed, "/sign-in/page.js", "en").await;
    let pages = [shown(&bed, "/sign-in", "en").await, shown(&bed, "/sign-in", "fr").await];
    for id in script.text().split("at(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(pages.iter().all(|page| page.text().contains(&format!("id=\"{id}\""))), "{id}");
    }
    for word in script.text().split("words.").skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap()) {
        assert!(pages.iter().all(|page| page.text().contains(&format!("data-{word}=\""))), "{word}");
    }
}

#[tokio::test]
async fn there_is_no_page_where_no_browser_is_meant_to_come() {
    let bed = Bed::new();
    for (_, path) in PAGES {
        let problem = shown(&bed, path, "en").await.problem(404);
        assert!(problem["detail"].as_str().unwrap().contains("public_url"), "{problem}");
    }
}

#[tokio::test]
async fn the_page_may_sign_in_and_ask_nothing_else() {
    let bed = Bed::public(OURS);
    let from_page = |method: Method, path: &str, origin: &str| {
        let request = Request::builder().method(method).uri(path).header("host", "polder.example:8443").header("origin", origin);
        request.header("sec-fetch-site", "same-origin").header("authorization", basic("ann", "right: ü")).body(Body::empty()).unwrap()
    };
    assert_eq!(got(bed.send(from_page(Method::POST, "/v1/sessions", OURS)).await).await.status, 201);
    assert_eq!(got(bed.send(from_page(Method::POST, "/v1/passkeys/options", OURS)).await).await.status, 200);
    for (method, path, origin) in [
        (Method::POST, "/v1/query", OURS),
        (Method::GET, "/v1/tables", OURS),
        (Method::POST, "/mcp", OURS),
        (Method::POST, "/v1/sessions", "https://evil.example"),
        (Method::POST, "/v1/sessions/passkey/options", "null"),
    ] {
        let problem = got(bed.send(from_page(method, path, origin)).await).await.problem(403);
        assert_eq!(problem["type"], "urn:polder:problem:browser", "{path}");
    }
    // Without an address for browsers, not even that.
    got(Bed::new().send(from_page(Method::POST, "/v1/sessions", OURS)).await).await.problem(403);
}

#[tokio::test]
async fn a_code_is_taken_with_a_password_where_a_token_is_given_and_lets_in_once() {
    let bed = Bed::new();
    let request = |method: Method, path: &str, authorization: &str, codes: &[&str]| {
        let mut request = Request::builder().method(method).uri(path).header("authorization", authorization);
        for code in codes {
            request = request.header("polder-code", *code);
        }
        request.body(Body::empty()).unwrap()
    };
    let password = basic("ann", "right: ü");
    for _ in 0..2 {
        assert_eq!(got(bed.send(request(Method::POST, "/v1/sessions", &password, &["123456"])).await).await.status, 201);
    }
    // Each was judged: the code is not looked for among those that let in before.
    assert_eq!(*bed.house.judged.borrow(), 2);
    got(bed.send(request(Method::POST, "/v1/sessions", &password, &["654321"])).await).await.problem(401);
    let long = "1".repeat(33);
    for codes in [&["123456", "123456"][..], &[""], &[long.as_str()]] {
        got(bed.send(request(Method::POST, "/v1/sessions", &password, codes)).await).await.problem(401);
    }
    got(bed.send(request(Method::POST, "/v1/sessions", "Bearer polder_good", &["123456"])).await).await.problem(401);
    assert_eq!(bed.house.turned_away.lock().len(), 4);
    for (method, path) in [(Method::GET, "/v1/whoami"), (Method::GET, "/v1/tables"), (Method::DELETE, "/v1/sessions/current")] {
        let problem = got(bed.send(request(method, path, &password, &["123456"])).await).await.problem(400);
        assert!(problem["detail"].as_str().unwrap().contains("/v1/sessions"), "{problem}");
    }
    assert_eq!(*bed.house.judged.borrow(), 3);
}
