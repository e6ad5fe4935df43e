//! How far an increment may be taken for complete. A transaction that is open may have taken its values long ago (from a sequence, or as
//! the time at which it began) and bring its rows later, below what was read by then: an increment that goes past it never comes back for
//! them.
//!
//! So the greatest value is looked up first, then every transaction that is open is waited for, and only then the rows are read. Whatever
//! begins later takes greater values. The transactions are those that hold their own virtual number, which each does from its first
//! statement to its end. That the oldest transaction number in use (xmin) has moved on would not be enough: a transaction that has taken
//! a value from a sequence and has written nothing yet has no such number, and no snapshot shows it.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use polder_types::ErrorKind;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::catalog::Found;
use super::connect::Session;
use super::cursor::CursorColumn;
use super::fault::fault;
use super::read::{begin, commit};
use crate::database::{Access, CursorKind, CursorValue, Settled};
use crate::error::Error;

const STEP: &str = "look up open transactions";
/// How often open transactions are looked at, and how long they are waited for in all: five seconds, and one where all that is left has
/// been open for more than a minute.
const EVERY: Duration = Duration::from_millis(50);
const TRIES: u32 = 100;
const TRIES_LONG: u32 = 20;

/// Transactions of this database that may bring rows, each by its virtual number: those that have ended are not among them. Cleaning
/// up, and sending what was written to other servers, bring none. What this account may not see of a transaction counts against it.
const OPEN: &str = "\
    SELECT l.virtualtransaction FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
    WHERE l.locktype = 'virtualxid' AND l.virtualxid = l.virtualtransaction AND l.mode = 'ExclusiveLock' AND l.granted \
    AND l.pid <> pg_catalog.pg_backend_pid() \
    AND (a.datid IS NULL OR a.datname = pg_catalog.current_database()) \
    AND coalesce(a.backend_type, '') NOT IN ('autovacuum worker', 'walsender') \
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum v WHERE v.pid = l.pid)";
/// Of some transactions those that are open still: when they began, and whether that is long ago, where this account may see it.
const STILL: &str = "\
    SELECT a.xact_start, a.xact_start < pg_catalog.now() - interval '1 minute' FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
    WHERE l.locktype = 'virtualxid' AND l.virtualxid = l.virtualtransaction AND l.mode = 'ExclusiveLock' AND l.granted \
    AND l.virtualtransaction = ANY ($1)";
/// Prepared transactions hold no virtual number, and when they began is not told.
const PREPARED: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database())";

/// Tells how far an increment by this column goes, once what may still come below has come, or has been waited for in vain. `kinds` are
/// those of all relations that lie under what is read.
pub(super) async fn settle(
    access: &Access,
    session: &Session,
    found: &Found,
    kinds: &BTreeSet<String>,
    column: &CursorColumn,
) -> Result<Settled, Error> {
    if kinds.contains("f") {
        return Ok(Settled::Unknown("rows of a foreign table are written by transactions of another server"));
    }
    if kinds.contains("m") {
        return Ok(Settled::Unknown("a materialised view shows rows when it is refreshed, not when they are written"));
    }
    if one::<bool>(access, session, "SELECT pg_catalog.pg_is_in_recovery()").await? {
        // A standby knows a transaction from its first change on, which may come long after it took its values.
        return Ok(Settled::Unknown("a standby does not see which transactions are open on its primary; read from the primary"));
    }
    begin(access, session).await?;
    let greatest = greatest(access, session, found, column).await?;
    if matches!(column.kind, CursorKind::Date | CursorKind::Timestamp | CursorKind::Instant) {
        // A statement's time is that of its arrival, which is a moment before its transaction holds its number.
        tokio::time::sleep(EVERY).await;
    }
    let rows = session.client.query_typed(OPEN, &[]).await;
    let open = match rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()) {
        Ok(open) => open,
        Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE) => {
            session.client.batch_execute("ROLLBACK").await.map_err(|error| fault(access, STEP, &error))?;
            return Ok(Settled::Unknown("this account may not see which transactions are open (pg_locks)"));
        }
        Err(error) => return Err(fault(access, STEP, &error)),
    };
    commit(access, session, STEP).await?;
    let mut left = Left::default();
    for tried in 0..TRIES {
        left = self::left(access, session, &open).await?;
        if left.began.is_empty() && !left.prepared {
            return Ok(Settled::Upto(greatest));
        }
        if left.long && !left.prepared && tried >= TRIES_LONG {
            break;
        }
        tokio::time::sleep(EVERY).await;
    }
    Ok(match left.prepared {
        true => Settled::Open,
        false => began(&left.began, column.kind).map_or(Settled::Open, Settled::Before),
    })
}

/// A moment, in microseconds since the beginning of 1970; none where this account may not see it.
type Began = Option<i64>;

/// What is open still.
#[derive(Debug, Default)]
struct Left {
    began: Vec<Began>,
    /// Whether each of them is known to have begun long ago.
    long: bool,
    /// Whether there are prepared transactions, whenever they began.
    prepared: bool,
}

async fn left(access: &Access, session: &Session, open: &[String]) -> Result<Left, Error> {
    let mut left = Left { began: Vec::with_capacity(open.len()), long: true, prepared: false };
    if !open.is_empty() {
        let rows = session.client.query_typed(STILL, &[(&open, Type::TEXT_ARRAY)]).await;
        let read = |row: &Row| Ok((row.try_get::<_, Option<SystemTime>>(0)?, row.try_get::<_, Option<bool>>(1)?));
        let rows = rows.and_then(|rows| rows.iter().map(read).collect::<Result<Vec<_>, _>>());
        for (began, long) in rows.map_err(|error| fault(access, STEP, &error))? {
            left.began.push(began.and_then(micros));
            left.long &= long == Some(true);
        }
    }
    // In this order: what is prepared between the two shows here.
    left.prepared = one::<bool>(access, session, PREPARED).await?;
    Ok(left)
}

fn micros(time: SystemTime) -> Option<i64> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok()
}

/// The oldest of some moments, as a value below which nothing can come; none where one of them is not known, or the column holds no
/// moments.
fn began(still: &[Began], kind: CursorKind) -> Option<CursorValue> {
    let oldest = still.iter().copied().collect::<Option<Vec<i64>>>()?.into_iter().min()?;
    // What a wall clock shows depends on where it hangs: nowhere does it show less than twelve hours before UTC.
    let behind = if kind == CursorKind::Instant { 0 } else { 12 * 3_600_000_000 };
    let moment = chrono::DateTime::from_timestamp_micros(oldest.checked_sub(behind)?)?;
    let text = match kind {
        CursorKind::Instant => moment.format("%Y-%m-%dT%H:%M:%S%.6fZ"),
        CursorKind::Timestamp => moment.format("%Y-%m-%dT%H:%M:%S%.6f"),
        CursorKind::Date => moment.format("%Y-%m-%d"),
        CursorKind::Integer | CursorKind::Decimal | CursorKind::Text => return None,
    };
    Some(CursorValue { kind, text: text.to_string() })
}

/// The greatest value that is there; none where there is none.
async fn greatest(access: &Access, session: &Session, found: &Found, column: &CursorColumn) -> Result<Option<CursorValue>, Error> {
    let counts = column.counts.as_ref().map(|counts| format!(" AND {counts}")).unwrap_or_default();
    let sql = format!(
        "SELECT {} FROM {} WHERE {} IS NOT NULL{counts} ORDER BY {} DESC LIMIT 1",
        column.text, found.from, column.value, column.value
    );
    let row = session.client.query_typed_opt(&sql, &[]).await;
    let text: Option<String> = row
        .and_then(|row| row.map_or(Ok(None), |row| row.try_get(0)))
        .map_err(|error| fault(access, "look up the cursor's greatest value", &error))?;
    Ok(text.map(|text| CursorValue { kind: column.kind, text }))
}

async fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(access: &Access, session: &Session, sql: &str) -> Result<T, Error> {
    let row = session.client.query_typed_opt(sql, &[]).await.and_then(|row| row.map(|row| row.try_get(0)).transpose());
    row.map_err(|error| fault(access, STEP, &error))?
        .ok_or_else(|| access.fails(STEP, "the server does not answer what was asked", "run again", ErrorKind::Unavailable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_open_transaction_bounds_what_may_come() {
        let at = |moment: &str| Some(chrono::DateTime::parse_from_rfc3339(moment).unwrap().timestamp_micros());
        let still = [at("2026-03-01T09:30:00.5Z"), at("2026-03-01T06:00:00.000001Z"), at("2026-03-01T10:00:00Z")];
        let text = |kind| began(&still, kind).map(|value| (value.kind, value.text));
        let told = |kind, text: &str| Some((kind, text.to_owned()));
        assert_eq!(text(CursorKind::Instant), told(CursorKind::Instant, "2026-03-01T06:00:00.000001Z"));
        assert_eq!(text(CursorKind::Timestamp), told(CursorKind::Timestamp, "2026-02-28T18:00:00.000001"));
        assert_eq!(text(CursorKind::Date), told(CursorKind::Date, "2026-02-28"));
        for kind in [CursorKind::Integer, CursorKind::Decimal, CursorKind::Text] {
            assert_eq!(text(kind), None);
        }
        // One that this account may not see may have begun at any time.
        assert_eq!(began(&[still[0], None], CursorKind::Instant), None);
        assert_eq!(began(&[], CursorKind::Instant), None);
    }
}
