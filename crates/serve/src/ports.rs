//! What the program wires in: who signs in, and what a signed-in principal is answered. Wires know nothing else of Polder.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use futures::Stream;
use polder_types::{PrincipalId, RequestId, Secret, SessionId};

use crate::fault::Fault;

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wire {
    /// The PostgreSQL protocol.
    Postgres,
    /// Arrow Flight SQL.
    Flight,
    /// REST over HTTPS.
    Rest,
}

impl Wire {
    /// Its word in records, settings and token scopes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Flight => "flight",
            Self::Rest => "rest",
        }
    }
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
    /// An API token, which says whose it is.
    Token(Secret<String>),
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

    /// Ends the session, and records it. Once is enough.
    async fn close(&self);
}
