//! What the texts of a column look like, and how a contract says so.

use super::moments::Way;
use super::{contact, network};
use crate::column::ColumnType;
use crate::parse;

/// Whether a value is written in a way.
type Test = fn(&str) -> bool;

/// A way of writing that every value of a column keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    Uuid,
    Ipv4,
    Ipv6,
    Mac,
    Email,
    Url,
    /// Days that are not written as in ISO 8601: the contract's format, such as `dd/MM/yyyy`.
    Date(String),
    /// Points in time that are not written as in ISO 8601.
    Timestamp(String),
    /// Times of day.
    Time(String),
    /// Numbers with a decimal comma. The gate reads none, so they stay text.
    DecimalComma,
}

impl Format {
    /// For people.
    pub fn label(&self) -> String {
        match self {
            Self::Uuid => "UUID".to_owned(),
            Self::Ipv4 => "IPv4 address".to_owned(),
            Self::Ipv6 => "IPv6 address".to_owned(),
            Self::Mac => "MAC address".to_owned(),
            Self::Email => "e-mail address".to_owned(),
            Self::Url => "URL".to_owned(),
            Self::Date(pattern) => format!("date {pattern}"),
            Self::Timestamp(pattern) => format!("timestamp {pattern}"),
            Self::Time(pattern) => format!("time {pattern}"),
            Self::DecimalComma => "number with a decimal comma".to_owned(),
        }
    }

    /// The ODCS logical type that the gate takes for it. Where it is a date, a timestamp or a time it goes before the narrowest type
    /// that holds the values: `20240131` is a day, not a number.
    pub const fn logical_type(&self) -> &'static str {
        match self {
            Self::Date(_) => "date",
            Self::Timestamp(_) => "timestamp",
            Self::Time(_) => "time",
            Self::Uuid | Self::Ipv4 | Self::Ipv6 | Self::Mac | Self::Email | Self::Url | Self::DecimalComma => "string",
        }
    }

    /// What stands in `logicalTypeOptions`: keys and values, in YAML's plain scalars but for what needs quotes.
    pub fn logical_type_options(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Uuid => vec![("format", "uuid".to_owned())],
            Self::Ipv4 => vec![("format", "ipv4".to_owned())],
            Self::Ipv6 => vec![("format", "ipv6".to_owned())],
            Self::Date(pattern) | Self::Time(pattern) => vec![("format", pattern.clone())],
            Self::Timestamp(pattern) if has_offset(pattern) => vec![("format", pattern.clone())],
            Self::Timestamp(pattern) => vec![("format", pattern.clone()), ("timezone", "false".to_owned())],
            Self::Mac | Self::Email | Self::Url | Self::DecimalComma => Vec::new(),
        }
    }
}

fn has_offset(pattern: &str) -> bool {
    crate::parse::time_format::TimeFormat::compile(pattern).is_ok_and(|format| format.has_offset())
}

impl Format {
    /// The format that every one of the values keeps.
    pub(super) fn find<'a>(values: impl Iterator<Item = &'a str> + Clone, way: Option<&Way>) -> Option<Self> {
        let all = |holds: fn(&str) -> bool| values.clone().next().is_some() && values.clone().all(holds);
        if let Some(way) = way {
            let pattern = way.pattern.clone()?;
            return match way.ty {
                ColumnType::Date => Some(Self::Date(pattern)),
                ColumnType::Timestamp { .. } => Some(Self::Timestamp(pattern)),
                ColumnType::Time => Some(Self::Time(pattern)),
                _ => None,
            };
        }
        let forms: [(Self, Test); 6] = [
            (Self::Uuid, |value| parse::is_uuid(value.as_bytes())),
            (Self::Ipv4, |value| value.parse::<std::net::Ipv4Addr>().is_ok()),
            (Self::Ipv6, |value| value.parse::<std::net::Ipv6Addr>().is_ok()),
            (Self::Mac, network::is_mac),
            (Self::Email, contact::is_email),
            (Self::Url, network::is_url),
        ];
        let found = forms.into_iter().find(|(_, holds)| all(*holds)).map(|(format, _)| format);
        found.or_else(|| decimal_comma(values).then_some(Self::DecimalComma))
    }
}

/// Numbers, at least one with a decimal comma, thousands apart by spaces or points. `1,234` alone may be a thousand: that is none.
fn decimal_comma<'a>(mut values: impl Iterator<Item = &'a str> + Clone) -> bool {
    let decimals = |value: &str| {
        let value = value.strip_prefix('-').unwrap_or(value);
        let (whole, decimals) = value.split_once(',').map_or((value, None), |(whole, decimals)| (whole, Some(decimals)));
        let mut groups = whole.split([' ', '.', '\u{a0}', '\u{202f}']);
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (first, rest) = (groups.next()?, groups);
        let grouped = rest.clone().count() > 0;
        let formed = digits(first) && (!grouped || first.len() <= 3) && rest.clone().all(|group| group.len() == 3 && digits(group));
        let places = match decimals {
            Some(decimals) if digits(decimals) => decimals.len(),
            Some(_) => return None,
            None => 0,
        };
        formed.then_some((places, grouped || first == "0"))
    };
    let sure = values.clone().filter_map(decimals).any(|(places, sure)| places > 0 && (places != 3 || sure));
    sure && values.all(|value| decimals(value).is_some())
}

#[cfg(test)]
mod tests {
    use super::super::moments;
    use super::*;
    use crate::Contract;

    fn find(values: &[&str]) -> Option<Format> {
        Format::find(values.iter().copied(), moments::way(values.iter().copied()))
    }

    #[test]
    fn formats_are_those_that_all_values_keep() {
        assert_eq!(find(&["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]), Some(Format::Uuid));
        assert_eq!(find(&["10.0.0.1", "192.168.1.1"]), Some(Format::Ipv4));
        assert_eq!(find(&["10.0.0.1", "fe80::1"]), None);
        assert_eq!(find(&["fe80::1"]), Some(Format::Ipv6));
        assert_eq!(find(&["00:1a:2b:3c:4d:5e"]), Some(Format::Mac));
        assert_eq!(find(&["a@b.fr"]), Some(Format::Email));
        assert_eq!(find(&["https://b.fr/a"]), Some(Format::Url));
        assert_eq!(find(&["a@b.fr", "none"]), None);
        assert_eq!(find(&["31/12/2024"]), Some(Format::Date("dd/MM/yyyy".to_owned())));
        assert_eq!(find(&["2024-12-31"]), None);
        assert_eq!(find(&["1,5", "-12", "1 234,50"]), Some(Format::DecimalComma));
        assert_eq!(find(&["0,125"]), Some(Format::DecimalComma));
        for none in [&["1,234"][..], &["1.5"], &["12"], &["1,5", "x"], &["1,2,3"], &["a,b"], &[","], &[]] {
            assert_eq!(find(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_contract_takes_what_a_format_says() {
        let text = |value: &str| value.to_owned();
        for format in [
            Format::Uuid,
            Format::Ipv4,
            Format::Ipv6,
            Format::Mac,
            Format::Email,
            Format::Url,
            Format::Date(text("dd/MM/yyyy")),
            Format::Timestamp(text("dd/MM/yyyy HH:mm")),
            Format::Timestamp(text("yyyy-MM-dd'T'HH:mmX")),
            Format::Time(text("HH:mm")),
            Format::DecimalComma,
        ] {
            let options: Vec<String> = format
                .logical_type_options()
                .iter()
                .map(|(key, value)| if *key == "timezone" { format!("{key}: {value}") } else { format!("{key}: \"{value}\"") })
                .collect();
            let contract = format!(
                "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {{property: polder.source, \
                 value: s}}\nschema:\n  - name: t\n    properties:\n      - {{name: c, logicalType: {}, logicalTypeOptions: {{{}}}}}\n",
                format.logical_type(),
                options.join(", ")
            );
            Contract::parse(&contract, "t.odcs.yaml").unwrap_or_else(|problems| panic!("{}: {problems}", format.label()));
        }
    }
}
