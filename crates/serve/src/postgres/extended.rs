//! The extended protocol: statements are prepared, bound to values, described, and executed as far as one wishes.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, PortalSuspended, TARGET_TYPE_BYTE_STATEMENT,
};
use polder_types::ErrorKind;

use crate::fault::Fault;
use crate::ports::{Answer, Description, Question};
use crate::postgres::connection::{Connection, bound, bound_bytes, question, tag_of};
use crate::postgres::error::{Stop, put, syntax, unsupported};
use crate::postgres::lexer::statements;
use crate::postgres::parameters::{self, arrow_types};
use crate::postgres::rows::{self, Cursor, Form};
use crate::postgres::statement::{Command, command};
use crate::postgres::types::{PgType, Scalar};

/// A prepared statement.
#[derive(Clone)]
pub struct Prepared {
    sql: Arc<str>,
    command: Arc<Command>,
    /// The types of parameters that the client said.
    given: Vec<Option<PgType>>,
    /// What it asks for, once that was needed.
    description: Option<Arc<Description>>,
}

/// A statement with its values, or a cursor.
pub struct Portal {
    pub state: State,
    /// In which columns are sent.
    pub formats: Vec<i16>,
    /// Whether it outlives its transaction.
    pub hold: bool,
    bytes: usize,
    statement: Option<Prepared>,
}

/// How far a portal is.
pub enum State {
    /// Nothing was asked yet.
    Ready(Option<RecordBatch>),
    /// Rows come.
    Running(Cursor),
    /// There is nothing more.
    Done,
}

impl Portal {
    /// A cursor that was opened in SQL.
    pub fn cursor(cursor: Cursor, formats: Vec<i16>, hold: bool, bytes: usize) -> Self {
        Self { state: State::Running(cursor), formats, hold, bytes, statement: None }
    }
}

impl Connection<'_> {
    /// That so many more bytes, and one more statement or portal, may be kept.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn room(&self, bytes: usize) -> Result<(), Fault> {
        let limits = &self.context.limits;
        let most = self.statements.len().max(self.portals.len());
        let kept: usize = self.statements.values().map(|statement| statement.sql.len()).sum::<usize>()
            + self.portals.values().map(|portal| portal.bytes).sum::<usize>();
        if most >= limits.prepared || kept.saturating_add(bytes) > limits.message_bytes.saturating_mul(4) {
            return Err(Fault::limit("prepare: too many statements or portals are kept; close some (DEALLOCATE, CLOSE)"));
        }
        Ok(())
    }

    pub(super) async fn parse(&mut self, message: Parse) -> Result<(), Stop> {
        let name = message.name.unwrap_or_default();
        if name.is_empty() {
            self.statements.remove("");
        } else if self.statements.contains_key(&name) {
            let fault = Fault::new(ErrorKind::Invalid, format!("prepare: a statement {name} is there already; close it first"));
            return Err(Stop::Failed(fault.with_sqlstate("42P05")));
        }
        self.room(message.query.len())?;
        let pieces = statements(&message.query);
        let (sql, before) = match pieces.as_slice() {
            [] => ("", 0),
            [one] => (one.sql, one.characters_before),
            _ => return Err(Stop::Failed(syntax("prepare: there are several statements; prepare them one by one"))),
        };
        let command = command(sql).map_err(|fault| shifted(fault, before))?;
        self.allow(&command)?;
        let mut given = Vec::with_capacity(message.type_oids.len());
        for oid in message.type_oids {
            given.push(match PgType::from_oid(oid) {
                None if oid != 0 => {
                    let message =
                        format!("prepare: the type {oid} of a parameter is not known here; leave it to the server, or cast it in SQL");
                    return Err(Stop::Failed(unsupported(message).with_sqlstate("42704")));
                }
                Some(PgType { scalar: Scalar::Unknown, .. }) => None,
                known => known,
            });
        }
        let mut prepared = Prepared { sql: sql.into(), command: Arc::new(command), given, description: None };
        if !name.is_empty() {
            // Whoever gives it a name will use it again, and wants to know now whether it is well-formed.
            self.described(&mut prepared).await.map_err(|stop| shift(stop, before))?;
        }
        self.statements.insert(name, prepared);
        put(&mut self.writer.buffer, &ParseComplete::new());
        Ok(())
    }

    /// What a statement asks for, from the session where it was not asked before.
    async fn described(&mut self, prepared: &mut Prepared) -> Result<Arc<Description>, Stop> {
        if let Some(description) = &prepared.description {
            return Ok(Arc::clone(description));
        }
        let description = match prepared.command.question(&prepared.sql) {
            None => Description { parameters: Vec::new(), columns: None },
            Some(sql) => {
                let question = Question { parameter_types: arrow_types(&prepared.given), ..question(sql) };
                let mut description = self.watch.over(self.session.describe(&question)).await??;
                if !matches!(prepared.command.as_ref(), Command::Ask { .. }) {
                    description.columns = None;
                }
                description
            }
        };
        let description = Arc::new(description);
        prepared.description = Some(Arc::clone(&description));
        Ok(description)
    }

    /// A prepared statement, with its description.
    async fn statement(&mut self, name: &str) -> Result<(Prepared, Arc<Description>), Stop> {
        let mut prepared = self.statements.get(name).cloned().ok_or_else(|| no_statement(name))?;
        let described = prepared.description.is_some();
        let description = self.described(&mut prepared).await?;
        if !described {
            self.statements.insert(name.to_owned(), prepared.clone());
        }
        Ok((prepared, description))
    }

    pub(super) async fn bind(&mut self, message: Bind) -> Result<(), Stop> {
        let name = message.portal_name.unwrap_or_default();
        let statement = message.statement_name.unwrap_or_default();
        if name.is_empty() {
            self.portals.remove("");
        } else if self.portals.contains_key(&name) {
            let fault = Fault::new(ErrorKind::Invalid, format!("bind: a portal {name} is there already; close it first"));
            return Err(Stop::Failed(fault.with_sqlstate("42P03")));
        }
        let bytes = bound_bytes(&message.parameters);
        self.room(bytes)?;
        let mut prepared = self.statements.get(&statement).cloned().ok_or_else(|| no_statement(&statement))?;
        self.allow(&prepared.command)?;
        let count = message.parameters.len();
        let all_given = prepared.given.len() == count && prepared.given.iter().all(Option::is_some);
        let mut types = prepared.given.clone();
        // Without parameters, or where the client said all types, nothing needs to be worked out before the question itself.
        if prepared.description.is_some() || (count > 0 && !all_given) {
            let (described, description) = self.statement(&statement).await?;
            prepared = described;
            if description.parameters.len() != count {
                let needed = description.parameters.len();
                let message = format!("bind: there are {count} parameters, and the statement has {needed}; bind as many");
                return Err(Stop::Failed(syntax(message).with_sqlstate("08P01")));
            }
            types = types_of(&prepared, &description).into_iter().map(Some).collect();
        }
        let formats = &message.parameter_format_codes;
        if formats.len() > 1 && formats.len() != count {
            let message = format!("bind: there are {} formats for {count} parameters; give one, or one for each", formats.len());
            return Err(Stop::Failed(syntax(message).with_sqlstate("08P01")));
        }
        let types: Vec<PgType> = types.into_iter().map(|pg| pg.unwrap_or(PgType { scalar: Scalar::Text, array: false })).collect();
        let row = parameters::row(&types, formats, &message.parameters)?;
        let portal = Portal {
            state: State::Ready(row),
            formats: message.result_column_format_codes,
            hold: false,
            bytes: bytes + prepared.sql.len(),
            statement: Some(prepared),
        };
        self.portals.insert(name, portal);
        put(&mut self.writer.buffer, &BindComplete::new());
        Ok(())
    }

    pub(super) async fn describe(&mut self, message: Describe) -> Result<(), Stop> {
        let name = message.name.unwrap_or_default();
        if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            let (prepared, description) = self.statement(&name).await?;
            let oids = types_of(&prepared, &description).into_iter().map(PgType::oid).collect();
            let columns = self.columns(&prepared, &description)?;
            put(&mut self.writer.buffer, &ParameterDescription::new(oids));
            return Ok(self.columns_or_none(columns, &[])?);
        }
        let portal = self.portals.get(&name).ok_or_else(|| no_portal(&name))?;
        let formats = portal.formats.clone();
        if let State::Running(cursor) = &portal.state {
            let schema = Arc::clone(&cursor.schema);
            return Ok(self.columns_or_none(Some(schema), &formats)?);
        }
        let Some(mut prepared) = portal.statement.clone() else { return Ok(self.columns_or_none(None, &[])?) };
        let description = self.described(&mut prepared).await?;
        let columns = self.columns(&prepared, &description)?;
        if let Some(portal) = self.portals.get_mut(&name) {
            portal.statement = Some(prepared);
        }
        Ok(self.columns_or_none(columns, &formats)?)
    }

    /// The columns of what a statement gives: those of the cursor where it reads one.
    fn columns(&self, prepared: &Prepared, description: &Description) -> Result<Option<SchemaRef>, Fault> {
        match prepared.command.as_ref() {
            Command::Fetch { cursor, discard: false, .. } => self.columns_of(cursor).map(|(schema, _)| Some(schema)),
            _ => Ok(description.columns.clone()),
        }
    }

    fn columns_or_none(&mut self, columns: Option<SchemaRef>, formats: &[i16]) -> Result<(), Fault> {
        match columns {
            Some(schema) => rows::describe(&mut self.writer.buffer, &schema, formats),
            None => {
                put(&mut self.writer.buffer, &NoData::new());
                Ok(())
            }
        }
    }

    pub(super) async fn execute(&mut self, message: Execute) -> Result<(), Stop> {
        let name = message.name.unwrap_or_default();
        let limit = u64::try_from(message.max_rows).ok().filter(|limit| *limit > 0);
        // Taken out while it runs: what fails is not put back.
        let mut portal = self.portals.remove(&name).ok_or_else(|| no_portal(&name))?;
        let command = portal.statement.as_ref().map(|prepared| Arc::clone(&prepared.command));
        if let Some(command) = &command {
            self.allow(command)?;
        }
        match command.as_deref() {
            Some(Command::Ask { tag }) => self.rows_of(&mut portal, tag, limit).await?,
            // A cursor that was opened in SQL.
            None => self.rows_of(&mut portal, "SELECT", limit).await?,
            Some(command) => {
                let State::Ready(parameters) = std::mem::replace(&mut portal.state, State::Done) else {
                    let message = "execute: the portal has been run; bind the statement again";
                    return Err(Stop::Failed(Fault::new(ErrorKind::Invalid, message).with_sqlstate("55000")));
                };
                match command {
                    Command::Copy(copy) if parameters.is_none() => self.copy(copy).await?,
                    Command::Copy(_) => {
                        return Err(Stop::Failed(unsupported("copy: there are no parameters in COPY; write the values into it")));
                    }
                    Command::Fetch { cursor, .. } => {
                        let formats = self.fetch_formats(cursor, &portal.formats)?;
                        self.fetch(command, &formats).await?;
                    }
                    command => self.utility(command, parameters).await?,
                }
                if !matches!(command, Command::Fetch { .. } | Command::Copy(_)) {
                    // What ends a transaction ends its portals, this one among them.
                    return Ok(());
                }
            }
        }
        self.portals.insert(name, portal);
        Ok(())
    }

    /// The formats of a FETCH: those that were bound, unless the cursor is a binary one.
    fn fetch_formats(&self, cursor: &str, bound: &[i16]) -> Result<Vec<i16>, Fault> {
        let (schema, own) = self.columns_of(cursor)?;
        let formats = if bound.is_empty() { own } else { bound.to_vec() };
        rows::fits(&schema, &formats)?;
        Ok(formats)
    }

    /// Rows of a portal, as many as are wanted.
    async fn rows_of(&mut self, portal: &mut Portal, tag: &str, limit: Option<u64>) -> Result<(), Stop> {
        if let State::Ready(parameters) = &mut portal.state {
            let Some(prepared) = &portal.statement else { return Ok(()) };
            match self.ask(bound(&prepared.sql, parameters.take())).await? {
                Answer::Done(word) => {
                    let sql = Arc::clone(&prepared.sql);
                    portal.state = State::Done;
                    self.done(&sql, word);
                    return Ok(());
                }
                Answer::Rows { schema, rows, holds, .. } => {
                    rows::fits(&schema, &portal.formats)?;
                    let told = prepared.description.as_ref().map(|description| description.columns.as_deref());
                    // Whoever was told of other columns would read these rows wrongly.
                    if told.is_some_and(|told| told.is_none_or(|told| !rows::same_types(told, &schema))) {
                        let message = "execute: the columns are others than when the statement was described; prepare it again";
                        return Err(Stop::Failed(unsupported(message)));
                    }
                    portal.state = State::Running(Cursor::new(schema, rows, holds));
                }
            }
        }
        let mut count = 0;
        if let State::Running(cursor) = &mut portal.state {
            let sent = rows::send(cursor, limit, Form::Rows(&portal.formats), &mut self.watch, &mut self.writer).await?;
            if !sent.ended {
                put(&mut self.writer.buffer, &PortalSuspended::new());
                return Ok(());
            }
            count = sent.rows;
            // Kept for its columns, which may be asked for; there are no more rows.
        }
        self.complete(&tag_of(tag, count));
        Ok(())
    }

    pub(super) async fn close(&mut self, message: Close) -> Result<(), Stop> {
        let name = message.name.as_deref().unwrap_or_default();
        // To close what is not there is no error.
        if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            self.statements.remove(name);
        } else {
            self.portals.remove(name);
        }
        put(&mut self.writer.buffer, &CloseComplete::new());
        Ok(())
    }
}

/// The types of a statement's parameters: those that the client said, and those that were worked out.
fn types_of(prepared: &Prepared, description: &Description) -> Vec<PgType> {
    let given = |at: usize| prepared.given.get(at).copied().flatten();
    description.parameters.iter().enumerate().map(|(at, data_type)| given(at).unwrap_or_else(|| PgType::of(data_type))).collect()
}

fn shifted(fault: Fault, by: u32) -> Fault {
    let position = fault.position().map(|position| position.saturating_add(by));
    fault.at(position)
}

fn shift(stop: Stop, by: u32) -> Stop {
    if let Stop::Failed(fault) = stop { Stop::Failed(shifted(fault, by)) } else { stop }
}

fn no_statement(name: &str) -> Fault {
    Fault::new(ErrorKind::NotFound, format!("no statement is prepared as \"{name}\"; prepare it first")).with_sqlstate("26000")
}

fn no_portal(name: &str) -> Fault {
    Fault::new(ErrorKind::NotFound, format!("there is no portal \"{name}\"; bind a statement first")).with_sqlstate("34000")
}
