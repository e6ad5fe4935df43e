//! PostgreSQL as its own users would serve the same: over TLS alone, by SCRAM, with row security that holds for everyone.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::super::databases::{Server, free_port, started, to_server, unprivileged};
use super::data::{self, ACCOUNT, PASSWORD};
use crate::process::{announce, command};

/// Who asks comes over TLS with a password; who prepares does not.
const ACCESS: &str = "hostssl bench ann 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n";

/// A server with the rows, and the certificate that its clients are to trust.
pub fn start(folder: &Path) -> Result<(Server, PathBuf)> {
    let home = folder.join("postgres");
    std::fs::create_dir_all(&home).context("create PostgreSQL's directory")?;
    let at = |name: &str| home.join(name).display().to_string();
    let data = at("data");
    announce(unprivileged("initdb", &home)?.args(["--username=postgres", "--auth=trust", "--no-sync", "-D", &data]))?;
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).context("make a certificate for PostgreSQL")?;
    let authority = private(&home, "server.pem", &pair.cert.pem())?;
    private(&home, "server.key", &pair.signing_key.serialize_pem())?;
    private(&home, "access.conf", ACCESS)?;
    let rows = folder.join("readings.csv");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&rows).with_context(|| format!("create {}", rows.display()))?);
    data::write(&mut file).and_then(|()| std::io::Write::flush(&mut file)).with_context(|| format!("write {}", rows.display()))?;
    let port = free_port()?;
    let mut server = unprivileged("postgres", &home)?;
    server.args(["-D", &data, "-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-k", &home.display().to_string()]);
    for setting in [
        format!("hba_file={}", at("access.conf")),
        "ssl=on".to_owned(),
        "ssl_min_protocol_version=TLSv1.3".to_owned(),
        format!("ssl_cert_file={}", at("server.pem")),
        format!("ssl_key_file={}", at("server.key")),
        "password_encryption=scram-sha-256".to_owned(),
    ] {
        server.args(["-c", &setting]);
    }
    let server = started(server, port, "ready to accept connections")?;
    let sql = |database: &str, sql: &str| {
        let mut psql = command("psql");
        psql.args(["--no-psqlrc", "--quiet", "-h", "127.0.0.1", "-p", &port.to_string(), "-U", "postgres", "-d", database, "-c", sql]);
        announce(&mut psql)
    };
    sql("postgres", &format!("create role {ACCOUNT} login password '{PASSWORD}'"))?;
    sql("postgres", "create database bench")?;
    sql("bench", "create table readings (id bigint primary key, region text not null, patient text not null, amount bigint not null)")?;
    sql("bench", &format!("\\copy readings from '{}' csv header", rows.display()))?;
    for step in [
        "vacuum analyze readings".to_owned(),
        "alter table readings enable row level security".to_owned(),
        "alter table readings force row level security".to_owned(),
        format!("create policy north on readings for select to {ACCOUNT} using (region = 'north')"),
        format!("grant select on readings to {ACCOUNT}"),
        "create table reads (at timestamptz not null default now(), who text not null, sql text not null, key bigint not null)".to_owned(),
        format!("grant insert on reads to {ACCOUNT}"),
    ] {
        sql("bench", &step)?;
    }
    Ok((server, authority))
}

/// A file that the server alone may read, or write.
fn private(home: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = home.join(name);
    let file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())).with_context(|| format!("write {}", path.display()))?;
    to_server(&path)?;
    Ok(path)
}
