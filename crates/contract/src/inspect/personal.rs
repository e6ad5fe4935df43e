//! Personal data in a column whose classification does not allow it: judged for the column by its evidence over the load, never by
//! one value. What is kept is a profile of bounded size a column.
//!
//! Looked at are values at even distances in each batch: 512 of a batch that begins within the first 65,536 rows, 32 of a later one.
//! Which rows those are depends on the source alone, not on the order in which batches are checked.

use arrow::array::cast::AsArray;
use arrow::array::types::{Date32Type, Int32Type, Int64Type};
use arrow::array::{Array, ArrayRef};
use parking_lot::Mutex;

use super::Kind;
use crate::column::{Column, ColumnType};
use crate::contract::Contract;
use crate::discover::{Because, PersonalKind, Profiler};
use crate::read::Reader;
use crate::yaml::{Node, suggest};

/// Classifications that allow every kind of personal data. Others, among them none, `public` and `internal`, allow none.
pub const ALLOWING: [&str; 8] = ["personal", "pii", "sensitive", "confidential", "restricted", "secret", "medical", "health"];

/// Rows from the beginning of a load that are looked at closely.
const CLOSE_ROWS: u64 = 65_536;
/// Values of a batch that are looked at within those rows.
const CLOSE_SAMPLE: usize = 512;
/// Values of a later batch that are looked at.
const WIDE_SAMPLE: usize = 32;

/// A column in which personal data was found that it must not hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Personal {
    /// The column.
    pub column: String,
    /// Which kind.
    pub kind: PersonalKind,
    /// What the finding rests on.
    pub because: Because,
    /// Of the values looked at, the share that bears it out, 0 to 1.
    pub share: f64,
    /// Whether the contract waives it.
    pub waived: bool,
}

impl Personal {
    /// The share, in hundredths.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
    pub fn percent(&self) -> u64 {
        (self.share.clamp(0.0, 1.0) * 100.0).round() as u64
    }
}

/// Watches the columns that must hold no personal data.
#[derive(Debug)]
pub(super) struct Watch {
    columns: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    place: usize,
    name: String,
    allowed: Vec<PersonalKind>,
    waived: bool,
    profiler: Mutex<Option<Profiler>>,
}

impl Watch {
    pub fn new(contract: &Contract) -> Self {
        let watched = |(place, column): (usize, &Column)| Watched {
            place,
            name: column.name.clone(),
            allowed: column.personal.clone(),
            waived: column.waivers.iter().any(|waiver| waiver.kind == Kind::Personal),
            profiler: Mutex::new(Some(Profiler::new(&column.physical_name))),
        };
        let columns = contract.columns.iter().enumerate().filter(|(_, column)| is_watched(column));
        Self { columns: columns.map(watched).collect() }
    }

    /// Looks at a batch that begins at a place in the load.
    pub fn take(&self, arrays: &[ArrayRef], first_ordinal: u64) {
        let wanted = if first_ordinal < CLOSE_ROWS { CLOSE_SAMPLE } else { WIDE_SAMPLE };
        for column in &self.columns {
            let Some(array) = arrays.get(column.place) else { continue };
            if let Some(profiler) = column.profiler.lock().as_mut() {
                let step = array.len().div_ceil(wanted).max(1);
                (0..array.len()).step_by(step).for_each(|row| give(profiler, array, row));
            }
        }
    }

    /// What was found; afterwards nothing is looked at.
    pub fn finish(&self) -> Vec<Personal> {
        let found = self.columns.iter().filter_map(|column| {
            let finding = column.profiler.lock().take()?.finish().personal?;
            // A name alone proves nothing: the values must bear it out.
            let borne_out = finding.because != Because::Name && !column.allowed.contains(&finding.kind);
            borne_out.then(|| Personal {
                column: column.name.clone(),
                kind: finding.kind,
                because: finding.because,
                share: finding.share,
                waived: column.waived,
            })
        });
        found.collect()
    }
}

fn is_watched(column: &Column) -> bool {
    let typed = matches!(column.ty, ColumnType::String | ColumnType::Int32 | ColumnType::Int64 | ColumnType::Date);
    typed && !column.classification.as_deref().is_some_and(|word| ALLOWING.contains(&word))
}

/// Gives a value to a profile, as text.
fn give(profiler: &mut Profiler, array: &ArrayRef, row: usize) {
    if array.is_null(row) {
        profiler.take(None);
    } else if let Some(texts) = array.as_string_opt::<i32>() {
        profiler.take(Some(texts.value(row)));
    } else if let Some(wholes) = array.as_primitive_opt::<Int64Type>() {
        profiler.take(Some(&wholes.value(row).to_string()));
    } else if let Some(wholes) = array.as_primitive_opt::<Int32Type>() {
        profiler.take(Some(&wholes.value(row).to_string()));
    } else if let Some(days) = array.as_primitive_opt::<Date32Type>() {
        profiler.take(days.value_as_date(row).map(|day| day.to_string()).as_deref());
    }
}

/// Reads `polder.personal`: the kinds of personal data that a column may hold whatever its classification.
pub(crate) fn read(reader: &mut Reader, node: &Node, column: &str) -> Vec<PersonalKind> {
    let mut kinds = Vec::new();
    for word in reader.texts(node, "polder.personal") {
        match PersonalKind::ALL.into_iter().find(|kind| kind.name() == word) {
            Some(kind) => kinds.push(kind),
            None => {
                let names: Vec<&str> = PersonalKind::ALL.iter().map(|kind| kind.name()).collect();
                let what = format!("`{word}` of `polder.personal` of column {column} is not a kind of personal data");
                reader.wrong(node.line, what, suggest(&word, &names));
            }
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;
    use crate::testing::{MemorySpill, approved, batch, contract, csv, options};
    use crate::{Cells, Contract, Error, Gate, Reconciled, Reconciliation};

    const MAILS: [&str; 6] = ["ann@a.org", "bob@b.org", "cid@c.org", "dee@d.org", "eve@e.org", "fay@f.org"];

    /// Loads one batch of one column, and closes the counts.
    fn close(property: &str, cells: Cells) -> (Vec<Personal>, Result<Reconciled, Error>) {
        let approved = approved(contract(&[property]));
        let gate = Gate::new(Arc::clone(&approved), options(Arc::new(MemorySpill::default()))).unwrap();
        let read = u64::try_from(cells.len()).unwrap();
        let loaded = u64::try_from(gate.check(batch(vec![cells], 0)).unwrap().admitted.rows()).unwrap();
        let duplicates = gate.finish().unwrap();
        let counts = Reconciliation { read, independent: true, loaded, ..Reconciliation::default() };
        (duplicates.personal().to_vec(), counts.close(&approved, &duplicates, crate::question::Answers::judge(&approved, &[]).unwrap()))
    }

    #[test]
    fn personal_data_in_a_column_that_must_not_hold_it_closes_no_counts() {
        for (property, cells) in [
            ("{name: a, logicalType: string}", csv(&MAILS)),
            ("{name: a, logicalType: string, classification: public}", csv(&MAILS)),
            ("{name: a, logicalType: string, classification: internal}", csv(&MAILS)),
            ("{name: a, logicalType: string, classification: a word of our own}", csv(&MAILS)),
            ("{name: a, logicalType: string, customProperties: [{property: polder.personal, value: [phone]}]}", csv(&MAILS)),
            ("{name: a, logicalType: string}", Cells::Typed(Arc::new(StringArray::from(MAILS.to_vec())))),
        ] {
            let (found, closed) = close(property, cells);
            let Err(error @ Error::Personal { .. }) = closed else { panic!("{property}: {closed:?}") };
            assert_eq!((found.len(), found[0].kind, found[0].percent()), (1, PersonalKind::Email, 100), "{property}");
            let text = error.to_string();
            assert!(text.contains("column \"a\" holds personal data (e-mail address, because of its values, in 100%"), "{text}");
            assert!(!MAILS.iter().any(|mail| text.contains(mail)));
        }
        // Numbers of whole type are looked at as texts are.
        let cards = Int64Array::from(vec![4_111_111_111_111_111, 5_555_555_555_554_444, 378_282_246_310_005, 6_011_111_111_111_117]);
        let property = "{name: cb, logicalType: integer, logicalTypeOptions: {format: i64}}";
        assert!(matches!(close(property, Cells::Typed(Arc::new(cards))).1, Err(Error::Personal { .. })));
    }

    #[test]
    fn a_column_that_may_hold_it_loads() {
        for word in ALLOWING {
            let (found, closed) = close(&format!("{{name: a, logicalType: string, classification: {word}}}"), csv(&MAILS));
            assert!(closed.is_ok() && found.is_empty(), "{word}");
        }
        let named = "{name: a, logicalType: string, customProperties: [{property: polder.personal, value: [phone, email]}]}";
        assert!(matches!(close(named, csv(&MAILS)), (found, Ok(_)) if found.is_empty()));
        let waived = "{name: a, logicalType: string, customProperties: [{property: polder.waive, value: [{kind: personal, reason: addresses of roles only, approver: Ann}]}]}";
        let (found, closed) = close(waived, csv(&MAILS));
        assert!(closed.is_ok() && found.len() == 1 && found[0].waived, "{found:?}");
    }

    #[test]
    fn neither_a_name_alone_nor_one_value_is_enough() {
        // Without check digits, and named as what it is.
        assert!(close("{name: cb, logicalType: string}", csv(&["4111111111111112", "5555555555554445"])).1.is_ok());
        let lucky: Vec<&str> =
            MAILS[..1].iter().copied().chain(["ok", "done", "open", "later", "none of it", "see above", "closed"]).collect();
        assert!(close("{name: note, logicalType: string}", csv(&lucky)).1.is_ok());
        assert!(close("{name: email, logicalType: string}", csv(&[])).1.is_ok());
    }

    #[test]
    fn what_is_looked_at_depends_on_the_source_alone() {
        let approved = approved(contract(&["{name: a, logicalType: string}"]));
        let rows = |from: usize| -> ArrayRef {
            Arc::new(StringArray::from_iter_values((from..from + 8_192).map(|row| format!("person{row}@example.org"))))
        };
        let batches: Vec<(usize, ArrayRef)> = (0..12).map(|at| (at * 8_192, rows(at * 8_192))).collect();
        let seen = |order: &[usize]| {
            let watch = Watch::new(&approved);
            for at in order {
                watch.take(std::slice::from_ref(&batches[*at].1), batches[*at].0 as u64);
            }
            let profile = watch.columns[0].profiler.lock().take().unwrap().finish();
            (profile.rows, profile.personal.map(|found| found.kind))
        };
        let (forth, back): (Vec<usize>, Vec<usize>) = ((0..12).collect(), (0..12).rev().collect());
        // Eight batches are looked at closely, four widely.
        assert_eq!(seen(&forth), (8 * 512 + 4 * 32, Some(PersonalKind::Email)));
        assert_eq!(seen(&forth), seen(&back));
    }

    #[test]
    fn a_contract_that_names_an_unknown_kind_is_wrong() {
        let text = "apiVersion: v3.1.0\nkind: DataContract\nid: c1\nversion: 1.0.0\nstatus: active\ncustomProperties: [{property: polder.source, value: s}]\nschema: [{name: t, properties: [{name: a, logicalType: string, customProperties: [{property: polder.personal, value: [mail]}]}]}]\n";
        let error = Contract::parse(text, "t.odcs.yaml").unwrap_err().to_string();
        assert!(error.contains("`mail` of `polder.personal` of column a is not a kind of personal data; did you mean email?"), "{error}");
    }
}
