#!/usr/bin/env python3
"""Writes `registers/` and `registers.csv` (for maintainers; the files are kept in the repository).

    python tests/corpus/discover/generate_registers.py

Registers as organisations export them, half of them French and half English: written without a look at the recognisers, their lists or
the other parts. Some columns have poor headers, up to 60% empty values, mixed ways of writing or a few percent of dirt; many
others only look like personal data. Every value is drawn from a seed, so none is a person's.
"""

import csv
import datetime as dt
import random
import unicodedata
from pathlib import Path

HERE = Path(__file__).parent
R = random.Random()

MEN = """Antoine Baptiste Léo Gaspard Théophile Yann Loïc Erwan Corentin Rémi Benoît Cyprien Anselme Fulgence Marius Aurélien Jean-Loup
Pierre-Yves Mehdi Karim Abdelkader Sofiane Nabil Rachid Younes Ilyas Bilal Hamza Oussama Tiago Duarte Joaquim Nuno Rui Gonçalo Piotr
Wojciech Krzysztof Zbigniew Tomasz Jürgen Matthias Wolfgang Detlef Florian Minh Quang Tuan Duc Hieu Oliver Callum Graham Nigel Rhys Alistair
Desmond Angus Trevor Kieran Declan Giovanni Matteo Salvatore Andrei Mircea Yusuf Emre Kwame Ousmane Mamadou Ibrahima Sekou Diego Álvaro Raúl
Sven Lars Harpreet Rajesh Vikram Takeshi Bogdan Oleksandr Vasyl Thibault Octave Séraphin Joris Malo""".split()
WOMEN = (
    """Camille Margaux Clémence Solène Héloïse Maëlys Gwenaëlle Bérénice Capucine Sidonie Ghislaine Odile Josette Anne-Sophie Marie-Laure
Apolline Leïla Nawel Samira Khadija Zineb Fatoumata Yasmine Ikram Houria Beatriz Inês Catarina Mafalda Graça Agnieszka Małgorzata Katarzyna
Bożena Ewa Ute Heike Annika Gudrun Sabine Linh Thuy Huong Ngoc Mai Charlotte Imogen Bronwyn Fiona Moira Gemma Siobhan Philippa Tamsin Rosalind
Beryl Chiara Giulia Ilinca Ioana Elif Zeynep Awa Aminata Mariam Adjoa Lucía Pilar Ingrid Astrid Simran Priya Deepika Yuko Olena Svitlana
Zoé Perrine Louison Albane Ombeline Enora""".split()
)
LAST = """Lefebvre Chevallier Delaunay Kerbrat Le Goff|Quéméneur Guillou Hamelin Marchand Besnard Poirier Rousselot Vasseur Dumortier Vandenbroucke
Lhermitte Cazenave Etcheverry Barrère Santoni Giacobbi Schneider Muller Wurtz Ehrhardt Peyrot Chastagner Brunel Fabre Astier Teyssier Jacquemin
Thévenot Boisseau de La Tour|Du Plessis|Mercier Blondel Caron Bouchez Ledru Picard Noël Rivière Fontaine Lacroix Benali Boukhari Haddad Cherkaoui
El Amrani|Ben Youssef|Ziani Meziane Bouzid Ouazzani Belkacem Tazi Laroussi Mansouri Ferreira Gonçalves da Silva|dos Santos|Teixeira Carvalho
Figueiredo Moreira Kowalczyk Wiśniewski Zieliński Wójcik Szymańska Lewandowski Krawczyk Schäfer Brüggemann Köhler Vogel Zimmermann Hofmann Nguyen
Tran Pham Huynh Vo Dang Bui Hargreaves Whitfield Ashworth Pemberton Blackwood Cartwright O'Sullivan O'Connor McAllister MacLeod Fitzgerald
Llewellyn Griffiths Pryce-Jones Thornton Ramsbottom Atkinson Sheppard Wainwright Harcourt Goddard Esposito Moretti Ricci Popescu Ionescu Yilmaz
Demir Mensah Diallo Traoré Koné Ndiaye Owusu Okonkwo Hernández Ibáñez Ruiz Lindqvist Johansson Singh Gill Sharma Patel Tanaka Kovalenko Shevchenko
Baudouin Carpentier Tréguer Hoarau Payet Lagarde Sauvage Petitjean Bonnefoy Mestre""".replace(
    "\n", " "
)


def last_names():
    # A name of several words ends with "|", and begins after the word before it where that word is a whole name.
    several = ["de La Tour", "Du Plessis", "Le Goff", "El Amrani", "Ben Youssef", "da Silva", "dos Santos"]
    rest = LAST
    for name in several:
        rest = rest.replace(name + "|", " ")
    return rest.split() + several


LASTS = last_names()
FR_STREETS = """rue des Tanneries|rue du Vieux Moulin|avenue de la Libération|allée des Mésanges|chemin de la Croix Verte|boulevard Carnot
impasse du Lavoir|place de la Halle|rue Gambetta|rue des Frères Lumière|quai de la Marne|route de Saint-Cyr|cours Émile Zola|rue Pasteur
lotissement Les Genêts|rue de l'Abreuvoir|square des Acacias|passage du Cheval Blanc|sentier des Vignes|rue Haute|lieu-dit Kermaria
faubourg de Pierre|montée du Château|rue du 8 Mai 1945|résidence Bellerive|rue du Docteur Roux|venelle des Jardins""".replace(
    "\n", "|"
).split("|")
FR_TOWNS = [
    ("44000", "Nantes"),
    ("01000", "Bourg-en-Bresse"),
    ("35400", "Saint-Malo"),
    ("69007", "Lyon"),
    ("06300", "Nice"),
    ("67100", "Strasbourg"),
    ("59300", "Valenciennes"),
    ("13008", "Marseille"),
    ("31500", "Toulouse"),
    ("87000", "Limoges"),
    ("29200", "Brest"),
    ("08200", "Sedan"),
    ("64100", "Bayonne"),
    ("21200", "Beaune"),
    ("38100", "Grenoble"),
    ("02100", "Saint-Quentin"),
    ("76600", "Le Havre"),
    ("20200", "Bastia"),
]
GB_STREETS = """Mill Lane|Church Road|Station Approach|Queens Avenue|The Crescent|Orchard Close|Victoria Terrace|Kingsway|Beech Drive|Old Bakery Row
Foxglove Gardens|High Street|St Aldhelm's Road|Harbour View|Bramley Way|Elm Grove|Ravenscourt Place|Cobblers Yard|Weavers Court|Dene Park
Ferry Hill|Wharf Street|Albion Mews|Tanners Walk|Nightingale Rise|Chapel Green""".replace(
    "\n", "|"
).split(
    "|"
)
GB_TOWNS = [
    ("LS6 2AB", "Leeds"),
    ("BS3 4QT", "Bristol"),
    ("EH9 1LX", "Edinburgh"),
    ("CF24 3AA", "Cardiff"),
    ("NR2 3DE", "Norwich"),
    ("M14 5PX", "Manchester"),
    ("YO31 7EG", "York"),
    ("PL4 8JH", "Plymouth"),
    ("BN2 1TW", "Brighton"),
    ("SE15 5BA", "London"),
    ("TR1 2QH", "Truro"),
    ("DH1 4LY", "Durham"),
    ("OX4 1RB", "Oxford"),
    ("G12 8HN", "Glasgow"),
]
US_STREETS = """Maple Avenue|Cedar Ridge Drive|W 4th Street|Old Mill Road|Jefferson Boulevard|Lakeshore Drive|Pine Hollow Court|N Sycamore St
County Road 17|Magnolia Lane|Quail Run|E Broad St""".replace(
    "\n", "|"
).split(
    "|"
)
US_TOWNS = [
    ("Dayton", "OH", "45402"),
    ("Boise", "ID", "83702"),
    ("Savannah", "GA", "31401"),
    ("Duluth", "MN", "55802"),
    ("Tacoma", "WA", "98402"),
    ("Boston", "MA", "02116"),
    ("Tulsa", "OK", "74103"),
    ("Reno", "NV", "89501"),
    ("Trenton", "NJ", "08608"),
    ("Akron", "OH", "44308"),
]
FR_FIRMS = """Établissements Garnier|Ateliers du Ponant|Vallourbe Industrie SAS|Transports Lemaire|Cartonneries de l'Est|Sobretec|Martin et Fils
Imprimerie Chapelle|Électro-Loire|Menuiserie Aubert SARL|Agro Sud Distribution|Papeteries Réunies|Cabinet Lacombe|Bureau Plus Ouest|Nordex Emballage
Sanitherm|Les Jardins de Flore|Optique Vauban|Clim'Azur|Roche Matériaux|Tôlerie Girard|SCOP Le Levain|Groupe Hélios|Maison Perrot""".replace(
    "\n", "|"
).split(
    "|"
)
EN_FIRMS = """Harlow & Pratt Ltd|Northgate Logistics|Bluefin Analytics|Cavendish Mutual|Wren Foods PLC|Taylor Brothers Haulage|Sterling Optics
Meridian Health Partners|Old Oak Joinery|Pinnacle Water|Larkspur Media Group|Johnson Controls West|Foundry Nine|Castle Cement|Hudson Bay Textiles
Quayside Marine|Redwood Benefits Inc.|Summit Mutual|Ellis & Daughters|Tidewater Energy LLC""".replace(
    "\n", "|"
).split(
    "|"
)
FR_HOSTS = [
    "courrier.example",
    "boite-libre.example",
    "mel-ouest.example",
    "famille.example.fr",
    "poste-net.example",
    "example.org",
    "fibre12.example.net",
]
EN_HOSTS = ["mailhub.example", "post.example.co.uk", "inbox.example.com", "example.net", "letterbox.example", "home.example.org"]


def pick(*values):
    return R.choice(values)


def plain(text):
    text = unicodedata.normalize("NFKD", text.replace("ł", "l").replace("Ł", "L")).encode("ascii", "ignore").decode()
    return "".join(c for c in text.lower() if c.isalnum() or c == "-")


def digits(count, first="0123456789"):
    return R.choice(first) + "".join(R.choice("0123456789") for _ in range(count - 1))


def letters(count, of="ABCDEFGHJKLMNPRSTUVWXYZ"):
    return "".join(R.choice(of) for _ in range(count))


def hexes(count, upper=False):
    return "".join(R.choice("0123456789ABCDEF" if upper else "0123456789abcdef") for _ in range(count))


def groups(text, size, by=" "):
    return by.join(text[at : at + size] for at in range(0, len(text), size))


def luhn_sum(number):
    total = 0
    for at, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if at % 2 else 1)
        total += value - 9 if value > 9 else value
    return total


def luhn(body):
    """The number with the digit that makes it pass."""
    return body + str(-luhn_sum(body + "0") % 10)


def siren():
    return luhn(digits(8, "345789"))


def siret():
    return luhn(siren() + digits(4, "0"))


def mod97(text):
    return int("".join(str(int(c, 36)) for c in text)) % 97


def iban(country=None):
    country = country or pick("FR", "DE", "GB", "BE", "ES", "PT", "NL")
    if country == "FR":
        bank, branch, account = digits(5, "1234"), digits(5), digits(11)
        key = 97 - (89 * int(bank) + 15 * int(branch) + 3 * int(account)) % 97
        body = f"{bank}{branch}{account}{key:02}"
    else:
        bank, count = {"DE": ("", 18), "GB": (letters(4), 14), "BE": ("", 12), "ES": ("", 20), "PT": ("", 21), "NL": (letters(4), 10)}[
            country
        ]
        body = bank + digits(count)
    return f"{country}{98 - mod97(body + country + '00'):02}{body}"


def false_iban():
    """What looks like an IBAN of France, with check digits that are wrong."""
    body, right = digits(23), iban("FR")
    while True:
        check = f"{R.randrange(10, 97)}"
        if mod97(body + "FR" + check) != 1:
            return right[:2] + check + body


def bic():
    return letters(4) + pick("FR", "DE", "BE", "ES", "GB") + pick("PP", "21", "2L", "HH") + pick("", "", "XXX", digits(3))


def card():
    brand = R.randrange(10)
    if brand < 5:
        return luhn("4" + digits(14))
    return luhn("5" + pick(*"12345") + digits(13)) if brand < 9 else luhn("37" + digits(12))


def spaced_card(number, by=" "):
    return groups(number, 4, by) if len(number) == 16 else by.join([number[:4], number[4:10], number[10:]])


def nir(woman, born):
    department = pick("13", "29", "44", "59", "69", "75", "31", "67", "2A", "2B", "99", "93", "01")
    body = f"{2 if woman else 1}{born:%y%m}{department}{R.randrange(1, 500):03}{R.randrange(1, 700):03}"
    return body, f"{97 - int(body.replace('2A', '19').replace('2B', '18')) % 97:02}"


def ean13(prefix="3"):
    body = prefix + digits(12 - len(prefix))
    return body + str(-sum(int(d) * (3 if at % 2 else 1) for at, d in enumerate(body)) % 10)


def vat():
    number = siren()
    return pick(
        f"FR{(12 + 3 * (int(number) % 97)) % 97:02}{number}",
        "BE0" + digits(9, "4567"),
        "DE" + digits(9, "123"),
        "ESB" + digits(8),
        "IT0" + digits(10),
    )


def nino():
    while True:
        prefix = letters(1, "ABCEGHJKLMNOPRSTWXYZ") + letters(1, "ABCEGHJKLMNPRSTWXYZ")
        if prefix not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ"):
            return prefix + digits(6) + pick(*"ABCD")


def passport(country):
    return {
        "FR": lambda: digits(2, "012") + letters(2) + digits(5),
        "GB": lambda: digits(9, "1357"),
        "DE": lambda: "C" + letters(2, "CFGHJK0123") + digits(2) + letters(2, "KLMNPRTVWXYZ") + digits(2),
        "IT": lambda: "Y" + letters(1, "AB") + digits(7),
        "US": lambda: letters(1) + digits(8),
        "PL": lambda: "E" + letters(1) + digits(7),
        "ES": lambda: letters(3) + digits(6),
        "NL": lambda: "N" + letters(2) + digits(6),
    }[country]()


def mac(by=":", upper=False):
    return (
        groups(pick("00", "3c", "a4", "f0", "b8", "dc") + hexes(10), 2, by).upper()
        if upper
        else groups(pick("00", "3c", "a4", "f0", "b8", "dc") + hexes(10), 2, by)
    )


def ipv4():
    return f"{R.choice([5, 31, 62, 78, 81, 90, 109, 151, 176, 185, 212])}.{R.randrange(256)}.{R.randrange(256)}.{R.randrange(1, 255)}"


def ipv6():
    return f"2a01:{hexes(3)}:{hexes(4)}:{hexes(4)}::{hexes(R.randrange(1, 4))}".replace(":0", ":a")


def version():
    return f"{R.randrange(1, 14)}.{R.randrange(30)}.{pick(0, 1, R.randrange(400), R.randrange(20000))}.{R.randrange(4000)}"


def day(begin=(2022, 1, 1), end=(2024, 6, 30)):
    first, last = dt.date(*begin), dt.date(*end)
    return first + dt.timedelta(days=R.randrange((last - first).days + 1))


def moment():
    return dt.datetime.combine(day(), dt.time(R.randrange(24), R.randrange(60), R.randrange(60)))


def on(form, begin=(2022, 1, 1), end=(2024, 6, 30)):
    return lambda p: day(begin, end).strftime(form)


def at(form):
    return lambda p: moment().strftime(form)


def then(form, least=0, most=0):
    """The moment of the row, or some days after it."""
    return lambda p: (p.when + dt.timedelta(days=R.randint(least, most), minutes=R.randrange(1, 600) if most else 0)).strftime(form)


def fr_mobile():
    return pick("06", "06", "07") + digits(8)


def fr_phone():
    return pick("01", "02", "03", "04", "05", "09", "06") + digits(8)


def fr_written(number):
    body = number[1:]
    return pick(number, groups(number, 2), groups(number, 2), groups(number, 2, "."), f"+33{body}", f"+33 {body[0]} {groups(body[1:], 2)}")


def gb_phone():
    mobile = digits(10, "7")
    return pick(
        "0" + mobile,
        f"0{mobile[:4]} {mobile[4:]}",
        f"+44 {mobile[:4]} {mobile[4:]}",
        f"020 7{digits(3)} {digits(4)}",
        f"01{digits(3, '2345679')} {digits(6)}",
    )


def us_phone():
    area, exchange, line = digits(3, "23456789"), digits(3, "23456789"), digits(4)
    return pick(f"({area}) {exchange}-{line}", f"{area}-{exchange}-{line}", f"{area}.{exchange}.{line}", f"+1 {area} {exchange} {line}")


class Person:
    def __init__(self, begin=1940, end=2004, hosts=FR_HOSTS):
        self.woman = R.random() < 0.5
        self.first = pick(*(WOMEN if self.woman else MEN))
        self.last = pick(*LASTS)
        self.born = day((begin, 1, 1), (end, 12, 31))
        first, last = plain(self.first), plain(self.last)
        self.email = f"{pick(first + '.' + last, first[0] + last, last + '.' + first, first + str(R.randrange(40, 99)), last + digits(2))}@{pick(*hosts)}"
        self.town = pick(*FR_TOWNS)
        self.street = f"{R.randrange(1, 190)}{pick('', '', '', ' bis', ',')} {pick(*FR_STREETS)}"
        self.gb_town = pick(*GB_TOWNS)
        self.us_town = pick(*US_TOWNS)
        self.when = moment()
        self.gb_street = f"{pick('', '', '', f'Flat {R.randrange(1, 30)}, ')}{R.randrange(1, 190)} {pick(*GB_STREETS)}"


def other():
    return Person()


def one(*values):
    return lambda p: pick(*values)


def listed(text):
    return one(*text.replace("\n", "|").split("|"))


def number(begin, end):
    return lambda p: str(R.randrange(begin, end))


def amount(begin, end, comma=False):
    return lambda p: f"{R.uniform(begin, end):.2f}".replace(".", "," if comma else ".")


def maybe(some, empty):
    """Empty in that share of the rows."""
    return lambda p: "" if R.random() < empty else some(p)


def dirty(some, share, *instead):
    return lambda p: pick(*instead) if R.random() < share else some(p)


def counted(form, first):
    step = [first - 1]

    def value(p):
        step[0] += R.randrange(1, 4)
        return form.format(step[0])

    return value


FR_MOTIFS = """douleur thoracique|dyspnée aiguë|fracture du col du fémur|AVC ischémique|appendicite aiguë|colique néphrétique|décompensation cardiaque
pneumopathie franche lobaire|crise convulsive|hémorragie digestive|bilan de chute|insuffisance rénale aiguë|accouchement programmé|cholécystite
pose de prothèse de hanche|embolie pulmonaire|acidocétose diabétique|sepsis urinaire|tentative d'autolyse|méningite virale|entorse de cheville
chimiothérapie cure 3|lithiase urétérale|occlusion intestinale|fibrillation auriculaire|érysipèle de jambe|syndrome dépressif majeur"""
CIM = "I21.0|J18.9|S72.00|I63.5|K35.8|N20.1|I50.9|G40.9|K92.2|R07.4|N17.9|O80|K80.0|I26.9|E10.1|A41.9|F32.2|A87.9|S93.4|C50.9|K56.6|I48.0|A46|J45.9"
ANALYSES = """Hémogramme|CRP|Ferritinémie|TSH ultrasensible|Créatininémie|Glycémie à jeun|Hémoglobine glyquée|ECBU|Sérologie VIH|Sérologie hépatite C
PSA total|Bilan hépatique|Troponine|INR|D-dimères|Béta-HCG|Ionogramme sanguin|Vitamine D 25-OH|Électrophorèse des protéines|PCR Chlamydia"""
CONCLUSIONS = """Anémie ferriprive|Hypothyroïdie fruste|Pas d'anomalie notable|Syndrome inflammatoire|Diabète déséquilibré|Infection urinaire à E. coli
Sérologie négative|Insuffisance rénale modérée|Cytolyse hépatique|Grossesse évolutive probable|Carence en vitamine D|Hyperkaliémie, à contrôler
Thrombopénie isolée|Surdosage en AVK|Dyslipidémie mixte|Immunisation ancienne contre l'hépatite B"""
PAI = "Asthme|Allergie arachide|Épilepsie|Diabète de type 1|Allergie aux protéines de lait|Dyslexie sévère|Mucoviscidose|TDAH|Allergie latex|Drépanocytose|Eczéma atopique"
DRUGS = """Lisinopril 10 mg tab|Metformin ER 500 mg|Atorvastatin 40 mg|Sertraline 50 mg|Levothyroxine 75 mcg|Amoxicillin 500 mg cap|Albuterol HFA 90 mcg
Insulin glargine 100 u/mL|Apixaban 5 mg|Gabapentin 300 mg|Prednisone 20 mg|Methotrexate 2.5 mg|Lamotrigine 100 mg|Quetiapine 25 mg|Warfarin 5 mg
Omeprazole DR 20 mg|Tamoxifen 20 mg|Emtricitabine-tenofovir 200-300 mg|Oxycodone 5 mg|Budesonide nebs"""
DX = "E11.9|I10|F41.1|E03.9|J45.40|M06.9|G40.909|I48.91|F33.1|K21.9|Z79.4|C50.912|B20|M54.16|J20.9|E78.5|N39.0|F20.9"
ALLERGIES = "Penicillin|Sulfa drugs|NKDA|Codeine|Latex|Peanuts|Iodinated contrast|Aspirin|Shellfish|Erythromycin; Penicillin"
INJURIES = """whiplash|fractured wrist|soft tissue injury to lower back|concussion|laceration of left hand|dislocated shoulder|post-traumatic stress
bruised ribs|torn meniscus|burns to forearm|herniated disc L4/L5|broken collarbone|hearing loss (industrial)|carpal tunnel syndrome|tinnitus"""

TABLES = {}


def table(function):
    TABLES[function.__name__] = function
    return function


def table_of_persons(**born):
    def keep(function):
        function.born = born
        return table(function)

    return keep


# A column: its name, the kind of personal data or "", its type, and how a value is drawn for a row's person.


@table_of_persons(begin=2007, end=2013)
def eleves_college():
    return [
        ("N° int.", "", "int32", counted("{}", 10412)),
        ("Nom de famille", "person_name", "string", lambda p: p.last.upper()),
        ("Prénoms", "person_name", "string", lambda p: p.first if R.random() < 0.6 else f"{p.first}, {pick(*(WOMEN if p.woman else MEN))}"),
        ("Né(e) le", "birth_date", "date dd/MM/yyyy", lambda p: p.born.strftime("%d/%m/%Y")),
        ("Div.", "", "string", lambda p: f"{pick(*'6543')}E{pick(*'ABCD')}"),
        ("Régime", "", "string", one("DP4", "EXT", "DP5", "INTERNE")),
        ("LV1", "", "string", one("ANGLAIS LV1", "ALLEMAND LV1", "ITALIEN LV1")),
        ("Niv. maths", "", "string", one("A+", "A", "B+", "B", "B-", "C", "C-", "D")),
        ("Moy. T1", "", "string", lambda p: f"{R.uniform(5, 19):.1f}".replace(".", ",")),
        (
            "Resp. légal 1",
            "person_name",
            "string",
            lambda p: f"{'MME' if (o := other()).woman else 'M.'} {pick(p.last, p.last, o.last).upper()} {o.first}",
        ),
        ("Tél. resp.", "phone", "string", maybe(lambda p: groups(fr_mobile(), 2), 0.2)),
        ("Courriel resp.", "email", "string", maybe(dirty(lambda p: p.email, 0.03, "pas d'internet", "néant"), 0.15)),
        ("PAI / motif", "health", "string", maybe(listed(PAI), 0.55)),
        ("Entrée", "", "date dd/MM/yyyy", on("%d/%m/%Y", (2021, 9, 1), (2024, 1, 31))),
    ]


@table_of_persons(begin=1958, end=2001)
def sirh_agents():
    employers = [siret() for _ in range(7)]

    def number_ss(p):
        body, key = nir(p.woman, p.born)
        whole = f"{body[0]} {body[1:3]} {body[3:5]} {body[5:7]} {body[7:10]} {body[10:]}"
        return pick(body + key, body + key, f"{whole} {key}", f"{body} {key}")

    return [
        ("MATRICULE", "", "string", counted("{:07}", 4210)),
        ("NOM_PATRO", "person_name", "string", lambda p: p.last.upper()),
        ("NOM_USAGE", "person_name", "string", maybe(lambda p: pick(*LASTS).upper(), 0.6)),
        ("PRENOM", "person_name", "string", lambda p: p.first.upper()),
        ("DTNAIS", "birth_date", "date yyyyMMdd", lambda p: p.born.strftime("%Y%m%d")),
        ("NUM_SS", "nir", "string", number_ss),
        ("RIB1", "iban", "string", lambda p: groups(iban("FR"), 4)),
        ("CORPS", "", "string", listed("ADJ ADM|ATTACHE|INGENIEUR|TECH SUP|REDACTEUR|AGENT MAITRISE")),
        ("ECHELON", "", "int32", number(1, 13)),
        ("INM", "", "int32", number(340, 830)),
        ("DT_ENTREE", "", "date yyyyMMdd", on("%Y%m%d", (1998, 1, 1), (2024, 3, 1))),
        ("QUOTITE", "", "int32", one("100", "100", "80", "50", "90")),
        ("BRUT_M", "", "float64", amount(1750, 5200)),
        ("SIRET_EMPL", "siret", "int64", lambda p: pick(*employers)),
        ("VILLE_AFFECT", "", "string", lambda p: p.town[1].upper()),
        ("EMPREINTE", "", "string", lambda p: hexes(40)),
    ]


@table_of_persons(begin=1929, end=2019)
def admissions_chu():
    return [
        ("nda", "", "int32", counted("{}", 231004120)),
        ("pat_nom", "person_name", "string", lambda p: p.last.upper()),
        ("pat_prn", "person_name", "string", lambda p: p.first),
        ("ddn", "birth_date", "date", lambda p: p.born.isoformat()),
        ("sx", "", "string", lambda p: "F" if p.woman else "M"),
        ("uf", "", "string", lambda p: f"0{R.randrange(101, 140)}"),
        ("motif", "health", "string", listed(FR_MOTIFS)),
        ("DP", "health", "string", listed(CIM)),
        ("dt_entree", "", "timestamp dd/MM/yyyy HH:mm", then("%d/%m/%Y %H:%M")),
        ("dt_sortie", "", "timestamp dd/MM/yyyy HH:mm", maybe(then("%d/%m/%Y %H:%M", 0, 21), 0.18)),
        ("h_regul", "", "time HH:mm", at("%H:%M")),
        ("mode_e", "", "int32", one("8", "7", "6")),
        ("lit", "", "string", lambda p: f"{pick(*'ABC')}-{R.randrange(101, 330)}"),
        ("n_assure", "nir", "string", maybe(lambda p: "".join(nir(p.woman, p.born)) if R.random() < 0.8 else nir(p.woman, p.born)[0], 0.2)),
        ("med_trt", "person_name", "string", maybe(lambda p: f"Dr {(o := other()).last.upper()} {o.first}", 0.25)),
        ("adr", "postal_address", "string", lambda p: f"{p.street} {p.town[0]} {p.town[1].upper()}"),
        ("tel_contact", "phone", "string", maybe(dirty(lambda p: fr_written(fr_phone()), 0.04, "NC", "voir dossier"), 0.3)),
    ]


@table
def labo_demandes():
    return [
        ("No demande", "", "int64", counted("{}", 240315004102)),
        ("Patient", "person_name", "string", lambda p: f"{p.last.upper()} {p.first}"),
        ("Nais.", "birth_date", "date dd/MM/yyyy", lambda p: p.born.strftime("%d/%m/%Y")),
        ("Prescripteur", "person_name", "string", lambda p: f"Dr {(o := other()).first[0]}. {o.last}"),
        ("Analyse", "health", "string", listed(ANALYSES)),
        ("Conclusion", "health", "string", maybe(listed(CONCLUSIONS), 0.4)),
        ("Prélevé le", "", "timestamp dd/MM/yyyy HH:mm", at("%d/%m/%Y %H:%M")),
        ("Urgent", "", "string", one("N", "N", "N", "O")),
        ("Code tube", "", "int64", lambda p: ean13("37")),
        ("Lot réactif", "", "string", lambda p: f"{letters(2)}{digits(4)}-{R.randrange(10, 99)}"),
        ("Automate", "", "string", listed("Cobra 6000|Hélia Duo|Sysline XN|Victor 3|Maxima-L")),
        ("Version log.", "", "string", lambda p: version()),
        ("Signature", "", "string", lambda p: hexes(64)),
    ]


@table
def virements_sortants():
    return [
        ("Réf. opération", "", "string", lambda p: f"VRT{day():%y%m%d}{digits(6)}"),
        ("Date exéc.", "", "date dd/MM/yyyy", on("%d/%m/%Y")),
        ("Montant EUR", "", "string", amount(12, 900, comma=True)),
        (
            "Bénéficiaire",
            "person_name",
            "string",
            lambda p: pick(
                f"{p.last.upper()} {p.first.upper()}",
                f"{p.first} {p.last}",
                f"{'MME' if p.woman else 'M'} {p.last.upper()} {p.first.upper()}",
            ),
        ),
        ("Compte crédité", "iban", "string", lambda p: iban()),
        ("BIC", "", "string", lambda p: bic()),
        ("col7", "iban", "string", maybe(lambda p: pick(iban("FR"), groups(iban("FR"), 4)), 0.35)),
        ("Réf. interne", "", "string", lambda p: false_iban()),
        (
            "Motif",
            "",
            "string",
            listed("Loyer mars|Remboursement frais|Note de frais 12|Solde tout compte|Acompte|Bourse T2|Prime annuelle|Avance mission"),
        ),
        ("Guichet", "", "string", lambda p: digits(5, "0")),
        ("Carte associée", "payment_card", "string", maybe(lambda p: pick(card(), spaced_card(card())), 0.5)),
        ("Canal", "", "string", one("EBICS", "Web", "Mobile", "Agence")),
    ]


@table_of_persons(begin=1955, end=2016)
def licencies_club():
    def contacted(p):
        return fr_written(fr_mobile())

    return [
        ("licence", "", "int32", lambda p: digits(7, "23456789")),
        ("nom_prenom", "person_name", "string", lambda p: pick(f"{p.last.upper()} {p.first}", f"{p.last} {p.first}")),
        (
            "naissance",
            "birth_date",
            "string",
            dirty(lambda p: p.born.strftime(pick("%d/%m/%Y", "%d/%m/%Y", "%Y-%m-%d", "%d.%m.%Y")), 0.02, "?", "à compléter"),
        ),
        ("mobile", "phone", "string", maybe(lambda p: fr_written(fr_mobile()), 0.1)),
        ("mail", "email", "string", dirty(lambda p: p.email, 0.05, "néant", "pas de mail", "idem frère")),
        ("voie", "postal_address", "string", lambda p: p.street),
        ("CP", "", "string", lambda p: p.town[0]),
        ("localité", "", "string", lambda p: p.town[1]),
        ("catégorie", "", "string", one("U9", "U11", "U13", "U15", "Senior", "Vétéran", "Loisir")),
        ("cotis.", "", "int32", one("95", "120", "145", "160", "180")),
        ("réglé le", "", "date dd/MM/yyyy", maybe(on("%d/%m/%Y", (2023, 8, 20), (2024, 1, 15)), 0.1)),
        ("urgence", "phone", "string", maybe(contacted, 0.25)),
        ("groupe", "", "string", one("@u13garcons", "@u11mixte", "@seniors_f", "@loisirs", "@bureau", "@arbitres")),
        ("taille maillot", "", "string", one("XS", "S", "M", "L", "XL", "12 ans", "14 ans")),
    ]


@table
def compteurs_energie():
    def serial(p):
        return (
            "-".join(letters(1, "ABCDGHKZ") + R.choice("0123456789GHKZ") for _ in range(R.choice([5, 6, 6])))
            if R.random() < 0.5
            else f"G{hexes(1, True)}-{groups(hexes(8, True), 2, '-')}-Z{digits(1)}"
        )

    return [
        ("PRM", "", "int64", lambda p: digits(14, "12")),
        ("N° série", "", "string", serial),
        (
            "Titulaire",
            "person_name",
            "string",
            lambda p: pick(f"{'Mme' if p.woman else 'M.'} {p.first} {p.last}", f"{p.last.upper()} {p.first}"),
        ),
        ("Lieu de conso.", "postal_address", "string", lambda p: f"{p.street}, {p.town[0]} {p.town[1]}"),
        ("contact", "email", "string", maybe(lambda p: p.email, 0.4)),
        ("MAC CPL", "mac_address", "string", lambda p: mac(upper=True)),
        ("Index HP", "", "int32", number(1200, 98000)),
        ("Index HC", "", "int32", number(900, 74000)),
        ("P. souscrite", "", "int32", one("3", "6", "6", "9", "12", "15")),
        ("Tarif", "", "string", one("HPHC", "BASE", "TEMPO", "EJP")),
        ("Classe DPE", "", "string", one("A+", "A", "B", "C", "D", "E", "F", "G")),
        ("Relevé le", "", "date dd/MM/yyyy", on("%d/%m/%Y")),
        ("Conso. kWh", "", "string", lambda p: f"{R.uniform(80, 2400):.1f}".replace(".", ",")),
    ]


@table
def fournisseurs():
    def company_siret(p):
        number = siret()
        return pick(number, f"{groups(number[:9], 3)} {number[9:]}")

    return [
        ("Code frn", "", "string", counted("F{:05}", 118)),
        ("Raison sociale", "", "string", lambda p: pick(*FR_FIRMS)),
        ("valeur", "siret", "string", maybe(company_siret, 0.15)),
        ("N° TVA", "", "string", lambda p: vat()),
        ("Interlocuteur", "person_name", "string", maybe(lambda p: f"{p.first} {p.last}", 0.2)),
        ("Tél. 1", "phone", "string", lambda p: fr_written(fr_phone())),
        ("Mél", "email", "string", maybe(lambda p: p.email, 0.3)),
        (
            "coord. bancaires",
            "iban",
            "string",
            maybe(dirty(lambda p: pick(iban("FR"), groups(iban("FR"), 4), iban()), 0.03, "à demander", "chèque"), 0.1),
        ),
        ("Adr. 1", "postal_address", "string", lambda p: p.street),
        ("Commune", "", "string", lambda p: p.town[1]),
        ("Compte aux.", "", "string", lambda p: "0401" + digits(6)),
        ("Cond. rglt", "", "string", listed("30 jours fin de mois|45 j nets|À réception|60 jours|30 j le 10")),
        ("NAF", "", "string", listed("4711D|2561Z|1812Z|4941B|8121Z|4322B|6201Z|1721A")),
        ("EAN principal", "", "int64", lambda p: ean13("3")),
        ("Créé le", "", "date", on("%Y-%m-%d", (2009, 1, 1))),
    ]


@table_of_persons(begin=1938, end=2015)
def prets_bibliotheque():
    return [
        ("code_lecteur", "", "string", counted("{:08}", 21430)),
        ("emprunteur", "person_name", "string", lambda p: f"{p.first} {p.last}"),
        ("col7", "phone", "string", maybe(lambda p: pick(fr_mobile(), groups(fr_mobile(), 2)), 0.25)),
        ("mél_lecteur", "email", "string", maybe(lambda p: p.email, 0.2)),
        (
            "titre",
            "",
            "string",
            listed(
                "Germinal|Le Petit Prince|L'Étranger|Madame Bovary|Thérèse Raquin|Eugénie Grandet|Bel-Ami|Manon Lescaut|Les Misérables|Nana\nLe Père Goriot|Atlas des oiseaux|Jardiner sans eau|La cuisine du placard|Apprendre le tricot|Histoire de la Bretagne"
            ),
        ),
        ("isbn", "", "int64", lambda p: ean13("9782")),
        ("cote", "", "string", lambda p: f"{pick('R', 'BD', 'SF', 'J', '641.5', '944')} {letters(3)}"),
        ("date_pret", "", "date", then("%Y-%m-%d")),
        ("retour_prevu", "", "date", then("%Y-%m-%d", 21, 28)),
        ("retour_effectif", "", "date", maybe(then("%Y-%m-%d", 2, 60), 0.3)),
        ("site", "", "string", listed("Annexe Bellevue|Médiathèque centrale|Bibliobus|Annexe Marcel-Pagnol|Espace Simone-Veil")),
        ("rfid", "", "string", lambda p: "E00401" + hexes(10, True)),
        ("nb_prolong", "", "int32", number(0, 4)),
    ]


@table
def flotte_vehicules():
    return [
        ("Immat.", "", "string", lambda p: f"{letters(2)}-{digits(3)}-{letters(2)}"),
        ("VIN", "", "string", lambda p: pick("VF1", "VF3", "WVW", "ZFA") + letters(5) + digits(9)),
        ("Marque", "", "string", listed("RENAULT|PEUGEOT|CITROEN|MERCEDES|FORD|DACIA|OPEL|ALFA ROMEO")),
        ("Modèle", "", "string", listed("CLIO|MEGANE|ZOE|PARTNER|BERLINGO|VITO|GIULIA|ADAM|SANDERO|FIESTA|KANGOO")),
        ("1ère MEC", "", "date dd/MM/yyyy", on("%d/%m/%Y", (2014, 1, 1))),
        ("Attribué à", "person_name", "string", maybe(lambda p: f"{p.last.upper()} {p.first}", 0.3)),
        ("Port. cond.", "phone", "string", maybe(lambda p: pick(groups(fr_mobile(), 2), groups(fr_mobile(), 2, ".")), 0.35)),
        ("Agence", "", "string", listed("Lyon|Lille|Nantes|Florence|Lourdes|Nancy|Vienne|Valence")),
        ("Fin contrat", "", "date dd/MM/yyyy", on("%d/%m/%Y", (2024, 7, 1), (2028, 12, 31))),
        ("Km", "", "int32", number(1200, 190000)),
        ("IMEI boîtier", "", "int64", lambda p: luhn("35" + digits(12))),
        ("IP boîtier", "ip_address", "string", lambda p: f"10.{R.randrange(20, 24)}.{R.randrange(256)}.{R.randrange(1, 255)}"),
        ("Réf. filtre", "", "string", lambda p: f"{pick(*'FJKMS')}{R.randrange(10, 99)}.{R.randrange(10)}"),
        ("Crit'Air", "", "string", one("E", "1", "2", "3", "NC")),
    ]


@table
def dons_association():
    return [
        ("N° reçu", "", "string", counted("RF-2023-{:06}", 1)),
        ("Civ.", "", "string", lambda p: "Mme" if p.woman else "M."),
        ("Donateur", "person_name", "string", lambda p: f"{p.first} {p.last.upper()}"),
        ("Adresse complète", "postal_address", "string", lambda p: f"{p.street} - {p.town[0]} {p.town[1]}"),
        ("adr. élec.", "email", "string", maybe(lambda p: p.email, 0.35)),
        ("ref", "iban", "string", maybe(lambda p: iban("FR"), 0.55)),
        ("Don", "", "string", lambda p: f"{R.choice([10, 20, 30, 50, 80, 100, 250])},00 €"),
        ("Mode", "", "string", one("CB", "Chèque", "Prélèvement", "Espèces")),
        ("Date don", "", "date dd/MM/yyyy", on("%d/%m/%Y")),
        ("Campagne", "", "string", listed("Noël solidaire|Sainte-Marthe 2023|Urgence séisme|Octobre rose|Marathon|Parrainage")),
        ("Nb dons", "", "int32", number(1, 30)),
        ("Fidélité", "", "string", one("A", "B", "C+", "C", "D-")),
    ]


def english(**born):
    return table_of_persons(hosts=EN_HOSTS, **born)


@english(begin=1962, end=2003)
def job_applications():
    return [
        ("Req", "", "int32", number(4100, 4190)),
        ("Candidate", "person_name", "string", lambda p: f"{p.first} {p.last}"),
        ("contact", "email", "string", dirty(lambda p: p.email, 0.03, "via agency", "n/a")),
        ("Cell", "phone", "string", maybe(lambda p: gb_phone(), 0.12)),
        ("D.O.B.", "birth_date", "date dd/MM/yyyy", maybe(lambda p: p.born.strftime("%d/%m/%Y"), 0.3)),
        ("NI no.", "national_id", "string", maybe(lambda p: pick(n := nino(), f"{n[:2]} {n[2:4]} {n[4:6]} {n[6:8]} {n[8]}"), 0.4)),
        ("ppt", "passport", "string", maybe(lambda p: passport(pick("GB", "GB", "FR", "PL", "IT", "ES")), 0.5)),
        ("Current employer", "", "string", maybe(lambda p: pick(*EN_FIRMS), 0.15)),
        ("home_addr", "postal_address", "string", lambda p: f"{p.gb_street}, {p.gb_town[1]} {p.gb_town[0]}"),
        ("Applied", "", "date dd/MM/yyyy", on("%d/%m/%Y")),
        ("Stage", "", "string", listed("Screen|Phone interview|Panel|Offer|Rejected|Withdrawn")),
        ("Grade", "", "string", one("A", "A-", "B+", "B", "B-", "C")),
        ("Expected", "", "int32", lambda p: str(R.randrange(22, 95) * 1000)),
        ("Recruiter", "person_name", "string", lambda p: f"{(o := other()).first} {o.last[0].upper()}."),
        ("Source", "", "string", listed("Referral|Job board|Careers site|Agency|University fair")),
        ("CV hash", "", "string", lambda p: hexes(32)),
    ]


@english()
def insurance_claims():
    return [
        ("Claim No", "", "string", counted("CLM/23/{:06}", 4410)),
        (
            "Policyholder",
            "person_name",
            "string",
            lambda p: pick(f"{'Mrs' if p.woman else 'Mr'} {p.first[0]} {p.last}", f"{'Ms' if p.woman else 'Mr'} {p.first} {p.last}"),
        ),
        ("PH DOB", "birth_date", "date dd-MM-yyyy", lambda p: p.born.strftime("%d-%m-%Y")),
        ("Loss date", "", "date dd-MM-yyyy", on("%d-%m-%Y")),
        ("Peril", "", "string", listed("Escape of water|Theft|Third party|Fire|Storm|Accidental damage")),
        ("Injury", "health", "string", maybe(listed(INJURIES), 0.45)),
        ("Payee acct", "iban", "string", maybe(lambda p: pick(iban("GB"), groups(iban("GB"), 4), iban()), 0.2)),
        ("Paid", "", "float64", amount(80, 48000)),
        ("Adjuster", "person_name", "string", lambda p: f"{(o := other()).last}, {o.first}"),
        ("Claimant tel", "phone", "string", maybe(dirty(lambda p: gb_phone(), 0.03, "ex-directory", "see notes"), 0.15)),
        ("Risk addr", "postal_address", "string", lambda p: f"{p.gb_street}, {p.gb_town[1]}, {p.gb_town[0]}"),
        ("Repairer", "", "string", maybe(lambda p: pick(*EN_FIRMS), 0.3)),
        ("Repairer VAT", "", "string", maybe(lambda p: "GB" + digits(9, "123456789"), 0.3)),
        ("Status", "", "string", one("Open", "Settled", "Repudiated", "Reserved")),
        ("Litigated", "", "boolean", one("false", "false", "false", "true")),
    ]


@english(begin=1932, end=2006)
def voter_roll():
    return [
        ("PD", "", "string", lambda p: f"{pick('AB', 'CS', 'MW')}{pick(*'123456')}"),
        ("ENO", "", "int32", counted("{}", 1)),
        ("Surname", "person_name", "string", lambda p: p.last),
        (
            "Forename(s)",
            "person_name",
            "string",
            lambda p: f"{p.first}{pick('', '', ' ' + pick(*'ABCDEJLMRS'), ' ' + pick(*(WOMEN if p.woman else MEN)))}",
        ),
        ("Reg. address", "postal_address", "string", lambda p: p.gb_street),
        ("Postcode", "", "string", lambda p: p.gb_town[0]),
        ("Ward", "", "string", listed("Abbey|Castle|St Margaret's|Victoria|Nelson|Harewood|Charlotte Square|Elizabeth Park")),
        ("Birth dt", "birth_date", "date dd/MM/yyyy", maybe(lambda p: p.born.strftime("%d/%m/%Y"), 0.6)),
        ("Franchise", "", "string", one("P", "P", "G", "K", "L")),
        ("Added", "", "date dd/MM/yyyy", on("%d/%m/%Y", (2012, 1, 1))),
        ("Opted out", "", "boolean", one("true", "false")),
        ("AV type", "", "string", maybe(one("Postal", "Proxy"), 0.6)),
        ("Station", "", "string", listed("Scout Hall|St Peter's Church Hall|Primary School|Community Centre|Library")),
    ]


@english()
def hotel_bookings():
    nations = ["FR", "GB", "DE", "IT", "US", "PL", "ES", "NL"]

    def document(p):
        return passport(pick(*nations))

    return [
        ("Conf", "", "int64", lambda p: luhn(digits(9, "56789"))),
        (
            "Guest",
            "person_name",
            "string",
            lambda p: pick(f"{p.last.upper()}/{p.first.upper()} {'MRS' if p.woman else 'MR'}", f"{p.last}, {p.first}"),
        ),
        ("Market", "", "string", listed("Paris|Florence|Sydney|Charlotte|Victoria|Milan|Dublin|Santiago")),
        ("Passport / ID", "passport", "string", maybe(document, 0.3)),
        ("Arr", "", "date", then("%Y-%m-%d")),
        ("Dep", "", "date", then("%Y-%m-%d", 1, 9)),
        ("Rm", "", "int32", number(101, 640)),
        ("Rate", "", "float64", amount(62, 410)),
        ("cc", "payment_card", "string", maybe(lambda p: pick(n := card(), spaced_card(n), spaced_card(n, "-")), 0.45)),
        ("Guest mail", "email", "string", maybe(lambda p: p.email.upper() if R.random() < 0.2 else p.email, 0.2)),
        (
            "ph",
            "phone",
            "string",
            maybe(lambda p: pick(gb_phone(), us_phone(), f"+49 {digits(3, '1')} {digits(7)}", f"+33 6 {groups(digits(8), 2)}"), 0.2),
        ),
        (
            "Home address",
            "postal_address",
            "string",
            maybe(
                lambda p: pick(
                    f"{p.gb_street}, {p.gb_town[1]}", f"{p.street}, {p.town[0]} {p.town[1]}", f"{R.randrange(10, 4000)} {pick(*US_STREETS)}"
                ),
                0.25,
            ),
        ),
        ("Agency", "", "string", maybe(listed("Kuoni Desk|Thomas & Lang Travel|Bookwell|Direct|Globe Corporate"), 0.2)),
        ("Rate code", "", "string", one("BAR", "CORP", "AAA", "OTA-20", "GRP")),
    ]


@english()
def access_log():
    def forwarded(p):
        return pick(ipv4(), f"{ipv4()}, 10.0.{R.randrange(4)}.{R.randrange(1, 255)}")

    return [
        ("remote", "ip_address", "string", lambda p: ipv6() if R.random() < 0.3 else ipv4()),
        ("xff", "ip_address", "string", maybe(forwarded, 0.5)),
        ("auth", "email", "string", maybe(lambda p: p.email, 0.55)),
        ("ts", "", "string", at("%d/%b/%Y:%H:%M:%S +0000")),
        (
            "request",
            "",
            "string",
            lambda p: f"{pick('GET', 'GET', 'POST')} /{pick('shop', 'api/v2/items', 'static/app.js', 'basket', 'search')}/{R.randrange(9000)} HTTP/1.1",
        ),
        ("status", "", "int32", one("200", "200", "200", "304", "404", "302", "500")),
        ("bytes", "", "int32", number(120, 90000)),
        ("dur", "", "float64", lambda p: f"{R.uniform(0.001, 2.5):.3f}"),
        ("client_build", "", "string", lambda p: version()),
        (
            "agent",
            "",
            "string",
            listed(
                "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101|Mozilla/5.0 (iPhone; CPU iPhone OS 17_4)|curl/8.4.0|okhttp/4.12|Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
            ),
        ),
        ("trace", "", "string", lambda p: hexes(32)),
        ("epoch_ms", "", "int64", lambda p: f"17{digits(11)}"),
        ("pool", "", "string", listed("edge-a|edge-b|victor|oscar|juliet")),
    ]


@english()
def dhcp_leases():
    return [
        ("addr", "ip_address", "string", lambda p: f"192.168.{R.randrange(10, 20)}.{R.randrange(2, 255)}"),
        ("hw", "mac_address", "string", lambda p: mac()),
        ("chaddr", "mac_address", "string", maybe(lambda p: groups(hexes(12), 4, "."), 0.2)),
        (
            "ipv6",
            "ip_address",
            "string",
            maybe(lambda p: f"fe80::{hexes(4)}:{hexes(2)}ff:fe{hexes(2)}:{hexes(4)}".replace(":0", ":b"), 0.4),
        ),
        ("hostname", "", "string", lambda p: f"{pick('LAP', 'DESK', 'PRN', 'TAB')}-{letters(3)}{digits(3)}"),
        (
            "asset",
            "",
            "string",
            lambda p: ":".join(R.choice("0123456789GHKX") + R.choice("ABGHKTXZ0123") for _ in range(5)) + ":Z" + digits(1),
        ),
        ("holder", "person_name", "string", maybe(lambda p: pick(f"{p.first} {p.last}", f"{p.last}, {p.first}"), 0.35)),
        ("starts", "", "timestamp zone", then("%Y-%m-%dT%H:%M:%SZ")),
        ("ends", "", "timestamp zone", then("%Y-%m-%dT%H:%M:%SZ", 0, 1)),
        ("vlan", "", "int32", one("10", "20", "30", "110")),
        ("port", "", "string", lambda p: f"Gi{R.randrange(1, 4)}/0/{R.randrange(1, 49)}"),
        ("fw", "", "string", lambda p: f"{R.randrange(1, 20)}.{R.randrange(10)}.{R.randrange(300)}.{R.randrange(1, 99)}"),
        ("vendor", "", "string", listed("Lenovo|Dell|Apple|Brother|Samsung|Raspberry Pi|Hewlett Packard")),
    ]


@english()
def crm_leads():
    return [
        ("Lead ID", "", "string", lambda p: "00Q" + letters(3) + digits(6) + letters(3) + pick("AAI", "QAK", "EAT")),
        ("First", "person_name", "string", lambda p: p.first),
        ("Last", "person_name", "string", lambda p: p.last),
        ("Job", "", "string", listed("Head of Procurement|CFO|Plant manager|IT Director|Office manager|VP Sales|Buyer")),
        ("Account", "", "string", lambda p: pick(*EN_FIRMS)),
        ("field_12", "email", "string", maybe(dirty(lambda p: p.email, 0.04, "unsubscribed", "bounce"), 0.1)),
        ("Ph. (w)", "phone", "string", maybe(lambda p: pick(us_phone(), us_phone() + f" x{R.randrange(100, 999)}"), 0.3)),
        (
            "Mailing street",
            "postal_address",
            "string",
            lambda p: f"{R.randrange(10, 9900)} {pick(*US_STREETS)}{pick('', '', f' Suite {R.randrange(100, 900)}')}",
        ),
        ("Mailing city", "", "string", lambda p: p.us_town[0]),
        ("Zip", "", "string", lambda p: p.us_town[2]),
        ("Owner team", "", "string", one("@emea-sales", "@inside_west", "@partners", "@midmarket", "@key.accounts")),
        ("Territory", "", "string", listed("Boston|Charlotte|Madison|Austin|Jackson|Raleigh|Orlando|Savannah")),
        ("Product interest", "", "string", listed("Victoria Suite|Oliver 2|Paige Pro|Atlas Cloud|Stella Reports|Max Backup")),
        ("Est. value", "", "float64", amount(900, 80000)),
        ("Created", "", "timestamp zone", at("%Y-%m-%dT%H:%M:%S+00:00")),
        ("Score", "", "int32", number(1, 100)),
    ]


@english()
def web_orders():
    return [
        ("order_no", "", "int64", lambda p: luhn("90" + digits(13))),
        ("ean", "", "int64", lambda p: ean13("50")),
        (
            "item",
            "",
            "string",
            listed("Lamp Charlotte|Chair Victor|Rug Amélie|Cushion Oscar|Mug Edith|Throw Hazel|Mirror Ivy|Desk Arthur|Vase Stella"),
        ),
        ("brand", "", "string", listed("Hugo Boss|Tommy Hilfiger|Calvin Klein|Ted Baker|Paul Smith|Nike|Levi's|Ralph Lauren|Le Creuset")),
        ("ship_to", "person_name", "string", lambda p: f"{p.first} {p.last}"),
        ("ship_addr", "postal_address", "string", lambda p: f"{p.gb_street}, {p.gb_town[1]}, {p.gb_town[0]}, GB"),
        ("ref", "email", "string", lambda p: p.email),
        ("bill_ph", "phone", "string", maybe(lambda p: gb_phone(), 0.3)),
        ("pay_ref", "payment_card", "int64", maybe(lambda p: card(), 0.3)),
        ("origin", "ip_address", "string", maybe(lambda p: ipv4(), 0.1)),
        ("ordered_at", "", "timestamp local", then("%Y-%m-%d %H:%M:%S")),
        ("delivered_on", "", "date", maybe(then("%Y-%m-%d", 1, 12), 0.2)),
        ("bin", "", "string", lambda p: f"{pick(*'EFIJKM')}{R.randrange(10, 60)}.{R.randrange(10)}"),
        ("tracking", "", "int64", lambda p: digits(14, "123456789")),
        ("qty", "", "int32", number(1, 7)),
        ("total", "", "float64", amount(8, 700)),
        ("energy", "", "string", maybe(one("A+", "A", "A-", "B", "B-", "C"), 0.3)),
    ]


@english()
def call_records():
    return [
        ("call_ref", "", "int64", lambda p: digits(15, "123456789")),
        ("a_number", "phone", "int64", lambda p: "447" + digits(9, "3456789")),
        (
            "b_number",
            "phone",
            "string",
            maybe(lambda p: pick("447" + digits(9, "3456789"), "0044" + digits(10, "127"), "+44" + digits(10, "127")), 0.05),
        ),
        ("subscriber", "person_name", "string", maybe(lambda p: pick(f"{p.last.upper()} {p.first.upper()}", f"{p.first} {p.last}"), 0.2)),
        ("call_date", "", "date", on("%Y-%m-%d")),
        ("setup", "", "time HH:mm:ss", at("%H:%M:%S")),
        ("secs", "", "int32", number(0, 4200)),
        ("cell", "", "string", lambda p: f"234-{pick('10', '15', '20', '30')}-{hexes(4, True)}"),
        ("tariff", "", "string", listed("PAYG|Business 50|Family+|SIM-only 20")),
        ("charge", "", "float64", lambda p: f"{R.uniform(0, 9):.4f}"),
        ("data_ip", "ip_address", "string", maybe(lambda p: f"100.{R.randrange(64, 128)}.{R.randrange(256)}.{R.randrange(1, 255)}", 0.5)),
        ("route_code", "", "string", lambda p: "0" + digits(9, "78")),
        ("ported", "", "boolean", one("true", "false", "false")),
    ]


@english(begin=1935, end=2018)
def pharmacy_fills():
    return [
        ("Rx #", "", "int32", counted("{}", 6612040)),
        ("Patient", "person_name", "string", lambda p: f"{p.last}, {p.first}{pick('', '', ' ' + pick(*'ABCDJKMR'))}"),
        ("Pt DOB", "birth_date", "date MM/dd/yyyy", lambda p: p.born.strftime("%m/%d/%Y")),
        (
            "SSN",
            "national_id",
            "string",
            maybe(
                lambda p: f"{R.choice([101, 219, 344, 455, 518, 627]) + R.randrange(30)}-{R.randrange(10, 99)}-{R.randrange(1000, 9999)}",
                0.4,
            ),
        ),
        ("Pt ph", "phone", "string", maybe(lambda p: us_phone(), 0.15)),
        ("Drug", "health", "string", listed(DRUGS)),
        ("Dx", "health", "string", maybe(listed(DX), 0.2)),
        ("Allergies", "health", "string", maybe(listed(ALLERGIES), 0.5)),
        ("Written by", "person_name", "string", lambda p: f"{(o := other()).first} {o.last}, {pick('MD', 'DO', 'NP')}"),
        ("NDC", "", "string", lambda p: f"{digits(5, '06')}-{digits(4)}-{digits(2)}"),
        ("Lot", "", "string", lambda p: f"{letters(2)}{digits(5)}"),
        ("Qty", "", "int32", one("30", "60", "90", "20", "14")),
        ("Refills", "", "int32", number(0, 6)),
        ("Filled", "", "date MM/dd/yyyy", on("%m/%d/%Y")),
        ("Plan", "", "string", maybe(lambda p: pick(*EN_FIRMS), 0.15)),
        ("Copay", "", "float64", amount(0, 90)),
    ]


def main():
    folder = HERE / "registers"
    folder.mkdir(exist_ok=True)
    labels = []
    for name, function in TABLES.items():
        R.seed(f"registers 20240917 {name}")
        columns = function()
        born = getattr(function, "born", {})
        with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(column[0] for column in columns)
            for _ in range(R.randrange(200, 261)):
                person = Person(**born)
                writer.writerow([column[3](person) for column in columns])
        labels += [(name, *column[:3]) for column in columns]
    with open(HERE / "registers.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["table", "column", "kind", "type"])
        writer.writerows(labels)


main()
