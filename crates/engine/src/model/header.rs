//! The comment at the head of a model: `-- polder: materialized = table`, `-- description: ...`.

use super::Materialized;

pub(super) struct Header {
    pub materialized: Materialized,
    pub description: Option<String>,
}

const SETTING: &str = "materialized";

/// Reads the comment lines before the query. Line numbers count from 1.
pub(super) fn read(text: &str) -> Result<Header, Vec<(usize, String)>> {
    let mut problems = Vec::new();
    let mut materialized: Option<Materialized> = None;
    let mut description: Option<String> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let Some(comment) = line.strip_prefix("--") else {
            if line.is_empty() {
                continue;
            }
            break;
        };
        let comment = comment.trim();
        if let Some(settings) = comment.strip_prefix("polder:") {
            for setting in settings.split(',') {
                match setting.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
                    Some(("materialized", value)) => match (value, materialized) {
                        (_, Some(_)) => problems.push((number, "materialized is set twice; keep one".to_owned())),
                        ("table", None) => materialized = Some(Materialized::Table),
                        ("view", None) => materialized = Some(Materialized::View),
                        (other, None) => {
                            problems.push((number, format!("materialized = {other} is not known; write table or view")));
                        }
                    },
                    Some((key, _)) => problems.push((number, format!("the setting {key} is not known; the only one is {SETTING}"))),
                    None => problems.push((number, format!("{:?} is no setting; write key = value", setting.trim()))),
                }
            }
        } else if let Some(text) = comment.strip_prefix("description:") {
            if description.is_some() {
                problems.push((number, "description is set twice; keep one".to_owned()));
            }
            description = Some(text.trim().to_owned());
        } else if let Some((word, _)) = comment.split_once(':')
            && !near(word, &["polder", "description"]).is_empty()
        {
            // A misspelt header would otherwise be read as a comment and change what the model is.
            problems.push((number, format!("{word}: is not known{}", near(word, &["polder", "description"]))));
        }
    }
    if materialized.is_none() && problems.is_empty() {
        problems.push((1, "the header is missing; begin the file with `-- polder: materialized = table` or `= view`".to_owned()));
    }
    match materialized {
        Some(materialized) if problems.is_empty() => Ok(Header { materialized, description }),
        _ => Err(problems),
    }
}

/// `; did you mean ...?` when a known word is near.
fn near(word: &str, known: &[&str]) -> String {
    let best = known.iter().map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate)).min();
    match best {
        Some((distance, candidate)) if distance > 0 && distance <= 2.max(candidate.len() / 3) => format!("; did you mean {candidate}?"),
        _ => String::new(),
    }
}
