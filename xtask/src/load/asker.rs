//! Those who ask: each has an account and some connections, of which it uses one after the other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::TryStreamExt as _;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, SimpleQueryMessage, Statement};

use super::clinic::{Account, RANGE, Rows, Sight, VISITS, digest};
use super::tally::{Kind, Tally};
use crate::serving::client::{Session, Way};

/// A question whose end nobody waits for: 16 million rows for whoever sees a third of the visits.
const ENDLESS: &str = "select a.id as l, b.id as r from visits a cross join visits b";
const RANGES: &str = "select id, patient, clinic from visits where id between $1 and $2 order by id";
const REGIONS: &str =
    "select region, count(*) as visits, sum(clinic) as clinics, max(id) as last from visits group by region order by region";

/// Of a hundred questions so many of each kind.
const SHARES: [(Kind, u64); 9] = [
    (Kind::Point, 42),
    (Kind::Prepared, 24),
    (Kind::Aggregate, 10),
    (Kind::Join, 8),
    (Kind::Larger, 4),
    (Kind::Denied, 4),
    (Kind::Syntax, 3),
    (Kind::Column, 3),
    (Kind::Stopped, 2),
];

/// What all share.
pub struct Ground {
    pub way: Way,
    /// Signing in computes for some hundredths of a second: too many at once would take longer than they may.
    pub arrivals: Semaphore,
    /// Answers that are the same each time, by what is seen and asked.
    always: HashMap<(Sight, Kind), u64>,
}

impl Ground {
    pub fn new(way: Way) -> Self {
        let sights = [Sight::North, Sight::South, Sight::All];
        let always = sights
            .into_iter()
            .flat_map(|sight| [((sight, Kind::Larger), digest(&sight.all())), ((sight, Kind::Aggregate), digest(&sight.regions()))]);
        Self { way, arrivals: Semaphore::new(8), always: always.collect() }
    }
}

/// Someone who asks.
pub struct Asker {
    ground: Arc<Ground>,
    account: &'static Account,
    open: Vec<Open>,
    random: Random,
    pub tally: Tally,
}

/// A connection.
struct Open {
    session: Session,
    /// The prepared statement, once it was needed.
    ranges: Option<Statement>,
}

impl Asker {
    pub fn new(ground: Arc<Ground>, account: &'static Account, seed: u64) -> Self {
        Self { ground, account, open: Vec::new(), random: Random::new(seed), tally: Tally::default() }
    }

    /// Opens so many connections.
    pub async fn sign_in(&mut self, connections: usize) -> Result<()> {
        let ground = Arc::clone(&self.ground);
        for _ in 0..connections {
            let _turn = ground.arrivals.acquire().await.context("wait to sign in")?;
            let Account { name, password, .. } = self.account;
            let began = Instant::now();
            match ground.way.sign_in("polder", name, password).await {
                Ok(session) => {
                    self.tally.right(Kind::SignIn, began.elapsed());
                    self.open.push(Open { session, ranges: None });
                }
                Err(error) => self.failed(Kind::SignIn, &error),
            }
        }
        Ok(())
    }

    pub fn connections(&self) -> usize {
        self.open.len()
    }

    /// Asks without a pause until the time is over, each time on the next connection.
    pub async fn ask_until(&mut self, end: Instant) {
        let mut at = 0;
        while Instant::now() < end && !self.open.is_empty() {
            let kind = self.random.kind();
            self.ask(at % self.open.len(), kind).await;
            at += 1;
        }
    }

    /// Comes, asks once and goes, again and again.
    pub async fn come_and_go_until(&mut self, end: Instant, pause: Duration) -> Result<()> {
        let mut ticks = tokio::time::interval(pause);
        while Instant::now() < end {
            ticks.tick().await;
            self.sign_in(1).await?;
            self.sign_out().await?;
        }
        Ok(())
    }

    /// Asks once on each connection, however long it was silent, and leaves it.
    pub async fn sign_out(&mut self) -> Result<()> {
        for at in 0..self.open.len() {
            self.ask(at, Kind::Point).await;
        }
        for Open { session, ranges } in std::mem::take(&mut self.open) {
            drop(ranges);
            session.sign_out().await?;
            self.tally.left();
        }
        Ok(())
    }

    async fn ask(&mut self, at: usize, kind: Kind) {
        let (sight, columns) = (self.account.sight, self.account.sight.columns());
        let number = 1 + self.random.below(VISITS);
        match kind {
            Kind::Point => {
                self.rows(at, kind, &format!("select {columns} from visits where id = {number}"), digest(&sight.point(number))).await
            }
            Kind::Larger => self.rows(at, kind, &format!("select {columns} from visits order by id"), self.always(kind)).await,
            Kind::Aggregate => self.rows(at, kind, REGIONS, self.always(kind)).await,
            Kind::Join => {
                let sql = format!(
                    "select c.name, count(*) as visits from visits v join clinics c on v.clinic = c.id where v.id <= {number} group by c.name order by c.name"
                );
                self.rows(at, kind, &sql, digest(&sight.clinics(number))).await;
            }
            Kind::Denied => self.rows(at, kind, "select id, salary from payroll", 0).await,
            Kind::Syntax => self.rows(at, kind, "select count(* from visits", 0).await,
            Kind::Column => self.rows(at, kind, "select shoe_size from visits", 0).await,
            Kind::Prepare | Kind::Prepared => self.range(at, number).await,
            Kind::Stopped => self.stopped(at).await,
            Kind::SignIn => {}
        }
    }

    fn always(&self, kind: Kind) -> u64 {
        self.ground.always.get(&(self.account.sight, kind)).copied().unwrap_or_default()
    }

    /// Asks in SQL alone.
    async fn rows(&mut self, at: usize, kind: Kind, sql: &str, right: u64) {
        let Some(open) = self.open.get(at) else { return };
        let began = Instant::now();
        let answer = simple(&open.session.client, sql).await;
        self.answered(kind, began, answer, right, sql);
    }

    /// Asks by a prepared statement.
    async fn range(&mut self, at: usize, from: u64) {
        let Some(open) = self.open.get_mut(at) else { return };
        let client = &open.session.client;
        let statement = match &open.ranges {
            Some(statement) => statement.clone(),
            None => {
                let began = Instant::now();
                match client.prepare_typed(RANGES, &[Type::INT8, Type::INT8]).await {
                    Ok(statement) => {
                        self.tally.right(Kind::Prepare, began.elapsed());
                        open.ranges.insert(statement).clone()
                    }
                    Err(error) => return self.failed(Kind::Prepare, &error),
                }
            }
        };
        let bounds = [from, from + RANGE].map(|bound| i64::try_from(bound).unwrap_or(i64::MAX));
        let began = Instant::now();
        let answer = typed(client, &statement, bounds).await;
        self.answered(Kind::Prepared, began, answer, digest(&self.account.sight.range(from)), RANGES);
    }

    fn answered(&mut self, kind: Kind, began: Instant, answer: Result<Rows, Error>, right: u64, sql: &str) {
        let took = began.elapsed();
        match answer {
            Ok(rows) if kind.state().is_none() && digest(&rows) == right => self.tally.right(kind, took),
            Ok(rows) => {
                let name = self.account.name;
                self.tally
                    .wrong(|| format!("{name} was given {} rows that are not right for `{sql}`, first {:?}", rows.len(), rows.first()));
            }
            Err(error) if kind.state().is_some() && state(&error) == kind.state() => self.tally.right(kind, took),
            Err(error) => self.failed(kind, &error),
        }
    }

    fn failed(&mut self, kind: Kind, error: &Error) {
        let name = self.account.name;
        self.tally.failed(state(error), || format!("{kind:?} of {name}: {}", told(error)));
    }

    /// Asks what has no end, and has it stopped once its first row is there: then it is certain that it was begun.
    async fn stopped(&mut self, at: usize) {
        let Some(open) = self.open.get(at) else { return };
        match stop_after_a_row(&self.ground.way, &open.session).await {
            Ok((took, Some(error))) if state(&error) == Kind::Stopped.state() => self.tally.right(Kind::Stopped, took),
            Ok((_, None)) => self.tally.wrong(|| "a question that has millions of rows ended before it was stopped".to_owned()),
            Ok((_, Some(error))) | Err(error) => self.failed(Kind::Stopped, &error),
        }
    }
}

fn state(error: &Error) -> Option<&str> {
    error.code().map(|state| state.code())
}

fn told(error: &Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

async fn simple(client: &Client, sql: &str) -> Result<Rows, Error> {
    let mut rows = Vec::new();
    for message in client.simple_query(sql).await? {
        if let SimpleQueryMessage::Row(row) = message {
            let cells = (0..row.len()).map(|at| Ok(row.try_get(at)?.unwrap_or("<null>").to_owned()));
            rows.push(cells.collect::<Result<_, Error>>()?);
        }
    }
    Ok(rows)
}

async fn typed(client: &Client, statement: &Statement, [from, to]: [i64; 2]) -> Result<Rows, Error> {
    let rows = client.query(statement, &[&from, &to]).await?;
    let cells = rows.iter().map(|row| {
        let (id, patient, clinic): (i64, String, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok(vec![id.to_string(), patient, clinic.to_string()])
    });
    cells.collect()
}

/// The time from the wish to stop to the end, and the error with which it ended.
async fn stop_after_a_row(way: &Way, session: &Session) -> Result<(Duration, Option<Error>), Error> {
    let mut coming = std::pin::pin!(session.client.simple_query_raw(ENDLESS).await?);
    loop {
        match coming.try_next().await? {
            Some(SimpleQueryMessage::Row(_)) => break,
            Some(_) => {}
            None => return Ok((Duration::ZERO, None)),
        }
    }
    let began = Instant::now();
    way.stop(session).await?;
    loop {
        match coming.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => return Ok((began.elapsed(), None)),
            Err(error) => return Ok((began.elapsed(), Some(error))),
        }
    }
}

/// Numbers in no order, the same in each run.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // A state of zero stays zero.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below another.
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The low bits of such a state are the least random.
        (self.0 >> 16) % most.max(1)
    }

    fn kind(&mut self) -> Kind {
        let mut left = self.below(SHARES.iter().map(|(_, share)| share).sum());
        for (kind, share) in SHARES {
            match left.checked_sub(share) {
                Some(rest) => left = rest,
                None => return kind,
            }
        }
        Kind::Point
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_asked_by_its_share() {
        let mut random = Random::new(7);
        let kinds: Vec<Kind> = (0..10_000).map(|_| random.kind()).collect();
        for (kind, share) in SHARES {
            let found = kinds.iter().filter(|other| **other == kind).count() as u64;
            assert!(found.abs_diff(share * 100) < 20 + share * 20, "{kind:?}: {found}");
        }
        let mut other = Random::new(8);
        assert_ne!((0..20).map(|_| random.below(VISITS)).collect::<Vec<_>>(), (0..20).map(|_| other.below(VISITS)).collect::<Vec<_>>());
    }
}
