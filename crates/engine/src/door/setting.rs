//! Statements that ask nothing: what they set holds for the questions after them. The door itself keeps nothing between two questions; whoever
//! has a session asks [`Setting::parse`] first.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use polder_types::limit::{PURPOSE_MAX_BYTES, SQL_MAX_BYTES};

use crate::error::Error;

/// What a session is to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// What the next questions are for, as policies may ask; `None` takes it back.
    Purpose(Option<String>),
}

impl Setting {
    /// Reads `SET polder.purpose = 'billing'`, with `TO` for `=`, with `DEFAULT` for nothing, and `RESET polder.purpose`. `None` for every other
    /// text.
    ///
    /// # Errors
    /// When it begins so and does not go on so.
    pub fn parse(sql: &str) -> Result<Option<Self>, Error> {
        let begins = |word: &str| {
            let text = sql.trim_start();
            text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
                && text.get(word.len()..).is_some_and(|rest| rest.starts_with(char::is_whitespace))
        };
        if sql.len() > SQL_MAX_BYTES || !(begins("set") || begins("reset")) {
            return Ok(None);
        }
        // What else is set, or is no SQL, the door refuses and records.
        let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Ok(None) };
        let mut tokens: Vec<Token> = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
        while matches!(tokens.last(), Some(Token::SemiColon | Token::EOF)) {
            tokens.pop();
        }
        let is = |token: &Token, text: &str| matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text));
        let (verb, value) = match tokens.as_slice() {
            [verb, polder, Token::Period, purpose, value @ ..] if is(polder, "polder") && is(purpose, "purpose") => (verb, value),
            _ => return Ok(None),
        };
        let wrong =
            || Error::Parse("a purpose is set as SET polder.purpose = 'billing', and taken back by RESET polder.purpose".to_owned());
        let purpose = match value {
            [] if is(verb, "reset") => None,
            [to, value] if is(verb, "set") && (*to == Token::Eq || is(to, "to")) => match value {
                Token::SingleQuotedString(purpose) => Some(purpose.clone()),
                value if is(value, "default") => None,
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        match &purpose {
            Some(purpose) if purpose.is_empty() => {
                Err(Error::Parse("a purpose is not empty; RESET polder.purpose takes it back".to_owned()))
            }
            Some(purpose) if purpose.len() > PURPOSE_MAX_BYTES => {
                Err(Error::TooLong { max: PURPOSE_MAX_BYTES, unit: "bytes of a purpose" })
            }
            _ => Ok(Some(Self::Purpose(purpose))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_is_set_and_taken_back() {
        let billing = || Some(Setting::Purpose(Some("billing".to_owned())));
        for (sql, wanted) in [
            ("SET polder.purpose = 'billing'", billing()),
            ("set Polder.Purpose to 'billing' ;\n", billing()),
            (" set polder.purpose='it''s'", Some(Setting::Purpose(Some("it's".to_owned())))),
            ("set polder.purpose = default;", Some(Setting::Purpose(None))),
            ("reset polder.purpose", Some(Setting::Purpose(None))),
            ("select 'set polder.purpose = 1'", None),
            ("settle", None),
            ("", None),
        ] {
            assert_eq!(Setting::parse(sql).unwrap(), wanted, "{sql}");
        }
    }

    #[test]
    fn nothing_else_is_set() {
        for sql in [
            "set \"polder\".purpose = 'a'",
            "set datafusion.execution.target_partitions = 1",
            "set role 'ann'",
            "reset all",
            "set polder.purpose = 'a",
            "set polder",
        ] {
            assert_eq!(Setting::parse(sql).unwrap(), None, "{sql}");
        }
        let long = format!("set polder.purpose = '{}'", "x".repeat(PURPOSE_MAX_BYTES + 1));
        for sql in [
            "set polder.purpose",
            "set polder.purpose = ",
            "set polder.purpose = billing",
            "set polder.purpose = ''",
            "set polder.purpose = 'a', 'b'",
            "set polder.purpose = 'a'; select 1",
            "reset polder.purpose = 'a'",
            "reset polder.purpose to default",
            &long,
        ] {
            assert!(matches!(Setting::parse(sql), Err(Error::Parse(_) | Error::TooLong { .. })), "{sql}");
        }
    }
}
