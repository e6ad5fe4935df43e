//! What kinds of personal data are recognised, and what a finding says.

/// A kind of personal data. Company numbers and network addresses are among them: a sole trader's number names a person, and the law
/// takes an address of the network for personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PersonalKind {
    Email,
    Phone,
    /// An IBAN or a French RIB.
    Iban,
    PaymentCard,
    /// The French social security number.
    Nir,
    /// A French SIRET or SIREN.
    Siret,
    /// A social security, insurance or identity number of another country, an identity card or a driving licence.
    NationalId,
    Passport,
    IpAddress,
    MacAddress,
    PostalAddress,
    PersonName,
    BirthDate,
    Health,
}

impl PersonalKind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Email,
        Self::Phone,
        Self::Iban,
        Self::PaymentCard,
        Self::Nir,
        Self::Siret,
        Self::NationalId,
        Self::Passport,
        Self::IpAddress,
        Self::MacAddress,
        Self::PostalAddress,
        Self::PersonName,
        Self::BirthDate,
        Self::Health,
    ];

    /// The word in files; it never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Iban => "iban",
            Self::PaymentCard => "payment_card",
            Self::Nir => "nir",
            Self::Siret => "siret",
            Self::NationalId => "national_id",
            Self::Passport => "passport",
            Self::IpAddress => "ip_address",
            Self::MacAddress => "mac_address",
            Self::PostalAddress => "postal_address",
            Self::PersonName => "person_name",
            Self::BirthDate => "birth_date",
            Self::Health => "health",
        }
    }

    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Email => "e-mail address",
            Self::Phone => "phone number",
            Self::Iban => "bank account (IBAN or RIB)",
            Self::PaymentCard => "payment card number",
            Self::Nir => "French social security number (NIR)",
            Self::Siret => "French company number (SIRET or SIREN)",
            Self::NationalId => "identity number",
            Self::Passport => "passport number",
            Self::IpAddress => "IP address",
            Self::MacAddress => "MAC address",
            Self::PostalAddress => "postal address",
            Self::PersonName => "name of a person",
            Self::BirthDate => "birth date",
            Self::Health => "health",
        }
    }
}

impl std::fmt::Display for PersonalKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}

/// What a finding rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Because {
    Name,
    Values,
    NameAndValues,
}

impl Because {
    /// For people, after "because of".
    pub const fn label(self) -> &'static str {
        match self {
            Self::Name => "its name",
            Self::Values => "its values",
            Self::NameAndValues => "its name and its values",
        }
    }
}

/// That a column holds personal data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finding {
    pub kind: PersonalKind,
    pub because: Because,
    /// Of the values that are not null, the share that bears it out, from 0 to 1; 0 where the name alone speaks.
    pub share: f64,
}
