//! A review as JUnit XML: a case for everything that was checked, which fails for what refuses the change.

use std::collections::BTreeSet;

use crate::review::{Finding, Level, Review};

/// The document.
pub fn document(review: &Review) -> String {
    let mut subjects: Vec<&str> = review.checked.iter().map(String::as_str).collect();
    subjects.extend(review.findings.iter().map(|finding| finding.subject.as_str()));
    let mut seen = BTreeSet::new();
    subjects.retain(|subject| seen.insert(*subject));
    let cases: Vec<Case<'_>> = subjects.into_iter().map(|subject| Case::of(review, subject)).collect();
    let unreadable = cases.iter().filter(|case| case.unreadable()).count();
    let refused = cases.iter().filter(|case| case.refused() && !case.unreadable()).count();
    let counts = format!("tests=\"{}\" failures=\"{refused}\" errors=\"{unreadable}\" skipped=\"0\"", cases.len());
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text.push_str(&format!("<testsuites name=\"polder ci\" {counts} time=\"0\">\n"));
    text.push_str(&format!("  <testsuite name=\"polder ci\" {counts} time=\"0\">\n"));
    text.push_str(&format!(
        "    <properties>{}{}{}</properties>\n",
        property("base", &review.base),
        property("commit", review.commit.as_str()),
        property("environment", &review.environment)
    ));
    text.extend(cases.iter().map(Case::element));
    text + "  </testsuite>\n</testsuites>\n"
}

fn property(name: &str, value: &str) -> String {
    format!("<property name=\"{name}\" value=\"{}\"/>", escaped(value))
}

/// Everything that was found about one thing that was checked.
struct Case<'a> {
    subject: &'a str,
    against: Vec<&'a Finding>,
    beside: Vec<&'a Finding>,
}

impl<'a> Case<'a> {
    fn of(review: &'a Review, subject: &'a str) -> Self {
        let found = review.findings.iter().filter(|finding| finding.subject == subject);
        let (against, beside) = found.partition(|finding| finding.level == Level::Error);
        Self { subject, against, beside }
    }

    fn refused(&self) -> bool {
        !self.against.is_empty()
    }

    fn unreadable(&self) -> bool {
        self.against.iter().any(|finding| finding.rule == "unreadable")
    }

    fn element(&self) -> String {
        let (kind, name) = self.subject.split_once(' ').unwrap_or((self.subject, self.subject));
        let mut text = format!("    <testcase classname=\"polder.{}\" name=\"{}\" time=\"0\">\n", escaped(kind), escaped(name));
        if let Some(first) = self.against.first() {
            // Some readers take only one element of a case: it holds all.
            let element = if self.unreadable() { "error" } else { "failure" };
            text.push_str(&format!(
                "      <{element} type=\"{}\" message=\"{}\">{}</{element}>\n",
                escaped(first.rule),
                escaped(&first.message),
                escaped(&told(&self.against))
            ));
        }
        if !self.beside.is_empty() {
            text.push_str(&format!("      <system-out>{}</system-out>\n", escaped(&told(&self.beside))));
        }
        text + "    </testcase>\n"
    }
}

fn told(findings: &[&Finding]) -> String {
    let lines = findings
        .iter()
        .map(|finding| format!("{}:{}: {} {}: {}", finding.file, finding.line, finding.level.name(), finding.rule, finding.message));
    lines.collect::<Vec<_>>().join("\n")
}

/// A text for content and attributes of XML 1.0, which has no place for most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => escaped.extend(c.escape_default()),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn no_text_ends_an_element_or_an_attribute() {
        assert_eq!(escaped("a\"b'<c>&d\n\u{1b}[0m\u{0}"), "a&quot;b&apos;&lt;c&gt;&amp;d&#10;\\u{1b}[0m\\u{0}");
    }
}
