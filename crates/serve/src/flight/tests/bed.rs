//! A server with two accounts and a few questions, and clients of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray, StringViewArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow_flight::FlightInfo;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use async_trait::async_trait;
use axum::body::Body;
use futures::{StreamExt as _, TryStreamExt as _};
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use polder_types::{ErrorKind, ManualClock, PrincipalId, RequestId, Secret, SessionId, SystemRng};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::ServiceExt as _;

use crate::context::Context;
use crate::drain::Drain;
use crate::fault::Fault;
use crate::http::Peer;
use crate::limits::Limits;
use crate::ports::{
    Accounts, Answer, Challenge, Column, Credential, Description, Ended, Origin, Proved, Question, Rows, ScramProof, Session, Table,
};
use crate::tls::Tls;

/// Nothing in a test takes as long.
const LONG: Duration = Duration::from_secs(60);
pub(super) const ALICE: &str = "polder_alice";
pub(super) const BOB: &str = "polder_bob";
/// Rows of a batch of `many`: 1 MiB of numbers.
pub(super) const MANY_ROWS: usize = 131_072;
pub(super) const MANY_BATCHES: usize = 64;

pub(super) type Client = FlightSqlServiceClient<Channel>;

/// Waits for what must come.
pub(super) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, work).await.expect("what must come did not come")
}

/// A signed-in principal, who sees everything that is done to it.
pub(super) struct Asker {
    name: String,
    id: SessionId,
    principal: PrincipalId,
    ended: watch::Sender<Option<Ended>>,
    pub(super) closed: CancellationToken,
    pub(super) asked: Mutex<Vec<Question>>,
    pub(super) described: AtomicUsize,
    /// Batches of `many` that were made.
    pub(super) made: Arc<AtomicUsize>,
    /// Rows of any kind were dropped.
    pub(super) dropped: CancellationToken,
}

impl Asker {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: SessionId::random(&SystemRng).unwrap(),
            principal: PrincipalId::new("user", name).unwrap(),
            ended: watch::Sender::new(None),
            closed: CancellationToken::new(),
            asked: Mutex::default(),
            described: AtomicUsize::new(0),
            made: Arc::default(),
            dropped: CancellationToken::new(),
        }
    }

    pub(super) fn end(&self, why: Ended) {
        self.ended.send_replace(Some(why));
    }

    /// Rows that tell when they are dropped.
    fn rows(&self, rows: impl futures::Stream<Item = Result<RecordBatch, Fault>> + Send + 'static) -> Rows {
        let guard = self.dropped.clone().drop_guard();
        Box::pin(rows.inspect(move |_| {
            let _ = &guard;
        }))
    }
}

pub(super) fn numbers(rows: std::ops::Range<i64>) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(rows));
    RecordBatch::try_from_iter_with_nullable([("n", column, true)]).unwrap()
}

/// A filtered view: the text `hidden-from-everyone` is in its buffer, and in no row.
pub(super) fn views() -> RecordBatch {
    let all = StringViewArray::from(vec![Some("a text that is seen by everyone"), Some("hidden-from-everyone, a long one"), None]);
    let seen = arrow::compute::filter(&all, &vec![true, false, true].into()).unwrap();
    let kinds: DictionaryArray<Int32Type> = vec![Some("seen"), Some("hidden-from-everyone"), None].into_iter().collect();
    let kinds = arrow::compute::filter(&kinds, &vec![true, false, true].into()).unwrap();
    RecordBatch::try_from_iter_with_nullable([("text", seen, true), ("kind", kinds, true)]).unwrap()
}

fn answer_of(sql: &str) -> Result<Description, Fault> {
    let none = |columns: SchemaRef| Description { parameters: Vec::new(), columns: Some(columns) };
    Ok(match sql {
        "few" | "many" | "endless" | "broken" | "unknown to ask" | "panics" => none(numbers(0..0).schema()),
        "views" => none(views().schema()),
        "sum" => Description {
            parameters: vec![DataType::Int64, DataType::Utf8],
            columns: Some(Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("text", DataType::Utf8, true)]))),
        },
        "union" => {
            let members = [(0, Arc::new(Field::new("a", DataType::Int64, true)))].into_iter().collect();
            let union = DataType::Union(members, arrow::datatypes::UnionMode::Sparse);
            none(Arc::new(Schema::new(vec![Field::new("u", union, true)])))
        }
        "denied" => return Err(Fault::new(ErrorKind::Denied, "read payments: you may not; ask its owner")),
        set if set.starts_with("SET ") || set.starts_with("RESET ") => Description { parameters: Vec::new(), columns: None },
        _ => return Err(Fault::new(ErrorKind::Invalid, "plan the question: it only reads").at(Some(1))),
    })
}

#[async_trait]
impl Session for Asker {
    fn id(&self) -> SessionId {
        self.id
    }

    fn principal(&self) -> &PrincipalId {
        &self.principal
    }

    fn name(&self) -> &str {
        &self.name
    }

    async fn ended(&self) -> Ended {
        let mut ended = self.ended.subscribe();
        let ended = ended.wait_for(Option::is_some).await.unwrap();
        ended.unwrap()
    }

    async fn describe(&self, question: &Question) -> Result<Description, Fault> {
        self.described.fetch_add(1, Ordering::SeqCst);
        answer_of(&question.sql)
    }

    async fn ask(&self, question: Question) -> Result<Answer, Fault> {
        self.asked.lock().push(question.clone());
        let schema = match answer_of(&question.sql)?.columns {
            Some(columns) => columns,
            None if question.sql.contains("refused") => return Err(Fault::new(ErrorKind::Invalid, "set the purpose: there is none such")),
            None => return Ok(Answer::Done("SET")),
        };
        let rows = match question.sql.as_str() {
            "few" => self.rows(futures::stream::iter([Ok(numbers(0..3)), Ok(numbers(3..5))])),
            "views" => self.rows(futures::stream::iter([Ok(views())])),
            "many" => {
                let made = Arc::clone(&self.made);
                self.rows(futures::stream::iter(0..MANY_BATCHES).map(move |index| {
                    made.fetch_add(1, Ordering::SeqCst);
                    let from = (index * MANY_ROWS) as i64;
                    Ok(numbers(from..from + MANY_ROWS as i64))
                }))
            }
            "endless" => self.rows(futures::stream::iter([Ok(numbers(0..3))]).chain(futures::stream::pending())),
            "broken" => {
                let fault = Fault::new(ErrorKind::Corrupt, "read flights: an object is damaged; restore it");
                self.rows(futures::stream::iter([Ok(numbers(0..3)), Err(fault)]))
            }
            "panics" => self.rows(futures::stream::iter([0, 1]).map(|index| {
                assert_eq!(index, 0, "on purpose");
                Ok(numbers(0..3))
            })),
            "sum" => {
                let parameters = question.parameters.unwrap();
                let columns = parameters.columns().to_vec();
                self.rows(futures::stream::iter([
                    RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|error| Fault::new(ErrorKind::Internal, error.to_string()))
                ]))
            }
            _ => return Err(Fault::new(ErrorKind::Unavailable, "answer: not now; try again")),
        };
        let request = Some(RequestId([7; 16]));
        Ok(Answer::Rows { request, schema, rows, holds: crate::ports::Holds::default() })
    }

    async fn tables(&self) -> Result<Vec<Table>, Fault> {
        let column = |name: &str, data_type: DataType, sight: &str| Column {
            name: name.to_owned(),
            data_type,
            nullable: true,
            classification: Some("internal".to_owned()),
            sight: sight.to_owned(),
        };
        let table = |name: &str, model: bool, columns: Vec<Column>| Table {
            name: name.to_owned(),
            model,
            classification: Some("internal".to_owned()),
            columns,
            filtered: false,
            version: 3,
        };
        let mut tables = vec![
            table("flights", false, vec![column("carrier", DataType::Utf8View, "hash"), column("delay", DataType::Int64, "clear")]),
            table("flights_by_day", true, vec![column("price", DataType::Decimal128(12, 2), "clear")]),
        ];
        if self.name == "alice" {
            tables.push(table("salaries", false, vec![column("amount", DataType::Decimal128(12, 2), "clear")]));
        }
        Ok(tables)
    }

    async fn ticket(&self) -> Result<crate::Ticket, Fault> {
        Err(Fault::not_signed_in())
    }

    async fn end_ticket(&self) -> Result<(), Fault> {
        Err(Fault::not_signed_in())
    }

    async fn close(&self) {
        self.closed.cancel();
    }
}

/// Two accounts, and what was done at the door.
#[derive(Default)]
pub(super) struct Register {
    pub(super) sessions: Mutex<Vec<Arc<Asker>>>,
    pub(super) origins: Mutex<Vec<Origin>>,
    pub(super) refused: AtomicUsize,
    pub(super) turned_away: Mutex<Vec<&'static str>>,
}

impl Register {
    /// The session that was opened last.
    pub(super) fn last(&self) -> Arc<Asker> {
        self.sessions.lock().last().cloned().unwrap()
    }

    pub(super) fn count(&self) -> usize {
        self.sessions.lock().len()
    }
}

#[async_trait]
impl Accounts for Register {
    async fn challenge(&self, _: &str, _: &Origin) -> Result<Challenge, Fault> {
        Err(Fault::not_signed_in())
    }

    async fn prove(&self, _: ScramProof, _: &Origin) -> Result<Proved, Fault> {
        Err(Fault::not_signed_in())
    }

    async fn sign_in(&self, credential: Credential, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        let password = |password: &Secret<String>| password.expose_secret() == "correct horse";
        let name = match &credential {
            Credential::Token(token) if token.expose_secret() == ALICE => "alice",
            Credential::Token(token) if token.expose_secret() == BOB => "bob",
            Credential::Password { name, password: given } if name == "alice" && password(given) => "alice",
            _ => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                return Err(Fault::not_signed_in());
            }
        };
        // Calls that come together must find each other here.
        tokio::task::yield_now().await;
        self.origins.lock().push(origin.clone());
        let session = Arc::new(Asker::new(name));
        self.sessions.lock().push(Arc::clone(&session));
        Ok(session)
    }

    async fn turned_away(&self, _: &Origin, reason: &'static str) {
        self.turned_away.lock().push(reason);
    }
}

/// A server that ends with the test.
pub(super) struct Bed {
    pub(super) register: Arc<Register>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) limits: Limits,
    pub(super) drain: Drain,
    address: SocketAddr,
    certificate: CertificateDer<'static>,
}

impl Bed {
    pub(super) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(super) async fn with(limits: Limits) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let tls = Tls::new(vec![certificate.clone()], key, &[b"h2"], false).unwrap();
        let register = Arc::new(Register::default());
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let drain = Drain::default();
        let context = Arc::new(Context {
            accounts: Arc::clone(&register) as Arc<dyn Accounts>,
            limits: Arc::new(limits.clone()),
            tls: Arc::new(tls),
            drain: drain.clone(),
            clock: Arc::clone(&clock) as Arc<dyn polder_types::Clock>,
            rng: Arc::new(SystemRng),
            public_url: None,
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, context));
        Self { register, clock, limits, drain, address, certificate }
    }

    async fn channel(&self) -> Channel {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (connector, address) = (TlsConnector::from(Arc::new(config)), self.address);
        let connector = tower::service_fn(move |_| {
            let connector = connector.clone();
            async move {
                let stream = TcpStream::connect(address).await?;
                let name = ServerName::try_from("localhost").unwrap();
                connector.connect(name, stream).await.map(TokioIo::new)
            }
        });
        Endpoint::from_static("http://localhost").connect_with_connector(connector).await.unwrap()
    }

    /// A client on a connection of its own, that shows nothing.
    pub(super) async fn stranger(&self) -> Client {
        FlightSqlServiceClient::new(self.channel().await)
    }

    /// A client on a connection of its own.
    pub(super) async fn client(&self, token: &str) -> Client {
        let mut client = self.stranger().await;
        client.set_token(token.to_owned());
        client
    }
}

async fn serve(listener: TcpListener, context: Arc<Context>) {
    let router = super::super::service(Arc::clone(&context));
    while let Ok((stream, peer)) = listener.accept().await {
        let (acceptor, _) = context.tls.acceptor();
        let router = router.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(Peer(peer));
                router.clone().oneshot(request.map(Body::new))
            });
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new()).http2_only();
            // It ends when the client goes.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The rows of a flight.
pub(super) async fn fetch(client: &mut Client, info: FlightInfo) -> Result<Vec<RecordBatch>, FlightError> {
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    client.do_get(ticket).await?.try_collect().await
}

/// Asks, and takes all rows.
pub(super) async fn ask(client: &mut Client, sql: &str) -> Result<Vec<RecordBatch>, FlightError> {
    let info = client.execute(sql.to_owned(), None).await?;
    fetch(client, info).await
}

/// What the server said.
pub(super) fn status(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => panic!("the server did not refuse: {other}"),
    }
}

/// The code of a refusal.
pub(super) fn code<T>(result: Result<T, FlightError>) -> Code {
    status(result.err().expect("it must be refused")).code()
}

/// The texts of a column.
pub(super) fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch.column_by_name(column).unwrap();
    column.as_any().downcast_ref::<StringArray>().unwrap().iter().map(|text| text.unwrap_or("NULL").to_owned()).collect()
}
