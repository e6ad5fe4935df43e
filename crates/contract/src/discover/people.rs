//! Names of persons: how they are formed, the most usual first and last names of France and of English-speaking countries, and the
//! words of companies and places, which bear names too.

mod first_names;
mod last_names;

use std::collections::HashSet;
use std::sync::LazyLock;

use super::words::fold;
use first_names::FIRST_NAMES;
use last_names::LAST_NAMES;

/// Words that stand in names of companies, places and things.
const NOT_PEOPLE: &str = "
inc ltd llc s.a s.a.s s.a.r.l llp plc corp corporation company co gmbh ag sa sas sasu sarl eurl snc sci scop cie ets group groupe
holding holdings fils freres associes associates partners partenaires sons bros industries industrie systems systemes solutions
services service technologies consulting conseil conseils international global bank banque assurances assurance insurance foundation
fondation association club societe airlines airline airways air aviation airport aeroport field municipal regional county city ville
mairie commune university universite college school ecole lycee institute institut hospital hopital clinique clinic hotel restaurant
cafe bar pub garage boulangerie pharmacie pharmacy store shop market magasin boutique supermarche station gare road avenue rue
boulevard place square lane park parc lake lac river mountain island ile bay beach plage port bridge pont church eglise saint sainte
st ste san santa fort mont mount center centre museum musee theatre theater cinema stadium stade team equipe united fc the of and et
department departement ministere agency agence office bureau support admin system equipment kit set pack box cm mm kg edition series
model version pro plus mini ultra chair table lamp shirt shoes bag wine vin cheese pain north south east nord sud est ouest upper
lower heights valley village town";

/// Words before names.
const TITLES: [&str; 23] = [
    "m",
    "mr",
    "mme",
    "mlle",
    "mrs",
    "ms",
    "miss",
    "dr",
    "pr",
    "prof",
    "me",
    "monsieur",
    "madame",
    "mademoiselle",
    "sir",
    "docteur",
    "maitre",
    "rev",
    "mx",
    "mgr",
    "herr",
    "frau",
    "vve",
];
const PARTICLES: [&str; 22] = [
    "de", "du", "des", "le", "la", "van", "von", "der", "den", "el", "al", "da", "di", "del", "bin", "d", "dos", "das", "ibn", "ter",
    "ten", "zu",
];

static FIRST: LazyLock<HashSet<&'static str>> = LazyLock::new(|| FIRST_NAMES.split_whitespace().collect());
static LAST: LazyLock<HashSet<&'static str>> = LazyLock::new(|| LAST_NAMES.split_whitespace().collect());
static OTHERS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| NOT_PEOPLE.split_whitespace().collect());

/// How a text looks like a person's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// Several words, the first or the last of them a usual first name, or an initial and a usual last name.
    Whole,
    /// A usual first name, or two.
    First,
    /// A usual last name, alone or beside a word that no list holds; or an initial with its point and such a word.
    Last,
    /// One to five words of letters that no list holds, or an initial.
    Formed,
    /// It holds a company's or a place's word.
    Other,
}

/// Recognises a name; none when it is not formed as one.
pub fn person(value: &str) -> Option<Person> {
    if !(1..=80).contains(&value.len()) || value.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let is_other = |token: &str| OTHERS.contains(token.trim_matches(['.', '(', ')'])) || token == "&";
    // `Jeanne Martin (fille)`.
    let told = value.trim_end().strip_suffix(')').and_then(|value| value.rsplit_once(" (")).map_or(value, |(name, _)| name);
    let folded = fold(told);
    let letters = |token: &str| token.chars().all(|letter| letter.is_alphabetic() || letter == '-' || letter == '\'' || letter == '.');
    let mut tokens: Vec<&str> = folded.split([' ', ',', '\t', '^', '/']).filter(|token| !token.is_empty()).collect();
    // `DUPONT^JEAN^^^MR` in hospitals, `DUPONT/JEAN MR` at airlines.
    if value.contains(['^', '/']) {
        tokens.retain(|token| !is_title(token));
    }
    // `M. et Mme Dupont`.
    if let [one, "et" | "and" | "&" | "ou", other, _, ..] = tokens.as_slice()
        && [one, other].iter().all(|token| is_title(token))
    {
        tokens.drain(..2);
    }
    if tokens.iter().any(|token| is_other(token)) || (told != value && fold(value).split(' ').any(is_other)) {
        return Some(Person::Other);
    }
    if !tokens.iter().all(|token| letters(token) && token.chars().any(char::is_alphabetic)) {
        return None;
    }
    let titled = tokens.len() > 1 && tokens.first().is_some_and(|token| is_title(token));
    if titled {
        tokens.remove(0);
    }
    tokens.retain(|token| !PARTICLES.contains(token));
    let first = |token: &&str| token.split('-').all(|part| FIRST.contains(part));
    let initial = |token: &&str| token.trim_end_matches('.').chars().count() == 1;
    let pointed = |token: &&str| initial(token) && token.ends_with('.');
    let long = |token: &&str| token.chars().count() >= 3;
    match tokens.as_slice() {
        [] => None,
        [_] if titled => Some(Person::Whole),
        [only] if first(only) => Some(Person::First),
        [only] if is_last(only) => Some(Person::Last),
        [_] => Some(Person::Formed),
        [one, two] if first(one) && first(two) && !LAST.contains(one) && !LAST.contains(two) => Some(Person::First),
        [one, .., last] if tokens.len() <= 5 => {
            let by_initial = (initial(one) && is_last(last)) || (initial(last) && is_last(one));
            let family = is_last(one) || is_last(last) || (pointed(one) && long(last)) || (pointed(last) && long(one));
            Some(if titled || by_initial || first(one) || first(last) {
                Person::Whole
            } else if family && tokens.len() <= 3 {
                Person::Last
            } else {
                Person::Formed
            })
        }
        _ => None,
    }
}

fn is_title(token: &str) -> bool {
    TITLES.contains(&token.trim_end_matches('.'))
}

/// A usual last name, two of them joined by a hyphen, and what begins as Scottish and Irish names do.
fn is_last(token: &str) -> bool {
    let listed = |name: &str| LAST.contains(name) || FIRST.contains(name);
    LAST.contains(token.replace('\'', "").as_str())
        || (token.contains('-') && token.split('-').all(listed))
        || (token.len() >= 5 && (token.starts_with("mc") || token.starts_with("o'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_persons_are_told_from_those_of_companies_and_places() {
        use Person::{First, Formed, Last, Other, Whole};
        for (text, expected) in [
            ("Jean Dupont", Some(Whole)),
            ("DUPONT Jean", Some(Whole)),
            ("Dupont, Marie-Claire", Some(Whole)),
            ("Mme Zribi", Some(Whole)),
            ("Dr. A. Smith", Some(Whole)),
            ("Élise de La Tour", Some(Whole)),
            ("Marie", Some(First)),
            ("Jean-Pierre", Some(First)),
            ("MARTIN", Some(First)),
            ("Dubois", Some(Last)),
            ("O'Connor", Some(Last)),
            ("Zribi", Some(Formed)),
            ("M. et Mme Martin", Some(Whole)),
            ("DUPONT^JEAN^^^MR", Some(Whole)),
            ("DUPONT/JEAN MR", Some(Whole)),
            ("n/a", Some(Formed)),
            ("^", None),
            ("Martin, J.", Some(Whole)),
            ("Dubois-Martin", Some(Last)),
            ("McAllister", Some(Last)),
            ("O’Flaherty", Some(Last)),
            ("Zribi Dubois", Some(Last)),
            ("K. Zribi", Some(Last)),
            ("Zribi Kowalczykowska", Some(Formed)),
            ("Maria dos Santos", Some(Whole)),
            ("J", Some(Formed)),
            ("J.", Some(Formed)),
            ("Vin et Fromage", Some(Other)),
            ("M. et associés", Some(Other)),
            ("Lansdowne Airport", Some(Other)),
            ("United Air Lines Inc.", Some(Other)),
            ("Martin & Fils", Some(Other)),
            ("12 rue X", None),
            ("A320", None),
            ("", None),
            ("jean@exemple.fr", None),
        ] {
            assert_eq!(person(text), expected, "{text}");
        }
    }

    /// Months, towns and things that are no names may not be found in the lists.
    #[test]
    fn the_lists_are_folded_and_hold_no_ordinary_words() {
        for list in [FIRST_NAMES, LAST_NAMES] {
            let names: Vec<&str> = list.split_whitespace().collect();
            assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "a name twice, or out of order");
            assert!(names.iter().all(|name| fold(name) == *name && !OTHERS.contains(name)), "a company's word, or not folded");
        }
        for word in ["avril", "april", "june", "paris", "london", "denver", "amour", "sante", "table", "pearl", "total", "gratuit"] {
            assert!(!FIRST.contains(word), "{word}");
        }
        for product in ["Casque audio sans fil", "Oak Desk Organizer", "Cable USB", "Wireless Mouse", "Steel Bottle"] {
            assert!(matches!(person(product), Some(Person::Formed) | None), "{product}");
        }
    }
}
