//! Loads from databases: real servers, started for the benchmark and stopped with it, each beside the program with which its own users
//! write a table to a file.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::goals::Goal;
use super::jobs::{Polder, project, step};
use super::measure::{Contender, Job};
use super::tpch::Tpch;
use crate::judges::environment;
use crate::process::{announce, capture, command};
use crate::{debian, workspace};

/// What else reads a database.
const PEERS: [&str; 8] = [
    "duckdb==1.5.5",
    "duckdb-extension-postgres==1.5.5",
    "connectorx==0.4.6",
    "dlt==1.31.0",
    "pyarrow==26.0.1",
    "sqlalchemy==2.1.9",
    "psycopg2-binary==2.9.13",
    "pymysql==1.2.4",
];
/// Names of the jobs.
pub const JOBS: [&str; 2] = ["Load lineitem from PostgreSQL", "Load lineitem from MariaDB"];
const POLDER: &str = "polder";
const PSQL: &str = "psql, COPY TO a file";
const MARIADB: &str = "mariadb, SELECT to a file";

/// A server of this machine alone, which ends with the benchmark.
pub(super) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What is lost so is made again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Servers and their jobs; the servers must outlive the measuring.
pub struct Databases {
    servers: Vec<Server>,
    python: PathBuf,
    folder: PathBuf,
}

impl Databases {
    /// Installs what is missing, and starts servers that hold the first million rows of `lineitem`.
    pub fn start(tpch: &Tpch) -> Result<Self> {
        debian::install(&debian::TESTS)?;
        let python = environment(&workspace::cache()?.join("peers-databases"), (3, 10), (3, 13), &PEERS).context("prepare the peers")?;
        // The servers' users cannot enter everybody's cache.
        let folder = std::env::temp_dir().join("polder-bench-databases");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let rows = folder.join("lineitem.csv");
        // Not through this process: what it holds at its highest counts for each program that it starts.
        let file = std::fs::File::create(&rows).with_context(|| format!("create {}", rows.display()))?;
        announce(command("head").args(["-n", "1000001"]).arg(tpch.csv.join("lineitem.csv")).stdout(file)).context("cut lineitem")?;
        let servers = vec![postgres(&folder, &rows)?, mariadb(&folder, &rows)?];
        Ok(Self { servers, python, folder })
    }

    /// A job for each server.
    pub fn jobs(&self, tpch: &Tpch, polder: Option<&Polder>) -> Vec<Job> {
        let [postgres, mariadb] = self.servers.as_slice() else { return Vec::new() };
        let url = |scheme: &str, port: u16| format!("{scheme}://polder:polder@127.0.0.1:{port}/bench");
        let postgres_url = url("postgres", postgres.port);
        let out = |name: &str| self.folder.join(name);
        let psql = step(
            "psql".into(),
            [
                format!("{postgres_url}?sslmode=disable"),
                "--no-psqlrc".to_owned(),
                "--quiet".to_owned(),
                "--command".to_owned(),
                format!("\\copy lineitem to '{}'", out("copy.txt").display()),
            ]
            .to_vec(),
        );
        let peer = |name: &'static str, which: &str, url: &str| Contender {
            name,
            leaves: vec![out(which)],
            before: vec![],
            measured: step(
                self.python.clone(),
                vec![
                    tpch.scripts.join("databases.py").display().to_string(),
                    which.to_owned(),
                    url.to_owned(),
                    out(which).display().to_string(),
                ],
            ),
            after: vec![],
            kept: None,
        };
        let mut first = vec![
            Contender { name: PSQL, leaves: vec![out("copy.txt")], before: vec![], measured: psql, after: vec![], kept: None },
            peer("duckdb, to Parquet", "duckdb", &postgres_url),
            peer("connectorx, to Parquet", "connectorx", &postgres_url),
            peer("dlt, to Parquet", "dlt", &postgres_url),
        ];
        let mysql_url = url("mysql", mariadb.port);
        let tab = step(
            "mariadb".into(),
            [
                "--no-defaults",
                "--protocol=tcp",
                "--host=127.0.0.1",
                &format!("--port={}", mariadb.port),
                "--user=polder",
                "--password=polder",
                "--skip-ssl",
                "--quick",
                "--batch",
                "--execute=select * from lineitem",
                "bench",
            ]
            .map(str::to_owned)
            .to_vec(),
        );
        let mut second = vec![
            Contender { name: MARIADB, leaves: vec![], before: vec![], measured: tab, after: vec![], kept: None },
            peer("connectorx, to Parquet", "connectorx", &mysql_url),
            peer("dlt, to Parquet", "dlt", &mysql_url),
        ];
        if let Some(polder) = polder {
            first.push(self.ours(tpch, polder, "postgres", "public.lineitem", &postgres_url));
            second.push(self.ours(tpch, polder, "mysql", "lineitem", &mysql_url));
        }
        let what = |server: &str, peer: &str| {
            format!(
                "One million rows of `lineitem` in {server}, through the loopback interface without TLS for all: {peer}; Polder through the contract of the loads above into a sealed table; the others to a Parquet file."
            )
        };
        let job = |name, what, contenders, to| Job {
            name,
            what,
            rounds_min: 0,
            contenders,
            goals: vec![Goal::WallRatio { of: POLDER, to, most: 1.5, aim: Some(1.25) }],
            missing: if polder.is_none() { vec!["Polder, since only the peers were asked for".to_owned()] } else { vec![] },
        };
        vec![
            job(JOBS[0], what("PostgreSQL", "`\\copy lineitem to` a text file"), first, PSQL),
            job(
                JOBS[1],
                what("MariaDB", "`mariadb --quick --batch`, what `mariadb-dump --tab` gives where the server may not write files"),
                second,
                MARIADB,
            ),
        ]
    }

    /// The program loads the table into a new project.
    fn ours(&self, tpch: &Tpch, polder: &Polder, source_type: &str, dataset: &str, url: &str) -> Contender {
        let folder = self.folder.join(format!("project-{source_type}"));
        let at = folder.display().to_string();
        let mut before = project(tpch, polder, &folder, &[]);
        let script = tpch.scripts.join("database_project.py").display().to_string();
        before.push(step(tpch.python.clone(), vec![script, at.clone(), source_type.to_owned(), dataset.to_owned(), url.to_owned()]));
        before
            .push(step(polder.program.clone(), ["contract", "approve", "lineitem", "--yes", "--project", &at].map(str::to_owned).to_vec()));
        Contender {
            name: POLDER,
            leaves: vec![folder],
            before,
            measured: step(polder.program.clone(), ["run", "--project", &at, "--output", "json"].map(str::to_owned).to_vec()),
            after: vec![],
            kept: None,
        }
    }
}

/// The user `nobody`: servers of databases do not run as root.
const NOBODY: u32 = 65_534;

/// Gives a file or folder to the user that servers run as, which is this one where it is not root; whether that is another.
pub(super) fn to_server(path: &Path) -> Result<bool> {
    if capture(command("id").arg("-u"), "ask for the user id")?.trim() != "0" {
        return Ok(false);
    }
    std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).with_context(|| format!("hand {} to nobody", path.display()))?;
    Ok(true)
}

/// A server's program as somebody who is not root, and whose the folder is.
pub(super) fn unprivileged(name: &str, folder: &Path) -> Result<Command> {
    let program = debian::program_of_server(name).with_context(|| format!("find the server's program {name}"))?;
    let mut run = command(program);
    if to_server(folder)? {
        run.uid(NOBODY).gid(NOBODY);
    }
    Ok(run)
}

/// Starts a server and waits until it says that it is ready.
pub(super) fn started(mut server: Command, port: u16, ready: &str) -> Result<Server> {
    let mut child = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("start a server")?;
    let lines = BufReader::new(child.stderr.take().context("read what a server says")?);
    let (sender, receiver) = std::sync::mpsc::channel();
    let ready = ready.to_owned();
    std::thread::spawn(move || {
        // Read to the end, so that the server never waits for a reader.
        for line in lines.lines().map_while(Result::ok) {
            if line.contains(&ready) {
                let _ = sender.send(());
            }
        }
    });
    let server = Server { child, port };
    match receiver.recv_timeout(std::time::Duration::from_secs(60)) {
        Ok(()) => Ok(server),
        Err(_) => bail!("a server of the benchmark did not become ready"),
    }
}

pub(super) fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}

/// The columns of `lineitem` as the benchmark's own specification has them.
const COLUMNS: &str = "l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber int, l_quantity decimal(15,2), l_extendedprice decimal(15,2), l_discount decimal(15,2), l_tax decimal(15,2), l_returnflag char(1), l_linestatus char(1), l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct varchar(25), l_shipmode varchar(10), l_comment varchar(44), primary key (l_orderkey, l_linenumber)";

fn postgres(folder: &Path, rows: &Path) -> Result<Server> {
    let home = folder.join("postgres");
    std::fs::create_dir_all(&home).context("create PostgreSQL's directory")?;
    let data = home.join("data").display().to_string();
    announce(unprivileged("initdb", &home)?.args(["--username=postgres", "--auth=trust", "--no-sync", "-D", &data]))?;
    let port = free_port()?;
    let mut server = unprivileged("postgres", &home)?;
    server.args(["-D", &data, "-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-k", &home.display().to_string()]);
    let server = started(server, port, "ready to accept connections")?;
    let sql = |database: &str, sql: &str| {
        let mut psql = command("psql");
        psql.args(["--no-psqlrc", "--quiet", "-h", "127.0.0.1", "-p", &port.to_string(), "-U", "postgres", "-d", database, "-c", sql]);
        announce(&mut psql)
    };
    sql("postgres", "create role polder login superuser password 'polder'")?;
    sql("postgres", "create database bench owner polder")?;
    sql("bench", &format!("create table lineitem ({COLUMNS})"))?;
    sql("bench", &format!("\\copy lineitem from '{}' csv header", rows.display()))?;
    sql("bench", "vacuum analyze lineitem")?;
    Ok(server)
}

fn mariadb(folder: &Path, rows: &Path) -> Result<Server> {
    let home = folder.join("mariadb");
    std::fs::create_dir_all(&home).context("create MariaDB's directory")?;
    let data = home.join("data");
    let at = data.display().to_string();
    announce(unprivileged("mariadb-install-db", &home)?.args([
        "--no-defaults",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        &format!("--datadir={at}"),
    ]))?;
    let port = free_port()?;
    let mut server = unprivileged("mariadbd", &home)?;
    server.args([
        "--no-defaults".to_owned(),
        format!("--datadir={at}"),
        format!("--port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--socket={}", home.join("socket").display()),
        "--innodb-buffer-pool-size=1G".to_owned(),
        "--local-infile=1".to_owned(),
    ]);
    let server = started(server, port, "ready for connections")?;
    let sql = |database: &str, sql: &str| {
        let mut client = command("mariadb");
        client.args(["--no-defaults", "--local-infile=1", "--user=root", &format!("--socket={}", home.join("socket").display())]);
        announce(client.args([&format!("--execute={sql}"), database]))
    };
    sql("mysql", "create database bench; create user polder@'%' identified by 'polder'; grant all on *.* to polder@'%'")?;
    sql("bench", &format!("create table lineitem ({COLUMNS}) default charset utf8mb4"))?;
    let load = format!(
        "load data local infile '{}' into table lineitem fields terminated by ',' optionally enclosed by '\"' ignore 1 lines",
        rows.display()
    );
    sql("bench", &load)?;
    sql("bench", "analyze table lineitem")?;
    Ok(server)
}
