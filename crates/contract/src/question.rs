//! What a contract asks of its table as a load would leave it: rules in SQL, and relationships to other tables. The program asks through
//! the SQL door before the commit; each answer is one number, which is judged here.

use polder_types::TableName;

use crate::contract::Contract;
use crate::error::Error;
use crate::quality::Holds;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Asks {
    /// A query whose answer is one number. `${table}` and `${column}` stand for what the rule belongs to.
    Sql(String),
    /// Whether each row's values of these columns, where none is null, stand together in those columns of another table.
    Relationship { from: Vec<String>, table: TableName, to: Vec<String> },
}

/// A question of a contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub asks: Asks,
    /// What the answer must be.
    pub holds: Holds,
    /// `name` of the rule.
    pub name: Option<String>,
    /// The column that it belongs to; none where it belongs to the table.
    pub column: Option<String>,
    /// Its place among the rules of the contract, from 1.
    pub number: usize,
}

impl Question {
    /// The question as a query about `own`, the contract's table.
    pub fn sql(&self, own: &TableName) -> String {
        match &self.asks {
            Asks::Sql(query) => {
                let (own, column) = (quoted(own.as_str()), self.column.as_deref().map(quoted));
                let mut sql = String::with_capacity(query.len());
                let mut rest = query.as_str();
                // Once through: what was put in is not looked at again.
                while let Some((before, after)) = rest.split_once("${") {
                    let (word, behind) = after.split_once('}').unwrap_or((after, ""));
                    let meant = match word {
                        "table" | "object" => Some(&own),
                        "column" | "property" => column.as_ref(),
                        _ => None,
                    };
                    sql.push_str(before);
                    match meant {
                        Some(meant) => sql.push_str(meant),
                        None => sql.push_str(&format!("${{{word}}}")),
                    }
                    rest = behind;
                }
                sql + rest
            }
            Asks::Relationship { from, table, to } => {
                let there: Vec<String> = from.iter().map(|column| format!("own.{} is not null", quoted(column))).collect();
                let equal: Vec<String> =
                    from.iter().zip(to).map(|(from, to)| format!("other.{} = own.{}", quoted(to), quoted(from))).collect();
                format!(
                    "select count(*) from {} as own where {} and not exists (select 1 from {} as other where {})",
                    quoted(own.as_str()),
                    there.join(" and "),
                    quoted(table.as_str()),
                    equal.join(" and ")
                )
            }
        }
    }

    /// The other table of a relationship.
    pub fn refers_to(&self) -> Option<&TableName> {
        match &self.asks {
            Asks::Relationship { table, .. } => Some(table),
            Asks::Sql(_) => None,
        }
    }

    /// What it is called in an error.
    pub fn label(&self) -> String {
        match (&self.asks, &self.name) {
            (Asks::Relationship { from, table, to }, _) => {
                format!("the relationship of {} to {table}.{}", from.join(", "), to.join(", "))
            }
            (Asks::Sql(_), Some(name)) => format!("quality rule {name:?}"),
            (Asks::Sql(_), None) => format!("quality rule {} in SQL", self.number),
        }
    }
}

/// An identifier as SQL quotes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// That every question of a contract was answered as it must be. Only [`Answers::judge`] makes one, and counts do not close without it.
#[derive(Debug, PartialEq, Eq)]
pub struct Answers {
    contract: [u8; 32],
}

impl Answers {
    /// Judges the answers to a contract's questions, in their order.
    ///
    /// # Errors
    /// When one does not hold, or there is not one for each.
    pub fn judge(contract: &Contract, answers: &[f64]) -> Result<Self, Error> {
        if answers.len() != contract.questions.len() {
            return Err(Error::Unanswered { asked: contract.questions.len(), answered: answers.len() });
        }
        for (question, answer) in contract.questions.iter().zip(answers) {
            // What is no number holds for nothing, also for "not 0".
            if answer.is_nan() || !question.holds.for_count(*answer) {
                return Err(match &question.asks {
                    Asks::Relationship { .. } => Error::Relationship { label: question.label(), rows: *answer },
                    // What a query answers may be a value of a row.
                    Asks::Sql(_) => Error::Question { label: question.label(), wanted: question.holds.to_string() },
                });
            }
        }
        Ok(Self { contract: contract.semantic_hash() })
    }

    /// Whether these are answers to this contract's questions.
    pub(crate) fn are_for(&self, contract: &Contract) -> bool {
        self.contract == contract.semantic_hash()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: i
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: s}
schema:
  - name: orders
    quality:
      - {type: sql, name: one currency, query: "select count(distinct currency) from ${table}", mustBeLessOrEqualTo: 1}
    relationships:
      - {from: [orders.shop, orders.region], to: [shops.id, shops.region]}
    properties:
      - {name: id, logicalType: integer, primaryKey: true, primaryKeyPosition: 1}
      - {name: customer, logicalType: string, relationships: [{to: customers.id}]}
      - {name: shop, logicalType: string}
      - {name: region, logicalType: string}
      - {name: "the \"sum\"", logicalType: number, quality: [{type: sql, query: "select min(${property}) from ${object}", mustBeGreaterThan: 0}]}
      - {name: currency, logicalType: string}
"#;

    #[test]
    fn rules_in_sql_and_relationships_become_queries() {
        let contract = Contract::parse(RULES, "c.yaml").unwrap();
        let asked: Vec<(String, String)> =
            contract.questions.iter().map(|question| (question.label(), question.sql(&contract.table))).collect();
        let wanted = [
            (
                "the relationship of customer to customers.id",
                "select count(*) from \"orders\" as own where own.\"customer\" is not null and not exists (select 1 from \"customers\" as other where other.\"id\" = own.\"customer\")",
            ),
            ("quality rule 2 in SQL", "select min(\"the \"\"sum\"\"\") from \"orders\""),
            ("quality rule \"one currency\"", "select count(distinct currency) from \"orders\""),
            (
                "the relationship of shop, region to shops.id, region",
                "select count(*) from \"orders\" as own where own.\"shop\" is not null and own.\"region\" is not null and not exists (select 1 from \"shops\" as other where other.\"id\" = own.\"shop\" and other.\"region\" = own.\"region\")",
            ),
        ];
        assert_eq!(asked, wanted.map(|(label, sql)| (label.to_owned(), sql.to_owned())));
    }

    #[test]
    fn answers_are_judged_and_belong_to_their_contract() {
        let contract = Contract::parse(RULES, "c.yaml").unwrap();
        let answers = Answers::judge(&contract, &[0.0, 0.5, 1.0, 0.0]).unwrap();
        assert!(answers.are_for(&contract));
        let other = Contract::parse(&RULES.replace("mustBeLessOrEqualTo: 1", "mustBeLessOrEqualTo: 2"), "c.yaml").unwrap();
        assert!(!answers.are_for(&other));
        let error = |answers: &[f64]| Answers::judge(&contract, answers).unwrap_err().to_string();
        assert!(error(&[3.0, 0.5, 1.0, 0.0]).contains("3 rows"), "{}", error(&[3.0, 0.5, 1.0, 0.0]));
        // What a query answered may be somebody's value.
        let told = error(&[0.0, -12345.0, 1.0, 0.0]);
        assert!(told.contains("quality rule 2 in SQL") && told.contains("more than 0") && !told.contains("12345"), "{told}");
        assert!(error(&[0.0]).contains("4 questions"), "{}", error(&[0.0]));
        assert!(Answers::judge(&contract, &[0.0, f64::NAN, 1.0, 0.0]).is_err());
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_its_line() {
        for (from, to, told) in [
            ("{to: customers.id}", "{to: customers}", "line 16: `to` is customers, not TABLE.COLUMN"),
            ("{to: customers.id}", "{to: /schema/customers/properties/id}", "not TABLE.COLUMN"),
            ("{to: customers.id}", "{to: [customers.id]}", "line 16: `to` is a list"),
            ("{to: customers.id}", "{from: orders.customer, to: customers.id}", "line 16: `from` belongs to a relationship of the table"),
            ("{to: customers.id}", "{type: inverse, to: customers.id}", "line 16: the relationship's `type` is inverse"),
            ("{to: customers.id}", "{too: customers.id}", "line 16: `too` is not a key of relationships[]"),
            ("{to: customers.id}", "{}", "line 16: a relationship has no `to`"),
            ("from: [orders.shop, orders.region]", "from: [orders.shop]", "line 13: `from` and `to` name a different number of columns"),
            ("orders.region]", "orders.country]", "line 13: `from` names country, which is no column of the table"),
            ("from: [orders.shop, orders.region]", "from: [shops.shop, shops.region]", "line 13: `from` names table shops, not orders"),
            ("shops.region]}", "other.region]}", "line 13: `to` names columns of several tables"),
            ("${table}", "${tabel}", "line 11: the query holds ${tabel}"),
            ("from ${table}", "from ${column}", "line 11: the query holds ${column}"),
            ("mustBeLessOrEqualTo: 1}", "mustBeLessOrEqualTo: 1, metric: rowCount}", "line 11: `metric` does not belong to a rule in SQL"),
            ("mustBeLessOrEqualTo: 1}", "mustBeLessOrEqualTo: 1, unit: percent}", "line 11: `unit` does not belong to a rule in SQL"),
            ("mustBeLessOrEqualTo: 1}", "dimension: accuracy}", "not exactly one operator"),
            (
                "type: sql, name: one currency, query: \"select count(distinct currency) from ${table}\"",
                "type: sql",
                "line 11: a rule in SQL has no `query`",
            ),
        ] {
            let text = RULES.replacen(from, to, 1);
            assert_ne!(text, RULES, "{from}");
            let error = Contract::parse(&text, "c.yaml").unwrap_err().to_string();
            assert!(error.contains(told), "{from} -> {to}: {error}");
        }
    }
}
