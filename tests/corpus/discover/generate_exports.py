#!/usr/bin/env python3
"""Writes `exports/` and `exports.csv` (for maintainers; the files are kept in the repository).

    python tests/corpus/discover/generate_exports.py

The columns are those that programs in wide use export, under the names that they give them: nobody chose them with the recognisers in
mind. Names of people, streets and firms are lists of this file, not those of a library; everything is drawn from a seed, so no value
is a person's. Written when the recognisers found everything in the other parts, and run once before any change: README.md has the figures.
"""

import csv
import datetime as dt
import pathlib
import random
import string
import uuid

HERE = pathlib.Path(__file__).resolve().parent
ROWS = 90
R = random.Random(20260214)

FIRST_FR = """Lilou Maëlys Kylian Enzo Nolwenn Yanis Inès Fatoumata Ibrahim Gwenaëlle Loïc Maxence Océane Clément Solène Benoît Thaïs Jules
Mathis Lina Assia Karim Rachida Gaëtan Marjolaine Hortense Edmond Ginette Huguette Marcelle Raymonde Firmin Léopold Ambre Eulalie Tiago
Noham Ilyes Sofiane Djibril Awa Mariam Linh Minh-Anh Jean-Baptiste Marie-Claude Anne-Sophie Pierre-Yves Aurore Lucie Camille Hugo Louane
Manon Théo Rayan Chloé Sarah Adèle Victor Jeanne""".split()
LAST_FR = """Martin Bernard Lefebvre Garnier Rousseau Le\u00a0Gall Quéméner Kerleau Le\u00a0Bihan Etcheverry Haristoy Ferrandi Santoni Casanova Wurtz
Schoenfeld Muller Zimmermann Delcroix Vandenbroucke Vanhoutte Delepine Bouzid Belkacem Hamidi Ouédraogo Coulibaly Sylla Nguyên Phan Da\u00a0Costa
Marques Teixeira Borowski Kowalczyk Charbonneau Bazin Grosjean Poulain Gaudin Chauvet Bellanger Hoarau Payet Grondin Tessier Vasseur
Jourdain Maillot Aubry Pichon Baudet Gillet Leconte Marchetti Abadie Lasserre Castex Fabregues Pons""".replace("\u00a0", "_").split()
FIRST_EN = """Harper Mason Jayden Chloe Oluwaseun Imogen Callum Siobhan Rhiannon Gareth Nigel Hilary Beatrix Delroy Priyanka Arjun Mei Xiuying
Santiago Guadalupe DeShawn Latoya Tyrell Makayla Hunter Savannah Brooklyn Wyatt Grayson Peyton Madison Ethan Emma Olivia Liam Noah Ava
Sophia Jacob Hannah Emily Joshua Megan Lauren Kyle Brandon Ashley Heather Todd Gary Linda Susan Margaret Walter Doris Eleanor Ruth""".split()
LAST_EN = """Higgins Barlow Okafor Adeyemi Thistlethwaite Cartwright Pemberton Hargreaves Llewellyn Pritchard Gallagher O'Sullivan MacLeod
Kowalski Nowak Schwartz Goldberg Petrov Nakamura Tran Chaudhry Mukherjee Hernandez Castillo Delgado Washington Jefferson Booker Whitfield
Stubbs Ogden Fairclough Shaw Mercer Dunn Lowe Marsh Frost Holt Baxter Jennings Cole Hicks Wells Burke Daly Quinn Nolan Byrne Sharpe Smith
Jones Williams Brown Taylor Johnson Miller Davis""".split()
TOWNS_FR = "Quimper Bayonne Ajaccio Mulhouse Roubaix Albi Cayenne Saint-Denis Vannes Périgueux Gap Mâcon Laon Dreux Sète Menton".split()
TOWNS_GB = "Preston Hull Swansea Inverness Truro Luton Bath Derby Lisburn Stockport Kendal Rugby".split()
TOWNS_US = ["Tulsa", "Boise", "Des Moines", "El Paso", "Akron", "Spokane", "Reno", "Macon", "Dayton", "Fargo", "Erie", "Laredo"]
STREETS_FR = ["rue des Tanneurs", "avenue du Général Leclerc", "chemin du Moulin", "impasse des Lilas", "boulevard Carnot", "allée des Acacias",
              "quai de la Fosse", "route de Kerdual", "place aux Herbes", "cours Mirabeau", "rue Jean Jaurès", "montée des Chartreux", "lotissement Les Pins"]
STREETS_GB = ["Acacia Avenue", "Mill Lane", "The Crescent", "Priory Road", "Station Road", "Church Hill", "Victoria Terrace", "Beech Close", "Canal Wharf", "High Street"]
STREETS_US = ["N Maple St", "Old Mill Rd", "W 34th St", "Country Club Dr", "Sycamore Ln", "County Road 12", "Peachtree Ave", "Sunset Blvd", "Elm Ct", "State Hwy 9"]
FIRMS = ["Transports Kervella", "Boulangerie Ferrandi", "Ets Delcroix et Fils", "Menuiserie Haristoy", "Garage du Port", "Cabinet Pons", "SCI Les Tilleuls", "Optique Vauban",
         "Nordlicht GmbH", "Blue Heron Bakery LLC", "Pemberton & Sons Ltd", "Acme Tooling", "Cartwright Legal LLP", "Delgado Roofing Inc", "Tidewater Credit Union", "Brightside Nursery"]
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64; rv:124.0) Gecko/20100101 Firefox/124.0", "curl/8.5.0", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15",
          "python-requests/2.31.0", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/123.0.0.0 Safari/537.36"]


def pick(*values):
    return R.choice(values)


def of(*values):
    return lambda: R.choice(values)


def digits(count, first=string.digits):
    return R.choice(first) + "".join(R.choice(string.digits) for _ in range(count - 1))


def number(low, high):
    return lambda: R.randint(low, high)


def decimal(low, high, places=2):
    return lambda: f"{R.uniform(low, high):.{places}f}"


def comma(low, high):
    return lambda: f"{R.uniform(low, high):.2f}".replace(".", ",")


def some(take, share):
    return lambda: take() if R.random() < share else ""


def counter(pattern, start):
    state = [start]

    def take():
        state[0] += 1
        return pattern.format(state[0])

    return take


def luhn(body):
    total = 0
    for at, digit in enumerate(reversed(body)):
        n = int(digit) * (2 if at % 2 == 0 else 1)
        total += n - 9 if n > 9 else n
    return body + str(-total % 10)


def card():
    first = pick("4", "52", "55")
    number = luhn(first + digits(15 - len(first)))
    return " ".join(number[at : at + 4] for at in range(0, 16, 4))


def iban(country, body):
    rest = int("".join(str(int(c, 36)) for c in body + country + "00")) % 97
    return f"{country}{98 - rest:02d}{body}"


def nir():
    body = f"{pick('1', '2')}{R.randint(28, 99):02d}{R.randint(1, 12):02d}{R.randint(1, 95):02d}{R.randint(1, 500):03d}{R.randint(1, 300):03d}"
    return f"{body}{97 - int(body) % 97:02d}"


def siren():
    return luhn(pick("3", "4", "5", "7", "8", "9") + digits(7))


def siret():
    return luhn(siren() + f"{R.randint(1, 40):04d}")


def ean():
    body = pick("30", "40", "50", "76", "87") + digits(10)
    return body + str(-sum(int(d) * (3 if at % 2 else 1) for at, d in enumerate(body)) % 10)


def date(form, first="2019-01-01", last="2024-12-31"):
    a, b = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    return lambda: (a + dt.timedelta(days=R.randint(0, (b - a).days))).strftime(form)


def born(form):
    return date(form, "1931-01-01", "2008-12-31")


def moment(form):
    day = date("%Y-%m-%d")
    return lambda: (dt.datetime.fromisoformat(day()) + dt.timedelta(seconds=R.randint(0, 86_399))).strftime(form)


def first_fr():
    return R.choice(FIRST_FR)


def last_fr():
    return R.choice(LAST_FR).replace("_", " ")


def first_en():
    return R.choice(FIRST_EN)


def last_en():
    return R.choice(LAST_EN)


def full_en():
    return f"{first_en()} {last_en()}"


def plain(text):
    return "".join(c for c in text.lower().translate(str.maketrans("éèëêïîôöçùûâà", "eeeeiioocuuaa")) if c.isalnum())


def mail(first, last, hosts=("example.com", "mail.example.org", "example.net", "courriel.example")):
    return lambda: f"{plain(first())}{pick('.', '_', '')}{plain(last())}{pick('', '', str(R.randint(1, 99)))}@{pick(*hosts)}"


def mobile_fr():
    return pick("06", "07") + "".join(f" {R.randint(0, 99):02d}" for _ in range(4))


def line_fr():
    return pick("01", "02", "03", "04", "05", "09") + "".join(f" {R.randint(0, 99):02d}" for _ in range(4))


def phone_us():
    return f"({R.randint(201, 989)}) {R.randint(200, 999)}-{R.randint(0, 9999):04d}"


def phone_gb():
    return pick(f"07{digits(3)} {digits(6)}", f"01{digits(3)} {digits(6)}", f"020 {digits(4)} {digits(4)}")


def ip():
    return f"{R.randint(1, 223)}.{R.randint(0, 255)}.{R.randint(0, 255)}.{R.randint(1, 254)}"


def street_fr():
    return f"{R.randint(1, 240)}{pick('', '', ' bis')} {pick(*STREETS_FR)}"


def street_gb():
    return f"{pick('', '', 'Flat 2, ')}{R.randint(1, 180)} {pick(*STREETS_GB)}"


def street_us():
    return f"{R.randint(10, 9900)} {pick(*STREETS_US)}{pick('', '', ' Apt 4B', ' Unit 12')}"


def postcode_gb():
    return f"{pick('PR', 'HU', 'SA', 'IV', 'TR', 'LU', 'BA')}{R.randint(1, 40)} {R.randint(1, 9)}{pick('AB', 'DX', 'QT', 'LN')}"


def nino():
    return pick("AB", "CE", "HJ", "JM", "LS", "NX", "PW", "SK", "WY") + digits(6) + pick(*"ABCD")


def code(count, letters=string.ascii_uppercase + string.digits):
    return "".join(R.choice(letters) for _ in range(count))


def guid():
    return str(uuid.UUID(int=R.getrandbits(128), version=4))


NONE, TEXT, I32, I64, F64, BOOL, DATE = "", "string", "int32", "int64", "float64", "boolean", "date"
DMY = "date dd/MM/yyyy"

TABLES = {
    "google_contacts": [
        ("Name", "person_name", TEXT, full_en),
        ("Given Name", "person_name", TEXT, first_en),
        ("Family Name", "person_name", TEXT, last_en),
        ("Birthday", "birth_date", DATE, some(born("%Y-%m-%d"), 0.7)),
        ("Group Membership", NONE, TEXT, of("* myContacts", "* friends", "* family", "* work")),
        ("E-mail 1 - Type", NONE, TEXT, of("* Home", "* Work", "Other")),
        ("E-mail 1 - Value", "email", TEXT, mail(first_en, last_en)),
        ("Phone 1 - Type", NONE, TEXT, of("Mobile", "Home", "Work")),
        ("Phone 1 - Value", "phone", TEXT, some(phone_us, 0.8)),
        ("Address 1 - Street", "postal_address", TEXT, street_us),
        ("Address 1 - City", NONE, TEXT, of(*TOWNS_US)),
        ("Address 1 - Postal Code", NONE, TEXT, lambda: f"{R.randint(501, 99950):05d}"),
        ("Address 1 - Country", NONE, TEXT, of("US", "USA", "Canada")),
        ("Organization 1 - Name", NONE, TEXT, of(*FIRMS)),
        ("Organization 1 - Title", NONE, TEXT, of("Buyer", "Controller", "Site manager", "Partner", "Head of sales")),
    ],
    "outlook_fr": [
        ("Titre", NONE, TEXT, of("M.", "Mme", "Dr")),
        ("Prénom", "person_name", TEXT, first_fr),
        ("Nom", "person_name", TEXT, last_fr),
        ("Société", NONE, TEXT, of(*FIRMS)),
        ("Service", NONE, TEXT, of("Achats", "Production", "Qualité", "Paie")),
        ("Titre du poste", NONE, TEXT, of("Acheteur", "Chef d'équipe", "Comptable", "Technicienne")),
        ("Rue (bureau)", "postal_address", TEXT, street_fr),
        ("Ville (bureau)", NONE, TEXT, of(*TOWNS_FR)),
        ("Code postal (bureau)", NONE, TEXT, lambda: f"{R.randint(1000, 98800):05d}"),
        ("Téléphone (bureau)", "phone", TEXT, line_fr),
        ("Tél. mobile", "phone", TEXT, some(mobile_fr, 0.7)),
        ("Télécopie (bureau)", "phone", TEXT, some(line_fr, 0.4)),
        ("Adresse de messagerie", "email", TEXT, mail(first_fr, last_fr)),
        ("Anniversaire", "birth_date", DMY, born("%d/%m/%Y")),
        ("Critère de diffusion", NONE, TEXT, of("Normal", "Privé")),
    ],
    "shopify_orders": [
        ("Name", NONE, TEXT, counter("#{}", 1000)),
        ("Email", "email", TEXT, mail(first_en, last_en)),
        ("Financial Status", NONE, TEXT, of("paid", "refunded", "pending")),
        ("Currency", NONE, TEXT, of("USD", "GBP", "EUR")),
        ("Subtotal", NONE, F64, decimal(4, 400)),
        ("Total", NONE, F64, decimal(4, 450)),
        ("Discount Code", NONE, TEXT, some(of("SPRING10", "WELCOME", "VIP"), 0.3)),
        ("Lineitem quantity", NONE, I32, number(1, 9)),
        ("Lineitem name", NONE, TEXT, of("Linen Shirt - M", "Beeswax Candle", "Enamel Mug", "Wool Socks - Grey", "Oak Tray", "Lavender Soap")),
        ("Lineitem sku", NONE, TEXT, lambda: f"{code(3, string.ascii_uppercase)}-{digits(4)}-{pick('S', 'M', 'L')}"),
        ("Billing Name", "person_name", TEXT, full_en),
        ("Billing Street", "postal_address", TEXT, street_us),
        ("Billing City", NONE, TEXT, of(*TOWNS_US)),
        ("Billing Zip", NONE, TEXT, lambda: f"{R.randint(501, 99950):05d}"),
        ("Billing Phone", "phone", TEXT, lambda: f"+1 {R.randint(201, 989)}-{R.randint(200, 999)}-{R.randint(0, 9999):04d}"),
        ("Shipping Address1", "postal_address", TEXT, street_us),
        ("Payment Method", NONE, TEXT, of("Shopify Payments", "PayPal Express Checkout", "Gift Card")),
        ("Payment Reference", NONE, TEXT, lambda: f"c{digits(14, '123456789')}.{R.randint(1, 3)}"),
        ("Id", NONE, I64, lambda: digits(13, "45")),
        ("Vendor", NONE, TEXT, of("Tidewater", "Acme Tooling", "Brightside")),
    ],
    "synthea_patients": [
        ("Id", NONE, TEXT, guid),
        ("BIRTHDATE", "birth_date", DATE, born("%Y-%m-%d")),
        ("SSN", "national_id", TEXT, lambda: f"999-{R.randint(10, 99)}-{digits(4)}"),
        ("DRIVERS", "national_id", TEXT, lambda: f"S999{digits(5)}"),
        ("PASSPORT", "passport", TEXT, some(lambda: f"X{digits(8)}X", 0.8)),
        ("PREFIX", NONE, TEXT, of("Mr.", "Mrs.", "Ms.")),
        ("FIRST", "person_name", TEXT, first_en),
        ("LAST", "person_name", TEXT, last_en),
        ("MAIDEN", "person_name", TEXT, some(last_en, 0.4)),
        ("MARITAL", NONE, TEXT, of("M", "S", "D", "W")),
        ("GENDER", NONE, TEXT, of("M", "F")),
        ("BIRTHPLACE", NONE, TEXT, lambda: f"{pick(*TOWNS_US)}  {pick('Ohio', 'Texas', 'Iowa')}  US"),
        ("ADDRESS", "postal_address", TEXT, street_us),
        ("CITY", NONE, TEXT, of(*TOWNS_US)),
        ("STATE", NONE, TEXT, of("Ohio", "Texas", "Iowa", "Georgia")),
        ("ZIP", NONE, TEXT, lambda: f"{R.randint(501, 99950):05d}"),
        ("LAT", NONE, F64, decimal(25, 48, 6)),
        ("LON", NONE, F64, decimal(-120, -70, 6)),
        ("HEALTHCARE_EXPENSES", NONE, F64, decimal(900, 900_000)),
        ("INCOME", NONE, I32, number(9_000, 240_000)),
    ],
    "sirene": [
        ("siren", "siret", I32, siren),
        ("nic", NONE, TEXT, lambda: f"{R.randint(1, 400):05d}"),
        ("siret", "siret", I64, siret),
        ("dateCreationEtablissement", NONE, DATE, date("%Y-%m-%d", "1972-01-01", "2024-01-01")),
        ("trancheEffectifsEtablissement", NONE, TEXT, of("NN", "00", "01", "02", "11")),
        ("activitePrincipaleEtablissement", NONE, TEXT, of("62.01Z", "47.11F", "01.21Z", "86.21Z", "43.32A")),
        ("etablissementSiege", NONE, BOOL, of("true", "false")),
        ("denominationUniteLegale", NONE, TEXT, of(*FIRMS)),
        ("nomUniteLegale", "person_name", TEXT, some(lambda: last_fr().upper(), 0.5)),
        ("prenom1UniteLegale", "person_name", TEXT, some(lambda: first_fr().upper(), 0.5)),
        ("sexeUniteLegale", NONE, TEXT, some(of("M", "F"), 0.5)),
        ("libelleVoieEtablissement", "postal_address", TEXT, of("DES TANNEURS", "DU GENERAL LECLERC", "DU MOULIN", "JEAN JAURES", "CARNOT", "DE KERDUAL")),
        ("codePostalEtablissement", NONE, TEXT, lambda: f"{R.randint(1000, 98800):05d}"),
        ("libelleCommuneEtablissement", NONE, TEXT, lambda: pick(*TOWNS_FR).upper()),
        ("etatAdministratifEtablissement", NONE, TEXT, of("A", "F")),
    ],
    "fec": [
        ("JournalCode", NONE, TEXT, of("VE", "AC", "BQ", "OD")),
        ("JournalLib", NONE, TEXT, of("Ventes", "Achats", "Banque", "Opérations diverses")),
        ("EcritureNum", NONE, I32, counter("{}", 4200)),
        ("EcritureDate", NONE, "date yyyyMMdd", date("%Y%m%d", "2023-01-01", "2023-12-31")),
        ("CompteNum", NONE, I32, lambda: pick("411", "401", "512", "607", "707") + digits(5)),
        ("CompteLib", NONE, TEXT, of("Clients", "Fournisseurs", "Banque", "Achats de marchandises", "Ventes de marchandises")),
        ("CompAuxNum", NONE, TEXT, counter("C{:05d}", 10)),
        ("CompAuxLib", NONE, TEXT, of(*FIRMS)),
        ("PieceRef", NONE, TEXT, counter("FA-2023-{:04d}", 1)),
        ("PieceDate", NONE, "date yyyyMMdd", date("%Y%m%d", "2023-01-01", "2023-12-31")),
        ("EcritureLib", NONE, TEXT, lambda: f"Facture {pick(*FIRMS)}"),
        ("Debit", NONE, TEXT, comma(0, 9_000)),
        ("Credit", NONE, TEXT, comma(0, 9_000)),
        ("EcritureLet", NONE, TEXT, some(lambda: code(2, string.ascii_uppercase), 0.5)),
        ("ValidDate", NONE, "date yyyyMMdd", date("%Y%m%d", "2023-01-01", "2024-02-28")),
    ],
    "rpps": [
        ("Code civilité d'exercice", NONE, TEXT, of("DR", "PR", "M", "MME")),
        ("Nom d'exercice", "person_name", TEXT, lambda: last_fr().upper()),
        ("Prénom d'exercice", "person_name", TEXT, first_fr),
        ("Libellé profession", NONE, TEXT, of("Médecin", "Infirmier", "Pharmacien", "Sage-Femme", "Masseur-Kinésithérapeute")),
        ("Libellé savoir-faire", NONE, TEXT, of("Cardiologie et maladies vasculaires", "Médecine générale", "Pédiatrie", "Dermatologie", "Chirurgie générale", "Oncologie", "Psychiatrie")),
        ("Numéro SIRET site", "siret", I64, siret),
        ("Raison sociale site", NONE, TEXT, of("CH DE QUIMPER", "CABINET DU DR PONS", "CLINIQUE DU PARC", "PHARMACIE DU PORT", "MAISON DE SANTE DES PINS")),
        ("Libellé Voie (coord. structure)", "postal_address", TEXT, of("GENERAL LECLERC", "DES TANNEURS", "DU MOULIN", "CARNOT", "JEAN JAURES")),
        ("Code postal (coord. structure)", NONE, TEXT, lambda: f"{R.randint(1000, 98800):05d}"),
        ("Téléphone (coord. structure)", "phone", TEXT, lambda: pick("01", "02", "03", "04", "05") + digits(8)),
        ("Adresse e-mail (coord. structure)", "email", TEXT, some(mail(first_fr, last_fr), 0.6)),
        ("Libellé mode exercice", NONE, TEXT, of("Libéral", "Salarié", "Bénévole")),
    ],
    "stripe_payments": [
        ("id", NONE, TEXT, lambda: f"ch_{code(24, string.ascii_letters + string.digits)}"),
        ("Created (UTC)", NONE, "timestamp yyyy-MM-dd HH:mm", moment("%Y-%m-%d %H:%M")),
        ("Amount", NONE, F64, decimal(1, 900)),
        ("Fee", NONE, F64, decimal(0, 20)),
        ("Status", NONE, TEXT, of("Paid", "Refunded", "Failed")),
        ("Captured", NONE, BOOL, of("true", "false")),
        ("Customer ID", NONE, TEXT, lambda: f"cus_{code(14, string.ascii_letters + string.digits)}"),
        ("Customer Email", "email", TEXT, mail(first_en, last_en)),
        ("Card Last4", NONE, TEXT, lambda: digits(4)),
        ("Card Brand", NONE, TEXT, of("Visa", "MasterCard", "American Express")),
        ("Card Exp Month", NONE, I32, number(1, 12)),
        ("Card Exp Year", NONE, I32, number(2025, 2031)),
        ("Card Name", "person_name", TEXT, full_en),
        ("Card Fingerprint", NONE, TEXT, lambda: code(16, string.ascii_letters + string.digits)),
        ("Card Address Line1", "postal_address", TEXT, street_gb),
        ("Card Address Zip", NONE, TEXT, postcode_gb),
        ("Card CVC Status", NONE, TEXT, of("pass", "unavailable")),
    ],
    "iis_log": [
        ("date", NONE, DATE, date("%Y-%m-%d", "2024-03-01", "2024-03-09")),
        ("time", NONE, "time HH:mm:ss", moment("%H:%M:%S")),
        ("s-ip", "ip_address", TEXT, lambda: f"10.20.{R.randint(0, 9)}.{R.randint(1, 254)}"),
        ("cs-method", NONE, TEXT, of("GET", "POST", "HEAD")),
        ("cs-uri-stem", NONE, TEXT, lambda: f"/{pick('api', 'img', 'shop')}/{R.randint(1, 400)}.{pick('aspx', 'png', 'js')}"),
        ("s-port", NONE, I32, of(80, 443, 8080)),
        ("c-ip", "ip_address", TEXT, ip),
        ("cs(User-Agent)", NONE, TEXT, of(*AGENTS)),
        ("sc-status", NONE, I32, of(200, 304, 404, 500)),
        ("sc-bytes", NONE, I32, number(120, 900_000)),
        ("time-taken", NONE, I32, number(1, 9_000)),
    ],
    "moodle_users": [
        ("username", NONE, TEXT, lambda: f"{plain(first_fr())[:1]}{plain(last_fr())[:7]}{R.randint(1, 99)}"),
        ("firstname", "person_name", TEXT, first_fr),
        ("lastname", "person_name", TEXT, last_fr),
        ("email", "email", TEXT, mail(first_fr, last_fr, ("etu.univ.example", "univ.example"))),
        ("idnumber", NONE, I32, lambda: digits(8, "2")),
        ("institution", NONE, TEXT, of("Université de Bretagne", "IUT de Vannes", "Lycée Carnot")),
        ("department", NONE, TEXT, of("Droit", "Chimie", "Histoire", "Mathématiques")),
        ("lang", NONE, TEXT, of("fr", "en", "br")),
        ("suspended", NONE, I32, of(0, 1)),
        ("grade", NONE, F64, decimal(0, 20)),
    ],
    "ad_users": [
        ("sAMAccountName", NONE, TEXT, lambda: f"{plain(first_en())[:1]}{plain(last_en())[:9]}"),
        ("givenName", "person_name", TEXT, first_en),
        ("sn", "person_name", TEXT, last_en),
        ("displayName", "person_name", TEXT, lambda: f"{last_en()}, {first_en()}"),
        ("mail", "email", TEXT, mail(first_en, last_en, ("corp.example",))),
        ("telephoneNumber", "phone", TEXT, phone_gb),
        ("streetAddress", "postal_address", TEXT, of("Unit 4, Canal Wharf", "12 Station Road", "3-5 Mill Lane", "90 High Street")),
        ("l", NONE, TEXT, of(*TOWNS_GB)),
        ("postalCode", NONE, TEXT, postcode_gb),
        ("title", NONE, TEXT, of("Fitter", "Analyst", "Team Leader", "Payroll Clerk")),
        ("objectGUID", NONE, TEXT, guid),
        ("userAccountControl", NONE, I32, of(512, 514, 66_048)),
        ("badPwdCount", NONE, I32, number(0, 4)),
    ],
    "gtfs_stops": [
        ("stop_id", NONE, TEXT, counter("S{:05d}", 300)),
        ("stop_code", NONE, I32, counter("{}", 7000)),
        ("stop_name", NONE, TEXT, of("Victor Hugo", "Jean Jaurès", "Charles de Gaulle", "Gare du Nord", "Mairie", "Pasteur", "Louise Michel", "Place aux Herbes", "Hôpital Sud", "Jules Ferry")),
        ("stop_lat", NONE, F64, decimal(42, 50, 5)),
        ("stop_lon", NONE, F64, decimal(-4, 8, 5)),
        ("zone_id", NONE, TEXT, of("A", "B", "C")),
        ("wheelchair_boarding", NONE, I32, of(0, 1, 2)),
        ("stop_url", NONE, TEXT, lambda: f"https://bus.example/arret/{R.randint(1, 900)}"),
    ],
    "dvf": [
        ("id_mutation", NONE, TEXT, counter("2023-{}", 100_000)),
        ("date_mutation", NONE, DATE, date("%Y-%m-%d", "2023-01-01", "2023-12-31")),
        ("nature_mutation", NONE, TEXT, of("Vente", "Echange", "Adjudication")),
        ("valeur_fonciere", NONE, F64, decimal(9_000, 900_000, 1)),
        ("adresse_nom_voie", "postal_address", TEXT, of("RUE DES TANNEURS", "AV DU GENERAL LECLERC", "CHE DU MOULIN", "BD CARNOT", "IMP DES LILAS", "LE BOURG")),
        ("code_postal", NONE, TEXT, lambda: f"{R.randint(1000, 98800):05d}"),
        ("nom_commune", NONE, TEXT, of(*TOWNS_FR)),
        ("code_departement", NONE, TEXT, of("29", "2A", "64", "68", "01")),
        ("id_parcelle", NONE, TEXT, lambda: f"29232000{code(2, string.ascii_uppercase)}{digits(4)}"),
        ("surface_reelle_bati", NONE, I32, number(9, 400)),
        ("nombre_pieces_principales", NONE, I32, number(0, 9)),
        ("longitude", NONE, F64, decimal(-4, 8, 6)),
    ],
    "food_products": [
        ("code", NONE, I64, ean),
        ("product_name", NONE, TEXT, of("Galettes au beurre", "Apple & Mango Purée", "Moutarde de Dijon", "Oat Drink", "Pâté de campagne", "Dark Chocolate 85%")),
        ("brands", NONE, TEXT, of("Marie", "Saint Michel", "Bonne Maman", "Paul", "Ben & Jerry's", "Uncle Joe")),
        ("quantity", NONE, TEXT, of("500 g", "1 L", "250 g", "6 x 125 g")),
        ("categories", NONE, TEXT, of("Biscuits", "Boissons végétales", "Condiments", "Desserts")),
        ("allergens", NONE, TEXT, of("en:milk", "en:gluten,en:milk", "en:nuts", "en:soybeans", "en:eggs")),
        ("origins", NONE, TEXT, of("France", "Union Européenne", "Brittany")),
        ("nutriscore_grade", NONE, TEXT, of("a", "b", "c", "d", "e")),
        ("sugars_100g", NONE, F64, decimal(0, 80, 1)),
        ("lot", NONE, TEXT, lambda: f"L{digits(6)}{pick('A', 'B')}"),
    ],
    "payroll_gb": [
        ("Payroll No", NONE, I32, counter("{}", 20_300)),
        ("Surname", "person_name", TEXT, last_en),
        ("Forename(s)", "person_name", TEXT, lambda: f"{first_en()}{pick('', f' {first_en()}')}"),
        ("NI Number", "national_id", TEXT, nino),
        ("D.O.B.", "birth_date", DMY, born("%d/%m/%Y")),
        ("Tax Code", NONE, TEXT, of("1257L", "BR", "K475", "0T", "1100L M1")),
        ("Sort Code", NONE, TEXT, lambda: f"{digits(2)}-{digits(2)}-{digits(2)}"),
        ("Account No", NONE, TEXT, lambda: digits(8)),
        ("Home Tel", "phone", TEXT, phone_gb),
        ("Line Manager", "person_name", TEXT, full_en),
        ("Start Date", NONE, DMY, date("%d/%m/%Y", "2001-01-01", "2024-12-31")),
        ("Annual Salary", NONE, I32, number(19_000, 90_000)),
        ("Sickness Reason", "health", TEXT, some(of("Back pain", "Flu", "Migraine", "Stomach upset", "Stress", "Broken wrist", "Covid-19", "Surgery"), 0.6)),
        ("Cost Centre", NONE, TEXT, of("OPS-1", "FIN-2", "WHS-4")),
    ],
    "look_alikes": [
        ("consignment_number", NONE, I64, lambda: luhn("4" + digits(14))),
        ("loyalty_card_number", NONE, I64, lambda: luhn("92" + digits(13))),
        ("po_number", NONE, I64, lambda: luhn("51" + digits(13))),
        ("num_bon_livraison", NONE, I64, lambda: luhn("3" + digits(12))),
        ("n_facture", NONE, I32, lambda: luhn("7" + digits(7))),
        ("sscc", NONE, TEXT, lambda: f"00{digits(18)}"),
        ("imei_appareil", NONE, I64, lambda: luhn("86" + digits(12))),
        ("no_compteur_edf", NONE, I64, lambda: digits(14, "123")),
        ("driver_version", NONE, TEXT, lambda: f"{R.randint(20, 40)}.{R.randint(0, 30)}.{R.randint(1, 101)}.{R.randint(1000, 9000)}"),
        ("chart_of_accounts", NONE, TEXT, lambda: f"{R.randint(1, 9)}.{R.randint(1, 20)}.{R.randint(1, 20)}.{R.randint(1, 20)}"),
        ("git_short", NONE, TEXT, lambda: code(12, "0123456789abcdef")),
        ("colour_name", NONE, TEXT, of("Ruby", "Amber", "Violet", "Olive", "Hazel", "Ginger", "Rose", "Jade")),
        ("ferry_name", NONE, TEXT, of("Armorique", "Mont St Michel", "Norman Voyager", "Jean Nicoli", "Danielle Casanova", "Paglia Orba")),
        ("winter_storm", NONE, TEXT, of("Ciara", "Dennis", "Eunice", "Franklin", "Arwen", "Barra", "Gérard", "Ciarán")),
    ],
    "urgences": [
        ("N° dossier", NONE, I64, lambda: digits(10, "23")),
        ("Nom de naissance", "person_name", TEXT, lambda: last_fr().upper()),
        ("Nom d'usage", "person_name", TEXT, lambda: last_fr().upper()),
        ("Prénoms", "person_name", TEXT, lambda: f"{first_fr()}{pick('', f' {first_fr()}')}"),
        ("Né(e) le", "birth_date", DMY, born("%d/%m/%Y")),
        ("N° Sécurité sociale", "nir", TEXT, nir),
        ("Médecin adresseur", "person_name", TEXT, some(lambda: f"Dr {last_fr()}", 0.8)),
        ("Heure d'arrivée", NONE, "time HH:mm", moment("%H:%M")),
        ("Motif de venue", "health", TEXT, of("Douleur abdominale", "Céphalées", "Plaie de la main", "Entorse de cheville", "Dyspnée", "Malaise", "Fièvre", "Chute", "Douleur thoracique", "Traumatisme crânien")),
        ("Diagnostic principal (CIM-10)", "health", TEXT, of("R10.4", "S93.4", "J18.9", "I20.0", "R51", "S61.9", "N23")),
        ("Allergies connues", "health", TEXT, of("aucune", "pénicilline", "iode", "latex", "arachide", "fruits à coque")),
        ("Box", NONE, TEXT, of("SAUV", "B1", "B2", "T3")),
        ("Mode de sortie", NONE, TEXT, of("Domicile", "Hospitalisation", "Transfert", "Sortie contre avis")),
        ("Durée (min)", NONE, I32, number(12, 900)),
    ],
    "bank_statement": [
        ("Date opération", NONE, DMY, date("%d/%m/%Y", "2023-01-01", "2024-12-31")),
        ("Libellé", NONE, TEXT, lambda: pick("CARTE 12/03 SUPER U QUIMPER", "PRLV SEPA EAU ET GAZ", "VIR LOYER MARS", "RETRAIT DAB 18H04", "COTISATION CARTE", "REMISE CHEQUES")),
        ("Montant", NONE, TEXT, comma(-900, 2_500)),
        ("Solde", NONE, TEXT, comma(-200, 9_000)),
        ("IBAN contrepartie", "iban", TEXT, lambda: iban("FR", digits(10) + digits(11) + digits(2))),
        ("BIC", NONE, TEXT, of("AGRIFRPP882", "CMCIFR2A", "BNPAFRPP", "PSSTFRPPREN", "CCBPFRPPXXX")),
        ("Nom du donneur d'ordre", "person_name", TEXT, lambda: f"{last_fr().upper()} {first_fr().upper()}"),
        ("Référence mandat", NONE, TEXT, lambda: f"RUM{digits(12)}"),
        ("Devise", NONE, TEXT, of("EUR", "USD")),
    ],
    "column_numbers": [
        ("Column1", "person_name", TEXT, lambda: f"{first_fr()} {last_fr()}"),
        ("Column2", "email", TEXT, mail(first_en, last_en)),
        ("Column3", "phone", TEXT, lambda: f"+33{digits(9, '1234567')}"),
        ("Column4", "postal_address", TEXT, street_fr),
        ("Column5", "iban", TEXT, lambda: iban("DE", digits(18))),
        ("Column6", "nir", TEXT, nir),
        ("Column7", "payment_card", TEXT, card),
        ("Column8", "ip_address", TEXT, ip),
        ("Column9", NONE, TEXT, of(*FIRMS)),
        ("Column10", NONE, TEXT, of(*TOWNS_FR)),
        ("Column11", NONE, I64, lambda: digits(15, "123456789")),
        ("Column12", NONE, TEXT, lambda: f"{R.randint(1, 30)}.{R.randint(0, 9)}.{R.randint(0, 20)}"),
        ("Column13", NONE, I64, ean),
        ("Column14", NONE, F64, decimal(-5, 90)),
        ("Column15", NONE, TEXT, lambda: code(8)),
    ],
}


def main():
    folder = HERE / "exports"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.csv"):
        old.unlink()
    labels = []
    for table, columns in TABLES.items():
        with open(folder / f"{table}.csv", "w", newline="", encoding="utf-8") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow([name for name, *_ in columns])
            for _ in range(ROWS):
                out.writerow([str(take()) for *_, take in columns])
        labels.extend((table, name, kind, ty) for name, kind, ty, _ in columns)
    with open(HERE / "exports.csv", "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["table", "column", "kind", "type"])
        out.writerows(labels)
    print(f"exports: {len(labels)} columns, {sum(1 for label in labels if label[2])} of them personal")


if __name__ == "__main__":
    main()
