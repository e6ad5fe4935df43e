//! What the program wires in: who signs in, and what a signed-in principal is answered. Wires know nothing else of Polder.

mod passkeys;

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use polder_types::{ErrorKind, PrincipalId, RequestId, RunId, Secret, SessionId};
use tokio::sync::OwnedSemaphorePermit;

use crate::fault::Fault;
use crate::providers::Providers;
use crate::works::Works;

/// What is said of a dataset that is not there, or that one may not send into.
pub const NO_DATASET: &str = "find dataset: there is none of this name that you may send rows to; ask whoever keeps the project's sources";

pub use passkeys::{Passkey, PasskeyAnswer, PasskeyChallenge, PasskeyMade, PasskeyWish};

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wire {
    /// The PostgreSQL protocol.
    Postgres,
    /// Arrow Flight SQL.
    Flight,
    /// REST over HTTPS.
    Rest,
    /// The numbers of the serving process, for Prometheus.
    Metrics,
}

impl Wire {
    /// Its word in records, settings and token scopes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Flight => "flight",
            Self::Rest => "rest",
            Self::Metrics => "metrics",
        }
    }
}

/// Whether a listener asks for client certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked {
    /// Whoever has one may show it; others sign in otherwise.
    Accepted,
    /// Nobody comes in without one, whatever else they show.
    Required,
}

impl Asked {
    /// Its word in settings and in what is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Required => "required",
        }
    }
}

/// A client certificate that a trusted authority signed, and whose key the other side proved to have. Whether it lets anyone in is another matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of the certificate, in lower-case hexadecimal.
    pub fingerprint: String,
    /// Whether the listener lets nobody in without one.
    pub asked: Asked,
}

/// Where someone comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The way in.
    pub wire: Wire,
    /// The address of the other side.
    pub address: IpAddr,
    /// What the client calls itself, cut to 128 bytes; it proves nothing.
    pub client: Option<String>,
    /// The certificate that the connection began with.
    pub certificate: Option<ClientCertificate>,
}

/// What someone signs in with.
#[derive(Debug)]
pub enum Credential {
    /// A name and a password, over TLS alone. A token is taken in place of a password where the name is its owner's.
    Password {
        /// The account's name, as it was typed.
        name: String,
        /// The password.
        password: Secret<String>,
    },
    /// An API token, which says whose it is, or a session token.
    Token(Secret<String>),
    /// The certificate of the [`Origin`], and nothing else.
    Certificate {
        /// The account's name, where one was typed: it must be the certificate's.
        name: Option<String>,
    },
    /// A name, a password and a code: one that changes, or a recovery code.
    Code {
        /// The account's name, as it was typed.
        name: String,
        /// The password.
        password: Secret<String>,
        /// The code.
        code: Secret<String>,
    },
    /// What a passkey signed.
    Passkey(PasskeyAnswer),
}

/// What a SCRAM-SHA-256 exchange begins with. For a name that no account has it is made up, and the same each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The salt of the stored password.
    pub salt: Vec<u8>,
    /// The iterations of PBKDF2.
    pub iterations: u32,
}

/// What the other side of a SCRAM-SHA-256 exchange sent as proof (RFC 5802).
#[derive(Debug, Clone)]
pub struct ScramProof {
    /// The account's name of the exchange.
    pub name: String,
    /// `client-first-message-bare "," server-first-message "," client-final-message-without-proof`.
    pub auth_message: String,
    /// `ClientProof`, 32 bytes.
    pub proof: Vec<u8>,
}

/// A session token: what stands for having signed in, on every wire, until it ends. It goes in place of an API token or a password.
#[derive(Debug)]
pub struct Ticket {
    /// Its text, which is told this once.
    pub token: Secret<String>,
    /// The account's name.
    pub name: String,
    /// When it ends by itself, in milliseconds since 1970.
    pub expires_ms: i64,
}

/// Who proved by SCRAM who they are.
pub struct Proved {
    /// The session.
    pub session: Arc<dyn Session>,
    /// `ServerSignature`, by which the client knows that the server knows the password's secret.
    pub server_signature: Vec<u8>,
}

/// Who may come in. Each success and each refusal is recorded before it is answered; refusals come late, by a delay that grows with failures of
/// the same name and address.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// What a SCRAM exchange for a name begins with.
    ///
    /// # Errors
    /// When too many sign in from there, or nobody may for now.
    async fn challenge(&self, name: &str, origin: &Origin) -> Result<Challenge, Fault>;

    /// Judges a SCRAM proof.
    ///
    /// # Errors
    /// [`Fault::not_signed_in`], or what kept it from being recorded.
    async fn prove(&self, proof: ScramProof, origin: &Origin) -> Result<Proved, Fault>;

    /// Judges a password or token.
    ///
    /// # Errors
    /// [`Fault::not_signed_in`], or what kept it from being recorded.
    async fn sign_in(&self, credential: Credential, origin: &Origin) -> Result<Arc<dyn Session>, Fault>;

    /// The identity providers through which one may sign in; none where there are none.
    fn providers(&self) -> Option<&dyn Providers> {
        None
    }

    /// What an authenticator is asked to sign, so that someone signs in with a passkey.
    ///
    /// # Errors
    /// When there are no passkeys here, or too many were asked for.
    async fn passkey_challenge(&self, _origin: &Origin) -> Result<PasskeyChallenge, Fault> {
        Err(passkeys::none())
    }

    /// Records that someone was sent away before they said who they are: for broken handshakes and messages. `reason` is a fixed word.
    async fn turned_away(&self, origin: &Origin, reason: &'static str);
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Account, token or session was revoked, or an account was disabled.
    Revoked,
    /// The token or the session reached its end.
    Expired,
    /// Nothing was asked for too long.
    Idle,
}

/// How a question is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// As `polder sql` takes it.
    #[default]
    Plain,
    /// As clients of PostgreSQL write it: with their catalog, casts and settings.
    Postgres,
}

/// A question.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The text.
    pub sql: String,
    /// How it is written.
    pub dialect: Dialect,
    /// The types of `$1`, `$2` and so on where the client said them; missing ones are worked out.
    pub parameter_types: Vec<Option<DataType>>,
    /// The values of `$1`, `$2` and so on: one row, a column each.
    pub parameters: Option<RecordBatch>,
    /// What the asker says that the answer is for.
    pub purpose: Option<String>,
}

/// What a question asks for, before it is answered.
#[derive(Debug, Clone)]
pub struct Description {
    /// The types of its parameters.
    pub parameters: Vec<DataType>,
    /// The columns of its answer; none where it has no rows to give, as `SET`.
    pub columns: Option<SchemaRef>,
}

/// Rows, as they come. Whoever drops it stops the query; its outcome is recorded before the stream ends.
pub type Rows = Pin<Box<dyn Stream<Item = Result<RecordBatch, Fault>> + Send>>;

/// Whether what an answer was decided by still holds: to be asked before rows are given that were there before, however long ago.
#[derive(Clone, Default)]
pub struct Holds(Option<Arc<dyn Fn() -> Result<(), Fault> + Send + Sync>>);

impl Holds {
    /// As long as this says so.
    pub fn new(ask: impl Fn() -> Result<(), Fault> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(ask)))
    }

    /// # Errors
    /// Why no more of it is given.
    pub fn ask(&self) -> Result<(), Fault> {
        self.0.as_ref().map_or(Ok(()), |ask| ask())
    }
}

impl fmt::Debug for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holds").finish_non_exhaustive()
    }
}

/// An answer.
pub enum Answer {
    /// Rows.
    Rows {
        /// The id under which it stands in the log; none for what is answered without reading.
        request: Option<RequestId>,
        /// Its columns.
        schema: SchemaRef,
        /// Its rows. The end of the stream comes after the outcome was recorded.
        rows: Rows,
        /// Whether they may still be given.
        holds: Holds,
    },
    /// Something was set or done; the word is the command's, as `SET`.
    Done(&'static str),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// A column that one may know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as it is seen: that of the mask where one is on it.
    pub data_type: DataType,
    /// Whether it may be NULL, as it is seen.
    pub nullable: bool,
    /// The contract's classification.
    pub classification: Option<String>,
    /// `clear`, or the mask's name.
    pub sight: String,
}

/// A table that one may know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Whether it is a model's.
    pub model: bool,
    /// The strictest classification of its columns.
    pub classification: Option<String>,
    /// The columns that may be seen, in order.
    pub columns: Vec<Column>,
    /// Whether some rows are hidden.
    pub filtered: bool,
    /// Its visible version.
    pub version: u64,
}

/// The form of rows that are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushFormat {
    /// An object a line.
    Ndjson,
    /// CSV with a header.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
    /// A JSON array of CloudEvents, each with all that its specification demands.
    Events,
}

/// Rows that are sent. What they hold is shown nowhere.
pub struct Push {
    /// Their form.
    pub format: PushFormat,
    /// What the sender calls the request, to be answered the same when it is sent again.
    pub key: String,
    /// All of the body.
    pub body: Bytes,
    /// The room that they take, which is given back when this is dropped.
    pub room: Room,
}

/// Room among those who send, and for what they send.
#[derive(Debug)]
pub struct Room {
    _permits: [OwnedSemaphorePermit; 2],
}

impl Room {
    pub(crate) fn new(place: OwnedSemaphorePermit, memory: OwnedSemaphorePermit) -> Self {
        Self { _permits: [place, memory] }
    }
}

/// A row that was refused: where it stands and what it broke. Never what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The record's number, from 1.
    pub row: u64,
    /// Whether it was kept, sealed, for whoever looks after it.
    pub quarantined: bool,
    /// The column; none when the record as a whole is wrong.
    pub column: Option<String>,
    /// The rule's name.
    pub rule: String,
    /// The rule in words.
    pub reason: String,
}

/// What came of rows that were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The run under which it stands in the log.
    pub run: RunId,
    /// Which of the table's batches it is; none where nothing was loaded.
    pub batch: Option<u64>,
    /// Rows that the body holds.
    pub read: u64,
    /// Rows that were taken.
    pub loaded: u64,
    /// Rows refused and dropped.
    pub rejected: u64,
    /// Rows refused and kept.
    pub quarantined: u64,
    /// Of the first refused rows, by their numbers.
    pub verdicts: Vec<Verdict>,
    /// Whether more were refused than are told.
    pub truncated: bool,
    /// Whether this was answered before, and nothing was loaded now.
    pub replayed: bool,
}

/// Why nothing was loaded.
#[derive(Debug)]
pub enum NotPushed {
    /// As any other fault.
    Fault(Fault),
    /// As many as may be are on their way.
    Crowded(String),
    /// The key was given to another body before.
    OtherBody(String),
    /// The rows broke the contract, as a whole or too many of them.
    Rejected {
        /// What is told of it.
        message: String,
        /// Its rows, as far as they are known.
        rows: Box<Pushed>,
    },
}

impl From<Fault> for NotPushed {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Someone who may send rows into a dataset, which was decided and recorded.
#[async_trait]
pub trait Pushing: Send + Sync {
    /// Whether it takes rows in this form.
    fn takes(&self, format: PushFormat) -> bool;

    /// Longest body that it takes, in bytes.
    fn bytes_max(&self) -> usize;

    /// Loads rows, or answers what was answered when they came before. Whoever does not wait for it stops nothing.
    ///
    /// # Errors
    /// When nothing was loaded.
    async fn load(self: Box<Self>, push: Push) -> Result<Pushed, NotPushed>;
}

/// A signed-in principal's way to data. Every call asks first whether the session still holds.
#[async_trait]
pub trait Session: Send + Sync {
    /// Its id in the log.
    fn id(&self) -> SessionId;

    /// Who it is.
    fn principal(&self) -> &PrincipalId;

    /// The account's name.
    fn name(&self) -> &str;

    /// Waits until the session is over, and says why. Whoever holds a connection open waits for it and closes at once.
    async fn ended(&self) -> Ended;

    /// What a question asks for: planned and decided, not answered.
    ///
    /// # Errors
    /// As [`Session::ask`].
    async fn describe(&self, question: &Question) -> Result<Description, Fault>;

    /// Answers a question.
    ///
    /// # Errors
    /// When it is refused, denied, does not fit the tables, passes a limit, or cannot be recorded. Errors of computing come with the rows.
    async fn ask(&self, question: Question) -> Result<Answer, Fault>;

    /// The tables that the principal may know of, by name.
    ///
    /// # Errors
    /// When the session is over, or the tables cannot be read.
    async fn tables(&self) -> Result<Vec<Table>, Fault>;

    /// Begins to send rows into a dataset of a source. A dataset that one may not load into is as one that is not there.
    ///
    /// # Errors
    /// When there is none of these names, or that one may send cannot be recorded.
    async fn push(&self, source: &str, dataset: &str) -> Result<Box<dyn Pushing>, NotPushed> {
        let _ = (source, dataset);
        Err(Fault::new(ErrorKind::NotFound, NO_DATASET).into())
    }

    /// Runs, contracts and the log; none where there is nothing but questions.
    fn works(&self) -> Option<&dyn Works> {
        None
    }

    /// The numbers of the serving process, as OpenMetrics text.
    ///
    /// # Errors
    /// When no policy permits it, the session is over, or that it was refused cannot be recorded.
    async fn metrics(&self) -> Result<String, Fault> {
        Err(Fault::new(ErrorKind::NotFound, "read metrics: there are none here; tell whoever runs the server"))
    }

    /// Makes a session token, which holds as long as the session may and no longer. It is recorded before it is given.
    ///
    /// # Errors
    /// When the session is over or came from a session token itself, the account has too many, or it cannot be recorded.
    async fn ticket(&self) -> Result<Ticket, Fault>;

    /// Ends the session token that the session came from, with all sessions that came from it.
    ///
    /// # Errors
    /// When it came from something else.
    async fn end_ticket(&self) -> Result<(), Fault>;

    /// The passkeys of the account.
    ///
    /// # Errors
    /// When the session is over.
    async fn passkeys(&self) -> Result<Vec<Passkey>, Fault> {
        Err(passkeys::none())
    }

    /// What an authenticator is asked to make a passkey of.
    ///
    /// # Errors
    /// When the account can have none, or whoever is signed in may not add one.
    async fn passkey_wish(&self) -> Result<PasskeyWish, Fault> {
        Err(passkeys::none())
    }

    /// Adds a passkey to the account.
    ///
    /// # Errors
    /// When it is none that was asked for, or cannot be recorded or kept.
    async fn add_passkey(&self, _made: PasskeyMade) -> Result<Passkey, Fault> {
        Err(passkeys::none())
    }

    /// Takes a passkey from the account. The sessions that it began are over, and this one where it is one of them.
    ///
    /// # Errors
    /// When the account has none of this id, or it cannot be recorded or kept.
    async fn remove_passkey(&self, _id: &str) -> Result<(), Fault> {
        Err(passkeys::none())
    }

    /// Ends the session, and records it. Once is enough.
    async fn close(&self);
}
