//! What a load does to rows that are there, compared: the disposition, what deletes, the columns of versions, and how old a table may become.

use crate::change::migration::{Migration, Step, Steps};
use crate::change::{Change, ChangeKind};
use crate::contract::{Contract, Deletes, Disposition, Freshness, Gone, Validity};

/// Every change of it.
pub(crate) fn compare(old: &Contract, new: &Contract, steps: &Steps<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.disposition != new.disposition {
        changes.push(disposition(old, new, steps));
    }
    changes.extend(deletes(old, new));
    changes.extend(validity(old, new, steps));
    changes.extend(freshness(old, new));
    changes
}

fn disposition(old: &Contract, new: &Contract, steps: &Steps<'_>) -> Change {
    let (was, is) = (old.disposition, new.disposition);
    let what = format!("polder.disposition {} is now {}", was.name(), is.name());
    let change = Change::new(ChangeKind::DispositionChanged, 1, what);
    let stay = || Migration::new(Step::Nothing, "rows that are there stay");
    if was == Disposition::Scd2 {
        // Earlier versions would stand beside the rows that hold, or be lost: nobody said which.
        let change = match is {
            Disposition::Replace => change.breaks("earlier versions of rows are gone after the next load"),
            _ => change.lets_in("rows of each load where earlier versions were kept").breaks("earlier versions of rows are kept no longer"),
        };
        return change.migrates(steps.unversioned());
    }
    match is {
        Disposition::Append => change.lets_in("rows of each load beside those of earlier ones, which stay").migrates(stay()),
        Disposition::Replace => change.breaks("rows of earlier loads are gone after the next one").migrates(Migration::reload()),
        Disposition::Merge => change
            .lets_in("rows whose key the table holds, in place of those that are there; of several in a load the last one")
            .breaks("rows of earlier loads change with later ones")
            .migrates(stay()),
        Disposition::Scd2 => {
            let names = new.validity.iter().map(told).collect::<String>();
            change
                .lets_in("rows whose key the table holds, as newer versions; of several in a load the last one")
                .breaks("the table holds a row for each version of a key, and of those that hold now the second added column is null")
                .migrates(steps.versioned(&names))
        }
    }
}

fn told(validity: &Validity) -> String {
    format!("{} and {}", validity.from, validity.to)
}

/// What tells that rows are gone. Nothing that deletes lets anything in; what deletes no longer leaves rows that would have gone.
fn deletes(old: &Contract, new: &Contract) -> Option<Change> {
    let said = |contract: &Contract| match &contract.deletes {
        None => "nothing".to_owned(),
        Some(Deletes::KeySnapshot) => "the keys of the source".to_owned(),
        Some(Deletes::Flag { column, gone }) => {
            let name = contract.columns.get(*column).map_or("", |column| column.name.as_str());
            match gone {
                Gone::Any => format!("any value of column {name}"),
                Gone::Flag(flag) => format!("{flag} of column {name}"),
                Gone::Text(text) => format!("{text:?} of column {name}"),
                Gone::Whole(number) => format!("{number} of column {name}, in its smallest unit"),
            }
        }
    };
    let (was, is) = (said(old), said(new));
    if was == is {
        return None;
    }
    let what = format!("what tells that a row is gone was {was} and is {is}");
    let change = Change::new(ChangeKind::DispositionChanged, 1, what);
    let change = match old.deletes {
        None => change,
        Some(_) => change.lets_in(format!("rows that are gone by {was}")),
    };
    Some(match new.deletes {
        None => change,
        Some(_) => change.keeps_out(format!("rows that are gone by {is}")).breaks("rows of earlier loads are deleted by later ones"),
    })
}

/// The names of the columns that versions have. That there are such columns at all is told of the disposition.
fn validity(old: &Contract, new: &Contract, steps: &Steps<'_>) -> Option<Change> {
    let (was, is) = (old.validity.as_ref()?, new.validity.as_ref()?);
    if was == is {
        return None;
    }
    let what = format!("the columns of a row's validity were {} and are {}", told(was), told(is));
    let change = Change::new(ChangeKind::ColumnRenamed, 1, what).breaks(format!("whatever reads columns {}", told(was)));
    Some(change.migrates(steps.renamed(&told(was), &told(is))))
}

/// How old the table may become: it is told when it is older, and no row is kept out for that.
fn freshness(old: &Contract, new: &Contract) -> Option<Change> {
    let said = |contract: &Contract| {
        let one = |level: &Freshness| {
            let of = level.column.and_then(|place| contract.columns.get(place)).map_or("the newest load", |column| column.name.as_str());
            format!("{} seconds for {of}", level.max_age_seconds)
        };
        if contract.freshness.is_empty() { "any".to_owned() } else { contract.freshness.iter().map(one).collect::<Vec<_>>().join(", ") }
    };
    let (was, is) = (said(old), said(new));
    (was != is).then(|| Change::new(ChangeKind::RuleChanged, 1, format!("the greatest age was {was} and is {is}")))
}
