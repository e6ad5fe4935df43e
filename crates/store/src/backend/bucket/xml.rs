//! What a storage writes: small documents of elements and text. Attributes are never looked at, no entity is resolved but the five that
//! every document has, a document type is refused unread, and everything has a limit.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::trouble::Trouble;

/// Deepest nesting: a listing has 4.
const DEPTH_MAX: usize = 16;
/// Most elements: a listing of a thousand keys has about ten for each.
const ELEMENTS_MAX: usize = 100_000;

/// An element: its own text, and the elements in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Without its prefix.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The first element of a name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first element of a name; empty when there is none.
    pub(super) fn text_of(&self, name: &str) -> &str {
        self.child(name).map(|child| child.text.as_str()).unwrap_or_default()
    }
}

/// Reads one document.
///
/// # Errors
/// [`Trouble::Odd`] when it is none, or past a limit.
pub(super) fn read(bytes: &[u8]) -> Result<Element, Trouble> {
    let odd = |_| Trouble::Odd("it is not well-formed XML");
    let text = std::str::from_utf8(bytes).map_err(|_| Trouble::Odd("it is not UTF-8"))?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    // Elements that are open, the root first, under one that holds the root at last.
    let mut open = vec![Element::default()];
    let mut elements = 0;
    loop {
        match reader.read_event().map_err(|_| Trouble::Odd("it is not well-formed XML"))? {
            Event::Start(tag) => {
                elements += 1;
                if open.len() > DEPTH_MAX || elements > ELEMENTS_MAX {
                    return Err(Trouble::Odd("it has too many elements"));
                }
                let name = tag.local_name().as_ref().to_owned();
                open.push(Element { name, ..Element::default() });
            }
            Event::End(_) => {
                let closed = open.pop().filter(|_| !open.is_empty()).ok_or(Trouble::Odd("it is not well-formed XML"))?;
                if let Some(parent) = open.last_mut() {
                    parent.children.push(closed);
                }
            }
            Event::Text(text) => push(&mut open, &text.xml10_content()),
            Event::CData(text) => push(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().map_err(odd)? {
                Some(letter) => push(&mut open, letter.encode_utf8(&mut [0; 4])),
                None => {
                    let known = resolve_predefined_entity(&reference).ok_or(Trouble::Odd("it has an entity of its own"))?;
                    push(&mut open, known);
                }
            },
            Event::DocType(_) => return Err(Trouble::Odd("it has a document type")),
            Event::Decl(_) | Event::Empty(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    let mut outside = open.pop().filter(|_| open.is_empty()).map(|top| top.children).unwrap_or_default();
    match (outside.pop(), outside.is_empty()) {
        (Some(root), true) => Ok(root),
        _ => Err(Trouble::Odd("it is not one XML document")),
    }
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// A text as it stands in an element.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn elements_text_and_the_five_entities_are_read_and_attributes_are_not() {
        let text = "<?xml version=\"1.0\"?>\n<s3:List xmlns:s3=\"http://x/\" a='1' a='1'><Key>a&amp;b &#233;<![CDATA[<c>]]></Key><Empty/><!-- x --></s3:List>\n";
        let root = read(text.as_bytes()).unwrap();
        assert_eq!((root.name.as_str(), root.text_of("Key"), root.text_of("Empty"), root.text_of("None")), ("List", "a&b é<c>", "", ""));
        assert_eq!(escaped("<a & b>"), "&lt;a &amp; b&gt;");
    }

    #[test]
    fn what_is_hostile_is_refused() {
        let deep = format!("{}{}", "<a>".repeat(17), "</a>".repeat(17));
        let many = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX));
        let bomb = "<!DOCTYPE a [<!ENTITY b \"x\">]><a>&b;</a>";
        for text in ["", "<a>", "</a>", "<a></b>", "<a/><b/>", "text", "<a>&b;</a>", "<a>&#0;</a>", "\u{feff}", bomb, &deep, &many] {
            assert!(matches!(read(text.as_bytes()), Err(Trouble::Odd(_))), "{}", text.chars().take(60).collect::<String>());
        }
        assert!(read(b"<a>\xff</a>").is_err());
    }

    /// What made older versions of the parser take time that grows with the square of a tag's length, or three times its memory.
    #[test]
    fn a_tag_with_a_million_attributes_costs_no_more_than_its_bytes() {
        let attributes: String = (0..400_000).map(|number| format!(" xmlns:a{number}=''")).collect();
        let text = format!("<a{attributes}><Key>x</Key></a>");
        assert_eq!(read(text.as_bytes()).unwrap().text_of("Key"), "x");
    }

    proptest! {
        #![proptest_config(crate::tests::cases(128))]

        #[test]
        fn any_text_is_read_or_refused(text in "[<>/a&;! \\[\\]?-]{0,200}") {
            let _ = read(text.as_bytes());
        }

        #[test]
        fn what_is_escaped_comes_back(text in "[^\\x00-\\x1f\\x7f-\\x9f\\ufffe\\uffff]{0,60}") {
            let document = format!("<a><b>{}</b></a>", escaped(&text));
            let root = read(document.as_bytes()).unwrap();
            prop_assert_eq!(root.text_of("b"), text);
        }
    }
}
