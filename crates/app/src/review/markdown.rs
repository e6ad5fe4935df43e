//! A review as Markdown, for a comment on a pull request. Names that someone else chose are text there, never markup.

use polder_types::printable;

use crate::review::Review;
use crate::review::text::{conclusion, facts, others, verdict};

/// The document.
pub fn document(review: &Review) -> String {
    let mut text = format!("## polder ci: {}\n\n", plain(&conclusion(review)));
    text.push_str(&format!(
        "Compared with {} ({}), for environment {}.\n",
        plain(&review.base),
        plain(review.commit.short()),
        plain(&review.environment)
    ));
    for table in &review.tables {
        text.push_str(&format!("\n### Table {}\n\n{}: {}.\n\n", plain(&table.table), plain(&table.file), plain(&verdict(table))));
        text.push_str("| line | change | newly lets in | keeps out | breaks | migration |\n| ---: | --- | --- | --- | --- | --- |\n");
        for change in &table.changes {
            let facts = facts(change);
            let fact = |word: &str| facts.iter().find(|(other, _)| *other == word).map(|(_, said)| plain(said)).unwrap_or_default();
            let cells = ["newly lets in", "keeps out", "breaks", "migration"].map(fact).join(" | ");
            text.push_str(&format!("| {} | {} | {cells} |\n", change.line, plain(&change.what)));
        }
    }
    let others: Vec<_> = others(review).collect();
    if !others.is_empty() {
        text.push_str("\n### Findings\n\n| level | where | finding |\n| --- | --- | --- |\n");
        for finding in others {
            let place = plain(&format!("{}:{}", finding.file, finding.line));
            text.push_str(&format!("| {} | {place} | {} |\n", finding.level.name(), plain(&finding.message)));
        }
    }
    text
}

/// A text in which no character is markup.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in printable(text).chars() {
        match c {
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '&' => plain.push_str("&amp;"),
            // A name after it would be told of the comment.
            '@' => plain.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' => plain.extend(['\\', c]),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_is_markup() {
        let shown = plain("a|b `c` <img src=x> [d](e) **f** @g\n# h");
        assert_eq!(shown, "a\\|b \\`c\\` &lt;img src=x&gt; \\[d\\](e) \\*\\*f\\*\\* &#64;g\\\\n\\# h");
    }
}
