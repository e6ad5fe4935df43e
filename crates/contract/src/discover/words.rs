//! The words of a column's name, and letters without case and accents.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

/// Longer names are looked at up to here.
const NAME_MAX_CHARS: usize = 200;

/// Words that only join others.
const JOINTS: [&str; 18] = ["de", "du", "des", "d", "la", "le", "les", "l", "of", "the", "et", "and", "au", "aux", "en", "a", "un", "une"];

/// Lower case, without accents; ligatures become two letters.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for letter in text.nfd() {
        match letter {
            'a'..='z' | '0'..='9' | ' ' => folded.push(letter),
            'œ' | 'Œ' => folded.push_str("oe"),
            'æ' | 'Æ' => folded.push_str("ae"),
            'ß' => folded.push_str("ss"),
            '’' => folded.push('\''),
            '\u{a0}' | '\u{202f}' => folded.push(' '),
            '\u{300}'..='\u{36f}' => {}
            other => folded.extend(other.to_lowercase()),
        }
    }
    folded
}

/// The words of a column's name: split at separators, digits and changes of case, folded, without the words that only join others.
/// `is_word` tells a known word: a run of letters that is none, but consists of known words, is split into them. `is_root` tells a word that
/// says enough where a few letters beside it are not known.
pub fn words(name: &str, is_word: impl Fn(&str) -> bool, is_root: impl Fn(&str) -> bool) -> Vec<String> {
    let name = without_endings(&name.chars().take(NAME_MAX_CHARS).collect::<String>());
    let name = without_points(&name.chars().collect::<Vec<char>>());
    // The digit of these is no number at the end of a word.
    let name = name.replace("IPv4", "ip").replace("IPv6", "ip").replace("ipv4", "ip").replace("ipv6", "ip");
    let mut words = Vec::new();
    for chunk in name.split(|letter: char| !letter.is_alphabetic()).filter(|chunk| !chunk.is_empty()) {
        let parts: Vec<String> = by_case(chunk).iter().map(|part| fold(part)).collect();
        let whole = fold(chunk);
        if parts.iter().all(|part| is_word(part)) {
            words.extend(parts);
        } else if is_word(&whole) {
            words.push(whole);
        } else if let Some(found) = segments(&whole, &is_word).or_else(|| around(&whole, &is_root)) {
            words.extend(found);
        } else {
            words.extend(parts);
        }
    }
    // `né le` is a day of birth; neither word is one alone.
    if let Some(born) = words.windows(2).position(|pair| matches!(pair, [born, on] if matches!(born.as_str(), "ne" | "nee") && on == "le"))
    {
        words.splice(born..born + 2, ["nele".to_owned()]);
    }
    words.retain(|word| !JOINTS.contains(&word.as_str()));
    words
}

/// `Né(e) le`, `assuré·e`, `agent(s)`: the other forms of a word, which stand behind it, are left out.
fn without_endings(name: &str) -> String {
    static ENDINGS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let ending = "(?i:e|s|es|ne|se|te|le|fe|ve|ere|ère|euse|rice|trice)";
        Regex::new(&format!(r"(\p{{L}}{{2}})(?:\({ending}\)|[·•]{ending}\b(?:[·•]s\b)?)")).ok()
    });
    ENDINGS.as_ref().map_or_else(|| name.to_owned(), |endings| endings.replace_all(name, "$1").into_owned())
}

/// Initials with points between are one word: `D.O.B.` is `DOB.`
fn without_points(letters: &[char]) -> String {
    let is_letter = |at: usize| letters.get(at).is_some_and(|letter| letter.is_alphabetic());
    let alone = |at: usize| is_letter(at) && !is_letter(at + 1) && !at.checked_sub(1).is_some_and(is_letter);
    let between = |at: usize| alone(at + 1) && at.checked_sub(1).is_some_and(alone);
    letters.iter().enumerate().filter(|(at, letter)| **letter != '.' || !between(*at)).map(|(_, letter)| *letter).collect()
}

/// `dateOfBirth` and `IPAddress` at their capitals.
fn by_case(chunk: &str) -> Vec<String> {
    let letters: Vec<char> = chunk.chars().collect();
    let mut parts: Vec<String> = Vec::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| letters.get(before));
        let after = letters.get(at + 1);
        let begins = letter.is_uppercase()
            && before
                .is_some_and(|before| before.is_lowercase() || (before.is_uppercase() && after.is_some_and(|after| after.is_lowercase())));
        match parts.last_mut() {
            Some(part) if !begins => part.push(*letter),
            _ => parts.push(letter.to_string()),
        }
    }
    parts
}

/// A run of letters as known words of at least two letters, as few as possible; none when a letter would be left.
fn segments(run: &str, is_word: &impl Fn(&str) -> bool) -> Option<Vec<String>> {
    const RUN_MAX: usize = 40;
    if !run.is_ascii() || run.len() > RUN_MAX {
        return None;
    }
    // best[i]: the fewest words that make up the first i letters, and where the last of them begins.
    let mut best: Vec<Option<(usize, usize)>> = vec![Some((0, 0))];
    for end in 1..=run.len() {
        let found = (0..end)
            .filter(|start| end - start >= 2)
            .filter_map(|start| {
                let (count, _) = best.get(start).copied().flatten()?;
                let word = run.get(start..end)?;
                (is_word(word) || (start > 0 && end < run.len() && ["de", "du", "of"].contains(&word))).then_some((count + 1, start))
            })
            .min();
        best.push(found);
    }
    let mut words = Vec::new();
    let mut end = run.len();
    while end > 0 {
        let (_, start) = best.get(end).copied().flatten()?;
        words.push(run.get(start..end)?.to_owned());
        end = start;
    }
    words.reverse();
    Some(words)
}

/// `DTNAISALL`, `PATPRENOM`: a root of at least five letters, and two to four others before or behind it, as systems write that have eight
/// letters or so for a name.
fn around(run: &str, is_root: &impl Fn(&str) -> bool) -> Option<Vec<String>> {
    const ROOT_MIN: usize = 5;
    const OTHERS_MAX: usize = 4;
    // Of other words: `emailing`, `addressee`, `saxophone`.
    const OTHERS: [&str; 4] = ["ing", "ee", "saxo", "micro"];
    let split = |others: usize, behind: bool| {
        let (before, after) = run.split_at_checked(if behind { run.len().checked_sub(others)? } else { others })?;
        let (root, other) = if behind { (before, after) } else { (after, before) };
        (root.len() >= ROOT_MIN && !OTHERS.contains(&other) && is_root(root)).then(|| vec![before.to_owned(), after.to_owned()])
    };
    (2..=OTHERS_MAX).find_map(|others| split(others, true).or_else(|| split(others, false)))
}

/// Where the words hold a phrase: its words side by side and in order. A word counts in the plural too.
pub fn find(words: &[String], phrase: &str) -> Option<Range<usize>> {
    let wanted: Vec<&str> = phrase.split(' ').collect();
    let same = |found: &[String]| found.iter().zip(&wanted).all(|(found, wanted)| is_form(found, wanted));
    let start = words.windows(wanted.len()).position(same)?;
    Some(start..start + wanted.len())
}

fn is_form(found: &str, wanted: &str) -> bool {
    found == wanted || (wanted.len() > 2 && found.strip_suffix(['s', 'x']) == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> String {
        let known = ["date", "naissance", "first", "name", "mac", "address", "ip", "mail", "of", "birth"];
        words(name, |word| known.contains(&word), |_| false).join(" ")
    }

    #[test]
    fn names_are_split_on_case_separators_and_digits() {
        for (name, expected) in [
            ("Date de naissance", "date naissance"),
            ("DATE_NAISSANCE", "date naissance"),
            ("dateDeNaissance", "date naissance"),
            ("datenaissance", "date naissance"),
            ("DATEDENAISSANCE", "date naissance"),
            ("dateofbirth", "date birth"),
            ("FirstName", "first name"),
            ("firstname", "first name"),
            ("adr1", "adr"),
            ("IPAddress", "ip address"),
            ("IPv4Address", "ip address"),
            ("MACaddress", "mac address"),
            ("N° de sécurité", "n securite"),
            ("Prénom", "prenom"),
            ("e-mail", "e mail"),
            ("dt_naiss", "dt naiss"),
            ("l'œuvre", "oeuvre"),
            ("D.O.B.", "dob"),
            ("Né(e) le", "nele"),
            ("date_ne_le", "date nele"),
            ("assuré·e", "assure"),
            ("Salarié•e•s", "salarie"),
            ("phone(s)", "phone"),
            ("temp(C)", "temp c"),
            ("staff.d.o.b", "staff dob"),
            ("v.date", "v date"),
            ("date.n", "date n"),
            ("", ""),
            ("123", ""),
        ] {
            assert_eq!(of(name), expected, "{name}");
        }
    }

    #[test]
    fn a_phrase_is_held_in_order_and_side_by_side() {
        let words = ["email", "address", "lines"].map(str::to_owned);
        assert_eq!((find(&words, "address line"), find(&words, "email")), (Some(1..3), Some(0..1)));
        assert!(["address email", "email line", "mail"].iter().all(|phrase| find(&words, phrase).is_none()));
        assert_eq!((find(&["noms".to_owned()], "nom"), find(&["ids".to_owned()], "id")), (Some(0..1), None));
        assert_eq!(find(&[], "mail"), None);
    }
}
