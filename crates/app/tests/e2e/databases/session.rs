//! A client that keeps its connection, so that a transaction of it stays open.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;

/// See the module. It ends, and what it had begun is undone, when it is dropped.
pub struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    pub fn of_postgres(server: &Postgres) -> Self {
        Self::new(server.psql_command())
    }

    pub fn of_mariadb(server: &MariaDb) -> Self {
        Self::new(server.sql_command())
    }

    fn new(mut client: Command) -> Self {
        let mut child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    /// Runs statements to their end.
    pub fn run(&mut self, sql: &str) {
        writeln!(self.input, "{sql}\nselect 'all of it is done';").unwrap();
        let mut line = String::new();
        while line.trim() != "all of it is done" {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the client ended");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
