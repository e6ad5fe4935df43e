//! A listener with an answering side in memory, and a client of raw bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use aws_lc_rs::{digest, hmac, pbkdf2};
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use polder_types::{ErrorKind, ManualClock, PrincipalId, SeededRng, SessionId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};

use super::values::types_batch;
use crate::context::Context;
use crate::drain::Drain;
use crate::fault::Fault;
use crate::limits::Limits;
use crate::ports::{
    Accounts, Answer, Challenge, Credential, Description, Ended, Holds, Origin, Proved, Question, Rows, ScramProof, Session, Table,
};
use crate::postgres::Postgres;
use crate::tls::Tls;

pub const PASSWORD: &str = "pencil";
pub const TOKEN: &str = "polder_good";
const SALT: &[u8] = b"0123456789abcdef";

/// What the answering side saw.
pub struct Seen {
    /// The questions, in order.
    pub asked: Mutex<Vec<String>>,
    /// Descriptions that were asked for.
    pub described: AtomicU64,
    /// Batches that were computed.
    pub produced: AtomicU64,
    /// Sessions that were closed.
    pub closed: watch::Sender<u64>,
    /// Streams of rows that were dropped, ended or not.
    pub dropped: watch::Sender<u64>,
    /// What answers were decided by holds no longer.
    pub taken_back: AtomicBool,
    /// Says that all sessions are over.
    pub ended: watch::Sender<Option<Ended>>,
    /// What clients called themselves.
    pub clients: Mutex<Vec<Option<String>>>,
    reasons: mpsc::UnboundedSender<&'static str>,
}

struct Double(Arc<Seen>);

struct DoubleSession {
    seen: Arc<Seen>,
    principal: PrincipalId,
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn mac(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref().to_vec()
}

impl Double {
    fn session(&self, origin: &Origin) -> Arc<dyn Session> {
        self.0.clients.lock().push(origin.client.clone());
        Arc::new(DoubleSession { seen: Arc::clone(&self.0), principal: PrincipalId::new("user", "ann").unwrap() })
    }
}

#[async_trait]
impl Accounts for Double {
    async fn challenge(&self, _: &str, _: &Origin) -> Result<Challenge, Fault> {
        Ok(Challenge { salt: SALT.to_vec(), iterations: 4_096 })
    }

    async fn prove(&self, proof: ScramProof, origin: &Origin) -> Result<Proved, Fault> {
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, 4_096.try_into().unwrap(), SALT, PASSWORD.as_bytes(), &mut salted);
        let stored = sha256(&mac(&salted, b"Client Key"));
        let signature = mac(&stored, proof.auth_message.as_bytes());
        let key: Vec<u8> = proof.proof.iter().zip(signature).map(|(proof, signature)| proof ^ signature).collect();
        if proof.name != "ann" || sha256(&key) != stored {
            return Err(Fault::not_signed_in());
        }
        let server_signature = mac(&mac(&salted, b"Server Key"), proof.auth_message.as_bytes());
        Ok(Proved { session: self.session(origin), server_signature })
    }

    async fn sign_in(&self, credential: Credential, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        match credential {
            Credential::Token(token) if token.expose_secret() == TOKEN => Ok(self.session(origin)),
            _ => Err(Fault::not_signed_in()),
        }
    }

    async fn turned_away(&self, _: &Origin, reason: &'static str) {
        let _ = self.0.reasons.send(reason);
    }
}

/// Says when it is dropped.
struct Dropped(Arc<Seen>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.dropped.send_modify(|count| *count += 1);
    }
}

/// The types of `$1`, `$2` and so on: those that were said, or those of the casts.
fn parameters(question: &Question) -> Vec<DataType> {
    let mut types = Vec::new();
    for at in 1.. {
        let mark = format!("${at}");
        let Some(place) = question.sql.find(&mark) else { break };
        let cast = question.sql[place + mark.len()..].strip_prefix("::").and_then(|rest| rest.split_whitespace().next()).unwrap_or("text");
        let cast = match cast {
            "int8" => DataType::Int64,
            "numeric" => DataType::Decimal128(10, 2),
            "timestamptz" => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            "text[]" => DataType::List(Field::new_list_field(DataType::Utf8, true).into()),
            _ => DataType::Utf8,
        };
        types.push(question.parameter_types.get(at - 1).cloned().flatten().unwrap_or(cast));
    }
    types
}

fn series_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false), Field::new("t", DataType::Utf8, true)]))
}

fn numbered(range: std::ops::Range<i64>) -> RecordBatch {
    let text: StringArray = range.clone().map(|n| (n % 3 != 2).then(|| format!("row {n}"))).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(range)), Arc::new(text)];
    RecordBatch::try_new(series_schema(), columns).unwrap()
}

fn series(seen: Arc<Seen>, rows: i64) -> Rows {
    let guard = Dropped(Arc::clone(&seen));
    stream::unfold((0_i64, guard), move |(from, guard)| {
        let to = rows.min(from + 1_000);
        let next = (from < rows).then(|| {
            seen.produced.fetch_add(1, Ordering::SeqCst);
            (Ok(numbered(from..to)), (to, guard))
        });
        std::future::ready(next)
    })
    .boxed()
}

fn number(sql: &str) -> i64 {
    sql.split_whitespace().nth(2).and_then(|word| word.parse().ok()).unwrap_or(3)
}

fn columns(question: &Question) -> Result<Option<SchemaRef>, Fault> {
    let sql = question.sql.as_str();
    if sql.starts_with("set ") || sql.starts_with("SET ") || sql == "RESET ALL" {
        return Ok(None);
    }
    if sql.starts_with("select echo") {
        let fields: Vec<Field> = parameters(question)
            .into_iter()
            .enumerate()
            .map(|(at, data_type)| Field::new(format!("c{}", at + 1), data_type, true))
            .collect();
        return Ok(Some(Arc::new(Schema::new(fields))));
    }
    if sql.starts_with("select types") {
        return Ok(Some(types_batch().schema()));
    }
    if sql.starts_with("select ") || sql.starts_with("SELECT ") {
        return Ok(Some(series_schema()));
    }
    Err(Fault::new(ErrorKind::Invalid, "read the question: it is none").at(Some(1)))
}

#[async_trait]
impl Session for DoubleSession {
    fn id(&self) -> SessionId {
        SessionId::random(&SeededRng::new(1)).unwrap()
    }

    fn principal(&self) -> &PrincipalId {
        &self.principal
    }

    fn name(&self) -> &str {
        "ann"
    }

    async fn ended(&self) -> Ended {
        let mut ended = self.seen.ended.subscribe();
        ended.wait_for(Option::is_some).await.unwrap().unwrap()
    }

    async fn describe(&self, question: &Question) -> Result<Description, Fault> {
        self.seen.described.fetch_add(1, Ordering::SeqCst);
        Ok(Description { parameters: parameters(question), columns: columns(question)? })
    }

    async fn ask(&self, question: Question) -> Result<Answer, Fault> {
        self.seen.asked.lock().push(question.sql.clone());
        let sql = question.sql.as_str();
        let Some(mut schema) = columns(&question)? else {
            return Ok(Answer::Done(if sql == "RESET ALL" { "RESET" } else { "SET" }));
        };
        let seen = Arc::clone(&self.seen);
        let rows: Rows = if sql.starts_with("select echo") {
            let row = question.parameters.clone().unwrap();
            schema = row.schema();
            stream::iter([Ok(row)]).boxed()
        } else if sql.starts_with("select types") {
            stream::iter([Ok(types_batch())]).boxed()
        } else if sql.starts_with("select forever") {
            let guard = Dropped(Arc::clone(&seen));
            let rows = stream::iter([Ok(numbered(0..5))]).chain(stream::pending());
            rows.map(move |row| {
                let _ = &guard;
                row
            })
            .boxed()
        } else if sql.starts_with("select broken") {
            let broken = Fault::new(ErrorKind::Unavailable, "read the table: the store is not there");
            series(seen, 2).chain(stream::iter([Err(broken)])).boxed()
        } else if sql.starts_with("select wrong") {
            return Err(Fault::new(ErrorKind::Invalid, "plan the question: there is no column wrong").with_sqlstate("42703").at(Some(8)));
        } else {
            series(seen, number(sql))
        };
        let seen = Arc::clone(&self.seen);
        let holds = Holds::new(move || match seen.taken_back.load(Ordering::SeqCst) {
            true => Err(Fault::new(ErrorKind::Denied, "answer query: what you may read has changed; ask again")),
            false => Ok(()),
        });
        Ok(Answer::Rows { request: None, schema, rows, holds })
    }

    async fn tables(&self) -> Result<Vec<Table>, Fault> {
        Ok(Vec::new())
    }

    async fn ticket(&self) -> Result<crate::Ticket, Fault> {
        Err(Fault::not_signed_in())
    }

    async fn end_ticket(&self) -> Result<(), Fault> {
        Err(Fault::not_signed_in())
    }

    async fn close(&self) {
        self.seen.closed.send_modify(|count| *count += 1);
    }
}

/// A listener.
pub struct Rig {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    pub drain: Drain,
    pub end_point: Vec<u8>,
    pub client: Arc<rustls::ClientConfig>,
    reasons: mpsc::UnboundedReceiver<&'static str>,
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let tls = Tls::new(vec![certificate.clone()], key.into(), &[b"postgresql"], false).unwrap();
        let (send, reasons) = mpsc::unbounded_channel();
        let seen = Arc::new(Seen {
            asked: Mutex::default(),
            described: AtomicU64::new(0),
            produced: AtomicU64::new(0),
            closed: watch::Sender::new(0),
            dropped: watch::Sender::new(0),
            taken_back: AtomicBool::new(false),
            ended: watch::Sender::new(None),
            clients: Mutex::default(),
            reasons: send,
        });
        let drain = Drain::default();
        let context = Context {
            accounts: Arc::new(Double(Arc::clone(&seen))),
            limits: Arc::new(limits),
            tls: Arc::new(tls),
            drain: drain.clone(),
            clock: Arc::new(ManualClock::new(0)),
            rng: Arc::new(SeededRng::new(11)),
            public_url: None,
        };
        let postgres = Postgres::new(Arc::new(context));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let postgres = postgres.clone();
                tokio::spawn(async move { postgres.serve(stream, peer).await });
            }
        });
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let client = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        Self { address, seen, drain, end_point: sha256(&certificate), client, reasons }
    }

    /// The next word for a connection that was turned away.
    pub async fn reason(&mut self) -> &'static str {
        self.reasons.recv().await.unwrap()
    }

    /// What was asked, but for what the client calls itself.
    pub fn asked(&self) -> Vec<String> {
        self.seen.asked.lock().iter().filter(|sql| !sql.starts_with("SET application_name")).cloned().collect()
    }

    /// A connection in the clear.
    pub async fn clear(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A TLS handshake on a connection.
    pub async fn handshake(&self, stream: TcpStream, protocols: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = self.client.as_ref().clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
    }

    /// An encrypted connection, before anything is said.
    pub async fn encrypted(&self) -> Raw {
        let mut stream = self.clear().await;
        stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'S');
        Raw { stream: Box::new(self.handshake(stream, &[]).await.unwrap()) }
    }

    /// A signed-in connection.
    pub async fn signed(&self) -> Raw {
        self.signed_with(&[]).await.0
    }

    /// A signed-in connection, and what came before it was ready.
    pub async fn signed_with(&self, more: &[(&str, &str)]) -> (Raw, Vec<(u8, Vec<u8>)>) {
        let mut raw = self.encrypted().await;
        let mut parameters = vec![("user", "token")];
        parameters.extend_from_slice(more);
        raw.send(&startup(3 << 16, &parameters)).await;
        assert_eq!(raw.message().await, (b'R', vec![0, 0, 0, 3]));
        raw.say(b'p', &[TOKEN.as_bytes(), &[0]].concat()).await;
        let before = raw.until(b'Z').await;
        (raw, before)
    }
}

/// A startup packet.
pub fn startup(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
    }
    body.push(0);
    [&u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], &body].concat()
}

/// What bytes can be sent over.
pub trait Duplex: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Duplex for T {}

/// A client of bytes.
pub struct Raw {
    pub stream: Box<dyn Duplex>,
}

impl Raw {
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends a message.
    pub async fn say(&mut self, tag: u8, body: &[u8]) {
        self.send(&message(tag, body)).await;
    }

    /// A message; none at the end.
    pub async fn maybe(&mut self) -> Option<(u8, Vec<u8>)> {
        let tag = self.stream.read_u8().await.ok()?;
        let length = self.stream.read_u32().await.unwrap();
        let mut body = vec![0; length as usize - 4];
        self.stream.read_exact(&mut body).await.unwrap();
        Some((tag, body))
    }

    pub async fn message(&mut self) -> (u8, Vec<u8>) {
        self.maybe().await.expect("a message, not the end")
    }

    /// Messages up to one of a kind, that one included.
    pub async fn until(&mut self, last: u8) -> Vec<(u8, Vec<u8>)> {
        let mut all = Vec::new();
        loop {
            let next = self.message().await;
            let found = next.0 == last;
            all.push(next);
            if found {
                return all;
            }
        }
    }

    /// The kinds of messages up to the next that says that the server is ready, with errors' codes and tags in words.
    pub async fn told(&mut self) -> String {
        let all = self.until(b'Z').await;
        all.iter().map(told).collect::<Vec<_>>().join(" ")
    }

    /// What is left up to the end of the connection.
    pub async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        while let Some(next) = self.maybe().await {
            all.push(told(&next));
        }
        all.join(" ")
    }

    /// A simple query and what came of it.
    pub async fn ask(&mut self, sql: &str) -> String {
        self.say(b'Q', &[sql.as_bytes(), &[0]].concat()).await;
        self.told().await
    }
}

/// A message's bytes.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat()
}

/// A field of an error.
pub fn field(body: &[u8], code: u8) -> Option<String> {
    body.split(|byte| *byte == 0).find(|part| part.first() == Some(&code)).map(|part| String::from_utf8(part[1..].to_vec()).unwrap())
}

fn told((tag, body): &(u8, Vec<u8>)) -> String {
    let tag_word = char::from(*tag).to_string();
    match tag {
        b'E' | b'N' => {
            let at = field(body, b'P').map(|position| format!("@{position}")).unwrap_or_default();
            format!("{tag_word}:{}{at}", field(body, b'C').unwrap())
        }
        b'C' => format!("C:{}", String::from_utf8_lossy(&body[..body.len() - 1]).replace(' ', "_")),
        b'Z' => format!("Z:{}", char::from(body[0])),
        b'd' => format!("d:{}", String::from_utf8_lossy(body).escape_debug()),
        _ => tag_word,
    }
}

/// The columns of a batch as those of one row.
pub fn row_of(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().enumerate().map(|(at, column)| Field::new(format!("c{}", at + 1), column.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}
