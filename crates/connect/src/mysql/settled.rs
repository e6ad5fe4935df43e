//! How far an increment may be taken for complete. A transaction that took its place in the cursor's column early and commits late brings
//! rows below what was read; so the greatest value is looked up first, and the rows are read when whoever wrote at that time has ended.
//!
//! Who may still be writing is told by InnoDB's list of open transactions, and by the list of statements that are being carried out: one
//! of them may have its time or its number already and not be in a transaction yet. Both need the privilege PROCESS. The list of
//! transactions is a copy that the server renews only when nobody looked at it for a tenth of a second: it is taken for new when this
//! session's own transaction, begun after the greatest value was looked up, stands in it.

use super::catalog::Found;
use super::connect::Connected;
use super::fault::Fault;
use super::literal;
use crate::database::{CursorKind, CursorValue, Settled, Window};
use crate::error::Error;

/// How long is waited between two looks, longer than the server keeps its copy, and how many looks there are: about five seconds, and
/// one where all that is left has been open for more than a minute.
const PAUSE: &str = "DO SLEEP(0.11)";
const LOOKS: usize = 45;
const LOOKS_AT_OLD: usize = 9;
/// How much earlier than its transaction a statement may have taken the time: it waits for locks of the table in between.
const MARGIN_SECONDS: u32 = 60;
/// No right to see it.
const DENIED: [u16; 3] = [1142, 1044, 1227];
/// Numbers of transactions that wrote are below this; those of others are made up, and change when they write.
const WRITERS_BELOW: u64 = 1 << 48;

/// What sessions are called that carry nothing out.
const IDLE: &str = "('Sleep', 'Daemon', 'Connect', 'Binlog Dump', 'Binlog Dump GTID')";
const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
const STEP: &str = "look for open transactions";
const NO_PROCESS: &str = "the account may not see other sessions' transactions; grant it PROCESS, or set a lag";
const NOT_INNODB: &str = "not every table behind it is of InnoDB, and writers of others are not seen; set a lag";
const REPLICA: &str = "the server is a replica or one of a cluster, and transactions that are open elsewhere are not seen; set a lag";
const STALE: &str = "the server's list of transactions is not renewed, since something else looks at it all the time; set a lag";

/// A transaction or a statement that may yet write.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Writer {
    Transaction {
        number: u64,
        session: String,
        began: String,
    },
    /// `mark` rises from one statement of a session to the next, give or take.
    Statement {
        session: String,
        mark: u64,
        give: u64,
    },
}

impl Writer {
    /// Whether this one, seen later, may be that one still.
    fn may_be(&self, earlier: &Self) -> bool {
        match (earlier, self) {
            (
                Self::Transaction { number, session, began },
                Self::Transaction { number: number_now, session: session_now, began: began_now },
            ) => {
                let wrote = (1..WRITERS_BELOW).contains(number);
                number == number_now || (!wrote && session == session_now && began == began_now)
            }
            (Self::Statement { session, mark, give }, Self::Statement { session: session_now, mark: mark_now, .. }) => {
                session == session_now && *mark_now <= mark.saturating_add(*give)
            }
            _ => false,
        }
    }
}

/// One that may yet write, and since when.
#[derive(Debug)]
struct Open {
    writer: Writer,
    /// In the form of cursors, with the margin taken off.
    began: String,
    /// Whether that was more than a minute ago.
    old: bool,
}

/// What is open at a moment.
#[derive(Debug, Default)]
struct Look {
    open: Vec<Open>,
    /// Whether this session's own transaction was among them.
    renewed: bool,
}

/// Looks up the greatest value, and waits until it is settled, for some seconds.
pub(super) fn settle(connected: &mut Connected, found: &Found, window: &Window, dataset: &str) -> Result<Settled, Error> {
    let told = connected.told("look up the greatest value of the cursor");
    let column = literal::name(&window.column);
    let described = connected.session.prepare(&format!("SELECT {column} FROM {}", found.from)).map_err(&told)?;
    connected.session.close(&described).map_err(&told)?;
    let Some(described) = described.columns.first() else { return Err(told(Fault::Damaged("a column is not described"))) };
    let wrong = |problem: String, advice: &str| Error::DatabaseColumn {
        dataset: dataset.to_owned(),
        column: window.column.clone(),
        problem,
        advice: advice.to_owned(),
    };
    let Some(kind) = described.cursor() else {
        let problem = format!("it is the cursor, and its type {} has no order that increments could go by", described.type_name());
        return Err(wrong(problem, "choose a column of whole numbers, decimals, days, moments or texts"));
    };
    let value = connected.session.value(&format!("SELECT MAX({column}) FROM {}", found.from)).map_err(&told)?;
    let greatest = match value.map(|text| cursor_value(kind, text)) {
        None => None,
        Some(Some(value)) => value,
        Some(None) => {
            return Err(wrong(
                "it is the cursor, and its greatest value is no day of the calendar".to_owned(),
                "correct the value at the source",
            ));
        }
    };
    if !found.transactional {
        return Ok(Settled::Unknown(NOT_INNODB));
    }
    let told = connected.told(STEP);
    connected.session.run(BEGIN).map_err(&told)?;
    let settled = wait(connected, kind, greatest);
    connected.session.run("COMMIT").map_err(&told)?;
    settled
}

fn wait(connected: &mut Connected, kind: CursorKind, greatest: Option<CursorValue>) -> Result<Settled, Error> {
    let told = connected.told(STEP);
    match is_alone(connected) {
        Ok(true) => {}
        Ok(false) => return Ok(Settled::Unknown(REPLICA)),
        Err(fault) if fault.is(&DENIED) => return Ok(Settled::Unknown(NO_PROCESS)),
        Err(fault) => return Err(told(fault)),
    }
    let mut waited: Option<Vec<Open>> = None;
    for round in 0..LOOKS {
        let now = match look(connected) {
            Ok(now) => now,
            Err(fault) if fault.is(&DENIED) => return Ok(Settled::Unknown(NO_PROCESS)),
            Err(fault) => return Err(told(fault)),
        };
        let left = match waited.take() {
            None if !now.renewed => None,
            None => Some(now.open),
            Some(mut left) => {
                left.retain(|earlier| now.open.iter().any(|later| later.writer.may_be(&earlier.writer)));
                Some(left)
            }
        };
        match &left {
            Some(left) if left.is_empty() => return Ok(Settled::Upto(greatest)),
            Some(left) if round >= LOOKS_AT_OLD && left.iter().all(|open| open.old) => return Ok(before(kind, left)),
            _ => {}
        }
        waited = left;
        connected.session.run(PAUSE).map_err(&told)?;
    }
    match waited {
        Some(left) => Ok(before(kind, &left)),
        // Without the privilege some servers show this session nothing, not even itself.
        None => Ok(Settled::Unknown(if may_see(connected).map_err(told)? { STALE } else { NO_PROCESS })),
    }
}

/// How far it is settled while these stay open. What the server's clock says is in the column only where it holds points in time.
fn before(kind: CursorKind, left: &[Open]) -> Settled {
    match left.iter().map(|open| &open.began).min() {
        Some(began) if kind == CursorKind::Instant && !began.is_empty() => Settled::Before(CursorValue { kind, text: began.clone() }),
        _ => Settled::Open,
    }
}

/// Whether all that is written here is written by sessions of this server.
fn is_alone(connected: &mut Connected) -> Result<bool, Fault> {
    let read_only = connected.session.value("SELECT @@GLOBAL.innodb_read_only")?;
    // Threads that apply what was written elsewhere go by this name; those that keep house are daemons.
    let appliers = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'system user' AND COMMAND <> 'Daemon'";
    Ok(read_only.as_deref() == Some("0") && connected.session.value(appliers)?.as_deref() == Some("0"))
}

/// Whether this session sees others.
fn may_see(connected: &mut Connected) -> Result<bool, Fault> {
    let rights = connected.session.rows("SHOW GRANTS")?;
    let gives = |right: &str| rights.iter().flatten().flatten().any(|grant| grant.contains(right) && grant.contains(" ON *.* "));
    Ok(gives("PROCESS") || gives("ALL PRIVILEGES"))
}

/// Looks at what is open.
fn look(connected: &mut Connected) -> Result<Look, Fault> {
    // Times there are of the system's clock on the wall. Of two moments that it showed alike, when it was set back, the earlier is taken.
    let began = "CONVERT_TZ(trx_started, 'SYSTEM', '+00:00')";
    let hour_before = format!("{began} - INTERVAL 1 HOUR");
    let began = format!("IF(CONVERT_TZ({hour_before}, '+00:00', 'SYSTEM') = trx_started, {hour_before}, {began})");
    let since = |moment: &str| {
        let margin = format!("INTERVAL {MARGIN_SECONDS} SECOND");
        format!("DATE_FORMAT({moment} - {margin}, '%Y-%m-%dT%H:%i:%sZ'), {moment} < UTC_TIMESTAMP() - {margin}")
    };
    let sql = format!(
        "SELECT CAST(trx_id AS CHAR), CAST(trx_mysql_thread_id AS CHAR), CAST(trx_started AS CHAR), CAST(trx_is_read_only AS CHAR), \
         trx_mysql_thread_id = CONNECTION_ID(), {} FROM information_schema.INNODB_TRX",
        since(&began)
    );
    let transactions = connected.session.rows(&sql)?;
    // MariaDB numbers statements; elsewhere the second in which one began tells it from the next.
    let (mark, give) = if connected.mariadb { ("QUERY_ID", 0) } else { ("UNIX_TIMESTAMP() - TIME", 1) };
    let sql = format!(
        "SELECT CAST(ID AS CHAR), CAST({mark} AS CHAR), {} FROM information_schema.PROCESSLIST \
         WHERE COMMAND NOT IN {IDLE} AND ID <> CONNECTION_ID()",
        since("(UTC_TIMESTAMP() - INTERVAL TIME SECOND)")
    );
    let statements = connected.session.rows(&sql)?;
    let mut look = Look::default();
    let mut listed: Vec<String> = Vec::new();
    let is = |text: &Option<String>| text.as_deref() == Some("1");
    let mut open = |writer, began: Option<String>, old: &Option<String>| {
        look.open.push(Open { writer, began: began.unwrap_or_default(), old: is(old) });
    };
    for row in transactions {
        let [number, session, started, read_only, own, began, old] = <[Option<String>; 7]>::try_from(row).unwrap_or_default();
        let session = session.unwrap_or_default();
        listed.push(session.clone());
        if is(&own) {
            look.renewed = true;
        } else if !is(&read_only) {
            let number = number.and_then(|number| number.parse().ok()).unwrap_or(0);
            open(Writer::Transaction { number, session, began: started.unwrap_or_default() }, began, &old);
        }
    }
    for row in statements {
        let [session, mark, began, old] = <[Option<String>; 4]>::try_from(row).unwrap_or_default();
        let session = session.unwrap_or_default();
        // One of a transaction that is listed ends with it, or only reads as it does.
        if !listed.contains(&session) {
            let mark = mark.and_then(|mark| mark.parse().ok()).unwrap_or(0);
            open(Writer::Statement { session, mark, give }, began, &old);
        }
    }
    Ok(look)
}

/// The greatest value as the server writes it, in the form of cursors: nothing of a zero date, which is below all days; none where it is
/// no value of its kind.
fn cursor_value(kind: CursorKind, text: String) -> Option<Option<CursorValue>> {
    let text = match kind {
        CursorKind::Date | CursorKind::Timestamp | CursorKind::Instant if text.starts_with("0000-00-00") => return Some(None),
        CursorKind::Timestamp => text.replacen(' ', "T", 1),
        CursorKind::Instant => format!("{}Z", text.replacen(' ', "T", 1)),
        _ => text,
    };
    let day = |text: &str| {
        let part = |range| text.get(range).and_then(|part: &str| part.parse().ok());
        match (part(0..4), part(5..7), part(8..10)) {
            (Some(year), Some(month), Some(day)) => {
                year > 0 && chrono::NaiveDate::from_ymd_opt(i32::try_from(year).unwrap_or(0), month, day).is_some()
            }
            _ => false,
        }
    };
    if matches!(kind, CursorKind::Date | CursorKind::Timestamp | CursorKind::Instant) && !day(&text) {
        return None;
    }
    let value = CursorValue { kind, text };
    literal::value(&value)?;
    Some(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(number: u64, session: &str, began: &str) -> Writer {
        Writer::Transaction { number, session: session.to_owned(), began: began.to_owned() }
    }

    #[test]
    fn a_transaction_is_known_again() {
        let made_up = WRITERS_BELOW + 77;
        let (early, late) = ("2026-01-31 10:00:00", "2026-01-31 10:00:01");
        // One that wrote keeps its number to its end.
        assert!(transaction(5, "9", early).may_be(&transaction(5, "9", early)));
        assert!(!transaction(6, "9", early).may_be(&transaction(5, "9", early)));
        // One that had not written gets another number when it writes.
        for first in [made_up, 0] {
            assert!(transaction(5, "9", early).may_be(&transaction(first, "9", early)));
            assert!(!transaction(5, "9", late).may_be(&transaction(first, "9", early)));
            assert!(!transaction(5, "8", early).may_be(&transaction(first, "9", early)));
        }
    }

    #[test]
    fn a_statement_is_known_again() {
        let statement = |mark, give| Writer::Statement { session: "9".to_owned(), mark, give };
        assert!(statement(100, 0).may_be(&statement(100, 0)));
        assert!(!statement(101, 0).may_be(&statement(100, 0)));
        // A clock that ticks between the two halves of a look.
        assert!(statement(101, 1).may_be(&statement(100, 1)));
        assert!(statement(99, 1).may_be(&statement(100, 1)));
        assert!(!statement(102, 1).may_be(&statement(100, 1)));
        assert!(!statement(100, 0).may_be(&transaction(100, "9", "x")));
    }

    #[test]
    fn greatest_values_take_the_form_of_cursors() {
        let of = |kind, text: &str| cursor_value(kind, text.to_owned()).map(|value| value.map(|value| value.text));
        let some = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(of(CursorKind::Integer, "18446744073709551615"), some("18446744073709551615"));
        assert_eq!(of(CursorKind::Decimal, "-1.50"), some("-1.50"));
        assert_eq!(of(CursorKind::Date, "2026-01-31"), some("2026-01-31"));
        assert_eq!(of(CursorKind::Timestamp, "2026-01-31 23:59:59.123"), some("2026-01-31T23:59:59.123"));
        assert_eq!(of(CursorKind::Instant, "2026-01-31 23:59:59"), some("2026-01-31T23:59:59Z"));
        assert_eq!(of(CursorKind::Text, "a b"), some("a b"));
        // Nothing but zero dates: there is no greatest value. One that is half a date has no place among days.
        assert_eq!(of(CursorKind::Date, "0000-00-00"), Some(None));
        assert_eq!(of(CursorKind::Instant, "0000-00-00 00:00:00"), Some(None));
        assert_eq!(of(CursorKind::Date, "2026-00-00"), None);
        assert_eq!(of(CursorKind::Timestamp, "2026-02-30 00:00:00"), None);
    }
}
