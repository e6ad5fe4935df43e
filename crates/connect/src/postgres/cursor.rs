//! The column by which increments go: how its values are compared and written, in SQL and in the form in which they are kept.

use polder_types::printable;
use tokio_postgres::types::Type;

use super::catalog::Typed;
use super::sql::{literal, name};
use crate::database::{CursorKind, CursorValue, Window};
use crate::error::Error;

/// How a day and a moment are written.
const DAY: &str = "YYYY-MM-DD";
const MOMENT: &str = "YYYY-MM-DD\"T\"HH24:MI:SS.US";

/// A column of a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CursorColumn {
    pub kind: CursorKind,
    /// The expression that is compared.
    pub value: String,
    /// The expression of its text.
    pub text: String,
    /// The type to which values are cast.
    cast: &'static str,
    /// Which values count when the greatest is looked for: one that no value comes after, such as `infinity`, would end all increments.
    pub counts: Option<String>,
}

impl CursorColumn {
    /// # Errors
    /// When the column's values are not in an order by which increments could go.
    pub(super) fn of(dataset: &str, column: &Typed) -> Result<Self, Error> {
        let quoted = name(&column.column.name);
        let plain = |kind, cast: &'static str| Self { kind, value: quoted.clone(), text: format!("{quoted}::text"), cast, counts: None };
        // The gate takes the years 1 to 9999, and what it refuses moves no cursor either.
        let within = |cast: &str| Some(format!("{quoted} >= '0001-01-01'::{cast} AND {quoted} < '10000-01-01'::{cast}"));
        let written = |form: &str, zone: &str| format!("pg_catalog.to_char({quoted}, {}){zone}", literal(form));
        Ok(match Type::from_oid(column.column.oid) {
            // A literal of any width is compared with a column of any width, through the column's index.
            Some(Type::INT2 | Type::INT4 | Type::INT8) => plain(CursorKind::Integer, "int8"),
            Some(Type::OID) => plain(CursorKind::Integer, "oid"),
            Some(Type::NUMERIC) => Self {
                counts: Some(format!("{quoted}::text NOT IN ('NaN', 'Infinity', '-Infinity')")),
                ..plain(CursorKind::Decimal, "numeric")
            },
            Some(Type::DATE) => Self { text: written(DAY, ""), counts: within("date"), ..plain(CursorKind::Date, "date") },
            Some(Type::TIMESTAMP) => {
                Self { text: written(MOMENT, ""), counts: within("timestamp"), ..plain(CursorKind::Timestamp, "timestamp") }
            }
            // The session's time zone is UTC.
            Some(Type::TIMESTAMPTZ) => {
                Self { text: written(MOMENT, " || 'Z'"), counts: within("timestamptz"), ..plain(CursorKind::Instant, "timestamptz") }
            }
            Some(Type::UUID) => plain(CursorKind::Text, "uuid"),
            // Texts are compared by their bytes, here as there: the database's own order may hold two different texts for the same.
            known if matches!(known, Some(Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME)) || column.type_name == "citext" => {
                Self { value: format!("({quoted}::text COLLATE \"C\")"), ..plain(CursorKind::Text, "text") }
            }
            _ => {
                return Err(Error::DatabaseColumn {
                    dataset: printable(dataset).into_owned(),
                    column: printable(&column.column.name).into_owned(),
                    problem: format!("it is of type {}, by whose values no increment goes", printable(&column.column.type_name)),
                    advice: "name a column of whole numbers, decimals, days, moments or texts as `cursor`".to_owned(),
                });
            }
        })
    }

    /// A value of the column, in SQL; none where it is not of the column's kind.
    fn literal(&self, value: &CursorValue) -> Option<String> {
        let text = value.text.as_str();
        // A day is its midnight. The session's time zone is UTC, so a moment with or without a zone is the same for either column.
        let moments = [CursorKind::Date, CursorKind::Timestamp, CursorKind::Instant];
        let of_kind = match self.kind {
            CursorKind::Decimal => matches!(value.kind, CursorKind::Decimal | CursorKind::Integer),
            CursorKind::Timestamp | CursorKind::Instant => moments.contains(&value.kind),
            kind => value.kind == kind,
        };
        let form = match value.kind {
            CursorKind::Integer => is_number(text, false),
            CursorKind::Decimal => is_number(text, true),
            CursorKind::Date => is_day(text),
            CursorKind::Timestamp => is_moment(text),
            CursorKind::Instant => text.strip_suffix('Z').is_some_and(is_moment),
            CursorKind::Text => !text.contains('\0'),
        };
        if !of_kind || !form {
            return None;
        }
        // Without its zone a moment is read in that of the session for one kind of column, and as it stands for the other.
        let text = match self.kind {
            CursorKind::Timestamp => text.trim_end_matches('Z').to_owned(),
            _ => text.to_owned(),
        };
        let collated = if self.kind == CursorKind::Text && self.cast == "text" { " COLLATE \"C\"" } else { "" };
        Some(format!("{}::{}{collated}", literal(&text), self.cast))
    }

    /// Which rows a window takes; none where it takes all.
    ///
    /// # Errors
    /// When a bound of it is not of the column's kind.
    pub(super) fn condition(&self, dataset: &str, window: &Window) -> Result<Option<String>, Error> {
        let bound = |sign: &str, value: &CursorValue| match self.literal(value) {
            Some(literal) => Ok(format!("{} {sign} {literal}", self.value)),
            None => Err(Error::DatabaseColumn {
                dataset: printable(dataset).into_owned(),
                column: printable(&window.column).into_owned(),
                problem: format!("the increment's bound is {}, and the column holds {}", told(value.kind), told(self.kind)),
                advice: "correct `initial`, or load the table anew where the column's type was changed".to_owned(),
            }),
        };
        let from = window.from.as_ref().map(|value| bound(">=", value)).transpose()?;
        let until = window.until.as_ref().map(|value| bound("<", value)).transpose()?;
        let bounds: Vec<String> = from.into_iter().chain(until).collect();
        let null = |is: &str| format!("{} IS {is}", name(&window.column));
        Ok(match (bounds.is_empty(), window.nulls) {
            (true, true) => None,
            (true, false) => Some(null("NOT NULL")),
            (false, true) => Some(format!("{} OR {}", bounds.join(" AND "), null("NULL"))),
            (false, false) => Some(bounds.join(" AND ")),
        })
    }
}

fn told(kind: CursorKind) -> &'static str {
    match kind {
        CursorKind::Integer => "a whole number",
        CursorKind::Decimal => "a decimal",
        CursorKind::Date => "a day, such as 2026-01-31",
        CursorKind::Timestamp => "a moment without a zone, such as 2026-01-31T23:59:59",
        CursorKind::Instant => "a point in time, such as 2026-01-31T23:59:59Z",
        CursorKind::Text => "a text",
    }
}

fn is_number(text: &str, fraction: bool) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, rest) = if fraction { digits.split_once('.').unwrap_or((digits, "0")) } else { (digits, "0") };
    let are = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    are(whole) && are(rest)
}

/// Whether a text has the form of another, in which `0` stands for any digit.
fn has_form(text: &str, form: &str) -> bool {
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(|(byte, of)| if of == b'0' { byte.is_ascii_digit() } else { byte == of })
}

fn is_day(text: &str) -> bool {
    has_form(text, "0000-00-00")
}

fn is_moment(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    has_form(whole, "0000-00-00T00:00:00") && (1..=6).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::types::ServerColumn;

    fn column(ty: &Type) -> CursorColumn {
        CursorColumn::of("d", &typed(ty.oid(), ty.name())).unwrap()
    }

    fn typed(oid: u32, type_name: &str) -> Typed {
        let column =
            ServerColumn { name: "c\"d".to_owned(), oid, type_name: type_name.to_owned(), modifier: -1, typtype: b'b', element: 0 };
        Typed { column, type_name: type_name.to_owned() }
    }

    fn value(kind: CursorKind, text: &str) -> CursorValue {
        CursorValue { kind, text: text.to_owned() }
    }

    fn condition(ty: &Type, from: Option<CursorValue>, until: Option<CursorValue>, nulls: bool) -> Result<Option<String>, String> {
        let window = Window { column: "c\"d".to_owned(), from, until, nulls };
        column(ty).condition("d", &window).map_err(|error| error.to_string())
    }

    #[test]
    fn a_window_is_a_condition() {
        let at = |kind, text| Some(value(kind, text));
        let sql = |ty: &Type, from, until, nulls| condition(ty, from, until, nulls).unwrap();
        let number = |text| at(CursorKind::Integer, text);
        assert_eq!(sql(&Type::INT4, None, None, true), None);
        assert_eq!(sql(&Type::INT4, None, None, false).unwrap(), r#""c""d" IS NOT NULL"#);
        assert_eq!(sql(&Type::INT4, number("-5"), None, false).unwrap(), r#""c""d" >= '-5'::int8"#);
        let both = r#""c""d" >= '1'::int8 AND "c""d" < '9'::int8 OR "c""d" IS NULL"#;
        assert_eq!(sql(&Type::INT8, number("1"), number("9"), true).unwrap(), both);
        assert_eq!(sql(&Type::NUMERIC, number("1"), None, false).unwrap(), r#""c""d" >= '1'::numeric"#);
        let moment = at(CursorKind::Instant, "2026-01-31T23:59:59.5Z");
        assert_eq!(sql(&Type::TIMESTAMPTZ, moment.clone(), None, false).unwrap(), r#""c""d" >= '2026-01-31T23:59:59.5Z'::timestamptz"#);
        assert_eq!(sql(&Type::TIMESTAMP, moment, None, false).unwrap(), r#""c""d" >= '2026-01-31T23:59:59.5'::timestamp"#);
        assert_eq!(sql(&Type::DATE, None, at(CursorKind::Date, "2026-01-31"), false).unwrap(), r#""c""d" < '2026-01-31'::date"#);
        let text = at(CursorKind::Text, r"x'\ OR 1=1 --");
        let quoted = r#"("c""d"::text COLLATE "C") >= 'x''\ OR 1=1 --'::text COLLATE "C""#;
        assert_eq!(sql(&Type::BPCHAR, text.clone(), None, false).unwrap(), quoted);
        assert_eq!(sql(&Type::UUID, text, None, false).unwrap(), r#""c""d" >= 'x''\ OR 1=1 --'::uuid"#);
    }

    #[test]
    fn bounds_of_another_kind_or_form_are_refused_unseen() {
        use CursorKind as K;
        for (ty, kind, text) in [
            (Type::INT4, K::Integer, "12a"),
            (Type::INT4, K::Integer, ""),
            (Type::INT4, K::Integer, "1.5"),
            (Type::INT4, K::Decimal, "1"),
            (Type::INT4, K::Text, "1"),
            (Type::NUMERIC, K::Decimal, "1."),
            (Type::NUMERIC, K::Decimal, "NaN"),
            (Type::DATE, K::Date, "31.01.2026"),
            (Type::DATE, K::Timestamp, "2026-01-31T00:00:00"),
            (Type::DATE, K::Date, "infinity"),
            (Type::TIMESTAMPTZ, K::Instant, "2026-01-31T00:00:00"),
            (Type::TIMESTAMP, K::Timestamp, "2026-01-31T00:00:00.1234567"),
            (Type::TIMESTAMP, K::Timestamp, "2026-01-31 00:00:00"),
            (Type::TEXT, K::Text, "a\0b"),
            (Type::TEXT, K::Integer, "1"),
        ] {
            let told = condition(&ty, Some(value(kind, text)), None, false).unwrap_err();
            assert!(told.starts_with("read column c\"d of d: the increment's bound is "), "{ty} {text}: {told}");
            assert!(text.len() < 3 || !told.contains(text), "{told}");
        }
        for ty in [Type::FLOAT8, Type::BOOL, Type::JSONB, Type::INT4_ARRAY, Type::INTERVAL, Type::TIME] {
            let error = CursorColumn::of("d", &typed(ty.oid(), ty.name())).unwrap_err().to_string();
            let told = format!("read column c\"d of d: it is of type {}, by whose values no increment goes; name a column of", ty.name());
            assert!(error.starts_with(&told), "{error}");
        }
        // A type of an extension is known by its name alone.
        assert_eq!(CursorColumn::of("d", &typed(70_000, "citext")).unwrap().kind, CursorKind::Text);
        assert!(CursorColumn::of("d", &typed(70_000, "other")).is_err());
    }
}
