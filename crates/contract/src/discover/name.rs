//! What a column's name says of each kind of personal data, in French and English.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use super::kind::PersonalKind;
use super::vocabulary::{ABOUT, CODES, FRAME, OCCASIONS, PEOPLE, SURE_NAMES, VOCABULARIES, Vocabulary};
use super::words::{find, words};

/// What the name of a column says of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// The name alone is enough, unless the values speak against it.
    Strongly,
    /// Values must bear it out.
    Weakly,
    Nothing,
    /// It names something that looks alike: an order's number, a version, a product's name.
    Against,
}

static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let of_kind = |kind: &'static Vocabulary| [kind.strong, kind.weak, kind.against, kind.against_too, kind.about];
    let all = VOCABULARIES.iter().flat_map(of_kind).chain([ABOUT, CODES, PEOPLE, SURE_NAMES, FRAME]);
    all.flat_map(phrases).flat_map(|phrase| phrase.split(' ')).filter(|word| word.len() >= 2).collect()
});

/// A known word, or its plural.
fn is_known(word: &str) -> bool {
    KNOWN.contains(word) || (word.len() > 4 && word.strip_suffix('s').is_some_and(|single| KNOWN.contains(single)))
}

/// Words that name a kind alone, whose values are told by their form. Of health any value passes, and of births any day: of those only
/// roots that no other word ends or begins with.
static ROOTS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let told = VOCABULARIES.iter().filter(|vocabulary| !matches!(vocabulary.kind, PersonalKind::Health | PersonalKind::BirthDate));
    let told = told.flat_map(|vocabulary| phrases(vocabulary.strong)).filter(|phrase| !phrase.contains(' '));
    told.chain(phrases(BIRTH_ROOTS)).collect()
});

/// Roots of days of birth.
const BIRTH_ROOTS: &str = "naiss, dtnai, dtnais, dtnaiss, datnai, datnais, datnaiss, datenais, datenaiss, dnais, dnaiss, ddnais, dtenais";

fn phrases(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split(',').map(str::trim).filter(|phrase| !phrase.is_empty())
}

/// The name of a column, read.
#[derive(Debug, Clone)]
pub struct Name {
    words: Vec<String>,
}

impl Name {
    /// Splits it into words.
    pub fn read(name: &str) -> Self {
        Self { words: words(name, is_known, |word| ROOTS.contains(word)) }
    }

    /// Where the longest of the phrases stands.
    fn find(&self, list: &'static str) -> Option<Range<usize>> {
        phrases(list).filter_map(|phrase| find(&self.words, phrase)).max_by_key(Range::len)
    }

    fn any(&self, list: &'static str) -> bool {
        self.find(list).is_some()
    }

    /// Whether those of the phrases that it holds are among others.
    fn all_are(&self, list: &'static str, others: &'static str) -> bool {
        phrases(list).filter(|phrase| find(&self.words, phrase).is_some()).all(|phrase| phrases(others).any(|other| other == phrase))
    }

    /// Whether a word outside of a phrase is one of those.
    fn any_beside(&self, list: &'static str, phrase: &Range<usize>) -> bool {
        let beside =
            |range: Range<usize>| self.words.get(range).is_some_and(|words| phrases(list).any(|phrase| find(words, phrase).is_some()));
        beside(0..phrase.start) || beside(phrase.end..self.words.len())
    }

    /// What it says of a kind.
    pub fn says(&self, kind: PersonalKind) -> Says {
        let Some(vocabulary) = VOCABULARIES.iter().find(|vocabulary| vocabulary.kind == kind) else { return Says::Nothing };
        let person = kind == PersonalKind::PersonName;
        let sure = person && self.any(SURE_NAMES);
        let people = if person { self.find(PEOPLE) } else { None };
        let named_person = people.as_ref().filter(|_| self.any("nom, name")).cloned();
        let strong = self.find(vocabulary.strong).or(named_person);
        let weak = self.find(vocabulary.weak).or(people.clone());
        // `supplier_contact` is a person, whatever `supplier` alone would be.
        let in_person = person && (people.is_some() || self.any("contact, owner, proprietaire, gerant, dirigeant"));
        let against = (self.any(vocabulary.against) || self.any(vocabulary.against_too)) && !sure && !in_person;
        // Who takes an order asks for a phone number: the order's own number is not told from it by the name.
        let occasion = kind == PersonalKind::Phone && self.all_are(vocabulary.against, OCCASIONS) && !self.any(vocabulary.against_too);
        let about = |phrase: &Range<usize>| {
            // Of an allergy its type is health too.
            let usual = kind != PersonalKind::Health && self.any_beside(ABOUT, phrase);
            usual || self.any_beside(vocabulary.about, phrase)
        };
        match (strong, weak) {
            (Some(phrase), _) if about(&phrase) => Says::Nothing,
            (Some(_), _) if against && occasion => Says::Weakly,
            (Some(_), _) if against => Says::Nothing,
            (Some(_), _) => Says::Strongly,
            _ if against => Says::Against,
            (None, Some(phrase)) if !about(&phrase) => Says::Weakly,
            _ => Says::Nothing,
        }
    }

    /// The kind that it names without doubt.
    pub fn kind(&self) -> Option<PersonalKind> {
        PersonalKind::ALL.into_iter().find(|kind| self.says(*kind) == Says::Strongly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_french_and_english_name_a_kind() {
        use PersonalKind::{
            BirthDate, Email, Health, Iban, IpAddress, MacAddress, NationalId, Nir, Passport, PaymentCard, PersonName, Phone,
            PostalAddress, Siret,
        };
        for (name, kind) in [
            ("email", Email),
            ("Adresse e-mail", Email),
            ("customerEmail", Email),
            ("courriel_pro", Email),
            ("mail2", Email),
            ("tel", Phone),
            ("N° de téléphone", Phone),
            ("phoneNumber", Phone),
            ("num_tel_portable", Phone),
            ("iban", Iban),
            ("compte_bancaire", Iban),
            ("cb", PaymentCard),
            ("numero_carte_bancaire", PaymentCard),
            ("creditCardNumber", PaymentCard),
            ("num_secu", Nir),
            ("numsecu", Nir),
            ("N° de sécurité sociale", Nir),
            ("SIRET", Siret),
            ("code_siren", Siret),
            ("ssn", NationalId),
            ("nationalInsuranceNumber", NationalId),
            ("num_passeport", Passport),
            ("ip_src", IpAddress),
            ("IPAddress", IpAddress),
            ("adresse_ip", IpAddress),
            ("macAddress", MacAddress),
            ("DTNAIALL", BirthDate),
            ("xyprenom", PersonName),
            ("adr1", PostalAddress),
            ("Adresse de livraison", PostalAddress),
            ("street_address", PostalAddress),
            ("nom_pat", PersonName),
            ("Prénom", PersonName),
            ("lastname", PersonName),
            ("NOM_PATIENT", PersonName),
            ("employee_name", PersonName),
            ("company_contact_first_name", PersonName),
            ("dt_naiss", BirthDate),
            ("dob", BirthDate),
            ("DateOfBirth", BirthDate),
            ("datenaissance", BirthDate),
            ("D.O.B.", BirthDate),
            ("groupe_sanguin", Health),
            ("diagnosis_code", Health),
            ("blood_type", Health),
            ("type_allergie", Health),
            ("CIM10", Health),
            ("NOMPAT", PersonName),
            ("ship_to_name", PersonName),
            ("name_on_card", PersonName),
            ("nom_porteur", PersonName),
            ("phone_nbr", Phone),
            ("adr_mel", Email),
            ("hw_address", MacAddress),
            ("nee_le", BirthDate),
            ("comorbidities", Health),
            ("NOMUSU", PersonName),
            ("PRENOM1", PersonName),
            ("prenoms", PersonName),
            ("lname", PersonName),
            ("VORNA", PersonName),
            ("student_name", PersonName),
            ("nom_du_stagiaire", PersonName),
            ("Nom d'usage", PersonName),
            ("middle_initial", PersonName),
            ("cardholder_name", PersonName),
            ("TELDOM", Phone),
            ("TELF1", Phone),
            ("cli_tel_pro", Phone),
            ("mobileNo", Phone),
            ("phonenumbers", Phone),
            ("NUMTEL", Phone),
            ("ADRMEL", Email),
            ("SMTP_ADDR", Email),
            ("user_emails", Email),
            ("ADRPOST", PostalAddress),
            ("LIBADR", PostalAddress),
            ("addressLine2", PostalAddress),
            ("MailingStreet", PostalAddress),
            ("libelle_voie", PostalAddress),
            ("STRAS", PostalAddress),
            ("DTNAISS", BirthDate),
            ("DTNAIS", BirthDate),
            ("DATNAI", BirthDate),
            ("DAT_NAIS", BirthDate),
            ("birthdt", BirthDate),
            ("GBDAT", BirthDate),
            ("NUMSS", Nir),
            ("num_sec_soc", Nir),
            ("NIR_PATIENT", Nir),
            ("numsiret", Siret),
            ("NUMCB", PaymentCard),
            ("card_pan", PaymentCard),
            ("code_iban", Iban),
            ("IBAN_titre", Iban),
            ("PassportNo", Passport),
            ("doc_voyage", Passport),
            ("IPV4_ADDR", IpAddress),
            ("clientip", IpAddress),
            ("c-ip", IpAddress),
            ("Calling-Station-Id", MacAddress),
            ("hwaddress", MacAddress),
            ("pathologies", Health),
            ("current_medications", Health),
            ("GRPSANGUIN", Health),
            ("diag_principal", Health),
            ("body_mass_index", Health),
            ("motif_hospitalisation", Health),
        ] {
            assert_eq!(Name::read(name).kind(), Some(kind), "{name}");
        }
    }

    #[test]
    fn names_of_other_things_name_none() {
        for name in [
            "id",
            "name",
            "nom",
            "product_name",
            "airline",
            "libelle",
            "order_no",
            "email_sent_at",
            "nb_emails",
            "email_status",
            "phone_model",
            "phone_verified",
            "card_type",
            "carte_fidelite",
            "birth_country",
            "lieu_naissance",
            "address_id",
            "ville",
            "adresse_cp",
            "ip_version",
            "version",
            "carrier",
            "origin",
            "tailnum",
            "siret_count",
            "portfolio",
            "telemetry",
            "nomenclature",
            "emailing_budget",
            "journee",
            "Journée",
            "pubDate",
            "subdate",
            "DATENVOI",
            "dateNotif",
            "DATEOBS",
            "date_connaissance",
            "renaissance",
            "rebirth",
            "iphone",
            "saxophone",
            "addressee",
            "mobile_os",
            "diagnostic_date",
            "assurance_maladie",
            "user_id",
            "hostname",
            "wallet_address",
            "memory_address",
            "dateline",
            "profile",
            "online",
            "portfolio_owner",
            "nominal",
            "county_name",
            "nom_commercial",
            "artist_name",
            "model_name",
            "chef_lieu",
            "user_agent",
            "phone_case_sku",
            "tel_model",
            "mobile_sessions",
            "permis_construire",
            "allergenes",
            "health_check",
            "begin_date",
            "num_commande",
            "mac_vendor",
            "street_id",
            "ip_port",
            "",
            "é",
            "日本",
        ] {
            assert_eq!(Name::read(name).kind(), None, "{name}");
        }
        assert_eq!(Name::read("numero_commande").says(PersonalKind::PaymentCard), Says::Against);
        assert_eq!(Name::read("version").says(PersonalKind::IpAddress), Says::Against);
        assert_eq!(Name::read("nom").says(PersonalKind::PersonName), Says::Weakly);
        assert_eq!(Name::read("LAST").says(PersonalKind::PersonName), Says::Weakly);
        assert_eq!(Name::read("last_stop_name").says(PersonalKind::PersonName), Says::Against);
        assert_eq!(Name::read("nom_produit").says(PersonalKind::PersonName), Says::Against);
        assert_eq!(Name::read("supplier").says(PersonalKind::PersonName), Says::Against);
        assert_eq!(Name::read("livraison_tel").says(PersonalKind::Phone), Says::Weakly);
        assert_eq!(Name::read("phone_serial").says(PersonalKind::Phone), Says::Nothing);
        assert_eq!(Name::read("supplier_contact").says(PersonalKind::PersonName), Says::Weakly);
    }
}
