//! A MariaDB that is read as a source.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use super::certificates::{Certificates, Tls};
use super::home::Home;
use super::port::Port;
use super::running::{Running, fed, finished, program};
use super::{DATABASE, PASSWORD, USER};

/// For the data's directory as for the server. What a crash of the machine would lose is thrown away anyway.
const STORAGE: [&str; 3] = ["--innodb-log-file-size=32M", "--innodb-flush-method=nosync", "--debug-no-sync"];

/// A server with the database `db`, whose user `polder` may read every table there and nothing more. It looks up no names: users belong
/// to the host `%`.
pub struct MariaDb {
    running: Option<Running>,
    port: Port,
    certificates: Certificates,
    settings: Vec<String>,
    home: Home,
}

impl MariaDb {
    /// One that takes only connections with TLS, and is to be trusted.
    pub fn start() -> Self {
        Self::with(Tls::Trusted, &[])
    }

    /// One with arguments of its own: `--log-bin`, `--sql-mode=`.
    pub fn with(tls: Tls, settings: &[&str]) -> Self {
        let home = Home::unprivileged();
        let mut install = home.command(&program("mariadb-install-db"), "KILL");
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]);
        finished(install.args(STORAGE).arg(format!("--datadir={}", home.path("data").display())));
        let certificates = Certificates::new(&home, tls);
        let mut settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let require = if let Some(pair) = certificates.pair() {
            let files =
                [("ssl-cert", &pair.certificate), ("ssl-key", &pair.key)].map(|(name, file)| format!("--{name}={}", file.display()));
            settings.extend(files);
            settings.push("--require-secure-transport=ON".to_owned());
            "require ssl"
        } else {
            settings.push("--skip-ssl".to_owned());
            ""
        };
        let mut server = Self { running: None, port: Port::reserve(), certificates, settings, home };
        server.restart();
        // Only who may enter the directory reaches the socket, and root has no password there: it is reached by no other way.
        let root = "delete from global_priv where user = 'root' and host <> 'localhost'; flush privileges";
        let user = format!("create user {USER}@'%' identified by '{PASSWORD}' {require}; grant select on {DATABASE}.* to {USER}@'%'");
        server.run("mysql", &format!("{root}; create database {DATABASE} character set utf8mb4; {user};"));
        server
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// What the user `polder` connects with, certificates aside.
    pub fn url(&self) -> String {
        format!("mysql://{USER}:{PASSWORD}@localhost:{}/{DATABASE}", self.port())
    }

    /// The certificate of the authority that a client is to trust.
    pub fn ca_file(&self) -> &Path {
        self.certificates.ca_file()
    }

    /// Runs statements as superuser, through the socket; returns rows, columns separated by a tab.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        self.run(DATABASE, sql)
    }

    #[track_caller]
    fn run(&self, database: &str, sql: &str) -> String {
        fed(&mut self.client(database), sql)
    }

    /// A client of the superuser that reads statements from its standard input.
    pub fn sql_command(&self) -> Command {
        let mut client = self.client(DATABASE);
        client.arg("--unbuffered");
        client
    }

    fn client(&self, database: &str) -> Command {
        let mut mariadb = Command::new(program("mariadb"));
        mariadb.env_clear().args(["--no-defaults", "--batch", "--raw", "--skip-column-names", "--default-character-set=utf8mb4"]);
        mariadb.args(["--user=root", "--socket"]).arg(self.home.path("socket")).arg(database);
        mariadb
    }

    /// Stops it in order: nothing is lost.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.end(Signal::TERM);
        }
    }

    /// Ends it at once, with whatever it was at, as a power cut would.
    pub fn kill(&mut self) {
        self.running.take().expect("a server that runs").end(Signal::KILL);
    }

    /// Starts it again, on the same port and with what it holds.
    pub fn restart(&mut self) {
        self.stop();
        let mut command = self.home.command(&program("mariadbd"), "KILL");
        command.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve"]).args(STORAGE);
        command.arg(format!("--port={}", self.port()));
        for (name, file) in [("datadir", "data"), ("socket", "socket"), ("pid-file", "pid")] {
            command.arg(format!("--{name}={}", self.home.path(file).display()));
        }
        command.args(&self.settings);
        let ready = |line: &str| line.contains("ready for connections").then_some(());
        self.running = Some(Running::start(command, Signal::KILL, ready).0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpStream;
    use std::process::Stdio;

    use super::*;
    use crate::harness::{Ran, ran};
    use crate::servers::home::processes_in;

    const VERIFY: &str = "--ssl-verify-server-cert";

    /// As a user over the network.
    fn client(url: &str, options: &[&str], sql: &str) -> Ran {
        let url = url::Url::parse(url).unwrap();
        let mut mariadb = Command::new(program("mariadb"));
        mariadb.env_clear().env("MYSQL_PWD", url.password().unwrap_or_default()).args(["--no-defaults", "--protocol=tcp"]);
        mariadb.args(["--host", url.host_str().unwrap(), "--port", &url.port().unwrap().to_string(), "--user", url.username()]);
        mariadb.args(options).args(["--batch", "--skip-column-names", "--execute", sql, url.path().trim_start_matches('/')]);
        ran(mariadb.output().unwrap())
    }

    fn ca(server: &MariaDb) -> String {
        format!("--ssl-ca={}", server.ca_file().display())
    }

    #[test]
    fn mariadb_is_reached_over_tls_and_not_without() {
        let server = MariaDb::start();
        let ca = ca(&server);
        let how = "show session status like 'Ssl_version'";
        assert_eq!(client(&server.url(), &[&ca, VERIFY], how).ok(), "Ssl_version\tTLSv1.3\n");
        let err = client(&server.url(), &["--skip-ssl"], how).fails(1);
        assert!(err.contains("insecure transport are prohibited") || err.contains("Access denied"), "{err}");
        // The user reads what the superuser made, and changes nothing.
        server.sql("create table t (i int); insert into t values (1), (2);");
        assert_eq!(client(&server.url(), &[&ca, VERIFY], "select i from t order by i").ok(), "1\n2\n");
        let err = client(&server.url(), &[&ca, VERIFY], "delete from t").fails(1);
        assert!(err.contains("command denied"), "{err}");
        for who in ["polder:wrong@", "polder@", "root@", ""] {
            let url = server.url().replace("polder:secret@", who);
            assert_ne!(url, server.url());
            let err = client(&url, &[&ca, VERIFY], how).fails(1);
            assert!(err.contains("Access denied"), "{who:?}: {err}");
        }
    }

    #[test]
    fn mariadb_presents_what_a_client_has_to_refuse() {
        for (tls, complaint) in [
            (Tls::OtherHost, "Validation of SSL server certificate failed"),
            (Tls::Expired, "certificate has expired"),
            (Tls::SelfSigned, "self-signed certificate"),
            (Tls::Off, "SSL is required, but the server does not support it"),
        ] {
            let server = MariaDb::with(tls, &[]);
            let ca = ca(&server);
            let err = client(&server.url(), &[&ca, VERIFY], "select 1").fails(1);
            assert!(err.contains(complaint), "{tls:?}: {err}");
            // Who does not look is let in.
            let careless = if tls == Tls::Off { "--skip-ssl" } else { "--ssl" };
            assert_eq!(client(&server.url(), &[careless], "select 1").ok(), "1\n", "{tls:?}");
        }
    }

    #[test]
    fn mariadb_keeps_what_it_holds_when_it_is_stopped_and_when_it_is_killed() {
        let mut server = MariaDb::with(Tls::Trusted, &["--max-connections=17"]);
        assert_eq!(server.sql("create table t as select 1 as i; select @@max_connections;"), "17\n");
        server.stop();
        assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
        assert_eq!(server.home.processes(), Vec::<i32>::new());
        server.restart();
        server.sql("insert into t values (2)");
        server.kill();
        assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
        assert_eq!(server.home.processes(), Vec::<i32>::new());
        server.restart();
        assert_eq!(server.sql("select i from t order by i"), "1\n2\n");
    }

    #[test]
    fn nothing_of_mariadb_runs_when_its_test_has_ended() {
        let server = MariaDb::start();
        let (port, root) = (server.port(), server.home.root().to_owned());
        assert!(!processes_in(&root).is_empty());
        drop(server);
        assert_eq!(processes_in(&root), Vec::<i32>::new());
        assert!(!root.exists());
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }

    const HOLDER: &str = "POLDER_TEST_HOLDS_A_SERVER";

    #[test]
    fn mariadb_ends_with_the_test_that_is_killed() {
        if std::env::var_os(HOLDER).is_some() {
            let server = MariaDb::start();
            println!("{HOLDER} {}", server.home.root().display());
            // Whoever started this kills it.
            std::io::stdin().read_line(&mut String::new()).unwrap();
            return;
        }
        let mut holder = Command::new(std::env::current_exe().unwrap());
        holder.args(["--exact", "servers::mariadb::tests::mariadb_ends_with_the_test_that_is_killed", "--nocapture"]);
        let mut holder = holder.env(HOLDER, "1").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines().map_while(Result::ok);
        let told = lines.find_map(|line| Some(line.split_once(HOLDER)?.1.to_owned())).expect("a server that another process holds");
        let root = Path::new(told.trim());
        assert!(!processes_in(root).is_empty());
        holder.kill().unwrap();
        holder.wait().unwrap();
        // The kernel tells the server, which takes a moment; a look at all processes takes one too.
        assert!((0..100_000).any(|_| processes_in(root).is_empty()), "the server goes on");
        std::fs::remove_dir_all(root).unwrap();
    }
}
