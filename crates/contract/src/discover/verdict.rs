//! Judges a column by its evidence, never by one lucky number.
//!
//! Each check of values has a *chance*: how often a look-alike passes it (a Luhn digit 1 in 10, two digits mod 97 about 1 in 100, less
//! where lengths and ranges must fit too). Of a column's different values a share passes; the *bits* say how unlikely that share is by
//! chance (Chernoff's bound: 2^-bits). A column is personal of a kind when one of these holds, in this order:
//!
//! 1. **Name and values.** The name speaks for the kind, at least a fifth of the values pass, and that has at least 7 bits.
//! 2. **Values alone.** The name says nothing; at least three different values pass, the share reaches the check's floor (the likelier
//!    the chance, the higher), it has at least 20 bits, and the values are no series that was counted up.
//! 3. **Values against the name.** The name is that of a look-alike (`order_no`, `version`): only checks that chance passes at most once
//!    in 500 count, with nine tenths of the values and 30 bits.
//! 4. **Name alone.** The name is unmistakable, and at least half of the values have a form in which the kind is written: a number
//!    without its check digit, a date, letters. A column without values is taken at its name.
//!
//! Names of persons, birth dates and health have no check digits: lists of words take their place, and the name must say more.

use super::evidence::Evidence;
use super::kind::{Because, Finding, PersonalKind};
use super::name::{Name, Says};

/// The share that must pass where the name speaks for the kind.
const NAMED_SHARE: f64 = 0.2;
const NAMED_BITS: f64 = 7.0;
const ALONE_BITS: f64 = 20.0;
const ALONE_HITS: u32 = 3;
const AGAINST_SHARE: f64 = 0.9;
const AGAINST_BITS: f64 = 30.0;
const AGAINST_CHANCE: f64 = 0.002;
/// The share that must have the kind's form where the name alone speaks.
const FORM_SHARE: f64 = 0.5;

/// A check, and what it was passed by.
struct Check {
    hits: u32,
    chance: f64,
    /// The share that must pass where the name speaks for the kind.
    named: f64,
    /// The share from which values speak without a name; above 1 they never do.
    floor: f64,
}

/// A floor that no share reaches: the name must speak for the kind.
const NEEDS_NAME: f64 = 2.0;

const fn check(hits: u32, chance: f64, floor: f64) -> Check {
    Check { hits, chance, named: NAMED_SHARE, floor }
}

/// What the column is, if it is personal.
pub fn judge(name: &Name, evidence: &Evidence) -> Option<Finding> {
    let rank = |because: Because| match because {
        Because::NameAndValues => 2,
        Because::Values => 1,
        Because::Name => 0,
    };
    PersonalKind::ALL
        .into_iter()
        .filter_map(|kind| of_kind(kind, name.says(kind), evidence).map(|(because, bits, share)| (Finding { kind, because, share }, bits)))
        // The first of equals: they stand in the order in which a name is read.
        .reduce(|best, next| {
            let (a, b) = (rank(best.0.because), rank(next.0.because));
            if b > a || (b == a && next.1 > best.1) { next } else { best }
        })
        .map(|(finding, _)| finding)
}

fn of_kind(kind: PersonalKind, says: Says, evidence: &Evidence) -> Option<(Because, f64, f64)> {
    let best =
        checks(kind, says, evidence).into_iter().filter_map(|check| passes(&check, says, evidence)).max_by(|a, b| a.1.total_cmp(&b.1));
    best.or_else(|| by_name_alone(kind, says, evidence).then_some((Because::Name, 0.0, 0.0)))
}

fn passes(check: &Check, says: Says, evidence: &Evidence) -> Option<(Because, f64, f64)> {
    let (share, bits) = (evidence.share(check.hits), evidence.bits(check.hits, check.chance));
    let (because, convinced) = match says {
        Says::Strongly | Says::Weakly => (Because::NameAndValues, share >= check.named && bits >= NAMED_BITS),
        Says::Nothing => (Because::Values, check.hits >= ALONE_HITS && share >= check.floor && bits >= ALONE_BITS),
        Says::Against => {
            let sure = check.chance <= AGAINST_CHANCE && check.floor <= 1.0;
            (Because::Values, sure && check.hits >= ALONE_HITS && share >= AGAINST_SHARE && bits >= AGAINST_BITS)
        }
    };
    convinced.then_some((because, bits, share))
}

/// The checks of a kind.
fn checks(kind: PersonalKind, says: Says, e: &Evidence) -> Vec<Check> {
    let unless = |counted: bool, floor: f64| if counted { NEEDS_NAME } else { floor };
    match kind {
        PersonalKind::Email => vec![check(e.email, 0.001, 0.2), check(e.email + e.email_within, 0.005, 0.2)],
        PersonalKind::Phone => phones(says, e),
        PersonalKind::Iban => {
            vec![check(e.iban, 0.001, 0.3), check(e.iban + e.masked_iban, 0.002, 0.8), check(e.rib, 0.01, 0.5)]
        }
        // Cards of one bank share at most its first eight digits.
        PersonalKind::PaymentCard => {
            vec![check(e.card, 0.03, unless(e.card_spread.is_counted(8), 0.8)), check(e.masked_card, 0.001, 0.3)]
        }
        PersonalKind::Nir => vec![check(e.nir, 0.002, 0.3), check(e.nir_without_key, 0.2, NEEDS_NAME)],
        PersonalKind::Siret => vec![check(e.siret, 0.01, 0.5), check(e.siren, 0.1, unless(e.siren_spread.is_counted(2), 0.95))],
        PersonalKind::NationalId => vec![check(e.identity, 0.02, 0.8), check(e.ssn, 0.3, NEEDS_NAME)],
        PersonalKind::Passport => vec![check(e.machine_readable, 0.001, 0.3), check(e.french_passport, 0.1, NEEDS_NAME)],
        PersonalKind::IpAddress => {
            // Versions of four small numbers say nothing, unless they stand among addresses that are none.
            let versions = e.ip_like_version * 10 > e.ip * 7;
            vec![check(e.ip, 0.01, if versions { NEEDS_NAME } else { 0.5 })]
        }
        // Twelve hexadecimal digits are an id or a part of a hash as well: only `mac` itself makes them an address.
        PersonalKind::MacAddress => {
            let bare = if says == Says::Strongly { e.bare_mac } else { 0 };
            vec![check(e.mac, 0.001, 0.3), check(bare, 0.05, NEEDS_NAME)]
        }
        PersonalKind::PostalAddress => {
            vec![check(e.address, 0.01, 0.4), check(e.address + e.address_part, 0.05, NEEDS_NAME)]
        }
        PersonalKind::PersonName => persons(says, e),
        PersonalKind::BirthDate => births(says, e),
        PersonalKind::Health => {
            let blood = if e.sure_blood_group > 0 { e.blood_group } else { 0 };
            // Codes of shelves and motives have a letter and two digits too; finer ones are hardly anything else beside such a name.
            let (coded, chance) = if says == Says::Strongly { (e.icd10, 0.3) } else { (e.fine_icd10, 0.1) };
            vec![
                check(e.health, 0.02, 0.3),
                check(e.atc, 0.01, 0.9),
                check(blood, 0.02, 0.9),
                Check { hits: coded, chance, named: if says == Says::Strongly { NAMED_SHARE } else { 0.6 }, floor: NEEDS_NAME },
            ]
        }
    }
}

fn phones(says: Says, e: &Evidence) -> Vec<Check> {
    let written = e.phone_international + e.phone_national;
    let books = e.share(e.isbn_10) > 0.5;
    // Codes padded to ten digits: those of phones begin mostly with 06 and 07, and are not counted up.
    let phones = e.phone_mobile * 2 >= e.phone_ten_digits && !e.phone_spread.is_counted(2);
    let ten = if books || !phones { NEEDS_NAME } else { 0.95 };
    let mut checks = vec![
        check(e.phone_international, 0.002, 0.4),
        check(written, 0.02, 0.5),
        // Numbers of parts are written so too, and two thirds of all have the digits.
        check(written + e.phone_american, 0.64, NEEDS_NAME),
        check(written + e.phone_ten_digits, 0.5, ten),
    ];
    if says == Says::Strongly {
        checks.push(check(e.phone_digits, 0.3, NEEDS_NAME));
    } else {
        checks.push(Check { hits: e.phone_stripped, chance: 0.3, named: 0.8, floor: NEEDS_NAME });
        // `mobile` of whole numbers: amounts and counts have fewer digits.
        checks.push(Check { hits: e.phone_long, chance: 0.4, named: 0.9, floor: NEEDS_NAME });
    }
    checks
}

fn persons(says: Says, e: &Evidence) -> Vec<Check> {
    let listed = e.whole_name + e.first_name + e.last_name;
    // No list holds most names. Where all values are formed as names and none is a company's or a place's, fewer listed ones will do.
    let (formed, others) = (e.share(e.names()), e.share(e.not_person));
    let pure = formed >= 0.95 && others <= 0.02;
    if formed < 0.8 || others > 0.1 {
        return Vec::new();
    }
    match says {
        Says::Strongly => vec![Check { hits: listed, chance: 0.04, named: if pure { 0.1 } else { NAMED_SHARE }, floor: NEEDS_NAME }],
        // The lists hold half of the names in use and more; of towns and brands a fifth is named after people, or people after them.
        Says::Weakly => vec![Check { hits: listed, chance: 0.04, named: if pure { 0.2 } else { 0.3 }, floor: NEEDS_NAME }],
        Says::Nothing => {
            let floor = if pure { 0.28 } else { 0.5 };
            let first = check(e.first_name + e.whole_name, 0.08, if pure { 0.45 } else { 0.6 });
            let mut checks = vec![check(e.whole_name, 0.1, floor), first];
            // Last names are words of many other things: only where almost nothing else stands, and some 30 different ones.
            if pure {
                checks.push(check(listed, 0.25, 0.55));
            }
            checks
        }
        Says::Against => Vec::new(),
    }
}

/// Days of birth spread over a generation, and no day lies in it that a living person cannot have.
fn births(says: Says, e: &Evidence) -> Vec<Check> {
    let (min, max) = (e.years.iter().min().copied().unwrap_or(0), e.years.iter().max().copied().unwrap_or(0));
    let ages = min >= 1900 && max - min >= 30;
    match says {
        Says::Strongly => vec![check(e.day + e.year, 0.1, NEEDS_NAME)],
        Says::Weakly if ages && e.share(e.day) >= 0.9 => vec![check(e.day, 0.1, NEEDS_NAME)],
        _ => Vec::new(),
    }
}

/// Whether an unmistakable name is not contradicted by the values.
fn by_name_alone(kind: PersonalKind, says: Says, e: &Evidence) -> bool {
    if says != Says::Strongly {
        return false;
    }
    let formed = match kind {
        PersonalKind::Email => e.at_sign,
        PersonalKind::Phone => e.phone_digits.max(e.phone_international + e.phone_national + e.phone_american),
        PersonalKind::Iban => e.account_shape,
        PersonalKind::PaymentCard => e.card_shape,
        PersonalKind::Nir => e.nir_shape,
        PersonalKind::Siret => e.company_shape,
        PersonalKind::NationalId => e.identity_shape,
        PersonalKind::Passport => e.passport_shape,
        PersonalKind::IpAddress => e.ip_shape,
        PersonalKind::MacAddress => e.mac + e.bare_mac,
        PersonalKind::PostalAddress => e.address_shape,
        PersonalKind::PersonName => e.names(),
        PersonalKind::BirthDate => e.day + e.year,
        PersonalKind::Health => e.judged,
    };
    e.judged == 0 || e.share(formed) >= FORM_SHARE
}
