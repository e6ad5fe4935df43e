//! Sources that are databases: real servers, read through TLS, row for row what they hold.

mod adbc;
mod downgrade;
mod faults;
mod histories;
mod increments;
mod laws;
mod mariadb;
mod meddler;
mod merges;
mod postgres;
mod proxy;
mod secrets;
mod session;
mod sources;
mod sqlite;
mod story;

use serde_json::Value;

use crate::harness::Project;

/// Columns of a contract: name, its ODCS logical type with options, and whether it is of the key.
pub struct Column {
    pub name: &'static str,
    /// Such as `logicalType: integer`.
    pub ty: &'static str,
    pub key: bool,
}

pub const fn column(name: &'static str, ty: &'static str) -> Column {
    Column { name, ty, key: false }
}

pub const fn key(name: &'static str, ty: &'static str) -> Column {
    Column { name, ty, key: true }
}

/// A contract's text; `more` are lines of custom properties.
pub fn contract(table: &str, source: &str, dataset: &str, columns: &[Column], more: &[&str]) -> String {
    let mut text = format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: 6f1c2f0e-58f1-4c0e-9a38-0d4b6d1f7a{:02}\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {{property: polder.source, value: {source}}}\n",
        table.len() + 20
    );
    for line in more {
        text += &format!("  - {line}\n");
    }
    text += &format!("schema:\n  - name: {table}\n    physicalName: {dataset}\n    properties:\n");
    let mut position = 0;
    for column in columns {
        let name = column.name;
        let key = if column.key {
            position += 1;
            format!(", required: true, primaryKey: true, primaryKeyPosition: {position}")
        } else {
            String::new()
        };
        text += &format!("      - {{name: {name}, physicalName: {name}, {}{key}}}\n", column.ty);
    }
    text
}

impl Project {
    /// Writes a contract and approves it.
    #[track_caller]
    pub fn contract(&self, table: &str, text: &str) {
        self.write(&format!("contracts/{table}.odcs.yaml"), text);
        self.run(&["contract", "approve", table, "--yes"]).ok();
    }

    /// The report of a run's only batch, whatever became of it.
    #[track_caller]
    pub fn batch(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
        let ran = self.run(&args);
        let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
        assert_eq!(report["batches"].as_array().map(Vec::len), Some(1), "{ran:?}");
        report["batches"][0].clone()
    }
}
