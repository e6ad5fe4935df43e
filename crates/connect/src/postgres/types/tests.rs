//! Every type, as a real server tells of it: `tests/corpus/postgres`.

use std::path::Path;

use super::*;

/// A column of one type, and how its values were sent.
pub(in crate::postgres) struct Golden {
    pub column: ServerColumn,
    pub streams: Vec<GoldenStream>,
}

pub(in crate::postgres) struct GoldenStream {
    /// As [`Fetch::select`].
    pub select: Option<String>,
    /// All of a binary COPY of one column.
    pub bytes: Vec<u8>,
    /// What the server writes of each row; none is a null.
    pub texts: Vec<Option<String>>,
}

impl Golden {
    pub(in crate::postgres) fn stream(&self, select: Option<&str>) -> &GoldenStream {
        self.streams.iter().find(|stream| stream.select.as_deref() == select).unwrap()
    }
}

/// What `generate.py` wrote.
pub(in crate::postgres) fn golden() -> Vec<Golden> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/postgres/golden.txt");
    let mut all: Vec<Golden> = Vec::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let words: Vec<&str> = line.split('\t').collect();
        match words[..] {
            ["type", name, oid, modifier, typtype, element] => {
                let column = ServerColumn {
                    name: "v".to_owned(),
                    oid: oid.parse().unwrap(),
                    type_name: name.to_owned(),
                    modifier: modifier.parse().unwrap(),
                    typtype: typtype.as_bytes()[0],
                    element: element.parse().unwrap(),
                };
                all.push(Golden { column, streams: Vec::new() });
            }
            ["stream", select, bytes] => {
                let select = (select != "-").then(|| select.to_owned());
                all.last_mut().unwrap().streams.push(GoldenStream { select, bytes: hex::decode(bytes).unwrap(), texts: Vec::new() });
            }
            ["row", text] => all.last_mut().unwrap().streams.last_mut().unwrap().texts.push(unescaped(text)),
            _ => panic!("{line}"),
        }
    }
    assert!(all.len() > 60);
    all
}

/// A field as COPY writes it in its text format.
fn unescaped(text: &str) -> Option<String> {
    if text == "\\N" {
        return None;
    }
    let (mut out, mut signs) = (String::new(), text.chars());
    while let Some(sign) = signs.next() {
        out.push(match sign {
            '\\' => match signs.next().unwrap() {
                't' => '\t',
                'n' => '\n',
                other => other,
            },
            other => other,
        });
    }
    Some(out)
}

/// The types that a contract may give a column.
pub(in crate::postgres) const TYPES: [ColumnType; 9] = [
    ColumnType::String,
    ColumnType::Boolean,
    ColumnType::Int64,
    ColumnType::Float64,
    ColumnType::Decimal { precision: 10, scale: 2 },
    ColumnType::Date,
    ColumnType::Timestamp { zone: false },
    ColumnType::Timestamp { zone: true },
    ColumnType::Time,
];

#[test]
fn each_type_is_fetched_without_loss_or_refused_by_its_name() {
    let mut report = String::new();
    for Golden { column, streams } in golden() {
        let sampled = plan(&column, None, "d").unwrap();
        assert_eq!((field(&column).data_type, field(&column).name.as_str()), (sampled.data_type.clone(), "v"));
        assert!(field(&column).unread().is_none(), "{}", column.type_name);
        report.push_str(&format!("{}\n  sample: {}\n", column.type_name, shown(Ok(sampled))));
        // Types that are fetched alike stand in one line.
        let mut lines: Vec<(String, Vec<String>)> = Vec::new();
        for ty in TYPES {
            let planned = plan(&column, Some(ty), "d");
            if let Ok(fetch) = &planned {
                assert!(streams.iter().any(|stream| stream.select.as_deref() == fetch.select), "{}: {ty}", column.type_name);
            }
            let said = shown(planned).replace(&ty.to_string(), "TYPE");
            match lines.iter_mut().find(|(line, _)| *line == said) {
                Some((_, types)) => types.push(ty.to_string()),
                None => lines.push((said, vec![ty.to_string()])),
            }
        }
        lines.into_iter().for_each(|(line, types)| report.push_str(&format!("  {}: {line}\n", types.join(", "))));
    }
    insta::assert_snapshot!(report);
}

fn shown(planned: Result<Fetch, Error>) -> String {
    match planned {
        Ok(fetch) => format!("v{} -> {}", fetch.select.unwrap_or_default(), fetch.data_type),
        Err(error) => error.to_string(),
    }
}

#[test]
fn digits_are_those_that_the_server_declares() {
    let modifier = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
    let decimal = |precision, scale| Some(Decode::Decimal { precision, scale });
    assert_eq!(declared(modifier(38, 38)), decimal(38, 38));
    assert_eq!(declared(modifier(1, 0)), decimal(1, 0));
    // As many zeros as are rounded to, and as many digits as stand behind the point.
    assert_eq!(declared(modifier(3, -5)), decimal(8, 0));
    assert_eq!(declared(modifier(3, 5)), decimal(5, 5));
    assert_eq!(declared(modifier(38, -1)), None);
    assert_eq!(declared(modifier(39, 2)), None);
    assert_eq!(declared(modifier(1000, -1000)), None);
    assert_eq!(declared(modifier(2, 39)), None);
    for nonsense in [-1, 0, 3, 4, i32::MIN, i32::MAX] {
        assert_eq!(declared(nonsense), None);
    }
}
