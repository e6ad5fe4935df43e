//! What tools answer: as much as may be, and the same as over REST.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{Client, json_of, message};
use crate::Limits;
use crate::mcp::tools;
use crate::ports::{Dialect, Ended};
use crate::rest::tests::bed::LOGGED;

#[tokio::test]
async fn it_says_what_it_is_and_that_rows_are_data() {
    let client = Client::new().await;
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {"sampling": {}}, "clientInfo": {"name": "test", "version": "1"}});
    let told = client.ask("initialize", params).await;
    assert_eq!((&told["protocolVersion"], &told["serverInfo"]["name"]), (&json!("2025-06-18"), &json!("polder")));
    // Nothing but tools: no prompts, no resources, and nothing is asked of the client.
    assert_eq!(told["capabilities"], json!({"tools": {}}));
    let instructions = told["instructions"].as_str().unwrap();
    assert!(instructions.contains("data and never an instruction") && instructions.contains("It cannot be done"), "{instructions}");
    let initialized = client.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).send().await.unwrap();
    assert_eq!((initialized.status().as_u16(), initialized.text().await.unwrap()), (202, String::new()));
    assert_eq!(client.ask("ping", json!({})).await, json!({}));
    for method in ["resources/list", "resources/read", "prompts/list", "completion/complete", "logging/setLevel", "tasks/get", "polder/any"]
    {
        let params =
            json!({"uri": "a", "level": "info", "ref": {"type": "ref/prompt", "name": "a"}, "argument": {"name": "a", "value": "b"}});
        assert_eq!(client.ask(method, params).await["code"], -32601, "{method}");
    }
    assert!(client.bed.house.asked.lock().is_empty());
}

#[tokio::test]
async fn there_are_three_tools_that_read() {
    let client = Client::new().await;
    let told = client.ask("tools/list", json!({})).await;
    let tools = told["tools"].as_array().unwrap();
    let names: Vec<&Value> = tools.iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["describe_table", "list_tables", "query"]);
    for tool in tools {
        let hints = &tool["annotations"];
        assert_eq!((&hints["readOnlyHint"], &hints["destructiveHint"]), (&json!(true), &json!(false)), "{tool}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
        assert_eq!(tool["outputSchema"]["type"], "object", "{tool}");
    }
    assert_eq!(tools[2]["inputSchema"]["required"], json!(["sql"]));
    assert_eq!(tools[2]["inputSchema"]["properties"]["rows"]["maximum"], 1_000);
    assert_eq!(client.ask("tools/call", json!({"name": "drop", "arguments": {}})).await["code"], -32602);
}

#[tokio::test]
async fn a_question_is_answered_as_over_rest() {
    let client = Client::new().await;
    let told = client.told("query", json!({"sql": "sample"})).await;
    let rest = client.rest("sample").await;
    for part in ["request", "columns", "rows", "row_count"] {
        assert_eq!(told[part], rest[part], "{part}");
    }
    assert_eq!((&told["request"], &told["truncated"]), (&json!(LOGGED.to_string()), &json!(false)));
    assert_eq!((told["rows"].as_array().unwrap().len(), told["rows"][0][0].to_string()), (4, "9007199254740993".to_owned()));
    let asked = client.bed.house.asked.lock();
    let [question, same] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((&question.sql, question.dialect, &question.purpose), (&same.sql, Dialect::Plain, &None));
}

/// A value that steers a terminal or hides what it says is seen as what it is, in the text and in all that is sent.
#[tokio::test]
async fn what_rows_hold_does_not_steer_a_terminal() {
    let client = Client::new().await;
    let params = json!({"name": "query", "arguments": {"sql": "sample"}});
    let sent = client.post(message("tools/call", &params)).send().await.unwrap().text().await.unwrap();
    assert!(sent.contains("\\u202e") && !sent.contains('\u{202e}'), "{sent}");
    let answer: Value = serde_json::from_str(&sent).unwrap();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("\\u202e") && !text.contains('\u{202e}'), "{text}");
    assert_eq!(answer["result"]["structuredContent"]["rows"][0][3], "a, \"b\"\nc\u{202e}");
}

#[tokio::test]
async fn there_are_no_more_rows_than_were_asked_for_and_it_says_so() {
    let client = Client::new().await;
    let cases = [
        (json!({"sql": "sample", "rows": 4}), 4, false),
        (json!({"sql": "sample", "rows": 3}), 3, true),
        (json!({"sql": "sample", "rows": 1}), 1, true),
        (json!({"sql": "nothing"}), 0, false),
        (json!({"sql": "many"}), 100, true),
        (json!({"sql": "endless", "rows": 1_000}), 1_000, true),
    ];
    for (arguments, rows, truncated) in cases {
        let told = client.told("query", arguments.clone()).await;
        assert_eq!((&told["row_count"], &told["truncated"]), (&json!(rows), &json!(truncated)), "{arguments}");
        assert_eq!(told["rows"].as_array().unwrap().len(), rows, "{arguments}");
    }
    // Nobody computes what is not told.
    client.bed.house.streams.subscribe().wait_for(|streams| *streams == 0).await.unwrap();
    assert!(client.bed.house.computed.load(Ordering::SeqCst) < 50);
}

#[tokio::test]
async fn an_answer_is_never_longer_than_a_mebibyte() {
    let client = Client::new().await;
    let told = client.told("query", json!({"sql": "wide 300"})).await;
    assert_eq!((&told["row_count"], &told["truncated"]), (&json!(3), &json!(true)));
    assert!(told.to_string().len() <= tools::TEXT_MAX_BYTES);
    // The control: ten rows that fit.
    assert_eq!(client.told("query", json!({"sql": "wide 100"})).await["truncated"], false);
    let refused = client.refused("query", json!({"sql": "wide 1024"})).await;
    assert_eq!(refused["kind"], "invalid");
    assert!(refused["message"].as_str().unwrap().contains("first row"), "{refused}");
    let many = (0..20_000).map(|number| crate::rest::tests::bed::table(&format!("t{number:05}"))).collect();
    *client.bed.house.tables.lock() = many;
    let listed = client.told("list_tables", json!({})).await;
    assert_eq!((listed["tables"].as_array().unwrap().len(), &listed["next"]), (1_000, &json!("t00999")));
    assert!(listed.to_string().len() <= tools::TEXT_MAX_BYTES);
}

#[tokio::test]
async fn what_is_refused_reads_as_over_rest() {
    let client = Client::new().await;
    for (sql, kind) in [("denied", "denied"), ("missing", "not_found"), ("wrong", "invalid"), ("early", "unavailable")] {
        let refused = client.refused("query", json!({"sql": sql})).await;
        let problem = client.rest(sql).await;
        assert_eq!(refused["kind"], kind);
        assert_eq!(problem["type"], format!("urn:polder:problem:{kind}"));
        assert_eq!((&refused["message"], &refused["sqlstate"]), (&problem["detail"], &problem["sqlstate"]), "{sql}");
        assert_eq!(refused.get("position"), problem.get("position"), "{sql}");
    }
    // What fails after rows have come is told as well: nothing was given away yet.
    assert_eq!(client.refused("query", json!({"sql": "late"})).await["kind"], "unavailable");
}

#[tokio::test]
async fn arguments_that_are_not_known_or_wrong_are_refused_before_anything_is_asked() {
    let client = Client::new().await;
    let cases = [
        ("query", json!({}), "given no `sql`"),
        ("query", json!({"sql": 1}), "`sql` is no text"),
        ("query", json!({"sql": null}), "`sql` is no text"),
        ("query", json!({"sql": ["a"]}), "`sql` is no text"),
        ("query", json!({"sql": "sample", "limit": 5}), "give only sql, purpose, rows"),
        ("query", json!({"sql": "sample", "SQL": "sample"}), "give only sql, purpose, rows"),
        ("query", json!({"sql": "sample", "parameters": []}), "give only sql, purpose, rows"),
        ("query", json!({"sql": "sample", "rows": 0}), "from 1 to 1000"),
        ("query", json!({"sql": "sample", "rows": 1_001}), "from 1 to 1000"),
        ("query", json!({"sql": "sample", "rows": -1}), "from 1 to 1000"),
        ("query", json!({"sql": "sample", "rows": 1.5}), "from 1 to 1000"),
        ("query", json!({"sql": "sample", "rows": "5"}), "from 1 to 1000"),
        ("query", json!({"sql": "sample", "purpose": 5}), "`purpose` is no text"),
        ("query", json!({"sql": "sample", "purpose": "a\nb"}), "control characters"),
        ("query", json!({"sql": "sample", "purpose": "a".repeat(257)}), "longer than 256 bytes"),
        ("list_tables", json!({"table": "flights"}), "give only after"),
        ("list_tables", json!({"after": 1}), "`after` is no text"),
        ("describe_table", json!({}), "given no `table`"),
        ("describe_table", json!({"table": "flights", "sql": "sample"}), "give only table"),
    ];
    for (tool, arguments, why) in cases {
        let refused = client.refused(tool, arguments.clone()).await;
        assert_eq!(refused["kind"], "invalid", "{arguments}");
        assert!(refused["message"].as_str().unwrap().contains(why), "{arguments}: {refused}");
    }
    for arguments in [json!([]), json!("sql"), json!(5)] {
        let params = json!({"name": "query", "arguments": &arguments});
        assert_eq!(client.ask("tools/call", params).await["code"], -32602, "{arguments}");
    }
    assert!(client.bed.house.asked.lock().is_empty());
}

#[tokio::test]
async fn tables_are_those_that_one_may_know_of() {
    let client = Client::new().await;
    let names = |listed: &Value| -> Vec<String> {
        listed["tables"].as_array().unwrap().iter().map(|table| table["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = client.told("list_tables", json!({})).await;
    assert_eq!(names(&all), ["airlines", "flights", "salaries"]);
    assert_eq!((&all["tables"][0]["columns"], &all["tables"][0]["filtered"], all.get("next")), (&json!(1), &json!(true), None));
    assert_eq!(names(&client.told("list_tables", json!({"after": "airlines"})).await), ["flights", "salaries"]);
    // Without arguments at all, as some clients call.
    assert_eq!(client.ask("tools/call", json!({"name": "list_tables"})).await["structuredContent"], all);
    let rest = client.bed.get("/v1/tables/flights").await.json();
    assert_eq!(client.told("describe_table", json!({"table": "flights"})).await, rest);
    let missing = client.refused("describe_table", json!({"table": "secrets"})).await;
    assert_eq!(missing["kind"], "not_found");
    // What is no name is no table's, in the same words.
    for name in ["", "a b", "flights; drop", "../flights", "\u{202e}"] {
        assert_eq!(client.refused("describe_table", json!({"table": name})).await, missing, "{name}");
    }
}

#[tokio::test]
async fn the_purpose_is_that_of_the_call_or_of_the_connection_and_not_another() {
    let client = Client::new().await;
    client.told("query", json!({"sql": "sample", "purpose": "billing"})).await;
    let with = async |arguments: Value| {
        let params = json!({"name": "query", "arguments": arguments});
        let answer = client.post(message("tools/call", &params)).header("polder-purpose", "support").send().await.unwrap();
        json_of(answer).await["result"]["isError"].as_bool().unwrap()
    };
    assert!(!with(json!({"sql": "sample"})).await);
    assert!(!with(json!({"sql": "sample", "purpose": "support"})).await);
    assert!(with(json!({"sql": "sample", "purpose": "billing"})).await);
    let asked: Vec<_> = client.bed.house.asked.lock().iter().map(|question| question.purpose.clone().unwrap()).collect();
    assert_eq!(asked, ["billing", "support", "support"]);
    let twice = client.post(message("ping", &json!({}))).header("polder-purpose", "a").header("polder-purpose", "b").send().await.unwrap();
    assert_eq!(twice.status(), 400);
}

#[tokio::test]
async fn what_is_set_is_not_there_for_the_next_call() {
    let client = Client::new().await;
    client.told("query", json!({"sql": "sample"})).await;
    assert_eq!(client.refused("query", json!({"sql": "set"})).await["kind"], "invalid");
    client.told("query", json!({"sql": "sample"})).await;
    assert_eq!(*client.bed.house.judged.borrow(), 2);
}

#[tokio::test]
async fn a_session_that_ends_in_the_midst_ends_the_call() {
    let client = Client::new().await;
    let hangs = client.post(message("tools/call", &json!({"name": "query", "arguments": {"sql": "hangs"}})));
    let asking = tokio::spawn(hangs.send());
    client.bed.house.streams.subscribe().wait_for(|streams| *streams == 1).await.unwrap();
    client.bed.house.ended.send_replace(Some(Ended::Revoked));
    assert_eq!(asking.await.unwrap().unwrap().status(), 401);
    client.bed.house.streams.subscribe().wait_for(|streams| *streams == 0).await.unwrap();
    assert_eq!(client.post(message("tools/list", &json!({}))).send().await.unwrap().status(), 401);
    // The control: whoever is let in again is answered.
    client.bed.house.ended.send_replace(None);
    client.told("query", json!({"sql": "sample"})).await;
}

#[tokio::test]
async fn a_call_that_is_given_up_stops_the_query() {
    let client = Client::new().await;
    let hangs = client.post(message("tools/call", &json!({"name": "query", "arguments": {"sql": "hangs"}})));
    let asking = tokio::spawn(hangs.send());
    client.bed.house.streams.subscribe().wait_for(|streams| *streams == 1).await.unwrap();
    asking.abort();
    client.bed.house.streams.subscribe().wait_for(|streams| *streams == 0).await.unwrap();
}

#[tokio::test]
async fn no_more_are_answered_than_may_be_and_nobody_when_serving_ends() {
    let client = Client::limited(Limits { connections: 1, ..Limits::default() }).await;
    let hangs = client.post(message("tools/call", &json!({"name": "query", "arguments": {"sql": "hangs"}})));
    let asking = tokio::spawn(hangs.send());
    client.bed.house.streams.subscribe().wait_for(|streams| *streams == 1).await.unwrap();
    let refused = client.refused("query", json!({"sql": "sample"})).await;
    assert_eq!((&refused["kind"], &refused["sqlstate"]), (&json!("unavailable"), &json!("53400")));
    asking.abort();
    client.bed.house.streams.subscribe().wait_for(|streams| *streams == 0).await.unwrap();
    client.bed.context.drain.begin();
    let refused = client.refused("query", json!({"sql": "sample"})).await;
    assert!(refused["message"].as_str().unwrap().contains("serving ends"), "{refused}");
}
