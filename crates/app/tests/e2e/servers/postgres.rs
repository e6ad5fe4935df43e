//! A PostgreSQL that is read as a source.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use super::certificates::{Certificates, Tls};
use super::home::Home;
use super::port::Port;
use super::running::{Running, fed, finished, program};
use super::{DATABASE, PASSWORD, USER};

/// A server with the database `db`, whose user `polder` may read every table there and nothing more.
pub struct Postgres {
    running: Option<Running>,
    port: Port,
    certificates: Certificates,
    home: Home,
}

impl Postgres {
    /// One that takes only connections with TLS, and is to be trusted.
    pub fn start() -> Self {
        Self::with(Tls::Trusted, &[])
    }

    /// One with settings of its own, each a line of `postgresql.conf`: `fsync = on`, `wal_level = logical`.
    pub fn with(tls: Tls, settings: &[&str]) -> Self {
        let home = Home::unprivileged();
        let mut initdb = home.command(&program("initdb"), "KILL");
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--pgdata"]);
        finished(initdb.arg(home.path("data")));
        let port = Port::reserve();
        let certificates = Certificates::new(&home, tls);
        let mut configuration = vec![
            "listen_addresses = '127.0.0.1'".to_owned(),
            format!("port = {}", port.number()),
            // Only who may enter the directory reaches the socket.
            format!("unix_socket_directories = '{}'", home.root().display()),
            "password_encryption = 'scram-sha-256'".to_owned(),
            // What a crash of the machine would lose is thrown away anyway.
            "fsync = off".to_owned(),
        ];
        if let Some(pair) = certificates.pair() {
            let files = format!("ssl_cert_file = '{}'\nssl_key_file = '{}'", pair.certificate.display(), pair.key.display());
            configuration.extend(["ssl = on".to_owned(), files]);
        }
        configuration.extend(settings.iter().map(ToString::to_string));
        home.write("data/postgresql.conf", &(configuration.join("\n") + "\n"));
        let host = if tls == Tls::Off { "host" } else { "hostssl" };
        home.write("data/pg_hba.conf", &format!("local all postgres trust\n{host} all all 127.0.0.1/32 scram-sha-256\n"));
        let mut server = Self { running: None, port, certificates, home };
        server.restart();
        server.run(
            "postgres",
            &format!("create role {USER} login password '{PASSWORD}'; grant pg_read_all_data to {USER}; create database {DATABASE};"),
        );
        server
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// What the user `polder` connects with, certificates aside.
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@localhost:{}/{DATABASE}", self.port())
    }

    /// The certificate of the authority that a client is to trust.
    pub fn ca_file(&self) -> &Path {
        self.certificates.ca_file()
    }

    /// Runs statements as superuser, through the socket; returns rows, columns separated by `|`.
    #[track_caller]
    pub fn psql(&self, sql: &str) -> String {
        self.run(DATABASE, sql)
    }

    #[track_caller]
    fn run(&self, database: &str, sql: &str) -> String {
        fed(&mut self.client(database), sql)
    }

    /// A client of the superuser that reads statements from its standard input.
    pub fn psql_command(&self) -> Command {
        self.client(DATABASE)
    }

    fn client(&self, database: &str) -> Command {
        let mut psql = Command::new(program("psql"));
        psql.env_clear().args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1", "--username=postgres"]);
        psql.arg("--host").arg(self.home.root()).args(["--port", &self.port().to_string(), "--dbname", database, "--file=-"]);
        psql
    }

    /// Stops it in order: nobody is waited for, nothing is lost.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.end(Signal::INT);
        }
    }

    /// Ends all of it at once, with whatever it was at, as a power cut would.
    pub fn kill(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.signal(Signal::KILL);
        // A process that serves a client may go on for a while without the one that started it.
        self.home.kill();
        running.end(Signal::KILL);
        if let Some(segment) = self.segment() {
            let _ = Command::new("ipcrm").args(["--shmem-id", &segment]).output();
        }
    }

    /// The id of its shared memory, which the kernel keeps when nobody removes it: behind the key, on the seventh line.
    fn segment(&self) -> Option<String> {
        let lock = std::fs::read_to_string(self.home.path("data/postmaster.pid")).ok()?;
        lock.lines().nth(6)?.split_whitespace().nth(1).map(str::to_owned)
    }

    /// Starts it again, on the same port and with what it holds.
    pub fn restart(&mut self) {
        self.stop();
        let mut command = self.home.command(&program("postgres"), "QUIT");
        command.arg("-D").arg(self.home.path("data"));
        let ready = |line: &str| line.contains("database system is ready to accept connections").then_some(());
        self.running = Some(Running::start(command, Signal::QUIT, ready).0);
    }
}

impl Drop for Postgres {
    /// Not in order: the server would wait for a client that has connected and says nothing.
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::harness::{Ran, ran};
    use crate::servers::home::processes_in;

    /// As the user `polder` over the network.
    fn client(server: &Postgres, host: &str, options: &str, sql: &str) -> Ran {
        let url = server.url().replace("localhost", host);
        let url = format!("{url}?sslrootcert={}&{options}", server.ca_file().display());
        let mut psql = Command::new(program("psql"));
        ran(psql.env_clear().args(["--no-psqlrc", "--no-align", "--tuples-only", &url, "--command", sql]).output().unwrap())
    }

    #[test]
    fn postgres_is_reached_over_tls_and_not_without() {
        let server = Postgres::start();
        let how = "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()";
        for host in ["localhost", "127.0.0.1"] {
            assert_eq!(client(&server, host, "sslmode=verify-full", how).ok(), "t|TLSv1.3\n");
        }
        let err = client(&server, "localhost", "sslmode=disable", how).fails(2);
        assert!(err.contains("no pg_hba.conf entry") && err.contains("no encryption"), "{err}");
        // The user reads what the superuser made, and changes nothing.
        server.psql("create table t (i int); insert into t values (1), (2);");
        assert_eq!(client(&server, "localhost", "sslmode=verify-full", "select i from t order by i").ok(), "1\n2\n");
        let err = client(&server, "localhost", "sslmode=verify-full", "delete from t").fails(1);
        assert!(err.contains("permission denied for table t"), "{err}");
        let wrong = server.url().replace(PASSWORD, "wrong");
        let err = ran(Command::new(program("psql")).env_clear().args([&wrong, "--command", how]).output().unwrap()).fails(2);
        assert!(err.contains("password authentication failed"), "{err}");
    }

    #[test]
    fn postgres_presents_what_a_client_has_to_refuse() {
        for (tls, complaint) in [
            (Tls::OtherHost, "does not match host name \"localhost\""),
            (Tls::Expired, "certificate verify failed"),
            (Tls::SelfSigned, "certificate verify failed"),
            (Tls::Off, "server does not support SSL"),
        ] {
            let server = Postgres::with(tls, &[]);
            let err = client(&server, "localhost", "sslmode=verify-full", "select 1").fails(2);
            assert!(err.contains(complaint), "{tls:?}: {err}");
            // Who does not look is let in.
            let careless = if tls == Tls::Off { "sslmode=disable" } else { "sslmode=require&sslrootcert=/none" };
            assert_eq!(client(&server, "localhost", careless, "select 1").ok(), "1\n", "{tls:?}");
        }
    }

    #[test]
    fn postgres_keeps_what_it_holds_when_it_is_stopped_and_when_it_is_killed() {
        let mut server = Postgres::with(Tls::Trusted, &["max_connections = 17"]);
        assert_eq!(server.psql("create table t as select 1 as i; show max_connections;"), "17\n");
        server.stop();
        assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
        assert_eq!(server.home.processes(), Vec::<i32>::new());
        server.restart();
        server.psql("insert into t values (2)");
        server.kill();
        assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
        assert_eq!(server.home.processes(), Vec::<i32>::new());
        server.restart();
        assert_eq!(server.psql("select i from t order by i"), "1\n2\n");
        // One that runs is stopped first.
        server.restart();
        assert_eq!(server.psql("select count(*) from t"), "2\n");
    }

    /// Ids of shared memory.
    fn segments() -> Vec<String> {
        let list = finished(Command::new("ipcs").arg("--shmems"));
        list.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
    }

    #[test]
    fn nothing_of_postgres_runs_when_its_test_has_ended() {
        let server = Postgres::start();
        let (port, root) = (server.port(), server.home.root().to_owned());
        let at_work = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert!(processes_in(&root).len() > 1, "the server and what it started");
        let segment = server.segment().unwrap();
        assert!(segments().contains(&segment));
        drop(server);
        assert!(!segments().contains(&segment));
        assert_eq!(processes_in(&root), Vec::<i32>::new());
        assert!(!root.exists());
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        drop(at_work);
    }
}
