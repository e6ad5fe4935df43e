//! Loads by a cursor: what comes late is found, nothing comes twice.

use serde_json::json;

use super::session::Session;
use super::{Column, column, contract, key};
use crate::harness::Project;
use crate::servers::mariadb::MariaDb;
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

/// What a transaction that is open brings is found when it has ended, and nothing comes twice.
fn late_rows_are_found(project: &Project, run: &dyn Fn(&str), mut late: Session, what: &str) {
    run("insert into events (word) values ('a');");
    // It has its moment and its number, and is not to be seen.
    late.run("begin; insert into events (word) values ('late');");
    run("insert into events (word) values ('b');");
    let report = project.batch(&["run"]);
    assert_eq!(report["status"], "committed", "{report}");
    assert!(report["increment"]["note"].as_str().is_some_and(|note| note.contains("a transaction is open")), "{report}");
    assert_eq!(loaded(project), ["a", "b"], "{what}");
    late.run("commit;");
    let report = project.batch(&["run"]);
    assert_eq!(loaded(project), ["a", "b", "late"], "{what}: {report}");
    assert_eq!(report["increment"]["note"], json!(null), "{report}");
    // And nothing comes twice from then on.
    let report = project.batch(&["run"]);
    assert_eq!((&report["counts"]["loaded"], loaded(project).len()), (&json!(0), 3), "{report}");
}

#[test]
fn rows_of_a_transaction_that_was_open_are_found_when_it_ends() {
    for cursor in ["at", "id"] {
        let server = Postgres::start();
        let project = bed(&server, cursor);
        late_rows_are_found(&project, &|sql| drop(server.psql(sql)), Session::of_postgres(&server), cursor);
    }
}

#[test]
fn rows_of_a_transaction_whose_beginning_is_known_are_found_when_it_ends() {
    let server = Postgres::start();
    // Who may see since when it is open reads up to there, and not all anew.
    server.psql("grant pg_read_all_stats to polder;");
    let project = bed(&server, "at");
    late_rows_are_found(&project, &|sql| drop(server.psql(sql)), Session::of_postgres(&server), "at");
}

#[test]
fn rows_of_a_transaction_of_mariadb_that_was_open_are_found_when_it_ends() {
    for cursor in ["at", "id"] {
        let server = MariaDb::start();
        server.sql(
            "grant process on *.* to polder@'%';
             create table events (id bigint auto_increment primary key, word text, at timestamp(6) not null default current_timestamp(6));",
        );
        let project = Project::new();
        project.write("url", server.url());
        let ca = server.ca_file().display();
        let source = format!("type: mysql\nurl: file:url\nca: {ca}\ntables: [events]\ndatasets:\n  events: {{cursor: {cursor}}}\n");
        project.write("sources/his.yaml", source);
        project.contract("events", &contract("events", "his", "events", &EVENTS, &[]));
        late_rows_are_found(&project, &|sql| drop(server.sql(sql)), Session::of_mariadb(&server), cursor);
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
