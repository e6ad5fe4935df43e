//! What was asked, what came of it and how long it took; what the log must hold of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::bench::percentile;

/// Kinds of questions, and of what else is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Point,
    Aggregate,
    Join,
    Larger,
    /// A statement is prepared: planned, and recorded as a read of no row.
    Prepare,
    /// It is executed with parameters.
    Prepared,
    /// A question without an end is stopped after its first row.
    Stopped,
    /// SQL that is none.
    Syntax,
    /// A column that is not there.
    Column,
    /// A table that the account may not know of.
    Denied,
    SignIn,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Point => "point query",
            Self::Aggregate => "aggregate",
            Self::Join => "join",
            Self::Larger => "larger result",
            Self::Prepare => "prepare",
            Self::Prepared => "prepared, with parameters",
            Self::Stopped => "stopped after a row",
            Self::Syntax => "wrong SQL",
            Self::Column => "no such column",
            Self::Denied => "denied table",
            Self::SignIn => "sign-in",
        }
    }

    /// The SQLSTATE that is right; none where rows are.
    pub fn state(self) -> Option<&'static str> {
        match self {
            Self::Stopped => Some("57014"),
            Self::Syntax => Some("42601"),
            Self::Column => Some("42703"),
            Self::Denied => Some("42P01"),
            _ => None,
        }
    }
}

/// Limits that are stated: whoever passes them is told so, and nothing was asked then.
pub const LIMITS: [&str; 2] = ["53300", "53400"];

/// What the log holds of accounts, or must.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Logged {
    /// Reads that were permitted.
    pub permitted: u64,
    /// Of these, those that ended with all of their rows.
    pub whole: u64,
    /// Of these, those that ended before.
    pub broken_off: u64,
    /// Reads that were denied.
    pub denied: u64,
    /// Questions that were refused, the denied ones among them.
    pub refused: u64,
    pub signed_in: u64,
    pub signed_out: u64,
}

/// What one asker saw, or all of them.
#[derive(Debug, Default)]
pub struct Tally {
    /// Of what came out right, how long each took.
    took: BTreeMap<Kind, Vec<Duration>>,
    states: BTreeMap<String, u64>,
    must: Logged,
    /// What came out wrong; the first of it in words.
    wrong: u64,
    first_wrong: Option<String>,
}

impl Tally {
    /// Something came out right.
    pub fn right(&mut self, kind: Kind, took: Duration) {
        self.took.entry(kind).or_default().push(took);
        if let Some(state) = kind.state() {
            *self.states.entry(state.to_owned()).or_default() += 1;
        }
        let must = &mut self.must;
        match kind {
            Kind::SignIn => must.signed_in += 1,
            Kind::Stopped | Kind::Column => (must.permitted, must.broken_off) = (must.permitted + 1, must.broken_off + 1),
            Kind::Syntax => must.refused += 1,
            Kind::Denied => (must.denied, must.refused) = (must.denied + 1, must.refused + 1),
            _ => (must.permitted, must.whole) = (must.permitted + 1, must.whole + 1),
        }
    }

    /// Someone signed out.
    pub fn left(&mut self) {
        self.must.signed_out += 1;
    }

    /// An error that is not the one that is right: a stated limit, or wrong.
    pub fn failed(&mut self, state: Option<&str>, told: impl FnOnce() -> String) {
        let state = state.unwrap_or("none");
        *self.states.entry(state.to_owned()).or_default() += 1;
        if !LIMITS.contains(&state) {
            self.wrong(|| format!("SQLSTATE {state}: {}", told()));
        }
    }

    /// Something came out wrong.
    pub fn wrong(&mut self, told: impl FnOnce() -> String) {
        self.wrong += 1;
        self.first_wrong.get_or_insert_with(told);
    }

    /// What the log must hold.
    pub fn must(&self) -> Logged {
        self.must
    }

    /// How often a kind came out right.
    pub fn count(&self, kind: Kind) -> usize {
        self.took.get(&kind).map_or(0, Vec::len)
    }

    pub fn add(&mut self, other: Self) {
        for (kind, took) in other.took {
            self.took.entry(kind).or_default().extend(took);
        }
        for (state, count) in other.states {
            *self.states.entry(state).or_default() += count;
        }
        let (must, more) = (&mut self.must, other.must);
        must.permitted += more.permitted;
        must.whole += more.whole;
        must.broken_off += more.broken_off;
        must.denied += more.denied;
        must.refused += more.refused;
        must.signed_in += more.signed_in;
        must.signed_out += more.signed_out;
        self.wrong += other.wrong;
        self.first_wrong = self.first_wrong.take().or(other.first_wrong);
    }

    /// Throughput over all of the time, and how long each kind took.
    pub fn text(&self, time: Duration) -> Result<String> {
        let seconds = time.as_secs_f64().max(0.001);
        let asked: usize = self.took.iter().filter(|(kind, _)| **kind != Kind::SignIn).map(|(_, took)| took.len()).sum();
        let mut text = format!("{asked} questions in {seconds:.0} s with all sign-ins, {:.1} a second\n\n", count(asked) / seconds);
        text.push_str(
            "| kind | number | a second | p50 ms | p90 ms | p99 ms | most ms |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for (kind, took) in &self.took {
            let ms = |share| percentile(took, share).map_or(0.0, |took| took.as_secs_f64() * 1e3);
            let [p50, p90, p99, most] = [ms(0.5), ms(0.9), ms(0.99), ms(1.0)];
            let (name, number) = (kind.name(), took.len());
            writeln!(text, "| {name} | {number} | {:.1} | {p50:.1} | {p90:.1} | {p99:.1} | {most:.1} |", count(number) / seconds)?;
        }
        let states: Vec<String> = self.states.iter().map(|(state, count)| format!("{state} {count}")).collect();
        write!(text, "\nSQLSTATEs: {}; wrong: {}", states.join(", "), self.wrong)?;
        Ok(text)
    }

    /// That all came out right, and each kind did at least once: what was never asked proves nothing.
    pub fn judge(&self) -> Result<()> {
        if let Some(first) = &self.first_wrong {
            bail!("{} answers were wrong; the first: {first}", self.wrong);
        }
        for kind in ALL {
            if self.count(kind) == 0 {
                bail!("no {} came out right in all the time; give it more seconds", kind.name());
            }
        }
        Ok(())
    }
}

const ALL: [Kind; 11] = [
    Kind::Point,
    Kind::Aggregate,
    Kind::Join,
    Kind::Larger,
    Kind::Prepare,
    Kind::Prepared,
    Kind::Stopped,
    Kind::Syntax,
    Kind::Column,
    Kind::Denied,
    Kind::SignIn,
];

#[allow(clippy::cast_precision_loss, reason = "a rate is shown with one digit")]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn each_kind_must_leave_its_records() {
        let mut tally = Tally::default();
        for kind in ALL {
            tally.right(kind, MS);
        }
        tally.left();
        let must = Logged { permitted: 8, whole: 6, broken_off: 2, denied: 1, refused: 2, signed_in: 1, signed_out: 1 };
        assert_eq!(tally.must(), must);
        assert!(tally.judge().is_ok());
        let mut both = Tally::default();
        both.add(tally);
        assert_eq!((both.must(), both.count(Kind::Point)), (must, 1));
    }

    #[test]
    fn a_limit_is_no_fault_and_any_other_error_is() {
        let all_right = || {
            let mut tally = Tally::default();
            ALL.into_iter().for_each(|kind| tally.right(kind, MS));
            tally
        };
        let mut limited = all_right();
        limited.failed(Some("53400"), || "too many".to_owned());
        assert!(limited.judge().is_ok() && limited.must() == all_right().must());
        for state in [Some("57014"), Some("XX000"), Some("53200"), None] {
            let mut failed = all_right();
            failed.failed(state, || "as it was told".to_owned());
            assert!(failed.judge().unwrap_err().to_string().contains("as it was told"));
        }
        let mut wrong = all_right();
        wrong.wrong(|| "other rows".to_owned());
        assert_eq!(wrong.judge().unwrap_err().to_string(), "1 answers were wrong; the first: other rows");
    }

    #[test]
    fn what_was_never_asked_proves_nothing() {
        let mut tally = Tally::default();
        ALL.into_iter().filter(|kind| *kind != Kind::Stopped).for_each(|kind| tally.right(kind, MS));
        assert_eq!(tally.judge().unwrap_err().to_string(), "no stopped after a row came out right in all the time; give it more seconds");
    }
}
