//! What is unusual about a load is told by the run and by `status`, and stops nothing.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::harness::Project;

const CONTRACT: &str = "apiVersion: v3.1.0\nkind: DataContract\nid: sales\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {property: polder.source, value: shop}\nschema:\n  - name: sales\n    properties:\n      - {name: id, logicalType: integer, primaryKey: true}\n      - {name: amount, logicalType: number}\n      - {name: state, logicalType: string}\n";

/// A day's sales: rows, what amounts are multiplied by, and how many of a hundred have none.
fn day(project: &Project, day: usize, rows: usize, factor: f64, none: usize, more: &str) {
    let mut csv = format!("id,amount,state{}\n", if more.is_empty() { "" } else { ",extra" });
    for row in 0..rows {
        let spread = row * 7_919 % 1_000;
        let amount = if spread % 100 < none { String::new() } else { format!("{:.2}", factor * (20.0 + spread as f64 / 10.0)) };
        let state = ["open", "shut", "late"][spread % 3];
        writeln!(csv, "{},{amount},{state}{more}", day * 1_000_000 + row).unwrap();
    }
    project.write(&format!("data/sales{day:02}.csv"), csv);
}

fn shop() -> Project {
    let project = Project::new();
    project.write("sources/shop.yaml", "type: csv\npath: data\ndatasets:\n  sales: {file: 'sales*.csv'}\n");
    project.write("contracts/sales.odcs.yaml", CONTRACT);
    project.run(&["contract", "approve", "sales", "--yes"]).ok();
    for number in 0..6 {
        day(&project, number, 2_000 + number * 10, 1.0, 3, "");
        let report = project.json(&["run"])["batches"][0].take();
        assert_eq!((&report["status"], &report["anomalies"]), (&json!("committed"), &json!([])), "{report}");
    }
    assert_eq!(project.json(&["status"])["unusual"], json!([]));
    project
}

fn kinds(anomalies: &Value) -> Vec<String> {
    let one = |anomaly: &Value| {
        let (kind, says) = anomaly.as_object().unwrap().iter().next().unwrap();
        format!("{kind} {}", says["column"].as_str().unwrap_or_default())
    };
    anomalies.as_array().unwrap().iter().map(one).collect()
}

#[test]
fn what_is_unusual_about_a_load_is_told_and_stops_nothing() {
    let project = shop();
    // A dry run tells it too, and remembers nothing.
    day(&project, 6, 300, 1.0, 3, "");
    let report = project.json(&["run", "--dry-run"])["batches"][0].take();
    assert_eq!((&report["status"], kinds(&report["anomalies"])), (&json!("checked"), vec!["volume ".to_owned()]));
    let ran = project.run(&["run"]).ok();
    assert!(ran.contains("unusual volume: 300 rows read, usually about 2025"), "{ran}");
    assert_eq!(project.rows("select count(*) as n from sales"), ["12450"]);
    let status = project.run(&["status"]).ok();
    assert!(status.contains("unusual      sales: volume: 300 rows read, usually about 2025"), "{status}");
    // In cents, with more nulls than ever.
    day(&project, 7, 2_040, 100.0, 20, "");
    let report = project.json(&["run"])["batches"][0].take();
    assert_eq!(kinds(&report["anomalies"]), ["nulls amount", "distribution amount"], "{report}");
    let status = project.json(&["status"]);
    assert_eq!(status["unusual"].as_array().unwrap().len(), 2, "{status}");
    // As before.
    day(&project, 8, 2_020, 1.0, 3, "");
    let report = project.json(&["run"])["batches"][0].take();
    assert_eq!((&report["status"], kinds(&report["anomalies"])), (&json!("committed"), vec![]), "{report}");
    assert_eq!(project.json(&["status"])["unusual"], json!([]));
}

#[test]
fn a_column_that_is_new_in_the_source_is_named_once_as_new_and_stays_outside() {
    let project = shop();
    day(&project, 6, 2_000, 1.0, 3, ",surprise");
    // Files of one dataset have the same columns; the older ones are gone.
    let ran = project.run(&["run"]).ok();
    assert!(ran.contains("new in the source since the last load, and outside: extra"), "{ran}");
    day(&project, 7, 2_000, 1.0, 3, ",surprise");
    let report = project.json(&["run"])["batches"][0].take();
    assert_eq!((&report["left_out"], &report["new_outside"]), (&json!(["extra"]), &json!([])), "{report}");
    assert!(project.run(&["sql", "select extra from sales"]).fails(2).contains("extra"));
}
