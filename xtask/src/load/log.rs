//! What the audit log holds of those who asked.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::clinic::ACCOUNTS;
use super::tally::Logged;
use crate::serving::Installation;

/// An entry, as `polder audit show` tells it.
#[derive(Deserialize)]
struct Entry {
    event: String,
    actor: Value,
    details: Details,
}

/// What is looked at of it. Other events may have the same words for other things.
#[derive(Deserialize)]
struct Details {
    request: Option<Value>,
    allowed: Option<Value>,
    complete: Option<Value>,
}

/// That the log verifies, and holds what was asked: each question, decision and outcome, none of them twice.
pub fn judge(installation: &Installation, must: Logged) -> Result<()> {
    installation.run(&["audit", "verify"]).context("verify the log after the load")?;
    let shown = installation.run_into(&["audit", "show", "--limit", "1000000000", "--output", "json"], "log.json")?;
    let file = File::open(&shown).with_context(|| format!("read {}", shown.display()))?;
    let entries: Vec<Entry> = serde_json::from_reader(BufReader::new(file)).context("read what `polder audit show` prints")?;
    compare(&entries, must)
}

fn compare(entries: &[Entry], must: Logged) -> Result<()> {
    let actors: HashSet<String> = ACCOUNTS.iter().map(|account| format!("user:{}", account.name)).collect();
    let mut found = Logged::default();
    let (mut decided, mut ended) = (HashSet::new(), HashSet::new());
    for Entry { event, actor, details } in entries {
        if actor.as_str().is_none_or(|actor| !actors.contains(actor)) {
            continue;
        }
        let is = |value: &Option<Value>| value.as_ref().and_then(Value::as_bool).unwrap_or(false);
        let request = details.request.as_ref().and_then(Value::as_str);
        match event.as_str() {
            "read_decided" if is(&details.allowed) => {
                found.permitted += 1;
                decided.extend(request);
            }
            "read_decided" => found.denied += 1,
            "read_finished" => {
                *(if is(&details.complete) { &mut found.whole } else { &mut found.broken_off }) += 1;
                ended.extend(request);
            }
            "refused" => found.refused += 1,
            "signed_in" => found.signed_in += 1,
            "session_ended" => found.signed_out += 1,
            other => bail!("the log holds what nobody did: {other} by {actor}"),
        }
    }
    if found != must {
        bail!("the log does not hold what was asked\n  asked {must:?}\n  found {found:?}");
    }
    // As many outcomes as decisions may still be two of one and none of another.
    let count = u64::try_from(decided.len()).unwrap_or(u64::MAX);
    if decided != ended || count != found.permitted {
        bail!("of {} reads that were permitted {count} have an id of their own, and {} an outcome", found.permitted, ended.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<Entry> {
        serde_json::from_str(text).unwrap()
    }

    const LOG: &str = r#"[
        {"index": 1, "event": "signed_in", "actor": "user:ann", "details": {"session": "5"}},
        {"event": "read_decided", "actor": "user:owner", "details": {"request": "9", "allowed": true}},
        {"event": "read_decided", "actor": "user:ann", "details": {"request": "1", "allowed": true}},
        {"event": "read_decided", "actor": "user:ann", "details": {"request": "2", "allowed": true}},
        {"event": "read_finished", "actor": "user:ann", "details": {"request": "2", "complete": false}},
        {"event": "read_finished", "actor": "user:ann", "details": {"request": "1", "complete": true}},
        {"event": "read_decided", "actor": "user:ben", "details": {"request": "3", "allowed": false}},
        {"event": "refused", "actor": "user:ben", "details": {"error": "not_found"}},
        {"event": "session_ended", "actor": "user:ann", "details": {"session": "5", "reason": "closed"}}
    ]"#;
    const MUST: Logged = Logged { permitted: 2, whole: 1, broken_off: 1, denied: 1, refused: 1, signed_in: 1, signed_out: 1 };

    #[test]
    fn the_log_holds_what_was_asked_and_of_others_nothing_is_counted() {
        compare(&entries(LOG), MUST).unwrap();
        for must in [Logged { permitted: 3, ..MUST }, Logged { denied: 0, ..MUST }, Logged { whole: 2, broken_off: 0, ..MUST }] {
            assert!(compare(&entries(LOG), must).unwrap_err().to_string().contains("does not hold what was asked"));
        }
    }

    #[test]
    fn each_read_has_an_outcome_of_its_own() {
        let twice = LOG.replace(r#""request": "2", "complete""#, r#""request": "1", "complete""#);
        assert!(compare(&entries(&twice), MUST).unwrap_err().to_string().contains("2 have an id of their own, and 1 an outcome"));
        let same = LOG.replace(r#""request": "2""#, r#""request": "1""#);
        assert!(compare(&entries(&same), MUST).unwrap_err().to_string().contains("1 have an id of their own"));
        let unknown = LOG.replace("session_ended", "key_changed");
        assert!(compare(&entries(&unknown), MUST).unwrap_err().to_string().contains("nobody did: key_changed"));
    }
}
