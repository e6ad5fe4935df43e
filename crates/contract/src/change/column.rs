//! One column, compared rule by rule.

use crate::change::migration::Steps;
use crate::change::types::{self, Shift};
use crate::change::{Change, ChangeKind, Strictest, masks, range, unexplained};
use crate::column::{Column, ColumnType, TextFormat};

/// Most values that are told one by one.
const TOLD_MAX: usize = 5;

pub(crate) fn added(column: &Column, steps: &Steps<'_>) -> Change {
    Change::new(ChangeKind::ColumnAdded, column.line, format!("column {} is authorised, {}", column.name, described(column)))
        .of(&column.name)
        .lets_in(format!("column {} of the source", column.physical_name))
        .migrates(steps.added(&column.name, column.nullable()))
}

pub(crate) fn removed(column: &Column, steps: &Steps<'_>) -> Change {
    Change::new(ChangeKind::ColumnRemoved, column.line, format!("column {} is authorised no longer", column.name))
        .of(&column.name)
        .keeps_out(format!("column {} of the source", column.physical_name))
        .breaks(format!("whatever reads column {}", column.name))
        .migrates(steps.removed(&column.name))
}

fn described(column: &Column) -> String {
    let mut words = vec![column.ty.to_string()];
    if column.primary_key.is_some() {
        words.push("primary key".to_owned());
    } else if column.required {
        words.push("required".to_owned());
    }
    words.extend(column.classification.iter().map(|word| format!("classified {word}")));
    words.join(", ")
}

/// Every change of a column.
pub(crate) fn compare(old: &Column, new: &Column, steps: &Steps<'_>, strictest: Strictest<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    changes.extend(name(old, new, steps));
    changes.extend(source_column(old, new));
    changes.extend(data_type(old, new, steps));
    changes.extend(presence(old, new, steps));
    changes.extend(keys(old, new, steps));
    changes.extend(bounds(old, new, steps));
    changes.extend(multiple(old, new, steps));
    changes.extend(lengths(old, new, steps));
    changes.extend(texts(old, new, steps));
    changes.extend(reading(old, new));
    changes.extend(valid_values(old, new, steps));
    changes.extend(null_tokens(&old.null_tokens, &new.null_tokens, new.line).map(|change| change.of(&new.name)));
    changes.extend(allowed(old, new, steps));
    changes.extend(classification(old, new, strictest));
    changes.extend(inspected(old, new));
    changes.extend(masks::mask(old, new, steps));
    changes.extend(masks::accepted(old, new));
    changes.extend(masks::quality(&old.quality, &new.quality, new.line, Some(&new.name)));
    if !covers(old, new) {
        changes.push(unexplained(&format!("column {}", new.name), new.line).of(&new.name));
    }
    changes
}

/// Whether all that differs is compared above, as in [`super::covers`].
fn covers(old: &Column, new: &Column) -> bool {
    let mut rest = old.clone();
    rest.name.clone_from(&new.name);
    rest.physical_name.clone_from(&new.physical_name);
    rest.ty = new.ty;
    rest.required = new.required;
    rest.unique = new.unique;
    rest.primary_key = new.primary_key;
    rest.bounds = new.bounds;
    rest.multiple_of = new.multiple_of;
    rest.min_length = new.min_length;
    rest.max_length = new.max_length;
    rest.pattern.clone_from(&new.pattern);
    rest.text_format = new.text_format;
    rest.format.clone_from(&new.format);
    rest.default_zone.clone_from(&new.default_zone);
    rest.valid_values.clone_from(&new.valid_values);
    rest.null_tokens.clone_from(&new.null_tokens);
    rest.allow_nan = new.allow_nan;
    rest.from_text = new.from_text;
    rest.classification.clone_from(&new.classification);
    rest.waivers.clone_from(&new.waivers);
    rest.personal.clone_from(&new.personal);
    rest.mask.clone_from(&new.mask);
    rest.accepted_domains.clone_from(&new.accepted_domains);
    rest.quality.clone_from(&new.quality);
    rest.line = new.line;
    rest == *new
}

fn name(old: &Column, new: &Column, steps: &Steps<'_>) -> Option<Change> {
    if old.name == new.name {
        return None;
    }
    let mut change = Change::new(ChangeKind::ColumnRenamed, new.line, format!("column {} is now called {}", old.name, new.name))
        .of(&new.name)
        .breaks(format!("whatever reads column {}", old.name))
        .migrates(steps.renamed(&old.name, &new.name));
    change.before = Some(old.name.clone());
    Some(change)
}

fn source_column(old: &Column, new: &Column) -> Option<Change> {
    if old.physical_name == new.physical_name {
        return None;
    }
    let what = format!("column {} is read from {} of the source, and was from {}", new.name, new.physical_name, old.physical_name);
    let change = Change::new(ChangeKind::SourceColumnChanged, new.line, what).of(&new.name);
    Some(
        change
            .lets_in(format!("column {} of the source", new.physical_name))
            .keeps_out(format!("column {} of the source", old.physical_name)),
    )
}

fn data_type(old: &Column, new: &Column, steps: &Steps<'_>) -> Option<Change> {
    let shift = types::shift(old.ty, new.ty);
    if shift == Shift::Same {
        return None;
    }
    let change =
        Change::new(ChangeKind::TypeChanged, new.line, format!("column {} was {} and is {}", new.name, old.ty, new.ty)).of(&new.name);
    let lets_in = format!("values of a {} that are none of a {}", new.ty, old.ty);
    let keeps_out = format!("values of a {} that are none of a {}", old.ty, new.ty);
    let bounded = range::shift(old, new).is_some_and(|shift| matches!(shift, Shift::Same | Shift::Narrower));
    let change = change.breaks(format!("what reads column {} gets a {}", new.name, new.ty));
    let change = match shift {
        // Its bounds hold it where it was.
        Shift::Wider if bounded => change,
        Shift::Wider | Shift::Same => change.lets_in(lets_in),
        Shift::Narrower => change.keeps_out(keeps_out),
        Shift::Both => change.lets_in(lets_in).keeps_out(keeps_out),
    };
    Some(match shift {
        _ if types::stored_alike(old.ty, new.ty) => change,
        Shift::Wider => change.migrates(steps.widened(&new.name)),
        _ => change.migrates(steps.retyped(&new.name)),
    })
}

fn presence(old: &Column, new: &Column, steps: &Steps<'_>) -> Option<Change> {
    let change = |what: String| Change::new(ChangeKind::RuleChanged, new.line, what).of(&new.name);
    match (old.nullable(), new.nullable()) {
        (false, true) => Some(
            change(format!("column {} may be missing", new.name))
                .lets_in(format!("rows without a value of {}", new.name))
                .migrates(steps.may_be_missing(&new.name)),
        ),
        (true, false) => Some(
            change(format!("column {} is required", new.name))
                .keeps_out(format!("rows without a value of {}", new.name))
                .migrates(steps.required(&new.name)),
        ),
        // The primary key requires it anyway.
        _ if old.required != new.required => Some(change(format!("`required` of column {} changes nothing", new.name))),
        _ => None,
    }
}

fn keys(old: &Column, new: &Column, steps: &Steps<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let change = |what: String| Change::new(ChangeKind::KeyChanged, new.line, what).of(&new.name);
    if old.primary_key != new.primary_key {
        let place =
            |key: Option<u32>| key.map_or("no part of the primary key".to_owned(), |place| format!("part {place} of the primary key"));
        let what = format!("column {} was {} and is {}", new.name, place(old.primary_key), place(new.primary_key));
        changes.push(match (old.primary_key, new.primary_key) {
            (Some(_), Some(_)) => change(what),
            // A key of more columns lets in rows that one of fewer refused, and no key all of them: neither is known from one column.
            _ => change(what)
                .lets_in("rows that the primary key as it was would have refused")
                .keeps_out("rows that repeat the primary key as it is")
                .migrates(steps.tightened()),
        });
    }
    match (old.unique, new.unique) {
        (true, false) => changes
            .push(change(format!("column {} is unique no longer", new.name)).lets_in(format!("rows that repeat a value of {}", new.name))),
        (false, true) => changes.push(
            change(format!("column {} is unique", new.name))
                .keeps_out(format!("rows that repeat a value of {}", new.name))
                .migrates(steps.tightened()),
        ),
        _ => {}
    }
    changes
}

/// A rule that became looser, tighter or another one.
fn rule(new: &Column, what: String, shift: Shift, steps: &Steps<'_>) -> Option<Change> {
    let change = Change::new(ChangeKind::RuleChanged, new.line, what).of(&new.name);
    let (lets_in, keeps_out) =
        (format!("values of {} that the rule as it was refused", new.name), format!("values of {} that the rule refuses", new.name));
    match shift {
        Shift::Same => None,
        Shift::Wider => Some(change.lets_in(lets_in)),
        Shift::Narrower => Some(change.keeps_out(keeps_out).migrates(steps.tightened())),
        Shift::Both => Some(change.lets_in(lets_in).keeps_out(keeps_out).migrates(steps.tightened())),
    }
}

fn bounds(old: &Column, new: &Column, steps: &Steps<'_>) -> Option<Change> {
    if old.bounds == new.bounds {
        return None;
    }
    let what = format!("column {} took {} and takes {}", new.name, range::told(old), range::told(new));
    rule(new, what, range::shift(old, new).unwrap_or(Shift::Both), steps)
        // Written otherwise, to the same effect.
        .or_else(|| {
            Some(
                Change::new(ChangeKind::RuleChanged, new.line, format!("the bounds of column {} are written otherwise", new.name))
                    .of(&new.name),
            )
        })
}

fn multiple(old: &Column, new: &Column, steps: &Steps<'_>) -> Option<Change> {
    let scale = |ty| if let ColumnType::Decimal { scale, .. } = ty { scale } else { 0 };
    let told = |column: &Column| {
        column.multiple_of.map_or("any value".to_owned(), |step| format!("multiples of {}", range::decimal(step, scale(column.ty))))
    };
    if old.multiple_of == new.multiple_of && (old.multiple_of.is_none() || scale(old.ty) == scale(new.ty)) {
        return None;
    }
    let divides = |step: i128, of: i128| of.checked_rem(step) == Some(0);
    let shift = match (old.multiple_of, new.multiple_of) {
        (None, Some(_)) => Shift::Narrower,
        (Some(_), None) => Shift::Wider,
        (Some(old), Some(new)) if divides(new, old) => Shift::Wider,
        (Some(old), Some(new)) if divides(old, new) => Shift::Narrower,
        _ => Shift::Both,
    };
    let shift = if scale(old.ty) == scale(new.ty) { shift } else { Shift::Both };
    rule(new, format!("column {} took {} and takes {}", new.name, told(old), told(new)), shift, steps)
}

fn lengths(old: &Column, new: &Column, steps: &Steps<'_>) -> Option<Change> {
    let ends = |column: &Column| (column.min_length.unwrap_or(0), column.max_length.unwrap_or(u64::MAX));
    let ((least, most), (low, high)) = (ends(old), ends(new));
    let told = |(low, high): (u64, u64)| match high {
        u64::MAX => format!("from {low} characters"),
        high => format!("{low} to {high} characters"),
    };
    let what = format!("column {} had {} and has {}", new.name, told((least, most)), told((low, high)));
    rule(new, what, Shift::of(low < least || high > most, low > least || high < most), steps)
}

fn texts(old: &Column, new: &Column, steps: &Steps<'_>) -> Vec<Change> {
    let shift = |had: bool, has: bool| match (had, has) {
        (true, false) => Shift::Wider,
        (false, true) => Shift::Narrower,
        // Whether one pattern takes what another takes is not decided here.
        _ => Shift::Both,
    };
    let mut changes = Vec::new();
    if old.pattern != new.pattern {
        let told = |pattern: &Option<String>| pattern.as_ref().map_or("no pattern".to_owned(), |pattern| format!("the pattern {pattern}"));
        let what = format!("column {} had {} and has {}", new.name, told(&old.pattern), told(&new.pattern));
        changes.extend(rule(new, what, shift(old.pattern.is_some(), new.pattern.is_some()), steps));
    }
    if old.text_format != new.text_format {
        let told = |format: Option<TextFormat>| match format {
            None => "no format",
            Some(TextFormat::Uuid) => "the format uuid",
            Some(TextFormat::Ipv4) => "the format ipv4",
            Some(TextFormat::Ipv6) => "the format ipv6",
        };
        let what = format!("column {} had {} and has {}", new.name, told(old.text_format), told(new.text_format));
        changes.extend(rule(new, what, shift(old.text_format.is_some(), new.text_format.is_some()), steps));
    }
    changes
}

/// The same bytes mean something else.
fn reading(old: &Column, new: &Column) -> Vec<Change> {
    let mut changes = Vec::new();
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    for (what, had, has) in [("format", &old.format, &new.format), ("defaultTimezone", &old.default_zone, &new.default_zone)] {
        if had != has {
            let what = format!("the {what} of column {} was {} and is {}", new.name, or_none(had), or_none(has));
            let change = Change::new(ChangeKind::ReadingChanged, new.line, what).of(&new.name);
            changes.push(
                change
                    .lets_in(format!("texts that were no value of {}", new.name))
                    .keeps_out(format!("texts that are no value of {} any more", new.name))
                    .breaks(format!("new values of {} do not compare with old ones where the same text means another moment", new.name)),
            );
        }
    }
    changes
}

fn valid_values(old: &Column, new: &Column, steps: &Steps<'_>) -> Option<Change> {
    if old.valid_values == new.valid_values {
        return None;
    }
    let (what, shift) = match (&old.valid_values, &new.valid_values) {
        (None, Some(values)) => (format!("column {} takes one of {} values", new.name, values.len()), Shift::Narrower),
        (Some(_), _) if new.valid_values.is_none() => (format!("column {} takes any value", new.name), Shift::Wider),
        (Some(had), Some(has)) => {
            let (added, gone) = (missing(has, had), missing(had, has));
            let what = format!("the values of column {}: {}", new.name, difference(&added, &gone));
            (what, Shift::of(!added.is_empty(), !gone.is_empty()))
        }
        _ => return None,
    };
    rule(new, what, shift, steps).or_else(|| {
        Some(
            Change::new(ChangeKind::RuleChanged, new.line, format!("the values of column {} stand in another order", new.name))
                .of(&new.name),
        )
    })
}

/// Those of the first list that the second does not hold.
fn missing<'a>(of: &'a [String], within: &[String]) -> Vec<&'a str> {
    of.iter().filter(|value| !within.contains(value)).map(String::as_str).collect()
}

fn difference(added: &[&str], gone: &[&str]) -> String {
    let told = |values: &[&str]| {
        let more = values.len().saturating_sub(TOLD_MAX);
        let mut text = values.iter().take(TOLD_MAX).map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ");
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        text
    };
    match (added, gone) {
        (added, []) => format!("{} added", told(added)),
        ([], gone) => format!("{} removed", told(gone)),
        (added, gone) => format!("{} added, {} removed", told(added), told(gone)),
    }
}

/// Texts that stand for no value, of a contract or a column.
pub(crate) fn null_tokens(old: &[String], new: &[String], line: u64) -> Option<Change> {
    if old == new {
        return None;
    }
    let (added, gone) = (missing(new, old), missing(old, new));
    if added.is_empty() && gone.is_empty() {
        return Some(Change::new(ChangeKind::NullTokensChanged, line, "polder.nullTokens are written otherwise"));
    }
    let mut change = Change::new(ChangeKind::NullTokensChanged, line, format!("polder.nullTokens: {}", difference(&added, &gone)));
    if !added.is_empty() {
        change = change.lets_in("these texts, as no value, where the column's type or rules refused them");
    }
    if !gone.is_empty() {
        change = change.keeps_out("these texts, where the column's type or rules refuse them");
    }
    Some(change)
}

fn allowed(old: &Column, new: &Column, steps: &Steps<'_>) -> Vec<Change> {
    let flags =
        [("NaN and infinity are values", old.allow_nan, new.allow_nan), ("a JSON string may hold the value", old.from_text, new.from_text)];
    let changed = flags.into_iter().filter(|(_, had, has)| had != has);
    changed
        .filter_map(|(what, _, has)| {
            let shift = if has { Shift::Wider } else { Shift::Narrower };
            rule(new, format!("column {}: {what}{}", new.name, if has { "" } else { " no longer" }), shift, steps)
        })
        .collect()
}

fn classification(old: &Column, new: &Column, strictest: Strictest<'_>) -> Option<Change> {
    let (had, has) = (old.classification.as_deref(), new.classification.as_deref());
    if had == has {
        return None;
    }
    let or_none = |word: Option<&str>| word.unwrap_or("nothing").to_owned();
    let what = format!("column {} was classified {} and is classified {}", new.name, or_none(had), or_none(has));
    let change = Change::new(ChangeKind::ClassificationChanged, new.line, what).of(&new.name);
    let (both, alone): (Vec<&str>, Vec<&str>) = (had.into_iter().chain(has).collect(), has.into_iter().collect());
    Some(if strictest(&both) == strictest(&alone) {
        change.breaks(format!("policies may let fewer people read what holds column {}", new.name))
    } else {
        change.lets_in(format!("more people to column {}, where policies go by its classification", new.name))
    })
}

/// What content inspection lets through: kinds of findings that are waived, and of personal data that may be there.
fn inspected(old: &Column, new: &Column) -> Vec<Change> {
    let waived = |column: &Column| column.waivers.iter().map(|waiver| waiver.kind.to_string()).collect::<Vec<_>>();
    let personal = |column: &Column| column.personal.iter().map(|kind| kind.name().to_owned()).collect::<Vec<_>>();
    let mut changes = Vec::new();
    let lists = [("polder.waive", waived(old), waived(new)), ("polder.personal", personal(old), personal(new))];
    for (setting, had, has) in lists {
        let (added, gone) = (missing(&has, &had), missing(&had, &has));
        if added.is_empty() && gone.is_empty() {
            continue;
        }
        let what = format!("{setting} of column {}: {}", new.name, difference(&added, &gone));
        let mut change = Change::new(ChangeKind::RuleChanged, new.line, what).of(&new.name);
        if !added.is_empty() {
            change = change.lets_in(format!("values of {} in which content inspection finds {}", new.name, added.join(", ")));
        }
        if !gone.is_empty() {
            change = change.keeps_out(format!("values of {} in which content inspection finds {}", new.name, gone.join(", ")));
        }
        changes.push(change);
    }
    if changes.is_empty() && (&old.waivers, &old.personal) != (&new.waivers, &new.personal) {
        let what = format!("what content inspection lets through in column {} has another reason, approver or order", new.name);
        changes.push(Change::new(ChangeKind::RuleChanged, new.line, what).of(&new.name));
    }
    changes
}
