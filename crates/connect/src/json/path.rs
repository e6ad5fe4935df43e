//! Where a value stands in a JSON record: keys from the outside in, written with points between them.

use polder_types::limit::JSON_DEPTH_MAX;

/// Keys from the outermost in. Empty: the value itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct JsonPath(Vec<String>);

impl JsonPath {
    /// Reads a path: `address.city` is the key `city` in the object at `address`. A point that belongs to a key is written `\.`, a
    /// backslash `\\`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut keys = vec![String::new()];
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let key = keys.last_mut()?;
            match letter {
                '\\' => key.push(letters.next().filter(|next| matches!(next, '.' | '\\'))?),
                '.' if key.is_empty() => return None,
                '.' => keys.push(String::new()),
                letter => key.push(letter),
            }
        }
        (keys.last().is_some_and(|key| !key.is_empty()) && keys.len() < JSON_DEPTH_MAX).then_some(Self(keys))
    }

    /// A path that no text gives is the key as it stands.
    pub(crate) fn of_name(name: &str) -> Self {
        Self::parse(name).unwrap_or_else(|| Self(vec![name.to_owned()]))
    }

    pub(crate) fn keys(&self) -> &[String] {
        &self.0
    }
}

/// A key as it stands in a path.
pub(crate) fn escaped(key: &str) -> String {
    key.replace('\\', "\\\\").replace('.', "\\.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_part_keys_unless_they_are_escaped() {
        let keys = |text: &str| JsonPath::parse(text).map(|path| path.0);
        assert_eq!(keys("a.b c.d"), Some(vec!["a".to_owned(), "b c".to_owned(), "d".to_owned()]));
        assert_eq!(keys(r"a\.b.c\\"), Some(vec!["a.b".to_owned(), r"c\".to_owned()]));
        for key in ["a.b", r"\", r"a\.b", "é"] {
            assert_eq!(keys(&escaped(key)), Some(vec![key.to_owned()]));
        }
        for wrong in ["", ".", "a.", ".a", "a..b", r"a\b", r"a\"] {
            assert_eq!(keys(wrong), None, "{wrong}");
        }
        assert_eq!(JsonPath::parse(&vec!["a"; 64].join(".")), None);
    }
}
