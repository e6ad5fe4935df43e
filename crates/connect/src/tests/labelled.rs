//! The labelled tables of `tests/corpus/discover`, proposed from as a person would. What counts is what the draft says of a column.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use polder_contract::discover::PersonalKind;
use polder_contract::edit::quoted;
use polder_contract::{Column, Mask};

use super::proposal_cases::{Drafted, draft};

const PARTS: [&str; 6] = ["shown", "held_out", "blind", "exports", "registers", "systems"];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/discover")
}

/// What a label says of a column: its name, its kind of personal data or nothing, and its type.
struct Label {
    name: String,
    kind: String,
    ty: String,
}

/// The labels of a part, by table.
fn labels(part: &str) -> BTreeMap<String, Vec<Label>> {
    let mut labels: BTreeMap<String, Vec<Label>> = BTreeMap::new();
    for record in csv::Reader::from_path(corpus().join(format!("{part}.csv"))).unwrap().records().map(Result::unwrap) {
        let [name, kind, ty] = [1, 2, 3].map(|at| record[at].to_owned());
        labels.entry(record[0].to_owned()).or_default().push(Label { name, kind, ty });
    }
    labels
}

/// What stands in a draft for a column, without indentation.
struct Block<'a> {
    /// The lines over the property.
    reasons: Vec<&'a str>,
    /// The property; a comment where the column is left out.
    property: Vec<&'a str>,
}

impl<'a> Block<'a> {
    fn of(text: &'a str, name: &str) -> Self {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let first = format!("- {{name: {},", quoted(name));
        let begins = |line: &str| line.strip_prefix("# ").unwrap_or(line).starts_with(&first);
        let at = lines.iter().position(|line| begins(line)).unwrap_or_else(|| panic!("{name} does not stand in\n{text}"));
        let end = at + lines[at..].iter().position(|line| line.ends_with('}')).unwrap();
        let is_reason = |line: &str| line.starts_with("# ") && !line.starts_with("# - {") && !line.starts_with("#  ");
        let begin = lines[..at].iter().rposition(|line| !is_reason(line)).map_or(0, |before| before + 1);
        Self { reasons: lines[begin..at].to_vec(), property: lines[at..=end].to_vec() }
    }

    fn is_left_out(&self) -> bool {
        self.property[0].starts_with('#')
    }

    /// Whether the column is left out, or comes in masked, because it is personal data of this kind, and is classified as such.
    fn names(&self, kind: PersonalKind) -> bool {
        let left_out = |line: &str| line.starts_with(&format!("# left out: {kind}, by "));
        let masked = |line: &str| line.starts_with(&format!("# {kind}, by ")) && line.ends_with(": comes in as a pseudonym");
        self.reasons.iter().any(|line| if self.is_left_out() { left_out(line) } else { masked(line) })
            && self.property[0].contains("classification: restricted")
    }
}

fn authorised<'a>(drafted: &'a Drafted, name: &str) -> Option<&'a Column> {
    drafted.contract.as_ref()?.columns.iter().find(|column| column.name == name)
}

/// The kind of personal data that a draft names at a column. It is left out for that reason, or comes in under a pseudonym of that kind's
/// domain. What is left out or masked for anything else is not recognised.
fn named(drafted: &Drafted, name: &str) -> Option<PersonalKind> {
    let (block, authorised) = (Block::of(&drafted.text, name), authorised(drafted, name));
    assert_eq!(block.is_left_out(), authorised.is_none(), "{name}\n{}", drafted.text);
    let kind = PersonalKind::ALL.into_iter().find(|kind| block.names(*kind));
    let mask = authorised.and_then(|column| column.mask.as_ref());
    match (kind, authorised) {
        (Some(kind), Some(_)) => {
            let own = matches!(mask, Some(Mask::Pseudonymise { domain, .. }) if domain == kind.name());
            own.then_some(kind)
        }
        (kind, _) => {
            assert!(mask.is_none(), "{name} is masked for a reason that is not told:\n{}", drafted.text);
            kind
        }
    }
}

/// The type that a draft gives a column, as labels write it; nothing where it does not come in.
fn given(drafted: &Drafted, name: &str) -> String {
    authorised(drafted, name).map_or_else(String::new, |column| match &column.format {
        Some(format) => format!("{} {format}", column.ty.to_string().split(' ').next().unwrap()),
        None => column.ty.to_string().replace("with zone", "zone").replace("without zone", "local"),
    })
}

#[derive(Default)]
struct Score {
    personal: u32,
    /// Personal columns whose own kind the draft names.
    recognised: u32,
    /// Columns of which the draft names any kind.
    flagged: u32,
    others: u32,
    /// Other columns that come in with the right type.
    right: u32,
    /// What is not as it is labelled.
    wrong: String,
}

impl Score {
    fn of(part: &str) -> Self {
        let mut score = Self::default();
        for (table, labels) in labels(part) {
            let drafted = draft(&corpus(), &format!("type: csv\npath: {part}\ndatasets: {{d: {{file: {table}.csv}}}}\n"));
            assert!(drafted.refused.is_empty(), "{table}: {:?}\n{}", drafted.refused, drafted.text);
            assert!(drafted.risks.is_empty(), "{table}: {:?}", drafted.risks);
            assert!(!drafted.sample.is_named_by_values(), "{table}");
            for label in labels {
                score.take(&table, &drafted, &label);
            }
        }
        score
    }

    fn take(&mut self, table: &str, drafted: &Drafted, label: &Label) {
        let Label { name, kind, ty } = label;
        let proposed = drafted.proposed.columns.iter().find(|column| column.name == *name).unwrap();
        let (named, given) = (named(drafted, name), given(drafted, name));
        // What is told beside the draft, and stored with the profile, is what the draft says.
        assert_eq!(proposed.personal.as_ref().map(|found| found.kind), named, "{table}.{name}\n{}", drafted.text);
        let said = named.map_or("nothing personal", PersonalKind::name);
        self.flagged += u32::from(named.is_some());
        if kind.is_empty() {
            self.others += 1;
            self.right += u32::from(given == *ty);
            if named.is_some() || given != *ty {
                self.wrong += &format!("  {table}.{name}: drafted as {said}, type {given:?}; it is nothing personal, type {ty}\n");
            }
        } else {
            self.personal += 1;
            self.recognised += u32::from(said == kind);
            if said != kind {
                self.wrong += &format!("  {table}.{name}: missed, drafted as {said}; it is {kind}\n");
            }
        }
    }

    fn add(&mut self, other: &Self) {
        self.personal += other.personal;
        self.recognised += other.recognised;
        self.flagged += other.flagged;
        self.others += other.others;
        self.right += other.right;
    }

    /// Prints the figures, and what is wrong, and holds them to the bars.
    fn is_told_and_held(&self, part: &str) {
        let Self { personal, recognised, flagged, others, right, wrong } = self;
        let share = |some: &u32, all: &u32| f64::from(*some) / f64::from(*all);
        let (recall, precision, types) = (share(recognised, personal), share(recognised, flagged), share(right, others));
        let told = format!(
            "{part}: {} columns; recall {recall:.3} ({recognised} of {personal} personal ones), precision {precision:.3} ({recognised} of \
             {flagged} taken for personal), right type {types:.3} ({right} of {others} others)\n{wrong}",
            personal + others
        );
        print!("{told}");
        assert!(recall >= 0.95 && precision >= 0.9 && types >= 0.9, "{told}");
    }
}

#[test]
fn labelled_tables_are_proposed_as_they_are_labelled() {
    let mut all = Score::default();
    for part in PARTS {
        let score = Score::of(part);
        score.is_told_and_held(part);
        all.add(&score);
    }
    all.is_told_and_held("all");
    assert!(all.personal + all.others >= 800, "{} columns", all.personal + all.others);
}

/// The control: a draft's words decide, not that a column is commented out or masked.
#[test]
fn what_is_left_out_or_masked_for_another_reason_is_not_recognised() {
    let block = |reasons: &[&'static str], property: &[&'static str]| Block { reasons: reasons.to_vec(), property: property.to_vec() };
    let restricted = "# - {name: a, logicalType: string, classification: restricted}";
    let email = |block: Block<'_>| block.names(PersonalKind::Email);
    assert!(email(block(&["# left out: e-mail address, by its name"], &[restricted])));
    assert!(email(block(&["# joins b.c: 100% of its 90 values stand there", "# left out: e-mail address, by its name"], &[restricted])));
    assert!(!email(block(&[], &[restricted])));
    assert!(!email(block(&["# new in the source"], &[restricted])));
    assert!(!email(block(&["# left out: phone number, by its name"], &[restricted])));
    assert!(!email(block(&["# left out: e-mail address, by its name"], &["# - {name: a, logicalType: string}"])));
    let masked =
        ["- {name: a, logicalType: string, classification: restricted,", "customProperties: [{property: polder.mask, value: {x: y}}]}"];
    assert!(email(block(&["# e-mail address, by its name: comes in as a pseudonym"], &masked)));
    assert!(!email(block(&[], &masked)));
    assert!(!email(block(&["# left out: e-mail address, by its name"], &masked)));
    // In a text, each column has its own reasons.
    let text = "    properties:\n      # left out: e-mail address, by its name\n      # - {name: a, logicalType: string, classification: \
                restricted,\n      #    customProperties: [{property: x, value: y}]}\n      - {name: b, logicalType: string,\n         quality: []}\n      \
                # - {name: \"c d\", logicalType: string, classification: restricted}\n";
    assert!(email(Block::of(text, "a")) && !email(Block::of(text, "b")) && !email(Block::of(text, "c d")));
    assert!(Block::of(text, "a").is_left_out() && !Block::of(text, "b").is_left_out());
    assert_eq!(Block::of(text, "b").property.len(), 2);
}
