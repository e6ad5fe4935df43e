//! Tables as policies see them by a project's files alone, for whoever has no key and no store. What the log recorded of them is not
//! known then: how sensitive a table is comes from its contract's file, and no table has an id.

use std::collections::BTreeMap;

use polder_contract::Contract;
use polder_engine::{Models, strictest};
use polder_policy::TableRef;
use polder_types::{DatasetId, TableName};

use super::{UNKNOWN, of_contract, table_of};

/// The tables that contracts are for, by name; of two for one table the first counts.
pub fn of_contracts<'a>(contracts: impl IntoIterator<Item = &'a Contract>) -> Vec<TableRef> {
    let mut tables: BTreeMap<&TableName, TableRef> = BTreeMap::new();
    for contract in contracts {
        tables.entry(&contract.table).or_insert_with(|| table_of(contract).with_classification(of_contract(contract)));
    }
    tables.into_values().collect()
}

/// The tables that contracts are for, and the models after them. Of what models give no column is known to policies.
pub fn tables<'a>(contracts: impl IntoIterator<Item = &'a Contract>, models: Option<&Models>) -> Vec<TableRef> {
    let mut tables = of_contracts(contracts);
    let mut known: BTreeMap<TableName, Option<String>> =
        tables.iter().map(|table| (table.name.clone(), table.classification.clone())).collect();
    // What a model reads stands before it.
    for model in models.into_iter().flat_map(Models::in_order) {
        let of_input = |input: &TableName| known.get(input).map_or(Some(UNKNOWN), Option::as_deref);
        let classification = strictest(model.inputs.iter().filter_map(of_input));
        known.entry(model.name.clone()).or_insert_with(|| classification.clone());
        tables.push(TableRef::new(model.name.clone(), DatasetId([0; 16])).with_classification(classification).of_model());
    }
    tables
}

#[cfg(test)]
mod tests {
    use polder_policy::ColumnKind;

    use super::*;

    fn contract(table: &str, columns: &str) -> Contract {
        let text = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\ncustomProperties: [{{property: polder.source, value: s}}]\nschema: [{{name: {table}, properties: [{columns}]}}]\n"
        );
        Contract::parse(&text, "contracts/t.odcs.yaml").unwrap()
    }

    #[test]
    fn columns_have_the_types_that_are_stored() {
        let mask = "customProperties: [{property: polder.mask, value: {encrypt: names}}]";
        let dropped = "customProperties: [{property: polder.mask, value: {drop: true}}]";
        let properties = [
            "{name: id, logicalType: integer, required: true}".to_owned(),
            "{name: born, logicalType: date, classification: Restricted}".to_owned(),
            "{name: seen, logicalType: timestamp}".to_owned(),
            "{name: paid, logicalType: number, physicalType: 'decimal(9,2)'}".to_owned(),
            format!("{{name: day, logicalType: date, {mask}}}"),
            format!("{{name: gone, logicalType: string, {dropped}}}"),
            "{name: dead, logicalType: boolean}".to_owned(),
        ];
        let contract = contract("t", &properties.join(", "));
        // Of two for one table the first counts.
        let [table] = <[TableRef; 1]>::try_from(of_contracts([&contract, &contract])).unwrap();
        let columns = table.columns;
        let seen: Vec<(&str, ColumnKind, bool)> =
            columns.iter().map(|column| (column.name.as_str(), column.kind, column.nullable)).collect();
        assert_eq!(
            seen,
            [
                ("id", ColumnKind::Integer, false),
                ("born", ColumnKind::Date, true),
                ("seen", ColumnKind::Timestamp, true),
                ("paid", ColumnKind::Other, true),
                ("day", ColumnKind::Text, true),
                ("dead", ColumnKind::Boolean, true),
            ]
        );
        let classifications: Vec<&str> = columns.iter().filter_map(|column| column.classification.as_deref()).collect();
        assert_eq!(classifications, ["restricted"]);
    }

    #[test]
    fn a_model_is_as_sensitive_as_what_it_reads() {
        let secret = contract("secret", "{name: a, logicalType: string, classification: confidential}");
        let file = |name: &str, sql: &str| (format!("models/{name}.sql"), format!("-- polder: materialized = view\n{sql}\n"));
        let models = Models::load(&[
            file("second", "select a from first"),
            file("first", "select a from secret"),
            file("odd", "select b from gone"),
        ])
        .unwrap();
        let tables = tables([&secret], Some(&models));
        let of = |name: &str| tables.iter().find(|table| table.name.as_str() == name).unwrap();
        assert_eq!(of("second").classification.as_deref(), Some("confidential"));
        assert_eq!(of("odd").classification.as_deref(), Some("restricted"));
        assert!(of("first").model && of("first").columns.is_empty() && !of("secret").model);
        assert_eq!(of("secret").columns.len(), 1);
    }
}
