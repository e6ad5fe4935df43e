//! Where records stand in an XML document, and columns in a record: names of elements with `/` between them.

use super::DEPTH_MAX;

/// A name of an element or attribute. Without a prefix it stands for that local name under every prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step(String);

impl Step {
    fn parse(text: &str) -> Option<Self> {
        let right = !text.is_empty()
            && !text.starts_with(':')
            && !text.ends_with(':')
            && text.matches(':').count() <= 1
            && !text.contains(|c: char| c.is_whitespace() || "<>&\"'=/@*[]()".contains(c));
        right.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an element or attribute of that name, prefix included, is meant.
    pub(crate) fn fits(&self, name: &[u8]) -> bool {
        let wanted = self.0.as_bytes();
        if wanted.contains(&b':') { name == wanted } else { local(name) == wanted }
    }
}

/// A name without its prefix.
pub(crate) fn local(name: &[u8]) -> &[u8] {
    match memchr::memchr(b':', name) {
        Some(at) => name.get(at + 1..).unwrap_or_default(),
        None => name,
    }
}

/// The elements from the root to a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RecordPath(Vec<Step>);

impl RecordPath {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let steps: Option<Vec<Step>> = text.strip_prefix('/').unwrap_or(text).split('/').map(Step::parse).collect();
        steps.filter(|steps| steps.len() < DEPTH_MAX).map(Self)
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }
}

/// What of a record a column is: the text of an element below it, or an attribute of it or of one below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnPath {
    pub steps: Vec<Step>,
    pub attribute: Option<Step>,
}

impl ColumnPath {
    /// Reads `name`, `address/city`, `@id`, `address/@kind` or `.` for the record's own text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "." {
            return Some(Self { steps: Vec::new(), attribute: None });
        }
        let (elements, attribute) = match text.rsplit_once('/') {
            Some((elements, last)) if last.starts_with('@') => (Some(elements), last.strip_prefix('@')),
            None if text.starts_with('@') => (None, text.strip_prefix('@')),
            _ => (Some(text), None),
        };
        let attribute = match attribute {
            Some(name) => Some(Step::parse(name)?),
            None => None,
        };
        let steps: Option<Vec<Step>> = elements.map_or(Some(Vec::new()), |elements| elements.split('/').map(Step::parse).collect());
        steps.filter(|steps| steps.len() < DEPTH_MAX).map(|steps| Self { steps, attribute })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_what_is_none_is_refused() {
        let record = |text| RecordPath::parse(text).map(|path| path.0.iter().map(|step| step.0.clone()).collect::<Vec<_>>());
        assert_eq!(record("catalog/book"), Some(vec!["catalog".to_owned(), "book".to_owned()]));
        assert_eq!(record("/soap:Envelope/Body"), Some(vec!["soap:Envelope".to_owned(), "Body".to_owned()]));
        for wrong in ["", "/", "a//b", "a/", "//a", "a[1]", "a/@b", "*", "a b", ":a", "a:", "a:b:c"] {
            assert_eq!(record(wrong), None, "{wrong}");
        }
        let column = |text| {
            let path = ColumnPath::parse(text)?;
            Some((path.steps.iter().map(|step| step.0.clone()).collect::<Vec<_>>().join("/"), path.attribute.map(|step| step.0)))
        };
        let some = |steps: &str, attribute: Option<&str>| Some((steps.to_owned(), attribute.map(str::to_owned)));
        assert_eq!(column("."), some("", None));
        assert_eq!(column("@id"), some("", Some("id")));
        assert_eq!(column("address/city"), some("address/city", None));
        assert_eq!(column("address/@xsi:type"), some("address", Some("xsi:type")));
        for wrong in ["", "@", "a/@", "/@a", "a/@b/c", "@a/b", "..", "a/"] {
            assert!(column(wrong).is_none() || wrong == "..", "{wrong}");
        }
    }

    #[test]
    fn a_name_without_prefix_fits_any() {
        let step = |text| Step::parse(text).unwrap();
        assert!(step("a").fits(b"a") && step("a").fits(b"x:a") && !step("a").fits(b"b") && !step("a").fits(b"a:b"));
        assert!(step("x:a").fits(b"x:a") && !step("x:a").fits(b"a") && !step("x:a").fits(b"y:a"));
    }
}
