//! Statements that any database takes that keeps to the standard, and whether a URL keeps what passes from others.

use polder_types::ErrorKind;
use url::Url;

use crate::adbc::failed;
use crate::database::{Access, CursorKind, CursorValue, Relation, Window};
use crate::error::Error;

/// Options that are ours, and not the driver's, begin so.
pub(super) const OWN_OPTIONS: &str = "polder.";
/// The sign in which names are written.
const QUOTE: &str = "polder.quote";
/// The function with which the driver begins, where it is not the one that its name says.
pub(super) const ENTRYPOINT: &str = "polder.entrypoint";

/// How names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    quote: char,
}

impl Dialect {
    /// As the source says; without a word of it, as the standard does.
    ///
    /// # Errors
    /// When one of our own options is not known.
    pub(super) fn of(access: &Access) -> Result<Self, Error> {
        let wrong = |problem: String, advice: &str| failed(access, "read the options", problem, advice, ErrorKind::Invalid);
        let mut dialect = Self { quote: '"' };
        for (key, value) in access.driver.iter().flat_map(|(_, _, options)| options) {
            match key.as_str() {
                QUOTE => {
                    dialect.quote = match value.expose_secret().as_str() {
                        "\"" => '"',
                        "`" => '`',
                        _ => return Err(wrong(format!("`{QUOTE}` is no sign for names"), "write '\"' or '`'")),
                    }
                }
                ENTRYPOINT => {}
                key if key.starts_with(OWN_OPTIONS) => {
                    return Err(wrong(format!("option `{key}` is not known"), "remove it, or write polder.quote or polder.entrypoint"));
                }
                _ => {}
            }
        }
        Ok(dialect)
    }

    fn quoted(self, name: &str) -> String {
        let quote = self.quote;
        let twice = [quote; 2].iter().collect::<String>();
        format!("{quote}{}{quote}", name.replace(quote, &twice))
    }

    /// What stands behind FROM.
    fn from(self, relation: &Relation) -> String {
        match relation {
            Relation::Table(name) => match name.split_once('.') {
                Some((schema, table)) => format!("{}.{}", self.quoted(schema), self.quoted(table)),
                None => self.quoted(name),
            },
            // A comment at its end goes no further than its line.
            Relation::Query(query) => format!("(\n{query}\n) polder_query"),
        }
    }

    /// A statement that has all columns and no rows: no value of a column that nobody wants is asked for.
    pub(super) fn columns(self, relation: &Relation) -> String {
        format!("SELECT * FROM {} WHERE 1 = 0", self.from(relation))
    }

    pub(super) fn count(self, relation: &Relation, filter: &str) -> String {
        format!("SELECT COUNT(*) FROM {}{filter}", self.from(relation))
    }

    pub(super) fn select(self, relation: &Relation, wanted: &[&str], filter: &str) -> String {
        let list: Vec<String> = wanted.iter().map(|name| self.quoted(name)).collect();
        let list = if list.is_empty() { "1".to_owned() } else { list.join(", ") };
        format!("SELECT {list} FROM {}{filter}", self.from(relation))
    }

    /// The rows of a window, with WHERE and a space before it.
    ///
    /// # Errors
    /// When an end of the window cannot be written so that every database compares it as its column.
    pub(super) fn filter(self, window: &Window, dataset: &str) -> Result<String, Error> {
        let column = self.quoted(&window.column);
        let mut terms = Vec::new();
        for (end, sign) in [(&window.from, ">="), (&window.until, "<")] {
            if let Some(end) = end {
                let literal = literal(end).ok_or_else(|| Error::DatabaseColumn {
                    dataset: dataset.to_owned(),
                    column: window.column.clone(),
                    problem: "texts and bytes are no cursor where an ADBC driver reads: each database compares them in its own order"
                        .to_owned(),
                    advice: "take a column of numbers or times for `cursor`, or read the dataset whole".to_owned(),
                })?;
                terms.push(format!("{column} {sign} {literal}"));
            }
        }
        Ok(match (terms.is_empty(), window.nulls) {
            (true, true) => String::new(),
            (true, false) => format!(" WHERE {column} IS NOT NULL"),
            (false, true) => format!(" WHERE ({}) OR {column} IS NULL", terms.join(" AND ")),
            (false, false) => format!(" WHERE {}", terms.join(" AND ")),
        })
    }
}

/// A value as it stands in a statement. Only signs that a number or a time is made of get there.
fn literal(value: &CursorValue) -> Option<String> {
    let text = value.text.as_str();
    let made_of = |others: &[char]| !text.is_empty() && text.chars().all(|sign| sign.is_ascii_digit() || others.contains(&sign));
    let moment = |text: &str| text.replacen('T', " ", 1);
    match value.kind {
        CursorKind::Integer => made_of(&['-']).then(|| text.to_owned()),
        CursorKind::Decimal => made_of(&['-', '.']).then(|| text.to_owned()),
        CursorKind::Date => made_of(&['-']).then(|| format!("CAST('{text}' AS DATE)")),
        CursorKind::Timestamp => made_of(&['-', ':', '.', 'T']).then(|| format!("CAST('{}' AS TIMESTAMP)", moment(text))),
        CursorKind::Instant => {
            let utc = made_of(&['-', ':', '.', 'T', 'Z']).then(|| text.strip_suffix('Z')).flatten()?;
            Some(format!("CAST('{}+00:00' AS TIMESTAMP WITH TIME ZONE)", moment(utc)))
        }
        CursorKind::Text => None,
    }
}

/// Refuses a URL of which is known that the driver would not insist on TLS: what drivers do of themselves is theirs alone.
///
/// # Errors
/// When that is so.
pub(super) fn transport(access: &Access) -> Result<(), Error> {
    let Some(url) = &access.url else { return Ok(()) };
    let Ok(url) = Url::parse(url.expose_secret()) else { return Ok(()) };
    let refused = |problem: &str, advice: &str| Err(failed(access, "look at the URL", problem, advice, ErrorKind::Invalid));
    let parameter =
        |wanted: &str| url.query_pairs().filter(|(key, _)| key == wanted).map(|(_, value)| value.into_owned()).collect::<Vec<_>>();
    let loopback = match url.host_str() {
        Some(host) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    };
    match url.scheme() {
        "postgres" | "postgresql" => match parameter("sslmode").as_slice() {
            [mode] if mode == "verify-full" => Ok(()),
            [mode] if mode == "disable" && loopback && parameter("host").is_empty() && parameter("hostaddr").is_empty() => Ok(()),
            _ => refused(
                "its driver goes without TLS, or without a look at the certificate, unless it is told",
                "add `sslmode=verify-full` (and `sslrootcert`) to the URL, or `sslmode=disable` for this machine itself; or set `type: postgres`",
            ),
        },
        "grpc" | "grpc+tcp" | "http" if !loopback => {
            refused("it goes without TLS", "write grpc+tls:// or https://; only this machine itself is reached without TLS")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use polder_types::Secret;

    use super::*;

    const PLAIN: Dialect = Dialect { quote: '"' };

    fn access(url: &str, options: &[(&str, &str)]) -> Access {
        let options: BTreeMap<_, _> = options.iter().map(|(key, value)| ((*key).to_owned(), Secret::new((*value).to_owned()))).collect();
        Access {
            source: "s".to_owned(),
            source_type: crate::SourceType::Adbc,
            url: Some(Secret::new(url.to_owned())),
            password: None,
            path: PathBuf::new(),
            ca: None,
            plain_loopback: false,
            timeout: crate::connection::database::TIMEOUT,
            driver: Some((PathBuf::from("d.so"), String::new(), options)),
        }
    }

    #[test]
    fn statements_name_only_what_is_wanted() {
        let table = Relation::Table("adt.st\"ay".to_owned());
        assert_eq!(PLAIN.columns(&table), "SELECT * FROM \"adt\".\"st\"\"ay\" WHERE 1 = 0");
        assert_eq!(PLAIN.select(&table, &["a", "b\"c"], " WHERE x"), "SELECT \"a\", \"b\"\"c\" FROM \"adt\".\"st\"\"ay\" WHERE x");
        let query = Relation::Query("SELECT 1 -- one".to_owned());
        assert_eq!(PLAIN.count(&query, ""), "SELECT COUNT(*) FROM (\nSELECT 1 -- one\n) polder_query");
        assert_eq!(Dialect { quote: '`' }.select(&Relation::Table("t".to_owned()), &["a`b\""], ""), "SELECT `a``b\"` FROM `t`");
        assert_eq!(PLAIN.select(&Relation::Table("t".to_owned()), &[], ""), "SELECT 1 FROM \"t\"");
    }

    #[test]
    fn options_of_ours_are_known_or_refused() {
        assert_eq!(
            Dialect::of(&access("x", &[("polder.quote", "`"), ("polder.entrypoint", "begin"), ("driver.own", "1")])).unwrap(),
            Dialect { quote: '`' }
        );
        assert_eq!(Dialect::of(&access("x", &[])).unwrap(), PLAIN);
        for options in [[("polder.quote", "'")], [("polder.qoute", "`")]] {
            assert!(Dialect::of(&access("x", &options)).is_err(), "{options:?}");
        }
    }

    #[test]
    fn ends_of_a_window_are_made_of_the_signs_of_their_kind() {
        let filter = |kind, from: &str, nulls| {
            let from = Some(CursorValue { kind, text: from.to_owned() });
            PLAIN.filter(&Window { column: "c".to_owned(), from, until: None, nulls }, "d")
        };
        assert_eq!(filter(CursorKind::Integer, "-5", false).unwrap(), " WHERE \"c\" >= -5");
        assert_eq!(filter(CursorKind::Decimal, "5.50", true).unwrap(), " WHERE (\"c\" >= 5.50) OR \"c\" IS NULL");
        assert_eq!(filter(CursorKind::Date, "2026-01-31", false).unwrap(), " WHERE \"c\" >= CAST('2026-01-31' AS DATE)");
        assert_eq!(
            filter(CursorKind::Timestamp, "2026-01-31T23:59:59.5", false).unwrap(),
            " WHERE \"c\" >= CAST('2026-01-31 23:59:59.5' AS TIMESTAMP)"
        );
        assert_eq!(
            filter(CursorKind::Instant, "2026-01-31T23:59:59Z", false).unwrap(),
            " WHERE \"c\" >= CAST('2026-01-31 23:59:59+00:00' AS TIMESTAMP WITH TIME ZONE)"
        );
        for (kind, text) in [
            (CursorKind::Text, "a"),
            (CursorKind::Integer, "1 OR 1=1"),
            (CursorKind::Date, "2026' OR '1'='1"),
            (CursorKind::Timestamp, "\\'"),
            (CursorKind::Instant, "2026-01-31T00:00:00"),
            (CursorKind::Integer, ""),
        ] {
            assert!(filter(kind, text, false).is_err(), "{kind:?} {text}");
        }
        let all = |nulls| PLAIN.filter(&Window { column: "c".to_owned(), from: None, until: None, nulls }, "d").unwrap();
        assert_eq!((all(true), all(false)), (String::new(), " WHERE \"c\" IS NOT NULL".to_owned()));
        let until = Some(CursorValue { kind: CursorKind::Integer, text: "9".to_owned() });
        let from = Some(CursorValue { kind: CursorKind::Integer, text: "1".to_owned() });
        let both = PLAIN.filter(&Window { column: "c".to_owned(), from, until, nulls: false }, "d").unwrap();
        assert_eq!(both, " WHERE \"c\" >= 1 AND \"c\" < 9");
    }

    #[test]
    fn a_url_that_would_go_in_plain_is_refused_and_not_repeated() {
        let at = |url: &str| transport(&access(url, &[])).map_err(|error| error.to_string());
        for url in [
            "postgres://u:hunter2@db.example/x?sslmode=verify-full",
            "postgresql://u@localhost/x?sslmode=disable",
            "postgresql://u@127.0.0.1:5433/x?sslmode=disable",
            "postgresql://u@[::1]/x?sslmode=disable",
            "grpc+tls://db.example",
            "grpc://localhost:1",
            "https://db.example",
            "/var/lib/data.db",
            "snowflake-account",
        ] {
            assert_eq!(at(url), Ok(()), "{url}");
        }
        for url in [
            "postgres://u:hunter2@db.example/x",
            "postgres://u:hunter2@db.example/x?sslmode=require",
            "postgres://u:hunter2@db.example/x?sslmode=disable",
            "postgres://u:hunter2@localhost/x",
            "postgres://u:hunter2@localhost/x?sslmode=disable&host=db.example",
            "postgres://u:hunter2@localhost/x?sslmode=disable&sslmode=verify-full",
            "postgres:///x?sslmode=disable&host=db.example",
            "grpc://u:hunter2@db.example",
            "grpc+tcp://u:hunter2@localhost.example",
            "http://u:hunter2@db.example",
        ] {
            let error = at(url).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
