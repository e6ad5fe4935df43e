//! Accounts and sessions over rows in memory, and requests to the router.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use polder_types::{ErrorKind, PrincipalId, RequestId, RunId, Secret, SeededRng, SessionId, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tower::ServiceExt as _;

use crate::ports::{
    Accounts, Answer, Challenge, Column, Credential, Description, Ended, NotPushed, Origin, Passkey, PasskeyChallenge, PasskeyMade,
    PasskeyWish, Proved, Push, PushFormat, Pushed, Pushing, Question, Rows, ScramProof, Session, Table, Ticket, Verdict,
};
use crate::works::Works;
use crate::{Context, Drain, Fault, Limits, Peer, Tls};

pub const LOGGED: RequestId = RequestId([0xab; 16]);
/// What the datasets take at once.
pub const PUSHED_MAX_BYTES: usize = 4096;
pub const TOKEN: &str = "polder_good";
/// The fingerprint of a certificate that lets in.
pub const CERTIFICATE: &str = "c0ffee";

pub fn sample() -> RecordBatch {
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), Some(-1), None])) as ArrayRef),
        ("sum", Arc::new(Decimal128Array::from(vec![Some(12_345), Some(-5), None]).with_precision_and_scale(10, 2).unwrap())),
        ("ratio", Arc::new(Float64Array::from(vec![Some(0.1), Some(f64::NAN), None]))),
        ("note", Arc::new(StringArray::from(vec![Some("a, \"b\"\nc\u{202e}"), Some(""), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(15_706), Some(0), None]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(1), Some(1_356_998_400_000_000), None]).with_timezone("UTC"))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("raw", Arc::new(BinaryArray::from_opt_vec(vec![Some(&b"\x00\xff"[..]), Some(&b""[..]), None]))),
    ])
    .unwrap()
}

/// What stands behind the door: it counts, and a test can end it.
#[derive(Debug)]
pub struct House {
    /// Credentials that were judged.
    pub judged: watch::Sender<usize>,
    pub turned_away: Mutex<Vec<&'static str>>,
    pub origins: Mutex<Vec<Origin>>,
    pub asked: Mutex<Vec<Question>>,
    /// Datasets that someone began to send rows into.
    pub begun: Mutex<Vec<String>>,
    /// What was sent: the form, the key and the body.
    pub pushed: Mutex<Vec<(PushFormat, String, Bytes)>>,
    /// Batches that were asked for.
    pub computed: AtomicUsize,
    /// Streams of rows that are there.
    pub streams: watch::Sender<usize>,
    pub closed: watch::Sender<usize>,
    pub ended: watch::Sender<Option<Ended>>,
    pub tables: Mutex<Vec<Table>>,
    /// What one works with beside questions.
    pub works: super::office::Office,
    /// Session tokens that were made.
    pub tickets: AtomicUsize,
    /// Awaited before a credential is judged.
    pub gate: Mutex<Option<Arc<Notify>>>,
}

#[derive(Debug)]
struct Guest {
    house: Arc<House>,
    ended: watch::Receiver<Option<Ended>>,
    closed: watch::Sender<bool>,
    principal: PrincipalId,
    id: SessionId,
}

pub struct Doors(pub Arc<House>);

#[async_trait]
impl Accounts for Doors {
    async fn challenge(&self, _: &str, _: &Origin) -> Result<Challenge, Fault> {
        Err(Fault::not_signed_in())
    }

    async fn prove(&self, _: ScramProof, _: &Origin) -> Result<Proved, Fault> {
        Err(Fault::not_signed_in())
    }

    async fn sign_in(&self, credential: Credential, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        let gate = self.0.gate.lock().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        self.0.origins.lock().push(origin.clone());
        let number = *self.0.judged.borrow();
        self.0.judged.send_replace(number + 1);
        match credential {
            Credential::Password { name, password } if name == "ann" && password.expose_secret() == "right: ü" => {}
            Credential::Token(token) if token.expose_secret() == TOKEN => {}
            Credential::Certificate { name: None } if origin.certificate.as_ref().is_some_and(|shown| shown.fingerprint == CERTIFICATE) => {
            }
            Credential::Code { name, password, code }
                if (name.as_str(), password.expose_secret().as_str(), code.expose_secret().as_str()) == ("ann", "right: ü", "123456") => {}
            Credential::Passkey(answer) if answer.signature == b"signed" && answer.user_handle == b"ann" => {}
            _ => return Err(Fault::not_signed_in()),
        }
        Ok(Arc::new(Guest {
            ended: self.0.ended.subscribe(),
            house: Arc::clone(&self.0),
            closed: watch::Sender::new(false),
            principal: PrincipalId::new("user", "ann").unwrap(),
            id: SessionId([number as u8; 16]),
        }))
    }

    async fn passkey_challenge(&self, _: &Origin) -> Result<PasskeyChallenge, Fault> {
        Ok(PasskeyChallenge { challenge: b"asked".to_vec(), party: "polder.example".to_owned() })
    }

    async fn turned_away(&self, _: &Origin, reason: &'static str) {
        self.0.turned_away.lock().push(reason);
    }
}

/// Counts streams that are there.
struct Alive(watch::Sender<usize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.send_modify(|streams| *streams -= 1);
    }
}

impl Guest {
    fn rows(&self, schema: SchemaRef, batches: impl futures::Stream<Item = Result<RecordBatch, Fault>> + Send + 'static) -> Answer {
        self.house.streams.send_modify(|streams| *streams += 1);
        let alive = Alive(self.house.streams.clone());
        let house = Arc::clone(&self.house);
        let rows: Rows = Box::pin(batches.inspect(move |_| {
            let _ = &alive;
            house.computed.fetch_add(1, Ordering::SeqCst);
        }));
        Answer::Rows { request: Some(LOGGED), schema, rows, holds: crate::ports::Holds::default() }
    }
}

#[async_trait]
impl Session for Guest {
    fn id(&self) -> SessionId {
        self.id
    }

    fn principal(&self) -> &PrincipalId {
        &self.principal
    }

    fn name(&self) -> &str {
        "ann"
    }

    async fn ended(&self) -> Ended {
        let (mut ended, mut closed) = (self.ended.clone(), self.closed.subscribe());
        tokio::select! {
            ended = ended.wait_for(Option::is_some) => ended.unwrap().unwrap(),
            _ = closed.wait_for(|closed| *closed) => Ended::Idle,
        }
    }

    async fn describe(&self, question: &Question) -> Result<Description, Fault> {
        let parameters = match question.sql.split_once(" as ") {
            Some((_, kinds)) => kinds.split_whitespace().filter_map(|kind| kind.parse().ok()).collect(),
            None => vec![DataType::Null; question.sql.matches('$').count()],
        };
        Ok(Description { parameters, columns: None })
    }

    async fn ask(&self, question: Question) -> Result<Answer, Fault> {
        self.house.asked.lock().push(question.clone());
        let schema = sample().schema();
        let failure = || Err(Fault::new(ErrorKind::Unavailable, "compute answer: the disk is gone; try again"));
        let number = |number: i64| RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![number; 64])) as ArrayRef)]).unwrap();
        Ok(match question.sql.split_whitespace().next().unwrap_or_default() {
            "sample" | "select" => {
                self.rows(schema, futures::stream::iter([Ok(sample()), Ok(sample().slice(1, 1)), Ok(sample().slice(0, 0))]))
            }
            "nothing" => self.rows(schema, futures::stream::empty()),
            "echo" => {
                let row = question.parameters.unwrap();
                self.rows(row.schema(), futures::stream::iter([Ok(row)]))
            }
            "many" => self.rows(number(0).schema(), futures::stream::iter((0..5_000).map(move |n| Ok(number(n))))),
            "endless" => self.rows(number(0).schema(), futures::stream::iter((0..).map(move |n| Ok(number(n))))),
            "hangs" => self.rows(schema, futures::stream::iter([Ok(sample())]).chain(futures::stream::pending())),
            "late" => self.rows(schema, futures::stream::iter([Ok(sample()), failure()])),
            "early" => self.rows(schema, futures::stream::iter([failure()])),
            "twins" => {
                let one: ArrayRef = Arc::new(Int64Array::from(vec![1]));
                let fields = vec![Field::new("n", DataType::Int64, false), Field::new("n", DataType::Int64, false)];
                let twins = RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![Arc::clone(&one), one]).unwrap();
                self.rows(twins.schema(), futures::stream::iter([Ok(twins)]))
            }
            "wide" => {
                // Ten rows of so many kibibytes.
                let text = "x".repeat(question.sql.split(' ').nth(1).unwrap().parse::<usize>().unwrap() << 10);
                let rows = RecordBatch::try_from_iter([("text", Arc::new(StringArray::from(vec![text; 10])) as ArrayRef)]).unwrap();
                self.rows(rows.schema(), futures::stream::iter([Ok(rows)]))
            }
            "wrong" => return Err(Fault::new(ErrorKind::Invalid, "read question: there is no column x; name another").at(Some(8))),
            "denied" => return Err(Fault::new(ErrorKind::Denied, "read table: a policy forbids it; ask its owner")),
            "set" => Answer::Done("SET"),
            _ => return Err(Fault::new(ErrorKind::NotFound, "find table: there is none of this name; list those that are there")),
        })
    }

    async fn tables(&self) -> Result<Vec<Table>, Fault> {
        Ok(self.house.tables.lock().clone())
    }

    async fn push(&self, source: &str, dataset: &str) -> Result<Box<dyn Pushing>, NotPushed> {
        self.house.begun.lock().push(format!("{source}.{dataset}"));
        let formats = match (source, dataset) {
            ("shop", "orders") => vec![PushFormat::Ndjson, PushFormat::Csv, PushFormat::Arrow, PushFormat::Events],
            ("shop", "lines") => vec![PushFormat::Ndjson],
            _ => return Err(Fault::new(ErrorKind::NotFound, crate::NO_DATASET).into()),
        };
        Ok(Box::new(Sender { house: Arc::clone(&self.house), formats }))
    }

    fn works(&self) -> Option<&dyn Works> {
        Some(&self.house.works)
    }

    async fn metrics(&self) -> Result<String, Fault> {
        Ok("# EOF\n".to_owned())
    }

    async fn ticket(&self) -> Result<Ticket, Fault> {
        self.house.tickets.fetch_add(1, Ordering::SeqCst);
        Ok(Ticket {
            token: Secret::new("polders_goodgoodgoodgoodgoodgoodgoodgoodgoodgoodgoodgoodx".to_owned()),
            name: "ann".to_owned(),
            expires_ms: 1_800_000_000_000,
        })
    }

    async fn end_ticket(&self) -> Result<(), Fault> {
        match self.house.tickets.load(Ordering::SeqCst) {
            0 => Err(Fault::new(ErrorKind::Invalid, "end session token: the request came with another credential; send the token itself")),
            _ => Ok(()),
        }
    }

    async fn passkeys(&self) -> Result<Vec<Passkey>, Fault> {
        Ok(vec![Passkey { id: "00ff00ff00ff00ff".to_owned(), label: Some("a phone".to_owned()), added_ms: 1_800_000_000_000 }])
    }

    async fn passkey_wish(&self) -> Result<PasskeyWish, Fault> {
        let asked = PasskeyChallenge { challenge: b"asked".to_vec(), party: "polder.example".to_owned() };
        Ok(PasskeyWish { asked, name: "ann".to_owned(), user_handle: b"handle".to_vec(), known: vec![b"known".to_vec()] })
    }

    async fn add_passkey(&self, made: PasskeyMade) -> Result<Passkey, Fault> {
        if made.attestation != b"made" || made.client_data != b"client" {
            return Err(Fault::new(ErrorKind::Rejected, "add passkey: its key is none of ES256 or EdDSA; try another authenticator"));
        }
        Ok(Passkey { id: "00ff00ff00ff00ff".to_owned(), label: made.label, added_ms: 1_800_000_000_000 })
    }

    async fn remove_passkey(&self, id: &str) -> Result<(), Fault> {
        match id {
            "00ff00ff00ff00ff" => Ok(()),
            _ => Err(Fault::new(ErrorKind::NotFound, "remove passkey: the account has none of this id; GET /v1/passkeys lists them")),
        }
    }

    async fn close(&self) {
        self.closed.send_replace(true);
        self.house.closed.send_modify(|closed| *closed += 1);
    }
}

/// Takes rows, and answers as the key says.
struct Sender {
    house: Arc<House>,
    formats: Vec<PushFormat>,
}

#[async_trait]
impl Pushing for Sender {
    fn takes(&self, format: PushFormat) -> bool {
        self.formats.contains(&format)
    }

    fn bytes_max(&self) -> usize {
        PUSHED_MAX_BYTES
    }

    async fn load(self: Box<Self>, push: Push) -> Result<Pushed, NotPushed> {
        let Push { format, key, body, room } = push;
        self.house.pushed.lock().push((format, key.clone(), body));
        let gate = self.house.gate.lock().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        drop(room);
        let verdict = Verdict {
            row: 2,
            quarantined: true,
            column: Some("amount".to_owned()),
            rule: "maximum".to_owned(),
            reason: "the value is too large".to_owned(),
        };
        let pushed = Pushed {
            run: RunId([7; 16]),
            batch: Some(3),
            read: 2,
            loaded: 1,
            rejected: 0,
            quarantined: 1,
            verdicts: vec![verdict],
            truncated: false,
            replayed: key == "again",
        };
        match key.as_str() {
            "rejected" => Err(NotPushed::Rejected { message: "load table orders: too many rows".to_owned(), rows: Box::new(pushed) }),
            "crowded" => Err(NotPushed::Crowded("send rows: too many; try again".to_owned())),
            "other" => Err(NotPushed::OtherBody("send rows: the key stands for another body".to_owned())),
            "full" => Err(Fault::new(ErrorKind::Unavailable, "record: the disk is full; make room").into()),
            _ => Ok(pushed),
        }
    }
}

pub fn table(name: &str) -> Table {
    Table {
        name: name.to_owned(),
        model: false,
        classification: Some("internal".to_owned()),
        columns: vec![Column {
            name: "salary".to_owned(),
            data_type: DataType::Decimal128(10, 2),
            nullable: true,
            classification: Some("confidential".to_owned()),
            sight: "null".to_owned(),
        }],
        filtered: true,
        version: 7,
    }
}

pub struct Bed {
    pub house: Arc<House>,
    pub context: Arc<Context>,
    pub router: Router,
}

pub fn certificate() -> (rustls_pki_types::CertificateDer<'static>, rustls_pki_types::PrivateKeyDer<'static>, String) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    (cert.der().clone(), rustls_pki_types::PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()), cert.pem())
}

impl Bed {
    pub fn new() -> Self {
        Self::limited(Limits::default())
    }

    pub fn limited(limits: Limits) -> Self {
        let (chain, key, _) = certificate();
        Self::with(limits, Tls::new(vec![chain], key, &[b"h2", b"http/1.1"], false).unwrap())
    }

    /// One that browsers reach.
    pub fn public(public_url: &str) -> Self {
        let (chain, key, _) = certificate();
        let tls = Tls::new(vec![chain], key, &[b"h2", b"http/1.1"], false).unwrap();
        Self::built(Limits::default(), tls, Some(public_url.into()))
    }

    pub fn with(limits: Limits, tls: Tls) -> Self {
        Self::built(limits, tls, None)
    }

    fn built(limits: Limits, tls: Tls, public_url: Option<Arc<str>>) -> Self {
        let house = Arc::new(House {
            judged: watch::Sender::new(0),
            turned_away: Mutex::default(),
            origins: Mutex::default(),
            asked: Mutex::default(),
            begun: Mutex::default(),
            pushed: Mutex::default(),
            computed: AtomicUsize::default(),
            streams: watch::Sender::new(0),
            closed: watch::Sender::new(0),
            ended: watch::Sender::new(None),
            tables: Mutex::new(["flights", "airlines", "salaries"].map(table).into()),
            tickets: AtomicUsize::default(),
            gate: Mutex::default(),
            works: super::office::Office::default(),
        });
        let context = Arc::new(Context {
            accounts: Arc::new(Doors(Arc::clone(&house))),
            limits: Arc::new(limits),
            tls: Arc::new(tls),
            drain: Drain::default(),
            clock: Arc::new(SystemClock),
            rng: Arc::new(SeededRng::new(5)),
            public_url,
        });
        Self { router: crate::rest::router(Arc::clone(&context)), house, context }
    }

    /// Sends a request as it is, as from a connection of 192.0.2.7.
    pub async fn send(&self, request: Request<Body>) -> Response {
        self.send_from(request, "[::ffff:192.0.2.7]:40000").await
    }

    pub async fn send_from(&self, mut request: Request<Body>, peer: &str) -> Response {
        request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// A signed-in GET.
    pub async fn get(&self, target: &str) -> Got {
        got(self.send(signed(Method::GET, target).body(Body::empty()).unwrap()).await).await
    }

    /// A signed-in question.
    pub async fn ask(&self, body: impl Into<Body>, accept: &str) -> Got {
        got(self.send(question(accept).body(body.into()).unwrap()).await).await
    }

    /// Serves on loopback, in the clear: what is tried is the protocol.
    pub async fn listen(&self) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = self.router.clone();
        tokio::spawn(async move {
            loop {
                let (stream, peer) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, peer, router.clone()));
            }
        });
        address
    }
}

pub async fn serve<S>(stream: S, peer: std::net::SocketAddr, router: Router)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = router.layer(axum::Extension(Peer(peer)));
    let service = hyper_util::service::TowerToHyperService::new(service);
    let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
    // A client that goes is no error of ours.
    let _ = builder.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
}

pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

pub fn signed(method: Method, target: &str) -> http::request::Builder {
    Request::builder().method(method).uri(target).header("authorization", format!("Bearer {TOKEN}"))
}

pub fn question(accept: &str) -> http::request::Builder {
    signed(Method::POST, "/v1/query").header("content-type", "application/json").header("accept", accept)
}

/// A whole answer.
#[derive(Debug)]
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Got {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// That it is a problem of this status, in the shape that all have.
    #[track_caller]
    pub fn problem(&self, status: u16) -> serde_json::Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["type"].as_str().unwrap().starts_with("urn:polder:problem:"));
        assert_eq!(problem["instance"], format!("urn:polder:request:{}", self.header("polder-request")));
        for text in ["title", "detail"] {
            assert!(!problem[text].as_str().unwrap().is_empty());
        }
        problem
    }
}

pub async fn got(response: Response) -> Got {
    let (parts, body) = response.into_parts();
    Got { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

/// The members of a JSON object by their names.
pub fn object(value: &serde_json::Value) -> HashMap<String, serde_json::Value> {
    value.as_object().unwrap().clone().into_iter().collect()
}
