//! Masks and rules over whole loads, compared.

use crate::change::migration::Steps;
use crate::change::{Change, ChangeKind};
use crate::column::Column;
use crate::quality::Measure;
use crate::question::Question;

/// What is stored instead of a column's values.
pub(crate) fn mask(old: &Column, new: &Column, steps: &Steps<'_>) -> Option<Change> {
    if old.mask == new.mask {
        return None;
    }
    let told = |column: &Column| column.mask.as_ref().map_or("as they are".to_owned(), |mask| format!("by the mask {mask}"));
    let what = format!("values of column {} were stored {} and are stored {}", new.name, told(old), told(new));
    let change = Change::new(ChangeKind::MaskChanged, new.line, what).of(&new.name);
    let change = change.breaks(format!("new values of {} do not compare with old ones", new.name));
    let change = match (&old.mask, &new.mask) {
        (None, _) => change.keeps_out(format!("values of {} as they are", new.name)),
        (Some(_), None) => change.lets_in(format!("values of {} as they are", new.name)),
        // Which of two masks tells more is not decided here.
        (Some(_), Some(_)) => change
            .lets_in(format!("what the new mask leaves of the values of {}", new.name))
            .keeps_out(format!("what the old mask left of the values of {}", new.name)),
    };
    Some(match (old.stored(), new.stored()) {
        (Some(_), None) => change.migrates(steps.removed(&new.name)),
        (None, Some(_)) => change.migrates(steps.added(&new.name, new.nullable())),
        (was, is) if was == is => change,
        _ => change.migrates(steps.retyped(&new.name)),
    })
}

/// Under which other domains columns of the name may stand.
pub(crate) fn accepted(old: &Column, new: &Column) -> Option<Change> {
    if old.accepted_domains == new.accepted_domains {
        return None;
    }
    let what = format!("polder.acceptDomain of column {} names other domains", new.name);
    let change = Change::new(ChangeKind::MaskChanged, new.line, what).of(&new.name);
    let more = new.accepted_domains.iter().any(|domain| !old.accepted_domains.contains(domain));
    Some(if more { change.lets_in("columns of one name that do not join") } else { change })
}

/// Rules over whole loads, of a column or of the table.
pub(crate) fn quality(old: &[Measure], new: &[Measure], line: u64, of: Option<&str>) -> Option<Change> {
    let gone = old.iter().filter(|rule| !new.contains(rule)).count();
    let come = new.iter().filter(|rule| !old.contains(rule)).count();
    if gone == 0 && come == 0 {
        return None;
    }
    let whose = of.map_or("the table".to_owned(), |column| format!("column {column}"));
    let mut change = Change::new(
        ChangeKind::RuleChanged,
        line,
        format!("rules over whole loads of {whose}: {come} added or changed, {gone} removed or changed"),
    );
    if let Some(column) = of {
        change = change.of(column);
    }
    if gone > 0 {
        change = change.lets_in("loads that those rules refused");
    }
    Some(if come > 0 { change.keeps_out("loads that the new rules refuse") } else { change })
}

/// What is asked of the table as a load would leave it.
pub(crate) fn questions(old: &[Question], new: &[Question]) -> Option<Change> {
    // Where a question stands in the file is none of its meaning.
    let same = |a: &Question, b: &Question| (&a.asks, a.holds, &a.column) == (&b.asks, b.holds, &b.column);
    let gone: Vec<String> = old.iter().filter(|a| !new.iter().any(|b| same(a, b))).map(Question::label).collect();
    let come: Vec<String> = new.iter().filter(|a| !old.iter().any(|b| same(a, b))).map(Question::label).collect();
    let what = match (gone.is_empty(), come.is_empty()) {
        (true, true) => return None,
        (true, false) => format!("added: {}", come.join("; ")),
        (false, true) => format!("removed: {}", gone.join("; ")),
        (false, false) => format!("removed or changed: {}; added or changed: {}", gone.join("; "), come.join("; ")),
    };
    let mut change = Change::new(ChangeKind::RuleChanged, 1, format!("rules over the whole table, {what}"));
    if !gone.is_empty() {
        change = change.lets_in("loads that those rules refused");
    }
    Some(if come.is_empty() { change } else { change.keeps_out("loads that the new rules refuse") })
}
