//! What one is told of tables before asking for their rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use polder_policy::{Mask, Sight};

use super::bed::{Bed, BedBuilder, owner, user};
use crate::{Asker, QueryOptions, SeenTable};

fn bed() -> Bed {
    let staff = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
        ("ward", Arc::new(StringArray::from(vec!["a", "b"]))),
        ("salary", Arc::new(Int64Array::from(vec![Some(1), None]))),
        ("born", Arc::new(Date32Array::from(vec![1, 2]))),
    ])
    .unwrap();
    let secret = RecordBatch::try_from_iter([("word", Arc::new(StringArray::from(vec!["x"])) as ArrayRef)]).unwrap();
    BedBuilder::new()
        .table("staff", vec![staff.clone()])
        .table("staff", vec![staff])
        .table("secret", vec![secret.clone()])
        .table("closed", vec![secret])
        .classified("staff", "salary", "confidential")
        .model("wards", "-- polder: materialized = view\nselect ward, count(*) as heads from staff group by ward")
        .policy(r#"permit (principal == User::"bob", action == Action::"ReadRow", resource is Row::staff) when { resource.ward == "a" };"#)
        .policy(r#"permit (principal == User::"bob", action == Action::"ReadColumn", resource == Column::"staff.id");"#)
        .policy(r#"@mask("last4") permit (principal == User::"bob", action == Action::"ReadMasked", resource == Column::"staff.salary");"#)
        .policy(
            r#"@mask("year") permit (principal == User::"bob", action == Action::"ReadMasked", resource == Column::"staff.born")
            when { context has purpose && context.purpose == "billing" };"#,
        )
        .policy(r#"permit (principal == User::"bob", action == Action::"Describe", resource == Table::"closed");"#)
        .policy(r#"permit (principal == User::"bob", action == Action::"Read", resource == Table::"wards");"#)
        .build()
}

async fn tables(bed: &Bed, asker: &Asker, purpose: Option<&str>) -> Vec<SeenTable> {
    bed.door.tables(asker, purpose).await.unwrap()
}

fn names(tables: &[SeenTable]) -> Vec<&str> {
    tables.iter().map(|table| table.name.as_str()).collect()
}

#[tokio::test]
async fn one_is_told_of_what_one_may_see() {
    let bed = bed();
    let (bob, eve) = (user("bob"), user("eve"));
    assert!(tables(&bed, &eve, None).await.is_empty());
    assert_eq!(names(&tables(&bed, &owner(), None).await), ["closed", "secret", "staff", "wards"]);
    let seen = tables(&bed, &bob, None).await;
    assert_eq!(names(&seen), ["closed", "staff", "wards"]);
    assert!(seen[0].columns.is_empty(), "what may be known of and not read has no columns");
    let staff = &seen[1];
    assert!(staff.filtered && !staff.model && staff.version == 1);
    assert_eq!(staff.classification.as_deref(), Some("confidential"));
    let columns: Vec<_> =
        staff.columns.iter().map(|column| (column.name.as_str(), &column.data_type, column.nullable, column.sight)).collect();
    let masked = Sight::Masked(Mask::Last4);
    assert_eq!(columns, [("id", &DataType::Int64, false, Sight::Clear), ("salary", &DataType::Utf8View, true, masked)]);
    assert_eq!(staff.columns[1].classification.as_deref(), Some("confidential"));
    let view = &seen[2];
    assert!(view.model && !view.filtered && view.version == 0);
    assert_eq!(view.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["ward", "heads"]);
    let billing = tables(&bed, &bob, Some("billing")).await;
    assert_eq!(billing[1].columns.last().map(|column| (column.name.as_str(), column.sight)), Some(("born", Sight::Masked(Mask::Year))));
    // Nothing was opened, which the tables of this bed would not let happen without a record.
    assert!(bed.ledger.kinds().is_empty());
}

/// What is told of columns is what comes of asking for all of them.
#[tokio::test]
async fn columns_are_told_as_they_come() {
    let bed = bed();
    for asker in [user("bob"), owner()] {
        for table in tables(&bed, &asker, None).await.iter().filter(|table| !table.columns.is_empty()) {
            let sql = format!("select * from {}", table.name);
            let described = bed.door.describe(&asker, &sql, &QueryOptions::default()).await.unwrap();
            let told: Vec<_> = table.columns.iter().map(|column| (column.name.as_str(), &column.data_type)).collect();
            let come: Vec<_> = described.schema.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
            assert_eq!(told, come, "{sql}");
        }
    }
}
