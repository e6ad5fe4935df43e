//! Postal addresses: a number beside the word for a street, in French and English.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::words::fold;

/// Words for streets, short and long.
const FRENCH_STREETS: &str = "
all allee allees av ave avenue bd bld blvd boul boulevard car carrefour ch chaussee che chem chemin cite clos corniche cote cour cours
crs descente digue dom domaine esplanade faubourg fbg fg galerie ham hameau imp impasse levee lot lotissement mail montee mte parvis
pas pass passage pl place pont porte prom promenade qu qua quai quartier res residence rle rocade rond-point route rpt rte rue ruelle
sente sentier sq square terrasse traverse venelle villa vla voie za zac zi zone ruette coteau chs faub hlm
lieu-dit lieudit pourtour rpoint rond-pt sentes enclos espl peristyle cavee charmille charmilles grand'rue grand-rue grande-rue";

/// The suffixes of USPS Publication 28, and British ones.
const ENGLISH_STREETS: &str = "
alley aly annex arcade av ave avenue bay bayou beach bend bluff blvd bottom boulevard brae branch bridge brook burg bypass camp canyon
cape causeway center centre cir circle cliff close club common commons corner court cove creek cres crescent crest croft crossing
crossroad crossroads ct curve dale dam divide dr drive end estate estates expressway extension fall falls ferry field fields flat fold
ford forest forge fork fort freeway garden gardens gate gateway glen green grove harbor haven heights highway hill hills hollow hts
hwy inlet island isle junction key keys knoll lake lakes land landing lane light lights ln lock locks lodge loop mall manor mead
meadow meadows mews mill mills mission motorway mount mountain neck nook orchard oval overpass parade park parks parkway pass passage
path pike pines pkwy pl place plain plaza point points port ports prairie quay radial ramp ranch rapid rapids rd rest ridge ridges
rise river rivers road route row run shoal shoals shore shores skyway spring springs spur sq square st stravenue street summit ter
terr terrace throughway trace track trafficway trail trl tunnel turnpike underpass union unions valley valleys viaduct view views
village ville vista walk wall walls way well wells wharf wynd yard";

static FRENCH: LazyLock<HashSet<&'static str>> = LazyLock::new(|| FRENCH_STREETS.split_whitespace().collect());
static ENGLISH: LazyLock<HashSet<&'static str>> = LazyLock::new(|| ENGLISH_STREETS.split_whitespace().collect());

/// What may follow an English street.
const UNITS: [&str; 20] = [
    "apt",
    "apartment",
    "unit",
    "suite",
    "ste",
    "flat",
    "floor",
    "fl",
    "room",
    "rm",
    "building",
    "bldg",
    "n",
    "s",
    "e",
    "w",
    "nw",
    "ne",
    "sw",
    "se",
];
/// Before the word for a street in French.
const SIZES: [&str; 14] = [
    "grande", "grand", "petite", "petit", "ancienne", "ancien", "vieille", "vieux", "haute", "basse", "nouvelle", "longue", "belle",
    "premiere",
];
const REPEATS: [&str; 8] = ["bis", "ter", "quater", "b", "t", "a", "c", "d"];

/// How surely a text is an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// A number and a street.
    Whole,
    /// A street without a number, a box, a hamlet, an apartment.
    Part,
}

/// Recognises one address line; more may follow it, such as a postcode and a town.
pub fn address(value: &str) -> Option<Address> {
    if !(6..=200).contains(&value.len()) || !value.contains(char::is_whitespace) {
        return None;
    }
    let folded = fold(value);
    let tokens: Vec<&str> =
        folded.split(|letter: char| letter.is_whitespace() || ",;.°º".contains(letter)).filter(|token| !token.is_empty()).collect();
    if is_french(&tokens) || is_english(&folded) {
        return Some(Address::Whole);
    }
    is_part(&tokens).then_some(Address::Part)
}

/// `12`, `12b`, `12-14`, `12/14`: a house.
fn is_house(token: &str) -> bool {
    let digits = token.bytes().take_while(u8::is_ascii_digit).count();
    let rest = token.get(digits..).unwrap_or_default();
    let single = |rest: &str| rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_lowercase());
    let second =
        rest.strip_prefix(['-', '/']).is_some_and(|rest| (1..=4).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit()));
    (1..=5).contains(&digits) && (rest.is_empty() || single(rest) || second || REPEATS.contains(&rest))
}

/// A house, perhaps `bis`, the word for a street, and its name.
fn is_french(tokens: &[&str]) -> bool {
    tokens.iter().enumerate().take(6).any(|(at, token)| {
        let after = tokens.get(at + 1..).unwrap_or_default();
        let after = match after {
            [repeat, rest @ ..] if REPEATS.contains(repeat) => rest,
            rest => rest,
        };
        // `Grande Rue`, `Vieille Route de Paris`.
        let sized = matches!(after, [size, street, ..] if SIZES.contains(size) && street.len() > 2 && FRENCH.contains(street));
        let alone = matches!(after, ["grand'rue" | "grand-rue" | "grande-rue", ..]);
        is_house(token) && (sized || alone || matches!(after, [street, name, ..] if FRENCH.contains(street) && is_name(name)))
    })
}

/// A house, one to five words, and the word for a street: at the end of the part before a comma, before an apartment, or with a postcode
/// at the end of all.
fn is_english(folded: &str) -> bool {
    let posted = ends_with_postcode(folded);
    folded.split([',', ';', '\n']).take(3).any(|part| {
        let tokens: Vec<&str> =
            part.split(|letter: char| letter.is_whitespace() || letter == '.').filter(|token| !token.is_empty()).collect();
        tokens.iter().enumerate().take(5).any(|(at, token)| {
            let after = tokens.get(at + 1..).unwrap_or_default();
            is_house(token)
                && (1..=5).any(|words| {
                    let named = after.get(..words).is_some_and(|names| names.iter().all(|name| is_name(name) || is_ordinal(name)));
                    let ends =
                        after.get(words + 1).is_none_or(|next| posted || UNITS.contains(next) || next.starts_with('#') || is_house(next));
                    named && ends && after.get(words).is_some_and(|street| is_english_street(street))
                })
        })
    })
}

/// The word for a street, in the plural too: `Manors`, `Forges`.
fn is_english_street(word: &str) -> bool {
    ENGLISH.contains(word) || (word.len() > 4 && word.strip_suffix('s').is_some_and(|single| ENGLISH.contains(single)))
}

/// `OH 12345`, `OH 12345-6789`, `YO1 7HH`.
fn ends_with_postcode(folded: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
    let mut tokens = folded.split_whitespace().rev();
    let (Some(last), Some(before)) = (tokens.next(), tokens.next()) else { return false };
    let zip = last.split_once('-').map_or(last.len() == 5 && digits(last), |(zip, more)| zip.len() == 5 && digits(zip) && digits(more));
    let inward = last.len() == 3
        && last.is_char_boundary(1)
        && digits(last.get(..1).unwrap_or_default())
        && letters(last.get(1..).unwrap_or_default());
    let outward = (2..=4).contains(&before.len())
        && before.starts_with(|letter: char| letter.is_ascii_lowercase())
        && before.contains(|letter: char| letter.is_ascii_digit());
    (zip && before.len() == 2 && letters(before)) || (inward && outward)
}

fn is_name(token: &str) -> bool {
    token.chars().all(|letter| letter.is_alphabetic() || letter == '-' || letter == '\'')
        || (token.len() <= 2 && token.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_ordinal(token: &str) -> bool {
    ["st", "nd", "rd", "th"]
        .iter()
        .filter_map(|end| token.strip_suffix(end))
        .any(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What stands on the other lines of an address.
fn is_part(tokens: &[&str]) -> bool {
    match tokens {
        ["po" | "p", "box", ..] | ["p", "o", "box", ..] | ["bp" | "cs" | "tsa", ..]
            if tokens.iter().any(|token| token.bytes().all(|byte| byte.is_ascii_digit())) =>
        {
            true
        }
        ["lieu", "dit", ..] | ["lieu-dit" | "lieudit", ..] => true,
        [first, second, ..] if FRENCH.contains(first) && first.len() > 2 && is_name(second) => true,
        [first, second, ..]
            if [
                "batiment",
                "bat",
                "appartement",
                "appt",
                "apt",
                "flat",
                "unit",
                "suite",
                "escalier",
                "etage",
                "esc",
                "studio",
                "bldg",
                "porte",
            ]
            .contains(first) =>
        {
            is_house(second) || second.len() <= 2
        }
        [.., _, last] => is_english_street(last) && last.len() > 3 && tokens.len() <= 5,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_number_and_a_street() {
        for right in [
            "12 rue de la Paix",
            "12, RUE DE LA PAIX",
            "3 bis avenue Foch 75116 Paris",
            "14b bd Saint-Michel",
            "Bât. C, 7 allée des Acacias",
            "221B Baker Street",
            "1600 Pennsylvania Ave NW",
            "350 Fifth Avenue, New York, NY 10118",
            "Flat 3, 12 High Street, York YO1 7HH",
            "742 Evergreen Terrace Apt 4",
            "455 W 34th St",
            "135 Thomas Vista Port Ann, OH 12345",
            "26 Law Ferry North Lee YO1 7HH",
            "5 impasse du 8 mai 1945",
            "14 Grande Rue",
            "3 Grand'Rue 67000 Strasbourg",
            "7 vieille route de Dijon",
            "12 Johnson Manors",
        ] {
            assert_eq!(address(right), Some(Address::Whole), "{right}");
        }
        for part in ["rue de la Paix", "Lieu-dit Le Moulin", "BP 42 Cedex", "PO Box 123", "Bâtiment B", "Baker Street"] {
            assert_eq!(address(part), Some(Address::Part), "{part}");
        }
        for wrong in [
            "75001",
            "75001 Paris",
            "YO1 7HH",
            "12 rue",
            "Paris",
            "",
            "12 boxes of tea",
            "3 way switch",
            "2024-01-02 10:00",
            "Route planned",
            "48.85, 2.35",
            "2 grandes tailles",
            "10 grande capacité",
            "3 petites boîtes",
        ] {
            assert!(address(wrong) != Some(Address::Whole), "{wrong}");
        }
    }
}
