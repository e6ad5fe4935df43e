//! A million rows that follow from their number, as Polder and PostgreSQL hold them, and which of them are seen.

use std::io::Write;
use std::path::Path;

use anyhow::Result;

use crate::serving::Installation;

pub const ROWS: u64 = 1_000_000;
pub const ACCOUNT: &str = "ann";
pub const PASSWORD: &str = "ann-keeps-the-north-1";

const CONTRACT: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: 7a2d3f0e-58f1-4c0e-9a38-0d4b6d1f7c01
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: readings}
schema:
  - name: readings
    physicalName: readings
    properties:
      - {name: id, physicalName: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1, logicalTypeOptions: {format: i64}}
      - {name: region, physicalName: region, logicalType: string, required: true}
      - {name: patient, physicalName: patient, logicalType: string, required: true}
      - {name: amount, physicalName: amount, logicalType: integer, required: true, logicalTypeOptions: {format: i64}}
"#;

const POLICY: &str = r#"@id("north-sees-the-north")
permit (principal in Group::"north", action == Action::"ReadRow", resource is Row::readings)
when { resource.region == "north" };

@id("north-reads")
permit (principal in Group::"north", action == Action::"ReadColumn", resource in Table::"readings");
"#;

fn region(id: u64) -> &'static str {
    match id % 3 {
        0 => "east",
        1 => "north",
        _ => "south",
    }
}

fn row(id: u64) -> String {
    format!("{id},{},Patient {id:07},{}", region(id), id * 7_919 % 1_000_003)
}

/// What is right for a key, as texts.
pub fn seen(id: u64) -> Vec<String> {
    if region(id) == "north" { vec![row(id)] } else { Vec::new() }
}

/// All rows as CSV with a header.
pub fn write(file: &mut dyn Write) -> std::io::Result<()> {
    writeln!(file, "id,region,patient,amount")?;
    (1..=ROWS).try_for_each(|id| writeln!(file, "{}", row(id)))
}

/// Polder's installation with the rows.
pub fn install(program: &Path, root: &Path) -> Result<Installation> {
    let made = Installation::make(program, root)?;
    made.file("data/readings.csv", write)?;
    made.text("sources/readings.yaml", "type: csv\npath: data\ndatasets:\n  readings: {file: readings.csv}\n")?;
    made.text("contracts/readings.odcs.yaml", CONTRACT)?;
    made.text("policies/readings.cedar", POLICY)?;
    made.settings("    listeners: {postgres: \"127.0.0.1:0\"}\n")?;
    made.run(&["contract", "approve", "--all", "--yes"])?;
    made.run(&["run"])?;
    made.run(&["group", "add", "north"])?;
    made.account(ACCOUNT, "north", PASSWORD)?;
    Ok(made)
}

/// Keys all over the table, the same in each run: two of three are seen.
pub struct Keys(u64);

impl Keys {
    pub const fn new() -> Self {
        Self(0)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 += 1;
        // A step that has no divisor with the number of rows comes to each once; one key of three is moved to a row that is seen.
        let key = 1 + self.0 * 387_371 % ROWS;
        if self.0.is_multiple_of(2) && key + 2 <= ROWS { key + (4 - key % 3) % 3 } else { key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_all_over_and_two_of_three_are_seen() {
        let mut keys = Keys::new();
        let found: Vec<u64> = (0..3_000).map(|_| keys.draw()).collect();
        assert!(found.iter().all(|key| (1..=ROWS).contains(key)));
        let seen = found.iter().filter(|key| !seen(**key).is_empty()).count();
        assert!((1_900..=2_100).contains(&seen), "{seen}");
        for tenth in 0..10 {
            assert!(found.iter().any(|key| key / (ROWS / 10) == tenth));
        }
    }

    #[test]
    fn a_row_is_what_both_are_given() {
        assert_eq!(seen(4), ["4,north,Patient 0000004,31676"]);
        assert!(seen(5).is_empty());
    }
}
