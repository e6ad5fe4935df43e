//! Whole columns: the corpus, what a profile may give out, and arbitrary texts.

mod corpus;

use proptest::prelude::*;

use super::*;
use crate::testing::cases;

fn profile<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Profile {
    let mut profiler = Profiler::new(name);
    values.into_iter().for_each(|value| profiler.take(Some(value)));
    profiler.finish()
}

fn finding(name: &str, values: &[&str]) -> Option<(PersonalKind, Because)> {
    profile(name, values.iter().copied()).personal.map(|found| (found.kind, found.because))
}

#[test]
fn one_lucky_number_is_no_finding() {
    // A tenth of all numbers pass Luhn, and four in five of these have no issuer; in a hundred some are cards.
    let numbers: Vec<String> =
        (0..100u64).map(|at| (4_000_000_000_000_000 + at * 73_856_093_019_349 % 900_000_000_000_000).to_string()).collect();
    assert!(numbers.iter().any(|number| bank::is_card(number)), "the test needs a lucky number");
    assert_eq!(finding("numero", &numbers.iter().map(String::as_str).collect::<Vec<_>>()), None);
    assert_eq!(finding("numero", &["4111111111111111", "12", "13", "14", "15", "16"]), None);
    assert_eq!(finding("remarque", &["a@b.fr", "ok", "voir plus tard", "rien à dire", "fait", "en cours", "clos", "ok le 3"]), None);
}

#[test]
fn the_name_decides_where_values_cannot() {
    let cards = ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "3530111333300000"];
    assert_eq!(finding("numero_commande", &cards), None);
    assert_eq!(finding("x", &cards), Some((PersonalKind::PaymentCard, Because::Values)));
    assert_eq!(finding("cb", &cards), Some((PersonalKind::PaymentCard, Because::NameAndValues)));
    // The check digits fail: the name alone, since the form is a card's.
    assert_eq!(finding("cb", &["4111111111111112", "5555555555554445"]), Some((PersonalKind::PaymentCard, Because::Name)));
    assert_eq!(finding("cb", &["true", "false"]), None);
    assert_eq!(finding("version", &["1.2.3.4", "10.0.19.5", "2.14.0.1", "3.0.0.9"]), None);
    assert_eq!(finding("v", &["1.2.3.4", "10.0.19.5", "2.14.0.1", "3.0.0.9", "7.1.1.1"]), None);
    assert_eq!(finding("ip_src", &["10.0.0.4", "10.0.0.5", "10.0.0.9"]), Some((PersonalKind::IpAddress, Because::NameAndValues)));
    assert_eq!(finding("email", &[]), Some((PersonalKind::Email, Because::Name)));
    assert_eq!(finding("email", &["true", "false"]), None);
    assert_eq!(finding("telephone", &["612345678", "712345678", "145678901"]), Some((PersonalKind::Phone, Because::Name)));
    assert_eq!(finding("naissances", &["700123", "712004", "690111"]), None);
    assert_eq!(
        finding("date_naissance", &["1984-03-12", "1991-11-30", "2001-01-02"]),
        Some((PersonalKind::BirthDate, Because::NameAndValues))
    );
    assert_eq!(finding("date_commande", &["1984-03-12", "1991-11-30", "2001-01-02"]), None);
}

/// Forms of codes: 9 is any digit, 8 one from 1 on, A a letter, h a hexadecimal digit.
const CODES: [&str; 40] = [
    "899999999",
    "8999999999",
    "0999999999",
    "89999999999",
    "899999999999",
    "8999999999999",
    "89999999999999",
    "899999999999999",
    "8999999999999999",
    "4999999999999999",
    "5199999999999999",
    "199999999999999",
    "99 9999 9999",
    "999 999 999",
    "999-999-9999",
    "9999-9999-9999-9999",
    "AA999999",
    "A9999999",
    "AA999999A",
    "hhhhhhhhhhhh",
    "99AA99999",
    "999-99-9999",
    "9.9.9.9",
    "99.9.99.9",
    "A99",
    "A99.9",
    "A99AA99",
    "AA99AA",
    "0899999999",
    "01-9999-9999",
    "99.99.99.99.99",
    "+99.99",
    "FR99999999999",
    "FR9999999999999999999999999",
    "99h99",
    "h:h:h:h",
    "hhhh.hhhh",
    "9999.9999.9999",
    "00999999999",
    "99999999A",
];

/// Numbers that nobody meant for a card or a person, in columns whose names say nothing.
#[test]
fn random_codes_of_any_form_are_nothing_personal() {
    let rng = polder_types::SeededRng::new(7);
    let from = |all: &[u8]| char::from(all[usize::try_from(rng.below(all.len() as u64)).unwrap()]);
    let code = |form: &str| -> String {
        let letter = |letter: char| match letter {
            '9' => from(b"0123456789"),
            '8' => from(b"123456789"),
            'A' => from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            'h' => from(b"0123456789abcdef"),
            other => other,
        };
        form.chars().map(letter).collect()
    };
    for form in CODES {
        for name in ["x", "valeur", "numero", "code"] {
            for rows in [5, 40, 200] {
                for _ in 0..3 {
                    let codes: Vec<String> = (0..rows).map(|_| code(form)).collect();
                    let found = finding(name, &codes.iter().map(String::as_str).collect::<Vec<_>>());
                    assert_eq!(found, None, "{name}, {rows} rows of {form}");
                }
            }
        }
    }
}

#[test]
fn addresses_within_texts_count_where_many_texts_hold_one() {
    let texts = ["voir a@b.fr", "rappeler", "écrire à c.d@e.fr svp", "f@g.fr a répondu", "clos", "transmis à h@i.com", "ok"];
    assert_eq!(finding("commentaire", &texts), Some((PersonalKind::Email, Because::Values)));
}

/// A check that chance hardly passes counts against a name of a look-alike, but only where almost all values pass.
#[test]
fn values_with_strong_checks_speak_against_a_name() {
    let ibans =
        ["DE89370400440532013000", "GB82WEST12345698765432", "BE68539007547034", "NL91ABNA0417164300", "FR7630006000011234567890189"];
    assert_eq!(finding("reference", &ibans), Some((PersonalKind::Iban, Because::Values)));
    let nirs = ["255081416802538", "x", "y", "z"];
    assert_eq!(finding("reference", &nirs), None);
}

#[test]
fn a_date_of_birth_needs_a_hint_and_ages() {
    let days = |first: i32, last: i32| (first..last).map(|year| format!("{year}-05-12")).collect::<Vec<_>>();
    let judged = |name: &str, days: Vec<String>| finding(name, &days.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(judged("anniversaire", days(1940, 2005)), Some((PersonalKind::BirthDate, Because::NameAndValues)));
    assert_eq!(judged("anniversaire", days(2015, 2024)), None);
    assert_eq!(judged("anniversaire_contrat", days(1940, 2005)), None);
    assert_eq!(judged("jour", days(1940, 2005)), None);
}

/// Names of people in a column whose name says nothing, and what is written like them.
#[test]
fn names_of_people_are_told_from_towns_brands_and_goods() {
    let people = [
        "Lefebvre Anne",
        "Haddad Karim",
        "Rossi Giulia",
        "Kowalski Piotr",
        "Nguyen Minh",
        "Traoré Aminata",
        "Schmidt Jürgen",
        "Silva João",
    ];
    let people: Vec<&str> = people.into_iter().chain(["Garcia Lucía", "Petit Manon", "Moreau Hugo", "Benali Yasmine"]).collect();
    assert_eq!(finding("col1", &people), Some((PersonalKind::PersonName, Because::Values)));
    let last = "Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefebvre Michel Garcia David Bertrand Roux Vincent \
        Fournier Morel Girard André Mercier Dupont Lambert Bonnet François Martinez Legrand Garnier Faure Rousseau Blanc Guérin Muller";
    let last: Vec<&str> = last.split_whitespace().collect();
    assert_eq!(finding("col2", &last), Some((PersonalKind::PersonName, Because::Values)));
    let towns = "Paris Marseille Lyon Toulouse Nice Nantes Montpellier Strasbourg Bordeaux Lille Rennes Reims Toulon Grenoble Dijon Angers Nîmes \
        Villeurbanne Clermont-Ferrand Aix Brest Limoges Tours Amiens Perpignan Metz Besançon Orléans Rouen Mulhouse Caen Nancy";
    let towns: Vec<&str> = towns.split_whitespace().collect();
    let brands = [
        "Samsung", "Apple", "Sony", "Bosch", "Philips", "Siemens", "Nokia", "Renault", "Peugeot", "Toyota", "Lego", "Adidas", "Dell",
        "Canon",
    ];
    let goods = [
        "Casque audio sans fil",
        "Oak Desk Organizer",
        "Câble USB",
        "Wireless Mouse",
        "Steel Bottle",
        "Lampe de bureau",
        "Clavier mécanique",
    ];
    let companies =
        ["Martin SARL", "Dupont et Fils", "Smith Group", "Garcia Consulting", "Bernard SA", "Leroy Industries", "Boulangerie Petit"];
    for (what, values) in [("towns", &towns[..]), ("brands", &brands[..]), ("goods", &goods[..]), ("companies", &companies[..])] {
        for name in ["col3", "name", "nom", "libelle"] {
            assert_eq!(finding(name, values), None, "{what} in {name}");
        }
    }
    assert_eq!(finding("region", &["Martin", "Jackson", "Madison", "Lincoln", "Clinton", "Franklin"]), None);
}

/// What has the form of personal data and is none.
#[test]
fn look_alikes_with_check_digits_or_the_form_of_days_are_nothing_personal() {
    let luhn = ["4539578763621486", "4716059613279507", "4024007198964305", "4485275742308327"];
    assert_eq!(finding("x", &luhn), Some((PersonalKind::PaymentCard, Because::Values)), "the test needs numbers that a card may have");
    assert_eq!(finding("order_number", &luhn), None);
    assert_eq!(finding("num_facture", &luhn), None);
    let versions = ["1.2.3.4", "2.0.14.1", "2.1.0.0", "3.4.5.6", "10.2.0.11"];
    assert_eq!(finding("app_version", &versions), None);
    let eans = ["3017620422003", "3228857000166", "5449000000996", "7622210449283", "4006381333931", "8711327379640"];
    assert_eq!(finding("ean13", &eans), None);
    assert_eq!(finding("code_article", &eans), None);
    let days = ["1999-02-01", "2004-11-30", "2019-06-12", "2021-07-01", "2023-12-31"];
    for name in ["date_commande", "begin_date", "date_embauche", "created_at", "date_n_facture"] {
        assert_eq!(finding(name, &days), None, "{name}");
    }
    assert_eq!(finding("mobile_revenue", &["120000", "98500", "143200", "87110", "99120"]), None);
    assert_eq!(finding("motif", &["A01", "A02", "A03", "B01", "B02", "B03", "C01", "C02", "C03", "D01"]), None);
}

#[test]
fn a_phone_number_is_one_whatever_the_occasion() {
    let bare = ["2125550123", "4155550199", "3125550148", "6175550172", "2025550116", "3035550187", "7025550134", "5125550161"];
    for name in ["mobile", "phone", "delivery_order_phone"] {
        assert_eq!(finding(name, &bare).map(|found| found.0), Some(PersonalKind::Phone), "{name}");
    }
    for name in ["order_no", "x", "phone_serial"] {
        assert_eq!(finding(name, &bare), None, "{name}");
    }
}

#[test]
fn codes_of_health_need_their_column() {
    let codes = ["E11.9", "I10", "J45.0", "M54.5", "Z23", "K80.2"];
    assert_eq!(finding("icd10", &codes).map(|found| found.0), Some(PersonalKind::Health));
    assert_eq!(finding("allee", &codes), None);
    assert_eq!(finding("groupe", &["A+", "O-", "AB+", "B+", "A-"]).map(|found| found.0), Some(PersonalKind::Health));
    assert_eq!(finding("note", &["A+", "A-", "B+", "B-", "C"]), None);
    assert_eq!(finding("code", &["A10BA02", "N02BE01", "C09AA05", "J01CA04", "R03AC02"]).map(|found| found.0), Some(PersonalKind::Health));
}

#[test]
fn nothing_rare_and_nothing_personal_is_given_out() {
    let mut profiler = Profiler::new("statut");
    for row in 0..400u32 {
        profiler.take(Some(match row {
            0..200 => "payée",
            200..380 => "annulée",
            380..399 => "rare",
            _ => "unique",
        }));
    }
    profiler.take(None);
    let profile = profiler.finish();
    assert_eq!(profile.repeated, [("payée".to_owned(), 200), ("annulée".to_owned(), 180)]);
    assert_eq!((profile.rows, profile.nulls, profile.distinct, profile.distinct_exact), (401, 1, 4, true));
    assert_eq!(profile.length, Some((4, 7)));
    assert!(profile.histogram.iter().all(|bar| bar.count >= REPEATED_MIN && bar.label.ends_with(" characters")), "{:?}", profile.histogram);
    let mut many = Profiler::new("n");
    for value in 0..100 {
        (0..20 + value).for_each(|_| many.take(Some(&format!("code {value}"))));
    }
    let many = many.finish();
    assert_eq!((many.repeated.len(), many.repeated[0].clone()), (50, ("code 99".to_owned(), 119)));
    let personal = self::profile("prenom", std::iter::repeat_n("Marie", 100));
    assert!(personal.personal.is_some() && personal.repeated.is_empty() && personal.histogram.is_empty());
}

#[test]
fn the_distribution_is_that_of_what_the_column_holds() {
    let numbers: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    assert_eq!(profile("n", numbers.iter().map(String::as_str)).histogram[0].label, "0 to below 100");
    let days: Vec<String> = (0..400).map(|day| format!("{:02}/{:02}/{}", day % 28 + 1, day % 12 + 1, 1990 + day % 10)).collect();
    let days = profile("jour", days.iter().map(String::as_str));
    assert_eq!(days.format, Some(Format::Date("dd/MM/yyyy".to_owned())));
    assert_eq!(days.histogram[0].label, "1990");
    assert_eq!(profile("vide", []).histogram, []);
}

#[test]
fn a_column_of_a_million_rows_stays_within_its_memory() {
    let mut profiler = Profiler::new("x");
    for row in 0..1_000_000u32 {
        profiler.take(Some(&format!("{row} {}", "x".repeat(usize::try_from(row % 300).unwrap()))));
    }
    assert!(profiler.census.bytes() <= 1024 * 1024, "{}", profiler.census.bytes());
    let profile = profiler.finish();
    assert!(!profile.distinct_exact && profile.distinct >= 10_000 && profile.rows == 1_000_000 && profile.personal.is_none());
}

#[test]
fn a_name_alone_is_enough_for_a_column_that_is_not_looked_at() {
    assert_eq!(by_name("num_secu"), Some(PersonalKind::Nir));
    assert_eq!(by_name("name"), None);
    let names: std::collections::BTreeSet<&str> = PersonalKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), PersonalKind::ALL.len());
    assert!(PersonalKind::ALL.iter().all(|kind| !kind.label().is_empty() && kind.to_string() == kind.label()));
}

/// Texts near the forms that are parsed, and anything at all.
fn texts() -> impl Strategy<Value = Vec<String>> {
    let near = "[0-9A-Za-zé+@.,:/ <>()-]{0,48}";
    let digits = "[0-9 ]{0,24}";
    prop::collection::vec(prop_oneof![".{0,40}", near, digits, "\\PC{0,300}"], 0..30)
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn nothing_panics_on_any_text_and_no_rare_value_comes_out(name in ".{0,40}", values in texts(), times in 1usize..30) {
        let mut profiler = Profiler::new(&name);
        for value in &values {
            (0..times).for_each(|_| profiler.take(Some(value)));
        }
        let profile = profiler.finish();
        prop_assert!(profile.repeated.iter().all(|(value, count)| *count >= REPEATED_MIN && values.contains(value)));
        prop_assert!(profile.histogram.iter().all(|bar| bar.count >= REPEATED_MIN));
        prop_assert!(profile.personal.is_none_or(|found| (0.0..=1.0).contains(&found.share)));
        let _ = by_name(&name);
        for value in &values {
            let kept = mask(value).chars().filter(|letter| letter.is_alphanumeric()).count();
            prop_assert!(kept * 5 <= value.chars().filter(|letter| letter.is_alphanumeric()).count(), "{kept} letters of a value stay");
        }
    }
}
