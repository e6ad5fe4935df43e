//! The text of a policy file: refused, or compiled to filters and masks for each of two askers. Whatever Cedar takes, Polder decides about without
//! breaking, the same each time, and never gives more to a stranger than a policy could name.
#![no_main]

use polder_policy::{Circumstances, ColumnKind, ColumnRef, Policies, TableRef};
use polder_types::{DatasetId, PrincipalId, RequestId, TableName};

fn table() -> TableRef {
    let kinds = [
        ("flag", ColumnKind::Boolean),
        ("number", ColumnKind::Integer),
        ("word", ColumnKind::Text),
        ("day", ColumnKind::Date),
        ("moment", ColumnKind::Timestamp),
        ("other", ColumnKind::Other),
    ];
    let columns = kinds.iter().flat_map(|(name, kind)| {
        [ColumnRef::new(name, *kind), ColumnRef::new(&format!("{name}_required"), *kind).required()]
    });
    let name = TableName::new("t").expect("it is a name");
    TableRef::new(name, DatasetId([1; 16])).with_columns(columns.collect())
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let table = table();
    let files = [("fuzz.cedar".to_owned(), text.to_owned())];
    let Ok(policies) = Policies::load(&files, std::slice::from_ref(&table)) else { return };
    let circumstances = Circumstances::at(1_700_000_000_000_000).with_purpose(Some("billing".to_owned()));
    for (name, groups) in [("ann", vec!["nurses".to_owned()]), ("nobody", vec![])] {
        let principal = PrincipalId::new("user", name).expect("it is a principal");
        let access = || policies.access(&principal, &groups, &table, &circumstances, RequestId([2; 16]));
        match (access(), access()) {
            (Ok(one), Ok(other)) => {
                assert_eq!(one.rows(), other.rows());
                assert!(!one.policies().is_empty(), "something is given that no policy gives");
            }
            (Err(one), Err(other)) => assert_eq!(one.policies(), other.policies()),
            _ => panic!("the same question is decided twice in two ways"),
        }
    }
});
