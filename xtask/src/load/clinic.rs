//! What is asked, and what is right: rows that follow from their number, policies that show part of them, and the rows that each account is to
//! be given, computed here from the same numbers and not by Polder.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use anyhow::Result;

use crate::serving::Installation;

/// Visits; a larger answer holds a third of them or all.
pub const VISITS: u64 = 12_000;
/// Clinics that visits are of.
const CLINICS: u64 = 30;
/// How many visits a range asks for.
pub const RANGE: u64 = 20;
const REGIONS: [&str; 3] = ["east", "north", "south"];

/// Answers share this much memory, in MiB.
const MEMORY_MIB: u64 = 128;
/// From one address, all of which is this machine's: those that are kept, and room for those that come and go.
const CONNECTIONS_PER_ADDRESS: u64 = 600;

/// What of the visits an account sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sight {
    /// The north: of names the end, of birth dates the year, no notes.
    North,
    /// The south: names as they are, of birth dates the year, neither amounts nor notes.
    South,
    /// Everything but the payroll, which nobody sees.
    All,
}

/// An account.
#[derive(Debug)]
pub struct Account {
    pub name: &'static str,
    pub password: &'static str,
    pub sight: Sight,
}

pub static ACCOUNTS: [Account; 4] = [
    Account { name: "ann", password: "ann-keeps-the-north-1", sight: Sight::North },
    Account { name: "ben", password: "ben-keeps-the-south-2", sight: Sight::South },
    Account { name: "cleo", password: "cleo-reads-everything-3", sight: Sight::All },
    Account { name: "dan", password: "dan-reads-everything-4", sight: Sight::All },
];

/// Rows as texts, as the protocol gives them.
pub type Rows = Vec<Vec<String>>;

/// A name for rows; equal ones have the same.
pub fn digest(rows: &[Vec<String>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    rows.hash(&mut hasher);
    hasher.finish()
}

impl Sight {
    fn group(self) -> &'static str {
        match self {
            Self::North => "north",
            Self::South => "south",
            Self::All => "analysts",
        }
    }

    /// The columns that may be asked for.
    pub fn columns(self) -> &'static str {
        match self {
            Self::North => "id, patient, region, born, amount, clinic",
            Self::South => "id, patient, region, born, clinic",
            Self::All => "id, patient, region, born, amount, clinic, note",
        }
    }

    fn sees(self, id: u64) -> bool {
        match self {
            Self::North => region(id) == "north",
            Self::South => region(id) == "south",
            Self::All => true,
        }
    }

    fn visits(self) -> impl Iterator<Item = u64> {
        (1..=VISITS).filter(move |id| self.sees(*id))
    }

    fn patient(self, id: u64) -> String {
        let name = patient(id);
        match self {
            Self::North => format!("***{}", name.get(name.len().saturating_sub(4)..).unwrap_or_default()),
            Self::South | Self::All => name,
        }
    }

    fn row(self, id: u64) -> Vec<String> {
        let born = if self == Self::All { born(id) } else { format!("{}-01-01", year(id)) };
        let mut row = vec![id.to_string(), self.patient(id), region(id).to_owned(), born];
        if self != Self::South {
            row.push(amount(id));
        }
        row.push(clinic(id).to_string());
        if self == Self::All {
            row.push(note(id));
        }
        row
    }

    /// One visit, where it is seen.
    pub fn point(self, id: u64) -> Rows {
        if self.sees(id) { vec![self.row(id)] } else { Vec::new() }
    }

    /// All visits, by id.
    pub fn all(self) -> Rows {
        self.visits().map(|id| self.row(id)).collect()
    }

    /// Id, patient and clinic of a range of visits, by id.
    pub fn range(self, from: u64) -> Rows {
        let seen = (from..=from + RANGE).filter(|id| (1..=VISITS).contains(id) && self.sees(*id));
        seen.map(|id| vec![id.to_string(), self.patient(id), clinic(id).to_string()]).collect()
    }

    /// Number, sum of clinics and last id, by region.
    pub fn regions(self) -> Rows {
        let mut regions: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
        for id in self.visits() {
            let (count, clinics, last) = regions.entry(region(id)).or_default();
            (*count, *clinics, *last) = (*count + 1, *clinics + clinic(id), id.max(*last));
        }
        regions.into_iter().map(|(region, (count, clinics, last))| cells(region, &[count, clinics, last])).collect()
    }

    /// Number of visits up to an id, by the clinic's name.
    pub fn clinics(self, most: u64) -> Rows {
        let mut clinics: BTreeMap<String, u64> = BTreeMap::new();
        for id in self.visits().take_while(|id| *id <= most) {
            *clinics.entry(clinic_name(clinic(id))).or_default() += 1;
        }
        clinics.into_iter().map(|(name, count)| cells(&name, &[count])).collect()
    }
}

fn cells(first: &str, numbers: &[u64]) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(numbers.iter().map(u64::to_string)).collect()
}

fn region(id: u64) -> &'static str {
    REGIONS.iter().cycle().nth(usize::try_from(id % 3).unwrap_or_default()).copied().unwrap_or_default()
}

fn patient(id: u64) -> String {
    format!("Patient {id:05}")
}

fn year(id: u64) -> u64 {
    1940 + id % 70
}

fn born(id: u64) -> String {
    format!("{}-{:02}-{:02}", year(id), 1 + id % 12, 1 + id % 28)
}

fn amount(id: u64) -> String {
    let cents = id * 37 % 100_000;
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn clinic(id: u64) -> u64 {
    1 + id % CLINICS
}

fn clinic_name(clinic: u64) -> String {
    format!("clinic {clinic:02}")
}

fn note(id: u64) -> String {
    format!("seen on ward {} and sent home, {} days later seen again", id % 11, id % 13)
}

const VISITS_CONTRACT: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: 7a2d3f0e-58f1-4c0e-9a38-0d4b6d1f7b01
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: clinic}
schema:
  - name: visits
    physicalName: visits
    properties:
      - {name: id, physicalName: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1, logicalTypeOptions: {format: i64}}
      - {name: patient, physicalName: patient, logicalType: string, required: true, classification: personal, customProperties: [{property: polder.personal, value: [person_name]}]}
      - {name: region, physicalName: region, logicalType: string, required: true}
      - {name: born, physicalName: born, logicalType: date, classification: personal}
      - {name: amount, physicalName: amount, logicalType: number, physicalType: "decimal(12,2)"}
      - {name: clinic, physicalName: clinic, logicalType: integer, required: true, logicalTypeOptions: {format: i64}}
      - {name: note, physicalName: note, logicalType: string}
"#;

const CLINICS_CONTRACT: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: 7a2d3f0e-58f1-4c0e-9a38-0d4b6d1f7b02
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: clinic}
schema:
  - name: clinics
    physicalName: clinics
    properties:
      - {name: id, physicalName: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1, logicalTypeOptions: {format: i64}}
      - {name: name, physicalName: name, logicalType: string, required: true}
"#;

const PAYROLL_CONTRACT: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: 7a2d3f0e-58f1-4c0e-9a38-0d4b6d1f7b03
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: clinic}
schema:
  - name: payroll
    physicalName: payroll
    properties:
      - {name: id, physicalName: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1, logicalTypeOptions: {format: i64}}
      - {name: salary, physicalName: salary, logicalType: integer, required: true, logicalTypeOptions: {format: i64}}
"#;

const POLICIES: &str = r#"@id("north-sees-the-north")
permit (principal in Group::"north", action == Action::"ReadRow", resource is Row::visits)
when { resource.region == "north" };

@id("north-reads")
permit (principal in Group::"north", action == Action::"ReadColumn", resource in Table::"visits")
when { ["id", "region", "amount", "clinic"].contains(resource.name) };

@id("north-sees-the-end-of-names")
@mask("last4")
permit (principal in Group::"north", action == Action::"ReadMasked", resource == Column::"visits.patient");

@id("south-sees-the-south")
permit (principal in Group::"south", action == Action::"ReadRow", resource is Row::visits)
when { resource.region == "south" };

@id("south-reads")
permit (principal in Group::"south", action == Action::"ReadColumn", resource in Table::"visits")
when { ["id", "patient", "region", "clinic"].contains(resource.name) };

@id("years-are-enough")
@mask("year")
permit (principal, action == Action::"ReadMasked", resource == Column::"visits.born")
when { principal in Group::"north" || principal in Group::"south" };

@id("analysts-read-visits")
permit (principal in Group::"analysts", action == Action::"Read", resource == Table::"visits");

@id("all-read-clinics")
permit (principal, action == Action::"Read", resource == Table::"clinics")
when { principal in Group::"north" || principal in Group::"south" || principal in Group::"analysts" };
"#;

/// The installation, loaded, with its accounts.
pub fn install(program: &Path, root: &Path) -> Result<Installation> {
    let made = Installation::make(program, root)?;
    made.text(
        "sources/clinic.yaml",
        "type: csv\npath: data\ndatasets:\n  visits: {file: visits.csv}\n  clinics: {file: clinics.csv}\n  payroll: {file: payroll.csv}\n",
    )?;
    made.file("data/visits.csv", |file| {
        writeln!(file, "id,patient,region,born,amount,clinic,note")?;
        (1..=VISITS).try_for_each(|id| {
            let row = [id.to_string(), patient(id), region(id).to_owned(), born(id), amount(id), clinic(id).to_string()];
            writeln!(file, "{},\"{}\"", row.join(","), note(id))
        })
    })?;
    made.file("data/clinics.csv", |file| {
        writeln!(file, "id,name")?;
        (1..=CLINICS).try_for_each(|clinic| writeln!(file, "{clinic},{}", clinic_name(clinic)))
    })?;
    made.text("data/payroll.csv", "id,salary\n1,4200\n2,3100\n")?;
    for (table, contract) in [("visits", VISITS_CONTRACT), ("clinics", CLINICS_CONTRACT), ("payroll", PAYROLL_CONTRACT)] {
        made.text(&format!("contracts/{table}.odcs.yaml"), contract)?;
    }
    made.text("policies/clinic.cedar", POLICIES)?;
    made.settings(&format!(
        "    listeners: {{postgres: \"127.0.0.1:0\"}}\n    limits: {{connections_per_address: {CONNECTIONS_PER_ADDRESS}, memory_mib: {MEMORY_MIB}}}\n"
    ))?;
    made.run(&["contract", "approve", "--all", "--yes"])?;
    made.run(&["run"])?;
    for group in [Sight::North, Sight::South, Sight::All].map(Sight::group) {
        made.run(&["group", "add", group])?;
    }
    for Account { name, password, sight } in &ACCOUNTS {
        made.account(name, sight.group(), password)?;
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_right_is_another_thing_for_each_sight() {
        // 4000 is in the north, 4001 in the south, 3999 in neither.
        assert_eq!(Sight::North.point(4000), [["4000", "***4000", "north", "1950-01-01", "480.00", "11"]]);
        assert_eq!(Sight::South.point(4001), [["4001", "Patient 04001", "south", "1951-01-01", "12"]]);
        assert!(Sight::North.point(4001).is_empty() && Sight::South.point(3999).is_empty());
        assert_eq!(Sight::All.point(3999)[0][..4], ["3999", "Patient 03999", "east", "1949-04-24"]);
        assert_eq!((Sight::North.all().len(), Sight::All.all().len()), (4_000, 12_000));
        assert_eq!(Sight::North.regions(), [["north", "4000", "62000", "11998"]]);
        assert_eq!(Sight::All.regions().iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["east", "north", "south"]);
        assert_eq!(Sight::South.range(1).len(), 7);
        assert_eq!(Sight::North.range(VISITS).len(), 0);
        // Visits 1, 4 and so on to 31 are of ten clinics, and only the first of them has two.
        let clinics = Sight::North.clinics(31);
        assert_eq!(
            (clinics.len(), &clinics[..2]),
            (10, &[vec!["clinic 02".to_owned(), "2".to_owned()], vec!["clinic 05".to_owned(), "1".to_owned()]][..])
        );
    }

    #[test]
    fn rows_have_the_same_digest_only_where_they_are_the_same() {
        let rows = Sight::North.range(1);
        assert_eq!(digest(&rows), digest(&Sight::North.range(1)));
        let mut others = [rows.clone(), rows.clone(), rows.clone(), Sight::South.range(1)];
        others[0].pop();
        others[1].swap(0, 1);
        others[2][0][1].push(' ');
        for other in others {
            assert_ne!(digest(&rows), digest(&other));
        }
    }
}
