//! A signed-in connection: one message after the other, until it ends.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::FutureExt;
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse, ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::ParameterStatus;
use polder_types::ErrorKind;
use tokio::time::timeout;

use crate::context::Context;
use crate::fault::Fault;
use crate::ports::{Answer, Dialect, Question, Session};
use crate::postgres::copy::{CopyOut, Format};
use crate::postgres::error::{Stop, drained, error, put, unsupported, warning};
use crate::postgres::extended::{Portal, Prepared, State};
use crate::postgres::lexer::statements;
use crate::postgres::line::{Watch, Writer};
use crate::postgres::message::Message;
use crate::postgres::rows::{self, Cursor, Form};
use crate::postgres::startup::Signed;
use crate::postgres::statement::{Command, Words, command};

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    None,
    Open,
    Failed,
}

/// A connection.
pub struct Connection<'a> {
    pub(super) context: &'a Context,
    pub(super) session: Arc<dyn Session>,
    pub(super) watch: Watch,
    pub(super) writer: Writer,
    transaction: Transaction,
    savepoints: Vec<String>,
    pub(super) statements: HashMap<String, Prepared>,
    pub(super) portals: HashMap<String, Portal>,
    /// Something failed: what comes before the next Sync is passed over.
    skipping: bool,
    /// Nothing is being answered.
    idle: bool,
}

/// Serves someone who is signed in, to the end.
pub async fn serve(signed: Signed, context: &Context) {
    let Signed { session, reader, writer, registered, settings } = signed;
    let ended = {
        let session = Arc::clone(&session);
        async move { session.ended().await }.boxed().shared()
    };
    let mut connection = Connection {
        context,
        session: Arc::clone(&session),
        watch: Watch { reader, ended, cancel: registered.cancel.clone() },
        writer,
        transaction: Transaction::None,
        savepoints: Vec::new(),
        statements: HashMap::new(),
        portals: HashMap::new(),
        skipping: false,
        idle: false,
    };
    let stop = connection.run(settings).await;
    // Queries that still run end with what reads them.
    connection.portals.clear();
    let word = match &stop {
        Some(Stop::Fatal(fault) | Stop::Failed(fault)) => Some(fault),
        Some(Stop::Gone) | None => None,
    };
    connection.writer.close(word).await;
    session.close().await;
}

impl Connection<'_> {
    /// Why it ended; none where the client wished it.
    async fn run(&mut self, settings: Vec<(String, String)>) -> Option<Stop> {
        if let Err(stop) = self.begin(settings).await {
            return Some(stop);
        }
        loop {
            match self.step().await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(stop) => return Some(stop),
            }
        }
    }

    async fn begin(&mut self, settings: Vec<(String, String)>) -> Result<(), Stop> {
        for (name, value) in settings {
            let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
            if !plain {
                return Err(Stop::Fatal(unsupported("begin: a startup option has no name of a setting").with_sqlstate("22023")));
            }
            let sql = format!("SET {name} = '{}'", value.replace('\'', "''"));
            let asked = self.watch.over(self.session.ask(question(&sql))).await?;
            match asked {
                // What a client calls itself is for records, which have it already.
                Err(_) if name == "application_name" => {}
                Err(fault) => return Err(Stop::Fatal(fault)),
                Ok(_) => {}
            }
        }
        self.ready().await
    }

    /// Takes a message and does what it says; false where it says that the connection ends.
    async fn step(&mut self) -> Result<bool, Stop> {
        let limits = &self.context.limits;
        let message = tokio::select! {
            biased;
            ended = self.watch.ended.clone() => Err(ended.into()),
            () = self.context.drain.begins(), if self.idle => Err(drained()),
            read = timeout(limits.idle, self.watch.reader.next(limits.message_bytes)) => read.unwrap_or_else(|_| {
                let fault = Fault::new(ErrorKind::Unavailable, "nothing was asked for too long; connect again");
                Err(Stop::Fatal(fault.with_sqlstate("57P05")))
            }),
        }?;
        self.idle = false;
        match message {
            Message::Terminate => return Ok(false),
            Message::Sync => {
                self.skipping = false;
                if self.transaction == Transaction::None {
                    self.portals.retain(|_, portal| portal.hold);
                }
                self.ready().await?;
            }
            // What is pipelined after a failure was written in the belief that there was none.
            _ if self.skipping => {}
            Message::Query(sql) => self.simple(&sql).await?,
            Message::Flush => self.watch.flush(&mut self.writer).await?,
            Message::FunctionCall => {
                self.fail(&unsupported("functions are not called by number; call them in a query"), 0);
                self.ready().await?;
            }
            // Rows for a COPY that failed before it began are passed over, as in PostgreSQL.
            Message::Copy => {}
            Message::Password(_) => return Err(super::error::violation("read a message: a password is not awaited")),
            Message::Parse(message) => self.extended(|own| own.parse(message).boxed()).await?,
            Message::Bind(message) => self.extended(|own| own.bind(message).boxed()).await?,
            Message::Describe(message) => self.extended(|own| own.describe(message).boxed()).await?,
            Message::Execute(message) => self.extended(|own| own.execute(message).boxed()).await?,
            Message::Close(message) => self.extended(|own| own.close(message).boxed()).await?,
        }
        if self.writer.is_full() {
            self.watch.flush(&mut self.writer).await?;
        }
        Ok(true)
    }

    /// Does what a message of the extended protocol says; after a failure all is passed over up to the next Sync.
    async fn extended<'s, F>(&'s mut self, act: F) -> Result<(), Stop>
    where
        F: for<'b> FnOnce(&'b mut Self) -> futures::future::BoxFuture<'b, Result<(), Stop>>,
    {
        self.watch.begin();
        match act(self).await {
            Err(Stop::Failed(fault)) => {
                self.fail(&fault, 0);
                self.skipping = true;
                // A client may wait for the error before it sends Sync.
                self.watch.flush(&mut self.writer).await
            }
            done => done,
        }
    }

    /// Says that the next question may come.
    async fn ready(&mut self) -> Result<(), Stop> {
        let status = match self.transaction {
            Transaction::None => TransactionStatus::Idle,
            Transaction::Open => TransactionStatus::Transaction,
            Transaction::Failed => TransactionStatus::Error,
        };
        put(&mut self.writer.buffer, &ReadyForQuery::new(status));
        self.watch.flush(&mut self.writer).await?;
        self.idle = true;
        Ok(())
    }

    /// Says what failed.
    fn fail(&mut self, fault: &Fault, before: u32) {
        error(&mut self.writer.buffer, fault, false, before);
        if self.transaction == Transaction::Open {
            self.transaction = Transaction::Failed;
        }
    }

    /// A simple query: statements one after the other, until one fails.
    async fn simple(&mut self, sql: &str) -> Result<(), Stop> {
        self.statements.remove("");
        self.portals.remove("");
        self.watch.begin();
        let pieces = statements(sql);
        if pieces.is_empty() {
            put(&mut self.writer.buffer, &EmptyQueryResponse::new());
        }
        for piece in pieces {
            match self.one(piece.sql).await {
                Err(Stop::Failed(fault)) => {
                    self.fail(&fault, piece.characters_before);
                    break;
                }
                done => done?,
            }
        }
        if self.transaction == Transaction::None {
            self.portals.retain(|_, portal| portal.hold);
        }
        self.ready().await
    }

    async fn one(&mut self, sql: &str) -> Result<(), Stop> {
        let command = command(sql)?;
        self.allow(&command)?;
        match &command {
            Command::Ask { tag } => match self.ask(question(sql)).await? {
                Answer::Done(word) => self.done(sql, word),
                Answer::Rows { schema, rows, holds, .. } => {
                    rows::describe(&mut self.writer.buffer, &schema, &[])?;
                    let mut cursor = Cursor::new(schema, rows, holds);
                    let sent = rows::send(&mut cursor, None, Form::Rows(&[]), &mut self.watch, &mut self.writer).await?;
                    self.complete(&tag_of(tag, sent.rows));
                }
            },
            Command::Copy(copy) => self.copy(copy).await?,
            Command::Fetch { cursor, .. } => {
                let (schema, formats) = self.columns_of(cursor)?;
                if let Command::Fetch { discard: false, .. } = &command {
                    rows::describe(&mut self.writer.buffer, &schema, &formats)?;
                }
                self.fetch(&command, &formats).await?;
            }
            _ => self.utility(&command, None).await?,
        }
        Ok(())
    }

    /// That a command may be run now.
    ///
    /// # Errors
    /// When a transaction failed, and it does not end it.
    pub(super) fn allow(&self, command: &Command) -> Result<(), Fault> {
        if self.transaction == Transaction::Failed && !command.ends_failure() && *command != Command::Nothing("") {
            let message = "the transaction failed, and nothing is done before its end; use ROLLBACK";
            return Err(Fault::new(ErrorKind::Invalid, message).with_sqlstate("25P02"));
        }
        Ok(())
    }

    /// Asks the session.
    pub(super) async fn ask(&mut self, question: Question) -> Result<Answer, Stop> {
        Ok(self.watch.over(self.session.ask(question)).await??)
    }

    /// Says that a command is done.
    pub(super) fn complete(&mut self, tag: &str) {
        put(&mut self.writer.buffer, &CommandComplete::new(tag.to_owned()));
    }

    /// Says that something was set, and what clients must know of it.
    pub(super) fn done(&mut self, sql: &str, word: &str) {
        self.complete(word);
        let mut words = Words::new(sql);
        if word == "SET" && words.take("set") {
            let _ = words.any(&["session", "local"]);
            if words.take("application_name") && (words.sign("=") || words.take("to")) {
                let value = words.next().and_then(|token| token.string().or_else(|| token.name())).unwrap_or_default();
                put(&mut self.writer.buffer, &ParameterStatus::new("application_name".to_owned(), value.chars().take(64).collect()));
            }
        }
    }

    /// Sends the rows of a COPY.
    pub(super) async fn copy(&mut self, copy: &CopyOut) -> Result<(), Stop> {
        let asked = self.ask(question(&copy.sql)).await;
        // The place that a fault names is one of the question within.
        let answer = asked.map_err(|stop| if let Stop::Failed(fault) = stop { Stop::Failed(fault.at(None)) } else { stop })?;
        let Answer::Rows { schema, rows, holds, .. } = answer else {
            return Err(Stop::Failed(unsupported("copy: the statement has no rows to copy; use a query")));
        };
        rows::fits(&schema, &[])?;
        copy.respond(&schema, &mut self.writer.buffer);
        let mut head = Vec::new();
        copy.begin(&schema, &mut head);
        // Names are a row of their own; the mark of the binary form stands in one message with what comes first, as clients expect it.
        if copy.format != Format::Binary && !head.is_empty() {
            rows::message(&mut self.writer.buffer, b'd', &head)?;
            head.clear();
        }
        let mut cursor = Cursor::new(schema, rows, holds);
        let sent = rows::send(&mut cursor, None, Form::Copy(copy, &mut head), &mut self.watch, &mut self.writer).await?;
        copy.end(&mut head);
        if !head.is_empty() {
            rows::message(&mut self.writer.buffer, b'd', &head)?;
        }
        rows::message(&mut self.writer.buffer, b'c', &[])?;
        self.complete(&format!("COPY {}", sent.rows));
        Ok(())
    }

    /// Sends rows of a cursor, or steps over them.
    pub(super) async fn fetch(&mut self, command: &Command, formats: &[i16]) -> Result<(), Stop> {
        let Command::Fetch { cursor, count, discard } = command else { return Ok(()) };
        let portal = self.portals.get_mut(cursor).ok_or_else(|| no_cursor(cursor))?;
        let rows = match &mut portal.state {
            State::Running(running) => {
                let form = if *discard { Form::Discard } else { Form::Rows(formats) };
                let sent = rows::send(running, *count, form, &mut self.watch, &mut self.writer).await;
                match sent {
                    Ok(sent) => sent.rows,
                    // What failed once has no rows to give after it.
                    Err(stop) => {
                        self.portals.remove(cursor);
                        return Err(stop);
                    }
                }
            }
            State::Ready(_) | State::Done => 0,
        };
        self.complete(&format!("{} {rows}", if *discard { "MOVE" } else { "FETCH" }));
        Ok(())
    }

    /// The columns of an open cursor, and the formats in which it gives them.
    pub(super) fn columns_of(&self, cursor: &str) -> Result<(arrow::datatypes::SchemaRef, Vec<i16>), Fault> {
        match self.portals.get(cursor) {
            Some(Portal { state: State::Running(running), formats, .. }) => Ok((Arc::clone(&running.schema), formats.clone())),
            _ => Err(no_cursor(cursor)),
        }
    }

    /// Does what needs no rows.
    pub(super) async fn utility(&mut self, command: &Command, parameters: Option<RecordBatch>) -> Result<(), Stop> {
        match command {
            Command::Begin(tag) => {
                if self.transaction == Transaction::None {
                    self.transaction = Transaction::Open;
                } else {
                    warning(&mut self.writer.buffer, "25001", "there is already a transaction in progress");
                }
                self.complete(tag);
            }
            Command::Commit | Command::Rollback => {
                if self.transaction == Transaction::None {
                    warning(&mut self.writer.buffer, "25P01", "there is no transaction in progress");
                }
                let committed = *command == Command::Commit && self.transaction != Transaction::Failed;
                self.transaction = Transaction::None;
                self.savepoints.clear();
                self.portals.retain(|_, portal| portal.hold);
                self.complete(if committed { "COMMIT" } else { "ROLLBACK" });
            }
            Command::Savepoint(name) => {
                self.in_transaction("SAVEPOINT")?;
                if self.savepoints.len() >= self.context.limits.prepared {
                    return Err(Stop::Failed(Fault::limit("set the savepoint: there are too many; release some")));
                }
                self.savepoints.push(name.clone());
                self.complete("SAVEPOINT");
            }
            Command::Release(name) => {
                self.in_transaction("RELEASE SAVEPOINT")?;
                let at = self.savepoint(name)?;
                self.savepoints.truncate(at);
                self.complete("RELEASE");
            }
            Command::RollbackTo(name) => {
                self.in_transaction("ROLLBACK TO SAVEPOINT")?;
                let at = self.savepoint(name)?;
                self.savepoints.truncate(at + 1);
                self.transaction = Transaction::Open;
                self.complete("ROLLBACK");
            }
            Command::Declare { name, hold, binary, sql } => {
                if !hold {
                    self.in_transaction("DECLARE CURSOR")?;
                }
                if self.portals.contains_key(name) {
                    let message = format!("open the cursor: {name} is open already; close it, or use another name");
                    return Err(Stop::Failed(Fault::new(ErrorKind::Invalid, message).with_sqlstate("42P03")));
                }
                self.room(sql.len())?;
                let asked = self.ask(bound(sql, parameters)).await;
                let answer = asked.map_err(|stop| if let Stop::Failed(fault) = stop { Stop::Failed(fault.at(None)) } else { stop })?;
                let Answer::Rows { schema, rows, holds, .. } = answer else {
                    return Err(Stop::Failed(unsupported("open the cursor: the statement has no rows; use a query")));
                };
                rows::fits(&schema, &[])?;
                let formats = vec![i16::from(*binary)];
                self.portals.insert(name.clone(), Portal::cursor(Cursor::new(schema, rows, holds), formats, *hold, sql.len()));
                self.complete("DECLARE CURSOR");
            }
            Command::CloseCursor(Some(name)) => {
                self.portals.remove(name).ok_or_else(|| no_cursor(name))?;
                self.complete("CLOSE CURSOR");
            }
            Command::CloseCursor(None) => {
                self.portals.clear();
                self.complete("CLOSE CURSOR ALL");
            }
            Command::Deallocate(Some(name)) => {
                if self.statements.remove(name).is_none() {
                    let message = format!("forget the statement: none is prepared as {name}");
                    return Err(Stop::Failed(Fault::new(ErrorKind::NotFound, message).with_sqlstate("26000")));
                }
                self.complete("DEALLOCATE");
            }
            Command::Deallocate(None) => {
                self.statements.clear();
                self.complete("DEALLOCATE ALL");
            }
            Command::DiscardAll => {
                if self.transaction != Transaction::None {
                    let message = "DISCARD ALL cannot be run in a transaction; end it first";
                    return Err(Stop::Failed(Fault::new(ErrorKind::Invalid, message).with_sqlstate("25001")));
                }
                self.statements.clear();
                self.portals.clear();
                self.ask(question("RESET ALL")).await?;
                self.complete("DISCARD ALL");
            }
            Command::Nothing("") => put(&mut self.writer.buffer, &EmptyQueryResponse::new()),
            Command::Nothing(tag) => self.complete(tag),
            Command::Ask { .. } | Command::Copy(_) | Command::Fetch { .. } => {}
        }
        Ok(())
    }

    fn in_transaction(&self, what: &str) -> Result<(), Fault> {
        if self.transaction == Transaction::None {
            return Err(Fault::new(ErrorKind::Invalid, format!("{what} needs a transaction; use BEGIN first")).with_sqlstate("25P01"));
        }
        Ok(())
    }

    fn savepoint(&self, name: &str) -> Result<usize, Fault> {
        let missing = || Fault::new(ErrorKind::NotFound, format!("there is no savepoint {name}")).with_sqlstate("3B001");
        self.savepoints.iter().rposition(|own| own == name).ok_or_else(missing)
    }
}

fn no_cursor(name: &str) -> Fault {
    Fault::new(ErrorKind::NotFound, format!("there is no open cursor {name}; open it first, in this transaction")).with_sqlstate("34000")
}

/// A question of this wire.
pub fn question(sql: &str) -> Question {
    Question { sql: sql.to_owned(), dialect: Dialect::Postgres, ..Question::default() }
}

/// A question of this wire, with the values of its parameters.
pub fn bound(sql: &str, parameters: Option<RecordBatch>) -> Question {
    let parameter_types = parameters.iter().flat_map(RecordBatch::columns).map(|column| Some(column.data_type().clone())).collect();
    Question { parameter_types, parameters, ..question(sql) }
}

/// The tag of an answer with rows.
pub fn tag_of(tag: &str, rows: u64) -> String {
    match tag {
        "SHOW" | "EXPLAIN" => tag.to_owned(),
        "SET" => format!("SELECT {rows}"),
        tag => format!("{tag} {rows}"),
    }
}

/// Bytes that a portal keeps of what was bound.
pub fn bound_bytes(values: &[Option<Bytes>]) -> usize {
    values.iter().flatten().map(Bytes::len).sum()
}
