//! Which of two classifications is stricter. ODCS leaves the words open, so an unknown word counts as strict.

fn rank(word: &str) -> u8 {
    match word {
        "" | "unclassified" => 0,
        "public" => 1,
        "internal" => 2,
        "confidential" => 3,
        "restricted" => 5,
        _ => 4,
    }
}

/// The strictest of several classifications: none < `public` < `internal` < `confidential` < any other word < `restricted`.
/// Among other words the last by alphabet, so that the result does not depend on order. In lower case, since policies compare letter
/// by letter, and what the log recorded once may have been written otherwise.
pub fn strictest<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let words = words.into_iter().map(|word| word.trim().to_lowercase());
    words.filter(|word| rank(word) > 0).max_by(|one, other| (rank(one), one).cmp(&(rank(other), other)))
}

#[cfg(test)]
mod tests {
    use super::strictest;

    #[test]
    fn an_unknown_word_is_stricter_than_the_known_ones_but_restricted() {
        assert_eq!(strictest([]), None);
        assert_eq!(strictest(["unclassified", ""]), None);
        assert_eq!(strictest(["public", "internal"]).as_deref(), Some("internal"));
        assert_eq!(strictest(["personal", "confidential"]).as_deref(), Some("personal"));
        assert_eq!(strictest(["personal", "restricted", "public"]).as_deref(), Some("restricted"));
        assert_eq!(strictest(["medical", "personal"]), strictest(["personal", "medical"]));
        assert_eq!(strictest(["personal", " Restricted"]).as_deref(), Some("restricted"));
        assert_eq!(strictest(["PERSONAL"]).as_deref(), Some("personal"));
        assert_eq!(strictest(["Unclassified"]), None);
    }
}
