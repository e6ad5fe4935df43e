//! Patterns: a regular expression that the whole value must match. Simple ones, which are most, need no automaton.

use regex::Regex;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// Most literals that an alternation may have to be compared one by one.
const LITERALS_MAX: usize = 32;
/// Largest compiled automaton, in bytes.
const SIZE_MAX_BYTES: usize = 4 << 20;

/// A set of bytes.
#[derive(Clone)]
struct ByteSet([bool; 256]);

impl ByteSet {
    #[inline]
    fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or(false)
    }
}

/// ASCII positions of fixed meaning, with at most one stretch of variable length between them.
#[derive(Clone)]
struct Simple {
    head: Vec<ByteSet>,
    middle: Option<(ByteSet, usize, usize)>,
    tail: Vec<ByteSet>,
}

#[derive(Clone)]
enum Matcher {
    Simple(Box<Simple>),
    Literals(Vec<Vec<u8>>),
    Regex(Regex),
}

/// A compiled pattern.
#[derive(Clone)]
pub struct Pattern(Matcher);

impl Pattern {
    /// Compiles a pattern in the syntax of the `regex` crate: no look-around, no back-references.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn compile(pattern: &str) -> Result<Self, String> {
        let last_line = |text: String| text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let hir = regex_syntax::Parser::new().parse(pattern).map_err(|error| last_line(error.to_string()))?;
        let hir = unanchored(&hir);
        if let Some(simple) = simple(&hir) {
            return Ok(Self(Matcher::Simple(Box::new(simple))));
        }
        if let Some(literals) = literals(&hir) {
            return Ok(Self(Matcher::Literals(literals)));
        }
        regex::RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
            .size_limit(SIZE_MAX_BYTES)
            .build()
            .map(|regex| Self(Matcher::Regex(regex)))
            .map_err(|error| last_line(error.to_string()))
    }

    /// Whether the whole of a UTF-8 text matches.
    #[inline]
    pub fn matches(&self, text: &[u8]) -> bool {
        match &self.0 {
            Matcher::Simple(simple) => simple.matches(text),
            Matcher::Literals(literals) => literals.iter().any(|literal| literal.as_slice() == text),
            Matcher::Regex(regex) => std::str::from_utf8(text).is_ok_and(|text| regex.is_match(text)),
        }
    }

    /// Whether an automaton is needed.
    #[cfg(test)]
    pub fn is_regex(&self) -> bool {
        matches!(self.0, Matcher::Regex(_))
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pattern(..)")
    }
}

impl Simple {
    #[inline]
    fn matches(&self, text: &[u8]) -> bool {
        let Some((head, rest)) = text.split_at_checked(self.head.len()) else { return false };
        let Some((middle, tail)) = rest.len().checked_sub(self.tail.len()).and_then(|at| rest.split_at_checked(at)) else {
            return false;
        };
        let all = |text: &[u8], sets: &[ByteSet]| text.iter().zip(sets).all(|(byte, set)| set.has(*byte));
        let fits = match &self.middle {
            None => middle.is_empty(),
            Some((set, min, max)) => middle.len() >= *min && middle.len() <= *max && middle.iter().all(|byte| set.has(*byte)),
        };
        fits && all(head, &self.head) && all(tail, &self.tail)
    }
}

/// Without the anchors at its ends, which a match of the whole value implies.
fn unanchored(hir: &Hir) -> Hir {
    let HirKind::Concat(parts) = hir.kind() else { return hir.clone() };
    let mut parts = parts.as_slice();
    while let [first, rest @ ..] = parts
        && matches!(first.kind(), HirKind::Look(Look::Start))
    {
        parts = rest;
    }
    while let [rest @ .., last] = parts
        && matches!(last.kind(), HirKind::Look(Look::End))
    {
        parts = rest;
    }
    Hir::concat(parts.to_vec())
}

fn simple(hir: &Hir) -> Option<Simple> {
    let mut found = Simple { head: Vec::new(), middle: None, tail: Vec::new() };
    add(hir, &mut found)?;
    Some(found)
}

fn add(hir: &Hir, found: &mut Simple) -> Option<()> {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => {
            for byte in literal.0.iter() {
                let mut set = ByteSet([false; 256]);
                *set.0.get_mut(usize::from(*byte))? = true;
                push(found, set)?;
            }
        }
        HirKind::Class(class) => push(found, ascii(class)?)?,
        HirKind::Capture(capture) => add(&capture.sub, found)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| add(part, found))?,
        HirKind::Repetition(repetition) => {
            let HirKind::Class(class) = repetition.sub.kind() else { return None };
            let set = ascii(class)?;
            let min = usize::try_from(repetition.min).ok()?;
            let max = repetition.max.map_or(Some(usize::MAX), |max| usize::try_from(max).ok())?;
            if min == max && min <= 64 {
                for _ in 0..min {
                    push(found, set.clone())?;
                }
            } else if found.middle.is_none() {
                found.middle = Some((set, min, max));
            } else {
                return None;
            }
        }
        HirKind::Look(_) | HirKind::Alternation(_) => return None,
    }
    Some(())
}

fn push(found: &mut Simple, set: ByteSet) -> Option<()> {
    let side = if found.middle.is_some() { &mut found.tail } else { &mut found.head };
    side.push(set);
    (side.len() <= 256).then_some(())
}

/// The class as bytes, when it holds nothing but ASCII.
fn ascii(class: &Class) -> Option<ByteSet> {
    let mut set = ByteSet([false; 256]);
    let Class::Unicode(class) = class else { return None };
    for range in class.ranges() {
        let (start, end) = (u8::try_from(range.start()).ok()?, u8::try_from(range.end()).ok()?);
        if end > 127 {
            return None;
        }
        for byte in start..=end {
            *set.0.get_mut(usize::from(byte))? = true;
        }
    }
    Some(set)
}

/// All texts that match, when they are few and no look-around is involved.
fn literals(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    if !hir.properties().look_set().is_empty() {
        return None;
    }
    let mut extractor = Extractor::new();
    extractor.limit_total(LITERALS_MAX);
    let sequence = extractor.extract(hir);
    if !sequence.is_exact() {
        return None;
    }
    sequence.literals().map(|literals| literals.iter().map(|literal| literal.as_bytes().to_vec()).collect())
}
