//! Who may read what, before a change and after it: policies are asked for everyone whom they or `polder.yaml` name, for each group, and for
//! someone whom nobody names.

use std::collections::{BTreeMap, BTreeSet};

use polder_policy::{Circumstances, Explained, ExplainedColumn, Mask, Policies, Sight, Spoken, TableRef, spoken};
use polder_types::PrincipalId;

use crate::described::files;
use crate::failure::Outcome;
use crate::project::{CONTRACT_SUFFIX, FILE};
use crate::reading;
use crate::review::snapshot::Snapshot;
use crate::review::{Level, Review};

/// What of a project decides who reads what.
pub struct Side {
    policies: Policies,
    texts: Vec<(String, String)>,
    tables: Vec<TableRef>,
    /// Groups and their members, of one environment.
    groups: BTreeMap<String, Vec<String>>,
    spoken: Vec<Spoken>,
}

/// A difference in what someone may read of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Who: `user:ann`, `group:nurses` (a user who is in that group alone), or whoever nobody names.
    pub who: String,
    /// The table.
    pub table: String,
    /// What of it: `table` (anything at all), `rows`, or `column ssn`.
    pub what: String,
    /// Whether it lets more be read, or something else, and not only less.
    pub permits: bool,
    /// What could be read.
    pub before: String,
    /// What can be read now.
    pub after: String,
    /// The purposes for which it is so, none for no purpose, where it is not so for all.
    pub purposes: Option<Vec<Option<String>>>,
    /// Ids of the policies that decide it now, sorted; none when it is that no policy permits it.
    pub policies: Vec<String>,
    /// Whether the table or column was not there before.
    pub new: bool,
}

/// Everyone who is asked about.
struct Reader {
    shown: String,
    principal: PrincipalId,
    /// Instead of those of `polder.yaml`.
    groups: Option<Vec<String>>,
}

impl Side {
    /// The side of a snapshot, in an environment.
    ///
    /// # Errors
    /// When the policies cannot be used.
    pub fn of(snapshot: &Snapshot, environment: &str) -> Outcome<Self> {
        let contracts = || snapshot.contracts.iter().map(|file| &file.contract);
        let policies = Policies::load(&snapshot.policies, &files::of_contracts(contracts()))?;
        let settings = snapshot.settings.as_ref().and_then(|settings| settings.environments.get(environment));
        Ok(Self {
            policies,
            texts: snapshot.policies.clone(),
            tables: files::tables(contracts(), snapshot.models.as_ref()),
            groups: settings.map(|settings| settings.groups.clone()).unwrap_or_default(),
            spoken: spoken(&snapshot.policies),
        })
    }

    /// Whether policies look at the time, so that another time may have another answer.
    pub fn looks_at_time(&self) -> bool {
        self.spoken.iter().any(|spoken| spoken.time)
    }

    /// Whether policies and groups are those of another side.
    fn decides_as(&self, other: &Self) -> bool {
        self.texts == other.texts && self.groups == other.groups
    }

    fn table(&self, name: &str) -> Option<&TableRef> {
        self.tables.iter().find(|table| table.name.as_str() == name)
    }

    fn groups_of(&self, principal: &PrincipalId) -> Vec<String> {
        let member = |members: &Vec<String>| members.iter().any(|member| member == principal.as_str());
        self.groups.iter().filter(|(_, members)| member(members)).map(|(group, _)| group.clone()).collect()
    }

    /// Tells which test cases of a snapshot are not as expected.
    fn tests(&self, review: &mut Review, snapshot: &Snapshot, now_micros: i64) {
        for case in &snapshot.policy_tests {
            for miss in case.run(&self.policies, &self.tables, &self.groups_of(&case.principal), now_micros) {
                let by = if miss.policies.is_empty() { String::new() } else { format!(" (by {})", miss.policies.join(", ")) };
                let message = format!("{}, {}: expected {}, got {}{by}", case.name, miss.what, miss.expected, miss.got);
                review.found("policy-test-failed", Level::Error, "policies", &case.file, miss.line, message);
            }
        }
    }

    /// The groups that a reader is in.
    fn groups_as(&self, reader: &Reader) -> Vec<String> {
        reader.groups.clone().unwrap_or_else(|| self.groups_of(&reader.principal))
    }
}

/// Everything that differs at a time in microseconds since 1970, what is newly permitted first; then by table and reader.
pub fn differences(old: &Side, new: &Side, now_micros: i64) -> Vec<Difference> {
    let tables: BTreeSet<&str> = old.tables.iter().chain(&new.tables).map(|table| table.name.as_str()).collect();
    let purposes = old.spoken.iter().chain(&new.spoken).flat_map(|spoken| spoken.purposes.iter());
    let purposes: BTreeSet<Option<&String>> = purposes.map(Some).chain([None]).collect();
    let readers = readers([old, new]);
    let mut found: Vec<Difference> = Vec::new();
    let decided_alike = old.decides_as(new);
    for table in tables {
        let (was, is) = (old.table(table), new.table(table));
        // What decides nothing anew needs not be asked.
        if decided_alike && was == is {
            continue;
        }
        for reader in &readers {
            let (old_groups, new_groups) = (old.groups_as(reader), new.groups_as(reader));
            let mut of_reader: Vec<(Difference, Vec<Option<String>>)> = Vec::new();
            for purpose in &purposes {
                let circumstances = Circumstances::at(now_micros).with_purpose(purpose.cloned());
                let explained = |side: &Side, groups: &[String], table: Option<&TableRef>| {
                    Some(side.policies.explain(&reader.principal, groups, table?, &circumstances))
                };
                let (before, after) = (explained(old, &old_groups, was), explained(new, &new_groups, is));
                for difference in between(&reader.shown, table, before.as_ref(), after.as_ref()) {
                    match of_reader.iter_mut().find(|(other, _)| *other == difference) {
                        Some((_, purposes)) => purposes.push(purpose.cloned()),
                        None => of_reader.push((difference, vec![purpose.cloned()])),
                    }
                }
            }
            found.extend(of_reader.into_iter().map(|(mut difference, of)| {
                difference.purposes = (of.len() < purposes.len()).then_some(of);
                difference
            }));
        }
    }
    found.sort_by_key(|difference| !difference.permits);
    found
}

fn readers(sides: [&Side; 2]) -> Vec<Reader> {
    let spoken = || sides.iter().flat_map(|side| &side.spoken);
    let mut named: BTreeSet<PrincipalId> = BTreeSet::new();
    for (type_name, kind) in [("User", "user"), ("Model", "model"), ("Service", "service")] {
        // A name that is no account's can be nobody's.
        named.extend(spoken().flat_map(|spoken| spoken.named(type_name)).filter_map(|name| PrincipalId::new(kind, name).ok()));
    }
    let members = sides.iter().flat_map(|side| side.groups.values().flatten());
    named.extend(members.filter_map(|member| PrincipalId::new("user", member.strip_prefix("user:")?).ok()));
    let in_files = sides.iter().flat_map(|side| side.groups.keys().map(String::as_str));
    let groups: BTreeSet<&str> = in_files.chain(spoken().flat_map(|spoken| spoken.named("Group"))).collect();
    let someone = |kind: &str| {
        let names = (0..).map(|number: u32| if number == 0 { "anyone".to_owned() } else { format!("anyone-{number}") });
        names.filter_map(|name| PrincipalId::new(kind, &name).ok()).find(|someone| !named.contains(someone))
    };
    let mut readers: Vec<Reader> = Vec::new();
    for group in &groups {
        readers.extend(someone("user").map(|principal| Reader {
            shown: format!("group:{group}"),
            principal,
            groups: Some(vec![(*group).to_owned()]),
        }));
    }
    for (kind, shown) in [("user", "any other user"), ("model", "any other model")] {
        readers.extend(someone(kind).map(|principal| Reader { shown: shown.to_owned(), principal, groups: Some(Vec::new()) }));
    }
    readers.extend(named.iter().map(|principal| Reader { shown: principal.to_string(), principal: principal.clone(), groups: None }));
    readers
}

/// What differs in what one reader may read of one table.
fn between(who: &str, table: &str, before: Option<&Explained>, after: Option<&Explained>) -> Vec<Difference> {
    let readable = |explained: Option<&Explained>| explained.is_some_and(|explained| explained.denied.is_none());
    let difference = |what: String, permits: bool, before_is: String, after_is: String, policies: Vec<String>| Difference {
        who: who.to_owned(),
        table: table.to_owned(),
        what,
        permits,
        before: before_is,
        after: after_is,
        purposes: None,
        policies,
        new: before.is_none(),
    };
    let said = |explained: Option<&Explained>| explained.map_or_else(|| "not there".to_owned(), reading::summary);
    let (Some(old), Some(new), true, true) = (before, after, readable(before), readable(after)) else {
        if readable(before) == readable(after) {
            return Vec::new();
        }
        let policies = after.map(reading::policies).unwrap_or_default();
        return vec![difference("table".to_owned(), readable(after), said(before), said(after), policies)];
    };
    let mut found = Vec::new();
    if old.filter != new.filter {
        // Of two filters nobody can say which lets fewer rows through, so another one may let others through.
        let permits = old.filter.is_some();
        found.push(difference("rows".to_owned(), permits, reading::rows(old), reading::rows(new), reading::rows_policies(new)));
    }
    let (old_columns, new_columns) = (by_name(old), by_name(new));
    let gone = old.columns.iter().filter(|column| !new_columns.contains_key(column.name.as_str()));
    for ExplainedColumn { name, .. } in new.columns.iter().chain(gone) {
        let (was, is) = (old_columns.get(name.as_str()).copied(), new_columns.get(name.as_str()).copied());
        let sight = |column: Option<&ExplainedColumn>| column.map_or(Sight::Hidden, |column| column.sight);
        if sight(was) == sight(is) {
            continue;
        }
        let word = |column: Option<&ExplainedColumn>| column.map_or("not there", |column| reading::word(column.sight)).to_owned();
        let permits = openness(sight(is)) >= openness(sight(was));
        let policies = is.map(|column| column.policies.clone()).unwrap_or_default();
        let mut column = difference(format!("column {name}"), permits, word(was), word(is), policies);
        column.new = was.is_none();
        found.push(column);
    }
    found
}

fn by_name(explained: &Explained) -> BTreeMap<&str, &ExplainedColumn> {
    explained.columns.iter().map(|column| (column.name.as_str(), column)).collect()
}

/// How much of a column is seen; the first and the last characters are as much.
fn openness(sight: Sight) -> usize {
    match sight {
        Sight::Hidden => 0,
        Sight::Masked(Mask::First4 | Mask::Last4) => Mask::ALL.len(),
        Sight::Masked(mask) => Mask::ALL.iter().position(|other| *other == mask).unwrap_or_default() + 1,
        Sight::Clear => usize::MAX,
    }
}

impl Difference {
    /// What it is, in a few words.
    pub fn sentence(&self) -> String {
        let what = if self.what == "table" { String::new() } else { format!("{}: ", self.what) };
        let purposes = self.purposes.as_ref().map(|purposes| format!(" {}", for_purposes(purposes))).unwrap_or_default();
        format!("{what}{}, was {}{purposes}", self.after, self.before)
    }
}

/// `for purpose care, for no purpose`.
pub fn for_purposes(purposes: &[Option<String>]) -> String {
    let shown = purposes.iter().map(|purpose| match purpose {
        Some(purpose) => format!("for purpose {purpose}"),
        None => "for no purpose".to_owned(),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Tells which test cases of policies are not as expected, what a change newly lets be read, and what no longer. A table or column that is new is a matter of its contract's approval, unless
/// policies or groups change with it.
pub(super) fn review(review: &mut Review, old: &Snapshot, new: &Snapshot, now_micros: i64) {
    // What cannot be used was told, and nothing can be said of it here.
    let usable = |snapshot: &Snapshot| {
        let decides = |file: &str| file.ends_with(".cedar") || file.ends_with(CONTRACT_SUFFIX) || file == FILE;
        !snapshot.problems.iter().any(|problem| decides(&problem.file))
    };
    let side = |snapshot: &Snapshot| usable(snapshot).then(|| Side::of(snapshot, &review.environment).ok()).flatten();
    let (before, Some(after)) = (side(old), side(new)) else { return };
    after.tests(review, new, now_micros);
    let Some(before) = before else { return };
    let decided_anew = !before.decides_as(&after);
    let told = |difference: &Difference| (decided_anew || !difference.new) && after.table(&difference.table).is_some();
    // What several may read alike is told once.
    let mut alike: BTreeMap<(bool, String, String), Vec<String>> = BTreeMap::new();
    for difference in differences(&before, &after, now_micros).into_iter().filter(told) {
        let who = alike.entry((!difference.permits, difference.table.clone(), difference.sentence())).or_default();
        who.push(difference.who);
    }
    for ((denies, table, what), who) in alike {
        let file = place(old, new, &before, &after, &table);
        let (rule, level, verb) =
            if denies { ("reads-denied", Level::Note, "no longer read") } else { ("reads-permitted", Level::Warning, "newly read") };
        let message = format!("{} may {verb} of table {table}: {what}", who.join(", "));
        review.found(rule, level, "policies", &file, 1, message);
    }
}

/// The file that the difference comes of: a policy's, else `polder.yaml` for its groups, else the table's contract.
fn place(old: &Snapshot, new: &Snapshot, before: &Side, after: &Side, table: &str) -> String {
    let changed = new.policies.iter().find(|policy| !old.policies.contains(policy)).map(|(file, _)| file.clone());
    let kept = || new.policies.first().map(|(file, _)| file.clone());
    let contract = || new.contract(table).map(|file| file.file.clone());
    let settings = || FILE.to_owned();
    match changed {
        Some(file) => file,
        None if old.policies != new.policies => kept().unwrap_or_else(settings),
        None if before.groups != after.groups => settings(),
        None => contract().unwrap_or_else(settings),
    }
}
