//! Who may approve from now on. A change of that is a widening as any other, since it opens everything to whoever is added.

use std::collections::{BTreeMap, BTreeSet};

use polder_contract::ApproverPublic;
use polder_contract::enrolment::Enrolment;

use crate::failure::Outcome;
use crate::project::FILE;
use crate::review::approval::{Judge, names, other_than};
use crate::review::snapshot::{Snapshot, enrolment_file, plain};
use crate::review::{Level, Review, Verdict};
use crate::settings::Environment;

pub(super) fn review(review: &mut Review, old: &Snapshot, new: &Snapshot, judge: &Judge<'_>) -> Outcome {
    let none = BTreeMap::new();
    let before = old.settings.as_ref().map_or(&none, |settings| &settings.environments);
    let Some(settings) = &new.settings else { return Ok(()) };
    let after = &settings.environments;
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        match (before.get(name), after.get(name)) {
            (Some(before), Some(after)) => {
                approvers(review, name, before, after, new, judge)?;
                surroundings(review, name, before, after, new);
            }
            (None, Some(_)) => {
                let message = format!("environment {name} is new: whom it enrols may approve from the next change on, not this one");
                review.found("environment-changed", Level::Warning, subject(name), FILE, line(new, name), message);
            }
            (Some(_), None) => {
                review.found("environment-changed", Level::Warning, subject(name), FILE, 1, format!("environment {name} is gone"));
            }
            (None, None) => {}
        }
    }
    Ok(())
}

fn subject(environment: &str) -> String {
    format!("environment {environment}")
}

/// The first line that holds a word.
fn line(new: &Snapshot, word: &str) -> u64 {
    let at = new.settings_text.lines().position(|line| line.contains(word)).unwrap_or(0);
    u64::try_from(at).unwrap_or(0).saturating_add(1)
}

fn approvers(review: &mut Review, name: &str, before: &Environment, after: &Environment, new: &Snapshot, judge: &Judge<'_>) -> Outcome {
    let (was, is) = (before.enrolment(name), after.enrolment(name));
    if was.hash() == is.hash() {
        return Ok(());
    }
    let missing = |of: &Enrolment, within: &Enrolment| -> Vec<String> {
        let absent = of.approvers.iter().filter(|vkey| !within.approvers.contains(vkey));
        absent.map(|vkey| vkey.split('+').next().unwrap_or_default().to_owned()).collect()
    };
    let (added, gone) = (missing(&is, &was), missing(&was, &is));
    let mut told = Vec::new();
    let people = |people: &[String]| people.join(", ");
    told.extend((!added.is_empty()).then(|| format!("{} may approve now", people(&added))));
    told.extend((!gone.is_empty()).then(|| format!("{} may approve no longer", people(&gone))));
    if was.other_than_author != is.other_than_author {
        let words = if is.other_than_author { "none may approve what they wrote" } else { "authors may approve what they wrote" };
        told.push(words.to_owned());
    }
    told.extend((was.git != is.git).then(|| "other addresses are those of approvers".to_owned()));
    let told = told.join("; ");
    let place = added.first().map_or_else(|| line(new, "approv"), |name| line(new, &format!("{name}+")));
    // Whoever is struck off opens nothing.
    if added.is_empty() && was.other_than_author == is.other_than_author && was.git == is.git {
        review.found("approvers-changed", Level::Note, subject(name), FILE, place, format!("environment {name}: {told}"));
        return Ok(());
    }
    let (level, message) = match judged(name, &is, new, judge)? {
        Ok(by) => (Level::Note, format!("environment {name}: {told}; approved by {}", by.join(", "))),
        Err(why) => (
            Level::Error,
            format!(
                "environment {name}: {told}, and no approval of that counts: {why}; someone who is an approver at the base runs `polder keys enrol --env {name} --key FILE` and commits {}",
                enrolment_file(name)
            ),
        ),
    };
    review.found("approvers-changed", level, subject(name), FILE, place, message);
    Ok(())
}

/// Who approved it, or why nobody's approval counts.
fn judged(name: &str, is: &Enrolment, new: &Snapshot, judge: &Judge<'_>) -> Outcome<Result<Vec<String>, String>> {
    if !plain(name) {
        return Ok(Err("an environment of such a name has no approval; give it a name of letters, digits, - and _".to_owned()));
    }
    let enrolled: Vec<ApproverPublic> = judge.enrolled(name);
    let approval = new.enrolments.iter().find(|(environment, _)| environment == name).map(|(_, text)| text.as_str());
    let signed = match is.signers(approval, &enrolled) {
        Ok(signed) => signed,
        Err(why) => return Ok(Err(why.to_owned())),
    };
    let asked = judge.asked(name);
    if !asked.other_than_author {
        return Ok(Ok(names(&signed)));
    }
    let committed = judge.repository.read(judge.head, FILE)?;
    if committed.is_none_or(|committed| committed.replace("\r\n", "\n") != new.settings_text.replace("\r\n", "\n")) {
        return Ok(Err("the change is not committed, so that nobody can tell who wrote it".to_owned()));
    }
    let authors = judge.authors(&BTreeSet::from([FILE]))?;
    Ok(match other_than(&signed, &authors, &asked) {
        Verdict::Approved(by) => Ok(by),
        Verdict::Unapproved(why) => Err(why),
        Verdict::NothingNew => Ok(Vec::new()),
    })
}

/// What else of an environment matters to who reads what.
fn surroundings(review: &mut Review, name: &str, before: &Environment, after: &Environment, new: &Snapshot) {
    if before.groups != after.groups {
        let message = format!("environment {name}: other people belong to its groups, and policies go by them");
        review.found("groups-changed", Level::Warning, subject(name), FILE, line(new, "groups"), message);
    }
    for (what, differs) in [
        ("store", before.store != after.store),
        ("keys", before.keys != after.keys),
        ("anchor", before.anchor != after.anchor),
        ("telemetry", before.telemetry != after.telemetry),
    ] {
        if differs {
            let message = format!("environment {name}: `{what}` is another one");
            review.found("environment-changed", Level::Warning, subject(name), FILE, line(new, what), message);
        }
    }
}
