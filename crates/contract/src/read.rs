//! From an ODCS file to a [`Contract`]: every key is looked up in the table, every problem is told with its line.

use polder_crypto::sha256;
use polder_types::TableName;
use polder_types::limit::{COLUMNS_MAX, RECORD_MAX_BYTES};

use crate::column::Column;
use crate::contract::{Contract, Disposition, Note, OnViolation};
use crate::odcs::{self, Place, Use};
use crate::quality::Measure;
use crate::question::Question;
use crate::read::column::read_column;
use crate::read::disposition::Loads;
use crate::yaml::{Key, Node, Problem, Problems, Value, suggest};

mod column;
mod disposition;
pub(crate) mod freshness;
mod limits;
mod mask;
mod quality;
mod question;

const LIMIT_DEFAULT: f64 = 0.01;

/// Collects what is wrong and what is told.
pub(crate) struct Reader {
    file: String,
    problems: Vec<Problem>,
    notes: Vec<Note>,
}

/// The keys of one mapping that are not merely told.
pub(crate) struct Fields<'a> {
    pub(crate) line: u64,
    entries: Vec<(&'a Key, &'a Node)>,
}

impl<'a> Fields<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| *node).filter(|node| node.value != Value::Null)
    }
}

impl Reader {
    pub(crate) fn wrong(&mut self, line: u64, problem: impl Into<String>, advice: impl Into<String>) {
        self.problems.push(Problem { file: self.file.clone(), line, problem: problem.into(), advice: advice.into() });
    }

    /// Checks the keys of a mapping against the table.
    pub(crate) fn fields<'a>(&mut self, node: &'a Node, place: Place) -> Fields<'a> {
        let mut fields = Fields { line: node.line, entries: Vec::new() };
        let Value::Map(map) = &node.value else {
            self.wrong(node.line, format!("{} is {}, not a mapping", place.name(), node.value.kind()), "write keys and values");
            return fields;
        };
        for (key, value) in map {
            match odcs::lookup(place, &key.name) {
                None => self.wrong(
                    key.line,
                    format!("`{}` is not a key of {} in ODCS 3.1", key.name, place.name()),
                    suggest(&key.name, &odcs::known(place)),
                ),
                Some((Use::Refused, why)) => {
                    self.wrong(key.line, format!("`{}` is not enforced, so it is refused", key.name), format!("remove it: {why}"))
                }
                Some((Use::Told, _)) => {
                    self.notes.push(Note { line: key.line, key: key.name.clone(), text: "tells people something; nothing is enforced" });
                    fields.entries.push((key, value));
                }
                Some((Use::Enforced | Use::Used, _)) => fields.entries.push((key, value)),
            }
        }
        fields
    }

    pub(crate) fn text<'a>(&mut self, fields: &Fields<'a>, name: &str) -> Option<&'a str> {
        let node = fields.get(name)?;
        match &node.value {
            Value::Text(text) => Some(text),
            other => {
                self.wrong(node.line, format!("`{name}` is {}, not text", other.kind()), "put it into quotes");
                None
            }
        }
    }

    pub(crate) fn flag(&mut self, fields: &Fields<'_>, name: &str) -> bool {
        match fields.get(name).map(|node| (node.line, &node.value)) {
            None => false,
            Some((_, Value::Bool(flag))) => *flag,
            Some((line, other)) => {
                self.wrong(line, format!("`{name}` is {}", other.kind()), "write true or false");
                false
            }
        }
    }

    pub(crate) fn count(&mut self, fields: &Fields<'_>, name: &str) -> Option<u64> {
        let node = fields.get(name)?;
        match node.value {
            Value::Int(count) if count >= 0 => u64::try_from(count).ok(),
            _ => {
                self.wrong(node.line, format!("`{name}` is not a whole number from 0"), "correct it");
                None
            }
        }
    }

    pub(crate) fn texts(&mut self, node: &Node, name: &str) -> Vec<String> {
        let Value::List(items) = &node.value else {
            self.wrong(node.line, format!("`{name}` is {}, not a list", node.value.kind()), "write a list, such as [NA, \"\"]");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items {
            match &item.value {
                Value::Text(text) => texts.push(text.clone()),
                other => self.wrong(item.line, format!("an item of `{name}` is {}, not text", other.kind()), "put it into quotes"),
            }
        }
        texts
    }

    /// The `polder.*` settings of a list of custom properties, each known and there once.
    pub(crate) fn settings<'a>(&mut self, fields: &Fields<'a>, known: &[(&str, &str)]) -> Vec<(&'a str, &'a Node)> {
        let mut settings: Vec<(&str, &Node)> = Vec::new();
        let Some(node) = fields.get("customProperties") else { return settings };
        let Value::List(items) = &node.value else {
            self.wrong(node.line, "`customProperties` is not a list", "write a list of {property: ..., value: ...}");
            return settings;
        };
        for item in items {
            let entry = self.fields(item, Place::CustomProperty);
            let Some(property) = self.text(&entry, "property") else {
                if entry.get("property").is_none() {
                    self.wrong(item.line, "a custom property has no `property`", "write {property: ..., value: ...}");
                }
                continue;
            };
            if !property.starts_with("polder.") {
                self.notes.push(Note { line: item.line, key: property.to_owned(), text: "is not Polder's; nothing is enforced" });
                continue;
            }
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            if !names.contains(&property) {
                let advice =
                    if names.is_empty() { "it belongs to the contract or to a property".to_owned() } else { suggest(property, &names) };
                self.wrong(item.line, format!("`{property}` is not a setting of Polder here"), advice);
            } else if settings.iter().any(|(name, _)| *name == property) {
                self.wrong(item.line, format!("`{property}` stands there twice"), "keep one");
            } else if let Some(value) = entry.get("value") {
                settings.push((property, value));
            } else {
                self.wrong(item.line, format!("`{property}` has no `value`"), "write {property: ..., value: ...}");
            }
        }
        settings
    }
}

impl Contract {
    /// Reads a contract's text. `file` is its path, for errors.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line and what to do.
    pub fn parse(yaml: &str, file: &str) -> Result<Self, Problems> {
        let document = crate::yaml::parse(yaml, file)?;
        let mut reader = Reader { file: file.to_owned(), problems: Vec::new(), notes: Vec::new() };
        let contract = read_contract(&mut reader, &document, file);
        if reader.problems.is_empty()
            && let Some(mut contract) = contract
        {
            contract.notes = reader.notes;
            return Ok(contract);
        }
        if reader.problems.is_empty() {
            reader.wrong(1, "the contract cannot be read", "report this as a defect");
        }
        reader.problems.sort_by_key(|problem| problem.line);
        Err(Problems(reader.problems))
    }
}

fn read_contract(reader: &mut Reader, document: &Node, file: &str) -> Option<Contract> {
    let fields = reader.fields(document, Place::Contract);
    for (name, wanted) in [("apiVersion", "v3.1.0"), ("kind", "DataContract"), ("status", "active")] {
        match (fields.get(name), reader.text(&fields, name)) {
            (_, Some(text)) if text == wanted => {}
            // 3.1 only adds to them.
            (_, Some(text)) if name == "apiVersion" && odcs::EARLIER_VERSIONS.contains(&text) => {}
            (Some(node), Some(_)) if name == "status" => {
                reader.wrong(node.line, "the contract's `status` is not active", "only `active` lets rows in")
            }
            (Some(node), Some(_)) => reader.wrong(node.line, format!("`{name}` is not {wanted}"), format!("write {name}: {wanted}")),
            (Some(_), None) => {}
            (None, _) => reader.wrong(fields.line, format!("`{name}` is missing"), format!("write {name}: {wanted}")),
        }
    }
    let mut named = |name: &str| {
        let text = reader.text(&fields, name).map(str::to_owned);
        if fields.get(name).is_none() {
            reader.wrong(fields.line, format!("`{name}` is missing"), "ODCS demands it");
        }
        text
    };
    let (id, version) = (named("id"), named("version"));
    let name = if matches!(fields.get("name").map(|node| &node.value), Some(Value::Text(_))) {
        reader.text(&fields, "name").map(str::to_owned)
    } else {
        None
    };
    let settings = reader.settings(&fields, odcs::CONTRACT_SETTINGS);
    let mut source = None;
    let (mut on_violation, mut disposition, mut reject_limit, mut null_tokens) =
        (OnViolation::Fail, Disposition::Append, LIMIT_DEFAULT, Vec::new());
    let mut max_row_bytes = RECORD_MAX_BYTES;
    for (setting, node) in &settings {
        match (*setting, &node.value) {
            ("polder.source", Value::Text(text)) if !text.is_empty() => source = Some(text.clone()),
            ("polder.onViolation", Value::Text(text)) if text == "fail" => on_violation = OnViolation::Fail,
            ("polder.onViolation", Value::Text(text)) if text == "quarantine" => on_violation = OnViolation::Quarantine,
            ("polder.onViolation", Value::Text(text)) if text == "drop" => on_violation = OnViolation::Drop,
            ("polder.disposition", Value::Text(text)) if Disposition::from_name(text).is_some() => {
                disposition = Disposition::from_name(text).unwrap_or_default();
            }
            ("polder.rejectLimit", Value::Float(limit)) if (0.0..=1.0).contains(limit) => reject_limit = *limit,
            ("polder.rejectLimit", Value::Int(limit @ (0 | 1))) => reject_limit = if *limit == 0 { 0.0 } else { 1.0 },
            ("polder.maxRowBytes", Value::Int(bytes))
                if usize::try_from(*bytes).is_ok_and(|bytes| (1..=RECORD_MAX_BYTES).contains(&bytes)) =>
            {
                max_row_bytes = usize::try_from(*bytes).unwrap_or(RECORD_MAX_BYTES);
            }
            ("polder.nullTokens", _) => null_tokens = reader.texts(node, "polder.nullTokens"),
            // They are about columns, which are not read yet.
            ("polder.deletes" | "polder.scd2", _) => {}
            (setting, _) => {
                let allowed = odcs::CONTRACT_SETTINGS.iter().find(|(name, _)| *name == setting).map_or("", |(_, note)| *note);
                reader.wrong(node.line, format!("`{setting}` has a value that it cannot have"), format!("it is {allowed}"));
            }
        }
    }
    if source.is_none() && !settings.iter().any(|(name, _)| *name == "polder.source") {
        reader.wrong(fields.line, "`polder.source` is missing", "add {property: polder.source, value: NAME} to customProperties");
    }
    let TableRead { table, line, dataset, columns, quality, questions } = read_schema(reader, &fields)?;
    let Loads { deletes, validity } = disposition::read(reader, line, disposition, &settings, &columns);
    let freshness = freshness::read(reader, &fields, table.as_str(), &columns);
    Some(Contract {
        id: id?,
        name: name.unwrap_or_else(|| table.as_str().to_owned()),
        version: version?,
        status: "active".to_owned(),
        file: file.to_owned(),
        table,
        dataset,
        source: source?,
        columns,
        quality,
        questions,
        on_violation,
        disposition,
        deletes,
        validity,
        freshness,
        reject_limit,
        max_row_bytes,
        null_tokens,
        notes: Vec::new(),
        semantic: semantic_hash(document),
        derived: false,
    })
}

struct TableRead {
    table: TableName,
    /// Where its columns begin.
    line: u64,
    dataset: String,
    columns: Vec<Column>,
    quality: Vec<Measure>,
    questions: Vec<Question>,
}

fn read_schema(reader: &mut Reader, fields: &Fields<'_>) -> Option<TableRead> {
    let Some(node) = fields.get("schema") else {
        reader.wrong(fields.line, "`schema` is missing", "declare the table and its columns");
        return None;
    };
    let table_node = match &node.value {
        Value::List(tables) if tables.len() == 1 => tables.first()?,
        _ => {
            reader.wrong(node.line, "`schema` is not a list of exactly one table", "write a contract a table");
            return None;
        }
    };
    let table = reader.fields(table_node, Place::Schema);
    if let Some(text) = reader.text(&table, "logicalType").filter(|text| *text != "object") {
        reader.wrong(table.line, format!("the table's `logicalType` is {text}"), "remove it, or write object");
    }
    reader.settings(&table, &[]);
    let name = match reader.text(&table, "name").map(TableName::new) {
        Some(Ok(name)) => Some(name),
        Some(Err(error)) => {
            reader.wrong(table.line, error.to_string(), "rename the table");
            None
        }
        None => {
            reader.wrong(table.line, "the table has no `name`", "name it");
            None
        }
    };
    let dataset = reader.text(&table, "physicalName").map(str::to_owned);
    let Some(properties) = table.get("properties") else {
        reader.wrong(table.line, "the table has no `properties`, so nothing is authorised", "declare its columns");
        return None;
    };
    let Value::List(items) = &properties.value else {
        reader.wrong(properties.line, "`properties` is not a list", "write a list of columns");
        return None;
    };
    if items.is_empty() || items.len() > COLUMNS_MAX {
        reader.wrong(properties.line, format!("`properties` holds {} columns", items.len()), format!("declare 1 to {COLUMNS_MAX}"));
    }
    let (mut columns, mut questions): (Vec<Column>, Vec<Question>) = (Vec::new(), Vec::new());
    for item in items {
        let Some(column) = read_column(reader, item) else { continue };
        for other in &columns {
            if other.name.eq_ignore_ascii_case(&column.name) {
                reader.wrong(column.line, format!("the column {} stands there twice", column.name), "keep one, or rename one");
            } else if other.physical_name == column.physical_name {
                reader.wrong(column.line, format!("two columns have the physicalName {}", column.physical_name), "keep one");
            }
        }
        question::of_property(reader, item, &column, &mut questions);
        columns.push(column);
    }
    check_primary_key(reader, properties.line, &columns);
    if !columns.is_empty() && columns.iter().all(|column| column.stored().is_none()) {
        reader.wrong(properties.line, "every column is dropped, so the table has none", "keep one");
    }
    let quality = table.get("quality").map(|node| quality::of_table(reader, node)).unwrap_or_default();
    let name = name?;
    question::of_table(reader, table_node, &name, &columns, &mut questions);
    let dataset = dataset.unwrap_or_else(|| name.as_str().to_owned());
    Some(TableRead { table: name, line: properties.line, dataset, columns, quality, questions })
}

fn check_primary_key(reader: &mut Reader, line: u64, columns: &[Column]) {
    let mut positions: Vec<u32> = columns.iter().filter_map(|column| column.primary_key).collect();
    positions.sort_unstable();
    if positions.iter().zip(1..).any(|(position, wanted)| *position != wanted) {
        reader.wrong(line, "the primaryKeyPosition of the key's columns do not count from 1", "number them 1, 2, 3 and so on");
    }
}

/// SHA-256 of the document without what is merely told, with sorted keys.
fn semantic_hash(document: &Node) -> [u8; 32] {
    let mut text = String::from("polder contract v1\n");
    canonical(document, Some(Place::Contract), &mut text);
    sha256(text.as_bytes())
}

fn canonical(node: &Node, place: Option<Place>, out: &mut String) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&format!("{number:?}")),
        Value::Text(text) => out.push_str(&serde_json::Value::String(text.clone()).to_string()),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                canonical(item, place, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            let told = |key: &str| place.and_then(|place| odcs::lookup(place, key)).is_some_and(|(used, _)| used == Use::Told);
            let mut entries: Vec<_> = map.iter().filter(|(key, value)| !told(&key.name) && value.value != Value::Null).collect();
            entries.sort_by(|(left, _), (right, _)| left.name.cmp(&right.name));
            out.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::Value::String(key.name.clone()).to_string());
                out.push(':');
                canonical(value, inner(place, &key.name), out);
            }
            out.push('}');
        }
    }
}

/// The place of the keys inside a key's value.
fn inner(place: Option<Place>, key: &str) -> Option<Place> {
    match (place?, key) {
        (Place::Contract, "schema") => Some(Place::Schema),
        (Place::Contract, "slaProperties") => Some(Place::ServiceLevel),
        (Place::Schema, "properties") => Some(Place::Property),
        (Place::Schema, "quality") => Some(Place::Quality),
        (Place::Property, "logicalTypeOptions") => Some(Place::Options),
        (Place::Property, "quality") => Some(Place::Quality),
        (Place::Schema | Place::Property, "relationships") => Some(Place::Relationship),
        (Place::Quality, "arguments") => Some(Place::QualityArguments),
        (_, "customProperties") => Some(Place::CustomProperty),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
