//! Loads by a cursor: what comes late is found, nothing comes twice.

use serde_json::json;

use super::session::Session;
use super::{Column, column, contract, key};
use crate::harness::Project;
use crate::servers::postgres::Postgres;

const EVENTS: [Column; 3] =
    [key("id", "logicalType: integer"), column("word", "logicalType: string"), column("at", "logicalType: timestamp")];

fn bed(server: &Postgres, cursor: &str) -> Project {
    server.psql("create table events (id bigserial primary key, word text, at timestamptz not null default now());");
    let project = Project::new();
    project.write("url", server.url());
    project.write(
        "sources/his.yaml",
        format!(
            "type: postgres\nurl: file:url\nca: {}\ntables: [public.*]\ndatasets:\n  public.events: {{cursor: {cursor}}}\n",
            server.ca_file().display()
        ),
    );
    project.contract("events", &contract("events", "his", "public.events", &EVENTS, &[]));
    project
}

fn loaded(project: &Project) -> Vec<String> {
    project.rows("select word from events order by word")
}

#[test]
fn rows_of_a_transaction_that_was_open_are_found_when_it_ends() {
    for cursor in ["at", "id"] {
        let server = Postgres::start();
        let project = bed(&server, cursor);
        server.psql("insert into events (word) values ('a');");
        let mut late = Session::of_postgres(&server);
        // It has its moment and its number, and is not to be seen.
        late.run("begin; insert into events (word) values ('late');");
        server.psql("insert into events (word) values ('b');");
        let report = project.batch(&["run"]);
        assert_eq!(report["status"], "committed", "{report}");
        assert!(report["increment"]["note"].as_str().is_some_and(|note| note.contains("a transaction is open")), "{report}");
        assert_eq!(loaded(&project), ["a", "b"], "{cursor}");
        late.run("commit;");
        let report = project.batch(&["run"]);
        assert_eq!(loaded(&project), ["a", "b", "late"], "{cursor}: {report}");
        assert_eq!(report["increment"]["note"], json!(null), "{report}");
        // And nothing comes twice from then on.
        let report = project.batch(&["run"]);
        assert_eq!((&report["counts"]["loaded"], loaded(&project).len()), (&json!(0), 3), "{report}");
    }
}

#[test]
fn increments_read_what_is_new_and_equal_rows_each_once() {
    let server = Postgres::start();
    let project = bed(&server, "{column: at, initial: \"2026-01-01\"}");
    server
        .psql("insert into events (word, at) values ('old', '2025-12-31'), ('a', '2026-01-02'), ('b', '2026-01-03'), ('c', '2026-01-03');");
    project.run(&["run"]).ok();
    assert_eq!(loaded(&project), ["a", "b", "c"]);
    // Another row at the very moment that was the last.
    server.psql("insert into events (word, at) values ('d', '2026-01-03'), ('e', '2026-01-04');");
    let report = project.batch(&["run"]);
    assert_eq!((&report["counts"]["read"], &report["increment"]["repeated"]), (&json!(4), &json!(2)), "{report}");
    assert_eq!(loaded(&project), ["a", "b", "c", "d", "e"]);
    // All anew, from the beginning.
    server.psql("delete from events where word = 'c';");
    project.run(&["run", "--full-refresh"]).ok();
    assert_eq!(loaded(&project), ["a", "b", "d", "e"]);
}
