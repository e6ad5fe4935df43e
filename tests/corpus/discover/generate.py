#!/usr/bin/env python3
"""Writes the labelled columns (for maintainers; the files are kept in the repository).

    pip install faker==40.63.0 mimesis==22.2.0 python-stdnum==2.2
    python tests/corpus/discover/generate.py

Every value is drawn from a seed: none is a person's. `shown/` holds the tables that were looked at while the recognisers were
written, with values of Faker; `held_out/` holds others with values of mimesis, other names of columns and other ways of writing.
Check digits are computed here or by python-stdnum, not by what is tested. `shown.csv` and `held_out.csv` say of each column what it
holds: the kind of personal data, or none, and the type that a contract should give it.
"""

import csv
import datetime as dt
import pathlib
import random
import string
import uuid

from faker import Faker
from mimesis import Address, Finance, Food, Hardware, Person, Text
from mimesis.enums import Gender
from mimesis.locales import Locale
from stdnum.fr import nir as std_nir
from stdnum.fr import siret as std_siret
from stdnum.iso7064 import mod_97_10
from stdnum import luhn

HERE = pathlib.Path(__file__).resolve().parent
ROWS = 120
R = random.Random(20130101)
FR, US, GB = Faker("fr_FR"), Faker("en_US"), Faker("en_GB")
for fake, seed in ((FR, 1), (US, 2), (GB, 3)):
    fake.seed_instance(seed)


# ---------------------------------------------------------------- values


def digits(count, first="123456789"):
    return R.choice(first) + "".join(R.choice(string.digits) for _ in range(count - 1))


def with_luhn(body):
    return body + luhn.calc_check_digit(body)


def card():
    prefix, length = R.choice([("4", 16), (str(R.randint(51, 55)), 16), ("37", 15), ("2720", 16), ("6011", 16)])
    return with_luhn(prefix + "".join(R.choice(string.digits) for _ in range(length - 1 - len(prefix))))


def grouped(text, size=4, by=" "):
    return by.join(text[at : at + size] for at in range(0, len(text), size))


def iban(country="FR"):
    length, letters = {"FR": (23, False), "DE": (18, False), "GB": (18, True), "BE": (12, False), "ES": (20, False), "NL": (14, True), "IT": (23, False)}[country]
    bban = "".join(R.choice(string.digits) for _ in range(length))
    if letters:
        bban = "".join(R.choice(string.ascii_uppercase) for _ in range(4)) + bban[4:]
    return country + mod_97_10.calc_check_digits(bban + country) + bban


def rib():
    body = "".join(R.choice(string.digits) for _ in range(21))
    bank, branch, account = int(body[:5]), int(body[5:10]), int(body[10:])
    return body + f"{97 - (89 * bank + 15 * branch + 3 * account) % 97:02d}"


def nir():
    department = R.choice(["2A", "2B"] + [f"{n:02d}" for n in range(1, 96) if n != 20] * 2)
    body = f"{R.choice('12')}{R.randint(30, 99):02d}{R.randint(1, 12):02d}{department}{R.randint(1, 600):03d}{R.randint(1, 400):03d}"
    return body + std_nir.calc_check_digits(body)


def siren():
    return with_luhn(R.choice("345789") + "".join(R.choice(string.digits) for _ in range(7)))


def siret():
    number = siren() + f"{R.randint(1, 60):05d}"[:4]
    number = with_luhn(number)
    assert std_siret.is_valid(number)
    return number


def nir_spaced(text):
    return " ".join([text[0], text[1:3], text[3:5], text[5:7], text[7:10], text[10:13], text[13:]])


def phone_fr(by=" ", start=("01", "02", "04", "06", "06", "07")):
    return by.join([R.choice(start)] + [f"{R.randint(0, 99):02d}" for _ in range(4)])


def ip():
    return f"{R.randint(1, 223)}.{R.randint(0, 255)}.{R.randint(0, 255)}.{R.randint(1, 254)}"


def ipv6():
    return ":".join(f"{R.randint(1, 65535):x}" for _ in range(8))


def mac(by=":"):
    return by.join(f"{R.randint(0, 255):02x}" for _ in range(6))


def mac_cisco():
    text = mac("")
    return ".".join(text[at : at + 4] for at in (0, 4, 8))


def hexa(count):
    return "".join(R.choice("0123456789abcdef") for _ in range(count))


def ean13():
    body = "3" + "".join(R.choice(string.digits) for _ in range(11))
    return body + str(-sum(int(d) * (3 if at % 2 else 1) for at, d in enumerate(body)) % 10)


def isbn13():
    body = "978" + "".join(R.choice(string.digits) for _ in range(9))
    check = str(-sum(int(d) * (3 if at % 2 else 1) for at, d in enumerate(body)) % 10)
    return f"{body[:3]}-{body[3]}-{body[4:8]}-{body[8:]}-{check}"


def isbn10():
    body = R.choice("012") + "".join(R.choice(string.digits) for _ in range(8))
    check = -sum(int(d) * (10 - at) for at, d in enumerate(body)) % 11
    return body + ("X" if check == 10 else str(check))


def day(first="2015-01-01", last="2024-12-31"):
    a, b = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    return a + dt.timedelta(days=R.randint(0, (b - a).days))


def birth():
    return day("1935-01-01", "2006-12-31")


def moment():
    return dt.datetime.combine(day(), dt.time(R.randint(0, 23), R.randint(0, 59), R.randint(0, 59)))


def as_day(form, source=day):
    return lambda: source().strftime(form)


def as_moment(form):
    return lambda: moment().strftime(form)


def number(low, high):
    return lambda: R.randint(low, high)


def decimal(low, high, places=2):
    return lambda: f"{R.uniform(low, high):.{places}f}"


def comma(low, high):
    return lambda: f"{R.uniform(low, high):.2f}".replace(".", ",")


def one_of(*values):
    return lambda: R.choice(values)


def counter(pattern, start=1000):
    state = [start]

    def take():
        state[0] += 1
        return pattern.format(state[0])

    return take


def luhn_counter(prefix, length):
    """Numbers that are counted up and all pass Luhn, as shops make them."""
    state = [R.randint(10**5, 10**6)]

    def take():
        state[0] += R.randint(1, 3)
        return with_luhn(prefix + str(state[0]).zfill(length - 1 - len(prefix)))

    return take


def luhn_random(length, first="123456789"):
    return lambda: with_luhn(digits(length - 1, first))


def sometimes(take, share, instead=""):
    return lambda: instead if R.random() < share else take()


def version4(major=12):
    return lambda: f"{R.randint(1, major)}.{R.randint(0, 19)}.{R.randint(0, 12)}.{R.randint(0, 30)}"


def ssn():
    return f"{R.randint(1, 665):03d}-{R.randint(1, 99):02d}-{R.randint(1, 9999):04d}"


def nino():
    return R.choice(["AB", "CE", "HJ", "JK", "LM", "NP", "PR", "RS", "SW", "TX"]) + digits(6, string.digits) + R.choice("ABCD")


PRODUCTS_FR = [f"{a} {b}" for a in ("Perceuse", "Chaise", "Lampe", "Tapis", "Bureau", "Casserole", "Vélo", "Tente", "Veste") for b in ("Alto", "Nordik", "compacte", "XL 200", "Prima", "enfant", "de jardin", "pliante")]
PRODUCTS_EN = [f"{a} {b}" for a in ("Oak", "Trail", "Urban", "Classic", "Turbo", "Aqua", "Solar") for b in ("Backpack", "Blender", "Desk 120", "Headphones", "Kettle", "Sneakers", "Watch S2", "Tent 4P")]
REMARKS_FR = ["Livraison avant midi", "À rappeler lundi", "Emballage abîmé", "Produit conforme", "RAS", "Retour sous huitaine", "Facture envoyée", "Voir avec le magasin", "Stock insuffisant"]
REMARKS_EN = ["Leave at the back door", "Box was damaged", "Arrived two days late", "As described", "Refund issued", "Wrong size sent", "Ask the warehouse", "Second reminder"]
DIAGNOSES_FR = ["Diabète de type 2", "Hypertension artérielle", "Asthme", "Migraine chronique", "Fracture du poignet", "Lombalgie", "Pneumonie", "Dépression légère", "Anémie", "Otite moyenne", "Eczéma", "Calculs biliaires", "Entorse de la cheville"]
DIAGNOSES_EN = ["Type 2 diabetes", "Essential hypertension", "Asthma, mild", "Chronic migraine", "Wrist fracture", "Low back pain", "Pneumonia", "Iron deficiency anemia", "Otitis media", "Eczema", "Gallstones", "Ankle sprain", "GERD"]
ICD = ["E11.9", "I10", "J45.909", "G43.709", "S62.101A", "M54.5", "J18.9", "F32.0", "D50.9", "H66.90", "L20.9", "K80.20", "S93.401A", "Z23"]
MEDICINES_EN = ["Metformin 500 mg", "Lisinopril", "Salbutamol inhaler", "Ibuprofen", "Amoxicillin", "Atorvastatin 20 mg", "Omeprazole", "Sertraline", "Prednisone", "Naproxen", "Zinc ointment"]
BLOOD = ["A+", "A-", "B+", "B-", "AB+", "AB-", "O+", "O-"]

AIRPORTS = ["Lansdowne Airport", "Moton Field Municipal Airport", "Schaumburg Regional", "Randall Airport", "Jekyll Island Airport", "Elizabethton Municipal", "Williams County Airport", "Finger Lakes Regional", "Jefferson County Intl", "Harford County Airport", "George Bush Intercontinental", "Henry E Rohlsen", "Charles M Schulz", "Dawson Creek", "Grant County", "Lewis University Airport", "St Clair Regional", "Wilkes Barre", "Martha's Vineyard", "Bert Mooney"]

# ---------------------------------------------------------------- tables looked at while writing

NONE = ""
I32, I64, F64, TEXT, BOOL, DATE = "int32", "int64", "float64", "string", "boolean", "date"


def shown():
    yes_no = one_of("oui", "non")
    flag = one_of("true", "false")
    return {
        "clients": [
            ("id_client", NONE, I32, counter("{}")),
            ("civilite", NONE, TEXT, one_of("M.", "Mme")),
            ("nom", "person_name", TEXT, FR.last_name),
            ("prenom", "person_name", TEXT, FR.first_name),
            ("date_naissance", "birth_date", "date dd/MM/yyyy", as_day("%d/%m/%Y", birth)),
            ("email", "email", TEXT, sometimes(FR.email, 0.1)),
            ("tel_portable", "phone", TEXT, sometimes(phone_fr, 0.2)),
            ("adresse", "postal_address", TEXT, FR.street_address),
            ("code_postal", NONE, TEXT, FR.postcode),
            ("ville", NONE, TEXT, FR.city),
            ("date_inscription", NONE, DATE, as_day("%Y-%m-%d")),
            ("montant_achats", NONE, F64, decimal(0, 5000)),
            ("newsletter", NONE, BOOL, flag),
            ("points_fidelite", NONE, I32, number(0, 9000)),
        ],
        "salaries": [
            ("matricule", NONE, TEXT, counter("E{:05d}", 0)),
            ("NOM_USAGE", "person_name", TEXT, lambda: FR.last_name().upper()),
            ("NOM_NAISSANCE", "person_name", TEXT, lambda: FR.last_name().upper()),
            ("PRENOMS", "person_name", TEXT, lambda: f"{FR.first_name()} {FR.first_name()}"),
            ("num_secu", "nir", TEXT, lambda: nir_spaced(nir())),
            ("dt_naiss", "birth_date", DATE, as_day("%Y-%m-%d", birth)),
            ("lieu_naissance", NONE, TEXT, FR.city),
            ("coordonnees_bancaires", "iban", TEXT, lambda: grouped(iban())),
            ("salaire_brut", NONE, F64, decimal(1600, 9000)),
            ("date_embauche", NONE, "date dd/MM/yyyy", as_day("%d/%m/%Y")),
            ("service", NONE, TEXT, one_of("Achats", "Ventes", "RH", "Comptabilité", "Logistique")),
            ("poste", NONE, TEXT, FR.job),
            ("tel_pro", "phone", TEXT, lambda: phone_fr(".", ("01", "04"))),
            ("coefficient", NONE, I32, number(120, 900)),
        ],
        "fournisseurs": [
            ("code_fournisseur", NONE, TEXT, counter("F{:04d}", 1)),
            ("raison_sociale", NONE, TEXT, FR.company),
            ("siret", "siret", I64, siret),
            ("adr1", "postal_address", TEXT, FR.street_address),
            ("cp", NONE, TEXT, FR.postcode),
            ("ville", NONE, TEXT, FR.city),
            ("contact", "person_name", TEXT, FR.name),
            ("courriel", "email", TEXT, FR.company_email),
            ("telecopie", "phone", TEXT, lambda: phone_fr("-", ("01", "02", "03"))),
            ("delai_jours", NONE, I32, number(1, 60)),
            ("actif", NONE, TEXT, yes_no),
        ],
        "patients": [
            ("ipp", NONE, I64, lambda: digits(10, "89")),
            ("nom_patient", "person_name", TEXT, lambda: FR.last_name().upper()),
            ("sexe", NONE, TEXT, one_of("F", "M")),
            ("ddn", "birth_date", "date dd/MM/yyyy", as_day("%d/%m/%Y", birth)),
            ("nir", "nir", TEXT, nir),
            ("groupe_sanguin", "health", TEXT, one_of(*BLOOD)),
            ("allergies", "health", TEXT, sometimes(one_of("arachides", "pénicilline", "pollen", "acariens", "latex", "aucune"), 0.3)),
            ("diagnostic", "health", TEXT, one_of(*DIAGNOSES_FR)),
            ("code_cim10", "health", TEXT, one_of(*ICD)),
            ("medecin_traitant", "person_name", TEXT, lambda: f"Dr {FR.last_name()}"),
            ("date_admission", NONE, "timestamp dd/MM/yyyy HH:mm", as_moment("%d/%m/%Y %H:%M")),
            ("unite", NONE, TEXT, one_of("A12", "B03", "C21", "D40")),
            ("lit", NONE, I32, number(1, 60)),
        ],
        "commandes": [
            ("numero_commande", NONE, I64, luhn_counter("4", 16)),
            ("ref_client", NONE, TEXT, counter("CL-{:06d}", 5000)),
            ("date_commande", NONE, DATE, as_day("%Y-%m-%d")),
            ("montant_ttc", NONE, TEXT, comma(5, 2000)),
            ("statut", NONE, TEXT, one_of("payée", "expédiée", "annulée")),
            ("mode_paiement", NONE, TEXT, one_of("CB", "virement", "chèque")),
            ("code_promo", NONE, TEXT, sometimes(one_of("ETE24", "NOEL", "BIENVENUE10"), 0.7)),
            ("nb_articles", NONE, I32, number(1, 12)),
            ("num_suivi", NONE, TEXT, lambda: "6A" + digits(11)),
            ("commentaire", NONE, TEXT, sometimes(one_of(*REMARKS_FR), 0.4)),
            ("facture", NONE, I64, luhn_counter("2024", 14)),
            ("remise", NONE, F64, decimal(0, 0.3)),
        ],
        "produits": [
            ("ean13", NONE, I64, ean13),
            ("libelle", NONE, TEXT, one_of(*PRODUCTS_FR)),
            ("nom", NONE, TEXT, one_of(*PRODUCTS_FR)),
            ("prix_ht", NONE, F64, decimal(1, 900)),
            ("reference_fabricant", NONE, TEXT, lambda: f"{digits(2)}{R.choice('ABC')}{R.choice('XYZ')}{digits(5)}"),
            ("marque", NONE, TEXT, one_of("Nordik", "Alto", "Primeur", "Valora")),
            ("poids_g", NONE, I32, number(40, 20000)),
            ("isbn", NONE, TEXT, isbn13),
            ("disponible", NONE, BOOL, flag),
            ("couleur", NONE, TEXT, one_of("rouge", "bleu", "noir", "blanc", "vert")),
            ("url_fiche", NONE, TEXT, lambda: f"https://boutique.example/p/{digits(6)}"),
            ("numero_serie", NONE, TEXT, lambda: hexa(12).upper()),
        ],
        "journal": [
            ("horodatage", NONE, "timestamp zone", as_moment("%Y-%m-%dT%H:%M:%SZ")),
            ("adresse_ip", "ip_address", TEXT, ip),
            ("agent", NONE, TEXT, FR.user_agent),
            ("code_http", NONE, I32, one_of(200, 301, 404, 500)),
            ("duree_ms", NONE, I32, number(1, 4000)),
            ("chemin", NONE, TEXT, lambda: "/" + "/".join(FR.words(3))),
            ("session", NONE, TEXT, lambda: str(uuid.UUID(int=R.getrandbits(128), version=4))),
            ("version_appli", NONE, TEXT, version4()),
            ("empreinte", NONE, TEXT, lambda: hexa(32)),
            ("octets", NONE, I64, lambda: R.randint(10**9, 10**11)),
        ],
        "equipements": [
            ("inventaire", NONE, TEXT, counter("EQ{:05d}", 1)),
            ("adr_mac", "mac_address", TEXT, lambda: mac("-").upper()),
            ("ip", "ip_address", TEXT, lambda: f"10.{R.randint(0, 9)}.{R.randint(0, 255)}.{R.randint(1, 254)}"),
            ("nom_hote", NONE, TEXT, counter("srv-{}", 10)),
            ("firmware", NONE, TEXT, version4(10)),
            ("salle", NONE, TEXT, one_of("B12", "C3", "A101")),
            ("date_achat", NONE, "date dd-MM-yyyy", as_day("%d-%m-%Y")),
            ("garantie_mois", NONE, I32, one_of(12, 24, 36)),
            ("sha1", NONE, TEXT, lambda: hexa(40)),
            ("modele", NONE, TEXT, one_of("PX-200", "Latitude 5420", "ThinkPad T14", "OptiPlex")),
        ],
        "etablissements": [
            ("SIRET", "siret", TEXT, lambda: grouped(siret(), 3)),
            ("SIREN", "siret", I32, siren),
            ("denomination", NONE, TEXT, FR.company),
            ("code_naf", NONE, TEXT, one_of("62.01Z", "47.11F", "56.10A", "86.21Z")),
            ("effectif", NONE, I32, number(1, 900)),
            ("date_creation", NONE, DATE, as_day("%Y-%m-%d", lambda: day("1950-01-01", "2023-12-31"))),
            ("latitude", NONE, F64, decimal(42, 51, 6)),
            ("longitude", NONE, F64, decimal(-4, 8, 6)),
            ("code_commune", NONE, TEXT, lambda: f"{R.randint(1, 95):02d}{R.randint(1, 600):03d}"),
            ("coordonnees", NONE, TEXT, lambda: f"{R.uniform(42, 51):.5f}, {R.uniform(-4, 8):.5f}"),
        ],
        "paiements": [
            ("id_transaction", NONE, I64, lambda: digits(12)),
            ("carte_bancaire", "payment_card", TEXT, lambda: grouped(card())),
            ("titulaire_carte", "person_name", TEXT, lambda: f"{FR.first_name()} {FR.last_name()}".upper()),
            ("montant", NONE, F64, decimal(1, 900)),
            ("devise", NONE, TEXT, one_of("EUR", "CHF", "USD")),
            ("horodatage", NONE, "timestamp dd/MM/yyyy HH:mm:ss", as_moment("%d/%m/%Y %H:%M:%S")),
            ("code_autorisation", NONE, TEXT, lambda: f"{R.randint(0, 999999):06d}"),
            ("rib", "iban", TEXT, rib),
            ("bic", NONE, TEXT, lambda: "".join(R.choice(string.ascii_uppercase) for _ in range(4)) + "FRPP"),
            ("terminal", NONE, I32, lambda: digits(8)),
        ],
        "sejours": [
            ("nom_complet", "person_name", TEXT, FR.name),
            ("num_passeport", "passport", TEXT, lambda: f"{R.randint(10, 24)}{R.choice('ABCDEF')}{R.choice('KLMNP')}{digits(5, string.digits)}"),
            ("nationalite", NONE, TEXT, one_of("française", "belge", "suisse", "italienne")),
            ("date_arrivee", NONE, "date yyyy/MM/dd", as_day("%Y/%m/%d")),
            ("nuits", NONE, I32, number(1, 14)),
            ("petit_dejeuner", NONE, BOOL, flag),
            ("telephone", "phone", TEXT, lambda: "+33 " + phone_fr()[1:]),
            ("e_mail", "email", TEXT, FR.safe_email),
            ("prix_total", NONE, TEXT, lambda: f"{R.randint(1, 4)} {R.randint(0, 999):03d},{R.randint(0, 99):02d}"),
            ("heure_arrivee", NONE, "time HH:mm", lambda: moment().strftime("%H:%M")),
        ],
        "eleves": [
            ("Nom et prénom", "person_name", TEXT, lambda: f"{FR.last_name().upper()} {FR.first_name()}"),
            ("Date de naissance", "birth_date", "date dd/MM/yyyy", as_day("%d/%m/%Y", lambda: day("2005-01-01", "2014-12-31"))),
            ("Classe", NONE, TEXT, one_of("6e A", "5e B", "4e C", "3e A")),
            ("Tél. parent", "phone", TEXT, phone_fr),
            ("Adresse postale", "postal_address", TEXT, lambda: FR.address().replace("\n", ", ")),
            ("Moyenne générale", NONE, TEXT, comma(4, 20)),
            ("Boursier", NONE, TEXT, yes_no),
            ("Année scolaire", NONE, TEXT, one_of("2022-2023", "2023-2024")),
            ("Régime", NONE, TEXT, one_of("externe", "demi-pensionnaire")),
        ],
        "meteo": [
            ("id_station", NONE, TEXT, lambda: f"0{R.randint(7000, 7999)}"),
            ("nom_station", NONE, TEXT, lambda: f"{FR.city()} - aéroport"),
            ("jour", NONE, "date yyyyMMdd", as_day("%Y%m%d")),
            ("temperature", NONE, F64, decimal(-8, 39, 1)),
            ("humidite", NONE, I32, number(20, 100)),
            ("vent_direction", NONE, I32, number(0, 360)),
            ("phenomene", NONE, TEXT, one_of("pluie", "brouillard", "neige", "éclaircies")),
        ],
        "stock": [
            ("lot", NONE, TEXT, counter("L2024{:04d}", 1)),
            ("emplacement", NONE, TEXT, lambda: f"{R.choice('ABCD')}{R.randint(10, 40)}"),
            ("quantite", NONE, I32, number(0, 5000)),
            ("peremption", NONE, TEXT, as_day("%m/%Y")),
            ("fournisseur", NONE, TEXT, FR.company),
            ("code_article", NONE, TEXT, lambda: f"0{R.randint(1, 9)}{digits(8, string.digits)}"),
            ("reference", NONE, I32, luhn_random(9)),
            ("prix_achat", NONE, F64, decimal(0.2, 300)),
            ("carton", NONE, I64, lambda: digits(14)),
        ],
        "adherents": [
            ("adherent", "person_name", TEXT, FR.name),
            ("annee_naissance", "birth_date", I32, lambda: birth().year),
            ("mail", "email", TEXT, FR.free_email),
            ("mobile", "phone", TEXT, lambda: phone_fr("", ("06", "07"))),
            ("rue", "postal_address", TEXT, FR.street_name),
            ("commune", NONE, TEXT, FR.city),
            ("departement", NONE, TEXT, one_of("01", "13", "2A", "75", "69")),
            ("date_adhesion", NONE, "date dd.MM.yyyy", as_day("%d.%m.%Y")),
            ("cotisation", NONE, I32, one_of(20, 35, 50)),
        ],
        "customers": [
            ("customer_id", NONE, I32, counter("{}")),
            ("first_name", "person_name", TEXT, US.first_name),
            ("last_name", "person_name", TEXT, US.last_name),
            ("emailAddress", "email", TEXT, sometimes(US.email, 0.15)),
            ("phone", "phone", TEXT, US.phone_number),
            ("street_address", "postal_address", TEXT, US.street_address),
            ("city", NONE, TEXT, US.city),
            ("state", NONE, TEXT, US.state_abbr),
            ("zip", NONE, TEXT, US.zipcode),
            ("dob", "birth_date", "date MM/dd/yyyy", as_day("%m/%d/%Y", birth)),
            ("signup_date", NONE, "date MM/dd/yyyy", as_day("%m/%d/%Y")),
            ("loyalty_points", NONE, I32, number(0, 9000)),
            ("is_active", NONE, BOOL, flag),
        ],
        "employees": [
            ("emp_no", NONE, I32, counter("{}", 40000)),
            ("full_name", "person_name", TEXT, US.name),
            ("ssn", "national_id", TEXT, ssn),
            ("birth_date", "birth_date", DATE, as_day("%Y-%m-%d", birth)),
            ("job_title", NONE, TEXT, US.job),
            ("department", NONE, TEXT, one_of("Sales", "Finance", "Research", "Support")),
            ("salary", NONE, I32, number(30000, 190000)),
            ("hire_date", NONE, DATE, as_day("%Y-%m-%d")),
            ("work_email", "email", TEXT, US.company_email),
            ("bank_account", "iban", TEXT, lambda: iban("GB")),
            ("manager", "person_name", TEXT, US.name),
            ("office", NONE, TEXT, one_of("NYC-4", "SFO-1", "LON-2")),
            ("performance", NONE, TEXT, one_of("A+", "A", "B+", "B", "C")),
        ],
        "admissions": [
            ("mrn", NONE, I32, lambda: digits(8)),
            ("patient_name", "person_name", TEXT, GB.name),
            ("date_of_birth", "birth_date", DATE, as_day("%Y-%m-%d", birth)),
            ("blood_type", "health", TEXT, one_of(*BLOOD)),
            ("icd10_code", "health", TEXT, one_of(*ICD)),
            ("diagnosis", "health", TEXT, one_of(*DIAGNOSES_EN)),
            ("medication", "health", TEXT, one_of(*MEDICINES_EN)),
            ("admitted_at", NONE, "timestamp local", as_moment("%Y-%m-%d %H:%M:%S")),
            ("ward", NONE, TEXT, one_of("W1", "W2", "ICU")),
            ("length_of_stay", NONE, I32, number(1, 40)),
            ("insurance_plan", NONE, TEXT, one_of("Basic", "Silver", "Gold")),
        ],
        "orders": [
            ("order_no", NONE, I64, luhn_counter("4", 16)),
            ("invoice_number", NONE, I64, luhn_random(16, "45")),
            ("tracking_number", NONE, I64, lambda: digits(12)),
            ("sku", NONE, TEXT, lambda: f"{R.choice('ABC')}{digits(2)}-{digits(4)}"),
            ("quantity", NONE, I32, number(1, 20)),
            ("unit_price", NONE, F64, decimal(1, 400)),
            ("order_date", NONE, "date MM/dd/yyyy", as_day("%m/%d/%Y")),
            ("shipped_at", NONE, "timestamp zone", as_moment("%Y-%m-%dT%H:%M:%S+00:00")),
            ("status", NONE, TEXT, one_of("new", "paid", "shipped", "returned")),
            ("gift", NONE, BOOL, flag),
            ("notes", NONE, TEXT, sometimes(one_of(*REMARKS_EN), 0.5)),
            ("ticket", NONE, I64, luhn_random(16)),
        ],
        "products": [
            ("product_name", NONE, TEXT, one_of(*PRODUCTS_EN)),
            ("brand", NONE, TEXT, one_of("Aqua", "Trailhead", "Jordan", "Calvin")),
            ("upc", NONE, I64, lambda: digits(12)),
            ("isbn10", NONE, TEXT, isbn10),
            ("part_number", NONE, TEXT, lambda: f"{R.randint(200, 999)}-{R.randint(200, 999)}-{R.randint(1000, 9999)}"),
            ("weight_lb", NONE, F64, decimal(0.1, 60)),
            ("dimensions", NONE, TEXT, lambda: f"{R.randint(1, 90)} x {R.randint(1, 90)} x {R.randint(1, 40)} cm"),
            ("rating", NONE, F64, decimal(1, 5, 1)),
            ("in_stock", NONE, BOOL, flag),
            ("launched", NONE, DATE, as_day("%Y-%m-%d")),
        ],
        "requests": [
            ("client_ip", "ip_address", TEXT, lambda: ip() if R.random() < 0.7 else ipv6()),
            ("user_agent", NONE, TEXT, US.user_agent),
            ("path", NONE, TEXT, lambda: "/" + US.uri_path()),
            ("status", NONE, I32, one_of(200, 204, 404, 503)),
            ("bytes", NONE, I32, number(0, 900000)),
            ("referrer", NONE, TEXT, US.url),
            ("request_id", NONE, TEXT, lambda: str(uuid.UUID(int=R.getrandbits(128), version=4))),
            ("browser_version", NONE, TEXT, lambda: f"{R.randint(90, 130)}.0.{R.randint(10, 255)}.{R.randint(0, 250)}"),
            ("etag", NONE, TEXT, lambda: hexa(16)),
            ("epoch", NONE, I32, number(1500000000, 1700000000)),
            ("country", NONE, TEXT, one_of("FR", "DE", "US")),
        ],
        "companies": [
            ("company_name", NONE, TEXT, US.company),
            ("duns", NONE, I32, lambda: digits(9)),
            ("ticker", NONE, TEXT, lambda: "".join(R.choice(string.ascii_uppercase) for _ in range(4))),
            ("website", NONE, TEXT, US.url),
            ("founded", NONE, I32, number(1890, 2022)),
            ("revenue", NONE, F64, decimal(1e5, 1e9)),
            ("hq_city", NONE, TEXT, US.city),
            ("lei", NONE, TEXT, lambda: digits(4) + "00" + hexa(12).upper() + digits(2)),
            ("incorporated_on", NONE, "date dd-MM-yyyy", as_day("%d-%m-%Y", lambda: day("1950-01-01", "2020-01-01"))),
        ],
        "airports": [
            ("faa", NONE, TEXT, lambda: "".join(R.choice(string.ascii_uppercase) for _ in range(3))),
            ("name", NONE, TEXT, one_of(*AIRPORTS)),
            ("lat", NONE, F64, decimal(20, 70, 6)),
            ("lon", NONE, F64, decimal(-170, -60, 6)),
            ("alt", NONE, I32, number(-50, 9000)),
            ("tzone", NONE, TEXT, one_of("America/New_York", "America/Chicago", "Pacific/Honolulu")),
        ],
        "card_payments": [
            ("card_number", "payment_card", I64, card),
            ("cardholder_name", "person_name", TEXT, lambda: US.name().upper()),
            ("card_type", NONE, TEXT, one_of("visa", "amex", "discover")),
            ("expiry", NONE, TEXT, lambda: f"{R.randint(1, 12):02d}/{R.randint(25, 31)}"),
            ("amount", NONE, F64, decimal(1, 900)),
            ("merchant", NONE, TEXT, US.company),
            ("approved", NONE, BOOL, flag),
            ("auth_code", NONE, TEXT, lambda: f"{R.randint(0, 999999):06d}"),
            ("batch", NONE, I32, number(1, 400)),
        ],
        "passengers": [
            ("passport_no", "passport", TEXT, lambda: R.choice("ABCX") + digits(8, string.digits)),
            ("passenger_name", "person_name", TEXT, lambda: f"{US.last_name()}, {US.first_name()}"),
            ("nationality", NONE, TEXT, one_of("US", "GB", "FR")),
            ("flight_no", NONE, TEXT, lambda: f"{R.choice(['UA', 'AF', 'BA'])}{R.randint(10, 2999)}"),
            ("seat", NONE, TEXT, lambda: f"{R.randint(1, 40)}{R.choice('ABCDEF')}"),
            ("departure", NONE, "timestamp yyyy-MM-dd HH:mm", as_moment("%Y-%m-%d %H:%M")),
            ("fare", NONE, F64, decimal(40, 900)),
            ("phone_number", "phone", TEXT, lambda: f"+44 7{digits(3, string.digits)} {digits(6, string.digits)}"),
            ("emergency_contact_name", "person_name", TEXT, US.name),
        ],
        "sensors": [
            ("device_id", NONE, TEXT, lambda: hexa(12)),
            ("ts", NONE, I64, number(1500000000000, 1700000000000)),
            ("humidity", NONE, F64, decimal(10, 100)),
            ("fw_version", NONE, TEXT, version4()),
            ("battery", NONE, I32, number(0, 100)),
            ("serial", NONE, TEXT, lambda: f"SN{digits(9)}"),
            ("alarm", NONE, BOOL, flag),
            ("location", NONE, TEXT, lambda: f"{R.uniform(20, 60):.4f},{R.uniform(-90, 90):.4f}"),
        ],
        "films": [
            ("title", NONE, TEXT, lambda: US.catch_phrase().title()),
            ("director", "person_name", TEXT, US.name),
            ("year", NONE, I32, number(1950, 2024)),
            ("genre", NONE, TEXT, one_of("drama", "comedy", "horror")),
            ("runtime", NONE, I32, number(70, 210)),
            ("budget", NONE, I64, number(10**6, 3 * 10**9)),
            ("released", NONE, DATE, as_day("%Y-%m-%d", lambda: day("1950-01-01", "2024-01-01"))),
        ],
        "accounts": [
            ("iban", "iban", TEXT, lambda: iban(R.choice(["FR", "DE", "GB", "BE", "ES", "NL", "IT"]))),
            ("swift", NONE, TEXT, lambda: "".join(R.choice(string.ascii_uppercase) for _ in range(6)) + digits(2)),
            ("balance", NONE, F64, decimal(-900, 90000)),
            ("opened_on", NONE, DATE, as_day("%Y-%m-%d")),
            ("holder", "person_name", TEXT, GB.name),
            ("branch_code", NONE, TEXT, lambda: f"{R.randint(0, 99):02d}-{R.randint(0, 99):02d}-{R.randint(0, 99):02d}"),
            ("overdraft", NONE, BOOL, flag),
        ],
        "residents": [
            ("name", "person_name", TEXT, GB.name),
            ("ni_number", "national_id", TEXT, nino),
            ("postcode", NONE, TEXT, GB.postcode),
            ("telephone", "phone", TEXT, GB.phone_number),
            ("home_address", "postal_address", TEXT, lambda: GB.address().replace("\n", ", ")),
            ("dob", "birth_date", "date dd/MM/yyyy", as_day("%d/%m/%Y", birth)),
            ("council_tax_band", NONE, TEXT, one_of("A", "B", "C", "D")),
            ("moved_in", NONE, "date dd/MM/yyyy", as_day("%d/%m/%Y")),
        ],
        "commits": [
            ("commit_hash", NONE, TEXT, lambda: hexa(40)),
            ("author_email", "email", TEXT, US.email),
            ("author_name", "person_name", TEXT, US.name),
            ("message", NONE, TEXT, US.bs),
            ("committed_at", NONE, "timestamp zone", as_moment("%Y-%m-%dT%H:%M:%S+02:00")),
            ("branch", NONE, TEXT, one_of("main", "dev", "fix/42")),
            ("files_changed", NONE, I32, number(1, 90)),
            ("tag", NONE, TEXT, version4()),
        ],
        # Names that say nothing: the values must speak.
        "sans_nom": [
            ("c1", "email", TEXT, FR.email),
            ("c2", "iban", TEXT, iban),
            ("c3", "payment_card", TEXT, lambda: grouped(card())),
            ("c4", "nir", TEXT, nir),
            ("c5", "siret", I64, siret),
            ("c6", "ip_address", TEXT, ip),
            ("c7", "mac_address", TEXT, mac_cisco),
            ("c8", "phone", TEXT, phone_fr),
            ("c9", "postal_address", TEXT, FR.street_address),
            ("c10", "person_name", TEXT, FR.name),
            ("c11", NONE, TEXT, lambda: str(uuid.UUID(int=R.getrandbits(128), version=4))),
            ("c12", NONE, I64, lambda: digits(16)),
            ("c13", NONE, I64, ean13),
            ("c14", NONE, TEXT, lambda: hexa(12)),
            ("c15", NONE, I64, lambda: digits(14)),
            ("c16", NONE, I64, lambda: digits(15, "12")),
            ("c17", NONE, I32, lambda: digits(9)),
            ("c18", NONE, TEXT, FR.city),
            ("c19", NONE, TEXT, FR.company),
            ("c20", NONE, I64, luhn_random(16)),
        ],
    }


# ---------------------------------------------------------------- tables held out: other values, names and ways of writing


def held_out():
    fr, en, gb = Person(Locale.FR, seed=11), Person(Locale.EN, seed=12), Person(Locale.EN_GB, seed=13)
    fr_place, en_place = Address(Locale.FR, seed=14), Address(Locale.EN, seed=15)
    fr_firm, en_firm = Finance(Locale.FR, seed=16), Finance(Locale.EN, seed=17)
    food, hardware, text = Food(Locale.EN, seed=18), Hardware(seed=19), Text(Locale.FR, seed=20)
    flag = one_of("true", "false")
    gender = lambda: R.choice([Gender.FEMALE, Gender.MALE])
    return {
        "assures": [
            ("NumAssure", "nir", TEXT, lambda: f"{(n := nir())[:13]} {n[13:]}"),
            ("NomFamille", "person_name", TEXT, lambda: fr.last_name()),
            ("PrenomUsuel", "person_name", TEXT, lambda: fr.first_name(gender=gender())),
            ("DateNaiss", "birth_date", "date yyyyMMdd", as_day("%Y%m%d", birth)),
            ("TelDomicile", "phone", TEXT, lambda: phone_fr("", ("01", "03", "05"))),
            ("MelPerso", "email", TEXT, lambda: fr.email()),
            ("LigneAdresse2", "postal_address", TEXT, lambda: f"{R.randint(1, 200)} {fr_place.street_name()}"),
            ("DateEffet", NONE, "date yyyyMMdd", as_day("%Y%m%d")),
            ("CodeRegime", NONE, TEXT, one_of("01", "02", "06")),
            ("TauxPriseEnCharge", NONE, F64, decimal(0, 1)),
            ("NumContrat", NONE, I64, luhn_random(12)),
            ("Ayant_droit", NONE, BOOL, flag),
        ],
        "consultations": [
            ("horaire", NONE, "timestamp dd/MM/yyyy HH:mm:ss", as_moment("%d/%m/%Y %H:%M:%S")),
            ("praticien", "person_name", TEXT, lambda: fr.full_name(gender=gender())),
            ("motif", "health", TEXT, one_of("Grippe", "Asthme", "Suivi du diabète", "Vaccination", "Renouvellement", "Douleurs lombaires", "Eczéma", "Bilan annuel", "Entorse")),
            ("traitement_prescrit", "health", TEXT, one_of("Paracétamol 1 g", "Ibuprofène", "Amoxicilline", "Repos", "Kinésithérapie", "Ventoline", "Insuline lente", "Doliprane")),
            ("rhesus", "health", TEXT, one_of("O+", "A+", "B-", "AB+")),
            ("imc", "health", F64, decimal(17, 38, 1)),
            ("honoraires", NONE, TEXT, comma(20, 120)),
            ("salle_attente", NONE, I32, number(0, 12)),
            ("tiers_payant", NONE, BOOL, flag),
            ("cabinet", NONE, TEXT, one_of("Nord", "Centre", "Gare")),
        ],
        "boutique": [
            ("n_ticket", NONE, I64, luhn_counter("51", 16)),
            ("designation", NONE, TEXT, lambda: food.dish()),
            ("rayon", NONE, TEXT, one_of("frais", "épicerie", "boissons")),
            ("gencod", NONE, I64, ean13),
            ("prix_unitaire", NONE, F64, decimal(0.3, 80)),
            ("n_caisse", NONE, I32, number(1, 14)),
            ("carte_fidelite", NONE, I64, luhn_random(13)),
            ("date_vente", NONE, "timestamp dd/MM/yyyy HH:mm", as_moment("%d/%m/%Y %H:%M")),
            ("tva", NONE, F64, one_of("5.5", "10.0", "20.0")),
            ("promotion", NONE, BOOL, flag),
            ("cp_magasin", NONE, TEXT, lambda: f"{R.randint(1, 95):02d}{R.randint(0, 990):03d}"),
        ],
        "reseau": [
            ("ip_source", "ip_address", TEXT, ip),
            ("ip_dest", "ip_address", TEXT, ipv6),
            ("port_dest", NONE, I32, number(1, 65535)),
            ("hwaddr", "mac_address", TEXT, lambda: mac("")),
            ("bssid", "mac_address", TEXT, mac),
            ("os_build", NONE, TEXT, lambda: f"10.0.{R.randint(10, 26)}.{R.randint(1, 31)}"),
            ("somme_controle", NONE, TEXT, lambda: hexa(64)),
            ("protocole", NONE, TEXT, one_of("tcp", "udp")),
            ("processeur", NONE, TEXT, lambda: hardware.cpu()),
            ("date_scan", NONE, "timestamp zone", as_moment("%Y-%m-%dT%H:%M:%S.250Z")),
        ],
        "tiers": [
            ("intitule", NONE, TEXT, lambda: fr_firm.company()),
            ("no_siret", "siret", TEXT, lambda: f"{(s := siret())[:9]} {s[9:]}"),
            ("ape", NONE, TEXT, one_of("6201Z", "4711F", "5610A")),
            ("interlocuteur", "person_name", TEXT, lambda: fr.full_name(gender=gender(), reverse=True)),
            ("ligne_directe", "phone", TEXT, lambda: "0033 " + phone_fr(" ", ("1", "4", "6"))),
            ("compte_iban", "iban", TEXT, lambda: grouped(iban("BE"))),
            ("encours", NONE, F64, decimal(0, 90000)),
            ("siege_social", "postal_address", TEXT, lambda: f"{R.randint(1, 90)} {fr_place.street_name()}, {fr_place.city()}"),
            ("relance_le", NONE, DATE, as_day("%Y-%m-%d")),
            ("observations", NONE, TEXT, lambda: text.word()),
        ],
        "members": [
            ("MemberName", "person_name", TEXT, lambda: en.full_name(gender=gender())),
            ("BirthYear", "birth_date", I32, lambda: birth().year),
            ("Cell", "phone", TEXT, lambda: f"({R.randint(201, 989)}) {R.randint(200, 999)}-{R.randint(0, 9999):04d}"),
            ("ContactEmail", "email", TEXT, lambda: en.email()),
            ("MailingAddress", "postal_address", TEXT, lambda: f"{en_place.address()}"),
            ("ZIPCode", NONE, TEXT, lambda: f"{R.randint(501, 99950):05d}"),
            ("MembershipNo", NONE, I64, luhn_random(14)),
            ("JoinedOn", NONE, "date MM/dd/yyyy", as_day("%m/%d/%Y")),
            ("Tier", NONE, TEXT, one_of("A+", "A", "B+", "B-")),
            ("Balance", NONE, F64, decimal(-50, 500)),
            ("AutoRenew", NONE, BOOL, flag),
        ],
        "claims": [
            ("claim_ref", NONE, TEXT, counter("CLM-{:07d}", 400)),
            ("policyholder", "person_name", TEXT, lambda: gb.full_name(gender=gender())),
            ("nat_ins_no", "national_id", TEXT, lambda: grouped(nino(), 2)),
            ("drivers_licence", "national_id", TEXT, lambda: "".join(R.choice(string.ascii_uppercase) for _ in range(5)) + digits(6) + "AB" + digits(1) + "CD"),
            ("condition", "health", TEXT, one_of("Whiplash", "Fracture", "Concussion", "Sprain", "Migraine", "Back pain", "Anxiety", "Burns")),
            ("incident_date", NONE, "date dd/MM/yyyy", as_day("%d/%m/%Y")),
            ("estimate_gbp", NONE, F64, decimal(100, 9000)),
            ("garage", NONE, TEXT, lambda: f"{gb.last_name()} Motors Ltd"),
            ("vin", NONE, TEXT, lambda: "".join(R.choice("ABCDEFGHJKLMNPRSTUVWXYZ0123456789") for _ in range(17))),
            ("settled", NONE, BOOL, flag),
        ],
        "catalogue": [
            ("item_name", NONE, TEXT, lambda: f"{hardware.manufacturer()} {hardware.graphics()}"),
            ("name", NONE, TEXT, lambda: food.fruit()),
            ("supplier", NONE, TEXT, lambda: en_firm.company()),
            ("catalog_no", NONE, TEXT, lambda: f"{R.randint(200, 999)}-{R.randint(200, 999)}-{R.randint(1000, 9999)}"),
            ("gtin14", NONE, I64, lambda: digits(14)),
            ("isbn_10", NONE, TEXT, isbn10),
            ("list_price", NONE, F64, decimal(1, 900)),
            ("release", NONE, TEXT, version4(20)),
            ("image", NONE, TEXT, lambda: f"https://cdn.example/{hexa(8)}.png"),
            ("guid", NONE, TEXT, lambda: str(uuid.UUID(int=R.getrandbits(128), version=4))),
            ("updated", NONE, "timestamp local", as_moment("%Y-%m-%d %H:%M:%S")),
        ],
        "billing": [
            ("pan_masked", "payment_card", TEXT, lambda: f"{(n := card())[:6]}******{n[-4:]}"),
            ("cc_num", "payment_card", TEXT, lambda: grouped(card(), 4, "-")),
            ("payer", "person_name", TEXT, lambda: en.full_name(gender=gender())),
            ("beneficiary_iban", "iban", TEXT, lambda: iban(R.choice(["DE", "ES", "IT"]))),
            ("statement_no", NONE, I64, luhn_counter("30", 14)),
            ("due", NONE, "date yyyy/MM/dd", as_day("%Y/%m/%d")),
            ("minimum_due", NONE, F64, decimal(5, 300)),
            ("currency", NONE, TEXT, one_of("USD", "GBP")),
            ("paid", NONE, BOOL, flag),
        ],
        "opaque": [
            ("field_a", "email", TEXT, lambda: en.email()),
            ("field_b", "phone", TEXT, lambda: f"+{R.choice(['33', '44', '49', '34'])}{digits(9)}"),
            ("field_c", "person_name", TEXT, lambda: en.full_name(gender=gender())),
            ("field_d", "postal_address", TEXT, lambda: en_place.address()),
            ("field_e", "iban", TEXT, lambda: iban("NL")),
            ("field_f", "payment_card", I64, card),
            ("field_g", NONE, TEXT, lambda: en_place.city()),
            ("field_h", NONE, TEXT, lambda: en_firm.company()),
            ("field_i", NONE, I64, luhn_counter("62", 16)),
            ("field_j", NONE, I64, lambda: digits(13)),
            ("field_k", NONE, TEXT, lambda: hexa(32)),
            ("field_l", NONE, I32, lambda: digits(9)),
            ("field_m", NONE, TEXT, version4()),
        ],
    }


# ---------------------------------------------------------------- writing


def write(folder, tables):
    labels = []
    where = HERE / folder
    where.mkdir(exist_ok=True)
    for old in where.glob("*.csv"):
        old.unlink()
    for table, columns in tables.items():
        with open(where / f"{table}.csv", "w", newline="", encoding="utf-8") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow([name for name, *_ in columns])
            for _ in range(ROWS):
                out.writerow([str(take()).replace("\n", " ") for *_, take in columns])
        labels.extend((table, name, kind, ty) for name, kind, ty, _ in columns)
    with open(HERE / f"{folder}.csv", "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["table", "column", "kind", "type"])
        out.writerows(labels)
    print(f"{folder}: {len(labels)} columns, {sum(1 for label in labels if label[2])} of them personal")


if __name__ == "__main__":
    write("shown", shown())
    write("held_out", held_out())
