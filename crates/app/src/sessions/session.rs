//! A signed-in principal's way to data. Whether the session still holds is asked before each answer and each batch of one: what was revoked a
//! moment ago counts.

mod push;
mod rows;
mod shown;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use polder_engine::{Asker, Door, KnownColumn, KnownTable, QueryOptions, Routed, SeenTable, Setting, Who, route};
use polder_policy::identity::{Membership, Refusal, SignedIn};
use polder_serve::works::Works;
use polder_serve::{
    Answer, Column, Description, Dialect, Ended, Fault, Holds, NotPushed, Origin, Passkey, PasskeyMade, PasskeyWish, Pushing, Question,
    Session, Table, Ticket, Wire,
};
use polder_types::{ErrorKind, Event, EventKind, PrincipalId, SessionId};

use super::doors::Standing;
use super::tickets::{self, Kept};
use super::turns::Turn;
use super::{Hall, Limits};
use super::{fault, measures};
use crate::installation::Installation;
use crate::metrics::Measured;
use crate::reading;

use rows::{Given, made};

/// How often it is looked whether the time of a session, or of a grant, is over. That something was revoked is heard at once.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A session.
pub(super) struct Visit {
    holding: Arc<Holding>,
    /// What the next questions are for.
    purpose: Mutex<Option<String>>,
    /// Less time than questions may take.
    timeout: Mutex<Option<Duration>>,
    /// Whether it is recorded that it reads the numbers of this process.
    measured: AtomicBool,
    /// Where it was begun.
    origin: Origin,
}

/// Whether a session holds.
pub(super) struct Holding {
    hall: Arc<Hall>,
    id: SessionId,
    signed_in: SignedIn,
    /// The session token that it came from.
    ticket: Option<Arc<Kept>>,
    wire: Wire,
    began_ms: i64,
    /// When something was last asked, or answered.
    last_ms: AtomicI64,
    /// Questions that are being answered.
    running: AtomicUsize,
    /// Whether its end is recorded, or being so.
    closed: AtomicBool,
}

/// What a question came to.
enum Answered {
    /// Rows that the door computes.
    Rows { answer: Box<polder_engine::Answer>, doing: Doing },
    /// What is all there.
    Other(Answer),
}

/// Something that is being done in a session, which is not idle meanwhile.
pub(super) struct Doing {
    holding: Arc<Holding>,
    /// The groups by which it was decided what may be read. Those that came since make no difference.
    decided: Vec<String>,
    /// A place among the principal's questions.
    _turn: Turn,
}

impl Holding {
    fn touch(&self) {
        self.last_ms.store(self.hall.now_ms(), Ordering::Relaxed);
    }

    /// What the account is a member of, if the session holds.
    pub(super) fn membership(&self) -> Result<Membership, Ended> {
        let now_ms = self.hall.now_ms();
        if self.closed.load(Ordering::Relaxed) {
            return Err(Ended::Revoked);
        }
        let ticket = self.ticket.as_ref().map_or(Ok(()), |ticket| ticket.holds(now_ms));
        let membership = ticket.and_then(|()| self.hall.membership(&self.signed_in)).map_err(|refusal| match refusal {
            Refusal::Expired => Ended::Expired,
            _ => Ended::Revoked,
        })?;
        let Limits { idle, session, .. } = self.hall.limits;
        // A clock that went back makes no session longer: then its end cannot be told, and it is over.
        if since(self.began_ms, now_ms).is_none_or(|since| since >= session) {
            return Err(Ended::Expired);
        }
        let last_ms = self.last_ms.load(Ordering::Relaxed);
        if self.running.load(Ordering::Relaxed) == 0 && since(last_ms, now_ms).is_some_and(|since| since >= idle) {
            return Err(Ended::Idle);
        }
        Ok(membership)
    }

    /// The event of its end, the first time. `reason` is a fixed word, where it is not over by itself.
    pub(super) fn end(&self, reason: Option<&'static str>) -> Option<Event> {
        let reason = match self.membership() {
            Ok(_) => reason.unwrap_or("closed"),
            Err(Ended::Revoked) => "revoked",
            Err(Ended::Expired) => "expired",
            Err(Ended::Idle) => "idle",
        };
        if self.closed.swap(true, Ordering::SeqCst) {
            return None;
        }
        self.hall.open.lock().remove(&self.id);
        self.hall.metrics.session_ended(self.wire);
        Some(Event::new(self.signed_in.principal(), EventKind::SessionEnded { session: self.id, reason: reason.to_owned() }))
    }
}

fn since(then_ms: i64, now_ms: i64) -> Option<Duration> {
    u64::try_from(now_ms.checked_sub(then_ms)?).ok().map(Duration::from_millis)
}

impl Doing {
    fn new(holding: &Arc<Holding>, decided: Vec<String>) -> Result<Self, Fault> {
        let turn = holding.hall.turns.take(holding.signed_in.principal())?;
        Ok(Self::with(holding, turn, decided))
    }

    /// As the groups of now let whoever it is.
    pub(super) fn now(holding: &Arc<Holding>) -> Result<Self, Fault> {
        let membership = holding.membership().map_err(|_| Fault::not_signed_in())?;
        Self::new(holding, membership.groups)
    }

    fn with(holding: &Arc<Holding>, turn: Turn, decided: Vec<String>) -> Self {
        holding.running.fetch_add(1, Ordering::Relaxed);
        holding.touch();
        Self { holding: Arc::clone(holding), decided, _turn: turn }
    }

    /// # Errors
    /// When the session is over, or a group is gone by which the answer was decided.
    pub(super) fn may_go_on(&self) -> Result<(), Fault> {
        still_decided(&self.holding, &self.decided)
    }

    /// The same for whoever gives what was computed, when this is over.
    fn holds(&self) -> Holds {
        let (holding, decided) = (Arc::clone(&self.holding), self.decided.clone());
        Holds::new(move || still_decided(&holding, &decided))
    }
}

fn still_decided(holding: &Holding, decided: &[String]) -> Result<(), Fault> {
    let now = holding.membership().map_err(|_| Fault::not_signed_in())?;
    // Both are sorted.
    match decided.iter().all(|group| now.groups.binary_search(group).is_ok()) {
        true => Ok(()),
        false => Err(Fault::new(ErrorKind::Denied, "answer query: what you may read has changed; ask again")),
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        self.holding.touch();
        self.holding.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Visit {
    pub(super) fn new(hall: Arc<Hall>, id: SessionId, signed_in: SignedIn, ticket: Option<Arc<Kept>>, origin: Origin) -> Self {
        let now_ms = hall.now_ms();
        let holding = Holding {
            hall,
            id,
            began_ms: signed_in.since_ms(),
            signed_in,
            wire: origin.wire,
            ticket,
            last_ms: AtomicI64::new(now_ms),
            running: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        };
        let holding = Arc::new(holding);
        holding.hall.open.lock().insert(id, Arc::downgrade(&holding));
        Self { holding, purpose: Mutex::default(), timeout: Mutex::default(), measured: AtomicBool::new(false), origin }
    }

    pub(super) fn hall(&self) -> &Arc<Hall> {
        &self.holding.hall
    }

    pub(super) fn holding(&self) -> &Arc<Holding> {
        &self.holding
    }

    /// The installation with the files of now, acting for whoever this is, in the groups of now.
    pub(super) async fn acting(&self) -> Result<Installation, Fault> {
        let (standing, asker, _) = self.standing().await?;
        Ok(standing.acting(&self.hall().installation, &asker))
    }

    /// Whether it is recorded that it reads the numbers of this process.
    pub(super) fn is_measured(&self) -> bool {
        self.measured.load(Ordering::Relaxed)
    }

    /// From now on it is.
    pub(super) fn measures(&self) {
        self.measured.store(true, Ordering::Relaxed);
    }

    /// Who it is, while the session holds.
    fn own(&self) -> Result<&SignedIn, Fault> {
        self.holding.membership().map_err(|_| Fault::not_signed_in())?;
        Ok(&self.holding.signed_in)
    }

    /// Whoever asks, with the groups of now, and the door of now.
    async fn asking(&self) -> Result<(Door, Asker, Membership), Fault> {
        let (standing, asker, membership) = self.standing().await?;
        Ok((standing.door.clone(), asker, membership))
    }

    /// What is answered with now, and whoever asks, with the groups of now.
    pub(super) async fn standing(&self) -> Result<(Arc<Standing>, Asker, Membership), Fault> {
        let over = |_| Fault::not_signed_in();
        // Whose session is over learns nothing of the files.
        self.holding.membership().map_err(over)?;
        let standing = self.hall().doors.now().await?;
        *self.hall().approvers.lock() = Arc::clone(&standing.approvers);
        let membership = self.holding.membership().map_err(over)?;
        let mut groups = membership.groups.clone();
        let principal = self.holding.signed_in.principal();
        groups.extend(standing.groups_of(principal.as_str()));
        groups.sort();
        groups.dedup();
        let asker = Asker { principal: principal.clone(), groups };
        Ok((standing, asker, membership))
    }

    /// What a text is. This is the one place where the dialects part.
    async fn routed(&self, question: &Question) -> Result<Routed, Fault> {
        let routed = match question.dialect {
            Dialect::Plain => match Setting::parse(&question.sql) {
                Ok(Some(Setting::Purpose(purpose))) => Ok(Routed::Purpose(purpose)),
                Ok(None) => Ok(Routed::Data(question.sql.clone())),
                Err(error) => Err(fault::of_engine(&error, Some(&question.sql))),
            },
            Dialect::Postgres => route(&question.sql).map_err(|error| fault::of_catalog(&error)),
        };
        match routed {
            Ok(routed) => Ok(routed),
            Err(fault) => Err(self.refused(question, fault).await),
        }
    }

    /// Records what never came to the door, which records what it refuses itself.
    async fn refused(&self, question: &Question, fault: Fault) -> Fault {
        let kind = EventKind::Refused { action: "read".to_owned(), error: fault.kind().name().to_owned() };
        let event = Event::new(self.holding.signed_in.principal(), kind)
            .with("sql", question.sql.as_str())
            .with("message", fault.message())
            .with("session", self.holding.id.to_string());
        match self.hall().record(event).await {
            Ok(()) => fault,
            Err(unrecorded) => unrecorded,
        }
    }

    fn purpose(&self, question: &Question) -> Option<String> {
        question.purpose.clone().or_else(|| self.purpose.lock().clone())
    }

    fn options(&self, question: &Question, grants: Vec<String>) -> QueryOptions {
        let most = self.hall().limits.statement;
        QueryOptions {
            purpose: self.purpose(question),
            parameters: question.parameters.clone(),
            parameter_types: question.parameter_types.clone(),
            limit: Some(self.timeout.lock().map_or(most, |timeout| timeout.min(most))),
            session: Some(self.holding.id),
            grants,
            as_described: true,
            ..QueryOptions::default()
        }
    }

    /// What the catalog shows: the tables that may be known of.
    async fn known(&self, door: &Door, asker: &Asker, purpose: Option<String>) -> Result<(Vec<SeenTable>, Who), Fault> {
        let tables = door.tables(asker, purpose.as_deref()).await.map_err(|error| fault::of_engine(&error, None))?;
        let who = Who { name: self.holding.signed_in.name().to_owned(), groups: asker.groups.clone() };
        Ok((tables, who))
    }

    /// Answers a question; that it was asked is counted by who asks this.
    async fn answer(&self, question: Question) -> Result<Answered, Fault> {
        let (door, asker, Membership { groups, grants }) = self.asking().await?;
        let doing = Doing::new(&self.holding, groups)?;
        let routed = self.routed(&question).await?;
        if let Some(word) = self.set(&routed) {
            return Ok(Answered::Other(Answer::Done(word)));
        }
        match routed {
            Routed::Done(_) | Routed::Purpose(_) | Routed::Timeout(_) => {
                Err(Fault::new(ErrorKind::Internal, "set: nothing was kept; report this as a defect"))
            }
            Routed::Show(batch) => Ok(Answered::Other(made(None, batch.schema(), vec![batch]))),
            Routed::Catalog(catalog) => {
                let (tables, who) = self.known(&door, &asker, self.purpose(&question)).await?;
                let known: Vec<KnownTable> = tables.iter().map(known).collect();
                match catalog.answer(&known, &who, question.parameters.as_ref()).await {
                    Ok((schema, batches)) => {
                        let request = self.answered(&question, &tables, &batches).await?;
                        Ok(Answered::Other(made(Some(request), schema, batches)))
                    }
                    Err(error) => Err(self.refused(&question, fault::of_catalog(&error)).await),
                }
            }
            Routed::Data(sql) => {
                let answer = door.query(&asker, &sql, &self.options(&question, grants)).await;
                let answer = answer.map_err(|error| fault::of_engine(&error, unchanged(&sql, &question)))?;
                Ok(Answered::Rows { answer: Box::new(answer), doing })
            }
        }
    }

    /// Keeps a setting; nothing for what is no setting.
    fn set(&self, routed: &Routed) -> Option<&'static str> {
        match routed {
            Routed::Done(word) => return Some(*word),
            Routed::Purpose(purpose) => self.purpose.lock().clone_from(purpose),
            // 0 is no limit of the session's own, as in PostgreSQL.
            Routed::Timeout(ms) => *self.timeout.lock() = ms.filter(|ms| *ms > 0).map(Duration::from_millis),
            Routed::Show(_) | Routed::Catalog(_) | Routed::Data(_) => return None,
        }
        Some("SET")
    }
}

#[async_trait]
impl Session for Visit {
    fn id(&self) -> SessionId {
        self.holding.id
    }

    fn principal(&self) -> &PrincipalId {
        self.holding.signed_in.principal()
    }

    fn name(&self) -> &str {
        self.holding.signed_in.name()
    }

    async fn ended(&self) -> Ended {
        let mut changes = self.hall().identities.watch();
        loop {
            // Marked as seen before it is looked at, so that no change is missed between the two.
            changes.borrow_and_update();
            if let Err(ended) = self.holding.membership() {
                return ended;
            }
            if let Ok(Err(_)) = tokio::time::timeout(LOOK_EVERY, changes.changed()).await {
                // Nobody changes the register any more.
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    async fn describe(&self, question: &Question) -> Result<Description, Fault> {
        let (door, asker, Membership { groups, grants }) = self.asking().await?;
        let doing = Doing::new(&self.holding, groups)?;
        let described = match self.routed(question).await? {
            // What a setting would set is not set by describing it.
            Routed::Done(_) | Routed::Purpose(_) | Routed::Timeout(_) => Description { parameters: Vec::new(), columns: None },
            Routed::Show(batch) => Description { parameters: Vec::new(), columns: Some(batch.schema()) },
            Routed::Catalog(catalog) => {
                // Its columns are the same for everyone: what it describes names nothing of any table, so that only its answer is recorded.
                let (tables, who) = self.known(&door, &asker, self.purpose(question)).await?;
                let known: Vec<KnownTable> = tables.iter().map(known).collect();
                let described = catalog.describe(&known, &who, &question.parameter_types).await;
                let (parameters, columns) = described.map_err(|error| fault::of_catalog(&error))?;
                Description { parameters, columns: Some(columns) }
            }
            Routed::Data(sql) => {
                let options = QueryOptions { parameters: None, ..self.options(question, grants) };
                let described = door.describe(&asker, &sql, &options).await;
                let described = described.map_err(|error| fault::of_engine(&error, unchanged(&sql, question)))?;
                Description { parameters: described.parameters, columns: Some(described.schema) }
            }
        };
        drop(doing);
        Ok(described)
    }

    async fn ask(&self, question: Question) -> Result<Answer, Fault> {
        let mut measured = Measured::begin(&self.hall().metrics);
        let answered = self.answer(question).await;
        match answered {
            Ok(Answered::Rows { answer, doing }) => {
                let (request, schema) = (Some(answer.request()), answer.schema());
                let holds = doing.holds();
                Ok(Answer::Rows { request, schema, rows: Box::pin(Given::new(*answer, doing, measured)), holds })
            }
            Ok(Answered::Other(answer)) => {
                match answer {
                    Answer::Done(_) => measured.leave(),
                    Answer::Rows { .. } => measured.outcome("answered"),
                }
                Ok(answer)
            }
            Err(fault) => {
                measured.outcome(if fault.kind() == ErrorKind::Denied { "denied" } else { "failed" });
                Err(fault)
            }
        }
    }

    async fn metrics(&self) -> Result<String, Fault> {
        measures::read(self).await
    }

    async fn tables(&self) -> Result<Vec<Table>, Fault> {
        let (door, asker, membership) = self.asking().await?;
        let _doing = Doing::new(&self.holding, membership.groups)?;
        let purpose = self.purpose.lock().clone();
        let tables = door.tables(&asker, purpose.as_deref()).await.map_err(|error| fault::of_engine(&error, None))?;
        self.listed(purpose.as_deref(), &tables).await?;
        Ok(tables.into_iter().map(listed).collect())
    }

    async fn push(&self, source: &str, dataset: &str) -> Result<Box<dyn Pushing>, NotPushed> {
        push::begin(self, source, dataset).await
    }

    fn works(&self) -> Option<&dyn Works> {
        Some(self)
    }

    async fn ticket(&self) -> Result<Ticket, Fault> {
        self.holding.membership().map_err(|_| Fault::not_signed_in())?;
        if self.holding.ticket.is_some() {
            return Err(tickets::no_second());
        }
        self.hall().issue(&self.holding.signed_in, Some(self.holding.id), &self.origin, i64::MAX).await
    }

    async fn end_ticket(&self) -> Result<(), Fault> {
        self.holding.membership().map_err(|_| Fault::not_signed_in())?;
        let ticket = self.holding.ticket.as_ref().ok_or_else(tickets::none_here)?;
        self.hall().end_ticket(&self.holding.signed_in, ticket).await;
        Ok(())
    }

    async fn passkeys(&self) -> Result<Vec<Passkey>, Fault> {
        self.hall().passkeys(self.own()?)
    }

    async fn passkey_wish(&self) -> Result<PasskeyWish, Fault> {
        self.hall().passkey_wish(self.own()?, &self.origin)
    }

    async fn add_passkey(&self, made: PasskeyMade) -> Result<Passkey, Fault> {
        self.hall().add_passkey(self.own()?, made).await
    }

    async fn remove_passkey(&self, id: &str) -> Result<(), Fault> {
        self.hall().remove_passkey(self.own()?, id).await
    }

    async fn close(&self) {
        if let Some(event) = self.holding.end(None) {
            self.hall().ended(event).await;
        }
    }
}

impl Drop for Visit {
    /// Whoever goes away without a word leaves a record too.
    fn drop(&mut self) {
        let Some(event) = self.holding.end(None) else { return };
        let hall = Arc::clone(&self.holding.hall);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut endings = self.holding.hall.endings.lock();
        while endings.try_join_next().is_some() {}
        endings.spawn_on(async move { hall.ended(event).await }, &runtime);
    }
}

/// The question's text, where places in it are those of what was asked.
fn unchanged<'a>(sql: &str, question: &'a Question) -> Option<&'a str> {
    (sql == question.sql).then_some(question.sql.as_str())
}

fn known(table: &SeenTable) -> KnownTable {
    let comment = |classification: &Option<String>| classification.as_ref().map(|word| format!("classification: {word}"));
    let columns = table.columns.iter().map(|column| KnownColumn {
        name: column.name.clone(),
        data_type: column.data_type.clone(),
        nullable: column.nullable,
        comment: comment(&column.classification),
    });
    KnownTable {
        name: table.name.as_str().to_owned(),
        model: table.model,
        columns: columns.collect(),
        comment: comment(&table.classification),
    }
}

fn listed(table: SeenTable) -> Table {
    let columns = table.columns.into_iter().map(|column| Column {
        name: column.name,
        data_type: column.data_type,
        nullable: column.nullable,
        classification: column.classification,
        sight: reading::word(column.sight).to_owned(),
    });
    Table {
        name: table.name.as_str().to_owned(),
        model: table.model,
        classification: table.classification,
        columns: columns.collect(),
        filtered: table.filtered,
        version: table.version,
    }
}
