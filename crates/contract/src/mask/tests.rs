use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Date32Array, Decimal128Array, Int64Array, StringArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use polder_crypto::FieldKey;
use polder_types::SeededRng;

use super::apply::{FieldKeys, Masking};
use super::*;
use crate::gate::{Gate, GateOptions};
use crate::quarantine::{Reader, Replay, Writer, replay};
use crate::raw::{CellKind, Cells};
use crate::testing::{MemorySpill, approved, batch, contract, contract_with, csv, options};
use crate::{Checked, Contract, Rule};

/// A key for each domain, made of its name.
struct Named;

impl FieldKeys for Named {
    fn field_key(&self, domain: &str) -> Option<Arc<FieldKey>> {
        (domain != "unknown").then(|| Arc::new(key(domain)))
    }
}

fn key(domain: &str) -> FieldKey {
    FieldKey::derive(&polder_crypto::sha256(domain.as_bytes()))
}

fn pseudonym(domain: &str, text: &str) -> String {
    hex::encode(key(domain).pseudonym(text.as_bytes()))
}

fn masking() -> GateOptions {
    let mut options = options(Arc::new(MemorySpill::default()));
    options.masking = Some(Masking { keys: Arc::new(Named), rng: Arc::new(SeededRng::new(3)) });
    options
}

fn gate_of(contract: Contract) -> Gate {
    Gate::new(approved(contract), masking()).unwrap()
}

fn column(logical: &str, mask: &str) -> String {
    format!("{{name: v, {logical}, customProperties: [{{property: polder.mask, value: {mask}}}]}}")
}

/// The stored values of one masked column; NULL is `-`.
fn stored(property: &str, cells: Cells) -> Vec<String> {
    let checked = gate_of(contract(&["{name: row, logicalType: integer}", property])).check(numbered(cells)).unwrap();
    assert_eq!(checked.rejections, []);
    shown(checked.admitted.batch().column_by_name("v").unwrap())
}

fn numbered(cells: Cells) -> crate::RawBatch {
    let numbers = (0..cells.len() as i64).collect::<Vec<_>>();
    batch(vec![Cells::Typed(Arc::new(Int64Array::from(numbers))), cells], 0)
}

fn shown(array: &ArrayRef) -> Vec<String> {
    let format = FormatOptions::default().with_null("-");
    let formatter = ArrayFormatter::try_new(array.as_ref(), &format).unwrap();
    (0..array.len()).map(|row| formatter.value(row).to_string()).collect()
}

#[test]
fn one_identifier_has_one_pseudonym_whatever_the_source_and_its_type() {
    let wanted = vec![pseudonym("patients", "42"), "-".to_owned(), pseudonym("patients", "-7")];
    let integer = column("logicalType: integer, logicalTypeOptions: {format: i64}", "{pseudonymise: patients}");
    let decimal = column("logicalType: number, physicalType: 'decimal(20,2)'", "{pseudonymise: patients}");
    let text = column("logicalType: string", "{pseudonymise: patients}");
    let typed = |array: ArrayRef| Cells::Typed(array);
    assert_eq!(stored(&integer, typed(Arc::new(Int64Array::from(vec![Some(42), None, Some(-7)])))), wanted);
    let decimals = Decimal128Array::from(vec![Some(4_200), None, Some(-700)]).with_precision_and_scale(20, 2).unwrap();
    assert_eq!(stored(&decimal, typed(Arc::new(decimals))), wanted);
    assert_eq!(stored(&text, typed(Arc::new(StringArray::from(vec![Some("42"), None, Some("-7")])))), wanted);
    let written =
        crate::testing::text_column(&[(CellKind::Text, b"42".to_vec()), (CellKind::Null, Vec::new()), (CellKind::Quoted, b"-7".to_vec())]);
    assert_eq!(stored(&integer, written.clone()), wanted);
    assert_eq!(stored(&text, written), wanted);
    // Other ways to write it need a normalisation, and another domain gives others.
    let normalised = column("logicalType: string", "{pseudonymise: patients, normalise: [digits, zeros]}");
    assert_eq!(stored(&normalised, csv(&["0 042"])), [pseudonym("patients", "42")]);
    let elsewhere = column("logicalType: string", "{pseudonymise: staff}");
    assert_ne!(stored(&elsewhere, csv(&["42"])), [pseudonym("patients", "42")]);
}

#[test]
fn encryption_is_random_unless_asked_and_opens_again() {
    let texts = || csv(&["Ann", "Ann", "Bob"]);
    let random = stored(&column("logicalType: string", "{encrypt: names}"), texts());
    let same = stored(&column("logicalType: string", "{encrypt: names, deterministic: true}"), texts());
    assert_ne!(random[0], random[1]);
    assert_eq!((same[0] == same[1], same[0] == same[2]), (true, false));
    for sealed in [&random, &same] {
        let opened: Vec<String> = sealed.iter().map(|value| reveal(&key("names"), value).unwrap()).collect();
        assert_eq!(opened, ["Ann", "Ann", "Bob"]);
        assert!(reveal(&key("staff"), &sealed[0]).is_err());
    }
    let dates = Cells::Typed(Arc::new(Date32Array::from(vec![Some(0), None])));
    let sealed = stored(&column("logicalType: date", "{encrypt: names}"), dates);
    assert_eq!((reveal(&key("names"), &sealed[0]).unwrap().as_str(), sealed[1].as_str()), ("1970-01-01", "-"));
    for broken in ["", "AA", "not base64!", "A".repeat(60).as_str()] {
        assert!(reveal(&key("names"), broken).is_err(), "{broken}");
    }
}

#[test]
fn the_rest_keeps_a_part() {
    let text = "logicalType: string";
    assert_eq!(stored(&column(text, "{truncate: 2}"), csv(&["75011", "é"])), ["75", "é"]);
    assert_eq!(stored(&column(text, "{generalise: {prefix: 3}}"), csv(&["75011"])), ["750"]);
    assert_eq!(stored(&column("logicalType: integer", "{generalise: {step: 10}}"), csv(&["41", "-1"])), ["40", "-10"]);
    assert_eq!(stored(&column("logicalType: number", "{generalise: {step: 0.5}}"), csv(&["1.74"])), ["1.5"]);
    let amount = "logicalType: number, physicalType: 'decimal(9,2)'";
    assert_eq!(stored(&column(amount, "{generalise: {step: 2.5}}"), csv(&["9.99"])), ["7.50"]);
    assert_eq!(stored(&column("logicalType: date", "{truncate: month}"), csv(&["2013-07-31"])), ["2013-07-01"]);
    assert_eq!(stored(&column("logicalType: date", "{generalise: {to: quarter}}"), csv(&["2013-07-31"])), ["2013-Q3"]);
    let moments = csv(&["2013-07-31T23:59:59+02:00"]);
    assert_eq!(stored(&column("logicalType: timestamp", "{truncate: year}"), moments), ["2013-01-01T00:00:00Z"]);
}

#[test]
fn a_decimal_comma_is_read_before_the_mask() {
    let number = "logicalType: number, physicalType: 'decimal(9,2)'";
    let properties = [column(number, "{generalise: {step: 2.5}}"), "{name: text, logicalType: string, required: true}".to_owned()];
    let mut options = masking();
    options.decimal_comma = true;
    let gate = Gate::new(approved(contract(&[&properties[0], &properties[1]])), options).unwrap();
    let text = |text: &str| (CellKind::Text, text.as_bytes().to_vec());
    let texts = crate::testing::text_column(&[text("1,5"), text("1,5"), (CellKind::Null, Vec::new()), text("1,5")]);
    let checked = gate.check(batch(vec![csv(&["1 009,99", "9.99", "3,00", "-0,5"]), texts], 0)).unwrap();
    assert_eq!(shown(checked.admitted.batch().column_by_name("v").unwrap()), ["1007.50", "-2.50"]);
    // A text is no number, whatever it looks like.
    assert_eq!(shown(checked.admitted.batch().column_by_name("text").unwrap()), ["1,5", "1,5"]);
    let refused: Vec<_> = checked.rejections.iter().map(|refused| (refused.record, refused.column.as_deref(), refused.rule)).collect();
    assert_eq!(refused, [(2, Some("v"), Rule::Type), (3, Some("text"), Rule::Required)]);
    // What was masked before it was kept comes back as it is: it has a point.
    let optional = contract(&[&properties[0], "{name: text, logicalType: string}"]);
    let mut writer = Writer::new(gate.contract());
    checked.rejections.iter().for_each(|rejection| writer.push(rejection));
    let again = replay(&writer.finish(), &optional, Arc::from("q"), 0).unwrap();
    let mut options = masking();
    options.decimal_comma = true;
    let checked = Gate::new(approved(optional), options).unwrap().check(again.batch).unwrap();
    assert_eq!(shown(checked.admitted.batch().column_by_name("v").unwrap()), ["2.50"]);
    assert_eq!(checked.rejections.iter().map(|refused| refused.rule).collect::<Vec<_>>(), [Rule::Withheld]);
}

#[test]
fn a_dropped_column_is_checked_and_not_there() {
    let dropped = "{name: v, required: true, logicalType: string, logicalTypeOptions: {pattern: '[a-z]+'}, customProperties: [{property: polder.mask, value: {drop: true}}]}";
    let both = contract(&[dropped, "{name: id, logicalType: integer, primaryKey: true}"]);
    assert_eq!(both.arrow_schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["id"]);
    let gate = gate_of(both);
    let checked = gate.check(batch(vec![csv(&["ann", "ANN", "bob"]), csv(&["1", "2", "1"])], 0)).unwrap();
    assert_eq!(checked.rejections.iter().map(|refused| (refused.record, refused.rule)).collect::<Vec<_>>(), [(2, Rule::Pattern)]);
    assert_eq!(shown(checked.admitted.batch().column(0)), ["1", "1"]);
    // The key's place in the table is another than in the contract.
    let duplicates = gate.finish().unwrap();
    assert_eq!(duplicates.ordinals().collect::<Vec<_>>(), [2]);
}

#[test]
fn rules_hold_for_the_value_as_it_came_and_keys_for_the_masked_one() {
    let gate = gate_of(contract(&[
        "{name: v, required: true, unique: true, logicalType: string, logicalTypeOptions: {maxLength: 5, minLength: 3}, customProperties: [{property: polder.mask, value: {pseudonymise: patients, normalise: [digits]}}]}",
    ]));
    let checked = gate.check(batch(vec![csv(&["123", "1 23", "12", "1234567", "abc", "456"])], 0)).unwrap();
    let refused: Vec<_> = checked.rejections.iter().map(|refused| (refused.record, refused.rule)).collect();
    assert_eq!(refused, [(3, Rule::MinLength), (4, Rule::MaxLength), (5, Rule::Normalise)]);
    assert_eq!(gate.finish().unwrap().ordinals().collect::<Vec<_>>(), [1]);
}

const QUARANTINED: [&str; 3] = [
    "{name: nir, logicalType: string, logicalTypeOptions: {pattern: '[0-9]+'}, customProperties: [{property: polder.mask, value: {pseudonymise: patients}}]}",
    "{name: born, logicalType: date, customProperties: [{property: polder.mask, value: {truncate: year}}]}",
    "{name: name, logicalType: string, logicalTypeOptions: {maxLength: 20}, customProperties: [{property: polder.mask, value: {drop: true}}]}",
];
const AGE: &str = "{name: age, logicalType: integer, logicalTypeOptions: {maximum: 150}}";

fn wide(age: &str) -> Vec<&str> {
    QUARANTINED.into_iter().chain([age]).collect()
}

/// Rows of which each breaks a rule: of the age, of a masked column, of both.
fn refused() -> (Vec<u8>, Checked) {
    let contract = contract(&wide(AGE));
    let cells = vec![
        csv(&["1850578", "1850579", "plain-nir", "plain-nir"]),
        csv(&["1985-05-17", "1985-05-18", "1985-05-19", "not-a-date"]),
        csv(&["Ann Plainname", "Bob Plainname", "Cid Plainname", "A name of more than twenty"]),
        csv(&["999", "12", "30", "999"]),
    ];
    let mut writer = Writer::new(&contract);
    let checked = gate_of(contract).check(batch(cells, 0)).unwrap();
    checked.rejections.iter().for_each(|rejection| writer.push(rejection));
    (writer.finish(), checked)
}

#[test]
fn quarantine_holds_no_plain_value_of_a_masked_column() {
    let (bytes, checked) = refused();
    assert_eq!(checked.admitted.rows(), 1);
    let rows: Vec<_> = Reader::open(&bytes).unwrap().map(Result::unwrap).collect();
    let texts =
        |at: usize| rows[at].cells.iter().map(|(kind, bytes)| (*kind, String::from_utf8(bytes.clone()).unwrap())).collect::<Vec<_>>();
    let (masked, withheld, as_it_came) = (CellKind::Masked, CellKind::Withheld, CellKind::Text);
    assert_eq!(
        texts(0),
        [
            (masked, pseudonym("patients", "1850578")),
            (masked, "1985-01-01".to_owned()),
            (masked, String::new()),
            (as_it_came, "999".to_owned())
        ]
    );
    assert_eq!(texts(1)[0], (withheld, String::new()));
    assert_eq!(texts(2)[..3], [(withheld, String::new()), (withheld, String::new()), (withheld, String::new())]);
    let raw = String::from_utf8_lossy(&bytes).into_owned();
    for plain in ["1850578", "plain-nir", "1985-05", "not-a-date", "Plainname", "twenty"] {
        assert!(!raw.contains(plain), "{plain}");
    }
    // The control: what is not masked is there.
    assert!(raw.contains("999"));
}

fn replayed(contract: &Contract) -> Result<Replay, crate::Error> {
    replay(&refused().0, contract, Arc::from("q"), 0)
}

#[test]
fn a_replay_takes_masked_values_as_they_are() {
    let wider = contract(&wide(&AGE.replace("150", "1000")));
    let checked = gate_of(wider.clone()).check(replayed(&wider).unwrap().batch).unwrap();
    let stored = checked.admitted.batch();
    let row: Vec<String> = stored.columns().iter().map(|column| shown(column)[0].clone()).collect();
    assert_eq!((stored.num_rows(), row), (1, vec![pseudonym("patients", "1850578"), "1985-01-01".to_owned(), "999".to_owned()]));
    // What was not kept cannot be judged again.
    let refused: Vec<_> = checked.rejections.iter().map(|refused| (refused.column.as_deref(), refused.rule)).collect();
    assert_eq!(refused, [(Some("nir"), Rule::Withheld), (Some("nir"), Rule::Withheld)]);
    // Kept again, and taken up again, it is the same.
    let mut writer = Writer::new(&wider);
    let narrow = contract(&wide(AGE));
    let again = gate_of(narrow.clone()).check(replayed(&narrow).unwrap().batch).unwrap();
    again.rejections.iter().for_each(|rejection| writer.push(rejection));
    let once_more = replay(&writer.finish(), &wider, Arc::from("q"), 0).unwrap();
    let checked = gate_of(wider).check(once_more.batch).unwrap();
    assert_eq!(shown(checked.admitted.batch().column(0)), [pseudonym("patients", "1850578")]);
}

#[test]
fn a_replay_under_another_mask_or_another_rule_of_a_masked_column_is_refused() {
    for (from, to) in [
        ("pseudonymise: patients", "pseudonymise: staff"),
        ("pseudonymise: patients", "pseudonymise: patients, normalise: [trim]"),
        ("pseudonymise: patients", "encrypt: patients"),
        ("truncate: year", "truncate: month"),
        ("'[0-9]+'", "'[0-9]{3}'"),
        (", customProperties: [{property: polder.mask, value: {drop: true}}]", ""),
    ] {
        let properties: Vec<String> = wide(AGE).iter().map(|property| property.replace(from, to)).collect();
        let changed = contract(&properties.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(matches!(replayed(&changed), Err(crate::Error::MaskedOtherwise { .. })), "{from} to {to}");
    }
    // What was kept in the clear, before the contract masked anything, is masked now.
    let plain = contract(&["{name: nir, logicalType: string}", AGE]);
    let mut writer = Writer::new(&plain);
    let checked = gate_of(plain).check(batch(vec![csv(&["1850578"]), csv(&["999"])], 0)).unwrap();
    checked.rejections.iter().for_each(|rejection| writer.push(rejection));
    let masked = contract(&[QUARANTINED[0], &AGE.replace("150", "1000")]);
    let replay = replay(&writer.finish(), &masked, Arc::from("q"), 0).unwrap();
    let checked = gate_of(masked).check(replay.batch).unwrap();
    assert_eq!(shown(checked.admitted.batch().column(0)), [pseudonym("patients", "1850578")]);
}

#[test]
fn repeated_rows_are_kept_masked_and_taken_up_again() {
    let keyed = contract(&[
        "{name: nir, primaryKey: true, logicalType: string, customProperties: [{property: polder.mask, value: {pseudonymise: patients}}]}",
        QUARANTINED[2],
        "{name: age, logicalType: integer}",
    ]);
    let gate = gate_of(keyed.clone());
    let cells = vec![csv(&["1850578", "1850578"]), csv(&["Ann Plainname", "Ann Plainname"]), csv(&["1", "2"])];
    let staged = gate.check(batch(cells, 0)).unwrap().admitted.into_batch();
    let mut writer = Writer::new(&keyed);
    for duplicate in gate.finish().unwrap().iter() {
        writer.push(&duplicate.into_rejection(&staged, 1));
    }
    let bytes = writer.finish();
    let raw = String::from_utf8_lossy(&bytes).into_owned();
    assert!(!raw.contains("1850578") && !raw.contains("Plainname"));
    let replay = replay(&bytes, &keyed, Arc::from("q"), 0).unwrap();
    let checked = gate_of(keyed).check(replay.batch).unwrap();
    let columns: Vec<String> = checked.admitted.batch().columns().iter().map(|column| shown(column)[0].clone()).collect();
    assert_eq!((checked.rejections, columns), (vec![], vec![pseudonym("patients", "1850578"), "2".to_owned()]));
}

#[test]
fn without_a_key_nothing_comes_in() {
    let unknown = contract(&[&column("logicalType: string", "{pseudonymise: unknown}")]);
    assert!(matches!(Gate::new(approved(unknown.clone()), masking()), Err(crate::Error::FieldKey { .. })));
    assert!(Gate::new(approved(unknown), options(Arc::new(MemorySpill::default()))).is_err());
}

#[test]
fn an_approval_does_not_cover_another_mask() {
    let hash = |mask: &str| {
        let settings =
            if mask.is_empty() { String::new() } else { format!(", customProperties: [{{property: polder.mask, value: {mask}}}]") };
        contract(&[&format!("{{name: v, logicalType: string{settings}}}"), "{name: w, logicalType: string}"]).semantic_hash()
    };
    let masks = [
        "",
        "{pseudonymise: a}",
        "{pseudonymise: b}",
        "{pseudonymise: a, normalise: [trim]}",
        "{pseudonymise: a, normalise: [trim, lower]}",
        "{encrypt: a}",
        "{encrypt: a, deterministic: true}",
        "{truncate: 3}",
        "{truncate: 4}",
        "{generalise: {prefix: 3}}",
        "{drop: true}",
    ];
    for (at, mask) in masks.iter().enumerate() {
        for other in &masks[at + 1..] {
            assert_ne!(hash(mask), hash(other), "{mask} and {other}");
        }
    }
    let accepted = |reason: &str| {
        let mask = "{property: polder.mask, value: {pseudonymise: a}}";
        let property =
            format!("{{name: v, logicalType: boolean, customProperties: [{mask}, {{property: polder.acceptFewValues, value: {reason}}}]}}");
        contract(&[&property]).semantic_hash()
    };
    assert_ne!(accepted("one reason"), accepted("another"));
}

#[test]
fn error_texts() {
    let mut texts = String::new();
    for (logical, mask, more) in [
        ("logicalType: string", "pseudonymise", ""),
        ("logicalType: string", "{}", ""),
        ("logicalType: string", "{pseudonymise: a, drop: true}", ""),
        ("logicalType: string", "{pseudonymize: a}", ""),
        ("logicalType: string", "{pseudonymise: A b, normalise: [trim, lowercase]}", ""),
        ("logicalType: string", "{pseudonymise: a, deterministic: true}", ""),
        ("logicalType: number", "{pseudonymise: a}", ""),
        ("logicalType: string", "{encrypt: a, deterministic: yes please}", ""),
        ("logicalType: integer", "{truncate: 3}", ""),
        ("logicalType: string", "{truncate: 0}", ""),
        ("logicalType: date", "{truncate: quarter}", ""),
        ("logicalType: string", "{truncate: year}", ""),
        ("logicalType: integer", "{generalise: {step: 1}}", ""),
        ("logicalType: string", "{generalise: {step: 10}}", ""),
        ("logicalType: integer", "{generalise: {step: 10, to: year}}", ""),
        ("logicalType: date", "{generalise: {to: week}}", ""),
        ("logicalType: string", "{drop: false}", ""),
        ("logicalType: string, unique: true", "{encrypt: a}", ""),
        ("logicalType: string, primaryKey: true", "{truncate: 3}", ""),
        ("logicalType: string, logicalTypeOptions: {maxLength: 3}", "{truncate: 3}", ""),
        ("logicalType: boolean", "{pseudonymise: a}", ""),
        ("logicalType: string, logicalTypeOptions: {maxLength: 2}", "{encrypt: a, deterministic: true}", ""),
        ("logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 120}", "{pseudonymise: a}", ""),
        (
            "logicalType: string, quality: [{type: library, metric: invalidValues, arguments: {validValues: [A, B]}, mustBe: 0}]",
            "{pseudonymise: a}",
            "",
        ),
        ("logicalType: string", "{pseudonymise: a}", ", {property: polder.acceptFewValues, value: a reason}"),
        ("logicalType: boolean", "{pseudonymise: a}", ", {property: polder.acceptFewValues, value: ''}"),
        ("logicalType: string", "{encrypt: a}", ", {property: polder.acceptDomain, value: [b]}"),
        ("logicalType: string", "{drop: true}", ""),
    ] {
        let head = "apiVersion: v3.1.0\nkind: DataContract\nid: c1\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {property: polder.source, value: s}\n";
        let property = format!("{{name: v, {logical}, customProperties: [{{property: polder.mask, value: {mask}}}{more}]}}");
        let text = format!("{head}schema:\n  - name: t\n    properties:\n      - {property}\n");
        let problems = Contract::parse(&text, "t.odcs.yaml").expect_err(&property);
        texts.push_str(&format!("# {logical}: {mask}{more}\n{problems}\n\n"));
    }
    insta::assert_snapshot!(texts);
}

#[test]
fn few_values_are_accepted_by_name() {
    let mask = "{property: polder.mask, value: {pseudonymise: a}}";
    let accepted = contract_with(
        &[&format!("{{name: v, logicalType: boolean, customProperties: [{mask}, {{property: polder.acceptFewValues, value: a reason}}]}}")],
        "",
    );
    assert_eq!(accepted.columns[0].stored(), Some(ColumnType::String));
    // At random, and where nothing is linked, few values are no reason.
    for mask in ["{encrypt: a}", "{drop: true}"] {
        contract(&[&column("logicalType: boolean", mask), "{name: w, logicalType: string}"]);
    }
}
