//! Every key of ODCS 3.1 and what Polder does with it. None is silently ignored (`docs/odcs.md` prints this table).

/// What is done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A row or a file that does not hold to it is refused.
    Enforced,
    /// It steers what is done.
    Used,
    /// It tells people something; it promises nothing about rows, and an approval does not cover it.
    Told,
    /// It promises something that Polder would not keep, so a contract that holds it is refused.
    Refused,
}

impl Use {
    /// The word in `docs/odcs.md`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Used => "used",
            Self::Told => "told",
            Self::Refused => "refused because not enforced",
        }
    }
}

/// A place in a contract where keys stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Contract,
    Schema,
    Property,
    Options,
    Quality,
    QualityArguments,
    Relationship,
    ServiceLevel,
    CustomProperty,
}

impl Place {
    /// The place in `docs/odcs.md`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::Schema => "schema[]",
            Self::Property => "schema[].properties[]",
            Self::Options => "logicalTypeOptions",
            Self::Quality => "quality[]",
            Self::QualityArguments => "quality[].arguments",
            Self::Relationship => "relationships[]",
            Self::ServiceLevel => "slaProperties[]",
            Self::CustomProperty => "customProperties[]",
        }
    }
}

/// A key, its place, its use, and why or instead of what.
pub type KeyRow = (Place, &'static str, Use, &'static str);

use Place::{Contract, CustomProperty, Options, Property, Quality, QualityArguments, Relationship, Schema, ServiceLevel};
use Use::{Enforced, Refused, Told, Used};

/// Versions of the standard before 3.1 whose contracts are read as one of 3.1.
pub const EARLIER_VERSIONS: [&str; 3] = ["v3.0.0", "v3.0.1", "v3.0.2"];

/// The table.
pub const KEYS: &[KeyRow] = &[
    (Contract, "apiVersion", Enforced, "v3.1.0, or v3.0.0 to v3.0.2, read as it"),
    (Contract, "kind", Enforced, "DataContract"),
    (Contract, "id", Used, "names the contract in records"),
    (Contract, "name", Told, ""),
    (Contract, "version", Used, "shown in reports"),
    (Contract, "status", Enforced, "only `active` lets rows in"),
    (Contract, "tenant", Told, ""),
    (Contract, "tags", Told, ""),
    (Contract, "servers", Refused, "sources stand in sources/*.yaml; name one with polder.source"),
    (Contract, "dataProduct", Told, ""),
    (Contract, "description", Told, ""),
    (Contract, "domain", Told, ""),
    (Contract, "schema", Enforced, "exactly one table"),
    (Contract, "support", Told, ""),
    (Contract, "price", Told, ""),
    (Contract, "team", Told, ""),
    (Contract, "roles", Refused, "who may read stands in policies/*.cedar"),
    (Contract, "slaDefaultElement", Refused, "name the `element` of each of slaProperties"),
    (Contract, "slaProperties", Used, "how old the table may become; as below"),
    (Contract, "authoritativeDefinitions", Told, ""),
    (Contract, "customProperties", Enforced, "`polder.*` as below; others are told"),
    (Contract, "contractCreatedTs", Told, ""),
    (Schema, "id", Told, ""),
    (Schema, "name", Used, "the table's name"),
    (Schema, "physicalName", Used, "the dataset of the source"),
    (Schema, "physicalType", Told, ""),
    (Schema, "logicalType", Enforced, "`object`"),
    (Schema, "description", Told, ""),
    (Schema, "businessName", Told, ""),
    (Schema, "dataGranularityDescription", Told, ""),
    (Schema, "authoritativeDefinitions", Told, ""),
    (Schema, "tags", Told, ""),
    (Schema, "customProperties", Told, "`polder.*` belongs to the contract or to a property"),
    (Schema, "properties", Enforced, "the columns that are authorised; no other is decoded or stored"),
    (Schema, "relationships", Enforced, "of the table as the load would leave it; also of several columns together"),
    (Schema, "quality", Enforced, "the metric `rowCount`, of each load; SQL, of the table as the load would leave it"),
    (Property, "id", Told, ""),
    (Property, "name", Used, "the column's name in the table"),
    (Property, "physicalName", Used, "the column's name in the source; `name` without it"),
    (Property, "physicalType", Used, "`decimal(p,s)` of a number; otherwise told"),
    (Property, "description", Told, ""),
    (Property, "businessName", Told, ""),
    (Property, "authoritativeDefinitions", Told, ""),
    (Property, "tags", Told, ""),
    (Property, "customProperties", Enforced, "`polder.*` as below; others are told"),
    (Property, "primaryKey", Enforced, "in the run and against the table"),
    (Property, "primaryKeyPosition", Used, "order of the key's columns"),
    (Property, "logicalType", Enforced, "`object` and `array` are refused"),
    (Property, "logicalTypeOptions", Enforced, "as below"),
    (Property, "required", Enforced, ""),
    (Property, "unique", Enforced, "in the run and against the table"),
    (Property, "partitioned", Refused, "tables are not partitioned"),
    (Property, "partitionKeyPosition", Refused, "tables are not partitioned"),
    (Property, "classification", Used, "given to policies and inherited by models"),
    (Property, "encryptedName", Refused, "columns are not encrypted one by one; everything stored is encrypted"),
    (Property, "transformSourceObjects", Refused, "contracts do not transform; models do"),
    (Property, "transformLogic", Refused, "contracts do not transform; models do"),
    (Property, "transformDescription", Told, ""),
    (Property, "examples", Told, ""),
    (Property, "criticalDataElement", Told, ""),
    (Property, "relationships", Enforced, "of the table as the load would leave it"),
    (Property, "quality", Enforced, "the metrics `invalidValues`, `duplicateValues`, `nullValues`, `missingValues`; SQL"),
    (Property, "properties", Refused, "nested columns are not read; flatten them at the source"),
    (Property, "items", Refused, "nested columns are not read; flatten them at the source"),
    (Options, "minLength", Enforced, "string, in characters"),
    (Options, "maxLength", Enforced, "string, in characters"),
    (Options, "pattern", Enforced, "string; the whole value must match"),
    (
        Options,
        "format",
        Enforced,
        "string: uuid, ipv4, ipv6; integer: i8 to i64, u8 to u32; number: f32, f64; date, timestamp, time: pattern letters yyyy MM dd HH mm ss S XXX",
    ),
    (Options, "minimum", Enforced, "integer, number, date, timestamp, time"),
    (Options, "maximum", Enforced, "integer, number, date, timestamp, time"),
    (Options, "exclusiveMinimum", Enforced, "integer, number, date, timestamp, time"),
    (Options, "exclusiveMaximum", Enforced, "integer, number, date, timestamp, time"),
    (Options, "multipleOf", Enforced, "integer, and number with physicalType decimal"),
    (Options, "timezone", Enforced, "timestamp: with or without zone; with, unless false"),
    (Options, "defaultTimezone", Enforced, "timestamp with zone: the zone of values that name none"),
    (Options, "maxProperties", Refused, "objects are not read"),
    (Options, "minProperties", Refused, "objects are not read"),
    (Options, "required", Refused, "objects are not read"),
    (Options, "maxItems", Refused, "arrays are not read"),
    (Options, "minItems", Refused, "arrays are not read"),
    (Options, "uniqueItems", Refused, "arrays are not read"),
    (Quality, "id", Told, ""),
    (Quality, "name", Told, ""),
    (Quality, "description", Told, ""),
    (Quality, "businessImpact", Told, ""),
    (Quality, "dimension", Told, ""),
    (Quality, "tags", Told, ""),
    (Quality, "authoritativeDefinitions", Told, ""),
    (Quality, "type", Enforced, "`library` or `sql`; text and custom are refused"),
    (
        Quality,
        "metric",
        Enforced,
        "of each row: `invalidValues` and `duplicateValues` with `mustBe: 0`; of a whole load: `nullValues`, `missingValues`, `invalidValues` of a string column with another operator, `rowCount`",
    ),
    (Quality, "rule", Refused, "it is the old name of `metric`"),
    (Quality, "arguments", Enforced, "as below"),
    (Quality, "mustBe", Enforced, ""),
    (Quality, "mustNotBe", Enforced, "of a whole load, and of SQL"),
    (Quality, "mustBeGreaterThan", Enforced, "of a whole load, and of SQL"),
    (Quality, "mustBeGreaterOrEqualTo", Enforced, "of a whole load, and of SQL"),
    (Quality, "mustBeLessThan", Enforced, "of a whole load, and of SQL"),
    (Quality, "mustBeLessOrEqualTo", Enforced, "of a whole load, and of SQL"),
    (Quality, "mustBeBetween", Enforced, "of a whole load, and of SQL; both ends belong"),
    (Quality, "mustNotBeBetween", Enforced, "of a whole load, and of SQL; both ends are between"),
    (Quality, "unit", Enforced, "of `library`: `rows` (without it) or `percent` of the rows of the load"),
    (Quality, "query", Enforced, "of `sql`: asked through the SQL door before the commit; its answer is one number"),
    (Quality, "engine", Refused, "other engines are not run"),
    (Quality, "implementation", Refused, "other engines are not run"),
    (Quality, "method", Refused, "a rule is checked for every row"),
    (Quality, "schedule", Refused, "a rule is checked for every row"),
    (Quality, "scheduler", Refused, "a rule is checked for every row"),
    (Quality, "severity", Refused, "polder.onViolation says what happens"),
    (Quality, "customProperties", Told, ""),
    (QualityArguments, "validValues", Enforced, "the only values allowed"),
    (QualityArguments, "missingValues", Enforced, "what counts as missing: null, and texts of a string column"),
    (Relationship, "type", Enforced, "`foreignKey`"),
    (Relationship, "from", Enforced, "of the table: its columns, as TABLE.COLUMN"),
    (Relationship, "to", Enforced, "TABLE.COLUMN, or a list of them; a value that is not null stands there"),
    (Relationship, "customProperties", Told, ""),
    (ServiceLevel, "id", Told, ""),
    (ServiceLevel, "property", Used, "`freshness` or `latency`, which mean one thing here; any other is refused because not measured"),
    (ServiceLevel, "value", Used, "the greatest age, in units"),
    (ServiceLevel, "valueExt", Refused, "an age is one value"),
    (ServiceLevel, "unit", Used, "s, min, h, d or w, or in words; months and years have no one length"),
    (
        ServiceLevel,
        "element",
        Used,
        "a date or a timestamp with zone, whose newest value has the age; without it the newest successful load has it",
    ),
    (ServiceLevel, "driver", Told, ""),
    (ServiceLevel, "description", Told, ""),
    (ServiceLevel, "scheduler", Refused, "it is measured whenever it is asked"),
    (ServiceLevel, "schedule", Refused, "it is measured whenever it is asked"),
    (CustomProperty, "id", Told, ""),
    (CustomProperty, "property", Used, ""),
    (CustomProperty, "value", Used, ""),
    (CustomProperty, "description", Told, ""),
];

/// Polder's own settings of a contract.
pub const CONTRACT_SETTINGS: &[(&str, &str)] = &[
    ("polder.source", "the source: the name of a file in sources/"),
    ("polder.disposition", "`append` (default), `replace`, `merge` or `scd2`; the last two by the primary key"),
    (
        "polder.deletes",
        "what tells that a row is gone: `{flag: COLUMN}`, `{flag: COLUMN, value: X}` or `key_snapshot`; of `merge` and `scd2`",
    ),
    ("polder.scd2", "`{from: NAME, to: NAME}`: the columns that `scd2` adds (default `valid_from` and `valid_to`)"),
    ("polder.onViolation", "`fail` (default), `quarantine` or `drop`"),
    ("polder.rejectLimit", "share of the rows that may be refused, 0 to 1 (default 0.01)"),
    ("polder.nullTokens", "texts that stand for no value, besides those of the dataset"),
    ("polder.maxRowBytes", "bytes that the texts of one row may hold together, 1 to 16777216 (default 16777216)"),
];

/// Keys of `polder.deletes` where it is a mapping.
pub const DELETES_KEYS: [&str; 2] = ["flag", "value"];

/// Properties of `slaProperties` that are measured.
pub const MEASURED_LEVELS: [&str; 2] = ["freshness", "latency"];

/// Those that the standard names besides, and that are refused.
pub const UNMEASURED_LEVELS: [&str; 12] = [
    "availability",
    "throughput",
    "errorRate",
    "generalAvailability",
    "endOfSupport",
    "endOfLife",
    "retention",
    "frequency",
    "timeOfAvailability",
    "timeToDetect",
    "timeToNotify",
    "timeToRepair",
];

/// Units of time of an age.
pub fn age_units() -> Vec<&'static str> {
    crate::read::freshness::units().collect()
}

/// Polder's own settings of a property.
pub const PROPERTY_SETTINGS: &[(&str, &str)] = &[
    ("polder.nullTokens", "texts that stand for no value in this column, besides those of the dataset"),
    ("polder.allowNan", "`true`: NaN and infinity are values of a number without physicalType decimal"),
    ("polder.fromText", "`true`: a JSON string may hold the number or boolean"),
    ("polder.personal", "kinds of personal data that the column may hold whatever its classification"),
    ("polder.waive", "kinds of findings that are let through in this column, each with kind, reason and approver"),
    ("polder.mask", "what is stored instead of the value: one of `pseudonymise`, `encrypt`, `truncate`, `generalise`, `drop`"),
    ("polder.acceptFewValues", "why a column with few values may have pseudonyms all the same"),
    ("polder.acceptDomain", "domains under which columns of this name may be masked elsewhere, though they do not join"),
];

/// What is done with a key at a place.
pub fn lookup(place: Place, key: &str) -> Option<(Use, &'static str)> {
    KEYS.iter().find(|(at, name, ..)| *at == place && *name == key).map(|(_, _, used, why)| (*used, *why))
}

/// The keys known at a place.
pub fn known(place: Place) -> Vec<&'static str> {
    KEYS.iter().filter(|(at, ..)| *at == place).map(|(_, name, ..)| *name).collect()
}

/// The table as Markdown, as `docs/odcs.md` holds it.
pub fn markdown() -> String {
    let mut text = String::from("| where | key | what Polder does | note |\n| --- | --- | --- | --- |\n");
    for (place, key, used, note) in KEYS {
        text.push_str(&format!("| {} | `{key}` | {} | {note} |\n", place.name(), used.name()));
    }
    for (place, settings) in [("contract", CONTRACT_SETTINGS), ("schema[].properties[]", PROPERTY_SETTINGS)] {
        for (key, note) in settings {
            text.push_str(&format!("| {place} customProperties | `{key}` | enforced | {note} |\n"));
        }
    }
    text
}

#[cfg(test)]
mod published;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_holds_the_table() {
        let document = include_str!("../../../docs/odcs.md");
        assert!(document.contains(&markdown()), "docs/odcs.md must hold this table:\n{}", markdown());
    }

    #[test]
    fn every_key_of_the_standards_schema_has_a_row_and_no_other_has() {
        use std::collections::BTreeSet;
        let schema: serde_json::Value = serde_json::from_str(include_str!("../tests/odcs/odcs-json-schema-v3.1.0.json")).unwrap();
        let defs = &schema["$defs"];
        let mut wanted: BTreeSet<(&str, String)> = BTreeSet::new();
        let mut add = |place: Place, value: &serde_json::Value| {
            let keys = value["properties"].as_object().into_iter().flatten().map(|(key, _)| (place.name(), key.clone()));
            wanted.extend(keys);
        };
        add(Contract, &schema);
        add(CustomProperty, &defs["CustomProperty"]);
        add(Relationship, &defs["RelationshipBase"]);
        add(ServiceLevel, &defs["ServiceLevelAgreementProperty"]);
        ["SchemaElement", "SchemaObject"].into_iter().for_each(|name| add(Schema, &defs[name]));
        ["SchemaElement", "SchemaBaseProperty", "SchemaItemProperty"].into_iter().for_each(|name| add(Property, &defs[name]));
        for name in ["DataQuality", "DataQualityLibrary", "DataQualitySql", "DataQualityCustom"] {
            add(Quality, &defs[name]);
        }
        defs["DataQualityOperators"]["oneOf"].as_array().unwrap().iter().for_each(|operator| add(Quality, operator));
        for branch in defs["SchemaBaseProperty"]["allOf"].as_array().unwrap() {
            add(Property, &branch["then"]);
            add(Options, &branch["then"]["properties"]["logicalTypeOptions"]);
        }
        // The schema leaves the names of arguments open; the standard's text gives them.
        let known: BTreeSet<(&str, String)> =
            KEYS.iter().filter(|row| row.0 != QualityArguments).map(|row| (row.0.name(), row.1.to_owned())).collect();
        assert_eq!(known, wanted);
    }

    #[test]
    fn no_key_stands_twice() {
        for (at, row) in KEYS.iter().enumerate() {
            assert!(!KEYS[at + 1..].iter().any(|other| other.0 == row.0 && other.1 == row.1), "{}", row.1);
        }
    }
}
