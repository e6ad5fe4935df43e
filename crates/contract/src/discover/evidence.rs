//! What the values of a column say: how many of them pass each check, and how unlikely that is by chance.

use super::address::{Address, address};
use super::contact::{self, Phone};
use super::digits::{Compact, Spread, isbn_10};
use super::people::{Person, person};
use super::{bank, health, moments, national, network};

/// Words that stand for no value, and say nothing of a column.
const PLACEHOLDERS: [&str; 30] = [
    "n/a",
    "na",
    "null",
    "none",
    "nan",
    "-",
    "--",
    "---",
    "?",
    ".",
    "inconnu",
    "inconnue",
    "unknown",
    "nc",
    "n.c.",
    "nr",
    "neant",
    "néant",
    "non renseigné",
    "non renseigne",
    "xxx",
    "tbd",
    "aucun",
    "aucune",
    "n/d",
    "nd",
    "ras",
    "#n/a",
    "anonyme",
    "vide",
];

/// How many of the different values pass each check.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Values that were looked at.
    pub judged: u32,
    pub email: u32,
    /// Other texts that hold one.
    pub email_within: u32,
    pub at_sign: u32,
    pub phone_international: u32,
    pub phone_national: u32,
    pub phone_american: u32,
    pub phone_ten_digits: u32,
    /// Of those the ones that begin as mobile numbers do.
    pub phone_mobile: u32,
    /// Also those that lost a leading zero or `+`.
    pub phone_digits: u32,
    /// Of those the ones that a French or British number becomes.
    pub phone_stripped: u32,
    /// Of those the ones of nine to thirteen digits.
    pub phone_long: u32,
    pub phone_spread: Spread,
    pub isbn_10: u32,
    pub iban: u32,
    pub masked_iban: u32,
    pub rib: u32,
    pub account_shape: u32,
    pub card: u32,
    pub card_shape: u32,
    /// The first and the last digits, and a mask between.
    pub masked_card: u32,
    pub card_spread: Spread,
    pub nir: u32,
    pub nir_without_key: u32,
    pub nir_shape: u32,
    pub siret: u32,
    pub siren: u32,
    pub siren_spread: Spread,
    pub company_shape: u32,
    pub identity: u32,
    pub ssn: u32,
    pub identity_shape: u32,
    pub french_passport: u32,
    pub machine_readable: u32,
    pub passport_shape: u32,
    pub ip: u32,
    /// IPv4 addresses that could be versions.
    pub ip_like_version: u32,
    pub ip_shape: u32,
    pub mac: u32,
    pub bare_mac: u32,
    pub address: u32,
    pub address_part: u32,
    pub address_shape: u32,
    pub whole_name: u32,
    pub first_name: u32,
    pub last_name: u32,
    pub formed_name: u32,
    pub not_person: u32,
    pub day: u32,
    pub year: u32,
    pub years: Vec<u32>,
    pub health: u32,
    pub icd10: u32,
    /// Of those the ones with more than a letter and two digits.
    pub fine_icd10: u32,
    pub atc: u32,
    pub blood_group: u32,
    pub sure_blood_group: u32,
}

impl Evidence {
    /// Looks at different values.
    pub fn of<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut evidence = Self::default();
        for value in values {
            evidence.take(value.trim());
        }
        evidence
    }

    fn take(&mut self, value: &str) {
        if value.is_empty() || (value.len() <= 14 && PLACEHOLDERS.contains(&value.to_lowercase().as_str())) {
            return;
        }
        self.judged += 1;
        let digits = value.bytes().filter(u8::is_ascii_digit).count();
        let letters = value.chars().filter(|letter| letter.is_alphabetic()).count();
        if digits > 0 {
            self.take_numbers(value, digits, letters);
        }
        if digits > 0 || value.contains([':', '.']) {
            self.take_addresses(value);
        }
        if value.contains('@') {
            self.at_sign += 1;
            let whole = contact::is_email(value);
            self.email += u32::from(whole);
            self.email_within += u32::from(!whole && contact::holds_email(value));
        }
        if letters > 0 {
            self.take_texts(value, digits, letters);
        }
        if let Some(year) = moments::year_of(value) {
            self.day += 1;
            self.years.push(year);
        } else if value.len() == 4 && digits == 4 && value.parse().is_ok_and(|year: u32| (1880..=2030).contains(&year)) {
            self.year += 1;
        }
    }

    fn take_numbers(&mut self, value: &str, digits: usize, letters: usize) {
        // Two numbers may stand in one field, a word before each.
        if (6..=34).contains(&digits) && letters <= 12 {
            self.take_phone(value);
        }
        if digits >= 4 && (8..=34).contains(&value.len()) {
            self.take_accounts(value, digits, letters);
        }
        if digits >= 2 && value.contains(['*', '#', 'x', 'X', '•']) {
            self.take_masked(value);
        }
        if (5..=20).contains(&(digits + letters)) && digits >= 4 {
            self.identity_shape += 1;
            self.ssn += u32::from(national::is_us_ssn(value));
            self.identity +=
                u32::from(national::is_uk_nino(value) || national::is_spanish_dni(value) || national::is_italian_fiscal_code(value));
            self.french_passport += u32::from(national::is_french_passport(value));
            let spaces = value.bytes().filter(|byte| *byte == b' ').count();
            self.passport_shape +=
                u32::from((6..=12).contains(&(digits + letters)) && digits + letters + spaces == value.len() && spaces <= 2);
        }
        if value.len() >= 44 {
            self.machine_readable += u32::from(national::is_machine_readable_zone(value));
        }
    }

    fn take_phone(&mut self, value: &str) {
        self.phone_digits += u32::from(contact::may_be_phone(value));
        self.phone_stripped += u32::from(contact::is_stripped_phone(value));
        self.phone_long += u32::from(contact::is_long_number(value));
        self.isbn_10 += u32::from(Compact::of(value, &['-', ' ']).is_some_and(|compact| isbn_10(compact.bytes())));
        match contact::phone(value) {
            Some(Phone::International) => self.phone_international += 1,
            Some(Phone::National) => self.phone_national += 1,
            Some(Phone::NorthAmerican) => self.phone_american += 1,
            Some(Phone::TenDigits) => {
                self.phone_ten_digits += 1;
                self.phone_mobile += u32::from(value.starts_with("06") || value.starts_with("07"));
                self.phone_spread.take(value.as_bytes());
            }
            None => {}
        }
    }

    fn take_accounts(&mut self, value: &str, digits: usize, letters: usize) {
        self.iban += u32::from(bank::is_iban(value));
        self.rib += u32::from(bank::is_rib(value));
        self.account_shape += u32::from(digits >= 7);
        if letters == 0 && (9..=19).contains(&digits) {
            if let Some(card) = bank::card_digits(value) {
                self.card_shape += u32::from(digits >= 14);
                if bank::is_card(value) {
                    self.card += 1;
                    self.card_spread.take(card.bytes());
                }
            }
            self.company_shape += u32::from(matches!(digits, 9 | 14));
            self.siret += u32::from(national::is_siret(value));
            if national::is_siren(value) {
                self.siren += 1;
                self.siren_spread.take(value.as_bytes());
            }
        }
        if letters <= 1 && matches!(digits + letters, 13 | 15) {
            self.nir_shape += 1;
            self.nir += u32::from(national::is_nir(value));
            self.nir_without_key += u32::from(national::is_nir_without_key(value));
        }
    }

    fn take_masked(&mut self, value: &str) {
        if bank::is_masked_card(value) {
            self.card_shape += 1;
            self.masked_card += 1;
        } else if bank::is_masked_iban(value) {
            self.account_shape += 1;
            self.masked_iban += 1;
        }
    }

    fn take_addresses(&mut self, value: &str) {
        // Proxies list addresses, the client's first.
        let value = value.split(',').next().unwrap_or(value);
        if let Some(address) = network::ipv4(value) {
            self.ip += 1;
            self.ip_like_version += u32::from(network::is_version_like(address));
        } else if value.contains(':') && network::is_ipv6(value) {
            self.ip += 1;
        }
        self.ip_shape += u32::from(
            value.len() >= 7 && value.len() <= 45 && value.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.xX*/".contains(&byte)),
        );
        // Three groups of four decimal digits are a code: among addresses one in three hundred has no letter.
        self.mac += u32::from(network::is_mac(value) && value.bytes().any(|byte| byte.is_ascii_alphabetic()));
        self.bare_mac += u32::from(network::is_bare_mac(value));
    }

    fn take_texts(&mut self, value: &str, digits: usize, letters: usize) {
        let shape = letters >= 3 && value.contains(' ') && !value.contains('@');
        self.address_shape += u32::from(shape);
        if shape {
            match address(value) {
                Some(Address::Whole) => self.address += 1,
                Some(Address::Part) => self.address_part += 1,
                None => {}
            }
        }
        if digits == 0 {
            match person(value) {
                Some(Person::Whole) => self.whole_name += 1,
                Some(Person::First) => self.first_name += 1,
                Some(Person::Last) => self.last_name += 1,
                Some(Person::Formed) => self.formed_name += 1,
                Some(Person::Other) => self.not_person += 1,
                None => {}
            }
        }
        self.health += u32::from(health::names_health(value));
        if value.len() <= 64 {
            let icd10 = health::are_icd10(value);
            self.icd10 += u32::from(icd10);
            self.fine_icd10 += u32::from(icd10 && value.split([' ', ',', ';', '|', '+']).any(|code| code.len() > 3));
        }
        if value.len() <= 8 {
            self.atc += u32::from(health::is_atc(value));
        }
        if value.len() <= 16 {
            self.blood_group += u32::from(health::is_blood_group(value));
            self.sure_blood_group += u32::from(health::is_sure_blood_group(value));
        }
    }

    /// Values that have the form of a person's name.
    pub fn names(&self) -> u32 {
        self.whole_name + self.first_name + self.last_name + self.formed_name
    }

    /// The share of the judged values.
    pub fn share(&self, hits: u32) -> f64 {
        if self.judged == 0 { 0.0 } else { f64::from(hits) / f64::from(self.judged) }
    }

    /// How unlikely it is, in bits, that as many of the judged values pass a check by chance, where each passes with probability
    /// `chance`: Chernoff's bound, 2^-bits. Not above chance it is nothing.
    pub fn bits(&self, hits: u32, chance: f64) -> f64 {
        let share = self.share(hits);
        if share <= chance {
            return 0.0;
        }
        let term = |part: f64, other: f64| if part <= 0.0 { 0.0 } else { part * (part / other).log2() };
        f64::from(self.judged) * (term(share, chance) + term(1.0 - share, 1.0 - chance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chance_explains_is_no_evidence() {
        let evidence = Evidence { judged: 1000, ..Evidence::default() };
        assert!(evidence.bits(100, 0.1) < 1e-9 && evidence.bits(50, 0.1) < 1e-9);
        assert!(evidence.bits(1000, 0.1) > 3000.0);
        let one = Evidence { judged: 1, ..Evidence::default() };
        assert!((one.bits(1, 0.25) - 2.0).abs() < 1e-9);
        assert!(Evidence::default().bits(0, 0.1) < 1e-9);
    }

    #[test]
    fn placeholders_are_not_judged() {
        let evidence = Evidence::of(["", " ", "N/A", "inconnu", "a@b.fr"].into_iter());
        assert_eq!((evidence.judged, evidence.email), (1, 1));
    }

    #[test]
    fn masked_accounts_and_cards_have_the_form_of_theirs() {
        let evidence = Evidence::of(["FR76 **** **** **** **** ***0 189", "**** **** **** 1111", "4111 11•• •••• 1111", "x12"].into_iter());
        assert_eq!((evidence.masked_iban, evidence.masked_card, evidence.card_shape), (1, 2, 2));
    }
}
