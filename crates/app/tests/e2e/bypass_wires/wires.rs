//! Clients of each wire, which keep all that they hear: tokio-postgres, Arrow's own client of Flight SQL, and reqwest.

mod value;

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt as _;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, NoTls, SimpleQueryMessage};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use super::corpus::{Heard, Rows};
use crate::served::Served;

/// Under this name one signs in with a token over PostgreSQL's protocol.
const TOKEN_USER: &str = "token";
const ARROW: &str = "application/vnd.apache.arrow.stream";

/// How a question goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wire {
    /// PostgreSQL's protocol, a text and texts.
    Simple,
    /// The same, prepared, with values as bytes.
    Extended,
    Flight,
    Rest,
}

/// Where the wires are, and whom to trust.
#[derive(Clone)]
pub struct Places {
    postgres: u16,
    flight: u16,
    rest: u16,
    ca: Vec<u8>,
}

/// Someone who is signed in on a wire, for one purpose.
pub enum Client {
    Postgres { client: tokio_postgres::Client, notices: Arc<Mutex<String>>, extended: bool },
    Flight(Box<FlightSqlServiceClient<Channel>>),
    Rest { client: reqwest::Client, url: String, token: String, purpose: Option<String> },
}

impl Wire {
    pub const ALL: [Self; 4] = [Self::Simple, Self::Extended, Self::Flight, Self::Rest];

    /// Whether it speaks the dialect of PostgreSQL, and answers questions of its catalog.
    pub fn is_postgres(self) -> bool {
        matches!(self, Self::Simple | Self::Extended)
    }
}

impl Places {
    pub fn of(served: &Served) -> Self {
        let read = |path: &Path| std::fs::read(path).unwrap();
        Self { postgres: served.port("postgres"), flight: served.port("flight"), rest: served.port("rest"), ca: read(served.ca()) }
    }

    /// TLS 1.3 to a listener, with a protocol of its own from the first byte on.
    async fn tls(port: u16, ca: &[u8], alpn: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Signs in.
    pub async fn sign_in(&self, wire: Wire, token: &str, purpose: Option<&str>) -> Client {
        match wire {
            Wire::Simple | Wire::Extended => self.postgres(token, purpose, wire == Wire::Extended).await,
            Wire::Flight => {
                let (port, ca) = (self.flight, self.ca.clone());
                let connector = tower::service_fn(move |_| {
                    let ca = ca.clone();
                    async move { Self::tls(port, &ca, b"h2").await.map(TokioIo::new) }
                });
                let channel = Endpoint::from_static("http://localhost").connect_with_connector(connector).await.unwrap();
                let mut client = FlightSqlServiceClient::new(channel);
                client.set_token(token.to_owned());
                if let Some(purpose) = purpose {
                    client.set_header("polder-purpose", purpose);
                }
                Client::Flight(Box::new(client))
            }
            Wire::Rest => {
                let trusted = reqwest::Certificate::from_pem_bundle(&self.ca).unwrap();
                let client = reqwest::Client::builder().no_proxy().https_only(true).tls_certs_only(trusted).build().unwrap();
                let url = format!("https://localhost:{}/v1/query", self.rest);
                Client::Rest { client, url, token: token.to_owned(), purpose: purpose.map(str::to_owned) }
            }
        }
    }

    async fn postgres(&self, token: &str, purpose: Option<&str>, extended: bool) -> Client {
        let stream = Self::tls(self.postgres, &self.ca, b"postgresql").await.unwrap();
        let mut config = tokio_postgres::Config::new();
        // TLS stands already.
        config.user(TOKEN_USER).password(token).dbname("polder").ssl_mode(SslMode::Disable);
        let (client, mut connection) = config.connect_raw(stream, NoTls).await.unwrap();
        let notices = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&notices);
        tokio::spawn(async move {
            while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notice(notice) = message {
                    *heard.lock() += &format!("{notice:?}\n");
                }
            }
        });
        if let Some(purpose) = purpose {
            client.batch_execute(&format!("set polder.purpose = '{purpose}'")).await.unwrap();
        }
        Client::Postgres { client, notices, extended }
    }
}

impl Client {
    /// Asks, and tells all that is heard. None: it cannot be asked so, since its parameters have no values.
    pub async fn ask(&mut self, sql: &str) -> Option<Heard> {
        match self {
            Self::Postgres { client, notices, extended } => {
                let mut heard = ask_postgres(client, *extended, sql).await?;
                heard.beside += &std::mem::take(&mut *notices.lock());
                Some(heard)
            }
            Self::Flight(client) => {
                let heard = ask_flight(client, sql).await;
                // Said by the wire itself, before anything is asked.
                let unbound = |text: &String| text.starts_with("invalid: ask: ") && text.contains("parameters have no value");
                match &heard.answer {
                    Err(texts) if texts.iter().any(unbound) => None,
                    _ => Some(heard),
                }
            }
            Self::Rest { client, url, token, purpose } => Some(ask_rest(client, url, token, purpose.as_deref(), sql).await),
        }
    }
}

async fn ask_postgres(client: &tokio_postgres::Client, extended: bool, sql: &str) -> Option<Heard> {
    let prepared = client.prepare(sql).await;
    // A text says nothing of types: they are those of the statement.
    let types: Vec<Type> = prepared.iter().flat_map(|statement| statement.columns()).map(|column| column.type_().clone()).collect();
    if !extended {
        let messages = match client.simple_query(sql).await {
            Ok(messages) => messages,
            Err(error) => return Some(refused_by_postgres(&error)),
        };
        let (mut rows, mut names) = (Rows::new(), Vec::new());
        for message in messages {
            match message {
                SimpleQueryMessage::Row(row) => {
                    rows.push((0..row.len()).map(|at| value::of_text(types.get(at), row.get(at))).collect());
                }
                SimpleQueryMessage::RowDescription(columns) => names.extend(columns.iter().map(|column| column.name().to_owned())),
                _ => {}
            }
        }
        return Some(Heard { answer: Ok((names.len(), rows)), beside: names.join("\n") + "\n" });
    }
    let statement = match prepared {
        Ok(statement) => statement,
        Err(error) => return Some(refused_by_postgres(&error)),
    };
    if !statement.params().is_empty() {
        return None;
    }
    let names: Vec<&str> = statement.columns().iter().map(|column| column.name()).collect();
    let beside = names.join("\n") + "\n";
    match client.query(&statement, &[]).await {
        Ok(rows) => {
            let rows = rows.iter().map(|row| types.iter().enumerate().map(|(at, kind)| value::of_bytes(kind, row.get(at))).collect());
            Some(Heard { answer: Ok((types.len(), rows.collect())), beside })
        }
        Err(error) => {
            let mut heard = refused_by_postgres(&error);
            heard.beside += &beside;
            Some(heard)
        }
    }
}

/// An error with each kind that its code may stand for, and every field that came with it.
fn refused_by_postgres(error: &tokio_postgres::Error) -> Heard {
    let told = error.as_db_error().unwrap_or_else(|| panic!("the connection broke: {error:?}"));
    let kinds: &[&str] = match told.code().code() {
        "42501" => &["denied"],
        "42883" => &["denied", "invalid"],
        "42P01" => &["not_found", "invalid"],
        "57P03" => &["unavailable"],
        code if code.starts_with("XX") => panic!("a defect: {told:?}"),
        _ => &["invalid", "denied"],
    };
    let texts = kinds.iter().map(|kind| format!("{kind}: {}", told.message())).collect();
    Heard { answer: Err(texts), beside: format!("{told:?}\n") }
}

async fn ask_flight(client: &mut FlightSqlServiceClient<Channel>, sql: &str) -> Heard {
    let info = match client.execute(sql.to_owned(), None).await {
        Ok(info) => info,
        Err(error) => return refused_by_flight(error, String::new()),
    };
    let mut beside = String::from_utf8_lossy(&info.schema).into_owned();
    // It holds nothing but random bytes.
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut stream = match client.do_get(ticket).await {
        Ok(stream) => stream,
        Err(error) => return refused_by_flight(error, beside),
    };
    beside += &format!("\n{:?}\n", stream.headers());
    let mut batches = Vec::new();
    loop {
        match stream.try_next().await {
            Ok(Some(batch)) => batches.push(batch),
            Ok(None) => break,
            Err(error) => return refused_by_flight(error, beside),
        }
    }
    beside += &format!("{:?}\n", stream.trailers());
    let columns = stream.schema().map_or(0, |schema| schema.fields().len());
    Heard { answer: Ok((columns, texts(&batches))), beside }
}

fn refused_by_flight(error: FlightError, beside: String) -> Heard {
    let status = match error {
        FlightError::Tonic(status) => *status,
        other => panic!("the server did not refuse, and {other}"),
    };
    let kind = match status.code() {
        Code::PermissionDenied => "denied",
        Code::InvalidArgument => "invalid",
        Code::NotFound => "not_found",
        Code::Unavailable => "unavailable",
        code => panic!("{code:?}: {status:?}"),
    };
    Heard { answer: Err(vec![format!("{kind}: {}", status.message())]), beside: format!("{beside}{status:?}\n") }
}

async fn ask_rest(client: &reqwest::Client, url: &str, token: &str, purpose: Option<&str>, sql: &str) -> Heard {
    let mut request = client.post(url).header(AUTHORIZATION, format!("Bearer {token}")).header(CONTENT_TYPE, "application/json");
    request = request.header(ACCEPT, ARROW).body(json!({ "sql": sql }).to_string());
    if let Some(purpose) = purpose {
        request = request.header("polder-purpose", purpose);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), format!("{:?}\n", response.headers()));
    let body = response.bytes().await.unwrap_or_else(|error| panic!("an answer broke off: {error}"));
    let beside = headers + &String::from_utf8_lossy(&body);
    if status.is_success() {
        let reader = StreamReader::try_new(&body[..], None).unwrap();
        let columns = reader.schema().fields().len();
        let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        return Heard { answer: Ok((columns, texts(&batches))), beside };
    }
    assert!(status.is_client_error(), "{status}: {beside}");
    let problem: Value = serde_json::from_slice(&body).unwrap();
    let kind = problem["type"].as_str().unwrap().strip_prefix("urn:polder:problem:").unwrap();
    Heard { answer: Err(vec![format!("{kind}: {}", problem["detail"].as_str().unwrap())]), beside }
}

/// Rows as the corpus writes them.
fn texts(batches: &[RecordBatch]) -> Rows {
    let options = FormatOptions::new().with_null("NULL");
    let mut rows = Rows::new();
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|column| value::shown(column.value(row).to_string())).collect()));
    }
    rows
}
