//! Known-bad patterns: YARA rules, those that every gate has and those of the project's `rules/` (`docs/format/rules.md`).
//!
//! A rule is judged for one value. To be fast, columns are searched for a few bytes of each of the rules' strings
//! ([`literals`](super::literals)); values that hold them are searched together for the strings; a value in which one begins is then
//! judged alone by the whole rule. So a rule must need one of its strings: what holds without any would not be found.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, OnceLock};

use aho_corasick::AhoCorasick;
use parking_lot::Mutex;
use polder_crypto::sha256;
use yara_x::{Compiler, Rules, Scanner, SourceCode};
use yara_x_parser::Span;
use yara_x_parser::ast::{AST, Expr, Item, OfItems, Pattern, PatternModifier, PatternSet, Quantifier, Rule, RuleFlags, WithSpan};

use super::literals;
use crate::error::Error;
use crate::yaml::{Problem, Problems};

const BUILTIN: &str = include_str!("builtin.yar");
const BUILTIN_FILE: &str = "the rules of Polder";
/// Matches of one string that are counted in what is searched at once; when there are more, every value is judged.
const MATCHES_MAX: usize = 1 << 14;

/// Compiled rules. Cheap to copy: what was compiled once stays for as long as the program runs, which compiles few sets.
#[derive(Clone, Copy)]
pub struct Patterns {
    set: &'static Set,
}

impl std::fmt::Debug for Patterns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patterns").field("rules", &self.set.rules).finish_non_exhaustive()
    }
}

struct Set {
    /// How many rules there are.
    rules: usize,
    /// Where a string of a rule is found may hang on what stands behind a value: its literals are looked for, and it is judged at once.
    judged_at_once: bool,
    /// Finds bytes without which none of those strings is there; none when a string has no such bytes.
    literals: Option<AhoCorasick>,
    /// Strings of all rules that are told, without one of which none holds.
    find: Rules,
    /// The rules as they are written.
    judge: Rules,
}

/// A file of rules.
#[derive(Debug, Clone)]
pub struct RuleFile {
    /// Its name, for errors.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Patterns {
    /// The rules that every gate has.
    ///
    /// # Errors
    /// When they do not compile, which a test rules out.
    pub fn builtin() -> Result<Self, Error> {
        static BUILT: OnceLock<Option<Patterns>> = OnceLock::new();
        BUILT.get_or_init(|| Self::compile(&[]).ok()).ok_or(Error::Patterns { what: "the rules of Polder do not compile" })
    }

    /// Those rules and the project's.
    ///
    /// # Errors
    /// Everything that is wrong with the files, each with its line and what to do.
    pub fn compile(files: &[RuleFile]) -> Result<Self, Problems> {
        static SETS: LazyLock<Mutex<HashMap<[u8; 32], &'static Set>>> = LazyLock::new(Mutex::default);
        let mut named = Vec::new();
        for file in files {
            for text in [&file.name, &file.text] {
                named.extend_from_slice(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
                named.extend_from_slice(text.as_bytes());
            }
        }
        let mut sets = SETS.lock();
        let key = sha256(&named);
        if let Some(set) = sets.get(&key) {
            return Ok(Self { set });
        }
        // Scanners borrow their rules, and are kept by threads that outlive any owner.
        let set: &'static Set = Box::leak(Box::new(Set::compile(files)?));
        sets.insert(key, set);
        Ok(Self { set })
    }

    /// How many rules there are, Polder's own included.
    pub fn rules(&self) -> usize {
        self.set.rules
    }

    /// What finds bytes without which no rule holds; none when every value must be searched.
    pub(super) fn literals(self) -> Option<&'static AhoCorasick> {
        self.set.literals.as_ref()
    }

    /// Gives `begins` every place of a text at which a string of a rule begins; false when it cannot be told, or there are too many.
    pub(super) fn find(self, text: &[u8], mut begins: impl FnMut(usize)) -> Result<bool, Error> {
        if self.set.judged_at_once {
            return Ok(false);
        }
        self.with_scanners(|scanners| {
            let results = scanners.find.scan(text).map_err(failed)?;
            for pattern in results.matching_rules().flat_map(|rule| rule.patterns().include_private(true)) {
                if pattern.matches().len() >= MATCHES_MAX {
                    return Ok(false);
                }
                pattern.matches().for_each(|found| begins(found.range().start));
            }
            Ok(true)
        })
    }

    /// The first rule that holds for a value.
    pub(super) fn judge(self, value: &[u8]) -> Result<Option<&'static str>, Error> {
        self.with_scanners(|scanners| {
            let results = scanners.judge.scan(value).map_err(failed)?;
            Ok(results.matching_rules().map(|rule| rule.identifier()).next())
        })
    }

    /// Scanners are dear to make, and belong to one thread.
    fn with_scanners<T>(self, run: impl FnOnce(&mut Scanners) -> Result<T, Error>) -> Result<T, Error> {
        thread_local! {
            static SCANNERS: RefCell<Option<Scanners>> = const { RefCell::new(None) };
        }
        SCANNERS.with_borrow_mut(|scanners| {
            let kept = scanners.take().filter(|kept| std::ptr::eq(kept.set, self.set));
            run(scanners.insert(kept.unwrap_or_else(|| Scanners::new(self.set))))
        })
    }
}

struct Scanners {
    set: &'static Set,
    find: Scanner<'static>,
    judge: Scanner<'static>,
}

impl Scanners {
    fn new(set: &'static Set) -> Self {
        let (mut find, judge) = (Scanner::new(&set.find), Scanner::new(&set.judge));
        find.max_matches_per_pattern(MATCHES_MAX);
        Self { set, find, judge }
    }
}

#[cold]
fn failed(_: yara_x::ScanError) -> Error {
    // The error names paths and modules, of which there are none here.
    Error::Patterns { what: "the search for patterns failed" }
}

impl Set {
    fn compile(files: &[RuleFile]) -> Result<Self, Problems> {
        let builtin = [RuleFile { name: BUILTIN_FILE.to_owned(), text: BUILTIN.to_owned() }];
        let (mut find, mut judge) = (compiler(), compiler());
        let (mut problems, mut rules, mut literals, mut judged_at_once) = (Vec::new(), 0, Some(Vec::new()), false);
        for file in builtin.iter().chain(files) {
            let before = problems.len();
            let ast = AST::from(file.text.as_str());
            // What does not parse, the compiler tells better.
            if ast.errors().is_empty() {
                let mut check = Check { file, problems: &mut problems };
                ast.items().for_each(|item| check.item(item));
            }
            if problems.len() == before
                && let Err(error) = judge.add_source(SourceCode::from(file.text.as_str()).with_origin(file.name.as_str()))
            {
                let start = error.labels().next().map_or(0, |label| label.span().start());
                let what = error.labels().next().map(|label| label.text().to_owned()).filter(|text| !text.is_empty());
                let what = what.map_or_else(|| error.title().to_owned(), |what| format!("{}: {what}", error.title()));
                problems.push(problem(file, start, format!("the rule does not compile: {what}"), "correct it"));
            }
            if problems.len() == before {
                rules += ast.rules().filter(|rule| !is(rule, RuleFlags::Private)).count();
                literals = literals.and_then(|all: Vec<Vec<u8>>| Some([all, literals_of(&ast)?].concat()));
                judged_at_once |= needed_of(&ast).flat_map(|(_, strings)| strings).any(hangs_on_what_follows);
                let strings = search_for(&file.text, &ast);
                if find.add_source(strings.as_str()).is_err() {
                    problems.push(problem(file, 0, "its strings cannot be searched for".to_owned(), "report this as a defect"));
                }
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let literals = literals.and_then(literals::search_for);
        Ok(Self { rules, judged_at_once, literals, find: find.build(), judge: judge.build() })
    }
}

fn compiler<'a>() -> Compiler<'a> {
    let mut compiler = Compiler::new();
    // A rule that would make every load slow is an error, and no rule reads another file.
    compiler.error_on_slow_pattern(true).error_on_slow_loop(true).enable_includes(false).colorize_errors(false);
    compiler
}

fn problem(file: &RuleFile, at: usize, problem: String, advice: &str) -> Problem {
    let line = 1 + file.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    Problem { file: file.name.clone(), line: u64::try_from(line).unwrap_or(u64::MAX), problem, advice: advice.to_owned() }
}

fn is(rule: &Rule<'_>, flag: RuleFlags) -> bool {
    rule.flags.contains(flag)
}

/// The rules of a file that are told, each with strings without one of which it cannot hold. Private rules are left out: those that use
/// them have strings of their own.
fn needed_of<'a>(ast: &'a AST<'_>) -> impl Iterator<Item = (&'a Rule<'a>, Vec<&'a Pattern<'a>>)> {
    ast.rules().filter(|rule| !is(rule, RuleFlags::Private)).map(|rule| {
        let patterns = rule.patterns.as_deref().unwrap_or_default();
        let needed = needed(&rule.condition, patterns).unwrap_or_default();
        let strings = patterns.iter().enumerate().filter(|(place, _)| needed.contains(place)).map(|(_, pattern)| pattern);
        (rule, strings.collect())
    })
}

/// Literals one of which is in every value for which a rule of the file holds.
fn literals_of(ast: &AST<'_>) -> Option<Vec<Vec<u8>>> {
    let all: Vec<Vec<Vec<u8>>> = needed_of(ast).flat_map(|(_, strings)| strings).map(literals::of).collect::<Option<_>>()?;
    Some(all.concat())
}

/// Whether a string that ends with its value may be found or not for what follows: with a border of words that is asked for behind a match
/// that reaches further, or with bytes that are decoded.
fn hangs_on_what_follows(pattern: &Pattern<'_>) -> bool {
    let has = |wanted: fn(&PatternModifier<'_>) -> bool| pattern.modifiers().iter().any(wanted);
    let wide = has(|modifier| matches!(modifier, PatternModifier::Wide { .. }));
    let other = has(|modifier| matches!(modifier, PatternModifier::Xor { .. }));
    let whole_words = has(|modifier| matches!(modifier, PatternModifier::Fullword { .. }));
    let coded = has(|modifier| matches!(modifier, PatternModifier::Base64 { .. } | PatternModifier::Base64Wide { .. }));
    let expression = matches!(pattern, Pattern::Regexp(_));
    (expression && (wide || whole_words)) || (whole_words && (wide || other)) || (coded && literals::of_base64(pattern).is_none())
}

/// Rules that hold when a string is there without which a rule of the file cannot hold.
fn search_for(text: &str, ast: &AST<'_>) -> String {
    let mut source = String::new();
    for (rule, strings) in needed_of(ast) {
        let strings = strings.into_iter().filter_map(|pattern| {
            // Base64 is decoded somewhat beyond what is looked for, where the next value stands.
            if let Some(coded) = literals::of_base64(pattern) {
                return Some(coded.iter().map(|signs| format!("$ = \"{signs}\"")).collect::<Vec<_>>().join("\n"));
            }
            let written = text.get(pattern.span().range())?;
            // The parser gives bytes in hexadecimal without their name.
            let name = if written.starts_with('$') { String::new() } else { format!("{} = ", pattern.identifier().name) };
            Some(format!("{name}{written}"))
        });
        let strings: Vec<String> = strings.collect();
        // A rule that never holds needs none.
        if !strings.is_empty() {
            source.push_str(&format!("rule {} {{ strings:\n{}\ncondition: any of them }}\n", rule.identifier.name, strings.join("\n")));
        }
    }
    source
}

/// What a rule must hold to besides being one.
struct Check<'a> {
    file: &'a RuleFile,
    problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    fn wrong(&mut self, span: &Span, what: String, advice: &str) {
        self.problems.push(problem(self.file, span.start(), what, advice));
    }

    fn item(&mut self, item: &Item<'_>) {
        match item {
            Item::Import(import) => {
                self.wrong(&import.span(), format!("the module {} is not there", import.module_name), "write rules over strings only")
            }
            Item::Include(include) => self.wrong(&include.span(), "another file is included".to_owned(), "put both into rules/"),
            Item::Rule(rule) => self.rule(rule),
        }
    }

    fn rule(&mut self, rule: &Rule<'_>) {
        let (name, span) = (rule.identifier.name, rule.identifier.span());
        if is(rule, RuleFlags::Global) {
            self.wrong(&span, format!("rule {name} is global"), "write what it says into the rules that it is for");
        }
        for pattern in rule.patterns.iter().flatten() {
            if let Pattern::Regexp(pattern) = pattern
                && is_anchored(pattern.regexp.src)
            {
                let what = format!("a regular expression of rule {name} holds ^, $, \\A or \\z");
                self.wrong(&pattern.span(), what, "take it out, and write `$name at 0` into the condition");
            }
        }
        let patterns = rule.patterns.as_deref().unwrap_or_default();
        if !is(rule, RuleFlags::Private) && needed(&rule.condition, patterns).is_none() {
            let what = format!("rule {name} may hold for a value in which none of its strings is");
            self.wrong(&span, what, "add `and any of them` to its condition");
        }
    }
}

/// Places of strings, one of which must be there for the condition to hold: those that are found fastest, where there is a choice. None
/// when it may hold without any.
fn needed(condition: &Expr<'_>, patterns: &[Pattern<'_>]) -> Option<BTreeSet<usize>> {
    needed_with(condition, patterns, None)
}

/// The same, where `$` stands for one of some strings.
fn needed_with(condition: &Expr<'_>, patterns: &[Pattern<'_>], meant: Option<&BTreeSet<usize>>) -> Option<BTreeSet<usize>> {
    let needed = |condition: &Expr<'_>, patterns: &[Pattern<'_>]| needed_with(condition, patterns, meant);
    let named = |name: &str| -> Option<BTreeSet<usize>> {
        Some(match (bare(name), meant) {
            ("", Some(meant)) => meant.clone(),
            (name, _) => chosen(patterns, |other| name.is_empty() || other == name),
        })
    };
    let cheapest = |sets: &mut dyn Iterator<Item = BTreeSet<usize>>| sets.min_by_key(|set| cost(set, patterns));
    match condition {
        Expr::False { .. } => Some(BTreeSet::new()),
        Expr::PatternMatch(found) => named(found.identifier.name),
        Expr::And(all) => cheapest(&mut all.operands().filter_map(|one| needed(one, patterns))),
        Expr::Or(any) => any.operands().map(|one| needed(one, patterns)).try_fold(BTreeSet::new(), |all, one| Some(&all | &one?)),
        Expr::Of(of) => {
            let sets: Vec<BTreeSet<usize>> = match &of.items {
                OfItems::PatternSet(set) => members(set, patterns).into_iter().map(|place| BTreeSet::from([place])).collect(),
                OfItems::BoolExprTuple(all) => all.iter().map(|one| needed(one, patterns)).collect::<Option<_>>()?,
            };
            match &of.quantifier {
                Quantifier::All { .. } => cheapest(&mut sets.into_iter()),
                quantifier => wants_one(quantifier).then(|| sets.into_iter().flatten().collect()),
            }
        }
        // For each of the strings a condition of its own, which may ask for the string to be missing, or for others.
        Expr::ForOf(of) => {
            let meant = members(&of.pattern_set, patterns);
            wants_one(&of.quantifier).then(|| needed_with(&of.body, patterns, Some(&meant))).flatten()
        }
        Expr::Gt(pair) => match (&pair.lhs, &pair.rhs) {
            (Expr::PatternCount(counted), Expr::LiteralInteger(least)) if least.value >= 0 => named(counted.identifier.name),
            _ => None,
        },
        Expr::Ge(pair) | Expr::Eq(pair) => match (&pair.lhs, &pair.rhs) {
            (Expr::PatternCount(counted), Expr::LiteralInteger(least)) if least.value >= 1 => named(counted.identifier.name),
            _ => None,
        },
        _ => None,
    }
}

/// A name without the sign before it; nothing for a string without a name.
fn bare(name: &str) -> &str {
    name.trim_start_matches(['$', '#'])
}

/// Places of the strings whose names are wanted. One without a name is meant by every name that is none.
fn chosen(patterns: &[Pattern<'_>], wanted: impl Fn(&str) -> bool) -> BTreeSet<usize> {
    patterns.iter().enumerate().filter(|(_, pattern)| wanted(bare(pattern.identifier().name))).map(|(place, _)| place).collect()
}

fn members(set: &PatternSet<'_>, patterns: &[Pattern<'_>]) -> BTreeSet<usize> {
    match set {
        PatternSet::Them { .. } => (0..patterns.len()).collect(),
        PatternSet::Set(items) => chosen(patterns, |name| {
            items.iter().any(|item| {
                let wanted = bare(item.identifier);
                if item.wildcard { name.starts_with(wanted.trim_end_matches('*')) } else { name == wanted }
            })
        }),
    }
}

/// What it takes to search for strings, roughly: a regular expression looks closer at more places.
fn cost(set: &BTreeSet<usize>, patterns: &[Pattern<'_>]) -> usize {
    let one = |pattern: &Pattern<'_>| match pattern {
        Pattern::Text(text) if text.modifiers.is_empty() => 1,
        Pattern::Text(_) | Pattern::Hex(_) => 2,
        Pattern::Regexp(_) => 8,
    };
    set.iter().filter_map(|place| patterns.get(*place)).map(one).sum()
}

fn wants_one(quantifier: &Quantifier<'_>) -> bool {
    match quantifier {
        // A set has a string at least, so all of them are one at least.
        Quantifier::All { .. } | Quantifier::Any { .. } => true,
        Quantifier::Expr(Expr::LiteralInteger(least)) => least.value >= 1,
        _ => false,
    }
}

/// Whether `^` or `$` stands outside a class, or `\A` or `\z` anywhere: the beginning and the end of what is searched are not those of a value.
fn is_anchored(expression: &str) -> bool {
    let (mut escaped, mut class) = (false, false);
    for c in expression.chars() {
        match c {
            'A' | 'z' | 'Z' if escaped => return true,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '^' | '$' if !class => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests;
